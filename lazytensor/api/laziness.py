"""How each of NumPy's callables runs here, told from what stands for it.

========================  ==========================================================================================
lazy                      its result may stay pending, and so may what it is given
when written              it runs its operands at once, as it must: `WHY` has the reasons
NumPy on realized inputs  NumPy's own function, on the values of its arguments, which are computed first
no array                  it takes no array and gives none: nothing to run
========================  ==========================================================================================

A function is lazy if lazytensor has another function for it than the generated fallback, or if the fallback hands NumPy
an array over no memory. Why a function must run at once is stated in `REASONS`, of which tests/test_coverage.py proves
each row: two arrays of one shape and dtype are found that it treats differently.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ir.dtypes import only_objects, record_of
from .fallback import in_python, is_fallback, takes_geometry
from .handle import Tensor, wrap
from .objects import OBJECTS
from .rows import TABLE, key_of
from .ufuncs import ufunc

LAZY, WRITTEN, REAL, NONE = "lazy", "when written", "NumPy on realized inputs", "no array"
KINDS = LAZY, WRITTEN, REAL, NONE

WHY = {
    "shape": "values decide the shape or the dtype of the result",
    "error": "values decide whether it raises",
    "python": "the result is a Python value",
    "calls": "it calls a function or an iterator of the program's",
    "memory": "it tells about memory, or keeps it",
    "random": "numbers are drawn in the order of the program",
}

REASONS: dict[str, str] = {name: why for why, names in {
    "shape": """
        argwhere compress delete extract flatnonzero insert intersect1d min_scalar_type nonzero real_if_close repeat
        roots setdiff1d setxor1d trim_zeros union1d unique unique_all unique_counts unique_inverse unique_values
        bincount emath.arccos emath.arcsin emath.arctanh emath.log emath.log10 emath.log2 emath.logn emath.power
        emath.sqrt polydiv polymul poly linalg.eig linalg.eigvals ix_ mask_indices
    """,
    "error": """
        average choose digitize histogram histogram_bin_edges histogram2d histogramdd percentile quantile nanpercentile
        nanquantile linalg.norm linalg.matrix_norm polyfit put put_along_axis ravel_multi_index take take_along_axis
        unravel_index busday_offset
        busday_count linalg.cholesky linalg.eigh linalg.eigvalsh linalg.inv linalg.lstsq linalg.matrix_power linalg.pinv
        linalg.solve linalg.svd linalg.svdvals linalg.tensorinv linalg.tensorsolve linalg.cond linalg.matrix_rank
        asarray_chkfinite fromstring geomspace nanargmax nanargmin
    """,
    "python": """
        allclose array2string array_equal array_equiv array_repr array_str base_repr binary_repr format_float_positional
        format_float_scientific isscalar datetime_as_string
    """,
    "calls": "apply_along_axis apply_over_axes fromfunction fromiter frompyfunc piecewise vectorize",
    "memory": "may_share_memory shares_memory nested_iters from_dlpack frombuffer info",
}.items() for name in names.split()}
"""Functions of `numpy` and its submodules that have to run when they are written, and the reason (a key of `WHY`)."""


_LOOKED = {name: f"{what} {'are' if what[-1] == 's' else 'is'} looked at" for what, names in {
    "indices": "choose delete insert put put_along_axis take take_along_axis",
    "weights": "average cov",
    "`q` and weights": "nanpercentile nanquantile percentile quantile",
    "bins": "digitize histogram histogram2d histogramdd",
}.items() for name in names.split()}

PARTLY: dict[str, str] = {
    **_LOOKED,
    **{name: f"{_LOOKED[name]}; without them, or their number and `range`, it runs" for name in (
        "histogram", "histogram2d", "histogramdd")},
    "searchsorted": "a sorter is looked at",
    **dict.fromkeys(("median", "nanmedian", "percentile", "quantile", "nanpercentile", "nanquantile"),
                    "with `overwrite_input` it runs"),
    **{name: f"{_LOOKED[name]}; with `overwrite_input` it runs" for name in (
        "percentile", "quantile", "nanpercentile", "nanquantile")},
    **dict.fromkeys(("linalg.norm", "linalg.matrix_norm"), "the orders 2, -2 and 'nuc' of matrices run: the singular "
                    "values of what is not finite raise"),
    "linalg.matrix_power": "negative powers run", "repeat": "an array of counts decides the shape",
    **dict.fromkeys(("power", "pow"), "signed integers as exponents of integers run"),
    **dict.fromkeys(("linspace", "logspace"), "more than 65,536 elements are made at once"),
    **dict.fromkeys(("array", "asarray", "asanyarray"), "more than 1,024 parts are joined at once"),
    "unstack": "one axis is taken apart at once, into numbers",
}
"""Of lazy functions, for which arguments they run when written, or look at an argument's values."""


class How(NamedTuple):
    """The class of a callable (one of `KINDS`) and, if it has to run when written, the reason (a key of `WHY`); of a
    lazy one, which arguments are an exception."""

    kind: str
    why: str = ""
    but: str = ""


def how(real: Any, own: Any, name: str) -> How:
    """How a callable of NumPy's runs here.

    Parameters
    ----------
    real, own : callable
        NumPy's, and what lazytensor has for it.
    name : str
        The name under ``numpy.``, such as ``linalg.norm``.
    """
    if isinstance(real, type):
        return _how_of_type(real, own, name)
    if name.startswith("random.") and own is not real:
        return How(WRITTEN, "random")
    if name.startswith("testing.") and own is not real:
        return How(WRITTEN, "error")
    if isinstance(real, np.ufunc):  # those of text are NumPy's comparisons and `add`: not lazy for text
        lazy = not name.startswith(("char.", "strings.")) and _is_lazy_ufunc(real)
        return How(LAZY, but=PARTLY.get(name, "")) if lazy else How(REAL)
    if own is real:
        return How(REAL if name.startswith("ma.") else NONE)
    last = name.rpartition(".")[2]
    own = in_python(own)
    own = getattr(own, "plain", own)  # what `sort` with `descending` stands on
    if not is_fallback(own) and OBJECTS.get(name) is not own or takes_geometry(real, last) or (
            key_of(real) in TABLE):
        return How(LAZY, but=PARTLY.get(name, ""))
    return How(WRITTEN, REASONS[name]) if name in REASONS else How(REAL)


def _how_of_type(real: type, own: Any, name: str) -> How:
    if own is Tensor or own is ufunc:
        return How(LAZY)
    if name in REASONS:
        return How(WRITTEN, REASONS[name])
    if name.startswith("polynomial."):
        return How(LAZY if own is not real else NONE)
    if own is not real:
        return How(WRITTEN, "random")
    of_arrays = (np.ndarray, np.poly1d, np.nditer, np.ndenumerate, np.flatiter, np.broadcast)
    return How(REAL if issubclass(real, of_arrays) or hasattr(real, "__array_ufunc__") and not issubclass(
        real, np.generic) else NONE)


@functools.cache
def _is_lazy_ufunc(real: Any) -> bool:
    """Whether a ufunc leaves pending arrays of integers, floats, booleans or dates pending."""
    if only_objects(real):
        return False
    if real.nout == 1 and real.signature is None:
        for dtype in map(np.dtype, ("d", "l", "?", "M8[s]")):
            try:
                if record_of(real).resolve((dtype,) * real.nin).lazy:
                    return True
            except TypeError:
                continue
        return False
    pending = wrap(np.ones((64, 64), int)).copy()
    result: Any = ufunc(real)(*(pending,) * real.nin)
    first = result[0] if type(result) is tuple else result
    return bool(first._value.buffer is None)


_NOTES = {
    LAZY: "it is lazy, and runs when its result is needed.",
    REAL: "NumPy's function runs at once, on the values of the arguments, which are computed first.",
}


def note(kind: How) -> str:
    """What the docstring of a function of that kind says at its end."""
    text = f"With lazytensor, {_NOTES.get(kind.kind) or f'it runs when it is written: {WHY[kind.why]}.'}"
    return f"{text} But when it is written: {kind.but}." if kind.but else text


def documented(doc: str | None, kind: How) -> str | None:
    """NumPy's docstring with `note` at its end, indented as it is."""
    if not doc or kind.kind == NONE:
        return doc
    second = _PARAGRAPH.search(doc)
    indent = second[1] if second else ""
    return f"{doc.rstrip()}\n\n{indent}{note(kind)}\n{indent}"


_PARAGRAPH = re.compile(r"\n *\n( *)\S")
"""The second paragraph of a docstring, which is indented as all of it."""


def describe(own: Callable[..., Any], real: Any, name: str) -> None:
    """Gives a function its docstring: NumPy's, with a note on laziness."""
    if own.__doc__ == real.__doc__:
        own.__doc__ = documented(real.__doc__, how(real, own, name))


class _UfuncDoc:
    """`ufunc.__doc__`: NumPy's with a note, made when it is asked for; that of the class itself is ours and NumPy's."""

    def __init__(self, own: str) -> None:
        self.own = own

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        if instance is None:
            return f"{self.own}\n{np.ufunc.__doc__}"
        real = instance._real
        return documented(real.__doc__, how(real, instance, real.__name__))


ufunc.__doc__ = _UfuncDoc(ufunc.__doc__ or "")  # type: ignore[assignment]
Tensor.__doc__ = f"{Tensor.__doc__}\n{np.ndarray.__doc__}"
