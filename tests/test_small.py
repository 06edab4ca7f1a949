"""Functions of small arrays, which run when they are written: to write them down for later costs more."""

import numpy as real
import pytest

from .helpers import module_under_test, same_bits

CALLS = [
    "np.take(x, i)", "x.take(i)", "np.concatenate([x, y, x * 2])", "x.repeat(2)", "np.searchsorted(y, x)",
    "np.bincount(i)", "np.diag(x)", "np.convolve(x, y)", "np.stack([x, y], 1)", "np.median(x)",
    "np.interp(x, y, x)", "np.take_along_axis(x, i, 0)", "np.tile(x + 1, 2)", "np.percentile(x, [10, 50])",
]


def operands(np):
    rng = real.random.default_rng(0)
    x, y, i = rng.random(10), real.sort(rng.random(10)), rng.integers(0, 9, 10)
    return {"x": np.array(x), "y": np.array(y), "i": np.array(i)}


def pending(t):
    node = t._value if hasattr(t, "_value") else getattr(t, "_node", None)
    return node is not None and (node.root._value if hasattr(node, "root") else node).buffer is None


@pytest.mark.parametrize("call", CALLS)
def test_they_run_at_once(call):
    np = module_under_test()
    given = operands(np)
    np.realize(*given.values())
    found, expected = eval(call, {"np": np, **given}), eval(call, {"np": real, **operands(real)})
    assert not pending(found)
    assert same_bits(expected, real.asarray(found))
    with np.config(small=0):
        found = eval(call, {"np": np, **given})
        assert same_bits(expected, real.asarray(found))
    assert all(x._state is None for x in given.values()), "memory was given out"


def test_what_comes_of_large_arrays_waits():
    np = module_under_test()
    big = np.ones(10_000)
    assert pending(np.repeat(big, 2))
    assert pending(np.tile(big.mean(), 2))
    assert pending(np.tile(np.ones((1000, 10)).sum(0) * 2, 2))
    assert not pending(np.tile(np.ones(10) * 2, 2))


INDICES = [[1, 2], [0, 0, -1], "array", "mask", "pair", "bad"]


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("value", ["0.5", "x[:1] * 3", "x", "x[::-1]", "'word'", "[1, 2]"])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_elements_are_put(index, value, held):
    outcomes = []
    for np in (real, module_under_test()):
        x = np.array(real.arange(12.0).reshape(4, 3))
        before = x + 0
        view = x[1:] if held else None
        place = {"array": lambda np=np: np.array([2, 0]), "mask": lambda x=x: x[:, 0] > 3, "bad": lambda: [7],
                 "pair": lambda np=np: (np.array([0, 1]), slice(1, 3))}.get(index if isinstance(index, str) else "")
        try:
            x[index if place is None else place()] = eval(value, {"x": x})
            error = None
        except Exception as raised:
            error = type(raised), str(raised)
        outcomes.append((error, x.tolist(), before.tolist(), None if view is None else view.tolist()))
    assert outcomes[0] == outcomes[1]
