"""The array API standard (2024.12): `__array_namespace__`, and what the standard has and NumPy has not: the keyword
`descending` of `sort` and `argsort`, and `dtype` of `fftfreq` and `rfftfreq`. All other functions are NumPy's.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .fallback import AT_ONCE, fallback, unseen
from .handle import Tensor
from .scalar import Scalar

_PACKAGE = __name__.partition(".")[0]


def array_namespace(self: Any, /, *, api_version: str | None = None) -> Any:
    """The namespace of the array API standard that this array belongs to: lazytensor.

    Parameters
    ----------
    api_version : str, optional
        A version of the standard, such as '2024.12'.

    Raises
    ------
    ValueError
        NumPy's, for a version that it does not know.
    """
    if api_version is not None:
        known: Any = np.empty(0)
        known.__array_namespace__(api_version=api_version)
    return sys.modules[_PACKAGE]


Tensor.__array_namespace__ = Scalar.__array_namespace__ = array_namespace  # type: ignore[attr-defined]


def _descending(name: str, plain: Callable[..., Any], reverse: Callable[..., Any]) -> Callable[..., Any]:
    @unseen
    @functools.wraps(getattr(np, name))
    def function(*args: Any, descending: bool = False, **kwargs: Any) -> Any:
        return reverse(plain, *args, **kwargs) if descending else plain(*args, **kwargs)
    function.plain = plain
    AT_ONCE[function] = {"small": True}
    return function


def _sorted_down(plain: Callable[..., Any], x: Any, axis: int = -1, *, stable: bool = True) -> Any:
    return np.flip(plain(x, axis=axis, stable=stable), axis=axis)


def _order_down(plain: Callable[..., Any], x: Any, axis: int = -1, *, stable: bool = True) -> Any:
    """Equal elements stay in their order: the order of the reversed array, reversed."""
    order = np.flip(plain(np.flip(x, axis=axis), axis=axis, stable=stable), axis=axis)
    return (x.shape[axis] if x.ndim else 1) - 1 - order


def with_descending(own: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """`sort` and `argsort` that also take `descending`, over what is there for them.

    Examples
    --------
    >>> import lazytensor as np
    >>> np.sort(np.asarray([2, 1, 3]), descending=True)
    array([3, 2, 1])
    """
    return {name: _descending(name, own.get(name) or fallback(getattr(np, name), name), reverse)
            for name, reverse in (("sort", _sorted_down), ("argsort", _order_down))}


def frequencies() -> dict[str, Callable[..., Any]]:
    """`fftfreq` and `rfftfreq` that also take `dtype`; by name, for `lazytensor.fft`."""
    return {fn.__name__: _with_dtype(fn) for fn in (np.fft.fftfreq, np.fft.rfftfreq)}


def _with_dtype(real: Callable[..., Any]) -> Callable[..., Any]:
    plain = fallback(real, real.__name__)

    @unseen
    @functools.wraps(real)
    def function(*args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        return result if dtype is None else result.astype(dtype)
    function.__module__ = f"{_PACKAGE}.fft"
    function.plain = plain
    return function
