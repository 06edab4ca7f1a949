"""Long chains need no recursion, and the graphs of endless loops stay bounded."""

import copy
import gc
import pickle
import sys

import numpy as real
import pytest

from perf import scale
from tests.helpers import assert_same, module_under_test

LENGTH = 100_000


def chain(np, length=LENGTH):
    x = np.arange(3.0)
    for _ in range(length):
        x = x + 1
    return x


@pytest.mark.parametrize("use", [
    lambda x: float(x[0]), lambda x: repr(x), lambda x: pickle.loads(pickle.dumps(x)).tolist(), lambda x: x.sum() > 0,
    lambda x: copy.deepcopy(x)[0], lambda x: real.asarray(x)[1], lambda x: x.nbytes])
def test_long_chains_need_no_recursion(use):
    np = module_under_test()
    expected = use(real.arange(3.0) + LENGTH)
    with np.config(depth=None, pinned=None):
        x = chain(np)
        assert_same(expected, use(x))
        del x
        gc.collect()


@pytest.mark.parametrize("grow", [
    lambda np, x: x[1:-1] if x.shape[0] > 3 else x, lambda np, x: np.where(x > 0, x, 1), lambda np, x: x.reshape(-1),
    lambda np, x: (x.sum() * 0 + x), lambda np, x: x.copy(), lambda np, x: x[::-1], lambda np, x: x.astype("f8"),
    lambda np, x: x.__imul__(1)])
def test_long_chains_of_every_kind(grow):
    np = module_under_test()
    limit = sys.getrecursionlimit()
    with np.config(depth=None, pinned=None):
        x = np.arange(3.0) + 1
        for _ in range(5000):
            x = grow(np, x)
        assert float(x.sum()) == 6
        y = x
        for _ in range(5000):
            y = grow(np, y)
        del x, y
        gc.collect()
    assert sys.getrecursionlimit() == limit


def test_scalars_in_long_chains():
    np = module_under_test()
    with np.config(depth=None):
        s = np.arange(3).sum()
        for i in range(20_000):
            s = s + i % 3
        t = s
        assert int(t) == 3 + sum(i % 3 for i in range(20_000))
        for _ in range(20_000):
            t = t - 1
        del t


LOOPS = {
    "in place": "x += 1",
    "in place through a view": "x[1:] *= 1.0001",
    "shift": "x[1:] = x[:-1]",
    "rebinding": "x = x * 0.5 + 1",
    "two arrays": "x, y = y + 1, x * 0.5",
    "scalar": "s = s + x.sum() * 0",
    "list": "kept.append(x.sum()); x = x + 1",
    "masks": "x = np.where(x > 2, x - 2, x + 1)",
    "elements": "x[i % 8] = i",
    "out": "np.add(x, y, out=x)",
    "views only": "y = x[::-1]; x = y[::-1]",
    "shared": "x += host",
}


@pytest.mark.parametrize("name", LOOPS)
def test_graphs_of_loops_are_bounded(name):
    np = module_under_test()
    code = compile(LOOPS[name], "<loop>", "exec")
    scope, expected = ({"np": module, "x": module.arange(8.0), "y": module.ones(8), "s": module.ones(1).sum(),
                        "kept": [], "host": real.ones(8)} for module in (np, real))
    before, most = scale.live_nodes(np), 0
    for i in range(4000):
        scope["i"] = i
        exec(code, scope)
        if i % 500 == 499:
            most = max(most, scale.live_nodes(np) - before - 2 * len(scope["kept"]))
    for i in range(4000):
        expected["i"] = i
        exec(code, expected)
    assert most <= 4 * np.config.settings()["depth"]
    for key in ("x", "y", "s", "kept"):
        assert_same(expected[key], scope[key])
