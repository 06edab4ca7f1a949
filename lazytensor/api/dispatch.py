"""Which namespace of the array API standard SciPy and scikit-learn take for Tensors that come with NumPy's arrays: ours.

They ask `array_api_compat`, of which each has a copy of its own, and which refuses arrays of two libraries. To a program
all of them are NumPy's: a filter that SciPy has designed is an ndarray, `x[0]` a `numpy.float64`.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from .handle import Tensor
from .scalar import Scalar

HELPERS = "array_api_compat.common._helpers"
"""The end of the name of the module that has `array_namespace`."""


def _is_ours(x: Any) -> bool:
    return type(x) is Tensor or issubclass(type(x), Scalar)


def prefer_ours(name: str) -> None:
    """Puts in place of a module's `array_namespace`, wherever it is known, one that looks past NumPy's own arrays if there
    are Tensors too."""
    real: Any = getattr(sys.modules[name], "array_namespace", None)
    if real is None or hasattr(real, "__wrapped__"):
        return

    @functools.wraps(real)
    def array_namespace(*xs: Any, **options: Any) -> Any:
        if any(map(_is_ours, xs)):
            xs = tuple([x for x in xs if not issubclass(type(x), (np.ndarray, np.generic))])
        return real(*xs, **options)

    for module in list(sys.modules.values()):
        known = getattr(module, "__dict__", {})
        for key in [key for key, value in list(known.items()) if value is real]:
            known[key] = array_namespace
