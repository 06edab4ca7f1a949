"""Loops that a trace has in full become loops again: lines that repeat, the very same text each time, are one body.

A block of lines that does the same as the one before it, to the letter, may as well be run once more by a loop: nothing
else has to be shown. Temporaries are given out so that a loop's lines come to be the same after its first turns.
"""

from __future__ import annotations

LONGEST = 4096
"""Lines of a loop's body."""
LEAST = 3
"""Turns for which a loop is worth while."""


def roll(lines: list[str]) -> tuple[list[str], int]:
    """The lines with repeated blocks as loops; and how many lines that saved."""
    if len(lines) < 16:
        return lines, 0
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(line, len(numbers)) for line in lines]
    last: dict[int, int] = {}
    found: list[str] = []
    i, n = 0, len(lines)
    while i < n:
        period = i - last.get(codes[i], -LONGEST)
        turns = _turns(codes, i - period, period, n) if period < LONGEST else 0
        if turns >= LEAST and _whole(lines[i - period:i]) and len(found) >= period:
            body = lines[i - period:i]
            del found[-period:]
            indent = _indent(body[0])
            found.append(f"{indent}for _ in range({turns}):")
            found += [f"    {line}" for line in body]
            i += period * (turns - 1)
            last.clear()
            continue
        last[codes[i]] = i
        found.append(lines[i])
        i += 1
    return found, n - len(found)


def _turns(codes: list[int], start: int, period: int, n: int) -> int:
    """How often the block of that length repeats from there on."""
    turns, block = 1, codes[start:start + period]
    while start + (turns + 1) * period <= n and codes[start + turns * period:start + (turns + 1) * period] == block:
        turns += 1
    return turns


def _indent(line: str) -> str:
    return line[:len(line) - len(line.lstrip())]


def _whole(body: list[str]) -> bool:
    """Whether lines are statements of one level with nothing that leaves the function."""
    indent = _indent(body[0])
    return all(_indent(line) == indent and not line.endswith(":") and "return " not in line for line in body)
