"""The machine code of kernels. What was compiled once is found in the disk cache by the kernel itself, not by its text,
which need not be written then."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from . import native, routines
from .emit import Text, imports_of
from .fidelity import clears_flags
from .kernel import Kernel
from .twins import loop_of


def compiled(kernel: Kernel, way: str, layouts: str, emit: Callable[[], tuple[Text, Sequence[str]]]) -> dict[str, int]:
    """The addresses of a kernel's functions.

    Parameters
    ----------
    kernel, layouts
        What the text depends on.
    way
        Which text it is: each function that writes one has a name of its own here.
    emit
        Writes the text, and says which functions it has.
    """
    loops = [step.loop[:2] for step in kernel.steps if step.loop is not None and step.name != "per"]
    calls = [(*loop, loop_of(*loop)) for loop in loops]
    known: dict[str, int] = {}
    about: list[Any] = [way, layouts, str(kernel), _written(sources())]
    for ufunc, dtypes, loop in calls:
        if loop is not None:
            known.update(imports_of(loop))
            about.append((loop.symbol, loop.auxdata != 0, clears_flags(ufunc, dtypes)))
    what = repr(about).encode()
    held = native.recall(what)
    if held is None:
        text, exports = emit()
        head = " ".join(exports) + "\n" + " ".join(text.imports) + "\n"
        held = head.encode() + native.compiled(text.text)
        native.remember(what, held)
    functions, names, image = held.split(b"\n", 2)
    imports = {name: known.get(name) or routines.address(name) for name in names.decode().split()}
    return native.linked(image, functions.decode().split(), imports)


@cache
def sources() -> tuple[tuple[str, int, int], ...]:
    """What this library's sources are: texts are written by them."""
    try:
        with os.scandir(os.path.dirname(__file__)) as files:
            found = [(file.name, file.stat()) for file in files if file.name.endswith(".py")]
    except OSError:  # not on a disk: the library's version must do
        return ()
    return tuple(sorted((name, about.st_size, about.st_mtime_ns) for name, about in found))


@cache
def _written(of: tuple[tuple[str, int, int], ...]) -> str:
    return repr(of)
