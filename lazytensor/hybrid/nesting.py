"""Loops, and loops within loops, found in a long list of steps whose numbers move evenly.

A step is a shape (what it does, anything that can be compared) and numbers (offsets, lengths). Steps with one shape
each, three times or more in a row, whose numbers grow by the same amounts from turn to turn, are a loop. Loops are
steps again, whose numbers are their turns and the numbers of their body: so an outer loop is found among the inner
ones, also one whose inner loops get longer from turn to turn. Nothing is guessed: every turn was there, and is what the
loop gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import add, sub
from typing import Any, NamedTuple

LONGEST = 512
"""Steps of a body."""
LEAST = 3
"""Turns of a loop."""
TRIED = 12
"""Places, at most, where a body is looked for to end."""
DEEPEST = 6
"""Loops within each other."""

Numbers = tuple[int, ...]


class Loop(NamedTuple):
    """What a loop's step is: the steps of its body, and for each of their numbers what it grows by from turn to turn.

    Its own numbers are the turns, and those of the body's steps in the first turn, one after the other.
    """

    body: tuple[tuple[Any, int], ...]
    growth: Numbers


Step = tuple[Any, Numbers]


def nested(steps: list[Step]) -> list[Step]:
    """The steps with loops in the place of what repeats."""
    for _ in range(DEEPEST):
        found = _rolled(steps)
        if len(found) == len(steps):
            break
        steps = found
    return steps


def unrolled(steps: list[Step]) -> Iterator[Step]:
    """The steps that a list with loops stands for: the inverse of `nested`."""
    for shape, numbers in steps:
        if type(shape) is not Loop:
            yield shape, numbers
            continue
        present = numbers[1:]
        for _ in range(numbers[0]):
            yield from unrolled(parts(shape, present))
            present = tuple(map(add, present, shape.growth))


def parts(loop: Loop, numbers: Numbers) -> list[Step]:
    """Numbers of a loop's body, dealt out to its steps."""
    found, at = [], 0
    for shape, count in loop.body:
        found.append((shape, numbers[at:at + count]))
        at += count
    return found


def _rolled(steps: list[Step]) -> list[Step]:
    """One level of loops."""
    codes: dict[Any, int] = {}
    shapes = [codes.setdefault(shape, len(codes)) for shape, _ in steps]
    numbers = [own for _, own in steps]
    following = _following(shapes)
    found: list[Step] = []
    i, n = 0, len(steps)
    while i < n:
        end, tried = following[i], 0
        while end < n and end - i <= LONGEST and tried < TRIED:
            period = end - i
            turns = _turns(shapes, numbers, i, period, n)
            if turns >= LEAST:
                found.append(_loop(steps, i, period, turns))
                i += period * turns
                break
            end, tried = following[end], tried + 1
        else:
            found.append(steps[i])
            i += 1
    return found


def _following(shapes: list[int]) -> list[int]:
    """For each step the next of the same shape."""
    last: dict[int, int] = {}
    found = [0] * len(shapes)
    for i in range(len(shapes) - 1, -1, -1):
        found[i] = last.get(shapes[i], len(shapes))
        last[shapes[i]] = i
    return found


def _turns(shapes: list[int], numbers: list[Numbers], i: int, period: int, n: int) -> int:
    """How often the steps from i on repeat, their numbers growing evenly."""
    if i + LEAST * period > n or shapes[i:i + period] != shapes[i + period:i + 2 * period]:
        return 1
    growth = []
    for k in range(i, i + period):
        own = tuple(map(sub, numbers[k + period], numbers[k]))
        if own != tuple(map(sub, numbers[k + 2 * period], numbers[k + period])):
            return 1
        growth.append(own)
    at = i + 2 * period
    while at + period <= n and shapes[at:at + period] == shapes[i:i + period]:
        if any(tuple(map(sub, numbers[at + k], numbers[at + k - period])) != own for k, own in enumerate(growth)):
            break
        at += period
    return (at - i) // period


def _loop(steps: list[Step], i: int, period: int, turns: int) -> Step:
    body = steps[i:i + period]
    later = steps[i + period:i + 2 * period]
    first = [x for _, own in body for x in own]
    growth = tuple([y - x for (_, own), (_, other) in zip(body, later, strict=True)
                    for x, y in zip(own, other, strict=True)])
    return Loop(tuple([(shape, len(own)) for shape, own in body]), growth), (turns, *first)
