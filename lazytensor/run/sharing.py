"""How workers share the columns of a kernel that reduces them: what each has, and whether rows are shared afterwards.

The passes that reduce go down all rows, so each worker has columns of its own. The last pass may go on with these,
which is one call and finds in the core's cache what the passes before it read; or all wait for each other and share its
rows. Two cores that write pieces of a few hundred bytes side by side take each other's cache lines, which they ask for
ahead of need: unless all is small, that takes one and a half times as long as sharing rows.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

LINE = 64
"""Bytes of a cache line."""
PIECE = 2048
"""Bytes from which on pieces of a row do not hinder those beside them: half of a page, beyond which no core asks."""
SHORT_PIECE = 512
"""Bytes up to which pieces of a row are not foreseen."""
TILE_COLUMNS = 512
"""Columns that a kernel goes down at a time (`lower.emit.TILE`)."""
_USUAL = 1 << 20


class Sharing(NamedTuple):
    """How columns are shared.

    Attributes
    ----------
    part : int
        The columns of a chunk.
    apart : bool
        Whether the rows of the last pass are shared anew.
    ahead : bool
        Whether memory is to be asked for elements before they are reduced: a core foresees whole rows, but not short
        pieces of them.
    """

    part: int
    apart: bool
    ahead: bool = False


class Sizes(NamedTuple):
    """What a kernel goes over.

    Attributes
    ----------
    rows, columns : int
    read, written : int
        Bytes of an element, of all arrays together that have one for each row and column.
    widest, narrowest : int
        Bytes of the widest element of any array, and of the narrowest of those.
    """

    rows: int
    columns: int
    read: int
    written: int
    widest: int
    narrowest: int


def share(sizes: Sizes, threads: int, separable: bool) -> Sharing:
    """For so many threads; `separable` says whether the last pass can be shared anew."""
    rows, columns = sizes.rows, sizes.columns
    if threads == 1:
        return Sharing(columns, False)
    part = columns_each(columns, LINE // sizes.narrowest, threads)
    room, piece = core_cache(), part * sizes.widest
    # Measured: the longer the pieces, the more may be written side by side, from a quarter of a cache in all.
    beside = piece < PIECE and (
        rows * columns * (sizes.read + sizes.written) * PIECE > room * max(piece, PIECE // 4))
    again = rows * min(part, TILE_COLUMNS) * sizes.read >= room
    uneven = 4 * part * threads > 5 * columns
    ahead = part < columns and piece <= SHORT_PIECE and rows * part * sizes.read >= room
    return Sharing(part, separable and (beside or again or uneven), ahead)


def columns_each(columns: int, lanes: int, threads: int) -> int:
    """The columns of a chunk: whole cache lines, all if another thread would have next to none; and where they are
    many, two chunks for each thread: cores are not equally fast."""
    part = -(-columns // (2 * threads))
    if part >= 64:
        return min(columns, part + -part % (512 if part > 512 else 64))
    part = -(-columns // threads)
    part += -part % lanes
    return columns if 2 * columns < 3 * part else part


@cache
def core_cache() -> int:
    """Bytes of the largest cache that a core does not share, as Linux tells, or a usual size."""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index2/size", encoding="ascii") as file:
            text = file.read().strip()
        return int(text.rstrip("KM")) << {"K": 10, "M": 20}[text[-1]]
    except (OSError, ValueError, LookupError):
        return _USUAL
