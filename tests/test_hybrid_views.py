"""Views as arguments of jitted functions: one program for any part of any array where they are only read; where their
memory is written to, or is reached in another way, what NumPy gives."""


import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import compiled, fusing, jit, nodes
from tests import program_parts
from tests.helpers import same_bits

pytestmark = pytest.mark.usefixtures("unchecked")


def numbers(*shape):
    return real.random.default_rng(list(shape)).standard_normal(shape)


def compared(f, arrays, rows):
    """Calls a function of `np` and views, jitted and for NumPy, with the views that `rows` gives of the arrays; gives
    the jitted function."""
    own, jitted = [np.array(x) for x in arrays], np.jit(lambda *args: f(np, *args))
    for row in rows:
        expected, found = f(real, *row(*arrays)), jitted(*row(*own))
        for a, b in zip(expected, found, strict=True):
            assert same_bits(real.asarray(a), real.asarray(b)), (a, b)
        for a, b in zip(arrays, own, strict=True):
            assert same_bits(a, real.asarray(b.copy()))
    return jitted


def rows_of(view, times=40):
    return [lambda *arrays, i=i: view(i, *arrays) for i in range(times)]


def one(f, lifted=True):
    info = f.cache_info()
    assert info["compiled"] == info["sizes"] == 1 and info["python"] is None and not info["reasons"], info
    assert bool(f._compiled[0].given.lift) is lifted


@pytest.mark.parametrize("part", [
    lambda i, x: x[i:i + 16], lambda i, x: x[i], lambda i, x: x[i:i + 16, 2:5], lambda i, x: x[:, i % 6],
    lambda i, x: x[i:i + 16].T, lambda i, x: x[i:i + 20:2], lambda i, x: x[i:i + 16][::-1],
    lambda i, x: x[i:i + 16].reshape(-1), lambda i, x: x[i:i + 16].view("i8"), lambda i, x: x[None, i],
])  # fmt: skip
@pytest.mark.parametrize("large", [False, True])
def test_parts_of_an_array_have_one_program(part, large, monkeypatch):
    if large:
        monkeypatch.setattr(nodes, "LARGE", 0)
    f = compared(lambda np, x: [(x * 2 + 1).sum(0), x.max(), x.T * 3, x[1:] - x[:-1]], [numbers(60, 6)],
                 rows_of(lambda i, x: [part(i, x)]))
    one(f)


@pytest.mark.skipif(not fusing.possible(), reason="no kernels here")
def test_parts_of_an_array_have_one_program_with_kernels(monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", (2, 3, 4))
    monkeypatch.setattr(jit, "HOT", 2)
    f = compared(lambda np, x, w: [np.exp(x @ w).sum(-1) / 3, (x - x.mean(0)) ** 2], [numbers(60, 6), numbers(6, 2)],
                 rows_of(lambda i, x, w: [x[i:i + 16], w]))
    one(f)
    assert f._compiled[0].kernels


def test_other_arrays_have_the_same_program():
    f = compared(lambda np, x, y: [x * y], [numbers(60, 6), numbers(500), numbers(7, 6)], [
        lambda a, b, c: [a[3:6], c[1:4]], lambda a, b, c: [c[2:5], a[:3]], lambda a, b, c: [a[3:6], a[3:6]],
        lambda a, b, c: [b[7:25].reshape(3, 6), c[:3]], lambda a, b, c: [c[:3], c[1:4]]])
    one(f)


def test_a_part_that_has_other_lengths_has_another_program():
    f = compared(lambda np, x: [x.sum(0), x * 2], [numbers(60, 6)],
                 [lambda x, i=i, n=n: [x[i:i + n]] for n in (8, 5, 7, 9) for i in range(10)])
    info = f.cache_info()
    assert (info["compiled"], info["sizes"]) == (1, 4) and len(info["reasons"]) == 1, info


def test_an_array_of_its_own_is_not_a_view():
    f = compared(lambda np, x: [x * 2], [numbers(60, 6), numbers(4, 6)],
                 [lambda x, y: [x[2:6]], lambda x, y: [y], lambda x, y: [x[3:7]], lambda x, y: [y[:]]] * 3)
    assert f.cache_info()["compiled"] == 2


@pytest.mark.parametrize("write", ["x += 1", "x[0] = y[1]", "y[:] = x"])
def test_writes_reach_the_array_behind(write):
    scope = {}
    exec(f"def f(np, x, y):\n    z = x * y\n    {write}\n    return [z + x, y * 2]", scope)
    rows = [lambda x, y, i=i, j=j: [(x, y)[i % 2][i % 5:i % 5 + 4], (y, x)[i // 3 % 2][j:j + 4]]
            for i in range(8) for j in (0, 2, 4)]
    compared(scope["f"], [numbers(12, 6), numbers(12, 6)], rows)


def test_the_array_that_is_written_to_is_that_of_a_view_at_later_calls():
    rows = [lambda x, y: [y, x[:4]], lambda x, y: [y, x[2:6]], lambda x, y: [x[:4].copy(), x[3:7]],
            lambda x, y: [y, y[:]], lambda x, y: [y, y[::-1]], lambda x, y: [y, x[1:5]]] * 2

    def f(np, out, x):
        out += x
        return [out * x, x + 1]
    compared(f, [numbers(12, 6), numbers(4, 6)], rows)


def test_a_branch_that_writes_makes_it_a_program_for_each_view():
    def f(np, x):
        y = x * 2
        if x.sum() > 0:
            x[0] = 7
        return [y, x + 1]
    arrays = [real.linspace(-4.0, 3.0, 60).reshape(30, 2)]
    jitted = compared(f, arrays, rows_of(lambda i, x: [x[i % 25:i % 25 + 4]]))
    assert not any(one.given.lift for one in jitted._compiled)


def test_what_is_given_back_is_the_memory_of_the_view():
    own, plain = np.array(numbers(30, 4)), numbers(30, 4)
    for f in (lambda x: x, lambda x: x[1:], lambda x: (x.T, [x[0]]), lambda x: x[None]):
        jitted = np.jit(f)
        for i in range(10):
            given = own[i:i + 5]
            result, expected = jitted(given), f(plain[i:i + 5])
            if result is not given:
                result, expected = (x[0] if isinstance(x, tuple) else x for x in (result, expected))
            result += i
            expected += i
            assert same_bits(plain, real.asarray(own.copy()))
        one(jitted)


def test_an_array_that_is_reached_otherwise_is_not_lifted():
    x, calls = np.array(numbers(30, 4)), []

    @np.jit
    def f(part):
        return part + x[0], part.base is x

    for i in range(12):
        x[0] = i
        total, same = f(x[i:i + 3])
        assert same and same_bits(real.asarray(total), real.asarray(x[i:i + 3].copy()) + i)
        calls.append(total)
    assert f._fixed == {"part"}


def test_views_within_containers_and_keywords():
    def f(np, batch, scale):
        return [batch["x"] * scale[0].sum(), batch["x"] - batch["y"][:, None]]
    jitted = np.jit(lambda *args, **kwargs: f(np, *args, **kwargs))
    x, y, w = numbers(60, 6), numbers(60), numbers(3)
    own = [np.array(a) for a in (x, y, w)]
    for i in range(40):
        expected = f(real, {"x": x[i:i + 8], "y": y[i:i + 8]}, scale=(w[1:],))
        found = jitted({"x": own[0][i:i + 8], "y": own[1][i:i + 8]}, scale=(own[2][1:],))
        assert all(same_bits(a, real.asarray(b)) for a, b in zip(expected, found, strict=True))
    one(jitted)


def test_read_only_views_and_views_of_shared_arrays():
    x = real.arange(60.0).reshape(30, 2)
    own = np.array(x)
    f = np.jit(lambda a: (a * 2, a.flags.writeable))
    for i in range(20):
        part = own[i:i + 3]
        part.flags.writeable = i % 3 != 0
        total, may = f(part)
        assert may is (i % 3 != 0) and same_bits(real.asarray(total), x[i:i + 3] * 2)
    given = own.numpy()
    given[:] = 5
    assert same_bits(real.asarray(f(own[2:5])[0]), real.full((3, 2), 10.0))
    given[:] = 6
    assert same_bits(real.asarray(f(own[2:5])[0]), real.full((3, 2), 12.0))


def test_a_root_that_gets_another_shape():
    x = real.arange(60.0)
    own, f = np.array(x), np.jit(lambda a: a + 1)
    parts = [own[i:i + 5] for i in range(8)]
    for i, part in enumerate(parts):
        if i == 4:
            own.shape = 10, 6
        assert same_bits(real.asarray(f(part)), x[i:i + 5] + 1)


def test_views_that_are_not_aligned():
    memory = numbers(40, 3)
    f = compared(lambda np, x, y: [x @ y, x * 2, (x + 1).sum()], [memory, memory.view("u1").reshape(-1)], [
        row for i in range(12) for row in (lambda a, b, i=i: [a[i:i + 3], a[:3, 0]],
                                           lambda a, b, i=i: [b[i:i + 72].view("f8").reshape(3, 3), a[:3, 0]])])
    assert f.cache_info()["python"] is None


def test_pending_roots_and_loops():
    def f(np, x, y):
        total = x * 0
        for i in range(20):
            total = total * 0.5 + x - y[i]
        return [total]
    arrays = [numbers(80), numbers(60, 5)]
    jitted = compared(f, arrays, rows_of(lambda i, x, y: [(x + i)[i:i + 5], y[i:i + 20]], 30))
    one(jitted)


def test_views_with_the_same_steps_at_the_first_call_only():
    """Their steps are one object when the slice was met before, so that no read tells whose it is."""
    a = np.arange(40.0)
    for _ in range(4):
        np.realize(a[1:9:2] + 0)

    def f(x, y):
        return x * 2 - y
    jitted = np.jit(f)
    for at in (1, 1, 0, 5, 2, 1, 3, 0) * 3:
        x, y = a[1:9:2], a[at:at + 8:2]
        assert same_bits(real.asarray(jitted(x, y)), real.asarray(x) * 2 - real.asarray(y))


@pytest.mark.parametrize("first", range(0, 120, 20))
@pytest.mark.parametrize("kernels", [False, True])
def test_random_functions_of_views(first, kernels, monkeypatch):
    if kernels:
        monkeypatch.setattr(compiled, "FIRST_CHECKS", (2, 3, 4))
        monkeypatch.setattr(jit, "HOT", 1)
    for seed in range(first, first + 20):
        found, f = program_parts.tried(seed, np)
        assert not found and "something else" not in str(f._off), found or f._off
