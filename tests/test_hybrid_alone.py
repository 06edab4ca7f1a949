"""Which other threads a call that undoes something minds."""

import asyncio
import queue
import threading

import pytest

from lazytensor.hybrid.alone import alone


def _program(stop):
    stop.get()


def _loop(stop):
    asyncio.run(asyncio.to_thread(stop.get))


@pytest.mark.parametrize("target, minded", [(queue.Queue.get, False), (_program, True), (_loop, True)])
def test_threads_that_run_the_programs_code_are_minded(target, minded):
    assert alone()
    stop = queue.Queue()
    other = threading.Thread(target=target, args=(stop,))
    other.start()
    try:
        assert alone() is not minded
    finally:
        stop.put(None)
        other.join()
    assert alone()


def test_a_timer_may_begin_to_run_it():
    timer = threading.Timer(100, print)
    timer.start()
    try:
        assert not alone()
    finally:
        timer.cancel()
        timer.join()
