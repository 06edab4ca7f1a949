"""One script twice, each time in a fresh process: served by lazytensor, and on NumPy; what each cost, what differs.

*The same* means value, sign of zero and NaN-ness of every element, dtype, shape and memory layout. A NaN's own sign and
payload are left out, because NumPy is not consistent with itself there. Standard error is passed through and not
compared.
"""

from __future__ import annotations

import collections
import itertools
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

# Elements compared at a time: the arrays stay in their files, and temporaries stay small.
CHUNK = 1 << 20
NAMES = ("lazytensor", "NumPy")
# The values that the verdict names of those that were not compared.
NAMED = 5


@dataclass(frozen=True)
class Outcome:
    """How one run ended: its exit status, its folder, and its record, None where the process was cut short."""

    status: int
    folder: pathlib.Path
    record: dict[str, Any] | None


def same_bits(one: Any, other: Any) -> Any:
    """Elementwise, for arrays of one shape and dtype: the same value, sign of zero and NaN-ness.

    >>> same_bits(numpy.array([0.0, 1.0, numpy.nan]), numpy.array([-0.0, 1.0, numpy.nan]))
    array([False,  True,  True])
    """
    if one.dtype.names:
        fields = [same_bits(one[name], other[name]) for name in one.dtype.names]
        # A field that is itself an array adds dimensions to those of the records.
        return numpy.logical_and.reduce([f.all(axis=tuple(range(one.ndim, f.ndim))) for f in fields])
    if one.dtype.kind == "c":
        return same_bits(one.real, other.real) & same_bits(one.imag, other.imag)
    if one.dtype.kind == "f":
        exact = (one == other) & (numpy.signbit(one) == numpy.signbit(other))
        return exact | (numpy.isnan(one) & numpy.isnan(other))
    if one.dtype.kind in "mM":
        return one.astype("i8") == other.astype("i8")
    return numpy.asarray(one == other)


def first_index(one: Any, other: Any) -> tuple[int, ...] | None:
    """The index of the first element that is not the same, for arrays of one shape and dtype; None if all are.

    >>> first_index(numpy.array([[1, 2], [3, 4]]), numpy.array([[1, 2], [0, 4]]))
    (1, 0)
    """
    if one.ndim == 0:
        return None if bool(same_bits(one, other)) else ()
    step = max(1, CHUNK // max(1, one[:1].size))
    for start in range(0, len(one), step):
        bad = ~same_bits(one[start : start + step], other[start : start + step])
        if bad.any():
            first = numpy.argwhere(bad)[0].tolist()
            return (start + first[0], *first[1:])
    return None


def _same_plain(one: Any, other: Any) -> bool:
    if isinstance(one, (float, complex)):
        return bool(same_bits(numpy.array(one), numpy.array(other)))
    return bool(one == other) or repr(one) == repr(other)  # a Decimal may be a NaN


def _data(outcome: Outcome, about: dict[str, Any]) -> Any:
    return numpy.load(outcome.folder / about["file"], mmap_mode="r" if about["shape"] else None)


def _leaf_difference(path: str, lazy: tuple[Outcome, str, Any], plain: tuple[Outcome, str, Any]) -> str | None:
    """What differs between the two values reached by the expression ``path``; None if nothing does."""
    (one, kind, mine), (other, kind2, theirs) = lazy, plain
    if kind != kind2:
        return f"{path} is of kind {kind} with lazytensor, {kind2} with NumPy"
    if kind == "skipped":
        return None
    if kind not in ("array", "scalar"):
        if type(mine) is type(theirs) and _same_plain(mine, theirs):
            return None
        return f"{path}: {mine!r} with lazytensor, {theirs!r} with NumPy"
    for what in ("type", "dtype", "shape", "strides"):
        if mine.get(what) != theirs.get(what):
            place = f"type({path})" if what == "type" else f"{path}.{what}"
            return f"{place}: {mine[what]} with lazytensor, {theirs[what]} with NumPy"
    if mine["file"] is None:
        return None
    first, second = _data(one, mine), _data(other, theirs)
    index = first_index(first, second)
    if index is None:
        return None
    place = f"{path}[{', '.join(map(str, index))}]" if index else path
    return f"{place}: {first[index]!r} with lazytensor, {second[index]!r} with NumPy"


def value_differences(lazy: Outcome, plain: Outcome) -> Iterator[str]:
    """What differs between the values that the two runs left in the script's globals, in their order."""
    if lazy.record is None or plain.record is None:
        return
    mine = {path: (lazy, kind, value) for path, kind, value in lazy.record["values"]}
    theirs = {path: (plain, kind, value) for path, kind, value in plain.record["values"]}
    for path in [*theirs, *(path for path in mine if path not in theirs)]:
        if path not in mine or path not in theirs:
            yield f"{path} is left by the {NAMES[path in theirs]} run alone"
            continue
        found = _leaf_difference(path, mine[path], theirs[path])
        if found is not None:
            yield found


def _ending(outcome: Outcome) -> str:
    """How the run ended, in words."""
    if outcome.record is None:
        return f"exit status {outcome.status}, without reaching the end of the script"
    failed = outcome.record["failure"]
    if failed is None:
        return f"exit status {outcome.status}"
    where = f" at line {failed['line']}" if failed["line"] else ""
    return f"{failed['type'].removeprefix('builtins.')}{where}"


def _printed_difference(lazy: Outcome, plain: Outcome) -> str | None:
    """The first line that the two runs printed differently."""
    with open(lazy.folder / "printed", "rb") as mine, open(plain.folder / "printed", "rb") as theirs:
        for number, (one, other) in enumerate(itertools.zip_longest(mine, theirs), 1):
            if one != other:
                shown = [text and text.decode(errors="replace").rstrip("\n") for text in (one, other)]
                words = [f"{text!r} with {name}" if text is not None else f"nothing with {name}"
                         for text, name in zip(shown, NAMES)]
                return f"printed line {number}: {', '.join(words)}"
    return None


def differences(lazy: Outcome, plain: Outcome) -> Iterator[str]:
    """Everything that differs between the two runs: how they ended, what they printed, what they left."""
    if _ending(lazy) != _ending(plain):
        message = f"the script ended with {_ending(lazy)} with lazytensor, with {_ending(plain)} with NumPy"
        failed = (lazy.record or {}).get("failure")
        yield f"{message} (lazytensor's says: {failed['message']})" if failed else message
    printed = _printed_difference(lazy, plain)
    if printed is not None:
        yield printed
    yield from value_differences(lazy, plain)


def _environment() -> dict[str, str]:
    # Sets of text print in the order of their hashes, which are drawn anew for each process unless fixed.
    return {"PYTHONHASHSEED": "0"} | os.environ


def _command(job: pathlib.Path) -> list[str]:
    flags = [f"-W{option}" for option in sys.warnoptions] + ["-O"] * sys.flags.optimize
    flags += ["-P"] if sys.flags.safe_path else []
    return [sys.executable, *flags, str(pathlib.Path(__file__).with_name("child.py")), str(job)]


def measure(script: str, arguments: Sequence[str], lazy: bool, explain: bool, folder: pathlib.Path) -> Outcome:
    """Run the script in a fresh process; what the lazy run prints is shown as it comes."""
    folder.mkdir()
    job = folder / "job"
    about = {"script": script, "arguments": list(arguments), "lazy": lazy, "explain": explain and lazy}
    job.write_bytes(pickle.dumps({**about, "folder": str(folder), "started": time.monotonic()}))
    with (
        open(folder / "printed", "wb") as printed,
        subprocess.Popen(
            _command(job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=_environment(), bufsize=0
        ) as process,
    ):
        assert process.stdout is not None
        sys.stdout.flush()
        while some := process.stdout.read(1 << 16):
            printed.write(some)
            if lazy:
                sys.stdout.buffer.write(some)
                sys.stdout.flush()
    record = folder / "record"
    return Outcome(process.returncode, folder, pickle.loads(record.read_bytes()) if record.exists() else None)


def _table(lazy: Outcome, plain: Outcome) -> Iterator[str]:
    """What each run cost and left, a row a quantity."""
    yield f"{'':14}{NAMES[0]:>14}{NAMES[1]:>14}"
    if lazy.record is None or plain.record is None:
        return
    mine, theirs = lazy.record, plain.record
    yield f"{'wall time':14}{mine['seconds']:>12.2f} s{theirs['seconds']:>12.2f} s"
    yield f"{'peak memory':14}{mine['peak'] / 2**20:>10.1f} MiB{theirs['peak'] / 2**20:>10.1f} MiB"
    kinds = [collections.Counter(kind for _, kind, _ in record["values"]) for record in (mine, theirs)]
    for title, kind in (("arrays", "array"), ("NumPy scalars", "scalar"), ("plain values", "plain")):
        yield f"{title:14}{kinds[0][kind]:>14}{kinds[1][kind]:>14}"


def _left_out(lazy: Outcome, plain: Outcome) -> str:
    """What was not compared, in words."""
    left = []
    if lazy.record is not None and plain.record is not None:
        skipped = [f"{path} ({value})" for path, kind, value in plain.record["values"] if kind == "skipped"]
        left += skipped[:NAMED] + ([f"{len(skipped) - NAMED} other values"] if len(skipped) > NAMED else [])
        said = [record["failure"] and record["failure"]["message"] for record in (lazy.record, plain.record)]
        if said[0] != said[1]:
            left.append(f"the message of the exception ({said[0]!r} with lazytensor, {said[1]!r} with NumPy)")
    return ", ".join([*left, "what went to standard error", "files", "functions and classes"])


def compare(script: str, arguments: Sequence[str], explain: bool) -> int:
    """Run the script both ways and print what each cost and whether anything differs: 0 if nothing does, else 1."""
    with tempfile.TemporaryDirectory(prefix="lazytensor-compare-") as folder:
        lazy, plain = (
            measure(script, arguments, name == NAMES[0], explain, pathlib.Path(folder) / name) for name in NAMES
        )
        print("", *_table(lazy, plain), sep="\n")
        if lazy.record and lazy.record["report"]:
            print("", lazy.record["report"], sep="\n")
        found = next(differences(lazy, plain), None)
    if found is None:
        print(f"\nThe same bit for bit: what was printed, the values left in globals, and the end ({_ending(plain)}).")
        print(f"Not compared: {_left_out(lazy, plain)}.")
        return 0
    print(f"\nDIFFERENT: {found}")
    print("That is the first difference. Clocks and draws without a seed differ from run to run on their own.")
    return 1
