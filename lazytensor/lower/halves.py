"""float16 in kernels: sixteen bits in registers as in memory, computed with as float32.

NumPy converts each element to float32, computes, and rounds the result. So do these forms; what moves or compares
elements looks at their bits, as NumPy does, and raises no flags. NumPy notes an underflow also where a subnormal is
rounded up to the least normal number, which the CPU does not: a kernel that rounds says each time that there may have
been one (`Code.rounds`), which is looked into where somebody is to be warned of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import inline
from .inline import FORMS, Code, Emit, Form, constant, vector

HALF = "e"
_MAGNITUDE, _SIGN, _INFINITY = 0x7FFF, 0x8000, 0x7C00


def widened(code: Code, lanes: int, x: str) -> str:
    """Elements as float32."""
    half = vector("half", lanes)
    here = code.let(f"bitcast {vector('i16', lanes)} {x} to {half}")
    return code.let(f"fpext {half} {here} to {vector('float', lanes)}")


def rounded(code: Code, lanes: int, x: str) -> str:
    """float32 rounded to elements."""
    code.rounds = True
    half = vector("half", lanes)
    here = code.let(f"fptrunc {vector('float', lanes)} {x} to {half}")
    return code.let(f"bitcast {half} {here} to {vector('i16', lanes)}")


def _rounded_once(code: Code, lanes: int, x: str) -> str:
    """float64 rounded to elements: what float32 has no bits for is kept as its last bit, so that it decides ties."""
    ints, lost = vector("i64", lanes), (1 << 29) - 1
    n = code.let(f"bitcast {vector('double', lanes)} {x} to {ints}")
    rest = code.let(f"and {ints} {n}, {constant('i64', str(lost), lanes)}")
    some = code.let(f"icmp ne {ints} {rest}, {constant('i64', '0', lanes)}")
    last = code.let(f"select {vector('i1', lanes)} {some}, {ints} {constant('i64', str(lost + 1), lanes)}, "
                    f"{ints} {constant('i64', '0', lanes)}")
    top = code.let(f"and {ints} {n}, {constant('i64', str(~lost), lanes)}")
    whole = code.let(f"bitcast {ints} {code.let(f'or {ints} {top}, {last}')} to {vector('double', lanes)}")
    return rounded(code, lanes, code.let(f"fptrunc {vector('double', lanes)} {whole} to {vector('float', lanes)}"))


def may_cast(source: str, target: str) -> bool:
    """Whether a cast from or to float16 is exact to the bit."""
    if source == HALF:
        return target in ("e", "f", "d", "?")
    return source in inline.NUMBERS + "?"


def cast(code: Code, source: str, target: str, lanes: int, x: str) -> str:
    """The text of a cast for which `may_cast`."""
    if source == target:
        return x
    if target == "?":
        return _truth(code, lanes, x)
    if source == HALF:
        return inline.cast(code, "f", target, lanes, widened(code, lanes, x))
    if source == "d":
        return _rounded_once(code, lanes, x)
    return rounded(code, lanes, inline.cast(code, source, "f", lanes, x))


def _bits(code: Code, lanes: int, x: str, mask: int, word: str = "and") -> str:
    return code.let(f"{word} {vector('i16', lanes)} {x}, {constant('i16', str(mask), lanes)}")


def _compared(code: Code, lanes: int, word: str, a: str, b: str) -> str:
    return code.let(f"icmp {word} {vector('i16', lanes)} {a}, {b}")


def _test(word: str, limit: int) -> Emit:
    """How the magnitude compares with a limit."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        return _compared(code, lanes, word, _bits(code, lanes, operands[0], _MAGNITUDE),
                         constant("i16", str(limit), lanes))
    return emit


_is_nan = _test("ugt", _INFINITY)


def _truth(code: Code, lanes: int, x: str) -> str:
    """Whether x is not zero."""
    return _test("ne", 0)(code, HALF, lanes, (x,))


def _arithmetic(name: str) -> Emit:
    """That of float32, rounded."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        wide = tuple([widened(code, lanes, x) for x in operands])
        return rounded(code, lanes, FORMS[name].emit(code, "f", lanes, wide))
    return emit


def _ordered(code: Code, lanes: int, x: str) -> str:
    """Integers that compare as the elements do that are numbers: both zeros are 0."""
    kind = vector("i16", lanes)
    magnitude = _bits(code, lanes, x, _MAGNITUDE)
    minus = code.let(f"sub {kind} {constant('i16', '0', lanes)}, {magnitude}")
    below = _compared(code, lanes, "slt", x, constant("i16", "0", lanes))
    return code.let(f"select {vector('i1', lanes)} {below}, {kind} {minus}, {kind} {magnitude}")


def _compare(word: str) -> Emit:
    """A comparison of numbers: false where one is none, but for "ne"."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        a, b = operands
        truth, odd = vector("i1", lanes), [_is_nan(code, char, lanes, (x,)) for x in operands]
        none = code.let(f"or {truth} {odd[0]}, {odd[1]}")
        found = _compared(code, lanes, word, _ordered(code, lanes, a), _ordered(code, lanes, b))
        if word == "ne":
            return code.let(f"or {truth} {found}, {none}")
        some = code.let(f"xor {truth} {none}, {constant('i1', 'true', lanes)}")
        return code.let(f"and {truth} {found}, {some}")
    return emit


def _extreme(word: str, given: int) -> Emit:
    """The first of two equal values; of a NaN and a number the NaN (`given` 0), or the number (1)."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        a, b = operands
        first = _compare(word)(code, char, lanes, operands)
        first = code.let(f"or {vector('i1', lanes)} {first}, {_is_nan(code, char, lanes, (operands[given],))}")
        return code.let(f"select {vector('i1', lanes)} {first}, {vector('i16', lanes)} {a}, {vector('i16', lanes)} {b}")
    return emit


def _logical(name: str) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        return FORMS[name].emit(code, "?", lanes, tuple([_truth(code, lanes, x) for x in operands]))
    return emit


def _signbit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    return _compared(code, lanes, "slt", operands[0], constant("i16", "0", lanes))


def _copysign(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    magnitude, sign = _bits(code, lanes, operands[0], _MAGNITUDE), _bits(code, lanes, operands[1], _SIGN)
    return code.let(f"or {vector('i16', lanes)} {magnitude}, {sign}")


def _sign(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    """1 with the sign; a zero is 0, a NaN itself."""
    x, kind, truth = operands[0], vector("i16", lanes), vector("i1", lanes)
    one = code.let(f"or {kind} {_bits(code, lanes, x, _SIGN)}, {constant('i16', str(0x3C00), lanes)}")
    some = code.let(f"select {truth} {_truth(code, lanes, x)}, {kind} {one}, {kind} {constant('i16', '0', lanes)}")
    return code.let(f"select {truth} {_is_nan(code, char, lanes, operands)}, {kind} {x}, {kind} {some}")


def _form(emit: Emit, result: str = "", cost: int = 2) -> Form:
    return Form(HALF, result, emit, cost, True)


HALVES: dict[str, Form] = {
    **{name: _form(_arithmetic(name)) for name in (
        "add", "subtract", "multiply", "square", "floor", "ceil", "trunc", "rint")},
    **{name: _form(_arithmetic(name), cost=4) for name in ("divide", "reciprocal", "sqrt")},
    "negative": _form(lambda code, char, lanes, operands: _bits(code, lanes, operands[0], _SIGN, "xor"), cost=1),
    "positive": _form(lambda code, char, lanes, operands: operands[0], cost=1),
    **dict.fromkeys(("absolute", "fabs"), _form(
        lambda code, char, lanes, operands: _bits(code, lanes, operands[0], _MAGNITUDE), cost=1)),
    "sign": _form(_sign), "copysign": _form(_copysign),
    **{name: _form(_extreme(word, given)) for name, word, given in (
        ("maximum", "sge", 0), ("minimum", "sle", 0), ("fmax", "sge", 1), ("fmin", "sle", 1))},
    **{name: _form(_compare(word), "?") for name, word in (
        ("equal", "eq"), ("not_equal", "ne"), ("less", "slt"), ("less_equal", "sle"), ("greater", "sgt"),
        ("greater_equal", "sge"))},
    **{name: _form(_logical(name), "?") for name in ("logical_and", "logical_or", "logical_xor", "logical_not")},
    "isnan": _form(_is_nan, "?"), "isinf": _form(_test("eq", _INFINITY), "?"),
    "isfinite": _form(_test("ult", _INFINITY), "?"), "signbit": _form(_signbit, "?"),
}
"""The forms of operations on float16, by the ufunc's name. NumPy's own loops go element by element."""


def form_of(ufunc: Any, name: str, chars: tuple[str, ...]) -> Form | None:
    """The form of a ufunc of that name, for a loop of float16."""
    form = HALVES.get(name)
    known = form is not None and getattr(np, name, None) is ufunc and len(set(chars[:-1])) == 1
    return form if form is not None and known and chars[-1] == (form.result or HALF) else None
