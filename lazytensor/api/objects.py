"""NumPy's objects that take or give arrays and are no functions: `vectorize`, `r_`, `mgrid`, archives of arrays."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile as _RealArchive

from ..run.watching import active
from . import lazy
from .fallback import applied, fallback
from .handle import export, peek, wrap
from .ufuncs import ufunc


class vectorize(np.vectorize):
    __doc__ = f"""{np.vectorize.__doc__}
    With lazytensor, the arrays that it is called on are computed first, and the function is called at once.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function on the elements, which are computed first; see `numpy.vectorize`."""
        return applied(super().__call__, args, kwargs, export)


vectorize.__module__ = "lazytensor"


class Indexed:
    """`r_`, `c_`, `mgrid`, `ogrid`: what makes an array of an index; everything else is NumPy's object's.

    >>> import lazytensor as np
    >>> np.r_[np.arange(2), 5]
    array([0, 1, 5])
    """

    def __init__(self, real: Any, name: str) -> None:
        self._real, self.__name__, self.__doc__, self.__module__ = real, name, real.__doc__, "lazytensor"

    def __getitem__(self, key: Any) -> Any:
        found = _JOINED[self.__name__].pending((key,), {}, sys._getframe(1)) if self.__name__ in _JOINED else lazy.NOW
        return found if found is not lazy.NOW else applied(self._real.__getitem__, (_plain(key),), {}, peek)

    def __len__(self) -> int:
        return len(self._real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __reduce__(self) -> str:
        return self.__name__


_JOINED = {name: lazy.Rule(getattr(np, name).__getitem__, name, "[key]", names=("key",)) for name in ("r_", "c_")}
"""Those whose results may be pending."""


def _plain(key: Any) -> Any:
    """An index whose slices are of real numbers."""
    if type(key) is tuple:
        return tuple([_plain(k) for k in key])
    if type(key) is slice:
        return applied(slice, (key.start, key.stop, key.step), {}, peek)
    return key


class NpzFile(_RealArchive):
    __doc__ = f"""{_RealArchive.__doc__}
    With lazytensor, the arrays are Tensors; each is read from the file when it is asked for.
    """

    def __getitem__(self, key: str) -> Any:
        """The array of that name."""
        return wrap(super().__getitem__(key))


NpzFile.__module__ = _RealArchive.__module__
_load = fallback(np.load, "load")


@functools.wraps(np.load)
def load(*args: Any, **kwargs: Any) -> Any:
    """See `numpy.load`."""
    result = _load(*args, **kwargs)
    if type(result) is _RealArchive:
        result.__class__ = NpzFile
    return result


@functools.wraps(np.frompyfunc)
def frompyfunc(*args: Any, **kwargs: Any) -> Any:
    """See `numpy.frompyfunc`."""
    return ufunc(np.frompyfunc(*args, **kwargs))


@functools.wraps(np.bmat)
def bmat(obj: Any, ldict: Any = None, gdict: Any = None) -> Any:
    """See `numpy.bmat`; a text names variables of the caller."""
    if gdict is None:
        frame = sys._getframe(1)
        ldict, gdict = frame.f_locals, frame.f_globals
    return applied(np.bmat, (obj, ldict, gdict) if isinstance(obj, str) else (obj,), {}, export)


_apply_along_axis = fallback(np.apply_along_axis, "apply_along_axis")


@functools.wraps(np.apply_along_axis)  # type: ignore[arg-type]
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """See `numpy.apply_along_axis`; the function is given Tensors, if it is none of NumPy's."""
    real = None if active or kwargs else _real_of(func1d)  # ours takes names that NumPy's may not
    if real is not None:
        return _apply_along_axis(real, axis, arr, *args)
    return _apply_along_axis(lambda part: func1d(wrap(part), *args, **kwargs), axis, arr)


def _real_of(function: Any) -> Any:
    """NumPy's function behind one of ours (`namespace.Function`, which is equal to that), or None."""
    if type(function) is ufunc:
        return function._real
    real = getattr(function, "__wrapped__", None) if isinstance(function, functools.partial) else None
    return real if real is not None and function == real else None


_info = fallback(np.info, "info")


@functools.wraps(np.info)
def info(object: Any = None, *args: Any, **kwargs: Any) -> None:
    """See `numpy.info`."""
    _info(getattr(object, "__wrapped__", object), *args, **kwargs)


OBJECTS: dict[str, Any] = {
    "vectorize": vectorize, "load": load, "apply_along_axis": apply_along_axis, "frompyfunc": frompyfunc,
    "bmat": bmat, "info": info,
    **{name: Indexed(getattr(np, name), name) for name in ("r_", "c_", "mgrid", "ogrid")},
}
"""What this file has in place of NumPy's objects, by name."""
