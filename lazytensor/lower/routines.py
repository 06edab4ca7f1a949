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
define internal <8 x KIND> @rest_CHAR(ptr %x, i64 %from, i64 %n, <8 x KIND> %start) {
entry:
  %whole = and i64 %n, -8
  br label %head
head:
  %i = phi i64 [%from, %entry], [%i1, %body]
  %r = phi <8 x KIND> [%start, %entry], [%r1, %body]
  %more = icmp slt i64 %i, %whole
  br i1 %more, label %body, label %end
body:
  %p = getelementptr KIND, ptr %x, i64 %i
  %v = load <8 x KIND>, ptr %p, align SIZE
  %r1 = fadd <8 x KIND> %r, %v
  %i1 = add i64 %i, 8
  br label %head
end:
  ret <8 x KIND> %r
}
TOGETHER4
TOGETHER8
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
  %first0 = lshr i64 %half, 1
  %quarter = and i64 %first0, -8
  %second0 = lshr i64 %rest, 1
  %second = and i64 %second0, -8
  %last = sub i64 %rest, %second
  %third0 = lshr i64 %last, 1
  %third = and i64 %third0, -8
  %least = sub i64 %last, %third
  %quartered = icmp sgt i64 %quarter, 128
  %ends8 = icmp sle i64 %least, 128
  %eighths = and i1 %quartered, %ends8
  br i1 %eighths, label %eight, label %fewer
eight:
  %e = call KIND @together8_CHAR(ptr %x, i64 %n)
  ret KIND %e
fewer:
  %halved = icmp sgt i64 %half, 128
  %ends = icmp sle i64 %last, 128
  %quarters = and i1 %halved, %ends
  br i1 %quarters, label %four, label %split
four:
  %q = call KIND @together4_CHAR(ptr %x, i64 %n)
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
blocks of 128, in which 8 accumulators run side by side. Four or eight such blocks at a time, for an addition takes its
time, and their accumulators are folded together."""


def _together(count: int) -> str:
    """``togetherCOUNT(x, n)``: a sum whose tree has that many blocks, a power of two, at the same depth."""
    lines: list[str] = [f"define internal KIND @together{count}_CHAR(ptr %x, i64 %n) {{", "entry:"]
    blocks = [("%x", "%n")]  # place and length
    while len(blocks) < count:
        halves: list[tuple[str, str]] = []
        for place, length in blocks:
            name = f"{len(blocks)}_{len(halves)}"
            lines += [f"  %h{name} = lshr i64 {length}, 1", f"  %l{name} = and i64 %h{name}, -8",
                      f"  %r{name} = sub i64 {length}, %l{name}",
                      f"  %p{name} = getelementptr KIND, ptr {place}, i64 %l{name}"]
            halves += [(place, f"%l{name}"), (f"%p{name}", f"%r{name}")]
        blocks = halves
    shortest, last = blocks[0][1], blocks[-1]
    lines += ["  br label %head", "head:", "  %i = phi i64 [0, %entry], [%i1, %body]"]
    lines += [f"  %s{b} = phi <8 x KIND> [splat (KIND -0.0), %entry], [%t{b}, %body]" for b in range(count)]
    lines += [f"  %more = icmp slt i64 %i, {shortest}", "  br i1 %more, label %body, label %fold", "body:"]
    for b, (place, _) in enumerate(blocks):
        lines += [f"  %q{b} = getelementptr KIND, ptr {place}, i64 %i",
                  f"  %v{b} = load <8 x KIND>, ptr %q{b}, align SIZE", f"  %t{b} = fadd <8 x KIND> %s{b}, %v{b}"]
    lines += ["  %i1 = add i64 %i, 8", "  br label %head", "fold:"]
    vectors = ["%s0"]
    for b, (place, length) in enumerate(blocks[1:], 1):
        lines.append(f"  %u{b} = call <8 x KIND> @rest_CHAR(ptr {place}, i64 {shortest}, i64 {length}, "
                     f"<8 x KIND> %s{b})")
        vectors.append(f"%u{b}")
    for level in range(3):  # neighbours are added: eight accumulators of each block become one sum
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True)) if len(vectors) > 1 else [(vectors[0], "poison")]
        vectors = []
        for j, (left, right) in enumerate(pairs):
            for half in ("EVEN", "ODD"):
                lines.append(f"  %{half.lower()}{level}_{j} = shufflevector <8 x KIND> {left}, <8 x KIND> {right}, "
                             f"<8 x i32> {half}")
            lines.append(f"  %w{level}_{j} = fadd <8 x KIND> %even{level}_{j}, %odd{level}_{j}")
            vectors.append(f"%w{level}_{j}")
    lines += [f"  %b{b} = extractelement <8 x KIND> {vectors[0]}, i32 {b}" for b in range(count)]
    lines += [f"  %whole = and i64 {last[1]}, -8", "  br label %tail", "tail:",
              "  %j = phi i64 [%whole, %fold], [%j1, %add]", f"  %c0 = phi KIND [%b{count - 1}, %fold], [%c1, %add]",
              f"  %over = icmp slt i64 %j, {last[1]}", "  br i1 %over, label %add, label %done", "add:",
              f"  %z = getelementptr KIND, ptr {last[0]}, i64 %j", "  %y = load KIND, ptr %z, align SIZE",
              "  %c1 = fadd KIND %c0, %y", "  %j1 = add i64 %j, 1", "  br label %tail", "done:"]
    sums = [f"%b{b}" for b in range(count - 1)] + ["%c0"]
    while len(sums) > 1:
        k = len(sums)
        lines += [f"  %d{k}_{j} = fadd KIND {sums[2 * j]}, {sums[2 * j + 1]}" for j in range(k // 2)]
        sums = [f"%d{k}_{j}" for j in range(k // 2)]
    return "\n".join([*lines, f"  ret KIND {sums[0]}", "}"])


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
    """The address of ``sum_f``, ``sum_d``, ``transpose8`` to ``transpose64``, ``copy8`` to ``copy128``, ``first_row``
    or ``next_row``, compiled when first asked for."""
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
        text = text.replace("iBITS", "<2 x i64>") if bits == 128 else text  # a pair, which lies as its parts do
        return text.replace("BITS", str(bits)).replace("SIZE", str(min(bits, 64) // 8)), (name,)
    char = name.removeprefix("sum_")
    kind, size = {"f": ("float", 4), "d": ("double", 8)}[char]
    even, odd = (f"<{', '.join(f'i32 {i}' for i in range(first, 16, 2))}>" for first in (0, 1))
    text = SUM.replace("TOGETHER4", _together(4)).replace("TOGETHER8", _together(8))
    for word, value in (("EVEN", even), ("ODD", odd), ("KIND", kind), ("CHAR", char), ("SIZE", str(size))):
        text = text.replace(word, value)
    return text, (name,)
