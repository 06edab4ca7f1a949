"""Object code as it lies in memory: an ELF object of x86-64 is linked within itself once, when it has been compiled.
What is left to do in each process is to copy it to fresh pages and to fill in some addresses.

That takes a tenth of the time of LLVM's own linker, to which other objects and other relocations are left.
"""

from __future__ import annotations

import ctypes
import marshal
import struct
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

PAGE = 4096
_X86_64, _RELOCATABLE = 62, 1
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _UNWIND = 1, 2, 4, 8, 0x70000001
_WRITE, _ALLOC, _TLS = 1, 2, 0x400
_ABS64, _PC32, _PLT32, _GOT, _PC64 = 1, 2, 4, (9, 41, 42), 24
_JUMP = b"\xff\x25"
"""``jmp *[rip + 32 bits]``: to the address in a slot."""


class Image(NamedTuple):
    """Code and data that belong together, with places for addresses.

    Attributes
    ----------
    code : bytes
        What is executed and read.
    data : bytes
        What is written, too; it begins with the first page after the code.
    blank : int
        Bytes of zeros after that.
    exports : dict
        Where each symbol that the object gives is.
    slots : tuple of (int, str, int)
        Where an address of 8 bytes is to be, of which symbol ("" for the image itself), and what is added to it.
    """

    code: bytes
    data: bytes
    blank: int
    exports: dict[str, int]
    slots: tuple[tuple[int, str, int], ...]

    def packed(self) -> bytes:
        """As bytes, for `unpacked`."""
        return marshal.dumps(tuple(self), 2)


def unpacked(held: bytes) -> Image:
    """What `Image.packed` made."""
    return Image(*marshal.loads(held))


class _Unknown(Exception):
    """Something in the object is left to LLVM's linker."""


def known(triple: str) -> bool:
    """Whether objects for this target are of the kind that is known here."""
    return sys.platform == "linux" and triple.startswith("x86_64") and sys.maxsize == 2**63 - 1


def image_of(held: bytes) -> Image | None:
    """An object file linked within itself; None if it is of another kind, or has what is not known here."""
    try:
        if sys.platform != "linux" or held[:6] != b"\x7fELF\x02\x01" or (
                struct.unpack_from("<HH", held, 16) != (_RELOCATABLE, _X86_64)):
            return None
        return _Linker(held).image()
    except (_Unknown, struct.error, IndexError, ValueError):
        return None


class _Section(NamedTuple):
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class _Linker:
    """Lays out the sections of an object and fills in what does not depend on where they come to be."""

    def __init__(self, held: bytes) -> None:
        self.held = held
        table, = struct.unpack_from("<Q", held, 40)
        count, = struct.unpack_from("<H", held, 60)
        self.sections = [_Section(kind, flags, offset, size, link, info, align)
                         for _, kind, flags, _, offset, size, link, info, align, _ in
                         struct.iter_unpack("<IIQQQQIIQQ", held[table:table + 64 * count])]
        self.place: dict[int, int] = {}
        self.memory = bytearray()
        self.slots: list[tuple[int, str, int]] = []

    def image(self) -> Image:
        kept = [k for k, s in enumerate(self.sections) if s.flags & _ALLOC and s.size and s.kind != _UNWIND]
        if any(self.sections[k].flags & _TLS or self.sections[k].kind not in (_PROGBITS, _NOBITS) for k in kept):
            raise _Unknown
        written = [k for k in kept if self.sections[k].flags & _WRITE]
        self._lay([k for k in kept if k not in written])
        relocations = [s for s in self.sections if s.kind == _RELA and s.info in kept]
        symbols = self._symbols()
        stubs = self._stubs(symbols, relocations)
        end = len(self.memory)
        self._pad(PAGE)
        start = len(self.memory)
        self._lay([k for k in written if self.sections[k].kind == _PROGBITS])
        filled = len(self.memory)
        self._lay([k for k in written if self.sections[k].kind == _NOBITS])
        for symbol, (slot, _) in stubs.items():
            self._slot(slot, symbol, 0)
        for section in relocations:
            for place, symbol, kind, addend in self._relocations(section):
                self._relocate(self.place[section.info] + place, symbols[symbol], kind, addend, stubs)
        exports = {name: self._inside(symbol) for symbol in symbols if (name := symbol[0]) and symbol[1] in self.place}
        return Image(bytes(self.memory[:end]), bytes(self.memory[start:filled]), len(self.memory) - filled, exports,
                     tuple(self.slots))

    def _pad(self, align: int) -> None:
        self.memory += bytes(-len(self.memory) % align)

    def _lay(self, sections: list[int]) -> None:
        for k in sections:
            section = self.sections[k]
            self._pad(max(1, section.align))
            self.place[k] = len(self.memory)
            self.memory += bytes(section.size) if section.kind == _NOBITS else (
                self.held[section.offset:section.offset + section.size])

    def _symbols(self) -> list[tuple[str, int, int]]:
        """Of each symbol the name, if others see it, the section (0 if it is outside), and the place in that."""
        table = next((s for s in self.sections if s.kind == _SYMTAB), None)
        if table is None:
            raise _Unknown
        names = self.sections[table.link].offset
        found = []
        for name, info, _, section, value, _ in struct.iter_unpack(
                "<IBBHQQ", self.held[table.offset:table.offset + table.size]):
            start = names + name
            text = self.held[start:self.held.index(b"\0", start)].decode() if name and info >> 4 else ""
            found.append((text, section, value))
        return found

    def _relocations(self, section: _Section) -> list[tuple[int, int, int, int]]:
        """Place, symbol, kind and addend of each."""
        return [(place, about >> 32, about & 0xFFFFFFFF, addend) for place, about, addend in struct.iter_unpack(
            "<QQq", self.held[section.offset:section.offset + section.size])]

    def _inside(self, symbol: tuple[str, int, int]) -> int:
        if symbol[1] not in self.place:
            raise _Unknown
        return self.place[symbol[1]] + symbol[2]

    def _stubs(self, symbols: list[Any], relocations: list[_Section]) -> dict[Any, tuple[int, int]]:
        """For each symbol that is reached by way of its address: the slot of that, and a jump there. They lie behind
        the code."""
        found: dict[Any, tuple[int, int]] = {}
        for section in relocations:
            for _, number, kind, _ in self._relocations(section):
                symbol = symbols[number]
                if symbol not in found and (kind in _GOT or (kind in (_PLT32, _PC32) and not symbol[1])):
                    self._pad(16)
                    slot = len(self.memory)
                    self.memory += bytes(8) + _JUMP + struct.pack("<i", -14)
                    found[symbol] = slot, slot + 8
        return found

    def _slot(self, place: int, symbol: Any, addend: int) -> None:
        if not symbol[1] and not symbol[0]:
            raise _Unknown
        self.slots.append((place, "", self._inside(symbol) + addend) if symbol[1] else (place, symbol[0], addend))

    def _relocate(self, place: int, symbol: Any, kind: int, addend: int, stubs: Mapping[Any, tuple[int, int]]) -> None:
        if kind == _ABS64:
            self._slot(place, symbol, addend)
        elif kind in _GOT:
            struct.pack_into("<i", self.memory, place, stubs[symbol][0] + addend - place)
        elif kind in (_PC32, _PLT32):
            to = self._inside(symbol) if symbol[1] else stubs[symbol][1]
            struct.pack_into("<i", self.memory, place, to + addend - place)
        elif kind == _PC64 and symbol[1]:
            struct.pack_into("<q", self.memory, place, self._inside(symbol) + addend - place)
        else:
            raise _Unknown


# ---- in memory

@cache
def _process() -> Any:
    """What is in the process by name: the C library, Python."""
    library = ctypes.PyDLL(None)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
    library.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library


@cache
def address(name: str) -> int:
    """Where a symbol of the process is.

    Raises
    ------
    RuntimeError
        If it is nowhere.
    """
    try:
        found = ctypes.cast(getattr(_process(), name), ctypes.c_void_p).value
    except AttributeError:
        found = None
    if not found:
        raise RuntimeError(f"no symbol {name} is to be found in this process: give its address among the imports")
    return found


def place(image: Image, exports: Sequence[str], imports: Mapping[str, int]) -> dict[str, int]:
    """Puts an image into the process, to stay there; the addresses of what it exports."""
    missing = [name for name in exports if name not in image.exports]
    if missing:
        raise RuntimeError(f"machine code has no symbol {', '.join(missing)}")
    values = [(imports[name] if name in imports else address(name)) if name else 0 for _, name, _ in image.slots]
    start = -(-len(image.code) // PAGE) * PAGE
    base = _pages(start + len(image.data) + image.blank)
    ctypes.memmove(base, image.code, len(image.code))
    ctypes.memmove(base + start, image.data, len(image.data))
    for (at, name, addend), value in zip(image.slots, values, strict=True):
        ctypes.c_uint64.from_address(base + at).value = (value if name else base) + addend
    if _process().mprotect(base, start, 1 | 4):  # to be read and executed, and written no more
        raise RuntimeError("the system does not let memory be executed")
    return {name: base + image.exports[name] for name in exports}


def _pages(size: int) -> int:
    """Fresh memory, zeros, never given back."""
    base: int | None = _process().mmap(None, max(1, size), 1 | 2, 0x22, -1, 0)
    if base is None or base == ctypes.c_void_p(-1).value:
        raise RuntimeError("there is no memory for machine code")
    return base
