"""What the comparisons of calls with their Python find: no difference where a result is a view of memory that nobody
else has, which a compiled function's result is not; one where parts of it share memory otherwise."""

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid.checking import compared
from tests.helpers import same_bits


@pytest.mark.parametrize("function", [
    lambda np, x: np.isclose(np.array([]) * x[0, 0], 1), lambda np, x: np.resize(x > 2, (3, 5)),
    lambda np, x: np.resize(x[:, ::2], (5, 3)), lambda np, x: np.tile(x[:0], (2, 1)), lambda np, x: np.kron(x, x),
    lambda np, x: np.cross(x[:0, :3], x[:0, 1:]), lambda np, x: np.tensordot(x[:0], x[:0].T, 1),
    lambda np, x: np.einsum("i...->...i", x[:0]), lambda np, x: np.einsum("ij,kj->ki", x, x),
    lambda np, x: np.roll(x[:, :0], 1), lambda np, x: x[:, [0, 2]] + 0,
])  # fmt: skip
def test_views_of_new_memory_are_no_difference(function):
    f = np.jit(lambda x: function(np, x))
    for turn in range(5):
        x = real.arange(12.0).reshape(3, 4) + turn
        assert same_bits(function(real, x), real.asarray(f(np.array(x))))
    assert "gave something else" not in (f.cache_info()["python"] or "")


@pytest.mark.parametrize("function", [
    lambda np, x: np.einsum("i...->...i", x), lambda np, x: np.tile(x, (2, 1)), lambda np, x: np.einsum("ij->ji", x)])
def test_an_empty_view_of_an_argument_is_one(function):
    f = np.jit(lambda x: function(np, x))
    for _ in range(5):
        x, own = real.zeros((0, 3)), np.zeros((0, 3))
        assert function(real, x).base is x and f(own).base is own


def found(python, foretold):
    """What the comparison says of results, made of an array that was there before."""
    x = np.arange(6.0)
    known = [(x, x._value)]
    return compared(lambda: python(x), (), {}, (foretold(x), (), known, (), ()), [])[1]


def test_what_shares_memory_is_compared():
    def apart(x):
        return x + 1, (x + 1)[:3]

    def together(x):
        y = x + 1
        return y, y[:3]

    def of_it(x):
        return x + 1, x[:3]

    old = np.arange(6.0) + 1

    def of_another(x):
        return old[...], (x + 1)[:3]

    assert found(apart, apart) == found(together, together) == ""
    assert "shared its memory" in found(apart, together) and "shared its memory" in found(together, apart)
    assert "no view of the same array" in found(lambda x: (x + 1, x[:3] + 0), of_it)
    assert "was a view" in found(of_it, lambda x: (x + 1, x[:3] + 0))
    assert "was a view" in found(of_another, lambda x: (x + 1, (x + 1)[:3]))
