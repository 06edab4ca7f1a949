"""What the bytecode of ``for i in lazytensor.range(...)`` says: where the loop is, which variables its turns hand on,
and its body as a function.

The body's function has the bytecode of the program's own in the same places, and nothing else of it: it begins at the
loop's head, which gets one index, and when it comes there again, its variables are read and it ends. Whatever leaves
the loop (`break`, `return`) finds an instruction that raises. So a turn can be run apart from its function.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import sys
import types
import weakref
from bisect import bisect
from collections.abc import Iterator
from threading import local
from typing import Any, NamedTuple

from ..run.watching import mine

KNOWN = (3, 11) <= sys.version_info < (3, 14)
"""Versions of Python whose bytecode is known."""
_NOT_FAST = 0x01 | 0x02  # inspect.CO_OPTIMIZED | CO_NEWLOCALS: variables are in slots
RUNS_ON = 0x20 | 0x80 | 0x200
"""Flags of the code of generators and coroutines, which go on after the call."""
_VARIADIC = 0x04 | 0x08
_ENDS = frozenset(("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"))
_JUMPS = frozenset(("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"))
_PREFIX = "EXTENDED_ARG"
PAIRS = {"LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"), "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
          "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST")}
_TRAP = bytes((dis.opmap["RAISE_VARARGS"], 0))
PEEKING = frozenset(("locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe", "f_locals"))
"""What shows a function's variables, or changes them, by other ways than their names in its code."""


@functools.lru_cache(512)
def callee(code: Any, call: int) -> tuple[tuple[str, str], str] | None:
    """How the function that a call calls is loaded: an instruction and its name, and of what that gives the attribute,
    or ""."""
    lines = [x for x in dis.get_instructions(code) if x.opname != "EXTENDED_ARG"]
    at = bisect([x.offset for x in lines], call) - 1
    need, k = lines[at].arg or 0, at
    while need > 0 and k > 0:
        k -= 1
        if lines[k].is_jump_target or lines[k].opcode in dis.hasjrel or lines[k].opcode in dis.hasjabs:
            return None
        if k < at - 1 or lines[k].opname != "PRECALL":  # its own
            need -= dis.stack_effect(lines[k].opcode, lines[k].arg)
    line = lines[k - 1]
    if line.opname == "PUSH_NULL":  # from 3.13 on it comes after the function
        line = lines[k - 2]
    if line.opname in ("LOAD_METHOD", "LOAD_ATTR"):
        return (lines[k - 2].opname, lines[k - 2].argval), line.argval
    return (line.opname, line.argval), ""


class Ended(BaseException):
    """Ends a turn that has come to the head of its loop."""


class _Feed(local):
    """Gives the index of the innermost turn that runs apart; then takes its variables."""

    def __init__(self) -> None:
        self.turns: list[list[Any]] = []

    def __next__(self) -> Any:
        turn = self.turns[-1]
        if turn[0] is not Ended:
            index, turn[0] = turn[0], Ended
            return index
        turn[1] = {**sys._getframe(1).f_locals}
        raise Ended

    def __iter__(self) -> Iterator[Any]:
        return self

    @contextlib.contextmanager
    def apart(self, index: Any) -> Iterator[list[Any]]:
        """While a turn runs apart: gives what stands for it, its index and then its variables."""
        turns, entry = self.turns, [index, None]
        depth = len(turns)
        try:
            turns.append(entry)
            yield entry
        finally:
            del turns[depth:]


FEED = _Feed()
origins: weakref.WeakKeyDictionary[types.CodeType, types.CodeType] = weakref.WeakKeyDictionary()
"""The functions' own codes of loops' bodies."""


class ForLoop(NamedTuple):
    """A loop of a function.

    Attributes
    ----------
    code : the function's
    head : int
        The offset of the instruction that asks for the next index.
    turn : CodeType
        The code of its body, whose parameters are all of the function's variables.
    reads : tuple of str
        The variables that a turn may read.
    carried : tuple of str
        Those of them that it may give other values.
    stored : frozenset of str
        All variables that a turn gives values, the index among them.
    later : frozenset of str
        Variables that may be read after the loop.
    uses : bool
        Whether a turn, or what comes after the loop, may read the index.
    """

    code: types.CodeType
    head: int
    turn: types.CodeType
    reads: tuple[str, ...]
    carried: tuple[str, ...]
    stored: frozenset[str]
    later: frozenset[str]
    uses: bool

    @property
    def key(self) -> tuple[types.CodeType, int]:
        """What is the same whenever the loop is run."""
        return self.code, self.head


def for_loop(code: types.CodeType, call: int) -> ForLoop | None:
    """The loop over what the call at an offset gives; None if there is none, or it is not understood."""
    return _for_loop(origins.get(code, code), call)


@functools.lru_cache(512)
def _for_loop(code: types.CodeType, call: int) -> ForLoop | None:
    if not KNOWN or code.co_flags & _NOT_FAST != _NOT_FAST or code.co_flags & RUNS_ON or not PEEKING.isdisjoint(
            code.co_names):
        return None
    flow = Flow(code)
    at = bisect([x.offset for x in flow.lines], call) - 1  # in a call, a frame may be at what follows the instruction
    after = [x for x in flow.lines[at:at + 6] if x.opname != _PREFIX][:4]
    if len(after) < 4 or [x.opname for x in after[:3]] != ["CALL", "GET_ITER", "FOR_ITER"]:
        return None
    head = flow.place[after[2].offset]
    target = _stored(after[3])
    body = flow.natural(head)
    if target is None or not body or flow.handles(body) or min(body) < head - 3:
        return None
    first, beyond = head + 1, flow.place[after[2].argval]
    live = flow.live()
    stored = {name for k in body for op, name in flow.uses[k] if op == "STORE"}
    closed = {*code.co_cellvars, *code.co_freevars}
    if any(flow.lines[k].opname in ("STORE_DEREF", "DELETE_DEREF") and flow.lines[k].argval != target for k in body):
        return None
    made = [flow.lines[k].argval for k in body]
    if any(isinstance(inner, types.CodeType) and rebinds(inner, closed) for inner in made):
        return None
    reads = live[first] | {flow.lines[k].argval for k in body
                           if "DEREF" in flow.lines[k].opname or flow.lines[k].opname == "LOAD_CLOSURE"} - {target}
    uses = target in closed or target in live[beyond] or any(
        ("LOAD", target) in flow.uses[k] for k in body)
    turn = _turn_code(flow, body, head)
    if turn is None:
        return None
    return ForLoop(code, after[2].offset, turn, tuple(sorted(reads)), tuple(sorted(reads & stored)),
                   frozenset(stored | {target}), frozenset(live[beyond]), uses)


def _stored(line: dis.Instruction) -> str | None:
    """The variable that gets the index."""
    if line.opname in ("STORE_FAST", "STORE_DEREF"):
        return str(line.argval)
    return str(line.argval[0]) if line.opname in ("STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST") else None


def rebinds(code: types.CodeType, names: set[str]) -> bool:
    """Whether a function that is made inside binds variables of the one around it."""
    return any(x.opname in ("STORE_DEREF", "DELETE_DEREF") and x.argval in names
               for x in dis.get_instructions(code)) or any(
        rebinds(inner, names) for inner in code.co_consts if isinstance(inner, types.CodeType))


class Flow:
    """The control flow of a function: by number, which instructions may follow each, and what it does to variables."""

    def __init__(self, code: types.CodeType) -> None:
        self.code = code
        self.lines = list(dis.get_instructions(code))
        self.place = {x.offset: k for k, x in enumerate(self.lines)}
        self.uses = [tuple(_uses(x)) for x in self.lines]
        self.table: list[Any] = list(dis._parse_exception_table(code))  # type: ignore[attr-defined]
        self.after = [list(self._after(k, x)) for k, x in enumerate(self.lines)]

    def _after(self, k: int, line: dis.Instruction) -> Iterator[int]:
        if line.opname not in _ENDS and line.opname not in _JUMPS:
            yield k + 1
        if line.opcode in dis.hasjrel or line.opcode in dis.hasjabs:
            yield self.place[line.argval]
        for entry in self.table:
            if entry.start <= line.offset < entry.end:
                yield self.place[entry.target]

    def natural(self, head: int) -> set[int]:
        """The instructions from which the loop goes round to its head, which is among them."""
        before: dict[int, list[int]] = {}
        for k, following in enumerate(self.after):
            for other in following:
                before.setdefault(other, []).append(k)
        begin = head
        while begin and self.lines[begin - 1].opname == _PREFIX:
            begin -= 1
        found = set(range(begin, head + 1))
        stack = [k for k in before.get(begin, ()) if k > head]
        while stack:
            k = stack.pop()
            if k not in found:
                found.add(k)
                stack += before.get(k, ())
        return found if len(found) > head + 1 - begin and head + 1 in found else set()

    def handles(self, body: set[int]) -> bool:
        """Whether an exception that is raised in the loop may be handled in it."""
        return any(self.place[entry.target] in body for entry in self.table)

    def live(self) -> list[set[str]]:
        """The variables in slots that may be read from each instruction on, before they get another value."""
        live: list[set[str]] = [set() for _ in self.lines]
        changed = True
        while changed:
            changed = False
            for k in range(len(self.lines) - 1, -1, -1):
                now = set().union(*[live[other] for other in self.after[k] if other < len(live)])
                for op, name in reversed(self.uses[k]):
                    now = now - {name} if op == "STORE" else now | {name}
                if now != live[k]:
                    live[k], changed = now, True
        return live


def _uses(line: dis.Instruction) -> Iterator[tuple[str, str]]:
    """What an instruction does to variables in slots, in order; to delete one is to read it and to store another."""
    name = line.opname
    pair = name in PAIRS
    for op, variable in zip(PAIRS.get(name, (name,)), line.argval if pair else (line.argval,), strict=True):
        if op.startswith("LOAD_FAST"):
            yield "LOAD", variable
        elif op == "STORE_FAST":
            yield "STORE", variable
        elif op == "DELETE_FAST":
            yield from (("LOAD", variable), ("STORE", variable))


# ---- the body as a function ------------------------------------------------------------------------------------------


def instruction(name: str, argument: int) -> bytes:
    found = bytes((dis.opmap[name], argument & 255))
    while argument := argument >> 8:
        found = bytes((dis.opmap[_PREFIX], argument & 255)) + found
    return found


def turn_text(flow: Flow, body: set[int], start: int, first: bytes) -> tuple[bytearray, Any, Any] | None:
    """The bytecode of a loop's body alone, which begins with some instructions and then at an offset; and which
    variables are cells of its own, and which those of the function around it. None if there is no room before it."""
    code, lines = flow.code, flow.lines
    own = tuple([name for name in code.co_cellvars if name in code.co_varnames])
    free = (*[name for name in code.co_cellvars if name not in own], *code.co_freevars)
    begin = b"".join(instruction("MAKE_CELL", code.co_varnames.index(name)) for name in own)
    if free:
        begin += instruction("COPY_FREE_VARS", len(free))
    begin += instruction("RESUME", 0) + first
    jumps = [instruction("JUMP_FORWARD", over // 2) for size in (2, 4, 6) if (over := start - len(begin) - size) >= 0]
    jump = next((x for k, x in enumerate(jumps) if len(x) == 2 * k + 2), None)
    if jump is None or len(begin) + len(jump) > lines[min(body)].offset:
        return None
    text = bytearray(_TRAP * (len(code.co_code) // 2))
    ends = [x.offset for x in lines[1:]] + [len(code.co_code)]
    for k in body:
        text[lines[k].offset:ends[k]] = code.co_code[lines[k].offset:ends[k]]
    text[:len(begin) + len(jump)] = begin + jump
    return text, own, free


def _turn_code(flow: Flow, body: set[int], head: int) -> types.CodeType | None:
    """The code of a loop's body; None if there is no room before it."""
    code, lines = flow.code, flow.lines
    made = turn_text(flow, body, lines[min(body)].offset, instruction("LOAD_CONST", len(code.co_consts)))
    if made is None:
        return None
    text, own, free = made
    names = {lines[k].argval for k in body if lines[k].opcode in dis.hasname}
    kept = {lines[k].arg for k in body if lines[k].opcode in dis.hasconst}
    consts = [x if k in kept else None for k, x in enumerate(code.co_consts)]
    turn = code.replace(
        co_code=bytes(text), co_consts=(*consts, FEED), co_argcount=len(code.co_varnames), co_posonlyargcount=0,
        co_kwonlyargcount=0, co_flags=code.co_flags & ~_VARIADIC, co_cellvars=own, co_freevars=free,
        co_names=tuple([x if x in names else "" for x in code.co_names]), co_exceptiontable=b"",
        co_stacksize=code.co_stacksize + 2)
    origins[turn] = code
    return turn


def has_left(error: BaseException, loop: Any) -> bool:
    """Whether a turn came to what is not in the loop's body, and is not there to raise an exception."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or last.tb_frame.f_code is not loop.turn:
        return False
    at = last.tb_lasti
    ways = [x for x in dis.get_instructions(loop.code) if x.offset >= at and (
        x.opname in _ENDS or x.opname in _JUMPS or x.opcode in dis.hasjrel or x.opcode in dis.hasjabs)]
    return loop.turn.co_code[at:at + 2] == _TRAP and not (ways and ways[0].opname == "RAISE_VARARGS")


LEAVES = "it is left by `break` or `return`"


def function_of(turn: types.CodeType, space: dict[str, Any], known: dict[str, Any]) -> types.FunctionType:
    """The code of a turn as a function of all its variables; cells have the values that are known."""
    free = tuple([types.CellType(known[x]) if x in known else types.CellType() for x in turn.co_freevars])
    return types.FunctionType(turn, space, turn.co_name, None, free)


def turn_of(loop: ForLoop, space: dict[str, Any], variables: dict[str, Any], ends: bool = False) -> Any:
    """The body of a loop as a function of an index and of the values of what it carries, which gives these; all else
    that it reads is what these variables are. With `ends`, a way on which the loop is left ends it before that turn."""
    run = function_of(loop.turn, space, variables)

    def turn(index: Any, carried: tuple[Any, ...]) -> tuple[Any, ...]:
        given = {**variables, **dict(zip(loop.carried, carried, strict=True))}
        with FEED.apart(index) as entry:
            try:
                run(*[given.get(name) for name in loop.turn.co_varnames])
            except Ended:
                pass
            except RuntimeError as error:
                watcher: Any = mine()
                if watcher is not None and has_left(error, loop):
                    watcher.leave() if ends else watcher.give_up(LEAVES)
                raise
        found = entry[1]
        return tuple([found[name] for name in loop.carried])
    turn.run, turn.__loop__ = run, loop.key  # type: ignore[attr-defined]
    return turn
