"""The text of NumPy's pairwise sum, of numbers that lie in memory or are computed from such on the way.

`numpy/_core/src/umath/loops_utils.h.src` has it (`pairwise_sum`): halves that are multiples of 8 down to blocks of 128
elements, in which 8 accumulators run side by side. Here up to four or eight such blocks go at a time, for an addition
takes its time, and their accumulators are folded together.

Functions of the module, for floats ``f`` and ``d``, each of the n elements from x on:

* ``sum_d(x, n)``: their sum.
* ``squares_d(x, n, mean)``: the sum of the squares of what they are more than the mean.
* ``products_d(x, n, d)``: the sum of their products with those that lie d bytes further.
* ``extent_d(x, n, out)``: their sum, least and greatest into memory, 8 bytes each; 0 if a NaN came up, then nothing is
  said.

``near_sum_d`` and the like do not ask for what lies beyond the elements: they are in the cache, or somebody else does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TREE = """
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
define internal KIND @leaf_CHAR(ptr %x, i64 %from, i64 %n, <8 x KIND> %startEXTRA) {
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
TOGETHER2
TOGETHER4
TOGETHER8
define LINKAGEKIND @NAME_CHAR(ptr %x, i64 %nEXTRA) {
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
  %two = icmp sle i64 %rest, 128
  br i1 %two, label %pair, label %further
pair:
  %p2 = call KIND @together2_CHAR(ptr %x, i64 %nEXTRA)
  ret KIND %p2
further:
  %second0 = lshr i64 %rest, 1
  %second = and i64 %second0, -8
  %last = sub i64 %rest, %second
EIGHTHS
  %halved = icmp sgt i64 %half, 128
  %ends = icmp sle i64 %last, 128
  %quarters = and i1 %halved, %ends
  br i1 %quarters, label %four, label %split
four:
  %q = call KIND @together4_CHAR(ptr %x, i64 %nEXTRA)
  ret KIND %q
split:
  %right = getelementptr KIND, ptr %x, i64 %half
  %a = call KIND @NAME_CHAR(ptr %x, i64 %halfEXTRA)
  %b = call KIND @NAME_CHAR(ptr %right, i64 %restEXTRA)
  %ab = fadd KIND %a, %b
  ret KIND %ab
block:
  %first = load <8 x KIND>, ptr %x, align SIZE
  %l = call KIND @leaf_CHAR(ptr %x, i64 8, i64 %n, <8 x KIND> %firstEXTRA)
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
"""``NAME_CHAR(x, n)``; what further words EXTRA stands for goes with every call."""

_EIGHTHS = """
  %first0 = lshr i64 %half, 1
  %quarter = and i64 %first0, -8
  %third0 = lshr i64 %last, 1
  %third = and i64 %third0, -8
  %least = sub i64 %last, %third
  %quartered = icmp sgt i64 %quarter, 128
  %ends8 = icmp sle i64 %least, 128
  %eighths = and i1 %quartered, %ends8
  br i1 %eighths, label %eight, label %fewer
eight:
  %e = call KIND @together8_CHAR(ptr %x, i64 %nEXTRA)
  ret KIND %e
fewer:
"""

_WRAPPED = {"sum": "", "products": "", "squares": """
define KIND @squares_CHAR(ptr %x, i64 %n, KIND %mean) {
entry:
  %one = insertelement <8 x KIND> poison, KIND %mean, i32 0
  %means = shufflevector <8 x KIND> %one, <8 x KIND> poison, <8 x i32> zeroinitializer
  %s = call KIND @deviations_CHAR(ptr %x, i64 %nEXTRA)
  ret KIND %s
}
""", "extent": """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define i32 @extent_CHAR(ptr %x, i64 %n, ptr %out) {
entry:
  %status = alloca i32, align 8
  %acc = alloca [128 x i8], align 64
  call void @llvm.x86.sse.stmxcsr(ptr %status)
  %first = load KIND, ptr %x, align SIZE
  %one = insertelement <8 x KIND> poison, KIND %first, i32 0
  %all = shufflevector <8 x KIND> %one, <8 x KIND> poison, <8 x i32> zeroinitializer
  %greatest = getelementptr i8, ptr %acc, i64 64
  store <8 x KIND> %all, ptr %acc, align 64
  store <8 x KIND> %all, ptr %greatest, align 64
  %s = call KIND @seen_CHAR(ptr %x, i64 %nEXTRA)
  %nan = fcmp uno KIND %s, %s
  br i1 %nan, label %unsure, label %sure
unsure:
  call void @llvm.x86.sse.ldmxcsr(ptr %status)
  ret i32 0
sure:
  store KIND %s, ptr %out, align 8
FOLDS
  ret i32 1
}
"""}
_NAMES = {"sum": "sum", "products": "products", "squares": "deviations", "extent": "seen"}
_EXTRA = {"sum": "", "products": ", i64 %d", "squares": ", KIND %mean, <8 x KIND> %means", "extent": ", ptr %acc"}
_LOAD = re.compile(r"  (%\w+) = load (<8 x KIND>|KIND), ptr (%\w+), align SIZE")
EXTREMES = {"min": ("olt", 0), "max": ("ogt", 64)}
"""How each is told from the other, and where in memory eight of them are. Without NaNs, which are looked for after."""


NEAR = "near_"
AHEAD = 768
"""Bytes ahead of need at which memory is asked for, for each block that may go side by side. Measured, 1 to 8 KB in
all: less comes too late, more does not stay in the L1 cache until then."""


def module(function: str) -> str:
    """The text of the module that has one of the functions for floats of one kind."""
    name, _, char = function.removeprefix(NEAR).partition("_")
    kind, size = {"f": ("float", 4), "d": ("double", 8)}[char]
    text, asks = _TREE, not function.startswith(NEAR)
    most = _side_by_side(name, size, asks)
    for count in (2, 4, 8):
        text = text.replace(f"TOGETHER{count}", _together(name, count, size, asks) if count <= most else "")
    text = text.replace("EIGHTHS", _EIGHTHS if most == 8 else "")
    text = _LOAD.sub(lambda found: _term(name, *found.groups()), text)
    text += _WRAPPED[name].replace("FOLDS", _folds())
    linkage = "" if _NAMES[name] == name else "internal "
    for word, value in (("EXTRA", _EXTRA[name]), ("LINKAGE", linkage), ("KIND", kind), ("NAME", _NAMES[name]),
                        ("CHAR", char), ("SIZE", str(size)), (" PLAIN", "")):
        text = text.replace(word, value)
    return text.replace(f"@{name}_{char}(", f"@{function}(")


def _term(name: str, v: str, kind: str, place: str) -> str:
    """What is added, from what lies at a place."""
    x = f"load {kind}, ptr {place}, align SIZE"
    if name == "squares":
        mean = "%mean" if kind == "KIND" else "%means"
        return f"  {v}.x = {x}\n  {v}.d = fsub {kind} {v}.x, {mean}\n  {v} = fmul {kind} {v}.d, {v}.d"
    if name == "products":
        return (f"  {v}.x = {x}\n  {v}.p = getelementptr i8, ptr {place}, i64 %d\n"
                f"  {v}.y = load {kind}, ptr {v}.p, align SIZE\n  {v} = fmul {kind} {v}.x, {v}.y")
    if name == "extent":
        return f"  {v} = {x}\n" + "\n".join(_seen(v, kind))
    return f"  {v} = {x}"


def _chosen(name: str, order: str, lanes: str, a: str, b: str) -> list[str]:
    """The lesser or greater of two, each lane."""
    kind, truth = ("KIND", "i1") if not lanes else (f"<{lanes} x KIND>", f"<{lanes} x i1>")
    return [f"  {name}c = fcmp {order} {kind} {a}, {b}",
            f"  {name} = select {truth} {name}c, {kind} {a}, {kind} {b}"]


def _seen(v: str, kind: str) -> list[str]:
    """Takes a value into the least and the greatest in memory."""
    lines = []
    for word, (order, at) in EXTREMES.items():
        lines += [f"  {v}.{word}p = getelementptr i8, ptr %acc, i64 {at}",
                  f"  {v}.{word} = load {kind}, ptr {v}.{word}p, align SIZE",
                  *_chosen(f"{v}.{word}n", order, "" if kind == "KIND" else "8", v, f"{v}.{word}"),
                  f"  store {kind} {v}.{word}n, ptr {v}.{word}p, align SIZE"]
    return lines


def _folds() -> str:
    """Of eight least and greatest, one."""
    lines = []
    for j, (word, (order, at)) in enumerate(EXTREMES.items(), 1):
        lines += [f"  %{word}p = getelementptr i8, ptr %acc, i64 {at}",
                  f"  %{word}8 = load <8 x KIND>, ptr %{word}p, align 64"]
        for width in (4, 2, 1):
            for side, first in (("a", 0), ("b", width)):
                mask = f"<{width} x i32> <{', '.join(f'i32 {i}' for i in range(first, first + width))}>"
                lines.append(f"  %{word}{side}{width} = shufflevector <{2 * width} x KIND> %{word}{2 * width}, "
                             f"<{2 * width} x KIND> poison, {mask}")
            lines += _chosen(f"%{word}{width}", order, str(width), f"%{word}a{width}", f"%{word}b{width}")
        lines += [f"  %{word}x = extractelement <1 x KIND> %{word}1, i32 0",
                  f"  %{word}q = getelementptr i64, ptr %out, i64 {j}", f"  store KIND %{word}x, ptr %{word}q, align 8"]
    return "\n".join(lines)


def _side_by_side(name: str, size: int, asks: bool) -> int:
    """How many blocks go side by side at most. From memory more than 4 KB of an array, or more than four pairs, are
    slower than fewer: they are too many places for a CPU to foresee."""
    return 8 if not asks or size == 4 and name != "products" else 4


def _fetches(name: str, count: int, size: int) -> list[str]:
    """Asks for the memory that comes next, in its own order, which that of the blocks hides from a CPU. What lies
    beyond the end of an array is asked for in vain."""
    distance = AHEAD * _side_by_side(name, size, True)
    lines = [f"  %turns = mul i64 %i, {count * size}", f"  %ahead = add i64 %turns, {distance}",
             "  %ask0 = getelementptr i8, ptr %x, i64 %ahead"]
    if name == "products":
        lines.append("  %ask1 = getelementptr i8, ptr %ask0, i64 %d")
    for k in range(2 if name == "products" else 1):
        for b in range(0, 8 * count * size, 64):  # a cache line each
            lines += [f"  %line{k}_{b} = getelementptr i8, ptr %ask{k}, i64 {b}",
                      f"  call void @llvm.prefetch.p0(ptr %line{k}_{b}, i32 0, i32 3, i32 1)"]
    return lines


def _together(name: str, count: int, size: int, asks: bool) -> str:
    """``togetherCOUNT(x, n)``: a sum whose tree has that many blocks, a power of two, at the same depth.

    All blocks have as many vectors of eight as the first, or one more; the last has what is left, too.
    """
    seen = EXTREMES if name == "extent" else {}  # in registers while the loop goes
    load = " PLAIN" if seen else ""
    lines: list[str] = [f"define internal KIND @together{count}_CHAR(ptr %x, i64 %nEXTRA) {{", "entry:"]
    blocks = [("%x", "%n")]  # place and length
    while len(blocks) < count:
        halves: list[tuple[str, str]] = []
        for place, length in blocks:
            part = f"{len(blocks)}_{len(halves)}"
            lines += [f"  %h{part} = lshr i64 {length}, 1", f"  %l{part} = and i64 %h{part}, -8",
                      f"  %r{part} = sub i64 {length}, %l{part}",
                      f"  %p{part} = getelementptr KIND, ptr {place}, i64 %l{part}"]
            halves += [(place, f"%l{part}"), (f"%p{part}", f"%r{part}")]
        blocks = halves
    shortest, last = blocks[0][1], blocks[-1]
    for word, (_, at) in seen.items():
        lines += [f"  %{word}p = getelementptr i8, ptr %acc, i64 {at}",
                  f"  %{word} = load <8 x KIND>, ptr %{word}p PLAIN, align 64"]
    lines += ["  br label %head", "head:", "  %i = phi i64 [0, %entry], [%i1, %body]"]
    lines += [f"  %s{b} = phi <8 x KIND> [splat (KIND -0.0), %entry], [%t{b}, %body]" for b in range(count)]
    lines += [f"  %{w}{b} = phi <8 x KIND> [%{w}, %entry], [%{w}{b}n, %body]" for w in seen for b in range(count)]
    lines += [f"  %more = icmp slt i64 %i, {shortest}", "  br i1 %more, label %body, label %end", "body:"]
    for b, (place, _) in enumerate(blocks):
        lines += [f"  %q{b} = getelementptr KIND, ptr {place}, i64 %i",
                  f"  %v{b} = load <8 x KIND>, ptr %q{b}{load}, align SIZE", f"  %t{b} = fadd <8 x KIND> %s{b}, %v{b}"]
        for word, (order, _) in seen.items():
            lines += _chosen(f"%{word}{b}n", order, "8", f"%v{b}", f"%{word}{b}")
    lines += _fetches(name, count, size) if asks else []
    lines += ["  %i1 = add i64 %i, 8", "  br label %head", "end:"]
    for word, (order, _) in seen.items():
        for b in range(1, count):
            lines += _chosen(f"%{word}m{b}", order, "8", f"%{word}m{b - 1}" if b > 1 else f"%{word}0", f"%{word}{b}")
        lines.append(f"  store <8 x KIND> %{word}m{count - 1}, ptr %{word}p, align 64")
    lines += [f"  %first = mul i64 {shortest}, {count}", "  %over = sub i64 %n, %first",
              "  %uneven = icmp sge i64 %over, 8", "  br i1 %uneven, label %rest, label %fold", "rest:"]
    for b, (place, length) in enumerate(blocks[1:], 1):  # one vector more, or nothing: -0.0
        lines += [f"  %m{b} = sub i64 {length}, {shortest}", f"  %has{b} = icmp sge i64 %m{b}, 8",
                  f"  %at{b} = select i1 %has{b}, i64 {shortest}, i64 0",
                  f"  %z{b} = getelementptr KIND, ptr {place}, i64 %at{b}",
                  f"  %y{b} = load <8 x KIND>, ptr %z{b}, align SIZE",
                  f"  %x{b} = select i1 %has{b}, <8 x KIND> %y{b}, <8 x KIND> splat (KIND -0.0)",
                  f"  %u{b} = fadd <8 x KIND> %s{b}, %x{b}"]
    lines += ["  br label %fold", "fold:"]
    lines += [f"  %f{b} = phi <8 x KIND> [%s{b}, %end], [%u{b}, %rest]" for b in range(1, count)]
    return "\n".join([*lines, *_folded(["%s0", *[f"%f{b}" for b in range(1, count)]], size, last), "}"])


def _folded(vectors: list[str], size: int, last: tuple[str, str]) -> list[str]:
    """Adds eight accumulators of each block to one sum, neighbours first, then what is left of the `last` block, and
    the sums of the blocks. Every lane is of use, so that none raises a flag; vectors are picked by pieces of 16 bytes
    where that does."""
    count, lines = len(vectors), []
    for level, masks in enumerate(_NEIGHBOURS[size]):
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True)) if len(vectors) > 1 else [(vectors[0],) * 2]
        vectors = [f"%w{level}_{j}" for j in range(len(pairs))]
        for j, (left, right) in enumerate(pairs):
            lines += [f"  %{side}{level}_{j} = shufflevector <8 x KIND> {left}, <8 x KIND> {right}, {_mask(mask)}"
                      for side, mask in zip(("even", "odd"), masks, strict=True)]
            lines.append(f"  %w{level}_{j} = fadd <8 x KIND> %even{level}_{j}, %odd{level}_{j}")
    lines += [f"  %whole = and i64 {last[1]}, -8", f"  %c = extractelement <8 x KIND> {vectors[0]}, i32 {count - 1}",
              "  br label %tail", "tail:", "  %j = phi i64 [%whole, %fold], [%j1, %add]",
              "  %c0 = phi KIND [%c, %fold], [%c1, %add]", f"  %left = icmp slt i64 %j, {last[1]}",
              "  br i1 %left, label %add, label %done", "add:", f"  %g = getelementptr KIND, ptr {last[0]}, i64 %j",
              "  %y = load KIND, ptr %g, align SIZE", "  %c1 = fadd KIND %c0, %y", "  %j1 = add i64 %j, 1",
              "  br label %tail", "done:", f"  %e = insertelement <8 x KIND> {vectors[0]}, KIND %c0, i32 {count - 1}"]
    found, lanes = "%e", 8
    while count > 2:
        for side, first in (("a", 0), ("b", 1)):
            mask = _mask([(2 * j + first) % count for j in range(4)])
            lines.append(f"  %{side}{count} = shufflevector <{lanes} x KIND> {found}, <{lanes} x KIND> poison, {mask}")
        count, found, lanes = count // 2, f"%e{count}", 4
        lines.append(f"  {found} = fadd <4 x KIND> %a{2 * count}, %b{2 * count}")
    return [*lines, f"  %a2 = extractelement <{lanes} x KIND> {found}, i32 0",
            f"  %b2 = extractelement <{lanes} x KIND> {found}, i32 1", "  %sum = fadd KIND %a2, %b2", "  ret KIND %sum"]


def _mask(picks: Sequence[int]) -> str:
    return f"<{len(picks)} x i32> <{', '.join(f'i32 {k}' for k in picks)}>"


_NEIGHBOURS = {4: (((0, 2, 8, 10, 4, 6, 12, 14), (1, 3, 9, 11, 5, 7, 13, 15)),
                   ((0, 2, 8, 10, 4, 6, 12, 14), (1, 3, 9, 11, 5, 7, 13, 15)),
                   ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))),
               8: (((0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)),
                   ((0, 1, 4, 5, 8, 9, 12, 13), (2, 3, 6, 7, 10, 11, 14, 15)),
                   ((0, 1, 4, 5, 8, 9, 12, 13), (2, 3, 6, 7, 10, 11, 14, 15)))}
"""By the size of an element, which elements of two vectors are added at each of three steps: neighbours of a block."""
