"""Loop counters as LLVM's loop strength reduction does not know them.

That pass takes a third of the time of compiling loops that are written as they are to run, and finds next to nothing to
do there. It looks at integers; a vector of one integer is a register like it, from one turn of a loop to the next.
"""

from __future__ import annotations

import re

_PHI = re.compile(r"  (%[\w.]+) = phi i64 \[(\S+), %([\w.]+)\], \[(%[\w.]+), (%[\w.]+)\]")
_ENDS = ("  br ", "  switch ", "  ret ")
KIND = "<1 x i64>"


def hidden(text: str) -> str:
    """A module's text with the counters of its loops, ``%i = phi i64 [start, %before], [%next, %last]`` where ``%next``
    is ``%i`` and a step, as vectors of one."""
    return "".join(map(_in_function, re.split(r"(?m)^(?=define )", text)))


def _in_function(text: str) -> str:
    lines = text.split("\n")
    defined = {line.split(" ", 3)[2]: k for k, line in enumerate(lines) if line.startswith("  %")}
    labels = {line[:-1]: k for k, line in enumerate(lines) if line.endswith(":")}
    added: dict[int, list[str]] = {}
    for k, line in enumerate(lines):
        found = _PHI.fullmatch(line)
        if found is None:
            continue
        count, start, before, following, last = found.groups()
        step, block = defined.get(following, -1), labels.get(before, -1)
        if step < 0 or block < 0 or not re.match(rf"  {following} = add (nsw |nuw )*i64 {count}, ", lines[step]):
            continue
        begun = f"{count}.begun" if start[0] == "%" else f"<i64 {start}>"
        if start[0] == "%":
            end = next(j for j in range(block, len(lines)) if lines[j].startswith(_ENDS))
            added.setdefault(end, []).append(f"  {begun} = bitcast i64 {start} to {KIND}")
        lines[k] = f"  {count}.held = phi {KIND} [{begun}, %{before}], [{count}.next, {last}]"
        first = next(j for j in range(k, len(lines)) if " = phi " not in lines[j])
        added.setdefault(first, []).append(f"  {count} = bitcast {KIND} {count}.held to i64")
        added.setdefault(step + 1, []).insert(0, f"  {count}.next = bitcast i64 {following} to {KIND}")
    return "\n".join([new for k, line in enumerate(lines) for new in (*added.get(k, ()), line)])
