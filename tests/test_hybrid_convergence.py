"""Python's own loops that a value ends, in jitted functions: their turns are generated, and nothing else shows."""

import types

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import exits
from tests import program_convergence
from tests.helpers import difference
from tests.program_jit import unchecked

pytestmark = pytest.mark.skipif(not exits.KNOWN, reason="the bytecode of this Python's loops is not known")


def plain(fn):
    return types.FunctionType(fn.__code__, {**fn.__globals__, "np": real}, fn.__name__, fn.__defaults__, fn.__closure__)


def followed(fn, made, calls=24, checks=True):
    """Calls both with fresh data, compares results, arguments and exceptions, and gives the jitted function, which has
    kernels in the last third of the calls."""
    f, g = np.jit(fn), plain(fn)
    with unchecked(not checks):
        for k in range(calls):
            if k == 2 * calls // 3:
                for one in f._compiled:
                    one.quicken()
            given = made(real.random.default_rng(k))
            own = [np.array(x) if isinstance(x, real.ndarray) else x for x in given]
            outcomes = []
            for call, args in ((g, given), (f, own)):
                try:
                    outcomes.append((call(*args), None))
                except Exception as error:
                    outcomes.append((None, f"{type(error).__name__}: {error}"))
            assert outcomes[0][1] == outcomes[1][1]
            assert difference((outcomes[0][0], given), (outcomes[1][0], tuple(own))) is None, k
    return f


def vectors(rng):
    return (rng.uniform(1, 10 ** rng.uniform(0.1, 12), 7),)


def is_rolled(f):
    return "= loop_" in f.source and f.cache_info()["python"] is None


# ---- loops that are generated ----------------------------------------------------------------------------------------


def halved(x):
    while x.max() > 1:
        x = x * 0.5
    return x


def mid_of_the_turn(x):
    old = 0.0
    while True:
        x = np.sqrt(x)
        new = x.sum()
        if abs(new - old) < 1e-3:
            break
        old = new
    return x, new


def until_true(x):
    y = x * 1.0
    while not (y < 1).all():
        y = y / 3
    return y


def in_place(x):
    x += 1
    while x.max() > 2:
        x *= 0.5
    return x.sum()


def parts_written(x):
    y = x.copy()
    while np.abs(y).sum() > 3:
        y[1:] = y[:-1] * 0.5
        y[0] *= 0.25
    return y


def values_within_branches(x):
    lo, hi = x.min() * 0, x.max()
    while hi - lo > 1e-2 * hi:
        mid = (lo + hi) / 2
        if (x > mid).sum() > 3:
            lo = mid
        else:
            hi = mid
    return lo, hi


def last_turns_variables(x):
    step = x
    while np.abs(step).max() > 1e-3:
        step = x * 0.3
        x = x - step
        least = x.min()
    return x, step, least


def two_loops(x):
    while x.max() > 10:
        x = x * 0.5
    y = x + 1
    while y.sum() > 1:
        y = y * 0.9
    return x, y


def helper(x, limit):
    while x.max() > limit:
        x = x * 0.7
    return x


def loops_in_functions(x):
    return helper(x, 5) + helper(x * 2, 3)


def loop_in_with(x):
    with np.errstate(over="ignore"):
        while x.max() > 1:
            x = x * 0.5
    return x


def with_a_closure(x):
    scale = x.mean() * 0 + 0.5

    def shrunk(y):
        return y * scale
    while x.max() > 1:
        x = shrunk(x)
    return x


def long_body(x):
    y = x * 1.0
    while y.max() > 1:
        a = y * 0.5 + 0.1 - 0.1 + 0.2 - 0.2 + 0.3 - 0.3
        b = a * 0.5 + 0.1 - 0.1 + 0.2 - 0.2 + 0.3 - 0.3 + a * 0.1 - a * 0.1 + a * 0.2 - a * 0.2
        c = b + a * 0.5 + 0.1 - 0.1 + 0.2 - 0.2 + 0.3 - 0.3 + b * 0.1 - b * 0.1 + b * 0.2 - b * 0.2
        if c.max() < 0.5:
            y = y * 0.25
        else:
            y = np.abs(c) * 0.5
    return y


def broken_off(x):
    old = x.sum()
    for _ in range(100):
        x = x * 0.7 + 0.01
        new = x.sum()
        if abs(new - old) < 1e-3 * old:
            break
        old = new
    return x, old


def broken_off_by_its_index(x):
    y = x * 0
    weights = np.arange(60.0)
    for k in range(60):
        y = y + x * weights[k]
        if y.max() > 1e9:
            break
    return y


def broken_off_or_not(x):
    n = 12
    for _ in range(n):
        x = np.sqrt(x)
        if x.max() < 1.1:
            break
    else:
        x = x + 1
    return x


def broken_off_with_parts_written(x):
    y = x.copy()
    for _ in range(50):
        y[1:] = (y[1:] + y[:-1]) * 0.5
        y *= 0.9
        if y.max() < 1:
            break
        y[0] = y[0] * 0.9
    return y


def index_is_read_after_the_break(x):
    y, e = x * 0.0, x.max()
    for k in range(60):
        if e < 1:
            break
        e = e * 0.5
        y = y * 0.5 + k
    return y, e


def index_is_read_before_the_break(x):
    y, e = x * 0.0, x.max()
    for k in range(60):
        e = e * 0.5
        y = y * 0.5 + k
        if e < 1:
            break
        y = y - 1
    return y, e


def index_is_read_on_both_sides(x):
    y, e = x * 0.0, x.max()
    for k in range(60):
        y = y * k
        e = e * 0.5
        if e < 1:
            break
        y[1:] += k * x[:-1]
    return y, e


def power_iteration(x):
    a = np.outer(x, x) / 50 + np.diag(x)
    v = np.ones(len(x))
    largest = 0.0
    for _ in range(200):
        w = a @ v
        new = v @ w
        v = w / np.linalg.norm(w)
        if abs(new - largest) < 1e-6 * new:
            break
        largest = new
    return largest, v


def another_name_of_what_it_carries(x):
    step = x
    while np.abs(step).max() > 1e-3:
        new = np.sqrt(x)
        step = new - x
        x = new
    return x, step


ROLLED = [power_iteration, another_name_of_what_it_carries, broken_off, broken_off_or_not,
    broken_off_with_parts_written, broken_off_by_its_index, halved,
    mid_of_the_turn, until_true, in_place, parts_written, values_within_branches, last_turns_variables, two_loops,
    loops_in_functions, loop_in_with, with_a_closure, long_body, index_is_read_after_the_break,
    index_is_read_before_the_break, index_is_read_on_both_sides]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn", ROLLED, ids=lambda fn: fn.__name__)
def test_a_loop_that_a_value_ends_is_one_way(fn, checks):
    f = followed(fn, vectors, checks=checks)
    assert is_rolled(f), f.explain()
    assert f.cache_info()["paths"] < 12


# ---- loops that are not, or not so -----------------------------------------------------------------------------------


def counts(x):
    n = 0
    while x.max() > 1:
        x = x * 0.5
        n += 1
    return x, n


def appends(x):
    found = []
    while x.max() > 1:
        x = x * 0.5
        found.append(x.sum())
    return x, found


def returns_within(x):
    while x.max() > 1:
        x = x * 0.5
        if x.min() < 0.01:
            return x * 2
    return x


def breaks_elsewhere(x):
    while x.max() > 1:
        y = x * 0.5
        if y.min() < 0.01:
            break
        x = y * 0.7
    return x, y if x.max() > 1 else x


def continues(x):
    while x.max() > 1:
        x = x * 0.5
        if x.min() < 0.5:
            continue
        x = x - 0.01
    return x


def two_conditions(x):
    n = 0
    while x.max() > 1 and n < 20:
        x = x * 0.5
        n += 1
    return x


def both_values(x):
    while x.max() > 1 and x.min() > 1e-3:
        x = x * 0.5
    return x


def grows(x):
    while x.sum() > 1:
        x = np.concatenate([x * 0.1, x[:1] * 0.1])
    return x


def swaps(x):
    y = x * 0.5
    while x.max() + y.max() > 1:
        x, y = y * 0.5, x
    return x, y


def old_one_is_kept(x):
    first = x
    while x.max() > 1:
        before, x = x, x * 0.5
    return first, x, before if first.max() > 1 else x


def writes_to_an_argument_known_twice(x):
    y = x
    while y.max() > 1:
        y *= 0.5
        y = y * 0.5
    return x, y


def within_each_other(x):
    while x.max() > 1:
        y = x * 1.0
        while y.max() > 0.5:
            y = y * 0.3
        x = x * 0.5 + y * 0.1 - y * 0.1
    return x


def raises_within(x):
    while x.max() > 1:
        x = x * 0.5
        if x.max() < 1.5:
            raise ValueError("close")
    return x


def caught_around(x):
    try:
        while x.max() > 1:
            x = x * 0.5
            if x.max() < 0.6:
                raise KeyError
    except KeyError:
        return x * 0
    return x


def changes_type(x):
    total = 0
    while x.max() > 1:
        x = x * 0.5
        total = total + (x > 1).sum() if total is not None else None
    return total


def unbound_at_first(x):
    while x.max() > 1:
        x = x * 0.5
        if x.max() < 4:
            last = x
    return last


def deletes(x):
    while x.max() > 1:
        y = x * 0.5
        x = y
        del y
    return x


def evaluates(x):
    while x.max() > 1:
        x = x * 0.5
    return sorted(locals())


def draws(x, rng):
    while x.max() > 1:
        x = x * rng.uniform(0.2, 0.8, size=7)
    return x


def index_afterwards(x):
    for k in range(100):  # noqa: B007
        x = x * 0.5
        if x.max() < 1:
            break
    return x, k


def index_bound_within(x):
    for k in range(100):  # noqa: B007
        x = x * 0.5
        if x.max() < 1:
            break
        k = x  # noqa: F841
    return x


def bound_changes_within(x):
    n = 40
    for _ in range(n):
        n = n - 1
        x = x * 0.5
        if x.max() < 1:
            break
    return x, n


def own_range(x):
    def range(n):
        return [0] * (n // 2)
    for _ in range(40):
        x = x * 0.5
        if x.max() < 1:
            break
    return x


def two_ways_out(x):
    for _ in range(40):
        x = x * 0.5
        if x.max() < 1:
            break
        if x.min() < 0.01:
            return x + 1
    return x


def index_to_the_border(x):
    y = x * 0
    for k in range(40):
        y = y + x[k:k + 2].sum()
        if y.max() > 1e8:
            break
    return y


def index_decides(x):
    for k in range(40):
        x = x * 0.5 if k % 3 else x * 0.25
        if x.max() < 1:
            break
    return x


OTHERS = [index_afterwards, index_bound_within, bound_changes_within, own_range, two_ways_out, index_to_the_border,
    index_decides, counts, appends, returns_within, breaks_elsewhere, continues, two_conditions, both_values, grows,
    swaps, old_one_is_kept, writes_to_an_argument_known_twice, within_each_other, raises_within, caught_around,
    changes_type, unbound_at_first, deletes, evaluates]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn", OTHERS, ids=lambda fn: fn.__name__)
def test_whatever_else_a_loop_does_it_gives_what_python_gives(fn, checks):
    followed(fn, vectors, calls=16, checks=checks)


def test_draws_in_a_loop_go_on_where_they_are():
    f, rng, twin = np.jit(draws), np.random.default_rng(4), real.random.default_rng(4)
    for k in range(20):
        x = vectors(real.random.default_rng(k))[0]
        assert difference(draws(x, twin), f(np.array(x), rng)) is None


def test_effects_in_a_loop_are_seen():
    class Count:
        turns = 0

    def f(x, count):
        while x.max() > 1:
            x = x * 0.5
            count.turns += 1
        return x

    g = np.jit(f)
    ours, theirs = Count(), Count()
    for k in range(20):
        x = vectors(real.random.default_rng(k))[0]
        assert difference(f(x, theirs), g(np.array(x), ours)) is None
        assert ours.turns == theirs.turns


def test_warnings_in_a_late_turn_are_numpys():
    def f(x):
        while x.max() < 1e300:
            x = x * x
        return x * x

    g = np.jit(f)
    for k in range(20):
        x = real.random.default_rng(k).uniform(2, 10 ** (k % 5 + 1), 4)
        with real.errstate(over="ignore"):
            assert difference(f(x), g(np.array(x))) is None
    import warnings
    x = real.array([1.5, 7.0])
    for call, given in ((f, x), (g, np.array(x))):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            result = call(given)
            assert difference(f(x) if call is g else result, result) is None
        assert [str(w.message).split(" (")[0] for w in found][:1] == ["overflow encountered in multiply"]


def test_an_argument_of_another_kind_is_traced_anew():
    f = np.jit(halved)
    for k in range(30):
        x = vectors(real.random.default_rng(k))[0]
        if k % 3 == 1:
            x = x.astype("f4")
        elif k % 3 == 2:
            x = x.reshape(7, 1)[::-1]
        assert difference(halved(x), f(np.array(x))) is None
    assert is_rolled(f)


def test_a_loop_that_was_generated_says_so():
    f = followed(halved, vectors)
    assert "while a value says so" in f.explain()
    assert "loops generated that values end" in str(f.cache_info()["reasons"])


def test_a_loop_that_cannot_be_generated_says_why():
    def shortened(x):
        while x.max() > 1:
            x = x * 0.5
            if len(x) > 3:
                x = x[1:]
        return x

    f = followed(shortened, vectors)
    assert not is_rolled(f)
    (told,) = [text for text in f.cache_info()["reasons"] if "turn by turn" in text]
    assert told.startswith("its loop is traced turn by turn: its state is a view")
    assert f"({__file__}, line {shortened.__code__.co_firstlineno + 1})" in told and told in f.explain()


# ---- effects on Python objects in a loop -----------------------------------------------------------------------------


class Thing:
    def __init__(self, x):
        self.x, self.n, self.log = x, 0, []


def set_added(x):
    seen = set()
    while x.max() > 1:
        x = x * 0.5
        seen.add(len(seen))
    return x, sorted(seen)


def dict_stored(x):
    found = {"x": x}
    while found["x"].max() > 1:
        found["x"] = found["x"] * 0.5
    return found["x"]


def dict_that_grows(x):
    found = {}
    while x.max() > 1:
        x = x * 0.5
        found[len(found)] = x
    return x, found


def list_item_stored(x):
    both = [x, x * 2]
    while both[0].max() > 1:
        both[0] = both[0] * 0.5
    return both


def attribute_bound(x):
    thing = Thing(x)
    while thing.x.max() > 1:
        thing.x = thing.x * 0.5
    return thing.x


def attribute_written(x):
    thing = Thing(x.copy())
    while thing.x.max() > 1:
        thing.x *= 0.5
    return thing.x, thing.n


def attribute_counts(x):
    thing = Thing(x)
    while x.max() > 1:
        x = x * 0.5
        thing.n += 1
    return x, thing.n


def attribute_logs(x):
    thing = Thing(x)
    while x.max() > 1:
        x = x * 0.5
        thing.log.append(1)
    return x, thing.log


def arrays_in_a_list_written(x):
    parts = [x.copy(), x.copy()]
    while parts[0].max() > 1:
        parts[0] *= 0.5
        parts[1] -= 1
    return parts


def iterator_goes_on(x):
    steps = iter(range(1000))
    while x.max() > 1:
        x = x * 0.5 + next(steps) * 1e-3
        if next(steps) > 80:
            break
    return x, next(steps)


def nonlocal_counts(x):
    n = 0

    def step(x):
        nonlocal n
        n += 1
        return x * 0.5
    while x.max() > 1:
        x = step(x)
    return x, n


def function_attribute(x):
    def step(x):
        step.n += 1
        return x * 0.5
    step.n = 0
    while x.max() > 1:
        x = step(x)
    return x, step.n


def walrus(x):
    while (m := x.max()) > 1:
        x = x * 0.5
    return x, m


def lambda_over_a_variable(x):
    scale = 0.5
    while x.max() > 1:
        f = lambda y: y * scale  # noqa: B023
        x = f(x)
    return x


def rotates_a_list(x):
    turn = [0.5, 0.25, 0.7]
    while x.max() > 1:
        x = x * turn[0]
        turn = turn[1:] + turn[:1]
    return x, turn


def rotates_by_value_then_not(x):
    y, z = x * 0.5, x * 0.25
    while x.max() > 1:
        x, y, z = y * 0.5, z, x
    x[0] = 5.0
    return x, y, z


def one_object_twice(x):
    y = x
    while x.max() > 1:
        x = y * 0.5
        y = x
    x[0] = 7.0
    return x, y


def a_view_of_it_is_kept(x):
    x = x.copy()
    v = x[1:3]
    while x.max() > 1:
        x *= 0.5
    v[0] = 9.0
    return x, v


def a_view_is_carried(x):
    v = x[1:]
    while v.max() > 1:
        v = (v * 0.5)[:]
    return v


def decides_on_an_element(x):
    y = x.copy()
    while y[0] > 1:
        y[0] = y[0] * 0.5
        y[1:] = y[:-1]
    return y


def number_of_numpys(x):
    t = np.float64(0.0)
    while x.max() > t:
        x = x * 0.5
        t = t + 0.25
    return x, t


def begins_anew_with_what_is_known_elsewhere(x):
    box = [x * 0.5, x * 1e-20, x * 0.25, x * 1e-20]
    for k in range(4):
        y = box[k]
        while True:
            if y.max() < 1:
                break
            y = y * 0.5
        y[0] = 9.0
    return box


def begins_anew_after_all_its_turns(x):
    box = [x * 0.5, x * 1e-20, x * 0.25, x * 1e-20]
    for y in box:
        for _ in range(11):
            if y.max() < 1:
                break
            y = y * 0.5
        y[0] = 9.0
    return box


def begins_anew_after_another_break(x):
    box = [x * 1.0, x * 1e-20, x * 0.25, x * 1e-20]
    for k in range(4):
        y = box[k]
        n = 0
        while True:
            if y.max() < 1:
                break
            y = y * 0.5
            n = n + 1
            if n == 2:
                break
        y[0] = 9.0
    return box


def first_one_is_kept(x):
    found = None
    while x.max() > 1:
        if found is None:
            found = x * 2
        x = x * 0.5
    return x, found


def is_what_it_was_at_first(x):
    y = x
    while x.max() > 1:
        x = x * (0.25 if y is x else 0.125)
    return x, y is x


def writes_what_becomes_another(x):
    y = x * 0
    while x.max() > 1:
        x *= 0.5
        y[:] = x
        x = y
    return x, y, x is y


def an_older_one_is_written(x):
    x = x * 1
    while x.max() > 1:
        before = x
        x = x * 0.5
        before[0] = 0
    return x


def raises_after_writes(x):
    while x.max() > 1:
        x *= 0.5
        if x.min() < 1e-3:
            raise ValueError("small")
    return x


def kind_is_asked_of_a_number(x):
    e = 10
    while e > 1:
        x = x * (0.5 if isinstance(e, int) else 0.25)
        e = x.max()
    return x, e


def flag_of_a_value(x):
    go = x.max() > 1
    while go:
        x = x * 0.5
        go = (x.max() > 1) & (x.min() > 1e-3)
    return x, go


def builtins_choose(x):
    e, least = x.max(), x.min()
    while e > 1:
        e = min(e * 0.5, e - 1)
        least = max(e, least)
    return e, least


def divided_by_zero_in_a_late_turn(x):
    with np.errstate(divide="raise"):
        e, y = np.floor(x.max()), x.sum()
        while e > 0:
            e = e // 2
            y = y + 1 / e
    return y


def transposed(x):
    x = np.outer(x, x)
    y = x.T
    while x.max() > 1:
        x = x * 0.5 + y.T * 1e-9
        y = x.T
    y[0] = 3
    return x, y


def another_name_is_written_afterwards(x):
    new = x * 1
    while x.max() > 1:
        new = x * 0.5
        x = new
    new[0] = 3
    return x, new


def another_name_is_read_in_a_closure(x):
    new = x * 1
    read = lambda: new  # noqa: E731
    while x.max() > 1:
        new = x * 0.5
        x = new
    read()[0] = 3
    return x


def another_name_is_read_when_it_raises(x):
    new = x * 1
    try:
        while x.max() > 1:
            new = x * 0.5
            x = new
            if new.min() < 1e-3:
                raise ValueError
    except ValueError:
        new[0] = 5
    return x


EFFECTS = [another_name_is_written_afterwards, another_name_is_read_in_a_closure,
           another_name_is_read_when_it_raises,
           first_one_is_kept, is_what_it_was_at_first, writes_what_becomes_another, an_older_one_is_written,
           raises_after_writes, kind_is_asked_of_a_number, flag_of_a_value, builtins_choose,
           divided_by_zero_in_a_late_turn, transposed,
           begins_anew_with_what_is_known_elsewhere, begins_anew_after_all_its_turns, begins_anew_after_another_break,
           set_added, dict_stored, dict_that_grows, list_item_stored, attribute_bound, attribute_written,
           attribute_counts, attribute_logs, arrays_in_a_list_written, iterator_goes_on, nonlocal_counts,
           function_attribute, walrus, lambda_over_a_variable, rotates_a_list, rotates_by_value_then_not,
           one_object_twice, a_view_of_it_is_kept, a_view_is_carried, decides_on_an_element, number_of_numpys]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn", EFFECTS, ids=lambda fn: fn.__name__)
def test_effects_on_python_objects_happen_once_a_turn(fn, checks):
    followed(fn, vectors, calls=16, checks=checks)


# ---- random loops ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_random_loops_give_what_numpy_gives(seed):
    found, f = program_convergence.tried(seed, np)
    assert found is None, f"{found}\n{program_convergence.random_program(seed)}\n{f.explain()}"
