"""The pool keeps freed memory up to a limit and gives it back where it is missing; errors name the array."""

import platform
import subprocess
import sys

import numpy as real
import pytest

from lazytensor.config import config
from lazytensor.run import pool

SIZE = 1 << 20


@pytest.fixture(autouse=True)
def an_empty_pool():
    pool.trim()
    yield
    pool.trim()


def block():
    return pool.empty((SIZE,), real.dtype("u1"))


def held():
    return pool.info()["held"]


def test_a_freed_buffer_is_used_again():
    before = held()
    a = block()
    place = a.ctypes.data
    del a
    assert held() == before + SIZE and block().ctypes.data == place


def test_a_lower_limit_holds_at_once():
    before = held()
    arrays = [block() for _ in range(4)]
    del arrays
    assert held() == before + 4 * SIZE
    with config(pool=2 * SIZE):
        assert held() <= before + 2 * SIZE


def test_a_buffer_larger_than_the_limit_is_not_kept():
    before = held()
    with config(pool=0):
        a = block()
        a[:] = 1
        assert held() == before
    with config(pool=SIZE - 1):
        a = block()
        assert held() == before


def test_what_is_kept_is_given_back_where_memory_is_missing(monkeypatch):
    before, fresh, refused = held(), pool._fresh, []
    arrays = [block() for _ in range(3)]
    del arrays

    def scarce(size):
        if held() > before:
            refused.append(size)
            raise MemoryError
        return fresh(size)

    monkeypatch.setattr(pool, "_fresh", scarce)
    a = pool.empty((8 * SIZE,), real.dtype("u1"))
    assert a.nbytes == 8 * SIZE and refused == [8 * SIZE] and held() == before + 8 * SIZE


@pytest.mark.parametrize("strides", [None, (8, 8 << 20)])
def test_the_error_names_the_array(strides):
    shape = 1 << 20, 1 << 20
    try:
        real.ndarray(shape, "f8", None, 0, strides)
    except MemoryError as error:
        expected = str(error)
    else:
        pytest.skip("this machine has the memory")
    with pytest.raises(MemoryError) as raised:
        pool.empty(shape, real.dtype("f8"), strides)
    assert str(raised.value) == expected and "(1048576, 1048576)" in expected


LOOP = """
import resource
import lazytensor as np
np.config(compile_after=10**9)  # nothing else is brought in meanwhile
x, v, i = np.linspace(0, 1, 5000), np.linspace(1, 2, 60000), np.arange(60000) % 4999
def turn():
    (v * x[i]).realize()
for _ in range(300):
    turn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    turn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator has other rules")
def test_a_steady_loop_of_numpys_own_calls_takes_no_page_faults():
    run = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 2000  # each array has 120 pages
