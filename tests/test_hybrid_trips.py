"""Every program of tests/trip_jit.py gives, its functions jitted, what it gives with NumPy."""

import pytest

from tests.helpers import check_same
from tests.trip_jit import PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_jitted_program_gives_what_numpy_gives(program):
    check_same(program)


def test_there_are_many():
    assert len(PROGRAMS) >= 35
