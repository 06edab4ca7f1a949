"""The fallback: any function of NumPy's, on the real arrays of Tensors, with Tensors for results.

Real memory is lent to NumPy for one call. What comes back and shares memory with what was lent becomes a view of the
Tensor that lent it; the very array that was lent becomes that Tensor again; everything else is new.

How memory is lent depends on the function (`_policy`):

=========  ============================================================================================
look       `peek`: a value to read; pending readers of older values are not disturbed
give       `export`: the Tensor's real memory, for functions that write to it or keep it in an object
geometry   shape, strides and dtype over no memory, for functions that give views or look at no element
=========  ============================================================================================
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..compile import realize
from ..hot import native
from ..ir.layout import offset_of, owner_of
from ..ir.node import Node
from ..run.watching import PASS, active, eager, sized
from . import lazy
from .build import NOT_AN_ARRAY, at_line, count_as_run, made_real
from .handle import WRITEABLE, Tensor, apply_steps, export, geometry, is_writeable, peek, wrap, writeable_of
from .relative import relative_view
from .rows import TABLE, key_of
from .scalar import Scalar
from .scalar import value_of as scalar_value

_ndarray = np.ndarray
_getframe = sys._getframe
_ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), slice, type, np.dtype, _ndarray))

GIVES = frozenset("""
    copyto put place putmask fill_diagonal put_along_axis nan_to_num nested_iters asmatrix info from_dlpack
    shares_memory may_share_memory piecewise apply_along_axis apply_over_axes
""".split())
"""Functions that write to an argument, keep it in an object, hand it to the user's function, or ask where it is."""

ASKS = frozenset(("shares_memory", "may_share_memory"))
"""Those of them that ask where arrays are: for arrays that are there the answer needs nothing given out."""

GIVING_MODULES = ("numpy.ma", "numpy.rec", "numpy.ctypeslib", "numpy.lib", "numpy.char", "numpy.matlib")

VIEWS = frozenset("""
    split array_split hsplit vsplit dsplit atleast_1d atleast_2d atleast_3d expand_dims swapaxes moveaxis
    rollaxis matrix_transpose permute_dims flip fliplr flipud rot90 broadcast_to as_strided sliding_window_view
    squeeze transpose diagonal
""".split())
"""Functions that give views of their first argument and look at none of its elements, if it has axes."""

MAKES = frozenset("zeros ones empty full arange eye identity linspace logspace tri".split())
"""Functions that make an array of nothing but numbers, lengths and dtypes, most often."""

SHAPES = frozenset("""
    shape ndim size iscomplexobj isrealobj isfortran iterable zeros_like ones_like empty_like diag_indices_from
    tril_indices_from triu_indices_from
""".split())
"""Functions that look at no element of their first argument and give no view."""

_MEASURES = SHAPES - {"ndim", "iscomplexobj", "isrealobj", "iterable"}
"""Those of them that look at its lengths or layout."""

_DEEPEST, _LONGEST = 64, (1 << 31) - 1
"""What NumPy takes: of a list nested deeper (it may hold itself), or longer, it says what is wrong."""

WRITING = ("out", "overwrite_input")
_OUT_OF_C = {"concatenate": 2, "dot": 2, "busday_count": 5, "busday_offset": 5, "is_busday": 4}
"""Where the functions that are written in C take `out`; for others their code says it."""


class Loans:
    """The real arrays lent to one call, and the Tensors that they belong to."""

    __slots__ = ("take", "lent", "owners", "depth")

    def __init__(self, take: Callable[[Any], Any]) -> None:
        self.take = take
        self.lent: dict[int, tuple[Any, Any]] = {}
        self.owners: dict[int, Any] = {}
        self.depth = 0

    def lend(self, value: Any) -> Any:
        """What NumPy gets for an argument: real arrays for Tensors and NumPy's scalars, in containers too."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is Tensor:
            return self.array(value, self.take)
        if issubclass(kind, Scalar):
            return scalar_value(value)
        if kind is list or kind is tuple:
            return self._sequence(value, kind)
        if kind is dict:
            return {k: self.lend(v) for k, v in value.items()}
        if issubclass(kind, tuple) and hasattr(kind, "_make"):
            return kind._make([self.lend(v) for v in value])
        return value

    def warns(self, fn: Any) -> bool:
        """Whether a function has to be called from the user's line, for its warnings to name that."""
        return bool(self.lent or getattr(fn, "__name__", "") in WARNING) and _in_c(fn)

    def plain(self, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """What NumPy gets for arguments that are realized arrays of their own, numbers and the like; None if one is
        something else."""
        lent = []
        for x in args:
            kind = type(x)
            if kind is Tensor:
                node = x._value
                if x._state is not None or node.__class__ is not Node or type(node.buffer) is not _ndarray or (
                        node.dtype.hasobject):
                    return None
                x = self.note(x, node.buffer)
            elif kind not in _ATOMS:
                return None
            lent.append(x)
        return tuple(lent)

    def array(self, t: Any, take: Callable[[Any], Any]) -> Any:
        """The real array of a Tensor; the same one each time."""
        known = self.lent.get(id(t))
        if known is not None:
            return known[1]
        if t._value.dtype.hasobject:
            take = export
        array = take(t)
        if array.flags.num & WRITEABLE and not is_writeable(t):
            array = array[...]
            array.flags.writeable = False
        return self.note(t, array)

    def note(self, t: Any, array: Any) -> Any:
        self.lent[id(t)] = t, array
        self.owners[id(array)] = t
        return array

    def _sequence(self, value: Any, kind: Any) -> Any:
        """A list or tuple with what is ours replaced; the very same one if nothing is."""
        if self.depth > _DEEPEST or len(value) > _LONGEST:
            return value
        kinds = set(map(type, value))
        if kinds <= _ATOMS or not any(map(_concerns, kinds)):
            return value
        realize_all(value)
        self.depth += 1
        lent = [self.lend(v) for v in value]
        self.depth -= 1
        return value if all(map(operator.is_, lent, value)) else kind(lent)

    def returned(self, value: Any) -> Any:
        """What the user gets for a result."""
        kind = type(value)
        if kind is _ndarray:
            return self._array(value) if self.owners else wrap(value, 1)
        if kind is list or kind is tuple:
            own = [self.returned(v) for v in value]
            return value if all(x is y for x, y in zip(own, value, strict=True)) else kind(own)
        if kind is dict:
            return {k: self.returned(v) for k, v in value.items()}
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return kind(*[self.returned(v) for v in value])
        return value

    def _array(self, value: Any) -> Any:
        own = self.owners.get(id(value))
        if own is not None:
            return own
        if value.base is None or value.dtype.hasobject:
            return wrap(value, 2)
        owner = owner_of(value)
        sharing = [pair for pair in self.lent.values() if owner_of(pair[1]) is owner]
        if not sharing:
            return wrap(value)
        t, array = sharing[0] if len(sharing) == 1 else next(filter(_containing(value), sharing), sharing[0])
        step = relative_view, (offset_of(value) - offset_of(array), value.shape, value.strides, value.dtype)
        writeable = writeable_of(value)
        view = apply_steps(t, (step,), value, writeable)
        view._value.locked = not writeable and type(value.base) is not _ndarray
        return view


def _concerns(kind: Any) -> bool:
    return kind is Tensor or issubclass(kind, (Scalar, list, tuple, dict))


def pending_of(values: Any) -> list[Any]:
    """The nodes of the lazy scalars and the Tensors among `values` that have no value yet."""
    pending = []
    for x in values:
        kind = type(x)
        if kind is Tensor:
            node = x._value if x._value.__class__ is Node else x._value.root._value
        elif issubclass(kind, Scalar):
            node = x._node
        else:
            continue
        if node.buffer is None:
            pending.append(node)
    return pending


def realize_values(values: tuple[Any, ...]) -> None:
    """Computes the lazy scalars and the Tensors among `values` together."""
    pending = pending_of(values)
    if pending:
        realize(pending)


if native is not None:
    realize_values = native.realize_values


def realize_all(values: Any) -> None:
    """Computes the lazy scalars and the Tensors among `values` together, if several are pending."""
    pending = pending_of(values)
    if len(pending) > 1:
        realize(pending)


def _containing(value: Any) -> Callable[[Any], bool]:
    low, high = byte_bounds(value)

    def contains(pair: Any) -> bool:
        first, last = byte_bounds(pair[1])
        return first <= low and high <= last
    return contains


def unseen(function: Any) -> Any:
    """A function of ours whose frame Python's warnings skip, so that NumPy's warnings name the user's line, as they do
    when NumPy is called directly. They skip frames of importlib, which they know by the file name of the code.
    """
    function.__code__ = _unseen(function.__code__)
    return function


@functools.lru_cache(64)
def _unseen(code: CodeType) -> CodeType:
    """The same code for all functions that one line makes."""
    return code.replace(co_filename=f"<frozen importlib._bootstrap> {code.co_filename}")


@unseen
def applied(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], take: Callable[[Any], Any],
            first: Callable[[Any], Any] | None = None) -> Any:
    """``fn(*args, **kwargs)`` on real arrays, the first argument's taken by `first`; Tensors for results."""
    if active:
        if first is None:
            found = eager(fn, args, kwargs, take)
        else:
            found = sized(fn, args, kwargs) if fn.__name__ in _MEASURES and args and type(args[0]) is Tensor else PASS
        if found is not PASS:
            return found
    loans = Loans(take)
    if take is peek and first is None and not kwargs and (lent := loans.plain(args)) is not None:
        return loans.returned(at_line(fn, lent) if loans.warns(fn) else fn(*lent))
    if first is not None and args and type(args[0]) is Tensor and args[0]._value.shape:
        loans.array(args[0], first)
        realize_all(args[1:])
    elif len(args) > 1:
        realize_all(args)
    if take is export:
        loans.owners.update((id(x), x) for x in (*args, kwargs.get("out")) if type(x) is _ndarray)
    real = [loans.lend(x) for x in args]
    options = {k: loans.lend(v) for k, v in kwargs.items()} if kwargs else kwargs
    try:
        return loans.returned(at_line(fn, tuple(real), options) if loans.warns(fn) else fn(*real, **options))
    except ValueError as error:
        if str(error) != NOT_AN_ARRAY:
            raise
    return loans.returned(fn(*map(made_real, real), **options))


WARNING = frozenset(("fromfile", "fromstring", "inner", "multivariate_normal", "random_integers"))
"""Functions written in C or Cython that warn of other arguments than arrays too."""


@functools.lru_cache(4096)
def _in_c(fn: Any) -> bool:
    """Whether a function is written in C or Cython: its warnings name the line that calls it."""
    own = getattr(fn, "_implementation", fn)
    return type(getattr(own, "__func__", own)) is not FunctionType


def writing_place(fn: Any) -> int:
    """From which positional argument on a function may be given something to write to."""
    code = getattr(getattr(fn, "_implementation", fn), "__code__", None)
    if code is None:
        return _OUT_OF_C.get(getattr(fn, "__name__", ""), 1 << 20)
    places = [i for i, name in enumerate(code.co_varnames[:code.co_argcount]) if name in WRITING]
    return min(places, default=1 << 20)


def _writes(args: tuple[Any, ...], kwargs: dict[str, Any], place: int) -> bool:
    """Whether these arguments make a function write to one of them, or hand them to a function of the user's."""
    if len(args) > place or ("out" in kwargs and kwargs["out"] is not None) or kwargs.get("overwrite_input"):
        return True
    return any(callable(x) and not isinstance(x, type) for x in args)


AT_ONCE: dict[Any, dict[str, Any]] = {}
"""Functions of ours that have NumPy run when they are written, and write to no argument but those after
`writing_place`; and what `direct` is told of them."""

_STREAMS = frozenset("seed get_state set_state bytes shuffle".split())
"""Functions of numpy.random's one stream that give no draws as arrays."""

_made: dict[Any, Callable[..., Any]] = {}


def fallback(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """NumPy's function as one that takes and gives Tensors; the same wrapper each time.

    Parameters
    ----------
    fn : callable
        A function of NumPy's.
    name : str
        Its name in NumPy's namespace.

    Examples
    --------
    >>> import lazytensor as lt
    >>> fallback(np.tile, "tile")(lt.arange(2), 2)
    array([0, 1, 0, 1])
    """
    known = _made.get(fn)
    if known is None:
        known = _made[fn] = _wrapper(fn, name)
    return known


def is_fallback(function: Any) -> bool:
    """Whether a function is one that `fallback` has made."""
    wrapped = getattr(function, "__wrapped__", None)
    return wrapped is not None and _made.get(wrapped) is in_python(function)


def in_python(function: Any) -> Any:
    """The Python function that does all that is not plain, where the extension stands before it (`direct`)."""
    function = getattr(function, "func", function)  # of a `namespace.Function`
    return getattr(function, "slow", function)


def _waiting(key: str, fn: Any, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose result is pending where its row of the table says that it may be."""
    @unseen
    def function(*args: Any, **kwargs: Any) -> Any:
        rule = lazy.rule_of(key, fn)
        result = lazy.NOW if rule is None else rule.pending(args, kwargs, _getframe(1))
        if result is not lazy.NOW:
            return result
        count_as_run()
        return otherwise(*args, **kwargs)
    return function


def _making(fn: Any, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes an array: of plain numbers, lengths and dtypes NumPy makes it, and nothing is lent."""
    @unseen
    def function(*args: Any, **kwargs: Any) -> Any:
        if not active and are_plain(args) and (not kwargs or are_plain(kwargs.values())):
            return wrap(fn(*args, **kwargs))
        return otherwise(*args, **kwargs)
    return function


def are_plain(values: Any) -> bool:
    """Whether they are all plain numbers, dtypes, text and the like, or lengths in a tuple: nothing to be lent."""
    return all([kind in _PLAIN or kind is tuple and set(map(type, x)) <= _LENGTHS
                for x in values for kind in (type(x),)])


_PLAIN = frozenset((int, float, complex, bool, str, type(None), type, np.dtype))
_LENGTHS = frozenset((int,))


def takes_geometry(fn: Any, name: str) -> bool:
    """Whether a function of that name looks at no element of its first argument; a namesake in `numpy.ma` does."""
    return (name in VIEWS or name in SHAPES) and getattr(fn, "__module__", None) in _PLAIN_MODULES


_PLAIN_MODULES = ("numpy", "numpy.linalg", "numpy.lib.stride_tricks")


def _wrapper(fn: Any, name: str) -> Callable[..., Any]:
    first = geometry if takes_geometry(fn, name) else None
    gives = name in GIVES or (first is None and str(getattr(fn, "__module__", "")).startswith(GIVING_MODULES))
    place = writing_place(fn)

    @unseen
    def function(*args: Any, **kwargs: Any) -> Any:
        if gives or _writes(args, kwargs, place):
            return applied(fn, args, kwargs, export)
        return applied(fn, args, kwargs, peek, first)

    key = key_of(fn)
    if key in TABLE:
        function = _waiting(key, fn, function)
    elif name in MAKES and fn.__module__ == "numpy":
        function = _making(fn, function)
    functools.update_wrapper(function, fn)
    if getattr(type(getattr(fn, "__self__", None)), "__module__", "") == "numpy.random.mtrand" and name not in _STREAMS:
        AT_ONCE[function] = {"draws": True}
    elif first is not None and name in VIEWS:
        AT_ONCE[function] = {"views": True}
    elif name in ASKS:
        AT_ONCE[function] = {"realized": True}
    elif not gives and name not in VIEWS:
        AT_ONCE[function] = {"small": key in TABLE, "realized": first is not None, "numbers": name in MAKES}
    text = getattr(fn, "__text_signature__", None)
    if text is not None:
        function.__text_signature__ = text
    function.__module__ = str(getattr(fn, "__module__", None) or "numpy").replace("numpy", "lazytensor", 1)
    return function
