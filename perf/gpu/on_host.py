"""Kernels of CUDA C++ as functions of this process: their arithmetic can be tested where there is no GPU."""

from __future__ import annotations

import ctypes
import pathlib
import shutil
import subprocess
from typing import Any

import numpy

HEADER = pathlib.Path(__file__).resolve().parent / "on_host.h"


class Unable(Exception):
    """There is no compiler, or one that does not know what is needed."""


def library(folder: pathlib.Path, source: str, launches: str) -> ctypes.CDLL:
    """`launches` are functions that launch the kernels of `source`. Each operation is rounded alone (--fmad=false)."""
    compiler = shutil.which("g++")
    if compiler is None:
        raise Unable("needs g++")
    (folder / "kernels.cpp").write_text(f'#include "{HEADER}"\n{source}\n{launches}')
    flags = ["-std=c++20", "-O1", "-mfma", "-ffp-contract=off", "-fwrapv", "-shared", "-fPIC", "-pthread", "-w"]
    command = [compiler, *flags, "kernels.cpp", "-o", "kernels.so"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if "unrecognized" in done.stderr:
        raise Unable("needs a newer g++, on x86-64")
    if done.returncode:
        raise RuntimeError(done.stderr)
    return ctypes.CDLL(str(folder / "kernels.so"))


def address(array: numpy.ndarray[Any, Any]) -> ctypes.c_void_p:
    """Of its first element."""
    return ctypes.c_void_p(array.ctypes.data)
