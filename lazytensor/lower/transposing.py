"""A routine that turns rows of elements into columns."""

from __future__ import annotations

import functools
from collections.abc import Callable

from . import native
from .inline import Code, first_lanes, masked, vector

_SIDE = 8
_NEEDED = frozenset(("avx512f", "avx512bw", "avx512vl"))
"""What a CPU has to have so that a part of a vector is read and written in one instruction."""


def module(bits: int) -> str:
    """The text of ``transposeBITS(source, bytes from row to row, bytes along, target, elements in a row of it, rows,
    columns)``: element k of row j goes to place j of the target's row k.

    Where elements lie together along the rows they go by squares, the last of which overlap those before them; squares
    that do not fit are done in part. Else they go one by one.
    """
    code, size = Code(), bits // 8
    code.declare("declare i64 @llvm.smin.i64(i64, i64)")
    dense = code.let(f"icmp eq i64 %inner, {size}")
    large = code.let(f"icmp sge i64 {_least(code, '%rows', '%columns')}, {_SIDE}")
    squares = code.let(f"and i1 {dense}, {large}")
    last_row, last_column = (code.let(f"sub i64 {x}, {_SIDE}") for x in ("%rows", "%columns"))

    def by_squares(body: Callable[[str, str], None]) -> None:
        code.loop("0", "%rows", _SIDE, lambda j: code.loop("0", "%columns", _SIDE, lambda k: body(j, k)))
    code.when(squares, lambda: by_squares(lambda j, k: _square(
        code, bits, _least(code, j, last_row), _least(code, k, last_column))))
    single = code.let(f"xor i1 {squares}, true")
    if native.features() >= _NEEDED:
        parts = code.let(f"and i1 {dense}, {single}")
        code.when(parts, lambda: by_squares(lambda j, k: _part(code, bits, j, k)))
        single = code.let(f"xor i1 {dense}, true")
    code.when(single, lambda: code.loop("0", "%rows", 1, lambda j: code.loop(
        "0", "%columns", 1, lambda k: _one(code, bits, j, k))))
    code.add("ret void")
    body = code.function(f"void @transpose{bits}(ptr %source, i64 %across, i64 %inner, ptr %target, i64 %tile, "
                         "i64 %rows, i64 %columns)")
    return "\n".join(code.declared) + "\n" + body


def _least(code: Code, a: str, b: str) -> str:
    return code.let(f"call i64 @llvm.smin.i64(i64 {a}, i64 {b})")


def _from(code: Code, bits: int, j: str, k: str) -> str:
    """Where element k of row j is, elements lying together."""
    row = code.let(f"getelementptr i8, ptr %source, i64 {code.let(f'mul i64 {j}, %across')}")
    return code.let(f"getelementptr i{bits}, ptr {row}, i64 {k}")


def _to(code: Code, bits: int, j: str, k: str) -> str:
    """Where it goes."""
    place = code.let(f"add i64 {code.let(f'mul i64 {k}, %tile')}, {j}")
    return code.let(f"getelementptr i{bits}, ptr %target, i64 {place}")


def _one(code: Code, bits: int, j: str, k: str) -> None:
    row = code.let(f"getelementptr i8, ptr %source, i64 {code.let(f'mul i64 {j}, %across')}")
    place = code.let(f"getelementptr i8, ptr {row}, i64 {code.let(f'mul i64 {k}, %inner')}")
    x = code.let(f"load i{bits}, ptr {place}, align {bits // 8}")
    code.add(f"store i{bits} {x}, ptr {_to(code, bits, j, k)}, align {bits // 8}")


def _square(code: Code, bits: int, j: str, k: str) -> None:
    """Eight elements of eight rows."""
    kind, align = vector(f"i{bits}", _SIDE), bits // 8
    rows = [code.let(f"load {kind}, ptr {_from(code, bits, code.let(f'add i64 {j}, {r}'), k)}, align {align}")
            for r in range(_SIDE)]
    for c, column in enumerate(_turned(code, kind, rows)):
        code.add(f"store {kind} {column}, ptr {_to(code, bits, j, code.let(f'add i64 {k}, {c}'))}, align {align}")


def _part(code: Code, bits: int, j: str, k: str) -> None:
    """As many elements of as many rows as there are, up to eight of each."""
    kind, align = vector(f"i{bits}", _SIDE), bits // 8
    wide, high = (_first(code, code.let(f"sub i64 {x}")) for x in (f"%columns, {k}", f"%rows, {j}"))
    last = code.let("sub i64 %rows, 1")
    rows = [masked(code, "load", kind, _from(code, bits, _least(code, code.let(f"add i64 {j}, {r}"), last), k), wide,
                   align, "zeroinitializer") for r in range(_SIDE)]
    columns = _turned(code, kind, rows)

    def keep(c: int, at: str) -> None:
        masked(code, "store", kind, _to(code, bits, j, at), high, align, columns[c])
    for c in range(_SIDE):
        at = code.let(f"add i64 {k}, {c}")
        code.when(code.let(f"icmp slt i64 {at}, %columns"), functools.partial(keep, c, at))


def _first(code: Code, count: str) -> str:
    """A mask of so many of the lanes, or all."""
    return first_lanes(code, _least(code, count, str(_SIDE)), _SIDE)


def _turned(code: Code, kind: str, rows: list[str]) -> list[str]:
    """The columns of a square: halves of it change places, then halves of these."""
    for width in (1, 2, 4):
        columns = list(rows)
        for r in range(_SIDE):
            if not r & width:
                low = [c if not c & width else c - width + _SIDE for c in range(_SIDE)]
                high = [c + width if not c & width else c + _SIDE for c in range(_SIDE)]
                for target, picks in ((r, low), (r + width, high)):
                    mask = ", ".join(f"i32 {p}" for p in picks)
                    columns[target] = code.let(f"shufflevector {kind} {rows[r]}, {kind} {rows[r + width]}, "
                                               f"<{_SIDE} x i32> <{mask}>")
        rows = columns
    return rows
