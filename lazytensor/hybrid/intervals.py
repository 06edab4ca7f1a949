"""In which turns of a loop a comparison of its index holds.

Such a comparison says how a difference that moves evenly is to zero. Where a body goes one way only in some turns, what
it does there has to be shown for these alone (``if i >= 3: x[i - 3]``), and a way that no turn goes is none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .bounds import Even

NEGATED = {"<": ">=", ">=": "<", "<=": ">", ">": "<=", "==": "!=", "!=": "=="}
_HOLE = "#"


class Span(NamedTuple):
    """The turns from `low` on, and before `high`."""

    low: int
    high: int


def where(span: Span, symbol: str, difference: int, slope: int, at: int) -> Span:
    """Those turns of a span in which ``difference + slope * (turn - at)`` is to zero as a symbol says. What is left out
    at both ends is exact; a turn in the middle is not."""
    low, high = span
    if slope == 0:
        holds = {"<": difference < 0, "<=": difference <= 0, ">": difference > 0, ">=": difference >= 0,
                 "==": difference == 0, "!=": difference != 0}[symbol]
        return span if holds else Span(low, low)
    if symbol in ("==", "!="):
        turn = at - difference // slope if difference % slope == 0 else None
        if symbol == "==":
            return Span(turn, turn + 1) if turn is not None and low <= turn < high else Span(low, low)
        return Span(low + (turn == low), high - (turn == high - 1)) if turn is not None else span
    if symbol in (">", ">="):
        difference, slope = -difference, -slope
    if symbol in ("<=", ">="):
        difference -= 1
    # difference + slope * (turn - at) < 0
    if slope > 0:
        high = min(high, at + (-difference - 1) // slope + 1)
    else:
        low = max(low, at + difference // -slope + 1)
    return Span(low, high) if low < high else Span(span.low, span.low)


def where_even(span: Span, test: Any, numbers: list[Even], answer: bool) -> Span:
    """Those turns of a loop, counted from its first, in which a test of steps is answered so, as far as its numbers say
    it: ``(kind, symbol, left, right)``, with sides that are whole numbers."""
    if test[0] != "test":
        return span
    given = iter(numbers)
    sides = [_side(x, given, len(numbers[0].growth) if numbers else 0) for x in test[2:]]
    if None in sides or not numbers:
        return span
    difference: Any = sides[0] - sides[1]
    if any(difference.growth[:-1]):
        return span
    return where(span, test[1] if answer else NEGATED[test[1]], difference.constant, difference.growth[-1], 0)


def _side(x: Any, given: Any, levels: int) -> Any:
    if x == _HOLE:
        return next(given)
    if x[0] == "=" and type(x[1].value) is int:
        return Even(x[1].value, (0,) * levels)
    return None


def from_turn(numbers: list[Even], turn: int) -> list[Even]:
    """Numbers of a loop that begins with one of its later turns."""
    return [Even(x.constant + x.growth[-1] * turn, x.growth) for x in numbers] if turn else numbers
