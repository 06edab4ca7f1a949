"""Every program of tests/trip_jit.py gives, when jitted, what it gives with NumPy; docs/hybridize.md has the list.

`python -m tests.test_hybrid_trips --update` writes the list again.
"""

import inspect
import pathlib
import sys

import pytest

from lazytensor.hybrid import compiled, nodes
from tests.helpers import check_same
from tests.trip_jit import PROGRAMS

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "hybridize.md"
MARK = "<!-- table -->\n"


def table():
    """The list of programs, as Markdown."""
    rows = [f"| `{p.__name__}` | {_text(p)} |" for p in PROGRAMS]
    return "\n".join(["| program | what trips others |", "|---|---|", *rows, ""])


def _text(program):
    return " ".join(inspect.getdoc(program).split()).replace("|", "\\|")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_jitted_program_gives_what_numpy_gives(program):
    check_same(program)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_compiled_programs_alone_give_it_too(program, monkeypatch):
    """Without the comparisons that would find a difference and hide it."""
    if program.__name__ != "time_inside":
        monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
        check_same(program)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_as_nodes_they_give_it_too(program, monkeypatch):
    if program.__name__ != "time_inside":
        monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
        monkeypatch.setattr(nodes, "LARGE", 0)
        check_same(program)


def test_there_are_many():
    assert len(PROGRAMS) >= 40 and all(p.__doc__.strip().endswith(".") for p in PROGRAMS)


def test_the_page_lists_them():
    assert PAGE.read_text().partition(MARK)[2] == table(), "run: python -m tests.test_hybrid_trips --update"


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python -m tests.test_hybrid_trips --update")
    PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + table())
