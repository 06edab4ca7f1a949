"""How often a kernel goes over its rows, and what it computes each time."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from .halves import HALF, HALVES
from .inline import FORMS
from .kernel import Kernel, Step


def passes_of(kernel: Kernel, rowwise: frozenset[int], keeps: bool = True) -> list[
        tuple[list[int], list[int], list[int]]]:
    """The passes over a row: the steps on elements that each computes, those kept for later, and then what the row has
    one of. Cheap steps are computed again where a later pass needs them, others are kept; all, unless a row `keeps`."""
    inputs = len(kernel.inputs)
    first: dict[int, int] = {}
    for n, step in enumerate(kernel.steps, inputs):
        before = [first.get(k, 0) + (k in rowwise and n not in rowwise and k >= inputs) for k in step.operands]
        first[n] = max(before, default=0)
    elements = [n for n in first if n not in rowwise]
    last = max(first.values(), default=0)
    passes: list[tuple[list[int], list[int], list[int]]] = []
    kept: set[int] = set()
    wanted_in = {p: {k for n, step in enumerate(kernel.steps, inputs) if step.name == "reduce" and first[n] == p
                     for k in step.operands if k >= inputs} | {
        n for n in kernel.outputs if n not in rowwise and first[n] == p} for p in range(last + 1)}
    for p in range(last + 1):
        steps: set[int] = set()
        stack = sorted(wanted_in[p])
        while stack:
            n = stack.pop()
            if n < inputs or n in rowwise or n in steps or n in kept:
                continue
            steps.add(n)
            stack += kernel.steps[n - inputs].operands
        saves = {k for n, step in enumerate(kernel.steps, inputs) if step.name == "reduce" and first[n] == p
                 for k in step.operands if k >= inputs}
        later = {k for q in range(p + 1, last + 1) for k in _behind(kernel, wanted_in[q], rowwise)}
        saves |= {n for n in steps if n in later and dear(kernel, n)}
        saves &= steps
        kept |= saves if keeps else set()
        rows = [n for n in sorted(rowwise) if n >= inputs and first[n] == p]
        passes.append((sorted(steps), sorted(saves), rows))
    assert set(elements) >= {n for s, _, _ in passes for n in s}
    return passes


def read_after(kernel: Kernel, passes: list[tuple[list[int], list[int], list[int]]], number: int) -> set[int]:
    """The values that are read in passes after one of them."""
    return {m for steps, _, rows in passes[number + 1:] for n in (*steps, *rows)
            for m in kernel.steps[n - len(kernel.inputs)].operands}


def _behind(kernel: Kernel, values: set[int], rowwise: frozenset[int]) -> set[int]:
    """The elements' values that these are computed from."""
    inputs, found, stack = len(kernel.inputs), set(), list(values)
    while stack:
        n = stack.pop()
        if n >= inputs and n not in found and n not in rowwise:
            found.add(n)
            stack += kernel.steps[n - inputs].operands
    return found


def dear(kernel: Kernel, value: int) -> bool:
    """Whether a step is better kept than computed again."""
    return is_dear(*kernel.steps[value - len(kernel.inputs)][:2])


def is_dear(name: str, char: str) -> bool:
    """The same of a step's name and its result's dtype."""
    if char == HALF and name in HALVES:
        return HALVES[name].cost > 2
    return name == "call" or (name in FORMS and FORMS[name].cost > 1)


class Summands(NamedTuple):
    """A sum whose terms a routine of `pairwise` computes as it adds them.

    Attributes
    ----------
    routine : str
        Its name.
    arrays : tuple of int
        The inputs that it goes along.
    mean : int or None
        For squares of differences: what is subtracted from each element.
    steps : frozenset of int
        The steps that it stands for.
    """

    routine: str
    arrays: tuple[int, ...]
    mean: int | None
    steps: frozenset[int]


def summands_of(kernel: Kernel, contiguous: Collection[int], rowwise: Collection[int], steps: list[int],
                rows: list[int], later: Collection[int] = ()) -> dict[int, Summands]:
    """The sums of a pass whose terms need not be kept, as they are for what is read `later`, where the inputs that they
    are made of lie without gaps."""
    found = {}
    for value in rows:
        step = kernel.steps[value - len(kernel.inputs)]
        if step.name == "reduce" and step.loop[0] is np.add and step.char in "fd" and step.operands[0] not in later:
            terms = _terms(kernel, contiguous, rowwise, steps, step.operands[0])
            if terms is not None:
                found[value] = terms
    return found


def _terms(kernel: Kernel, contiguous: Collection[int], rowwise: Collection[int], steps: list[int],
           value: int) -> Summands | None:
    """The terms of a sum: products of two inputs, or squares of what one is more than a number of the row."""
    def step(n: int) -> Step | None:
        return kernel.steps[n - len(kernel.inputs)] if n in steps else None
    term = step(value)
    if term is None or value in kernel.outputs or term.name not in ("multiply", "square"):
        return None
    first, second = term.operands[0], term.operands[-1]
    if first in contiguous and second in contiguous:
        return Summands(f"products_{term.char}", (first, second), None, frozenset((value,)))
    less = step(first) if first == second else None
    if less is not None and less.name == "subtract" and less.operands[0] in contiguous and less.operands[1] in rowwise:
        return Summands(f"squares_{term.char}", less.operands[:1], less.operands[1], frozenset((value, first)))
    return None


def left_of(kernel: Kernel, steps: list[int], rows: list[int], found: dict[int, Summands]) -> list[int]:
    """The steps of a pass that something else wants than sums which compute their terms."""
    if not found:
        return steps
    inside, wanted = set(steps), {n for n in kernel.outputs if n in steps}
    for value in rows:
        if value not in found:
            wanted.update(inside.intersection(kernel.steps[value - len(kernel.inputs)].operands))
    dropped = {n for terms in found.values() for n in terms.steps}
    keep = {n for n in steps if n not in dropped}
    stack = list(wanted | keep)
    while stack:
        n = stack.pop()
        keep.add(n)
        stack += [k for k in kernel.steps[n - len(kernel.inputs)].operands if k in inside and k not in keep]
    return [n for n in steps if n in keep]
