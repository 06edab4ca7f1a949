"""Long loops over whole arrays: compiled from a few of their turns, they give what NumPy gives, to the bit."""

import random

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import compiled, fusing, repeating, shortening, tracing
from lazytensor.hybrid.guards import same
from lazytensor.hybrid.shortening import Whole
from lazytensor.hybrid.tracing import Operand, Record
from lazytensor.ir.operation import Operation
from tests.helpers import difference
from tests.program_jit import unchecked


def jacobi(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    return a


def swapped(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 0.5 * (a[:-2] + a[2:])
        a, b = b, a
    return a, b


def swapped_odd(a, b, steps):
    return swapped(a, b, steps + 1)


def carried(a, b, steps):
    total = 0.0
    for _ in range(steps):
        a = a * 0.99 + b
        total = total + a.sum() * 0.1
    return a, total


def two_back(a, b, steps):
    x, y, z = a, b, a + b
    for _ in range(steps):
        x, y, z = y, z, (x + y + z) * 0.4
    return x, y, z


def five_back(a, b, steps):
    h = [a, b, a + b, a - b, a * b]
    for _ in range(steps):
        h = [*h[1:], (h[0] + h[4]) * 0.4 - h[1]]
    return h[-1], h[-4]


def nine_back(a, b, steps):
    h = [a * i + b for i in range(9)]
    for _ in range(steps):
        h = [*h[1:], h[0] * 0.4 + h[-1]]
    return h[-1] + h[-5]


def kept_from_the_middle(a, b, steps):
    seen = []
    for _ in range(steps):
        a = a * 0.9 + b
        seen.append(a)
    return seen[steps // 2], seen[-1], seen[max(0, steps - 2)], seen[0]


def all_kept(a, b, steps):
    seen = []
    for _ in range(steps):
        a = a * 0.9 + b
        seen.append(a)
    return np.stack(seen) if type(a) is np.ndarray else real.stack(seen)


def one_after_the_other(a, b, steps):
    for _ in range(steps):
        a = a * 0.9 + b
    for _ in range(steps + 3):
        b = b * 0.9 + a
        b[2:5] = 1
    a[:3] = b[:3]
    return a, b


def nested(a, b, steps):
    for _ in range(steps):
        for _ in range(3):
            a = a * 0.9 + b
        b = b * 0.5 + a
    return a, b


def decay(a, b, steps):
    dt = 1.0
    for i in range(steps):
        a = a + dt * b
        dt *= 0.5
        if i == 20:
            a = a - 1
    return a


def two_that_are_one(a, b, steps):
    for _ in range(steps):
        a = a * 0.9 + b
    c = a
    for _ in range(steps):
        a = a * 0.9 + b
    return c, a


def rows(a, b, steps):
    x = a[:6].reshape(2, 3) * 1
    for _ in range(steps):
        x = x / x.sum(axis=0) + b[:3]
        x -= x.mean()
    return x


@pytest.fixture(autouse=True)
def compiled_alone():
    """Without the comparisons by which a jitted function would find a difference itself, and do the right thing."""
    with unchecked(False):
        yield


LOOPS = [jacobi, swapped, swapped_odd, carried, two_back, five_back, nine_back, kept_from_the_middle, all_kept,
         one_after_the_other, nested, decay, rows, two_that_are_one]  # fmt: skip


def check(function, steps, calls=6, dtype="f8"):
    f = np.jit(function)
    for call in range(calls):
        data = real.random.default_rng(call)
        plain = data.random(12).astype(dtype), data.random(12).astype(dtype)
        own = np.array(plain[0]), np.array(plain[1])
        with real.errstate(all="ignore"):
            expected, found = function(*plain, steps), f(*own, steps)
        different = difference(expected, found) or difference(plain, own)
        assert not different, f"call {call + 1}: {different}"
        if call == 3:
            for one in f._compiled:
                one.quicken()
    return f


@pytest.mark.parametrize("steps", [1, 5, 13, 16, 17, 40, 63])
@pytest.mark.parametrize("function", LOOPS, ids=lambda f: f.__name__)
def test_a_loop_gives_what_numpy_gives(function, steps):
    check(function, steps)


@pytest.mark.parametrize("function", [jacobi, swapped, two_back, one_after_the_other, nested, rows,
                                      two_that_are_one, kept_from_the_middle],
                         ids=lambda f: f.__name__)  # fmt: skip
def test_a_long_loop_is_compiled_from_a_few_turns(function):
    f = check(function, 100)
    assert "for _ in range(" in f.source and len(f.source.splitlines()) < 260, f.source
    assert len(f._compiled[0].tree.records) < 400


def test_what_is_compiled_does_not_grow_with_the_turns():
    lines = []
    for steps in (10, 2000):
        f = np.jit(jacobi)
        f(np.ones(30), np.ones(30), steps)
        lines.append(len(f.source.splitlines()))
    assert lines[1] < 2 * lines[0], lines


def test_a_second_way_through_makes_the_trace_whole():
    def f(a, b, steps):
        for _ in range(steps):
            a = a * 0.9 + b
        return a + 1 if a.sum() > 50 else a - 1

    g = np.jit(f)
    for k in (1, 100, 1, 100, 1, 100):
        a, b = real.arange(5.0), real.ones(5) * k
        assert difference(f(a, b, 50), g(np.array(a), np.array(b), 50)) is None
    assert g.cache_info()["paths"] == 2


def compact_records(function, monkeypatch, book):
    """What a trace of a loop keeps, with the extension's book or with Python's."""
    seen = []

    class Watched(shortening.Whole):
        def __init__(self, compact):
            super().__init__(compact)
            seen.append(compact)

    with monkeypatch.context() as patch:
        patch.setattr(compiled, "Whole", Watched)
        patch.setattr("lazytensor.hybrid.jit.fewer", lambda fn, args: None)
        if book == "Python's":
            patch.setattr(tracing, "native", None)
        np.jit(function)(np.ones(12), np.ones(12), 50)
    compact, = seen
    return compact, shortening.Whole(compact)


@pytest.mark.parametrize("function", LOOPS)
def test_a_trace_keeps_few_turns_and_can_be_had_whole_again(function, monkeypatch):
    """In C and in Python: the same records, from the same few."""
    compact, whole = compact_records(function, monkeypatch, "C's")
    other, again = compact_records(function, monkeypatch, "Python's")
    monkeypatch.setattr(repeating.Repeats, "finish", lambda self, records: [])
    _, every = compact_records(function, monkeypatch, "Python's")
    assert len(compact) == len(other) <= len(whole)
    assert len(whole) == len(again) == len(every)
    assert [x.name for x in whole[3:9]] == [whole[i].name for i in range(3, 9)] == [f"r{i}" for i in range(3, 9)]
    for a, b, c in zip(whole, again, every, strict=True):
        for slot in type(a).__slots__:
            if slot != "operands":
                assert same(getattr(a, slot), getattr(c, slot)) and same(getattr(b, slot), getattr(c, slot))
        for x, y, z in zip(a.operands, b.operands, c.operands, strict=True):
            assert same(tuple(x), tuple(z)) and same(tuple(y), tuple(z))


def random_loop(seed):
    """A function of two vectors and a number of turns, as text."""
    chance = random.Random(seed)
    lines = ["def f(a, b, steps):", "    c, d, s = a * 2, b[::-1], 0.5"]
    for _ in range(chance.randint(1, 2)):
        lines.append("    for _ in range(steps):")
        for _ in range(chance.randint(1, 5)):
            lines.append("        " + _statement(chance))
        if chance.random() < 0.3:
            lines.append("        for _ in range(2):")
            lines.append("            " + _statement(chance))
    lines.append(f"    return {', '.join(chance.sample(('a', 'b', 'c', 'd', 's', 'c[1:]', 'a.copy()'), 4))}")
    return "\n".join(lines) + "\n"


def _statement(chance):
    def name():
        return chance.choice("abcd")

    def value():
        return chance.choice((name(), f"{name()} * 0.5", f"{name()}[::-1]", "s", "1", f"np.tanh({name()})", "0.25"))

    part = chance.choice(("[1:-1]", "[2:]", "[:4]", "[::2]"))
    return chance.choice((
        f"{name()} = ({value()} + {value()}) * 0.4 + {name()} * 0", f"{name()}{part} = {name()}{part} * 0.5",
        f"{name()} *= {value()}", f"{name()}{part} += {chance.choice(('1', 's', '0.5'))}",
        f"s = s * 0.3 + {name()}.sum()", f"{name()} = {value()} - {name()}", "a, b = b, a", "c, d = d, c * 0.7",
        f"{name()} = {name()}.copy()", f"s = {name()}.max() * 0.1",
        f"{name()} = np.where({name()} > s, {name()}, {value()}) * 1"))


def tried(seed):
    """(what differs or None, whether turns were left out, the text)."""
    text = random_loop(seed)
    worlds = [{"np": real}, {"np": np}]
    for world in worlds:
        exec(compile(text, "<random loop>", "exec"), world)
    f, steps = np.jit(worlds[1]["f"]), random.Random(-seed).choice((15, 16, 17, 30, 41))
    for call in range(5):
        data = real.random.default_rng(seed + call)
        plain = data.normal(size=9), data.normal(size=9)
        own = np.array(plain[0]), np.array(plain[1])
        with real.errstate(all="ignore"):
            outcomes = [worlds[0]["f"](*plain, steps), f(*own, steps)]
        found = difference(*outcomes) or difference(plain, own)
        if found:
            return f"call {call + 1}: {found}", False, text
        if call == 2 and seed % 2:
            for one in f._compiled:
                one.quicken()
    return None, any(b.cuts for c in f._compiled for b in c.tree.lines()), text


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_random_loops(first):
    short = 0
    for seed in range(first, first + 15):
        found, cut, text = tried(seed)
        assert not found, f"seed {seed}: {found}\n{text}"
        short += cut
    assert short


def test_what_is_not_quite_the_same_is_no_repetition():
    def f(x, flags):
        for flag in flags:
            x = x.clip(0.0 if flag else -0.0, 5) * 1.5
        return x

    g = np.jit(f)
    flags = [True] * 20 + [False] + [True] * 20
    x = real.array([-0.0, 0.0, 1.0])
    for _ in range(3):
        assert difference(f(x, flags), g(np.array(x), flags)) is None
    assert repeating._alike((slice(1, 2), 3), (slice(1, 2), 3)) and not repeating._alike((1,), (True,))
    assert not repeating._alike((0.0,), (-0.0,)) and repeating._alike((0.5, "a"), (0.5, "a"))


@pytest.mark.skipif(not fusing.possible(), reason="no kernels here")
def test_long_chains_are_several_kernels():
    def f(x, y, n):
        for i in range(n):
            x = x * 0.5 + i
            y = y * 0.25 + x
        return x, y

    g = check(f, 1000)
    for one in g._compiled:
        one.quicken()
    assert g._compiled[0].kernels > 10


def test_parts_of_a_trace_are_its_records_in_order():
    """A slice of all the records of a trace that was kept compact has those that indices give."""
    models = [(Record("operation", f"r{i}", (Operand(f"r{i - 2}"),), op=Operation.VIEW), [(2, Operand(f"r{i - 2}"))])
              for i in (4, 5)]
    whole = Whole([*[Record("operation", f"r{i}") for i in range(6)], (2, 7, models),
                   Record("operation", "r16"), Record("operation", "r17")])
    names = [record.name for record in whole]
    assert names == [f"r{i}" for i in range(18)] and len(whole) == 18
    for begin in range(19):
        for end in range(begin, 20):
            assert [record.name for record in whole[begin:end]] == names[begin:end]
