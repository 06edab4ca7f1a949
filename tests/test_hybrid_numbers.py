"""Python's numbers in attributes, entries and variables that vary are numbers of a jitted function's program."""

import dataclasses
import math
import threading

import numpy
import pytest

import lazytensor
from lazytensor.hybrid import compiled, following, nodes
from tests import program_numbers

COUNT = 0
field = None


def ways(monkeypatch):
    """With the comparisons, without them, and as nodes."""
    yield "as it is"
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    yield "without comparisons"
    monkeypatch.setattr(nodes, "LARGE", 0)
    yield "as nodes"


def jit_of(np):
    return np.jit if np is lazytensor else lambda f: f


def plain_of(value):
    """What two runs have in common, with types."""
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain_of, value)]
    if isinstance(value, dict):
        return {k: plain_of(v) for k, v in value.items()}
    if type(value) in (int, float, bool, str, type(None)):
        return type(value).__name__, repr(value)
    array = numpy.asarray(value)
    return array.dtype.str, array.shape, array.tobytes()


def check(program, monkeypatch, most=None, compiles=True):
    """Runs a program, which gives its function and what it found, with NumPy and in all ways with lazytensor."""
    _, expected = program(numpy)
    expected = plain_of(expected)
    for way in ways(monkeypatch):
        f, found = program(lazytensor)
        assert plain_of(found) == expected, way
        info = f.cache_info()
        if compiles:
            assert info["python"] is None and info["compiled"], (way, info)
            assert most is None or info["compiled"] <= most, (way, info)


def simulation(np, length=40):
    class Simulation:
        def __init__(self, n=50, dt=0.01):
            self.u, self.v, self.dt, self.t, self.steps = np.linspace(0, 1, n), np.zeros(n), dt, 0.0, 0

        @jit_of(np)
        def step(self):
            self.v = self.v - self.dt * self.u
            self.u = self.u + self.dt * self.v
            self.t += self.dt
            self.steps += 1
            return self.steps
    return Simulation


def test_counters(monkeypatch):
    def program(np):
        cls = simulation(np)
        one = cls()
        found = [(one.step(), one.t, one.steps) for _ in range(40)]
        return cls.step, [found, one.u, one.v]
    check(program, monkeypatch, 1)


def test_two_instances(monkeypatch):
    def program(np):
        cls = simulation(np)
        one, two = cls(), cls(50, 0.25)
        found = []
        for i in range(30):
            found.append(((one, two)[i % 2].step(), one.t, two.t, one.steps, two.steps))
        return cls.step, [found, one.u, two.u]
    check(program, monkeypatch, 2)


def test_changed_from_outside(monkeypatch):
    def program(np):
        cls = simulation(np)
        one, found = cls(), []
        for i in range(40):
            if i % 5 == 4:
                one.t = 0.0 if i % 2 else -0.0
                one.steps += 1 << 70
            found.append((one.step(), one.t, one.steps))
        return cls.step, [found, one.u]
    check(program, monkeypatch, 1)


def test_other_types_later(monkeypatch):
    def program(np):
        class Counter:
            def __init__(self):
                self.u, self.t = np.ones(5), 0

            @jit_of(np)
            def step(self):
                self.u = self.u * 0.5
                if self.t is not None:
                    self.t = self.t + 1
        one, found = Counter(), []
        for value in (0, 0.5, True, np.ones(3), None, 3, 0.25, 2 ** 62, float("inf"), float("nan")):
            one.t = value
            for _ in range(4):
                one.step()
                found.append(one.t)
        return Counter.step, [found, one.u]
    check(program, monkeypatch)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
def test_beside_arrays(dtype, monkeypatch):
    def program(np):
        class Wave:
            def __init__(self):
                self.u, self.t, self.n = np.linspace(0, 1, 30).astype(dtype), 0.5, 1

            @jit_of(np)
            def step(self):
                self.u = (self.u * self.t + self.n - 1) / (1 + self.n) + (1 - self.t) * self.u
                self.mean = (self.u * self.t).sum() * self.n
                self.u[3] = self.t if dtype != "complex64" else 0
                self.u[5:9] += self.t
                self.t *= 0.99
                self.n += 1
                return self.u * self.n
        one = Wave()
        one.mean = None
        found = [(one.step(), one.t, one.n, one.mean) for _ in range(40)]
        return Wave.step, [found, one.u]
    check(program, monkeypatch, 2)


def test_large_and_small_numbers_beside_arrays(monkeypatch):
    def program(np):
        class Wave:
            def __init__(self):
                self.u, self.t, self.factor = np.ones(20, np.float32), 1.0, 2.0

            @jit_of(np)
            def step(self):
                self.u = self.u * self.t
                self.t = self.t * self.factor
        found = []
        one = Wave()
        with np.errstate(all="ignore"):
            for factor in (2.0, 1e-30, 1e60, -1e40, 0.0, -1.0):
                one.factor = factor
                for _ in range(3):
                    one.step()
                    found.append((one.u, one.t))
                one.u, one.t = np.ones(20, np.float32), 1.0
        return Wave.step, found
    check(program, monkeypatch, compiles=False)


def test_decisions(monkeypatch):
    def program(np):
        class Simulation:
            def __init__(self):
                self.u, self.t, self.steps, self.saved = np.ones(10), 0.0, 0, 0

            @jit_of(np)
            def step(self):
                self.t += 0.125
                self.steps += 1
                if self.steps % 5 == 0:
                    self.u = self.u * 0.5
                    self.saved += 1
                elif self.t >= 2 and not self.steps % 7:
                    self.u = self.u + self.t
                self.u = self.u + min(self.t, 1.5)
                return self.steps > 3
        one = Simulation()
        return Simulation.step, [[(one.step(), one.t, one.steps, one.saved, one.u) for _ in range(60)], one.u]
    check(program, monkeypatch, 2)


def test_driver(monkeypatch):
    def program(np):
        class Simulation:
            def __init__(self):
                self.u, self.t, self.end = np.ones(10), 0.0, 0.5

            def step(self):
                self.u = self.u * (1 - self.t)
                self.t += 0.0625

            @jit_of(np)
            def run(self):
                while self.t < self.end:
                    self.step()
                return self.u.sum()
        one, found = Simulation(), []
        for i in range(25):
            one.t = 0.0 if i % 3 else 0.25
            found.append((one.run(), one.t))
        return Simulation.run, [found, one.u]
    check(program, monkeypatch, 2)


def test_adam(monkeypatch):
    def program(np):
        class Adam:
            def __init__(self):
                self.params = {"w": np.linspace(0, 1, 12).reshape(3, 4), "b": np.zeros(4)}
                self.m = {k: np.zeros(p.shape) for k, p in self.params.items()}
                self.v = {k: np.zeros(p.shape) for k, p in self.params.items()}
                self.t = 0

            @jit_of(np)
            def step(self, x):
                self.t += 1
                b1, b2, rate = 0.9, 0.999, 1e-3
                grads = {"w": x.T @ (x @ self.params["w"] + self.params["b"]), "b": self.params["b"] + 1}
                for k, g in grads.items():
                    self.m[k] = b1 * self.m[k] + (1 - b1) * g
                    self.v[k] = b2 * self.v[k] + (1 - b2) * g * g
                    m, v = self.m[k] / (1 - b1 ** self.t), self.v[k] / (1 - b2 ** self.t)
                    self.params[k] = self.params[k] - rate * m / (np.sqrt(v) + 1e-8)
        one, x = Adam(), np.arange(6.0).reshape(2, 3)
        for _ in range(40):
            one.step(x)
        return Adam.step, [one.params, one.m, one.v, one.t]
    check(program, monkeypatch, 1)


def test_entries_globals_variables_and_slots(monkeypatch):
    def program(np):
        global COUNT, field
        COUNT, field = 0, np.ones(6)
        state, steps = {"t": 0.0, "u": np.ones(4)}, 0

        class Slotted:
            __slots__ = ("n", "u")
        held = Slotted()
        held.n, held.u = 0, np.ones(3)

        @jit_of(np)
        def step():
            global COUNT, field
            nonlocal steps
            COUNT, field, steps = COUNT + 1, field * 0.5, steps + 2
            state["t"] += 0.5
            state["u"] = state["u"] + state["t"]
            held.n -= 1
            held.u = held.u * 0.5
        found = []
        for _ in range(30):
            step()
            found.append((COUNT, field, steps, dict(state), held.n, held.u))
        return step, found
    check(program, monkeypatch, 1)


def test_setattr_property_and_descriptor(monkeypatch):
    def program(np):
        log = []

        class Logged:
            def __init__(self):
                self.u, self._t, self.count = np.ones(4), 0.0, 0

            @property
            def t(self):
                return self._t

            @t.setter
            def t(self, value):
                self._t = value
                self.count += 1

            def __setattr__(self, name, value):
                object.__setattr__(self, name, value)
                if name == "t":
                    object.__setattr__(self, "count", self.count + 1)

            @jit_of(np)
            def step(self):
                self.u = self.u * 0.5 + self.t
                self.t += 0.25
        one = Logged()
        for _ in range(30):
            one.step()
            log.append((one.t, one.count, one.u))
        return Logged.step, log
    check(program, monkeypatch, 1)


def test_exceptions(monkeypatch):
    def program(np):
        class Simulation:
            def __init__(self):
                self.u, self.n, self.left, self.after = np.ones(4), 0, 5, 0

            @jit_of(np)
            def step(self):
                self.n += 1
                self.u = self.u * 2
                self.u[0] = 1 / self.left
                self.left -= 1
                if self.left < -3:
                    raise ValueError("over")
                self.after += 1

        one, found = Simulation(), []
        for _ in range(20):
            try:
                one.step()
                found.append("ran")
            except (ZeroDivisionError, ValueError) as error:
                found.append(str(error))
                one.left = one.left - 1 if one.left == 0 else 5
            found.append((one.n, one.left, one.after, one.u))
        return Simulation.step, found
    check(program, monkeypatch)


def test_exception_caught_inside(monkeypatch):
    def program(np):
        class Simulation:
            def __init__(self):
                self.u, self.n = np.ones(4), 3

            @jit_of(np)
            def step(self):
                try:
                    rate = 1 / self.n
                except ZeroDivisionError:
                    rate = 0.5
                self.n -= 1
                self.u = self.u * rate
        one, found = Simulation(), []
        for _ in range(12):
            one.step()
            found.append((one.n, one.u))
        return Simulation.step, found
    check(program, monkeypatch, compiles=False)


def test_python_asks(monkeypatch, capsys):
    """For an index, a length, text, a hash, a function written in C, the type: the Python runs, or as it was."""
    def program(np):
        class Simulation:
            def __init__(self):
                self.u, self.n, self.t, self.words, self.seen = np.ones(4), 0, 0.0, [], {}
                self.table = [0.5, 2.0, 1.0]

            @jit_of(np)
            def index(self):
                self.u = self.u * self.table[self.n % 3] + self.u[self.n % 4]
                self.n += 1

            @jit_of(np)
            def turns(self):
                for _ in range(self.n % 3):
                    self.u = self.u * 0.5
                self.n += 1

            @jit_of(np)
            def text(self):
                self.words.append(f"{self.t:.3f} {self.n}")
                self.t += 0.1

            @jit_of(np)
            def hashed(self):
                self.seen[self.n] = self.u
                self.n += 1

            @jit_of(np)
            def prints(self):
                if self.n % 4 == 3:
                    print("step", self.n, self.t)
                self.u = self.u * 0.5
                self.n += 1
                self.t += 0.5

            @jit_of(np)
            def typed(self):
                self.n += 1
                return type(self.n).__name__, isinstance(self.n, int)
        one, found = Simulation(), []
        for name in ("index", "turns", "text", "hashed", "prints", "typed"):
            for _ in range(14):
                found += [getattr(one, name)() or 0, one.n, one.t]
        return Simulation.index, [found, one.u, one.words, one.seen, capsys.readouterr().out]
    check(program, monkeypatch, compiles=False)


def test_functions_of_numbers(monkeypatch):
    def program(np):
        class Forced:
            def __init__(self):
                self.u, self.t, self.n = np.ones(8), 0.0, 1

            @jit_of(np)
            def step(self):
                self.u = self.u * math.cos(0.1 * self.t) + np.sin(self.t) - math.exp(-self.t) / math.sqrt(self.n)
                self.t += 0.1
                self.n += 1
                return abs(self.t - 1), -self.n, self.n // 2, divmod(self.n, 3), self.n ** 2, self.n & 1
        one = Forced()
        return Forced.step, [[one.step() for _ in range(30)], one.u, one.t]
    check(program, monkeypatch, compiles=False)


def test_threads():
    class Simulation:
        def __init__(self):
            self.u, self.n = lazytensor.zeros(100), 0

        def step(self):
            self.u = self.u + 1
            self.n += 1
    step = lazytensor.jit(Simulation.step)
    Simulation.step = lambda self: step(self)
    sims = [Simulation() for _ in range(4)]

    def work(sim):
        for _ in range(50):
            sim.step()
    sims[0].step()
    sims[0].step()
    sims[0].step()
    sims[0].n, sims[0].u = 0, lazytensor.zeros(100)
    threads = [threading.Thread(target=work, args=(sim,)) for sim in sims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sim in sims:
        assert type(sim.n) is int and sim.n == 50 and (sim.u.numpy() == 50).all()


def test_dataclass(monkeypatch):
    def program(np):
        @dataclasses.dataclass
        class State:
            u: object
            t: float = 0.0
            n: int = 0

            @jit_of(np)
            def step(self):
                self.u = self.u * 0.5 + self.t
                self.t += 0.1
                self.n += 1
        one, two = State(np.ones(5)), State(np.zeros(5), 3.0, 4)
        found = []
        for i in range(40):
            (one, two)[i % 3 == 1].step()
            found.append((one.u, one.t, one.n, two.u, two.t, two.n))
        return State.step, found
    check(program, monkeypatch, 1)


def test_containers_that_are_arguments(monkeypatch):
    def program(np):
        kept = {"u": np.ones(3), "t": 0.5, "n": 1}

        @jit_of(np)
        def step(state, counts):
            state["t"] += 0.5
            counts[0] += 1
            if counts[0] % 4 == 0:
                state["u"] = state["u"] * state["t"]
            return state["u"] + kept["n"] * kept["t"], counts[0]
        one, two, counts, found = {"u": np.ones(3), "t": 0.0}, {"u": np.zeros(3), "t": 1}, [0, 3], []
        for i in range(40):
            state = kept if i in (20, 21, 30) else (one, two)[i % 5 == 2]
            found.append((step(state, counts), dict(one), dict(two), list(counts), dict(kept)))
            if i == 33:
                counts[0] = 2.5
        return step, found
    check(program, monkeypatch)


def test_reset_to_what_it_is(monkeypatch):
    """A constant is bound where it was already, in the call that is traced; and one number in two places."""
    def program(np):
        class Simulation:
            def __init__(self):
                self.u, self.t, self.before, self.n = np.ones(4), 0.0, 0.0, 0

            @jit_of(np)
            def step(self):
                self.before, self.t = self.t, self.before
                self.n += 1
                if self.n % 3 == 1:
                    self.t = 0.5
                self.u = self.u + self.t

        one, found = Simulation(), []
        for i in range(30):
            one.step()
            found.append((one.t, one.before, one.n, one.u))
            one.t += i % 5 / 2
        return Simulation.step, found
    check(program, monkeypatch, 1)


def test_containers_bound_anew(monkeypatch):
    def program(np):
        class Model:
            def __init__(self):
                self.state, self.params = (np.linspace(0, 1, 5), np.zeros(5)), {"w": np.ones(3), "b": (np.ones(2), 2.0)}
                self.layers, self.t, self.old = [np.ones(3), np.zeros(3)], 0.0, None

            def slope(self, t, state):
                return state[1], -state[0] * (1 + t)

            @jit_of(np)
            def step(self, h=0.25):
                s, t = self.state, self.t
                k1 = self.slope(t, s)
                k2 = self.slope(t + h / 2, tuple(a + h / 2 * b for a, b in zip(s, k1)))
                self.state = tuple(a + h * b for a, b in zip(s, k2))
                self.params = {"w": self.params["w"] * 0.5, "b": (self.params["b"][0] + self.t, 2.0)}
                self.layers = [a * 0.5 + b for a, b in zip(self.layers, self.layers[::-1])]
                self.t = t + h
                return self.state

        one, found = Model(), []
        for i in range(30):
            state = one.step()
            found.append((state, state is one.state, one.params, one.layers, one.t))
            if i == 12:
                one.state = state[::-1]
            if i == 15:
                one.layers[0] = one.layers[1]
            if i == 20:
                one.layers = [np.ones(3)] * 3
        return Model.step, found
    check(program, monkeypatch, 3)


def test_containers_bound_anew_and_shared(monkeypatch):
    """The list from before is kept elsewhere, written to in place, given as an argument, or holds a counter."""
    def program(np):
        class Model:
            def __init__(self):
                self.a, self.b, self.pair, self.n = [np.ones(3)], [np.zeros(3)], (np.ones(3), 0), 0

            @jit_of(np)
            def keeps(self):
                self.b = self.a
                self.a = [self.a[0] * 0.5]

            @jit_of(np)
            def writes(self):
                if self.n:
                    self.a[0] = self.a[0] + 1
                self.a = [self.a[0] * 0.5]

            @jit_of(np)
            def takes(self, other):
                other[0] = other[0] * 2
                self.a = [self.a[0] * 0.5]

            @jit_of(np)
            def counts(self):
                self.pair = self.pair[0] * 0.5, self.pair[1] + 1

            @jit_of(np)
            def same(self):
                self.b = [x + 1 for x in self.b]
                self.a[0] = self.a[0] * 0.5

        one, found = Model(), []
        for name in ("keeps", "writes", "takes", "counts", "same"):
            for i in range(12):
                one.n = int(i > 6)
                getattr(one, name)(*([one.a if i in (5, 6) else one.b] if name == "takes" else []))
                if name == "same" and i == 8:
                    one.b = one.a
                found.append((one.a, one.b, one.pair, one.a is one.b))
                found[-1] = (list(one.a), list(one.b), one.pair, one.a is one.b)
        return Model.same, found
    check(program, monkeypatch, compiles=False)


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_random_methods(first, monkeypatch):
    """Without comparisons, which would hide a difference."""
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    for seed in range(first, first + 10):
        found, _ = program_numbers.tried(seed, lazytensor)
        assert not found, found


@pytest.mark.parametrize("first", [0, 40030])
def test_random_methods_as_nodes(first, monkeypatch):
    """Of 40035 an attribute that gets NumPy's float64 was once a node."""
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    monkeypatch.setattr(nodes, "LARGE", 0)
    for seed in range(first, first + 6):
        found, _ = program_numbers.tried(seed, lazytensor)
        assert not found, found


def test_set_from_outside(monkeypatch):
    """A rate that a schedule sets, and a number of turns, which is no number of the program."""
    def program(np):
        class Model:
            def __init__(self):
                self.w, self.rate, self.turns = np.ones(5), 0.5, 1

            @jit_of(np)
            def step(self):
                self.w = self.w - self.rate * self.w
                for _ in range(self.turns):
                    self.w = self.w * 0.5

        one, found = Model(), []
        for i in range(40):
            one.rate = 1 / (i // 3 + 2)
            if i > 30:
                one.turns = i % 6
            one.step()
            found.append(one.w)
        return Model.step, found
    check(program, monkeypatch, 8)


def test_interrupted(monkeypatch):
    """Ctrl-C in a call that is traced with numbers leaves what was there before, or what Python had done."""
    class Simulation:
        def __init__(self):
            self.u, self.n = lazytensor.ones(3), 0

        @lazytensor.jit
        def step(self):
            self.n += 1
            self.u = self.u * 2
            stop(self)
            self.u = self.u + 1

    def stop(self):
        if stopping:
            raise KeyboardInterrupt
    stopping = []
    one = Simulation()
    one.step()
    stopping.append(1)
    with pytest.raises(KeyboardInterrupt):
        one.step()
    assert type(one.n) is int
    stopping.clear()
    n = one.n
    for _ in range(5):
        one.step()
    assert one.n == n + 5 and type(one.n) is int


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_numpys(dtype, monkeypatch):
    """A step that NumPy computed makes the time one of its scalars, which is no weak number."""
    def program(np):
        class Simulation:
            def __init__(self):
                x = np.linspace(0, 1, 9).astype(dtype)
                self.u, self.t, self.dt, self.n = x, 0.0, 0.4 * float(x[1] - x[0]) * numpy.float64(1), 0

            @jit_of(np)
            def step(self):
                self.t += self.dt
                self.n += 1
                self.w = self.u * self.t + np.cos(self.t)
                if self.t > 0.6:
                    self.u = self.u * 0.5
                self.last = self.t * 2
                self.far = 1 / (self.t - self.dt * 4) > 1e3
                return self.t > 0.5, self.t * 2, -self.t

        one, found = Simulation(), []
        one.w, one.far = None, False
        with np.errstate(all="ignore"):
            for i in range(30):
                found.append((one.step(), one.t, one.n, one.w, one.u, one.far, one.last))
                if i == 20:
                    one.t = numpy.float64(1e308)
                if i == 24:
                    one.t = 0.0
        return Simulation.step, found
    check(program, monkeypatch, compiles=False)


def test_a_number_s_conversion_takes_no_other_record_s_name(monkeypatch):
    """What is read before the record of its name counts as another value: an element was gone while it was needed."""
    resolved, found = following.Numbers.resolved, []

    def noting(numbers, leaves):
        records = resolved(numbers, leaves)
        found.append([record.name for record in records or () if record.kind != "answer"])
        return records
    monkeypatch.setattr(following.Numbers, "resolved", noting)

    def program(np):
        def f(y, a):
            p = y[0]
            if p > 0.25:
                y = y * 2.0
            return np.hypot(p, p) * 3.0 + y * a, p * a

        f = jit_of(np)(f)
        return f, [f(np.array([0.5 + k % 3, 1.0, 2.0]), 0.5 + k / 4) for k in range(14)]
    check(program, monkeypatch)
    assert any(found) and all(len(names) == len(set(names)) for names in found)
