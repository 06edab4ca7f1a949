"""Calls of compiled functions on small arrays: short rows, single operations, short loops, and how their lines run."""

import gc
import threading
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import effects, fast, fusing

from .helpers import difference

needs_kernels = pytest.mark.skipif(not fusing.possible(), reason="no kernels here")
needs_extension = pytest.mark.skipif(fast.native is None, reason="the extension was not built")
LENGTHS = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 33]


def statistics(np, x, y):
    return (x * y).sum(-1), (x - y).mean(-1), x.var(-1), (x + y).std(-1), (x * 2).max(-1), (y - x).min(-1)


def scaled(np, x, y):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True), (x * y).sum(-1, keepdims=True) * y


def columns(np, x, y):
    return x.sum(0), (x * y).mean(0), (x - y).max(0), x.std(0), (x - x.mean(0)) / (x.var(0) + 1)


def one(np, x, y):
    return x * y


def sums(np, x, y):
    return (x * y).sum(), x.sum(), (x < y).any(), (x * x).mean(axis=0)


PROGRAMS = [statistics, scaled, columns, one, sums]


def quickened(program, *args):
    f = np.jit(lambda *given: program(np, *given))
    f(*args)
    f._compiled[0].quicken()
    assert f._compiled[0].quick
    return f


def values(shape, dtype, seed):
    rng = real.random.default_rng(seed)
    found = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, shape)
    return (found * 100).astype(dtype) if real.dtype(dtype).kind in "iu" else found.astype(dtype)


@needs_kernels
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4"])
def test_short_rows_have_numpys_bits(program, dtype):
    for n in LENGTHS:
        for shape in ((n,), (1, n), (3, n), (9, n), (2, 3, n)):
            x, y = values(shape, dtype, n), values(shape, dtype, n + 100)
            a, b = np.array(x), np.array(y)
            f = quickened(program, a, b)
            for _ in range(2):
                assert difference(program(real, x, y), f(a, b)) is None, (n, shape)


@needs_kernels
@pytest.mark.parametrize("row", [[-0.0], [-0.0, -0.0], [0.0, -0.0, 1.0], [real.nan, 1.0], [real.inf, -1.0, real.inf],
                                 [1e308, 1.0, -1e308], [5e-324, 5e-324]])
def test_values_of_short_rows_that_are_special(row):
    x = real.array(row)
    y = real.ones_like(x)
    a, b = np.array(x), np.array(y)
    for program in (sums, one, statistics):
        with warnings.catch_warnings(), real.errstate(all="ignore"), np.errstate(all="ignore"):
            f = quickened(program, a, b)
            assert difference(program(real, x, y), f(a, b)) is None


@needs_kernels
def test_short_rows_are_kernels_when_written_too():
    x = real.arange(5.0)
    a = np.array(x)
    for i in range(300):
        s = (a * i + 1).sum()
        assert s == (x * i + 1).sum()


@needs_kernels
def test_one_small_operation_is_a_kernel_and_a_large_one_is_not():
    small, large = np.ones(100), np.ones(1 << 14)
    for x, kernels in ((small, 1), (large, 0)):
        f = quickened(one, x, x)
        assert f._compiled[0].kernels == kernels


@needs_kernels
def test_kernels_alone_do_not_set_the_error_state():
    x = np.ones(10)
    assert "enter(" not in quickened(one, x, x).source
    assert "enter(" in quickened(lambda np, x: np.tan(x).sum() + np.sort(x), x).source


@needs_kernels
@pytest.mark.parametrize("turns", [1, 2, 3, 15, 20, 63, 64, 65, 100, 200])
def test_turns_of_short_loops_are_one_kernel(turns):
    def loop(np, x, y):
        for _ in range(turns):
            x = x * y
        return x
    x, y = real.linspace(0.5, 1.5, 50), real.linspace(0.9, 1.1, 50)
    a, b = np.array(x), np.array(y)
    f = quickened(loop, a, b)
    for _ in range(2):
        assert difference(loop(real, x, y), f(a, b)) is None
    compiled = f._compiled[0]
    assert compiled.kernels == 1 if turns <= 64 else compiled.kernels <= 8
    if turns == 200:
        assert compiled.rolled


@needs_kernels
@pytest.mark.parametrize("turns", [20, 100])
def test_a_loop_with_turns_as_one_goes_another_way_later(turns):
    def loop(np, x, stop):
        for _ in range(turns):
            x = x * 1.01 + 0.25
        if (x > stop).any():
            x = x - 1
        return x
    x = real.linspace(0, 1, 30)
    a = np.array(x)
    f = quickened(loop, a, 1e9)
    for i in range(12):
        stop = 1e9 if i % 3 else 0.0
        assert difference(loop(real, x, stop), f(a, stop)) is None


@needs_kernels
def test_a_warning_in_one_of_many_turns_is_numpys():
    def loop(np, x):
        for _ in range(40):
            x = x * 2.0
        return x
    x = real.full(7, 1e300)
    a, quiet = np.array(x), np.array(real.ones(7))
    f = quickened(loop, quiet)
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert difference(real.full(7, real.inf), f(a)) is None
    assert difference(loop(real, real.ones(7)), f(quiet)) is None


@needs_kernels
@needs_extension
def test_lines_done_at_once_do_what_their_text_says():
    """The same calls by the extension's groups of lines and by Python's own compiler."""
    x, y = np.ones((3, 4)), np.full((3, 4), 2.0)
    f = quickened(lambda np, a, b: ((a * b).sum(), a * b + 1), x, y)
    compiled = f._compiled[0]
    quick = [f(x, y) for _ in range(3)]
    text, scope = compiled.source, {**compiled._scope, **compiled.space}
    exec(compile(text, "text", "exec"), scope)
    plain = [scope["call"]((x, y), {}) for _ in range(3)]
    assert difference(quick, plain) is None
    due, compiled.due = compiled.due, compiled.calls + 1
    before = compiled.calls
    assert scope["call"]((x, y), {}) is scope["CHECK"] and compiled.replay((x, y), {}) is scope["CHECK"]
    assert compiled.calls == before + 2
    compiled.due = due
    for args in ((x,), (x, y, y), (x, x), (x, np.ones((4, 3))), (x, np.ones((3, 4), "f4")), (x, 1), (x.T, y)):
        assert compiled.replay(args, {}) is scope["call"](args, {}) is scope["MISS"], args
    assert compiled.replay((x, y), {"c": 1}) is scope["MISS"]


@needs_extension
@pytest.mark.parametrize("value", [real.float64(1.5), real.float32(-0.0), real.int64(3), real.bool(True),
                                   real.complex64(1j), real.longlong(4), real.longdouble(2), real.uint8(7),
                                   real.datetime64("2020-01-01"), real.str_("ab")], ids=repr)
def test_lazy_scalars_are_made_alike(value):
    own, plain = fast.native.made_scalar(value), effects.made_scalar(value)
    assert type(own) is type(plain) and own._node.dtype == plain._node.dtype and own._node.dtype.type is type(value)
    for name in ("op", "a", "b", "rest", "attrs", "shape", "strides", "code", "lasti", "errstate", "depth", "claim"):
        assert getattr(own._node, name) == getattr(plain._node, name), name
    assert own._node.buffer is value and own._node.seq < plain._node.seq


@needs_kernels
def test_new_warning_filters_are_seen_at_the_next_call():
    x = np.array([1e300, 1.0])
    f = quickened(one, np.ones(2), np.ones(2))
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeWarning):
                float(f(x, np.array([1e300, 1.0]))[0])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            float(f(x, np.array([1e300, 1.0]))[0])
        assert len(seen) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert f(x, np.array([1e300, 1.0]))[0] == real.inf


@needs_kernels
@needs_extension
def test_nothing_is_kept_of_a_call():
    x, y = np.ones(5), np.ones(5)
    f = quickened(lambda np, a, b: (a * b, (a * b).sum()), x, y)
    f(x, y)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        f(x, y)
    gc.collect()
    assert len(gc.get_objects()) < before + 100


@needs_kernels
@needs_extension
def test_many_threads_call_one_function():
    x, y = real.arange(9.0), real.arange(9.0) + 1
    a, b = np.array(x), np.array(y)
    f = quickened(lambda np, a, b: (a * b).sum(), a, b)
    wrong = []

    def work():
        for _ in range(2000):
            if f(a, b) != (x * y).sum():
                wrong.append(1)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
