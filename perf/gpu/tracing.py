"""Kernels whose statements are the routines of CuPy's ufuncs: one a loop of a ufunc, or one a whole function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import device
import numpy


def ufuncs() -> dict[str, Any]:
    """CuPy's ufuncs by the name it gives them, `cupy_` taken off; each once."""
    import cupy

    found = {}
    for name in dir(cupy):
        value = getattr(cupy, name, None)
        if isinstance(value, cupy.ufunc):
            found[value.name.removeprefix("cupy_")] = value
    return found


def loops(ufunc: Any) -> list[Any]:
    """Its loops but those of records, without those that the dtypes of an earlier one hide."""
    plain = [op for op in ufunc._ops.ops if all(t.kind != "V" for t in op.in_types)]
    return list({op.in_types: op for op in reversed(plain)}.values())[::-1]


def spelled(op: Any) -> str:
    """Such as `ff->f`."""
    return "".join(t.char for t in op.in_types) + "->" + "".join(t.char for t in op.out_types)


def c_type(dtype: Any) -> str:
    """What CuPy calls it in C++."""
    from cupy._core._scalar import get_typename

    return str(get_typename(numpy.dtype(dtype)))


def loop_source(op: Any, name: str) -> str:
    """A kernel that applies one routine to dense arrays."""
    inputs = [(f"in{i}", c_type(t)) for i, t in enumerate(op.in_types)]
    outputs = [(f"out{i}", c_type(t)) for i, t in enumerate(op.out_types)]
    given = "".join(f"const {kind}* _{x}, " for x, kind in inputs) + "".join(f"{kind}* _{x}, " for x, kind in outputs)
    types = "".join(f"    typedef {kind} {x}_type;\n" for x, kind in inputs + outputs)
    reads = "".join(f"        const {x}_type {x}(_{x}[_i]);\n" for x, _ in inputs)
    reads += "".join(f"        {x}_type {x};\n" for x, _ in outputs)
    writes = "".join(f"        _{x}[_i] = {x};\n" for x, _ in outputs)
    return (
        f'extern "C" __global__ void {name}({given}long long _n) {{\n{types}'
        "    long long _i = (long long)blockIdx.x * blockDim.x + threadIdx.x;\n"
        f"    if (_i < _n) {{\n{reads}        {op.routine};\n{writes}    }}\n}}\n"
    )


def ufunc_source(ufunc: Any, which: list[Any]) -> str:
    """Its preamble and a kernel `loop<i>` for each of these loops."""
    return str(ufunc._preamble) + "\n" + "".join(loop_source(op, f"loop{i}") for i, op in enumerate(which))


class Traced:
    """A value of a function that is being turned into a kernel."""

    def __init__(self, trace: Trace, name: str) -> None:
        self.trace, self.name = trace, name

    __add__ = lambda self, other: self.trace.apply("add", self, other)
    __radd__ = lambda self, other: self.trace.apply("add", other, self)
    __sub__ = lambda self, other: self.trace.apply("subtract", self, other)
    __rsub__ = lambda self, other: self.trace.apply("subtract", other, self)
    __mul__ = lambda self, other: self.trace.apply("multiply", self, other)
    __rmul__ = lambda self, other: self.trace.apply("multiply", other, self)
    __truediv__ = lambda self, other: self.trace.apply("divide", self, other)
    __rtruediv__ = lambda self, other: self.trace.apply("divide", other, self)
    __neg__ = lambda self: self.trace.apply("negative", self)


class Trace:
    """Records the operations of a function of arrays of one dtype; stands for `numpy` in it."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.kind = numpy.dtype(dtype), c_type(dtype)
        self.lines: list[str] = []
        self.preambles: dict[str, None] = {}

    def __getattr__(self, name: str) -> Callable[..., Traced]:
        return lambda *args: self.apply(name, *args)

    def apply(self, name: str, *args: Any) -> Traced:
        """One more statement."""
        import cupy

        ufunc = getattr(cupy, name)
        op = next(op for op in loops(ufunc) if all(t == self.dtype for t in op.in_types))
        self.preambles[ufunc._preamble] = None
        new = f"v{len(self.lines)}"
        typed = "".join(f"typedef {self.kind} in{i}_type; " for i in range(len(args)))
        reads = "".join(f"const {self.kind} in{i} = {self.text(arg)}; " for i, arg in enumerate(args))
        self.lines.append(
            f"{self.kind} {new}; {{ {typed}typedef {self.kind} out0_type; {reads}out0_type out0; "
            f"{op.routine}; {new} = out0; }}"
        )
        return Traced(self, new)

    def text(self, value: Any) -> str:
        """A value's name, or a number to the last bit."""
        return value.name if isinstance(value, Traced) else f"{self.kind}({float(value).hex()})"


def fused_source(function: Callable[..., Any], count: int, dtype: Any, width: int) -> str:
    """A kernel `fused` for a function of `numpy` and `count` arrays; each thread takes `width` neighbours at once."""
    trace = Trace(dtype)
    results = function(trace, *(Traced(trace, f"a{i}") for i in range(count)))
    results = results if isinstance(results, tuple) else (results,)
    kind = trace.kind
    params = "".join(f"const Pack* __restrict__ p{i}, " for i in range(count))
    params += "".join(f"Pack* __restrict__ q{i}, " for i in range(len(results)))
    reads = "".join(f"        Pack x{i} = p{i}[i];\n" for i in range(count))
    takes = "".join(f"            const {kind} a{i} = x{i}.at[j];\n" for i in range(count))
    body = "".join(f"            {line}\n" for line in trace.lines)
    gives = "".join(f"            y{i}.at[j] = {result.name};\n" for i, result in enumerate(results))
    made = "".join(f"        Pack y{i};\n" for i in range(len(results)))
    writes = "".join(f"        q{i}[i] = y{i};\n" for i in range(len(results)))
    return (
        "".join(trace.preambles)
        + f"\nstruct alignas({width * trace.dtype.itemsize}) Pack {{ {kind} at[{width}]; }};\n"
        + f'extern "C" __global__ void fused({params}long long n) {{\n'
        + "    long long stride = (long long)gridDim.x * blockDim.x;\n"
        + "    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) {\n"
        + f"{reads}{made}        #pragma unroll\n        for (int j = 0; j < {width}; j++) {{\n"
        + f"{takes}{body}{gives}        }}\n{writes}    }}\n}}\n"
    )


class Fused:
    """That kernel, called as the function is."""

    def __init__(
        self, function: Callable[..., Any], count: int, dtype: Any, options: tuple[str, ...], width: int = 0
    ) -> None:
        self.dtype = numpy.dtype(dtype)
        self.width = width or 16 // self.dtype.itemsize
        self.source = fused_source(function, count, dtype, self.width)
        self.results = self.source.count("Pack* __restrict__ q")
        self.kernel = device.load(self.source, options).get_function("fused")

    def __call__(self, *arrays: Any) -> Any:
        import cupy

        count = arrays[0].size // self.width
        results = tuple(cupy.empty_like(arrays[0]) for _ in range(self.results))
        self.kernel(device.blocks(count), (256,), (*arrays, *results, numpy.int64(count)))
        return results if self.results > 1 else results[0]
