"""Random steps of time loops, jitted, against NumPy: a short array's elements, Python's numbers that vary from call to
call, arithmetic between both in long straight lines, as tapes have it; values, types, warnings and errors."""

import contextlib
import io
import math
import random
import warnings

import numpy

from lazytensor.hybrid import stretches
from lazytensor.run import floating
from tests.program_jit import against_numpy

CALLS = 14
ELEMENTS = (
    "{e} + {e}", "{e} - {e}", "{e} * {e}", "{e} / {e}", "{e} * {n}", "{n} * {e}", "{n} - {e}", "{e} + {n}", "{e} / {n}",
    "{n} / {e}", "-{e}", "abs({e})", "{e} ** 2", "{e} ** 1.5", "{e} * 0.5", "2 * {e}", "1 - {e}", "np.sin({e})",
    "np.sqrt({e})", "np.exp({e})", "{e} % 1", "{e} // 1", "{e} ** {n}", "np.maximum({e}, {n})", "np.minimum({e}, {e})",
    "np.clip({e}, -1, 1)", "np.clip({e}, {n}, 2.0)", "np.where({e} > 0, {e}, {n})", "{e} + {n} * {e}", "max({e}, 0.25)",
    "min({e}, {e})", "{e} * 1e200", "np.float64({n}) + {e}", "np.sin({n}) * {e}", "np.tanh({e})", "np.log({e})",
    "np.cos({e}) * {n}", "np.hypot({e}, {e})", "np.sign({e})", "np.where({e} < {n}, 1.5, {e})")
NUMBERS = (
    "{n} + {n}", "{n} - {n}", "{n} * {n} % 1009", "0.5 * {n} * {n}", "{n} / 2", "{n} / {n}", "{n} * 0.5",
    "-{n}", "+{n}", "abs({n})", "{n} ** 2 % 1009", "({n} + 0.5) ** 2",
    "{n} ** 0.5", "{n} ** -1", "{n} ** 1.5", "0.5 * ({n} + {n})", "1 / {n}", "{n} * 3", "2 - {n}", "math.sin({n})",
    "math.cos({n})", "math.exp({n})", "math.sqrt({n})", "math.log({n})", "math.log({n}, 2)", "math.tanh({n})",
    "math.pow({n}, 2)", "math.tan({n})", "math.fabs({n})", "{n} % 1.5", "{n} // 2", "min({n}, 1.5)", "max({n}, {n})",
    "{n} * 1e300", "round({n}, 3)", "math.hypot({n}, 1)", "{n} + 9007199254740993", "{n} * True", "np.sin({n})",
    "{n} / 3.0 + {n}", "math.atan2({n}, 1)", "{n} * 1e-300")
ROWS = (
    "{y} + {n} * {y}", "{y} * {n}", "{y} - {y} / 2", "{n} * {y}", "{y} + np.array([{e}, {e}, {n}])",
    "np.array([{e}, {n}, {e}])", "np.array([{n}, {n} * 2, {e}])", "{y} + {n} / 6 * ({y} + 2 * {y})", "A @ {y}",
    "np.array([{e}, 0.5, {e}]) * {n}", "np.sin({y}) * {n}", "{y} / {n}", "np.clip({y}, -2, 2)", "np.maximum({y}, {n})",
    "np.where({y} > {n}, {y}, 0.5)", "{y} + {e} * {y}", "A[1] * {e}", "{y} * {e}", "{y} + {e}", "A.T @ {y}")
TELLING = "np.sin({n})", "np.array([{n}", "np.float64(", "min(", "max(", "np.clip({e}, {n}", "log({n}, 2)"
"""What most programs do without, so that more of them have their numbers followed."""
LINES = (
    "{d} = {E}", "{d} = {E}", "{d} = {E}", "{d} = {E}", "{d} = {E}", "{m} = {N}", "{m} = {N}", "{m} = {N}", "{w} = {R}",
    "{w} = {R}", "{d} = {w}[{i}]", "{d} = y[{i}]", "{m} += {n}", "{m} += 0.5", "w = w + {n} * v", "{d} = v @ w",
    "w = w * 1.0\n    w[{i}] = {e}", "w = w * 1.0\n    w[{i}] += {n}", "{d} = {d} + {n}", "{d} *= {n}", "k += 1",
    "{d} = {e} * k", "{m} = {n} * k", "u = A @ v", "{d} = A[{i}, {i}] * {e}")
TURNS = ("if {n} > {n}:", "if {e} > {n}:", "if {e} > 0.5:", "if k % 3:", "for _ in range(4):", "for _ in range(6):")
VALUES = (0.01, 0.02, 0.5, 0.25, 1.0, 2.0, -0.5, 1.5, 0.75, -1.25, 3.0, 0.125)
ODD = (0.0, -0.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 1e-310, 1e39, 3.5e38, 1e-40, 2**53 + 1, 7, -3,
       0, 2**63, 2**70, True, numpy.float64(0.3), numpy.float64(1e308), numpy.float32(0.3))


def random_program(seed):
    """The source of a function of y, A, and the numbers a, b and c."""
    draw = random.Random(seed)
    numbers, elements, rows = ["a", "b", "c", "a", "b", "s"], ["p", "q", "r"], ["y", "v", "w"]

    def filled(text):
        for mark, options in (("{E}", ELEMENTS), ("{N}", NUMBERS), ("{R}", ROWS)):
            options = [x for x in options if not tame or not any(y in x for y in TELLING)]
            while mark in text:
                text = text.replace(mark, draw.choice(options), 1)
        for mark, options in (("{n}", numbers), ("{e}", elements), ("{y}", rows), ("{w}", ["v", "w"]),
                              ("{d}", elements), ("{m}", ["s", "a", "b"]), ("{i}", ["0", "1", "2", "-1"])):
            while mark in text:
                text = text.replace(mark, draw.choice(options), 1)
        return text

    lines = ["p, q, r = y", "s, k, v, w, u, kept = 0.5, 1, y, y * 0.5, y, []"]
    straight, tame, keeps = seed % 3 == 0, seed % 4 != 0, cases(seed)[1] != "ignore"
    def statement(indent=""):
        line = filled(draw.choice(LINES))
        found = [indent + part.strip() for part in line.split("\n")]
        if keeps:  # what nobody reads warns of nothing
            found.append(f"{indent}kept.append({line.split()[0].partition('[')[0]})")
        return found

    for _ in range(draw.randrange(6, 26)):
        if draw.random() < 0.08 and not straight:
            lines.append(filled(draw.choice(TURNS)))
            for _ in range(draw.randrange(1, 7)):
                lines += statement("    ")
        else:
            lines += statement()
    lines.append(draw.choice((
        "return v, w, p", "return np.array([p, q, r]), s", "return w, (p, q, r, s, a, b)", "return v + w, u, k",
        "return np.array([p, q, s]) + w * b", "return p, q, r, v", "y[0] = p\n    y[1] = s\n    return w, q")))
    if keeps:
        lines[-1] += ", kept"
    return "def f(y, A, a, b, c=0.5):\n" + "".join(f"    {line}\n" for line in lines)


def plain(value):
    """A result as something to compare; of NaNs the sign counts as little as NumPy's does."""
    kind = type(value)
    if kind in (int, float, bool):
        return kind.__name__, repr(value)
    if kind in (tuple, list):
        return [plain(x) for x in value]
    array = numpy.array(value)
    if array.dtype.hasobject:
        return array.shape, repr(array.tolist())
    where = numpy.isnan(array) if array.dtype.kind in "fc" else numpy.zeros(array.shape, bool)
    bits = numpy.where(where, numpy.array(0, array.dtype), array).tobytes()
    return array.dtype.str, array.shape, where.tobytes(), bits


def cases(seed):
    """The dtype of the arrays, the error state, and the numbers of each call."""
    draw = random.Random(~seed)
    dtype = draw.choice(("f8", "f8", "f8", "f4", "f4", "i8"))
    odd = draw.choice((0, 0, 0.05, 0.2))
    whole = draw.choice((None, None, None, int, numpy.float64))
    state = draw.choice(("ignore", "warn", "warn", "raise"))
    calls = []
    for _ in range(CALLS):
        some = [draw.choice(VALUES) * draw.choice((1, 1, 1.5, 0.3)) for _ in range(3)]
        if whole is not None:
            some[draw.randrange(2)] = whole(draw.choice((1, 2, 3, -1)))
        some = [draw.choice(ODD) if draw.random() < odd else x for x in some]
        calls.append(tuple(some[:draw.choice((3, 3, 3, 2))]) if seed % 5 == 0 else tuple(some))
    return dtype, state, calls


def run(seed, np, jit, source):
    """What a program does, call by call; and its function."""
    dtype, state, calls = cases(seed)
    space = {"np": np, "math": math, "__name__": "program"}
    exec(compile(source, f"<program {seed}>", "exec"), space)
    f, found = jit(space["f"]), []
    start = numpy.array([0.5, -0.25, 1.5])
    for call, numbers in enumerate(calls):
        if call == 7 and seed % 4 < 2:
            for one in getattr(f, "_compiled", ()):
                one.quicken()
        big = 1e200 if call == 9 and seed % 3 == 1 and dtype == "f8" else 1
        y = np.array((start * (1 + call % 4) * big).astype(dtype))
        A = np.array((numpy.arange(9).reshape(3, 3) * 0.25 - 1).astype(dtype))
        with told() as lines, numpy.errstate(all=state):
            try:
                result = plain(f(y, A, *numbers))
            except Exception as error:
                result = None, type(error).__name__, str(error)
        found.append((result, plain(y), lines if result[0] else None))  # what ends before it is read may not warn
    return found, f


@contextlib.contextmanager
def told():
    """The lines of what is warned of meanwhile, as Python's own function shows it: under a recorder the Python runs."""
    found, shown = [], io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stderr(shown):
        warnings.showwarning, warnings._showwarnmsg_impl = floating._plain_showwarning, floating._plain_show
        warnings.simplefilter("always")
        yield found
    lines = [line for line in shown.getvalue().splitlines() if "Warning: " in line and "Hybrid" not in line]
    # without the extension some name a line of lazytensor's own
    found += sorted(line.partition("Warning: ")[2] if stretches.tape is None else line for line in lines)


def tried(seed, module):
    """What `against_numpy` gives for a seed."""
    def told(found, expected):
        where = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
        dtype, state, calls = cases(seed)
        pairs = [(x, y) for x, y in zip(found[where], expected[where], strict=True) if x != y]
        return f"{dtype}, {state}, {calls[:where + 1]}\n# call {where + 1}:" + "".join(
            f"\n# {x}\n# not {y}" for x, y in pairs)
    return against_numpy(seed, module, random_program(seed), run, told)
