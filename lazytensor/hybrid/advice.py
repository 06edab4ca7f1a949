"""What a program can do about a reason for which its Python runs."""

from __future__ import annotations

_ADVICE = (
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
    ("cannot be made again", "return arrays, numbers, or lists, tuples, dicts and dataclasses of these"),
    ("gave something else than", "give what changes (the time, a file, a length) as an argument"),
    ("that something outside holds too", "lazytensor.asarray of it, as an argument or a variable outside"),
)  # fmt: skip
"""For what a reason says, the first that fits."""


def advice_for(reason: str) -> str:
    """What to do, in words; "" if there is nothing to say.

    >>> advice_for("x is a real NumPy array")
    'lazytensor.asarray(x) shares its memory and is compiled'
    """
    return next((advice for said, advice in _ADVICE if said in reason), "")
