"""Operators on small arrays that run when they are written (`config(eager_after=)`)."""

import warnings

import numpy as real
import pytest

from tests import program_computed, programs

from .helpers import module_under_test, same_bits

pytestmark = pytest.mark.skipif(getattr(module_under_test(), "_native", None) is None, reason="the extension does it")


def pending(t):
    node = t._value if hasattr(t, "_value") else t._node
    return node.buffer is None


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


@pytest.mark.parametrize("call", CALLS)
def test_they_give_what_numpy_gives(np, call):
    rng = real.random.default_rng(0)
    given = {"x": rng.random(10), "y": rng.random(10), "i": rng.integers(1, 9, 10)}
    own = {name: np.array(value) for name, value in given.items()}
    np.realize(*own.values())
    eval(call, {"np": np, **own})  # reductions are known from the second time on
    found, expected = eval(call, {"np": np, **own}), eval(call, {"np": real, **given})
    assert not hasattr(found, "_value") or found._value.__class__.__name__ == "View" or not pending(found)
    assert same_bits(real.asarray(expected), real.asarray(found))
    assert real.asarray(found).strides == real.asarray(expected).strides


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


def test_chains_wait():
    np = module_under_test()
    x = np.arange(4.0)
    np.realize(x)
    with np.config(eager_after=2):
        for _ in range(8):
            y = ((x + 1) * x - 2) * x + 3
            assert pending(y)
            np.realize(y)


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
    x = np.zeros(5000)
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
