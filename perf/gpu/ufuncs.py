"""What CuPy's ufuncs hold, whether it works as a statement, and how far its results are from NumPy's."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import warnings
from typing import Any

import device
import numpy
import tracing

COUNT = 1 << 14
DRAWS = 1 << 24
FLAGS = {"CuPy's": device.CUPY, "exact": device.EXACT, "contracted": device.CONTRACTED}
Record = dict[str, Any]


def routines() -> dict[str, Any]:
    """Questions 1 and 3: each loop of each ufunc, by as many processes as there are cores."""
    names = list(tracing.ufuncs())
    context = multiprocessing.get_context("spawn")
    workers = max(1, min(14, (os.cpu_count() or 2) - 1))
    records: list[Record] = []
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        for found in pool.map(try_ufunc, names):
            records += found
    summary = {
        "ufuncs": len(names), "loops": len(records),
        "that raise in CuPy": [r["name"] for r in records if r.get("raises")],
        "failed to compile": [(r["name"], r["error"]) for r in records if r.get("error")],
        "the ufunc itself fails": [(r["name"], r["ufunc fails"]) for r in records if r.get("ufunc fails")],
        "same bits as the ufunc": sum(r.get("different") == 0 for r in records),
        "other bits than the ufunc": [(r["name"], r["different"]) for r in records if r.get("different")],
    }  # fmt: skip
    return {"summary": summary, "records": records}


def try_ufunc(name: str) -> list[Record]:
    """All loops of one; what goes wrong is in the record."""
    try:
        return _try_ufunc(name)
    except Exception as error:
        return [{"name": name, "error": f"{type(error).__name__}: {error}"[:300]}]


def _try_ufunc(name: str) -> list[Record]:
    import cupy

    ufunc = tracing.ufuncs()[name]
    loops = tracing.loops(ufunc)
    with_routine = [op for op in loops if op.routine is not None]
    records = [{"name": f"{name} {tracing.spelled(op)}", "raises": True} for op in loops if op.routine is None]
    kernels = {flags: _kernels(ufunc, with_routine, options) for flags, options in FLAGS.items()}
    for i, op in enumerate(with_routine):
        record: Record = {"name": f"{name} {tracing.spelled(op)}"}
        records.append(record)
        inputs = [device.numbers(t, COUNT, 10 + k) for k, t in enumerate(op.in_types)]
        given = [cupy.asarray(x) for x in inputs]
        results: dict[str, list[Any]] = {}
        for flags, of in kernels.items():
            if isinstance(of[i], str):
                record["error"] = of[i]
                continue
            outputs = [cupy.empty(COUNT, t) for t in op.out_types]
            of[i](device.blocks(COUNT), (256,), (*given, *outputs, numpy.int64(COUNT)))
            results[flags] = [cupy.asnumpy(x) for x in outputs]
        try:
            called = ufunc(*given)
        except Exception as error:
            record["ufunc fails"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            continue
        own = [cupy.asnumpy(x) for x in (called if isinstance(called, tuple) else (called,))]
        if "CuPy's" in results:
            record["different"] = _count(results["CuPy's"], own)
        if "exact" in results and "contracted" in results:
            record["by contraction"] = _count(results["exact"], results["contracted"])
        record["by flushing"] = _count(results["contracted"], own) if "contracted" in results else None
        record["numpy"] = _beside_numpy(name, inputs, {"CuPy's": own, **results})
    return records


def _kernels(ufunc: Any, loops: list[Any], options: tuple[str, ...]) -> list[Any]:
    """A kernel for each loop, or what the compiler says of it; all in one module if they compile."""
    try:
        module = device.load(tracing.ufunc_source(ufunc, loops), options)
        return [module.get_function(f"loop{i}") for i in range(len(loops))]
    except Exception as error:
        if len(loops) == 1:
            return [" ".join(str(error).split())[:300]]
    return [_kernels(ufunc, [op], options)[0] for op in loops]


def _count(x: list[Any], y: list[Any]) -> int:
    return int(sum(device.different(a, b).sum() for a, b in zip(x, y, strict=True)))


def _beside_numpy(name: str, inputs: list[Any], found: dict[str, list[Any]]) -> Any:
    """How many elements differ from NumPy's, and by how much, for each set of options."""
    ufunc = getattr(numpy, name, None)
    if not isinstance(ufunc, numpy.ufunc):
        return "NumPy has no such ufunc"
    try:
        with numpy.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = ufunc(*inputs)
    except Exception as error:
        return f"NumPy raises {type(error).__name__}: {error}"
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    if [x.dtype for x in expected] != [x.dtype for x in found["CuPy's"]]:
        return f"NumPy gives {' '.join(x.dtype.str[1:] for x in expected)}"
    return {flags: _distance(results, expected) for flags, results in found.items()}


def _distance(results: list[Any], expected: list[Any]) -> Record:
    """Of elements: with other bits, NaNs of other bits among them; the most numbers between, of ordinary inputs."""
    total: Record = {"different": 0, "not only NaNs": 0, "ordinary different": 0, "most": 0.0, "ordinary most": 0.0}
    for got, wanted in zip(results, expected, strict=True):
        apart = device.different(got, wanted)
        total["different"] += int(apart.sum())
        if got.dtype.kind not in "fc":
            total["not only NaNs"] += int(apart.sum())
            total["ordinary different"] += int(apart[COUNT // 2 :].sum())
            continue
        away = device.steps(*(x.view(f"f{x.dtype.itemsize // 2}") if x.dtype.kind == "c" else x for x in (got, wanted)))
        away = away.reshape(COUNT, -1).max(axis=1)
        nans = (numpy.isnan(got) & numpy.isnan(wanted)) if got.dtype.kind == "f" else away == 0
        total["not only NaNs"] += int((apart & ~nans).sum())
        total["ordinary different"] += int((apart & ~nans)[COUNT // 2 :].sum())
        total["most"] = max(total["most"], float(away.max()))
        total["ordinary most"] = max(total["ordinary most"], float(away[COUNT // 2 :].max()))
    return total


# ---- corners ---------------------------------------------------------------------------------------------------------


def corners() -> dict[str, Any]:
    """Question 3: divisions by zero, overflow, shifts, casts; and whether anything is said about them."""
    import cupy

    least, most = -(2**31), 2**31 - 1
    binary = {
        "floor_divide": [(7, 0), (least, -1), (-7, 2), (7, -2)],
        "remainder": [(7, 0), (least, -1), (-7, 2), (7, -2)],
        "fmod": [(7, 0), (-7, 2), (7, -2)],
        "add": [(most, 1)], "multiply": [(most, 2)], "subtract": [(least, 1)],
        "left_shift": [(1, 31), (1, 32), (1, 33), (1, -1)], "right_shift": [(-8, 31), (-8, 32), (-8, 40), (-8, -1)],
        "power": [(2, 31), (3, 40), (0, 0), (2, -1), (1, -1), (-1, -1)],
    }  # fmt: skip
    rows = []
    for name, pairs in binary.items():
        for pair in pairs:
            rows.append(_corner(cupy, name, [numpy.array([x], "i4") for x in pair]))
    for name in ("absolute", "negative", "reciprocal"):
        for x in (least, 0):
            rows.append(_corner(cupy, name, [numpy.array([x], "i4")]))
    inf, nan = numpy.inf, numpy.nan
    reals = [(1, 0), (0, 0), (-7.5, 2), (7.5, -2), (-0.0, 1), (1, inf), (-1, inf), (inf, 2), (1e30, 3), (nan, 1)]
    for name in ("floor_divide", "remainder", "fmod"):
        rows += [_corner(cupy, name, [numpy.array([x], "f8") for x in pair]) for pair in reals]
    for name, pair in (("maximum", (0.0, -0.0)), ("maximum", (-0.0, 0.0)), ("minimum", (0.0, -0.0)),
                       ("fmax", (nan, 1)), ("sign", (-0.0,)), ("power", (-8.0, 1 / 3)), ("power", (1.0, nan)),
                       ("logaddexp", (-inf, -inf)), ("hypot", (inf, nan)), ("sqrt", (-1.0,)),
                       ("rint", (2.5,))):  # fmt: skip
        rows.append(_corner(cupy, name, [numpy.array([x], "f8") for x in pair]))
    casts = []
    for kind in ("?", "i1", "u1", "i4", "u4", "i8", "u8"):
        for x in (nan, inf, -inf, 3e9, -1.5, 300.7, 1e20):
            with numpy.errstate(all="ignore"):
                wanted = numpy.array([x]).astype(kind)
            got = cupy.array([x]).astype(kind).get()
            casts.append([f"{x} to {kind}", str(wanted[0]), str(got[0]), bool(wanted[0] == got[0])])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cupy.asnumpy(cupy.array([1.0, -1.0]) / cupy.array([0.0, 0.0])), cupy.asnumpy(cupy.sqrt(cupy.array([-1.0])))
        cupy.asnumpy(cupy.array([7]) // cupy.array([0]))
    raised = "nothing"
    try:
        with cupy.errstate(divide="raise"):
            cupy.array([1.0]) / cupy.array([0.0])
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
    return {
        "differ": [row for row in rows if not row[-1]], "agree": [row for row in rows if row[-1]],
        "casts differ": [row for row in casts if not row[-1]], "casts": len(casts),
        "warnings": [str(w.message) for w in said], "errstate(divide='raise')": raised,
    }  # fmt: skip


def _corner(cupy: Any, name: str, args: list[Any]) -> list[Any]:
    def result(module: Any, given: list[Any]) -> str:
        try:
            with numpy.errstate(all="ignore"):
                return str(numpy.asarray(getattr(getattr(module, name)(*given), "get", lambda: None)())[0])
        except Exception as error:
            return type(error).__name__

    def wanted() -> str:
        try:
            with numpy.errstate(all="ignore"):
                return str(getattr(numpy, name)(*args)[0])
        except Exception as error:
            return type(error).__name__

    mine, own = result(cupy, [cupy.asarray(a) for a in args]), wanted()
    return [f"{name}({', '.join(str(a[0]) for a in args)}) {args[0].dtype}", own, mine, own == mine]


# ---- NumPy's own exponential, in CUDA -------------------------------------------------------------------------------

EXP = """
extern "C" __global__ void numpy_exp(const float* in, float* out, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = in[i];
    if (x != x) { out[i] = x; return; }
    if (x > 0x1.62e42ep+6f) { out[i] = __int_as_float(0x7f800000); return; }
    if (x < -0x1.9fe36ap+6f) { out[i] = 0.0f; return; }
    float turns = x * 0x1.715476p+0f;
    turns = (turns + 0x1.8p+23f) - 0x1.8p+23f;
    float y = __fmaf_rn(turns, -0x1.62e4p-1f, x);
    y = __fmaf_rn(turns, -0x1.7f7d1cp-20f, y);
    float above = 0x1.0a7bbp-11f;
    above = __fmaf_rn(above, y, 0x1.bae2b2p-8f);
    above = __fmaf_rn(above, y, 0x1.a2fb18p-5f);
    above = __fmaf_rn(above, y, 0x1.fa98bp-3f);
    above = __fmaf_rn(above, y, 0x1.7397aap-1f);
    above = __fmaf_rn(above, y, 1.0f);
    float below = __fmaf_rn(0x1.61d064p-6f, y, -0x1.18d0aep-2f);
    below = __fmaf_rn(below, y, 1.0f);
    out[i] = ldexpf(__fdiv_rn(above, below), (int)turns);
}
extern "C" __global__ void numpy_log(const float* in, float* out, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int bits = __float_as_int(in[i]);
    int turns = (bits - 0x3F3504F4) >> 23;
    float y = __int_as_float(bits - (turns << 23)) - 1.0f;
    float above = 0x1.a8579ap-6f;
    above = __fmaf_rn(above, y, 0x1.860666p-2f);
    above = __fmaf_rn(above, y, 0x1.7ae152p+0f);
    above = __fmaf_rn(above, y, 0x1.0e6c38p+1f);
    above = __fmaf_rn(above, y, 1.0f);
    above = __fmaf_rn(above, y, 0.0f);
    float below = 0x1.8107bep-8f;
    below = __fmaf_rn(below, y, 0x1.3cb7e6p-3f);
    below = __fmaf_rn(below, y, 0x1.f915c8p-1f);
    below = __fmaf_rn(below, y, 0x1.39fc1ap+1f);
    below = __fmaf_rn(below, y, 0x1.4e6c38p+1f);
    below = __fmaf_rn(below, y, 1.0f);
    out[i] = __fmaf_rn((float)turns, 0x1.62e43p-1f, __fdiv_rn(above, below));
}
"""


def polynomials() -> dict[str, Any]:
    """Question 3: NumPy's float32 exponential and logarithm written in CUDA C++, against NumPy and against CuPy's."""
    import cupy

    module = device.load(EXP)
    count = DRAWS
    draws = numpy.random.default_rng(3)
    found: dict[str, Any] = {}
    inputs = {
        "exp": numpy.concatenate([draws.uniform(-104, 89, count // 2), draws.uniform(-2, 2, count // 2)]).astype("f4"),
        "log": numpy.concatenate([10.0 ** draws.uniform(-37, 38, count // 2), draws.uniform(0.25, 4, count // 2)]),
    }
    inputs["log"] = inputs["log"].astype("f4")
    for name, x in inputs.items():
        given, out = cupy.asarray(x), cupy.empty(count, "f4")
        kernel, own = module.get_function(f"numpy_{name}"), getattr(cupy, name)
        args = (given, out, numpy.int64(count))
        call = lambda kernel=kernel, args=args: kernel(device.blocks(count), (256,), args)
        call()
        mine = cupy.asnumpy(out)  # before CuPy's own writes there
        with numpy.errstate(all="ignore"):
            wanted = getattr(numpy, name)(x)
        times = device.device_times({"ours": call, "CuPy": lambda own=own, given=given, out=out: own(given, out=out)})
        found[name] = {
            "elements": count, "different from NumPy": int(device.different(mine, wanted).sum()),
            "CuPy's different from NumPy": int(device.different(cupy.asnumpy(own(given)), wanted).sum()), "ms": times,
        }  # fmt: skip
    return found
