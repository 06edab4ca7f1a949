"""Random functions of arrays and of numbers that vary from call to call, jitted, against NumPy: arithmetic and
decisions on the numbers, in-place updates, loops that add to a number, errors, numbers that are given back, and numbers
that are of another type from some call on."""

import math
import random

import numpy

from tests.program_jit import against_numpy

CALLS = 12
SHAPES = ((5,), (5,), (3, 4), (), (0,))
DTYPES = ("f8", "f8", "f8", "f4", "i8", "c16")
NUMBERS = (
    "{n} + {n}", "{n} - {n}", "{n} * {n} % 1009", "{n} * 0.5", "{n} + 1", "{n} % 7", "-{n}", "+{n}", "abs({n})",
    "{n} / 4",
    "{n} / {n}", "{n} // 3", "{n} // {n}", "{n} % {n}", "min({n}, {n})", "max({n}, 3)", "min({n}, 2.5, {n})",
    "math.cos({n})", "math.exp(-abs({n}))", "math.sqrt({n})", "math.log({n})", "math.floor({n})", "math.hypot({n}, 2)",
    "math.isnan({n})", "1 / {n}", "{n} ** 2 % 1009", "0.9 ** {n}", "{n} ** 0.5", "{n} ** -1", "round({n}, 2)",
    "round({n})",
    "int({n})", "float({n})", "bool({n})", "divmod({n}, 3)[0]", "divmod({n}, {n})[1]", "({n} > 2) + 1", "{n} == {n}",
    "{n} is {n}", "{n} and {n}", "{n} or 2", "not {n}", "{n} if {n} > 1 else 2.5", "np.sin({n})", "np.sqrt(abs({n}))",
    "np.float64({n})", "np.float32({n}) * 2", "np.maximum({n}, 1)", "{n} in (0, 1, 2.5)", "hash({n}) % 5",
    "str({n})[:1] == '1'", "isinstance({n}, float)", "type({n}) is int", "{a}.sum() * {n}", "len(range(int({n}) % 4))",
    "f'{{n}}' > '2'", "{n} * 1e300", "({n}).real", "float('1.5') + {n}", "sum([{n}, {n}])", "{n} < {n} < 3")
"""Products stay small: whole numbers that are multiplied in loops of loops would fill the memory."""

TELLING = ("int(", "float(", "bool(", "hash(", "str(", "len(", "f'", " is ", " in (", ".real", "np.full", "np.array([",
           "linspace", " ** {n}", "[{a} > 1]", "np.float32")
"""What tells a number's value: two thirds of the functions do without, so that more have numbers in their programs."""

ARRAYS = (
    "{a} * {n}", "{a} + {n}", "{n} - {a}", "{a} / {n}", "{n} / {a}", "{a} ** {n}", "{a} * ({n} + {n})", "{a} > {n}",
    "np.where({a} > 1, {n}, {a})", "np.maximum({a}, {n})", "{a} * np.sin({n})", "np.exp({n} * {a})", "{a} + {b} * {n}",
    "{a} - {n} * {b}", "np.full_like({a}, 1) * {n}", "np.full(3, {n})", "np.array([{n}, 2.0])", "np.zeros(3) + {n}",
    "np.arange(3) * {n}", "{a}.clip(-1, 2) + {n}", "{a}.sum() * {n}", "{a}.sum() > {n}", "{a} == {n}", "{a} * 2",
    "({a} * {n}).sum()", "{a} % 3 + {n}", "np.add({a}, {n})", "np.multiply({n}, {n}) * {a}", "{a} * float({n})",
    "{a} * int({n})", "{a} // 2 * {n}", "{a}.astype('f4') * {n}", "np.linspace(0, {n}, 4)", "{a}[:2] * {n}",
    "np.clip({a}, {n}, None)", "{a} @ {a} * {n}", "{a} + np.float64({n})", "{a} ** 2 * {n}", "{a}.copy()", "{a}")
STATEMENTS = (
    "{t} = {N}", "{t} = {N}", "{t} = {N}", "{u} = {A}", "{u} = {A}", "{u} = {A}", "{t} += {n}", "{t} *= 0.5",
    "x += {n}", "x *= {n}", "x -= {n} * {b}", "x[0] = {n}", "x[1:] = {n}", "x[...] = {A}", "x /= {n}", "x[-1] += {n}",
    "y[...] += {n}", "y *= {n} * 0.5", "x[{a} > 1] = {n}", "x.fill({n})", "np.add(x, {n}, out=x)", "np.copyto(x, {n})",
    "kept.append({n})", "kept.append({N})", "kept.append({A})", "held['k'] = {n}", "held['u'] = {A}",
    "{t}, {t} = {n}, {N}", "{t}, {t} = divmod({n}, {n})", "x, y = y, x", "a, b = b, a", "c, s = s + {n}, c")
BLOCKS = (
    "if {n} > {n}:", "if {n}:", "if {n} == 0:", "if {N}:", "if {n} != {n}:", "if {a}.sum() > {n}:",
    "for _ in range(3):", "for _ in range(5):", "for _ in range(int({n}) % 4):", "for i in range(4):",
    "while {t} > 1e3:", "try:", "try:", "for {t} in (1, {n}, 2.5):", "if isinstance({n}, int):",
    "with np.errstate(all='ignore'):", "if {n} < 3 and {n}:")
VALUES = (0.25, 0.5, 0.1, 1.0, 2.0, 1.5, -0.5, 3, 1, 2, -2, 7, 0.01)
ODD = (0, 0.0, -0.0, math.nan, math.inf, -math.inf, 2**40, 2**70, 2**60 + 2**36 + 1, 1e300, 5e-324, -7, True,
       numpy.float64(0.25), numpy.float64("nan"), numpy.float32(0.5), 1j)
LATE = (None, int, float, numpy.float64, bool, numpy.int64, numpy.float32, complex)
"""What one of the numbers may become in a late call."""


def _as(kind, value):
    """A number as one of another type; as it is if it cannot be."""
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return value


def random_program(seed):
    """The source of a function of x, y, a, b, and c."""
    draw = random.Random(seed)
    tame = seed % 3
    numbers, arrays = ["a", "b", "c", "s", "t", "a", "b", "c", "a"], ["x", "y", "u", "x"]

    def allowed(options):
        return [x for x in options if not tame or not any(t in x for t in TELLING)]

    def filled(text):
        for mark, options in (("{N}", NUMBERS), ("{A}", ARRAYS)):
            while mark in text:
                text = text.replace(mark, draw.choice(allowed(options)), 1)
        for mark, options in (("{n}", numbers), ("{a}", arrays), ("{b}", arrays), ("{t}", ["s", "t", "a", "c"]),
                              ("{u}", ["u", "v"])):
            while mark in text:
                text = text.replace(mark, draw.choice(options), 1)
        return text

    lines = ["kept, held, s, t, u, v = [], {}, a, 0.5, x, y"]
    for _ in range(draw.randrange(2, 9)):
        if draw.random() < 0.3:
            opening = filled(draw.choice(allowed(BLOCKS)))
            body = [filled(draw.choice(allowed(STATEMENTS))) for _ in range(draw.choice((1, 1, 2)))]
            if opening.startswith("while"):
                body += ["break"]
            lines += [opening, *["    " + line for line in body]]
            if opening == "try:":
                caught = draw.choice(["ZeroDivisionError", "Exception", "(ValueError, OverflowError)"])
                lines += [f"except {caught}:", "    " + filled(draw.choice(allowed(STATEMENTS)))]
        else:
            lines.append(filled(draw.choice(allowed(STATEMENTS))))
    lines.append(draw.choice(["return u, v, s, t, kept, held", "return u, kept, held", "return {'s': s, 'u': u}, kept",
                              "return [a, b, c, s], u * s, kept, held", "return u", "return t"]))
    return "def f(x, y, a, b=2.0, *, c=1):\n" + "".join(f"    {line}\n" for line in lines)


def plain(value):
    """A result as something to compare."""
    kind = type(value)
    if kind in (int, float, bool, complex, type(None), str):
        return kind.__name__, repr(value)
    if kind in (list, tuple):
        return kind.__name__, *[plain(x) for x in value]
    if kind is dict:
        return {k: plain(x) for k, x in value.items()}
    array = numpy.array(value)
    if array.dtype.hasobject:
        return array.shape, repr(array.tolist())
    where = numpy.isnan(array) if array.dtype.kind in "fc" else numpy.zeros(array.shape, bool)
    bits = numpy.where(where, numpy.array(0, array.dtype), array).tobytes()
    return kind.__name__ if array.ndim == 0 and isinstance(value, numpy.generic) else "", array.dtype.str, \
        array.shape, where.tobytes(), bits, repr(array)


def cases(seed):
    """The shapes and dtypes of the arrays, and the numbers of each call: (positional, by keyword)."""
    draw = random.Random(~seed)
    kinds = draw.choice(SHAPES), draw.choice(DTYPES)
    kinds = kinds, (kinds if draw.random() < 0.7 else (draw.choice(SHAPES), draw.choice(DTYPES)))
    number, odd = draw.choice((1, 2, 2, 3, 3)), draw.choice((0, 0, 0.1, 0.3))
    whole = draw.choice((None, int, float, float, numpy.float64))
    late, first, which = draw.choice(LATE), draw.randrange(4, CALLS), draw.randrange(number)
    calls: list = []
    one: dict = {}  # equal numbers are one object: programs know them by value, and `is` tells them apart
    for call in range(CALLS):
        some = [draw.choice(VALUES) for _ in range(number)]
        if whole:
            some = [whole(x * 4 if whole is int else x + draw.choice((0, 0.125))) for x in some]
        if draw.random() < 0.15:
            some = [some[0]] * number
        some = [draw.choice(ODD) if draw.random() < odd else x for x in some]
        if late is not None and call >= first and draw.random() < 0.8:
            some[which] = _as(late, some[which])
        some = [one.setdefault((type(x), repr(x)), x) for x in some]
        calls.append((some[:2], {"c": some[2]} if number > 2 else {}))
        if number > 1 and draw.random() < 0.1:
            calls[-1] = some[:1], {"b": some[1], **calls[-1][1]}
    return kinds, calls


def run(seed, np, jit, source):
    """What a program does, call by call; and its function."""
    kinds, calls = cases(seed)
    space = {"np": np, "math": math, "__name__": "program"}
    exec(compile(source, f"<program {seed}>", "exec"), space)
    f, found = jit(space["f"]), []
    with np.errstate(all="ignore"):
        for call, (numbers, named) in enumerate(calls):
            if call == 6 and seed % 4 < 2:
                for one in getattr(f, "_compiled", ()):
                    one.quicken()
            x, y = [np.array((numpy.arange(numpy.prod(shape, dtype=int)) * 0.75 - 1 + call % 3 + i).astype(dtype)
                             .reshape(shape)) for i, (shape, dtype) in enumerate(kinds)]
            try:
                result = plain(f(x, y, *numbers, **named))
            except Exception as error:
                result = type(error).__name__
            found.append((result, plain(x), plain(y)))
    return found, f


def tried(seed, module):
    """What `against_numpy` gives for a seed; of two pairs one has kernels in the later calls."""
    def told(found, expected):
        where = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
        kinds, calls = cases(seed)
        return f"{kinds}, {calls[:where + 1]}\n# call {where + 1}: {found[where]}\n# not {expected[where]}"
    return against_numpy(seed, module, random_program(seed), run, told)
