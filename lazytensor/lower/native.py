"""LLVM text to machine code: compiled once, kept in a per-user disk cache, linked into the process for ever.

Object code holds no addresses, so it can be kept on disk: what a text declares is given by name when it is linked
(`load(..., imports=)`), or found in the process. LLVM is started (50 ms and more) when there is something to compile.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ..release import VERSION
from . import objects
from .compiler import Compiler, seen, unpacked

METH_FASTCALL = 0x80
METH_O = 0x08
CACHE_LIMIT = 256 << 20
"""Bytes of object code kept on disk; beyond it what was not used for longest is removed."""
MOST_ENTRIES = 1 << 15
"""Files on disk: to look at more would take a process longer than a few compilations."""

_DIGEST = 32
_MAGIC = b"lazytensor code 2\n"

_lock = threading.RLock()
_counts = dict.fromkeys(("hits", "misses", "written", "dropped"), 0)


_IMAGE, _OBJECT = b"I", b"O"
"""What machine code begins with: an image that `objects` knows how to place, or an object for LLVM's linker."""


class _Engine:
    """What makes and places machine code in this process. LLVM is started when there is something to compile; what it
    says of the machine is read from the disk cache where it was started before."""

    def __init__(self) -> None:
        self._compiler: Compiler | None = None
        words = seen()
        self._place = None if words is None else _place_of(words)
        held = None if self._place is None else _found(self._place)
        self.facts = unpacked(held) if held is not None else self.compiler.facts
        flags = self.facts.features.split(",")
        self.features = frozenset(flag[1:] for flag in flags if flag[:1] == "+")
        self.fma = "fma" in self.features
        versions = (self.facts.version, self.facts.binding, np.__version__, VERSION)
        self.stamp = _MAGIC + repr((versions, self.facts.cpu, self.facts.features, self.facts.header)).encode()
        _keep(self)

    @property
    def compiler(self) -> Compiler:
        """LLVM, started when first asked for.

        Raises
        ------
        RuntimeError
            When it does not start.
        """
        if self._compiler is None:
            try:
                self._compiler = Compiler()
            except Exception as error:  # its library may be missing, too old, or not to be loaded
                raise RuntimeError(f"llvmlite cannot be used: {error or type(error).__name__}") from error
            if self._place is not None and _found(self._place) != self._compiler.facts.packed():
                _stored(self._place, self._compiler.facts.packed())
        return self._compiler

    def compile(self, text: str) -> bytes:
        """Machine code of a module; code generation only, no passes before it."""
        found = self.compiler.compile(text)
        image = objects.image_of(found)
        return _OBJECT + found if image is None else _IMAGE + image.packed()

    def link(self, code: bytes, exports: Sequence[str], imports: Mapping[str, int]) -> dict[str, int]:
        """Puts machine code into the process, to stay; the addresses of what it exports."""
        if code.startswith(_IMAGE):
            return objects.place(objects.unpacked(code[1:]), exports, imports)
        return self.compiler.link(code[1:], exports, imports)


_engine: _Engine | None = None
_reason: str | None = None
_compiling = False


def _keep(thing: Any) -> None:
    """Lets something live for ever, beyond the end of the interpreter."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _unsupported() -> str | None:
    """Why this is no place for machine code made from the layouts of CPython's objects; None if it is."""
    if sys.implementation.name != "cpython" or sys.byteorder != "little" or sys.maxsize != 2**63 - 1:
        return "native code needs a 64-bit little-endian CPython"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "native code needs the GIL"
    return None


def _started() -> _Engine:
    """The engine, started at the first call. Call it with the lock held.

    Raises
    ------
    RuntimeError
        When there is none, with the reason.
    """
    global _engine, _reason
    if _engine is None and _reason is None:
        _reason = _unsupported()
        if _reason is None:
            try:
                _engine = _Engine()
            except RuntimeError as error:
                _reason = str(error)
            except Exception as error:  # llvmlite may be absent
                _reason = f"llvmlite cannot be used: {error or type(error).__name__}"
    if _engine is None:
        raise RuntimeError(_reason)
    return _engine


def available() -> bool:
    """Whether machine code can be made here: llvmlite is there and works, on a 64-bit little-endian CPython with a GIL.

    The first call imports llvmlite.
    """
    return why_not() is None


def known() -> bool:
    """Whether LLVM need not be started to know what it says of this machine, nor to find that there is none."""
    with _lock:
        if _engine is not None or _reason is not None:
            return True
        try:
            words = seen()
        except ImportError:
            return True
        return words is not None and _found(_place_of(words)) is not None


def fast_fma() -> bool:
    """Whether the processor multiplies and adds in one instruction, rounding once."""
    return _started().fma


def why_not() -> str | None:
    """Why machine code cannot be made here, in words; None if it can."""
    with _lock:
        try:
            _started()
        except RuntimeError as error:
            return str(error)
    return None


def features() -> frozenset[str]:
    """LLVM's names for what this CPU can do; empty where machine code cannot be made."""
    return _engine.features if why_not() is None and _engine is not None else frozenset()


def load(text: str, exports: Sequence[str], imports: Mapping[str, int] = {}) -> dict[str, int]:  # noqa: B006
    """Machine code of a module of LLVM IR text.

    Parameters
    ----------
    text
        The module, with opaque pointers, without triple and data layout. No optimisation passes run over it.
    exports
        Functions (or data) that it defines and whose addresses are wanted.
    imports
        Addresses, none of them 0, of symbols that it declares. What is not given is looked for in the process:
        Python's C API, libc, libm.

    Returns
    -------
    dict
        The address of each export, good until the process ends. Each call loads a copy with data of its own.

    Raises
    ------
    RuntimeError
        For text that LLVM does not take, a symbol that is found nowhere, or where `available` is False.
    """
    with _working() as engine:
        key = _key(engine, text.encode())
        code = _read(key)
        if code is None:
            code = engine.compile(text)
            _write(key, code)
    return linked(code, exports, imports)


def compiled(text: str) -> bytes:
    """Machine code of a module, to be `linked`; `load` does both, and keeps it."""
    with _working() as engine:
        return engine.compile(text)


def linked(code: bytes, exports: Sequence[str], imports: Mapping[str, int]) -> dict[str, int]:
    """Puts machine code into the process, as `load` does."""
    missing = [name for name, address in imports.items() if not address]
    if missing:
        raise RuntimeError(f"imported symbols with address 0: {', '.join(missing)}")
    with _working() as engine:
        return engine.link(code, exports, imports)


@contextmanager
def _working() -> Iterator[_Engine]:
    """The engine, for one thread at a time."""
    global _compiling
    with _lock:
        engine, before = _started(), _compiling
        _compiling = True
        try:
            yield engine
        finally:
            _compiling = before


def recall(what: bytes) -> bytes | None:
    """What was remembered under these words by a process with the same CPU, NumPy and compiler; None if nothing was."""
    with _lock:
        return _read(_key(_started(), what))


def remember(what: bytes, found: bytes) -> None:
    """Keeps a few bytes in the disk cache, for `recall`."""
    with _lock:
        _write(_key(_started(), what), found)


def _place_of(words: bytes) -> str:
    """Where in the disk cache it is kept what LLVM says of the machine that these words are of."""
    return _digest(_MAGIC + VERSION.encode() + words)


def _key(engine: _Engine, what: bytes) -> str:
    return _digest(engine.stamp + b"\0" + what)


def _digest(what: bytes) -> str:
    import hashlib

    return hashlib.blake2b(what, digest_size=20).hexdigest()


class _MethodDef(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p)]


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi))


def builtin(name: str, address: int, flags: int = METH_FASTCALL) -> Callable[..., Any]:
    """Machine code as a Python builtin, called as directly as ``len``.

    Parameters
    ----------
    name
        Its ``__name__``.
    address
        A C function ``PyObject *f(PyObject *self, PyObject *const *args, Py_ssize_t n)``, called with the GIL held;
        ``self`` is NULL. It returns a new reference, or NULL with an exception set.
    flags
        ``METH_FASTCALL``, or another calling convention of Python's with its own signature.
    """
    definition = _MethodDef(name.encode(), address, flags, None)
    _keep(definition)
    function: Callable[..., Any] = _new_function(ctypes.addressof(definition), None, None)
    return function


# ---- object code on disk: <folder>/<key>, holding a magic line, a digest of key and code, and the code

_room = 0
"""Bytes that may still be written before the folder is measured again."""
_LOOKED, _LOOK_AGAIN = "looked", 3600.0
"""The file that tells when a process last looked at all others, and the seconds for which the next ones believe it."""


def _folder() -> str | None:
    """The cache's folder, made if need be; None if there is to be no cache or it would not be ours alone to write."""
    return _ours(_named_folder())


def why_no_cache() -> str:
    """Why no object code is kept on disk, in words; "" if it is."""
    given = _named_folder()
    if _ours(given) is not None:
        return ""
    return f"{given} cannot be made, is another user's, or may be written to by everybody" if given else (
        "no folder for it is given (LAZYTENSOR_CACHE)")


def _named_folder() -> str:
    given = os.environ.get("LAZYTENSOR_CACHE")
    if given is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        given = os.path.join(home, "lazytensor", "objects") if os.path.isabs(home) else ""
    return given


def _ours(given: str) -> str | None:
    """The folder, made if need be; None if it is none that nobody else may write to."""
    if not given:
        return None
    try:
        try:
            about = os.stat(given)
        except FileNotFoundError:
            os.makedirs(given, mode=0o700, exist_ok=True)
            about = os.stat(given)
    except OSError:
        return None
    ours = not hasattr(os, "getuid") or (about.st_uid == os.getuid() and not about.st_mode & stat.S_IWOTH)
    return given if ours and stat.S_ISDIR(about.st_mode) else None


def _sealed(key: str, image: bytes) -> bytes:
    import hashlib

    return hashlib.blake2b(key.encode() + image, digest_size=_DIGEST).digest()


def _read(key: str) -> bytes | None:
    found = _found(key)
    _counts["misses" if found is None else "hits"] += 1
    return found


def _found(key: str) -> bytes | None:
    folder = _folder()
    if folder is None:
        return None
    path = os.path.join(folder, key)
    try:
        with open(path, "rb", buffering=0) as file:
            held = file.read()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    image = held[start:]
    if not held.startswith(_MAGIC) or held[len(_MAGIC):start] != _sealed(key, image):
        with suppress(OSError):
            os.unlink(path)
        _counts["dropped"] += 1
        return None
    with suppress(OSError):
        os.utime(path)  # so that the least recently used can be told
    return image


def _write(key: str, image: bytes) -> None:
    _counts["written"] += _stored(key, image)


def _stored(key: str, image: bytes) -> bool:
    """Keeps what is to be found under a key; False where that is not possible."""
    global _room
    folder = _folder()
    if folder is None:
        return False
    held = _MAGIC + _sealed(key, image) + image
    if len(held) > _room:
        _room = _room_left(folder, len(held))
    if len(held) > CACHE_LIMIT:
        return False
    path = os.path.join(folder, key)
    temporary = f"{path}.{os.getpid()}.{time.monotonic_ns():x}.new"
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            whole = os.write(file, held) == len(held)
        finally:
            os.close(file)
        if not whole:
            raise OSError("the disk is full")
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        return False
    _room -= len(held)
    return True


def _entries(folder: str) -> Iterator[tuple[float, int, str]]:
    """Time of last use, bytes and path of each file that is ours."""
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            name = file.name
            if len(name.partition(".")[0]) == 40 and (len(name) == 40 or name.endswith(".new")):
                with suppress(OSError):
                    about = file.stat(follow_symlinks=False)
                    yield about.st_mtime, about.st_size, file.path


def _room_left(folder: str, wanted: int) -> int:
    """How many bytes may be written before it is time to look at the files, which is done now unless this process has
    not yet and another one has lately."""
    stamp = os.path.join(folder, _LOOKED)
    if not _counts["written"] and wanted <= CACHE_LIMIT // 16:
        with suppress(OSError):
            if 0 <= time.time() - os.stat(stamp).st_mtime < _LOOK_AGAIN:
                return CACHE_LIMIT // 16
    room = _trim(folder, CACHE_LIMIT - wanted)
    with suppress(OSError):
        os.close(os.open(stamp, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
        os.utime(stamp)
    return room


def _trim(folder: str, limit: int) -> int:
    """Removes the least recently used until there are `limit` bytes at most, and what a killed process left half
    written; returns how many bytes may be written before it is time to look again."""
    entries = sorted(_entries(folder))
    total, count = sum(size for _, size, _ in entries), len(entries)
    old = time.time() - 3600
    goal = limit if total <= limit else limit * 7 // 8
    most = MOST_ENTRIES if count <= MOST_ENTRIES else MOST_ENTRIES * 7 // 8
    for used, size, path in entries:
        half_written = path.endswith(".new")
        if (not half_written and (total > goal or count > most)) or (half_written and used < old):
            with suppress(OSError):
                os.unlink(path)
            total, count = total - size, count - 1
    return max(0, min(limit - total, CACHE_LIMIT // 16))


def cache_info() -> dict[str, int]:
    """Counts of this process (hits, misses, written, dropped as damaged) and the bytes that all have on disk."""
    with _lock:
        folder = _folder()
        held = sum(size for _, size, _ in _entries(folder)) if folder is not None else 0
        return {**_counts, "bytes": held}


def clear_disk_cache() -> None:
    """Removes every object of the disk cache. What is loaded stays loaded, here and in other processes."""
    global _room
    with _lock:
        folder = _folder()
        if folder is not None:
            for path in [*[path for _, _, path in _entries(folder)], os.path.join(folder, _LOOKED)]:
                with suppress(OSError):
                    os.unlink(path)
        _room = 0


# ---- fork

def _before_fork() -> None:
    """Lets a compilation in another thread end. Nothing is held over the fork: other handlers may wait for runs."""
    if _compiling and _lock.acquire(timeout=5):
        _lock.release()


def _after_fork_in_child() -> None:
    """A child that was forked in the middle of a compilation goes without: LLVM's own locks are held for ever there."""
    global _lock, _engine, _reason, _compiling
    _lock = threading.RLock()
    if _compiling:
        _engine, _reason, _compiling = None, "the process was forked while another thread compiled", False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
