"""The guard in C against its twin in Python: both say yes and no to the same calls, and both give the same arrays."""

import os
import subprocess
import sys

import pytest

import lazytensor as np
from lazytensor.hybrid import fast

needs_extension = pytest.mark.skipif(fast.native is None, reason="the extension is not built")


class Held:
    def __init__(self, value):
        self.value = value


def compiled_with(f, *args):
    g = np.jit(f)
    for _ in range(3):
        g(*args)
    return g._compiled[0]


@needs_extension
def test_it_gives_handle_node_and_buffer_of_each_array():
    w, x = np.ones((2, 3)), np.ones(2)
    compiled = compiled_with(lambda x: x @ w, x)
    guard, names, rest = fast.guard(compiled.checks, 1)
    given = guard((x,), {})
    assert len(given) == len(names) == 6 and not rest
    assert given[0] is x and given[1] is x._value and given[2] is x._value.buffer and given[3] is w


@needs_extension
def test_it_says_no_where_python_says_no():
    held, scale, items = Held(2), [1.0], {"k": [1, 2]}

    def f(x):
        return x * held.value + scale[0] + len(items["k"])

    x = np.ones(3)
    compiled = compiled_with(f, x)
    guard, _, rest = fast.guard(compiled.checks, 1)
    assert guard((x,), {}) is not None and compiled.why_not((x,), {}) == ""
    for bad in (np.ones(4), np.ones(3, "f4"), np.ones((3, 1)), np.ones((3, 3))[:, 0], 3, x[:2]):
        assert guard((bad,), {}) is None and compiled.why_not((bad,), {}) != ""
    assert guard((x, x), {}) is None and guard((), {}) is None and guard((x,), {"y": 1}) is None

    def changes():
        globals()["len"] = lambda items: 7
        yield
        del globals()["len"]
        held.value = 3
        yield
        held.value = 2
        scale[0] = 2.0
        yield
        scale[0] = 1.0
        items["k"].append(3)
        yield
        items["k"].pop()
        f.__defaults__ = (1,)
        yield
        f.__defaults__ = None
        del held.value
        yield
        held.value = 2

    for _ in changes():
        assert guard((x,), {}) is None
        assert compiled.why_not((x,), {}) != ""
    assert compiled.why_not((x,), {}) == ""


@needs_extension
def test_a_row_that_is_none_is_refused():
    for row in ((99, 0, None, None, None, None, 0, -1), (fast.ARGUMENT, 5, None, None, None, None, 0, -1),
                (fast.ENTRY, 0, [], "k", None, None, 0, -1), (fast.CELL, 0, 3, None, None, None, 0, -1),
                (fast.ABSENT, 0, [], "k", None, None, 0, -1),
                (fast.ELEMENT, -1, [], None, None, None, 0, -1), (fast.ARGUMENT, 0, None, None, None, (1,), 1, -1)):
        with pytest.raises(ValueError, match="not a step"):
            fast.native.Guard(1, [row])
    with pytest.raises(TypeError):
        fast.native.Guard(1, [("x",)])
    with pytest.raises(TypeError, match="tuple and the dict"):
        fast.native.Guard(0, [])(1, 2)
    with pytest.raises(TypeError):
        fast.native.made(1)


@needs_extension
def test_what_it_makes_is_a_tensor_like_any_other():
    t = fast.native.made(np.arange(3.0).numpy().copy(), (3,), np.dtype(float), None)
    t += 1
    assert t.tolist() == [1, 2, 3] and (t * 2).sum() == 12 and t.flags.writeable and t.base is None


@needs_extension
def test_guards_are_collected_with_what_they_hold():
    import gc
    import weakref

    def used(held):
        f = np.jit(lambda x: x + held.value)
        for _ in range(3):
            f(np.ones(2))
        return weakref.ref(held)

    gone = used(Held(np.ones(2)))
    gc.collect()
    assert gone() is None


def test_without_it_everything_is_the_same():
    script = ("import lazytensor as np; from lazytensor.hybrid import fast; f = np.jit(lambda x: x * 2 + x.sum())\n"
              "print(fast.native, [f(np.arange(3.0) + i).tolist() for i in range(6)], f.cache_info()['compiled'])")
    environment = {**os.environ, "LAZYTENSOR_HOT": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    expected = [[(v + i) * 2 + 3 + 3 * i for v in range(3)] for i in range(6)]
    assert done.stdout.split(" ", 1)[0] == "None" and str([[float(x) for x in row] for row in expected]) in done.stdout
