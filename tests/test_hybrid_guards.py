"""What a jitted function asks of the objects that it reads, where programs change them between calls."""

import types

import numpy as real
import pytest

import lazytensor as np

from .helpers import same_bits


class Base:
    w = real.float64(5.0)

    def m(self, x):
        return x + 1


class Other(Base):
    def m(self, x):
        return x * 3


def last_of_a_list():
    held = [np.ones(3), np.zeros(3)]
    return lambda x: x * held[-1], held.pop


def an_attribute_over_one_of_the_class():
    d = Base()
    d.w = np.ones(3) * 2
    return lambda x: x * d.w, lambda: delattr(d, "w")


def an_entry_that_is_looked_up():
    held = {"a": np.ones(3) * 2}

    def f(x):
        try:
            return x * held["a"]
        except KeyError:
            return x * 9
    return f, lambda: held.pop("a")


def what_hasattr_says():
    c = Base()
    return lambda x: x * 2 if hasattr(c, "z") else x + 1, lambda: setattr(c, "z", 1)


def what_getattr_gives():
    c = types.SimpleNamespace()
    return lambda x: x * getattr(c, "z", 5), lambda: setattr(c, "z", 2)


def the_class_of_an_object():
    c = Base()
    return lambda x: c.m(x), lambda: setattr(c, "__class__", Other)


def an_instance_of_another_class():
    c = Base()
    return lambda x: x * 2 if isinstance(c, Other) else x + 1, lambda: setattr(c, "__class__", Other)


@pytest.mark.parametrize("case", [
    last_of_a_list, an_attribute_over_one_of_the_class, an_entry_that_is_looked_up, what_hasattr_says,
    what_getattr_gives, the_class_of_an_object, an_instance_of_another_class], ids=lambda case: case.__name__)
@pytest.mark.parametrize("calls", [1, 5, 9])
def test_a_change_is_seen(case, calls):
    f, change = case()
    jitted, x = np.jit(f), np.arange(3.0)
    for _ in range(calls):
        assert same_bits(real.asarray(jitted(x)), real.asarray(f(x)))
    change()
    for _ in range(3):
        assert same_bits(real.asarray(jitted(x)), real.asarray(f(x)))


@pytest.mark.parametrize("value", [{"a": 2}, [2], {"a": [1, {"b": 2}]}], ids=str)
def test_a_static_argument_may_be_changed(value):
    def f(x, settings):
        return x * len(str(settings))
    jitted = np.jit(f, static_argnames="settings")
    for _ in range(5):
        jitted(np.ones(2), value)
    before = jitted.cache_info()
    if type(value) is dict:
        value["more"] = 1000
    else:
        value.append(1000)
    assert jitted(np.ones(2), value).tolist() == f(real.ones(2), value).tolist()
    assert str(before) != str(jitted.cache_info())


def test_what_index_arrays_pick_is_a_view_whether_it_waits_or_not():
    def f(a):
        x = np.array(real.ones((1, 34)))[..., ::2]
        picked = x[..., [0, 0, -1]]
        return picked, np.tensordot(a, picked, 1)
    jitted, a = np.jit(f), np.ones((2, 1))
    for _ in range(9):
        picked, _ = jitted(a)
        assert picked.base is not None and not picked.flags.owndata
    assert f(a)[0].base is not None and jitted.source
