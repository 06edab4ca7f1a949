"""A call that is begun twice, because Python asks for a number that was followed, has its effects once."""

import _thread
import array
import collections
import cProfile
import functools
import io
import operator
import random
import threading

import numpy
import pytest

import lazytensor
from lazytensor.hybrid import compiled
from tests.test_hybrid_numbers import jit_of, plain_of

MADE = None


def model(np, act, given=lambda: None):
    """Its method does something (`act`, given the model) once its number is followed, and then asks for that."""
    class Model:
        made = 0

        def __init__(self):
            self.u, self.n, self.held, self.np = np.ones(4), 0, given(), np

        @jit_of(np)
        def step(self):
            self.n += 1
            act(self)
            self.u = self.u * 0.5 + self.n
            return f"{self.n}"
    return Model


class Log(io.StringIO):
    pass


class Slotted:
    __slots__ = ("a",)


class Counted:
    made = 0

    def __init__(self):
        Counted.made += 1


class Deleted:
    def __init__(self, log):
        self.log = log

    def __del__(self):
        self.log.append(1)


def count_class(model):
    type(model).made += 1


def count_class_by_name(model):
    model.__class__.made += 1


def makes(model):
    Counted()


def fills_slot(model):
    if hasattr(model.held, "a"):
        model.u = model.u * 2
    else:
        model.held.a = 1


def fills_slot_late(model):
    if model.n > 1:
        fills_slot(model)


def binds_global(model):
    global MADE
    if model.n > 1:
        MADE = 0 if MADE is None else MADE + 1


def entry(model):
    model.held[0] += 1


def through_generator(model):
    model.held(str(sum(x for x in (1, 2))))


def calls(model):
    model.held()


def appends(model):
    model.held(1)


def deletes(model):
    Deleted(model.held)


def spawns(model):
    model.held.spawn(1)


def draws_raw(model):
    model.held.random_raw()


CASES = {
    "an attribute of a class": (count_class, lambda: None, lambda m: type(m).made),
    "an attribute of a class by name": (count_class_by_name, lambda: None, lambda m: type(m).made),
    "an attribute of a class that is made": (makes, lambda: None, lambda m: Counted.made),
    "a slot": (fills_slot, Slotted, lambda m: m.held.a),
    "a slot, later": (fills_slot_late, Slotted, lambda m: hasattr(m.held, "a")),
    "a global variable": (binds_global, lambda: None, lambda m: MADE),
    "array.array": (entry, lambda: array.array("i", [0]), lambda m: m.held[0]),
    "memoryview": (entry, lambda: memoryview(bytearray(1)), lambda m: m.held[0]),
    "a class derived from StringIO": (lambda m: m.held.write("x"), Log, lambda m: m.held.getvalue()),
    "a method of a file": (lambda m: m.held("x"), lambda: io.StringIO().write,
                           lambda m: m.held.__self__.getvalue()),
    "a method of a file, beside a generator": (through_generator, lambda: io.StringIO().write,
                                               lambda m: m.held.__self__.getvalue()),
    "a method of a list": (appends, lambda: [].append, lambda m: len(m.held.__self__)),
    "a seed sequence": (spawns, lambda: numpy.random.SeedSequence(1), lambda m: m.held.n_children_spawned),
    "a bit generator": (draws_raw, lambda: numpy.random.PCG64(1), lambda m: str(m.held.state)),
    "Python's random": (calls, lambda: random.random, lambda m: random.getstate()[1][-1]),
    "lru_cache": (calls, lambda: functools.lru_cache(lambda: 0), lambda m: str(m.held.cache_info())),
    "the error state": (lambda m: m.np.seterr(over="ignore" if m.np.geterr()["over"] == "warn" else "warn"), list,
                        lambda m: m.np.geterr()["over"]),
    "a generator's children": (lambda m: m.held.spawn(1), numpy.random.default_rng,
                               lambda m: m.held.bit_generator.seed_seq.n_children_spawned),
    "__del__": (deletes, list, lambda m: len(m.held)),
    "attrgetter": (lambda m: operator.attrgetter("log")(m.held).append(1), lambda: Holder(), lambda m: len(m.held.log)),
}


class Holder:
    pass


Holder.log = property(lambda self: LOG)
LOG = []


@pytest.mark.parametrize("name", CASES)
def test_effects_once(name):
    global MADE
    act, given, seen = CASES[name]
    found = []
    for np in (numpy, lazytensor):
        MADE, Counted.made = None, 0
        LOG.clear()
        random.seed(1)
        one = model(np, act, given)()
        with np.errstate():
            found.append(plain_of([(one.step(), one.n, one.u, seen(one)) for _ in range(5)]))
    assert found[0] == found[1]


@pytest.mark.parametrize("alias", [False, True])
def test_print_by_another_name(alias, capsys):
    out = []
    for np in (numpy, lazytensor):
        say = print if alias or np is numpy else lazytensor.debug.print
        one = model(np, lambda m: m.say("x"))()  # noqa: B023
        one.say = say
        for _ in range(5):
            one.step()
        out.append(capsys.readouterr().out)
    assert out[0] == out[1]


def test_variable_without_a_value():
    def program(np, filled=False):
        def act(model):
            nonlocal made
            if model.n > 1:
                made = get() + 1

        def get():
            try:
                return made
            except NameError:
                return 0
        if filled:
            made = 0
        one, found = model(np, act)(), []
        for _ in range(5):
            one.step()
            found.append((one.u, get()))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def test_attributes_of_functions(monkeypatch):
    """They are as those of other objects; one that is made later, too."""
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())

    def program(np):
        def helper(x):
            helper.calls += 1
            return x * 0.5
        helper.calls = 0

        def other(x):
            other.seen = getattr(other, "seen", 0) + 1
            return x * 0.5

        @jit_of(np)
        def both(x):
            return helper(x), other(x)

        @jit_of(np)
        def first(x):
            return helper(x)
        return [(first(np.ones(3)), helper.calls) for _ in range(6)] + [
            (both(np.ones(3)), helper.calls, other.seen) for _ in range(6)]
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def told(which):
    """What a function of the program's can tell by other ways than a number's operators."""
    def by_type(model):
        return 2 if model.held(model.n) is int else 3

    def by_error(model):
        try:
            return int.bit_length(model.n)
        except TypeError:
            return 100

    def by_other_error(model):
        try:
            return pow(model.n, 2, 7)
        except model.held:
            return 100

    def by_any_error(model):
        try:
            return int.bit_length(model.n)
        except:  # noqa: E722
            return 100

    def by_identity(model):
        if model.last is model.n:
            model.m += 1
            return 2
        model.last = model.n
        return 3
    return {"type": (by_type, type), "error": (by_error, None), "errors": (by_other_error, (KeyError, TypeError)),
            "any": (by_any_error, None), "identity": (by_identity, None)}[which]


@pytest.mark.parametrize("which", ["type", "error", "errors", "any", "identity"])
def test_numbers_are_not_told_apart(which, monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    act, given = told(which)

    def program(np):
        class Model:
            def __init__(self):
                self.u, self.n, self.m, self.last, self.held = np.ones(4), 1000, 0, None, given

            @jit_of(np)
            def step(self):
                self.u = self.u * 0.5 + act(self)
                if which != "identity":
                    self.n += 1
                elif self.m % 2:
                    self.n += 1
                    self.m += 1
        one, found = Model(), []
        for _ in range(20):
            one.step()
            found.append((one.u, one.n, one.m))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def test_another_thread_however_started():
    """It sees no number that stands for another."""
    class Model:
        def __init__(self):
            self.u, self.n = lazytensor.ones(4), 0

        @lazytensor.jit
        def step(self):
            self.n += 1
            for _ in range(100):
                self.u = self.u * 0.5 + self.n

    one, stop, seen, started, ended = Model(), [], set(), threading.Event(), threading.Event()

    def look():
        started.set()
        while not stop:
            seen.add(type(one.n))
        ended.set()
    _thread.start_new_thread(look, ())
    started.wait()
    for _ in range(8):
        one.step()
    stop.append(1)
    ended.wait()
    assert seen == {int} and one.n == 8


def test_a_list_is_that_list(monkeypatch):
    """An equal list in its place is another one, to which the call must write; and so is a copy that the call makes."""
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())

    def program(np):
        class Model:
            def __init__(self):
                self.u, self.c, self.arrays, self.pair = np.ones(3), [0, 2], [np.ones(3)], (1, [np.ones(3)])

            @jit_of(np)
            def step(self):
                self.c[0] += 1
                self.arrays[0] = self.arrays[0] * 0.5
                self.pair[1][0] = self.pair[1][0] * 0.5

            @jit_of(np)
            def copies(self):
                self.c = list(self.c)
                self.u = self.u * 0.5
        one, found = Model(), []
        for i in range(20):
            if i % 4 == 3:
                one.c, one.arrays, one.pair = list(one.c), list(one.arrays), (1, list(one.pair[1]))
            old = one.c
            one.step()
            found.append((list(one.c), list(one.arrays), list(one.pair[1]), old is one.c))
            one.copies()
            found.append((list(one.c), old is one.c))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def test_a_list_that_gets_shorter():
    found = []
    for np in (numpy, lazytensor):
        one = model(np, lambda m: m.held.pop(), lambda: [1, 2.5, 3] * 5)()
        found.append(plain_of([(one.step(), one.n, one.u, one.held) for _ in range(5)]))
    assert found[0] == found[1]


def test_attributes_named_by_text():
    """``object.__setattr__(self, "reads", ...)``"""
    def program(np):
        class Model:
            def __getattribute__(self, name):
                if name == "n":
                    object.__setattr__(self, "reads", object.__getattribute__(self, "reads") + 1)
                return object.__getattribute__(self, name)

            @jit_of(np)
            def step(self):
                self.n += 1
                self.u = self.u * 0.5 + self.n
        one, found = Model(), []
        vars(one).update(u=np.ones(3), n=0, reads=0)
        for _ in range(12):
            one.step()
            found.append(dict(vars(one)))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def test_names_of_a_method_that_an_operator_calls(monkeypatch):
    """What it alone names is followed, although it reaches nothing else that is new."""
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())

    def program(np):
        class Side:
            def __matmul__(self, x):
                self.calls += 1
                return x * self.factor

        class Model:
            @jit_of(np)
            def step(self):
                self.u = self.side @ self.u
        one, found = Model(), []
        one.u, one.side = np.ones(3), Side()
        vars(one.side).update(calls=0, factor=0.5)
        for i in range(12):
            one.side.factor = 0.5 if i < 6 else 0.25
            one.step()
            found.append((one.u, one.side.calls))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_number_in_an_exception_that_ends_the_program(kind):
    def program(np):
        def act(model):
            if model.n % 3 == 2:
                raise kind(model.n)
        one, found = model(np, act)(), []
        for _ in range(8):
            try:
                one.step()
            except kind as error:
                found.append(type(error.args[0]) is int and error.args[0])
            found.append((one.n, one.u))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def test_private_slots(monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())

    def program(np):
        class Base:
            __slots__ = ("__n", "u")

            def __init__(self):
                self.u, self.__n = np.ones(3), 0

            @jit_of(np)
            def step(self):
                self.u = self.u * 0.5 + self.__n

            def set(self, n):
                self.__n = n

        class Model(Base):
            __slots__ = ("__n",)

            def __init__(self):
                super().__init__()
                self.__n = 0

            @jit_of(np)
            def count(self):
                self.__n += 1
                self.u = self.u * 0.5 + self.__n
                return self.__n
        one, found = Model(), []
        for i in range(20):
            one.set(i // 3)
            one.step()
            found.append((one.u, one.count()))
        return found
    assert plain_of(program(numpy)) == plain_of(program(lazytensor))


def test_with_a_profiler():
    """Which functions are entered is not known then."""
    class Told:
        def __matmul__(self, x):
            self.log.write("x")
            return x * 0.5

    found = []
    for np in (numpy, lazytensor):
        one, out = model(np, lambda m: m.held @ m.u, Told)(), io.StringIO()
        one.held.log = out
        profile = cProfile.Profile()
        profile.enable()
        try:
            found.append(plain_of([(one.step(), one.n, one.u, out.getvalue()) for _ in range(5)]))
        finally:
            profile.disable()
    assert found[0] == found[1]


def test_shape_of_a_view():
    found = []
    for np in (numpy, lazytensor):
        def act(model):
            for x in (model.held, model.whole):
                x.shape = x.shape[::-1]
                x += 1
        one = model(np, act)()
        one.held, one.whole = np.arange(6.0).reshape(2, 3), np.zeros((2, 3))
        base = one.held.base
        found.append(plain_of([(one.step(), one.n, one.u, one.held * 1, one.whole * 1, base * 1) for _ in range(5)]))
    assert found[0] == found[1]


IN_PLACE = {
    "all": lambda np, m: m.a.__setitem__(slice(None), m.a * 2 + 1),
    "element": lambda np, m: m.a.__setitem__(2, m.a[1] + 1),
    "view": lambda np, m: m.v.__iadd__(1),
    "sort": lambda np, m: m.a.__imul__(-1).sort(),
    "fill": lambda np, m: m.a.fill(m.a[0] + 1),
    "out": lambda np, m: np.add(m.a, 1, out=m.a),
    "copyto": lambda np, m: np.copyto(m.a, m.a + 1),
    "at": lambda np, m: np.add.at(m.a, [0, 0], 1),
    "flat": lambda np, m: m.a.flat.__setitem__(0, m.a.flat[0] + 1),
    "shuffle": lambda np, m: m.rng.shuffle(m.a),
    "mask": lambda np, m: m.a.__setitem__(m.a > 2, m.a[m.a > 2] + 1),
    "bytes": lambda np, m: m.a.view("i8").__iadd__(1),
    "resize": lambda np, m: m.own.resize(len(m.own) + 1, refcheck=False),
    "shared": lambda np, m: m.shared.__iadd__(1),
    "given out": lambda np, m: np.asarray(m.shared).__iadd__(1),
    "in a tuple": lambda np, m: m.t[0].__iadd__(1),
    "entry": lambda np, m: m.d.__setitem__("x", m.d["x"] + 1),
    "new attribute": lambda np, m: setattr(m, "new", getattr(m, "new", 0) + 1),
    "attribute that goes": lambda np, m: delattr(m, "t") if hasattr(m, "t") else setattr(m, "t", 1),
    "order": lambda np, m: m.d.__setitem__("x", m.d.pop("x") + 1),
    "list": lambda np, m: (m.lines.insert(0, len(m.lines)), m.lines.sort()),
    "deque": lambda np, m: m.last.appendleft(len(m.last)),
    "draws": lambda np, m: m.rng.random(3),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_once(name):
    found = []
    for np in (numpy, lazytensor):
        one, real = model(np, lambda m: IN_PLACE[name](m.np, m))(), numpy.arange(4.0)
        one.a, one.own, one.rng, one.shared = np.arange(5.0), np.arange(3.0), np.random.default_rng(1), np.asarray(real)
        one.v, one.t, one.d, one.lines = one.a[1:4], (np.ones(2),), {"x": np.ones(2), "y": 1}, [3, 1, 2]
        one.last = collections.deque([1])
        for _ in range(5):
            found.append(plain_of([
                one.step(), one.n, one.u, one.a * 1, one.own * 1, one.v * 1, getattr(one, "t", 0), list(one.d), one.d,
                one.lines, list(one.last), real.copy(), sorted(vars(one)), str(one.rng.bit_generator.state)]))
    assert found[:5] == found[5:]
