"""Single programs that went wrong in a kernel once, each with fresh data on every run of its plan."""

import subprocess
import sys
import warnings

import numpy as real
import pytest

from lazytensor.lower import fused
from lazytensor.lower.emit import emit
from lazytensor.lower.kernel import Input, Kernel, Step
from lazytensor.run import kernels, launch

from .helpers import module_under_test, plan_soon, same_bits, warned

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


def rows_of_all_kinds(np, x, gain):
    """Values kept of a row and computed again, rows as outputs, several passes."""
    mean, most = x.mean(-1, keepdims=True), x.max(-1, keepdims=True)
    e = np.exp(x - most)
    found = (x - mean) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gain
    return found, mean, most, e / e.sum(-1, keepdims=True), (np.sqrt(e) + e).sum(-1), found > 0


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("shape", [(1, 130), (2, 500), (3, 1024), (7, 130), (9, 264), (17, 100), (9, 777), (5, 3, 200)])
def test_rows_go_together(shape, dtype):
    agree(rows_of_all_kinds, shape, shape[-1:], dtype=dtype)
    agree(lambda np, x, gain: rows_of_all_kinds(np, x[::2, ..., 3:], gain[3:]), shape, shape[-1:], dtype=dtype)
    agree(lambda np, x, gain: rows_of_all_kinds(np, x.swapaxes(0, -2), gain), shape, shape[-1:], dtype=dtype)


@pytest.mark.parametrize("dtype", "fd")
def test_sums_of_every_length(dtype):
    """Blocks of one more vector than others, what is left of eight, halves that are not alike."""
    np = module_under_test()
    for n in (*range(65, 300, 3), *range(257, 290), *range(505, 530), *range(1015, 1090, 2), 1536, 1543, 2049, 2300):
        x = real.random.default_rng(n).normal(size=(6, n)).astype(dtype) * 1000
        y = real.ascontiguousarray(x[::-1])
        for program in (lambda m, a, b: a.sum(1) * 2, lambda m, a, b: (a * b).sum(1) + 1,
                        lambda m, a, b: ((a - a.mean(1, keepdims=True)) ** 2).sum(1) + 1):
            for _ in range(2):
                assert same_bits(program(real, x, y), program(np, np.array(x), np.array(y)).numpy()), n


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
    with warned() as found:
        for result in outputs(program(np)):
            real.asarray(result)
    return sorted(found)


CASES = {
    "where divide": "np.where(x > 0, 1.0 / x, 0.0)",
    "where sqrt": "np.where(x > 1, np.sqrt(x - 1), 0.0) + 1",
    "where square": "np.where(x > 5, 0.0, (x * 1e200) * (x * 1e200))",
    "where of where": "np.where(x > 0, np.where(x > 1, 1.0 / x, 1.0), 0.0)",
    "where of an operation on where": "np.where(x > 0, 1.0 / np.where(x > 1, x, 0.0), 0.0)",
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


def test_choices_from_choices_are_one_loop():
    """No tile buffers: what is chosen from raises nothing, so LLVM may leave it out."""
    masks, numbers = [Input("array", "?")] * 3, [Input("array", "d")] * 2
    steps = (Step("where", "d", (0, 3, 4)), Step("where", "d", (1, 5, 3)), Step("where", "d", (2, 4, 6)))
    chosen = emit(Kernel((*masks, *numbers), steps, (7,)), "cccccc", False).text
    computed = emit(Kernel((*masks, *numbers), (Step("add", "d", (3, 4)), *steps[1:]), (7,)), "cccccc", False).text
    assert "x i8]" not in chosen and "x i8]" in computed


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


def steps_of(np, u, index, through, count=3):
    """Time steps that store into a part of the array that they read."""
    v = u
    for k in through:
        v = v[k]
    for _ in range(count):
        v[index] = 0.25 * (v[index] + v[index][::-1]) + 0.5 * v[index]
    return u


@pytest.mark.parametrize(("index", "through"), [
    (Ellipsis, ()), (slice(None), ()), ((slice(1, -1), slice(1, -1)), ()), ((slice(2, 9), 3), ()),
    (slice(1, None, 2), ()), (slice(0, 0), ()), ((slice(None), slice(5, None)), (slice(1, -1),)),
    (slice(1, -1), (slice(3, 30), (Ellipsis, 4))),
    (slice(1, -1), ((slice(2, None), -3),)), ((Ellipsis, slice(1, 5)), ()), ((slice(1, -1), Ellipsis), ()),
    ((Ellipsis, slice(-50, 60), slice(70, 90)), ())])  # fmt: skip
@pytest.mark.parametrize("order", "CF")
def test_a_store_reads_the_array_that_it_writes(index, through, order):
    agree(lambda np, x: steps_of(np, np.array(x, order=order), index, through), (40, 50))
    agree(lambda np, x: steps_of(np, np.array(x, order=order)[::-1], index, through), (300, 200))


@pytest.mark.parametrize("dtype", "fdhB")
def test_time_steps_of_stencils(dtype):
    def plate(np, u):
        old = u[1:]
        for _ in range(5):
            u[1:-1, 1:-1] = (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]) / 4
        u[0] = u[1] + u[2]
        return u, old

    def block(np, u):
        u = u.copy()
        for _ in range(3):
            middle = u[1:-1, 1:-1, 1:-1]
            u[1:-1, 1:-1, 1:-1] = middle + (u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1] - 6 * middle)
        return u
    for shape in ((30, 40), (300, 400)):
        agree(plate, shape, dtype=dtype)
    agree(block, (20, 30, 40), dtype=dtype)
    agree(block, (50, 40, 30), dtype=dtype)


def test_what_a_store_reads_of_its_array_survives_warnings():
    np = module_under_test()
    for _ in range(5):
        x = real.random.default_rng(1).random((300, 200))
        x[150, 100] = 1e308
        u, kept = np.array(x), real.array(x)
        view = u[1:-1, 1:-1]
        with warned() as found:
            with real.errstate(over="warn"):
                u[1:-1, 1:-1] = (u[:-2, 1:-1] + u[1:-1, 1:-1]) * 8.0
                u.realize()
        with real.errstate(over="ignore"):
            kept[1:-1, 1:-1] = (kept[:-2, 1:-1] + kept[1:-1, 1:-1]) * 8.0
        assert same_bits(kept, real.asarray(u)) and same_bits(kept[1:-1, 1:-1], real.asarray(view))
        assert found == ["overflow encountered in multiply"]


@pytest.mark.parametrize("dtype", "fdhBiq?")
def test_one_value_where_a_mask_is_true(dtype):
    def masked(np, x, y):
        z = x + y if dtype != "?" else x ^ y
        old = z
        z[z > 1] = 0
        z[y > x] = 1
        w = z * 2 if dtype != "?" else ~z
        return z, w, old

    def of_a_view(np, x, y):
        z = x.copy()
        part = z[1:]
        part[part > y[1:]] = 1
        z[::-1][x > y] = 0
        return z, part

    def other_layouts(np, x, y):
        z = np.array(x, order="F")
        before = z | y if dtype == "?" else z * y
        z[(x > y)] = True
        z[(x <= y).T.T[::-1]] = False
        return z, before
    for program in (masked, of_a_view, other_layouts):
        agree(program, (40, 50), (40, 50), dtype=dtype)
        agree(program, (300, 500), (300, 500), dtype=dtype)


def test_values_that_do_not_fit_where_a_mask_is_true():
    np = module_under_test()
    for value, dtype in ((300, "B"), (-1, "B"), (1.5, "i"), (1e300, "f"), (real.nan, "d"), (True, "f"), (3, "D")):
        for k in range(4):
            x = real.arange(200).reshape(10, 20).astype(dtype) + real.ones((), dtype)
            found = []
            for module in (real, np):
                a = module.array(x)
                b = a + a
                with warnings.catch_warnings(record=True) as raised:
                    warnings.simplefilter("always")
                    try:
                        b[b != a] = value
                        c = b * b
                        found.append((real.asarray(b), real.asarray(c), [str(w.message) for w in raised]))
                    except Exception as error:
                        found.append((type(error), str(error)))
            assert len(found[0]) == len(found[1]), (value, dtype, k, found)
            if len(found[0]) == 3:
                assert same_bits(found[0][0], found[1][0]) and same_bits(found[0][1], found[1][1])
                assert found[0][2] == found[1][2]
            else:
                assert found[0] == found[1]


@pytest.mark.parametrize("dtype", "fdhBiqQb")
def test_clipping_and_shifts(dtype):
    def clipped(np, x, y):
        z = np.clip(x + y, 0, 100), np.clip(x * y, -5, None), np.clip(x, None, 3) + y, (x + y).clip(y, x) * 2
        return (*z, np.clip(x, y, 7), np.clip(x, 9, 2))

    def shifted(np, x, y):
        return (x + y) >> 4, (x * y) << 3, (x + 1) >> y, (x + 1) << y, 1 << (y & 7)
    if dtype in "BQ":
        def clipped(np, x, y):  # noqa: F811
            return np.clip(x + y, 0, 100), np.clip(x * y, 5, None), np.clip(x, None, 3) + y, np.clip(x, -4, 300) + y
    agree(clipped, (40, 50), (40, 50), dtype=dtype)
    agree(lambda np, x, y: clipped(np, x * 100, y * 70), (40, 50), (40, 50), dtype=dtype)
    if dtype not in "fd":
        agree(lambda np, x, y: shifted(np, x * 31, y * 5), (40, 50), (40, 50), dtype=dtype)


@pytest.mark.parametrize("dtype", "Bhiq")
def test_integers_that_are_read_through_slices(dtype):
    def twice(np, x, y):
        wide = (x * 40).astype("i") + 3
        rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
        return ((rows[:, :-2] ^ rows[:, 2:]) >> 2) + wide[1:-1, 1:-1] + y[0, 2:]

    def turned(np, x, y):
        a = x * 3 + y
        return a[::-1, ::2] - a[:, 1::2], (a[1:] + a[:-1]).sum(0), np.where(a[:, ::-1] > 4, a[:, ::-1], 1)

    def sums(np, x, y):
        a = (x ^ y).astype("f")
        return ((a[:, 1:] - a[:, :-1]) ** 2).sum(-1), a[0], np.exp(a[1:] * 0.01 + a[:-1])

    def newaxes(np, x, y):
        a = (x + y)[0]
        return a[:, None] * a[None, :], a[None, 3:, None] + (a[2:-1] * 2)[None, :, None]

    def many(np, x, y):
        for _ in range(6):
            x = x[1:] + x[:-1]
        return x * 2 + 1
    for program in (twice, turned, sums, newaxes, many):
        agree(program, (40, 50), (40, 50), dtype=dtype)
        agree(program, (300, 400), (300, 400), dtype=dtype)


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


def test_stores_through_views_of_other_elements():
    def own(np, x, y):
        part = x[::2]
        octets = part.view("B")
        octets[::-1, :] = octets[::-1, :] ^ 7
        return x

    def others(np, x, y):
        octets = x.view("B")
        octets[1:, :] = y.astype("B")[1:, :1] + np.ones(octets.shape, "B")[1:]
        x.view(">f8")[:, 2:5] = y[:, 2:5] * 2
        return x

    def parts(np, x, y):
        z = x + 1j * y
        z.real[1:] = z.imag[1:] * 2
        z.imag[:, 1:] = y[:, 1:] - 1
        return z
    for shape in ((8, 6), (300, 200)):
        for program in (own, others, parts):
            agree(program, shape, shape)
