"""Streams of random numbers: where they are, whether they are there still, and putting them back there."""

from __future__ import annotations

import _random
import copy
import ctypes
import functools
import random
import struct
import sys
from typing import Any, NamedTuple

import numpy as np

_PACKAGE = __name__.partition(".")[0]
_WORDS = 4 * (624 + 1)
"""The bytes of MT19937's state."""


def states_of(generators: list[Any]) -> list[Any]:
    """Where the streams of random numbers are."""
    return [_state(g.bit_generator) if isinstance(g, np.random.Generator) else _old_state(g) for g in generators]


class _Words(NamedTuple):
    """The state of a RandomState over MT19937: its words as they lie in memory, and half of a pair of normals."""

    words: bytes
    pair: bytes

    @property
    def whole(self) -> dict[str, Any]:
        """The same as `set_state` takes it."""
        key, pos = np.frombuffer(self.words, np.uint32)[:-1], int(np.frombuffer(self.words, np.int32)[-1])
        has, _, gauss = _PAIR.unpack(self.pair)
        return {"bit_generator": "MT19937", "state": {"key": key, "pos": pos}, "has_gauss": has, "gauss": gauss}


_PAIR = struct.Struct("=iid")
"""Whether there is half of a pair, nothing, and the number."""


def _old_state(generator: Any) -> Any:
    """The state of a RandomState. To make Python's numbers of the words takes 50 us."""
    kind, bits, place = type(generator), generator._bit_generator, _place_of_pair()
    if place is None or type(bits) is not np.random.MT19937 or kind.get_state is not _get_state or (
            kind.set_state is not _set_state):
        return generator.get_state(legacy=False)
    with bits.lock:  # another thread may draw
        return _Words(ctypes.string_at(bits.ctypes.state_address, _WORDS), ctypes.string_at(id(generator) + place, 16))


_get_state, _set_state = np.random.RandomState.get_state, np.random.RandomState.set_state


@functools.cache
def _place_of_pair() -> int | None:
    """Where a RandomState has the half of a pair, found by its value; None if it is not as it was in NumPy so far."""
    places: set[int] = set()
    for seed in range(3):
        own = np.random.RandomState(np.random.MT19937(seed))
        for _ in range(2):
            own.standard_normal()
            state: Any = own.get_state(legacy=False)
            inside, pair = _inside(own, np.random.RandomState), (state["has_gauss"], state["gauss"])
            met = [at for at in range(0, len(inside) - 15, 8) if _PAIR.unpack_from(inside, at)[::2] == pair]
            places = set(met) if not seed and pair[0] else places & set(met)
        if not np.array_equal(np.frombuffer(mark_of(own)[1], np.uint32)[:-1], state["state"]["key"]):
            return None
    return object.__basicsize__ + places.pop() if len(places) == 1 else None


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
            g.set_state(state.whole if type(state) is _Words else state)
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
