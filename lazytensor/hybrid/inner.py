"""What loops of NumPy's calls into memory run instead of the calls: the ufuncs' inner loops (`_inner.c`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import errstate
from ..run import floating
from .fast import native
from .running import Abandon, is_abandoning

_QUIET, _EXACT = 1, 2
_OF_SOME_STRIDES = (np.negative,)
"""Whose loops NumPy may call with other strides than a row's: ``np.negative(x[::4], y[::2])`` of float32 is wrong in
NumPy 2.4."""


def loop_of(ufunc: Any, operands: tuple[Any, ...]) -> Any:
    """NumPy's loop for operands of these dtypes, the output's last; `int` and `float` stand for Python's numbers.

    Returns
    -------
    tuple or None
        The addresses of loop, context and auxdata; whether it leaves no floating-point flags (1) and whether it is
        exact over any rows (2), as bits; and the dtypes of the operands. None if NumPy would cast an array, or the
        loop's bits are certain neither over any rows nor over whole contiguous arrays.
    """
    from ..lower import fidelity, loops  # not before a loop asks: fidelity takes long to import

    try:
        dtypes = ufunc.resolve_dtypes(operands)
    except TypeError:
        return None
    if any(isinstance(given, np.dtype) and given != own for given, own in zip(operands, dtypes, strict=True)):
        return None
    exact = fidelity.certified(ufunc, dtypes) and ufunc not in _OF_SOME_STRIDES
    if not exact and not fidelity.certified(ufunc, dtypes, in_place=False):
        return None
    loop = loops.strided_loop(ufunc, dtypes)
    assert loop is not None
    return loop.loop, loop.context, loop.auxdata, _QUIET * loop.no_float_errors | _EXACT * exact, dtypes


def mask_of(capsule: Any) -> int:
    """The flags that are to end a call under an error state; -1 if this is none that leaves calls to the Python."""
    return floating.mask(capsule) if is_abandoning(capsule) else -1


if native is not None:
    native.setup_inner(np.ufunc, np.copyto, loop_of, mask_of, errstate.variable, Abandon)
