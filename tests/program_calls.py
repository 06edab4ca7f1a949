"""Random functions that are jitted and called in many ways, against NumPy: parameters with defaults, by keyword, in
dicts, lists, tuples and dataclasses, methods, helper functions and inner jitted ones; arrays of all dtypes that are
whole, strided, backwards, transposed, broadcast, without axes or elements, one array twice, pending, or what earlier
calls gave; numbers of Python's and of NumPy's that vary; few cases that come up again and again."""

import random
import re
import warnings

import numpy as real

from tests.helpers import difference
from tests.program_core import InvalidCasts
from tests.program_jit import unchecked
from tests.program_values import data

CALLS = 10
SHAPES = ((), (1,), (4,), (6,), (3, 3), (4, 4), (2, 6), (4, 3), (1, 5), (5, 1), (2, 2, 2), (3, 2, 4), (0,), (0, 3),
          (17,), (40, 30), (600,))
DTYPES = (*["f8"] * 8, *["f4"] * 4, "i8", "i4", "i2", "u1", "u8", "?", "?", "c16", "c8", "f2", "g", "m8[s]", "M8[D]",
          ">f8", ">i4")
LAYOUTS = (
    *["{a}"] * 6,
    "np.asfortranarray({a})", "{a}.T", "{a}[::-1]", "{a}[..., ::-1]", "{a}[::2]", "{a}[1:]", "{a}[..., :-1]", "{a}[:1]",
    "{a}[0]", "{a}.reshape(-1)", "np.broadcast_to({a}, (2, *{a}.shape))", "np.broadcast_to({a}[..., :1], {a}.shape)",
    "{a}[None]", "{a}[...]", "{a} + {a}", "abs({a})", "{a}.copy()", "{a}.real", "{a}.sum()", "{a}.max()",
    "{a}.ravel()[0]", "{a}.swapaxes(0, -1)", "{a}[()]", "{a}[:0]", "{a}[[0]]", "R", "R", "{b}",
    "{a}.astype('f4')", "{a}.astype('f8')", "np.sqrt({a} * {a})", "{a}.item(0)", "np.float64(k)", "np.float32(k)",
    "np.int32(k)", "k", "k * 0.5", "np.array({a})[::2][::-1]",
)  # fmt: skip

EXPRESSIONS = (
    "{a} + {b}", "{a} * {b} - {a}", "{a} / ({b} + 2)", "{a} ** 2", "{a} // 2", "{a} % 3", "-{a}", "abs({a})",
    "~({a} > {n})", "({a} > {b}) & ({a} < {n})", "np.maximum({a}, {b})", "np.minimum({a}, {n})", "np.exp(-abs({a}))",
    "np.sin({a}) + {n}", "np.sqrt(abs({a}))", "np.log1p(abs({a}))", "np.hypot({a}, {b})", "np.arctan2({a}, {b})",
    "np.sign({a})", "np.floor({a})", "np.rint({a})", "np.square({a})", "np.where({a} > 0, {a}, {b})",
    "np.where({a} > {n}, {n}, {a})", "{a}.clip(-1, 1)", "np.clip({a}, {n}, None)", "{a}.astype('f4')",
    "{a}.astype('f8')", "{a}.astype('c16')", "{a}.astype(bool)", "{a}.T", "{a}[::-1]", "{a}[1:]", "{a}[..., :2]",
    "{a}[0]", "{a}[-1]", "{a}[..., None]", "{a}.reshape(-1)", "{a}.ravel()", "{a}.flatten()", "{a}.copy()",
    "{a}.swapaxes(0, -1)", "np.moveaxis({a}, 0, -1)", "np.expand_dims({a}, 0)", "{a}.squeeze()", "{a}.sum()",
    "{a}.sum(0)", "{a}.sum(-1, keepdims=True)", "{a}.sum(axis=(0, -1))", "{a}.sum(axis=(0, 1), keepdims=True)",
    "np.sum({a}, initial=2)", "np.max({a}, axis=0, initial=3)", "{a}.max(-1)", "{a}.min(0)", "{a}.mean()",
    "{a}.mean(0)", "{a}.mean(axis=-1, keepdims=True)", "{a}.std()", "{a}.var(0)", "{a}.prod(0)", "{a}.any(0)",
    "{a}.all()", "{a}.argmax()", "{a}.argmin(0)", "np.sum({a}, where={a} > 0)", "np.mean({a}, where={a} > -9)",
    "np.add.reduce({a}, axis=-1)", "np.multiply.reduce({a}, 0)", "np.maximum.reduce({a}, axis=None)",
    "np.add.outer({a}, {b})", "np.multiply.outer({a}, {a})", "np.add.accumulate({a})", "{a}.cumsum()", "{a}.cumsum(0)",
    "np.cumprod({a}, -1)", "np.diff({a})", "np.diff({a}, axis=0)", "np.ptp({a}, 0)", "np.median({a})", "np.sort({a})",
    "np.sort({a}, 0)", "np.argsort({a})", "np.argsort({a}, axis=0, kind='stable')", "np.unique({a})",
    "np.searchsorted(np.sort({a}.ravel()), {b})", "np.partition({a}, 1)", "np.percentile({a}, 30)",
    "np.quantile({a}, [0.2, 0.5], axis=0)", "{a} @ {b}", "{a}.T @ {a}", "np.dot({a}, {b})", "np.vdot({a}, {a})",
    "np.inner({a}, {b})", "np.outer({a}, {b})", "np.einsum('...i,...i->...', {a}, {a})",
    "np.einsum('ij,jk->ik', {a}, {b})", "np.einsum('ij->ji', {a})", "np.einsum('ii->i', {a})",
    "np.einsum('ij->', {a})", "np.einsum('i,j->ij', {a}, {b})", "np.tensordot({a}, {b}, 1)", "np.trace({a})",
    "np.diagonal({a})", "np.linalg.norm({a})", "np.linalg.norm({a}, axis=0)", "np.linalg.det({a})",
    "np.linalg.inv({a} + 9 * np.eye(len({a})))", "np.linalg.solve({a} + 9 * np.eye(len({a})), {b})",
    "np.linalg.qr({a})[1]", "np.linalg.eigvalsh({a} + {a}.T)", "{a}[[0, -1]]", "{a}[..., [0, 0]]",
    "{a}[np.array([0, 1])]", "{a}[{a} > 0]", "{a}[[0, 1], [1, 0]]", "np.take({a}, [0, 1], axis=-1)", "{a}[{b} > 0]",
    "{a}.take(0)", "np.take_along_axis({a}, np.argsort({a}, -1), -1)", "np.concatenate([{a}, {b}])",
    "np.concatenate([{a}, {a}], axis=-1)", "np.stack([{a}, {b}])", "np.stack([{a}, {a}], -1)", "np.hstack([{a}, {b}])",
    "np.vstack([{a}, {a}])", "np.tile({a}, 2)", "np.repeat({a}, 2, 0)", "np.roll({a}, 1)", "np.roll({a}, 1, 0)",
    "np.flip({a})", "np.rot90({a})", "np.pad({a}, 1)", "np.broadcast_to({a}, (2, *{a}.shape))",
    "np.broadcast_arrays({a}, {b})[0] + 1", "np.triu({a})", "np.tril({a}, -1)", "np.diag({a})", "np.zeros_like({a})",
    "np.ones_like({a}) * {n}", "np.full_like({a}, 2)", "np.zeros({a}.shape) + {b}", "np.arange(3) + {n}",
    "np.eye(3) * {n}", "np.linspace(0, 1, 4)", "np.array([{n}, 2, 3])", "np.array([{a}.sum(), {b}.max()])",
    "np.isnan({a})", "np.isfinite({a})", "np.isclose({a}, {b})", "np.allclose({a}, {b})", "np.array_equal({a}, {b})",
    "np.nan_to_num({a})", "{a}.real", "{a}.imag", "np.conj({a})", "np.angle({a})", "{a}.round(1)", "np.round({a})",
    "np.cross({a}, {b})", "np.convolve({a}, [1, 2])", "np.interp({a}, [0, 1], [2, 3])", "np.gradient({a})",
    "np.nansum({a}, 0)", "np.nanmax({a})", "np.nanmean({a})", "np.count_nonzero({a})",
    "np.histogram({a}, bins=3, range=(-2, 2))[0]", "np.bincount(abs({a}).astype(int) % 5)", "np.cov({a})",
    "np.logaddexp({a}, {b})", "np.select([{a} > 1, {a} < 0], [{a}, {b}], 3)",
    "np.choose(({a} > 0).astype(int), [{a}, {b}])", "np.apply_along_axis(np.sum, 0, {a})", "np.divmod({a}, 2)[1]",
    "np.frexp({a})[0]", "np.modf({a})[0]", "np.fft.fft({a})", "np.fft.rfft({a}).real", "np.meshgrid({a}, {a})[0]",
    "np.ix_([0, 1], [0])[0] + {n}", "np.add({a}, {b}, dtype='f8')", "np.add({a}, 1, where={a} > 0, out={a}.copy())",
    "np.multiply({a}, 2, out=np.empty_like({a}))", "{a}.view('u1' if {a}.dtype.kind in 'iu' else {a}.dtype) + 1",
    "{a}.tolist()", "{a}.item(0)",
    "float({a}.sum())", "int({a}.size)", "len({a})", "{a}.shape", "{a}.ndim", "{a}.dtype", "{a} is {b}",
    "type({a}) is type({b})", "helper({a}, {b})", "helper({a}, k=2)", "inner({a})", "local({a})",
    "(lambda t: t * 2)({a})", "sum([{a}, {b}])", "max({a}.ravel().tolist())", "[t * 2 for t in {a}]",
    "{{'p': {a}, 'q': {b}}}['q']", "rng.standard_normal(3)", "rng.integers(0, 9, 2) + {n}", "rng.permutation({a})",
    "w * {a}", "w + w", "np.linalg.svd({a})[1]", "np.isnat({a})", "{a} - {a}", "{a} == {b}", "{a} != {n}",
    "{a}.diagonal()", "np.squeeze({a}, 0)", "np.ravel({a}, 'F')", "{a}.reshape({a}.shape[::-1])", "{a}.transpose()",
    "np.copysign({a}, -1)", "np.ldexp({a}, 1)", "np.fmod({a}, 2)", "np.heaviside({a}, 1)", "np.gcd({a}, 6)",
    "{a} << 1", "{a} ^ 3", "np.invert({a})", "np.float32({n}) * {a}", "np.logical_not({a})", "np.cbrt({a})",
    "np.tanh({a})", "{a}.sort()", "{a}.fill(2)",
)  # fmt: skip
WRITES = (
    "{a} += 1", "{a} += {b}", "{a} *= 2", "{a} -= {a}.mean()", "{a}[0] = {n}", "{a}[...] = {b}", "{a}[1:] = {a}[:-1]",
    "{a}[::2] += 1", "{a}[-1] = {b}[0]", "{a}[{a} > 0] = 0", "{a}[{a} < 0] *= -1", "{a}[[0, -1]] = 5",
    "{a}[..., 0] = {n}", "np.add({a}, 1, out={a})", "np.multiply({a}, {b}, out={a})", "np.copyto({a}, {b})",
    "{a}.fill({n})", "{a}.sort()", "np.add.at({a}, [0, 0], 1)", "np.put({a}, [0], 3)", "{a}[:] = {a}[::-1]",
    "{a}.T[...] += 1", "w *= 1.5", "w[0] = {n}", "{a} /= 2", "{a} **= 2", "{a} //= 2", "{a} &= 3",
    "np.maximum({a}, 0, out={a})", "np.cumsum({a}, out={a})", "{a}.flat[0] = 2", "{a}.real[...] = 1",
    "np.negative({a}, where={a} > 1, out={a})", "np.random.default_rng(3).shuffle({a})",
    "{a}.itemset(0) if False else None", "np.putmask({a}, {a} > 1, 0)", "np.place({a}, {a} > 1, [2])",
    "np.fill_diagonal({a}, 2)",
)  # fmt: skip
OPENINGS = (
    "if {a}.sum() > {n}:", "if {a}.ndim > 1:", "if k > 3:", "for i in range(3):", "for i in range(len({a})):",
    "with np.errstate(all='ignore'):", "with np.errstate(over='ignore', invalid='ignore'):",
    "if {a}.shape == {b}.shape:", "if isinstance({a}, np.ndarray):", "for t in {a}[:2]:", "while k > 7:",
    "if {a} is not {b}:", "try:", "try:", "if {a}.dtype == {b}.dtype:", "if bool(({a} > 0).any()):",
)  # fmt: skip
SIGNATURES = (
    ("x, y, z, k", "{x}, {y}, {z}, {k}"), ("x, y, z, k", "{x}, {y}, {z}, {k}"), ("x, y, z, /, k=3", "{x}, {y}, {z}"),
    ("x, y=1.5, z=None, *, k=2", "{x}, {y}, z={z}, k={k}"), ("x, *, k, y, z", "{x}, z={z}, y={y}, k={k}"),
    ("*args, **kw", "{x}, {y}, z={z}, k={k}"), ("p", "dict(x={x}, y={y}, z={z}, k={k})"),
    ("p", "[{x}, {y}, ({z}, {k})]"), ("p", "P({x}, {y}, {{'z': {z}, 'k': {k}}})"),
    ("p", "Q({x}, ({y}, [{z}]), {k})"), ("x, y=2.0, z=3, k=1", "{x}"), ("x, y=2.0, z=3, k=1", "{x}, z={z}"),
    ("x, k, **kw", "{x}, {k}, y={y}, z={z}"),
)
"""Parameters, and a call's arguments."""

UNPACKED = {
    "*args, **kw": "x, y = args; z = kw['z']; k = kw['k']", "x, k, **kw": "y = kw['y']; z = kw['z']",
    "dict": "x, y, z, k = p['x'], p['y'], p['z'], p['k']", "[": "x, y, (z, k) = p",
    "P": "x, y, z, k = p.u, p.v, p.n['z'], p.n['k']", "Q": "x, (y, [z]), k = p",
}
"""How a function gets its arrays, by its parameters or by what it is given for `p`."""

RESULTS = ("{r},", "({r},)", "[{r}]", "dict(zip('abcdefgh', [{r}]))", "P({r0}, [{r}], 3)", "Q({r0}, {r0}, ({r},))",
           "{r0}", "{{1: {r0}, 'x': [{r}, None, 'text']}}", "{r},", "{r}, x", "{r}, x is y, {r0} is x")
BEGINNING = """\
import collections, dataclasses

@dataclasses.dataclass
class P:
    u: object
    v: object
    n: object

Q = collections.namedtuple('Q', 'u v n')

def helper(a, b=2, k=1):
    return a * k + b

@jit
def inner(a):
    return np.tanh(a) + a.sum()

"""


class Maker:
    """Makes a program: its text, and for each call the texts of its arguments."""

    def __init__(self, seed):
        self.choose = choose = random.Random(seed)
        self.seed = seed
        self.signature, self.call = choose.choice(SIGNATURES)
        self.method = choose.random() < 0.25
        self.static = ("k",) if "k" in self.signature.replace("kw", "") and choose.random() < 0.3 else ()
        self.result = choose.choice(RESULTS)
        self.pool = [(choose.choice(SHAPES), choose.choice(DTYPES)) for _ in range(3)]
        if choose.random() < 0.5:
            self.pool[1] = self.pool[0]
        if choose.random() < 0.3:
            self.pool[2] = self.pool[0]
        if choose.random() < 0.5:
            self.pool = [(shape, self.pool[0][1]) for shape, _ in self.pool]
        self.cases = [self._case() for _ in range(choose.choice((1, 1, 2, 3)))]
        self.order = [choose.randrange(len(self.cases)) if i > 2 else 0 for i in range(CALLS)]
        self.names, self.lines = ["x", "y", "z"], []

    def _case(self):
        choose, texts = self.choose, {}
        for name in "xyz":
            a, b = choose.choice("ABC"), choose.choice("ABC")
            texts[name] = choose.choice(LAYOUTS).format(a=a, b=b)
        texts["k"] = choose.choice(("3", "3", "2", "k", "k % 3", "0.5", "np.float64(k)", "True"))
        return self.call.format(**texts)

    def statement(self, number):
        """(lines, the name that they bind or None)"""
        choose = self.choose
        spread = {"a": choose.choice(self.names), "b": choose.choice(self.names),
                  "n": choose.choice(("k", "2", "0.5", "1"))}
        name = None
        if choose.random() < 0.22:
            lines = [choose.choice(WRITES).format(**spread)]
        else:
            name = f"v{number}"
            lines = [f"{name} = {choose.choice(EXPRESSIONS).format(**spread)}"]
        if choose.random() < 0.18:
            opening = choose.choice(OPENINGS).format(**spread)
            if name:
                lines = [f"{name} = {spread['a']}", opening, "    " + lines[0]]
            else:
                lines = [opening, "    " + lines[0]]
            if opening == "try:":
                lines += ["except Exception:", f"    {name or 'caught'} = {spread['b']}"]
            elif opening.startswith("while"):
                lines.append("    break")
        return lines, name

    def text(self, lines=None):
        """The program."""
        lines = self.lines if lines is None else lines
        bound = {line.split()[0] for line in lines if " = " in line}
        values = [n for n in self.names[3:] if n in bound][-5:] or ["x"]
        given = re.match(r"\w+|\[", self.call)[0] if self.signature == "p" else self.signature
        begin = UNPACKED.get(given, "pass")
        body = [begin, "def local(t): return t + k" if "local(" in "".join(lines) else "pass", *lines,
                "return " + self.result.format(r=", ".join(values), r0=values[-1])]
        if any(re.search(r"\bw\b", line) for line in lines):
            body.insert(1, "w = self.w" if self.method else "w = W")
        if self.method:
            head = f"class M:\n    def __init__(self): self.w = W\n    def f(self, {self.signature}):\n"
            return BEGINNING + head + "".join(f"        {line}\n" for line in body)
        return BEGINNING + f"def f({self.signature}):\n" + "".join(f"    {line}\n" for line in body)


class World:
    """NumPy's world, or that of the module under test."""

    def __init__(self, maker, text, np, jit):
        self.maker, self.np = maker, np
        self.scope = {"np": np, "__name__": "__main__", "jit": jit, "rng": np.random.default_rng(maker.seed), "R": 2.0,
                      "W": np.array(data("f8", (3,), maker.seed % 97))}
        exec(compile(text, f"<program {maker.seed}>", "exec"), self.scope)
        if maker.method:
            self.scope["M"].f = jit(self.scope["M"].f, static_argnames=maker.static)
            self.f, self.jitted = self.scope["M"]().f, self.scope["M"].f
        else:
            self.f = self.jitted = jit(self.scope["f"], static_argnames=maker.static)

    def give(self, call):
        """The arrays of a call."""
        for i, (name, (shape, dtype)) in enumerate(zip("ABC", self.maker.pool, strict=True)):
            self.scope[name] = self.np.array(data(dtype, shape, call * 31 + i + self.maker.seed % 1000))
        self.scope["k"] = 2 + call * 2 % 7

    def arguments(self, text):
        """The arguments of a call: ((positional), {by keyword}), or None where they cannot be made."""
        try:
            return eval(f"(lambda *a, **k: (a, k))({text})", self.scope)
        except Exception as error:
            return type(error).__name__

    def called(self, given):
        """What a call gives, or the name of an exception."""
        if isinstance(given, str):
            return given
        try:
            result = self.f(*given[0], **given[1])
        except Exception as error:
            return type(error).__name__
        self.keep(result)
        return result

    def keep(self, result):
        """An array of a result is an argument of later calls."""
        for _ in range(4):
            if isinstance(result, (real.ndarray, real.generic)):
                self.scope["R"] = result if result.ndim < 5 and result.size < 500 else 2.0
                return
            if isinstance(result, dict):
                result = list(result.values())
            if not isinstance(result, (list, tuple)) or not result:
                return
            result = result[0]

    def state(self):
        """What a call may have changed."""
        return [self.scope[n] for n in "ABCW"] + [self.scope["rng"].random(2)]


def same(f, static_argnames=()):
    """What NumPy's world has for `jit`."""
    return f


def overwrite(x):
    """Writes to the arrays of a result, which shows what their memory is."""
    if isinstance(x, real.ndarray):
        if x.flags.writeable and x.size:
            x[(0,) * x.ndim] = 1
    elif type(x).__name__ == "P":
        for name in "uvn":
            overwrite(getattr(x, name))
    elif isinstance(x, (list, tuple, dict)):
        for y in x.values() if isinstance(x, dict) else x:
            overwrite(y)


def explained(x):
    """Results, dataclasses as dicts, dtypes and types as texts."""
    if type(x).__name__ == "P":
        return {name: explained(getattr(x, name)) for name in "uvn"}
    if isinstance(x, (list, tuple)):
        return [explained(y) for y in x]
    if isinstance(x, dict):
        return {k: explained(y) for k, y in x.items()}
    return str(x) if isinstance(x, (real.dtype, type)) else x


def made(seed):
    """A program whose lines mostly do not fail at the first call."""
    maker = Maker(seed)
    for number in range(maker.choose.randint(2, 9)):
        lines, name = maker.statement(number)
        before = list(maker.lines), list(maker.names)
        maker.lines += lines
        maker.names += [name] * bool(name)
        try:
            world = World(maker, maker.text(), real, same)
        except SyntaxError:
            maker.lines, maker.names = before
            continue
        world.give(0)
        outcome = world.called(world.arguments(maker.cases[0]))
        if isinstance(outcome, str) and maker.choose.random() < 0.95:
            maker.lines, maker.names = before
    return maker


def tamed(maker, module):
    """The same without the lines for which the module runs the Python of all of it."""
    for _ in range(5):
        text = maker.text()
        _, f = run(maker, text, module)
        reasons = f.cache_info()["reasons"]
        place = next((m for r in reasons if (m := re.search(r"<program \d+>, line (\d+)\)$", r))), None)
        if place is None:
            break
        line = text.splitlines()[int(place[1]) - 1].strip()
        found = next((i for i, own in enumerate(maker.lines) if own.strip() == line), None)
        if found is None or maker.lines[found].endswith(":"):
            break
        indent = maker.lines[found][: len(maker.lines[found]) - len(maker.lines[found].lstrip())]
        bound = re.match(r"(v\d+) = ", line)
        maker.lines[found] = indent + (f"{bound[1]} = x" if bound else "pass")
    return maker


def run(maker, text, module):
    """(what differs or None, the jitted function)."""
    casts = InvalidCasts()
    worlds = [World(maker, text, np, jit) for np, jit in ((real, same), (real, same), (module, module.jit))]
    jitted = worlds[2].jitted
    for call in range(CALLS):
        case = maker.cases[maker.order[call]]
        if call == 5 and maker.seed % 4 < 2:
            for one in jitted._compiled:
                one.quicken()
        for world in worlds:
            world.give(call)
        given = [world.arguments(case) for world in worlds]
        with real.errstate(all="ignore", invalid="log", call=casts):
            worlds[0].called(given[0])
            if casts.found:
                return None, jitted
        with real.errstate(all="ignore"):
            outcomes = [worlds[1].called(given[1]), worlds[2].called(given[2])]
        found = difference(*map(explained, outcomes)) or difference(*map(explained, given[1:]))
        if found:
            return f"call {call + 1}, f({case}): {found}", jitted
        worlds[0].state()
        found = difference(*[w.state() for w in worlds[1:]])
        if found:
            return f"call {call + 1}, f({case}), afterwards: {found}", jitted
        if call % 3 == 2:
            for outcome in outcomes:
                overwrite(outcome)
            found = difference(*map(explained, outcomes)) or difference(*[w.state() for w in worlds[1:]])
            if found:
                return f"call {call + 1}, f({case}), when its result is written to: {found}", jitted
            worlds[0].state()
    return None, jitted


def tried(seed, module):
    """(what differs or None, the jitted function)."""
    with warnings.catch_warnings(), unchecked(seed % 2 == 0):
        warnings.simplefilter("ignore")
        maker = made(seed)
        if seed % 3:
            tamed(maker, module)
        text = maker.text()
        found, f = run(maker, text, module)
        said = f.cache_info()["python"] or ""
        if not found and "gave something else" in said:
            found = said
    return found and f"{text}# seed {seed}, {maker.pool}, cases {maker.cases}: {found}", f
