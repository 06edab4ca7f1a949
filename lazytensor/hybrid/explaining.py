"""`f.explain()`: what a jitted function does, in words."""

from __future__ import annotations

from collections.abc import Iterable

from .branches import Branch
from .compiled import Compiled
from .families import programs
from .tracing import Refusal


def explained(name: str, compiled: tuple[Compiled, ...], off: Refusal | None, why: Iterable[str]) -> str:
    """The text of `explain`."""
    own = programs(compiled)
    lines = [f"{name}: {_count(len(own), 'compiled structure')} of arguments"]
    if off is not None:
        lines.append(f"other calls run its Python: {off}")
    for one in own:
        lines += _structure(one)
        if one.family is not None:
            sizes = [other for other in compiled if other.family is one.family]
            lines.append(f"  one program for other lengths of {one.family.words()}; compiled for "
                         f"{_count(len(sizes), 'size')}, called {_count(sum(x.calls for x in sizes), 'time')}")
    seen: dict[str, int] = {}
    for reason in why:
        seen[reason] = seen.get(reason, 0) + 1
    lines += [f"{reason}{f' ({times} times)' if times > 1 else ''}" for reason, times in seen.items()]
    return "\n".join(lines) + "\n"


def _structure(one: Compiled) -> list[str]:
    tree = one.tree
    if tree is None:
        return []
    counts = one.counts
    lines = [f"  called {_count(one.calls, 'time')}, {_count(tree.ends, 'path')} through it, "
             f"{_count(counts['operation'], 'operation')}, {_count(counts['call'], 'call')} of NumPy, "
             f"{_count(counts['draw'], 'draw')}"]
    for branch in tree.lines():
        if branch.answer is not None:
            outcomes = ", ".join(str(k) for k in branch.paths) if branch.answer.how == "bool" else (
                f"{_count(len(branch.paths), 'value')} seen")
            lines.append(f"  segment ends: Python decides on a value ({outcomes}) in {branch.answer.place}")
    lines += [f"  writes to {_owner(one, root)}" for root in sorted(_written(tree))]
    bound = {setting.words for branch in tree.lines() if branch.end is not None for setting, _ in branch.end.sets}
    lines += [f"  binds {words} anew" for words in sorted(bound)]
    captured = [root for root in one.captured.roots if root in one.leaves]
    if captured:
        lines.append(f"  arrays that it reaches besides its arguments: {len(captured)}")
    lines += _guard(one)
    if one.kernels:
        lines.append(f"  {_count(one.kernels, 'kernel call')}, in one pass over memory each")
    if one.steps:
        lines.append(f"  {_count(one.steps, 'operation')} as steps on a tape, run by native code")
    if one.rolled:
        lines.append(f"  loops: {_count(one.rolled, 'line')} of the program saved")
    lines += [f"  {rolled.words}" for branch in tree.lines() for record in branch.records
              if (rolled := getattr(record.fn, "rolled", None)) is not None]
    if one.memory:
        lines.append(f"  memory kept for what is not given away: {one.memory} bytes")
    if one.abandoned:
        lines.append(f"  left to Python {_count(one.abandoned, 'time')}")
    if one.refusal is not None:
        lines.append(f"  what else it may see runs its Python: {one.refusal}")
    return lines


_OF_ARRAYS = (" was an array", " was an array of its own, not a view", " was a view", " was aligned in memory",
              " was a view of an array that had its shape still")
_HELD = {"two arguments that were different arrays are one": "no two arguments are one array",
         "two arrays that were different are one": "no two arrays are one",
         "two containers that were different are one": "no two containers are one"}
"""What a check says where it does not hold, and where it does."""


def _guard(one: Compiled) -> list[str]:
    """What is asked at each call: the arrays, a line each, and what else must be as it was."""
    shown = [check.message for check in one.checks if check.message]
    lines, known = [f"  guard: {_count(len(shown), 'check')} at each call"], {"the number of arguments", "the keywords"}
    arrays = {**{name: one.given.words.get(name, name) for name in one.given.roots},
              **{name: one.captured.words(name) for name in one.captured.roots}}
    for name, (shape, dtype, strides) in one._given().items():
        words, told = arrays[name], f"{dtype}{list(shape)}{'' if strides is None else ', in this layout'}"
        own = f"the memory of {words} can be read where it lies"
        if own in shown:
            known |= {own, words, f"the shape of {words} was {shape!r}", f"the dtype of {words} was {dtype}",
                      f"the layout of {words}", *[words + what for what in _OF_ARRAYS]}
            a_view = f"{words} was another view" in shown or f"{words} was a view" in shown
            lines.append(f"    {words} is {told}{', a view' if a_view else ''}")
    others = [_HELD.get(message, message) for message in dict.fromkeys(shown) if message not in known]
    if others:
        lines.append(f"    as when it was traced: {'; '.join(others)}")
    return lines


def _written(tree: Branch) -> set[str]:
    return {root for branch in tree.lines() if branch.end is not None for root in branch.end.writes}


def _owner(one: Compiled, root: str) -> str:
    return one.captured.words(root) if root in one.captured.roots else f"argument array {root}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


