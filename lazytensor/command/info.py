"""``python -m lazytensor info``: the versions and settings that a report of a problem should state."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from collections.abc import Iterator, Sequence

from lazytensor import hot
from lazytensor.config import settings
from lazytensor.lower import fused, native, twins
from lazytensor.release import VERSION
from lazytensor.run import workers


def version(package: str) -> str:
    """The version of an installed package, or that it is not installed.

    >>> version("no-such-package")
    'not installed'
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def lines() -> Iterator[str]:
    """A line a version, then a line a setting."""
    rows = {name: version(name) for name in ("lazytensor", "numpy", "networkx", "llvmlite")}
    rows = {"python": f"{platform.python_version()} on {platform.system()} {platform.machine()}"} | rows
    rows["lazytensor"] = VERSION
    rows["kernels"] = "compiled by llvmlite" if fused.available() else "none: " + (
        native.why_not() or "not on this machine")
    if fused.available():
        used = twins.in_use()
        ours, others = (", ".join(n for n, yes in used.items() if yes is ours) for ours in (True, False))
        rows["vector loops"] = (ours or "none") + (f" (NumPy's own here: {others})" if others else "")
    rows["hot path"] = "in C" if hot.native is not None else f"in Python: {hot.why_not}"
    kept = native.cache_info()
    why_not = native.why_no_cache()
    rows["cache"] = "plans, in memory; object code of kernels, " + (
        f"not on disk: {why_not}" if why_not else f"{kept['bytes']} bytes on disk")
    rows |= {name: str(value) for name, value in settings().items()}
    used_by_kernels = workers.count() if workers.has_workers() else 1
    rows["threads"] = f"{rows['threads']} (kernels use {used_by_kernels}; BLAS has its own)"
    width = max(map(len, rows)) + 2
    return (f"{name:{width}}{value}" for name, value in rows.items())


def info(words: Sequence[str]) -> int:
    """Print versions and settings; 0."""
    argparse.ArgumentParser(
        prog="python -m lazytensor info",
        description="Prints the versions of what lazytensor stands on, and its settings.",
    ).parse_args(words)
    print(*lines(), sep="\n")
    return 0
