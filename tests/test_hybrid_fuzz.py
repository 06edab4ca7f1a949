"""A hundred or so random functions, jitted, on every run; `python -m tests.fuzz_hybrid` tries thousands."""

import pytest

from lazytensor.hybrid import nodes
from tests import program_computed, program_jit
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
