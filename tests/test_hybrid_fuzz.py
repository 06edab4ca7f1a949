"""A hundred or so random functions, jitted, on every run; `python -m tests.fuzz_hybrid` tries thousands."""

import numpy as real
import pytest

from lazytensor.hybrid import nodes
from tests import program_calls, program_computed, program_jit, program_number_arguments, program_number_steps
from tests.fuzz_hybrid import tried
from tests.helpers import module_under_test

BLOCK = 10


def check(seeds, control):
    module, compiled = module_under_test(), 0
    for seed in seeds:
        found, function, info = tried(seed, module, control)
        if found:
            raise AssertionError(function.report(module.__name__, found))
        compiled += bool(info.get("compiled"))
    assert compiled >= 1


@pytest.mark.parametrize("control", [False, True], ids=["straight", "control"])
@pytest.mark.parametrize("first", range(0, 60, BLOCK))
def test_random_functions(first, control):
    check(range(first, first + BLOCK), control)


@pytest.mark.parametrize("control", [False, True], ids=["straight", "control"])
def test_random_functions_as_nodes(control, monkeypatch):
    monkeypatch.setattr(nodes, "LARGE", 0)
    check(range(100, 120), control)


def test_a_function_is_made_from_its_seed_alone():
    assert program_jit.generate(7, True) == program_jit.generate(7, True) != program_jit.generate(8, True)


@pytest.mark.parametrize("seed", [538, 1550, 1578])
@pytest.mark.parametrize("control", [False, True])
def test_functions_that_once_differed(seed, control):
    found, function, _ = tried(seed, module_under_test(), control)
    assert not found, function.report("lazytensor", found)


@pytest.mark.parametrize("first", range(40, 120, 20))
def test_random_functions_of_views_of_what_they_compute(first):
    """41 is wrong where a view's name goes to another view (a kernel computes the result anew for each)."""
    for seed in range(first, first + 20):
        found, _ = program_computed.tried(seed, module_under_test(), jitted=True)
        assert not found, found.report("lazytensor")


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_random_functions_that_are_called_in_many_ways(first):
    module = module_under_test()
    for seed in range(first, first + 20):
        found, _ = program_calls.tried(seed, module)
        assert not found, found


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_random_functions_of_numbers_that_vary(first):
    module = module_under_test()
    for seed in range(first, first + 20):
        found, _ = program_number_arguments.tried(seed, module)
        assert not found, found


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_random_steps_of_time_loops(first):
    """1195 reads an element before a number is converted, and in a tape after it; in 53 and after the Python warns by
    itself."""
    module = module_under_test()
    for seed in (*range(first, first + 20), 1195, 53, 1155, 1324, 1392):
        found, _ = program_number_steps.tried(seed, module)
        assert not found, found


@pytest.mark.parametrize("dtype, steps, stays", [
    ("f8", ["b = a.view('i8')"], True),
    ("f8", ["b = a.view('i8')", "a /= 0"], False),  # a NaN's bits would show, of which there may be others
    ("f8", ["a /= 0", "b = a.view('u1')"], False),
    ("f8", ["a /= 0", "b = a.view('>f8')"], False),
    ("c16", ["a /= 0", "b = a.view('f8')"], True),
    ("i8", ["b = a.view('f8')", "a -= 1"], False),  # all bits of -1 make a NaN
    ("G", ["b = a.view('i2')"], False),  # bytes that mean nothing
    ("f8", ["a *= 1e30", "b = a.astype('i4')"], False),
    ("f8", ["a *= 1e30", "b = a.astype('c16')"], True),
])
def test_what_numpy_does_not_define_is_found_where_a_function_does_it(dtype, steps, stays):
    _, watched = program_jit._bodies([program_jit.Step(s) for s in steps], ["a"], None)
    names = {}
    exec("def f(a):\n" + watched, names)
    with real.errstate(all="ignore"):
        assert program_jit.Watch().stays(names["f"], [real.arange(4).astype(dtype)]) == stays


def test_a_guard_is_asked_where_a_function_takes_the_step():
    step = program_jit.Step("a = a + 1", guard="a.max() < 5")
    names = {}
    exec("def f(a):\n" + program_jit._bodies([step, step], ["a"], None)[1], names)
    assert [program_jit.Watch().stays(names["f"], [real.array([x])]) for x in (3, 4, 5)] == [True, False, False]
