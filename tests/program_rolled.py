"""Random functions whose loops a value ends and whose turns are kept to what is generated, so that most of them run as
loops with kernels; jitted and called many times, beside NumPy.

Arguments are fresh or earlier results, one array twice, parts of one, of other sizes and dtypes; what a call gives is
written to afterwards, and all that earlier calls gave is compared again.
"""

import collections
import contextlib
import importlib
import io
import random
import re
import warnings

import numpy as real

from lazytensor.hybrid import fusing
from lazytensor.run import kernels
from tests.helpers import difference
from tests.program_jit import unchecked

CALLS, PLAIN = 30, 12
"""Calls of a function, and those of them before it gets kernels."""
KEPT = 5
"""Calls whose results are looked at again."""
DTYPES = {"f8": "float64", "f4": "float32", "c16": "complex128", "i8": "int64", "b1": "bool"}

NUMBERS = """
({0} + {1}) * {c}
{0} * {c} - {1}
{0} - {1} * {c}
{0} / ({1} * {1} + 1)
{0} * {s}
{0} + {s} * {c}
({0} + {1}[::-1]) * {c}
{0} - {0}.mean()
np.where({m}, {0}, {1})
{0} * n
{0} / {1}
{0} * {1}
{0}[::-1] * {c} + {1}
-{0}
{0} * {0}[0]
{1}.copy()
""".strip().splitlines()
"""Of floats and complex numbers."""
TEXTS = {
    "f": NUMBERS + """
np.sqrt(np.abs({0})) - {1} * {c}
np.sin({0}) * {c}
np.maximum({0}, {1}) * {c}
np.minimum({0}, {1}.max())
np.clip({0}, -2, 2)
np.exp(-np.abs({0})) * {1}
np.log(np.abs({0}) + 1)
np.abs({0}) ** 0.5
np.exp({0})
np.log({0})
np.sqrt({0})
{0} % 1.5
{0} // 0.5 * {c}
({m} * 1.0).astype('{t}') * {c} + {0}
np.where({0} > {s}, {0}, {1}) * {c}
np.round({0}, 2)
np.cumsum({0}) * 0.1
A # {0} * 0.1
np.sign({0}) + {1}
np.hypot({0}, {1})
np.float_power(np.abs({0}), 0.5).astype('{t}')
""".strip().splitlines(),
    "c": NUMBERS + """
np.conj({0}) * {c}
{0}.real * {1}
{0} * (0.5 + 0.5j)
np.abs({0}) + {1}
{0}.imag + {1}
np.exp({0})
""".strip().splitlines(),
    "i": """
{0} + {1}
{0} * 3 - {1}
{0} // 3 + {1}
{0} % 7 + {1}
{0} & {1}
{0} ^ 5
{0} >> 1
{0} << 1
np.where({m}, {0}, {1})
np.maximum({0}, {1}) - 1
-{0}
{0} + n
{0} // {1}
{0} % {1}
{0} * 1103515245 + 12345
{0}[::-1] + {1}
{0} + {m}
np.abs({0})
{0} - {0}.min()
""".strip().splitlines(),
    "b": """
{0} ^ {1}
{0} & {1}
{0} | {m}
~{0}
{m}
np.where({0}, {1}, {m})
np.logical_xor({0}, {1})
{0}[::-1]
{0} == {1}
np.isfinite({f})
""".strip().splitlines(),
}  # fmt: skip
MASKS = ["{f} > 0.25", "{f} < {g}", "{f} > {s}", "{f} != {f}", "({f} > 0) & ({g} < 1)", "{i} % 2 == 0", "{b}", "~{b}",
         "np.isnan({f})", "{f} >= {f}.mean()"]
SCALARS = ["{f}.sum() * 0.1", "{f}.max()", "{f} # {g}", "np.abs({f}).max()", "{f}[0]", "{f}[-1] * 1.0", "{f}.mean()",
           "{s} * 0.5", "{s} + {f}.min()", "np.sqrt(np.abs({s}))", "{s} * {s}", "{s} / ({f}.sum() + 1)", "1 / {s}",
           "({f} > 0).sum() * 0.5", "{f}.std()", "{s} * n", "{f}.sum() / {g}.sum()"]
WRITES = ["{w} *= 0.5", "{w} += {0}", "{w}[1:] = {0}[:-1]", "{w}[0] = {0}[-1]", "{w}[:] = {0}", "{w}[::2] += {0}[::2]",
          "{w}[1:-1] = {0}[2:] + {0}[:-2]", "{w}[{m}] = {0}[0]", "{w} -= {w}[::-1]", "{w}[1:] += {w}[:-1]",
          "np.add({w}, {0}, out={w})", "{w}[-1] = n", "np.multiply({0}, 2, out={w})", "{w}[::-1] = {0}",
          "v = {w}[1:]@v += {w}[:-1]", "v = {w}[::2]@v[:] = {0}[::2]", "{w}.fill(2)", "np.copyto({w}, {0}, where={m})"]
"""Of arrays that are written to."""
CHOICES = ["if {s} > {f}[0]:@    {one}", "if {f}.max() > 1:@    {one}@else:@    {two}", "if {b}[0]:@    {one}",
           "if {f}.min() < {s} and {s} > 0:@    {one}", "if {i}[0] > 2 or {f}[0] < 0:@    {one}@else:@    {two}"]
CONDITIONS = ["e > tol", "e > tol", "e > tol", "not (e <= tol)", "e > tol and n < 50", "n < 40 and e > tol",
              "(e > tol) & (np.abs({f}).max() > 0)", "e + {f}.max() * 0 > tol", "np.abs(e) > tol",
              "e > tol or e > np.abs({f}[0]) + 9",
              "e > tol and {f}.sum() < 1e5", "not (e * {f} < {f}).all() and e > tol",
              "(e > tol) | ({b} & False).any()"]
HEADS = """
while {c}:@    {body}
while {c}:@    n += 1@    {body}
while True:@    if not ({c}): break@    {body}
while True:@    {body}@    if not ({c}): break
while True:@    {body}@    n += 1@    if e < tol: break@    {body}
for n in range(60):@    {body}@    if not ({c}): break
for n in range(most):@    if e < tol: break@    {body}
for n in range(most):@    {body}@    if e < tol: return {r}
while {c}:@    n += 1@    {body}@    if n > 25: break
while {c}:@    n += 1@    if n > most + 8: raise ArithmeticError(f'after {{n}}')@    {body}
while {c}:@    {body}@    assert not np.isnan({f}).any(), 'nan'
while {c}:@    {body}@    if {s} > 1e6: raise OverflowError('diverged')
while True:@    {body}@    if e < tol: return {r}@    n += 1
while {c}:@    {body}@    if {f}[0] > 1e4: return {r}
for n in range(most):@    {body}@    if e < tol: break@else:@    n = -1
""".strip().splitlines()
AFTER = ["x = x * n", "G['last'] = x", "G['n'] = n", "L.append(float(s))", "H.append(y)", "global K@K = x", "y = x",
         "x[:] = y", "if n > 6: raise ValueError(f'{n} turns')", "x = x[:n % 3]", "s = x[n % len(x)]",
         "n = n + 1", "x += 1",
         "p[0] = 1", "w = x + w", "x = x + R.normal(size=x.shape)", "if n == 3: n = 7", "y = w[1:]"]
BEFORE = ["pass", "pass", "pass", "y = x", "x = p", "w = p", "w = p[:]", "x = np.asarray(p)", "w = p[::-1]",
          "q = q + R.normal(size=q.shape)", "y = q[:]", "w = x", "j = i", "s = p[0]", "d = b", "w += G['last'] * 0"]


class Maker:
    """Makes the text of one function."""

    def __init__(self, chance):
        self.chance = chance
        self.kinds = dict.fromkeys("xyw", "f") | {"j": "i", "d": "b"}
        self.complex = chance.random() < 0.25
        if self.complex:
            self.kinds["z"] = "c"
        self.temporaries = {}
        self.loops = 0

    def name(self, kind):
        """A variable of such a kind that is there."""
        own = {"f": "xywpq", "i": "ji", "b": "db", "c": "zz"}[kind]
        return self.chance.choice([*own, *[name for name, of in self.temporaries.items() if of == kind]])

    def filled(self, text, kind="f"):
        fill = {"0": self.name(kind), "1": self.name(kind), "c": self.chance.choice(("0.5", "0.25", "-0.5", "2.0")),
                "f": self.name("f"), "g": self.name("f"), "i": self.name("i"), "b": self.name("b"), "t": "{t}",
                "s": self.chance.choice("ste"), "w": "\2"}
        if "{m}" in text:
            text = text.replace("{m}", f"({self.chance.choice(MASKS)})")
        return re.sub(r"\{(\w+)\}", lambda found: fill.get(found[1], found[0]), text)

    def statement(self, deep=False):
        chance, kinds = self.chance, ["x", "y", "x", "y", "j", "d", *("zz" if self.complex else "")]
        how = chance.random()
        if how < 0.15 and not deep:
            one, two = self.statement(True), self.statement(True)
            text = self.filled(chance.choice(CHOICES).replace("{one}", "\1").replace("{two}", "\3"))
            return text.replace("\1", one.replace("@", "@    ")).replace("\3", two.replace("@", "@    "))
        if how < 0.3:
            return self.filled(chance.choice(WRITES)).replace("\2", chance.choice("wwwxy"))
        if how < 0.45:
            return f"{chance.choice('st')} = {self.filled(chance.choice(SCALARS))}"
        if how < 0.5:
            return chance.choice(["x, y = y, x * 0.5", "x, y = y, x", "s, t = t, s", "n += 1", "m += 2", "y = x",
                                  "x = q * 1", "t = s", "u = x", "n = n + m",
                                  "x = x", "x = w * 1", "G['n'] = n",
                                  "G['last'] = x", "G['s'] = s", "G['last'] = w", "n += len(G)", "y = step(y)",
                                  "w = step(w)", "A = A * 0.5 + n", "A[0] = x", "A += np.outer(x, y)"])
        name = chance.choice(kinds)
        kind = self.kinds[name]
        if how < 0.65 and not deep:
            name = {"f": "u", "i": "k", "b": "g", "c": "c"}[kind]
        text = f"{name} = {self.filled(chance.choice(TEXTS[kind]), kind)}"
        if name in "ukgc" and not deep:
            self.temporaries[name] = kind
        return text

    def loop(self):
        chance = self.chance
        parts, bodies = chance.choice(HEADS), []
        self.temporaries = {}
        for k in range(parts.count("{body}")):
            own = [self.statement() for _ in range(chance.choice((1, 2, 3, 3, 4, 6)) if not k else 1)]
            if not k:
                own.insert(chance.randint(0, len(own)), "e = e * 0.5")
            bodies.append("@".join(own).replace("@", "@    "))
        self.temporaries = {}
        parts = parts.replace("{c}", chance.choice(CONDITIONS)).replace("{r}", self.result()).replace("{{", "{")
        parts = parts.replace("}}", "}")
        pieces = [self.filled(piece) for piece in parts.split("{body}")]
        lines = "".join([piece + body for piece, body in zip(pieces, [*bodies, ""], strict=True)]).split("@")
        around, how = "e = np.fmin(np.abs(y).max(), 1e4) + 1", chance.random()
        if how > 0.15:
            return lines
        if how > 0.06:
            outer = [f"for r in range({chance.choice((1, 2, 3, 3, 12))}):"]
        else:
            outer = ["h = e * 1", "while h > 1:", "    h = h * 0.125"]
        return [*outer, f"    {around}", *[f"    {x}" for x in lines]]

    def result(self):
        names = ["x", "y", "w", "s", "t", "e", "n", "j", "d", "p", "q", "x[1:]", "w[::-1]", "(x, y)", "{'y': y}",
                 "n + 1", "w[:2]", "[x, n]", "L", "A", "A.T", *("zz" if self.complex else "")]
        return ", ".join(self.chance.sample(names, self.chance.randint(2, 6)))

    def function(self):
        chance = self.chance
        lines = ["x, y, w = p * 1, q * 0.5, p + q", "j, d, n, m = i * 1, p > q, 0, 0",
                 "s, t, e = p.sum() * 0.5, p.max() * 1.0, np.fmin(np.abs(p).max(), 1e4) + 1",
                 "A = np.outer(p, q) * 0.1", "v, L = w[1:], []"]
        if self.complex:
            lines.append("z = p + q * 1j")
        lines.append(chance.choice(BEFORE))
        for _ in range(chance.choice((1, 1, 1, 2))):
            lines += self.loop()
            if chance.random() < 0.4:
                lines += chance.choice(AFTER).split("@")
            if chance.random() < 0.3:
                lines.append("e = np.fmin(np.abs(y).max(), 1e3) + 1")
        if any(line == "global K" for line in lines):
            lines = ["global K", *[line for line in lines if line != "global K"]]
        lines.append(f"return {self.result()}")
        own = "def step(x):\n    x[0] = x[-1]\n    return x * 0.5\n\n\n"
        return own + "def f(p, q, i, b, most, tol):\n" + "".join(f"    {line}\n" for line in lines)


def random_program(seed):
    """The text of a function; `{t}` is its dtype."""
    chance = random.Random(seed)
    return Maker(chance).function().replace("{t}", dtype_of(seed)).replace("#", "@")


def dtype_of(seed):
    """The dtype of its floats."""
    return random.Random(-seed - 1).choice(("f8", "f8", "f4"))


def flat(found):
    """The leaves of a result."""
    if isinstance(found, (tuple, list)):
        for x in found:
            yield from flat(x)
    elif isinstance(found, dict):
        for x in found.values():
            yield from flat(x)
    else:
        yield found


class Calls:
    """The calls of one function in NumPy's world, jitted, and, where warnings are compared, lazily: values that nobody
    uses give none."""

    def __init__(self, seed, np):
        self.seed, self.np, self.dtype = seed, np, dtype_of(seed)
        self.chance = chance = random.Random(seed + 10**6)
        self.vary = {chance.choice(("none", "size", "dtype", "nan", "tol", "feed", "write", "most", "alias", "overlap",
                                    "strided", "errstate", "shared", "warn" if chance.random() < 0.3 else "none"))
                     for _ in range(2)}
        self.size = chance.choice((4, 5, 7, 7, 33))
        self.kept = collections.deque(maxlen=KEPT)
        self.before = None
        text = random_program(seed)
        worlds = (real, np, np) if "warn" in self.vary else (real, np)
        self.spaces = [{"np": one, "__name__": "random_loops", "G": {"last": one.zeros(()), "n": 0, "s": 0}, "H": [],
                        "K": None, "R": one.random.default_rng(seed)} for one in worlds]
        for space in self.spaces:
            exec(compile(text, "<rolled>", "exec"), space)
        self.fs = [space["f"] for space in self.spaces]
        self.fs[1] = np.jit(self.fs[1])
        if chance.random() < 0.8:  # else when four numbers of turns have come up
            self.fs[1]._roll(None)

    def arguments(self, k):
        """Those of call k, for NumPy and jitted."""
        chance, vary, rng = self.chance, self.vary, real.random.default_rng(1000 * self.seed + k)
        size = chance.choice((self.size, self.size, 3, 2, 9)) if "size" in vary else self.size
        dtype = chance.choice(("f8", "f4")) if "dtype" in vary and k > 6 else self.dtype
        scale = 10 ** rng.uniform(-2, 3)
        data = [(rng.normal(size=size) * scale).astype(dtype), rng.normal(size=size).astype(dtype),
                rng.integers(-5, 6, size), rng.normal(size=size) > 0]
        if "nan" in vary and k % 3 == 2:
            data[k % 2][chance.randrange(size)] = chance.choice((real.nan, real.inf, 0, -0.0, 1e30, 1e-40))
        ours, theirs = [x.copy() for x in data], [self.np.array(x) for x in data]
        if "strided" in vary and k % 2:
            twice = real.repeat(data[0], 2)
            ours[0], theirs[0] = twice[::2], self.np.array(twice)[::2]
        if "shared" in vary and k % 2:
            ours[1], theirs[1] = data[1].copy(), self.np.asarray(data[1].copy())
        if "alias" in vary and k % 3 == 1:
            ours[1], theirs[1] = ours[0], theirs[0]
        if "overlap" in vary and k % 3 == 1:
            both, own = real.concatenate(data[:2]), self.np.array(real.concatenate(data[:2]))
            ours[:2] = both[:size], both[size // 2:size // 2 + size]
            theirs[:2] = own[:size], own[size // 2:size // 2 + size]
        if "feed" in vary and self.before and chance.random() < 0.7:
            fit = [n for n, x in enumerate(self.before[0]) if x.shape == (size,) and x.dtype == dtype]
            if fit:
                place, n = chance.randrange(2), chance.choice(fit)
                ours[place], theirs[place] = self.before[0][n], self.before[1][n]
        most = chance.choice((0, 1, 30)) if "most" in vary else 12
        tol = chance.choice((1e-3, 0.1, 30.0)) if "tol" in vary else 0.1
        return [[*ours, most, tol], [*theirs, most, tol]]

    def call(self, k):
        """What both give for call k, and what they leave."""
        state = {"all": "ignore"}
        if "errstate" in self.vary:
            state = self.chance.choice(({"all": "ignore"}, {"all": "ignore"}, {"all": "raise"}, {"divide": "raise"}))
        outcomes = []
        given = self.arguments(k)
        if len(self.fs) > 2:
            given.append([self.np.array(x) if hasattr(x, "shape") else x for x in given[0]])
        for f, args in zip(self.fs, given, strict=True):
            told = io.StringIO()
            with real.errstate(**({"all": "warn"} if "warn" in self.vary else state)), warnings.catch_warnings(), \
                    contextlib.redirect_stderr(told):
                warnings.simplefilter("always" if "warn" in self.vary else "ignore")
                try:
                    found = f(*args)
                    for x in flat(found):
                        if hasattr(x, "numpy"):
                            x + 0  # NumPy would have warned by now
                            bool(x.size and x.ravel()[0])
                except Exception as error:
                    found = type(error).__name__, str(error).replace("numpy.", "")
            outcomes.append((found, sorted({*re.findall(r"<rolled>:\d+: .*", told.getvalue())})))
        return given, outcomes

    def differs(self, k):
        """What differs after call k, as text, or None."""
        given, ((ours, told), (theirs, told2), *lazily) = self.call(k)
        both = (ours, given[0][:4]), (theirs, given[1][:4])
        found = difference(*both) or difference(*[[s["G"], s["H"][-3:], s["K"], s["R"]] for s in self.spaces[:2]])
        if found:
            return found
        if lazily and not set(lazily[0][1]) <= set(told2) <= set(told):
            return f"warnings: {told}, {told2}, {lazily[0][1]}"
        own, other = list(flat(both[0])), list(flat(both[1]))
        kinds = [[type(x).__name__ for x in found if not hasattr(x, "dtype")] for found in (own, other)]
        if kinds[0] != kinds[1]:
            return f"types: {kinds}"
        arrays = [[x for x in found if getattr(x, "shape", ())] for found in (own, other)]
        same = [[[x is y for x in found] for y in found] for found in arrays]
        if same[0] != same[1]:
            return "other arrays are one"
        self.kept.append(both)
        self.before = arrays
        if "write" in self.vary and arrays[0]:
            n = self.chance.randrange(len(arrays[0]))
            if arrays[0][n].size:
                arrays[0][n][0] = arrays[1][n][0] = 1
        for n, pair in enumerate(self.kept):
            found = difference(*pair)
            if found:
                return f"after call {k}, {n} of {len(self.kept)} that are kept: {found}"
        return None


def loops_of(f):
    """The loops of a jitted function as they run."""
    return [r.fn.rolled.with_kernels() for one in f._compiled if one.tree is not None for branch in one.tree.lines()
            for r in branch.records if hasattr(r.fn, "rolled")]


def tried(seed, module):
    """What differs, as text, or None; the jitted function, how many loops of it are generated, and their kernels."""
    np = importlib.import_module(module) if isinstance(module, str) else module
    calls = Calls(seed, np)
    f = calls.fs[1]
    with unchecked(seed % 5 == 0):
        for k in range(CALLS):
            if k >= PLAIN and fusing.possible():
                for one in f._compiled:
                    one.quicken()
                if kernels.failures:
                    return f"kernels: {kernels.failures}", f
            found = calls.differs(k)
            if found:
                return f"call {k}, {sorted(calls.vary)}: {found}", f
    return None, f
