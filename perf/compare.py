"""lazytensor beside NumPy, numexpr, Numba, JAX and torch.compile: what each takes for the same programs.

    python perf/compare.py [--only NAME,NAME] [--sizes L2,L3] [--quick] [--out FILE.json] [--docs]
    python perf/compare.py --threads
    python perf/compare.py --compile
    python perf/compare.py --read FILE.json --docs

The results of each are compared with NumPy's first: lazytensor's bit for bit, before and after its programs are
compiled; a peer's to a tolerance. Then everything is timed in this process, in interleaved rounds, a fresh result each
time; figures are medians and interquartile ranges. What a peer does at its first call (it compiles) is not in them.
lazytensor has its default settings; `lazytensor jit` is the same source under `lt.jit`. `first call` is the first lazy
run in a fresh process without cached kernels.
`--docs` writes docs/benchmarks.md, and plots where matplotlib is there. The exit status is 1 if a result is wrong.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import peers  # noqa: E402
import report  # noqa: E402
from workloads import WORKLOADS, Workload, inputs_of  # noqa: E402

Call = Callable[[], Any]
PAUSE = 0.01
"""Seconds before a sample: the threads of whoever ran before it go to sleep. OpenMP's spin for 7 ms."""
SAMPLE = 0.002
"""Seconds that a sample takes at least."""
LONG = 0.02
"""Seconds of a call from which the caches are not warmed before it: it does not fit into them."""
MOST_WARMING = 6.0
TOLERANCE = {"float32": 2e-4, "float64": 1e-6, "uint8": 0.0}
"""How far a peer may be from NumPy: approximations and the order of sums differ."""
MOST_DIFFERENT_COUNTS = 1e-3
"""The share of integers that may differ, where they follow from comparisons of rounded numbers."""


class Effort(NamedTuple):
    """How long to measure: seconds for one version of a program, and rounds at least and at most."""

    seconds: float
    least: int
    most: int


FULL, QUICK = Effort(5.0, 7, 31), Effort(0.8, 5, 9)


class Runner(NamedTuple):
    """A program on one engine: `call` gives a fresh result, `host` makes it NumPy arrays."""

    call: Call
    host: Callable[[Any], tuple[Any, ...]]


# ---- what is run -----------------------------------------------------------------------------------------------------


def several(result: Any) -> tuple[Any, ...]:
    """Results as a tuple."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def on_numpy(workload: Workload, inputs: Sequence[Any]) -> Runner:
    """The program itself."""
    return Runner(functools.partial(workload.run, numpy, *inputs), several)


def on_lazytensor(lt: Any, workload: Workload, inputs: Sequence[Any]) -> Runner:
    """The same source on the lazy module, its results realized together."""
    arrays = [lt.array(x).realize() for x in inputs]

    def call() -> Any:
        results = several(workload.run(lt, *arrays))
        lt.realize(*results)
        return results

    return Runner(call, lambda results: tuple(numpy.asarray(r) for r in results))


def on_jitted(lt: Any, workload: Workload, inputs: Sequence[Any]) -> Runner:
    """The same source as a compiled function, as the peers have it."""
    arrays, compiled = [lt.array(x).realize() for x in inputs], lt.jit(workload.run)

    def call() -> Any:
        results = several(compiled(lt, *arrays))
        lt.realize(*results)
        return results

    return Runner(call, lambda results: tuple(numpy.asarray(r) for r in results))


def on_peer(peer: Any, workload: Workload, inputs: Sequence[Any]) -> Runner | None:
    """The peer's form of it, if it has one."""
    if workload.name not in peer.FORMS:
        return None
    arrays = [peer.take(x) for x in inputs]
    compiled = peer.made(peer.FORMS[workload.name], inputs)
    return Runner(lambda: peer.finish(compiled(*arrays)), lambda result: tuple(map(peer.host, several(result))))


def copying(nbytes: int) -> Call:
    """A plain copy that reads and writes that many bytes in all, into memory that is there: the roofline."""
    source = numpy.ones(max(1, nbytes // 2), numpy.uint8)
    return functools.partial(numpy.copyto, numpy.zeros_like(source), source)


def traffic(workload: Workload, inputs: Sequence[Any], results: Sequence[Any]) -> int:
    """Bytes that the program has to read and write: inputs and results, as often as it goes over them."""
    return workload.passes * sum(numpy.asarray(x).nbytes for x in (*inputs, *results))


# ---- whether it is right ---------------------------------------------------------------------------------------------


def same_bits(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    """How results differ from NumPy's in type, shape or any bit (NaNs are alike), or ''."""
    for number, (a, b) in enumerate(zip(ours, map(numpy.asarray, theirs), strict=True)):
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return f"result {number} is {a.dtype}{list(a.shape)}, NumPy's {b.dtype}{list(b.shape)}"
        differing = (a != b) & ((a == a) | (b == b)) | (numpy.signbit(a) != numpy.signbit(b)) & (a == a)
        if differing.any():
            index = numpy.unravel_index(int(numpy.argmax(differing)), a.shape)
            return (f"result {number} differs at {tuple(map(int, index))}: {a[index]!r}, NumPy's {b[index]!r}; "
                    f"{int(differing.sum())} of {a.size} elements")
    return ""


def close(theirs: Sequence[Any], right: Sequence[Any], dtype: str, factor: float) -> str:
    """How far a peer's results are from NumPy's, if that is too far, or ''."""
    for number, (a, b) in enumerate(zip(map(numpy.asarray, theirs), map(numpy.asarray, right), strict=True)):
        if a.shape != b.shape:
            return f"result {number} has the shape {a.shape}, NumPy's {b.shape}"
        if b.dtype.kind in "iu" and dtype != "uint8":
            if numpy.count_nonzero(a != b) > MOST_DIFFERENT_COUNTS * b.size:
                return f"result {number} has {numpy.count_nonzero(a != b)} other integers of {b.size}"
            continue
        error = numpy.abs(a.astype(float) - b.astype(float)).max() / max(1e-30, float(numpy.abs(b).max()))
        if not error <= TOLERANCE[dtype] * factor:
            return f"result {number} is off by {error:.1e}"
    return ""


# ---- measuring -------------------------------------------------------------------------------------------------------


def seconds(call: Call, repeats: int = 1) -> float:
    """Of one call, over so many."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def sample(call: Call, repeats: int, warmed: bool = False) -> float:
    """Seconds of a call, after the threads of others are asleep; if `warmed`, its own are awake and its data is in the
    caches."""
    time.sleep(PAUSE)
    start = time.perf_counter()
    while warmed and time.perf_counter() - start < SAMPLE:
        call()
    return seconds(call, repeats)


def interleaved(calls: dict[str, Call], effort: Effort) -> dict[str, dict[str, float]]:
    """The median, the interquartile range and the number of rounds of each."""
    once = {name: min(sample(call, 1) for _ in range(2)) for name, call in calls.items()}
    repeats = {name: max(1, min(5000, round(SAMPLE / max(t, 1e-7)))) for name, t in once.items()}
    warmed = {name: t < LONG for name, t in once.items()}
    a_round = sum(once[name] * n * (1 + warmed[name]) + PAUSE for name, n in repeats.items())
    rounds = max(effort.least, min(effort.most, int(effort.seconds / a_round)))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(sample(call, repeats[name], warmed[name]))
    return {name: figures(times) for name, times in taken.items()}


def figures(times: list[float]) -> dict[str, float]:
    """What is kept of the rounds."""
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return {"median": middle, "iqr": high - low, "rounds": len(times)}


def state(lt: Any) -> tuple[int, ...]:
    """Counts that stand still once nothing is planned or compiled any more."""
    plans = importlib.import_module(lt.__name__ + ".compile").cache_info()
    code = importlib.import_module(lt.__name__ + ".lower.native")._counts
    return plans["plans"], code["hits"], code["misses"]


def warm(lt: Any, call: Call) -> None:
    """Runs a program until it is planned and compiled: nothing new for 40 runs, or for 3 where they are long."""
    start = last_change = time.perf_counter()
    before, runs = state(lt), 0
    while (now := time.perf_counter()) - start < MOST_WARMING:
        if runs >= 3 and now - last_change > 0.15 and (runs >= 40 or now - start > 2.0):
            return
        call()
        runs += 1
        if (after := state(lt)) != before:
            before, last_change, runs = after, time.perf_counter(), 0


def fresh(*words: str, **environment: str) -> Any:
    """What another process of this program says, as its last line in JSON."""
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def first_calls(lt: Any, workload: Workload, size: str, dtype: str) -> list[float]:
    """Seconds of the first run in this process, of NumPy and of lazytensor."""
    inputs = inputs_of(workload, size, dtype)
    return [seconds(on_numpy(workload, inputs).call), seconds(on_lazytensor(lt, workload, inputs).call)]


def compare(lt: Any, found: dict[str, Any], workload: Workload, size: str, dtype: str,
            effort: Effort) -> dict[str, Any]:
    """One version of a program on everything that can do it."""
    inputs = inputs_of(workload, size, dtype)
    numpys = on_numpy(workload, inputs)
    right = numpys.host(numpys.call())
    case: dict[str, Any] = {"workload": workload.name, "size": size, "shape": workload.sizes[size], "dtype": dtype,
                            "left_out": {}, "wrong": "", "bytes": traffic(workload, inputs, right)}
    calls: dict[str, Call] = {"copy": copying(case["bytes"]), "NumPy": numpys.call}
    for name, on in (("lazytensor", on_lazytensor), ("lazytensor jit", on_jitted)):
        own = on(lt, workload, inputs)
        case["wrong"] = case["wrong"] or same_bits(own.host(own.call()), right)
        warm(lt, own.call)
        case["wrong"] = case["wrong"] or same_bits(own.host(own.call()), right)
        calls[name] = own.call
    compiling: dict[str, float] = {}
    for name, peer in found.items():
        try:
            runner = on_peer(peer, workload, inputs)
            if runner is None:
                case["left_out"][name] = "has no form of it"
                continue
            compiling[name] = seconds(runner.call)
            wrong = close(runner.host(runner.call()), right, dtype, workload.tolerance)
        except Exception as error:
            wrong = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if wrong:
            case["left_out"][name] = wrong
        else:
            calls[name] = runner.call
    if workload.name in getattr(found.get("Numba"), "REUSED", {}):
        calls["Numba, reused memory"] = functools.partial(found["Numba"].REUSED[workload.name], *inputs,
                                                          numpy.empty_like(inputs[0]))
        calls["Numba, reused memory"]()
    case["times"] = interleaved(calls, effort)
    case["first calls"] = fresh("--first", workload.name, size, dtype, LAZYTENSOR_CACHE="")
    case["peers' first calls"] = compiling
    gc.collect()
    return case


# ---- threads and compile times ---------------------------------------------------------------------------------------

THREAD_SIZES = (1 << 24, 1 << 20, 1 << 15, 1 << 13, 1 << 12, 1 << 10)


def threads(lt: Any, effort: Effort) -> list[dict[str, Any]]:
    """One thread against two, on the float64 transcendental chain."""
    workload = next(w for w in WORKLOADS if w.name == "transcendental chain")
    rows = []
    for size in THREAD_SIZES if effort is FULL else THREAD_SIZES[1:]:
        inputs = workload.make(numpy.random.default_rng(7), (size,), "float64")
        call = on_lazytensor(lt, workload, inputs).call

        def with_threads(count: int, call: Call = call) -> Call:
            def run() -> None:
                with lt.config(threads=count):
                    call()
            return run

        warm(lt, call)
        times = interleaved({"1": with_threads(1), "2": with_threads(2)}, effort)
        rows.append({"elements": size, "times": times})
    return rows


def compile_times(lt: Any) -> dict[str, Any]:
    """Milliseconds that each kernel of the small versions of all programs takes to make, in this process."""
    start = time.perf_counter()
    native = importlib.import_module(lt.__name__ + ".lower.native")
    launch = importlib.import_module(lt.__name__ + ".run.launch")
    native.available()
    starting, taken, busy, bind = time.perf_counter() - start, [], [], launch.bind

    def timed(*args: Any, **options: Any) -> Any:
        before = native._counts["hits"] + native._counts["misses"]
        start, used = time.perf_counter(), time.thread_time()
        result = bind(*args, **options)
        if native._counts["hits"] + native._counts["misses"] > before:
            taken.append((time.perf_counter() - start) * 1e3)
            busy.append((time.thread_time() - used) * 1e3)
        return result

    launch.bind = timed
    lt.config(plan_after=1, compile_after=0)
    for workload in WORKLOADS:
        for dtype in workload.dtypes:
            call = on_lazytensor(lt, workload, inputs_of(workload, next(iter(workload.sizes)), dtype)).call
            for _ in range(3):
                call()
    return {"starting": starting * 1e3, "ms": taken, "cpu ms": busy, "counts": dict(native._counts)}


def compiling() -> dict[str, Any]:
    """The same in a process with an empty disk cache, and in a second one."""
    with tempfile.TemporaryDirectory() as folder:
        cold, second = (fresh("--compile-here", LAZYTENSOR_CACHE=folder) for _ in range(2))
    small = [fresh("--first", "small expression", "10", "float64", LAZYTENSOR_CACHE="") for _ in range(7)]
    return {"cold": cold, "second": second, "first small": statistics.median(b - a for a, b in small) * 1e3}


# ---- the program -----------------------------------------------------------------------------------------------------


def keep(options: argparse.Namespace, known: dict[str, Any]) -> None:
    """Writes what is known so far, if asked."""
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(known, indent=1))


def measured(options: argparse.Namespace, lt: Any) -> dict[str, Any]:
    """Runs what the options ask for and prints the rows as they are known."""
    found, missing = peers.found()
    if options.peers is not None:
        found = {name: peer for name, peer in found.items() if name in options.peers.split(",")}
    effort = QUICK if options.quick else FULL
    known: dict[str, Any] = {"machine": report.machine(), "versions": report.versions(found), "missing": missing,
                             "effort": effort._asdict(), "cases": []}
    print("\n".join(report.heading(known)), flush=True)
    for workload in WORKLOADS:
        for size in workload.sizes if any(x in workload.name for x in options.only.split(",")) else ():
            if size not in (options.sizes or ("L2,L3,10,1,000,30,000" if options.quick else size)):
                continue
            for dtype in workload.dtypes:
                known["cases"].append(compare(lt, found, workload, size, dtype, effort))
                print(report.line(known["cases"][-1]), flush=True)
                keep(options, known)
    return known


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAMES", help="only programs whose name contains one of these")
    parser.add_argument("--sizes", default="", help="only these: L2, L3, memory, 10, 1,000, 30,000")
    parser.add_argument("--peers", help="only these: " + ", ".join(peers.NAMES))
    parser.add_argument("--quick", action="store_true", help="no sizes beyond the caches, and few rounds")
    parser.add_argument("--threads", action="store_true", help="one thread against two")
    parser.add_argument("--compile", action="store_true", help="what kernels take to compile, and from the disk cache")
    parser.add_argument("--out", metavar="FILE", help="keep what was measured, as JSON")
    parser.add_argument("--read", metavar="FILE", help="measure nothing: take what was kept")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md and the plots")
    parser.add_argument("--first", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--compile-here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measures, prints, writes; gives the exit status."""
    options = parse()
    if options.read:
        known = json.loads(pathlib.Path(options.read).read_text())
    else:
        lt = importlib.import_module("lazytensor")
        if options.first:
            name, size, dtype = options.first
            print(json.dumps(first_calls(lt, next(w for w in WORKLOADS if w.name == name), size, dtype)))
            return 0
        if options.compile_here:
            print(json.dumps(compile_times(lt)))
            return 0
        effort = QUICK if options.quick else FULL
        known = measured(options, lt) if options.docs or not (options.threads or options.compile) else {"cases": []}
        if options.threads or options.docs:
            known["threads"] = threads(lt, effort)
        if options.compile or options.docs:
            known["compiling"] = compiling()
        keep(options, known)
    print("\n".join(report.summary(known)))
    if options.docs:
        report.write(known, ROOT / "docs")
    return int(any(case["wrong"] for case in known["cases"]))


if __name__ == "__main__":
    sys.exit(main())
