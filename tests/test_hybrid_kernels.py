"""Runs of operations and reductions in compiled functions: which are kernels, and that they give NumPy's bits."""

import random
import warnings
from operator import getitem

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import compiled, fusing
from lazytensor.hybrid.guards import Namespace
from lazytensor.hybrid.places import Memory
from lazytensor.hybrid.source import Writer
from lazytensor.hybrid.tracing import Operand

from .helpers import difference

needs_kernels = pytest.mark.skipif(not fusing.possible(), reason="no kernels here")


def layernorm(np, x):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def softmax(np, x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def standardise(np, x):
    return (x - x.mean(0)) / (x.std(0) + 1)


def statistics(np, x):
    return x.sum(), x.mean(), x.var(), x.min(), x.max()


def rows(np, x):
    return x.argmax(-1), x.sum(-1), (x > 0).any(-1), (x * x).sum(-1, keepdims=True)


def chosen(np, x):
    y = np.where(x > 0, x, -x) + 1
    y[y > 1.5] = 0.25
    return y, (y - 0.25).astype(np.float32), y.astype(np.int32)


def shifted(np, x):
    d = x[1:] - x[:-1]
    return d[1:] * d[:-1] + x[1:-1], d.sum(0)


def by_numbers(np, x):
    return (x - x.min()) / (x.max() - x.min() + 1) * x.std()


def through_numpy(np, x):
    y = np.tanh(x) * 0.5
    z = (y @ y.T) * 2 + 1
    return z.sum(axis=1) / z.shape[0], np.sort(y, axis=-1)[:, 0] * 3 - 1


def two_spaces(np, x):
    a = x * 2 + 1
    b = x[:, :16] * 3 - 1
    return a.sum(1) + b.sum(1), a, (b * b)[::-1]


def written(np, x):
    y = x * 2
    y[1:] = x[1:] * 3 + x[:-1]
    s = y.sum(axis=0)
    y[:, 0] = 1.0
    return y, s / y.max()


def blurred(np, x):
    wide = x.astype(np.int16)
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    blur = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) >> 4
    return np.clip(2 * wide[1:-1, 1:-1] - blur, 0, 255).astype(np.uint8)


def rows_stored(np, x):
    out = np.zeros((x.shape[0] + 1, x.shape[1]), x.dtype)
    out[1:] = (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1)
    return out


def written_twice(np, x):
    y = x * 2
    y[1:] = x[1:] * 3 - y[1:]
    y[:-1] -= y[1:] * x[:-1]
    return y, y[0].sum()


PROGRAMS = [layernorm, softmax, standardise, statistics, rows, chosen, shifted, by_numbers, through_numpy, two_spaces,
            written, rows_stored, written_twice, blurred]


def quickened(program):
    """The program jitted, and what compiles it with kernels."""
    f = np.jit(lambda x: program(np, x))

    def hasten():
        for one in f._compiled:
            one.quicken()
        return sum(one.kernels for one in f._compiled)
    return f, hasten


@pytest.mark.parametrize("shape", [(3, 17), (40, 64), (300, 65), (2, 9000)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_the_bits_are_numpys(program, dtype, shape):
    f, hasten = quickened(program)
    for seed in range(4):
        x = real.random.default_rng(seed).normal(size=shape).astype(dtype)
        assert difference(program(real, x.copy()), f(np.array(x))) is None, seed
        if seed == 1:
            hasten()


SPECIAL = [real.zeros((4, 40)), -real.zeros((4, 40)), real.full((4, 40), real.nan), real.full((4, 40), real.inf),
           real.tile([0.0, -0.0], (4, 20)), real.full((4, 40), 1e300), real.full((4, 40), 5e-324)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_values_that_are_special(program):
    f, hasten = quickened(program)
    x = real.random.default_rng(1).normal(size=(4, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            f(np.array(x))
        hasten()
        for special in SPECIAL:
            with real.errstate(all="ignore"):
                assert difference(program(real, special.copy()), f(np.array(special))) is None


def test_what_views_are_called_does_not_depend_on_ids():
    """Steps of two views together are made anew: an id may have been another one's before."""
    steps = [((getitem, (slice(i, None),)),) for i in range(200)]
    writer, memory = object.__new__(Writer), Memory()
    memory.text["x"], writer.lines, writer._indent, writer._count, writer.space = "x", [], "", 0, Namespace()
    names = {writer._value(Operand("x", tuple(list(found)), None), memory) for found in steps}
    assert len(names) == len(writer.lines) == 200


def test_views_of_results_that_are_read_through_views():
    f, x = np.jit(lambda x: blurred(np, x)), real.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype("u1")
    for _ in range(20):
        assert difference(blurred(real, x), f(np.array(x))) is None


def test_integers_and_bools():
    def program(np, x):
        y = x * 3 - 1
        return y.sum(), y.sum(axis=1), y.max(axis=0), (y > 4).sum(axis=1), (y > 4).all(), y.mean(axis=1)

    for dtype in ("i1", "u2", "i4", "i8"):
        f, hasten = quickened(program)
        for seed in range(4):
            x = real.random.default_rng(seed).integers(0, 100, (50, 70)).astype(dtype)
            assert difference(program(real, x), f(np.array(x))) is None
            if seed == 1:
                hasten()


@needs_kernels
@pytest.mark.parametrize("program, kernels", [(layernorm, 1), (softmax, 1), (statistics, 1), (chosen, 1), (shifted, 2),
                                              (rows_stored, 1), (written_twice, 3)],
                         ids=lambda p: getattr(p, "__name__", p))
def test_how_many_kernels(program, kernels):
    f, hasten = quickened(program)
    x = np.array(real.random.default_rng(3).normal(size=(64, 512)))
    for _ in range(3):
        f(x)
    assert hasten() == kernels
    assert "launch" in f.source or "phased" in f.source


def test_a_warning_is_numpys_and_on_the_users_line():
    def program(x):
        y = x * 2
        return (y.sum(axis=1, keepdims=True) / (y - y)).max()

    f = np.jit(program)
    x = real.ones((30, 40))
    with real.errstate(all="ignore"):
        for _ in range(3):
            f(np.array(x))
    for one in f._compiled:
        one.quicken()
    with real.errstate(all="ignore"):
        assert difference(program(x), f(np.array(x))) is None
    for g, y in ((program, x), (f, np.array(x))):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            float(g(y))
        assert [str(w.message) for w in seen] == ["divide by zero encountered in divide"]
        assert seen[0].filename == __file__
    with real.errstate(divide="raise"), pytest.raises(FloatingPointError):
        float(f(np.array(x)))


def test_values_chosen_by_a_mask_are_stored():
    def program(np, z):
        near = abs(z) < 1
        z[near] = z[near] ** 2 + 0.5
        z[z > 2] = -1.0
        z[~near] = z[~near][::-1]
        return z.sum()

    f, hasten = quickened(program)
    for seed in range(5):
        x = real.random.default_rng(seed // 3).normal(size=5000)
        y = np.array(x)
        assert difference(program(real, x), f(y)) is None and difference(x, y) is None
        if seed == 1:
            hasten()
    assert f._compiled


def test_values_that_do_not_fit_a_mask_raise_as_numpy():
    def program(x, values):
        x[x > 0] = values * 1
        return x

    f = np.jit(program)
    x, values = real.array([1.0, -1.0, 2.0, 3.0]), real.array([1.0, 2.0, 3.0])
    for _ in range(3):
        assert difference(program(x.copy(), values), f(np.array(x), np.array(values))) is None
    x[0] = -1
    with pytest.raises(ValueError) as right:
        program(x.copy(), values)
    with pytest.raises(ValueError) as own:
        f(np.array(x), np.array(values))
    assert str(right.value) == str(own.value)


def random_program(seed):
    """Operations on what was computed before: elementwise, reductions, views, stores and fills."""
    rng = random.Random(seed)
    lines, names, wide = ["def f(np, x, y):"], ["x", "y"], ["x", "y"]
    for i in range(rng.randrange(4, 16)):
        a, b, w = rng.choice(names), rng.choice(names), rng.choice(wide)
        kind = rng.randrange(9)
        new = f"v{i}"
        if kind < 3:
            text = rng.choice([f"{a} * {b} + 0.5", f"{a} - {b}", f"np.sqrt(abs({a})) * {b}",
                               f"np.where({a} > 0, {a}, {b})", f"np.minimum({a}, {b}) / 3"])
        elif kind < 6:
            reduction = rng.choice(["sum", "mean", "max", "min", "var"])
            axis = rng.choice(["axis=1, keepdims=True", "axis=0, keepdims=True", "axis=0", "keepdims=True", ""])
            text = f"{w}.{reduction}({axis})"
        elif kind == 6:
            text = rng.choice([f"{w}[::-1]", f"{w}[:, ::-1]", f"{w} * {w}[:1]", f"{w}[:, :1] - {w}"])
        elif kind == 7:
            text = f"{w} + 0"
            change = [f"    {new}[{new} > 0.5] = -0.25", f"    {new}[1:] = {w}[:-1] * 2", f"    {new} *= 0.5",
                      f"    {new}[1:] = {new}[:-1] * 2 + {w}[1:]",
                      f"    {new}[:, ::2] -= {w}[:, 1::2].mean() * {new}[:, ::2]",
                      f"    {new}[:] = {w} - {w}.mean(axis=1, keepdims=True)",
                      f"    {new}[::-1] *= {w}[:1] + {w}; {new}[1:-1] += {new}[:-2] * {w}[2:]",
                      f"    {new}[0] = {w}[1] * 3; {new}[1] = {new}[0] + {w}[2] * {new}[2]"]
            lines += [f"    {new} = {text}", rng.choice(change)]
            names.append(new)
            wide.append(new)
            continue
        else:
            text = f"{w}.astype(np.float32).astype({w}.dtype)"
        lines.append(f"    {new} = {text}")
        names.append(new)
        if kind in (6, 8) or kind < 3 and (a in wide or b in wide):
            wide.append(new)
    kept = rng.sample(names, min(len(names), rng.randrange(1, 4)))
    return "\n".join([*lines, f"    return {', '.join(kept)},"])


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_random_programs(first):
    kernels = 0
    for seed in range(first, first + 20):
        text, scope = random_program(seed), {}
        exec(text, scope)
        program = scope["f"]
        rng = real.random.default_rng(seed)
        shape, dtype = [(5, 33), (20, 64), (120, 80)][seed % 3], ["f4", "f8"][seed // 3 % 2]
        f = np.jit(lambda x, y, program=program: program(np, x, y))
        for call in range(4):
            x, y = (rng.normal(size=shape).astype(dtype) for _ in range(2))
            with real.errstate(all="ignore"):
                found = difference(program(real, x, y), f(np.array(x), np.array(y)))
            assert found is None, f"seed {seed}, call {call}: {found}\n{text}"
            if call == 1:
                for one in f._compiled:
                    one.quicken()
                    kernels += one.kernels
    assert kernels or not fusing.possible()


def test_an_array_is_there_before_a_part_of_it_is_written():
    def program(np, x):
        a = x * 2
        a[1:] += x[:-1] * 3
        b = x + 1
        c = x - 1
        b[...] = c * b
        return a, b

    f, hasten = quickened(program)
    for seed in range(4):
        x = real.random.default_rng(seed).normal(size=(30, 40))
        assert difference(program(real, x), f(np.array(x))) is None
        if seed == 1:
            hasten()


def test_dates_without_axes_stand_beside_kernels():
    def program(np, x, day):
        y = x * 2.0 + 1.0
        return y * x, day - real.datetime64("2020-01-01", "D"), day == day

    f = np.jit(lambda x, day: program(np, x, day))
    before = len(compiled.failures)
    for call in range(4):
        x, day = real.arange(3.0) + call, real.array(real.datetime64("2021-01-05", "D"))
        assert difference(program(real, x, day), f(np.array(x), np.array(day))) is None
        if call == 1:
            for one in f._compiled:
                one.quicken()
    assert compiled.failures[before:] == []


def test_reductions_of_large_arrays_are_nodes_from_the_first_call():
    """What they give is small; what they read is not, and goes through kernels at once."""
    f = np.jit(lambda x: (x.sum(), x.mean(), x.max()))
    for size, nodes in ((1 << 10, False), (1 << 18, True)):
        x = real.random.default_rng(size).random(size)
        for _ in range(3):
            assert difference((x.sum(), x.mean(), x.max()), f(np.array(x))) is None
        assert f._compiled[0].as_nodes is nodes
