"""LLVM text to machine code: compiled once, kept in a per-user disk cache, linked into the process for ever.

Object code holds no addresses, so it can be kept on disk: what a text declares is given by name when it is linked
(`load(..., imports=)`), or found in the process. llvmlite is imported when first needed (110 ms).
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
from functools import partial
from typing import Any

import numpy as np

from ..release import VERSION
from . import objects
from .counters import hidden

METH_FASTCALL = 0x80
METH_O = 0x08
CACHE_LIMIT = 256 << 20
"""Bytes of object code kept on disk; beyond it what was not used for longest is removed."""

_DIGEST = 32
_MAGIC = b"lazytensor code 2\n"

_TRIED = (20,), (23,)
"""From which LLVM on, and before which, `_registers_allocated_well` has been tried."""
_MARK = "_lazytensor_allocates_registers_well"

_lock = threading.RLock()
_counts = dict.fromkeys(("hits", "misses", "written", "dropped"), 0)


_IMAGE, _OBJECT = b"I", b"O"
"""What machine code begins with: an image that `objects` knows how to place, or an object for LLVM's linker."""


class _Engine:
    """LLVM for this process: a target machine, a linker if it is needed, and what the cache's keys depend on besides
    the text."""

    def __init__(self) -> None:
        import llvmlite
        import llvmlite.binding as llvm

        if llvm.llvm_version_info < (15,):
            raise RuntimeError("opaque pointers need LLVM 15")
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple()
        self.features = frozenset(name for name, there in llvm.get_host_cpu_features().items() if there)
        near = {"reloc": "pic", "codemodel": "small"} if objects.known(target.triple) else {}
        self.new_machine = partial(target.create_target_machine, cpu=cpu, features=features, opt=2, jit=True, **near)
        self.machine = self.new_machine()
        self.quick_machine = self.new_machine(opt=0) if _registers_allocated_well(llvm) else self.machine
        self.context = llvm.create_context()
        self.jit: Any = None
        self.fma = "+fma" in features.split(",")
        self.header = f'target triple = "{target.triple}" target datalayout = "{self.machine.target_data}" '
        self.libraries = 0
        versions = (llvm.llvm_version_info, llvmlite.__version__, np.__version__, VERSION)
        self.stamp = _MAGIC + repr((versions, cpu, features, self.header)).encode()
        _keep(self)

    def compile(self, text: str) -> bytes:
        """Machine code of a module; code generation only, no passes before it."""
        import llvmlite.binding as llvm

        quick = 0 < text.count("define ") == text.count(" optnone ")
        with llvm.parse_assembly(self.header + (text if quick else hidden(text)), self.context) as module:
            found: bytes = (self.quick_machine if quick else self.machine).emit_object(module)
        image = objects.image_of(found)
        return _OBJECT + found if image is None else _IMAGE + image.packed()

    def link(self, code: bytes, exports: Sequence[str], imports: Mapping[str, int]) -> dict[str, int]:
        """Puts machine code into the process, to stay; the addresses of what it exports."""
        if code.startswith(_IMAGE):
            return objects.place(objects.unpacked(code[1:]), exports, imports)
        import llvmlite.binding as llvm

        if self.jit is None:
            self.jit = llvm.create_lljit_compiler(self.new_machine(), suppress_errors=True)
        builder = llvm.JITLibraryBuilder().add_object_img(code[1:]).add_current_process()
        for name, address in imports.items():
            builder.import_symbol(name, address)
        for name in exports:
            builder.export_symbol(name)
        self.libraries += 1
        tracker = builder.link(self.jit, f"lazytensor{self.libraries}")
        found = {name: int(tracker[name]) for name in exports}
        tracker.detach()  # its code is never unloaded, not even at exit, when workers may be asleep in it
        return found


def _registers_allocated_well(llvm: Any) -> bool:
    """Makes LLVM allocate registers well also where it is to do nothing else, if that was tried with this LLVM.

    For functions that are not to be optimized (`inline.QUICK`) that is all that a higher level does, but for 60 passes
    that look at each function and leave it: a quarter of the time. The option is one of the process; at other levels
    registers are allocated so anyway.
    """
    if not _TRIED[0] <= llvm.llvm_version_info < _TRIED[1]:
        return False
    if not getattr(llvm, _MARK, False):  # LLVM takes it once
        llvm.set_option("", "-optimize-regalloc")
        setattr(llvm, _MARK, True)
    return True


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
            except Exception as error:  # llvmlite may be absent, too old, or unable to load its library
                _reason = f"llvmlite cannot be used: {error or type(error).__name__}"
    if _engine is None:
        raise RuntimeError(_reason)
    return _engine


def available() -> bool:
    """Whether machine code can be made here: llvmlite is there and works, on a 64-bit little-endian CPython with a GIL.

    The first call imports llvmlite.
    """
    return why_not() is None


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


def _key(engine: _Engine, what: bytes) -> str:
    import hashlib

    return hashlib.blake2b(engine.stamp + b"\0" + what, digest_size=20).hexdigest()


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


def _folder() -> str | None:
    """The cache's folder, made if need be; None if there is to be no cache or it would not be ours alone to write."""
    given = os.environ.get("LAZYTENSOR_CACHE")
    if given is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        given = os.path.join(home, "lazytensor", "objects") if os.path.isabs(home) else ""
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
    folder = _folder()
    if folder is None:
        _counts["misses"] += 1
        return None
    path = os.path.join(folder, key)
    try:
        with open(path, "rb", buffering=0) as file:
            held = file.read()
    except OSError:
        _counts["misses"] += 1
        return None
    start = len(_MAGIC) + _DIGEST
    image = held[start:]
    if not held.startswith(_MAGIC) or held[len(_MAGIC):start] != _sealed(key, image):
        with suppress(OSError):
            os.unlink(path)
        _counts["dropped"] += 1
        _counts["misses"] += 1
        return None
    with suppress(OSError):
        os.utime(path)  # so that the least recently used can be told
    _counts["hits"] += 1
    return image


def _write(key: str, image: bytes) -> None:
    global _room
    folder = _folder()
    if folder is None:
        return
    held = _MAGIC + _sealed(key, image) + image
    if len(held) > _room:
        _room = _trim(folder, CACHE_LIMIT - len(held))
    if len(held) > CACHE_LIMIT:
        return
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
    else:
        _room -= len(held)
        _counts["written"] += 1


def _entries(folder: str) -> Iterator[tuple[float, int, str]]:
    """Time of last use, bytes and path of each file that is ours."""
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            name = file.name
            if len(name.partition(".")[0]) == 40 and (len(name) == 40 or name.endswith(".new")):
                with suppress(OSError):
                    about = file.stat(follow_symlinks=False)
                    yield about.st_mtime, about.st_size, file.path


def _trim(folder: str, limit: int) -> int:
    """Removes the least recently used until there are `limit` bytes at most, and what a killed process left half
    written; returns how many bytes may be written before it is time to look again."""
    entries = sorted(_entries(folder))
    total = sum(size for _, size, _ in entries)
    old = time.time() - 3600
    goal = limit if total <= limit else limit * 7 // 8
    for used, size, path in entries:
        half_written = path.endswith(".new")
        if (total > goal and not half_written) or (half_written and used < old):
            with suppress(OSError):
                os.unlink(path)
            total -= size
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
            for _, _, path in list(_entries(folder)):
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
