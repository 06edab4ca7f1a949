"""Programs on arrays whose sizes lie at the borders of kernels, with their warnings, against NumPy.

Kernels go over tiles, rows side by side, leaves of sums, columns, slabs, pieces of what is written in place, and give
threads chunks of these (docs/performance.md; `run/launch.py` has the numbers). Every length here is such a number or a
multiple of it, one less or one more; views have odd steps, begin at odd places and go backwards; writes overlap what
they read. The same lines run on a second size, too. A few extremes stand at borders, so that flags are raised there.
"""

import math
import random
import warnings

import numpy as real

from tests.program_core import compiled
from tests.program_values import data
from tests.program_variants import _world, compared

TILES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
DTYPES = ("f8",) * 7 + ("f4",) * 6 + ("f2", "c16", "c8", "i8", "i8", "i4", "i2", "u1", "?")
SPIKES = {"f": (real.inf, real.nan, -0.0, 1e30, 1e-30, 0.0), "c": (real.inf, real.nan, 0.0)}
MOST = 140_000
UNARY = {"f": "np.sqrt(np.abs({0})) np.exp({0}) np.sin({0}) np.square({0}) (-{0}) np.log(np.abs({0})+1) np.tanh({0}) "
              "np.floor({0}) np.cos({0}) np.rint({0})",
         "c": "np.square({0}) (-{0}) np.conjugate({0}) ({0}.real*{0}) np.abs({0}) np.exp({0})",
         "i": "(-{0}) np.square({0}) np.abs({0}) (~{0}) np.sqrt(np.abs({0}))", "b": "(~{0})"}  # fmt: skip
BINARY = {"f": "({0}+{1}) ({0}*{1}) ({0}-{1}) ({0}/({1}+9)) np.maximum({0},{1}) np.where({0}>{1},{1},{0}) "
               "np.hypot({0},{1}) ({0}%({1}+99)) np.arctan2({0},{1})",
          "c": "({0}+{1}) ({0}*{1}) ({0}-{1}) ({0}*{1}.real) ({0}/({1}+99))",
          "i": "({0}+{1}) ({0}*{1}) ({0}-{1}) np.maximum({0},{1}) ({0}//({1}+99)) ({0}^{1})",
          "b": "({0}^{1}) ({0}&{1}) ({0}|{1})"}  # fmt: skip
REDUCTIONS = {"f": "sum sum mean var std max min prod argmax any", "c": "sum mean prod", "b": "sum any all mean",
              "i": "sum max min mean argmin all std"}  # fmt: skip
ROWS = ("{p} - {p}.mean({a}, keepdims=True)",
    "({p} - {p}.mean({a}, keepdims=True)) / ({p}.std({a}, keepdims=True) + 1)",
    "{p} * {p}.sum({a}, keepdims=True) + {p}.max({a}, keepdims=True)", "{p}.max({a}) - {p}.min({a})",
    "np.exp({p} - {p}.max({a}, keepdims=True)).sum({a})", "({p} * {q}).sum({a}) / {q}.sum({a})",
    "(np.abs({p}) + 1) / (np.abs({p}) + 1).sum({a}, keepdims=True)", "[{p}.sum(), {p}.mean(), {p}.max(), {p}.var()]",
    "({p} - {q}.sum({a}, keepdims=True)).max({a})", "np.cumsum({p}, 0)", "np.cumsum({p}, 0) * 2 + {p}.sum(0)",
    "[{p}.sum({a}), {p}.argmax(-1), {p} * 2]", "np.sqrt(({p} * {p}).sum({a}))",
    "({p} > {p}.mean({a}, keepdims=True)).sum({a})", "{p}.std({a}, ddof=1)", "np.diff({p}) * 2",
    "np.diff({p}, axis=0) + 1", "np.nansum({p}, {a})", "np.sum({p}, {a}, where={q} > 0)",
    "np.max({p}, {a}, where={q} > 0, initial=-3)", "np.linalg.norm({p}, axis=-1)", "np.ptp({p}, 0)",
    "{p}.sum({a}) + {p}.mean({a}) * {p}.var({a})", "({p} * 0).max({a})", "np.minimum({p}, {q} * 0.0).max({a})",
    "np.maximum({p}, -0.0).min({a}) * {p}", "np.abs({p} * 0).sum({a}) - ({q} * 0).min({a})")  # fmt: skip
MOVED = ("np.roll({p}, 1, -1) + np.roll({p}, -1, 0) + {p}", "np.concatenate([{p} + 1, {q} * 2])", "{p}[{q} > 0] * 2",
    "np.concatenate([{p}, {q} - {p}], -1)", "{p}.T * 2", "({p} + {q}).T.sum({a})", "{p}[::-1] + {q}",
    "np.pad({p}, 1)", "{p}[..., ::-1] * {q}", "{p}.astype('f4') + 1", "{p}.astype('f8') * {q}",
    "{p}.ravel()[1:] + 1", "{p}.copy()", "np.where({q} > 0, {p}, 2)", "np.clip({p}, 0, 1)", "np.clip({p}, {q} * 0, 1)",
    "np.clip({p} * 0, v0, {q})",
    "{p}[..., 1:] - {p}[..., :-1]", "{p}[1:] * {q}[:-1]", "{p}[..., ::3] + 1", "np.stack([{p}, {q} + 1], -1)",
    "{p}.reshape(-1)[::-1] * 2", "{p}.astype('f2') * 2")  # fmt: skip
PARTS = ("[1:]", "[:-1]", "[::-1]", "[..., ::-1]", "[..., 1:]", "[..., :-1]", "[::2]", "[1::2]", "[1:-1]",
    "[..., 1:-1]", "[..., ::3]", "[..., 1::2]", "[..., 0]", "[0]", "[..., -1]", "[:]", "[7:]", "[..., 5:]", "[:64]",
    "[..., 512:]")  # fmt: skip
OTHERS = {"[1:]": ("[:-1]", "[1:]"), "[:-1]": ("[1:]", "[:-1]"), "[..., 1:]": ("[..., :-1]", "[..., 1:]"),
          "[..., :-1]": ("[..., 1:]", "[..., :-1]"), "[1:-1]": ("[2:]", "[:-2]", "[1:-1]"),
          "[..., 1:-1]": ("[..., 2:]", "[..., :-2]", "[..., 1:-1]"), "[:]": ("[::-1]", "[..., ::-1]"),
          "[::-1]": ("[:]", "[::-1]"), "[..., ::-1]": ("[...]", "[..., ::-1]")}  # fmt: skip


def spiked(dtype, shape, seed):
    """Values as `data` has them without its extremes, but for a few, which stand where tiles and chunks begin."""
    array = data(dtype, shape, seed - (seed % 5 == 4))
    spikes = SPIKES.get(array.dtype.kind, ())
    if spikes and array.size and seed % 3 == 0:
        chooser = random.Random(seed)
        for _ in range(chooser.choice((1, 1, 2, 4))):
            place = chooser.choice(TILES) * chooser.choice((1, 1, 3)) + chooser.choice((-1, 0, 1))
            array.flat[chooser.choice((place % array.size, array.size - 1, 0))] = chooser.choice(spikes)
    return array


class Maker:
    """Chooses sizes, inputs and lines."""

    def __init__(self, seed):
        self.chooser = random.Random(seed)
        self.dtype = self.chooser.choice(DTYPES)
        self.kind = {"u": "i"}.get(real.dtype(self.dtype).kind, real.dtype(self.dtype).kind)
        self.ndim = self.chooser.choice((1, 1, 2, 2, 2, 3, 3, 4))
        self.count = 0

    def length(self, most):
        """A length at a border, of at most so much."""
        chooser = self.chooser
        tile = chooser.choice([t for t in TILES if t <= most] or [1])
        times = chooser.choice((1, 1, 1, 2, 3, 5)) if tile <= 8192 else 1
        return max(1, min(most, tile * times + chooser.choice((-1, 0, 0, 1, 1))))

    def shape(self):
        """Axes of such lengths; some are short, so that they are few columns or short rows."""
        chooser, room = self.chooser, self.chooser.choice((3000, 20_000, 70_000, MOST, MOST))
        places = list(range(self.ndim))
        chooser.shuffle(places)
        sizes = [1] * self.ndim
        for k, place in enumerate(places):
            last = k == self.ndim - 1
            short = not last and chooser.random() < 0.6
            sizes[place] = min(room, chooser.choice((1, 2, 3, 4, 5, 7, 8, 9))) if short else self.length(room)
            room = max(1, room // sizes[place])
        return tuple(sizes)

    def near(self, shape):
        """A shape that is another by little along an axis, or entirely."""
        if self.chooser.random() < 0.3:
            return self.shape()
        place = max(range(self.ndim), key=shape.__getitem__) if self.chooser.random() < 0.7 else -1
        sizes = list(shape)
        sizes[place] = max(1, sizes[place] + self.chooser.choice((-2, -1, 1, 2, 511, 513)))
        return tuple(sizes) if math.prod(sizes) < 2 * MOST else shape

    def laid(self, name, dtype, shape, seed):
        """An input with odd steps, an odd beginning, backwards, transposed, shared, pending, or plain."""
        chooser = self.chooser
        x, t = f"spiked({dtype!r}, {shape}, {seed})", f"spiked({dtype!r}, {shape[::-1]}, {seed})"
        step, more = chooser.choice((2, 3, 5)), chooser.choice((1, 3, 8, 17))
        wide = f"spiked({dtype!r}, {(*shape[:-1], shape[-1] * step)}, {seed})"
        long = f"spiked({dtype!r}, {(*shape[:-1], shape[-1] + more)}, {seed})"
        tall = f"spiked({dtype!r}, {(shape[0] + more, *shape[1:])}, {seed})"
        made = chooser.choice((
            *("np.array({x})",) * 4, "np.array({t}).T", "np.array({x})[::-1]", "np.array({x})[..., ::-1]",
            "np.array({w})[..., {o}::{s}]", "np.array({w})[..., ::-{s}]", "np.array({l})[..., {m}:]",
            "np.array({l})[..., :-{m}]", "np.array({h})[{m}:]", "np.asarray({x})", "np.asarray({l})[..., {m}:]",
            "np.array({x}, order='F')", "+np.array({x})" if dtype != "?" else "~np.array({x})",
        ))  # fmt: skip
        return f"{name} = " + made.format(x=x, t=t, w=wide, l=long, h=tall, s=step, o=chooser.randrange(step), m=more)

    def inputs(self, shape):
        """x0, x1 and x2 of a shape, v0 and v1 that are stretched to it."""
        plain, draw = self.chooser.random() < 0.4, self.chooser.randrange
        lines = []
        for k in range(3):
            make = f"x{k} = np.array(spiked({self.dtype!r}, {shape}, {draw(1000)}))"
            lines.append(make if plain else self.laid(f"x{k}", self.dtype, shape, draw(1000)))
        lines.append(f"v0 = np.array(spiked({self.dtype!r}, {shape[-1:]}, {draw(1000)}))")
        lines.append(f"v1 = np.array(spiked({self.dtype!r}, {(*shape[:-1], 1)}, {draw(1000)}))")
        return lines

    def term(self, depth):
        """Source of something of the inputs' shape."""
        chooser = self.chooser
        if depth == 0:
            return chooser.choice(("x0", "x0", "x1", "x2", *self.made))
        if chooser.random() < 0.35:
            return chooser.choice(UNARY[self.kind].split()).format(self.term(depth - 1))
        stretched = chooser.random() < 0.25
        other = chooser.choice(("v0", "v1", "2", "v0")) if stretched else self.term(chooser.choice((0, depth - 1)))
        return chooser.choice(BINARY[self.kind].split()).format(self.term(depth - 1), other)

    def axis(self):
        chooser = self.chooser
        if chooser.random() < 0.2:
            return "None"
        if self.ndim > 1 and chooser.random() < 0.3:
            return str(tuple(sorted(chooser.sample(range(self.ndim), chooser.choice((2, min(3, self.ndim)))))))
        return str(chooser.randrange(-self.ndim, self.ndim))

    def new(self):
        self.count += 1
        return f"y{self.count}"

    def line(self):
        """A few operations that may be one kernel."""
        chooser, roll = self.chooser, self.chooser.random()
        if roll < 0.2:
            name = self.new()
            line = f"{name} = {self.term(chooser.choice((1, 2, 3)))}"
            self.made.append(name)
            return line
        if roll < 0.5:
            p = self.new()
            text = chooser.choice(ROWS) if chooser.random() < 0.7 else (
                f"{{p}}.{chooser.choice(REDUCTIONS[self.kind].split())}({{a}})")
            first = f"{p} = {self.term(chooser.choice((0, 1, 2)))}"
            result = f"{self.new()} = {text.format(p=p, q=self.term(0), a=self.axis())}"
            return f"{first}; {result}" + (f"; del {p}" if chooser.random() < 0.5 else "")
        if roll < 0.62:
            p = self.term(chooser.choice((0, 1)))
            return f"{self.new()} = {chooser.choice(MOVED).format(p=p, q=self.term(0), a=self.axis())}"
        return self.write(chooser.choice(("x0", "x1", *self.made)))

    def write(self, name):
        """Into an array or a part of it, of what may overlap it; or in its place, while something else may hold it."""
        chooser = self.chooser
        if chooser.random() < 0.15:
            holder = chooser.choice(("rx9 = {0}", "rx9 = {0}[1:]", "rx9 = real.asarray({0})", "rx9 = {0}.T", "pass",
                                     "rx9 = real.asarray({0})[..., 1:]", "rx9 = [{0}]", "pass")).format(name)
            value = f"{chooser.choice((name, self.term(1)))} * {name} + {self.term(1)}"
            return f"{name} = {name} * 2; {holder}; {name} = {value}"
        if chooser.random() < 0.05:
            window = f"np.lib.stride_tricks.sliding_window_view({name}, 3, -1, writeable=True)"
            return f"{window}[...] = {window}[::-1] * 2 - 1"
        part, sign = chooser.choice(PARTS), chooser.choice(("=", "=", "=", "+=", "*=", "-="))
        if chooser.random() < 0.2:
            mask, value = f"{self.term(0)} > {chooser.choice((0, 1, -1))}", self.term(0)
            return chooser.choice((
                f"{name}[{mask}] = {chooser.choice((0, 2))}", f"m = {mask}; {name}[m] = {name}[m] * 2 + 1",
                f"m = {mask}; {name}[m] += 1", f"np.putmask({name}, {mask}, {value})",
                f"np.copyto({name}, {value}, where={mask})"))  # fmt: skip
        if chooser.random() < 0.2:
            return f"{name} {sign if sign != '=' else '+='} {self.term(1)}"
        others = OTHERS.get(part, (part,))
        reads = [f"{name}{chooser.choice(others)}" for _ in range(chooser.choice((1, 1, 2, 3)))]
        if chooser.random() < 0.3:
            reads.append(f"({self.term(chooser.choice((0, 1)))}){chooser.choice(others)}")
        value = chooser.choice(reads)
        for other in chooser.sample(reads, len(reads)):
            value = chooser.choice(("({0} + {1})", "({0} - {1})", "({0} * 2)", "({1} * {0})") if self.kind != "b" else
                                   ("({0} ^ {1})", "({0} & {1})")).format(value, other)
        turns = chooser.choice((1, 1, 1, 2, 3))
        line = f"{name}{part} {sign} {value}"
        return line if turns == 1 else f"for _ in range({turns}): {line}"


def generate(seed):
    """The lines of a program, and for each run of it those that make its inputs."""
    maker = Maker(seed)
    shape = maker.shape()
    first, lines, wanted = maker.inputs(shape), [], maker.chooser.choice((1, 2, 3, 5))
    world = {**_world(real), "spiked": spiked}
    with real.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in first:
            exec(compiled(line), world)
        maker.made = []
        for _ in range(4 * wanted):
            before = list(maker.made)
            line = maker.line()
            try:
                exec(compiled(line), world)
            except Exception:
                maker.made = before
                continue
            maker.made = [name for name in maker.made if name in world and world[name].dtype.kind == real.dtype(
                maker.dtype).kind]
            lines.append(line)
            if len(lines) == wanted:
                break
    runs = [first, first]
    for _ in range(maker.chooser.choice((1, 2))):
        runs += [maker.inputs(maker.near(shape))] * 2
    return lines, [*runs, first]


def tried(seed, module):
    """What differs, with the source of the run in which it does; or None."""
    return compared(*generate(seed), seed, module, "borders", spiked=spiked)
