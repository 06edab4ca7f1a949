"""Random programs in several threads of one process, each compared with NumPy."""

import sys
import threading

import numpy as real

from tests.helpers import difference
from tests.program_core import Program, World, compiled
from tests.programs import Difference, generate, lockstep, quiet

SHARED = """\
whole = np.array(data({dtype!r}, {shape}, {seed})) * 2
whole.flags.writeable = False
x0 = whole[...]
out = np.zeros({out_shape}, {out_dtype!r})
parts = [{parts}]
"""


def run_apart(seed, module, threads=3):
    """Each thread builds and realizes its own program; the Differences."""
    programs = [generate(seed + thread, threaded=True) for thread in range(threads)]
    return _together([lambda program=program: lockstep(program, module) for program in programs])


def run_sharing(seed, module, threads=3):
    """The threads read one array, pending at first, and write disjoint parts of another; the Differences."""
    prelude = _prelude(seed, threads)
    rehearsal, expected, actual = (_shared_names(prelude, module) for module in (real, real, module))
    programs = [
        generate(seed + thread, given=_given(rehearsal, thread), threaded=True, big=False) for thread in range(threads)
    ]
    tasks = [
        lambda program=program, thread=thread: lockstep(
            program, module, _given(expected, thread), _given(actual, thread)
        )
        for thread, program in enumerate(programs)
    ]
    found = _together(tasks)
    text = difference([expected["out"], expected["whole"]], [actual["out"], actual["whole"]])
    if text and not found:
        everything = Program(seed, tuple(step for program in programs for step in program.steps))
        found.append(Difference(everything, len(everything.steps), f"shared arrays, after all threads: {text}"))
    return found


def _prelude(seed, threads):
    rows, dtype, out_dtype = 2 + seed % 5, ("f8", "f4", "i8", "c16")[seed % 4], ("f8", "f4", "c16")[seed % 3]
    cuts = [f"out[{thread}::{threads}]" for thread in range(threads)]  # rows that alternate, or blocks of rows
    blocks = [f"out[{thread * rows}:{(thread + 1) * rows}]" for thread in range(threads)]
    return SHARED.format(dtype=dtype, shape=(rows, 4), seed=seed % 1000, out_shape=(rows * threads, 4),
                         out_dtype=out_dtype, parts=", ".join(blocks if seed % 2 else cuts))  # fmt: skip


def _shared_names(prelude, module):
    world = World(module)
    with quiet():
        exec(compiled(prelude), world.names)
    return world.names


def _given(names, thread):
    return {"x0": names["x0"], "o0": names["parts"][thread]}


def _together(tasks):
    """Run the tasks in threads that change places often; what they return, without the Nones."""
    found, barrier, interval = [], threading.Barrier(len(tasks)), sys.getswitchinterval()

    def work(task):
        with real.errstate(all="ignore"):  # a thread starts with NumPy's default
            barrier.wait()
            found.append(task())

    workers = [threading.Thread(target=work, args=(task,), daemon=True) for task in tasks]
    with quiet():
        sys.setswitchinterval(1e-5)
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            sys.setswitchinterval(interval)
    if len(found) < len(tasks):
        raise RuntimeError("a thread of the fuzzer itself failed; its traceback is above")
    return [difference for difference in found if difference]
