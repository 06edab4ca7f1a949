"""The text of a function that turns rows into columns, for elements of any size."""

from __future__ import annotations


def _text() -> str:
    """``transpose(source, bytes from lane to lane, bytes along, buffer, lanes in a row of it, lanes, length)``: by
    squares of 8 where elements lie together along the rows, what is left one by one."""
    lines = ["define internal void @transposeBITS(ptr %s, i64 %across, i64 %inner, ptr %b, i64 %tile, i64 %lanes, "
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


TRANSPOSE = _text()
"""With BITS and SIZE for those of an element."""
