"""LLVM in this process, and what it says of the machine: which is remembered, so that a process that finds all of its
machine code on disk does without LLVM."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import objects
from .counters import hidden

_TRIED = (20,), (23,)
"""From which LLVM on, and before which, `_registers_allocated_well` has been tried."""
_MARK = "_lazytensor_allocates_registers_well"

_PASSING = "processor", "cpu MHz", "microcode", "physical id", "core id", "apicid", "initial apicid", "bogomips"
"""What Linux says of a processor that is of this one alone, or of this moment."""


class Facts(NamedTuple):
    """What the text of kernels and the keys of the disk cache depend on.

    Attributes
    ----------
    version : tuple of int
        LLVM's.
    binding : str
        llvmlite's version.
    cpu, features : str
        The CPU's name, and what it can do: ``+avx,-avx512f,...``.
    triple, layout : str
        The target and how data lies there.
    """

    version: tuple[int, ...]
    binding: str
    cpu: str
    features: str
    triple: str
    layout: str

    @property
    def header(self) -> str:
        """What a module's text begins with."""
        return f'target triple = "{self.triple}" target datalayout = "{self.layout}" '

    def packed(self) -> bytes:
        """As bytes, for `unpacked`."""
        return json.dumps(self).encode()


def unpacked(held: bytes) -> Facts:
    """What `Facts.packed` made."""
    version, *words = json.loads(held)
    return Facts(tuple(version), *words)


def seen() -> bytes | None:
    """All that the facts follow from, as far as it can be seen without LLVM; None where that is too little.

    That is llvmlite's library, the processor as Linux names it, and what NumPy finds that this process may use: under
    an emulator that is less. Without llvmlite it is an ImportError.
    """
    import llvmlite

    try:
        library = os.stat(os.path.join(os.path.dirname(llvmlite.__file__), "binding", "libllvmlite.so"))
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            first = file.read(1 << 14).decode(errors="replace").split("\n\n")[0]
        usable = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return None
    lines = [line for line in first.splitlines() if line.partition("\t")[0].strip() not in _PASSING]
    if not any(line.startswith("flags") for line in lines):
        return None
    return repr((Facts._fields, llvmlite.__version__, llvmlite.__file__, library.st_size, library.st_mtime_ns,
                 lines, sorted(usable.items()))).encode()


class Compiler:
    """LLVM, started: target machines, and a linker if it is needed."""

    def __init__(self) -> None:
        import llvmlite
        import llvmlite.binding as llvm

        if llvm.llvm_version_info < (15,):
            raise RuntimeError("opaque pointers need LLVM 15")
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple()
        near = {"reloc": "pic", "codemodel": "small"} if objects.known(target.triple) else {}
        self.new_machine = partial(target.create_target_machine, cpu=cpu, features=features, opt=2, jit=True, **near)
        self.machine = self.new_machine()
        self.quick_machine = self.new_machine(opt=0) if _registers_allocated_well(llvm) else self.machine
        self.context = llvm.create_context()
        self.jit: Any = None
        self.libraries = 0
        self.facts = Facts(tuple(llvm.llvm_version_info), llvmlite.__version__, cpu, features, target.triple,
                           str(self.machine.target_data))

    def compile(self, text: str) -> bytes:
        """An object of a module; code generation only, no passes before it."""
        import llvmlite.binding as llvm

        quick = 0 < text.count("define ") == text.count(" optnone ")
        with llvm.parse_assembly(self.facts.header + (text if quick else hidden(text)), self.context) as module:
            found: bytes = (self.quick_machine if quick else self.machine).emit_object(module)
        return found

    def link(self, code: bytes, exports: Sequence[str], imports: Mapping[str, int]) -> dict[str, int]:
        """Puts an object into the process, to stay; the addresses of what it exports."""
        import llvmlite.binding as llvm

        if self.jit is None:
            self.jit = llvm.create_lljit_compiler(self.new_machine(), suppress_errors=True)
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
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
