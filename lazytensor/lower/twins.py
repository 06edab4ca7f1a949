"""Vector loops in the place of NumPy's that go element by element, with the same bits and flags.

NumPy calls the C library for each element of some loops (`sin` and `cos` of float64 among them). A twin is a loop of
the same signature that computes the same on vectors, written after what one such library does. Whether the library of
this process is of that kind is not looked up but found out: at first use a twin is compared with NumPy's own loop
(`differences`), which takes some 50 ms and is remembered in the disk cache for as long as libraries and CPU are the
same; in each process a few thousand values are compared again. A twin that differs anywhere is not used, and NumPy's
loop is.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..ir.errstate import capsule_of, silently, under
from . import exponential, fidelity, hypotenuse, native, pair_loops, quotients, trig
from .draws import Draws
from .lanes import Function, loop_text
from .loops import Loop, strided_loop
from .pair_loops import PairFunction

_Array = np.ndarray[Any, Any]
_Points = Callable[[Draws, int], Iterator[tuple[_Array, ...]]]


class Twin(NamedTuple):
    """The function of a loop on vectors; the C library's function that NumPy's loop calls, or ""; and operands to
    compare with: `points` of random draws and a number gives some arrays with about that many elements each."""

    function: Function | PairFunction
    calls: str
    points: _Points


TWINS: dict[tuple[str, str], Twin] = {
    ("sin", "d"): Twin(Function("d", 1, trig.outside, trig.sine, trig.data), "sin", trig.points),
    ("cos", "d"): Twin(Function("d", 1, trig.outside, trig.cosine, trig.data), "cos", trig.points),
    ("exp", "f"): Twin(Function("f", 1, exponential.exp_outside, exponential.exp), "", exponential.exp_points),
    ("log", "f"): Twin(Function("f", 1, exponential.log_outside, exponential.log), "", exponential.log_points),
    **{(name, char): Twin(Function(char, 2, quotients.outside, value), "fmod", partial(quotients.points, char))
       for name, value in (("fmod", quotients.fmod), ("remainder", quotients.remainder),
                           ("floor_divide", quotients.floor_divide)) for char in "fd"},
    **{("hypot", char): Twin(Function(char, 2, hypotenuse.outside, hypotenuse.hypot), "hypot",
                             partial(hypotenuse.points, char)) for char in "fd"},
    ("absolute", "D"): Twin(pair_loops.SIZE, "", partial(pair_loops.size_points, "D")),
    **{("divide", char): Twin(function, "", partial(pair_loops.quotient_points, char))
       for char, function in pair_loops.QUOTIENTS.items()},
}
"""By the ufunc's name and the dtype character of operands."""

MANY, FEW = 1 << 16, 1 << 9
"""How many values of each range are compared before a twin is believed, and in each process again."""

_loops: dict[Loop, Loop] = {}
_lock = threading.RLock()


def loop_of(ufunc: Any, dtypes: Sequence[Any]) -> Loop | None:
    """`loops.strided_loop`, with the address of the loop's twin where there is one with the same bits and flags.

    The first call for a loop that has a twin compiles and certifies it.
    """
    loop = strided_loop(ufunc, dtypes)
    twin = twin_of(ufunc, dtypes)
    if loop is None or twin is None:
        return loop
    with _lock:
        if loop not in _loops:
            _loops[loop] = _certified(ufunc, twin, loop) or loop
        return _loops[loop]


def twin_of(ufunc: Any, dtypes: Sequence[Any]) -> Twin | None:
    """The twin of a loop, certified or not."""
    chars = "".join([np.dtype(dtype).char for dtype in dtypes])
    twin = TWINS.get((ufunc.__name__, chars[0]))
    return twin if twin is not None and getattr(np, ufunc.__name__, None) is ufunc and (
        dtypes_of(ufunc, twin) == chars) else None


def _certified(ufunc: Any, twin: Twin, loop: Loop) -> Loop | None:
    """The twin, compiled, if it has proved to be one."""
    if loop.needs_gil or not native.available() or not fidelity.certified(ufunc, dtypes_of(ufunc, twin), False):
        return None
    if isinstance(twin.function, PairFunction) and not pair_loops.suits(twin.function):
        return None
    try:
        text = text_of(twin)
        made = compiled(text, loop)
        what = repr((text, identity(twin.calls))).encode()
        said = native.recall(what)
        if said is None:
            said = b"no" if differences(ufunc, twin, made, MANY) else b"yes"
            native.remember(what, said)
        return made if said == b"yes" and not differences(ufunc, twin, made, FEW) else None
    except (RuntimeError, OSError):
        return None


def compiled(text: str, loop: Loop) -> Loop:
    """A loop of this text beside a loop of NumPy's, with what it does not do itself left to that."""
    return loop._replace(loop=native.load(text, ["loop"], {"other": loop.loop})["loop"])


def text_of(twin: Twin) -> str:
    """The module of its loop."""
    return pair_loops.loop_text(twin.function) if isinstance(twin.function, PairFunction) else loop_text(twin.function)


def dtypes_of(ufunc: Any, twin: Twin) -> str:
    """The characters of the dtypes of its operands and result."""
    if isinstance(twin.function, PairFunction):
        return twin.function.dtypes()
    return twin.function.char * int(ufunc.nargs)


class _Place(ctypes.Structure):
    """What the C library's dladdr tells about an address."""

    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p),
                ("address", ctypes.c_void_p)]


def identity(function: str) -> Any:
    """What a certificate holds for: NumPy's own library, the loops that it chose for this CPU, and the library that has
    the C function that they call, with the function's place in it (there are several, for several CPUs)."""
    umath = sys.modules["numpy._core._multiarray_umath"]
    marks: list[Any] = [_file(str(umath.__file__)), sorted(k for k, on in umath.__cpu_features__.items() if on),
                        [os.environ.get(name) for name in ("LD_PRELOAD", "GLIBC_TUNABLES")]]
    try:
        called = ctypes.cast(getattr(ctypes.CDLL(umath.__file__), function), ctypes.c_void_p).value or 0
        place = _Place()
        if ctypes.CDLL(None).dladdr(ctypes.c_void_p(called), ctypes.byref(place)):
            marks += [_file(os.fsdecode(place.file)), called - place.base]
    except (AttributeError, OSError, TypeError):
        pass  # not to be found by name here: what is compared in each process must do
    return marks


def _file(path: str) -> tuple[str, int, int]:
    about = os.stat(path)
    return path, about.st_size, about.st_mtime_ns


def in_use() -> dict[str, bool]:
    """By the names of loops that have twins, as ``sin d``: whether the twin is used here. Certifies those that were not
    met before."""
    found = {}
    for (name, char), twin in TWINS.items():
        ufunc = getattr(np, name)
        dtypes = dtypes_of(ufunc, twin)
        found[f"{name} {char}"] = loop_of(ufunc, dtypes) != strided_loop(ufunc, dtypes)
    return found


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


# ---- the comparison

_LENGTHS = (1, 2, 9, 19, 300)


def differences(ufunc: Any, twin: Twin, made: Loop, count: int, seed: int = 0) -> list[str]:
    """What a twin does otherwise than NumPy's call, in bits and flags; the first for each of its `points`.

    Parameters
    ----------
    ufunc, twin, made
        The twin of the ufunc's loop, and it compiled.
    count
        How many values there are to be of each range.
    seed
        For the random ones.
    """
    raised = fidelity.raised()
    try:
        points = iter(twin.points(Draws(seed), count))
        wrong: list[str] = []
        while (operands := silently(next, points, None)) is not None:  # no error state of the program's hears of them
            wrong += _compare(ufunc, made, operands)
        dtypes = dtypes_of(ufunc, twin)
        for scalar in (None, 0, 1) if ufunc.nin == 2 else (None,):
            if count >= MANY:
                wrong += fidelity.certify(ufunc, dtypes, seed, _LENGTHS, scalar, (), made)
        return wrong
    finally:
        fidelity.clear()
        fidelity.raise_again(raised)


def _compare(ufunc: Any, made: Loop, operands: tuple[_Array, ...]) -> Iterator[str]:
    """Of one call with these operands, which are contiguous."""
    seen: set[str] = set()
    wanted = under(capsule_of(all="call", call=lambda error, _flags: seen.add(error)), ufunc, *operands)
    out = np.empty_like(wanted)
    arrays = (*operands, out)
    fidelity.clear()
    made.call([a.ctypes.data for a in arrays], [len(out)], [a.itemsize for a in arrays])
    left = fidelity.raised()
    k = fidelity.first_difference(out, wanted)
    if k is not None:
        yield f"{ufunc.__name__}({', '.join(repr(a[k]) for a in operands)}) is {out[k]!r} instead of {wanted[k]!r}"
    if left != fidelity.flags_of(seen):
        yield f"{ufunc.__name__}({', '.join(map(repr, operands))}) raises {left} instead of {sorted(seen)}"
