"""perf/gpu says when there is nothing to measure on; its kernels that are to have NumPy's bits have them, on a CPU."""

import ctypes
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
GPU = ROOT / "perf" / "gpu"


def test_without_a_gpu_the_script_says_so(tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('none here')\n")
    done = subprocess.run(
        [sys.executable, str(GPU / "assumptions.py")], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Nothing measured: CuPy is not installed.\n"
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py" and path.name != "__pycache__"] == []


@pytest.fixture(scope="module")
def modules():
    """perf/gpu's modules; they import CuPy only when they are asked."""
    sys.path.insert(0, str(GPU))
    before = set(sys.modules)
    try:
        import on_host
        import reductions
        import ufuncs

        yield reductions, ufuncs, on_host
    finally:
        sys.path.remove(str(GPU))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(GPU)):
                del sys.modules[name]


def on_host(modules, folder, source, launches):
    try:
        return modules[2].library(folder, source, launches)
    except modules[2].Unable as reason:
        pytest.skip(str(reason))


def address(array):
    return ctypes.c_void_p(array.ctypes.data)


SUMS = """
#define RUN(T, NAME) \\
extern "C" void sum_##NAME(const T* x, T* sums, T* other, long long n, int depth, int count) { \\
    launch(count, 256, true, [=] { leaves_##NAME(x, sums, n, depth); }); \\
    while (true) { \\
        int part = count < 1024 ? count : 1024; \\
        count /= part; \\
        launch(count, 512, true, [=] { tree_##NAME(sums, other, part); }); \\
        if (count == 1) break; \\
        T* swap = sums; sums = other; other = swap; \\
    } \\
    sums[0] = other[0]; \\
} \\
extern "C" void sum_columns_##NAME(const T* x, T* out, long long rows, long long width) { \\
    launch((width + 63) / 64, 64, false, [=] { columns_##NAME(x, out, rows, width); }); \\
}
RUN(float, f4)
RUN(double, f8)
"""


def test_the_page_says_what_each_question_decides():
    script, page = (GPU / "assumptions.py").read_text(), (ROOT / "docs" / "gpu.md").read_text()
    only_a_gpu = script.partition("\nQUESTIONS")[2].partition("\n}")[0]
    names = re.findall(r'^    "(\w+)": \(', only_a_gpu, re.MULTILINE)
    assert len(names) == 13
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.fixture(scope="module")
def sums(modules, tmp_path_factory):
    source = f"#define LEAVES {modules[0].LEAVES}\n" + modules[0].PAIRWISE
    return on_host(modules, tmp_path_factory.mktemp("sums"), source, SUMS)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [1 << 14, 16389, 20000, 23456, 30101, 32763])
def test_a_sum_in_numpys_order_has_its_bits(modules, sums, dtype, size):
    draws = np.random.default_rng(size)
    depth, count = modules[0].shape_of(size)
    for kept in (slice(None), slice(-20, None), slice(100)):  # sums near 0, and of few: orders show
        x = np.zeros(size, dtype)
        x[kept] = draws.standard_normal(size)[kept]
        out, other = np.zeros(count, dtype), np.zeros(count, dtype)
        getattr(sums, f"sum_{dtype}")(address(x), address(out), address(other), ctypes.c_longlong(size), depth, count)
        assert out[0].tobytes() == x.sum().tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sums_of_columns_have_numpys_bits(sums, dtype):
    x = (np.random.default_rng(1).random((301, 130)) - 0.5).astype(dtype)
    out = np.zeros(130, dtype)
    getattr(sums, f"sum_columns_{dtype}")(address(x), address(out), ctypes.c_longlong(301), ctypes.c_longlong(130))
    assert out.tobytes() == x.sum(axis=0).tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_numbers_summed_on_a_gpu_tell_orders_apart(modules, dtype):
    size, x = 1 << 20, modules[0].numbers_around_0(dtype, (1 << 20) + 16)
    others = 0
    for k in range(16):
        halves = x[k : k + size]
        while halves.size > 1:
            halves = halves[: halves.size // 2] + halves[halves.size // 2 :]
        others += halves[0] != x[k : k + size].sum()
    assert others >= 12


def test_pcg64_gives_the_generators_numbers(modules, tmp_path):
    library = on_host(modules, tmp_path, modules[0].PCG64, """
    extern "C" void run(unsigned grid, unsigned threads, double* out, long long n, const unsigned long long* given) {
        launch(grid, threads, false, [=] { random_numbers(out, n, given); });
    }""")  # fmt: skip
    generator = np.random.default_rng(7)
    given, out = modules[0].pcg64_state(generator, 4 * 32), np.empty(10_001)
    library.run(4, 32, address(out), ctypes.c_longlong(out.size), address(given))
    assert out.tobytes() == generator.random(out.size).tobytes()


def test_numpys_float32_exp_and_log_have_its_bits(modules, tmp_path):
    if not np._core._multiarray_umath.__cpu_features__.get("FMA3"):
        pytest.skip("NumPy's loops are others where the CPU has no fused multiply-add")
    library = on_host(modules, tmp_path, modules[1].EXP, """
    extern "C" void run(int which, const float* x, float* out, long long n) {
        if (which) launch((n + 255) / 256, 256, false, [=] { numpy_log(x, out, n); });
        else launch((n + 255) / 256, 256, false, [=] { numpy_exp(x, out, n); });
    }""")  # fmt: skip
    draws = np.random.default_rng(2)
    exps = np.concatenate([draws.uniform(-110, 95, 1 << 18), [np.inf, -np.inf, 0.0, -0.0, 88.7228, 88.7229, -103.9]])
    logs = 10.0 ** draws.uniform(-37, 38, 1 << 18)
    for which, name, x in ((0, "exp", exps.astype("f4")), (1, "log", logs.astype("f4"))):
        out = np.empty_like(x)
        library.run(which, address(x), address(out), ctypes.c_longlong(x.size))
        with np.errstate(all="ignore"):
            wanted = getattr(np, name)(x)
        assert np.flatnonzero(out.view("i4") != wanted.view("i4")).tolist() == []


def test_polynomials_compares_its_kernels_results_and_not_cupys(modules, monkeypatch):
    """A CuPy whose functions give 0, and kernels that give NumPy's numbers: these differ nowhere, those everywhere."""
    ufuncs = modules[1]

    def zero(x, out=None):
        out = np.empty_like(x) if out is None else out
        out[:] = 0
        return out

    def kernel(name):
        function = getattr(np, name.removeprefix("numpy_"))
        return lambda grid, block, args: function(args[0], out=args[1])

    cupy = types.SimpleNamespace(asarray=np.asarray, asnumpy=np.array, empty=np.empty, exp=zero, log=zero)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(ufuncs, "DRAWS", 1 << 10)
    monkeypatch.setattr(ufuncs.device, "load", lambda source: types.SimpleNamespace(get_function=kernel))
    monkeypatch.setattr(ufuncs.device, "device_times", lambda calls: [call() for call in calls.values()] and {})
    found = ufuncs.polynomials()
    assert [found[name]["different from NumPy"] for name in ("exp", "log")] == [0, 0]
    assert all(found[name]["CuPy's different from NumPy"] > 1000 for name in ("exp", "log"))
