"""Random numbers: NumPy's own generators, whose draws are Tensors. A draw runs when it is written, so streams are
NumPy's.

The functions of `lazytensor.random` (`normal`, `seed`, ...) are those of NumPy's one global stream: seeding either
module seeds both.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import random as real
from numpy.random import _pickle

from ..run.watching import active
from .direct import drawer
from .fallback import WARNING, applied, are_plain, fallback
from .handle import Tensor, export, peek, signature_of, unwrapped, wrap
from .laziness import WRITTEN, How, documented

DRAWS = How(WRITTEN, "random")


class _Kind(type):
    """`isinstance` holds for NumPy's own generators too, as `isinstance(ndarray, lazytensor.ndarray)` does."""

    @property
    def __signature__(cls) -> Any:
        """What `inspect.signature` gives: NumPy's."""
        if cls not in _KINDS:
            raise AttributeError("__signature__")
        return signature_of(cls.__mro__[1])

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.__mro__[1]) if cls in _KINDS else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__mro__[1]) if cls in _KINDS else super().__subclasscheck__(subclass)


_KINDS: set[type] = set()


class Generator(real.Generator, metaclass=_Kind):
    __doc__ = documented(real.Generator.__doc__, DRAWS)

    def __reduce__(self) -> Any:
        return generator_of, (self.bit_generator,), None


class RandomState(real.RandomState, metaclass=_Kind):
    __doc__ = documented(real.RandomState.__doc__, DRAWS)

    def __reduce__(self) -> Any:
        return random_state_of, (self._bit_generator,), self.get_state(legacy=False)


def generator_of(bit_generator: Any = "MT19937") -> Generator:
    """What unpickling a Generator calls; a bit generator may be given by name."""
    return Generator(_pickle.__generator_ctor(bit_generator).bit_generator)


def random_state_of(bit_generator: Any = "MT19937") -> RandomState:
    """What unpickling a RandomState calls."""
    return RandomState(_pickle.__randomstate_ctor(bit_generator)._bit_generator)


class _DrawingNow(threading.local):
    """Of which generator a method is running in this thread."""

    generator: Any = None


_drawing_now = _DrawingNow()


def _drawing(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A method that draws: Tensors for arguments and for the result; `out` is written."""
    function = fallback(fn, name)
    quick = name not in WARNING

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = _drawing_now.generator
        if outer is self:  # NumPy's own method asks, as `choice` does for integers
            return fn(self, *args, **kwargs)
        _drawing_now.generator = self
        try:
            if quick and not active and (not args or are_plain(args)) and (not kwargs or are_plain(kwargs.values())):
                return wrap(fn(self, *args, **kwargs))  # an array or a number, and nothing was lent
            return function(self, *args, **kwargs)
        finally:
            _drawing_now.generator = outer
    method = functools.wraps(fn)(method)
    method.__doc__ = documented(fn.__doc__, DRAWS)
    return method


_PLACES = {"random": 3, "standard_normal": 3, "standard_exponential": 4, "standard_gamma": 4}
"""How many arguments of a generator's methods are before `out`, the generator with them."""


def _shuffling(fn: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function that reorders its argument number `place`: a Tensor, or a list, which may hold Tensors."""
    @functools.wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Any:
        given = kwargs["x"] if "x" in kwargs else args[place] if len(args) > place else None
        if type(given) is Tensor:
            return applied(fn, args, kwargs, export)
        own = {k: v if k == "x" else applied(_same, (v,), {}, peek) for k, v in kwargs.items()}
        return fn(*args, **own)
    function.__doc__ = documented(fn.__doc__, DRAWS)
    return function


def _same(value: Any) -> Any:
    return value


def _attach() -> None:
    for kind in (Generator, RandomState):
        base = kind.__base__
        _KINDS.add(kind)
        for name in dir(base):
            fn = getattr(base, name)
            if name.startswith("_") or not callable(fn) or name in ("spawn", "seed", "get_state", "set_state", "bytes"):
                continue
            method = _shuffling(fn, 1) if name == "shuffle" else _drawing(fn, name)
            method.__module__ = kind.__module__
            if name != "shuffle":
                method = drawer(method, fn, _PLACES.get(name, 8))
            setattr(kind, name, method)
        kind.__module__ = "lazytensor.random"


_attach()


def _seeded(base: Any) -> type:
    """One of NumPy's bit generators, or its SeedSequence, that takes Tensors and lazy scalars for seeds and keys."""
    def method(name: str) -> Callable[..., Any]:
        fn = getattr(base, name)

        @functools.wraps(fn)
        def seeded(self: Any, *args: Any, **kwargs: Any) -> Any:
            return applied(fn, (self, *args), kwargs, export)
        return seeded

    def generate_state(self: Any, n_words: Any, dtype: Any = np.uint32) -> Any:
        """See `numpy.random.SeedSequence.generate_state`; NumPy's bit generators, who ask too, need a real array."""
        return base.generate_state(self, unwrapped(n_words), dtype)

    scope: dict[str, Any] = {
        "__doc__": documented(base.__doc__, DRAWS), "__module__": "lazytensor.random", "__init__": method("__init__")}
    if issubclass(base, real.BitGenerator):
        state: Any = base.state
        scope["state"] = property(state.__get__, lambda self, value: applied(state.__set__, (self, value), {}, peek))
    scope |= {name: method(name) for name in ("advance", "jumped", "random_raw", "spawn") if hasattr(base, name)}
    if hasattr(base, "generate_state"):
        scope["generate_state"] = generate_state
    kind = _Kind(base.__name__, (base,), scope)
    _KINDS.add(kind)
    return kind


SEEDED: dict[str, Any] = {name: _seeded(getattr(real, name)) for name in (
    "MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64", "SeedSequence")}


def _random_state_init(self: Any, seed: Any = None) -> None:
    applied(real.RandomState.__init__, (self, seed), {}, peek)


RandomState.__init__ = _random_state_init  # type: ignore[method-assign]


@functools.wraps(real.default_rng)
def default_rng(seed: Any = None) -> Any:
    """See `numpy.random.default_rng`; a generator is given back as it is, as there."""
    if isinstance(seed, real.Generator):
        return seed
    if isinstance(seed, real.BitGenerator):
        return Generator(seed)
    return Generator(seed._bit_generator if isinstance(seed, real.RandomState) else SEEDED["PCG64"](seed))


default_rng.__module__ = "lazytensor.random"
default_rng.__doc__ = documented(real.default_rng.__doc__, DRAWS)

RANDOM: dict[str, Any] = {"Generator": Generator, "RandomState": RandomState, "default_rng": default_rng, **SEEDED,
                          "shuffle": _shuffling(real.shuffle, 0)}
"""What this file has in place of NumPy's names, by name."""
