"""The hot path in C, an optional extension: node creation, capture and the run of a plan that is one kernel.

Its Python twins (`ir.capture`, `compile`, `api.operators`) are the reference. `native` is the extension, or None where
it was not built or ``LAZYTENSOR_HOT=0`` leaves it out. `learn` hands it the classes and objects that it works on.
"""

from __future__ import annotations

import os
from typing import Any

native: Any = None
why_not = "LAZYTENSOR_HOT=0 leaves it out"
"""Why `native` is None."""
if os.environ.get("LAZYTENSOR_HOT") != "0":
    try:
        from . import _hot as native  # type: ignore[attr-defined, no-redef]
    except ImportError as error:
        native, why_not = None, f"it was not built, or does not load here: {error}"


def called(of: type, name: str) -> None:
    """Has CPython's errors call a class by a full name, as classes in C are, if there is an extension."""
    if hasattr(native, "called"):
        native.called(of, name)


def learn(**things: Any) -> None:
    """Hands classes and objects to the extension, if there is one."""
    if native is not None:
        native.learn(**things)
