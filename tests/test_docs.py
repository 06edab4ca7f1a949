"""The pages of docs/ say what the code says: every setting with its default, every link with its file."""

import doctest
import pathlib
import re

import pytest

from lazytensor.config import TABLE

DOCS = pathlib.Path(__file__).parent.parent / "docs"
PACKAGE = DOCS.parent / "lazytensor"


def test_every_setting_has_its_row():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in _lines("settings.md") if line[0] == "|"]
    shown = {row[0]: row[1:] for row in rows}
    for name, setting in TABLE.items():
        assert shown[f"`{name}`"] == [f"`{setting.default!r}`", setting.legal, setting.purpose]


def _lines(page):
    return [line for line in (DOCS / page).read_text().splitlines() if line]


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(page):
    text = (DOCS / page).read_text()
    targets = re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for target in targets:
        file, _, anchor = target.partition("#")
        goal = DOCS / file if file else DOCS / page
        assert goal.exists(), target
        assert not anchor or f'<a id="{anchor}"></a>' in goal.read_text(), target


def test_files_and_folders_named_by_the_architecture_exist():
    named = re.findall(r"`((?!tests)[a-z_]+/(?:[a-z_]+\.py)?|[a-z_]+\.py)`", (DOCS / "architecture.md").read_text())
    assert len(set(named)) > 20
    for name in named:
        assert (PACKAGE / name).exists(), name


def test_examples_for_those_who_come_from_numpy_run():
    text = (DOCS / "coming_from_numpy.md").read_text()
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "coming_from_numpy", None, 0)
    said = []
    doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(test, out=said.append)
    assert not said, "".join(said)
    assert len(test.examples) > 20


def test_the_table_of_differences_is_whole():
    rows = [line for line in _lines("differences.md") if line[0] == "|"]
    assert len(rows) > 25 and all(row.count("|") == 5 for row in rows)
