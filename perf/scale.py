"""Long programs and large arrays: time stays linear, plans few, graphs bounded, memory near what NumPy takes.

    python perf/scale.py [--check] [--only NAME]

Every case runs in a fresh process; peaks are the resident set's high-water mark less what was resident before the
arrays were made. `--check` makes the exit status 1 if a target is missed. Linux: the figures come from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
MB = 1_000_000
ADDRESS_SPACE = 12 << 30
"""A case that fails to bound its memory ends with MemoryError instead of taking the machine with it."""

Figures = dict[str, float]


class Target(NamedTuple):
    """One row of the table: a figure of a case and the most that it may be."""

    what: str
    case: str
    figure: str
    limit: float


# ---- measuring -------------------------------------------------------------------------------------------------------


def resident(field: str = "VmRSS") -> float:
    """Resident memory of this process in MB: now ('VmRSS') or at its highest ('VmHWM')."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / MB
    raise OSError(f"/proc/self/status has no {field}")


def live_nodes(lt: Any) -> int:
    """How many nodes exist."""
    kind = importlib.import_module(lt.__name__ + ".ir.node").Node
    return sum(type(thing) is kind for thing in gc.get_objects())


def plans_made(lt: Any) -> int:
    """How many plans were made since the process began."""
    return int(importlib.import_module(lt.__name__ + ".compile").cache_info()["plans"])


def buffers_made(lt: Any) -> int:
    """How many buffers the pool took from the system."""
    return int(importlib.import_module(lt.__name__ + ".run.pool").info()["made"])


def without_budgets(lt: Any) -> Any:
    """A context in which pending work is bounded by nothing."""
    return lt.config(depth=None, pinned=None)


def finish(array: Any) -> Any:
    """Computes a pending result; a NumPy array is one already."""
    return array.realize() if hasattr(array, "realize") else array


def warm(lt: Any) -> None:
    """Brings in what a first run imports, so that it does not count as memory of the case."""
    soon = lt.config(plan_after=1, compile_after=0) if hasattr(lt, "config") else contextlib.nullcontext()
    with soon:  # llvmlite, some 30 MB
        for _ in range(4):
            x = lt.ones(1 << 16)
            y = finish((x * 1.5 + 0.5).sum())
    assert float(y) == 2.0 * (1 << 16)


# ---- long programs ---------------------------------------------------------------------------------------------------


def seconds_of_a_chain(lt: Any, length: int) -> float:
    """Seconds for writing and running a chain of additions."""
    x = y = lt.ones(10)
    start = time.perf_counter()
    for _ in range(length):
        y = y + x
    finish(y)
    seconds = time.perf_counter() - start
    assert float(y[0]) == length + 1
    return seconds


def linear_time(lt: Any, short: int = 10_000, long: int = 1_000_000) -> Figures:
    """Time an operation of a short and of a long chain of additions, budgets off."""
    with without_budgets(lt):
        seconds_of_a_chain(lt, short)
        few = statistics.median(seconds_of_a_chain(lt, short) for _ in range(9)) / short
        many = min(seconds_of_a_chain(lt, long) for _ in range(2)) / long
    return {"short_us": few * 1e6, "long_us": many * 1e6, "ratio": many / few}


def bounded_memory(lt: Any, length: int = 1_000_000) -> Figures:
    """Memory that a long chain of additions takes under the default budgets."""
    warm(lt)
    before = resident()
    seconds = seconds_of_a_chain(lt, length)
    return {"growth": resident("VmHWM") - before, "us": seconds / length * 1e6}


def _lengths(count: int) -> Iterator[tuple[int, int]]:
    """Starts and lengths of windows that differ from one iteration to the next."""
    return ((i % 977, 500 + (i * 7919) % 4001) for i in range(count))


def windows_realized(lt: Any, count: int) -> Any:
    """`y = x[i:i+n] * (0.1 * i) + y` with y of length n, a value wanted every time."""
    x, held = lt.linspace(0, 1, 6000), lt.zeros(6000)
    for i, n in _lengths(count):
        y = held[:n]
        y = x[i : i + n] * (0.1 * i) + y
        finish(y)
    return y


def windows_stored(lt: Any, count: int) -> Any:
    """The same into the first n elements of y."""
    x, y = lt.linspace(0, 1, 6000), lt.zeros(6000)
    for i, n in _lengths(count):
        y[:n] = x[i : i + n] * (0.1 * i) + y[:n]
        finish(y)
    return y


def windows_pending(lt: Any, count: int) -> Any:
    """The same without a realize: n shrinks, and the loop runs when the budget says so."""
    x = lt.linspace(0, 1, 6000 + count)
    y = lt.zeros(3000 + count)
    for i in range(count):
        n = 3000 + count - i
        y = x[i : i + n] * (0.1 * i) + y[:n]
    return finish(y)


WINDOWS = (windows_realized, windows_stored, windows_pending)


def plans_of_a_loop(lt: Any, count: int = 10_000, form: int = 0) -> Figures:
    """Plans made by a loop whose sizes, starts and factors all vary; and whether its result is NumPy's."""
    warm(lt)  # a process makes no plans before it has worked for a while
    before = plans_made(lt)
    result = WINDOWS[form](lt, count)
    same = numpy.array_equal(numpy.asarray(result), WINDOWS[form](numpy, count))
    return {"plans": plans_made(lt) - before, "differences": float(not same)}


def bounded_graph(lt: Any, updates: int = 100_000, samples: int = 100) -> Figures:
    """The most nodes alive during a loop of in-place updates, whole, of views and of elements, never realized."""
    a, e = lt.zeros(100), lt.ones(100)
    most = 0
    for i in range(updates // 4):
        a += e
        a[1:] *= 0.5
        a[i % 100] = i
        a[::2] += e[::2]
        if i % (updates // 4 // samples or 1) == 0:
            most = max(most, live_nodes(lt))
    return {"nodes": most, "sum": float(a.sum())}


# ---- large arrays ----------------------------------------------------------------------------------------------------


def twenty_operations(np: Any, x: Any) -> Any:
    """Five times four operations on one array."""
    for _ in range(5):
        x = np.sqrt(x * x + 0.5) - 0.25
    return x


def chain_on_a_large_array(np: Any, nbytes: int = 100 * MB) -> Figures:
    """Peak memory of twenty operations, in arrays: input, output and one temporary make 3."""
    warm(np)
    host = numpy.ones(nbytes // 8)
    before = resident()
    x = np.array(host)
    result = finish(twenty_operations(np, x))
    peak = resident("VmHWM") - before
    assert x.shape == result.shape
    return {"arrays": peak * MB / nbytes}


def repeated_in_place(np: Any, nbytes: int = 100 * MB, times: int = 100) -> Figures:
    """Page faults and buffers after the first of a hundred `a += 1`, a value wanted every time."""
    warm(np)
    a = np.array(numpy.zeros(nbytes // 8))
    a += 1
    finish(a)
    made, faults = buffers_made(np), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times - 1):
        a += 1
        finish(a)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    assert float(a[-1]) == times
    return {"faults": faults, "buffers": buffers_made(np) - made}


def closures_over_sums(np: Any, arrays: int = 200, nbytes: int = 100 * MB, pinned: int | None = None) -> Figures:
    """Peak memory of a list of closures over pending sums of arrays that nothing else holds."""
    if pinned is not None and np is not numpy:
        np.config(pinned=pinned)
    warm(np)
    host = numpy.ones(nbytes // 8)
    before = resident()
    waiting: list[Callable[[], float]] = []

    def keep(block: Any) -> None:
        total = block.sum()
        waiting.append(lambda: float(total))

    for i in range(arrays):
        block = np.array(host)
        block += i
        keep(block)
    total = sum(wait() for wait in waiting)
    assert total == sum(range(1, arrays + 1)) * host.size
    return {"peak": resident("VmHWM") - before}


def closures_over_numpys(lt: Any, **parameters: Any) -> Figures:
    """The same, less the peak of NumPy running the same program."""
    ours = run_case("closures_over_sums", **parameters)["peak"]
    theirs = run_case("closures_over_sums", module="numpy", **parameters)["peak"]
    return {"peak": ours, "numpy": theirs, "more": ours - theirs}


# ---- the table -------------------------------------------------------------------------------------------------------

CASES: dict[str, Callable[..., Figures]] = {
    function.__name__: function
    for function in (linear_time, bounded_memory, plans_of_a_loop, bounded_graph, chain_on_a_large_array,
                     repeated_in_place, closures_over_sums, closures_over_numpys)
}  # fmt: skip


def targets(budget: float) -> list[tuple[Target, dict[str, Any]]]:
    """The rows of the table with the parameters of their cases; `budget` is the setting `pinned`, in MB."""
    rows = [
        (Target("10^6 chained additions, budgets off: time to 10^4, ratio", "linear_time", "ratio", 1.3), {}),
        (Target("10^6 chained additions, budgets on: memory, MB", "bounded_memory", "growth", 32), {}),
        (Target("10^5 in-place updates, never realized: nodes", "bounded_graph", "nodes", 4096), {}),
        (Target("20 operations on 100 MB: peak, arrays", "chain_on_a_large_array", "arrays", 3.05), {}),
        (Target("a += 1 a hundred times: buffers after the first", "repeated_in_place", "buffers", 0), {}),
        (Target("a += 1 a hundred times: page faults after the first", "repeated_in_place", "faults", 40), {}),
        (Target("200 pending sums of 100 MB: MB over NumPy's", "closures_over_numpys", "more", budget), {}),
    ]
    for form, function in enumerate(WINDOWS):
        name = f"10^4 iterations, {function.__name__.replace('_', ' ')}: "
        rows.append((Target(name + "plans", "plans_of_a_loop", "plans", 3), {"form": form}))
        rows.append((Target(name + "differences", "plans_of_a_loop", "differences", 0), {"form": form}))
    return rows


def run_case(name: str, module: str = "lazytensor", **parameters: Any) -> Figures:
    """The figures of a case, run in a fresh process."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--case", name, "--module", module]
    command += ["--parameters", json.dumps(parameters)]
    # without the disk cache, or a case might bring in LLVM where `warm` found its kernel there
    env = {**os.environ, "PYTHONPATH": paths, "LAZYTENSOR_CACHE": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        raise RuntimeError(f"case {name} failed:\n{done.stderr[-2000:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def print_table(module: str, only: str) -> bool:
    """Runs the cases and prints a row for each target as it is known; gives whether all are met."""
    pinned = importlib.import_module(module).config.settings()["pinned"] if module != "numpy" else 0
    known: dict[str, Figures] = {}
    met = True
    print(f"{'':62} {'figure':>9} {'target':>8}")
    for target, parameters in targets(pinned / MB):
        if only not in target.case:
            continue
        case = f"{target.case} {parameters}"
        if case not in known:
            known[case] = run_case(target.case, module, **parameters)
        figure = known[case][target.figure]
        ok = figure <= target.limit
        met = met and ok
        print(f"{target.what:62} {figure:9.2f} {target.limit:8.2f}  {'ok' if ok else 'short'}", flush=True)
    for case, figures in known.items():
        print(f"  {case.removesuffix(' {}')}: " + ", ".join(f"{key} {value:.6g}" for key, value in figures.items()))
    return met


def main() -> int:
    """Runs one case, or all of them and prints the table; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--only", default="", metavar="NAME", help="only cases whose name contains this")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--parameters", type=json.loads, default={}, help=argparse.SUPPRESS)
    parser.add_argument("--module", default="lazytensor", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.case:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        print(json.dumps(CASES[options.case](importlib.import_module(options.module), **options.parameters)))
        return 0
    return int(not print_table(options.module, options.only) and options.check)


if __name__ == "__main__":
    sys.exit(main())
