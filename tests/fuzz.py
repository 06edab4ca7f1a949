"""Tens of thousands of random programs against NumPy: `python -m tests.fuzz --programs 20000 --threads 3`.

Plain programs run one at a time; threaded ones in groups of `--threads`, half of the groups on arrays of their own,
half reading one shared array and writing disjoint parts of another. A worker that dies or hangs is a failure too.
`--views` functions read views of views of what they compute, and are called several times (tests/program_computed.py).
`--variants` programs run on inputs of several sizes and layouts, one after the other, and are compared with their
warnings (tests/program_variants.py). `--borders` programs do so on arrays whose sizes lie at the borders of kernels
(tests/program_borders.py).

Plain programs take turns: each of `--engines` with each number of `--kernel-threads`. Kernels split their work among
threads however little it is, and one plain program in `BIG` has arrays that cross tiles and NumPy's buffers. What comes
up once is not planned: one in `AGAIN` runs twice.

One program again: `--programs 1 --threads 0 --seed N`, with the engine and threads named in its report. A group again,
where N is the smallest seed of its programs:
`--programs 0 --threaded-programs 3 --seed N-10000000`.
"""

import argparse
import collections
import faulthandler
import importlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import time

from tests import program_borders, program_computed, program_core, program_threads, program_variants, programs
from tests.helpers import plan_soon

PATIENCE = 120  # seconds that a program (and the shrinking of it) may take before its worker counts as hung
BIG = 8
AGAIN = 3
THREADED_SEED = 10_000_000  # threaded programs take their seeds from here on


def configured(module, way):
    """Puts an engine and a number of kernel threads in force, where the module has such."""
    if way is not None and hasattr(module, "config"):
        engine, threads = way
        module.config(engine=engine, threads=threads)
        launch = importlib.import_module(f"{module.__name__}.run.launch")
        launch.SMALL_WORK, launch.PARALLEL_WORK = (1, 1) if threads > 1 else (1 << 13, 5 << 14)
        importlib.import_module(f"{module.__name__}.run.moving").SHARED = 1 if threads > 1 else 1 << 18
        choosing = importlib.import_module(f"{module.__name__}.api.choosing")
        choosing.LEAST, choosing.LEARNED = (1, True) if threads > 1 else (1 << 11, False)
        rolling = importlib.import_module(f"{module.__name__}.api.rolling")
        rolling.LEAST, rolling.MARGIN = (1, 2) if threads > 1 else (1 << 18, 8)
        importlib.import_module(f"{module.__name__}.api.masked").LEAST = 1 if threads > 1 else 1 << 17


def tried(kind, seed, module, threads, way):
    """The reports of one program, or of one group of threaded programs, and how many programs that was."""
    configured(module, way)
    if kind == "plain":
        program = programs.generate(seed, big=seed % BIG == BIG - 1)
        found = programs.run(program, module)
        if not found and seed % AGAIN == 0:
            found = programs.run(program, module)
        return [found] if found else [], 1
    if kind == "views":
        found, _ = program_computed.tried(seed, module, jitted=False)
        return [found] if found else [], 1
    if kind in ("variants", "borders"):
        found = (program_variants if kind == "variants" else program_borders).tried(seed, module)
        return [found] if found else [], 1
    run = program_threads.run_apart if kind == "apart" else program_threads.run_sharing
    return run(seed, module, threads), threads


def _shrunk(kind, found, module):
    """The report, shrunk where the program differs alone."""
    name = module.__name__
    if kind in ("sharing", "views", "variants", "borders"):
        return found.report(name)
    alone = found if kind == "plain" else programs.run(found.program, module)
    return programs.shrink(alone, module).report(name) if alone else found.report(name)


def work(connection, module_name, threads, themes):
    """A worker: take (kind, seed) from the connection, answer what differs, until told None."""
    program_core.THEMES[:] = themes
    faulthandler.enable()  # a crash says where
    module = importlib.import_module(module_name)
    plan_soon(module)
    seen = set()
    while (task := connection.recv()) is not None:
        kind, _, way = task
        found, count = tried(kind, task[1], module, threads, way)
        reports = []
        for one in found:
            report = (f"# engine {way[0]}, {way[1]} kernel threads\n" if way else "") + one.report(module_name)
            if signature(report) not in seen:  # one of its sort is shrunk
                seen.add(signature(report))
                report = _shrunk(kind, one, module)
            reports.append((signature(one.report(module_name)), report))
        connection.send((count, reports))


class Workers:
    """Processes that are given a task each time they answer, and replaced when they die or hang."""

    def __init__(self, number, module, threads, themes=()):
        self.module, self.threads, self.themes = module, threads, themes
        self.context = multiprocessing.get_context("spawn")
        self.busy = {}  # connection -> process, task, when it was given
        self.idle = [self._started() for _ in range(number)]

    def _started(self):
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=work, args=(theirs, self.module, self.threads, self.themes), daemon=True)
        process.start()
        theirs.close()
        return ours, process

    def run(self, tasks):
        """Yield (kind, number of programs, [(signature, report)]) for every task."""
        tasks = iter(tasks)
        while True:
            while self.idle and (task := next(tasks, None)) is not None:
                connection, process = self.idle.pop()
                connection.send(task)
                self.busy[connection] = process, task, time.monotonic()
            if not self.busy:
                return
            ready = multiprocessing.connection.wait(list(self.busy), timeout=1)
            for connection in ready:
                yield self._answer(connection)
            for connection, (_, _, since) in list(self.busy.items()):
                if time.monotonic() - since > PATIENCE:
                    yield self._replaced(connection, f"no answer within {PATIENCE} s")

    def _answer(self, connection):
        try:
            count, reports = connection.recv()
        except (EOFError, OSError):
            return self._replaced(connection, "the process died")
        process, task, _ = self.busy.pop(connection)
        self.idle.append((connection, process))
        return task[0], count, reports

    def _replaced(self, connection, what):
        process, (kind, seed, way), _ = self.busy.pop(connection)
        if process.is_alive():
            os.kill(process.pid, signal.SIGABRT)  # faulthandler prints where its threads are
            process.join(5)
        process.kill()
        process.join()
        self.idle.append(self._started())
        count = 1 if kind in ("plain", "views", "variants", "borders") else self.threads
        # The program is not made here to be printed: what kills a worker would kill this process.
        report = f"# {kind} program, seed {seed}, {way}: {what} (exit code {process.exitcode})\n"
        return kind, count, [(what, report)]

    def close(self):
        for connection, process in self.idle:
            connection.send(None)
            process.join(5)


def tasks_of(options):
    """All (kind, seed, engine and kernel threads): the plain programs, functions of views, then groups of threads."""
    ways = list(itertools.product(options.engines.split(","), map(int, options.kernel_threads.split(","))))
    for number in range(options.programs):
        yield "plain", options.seed + number, ways[number % len(ways)]
    for number in range(options.views):
        yield "views", options.seed + number, ways[number % len(ways)]
    for number in range(options.variants):
        yield "variants", options.seed + number, ways[number % len(ways)]
    for number in range(options.borders):
        yield "borders", options.seed + number, ways[number % len(ways)]
    if options.threads > 1:
        for group in range(-(-options.threaded_programs // options.threads)):
            seed = options.seed + group * options.threads
            yield ("apart", "sharing")[seed // options.threads % 2], THREADED_SEED + seed, ways[group % len(ways)]


def signature(report):
    """What makes two reports one bug, roughly: what the last comment says, without names and numbers."""
    text = report.rstrip().split("\n# ")[-1].rpartition("`: ")[2]
    return re.sub(r"\b[a-z]?\d[\d.]*|0x\w+|\[.*?\]|\(.*?\)", "_", text)[:140]


def parsed(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=20000, help="plain programs")
    parser.add_argument("--threads", type=int, default=3, help="threads in a group; 0: no threaded programs")
    parser.add_argument("--threaded-programs", type=int, default=None, help="by default a quarter of --programs")
    parser.add_argument("--views", type=int, default=None, help="functions of views; by default a tenth of --programs")
    parser.add_argument("--variants", type=int, default=None, help="programs on several inputs; a tenth of --programs")
    parser.add_argument("--borders", type=int, default=None, help="programs at borders of kernels; a tenth, too")
    parser.add_argument("--engines", default="llvm,numpy", help="engines that take turns")
    parser.add_argument("--kernel-threads", default="1,2,3", help="numbers of threads of kernels that take turns")
    parser.add_argument("--dtypes", default="", help="of which programs have one as their own, as c8,c16; any if empty")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", default="lazytensor")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--show", type=int, default=15, help="how many different failures to print")
    options = parser.parse_args(arguments)
    if options.threaded_programs is None:
        options.threaded_programs = options.programs // 4
    if options.views is None:
        options.views = options.programs // 10
    if options.variants is None:
        options.variants = options.programs // 10
    if options.borders is None:
        options.borders = options.programs // 10
    return options


def main(arguments=None):
    options = parsed(arguments)
    counts, failures, start = collections.Counter(), collections.Counter(), time.monotonic()
    workers = Workers(options.workers, options.module, options.threads, [d for d in options.dtypes.split(",") if d])
    for kind, count, reports in workers.run(tasks_of(options)):
        counts[kind] += count
        for name, report in reports:
            failures[name] += 1
            if failures[name] == 1 and len(failures) <= options.show:
                print(report, flush=True)
    workers.close()
    seconds = time.monotonic() - start
    threaded, rate = counts["apart"] + counts["sharing"], counts.total() / seconds
    print(f"{counts['plain']} plain programs, {counts['views']} functions of views of what they compute, "
          f"{counts['variants']} on several inputs, {counts['borders']} at borders, "
          f"{threaded} programs in groups of {options.threads} threads")
    print(f"(of those, {counts['apart']} on arrays of their own, {counts['sharing']} sharing two arrays)")
    print(f"{options.module} against NumPy, seed {options.seed}: {seconds:.1f} s, {rate:.0f} programs/s")
    for name, number in failures.most_common(options.show):
        print(f"{number} x {name}")
    print(f"{counts.total() - failures.total()} passed, {failures.total()} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
