"""How the steps of a pass over elements are cut into loops and calls, and what is kept in buffers between them."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from .halves import HALF
from .inline import COMPLEX, FLOATS
from .kernel import Kernel
from .nest import CONTIGUOUS, STRIDED


class Plan(NamedTuple):
    """How the steps of a pass are cut into phases: ``("inline", steps)`` in one loop, ``("call", steps)`` one by one.

    `buffered` are the values kept in tile buffers, `packed` those of them that are strided inputs; `direct` are results
    of calls that go straight to a contiguous output, by the number of its array; `written_before` are outputs that an
    earlier pass has written.
    """

    phases: list[tuple[str, list[int]]]
    buffered: list[int]
    packed: list[int]
    direct: dict[int, int]
    written_before: frozenset[int]


def phases_of(kernel: Kernel, layouts: str, array_of: dict[int, int], steps: list[int], saved: Collection[int],
              before: frozenset[int], late: Collection[int]) -> Plan:
    """Calls as early as they can be made, everything else between them in as few loops as possible.

    Outputs of `before` are written already; the last loop takes what is `late`.
    """
    inputs = len(kernel.inputs)
    inside = set(steps)
    needed = {n for m in steps for n in kernel.steps[m - inputs].operands} - inside
    packed = [i for i in sorted(needed) if i in array_of and layouts[array_of[i]] == STRIDED]
    done = needed
    waiting = list(steps)
    phases: list[tuple[str, list[int]]] = []
    while waiting:
        calls = [n for n in waiting if kernel.steps[n - inputs].name == "call"
                 and done.issuperset(kernel.steps[n - inputs].operands)]
        if calls:
            phases.append(("call", calls))
            done.update(calls)
        else:
            here: list[int] = []
            for n in waiting:
                step = kernel.steps[n - inputs]
                if step.name == "where" and any(k in here and _may_raise(kernel, k) for k in step.operands[1:]):
                    continue  # else LLVM may compute only what is chosen, and raise no flags for the rest
                if step.name != "call" and done.issuperset(step.operands):
                    here.append(n)
                    done.add(n)
            phases.append(("inline", here))
        waiting = [n for n in waiting if n not in done]
    first_output = len(array_of)
    phase_of = {n: k for k, (_, group) in enumerate(phases) for n in group}
    buffered, direct = list(packed), {}
    last = len(phases) - (phases[-1:] != [] and phases[-1][0] == "inline")
    for n, k in phase_of.items():
        if n in saved:
            continue
        array = first_output + kernel.outputs.index(n) if n in kernel.outputs and n not in before else -1
        if phases[k][0] == "call" and array >= 0 and layouts[array] == CONTIGUOUS:
            direct[n] = array
        elif (phases[k][0] == "call" or (array >= 0 and layouts[array] == STRIDED)
              or (n in late and k != last)
              or any(n in kernel.steps[m - inputs].operands for m in phase_of if phase_of[m] != k)):
            buffered.append(n)
    return Plan(phases, buffered, packed, direct, before)


def _may_raise(kernel: Kernel, value: int) -> bool:
    """Whether a step may raise floating-point flags: it takes or gives floats, and does more than choose from them."""
    step = kernel.steps[value - len(kernel.inputs)]
    return step.name != "where" and any(kernel.char(n) in FLOATS + COMPLEX + HALF for n in (*step.operands, value))
