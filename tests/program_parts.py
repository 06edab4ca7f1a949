"""Random functions that are jitted and called with views of arrays, against NumPy: parts, rows, columns and transposes
at any offset, of arrays of their own or of one that they share, some of which are also arguments or captured."""

import random
import warnings

import numpy as real

from tests.program_sizes import STEPS, WRITES, called, same

CALLS = 12

KINDS = (
    ("(40, 6)", "({n}, 6)", "[{i}:{i} + {n}]"), ("(40, 6)", "({n}, 3)", "[{i}:{i} + {n}, 1:4]"),
    ("(40, 6)", "({n},)", "[{i}:{i} + {n}, {k}]"), ("(40, 6)", "(6,)", "[{i}]"),
    ("(6, 40)", "({n}, 6)", ".T[{i}:{i} + {n}]"),
    ("(90,)", "({n},)", "[{i}:{i} + {n}]"), ("(90,)", "({n},)", "[{i}:{i} + 2 * {n}:2]"),
    ("(90,)", "({n},)", "[{i} + {n}:{i}:-1]"), ("(4, 30)", "(3, 30)", "[{k} % 2:{k} % 2 + 3]"),
    ("(12, 5, 4)", "(5, 4)", "[{i} % 12]"), ("(12, 5, 4)", "(4, 5)", "[{i} % 12].T"),
    ("(120,)", "({n}, 3)", "[{i}:{i} + 3 * {n}].reshape(-1, 3)"), ("(40, 6)", "({n}, 6)", "[{i}:{i} + {n}][::-1]"),
)  # fmt: skip
"""Shapes of arrays, and of their views, which stand in the text after the array; `i` and `k` vary from call to call."""

MORE = ("x[0]", "x[1:]", "{a}.reshape(-1)", "x", "[y, x[::2]]", "{a}.base is None", "{a} if x is y else {b}",
        "rng.permutation(3)", "W * {a}", "np.sort({a})", "np.linalg.norm({a})", "{a}.copy()", "x.flags.writeable")
"""What a function may also compute or give."""


def source_of(seed):
    """The text of a function `f` of three arrays."""
    choose = random.Random(seed)
    names, lines, every = ["x", "y", "z"], [], [*STEPS, *MORE]
    writes = choose.random() < 0.4
    for i in range(choose.randint(1, 6)):
        a, b = choose.choice(names), choose.choice(names)
        if writes and choose.random() < 0.3:
            lines.append(f"    {choose.choice(WRITES).format(a=choose.choice('xyz'), b=b)}")
        elif choose.random() < 0.1:
            lines.append(f"    if {a}.sum() > 0: return {b} * 2,")
        else:
            lines.append(f"    v{i} = {choose.choice(every).format(a=a, b=b)}")
            names.append(f"v{i}")
    return "\n".join(["def f(x, y, z):", *lines, f"    return {', '.join(names[3:][-3:] or names[:1])},"]) + "\n"


def calls_of(seed):
    """The shapes of arrays, and for each call the texts of arguments, of the arrays `A`, `B` and `C`."""
    choose = random.Random(~seed)
    kinds = [choose.choice([*KINDS, *[kind for kind in KINDS if "n" in kind[1]]]) for _ in range(3)]
    if choose.random() < 0.5:
        kinds[1] = kinds[0]
    shared = [choose.choice("AAB"), choose.choice("AB"), choose.choice("CCB")]
    shapes = {}
    for name, (shape, _, _) in zip(shared, kinds, strict=True):
        shapes.setdefault(name, shape)
    views = [view if shapes[name] == shape else "" for name, (shape, _, view) in zip(shared, kinds, strict=True)]
    sizes = [choose.randint(2, 9), choose.randint(2, 9)]
    rows = []
    for turn in range(CALLS):
        n = sizes[turn > 5 and choose.random() < 0.4]
        rows.append([name + view.format(n=n, i=choose.randint(0, 11), k=choose.randint(0, 5))
                     for name, view in zip(shared, views, strict=True)])
        if choose.random() < 0.1:
            rows[-1][1] = rows[-1][0]
        if choose.random() < 0.1:
            rows[-1][choose.randint(0, 2)] = choose.choice(list(shapes))
    return {name: eval(shape) for name, shape in shapes.items()}, rows


def tried(seed, module):
    """(what differs or None, the jitted function)."""
    text, (shapes, rows) = source_of(seed), calls_of(seed)
    worlds = []
    for np in (real, module):
        arrays = {name: np.array(real.random.default_rng([seed, *shape]).standard_normal(shape))
                  for name, shape in shapes.items()}
        scope = {"np": np, "__name__": "__main__", "W": arrays["A"] if seed % 5 == 0 and "A" in arrays else 2.0,
                 "rng": np.random.default_rng(seed)}
        exec(compile(text, f"<program {seed}>", "exec"), scope)
        worlds.append((scope["f"], arrays))
    (plain, given), (function, own) = worlds
    jitted = module.jit(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn, row in enumerate(rows):
            outcomes = []
            for f, arrays in ((plain, given), (jitted, own)):
                outcomes.append(called(f, [eval(x, {}, arrays) for x in row]))
            if not alike(*outcomes) or not same(list(given.values()), list(own.values())):
                return f"{text}# seed {seed}, call {turn + 1}, {row} of {shapes}: {outcomes}", jitted
            if turn % 3 == 2:
                for outcome in outcomes:
                    written(outcome)
                if not same(list(given.values()), list(own.values())):
                    return f"{text}# seed {seed}, call {turn + 1}, {row}: what it gives is not the same memory", jitted
    return None, jitted


def alike(a, b):
    """`same`, of numbers that are no arrays, too."""
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(alike, a, b))
    return (a is b) if isinstance(a, bool) or isinstance(b, bool) else same(a, b)


def written(outcome):
    """Writes to the arrays that a call gave."""
    for x in outcome if isinstance(outcome, tuple) else ():
        if getattr(x, "shape", ()) and x.flags.writeable:
            x[...] = 0.25
