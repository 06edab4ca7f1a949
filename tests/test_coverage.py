"""Every public callable of NumPy's is there, with its signature and documentation, and says how it runs; what is said
is so. docs/coverage.md shows it all: `python -m tests.test_coverage --update` writes that page again.
"""

import functools
import importlib
import inspect
import pathlib
import subprocess
import sys
import warnings

import numpy as real
import pytest

import lazytensor
from lazytensor.api.laziness import KINDS, LAZY, NONE, REAL, REASONS, WHY, WRITTEN
from lazytensor.see.coverage import ASIDE, MODULES, callables, counted, module_of, public, room
from tests.helpers import counting_hook
from tests.test_namespace import EXPRESSIONS

pytestmark = pytest.mark.usefixtures("everything_waits")

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "coverage.md"

INTRODUCTION = """# How each function runs

`lt.coverage()` gives this as a dict. Every public callable of `numpy` and of these submodules is in one of three
classes, read off what stands for it in lazytensor; what takes no array and gives none (types, exceptions, settings) is
left out below.

* **lazy**: the result may stay pending, and so may what the function is given. With arguments for which that cannot be
  (arrays of objects, `out=` of foreign memory), it runs at once.
* **when written**: it runs its operands at once, because it must. The reasons are given.
* **NumPy on realized inputs**: NumPy's own function runs at once, on the values of its arguments, which are computed
  first. The result is NumPy's.

This page is generated: `python -m tests.test_coverage --update`.
"""


@functools.cache
def found():
    return lazytensor.coverage()


# ---------------------------------------------------------------- the page


def listed(names):
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def page():
    """The text of docs/coverage.md."""
    coverage = found()
    lines = [INTRODUCTION, "| module | lazy | when written | NumPy on realized inputs |", "|---|---|---|---|"]
    for module in MODULES:
        counts = [sum(how.kind == kind and module_of(name) == module for name, how in coverage.items())
                  for kind in (LAZY, WRITTEN, REAL)]
        if any(counts):
            lines.append(f"| `{module or 'numpy'}` | {' | '.join(map(str, counts))} |")
    share = f"{coverage.share():.1%} of the callables run NumPy on realized inputs"
    lines += ["", f"Text, masked arrays, polynomials and files aside, {share}.", "", "## Lazy", ""]
    lines += by_module(coverage, LAZY)
    lines += ["But at some arguments they look when they are written, or run:", ""]
    lines += [f"* {listed(names)}: {but}" for but, names in sorted(but_for(coverage).items())]
    lines += ["", "## When written", ""]
    for why, text in WHY.items():
        lines += [f"Because {text}:", "", listed(n for n, how in coverage.items() if how[:2] == (WRITTEN, why)), ""]
    lines += ["## NumPy on realized inputs", "", *by_module(coverage, REAL)]
    return "\n".join(lines)


def but_for(coverage):
    """The exceptions of lazy functions, each with the names that it holds for."""
    table = {}
    for name, how in coverage.items():
        if how.but:
            table.setdefault(how.but, []).append(name)
    return table


def by_module(coverage, kind):
    lines = []
    for module in MODULES:
        names = [name for name in coverage.names(kind) if module_of(name) == module]
        if names:
            lines += [f"`{module or 'numpy'}`: {listed(names)}", ""]
    return lines


def test_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m tests.test_coverage --update"


# ---------------------------------------------------------------- names, signatures, documentation


@pytest.mark.parametrize("module", MODULES)
def test_no_public_name_is_missing(module):
    theirs, ours = room("numpy", module), room("lazytensor", module)
    assert [name for name in public(theirs) if not hasattr(ours, name)] == []
    assert set(public(theirs)) <= set(dir(ours))


def signature(function):
    try:
        return inspect.signature(function)
    except (ValueError, TypeError) as error:
        return type(error)


def test_signatures_are_numpys():
    assert [name for name, theirs, ours in callables() if signature(theirs) != signature(ours)] == []


def test_docstrings_are_numpys_with_a_note_on_laziness():
    without = []
    for name, theirs, ours in callables():
        # SciPy adds a section to NumPy's docstring of `sinc`.
        if ours is not theirs and theirs.__doc__ and "Python Array API Standard" not in theirs.__doc__:
            doc = inspect.getdoc(ours)
            if "With lazytensor" not in doc and "computed when they are needed" not in doc:
                without.append(name)
            text = inspect.cleandoc(theirs.__doc__).split("\n")
            assert {line.strip() for line in text} <= {"", *[line.strip() for line in doc.split("\n")]}, name
    assert without == []


def test_every_callable_has_a_class():
    coverage = found()
    assert set(coverage) == {name for name, *_ in callables()}
    assert {how.kind for how in coverage.values()} == set(KINDS)
    assert len(coverage) > 900
    assert all((how.why in WHY) == (how.kind == WRITTEN) for how in coverage.values())
    assert str(coverage).count("\n") == len(MODULES) + 3


def test_share_that_runs_numpy_on_realized_inputs():
    coverage = found()
    names = [name for name, how in coverage.items() if how.kind == REAL and counted(name, how)]
    every = [name for name, how in coverage.items() if counted(name, how)]
    assert len(every) > 380 and not any(module_of(name) in ASIDE for name in every)
    assert len(names) <= 0.25 * len(every), f"{len(names)} of {len(every)}: {' '.join(names)}"


def test_what_is_left_as_it_is_takes_no_array():
    for name, theirs, ours in callables():
        if found()[name].kind == NONE:
            assert ours is theirs, name


# ---------------------------------------------------------------- what is said to be lazy is so


MORE = "np.atleast_2d(a) | np.full_like(a, 2.0) | np.array(a) | np.asarray(a) | np.ascontiguousarray(a) | "
MORE += "np.where(a > 3, a, v) | np.histogram(v, [1, 2, 3]) | np.linalg.det(a[:, :3]) | "
MORE += "np.take_along_axis(a, np.zeros((3, 1), int), 1)"


def pieces():
    """(name, expression) for the expressions of tests/test_namespace.py that are one call of a public function."""
    for source in f"{EXPRESSIONS} | {MORE}".replace("\n", " | ").split(" | "):
        head = source.strip().partition("(")[0]
        if head.startswith("np.") and source.strip().endswith(")") and head[3:] in found():
            yield head[3:], source.strip()


def run_by(source):
    """How many nodes an expression executes on pending arrays while it is written."""
    a, v = real.arange(1.0, 13.0).reshape(3, 4), real.arange(1.0, 5.0)
    names = {"np": lazytensor, "a": +lazytensor.array(a), "v": +lazytensor.array(v)}
    with warnings.catch_warnings(), counting_hook() as executed:
        result = eval(source, names)
        early = list(executed)
    del result
    return len(early)


def test_functions_said_to_be_lazy_run_nothing_when_written():
    rows = {}
    for name, source in pieces():
        if found()[name].kind == LAZY:
            rows.setdefault(name, []).append(source)
    assert len(rows) > 40
    # Of the calls of one function some may need values: `where(x)`, arrays made of a list of arrays.
    assert [sources for sources in rows.values() if all(map(run_by, sources))] == []


# ---------------------------------------------------------------- what must run when written must

PROOFS = """
argwhere(a) | compress(a < 3, b) | delete(b, a < 3) | extract(a < 3, b) | flatnonzero(a) | intersect1d(a, b)
insert(b, a < 3, 5) | ix_(a < 3) | linalg.eig([[0, d[0]], [1, 0]]) | linalg.eigvals([[0, d[0]], [1, 0]]) | mask_indices(3, lambda m, k: m * (a < 3))
min_scalar_type(n[2] * 100) | nonzero(a) | poly(c) | polydiv(b, a) | polymul(a, a)
real_if_close(c) | repeat(b, n) | roots(a) | setdiff1d(a, b) | setxor1d(a, b)
trim_zeros(a) | union1d(a, b) | unique(a) | unique_all(a) | unique_counts(a) | unique_inverse(a) | unique_values(a)
bincount(n) | emath.arccos(a - 2) | emath.arcsin(a - 2) | emath.arctanh(a - 2) | emath.log(d) | emath.log10(d) | emath.log2(d)
emath.logn(2, d) | emath.power(d, 2) | emath.sqrt(d)
average(b, weights=b * s) | choose(n, [b, b, b, b]) | digitize(b, d) | histogram(i) | histogram_bin_edges(i)
histogram2d(i, b) | histogramdd(i) | percentile(b, d) | quantile(b, d) | nanpercentile(b, d) | nanquantile(b, d)
polyfit(i, b, 1) | put(b.copy(), n, 1) | put_along_axis(b.copy(), n, 1, 0) | ravel_multi_index((n,), (4,))
take(b, n) | take_along_axis(b, n, 0) | unravel_index(n, (4,)) | busday_offset(t, 1) | busday_count(t, t)
linalg.cholesky(m * s) | linalg.eigh(m * i[0]) | linalg.eigvalsh(m * i[0]) | linalg.inv(m * s) | linalg.lstsq(m * i[0], b)
linalg.matrix_power(m * s, -1) | linalg.pinv(m * i[0]) | linalg.solve(m * s, b) | linalg.svd(m * i[0])
linalg.svdvals(m * i[0]) | linalg.tensorinv(m * s, 1) | linalg.tensorsolve(m * s, b) | linalg.cond(m * i[0], 2)
linalg.matrix_rank(m * i[0]) | asarray_chkfinite(i) | fromstring(f, sep=',')
geomspace(a[0], 3) | nanargmax(a * a[0] / a[0]) | nanargmin(a * a[0] / a[0]) | linalg.norm(m * i[0], 2)
linalg.matrix_norm(m * i[0], ord='nuc')
"""  # noqa: E501  a call a function
"""One call a row whose outcome, in NumPy itself, is told by the values of its arrays alone."""

VALUES = (
    {"a": [1.0, 2, 3], "n": [0, 1, 2], "c": [1 + 0j, 2, 3], "d": [0.5, 0.6, 0.7], "i": [1.0, 2, 3], "s": [1.0]},
    {"a": [0.0, 0.5, 0.5], "n": [0, 1, 9], "c": [1j, 2, 3], "d": [-0.5, 0.6, 0.4], "i": [real.inf, 2, 3], "s": [0.0]},
)
"""Two arrays of one shape and dtype for each letter."""


def outcome(source, number):
    """What an expression gives in NumPy on the arrays of that number: shapes and dtypes, or the error's type."""
    names = {name: real.array(value) for name, value in VALUES[number].items()}
    names |= {"b": real.array([1.0, 2, 4]), "m": real.eye(3), "t": real.array(["2020-01-01", "NaT"][number], "M8[D]")}
    names |= {"f": ["1,2", "1,?"][number]}
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            result = eval(f"np.{source}", {"np": real, **names})
        except Exception as error:
            return type(error)
    return form(result)


def form(result):
    if result is None or isinstance(result, real.dtype):
        return result
    if isinstance(result, (tuple, list)):
        return [form(x) for x in result]
    return result.shape, result.dtype


def rows_of(table):
    """The calls in a table, by the names of what they call."""
    rows = [row.strip() for row in table.replace("\n", " | ").split(" | ") if row.strip()]
    return {row.partition("(")[0]: row for row in rows}


@pytest.mark.parametrize("name", sorted(name for name, why in REASONS.items() if why in ("shape", "error")))
def test_values_decide(name):
    source = rows_of(PROOFS)[name]
    with real.errstate(all="ignore"):
        first, second = outcome(source, 0), outcome(source, 1)
    assert first != second
    assert (REASONS[name] == "error") == isinstance(second, type)


PYTHON = """
allclose(a, a) | array2string(a) | array_equal(a, a) | array_equiv(a, a) | array_repr(a) | array_str(a) | base_repr(3)
binary_repr(3) | format_float_positional(a[0]) | format_float_scientific(a[0]) | isscalar(a[0])
datetime_as_string(np.datetime64('2020'))
"""


def test_results_that_are_python_values():
    rows = rows_of(PYTHON)
    assert set(rows) == {name for name, why in REASONS.items() if why == "python"}
    for row in rows.values():
        assert isinstance(eval(f"np.{row}", {"np": real, "a": real.ones(2)}), (bool, str, real.bool))


CALLS = """
apply_along_axis(f, 0, a) | apply_over_axes(lambda x, k: f(x), a, 0) | fromfunction(f, (2,))
piecewise(a, [a > 0], [f]) | frompyfunc(f, 1, 1)(a) | vectorize(f)(a) | fromiter(map(f, [1, 2]), float)
"""


def test_functions_that_call_the_program_do():
    rows = rows_of(CALLS)
    assert set(rows) == {name for name, why in REASONS.items() if why == "calls"}
    for row in rows.values():
        calls = []
        eval(f"np.{row}", {"np": real, "a": real.ones(2), "f": lambda x, calls=calls: calls.append(1) or x})
        assert calls


# ---------------------------------------------------------------- names that are not there


@pytest.mark.parametrize(
    ("module", "name", "near"),
    [("linalg", "nrom", "norm"), ("fft", "ftt", "fft"), ("random", "nromal", "normal"), ("ma", "maskedarray", None),
     ("lib.stride_tricks", "sliding_window", "sliding_window_view"), ("strings", "uper", "upper"),
     ("testing", "assert_equals", "assert_equal")],
)  # fmt: skip
def test_unknown_names_of_submodules_get_a_suggestion(module, name, near):
    with pytest.raises(AttributeError) as caught:
        getattr(importlib.import_module(f"lazytensor.{module}"), name)
    message = str(caught.value)
    assert message.startswith(f"module 'lazytensor.{module}' has no attribute '{name}'")
    if near:
        assert message.endswith(f". Did you mean: '{near}'?")


def test_a_suggestion_is_made_once():
    code = "import lazytensor as np; np.linalg.nrom"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == (
        "AttributeError: module 'lazytensor.linalg' has no attribute 'nrom'. Did you mean: 'norm'?")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python -m tests.test_coverage --update")
    PAGE.write_text(page())
