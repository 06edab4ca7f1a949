"""`lt.jit`: what it says and counts, warnings, prints, loops, threads. What it computes: tests/test_hybrid_trips.py."""

import copy
import itertools
import pickle
import threading
import time
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.errors import HybridWarning
from lazytensor.hybrid.guards import same
from lazytensor.hybrid.rolling import roll


def again_(x):
    return x * 2


again = np.jit(again_)


def calls_of(f, *calls):
    return [f(*call) for call in calls]


def double(x):
    return x * 2


# ---- what it says ----------------------------------------------------------------------------------------------------


def test_one_structure_is_compiled_once_whatever_the_values():
    f = np.jit(double)
    for i in range(20):
        assert (f(np.arange(4.0) + i) == (np.arange(4.0) + i) * 2).all()
    assert f.cache_info()["compiled"] == f.cache_info()["paths"] == 1
    assert f.cache_info()["calls"] == 20


def test_a_retrace_says_what_varied():
    f = np.jit(lambda x, n: x * n)
    calls_of(f, (np.ones(3), 2), (np.ones(3), 3), (np.ones((3, 1)), 3), (np.ones(3, "f4"), 3))
    reasons = f.cache_info()["reasons"]
    assert reasons[0] == "traced again: n was 2"
    assert "shape of x" in reasons[1] and "dtype of x" in reasons[2] or "shape of x" in reasons[2]
    assert "traced again: n was 2" in f.explain()


def test_many_traces_warn_once_with_the_argument_that_varies():
    f = np.jit(lambda x, n: x * float(n))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in range(3):
            f(np.ones(2), float(n))
    assert not seen
    given = []
    show = warnings.showwarning
    warnings.simplefilter("always", HybridWarning)
    try:
        for n in range(50):
            with warnings.catch_warnings():
                warnings.simplefilter("error", HybridWarning)
                try:
                    assert f(np.ones(2), float(n))[0] == n
                except HybridWarning as warning:
                    given.append(str(warning))
    finally:
        warnings.showwarning = show
        warnings.filters.pop(0)
    assert len(given) == 1 and "n was" in given[0] and "asarray" in given[0]
    assert f.cache_info()["compiled"] <= 32


def test_a_method_is_compiled_once():
    class Average:
        rate = 0.9

        def __init__(self):
            self.mean = np.zeros(3)

        @np.jit
        def update(self, x):
            self.mean *= self.rate
            self.mean += x * (1 - self.rate)
            return self.mean * 1

    average = Average()
    for _ in range(12):
        average.update(np.ones(3))
    assert Average.update.cache_info()["compiled"] == 1 and Average.update.cache_info()["calls"] == 12


def test_source_is_python_and_shows_the_operations():
    f = np.jit(lambda x, y: np.maximum(x @ y, 0).sum())
    f(np.ones((2, 3)), np.ones((3, 2)))
    compile(f.source, "f", "exec")
    assert "matmul" in f.source and "maximum" in f.source and "def call(args, kwargs):" in f.source


def test_explain_says_what_runs_its_python_and_where():
    f = np.jit(lambda x: x.numpy().sum())
    for _ in range(6):
        assert f(np.ones(3)) == 3
    assert "run its Python" in f.explain() and "test_hybrid.py" in f.explain()
    assert f.cache_info()["python"] is not None and f.cache_info()["compiled"] == 0


def test_explain_shows_segments_writes_and_guards():
    w = np.ones(3)

    @np.jit
    def f(x):
        if x.sum() > 2:
            w[:] = w * x
        return x + w

    calls_of(f, (np.ones(3),), (np.zeros(3),))
    text = f.explain()
    assert "Python decides on a value in" in text and ": True, False" in text
    assert "writes to closure variable 'w'" in text
    assert "2 paths" in text and "taken for granted, and asked at each call: " in text


def test_explain_says_what_to_do():
    appended = []
    f, g, h = np.jit(lambda x: x.numpy()), np.jit(lambda x: appended.append(1) or x), np.jit(lambda x, n: x[:n] * n)
    for n in range(6):
        f(np.ones(3)), g(np.ones(3)), h(np.ones(9), n)
    assert "what to do: keep .numpy()" in f.explain() and f.explain().startswith(f"{f._name}: nothing is compiled\n")
    assert "what to do: return what is to be appended" in g.explain()
    text = h.explain()
    assert "n was 0, 1, 2, 3, 4 (5 times)\n  what to do: each n has a program of its own" in text
    assert "3 more compiled structures of arguments" in text and text.count("the code of") == 1
    assert "has not been called" in np.jit(lambda x: x).explain()
    assert "global 'range'" not in text


@pytest.mark.parametrize(("values", "advised"), [(range(12), True), (["a" * i for i in range(12)], False)])
def test_numbers_that_vary_are_better_arrays(monkeypatch, values, advised):
    told = []
    monkeypatch.setattr("lazytensor.hybrid.jit._warn", told.append)
    f = np.jit(lambda x, n: x * len(str(n)))
    for value in values:
        f(np.ones(3), value)
    assert ["better given as an array" in text for text in told] == [advised]


def test_ways_through_are_bounded_with_the_line():
    @np.jit
    def f(x):
        return x * float(x[0])

    for i in range(14):
        assert f(np.full(2, float(i)))[1] == i * i
    assert f.cache_info()["paths"] == 8
    assert "test_hybrid.py, line" in f.explain() and "8 times" in f.explain()


def test_what_cannot_be_seen_is_found_by_comparison():
    f = np.jit(lambda x: x + time.perf_counter())
    f(np.ones(2))
    with pytest.warns(HybridWarning, match="cannot be seen"):
        warnings.simplefilter("default")
        before = time.perf_counter()
        assert _without_recording(lambda: float(f(np.ones(2))[0])) > before


def _without_recording(call):
    """Under a recorder of warnings nothing is replayed, so the recorder is passed by."""
    recorder = warnings._showwarnmsg_impl
    show, warnings._showwarnmsg_impl = recorder, _plain
    given = []
    warn, warnings.warn_explicit = warnings.warn_explicit, lambda *args: given.append(args[:2])
    try:
        value = call()
    finally:
        warnings.warn_explicit, warnings._showwarnmsg_impl = warn, show
    for args in given:
        warnings.warn(*args, stacklevel=2)
    return value


_plain = warnings._showwarnmsg_impl


def test_bad_arguments_of_jit():
    with pytest.raises(TypeError, match="a function is wanted"):
        np.jit(3)
    with pytest.raises(ValueError, match="no parameter 'm'"):
        np.jit(lambda n: n, static_argnames="m")


def test_static_arguments_are_compared_by_value():
    class Setting:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            return self.n == other.n

        def __hash__(self):
            return self.n

    f = np.jit(lambda x, s: x * s.n, static_argnames=("s",))
    for n in (2, 2, 3, 3, 2, 2):
        assert f(np.ones(2), Setting(n))[0] == n
    assert f.cache_info()["compiled"] == 2


def test_counts_of_all():
    before = np.jit.cache_info()
    calls_of(np.jit(double), *[(np.ones(2),)] * 4)
    after = np.jit.cache_info()
    assert after["traces"] == before["traces"] + 1 and after["checks"] == before["checks"] + 3


def test_a_jitted_function_looks_like_its_function():
    f = np.jit(double)
    assert f.__name__ == "double" and f.__wrapped__ is double and "double" in repr(f)
    assert copy.deepcopy(f) is f
    assert (pickle.loads(pickle.dumps(again))(np.ones(2)) == 2).all()


def test_same():
    assert same(1, 1) and same("a", "a") and same(float("nan"), float("nan")) and same((1, [0.0]), (1, [0.0]))
    assert not same(1, True) and not same(0.0, -0.0) and not same(1, 1.0) and not same([1], [1, 2])
    assert same(real.float32(1), real.float32(1)) and not same(real.float32(1), real.float64(1))


# ---- print -----------------------------------------------------------------------------------------------------------


def test_print_runs_while_tracing_and_debug_print_at_every_call(capsys):
    @np.jit
    def f(x):
        y = x * 2
        print("tracing", y)
        np.debug.print("value", y, end="!\n")
        y += 1
        np.debug.print("later", y[0])
        return y

    for i in range(5):
        f(np.ones(2) * i)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tracing [0. 0.]"
    assert lines[1:] == [x for i in range(5) for x in (f"value [{2 * i}. {2 * i}.]!", f"later {2.0 * i + 1}")]
    assert f.cache_info()["compiled"] == 1


# ---- loops as functions ----------------------------------------------------------------------------------------------


def test_loops_do_what_their_docstrings_say():
    x = np.arange(4.0)

    def all_of(x):
        a = np.cond(x.sum() > 5, lambda v: v * 2, lambda v: -v, x)
        b = np.while_loop(lambda v: v.max() < 50, lambda v: v * 3, x)
        c = np.fori_loop(1, 4, lambda i, v: v + i, x)
        total, rows = np.scan(lambda s, v: (s + v, {"s": s * v, "v": (v, s)}), np.zeros(()), x)
        d = np.map(lambda v: v * 2, x)
        e = sum(x[i] for i in np.range(np.array(3)))
        return a, b, c, total, rows["s"], rows["v"][1], d, e

    expected = [x * 2, x * 27, x + 6, 6.0, [0, 0, 2, 9], [0, 0, 1, 3], x * 2, 3.0]
    f = np.jit(all_of)
    for g in (all_of, f, f, f, f, f):
        for found, wanted in zip(g(x), expected, strict=True):
            assert real.array_equal(real.asarray(found), real.asarray(wanted))
    assert f.cache_info()["compiled"] == 1


def test_a_loop_s_body_runs_its_python_a_few_times_only():
    body = np.jit(lambda x: x * 0.5)
    before = np.jit.cache_info()["traces"]
    assert np.while_loop(lambda x: x.max() > 1, body, np.full(3, 2.0**40)).max() == 1
    assert body.cache_info()["calls"] == 40 and np.jit.cache_info()["traces"] <= before + 3


def test_repeated_lines_become_a_loop():
    lines = ["    a", *["    b", "    c"] * 30, "    return d"]
    rolled, saved = roll(lines)
    assert rolled == ["    a", "    for _ in range(30):", "        b", "        c", "    return d"] and saved == 57
    assert roll(["    if x:", "        y"] * 20)[0] == ["    if x:", "        y"] * 20
    assert roll(["a"] * 3)[0] == ["a"] * 3


def test_a_long_loop_is_a_short_program():
    @np.jit
    def jacobi(a, b):
        for _ in range(200):
            b[1:-1] = (a[:-2] + a[1:-1] + a[2:]) / 3
            a[1:-1] = (b[:-2] + b[1:-1] + b[2:]) / 3
        return a

    for k in range(3):
        start = real.arange(30.0) * k
        a, b = np.array(start), np.array(start)
        jacobi(a, b)
        x, y = start.copy(), start.copy()
        jacobi.__wrapped__(x, y)
        assert real.array_equal(a.numpy(), x) and real.array_equal(b.numpy(), y)
    assert len(jacobi.source.splitlines()) < 120 and "for _ in range(" in jacobi.source


# ---- threads ---------------------------------------------------------------------------------------------------------


def together(work, threads=10):
    errors, barrier = [], threading.Barrier(threads)

    def run(number):
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert not any(worker.is_alive() for worker in workers), "a deadlock"
    assert not errors, errors


def test_ten_threads_call_one_function_ten_thousand_times():
    w = np.arange(6.0).reshape(2, 3)

    @np.jit
    def f(x):
        y = x @ w
        if y.sum() > 40:
            y = y - 1
        return np.tanh(y) * 2 + y

    def work(number):
        for i in range(1000):
            x = real.full((2, 2), (number * 7 + i) % 5 - 1.0)
            y = x @ weights
            y = y - 1 if y.sum() > 40 else y
            assert real.array_equal(f(np.array(x)).numpy(), real.tanh(y) * 2 + y)

    weights = real.arange(6.0).reshape(2, 3)
    together(work)
    assert f.cache_info()["calls"] >= 9000


def test_threads_that_write_to_one_array_lose_nothing():
    counter = np.zeros(3)

    @np.jit
    def bump(counter, by):
        counter += by
        return by * 2

    with warnings.catch_warnings():
        warnings.simplefilter("error", HybridWarning)
        together(lambda number: [bump(counter, np.ones(3)) for _ in range(100)])
    assert counter.tolist() == [1000.0] * 3 and bump.cache_info()["compiled"] == 1


def test_a_write_of_another_thread_during_a_comparison_is_not_the_functions():
    counter, go, gone = np.zeros(3), threading.Event(), threading.Event()
    turns = itertools.count(1).__next__

    def other():
        go.wait(10)
        counter[0] += 5
        gone.set()

    def meddle():
        if turns() == 2:  # the first comparison
            go.set()
            gone.wait(10)

    @np.jit
    def bump(counter):
        meddle()
        counter += 1
        return counter * 2

    thread = threading.Thread(target=other)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error", HybridWarning)
        for _ in range(9):
            last = bump(counter)
    thread.join(10)
    assert counter.tolist() == [14.0, 9.0, 9.0] and last.tolist() == [28.0, 18.0, 18.0]
    assert bump.cache_info()["compiled"] == 1


def test_what_cannot_be_seen_is_found_while_other_threads_live():
    stop, ticks = threading.Event(), itertools.count().__next__
    thread = threading.Thread(target=stop.wait, args=(30,))
    thread.start()

    @np.jit
    def f(x):
        return x + ticks()

    with pytest.warns(HybridWarning, match="cannot be seen"):
        warnings.simplefilter("default")
        got = _without_recording(lambda: [f(np.zeros(2)).tolist() for _ in range(20)])
    stop.set()
    thread.join(10)
    assert f.cache_info()["compiled"] == 0 and got[-1] == [got[-2][0] + 1] * 2


def test_a_finalizer_or_another_thread_is_not_traced():
    started, go = threading.Event(), threading.Event()
    found = []

    def other():
        started.wait(10)
        found.append(bool((np.arange(3.0) * 2).sum() > 5))
        go.set()

    thread = threading.Thread(target=other)
    thread.start()

    @np.jit
    def f(x):
        started.set()
        go.wait(10)
        return x + 1

    f(np.ones(2))
    thread.join(10)
    assert found == [True] and f.cache_info()["compiled"] == 1


def test_an_array_in_memory_of_others_that_is_not_aligned_is_named():
    f = np.jit(lambda first, second: first + second)
    real_one = real.frombuffer(bytearray(b"x" + real.ones(3).tobytes()), offset=1)
    assert (f(np.ones(3), np.asarray(real_one)) == 2).all()
    assert "second shares memory in which its elements are not aligned" in f.explain()
