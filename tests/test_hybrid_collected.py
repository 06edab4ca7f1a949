"""Numbers that a jitted function collects in a list of its own, against the same function on NumPy, to the bit."""

import sys

import numpy as real
import pytest

import lazytensor as np
from tests.helpers import difference
from tests.program_jit import unchecked

needs_bytecode = pytest.mark.skipif(not (3, 11) <= sys.version_info < (3, 14), reason="bytecode that is not known")


@pytest.fixture(autouse=True)
def compiled_alone():
    """Without the comparisons by which a jitted function would find a difference itself, and do the right thing."""
    with unchecked(False):
        yield


def returned(x, tol):
    history = []
    for k in range(30):
        x = x * 0.5
        err = abs(x).max()
        history.append(float(err))
        if err < tol or k > 25:
            break
    return x, k, history


def in_a_dict(x, tol):
    history = []
    while abs(x).max() > tol:
        x = x * 0.25
        history.append(float(x.sum()))
    return {"x": x, "history": history, "tol": tol}


def counted(x, tol):
    history = []
    while abs(x).max() > tol:
        x = x * 0.25
        history.append(float(x.sum()))
    n = len(history)
    return x, n, history


def dropped(x, tol):
    history = []
    for _ in range(5):
        x = x * tol
        history.append(float(x.mean()))
    return x


def every_third(x, tol):
    energies = []
    for k in range(12):
        x = x - tol * x
        if k % 3 == 0:
            energies.append(float((x * x).sum()))
    return energies


def elements(x, tol):
    found = []
    for k in range(len(x)):
        x = x + tol
        found.append(float(x[k]))
    return found, x


def in_tuples(x, tol):
    log = []
    for k in range(6):
        x = x * 0.5
        if k % 2:
            log.append((k * tol, float(x.sum()), -k, float((x * x).max())))
    return x, log


def with_arrays(x, tol):
    log = []
    for k in range(6):
        x = x * tol
        log.append((float(x[0]), x + k))
    return log


def items(x, tol):
    losses = []
    for k in range(6):
        x = x * tol
        losses.append((x * x).mean().item())
        losses.append((k, x[0].item(), float(x[1])))
    return losses


COLLECTED = [returned, items, in_tuples, with_arrays, in_a_dict, counted, dropped, every_third, elements]


def looked_at(x, tol):
    history = []
    for _ in range(30):
        x = x * 0.5
        history.append(float(abs(x).max()))
        if history[-1] < tol:
            break
    return x, history


def compared(x, tol):
    history = []
    for _ in range(4):
        x = x * 0.5
        err = float(abs(x).max())
        history.append(err)
        if err < tol:
            break
    return x, history


def added(x, tol):
    history = []
    for _ in range(4):
        x = x * 0.5
        history.append(float(x.sum()) + 1)
    return x, history


def known_twice(x, tol):
    history = other = []
    for _ in range(4):
        x = x * 0.5
        history.append(float(x.sum()))
    return x, sum(other)


def closed_over(x, tol):
    history = []

    def last():
        return history[-1]
    history.append(float(x.sum()))
    return x * last(), history


def rebound(x, tol):
    history = []
    history.append(float(x.sum()))
    total = history
    history = []
    return x * total[0], history


def a_float_of_its_own(x, tol):
    float = lambda value: 2.0 * value.max()  # noqa: E731
    history = []
    history.append(float(x))
    return history


def in_a_helper(x, tol):
    return x * rebound(x, tol)[0].sum(), every_third(x, tol)[1] * 2


def used_in_a_tuple(x, tol):
    log = []
    for k in range(6):
        x = x * 0.5
        log.append((k, float(x.sum()) * 2 + k))
        log.append((float(x[0]), k)[k % 2])
        log.append([float(x[1])][0])
        log.append(max(float(x[2]), 1.0))
        log.append((1.0, float(x.max()) if k else 2.0))
    return x, log


def taken_apart(x, tol):
    log = []
    for k in range(6):
        x = x * 0.5
        log.append((k, float(x.sum())))
    return x, log, [b for a, b in log if b > tol]


def items_used(x, tol):
    losses = []
    for _ in range(3):
        x = x * tol
        losses.append(x.sum().item() + 1)
        losses.append(x.max().item().is_integer())
        item = x.max().item
        losses.append(item())
    return losses


def bound(x, tol):
    history = []
    append = history.append
    history.append(float(x.sum()))
    return x * append.__self__[-1], history


def one_or_another(x, tol):
    other = [tol]
    history = other or []
    history.append(float(x.sum()))
    return x * other[-1], history


SHARED = [0.0]


def a_default(x, tol, history=SHARED):
    if tol > 1:
        history = []
    history.append(float(x.sum()))
    return x * SHARED.pop(), tol


OTHERWISE = [bound, one_or_another, a_default, looked_at, items_used, used_in_a_tuple, taken_apart,
             compared, added, known_twice, closed_over, rebound, a_float_of_its_own, in_a_helper]


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
@pytest.mark.parametrize("function", [*COLLECTED, *OTHERWISE], ids=lambda f: f.__name__)
def test_it_gives_what_numpy_gives(function, dtype):
    f = np.jit(function)
    for call in range(14):
        x = (real.random.default_rng(call % 12).random(7) * 40).astype(dtype)
        different = difference(function(x, 0.5), f(np.array(x), 0.5))
        assert not different, (call, different)


@needs_bytecode
@pytest.mark.parametrize("function", COLLECTED, ids=lambda f: f.__name__)
def test_it_is_compiled_whatever_the_numbers_are(function):
    f = np.jit(function)
    for call in range(24):
        x = real.random.default_rng(call).random(7) * 1.5 + 1
        assert not difference(function(x, 0.5), f(np.array(x), 0.5))
    info = f.cache_info()
    assert info["python"] is None and info["compiled"] == 1 and info["paths"] <= 3, info


def an_array(x, tol):
    history = []
    for _ in range(5):
        x = x * 0.5
        history.append(float(x.sum()))
    return x, np.array(history), np.asarray(history) * 2


def an_array_of_tuples(x, tol):
    log = []
    for k in range(5):
        x = x * 0.5
        log.append((k, float(x.sum()), float(x[0])))
    return x, np.array(log)


@needs_bytecode
@pytest.mark.parametrize("function", [an_array, an_array_of_tuples], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
def test_an_array_is_made_of_them(dtype, function):
    f = np.jit(function)
    for call in range(20):
        x = (real.random.default_rng(call).random(7) * 40).astype(dtype)
        expected = function(np.array(x), 0.5)
        found = f(np.array(x), 0.5)
        assert [y.numpy().tobytes() for y in expected] == [y.numpy().tobytes() for y in found]
        assert [y.dtype for y in expected] == [y.dtype for y in found]
    assert dtype == "f4" or f.cache_info()["python"] is None, f.cache_info()


def test_they_are_python_s_floats():
    f = np.jit(returned)
    for call in range(20):
        x = real.random.default_rng(call).random(5)
        assert {type(h) for h in f(np.array(x), 1e-3)[2]} == {float}


def test_large_arrays():
    f = np.jit(returned)
    for call in range(4):
        x = real.random.default_rng(call).random(300_000)
        assert not difference(returned(x, 0.01), f(np.array(x), 0.01))
