"""What CuPy's routines mean beside NumPy's loops, as far as a CPU can tell: dtypes, and formulas without a library."""

from __future__ import annotations

import ctypes
import itertools
import pathlib
import re
import tempfile
import warnings
from typing import Any

import device
import numpy
import on_host
import tracing

CODES = "?bBhHiIlLefdFD"
COUNT = 1 << 16

FORMULAS = (
    "add subtract multiply true_divide floor_divide remainder fmod power negative absolute sign reciprocal square sqrt "
    "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift equal less greater logical_and logical_or "
    "logical_not floor ceil trunc rint copysign heaviside isnan isinf isfinite signbit fabs deg2rad rad2deg nextafter "
    "ldexp gcd lcm"
)
"""Ufuncs whose routines are arithmetic: a CPU computes them as a GPU does, but for what C++ leaves undefined."""


def signatures() -> dict[str, Any]:
    """For each ufunc of NumPy and each dtype, its arguments all of it: whether CuPy's gives the same dtype."""
    import cupy

    mine = {value.__name__: value for value in vars(numpy).values() if isinstance(value, numpy.ufunc)}
    missing, same, other, without, more = [], 0, {}, {}, {}
    for name, ufunc in sorted(mine.items()):
        own = getattr(cupy, name, None)
        if not isinstance(own, cupy.ufunc):
            missing.append(name)
            continue
        for code in CODES:
            dtype = numpy.dtype(code)
            wanted = _dtypes(ufunc, dtype)
            op = own._ops._guess_routine_from_in_types((dtype,) * own.nin)
            got = None if op is None or op.routine is None else "".join(t.char for t in op.out_types)
            if wanted == got:
                same += 1
            elif wanted is None:
                more.setdefault(name, []).append(code)
            elif got is None:
                without.setdefault(name, []).append(code)
            else:
                other.setdefault(name, []).append(f"{code}: {wanted} in NumPy, {got} in CuPy")
    return {
        "NumPy's ufuncs": len(mine), "no ufunc of CuPy": missing, "same": same, "other result": other,
        "no loop in CuPy": {key: "".join(found) for key, found in without.items()},
        "no loop in NumPy": {key: "".join(found) for key, found in more.items()},
    }  # fmt: skip


def _dtypes(ufunc: numpy.ufunc, dtype: numpy.dtype[Any]) -> str | None:
    try:
        found = ufunc.resolve_dtypes((dtype,) * ufunc.nin + (None,) * ufunc.nout)
    except TypeError:
        return None
    return "".join(t.char for t in found[ufunc.nin :])


def formulas() -> dict[str, Any]:
    """CuPy's own text of arithmetic routines, run on a CPU: whose bits are not NumPy's; any two NaNs count as equal."""
    chosen = []
    preambles: dict[str, None] = {}
    for name, ufunc in tracing.ufuncs().items():
        if name not in FORMULAS.split() or not isinstance(getattr(numpy, name, None), numpy.ufunc):
            continue
        preambles[str(ufunc._preamble)] = None
        chosen += [(name, op) for op in tracing.loops(ufunc) if _plain(name, op)]
    kernels = "".join(tracing.loop_source(op, f"loop{i}") for i, (_, op) in enumerate(chosen))
    runs = "".join(_run(op, i) for i, (_, op) in enumerate(chosen))
    pieces = itertools.chain(*(re.split(r"(?=template)", text) for text in preambles))
    once = list(dict.fromkeys(piece.strip() for piece in pieces))
    same, differ = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        library = on_host.library(pathlib.Path(folder), "\n".join([_floor_divide(), *once, kernels]), runs)
        for i, (name, op) in enumerate(chosen):
            inputs = _inputs(name, op)
            out = numpy.empty(COUNT, op.out_types[0])
            given = [on_host.address(x) for x in (*inputs, out)]
            getattr(library, f"run{i}")(*given, ctypes.c_longlong(COUNT))
            with numpy.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = getattr(numpy, name)(*inputs)
            if wanted.dtype != out.dtype:
                continue
            apart = device.different(out, wanted)
            if out.dtype.kind == "f":
                apart &= ~(numpy.isnan(out) & numpy.isnan(wanted))
            if not apart.any():
                same += 1
                continue
            where = numpy.flatnonzero(apart)
            shown = [f"({', '.join(str(x[k]) for x in inputs)}) is {out[k]}, not {wanted[k]}" for k in where[:3]]
            counts = f"{len(where)} of {COUNT}, {apart[COUNT // 2 :].sum()} of {COUNT // 2} ordinary"
            differ[f"{name} {tracing.spelled(op)}"] = [counts, *shown]
    return {"loops": len(chosen), "NumPy's bits": same, "other bits": differ}


def _plain(name: str, op: Any) -> bool:
    if op.routine is None or len(op.out_types) != 1 or name == "power" and op.in_types[0].kind == "f":
        return False
    return all(t.kind in "biu" or t.char in "fd" for t in (*op.in_types, *op.out_types))


def _run(op: Any, i: int) -> str:
    kinds = [f"const {tracing.c_type(t)}*" for t in op.in_types] + [f"{tracing.c_type(op.out_types[0])}*"]
    params = ", ".join(f"{kind} x{k}" for k, kind in enumerate(kinds))
    given = ", ".join(f"x{k}" for k in range(len(kinds)))
    return (f'extern "C" void run{i}({params}, long long n) '
            f"{{ launch((n + 255) / 256, 256, false, [=] {{ loop{i}({given}, n); }}); }}\n")  # fmt: skip


def _floor_divide() -> str:
    """From CuPy's header."""
    import cupy

    text = (pathlib.Path(cupy.__file__).parent / "_core/include/cupy/carray.cuh").read_text()
    return "\n".join(re.findall(r"^__device__ [\w ]+ _floor_divide\([^}]*^}", text, re.MULTILINE))


def _inputs(name: str, op: Any) -> list[Any]:
    """Any numbers, but those for which C++ has no answer or NumPy an exception."""
    found = [device.numbers(t, COUNT, 20 + k) for k, t in enumerate(op.in_types)]
    kind = op.in_types[-1]
    if name in ("left_shift", "right_shift"):
        found[1] = (found[1] & (8 * min(kind.itemsize, 4) - 1)).astype(kind)
    if name == "power" and kind.kind == "i":
        found[1] = (found[1] & 15).astype(kind)
    if name in ("floor_divide", "remainder", "gcd", "lcm") and kind.kind == "i":
        found[1][found[1] == -1] = 3
    return found
