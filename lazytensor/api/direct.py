"""Calls of NumPy's functions and methods that run when they are written, done by the extension where all is plain.

`fallback` and `methods` say what such a call is: arrays are realized, NumPy works on their memory, what it makes is
wrapped. Where the arguments are realized arrays of their own, numbers and the like, none of that needs Python, and
NumPy is called from the user's own line. What is not as plain goes to the Python function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..hot import learn, native
from .fallback import Loans, writing_place
from .handle import Tensor, peek
from .relative import relative_view

_SMALL_ONLY, _AS_THEY_ARE, _REALIZED_ONLY, _OF_NUMBERS, _IF_STEADY, _OF_UFUNC, _WRITES, _VIEWS, _ALONE, _TAKEN_IN = (
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def direct(slow: Callable[..., Any], real: Callable[..., Any], small: bool = False,
           as_they_are: bool = False, realized: bool = False, numbers: bool = False, steady: bool = False,
           writes: bool = False, views: bool = False, alone: bool = False, draws: bool = False,
           taken_in: bool = False, places: int | None = None, quick: Any = None) -> Any:
    """A function as the extension calls it.

    Parameters
    ----------
    slow : callable
        Ours, which can do all.
    real : callable
        NumPy's, which writes to none of its arguments but `out` (and the first, if it `writes`).
    small : bool
        Whether only small arrays (``config(small=)``) are dealt with at once.
    as_they_are : bool
        Whether results other than arrays are the user's as they are, lists too.
    realized : bool
        Whether only arrays that are there are dealt with at once; else also small ones one operation from it.
    numbers : bool
        Whether there need be no array among the arguments.
    steady : bool
        Whether only lines that run at once (``config(eager_after=)``) are dealt with at once; results that are numbers
        are lazy scalars then.
    writes : bool
        Whether it writes to its first argument and gives None: done at once where nobody else has that memory.
    views : bool
        Whether it gives views of its first argument and looks at no element.
    alone : bool
        Whether it has to be given no argument by keyword.
    taken_in : bool
        Whether kernels take it in, or go on from its result.
    draws : bool
        Whether it draws from numpy.random's one stream: nothing else matters then.
    places : int, optional
        How many arguments may be positional; those after them may be written to.
    quick : callable, optional
        What stands for `slow` in the extension.
    """
    if native is None:
        return slow
    if draws:
        return drawer(slow, real, 8, of_generator=False)
    flags = (_SMALL_ONLY * small | _AS_THEY_ARE * as_they_are | _REALIZED_ONLY * realized | _OF_NUMBERS * numbers
             | _IF_STEADY * steady | _WRITES * writes | _VIEWS * views | _ALONE * alone | _TAKEN_IN * taken_in)
    return native.Direct(writing_place(real) if places is None else places, {}, quick or slow, real, flags)


def drawer(slow: Callable[..., Any], real: Callable[..., Any], places: int, of_generator: bool = True) -> Any:
    """A method of a generator, or a function of numpy.random, as the extension calls it: NumPy's `real`, with at most
    so many arguments by position, as those after them may be written to."""
    return slow if native is None else native.Drawer(places, {}, slow, real, int(of_generator))


def of_ufunc(name: str, slow: Callable[..., Any], places: int) -> Any:
    """A ufunc's method that makes an array, as the extension calls it on arrays that are there, from lines that run at
    once; `at` writes to its first argument whenever nobody else has that memory."""
    if native is None:
        return slow
    flags = _OF_UFUNC | (_WRITES if name == "at" else _SMALL_ONLY | _REALIZED_ONLY | _IF_STEADY * (name != "reduceat"))
    return native.Direct(places, {}, slow, name, flags)


def viewer(slow: Callable[..., Any], real: Callable[..., Any], step: Callable[..., Any], by_shape: bool = False) -> Any:
    """A method that gives a view, as the extension calls it.

    Parameters
    ----------
    slow : callable
        Ours, which can do all.
    real : callable
        NumPy's, which gives a view, a new array or an error, and looks at no element.
    step : callable
        What gives the view of the root's value, of the same arguments.
    by_shape : bool
        Whether it is given the view's shape instead, and 'C'.
    """
    return slow if native is None else native.Viewer(step, {}, slow, real, int(by_shape))


def returned(value: Any, given: tuple[Any, ...], lent: tuple[Any, ...]) -> Any:
    """What the user gets for a result that is no new array, or one in another order: an argument, a view of one, a
    tuple."""
    loans = Loans(peek)
    _note(loans, given, lent)
    return loans.returned(value)


def _note(loans: Loans, given: Any, lent: Any) -> None:
    for own, array in zip(given, lent, strict=True):
        if type(own) is Tensor:
            loans.note(own, array)
        elif own is not array and type(own) in (list, tuple):
            _note(loans, own, array)


learn(returned=returned, relative_view=relative_view)
