"""NumPy's loops, called in kernels for parts of arrays: where they give the same as for copies without gaps."""

import numpy as real
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytensor.lower import fused
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")

TOGETHER = [lambda a: a[1:-1], lambda a: a[:, 1:-1], lambda a: a[2:, :-3], lambda a: a.reshape(-1),
            lambda a: a[::2, 1:], lambda a: a.reshape(4, -1)[1:, 5:], lambda a: a[None], lambda a: a[:, None, 1:]]
FORWARD = [lambda a: a[:, ::2], lambda a: a.T, lambda a: a[:, 0], lambda a: a.T[1:], lambda a: a.T[::3, 1::2],
           lambda a: a.reshape(-1)[::3], lambda a: a.reshape(40, 12, 3)[:, :, 1], lambda a: a.reshape(4, 10, 36).T,
           lambda a: a.reshape(4, 10, 36).swapaxes(0, 1), lambda a: a[:1].T, lambda a: a[:, 2:4].T]
INNERMOST = [lambda a: a[::-1], lambda a: a[::-2, ::3], lambda a: a.T[:, ::-1], lambda a: a.T[::2, ::-1]]
BACKWARDS = [lambda a: a.reshape(-1)[::-1], lambda a: a[0, ::-1], lambda a: a[::-1, ::-2], lambda a: a[::-1, ::-1].T,
             lambda a: a[::-1, 0], lambda a: a.reshape(4, 10, 36)[::-1, ::-1, ::-1], lambda a: a.reshape(-1, 1)[::-3]]
"""Which NumPy's loops go along backwards."""
MIXED = [lambda a: a[:, ::-1], lambda a: a.T[::-1], lambda a: a[::-1, 1:][:, ::-1], lambda a: a[::-1, :5].T[::-1],
         lambda a: a.reshape(4, 10, 36)[:, ::-1, ::-1]]
"""Which it copies to buffers, or not."""
UNKNOWN = [lambda a: a[:1, :1], lambda a: a[3:4, 5], lambda a: a[0, 0:1][::-1],
           lambda a: real.broadcast_to(a[:, :1], a.shape) if type(a) is real.ndarray else
           module_under_test().broadcast_to(a[:, :1], a.shape)]
ALL = [*TOGETHER, *FORWARD, *INNERMOST, *BACKWARDS, *MIXED, *UNKNOWN]


@pytest.fixture(autouse=True, scope="module")
def at_once():
    np = module_under_test()
    plan_soon(np)
    with np.config(engine="llvm"):
        yield


def one(np, x):
    return np.exp(x) * 2 + 1


def two(np, x):
    return np.arctan2(x, np.abs(x) + 1) - np.sin(x)


def with_numbers(np, x):
    return np.power(np.abs(x), 2.5) + np.power(3, x), np.log1p(x) * x


def of_rows(np, x):
    return (np.exp(x) - x).sum(-1), np.log(np.abs(x) + 1).max(0), np.tanh(x).mean()


def of_views_alone(np, x):
    return np.arctan(x).sum(), np.exp(x).sum(0), (np.cbrt(x) * 2).var(-1), np.exp2(x) - np.arcsinh(x) * x


def of_two_views(np, x):
    y = x.T if x.ndim > 1 else x
    return np.arctan2(y, y) + 1, np.hypot(x, x[::-1]) - x, np.power(x, x) * 2


def check(program, x, a):
    with real.errstate(all="ignore"):
        expected, got = program(real, x), program(module_under_test(), a)
    for e, g in zip(expected, got, strict=True) if isinstance(expected, tuple) else [(expected, got)]:
        assert same_bits(real.asarray(e), real.asarray(g))
        assert g.strides == real.asarray(e).strides


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("program", [one, two, with_numbers, of_rows, of_views_alone, of_two_views],
                         ids=lambda p: p.__name__)
@pytest.mark.parametrize("view", ALL)
def test_they_give_numpys_bits(view, program, dtype):
    np = module_under_test()
    x = real.random.default_rng(0).normal(size=(40, 36)).astype(dtype) * 4
    a = np.array(x)
    for _ in range(3):
        check(program, view(x), view(a))


@pytest.mark.parametrize("function, dtype, kernels, others", [
    ("exp", "d", [TOGETHER, FORWARD, INNERMOST, BACKWARDS], [MIXED, UNKNOWN]),
    ("exp", "f", [TOGETHER, FORWARD, INNERMOST, BACKWARDS, MIXED], [UNKNOWN]),
    ("sin", "d", [TOGETHER, FORWARD, INNERMOST, BACKWARDS, MIXED], [UNKNOWN]),
    ("log1p", "f", [TOGETHER, FORWARD, INNERMOST, BACKWARDS], [MIXED, UNKNOWN]),
    ("gcd", "l", [TOGETHER, FORWARD, INNERMOST, BACKWARDS, MIXED], [UNKNOWN])])
def test_what_is_one_kernel(function, dtype, kernels, others):
    np = module_under_test()
    x = np.array(real.ones((40, 36), dtype))
    numbers = (12,) if function == "gcd" else ()
    for view in sum(kernels, []):
        text = np.explain(getattr(np, function)(view(x), *numbers) * 2)
        assert function in text.partition("one pass over memory")[2], text
    for view in sum(others, []):
        text = np.explain(getattr(np, function)(view(x), *numbers) * 2)
        assert function not in text.partition("one pass over memory")[2], text


@pytest.mark.parametrize("program", [
    lambda np, x: np.exp(x[::2]) * 2, lambda np, x: np.sin(x[::-1]) + 1, lambda np, x: np.log(x[:, 0] + 1),
    lambda np, x: np.log(x[:, 0]) + 1, lambda np, x: np.exp(x.T) * x.T, lambda np, x: np.exp(x[:, ::2]).sum(),
    lambda np, x: np.sin(x[:, ::-1]) * x[:, ::-1], lambda np, x: np.arctan2(x[:, ::2], x[:, 1::2]) * x[:, 1::2],
    lambda np, x: np.log1p(x[::-1]).max(0), lambda np, x: np.power(x.T, 2.5).mean(1) * 3,
    lambda np, x: np.exp(x[::2]) * x[1::2], lambda np, x: np.exp(x.reshape(-1)[::-1]) * 2,
    lambda np, x: (np.tan(x[::-1, ::-1]) + np.log(x[::-1, ::-1])).sum(1)], ids=range(13))
def test_one_kernel_runs(program, monkeypatch):
    np = module_under_test()
    x = np.array(real.random.default_rng(0).uniform(1, 2, (60, 74)))
    text, bound = np.explain(program(np, x)), []
    assert ", 1 step to run" in text and "1 kernel among them" in text, text
    bind = kernels.bind_arrays
    monkeypatch.setattr(kernels, "bind_arrays", lambda *args: bound.append(bind(*args)) or bound[-1])
    for _ in range(3):
        np.realize(program(np, x))
    assert bound and bound[-1] is not None


@pytest.mark.parametrize("dtype", "efdD")
@pytest.mark.parametrize("program", [
    lambda np, x: np.sinh(x), lambda np, x: (x + 1) * np.exp(x), lambda np, x: np.power(x, 2.5) - np.arctan(x),
    lambda np, x: np.power(x, x) * 2, lambda np, x: np.square(x) * x, lambda np, x: np.abs(x) + np.log(x)],
    ids=range(6))
def test_arrays_of_the_program_lie_in_any_way(program, dtype):
    """An array handed in, or a view of one, is an operand as it is."""
    np = module_under_test()
    real_part, imag = real.random.default_rng(5).normal(size=(2, 300, 360)) * 3
    x = (real_part + 1j * imag).astype(dtype) if dtype == "D" else real_part.astype(dtype)
    a = np.asarray(x)
    for view in [*TOGETHER[1:2], *FORWARD[:2], *INNERMOST[:1], BACKWARDS[0], BACKWARDS[3], *MIXED[:2]]:
        for _ in range(2):
            check(program, view(x), np.asarray(view(x)))
            check(program, view(x), view(a))


def test_a_plan_met_with_other_arrays_is_run_otherwise():
    np = module_under_test()
    x = real.random.default_rng(6).normal(size=300000)
    for step in (2, 2, -1, 1, 3, -2, 2, -1):
        part = x[::step]
        for _ in range(2):
            check(lambda np, x: np.maximum(x, np.tan(x)) - np.cbrt(x), part, np.asarray(part))


def test_a_plan_met_with_other_views_is_run_otherwise():
    np = module_under_test()
    x = real.random.default_rng(1).normal(size=(60, 60))
    a = np.array(x)
    for step in (1, 1, 2, -1, 1, 3, -1, -2, 2, 60):
        for _ in range(3):
            part = a[:, ::step]
            assert same_bits(real.asarray(np.exp(part) * 2 - part), real.exp(x[:, ::step]) * 2 - x[:, ::step])
            flat = a.reshape(-1)[::step]
            wanted = real.exp(x.reshape(-1)[::step])
            assert same_bits(real.asarray(np.exp(flat) * 2 - flat), wanted * 2 - x.reshape(-1)[::step])


@pytest.mark.parametrize("dtype", "FD")
def test_a_plan_of_products_met_with_other_views_is_run_otherwise(dtype):
    np = module_under_test()
    x, y = real.random.default_rng(1).normal(size=(2, 4000, 2)).astype(dtype.lower()).view(dtype)[..., 0]
    a, b = np.array(x), np.array(y)
    for step in (1, 1, 2, -1, 1, 3, -1, -2, 2):
        for _ in range(3):
            got = a[::step] * b[::step] + np.square(a[::step]) - np.abs(b[::step])
            assert same_bits(real.asarray(got),
                             x[::step] * y[::step] + real.square(x[::step]) - real.abs(y[::step]))


@pytest.mark.parametrize("view", [*TOGETHER, *FORWARD, *INNERMOST, *BACKWARDS, *MIXED])
def test_they_are_written_into_parts(view):
    np = module_under_test()
    x = real.random.default_rng(2).normal(size=(40, 36))
    a = np.array(x)
    for _ in range(3):
        target, mine = real.zeros((40, 36)), np.zeros((40, 36))
        view(target)[...] = real.exp(view(x))
        view(mine)[...] = np.exp(view(a))
        assert same_bits(target, real.asarray(mine))
        real.exp(view(x), out=view(target))
        np.exp(view(a), out=view(mine))
        assert same_bits(target, real.asarray(mine))
        x2, a2 = x.copy(), np.array(x)
        real.exp(view(x2), out=view(x2))
        np.exp(view(a2), out=view(a2))
        assert same_bits(x2, real.asarray(a2))


def test_a_part_that_lies_between_what_is_read():
    """NumPy's loops have another way for outputs among their operands."""
    np = module_under_test()
    x = real.random.default_rng(3).normal(size=20001)
    a = np.array(x)
    for _ in range(3):
        real.exp(x[:-1:2], out=x[1::2])
        np.exp(a[:-1:2], out=a[1::2])
        real.tanh(x[::2], out=x[::2])
        np.tanh(a[::2], out=a[::2])
        assert same_bits(x, real.asarray(a))


NAMES = "exp log sin cos tan tanh arctan log1p expm1 cbrt exp2 arcsinh sinh log10 absolute sqrt".split()
SLICES = st.tuples(*[st.builds(slice, st.none() | st.integers(-9, 9), st.none() | st.integers(-40, 40),
                               st.sampled_from([None, 1, 2, 3, 5, -1, -2, -3]))] * 2)


@settings(max_examples=60, deadline=None)
@given(dtype=st.sampled_from("efdFD"), names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2),
       slices=SLICES, transposed=st.booleans(), flat=st.booleans(), seed=st.integers(0, 99),
       times=st.sampled_from([2, 0.5]),
       ending=st.sampled_from(["", "sum", "rows", "columns"]))
def test_any_views(dtype, names, slices, transposed, flat, seed, times, ending):
    np = module_under_test()
    rng = real.random.default_rng(seed)
    x = rng.normal(size=(70, 36)).astype(dtype)
    if dtype in "FD":
        x += (1j * rng.normal(size=x.shape)).astype(dtype)
    special = [0, -0.0, real.inf, -real.inf, real.nan, 1e-40, 1e30]
    with real.errstate(all="ignore"):
        x.reshape(-1)[rng.integers(0, x.size, 20)] = rng.choice(special, 20)

    def program(np, x):
        view = (x.T if transposed else x)[slices[1 - transposed], slices[transposed]]
        view = x.reshape(-1)[slices[0]] if flat else view
        made = sum([getattr(np, name)(view) * times for name in names if dtype not in "FD" or name != "cbrt"], view)
        if ending and view.size and dtype not in "FD":
            return made.max() if ending == "sum" else made.max(-1 if ending == "rows" else 0)
        return made
    a = np.array(x)
    for _ in range(3):
        check(program, x, a)
