"""What a program can do about a reason for which its Python runs."""

from __future__ import annotations

import linecache
import re

_LENGTHS = ("a few lengths (pad, or take batches of one size); or jit the parts that look at no lengths (x.shape, len, "
            "iteration), which have one program for all")
_GOES_ON = "jit the functions that it calls, not itself: it goes on after the call has ended"
THREADS = "which is compiled only where there is no debugger, profiler or thread that may run code of the program"
"""Said of a change that a program could make, at a call where somebody could see what is put back."""
WHILE = "lazytensor.while_loop, of which the number of turns is no branch, instead of `while`"
OF_WAYS = ("lazytensor.where computes both sides in one program; parts that are jitted by themselves, with "
           "lazytensor.cond between them, have few ways each; a value that is a setting is better a Python number, "
           "named in static_argnames.")
"""What to do about ways that multiply,"""
OF_WHILE = f"What to do: {WHILE}."
"""and about a `while` of which each number of turns is a way."""
_ADVICE = (
    (THREADS, "call it a few times before threads of the program's are started; or return the new value, and set it "
              "outside"),
    ("is a real NumPy array", "lazytensor.asarray(x) shares its memory and is compiled"),
    ("is given out", "keep .numpy(), numpy.asarray(t), out= and the like outside of the function"),
    ("looks at the values of an array", "use lazytensor's functions on the array, or do what needs values outside"),
    ("changes the length of", "return what is to be appended, and append it outside"),
    ("changes the", "return the new value, and set it outside"),
    ("it changes", "return the new value, and set it outside"),
    ("random numbers were drawn or seeded", "draw arrays, from a generator that was made outside"),
    ("draws random numbers from a generator", "make the generator outside, as an argument or a variable"),
    ("decides on values more than", "lazytensor.where(condition, a, b) instead of `if`"),
    ("ways through it", "lazytensor.where(condition, a, b) instead of `if`"),
    ("that has been another one", "keep it an array: comparisons, where and sums need no Python number; of elements "
                                  "that a mask picks (x[mask]) there is another number each time, of where none"),
    ("raised an exception that it caught", "ask for what raises it with `if`, before"),
    ("shares memory in which its elements", "lazytensor.array copies it to memory of its own"),
    ("of objects", "arrays of numbers"),
    ("over memory of another", "x[mask] and lazytensor.where(mask, a, b) for indices of a mask; or call it outside"),
    ("holds a generator, ", _GOES_ON),
    ("holds a coroutine, ", _GOES_ON),
    ("holds an async_generator, ", _GOES_ON),
    ("cannot be made again", "return arrays, numbers, or lists, tuples, dicts and dataclasses of these"),
    ("gave something else than", "give what changes (the time, a file, a length) as an argument"),
    ("that something outside holds too", "lazytensor.asarray of it, as an argument or a variable outside"),
    ("the shape of ", _LENGTHS),
    ("the length of ", _LENGTHS),
    ("static argument ", "leave out of static_argnames what is only computed with, and give numbers as arrays "
                         "(lazytensor.asarray); what decides may have a few values"),
    (" is shared", "hand out a copy of what it writes to, as x.copy().numpy(): Python writes to memory that somebody "
                   "else has, too"),
    (", a random generator, is another", "make one generator outside, and give it to all calls"),
    (" is another object", "one object for all calls, or a jitted function of its arrays"),
)  # fmt: skip
"""For what a reason says, the first that fits."""


def advice_for(reason: str) -> str:
    """What to do, in words; "" if there is nothing to say.

    >>> advice_for("x is a real NumPy array")
    'lazytensor.asarray(x) shares its memory and is compiled'
    """
    if "decides on values" in reason or "ways through it" in reason:
        place = re.search(r"\((.+?), line (\d+)", reason)
        if place is not None and is_while(place[1], int(place[2])):
            return WHILE
    return next((advice for said, advice in _ADVICE if said in reason), "")


def is_while(file: str, line: int) -> bool:
    """Whether a loop's `while` is in that line, if its text is known."""
    return linecache.getline(file, line).lstrip().startswith("while ")


def advice_on(varying: str, value: str = "") -> str:
    """What to do where something is another from call to call, and had that value once.

    >>> advice_on("n", "3").partition(", of")[0]
    'a number is better given as an array, lazytensor.asarray(n)'
    """
    if not varying.startswith(("the ", "static ")) and re.match(r"-?\d", value):
        return (f"a number is better given as an array, lazytensor.asarray({varying}), of the dtype of those beside "
                "it, if Python does not need its value")
    return advice_for(varying)


def advice_at(place: str, calls: str = "Other ways run") -> str:
    """What becomes of ways that part at a place, and what to do, in words."""
    found = re.match(r"(.+?), line (\d+)", place)
    known = OF_WHILE if found is not None and is_while(found[1], int(found[2])) else OF_WAYS
    return f"{calls} its Python at every call. {known}"
