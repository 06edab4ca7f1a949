"""Streams of random numbers: where they are, whether they are there still, and putting them back there."""

from __future__ import annotations

import _random
import copy
import ctypes
import functools
import random
import sys
from typing import Any

import numpy as np

_PACKAGE = __name__.partition(".")[0]
_WORDS = 4 * (624 + 1)
"""The bytes of MT19937's state."""


def states_of(generators: list[Any]) -> list[Any]:
    """Where the streams of random numbers are."""
    return [_state(g.bit_generator) if isinstance(g, np.random.Generator) else g.get_state(legacy=False)
            for g in generators]


def _state(bits: Any) -> Any:
    state, kind = bits.state, bits.__class__
    return state if _is_anew(kind) else copy.deepcopy(state)


@functools.cache
def _is_anew(kind: type) -> bool:
    """Whether a bit generator's state is NumPy's, which makes new dicts and arrays of it each time."""
    owner = next(c for c in kind.__mro__ if "state" in vars(c))
    return owner.__module__.startswith(("numpy.random.", f"{_PACKAGE}.random"))


def put_back(generators: list[Any], states: list[Any], answer: Any = None) -> Any:
    """Puts streams back, and gives the answer."""
    for g, state in zip(generators, states, strict=True):
        if isinstance(g, np.random.Generator):
            g.bit_generator.state = state
        else:
            g.set_state(state)
    return answer


def mark_of(generator: Any) -> Any:
    """What is the same (`same_state`) while nothing is drawn of a stream.

    Of MT19937 it is the words where they lie, and of the RandomState what it has besides (half of a pair of normal
    numbers): to make Python's numbers of them takes 70 us.
    """
    bits = getattr(generator, "_bit_generator", None)
    if type(generator) is np.random.RandomState and type(bits) is np.random.MT19937:
        return bits, ctypes.string_at(bits.ctypes.state_address, _WORDS), _inside(generator, np.random.RandomState)
    return states_of([generator])[0]


def of_python() -> Any:
    """The same of Python's own stream."""
    own: Any = random._inst
    return own, _inside(own, _random.Random), own.gauss_next


def _inside(value: Any, kind: type) -> bytes:
    """What an object of a class written in C has besides its count and its class."""
    head = object.__basicsize__
    return ctypes.string_at(id(value) + head, kind.__basicsize__ - head)


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
