"""Random functions of a few arrays that read views of views of what they compute (parts, transposes, reversals,
reshapes, broadcasts), at small and large sizes; called again and again, lazily and jitted, beside NumPy.

A kernel may compute a result anew for each view that it reads of it, or have it written for the others: here both
come up, for shapes that fill a few vectors, tiles, and the memory of several tiles.
"""

import dataclasses
import math
import random
import warnings

import numpy as real

from tests.helpers import difference
from tests.program_jit import unchecked

CALLS = 4
DTYPES = ("f8",) * 6 + ("f4",) * 3 + ("i8", "i4", "u1", "?", "c16", "f2")
UNARY = ("np.sqrt(abs({a}))", "{a} * 2", "-{a}", "{a} * {a}", "np.exp({a} * 0.01)", "abs({a})", "{a} - 1.5",
         "np.where({a} > 1, {a}, 0)", "{a}.astype('f4')", "{a} + 1", "np.sin({a})", "{a} > 2",
         "{a}.copy()", "np.maximum({a}, 1)")  # fmt: skip
BINARY = ("{a} + {b}", "{a} - {b}", "{a} * {b}", "np.maximum({a}, {b})", "np.where({a} > {b}, {a}, {b} * 0.5)",
          "{a} * 0.25 + {b} * 0.5", "({a} + {b}) * ({a} - {b})", "np.hypot({a}, {b})", "{a} / (abs({b}) + 1)",
          "{a} * (2 * {b} + 1)", "{a} < {b}", "np.add({a}, {b})")  # fmt: skip
REDUCTIONS = ("sum", "mean", "max", "min", "var", "any", "std", "prod", "argmax", "cumsum")
STORES = ("{t} = {v}", "{t} += {v}", "{t} *= {v}", "{t} -= 0.5 * {v}", "np.multiply({v}, 2, out={t}, casting='unsafe')")


class Writer:
    """Writes a function line by line; NumPy's values of what is written so far say which shapes there are."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.world = {"np": real}
        self.lines, self.computed = [], []
        self.arguments = [self._argument(f"x{k}") for k in range(self.chance.randint(1, 3))]

    # -- arguments

    def _shape(self):
        sizes = {1: ((2, 9), (40, 300), (1000, 9000), (20000, 70000)),
                 2: ((2, 7), (9, 40), (60, 140), (150, 260)),
                 3: ((2, 4), (4, 12), (16, 30), (30, 42))}  # fmt: skip
        dimensions = self.chance.choice((1, 1, 2, 2, 2, 3))
        low, high = self.chance.choice(sizes[dimensions])
        return tuple(self.chance.randint(low, high) for _ in range(dimensions))

    def _argument(self, name):
        """(name, dtype, shape): the first one's shape, or that transposed, or one row, column or number of it."""
        if name == "x0":
            self.shape, self.dtype = self._shape(), self.chance.choice(DTYPES)
        shape = self.shape
        roll = self.chance.random()
        if name != "x0" and roll < 0.5:
            shape = shape[::-1] if roll < 0.2 else tuple(n if self.chance.random() < 0.6 else 1 for n in shape)
        dtype = self.dtype if self.chance.random() < 0.8 else self.chance.choice(DTYPES)
        self.world[name] = data(dtype, shape, 0)
        return name, dtype, shape

    # -- views

    def view(self, text, steps=None):
        """Text of views of views of an expression."""
        for _ in range(self.chance.choice((0, 1, 1, 2, 2, 3)) if steps is None else steps):
            text = self._viewed(text)
        return text

    def _viewed(self, text):
        x = self.value(text)
        options = ["{}.T", "{}[::-1]", "{}[..., ::-1]", "{}[None]", "{}.reshape(-1)", "{}[..., None]",
                   "{}[1:]", "{}[:-1]", "{}[..., 1:]", "{}[..., :-1]", "{}[::2]", "{}[..., 1::2]", "{}[..., ::-2]"]
        if x.ndim > 1:
            options += ["{}[1:-1, 1:-1]", "{}[0]", "{}[:, -1]", "{}.swapaxes(0, -1)", "{}[:, ::-1]", "{}[-1:]",
                        "{}.reshape({}.shape[::-1])".replace("{}.shape", str(x.shape))]  # fmt: skip
        if x.size % 4 == 0 and x.size:
            options += ["{}.reshape(4, -1)", "{}.reshape(-1, 2)"]
        if x.size < 20000:
            options += [f"np.broadcast_to({{}}, {(3, *x.shape)})"]
        viewed = self.chance.choice(options).replace("{}", text)
        return viewed if self._small_enough(viewed) else text

    def _small_enough(self, text):
        try:
            x = self.value(text)
        except (IndexError, ValueError):
            return False
        return 0 < x.size <= 200000 and x.ndim <= 4

    def fitted(self, text, shape):
        """Text of a view of an expression that broadcasts to a shape, or None: a part of it somewhere."""
        x = self.value(text)
        if x.ndim == len(shape) and all(n >= m or n == 1 for n, m in zip(x.shape, shape, strict=True)):
            parts = [":" if n == 1 else self._part(n, m) for n, m in zip(x.shape, shape, strict=True)]
            return f"{text}[{', '.join(parts)}]" if set(parts) != {":"} else text
        if x.ndim < len(shape) and all(n in (1, m) for n, m in zip(x.shape[::-1], shape[::-1], strict=False)):
            return text
        size = math.prod(shape)
        if x.size >= size and self.chance.random() < 0.7:
            return f"{text}.reshape(-1)[{self._part(x.size, size)}].reshape({shape})"
        return None

    def _part(self, n, m):
        """A slice of m out of n elements, now and then backwards."""
        if n == m:
            return self.chance.choice((":", ":", "::-1"))
        first = self.chance.randint(0, n - m)
        if self.chance.random() < 0.25:
            return f"{first + m - 1}:{first - 1 if first else ''}:-1"
        return f"{first}:{first + m}"

    # -- lines

    def value(self, text):
        return eval(text, self.world)

    def names(self):
        """Arrays to read, what was computed more often than arguments."""
        return self.computed * 3 + [name for name, _, _ in self.arguments]

    def pair(self):
        """Two expressions that go together: often parts of one value, shifted."""
        a = self.chance.choice(self.names())
        left = self.view(a)
        shape = self.value(left).shape
        if self.chance.random() < 0.5 and all(n > 3 for n in shape):  # some less, so that parts can be shifted
            shape = tuple(n - self.chance.randint(0, 3) for n in shape)
            left = self.fitted(left, shape)
        for _ in range(6):
            b = a if self.chance.random() < 0.5 else self.chance.choice(self.names())
            right = self.fitted(self.view(b), shape)
            if right is not None:
                return left, right
        return left, left

    def line(self):
        roll = self.chance.random()
        if roll < 0.55:
            a, b = self.pair()
            text = self.chance.choice(BINARY).format(a=a, b=b)
        elif roll < 0.75:
            text = self.chance.choice(UNARY).format(a=self.view(self.chance.choice(self.names())))
        elif roll < 0.88 or not self.computed:
            text = self.reduction()
        else:
            return self.store()
        if self.chance.random() < 0.2:
            text = self.view(f"({text})", 1)
        name = self.chance.choice(self.computed) if len(self.computed) > 4 else f"v{len(self.computed)}"
        return f"{name} = {text}"

    def reduction(self):
        a = self.view(self.chance.choice(self.names()))
        axis = self.chance.choice((None, *range(self.value(a).ndim))) if self.value(a).ndim else None
        name = self.chance.choice(REDUCTIONS)
        keep = "" if name == "cumsum" else f", keepdims={self.chance.random() < 0.5}"
        return f"{a}.{name}(axis={axis}{keep})"

    def store(self):
        target = self.view(self.chance.choice(self.computed), self.chance.choice((0, 1, 1, 2)))
        target = f"{target}[...]" if target.isidentifier() or target.endswith(")") else target
        shape = self.value(target).shape
        found = (self.fitted(self.view(self.chance.choice(self.names())), shape) for _ in range(4))
        value = next((text for text in found if text is not None), "2")
        text = self.chance.choice(STORES)
        if "out=" not in text and not target.endswith("]"):
            target = f"{target}[...]"
        return text.format(t=target, v=value)

    def write(self):
        """The function, and the names that it gives."""
        attempts = 0
        while len(self.lines) < self.chance.randint(3, 9) and attempts < 60:
            attempts += 1
            self._tried(self.line)
        given = self.chance.sample(self.computed, min(len(self.computed), self.chance.choice((1, 1, 2, 3))))
        results = ", ".join(self.view(name) if self.chance.random() < 0.3 else name for name in given)
        head = f"def f({', '.join(name for name, _, _ in self.arguments)}):"
        return "\n".join([head, *(f"    {line}" for line in self.lines), f"    return [{results}]"]) + "\n"

    def _tried(self, make):
        """Keeps a line that NumPy admits, and whose result is not too large."""
        before = dict(self.world)
        try:
            line = make()
            exec(line, self.world)
        except (ValueError, IndexError, TypeError):  # read-only, no such axis, a cast that is refused
            self.world = before
            return
        name = line.partition(" = ")[0]
        if name.isidentifier():
            x = self.world[name]
            if not 0 < getattr(x, "size", 0) <= 200000 or not isinstance(x, real.ndarray):
                self.world = before
                return
            if name not in self.computed:
                self.computed.append(name)
        self.lines.append(line)


def data(dtype, shape, seed):
    """Values that no cast of what is computed of them leaves undefined, mostly."""
    draw = real.random.default_rng(seed)
    values = draw.integers(0, 5, shape) if dtype[0] in "iu?" else draw.random(shape) * 4
    return (values + 1j * draw.random(shape) if dtype[0] == "c" else values).astype(dtype)


def random_program(seed):
    """(text of the function, its arguments as (name, dtype, shape))."""
    writer = Writer(seed)
    with warnings.catch_warnings(), real.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return writer.write(), writer.arguments


@dataclasses.dataclass(frozen=True)
class Found:
    """How a function differs."""

    seed: int
    how: str

    def report(self, module):
        """A script that shows the difference."""
        text, arguments = random_program(self.seed)
        given = ", ".join(f"np.array(data({dtype!r}, {shape}, {self.seed} + call))" for _, dtype, shape in arguments)
        return (f"# seed {self.seed}\nimport {module} as np\nfrom tests.program_computed import data\n{text}"
                f"for call in range({CALLS}): print(f({given}))\n# {self.how}\n")  # fmt: skip


def tried(seed, module, jitted):
    """Where the function of a seed differs, or None; and the function, jitted if asked for.

    Half of the jitted functions do not compare themselves, and half have kernels from the third call on.
    """
    text, arguments = random_program(seed)
    worlds = [{"np": real}, {"np": module}]
    for world in worlds:
        exec(compile(text, "<random program>", "exec"), world)
    expected, f = worlds[0]["f"], worlds[1]["f"]
    f = module.jit(f) if jitted else f
    with unchecked(seed % 2 == 0), warnings.catch_warnings(), real.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for call in range(CALLS):
            if jitted and call == 2 and seed % 4 < 2:
                for compiled in f._compiled:
                    compiled.quicken()
            given = [data(dtype, shape, seed + call) for _, dtype, shape in arguments]
            args = [module.array(a) for a in given]
            found = difference((_called(expected, given), given), (_called(f, args), args))
            if found is not None:
                return Found(seed, f"call {call + 1}: {found}"), f
    return None, f


def _called(f, args):
    """What a function gives, or the type of the error that it raises."""
    try:
        return f(*args)
    except Exception as error:
        return [type(error).__name__]
