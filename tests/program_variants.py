"""Programs run on inputs of other sizes and layouts, one after the other in one process, warnings compared, too.

A plan is found by the structure of what is pending: whatever decides about values and is not in that key would show
when the same lines meet other inputs. Axes of one length are common (one may be taken for another), and so are results
of reductions beside what they were made of, with and without the reduced axes, views of pending arrays, and writes to
parts.

Names are bound once and read in the end, since what nobody reads gives no warning.
"""

import io
import random
import re
import sys
import warnings

import numpy as real

from tests.helpers import difference, to_numpy
from tests.program_core import HEADER, compiled
from tests.program_values import data

DTYPES = ("f8",) * 6 + ("f4",) * 4 + ("f2", "g", "c16", "c8", "i8", "i8", "i4", "i2", "u1", "u8", "?", ">f8", ">i4")
PARTNERS = ("f8", "f4", "i8", "i4", "u1", "?")
UNARY = {"f": "sqrt exp log sin tanh square negative abs rint sign reciprocal isnan floor log1p signbit",
         "c": "exp square negative abs conjugate sqrt", "i": "negative abs square invert sign sqrt logical_not",
         "b": "logical_not invert"}  # fmt: skip
OPERATORS = {"f": "+ - * / * - < > == // %", "c": "+ - * / ==", "i": "+ - * & | ^ < == // %", "b": "& | ^ =="}
BINARY = {"f": "maximum minimum hypot arctan2 fmax power copysign", "c": "add multiply",
          "i": "maximum minimum floor_divide remainder bitwise_xor power", "b": "logical_and logical_xor"}  # fmt: skip
NUMBERS = ("2", "0.5", "-1", "3", "0", "True", "np.float32(1.5)", "np.int8(3)", "-0.0", "nan", "inf", "300", "1j")
REDUCTIONS = ("sum", "sum", "mean", "max", "min", "var", "std", "prod", "any", "argmax")
CROSSED = ("sum", "sum", "sum", "max", "min", "mean", "any", "var")
VIEWS = ("[1:]", "[:-1]", "[::-1]", "[..., ::-1]", "[..., 1:]", "[..., :-1]", "[::2]", "[1:-1]", "[..., 0]", "[0]",
         ".T", "[:1]", "[..., None]", "[None]", ".ravel()", "[2:]", "[::-1].T", "")  # fmt: skip
PARTS = ("[1:]", "[:-1]", "[::-1]", "[..., ::-1]", "[..., 1:]", "[::2]", "[1:-1]", "[..., 0]", "[0]")
CHAINS = (
    "np.exp({x} - {x}.max({a}, keepdims=True)) / np.exp({x} - {x}.max({a}, keepdims=True)).sum({a}, keepdims=True)",
    "({x} - {x}.mean({a}, keepdims=True)) / {x}.std({a}, keepdims=True)",
    "({x} - {x}.sum({a})) * {x}.sum({a}, keepdims=True)",
    "({x} * {x}).sum({a}) + {x}.sum({a}) * {x}.max({a})",
    "({x} > {x}.mean({a}, keepdims=True)).sum({b})",
    "{x} - {x}.mean({a}, keepdims=True) - {x}.mean({b}, keepdims=True)",
    "(({x} - {x}.mean({a}, keepdims=True)) ** 2).sum({a}) / {x}.max({b})",
    "{x}.max({a}) - {x}.min({b})",
    "np.cumsum({x}, 0) - {x}.sum({a})",
    "{x} + {x}.sum({a})[..., None]",
)

COMBINED = ("({0} - {1})", "({0} * {1})", "({0} + {1})", "({0} - {1})", "({0} < {1})", "np.where({0} != 1, {1}, {0})")
TURNS = ("",) * 16 + (".T", "[..., None]", "[None]", "[:, None]", "[:1]", "[..., :1]", "[::-1]", ".swapaxes(0, -1)")
"""How a result is read beside others: as it is, or with its axes elsewhere."""


def _letters(chooser):
    """A shape in letters, equal ones for equal lengths."""
    ndim = chooser.choice((1, 1, 2, 2, 2, 2, 3, 3, 4))
    return ["a"] * ndim if chooser.random() < 0.5 else list("abcd"[:ndim])


def _lengths(chooser, ndim, other=False):
    """A length for each letter; often all the same; now and then, where there are `other` ones, 1 or 0."""
    pool = {1: (5, 8, 9, 16, 33, 127, 129, 600), 2: (3, 4, 5, 9, 17, 33, 130), 3: (2, 3, 5, 8, 17), 4: (2, 3, 4)}[ndim]
    lengths = {letter: chooser.choice(pool) for letter in "abcd"}
    if chooser.random() < 0.5:
        lengths = dict.fromkeys("abcd", lengths["a"])
    if other and chooser.random() < 0.3:
        lengths[chooser.choice("abcd")] = chooser.choice((1, 1, 0))
    return lengths


def _owned(chooser, name, dtype, shape, seed):
    return f"{name} = np.array(data({dtype!r}, {shape}, {seed}))"


def _laid(chooser, name, dtype, shape, seed):
    """An input in some layout: of its own or shared memory, or pending."""
    if not shape or 0 in shape:
        return _owned(chooser, name, dtype, shape, seed)
    turned, longer = shape[::-1], (*shape[:-1], 2 * shape[-1])
    x, t, w = (f"data({dtype!r}, {s}, {seed})" for s in (shape, turned, longer))
    thin = f"data({dtype!r}, {(*shape[:-1], 1)}, {seed})"
    unaligned = f"real.frombuffer(bytearray(1) + bytearray({x}.tobytes()), {dtype!r}, offset=1).reshape({shape})"
    kept = f"r{name} = "
    return chooser.choice((
        f"{name} = np.array({x}, order='F')", f"{name} = np.array({t}).T", f"{name} = np.array({x})[::-1]",
        f"{name} = np.array({x})[..., ::-1]", f"{name} = np.array({w})[..., ::2]", f"{name} = +np.array({x})"
        if dtype != "?" else f"{name} = ~np.array({x})", f"{name} = (np.array({x}).T ^ True).T" if dtype == "?" else
        f"{name} = (+np.array({x}))[::-1]", f"{name} = np.broadcast_to(np.array({thin}), {shape})",
        f"{kept}{x}; {name} = np.asarray(r{name})", f"{kept}{x}; {name} = np.asarray(r{name}[::-1])",
        f"{kept}{t}; {name} = np.asarray(r{name}.T)", f"{kept}{w}; {name} = np.asarray(r{name}[..., ::2])",
        f"{name} = np.asarray({x}[::-1])", f"{name} = np.asarray({unaligned})",
    ))  # fmt: skip


class Maker:
    """Writes the lines of a program, in NumPy's world on the first inputs."""

    def __init__(self, seed):
        self.chooser = random.Random(seed)
        self.square = self.chooser.random() < 0.35  # axes that only their place tells apart, and results along each
        self.letters = ["a"] * self.chooser.choice((2, 2, 2, 3)) if self.square else _letters(self.chooser)
        self.inputs = self._inputs()
        self.names = {}
        self.count = 0

    def _inputs(self):
        """Name, dtype and letters of each input."""
        chooser = self.chooser
        dtype = chooser.choice(("f8", "f8", "f4", "i8", "i4") if self.square else DTYPES)
        found = [("x0", dtype, tuple(self.letters))]
        for k in range(1, chooser.choice((1, 2, 2, 3))):
            own = dtype if chooser.random() < 0.7 else chooser.choice(PARTNERS)
            letters = tuple(letter if chooser.random() < 0.75 else "1" for letter in self.letters)
            found.append((f"x{k}", own, letters[chooser.choice((0, 0, len(letters) - 1)):]))
        return found

    def variant(self, lengths, plain=False):
        """The lines that make the inputs."""
        lines = []
        for name, dtype, letters in self.inputs:
            shape = tuple(lengths.get(letter, 1) for letter in letters)
            lay = _owned if plain or self.chooser.random() < 0.4 else _laid
            seed = self.chooser.randrange(1000)  # those of extremes (4 of 5) warn, and are run without kernels for that
            lines.append(lay(self.chooser, name, dtype, shape, seed - (self.square and seed % 5 == 4)))
        return lines

    def array(self, writeable=False):
        names = [name for name, x in self.names.items() if isinstance(x, real.ndarray) and name[0] in "xy"
                 and (x.flags.writeable or not writeable)]
        return self.chooser.choice(names[-2:] if self.chooser.random() < 0.6 else names) if names else None

    def axis(self, ndim):
        chooser = self.chooser
        if not ndim or chooser.random() < 0.2:
            return "None"
        if ndim > 1 and chooser.random() < 0.25:
            return str(tuple(sorted(chooser.sample(range(ndim), 2))))
        return str(chooser.randrange(-ndim, ndim))

    def reduction(self, source, ndim):
        name, axis = self.chooser.choice(REDUCTIONS), self.axis(ndim)
        axis = "None" if name == "argmax" and axis[0] == "(" else axis
        return f"({source}).{name}({axis}{', keepdims=True' if self.chooser.random() < 0.45 else ''})"

    def term(self, depth):
        chooser, name = self.chooser, self.array()
        x = self.names[name]
        kind = {"u": "i"}.get(x.dtype.kind, x.dtype.kind)
        roll = chooser.random()
        if depth == 0 or roll < 0.1:
            return name + (chooser.choice(VIEWS) if chooser.random() < 0.4 else "")
        if roll < 0.45:
            pair = [self.term(depth - 1), self.term(depth - 1) if chooser.random() < 0.75 else chooser.choice(NUMBERS)]
            chooser.shuffle(pair)
            return f"({pair[0]} {chooser.choice(OPERATORS[kind].split())} {pair[1]})"
        if roll < 0.55:
            return f"np.{chooser.choice(UNARY[kind].split())}({self.term(depth - 1)})"
        if roll < 0.62:
            return f"np.{chooser.choice(BINARY[kind].split())}({self.term(depth - 1)}, {self.term(depth - 1)})"
        if roll < 0.68:
            return f"np.where({self.term(depth - 1)} > {self.term(0)}, {self.term(0)}, {self.term(depth - 1)})"
        if roll < 0.72:
            return f"({self.term(depth - 1)}).astype({chooser.choice(('f8', 'f4', 'f2', 'i8', '?', 'c16'))!r})"
        if roll < 0.82:
            return self.reduction(self.term(depth - 1) if chooser.random() < 0.3 else name, x.ndim)
        if roll < 0.92:
            pair = [self.reduction(name, x.ndim), chooser.choice((name, self.term(depth - 1)))]
            chooser.shuffle(pair)
            return f"({pair[0]} {chooser.choice(OPERATORS[kind].split())} {pair[1]})"
        return chooser.choice(CHAINS).format(x=name, a=self.axis(x.ndim), b=self.axis(x.ndim))

    def crossed(self):
        """Lines that combine an array with several of its reductions, each along axes of its own."""
        chooser, lines = self.chooser, []
        base = chooser.choice([name for name, x in self.names.items() if isinstance(x, real.ndarray)
                               and name[0] in "xy" and x.ndim] or ["x0"])
        x = self.names[base]

        def named(source, chance):
            if chooser.random() > chance:
                return source
            self.count += 1
            lines.append(f"y{self.count} = {source}")
            return f"y{self.count}"

        base = named(f"({base} {chooser.choice('+-*')} {chooser.choice(('2', '1', base))})", 0.6)
        reduced = [f"{chooser.choice(CROSSED)}({chooser.choice((str(chooser.randrange(x.ndim)), self.axis(x.ndim)))}"
                   for _ in range(chooser.choice((1, 2)))]
        of = [base if chooser.random() < 0.85 else f"({base} * {base})" for _ in reduced]
        results = [named(f"{of[k]}.{reduced[k]}{keep})", 0.2) for k in range(len(reduced))
                   for keep in ("", ", keepdims=True")]
        chooser.shuffle(results)
        results = results[:chooser.choice((1, 2, 2, 3))]
        value = chooser.choice((base, base, base, chooser.choice(results)))
        for _ in range(chooser.choice((1, 2, 2, 3, 4))):
            other = chooser.choice((*results, *results, base)) + chooser.choice(TURNS)
            pair = [value, other] if chooser.random() < 0.7 else [other, value]
            value = named(chooser.choice(COMBINED).format(*pair), 0.3)
        if chooser.random() < 0.2:
            value = self.reduction(value, x.ndim)
        self.count += 1
        return "; ".join([*lines, f"y{self.count} = {value}"])

    def line(self):
        chooser = self.chooser
        if chooser.random() < (0.85 if self.square else 0.15):
            return self.crossed()
        if chooser.random() < 0.15 and (name := self.array(writeable=True)):
            part = f"{name}{chooser.choice(PARTS)}"
            value = chooser.choice((part, part.replace("1:]", ":-1]"), self.term(1), f"{part} + {self.term(0)}"))
            return f"{part} {chooser.choice(('=', '=', '+=', '*=', '-='))} {value}"
        self.count += 1
        return f"y{self.count} = {self.term(chooser.choice((1, 2, 2, 3)))}"


def generate(seed):
    """The lines of a program, and for each run of it those that make its inputs."""
    maker = Maker(seed)
    chooser, ndim = maker.chooser, len(maker.letters)
    lengths = _lengths(chooser, ndim)
    first = maker.variant(lengths, plain=chooser.random() < 0.5)
    world, lines, wanted = _world(real), [], chooser.choice((1, 2, 3, 4, 6))
    with real.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in first:
            exec(compiled(line), world)
        for turn in range(4 * wanted):
            maker.names = world
            line = "y0 = x0 * 2" if not turn and chooser.random() < 0.6 else maker.line()
            try:
                exec(compiled(line), world)
            except Exception:
                continue
            if sum(x.nbytes for x in world.values() if isinstance(x, real.ndarray)) > 4_000_000:
                break
            lines.append(line)
            if len(lines) == wanted:
                break
    runs = [first, first]
    for _ in range(chooser.choice((1, 2))):
        runs += [maker.variant(lengths if chooser.random() < 0.6 else _lengths(chooser, ndim, other=True))] * 2
    return lines, [*runs, first]


def _world(module):
    return {"np": module, "real": real, "data": data, "nan": real.nan, "inf": real.inf}


def _executed(module, lines, order, **given):
    """What was raised on which line, the values, and the texts of the warnings."""
    world, raised, stderr = {**_world(module), **given}, None, sys.stderr
    sys.stderr = io.StringIO()  # to record warnings in another way would have everything run when written
    try:
        for number, line in enumerate(lines):
            try:
                exec(compiled(line), world)
            except Exception as error:
                raised = number, type(error).__name__
                break
        values = {name: x for name, x in world.items() if re.fullmatch(r"(x|y|rx|v)\d+", name)}
        names = sorted(values)
        random.Random(order).shuffle(names)
        for name in names:
            for x in values[name] if isinstance(values[name], list) else [values[name]]:
                to_numpy(x)
        texts = set(re.findall(r"RuntimeWarning: (.*)", sys.stderr.getvalue()))
    finally:
        sys.stderr = stderr
    return raised, values, texts


def tried(seed, module):
    """What differs, with the source of the run in which it does; or None."""
    return compared(*generate(seed), seed, module, "variants")


def compared(lines, runs, seed, module, family, **given):
    """What differs between NumPy and the module in one of the runs, as `Found`; or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=RuntimeWarning)
        for number, inputs in enumerate(runs):
            with real.errstate(all="warn", under="ignore"):
                expected = _executed(real, [*inputs, *lines], seed + number, **given)
                if any("invalid value encountered in cast" in text for text in expected[2]):
                    continue  # undefined in C
                found = _different(expected, _executed(module, [*inputs, *lines], seed + number, **given))
            if found:
                return Found(seed, number, [*inputs, *lines], found, family)
    return None


def _different(expected, actual):
    if expected[0] != actual[0]:
        return f"raised {expected[0]}, got {actual[0]}"
    for name, x in expected[1].items():
        if found := difference(x, actual[1][name]):
            return f"{name}: {found}"
    if expected[2] != actual[2] and (expected[0] is None or not actual[2] <= expected[2]):
        return f"warned {sorted(expected[2])}, got {sorted(actual[2])}"
    return None


class Found:
    """A difference, as `tests.fuzz` reports it."""

    def __init__(self, seed, number, lines, text, family):
        self.seed, self.number, self.lines, self.text, self.family = seed, number, lines, text, family

    def report(self, module):
        spiked = "from tests.program_borders import spiked\n" if self.family == "borders" else ""
        return (f"# {self.family}, seed {self.seed}\n{HEADER.format(module=module)}{spiked}" + "\n".join(self.lines)
                + f"\n# run {self.number} at `the end`: {self.text}\n")
