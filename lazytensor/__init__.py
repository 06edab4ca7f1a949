"""NumPy, lazily: the same program and the same results, computed when they are needed.

    import lazytensor as np          # the only line that changes

Every public name of NumPy is here. Besides them: `config` (the settings), `realize` (computes arrays now), `trim`
(gives kept memory back), `explain` (what was run, and why), `dag` (what is pending, as a NetworkX graph), `verify` (a
result checked against NumPy), `coverage` (how each function runs), and `Tensor`, another name of `ndarray`.
``__version__`` is NumPy's, because programs ask it what they can use.
"""

from __future__ import annotations

from typing import Any

import numpy as _numpy
from numpy import __all__ as _public
from numpy import __array_api_version__ as __array_api_version__
from numpy import __version__ as __version__

from . import errors as errors
from .api import border as _border
from .api import namespace as _namespace
from .api.fallback import realize_values as _realize_values
from .api.handle import Tensor as Tensor
from .api.scalar import Scalar
from .config import config as config
from .hot import native as _native
from .release import VERSION
from .run.pool import trim as trim

_namespace.prepare()
_namespace.install()
_border.install()
if _native is not None:
    _native.fill_slots()
lazytensor_version = VERSION
__all__ = list(_public)


def realize(*values: Any) -> None:
    """Computes arrays and lazy scalars now, together: work that they share is done once.

    Examples
    --------
    >>> import lazytensor as np
    >>> x = np.arange(4.0)
    >>> low, high = x.min(), x.max()
    >>> np.realize(low, high)
    """
    _realize_values(values)


def _explain(self: Any, *, kernels: bool = False) -> str:
    """What computing this array would run: see `lazytensor.explain`."""
    return str(__getattr__("explain")(self, kernels=kernels))


Tensor.explain = Scalar.explain = _explain  # type: ignore[attr-defined]
_ROOMS = {"explain": "lazytensor.see.explain", "dag": "lazytensor.see.pending", "verify": "lazytensor.see.verify",
          "coverage": "lazytensor.see.coverage", "jit": "lazytensor.hybrid.jit",
          **dict.fromkeys(("cond", "fori_loop", "map", "range", "scan", "while_loop"), "lazytensor.hybrid.loops"),
          "debug": "lazytensor.hybrid", "nn": "lazytensor"}

_MODULES = ("debug", "nn")


def __getattr__(name: str) -> Any:
    """NumPy's names, submodules and what they hold, when they are first used; NumPy's answer for names that it has
    removed."""
    if name in _namespace.PUBLIC:
        return globals().setdefault(name, _namespace.ours(getattr(_numpy, name), name))
    if name in _ROOMS:
        import importlib

        return importlib.import_module(f"{_ROOMS[name]}.{name}") if name in _MODULES else getattr(
            importlib.import_module(_ROOMS[name]), name)
    return _namespace.missing(name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if not name.startswith("_")), *_ROOMS})

