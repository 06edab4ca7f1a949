"""Random functions that bind attributes, entries and globals anew, jitted, against NumPy: everything that they can
reach is compared after each call, and which of it is one object; between calls it is bound and written to otherwise."""

import itertools
import random
import warnings

import numpy as real

from tests.program_parts import alike
from tests.program_sizes import called

CALLS = 14

PLACES = ("s.p", "s.q", "t.p", "d['a']", "d['b']", "m[0]", "m[1]", "g", "k.e", "e['a']", "e['b']", "k.p")
"""`s`, `t` and `k` are objects (`k` with slots), `d` and `m` a dict and a list that are captured, `g` is a global, and
`e` is a dict that is an argument: `d` itself at some calls."""
VALUES = ("{a} * 0.5 + {b}", "{a} - x", "{a}[::-1] * y", "np.where({a} > 0, {a}, {b})", "{a}.copy()", "np.zeros(4)",
          "{a} + {b}.sum()", "{a}", "{b}", "x", "x * 2", "np.maximum({a}, {b})")
ODD = ("{a}.sum()", "{a}.mean() * 0.5", "{a}[1:3]", "None", "{a}.astype('f4')", "[{a}, {b}]", "float({a}[0])",
       "{a}[0]", "True")
LINES = ("{c} = {v}", "{c} = {v}", "{c} = {v}", "{c}, {e} = {e}, {v}", "{c} += {a}", "{c}[1:] = {a}[:-1]",
         "if ({a} * x).sum() > 0: {c} = {v}", "for _ in range(3): {c} = {v}", "{c} = {v}; {e} = {c} * 0.25")
BETWEEN = ("{c} = {a} * 0.5", "{c} = {a}", "{c} += 1", "{c} = np.ones(4) * {i}", "{c} = {a}[::-1]")


def source_of(seed):
    """The text of a function `f` of two arrays and a dict."""
    choose = random.Random(seed)
    places = choose.sample(PLACES, choose.randint(3, 7))
    odd = choose.random() < 0.3
    lines = []
    for _ in range(choose.randint(1, 5)):
        a, b, c, e = (choose.choice(places) for _ in range(4))
        v = choose.choice(VALUES + (ODD if odd else ())).format(a=a, b=b)
        lines.append(f"    {choose.choice(LINES).format(a=a, b=b, c=c, e=e, v=v)}")
    if choose.random() < 0.15:
        lines.insert(choose.randint(0, len(lines)), f"    if {places[0]}.sum() > 5: raise ValueError('large')")
    given = [choose.choice([*places, "x", f"{places[0]} + {places[1]}"]) for _ in range(2)]
    return "\n".join(["def f(x, y, e):", "    global g", *lines, f"    return {', '.join(given)},"]) + "\n"


def world(np, seed, text):
    """The globals of a program, with its function."""
    class Plain:
        pass

    class Slots:
        __slots__ = ("p", "e")

    choose = random.Random(~seed)
    scope = {"np": np, "__name__": "__main__", "s": Plain(), "t": Plain(), "k": Slots(), "d": {}, "m": [0, 0]}
    scope["e"] = scope["d"] if choose.random() < 0.3 else {}
    for i, place in enumerate(PLACES):
        one = choose.choice(PLACES[:i]) if i and choose.random() < 0.2 else f"np.arange(4.0) - {i % 5}"
        exec(f"{place} = {one}", scope)
    exec(compile(text, f"<program {seed}>", "exec"), scope)
    return scope


def state_of(scope):
    """All that a program can reach."""
    return [eval(place, scope) for place in PLACES]


def alike_states(a, b):
    """Whether two programs' objects have the same values, and are one where the other's are."""
    pairs = [(i, j) for i, j in itertools.combinations(range(len(a)), 2) if hasattr(a[i], "dtype") and a[i].ndim]
    return all(map(_alike, a, b)) and all((a[i] is a[j]) is (b[i] is b[j]) for i, j in pairs)


def _alike(a, b):
    return (a == b and type(a) is type(b)) if isinstance(a, (float, type(None))) and not hasattr(a, "dtype") else (
        alike(a, b))


def tried(seed, module):
    """(what differs or None, the jitted function)."""
    text, choose = source_of(seed), random.Random(seed + 1)
    worlds = [world(np, seed, text) for np in (real, module)]
    jitted = worlds[1]["jitted"] = module.jit(worlds[1]["f"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(CALLS):
            other, sign = choose.random() < 0.2, choose.choice((1, 1, 1, -1))
            outcomes = []
            for scope in worlds:
                np = scope["np"]
                if other:
                    scope["e"] = scope["d"] if scope["e"] is not scope["d"] else {
                        "a": np.ones(4) * turn, "b": scope["d"]["b"]}
                arguments = np.arange(4.0) * sign, np.ones(4) * (turn % 3), scope["e"]
                outcomes.append(called(scope.get("jitted", scope["f"]), arguments))
            states = [state_of(scope) for scope in worlds]
            if not all(map(_alike, *([x] if isinstance(x[0], str) else x for x in outcomes))) or (
                    not alike_states(*states)):
                return f"{text}# seed {seed}, call {turn + 1}: {outcomes}, {states}", jitted
            line = choose.choice(BETWEEN).format(a=choose.choice(PLACES), c=choose.choice(PLACES), i=turn)
            if choose.random() < 0.4:
                errors = [_done(line, scope) for scope in worlds]
                if errors[0] != errors[1]:
                    return f"{text}# seed {seed}, after call {turn + 1}: {line} {errors}", jitted
    return None, jitted


def _done(line, scope):
    try:
        exec(line, scope)
    except Exception as error:
        return type(error).__name__
    return ""
