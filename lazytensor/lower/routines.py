"""Functions that many kernels call, compiled once: NumPy's pairwise sum, turning rows into columns, strided copies,
the way from row to row."""

from __future__ import annotations

import threading

from . import native
from .nest import ROWS

SUM = """
define internal KIND @leaf_CHAR(ptr %x, i64 %from, i64 %n, <8 x KIND> %start) {
entry:
  %whole = and i64 %n, -8
  br label %head
head:
  %i = phi i64 [%from, %entry], [%i1, %body]
  %r = phi <8 x KIND> [%start, %entry], [%r1, %body]
  %more = icmp slt i64 %i, %whole
  br i1 %more, label %body, label %fold
body:
  %p = getelementptr KIND, ptr %x, i64 %i
  %v = load <8 x KIND>, ptr %p, align SIZE
  %r1 = fadd <8 x KIND> %r, %v
  %i1 = add i64 %i, 8
  br label %head
fold:
  %e8 = shufflevector <8 x KIND> %r, <8 x KIND> poison, <4 x i32> <i32 0, i32 2, i32 4, i32 6>
  %o8 = shufflevector <8 x KIND> %r, <8 x KIND> poison, <4 x i32> <i32 1, i32 3, i32 5, i32 7>
  %s4 = fadd <4 x KIND> %e8, %o8
  %e4 = shufflevector <4 x KIND> %s4, <4 x KIND> poison, <2 x i32> <i32 0, i32 2>
  %o4 = shufflevector <4 x KIND> %s4, <4 x KIND> poison, <2 x i32> <i32 1, i32 3>
  %s2 = fadd <2 x KIND> %e4, %o4
  %e2 = extractelement <2 x KIND> %s2, i32 0
  %o2 = extractelement <2 x KIND> %s2, i32 1
  %s1 = fadd KIND %e2, %o2
  br label %tail
tail:
  %j = phi i64 [%whole, %fold], [%j1, %add]
  %t = phi KIND [%s1, %fold], [%t1, %add]
  %left = icmp slt i64 %j, %n
  br i1 %left, label %add, label %done
add:
  %q = getelementptr KIND, ptr %x, i64 %j
  %y = load KIND, ptr %q, align SIZE
  %t1 = fadd KIND %t, %y
  %j1 = add i64 %j, 1
  br label %tail
done:
  ret KIND %t
}
define internal KIND @four_CHAR(ptr %x, i64 %n) {
entry:
  %left0 = lshr i64 %n, 1
  %left = and i64 %left0, -8
  %right = sub i64 %n, %left
  %na0 = lshr i64 %left, 1
  %na = and i64 %na0, -8
  %nb = sub i64 %left, %na
  %nc0 = lshr i64 %right, 1
  %nc = and i64 %nc0, -8
  %nd = sub i64 %right, %nc
  %b = getelementptr KIND, ptr %x, i64 %na
  %c = getelementptr KIND, ptr %x, i64 %left
  %d = getelementptr KIND, ptr %c, i64 %nc
  br label %head
head:
  %i = phi i64 [0, %entry], [%i1, %body]
  %ra = phi <8 x KIND> [splat (KIND -0.0), %entry], [%ra1, %body]
  %rb = phi <8 x KIND> [splat (KIND -0.0), %entry], [%rb1, %body]
  %rc = phi <8 x KIND> [splat (KIND -0.0), %entry], [%rc1, %body]
  %rd = phi <8 x KIND> [splat (KIND -0.0), %entry], [%rd1, %body]
  %more = icmp slt i64 %i, %na
  br i1 %more, label %body, label %fold
body:
  %pa = getelementptr KIND, ptr %x, i64 %i
  %pb = getelementptr KIND, ptr %b, i64 %i
  %pc = getelementptr KIND, ptr %c, i64 %i
  %pd = getelementptr KIND, ptr %d, i64 %i
  %va = load <8 x KIND>, ptr %pa, align SIZE
  %vb = load <8 x KIND>, ptr %pb, align SIZE
  %vc = load <8 x KIND>, ptr %pc, align SIZE
  %vd = load <8 x KIND>, ptr %pd, align SIZE
  %ra1 = fadd <8 x KIND> %ra, %va
  %rb1 = fadd <8 x KIND> %rb, %vb
  %rc1 = fadd <8 x KIND> %rc, %vc
  %rd1 = fadd <8 x KIND> %rd, %vd
  %i1 = add i64 %i, 8
  br label %head
fold:
  %sa = call KIND @leaf_CHAR(ptr %x, i64 %na, i64 %na, <8 x KIND> %ra)
  %sb = call KIND @leaf_CHAR(ptr %b, i64 %na, i64 %nb, <8 x KIND> %rb)
  %sc = call KIND @leaf_CHAR(ptr %c, i64 %na, i64 %nc, <8 x KIND> %rc)
  %sd = call KIND @leaf_CHAR(ptr %d, i64 %na, i64 %nd, <8 x KIND> %rd)
  %ab = fadd KIND %sa, %sb
  %cd = fadd KIND %sc, %sd
  %all = fadd KIND %ab, %cd
  ret KIND %all
}
define KIND @sum_CHAR(ptr %x, i64 %n) {
entry:
  %tiny = icmp slt i64 %n, 8
  br i1 %tiny, label %few, label %many
many:
  %large = icmp sgt i64 %n, 128
  br i1 %large, label %some, label %block
some:
  %half0 = lshr i64 %n, 1
  %half = and i64 %half0, -8
  %rest = sub i64 %n, %half
  %quarter0 = lshr i64 %rest, 1
  %quarter = and i64 %quarter0, -8
  %last = sub i64 %rest, %quarter
  %halved = icmp sgt i64 %half, 128
  %ends = icmp sle i64 %last, 128
  %quarters = and i1 %halved, %ends
  br i1 %quarters, label %four, label %split
four:
  %q = call KIND @four_CHAR(ptr %x, i64 %n)
  ret KIND %q
split:
  %right = getelementptr KIND, ptr %x, i64 %half
  %a = call KIND @sum_CHAR(ptr %x, i64 %half)
  %b = call KIND @sum_CHAR(ptr %right, i64 %rest)
  %ab = fadd KIND %a, %b
  ret KIND %ab
block:
  %first = load <8 x KIND>, ptr %x, align SIZE
  %l = call KIND @leaf_CHAR(ptr %x, i64 8, i64 %n, <8 x KIND> %first)
  ret KIND %l
few:
  br label %tail
tail:
  %j = phi i64 [0, %few], [%j1, %add]
  %t = phi KIND [-0.0, %few], [%t1, %add]
  %left = icmp slt i64 %j, %n
  br i1 %left, label %add, label %done
add:
  %qq = getelementptr KIND, ptr %x, i64 %j
  %y = load KIND, ptr %qq, align SIZE
  %t1 = fadd KIND %t, %y
  %j1 = add i64 %j, 1
  br label %tail
done:
  ret KIND %t
}
"""
"""NumPy's pairwise sum of n contiguous elements (`pairwise_sum` in its loops): halves that are multiples of 8 down to
blocks of 128, in which 8 accumulators run side by side. Four such blocks at a time, for an addition takes its time."""


def _transpose() -> str:
    """``transpose(source, bytes from lane to lane, bytes along, buffer, lanes in a row of it, lanes, length)``: by
    squares of 8 where elements lie together along the rows, what is left one by one."""
    lines = ["define void @transposeBITS(ptr %s, i64 %across, i64 %inner, ptr %b, i64 %tile, i64 %lanes, "
             "i64 %n) {", "entry:", "  %dense = icmp eq i64 %inner, SIZE", "  %l8 = and i64 %lanes, -8",
             "  %n8 = and i64 %n, -8", "  %lanes8 = select i1 %dense, i64 %l8, i64 0",
             "  br label %rows", "rows:", "  %j = phi i64 [0, %entry], [%j8, %rowsdone]",
             "  %more = icmp slt i64 %j, %lanes8", "  br i1 %more, label %cells, label %rest",
             "cells:", "  %k = phi i64 [0, %rows], [%k8, %square]", "  %inside = icmp slt i64 %k, %n8",
             "  br i1 %inside, label %square, label %rowsdone", "square:"]
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
    lines += ["  %k8 = add i64 %k, 8", "  br label %cells", "rowsdone:", "  %j8 = add i64 %j, 8", "  br label %rows",
              "rest:", "  %u = phi i64 [0, %rows], [%u1, %restdone]", "  %umore = icmp slt i64 %u, %lanes",
              "  br i1 %umore, label %restrow, label %done", "restrow:", "  %done8 = icmp slt i64 %u, %lanes8",
              "  %from = select i1 %done8, i64 %n8, i64 0", "  %uo = mul i64 %u, %across",
              "  %up = getelementptr i8, ptr %s, i64 %uo", "  br label %one", "one:",
              "  %v = phi i64 [%from, %restrow], [%v1, %cell]", "  %vmore = icmp slt i64 %v, %n",
              "  br i1 %vmore, label %cell, label %restdone", "cell:", "  %vo = mul i64 %v, %inner",
              "  %vp = getelementptr i8, ptr %up, i64 %vo", "  %y = load iBITS, ptr %vp, align SIZE",
              "  %vt = mul i64 %v, %tile", "  %vi = add i64 %vt, %u", "  %vq = getelementptr iBITS, ptr %b, i64 %vi",
              "  store iBITS %y, ptr %vq, align SIZE", "  %v1 = add i64 %v, 1", "  br label %one",
              "restdone:", "  %u1 = add i64 %u, 1", "  br label %rest", "done:", "  ret void", "}", ""]
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


_lock = threading.Lock()
_addresses: dict[str, int] = {}


def address(name: str) -> int:
    """The address of ``sum_f``, ``sum_d``, ``transpose8`` to ``transpose64``, ``copy8`` to ``copy64``, ``first_row`` or
    ``next_row``, compiled when first asked for."""
    found = _addresses.get(name)
    if found is None:
        text, names = _module(name)
        with _lock:
            _addresses.update(native.load(text, names))
        found = _addresses[name]
    return found


def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """The text of a routine's module, and what it has."""
    if name in ("first_row", "next_row"):
        return ROWS, ("first_row", "next_row")
    if not name.startswith("sum_"):
        bits = int(name.removeprefix("copy").removeprefix("transpose"))
        text = _copy() if name.startswith("copy") else _transpose()
        return text.replace("BITS", str(bits)).replace("SIZE", str(bits // 8)), (name,)
    char = name.removeprefix("sum_")
    kind, size = {"f": ("float", 4), "d": ("double", 8)}[char]
    return SUM.replace("KIND", kind).replace("CHAR", char).replace("SIZE", str(size)), (name,)
