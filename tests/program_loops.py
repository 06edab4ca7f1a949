"""Random programs of `fori_loop`, within each other, whose bodies read their indices; jitted, beside Python's loops."""

import random
import warnings

import numpy as real

from lazytensor.hybrid import fusing
from lazytensor.run import kernels
from tests.helpers import difference
from tests.program_jit import unchecked

CALLS = 3


def loop(lower, upper, body, value):
    """What `fori_loop` does."""
    for i in range(lower, upper):
        value = body(i, value)
    return value


def attempt(f, given=None):
    """What a function gives, or the error that it raises."""
    try:
        return f()
    except Exception as error:
        return type(error).__name__, str(error).replace("numpy.", "")


INDICES = ["i", "i - 1", "2 * i", "n - 1 - i", "-i", "-i - 1", "3", "n - i", "i + 2"]
SLICES = ["i:", ":i", "i:i + 3", "1:i + 1", "i:n - i", "n - i:", ":-i", "i - 1:i + 1", "::-1", "2:9", "i::2", "-i:"]
VALUES = ["{x} * 0.5", "{x} + i", "{x} * (i + 1)", "i - {x}", "{x} / (2 * i + 1)", "{x} - i * 0.25", "{x} * {y}",
          "{x} + {y}", "abs({x})", "({x} < i) * 1.0", "np.sqrt(abs({x}))", "{x}[{j}] + {y}", "{x}.sum() + {y}",
          "{x}[{j}] * {y}[{k}]", "{x}[:i] @ {y}[:i]", "float(i) + {x}", "({x} + 1 if i == 9 else {x})",
          "{x}[{s}].sum()", "np.maximum({x}, i)", "np.roll({x}, 1, 0) + {y}", "np.roll({x} * 2, i, 0)",
          "np.roll({x}, 1, 0) + np.roll({x}, -1, -1)"]  # fmt: skip
STATEMENTS = ["{x}[{j}]", "{x}[{s}] + {y}[{s}]", "t[i:n] += i", "{x} = {x} + {y}[i] * t", "t = t + ({x} < i)",
              "{x}[{j}] = {v}[0]", "{x}[{j}] += {y}[{k}]", "{x}[{s}] += {y}[{s}]", "{x}[{s}] = {y}[{s}] * 2",
              "{x}[{s}] = i", "{x}[{j}] = i", "{x} = {v}", "t = {v}", "{x} = {x} * 0.5 + t",
              "{x}[{j}] = {x}[{k}] * {y}[{j}]",
              "{x}[{j}] -= {x}[:i] @ {y}[:i]", "{x} *= 0.5"]  # fmt: skip
TESTS = ["{x}[{j}] > {y}[{k}]", "{x}.sum() > 20", "{x}[{j}] < i", "t[0] > 1 and {x}[1] < {y}[2]", "not {x}[{j}]",
         "0 < {x}[{j}] < 2", "min({x}[0], {y}[1]) > 0.5"]  # fmt: skip
INDEX_TESTS = ["i == 5", "i != 4", "i % 3", "i % 2 == 0", "i > n // 2", "3 <= i < 9", "n - 2 - i > 2 * i", "i",
               "i // 4 == 1", "i * 0.5 > 2.2", "abs(i - 6) < 3", "i in (3, 7)", "i > 6 and {x}[i - 6] > 1",
               "i < n - 3 and {x}[i + 3] < {y}[{k}]", "{x}[{j}] > 1 or i < 4", "not i % 5", "i < 3 or i > 8"]
"""Of bodies that decide on their index, too."""
DECISIONS = ["if {c}: {d}", "{x} = cond({c}, lambda s: s * 0.5, lambda s: s, {x})", "{x} = {v} if {c} else {y}",
             "{x} = cond({c}, lambda: {v}, lambda: t + i)", "{x} = {x} if {c} else t * 0.5",
             "{x}[{j}] = {y}[{k}] if {c} else i", "if {c}: return a * 0.5, t, b"]  # fmt: skip


def chosen(test, yes, no, *operands):
    """What `cond` does."""
    return yes(*operands) if test else no(*operands)


def random_program(seed, decides=False, by_index=False):
    """A function of two vectors with loops that read their index, and decide on values (and on the index) if they are
    to, as text."""
    chance = random.Random(seed)
    tests = INDEX_TESTS * 2 + TESTS if by_index else TESTS

    def filled(text):
        while "{" in text:
            text = text.format(x=chance.choice("ab"), y=chance.choice("ab"), j=chance.choice(INDICES),
                               k=chance.choice(INDICES), s=chance.choice(SLICES), v=chance.choice(VALUES),
                               **({"c": chance.choice(tests), "d": chance.choice(STATEMENTS)} if decides else {}))
        return text

    def body(indent, depth):
        for _ in range(chance.randint(1, 3)):
            if depth < 2 and chance.random() < 0.25:
                own = "pqr"[depth]
                bounds = chance.choice(["0, i", "i, n", "0, 6", "i + 1, n", "1, 12"])
                lines.append(f"{indent}def inner{depth}({own}, state):")
                lines.append(f"{indent}    a, b, t = state")
                begin = len(lines)
                body(indent + "    ", depth + 1)
                if chance.random() < 0.8:
                    lines[begin:] = [line.replace("i]", f"{own}]").replace("i:", f"{own}:") for line in lines[begin:]]
                lines.append(f"{indent}    return a, b, t")
                lines.append(f"{indent}a, b, t = fori_loop({bounds}, inner{depth}, (a, b, t))")
            else:
                kinds = DECISIONS if decides and chance.random() < 0.3 else STATEMENTS
                lines.append(indent + filled(chance.choice(kinds)))

    lines = ["def f(a, b, n, steps):", "    t = a * 2", "    def body(i, state):", "        a, b, t = state"]
    body("        ", 0)
    lines += ["        return a, b, t", f"    a, b, t = fori_loop({chance.choice((0, 1, 2))}, steps, body, (a, b, t))",
              "    return a, b, t"]  # fmt: skip
    return "\n".join(lines) + "\n"


def tried(seed, module, decides=False, by_index=False):
    """What differs, as text, or None; and the jitted function."""
    text, chance = random_program(seed, decides, by_index), random.Random(-seed)
    worlds = [{"np": real, "fori_loop": loop, "cond": chosen},
              {"np": module, "fori_loop": module.fori_loop, "cond": module.cond}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for world in worlds:
            exec(compile(text, "<random program>", "exec"), world)
    f, n, steps = module.jit(worlds[1]["f"]), chance.choice((12, 20, 31)), chance.choice((9, 12, 14, 25))
    dtype = chance.choice(("f8", "f8", "f4", "i8"))
    with unchecked(seed % 3 == 0):
        for call in range(CALLS):
            if call == CALLS - 1 and seed % 2 and fusing.possible():
                for one in f._compiled:
                    one.quicken()
                assert not kernels.failures, kernels.failures
            data = (real.random.default_rng(seed + call).random((2, n)) * 4).astype(dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                given = data[0].copy(), data[1].copy()
                expected = attempt(lambda given=given: worlds[0]["f"](*given, n, steps))
            args = module.array(data[0]), module.array(data[1])
            with real.errstate(all="ignore"):
                found = attempt(lambda args=args: f(*args, n, steps))
                differs = difference((expected, given), (found, args))
            if differs is not None:
                return f"call {call + 1}: {differs}", f
    return None, f
