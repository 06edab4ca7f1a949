"""What needs CuPy but no GPU: which routines compile as statements, and what the compiler makes of the options."""

from __future__ import annotations

import collections
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
from typing import Any

import chains
import device
import graphs
import reductions
import tracing
import ufuncs

ARCH = "90"
SETS = {"CuPy's": device.CUPY, "contracted": device.CONTRACTED, "exact": device.EXACT}


def statements() -> dict[str, Any]:
    """Each loop of each ufunc of CuPy as a statement of a kernel: which do not compile, and what options change."""
    start = time.perf_counter()
    failed: dict[str, str] = {}
    raising: list[str] = []
    total = 0
    depends: dict[str, dict[str, int]] = {}
    names = tracing.ufuncs()
    for name, ufunc in names.items():
        loops = [op for op in tracing.loops(ufunc) if op.routine is not None]
        raising += [f"{name} {tracing.spelled(op)}" for op in tracing.loops(ufunc) if op.routine is None]
        total += len(tracing.loops(ufunc))
        all_texts = {key: _instructions(ufunc, loops, options) for key, options in SETS.items()}
        for i, op in enumerate(loops):
            texts = {key: found[i] for key, found in all_texts.items()}
            wrong = next((text for text in texts.values() if isinstance(text, Exception)), None)
            if wrong is not None:
                failed[f"{name} {tracing.spelled(op)}"] = " ".join(str(wrong).split())[:200]
                continue
            kind = "/".join(sorted({t.name for t in (*op.in_types, *op.out_types) if t.kind in "fc"})) or "integers"
            counts = depends.setdefault(kind, dict.fromkeys(("loops", "flushing changes", "contraction changes"), 0))
            counts["loops"] += 1
            counts["flushing changes"] += texts["CuPy's"] != texts["contracted"]
            counts["contraction changes"] += texts["exact"] != texts["contracted"]
    return {
        "ufuncs": len(names), "loops": total, "raise in CuPy": raising, "do not compile": failed,
        "compile": total - len(raising) - len(failed), "instructions that options change, loops": depends,
        "seconds": time.perf_counter() - start,
    }  # fmt: skip


def _instructions(ufunc: Any, loops: list[Any], options: tuple[str, ...]) -> list[Any]:
    """Of each loop, without comments and the names of registers, which may be numbered otherwise; or the error."""
    try:
        text = device.ptx(tracing.ufunc_source(ufunc, loops), options, ARCH)
    except Exception as error:
        if len(loops) == 1:
            return [error]
        return [_instructions(ufunc, [op], options)[0] for op in loops]
    text = re.sub(r"%\w+|\$\w+", "%", re.sub(r"//.*", "", text))
    shared, *kernels = re.split(r"\.visible \.entry ", text)
    found = {re.match(r"\w+", kernel)[0]: kernel for kernel in kernels}  # type: ignore[index]
    return [found[f"loop{i}"] + (shared if "call" in found[f"loop{i}"] else "") for i in range(len(loops))]


def flags() -> dict[str, Any]:
    """What one product and sum become: CuPy's -ftz=true stands last, so it overrules its user's."""
    source = 'extern "C" __global__ void one(const float* x, float* y) { y[0] = x[0] * x[1] + x[2]; }'
    found = {}
    for options in ((), ("--fmad=false",), ("-ftz=true",), ("-ftz=false", "-ftz=true"), ("--fmad=false", "-ftz=true")):
        lines = re.findall(r"^\s*((?:fma|mul|add)\.[\w.]*f32)", device.ptx(source, options, ARCH), re.MULTILINE)
        found[" ".join(options) or "none"] = " ".join(lines)
    return found


def fused() -> dict[str, Any]:
    """Fused chains: instructions, registers, and bytes a load, of machine code where `cuobjdump` is at hand."""
    rows = []
    for name, (function, inputs, _) in chains.CHAINS.items():
        for dtype in ("f4", "f8"):
            for key, options in SETS.items():
                source = tracing.fused_source(function, inputs, dtype, 16 // int(dtype[1]))
                text = device.ptx(source, options, ARCH)
                kinds = re.findall(r"^\s*(fma|mul|add|sub|div)\.(?:rn|approx|full)", text, re.MULTILINE)
                row: dict[str, Any] = {"chain": name, "dtype": dtype, "options": key}
                row["PTX"] = dict(collections.Counter(kinds))
                row["PTX that flushes"] = len(re.findall(r"\.ftz", text))
                row.update(_machine_code(device.binary(source, options, ARCH)))
                rows.append(row)
    return {"rows": rows}


def others() -> dict[str, Any]:
    """Kernels for NumPy's order of sums, its PCG64, exp and log: registers and spills."""
    sources = {
        "sums": f"#define LEAVES {reductions.LEAVES}\n" + reductions.PAIRWISE, "PCG64": reductions.PCG64,
        "exp and log": ufuncs.EXP, "steps": graphs.STEP,
    }  # fmt: skip
    found = {}
    for name, source in sources.items():
        options = (*device.EXACT, "--device-int128") if name == "PCG64" else device.EXACT
        found[name] = _machine_code(device.binary(source, options, ARCH)) or "compiles"
    return found


def times() -> dict[str, Any]:
    """Milliseconds that NVRTC takes here for a fused chain, with CuPy's headers and without."""
    source = tracing.fused_source(chains.transcendental, 2, "f4", 4)
    found: dict[str, Any] = {}
    for name, with_headers in (("with CuPy's headers", True), ("without", False)):
        took = []
        for k in range(7):
            text = source.replace("fused(", f"fused_{k}(")
            start = time.perf_counter()
            device.binary(text, device.EXACT, ARCH, with_headers)
            took.append(1e3 * (time.perf_counter() - start))
        found[name] = sorted(took)
    for threads in (1, 2, 4):
        sources = [source.replace("fused(", f"fused_{threads}_{k}(") for k in range(12)]
        start = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda text: device.binary(text, device.EXACT, ARCH, False), sources))
        found[f"12 kernels without, {threads} threads"] = 1e3 * (time.perf_counter() - start)
    compiler = shutil.which("nvcc")
    if compiler:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "kernel.cu")
            file.write_text(source)
            options = ["-cubin", f"-arch=sm_{ARCH}", "--fmad=false", "-o", f"{folder}/kernel.cubin"]
            command = [compiler, *options, str(file)]
            took = []
            for _ in range(3):
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                took.append(1e3 * (time.perf_counter() - start))
            found["nvcc, without"] = sorted(took)
    return found


def _machine_code(code: bytes) -> dict[str, Any]:
    tool = shutil.which("cuobjdump")
    if tool is None:
        return {}
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code + b"\0")  # which CuPy takes off
        file.flush()
        usage = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True).stdout
        listed = subprocess.run([tool, "-sass", file.name], capture_output=True, text=True).stdout
    found = re.findall(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ )?([A-Z0-9]+)", listed, re.MULTILINE)
    operations = collections.Counter(found)
    wanted = ("FFMA", "FMUL", "FADD", "DFMA", "DMUL", "DADD", "MUFU", "CALL")
    return {
        "SASS": {key: operations[key] for key in wanted if operations[key]},
        "loads": dict(collections.Counter(re.findall(r"LDG\.E[\w.]*", listed))),
        "registers": [int(x) for x in re.findall(r"REG:(\d+)", usage)],
        "stack": [int(x) for x in re.findall(r"STACK:(\d+)", usage)],
    }
