"""Programs that trip compilers which trace: each gives, with its functions jitted, what it gives with NumPy.

`jitted(np)` is `lt.jit`, and with NumPy a decorator that does nothing.
"""

import collections
import dataclasses
import time

from tests.helpers import is_lazy


def jitted(np, **options):
    return (lambda f: np.jit(f, **options)) if hasattr(np, "jit") else (lambda f: f)


def snapshots(values):
    """Copies, so that later updates do not show."""
    return [v.copy() if hasattr(v, "copy") else v for v in values]


def captured_weight_updated(np):
    """A weight that a function captures is an input: updates between calls, in place and by a new value, count."""
    w = np.arange(6.0).reshape(2, 3)

    @jitted(np)
    def f(x):
        return x @ w

    x, found = np.ones((4, 2)), []
    for i in range(6):
        found.append(f(x + i))
        w[i % 2] += 1
        w *= 0.5
    w = np.ones((2, 3)) * 7
    return [*found, f(x), w]


def static_arguments(np):
    """Ints, lists, strings and None as arguments decide what the function does."""

    @jitted(np)
    def f(x, n, names, mode="a", extra=None):
        for i in range(n):
            x = x + i
        y = x * len(names) if mode == "a" else x - len(names)
        return y if extra is None else y + extra

    x = np.arange(4.0)
    calls = [(2, ["p"]), (3, ["p"]), (2, ["p", "q"]), (2, ["p"], "b"), (2, ["p"], "a", 1), (2, ["p"]), (True, ["p"])]
    return [f(x + i, *args) for i in range(3) for args in calls]


def shape_decides(np):
    """A Python `if` on a shape, and a loop over it."""

    @jitted(np)
    def f(x):
        if x.shape[0] > 3:
            return x[:3] * 2
        total = 0.0
        for i in range(len(x)):
            total = total + x[i]
        return x + total

    return [f(np.arange(float(n)) + k) for k in range(4) for n in (2, 5, 3, 2, 7)]


def branch_flips(np):
    """A branch on a value that goes the other way at the third call, and back."""

    @jitted(np)
    def f(x):
        y = x * 2
        if y.sum() > 10:
            return y - 1
        return y + 1

    return [f(np.ones(3) * s) for s in (1, 1, 9, 1, 9, 1, 1, 9, 9, 9, 1)]


def branch_after_write(np):
    """The same after an in-place update, which must happen once."""
    log = np.zeros(2)

    @jitted(np)
    def f(x):
        log[0] += 1
        x += 1
        if x.max() > 5:
            log[1] += 1
            x *= 0
        return x.sum()

    x, found = np.arange(3.0), []
    for _ in range(9):
        found.append(float(f(x)))
        found += snapshots([x, log])
    return found


def argument_in_place(np):
    """`a += b`, `a[:] = ...` and a write to a part change the caller's array."""

    @jitted(np)
    def f(a, b):
        a += b
        a[1:] = a[:-1] * 2
        b[:] = a + b
        return a

    a, b = np.arange(4.0), np.ones(4)
    found = []
    for _ in range(5):
        r = f(a, b)
        found += [r is a, *snapshots([a, b])]
    return found


def alias_then_not(np):
    """One array passed twice, then two arrays: writes to one are seen through the other, or not."""

    @jitted(np)
    def f(a, b):
        a[0] = 100
        b *= 2
        return a + b

    found = []
    for i in range(6):
        x, y = np.arange(3.0) + i, np.arange(3.0)
        found += [f(x, x), x.copy(), f(x, y), x, y]
    return found


def views_of_one_array(np):
    """Overlapping views of one array as arguments."""

    @jitted(np)
    def f(a, b):
        a += 1
        return a * b

    base, found = np.arange(8.0), []
    for _ in range(6):
        found += [f(base[:4], base[2:6]), f(base[:4], base[4:]), f(base[::2], base[1::2]), base.copy()]
    return found


def result_is_a_view(np):
    """A result that is a view of an argument: writes to it reach the argument."""

    @jitted(np)
    def f(a):
        a += 1
        return a[1:], a.T, a

    found = []
    a = np.arange(4.0)
    for _ in range(5):
        part, turned, whole = f(a)
        part[0] = -5
        found += [part.copy(), turned.copy(), whole is a, part.base is a]
    return found


SCALE = 2.0


class Holder:
    """Something with an attribute."""

    def __init__(self, value):
        self.value = value

    def doubled(self, x):
        return x * self.value * 2


def bindings_rebound(np):
    """A closure variable, a global, an attribute and a default, each bound anew between calls."""
    global SCALE
    factor, holder, found = 3.0, Holder(1.5), []

    @jitted(np)
    def closure(x):
        return x * factor

    @jitted(np)
    def uses_global(x):
        return x * SCALE

    @jitted(np)
    def attribute(x):
        return holder.doubled(x) + holder.value

    def plain(x, by=1.0):
        return x + by

    default = jitted(np)(plain)
    x = np.arange(3.0)
    for i in range(5):
        found += [closure(x), uses_global(x), attribute(x), default(x)]
        factor, SCALE, holder.value = factor + i, SCALE + 1, holder.value * 2
        plain.__defaults__ = (10.0 * i,)
    holder = Holder(-1.0)
    found.append(attribute(x))
    SCALE = 2.0
    return found


def global_made_later(np):
    """A global that is missing at first, and one that comes to hide a builtin function."""
    names = globals()

    @jitted(np)
    def with_later(x):
        try:
            return x + LATER  # noqa: F821
        except NameError:
            return x * 1

    @jitted(np)
    def with_builtin(x):
        return x * round(2.6)

    found, x = [], np.arange(3.0)
    try:
        for i in range(9):
            if i == 2:
                names["LATER"] = 5.0
            if i == 6:
                names["round"] = lambda number: -number
            found += [with_later(x), with_builtin(x)]
    finally:
        names.pop("LATER", None)
        names.pop("round", None)
    return found


def helper_rebound(np):
    """A helper function that is replaced, by name and by its code."""

    def one(x):
        return x + 1

    def two(x):
        return x * 2

    helper, found = one, []

    @jitted(np)
    def f(x):
        return helper(x)

    for i in range(6):
        found.append(f(np.arange(3.0)))
        helper = two if i % 2 else one
    one.__code__ = two.__code__
    helper = one
    return [*found, f(np.arange(3.0))]


class Scaled:
    """A class attribute that an instance may hide."""

    factor = 2.0

    def times(self, x):
        return x * self.factor


def attribute_hidden_and_made(np):
    """An instance attribute that hides a class attribute, and attributes and globals that the call makes."""
    scaled, fresh, found = Scaled(), Holder(0), []

    @jitted(np)
    def f(x):
        return scaled.times(x)

    @jitted(np)
    def g(x):
        fresh.made = x * 2
        return x.sum()

    for i in range(6):
        x = np.arange(3.0) + i
        found += [f(x), g(x), fresh.made]
        if i == 2:
            scaled.factor = 5.0
        if i == 4:
            del scaled.factor
    return found


def captured_and_argument_are_one(np):
    """An array that the function captures is also its argument, whole or as a view; then it is not."""
    w, other, found = np.arange(4.0), np.ones(4), []
    part = w[1:]

    @jitted(np)
    def f(x):
        w[0] += 1
        x *= 2
        return x + w, part + 1, x @ x

    for given in (w, w, other, w, other, np.arange(4.0), w[:], w[:], other):
        found += [*f(given), w.copy(), other.copy()]
    return found


def captured_dict_is_an_argument(np):
    """A dict that the function captures is also its argument; then the argument is another dict."""
    params = {"w": np.arange(3.0)}

    @jitted(np)
    def f(p):
        return p["w"] + params["w"] * 10

    return [f(params) for _ in range(4)] + [f({"w": np.ones(3) * i}) for i in range(4)] + [f(params)]


def branch_after_rebinding(np):
    """An attribute is bound anew at every call, and a branch on a value goes the other way later."""
    state = Holder(np.ones(3))

    @jitted(np)
    def f(x):
        if (x * state.value).sum() > 0:
            return x * state.value
        return x - state.value

    found = []
    for i in range(12):
        found.append(f(np.ones(3) * (i % 6 - 2)))
        state.value = np.ones(3) * (i + 1)
    return found


def identity_of_arguments(np):
    """`a is b` for two arguments."""

    @jitted(np)
    def f(a, b):
        return a + 1 if a is b else a - b

    x, y = np.ones(2), np.ones(2)
    return [f(x, y), f(x, y), f(x, x), f(x, y), f(y, y), f(y, x)]


def error_state_changed_inside(np):
    """`seterr` inside stays in force."""

    @jitted(np)
    def f(x, how):
        old = np.seterr(divide=how)
        y = x + 1
        return y, old["divide"]

    before, found = np.geterr(), []
    for how in ("ignore", "ignore", "warn", "ignore", "warn"):
        found += [f(np.ones(2), how), np.geterr()["divide"]]
    np.seterr(**before)
    return found


def sets_and_deques(np):
    """A set whose elements change, and a deque to which the call appends."""
    import collections

    on, history, found = {"a"}, collections.deque(maxlen=3), []

    @jitted(np)
    def f(x):
        if "a" in on:
            x = x * 2
        return x

    @jitted(np)
    def g(x):
        history.append(len(history) + found[-1][0] * 0)
        return x + len(history)

    for i in range(6):
        x = np.ones(2) * i
        found += [f(x)]
        found += [g(x)]
        on.symmetric_difference_update({"a", "b"})
    return found, len(history)


def partial_functions(np):
    """`functools.partial` with an array, replaced and updated."""
    import functools

    def base(w, x, by=1):
        return w * x + by

    w, found = np.arange(3.0), []
    held = Holder(functools.partial(base, w, by=3))

    @jitted(np)
    def f(x):
        return held.value(x)

    for i in range(6):
        found.append(f(np.ones(3) * i))
        w += 1
        if i == 3:
            held.value = functools.partial(base, w * 0)
    return found


def copied_modules(np):
    """A deep copy of an object with a jitted method has its own arrays."""
    import copy

    class Layer:
        def __init__(self):
            self.w = np.arange(3.0)

        @jitted(np)
        def __call__(self, x):
            return x * self.w

    one, found = Layer(), []
    found += [one(np.ones(3)) for _ in range(4)]
    two = copy.deepcopy(one)
    two.w += 5
    return [*found, *[layer(np.ones(3) * i) for i in range(4) for layer in (one, two)]]


def nested_attributes(np):
    """Attributes of attributes, lists and dicts of arrays, an element replaced."""
    model = Holder(Holder([np.ones(3), {"w": np.arange(3.0)}]))
    found = []

    @jitted(np)
    def f(x):
        first, rest = model.value.value
        return x * first + rest["w"]

    for i in range(6):
        found.append(f(np.arange(3.0)))
        model.value.value[0] = model.value.value[0] + i
        model.value.value[1]["w"] *= 2
    return found


def time_inside(np):
    """`time()` inside: the compiled function would give the old one; the comparison at the second call finds out."""

    @jitted(np)
    def f(x):
        return x * 0 + time.perf_counter()

    found = []
    with quiet(np):
        for _ in range(4):
            found.append(float(f(np.ones(2))[0]))
    return found[0] < found[1] < found[2] < found[3]


def list_length_inside(np):
    """The length of a list that grows between calls."""
    seen = []

    @jitted(np)
    def f(x):
        return x + len(seen)

    found = []
    for i in range(6):
        found.append(f(np.arange(2.0)))
        seen.append(i)
    return found


def list_appended_inside(np):
    """The function itself appends to a list."""
    history = []

    @jitted(np)
    def f(x):
        y = x.sum()
        history.append(float(y))
        return x + len(history)

    found = [f(np.arange(3.0) + i) for i in range(6)]
    return found, history


def attribute_set_inside(np):
    """The function itself sets an attribute."""
    state = Holder(np.zeros(3))

    @jitted(np)
    def f(x):
        state.value = state.value * 0.5 + x
        return state.value.sum()

    return [float(f(np.ones(3) * i)) for i in range(6)], state.value


def attributes_bound_anew(np):
    """A simulation that binds its attributes anew at each step: arrays, the array before, a sum, a flag, a branch."""
    class Simulation:
        def __init__(self):
            self.u, self.v, self.started = np.linspace(0, 1, 6), np.zeros(6), False
            self.before, self.energy, self.flux = self.u, (self.u * 0).sum(), None

        @jitted(np)
        def step(self, dt):
            self.before = self.u
            self.v = self.v - dt * self.u
            self.u = self.u + dt * self.v
            self.energy = self.energy * 0.5 + (self.u * self.u).sum()
            self.flux = self.u[1:] - self.u[:-1]
            if (self.u * self.v).sum() < -0.5:
                self.v = self.v * 0.9
            self.started = True
            return self.energy

    one, other, found = Simulation(), Simulation(), []
    for i in range(40):
        state = one if i % 3 else other
        energy = state.step(0.3)
        found += [float(energy), state.u.copy(), state.v.copy(), state.before, float(state.energy), state.flux]
        found.append((state.started, energy is state.energy, state.before is state.u))
        if i % 7 == 0:
            state.u = state.u[::-1].copy()
    return found


def attributes_that_count(np):
    """A simulation with a time and a number of steps that are Python's, decisions by these, and a driver over steps."""
    class Simulation:
        def __init__(self):
            self.u, self.v, self.dt, self.t, self.steps = np.linspace(0, 1, 6), np.zeros(6), 0.125, 0.0, 0

        @jitted(np)
        def step(self):
            self.v = self.v - self.dt * self.u + 0.1 * np.sin(self.t)
            self.u = self.u + self.dt * self.v
            self.t += self.dt
            self.steps += 1
            if self.steps % 5 == 0:
                self.v = self.v * 0.5
            return self.steps

        @jitted(np)
        def run(self, end):
            while self.t < end:
                self.step()

    one, other, found = Simulation(), Simulation(), []
    for i in range(40):
        state = one if i % 3 else other
        found += [state.step(), state.t, state.steps, state.u.copy(), type(state.t) is float]
        if i == 20:
            one.t, one.steps = 0, 1 << 70
    for i in range(8):
        one.t = 0.5 * (i % 2)
        one.run(1.0)
        found += [one.t, one.steps, one.u.copy()]
    return found


def optimiser_that_counts(np):
    """Adam: a counter to whose power numbers are raised, dicts of arrays, a rate that a schedule sets."""
    class Adam:
        def __init__(self):
            self.params = {"w": np.linspace(0, 1, 4), "b": np.ones(2)}
            self.m = {key: np.zeros(p.shape) for key, p in self.params.items()}
            self.v = {key: np.zeros(p.shape) for key, p in self.params.items()}
            self.t, self.rate = 0, 0.1

        @jitted(np)
        def step(self):
            self.t += 1
            for key, p in self.params.items():
                g = 2 * p - 1
                self.m[key] = 0.9 * self.m[key] + 0.1 * g
                self.v[key] = 0.999 * self.v[key] + 0.001 * g * g
                m, v = self.m[key] / (1 - 0.9 ** self.t), self.v[key] / (1 - 0.999 ** self.t)
                self.params[key] = p - self.rate * m / (np.sqrt(v) + 1e-8)
            return (self.params["w"] * self.params["w"]).sum()

    one, losses = Adam(), []
    for i in range(30):
        losses.append(float(one.step()))
        one.rate = 0.1 / (1 + i // 4)
    return losses, one.params, one.m, one.v, one.t


def containers_of_arrays_bound_anew(np):
    """A tuple, a list and a dict of arrays that a method makes anew at each call; one is kept elsewhere, too."""
    class Model:
        def __init__(self):
            self.state, self.layers = (np.linspace(0, 1, 4), np.zeros(4)), [np.ones(3), np.zeros(3)]
            self.params, self.before = {"w": np.ones(3), "b": np.zeros(2)}, None

        @jitted(np)
        def step(self, h):
            u, v = self.state
            self.state = u + h * v, v - h * u
            self.layers = [layer * 0.5 + 1 for layer in self.layers]
            self.params = {key: p - h * p for key, p in self.params.items()}
            return self.state

        @jitted(np)
        def keep(self):
            self.before = self.layers
            self.layers = [layer + 1 for layer in self.layers]

    one, found = Model(), []
    for i in range(24):
        state = one.step(0.25)
        found += [state, state is one.state, list(one.layers), dict(one.params)]
        if i % 6 == 5:
            one.keep()
            one.before[0] *= 2
            found += [list(one.before), one.before is one.layers]
        if i == 10:
            one.state, one.layers[1] = one.state[::-1], one.layers[0]
    return found


def entries_bound_anew(np):
    """Entries of dicts and lists, arguments or not, that are bound anew; then other dicts, and one dict twice."""
    params, layers = {"w": np.ones(3), "b": np.zeros(2)}, [np.ones(4), np.arange(4.0)]

    @jitted(np)
    def update(p, g, rate):
        for key in p:
            p[key] = p[key] - rate * g[key]
        layers[0], layers[1] = layers[1] * 0.5, layers[0] + p["w"][0]
        return p, params["w"] * 2

    found = []
    for i in range(24):
        given = params if i % 8 < 6 else {"w": np.ones(3) * i, "b": np.ones(2)}
        p, doubled = update(given, {"w": np.arange(3.0) * i, "b": np.ones(2)} if i != 13 else given, 0.1)
        found += [p is given, {k: x.copy() for k, x in p.items()}, doubled, [x.copy() for x in layers]]
    return found


def variables_bound_anew(np):
    """Variables of an enclosing function, slots and fields of a dataclass that are bound anew."""
    class Slots:
        __slots__ = ("value", "old")

    @dataclasses.dataclass
    class State:
        x: object
        n: object = None

    slots, total = Slots(), np.zeros(3)
    slots.value, slots.old = np.ones(3), None

    @jitted(np)
    def f(x, state):
        nonlocal total
        total = total + x
        slots.old, slots.value = slots.value, slots.value * 0.5 + total
        state.x, state.n = state.x + slots.value, state.x
        return total

    found, state = [], State(np.zeros(3))
    for i in range(24):
        if i % 10 == 9:
            state = State(np.ones(3) * i)
        found += [f(np.ones(3) * i, state) is total, total, slots.value, slots.old, state.x, state.n]
    return found


def bound_before_an_exception(np):
    """An exception that depends on values, after something was bound anew and before more is."""
    state = Holder(np.zeros(2))

    @jitted(np)
    def f(x):
        state.value = state.value + x
        if state.value.sum() > 9:
            raise ValueError("too much")
        state.value = state.value * 0.9
        return state.value

    found = []
    for i in range(12):
        try:
            found.append(f(np.ones(2) * (i % 5)))
        except ValueError as error:
            found.append(str(error))
        found.append(state.value)
        if i == 6:
            state.value = np.zeros(2)
    return found


def random_draws(np):
    """Draws go on where the last call left the stream, from a generator and from the global one."""
    rng = np.random.default_rng(5)
    np.random.seed(3)

    @jitted(np)
    def f(x):
        return x + rng.normal(size=3) * np.random.random(3)

    found = []
    for i in range(9):
        found.append(f(np.ones(3)))
        if i == 4:
            found.append(rng.random(2))
    return [*found, rng.random(), np.random.random()]


def draws_with_a_branch(np):
    """A draw that decides how many more are drawn."""
    rng = np.random.default_rng(1)

    @jitted(np)
    def f(x):
        u = rng.random(2)
        if u[0] > 0.5:
            return x + rng.random(3)
        return x * u[1]

    return [f(np.ones(3)) for _ in range(20)], rng.random(2)


def seeded_inside(np):
    """A generator made inside gives the same numbers each time; `seed` inside sets the global one."""

    @jitted(np)
    def f(x):
        np.random.seed(7)
        return x + np.random.default_rng(3).random(2) + np.random.random(2)

    return [f(np.zeros(2)) for _ in range(4)], np.random.random()


def nested_jit(np):
    """A jitted function that calls another."""

    @jitted(np)
    def inner(x, n):
        return x * n + 1

    @jitted(np)
    def outer(x):
        return inner(x, 2) + inner(x, 3)

    return [outer(np.arange(3.0) + i) for i in range(5)], inner(np.ones(2), 4)


def recursion(np):
    """A jitted function that calls itself."""

    @jitted(np)
    def f(x, n):
        return x if n == 0 else f(x, n - 1) * 2 + n

    return [f(np.arange(3.0) + i, 4) for i in range(4)], f(np.ones(2), 1)


def generators(np):
    """A generator inside, and a jitted function that is one."""

    @jitted(np)
    def f(x):
        def powers():
            y = x
            while True:
                yield y
                y = y * x

        steps = powers()
        return sum(next(steps) for _ in range(3))

    @jitted(np)
    def g(x):
        for i in range(3):
            yield x * i

    return [f(np.arange(3.0) + i) for i in range(4)], [list(g(np.ones(2) * i)) for i in range(3)]


def exception_in_the_middle(np):
    """An exception that depends on values leaves exactly the updates before it."""

    @jitted(np)
    def f(a, m):
        a += 1
        b = np.linalg.inv(m)
        a *= 2
        return b @ a

    a, found = np.zeros(2), []
    for i in range(8):
        m = np.eye(2) * (i % 3)
        try:
            found.append(f(a, m))
        except np.linalg.LinAlgError as error:
            found.append(type(error).__name__)
        found.append(a.copy())
    return found


def exception_caught_inside(np):
    """An exception that depends on values and that the function itself catches."""

    @jitted(np)
    def f(m):
        try:
            return np.linalg.inv(m)
        except np.linalg.LinAlgError:
            return m * 0 - 1

    @jitted(np)
    def g(x):
        with np.errstate(all="raise"):
            try:
                return 1 / x
            except FloatingPointError:
                return x - 1

    found = []
    for i in (0, 1, 0, 2, 3, 0, 1):
        found += [f(np.eye(2) * i), g(np.ones(2) * i)]
    for i in (1, 0, 2, 1, 0):
        found += [f(np.eye(3) * i), g(np.ones(3) * i)]
    return found


def assertions(np):
    """`assert` on a value, and a ValueError of the function's own."""

    @jitted(np)
    def f(x):
        assert x.min() >= 0, "negative"
        if x.max() > 5:
            raise ValueError("too large")
        return x.sum()

    found = []
    for s in (1, 2, -1, 9, 1, -1, 9, 2):
        try:
            found.append(float(f(np.ones(2) * s)))
        except (AssertionError, ValueError) as error:
            found.append(str(error))
    return found


def reader_before_a_write(np):
    """An expression built before a jitted write keeps the old values."""

    @jitted(np)
    def f(a):
        a *= 10
        return a + 1

    a, found = np.arange(3.0), []
    for _ in range(5):
        early = a + 0.5
        late = f(a)
        found += [early, late, a.copy()]
    return found


def loop_with_decay(np):
    """`dt *= 0.5` in a long loop, on a Python float."""

    @jitted(np)
    def f(x):
        dt = 1.0
        for _ in range(6000):
            x = x + dt * x
            dt *= 0.5
        return x

    return [f(np.arange(3.0) + i) for i in range(4)]


def loop_with_a_special_step(np):
    """`if i == 5000` in a loop of 6,000 turns."""

    @jitted(np)
    def f(x):
        for i in range(6000):
            x = x * 2 if i == 5000 else x + i
        return x

    return [f(np.arange(3.0) + i) for i in range(4)]


def loop_with_append(np):
    """A long loop that appends to a local list."""

    @jitted(np)
    def f(x):
        rows = []
        for i in range(6000):
            x = np.sin(x + i)
            rows.append(x)
        return np.stack(rows), rows[-1], rows

    return [f(np.arange(3.0) + i) for i in range(4)]


def range_reads_its_index(np):
    """`for i in lt.range(n)` that uses `i` as an index, a bound and a number; its variables are read afterwards."""
    over = getattr(np, "range", range)

    @jitted(np)
    def f(x, n):
        for i in over(n):
            part = x[i:]
            j = 2 * i + 1
            x[i] = part.sum() * 0.5 - i
            x = x * 0.75 + j
        part[0] = 5
        return x, part, i, j

    return [f(np.arange(70.0) + k, n) for k, n in enumerate((60, 60, 33, 1))]


def range_with_ways_out(np):
    """`break`, `continue`, `else` and an early `return` in `for i in lt.range(n)`, by `i` and by values."""
    over = getattr(np, "range", range)

    @jitted(np)
    def f(x, most, last):
        for i in over(50):
            if i % 7 == 3:
                continue
            if i == last:
                return x, i
            if x[i] > most:
                break
            x[i] += i
        else:
            x[0] = -1
        return x

    return [f(np.arange(50.0), most, last) for most in (100, 30, 100) for last in (44, 60)]


def range_with_numbers_carried(np):
    """`dt *= 0.5`, a counter and a list that grows in `for i in lt.range(n)`."""
    over = getattr(np, "range", range)

    @jitted(np)
    def f(x):
        dt, k, found = 1.0, 0, []
        for i in over(40):
            x = x + dt * i
            dt, k = dt * 0.5, k + 2
            found.append(x[i % 3] * k)
        return x, dt, k, found

    return [f(np.arange(3.0) + k) for k in range(4)]


def range_that_fails_in_a_turn(np):
    """An index out of bounds in a late turn of `for i in lt.range(n)`: what was written before stays."""
    over = getattr(np, "range", range)

    @jitted(np)
    def f(x, y, n):
        for i in over(n):
            x[i] = y[i] * i
            y = y + x[i]
        return y

    results = []
    for n in (40, 60, 40, 60):
        x = np.zeros(50)
        try:
            results.append(f(x, np.arange(50.0), n))
        except IndexError as error:
            results.append(str(error))
        results.append(x)
    return results


def ranges_within_each_other(np):
    """`A[i, j] -= A[i, :j] @ A[:j, j]` under `lt.range`s whose bounds are the outer index."""
    over = getattr(np, "range", range)

    @jitted(np)
    def f(A):
        for i in over(len(A)):
            for j in over(i):
                A[i, j] -= A[i, :j] @ A[:j, j]
                A[i, j] /= A[j, j]
            for j in over(i, len(A)):
                A[i, j] -= A[i, :i] @ A[:i, j]
        return A

    return [f(np.arange(1600.0).reshape(40, 40) % 7 + np.eye(40) * 40 * k) for k in (1, 2, 3)]


def while_on_a_value(np):
    """`while` on a value: another number of turns at each call."""

    @jitted(np)
    def f(x):
        turns = 0
        while x.max() > 1:
            x = x / 2
            turns += 1
        return x, turns

    return [f(np.arange(4.0) * s) for s in (1, 8, 1, 100, 8, 3, 1, 0, 0, 1000)]


def min_and_max_of_values(np):
    """Python's `min`, `max`, `sorted` and chained comparisons on elements."""

    @jitted(np)
    def f(x):
        low, high = min(x[0], x[1], x[2]), max(x)
        return low, high, sorted([x[0], x[2]])[0], 0 < x[1] < high

    return [f(np.array(v)) for v in ([1.0, 2, 3], [3.0, 2, 1], [1.0, 2, 3], [2.0, 9, 1], [0.0, 0, 0])]


def value_used_by_python(np):
    """`.item()`, `float()` and `int()`: the value is Python's, another at each call."""

    @jitted(np)
    def f(x):
        n = int(x[0])
        return np.zeros(n) + x.sum().item(), float(x.mean()) * 2

    return [f(np.ones(3) * s) for s in (1, 2, 2, 3, 1, 4, 5, 6, 7, 8, 9, 10, 11)]


def size_from_a_value(np):
    """A mask gives an array of another length at each call."""

    @jitted(np)
    def f(x):
        kept = x[x > 1]
        return kept * 2, len(kept), np.unique(x)

    return [f(np.array(v)) for v in ([0.0, 2, 3], [0.0, 2, 3], [5.0, 2, 3], [0.0, 0, 0], [2.0, 2, 0], [0.0, 2, 3])]


def elements_read_and_written(np):
    """Elements in loops: `A[i, j] -= A[i, :j] @ A[:j, j]`."""

    @jitted(np)
    def lu(A):
        n = A.shape[0]
        for i in range(n):
            for j in range(i):
                A[i, j] -= A[i, :j] @ A[:j, j]
                A[i, j] /= A[j, j]
            for j in range(i, n):
                A[i, j] -= A[i, :i] @ A[:i, j]
        return A

    found = []
    for k in range(4):
        A = np.arange(25.0).reshape(5, 5) % 7 + np.eye(5) * (20 + k)
        lu(A)
        found.append(A)
    return found


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Pair:
    """Two arrays."""

    left: object
    right: object


def containers(np):
    """Dicts, lists, tuples, named tuples and dataclasses in and out."""

    @jitted(np)
    def f(d, p, q):
        return {"s": d["a"] + d["b"][0], "p": Point(p.x * 2, p.y)}, [q.left, (q.right + 1,)], Pair(p.x, q.left - 1)

    found = []
    for i in range(5):
        x = np.arange(3.0) + i
        d, p = {"a": x, "b": [x * 2, 5]}, Point(x, "name")
        result = f(d, p, Pair(x + 1, x + 2))
        found += [result[0], result[1], result[2].left, result[2].right, result[1][0] is d["a"]]
    return found


def same_object_twice_in_the_result(np):
    """One array in two places of a result is one array."""

    @jitted(np)
    def f(x):
        y = x + 1
        return y, [y], y[1:]

    found = []
    for i in range(5):
        a, (b,), c = f(np.arange(3.0) + i)
        a[1] = 50
        found += [a is b, a, c]
    return found


def methods(np):
    """A jitted method, on two objects, whose attributes change."""

    class Layer:
        def __init__(self, w):
            self.w, self.on = w, True

        @jitted(np)
        def __call__(self, x):
            return x @ self.w if self.on else x

    a, b, found = Layer(np.eye(3)), Layer(np.ones((3, 3))), []
    for i in range(5):
        x = np.arange(3.0) + i
        found += [a(x), b(x)]
        a.w = a.w * 2
        b.on = not b.on
    return found


def dtypes_change(np):
    """The same function on other dtypes, ranks and layouts."""

    @jitted(np)
    def f(x):
        return x * 2 + x.sum(axis=0)

    x = np.arange(6)
    kinds = [x, x * 1.0, x.reshape(2, 3), x.astype("f4"), x.reshape(2, 3).T, (x * 1j), x[::2], x > 2, x[:1], x[:0]]
    return [f(k) for _ in range(4) for k in kinds]


def scalars_in_and_out(np):
    """Lazy scalars and elements as arguments and results."""

    @jitted(np)
    def f(s, x):
        return s * 2, x * s, x[0], x.sum() - s

    found = []
    for i in range(5):
        x = np.arange(3.0) + i
        found.append(f(x.sum(), x))
        found.append(f(x[1], x))
    return found


def error_states(np):
    """`errstate` inside and outside: warnings that are raised come from the Python."""

    @jitted(np)
    def f(x):
        with np.errstate(divide="ignore"):
            y = 1 / x
        return np.log(y)

    found = []
    for s in (1.0, 2.0, 0.0, 1.0, 0.0):
        with np.errstate(all="ignore"):
            found.append(f(np.ones(2) * s))
        with np.errstate(invalid="raise"):
            try:
                found.append(f(-np.ones(2) * s))
            except FloatingPointError:
                found.append("raised")
    return found


def statistics_and_decompositions(np):
    """Functions that NumPy runs at once: sorting, inverses, unique values, means over axes."""

    @jitted(np)
    def f(m):
        q, r = np.linalg.qr(m)
        values = np.linalg.svd(m, compute_uv=False)
        return q @ r, values, np.sort(m, axis=0), np.median(m), m.mean(axis=1), np.linalg.solve(m, m[0]), np.argsort(m)

    return [f(np.arange(9.0).reshape(3, 3) % 5 + np.eye(3) * (i + 2)) for i in range(6)]


def index_arrays(np):
    """Index arrays as arguments and constants, read and written."""

    @jitted(np)
    def f(x, at):
        y = x[at] + x[[0, 1]][:1]
        x[at] = -1
        x[np.array([2])] = 7
        return y, np.take(x, at)

    found = []
    for i in range(6):
        x = np.arange(6.0)
        at = np.array([i % 6, (i + 2) % 6])
        found += [f(x, at), x]
    try:
        f(np.arange(6.0), np.array([1, 9]))
    except IndexError as error:
        found.append(type(error).__name__)
    return found


def constants_given_away(np):
    """An array made of nothing inside is new at every call."""

    @jitted(np)
    def f(n):
        a = np.zeros(3)
        a[0] = 1
        return a, np.arange(3), a[1:]

    found = []
    for _ in range(5):
        a, b, c = f(3)
        a += 5
        b[:] = 9
        found += [a, b, c, f(3)]
    return found


def quiet(np):
    """No warnings of ours; with NumPy there are none."""
    import warnings

    context = warnings.catch_warnings()

    class Quiet:
        def __enter__(self):
            context.__enter__()
            if hasattr(np, "jit"):
                warnings.simplefilter("ignore", np.errors.HybridWarning)

        def __exit__(self, *exc):
            context.__exit__(*exc)

    return Quiet()


PROGRAMS = [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == __name__
            and getattr(f, "__code__", None) and f.__code__.co_varnames[:f.__code__.co_argcount] == ("np",)
            and f.__name__ not in ("jitted", "quiet")]  # fmt: skip
__all__ = ["PROGRAMS", "is_lazy"]
