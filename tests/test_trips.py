"""Every program of tests/trip_*.py gives on lazytensor what it gives on NumPy, and docs/trips.md shows them all.

`python -m tests.test_trips --update` writes docs/trips.md again.
"""

import inspect
import pathlib
import sys

import pytest

from tests.helpers import assert_stays_pending, check_same, counting_hook, module_under_test
from tests.trip_programs import FAMILIES, family, programs

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "trips.md"

INTRODUCTION = """# Programs that trip lazy libraries

Each row is a plain NumPy program and a test: `tests/test_trips.py` runs it on NumPy and on lazytensor and compares
every result: values bit for bit, dtypes, shapes, layouts, types of exceptions and the lines on which they are raised.
The second column says what a library that merely postpones its work gets wrong, or what the program relies on.

This page is generated: `python -m tests.test_trips --update`.
"""


def title(program):
    """The name of a program in words."""
    return program.__name__.replace("_", " ")


def promise(program):
    """The docstring of a program, as one line that a Markdown table can hold."""
    return " ".join(inspect.getdoc(program).split()).replace("|", "\\|")


def page():
    """The text of docs/trips.md."""
    table, sources = [INTRODUCTION], []
    for name, module in FAMILIES.items():
        rows = [f"| [{title(p)}](#{p.__name__}) | {promise(p)} | `{module.__name__.replace('.', '/')}.py` |"
                for p in family(module)]  # fmt: skip
        table += [f"## {name}\n", "| program | what trips others | source |", "|---|---|---|", *rows, ""]
        for p in family(module):
            code = inspect.getsource(p).rstrip()
            sources.append(f'<a id="{p.__name__}"></a>\n### {title(p)}\n\n```python\n{code}\n```\n')
    return "\n".join([*table, "## The programs\n", *sources])


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.__name__)
def test_program_gives_what_numpy_gives(program):
    check_same(program)


def test_there_are_many_and_each_says_what_it_shows():
    names = [p.__name__ for p in programs()]
    assert len(names) >= 45
    assert len(set(names)) == len(names)
    assert all(promise(p).endswith(".") for p in programs())


def test_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m tests.test_trips --update"


def test_condition_of_a_loop_is_computed_once():
    np = module_under_test()
    x = np.arange(4.0)
    condition = (np.exp(x) + 1).sum() > 3
    with counting_hook() as executed:
        turns = sum(1 for _ in range(10) if condition)
    names = [node.op.name for node in executed]
    assert turns == 10
    assert names.count("exp") == 1
    assert len(names) <= 4


def test_values_of_a_loop_are_computed_once_each():
    np = module_under_test()
    x = np.array([9.0, 2.0])
    with counting_hook() as executed:
        while np.sqrt(x).max() > 1.01:
            x = np.sqrt(x)
    assert [node.op.name for node in executed].count("sqrt") <= 2 * 9


@pytest.mark.parametrize(
    "built",
    [
        lambda np, t: (t * 2, t.sum(), t[1:] + 1),
        lambda np, t: t[::-1].T @ t[::-1].copy(),
        lambda np, t: [row * 2 for row in t],
        lambda np, t: np.where(t > 3, t, 0)[:, ::2],
    ],
)
def test_programs_like_these_stay_pending(built):
    assert_stays_pending(lambda t: built(_module_of(t), t))


def _module_of(array):
    """The module that an array belongs to: NumPy for NumPy's own."""
    return sys.modules[type(array).__module__.partition(".")[0]]


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python -m tests.test_trips --update")
    PAGE.write_text(page())
