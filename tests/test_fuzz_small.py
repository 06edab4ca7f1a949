"""A few hundred random programs on every run (`make fuzz` runs tens of thousands), and proof that the fuzzer sees."""

import numpy as real
import pytest

from tests import broken, program_borders, program_computed, program_threads, program_variants, programs
from tests.helpers import module_under_test, plan_soon

BLOCK = 25  # programs in a test


def assert_none_differs(found, module):
    if found:
        raise AssertionError(programs.shrink(found, module).report(module.__name__))


@pytest.mark.parametrize("first", range(0, 24 * BLOCK, BLOCK))
def test_random_programs(first):
    module = module_under_test()
    for seed in range(first, first + BLOCK):
        assert_none_differs(programs.run(programs.generate(seed), module), module)


@pytest.mark.parametrize("seed", range(5000, 5012))
def test_programs_on_big_arrays(seed):
    """Beyond NumPy's buffers of 8192 elements and its elision of temporaries from 256 KiB on."""
    module = module_under_test()
    assert_none_differs(programs.run(programs.generate(seed, big=True), module), module)


@pytest.mark.parametrize("first", range(200, 320, 30))
def test_functions_of_views_of_what_they_compute(first):
    module = module_under_test()
    for seed in range(first, first + 30):
        found, _ = program_computed.tried(seed, module, jitted=False)
        assert not found, found.report(module.__name__)


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_programs_on_inputs_of_several_sizes_and_layouts(first):
    module = module_under_test()
    plan_soon(module)
    for seed in range(first, first + 25):
        found = program_variants.tried(seed, module)
        assert not found, found.report(module.__name__)


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_programs_on_arrays_at_the_borders_of_kernels(first):
    module = module_under_test()
    plan_soon(module)
    for seed in range(first, first + 20):
        found = program_borders.tried(seed, module)
        assert not found, found.report(module.__name__)


@pytest.mark.parametrize("run", [program_threads.run_apart, program_threads.run_sharing])
@pytest.mark.parametrize("first", range(7000, 7060, 15))
def test_threaded_programs(run, first):
    module = module_under_test()
    for seed in range(first, first + 15, 3):
        found = run(seed, module)
        assert not found, "".join(one.report(module.__name__) for one in found)


def test_program_is_made_from_its_seed_alone():
    assert programs.generate(77) == programs.generate(77)
    assert programs.generate(77) != programs.generate(78)


def test_printed_source_runs():
    """What a report prints can be pasted: a step that NumPy refuses is where it stops."""
    for seed in range(20):
        program = programs.generate(seed)
        expected = programs.Reference()
        with programs.quiet():
            refused = next((outcome for outcome in map(expected.execute, program.steps) if outcome), None)
            try:
                exec(program.source(), {})
                raised = None
            except Exception as error:
                raised = type(error), str(error)
        assert raised == (refused and refused[:2])


def first_difference(module, count):
    return next(
        (found for found in (programs.run(programs.generate(seed), module) for seed in range(count)) if found), None
    )


def test_no_difference_without_a_fault():
    assert first_difference(real, 200) is None
    assert not any(program_variants.tried(seed, real) for seed in range(50))
    assert not any(program_borders.tried(seed, real) for seed in range(20))
    assert first_difference(broken.numpy_with(), 200) is None


@pytest.mark.parametrize("array_class", broken.FAULTY_ARRAYS)
def test_finds_faulty_arrays(array_class):
    assert first_difference(broken.numpy_with(array_class), 1500) is not None


@pytest.mark.parametrize("spoil", broken.FAULTY_FUNCTIONS)
def test_finds_faulty_functions(spoil):
    assert first_difference(broken.numpy_with(spoil=spoil), 1500) is not None


def test_shrinks_to_few_steps():
    module = broken.numpy_with(broken.ViewsCopy)
    found = first_difference(module, 100)
    small = programs.shrink(found, module)
    assert len(small.program.steps) <= 4
    assert programs.run(small.program, module) is not None
    assert programs.run(small.program, real) is None


def test_finds_faults_between_threads():
    module = broken.numpy_with(broken.InPlaceMakesNew)
    for run in (program_threads.run_apart, program_threads.run_sharing):
        assert any(run(seed, module) for seed in range(0, 300, 3))
