"""Memory: buffers that are reused instead of returned to the system, and the question who else holds a buffer.

Fresh pages cost as much as arithmetic, so memory of freed arrays is kept. The pool holds a reference to each block that
it ever gave out; a block that nobody else refers to is free. Nothing has to be given back, and what a view, a
memoryview or another library still holds is never handed out twice.
"""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import suppress
from math import prod
from sys import getrefcount
from typing import Any

import numpy as np

from ..config import current, on_change
from ..hot import learn, native

SMALL = 1 << 18
"""Below this many bytes the system's allocator is quick enough."""
LINED = 1 << 14
"""Arrays of that many bytes begin at a cache line, large ones at a large page, if the extension is there."""

_blocks: dict[int, list[np.ndarray[Any, Any]]] = {}
_ids: set[int] = set()
_lock = threading.RLock()
_busy = [False]
"""Whether somebody is in the pool."""
learn(pool_ids=_ids, pool_blocks=_blocks, pool_busy=_busy)
_counts = {"made": 0, "reused": 0, "held": 0}
_bytes, _ndarray, _empty = np.dtype(np.uint8), np.ndarray, np.empty


def _probe() -> tuple[int, int]:
    """The reference counts of an object held by one list alone, and by one list and an array's `base`."""
    held = [_empty(8, np.uint8)]
    alone = getrefcount(held[0])
    view = _ndarray((8,), _bytes, held[0])
    return alone, alone + int(view.base is held[0])


_FREE, _ONE_ARRAY = _probe()


def _take(size: int) -> Any:
    """A free block of at least that many bytes, or a new one. Sizes go up in steps of an eighth at most."""
    step = 1 << size.bit_length() - 4
    size = -(-size // step) * step
    with _lock:
        if _busy[0]:  # asked from within: by a finalizer that the garbage collector called, or a signal's handler
            return _empty(size, _bytes)
        _busy[0] = True
        try:
            block = _found(size)
            return _made(size) if block is None else block
        finally:
            _busy[0] = False


def _found(size: int) -> Any:
    """A free block of that size, or of up to half as much again: what shrinks from one time to the next (what a mask
    picks) is put where its forerunner was, in the cache."""
    for near in (size, *sorted([s for s in _blocks if size < s <= size + size // 2])):
        blocks = _blocks.get(near, ())
        for i in range(len(blocks)):
            if getrefcount(blocks[i]) == _FREE:
                _counts["reused"] += 1
                return blocks[i]
    return None


def _fresh(size: int) -> Any:
    return native.aligned((size,), _bytes) if native is not None else _empty(size, _bytes)


def _made(size: int) -> Any:
    _make_room(size)
    try:
        block = _fresh(size)
    except MemoryError:  # what is free here may be what is missing
        _drop_free(0)
        block = _fresh(size)
    if size > current.pool:  # never to be kept
        return block
    _blocks.setdefault(size, []).append(block)
    _ids.add(id(block))
    _counts["made"] += 1
    _counts["held"] += size
    return block


def _drop_free(keep: int) -> None:
    """Drops free blocks, oldest size first, until at most `keep` bytes of them are left. Under the lock."""
    free = sum(size for size, blocks in _blocks.items() for i in range(len(blocks)) if getrefcount(blocks[i]) == _FREE)
    for size in list(_blocks):
        if free <= keep:
            return
        blocks = _blocks[size]
        for i in reversed(range(len(blocks))):
            if free > keep and getrefcount(blocks[i]) == _FREE:
                _ids.discard(id(blocks[i]))
                del blocks[i]
                free -= size
                _counts["held"] -= size
        if not blocks:
            del _blocks[size]


def _make_room(size: int) -> None:
    if _counts["held"] + size > current.pool:
        _drop_free(max(0, current.pool - size))
    elif len(_blocks) > 32 and size not in _blocks:
        _drop_free(0)


def _keep(size: int) -> None:
    """Drops free blocks until at most `size` bytes of them are left."""
    with _lock:
        if not _busy[0]:
            _busy[0] = True
            try:
                _drop_free(size)
            finally:
                _busy[0] = False


def trim() -> None:
    """Gives the memory of all free buffers back to the system, and what the C library keeps of freed arrays.

    Examples
    --------
    >>> import lazytensor as lt
    >>> lt.trim()
    """
    _keep(0)
    with suppress(AttributeError, OSError, TypeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)


on_change["pool"] = _keep


def _teach_allocator() -> None:
    """Has glibc keep the memory of freed arrays of up to 32 MB, some 64 MB in all.

    What NumPy's own calls give is not from the pool. By the rules with which glibc begins, it goes back to the system
    when it is freed, and the next array takes page faults again, until one that large has been freed once: so one is,
    which nobody has touched. Other allocators take no notice.
    """
    with suppress(MemoryError):
        _empty((32 << 20) - (1 << 13), _bytes)


_teach_allocator()


def info() -> dict[str, int]:
    """Counts of buffers made and reused, and bytes held (in use and free)."""
    return {**_counts, "reused": _counts["reused"] + (0 if native is None else native.reused())}


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...] | None = None) -> Any:
    """An uninitialised array with those strides in bytes (None: C order), from the pool if it is large."""
    size = prod(shape) * dtype.itemsize
    if size < SMALL or dtype.hasobject:  # memory for objects must be cleared first
        if strides is not None:
            return _ndarray(shape, dtype, None, 0, strides)
        return lined(shape, dtype) if size >= LINED else _empty(shape, dtype)
    try:
        block = _take(size)
    except MemoryError:
        return _ndarray(shape, dtype, None, 0, strides)  # NumPy's error, which names shape and dtype
    return _ndarray(shape, dtype, block, 0, strides)


def lined(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An uninitialised array in C order of its own, not the pool's, that begins at a cache line if that can be had."""
    return _empty(shape, dtype) if native is None or dtype.hasobject else native.aligned(shape, dtype)


def empty_like(array: np.ndarray[Any, Any]) -> Any:
    """An uninitialised array of the same shape and dtype, its axes in the same order in memory."""
    if array.nbytes < SMALL or array.dtype.hasobject:
        return np.empty_like(array)
    if array.flags.c_contiguous:
        return empty(array.shape, array.dtype)
    return empty(array.shape, array.dtype, array.strides) if is_dense(array) else np.empty_like(array)


def is_dense(array: np.ndarray[Any, Any]) -> bool:
    """Whether the elements fill their memory without gaps, in some order of axes."""
    step = array.itemsize
    for stride, length in sorted((s, n) for s, n in zip(array.strides, array.shape, strict=True) if n != 1):
        if stride != step:
            return False
        step *= length
    return True


def sole(array: Any, references: int) -> bool:
    """Whether nobody but the caller uses the memory of `array`.

    `references` is how many references to `array` itself the caller knows of, as `sys.getrefcount` counts them inside
    this function (the argument and the local name included).
    """
    base = array.base
    if base is None:
        return getrefcount(array) == references
    if type(base) is not _ndarray or getrefcount(array) != references:
        return False
    # Its base is held by the array, the local name and the call; by the pool's list too if it is a block of the pool.
    return getrefcount(base) == (4 if id(base) in _ids else 3) and base.base is None


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()
    _busy[0] = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def is_block(array: Any) -> bool:
    """Whether an array is one of the pool's blocks."""
    return id(array) in _ids


if native is not None:
    learn(pool_empty=empty)
    empty = native.empty
