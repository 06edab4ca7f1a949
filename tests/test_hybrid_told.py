"""What a jitted function tells: `explain()`, `cache_info()` and its warnings."""

import asyncio
import gc
import threading
import warnings

import lazytensor as np
from lazytensor.errors import HybridWarning


def test_replays_are_the_calls_that_programs_served():
    f = np.jit(lambda x: x + 1 if x.sum() > 0 else x - 1)
    before = np.jit.cache_info()
    for i in range(200):
        f(np.ones(3) * (i - 100))
    after = np.jit.cache_info()
    traces, checks, replays = [after[key] - before[key] for key in ("traces", "checks", "replays")]
    assert traces == 2 and traces + checks + replays == 200 and replays > 150
    del f
    gc.collect()
    assert np.jit.cache_info()["replays"] == after["replays"]
    g = np.jit(lambda x: 1 / x)
    with np.errstate(divide="ignore"):
        g(np.ones(3))
    before = np.jit.cache_info()["replays"]
    for _ in range(60):
        g(np.ones(3))
    assert 40 < np.jit.cache_info()["replays"] - before < 60


def test_calls_that_raise_are_told_of_as_left_to_the_python():
    @np.jit
    def f(x):
        if x.min() < 0:
            raise ValueError("negative")
        return x * 2

    for _ in range(40):
        f(np.ones(3))
    for _ in range(10):
        try:
            f(-np.ones(3))
        except ValueError as error:
            assert str(error) == "negative"
    info = f.cache_info()
    left = info["left"]  # the first one is traced, and some are compared
    assert 4 <= left < 10 and info["paths"] == 2 and info["python"] is None
    assert f"left to Python {left} times: an exception was raised" in f.explain()
    assert f(np.ones(3)).tolist() == [2, 2, 2] and f.cache_info()["left"] == left


def test_what_is_asked_of_an_object_is_that_it_is_the_same():
    class Scaled:
        def __init__(self, by):
            self.by = np.full(3, by)

        @np.jit
        def __call__(self, x):
            return x * self.by

    one, other = Scaled(2.0), Scaled(3.0)
    for scaled in (one, one, other):
        scaled(np.ones(3))
    text = Scaled.__call__.explain()
    assert "self is the same object" in text and text.count("self is another object") == 1
    assert "traced again: self is another object" in text


def test_the_argument_that_varies_is_named_and_not_one_of_two_values_before_it(monkeypatch):
    told = []
    monkeypatch.setattr(warnings, "warn_explicit", lambda message, *_: told.append(str(message)))
    f = np.jit(lambda x, n, s: x * float(s) + n)
    for i in range(20):
        f(np.ones(3), i % 2, i * 0.5)
    (message,) = [text for text in told if "is traced for the" in text]
    assert "what varies: s was" in message and "asarray(s)" in message
    reasons = [reason for reason in f.cache_info()["reasons"] if reason.startswith("traced again")]
    assert reasons[0] == "traced again: n was 0" and all(" s was " in reason for reason in reasons[2:])
    assert "s: its Python asks for the value of a number (__float__)" in " ".join(f.cache_info()["reasons"])
    assert "s was another from call to call" in f.explain()
    g = np.jit(lambda n: n * 2)
    for n in (np.ones(3), 1, 2, 3):
        g(n)
    assert g.cache_info()["reasons"][1:] == ["traced again: n was 1", "traced again: n was 2",
                                             "numbers of the program from now on: n"]
    assert "\nnumbers of the program from now on: n\n" in g.explain()  # its Python does not run for that


def test_a_view_that_is_reached_is_told_as_it_must_be():
    whole = np.ones((2, 3))
    rows = whole[:1]
    f = np.jit(lambda x: np.add(x, rows, out=x))
    g = np.jit(lambda a, x: (a.__iadd__(rows), x)[1])
    for h, given in ((f, (np.ones((2, 3)),)), (g, (whole, np.ones(3)))):
        for _ in range(3):
            h(*given)
    text = f.explain() + g.explain()
    assert "is the same view" in text and "another view" not in text


def test_decisions_are_told_by_line_and_the_text_is_short():
    @np.jit
    def positive(x):
        n = 0.0
        for i in range(200):
            if x[i] > 0:
                n += 1.0
        return n

    rng = np.random.default_rng(1)
    for _ in range(20):
        positive(rng.random(200) - 0.01)
    text = positive.explain()
    assert "test_hybrid_told.py, line" in text and "200 times a call: True, False" in text
    assert len(text.splitlines()) < 20
    many = [np.ones(2) for _ in range(300)]

    @np.jit
    def added(*xs):
        return sum(xs[1:], xs[0])

    for n in range(100, 106):
        added(*many[:n])
    lines = added.explain().splitlines()
    assert 20 < len(lines) < 70 and max(map(len, lines)) < 1000 and any("lines more" in line for line in lines)


def test_explain_says_segments_arrays_bytes_and_loops():
    @np.jit
    def f(x):
        y = x * 2 + 1
        order = np.argsort(y)
        return (y[order] - 3) * 2

    f(np.ones(1000))
    text = f.explain()
    assert "segments of operations" in text and " kB in all" in text and "x is float64[1000]" in text

    @np.jit
    def steps(x, n):
        for _ in range(n):
            x = x * 0.5 + 1
        return x

    for n in (50, 70, 90):
        steps(np.ones(10), n)
    text = steps.explain()
    assert "a loop at " in text and "any number of turns" in text and "instead of 50" in text

    @np.jit
    def fixed(x):
        for _ in range(100):
            x = x * 0.5 + x.sum()
        return x

    fixed(np.ones(10))
    text = fixed.explain()
    assert " turns that are alike, rolled up from " in text

    @np.jit
    def prefix(x):
        def body(i, x):
            x[i] = x[i - 1] + x[i]
            return x
        return np.fori_loop(1, 50, body, x)

    prefix(np.ones(50))
    assert "line" in prefix.explain() and "turns) generated from" in prefix.explain()


def warned(call, *calls):
    """The `HybridWarning`s of calls. They run their Python while warnings are recorded, so these are errors."""
    told = []
    warnings.simplefilter("error", HybridWarning)
    try:
        for arguments in calls:
            try:
                call(*arguments)
            except HybridWarning as warning:
                told.append(str(warning))
    finally:
        warnings.filters.pop(0)
    return told


def test_calls_without_a_program_are_told():
    f = np.jit(lambda x, a: x * float(a) + 1)
    (told,) = warned(f, *[(np.ones(3), i * 1.5) for i in range(300)])
    assert "a was " in told and "asarray(a)" in told and "runs its Python" in told
    info = f.cache_info()
    assert info["compiled"] == 8 and info["left"] == 291 and info["python"] is None
    lines = f.explain().splitlines()
    assert lines[1] == "left to Python 291 times, without a program for the call: a was another from call to call"
    assert "asarray(a)" in lines[2]
    g = np.jit(lambda x: x * 2 + len(x))
    (told,) = warned(g, *[(np.ones(5 + i),) for i in range(57)])
    assert "the shape of x" in told and "a few lengths" in told
    lines = g.explain().splitlines()
    assert g.cache_info()["left"] == 48 and "48 times" in lines[1] and "the shape of x was another" in lines[1]


def test_sizes_of_one_program_that_run_their_python_are_told():
    f = np.jit(lambda x: x * 2 + 1)
    told = warned(f, *[(np.ones(5 + i),) for i in range(57)])
    left = f.cache_info()["left"]
    assert left > 32 and len(told) == 1 and f"left to Python {left} times" in f.explain().splitlines()[1]
    for n in range(5, 62):
        assert (f(np.ones(n)) == 3).all()


def test_what_is_written_to_memory_that_was_handed_out_is_not_traced_again():
    total = np.zeros(3)

    @np.jit
    def add(x):
        nonlocal total
        total += x

    def step(i):
        add(np.ones(3) * i)
        seen.append((i, total.numpy()))

    seen = []
    before = np.jit.cache_info()["traces"]
    (told,) = warned(step, *[(i,) for i in range(50)])
    assert np.jit.cache_info()["traces"] - before <= 2
    assert "the memory of closure variable 'total' is shared" in told and ".copy().numpy()" in told
    assert len(seen) == 49 and total.tolist() == [sum(i for i, _ in seen)] * 3  # one call raised the warning
    assert ".copy().numpy()" in add.explain() and add.cache_info()["left"] >= 40
    total = np.zeros(3)
    left = add.cache_info()["left"]
    for _ in range(10):
        add(np.ones(3))
        total.copy().numpy()
    assert total.tolist() == [10.0] * 3 and add.cache_info()["left"] == left


def test_advice_on_loops_generators_and_what_goes_on_after_the_call():
    @np.jit
    def grown(x):
        h = 1.0
        while x.sum() < 1000:
            x = x * 1.05
            h *= 0.99  # else it is generated
        return x, h

    told = warned(grown, *[(np.full(3, 1.05**i),) for i in range(100)])
    assert any("lazytensor.while_loop" in text and "lazytensor.where" not in text for text in told), told
    assert "what to do: lazytensor.while_loop" in grown.explain()

    noisy = np.jit(lambda x, rng: x + rng.random(3))
    (told,) = warned(noisy, *[(np.ones(3), np.random.default_rng(i)) for i in range(40)])
    assert "make one generator outside" in told and "make one generator outside" in noisy.explain()
    assert noisy.explain().count("rng, a random generator, is the same object") <= 3

    @np.jit
    def made(x):
        return x + np.random.default_rng(3).random(3)

    @np.jit
    def parts(x):
        yield x + 1

    @np.jit
    async def later(x):
        return x + 1

    for _ in range(6):
        made(np.ones(3))
        assert (next(parts(np.ones(3))) == 2).all()
        assert (asyncio.run(later(np.ones(3))) == 2).all()
    assert "make the generator outside" in made.explain()
    assert "jit the functions that it calls" in parts.explain() and "jit the functions that it calls" in later.explain()


def test_explain_says_that_other_threads_were_alive():
    class Counted:
        def __init__(self):
            self.total, self.count = np.zeros(3), 0

        @np.jit
        def add(self, x):
            self.total += x
            self.count += 1
            return self.total / self.count

    counted, done = Counted(), threading.Event()
    other = threading.Thread(target=lambda: done.wait())
    other.start()
    try:
        for _ in range(10):
            counted.add(np.ones(3))
    finally:
        done.set()
        other.join()
    text = Counted.add.explain()
    assert "it changes self.count, which is compiled only where there is no debugger, profiler or thread" in text
    assert "before threads of the program's are started" in text and counted.count == 10
