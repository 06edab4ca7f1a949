"""The array API namespace that SciPy and scikit-learn take for Tensors that come with NumPy's arrays: ours.

They ask `array_api_compat`, of which each has a copy of its own, and which refuses arrays of two libraries. To a
program all are NumPy's: a filter that SciPy has designed is an ndarray, `x[0]` a `numpy.float64`.
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
    """Has a module of helpers look past NumPy's own arrays where there are Tensors too, and know that lazy scalars
    cannot be written to; wherever its functions are known already."""
    module = sys.modules[name]
    for function, replaced in (("array_namespace", _namespace_of), ("is_writeable_array", _writeable)):
        real: Any = getattr(module, function, None)
        if real is None or hasattr(real, "__wrapped__"):
            continue
        own = functools.wraps(real)(functools.partial(replaced, real))
        for known in [vars(holder) for holder in list(sys.modules.values()) if hasattr(holder, "__dict__")]:
            for key in [key for key, value in list(known.items()) if value is real]:
                known[key] = own


def _namespace_of(real: Any, *xs: Any, **options: Any) -> Any:
    if any(map(_is_ours, xs)):
        xs = tuple([x for x in xs if not issubclass(type(x), (np.ndarray, np.generic))])
    return real(*xs, **options)


def _writeable(real: Any, x: Any) -> bool:
    return not issubclass(type(x), Scalar) and bool(real(x))
