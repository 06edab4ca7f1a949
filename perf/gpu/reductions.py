"""Reductions, matrix products and random numbers: NumPy's order and streams on a GPU, and what libraries do instead."""

from __future__ import annotations

import os
from typing import Any

import device
import numpy

PAIRWISE = """
// NumPy's pairwise sum: runs of more than 128 numbers are halved (the left half a multiple of 8); what is left is added
// by 8 accumulators. A node at `depth` is such a rest, or halves once more.
template <typename T> __device__ T leaf(const T* x, int n, int lane) {
    int whole = n & ~7;
    T each[16], total;
    #pragma unroll
    for (int k = 0; k < 16; k++) each[k] = 8 * k < whole ? x[8 * k + lane] : T(0);
    total = each[0];
    #pragma unroll
    for (int k = 1; k < 16; k++) if (8 * k < whole) total = total + each[k];
    unsigned mask = 0xffu << (threadIdx.x & 24);
    total = total + __shfl_xor_sync(mask, total, 1);
    total = total + __shfl_xor_sync(mask, total, 2);
    total = total + __shfl_xor_sync(mask, total, 4);
    for (int i = whole; i < n; i++) total = total + x[i];
    return total;
}
template <typename T> __device__ void halve(T* sums, int count) {
    for (int step = 1; step < count; step *= 2) {
        __syncthreads();
        for (int k = threadIdx.x * 2 * step; k < count; k += blockDim.x * 2 * step) sums[k] = sums[k] + sums[k + step];
    }
}
template <typename T> __device__ void leaves(const T* x, T* out, long long n, int depth) {
    __shared__ T sums[LEAVES];
    int lane = threadIdx.x & 7, group = threadIdx.x >> 3;
    for (int k = group; k < LEAVES; k += blockDim.x >> 3) {
        long long node = (long long)blockIdx.x * LEAVES + k, start = 0, length = n;
        for (int bit = depth - 1; bit >= 0; bit--) {
            long long left = length / 2;
            left -= left % 8;
            if (node >> bit & 1) { start += left; length -= left; } else length = left;
        }
        T total;
        if (length <= 128) total = leaf(x + start, (int)length, lane);
        else {
            int left = (int)(length / 2);
            left -= left % 8;
            total = leaf(x + start, left, lane);
            total = total + leaf(x + start + left, (int)length - left, lane);
        }
        if (lane == 0) sums[k] = total;
    }
    halve(sums, LEAVES);
    if (threadIdx.x == 0) out[blockIdx.x] = sums[0];
}
template <typename T> __device__ void tree(const T* x, T* out, int count) {
    __shared__ T sums[1024];
    for (int k = threadIdx.x; k < count; k += blockDim.x) sums[k] = x[(long long)blockIdx.x * count + k];
    halve(sums, count);
    if (threadIdx.x == 0) out[blockIdx.x] = gridDim.x == 1 ? T(0) + sums[0] : sums[0];
}
template <typename T> __device__ void columns(const T* x, T* out, long long rows, long long width) {
    long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= width) return;
    T total = T(0) + x[j];
    #pragma unroll 16
    for (long long i = 1; i < rows; i++) total = total + x[i * width + j];
    out[j] = total;
}
#define FOR(T, NAME) \\
extern "C" __global__ void leaves_##NAME(const T* x, T* out, long long n, int depth) { leaves(x, out, n, depth); } \\
extern "C" __global__ void tree_##NAME(const T* x, T* out, int count) { tree(x, out, count); } \\
extern "C" __global__ void columns_##NAME(const T* x, T* out, long long r, long long w) { columns(x, out, r, w); }
FOR(float, f4)
FOR(double, f8)
"""
LEAVES = 128
SIZES = (1 << 24, 10_000_019, 1 << 28)
WIDTHS, AREA = (1 << 12, 1 << 16), 1 << 26
SIDES, CHECKED = (64, 1024, 4096, 8192), 4096
DRAWS = 1 << 24


def shape_of(size: int) -> tuple[int, int]:
    """The depth of the tree of a sum of so many numbers (at least 128 * LEAVES), and the blocks that it takes."""
    depth, least = 0, size // 8
    while least > 16:
        least //= 2
        depth += 1
    return depth, (1 << depth) // LEAVES


class PairwiseSum:
    """The sum of a dense array, in NumPy's order."""

    def __init__(self, dtype: str) -> None:
        module = device.load(f"#define LEAVES {LEAVES}\n" + PAIRWISE)
        self.leaves, self.tree = (module.get_function(f"{name}_{dtype}") for name in ("leaves", "tree"))
        self.columns = module.get_function(f"columns_{dtype}")

    def __call__(self, x: Any) -> Any:
        import cupy

        depth, count = shape_of(x.size)
        sums = cupy.empty(count, x.dtype)
        self.leaves((count,), (256,), (x, sums, numpy.int64(x.size), numpy.int32(depth)))
        while True:
            part = min(count, 1024)
            count //= part
            out = cupy.empty(count, x.dtype)
            self.tree((count,), (512,), (sums, out, numpy.int32(part)))
            if count == 1:
                return out.reshape(())
            sums = out


def reductions() -> dict[str, Any]:
    """Question 4: bits and GB/s."""
    import cupy

    rows = []
    for dtype in ("f4", "f8"):
        ours = PairwiseSum(dtype)
        for count in SIZES:
            x = numbers_around_0(dtype, count)
            there = cupy.asarray(x)
            pieces = 16 if count <= 1 << 24 else 4
            sums = [(_host(ours(there[k:])), _host(there[k:].sum()), x[k:].sum()) for k in range(pieces)]
            row: dict[str, Any] = {
                "dtype": dtype, "elements": count, "arrays": pieces,
                "NumPy's order, arrays with other bits": sum(a.tobytes() != c.tobytes() for a, _, c in sums),
                "cupy.sum, arrays with other bits": sum(b.tobytes() != c.tobytes() for _, b, c in sums),
                "cupy.sum differs by (numbers between)": max(_apart(b, c) for _, b, c in sums),
            }  # fmt: skip
            for name in ("sum", "mean", "max", "var"):
                values = {_host(getattr(there, name)()).tobytes() for _ in range(10)}
                row[f"{name}: results in 10 runs"] = len(values)
            row["NumPy's order: results in 10 runs"] = len({_host(ours(there)).tobytes() for _ in range(10)})
            if count <= 1 << 24:
                for name in ("mean", "max", "var"):
                    row[f"{name} differs by"] = _apart(getattr(there, name)(), getattr(x, name)())
            times = device.device_times({
                "NumPy's order": lambda o=ours, t=there: o(t), "cupy.sum": lambda t=there: t.sum(),
                "cupy.var": lambda t=there: t.var(),
            })  # fmt: skip
            row["GB/s"] = {key: there.nbytes / ms / 1e6 for key, ms in times.items()}
            rows.append(row)
        for width in WIDTHS:
            height = AREA // width
            x = numpy.random.default_rng(width).random((height, width), dtype)
            there, out = cupy.asarray(x), cupy.empty(width, dtype)
            call = lambda o=ours, t=there, r=out: o.columns(
                device.blocks(r.size, 64), (64,), (t, r, numpy.int64(t.shape[0]), numpy.int64(t.shape[1]))
            )
            call()
            wanted = x.sum(axis=0)
            times = device.device_times({"NumPy's order": call, "cupy.sum": lambda t=there: t.sum(axis=0)})
            rows.append({
                "dtype": dtype, "columns": f"{height} x {width}",
                "NumPy's order has other bits in": int(device.different(out.get(), wanted).sum()),
                "cupy.sum has other bits in": int(device.different(there.sum(axis=0).get(), wanted).sum()),
                "GB/s": {key: there.nbytes / ms / 1e6 for key, ms in times.items()},
            })  # fmt: skip
    return {"rows": rows}


def numbers_around_0(dtype: str, count: int) -> numpy.ndarray[Any, Any]:
    """Of many sizes: another order of adding them has other bits as a rule, not now and then."""
    draws, most = numpy.random.default_rng(count), min(count, 1 << 24)
    return numpy.resize((draws.standard_normal(most) * 10 ** draws.uniform(-3, 3, most)).astype(dtype), count)


def _host(x: Any) -> numpy.ndarray[Any, Any]:
    import cupy

    return numpy.asarray(cupy.asnumpy(x))


def _apart(x: Any, own: Any) -> float:
    """How many floating-point numbers lie between a number of the GPU and one of NumPy."""
    return float(device.steps(_host(x).reshape(1), numpy.asarray(own).reshape(1))[0])


def products() -> dict[str, Any]:
    """Question 5: matrix products by cuBLAS."""
    import cupy

    rows = []
    for dtype in ("f4", "f8"):
        for size in SIDES:
            draws = numpy.random.default_rng(size)
            x, y = (draws.standard_normal((size, size)).astype(dtype) for _ in range(2))
            a, b = cupy.asarray(x), cupy.asarray(y)
            row: dict[str, Any] = {"dtype": dtype, "size": size}
            runs = 10 if size <= CHECKED else 3
            row[f"results in {runs} runs"] = len({(a @ b).get().tobytes() for _ in range(runs)})
            if size <= CHECKED:
                got, own = (a @ b).get(), x @ y
                row["other bits than NumPy, share"] = float(device.different(got, own).mean())
                exact = (a.astype("f8") @ b.astype("f8")).get() if dtype == "f4" else None
                if exact is not None:
                    norm = numpy.linalg.norm
                    row["error, GPU"] = float(norm(got - exact) / norm(exact))
                    row["error, NumPy"] = float(norm(own - exact) / norm(exact))
            out = cupy.empty_like(a)
            times = device.device_times({"matmul": lambda a=a, b=b, o=out: cupy.matmul(a, b, out=o)}, rounds=5)
            row["TFLOP/s"] = 2 * size**3 / times["matmul"] / 1e9
            rows.append(row)
    return {"rows": rows, "CUPY_TF32": os.environ.get("CUPY_TF32", "not set")}


# ---- random numbers --------------------------------------------------------------------------------------------------

PCG64 = """
typedef unsigned __int128 u128;
// PCG64, as NumPy's default_rng: a linear congruential generator of 128 bits, which can be sent far ahead in 128 steps.
__device__ u128 wide(unsigned long long high, unsigned long long low) { return ((u128)high << 64) | low; }
__device__ u128 ahead(u128 state, u128 add, unsigned long long steps) {
    u128 multiply = wide(2549297995355413924ULL, 4865540595714422341ULL), all_multiply = 1, all_add = 0;
    while (steps) {
        if (steps & 1) { all_multiply *= multiply; all_add = all_add * multiply + add; }
        add = (multiply + 1) * add;
        multiply *= multiply;
        steps >>= 1;
    }
    return all_multiply * state + all_add;
}
extern "C" __global__ void random_numbers(double* out, long long n, const unsigned long long* given) {
    const u128 multiply = wide(2549297995355413924ULL, 4865540595714422341ULL);
    u128 state = wide(given[0], given[1]), add = wide(given[2], given[3]);
    u128 stride_multiply = wide(given[4], given[5]), stride_add = wide(given[6], given[7]);
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x, stride = (long long)gridDim.x * blockDim.x;
    state = ahead(state, add, i + 1);
    for (; i < n; i += stride) {
        unsigned long long high = state >> 64, mixed = high ^ (unsigned long long)state, turn = high >> 58;
        mixed = (mixed >> turn) | (mixed << ((64 - turn) & 63));
        out[i] = (mixed >> 11) * (1.0 / 9007199254740992.0);
        state = state * stride_multiply + stride_add;
    }
}
"""


def pcg64_state(generator: numpy.random.Generator, stride: int) -> numpy.ndarray[Any, Any]:
    """Its state and increment, and the product and sum that go `stride` numbers ahead: 8 words of 64 bits."""
    state = generator.bit_generator.state["state"]
    multiply, mask = 2549297995355413924 * 2**64 + 4865540595714422341, 2**128 - 1
    all_multiply, all_add = 1, 0
    for _ in range(stride):
        all_multiply, all_add = all_multiply * multiply & mask, (all_add * multiply + state["inc"]) & mask
    numbers = (state["state"], state["inc"], all_multiply, all_add)
    return numpy.array([word for x in numbers for word in (x >> 64, x & (2**64 - 1))], "u8")


def streams() -> dict[str, Any]:
    """Question 10: random numbers: CuPy's streams against NumPy's, and NumPy's own on the GPU."""
    import cupy

    found: dict[str, Any] = {}
    try:
        for name in ("XORWOW", "MRG32k3a", "Philox4x3210"):
            made = cupy.random.Generator(getattr(cupy.random, name)(7)).random(4).get()
            found[f"cupy {name}(7)"] = [float(x) for x in made]
        found["cupy.random.RandomState(7)"] = [float(x) for x in cupy.random.RandomState(7).random_sample(4).get()]
    except Exception as error:
        found["cupy.random"] = f"{type(error).__name__}: {error}"[:300]
    for name in ("PCG64", "Philox", "MT19937", "SFC64"):
        found[f"numpy {name}(7)"] = numpy.random.Generator(getattr(numpy.random, name)(7)).random(4).tolist()
    found["numpy RandomState(7)"] = numpy.random.RandomState(7).random_sample(4).tolist()
    kernel = device.load(PCG64, (*device.EXACT, "--device-int128")).get_function("random_numbers")
    count, threads, grid = DRAWS, 256, 528
    generator = numpy.random.default_rng(7)
    given, out = cupy.asarray(pcg64_state(generator, threads * grid)), cupy.empty(count)
    call = lambda: kernel((grid,), (threads,), (out, numpy.int64(count), given))
    call()
    found["default_rng(7).random(2**24) on the GPU, other bits"] = int(
        device.different(out.get(), generator.random(count)).sum()
    )
    times = device.device_times({"NumPy's PCG64": call, "CuPy": lambda: cupy.random.random(count)})
    found["ms"] = times
    return found
