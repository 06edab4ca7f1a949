"""Whole scripts, each run in a fresh process: what somebody sees who changes the import of a program and runs it once.

    python perf/fresh.py [--rounds 5] [SCRIPT ...]

The scripts are `perf/scripts/*.py`: NumPy programs of 10 to 100 ms. Each runs as it is, with its import changed to
lazytensor's and nothing in the disk cache (cold), and once more with what earlier runs left there (warm). What it
prints and its `result` are compared first, bit for bit. Then the three take turns. Figures are medians in milliseconds:
of the script after its import, and of the import. The exit status is 1 if a result is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WAYS = ("NumPy", "cold", "warm")

CHILD = """
import contextlib, hashlib, io, sys, time
name, lazy = sys.argv[1], sys.argv[2] == "lazy"
source = open(name).read()
line = "import numpy as np"
code = compile(source.replace(line, "", 1), name, "exec")
start = time.perf_counter()
scope = {"__name__": "__main__", "__file__": name}
exec(line.replace("numpy", "lazytensor") if lazy else line, scope)
imported = time.perf_counter()
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    exec(code, scope)
    import numpy
    values = [numpy.asarray(value) for value in scope["result"]]
ended = time.perf_counter()
digest = hashlib.sha256(printed.getvalue().encode())
for value in values:
    digest.update(repr((value.dtype, value.shape)).encode() + value.tobytes())
print(imported - start, ended - imported, digest.hexdigest())
"""
"""Runs a script; prints the seconds of its import and of itself, and a digest of what it printed and of its results."""


def run(script: pathlib.Path, way: str, kept: str, bytecode: str) -> tuple[float, float, str]:
    """Runs a script in a process of its own; gives what that prints."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode,
                       "LAZYTENSOR_CACHE": kept if way == "warm" else empty,
                       "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        answer = subprocess.run([sys.executable, "-c", CHILD, str(script), "plain" if way == "NumPy" else "lazy"],
                                env=environment, capture_output=True, text=True, check=True).stdout
    loaded, ran, digest = answer.split()
    return float(loaded), float(ran), digest


def measure(script: pathlib.Path, rounds: int, kept: str, bytecode: str) -> dict[str, tuple[float, float]] | None:
    """The medians of import and run for each way, in milliseconds; None if the results are not the same."""
    digests = {run(script, way, kept, bytecode)[2] for way in (*WAYS, "warm")}
    if len(digests) > 1:
        return None
    taken: dict[str, list[tuple[float, float, str]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            taken[way].append(run(script, way, kept, bytecode))
    return {way: (1e3 * statistics.median(r[0] for r in runs), 1e3 * statistics.median(r[1] for r in runs))
            for way, runs in taken.items()}


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", help="a file for the figures as JSON")
    args = parser.parse_args()
    scripts = sorted((HERE / "scripts").glob("*.py"))
    scripts = [s for s in scripts if not args.scripts or s.stem in args.scripts]
    wrong, found, imports = [], {}, {way: [] for way in WAYS}
    print(f"{'script, ms':16}{'NumPy':>9}{'cold':>9}{'warm':>9}{'cold/NumPy':>12}{'warm/NumPy':>12}")
    with tempfile.TemporaryDirectory() as kept, tempfile.TemporaryDirectory() as bytecode:
        for script in scripts:
            times = measure(script, args.rounds, kept, bytecode)
            if times is None:
                wrong.append(script.stem)
                print(f"{script.stem:16}  other results than NumPy's")
                continue
            plain, cold, warm = (times[way][1] for way in WAYS)
            found[script.stem] = times
            for way in WAYS:
                imports[way].append(times[way][0])
            print(f"{script.stem:16}{plain:9.1f}{cold:9.1f}{warm:9.1f}{cold / plain:12.2f}{warm / plain:12.2f}",
                  flush=True)
    if found:
        means = [statistics.geometric_mean(t[way][1] / t["NumPy"][1] for t in found.values()) for way in WAYS[1:]]
        print(f"{'geometric mean':43}{means[0]:12.2f}{means[1]:12.2f}")
        print(f"{'import':16}" + "".join(f"{statistics.median(imports[way]):9.1f}" for way in WAYS))
    if args.out:
        pathlib.Path(args.out).write_text(json.dumps(found))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
