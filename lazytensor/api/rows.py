"""The table of NumPy's functions that become one pending call, a row for each, and the checks that rows name.

A row says which parameters are arrays and, where values could make the function raise or decide a shape, the check that
is made when the function is written. `lazy.Rule` makes a function of a row.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir.dtypes import NUMERIC
from ..run.watching import active, mine
from .build import is_pending
from .handle import Tensor, peek
from .scalar import Scalar
from .scalar import value_of as scalar_value

# ---- checks ----------------------------------------------------------------------------------------------------------


def _real(value: Any) -> Any:
    """The values of an argument, computed now."""
    found = unwatched(value)
    return found if found is not value else np.asarray(value)


def unwatched(value: Any) -> Any:
    """An argument as real memory for a look that decides nothing but whether NumPy raises."""
    if active and mine() is not None and (type(value) is Tensor or issubclass(type(value), Scalar)):
        return mine().checked(value)
    return peek(value) if type(value) is Tensor else scalar_value(value) if issubclass(type(value), Scalar) else value


def within(indices: Any, length: int) -> bool:
    array = _real(indices)
    return array.dtype.kind in "iu" and (array.size == 0 or int(array.min()) >= -length and int(array.max()) < length)


def chosen_shape(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of what indices choose of an array; an IndexError if that is not there."""
    first = index[0] if len(index) == 1 and shape else None
    if type(first) is np.ndarray and first.dtype.kind in "iu":
        if not within(first, shape[0]):
            raise IndexError
        return *first.shape, *shape[1:]
    return np.lib.stride_tricks.as_strided(np.zeros(1, bool), shape, (0,) * len(shape))[index].shape


def _check_take(given: dict[str, Any]) -> bool:
    a, axis = given["a"], given.get("axis")
    length = np.size(a) if axis is None else np.shape(a)[axis]
    if given.get("mode", "raise") != "raise":
        return length > 0
    return within(given["indices"], length)


def _check_along(given: dict[str, Any]) -> bool:
    a, axis = given["arr"], given.get("axis", -1)
    return within(given["indices"], np.size(a) if axis is None else np.shape(a)[axis])


def _check_choose(given: dict[str, Any]) -> bool:
    if given.get("mode", "raise") != "raise":
        return True
    array = _real(given["a"])
    return array.dtype.kind in "iu" and (array.size == 0 or (
        int(array.min()) >= 0 and int(array.max()) < len(given["choices"])))


def check_reduceat(given: dict[str, Any]) -> bool:
    array = _real(given["indices"])
    length = np.shape(given["array"])[given.get("axis", 0)]
    return array.dtype.kind in "iu" and (array.size == 0 or int(array.min()) >= 0 and int(array.max()) < length)


def _check_weights(given: dict[str, Any]) -> bool:
    weights = given.get("weights")
    if weights is None:
        return True
    array = _real(weights)
    return array.dtype.kind in "iuf" and bool(array.size) and bool(array.min() > 0)


def _check_quantile(given: dict[str, Any]) -> bool:
    """Where a long double is asked for, whether there is a NaN decides the dtype."""
    q = given["q"]
    return (q.dtype.char if hasattr(q, "dtype") else "d") != "g" and _check_weights(given)


def _check_cov(given: dict[str, Any]) -> bool:
    """Whether the weights are such that NumPy neither raises nor warns of them."""
    weights = {name: _real(given[name]) for name in ("fweights", "aweights") if given.get(name) is not None}
    if not weights:
        return True
    shape = np.shape(given["m"])
    length = shape[-1 if given.get("rowvar", True) else 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            np.cov(np.zeros((1, length)), bias=given.get("bias", False), ddof=given.get("ddof"), **weights)
        except (ValueError, TypeError, RuntimeError, RuntimeWarning):
            return False
    return True


def _check_sorter(given: dict[str, Any]) -> bool:
    dtypes = [x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype for x in (given["a"], given["v"])]
    if np.result_type(*dtypes).hasobject:  # objects that cannot be compared raise
        return False
    if given.get("sorter") is None:
        return True
    array = _real(given["sorter"])
    return within(array, np.size(given["a"])) and (array.size == 0 or int(array.min()) >= 0)


def _check_bins(given: dict[str, Any]) -> bool:
    array = _real(given["bins"])
    return array.ndim == 1 and array.dtype.kind in "iuf" and bool(
        np.all(array[:-1] <= array[1:]) or np.all(array[:-1] >= array[1:]))


def _check_power(given: dict[str, Any]) -> bool:
    n = given["n"]
    return type(n) is int and n >= 0


def _check_norm(given: dict[str, Any]) -> bool:
    """Norms by singular values may not converge."""
    order, axis = given.get("ord"), given.get("axis")
    vector = axis is not None and not isinstance(axis, (tuple, list)) or axis is None and np.ndim(given["x"]) == 1
    return vector or not (order == "nuc" or isinstance(order, (int, float)) and abs(order) == 2)


def _check_matrix_norm(given: dict[str, Any]) -> bool:
    order = given.get("ord", "fro")
    return not (order == "nuc" or isinstance(order, (int, float)) and abs(order) == 2)


def _check_array(given: dict[str, Any]) -> bool:
    """Whether a sequence has something pending in it, and numbers go into the dtype that is asked for as they are."""
    parts = list(_parts(given["object"]))
    dtype = given.get("dtype")
    if type(given["object"]) not in (list, tuple) or len(parts) > _MANY or not any(map(is_pending, parts)):
        return False
    return dtype is None or all(
        np.can_cast(x.dtype, dtype, "same_kind") for x in parts if getattr(x, "shape", None) == ())


_MANY = 1024
"""A sequence of more Tensors and scalars than this is made an array at once."""


def _parts(value: Any) -> Iterator[Any]:
    for x in value if type(value) in (list, tuple) else (value,):
        if type(x) in (list, tuple):
            yield from _parts(x)
        else:
            yield x


def _check_pad(given: dict[str, Any]) -> bool:
    return isinstance(given.get("mode", "constant"), str)


def _check_repeat(given: dict[str, Any]) -> bool:
    return type(given["repeats"]) is int


def _check_number(given: dict[str, Any]) -> bool:
    """Whether there are so few elements that to make them once more, as a sample, costs little."""
    return type(given.get("num", 50)) is int and given.get("num", 50) <= 1 << 16


def _check_copying(given: dict[str, Any]) -> bool:
    return given.get("copy", True) is True


def _check_casts(given: dict[str, Any]) -> bool:
    """Whether nothing goes into text or out of it, which depends on values."""
    dtype = given.get("dtype")
    return dtype is None or np.dtype(dtype).char in NUMERIC and all(
        (x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype).char in NUMERIC
        for x in given.get("arrays", given.get("tup", ())))


def _check_series(given: dict[str, Any]) -> bool:
    """The integral of a series of one term is longer unless the term is 0."""
    axis, shape = given.get("axis", 0), np.shape(given["c"])
    return type(axis) is int and (not shape or shape[axis] != 1) and len(shape) > 0


# ---- the table -------------------------------------------------------------------------------------------------------

SERIES = {"chebyshev": "cheb", "legendre": "leg", "hermite": "herm", "hermite_e": "herme", "laguerre": "lag",
           "polynomial": "poly"}


def _series() -> dict[str, tuple[Any, ...]]:
    rows: dict[str, tuple[Any, ...]] = {}
    for module, prefix in SERIES.items():
        for suffix, arrays in (("val", "x c"), ("val2d", "x y c"), ("val3d", "x y z c"), ("grid2d", "x y c"),
                               ("grid3d", "x y z c"), ("vander", "x"), ("vander2d", "x y"), ("vander3d", "x y z"),
                               ("der", "c"), ("int", "c")):
            rows[f"polynomial.{module}.{prefix}{suffix}"] = (arrays, "", _check_series if suffix == "int" else None)
    return rows


_FFT = {name: ("a", "halves free") for name in """
    fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft
""".split()}

TABLE: dict[str, tuple[Any, ...]] = {
    # reductions and statistics
    **dict.fromkeys(("sum", "prod", "max", "min", "amax", "amin"), ("a where initial",)),
    **dict.fromkeys(("any", "all", "mean"), ("a where",)),
    **dict.fromkeys(("var", "std"), ("a where mean",)),
    **dict.fromkeys(("nansum", "nanprod", "nanmax", "nanmin"), ("a where initial",)),
    "nanmean": ("a where",),
    **dict.fromkeys(("nanvar", "nanstd"), ("a where mean",)),
    **dict.fromkeys(("argmax", "argmin", "ptp", "median", "cumsum", "cumprod", "nancumsum", "nancumprod"), ("a",)),
    "nanmedian": ("a", "vast"),
    **dict.fromkeys(("quantile", "percentile"), ("a weights", "", _check_quantile)),
    **dict.fromkeys(("nanquantile", "nanpercentile"), ("a weights", "vast", _check_quantile)),
    **dict.fromkeys(("cumulative_sum", "cumulative_prod"), ("x",)),
    "average": ("a weights", "", _check_weights),
    "cov": ("m y fweights aweights", "", _check_cov), "corrcoef": ("x y",), "count_nonzero": ("a",),
    # sorting and searching
    **dict.fromkeys(("sort", "argsort"), ("a", "moves")),
    "lexsort": ("[keys]", "moves"), "searchsorted": ("a v sorter!", "moves", _check_sorter), "sort_complex": ("a",),
    **dict.fromkeys(("partition", "argpartition"), ("a", "moves")),
    "digitize": ("x bins!", "", _check_bins), "isin": ("element test_elements",),
    # selecting
    "where": ("condition +x +y", "moves"), "select": ("[condlist] [choicelist] default", "moves"),
    "choose": ("a! [choices]", "moves", _check_choose), "take": ("a indices!", "moves free", _check_take),
    "take_along_axis": ("arr indices!", "moves strict", _check_along), "clip": ("a a_min a_max min max",),
    "nan_to_num": ("x nan posinf neginf", "", _check_copying),
    # joining and rearranging
    "array": ("[[object]]", "", _check_array, ("object", "dtype")),
    **dict.fromkeys(("concatenate", "stack"), ("[arrays]", "moves", _check_casts)),
    **dict.fromkeys(("vstack", "hstack"), ("[tup]", "moves", _check_casts)),
    **dict.fromkeys(("dstack", "column_stack"), ("[tup]", "moves")),
    "linspace": ("start stop", "free", _check_number), "logspace": ("start stop base", "free", _check_number),
    "diag": ("v", "free moves"), "diagflat": ("v", "free moves"), "astype": ("x",), "meshgrid": ("xi", "moves"),
    "block": ("[[arrays]]", "moves"), "append": ("arr values", "moves"), "tile": ("A", "moves free"),
    "repeat": ("a", "moves", _check_repeat), "resize": ("a", "moves free"), "roll": ("a", "moves free"),
    "pad": ("array constant_values end_values", "free", _check_pad),
    "insert": ("arr values", ""), "delete": ("arr", "moves"),
    **dict.fromkeys(("tril", "triu"), ("m", "free")), "vander": ("x", "free"),
    # differences, sums, signals
    "diff": ("a prepend append",), "ediff1d": ("ary to_end to_begin",), "gradient": ("f varargs",),
    "trapezoid": ("y x dx",), "unwrap": ("p",), "interp": ("x xp fp left right",),
    **dict.fromkeys(("convolve", "correlate"), ("a v",)),
    # elementwise functions that are no ufuncs
    **dict.fromkeys(("sinc", "i0", "fix", "isposinf", "isneginf", "iscomplex", "isreal"), ("x",)),
    "angle": ("z",), "isclose": ("a b rtol atol",), "round": ("a", "free"), "around": ("a", "free"),
    # products
    **dict.fromkeys(("outer", "kron", "cross"), ("a b",)),
    **dict.fromkeys(("inner", "vdot", "tensordot", "dot"), ("a b", "whole")),
    "trace": ("a", "free"), "einsum": ("operands", "strict free whole"),
    # linear algebra that cannot fail
    "linalg.norm": ("x", "", _check_norm), "linalg.matrix_norm": ("x", "", _check_matrix_norm),
    **dict.fromkeys(("linalg.vector_norm", "linalg.trace"), ("x",)),
    **dict.fromkeys(("linalg.det", "linalg.slogdet"), ("a",)), "linalg.matrix_power": ("a", "", _check_power),
    "linalg.multi_dot": ("[arrays]", "whole"), "linalg.qr": ("a",),
    **dict.fromkeys(("linalg.outer", "linalg.cross"), ("x1 x2",)),
    **dict.fromkeys(("linalg.tensordot", "linalg.vecdot", "linalg.matmul"), ("x1 x2", "whole")),
    # Fourier transforms
    **{f"fft.{name}": row for name, row in _FFT.items()},
    **dict.fromkeys(("fft.fftshift", "fft.ifftshift"), ("x", "moves")),
    # polynomials
    "polyval": ("p x",), "polyder": ("p",), "polyint": ("p",), **dict.fromkeys(("polyadd", "polysub"), ("a1 a2",)),
    "polynomial.polynomial.polyvalfromroots": ("x r",), "polynomial.polyutils.mapdomain": ("x",),
    **_series(),
}
"""NumPy's name -> (array parameters, flags, check): see `Rule`."""


def key_of(fn: Any) -> str:
    """The name under which the table has a function of NumPy's."""
    module = str(getattr(fn, "__module__", "")).removeprefix("numpy").lstrip(".")
    name = getattr(fn, "__name__", "")
    return f"{module}.{name}" if module else name
