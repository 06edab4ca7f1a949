"""`diff`, `ptp`, `outer` and norms of vectors are the operations that NumPy makes of them, and parts of kernels."""

import itertools
import warnings

import numpy as real
import pytest

from lazytensor.config import current
from lazytensor.lower import fused

from .helpers import module_under_test, plan_soon, same_bits

CALLS = {
    "diff": [lambda np, x, n=n, axis=axis: np.diff(x, n, axis) for n in (0, 1, 2, 3, 9) for axis in (0, -1)],
    "more of diff": [lambda np, x: np.diff(x, prepend=0), lambda np, x: np.diff(x, append=x[..., :1]),
                     lambda np, x: np.diff(x, axis=7), lambda np, x: np.diff(x, n=-1), lambda np, x: np.diff(x, 1.0)],
    "ptp": [lambda np, x, axis=axis, keep=keep: np.ptp(x, axis, keepdims=keep)
            for axis in (None, 0, -1, (0,), 5) for keep in (False, True)],
    "outer": [lambda np, x: np.outer(x, x), lambda np, x: np.outer(x, [1, 2]), lambda np, x: np.outer(x, x[..., ::-1])],
    "norm": [lambda np, x, o=o, axis=axis, keep=keep: np.linalg.norm(x, o, axis, keep)
             for o in (None, 0, 1, 2, 2.0, 3, real.inf, -real.inf, "fro", True)
             for axis in (0, -1, (0, 1), None, 9) for keep in (False, True)],
    "vector_norm": [lambda np, x, o=o, axis=axis: np.linalg.vector_norm(x, ord=o, axis=axis)
                    for o in (1, 2, 3, real.inf) for axis in (None, 0, -1, (0,))],
}
ARRAYS = [(char, shape) for char in "fdlBF?e" for shape in ((7,), (30, 40), (3, 4, 5), (1, 3), (0, 4))] + [
    ("d", (200, 300)), ("f", (70000,))]


def outcome(call, np, x):
    try:
        result = call(np, x)
        return result if np is real else real.asarray(result)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name):
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(1)
    for (char, shape), call in itertools.product(ARRAYS, CALLS[name]):
        if name == "outer" and real.prod(shape) > 1200:
            continue
        x = (rng.normal(size=shape) * 50).astype(char)
        for y in (x, x.T):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want, got = outcome(call, real, y), outcome(call, np, np.array(x).T if y is not x else np.array(x))
            if type(want) is tuple:
                assert got == want
            else:
                assert got.dtype == want.dtype and (not got.size or all(
                    n == 1 or a == b for n, a, b in zip(got.shape, got.strides, real.asarray(want).strides)))
                assert same_bits(real.asarray(want), got)


@pytest.mark.parametrize("char", "fd")
def test_the_norm_of_a_vector_in_a_compiled_function(char):
    np = module_under_test()
    calls = [lambda np, x: np.linalg.norm(x), lambda np, x: x / np.linalg.norm(x[1:]),
             lambda np, x: np.linalg.norm(x[::2]), lambda np, x: np.linalg.norm(x[::-1], keepdims=True)]
    for call, size in itertools.product(calls, (1, 2, 17, 1000, 40001)):
        f = np.jit(lambda x, call=call: call(np, x))
        for seed in range(5):
            x = real.random.default_rng(seed).normal(size=size).astype(char)
            want, got = call(real, x), f(np.array(x))
            assert type(want) is not real.ndarray or got.strides == want.strides
            assert got.dtype == want.dtype and same_bits(real.asarray(want), real.asarray(got))
        assert f.cache_info()["compiled"] == 1 and f.cache_info()["python"] is None


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_in_one_kernel():
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.random.default_rng(2).normal(size=(300, 300)))
    for call in (lambda: np.linalg.norm(x * 2, axis=1), lambda: np.ptp(x * 2, axis=0), lambda: np.diff(x) * 2):
        call().realize()
        text = call().explain()
        assert "1 kernel among them" in text and "arrays made: 1 (" in text and "api/composed.py" not in text


@pytest.mark.usefixtures("lines_wait")
def test_users_line():
    np = module_under_test()
    x = real.array([1e308, -1e308, 1e308])
    for y in (np.array(x), np.array(x) * 1.5, np.asarray(x), np.array([x, x])[0]):
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            np.diff(y).realize()
        assert given and {w.filename for w in given} == {__file__}
        with real.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow encountered in subtract"):
            np.diff(y)
