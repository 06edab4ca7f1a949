"""Dataclasses and named tuples as arguments of jitted functions: one program serves for others with the same fields."""

import collections
import dataclasses
from typing import Any

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import fast
from tests.helpers import same_bits

pytestmark = pytest.mark.usefixtures("unchecked")


@dataclasses.dataclass
class Pair:
    a: Any
    b: Any = 2


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: Any = 2


@dataclasses.dataclass(slots=True)
class Slotted:
    a: Any
    b: Any = 2


@dataclasses.dataclass
class Whole:
    a: Any
    b: Any = dataclasses.field(default_factory=lambda: [np.ones(3), 4.0])


class Sub(Pair):
    pass


class OfSlots(Slotted):
    pass


Named = collections.namedtuple("Named", "a b", defaults=(2,))


class NamedToo(Named):
    pass


KINDS = [Pair, Frozen, Slotted, Sub, OfSlots, Named, NamedToo]


def numbers(seed):
    return real.random.default_rng(seed).standard_normal(5)


def check(f, jitted, make, times=6):
    for seed in range(times):
        expected, found = f(make(real, seed)), jitted(make(np, seed))
        assert same_bits(real.asarray(expected), real.asarray(found))


@pytest.mark.parametrize("kind", KINDS)
def test_other_records_have_one_program(kind):
    def f(p):
        return p.a * 2 + p.b
    jitted = np.jit(f)
    check(f, jitted, lambda np, seed: kind(np.array(numbers(seed))))
    check(f, jitted, lambda np, seed: kind(b=np.array(numbers(seed + 50)), a=np.array(numbers(seed))))
    assert jitted.cache_info()["compiled"] == 2
    check(f, jitted, lambda np, seed: kind(np.array(numbers(seed)), seed % 3))
    assert jitted.cache_info()["compiled"] == 4  # for each number


@pytest.mark.skipif(fast.native is None, reason="the guard is Python's")
@pytest.mark.parametrize("kind", KINDS)
def test_their_guard_is_the_extensions(kind):
    jitted = np.jit(lambda p: p.a * 2 + p.b)
    for _ in range(3):
        jitted(kind(np.ones(3)))
    _, _, rest = fast.guard(jitted._compiled[0]._checks, 1)
    assert not [check.text for check in rest if "p1" in check.text]


def test_records_within_each_other():
    def f(p):
        return p.a.a * p.a.b + p.b["x"][0].a - p.b["y"].b
    jitted = np.jit(f)
    for kind in (Pair, Frozen, Slotted, Named):
        check(f, jitted, lambda np, seed, kind=kind: kind(kind(np.array(numbers(seed)), 3), {
            "x": [Named(np.array(numbers(seed + 9)))], "y": Pair(None, np.array(numbers(seed + 5)))}))
    assert jitted.cache_info()["compiled"] == 4


def test_default_factories():
    jitted = np.jit(lambda w: w.a * w.b[0] + w.b[1])
    for seed in range(5):
        assert same_bits(numbers(seed)[:3] + 4.0, real.asarray(jitted(Whole(np.array(numbers(seed)[:3])))))
    assert jitted.cache_info()["compiled"] == 1


@pytest.mark.parametrize("kind", [Pair, Sub, OfSlots, NamedToo])
def test_attributes_that_are_no_fields(kind):
    def f(p):
        return p.a * getattr(p, "scale", 1) + getattr(p, "more", 0)
    jitted = np.jit(f)

    def make(np, seed):
        p = kind(np.array(numbers(seed)))
        for name in [(), ("scale",), ("more",), ("scale", "more"), ("more", "scale")][seed % 5]:
            setattr(p, name, 3 if name == "scale" else np.array(numbers(seed + 1)))
        return p
    check(f, jitted, make, 20)


def test_a_field_without_a_value():
    def f(p):
        return p.a * (p.b if hasattr(p, "b") else 7)
    jitted = np.jit(f)

    def make(np, seed):
        p = Slotted(np.array(numbers(seed)))
        if seed % 2:
            del p.b
        return p
    check(f, jitted, make, 8)


def test_fields_that_are_one_array_or_not():
    def f(p):
        p.a[0] = 5
        return p.a + p.b
    jitted = np.jit(f)

    def make(np, seed):
        x = np.array(numbers(seed))
        return Pair(x, x if seed % 2 else np.array(numbers(seed)))
    check(f, jitted, make, 8)


def test_a_field_that_is_bound_anew():
    @np.jit
    def f(p):
        p.a = p.a * 2
        return p.a.sum()
    for seed in range(5):
        p = Pair(np.array(numbers(seed)))
        assert f(p) == (numbers(seed) * 2).sum()
        assert same_bits(real.asarray(p.a), numbers(seed) * 2)
    assert f.cache_info()["compiled"] == 1


def test_a_property_that_hides_a_field():
    @dataclasses.dataclass
    class Own:
        a: Any
    f = np.jit(lambda p: p.a * 2)
    assert f(Own(np.ones(2))).tolist() == [2, 2]
    assert f(Own(np.ones(2))).tolist() == [2, 2]
    Own.a = property(lambda self: np.ones(2) * self.__dict__["a"] * 5, lambda self, value: None)
    made = object.__new__(Own)
    made.__dict__["a"] = np.ones(2)
    for _ in range(3):
        assert f(made).tolist() == [10, 10]
    Own.a = property(lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        f(made)


def test_results_are_records_too():
    f = np.jit(lambda p: type(p)(p.a + 1, p.a * 2))
    for kind in (Pair, Frozen, Slotted, Sub, Named):
        for seed in range(3):
            found = f(kind(np.array(numbers(seed))))
            assert type(found) is kind and same_bits(real.asarray(found.b), numbers(seed) * 2)


def test_many_records():
    """More containers than the extension looks into."""
    def f(ps):
        return sum(p.a for p in ps)
    jitted = np.jit(f)
    check(f, jitted, lambda np, seed: [Pair(np.array(numbers(seed + i))) for i in range(80)], 4)
    assert jitted.cache_info()["compiled"] == 1
