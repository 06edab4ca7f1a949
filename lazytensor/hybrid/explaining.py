"""`f.explain()`: what a jitted function does, in words, what matters most first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ..config import current
from .advice import advice_for
from .amounts import amounts, decided, loops_of, size_of
from .arguments import OTHER
from .branches import Branch
from .compiled import Compiled
from .families import programs
from .kinds import Kinds
from .tracing import Refusal

MOST_SHOWN = 3
"""Programs that are told of in full."""
MOST_LINES = 60
"""Lines that it tells, about: of the programs"""
MOST_REASONS = 20
"""and of the reasons for which there are several, or the Python runs."""
LONGEST = 600
"""Characters of a line, about."""
_TO_DO = "  what to do: "
_GRANTED = "taken for granted, and asked at each call"


def explained(name: str, compiled: tuple[Compiled, ...], off: Refusal | None, why: Iterable[str],
              kinds: Kinds) -> str:
    """The text of `explain`."""
    own, told = [one for one in programs(compiled) if one.tree is not None], list(why)
    own.sort(key=lambda one: -_calls(one, compiled))
    lines = [_heading(name, own, off, told)]
    if off is not None:
        lines += [f"{'other' if own else 'all'} calls run its Python: {off}", *_to_do(str(off))]
    if kinds.left:
        lines.append(f"left to Python {_count(kinds.left, 'time')}, without a program for the call: {kinds.words}")
        lines += [_TO_DO + kinds.advice] * bool(kinds.advice)
    reasons = _reasons([reason for reason in told if off is None or reason != str(off)], own)
    said = {line for line in lines if line.startswith(_TO_DO)}
    lines = _first([*lines, *[line for line in reasons if line not in said]], MOST_REASONS)
    known: set[str] = set()
    room = (MOST_LINES - len(lines)) // max(min(len(own), MOST_SHOWN), 1) - 2
    for number, one in enumerate(own, 1):
        lines.append("")
        if number > MOST_SHOWN:
            rest = own[number - 1:]
            lines.append(f"{_count(len(rest), 'more compiled structure')} of arguments, called "
                         f"{_count(sum(_calls(x, compiled) for x in rest), 'time')}")
            break
        which = f" {number}" if len(own) > 1 else ""
        lines.append(f"program{which}, called {_count(_calls(one, compiled), 'time')}")
        guard = _guard(one)
        work, arrays = _work(one), [f"  {line}" for line in _arrays(one, compiled)]
        others = [words for words in guard if words not in known]
        if others:
            words = "also taken for granted" if len(others) < len(guard) else _GRANTED
            arrays.append(_listed(f"  {words}: ", others))
        lines += _first(work, max(room - min(len(arrays), room // 2), 1))
        lines += _first(arrays[:-1], max(room // 2 - 1, 1)) + arrays[-1:]
        known.update(guard)
    return "\n".join(lines) + "\n"


def _first(lines: list[str], most: int) -> list[str]:
    """The first lines of these, and how many more there are."""
    lines = [line for text in lines for line in text.splitlines()]
    if len(lines) <= most:
        return lines
    return [*lines[:most - 1], f"  ... and {len(lines) - most + 1} lines more"]


def _listed(words: str, items: list[str]) -> str:
    """Items in a line, as many as have room in it."""
    shown, room = items[:1], LONGEST
    for item in items[1:]:
        room -= len(item) + 2
        if room < 0:
            return f"{words}{'; '.join(shown)}; and {len(items) - len(shown)} more"
        shown.append(item)
    return words + "; ".join(shown)


def _heading(name: str, own: list[Compiled], off: Refusal | None, told: list[str]) -> str:
    if own:
        paths = sum(one.tree.ends for one in own if one.tree is not None)
        ways = f", {_count(paths, 'path')} through it" if paths > len(own) else ""
        return f"{name}: {_count(len(own), 'compiled structure')} of arguments{ways}"
    return f"{name}: nothing is compiled" + ("" if off is not None or told else ", for it has not been called")


def _calls(one: Compiled, compiled: tuple[Compiled, ...]) -> int:
    if one.family is None:
        return one.calls
    return sum(other.calls for other in compiled if other.family is one.family)


# ---- why its Python runs ---------------------------------------------------------------------------------------------

_SAID = "traced again", "its Python runs", "its loop is traced", "numbers of the program ", "new containers "
"""How reasons begin that are no reasons to run the Python, or say so themselves."""
_VARIED = re.compile(r"traced again: (.+) was (.+)")


def _reasons(told: list[str], own: list[Compiled]) -> list[str]:
    """Why it was traced more than once, and why calls were left to the Python."""
    lines = []
    varied: dict[str, list[str]] = {}
    for reason in told:
        found = _VARIED.fullmatch(reason)
        if found is not None:
            varied.setdefault(found[1], []).append(found[2])
    for what, values in varied.items():
        different = list(dict.fromkeys(values))
        shown = ", ".join(different[:5]) + (", ..." if len(different) > 5 else "")
        times = f" ({len(values)} times)" if len(values) > 1 else ""
        lines.append(f"traced again: {what} was {shown}{times}")
        if len(different) > 2 and all(re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", value) for value in different):
            lines.append(f"  what to do: each {what} has a program of its own; given as an array, "
                         f"lazytensor.asarray({what}), of the dtype of those beside it, one serves for all, if Python "
                         "does not need its value")
    for reason, number in Counter(reason for reason in told if not _VARIED.fullmatch(reason)).items():
        again = f" ({number} times)" if number > 1 else ""
        words = reason if reason.startswith(_SAID) else f"what runs its Python: {reason}"
        lines += [words + again, *_to_do(reason)]
    refused = sum(one.abandoned for one in own if one.refusal is not None)
    left = sum(one.abandoned for one in own) - refused
    if refused:
        lines.append(f"left to Python {_count(refused, 'time')}, for values other than those that it is compiled for")
    if left:
        lines += [f"left to Python {_count(left, 'time')}: an exception was raised, or a floating-point "
                  "warning was due, which come from the line of the Python",
                  f"{_TO_DO}check beforehand what raises; avoid the zeros, NaNs or overflows that it warns of, or have "
                  "np.errstate ignore them"]
    return lines


def _to_do(reason: str) -> list[str]:
    advice = advice_for(reason)
    return [_TO_DO + advice] if advice else []


# ---- what a program does ---------------------------------------------------------------------------------------------

def _work(one: Compiled) -> list[str]:
    """What it runs, where its Python decides, and what it leaves."""
    tree, counts = one.tree, one.counts
    assert tree is not None
    done = [_count(counts["operation"], "operation")]
    if one.kernels:
        done.append(f"{_count(one.kernels, 'kernel')}, one pass over memory{' each' if one.kernels > 1 else ''}")
    if one.steps:
        done.append(f"{_count(one.steps, 'operation')} as steps on a tape, run by native code")
    if counts["call"]:
        done.append(f"{_count(counts['call'], 'call')} of NumPy")
    if counts["draw"]:
        done.append(f"{_count(counts['draw'], 'draw')} of random numbers")
    lines = [f"  {done[0]}{': ' if done[1:] else ''}{'; '.join(done[1:])}"]
    if one.as_nodes:
        lines.append("  its arrays are large: the lazy engine fuses and runs the operations, without the Python")
    elif not one.quick and not one.kernels and not one.steps and current.engine != "numpy" and counts["operation"]:
        lines.append("  by NumPy's own functions so far; what is called more often gets kernels")
    lines += [f"  {line}" for line in _made(one, tree)]
    lines += [f"  {line}" for line in decided(tree)]
    lines += [f"  writes to {_owner(one, root)}" for root in sorted(_written(tree))]
    bound = {setting.words for branch in tree.lines() if branch.end is not None for setting, _ in branch.end.sets}
    lines += [f"  binds {words} anew" for words in sorted(bound)]
    loops = list(loops_of(tree))
    lines += [f"  {words}" for words in loops]
    if one.few is not None:
        lines.append(f"  its loop was traced with {one.few.less} turns instead of {one.few.number}")
    elif one.rolled and not loops:
        lines.append("  a loop is compiled from a few of its turns")
    if one.refusal is not None:
        lines.append("  if a value is another than it ever has been, its Python runs, as said above")
    return lines


def _made(one: Compiled, tree: Branch) -> list[str]:
    """Its segments, and the arrays that they give."""
    if one.forgotten:
        return []
    segments, arrays, nbytes = amounts(tree)
    most = "at most " if tree.ends > 1 else ""
    kept = f"; {size_of(one.memory)} of memory is kept for the next call" if one.memory else ""
    fused = ", of which kernels write what is needed later" if one.kernels and arrays else ""
    made = f"{_count(arrays, 'array')} of {size_of(nbytes)} in all" if arrays else "no arrays"
    traced = ", for the turns that were traced" if one.trip is not None else ""
    return [f"{most}{_count(segments, 'segment')} of operations; {made}{traced}{fused}{kept}"]


def _arrays(one: Compiled, compiled: tuple[Compiled, ...]) -> list[str]:
    """The arrays that it is given or reaches, a line each."""
    shown = {check.message for check in one.checks if check.message}
    free = {} if one.family is None else one.family.free
    lines = []
    for name, (shape, dtype, strides) in one._given().items():
        words = one.given.words.get(name) or one.captured.words(name)
        if f"{name_of_memory(words)}" not in shown:
            continue
        lengths = ", ".join("any" if axis in free.get(name, ()) else str(n) for axis, n in enumerate(shape))
        told = f"{dtype}[{lengths}]{'' if strides is None else ', in this layout'}"
        a_view = f"{words}{_ANOTHER_VIEW}" in shown or f"{words} was a view" in shown
        lines.append(f"{words} is {told}{', a view' if a_view else ''}")
    if one.family is not None:
        sizes = sum(other.family is one.family for other in compiled)
        lines.append(f"one program for other lengths of {one.family.words()}; compiled for {_count(sizes, 'size')}")
    return lines


def name_of_memory(words: str) -> str:
    """What the guard says of an array's memory."""
    return f"the memory of {words} can be read where it lies"


_OF_ARRAYS = (" was an array", " was an array of its own, not a view", " was a view", " was aligned in memory",
              " was a view of an array that had its shape still")
_HELD = {"two arguments that were different arrays are one": "no two arguments are one array",
         "two arrays that were different are one": "no two arrays are one",
         "two containers that were different are one": "no two containers are one"}
"""What a check says where it does not hold, and where it does."""
_ANOTHER_VIEW = " was another view"
_OF_CODE = re.compile(r"the (code|defaults|keyword defaults) of (.+)")
_HIDDEN = re.compile(r"there was no global '(.+)'")


def _guard(one: Compiled) -> list[str]:
    """What else must be as it was, in words, with what belongs together told once."""
    known = {"the number of arguments", "the keywords"}
    for name, (shape, dtype, _) in one._given().items():
        words = one.given.words.get(name) or one.captured.words(name)
        known |= {name_of_memory(words), words, f"the shape of {words} was {shape!r}", f"the layout of {words}",
                  f"the dtype of {words} was {dtype}", *[words + what for what in _OF_ARRAYS]}
    found: list[str] = []
    functions: dict[str, None] = {}
    for check in one.checks:
        message = check.message
        if not message or message in known or _HIDDEN.fullmatch(message):
            continue
        code = _OF_CODE.fullmatch(message)
        if code is not None:
            functions[code[2]] = None
        elif message.startswith("the memory of ") and message.endswith(" is shared"):
            found.append(f"{message[14:-10]} has memory of its own")
        elif message.endswith(OTHER):
            found.append(f"{message.removesuffix(OTHER)} is the same object")
        elif message.endswith(_ANOTHER_VIEW):
            found.append(f"{message.removesuffix(_ANOTHER_VIEW)} is the same view")
        elif message.endswith(" is read-only"):
            found.append(f"{message[:-13]} may be written to")
        else:
            found.append(_HELD.get(message, message))
    methods = {name for name in functions if re.fullmatch(r".+\.__\w+__", name)}
    plain = [name for name in functions if name not in methods]
    found = [words for words in dict.fromkeys(found) if words not in methods]
    return found + ([f"the code of {', '.join(plain)}"] if plain else [])


def _written(tree: Branch) -> set[str]:
    return {root for branch in tree.lines() if branch.end is not None for root in branch.end.writes}


def _owner(one: Compiled, root: str) -> str:
    return one.captured.words(root) if root in one.captured.roots else one.given.words.get(root, root)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
