"""Loops of nothing but kernels in compiled functions, which the extension runs at one go (`_launches.c`)."""

import re
import signal
import threading
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import fast, fusing
from lazytensor.run import launcher
from tests.program_jit import unchecked

pytestmark = pytest.mark.skipif(not fusing.possible() or fast.native is None, reason="no kernels or no extension here")


def jacobi(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    return a


def jacobi_2d(a, b, steps):
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
        a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])
    return a


def growing(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 8.0 * (a[:-2] + a[2:])
        a[1:-1] = 8.0 * (b[:-2] - b[2:])
    return a


def skipping(a, b, steps):
    for _ in range(steps):
        a[1::2] = (a[:-1:2] + b[1::2]) * 0.5
        a[2::2] = (a[1:-1:2] - b[2::2]) * 0.5
        b[1:] = a[1:] * 0.5 + 1.0
    return a


def decaying(a, b, steps):
    for _ in range(steps):
        with np.errstate(under="ignore"):
            b[1:] = a[1:] * 0.5
        a[1:] = b[1:] * 0.75 + a[1:]
    return a


def quickened(function, *arrays, steps):
    """The function, jitted and compiled with kernels, that many steps."""
    compiled = np.jit(function)
    for _ in range(2):
        compiled(*map(np.array, arrays), steps)
    unchecked(compiled)
    for one in compiled._compiled:
        one.quicken()
    return compiled


def arrays(shape, scale=1.0):
    rng = real.random.default_rng(0)
    return [rng.random(shape) * scale for _ in range(2)]


@pytest.mark.parametrize("function", [jacobi, jacobi_2d, growing, skipping, decaying])
@pytest.mark.parametrize("n", [19, 43, 150, 900, 3201])
def test_it_gives_what_numpy_gives(function, n):
    if function is skipping:
        n |= 1
    shape = (min(n, 150), min(n, 200)) if function is jacobi_2d else n
    a, b = arrays(shape)
    with np.config(threads=1):
        compiled = quickened(function, a, b, steps=60)
        assert "launch" in compiled.source
        x, y = np.array(a), np.array(b)
        found = compiled(x, y, 60)
    expected = function(a, b, 60)
    assert real.array_equal(found.numpy(), expected)
    assert real.array_equal(x.numpy(), a) and real.array_equal(y.numpy(), b)


@pytest.mark.parametrize("function", [jacobi, jacobi_2d])
def test_it_runs_at_one_go(function):
    a, b = arrays((150, 150) if function is jacobi_2d else 3200)
    with np.config(threads=1):
        compiled = quickened(function, a, b, steps=60)
        before = fast.native.launched_loops()
        for _ in range(5):
            compiled(np.array(a), np.array(b), 60)
    assert fast.native.launched_loops() > before


@pytest.mark.parametrize("n", [50, 900])
def test_a_warning_in_a_late_turn_is_pythons(n):
    a, b = arrays(n)
    compiled = quickened(growing, a, b, steps=100)
    large = 1e280  # overflows after some turns
    a, b = a * large, b * large
    x, y = np.array(a), np.array(b)
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        plain = growing(a, b, 100)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        own = compiled(x, y, 100).numpy()
    assert real.array_equal(own, plain, equal_nan=True) and real.array_equal(y.numpy(), b, equal_nan=True)
    assert expected and {str(w.message) for w in found} == {str(w.message) for w in expected}


def loop_of(compiled, turns, lines):
    """A program that runs so many turns of the kernel of a compiled function."""
    address, mask = re.search(r"launch\w*\((\d+), [^)]*\) & (\d+)", compiled.source).groups()
    body = "".join(f"        if launch({address}, {line}) & {mask}: raise Abandon\n" for line in lines)
    return fast.native.Program(f"def call(p, q, r, s, t):\n    for _ in range({turns}):\n{body}    return 1\n",
                               {"launch": launcher.launcher(), "Abandon": ValueError})


def parts(a, b):
    return a[:-2], a[1:-1], a[2:], b[1:-1], b


@pytest.fixture
def kernel():
    return quickened(jacobi, *arrays(3000), steps=60)


def test_a_signal_interrupts_it(kernel):
    program = loop_of(kernel, 10**8, ["p, q, r, s"])

    def stop(*_):
        raise InterruptedError
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError):
            program(*parts(*arrays(3000)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_threads_go_on_meanwhile(kernel):
    program, turns, over = loop_of(kernel, 10**5, ["p, q, r, s"]), [], threading.Event()

    def run():
        program(*parts(*arrays(3000)))
        over.set()
    thread = threading.Thread(target=run)
    thread.start()
    while not over.is_set():
        turns.append(over.wait(0.001))
    thread.join()
    assert len(turns) > 10


def test_flags_end_it_and_raise(kernel):
    a, b = arrays(3000)
    a[2000] = real.finfo(float).max
    a[2001] = real.finfo(float).max
    with pytest.raises(ValueError):
        loop_of(kernel, 10**8, ["p, q, r, s"])(*parts(a, b))


def test_memory_that_is_not_aligned_is_refused(kernel):
    memory = real.zeros(8 * 3000 + 1, "u1")[1:].view("f8")
    with pytest.raises(ValueError):
        loop_of(kernel, 3, ["p, q, r, s"])(*parts(memory, arrays(3000)[1]))
