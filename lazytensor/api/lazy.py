"""Functions of NumPy's that become one pending call: a table, a row for each, and what makes a function of a row.

Such a function's result has a geometry that no value decides, and it raises nothing that depends on values, or a check
made when it is written says so. The node's value is NumPy's own function on the operands' values, so its bits are
NumPy's. `sampling` finds the geometry. Whatever is not as a row expects runs when written, by the fallback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import CheckError
from ..ir.dtypes import NUMERIC
from ..ir.layout import c_strides
from ..ir.node import leaf
from ..ir.operation import Operation, register
from ..run import floating, pool
from ..run.watching import active, mine
from . import sampling
from .build import NotArray, record, taken_in
from .handle import Tensor, peek, read, tensor
from .scalar import Scalar, scalar
from .scalar import value_of as scalar_value

_ndarray, _generic = np.ndarray, np.generic
_NoValue = np._NoValue
NOW: Any = _NoValue
"""What stands for "not pending": NumPy must run now."""
_PLAIN = frozenset((int, str, type(None), type(_NoValue), type(Ellipsis), type))
_REFUSED = frozenset(("out", "overwrite_input", "sorter", "fweights", "aweights", "period", "like"))
"""Parameters that only NumPy at once can serve, unless they have a value that says nothing."""
_SAYS_NOTHING = (None, False, _NoValue)
_SMALL_ARRAY = 512
"""An array argument that is no operand is kept in the node if it has at most so many bytes."""
_LIMIT = 4096

# ---- a call as a form and operands -----------------------------------------------------------------------------------
# A form is what can be hashed of a call: plain values as they are, everything else as a tuple with a tag. Slots stand
# for operands.


def _frozen(value: Any) -> Any:
    """An argument that is no operand, hashable."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is Tensor:
        value, kind = peek(value), _ndarray
    elif issubclass(kind, Scalar):
        value = scalar_value(value)
        kind = type(value)
    if kind is float or kind is complex or kind is bool or issubclass(kind, _generic) and not value.dtype.hasobject:
        return "constant", kind, value
    if kind is list or kind is tuple:
        return "sequence", kind, tuple([_frozen(x) for x in value])
    if kind is slice:
        return "slice", (_frozen(value.start), _frozen(value.stop), _frozen(value.step))
    if isinstance(value, np.dtype):
        return "dtype", value, value.char
    if isinstance(value, type) and issubclass(value, _generic):
        return value
    if kind is _ndarray and value.nbytes <= _SMALL_ARRAY and not value.dtype.hasobject:
        return "array", value.dtype, value.shape, value.tobytes()
    raise NotArray


def _thawed(form: Any, values: Any) -> Any:
    """The argument again, with the operands' values."""
    if type(form) is not tuple:
        return form
    tag = form[0]
    if tag == "slot":
        value = values[form[1]]
        if form[2]:
            return value[()] if type(value) is _ndarray else value
        return np.asarray(value) if isinstance(value, _generic) else value
    if tag == "constant":
        return form[2]
    if tag == "sequence":
        return form[1]([_thawed(x, values) for x in form[2]])
    if tag == "slice":
        return slice(*[_thawed(x, values) for x in form[1]])
    if tag == "dtype":
        return form[1]
    return np.frombuffer(form[3], form[1]).reshape(form[2]).copy()


def _largest(form: Any) -> int:
    """The largest integer among the arguments that are no operands."""
    if type(form) is int:
        return abs(form)
    if type(form) is not tuple or form[0] in ("slot", "dtype"):
        return 0
    if form[0] == "sequence":
        return max(map(_largest, form[2]), default=0)
    if form[0] == "slice":
        return max(map(_largest, form[1]))
    if form[0] == "array":
        array = _thawed(form, ())
        return int(max(array.max(), -array.min(), 0)) if array.dtype.kind in "iu" and array.size else array.size
    return int(abs(form[2])) if isinstance(form[2], np.integer) else 0


# ---- running ---------------------------------------------------------------------------------------------------------

_CALL = (lambda fn, args, kwargs: fn(*args, **kwargs)).__code__
_places: dict[tuple[int, int], tuple[Any, Any]] = {}


def _caller(node: Any) -> Any:
    """A function that calls another from a frame that says it is the node's line: NumPy's warnings point there."""
    if node is None or node.code is None:
        return FunctionType(_CALL, {"__name__": "lazytensor"})
    key = id(node.code), node.lasti
    known = _places.get(key)
    if known is None or known[0] is not node.code:
        if len(_places) >= _LIMIT:
            _places.clear()
        name = node.code.co_filename
        line = max(1, floating.line_of(node.code, node.lasti))
        code = _CALL.replace(co_filename=name, co_firstlineno=line, co_name=node.code.co_name)
        known = _places[key] = node.code, FunctionType(code, floating._globals_of(name))
    return known[1]


def _own(result: Any, node: Any, values: Any) -> Any:
    """The result as memory of its own with the promised layout."""
    if type(result) is not _ndarray or node is None:
        if node is not None and (not isinstance(result, _generic) or node.shape or result.dtype != node.dtype):
            raise CheckError(f"{node!r} gave {result!r}")
        return result
    if result.shape != node.shape or result.dtype != node.dtype:
        raise CheckError(f"{node!r} gave {result.dtype}{list(result.shape)}")
    promised = node.strides or c_strides(node.shape, node.dtype.itemsize)
    foreign = result.base is not None or any(result is v for v in values)
    if result.strides != promised and 0 not in result.shape or not result.flags.writeable or foreign and any(
            type(v) is _ndarray and np.may_share_memory(result, v) for v in values):
        own = pool.empty(node.shape, node.dtype, node.strides)
        np.copyto(own, result)
        return own
    return result


class _Together:
    """The parts of a result of several arrays, until each part's node has taken its own. All are equal, so that a plan
    serves for other calls too."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: Any = None

    def __eq__(self, other: object) -> bool:
        return type(other) is _Together

    def __hash__(self) -> int:
        return 1


def _runner(fn: Callable[..., Any]) -> Callable[..., Any]:
    def run(*values: Any, form: Any, part: int = -1, together: Any = None) -> Any:
        running = floating.noted.run
        node = None if running is None else running.node
        if part >= 0 and together.parts is not None and part in together.parts:
            return _own(together.parts.pop(part), node, values)
        args = [_thawed(x, values) for x in form[0]]
        options = {k: _thawed(x, values) for k, x in form[1]}
        result = _caller(node)(fn, args, options)
        if part < 0:
            return _own(result, node, values)
        parts = dict(enumerate(result))
        result = parts.pop(part)
        together.parts = parts
        return _own(result, node, values)
    return run


# ---- a row -----------------------------------------------------------------------------------------------------------


def _names(fn: Any) -> tuple[str, ...]:
    """The names of the parameters that may be positional; one with a ``*`` stands for all that follow."""
    parameters = inspect.signature(fn).parameters.values()
    return tuple([("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in parameters
                  if p.kind not in (p.VAR_KEYWORD, p.KEYWORD_ONLY)])


def _registered(name: str, run: Callable[..., Any]) -> Operation:
    """An operation of that name, or with a number if it is taken."""
    tries = 1
    while True:
        try:
            return register(name if tries == 1 else f"{name}_{tries}", "call", run, label=None)
        except ValueError:
            tries += 1


class Rule:
    """What is known of one function.

    Parameters
    ----------
    fn : callable
        NumPy's.
    name : str
    arrays : str
        Its parameters that are arrays, in words. ``[x]`` is a sequence of arrays, ``[[x]]`` one of any depth, ``x!`` an
        array of indices or numbers whose values are looked at when the function is written, ``+x`` one that must be
        given.
    flags : str
        ``halves``: lengths may be halved. ``free``: integer arguments may be of any size. ``moves``: any dtype but
        objects will do. ``strict``: a list is no array. ``vast``: 600 is a length at which NumPy takes another way.
    check : callable or None
        ``check(given)``, given the arguments by name: whether the call may wait.
    """

    __slots__ = ("fn", "name", "names", "arrays", "many", "deep", "looked", "needed", "op", "check", "halves", "free",
                 "moves", "strict", "variadic", "breaks", "known", "shaped")

    def __init__(self, fn: Any, name: str, arrays: str, flags: str = "", check: Any = None,
                 names: tuple[str, ...] | None = None) -> None:
        self.fn, self.name, self.check = fn, name, check
        self.names = _names(fn) if names is None else names
        named = self.names
        if any(name[0] == "*" for name in named[:-1]):  # what follows it is given by keyword
            self.names = named[:[name[0] for name in named].index("*") + 1]
        self.variadic = bool(self.names) and self.names[-1][0] == "*"
        words = arrays.split()
        self.needed = [w[1:].rstrip("!") for w in words if w[0] == "+"]
        words = [w.lstrip("+") for w in words]
        self.arrays = frozenset(w.rstrip("!") for w in words if w[0] != "[")
        self.many = frozenset(w.strip("[]") for w in words if w[0] == "[")
        self.deep = frozenset(w.strip("[]") for w in words if w[:2] == "[[")
        self.looked = frozenset(w.rstrip("!") for w in words if w[-1] == "!")
        self.op = _registered(name, _runner(fn))
        self.halves, self.free, self.moves = "halves" in flags, "free" in flags, "moves" in flags
        self.strict = "strict" in flags
        self.breaks = (600,) if "vast" in flags else ()
        self.known: dict[Any, Any] = {}
        self.shaped: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"<lazy {self.name}>"

    def pending(self, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        """The pending result of ``fn(*args, **kwargs)``, or `NOW` if NumPy must run now."""
        if not _concern(args) and not (kwargs and _concern(kwargs.values())):
            return NOW
        try:
            form, nodes, fills = self.bound(args, kwargs)
            found = self.geometry(form, nodes, fills)
            if found is None:
                return NOW
        except (NotArray, TypeError, ValueError, LookupError, AttributeError, OverflowError):  # NumPy says it itself
            return NOW
        container, parts = found
        inputs = tuple(nodes)
        if container is None:
            shape, dtype, strides, is_array = parts[0]
            node = record(self.op, inputs, (("form", form),), shape, dtype, strides, frame)
            return tensor(node) if is_array else scalar(node)
        together = _Together()
        results = []
        for i, (shape, dtype, strides, is_array) in enumerate(parts):
            attrs = ("form", form), ("part", i), ("together", together)
            node = record(self.op, inputs, attrs, shape, dtype, strides, frame)
            results.append(tensor(node) if is_array else scalar(node))
        return container._make(results) if hasattr(container, "_make") else container(results)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call as a form, its operands, and what samples of these are filled with."""
        names = self.names
        nodes: list[Any] = []
        fills: list[Any] = []
        given = names[:len(args)]
        if len(args) > len(names) or self.variadic and len(args) >= len(names):
            if not self.variadic:
                raise NotArray
            given = names[:-1] + (names[-1][1:],) * (len(args) - len(names) + 1)
        for name in self.needed:
            if name not in given and kwargs.get(name) is None or (
                    name in given and args[given.index(name)] is None):
                raise NotArray
        positional = tuple([self._argument(name, x, nodes, fills) for name, x in zip(given, args, strict=True)])
        keywords = tuple([(k, self._argument(k, x, nodes, fills)) for k, x in kwargs.items()])
        for node in nodes:
            dtype = node.dtype
            if dtype.char not in NUMERIC and (not self.moves or dtype.hasobject or dtype.kind == "T"):
                raise NotArray
        if self.check is not None and not self.check({**dict(zip(given, args, strict=True)), **kwargs}):
            raise NotArray
        return (positional, keywords), nodes, fills

    def _argument(self, name: str, value: Any, nodes: list[Any], fills: list[Any]) -> Any:
        if name in self.arrays:
            return self._operand(value, nodes, fills, name in self.looked)
        if name in self.many:
            kind = type(value)
            if kind is list or kind is tuple:
                return "sequence", kind, tuple([
                    self._argument(name, x, nodes, fills) if name in self.deep and type(x) in (list, tuple)
                    else self._operand(x, nodes, fills, False) for x in value])
            return self._operand(value, nodes, fills, False)
        if name in _REFUSED and not any(value is x for x in _SAYS_NOTHING):
            raise NotArray
        return _frozen(value)

    def _operand(self, value: Any, nodes: list[Any], fills: list[Any], looked: bool) -> Any:
        kind = type(value)
        if kind is Tensor:
            node = read(value)
        elif kind is _ndarray:
            node = taken_in(value)
        elif issubclass(kind, Scalar):
            node = value._node
        elif kind is list or kind is tuple:
            if _concern(value) or self.strict:
                raise NotArray
            array = np.asarray(value)
            node = leaf(array, None)
        else:
            return _frozen(value)
        nodes.append(node)
        fills.append(0 if looked else 1)
        return "slot", len(nodes) - 1, issubclass(kind, Scalar)

    def geometry(self, form: Any, nodes: list[Any], fills: list[Any]) -> Any:
        """The container, and shape, dtype and strides of each part; None if NumPy must run now."""
        if not nodes:
            return None
        exact = (form, tuple([(x.shape, x.strides, x.dtype, x.dtype.char) for x in nodes]))
        try:
            return self.shaped[exact]
        except KeyError:
            pass
        found = self._geometry(form, nodes, fills)
        if len(self.shaped) >= _LIMIT:
            self.shaped.clear()
        self.shaped[exact] = found
        return found

    def _geometry(self, form: Any, nodes: list[Any], fills: list[Any]) -> Any:
        largest = 0 if self.free else max([_largest(x) for x in form[0]] + [_largest(x) for _, x in form[1]], default=0)
        if largest > sampling._LARGEST:
            return None
        shapes = [x.shape for x in nodes]
        lengths = sampling.Lengths(shapes, max(sampling.SHORT, 2 * largest))
        if len(lengths.lengths) > 8:
            return None
        laid = [sampling.pattern(x.shape, x.strides, x.dtype.itemsize) for x in nodes]
        if False in laid:
            return None
        scalars = _scalars(form, {})
        key = (form, lengths.short, lengths.key(self.halves, self.breaks), tuple([
            (lengths.classes(x.shape), x.dtype, x.dtype.char, p) for x, p in zip(nodes, laid, strict=True)]))
        if key in self.known:
            answer = self.known[key]
        else:
            def make(i: int, shape: tuple[int, ...]) -> Any:
                return sampling.sample(shape, nodes[i].dtype, laid[i], fills[i], scalars[i])

            def call(samples: list[Any]) -> Any:
                return self.fn(*[_thawed(x, samples) for x in form[0]], **{k: _thawed(x, samples) for k, x in form[1]})
            answer = sampling.answer(call, shapes, lengths, make, self.breaks)
            if answer is not None and not self.moves and any(m.dtype.char not in NUMERIC for m in answer.made):
                answer = None
            if len(self.known) >= _LIMIT:
                self.known.clear()
            self.known[key] = answer
        if answer is None:
            return None
        parts = sampling.placed(answer, lengths)
        return None if parts is None else (answer.container, parts)


def _scalars(form: Any, found: dict[int, bool]) -> dict[int, bool]:
    """Which operands are scalars, by number."""
    if type(form) is tuple:
        if form and form[0] == "slot":
            found[form[1]] = form[2]
        else:
            for x in form:
                _scalars(x, found)
    return found


def _concern(values: Any) -> bool:
    """Whether a Tensor or lazy scalar is among values, in lists and tuples too."""
    for x in values:
        kind = type(x)
        if kind is Tensor or issubclass(kind, Scalar):
            return True
        if (kind is list or kind is tuple) and _concern(x):
            return True
    return False


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


def _check_reduceat(given: dict[str, Any]) -> bool:
    array = _real(given["indices"])
    length = np.shape(given["array"])[given.get("axis", 0)]
    return array.dtype.kind in "iu" and (array.size == 0 or int(array.min()) >= 0 and int(array.max()) < length)


def _check_average(given: dict[str, Any]) -> bool:
    weights = given.get("weights")
    if weights is None:
        return True
    array = _real(weights)
    return array.dtype.kind in "iuf" and bool(array.size) and bool(array.min() > 0)


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


def _check_pad(given: dict[str, Any]) -> bool:
    return isinstance(given.get("mode", "constant"), str)


def _check_repeat(given: dict[str, Any]) -> bool:
    return type(given["repeats"]) is int


def _check_copying(given: dict[str, Any]) -> bool:
    return given.get("copy", True) is True


def _check_casts(given: dict[str, Any]) -> bool:
    """Whether no part goes from complex to real, which warns, or into text, which depends on values."""
    return given.get("dtype") is None


def _check_series(given: dict[str, Any]) -> bool:
    """The integral of a series of one term is longer unless the term is 0."""
    axis, shape = given.get("axis", 0), np.shape(given["c"])
    return type(axis) is int and (not shape or shape[axis] != 1) and len(shape) > 0


# ---- the table -------------------------------------------------------------------------------------------------------

_SERIES = {"chebyshev": "cheb", "legendre": "leg", "hermite": "herm", "hermite_e": "herme", "laguerre": "lag",
           "polynomial": "poly"}


def _series() -> dict[str, tuple[Any, ...]]:
    rows: dict[str, tuple[Any, ...]] = {}
    for module, prefix in _SERIES.items():
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
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all", "mean"), ("a where",)),
    **dict.fromkeys(("amax", "amin"), ("a where",)),
    **dict.fromkeys(("var", "std"), ("a where mean",)),
    **dict.fromkeys(("nansum", "nanprod", "nanmax", "nanmin", "nanmean"), ("a where",)),
    **dict.fromkeys(("nanvar", "nanstd"), ("a where mean",)),
    **dict.fromkeys(("argmax", "argmin", "ptp", "median", "cumsum", "cumprod", "nancumsum", "nancumprod"), ("a",)),
    "nanmedian": ("a", "vast"),
    **dict.fromkeys(("quantile", "percentile"), ("a",)),
    **dict.fromkeys(("nanquantile", "nanpercentile"), ("a", "vast")),
    **dict.fromkeys(("cumulative_sum", "cumulative_prod"), ("x",)),
    "average": ("a weights", "", _check_average),
    "cov": ("m y",), "corrcoef": ("x y",), "count_nonzero": ("a",),
    # sorting and searching
    **dict.fromkeys(("sort", "argsort"), ("a", "moves")),
    "lexsort": ("[keys]", "moves"), "searchsorted": ("a v", "moves"), "sort_complex": ("a",),
    **dict.fromkeys(("partition", "argpartition"), ("a", "moves")),
    "digitize": ("x bins!", "", _check_bins), "isin": ("element test_elements",),
    # selecting
    "where": ("condition +x +y", "moves"), "select": ("[condlist] [choicelist] default", "moves"),
    "choose": ("a! [choices]", "moves", _check_choose), "take": ("a indices!", "moves free", _check_take),
    "take_along_axis": ("arr indices!", "moves", _check_along), "clip": ("a a_min a_max min max",),
    "nan_to_num": ("x", "", _check_copying),
    # joining and rearranging
    **dict.fromkeys(("concatenate", "stack"), ("[arrays]", "moves", _check_casts)),
    **dict.fromkeys(("vstack", "hstack"), ("[tup]", "moves", _check_casts)),
    **dict.fromkeys(("dstack", "column_stack"), ("[tup]", "moves")),
    "diag": ("v", "free moves"), "diagflat": ("v", "free moves"), "astype": ("x",), "meshgrid": ("xi", "moves"),
    "block": ("[[arrays]]", "moves"), "append": ("arr values", "moves"), "tile": ("A", "moves free"),
    "repeat": ("a", "moves", _check_repeat), "resize": ("a", "moves free"), "roll": ("a", "moves free"),
    "pad": ("array", "free", _check_pad), "insert": ("arr values", ""), "delete": ("arr", "moves"),
    **dict.fromkeys(("tril", "triu"), ("m", "free")), "vander": ("x", "free"),
    # differences, sums, signals
    "diff": ("a prepend append",), "ediff1d": ("ary to_end to_begin",), "gradient": ("f varargs",),
    "trapezoid": ("y x dx",), "unwrap": ("p",), "interp": ("x xp fp left right",),
    **dict.fromkeys(("convolve", "correlate"), ("a v",)),
    # elementwise functions that are no ufuncs
    **dict.fromkeys(("sinc", "i0", "fix", "isposinf", "isneginf", "iscomplex", "isreal"), ("x",)),
    "angle": ("z",), "isclose": ("a b rtol atol",), "round": ("a", "free"), "around": ("a", "free"),
    # products
    **dict.fromkeys(("inner", "vdot", "outer", "kron", "tensordot", "cross"), ("a b",)),
    "trace": ("a", "free"), "einsum": ("operands", "strict"), "dot": ("a b",),
    # linear algebra that cannot fail
    "linalg.norm": ("x", "", _check_norm), "linalg.matrix_norm": ("x", "", _check_matrix_norm),
    **dict.fromkeys(("linalg.vector_norm", "linalg.trace"), ("x",)),
    **dict.fromkeys(("linalg.det", "linalg.slogdet"), ("a",)), "linalg.matrix_power": ("a", "", _check_power),
    "linalg.multi_dot": ("[arrays]",),
    **dict.fromkeys(("linalg.outer", "linalg.cross", "linalg.tensordot", "linalg.vecdot", "linalg.matmul"),
                    ("x1 x2",)),
    # Fourier transforms
    **{f"fft.{name}": row for name, row in _FFT.items()},
    **dict.fromkeys(("fft.fftshift", "fft.ifftshift"), ("x", "moves")),
    # polynomials
    "polyval": ("p x",), "polyder": ("p",), "polyint": ("p",),
    **_series(),
}
"""NumPy's name -> (array parameters, flags, check): see `Rule`."""


def key_of(fn: Any) -> str:
    """The name under which the table has a function of NumPy's."""
    module = str(getattr(fn, "__module__", "")).removeprefix("numpy").lstrip(".")
    name = getattr(fn, "__name__", "")
    return f"{module}.{name}" if module else name


_rules: dict[str, Rule] = {}


def rule_of(name: str, fn: Any = None) -> Rule | None:
    """The rule for a name of the table, made at its first use; None if the table does not have it."""
    rule = _rules.get(name)
    if rule is None and name in TABLE:
        if fn is None:
            fn = np
            for part in name.split("."):
                fn = getattr(fn, part)
        rule = _rules[name] = Rule(fn, name, *TABLE[name])
    return rule


_of_ufuncs: dict[tuple[Any, str], Rule] = {}


def of_ufunc(ufunc: Any, method: str) -> Rule:
    """The rule for a ufunc of several outputs or with a signature (`method` "__call__"), or for `reduceat`."""
    rule = _of_ufuncs.get((ufunc, method))
    if rule is None:
        if method == "__call__":
            names = tuple([f"x{i}" for i in range(ufunc.nin)])
            rule = Rule(ufunc, ufunc.__name__, " ".join(names), names=names)
        else:
            rule = Rule(getattr(ufunc, method), f"{ufunc.__name__}.{method}", "array indices! where", "free",
                        _check_reduceat if method == "reduceat" else None,
                        ("array", "indices", "axis", "dtype", "out") if method == "reduceat" else (
                            "array", "axis", "dtype", "out", "keepdims", "initial", "where"))
        _of_ufuncs[ufunc, method] = rule
    return rule


