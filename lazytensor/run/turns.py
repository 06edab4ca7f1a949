"""Where the turns of a program's loops begin among many pending nodes.

A loop that asks for nothing leaves pending what its turns wrote, until the chain is too long, which may be anywhere in
a turn: no such graph is like another. Turns are: run by a few at a time, they find the plan of the turns before.
"""

from __future__ import annotations

from typing import Any

from ..hot import native

LONG = 128
"""So many nodes are looked at."""
SEGMENT = 64
"""About how many run together, at least: as many steps as a kernel has."""
_SAMPLES = 16
"""How many nodes are asked for their code objects."""
_MOST = 96
"""Turns of more nodes are not preferred to shorter ones, of a loop within them or of a function that is called."""


def segments(nodes: list[Any]) -> list[tuple[int, int]]:
    """Where the segments begin and end in which nodes, in program order, run: each begins with a turn of a loop. None
    are given where there is no loop.

    A turn begins where the program goes back in a code object.
    """
    marks = _returns(nodes, {x.code for x in nodes[::len(nodes) // _SAMPLES] if x.code})
    periods = {code: len(nodes) / len(found) for code, found in marks.items() if len(found) > 2}
    if not periods:
        return []
    fitting = {code: period for code, period in periods.items() if period <= _MOST}
    chosen = max(fitting, key=lambda code: (fitting[code], _said(code))) if fitting else min(
        periods, key=lambda code: (periods[code], _said(code)))
    cuts = [0, marks[chosen][0]]
    cuts += [i for i in _spaced(marks[chosen]) if i > cuts[-1]]
    return [(a, b) for a, b in zip(cuts, [*cuts[1:], len(nodes)], strict=True) if a < b]


def _said(code: Any) -> tuple[Any, ...]:
    """What tells a code object from others in every process: turns are to be cut at the same places again."""
    return code.co_qualname, code.co_filename, code.co_firstlineno


def _returns(nodes: list[Any], codes: set[Any]) -> dict[Any, list[int]]:
    """Where the nodes of each of some code objects go back in it: all in one way through the nodes."""
    marks: dict[Any, list[int]] = {code: [] for code in codes}
    if native is not None and native.returns(nodes, marks):
        return marks
    found = {id(code): own for code, own in marks.items()}
    last = dict.fromkeys(found, -1)
    for i, x in enumerate(nodes):
        code, at = id(x.code), x.lasti
        if code in found:
            if at < last[code]:
                found[code].append(i)
            last[code] = at
    return marks


def _spaced(marks: list[int]) -> list[int]:
    """Those that are far enough from each other, from the first on."""
    found = [marks[0]]
    for i in marks:
        if i - found[-1] >= SEGMENT:
            found.append(i)
    return found
