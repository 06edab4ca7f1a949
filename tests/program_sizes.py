"""Random functions that are jitted and called with arrays of many sizes, against NumPy."""

import random
import warnings

import numpy as real

from tests.helpers import same_bits

SIZES = (4, 5, 7, 4, 2, 9, 1, 3, 6, 0, 12, 5, 8, 1, 33, 20, 2)

STEPS = (
    "{a} * 2 + {b}", "{a} - {b}", "np.exp(-abs({a}))", "{a}[1:] + {a}[:-1]", "{a}[::2] * 1.5", "{a}[::-1] + {b}",
    "{a}[:3] - 1", "{a}[-2:] * {b}[:2]", "{a}.sum()", "{a}.mean() + {b}", "{a} - {a}.max(-1, keepdims=True)",
    "{a}.cumsum()", "{a}.reshape(-1)", "{a}.reshape(-1, 1) * {b}", "{a}.reshape(1, -1) + {b}.T", "{a}.T + {b}",
    "{a}.T.copy()", "{a}.ravel()[1:]", "{a} @ {b}", "{a}.T @ {a}", "{a}[None] + {b}", "{a}[..., None] * {b}",
    "np.where({a} > 0, {a}, {b})", "{a}.astype('f4') + {b}", "{a}.std(0)", "{a}.var(ddof=1)", "{a}.argmax()",
    "{a}[0]", "{a}[-1] + {b}", "{a}[1] * 2", "np.maximum({a}, 0.5).min(0)", "({a} > 0).any()", "{a}.flatten()",
    "{a} / {a}.sum()", "{a} * len({b})", "{a} + {b}.size", "np.zeros({a}.shape) + {a}", "np.ones(3) + {a}[:3]",
    "{a}[:len({a}) // 2]", "{a}.clip(0, 1)", "np.squeeze({a})", "{a}.reshape(2, -1)", "np.arange(3.0) * {a}",
    "{a} if {a}.shape == {b}.shape else {b}", "{a} if {a}.sum() > 0 else {b} * 2", "np.concatenate([{a}, {b}])",
    "np.ones_like({a}).sum() + {a}", "np.diff({a})", "np.outer({a}, {b})", "np.array_equal({a}, {b}) + {a}",
    "{a}.round(1)", "np.roll({a}, 1, 0) - {b}", "np.roll({a}, 1, -1) + np.roll({a}, -1, 0)", "np.roll({a} * 2, 1, -1)")
WRITES = ("{a}[1:] = {b}[:-1]", "{a} += {b}", "{a}[::2] *= 2", "{a}[0] = {b}[-1]", "{a}[...] = 3",
          "{a}[:2] += {b}[-2:]", "{a} -= {a}.mean()", "{a}[1:-1] = {a}[2:] + {a}[:-2]")


def source_of(seed):
    """The text of a function `f` of three arrays."""
    choose = random.Random(seed)
    names, lines = ["x", "y", "z"], []
    for i in range(choose.randint(1, 6)):
        a, b = choose.choice(names), choose.choice(names)
        if choose.random() < 0.2:
            lines.append(f"    {choose.choice(WRITES).format(a=a, b=b)}")
        else:
            lines.append(f"    v{i} = {choose.choice(STEPS).format(a=a, b=b)}")
            names.append(f"v{i}")
    return "\n".join(["def f(x, y, z):", *lines, f"    return {', '.join(names[3:][-3:] or names[:1])},"]) + "\n"


def shapes_of(seed):
    """The shapes of its arguments for a size."""
    choose = random.Random(~seed)
    kinds = [choose.choice(("(n,)", "(n,)", "(n, 3)", "(3, n)", "(n, n + 1)", "(5,)", "(n + 1,)", "(m,)", "(2 * n,)"))
             for _ in range(3)]
    return lambda n: [eval(kind, {"n": n, "m": n * 7 % 5 + 1}) for kind in kinds]


def called(f, arguments):
    """What a call gives: its result, or the exception."""
    try:
        return f(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)


def same(a, b):
    """Whether two outcomes are one to the bit."""
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, str):
        return a == b
    x, y = real.asarray(a), real.asarray(b)
    return same_bits(x, y) and (not x.size or getattr(a, "strides", ()) == getattr(b, "strides", ()))


def tried(seed, module):
    """(what differs or None, the jitted function)."""
    text, shapes = source_of(seed), shapes_of(seed)
    made = []
    for np in (real, module):
        scope = {"np": np, "__name__": "__main__"}
        exec(compile(text, f"<program {seed}>", "exec"), scope)
        made.append(scope["f"])
    plain, jitted = made[0], module.jit(made[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn, n in enumerate(SIZES):
            given = [real.random.default_rng([seed, turn, i]).standard_normal(s) for i, s in enumerate(shapes(n))]
            own = [module.array(x) for x in given]
            outcomes = called(plain, given), called(jitted, own)
            if not same(*outcomes) or not same(given, own):
                return f"{text}# seed {seed}, size {n}, call {turn + 1}: {outcomes}", jitted
    return None, jitted
