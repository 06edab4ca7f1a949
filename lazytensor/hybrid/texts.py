"""The text of a compiled function: the guard, the state that it runs in, and the body; and the function that it is."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..run import pool
from ..run.interpreter import apply_view
from . import fast
from .guards import Check
from .source import Writer
from .text import guard_lines


class Body(NamedTuple):
    """What of a `Writer` a text is made of: its lines, the names of a workspace's arrays, whether it draws, prints,
    calls functions that ask which operation is running, and calls what asks for the error state."""

    lines: list[str]
    names: list[str]
    draws: bool
    prints: bool
    runs: bool
    asks: bool

    @classmethod
    def of(cls, writer: Writer) -> Body:
        """That of a writer."""
        names = [f"b{i}_" for i in range(len(writer.temporaries))] + [f"d{i}_" for i in range(len(writer.prepared))]
        return cls(writer.lines, names, writer.draws, writer.prints, writer.runs, writer.asks)


def text_of(body: Body, checks: list[Check], commits: bool, given: list[str] | None = None) -> str:
    """The source; with `given`, the names that the extension's guard gives, the guard is what is left of it."""
    lines = ["def call(args, kwargs):"]
    if given is not None:
        lines += ["    x = G(args, kwargs)",
                  f"    if x is None: return {'slow' if commits else 'slow_2'}(args, kwargs)"]
        if given:
            lines.append(f"    {', '.join(given)} = x")
    if checks:
        lines += ["    try:", *guard_lines(checks),
                  "    except (LookupError, AttributeError, ValueError, TypeError):", "        return MISS"]
    state = ["cap = in_force()", "if cap is not CAP and not alike(cap): return MISS",
             "if not unchanged(cap): return ABANDON"]
    lines += ["    if not steady(CAP):", *[f"        {line}" for line in state]] if fast.native is not None else [
        f"    {line}" for line in state]
    if commits:
        lines += ["    E.calls = calls = E.calls + 1", "    if calls >= E.due: return CHECK"]
    return "\n".join(lines + running_lines(body, body.lines, commits)) + "\n"


def running_lines(body: Body, own: list[str], commits: bool) -> list[str]:
    """Lines run in a workspace, under an error state that leaves the call to the Python."""
    names = body.names
    space = "try: W = spaces.pop()\n    except IndexError: W = new_space()" if commits else "W = new_space_2()"
    lines = []
    if names:
        lines += [f"    {space}", f"    {', '.join(names)}{',' * (len(names) == 1)} = W"]
    if body.draws:
        lines.append("    states = drawn()")
    if body.prints:
        lines.append("    prints = []")
    if body.runs:
        lines.append("    before, run = noted.run, Run()")
    native = fast.native is not None  # whose programs are not interrupted; Python may be after any call
    if body.asks:
        lines.append("    token = enter(RUN)" if native else "    state = in_force()")
    own = ["    enter(RUN)"] * (body.asks and not native) + ["    noted.run = run"] * body.runs + own
    lines += ["    try:", *["    " + line for line in own]]
    failed = "restored(states, ABANDON)" if body.draws else "ABANDON"
    lines += ["    except (Exception, Abandon):", f"        return {failed}"]
    after = ["leave(token)" if native else "enter(state)"] * body.asks + ["noted.run = before"] * body.runs + [
        "spaces.append(W)"] * bool(names and commits)
    return lines + ["    finally:"] * bool(after) + [f"        {line}" for line in after]


def compiled_text(text: str, filename: str, scope: dict[str, Any]) -> Any:
    """The function `call` of a text: read by the extension, or where that does not know a line of it, compiled by
    Python."""
    if fast.native is not None:
        try:
            return fast.native.Program(text, scope)
        except ValueError:
            pass
    exec(compile(text, filename, "exec", dont_inherit=True), scope)
    return scope.pop("call")


def space_maker(writer: Writer) -> Any:
    """What makes a workspace: the temporaries, and the views over them."""
    temporaries, prepared = list(writer.temporaries), list(writer.prepared)

    def new_space() -> tuple[Any, ...]:
        arrays = [pool.empty(shape, dtype, strides) for shape, dtype, strides in temporaries]
        views = [apply_view(steps, arrays[int(text[1:-1])]) for text, steps in prepared]
        return (*arrays, *views)
    return new_space
