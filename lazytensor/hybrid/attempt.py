"""One run of a jitted function's Python that is watched, and the compiled function that is made of what it did."""

from __future__ import annotations

import dis
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from operator import is_
from typing import Any

from ..api.handle import lock_of
from ..api.scalar import Scalar, seen
from ..ir.operation import REDUCERS
from ..run import floating
from ..run.watching import Opaque
from . import streams
from .advice import THREADS
from .arguments import Arguments
from .branches import OTHERWISE
from .captured import Captured
from .compiled import Compiled, may_end
from .effects import Outcome, Raised, outcome_of, settled
from .entering import Entered, Printing
from .families import family_of
from .fewer import FEW, Fewer
from .first import compute_first
from .following import Numbers
from .handing import plain_counts
from .lifting import candidates, lifted, words_of
from .numbers import followed_by_math, is_number, known_as, plain
from .repeating import LEAST, NEVER
from .running import AGAIN
from .scope import ARGUMENT, BOXES, MISSING, Item, Scope, is_users, may_be_opened, other_numbers, parts_of
from .settings import HOW, Setting, place_of, put_back, setting_in, setting_of
from .telling import noticed
from .tracing import Irrevocable, Record, Refusal, Trace
from .undoing import Snapshot, is_alone, uncontained

PUT_OFF = 8
"""Calls of another way that are left to the Python after one of which the trace has been put off."""
MANY_TURNS = 32
"""Turns of several loops that values end in one call, from which on they are generated from the second call on."""
_WARNING = frozenset("""
    average corrcoef cov mean median nanmax nanmean nanmedian nanmin nanpercentile nanquantile nanstd nanvar polyfit std
    var
""".split())
"""Functions that warn of what no floating-point flag tells, such as slices of NaNs alone."""


def _warns(record: Any) -> bool:
    """Whether a record may give a warning of its own."""
    if type(record) is not Record:
        return False
    return _name_of(record) in _WARNING and (record.kind == "call" or record.op.name not in REDUCERS)


def _name_of(record: Record) -> Any:
    """The name of NumPy's function, of an operation or a call."""
    if record.kind == "operation":
        return record.op.called
    return getattr(record.fn, "__name__", None) if record.kind == "call" else None


class Attempt:
    """A call of a jitted function that is traced.

    Attributes
    ----------
    known : Compiled or None
        What is compiled for such calls, if this one has seen something new.
    trace : Trace
    """

    least = LEAST
    """Turns of a loop among the records."""

    def __init__(self, jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any], known: Compiled | None,
                 given: Arguments, scope: Scope, captured: Captured) -> None:
        self.jitted, self.args, self.kwargs, self.known = jitted, args, kwargs, known
        self.given, self.scope, self.captured = given, scope, captured
        roots = {**given.roots, **captured.roots}
        for root in roots.values():
            settled(root)
        for s in (*given.scalars.values(), *scope.scalars.values()):
            s.realize()
        taken = {s._node.seq for s in given.scalars.values()}
        constants = [s for identity, s in scope.scalars.items()
                     if not captured.add_scalar(s, scope.places.get(identity), taken)]
        own = streams.global_stream()
        generators = [*scope.generators.values(), *([] if own is None else [own])]
        floating.may_wait()  # notes the filters
        self.trace = trace = Trace(roots, {**given.scalars, **captured.scalars}, generators, self.least)
        for s in constants:
            trace.know_constant(s._node)
        trace.may_skip, trace.in_full = not jitted._every_turn, jitted._in_full
        self.rolls = jitted._rolls if known is None else known.rolls
        if self.rolls:
            trace.loops = Trace.new_loops(trace, jitted._not_rolled, None if known is None else jitted._not_over)
        self.before, self.whole_turns = jitted._compiled, jitted._whole_turns()
        self.capsule, self.python, self.filters = floating.in_force(), streams.of_python(), list(warnings.filters)
        self._taken = {id(root): name for name, root in given.roots.items()}
        self.varying: list[Item] = []
        self.warned = False

    def result(self) -> Any:
        """Runs the Python, compiles what it did, and gives what the call gives."""
        trace, jitted = self.trace, self.jitted
        jitted._tracing += 1
        try:
            trace.entered = Entered(self._found)
            with trace, Printing(), trace.entered, noticed(self._warned):
                result = self._run()
            return self._ended(result)
        except BaseException as error:
            if not self._takes_back(error):
                self._remember(error)
                raise
            return self._undone()
        finally:
            if trace.entered is not None and trace.entered.on:  # an interrupt came before it was taken away
                sys.setprofile(None)
            if trace.loops is not None:
                trace.loops.let_go()
                jitted._why.extend(trace.loops.told)
            trace.entered = None  # it holds this, and that the trace: nothing is left for the collector
            jitted._tracing -= 1
            trace.catch_up()

    def _found(self, frame: Any) -> None:
        """A function is entered that was not found from names: what it reaches is followed."""
        trace, scope, captured = self.trace, self.scope, self.captured
        known = set(scope.tensors)
        try:
            scope.frame(frame)
        except Exception as error:  # objects that do not want to be looked at
            trace.refuse(f"what {frame.f_code.co_qualname} reaches cannot be followed ({error!r})")
        if captured.clash(scope.items, self._taken):
            trace.refuse("places that had different arrays have one between them")
        captured.prefer(scope)
        for identity in [x for x in scope.tensors if x not in known]:
            handle = scope.tensors[identity]
            if trace.is_new(handle):
                continue
            old = set(captured.roots)
            captured.add(handle, self._taken, scope.places.get(identity))
            for name in [x for x in captured.roots if x not in old]:
                trace.add_root(name, captured.roots[name])

    # ---- what is other for a call with fewer turns ----

    def _run(self) -> Any:
        self.trace.code, self.trace.caller = getattr(self.jitted.__wrapped__, "__code__", None), sys._getframe()
        try:
            return self.jitted.__wrapped__(*self.args, **self.kwargs)
        finally:
            self.trace.caller = None

    def _takes_back(self, error: BaseException) -> bool:
        """Whether an exception is as if the Python had not run; else it is the program's."""
        if isinstance(error, KeyboardInterrupt):
            self.trace.forget_chains()
        return False

    def _remember(self, error: BaseException) -> None:
        """Notes the way to an exception that the program itself raises, so that it is not traced again."""
        known, trace = self.known, self.trace
        if known is None or known.refusal is not None or trace.refusal is not None or not is_raised(error):
            return
        refusal = known.add(trace, Raised())
        if refusal is not None and refusal.final:
            self.jitted._refused(refusal, known)
        known.alone = None

    def _undone(self) -> Any:
        raise AssertionError("what the Python did stays")

    def _ended(self, result: Any) -> Any:
        """Compiles what was traced, and computes with it what the call leaves, if that was many operations."""
        outcome = self._outcome(result)
        if outcome is None:
            self._refused()
        elif (outcome := self._lifted(outcome)) is not None:
            self._take_in(outcome)
        return self._given_out(result)

    # ---- afterwards ----

    def _outcome(self, result: Any) -> Outcome | None:
        """What the call leaves; None if that cannot be compiled, as the trace says."""
        trace, given, scope = self.trace, self.given, self.scope
        trace.count_nodes()
        sets, changed = self._bound()
        outcome = outcome_of(trace, result, given, scope, self.captured, sets) if trace.refusal is None else None
        if not changed and (floating.in_force() is not self.capsule or self.filters != warnings.filters):
            changed = "the floating-point error state or the warning filters"
        if changed or scope.refusal:
            seen = any(item.key_of in self.jitted._varying for item in self.varying) and not is_alone()
            trace.refuse(f"it changes {changed}{f', {THREADS}' if seen else ''}" if changed else scope.refusal)
        if streams.of_python() != self.python or not trace.accounted():
            trace.refuse("random numbers were drawn or seeded in a way that cannot be followed")
        if trace.refusal is None and floating.filters_since(trace.start):
            for record in filter(_warns, trace.finish()[0]):
                trace.refuse(f"it changes the warning filters, and NumPy's {_name_of(record)} gives warnings itself")
        return None if trace.refusal is not None else Raised() if self.warned else outcome

    def _warned(self) -> None:
        """The Python warns by itself: a call that goes this way is the Python's."""
        self.warned = True

    def _bound(self) -> tuple[list[Setting], str]:
        """What the call has bound anew, and what else it has changed, in words."""
        sets: dict[Any, Setting] = {}
        scope, containers = self.scope, self.given.containers
        for found in self.given.others():
            if isinstance(found, str):
                return [], found
            item, now = found
            if self._stays(item, now):
                continue
            made = setting_in(item, self.given.handles[id(item.holder)], now, self._is_followed(item), known_as(now))
            if made is not None:
                sets[made.where] = made
            elif type(now) in BOXES or not self._varies(item, now):
                return [], f"{item.words}, of an argument"
        for item in scope.boxes.values():
            value, parts = scope.held[id(item.value)]
            now = parts_of(value)
            if id(value) in self.given.handles or len(now) != len(parts) or not all(map(is_, now, parts)):
                self.jitted._leaves_closed(item)
                return [], item.words
        first: dict[Any, Item] = {}
        for item, now in self._others():
            if item.where in scope.inside:
                continue
            if type(now) in BOXES and type(item.value) in BOXES and item.where not in scope.boxes and (
                    not self._varies(item, now)):
                return [], item.words
            if id(item.holder) not in containers:
                setting = setting_of(item, now, self._is_followed(item), known_as(now))
                if type(now) in BOXES and item.where not in scope.boxes and type(item.value) in BOXES or (
                        setting is None and self._varies(item, now)):
                    continue
                if setting is None:
                    return [], item.words
                sets.setdefault(setting.where, setting)
                first.setdefault(item.where, item)
        if first:  # what a function that was entered later found there is none of what was there before
            scope.items = [item for item in scope.items if first.get(item.where, item) is item]
        return list(sets.values()), scope.added() or next((item.words for item in self.varying), "")

    def _stays(self, item: Item, now: Any) -> bool:
        """Whether a number of the program is there that was there before."""
        return False

    def _others(self) -> Iterator[tuple[Item, Any]]:
        """What has been bound anew."""
        return self.scope.others()

    def _is_followed(self, item: Item) -> bool:
        """Whether the number in a place is one of the program."""
        return False

    def _varies(self, item: Item, now: Any) -> bool:
        """Notes that a place has another number now; False if that cannot be followed from the next call on."""
        boxes = type(item.value) is type(now) and type(now) in BOXES and item.where not in self.scope.boxes and (
            may_be_opened(item.value) and may_be_opened(now) and item.key_of not in self.jitted._asked
            and not other_numbers(item.value, now))
        if not boxes and not (is_number(item.value) and is_number(known_as(now))) or place_of(item) is None:
            return False
        self.varying.append(item)
        return True

    def _lifted(self, outcome: Outcome) -> Outcome | None:
        """What the call leaves where views are arrays of their own. If this call uses them otherwise, what was compiled
        for any view has to go, and each view is traced from now on; None if that is what would take in the trace."""
        jitted, given, other = self.jitted, self.given, self.given.other
        if other is None:
            return outcome
        if self.known is None or other.lift <= candidates(given, jitted._fixed):
            end, root = lifted(self.trace, outcome, given, self.scope, other.lift)
            if not root:
                self.given = other
                return end
            words = words_of(given, root)
        else:
            words = {other.words[name] for name in other.lift}
        with jitted._lock:
            jitted._fixed |= words
            jitted._compiled = tuple(c for c in jitted._compiled if c is not self.known)
        return outcome if self.known is None else None

    def _refused(self) -> None:
        jitted, trace = self.jitted, self.trace
        if trace.lost:
            jitted._every_turn = True
            jitted._why.append(f"traced again, with every turn of its loops: {trace.refusal}")
        elif self.known is not None and trace.loops is not None and trace.loops.is_put_off:
            jitted._why.append(str(trace.refusal))
            self.known.put_off = PUT_OFF
        elif not self.rolls and trace.endless is not None and may_end(trace.endless):
            jitted._roll(self.known)
        elif not jitted._follows(self.varying, self.known):
            jitted._refused(trace.refusal or Refusal("it cannot be compiled", ""), self.known)

    def _take_in(self, outcome: Outcome) -> None:
        """Compiles what was traced."""
        jitted = self.jitted
        if self.known is None and not self.rolls and self.trace.may_skip and _is_of_turns(self.trace):
            return jitted._roll(None)  # what is compiled of it would seldom serve another call
        compiled = self._compiled()
        refusal = compiled.add(self.trace, outcome)
        if self.known is not None and compiled.may_be_rolled(refusal is not None):
            jitted._roll(compiled)
        elif refusal is OTHERWISE and compiled.whole_turns != jitted._whole_turns():
            jitted._trace_anew(compiled)
        elif refusal is not None:
            jitted._refused(refusal, self.known)
        elif self.known is not None:
            with jitted._lock:
                family_of(compiled, jitted._compiled)
        else:
            self._enter(compiled)
            if type(outcome) is not Raised:
                compute_first(compiled, self.trace, outcome)
            if not self.kwargs:
                jitted._counting(compiled, self.args)
            self._let_go(compiled)
        compiled.alone = None

    def _compiled(self) -> Compiled:
        """What takes in the trace."""
        self.scope.leave_out(set(self.given.containers))
        if self.known is None:
            made = Compiled(self.jitted._name, self.given, self.scope, self.captured, self.capsule)
            made.rolls, made.whole_turns = self.rolls, self.whole_turns
            return made
        self.known.scope.merge(self.scope)
        return self.known

    def _enter(self, compiled: Compiled) -> None:
        """Has it serve later calls."""
        jitted = self.jitted
        with jitted._lock:
            others = [c for c in jitted._compiled if c not in self.before]
            if all(c.why_not(self.args, self.kwargs) for c in others):  # else another thread was quicker
                jitted._compiled = (compiled, *jitted._compiled)
                family_of(compiled, jitted._compiled)

    def _let_go(self, compiled: Compiled) -> None:
        if not self.jitted._keeps:
            compiled.given.let_go({id(item.value) for item in compiled.scope.items})

    def _given_out(self, result: Any) -> Any:
        self.trace.catch_up()
        if self.trace.counts:
            result = plain_counts(result)
        return real_elements(result, self.trace) if self.trace.real else result


class AttemptOfFewer(Attempt):
    """The same with fewer turns of a loop (`fewer`): gives AGAIN, with nothing done, if these are not enough."""

    least = FEW

    def __init__(self, jitted: Any, args: tuple[Any, ...], given: Arguments, scope: Scope, captured: Captured,
                 few: Fewer) -> None:
        super().__init__(jitted, args, {}, None, given, scope, captured)
        self.few, self.trace.undoable = few, True
        self.rolls, self.trace.loops = False, None
        scope.codes[few.function.__code__] = None

    def _run(self) -> Any:
        return self.few.function(*self.few.args)

    def _takes_back(self, error: BaseException) -> bool:
        if isinstance(error, KeyboardInterrupt):
            self._undone()
        return isinstance(error, (Exception, Irrevocable))

    def _undone(self) -> Any:
        return self.few.undone(self.trace)

    def _ended(self, result: Any) -> Any:
        outcome = self._outcome(result)
        if outcome is not None:
            outcome = self._lifted(outcome)
        if outcome is None:
            return self._undone()
        compiled = self._compiled()
        if compiled.add(self.trace, outcome, self.few) is not None or not compute_first(compiled, self.trace, outcome):
            return self._undone()
        self._enter(compiled)
        self.jitted._without_covered(compiled)
        self._let_go(compiled)
        compiled.alone = None
        return self._given_out(result)


class AttemptOfNumbers(Attempt):
    """The same with the numbers in some places as numbers of the program (`numbers`): gives AGAIN, with all put back,
    if they cannot be; `asked` says why, and `of` which ones."""

    least = NEVER

    def __init__(self, jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any], known: Compiled | None,
                 given: Arguments, scope: Scope, captured: Captured) -> None:
        given.other = None
        super().__init__(jitted, args, kwargs, known, given, scope, captured)
        self.trace.undoable, self.trace.may_skip = True, False
        self.trace.loops = None
        self.numbers = Numbers(self.trace, captured.numbers | {
            item.where: (name, item) for name, item in given.numbers.items()})
        self.snapshot, self.states = Snapshot(), streams.states_of(list(self.trace.generators.values()))
        self._note()
        self.asked, self.of = "", frozenset[Any]()

    def _note(self) -> None:
        self.snapshot.take(list(self.scope.objects.values()))
        self.snapshot.take([value for value, _ in self.given.containers.values()])
        self.snapshot.take([t for t, _ in self.given.views])

    def _found(self, frame: Any) -> None:
        if frame.f_code in self.scope.codes:
            return
        super()._found(frame)
        self._note()
        if why := uncontained(self.scope):
            self.numbers.ask(f"it reaches {why}")

    def _run(self) -> Any:
        self.numbers.install()
        args, kwargs = self.args, self.kwargs
        self.args, self.kwargs = tuple(self.given.positional), {**self.given.named}
        try:
            with followed_by_math():
                return super()._run()
        finally:
            self.args, self.kwargs = args, kwargs
            self.given.positional[:] = args
            self.given.named.update(kwargs)

    def _takes_back(self, error: BaseException) -> bool:
        self.asked = self.numbers.asked or f"it raises {type(error).__name__}"
        if not isinstance(error, KeyboardInterrupt):
            return True
        self.trace.forget_chains()
        self._settle()  # an interrupt: what was done stays
        error.args = plain(error.args)
        return False

    def _settle(self) -> None:
        """Has values in the places of Numbers."""
        self.numbers.closed = True
        for item, now in [*self.scope.others(), *[x for x in self.given.others() if not isinstance(x, str)]]:
            place = place_of(item)
            if place is not None and now is not MISSING:
                HOW[place[0]](item.holder, place[1], plain(now))

    def _undone(self) -> Any:
        trace = self.trace
        self.numbers.closed, self.of = True, self.numbers.of
        self.asked = self.numbers.asked or self.asked or str(trace.refusal)
        trace.forget_chains()
        self.snapshot.put_back()
        put_back(self.scope)
        streams.put_back(list(trace.generators.values()), self.states)
        for name, root in trace.roots.items():
            if root._value is not trace.entry[name]:
                with lock_of(root):
                    root._value = trace.entry[name]
        return AGAIN

    def _others(self) -> Iterator[tuple[Item, Any]]:
        places = self.numbers.places
        for _, item in places.values():
            if item.form != ARGUMENT and not self._stays(item, now := item.now()):
                yield item, now
        for item, now in super()._others():
            if item.where not in places:
                yield item, now

    def _stays(self, item: Item, now: Any) -> bool:
        place = self.numbers.places.get(item.where)
        return place is not None and issubclass(type(now), Opaque) and now._operand.name == place[0]

    def _is_followed(self, item: Item) -> bool:
        return item.where in self.numbers.places

    def _ended(self, result: Any) -> Any:
        trace, numbers = self.trace, self.numbers
        outcome = self._outcome(result) if not numbers.asked else None
        if outcome is None or numbers.asked:
            return self._undone()
        dtypes = {name: node.dtype for name, node in trace.entry.items()} | {
            name: node.dtype for name, node in trace.constants.items()} | {
            name: s._node.dtype for name, s in {**self.given.scalars, **self.captured.scalars}.items()}
        records = numbers.resolved(dtypes)
        if records is None:
            return self._undone()
        trace.replace(records)
        self._settle()
        result = plain(result)
        self.scope.items = [item for item in self.scope.items if item.where not in numbers.places]
        self._take_in(outcome)
        return self._given_out(result)


def _is_of_turns(trace: Trace) -> bool:
    """Whether values have ended loops within each other, or one after another, after many turns."""
    if trace.answers < MANY_TURNS:
        return False
    answers = [x for x in trace.finish()[0] if type(x) is Record and x.kind == "answer"]
    ends = Counter([(x.code, x.lasti) for x in answers if may_end(x)])
    return len(ends) > 1 and ends.total() >= MANY_TURNS


def is_raised(error: BaseException) -> bool:
    """Whether a `raise` or `assert` of the program's raised an exception, and nothing that it calls."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or not isinstance(error, Exception):
        return False
    frame, at = last.tb_frame, last.tb_lasti
    return is_users(frame.f_globals.get("__name__")) and frame.f_code.co_code[at] == dis.opmap["RAISE_VARARGS"]


def real_elements(result: Any, trace: Trace) -> Any:
    """A traced call's result with NumPy's own scalars for elements, as any other call gives."""
    kind = type(result)
    if issubclass(kind, Scalar):
        return seen(result) if trace.is_element(result._node) else result
    if kind is list:
        result[:] = [real_elements(x, trace) for x in result]
        return result
    if kind is tuple:
        return tuple([real_elements(x, trace) for x in result])
    if kind is dict:
        for key, value in result.items():
            result[key] = real_elements(value, trace)
        return result
    if issubclass(kind, tuple) and hasattr(kind, "_make"):
        return kind._make([real_elements(x, trace) for x in result])
    return result
