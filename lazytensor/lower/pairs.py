"""Complex elements in kernels: a pair of floats, real part first, in registers as in memory.

A vector of complex elements is one of twice as many floats. What NumPy does to both parts alike, or by moving and
comparing them, is written out here: on every path of NumPy's loops it is the same. Quotients and sizes are calls of
NumPy's own loops. Products, which NumPy rounds in one way where its vectors do them, are written out for the places
where a call would be certified. Real operations are those of
`lower.inline`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from . import halves, inline
from .halves import HALF, HALVES
from .inline import COMPLEX, FORMS, Code, Emit, Form, element, vector


def real_of(char: str) -> str:
    """The dtype's character of the parts."""
    return char.lower()


def _picked(code: Code, kind: str, a: str, b: str, places: list[int]) -> str:
    """Some of the elements of two vectors of a kind."""
    numbers = ", ".join(f"i32 {k}" for k in places)
    return code.let(f"shufflevector {kind} {a}, {kind} {b}, <{len(places)} x i32> <{numbers}>")


def parts(code: Code, char: str, lanes: int, x: str) -> tuple[str, str]:
    """The real parts and the imaginary ones."""
    kind = vector(element(char), lanes)
    if lanes == 1:
        return code.let(f"extractelement {kind} {x}, i32 0"), code.let(f"extractelement {kind} {x}, i32 1")
    return (_picked(code, kind, x, "poison", list(range(0, 2 * lanes, 2))),
            _picked(code, kind, x, "poison", list(range(1, 2 * lanes, 2))))


def zipped(code: Code, char: str, lanes: int, real: str, imaginary: str) -> str:
    """Complex elements of a dtype from vectors of their parts."""
    places = [place for k in range(lanes) for place in (k, lanes + k)]
    return _picked(code, vector(element(real_of(char)), lanes), real, imaginary, places)


def with_no_imaginary_part(code: Code, char: str, lanes: int, x: str) -> str:
    """Real elements as complex ones of a dtype."""
    scalar = element(real_of(char))
    if lanes == 1:
        return code.let(f"insertelement <2 x {scalar}> zeroinitializer, {scalar} {x}, i32 0")
    return zipped(code, char, lanes, x, "zeroinitializer")


def _alike(name: str) -> Emit:
    """The real operation on both parts."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        return FORMS[name].emit(code, real_of(char), 2 * lanes, operands)
    return emit


def _conjugate(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    kind, (x,) = vector(element(char), lanes), operands
    minus = code.let(f"fneg {kind} {x}")
    return _picked(code, kind, x, minus, [k if k % 2 == 0 else 2 * lanes + k for k in range(2 * lanes)])


def _both(name: str, word: str) -> Emit:
    """What a test of each part gives, as one truth."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        split = [parts(code, char, lanes, x) for x in operands]
        real, imaginary = (FORMS[name].emit(code, real_of(char), lanes, part) for part in zip(*split, strict=True))
        return code.let(f"{word} {vector('i1', lanes)} {real}, {imaginary}")
    return emit


def _truth(code: Code, char: str, lanes: int, x: str) -> str:
    """Whether a part is not zero."""
    real, imaginary = parts(code, char, lanes, x)
    truths = [inline.cast(code, real_of(char), "?", lanes, part) for part in (real, imaginary)]
    return code.let(f"or {vector('i1', lanes)} {truths[0]}, {truths[1]}")


def _logical(name: str) -> Emit:
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        return FORMS[name].emit(code, "?", lanes, tuple([_truth(code, char, lanes, x) for x in operands]))
    return emit


def _part(which: int) -> Emit:
    return lambda code, char, lanes, operands: parts(code, char, lanes, operands[0])[which]


PAIRS: dict[str, Form] = {
    **{name: Form(COMPLEX, "", _alike(name)) for name in ("add", "subtract", "negative", "positive")},
    "conjugate": Form(COMPLEX, "", _conjugate),
    "equal": Form(COMPLEX, "?", _both("equal", "and")),
    "not_equal": Form(COMPLEX, "?", _both("not_equal", "or")),
    "isnan": Form(COMPLEX, "?", _both("isnan", "or")),
    "isinf": Form(COMPLEX, "?", _both("isinf", "or")),
    "isfinite": Form(COMPLEX, "?", _both("isfinite", "and")),
    **{name: Form(COMPLEX, "?", _logical(name)) for name in (
        "logical_and", "logical_or", "logical_xor", "logical_not")},
}
"""The forms of operations on complex elements, by the ufunc's name."""
PARTS = {"real": Form(COMPLEX, "", _part(0)), "imag": Form(COMPLEX, "", _part(1))}
"""Those of views of their parts."""

def _product(fused: bool) -> Emit:
    """ar*br - ai*bi and ar*bi + ai*br; fused, the products with ar are not rounded before that. A square has one
    operand."""
    def emit(code: Code, char: str, lanes: int, operands: tuple[str, ...]) -> str:
        a, b = operands[0], operands[-1]
        kind, count = vector(element(char), lanes), range(2 * lanes)
        real, imaginary = (_picked(code, kind, a, "poison", [k - k % 2 + part for k in count]) for part in (0, 1))
        crossed = code.let(f"fmul {kind} {imaginary}, {_picked(code, kind, b, 'poison', [k ^ 1 for k in count])}")
        minus = code.let(f"fneg {kind} {crossed}")
        signed = _picked(code, kind, minus, crossed, [k + 2 * lanes * (k % 2) for k in count])
        if not fused:
            return code.let(f"fadd {kind} {code.let(f'fmul {kind} {real}, {b}')}, {signed}")
        name = f"{kind} @llvm.fma.v{2 * lanes}f{32 if char == 'F' else 64}"
        code.declare(f"declare {name}({kind}, {kind}, {kind})")
        return code.let(f"call {name}({kind} {real}, {kind} {b}, {kind} {signed})")
    return emit


PRODUCTS = {f"{name}{way}": Form(COMPLEX, "", _product(bool(way))) for name in ("multiply", "square")
            for way in ("", " fused")}
"""The forms of products; which of the two NumPy's vectors have is found out by `product`."""


@cache
def product(name: str, char: str) -> str | None:
    """The form's name that a ufunc's loop has here, whatever the length of the arrays; None if that is not known."""
    whole = [(k * k * 1103515245 + 12345 * k) % (1 << (14 if char == "F" else 29)) + 3 for k in range(2, 2 + 4 * 67)]
    real, imaginary, more, other = (whole[k::4] for k in range(4))
    if name == "square":
        more, other = real, imaginary
    dtype = np.dtype(real_of(char)).type
    a, b = (np.array([complex(*pair) for pair in zip(*parts, strict=True)], char)
            for parts in ((real, imaginary), (more, other)))
    operands = [(real, imaginary, more, other)]
    if name == "multiply":  # an array and a number, a number and an array
        operands += [(real, imaginary, more[:1] * 67, other[:1] * 67), (real[:1] * 67, imaginary[:1] * 67, more, other)]
    given = [lambda n: (a[:n], b[:n]), lambda n: (a[:n], b[0]), lambda n: (a[0], b[:n])]

    def rounded(n: int) -> int:
        return int(dtype(n))
    ufunc = getattr(np, name)
    for way, first in (("", rounded), (" fused", int)):
        wanted = [np.array([complex(rounded(first(p * r) - rounded(q * s)), rounded(first(p * s) + rounded(q * r)))
                            for p, q, r, s in zip(*parts, strict=True)], char) for parts in operands]
        if all(np.array_equal(ufunc(*of(n)[:ufunc.nin]), found[:n])
               for of, found in zip(given, wanted, strict=False) for n in (1, 3, 8, 16, 67)):
            return name + way
    return None


AT_MEMORYS_SPEED = frozenset(("multiply", "square", *PAIRS))
"""Operations on complex elements for which NumPy's loop is no slower than memory."""


def form_of(ufunc: Any, chars: tuple[str, ...]) -> Form | None:
    """The form of a ufunc for a loop with these dtype characters (operands and result), or None."""
    if chars[0] == HALF:
        return halves.form_of(ufunc, ufunc.__name__, chars)
    if chars[0] not in COMPLEX:
        return inline.form_of(ufunc, chars)
    form = PAIRS.get(ufunc.__name__)
    if form is None or getattr(np, ufunc.__name__, None) is not ufunc or len(set(chars[:-1])) != 1:
        return None
    return form if chars[-1] == (form.result or chars[0]) else None


def emitted(code: Code, name: str, char: str, lanes: int, operands: tuple[str, ...]) -> str:
    """The text of an inlined operation on elements of a dtype."""
    if char == HALF:
        return HALVES[name].emit(code, char, lanes, operands)
    forms = FORMS if char not in COMPLEX else PRODUCTS if name in PRODUCTS else PARTS if name in PARTS else PAIRS
    return forms[name].emit(code, char, lanes, operands)


def may_cast(source: str, target: str) -> bool:
    """Whether a cast is exact to the bit on every CPU. NumPy warns of one from complex to real."""
    if HALF in (source, target):
        return halves.may_cast(source, target)
    if source in COMPLEX:
        return target in COMPLEX or target == "?"
    return inline.may_cast(source, real_of(target) if target in COMPLEX else target)


def cast(code: Code, source: str, target: str, lanes: int, x: str) -> str:
    """The text of a cast for which `may_cast`."""
    if HALF in (source, target):
        return halves.cast(code, source, target, lanes, x)
    if source in COMPLEX:
        if target == "?":
            return _truth(code, source, lanes, x)
        return inline.cast(code, real_of(source), real_of(target), 2 * lanes, x)
    if target not in COMPLEX:
        return inline.cast(code, source, target, lanes, x)
    return with_no_imaginary_part(code, target, lanes, inline.cast(code, source, real_of(target), lanes, x))


def chosen(code: Code, char: str, lanes: int, truth: str, a: str, b: str) -> str:
    """Elements of a where it is true, else of b."""
    kind = vector(element(char), lanes)
    if char not in COMPLEX or lanes == 1:
        return code.let(f"select {vector('i1', lanes)} {truth}, {kind} {a}, {kind} {b}")
    each = _picked(code, vector("i1", lanes), truth, "poison", [k // 2 for k in range(2 * lanes)])
    return code.let(f"select {vector('i1', 2 * lanes)} {each}, {kind} {a}, {kind} {b}")
