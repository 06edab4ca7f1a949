"""Each lazy function in all common forms of its call: what is pending stays pending, and the outcome is NumPy's.

The forms are generated from the table of `test_lazy_functions`: every parameter of `OPTIONS` that a function has is
given, as well as `out`; each array is replaced by a list, by a lazy scalar and by an array of NumPy's in turn. Where
NumPy raises, so must lazytensor, with the same words. What looks at values or runs is in `MUST_RUN`.
"""

import ast
import inspect
import math
import re
import warnings

import numpy as real
import pytest

from tests.helpers import counting_hook, difference, module_under_test
from tests.test_lazy_functions import CALLS, OTHERS, WRITES, rows, sources

pytestmark = pytest.mark.usefixtures("everything_waits")

OPTIONS = {
    "axis": ("0", "-1", "None", "(0, 1)", "7"), "keepdims": ("True",), "dtype": ("'f4'", "'i8'", "complex"),
    "where": ("m", "m[0]"), "initial": ("2", "t"), "ddof": ("1",), "weights": ("y + 9", "w + 9", "[1, 2, 3, 4, 5]"),
    "k": ("1", "-2"), "kind": ("'stable'",), "stable": ("True",), "side": ("'right'",), "norm": ("'forward'",),
    "n": ("4", "2"), "mode": ("'wrap'", "'clip'", "'same'"), "decimals": ("2",), "nan": ("7.0",),
    "prepend": ("0", "t"), "append": ("0",), "dx": ("0.5",), "deg": ("True",), "left": ("-1",), "period": ("6",),
    "method": ("'nearest'",), "rowvar": ("False",), "bias": ("True",), "correction": ("1",), "density": ("True",),
    "indexing": ("'ij'",), "sparse": ("True",), "invert": ("True",), "offset": ("1",), "mean": ("t",),
    "include_initial": ("True",), "return_index": ("True",), "casting": ("'unsafe'",), "edge_order": ("2",),
    "increasing": ("True",), "subok": ("True",), "copy": ("False",), "optimize": ("True",), "ord": ("1", "2"),
    "equal_nan": ("True",), "rtol": ("0.5",), "fweights": ("[1, 2, 1, 2, 1, 2]",), "endpoint": ("False",),
    "overwrite_input": ("True",), "default": ("t", "-0.0"), "order": ("'F'",), "right": ("True",), "s": ("(4, 4)",),
}
"""Parameters, and text of the values that each is given."""

MUST_RUN = {
    r"ord=2|, 2\)$(?<=norm\(x, 2\))": "singular values may not converge",
    r"overwrite_input": "the input is overwritten",
    r"weights=y|weights=w": "weights are looked at",
    r"bins=|digitize|searchsorted\(.*sorter": "bins are looked at",
    r"choose\(": "the numbers of the choices are looked at",
    r"take|put_along_axis": "indices are looked at",
    r"(hfft|ifft2|irfft2)\(.*out=|dot\(u, v, out=": "NumPy does not write to it, or gives another result",
    r"int\(t": "of a series of one term, whether that is 0 decides the shape",
    r"np\.array\(\[.*t.*dtype='i8'": "numbers that do not fit the dtype raise",
}
"""Forms, by their text, that run or look at values when they are written, and why."""


def name_of(call):
    """The function of NumPy's that a call names; None if it is a method of an array's, or an operator."""
    text = ast.unparse(call.func)
    return eval(text, {"np": real}) if text.startswith("np.") else None


def parameters_of(fn):
    try:
        return inspect.signature(fn).parameters
    except (ValueError, TypeError):
        return {}


def forms(row):
    """The row and all that is generated from it."""
    call = ast.parse(row, mode="eval").body
    yield row
    if not isinstance(call, ast.Call) or name_of(call) is None:
        return
    named = parameters_of(name_of(call))
    given = {k.arg for k in call.keywords} | set(list(named)[:len(call.args)])
    for name, texts in OPTIONS.items():
        if name in named and name not in given and (name != "where" or not isinstance(name_of(call), real.ufunc)):
            for text in texts:
                keyword = ast.keyword(name, ast.parse(text, mode="eval").body)
                yield ast.unparse(ast.Call(call.func, call.args, [*call.keywords, keyword]))
    if "out" in named and "out" not in given:
        for out in ("o", "o32", "wrong"):
            yield ast.unparse(ast.Call(call.func, call.args, [*call.keywords, ast.keyword("out", ast.Name(out))]))
    for i, argument in enumerate(call.args):
        if isinstance(argument, ast.Name) and argument.id in "xyuvwsb":
            for other in (f"listed({argument.id})", f"numpys({argument.id})", "t", "None"):
                arguments = [*call.args[:i], ast.parse(other, mode="eval").body, *call.args[i + 1:]]
                yield ast.unparse(ast.Call(call.func, arguments, call.keywords))


def outs(row, given):
    """Arrays to be written: of the dtype and shape of what the call gives without them, of another dtype and shape."""
    plain = re.sub(r", out=\w+", "", row)
    result = outcome(plain, real, {k: v.copy("K") for k, v in given.items()})[0]
    if not isinstance(result, (real.ndarray, real.generic)):
        return {}
    return {"o": real.zeros(result.shape, result.dtype), "o32": real.zeros(result.shape, "f4"),
            "wrong": real.zeros((*result.shape, 2), result.dtype)}


def outcome(form, np, names):
    """Result, error and warnings of a form."""
    scope = {"np": np, "real": real, "listed": lambda a: real.asarray(a).tolist(), **names,
             "numpys": lambda a: real.array(a)}
    with warnings.catch_warnings(), real.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return eval(form, scope), None
        except Exception as error:
            return None, (type(error), str(error))


def check(form, dtype):
    """What is wrong with a form, as text; None if nothing is."""
    np = module_under_test()
    given = {k: v for k, v in sources(5, 6, dtype).items() if k in form or k == "u"}
    if "out=" in form:
        given |= {k: v for k, v in outs(form, given).items() if re.search(rf"\b{k}\b", form)}
    names = {k: v.copy("K") for k, v in given.items()}
    names["t"] = names["u"][1:3].sum()
    expected, error = outcome(form, real, names)
    pending = {k: np.array(v, order="K").copy("K") for k, v in given.items()}
    pending["t"] = pending["u"][1:3].sum()
    looks = {k for k in given if f"listed({k})" in form or f"numpys({k})" in form}
    for name in looks:  # made real beforehand
        pending[name].realize()
    with counting_hook() as executed:
        result, raised = outcome(form, np, pending)
        early = len(executed)
    if error != raised:
        return f"raised: expected {error}, got {raised}"
    found = difference(expected, result) or difference(names, pending)
    if found:
        return found
    must = any(re.search(text, form) for text in ("wrong", "None", *MUST_RUN))
    return "ran when written" if early and error is None and not must and not warns(form, given) else None


def warns(form, given):
    """Whether NumPy warns of something: then it must, when the form is written."""
    names = {k: v.copy("K") for k, v in given.items()}
    names["t"] = names["u"][1:3].sum()
    with warnings.catch_warnings(record=True) as caught, real.errstate(all="ignore"):
        warnings.simplefilter("always")
        outcome_of = {"np": real, "real": real, "listed": lambda a: a.tolist(), "numpys": lambda a: a, **names}
        eval(form, outcome_of)
    return bool(caught)


TABLE = [pytest.param(row, name in CALLS, id=row) for name, calls in {**CALLS, **WRITES, **OTHERS}.items()
         for row in rows(calls, name)]


@pytest.mark.parametrize(("row", "waits"), TABLE)
def test_forms(row, waits):
    """Where other arguments decide whether a form may wait (`waits` is false), the outcome alone is compared."""
    wrong = []
    for form in forms(row):
        for dtype in ("f8", "i4"):
            found = check(form, dtype)
            if found and (waits or form == row or found != "ran when written"):
                wrong.append(f"{dtype} {form}: {found}")
    assert not wrong, "\n".join(wrong)


PRODUCTS = [((3, 4), (4, 2)), ((3, 4), (4,)), ((4,), (4, 2)), ((4,), (4,)), ((3, 4), (3, 4)), ((0, 4), (4, 2)),
            ((3, 0), (0,)), ((2, 3, 4), (4,)), ((), (4,)), ((1, 1), (1,))]


@pytest.mark.parametrize("kinds", ["dd", "ff", "df", "ll", "??", "ee", "DD", "gg", ">d>d", "M8[s]m8[s]", "OO"])
def test_products_of_pending_arrays_and_views_are_numpys(kinds):
    half = len(kinds) // 2
    results = []
    for np in (real, module_under_test()):
        found = []
        for shapes in PRODUCTS:
            a, b = (np.array((real.arange(64) % 5)[:math.prod(shape)].reshape(shape).astype(kind))
                    for shape, kind in zip(shapes, (kinds[:half], kinds[half:]), strict=True))
            for make in (lambda x: x, lambda x: x[...], lambda x: x | x if x.dtype == bool else x + x):
                for product in (lambda x, y: x @ y, lambda x, y: x.dot(y), lambda x, y: x.T @ y):
                    try:
                        left, right = make(a), make(b)
                        result = product(left, right)
                        found.append((result.dtype, result.shape, real.asarray(result).tolist(), left is right))
                    except (TypeError, ValueError, AttributeError) as error:
                        found.append((type(error), str(error)))
            try:
                found.append(real.asarray(a @ a.T + (a + a) @ (a + a).T).tolist())
            except (TypeError, ValueError) as error:
                found.append(type(error))
        results.append(found)
    assert results[0] == results[1]
