"""The operations that kernels write out: those whose result IEEE 754 or two's complement fixes to the bit.

A form gives the LLVM text of one operation on vectors. Whether NumPy's own loop gives the same bits is stated here and
asserted by tests/test_inline.py on special values: signed zeros, NaN, infinities, subnormals, the ends of integers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

FLOATS, COMPLEX, SIGNED, UNSIGNED = "fd", "FD", "bhilq", "BHILQ"
INTEGERS = SIGNED + UNSIGNED
NUMBERS = INTEGERS + FLOATS
_BITS = {char: np.dtype(char).itemsize * 8 for char in INTEGERS + FLOATS}
_ELEMENTS = {"?": "i1", "e": "i16", "f": "float", "d": "double", "F": "<2 x float>", "D": "<2 x double>",
             **{char: f"i{_BITS[char]}" for char in INTEGERS}}
_ALIGNMENTS = {char: np.dtype(char).alignment for char in _ELEMENTS}


def element(char: str) -> str:
    """The LLVM type of an element in a register; a bool is one bit there and a byte in memory."""
    return _ELEMENTS[char]


def alignment(char: str) -> int:
    """How an element lies in memory: that of a part, for a complex one."""
    return _ALIGNMENTS[char]


def stored(char: str) -> str:
    """The LLVM type of an element in memory."""
    return "i8" if char == "?" else element(char)


def vector(char_type: str, lanes: int) -> str:
    """The type of that many elements; of pairs, that of twice as many parts."""
    if lanes == 1:
        return char_type
    if char_type[0] == "<":
        return f"<{2 * lanes} x {char_type[5:-1]}>"
    return f"<{lanes} x {char_type}>"


QUICK = "nounwind noinline optnone"
"""The attributes of kernels: LLVM translates what is written and allocates registers well, and that is nearly all that
vector loops need. Its other passes take 30% more time, and win next to nothing where nothing is computed twice.

Such functions are translated an instruction at a time (by FastISel), from the end of each block to its beginning; from
one on that is not known there, the rest of the block takes three times as long. So before a loop others than plain ones
begin a block (`Code.part`). Within loops they do not: the slow way makes better code of what it gets as a whole."""


class Code:
    """LLVM text under construction: lines, fresh names, declarations of what is external."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.declared: dict[str, None] = {}
        self.count = 0
        self.values = -1
        self.here = "entry"
        self.rounds = False
        """Whether it rounds to float16 (`halves`)."""

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def add(self, line: str) -> None:
        self.lines.append("  " + line)

    def let(self, text: str) -> str:
        """A new value. It has the next number, which LLVM reads faster than a name; all else has names, since LLVM
        counts what has none, in the order of the text."""
        self.values += 1
        name = f"%{self.values}"
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begins a block."""
        self.here = name
        self.lines.append(f"{name}:")

    def part(self) -> None:
        """Begins a block, so that what comes now takes longer to translate and what came before does not."""
        name = self.fresh("part")
        self.add(f"br label %{name}")
        self.label(name)

    def declare(self, line: str) -> None:
        self.declared[line] = None

    def alloca(self, kind: str, align: int = 64) -> str:
        """Memory of the function's own, made at its entry."""
        name = self.fresh("%a")
        self.entry.append(f"  {name} = alloca {kind}, align {align}")
        return name

    def place(self, kind: str, base: str, index: str | int) -> str:
        """The address of an element."""
        return self.let(f"getelementptr {kind}, ptr {base}, i64 {index}") if str(index) != "0" else base

    def fetch(self, pointer: str, written: bool = False) -> None:
        """Asks memory for what is there, to be read soon, or to be written."""
        self.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.add(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 {int(written)}, i32 3, i32 1)")

    def loop(self, start: str, stop: str, step: Any, body: Callable[[str], None]) -> None:
        """``for i in range(start, stop, step): body(i)``."""
        head, inside, after = (self.fresh(x) for x in ("head", "body", "after"))
        before, i = self.here, self.fresh("%i")
        self.add(f"br label %{head}")
        self.label(head)
        phi = len(self.lines)
        self.add("")  # written when it is known from where the next turn comes
        more = self.let(f"icmp slt i64 {i}, {stop}")
        self.add(f"br i1 {more}, label %{inside}, label %{after}")
        self.label(inside)
        body(i)
        following = self.let(f"add nsw i64 {i}, {step}")
        self.lines[phi] = f"  {i} = phi i64 [{start}, %{before}], [{following}, %{self.here}]"
        self.add(f"br label %{head}")
        self.label(after)

    def when(self, condition: str, body: Callable[[], None]) -> None:
        """``if condition: body()``."""
        inside, after = self.fresh("then"), self.fresh("end")
        self.add(f"br i1 {condition}, label %{inside}, label %{after}")
        self.label(inside)
        body()
        self.add(f"br label %{after}")
        self.label(after)

    def function(self, signature: str, attributes: str = "nounwind") -> str:
        """The text of the function, its declarations not included. Nothing is thrown through it, so that its object
        needs no tables for that."""
        return f"define {signature} {attributes} {{\nentry:\n" + "\n".join(self.entry + self.lines) + "\n}\n"


def splat(code: Code, value: str, kind: str, lanes: int) -> str:
    """A vector of one value."""
    if lanes == 1:
        return value
    v = vector(kind, lanes)
    if kind[0] == "<":
        places = ", ".join(["i32 0, i32 1"] * lanes)
        return code.let(f"shufflevector {kind} {value}, {kind} poison, <{2 * lanes} x i32> <{places}>")
    one = code.let(f"insertelement {v} poison, {kind} {value}, i32 0")
    return code.let(f"shufflevector {v} {one}, {v} poison, <{lanes} x i32> zeroinitializer")


def first_lanes(code: Code, count: str, lanes: int) -> str:
    """A mask of so many of a vector's lanes, fewer than all."""
    bits = code.let(f"shl i64 -1, {count}")
    some = code.let(f"xor i{lanes} {code.let(f'trunc i64 {bits} to i{lanes}')}, -1")
    return code.let(f"bitcast i{lanes} {some} to <{lanes} x i1>")


def masked(code: Code, what: str, kind: str, place: str, mask: str, align: int, value: str) -> str:
    """A ``load`` of the lanes of a mask, with those of a value for the others, or a ``store`` of the former."""
    lanes, of = kind[1:-1].split(" x ")
    name = f"@llvm.masked.{what}.v{lanes}{ {'float': 'f32', 'double': 'f64'}.get(of, of) }.p0"
    truth = f"<{lanes} x i1>"
    if what == "load":
        code.declare(f"declare {kind} {name}(ptr, i32, {truth}, {kind})")
        return code.let(f"call {kind} {name}(ptr {place}, i32 {align}, {truth} {mask}, {kind} {value})")
    code.declare(f"declare void {name}({kind}, ptr, i32, {truth})")
    code.add(f"call void {name}({kind} {value}, ptr {place}, i32 {align}, {truth} {mask})")
    return ""


def constant(kind: str, text: str, lanes: int) -> str:
    """A constant vector of one value."""
    return text if lanes == 1 else f"splat ({kind} {text})"


def double(x: float | str) -> str:
    """A double in LLVM text, exactly; a str is hexadecimal. A float32 is written as the double of its value."""
    value = float.fromhex(x) if isinstance(x, str) else x
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


Emit = Callable[[Code, str, int, tuple[str, ...]], str]
"""(code, dtype character of the operands, lanes, operands) -> value"""


class Form(NamedTuple):
    """An inlined operation: the characters of the operands' dtype that it takes, that of the result ("" for the same),
    its text, what it costs against an addition, and whether NumPy's own loop is slower than memory (it goes element by
    element), so that a kernel pays for this operation alone."""

    chars: str
    result: str
    emit: Emit
    cost: int = 1
    slow: bool = False


def _plain(floats: str, integers: str) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        op = floats if char in FLOATS else integers
        return code.let(f"{op} {vector(element(char), lanes)} {', '.join(operands)}")
    return emit


def _intrinsic(name: str) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        kind = vector(element(char), lanes)
        suffix = ("" if lanes == 1 else f"v{lanes}") + (f"f{_BITS[char]}" if char in FLOATS else f"i{_BITS[char]}")
        code.declare(f"declare {kind} @llvm.{name}.{suffix}({', '.join([kind] * len(operands))})")
        return code.let(f"call {kind} @llvm.{name}.{suffix}({', '.join(f'{kind} {x}' for x in operands)})")
    return emit


def _compare(floats: str, word: str, signed: bool = True) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        kind = vector(element(char), lanes)
        if char in FLOATS:
            return code.let(f"fcmp {floats} {kind} {operands[0]}, {operands[1]}")
        sign = "" if not signed else "s" if char in SIGNED else "u"
        return code.let(f"icmp {sign}{word} {kind} {operands[0]}, {operands[1]}")
    return emit


def _truth(code: Code, char: str, lanes: int, x: str) -> str:
    """Whether x is not zero (a NaN is not)."""
    if char == "?":
        return x
    kind = vector(element(char), lanes)
    if char in FLOATS:
        return code.let(f"fcmp une {kind} {x}, zeroinitializer" if lanes > 1 else f"fcmp une {kind} {x}, 0.0")
    return code.let(f"icmp ne {kind} {x}, {'zeroinitializer' if lanes > 1 else '0'}")


def _logical(word: str) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        truths = [_truth(code, char, lanes, x) for x in operands]
        return code.let(f"{word} {vector('i1', lanes)} {', '.join(truths)}")
    return emit


def _ones(kind: str, lanes: int) -> str:
    return constant(kind, "true" if kind == "i1" else "-1", lanes)


def _not(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    kind = element(char)
    return code.let(f"xor {vector(kind, lanes)} {operands[0]}, {_ones(kind, lanes)}")


def _logical_not(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    return _not(code, "?", lanes, (_truth(code, char, lanes, operands[0]),))


def _negative(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    kind = vector(element(char), lanes)
    if char in FLOATS:
        return code.let(f"fneg {kind} {operands[0]}")
    return code.let(f"sub {kind} {'zeroinitializer' if lanes > 1 else '0'}, {operands[0]}")


def _absolute(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    if char in FLOATS:
        return _intrinsic("fabs")(code, char, lanes, operands)
    if char in UNSIGNED:
        return operands[0]
    kind = vector(element(char), lanes)
    below = code.let(f"icmp slt {kind} {operands[0]}, {'zeroinitializer' if lanes > 1 else '0'}")
    minus = _negative(code, char, lanes, operands)
    return code.let(f"select {vector('i1', lanes)} {below}, {kind} {minus}, {kind} {operands[0]}")


def _square(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    return _plain("fmul", "mul")(code, char, lanes, operands * 2)


def _reciprocal(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    kind = element(char)
    return code.let(f"fdiv {vector(kind, lanes)} {constant(kind, '1.0', lanes)}, {operands[0]}")


def _positive(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    return operands[0]


def _scaled(above: float, below: float) -> Emit:
    """Times a quotient that is rounded to the operands' precision."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        kind, number = element(char), np.dtype(char).type
        factor = constant(kind, double(float(number(above) / number(below))), lanes)
        return code.let(f"fmul {vector(kind, lanes)} {operands[0]}, {factor}")
    return emit


def _sign(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    """Of integers how they compare with 0; of floats by their bits, so that no flag is raised: a NaN is itself."""
    kind, truth, x = vector(element(char), lanes), vector("i1", lanes), operands[0]
    zero = "zeroinitializer" if lanes > 1 else "0"
    if char in INTEGERS:
        some = code.let(f"zext {truth} {code.let(f'icmp ne {kind} {x}, {zero}')} to {kind}")
        if char in UNSIGNED:
            return some
        below = code.let(f"icmp slt {kind} {x}, {zero}")
        return code.let(f"select {truth} {below}, {kind} {_ones(element(char), lanes)}, {kind} {some}")
    one = constant(element(char), "1.0", lanes)
    signed = _intrinsic("copysign")(code, char, lanes, (one, x))
    least = "zeroinitializer" if lanes > 1 else "0.0"
    some = code.let(f"select {truth} {_is_zero(code, kind, element(char), lanes, x)}, {kind} {least}, {kind} {signed}")
    nan = _is_finite("ugt")(code, kind, element(char), lanes, x)
    return code.let(f"select {truth} {nan}, {kind} {x}, {kind} {some}")


def _heaviside(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    """0 below 0, 1 above, at 0 the second operand; by the bits, too."""
    scalar, (x, at_zero) = element(char), operands
    kind, truth = vector(scalar, lanes), vector("i1", lanes)
    zero = "zeroinitializer" if lanes > 1 else "0.0"
    step = code.let(f"select {truth} {_signbit(code, kind, scalar, lanes, x)}, {kind} {zero}, "
                    f"{kind} {constant(scalar, '1.0', lanes)}")
    step = code.let(f"select {truth} {_is_zero(code, kind, scalar, lanes, x)}, {kind} {at_zero}, {kind} {step}")
    return code.let(f"select {truth} {_is_finite('ugt')(code, kind, scalar, lanes, x)}, {kind} {x}, {kind} {step}")


def _extreme(floats: str, word: str) -> Emit:
    """Of two equal values the second, of a NaN and a value the NaN: NumPy's `maximum` and `minimum`."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        kind, bits = vector(element(char), lanes), vector("i1", lanes)
        a, b = operands
        first = _compare(floats, word)(code, char, lanes, operands)
        if char in FLOATS:
            first = code.let(f"or {bits} {first}, {code.let(f'fcmp uno {kind} {a}, {a}')}")
        return code.let(f"select {bits} {first}, {kind} {a}, {kind} {b}")
    return emit


def _clip(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    """The smaller of the upper bound and the larger of x and the lower one. For floats as NumPy does it with numbers as
    bounds: of two equal values the first, and a bound that is NaN."""
    x, low, high = operands
    if char not in FLOATS:
        return FORMS["minimum"].emit(code, char, lanes, (FORMS["maximum"].emit(code, char, lanes, (x, low)), high))
    kind, bits = vector(element(char), lanes), vector("i1", lanes)
    for bound, word in ((low, "ult"), (high, "ugt")):
        beyond = code.let(f"fcmp {word} {kind} {x}, {bound}")
        beyond = code.let(f"and {bits} {beyond}, {code.let(f'fcmp ord {kind} {x}, {x}')}")
        x = code.let(f"select {bits} {beyond}, {kind} {bound}, {kind} {x}")
    return x


def _shift(left: bool) -> Emit:
    """Bits beyond the end are lost, also all of them: NumPy takes a count, negative ones as large, of any size."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        (x, count), bits = operands, _BITS[char]
        kind, truth = vector(element(char), lanes), vector("i1", lanes)
        fits = code.let(f"icmp ult {kind} {count}, {constant(element(char), str(bits), lanes)}")
        most = constant(element(char), str(bits - 1), lanes)
        within = code.let(f"select {truth} {fits}, {kind} {count}, {kind} {most}")
        if not left and char in SIGNED:
            return code.let(f"ashr {kind} {x}, {within}")
        shifted = code.let(f"{'shl' if left else 'lshr'} {kind} {x}, {within}")
        nothing = constant(element(char), "0", lanes)
        return code.let(f"select {truth} {fits}, {kind} {shifted}, {kind} {nothing}")
    return emit


def _test(text: Callable[[Code, str, str, int, str], str]) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        return text(code, vector(element(char), lanes), element(char), lanes, operands[0])
    return emit


def _is_finite(word: str) -> Callable[[Code, str, str, int, str], str]:
    """By the bits, so that no flag is raised: the exponent against its largest value."""
    def text(code: Code, kind: str, scalar: str, lanes: int, x: str) -> str:
        bits, largest = ("i32", 0x7F800000) if scalar == "float" else ("i64", 0x7FF0000000000000)
        ints = vector(bits, lanes)
        n = code.let(f"bitcast {kind} {x} to {ints}")
        magnitude = code.let(f"and {ints} {n}, {constant(bits, str(2 ** (int(bits[1:]) - 1) - 1), lanes)}")
        return code.let(f"icmp {word} {ints} {magnitude}, {constant(bits, str(largest), lanes)}")
    return text


def _is_zero(code: Code, kind: str, scalar: str, lanes: int, x: str) -> str:
    bits = "i32" if scalar == "float" else "i64"
    n = code.let(f"bitcast {kind} {x} to {vector(bits, lanes)}")
    doubled = code.let(f"add {vector(bits, lanes)} {n}, {n}")
    return code.let(f"icmp eq {vector(bits, lanes)} {doubled}, {'zeroinitializer' if lanes > 1 else '0'}")


def _signbit(code: Code, kind: str, scalar: str, lanes: int, x: str) -> str:
    bits = "i32" if scalar == "float" else "i64"
    n = code.let(f"bitcast {kind} {x} to {vector(bits, lanes)}")
    return code.let(f"icmp slt {vector(bits, lanes)} {n}, {'zeroinitializer' if lanes > 1 else '0'}")


FORMS: dict[str, Form] = {
    "add": Form(NUMBERS, "", _plain("fadd", "add")),
    "subtract": Form(NUMBERS, "", _plain("fsub", "sub")),
    "multiply": Form(NUMBERS, "", _plain("fmul", "mul")),
    "divide": Form(FLOATS, "", _plain("fdiv", ""), 4),
    "negative": Form(NUMBERS, "", _negative),
    "positive": Form(NUMBERS, "", _positive),
    "absolute": Form(NUMBERS + "?", "", lambda code, char, lanes, operands: (
        operands[0] if char == "?" else _absolute(code, char, lanes, operands))),
    "fabs": Form(FLOATS, "", _absolute, slow=True),
    "square": Form(NUMBERS, "", _square),
    "reciprocal": Form(FLOATS, "", _reciprocal, 4),
    "sqrt": Form(FLOATS, "", _intrinsic("sqrt"), 4),
    **dict.fromkeys(("rad2deg", "degrees"), Form(FLOATS, "", _scaled(180, math.pi), slow=True)),
    **dict.fromkeys(("deg2rad", "radians"), Form(FLOATS, "", _scaled(math.pi, 180), slow=True)),
    "sign": Form(NUMBERS, "", _sign),
    "heaviside": Form(FLOATS, "", _heaviside, slow=True),
    "floor": Form(FLOATS, "", _intrinsic("floor")),
    "ceil": Form(FLOATS, "", _intrinsic("ceil")),
    "trunc": Form(FLOATS, "", _intrinsic("trunc")),
    "rint": Form(FLOATS, "", _intrinsic("rint")),
    "copysign": Form(FLOATS, "", _intrinsic("copysign"), slow=True),
    "maximum": Form(NUMBERS, "", _extreme("ogt", "gt")),
    "minimum": Form(NUMBERS, "", _extreme("olt", "lt")),
    "clip": Form(NUMBERS, "", _clip, 2),
    "left_shift": Form(INTEGERS, "", _shift(True)),
    "right_shift": Form(INTEGERS, "", _shift(False)),
    "equal": Form(NUMBERS, "?", _compare("oeq", "eq", False)),
    "not_equal": Form(NUMBERS, "?", _compare("une", "ne", False)),
    "less": Form(NUMBERS, "?", _compare("olt", "lt")),
    "less_equal": Form(NUMBERS, "?", _compare("ole", "le")),
    "greater": Form(NUMBERS, "?", _compare("ogt", "gt")),
    "greater_equal": Form(NUMBERS, "?", _compare("oge", "ge")),
    "logical_and": Form(NUMBERS + "?", "?", _logical("and")),
    "logical_or": Form(NUMBERS + "?", "?", _logical("or")),
    "logical_xor": Form(NUMBERS + "?", "?", _logical("xor")),
    "logical_not": Form(NUMBERS + "?", "?", _logical_not),
    "bitwise_and": Form(INTEGERS + "?", "", lambda code, char, lanes, operands: code.let(
        f"and {vector(element(char), lanes)} {', '.join(operands)}")),
    "bitwise_or": Form(INTEGERS + "?", "", lambda code, char, lanes, operands: code.let(
        f"or {vector(element(char), lanes)} {', '.join(operands)}")),
    "bitwise_xor": Form(INTEGERS + "?", "", lambda code, char, lanes, operands: code.let(
        f"xor {vector(element(char), lanes)} {', '.join(operands)}")),
    "invert": Form(INTEGERS + "?", "", _not),
    "isnan": Form(FLOATS, "?", _test(_is_finite("ugt"))),
    "isinf": Form(FLOATS, "?", _test(_is_finite("eq"))),
    "isfinite": Form(FLOATS, "?", _test(_is_finite("ult"))),
    "signbit": Form(FLOATS, "?", _test(_signbit)),
}
"""By the ufunc's name."""
NAMED: dict[str, Any] = {"clip": np._core.umath.clip}  # type: ignore[attr-defined]
"""Ufuncs that are not what NumPy's namespace has by their names."""


@cache
def _probed() -> frozenset[str]:
    """Forms that depend on the CPU, of which this one is not as stated: which of two zeros `maximum` gives."""
    wrong = set()
    for name in ("maximum", "minimum"):
        for char in FLOATS:
            x, one = np.zeros(67, char), np.dtype(char).type(0)
            for a, b in ((x, -x), (-x, x), (x, -one), (-x, one), (-one, x), (one, -x)):
                if not np.array_equal(np.signbit(getattr(np, name)(a, b)), np.broadcast_to(np.signbit(b), 67)):
                    wrong.add(name)
    return frozenset(wrong)


def form_of(ufunc: Any, chars: tuple[str, ...]) -> Form | None:
    """The form of a ufunc for a loop with these dtype characters (operands and result), or None."""
    name: str = ufunc.__name__
    form = FORMS.get(name)
    if form is None or NAMED.get(name, getattr(np, name, None)) is not ufunc or len(set(chars[:-1])) != 1:
        return None
    char = chars[0]
    if char not in form.chars or chars[-1] != (form.result or char) or name in _probed():
        return None
    return form


def may_cast(source: str, target: str) -> bool:
    """Whether a cast is exact to the bit on every CPU: not a float to an integer, whose result may be out of range."""
    if source == target:
        return True
    known = NUMBERS + "?"
    return source in known and target in known and (source not in FLOATS or target in FLOATS + "?")


def cast(code: Code, source: str, target: str, lanes: int, x: str) -> str:
    """The text of a cast for which `may_cast`."""
    if source == target or element(source) == element(target):
        return x
    if target == "?":
        return _truth(code, source, lanes, x)
    a, b = vector(element(source), lanes), vector(element(target), lanes)
    if source in FLOATS:
        word = "fpext" if source == "f" else "fptrunc"
    elif target in FLOATS:
        word = "sitofp" if source in SIGNED else "uitofp"
    elif source == "?" or _BITS[source] < _BITS[target]:
        word = "sext" if source in SIGNED else "zext"
    else:
        word = "trunc"
    return code.let(f"{word} {a} {x} to {b}")
