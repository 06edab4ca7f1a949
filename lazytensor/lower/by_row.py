"""The text of kernels of many rows: a function of one row, which a routine that all share calls for each.

So the loop nest around the rows is compiled once, not with every kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .emit import Emitter, Text
from .inline import QUICK
from .kernel import Kernel
from .nest import ROOM

_PAD = 192


def emit_row(kernel: Kernel, layouts: str) -> tuple[Text, tuple[str]]:
    """The module of a kernel that does one row, and its function, whose name says what is kept of a row: ``row8`` for
    8 bytes for each element.

    The function is ``i32 (ptr pointers, ptr block, i64 stop, ptr kept)``, of the arrays' addresses in the row, and
    gives the floating-point flags noted on the way.
    """
    made = _Row(kernel, layouts)
    text = made.module()
    return text, (made.name,)


def kept_of(name: str) -> int:
    """The bytes for each element of a row that the function of this name is to be given."""
    return int(name.removeprefix("row"))


class _Row(Emitter):
    def __init__(self, kernel: Kernel, layouts: str) -> None:
        super().__init__(kernel, layouts, True)
        self.name = "row0"

    def module(self, attributes: str = QUICK) -> Text:
        code = self.code
        self.begin()
        self.row([code.let(f"load ptr, ptr {code.place('ptr', '%data', k)}") for k in range(self.arrays)])
        code.add(f"ret i32 {code.let(f'load i32, ptr {self.flags.noted}') if self.flags.memory else '0'}")
        body = code.function(f"i32 @{self.name}(ptr %data, ptr %block, i64 %stop, ptr %kept)", attributes)
        return Text("\n".join(code.declared) + "\n" + body, self.imports)

    def rooms(self, values: Sequence[int]) -> dict[int, str]:
        """Places one after the other, in what is given: the largest elements first, so that all are aligned."""
        found, whole = {}, 0
        for k, value in enumerate(sorted(values, key=lambda n: -np.dtype(self.chars[n]).itemsize)):
            before = self.code.let(f"mul i64 %stop, {whole}") if whole else "0"
            start = self.code.let(f"add i64 {before}, {_PAD * k}") if k else before
            found[value] = self.code.let(f"getelementptr i8, ptr %kept, i64 {start}") if k else "%kept"
            whole += np.dtype(self.chars[value]).itemsize
        assert _PAD * len(found) <= ROOM
        self.name = f"row{whole}"
        return found

