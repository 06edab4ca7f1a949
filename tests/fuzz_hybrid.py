"""Thousands of random functions, jitted, against NumPy: `python -m tests.fuzz_hybrid --programs 5000 --control 2000`.

`--programs` are straight, `--control` have branches and loops that depend on values, `--loops` are `fori_loop`s, as
many whose bodies also decide on values, as many loops over `lazytensor.range`, within each other whose bodies read
their indices, and as many of Python's own that a value ends, `--rolled` are such loops that get kernels, most of them,
with arguments of many kinds, `--states` keep Python's floats in such loops, `--views` read views of views of what they
compute, `--sizes` are called with arrays of many sizes, `--parts` with views of arrays, `--shared` with arrays in
memory that NumPy's arrays share, `--counting` are methods that count in attributes and entries, `--calls` have
parameters and arguments of many kinds, which vary from call to call, `--numbers` have arguments that are numbers and
vary, `--steps` are steps of time loops, long lines of these numbers and of elements. Two thirds of the functions are
left without the steps for which all of a function runs its Python, so that more of them are compiled.
`--nodes` has all of them run as large arrays' programs do.
"""

import argparse
import collections
import functools
import importlib
import sys
import time
import traceback
import types

from tests import (
    program_calls,
    program_computed,
    program_convergence,
    program_jit,
    program_loops,
    program_number_arguments,
    program_number_steps,
    program_numbers,
    program_parts,
    program_ranges,
    program_rolled,
    program_shared,
    program_sizes,
    program_states,
)


def tried(seed, module, control):
    """(what differs or None, the function or None, what was compiled)."""
    make = program_jit.generate if seed % 3 == 0 else lambda s, c: program_jit.tamed(s, module, c)
    function = make(seed, control)
    if function is None:
        return None, None, {}
    found, f = program_jit.run(function, module)
    return found, function, f.cache_info()


def looped(seeds, module, show, programs, words):
    """Tries loops that read their indices; gives the seeds of those that differ."""
    failures, counts = [], collections.Counter()
    for seed in seeds:
        try:
            found, f = programs.tried(seed, module)
            counts["compiled"] += bool(f.cache_info()["compiled"])
            counts["generated"] += "loop_of_" in f.source or "loop_until" in f.source
        except Exception:
            found = traceback.format_exc()
        if found:
            failures.append((seed, words))
            if len(failures) <= show:
                print(programs.random_program(seed), f"# seed {seed}: {found}", flush=True)
    print(f"{len(seeds)} functions of {words}", dict(counts))
    return failures


def viewed(seeds, module, show):
    """Tries functions that read views of what they compute; gives the seeds of those that differ."""
    failures, compiled = [], 0
    for seed in seeds:
        try:
            found, f = program_computed.tried(seed, module, jitted=True)
            compiled += bool(f.cache_info()["compiled"])
        except Exception:
            found = program_computed.Found(seed, traceback.format_exc())
        if found:
            failures.append((seed, "views"))
            if len(failures) <= show:
                print(found.report("lazytensor"), flush=True)
    print(f"{len(seeds)} functions of views of what they compute, {compiled} of them compiled")
    return failures


def served(seeds, show, kind, tried, general):
    """Tries functions that are called with many arguments of a kind; gives the seeds of those that differ, and how many
    functions have a program that serves several."""
    failures, several = [], 0
    for seed in seeds:
        try:
            found, f = tried(seed)
            several += general(f)
        except Exception:
            found = traceback.format_exc()
        if found:
            failures.append((seed, kind))
            if len(failures) <= show:
                print(found, flush=True)
    return failures, several


def sized(seeds, module, show):
    """Tries functions of arrays of many sizes; gives the seeds of those that differ."""
    failures, families = served(seeds, show, "sizes", lambda seed: program_sizes.tried(seed, module),
                                lambda f: f.cache_info()["sizes"] > f.cache_info()["compiled"])
    print(f"{len(seeds)} functions of many sizes, {families} of them with a program for several")
    return failures


def parted(seeds, module, show):
    """Tries functions of views; gives the seeds of those that differ."""
    failures, lifted = served(seeds, show, "parts", lambda seed: program_parts.tried(seed, module),
                              lambda f: any(one.given.lift for one in f._compiled))
    print(f"{len(seeds)} functions of views, {lifted} of them with a program for any view")
    return failures


def shared(seeds, module, show):
    """Tries functions of arrays that share memory with NumPy; gives the seeds of those that differ."""
    failures, compiled = served(seeds, show, "shared", lambda seed: program_shared.tried(seed, module),
                                lambda f: bool(f.cache_info()["compiled"]))
    print(f"{len(seeds)} functions of arrays that share memory with NumPy, {compiled} of them compiled")
    return failures


def counting(seeds, module, show):
    """Tries methods that count; gives the seeds of those that differ."""
    failures, followed = served(seeds, show, "counting", lambda seed: program_numbers.tried(seed, module),
                                lambda f: any(one.captured.numbers for one in f._compiled))
    print(f"{len(seeds)} methods that count, {followed} of them with numbers in their programs")
    return failures


def called(seeds, module, show):
    """Tries functions that are called in many ways; gives the seeds of those that differ."""
    failures, compiled = served(seeds, show, "calls", lambda seed: program_calls.tried(seed, module),
                                lambda f: bool(f.cache_info()["compiled"]))
    print(f"{len(seeds)} functions called in many ways, {compiled} of them compiled")
    return failures


def numbered(seeds, module, show):
    """Tries functions of numbers that vary; gives the seeds of those that differ."""
    failures, followed = served(seeds, show, "numbers", lambda seed: program_number_arguments.tried(seed, module),
                                lambda f: any(one.given.numbers for one in f._compiled))
    print(f"{len(seeds)} functions of numbers that vary, {followed} of them with numbers in their programs")
    return failures


def shown(family, module):
    """Tries a program of a family for a seed; what differs comes with its text."""
    def tried(seed):
        found, f = family.tried(seed, module)
        return found and f"{family.random_program(seed)}# seed {seed}: {found}", f
    return tried


def rolled(seeds, module, show):
    """Tries functions whose loops values end; gives the seeds of those that differ."""
    kernels = []

    def generates(f):
        loops = program_rolled.loops_of(f)
        kernels.extend(loop.kernels for loop in loops[:1])
        return bool(loops)
    failures, generated = served(seeds, show, "rolled", shown(program_rolled, module), generates)
    print(f"{len(seeds)} functions whose loops values end, {generated} of them generated, "
          f"{sum(map(bool, kernels))} with kernels")
    return failures


def stateful(seeds, module, show):
    """Tries functions whose loops keep Python's floats; gives the seeds of those that differ."""
    failures, generated = served(seeds, show, "states", shown(program_states, module),
                                 lambda f: bool(program_rolled.loops_of(f)))
    print(f"{len(seeds)} functions whose loops keep Python's floats, {generated} of them generated")
    return failures


def stepped(seeds, module, show):
    """Tries steps of time loops; gives the seeds of those that differ."""
    failures, taped = served(seeds, show, "steps", lambda seed: program_number_steps.tried(seed, module),
                             lambda f: "tape" in f.source)
    print(f"{len(seeds)} steps of time loops, {taped} of them with tapes")
    return failures


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_hybrid", description=__doc__)
    parser.add_argument("--programs", type=int, default=5000)
    parser.add_argument("--control", type=int, default=2000)
    parser.add_argument("--loops", type=int, default=1000)
    parser.add_argument("--rolled", type=int, default=1000)
    parser.add_argument("--views", type=int, default=1000)
    parser.add_argument("--sizes", type=int, default=1000)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--shared", type=int, default=1000)
    parser.add_argument("--counting", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--numbers", type=int, default=500)
    parser.add_argument("--states", type=int, default=500)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nodes", action="store_true")
    parser.add_argument("--show", type=int, default=5, help="how many failures to print")
    options = parser.parse_args(arguments)
    module = importlib.import_module("lazytensor")
    importlib.import_module("lazytensor.api.rolling").MARGIN = 2  # of short arrays, too
    if options.nodes:
        importlib.import_module("lazytensor.hybrid.nodes").LARGE = 0
    failures, start = [], time.monotonic()
    for control, number in ((False, options.programs), (True, options.control)):
        counts = collections.Counter()
        for seed in range(options.seed, options.seed + number):
            try:
                found, function, info = tried(seed, module, control)
            except Exception:
                found, function, info = traceback.format_exc(), None, {}
            counts["functions"] += bool(found or function)
            counts["compiled"] += bool(info.get("compiled"))
            counts["paths"] += info.get("paths", 0)
            if found:
                failures.append((seed, control))
                if len(failures) <= options.show:
                    print(function.report("lazytensor", found) if function else f"# seed {seed}: {found}", flush=True)
        kind = "with branches and loops" if control else "straight"
        print(f"{counts['functions']} functions {kind}, {counts['compiled']} of them compiled", dict(counts))
    seeds = range(options.seed, options.seed + options.loops)
    deciding = types.SimpleNamespace(
        tried=functools.partial(program_loops.tried, decides=True),
        random_program=functools.partial(program_loops.random_program, decides=True))
    for programs, words in ((program_loops, "loops by index"), (deciding, "loops that decide on values"),
                            (program_ranges, "loops over range"), (program_convergence, "loops that values end")):
        failures += looped(seeds, module, options.show - len(failures), programs, words)
    failures += rolled(range(options.seed, options.seed + options.rolled), module, options.show - len(failures))
    failures += viewed(range(options.seed, options.seed + options.views), module, options.show - len(failures))
    failures += sized(range(options.seed, options.seed + options.sizes), module, options.show - len(failures))
    failures += parted(range(options.seed, options.seed + options.parts), module, options.show - len(failures))
    failures += shared(range(options.seed, options.seed + options.shared), module, options.show - len(failures))
    failures += counting(range(options.seed, options.seed + options.counting), module, options.show - len(failures))
    failures += called(range(options.seed, options.seed + options.calls), module, options.show - len(failures))
    failures += numbered(range(options.seed, options.seed + options.numbers), module, options.show - len(failures))
    failures += stateful(range(options.seed, options.seed + options.states), module, options.show - len(failures))
    failures += stepped(range(options.seed, options.seed + options.steps), module, options.show - len(failures))
    print(f"{len(failures)} differ: {failures[:20]}; {time.monotonic() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
