"""Single calls that the extension does by itself: indices that are NumPy's or lazy numbers, ufuncs of several results,
views that may not be written to, draws. Each is compared with NumPy, cold and once its line runs at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lazytensor as lt

OFTEN = 80
"""Times that a line is run: more than `config(eager_after=)`."""


def described(value: Any) -> Any:
    """What can be seen of a result."""
    if isinstance(value, (tuple, list)):
        return type(value), [described(v) for v in value]
    array = np.asarray(value)
    seen = array.dtype, array.shape, array.tobytes()
    return seen if np.ndim(value) == 0 else (*seen, value.strides, value.flags.writeable)


def compare(fn: Callable[..., Any], *arrays: Any) -> None:
    """Checks a function of a module and arrays, again and again."""
    for _ in range(OFTEN):
        own = [a.copy() for a in arrays]
        with warnings.catch_warnings(record=True) as theirs:
            warnings.simplefilter("always")
            expected = described(fn(np, *own))
        mine = [lt.array(a) for a in arrays]
        with warnings.catch_warnings(record=True) as ours:
            warnings.simplefilter("always")
            assert described(fn(lt, *mine)) == expected
        assert [(str(w.message), w.lineno) for w in ours] == [(str(w.message), w.lineno) for w in theirs]
        for one, other in zip(own, mine, strict=True):
            assert one.tobytes() == np.asarray(other).tobytes()


def stored(x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


def added(x: Any, index: Any, value: Any) -> Any:
    x[index] += value
    return x


@pytest.mark.parametrize("fn", [
    lambda np, x, a: x[np.argmax(x)],
    lambda np, x, a: a[np.argmax(x) - 3],
    lambda np, x, a: a[np.argmin(x), np.argmax(x) // 2],
    lambda np, x, a: a[:, np.argmax(x * 2) - 5],
    lambda np, x, a: a[np.int8(-1), None, 1:],
    lambda np, x, a: a[np.uint64(1)],
    lambda np, x, a: x[np.True_],
    lambda np, x, a: stored(x, np.argmin(x), 7.5),
    lambda np, x, a: stored(a, (np.argmin(x), np.int64(2)), 7.5),
    lambda np, x, a: stored(a, np.int16(1), a[0] * 2),
    lambda np, x, a: added(a, np.argmin(x), 1.0),
    lambda np, x, a: added(x, np.int64(3), 1.0),
])
def test_whole_numbers_are_indices(fn: Callable[..., Any]) -> None:
    compare(fn, np.arange(6.0), np.arange(24.0).reshape(4, 6))


@pytest.mark.parametrize("index", [np.int64(9), np.float64(1), np.int64(-7), (np.int8(1), np.int8(1))])
def test_indices_that_are_none(index: Any) -> None:
    with pytest.raises(IndexError) as expected:
        np.arange(6.0)[index]
    for _ in range(OFTEN):
        with pytest.raises(IndexError) as raised:
            lt.arange(6.0)[index]
        assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("size", [5, 3000, 30000])
@pytest.mark.parametrize("fn", [
    lambda np, x, y: np.divmod(x, y),
    lambda np, x, y: np.divmod(x, 0.0),
    lambda np, x, y: np.divmod(7.5, x),
    lambda np, x, y: np.divmod(x[::2], y[::2]),
    lambda np, x, y: np.modf(x),
    lambda np, x, y: np.frexp(x * 3),
    lambda np, x, y: np.frexp(x[2]),
    lambda np, x, y: np.modf(x[:0]),
    lambda np, x, y: np.divmod(x, [2.0] * len(x)),
    lambda np, x, y: np.divmod(x.reshape(-1, 5), y[:5]),
])
def test_ufuncs_of_several_results(fn: Callable[..., Any], size: int) -> None:
    compare(fn, np.arange(size) - 2.5, np.linspace(1.0, 9.0, size))


def test_several_results_that_are_written_to() -> None:
    for _ in range(OFTEN):
        x = lt.linspace(0.0, 9.0, 12)
        whole, rest = lt.divmod(x, 2.0)
        whole += 1
        rest[0] = 5
        assert whole.tolist() == (np.linspace(0.0, 9.0, 12) // 2 + 1).tolist()
        assert rest.tolist()[1:] == (np.linspace(0.0, 9.0, 12) % 2).tolist()[1:]


@pytest.mark.parametrize("fn", [
    lambda np, x, a: np.broadcast_to(x, (4, 6)),
    lambda np, x, a: np.broadcast_to(x, (4, 6)).sum(axis=1),
    lambda np, x, a: np.broadcast_to(a, (2, 4, 6))[1, ::2] * 2,
    lambda np, x, a: np.broadcast_to(x[1:], (3, 5)).T,
    lambda np, x, a: np.expand_dims(x, 0) + a,
    lambda np, x, a: x[None] * 2,
    lambda np, x, a: np.squeeze(x[:, None, None]) + 1,
    lambda np, x, a: np.expand_dims(a[:0], 1),
    lambda np, x, a: np.squeeze(a) * 2,
    lambda np, x, a: np.squeeze(a[None, :, None], axis=(0, 2)),
    lambda np, x, a: np.squeeze(x[2:3]),
    lambda np, x, a: np.diagonal(a, 1),
    lambda np, x, a: np.diagonal(a * 2, offset=-1).sum(),
    lambda np, x, a: np.diagonal(a.reshape(2, 2, 6), 0, axis1=2, axis2=1),
])
def test_views_of_other_shapes(fn: Callable[..., Any]) -> None:
    compare(fn, np.arange(6.0), np.arange(24.0).reshape(4, 6))


def test_what_is_broadcast_follows_its_array_and_is_not_written_to() -> None:
    for _ in range(OFTEN):
        x = lt.arange(6.0)
        seen = lt.broadcast_to(x, (2, 6))
        x[1] = 9
        assert seen.tolist() == [[0, 9, 2, 3, 4, 5]] * 2
        assert lt.shares_memory(seen, x) and not seen.flags.writeable and not seen[0].flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            seen[0] = 1
        assert lt.squeeze(x) is x
        line = lt.diagonal(x.reshape(2, 3))
        x[4] = 7
        assert line.tolist() == [0, 7] and not line.flags.writeable


def streams(np: Any) -> Any:
    """Draws of all kinds, each from the stream where the one before it left it."""
    g, old = np.random.default_rng(3), np.random.RandomState(3)
    x = np.arange(12.0).reshape(3, 4)
    out = np.zeros(4)
    for _ in range(3):
        yield g.normal(), g.normal(size=3), g.normal(1.0, 2.0, (2, 3)), g.normal(x, 1.0), g.normal(x[0], x[1] + 1)
        yield g.random(), g.random(5), g.random(5, np.float32), g.random(out=out), g.random(4, np.float64, out), out
        yield g.standard_normal(4, "f8", out), g.standard_normal(size=2, dtype=np.float32)
        yield (g.standard_gamma([1.0, 2.0]),)
        yield g.integers(9), g.integers(0, 9, 4), g.integers(x.astype(int) + 1), g.integers(0, 2, 5, dtype=bool)
        yield g.choice(5), g.choice(x, 2), g.choice(x, 2, axis=1), g.choice(5, 3, replace=False)
        yield g.choice(x[0], p=[1, 0, 0, 0]), g.choice(["a", "b"], 3), g.choice([[1, 2], [3, 4]])
        yield g.choice([x[0], x[1]]), g.permutation([5, None, "a"])
        yield g.permutation(x), g.permutation(5), g.permuted(x, axis=1)
        yield g.multivariate_normal([0.0, 1.0], np.eye(2), 2), g.multinomial(5, [0.5, 0.5]), g.dirichlet(x[0] + 1)
        yield g.uniform(x, x + 1), g.poisson(x), g.exponential(x.sum())
        yield old.rand(3), old.randn(), old.randint(0, 9, 3), old.choice(x[0], 3), old.permutation(x), old.normal(x)
        g.shuffle(x)
        old.shuffle(x)
        yield (x,)
    np.random.seed(5)
    for _ in range(3):
        yield np.random.rand(3), np.random.randn(), np.random.randint(0, 9, 3), np.random.choice(x[0], 3)
        yield np.random.permutation(x), np.random.permutation([1, "b", None]), np.random.normal(x)
        yield np.random.rand(), np.random.normal(size=(2, 2))


def kinds(value: Any) -> Any:
    """The same as `described`, with the kinds of results."""
    if np.asarray(value).dtype.hasobject:
        return np.asarray(value).tolist()
    return type(value) if np.ndim(value) == 0 else None, described(value)


def test_draws_are_numpys() -> None:
    expected = [[kinds(x) for x in line] for line in streams(np)]
    for mine, theirs in zip(streams(lt), expected, strict=True):
        assert all(type(x) is lt.Tensor for x in mine if np.ndim(x))
        assert [kinds(x) for x in mine] == theirs


@pytest.mark.parametrize("fn", [
    lambda np, g: g.normal(0.0, -1.0), lambda np, g: g.integers(5, 2), lambda np, g: g.choice(np.arange(3), 5, False),
    lambda np, g: g.normal(np.zeros(3), np.ones(2)), lambda np, g: g.choice([]),
    lambda np, g: g.normal(scale=-np.ones(3)), lambda np, g: g.random(3, out=np.zeros(2)),
    lambda np, g: np.random.rand(-1), lambda np, g: g.normal(1, 2, 3, 4),
])
def test_draws_that_fail(fn: Callable[..., Any]) -> None:
    said = []
    for module in (np, lt):
        g = module.random.default_rng(1)
        with pytest.raises((ValueError, TypeError)) as raised:
            fn(module, g)
        said.append((raised.type, str(raised.value), g.random()))
    assert said[0] == said[1]


def test_a_drawn_array_is_written_to_while_older_values_are_pending() -> None:
    g, own = lt.random.default_rng(1), np.random.default_rng(1)
    for _ in range(OFTEN):
        out = lt.zeros(4)
        before = out + 1
        g.random(4, "f8", out)
        assert before.tolist() == [1.0] * 4 and out.tolist() == own.random(4).tolist()
