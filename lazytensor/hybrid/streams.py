"""Streams of random numbers: where they are, and putting them back there."""

from __future__ import annotations

import copy
import random
import sys
from typing import Any

import numpy as np


def states_of(generators: list[Any]) -> list[Any]:
    """Where the streams of random numbers are."""
    return [copy.deepcopy(g.bit_generator.state) if isinstance(g, np.random.Generator) else g.get_state(legacy=False)
            for g in generators]


def put_back(generators: list[Any], states: list[Any], answer: Any = None) -> Any:
    """Puts streams back, and gives the answer."""
    for g, state in zip(generators, states, strict=True):
        if isinstance(g, np.random.Generator):
            g.bit_generator.state = state
        else:
            g.set_state(state)
    return answer


def of_python() -> Any:
    """Where Python's own stream is."""
    return random.getstate()


def global_stream() -> Any:
    """NumPy's one global stream, if `numpy.random` is in use."""
    module = sys.modules.get("numpy.random.mtrand")
    return None if module is None else module._rand


def same_state(a: Any, b: Any) -> bool:
    """Whether two states of random streams are one."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_state(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same_state, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return bool(a == b)
