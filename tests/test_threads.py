"""Threads, forks and other processes: values are right and computed once, and nothing waits for ever."""

import concurrent.futures
import multiprocessing
import pathlib
import random
import subprocess
import sys
import textwrap
import threading
import time

import numpy as real
import pytest

import lazytensor
from lazytensor import compile as pipeline
from lazytensor.ir.dtypes import record_of
from lazytensor.run import floating
from tests.helpers import assert_same, counting_hook, module_under_test

ROOT = str(pathlib.Path(lazytensor.__file__).parent.parent)
THREADS = 6


def together(tasks, timeout=60):
    """Runs tasks in a thread each, let go at once; their results. What one raises is raised here."""
    barrier = threading.Barrier(len(tasks))

    def start(task):
        barrier.wait()
        return task()

    with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result(timeout) for future in [pool.submit(start, task) for task in tasks]]


@pytest.fixture(autouse=True)
def often_switched():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def names(executed, name):
    return sum(node.op.name == name for node in executed)


# ---------------------------------------------------------------- threads


ASKS = (lambda y, z: float(z), lambda y, z: y.numpy().copy(), lambda y, z: real.asarray(y).sum(), lambda y, z: bool(z),
        lambda y, z: lazytensor.realize(y, z), lambda y, z: y[0].tolist())


@pytest.mark.parametrize("shape", [(5,), (300, 300)])
def test_one_pending_node_in_many_threads_runs_once(shape):
    np = module_under_test()
    for i in range(25):
        x = np.full(shape, 0.5) + i
        y = np.exp(x) * 2
        z = y.sum()
        with counting_hook() as executed:
            results = together([lambda ask=ask, y=y, z=z: ask(y, z) for ask in ASKS])
        assert [names(executed, name) for name in ("exp", "add", "multiply", "sum")] == [1, 1, 1, 1]
        expected = real.exp(real.full(shape, 0.5) + i) * 2
        assert results[0] == float(expected.sum())
        assert_same(expected, results[1])


def test_overlapping_graphs_in_many_threads_run_each_node_once():
    np = module_under_test()
    for seed in range(15):
        order = random.Random(seed)
        base = np.arange(8.0) + seed
        layers = [base]
        for i in range(12):
            a, b = order.choice(layers), order.choice(layers)
            layers.append(np.maximum(a, b * 0.5) + i)
        picked = [order.sample(layers, 4) for _ in range(THREADS)]
        with counting_hook() as executed:
            together([lambda part=part: np.realize(*part) for part in picked])
        assert len({node.seq for node in executed}) == len(executed), "a node ran twice"
        expected = [real.arange(8.0) + seed]
        order = random.Random(seed)
        for i in range(12):
            a, b = order.choice(expected), order.choice(expected)
            expected.append(real.maximum(a, b * 0.5) + i)
        for value, layer in zip(expected, layers):
            assert_same(value, layer)


def test_many_threads_build_from_one_array():
    np = module_under_test()
    x = np.arange(1000.0)

    def work(k):
        y = x
        for i in range(60):
            y = (y * 0.5 + k)[::-1]
            if i % 7 == 0:
                y = np.sqrt(abs(y))
            if i % 20 == 19:
                float(y[i])
        return y.sum()

    actual = together([lambda k=k: float(work(k)) for k in range(THREADS)])
    np, x = real, real.arange(1000.0)
    assert actual == [float(work(k)) for k in range(THREADS)]


@pytest.mark.parametrize("slices", [
    lambda k: slice(k * 50, k * 50 + 50), lambda k: slice(k, None, THREADS), lambda k: (slice(None), k)])
def test_threads_write_disjoint_parts_of_one_array(slices):
    np = module_under_test()
    for _ in range(5):
        two = type(slices(0)) is tuple
        x = np.zeros((50, THREADS)) if two else np.zeros(50 * THREADS)
        readers = []

        def work(k, x=x, readers=readers):
            part = x[slices(k)]
            for i in range(40):
                if i % 3:
                    x[slices(k)] = part * 2 + 1
                else:
                    part += k
                if i % 10 == 5:
                    readers.append((k, i, x[slices(k)].sum()))
            return part

        together([lambda k=k: work(k) for k in range(THREADS)])
        expected = real.zeros(x.shape)
        sums = {}
        for k in range(THREADS):
            part = expected[slices(k)]
            for i in range(40):
                if i % 3:
                    part[...] = part * 2 + 1
                else:
                    part += k
                if i % 10 == 5:
                    sums[k, i] = part.sum()
        assert_same(expected, x)
        assert {(k, i): float(s) for k, i, s in readers} == {key: float(s) for key, s in sums.items()}


@pytest.mark.parametrize("update", ["a[...] += 1", "a[2:5] += b[2:5]", "a[:, 1] += b[:, 1]", "a[::-1] += 1", "a += 1",
                                    "np.add(a, 1, out=a)", "np.add(b[1], row, out=row)", "a[0, ...] += b[0]"])
def test_no_update_by_a_thread_is_lost(update):
    """NumPy keeps the interpreter to itself while it updates a few elements."""
    np = module_under_test()
    code = compile(update, "update", "exec")
    for _ in range(5):
        a, b = np.zeros((6, 8)), np.ones((6, 8))
        names = {"a": a, "b": b, "np": np, "row": a[1]}
        together([lambda names=names: [exec(code, names) for _ in range(100)] for _ in range(3)])
        assert a.max() == 300


def test_the_first_update_by_many_threads():
    """Each ufunc's operation on a part is made once, whoever needs it first."""
    np = module_under_test()
    for name in ("subtract", "fmax", "hypot", "copysign", "logaddexp", "fmin", "bitwise_xor", "heaviside"):
        x = np.zeros((THREADS, 8), int if name == "bitwise_xor" else float)
        together([lambda k=k, x=x, name=name: getattr(np, name)(x[k], 1, out=x[k]) for k in range(THREADS)])
        y = real.zeros(x.shape, x.dtype)
        assert_same(getattr(real, name)(y, 1, out=y), x)


def test_memory_is_given_out_while_other_threads_write():
    np = module_under_test()
    for _ in range(10):
        x = np.zeros(THREADS * 100)
        windows = []

        def write(k, x=x):
            for i in range(50):
                x[k * 100 : k * 100 + 100] += 1
                x[k * 100 + i] = x[k * 100 + i] + 0.5

        def give(k, x=x, windows=windows):
            for i in range(50):
                window = real.asarray(x)
                window[k * 100 + i] = window[k * 100 + i] + 2
                if i % 5 == 0:
                    windows.append(window)

        together([lambda k=k: (write if k % 2 else give)(k) for k in range(THREADS)])
        assert all(real.shares_memory(window, real.asarray(x)) for window in windows)
        expected = [real.repeat(2.0, 50).tolist() + [0.0] * 50, [50.5] * 50 + [50.0] * 50]
        assert real.asarray(x).reshape(THREADS, 100).tolist() == [expected[k % 2] for k in range(THREADS)]


def test_error_states_and_settings_of_threads_are_their_own():
    np = module_under_test()

    def work(k):
        x = np.arange(4.0) - 1
        with np.errstate(divide="raise" if k % 2 else "ignore"):
            for _ in range(50):
                try:
                    y = 1 / (x + 1)
                except FloatingPointError:
                    y = None
                if (y is None) != bool(k % 2):
                    return False
        return True

    assert all(together([lambda k=k: work(k) for k in range(THREADS)]))


def test_failure_in_one_thread_is_told_there_and_the_others_get_values():
    np = module_under_test()
    op = record_of(real.exp).op
    fn, failed = op.fn, []

    def failing(*args, **kwargs):
        if not failed:
            failed.append(threading.get_ident())
            time.sleep(0.01)
            raise MemoryError("once")
        return fn(*args, **kwargs)

    y = np.exp(np.arange(5.0)) + 1

    def ask():
        try:
            return y.numpy().tolist()
        except MemoryError as error:
            return str(error), threading.get_ident()

    pipeline.clear_cache()  # a plan made earlier would call the function itself
    op.fn = failing
    try:
        results = together([ask] * THREADS)
    finally:
        op.fn = fn
        pipeline.clear_cache()
    assert results.count(("once", failed[0])) == 1
    right = (real.exp(real.arange(5.0)) + 1).tolist()
    assert results.count(right) == THREADS - 1


def test_large_work_in_threads_reuses_memory_of_nobody_else():
    np = module_under_test()

    def work(k):
        x = np.full((200, 200), float(k))
        for i in range(30):
            x = np.sqrt(x * x + 1) - np.exp(-x) * 1e-3
            x[i] += k
        return x

    results = together([lambda k=k: work(k).realize() for k in range(THREADS)])
    np = real
    for k, result in enumerate(results):
        assert_same(work(k), result)


# ---------------------------------------------------------------- processes


def run(script, *options):
    """Runs a script in a fresh process; what it printed."""
    out = subprocess.run([sys.executable, *options, "-c", textwrap.dedent(script)], capture_output=True, text=True,
                         timeout=90, env={"PYTHONPATH": ROOT})
    assert out.returncode == 0, out.stderr
    return out.stdout


def test_fork_while_other_threads_run():
    assert run("""
        import os, signal, sys, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 dislikes forks with threads
        import numpy as real, lazytensor as np
        sys.setswitchinterval(1e-5)
        stop = threading.Event()
        common = np.arange(3000.0)
        def busy(k):
            while not stop.is_set():
                y = np.sqrt(common * k + 1)
                y[::2] += 1
                assert float(y.sum()) > 0
                common[k] = common[k]
        threads = [threading.Thread(target=busy, args=(k,)) for k in range(3)]
        for thread in threads:
            thread.start()
        bad = 0
        for i in range(12):
            pending = np.arange(1000.0) * i + 1
            window = pending[1:]
            window += 1
            total = pending.sum()
            child = os.fork()
            if child == 0:
                signal.alarm(5)  # ends it if it waits for ever
                try:
                    right = real.arange(1000.0) * i + 1
                    right[1:] += 1
                    ok = float(total) == right.sum() and (real.asarray(pending) == right).all()
                    pending *= 2
                    ok = ok and float(np.exp(pending * 0).sum()) == 1000 and float((common + 1).sum()) > 0
                    results = []
                    thread = threading.Thread(target=lambda: results.append(float((pending / 2).sum())))
                    thread.start()
                    thread.join()
                    os._exit(0 if ok and results == [right.sum()] else 1)
                except BaseException:
                    import traceback
                    traceback.print_exc()
                    os._exit(2)
            _, status = os.waitpid(child, 0)
            bad += status != 0
            assert float(total) == (real.arange(1000.0) * i + 2).sum() - 1
        stop.set()
        for thread in threads:
            thread.join()
        print(bad)
    """) == "0\n"


def squared(pair):
    """What a worker does: computes with arrays that came by pickle, and sends a pending one back."""
    x, s = pair
    return x * x + s, type(x).__name__, float(x.sum())


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_arrays_travel_between_processes(method):
    if method not in multiprocessing.get_all_start_methods():
        method = "spawn"
    np = module_under_test()
    pending = [((np.arange(4.0) + k)[::-1], np.arange(k + 1).sum()) for k in range(3)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.map(squared, pending)
    for k, (result, kind, total) in enumerate(results):
        x = (real.arange(4.0) + k)[::-1]
        assert_same(x * x + real.arange(k + 1).sum(), result)
        assert (kind, total) == ("ndarray", x.sum()) and type(result) is type(pending[0][0])


def test_threads_end_with_the_process():
    assert run("""
        import threading, atexit, lazytensor as np
        x = np.arange(5.0) + 1
        atexit.register(lambda: print(float(x.sum())))
        late = np.exp(x)
        class Last:
            def __del__(self):
                late.sum()
        keeper = Last()
        threading.Thread(target=lambda: print(x.tolist())).start()
    """) == "[1.0, 2.0, 3.0, 4.0, 5.0]\n15.0\n"


def test_an_error_state_that_another_thread_has_dropped_from_the_cache(monkeypatch):
    class Forgetful(dict):
        def __setitem__(self, key, value):
            pass

    expected = floating.mask(floating.in_force()), floating.running(floating.in_force())
    monkeypatch.setattr(floating, "_states", Forgetful())
    assert floating.mask(floating.in_force()) == expected[0]
    assert floating.running(floating.in_force()) is not None


def test_threads_that_make_the_first_plans_at_once():
    """What plans need is imported by several threads at the same time, from several ends."""
    script = """
import sys
import threading

import numpy
import lazytensor as np

sys.setswitchinterval(1e-5)
np.config(plan_after=1, compile_after=0)
real = numpy.arange(1e5)


def planned():
    for _ in range(3):
        value = np.sqrt(np.asarray(real) + 1) * 2
        assert numpy.array_equal(value, numpy.sqrt(real + 1) * 2)


def jitted():
    function = np.jit(lambda x: np.sqrt(x + 1) * 2)
    for _ in range(3):
        assert numpy.array_equal(function(np.asarray(real)), numpy.sqrt(real + 1) * 2)


def picked():
    x = np.asarray(real) + 0
    assert numpy.array_equal(x[x > 5], real[6:])


def explained():
    assert np.explain(np.sqrt(np.asarray(real) + 1) * 2)


done, start = [], threading.Barrier(8)


def begin(work):
    start.wait()
    work()
    done.append(work)


threads = [threading.Thread(target=begin, args=(work,)) for work in (planned, jitted, picked, explained) * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(100)
print(len(done))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "8\n", done.stderr
