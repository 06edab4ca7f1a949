"""The same programs in the idiom of each peer, a module each, which imports it.

Each has VERSION, FORMS (a function of the inputs for each workload that the peer can do), `take` (an input in the
peer's own kind of array), `made` (from a form a callable, compiled where the peer compiles), `finish` (waits for a
result) and `host` (a result as a NumPy array).
"""

from __future__ import annotations

import importlib
from typing import Any

NAMES = {"numexpr": "in_numexpr", "Numba": "in_numba", "JAX": "in_jax", "torch.compile": "in_torch"}


def found() -> tuple[dict[str, Any], dict[str, str]]:
    """The peers that can be imported here, and of the others why not."""
    peers, missing = {}, {}
    for name, module in NAMES.items():
        try:
            peers[name] = importlib.import_module(f"{__name__}.{module}")
        except Exception as error:  # absent, or unfit for the other versions here
            missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return peers, missing
