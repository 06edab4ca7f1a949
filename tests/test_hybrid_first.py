"""The first call of a long jitted function: nothing runs while it is traced, and it gives what NumPy gives."""

import gc
import subprocess
import sys
import threading
import weakref

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import attempt, fast, first, tapes
from lazytensor.run.interpreter import on_execute
from tests.helpers import difference
from tests.program_jit import unchecked

STEPS = 400
kept = {}


def step(a, b):
    b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
    a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])


def jacobi(a, b):
    for _ in range(STEPS):
        step(a, b)
    return a


def several(a, b):
    seen = {}
    for i in range(STEPS):
        a = a * 0.9 + b
        if i % 50 == 0:
            seen[i] = a, a[1:3], a.sum(), a[2]
    return seen, a, a[::2], b


def in_place(a, b):
    for i in range(STEPS):
        a += b * 0.1
        b[i % len(b)] = a[0]
        a[2:4] = 1.5
        a[-1] = 2
    return b


def elements(a, b):
    for i in range(STEPS):
        k = i % (len(a) - 1) + 1
        a[k] -= a[:k] @ b[:k] * 0.01
        b[k] /= 1.5
    return a[3], b[2]


def drawn(a, b, rng):
    for _ in range(STEPS):
        a = a * 0.5 + rng.random(len(a)) * b
    return a


def looked_at(a, b):
    for i in range(STEPS):
        a = a * 0.9 + b
        if i == 150:
            scale = float(a[0])
        elif i > 150:
            a = a / scale
    return a


def branching(a, b):
    n = 0
    while a[0] < 30:
        a = a * 1.001 + b * 0.1
        n += 1
    return a, n


def infinite(a, b):
    for i in range(STEPS):
        a = a * 2.0 ** (i // 10)
        b = b + a
    return a, b


def zero_division(a, b):
    for i in range(STEPS):
        a = a + b
        if i == 300:
            b = b / (b - b)
    return a


def raised(a, b):
    for i in range(STEPS):
        a += b
        if i == 300:
            raise KeyError(i)


def caught(a, b):
    for i in range(STEPS):
        try:
            a = a + (b if i != 300 else real.ones(77))
        except ValueError:
            a = a * 2
    return a


def ignored(a, b):
    for i in range(STEPS):
        with real.errstate(over="ignore" if i % 2 else "warn"):
            a = a * 1.5 + b
    return a


def views_of_temporaries(a, b):
    parts = []
    for _ in range(STEPS):
        c = a * 1.0
        c[1:3] = b[1:3]
        a = c + b
        parts = [*parts[-2:], c[2:]]
    return parts, a


def returned_twice(a, b):
    for _ in range(STEPS):
        a = a * 0.9 + b
    return a, a, [a], 3.0


PROGRAMS = [jacobi, several, in_place, elements, looked_at, branching, infinite, zero_division, raised, caught, ignored,
            views_of_temporaries, returned_twice, drawn]  # fmt: skip


def outcome(function, module, wrap, dtype="f8"):
    """What a call gives: result or exception, and its arguments afterwards."""
    data = real.random.default_rng(3)
    args = [module.array(data.random(12).astype(dtype)) for _ in range(2)]
    more = (real.random if wrap is None else np.random).default_rng(5)
    with real.errstate(all="ignore"):
        try:
            result = (wrap or (lambda f: f))(function)(*args, *([more] if function is drawn else []))
        except Exception as error:
            result = type(error).__name__, str(error)
    return result, args


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_the_first_call_gives_what_numpy_gives(function, dtype):
    expected, plain = outcome(function, real, None, dtype)
    with unchecked(False):
        found, own = outcome(function, np, np.jit, dtype)
    assert difference(expected, found) is None
    assert difference(plain, own) is None


COMPUTED = [jacobi, several, elements, views_of_temporaries, returned_twice]


@pytest.mark.parametrize("function", COMPUTED, ids=lambda f: f.__name__)
def test_the_compiled_program_computes_it(function, monkeypatch):
    if function is elements and tapes.tape is None:
        pytest.skip("elements are for the tape, which is part of the extension")
    done = []

    def counted(*args):
        done.append(first.compute_first(*args))
        return done[-1]

    monkeypatch.setattr(attempt, "compute_first", counted)
    outcome(function, np, np.jit)
    assert done == [True]


WARNED = """
import sys, numpy as real
np, jit = real, lambda f: f
if len(sys.argv) > 1:
    import lazytensor as np
    jit = np.jit
from tests.test_hybrid_first import infinite, zero_division, ignored
for function in (infinite, zero_division, ignored):
    a, b = np.arange(1.0, 13.0), np.ones(12)
    print(real.asarray(jit(function)(a, b)[0]).tolist(), real.asarray(a).tolist())
"""


def test_warnings_are_given_at_the_users_lines():
    plain, own = [subprocess.run([sys.executable, "-c", WARNED, *arguments], capture_output=True, text=True)
                  for arguments in ([], ["lazytensor"])]
    assert plain.stdout == own.stdout
    assert sorted(plain.stderr.splitlines()) == sorted(own.stderr.splitlines())
    assert "test_hybrid_first.py" in own.stderr


def test_operations_run_one_by_one_where_somebody_counts_them():
    seen = []
    on_execute.append(seen.append)
    try:
        real.asarray(outcome(jacobi, np, np.jit)[0])
    finally:
        on_execute.remove(seen.append)
    assert len(seen) == 8 * STEPS


def test_what_is_kept_unseen_has_its_value():
    def f(a, b):
        for i in range(STEPS):
            a = a * 0.9 + b
            if i == 200:
                globals()["kept"]["a"] = a
        return a

    a, b = real.arange(5.0), real.ones(5)
    result = np.jit(f)(np.array(a), np.array(b))
    mine = kept.pop("a")
    expected = f(a, b)
    assert difference(kept.pop("a"), mine) is None
    assert difference(expected, result) is None


def test_another_thread_reads_and_writes_meanwhile():
    a, b = np.zeros(5), np.ones(5)
    stop = threading.Event()
    odd = []

    def other():
        while not stop.is_set():
            x = (a + 0).numpy()
            if len(set(x.tolist())) != 1:
                odd.append(x)

    def f(a, b):
        for _ in range(STEPS):
            a += b
            a *= 1.0
        return a

    thread = threading.Thread(target=other)
    thread.start()
    try:
        for _ in range(5):
            np.jit(f)(a, b)
    finally:
        stop.set()
        thread.join()
    assert not odd
    assert a.tolist() == [5.0 * STEPS] * 5


def test_large_arrays_do_not_wait():
    def f(a):
        for _ in range(3):
            a = a * 0.5 + 1
        return a

    a = np.ones(1 << 18)
    with np.config(depth=2):
        assert difference(f(real.ones(1 << 18)), np.jit(f)(a)) is None


def test_what_has_waited_is_freed():
    alive = []

    def f(a, b):
        for i in range(STEPS):
            a = a * 0.9 + b
            if i == 100:
                alive.append(weakref.ref(a._value))
        return a

    result = np.jit(f)(np.ones(5), np.ones(5))
    gc.collect()
    assert [ref() for ref in alive] == [None]
    assert difference(real.asarray(result), real.asarray(f(np.ones(5), np.ones(5)))) is None


@pytest.mark.parametrize("depth", [1, 7, None])
def test_whatever_the_depth(depth):
    with np.config(depth=depth):
        for function in COMPUTED:
            expected, plain = outcome(function, real, None)
            found, own = outcome(function, np, np.jit)
            assert difference(expected, found) is None
            assert difference(plain, own) is None


factor = 2.0


def nothing():
    pass


def times_factor(x):
    return x * factor


@pytest.mark.skipif(fast.native is None, reason="a profiler in Python is taken away after a while")
def test_a_function_that_is_entered_late_is_followed():
    global factor
    hidden = {times_factor}  # sets are not looked into

    def f(x):
        for _ in range(1 << 17):
            nothing()
        return next(iter(hidden))(x)

    with unchecked(False):
        g, x = np.jit(f), np.ones(3)
        assert g(x).tolist() == [2.0] * 3
        factor = 3.0
        assert g(x).tolist() == [3.0] * 3
