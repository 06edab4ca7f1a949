"""Code that runs in the middle of everything: a finalizer that the garbage collector calls may use the library too."""

import gc
import pathlib
import sys

import numpy as real

from tests.helpers import module_under_test, same_bits


def test_what_the_collector_calls_may_compute():
    """The collector runs when a list or a tuple is made, also inside the library, under its locks.

    (Only there: CPython 3.11 crashes when code that the collector calls sets a context variable that is being set.)
    """
    np = module_under_test()
    values, inside = [], []

    def finalizer(phase, info):
        caller = sys._getframe(1).f_code.co_filename
        if inside or pathlib.Path(caller).name not in ("pool.py", "claims.py", "capture.py", "pins.py", "handle.py"):
            return
        inside.append(phase)
        x = np.ones(40_000) * 2
        x[1:] += x[:-1]
        values.append(float(x.sum()))
        inside.clear()

    threshold = gc.get_threshold()
    shared = np.zeros(4)
    gc.callbacks.append(finalizer)
    try:
        gc.set_threshold(1, 1, 1)
        for i in range(40):
            x = np.ones(40_000) * i
            y = real.arange(40_000.0)
            x += y
            z = (x * 2 - 1).realize()
            x[::2] = z[::2]
            shared += 1
            assert same_bits(real.asarray(z), (real.ones(40_000) * i + y) * 2 - 1)
    finally:
        gc.callbacks.remove(finalizer)
        gc.set_threshold(*threshold)
    assert len(values) > 200 and set(values) == {159_998.0}
    assert shared.tolist() == [40.0] * 4
