"""The floating-point flags that a kernel raises: what is noted, what clears them, and how a kernel is called."""

from __future__ import annotations

from .inline import Code

UNDERFLOW = 16
"""The flag's bit in MXCSR."""


class Flags:
    """The floating-point status of a run: noted before what clears it. Who calls a kernel has cleared it, and reads at
    the end what is in MXCSR then (`CHECKED`).

    Loops that are called may raise flags by the C library, which has them in the status of the x87, too.
    """

    def __init__(self, code: Code, calls: bool) -> None:
        self.code, self.calls = code, calls
        self.place = self.memory = ""

    @property
    def noted(self) -> str:
        """Where they are noted."""
        if not self.memory:
            self.memory = self.code.alloca("i32", 8)
            self.code.entry.append(f"  store i32 0, ptr {self.memory}")
        return self.memory

    def clear(self) -> None:
        if self.calls:
            self.code.declare("declare i32 @feclearexcept(i32)")
            self.code.let("call i32 @feclearexcept(i32 61)")

    def note(self) -> None:
        """Keeps what has been raised so far."""
        old = self.code.let(f"load i32, ptr {self.noted}")
        self.code.add(f"store i32 {self.code.let(f'or i32 {old}, {self.raised()}')}, ptr {self.noted}")

    def raised(self) -> str:
        """What has been raised and not cleared."""
        code = self.code
        if self.calls:
            code.declare("declare i32 @fetestexcept(i32)")
            return code.let("call i32 @fetestexcept(i32 61)")
        self.place = self.place or code.alloca("i32", 8)
        code.declare("declare void @llvm.x86.sse.stmxcsr(ptr)")
        code.add(f"call void @llvm.x86.sse.stmxcsr(ptr {self.place})")
        return code.let(f"and i32 {code.let(f'load i32, ptr {self.place}')}, 63")

    def read(self) -> str:
        """What the caller does not find in MXCSR."""
        if self.calls:
            self.note()
        return self.kept()

    def kept(self) -> str:
        """What was noted, and perhaps an underflow where it rounds to float16."""
        known = self.code.let(f"load i32, ptr {self.noted}") if self.memory else "0"
        return self.code.let(f"or i32 {known}, {UNDERFLOW}") if self.code.rounds else known


CHECKED = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define internal i32 @checked(ptr %kernel, ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop) nounwind {
  %state = alloca i32, align 8
  call void @llvm.x86.sse.stmxcsr(ptr %state)
  %before = load i32, ptr %state
  %cleared = and i32 %before, -64
  store i32 %cleared, ptr %state
  call void @llvm.x86.sse.ldmxcsr(ptr %state)
  %noted = call i32 %kernel(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)
  call void @llvm.x86.sse.stmxcsr(ptr %state)
  %after = load i32, ptr %state
  %raised = and i32 %after, 63
  %flags = or i32 %noted, %raised
  ret i32 %flags
}
"""
"""A kernel's call, with the flags that it raises."""
