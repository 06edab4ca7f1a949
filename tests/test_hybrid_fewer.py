"""First calls of functions whose loops have many turns that an argument counts: traced with fewer, as if with all."""

import gc
import inspect
import subprocess
import sys
import textwrap
import threading
import types
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import attempt as attempt_module
from lazytensor.hybrid import fast
from lazytensor.hybrid import jit as jit_module
from lazytensor.hybrid.fewer import fewer
from tests.helpers import difference

pytestmark = pytest.mark.skipif(fast.native is None or sys.gettrace() is not None,
                                reason="loops are not found while a trace grows; a debugger sees all turns")


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of overflows
        yield


field = np.ones(12)
module = types.ModuleType("a_module_of_the_program")
module.field = np.ones(12)


def jacobi(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    return a


def before_and_after(a, b, steps):
    c = a * 0.5 + b.sum()
    b -= 1.0
    for _ in range(steps):
        c = c * 0.25 + b
        a += c
    b *= 2.0
    return c[1:], a + c, b.mean()


def exchanged(a, b, steps):
    x, y, z = a, b, a + b
    for _ in range(steps):
        x, y, z = y, z, (x + y + z) * 0.3
    return x, y, z


def another_kind_after_a_turn(a, b, steps):
    x = 1
    for _ in range(steps):
        x = x * 0.5 + a
    return x * b


def captured(a, b, steps):
    for _ in range(steps):
        field[1:] = field[:-1] * 0.5 + a[1:]
    return field * b


def grows_large(a, b, steps):
    for _ in range(steps):
        a = a * 1.5
        b += a
    return a


def short_at_last(a, b, steps):
    y = a[:] + 0.0
    for _ in range(steps):
        b *= 0.5
        y = y[1:] + 1.0
        y[2] * 2.0
    return b


def shrinks(a, b, steps):
    y = np.zeros(5000)
    for _ in range(steps):
        b *= 0.5
        y = y[1:] + 1.0
    return b, y


def dies_out(a, b, steps):
    for _ in range(steps):
        b *= 0.5
        t = a * b
    return t


def small_at_last(a, b, steps):
    for _ in range(steps):
        b *= 0.5
        a /= b
    return a


ALIKE = [jacobi, before_and_after, exchanged, captured, grows_large]
OTHERS = [small_at_last, short_at_last, shrinks, dies_out, another_kind_after_a_turn]


def on_numpy(function, own):
    numpy = types.ModuleType("numpy")
    vars(numpy).update(vars(real), range=range)
    return types.FunctionType(function.__code__, {**function.__globals__, "np": numpy, "field": own})


def called(function, namespace, steps, size=12):
    """What a call leaves: result or exception, arguments."""
    rng = real.random.default_rng(steps)
    a, b = (namespace.array(rng.random(size)) for _ in range(2))
    part, seen = a[2:], b[::2] + 0.0
    try:
        found = function(a, b, steps)
        found = list(found if type(found) is tuple else (found,))
        if namespace is np:
            np.realize(a, b, *found)
    except (IndexError, ValueError) as error:
        found = type(error)
    return found, a, b, part, seen


def called_as_on_numpy(function, numbers):
    """The function, jitted and called with these numbers, each with what NumPy gives."""
    field[:] = 1.0
    own = real.ones(12)
    compiled = np.jit(function)
    for number in numbers:
        expected = called(on_numpy(function, own), real, number)
        found = called(compiled, np, number)
        assert not difference(expected, found), number
        assert not difference(own, field)
    return compiled


@pytest.mark.parametrize("steps", [38, 101, 1777])
@pytest.mark.parametrize("function", [*ALIKE, *OTHERS])
def test_the_first_call_gives_what_numpy_gives(function, steps):
    compiled = called_as_on_numpy(function, (steps, steps, steps + 3))  # traced, compared, compared
    assert compiled.cache_info()["python"] is None and (compiled._compiled or function in OTHERS)


@pytest.mark.parametrize("function", ALIKE)
def test_few_turns_are_traced(function):
    compiled, before = np.jit(function), np.jit.cache_info()["traces"]
    called(compiled, np, 100_000 if function is jacobi else 601)
    own, = compiled._compiled
    assert own.few is not None and own.few.less < 80 and len(own._whole[0]) < 1000
    assert np.jit.cache_info()["traces"] == before + 1
    for steps in range(1201, 1300, 12):
        called(compiled, np, steps)
    assert np.jit.cache_info()["traces"] == before + 1


@pytest.mark.parametrize("function", OTHERS)
def test_turns_that_are_not_alike_are_traced_in_full(function):
    compiled = np.jit(function)
    called(compiled, np, 1500)
    assert all(own.few is None for own in compiled._compiled)


WARNED = """
import sys, numpy as real
np, jit = real, lambda f: f
if len(sys.argv) > 1:
    import lazytensor as np
    jit = np.jit
from tests.test_hybrid_fewer import grows_large, small_at_last, jacobi
for function in (grows_large, small_at_last, jacobi):
    for steps in (1300, 2500):
        a, b = np.arange(1.0, 13.0), np.ones(12)
        print(real.asarray(jit(function)(a, b, steps)).tolist(), real.asarray(a).tolist(), real.asarray(b).tolist())
"""


def test_warnings_due_in_a_later_turn_are_given():
    plain, own = [subprocess.run([sys.executable, "-c", WARNED, *arguments], capture_output=True, text=True)
                  for arguments in ([], ["lazytensor"])]
    assert plain.stdout == own.stdout
    assert sorted(plain.stderr.splitlines()) == sorted(own.stderr.splitlines())
    assert "overflow" in own.stderr and "test_hybrid_fewer.py" in own.stderr


def test_functions_that_do_more_run_once():
    done = []

    def tells(a, b, steps):
        done.append(steps)
        for _ in range(steps):
            a = a * 0.5 + b
        return a

    def by_a_value(a, b, steps):
        for _ in range(steps):
            a = a * 0.5 + b
        return a if a[0] > 0 else b

    def by_keyword(a, b, steps, *, out=None):
        for _ in range(steps):
            a = a * 0.5 + b
        return a if out is None else out
    a, b = np.ones(3), np.ones(3)
    for function in (tells, by_a_value, by_keyword):
        assert fewer(function, (a, b, 500)) is None
        assert not difference(function(real.ones(3), real.ones(3), 500), np.jit(function)(a, b, 500))
    assert done == [500, 500]


def test_arrays_of_modules_are_not_written_twice():
    def into_an_attribute(a, b, steps):
        for _ in range(steps):
            module.field[1:] = module.field[:-1] * 0.5 + a[1:]
        return a + b
    own = types.ModuleType("a_module_of_the_program")
    module.field, own.field = np.ones(12), real.ones(12)
    compiled = np.jit(into_an_attribute)
    assert fewer(into_an_attribute, (np.ones(12), np.ones(12), 200)) is None
    for steps in (200, 200, 200):
        called(types.FunctionType(into_an_attribute.__code__, {"module": own}), real, steps)
        called(compiled, np, steps)
        assert not difference(own.field, module.field)


def test_an_interrupt_leaves_arrays_as_they_were(monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt
    monkeypatch.setattr(attempt_module, "compute_first", interrupted)
    compiled, a, b = np.jit(jacobi), np.arange(12.0), np.ones(12)
    with pytest.raises(KeyboardInterrupt):
        compiled(a, b, 500)
    assert not difference((real.arange(12.0), real.ones(12)), (a, b))
    monkeypatch.undo()
    x, y = real.arange(12.0), real.ones(12)
    assert not difference((jacobi(x, y, 500), y), (compiled(a, b, 500), b))


def test_not_while_there_are_other_threads():
    a, b = np.ones(3), np.ones(3)
    assert fewer(jacobi, (a, b, 500)) is not None
    go = threading.Event()
    other = threading.Thread(target=lambda: go.wait())
    other.start()
    try:
        assert fewer(jacobi, (a, b, 500)) is None
    finally:
        go.set()
        other.join()


def test_large_arrays_and_few_turns_are_traced_as_they_are():
    a = np.ones(3)
    assert fewer(jacobi, (np.ones(1 << 18), a, 500)) is None
    assert fewer(jacobi, (a, a, 35)) is None


def test_a_first_call_leaves_the_collector_nothing():
    compiled, a, b = np.jit(jacobi), np.arange(12.0), np.ones(12)
    gc.collect()
    gc.disable()
    try:
        compiled(a, b, 500)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [x for x in gc.garbage if type(x).__module__.startswith("lazytensor")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def by_constant(function, number):
    """The function with that number in its code instead of an argument."""
    text = textwrap.dedent(inspect.getsource(function)).replace("range(steps)", f"range({number})")
    made: dict = {}
    exec(compile(text, __file__, "exec"), globals(), made)
    return made[function.__name__]


@pytest.mark.parametrize("number", [38, 101, 1777])
@pytest.mark.parametrize("function", [*ALIKE, *OTHERS])
def test_constants_give_what_numpy_gives(function, number):
    compiled = called_as_on_numpy(by_constant(function, number), (1, 1, 1, 2))  # traced, compared, compared, traced
    assert compiled.cache_info()["python"] is None and (compiled._compiled or function in OTHERS)


@pytest.mark.parametrize("function", ALIKE)
def test_few_turns_of_a_constant_number_are_traced(function):
    compiled, before = np.jit(by_constant(function, 601)), np.jit.cache_info()["traces"]
    expected = called(on_numpy(by_constant(function, 601), real.ones(12)), real, 5)
    field[:] = 1.0
    assert not difference(expected, called(compiled, np, 5))
    own, = compiled._compiled
    assert own.few is not None and own.few.less < 40 and "turns_" not in compiled.source
    for _ in range(3):
        called(compiled, np, 5)
    own, = compiled._compiled
    own.quicken()
    field[:] = 1.0
    assert not difference(expected, called(compiled, np, 5))
    assert np.jit.cache_info()["traces"] == before + 1 + (own.few is None)


def test_a_program_of_few_turns_is_that_of_all(monkeypatch):
    function = by_constant(jacobi, 100)
    few, full = np.jit(function), np.jit(function)
    few(np.arange(12.0), np.ones(12), 0)
    monkeypatch.setattr(jit_module, "fewer", lambda *args: None)
    full(np.arange(12.0), np.ones(12), 0)
    loops = [[line for line in one.source.splitlines() if "for _ in range" in line] for one in (few, full)]
    assert loops[0] and loops[0] == loops[1] and len(few.source) == len(full.source)


def test_a_constant_that_is_read_elsewhere_counts_nothing():
    def scaled(a, b, steps):
        for _ in range(60):
            a = a * 0.5 + b
        return a * 60
    a, b = np.ones(3), np.ones(3)
    assert fewer(scaled, (a, b, 0)) is None
    assert not difference(scaled(real.ones(3), real.ones(3), 0), np.jit(scaled)(a, b, 0))


def test_a_constant_that_is_given_back_counts_nothing():
    """Python 3.12 gives constants back with an instruction of its own."""
    def added(a, b):
        for _ in range(60):
            a += b
        return 60
    assert fewer(added, (np.ones(3), np.ones(3))) is None
    assert np.jit(added)(np.ones(3), np.ones(3)) == 60


@pytest.mark.parametrize("number", [None, 60])
def test_what_is_written_to_memory_at_once_is_written_once(number):
    """A float that is put into an array of integers is NumPy's to cast: that is no operation that waits."""
    def halved(x, steps):
        for _ in range(steps):
            x += 1
            x[0] = x[0] * 0.5
        return x
    function = by_constant(halved, number) if number else halved
    own, x = real.array([200, 3, 4]), np.array([200, 3, 4])
    expected = on_numpy(function, own)(own, 60)
    assert not difference(expected, np.jit(function)(x, 60)) and not difference(own, x)


@pytest.mark.parametrize("steps", [36, 41, 73, 150, 151])
def test_every_other_turn_is_of_values_of_its_own(steps):
    def exchanged(x, y, steps):
        for _ in range(steps):
            y[1:-1] += y[:-2]
            x, y = y, x
            x = x * 0.5 + 1.0
        return x, y
    own = [real.arange(9.0), real.ones(9)]
    for function, compiled in ((exchanged, np.jit(exchanged)), (f := by_constant(exchanged, steps), np.jit(f))):
        for _ in range(3):
            expected = on_numpy(function, own[0])(*[x.copy() for x in own], steps)
            assert not difference(expected, compiled(*map(np.array, own), steps))
