"""Floating-point state: which operations must run when written, and warnings that point at the user's line.

A node stores the error state in force when it was written, an opaque capsule (`ir/errstate.py`). Pending nodes have
modes 'warn' and 'ignore' only: while a node runs, 'warn' is 'call' of a function that notes the node, and the warnings
are given after the run, for the user's line.
"""

from __future__ import annotations

import bisect
import builtins
import contextlib
import sys
import threading
import warnings
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from ..hot import learn, native
from ..ir.errstate import SILENT, capsule_of, enter, in_force, leave, modes_in_force, under, variable
from ..ir.node import tick

__all__ = ["KINDS", "alike", "calling", "enter", "in_force", "leave", "mask", "may_wait", "modes_of", "noted", "place",
           "running", "silent", "unchanged", "warn", "watch", "why_not"]

KINDS = ("divide", "over", "under", "invalid")
PENDING_MODES = {"warn", "ignore"}


MXCSR = {"invalid": 1, "divide": 4, "over": 8, "under": 16}
"""The flags that kernels give back."""


class _State:
    """What was found out about one capsule: may operations stay pending, the capsule to run them under, and the flags
    that matter."""

    __slots__ = ("capsule", "modes", "lazy", "running", "mask", "noticing")

    def __init__(self, capsule: Any) -> None:
        modes = under(capsule, modes_in_force)
        self.capsule, self.modes = capsule, tuple([modes[kind] for kind in KINDS])
        self.noticing: Any = None
        self.lazy = all(modes[kind] in PENDING_MODES for kind in KINDS)
        self.mask = sum(bit for kind, bit in MXCSR.items() if modes[kind] != "ignore")
        noting: Any = {kind: "call" if modes[kind] == "warn" else modes[kind] for kind in KINDS}
        self.running = capsule_of(**noting, call=_note) if self.lazy else capsule


_states: dict[int, _State] = {}


def _state_of(capsule: Any) -> _State:
    """What is known of an error state."""
    state = _states.get(id(capsule))
    if state is None or state.capsule is not capsule:
        if len(_states) > 256:
            _states.clear()
        state = _states[id(capsule)] = _State(capsule)
    return state


class _Watch:
    """What an operation compares to know that nothing has changed since the last look: error state and warning filters.

    `capsule` is the last error state seen to be lazy, `filters` a copy of the filters that `warnings` held then (to
    compare equal lists takes no longer than to compare two of their parts), `show` and `showwarning` its functions that
    show a warning: `catch_warnings` replaces the one, programs and `logging.captureWarnings` the other.
    """

    __slots__ = ("capsule", "filters", "show", "showwarning")

    def __init__(self) -> None:
        self.capsule: Any = None
        self.filters: list[Any] | None = None
        self.show: Any = None
        self.showwarning: Any = None


watch = _Watch()


class _Past:
    """What was in force when (which warning filters, say): what an entry says, from its number in program order on."""

    __slots__ = ("entries",)
    LIMIT = 1024

    def __init__(self) -> None:
        self.entries: list[tuple[int, Any]] = []

    def note(self, now: Any) -> None:
        """What is in force for what is written from now on."""
        entries = self.entries
        if entries and entries[-1][1] == now:
            return
        if len(entries) >= self.LIMIT:
            entries = self.entries = entries[self.LIMIT // 2:]  # another thread may be looking at the old list
        entries.append((tick(), now))

    def entry(self, seq: int) -> tuple[int, Any]:
        """Since when that was in force which was when a node was written, and that; None if it is not known any more.
        """
        entries = self.entries
        place = bisect.bisect(entries, seq, key=lambda entry: entry[0]) - 1
        return entries[place] if place >= 0 else (0, None)

    def at(self, seq: int) -> Any:
        """What was in force when a node was written; None if that is not known any more."""
        return self.entry(seq)[1]


_past = _Past()
_recording = _Past()
"""Whether somebody collected warnings (`_recorded`)."""


def _is_pythons(show: Any) -> bool:
    """Whether a function in the place of `warnings._showwarnmsg_impl` is Python's own."""
    return type(show) is FunctionType and show.__name__ == "_showwarnmsg_impl"


def _written(message: Any) -> None:
    """As Python's own does, which nobody finds where warnings are collected as lazytensor is imported."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(warnings._formatwarnmsg(message))  # type: ignore[attr-defined]


_plain_show = getattr(warnings, "_showwarnmsg_impl", None)
if _plain_show is not None and not _is_pythons(_plain_show):
    _plain_show = _written
_plain_showwarning = getattr(warnings, "_showwarning_orig", warnings.showwarning)
_showwarnmsg = getattr(warnings, "_showwarnmsg", None)


def filters_since(seq: int) -> bool:
    """Whether something has been written under other warning filters than those that were noted (`may_wait`) before."""
    entries = _past.entries
    return bool(entries and entries[-1][0] > seq)


def _would_raise() -> bool:
    """Whether the filters turn a RuntimeWarning into an error somewhere."""
    for action, _message, category, _module, _line in warnings.filters:
        if issubclass(RuntimeWarning, category):
            if action == "error":
                return True
            if _message is None and _module is None and not _line:
                return False
    return bool(getattr(warnings, "defaultaction", "default") == "error")


def _recorded() -> bool:
    """Whether somebody collects warnings as they are given."""
    global _plain_show
    show = getattr(warnings, "_showwarnmsg_impl", None)
    if _plain_show is _written and _is_pythons(show):
        _plain_show = show
    return show is not _plain_show or warnings.showwarning is not _plain_showwarning


def may_wait() -> bool:
    """Whether an operation written now may stay pending, as far as floating-point errors and warnings go.

    Slow; the hot paths compare with `watch` first, which this brings up to date.
    """
    capsule = in_force()
    filters = list(warnings.filters)
    recorded = _recorded()
    _past.note(filters)
    _recording.note(recorded)
    if not _state_of(capsule).lazy or recorded or _would_raise():
        watch.capsule = None
        return False
    watch.filters = filters
    watch.show = getattr(warnings, "_showwarnmsg_impl", None)
    watch.showwarning = warnings.showwarning
    watch.capsule = capsule
    return True


def why_not() -> str:
    """Why operations may not wait now (`may_wait`), in words; "" if they may."""
    if _recorded():
        return "warnings are recorded (warnings.catch_warnings(record=True), or warnings.showwarning is replaced)"
    if _would_raise():
        return "warnings are errors (warnings.simplefilter, -W)"
    return "" if _state_of(in_force()).lazy else "the error state (np.errstate) raises, prints, logs or calls"


def unchanged(capsule: Any) -> bool:
    """`may_wait`, quickly. The hot paths write this out."""
    return bool(capsule is watch.capsule and warnings.filters == watch.filters
                and getattr(warnings, "_showwarnmsg_impl", None) is watch.show
                and warnings.showwarning is watch.showwarning) or may_wait()


learn(Watch=_Watch, watch=watch, warnings_dict=vars(warnings), may_wait=may_wait, extobj=variable)


def foreign_may_wait() -> bool:
    """Whether another library's ufunc may stay pending: SciPy's special functions have an error state of their own."""
    special: Any = sys.modules.get("scipy.special")
    return special is None or all(
        mode == "ignore" for kind, mode in special.geterr().items() if kind != "memory")


class Noted(threading.local):
    """`run` is the floating-point state of the run in this thread (`interpreter.Floating`): its node, its errors."""

    run: Any = None


noted: Any = Noted() if native is None else native.Noted()


def _note(error: str, _flag: int) -> None:
    run = noted.run
    if run is not None:
        run.errors.append((run.node, error))


class Noticed(threading.local):
    """Whether an operation of this thread under `noticing` raised what somebody would be warned of."""

    raised = False


noticed = Noticed()


def _notice(_error: str, _flag: int) -> None:
    noticed.raised = True


def noticing(capsule: Any) -> Any:
    """The error state for what nobody is to be warned of if it raises what `capsule` warns of: `noticed` says so."""
    state = _state_of(capsule)
    if state.noticing is None:
        state.noticing = calling(capsule, _notice)
    return state.noticing




def running(capsule: Any) -> Any:
    """The capsule under which a node that was written under `capsule` runs."""
    return _state_of(capsule).running


def mask(capsule: Any) -> int:
    """The flags (`MXCSR`) that a node written under `capsule` warns of."""
    return _state_of(capsule).mask


learn(flags_of=mask)


def own_state(node: Any) -> Any:
    """The capsule under which a node runs that gives its warnings itself: a silent one if nobody was to see them.

    If the filters are others now than when the node was written, those that held then are followed until the run ends.
    """
    _is_shown_as_then(node)
    then = _past.at(node.seq)
    if then is None or then == warnings.filters:
        return node.errstate
    run = noted.run
    if run is not None and run.filters is None:
        run.filters = _follow()
    for action, text, category, name, number in then:
        if issubclass(RuntimeWarning, category):
            if action != "ignore":
                return node.errstate
            if text is None and name is None and not number:
                return SILENT
    return node.errstate


def warns_itself(capsule: Any) -> bool:
    """Whether what is written under `capsule` runs at once, under that very state: NumPy warns while it does."""
    return capsule is not None and not _state_of(capsule).lazy


def modes_of(capsule: Any) -> dict[str, Any]:
    """What is done about each kind of error under an error state."""
    modes = under(capsule, modes_in_force)
    return {kind: modes[kind] for kind in KINDS}


def alike(a: Any, b: Any) -> bool:
    """Whether two error states do the same: NumPy makes a new one at each `with np.errstate(...)`."""
    if a is b or a is None or b is None:
        return a is b
    modes = _state_of(a).modes
    return modes == _state_of(b).modes and PENDING_MODES.issuperset(modes)


def silent(capsule: Any) -> bool:
    """Whether an error state does nothing but warn, ignore or raise."""
    return set(modes_of(capsule).values()) <= {"warn", "ignore", "raise"}


def calling(capsule: Any, function: Callable[[str, int], None]) -> Any:
    """An error state that calls a function wherever `capsule` has NumPy warn."""
    modes: Any = {kind: "call" if mode == "warn" else mode for kind, mode in modes_of(capsule).items()}
    return capsule_of(**modes, call=function)


def let_wait(capsule: Any) -> Any:
    """Has what is written under an error state stay pending, whatever it does about errors: nobody runs it."""
    _state_of(capsule).lazy = True
    return capsule


def line_of(code: CodeType | None, lasti: int) -> int:
    """The line number of an instruction of a code object; 0 where it is not known."""
    if code is None:
        return 0
    for start, stop, line in code.co_lines():
        if start <= lasti < stop and line is not None:
            return line
    return code.co_firstlineno


def place(node: Any) -> str:
    """'file.py, line 3, in f', the user's line that wrote the node."""
    if node.code is None:
        return "an unknown place"
    return f"{node.code.co_filename}, line {line_of(node.code, node.lasti)}, in {node.code.co_qualname}"


def _globals_of(filename: str) -> dict[str, Any]:
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == filename:
            return module.__dict__
    main = sys.modules.get("__main__")
    if main is not None and not hasattr(main, "__file__"):  # ``python -c``, a session, a notebook
        return main.__dict__
    return _elsewhere.setdefault(filename, {"__name__": filename.removesuffix(".py") or "<unknown>",
                                            "__builtins__": builtins})  # for what is imported on the way


_elsewhere: dict[str, dict[str, Any]] = {}


def _action(filters: list[Any], message: str, module: str, line: int) -> str:
    """What filters do with a RuntimeWarning."""
    for action, text, category, name, number in filters:
        if (type(text) is not _Then and (text is None or _matches(text, message))
                and issubclass(RuntimeWarning, category)
                and (name is None or _matches(name, module)) and number in (0, line)):
            return str(action)
    return str(getattr(warnings, "defaultaction", "default"))


def always(message: Any) -> bool:
    """Whether the filters have a floating-point warning (as `warnings` has it, a `WarningMessage`) shown each time."""
    text, scope = str(message.message), _globals_of(message.filename)
    return message.category is RuntimeWarning and " encountered in " in text and _action(
        warnings.filters, text, scope.get("__name__") or "<unknown>", message.lineno) == "always"  # type: ignore[arg-type]


def _matches(pattern: Any, text: str) -> bool:
    return pattern == text if isinstance(pattern, str) else bool(pattern.match(text))


class _Told(threading.local):
    """What is to be done with the warning that this thread gives now, if it is `warn` that does, and whether those see
    it who collect warnings now; the text of the one that filters are asked of."""

    action: str | None = None
    plainly = False
    text = ""


_told = _Told()


class _Then:
    """The text in a filter that does what the filters did when the node that this thread runs was written."""

    __slots__ = ("action",)

    def __init__(self, action: str) -> None:
        self.action = action

    def match(self, text: str) -> bool:
        """Whether the filter is about this thread at all; the module that is asked for next has the rest."""
        run = noted.run
        _told.text = text
        return _told.action is not None or run is not None and run.node is not None and run.node.op.label is None


class _ThenOfModule(_Then):
    """The module in such a filter."""

    __slots__ = ()

    def match(self, module: str) -> bool:
        if _told.action is not None:
            return _told.action == self.action
        run = noted.run
        then = _past.at(run.node.seq) if run is not None and run.node is not None else None
        return then is not None and _action(then, _told.text, module, 0) == self.action


_FOLLOWING: list[Any] = [(action, _Then(action), RuntimeWarning, _ThenOfModule(action), 0)
                         for action in ("ignore", "default", "always", "module", "once")]


def _follow() -> list[Any]:
    """Puts filters before those in force that do, in the threads that ask for it, what others did before; gives the
    list that they are in, for `leave_filters`. In other threads they do nothing."""
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters[0:0] = _FOLLOWING
    return filters


def leave_filters(filters: list[Any]) -> None:
    """Takes away what `_follow` put into a list, once."""
    for one in _FOLLOWING:
        try:
            filters.remove(one)
        except ValueError:  # the program has emptied the list
            return


def _is_shown_as_then(node: Any) -> bool:
    """Whether what a node warns of is shown as Python does, since nobody collected warnings when it was written, though
    somebody does now."""
    if not _recorded() or _recording.at(node.seq) is not False or _plain_show is None:
        return False
    if getattr(warnings, "_showwarnmsg", None) is _showwarnmsg:  # for good: there is no time at which to put it back
        warnings._showwarnmsg = _show  # type: ignore[attr-defined]
    return True


def _show(message: Any) -> None:
    """What shows all warnings once one had to be shown as when its operation was written."""
    run: Any = noted.run
    node = None if run is None else run.node
    if _told.plainly or node is not None and node.op.label is None and _is_shown_as_then(node):
        _plain_show(message)  # type: ignore[misc]
    else:
        _showwarnmsg(message)  # type: ignore[misc]


_given: dict[tuple[str, str, int], set[int]] = {}
"""Under which filters, by when they were set, each warning has been given: its file, text and line."""


def _forget_others(filename: str, message: str, line: int, since: int, registry: dict[Any, Any]) -> None:
    """Python forgets what it has warned of when the filters change: so is what was given under others than those
    that came into force at `since`."""
    if len(_given) > 1024:
        _given.clear()
    given = _given.setdefault((filename, message, line), set())
    if given and since not in given:
        for numbers in ((line,), (0,), ()):  # "default", "module", "once"
            registry.pop((message, RuntimeWarning, *numbers), None)
    if len(given) > 64:
        given.clear()
    given.add(since)


def warn(errors: list[tuple[Any, str]]) -> None:
    """Gives NumPy's RuntimeWarning for each noted error, once for a node and kind, at the line that wrote the node.

    The filters that were in force when the node was written say what is done with it, and who collected warnings then
    sees it.
    """
    for node, error in dict.fromkeys(errors):
        code = node.code
        filename = code.co_filename if code is not None else "<lazytensor>"
        scope = _globals_of(filename)
        message, module = f"{error} encountered in {node.op.label}", scope.get("__name__") or "<unknown>"
        line = max(1, line_of(code, node.lasti))
        (since, then), filters = _past.entry(node.seq), None
        registry = scope.setdefault("__warningregistry__", {})
        if then is not None and then != warnings.filters:
            action = _action(then, message, module, line)
            if action == "ignore":
                continue
            _told.action, filters = action, _follow()
        _forget_others(filename, message, line, since, registry)
        _told.plainly = _is_shown_as_then(node)
        try:
            warnings.warn_explicit(message, RuntimeWarning, filename, line, scope.get("__name__"), registry)
        finally:
            _told.plainly = False
            if filters is not None:
                _told.action = None
                leave_filters(filters)


learn(running_state=running, own_state=own_state, leave_filters=leave_filters)
