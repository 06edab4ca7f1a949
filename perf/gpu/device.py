"""What every question needs: kernels compiled with the options one wants, arrays of all kinds of numbers, clocks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

Call = Callable[[], Any]
Array = Any

CUPY = ("-ftz=true",)
"""What CuPy adds to the options of every kernel, its user's too (cupy/cuda/compiler.py)."""
EXACT = ("--fmad=false",)
"""Every operation rounded alone, subnormal numbers kept: IEEE 754, as NumPy's loops compute."""
CONTRACTED = ()
"""The compiler's own: a product and a sum may become one fused multiply-add."""


def without_cupy() -> str | None:
    """Why nothing can be compiled here, or None."""
    try:
        import cupy  # noqa: F401
    except ImportError:
        return "CuPy is not installed"
    return None


def without_gpu() -> str | None:
    """Why nothing can run here, or None."""
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        return f"CuPy {cupy.__version__} is installed, but finds no GPU ({str(error).splitlines()[0]})"
    return None if count else f"CuPy {cupy.__version__} is installed, but finds no GPU"


def machine(with_gpu: bool = True) -> dict[str, Any]:
    """The card, its driver and the libraries."""
    import importlib.metadata
    import platform
    import subprocess

    import cupy

    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as found

        features = [name for name in ("FMA3", "AVX2", "AVX512F", "AVX512_SKX", "AVX512_SPR") if found.get(name)]
    except ImportError:
        features = []
    found = {
        "NVRTC": cupy.cuda.compiler._get_nvrtc_version(), "CuPy": cupy.__version__, "NumPy": numpy.__version__,
        "Python": platform.python_version(), "CPU": cpu, "CPU features": " ".join(features),
    }  # fmt: skip
    for name in ("torch", "jax"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    if not with_gpu:
        return found
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    asked = ["nvidia-smi", "--query-gpu=driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"]
    try:
        driver = subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout.strip()
    except OSError:
        driver = ""
    return {
        "card": properties["name"].decode(), "driver, memory, most MHz": driver,
        "compute capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": properties["multiProcessorCount"], "L2, MB": properties["l2CacheSize"] / 2**20,
        "CUDA runtime": cupy.cuda.runtime.runtimeGetVersion(), "CUDA driver": cupy.cuda.runtime.driverGetVersion(),
        **found,
    }  # fmt: skip


# ---- kernels ---------------------------------------------------------------------------------------------------------


def headers() -> str:
    """What CuPy puts before its own kernels: complex numbers, half precision, floor division."""
    from cupy._core import core

    return "".join(f"#include <{name}>\n" for name in (*core._cupy_header_list, "cupy/float16.cuh"))


def binary(source: str, options: tuple[str, ...] = EXACT, arch: str | None = None, with_headers: bool = True) -> bytes:
    """Machine code by NVRTC. CuPy's RawModule would add -ftz=true, behind all that its user says."""
    from cupy.cuda import compiler

    return _compiled(source, (*options, f"-arch=sm_{arch or compiler._get_arch()}"), "cubin", with_headers)


def ptx(source: str, options: tuple[str, ...] = EXACT, arch: str = "90") -> str:
    """What machine code is made of, by NVRTC; needs no GPU."""
    return _compiled(source, (*options, f"-arch=compute_{arch}"), "ptx", True).decode()


def uncached() -> tuple[str, ...]:
    """For NVRTC to compile what it is given: its cache (12.9) has given machine code of another `-ftz` for a text."""
    from cupy.cuda import compiler

    return ("--no-cache",) if compiler._get_nvrtc_version() >= (12, 9) else ()


def _compiled(source: str, options: tuple[str, ...], method: str, with_headers: bool) -> bytes:
    from cupy._core import core
    from cupy.cuda import compiler

    options = (*options, *uncached())
    if with_headers:
        source, options = headers() + source, core.assemble_cupy_compiler_options(options)
    code, _ = compiler._NVRTCProgram(source, "kernel.cu", method=method).compile(options)
    return bytes(code)


def load(source: str, options: tuple[str, ...] = EXACT) -> Any:
    """A module of kernels, by `get_function(name)`."""
    from cupy.cuda.function import Module

    module = Module()
    module.load(binary(source, options))
    return module


def blocks(count: int, threads: int = 256, most: int = 1 << 30) -> tuple[int]:
    """The grid for so many threads."""
    return (max(1, min((count + threads - 1) // threads, most)),)


# ---- numbers ---------------------------------------------------------------------------------------------------------


def numbers(dtype: Any, count: int, seed: int) -> numpy.ndarray[Any, Any]:
    """Half any bits (NaN, infinities, subnormal, huge), half ordinary ones; zeros of both signs and extremes first."""
    dtype, draws = numpy.dtype(dtype), numpy.random.default_rng(seed)
    if dtype.kind == "b":
        return draws.integers(0, 2, count).astype(bool)
    if dtype.kind == "c":
        part = numpy.dtype(f"f{dtype.itemsize // 2}")
        found = numpy.empty((count, 2), part)
        found[:, 0], found[:, 1] = numbers(part, count, seed), numbers(part, count, seed + 1000)
        return found.view(dtype).ravel()
    whole = numpy.frombuffer(draws.bytes(count * dtype.itemsize), dtype).copy()
    half = count // 2
    if dtype.kind == "f":
        info = numpy.finfo(dtype)
        sizes = 10.0 ** draws.uniform(-2, 2, count - half)
        whole[half:] = (draws.choice([-1, 1], count - half) * sizes).astype(dtype)
        special = [0.0, -0.0, numpy.inf, -numpy.inf, numpy.nan, info.max, info.smallest_subnormal, 1, -1, 0.5, -2]
    else:
        limits = numpy.iinfo(dtype)
        low = -100 if dtype.kind == "i" else 0
        whole[half:] = draws.integers(low, 101, count - half)
        special = [0, 1, limits.max, limits.min, 2, 7]
    draws.shuffle(special)
    with numpy.errstate(all="ignore"):
        whole[: len(special)] = numpy.array(special).astype(dtype)
    return whole


def different(x: Array, y: Array) -> numpy.ndarray[Any, Any]:
    """Where the bits of two arrays differ; of NaNs too."""
    x, y = numpy.ascontiguousarray(x), numpy.ascontiguousarray(y)
    size = x.dtype.itemsize
    one, other = (a.reshape(-1).view(f"u{min(size, 8)}").reshape(a.size, -1) for a in (x, y))
    return numpy.asarray((one != other).any(axis=1) if size > 8 else (one != other)[:, 0])


def steps(x: numpy.ndarray[Any, Any], y: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """How many floating-point numbers lie between, as float64; 0 for two NaNs, infinity where one is a NaN."""
    kind = {2: numpy.int16, 4: numpy.int32, 8: numpy.int64}[x.dtype.itemsize]

    def place(a: numpy.ndarray[Any, Any]) -> Any:
        bits = numpy.ascontiguousarray(a).view(kind).astype(numpy.int64)
        return numpy.where(bits < 0, int(numpy.iinfo(kind).min) - bits, bits)

    one, other = place(x), place(y)
    away = (numpy.maximum(one, other) - numpy.minimum(one, other)).view(numpy.uint64).astype(numpy.float64)
    nan = numpy.isnan(x), numpy.isnan(y)
    return numpy.where(nan[0] & nan[1], 0.0, numpy.where(nan[0] ^ nan[1], numpy.inf, away))


# ---- clocks ----------------------------------------------------------------------------------------------------------


def device_times(calls: dict[str, Call], rounds: int = 11, least_ms: float = 1.0) -> dict[str, float]:
    """Milliseconds of the GPU for one call of each: medians of interleaved rounds between two events."""
    import cupy

    repeats = {}
    for name, call in calls.items():
        call()
        call()
        once = _between_events(cupy, call, 3)
        repeats[name] = max(1, min(200, int(least_ms / max(once, 1e-4))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_between_events(cupy, call, repeats[name]))
    return {name: statistics.median(found) for name, found in times.items()}


def _between_events(cupy: Any, call: Call, repeats: int) -> float:
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(repeats):
        call()
    stop.record()
    stop.synchronize()
    return float(cupy.cuda.get_elapsed_time(start, stop)) / repeats


def host_times(calls: dict[str, Call], wait: Call, rounds: int = 9, repeats: int = 20) -> dict[str, float]:
    """Milliseconds of the host's clock for one call of each, `wait` (till the GPU is idle) after so many calls."""
    for call in calls.values():
        call()
    return {name: us / 1e3 for name, us in _by_the_host(calls, wait, wait, rounds, repeats).items()}


def call_times(calls: dict[str, Call], wait: Call, rounds: int = 9, repeats: int = 200) -> dict[str, float]:
    """Microseconds of the host for one call of each, the GPU's work not waited for."""
    return _by_the_host(calls, wait, lambda: None, rounds, repeats)


def _by_the_host(calls: dict[str, Call], wait: Call, end: Call, rounds: int, repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            wait()
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            end()
            times[name].append((time.perf_counter() - start) / repeats * 1e6)
            wait()
    return {name: statistics.median(found) for name, found in times.items()}
