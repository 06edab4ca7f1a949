"""NumPy's classes of polynomials and other series, whose values at pending points are pending."""

from __future__ import annotations

import functools
from typing import Any

from numpy.polynomial import polyutils

from .fallback import fallback
from .handle import Tensor
from .laziness import LAZY, How, documented
from .scalar import Scalar

_mapdomain = fallback(polyutils.mapdomain, "mapdomain")


@functools.cache
def series(real: Any) -> type:
    """What stands for one of the classes of `numpy.polynomial`: one that evaluates lazily."""
    evaluate = fallback(real._val, real._val.__name__)

    def __call__(self: Any, arg: Any) -> Any:
        """The values at points; see NumPy's."""
        if type(arg) is not Tensor and not issubclass(type(arg), Scalar):
            return real.__call__(self, arg)
        return evaluate(_mapdomain(arg, self.domain, self.window), self.coef)  # as NumPy composes it

    return type(real.__name__, (real,), {
        "__call__": __call__, "__doc__": documented(real.__doc__, How(LAZY)), "__module__": "lazytensor.polynomial",
        "__qualname__": real.__name__})
