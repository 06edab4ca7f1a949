"""Functions that many kernels call, compiled once: turning rows into columns, strided copies, the way from row to row;
and those of `pairwise` and `extremes`."""

from __future__ import annotations

import threading

from . import extremes, native, pairwise
from .nest import OVER_PARTS, OVER_ROWS, OVER_SLABS, ROWS


def _transpose() -> str:
    """``transpose(source, bytes from lane to lane, bytes along, buffer, lanes in a row of it, lanes, length)``: by
    squares of 8 where elements lie together along the rows, the last of which overlap those before them; one by one
    where no square fits."""
    lines = ["define void @transposeBITS(ptr %s, i64 %across, i64 %inner, ptr %b, i64 %tile, i64 %lanes, "
             "i64 %n) {", "entry:", "  %dense = icmp eq i64 %inner, SIZE", "  %least = call i64 @llvm.smin.i64(i64 "
             "%lanes, i64 %n)", "  %room = icmp sge i64 %least, 8", "  %squares = and i1 %dense, %room",
             "  %lastj = sub i64 %lanes, 8", "  %lastk = sub i64 %n, 8",
             "  br i1 %squares, label %rows, label %rest",
             "rows:", "  %j0 = phi i64 [0, %entry], [%j8, %rowsdone]",
             "  %more = icmp slt i64 %j0, %lanes", "  br i1 %more, label %cells, label %done",
             "cells:", "  %k0 = phi i64 [0, %rows], [%k8, %square]", "  %inside = icmp slt i64 %k0, %n",
             "  br i1 %inside, label %square, label %rowsdone", "square:",
             "  %j = call i64 @llvm.smin.i64(i64 %j0, i64 %lastj)", "  %k = call i64 @llvm.smin.i64(i64 %k0, i64 %lastk)"]
    for r in range(8):
        lines += [f"  %r{r} = add i64 %j, {r}", f"  %o{r} = mul i64 %r{r}, %across",
                  f"  %p{r} = getelementptr i8, ptr %s, i64 %o{r}", f"  %q{r} = getelementptr iBITS, ptr %p{r}, i64 %k",
                  f"  %x0_{r} = load <8 x iBITS>, ptr %q{r}, align SIZE"]
    for stage, width in enumerate((1, 2, 4)):
        for r in range(8):
            if r & width:
                continue
            low = [c if not c & width else c - width + 8 for c in range(8)]
            high = [c + width if not c & width else c + 8 for c in range(8)]
            for target, picks in ((r, low), (r + width, high)):
                mask = ", ".join(f"i32 {p}" for p in picks)
                lines.append(f"  %x{stage + 1}_{target} = shufflevector <8 x iBITS> %x{stage}_{r}, <8 x iBITS> "
                             f"%x{stage}_{r + width}, <8 x i32> <{mask}>")
    for r in range(8):
        lines += [f"  %d{r} = add i64 %k, {r}", f"  %e{r} = mul i64 %d{r}, %tile", f"  %f{r} = add i64 %e{r}, %j",
                  f"  %g{r} = getelementptr iBITS, ptr %b, i64 %f{r}",
                  f"  store <8 x iBITS> %x3_{r}, ptr %g{r}, align SIZE"]
    lines += ["  %k8 = add i64 %k0, 8", "  br label %cells", "rowsdone:", "  %j8 = add i64 %j0, 8", "  br label %rows",
              "rest:", "  %u = phi i64 [0, %entry], [%u1, %restdone]", "  %umore = icmp slt i64 %u, %lanes",
              "  br i1 %umore, label %restrow, label %done", "restrow:", "  %uo = mul i64 %u, %across",
              "  %up = getelementptr i8, ptr %s, i64 %uo", "  br label %one", "one:",
              "  %v = phi i64 [0, %restrow], [%v1, %cell]", "  %vmore = icmp slt i64 %v, %n",
              "  br i1 %vmore, label %cell, label %restdone", "cell:", "  %vo = mul i64 %v, %inner",
              "  %vp = getelementptr i8, ptr %up, i64 %vo", "  %y = load iBITS, ptr %vp, align SIZE",
              "  %vt = mul i64 %v, %tile", "  %vi = add i64 %vt, %u", "  %vq = getelementptr iBITS, ptr %b, i64 %vi",
              "  store iBITS %y, ptr %vq, align SIZE", "  %v1 = add i64 %v, 1", "  br label %one",
              "restdone:", "  %u1 = add i64 %u, 1", "  br label %rest", "done:", "  ret void", "}",
              "declare i64 @llvm.smin.i64(i64, i64)", ""]
    return "\n".join(lines)


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
    if name.startswith(("copy", "transpose")):
        bits = int(name.removeprefix("copy").removeprefix("transpose"))
        text = _copy() if name.startswith("copy") else _transpose()
        text = text.replace("iBITS", "<2 x i64>") if bits == 128 else text  # a pair, which lies as its parts do
        return text.replace("BITS", str(bits)).replace("SIZE", str(min(bits, 64) // 8)), (name,)
    return pairwise.module(name), (name,)
