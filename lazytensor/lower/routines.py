"""Functions that many kernels call, compiled once: strided copies, the way from row to row; and those of `transposing`,
`pairwise` and `extremes`."""

from __future__ import annotations

import threading

from . import extremes, native, pairwise, transposing
from .nest import OVER_PARTS, OVER_ROWS, OVER_SLABS, ROWS


def _copy() -> str:
    """``copy(target, its stride, source, its stride, count)``, strides in bytes: four elements at a time."""
    lines = ["define void @copyBITS(ptr %to, i64 %far, ptr %from, i64 %step, i64 %n) nounwind {", "entry:",
             "  %whole = and i64 %n, -4", "  br label %fours", "fours:", "  %i = phi i64 [0, %entry], [%i4, %four]",
             "  %t0 = phi ptr [%to, %entry], [%t4, %four]", "  %s0 = phi ptr [%from, %entry], [%s4, %four]",
             "  %more = icmp slt i64 %i, %whole", "  br i1 %more, label %four, label %ones", "four:"]
    for k in range(4):
        lines += [f"  %x{k} = load iBITS, ptr %s{k}, align SIZE", f"  store iBITS %x{k}, ptr %t{k}, align SIZE",
                  f"  %s{k + 1} = getelementptr i8, ptr %s{k}, i64 %step",
                  f"  %t{k + 1} = getelementptr i8, ptr %t{k}, i64 %far"]
    lines += ["  %i4 = add i64 %i, 4", "  br label %fours", "ones:", "  %j = phi i64 [%i, %fours], [%j1, %one]",
              "  %t = phi ptr [%t0, %fours], [%tt, %one]", "  %s = phi ptr [%s0, %fours], [%ss, %one]",
              "  %left = icmp slt i64 %j, %n", "  br i1 %left, label %one, label %done", "one:",
              "  %x = load iBITS, ptr %s, align SIZE", "  store iBITS %x, ptr %t, align SIZE",
              "  %ss = getelementptr i8, ptr %s, i64 %step", "  %tt = getelementptr i8, ptr %t, i64 %far",
              "  %j1 = add i64 %j, 1", "  br label %ones", "done:", "  ret void", "}", ""]
    return "\n".join(lines)


_FIRST_ZERO = """
define float @first_zero(float %x, ptr %row) nounwind {
entry:
  %zero = fcmp oeq float %x, 0.0
  br i1 %zero, label %look, label %done
look:
  %i = phi i64 [0, %entry], [%next, %look]
  %place = getelementptr float, ptr %row, i64 %i
  %y = load float, ptr %place
  %next = add i64 %i, 1
  %found = fcmp oeq float %y, 0.0
  br i1 %found, label %done, label %look
done:
  %first = phi float [%x, %entry], [%y, %look]
  ret float %first
}
"""
"""Of an element of a row: if it is zero, the first zero of the row, whose sign may be the other."""

_lock = threading.Lock()
_addresses: dict[str, int] = {}


def address(name: str) -> int:
    """The address of a function of `pairwise`, ``sum_f`` and the like, or of `extremes`, of ``transpose8`` to
    ``transpose64``, ``copy8`` to ``copy128``, ``first_row``, ``next_row``, ``over_rows``, ``over_slabs``,
    ``over_parts`` or ``first_zero``; compiled when first asked for."""
    found = _addresses.get(name)
    if found is None:
        text, names = _module(name)
        with _lock:
            _addresses.update(native.load(text, names))
        found = _addresses[name]
    return found


def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """The text of a routine's module, and what it has."""
    if name in ("first_row", "next_row", "over_rows"):
        return ROWS + OVER_ROWS, ("first_row", "next_row", "over_rows")
    if name == "over_slabs":
        return ROWS + OVER_SLABS, (name,)
    if name == "over_parts":
        return OVER_PARTS, (name,)
    if name.startswith(("greatest", "least")):
        return extremes.module(name), (name,)
    if name == "first_zero":
        return _FIRST_ZERO, (name,)
    if name.startswith("transpose"):
        return transposing.module(int(name.removeprefix("transpose"))), (name,)
    if name.startswith("copy"):
        bits = int(name.removeprefix("copy"))
        text = _copy().replace("iBITS", "<2 x i64>") if bits == 128 else _copy()  # a pair, which lies as its parts do
        return text.replace("BITS", str(bits)).replace("SIZE", str(min(bits, 64) // 8)), (name,)
    return pairwise.module(name), (name,)
