"""Reductions with `where=` (`api/masked.py`): NumPy's bits, stretch by stretch, and what is fused."""

import random
import re
import warnings

import numpy as real
import pytest

from lazytensor.api import masked
from lazytensor.hot import native
from lazytensor.lower import fused
from lazytensor.run import floating

from .helpers import check_same, module_under_test

REDUCTIONS = ("sum", "prod", "max", "min", "any", "all", "mean", "var", "std")


@pytest.fixture(autouse=True)
def small_arrays_too(monkeypatch):
    monkeypatch.setattr(masked, "LEAST", 16)


def drawn(rng, seed):
    """An array, a mask of its shape and options of a reduction."""
    ndim = rng.randint(1, 3)
    shape = [rng.choice((1, 2, 3, 9, 17, 40)) for _ in range(ndim)]
    shape[-1] = rng.choice((1, 3, 8, 9, 64, 130, 1000, 8191, 8193, 20000)) if ndim < 3 else rng.choice((1, 5, 70, 300))
    dtype = rng.choice(("f8", "f8", "f8", "f4", "f4", "i4", "i8", "u1", "?", "f2", "c16"))
    of = real.random.default_rng(seed)
    with real.errstate(all="ignore"):
        x = (of.normal(size=shape) * 50).astype(dtype)
    if dtype in ("f8", "f4"):
        for value, share in ((0.0, 0.2), (-0.0, 0.4), (real.nan, 0.001), (real.inf, 0.001), (-real.inf, 0.001)):
            if rng.random() < 0.2:
                x[of.random(shape) < share] = value
        if rng.random() < 0.1:
            x[of.random(shape) < 0.5] = real.finfo(dtype).max
        if rng.random() < 0.2:
            x = -abs(x)
    mask = of.random(shape) < rng.choice((0, 0.02, 0.3, 0.5, 0.9, 0.98, 1))
    axis = rng.choice([None, -1, 0, tuple(range(ndim)), tuple(range(ndim))[-2:], tuple(range(ndim))[:2], (0, -1)])
    return x, mask, axis


@pytest.mark.parametrize("seed", range(80))
def test_reductions(seed):
    rng = random.Random(seed)
    x, mask, axis = drawn(rng, seed)
    if rng.random() < 0.3:
        mask = mask[..., :1] if rng.random() < 0.5 else mask[0] if x.ndim > 1 else mask
    initial = [rng.choice((0, 1, -3, 2.5, real.inf, -real.inf, 0.0, -0.0, 1e300, 300)) for _ in REDUCTIONS]
    has_initial = [rng.random() < (0.9 if name in ("max", "min") else 0.3) for name in REDUCTIONS]
    options = {"axis": axis, "keepdims": True} if rng.random() < 0.3 else {"axis": axis} if axis is not None else {}
    pending, ddof = rng.random() < 0.5, rng.choice((0, 0, 1, 2))

    def program(np):
        a, m = np.array(x), np.array(mask)
        if pending:
            a, m = a + a, ~m
        found = []
        for name, number, has in zip(REDUCTIONS, initial, has_initial, strict=True):
            more = {"initial": number} if has and name in ("sum", "prod", "max", "min") else {}
            more |= {"ddof": ddof} if name in ("var", "std") else {}
            for call in (getattr(a, name), lambda *args, name=name, **kw: getattr(np, name)(a, *args, **kw)):
                try:
                    found.append(call(where=m, **options, **more))
                except Exception as error:
                    found.append((type(error).__name__, str(error)))
        a += 1
        return found

    check_same(program, messages=True)  # where warnings are taken down, nothing would be pending


@pytest.mark.parametrize("name", REDUCTIONS)
def test_bytes_in_another_order(name):
    def program(np):
        x = np.array(real.arange(60).reshape(6, 10).astype(">f8"))
        more = {"initial": -9.5} if name in ("max", "min") else {}
        return [getattr(x, name)(where=x > 7, **axis, **more) for axis in ({}, {"axis": 0}, {"axis": 1})]

    check_same(program, messages=True)


@pytest.mark.parametrize("initial", [10**400, -10**400, 1 << 64, 1 << 63], ids=["huge", "less", "2**64", "2**63"])
def test_whole_numbers_that_no_array_has(initial):
    def program(np, name, dtype):
        x = np.array(real.arange(60).reshape(6, 10).astype(dtype))
        return getattr(x, name)(1, where=x > 7, initial=initial)

    for name in ("sum", "prod", "max", "min"):
        for dtype in ("f8", "f4", "u8", "i4"):
            check_same(program, name, dtype, messages=True)


def test_warnings():
    def program(np):
        x = np.array(real.array([[1e308, 1e308, 3], [1, 2, 3]]))
        m = np.array(real.array([[True, True, False], [False, False, False]]))
        return (x.sum(1, where=m), x.mean(1, where=m), x.mean(0, where=m), x.std(1, where=m), x.var(where=m),
                x.mean(where=m & False), x.var(where=m & False))

    def noted(np):
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            found = [real.asarray(value) for value in program(np)]
        return found, sorted({str(w.message) for w in given})

    (expected, said), (found, says) = noted(real), noted(module_under_test())
    assert all(real.array_equal(a, b, equal_nan=True) for a, b in zip(expected, found, strict=True))
    assert says == said


@pytest.mark.skipif(native is None, reason="no extension here")
def test_pending_work_warns_at_the_line_that_wrote_it(capsys):
    lines = ("a.mean(1, where=m)", "a.mean(0, where=m)", "a.var(1, where=m)")
    x = real.arange(60.0).reshape(6, 10)

    def given(np):
        """What is written and, of NumPy, read as it is written."""
        names = {"a": np.array(x), "m": np.array(x < 5)}
        return [eval(compile("\n" * k + line, "program.py", "eval"), names) for k, line in enumerate(lines)]

    def said(read):
        """As Python shows it: who records warnings gets none of what was written before."""
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            read()
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("program.py:")]

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        pending = given(module_under_test())
    expected = said(lambda: given(real))
    assert said(lambda: list(map(real.asarray, pending))) == expected and len(expected) == 3


@pytest.mark.parametrize("initial", [1e300, -1e39])
def test_an_initial_value_that_does_not_fit_is_told_of_once(initial, capsys):
    np = module_under_test()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning, warnings._showwarnmsg_impl = floating._plain_showwarning, floating._plain_show
        x = np.array(real.full((6, 10), -initial / abs(initial) * real.inf, "f4"))
        real.asarray(x.sum(1, where=np.array(real.ones((6, 10), bool)), initial=initial))
    assert capsys.readouterr().err.count("overflow encountered in cast") == 1


def test_an_error_state_that_interrupts():
    def program(np):
        x, m = np.array(real.full(50, 1e308)), np.array(real.ones(50, bool))
        with real.errstate(over="raise"):
            return x.sum(where=m)

    check_same(program)


@pytest.mark.skipif(native is None, reason="no extension here")
def test_stretches_of_what_is_no_bool():
    x = real.random.default_rng(0).random(1000)
    mask = real.random.default_rng(1).integers(0, 255, 1000, dtype="u1")
    mask[::3] = 0
    sums, counts = real.zeros(1), real.zeros(1, real.intp)
    assert native.add_stretches(x, mask.view(bool), sums, counts)
    assert sums[0] == x.sum(where=mask.astype(bool)) and counts[0] == (mask != 0).sum()
    with pytest.raises(TypeError):
        native.add_stretches(x, mask.view(bool)[1:], sums, counts)
    with pytest.raises(TypeError):
        native.add_stretches(x[::2], mask.view(bool)[::2], sums, counts)


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_golden_plans():
    np = module_under_test()

    def plan(value):
        text = np.explain(value)
        steps, kernels = re.search(r"(\d+) steps? to run.*?(?:(\d+) kernels? among them|$)", text, re.M).groups()
        return int(steps), int(kernels or 0)

    with np.config(engine="llvm"):
        x = np.array(real.random.default_rng(0).normal(size=(60, 70)))
        assert plan((x * 2).sum(0, where=x > 0) * 3) == (1, 1)
        assert plan((x * 2).prod(0, where=x > 0)) == (1, 1)
        assert plan((x > 1).any(1, where=x > 0)) == (1, 1)
        n = np.array(real.arange(4200).reshape(60, 70))
        assert plan((n * 2).sum(where=n > 9)) == (1, 1)
        assert plan((n * 2).max(1, where=n > 9, initial=0)) == (1, 1)
        assert plan((x * 2).mean(0, where=x > 0)) == (2, 1)
        assert plan((x * 2).max(0, where=x > 0, initial=-9.0)) == (2, 1)
        if native is not None:
            e = x * 2 + 1
            assert plan(e.sum(where=e > 0)) == (2, 1)
            e = x * 2 + 1
            assert plan(e.std(1, where=e > 0)) == (2, 1)

