"""The Tensor: what users hold. It owns a node, or is a view over another Tensor.

This file answers how a handle is read, written, given out and taken in; what users can do with it is attached by the
other files of this folder.

* `read` gives the node of a Tensor's present value; `peek` its array, for looking only.
* `write` gives the memory's owner a new value.
* `export` gives out real memory: a Tensor that has given out (or taken in) memory is *shared* while anybody else holds
  that memory. Reads of it run at once, writes go straight through.
* `wrap` makes a Tensor of what NumPy returned.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ..compile import realize
from ..hot import called, learn, native
from ..ir.layout import c_strides, canonical, dense, offset_of, shadow
from ..ir.node import AT_ONCE, Node, leaf, new
from ..ir.operation import Operation
from ..run import pool
from ..run.interpreter import apply_view
from ..run.watching import active, mine
from .relative import relative_view
from .scalar import Scalar
from .scalar import value_of as scalar_value

_VIEW = Operation.VIEW
WRITEABLE = 1024
"""The bit of `flags.num`; asking for `flags.writeable` of some arrays warns."""
WARNS = 2
"""What `writeable` is of what `broadcast_arrays` gives: it may be written to, with a warning the first time."""
_ndarray: Any = np.ndarray


class View:
    """A view: steps from its root's value to its own, and the geometry that they give.

    `of`, `laid` and `given` are the root's shape, strides and dtype when the view was made: if the root has been given
    others since (``a.shape = ...``), its memory is seen as it was first. A `locked` view cannot be made writeable.
    """

    __slots__ = ("root", "steps", "shape", "dtype", "strides", "writeable", "locked", "of", "laid", "given")
    root: Tensor
    steps: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...] | None
    writeable: int
    locked: bool
    of: tuple[int, ...]
    laid: tuple[int, ...] | None
    given: np.dtype[Any]


class State:
    """What is unusual about a root: memory that it shares with the outside, for good if `pinned`; read-only.

    `origin` refers weakly to the array that somebody else handed in, of which `memory` is a view: who has it may
    set its shape and flags. `own` memory is the root's, though it may be a view of the array that it was before its
    shape or dtype was set.
    """

    __slots__ = ("memory", "pinned", "writeable", "origin", "own")

    def __init__(self) -> None:
        self.memory: Any = None
        self.pinned = False
        self.writeable: int = True
        self.origin: Any = None
        self.own = False

    def handed_in(self) -> Any:
        """The array that was handed in, or None."""
        return None if self.origin is None else self.origin()


def signature_of(kind: type) -> Any:
    """What `inspect.signature` gives for one of NumPy's types; only `inspect` itself asks."""
    inspect: Any = sys.modules.get("inspect")
    if inspect is None:
        raise AttributeError("__signature__")
    return inspect.signature(kind)


class _ArrayType(type):
    """`isinstance` holds for NumPy's own arrays too; a subclass is an eager subclass of NumPy's array."""

    __signature__ = property(lambda cls: signature_of(_ndarray), doc="What `inspect.signature` gives: NumPy's.")

    def __instancecheck__(cls, instance: Any) -> bool:
        kind = type(instance)
        return kind is cls or issubclass(kind, (cls, _ndarray)) if cls is Tensor else issubclass(kind, cls)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return type.__subclasscheck__(cls, subclass) or (cls is Tensor and issubclass(subclass, _ndarray))

    def __new__(mcls, name: str, bases: tuple[type, ...], scope: dict[str, Any], **options: Any) -> Any:
        if any(type(base) is mcls for base in bases):
            eager = tuple(_Eager if type(base) is mcls else base for base in bases)
            return type(_ndarray)(name, eager, scope, **options)
        return super().__new__(mcls, name, bases, scope, **options)


class _Eager(_ndarray):
    """What a subclass of `lazytensor.ndarray` is one of: NumPy's array, to which that class is NumPy's own."""

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ndarray.view`, where `lazytensor.ndarray` means NumPy's."""
        return super().view(*[_ndarray if a is Tensor else a for a in args],
                            **{k: _ndarray if a is Tensor else a for k, a in kwargs.items()})


_CLASS_IN: dict[str, Any] = {
    "lazytensor": None, "numpy": None, "numpy.ctypeslib": _ndarray, "numpy.matrixlib": _ndarray, "einops": _ndarray,
    "pandas": None, "h5py": None, "jax": None, "xarray.core.variable": np.generic, "sklearn.utils._unique": None,
}
"""What a Tensor's `__class__` is in the code of a package, or of a part of it; None is the Tensor's own.

NumPy asks for a real array itself; pandas and h5py ask in C, so there nothing of ours arrives (`border.py`). JAX takes
what it does not know for what its `__array__` gives. einops has NumPy in an object of its own. xarray keeps what is
like an array, but makes arrays of NumPy's scalars. scikit-learn keeps the labels of NumPy's arrays aside, sorted; by
the array API, `unique_values` need not sort.
"""
_answers: dict[tuple[str, int], Any] = {}
"""What `_class_in` said, by a module's name and how many names it has: a session may import lazytensor later."""


def _class_in(scope: dict[str, Any]) -> Any:
    """What a Tensor's `__class__` is in a module, by its namespace: NumPy's if that has NumPy and nothing of ours.

    So `isinstance(t, numpy.ndarray)` holds in libraries, which then do with anything like an array.
    """
    name = scope.get("__name__", "")
    known = [part for part in _CLASS_IN if name == part or name.startswith(part + ".")]
    if known:
        answer = _CLASS_IN[max(known, key=len)] or Tensor
    else:
        held = {id(value) for value in list(scope.values())}
        answer = _ndarray if held & {id(np), id(_ndarray)} and held.isdisjoint(_ours()) else Tensor
    if len(_answers) >= _MOST_ANSWERS:
        _answers.clear()
    _answers[name, len(scope)] = answer
    return answer


_MOST_ANSWERS = 1 << 14


def _ours() -> set[int]:
    """The identities of the package and of what it has besides NumPy's own."""
    home = sys.modules[Tensor.__module__]
    return {id(home), id(Tensor), *[id(x) for name, x in list(vars(home).items())
                                    if callable(x) and getattr(np, name, x) is not x]}


def _class_property(function: Callable[[Any], Any]) -> Any:
    """`__class__` as a property; in the extension it knows the answers that were given."""
    return property(function) if native is None else native.ClassOf(property(function), _answers)


class Tensor(metaclass=_ArrayType):
    """An N-dimensional array whose values are computed when they are needed; to a program it is `numpy.ndarray`.

    ``lazytensor.ndarray(shape, dtype, buffer, offset, strides, order)`` makes one as NumPy's constructor does.
    Subclassing it gives a subclass of `numpy.ndarray`, which computes at once.

    Examples
    --------
    >>> import lazytensor as np
    >>> x = np.arange(4.0)
    >>> y = np.sqrt(x) + 1        # nothing has run yet
    >>> y
    array([1.        , 2.        , 2.41421356, 2.73205081])
    """

    __slots__ = ("_value", "_state", "__weakref__")
    _value: Any
    _state: State | None

    @_class_property
    def __class__(self) -> Any:
        """This class; in modules that know NumPy alone, NumPy's: see `_class_in`."""
        scope = sys._getframe(1).f_globals
        return _answers.get((scope.get("__name__", ""), len(scope))) or _class_in(scope)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return wrap(_ndarray.__new__(_ndarray, *[unwrapped(a) for a in args],
                                     **{k: unwrapped(v) for k, v in kwargs.items()})) if cls is Tensor else (
            _ndarray.__new__(cls, *args, **kwargs))


Tensor.__name__ = Tensor.__qualname__ = "ndarray"
called(Tensor, "numpy.ndarray")
Tensor.__module__ = "lazytensor"
learn(Tensor=Tensor, View=View)

_LOCKS = [threading.RLock() for _ in range(64)]
learn(locks=_LOCKS)


def lock_of(root: Tensor) -> Any:
    """The lock that is held while a root's node is swapped or its memory written."""
    return _LOCKS[(id(root) >> 5) & 63]


def _renew_locks() -> None:
    _LOCKS[:] = [threading.RLock() for _ in range(64)]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def tensor(node: Node) -> Tensor:
    """A Tensor that owns a node."""
    t = new(Tensor)
    t._value = node
    t._state = None
    return t


def view_tensor(root: Tensor, steps: tuple[Any, ...], geometry: Any, writeable: int) -> Tensor:
    """A view over a root; `geometry` is an array (perhaps over no memory) with its shape, strides and dtype."""
    v = new(View)
    v.root = root
    v.steps = steps
    v.shape = shape = geometry.shape
    v.dtype = geometry.dtype
    v.strides = None if geometry.flags.c_contiguous and 1 not in shape and 0 not in shape else canonical(
        geometry.strides, shape, v.dtype.itemsize)
    v.writeable = writeable
    v.locked = False
    node = root._value
    v.of, v.laid, v.given = node.shape, node.strides, node.dtype
    t = new(Tensor)
    t._value = v
    t._state = None
    return t


def root_of(t: Tensor) -> Tensor:
    """The Tensor that owns the memory."""
    v = t._value
    return t if v.__class__ is Node else v.root


def writeable_of(array: Any) -> int:
    """Whether a real array may be written to: False, True or WARNS."""
    bits = array.flags.num
    return WARNS if bits < 0 else bool(bits & WRITEABLE)


def writing_of(t: Tensor) -> int:
    """Whether a Tensor may be written to: False, True or WARNS."""
    v = t._value
    if v.__class__ is View:
        return int(v.writeable)
    state = t._state
    if state is None:
        return True
    origin = state.handed_in()
    return state.writeable if origin is None else writeable_of(origin)


def is_writeable(t: Tensor) -> bool:
    """What ``t.flags.writeable`` says."""
    return bool(writing_of(t))


def geometry(t: Tensor) -> Any:
    """An array with the Tensor's shape, strides and dtype, whose elements must not be looked at."""
    v = t._value
    if v.__class__ is Node and (buffer := v.buffer) is not None and type(buffer) is _ndarray:
        return buffer
    if v.dtype.hasobject:
        return peek(t)
    return shadow(v.shape, v.strides, v.dtype)


def _steps_from(v: View, node: Node) -> tuple[Any, ...]:
    """The steps of a view from its root's node, which may have another shape or dtype by now than when it was made."""
    if v.of == node.shape and v.given == node.dtype:
        return v.steps
    laid = c_strides(v.of, v.given.itemsize) if v.laid is None else v.laid
    return ((relative_view, (0, v.of, laid, v.given)), *v.steps)


def steps_of(t: Tensor) -> tuple[Any, ...]:
    """The steps from the root's value to this Tensor's."""
    v = t._value
    if v.__class__ is Node:
        return ()
    return _steps_from(v, v.root._value)


def read(t: Tensor) -> Node:
    """The node of the Tensor's present value; that of a shared Tensor makes what uses it run at once."""
    v = t._value
    root = t if v.__class__ is Node else v.root
    node: Node = root._value
    if root._state is not None and is_shared(root):
        lent = watcher.foreign(root) if active and (watcher := mine()) is not None else None
        if lent is None:
            array = node.buffer if v is node else apply_view(steps_of(t), node.buffer)
            return leaf(array, v.strides, AT_ONCE)
        v = lent if v is node else v
        node = lent
    if v is node:
        return node
    n = new(Node)
    n.op = _VIEW
    n.a = node
    n.b = None
    n.rest = ()
    n.attrs = _steps_from(v, node)
    n.shape = v.shape
    n.dtype = v.dtype
    n.strides = v.strides
    n.code = None
    n.lasti = -1
    n.errstate = None
    n.depth = node.depth
    n.seq = 0
    n.buffer = None
    n.claim = None
    return n


def run(t: Tensor) -> Any:
    """Computes the Tensor's root, if it is pending; gives the root's buffer."""
    if active and (watcher := mine()) is not None:
        watcher.gave(t)
    v = t._value
    node = v if v.__class__ is Node else v.root._value
    while node.buffer is None:
        realize([node])
        node = v if v.__class__ is Node else v.root._value
    return node.buffer


def peek(t: Tensor) -> Any:
    """The Tensor's value as a real array, to look at only: never given out, never written."""
    if active and (watcher := mine()) is not None:
        return watcher.looked(t)
    return seen(t)


def seen(t: Tensor) -> Any:
    """`peek`, of which no watcher is told."""
    v = t._value
    node = v if v.__class__ is Node else v.root._value
    buffer = node.buffer
    while buffer is None:
        realize([node])
        buffer = node.buffer
    if type(buffer) is not _ndarray:
        buffer = np.asarray(buffer)
    return buffer if v.__class__ is Node else apply_view(steps_of(t), buffer)


def no_dtype(value: Any) -> Any:
    """What is given for a dtype: an array is real, so that NumPy refuses it."""
    return peek(value) if type(value) is Tensor else value


def is_shared(root: Tensor) -> bool:
    """Whether somebody outside holds the root's memory; if not any more, the root is an ordinary one again."""
    with lock_of(root):
        state = root._state
        if state is None or state.memory is None:
            return False
        if state.pinned or not pool.sole(state.memory, _known.memory):
            return True
        state.writeable = writing_of(root)
        state.memory = state.origin = None
        state.own = False
        if state.writeable:
            root._state = None
        return False


def own_memory(root: Any) -> Any:
    """The memory of a realized root whose present value no pending work reads, or None. Under its lock."""
    node = root._value
    buffer = node.buffer
    free = buffer is not None and root._state is None and type(buffer) is _ndarray and alone(node, buffer)
    return buffer if free else None


def written_now(root: Any, write: Callable[[Any], Any]) -> bool:
    """Has a root's memory written to at once, if no pending work reads its present value; whether that was done."""
    run(root)
    with lock_of(root):
        memory = own_memory(root)
        if memory is None:
            return False
        write(memory)
        return True


class _Known:
    """How many references the functions here see of a root's memory, and of its node, that nobody else holds."""

    __slots__ = ("memory", "node", "buffer", "fresh")
    memory: int
    node: int
    buffer: int
    fresh: int


_known = _Known()
_known.fresh = 0


def state_of(root: Tensor) -> State:
    """The root's state, made if it has none."""
    if root._state is None:
        root._state = State()
    return root._state


def memory_of(root: Tensor) -> Any:
    """The root's memory, computed, its own alone, and marked as given out."""
    while True:
        run(root)
        with lock_of(root):
            if root._state is not None and root._state.memory is not None:
                return root._state.memory
            node = root._value
            buffer = node.buffer
            if buffer is None:
                continue  # another thread wrote to it
            if type(buffer) is not _ndarray or not alone(node, buffer):
                buffer = np.array(buffer) if type(buffer) is not _ndarray else _copied(buffer)
                root._value = leaf(buffer, node.strides)
            state = state_of(root)
            state.memory, state.own = buffer, owns_memory(buffer)
            return buffer


_owning: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def keep_owning(view: Any) -> None:
    """Notes that a view stands for an array that owns its memory: that array's shape or dtype was set."""
    _owning[id(view)] = view


def owns_memory(buffer: Any) -> bool:
    """Whether NumPy's array in the place of a computed one would own its memory."""
    base = getattr(buffer, "base", None)
    return base is None or pool.is_block(base) or _owning.get(id(buffer)) is buffer


def _copied(buffer: Any) -> Any:
    copy = pool.empty_like(buffer)
    np.copyto(copy, buffer)
    return copy


def alone(node: Node, buffer: Any) -> bool:
    """Whether only a root and the caller hold the node and its buffer: no pending work reads it."""
    return getrefcount(node) <= _known.node and pool.sole(buffer, _known.buffer)


class Swallowed(threading.local):
    """An interrupt raised while NumPy asked for a buffer: NumPy drops it and asks for `__array__`, which raises it."""

    interrupt: BaseException | None = None


swallowed = Swallowed()


def export(t: Tensor) -> Any:
    """A real ndarray over the Tensor's memory: what is written to either is seen by the other."""
    v = t._value
    if v.__class__ is Node:
        v = None  # else it would count as a holder of the memory
        array = memory_of(t)[...]
    else:
        memory = memory_of(v.root)
        array = apply_view(steps_of(t), memory)
    writeable = writing_of(t)
    if bool(array.flags.num & WRITEABLE) is not bool(writeable):
        array.flags.writeable = bool(writeable)
    if writeable is WARNS and v.__class__ is not Node:
        array.flags._warn_on_write = True
    return array


def wrap(value: Any, holders: int = 0) -> Any:
    """A Tensor over what NumPy returned, sharing its memory; anything but a plain ndarray is given back as it is.

    `holders` counts the names that the callers have for the value, which are forgotten when they return.
    """
    if type(value) is not _ndarray:
        return value
    strides = None if value.flags.c_contiguous and 1 not in value.shape and value.size else canonical(
        value.strides, value.shape, value.dtype.itemsize)
    t = new(Tensor)
    base = value.base
    ours = getrefcount(value) <= _known.fresh + holders
    if base is None and ours and value.flags.num & WRITEABLE:
        t._value = leaf(value, strides)
        t._state = None
        return t
    state = t._state = State()
    state.writeable = writeable_of(value)
    if ours or state.writeable is WARNS:
        state.memory = value
    else:
        state.memory = value[...]
        state.origin = weakref.ref(value)
    t._value = leaf(state.memory, strides)
    if base is not None and (type(base) is not _ndarray or base.base is not None):
        state.pinned = True
    elif not dense(value.shape, value.strides, value.dtype.itemsize):
        state.pinned = True
    return t


def wrap_all(value: Any) -> Any:
    """`wrap`, inside lists, tuples, named tuples and dicts too."""
    kind = type(value)
    if kind is _ndarray:
        return wrap(value)
    if kind is list:
        return [wrap_all(v) for v in value]
    if kind is tuple:
        return tuple([wrap_all(v) for v in value])
    if kind is dict:
        return {k: wrap_all(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*[wrap_all(v) for v in value])
    return value


def unwrapped(value: Any) -> Any:
    """The real, shared array of a Tensor, the NumPy scalar of a lazy one; anything else is given back as it is."""
    if type(value) is Tensor:
        return export(value)
    if issubclass(type(value), Scalar):
        return scalar_value(value)
    return value


def c_layout(t: Any) -> tuple[int, ...]:
    """The byte strides of a value record, spelled out."""
    return t.strides if t.strides is not None else c_strides(t.shape, t.dtype.itemsize)


def apply_steps(t: Tensor, steps: tuple[Any, ...], geometry_: Any, writeable: int | None = None) -> Tensor:
    """A view of a Tensor by further steps, with the geometry that they give."""
    v = t._value
    if v.__class__ is Node:
        return view_tensor(t, steps, geometry_, writing_of(t) if writeable is None else writeable)
    if len(v.steps) >= _MANY_STEPS:
        _shorten(v)
    return view_tensor(v.root, steps_of(t) + steps, geometry_, v.writeable if writeable is None else writeable)


_MANY_STEPS = 12


def _shorten(v: View) -> None:
    """Replaces the many steps of a view of a view of a view by one: ``x = x[1:]`` in a loop stays linear."""
    node = v.root._value
    if v.of is not node.shape or v.given != node.dtype or node.dtype.hasobject:
        return
    base = shadow(node.shape, node.strides, node.dtype)
    seen = apply_view(v.steps, base)
    v.steps = ((relative_view, (offset_of(seen) - offset_of(base), seen.shape, seen.strides, seen.dtype)),)


def _calibrate() -> None:
    """Measures the reference counts of a root's node and memory that nobody else holds."""
    _known.node = _known.buffer = 64
    for name in ("buffer", "node", "memory"):
        for guess in range(1, 64):
            setattr(_known, name, guess)
            root = tensor(leaf(np.zeros(1), None))
            first = root._value
            address = first.buffer.ctypes.data
            del first
            if name == "memory":
                memory_of(root)
                if not is_shared(root):
                    break
            elif memory_of(root).ctypes.data == address:
                break
        else:
            raise ImportError("lazytensor cannot tell who holds an array on this Python: sys.getrefcount is not exact")
    while wrap(np.zeros(1))._state is not None:
        _known.fresh += 1


_calibrate()
