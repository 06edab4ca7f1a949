"""What a CUDA engine can be built on: questions to CuPy's compiler and to a GPU.

    python perf/gpu/assumptions.py [--only NAME,NAME] [--out FOLDER] [--seconds N]

Prints a summary of each answer, and writes them whole as JSON (`FOLDER/gpu.json`) and as Markdown (`FOLDER/gpu.md`).
Without CuPy it says so and ends with status 0: nothing is measured. Without a GPU it says so, and answers what the
compiler alone can answer. An answer that fails is printed with its error, and the others follow. docs/gpu.md says what
was found, and what follows for lazytensor.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chains  # noqa: E402
import compiled  # noqa: E402
import device  # noqa: E402
import graphs  # noqa: E402
import reductions  # noqa: E402
import semantics  # noqa: E402
import ufuncs  # noqa: E402

Question = tuple[str, Callable[[], dict[str, Any]]]
COMPILING: dict[str, Question] = {
    "flags": ("What do the options make of a product and a sum?", compiled.flags),
    "statements": ("Which routines of CuPy's ufuncs compile as statements?", compiled.statements),
    "signatures": ("Which loops of NumPy's ufuncs has CuPy?", semantics.signatures),
    "formulas": ("Do CuPy's arithmetic routines mean what NumPy's loops mean?", semantics.formulas),
    "fused": ("What is the machine code of fused chains?", compiled.fused),
    "kernels": ("Do the kernels with NumPy's own algorithms compile?", compiled.others),
    "times": ("How long does a kernel take to compile here?", compiled.times),
}
"""These need CuPy, but no GPU."""
QUESTIONS: dict[str, Question] = {
    "launches": ("What does a launch cost, plain and in a graph?", graphs.launches),
    "arguments": ("Can a graph's kernels be given other arrays?", graphs.arguments),
    "bandwidth": ("How fast do bytes move, and what does memory cost?", chains.bandwidth),
    "fusion": ("What has a fused kernel: whose bits, and which time?", chains.fusion),
    "polynomials": ("Can NumPy's own float32 exp and log run there?", ufuncs.polynomials),
    "reductions": ("Can sums have NumPy's order?", reductions.reductions),
    "products": ("What do matrix products give?", reductions.products),
    "streams": ("Are random streams NumPy's?", reductions.streams),
    "corners": ("What becomes of divisions by zero, overflows and casts?", ufuncs.corners),
    "compiling": ("How long does a kernel take to compile?", chains.compiling),
    "routines": ("Do CuPy's routines work as statements, and how far from NumPy are they?", ufuncs.routines),
    "others": ("How fast are other compilers?", chains.others),
    "capture": ("What can be captured in a graph?", graphs.capture),
}
LONGEST = 40
"""Lines of a summary."""


def main() -> int:
    """The exit status: 0, also where there is nothing to measure on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of questions: " + ", ".join(COMPILING | QUESTIONS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--seconds", type=float, default=3600, help="no question is begun after so many")
    options = parser.parse_args()
    missing = device.without_cupy()
    if missing:
        print(f"Nothing measured: {missing}.")
        return 0
    questions = QUESTIONS | COMPILING
    missing = device.without_gpu()
    if missing:
        print(f"Nothing runs: {missing}. What the compiler alone can answer follows.")
        questions = COMPILING
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    names = [name for name in questions if not options.only or name in options.only.split(",")]
    answers: dict[str, Any] = {"machine": device.machine(with_gpu=not missing)}
    print("\n".join(shown("machine", answers["machine"])), flush=True)
    begun = time.perf_counter()
    for name in names:
        if time.perf_counter() - begun > options.seconds:
            print(f"\n## {name}: left out, out of time")
            continue
        question, ask = questions[name]
        start = time.perf_counter()
        try:
            answers[name] = ask()
        except Exception:
            answers[name] = {"error": traceback.format_exc()}
        took = time.perf_counter() - start
        print(f"\n## {question} ({name}, {took:.1f} s)", flush=True)
        print("\n".join(shown(name, answers[name])[:LONGEST]), flush=True)
        _write(options.out, answers)
    return 0


def shown(name: str, answer: Any) -> list[str]:
    """A line an entry, a row a line; the records of each loop are in the files alone."""
    if isinstance(answer, dict) and "error" in answer:
        return str(answer["error"]).splitlines()
    if isinstance(answer, dict) and set(answer) == {"rows"}:
        return [_short(row) for row in answer["rows"]]
    return [f"{key}: {_short(value)}" for key, value in answer.items() if key != "records"]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    return str(value)


def _write(folder: pathlib.Path, answers: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu.json").write_text(json.dumps(answers, indent=1, default=str))
    parts = []
    for name, answer in answers.items():
        title = (COMPILING | QUESTIONS)[name][0] if name in COMPILING | QUESTIONS else name
        parts.append(f"## {title}\n\n" + "\n".join(f"* {line}" for line in shown(name, answer)))
    (folder / "gpu.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    sys.exit(main())
