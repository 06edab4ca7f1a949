"""`lt.jit`: a function that is traced once for each structure of its arguments and then runs without its Python.

The contract is the library's: every call gives what the function's Python would have given, values, effects, draws and
exceptions. Whatever cannot be compiled so that this holds runs its Python; `explain` says what, and why.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
import types
import warnings
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from ..api.build import users_frame
from ..api.handle import root_of
from ..errors import HybridWarning
from ..run import floating
from ..run.watching import active, mine
from .advice import advice_on
from .alone import alone
from .arguments import Arguments
from .attempt import Attempt, AttemptOfFewer, AttemptOfNumbers
from .calling import Caller, asked
from .captured import Captured
from .checking import compared
from .compiled import Compiled, replays, uncollected
from .entering import Printing
from .explaining import explained
from .families import first_check, programs, with_few_sizes
from .fewer import fewer
from .guards import Namespace
from .kinds import EAGER, MOST_TRACES, Kinds, what_varies
from .lending import may_be_leaf
from .lifting import candidates
from .loopcount import loop_count
from .numbers import is_number
from .running import AGAIN, CHECK, MISS, UNSEEN, Sentinel
from .scope import BOXES, Item, Scope
from .settings import place_of
from .telling import Telling
from .tracing import Refusal
from .tripcount import covers, trip_count
from .undoing import is_alone, uncontained

HOT = 16
"""Calls after which a compiled function is compiled with kernels,"""
LONG = 64
"""or at its first comparison, if its loops saved so many lines."""
HOTTER, MOST_OPERATIONS = 1024, 1 << 13
"""Calls after which loops that were generated are traced in full, if these are so many operations at most: their
kernels take as long to be compiled."""
MOST_FAILED = 4
"""Attempts at a loop that a value ends after which it is given up."""
SEVERAL = 2
"""Programs for values of a number in an attribute after which it is a number of the program, if it can be."""
MOST_REFUSALS = 4
"""After so many traces that could not be compiled, without one that could, no more are tried."""
MOST_REASONS = 64
"""Why there were traces: the last ones are told."""
MOST_DOUBTS = 8
"""Comparisons, one after another, that differ while other threads are alive: then it was not their writes."""
_jitted: weakref.WeakSet[Any] = weakref.WeakSet()
_counts = {"traces": 0, "checks": 0, "refused": 0}


class Jitted(Caller):
    """A compiled function: what `jit` gives. Called, it does what the function does.

    Attributes
    ----------
    __wrapped__ : callable
        The function itself.
    source : str
        The compiled programs as text: one Python function for each structure of arguments.
    """

    __jitted__ = True

    def __init__(self, fn: Callable[..., Any], static_argnames: tuple[str, ...] = ()) -> None:
        functools.update_wrapper(self, fn)
        self.__wrapped__ = fn
        self._static = frozenset(static_argnames)
        self._names = _parameters(fn)
        unknown = self._static - set(self._names) if self._names is not None else set()
        if unknown:
            raise ValueError(f"static_argnames: {fn!r} has no parameter {sorted(unknown)[0]!r}")
        self._compiled: tuple[Compiled, ...] = ()
        self._off: Refusal | None = None
        self._refusals = 0
        self._warned = self._told = False
        self._why: deque[str] = deque(maxlen=MOST_REASONS)
        self._kinds = Kinds()
        self._lock = threading.RLock()
        self._tracing = 0
        self._every_turn = self._whole_loops = self._keeps = self._rolls = False
        self._not_rolled: Counter[Any] = Counter()
        self._not_over: Counter[Any] = Counter()
        self._in_full: set[Any] = set()
        self._fixed: set[str] = set()
        self._varying: set[Any] = set()
        self._asked: set[Any] = set()
        self._opened: set[Any] = set()
        _jitted.add(self)

    def _left(self, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: Compiled | None, answer: Any) -> Any:
        """A call without a result yet: for that answer of what is compiled, or (None) because not all were asked."""
        if active and mine() is not None:
            return self.__wrapped__(*args, **kwargs)
        if answer is None:
            compiled, answer = asked(self._compiled, args, kwargs)
        if answer.__class__ is not Sentinel:
            return answer
        if compiled is not None:
            return self._answered(answer, compiled, args, kwargs)
        if self._off is not None:
            return self.__wrapped__(*args, **kwargs)
        return self._traced(args, kwargs, None)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<lazytensor.jit of {self.__wrapped__!r}>"

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __reduce__(self) -> Any:
        return _rejitted, (self.__wrapped__, tuple(sorted(self._static)))

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    # ---- what a compiled function could not do ----

    def _answered(self, answer: Any, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for _ in range(64):
            if answer is AGAIN:
                compiled.left += 1
                answer = compiled.replay(args, kwargs)
            elif answer is CHECK:
                compiled.left += 1
                return self._checked(compiled, args, kwargs)
            else:
                break
        if answer.__class__ is not Sentinel:
            return answer
        if answer is UNSEEN and compiled.refusal is None:
            compiled.left += 1
            return self._another_way(args, kwargs, compiled)
        if self._must_not_wait():
            return self.__wrapped__(*args, **kwargs)
        compiled.left += answer is not MISS
        compiled.abandoned += 1
        if compiled.abandoned > 16 and 2 * compiled.abandoned > compiled.calls:
            self._give_up(compiled)
        return self.__wrapped__(*args, **kwargs)

    def _another_way(self, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: Compiled) -> Any:
        """A call that goes a way which is not compiled yet; one that raises is not either."""
        if compiled.put_off:
            compiled.put_off -= 1
            return self.__wrapped__(*args, **kwargs)
        try:
            return self._traced(args, kwargs, compiled)
        except Exception:
            compiled.abandoned += 1
            raise

    def _must_not_wait(self) -> bool:
        """Whether each operation must run when it is written, so that a call can only be Python's; notes why."""
        if floating.unchanged(floating.in_force()):
            return False
        why = f"its Python runs while {floating.why_not()}"
        if why not in self._why:
            self._why.append(why)
        return True

    def _give_up(self, compiled: Compiled) -> None:
        """A compiled function that more often than not leaves its calls to the Python is dropped."""
        if compiled.quick:  # a kernel may be what NumPy's calls are not: refused for memory that is not aligned
            self._quicken(compiled, False)
            compiled.abandoned = 0
            return
        with self._lock:
            self._compiled = tuple(c for c in self._compiled if c is not compiled)
            self._off = compiled.refusal or Refusal("most calls raise exceptions or floating-point warnings", "")

    def _checked(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call that also runs the Python, whose results count."""
        _counts["checks"] += 1
        compiled.next_check()
        predicted = compiled.predict(args, kwargs)
        if predicted.__class__ is Sentinel:
            more = predicted is UNSEEN and compiled.refusal is None
            return self._another_way(args, kwargs, compiled) if more else self.__wrapped__(*args, **kwargs)
        calls, unshared = compiled.calls, alone()
        with Printing(mute=True):
            result, difference = compared(self.__wrapped__, args, kwargs, predicted, compiled.generators)
        doubtful = compiled.calls != calls or self._tracing or not unshared
        compiled.doubts = compiled.doubts + 1 if difference and doubtful else 0
        if 0 < compiled.doubts < MOST_DOUBTS:  # another thread may have written to the same arrays
            compiled.due = compiled.calls + 1
        elif difference:
            self._off = Refusal(f"its Python gave something else than the compiled function: {difference}", "")
            self._compiled = ()
            _warn(f"lazytensor.jit: {self._name} depends on something that cannot be seen, such as the time, a file, "
                  f"or the length of a list: {difference}. From now on it runs its Python at every call.")
        elif compiled.calls - compiled._base >= HOT or compiled.rolled >= LONG:
            if compiled.calls - compiled._base < HOTTER or not self._again_in_full(compiled):
                self._quicken(compiled, True)
        return result

    def _quicken(self, compiled: Compiled, on: bool) -> None:
        """Compiles with kernels, or without; of a loop of which a few turns are not enough for that all are traced."""
        compiled.quicken(on)
        if compiled.unfit:
            with self._lock:
                self._whole_loops = True
                self._compiled = tuple(c for c in self._compiled if c is not compiled)
            self._why.append("traced again, with every turn of its loop: its kernels take turns by turns")

    def _again_in_full(self, compiled: Compiled) -> bool:
        """Has a function that is called often traced again, with all turns of loops that were generated: its calls
        have taken as long as that takes, and kernels of several turns are quicker than NumPy's calls."""
        loops = compiled.generated(MOST_OPERATIONS) - self._in_full
        if not loops or len(self._compiled) >= EAGER:
            return False
        with self._lock:
            self._in_full |= loops
            self._compiled = tuple(c for c in self._compiled if c is not compiled)
        self._why.append("traced again, with every turn of loops that were generated: it is called often")
        return True

    def _roll(self, compiled: Compiled | None) -> None:
        """Has a function traced again whose loops, which values end, have many ways through them, or many turns."""
        importlib.import_module(f"{__package__}.convergence")  # which imports this
        with self._lock:
            self._rolls = True
            self._compiled = tuple([c for c in self._compiled if c is not compiled])
        self._why.append("traced again, to have loops generated that values end: each number of turns is a way")

    def _whole_turns(self) -> tuple[Any, ...]:
        """Of which loops every turn is traced: as calls go on, of more."""
        given_up = [key for key, times in [*self._not_rolled.items()] if times >= MOST_FAILED]
        return self._every_turn, frozenset(self._in_full), frozenset(given_up)

    def _trace_anew(self, compiled: Compiled) -> None:
        """Has a function traced again whose loops are traced otherwise now than when that was compiled."""
        with self._lock:
            self._compiled = tuple([c for c in self._compiled if c is not compiled])
        self._why.append("traced again: of more loops than before every turn is traced")

    @property
    def _name(self) -> str:
        return str(getattr(self.__wrapped__, "__qualname__", self.__wrapped__))

    # ---- tracing ----

    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any], known: Compiled | None) -> Any:
        """Runs the Python, watched, and compiles what it did."""
        if self._must_not_wait():
            return self.__wrapped__(*args, **kwargs)
        if known is None and (why := self._kinds.never_holds(self._compiled, args, kwargs)):
            return self._without_program(args, kwargs, why)
        answer = self._derived(args, kwargs, known)
        if answer.__class__ is not Sentinel:
            return answer
        if known is None:
            with self._lock:
                worth = self._kinds.worth_tracing(programs(self._compiled), args, kwargs)
                if worth:
                    self._compiled = self._kinds.with_room(self._compiled)
            if not worth or len(self._compiled) >= MOST_TRACES:
                return self._without_program(args, kwargs)
            self._note_retrace(args, kwargs)
        return self._trace(args, kwargs, known)

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], known: Compiled | None) -> Any:
        space = Namespace()
        follow: Any = () if not is_alone() else self._varying
        if known is not None:
            follow = {item.key_of for item in known.given.numbers.values()}
        given = Arguments(space, args, kwargs, self._names or [], self._static, follow=follow)
        if known is None and self._follows(self._varied(given), None):
            space = Namespace()
            given = Arguments(space, args, kwargs, self._names or [], self._static, follow=self._varying)
        if given.refusal:
            self._refused(Refusal(given.refusal, ""), known)
            return self.__wrapped__(*args, **kwargs)
        scope = Scope(self._opened).walk((self.__wrapped__, self._name), *given.objects)
        if given.numbers and known is None and uncontained(scope):
            space = Namespace()
            given = Arguments(space, args, kwargs, self._names or [], self._static)
        given.other = self._with_leaves(given, known, args, kwargs)
        captured = known.captured if known is not None else Captured()
        taken = {id(root): name for name, root in given.roots.items()}
        if known is not None and captured.clash(scope.items, taken):
            return self._besides(args, kwargs, scope, taken)
        captured.prefer(scope)
        for handle in list(scope.tensors.values()):
            captured.add(handle, taken, scope.places.get(id(handle)))
        unfit = next(((name, root) for name, root in {**given.roots, **captured.roots}.items()
                      if not may_be_leaf(root)), None)
        if scope.refusal or unfit is not None:
            why = "" if unfit is None else _unfit(given.words.get(unfit[0]) or captured.words(unfit[0]), unfit[1])
            self._refused(Refusal(scope.refusal or why, ""), known)
            return self.__wrapped__(*args, **kwargs)
        if known is None:
            self._follows(self._set_outside(scope), None)
        numbers = self._numbers(scope, captured, known, given)
        if numbers or given.numbers:
            return self._with_numbers(numbers, args, kwargs, known, given, scope, captured)
        shared = any(root._state is not None for root in (*given.roots.values(), *captured.roots.values()))
        few = fewer(self.__wrapped__, args) if known is None and not kwargs and not self._whole_loops and (
            not shared) else None
        with uncollected():  # until the trace is gone, so that there is less to look through
            while few is not None:
                result = AttemptOfFewer(self, args, given, scope, captured, few).result()
                if result is not AGAIN:
                    _counts["traces"] += 1
                    return result
                few = few.more()
            _counts["traces"] += 1
            return Attempt(self, args, kwargs, known, given, scope, captured).result()

    def _without_program(self, args: tuple[Any, ...], kwargs: dict[str, Any], why: str = "") -> Any:
        """A call of a kind that gets no program, at least not yet: its Python runs. Many of them are worth a warning,
        if there was none."""
        kinds = self._kinds
        with self._lock:
            many = kinds.note_left(self._compiled, args, kwargs, why) and not self._warned
            self._warned |= many
        if many:
            advice = f" What to do: {kinds.advice}." if kinds.advice else ""
            _warn(f"lazytensor.jit: {self._name} left {kinds.left} calls to its Python: {kinds.words}.{advice}")
        return self.__wrapped__(*args, **kwargs)

    # ---- numbers that vary ----

    def _follows(self, items: list[Item], known: Compiled | None) -> bool:
        """Has the numbers in these places followed from now on; False if none can be."""
        boxes = {item.key_of for item in items if type(item.value) in BOXES} - self._asked - self._opened
        new = {item.key_of for item in items if is_number(item.value)} - self._asked - self._varying
        if not new and not boxes:
            return False
        with self._lock:
            self._varying |= new
            self._opened |= boxes
            self._compiled = tuple(c for c in self._compiled if c is not known)
        for words, keys in (("numbers of the program", new), ("new containers at every call", boxes)):
            if keys:
                self._why.append(f"{words} from now on: {', '.join(sorted(words for _, words in keys))}")
        return True

    def _varied(self, given: Arguments) -> list[Item]:
        """The arguments that were another number in each of several programs."""
        if len(self._compiled) < SEVERAL or not is_alone():
            return []
        return _of_several(given.values, [item for one in self._compiled for item in one.given.values], "key_of")

    def _set_outside(self, scope: Scope) -> list[Item]:
        """The places whose number was another one for each of several programs."""
        if len(self._compiled) < SEVERAL:
            return []
        items = [item for item in scope.items if is_number(item.value) and place_of(item) is not None]
        before = [item for one in self._compiled for item in one.scope.items if is_number(item.value)]
        return _of_several(items, before, "where")

    def _leaves_closed(self, item: Item) -> None:
        """Takes a container for what it is from now on: it is not a new one at every call."""
        with self._lock:
            self._opened.discard(item.key_of)
            self._asked.add(item.key_of)
            self._compiled = tuple([c for c in self._compiled if item.where not in c.scope.boxes])

    def _numbers(self, scope: Scope, captured: Captured, known: Compiled | None, given: Arguments) -> dict[Any, Any]:
        """The places whose numbers are followed in the call that is about to be traced, with their names."""
        if known is not None:
            return captured.numbers
        if not self._varying or not is_alone() or uncontained(scope):
            return {}
        found: dict[Any, tuple[str, Item]] = {}
        for item in scope.items:
            if item.key_of in self._varying and is_number(item.value) and place_of(item) is not None and (
                    id(item.holder) not in given.containers):
                found.setdefault(item.where, (f"e{len(found)}", item))
        return found

    def _with_numbers(self, numbers: dict[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any],
                      known: Compiled | None, given: Arguments, scope: Scope, captured: Captured) -> Any:
        """A call that is traced with numbers followed; if they cannot be, the Python runs, or it is traced without."""
        now = {item.where: item for item in scope.items}
        if any(where not in now for where in numbers) or not is_alone():
            return self.__wrapped__(*args, **kwargs)
        captured.numbers = {where: (name, now[where]) for where, (name, _) in numbers.items()}
        telling = Telling()
        with uncollected(), telling.first():
            _counts["traces"] += 1
            attempt = AttemptOfNumbers(self, args, kwargs, known, given, scope, captured)
            result = attempt.result()
        if result is not AGAIN:
            return result
        with telling.again():
            return self._without_numbers(attempt, args, kwargs, known)

    def _without_numbers(self, attempt: AttemptOfNumbers, args: tuple[Any, ...], kwargs: dict[str, Any],
                         known: Compiled | None) -> Any:
        """A call whose numbers could not be followed in an attempt, which has been undone."""
        if self._follows(attempt.varying, known):
            return self._trace(args, kwargs, None)
        if known is not None:
            known.refusal = Refusal(attempt.asked, "")
            return self.__wrapped__(*args, **kwargs)
        of = attempt.of & self._varying or {item.key_of for _, item in attempt.numbers.places.values()}
        with self._lock:
            self._varying -= of
            self._asked |= of
        self._why.append(f"{', '.join(sorted(words for _, words in of))}: {attempt.asked}")
        return self._trace(args, kwargs, None)

    def _besides(self, args: tuple[Any, ...], kwargs: dict[str, Any], scope: Scope, taken: dict[int, str]) -> Any:
        """A call that is a case of its own, although the guard of what is compiled for another one holds."""
        others = tuple(c for c in self._compiled if not c.captured.clash(scope.items, taken))
        one, answer = asked(others, args, kwargs)
        if answer.__class__ is not Sentinel:
            return answer
        return self._traced(args, kwargs, None) if one is None else self._answered(answer, one, args, kwargs)

    def _with_leaves(self, given: Arguments, known: Compiled | None, args: Any, kwargs: Any) -> Arguments | None:
        """The same arguments with views as arrays of their own (`lifting`), if they may be."""
        if known is not None:
            return known.given if known.given.lift else None
        lift = candidates(given, self._fixed) if given.viewed else None
        return Arguments(Namespace(), args, kwargs, self._names or [], self._static, lift) if lift else None

    def _derived(self, args: tuple[Any, ...], kwargs: dict[str, Any], known: Compiled | None) -> Any:
        """The call with a program that was traced for other sizes, compiled for these; MISS if there is none."""
        if known is not None and (known.family is None or known.tree is None or (
                known.family.tree.ends <= known.tree.ends)):
            return MISS  # no program has seen more
        own = self._compiled if known is None else (known,)
        families = {id(c.family): c.family for c in own if c.family is not None}
        if not families:
            return MISS
        for family in families.values():
            given = Arguments(Namespace(), args, kwargs, self._names or [], self._static, family.model.given.lift)
            if not all(may_be_leaf(root_of(leaf)) for leaf in given.roots.values()):
                return MISS
            if known is None and len(self._compiled) >= EAGER and family.laid_for(given) is not None and (
                    not self._kinds.worth_tracing(self._compiled, args, kwargs)):
                return self._without_program(args, kwargs)  # a size that may not come again
            compiled = family.bind(given)
            if compiled is None:
                continue
            compiled.due = first_check(family.bound + 1)
            answer = compiled.replay(args, kwargs)
            if answer is MISS:
                continue
            with self._lock:
                family.bound += 1
                others = tuple([c for c in self._compiled if c is not known])
                self._compiled = (compiled, *with_few_sizes(others, family))
            return answer if answer.__class__ is not Sentinel else self._answered(answer, compiled, args, kwargs)
        return MISS

    def _counting(self, compiled: Compiled, args: tuple[Any, ...]) -> None:
        """Compiles what has just been traced for any number of turns of a loop, if it differs from another in that."""
        for other in self._compiled:
            trip = trip_count(self.__wrapped__, compiled, other, args) if other is not compiled else None
            if trip is not None:
                compiled.counts_turns(trip)
                return self._without_covered(compiled)
            bound = loop_count(self.__wrapped__, compiled, other) if other is not compiled else None
            if bound is not None:
                compiled.bounds_loops(*bound)
                return self._without_covered(compiled)

    def _without_covered(self, compiled: Compiled) -> None:
        """Drops what another compiled function, which counts turns, serves, too."""
        with self._lock:
            self._compiled = tuple([c for c in self._compiled if c is compiled or not covers(compiled, c)])

    def _refused(self, refusal: Refusal, known: Compiled | None) -> None:
        """A trace that cannot be compiled: after a few, none is tried any more."""
        _counts["refused"] += 1
        self._why.append(str(refusal))
        with self._lock:
            self._refusals += 1
            if known is not None:
                known.refusal = refusal
            if refusal.final:  # nothing of it is worth keeping
                self._compiled = tuple([c for c in self._compiled if c is not known])
            if self._refusals >= MOST_REFUSALS or refusal.final and not self._compiled:
                self._off = refusal
            telling = bool(refusal.advice) and not self._told
            self._told |= telling
        if telling:
            _warn(f"lazytensor.jit: {self._name}: {refusal}. {refusal.advice}")

    def _note_retrace(self, args: Any, kwargs: Any) -> None:
        """Why a call is traced although others were; many of them are worth a warning."""
        if not self._compiled:
            return
        why = what_varies(self._compiled, args, kwargs) or "what it reaches, or the error state"
        self._why.append(f"traced again: {why}")
        number = len(programs(self._compiled)) + 1
        if number >= EAGER and not self._warned:
            self._warned = True
            what, _, value = why.partition(" was ")
            advice = advice_on(what, value)
            advice = f" What to do: {advice}." if advice else ""
            _warn(f"lazytensor.jit: {self._name} is traced for the {number}th time; what varies: {why}. From now on "
                  f"what is new runs its Python, until it comes up as often as there are programs.{advice}")

    # ---- what it did ----

    @property
    def source(self) -> str:
        """The compiled programs as text; of one that serves many sizes, as it is for the newest."""
        return "\n".join((f"# also for other lengths of {one.family.words()}\n" if one.family is not None else "")
                         + one.source for one in programs(self._compiled))

    def explain(self) -> str:
        """What is compiled, what is taken for granted, what is done in place, and what runs its Python, and why."""
        return explained(self._name, self._compiled, self._off, self._why, self._kinds)

    def cache_info(self) -> dict[str, Any]:
        """Counts: compiled structures, the sizes that they serve, paths through them, calls of them, and those left to
        the Python; and why there was a new trace each time."""
        own = programs(self._compiled)
        return {"compiled": len(own), "sizes": len(self._compiled),
                "paths": sum(c.tree.ends for c in own if c.tree is not None),
                "calls": sum(c.calls for c in self._compiled), "reasons": list(self._why),
                "left": self._kinds.left + sum(c.abandoned for c in self._compiled),
                "python": None if self._off is None else str(self._off)}


def _of_several(items: list[Item], before: list[Item], place: str) -> list[Item]:
    """Those whose number was another one in several of the programs before; places are the same by that attribute."""
    known: dict[Any, set[str]] = {}
    for item in before:
        known.setdefault(getattr(item, place), set()).add(repr(item.value))
    return [item for item in items
            if len(known.get(getattr(item, place), set()) - {repr(item.value)}) >= SEVERAL]


def _warn(message: str) -> None:
    """A HybridWarning at the line that called the jitted function."""
    frame = users_frame()
    where = ("<lazytensor>", 1, None, {}) if frame is None else (
        frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__"),
        frame.f_globals.setdefault("__warningregistry__", {}))
    warnings.warn_explicit(message, HybridWarning, *where)


def _unfit(words: str, root: Any) -> str:
    """Why an array that is not plain cannot be an argument of a compiled program."""
    if root._value.dtype.hasobject:
        return f"{words} is of objects"
    return (f"{words} shares memory in which its elements are not aligned, or lie in one place: lazytensor.array "
            "copies it to memory of its own")


def _parameters(fn: Any) -> list[str] | None:
    try:
        return list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        return None


def _rejitted(fn: Any, static: tuple[str, ...]) -> Any:
    return jit(fn, static_argnames=static)


def jit(fn: Any = None, *, static_argnames: Any = ()) -> Any:
    """A function that is traced once and then runs without its Python.

    The first call with arguments of a new structure runs the function and records what it asks for: later calls check
    that everything is as it was (structure, dtypes and shapes of arguments, which of them share memory, the numbers and
    strings among them, the globals, closure variables, defaults and attributes that the function reads) and run the
    compiled program. Arrays that the function reaches otherwise (weights) are inputs, too: their present values count.
    In-place updates, random draws, branches on values and exceptions are those of the Python. What cannot be compiled
    runs its Python.

    Parameters
    ----------
    fn : callable
        Left out, `jit` gives a decorator.
    static_argnames : str or sequence of str
        Parameters whose arguments are compared by value, such as configuration objects.

    Returns
    -------
    Jitted
        A function like `fn`, with `explain()`, `cache_info()` and `source`.

    Examples
    --------
    >>> import lazytensor as np
    >>> @np.jit
    ... def scaled(x, factor):
    ...     return (x - x.mean()) * factor
    >>> x = np.arange(4.0)
    >>> scaled(x, 2.0)
    array([-3., -1.,  1.,  3.])
    >>> scaled(x + 1, 2.0)
    array([-3., -1.,  1.,  3.])
    >>> scaled.cache_info()["compiled"]
    1
    """
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if fn is None:
        return lambda f: jit(f, static_argnames=names)
    if not callable(fn):
        raise TypeError(f"lazytensor.jit: a function is wanted, not {type(fn).__qualname__}")
    return Jitted(fn, names)


def cache_info() -> dict[str, int]:
    """Counts over all jitted functions: traces, calls that were compared, traces refused; calls that programs served
    without the Python; functions, programs kept."""
    return {**_counts, "replays": replays(), "functions": len(_jitted),
            "compiled": sum(len(f._compiled) for f in list(_jitted))}


jit.cache_info = cache_info  # type: ignore[attr-defined]
