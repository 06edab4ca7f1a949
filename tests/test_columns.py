"""Reductions of columns: threads reduce some each, and then go on with these or share the rows; the same bits on any
number."""

import threading

import numpy as real
import pytest

from lazytensor.config import current
from lazytensor.lower import fused
from lazytensor.run import kernels, launch, launcher, sharing

from .helpers import module_under_test, plan_soon, same_bits

PROGRAMS = {
    "standardised": lambda np, x: (x - x.mean(0)) / x.std(0),
    "softmax": lambda np, x: np.exp(x - x.max(0)) / np.exp(x - x.max(0)).sum(0),
    "several": lambda np, x: ((x - x.mean(0)) / x.std(0), x.sum(0), x * 2),
    "scaled": lambda np, x: (x - x.min(0)) * 3.5 / (x.max(0) - x.min(0)),
    "sums": lambda np, x: (x.sum(0), (x * x).sum(0)),
    "variance": lambda np, x: x.var(0),
    "totals": lambda np, x: (x.cumsum(0), x.sum(0)),
}


def planning_soon():
    """The module under test, set so."""
    np = module_under_test()
    plan_soon(np)
    return np


def check(program, x, threads):
    """On a matrix, every other row of one, and one whose columns lie together."""
    np = module_under_test()
    for layout in (x, real.asfortranarray(x).copy("K")[:, ::1], x[::2]):
        want = PROGRAMS[program](real, layout)
        with np.config(threads=threads):
            got = PROGRAMS[program](np, np.array(layout))
            np.realize(*got if type(got) is tuple else (got,))
        for a, b in zip(*[r if type(r) is tuple else (r,) for r in (want, got)], strict=True):
            assert same_bits(a, real.asarray(b))
    assert not kernels.failures


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_few_columns(dtype, program, threads):
    plan_soon(module_under_test())
    rng = real.random.default_rng(3)
    for shape in ((5000, 64), (3001, 100), (12000, 17), (2000, 127), (40, 33)):
        check(program, rng.normal(size=shape).astype(dtype), threads)


FEW = {
    "exponentials": lambda np, x: np.exp(x - x.mean(0)).sum(0),
    "standardised": PROGRAMS["standardised"],
    "softmax": PROGRAMS["softmax"],
    "a row of its own": lambda np, x: (np.exp(x / x[0] * 0.01 - x[1]).max(0), (x - x[2]).mean(0)),
    "kept and reduced": lambda np, x: (np.exp(x), np.exp(x).sum(0), (np.exp(x) * x).min(0)),
    "several calls": lambda np, x: (np.sin(np.exp(x) - x.mean(0)).sum(0), np.sin(x).max(0)),
    "chosen": lambda np, x: (np.where(x > x.mean(0), np.sqrt(abs(x)), 0).sum(0), (np.log(abs(x) + 1) > 0.5).any(0)),
    "a number of each row": lambda np, x: np.exp(x - x[:, :1]).sum(0),
    "quotients": lambda np, x: (np.exp(x) / x.sum(0), (x / x.max(0)).sum(0)),
    "extremes": lambda np, x: (x.max(0), (x * 2).min(0)),
    "totals": PROGRAMS["totals"],
    "sums of parts": lambda np, x: (x[:, 1:].var(0), (x[:, :-1] / x[:, :1]).sum(0), x[:, ::-1].max(0)),
    "slabs": lambda np, x: ((x[:30].reshape(5, 6, -1) * 2).sum(1), x[:30].reshape(5, 6, -1).std(1)),
    "nothing reduced": lambda np, x: (np.exp(x - x[0]), np.sin(x - x[:, :1]) * 2),
    "of parts": lambda np, x: (np.exp(x[:, 1:] * 2 - x[0, ::-1][1:]), np.exp(x[::-1, :-1] + x[:, 1:]) > 2),
    "numbers too": lambda np, x: np.exp(x * x[2] + 1.5 - x[0, 0]) * 2 + x[:, -1:],
    "parts reduced": lambda np, x: (np.exp(x[:, 1:] - x[:, :1]).sum(0), np.exp(x[::-1] / x[3, ::-1]).max(0)),
}


@pytest.mark.parametrize("program", FEW)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i2"])
def test_rows_shorter_than_some_vectors(dtype, program):
    """Many of them are as one row, also where a tile is cut short."""
    np = planning_soon()
    rng = real.random.default_rng(4)
    for shape in ((5000, 3), (4999, 2), (35, 5), (1003, 7), (517, 8), (700, 12), (511, 31), (300, 1)):
        x = (4 * rng.normal(size=shape)).astype(dtype)
        for layout in (x, x[::2], real.asfortranarray(x)):
            with real.errstate(all="ignore"), np.errstate(all="ignore"):
                want = FEW[program](real, layout)
                for threads in (1, 2, 2, 2):
                    with np.config(threads=threads):
                        got = FEW[program](np, np.array(layout))
                        np.realize(*got if type(got) is tuple else (got,))
                    for a, b in zip(*[r if type(r) is tuple else (r,) for r in (want, got)], strict=True):
                        assert same_bits(a, real.asarray(b)), (shape, threads)
    assert not kernels.failures


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_which_kernels_take_many_rows_as_one(monkeypatch):
    """Not those that only add up, nor where columns are many, or rows have gaps and nothing is called."""
    np = planning_soon()
    monkeypatch.setattr(launch, "_code", {})

    def ways(program, x):
        launch._code.clear()
        with np.config(threads=1):
            for _ in range(4):
                np.realize(program(np, np.array(x)))
        return {way[:11] for _, _, way in launch._code if isinstance(way, str)}
    x = real.random.default_rng(7).normal(size=(3001, 16))
    assert ways(FEW["exponentials"], x) == ways(PROGRAMS["standardised"], x) == {"few columns"}
    assert ways(PROGRAMS["variance"], x) == ways(FEW["exponentials"], real.ones((300, 100))) == {"columns"}
    assert ways(PROGRAMS["variance"], x[:, :6]) == {"few columns"}  # by shorter vectors
    x = x.repeat(2, 1)[:, :17]
    assert ways(lambda np, x: x[:, 1:] - x[:, 1:].mean(0), x) == {"columns"}
    assert ways(lambda np, x: np.exp(x[:, 3:7] - x[:, :1]), x) == {"few columns"}


@pytest.mark.parametrize("threads", [1, 2])
def test_flags_of_few_columns(threads):
    """Those of the elements, and of nothing beside them."""
    np = planning_soon()
    x = real.random.default_rng(5).normal(size=(4000, 3)) + 5
    x[0, 0] = 5
    with np.config(threads=threads), real.errstate(all="raise"), np.errstate(all="raise"):
        for _ in range(4):
            y = np.array(x)
            np.realize(np.exp(y / y.mean(0)).sum(0), (y - y.mean(0)) / y.std(0))
        x[3999, 2] = 1e6
        with pytest.raises(FloatingPointError):
            y = np.array(x)
            np.realize(np.exp(y - y.mean(0)).sum(0))


@pytest.mark.parametrize("program", PROGRAMS)
def test_asking_memory_ahead(program, monkeypatch):
    """Also beyond the last rows, where nothing may be."""
    plan_soon(module_under_test())
    monkeypatch.setattr(sharing, "core_cache", lambda: 1 << 10)
    for shape in ((1003, 64), (2001, 30)):
        check(program, real.random.default_rng(6).normal(size=shape), 2)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("apart", [False, True])
def test_many_columns(apart, program, monkeypatch):
    plan_soon(module_under_test())
    monkeypatch.setattr(sharing, "core_cache", lambda: 1 << 10 if apart else 1 << 30)
    rng = real.random.default_rng(4)
    for shape in ((400, 1300), (900, 515), (600, 192)):
        check(program, rng.normal(size=shape), 3)


def test_what_phases_share_is_not_on_the_stack(monkeypatch):
    """Threads have little of that, and columns may be many."""
    plan_soon(module_under_test())
    monkeypatch.setattr(sharing, "core_cache", lambda: 1 << 10)
    x = real.random.default_rng(7).normal(size=(16, 80_000))
    check("standardised", x, 2)  # compiled by now
    before = threading.stack_size(1 << 18)
    try:
        thread = threading.Thread(target=check, args=("standardised", x, 2))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_which_phases_run(monkeypatch):
    """Two where the last pass's rows are shared anew, one where workers go on with their columns."""
    np = module_under_test()
    monkeypatch.setattr(sharing, "core_cache", lambda: 1 << 21)
    plan_soon(np)
    seen = []
    bind = launch.bind
    monkeypatch.setattr(launch, "bind", lambda *args: seen.append(bind(*args)) or seen[-1])
    with np.config(threads=2):
        for shape in ((16384, 64), (512, 64), (256, 4096)):
            check("standardised", real.random.default_rng(5).normal(size=shape), 2)
    kinds = {found.block[launcher.LENGTH_WORD]: [] for found in seen}
    for found in seen:
        kinds[found.block[launcher.LENGTH_WORD]].append(type(found).__name__)
    assert kinds[64][0] == "LongRow"
    assert kinds[4096][0] == "Launch"


@pytest.mark.parametrize("columns", [1, 3, 55, 600])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_what_columns_have_one_of_need_not_lie_together(dtype, columns):
    """Inputs with gaps, one element for each column, in what is computed of reductions."""
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(9)
    x, y = ((9 * rng.normal(size=(3, 10, columns))).astype(dtype) for _ in range(2))

    def computed(np):
        a, b = np.array(x), np.array(real.asfortranarray(y))
        r = (a * 2).sum(1) + b.sum(1), np.hypot((a * a).sum(1), (b * b).sum(1)), (a + 1).sum(1) * b.max(1) - b.min(1)
        return r, (a - b * 2, *(a - (b * 2).sum(1)[:, None] * (a * 2).sum(1)[:, None],))
    with np.config(threads=2):
        got, more = computed(np)
        np.realize(*got, *more)
    for a, b in zip((*computed(real)[0], *computed(real)[1]), (*got, *more), strict=True):
        assert same_bits(a, real.asarray(b))
    assert not kernels.failures


def sizes(rows, columns, itemsize=8):
    """Of a kernel that reads one matrix and writes one."""
    return sharing.Sizes(rows, columns, itemsize, itemsize, itemsize, itemsize)


@pytest.mark.parametrize("columns", [1, 7, 8, 17, 64, 100, 127, 128, 192, 300, 1000, 4096, 5000])
@pytest.mark.parametrize("threads", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("itemsize", [1, 4, 8, 16])
def test_parts_are_whole_lines(itemsize, threads, columns):
    part = sharing.share(sizes(1000, columns, itemsize), threads, True).part
    assert 0 < part <= columns
    assert part == columns or part * itemsize % sharing.LINE == 0
    lanes = max(1, sharing.LINE // itemsize)
    fair = -(-columns // threads)
    fair += -fair % lanes
    assert part < columns or threads == 1 or 2 * columns < 3 * fair  # or another would have under half as many


def test_lines_of_the_narrowest_are_whole():
    """A line of bytes that two threads read would be read twice."""
    assert sharing.share(sharing.Sizes(1000, 64, 1, 0, 8, 1), 2, False).part == 64
    assert sharing.share(sharing.Sizes(1000, 128, 1, 0, 8, 1), 2, False).part == 64


@pytest.mark.parametrize(("shape", "apart"), [
    ((16384, 64), True),  # pieces of a few lines side by side
    ((512, 64), False),  # all of it is in the caches
    ((1024, 1024), True),  # a thread's columns do not stay in its cache
    ((256, 4096), False),  # they do, and its pieces are long
    ((256, 17), True),  # one thread would have nearly all
])
def test_when_rows_are_shared_anew(shape, apart, monkeypatch):
    monkeypatch.setattr(sharing, "core_cache", lambda: 1 << 21)
    assert sharing.share(sizes(*shape), 2, True).apart is apart
    assert not sharing.share(sizes(*shape), 1, True).apart
    assert not sharing.share(sizes(*shape), 2, False).apart


@pytest.mark.parametrize(("shape", "ahead"), [
    ((16384, 64), True),
    ((4096, 64), False),  # what a thread reads stays in its cache
    ((4096, 4096), False),  # long pieces are foreseen
    ((1 << 20, 7), False),  # one thread has whole rows
])
def test_when_memory_is_asked_ahead(shape, ahead, monkeypatch):
    monkeypatch.setattr(sharing, "core_cache", lambda: 1 << 21)
    assert sharing.share(sizes(*shape), 2, True).ahead is ahead
    assert not sharing.share(sizes(*shape), 1, True).ahead


def test_the_cache_has_a_size():
    assert 1 << 14 <= sharing.core_cache() <= 1 << 28
