"""Programs that trip lazy libraries, by family: each is a function of the module that it takes for NumPy.

Every program is plain NumPy. `program(np)` returns a tree of results (tuples, lists, dicts of arrays, scalars, texts),
most of them not yet computed when it returns. Its docstring says what a lazy library gets wrong.
"""

import inspect

from tests import trip_control, trip_numbers, trip_sharing, trip_views, trip_writes

FAMILIES = {
    "Writes, and what was read before them": trip_writes,
    "Views and layouts": trip_views,
    "Shared memory": trip_sharing,
    "Types, scalars and rounding": trip_numbers,
    "Order, exceptions, warnings and random streams": trip_control,
}


def family(module):
    """The programs of one file, in the order in which they are written."""
    return [f for f in vars(module).values() if inspect.isfunction(f) and f.__module__ == module.__name__]


def programs():
    """Every program of every family."""
    return [program for module in FAMILIES.values() for program in family(module)]
