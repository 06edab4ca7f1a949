"""Which kinds of arguments a jitted function is traced for where there are many."""

import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import kinds
from lazytensor.hybrid.jit import MOST_REASONS


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compiled(f):
    return f.cache_info()["compiled"]


def test_sizes_that_are_met_once_are_not_traced_for_ever():
    f = np.jit(lambda x: (x * 2 + 1).sum() / len(x))
    for n in range(1, 200):
        x = real.random.default_rng(n).random(n)
        assert f(np.array(x)) == (x * 2 + 1).sum() / n
    assert compiled(f) == kinds.EAGER
    assert len(f.cache_info()["reasons"]) <= MOST_REASONS


def test_a_size_that_is_met_often_is_traced():
    f = np.jit(lambda x, n: x * n if len(x) else x)
    for n in range(1, 20):
        f(np.ones(n), 2)
    before = f._compiled
    for _ in range(kinds.EAGER):
        assert (f(np.ones(300), 2) == real.ones(300) * 2).all()
    assert len(f._compiled) == len(before) + 1
    calls = f._compiled[0].calls
    f(np.ones(300), 2)
    assert f._compiled[0].calls == calls + 1


def test_kinds_are_told_apart_in_whatever_holds_them():
    def nested(x, n=0):
        return {"a": [x + n, (x,)], n: x * 2}

    made, given = kinds.Kinds(), [()] * kinds.EAGER
    for first in (nested(np.ones(3)), nested(np.ones(3), 1), nested(np.ones((3, 1))), nested(np.ones(3, "f4")), "a", 1,
                  1.0, True, [1], (1,), None, {"a": 1}, object()):
        assert [made.worth_tracing(given, (first,), {}) for _ in range(kinds.EAGER)] == [False] * 7 + [True]
    assert not made.worth_tracing(given, (real.ones(3),), {}) and made.worth_tracing((), (real.ones(3),), {})


def test_what_is_not_called_any_more_makes_room():
    f = np.jit(lambda x: x + 1 if x.size else x)
    for n in range(1, kinds.MOST_TRACES + 1):
        for _ in range(kinds.MOST_TRACES + 1):
            f(np.ones(n))
    assert compiled(f) == kinds.MOST_TRACES
    used = f._compiled[5]
    for n in range(100, 110):
        for _ in range(kinds.MOST_TRACES):
            assert (f(np.ones(n)) == 2).all()
            f(np.ones(kinds.MOST_TRACES - 5))
    assert compiled(f) == kinds.MOST_TRACES - 1 or compiled(f) == kinds.MOST_TRACES
    assert used in f._compiled
    assert any(c.why_not((np.ones(109),), {}) == "" for c in f._compiled)


def test_a_number_that_counts_up_is_left_to_python_in_the_end():
    f = np.jit(lambda x, step: x * int(step) + step)
    for step in range(100):
        assert (f(np.arange(3.0), step) == real.arange(3.0) * step + step).all()
    assert compiled(f) == kinds.EAGER


def test_a_dtype_is_a_result():
    f = np.jit(lambda x: (x.dtype, (x * 2.5).dtype, x + 1))
    for kind in ("f4", "f8", "i4") * 3:
        x = np.arange(3).astype(kind)
        own, wide, y = f(x)
        assert own is np.dtype(kind) and wide is np.dtype("f4" if kind == "f4" else "f8") and y.dtype is own
    assert f.cache_info()["compiled"] == 3 and f.cache_info()["python"] is None
