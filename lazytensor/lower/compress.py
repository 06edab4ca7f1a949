"""LLVM text that packs the elements that a mask chooses, and unpacks them again, with AVX-512's compress and expand.

A vector of elements goes at once, whichever of them are chosen: there is no branch for an element, and none for where a
run of chosen ones begins. Masks are read 64 bytes at a time; where none is chosen nothing else is read. Only chosen
elements are loaded or stored, so nothing is touched beyond the ends.
"""

from __future__ import annotations

from . import native

_NEEDED = {1: ("avx512bw", "avx512vbmi2"), 2: ("avx512bw", "avx512vbmi2"), 4: ("avx512bw",), 8: ("avx512bw",),
           16: ("avx512bw",)}
"""The features of the CPU that each size of element needs; those of 16 bytes are pairs of 8."""

_PICK = """
  %x = call VECTOR @llvm.masked.load.vKIND.p0(ptr %at, i32 1, CHOICE %chosen, VECTOR ZERO)
  %y = call VECTOR @llvm.x86.avx512.mask.compress.vKIND(VECTOR %x, VECTOR ZERO, CHOICE %chosen)
  call void @llvm.masked.store.vKIND.p0(VECTOR %y, ptr %packed, i32 1, CHOICE %first)
"""
_PUT = """
  %x = call VECTOR @llvm.masked.load.vKIND.p0(ptr %packed, i32 1, CHOICE %first, VECTOR ZERO)
  %y = call VECTOR @llvm.x86.avx512.mask.expand.vKIND(VECTOR %x, VECTOR ZERO, CHOICE %chosen)
  call void @llvm.masked.store.vKIND.p0(VECTOR %y, ptr %at, i32 1, CHOICE %chosen)
"""
_FUNCTION = """
define internal void @NAME(ptr %target, ptr %source, ptr %mask, i64 %n, i64 %count) {
entry:
  br label %head
head:
  %i = phi i64 [0, %entry], [%i64_, %next]
  %j = phi ptr [PACKED, %entry], [%jn, %next]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %many, label %done
many:
  %left = sub i64 %n, %i
  %here = call i64 @llvm.smin.i64(i64 %left, i64 64)
  %over = sub i64 64, %here
  %there = lshr i64 -1, %over
  %lanes = bitcast i64 %there to <64 x i1>
  %mp = getelementptr i8, ptr %mask, i64 %i
  %m = call <64 x i8> @llvm.masked.load.v64i8.p0(ptr %mp, i32 1, <64 x i1> %lanes, <64 x i8> zeroinitializer)
  %c = icmp ne <64 x i8> %m, zeroinitializer
  %bits = bitcast <64 x i1> %c to i64
  %base = mul i64 %i, SIZE
  %start = getelementptr i8, ptr SPREAD, i64 %base
  switch i64 %bits, label %group [ i64 0, label %next i64 -1, label %all ]
all:
COPY
  %packeda = getelementptr i8, ptr %j, i64 WHOLE
  br label %next
group:
  %g = phi i64 [0, %many], [%g1, %group]
  %b = phi i64 [%bits, %many], [%b1, %group]
  %at = phi ptr [%start, %many], [%at1, %group]
  %packed = phi ptr [%j, %many], [%packed1, %group]
CHOSEN
MOVE
  %bytes = mul i64 %taken, SIZE
  %packed1 = getelementptr i8, ptr %packed, i64 %bytes
  %at1 = getelementptr i8, ptr %at, i64 STEP
  %b1 = REST
  %g1 = add i64 %g, ITEMS
  %again = icmp slt i64 %g1, 64
  br i1 %again, label %group, label %next
next:
  %jn = phi ptr [%j, %many], [%packeda, %all], [%packed1, %group]
  %i64_ = add i64 %i, 64
  br label %head
done:
  ret void
}
"""
_FEW = """
  %low = trunc i64 %b to iLANES
  %chosen = bitcast iLANES %low to CHOICE
  %p = call iLANES @llvm.ctpop.iLANES(iLANES %low)
  %taken = zext iLANES %p to i64
  %one = shl i64 1, %taken
  %ones = sub i64 %one, 1
  %firsts = trunc i64 %ones to iLANES
  %first = bitcast iLANES %firsts to CHOICE
"""
_PAIRS = """
  %four = and i64 %b, 15
  %tp = getelementptr i8, ptr @pairs, i64 %four
  %low = load i8, ptr %tp
  %chosen = bitcast i8 %low to <8 x i1>
  %taken = call i64 @llvm.ctpop.i64(i64 %four)
  %lots = shl i64 %taken, 1
  %one = shl i64 1, %lots
  %ones = sub i64 %one, 1
  %firsts = trunc i64 %ones to i8
  %first = bitcast i8 %firsts to <8 x i1>
"""
_ALL = """
  %chosen = bitcast i64 %b to <64 x i1>
  %taken = call i64 @llvm.ctpop.i64(i64 %b)
  %rest = sub i64 64, %taken
  %firsts = lshr i64 -1, %rest
  %first = bitcast i64 %firsts to <64 x i1>
"""

_VECTOR = """
  %fNUM = getelementptr i8, ptr FROM, i64 AT
  %vNUM = load <8 x i64>, ptr %fNUM, align 1
  %tNUM = getelementptr i8, ptr TO, i64 AT
  store <8 x i64> %vNUM, ptr %tNUM, align 1
"""


def suits(size: int) -> bool:
    """Whether this CPU packs elements of that many bytes."""
    return size in _NEEDED and {"avx512f", *_NEEDED[size]} <= native.features()


def function(name: str, size: int, put: bool) -> str:
    """``void name(target, source, mask, n, count)`` for elements of `size` bytes: those of the source that the mask
    chooses are packed in the target, or with `put` the packed source goes to where the target is chosen."""
    bits = min(8 * size, 64)
    lanes = 512 // bits
    items = lanes // (size * 8 // bits)
    copy = "".join(_VECTOR.replace("NUM", str(k)).replace("AT", str(64 * k)) for k in range(size))
    names = {
        "COPY": copy.replace("FROM", "%j" if put else "%start").replace("TO", "%start" if put else "%j"),
        "CHOSEN": _ALL if items == 64 else _PAIRS if size == 16 else _FEW, "MOVE": _PUT if put else _PICK,
        "REST": "and i64 0, 0" if items == 64 else f"lshr i64 %b, {items}", "ITEMS": str(items),
        "PACKED": "%source" if put else "%target", "SPREAD": "%target" if put else "%source", "NAME": name,
        "WHOLE": str(64 * size), "STEP": str(items * size), "SIZE": str(size), "VECTOR": f"<{lanes} x i{bits}>",
        "CHOICE": f"<{lanes} x i1>", "KIND": f"{lanes}i{bits}", "LANES": str(lanes), "ZERO": "zeroinitializer"}
    text = _FUNCTION
    for key, value in names.items():
        text = text.replace(key, value)
    return text


def declarations() -> str:
    """What the functions call, and the bits of four elements as those of four pairs."""
    pairs = "".join(f"\\{sum(3 << 2 * k for k in range(4) if four >> k & 1):02X}" for four in range(16))
    lines = [f'@pairs = internal constant [16 x i8] c"{pairs}"', "declare i64 @llvm.smin.i64(i64, i64)"]
    for bits in (8, 16, 32, 64):
        n = 512 // bits
        v = f"<{n} x i{bits}>"
        lines += [f"declare {v} @llvm.masked.load.v{n}i{bits}.p0(ptr, i32, <{n} x i1>, {v})",
                  f"declare void @llvm.masked.store.v{n}i{bits}.p0({v}, ptr, i32, <{n} x i1>)",
                  f"declare {v} @llvm.x86.avx512.mask.compress.v{n}i{bits}({v}, {v}, <{n} x i1>)",
                  f"declare {v} @llvm.x86.avx512.mask.expand.v{n}i{bits}({v}, {v}, <{n} x i1>)",
                  *([] if n == 64 else [f"declare i{n} @llvm.ctpop.i{n}(i{n})"])]
    return "\n".join(lines) + "\n"
