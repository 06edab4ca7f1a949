"""NumPy's loops over complex elements as vectors: their sizes, and quotients. As in `lower.lanes`, a vector with an
element that the function is not for is left to the other loop.

The size of x + iy is NumPy's: larger * sqrt(1 + ratio**2), the sum fused, with ratio = smaller / larger. A vector's
division and its root both wait for the divider; so the ratio is a product here: y3, the reciprocal of the larger,
begins with 14 bits and is doubled by e = 1 - larger*y, y + e*y, to one that is correctly rounded (unless all bits of
the significand are set), and smaller*y3 is corrected twice, as in `lower.division`. Where the ratio is below 2**-27 its
square is lost, and any small number does in its place.

A quotient is R. Smith's (Algorithm 116, 1962), with NumPy's own operations: of both ways of it only operands are
chosen, so no flag is raised that NumPy does not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..ir.errstate import silently
from . import native
from .draws import Draws
from .inline import Code, element, vector
from .lanes import Lanes, element_at, fits_strides, left_to_other, operand_at, rescued, stride_of, whole_vectors
from .pairs import parts, real_of, zipped

_Array = np.ndarray[Any, Any]
_Parts = tuple[str, str]


class PairFunction(NamedTuple):
    """A function on vectors of complex elements: text of where it is not to be used, text of its value where it is.

    Both take the operands' real and imaginary parts, as vectors of `lanes.Lanes`. The value is a pair of parts, or one
    vector of reals; then the loop takes down the floating-point flags, as NumPy's does. `needs` is what the CPU must
    have.
    """

    char: str
    operands: int
    outside: Callable[..., str]
    value: Callable[..., Any]
    real: bool = False
    needs: frozenset[str] = frozenset()

    def dtypes(self) -> str:
        """The characters of operands and result."""
        return self.char * self.operands + (real_of(self.char) if self.real else self.char)


def loop_text(function: PairFunction) -> str:
    """A module with `loop`, which has the signature of NumPy's inner loops, and imports the `other` loop."""
    code, n = Code(), function.operands
    v = Lanes(code, real_of(function.char))
    pointers = [operand_at(v, k) for k in range(n + 1)]
    count = code.let("load i64, ptr %dimensions")
    size, out = 2 * v.size_of, v.size_of if function.real else 2 * v.size_of
    known = fits_strides(v, [size] * n, out)
    fits = code.let(f"and i1 {known}, {code.let(f'icmp sge i64 {count}, {v.lanes}')}")
    others, vectors = code.fresh("others"), code.fresh("vectors")
    code.add(f"br i1 {fits}, label %{vectors}, label %{others}")
    code.label(others)
    code.add(f"ret i32 {left_to_other(v, '%data', '%dimensions', '%strides')}")
    code.label(vectors)
    steps = [*([str(size)] if n == 1 else [stride_of(v, k) for k in range(n)]), str(out)]
    bases = pointers if n == 1 else [
        *[_repeated(v, function.char, p, s) for p, s in zip(pointers[:-1], steps[:-1], strict=True)], pointers[-1]]
    whole = code.let(f"and i64 {count}, -{v.lanes}")
    whole_vectors(v, n, bases, steps, whole)
    left = code.let(f"sub i64 {count}, {whole}")
    code.when(code.let(f"icmp ne i64 {left}, 0"), lambda: rescued(v, bases, steps, whole, left))
    if function.real:
        _clear(code)
    code.add("ret i32 0")
    code.declare("declare i32 @other(ptr, ptr, ptr, ptr, ptr)")
    loop = code.function("i32 @loop(ptr %context, ptr %data, ptr %dimensions, ptr %strides, ptr %auxdata)")
    inner, declared = _blocks(function)
    return "\n".join({**code.declared, **declared}) + "\n" + inner + loop


def _repeated(v: Lanes, char: str, pointer: str, step: str) -> str:
    """Where an operand's elements are: with stride 0, in a vector of its one element."""
    code, pair = v.code, element(char)
    kind = vector(pair, v.lanes)
    memory = code.alloca(kind)
    x = code.let(f"load {pair}, ptr {pointer}, align {v.size_of}")
    places = ", ".join(["i32 0, i32 1"] * v.lanes)
    code.add(f"store {kind} {code.let(f'shufflevector {pair} {x}, {pair} poison, <{2 * v.lanes} x i32> <{places}>')}, "
             f"ptr {memory}")
    return code.let(f"select i1 {code.let(f'icmp eq i64 {step}, 0')}, ptr {memory}, ptr {pointer}")


def _clear(code: Code) -> None:
    """Takes down the flags in MXCSR, if one besides 'inexact' and 'denormal' is up: to write it takes its time."""
    state = code.alloca("i32", 8)
    code.declare("declare void @llvm.x86.sse.stmxcsr(ptr)")
    code.declare("declare void @llvm.x86.sse.ldmxcsr(ptr)")
    code.add(f"call void @llvm.x86.sse.stmxcsr(ptr {state})")
    flags = code.let(f"load i32, ptr {state}")

    def clear() -> None:
        code.add(f"store i32 {code.let(f'and i32 {flags}, -64')}, ptr {state}")
        code.add(f"call void @llvm.x86.sse.ldmxcsr(ptr {state})")
    raised = code.let(f"and i32 {flags}, 29")
    code.when(code.let(f"icmp ne i32 {raised}, 0"), clear)


def _blocks(function: PairFunction) -> tuple[str, dict[str, None]]:
    """The vectors one after the other up to the first that is outside, whose place is returned; else the end."""
    code, n = Code(), function.operands
    v = Lanes(code, real_of(function.char))
    pairs = vector(element(function.char), v.lanes)

    def one(i: str) -> None:
        operands: list[str] = []
        for k in range(n):
            x = code.let(f"load {pairs}, ptr {element_at(v, f'%x{k}', f'%step{k}', i)}, align {v.size_of}")
            operands += parts(code, function.char, v.lanes, x)
        lanes = code.let(f"bitcast {v.truth} {function.outside(v, *operands)} to i{v.lanes}")
        stop, go = code.fresh("stop"), code.fresh("go")
        code.add(f"br i1 {code.let(f'icmp ne i{v.lanes} {lanes}, 0')}, label %{stop}, label %{go}")
        code.label(stop)
        code.add(f"ret i64 {i}")
        code.label(go)
        result, kind = function.value(v, *operands), v.kind
        if not function.real:
            result, kind = zipped(code, function.char, v.lanes, *result), pairs
        size = v.size_of if function.real else 2 * v.size_of
        code.add(f"store {kind} {result}, ptr {element_at(v, f'%x{n}', str(size), i)}, align {v.size_of}")
    code.loop("%start", "%stop", v.lanes, one)
    code.add("ret i64 %stop")
    arguments = [f"ptr %x{k}" for k in range(n + 1)] + [f"i64 %step{k}" for k in range(n)]
    return code.function(f"internal i64 @blocks({', '.join(arguments)}, i64 %start, i64 %stop)"), code.declared


# ---- the size of float64 pairs

_LEAST, _MOST, _SIGNIFICAND = (1023 - 500) << 52, (1023 + 500) << 52, (1 << 52) - 1


def _larger(v: Lanes, real: str, imaginary: str) -> _Parts:
    """The magnitudes, the larger one first."""
    a, b = (v.to_float(v.size(x)) for x in (real, imaginary))
    above = v.compare("ogt", b, a)
    return v.pick(above, b, a), v.pick(above, a, b)


def size_outside(v: Lanes, real: str, imaginary: str) -> str:
    """Where the larger magnitude, as bits, is not from 2**-500 to 2**500 (zero, infinity and NaN are not), or its
    significand has all bits set."""
    a, b = v.size(real), v.size(imaginary)
    larger = v.pick_bits(v.code.let(f"icmp ugt {v.bits} {a}, {b}"), a, b)
    from_least = v.op("sub", larger, v.integer(_LEAST))
    ones = v.op("and", larger, v.integer(_SIGNIFICAND))
    full = v.code.let(f"icmp eq {v.bits} {ones}, {v.integer(_SIGNIFICAND)}")
    return v.either(full, v.not_(v.below(from_least, _MOST - _LEAST)))


def size_value(v: Lanes, real: str, imaginary: str) -> str:
    """NumPy's size of complex elements."""
    code, one = v.code, v.constant(1.0)
    larger, smaller = _larger(v, real, imaginary)
    first = f"{v.kind} @llvm.x86.avx512.rcp14.pd.512({v.kind}, {v.kind}, i8)"
    code.declare(f"declare {first}")
    y = code.let(f"call {v.kind} @llvm.x86.avx512.rcp14.pd.512({v.kind} {larger}, {v.kind} zeroinitializer, i8 -1)")
    minus = v.minus(larger)
    for _ in range(3):
        y = v.fma(v.fma(minus, y, one), y, y)
    ratio = v.op("fmul", smaller, y)
    for _ in range(2):
        ratio = v.fma(v.fma(minus, ratio, smaller), y, ratio)
    return v.op("fmul", v.intrinsic("sqrt", v.fma(ratio, ratio, one)), larger)


def size_points(char: str, draws: Draws, count: int) -> Iterator[tuple[_Array, ...]]:
    """Where it is to be compared: parts of about one size, of all sizes, of one sign of the exponent, any bits."""
    for reals, imaginaries in _two(char, draws, count):
        yield (_joined(reals, imaginaries),)


# ---- quotients

def quotient_outside(v: Lanes, a: str, b: str, c: str, d: str) -> str:
    """Where the divisor c + id is zero or has a NaN, comparing which raises a flag in NumPy's loop; and where a sum of
    a and b may overflow: compiled, that loop may add where it has to subtract, too, and choose then."""
    zero = v.both(*[v.compare("oeq", x, v.zero) for x in (c, d)])
    large = [v.not_(v.below(v.size(x), _HALF_OF_MOST[v.char])) for x in (a, b)]
    return v.either(v.either(zero, v.compare("uno", c, d)), v.either(*large))


_HALF_OF_MOST = {"f": 0xFD << 23, "d": 0x7FD << 52}
"""The bits of half the largest power of two: two numbers below it have a sum."""


def quotient_value(v: Lanes, a: str, b: str, c: str, d: str) -> _Parts:
    """(a + ib) / (c + id), by the larger of c and d."""
    first = v.compare("oge", *[v.to_float(v.size(x)) for x in (c, d)])
    large, small = v.pick(first, c, d), v.pick(first, d, c)
    ratio = v.op("fdiv", small, large)
    scale = v.op("fdiv", v.constant(1.0), v.op("fadd", large, v.op("fmul", small, ratio)))
    x, y = v.pick(first, a, b), v.pick(first, b, a)
    real = v.op("fadd", x, v.op("fmul", y, ratio))
    # b - a*ratio or b*ratio - a: the same difference, of other operands
    product = v.op("fmul", x, ratio)
    imaginary = v.op("fsub", v.pick(first, b, product), v.pick(first, product, a))
    return v.op("fmul", real, scale), v.op("fmul", imaginary, scale)


def quotient_points(char: str, draws: Draws, count: int) -> Iterator[tuple[_Array, ...]]:
    """Where it is to be compared: the parts of both operands as `size_points` has them."""
    ways = list(_two(char, draws, count))
    for k, (reals, imaginaries) in enumerate(ways):
        divisor = _joined(reals, imaginaries)
        for one in (ways[0], ways[k]):
            yield _joined(*[np.roll(part, 1) for part in one]), divisor


def _two(char: str, draws: Draws, count: int) -> Iterator[tuple[_Array, _Array]]:
    info, real = np.finfo(char), real_of(char)
    yield draws.uniform(-3, 3, count).astype(real), draws.uniform(-3, 3, count).astype(real)
    yield draws.sizes(-1, 1, count, real), draws.sizes(-1, 1, count, real)
    yield draws.sizes(-30, 30, count, real), draws.sizes(-30, 30, count, real)
    yield draws.integers(-9, 9, count).astype(real), draws.integers(-9, 9, count).astype(real)
    scale = draws.sizes(info.minexp, info.maxexp, count, real)
    yield scale, silently(np.multiply, scale, draws.sizes(-30, 30, count, real))
    yield draws.patterns(real, count), draws.patterns(real, count)


def _joined(real: _Array, imaginary: _Array) -> _Array:
    pairs = np.empty(2 * len(real), real.dtype)
    pairs[::2], pairs[1::2] = real, imaginary
    return pairs.view(np.dtype(real.dtype.char.upper()))


SIZE = PairFunction("D", 1, size_outside, size_value, True, frozenset(("avx512f",)))
QUOTIENTS = {char: PairFunction(char, 2, quotient_outside, quotient_value) for char in "FD"}


def suits(function: PairFunction) -> bool:
    """Whether this CPU has what a function needs."""
    return function.needs <= native.features()
