"""What a write into a part of an array is taken to cost: the part, however large the array is."""

import numpy as real
import pytest

import lazytensor as np
from lazytensor import compile as pipeline

from .helpers import same_bits

LARGE = (512, 4096)


def store(x, index, value):
    x[index] = value


def add(x, index, value):
    x[index] += value


@pytest.mark.parametrize("write", [store, add])
@pytest.mark.parametrize("index", [3, (3, slice(5, None)), (slice(None), 7), slice(2, 9, 3), (..., 1), ...,
                                   (slice(None, None, -1), slice(0, 0))], ids=str)
def test_a_write_counts_as_the_part_that_it_changes(write, index):
    given = real.arange(LARGE[0] * LARGE[1]).reshape(LARGE)
    with np.config(eager_after=None):
        x = np.array(given) + 1
        write(x, index, np.array(given)[index] * 2)
        node = x._value
        assert node.op.kind == "mutate" and pipeline._bytes(node) == given[index].nbytes
        expected = given + 1
        write(expected, index, given[index] * 2)
        assert same_bits(real.asarray(x), expected)


def test_an_element_that_is_written_counts_as_one():
    """No element of what stands for the array may be read: there is no memory behind it."""
    with np.config(eager_after=None):
        x = np.ones(LARGE) + 1
        x[3, 5] = 2.0
        assert x._value.op.kind == "mutate" and pipeline._bytes(x._value) == 8
        assert x[3, 5] == 2


def test_a_write_through_a_view_counts_as_the_part_of_the_view():
    with np.config(eager_after=None):
        x = np.zeros(LARGE)
        x[4:6].T[1:] += np.ones(2)
        assert pipeline._bytes(x._value) == 2 * (LARGE[1] - 1) * 8


def test_writes_to_places_that_arrays_give_count_as_the_array():
    with np.config(eager_after=None):
        x = np.zeros(LARGE)
        x[x * 2 > 1] = 3.0
        assert pipeline._bytes(x._value) == x.nbytes


def test_rows_of_a_large_array_are_not_planned_as_writes_of_all_of_it():
    """Each run is of another structure; counted as whole arrays, each would be planned at once."""
    with np.config(eager_after=None, compile_after=0):
        x, y = np.zeros(LARGE), np.arange(4096.0)
        before = pipeline.cache_info()["plans"]
        for i in range(1, 12):
            for k in range(i):
                x[i, k:] = y[k:] * 2 + i
            real.asarray(x)
        assert pipeline.cache_info()["plans"] == before
