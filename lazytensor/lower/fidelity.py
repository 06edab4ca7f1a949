"""Which of NumPy's loops may be called on tiles, with the bits and the floating-point flags of NumPy's one whole call.

NumPy's vector loops are not functions of each element alone: other strides, overlap or a position in the remainder may
take another path, which rounds differently. The law here is for **contiguous** operands of equal length, or one of two
inputs with stride 0. The whole is cut at multiples of the tile (128, 256 or 512 elements), so the only remainder is the
whole's own. Each output is an input exactly, or at least 4 KB away from all of them. Then the loops in this table give
what ``ufunc(...)`` gives on contiguous arrays, with or without ``out=``. (`gaps` says for which loops that is what it
gives on others.)

The table says what was found so, by `certify`, on NumPy 2.4 and x86-64, with AVX-512, with AVX2 and with neither;
tests/test_fidelity.py finds it again for the NumPy and CPU that it runs on. NaN's own sign and payload are left out.

Flags: whoever strings loops together reads the flags before a loop that `clears_flags`. Long double arithmetic leaves
its flags in the x87 status word; MXCSR alone does not have them.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..ir.errstate import capsule_of, silently, under
from . import loops

NUMPY = frozenset("""
    absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_count bitwise_or bitwise_xor
    cbrt ceil clip conjugate copysign cos cosh deg2rad degrees divide divmod equal exp exp2 expm1 fabs float_power floor
    floor_divide fmax fmin fmod frexp gcd greater greater_equal heaviside hypot invert isfinite isinf isnan isnat lcm
    ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or
    logical_xor maximum minimum modf multiply negative nextafter not_equal positive power rad2deg radians reciprocal
    remainder right_shift rint sign signbit sin sinh spacing sqrt square subtract tan tanh trunc
""".split())
"""NumPy's ufuncs whose loops over bool, integer, floating, complex, datetime and timedelta elements are certified;
except power of signed integers, which may raise."""

SCIPY = frozenset("""
    beta betainc betaln binom boxcox boxcox1p cbrt chdtr cosdg cosm1 cotdg dawsn ellipe ellipk ellipkinc entr erf
    erfc erfcinv erfcx erfi erfinv exp1 exp10 exp2 expi expit expm1 exprel fdtr gamma gammainc gammaincc gammaln
    gammasgn gdtr huber i0 i0e i1 i1e inv_boxcox iv j0 j1 jv k0 k0e k1 k1e kl_div kn kv log1p log_expit log_ndtr
    loggamma logit nbdtr ndtr ndtri owens_t pdtr poch pseudo_huber psi radian rel_entr rgamma round sindg spence
    stdtr tandg voigt_profile wofz wrightomega xlog1py xlogy y0 y1
""".split())
"""SciPy's: their loops go element by element. Those whose time has no bound for some arguments are not here."""

EXACT = {
    "f": frozenset("""absolute add ceil conjugate copysign divide fabs floor multiply negative positive reciprocal rint
                      sign sqrt square subtract trunc""".split()),
    "c": frozenset("add conjugate negative positive subtract".split()),
    "mM": frozenset("absolute add negative positive sign subtract".split()),
}
"""By kind of operands, what is exact on every path. In place of an array of *one* element NumPy gives loops a stride of
0, and others take another path: complex multiply, power, cbrt (float16), fmax (zeros), divide of timedeltas (flags)."""

TILES = (128, 256, 512)
LENGTHS = (*range(1, 1101), 4095, 4096, 4097, 4351, 4352, 4353)
_X86 = platform.machine() in ("x86_64", "AMD64")
_Array = np.ndarray[Any, Any]
_Types = tuple[np.dtype[Any], ...]


def certified(ufunc: Any, dtypes: Sequence[Any], in_place: bool = True) -> bool:
    """Whether calls on tiles give the bits and flags of NumPy's call on whole contiguous arrays.

    Parameters
    ----------
    ufunc, dtypes
        As for `loops.strided_loop`.
    in_place
        Whether NumPy's call may be one in place of an array of a single element, where only exact loops are certain
        (`EXACT`). False if it has a fresh output, or more elements. A tile may be written in place in any case.
    """
    types = tuple(map(np.dtype, dtypes))
    if not _X86 or not _listed(ufunc, types) or (in_place and not _exact(ufunc, types)):
        return False
    loop = loops.strided_loop(ufunc, types)
    return loop is not None and not loop.needs_gil


def certified_scalar(ufunc: Any, dtypes: Sequence[Any], position: int, in_place: bool = True) -> bool:
    """`certified`, for a loop of two inputs where the one at `position` is a single element with stride 0, and so it is
    in NumPy's call (a scalar, or broadcast). A stride of 0 for what is an array of equal elements is not the same."""
    return bool(ufunc.nin == 2 and position in (0, 1) and certified(ufunc, dtypes, in_place))


def _listed(ufunc: Any, types: _Types) -> bool:
    name = getattr(ufunc, "__name__", "")
    if not isinstance(ufunc, np.ufunc) or ufunc.signature is not None or any(t.kind not in "biufcmM" for t in types):
        return False
    if getattr(np, name, None) is ufunc or (name == "clip" and getattr(_umath(), name, None) is ufunc):
        return name in NUMPY and not (name == "power" and types[-1].kind == "i")
    return name in SCIPY and getattr(sys.modules.get("scipy.special"), name, None) is ufunc


def _exact(ufunc: Any, types: _Types) -> bool:
    kinds = {t.kind for t in types}
    return kinds <= set("biu") or any(kinds <= {*which} and ufunc.__name__ in names for which, names in EXACT.items())


def _umath() -> Any:
    return getattr(getattr(np, "_core", None), "umath", None)


# ---- floating-point flags of this thread

_NAMES = {"divide by zero": "divide", "overflow": "over", "underflow": "under", "invalid value": "invalid"}
_BITS = dict(zip(("invalid", "divide", "over", "under"), (1, 4, 8, 16) if _X86 else (1, 2, 4, 8)))
_ALL = sum(_BITS.values())


@functools.cache
def _environment() -> Any:
    """The C library's fenv.h, called without letting go of the GIL."""
    return ctypes.PyDLL(None)


def clear() -> None:
    """Takes down the flags of this thread."""
    _environment().feclearexcept(_ALL)


def raised() -> int:
    """Those that are up, as bits of the C library's."""
    return int(_environment().fetestexcept(_ALL)) & _ALL


def raise_again(flags: int) -> None:
    """Puts up flags."""
    _environment().feraiseexcept(flags)


def flags_of(errors: Iterable[str]) -> int:
    """The flags behind the errors that NumPy reports by these names ("divide by zero" and so on)."""
    return sum(_BITS[_NAMES[error]] for error in set(errors))


_ABOVE, _BELOW = np.array([1, 0, 1e308, 1e-308]), np.array([0, 0, 1e-308, 1e308])


def _raise_all() -> None:
    """1/0, 0/0, and a quotient that is too large and one that is too small."""
    loop = loops.strided_loop(np.divide, "ddd")
    assert loop is not None
    loop.call([_ABOVE.ctypes.data, _BELOW.ctypes.data, np.empty(4).ctypes.data], [4], [8, 8, 8])


@functools.lru_cache(4096)
def _clears(ufunc: Any, types: _Types) -> bool:
    loop = loops.strided_loop(ufunc, types)
    if loop is None or loop.needs_gil or ufunc.signature is not None:
        return True
    return any(_lost(loop, [_ordinary(t, n) for t in types]) for n in (1, 3, 67))


def _ordinary(dtype: np.dtype[Any], n: int) -> _Array:
    """Values between 0 and 1, small integers, truth and times; made without importing numpy.random (10 ms)."""
    if dtype.kind in "fc":
        return np.linspace(0.05, 0.95, n).astype(dtype)
    numbers = np.arange(n) % (2 if dtype.kind == "b" else 21)
    return (numbers - 10 if dtype.kind in "imM" else numbers).astype(dtype)


def _lost(loop: loops.Loop, arrays: Sequence[_Array]) -> int:
    """The flags that were up before a call of a loop and are not after it."""
    _raise_all()
    loop.call([a.ctypes.data for a in arrays], [len(arrays[-1])], [a.itemsize if len(a) > 1 else 0 for a in arrays])
    return _ALL & ~raised()


def clears_flags(ufunc: Any, dtypes: Sequence[Any]) -> bool:
    """Whether a loop takes down floating-point flags that were up before it (comparisons do, and maximum, absolute,
    tanh and others). Found out by running it once; True for loops that cannot be run here."""
    return _clears(ufunc, tuple(map(np.dtype, dtypes)))


# ---- the comparison

def certify(ufunc: Any, dtypes: Sequence[Any], seed: int, lengths: Iterable[int] = LENGTHS, scalar: int | None = None,
            flavours: Sequence[str] = (), loop: loops.Loop | None = None) -> list[str]:
    """What goes wrong when a loop is called on tiles: compared, in bits and flags, with NumPy's call of the whole.

    Parameters
    ----------
    ufunc, dtypes
        As for `loops.strided_loop`.
    seed
        For values and addresses. Values are plain ones, special ones, any exponent, small integers and halves.
    lengths
        Of the arrays; a few of them are tried with all kinds of values, the others with one.
    scalar
        Position of an operand of one element, with stride 0.
    flavours
        Some of `FLAVOURS`, to leave the others out.
    loop
        Another loop to be compared with NumPy's call than NumPy's own.

    Returns
    -------
    list of str
        A line for each difference, up to some 20; empty if there is none.
    """
    types = tuple(map(np.dtype, dtypes))
    loop = loop or loops.strided_loop(ufunc, types)
    if loop is None or loop.needs_gil or ufunc.signature is not None:
        return ["no loop over single elements that can be called without the GIL"]
    rng, choice = np.random.default_rng(seed), tuple(flavours) or FLAVOURS
    wrong: list[str] = []
    for n in lengths:
        for flavour in choice if n in (1, 2, 19, 300, 513) else (str(rng.choice(choice)),):
            case = _Case(ufunc, types, loop, n, flavour, scalar, rng)
            try:
                wrong += case.differences()
            except Exception as error:
                wrong.append(f"{case} raised {type(error).__name__}: {error}")
        if len(wrong) > 20:
            break
    return wrong


class _Case:
    """One comparison: inputs, and what NumPy makes of them."""

    def __init__(self, ufunc: Any, types: _Types, loop: loops.Loop, n: int, flavour: str, scalar: int | None,
                 rng: np.random.Generator) -> None:
        self.ufunc, self.types, self.loop, self.n, self.flavour, self.scalar = ufunc, types, loop, n, flavour, scalar
        self.rng = rng
        self.inputs = [_placed(_values(t, 1 if k == scalar else n, flavour, rng), rng)
                       for k, t in enumerate(types[:ufunc.nin])]

    def __str__(self) -> str:
        of = "" if self.scalar is None else f", input {self.scalar} a scalar"
        return f"n={self.n}, {self.flavour}{of}:"

    def differences(self) -> Iterator[str]:
        wanted, flags = self.numpy(self.inputs, None)
        for tile in TILES:
            yield from self.compare(f"tiles of {tile}", *self.tiled(self.inputs, self.fresh(), tile), wanted, flags)
        if not clears_flags(self.ufunc, self.types) and _lost(self.loop, [*self.inputs, *self.fresh()]):
            yield f"{self} clears flags"
        for out, k in itertools.product(range(self.ufunc.nout), range(self.ufunc.nin)):
            if self.types[k] != self.types[self.ufunc.nin + out] or k == self.scalar:
                continue
            inputs, outputs = self.in_place(k, out)
            yield from self.compare(f"tiles, output {out} in place of input {k}",
                                    *self.tiled(inputs, outputs, TILES[0]), wanted, flags)
            if self.n > 1 or _exact(self.ufunc, self.types):
                inputs, outputs = self.in_place(k, out)
                yield from self.compare(f"NumPy, output {out} in place of input {k}",
                                        *self.numpy(inputs, outputs), wanted, flags)

    def fresh(self) -> list[_Array]:
        return [_placed(np.zeros(self.n, t), self.rng) for t in self.types[self.ufunc.nin:]]

    def in_place(self, k: int, out: int) -> tuple[list[_Array], list[_Array]]:
        inputs, outputs = list(self.inputs), self.fresh()
        inputs[k] = outputs[out] = _placed(inputs[k], self.rng)
        return inputs, outputs

    def numpy(self, inputs: list[_Array], outputs: list[_Array] | None) -> tuple[list[_Array], set[str]]:
        """What NumPy's call gives, and the errors that it reports."""
        seen: set[str] = set()
        operands = [a.reshape(()) if k == self.scalar else a for k, a in enumerate(inputs)]
        options: dict[str, Any] = {} if outputs is None else {"out": tuple(outputs)}
        if not any(t.kind in "mM" for t in self.types):  # these are found by their operands; a signature has no units
            options["signature"] = self.types
        noting = capsule_of(all="call", call=lambda error, _flags: seen.add(_NAMES[error]))
        made = under(noting, self.ufunc, *operands, **options)
        return list(made) if self.ufunc.nout > 1 else [made], seen

    def tiled(self, inputs: list[_Array], outputs: list[_Array], tile: int) -> tuple[list[_Array], set[str]]:
        """What calls on tiles give, and the flags that they leave."""
        bases = [a.ctypes.data for a in (*inputs, *outputs)]
        strides = [0 if k == self.scalar else t.itemsize for k, t in enumerate(self.types)]
        left = 0
        for start in range(0, self.n, tile):
            clear()
            self.loop.call([base + start * stride for base, stride in zip(bases, strides)],
                           [min(tile, self.n - start)], strides)
            left |= raised()
        return outputs, {name for name, bit in _BITS.items() if left & bit}

    def compare(self, what: str, got: list[_Array], left: set[str], wanted: list[_Array],
                flags: set[str]) -> Iterator[str]:
        for a, b in zip(got, wanted):
            k = first_difference(a, b)
            if k is not None:
                of = ", ".join(repr(x[k if len(x) > 1 else 0]) for x in self.inputs)
                yield f"{self} {what}: [{k}] of {of} is {a[k]!r} instead of {b[k]!r}"
        if left != flags:
            yield f"{self} {what}: flags {sorted(left)} instead of {sorted(flags)}"


def first_difference(a: _Array, b: _Array) -> int | None:
    """Where two arrays first differ in bits, NaN's own sign and payload aside; None if nowhere."""
    if a.dtype.kind == "c":
        where = first_difference(a.view(a.real.dtype), b.view(b.real.dtype))
        return where if where is None else where // 2
    if a.dtype.kind == "f":
        same = ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
    else:
        same = a.view(np.uint8).reshape(len(a), -1) == b.view(np.uint8).reshape(len(b), -1)
        same = same.all(axis=1)
    return None if same.all() else int(same.argmin())


def _placed(values: _Array, rng: np.random.Generator) -> _Array:
    """A copy at some multiple of its item size beyond a cache line, 4 KB away from any other."""
    size = values.dtype.itemsize
    raw = np.empty(values.nbytes + 8192 + 64 * size, np.uint8)
    start = -raw.ctypes.data % 64 + 4096 + int(rng.integers(64)) * size
    placed: _Array = raw[start:start + values.nbytes].view(values.dtype)
    placed[...] = values
    return placed


FLAVOURS = ("plain", "special", "wide", "integral", "small", "few")


def _values(dtype: np.dtype[Any], n: int, flavour: str, rng: np.random.Generator) -> _Array:
    """Values of one kind: in (0, 1); special ones among any exponents; any exponents; halves; (-4, 4); the exponents of
    which power makes exceptions."""
    if dtype.kind == "c":
        parts = np.empty(2 * n, dtype.char.lower())
        parts[::2], parts[1::2] = (_values(parts.dtype, n, flavour, rng) for _ in range(2))
        return parts.view(dtype)
    if dtype.kind == "f":
        return silently(_floats, dtype, n, flavour, rng)
    if dtype.kind == "b":
        return rng.integers(0, 2, n).astype(bool)
    if dtype.kind in "mM":
        times = rng.integers(-10**6, 10**6, n)
        if flavour == "special":
            times[rng.random(n) < 0.2] = np.iinfo(np.int64).min  # not a time
        return times.view(dtype)
    info = np.iinfo(dtype)
    if flavour not in ("special", "wide"):
        return rng.integers(max(info.min, -10), 11, n).astype(dtype)
    whole = rng.integers(info.min, info.max, n, dtype=dtype.type, endpoint=True)
    if flavour == "special":
        ends = np.array([info.min, info.min + 1, 0, 1, info.max - 1, info.max], dtype)
        whole = np.where(rng.random(n) < 0.5, rng.choice(ends, n), whole)
    return whole


def _floats(dtype: np.dtype[Any], n: int, flavour: str, rng: np.random.Generator) -> _Array:
    if flavour == "plain":
        return rng.uniform(0.05, 0.95, n).astype(dtype)
    if flavour == "small":
        return rng.uniform(-4, 4, n).astype(dtype)
    if flavour == "integral":
        return (rng.integers(-20, 21, n) / 2).astype(dtype)
    if flavour == "few":
        return rng.choice([2, 0.5, -1, 0, 1, 3, -2, -0.5, 1 / 3], n).astype(dtype)
    info = np.finfo(dtype)
    exponents = rng.uniform(info.minexp - info.nmant, info.maxexp, n).astype(np.longdouble)
    any_size: _Array = (np.exp2(exponents) * rng.choice([-1, 1], n)).astype(dtype)
    if flavour == "special":
        tiny, least, one = info.tiny, info.smallest_subnormal, dtype.type(1)
        special = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, least, -least, tiny, -tiny, tiny - least,
                            info.max, info.min, one, -one, 0.5, -0.5, 2, -2, 3, one + info.eps, one - info.epsneg],
                           dtype)
        any_size = np.where(rng.random(n) < 0.4, rng.choice(special, n), any_size)
    return any_size
