"""Single programs that went wrong in a kernel once, each with fresh data on every run of its plan."""

import subprocess
import sys
import warnings

import numpy as real
import pytest

from lazytensor.lower import fused
from lazytensor.run import kernels, launch

from .helpers import module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def at_once():
    np = module_under_test()
    plan_soon(np)
    before = len(kernels.failures)
    with np.config(engine="llvm"):
        yield
    assert kernels.failures[before:] == [], "a kernel could not be made"


def outputs(result):
    return result if type(result) is tuple else (result,)


def agree(program, *shapes, runs=5, dtype="d"):
    """The program on NumPy and as kernels, with other data each time."""
    np = module_under_test()
    for k in range(runs):
        data = [real.random.default_rng(k).normal(size=shape).astype(dtype) for shape in shapes]
        with real.errstate(all="ignore"):
            expected = outputs(program(real, *[d.copy() for d in data]))
            got = outputs(program(np, *[np.array(d) for d in data]))
            np.realize(*[g for g in got if hasattr(g, "realize") or isinstance(g, np.ndarray)])
            for e, g in zip(expected, got, strict=True):
                assert same_bits(real.asarray(e), real.asarray(g)), k


@pytest.mark.parametrize("reduction", ["sum", "max", "mean", "std"])
def test_a_long_row_that_is_kept_and_reduced(reduction):
    agree(lambda np, x: (lambda y: (y, getattr(y, reduction)()))(x * 2 + 1), (100_000,))
    agree(lambda np, x: (lambda y: (y, getattr(y, reduction)()))(np.exp(x)), (100, 1000))


@pytest.mark.parametrize("shape", [(70_000,), (300, 40)])
def test_cheap_values_are_computed_again_where_nothing_is_kept(shape):
    agree(lambda np, x: (x * 2).var(), shape)
    agree(lambda np, x: (lambda z: z - z.mean())(x * 2), shape)
    agree(lambda np, x: (x * 2).var(axis=0), (300, 40))
    agree(lambda np, x: x.astype("d").std(0), (300, 40), dtype="f")
    agree(lambda np, x: np.where(x > 0, x, -x).std(0), (300, 40))


def test_what_is_stored_elsewhere_is_read_from_there():
    def reversed_(np, a):
        x = np.zeros(1000)
        x[::-1] = a * 2
        return x + 1

    def transposed(np, a):
        x = np.zeros((40, 40))
        x.T[...] = a * 2
        return x + 1
    agree(reversed_, (1000,))
    agree(transposed, (40, 40))


def test_two_stores_into_one_array():
    def rows(np, a):
        r, v = np.sort(np.ones((3, 1000)), axis=0), a
        for k in range(3):
            v = v * 2 + 1
            r[k] = v
        return r

    def halves(np, a):
        r = np.zeros(2000)
        v = a + 1
        r[:1000] = v
        r[1000:] = v * 2
        return r

    def own(np, a):
        v = a * 2
        r = v + 1
        r[::-1] = v
        return r
    agree(rows, (1000,))
    agree(halves, (1000,))
    agree(own, (5,))


def test_an_array_without_axes_may_change():
    np = module_under_test()
    s = np.array(2.0)
    memory, a = real.asarray(s), np.arange(1000.0)
    for k in range(6):
        memory[...] = k
        y = (a + 1) * s
        y.realize()
        assert float(y[0]) == k


def test_ddof_that_is_no_int():
    agree(lambda np, x: ((x * 2).var(-1, ddof=0.5), (x * 2).std(-1, ddof=1.5)), (7, 50))


def test_loops_that_differ_for_single_elements():
    agree(lambda np, x: np.power(abs(x * 1.1).sum(-1), np.full(100, 0.5)), (100, 40))

    def extremes(np, x):
        zero = x * 0
        return np.fmax(zero * 1, -zero * 1) + 0 * x[:1], np.fmin(zero.sum(-1), -zero.sum(-1)) * 1
    agree(extremes, (7, 17))


def given(np, program):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for result in outputs(program(np)):
            real.asarray(result)
    return sorted(str(w.message) for w in found)


CASES = {
    "where divide": "np.where(x > 0, 1.0 / x, 0.0)",
    "where sqrt": "np.where(x > 1, np.sqrt(x - 1), 0.0) + 1",
    "where square": "np.where(x > 5, 0.0, (x * 1e200) * (x * 1e200))",
    "float32 exp": "np.exp(f) + f",
    "float32 number": "f * 1e30 * 1e30 + f",
    "integers": "(i // j) + j",
}


@pytest.mark.parametrize("case", CASES)
def test_warnings(case):
    script = ("import numpy, warnings, sys\nimport NAME as np\nwarnings.simplefilter('always')\n"
              "if hasattr(np, 'config'): np.config(plan_after=1, compile_after=0)\n"
              "x = np.array([1.0, 0.0, 2.0] * 20); f = np.array([1.0, 1000.0] * 10, dtype='f')\n"
              "i = np.array([5, -2**63] * 50); j = np.array([1, -1] * 50)\n"
              f"for k in range(4):\n    numpy.asarray({CASES[case]})\n")
    texts = []
    for name in ("numpy", "lazytensor"):
        done = subprocess.run([sys.executable, "-c", script.replace("NAME", name)], capture_output=True, text=True,
                              check=True)
        texts.append([line.split("RuntimeWarning: ")[1] for line in done.stderr.splitlines() if "Warning: " in line])
    assert texts[1] == texts[0] and texts[0]


def test_an_interrupt_while_a_storing_kernel_is_made_loses_nothing(monkeypatch):
    np = module_under_test()

    def interrupted(*args):
        raise KeyboardInterrupt
    for _ in range(3):
        x, y = np.arange(1000.0), np.arange(999.0) + 0
        x.realize()
        x[1:] = (y * 2 + 1) * 3 - 7
        with monkeypatch.context() as patch:
            patch.setattr(launch, "code", interrupted)
            try:
                x.realize()
            except KeyboardInterrupt:
                pass
        expected = real.arange(1000.0)
        expected[1:] = (real.arange(999.0) * 2 + 1) * 3 - 7
        assert same_bits(expected, real.asarray(x))


def test_a_thread_with_a_small_stack():
    script = ("import threading, numpy, lazytensor as lt\nlt.config(plan_after=1, compile_after=0)\n"
              "def work():\n    for _ in range(4):\n        q = lt.arange(200000.).reshape(2, 100000) * 1e-6\n"
              "        z = (lambda e: e / e.sum(-1, keepdims=True))(lt.exp(q)); lt.realize(z)\n"
              "threading.stack_size(131072)\nt = threading.Thread(target=work); t.start(); t.join(); print('done')\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr


def test_the_engine_may_be_switched_off_later(monkeypatch):
    np = module_under_test()
    count = []
    run = kernels._launched
    monkeypatch.setattr(kernels, "_launched", lambda *args: count.append(1) or run(*args))
    for _ in range(4):
        (np.arange(500.0) * 3 + 1).realize()
    before = len(count)
    assert before
    with np.config(engine="numpy"):
        (np.arange(500.0) * 3 + 1).realize()
    assert len(count) == before


def test_a_dtype_keeps_its_character():
    np = module_under_test()
    for char in "lq":
        for _ in range(4):
            y = np.arange(300, dtype=char) * 3 + np.arange(300, dtype=char)
            y.realize()
            x = real.arange(3, dtype=char)
            assert real.asarray(y).dtype.char == (x * 3 + x).dtype.char


BOOLS = """
b.copy(); np.where(c, b, d); (np.where(c, b, d), np.where(c, b, d) & c); b.reshape(50, 100).T.copy(); b.astype(bool)
np.where(c, b, True); np.where(c, b.copy(), ~d).copy(); np.where(c, b, d) + np.arange(5000); b & d; ~b; b == d; b + 1
np.where(b, 1.5, 2.5); b.astype('f8'); np.concatenate([b, d]); np.maximum(b, d); np.broadcast_to(b, (3, 5000)).copy()
"""


@pytest.mark.parametrize("row", [row.strip() for row in BOOLS.replace("\n", ";").split(";") if row.strip()])
def test_bytes_of_booleans_other_than_0_and_1_are_kept_where_numpy_keeps_them(row):
    np = module_under_test()
    bytes_ = {"b": real.arange(5000) % 5, "d": real.arange(5000) % 7 + 100, "c": real.arange(5000) % 3 == 0}
    for _ in range(3):  # the second run is planned
        given = [{k: m.array(v.astype("u1")).copy().view(bool) for k, v in bytes_.items()} for m in (real, np)]
        expected, found = [eval(row, {"np": m, **names}) for m, names in zip((real, np), given, strict=True)]
        for x, y in zip(*[r if isinstance(r, tuple) else (r,) for r in (expected, found)], strict=True):
            assert real.asarray(y).tobytes() == x.tobytes()
