"""Random classes whose jitted methods count: attributes that are numbers, arrays and entries, against NumPy."""

import math
import random

import numpy

from .program_jit import against_numpy

CHOICES = {
    "number": ["self.t", "self.n", "self.t", "self.n", "self.p['k']", "self.dt", "0.5", "2", "t", "self.a.x"],
    "array": ["self.u", "self.v", "self.p['w']", "self.u", "u"],
}
NUMBERS = [
    "{n} + {n}", "{n} - {n}", "{n} * 0.5", "{n} + 1", "{n} % 7", "-{n}", "abs({n})", "{n} * {n} % 5", "{n} / 4",
    "{n} // 3", "min({n}, 3)", "max({n}, {n}) - 1", "math.cos({n})", "math.exp(-abs({n}))", "1 / {n}",
    "{n} if {n} > 1 else 2.5", "0.9 ** (abs({n}) % 9)", "round({n}, 2)", "float({n})", "int({n}) % 4", "3", "0.0",
    "divmod({n}, 3)[0]", "({n} > 2) + 1", "math.sqrt(abs({n}))", "{n} - 1e-3", "abs({n}) ** 0.5", "{n} * 1e30 % 3"]
ARRAYS = [
    "{a} * 0.5 + {b}", "{a} * ({n})", "{n} - {a}", "{a} + {n}", "{a} / (2 + abs({n}))", "np.maximum({a}, {n})",
    "np.where({a} > 0.25, {a}, {n})", "{a} * np.sin({n})", "np.exp(-abs({n})) * {a}", "{a} ** 2 % 3",
    "({a} + {b}).copy()", "{a} - {a}.mean() * {n}", "{a} * ({a}.sum() * {n} > 1)", "{a} % 4",
    "np.minimum({n}, {a} * {n})", "{a} + np.float64(0.5)"]
STATEMENTS = [
    "self.t += {n}", "self.n += 1", "self.t += self.dt", "self.n += 1", "self.t = {N}", "self.n = {N}",
    "self.p['k'] = {N}", "self.u = {A}", "self.v = {A}", "self.u = {A}", "self.p['w'] = {A}", "self.u[{i}] = {n}",
    "self.u[1:] += {n}", "self.v[:] = {A}", "self.u *= {n} % 2", "self.u, self.v = self.v, self.u", "self.a.x += 1",
    "self.a.x = {N}", "t = {N}", "t = self.t + {n}", "u = {A}", "self.done = {n} > 3", "self.last = {N}",
    "self.m = {a}.sum() * {n}", "t = self.helper({n})", "self.seen = {n}, {a}.sum() * 2", "self.half = self.t / 2",
    "self.s = self.s[1], {A}", "self.s = {A}, self.s[0] * 0.5", "self.l = [x + {n} for x in self.l]",
    "self.l[0] = {A}", "self.q = dict((k, {a} * 0.5) for k in self.q)", "self.u = self.s[0] + self.l[1]"]
BLOCKS = [
    "if {n} % 3 < 1.5:", "if self.n % 4 == 0:", "if {n} > {n}:", "for _ in range(2):", "if self.done:",
    "if {a}.sum() > {n}:", "for k in ('k',):", "if not {n}:", "while self.t > 30:"]


def random_program(seed):
    """The source of a class."""
    draw = random.Random(seed)

    def filled(text):
        for mark, options in (("{N}", NUMBERS), ("{A}", ARRAYS)):
            while mark in text:
                text = text.replace(mark, draw.choice(options), 1)
        for mark, kind in (("{n}", "number"), ("{a}", "array"), ("{b}", "array")):
            while mark in text:
                text = text.replace(mark, draw.choice(CHOICES[kind]), 1)
        return text.replace("{i}", str(draw.randrange(4)))

    lines = ["t, u = 1.5, self.u"]
    for _ in range(draw.randrange(2, 9)):
        if draw.random() < 0.3:
            lines.append(filled(draw.choice(BLOCKS)))
            whiles = lines[-1].startswith("while")
            lines.append("    " + ("self.t *= 0.5" if whiles else filled(draw.choice(STATEMENTS))))
            if draw.random() < 0.3 and not whiles:  # it would not end
                lines.append("    " + filled(draw.choice(STATEMENTS)))
        else:
            lines.append(filled(draw.choice(STATEMENTS)))
    if draw.random() < 0.5:
        lines.append(filled(draw.choice(["return {N}", "return {A}", "return self.t, self.u", "return self.n, {A}"])))
    body = "\n".join("        " + line for line in lines)
    return f"class Program:\n    def helper(self, x):\n        return x * 0.5 + self.n\n\n    def step(self):\n{body}\n"


class Part:
    """Something with an attribute."""

    def __init__(self):
        self.x = 1


def _plain(value, depth=0):
    kind = type(value)
    if kind in (int, float, bool, type(None)):
        return kind.__name__, repr(value)
    if kind in (list, tuple):
        return kind.__name__, *[_plain(x, depth + 1) for x in value]
    if kind is dict:
        return {k: _plain(x) for k, x in value.items()}
    if kind is Part:
        return _plain(value.x)
    array = numpy.array(value)
    return array.dtype.str, array.shape, (numpy.nan_to_num(array, nan=12345.678) + 0).tobytes(), numpy.signbit(
        numpy.nan_to_num(array)).tobytes() if array.dtype.kind == "f" else b""


def run(seed, np, jit, source):
    """What a program does, call by call; and its function."""
    draw, space = random.Random(~seed), {"np": np, "math": math, "__name__": "program"}
    exec(compile(source, f"<program {seed}>", "exec"), space)
    cls = space["Program"]
    cls.step = step = jit(cls.step)
    dtype = draw.choice(["float64", "float64", "float32"])

    step_size = draw.choice([0.25, 0.25, numpy.float64(0.25)])

    def made():
        one = cls()
        one.u, one.v = np.linspace(0, 1, 5).astype(dtype), np.ones(5, dtype)
        one.p, one.a = {"w": np.arange(5.0).astype(dtype), "k": draw.choice([1, 0.25])}, Part()
        one.t, one.n, one.dt, one.done, one.half = 0.0, 0, step_size, False, 1.0
        one.last = one.m = one.seen = None
        one.s, one.l, one.q = (one.u * 2, one.v), [one.u + 1, one.v * 3], {"a": one.u - 1, "b": one.v}
        return one

    ones, found = [made(), made()], []
    calls = draw.randrange(6, 40)
    with np.errstate(all="ignore"):
        for i in range(calls):
            one = ones[draw.random() < 0.25]
            if draw.random() < 0.1:
                name = draw.choice(["t", "n", "dt", "half"])
                setattr(one, name, draw.choice([0, 1, 0.5, -0.0, 2 ** 40, 7, -3.5, True, numpy.float64(0.25)]))
            try:
                found.append(_plain(step(one)))
            except Exception as error:
                found.append((type(error).__name__, str(error)))
            if i % 3 == 0 or i == calls - 1:
                found += [_plain(vars(x)) for x in ones]
    return found, step


def tried(seed, module):
    """What `against_numpy` gives for a seed."""
    def told(found, expected):
        where = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), -1)
        return f"place {where}: {found[where]}, not {expected[where]}"
    return against_numpy(seed, module, random_program(seed), run, told)
