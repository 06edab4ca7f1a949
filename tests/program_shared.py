"""Random functions that are jitted and called with arrays whose memory NumPy's arrays share, against NumPy: whole or in
parts, some of which overlap; NumPy writes to that memory between calls, before results are looked at."""

import random
import warnings

import numpy as real

from tests.program_parts import alike, calls_of, source_of, written
from tests.program_sizes import called, same

PLACES = {"A": 0, "B": 8, "C": 300}
"""Where arrays begin in one memory, in elements, where they overlap."""


def arrays_of(seed, shapes, np, world):
    """The arrays of a world, and the real arrays that have their memory, by name."""
    choose = random.Random(seed * 3 + 1)
    base = real.random.default_rng(seed).standard_normal(600)
    arrays, memories = {}, {}
    for name, shape in shapes.items():
        way = choose.choice(("own", "shared", "shared", "overlap", "given out", "read-only", "plain"))
        memory = real.random.default_rng([seed, *shape]).standard_normal(shape)
        if way == "overlap":
            memory = base[PLACES[name]:PLACES[name] + memory.size].reshape(shape)
        if world is real:
            arrays[name] = memory if way in ("own", "given out", "plain") else memory[...]
            arrays[name].flags.writeable = way != "read-only"
        elif way in ("own", "given out"):
            arrays[name] = np.array(memory)
            if way == "given out":
                memory = arrays[name].numpy()
        elif way == "plain":
            arrays[name] = memory
        else:
            own = memory[...]
            own.flags.writeable = way != "read-only"
            arrays[name] = np.asarray(own)
        if way != "own":
            memories[name] = memory
    return arrays, memories


def tried(seed, module):
    """(what differs or None, the jitted function)."""
    text, (shapes, rows) = source_of(seed), calls_of(seed)
    worlds = []
    for np in (real, module):
        arrays, memories = arrays_of(seed, shapes, np, np)
        scope = {"np": np, "__name__": "__main__", "W": arrays["A"] if seed % 5 == 0 and "A" in arrays else 2.0,
                 "rng": np.random.default_rng(seed)}
        exec(compile(text, f"<program {seed}>", "exec"), scope)
        worlds.append((scope["f"], arrays, memories))
    jitted = module.jit(worlds[1][0])
    functions = [(worlds[0][0], *worlds[0][1:]), (jitted, *worlds[1][1:])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn, row in enumerate(rows):
            outcomes = []
            for f, arrays, memories in functions:
                outcomes.append(called(f, [eval(x, {}, arrays) for x in row]))
                if isinstance(outcomes[-1][0], str):  # an exception: its words may name a scalar's class
                    outcomes[-1] = outcomes[-1][0]
                for k, memory in enumerate(memories.values()):
                    if (turn + k) % 2:
                        memory[turn % len(memory)] = turn + 0.5
            if not alike(*outcomes) or not same(list(worlds[0][1].values()), list(worlds[1][1].values())):
                return f"{text}# seed {seed}, call {turn + 1}, {row} of {shapes}: {outcomes}", jitted
            if turn % 3 == 2:
                for outcome in outcomes:
                    written(outcome)
                if not same(list(worlds[0][1].values()), list(worlds[1][1].values())):
                    return f"{text}# seed {seed}, call {turn + 1}, {row}: what it gives is not the same memory", jitted
    return None, jitted
