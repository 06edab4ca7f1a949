"""The machine code of `run.masking`, imported with LLVM when the first large array is picked from."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..lower import compress, native
from . import workers

SHARED = 1 << 18
"""Bytes that threads share."""
_CHUNKS = 64
_SIZES = (1, 2, 4, 8, 16)
"""Elements of other sizes are moved as rows of bytes."""
_PYTHON = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyLong_FromLong(i64)
declare i64 @PyLong_AsLong(ptr)
"""

_PICK_ITEM = """
  %sNUM = getelementptr iBITS, ptr %source, i64 %iNUM
  %xNUM = load iBITS, ptr %sNUM, align ALIGN
  %inNUM = icmp slt i64 %jNUM, %count
  %tNUM = getelementptr iBITS, ptr %target, i64 %jNUM
  %toNUM = select i1 %inNUM, ptr %tNUM, ptr %spare
  store iBITS %xNUM, ptr %toNUM, align ALIGN
"""
_PUT_ITEM = """
  %inNUM = icmp slt i64 %jNUM, %count
  %atNUM = select i1 %inNUM, i64 %jNUM, i64 0
  %sNUM = getelementptr iBITS, ptr %source, i64 %atNUM
  %xNUM = load iBITS, ptr %sNUM, align ALIGN
  %tNUM = getelementptr iBITS, ptr %target, i64 %iNUM
  %oldNUM = load iBITS, ptr %tNUM, align ALIGN
  %newNUM = select i1 %cNUM, iBITS %xNUM, iBITS %oldNUM
  store iBITS %newNUM, ptr %tNUM, align ALIGN
"""
_ITEM = """
  %iNUM = add i64 %FIRST, OFFSET
  %mpNUM = getelementptr i8, ptr %mask, i64 %iNUM
  %mNUM = load i8, ptr %mpNUM
  %cNUM = icmp ne i8 %mNUM, 0
  %wNUM = zext i1 %cNUM to i64
MOVE
  %jNEXT = add i64 %jNUM, %wNUM
"""
_MOVES = """
define internal void @NAMEBITS(ptr %target, ptr %source, ptr %mask, i64 %n, i64 %count) {
entry:
  %spare = alloca iBITS, align 16
  %n8 = and i64 %n, -8
  br label %head
head:
  %i = phi i64 [0, %entry], [%i8, %none], [%i8, %all], [%i8, %some]
  %j0 = phi i64 [0, %entry], [%j0, %none], [%jall, %all], [%j8, %some]
  %more = icmp slt i64 %i, %n8
  br i1 %more, label %eight, label %rest
eight:
  %i8 = add i64 %i, 8
  %mp = getelementptr i8, ptr %mask, i64 %i
  %m = load i64, ptr %mp, align 1
  switch i64 %m, label %some [ i64 0, label %none i64 72340172838076673, label %all ]
none:
  br label %head
all:
  %jall = add i64 %j0, 8
  %sa = getelementptr iBITS, ptr %source, i64 FROM
  %ta = getelementptr iBITS, ptr %target, i64 TO
  %xa = load <8 x iBITS>, ptr %sa, align ALIGN
  store <8 x iBITS> %xa, ptr %ta, align ALIGN
  br label %head
some:
ITEMS
  br label %head
rest:
  %k = phi i64 [%n8, %head], [%k1, %one]
  %j100 = phi i64 [%j0, %head], [%j101, %one]
  %left = icmp slt i64 %k, %n
  br i1 %left, label %one, label %done
one:
LAST
  %k1 = add i64 %k, 1
  br label %rest
done:
  ret void
}
"""
_ROWS = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define internal void @NAMErows(ptr %target, ptr %source, ptr %mask, i64 %n, i64 %size) {
entry:
  br label %head
head:
  %i = phi i64 [0, %entry], [%i1, %next]
  %j = phi i64 [0, %entry], [%j1, %next]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %row, label %done
row:
  %mp = getelementptr i8, ptr %mask, i64 %i
  %m = load i8, ptr %mp
  %c = icmp ne i8 %m, 0
  %w = zext i1 %c to i64
  %j1 = add i64 %j, %w
  br i1 %c, label %copy, label %next
copy:
  %from = mul i64 FROM, %size
  %to = mul i64 TO, %size
  %s = getelementptr i8, ptr %source, i64 %from
  %t = getelementptr i8, ptr %target, i64 %to
  call void @llvm.memcpy.p0.p0.i64(ptr %t, ptr %s, i64 %size, i1 false)
  br label %next
next:
  %i1 = add i64 %i, 1
  br label %head
done:
  ret void
}
"""
_ENTRY = """
define internal i32 @NAMEchunk(ptr %job, i64 %chunk) {
entry:
  %target = load ptr, ptr %job
  %p1 = getelementptr i64, ptr %job, i64 1
  %source = load ptr, ptr %p1
  %p2 = getelementptr i64, ptr %job, i64 2
  %mask = load ptr, ptr %p2
  %p3 = getelementptr i64, ptr %job, i64 3
  %n = load i64, ptr %p3
  %p4 = getelementptr i64, ptr %job, i64 4
  %size = load i64, ptr %p4
  %p5 = getelementptr i64, ptr %job, i64 5
  %part = load i64, ptr %p5
  %p6 = getelementptr i64, ptr %job, i64 6
  %counts = getelementptr i64, ptr %p6, i64 %chunk
  %i = mul i64 %chunk, %part
  %left = sub i64 %n, %i
  %short = icmp slt i64 %left, %part
  %here = select i1 %short, i64 %left, i64 %part
  %j = load i64, ptr %counts
  %next = getelementptr i64, ptr %counts, i64 1
  %j1 = load i64, ptr %next
  %count = sub i64 %j1, %j
  %to = mul i64 TO, %size
  %from = mul i64 FROM, %size
  %t = getelementptr i8, ptr %target, i64 %to
  %s = getelementptr i8, ptr %source, i64 %from
  %m = getelementptr i8, ptr %mask, i64 %i
  %any = icmp ne i64 %count, 0
  br i1 %any, label %some, label %done
some:
  call void @NAMEBITS(ptr %t, ptr %s, ptr %m, i64 %here, i64 COUNT)
  br label %done
done:
  ret i32 0
}
define internal void @NAMEshared(ptr %target, ptr %source, ptr %mask, i64 %n, i64 %size, ptr %parallel, i64 %part) {
entry:
  %job = alloca [MOST x i64], align 16
  store ptr %target, ptr %job
  %p1 = getelementptr i64, ptr %job, i64 1
  store ptr %source, ptr %p1
  %p2 = getelementptr i64, ptr %job, i64 2
  store ptr %mask, ptr %p2
  %p3 = getelementptr i64, ptr %job, i64 3
  store i64 %n, ptr %p3
  %p4 = getelementptr i64, ptr %job, i64 4
  store i64 %size, ptr %p4
  %p5 = getelementptr i64, ptr %job, i64 5
  store i64 %part, ptr %p5
  %p6 = getelementptr i64, ptr %job, i64 6
  store i64 0, ptr %p6
  br label %head
head:
  %chunk = phi i64 [0, %entry], [%chunk1, %head]
  %before = phi i64 [0, %entry], [%after, %head]
  %i = mul i64 %chunk, %part
  %left = sub i64 %n, %i
  %short = icmp slt i64 %left, %part
  %here = select i1 %short, i64 %left, i64 %part
  %m = getelementptr i8, ptr %mask, i64 %i
  %count = call i64 @counted(ptr %m, i64 %here)
  %after = add i64 %before, %count
  %chunk1 = add i64 %chunk, 1
  %place = getelementptr i64, ptr %p6, i64 %chunk1
  store i64 %after, ptr %place
  %more = icmp sgt i64 %left, %part
  br i1 %more, label %head, label %ready
ready:
  call i32 %parallel(ptr @NAMEchunk, ptr %job, i64 %chunk1)
  ret void
}
define ptr @NAME(ptr %self, ptr %args, i64 %given) {
entry:
GATHER
  %state = call ptr @PyEval_SaveThread()
  %alone = icmp eq i64 %part, 0
  br i1 %alone, label %one, label %several
one:
  call void @NAMEBITS(ptr %d0, ptr %d1, ptr %d2, i64 %n, i64 COUNT)
  br label %done
several:
  %workers = inttoptr i64 %parallel to ptr
  call void @NAMEshared(ptr %d0, ptr %d1, ptr %d2, i64 %n, i64 %size, ptr %workers, i64 %part)
  br label %done
done:
  call void @PyEval_RestoreThread(ptr %state)
  %result = call ptr @PyLong_FromLong(i64 0)
  ret ptr %result
}
"""
_COUNT = """
define internal i64 @counted(ptr %mask, i64 %n) {
entry:
  %n64 = and i64 %n, -64
  br label %head
head:
  %i = phi i64 [0, %entry], [%i64_, %many]
  %s = phi i64 [0, %entry], [%s1, %many]
  %more = icmp slt i64 %i, %n64
  br i1 %more, label %many, label %rest
many:
  %mp = getelementptr i8, ptr %mask, i64 %i
  %m = load <64 x i8>, ptr %mp, align 1
  %c = icmp ne <64 x i8> %m, zeroinitializer
  %b = bitcast <64 x i1> %c to i64
  %p = call i64 @llvm.ctpop.i64(i64 %b)
  %s1 = add i64 %s, %p
  %i64_ = add i64 %i, 64
  br label %head
rest:
  %k = phi i64 [%n64, %head], [%k1, %one]
  %r = phi i64 [%s, %head], [%r1, %one]
  %left = icmp slt i64 %k, %n
  br i1 %left, label %one, label %done
one:
  %op = getelementptr i8, ptr %mask, i64 %k
  %o = load i8, ptr %op
  %oc = icmp ne i8 %o, 0
  %w = zext i1 %oc to i64
  %r1 = add i64 %r, %w
  %k1 = add i64 %k, 1
  br label %rest
done:
  ret i64 %r
}
"""


def _item(move: str, number: int, first: str) -> str:
    text = _ITEM.replace("MOVE", move).replace("FIRST", first).replace("OFFSET", str(number % 100))
    return text.replace("NUM", str(number)).replace("NEXT", str(number + 1))


def _text(name: str, size: int) -> str:
    """The module of `function`."""
    put = name == "put"
    move, source, target = (_PUT_ITEM, "%j", "%i") if put else (_PICK_ITEM, "%i", "%j")
    head, bits, count = "declare i64 @llvm.ctpop.i64(i64)\n", str(8 * size), "%count"
    if not size:
        text, bits, count = _ROWS, "rows", "%size"
    elif compress.suits(size):
        head = compress.declarations()
        text = compress.function(f"{name}{bits}", size, put=put)
    else:
        text = _MOVES.replace("ITEMS", "".join(_item(move, k, "i") for k in range(8)))
        text = text.replace("LAST", _item(move, 100, "k").replace("OFFSET", "0"))
        source_at, target_at = source.replace("%j", "%j0"), target.replace("%j", "%j0")
        text = text.replace("FROM", source_at).replace("TO", target_at)
    gather = []
    for k in range(8):
        gather += [f"  %p{k} = getelementptr ptr, ptr %args, i64 {k}", f"  %a{k} = load ptr, ptr %p{k}"]
        if k < 3:
            gather += [f"  %f{k} = getelementptr i8, ptr %a{k}, i64 16", f"  %d{k} = load ptr, ptr %f{k}"]
        else:
            given = ("n", "count", "size", "parallel", "part")[k - 3]
            gather.append(f"  %{given} = call i64 @PyLong_AsLong(ptr %a{k})")
    entry = _ENTRY.replace("GATHER", "\n".join(gather)).replace("COUNT", count).replace("MOST", str(_CHUNKS + 8))
    text += _COUNT + entry
    for key, value in (("TO", target), ("FROM", source), ("NAME", name), ("BITS", bits), ("ALIGN", str(min(size, 8)))):
        text = text.replace(key, value)
    return _PYTHON + head + text


def available() -> bool:
    """Whether machine code can be made here."""
    return native.available()


def function(name: str, size: int) -> Any:
    """``pick`` or ``put`` for elements of so many bytes: ``(target, source, mask, n, count, size, parallel, part)``.

    Workers take `part` elements of the mask at a time; all are one's own if that is 0. Each is a module of its own,
    compiled when it is first needed.
    """
    return _compiled(name, size if size in _SIZES else 0)


@cache
def _compiled(name: str, size: int) -> Any:
    return native.builtin(name, native.load(_text(name, size), (name,))[name])


def shares(n: int, size: int) -> tuple[int, int]:
    """The address of what runs chunks on the workers, and the elements in each; zeros for what one thread does."""
    threads = workers.count()
    if threads < 2 or n * size < SHARED:
        return 0, 0
    chunks = min(_CHUNKS, 4 * threads)
    return workers.entry(threads), (-(-n // chunks) + 63) & -64
