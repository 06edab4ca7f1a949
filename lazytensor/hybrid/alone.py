"""Whether this thread is the only one that runs a program: what a call undoes, others must not have seen.

A notebook's kernel, a debugger or a progress bar has threads of its own, which wait in their own code and touch nothing
of the program's.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType

_NOTEBOOKS = frozenset(("ipykernel", "jupyter_client"))
_WAITING = _NOTEBOOKS | frozenset((
    "IPython", "debugpy", "execnet", "pydevd", "tornado", "tqdm", "traitlets", "xdist", "zmq"))
"""Packages whose threads do not run a program's code, as far as Python's own are all that is below them."""


def alone() -> bool:
    """Whether no other thread runs, or may begin to run, code of the program's."""
    frames = sys._current_frames()
    if len(frames) == 1 and threading.active_count() == 1:
        return True
    me = threading.get_ident()
    return all(thread.ident in frames and not isinstance(thread, threading.Timer)
               for thread in threading.enumerate()) and all(
        _only_waits(frame) for ident, frame in frames.items() if ident != me)


def _only_waits(frame: FrameType | None) -> bool:
    """Whether a stack is of packages that only wait. A loop of events must be a notebook's: another one may call what
    the program gave it."""
    rooms = set()
    while frame is not None:
        rooms.add(str(frame.f_globals.get("__name__", "__main__")).partition(".")[0])
        frame = frame.f_back
    known = all(room in _WAITING or (room in sys.stdlib_module_names and room != "__main__") for room in rooms)
    return known and ("asyncio" not in rooms or not rooms.isdisjoint(_NOTEBOOKS))
