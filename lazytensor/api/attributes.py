"""Attributes of a Tensor: shape, dtype, strides, flags, base, T, real, imag, flat, data ..., and setting them."""

from __future__ import annotations

import operator
import sys
import warnings
from math import prod
from typing import Any

import numpy as np

from ..hot import native
from ..ir.layout import canonical, view_or_copy
from ..ir.node import Node, leaf
from ..ir.operation import imaginary_part, real_part
from ..run.interpreter import apply_view
from ..run.pool import is_block
from ..run.watching import active, laid_out, measured
from .build import at_line
from .handle import (
    WARNS,
    Tensor,
    View,
    apply_steps,
    c_layout,
    export,
    geometry,
    is_writeable,
    keep_owning,
    lock_of,
    memory_of,
    owns_memory,
    peek,
    root_of,
    run,
    state_of,
    steps_of,
    wrap,
    writing_of,
)
from .inplace import looked_at
from .scalar import spelled_out

_ndarray = np.ndarray


_OWNDATA, _ALIGNED, _WRITEABLE, _WARN_ON_WRITE = 4, 256, 1024, -(1 << 31)
_FUTURE = ("future versions will not create a writeable array from broadcast_array. Set the writable flag explicitly "
           "to avoid this warning.")


class Flags:
    """What ``t.flags`` gives: NumPy's flags, by attribute or by key; `writeable` can be set."""

    __slots__ = ("_t",)

    def __init__(self, t: Any) -> None:
        object.__setattr__(self, "_t", t)

    @property
    def writeable(self) -> bool:
        """Whether the array may be written to."""
        writing = writing_of(self._t)
        if writing is WARNS:
            at_line(warnings.warn, (_FUTURE, FutureWarning))
        return bool(writing)

    @property
    def owndata(self) -> bool:
        """Whether the array owns its memory."""
        return self._t._value.__class__ is Node and _outer_base(self._t) is None

    @property
    def num(self) -> int:
        """The flags as one number, with NumPy's bits."""
        rest = geometry(self._t).flags.num & ~(_OWNDATA | _WRITEABLE | _WARN_ON_WRITE | _ALIGNED)
        writing = writing_of(self._t)
        rest |= _ALIGNED * self.aligned
        return int(rest | _OWNDATA * self.owndata | _WRITEABLE * bool(writing) | _WARN_ON_WRITE * (writing is WARNS))

    @property
    def aligned(self) -> bool:
        """Whether the elements lie where the processor wants them; known without running but for views of other dtypes.
        """
        v = self._t._value
        if v.__class__ is View and (v.root._value.buffer is not None or v.dtype != v.root._value.dtype):
            return bool(peek(self._t).flags.aligned)
        return bool(geometry(self._t).flags.aligned)

    @property
    def behaved(self) -> bool:
        """Whether the array is aligned and may be written to."""
        return self.aligned and self.writeable

    @property
    def carray(self) -> bool:
        """Whether the array is behaved and in C order."""
        return self.behaved and self.c_contiguous

    @property
    def farray(self) -> bool:
        """Whether the array is behaved and in Fortran order, but not in C order."""
        return self.behaved and self.f_contiguous and not self.c_contiguous

    def __getattr__(self, name: str) -> Any:
        return getattr(geometry(self._t).flags, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "writeable":
            set_writeable(self._t, bool(value))
        elif name in ("aligned", "writebackifcopy"):
            setattr(export(self._t).flags, name, value)
        else:
            setattr(geometry(self._t).flags, name, value)  # which refuses

    def __getitem__(self, key: str) -> Any:
        return getattr(self, _KEYS[key]) if key in _KEYS else geometry(self._t).flags[key]

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, _KEYS.get(key, key.lower()), value)

    def _real(self) -> Any:
        return export(self._t).flags

    def __repr__(self) -> str:
        rows = [f"  {key} : {self[key]}" for key in (
            "C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA", "WRITEABLE", "ALIGNED", "WRITEBACKIFCOPY")]
        return "\n".join(rows) + "\n"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Flags) and repr(self) == repr(other)

    __hash__ = None  # type: ignore[assignment]


class FlatIterator:
    """What ``t.flat`` gives: NumPy's `flatiter` over the array's memory, which takes and gives Tensors."""

    __slots__ = ("_real", "base")

    def __init__(self, base: Any) -> None:
        self._real, self.base = export(base).flat, base

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return np.flatiter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __iter__(self) -> FlatIterator:
        return self

    def __next__(self) -> Any:
        return next(self._real)

    def __len__(self) -> int:
        return len(self._real)

    def __getitem__(self, index: Any) -> Any:
        return wrap(self._real[looked_at(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        at_line(operator.setitem, (self._real, looked_at(index), looked_at(value)))

    def __delitem__(self, index: Any) -> None:
        del self._real[looked_at(index)]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._real, dtype=dtype)

    def copy(self) -> Any:
        """A Tensor with the elements that are left, in one dimension."""
        return wrap(self._real.copy())

    def _compared(name: str) -> Any:  # type: ignore[misc]
        def method(self: Any, other: Any) -> Any:
            return wrap(getattr(self._real, name)(looked_at(other)))
        return method

    __eq__, __ne__, __lt__, __le__, __gt__, __ge__ = map(
        _compared, ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"))
    __hash__ = None  # type: ignore[assignment]
    del _compared


FlatIterator.__name__ = FlatIterator.__qualname__ = "flatiter"
FlatIterator.__module__ = "numpy"

_KEYS = {"WRITEABLE": "writeable", "W": "writeable", "OWNDATA": "owndata", "O": "owndata", "ALIGNED": "aligned",
         "A": "aligned", "BEHAVED": "behaved", "B": "behaved", "CARRAY": "carray", "CA": "carray", "FARRAY": "farray",
         "FA": "farray"}


def set_writeable(t: Any, value: bool) -> None:
    """``t.flags.writeable = value``; a view can be made writeable only if its root is."""
    v = t._value
    if v.__class__ is View:
        if value and (v.locked or not is_writeable(v.root)):
            raise ValueError("cannot set WRITEABLE flag to True of this array")
        v.writeable = value
        return
    state = t._state
    if state is not None and (origin := state.handed_in()) is not None:
        origin.flags.writeable = value
    if value and state is not None:
        run(t).flags.writeable = True
    state_of(t).writeable = value


def setflags(self: Any, write: Any = None, align: Any = None, uic: Any = None) -> None:
    """As `numpy.ndarray.setflags`."""
    if write is not None:
        set_writeable(self, bool(write))
    if align is not None or uic is not None:
        real = memory_of(self) if self._value.__class__ is Node else export(self)
        real.setflags(**{k: v for k, v in (("align", align), ("uic", uic)) if v is not None})


def _get_shape(self: Any) -> Any:
    if active and (shape := measured(self)) is not None:
        return shape
    return self._value.shape


def _set_shape(self: Any, shape: Any) -> None:
    """``t.shape = shape``: the same elements, in place; an error where a copy would be needed."""
    v = self._value
    if v.dtype.hasobject:
        probe = peek(self)[...]
        probe.shape = shape
    else:
        probe = view_or_copy(v.shape, v.strides, v.dtype, shape, "C")
    if probe is None:
        raise AttributeError("Incompatible shape for in-place modification. Use `.reshape()` to make a copy with the "
                             "desired shape.")
    _set_geometry(self, probe, v.dtype)


def _set_dtype(self: Any, dtype: Any) -> None:
    """``t.dtype = dtype``: the same bytes, read otherwise."""
    probe = geometry(self)[...]
    probe.dtype = dtype
    _set_geometry(self, probe, probe.dtype)


def _set_geometry(self: Any, probe: Any, dtype: Any) -> None:
    """Gives the handle another shape and dtype over the same memory."""
    v = self._value
    shape = tuple(probe.shape)
    strides = canonical(probe.strides, shape, dtype.itemsize)
    steps: tuple[Any, ...] = ((_ndarray.reshape, (shape,)),)
    if not dtype.hasobject:  # of those there is no view of another dtype
        steps = ((_ndarray.view, (dtype,)), *steps)
    if v.__class__ is View:
        v.steps = steps_of(self) + steps
        v.shape, v.dtype, v.strides = shape, dtype, strides
        node = v.root._value
        v.of, v.laid, v.given = node.shape, node.strides, node.dtype
        return
    while True:
        run(self)
        with lock_of(self):
            buffer = self._value.buffer
            if buffer is None:
                continue  # another thread wrote to it
            array = apply_view(steps, np.asarray(buffer))
            state = self._state
            given_out = state is not None and state.memory is not None
            own = _outer_base(self) is None if given_out else owns_memory(buffer)
            if own:
                keep_owning(array)
            self._value = leaf(array, strides)
            if given_out:
                state.own, state.memory = own, array
            return


def _get_size(self: Any) -> int:
    return prod(_get_shape(self))


def _get_strides(self: Any) -> Any:
    if active:
        laid_out(self)
    return c_layout(self._value)


def _get_flags(self: Any) -> Flags:
    if active:
        laid_out(self)
    return Flags(self)


def _get_flat(self: Any) -> FlatIterator:
    if active:
        measured(self)
    return FlatIterator(self)


def _set_strides(self: Any, strides: Any) -> None:
    real = export(self)
    at_line(setattr, (real, "strides", strides))
    wrapped = wrap(real)
    self._value, self._state = wrapped._value, wrapped._state


def _get_real(self: Any) -> Any:
    if self._value.dtype.kind != "c":
        return self if self._value.dtype.kind != "O" else wrap(export(self).real)
    return apply_steps(self, ((real_part, ()),), geometry(self).real)


def _get_imag(self: Any) -> Any:
    if self._value.dtype.kind != "c":
        return wrap((export(self) if self._value.dtype.hasobject else geometry(self)).imag)  # new zeros
    return apply_steps(self, ((imaginary_part, ()),), geometry(self).imag)


def _casts(self: Any, value: Any) -> bool:
    """Whether setting a part of a complex array is more than storing real numbers."""
    return self._value.dtype.kind != "c" or type(value) is not Tensor or value._value.dtype.kind not in "fiub"


def _set_real(self: Any, value: Any) -> None:
    if _casts(self, value):
        at_line(setattr, (export(self), "real", looked_at(value)))
        return
    _get_real(self)[...] = value


def _set_imag(self: Any, value: Any) -> None:
    if self._value.dtype.kind != "c":
        raise TypeError("array does not have imaginary part to set")
    if _casts(self, value):
        at_line(setattr, (export(self), "imag", looked_at(value)))
        return
    _get_imag(self)[...] = value


def _get_transposed(self: Any) -> Any:
    return self.transpose()


def _get_matrix_transposed(self: Any) -> Any:
    if len(self._value.shape) < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return self.swapaxes(-1, -2)


def _get_base(self: Any) -> Any:
    v = self._value
    if v.__class__ is View:
        return v.root
    return wrap(_outer_base(self))


def _outer_base(self: Any) -> Any:
    """The base of memory that was taken in and is not ours alone."""
    state = self._state
    if state is None or state.memory is None or state.own:
        return None
    origin = state.handed_in()
    base = state.memory.base if origin is None else origin.base
    return None if base is None or is_block(base) else base


def _set_flat(self: Any, value: Any) -> None:
    export(self).flat = value


def _pinned(self: Any) -> Any:
    """Real memory whose address is given out: nobody can tell when it is forgotten, so it stays shared."""
    memory_of(root_of(self))
    state_of(root_of(self)).pinned = True
    return export(self)


def _get_ctypes(self: Any) -> Any:
    """NumPy's object, which keeps this Tensor alive."""
    real = _pinned(self).ctypes
    return type(real)(self, real.data)


def _address(name: str) -> Any:
    """A property for code that spells its name out. NumPy too would look it up, to take the array in, and pin its
    memory; it gets an AttributeError and goes on to `__array__`."""
    def get(self: Any) -> Any:
        if not spelled_out(name, sys._getframe(1).f_code):
            raise AttributeError(name)
        return getattr(_pinned(self), name)
    return get


def dlpack(self: Any, **options: Any) -> Any:
    """As `numpy.ndarray.__dlpack__`."""
    return export(self).__dlpack__(**options)


_SIMPLE: dict[str, Any] = {
    "shape": (_get_shape, _set_shape), "dtype": (lambda t: t._value.dtype, _set_dtype),
    "strides": (_get_strides, _set_strides), "ndim": (lambda t: len(t._value.shape), None),
    "size": (_get_size, None), "itemsize": (lambda t: t._value.dtype.itemsize, None),
    "nbytes": (lambda t: _get_size(t) * t._value.dtype.itemsize, None),
    "flags": (_get_flags, None), "base": (_get_base, None), "T": (_get_transposed, None),
    "mT": (_get_matrix_transposed, None), "real": (_get_real, _set_real), "imag": (_get_imag, _set_imag),
    "flat": (_get_flat, _set_flat), "data": (lambda t: export(t).data, None),
    "ctypes": (_get_ctypes, None), "device": (lambda t: "cpu", None),
    "__array_interface__": (_address("__array_interface__"), None),
    "__array_struct__": (_address("__array_struct__"), None),
    "__array_priority__": (lambda t: 0.0, None),
}


_QUICK = ("shape", "dtype", "ndim", "size", "nbytes", "T")
"""Those that the extension answers, by its numbers."""


def to_device(self: Any, device: str, /, *, stream: Any = None) -> Any:
    """As `numpy.ndarray.to_device`: the CPU only."""
    real: Any = np.empty(0)
    real.to_device(device, stream=stream)
    return self


def dlpack_device(self: Any) -> Any:
    """As `numpy.ndarray.__dlpack_device__`: (kDLCPU, 0)."""
    return np.empty(0).__dlpack_device__()


def _refusal(name: str) -> Any:
    def refuse(self: Any, value: Any) -> None:
        raise AttributeError(f"attribute '{name}' of 'numpy.ndarray' objects is not writable")
    return refuse


def sizeof(self: Any) -> int:
    """As `numpy.ndarray.__sizeof__`: the header, and the memory if it is the array's own. Nothing runs."""
    return _HEADER + 16 * len(self._value.shape) + (self.nbytes if self.flags.owndata else 0)


_HEADER = sys.getsizeof(np.empty(())[...]) - (sys.getsizeof(object.__new__(Tensor)) - object.__sizeof__(
    object.__new__(Tensor)))
"""Of an array without axes; `sys.getsizeof` adds what the garbage collector keeps, which NumPy's arrays have not."""


def _attach() -> None:
    for name, (get, put) in _SIMPLE.items():
        if native is not None and name in _QUICK:
            get = native.Attribute(None, {}, get, None, _QUICK.index(name))
        real = getattr(_ndarray, name, None)
        doc = getattr(real, "__doc__", None) or f"As `numpy.ndarray.{name}`."
        setattr(Tensor, name, property(get, put or _refusal(name), doc=doc))
    for name, fn in {"setflags": setflags, "__sizeof__": sizeof, "__dlpack__": dlpack,
                     "__dlpack_device__": dlpack_device,
                     "to_device": to_device}.items():
        setattr(Tensor, name, fn)


_attach()
