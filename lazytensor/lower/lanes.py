"""Loops as vectors that leave to another loop what they cannot do.

`loop_text` makes an inner loop of NumPy's signature from the text of a function on vectors: 64 bytes of contiguous
elements at a time. Where one is outside of what the function is for, the other loop computes the vector's. That is
asked before anything is computed, so no flag is raised for these elements that the other loop does not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from . import native
from .inline import Code, double, element, first_lanes, masked

_BYTES = 64


class Lanes:
    """Arithmetic on 64-byte vectors of floats and of their bits: each method is one operation, or two.

    A number of float32 is given as the double of its value.
    """

    zero = "zeroinitializer"

    def __init__(self, code: Code, char: str) -> None:
        self.code, self.char, self.element = code, char, element(char)
        self.size_of = 4 if char == "f" else 8
        self.lanes = _BYTES // self.size_of
        self.width = 8 * self.size_of
        self.sign_bit = 1 << self.width - 1
        self.kind, self.bits, self.truth = (f"<{self.lanes} x {x}>" for x in (self.element, f"i{self.width}", "i1"))

    def all(self, text: str) -> str:
        """A constant vector."""
        return f"<{', '.join([text] * self.lanes)}>"

    def constant(self, x: float | str) -> str:
        return self.all(f"{self.element} {double(x)}")

    def integer(self, n: int) -> str:
        return self.all(f"i{self.width} {n if n < self.sign_bit else n - 2 * self.sign_bit}")

    def op(self, name: str, a: str, b: str) -> str:
        """Of floats if its name begins with f, else of bits."""
        return self.code.let(f"{name} {self.kind if name[0] == 'f' else self.bits} {a}, {b}")

    def intrinsic(self, name: str, *operands: str) -> str:
        full = f"{self.kind} @llvm.{name}.v{self.lanes}f{self.width}"
        self.code.declare(f"declare {full}({', '.join([self.kind] * len(operands))})")
        return self.code.let(f"call {full}({', '.join(f'{self.kind} {x}' for x in operands)})")

    def fma(self, a: str, b: str, c: str) -> str:
        """a*b + c, rounded once."""
        return self.intrinsic("fma", a, b, c)

    def minus(self, a: str) -> str:
        return self.code.let(f"fneg {self.kind} {a}")

    def compare(self, how: str, a: str, b: str) -> str:
        return self.code.let(f"fcmp {how} {self.kind} {a}, {b}")

    def below(self, a: str, limit: int) -> str:
        """Whether bits are less than that, as numbers without a sign."""
        return self.code.let(f"icmp ult {self.bits} {a}, {self.integer(limit)}")

    def least(self, a: str, b: str) -> str:
        """The lesser bits, as numbers without a sign."""
        full = f"{self.bits} @llvm.umin.v{self.lanes}i{self.width}"
        self.code.declare(f"declare {full}({self.bits}, {self.bits})")
        return self.code.let(f"call {full}({self.bits} {a}, {self.bits} {b})")

    def either(self, a: str, b: str) -> str:
        return self.code.let(f"or {self.truth} {a}, {b}")

    def both(self, a: str, b: str) -> str:
        return self.code.let(f"and {self.truth} {a}, {b}")

    def not_(self, a: str) -> str:
        return self.code.let(f"xor {self.truth} {a}, {self.all('i1 true')}")

    def pick(self, where: str, a: str, b: str) -> str:
        return self.code.let(f"select {self.truth} {where}, {self.kind} {a}, {self.kind} {b}")

    def pick_bits(self, where: str, a: str, b: str) -> str:
        return self.code.let(f"select {self.truth} {where}, {self.bits} {a}, {self.bits} {b}")

    def to_bits(self, a: str) -> str:
        return self.code.let(f"bitcast {self.kind} {a} to {self.bits}")

    def to_float(self, a: str) -> str:
        return self.code.let(f"bitcast {self.bits} {a} to {self.kind}")

    def size(self, x: str) -> str:
        """The bits of abs(x)."""
        return self.op("and", self.to_bits(x), self.integer(self.sign_bit - 1))

    def sign(self, x: str) -> str:
        """The bit of its sign, in place."""
        return self.op("and", self.to_bits(x), self.integer(self.sign_bit))

    def flip(self, x: str, sign: str) -> str:
        """x with the other sign where that bit is set."""
        return self.to_float(self.op("xor", self.to_bits(x), sign))

    def polynomial(self, x: str, coefficients: tuple[str, ...]) -> str:
        """By Horner's rule, from the highest power."""
        value = self.constant(coefficients[0])
        for c in coefficients[1:]:
            value = self.fma(value, x, self.constant(c))
        return value

    def gather(self, array: str, places: str) -> str:
        """Elements of an array."""
        name, pointers = f"@llvm.masked.gather.v{self.lanes}f{self.width}.v{self.lanes}p0", f"<{self.lanes} x ptr>"
        self.code.declare(f"declare {self.kind} {name}({pointers}, i32, {self.truth}, {self.kind})")
        at = self.code.let(f"getelementptr {self.element}, ptr {array}, {self.bits} {places}")
        return self.code.let(f"call {self.kind} {name}({pointers} {at}, i32 {self.size_of}, {self.truth} "
                             f"{self.all('i1 true')}, {self.kind} poison)")


class Function(NamedTuple):
    """A function on vectors: text of where it is not to be used, text of its value where it is, definitions for that.

    It takes one operand or two, of one dtype, and gives a result of that dtype. It may be used where all are `filler`.
    """

    char: str
    operands: int
    outside: Callable[..., str]
    value: Callable[..., str]
    data: Callable[[], str] = str
    filler: float = 1.0


def loop_text(function: Function) -> str:
    """A module with `loop`, which has the signature of NumPy's inner loops, and imports the `other` loop.

    Strides that are not those of contiguous elements, or 0 for one of two operands, are left to the other loop.
    """
    code, n = Code(), function.operands
    v = Lanes(code, function.char)
    pointers = [operand_at(v, k) for k in range(n + 1)]
    count = code.let("load i64, ptr %dimensions")
    fits = code.let(f"and i1 {fits_strides(v, [v.size_of] * n, v.size_of)}, {code.let(f'icmp sgt i64 {count}, 0')}")
    others, vectors = code.fresh("others"), code.fresh("vectors")
    code.add(f"br i1 {fits}, label %{vectors}, label %{others}")
    code.label(others)
    code.add(f"ret i32 {left_to_other(v, '%data', '%dimensions', '%strides')}")
    code.label(vectors)
    bases, steps = _repeated(v, pointers, n)
    whole = code.let(f"and i64 {count}, -{v.lanes}")
    whole_vectors(v, n, bases, steps, whole)
    left = code.let(f"sub i64 {count}, {whole}")
    code.when(code.let(f"icmp ne i64 {left}, 0"), lambda: _rest(v, function, bases, steps, whole, left))
    code.add("ret i32 0")
    code.declare("declare i32 @other(ptr, ptr, ptr, ptr, ptr)")
    loop = code.function("i32 @loop(ptr %context, ptr %data, ptr %dimensions, ptr %strides, ptr %auxdata)")
    inner, declared = _blocks(function)
    return function.data() + "\n".join({**code.declared, **declared}) + "\n" + inner + loop


def operand_at(v: Lanes, k: int) -> str:
    """Where an operand or the result begins."""
    return v.code.let(f"load ptr, ptr {v.code.let(f'getelementptr ptr, ptr %data, i64 {k}')}")


def stride_of(v: Lanes, k: int) -> str:
    """The bytes from one of its elements to the next."""
    return v.code.let(f"load i64, ptr {v.code.let(f'getelementptr i64, ptr %strides, i64 {k}')}")


def left_to_other(v: Lanes, data: str, dimensions: str, strides: str) -> str:
    """A call of the other loop."""
    return v.code.let(f"call i32 @other(ptr %context, ptr {data}, ptr {dimensions}, ptr {strides}, ptr %auxdata)")


def fits_strides(v: Lanes, sizes: list[int], result: int) -> str:
    """Whether all strides are those of contiguous elements of these sizes, or one of two operands has 0."""
    code, strides = v.code, [stride_of(v, k) for k in range(len(sizes) + 1)]
    contiguous = [code.let(f"icmp eq i64 {x}, {size}") for x, size in zip(strides, [*sizes, result], strict=True)]
    if len(sizes) == 1:
        return code.let(f"and i1 {contiguous[0]}, {contiguous[1]}")
    repeated = [code.let(f"icmp eq i64 {x}, 0") for x in strides[:2]]
    either = code.let(f"or i1 {contiguous[0]}, {contiguous[1]}")
    known = [code.let(f"or i1 {a}, {b}") for a, b in zip(contiguous[:2], repeated, strict=True)]
    return code.let(f"and i1 {code.let(f'and i1 {either}, {contiguous[2]}')}, "
                    f"{code.let(f'and i1 {known[0]}, {known[1]}')}")


def _repeated(v: Lanes, pointers: list[str], operands: int) -> tuple[list[str], list[str]]:
    """For each operand and the result where its elements are, and the bytes from one to the next: an operand with
    stride 0 becomes a vector of its element."""
    code = v.code
    bases, steps = [], []
    for k, pointer in enumerate(pointers):
        if operands == 1 or k == operands:
            bases.append(pointer)
            steps.append(str(v.size_of))
            continue
        vector = code.alloca(v.kind)
        x = code.let(f"load {v.element}, ptr {pointer}, align {v.size_of}")
        one = code.let(f"insertelement {v.kind} poison, {v.element} {x}, i32 0")
        splat = code.let(f"shufflevector {v.kind} {one}, {v.kind} poison, <{v.lanes} x i32> zeroinitializer")
        code.add(f"store {v.kind} {splat}, ptr {vector}")
        step = stride_of(v, k)
        same = code.let(f"icmp eq i64 {step}, 0")
        bases.append(code.let(f"select i1 {same}, ptr {vector}, ptr {pointer}"))
        steps.append(step)
    return bases, steps


def element_at(v: Lanes, base: str, step: str, i: str) -> str:
    """Where element i is."""
    return v.code.let(f"getelementptr i8, ptr {base}, i64 {v.code.let(f'mul i64 {step}, {i}')}")


def whole_vectors(v: Lanes, operands: int, bases: list[str], steps: list[str], whole: str) -> None:
    """Vector by vector; where one is outside, the other loop, and on from there."""
    code = v.code
    place = code.alloca("i64", 8)
    code.add(f"store i64 0, ptr {place}")
    head, more, rescue, done = (code.fresh(x) for x in ("head", "more", "rescue", "done"))
    code.add(f"br label %{head}")
    code.label(head)
    start = code.let(f"load i64, ptr {place}")
    code.add(f"br i1 {code.let(f'icmp slt i64 {start}, {whole}')}, label %{more}, label %{done}")
    code.label(more)
    arguments = [f"ptr {x}" for x in bases] + [f"i64 {x}" for x in steps[:operands]]
    stopped = code.let(f"call i64 @blocks({', '.join(arguments)}, i64 {start}, i64 {whole})")
    code.add(f"store i64 {stopped}, ptr {place}")
    code.add(f"br i1 {code.let(f'icmp slt i64 {stopped}, {whole}')}, label %{rescue}, label %{done}")
    code.label(rescue)
    rescued(v, bases, steps, stopped, str(v.lanes))
    code.add(f"store i64 {code.let(f'add i64 {stopped}, {v.lanes}')}, ptr {place}")
    code.add(f"br label %{head}")
    code.label(done)


def rescued(v: Lanes, bases: list[str], steps: list[str], i: str, count: str) -> None:
    """The other loop on elements from i on."""
    code = v.code
    data, strides = code.alloca(f"[{len(bases)} x ptr]"), code.alloca(f"[{len(bases)} x i64]")
    size = code.alloca("i64", 8)
    for k, (base, step) in enumerate(zip(bases, steps, strict=True)):
        code.add(f"store ptr {element_at(v, base, step, i)}, ptr {code.let(f'getelementptr ptr, ptr {data}, i64 {k}')}")
        code.add(f"store i64 {step}, ptr {code.let(f'getelementptr i64, ptr {strides}, i64 {k}')}")
    code.add(f"store i64 {count}, ptr {size}")
    left_to_other(v, data, size, strides)


def _rest(v: Lanes, function: Function, bases: list[str], steps: list[str], start: str, left: str) -> None:
    """The last elements, fewer than a vector: padded in memory of our own."""
    code, n = v.code, function.operands
    padded = [code.alloca(v.kind) for _ in bases]
    filler, masks = v.constant(function.filler), "avx512f" in native.features()
    some = first_lanes(code, left, v.lanes) if masks else ""

    def take(i: str) -> None:
        j = code.let(f"add i64 {start}, {i}")
        for k in range(n):
            x = code.let(f"load {v.element}, ptr {element_at(v, bases[k], steps[k], j)}, align {v.size_of}")
            code.add(f"store {v.element} {x}, ptr {element_at(v, padded[k], str(v.size_of), i)}")

    def give(i: str) -> None:
        x = code.let(f"load {v.element}, ptr {element_at(v, padded[n], str(v.size_of), i)}")
        j = code.let(f"add i64 {start}, {i}")
        code.add(f"store {v.element} {x}, ptr {element_at(v, bases[n], steps[n], j)}, align {v.size_of}")
    for k, place in enumerate(padded[:n]):
        there = element_at(v, bases[k], steps[k], start)
        x = masked(code, "load", v.kind, there, some, v.size_of, filler) if masks else filler
        code.add(f"store {v.kind} {x}, ptr {place}")
    if not masks:
        code.loop("0", left, 1, take)
    arguments = [f"ptr {x}" for x in padded] + [f"i64 {v.size_of}"] * n
    stopped = code.let(f"call i64 @blocks({', '.join(arguments)}, i64 0, i64 {v.lanes})")
    outside = code.let(f"icmp eq i64 {stopped}, 0")
    code.when(outside, lambda: rescued(v, padded, [str(v.size_of)] * (n + 1), "0", left))
    if masks:
        x = code.let(f"load {v.kind}, ptr {padded[n]}")
        masked(code, "store", v.kind, element_at(v, bases[n], steps[n], start), some, v.size_of, x)
    else:
        code.loop("0", left, 1, give)


def _blocks(function: Function) -> tuple[str, dict[str, None]]:
    """The vectors one after the other up to the first that is outside, whose place is returned; else the end."""
    code, n = Code(), function.operands
    v = Lanes(code, function.char)

    def one(i: str) -> None:
        operands = [code.let(f"load {v.kind}, ptr {element_at(v, f'%x{k}', f'%step{k}', i)}, align {v.size_of}")
                    for k in range(n)]
        lanes = code.let(f"bitcast {v.truth} {function.outside(v, *operands)} to i{v.lanes}")
        stop, go = code.fresh("stop"), code.fresh("go")
        code.add(f"br i1 {code.let(f'icmp ne i{v.lanes} {lanes}, 0')}, label %{stop}, label %{go}")
        code.label(stop)
        code.add(f"ret i64 {i}")
        code.label(go)
        result = function.value(v, *operands)
        code.add(f"store {v.kind} {result}, ptr {element_at(v, f'%x{n}', str(v.size_of), i)}, align {v.size_of}")
    code.loop("%start", "%stop", v.lanes, one)
    code.add("ret i64 %stop")
    arguments = [f"ptr %x{k}" for k in range(n + 1)] + [f"i64 %step{k}" for k in range(n)]
    return code.function(f"internal i64 @blocks({', '.join(arguments)}, i64 %start, i64 %stop)"), code.declared
