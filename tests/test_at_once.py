"""Operators on small arrays that run when they are written (`config(eager_after=)`)."""

import warnings

import numpy as real
import pytest

from tests import program_computed, programs

from .helpers import module_under_test, same_bits

pytestmark = pytest.mark.skipif(getattr(module_under_test(), "_native", None) is None, reason="the extension does it")


def pending(t):
    node = t._node if isinstance(t, real.generic) or hasattr(type(t), "_node") else t._value
    return (node.root._value if hasattr(node, "root") else node).buffer is None


@pytest.fixture
def np():
    module = module_under_test()
    with module.config(eager_after=0):
        yield module


CALLS = ["x + y", "2 - x", "x / i", "i // 2", "i % 3", "x ** 2", "2.0 ** x", "x < y", "-x", "abs(x)", "~i", "i << 1",
         "x[1:] - x[:-1]", "np.exp(x)", "np.maximum(x, 0.5)", "x.sum()", "x.max()", "x.mean()", "x.argmax()",
         "x.cumsum()", "np.where(x > y, x, y)", "np.clip(x, 0.2, 0.8)", "np.outer(x, y)", "np.diff(x)",
         "x[:, None] * y", "np.std(x)", "x[[1, 2]]", "x[i % 5]", "x.reshape(2, 5).T + 1", "y * x.sum()",
         "np.sqrt(x.sum())"]


def assert_laid_alike(found, expected):
    """The same bits, in the same layout."""
    assert same_bits(real.asarray(expected), real.asarray(found))
    assert real.asarray(found).strides == real.asarray(expected).strides


@pytest.mark.parametrize("call", CALLS)
def test_they_give_what_numpy_gives(np, call):
    rng = real.random.default_rng(0)
    given = {"x": rng.random(10), "y": rng.random(10), "i": rng.integers(1, 9, 10)}
    own = {name: np.array(value) for name, value in given.items()}
    np.realize(*own.values())
    eval(call, {"np": np, **own})  # reductions are known from the second time on
    found, expected = eval(call, {"np": np, **own}), eval(call, {"np": real, **given})
    assert not hasattr(found, "_value") or found._value.__class__.__name__ == "View" or not pending(found)
    assert_laid_alike(found, expected)


def test_a_line_that_is_run_alone_runs_at_once_after_a_while():
    np = module_under_test()
    x = np.arange(4.0)
    np.realize(x)
    with np.config(eager_after=5):
        found = []
        for _ in range(8):
            y = x + 1
            found.append(pending(y))
            np.realize(y)
        assert found == [True] * 5 + [False] * 3
        np.explain(x * 2)
        y = x + 1
        assert pending(y)


def test_short_lines_between_products_run_at_once_whatever_is_computed_with_them():
    np = module_under_test()
    matrix, d, first = np.ones((300, 300)), np.full(300, 2.0), np.ones(300)
    np.realize(matrix, d, first)
    with np.config(eager_after=8):
        for turn in range(3):
            large, x, waits = matrix + 2.0, first, []
            for _ in range(20):
                x = (d - large @ x) / d
                waits.append(pending(x))
            assert all(waits) == (turn == 0)
            np.realize(x)


def test_kernels_between_products_wait():
    np = module_under_test()
    matrix, first = np.ones((300, 300)), np.ones((300, 300))
    np.realize(matrix, first)
    with np.config(eager_after=8):
        for _ in range(3):
            x = first
            for _ in range(20):
                x = np.tanh((matrix @ x) * 0.5 + 0.25) - 0.125
                assert pending(x)
            np.realize(x)


@pytest.mark.parametrize("n, function", [(1000, "positive"), (4, "exp"), (1000, "exp")])
def test_chains_wait(n, function):
    np = module_under_test()
    x, f = np.arange(float(n)) / n, getattr(np, function)
    np.realize(x)
    with np.config(eager_after=2):
        for _ in range(8):
            y = f(f(f((x + 1) * x - 2) * x + 3))
            assert pending(y)
            np.realize(y)


@pytest.mark.parametrize("length", [3, 100])
def test_chains_of_arithmetic_on_few_floats_run_at_once_on_as_few(length):
    np = module_under_test()

    def chain(x):
        y = x
        for _ in range(length):
            y = 0.5 * y + x
            y = y - 0.25 * x
        return y

    x = np.arange(10.0)
    assert ran_at_once(np, chain, x)
    with np.config(eager_after=4):
        for _ in range(12):
            np.realize(chain(x))
        middling, long = np.arange(400.0), np.arange(1000.0)
        np.realize(middling, long)
        assert not pending(chain(middling)) and pending(chain(long))


def ran_at_once(np, f, *given):
    """Whether a program's result is there at once when its lines have run often."""
    np.realize(*given)
    with np.config(eager_after=4):
        for _ in range(12):
            np.realize(f(*given))
        return not pending(f(*given))


@pytest.mark.parametrize("n", [200, 1000])
def test_a_sum_at_the_end_of_a_chain_waits_with_it(n):
    np = module_under_test()
    assert not ran_at_once(np, lambda x: (((x + 1) * x - 2) * x + 3).sum(), np.arange(float(n)))
    assert ran_at_once(np, lambda x: (x * x).sum(), np.arange(float(n)))


@pytest.mark.parametrize("shape", [(2, 16), (20, 6), (1, 100)])
def test_chains_with_reductions_of_rows_wait(shape):
    np = module_under_test()

    def normalised(x):
        return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * 3 + 1

    x = np.arange(float(shape[0] * shape[1])).reshape(shape)
    assert not ran_at_once(np, normalised, x)
    assert ran_at_once(np, lambda x: x.max(axis=1), x)


def test_long_runs_of_what_no_kernel_has_run_at_once():
    """However long a loop's operations have been pending: products split them."""
    np = module_under_test()

    def steps(m, v):
        for _ in range(20):
            v = np.tanh(m @ v + 1) * 0.5
        return v
    assert ran_at_once(np, steps, np.eye(4), np.ones(4))


@pytest.mark.parametrize("turn", range(12))
def test_lines_do_not_push_each_other_out_of_what_is_counted(turn):
    """Wherever their code lies: what is counted of lines is found by its address."""
    np = module_under_test()
    given = {"np": np}
    exec("def lines(x):\n y = [x]\n" + " y.append(x + 1)\n" * 40 + " return y", given)
    x = np.ones(4)
    np.realize(x)
    with np.config(eager_after=4):
        for _ in range(12):
            for y in given["lines"](x):
                np.realize(y)
        assert not any(pending(y) for y in given["lines"](x))


def test_a_pending_start_does_not_keep_a_loop_pending():
    np = module_under_test()
    h = np.ones(4)
    np.realize(h)

    def step(x):
        x += h
        y = x * 2
        return y
    with np.config(eager_after=4):
        for _ in range(12):
            x = np.zeros(4)
            np.realize(x)
            np.realize(x.__iadd__(h))
            np.realize(step(x))
        x = np.zeros(4) * 3 + 1
        assert pending(x)
        y = step(x)
        assert not pending(x) and not pending(y) and y.tolist() == [4] * 4


def test_nested_lists_of_numbers_are_handed_on(np):
    v = np.array([1.0, 2.0])
    found = np.array([[2 * v[0], 2 * v[1]], [v[1], v[0]]])
    assert found.tolist() == [[2, 4], [2, 1]] and type(found) is type(v)
    assert np.array([[v, v], [v, v]]).shape == (2, 2, 2)


def test_what_an_operand_waits_for_is_computed_first(np):
    x = np.ones(3)
    np.realize(x)
    with np.config(eager_after=None):
        y = np.exp(x)
    assert pending(y)
    with np.errstate(all="raise"):
        assert same_bits(real.exp(real.ones(3)) + 1, real.asarray(y + 1))


def test_writes_do_not_reach_what_pending_work_reads(np):
    x = np.arange(4.0)
    np.realize(x)
    with np.config(eager_after=None):
        y = x * 2
    view = x[1:]
    x += 1
    view *= 10
    x[0] = 5.0
    assert y.tolist() == [0, 2, 4, 6] and x.tolist() == [5, 20, 30, 40]
    x[[0, 1]] = x[[1, 0]]
    assert x.tolist() == [20, 5, 30, 40]


def test_warnings_and_errors_come_at_the_line(np):
    x = np.zeros(3)
    np.realize(x)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        x / 0.0
    assert [(str(w.message), w.filename) for w in given] == [("invalid value encountered in divide", __file__)]
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        (x + 1) / 0.0
    with pytest.raises(ValueError, match="could not be broadcast"):
        x + np.ones(4)


def test_large_arrays_wait(np):
    x = np.zeros(70_000)
    np.realize(x)
    assert pending(x + 1)


def test_a_trace_sees_operations(np):
    f = np.jit(lambda a: a * 2 + 1)
    for k in range(3):
        assert f(np.full(3, float(k))).tolist() == [2 * k + 1] * 3


@pytest.mark.parametrize("first", range(9000, 9100, 25))
def test_random_programs(np, first):
    for seed in range(first, first + 25):
        found = programs.run(programs.generate(seed), np)
        assert not found, programs.shrink(found, np).report(np.__name__)


def test_functions_of_views_of_what_they_compute(np):
    for seed in range(400, 430):
        found, _ = program_computed.tried(seed, np, jitted=False)
        assert not found, found.report(np.__name__)


FUNCTIONS = ["np.linalg.norm(x)", "np.linalg.norm(x - y)", "np.nansum(n)", "np.nanmean(n)", "np.nanmean(n2, axis=1)",
             "np.einsum('i,i->', x, y)", "np.count_nonzero((x > 0.2) & (y > 0.5))", "np.where(x > 0.5)[0]",
             "np.where(m2)[1]", "np.average(x, weights=y)", "np.sum(x, initial=1.0)", "np.max(x2, axis=1, initial=0.5)",
             "np.sum(x, where=x > 0.5)", "np.gradient(x)", "np.gradient(x2)[1]", "np.trapezoid(x, dx=0.1)",
             "np.select([x > 0.7, y > 0.5], [x, y])", "np.sort(x)", "np.median(x[::2])",
             "np.tile(x2, (1, 2))", "np.roll(x2, 3, axis=1)", "np.concatenate([x, y[5:]])",
             "np.interp(x, y[:3], y[3:6])", "np.linalg.norm(x2.T, 1)", "np.cov(x, y)",
             "np.cross(x2[:, :3], x2[:, 3:6])", "np.take(x, i)", "x.sum(initial=1.0)",
             "x2.max(axis=1, initial=0.5)", "x2.mean(0, where=m2)", "np.ptp(x)"]


def _given():
    rng = real.random.default_rng(0)
    x, y = rng.random(30000), rng.random(30000)
    nans = real.where(x > 0.9, real.nan, x)
    return {"x": x, "y": y, "n": nans, "x2": x.reshape(300, 100), "n2": nans.reshape(300, 100),
            "m2": y.reshape(300, 100) > 0.5, "i": rng.integers(0, 30000, 30000)}


@pytest.mark.parametrize("call", FUNCTIONS)
def test_functions_that_no_kernel_takes_in_run_at_once_on_larger_arrays(np, call):
    given = _given()
    own = {name: np.array(value) for name, value in given.items()}
    np.realize(*own.values())
    expected, code = eval(call, {"np": real, **given}), compile(call, "line", "eval")
    with np.config(eager_after=None):
        waited = eval(code, {"np": np, **own})
    found = eval(code, {"np": np, **own})
    if isinstance(found, (np.ndarray, real.generic)) and hasattr(found, "_value") and hasattr(found._value, "buffer"):
        assert not pending(found)
    assert type(found) is type(waited)
    assert_laid_alike(found, expected)


def test_functions_on_lines_that_run_alone_run_at_once_after_a_while():
    np = module_under_test()
    x = np.arange(30000.0)
    np.realize(x)
    with np.config(eager_after=5):
        found, chained = [], []
        for _ in range(8):
            twice = np.tile(x + 1, 2)
            found.append(pending(twice))
            np.realize(twice)
            again, total = np.tile(x + 1, 2), (x + 1).max()  # whose run is one with the reduction's
            chained.append(pending(again))
            np.realize(again, total)
        assert found == [True] * 5 + [False] * 3
        assert all(chained[:5]), "and later `x + 1` runs at once, so that what the call is given is there"


def test_functions_on_arrays_that_threads_may_share_wait(np):
    x = np.zeros(1 << 17)
    np.realize(x)
    assert pending(np.sqrt(x)) and not pending(np.tile(x, 2)) and not pending(np.tile(x[:5000], 2))


def test_functions_at_once_see_the_values_and_the_memory_of_their_time(np):
    x = np.arange(30000.0)
    np.realize(x)
    x += 1
    norm, largest = np.linalg.norm(x[:9]), np.max(x, initial=0.0)
    x[:] = 0
    assert norm == real.linalg.norm(real.arange(1.0, 10.0)) and largest == 30000.0
    memory = real.asarray(x)
    memory[0] = 7
    assert np.nansum(x) == 7


def test_warnings_and_errors_of_functions_come_at_the_line(np):
    x = np.full(30000, np.nan)
    np.realize(x)
    with pytest.warns(RuntimeWarning, match="Mean of empty slice") as caught:
        np.nanmean(x)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError):
        np.interp(x, x, x[1:])
