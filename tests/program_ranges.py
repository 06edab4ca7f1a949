"""Random programs of ``for i in lazytensor.range(...)``, within each other, with all that Python may do in a loop;
jitted, beside NumPy with Python's `range`."""

import random
import sys
import types
import warnings

import numpy as real

from lazytensor.hybrid import fusing
from lazytensor.run import kernels
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.program_loops import CALLS, INDICES, SLICES, STATEMENTS, VALUES, attempt

plain = types.SimpleNamespace(**{name: getattr(real, name) for name in real.__all__ if hasattr(real, name)})
plain.range = range
"""NumPy with Python's `range`."""

BOUNDS = ["n - 2", "steps", "1, steps", "2, steps + 2", "0, 12, 1", "steps, 0, -1", "1, 2 * steps, 2", "a.size - 1",
          "int(k)", "0", "1", "3", "len(b)"]  # fmt: skip
INNER = ["i", "i, n", "6", "i + 1, n", "1, 12", "n - i", "0, i, 2"]
TAMED = ["t = {v}", "{x} = {x} * 0.5 + i", "{x}[i] = {y}[{j}] + i", "{x} = {v}", "t = t + {x}[i]", "{x} *= 0.5",
         "{x}[i] += {y}[2] * i", "{y}[1:9] = {x}[2:10] * 0.5 + i", "u = {x}[{j}] * i", "w = {x}[2:]", "{x} += i",
         "j = 2 * i + 1", "t = t * 0.5 + j", "{x}[{j}] += u", "s = s + {x}[i]",
         "v = {x}; {x} = {y}; {y} = v * 1",          "t = helper({x}, i)", "box[0]; t = t + box[0] * i"]  # fmt: skip
WILD = ["dt *= 0.5", "{x} = {x} + dt", "k = k + 1", "{x}[k % 5] += i", "out.append({x}[i] + 0)",
        "box[0] = {x}[1:] * 1.0", "if i == 5: {x} = {x} + 1", "if i == 6: continue", "if i == 8: break",
        "if i == 9: return a, b, t, i", "if {x}[i] > 2: {y}[2] = i", "last = i", "last = {x}", "{x}[i + k] = 1",
        "t = sum([{x}[q] * i for q in (1, 2)]) + t", "f = lambda z: z * i + dt", "t = f(t)", "del u",
        "if u is not None: u = {x} * i", "a, b = b, a", "v = {x}", "v[1] = i", "assert i < 11",
        "t = t + (1 if i % 2 else 3)", "counts['n'] += 1", "{x} = {x} + counts['n']", "n = n - 0", "{x}[i] = last",
        "bump(); {x} = {x} + seen", "rows = [{x}, {y}]; rows[0][1] = i", "{x} = {x} * first; first = 0.5"]  # fmt: skip
HEAD = """def f(a, b, n, steps):
    t, s, u, v, w, j, k, dt, last, first = a * 2, 0.0, 1.0, b, b[2:], 1, 7, 0.25, -1, 2.0
    out, box, counts, rows, seen = [], [b * 1], {'n': 0}, [], 0.0
    f = lambda z: z
    def helper(x, y):
        return x * 0.5 - y
    def bump():
        nonlocal seen
        seen = seen + 1.0
"""


def random_program(seed):
    """A function of two vectors with loops over `range` that read their indices, as text."""
    chance = random.Random(seed)
    wild = chance.random() < 0.5
    statements = TAMED + STATEMENTS + (WILD if wild else [])

    def filled(text):
        while "{" in text.replace("{'n'", ""):
            text = text.format(x=chance.choice("ab"), y=chance.choice("ab"), j=chance.choice(INDICES),
                               k=chance.choice(INDICES), s=chance.choice(SLICES), v=chance.choice(VALUES))
        return text

    def body(indent, depth):
        for _ in range(chance.randint(1, 4)):
            if depth < 2 and chance.random() < 0.2:
                own = "pq"[depth]
                lines.append(f"{indent}for {own} in np.range({chance.choice(INNER)}):")
                begin = len(lines)
                body(indent + "    ", depth + 1)
                if chance.random() < 0.8:
                    lines[begin:] = [line.replace("i]", f"{own}]").replace("i:", f"{own}:").replace("* i", f"* {own}")
                                     for line in lines[begin:]]
            else:
                lines.append(indent + filled(chance.choice(statements)))

    lines = []
    for _ in range(chance.choice((1, 1, 2))):
        where = "    "
        if wild and chance.random() < 0.15:
            lines.append("    try:")
            where = "        "
        lines.append(f"{where}for i in np.range({chance.choice(BOUNDS)}):")
        body(where + "    ", 0)
        if wild and chance.random() < 0.2:
            lines += [f"{where}else:", f"{where}    t = t + 1"]
        if where != "    ":
            lines += ["    except (IndexError, AssertionError, UnboundLocalError):", "        t = t - 1"]
    names = ["i", "u", "v", "w", "j", "k", "dt", "last", "out", "box", "counts", "seen", "rows", "first"]
    chance.shuffle(names)
    lines.append(f"    return a, b, t, s, {', '.join(sorted(names[:5]))}")
    return HEAD + "\n".join(lines) + "\n"


def tried(seed, module):
    """What differs, as text, or None; and the jitted function."""
    text, chance = random_program(seed), random.Random(-seed)
    worlds = [{"np": plain}, {"np": module}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for world in worlds:
            exec(compile(text, "<random program>", "exec"), world)
    f, n = module.jit(worlds[1]["f"]), chance.choice((12, 20, 31))
    dtype = chance.choice(("f8", "f8", "f4", "i8"))
    numbers = [chance.choice((11, 12, 14, 25))] * CALLS
    if chance.random() < 0.3:
        numbers = [chance.choice((9, 12, 13)) for _ in numbers]
    ranges = sys.modules[module.range.__module__].ranges
    ranges.WORTH = 9
    with unchecked(seed % 3 == 0):
        for call, steps in enumerate(numbers):
            if call == CALLS - 1 and seed % 2 and fusing.possible():
                for one in f._compiled:
                    one.quicken()
                assert not kernels.failures, kernels.failures
            data = (real.random.default_rng(seed + call).random((2, n)) * 4).astype(dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                given = data[0].copy(), data[1].copy()
                expected = attempt(lambda given=given, steps=steps: worlds[0]["f"](*given, n, steps))
            args = module.array(data[0]), module.array(data[1])
            with real.errstate(all="ignore"):
                found = attempt(lambda args=args, steps=steps: f(*args, n, steps))
                differs = difference((expected, given), (found, args))
            if differs is not None:
                return f"call {call + 1}: {differs}", f
    return None, f
