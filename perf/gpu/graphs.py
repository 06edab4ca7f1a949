"""Question 6: what a launch costs, plain and in a replayed CUDA graph; which work a graph can hold."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import device
import numpy

CHAIN = 20
STEP = """
extern "C" __global__ void step(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * 1.0001f + 0.5f;
}
extern "C" __global__ void through(float* const* table, int from, int to, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) table[to][i] = table[from][i] * 1.0001f + 0.5f;
}
"""


def launches() -> dict[str, Any]:
    """Microseconds of the host and of both together, for chains of 20 small kernels."""
    import cupy

    wait = cupy.cuda.Device().synchronize
    raw = cupy.RawKernel(STEP, "step")
    own = device.load(STEP).get_function("step")
    found: dict[str, Any] = {}
    for count in (10, 1 << 16, 1 << 20):
        x, y = cupy.ones(count, "f4"), cupy.empty(count, "f4")
        size, grid = numpy.int32(count), device.blocks(count)
        stream = cupy.cuda.Stream(non_blocking=True)

        def chain(kernel: Any, x: Any = x, y: Any = y, grid: Any = grid, size: Any = size) -> None:
            for _ in range(CHAIN // 2):
                kernel(grid, (256,), (x, y, size))
                kernel(grid, (256,), (y, x, size))

        with stream:
            chain(own)
            stream.synchronize()
            stream.begin_capture()
            chain(own)
            graph = stream.end_capture()
            graph.launch()
            stream.synchronize()
        one = {
            "cupy.add(x, y)": lambda x=x, y=y: cupy.add(x, y), "x + y": lambda x=x, y=y: x + y,
            "cupy.add(x, y, out=y)": lambda x=x, y=y: cupy.add(x, y, out=y),
            "cupy.empty_like": lambda x=x: cupy.empty_like(x),
            "RawKernel": lambda g=grid, x=x, y=y, n=size: raw(g, (256,), (x, y, n)),
            "Function": lambda g=grid, x=x, y=y, n=size: own(g, (256,), (x, y, n)),
            "graph of 20 kernels": lambda g=graph, s=stream: g.launch(s),
        }  # fmt: skip
        found[f"{count} elements, host us a call"] = device.call_times(one, wait)
        found[f"{count} elements, us for 20 kernels, waited for"] = {key: 1e3 * ms for key, ms in device.host_times({
            "20 RawKernel calls": lambda: chain(raw), "20 Function calls": lambda: chain(own),
            "graph": lambda g=graph, s=stream: g.launch(s),
        }, wait, repeats=1, rounds=51).items()}  # fmt: skip
        found[f"{count} elements, us for 20 kernels, many in a row"] = {key: 1e3 * ms for key, ms in device.host_times({
            "20 RawKernel calls": lambda: chain(raw), "20 Function calls": lambda: chain(own),
            "graph": lambda g=graph, s=stream: g.launch(s),
        }, wait, repeats=100).items()}  # fmt: skip
    return found


def capture() -> dict[str, Any]:
    """What can be captured: memory of CuPy's pool, ufuncs, reductions, matrix products, copies to and from the host."""
    import cupy

    x, square = cupy.ones(1 << 16, "f4"), cupy.ones((512, 512), "f4")
    host = numpy.ones(1 << 16, "f4")
    pinned = numpy.frombuffer(cupy.cuda.alloc_pinned_memory(host.nbytes), "f4", host.size)
    mask = x > 0
    works = {
        "a ufunc with new memory": lambda: cupy.exp(x),
        "a ufunc with memory new to the pool": lambda: cupy.exp(cupy.empty(77_777_777, "f4")),
        "sum": lambda: x.sum(), "sum over an axis": lambda: square.sum(axis=0), "matmul": lambda: square @ square,
        "solve": lambda: cupy.linalg.solve(cupy.eye(512, dtype="f4"), x[:512]),
        "sort": lambda: cupy.sort(x), "cumsum": lambda: x.cumsum(),
        "a mask": lambda: x[mask], "float(sum)": lambda: float(x.sum()),
        "set from pageable memory": lambda: x.set(host),
        "set from pinned memory": lambda: x.set(pinned), "get to pageable memory": lambda: x.get(),
        "cupy.random": lambda: cupy.random.random(1000), "fft": lambda: cupy.fft.fft(x),
    }  # fmt: skip
    found = {}
    for name, work in works.items():
        stream = cupy.cuda.Stream(non_blocking=True)
        try:
            with stream:
                if "memory new" not in name:
                    work()
                stream.synchronize()
                stream.begin_capture()
                try:
                    kept = work()
                finally:
                    graph = stream.end_capture()
                graph.launch()
                stream.synchronize()
            found[name] = "captured"
            del kept
        except Exception as error:
            first = error.__context__ or error
            found[name] = f"{type(first).__name__}: {first}"[:160]
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        (cupy.exp(x) * 2).sum()
        stream.synchronize()
        stream.begin_capture()
        total = (cupy.exp(x) * 2).sum()
        graph = stream.end_capture()
        results = []
        for value in (0.0, 1.0):
            x.fill(value)
            graph.launch()
            stream.synchronize()
            results.append(float(total))
    found["exp, times 2, sum: replayed with new values"] = [results, [2.0 * x.size, 2 * x.size * numpy.e]]
    held = cupy.get_default_memory_pool().used_bytes()
    found["bytes of the pool in use after it"] = held
    return found


def arguments() -> dict[str, Any]:
    """New pointers for a graph that is there: by its kernels' parameters, and by a table that the kernels read."""
    import cupy
    from cuda.bindings import driver

    count = 1 << 16
    module = device.load(STEP)
    own, through = module.get_function("step"), module.get_function("through")
    arrays = [cupy.full(count, float(i), "f4") for i in range(4)]
    size, grid = numpy.int32(count), device.blocks(count)
    stream = cupy.cuda.Stream(non_blocking=True)
    found: dict[str, Any] = {}

    def checked(answer: Any) -> Any:
        if int(answer[0]) != 0:
            raise RuntimeError(str(answer[0]))
        return answer[1] if len(answer) == 2 else answer[1:]

    with stream:
        own(grid, (256,), (arrays[0], arrays[1], size))
        stream.synchronize()
        handle = driver.CUstream(stream.ptr)
        checked(driver.cuStreamBeginCapture(handle, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
        for _ in range(CHAIN):
            own(grid, (256,), (arrays[0], arrays[1], size))
        graph = checked(driver.cuStreamEndCapture(handle))
        _, number = checked(driver.cuGraphGetNodes(graph))
        nodes, _ = checked(driver.cuGraphGetNodes(graph, number))
        start = time.perf_counter()
        ready = checked(driver.cuGraphInstantiate(graph, 0))
        found["instantiating 20 kernels, us"] = 1e6 * (time.perf_counter() - start)
        given = [checked(driver.cuGraphKernelNodeGetParams(node)) for node in nodes[:number]]

        def point(to: Any) -> None:
            values = ((arrays[0].data.ptr, to.data.ptr, count), (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int))
            for node, params in zip(nodes, given):
                params.kernelParams = values
                checked((*driver.cuGraphExecKernelNodeSetParams(ready, node, params), None))

        for target in (2, 3):
            arrays[target].fill(0)
            point(arrays[target])
            driver.cuGraphLaunch(ready, handle)
            stream.synchronize()
            found[f"after new parameters for array {target}"] = float(arrays[target][0])
        times = []
        for target in (2, 3) * 10:
            start = time.perf_counter()
            point(arrays[target])
            times.append(time.perf_counter() - start)
        found["new parameters of 20 kernels, us"] = 1e6 * float(numpy.median(times))
        launch = {"cuGraphLaunch by cuda.bindings": lambda: driver.cuGraphLaunch(ready, handle)}
        found["host us a call"] = device.call_times(launch, stream.synchronize)
        table = cupy.asarray(numpy.array([a.data.ptr for a in arrays], "u8"))
        through(grid, (256,), (table, numpy.int32(0), numpy.int32(1), size))
        stream.synchronize()
        stream.begin_capture()
        for _ in range(CHAIN):
            through(grid, (256,), (table, numpy.int32(0), numpy.int32(1), size))
        by_table = stream.end_capture()
        arrays[3].fill(0)
        new = numpy.array([arrays[0].data.ptr, arrays[3].data.ptr, 0, 0], "u8")
        pinned = numpy.frombuffer(cupy.cuda.alloc_pinned_memory(new.nbytes), "u8", 4)
        pinned[:] = new
        table.data.copy_from_host_async(pinned.ctypes.data, new.nbytes)
        by_table.launch(stream)
        stream.synchronize()
        found["after a new table"] = float(arrays[3][0])
        found["a new table and a launch, host us"] = device.call_times({
            "both": lambda: (table.data.copy_from_host_async(pinned.ctypes.data, 32), by_table.launch(stream)),
        }, stream.synchronize)  # fmt: skip
        found["GPU ms of 20 kernels"] = device.host_times(
            {"by parameters": lambda: driver.cuGraphLaunch(ready, handle),
             "by the table": lambda: by_table.launch(stream)},
            stream.synchronize, repeats=50,
        )  # fmt: skip
    return found
