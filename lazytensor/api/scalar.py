"""The lazy scalar: what a full reduction gives, and arithmetic on such. Immutable and hashable, as NumPy's scalars.

There is a class for each dtype, so that ``type(s)(x)`` makes a scalar of that dtype; it is NumPy's own then.
"""

from __future__ import annotations

import math
import operator
import sys
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np
from numpy.exceptions import ComplexWarning

from ..compile import realize
from ..hot import called, learn
from ..ir.node import Node, new
from ..run.watching import active, mine

_generic = np.generic


class _ScalarType(type):
    """The type of lazy scalars' classes: as a dtype, such a class is that of its NumPy scalars."""

    @property
    def dtype(cls) -> Any:
        """What ``numpy.dtype(type(s))`` is."""
        return np.dtype(cls._scalar_type)  # type: ignore[attr-defined]


class Scalar(metaclass=_ScalarType):
    """A NumPy scalar whose value is computed when it is needed.

    Its ``__class__`` is the NumPy scalar type, so that ``isinstance(s, numpy.floating)`` holds. Everything that NumPy's
    scalars have is there; arithmetic gives lazy scalars.

    Examples
    --------
    >>> import lazytensor as np
    >>> s = np.arange(4.0).sum()      # nothing has run yet
    >>> s > 5, float(s)
    (np.True_, 6.0)
    """

    __slots__ = ("_node",)
    _node: Node
    _scalar_type: Any = None

    def __new__(cls, value: Any = 0) -> Any:
        return cls._scalar_type(value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._node.dtype.type

    def __getattr__(self, name: str) -> Any:
        if name in _ADDRESSES and not spelled_out(name, sys._getframe(1).f_code):
            raise AttributeError(name)
        if name == "item" and active and (watcher := mine()) is not None:
            return watcher.item_of(self)
        return getattr(value_of(self), name)

    def realize(self) -> Scalar:
        """Computes the value now; gives the scalar itself."""
        value_of(self)
        return self

    def numpy(self) -> Any:
        """NumPy's own scalar."""
        return value_of(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type."""
        return self._node.dtype

    shape = property(lambda self: (), doc="()")
    ndim = property(lambda self: 0, doc="0")
    size = property(lambda self: 1, doc="1")
    strides = property(lambda self: (), doc="()")
    base = property(lambda self: None, doc="None")

    @property
    def itemsize(self) -> int:
        """Bytes."""
        return self._node.dtype.itemsize

    nbytes = itemsize

    def __hash__(self) -> int:
        return hash(value_of(self))

    def __bool__(self) -> bool:
        if active and (watcher := mine()) is not None:
            return bool(watcher.truth(self))
        return bool(value_of(self))

    def __int__(self) -> int:
        if self._node.dtype.kind == "c":
            return int(_real_part(self))
        return int(value_of(self))

    def __float__(self) -> float:
        if self._node.dtype.kind == "c":
            return float(_real_part(self))
        if active and (watcher := mine()) is not None:
            return watcher.floated(self)
        return float(seen(self))

    def __bytes__(self) -> bytes:
        return bytes(value_of(self))

    def __conform__(self, protocol: Any) -> Any:
        """What sqlite3 is to take in its stead: NumPy's scalar."""
        return value_of(self)

    __iter__ = None

    def __format__(self, spec: str) -> str:
        return format(value_of(self), spec)

    def __str__(self) -> str:
        return str(value_of(self))

    def __repr__(self) -> str:
        return repr(value_of(self))

    def __reduce__(self) -> Any:
        return value_of(self).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return value_of(self).__reduce_ex__(protocol)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(value_of(self), dtype=dtype)

    def __getitem__(self, index: Any) -> Any:
        return value_of(self)[index]

    def __dir__(self) -> list[str]:
        return sorted(set(dir(self._node.dtype.type)) | {"realize", "numpy"})


learn(Scalar=Scalar)
_ADDRESSES = ("__array_interface__", "__array_struct__")


def spelled_out(name: str, code: CodeType) -> bool:
    """Whether code has a name in its text. When NumPy looks up `__array_interface__` of what it takes in, it does not:
    it is then to use `__array__`, which keeps every dtype."""
    return name in code.co_names or name in code.co_consts


def value_of(s: Any) -> Any:
    """The NumPy scalar of a lazy one, computed if need be."""
    if active and (watcher := mine()) is not None:
        return watcher.scalar(s)
    return seen(s)


def _real_part(s: Any) -> Any:
    """What `int` and `float` take of a complex number. NumPy's warning of that is of the line that calls them."""
    if active and (watcher := mine()) is not None:
        watcher.refuse("it makes complex numbers real ones, which gives a warning at each call")
    part = seen(s).real
    warnings.warn("Casting complex values to real discards the imaginary part", ComplexWarning, stacklevel=3)
    return part


def seen(s: Any) -> Any:
    """`value_of`, of which no watcher is told."""
    node = s._node
    buffer = node.buffer
    if buffer is None:
        realize([node])
        buffer = node.buffer
    return buffer if isinstance(buffer, _generic) else buffer[()]


def _special(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        return fn(value_of(self), *args)

    method.__name__, method.__qualname__ = name, f"Scalar.{name}"
    return method


_ASKED: dict[str, Callable[..., Any]] = {
    "__complex__": complex, "__index__": operator.index, "__round__": round, "__trunc__": math.trunc,
    "__floor__": math.floor, "__ceil__": math.ceil,
}
_SPECIAL = {name: _special(name, fn) for name, fn in _ASKED.items()}
"""What only some of NumPy's scalars have."""
classes: dict[Any, type] = {}
"""The class of each kind of NumPy's scalars that has been met."""
learn(scalar_classes=classes)


def class_for(dtype: np.dtype[Any]) -> Any:
    """The lazy scalar class of a dtype."""
    kind = dtype.type
    found = classes.get(kind)
    if found is None:
        found = _ScalarType(kind.__name__, (Scalar,), {
            "__slots__": (), "_scalar_type": kind, "__module__": "lazytensor", "__doc__": Scalar.__doc__,
            **{name: method for name, method in _SPECIAL.items() if hasattr(kind, name)}})
        called(found, f"numpy.{kind.__name__}")
        classes[kind] = found
    return found


def scalar(node: Node) -> Any:
    """The lazy scalar of a node without axes."""
    s = new(classes.get(node.dtype.type) or class_for(node.dtype))
    s._node = node
    return s
