"""Chains of operations: fused kernels beside CuPy's own calls and other compilers; bandwidth; compile times."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from typing import Any

import device
import numpy
import tracing

MEMORY = 1 << 24
LARGE = 1 << 28


def polynomial(np: Any, x: Any, y: Any) -> Any:
    """Five passes over memory in NumPy."""
    return (x * y + x - 0.5 * y) * x + y


def transcendental(np: Any, x: Any, y: Any) -> Any:
    """Four functions that take more than memory does."""
    s = np.sin(y)
    return np.sqrt(np.exp(x) + s * s) * np.tanh(x)


def _normal(np: Any, x: Any) -> Any:
    return 0.5 * (1.0 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def black_scholes(np: Any, price: Any, strike: Any, years: Any) -> Any:
    """Prices of calls and puts."""
    spread = 0.3 * np.sqrt(years)
    d1 = (np.log(price / strike) + 0.065 * years) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-0.02 * years)
    call = price * _normal(np, d1) - discounted * _normal(np, d2)
    return call, call - price + discounted


CHAINS = {
    "polynomial": (polynomial, 2, 3), "transcendental": (transcendental, 2, 3), "Black-Scholes": (black_scholes, 3, 5),
}  # fmt: skip
"""Each with its inputs, and the arrays that a fused kernel reads and writes."""


def inputs_of(name: str, dtype: str, count: int) -> list[Any]:
    """On the GPU."""
    import cupy

    draws = numpy.random.default_rng(1)
    most = min(count, MEMORY)
    found = [draws.uniform(0.5, 2, most).astype(dtype) for _ in range(CHAINS[name][1])]
    return [cupy.tile(cupy.asarray(x), count // most) for x in found]


def _all(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


def fusion() -> dict[str, Any]:
    """Question 2: bits and milliseconds of fused kernels, with each set of options, against CuPy's own calls."""
    import cupy

    rows = []
    for name, (function, inputs, passes) in CHAINS.items():
        for dtype in ("f4", "f8"):
            given = inputs_of(name, dtype, MEMORY)
            flags = {"CuPy's": device.CUPY, "CuPy's, fmad=false": (*device.CUPY, "--fmad=false"),
                     "exact": device.EXACT, "contracted": device.CONTRACTED}  # fmt: skip
            kernels = {key: tracing.Fused(function, inputs, dtype, value) for key, value in flags.items()}
            kernels["exact, one element a thread"] = tracing.Fused(function, inputs, dtype, device.EXACT, 1)
            calls: dict[str, Any] = {key: (lambda k=k, g=given: k(*g)) for key, k in kernels.items()}
            calls["separate CuPy ufuncs"] = lambda f=function, g=given: f(cupy, *g)
            source, target = cupy.empty(MEMORY, dtype), cupy.empty(MEMORY, dtype)
            calls["copy"] = lambda s=source, t=target: t.data.copy_from_device_async(s.data, s.nbytes)
            separate = [x.get() for x in _all(function(cupy, *given))]
            on_cpu = _all(function(numpy, *(x.get() for x in given)))
            differ, from_numpy = {}, {"separate CuPy ufuncs": _differ(separate, on_cpu)}
            for key, kernel in kernels.items():
                results = [x.get() for x in _all(kernel(*given))]
                differ[key], from_numpy[key] = _differ(results, separate), _differ(results, on_cpu)
            rows.append({
                "chain": name, "dtype": dtype, "elements": MEMORY, "bytes": passes * MEMORY * int(dtype[1]),
                "ms": device.device_times(calls), "other bits than separate ufuncs": differ,
                "other bits than NumPy": from_numpy,
            })  # fmt: skip
    return {"rows": rows}


def _differ(results: Any, others: Any) -> int:
    return int(sum(device.different(a, b).sum() for a, b in zip(results, others, strict=True)))


# ---- bandwidth -------------------------------------------------------------------------------------------------------


def bandwidth() -> dict[str, Any]:
    """Question 7: GB/s of copies, and what memory costs to have."""
    import cupy

    rows = {}
    for count in (MEMORY, LARGE):
        x, y, z = (cupy.empty(count, "f4") for _ in range(3))
        x.fill(1.5)
        y.fill(0.25)
        kernel = tracing.Fused(polynomial, 2, "f4", device.EXACT)
        times = device.device_times({
            "copy": lambda x=x, y=y: y.data.copy_from_device_async(x.data, x.nbytes),
            "cupy.add": lambda x=x, y=y, z=z: cupy.add(x, y, out=z), "fused chain": lambda k=kernel, x=x, y=y: k(x, y),
        })  # fmt: skip
        moved = {"copy": 8, "cupy.add": 12, "fused chain": 12}
        rows[f"{count} float32"] = {key: f"{moved[key] * count / ms / 1e6:.0f} GB/s" for key, ms in times.items()}
    nbytes = 1 << 28
    there = cupy.empty(nbytes, "u1")
    plain = numpy.ones(nbytes, "u1")
    pinned = numpy.frombuffer(cupy.cuda.alloc_pinned_memory(nbytes), "u1", nbytes)
    pinned[:] = 1
    transfers = {}
    for name, host in (("pageable", plain), ("pinned", pinned)):
        transfers[f"{name}, to the GPU"] = lambda host=host: there.set(host)
        transfers[f"{name}, from the GPU"] = lambda host=host: there.get(out=host)
    times = device.host_times(transfers, cupy.cuda.Device().synchronize, rounds=5, repeats=1)
    rows["256 MB"] = {key: f"{nbytes / ms / 1e6:.1f} GB/s" for key, ms in times.items()}
    small = numpy.ones(10, "f4")
    little = cupy.empty(10, "f4")
    rows["10 float32, us"] = device.call_times({
        "to the GPU": lambda: little.set(small), "from the GPU": lambda: little.get(),
        "float(x[0])": lambda: float(little[0]),
    }, cupy.cuda.Device().synchronize)  # fmt: skip
    runtime = cupy.cuda.runtime
    took = {}
    for size in (1 << 12, 1 << 20, 1 << 26, 1 << 30):
        took[f"{size} bytes"] = device.call_times(
            {"CuPy's pool": lambda size=size: cupy.cuda.alloc(size),
             "cupy.empty": lambda size=size: cupy.empty(size, "u1"),
             "cudaMalloc and cudaFree": lambda size=size: runtime.free(runtime.malloc(size))},
            cupy.cuda.Device().synchronize, rounds=5, repeats=20,
        )  # fmt: skip
    rows["an allocation, us"] = took
    return rows


# ---- compile times ---------------------------------------------------------------------------------------------------


def compiling() -> dict[str, Any]:
    """Question 8: seconds for a typical fused kernel."""
    import cupy

    source = tracing.fused_source(transcendental, 2, "f4", 4)
    with_headers, options = device.headers() + source, ("--std=c++17", *device.uncached())
    found: dict[str, Any] = {}

    def timed(name: str, call: Any) -> None:
        start = time.perf_counter()
        try:
            call()
            found[name] = time.perf_counter() - start
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"[:200]

    fresh = lambda text, k: text.replace("fused(", f"fused_{k}(")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CUPY_CACHE_DIR"] = folder
        for k in range(3):
            module = cupy.RawModule(code=fresh(with_headers, k), options=options)
            timed(f"RawModule, cold, {k}", lambda m=module, k=k: m.get_function(f"fused_{k}"))
        module = cupy.RawModule(code=fresh(with_headers, 2) + " ", options=options)
        timed("RawModule, cold, another space in it", lambda: module.get_function("fused_2"))
        cupy.clear_memo()
        module = cupy.RawModule(code=fresh(with_headers, 2), options=options)
        timed("RawModule, from the disk cache", lambda: module.get_function("fused_2"))
        for k in range(3, 6):
            timed(f"NVRTC alone, CuPy's headers, {k}", lambda k=k: device.binary(fresh(source, k)))
        for k in range(6, 9):
            timed(f"NVRTC alone, no headers, {k}", lambda k=k: device.binary(fresh(source, k), with_headers=False))
        code = device.binary(source)
        timed("loading machine code", lambda: cupy.cuda.function.Module().load(code))
        del os.environ["CUPY_CACHE_DIR"]
        compiler = shutil.which("nvcc")
        if compiler:
            file = pathlib.Path(folder, "plain.cu")
            file.write_text(source)
            command = [compiler, "-cubin", "-arch=sm_90", "--fmad=false", "-o", f"{folder}/plain.cubin", str(file)]
            timed("nvcc, no headers", lambda: subprocess.run(command, check=True, capture_output=True))
    for count in (1, 4, 16):
        sources = [fresh(source, 100 * count + k) for k in range(16)]
        timed(f"16 kernels with headers, {count} threads", lambda c=count, s=sources: _in_threads(c, s))
    return {"seconds": found}


def _in_threads(count: int, sources: list[str]) -> None:
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(device.binary, sources))


# ---- other compilers -------------------------------------------------------------------------------------------------


def others() -> dict[str, Any]:
    """Question 9: the same chains by torch.compile, JAX, cupy.fuse and plain CuPy; results compared first."""
    rows = []
    for count in (MEMORY, LARGE):
        for name in CHAINS:
            for dtype in ("f4", "f8") if count == MEMORY else ("f4",):
                try:
                    rows.append(_others(name, dtype, count))
                except Exception as error:
                    said = f"{type(error).__name__}: {error}"[:400]
                    rows.append({"chain": name, "dtype": dtype, "elements": count, "error": said})
    return {"rows": rows}


def _others(name: str, dtype: str, count: int) -> dict[str, Any]:
    import cupy

    function, inputs, passes = CHAINS[name]
    given = inputs_of(name, dtype, count)
    wanted = [x[:MEMORY].get() for x in _all(function(cupy, *given))]
    exact = tracing.Fused(function, inputs, dtype, device.EXACT)
    contracted = tracing.Fused(function, inputs, dtype, device.CONTRACTED)
    calls: dict[str, Any] = {
        "CuPy": lambda: function(cupy, *given), "fused, exact": lambda: exact(*given),
        "fused, contracted": lambda: contracted(*given),
    }  # fmt: skip
    first: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for maker in (_cupy_fuse, _torch, _jax):
        try:
            start = time.perf_counter()
            label, call = maker(name, dtype, given)
            results = [numpy.asarray(cupy.from_dlpack(x)[:MEMORY].get()) for x in _all(call())]
            first[label] = time.perf_counter() - start
            for got, expected in zip(results, wanted, strict=True):
                numpy.testing.assert_allclose(got, expected, rtol=1e-3 if dtype == "f4" else 1e-9, atol=1e-4)
            del results
            calls[label] = call
        except Exception as error:
            errors[maker.__name__] = f"{type(error).__name__}: {error}"[:300]
    repeats = 40 if count == MEMORY else 8
    times = device.host_times(calls, _wait, rounds=7, repeats=repeats)
    cupy.get_default_memory_pool().free_all_blocks()
    return {"chain": name, "dtype": dtype, "elements": count, "bytes": passes * count * int(dtype[1]), "ms": times,
            "first call, s": first, "errors": errors}  # fmt: skip


def _wait() -> None:
    import cupy

    cupy.cuda.runtime.deviceSynchronize()


def _cupy_fuse(name: str, dtype: str, given: list[Any]) -> Any:
    import cupy

    function, inputs, _ = CHAINS[name]
    named = cupy.fuse(kernel_name="fused")  # "<lambda>" is no name in C++
    if inputs == 2:
        fused = named(lambda x, y: function(cupy, x, y))
    else:
        fused = named(lambda x, y, z: function(cupy, x, y, z))
    return "cupy.fuse", lambda: fused(*given)


def _torch(name: str, dtype: str, given: list[Any]) -> Any:
    import torch

    function, inputs, _ = CHAINS[name]
    arrays = [torch.from_dlpack(x) for x in given]
    torch._dynamo.reset()
    compiled = torch.compile(lambda *args: function(torch, *args), dynamic=False)
    return "torch.compile", lambda: compiled(*arrays)


def _jax(name: str, dtype: str, given: list[Any]) -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    jax.config.update("jax_enable_x64", True)
    function, inputs, _ = CHAINS[name]
    arrays = [jax.dlpack.from_dlpack(x) for x in given]
    compiled = jax.jit(lambda *args: function(jax.numpy, *args))
    return "JAX", lambda: compiled(*arrays)
