"""`coverage` tells how each public callable of NumPy's runs here: lazily, at once because it must, or at once on NumPy.

The classes are read off what stands for NumPy's functions (`api.laziness`), not kept in a list.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..api.laziness import KINDS, NONE, REAL, How, how
from ..api.namespace import full_name

MODULES = ("", "linalg", "fft", "random", "polynomial", "ma", "char", "strings", "lib.stride_tricks", "testing",
           "exceptions", "dtypes", "emath")
"""The modules under ``numpy`` whose names are listed; the first is NumPy itself."""

ASIDE = ("ma", "char", "strings", "polynomial")
"""Modules that are left out of the share, as reading and writing files is."""


class Coverage(dict[str, How]):
    """Names, such as ``linalg.norm``, and how they run; printed, a table of how many run how."""

    def names(self, kind: str) -> list[str]:
        """The names of one class."""
        return [name for name, found in self.items() if found.kind == kind]

    def share(self) -> float:
        """The share of the callables that run NumPy on realized inputs; see `counted`."""
        kinds = [found.kind for name, found in self.items() if counted(name, found)]
        return kinds.count(REAL) / len(kinds)

    def __str__(self) -> str:
        rows = [["module", *KINDS]]
        for module in MODULES:
            count = Counter(found.kind for name, found in self.items() if module_of(name) == module)
            rows.append([module or "numpy", *[str(count[kind]) for kind in KINDS]])
        rows.append(["all", *[str(len(self.names(kind))) for kind in KINDS]])
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        share = f"{self.share():.1%} run NumPy on realized inputs ({', '.join(ASIDE)} and files aside)"
        return "\n".join([*lines, "", share])


def coverage() -> Coverage:
    """How each public callable of NumPy's runs here.

    Returns
    -------
    Coverage
        A dict from names, such as ``linalg.norm``, to pairs: the class, and the reason if the function has to run when
        it is written. The class is one of 'lazy', 'when written', 'NumPy on realized inputs' and, for what takes no
        array and gives none, 'no array'.

    Examples
    --------
    >>> import lazytensor as np
    >>> np.coverage()["sin"].kind, np.coverage()["linalg.inv"]
    ('lazy', How(kind='when written', why='error', but=''))
    """
    return Coverage({name: how(real, own, name) for name, real, own in callables()})


def callables() -> Iterator[tuple[str, Any, Any]]:
    """(name, NumPy's, ours) of every public callable in `MODULES`, as NumPy lists them."""
    for module in MODULES:
        real, own = room("numpy", module), room(__name__.partition(".")[0], module)
        for name in public(real):
            value = getattr(real, name)
            if callable(value):
                yield full_name(name, f"numpy.{module}" if module else "numpy"), value, getattr(own, name)


def room(package: str, module: str) -> Any:
    """A module of NumPy's or ours, by its name."""
    parts = [package, *({"emath": "lib.scimath"}.get(module, module).split(".") if module else [])]
    return importlib.import_module(".".join(parts))


def public(module: Any) -> list[str]:
    """The names that a module makes public."""
    return list(getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")])


def module_of(name: str) -> str:
    """The module, of `MODULES`, that a name is in."""
    return name.rpartition(".")[0]


def counted(name: str, found: How) -> bool:
    """Whether a callable enters the share: it has to do with arrays, and not with text, masks, polynomials or files."""
    return found.kind != NONE and module_of(name) not in ASIDE and not is_file_function(name)


def is_file_function(name: str) -> bool:
    """Whether a function reads or writes files."""
    function = np.__dict__.get(name)
    code = getattr(getattr(function, "_implementation", function), "__code__", None)
    return name in ("fromfile", "memmap") or code is not None and "npyio" in code.co_filename
