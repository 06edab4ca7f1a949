"""Who watches a program run: a trace in progress is told what the program does with arrays and their values.

`active` holds the traces, at most one a thread; the rooms above fill it (as `interpreter.on_execute`), and while it is
empty a look at it is all that watching costs. A watcher has these methods:

=================  ==============================================================================================
realizing(nodes)   these are about to be computed
failed()           computing them raised an exception
truth(t)           ``bool(t)`` of a Tensor or lazy scalar; gives the answer
looked(t)          a Tensor's values are read; gives the array
scalar(s)          a lazy scalar's value is read; gives it
postpones(node)    this one has a long chain behind it: whether it may wait on nevertheless
refuse(why)        what the program does cannot be done again without its Python
gave(t)            a Tensor's memory is given out or replaced
foreign(root)      memory of somebody else's is read, of a root if it is a Tensor's; gives a node to read it through,
                   for what runs at once, or None
writes(root)       a root is about to get another value
measured(t, axis)  the program looks at a Tensor's length along an axis, or (None) at all of them, or (LAYOUT) at its
                   strides, too; an axis that it has not says only that there is such a view. It may give what the
                   program sees of all lengths
eager(fn, ...)     NumPy runs ``fn(*args, **kwargs)`` now; gives the result, or `PASS` if that is not its business
=================  ==============================================================================================
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from typing import Any

from ..hot import learn


class Watcher:
    """What the watchers' class begins with.

    Attributes
    ----------
    ident : the thread that is watched
    start : the number in program order from which on nodes are of what is watched: a root that has such a node is not
        told of again
    waits : whether nothing has been computed yet, so that all that these nodes read is held by the watcher
    hides : whether there are `Opaque` numbers about: then it is told of indices (``indexed(t, index)`` gives a plain
        one)
    """

    __slots__ = ("ident", "start", "waits")
    ident: int
    start: int
    waits: bool
    hides = False

    def floated(self, s: Any) -> float:
        """``float(s)`` of a lazy scalar."""
        return float(self.scalar(s))

    def item_of(self, s: Any) -> Any:
        """``s.item`` of a lazy scalar."""
        return self.scalar(s).item

    def uncollected(self, given: Any) -> Any:
        """A list of which an array is made, as it is for whoever watches."""
        return given

    def scalar(self, s: Any) -> Any:
        raise NotImplementedError

    def picked(self, t: Any, mask: Any) -> Any:
        """What a mask picks from an array, or None if the watcher has no way of its own for that."""
        return None

    def pick_of(self, node: Any) -> Any:
        """What is known of a node that `picked` gave; None of others."""
        return None

    def measured(self, t: Any, axis: int | None = None) -> Any:
        """The program looks at lengths."""

    def sized(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function that looks at no element of its first argument."""
        self.measured(args[0], LAYOUT)
        return PASS

    def put(self, root: Any, noticing: Any, written: Any, picks: Any) -> bool:
        """Whether a root has got a value computed from picked elements, as one of all elements."""
        return False


class Opaque:
    """A number whose value a watcher hides from the program; `used()` gives it to an operation on arrays, which notes
    that. Everything else that would tell its value ends the watching."""

    __slots__ = ()

    def used(self) -> Any:
        """The number, as an operand."""
        raise NotImplementedError

    def stored(self, t: Any) -> Any:
        """The number, as what is put into a Tensor."""
        return self.used()

    def scalar(self) -> Any:
        """The number as NumPy's float64, which it becomes in a function of numbers alone; None if it is not one."""
        return None


active: list[Any] = []
learn(watchers=active, Watcher=Watcher)
PASS: Any = object()
"""What a watcher gives for a call that may go its usual way."""


def mine() -> Any:
    """This thread's watcher, or None."""
    ident = get_ident()
    for watcher in active:
        if watcher.ident == ident:
            return watcher
    return None


LAYOUT = -1
"""The axis of a look at a Tensor's lengths and strides."""


def measured(t: Any, axis: int | None = None) -> Any:
    """Tells this thread's watcher that a Tensor's lengths are looked at; gives what the program sees of them, or None
    if that is what they are."""
    watcher = mine()
    return None if watcher is None else watcher.measured(t, axis)


def laid_out(t: Any) -> None:
    """Tells this thread's watcher that a Tensor's strides are looked at."""
    measured(t, LAYOUT)


def sized(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """This thread's watcher's answer to a call that looks at the lengths of its first argument, a Tensor."""
    watcher = mine()
    return PASS if watcher is None else watcher.sized(fn, args, kwargs)


def eager(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], take: Any = None) -> Any:
    """This thread's watcher's answer to a call that NumPy is about to run."""
    watcher = mine()
    return PASS if watcher is None else watcher.eager(fn, args, kwargs, take)


def hand_over(old: Any, new: Any) -> None:
    """One watcher takes the place of another, if that is there."""
    if old in active:
        active[active.index(old)] = new


def insist(undo: Callable[..., None], *args: Any) -> None:
    """Does what has to be done although an interrupt comes meanwhile: then it is done again, from the beginning."""
    try:
        undo(*args)
    except KeyboardInterrupt:
        undo(*args)
        raise
