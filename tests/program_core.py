"""The records of random programs: a step, a program, a world that executes steps, a scene that steps are made in."""

import ast
import copy
import dataclasses
import functools
import pickle
import random
import re
import warnings

import numpy as real

from tests.program_values import DTYPES, EXPONENTS, SCALARS, data, has_nan, in_range, modest, succeeds

HEADER = """\
import copy, pickle, warnings
import numpy as real
import {module} as np
from numpy import inf, nan
from tests.program_values import data
real.seterr(all="ignore"); warnings.simplefilter("ignore")
"""
BUILTIN_NAMES = {"real": real, "inf": real.inf, "nan": real.nan, "data": data, "copy": copy, "pickle": pickle,
                 "warnings": warnings, "in_range": in_range, "modest": modest, "has_nan": has_nan,
                 "succeeds": succeeds}  # fmt: skip
NOT_COMPARED = ("np", *BUILTIN_NAMES)
THEMES: list[str] = []
"""Dtypes of which programs have one as their own; any, if there are none."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A line of source. `guard`: an expression that NumPy's world must find true, or the program ends before it.

    `watch`: an expression for a floating array whose memory is also seen as other than floats: the program ends
    when it holds a NaN, whose sign and payload would show. `compare`: whether all arrays are compared afterwards.
    """

    source: str
    guard: str = ""
    watch: str = ""
    compare: bool = False


@dataclasses.dataclass(frozen=True)
class Program:
    """Steps, the seed they came from, and how often they run in one process.

    The second run meets what the first has left in caches of plans; the third has the same structure, but other data.
    """

    seed: int
    steps: tuple
    runs: int = 1

    def source(self, module="numpy"):
        """Runnable source; a comment marks where the worlds are compared (they always are at the end)."""
        lines = [step.source + "  # compared here" * step.compare for step in self.steps]
        return f"# seed {self.seed}\n{HEADER.format(module=module)}" + "\n".join(lines) + "\n"

    def with_other_data(self):
        """The same steps on other values, and longer axes where they were longer than 1."""

        def other(call):
            dtype, shape, seed = ast.literal_eval(call[1])
            return f"data({dtype!r}, {tuple(n + 2 if n > 1 else n for n in shape)}, {seed + 1})"

        changed = (re.sub(r"data(\('[^']*', \([^)]*\), \d+\))", other, step.source) for step in self.steps)
        steps = (dataclasses.replace(step, source=source) for step, source in zip(self.steps, changed, strict=True))
        return dataclasses.replace(self, steps=tuple(steps), runs=1)


@functools.lru_cache(maxsize=20000)
def compiled(source, kind="exec"):
    return compile(source, "<program>", kind)


def _chain(error):
    """The types of the exceptions that were being handled when it was raised, and when those were."""
    types = []
    while (error := error.__context__) is not None:
        types.append(type(error).__name__)
    return types


class World:
    """The names of one run of a program, with `np` bound to one module."""

    def __init__(self, module, given=()):
        self.names = {"np": module, **BUILTIN_NAMES, **dict(given)}

    def execute(self, step):
        """Execute one step; return None, or what was raised: its type, its message and the types of the exceptions that
        it came of, with no reference to a frame."""
        try:
            exec(compiled(step.source), self.names)
        except Exception as error:
            return type(error), str(error), _chain(error)
        return None

    def live(self):
        """The program's own names, in order of creation."""
        return {name: value for name, value in self.names.items() if name not in NOT_COMPARED and name[0] != "_"}


class InvalidCasts:
    """A log for errstate: NumPy says so itself when a cast was out of range."""

    def __init__(self):
        self.found = False

    def write(self, message):
        self.found |= "in cast" in message


class Reference(World):
    """NumPy's world, which also says when a program has left what NumPy defines."""

    def __init__(self, given=()):
        super().__init__(real, given)
        self.watched, self.casts = [], InvalidCasts()
        self.foreign = {}  # by id: what goes or went by a name of real arrays, in any world

    def admits(self, step):
        """Whether the step's guard holds; a guard that raises leaves it to the step to raise the same."""
        if not step.guard:
            return True
        try:
            return bool(eval(compiled(step.guard, "eval"), self.names))
        except Exception:
            return True

    def execute(self, step):
        with real.errstate(invalid="log", call=self.casts):
            outcome = super().execute(step)
        self.foreign.update((id(x), x) for name, x in self.names.items() if name[0] == "r" and name[1:].isdigit())
        if step.watch and outcome is None:
            try:
                self.watched.append(eval(compiled(step.watch, "eval"), self.names))
            except Exception:  # shrinking took the name away: nothing to watch
                pass
        return outcome

    @property
    def undefined(self):
        """Whether what the last step did is outside NumPy's own definition (the table in tests/programs.py)."""
        return self.casts.found or any(has_nan(array) for array in self.watched)


class Scene:
    """Where the next step is chosen: a random source and NumPy's world as the steps so far have left it."""

    def __init__(self, seed, given=(), threaded=False, big=None):
        self.random = random.Random(seed)
        self.world = Reference(given)
        self.threaded = threaded
        self.big = self.random.random() < 0.02 if big is None else big
        self.shape = self._theme_shape()
        self.dtype = self.random.choice(THEMES) if THEMES else self.pick_dtype()
        self.count = 0

    def _theme_shape(self):
        dimensions = self.random.choice((0, 1, 1, 1, 2, 2, 2, 2, 3, 3))
        shape = [self.random.choice((1, 2, 3, 4, 5, 6, 7, 8, 16, 17)[: 10 - 2 * dimensions]) for _ in range(dimensions)]
        if dimensions > 1 and self.chance(0.25):  # axes of one length: one may be taken for another
            shape[-2] = shape[-1]
        return tuple(shape)

    # -- chance

    def chance(self, probability):
        return self.random.random() < probability

    def choice(self, options):
        return self.random.choice(options)

    def pick_dtype(self):
        """The program's own dtype more often than not, so that its arrays go together."""
        if hasattr(self, "dtype") and self.chance(0.6):
            return self.dtype
        return self.random.choices(tuple(DTYPES), DTYPES.values())[0]

    def new(self, prefix="a"):
        self.count += 1
        return f"{prefix}{self.count}"

    def target(self):
        """A new name, or now and then one in use: rebinding drops a handle."""
        names = [name for name in self.arrays() if re.fullmatch(r"a\d+", name)]
        return self.choice(names) if len(names) > 2 and self.chance(0.06 * len(names)) else self.new()

    # -- what is there

    def value(self, source):
        """What an expression gives in NumPy's world."""
        return eval(compiled(source, "eval"), self.world.names)

    def arrays(self, where=None):
        return [n for n, x in self.world.live().items() if isinstance(x, real.ndarray) and (where is None or where(x))]

    def scalars(self):
        return [name for name, x in self.world.live().items() if isinstance(x, real.generic)]

    def pick(self, where=None):
        """The name of a live array (the newest are likelier), or None; a step that gets None is not made."""
        names = self.arrays(where)
        return self.choice(names[-3:] if self.chance(0.4) else names) if names else None

    def writable(self, where=None):
        return self.pick(lambda x: x.flags.writeable and x.size and (where is None or where(x)))

    # -- operands

    def scalar(self):
        own = self.scalars()
        return self.choice(own) if own and self.chance(0.25) else self.choice(SCALARS)

    def exponent(self):
        return self.choice(EXPONENTS)

    def operand(self, name, fitting=True):
        """Something that broadcasts with array `name` (mostly; not beyond its shape when `fitting`)."""
        shape = self.world.names[name].shape
        roll = self.random.random()
        if roll < 0.3:
            return self.scalar()
        if roll < 0.4:
            return self.rearranged(name)
        others = self.arrays(lambda x: _broadcasts(x.shape, shape, fitting))
        if roll < 0.42 and not self.big:  # any array: the shapes may well disagree
            others = self.arrays()
        return self.choice(others) if others else name

    def rearranged(self, name):
        """The same array in another order, or a part of it that broadcasts."""
        x = self.world.names[name]
        options = [name, f"{name}.copy()"]
        if x.ndim:
            options += [f"{name}[::-1]", f"{name}[:1]", f"{name}[..., ::-1]", f"{name}[-1:]"]
        if x.ndim > 1 and x.shape == x.shape[::-1]:
            options += [f"{name}.T"] * 2
        return self.choice(options)


def _broadcasts(shape, target, fitting):
    """Whether `shape` broadcasts to `target` (when not `fitting`: with it, to a result that stays small)."""
    if fitting:
        return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(shape[::-1], target[::-1], strict=False))
    try:
        result = real.broadcast_shapes(shape, target)
    except ValueError:
        return False
    size = 1
    for n in result:
        size *= n
    return size <= 2000


# ---------------------------------------------------------------- the kinds of step

KINDS = {}  # function -> weight


def kind(weight, threads=True):
    """Register a kind of step: a function of a scene that gives a Step, source text, or None if there is no chance.

    `threads=False`: it reads or sets state that threads share.
    """

    def register(function):
        function.threads = threads
        KINDS[function] = weight
        return function

    return register
