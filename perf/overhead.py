"""What laziness costs: the time of one operation on 10 elements, NumPy beside.

    python perf/overhead.py [--check] [--rounds 31] [--cpu]

Each figure is the median of interleaved rounds in this process, in microseconds, with the garbage collector on.
Results are pending and dropped without running, so that the figure is what writing the operation costs. `--check` makes
the exit status 1 if a target is missed. `--cpu` counts this thread's processor time instead of wall time, for a machine
that is busy with other things.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import pathlib
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPEATS = 1000
SETUP = "import gc; gc.enable()"
CHAIN = 300
CHAINS = 4
TIMING_IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


Clock = Callable[[], float]


class Case(NamedTuple):
    """One row: `prepare(module, clock)` gives a function that does `count` operations and returns their seconds."""

    name: str
    target: float | None
    prepare: Callable[[Any, Clock], Callable[[], float] | None]
    count: int = REPEATS


class Row(NamedTuple):
    """What was measured: medians in the unit of the name; None where NumPy has no such thing."""

    name: str
    numpy: float | None
    lazy: float
    target: float | None

    @property
    def verdict(self) -> str:
        """'ok', 'short', or nothing where there is no target."""
        return "" if self.target is None else "ok" if self.lazy <= self.target else "short"


def is_lazy(module: Any) -> bool:
    """Whether the module postpones its work."""
    return hasattr(module, "realize")


def operands(module: Any, count: int) -> list[Any]:
    """Arrays of 10 float64 elements that exist: nothing about them is pending."""
    return [module.array(numpy.linspace(0.5, 2.0, 10) + i) for i in range(count)]


# ---- the cases -------------------------------------------------------------------------------------------------------


def repeated(statement: str, module: Any, clock: Clock) -> Callable[[], float]:
    """Times REPEATS runs of a statement about the arrays x and y."""
    x, y = operands(module, 2)
    timer = timeit.Timer(statement, SETUP, clock, globals={"x": x, "y": y, "np": module})
    return lambda: timer.timeit(REPEATS)


def store_of_a_pending_value(module: Any, clock: Clock) -> Callable[[], float]:
    """`a[1:-1] = e`, each time into a fresh array, so that no chain of stores builds up."""
    (x,) = operands(module, 1)
    namespace: dict[str, Any] = {"e": x[1:-1] * 2, "many": None}
    timer = timeit.Timer("for a in many: a[1:-1] = e", SETUP, clock, globals=namespace)

    def run() -> float:
        namespace["many"] = operands(module, REPEATS)
        return timer.timeit(1)

    return run


def pending_chain(module: Any) -> Any:
    """The last of CHAIN pending operations of several kinds on two arrays."""
    x, y = operands(module, 2)
    result = x
    for _ in range(CHAIN // 3):
        result = (result + y) * x - 0.5
    return result


def walk_and_key(module: Any, clock: Clock) -> Callable[[], float] | None:
    """Times finding the pending nodes behind results that have just been written, each once, and writing their keys."""
    if not is_lazy(module):
        return None
    pipeline = importlib.import_module(module.__name__ + ".compile")
    read = importlib.import_module(module.__name__ + ".api.handle").read

    def run() -> float:
        seconds = 0.0
        for _ in range(CHAINS):
            chain = pending_chain(module)
            node = read(chain)
            timer = timeit.Timer("capture(pending([node]))", SETUP, clock,
                                 globals={"capture": pipeline.capture, "pending": pipeline.pending, "node": node})
            seconds += timer.timeit(1)
            assert len(pipeline.pending([node])) == CHAIN
        return seconds

    return run


def plan_cache_hit(with_building: bool, module: Any, clock: Clock) -> Callable[[], float]:
    """Times `.realize()` of results of three operations each, whose structure has a plan; and the writing, if asked."""
    x, y = operands(module, 2)
    statement = "for _ in range(count): (x + y) * x - y"
    if is_lazy(module):
        statement = "for _ in range(count): ((x + y) * x - y).realize()"
        if not with_building:
            statement = "for result in results: result.realize()"
    namespace = {"x": x, "y": y, "count": REPEATS, "results": []}
    timer = timeit.Timer(statement, SETUP, clock, globals=namespace)

    def run() -> float:
        namespace["results"] = [] if with_building else [(x + y) * x - y for _ in range(REPEATS)]
        return timer.timeit(1)

    run()  # the first two make the plan
    return functools.partial(_only_hits, module, run) if is_lazy(module) else run


def _only_hits(module: Any, run: Callable[[], float]) -> float:
    info = importlib.import_module(module.__name__ + ".compile").cache_info
    before = info()["hits"]
    seconds = run()
    assert info()["hits"] - before >= REPEATS, "these runs did not come from the plan cache"
    return seconds


def statement(name: str, text: str, target: float | None) -> Case:
    """A case that repeats one statement about x and y."""
    return Case(f"{name}: {text}", target, functools.partial(repeated, text))


CASES = [
    statement("binary operation", "x + y", 1.0),
    statement("binary operation", "x * 2.5", 1.0),
    statement("ufunc", "np.exp(x)", None),
    statement("slice", "x[1:-1]", 1.5),
    Case("store: a[1:-1] = e, e pending", 3.0, store_of_a_pending_value),
    statement("reduction", "x.sum()", 2.0),
    statement("element", "x[3]", 0.5),
    statement("element store", "x[3] = 1.5", 1.0),
    Case("walking and keying, a node", 0.7, walk_and_key, CHAINS * CHAIN),
    Case("plan-cache hit, 3 operations", 12.0, functools.partial(plan_cache_hit, False)),
    Case("the same, with writing them", None, functools.partial(plan_cache_hit, True)),
]


# ---- measuring -------------------------------------------------------------------------------------------------------


def measure(cases: list[Case], lazy: Any, rounds: int, clock: Clock) -> list[Row]:
    """The medians of interleaved rounds of every case, on NumPy and on the module, in microseconds an operation."""
    runs = [(case, run) for case in cases for run in (case.prepare(numpy, clock), case.prepare(lazy, clock))]
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for (case, run), found in zip(runs, seconds, strict=True):
            if run is not None:
                found.append(run() / case.count * 1e6)
    medians = [statistics.median(found) if found else None for found in seconds]
    return [Row(case.name, medians[2 * i], medians[2 * i + 1] or 0.0, case.target) for i, case in enumerate(cases)]


def seconds_to_import(name: str) -> float:
    """How long a fresh process takes to import a module; what it compiles of Python's sources it may keep, as usual."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", TIMING_IMPORT.format(name)]
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def measure_import(name: str, rounds: int) -> list[Row]:
    """The time to import, and how much longer than NumPy's, in milliseconds."""
    seconds_to_import(name)  # the first compiles the sources
    pairs = [(seconds_to_import("numpy") * 1e3, seconds_to_import(name) * 1e3) for _ in range(rounds)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    more = statistics.median(b - a for a, b in pairs)
    return [Row("import, ms", ours, theirs, None), Row("import, ms more than NumPy", None, more, 60.0)]


def shown(rows: list[Row]) -> str:
    """The table as text."""
    lines = [f"{'microseconds an operation':44} {'NumPy':>8} {'lazytensor':>11} {'target':>8}"]
    for row in rows:
        figures = ["" if x is None else f"{x:.2f}" for x in (row.numpy, row.lazy, row.target)]
        lines.append(f"{row.name:44} {figures[0]:>8} {figures[1]:>11} {figures[2]:>8}  {row.verdict}".rstrip())
    return "\n".join(lines)


def main() -> int:
    """Measures, prints the table, and gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--cpu", action="store_true", help="processor time of this thread, not wall time")
    parser.add_argument("--module", default="lazytensor", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    clock = time.thread_time if options.cpu else time.perf_counter
    module = importlib.import_module(options.module)
    if is_lazy(module):
        module.config(eager_after=None)  # what it takes to wait is measured here
        module.config(compile_after=0)  # and with plans, which a process does not make before it has worked for a while
    rows = measure(CASES, module, options.rounds, clock)
    rows += measure_import(options.module, max(3, options.rounds // 3))
    print(shown(rows))
    return int(options.check and any(row.verdict == "short" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
