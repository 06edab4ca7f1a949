"""What the bytecode says of Python loops that a value ends, ``while np.abs(f).max() > tol`` or ``if err < tol: break``:
which variables a turn hands on to the next, and the loop's body as a function.

A turn goes from the jump that leaves the loop, on the side where it goes on, round to that jump again. Its function has
the bytecode of the program's own in the same places, and nothing else of it (as in `forloops`): in the place of the
jump it gives the condition and its variables. Whatever else leaves the loop finds an instruction that raises: a turn
that would come there is not among those that are generated, but is Python's.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from typing import Any, NamedTuple

from .forloops import FEED, PEEKING, RUNS_ON, Flow, callee, instruction, origins, rebinds, turn_text
from .handing import is_handed_on

KNOWN = sys.version_info[:2] == (3, 11)
"""Whether this Python's jumps are those that are known here."""
_JUMPS = {f"POP_JUMP_{way}_IF_{how}": how == "TRUE" for way in ("FORWARD", "BACKWARD") for how in ("TRUE", "FALSE")}
_NOT_FAST = 0x01 | 0x02  # inspect.CO_OPTIMIZED | CO_NEWLOCALS: variables are in slots
_PREFIX = "EXTENDED_ARG"
_TRAP = bytes((dis.opmap["RAISE_VARARGS"], 0))


class Exit(NamedTuple):
    """A jump that leaves a loop of a function; or one within a loop that each turn passes, where no jump that leaves it
    is passed by each: ``while a > tol or b > tol``.

    Attributes
    ----------
    code : the function's
    at : int
        The offset of the jump.
    turn, other : CodeType
        The code of a turn, whose parameters are all of the function's variables; it gives the condition and the values
        of what it carries. The other one is that for a condition which is false, if the loop goes on then, too.
    reads : tuple of str
        The variables that a turn may read, or that have to be there when it has ended.
    carried : tuple of str
        Those of them that it may give other values.
    goes_on : bool
        Which condition has the loop go on, if one does not.
    later : frozenset of str
        The variables of the function whose present values may be read after the jump, in the loop or beyond it.
    loop : frozenset of int
        The instructions of the loop, by number.
    others : bool
        Whether the loop may also be left elsewhere.
    read : frozenset of str
        The variables that Python may read once turns have been generated.
    handed : frozenset of str
        Those of the variables that are carried with which Python does nothing then but what is known of numbers that
        count (`handing`).
    asks : int or None
        The offset of the call that gives what the jump decides by, if it does: ``bool(x)``, ``np.allclose(x, y)``.
    bound, counter : instruction and name of what `range` is given, and the variable of the index
        Of a loop over ``range(n)``; else None.
    """

    code: types.CodeType
    at: int
    turn: types.CodeType
    reads: tuple[str, ...]
    carried: tuple[str, ...]
    goes_on: bool
    later: frozenset[str]
    loop: frozenset[int]
    others: bool
    read: frozenset[str]
    handed: frozenset[str]
    other: types.CodeType | None = None
    asks: int | None = None
    bound: tuple[str, Any] | None = None
    counter: str | None = None

    @property
    def key(self) -> tuple[types.CodeType, int]:
        """What is the same whenever the loop is run."""
        return self.code, self.at


ASKING = frozenset(("bool", "allclose", "array_equal"))
"""Names of functions that give a bool for values."""


def exit_at(code: types.CodeType, at: int) -> Exit | None:
    """The jump at an offset, or the one that follows the call there of a function that gives a bool, if that is in a
    loop which is understood, and what an `Exit` is."""
    return _exit_at(code, jump_at(code, at)) if KNOWN else None


def jump_at(code: types.CodeType, at: int) -> int:
    """The offset of the jump that decides by what the instruction at an offset gives, if that is a call; else the
    same."""
    asked = _asked(origins.get(code, code))
    return asked.get(at, at) if asked else at


def named_at(code: types.CodeType, at: int) -> str:
    """What the function is called that is called at an offset."""
    found = callee(origins.get(code, code), at)
    return "" if found is None else found[1] or found[0][1]


@functools.lru_cache(1024)
def _asked(code: types.CodeType) -> dict[int, int]:
    """The calls of functions that give a bool, by offset, and the jumps right after them that decide by it."""
    if ASKING.isdisjoint(code.co_names):
        return {}
    lines = list(dis.get_instructions(code))
    return {call.offset: jump.offset for call, jump in zip(lines, lines[1:], strict=False) if (
        call.opname == "CALL" and jump.opname in _JUMPS and not jump.is_jump_target
        and named_at(code, call.offset) in ASKING)}


def _exit_at(code: types.CodeType, at: int) -> Exit | None:
    return _exit_of(origins.get(code, code), at)


@functools.lru_cache(1024)
def _exit_of(code: types.CodeType, at: int) -> Exit | None:
    if code.co_flags & _NOT_FAST != _NOT_FAST or code.co_flags & RUNS_ON or not PEEKING.isdisjoint(code.co_names):
        return None
    flow = Flow(code)
    jump = flow.place.get(at)
    if jump is None or flow.lines[jump].opname not in _JUMPS:
        return None
    target = flow.place[flow.lines[jump].argval]
    found = _loop_around(flow, jump, target)
    if found is None:
        return None
    body, goes_on, follows, beyond = found
    over = [k for k in body if flow.lines[k].opname in ("FOR_ITER", "SEND")
            and flow.place[flow.lines[k].argval] not in body]
    counted = _counted(flow, over[0], body) if over else None
    both = beyond in body
    if flow.handles(body) or over and (len(over) > 1 or counted is None or both):
        return None
    closed = {*code.co_cellvars, *code.co_freevars}
    outside = {other for k in body - {jump, *over} for other in _next(flow, k)
               if other not in body and not _raises(flow, other)}
    if outside and not (_only_once(flow, outside | ({beyond} - body), body) and _passes(flow, body, jump)):
        return None  # when it is left there, nobody says so
    if both and (not outside or any(flow.lines[k].opname in _JUMPS and not body.issuperset(_next(flow, k))
                                    and _passes(flow, body, k) for k in body)):
        return None
    made = [flow.lines[k].argval for k in body]
    if any(flow.lines[k].opname in ("STORE_DEREF", "DELETE_DEREF") for k in body) or any(
            isinstance(inner, types.CodeType) and rebinds(inner, closed) for inner in made):
        return None
    live = flow.live()
    stored = {name for k in body for op, name in flow.uses[k] if op == "STORE"}
    carried = tuple(sorted(stored & (live[follows] | live[beyond])))
    if not closed.isdisjoint(carried):
        return None
    reads = live[follows] | set(carried) | {flow.lines[k].argval for k in body if "DEREF" in flow.lines[k].opname or (
        flow.lines[k].opname == "LOAD_CLOSURE")}
    if counted is not None:
        _, index = counted
        if index in closed or any(flow.uses[k].count(("STORE", index)) for k in body - {over[0] + 1}):
            return None
        reads = reads | {index}
    turn = _turn_code(flow, body, jump, follows, carried, bool(over))
    other = _turn_code(flow, body, jump, beyond, carried, False) if both else None
    starts = [beyond, *([follows] if outside else ())]
    read = frozenset().union(*[live[k] for k in starts], closed)
    handed = frozenset([x for x in carried if is_handed_on(flow, starts, x)])
    return None if turn is None or both and other is None else Exit(
        code, at, turn, tuple(sorted(reads)), carried, goes_on, frozenset(live[follows] | live[beyond] | closed),
        frozenset(body), bool(outside), read, handed, other,
        next((k for k, x in _asked(code).items() if x == at), None), *(counted or ()))


def _only_once(flow: Flow, outside: set[int], body: set[int]) -> bool:
    """Whether a loop that has been left, to one of these instructions, is not come to again."""
    return body.isdisjoint(_reached(flow, outside, set()))


def _passes(flow: Flow, body: set[int], jump: int) -> bool:
    """Whether each turn of a loop passes a jump."""
    head = min(body)
    others = set(range(len(flow.lines))) - body | {jump}
    return head == jump or head not in _reached(flow, {*flow.after[head]}, others)


def _reached(flow: Flow, starts: set[int], others: set[int]) -> set[int]:
    """The instructions to which some lead, if these lead nowhere."""
    found: set[int] = set()
    stack = [*starts]
    while stack:
        k = stack.pop()
        if k not in found and k not in others and k < len(flow.lines):
            found.add(k)
            stack += flow.after[k]
    return found


def _loop_around(flow: Flow, jump: int, target: int) -> tuple[set[int], bool, int, int] | None:
    """The innermost loop around a jump that leaves it: its instructions, which condition goes on in it, and the
    instructions that follow the jump within it and beyond; if both are within, those for true and false."""
    heads = sorted({flow.place[x.argval] for x in flow.lines if "BACKWARD" in x.opname}, reverse=True)
    for head in heads:
        body = flow.natural(head)
        if jump in body:
            how = _JUMPS[flow.lines[jump].opname]
            if target in body and jump + 1 in body:
                return (body, True, target, jump + 1) if how else (body, True, jump + 1, target)
            if target not in body and jump + 1 not in body:
                return None
            return (body, how, target, jump + 1) if target in body else (body, not how, jump + 1, target)
    return None


def _next(flow: Flow, k: int) -> list[int]:
    """The instructions that may follow one, but for handlers of exceptions."""
    handlers = {flow.place[entry.target] for entry in flow.table}
    return [other for other in flow.after[k] if other not in handlers]


def _raises(flow: Flow, k: int) -> bool:
    """Whether a straight line from there on raises an exception."""
    while len(following := _next(flow, k)) == 1:
        k = following[0]
    return flow.lines[k].opname == "RAISE_VARARGS"


def _counted(flow: Flow, head: int, body: set[int]) -> tuple[tuple[str, Any], str] | None:
    """Of a loop over ``range(n)``, where n is a constant or a variable that the loop leaves as it is: how n is loaded,
    and the variable of the index."""
    lines, own = flow.lines, ["LOAD_GLOBAL", "LOAD", "PRECALL", "CALL", "GET_ITER"]
    before = [x for x in lines[:head] if x.opname not in (_PREFIX, "CACHE")][-len(own):]
    if len(before) < len(own) or any(not x.opname.startswith(name) for x, name in zip(before, own, strict=True)):
        return None
    call, bound = before[0], before[1]
    if call.argval != "range" or before[3].arg != 1 or lines[head + 1].opname != "STORE_FAST" or any(
            x.is_jump_target for x in before[1:]):
        return None
    if bound.opname not in ("LOAD_CONST", "LOAD_FAST", "LOAD_GLOBAL") or any(
            lines[k].opname.startswith(("STORE", "DELETE")) and lines[k].argval == bound.argval for k in body):
        return None
    return (bound.opname, bound.argval), str(lines[head + 1].argval)


def _targets(flow: Flow, body: set[int]) -> set[int]:
    """The offsets to which a loop's instructions go."""
    return {flow.lines[other].offset for k in body for other in flow.after[k] if other < len(flow.lines)}


def _apart_from(targets: set[int], begin: int, size: int) -> int:
    """The first offset from one on where so many bytes are that no jump goes to."""
    while met := [x for x in targets if begin <= x < begin + size]:
        begin = max(met) + 2
    return begin


def _turn_code(flow: Flow, body: set[int], jump: int, follows: int, carried: tuple[str, ...],
               counts: bool) -> types.CodeType | None:
    """The code of a turn, which (if it counts) asks `FEED` for its index; None if there is no room for its beginning or
    its end."""
    code, lines = flow.code, flow.lines
    first = jump
    while lines[first - 1].opname == _PREFIX:
        first -= 1
    feed = instruction("LOAD_CONST", len(code.co_consts)) if counts else b""
    made = turn_text(flow, body, lines[follows].offset, feed)
    if made is None:
        return None
    text, own, free = made
    ends = [x.offset for x in lines[1:]] + [len(code.co_code)]
    leave = b"".join([instruction("LOAD_FAST", code.co_varnames.index(name)) for name in carried])
    leave += instruction("BUILD_TUPLE", len(carried) + 1)
    if counts:
        leave += instruction("SWAP", 2) + instruction("POP_TOP", 0)
    leave += instruction("RETURN_VALUE", 0)
    end = _apart_from(_targets(flow, body - {jump}), ends[max(body)], len(leave))
    over = (end - lines[first].offset) // 2
    out = instruction("JUMP_FORWARD", over - 1)
    if len(out) == 4:
        out = instruction("JUMP_FORWARD", over - 2)
    if len(out) > ends[jump] - lines[first].offset:
        return None
    text[lines[first].offset:lines[first].offset + len(out)] = out
    text += _TRAP * (max(0, end - len(text)) // 2)
    text[end:end + len(leave)] = leave
    names = {lines[k].argval for k in body if lines[k].opcode in dis.hasname}
    kept = {lines[k].arg for k in body if lines[k].opcode in dis.hasconst}
    turn = code.replace(
        co_code=bytes(text), co_consts=(*[x if k in kept else None for k, x in enumerate(code.co_consts)], FEED),
        co_argcount=len(code.co_varnames), co_posonlyargcount=0, co_kwonlyargcount=0, co_flags=code.co_flags & ~0x0C,
        co_cellvars=own, co_freevars=free, co_names=tuple([x if x in names else "" for x in code.co_names]),
        co_exceptiontable=b"", co_stacksize=code.co_stacksize + len(carried) + 2)
    origins[turn] = code
    return turn
