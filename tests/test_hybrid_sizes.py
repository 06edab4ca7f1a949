"""Jitted functions for arrays of many sizes: one program, whose lengths are those of the arguments."""

import contextlib
import os
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import compiled, families, safe
from tests import program_sizes
from tests.helpers import same_bits

SIZES = [3, 4, 5, 6, 7, 2, 9, 16, 33, 12, 3, 8, 40, 100, 5, 17, 65, 31, 130, 3]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def numbers(*shape, seed=0):
    return real.random.default_rng([seed, *shape]).standard_normal(shape)


def compared(make, arguments, sizes=SIZES):
    """Calls what `make` gives for NumPy and, jitted, for lazytensor with arguments of many sizes; gives the jitted
    function. Results, and the arguments afterwards, must be the same to the bit."""
    plain, jitted = make(real), np.jit(make(np))
    for n in sizes:
        given = arguments(n)
        own = [np.array(x) if isinstance(x, real.ndarray) else x for x in given]
        outcomes = []
        for f, args in ((plain, given), (jitted, own)):
            try:
                outcomes.append(f(*args))
            except Exception as error:
                outcomes.append((type(error), str(error)))
        assert same(*outcomes), (n, outcomes)
        for a, b in zip(given, own, strict=True):
            assert same(a, b), (n, a, b)
    return jitted


def same(a, b):
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (type, str, bool, int, float)) and not isinstance(a, real.generic):
        return type(a) is type(b) and a == b
    x, y = real.asarray(a), real.asarray(b)
    return same_bits(x, y) and getattr(a, "strides", ()) == getattr(b, "strides", ())


def traced_once(f, most=1):
    info = f.cache_info()
    assert info["compiled"] <= most and info["python"] is None, info
    assert sum(reason.startswith("traced again") for reason in info["reasons"]) <= 1, info


# ---- one program -----------------------------------------------------------------------------------------------------

W = numbers(8, 16, seed=1), numbers(16, seed=2), numbers(16, 4, seed=3), numbers(4, seed=4)


def softmax(np):
    def f(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    return f


def layernorm(np):
    return lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def moving_average(np):
    def f(x):
        c = x.cumsum()
        return (c[4:] - c[:-4]) / 4
    return f


def network(np):
    w1, b1, w2, b2 = map(np.array, W)
    return lambda x: np.maximum(x @ w1 + b1, 0) @ w2 + b2


def stencil(np):
    return lambda u: 0.2 * (u[1:-1, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] + u[2:, 1:-1] + u[:-2, 1:-1])


def stencil_into(np):
    def f(a, b):
        b[1:-1] = 0.5 * (a[:-2] + a[2:])
        a[1:-1] += b[1:-1]
        return b.sum()
    return f


def distances(np):
    return lambda x, y: np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))


def reshapes(np):
    return lambda x: (x.reshape(-1, 2).sum(0), x.reshape(2, -1)[:, 0] * 2, x.ravel() + x.flatten(), x.reshape(-1, 1))


def branches(np):
    return lambda x: x * 2 if x.sum() > 0 else x - 3


def transposed(np):
    return lambda x: ((x.T * 2 + x.T).sum(0), x.T, (x.T + 1).copy(), x[::-1, ::2] + 1)


def statistics(np):
    return lambda x: ([x.sum(), x.mean(), x.std(), x.var(ddof=1), x.min(), x.max(), x.argmax()],
                      (x.sum(0), x.any(1), x.prod(-1), x.cumsum(1), x[0], x[-1, 1]))


def chosen(np):
    return lambda x: np.where(x > 0, x, -x).clip(0.1, 0.9)


PROGRAMS = {
    "affine": (lambda np: lambda x: x * 2 + 1, lambda n: [numbers(n)]),
    "softmax": (softmax, lambda n: [numbers(n, 8)]),
    "layernorm": (layernorm, lambda n: [numbers(n, n + 3)]),
    "moving average": (moving_average, lambda n: [numbers(n + 6)]),
    "network": (network, lambda n: [numbers(n, 8)]),
    "stencil": (stencil, lambda n: [numbers(n + 3, n + 4)]),
    "stencil into": (stencil_into, lambda n: [numbers(n + 3), numbers(n + 3, seed=1)]),
    "distances": (distances, lambda n: [numbers(n, 3), numbers(n + 2, 3)]),
    "reshapes": (reshapes, lambda n: [numbers(2 * n)]),
    "transposed": (transposed, lambda n: [numbers(n, n + 2)]),
    "statistics": (statistics, lambda n: [numbers(n, 5)]),
    "chosen": (chosen, lambda n: [numbers(n)]),
    "outer": (lambda np: lambda x, y: x[:, None] * y + y, lambda n: [numbers(n), numbers(n + 1)]),
    "products": (lambda np: lambda a, b: (a @ b, a.T @ a, a[0] @ b), lambda n: [numbers(n, n + 1), numbers(n + 1, 5)]),
    "dtypes": (lambda np: lambda x: (x.astype("f4") * 2, (x > 0) & (x < 1), (x * 10).astype(int) // 3),
               lambda n: [numbers(n)]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_program_serves_all_sizes(name):
    f = compared(*PROGRAMS[name])
    traced_once(f)
    assert f.cache_info()["sizes"] > 2


def test_a_network_is_traced_for_two_batches_of_33():
    before = np.jit.cache_info()["traces"]
    f = compared(network, lambda n: [numbers(n, 8)], range(2, 34))
    assert np.jit.cache_info()["traces"] - before == 2
    traced_once(f)


def test_each_way_through_is_traced_for_two_sizes():
    f = compared(branches, lambda n: [numbers(n, seed=n % 2)])
    assert f.cache_info()["compiled"] <= 2 and f.cache_info()["python"] is None


def test_what_it_serves_is_told():
    f = compared(lambda np: lambda x: x * 2 + 1, lambda n: [numbers(n)], [3, 4, 5, 6])
    assert "one program for other lengths of x along axis 0; compiled for 4 sizes" in f.explain()
    assert f.source.count("def call") == 1 and f.source.startswith("# also for other lengths of x along axis 0")


# ---- what decides ----------------------------------------------------------------------------------------------------

def asks(np):
    return lambda x: x * 2 if x.shape[0] > 6 else x + 1


def turns(np):
    def f(x):
        total = x[0]
        for i in range(len(x)):
            total = total + x[i]
        return total
    return f


def spelled(np):
    return lambda x: (x + 1, str(len(x)), float(x.size), x.nbytes, x.strides, x.ndim)


DECIDES = {
    "asks": asks, "turns": turns, "spelled": spelled,
    "counted": lambda np: lambda x: x.sum() / len(x),
    "made": lambda np: lambda x: np.arange(len(x)) + x,
    "made of a shape": lambda np: lambda x: np.zeros(x.shape) + x,
    "like": lambda np: lambda x: (np.ones_like(x) + x, np.ones_like(x).sum()),
    "longer": lambda np: lambda x: np.zeros(len(x) + 1)[1:] + x,
    "linspace": lambda np: lambda x: np.linspace(0, 1, x.size) * x,
    "eye": lambda np: lambda x: np.eye(len(x)) @ x,
    "half": lambda np: lambda x: x[:len(x) // 2] * 2,
    "iterated": lambda np: lambda x: [row * 2 for row in x][-1],
    "unpacked": lambda np: lambda x: (lambda *rows: len(rows))(*x),
    "of what is computed": lambda np: lambda x: (x + 1)[1:].shape,
    "of what is not used": lambda np: lambda x: (x[::2].size, x * 2)[0],
    "equal": lambda np: lambda x: (np.array_equal(x, x[::-1]), np.array_equal(x[:4], x[1:5])),
    "rolled": lambda np: lambda x: np.roll(x, 1) + x,
    "padded": lambda np: lambda x: np.pad(x, 1),
    "differences": lambda np: lambda x: np.diff(x, 5),
    "joined": lambda np: lambda x: np.concatenate([x, x[:2]]),
    "sorted": lambda np: lambda x: np.sort(x) + x,
    "halves": lambda np: lambda x: np.split(x[:len(x) // 2 * 2], 2)[1],
    "matrix": lambda np: lambda x: np.outer(x, x).trace(),
    "degrees": lambda np: lambda x: x.var(ddof=4),
    "median": lambda np: lambda x: np.median(x) + x,
    "prefix": lambda np: lambda x: x[:10] * 2,
    "not used": lambda np: lambda x: (x[5] + 1, x[:5] + x[-5:], x * 2)[2],
    "not used and reshaped": lambda np: lambda x: (x.reshape(2, -1), x * 2)[1],
    "squeezed": lambda np: lambda x: (np.squeeze(x[:1], 0), x * 2)[1],
    "element": lambda np: lambda x: x[5] + x[-3],
    "answered": lambda np: lambda x: x.tolist(),
    "size by function": lambda np: lambda x: x * 2 if np.size(x) > 10 else x * 3,
    "shape by function": lambda np: lambda x: x * 2 if np.shape(x)[0] > 10 else x * 3,
    "strides of a part": lambda np: lambda x: x * 2 if (x + np.zeros((4, 1)))[:, :2].strides[0] > 80 else x * 3,
    "flags of a part": lambda np: lambda x: x * 2 if (x + np.zeros((4, 1)))[:, :9].flags.c_contiguous else x * 3,
    "by name": lambda np: lambda x: getattr(x, "si" + "ze") + x,
}


@pytest.mark.parametrize("name", DECIDES)
def test_what_sizes_decide_is_decided_by_each(name):
    compared(DECIDES[name], lambda n: [numbers(n + 4)])
    compared(DECIDES[name], lambda n: [numbers(n)], [6, 7, 8, 1, 2, 0, 3, 5, 4, 1, 0, 12, 30, 2, 4, 5])


@pytest.mark.parametrize("name", PROGRAMS)
def test_lengths_of_one_and_none(name):
    make, arguments = PROGRAMS[name]
    compared(make, arguments, [5, 6, 1, 7, 0, 2, 3, 1, 0, 4, 8, 1])


def test_arrays_that_do_not_fit_each_other():
    def lengths(n):
        return [numbers(n), numbers(1 if n % 5 == 0 else n + 2 * (n % 3 == 0), seed=1)]
    compared(lambda np: lambda x, y: (x * 2 + y).sum(), lengths, [4, 7, 8, 3, 5, 6, 10, 2, 9, 15, 1, 11])
    compared(lambda np: lambda x, y: x[1:] @ y, lambda n: [numbers(n), numbers(n - (n % 4 != 0))],
             [5, 6, 7, 4, 9, 8, 11])


def test_layouts_are_told_apart():
    def arguments(n):
        x = numbers(n, n + 1)
        return [real.asfortranarray(x) if n % 3 == 0 else x]
    compared(lambda np: lambda x: (x * 2, x.sum(0), x.reshape(-1)), arguments)


def test_large_temporaries_are_laid_out_as_numpys():
    compared(lambda np: lambda x, y: (x.T * 2 + y, (x.T + y.T) * 2),
             lambda n: [numbers(n, n), numbers(n, n, seed=1)], [150, 160, 170, 181, 182, 200, 240, 100])


def test_numbers_and_sizes_vary_together():
    compared(lambda np: lambda x, k: x * k + 1, lambda n: [numbers(n), n % 3])


def test_weights_are_those_of_the_call():
    w = {"w": real.ones(4)}
    own = {"w": np.ones(4)}
    f = np.jit(lambda x: x * own["w"])
    for n in SIZES:
        x = numbers(n, 4)
        assert same(x * w["w"], f(np.array(x)))
        w["w"] += 1
        own["w"] += 1
        if n == 9:
            w["w"], own["w"] = real.full(4, 7.0), np.full(4, 7.0)


def test_containers_of_arrays():
    f = np.jit(lambda d: (d["a"] * 2, d["b"][0] + 1))
    for n in SIZES:
        x, y = numbers(n), numbers(n, 2)
        assert same((x * 2, y + 1), f({"a": np.array(x), "b": (np.array(y),)}))
    traced_once(f)


def test_one_array_twice_is_one():
    def f(x, y):
        x[1:] += 1
        return x + y
    g = np.jit(f)
    for n in SIZES:
        x, own = numbers(n), np.array(numbers(n))
        assert same(f(x, x), g(own, own)) and same(x, own)
        x, own = numbers(n), np.array(numbers(n))
        assert same(f(x, x.copy()), g(own, own.copy())) and same(x, own)


def test_draws_go_on():
    a, b = real.random.default_rng(5), np.random.default_rng(5)
    f = np.jit(lambda x: x[:, None] + b.standard_normal(3))
    for n in SIZES:
        x = numbers(n)
        assert same(x[:, None] + a.standard_normal(3), f(np.array(x)))
    traced_once(f)


def test_warnings_and_errors_are_the_pythons():
    def make(np):
        def f(x):
            with np.errstate(divide="raise"):
                return 1 / x
        return f
    compared(make, lambda n: [numbers(n) if n % 3 else real.zeros(n)])


def caught(np):
    def f(x):
        try:
            return x[5] * 2
        except IndexError:
            return x * 3
    return f


def suppressed(np):
    def f(x):
        found = x * 3
        with contextlib.suppress(IndexError):
            found = x[5] * 2
        return found
    return f


def left(np):
    class Calm:
        def __enter__(self):
            pass

        def __exit__(self, *raised):
            return True

    def f(x):
        found = x * 3
        with Calm():
            found = x[5] * 2
        return found
    return f


def finished(np):
    def f(x):
        found = x * 3
        for _ in range(1):
            try:
                found = x[5] * 2
            finally:
                break  # noqa: B012
        return found
    return f


@pytest.mark.parametrize("make", [caught, suppressed, left, finished])
def test_what_an_exception_decides_is_decided_by_each(make, monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    compared(make, lambda n: [numbers(n)], [3, 4, 5, 2, 9, 8, 7, 16, 3, 5])


def test_a_context_is_no_handler():
    def f(x):
        with np.errstate(over="ignore"):
            return [row * 3 for row in x]
    assert not safe.catches(f.__code__)


def test_only_so_many_sizes_are_kept():
    f = compared(lambda np: lambda x: x * 2 + 1, lambda n: [numbers(n)], range(2, 3 * families.MOST_SIZES))
    assert f.cache_info()["sizes"] <= families.MOST_SIZES + 2


def test_what_cannot_be_seen_is_found_out(monkeypatch):
    def f(x):
        return x * float(os.environ["LAZYTENSOR_TICKS"])
    g = np.jit(f)
    wrong = 0
    for n in [n for n in range(2, 30) for _ in range(20)]:
        monkeypatch.setenv("LAZYTENSOR_TICKS", str(n if n > 12 else 1))
        wrong += not same(f(numbers(n)), g(np.array(numbers(n))))
    assert wrong <= 8 and "its Python gave something else" in g.cache_info()["python"]


def test_a_closure_that_changes():
    scale = 2.0

    def f(x):
        return x * scale
    g = np.jit(f)
    for n in SIZES:
        if n == 16:
            scale = 3.0
        assert same(numbers(n) * scale, g(np.array(numbers(n))))


@pytest.mark.parametrize("seed", range(150))
def test_random_functions_of_many_sizes(seed):
    found, _ = program_sizes.tried(seed + 214, np)
    assert not found, found


def test_sizes_that_do_not_come_again_are_not_compiled_for():
    f = compared(layernorm, lambda n: [numbers(n, 4)], range(2, 60))
    assert f.cache_info()["sizes"] == 8 and f.cache_info()["compiled"] == 1
    f = compared(layernorm, lambda n: [numbers(n, 4)], [*range(2, 30), *[50] * 40, *range(30, 40)])
    assert f.cache_info()["sizes"] == 9 and f._compiled[0].calls > 20
