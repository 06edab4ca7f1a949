"""The greatest and the least of a row of floats, four vectors at a time.

``greatest_f(x, n)`` and ``least_f`` (``_d``) give it where it is one number, whatever the order: NaN stands for what
NumPy's own loop is to be asked for, rows in which a NaN comes up and short ones. So is what is zero, whose sign depends
on the order. A NaN may have raised a flag, which NumPy's loop takes down.
"""

from __future__ import annotations

from .inline import element

_ABREAST = 4
_ORDER = {"greatest": "ogt", "least": "olt"}


def module(name: str) -> str:
    """The text of ``greatest_f`` and the like."""
    which, char = name.split("_")
    kind, lanes = element(char), 16 if char == "f" else 8
    size, order, v, truth = 64 // lanes, _ORDER[which], f"<{lanes} x {kind}>", f"<{lanes} x i1>"
    block, every = lanes * _ABREAST, range(_ABREAST)
    lines = [f"define {kind} @{name}(ptr %x, i64 %n) nounwind {{", "entry:", f"  %last = sub i64 %n, {block}",
             "  %short = icmp slt i64 %last, 0", "  br i1 %short, label %unknown, label %begin", "begin:",
             f"  %first = load {v}, ptr %x, align {size}", "  br label %turn", "turn:",
             "  %i = phi i64 [0, %begin], [%next, %turn]",
             f"  %nan = phi {truth} [zeroinitializer, %begin], [%nans, %turn]"]
    lines += [f"  %a{k} = phi {v} [%first, %begin], [%b{k}, %turn]" for k in every]
    lines.append(f"  %p0 = getelementptr {kind}, ptr %x, i64 %i")
    for k in every:
        lines += [f"  %p{k + 1} = getelementptr {v}, ptr %p{k}, i64 1",
                  f"  %x{k} = load {v}, ptr %p{k}, align {size}", f"  %c{k} = fcmp {order} {v} %x{k}, %a{k}",
                  f"  %b{k} = select {truth} %c{k}, {v} %x{k}, {v} %a{k}"]
    lines += [f"  %u0 = fcmp uno {v} %x0, %x1", f"  %u1 = fcmp uno {v} %x2, %x3", f"  %u = or {truth} %u0, %u1",
              f"  %nans = or {truth} %nan, %u", f"  %further = add i64 %i, {block}",
              "  %over = icmp sgt i64 %further, %last", "  %next = select i1 %over, i64 %last, i64 %further",
              "  %more = icmp slt i64 %i, %last", "  br i1 %more, label %turn, label %end", "end:",
              f"  %bits = bitcast {truth} %nans to i{lanes}", f"  %bad = icmp ne i{lanes} %bits, 0"]
    best = "%b0"
    for k in every[1:]:
        lines += _better(order, v, truth, best, f"%b{k}", f"%d{k}")
        best = f"%d{k}"
    width = lanes
    while width > 1:
        width //= 2
        places = ", ".join(f"i32 {width + k if k < width else k}" for k in range(lanes))
        lines.append(f"  %s{width} = shufflevector {v} {best}, {v} poison, <{lanes} x i32> <{places}>")
        lines += _better(order, v, truth, best, f"%s{width}", f"%e{width}")
        best = f"%e{width}"
    lines += [f"  %found = extractelement {v} {best}, i32 0", "  br i1 %bad, label %unknown, label %known", "known:",
              f"  ret {kind} %found", "unknown:", f"  ret {kind} 0x7FF8000000000000", "}", ""]
    return "\n".join(lines)


def _better(order: str, v: str, truth: str, a: str, b: str, name: str) -> list[str]:
    return [f"  {name}c = fcmp {order} {v} {b}, {a}", f"  {name} = select {truth} {name}c, {v} {b}, {v} {a}"]
