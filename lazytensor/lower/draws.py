"""Random values to compare loops on, without numpy.random: its import takes 10 ms, in each process that has kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]


class Draws:
    """A stream of random numbers: SplitMix64 (Steele, Lea and Flood 2014), many at a time.

    >>> Draws(1).integers(-3, 3, 5).tolist() == Draws(1).integers(-3, 3, 5).tolist()
    True
    """

    def __init__(self, seed: int) -> None:
        self.drawn = seed % (1 << 23) << 40

    def bits(self, n: int) -> _Array:
        """All of 64 bits."""
        z = (np.arange(n, dtype=np.uint64) + np.uint64(self.drawn + 1)) * np.uint64(0x9E3779B97F4A7C15)
        self.drawn += n
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z ^= z >> np.uint64(shift)
            z *= np.uint64(factor)
        return z ^ (z >> np.uint64(31))

    def patterns(self, char: str, n: int) -> _Array:
        """Any bits, as floats."""
        return self.bits(n).view(char)[:n].copy()

    def uniform(self, low: float, high: float, n: int) -> _Array:
        """In [low, high), as float64."""
        return low + (self.bits(n) >> np.uint64(11)) * ((high - low) * 2.0**-53)

    def integers(self, low: int, high: int, n: int) -> _Array:
        """In [low, high), as int64."""
        return low + (self.bits(n) % np.uint64(high - low)).astype(np.int64)

    def signed(self, x: _Array) -> _Array:
        """Every other one, by chance, with the other sign."""
        return np.where(self.bits(len(x)) & np.uint64(1), x, -x)

    def sizes(self, low: float, high: float, n: int, char: str = "d") -> _Array:
        """Of either sign, with exponents in that range."""
        return self.signed(np.exp2(self.uniform(low, high, n))).astype(char)
