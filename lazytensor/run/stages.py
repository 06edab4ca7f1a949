"""Runs a kernel that reduces axes in two places as the stages that `lower.stages` makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..config import current
from ..lower.kernel import NUMBER, Kernel
from ..lower.long_rows import AMBIGUOUS, possible
from ..lower.stages import FOLD, MAP, Read, Stage, blocks, stages_of, unsure_of_zeros
from . import pool

LEAST = 1 << 12
"""Fewer elements are not worth several launches."""
Strides = tuple[int, ...]


class Staged:
    """The stages bound to shapes and strides, one after the other; it stands where a `Launch` does.

    Attributes
    ----------
    stages : list of (Launch, list of int, list)
        For each which arrays it takes, those between the stages coming after the kernel's own, and its numbers: counts,
        or the places of the kernel's own numbers as a tuple of one.
    between : list of (int, dtype)
        The arrays between the stages: how many elements, and of what dtype.
    unsure : list of int
        Those of them in which zeros of both signs leave open which one NumPy would give.
    """

    __slots__ = ("stages", "between", "unsure", "work", "threads", "outputs")

    def __init__(self, stages: list[tuple[Any, list[int], list[Any]]], between: list[tuple[int, np.dtype[Any]]],
                 unsure: list[int]) -> None:
        self.stages, self.between, self.unsure = stages, between, unsure
        self.work, self.threads = sum(launch.work for launch, _, _ in stages), current.threads
        self.outputs: list[tuple[Any, ...]] = []

    def run(self, run: Callable[..., int], arrays: Sequence[Any], numbers: Sequence[Any]) -> int:
        """The flags of all stages, each run by `run`; negative, or with AMBIGUOUS, if one did not do its work."""
        every = [*arrays, *[pool.empty((n,), dtype) if n * dtype.itemsize >= pool.SMALL else np.empty(n, dtype)
                            for n, dtype in self.between]]
        flags = 0
        for launch, taken, given in self.stages:
            own = [numbers[x[0]] if type(x) is tuple else x for x in given]
            flags |= run(launch, [every[i] for i in taken], own)
            if flags < 0 or flags & AMBIGUOUS:
                return flags
        return flags | (AMBIGUOUS if any(_zeros_of_both_signs(every[len(arrays) + i]) for i in self.unsure) else 0)


def _zeros_of_both_signs(x: Any) -> bool:
    zeros = x[x == 0]
    return bool(zeros.size and np.signbit(zeros).any() and not np.signbit(zeros).all())


def bind_stages(bind: Callable[..., Any], kernel: Kernel, shape: tuple[int, ...], strides: Sequence[Strides],
                arrays: Sequence[Any], axes: tuple[int, ...]) -> Staged | None:
    """The stages of a kernel, each bound by `bind`, or None."""
    if prod(shape) < LEAST or kernel.in_sequence or not possible(kernel):
        return None
    return _Binder(kernel, shape, strides, arrays, axes).bound(bind)


class _Binder:
    def __init__(self, kernel: Kernel, shape: tuple[int, ...], strides: Sequence[Strides], arrays: Sequence[Any],
                 axes: tuple[int, ...]) -> None:
        self.kernel, self.shape, self.axes, self.arrays = kernel, shape, axes, list(arrays)
        self.strides = list(strides)
        self.runs = blocks(len(shape), axes)[-1][1]
        """The first of the axes that the runs lie along: the last ones."""
        given = [i for i, source in enumerate(kernel.inputs) if source.kind != NUMBER]
        self.place: dict[tuple[str, int], int] = {("input", i): k for k, i in enumerate(given)}
        self.place |= {("output", n): len(given) + k for k, n in enumerate(kernel.outputs)}
        self.numbers = [i for i, source in enumerate(kernel.inputs) if source.kind == NUMBER]
        self.own = len(arrays)

    def bound(self, bind: Callable[..., Any]) -> Staged | None:
        stages = []
        for stage in stages_of(self.kernel):
            arrays = [read for read, source in zip(stage.reads, stage.kernel.inputs, strict=True)
                      if source.kind != NUMBER]
            taken = [self.place[read] for read in arrays] + [self.placed(*write) for write in stage.writes]
            shape, cut = self.shape, range(len(self.shape))
            if stage.by_row:
                cut = range(self.runs)
                cut = [i for i in cut if stage.space == FOLD or i not in self.axes]  # type: ignore[assignment]
                shape = tuple(shape[i] for i in cut)
            along = [tuple(self.strides[k][i] for i in cut) for k in taken]
            axes = () if stage.space == MAP else tuple(i for i in self.axes if (i < self.runs) == stage.by_row)
            launch = bind(stage.kernel, shape, along, [self.arrays[k] for k in taken], axes)
            if launch is None:
                return None
            stages.append((launch, taken, self.numbers_of(stage)))
        unsure = [self.place["partial", n] - self.own for n in unsure_of_zeros(self.kernel)]
        return Staged(stages, [(x.size, x.dtype) for x in self.arrays[self.own:]], unsure)

    def placed(self, kind: str, value: int) -> int:
        """Where what a stage writes is: an array between the stages is made."""
        if (kind, value) not in self.place:
            kept = [i < self.runs and (kind == "partial" or i not in self.axes) for i in range(len(self.shape))]
            made = np.empty([n for n, own in zip(self.shape, kept, strict=True) if own], self.kernel.char(value))
            given = iter(made.strides)
            self.place[kind, value] = len(self.arrays)
            self.arrays.append(made)
            self.strides.append(tuple(next(given) if own else 0 for own in kept))
        return self.place[kind, value]

    def numbers_of(self, stage: Stage) -> list[Any]:
        """See `Staged`."""
        count = prod(self.shape[i] for i in self.axes)

        def number(read: Read) -> Any:
            return np.float64(count - read.value) if read.kind == "count" else (self.numbers.index(read.value),)
        return [number(read) for read, source in zip(stage.reads, stage.kernel.inputs, strict=True)
                if source.kind == NUMBER]
