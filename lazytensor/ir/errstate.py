"""NumPy's floating-point error state: a context variable whose value is an opaque capsule.

`numpy.errstate` can be interrupted between its `set` and the block that puts it back; then the state of the user's
program is lost. What runs under another state here goes through `under`, which puts back what it found: between two
instructions of Python that call nothing, no interrupt comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    from numpy._core import umath as _umath

    variable = _umath._extobj_contextvar
    in_force: Callable[[], Any] = variable.get
    enter: Callable[[Any], Any] = variable.set
    leave: Callable[[Any], None] = variable.reset
    modes_in_force = _umath._get_extobj_dict
    capsule_of = _umath._make_extobj
except (ImportError, AttributeError) as missing:  # pragma: no cover
    raise ImportError(f"lazytensor needs NumPy's error state as NumPy 2.0 to 2.4 have it ({missing}); "
                      f"this is NumPy {np.__version__}") from missing

SILENT = capsule_of(all="ignore")


def under(capsule: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function gives under an error state."""
    before = in_force()
    try:
        enter(capsule)
        result = fn(*args, **kwargs)
    finally:
        enter(before)
    return result


def silently(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function gives where floating-point errors are ignored."""
    return under(SILENT, fn, *args, **kwargs)
