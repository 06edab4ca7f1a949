"""The extension's reader of programs (`_reading.c`, `_running.c`): as Python's compiler has it, or not at all."""

from __future__ import annotations

import copy
import ctypes
import signal
import threading
import types

import numpy as np
import pytest

import lazytensor as lt
from lazytensor.hybrid import fast, texts

needs_extension = pytest.mark.skipif(fast.native is None, reason="the extension was not built")

SAME = [
    ("x = a + b\nreturn x, 1.5, -2, -0.0, 1e-05, 1e+16, 12345678901234567890", (1, 2)),
    ("return 'hi', \"it's\", 'a\\n\\'b', b'\\x00a', '\u00e9', ''", (1, 2)),
    ("return None, True, False, [], {}, (), (a,), [a, b], {a}, {a: b, 'c': (b, 2),}, ((a))", (1, 2)),
    ("if a is b: return 1\nif not (a is not b): return 2\n"
     "return a == b, a != b, a < b, a >= b, a in (1, 2), a not in [1]",
     (1, 3)),
    ("return a and b, a or b, not a, a and not b or 5, (a or b) & 3 + 4", (0, 7)),
    ("try:\n    if a == 0: raise ValueError\n    return [a][1]\nexcept (LookupError, ValueError):\n"
     "    return 'caught'\nfinally:\n    b.append(1); b.append(2)", (0, [])),
    ("try:\n    return [a][1]\nexcept (LookupError, ValueError): return 'caught'\nfinally: b.append(1)", (0, [])),
    ("try: W = b.pop()\nexcept IndexError: W = a\nreturn W, b", (0, [])),
    ("try: W = b.pop()\nexcept IndexError: W = a\nreturn W, b", (0, [5])),
    ("x = y = 0\nfor _ in range(100):\n    x = x + a\n    if x == b: return x, y\n    y = y + 2\nreturn y", (3, 60)),
    ("for _ in range(3): b.append(a)\nfor _ in range(0): b.append(7)\nreturn b", (3, [])),
    ("for _ in range(a):\n    b.append(a)\nx = a + -3\nfor _ in range(x): b.append(7)\nreturn b", (3, [])),
    ("for _ in range(b): return 1\nreturn 2", (3, -4)),
    ("for _ in range(b): return 1\nreturn 2", (3, "many")),
    ("x = a\ndel x\ny = x", (3, 4)),
    ("x, y, = b\nz, = [a]\nreturn x, y, z", (3, (4, 5))),
    ("x, y = b", (3, (4, 5, 6))),
    ("x, y = a", (3, 4)),
    ("a.x = c = 3\na.y = b; b[0] = 5; b[a.x, 'k'] = a.x + c\n"
     "return a.x, a.y, c, len(b)", (types.SimpleNamespace(), {})),
    ("return max(a, b), max(*b), int('ff', base=16), int(*['12'],), b[-1] & 3, dict(a=a, b=b)", ([1], [3, 4])),
    ("return a.real.imag.real, b.upper().lower()", (3, "x")),
    ("if a == 3:\n    if b == 4:\n        return 1\n    return 2\nreturn 3", (3, 5)),
    ("if a == 3:\n    x = 1\nelse:\n    x = 2\n    if b: x = 4\n    else: x = 5\nreturn x", (3, 5)),
    ("if a == 3:\n    x = 1\nelse:\n    x = 2\n    if b: x = 4\n    else: x = 5\nreturn x", (4, 5)),
    ("if a == 3: return 1\nelse:\n    if b: return 4\n    else:\n        pass\nreturn a, b", (4, 0)),
    ("for _ in range(288230376151711744):\n    if len(b) > 3: break\n    b.append(a)\n    if a: pass\nreturn b",
     (3, [])),
    ("for _ in range(3):\n    for _ in range(5):\n        b.append(a)\n        try:\n            if len(b) > 3: break\n"
     "        finally: b.append(2)\n    b.append(1)\nreturn b", (3, [])),
    ("for _ in range(4):\n    if len(b) > 3: break\n    else:\n        b.append(a)\n        b.append(1)\nreturn b",
     (3, [])),
    ("raise KeyError", (1, 2)),
    ("return a.nothing", (1, 2)),
    ("return a[b]", ([1], 5)),
    ("x = a", (1, 2)),
    ("\n".join(f"x{i} = a + {i}" for i in range(200)) + "\nreturn " + " + ".join(f"x{i}" for i in range(200)), (1, 2)),
    (f"return max({', '.join(['a', 'b'] * 40)}), {{{', '.join(['a', 'b'] * 40)}}}", (1, 2)),
]


def both(text, **names):
    space = dict(names)
    exec(text, space)
    return fast.native.Program(text, names), space["call"]


def outcome(function, args):
    args = copy.deepcopy(args)
    try:
        return repr(function(*args)), repr(args)
    except Exception as error:  # only what it is counts: the words are others
        return NameError if isinstance(error, NameError) else type(error), repr(args)


@needs_extension
@pytest.mark.parametrize("body, args", SAME, ids=range(len(SAME)))
def test_a_program_does_what_python_does(body, args):
    text = "def call(a, b):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    read, compiled = both(text)
    assert outcome(read, args) == outcome(compiled, args)


@needs_extension
@pytest.mark.parametrize("body", [
    "return [x for x in a]", "return a[1:2]", "return z", "while a: pass", "return a < 1 < 2", "return -a", "return",
    "return f'{a}'", "return (a", "return lambda: 1", "return 'a", "if a: return 1\n    elif a: return 2", "a += 1",
    "break", "if a: break", "for _ in range(3):\n        pass\n    else: return 2", "continue",
    "x = yield", "return a if a else 2", "return 1 2", "return a\n  return a", "return 3j", "import os", "return u'a'",
    "for x in a: return x", "return max(a=1, 2)", "return max(**a)", "return '''a'''", "return 0x1f", "global a",
    "return " + "(" * 300 + "a" + ")" * 300, "len = a", "return len\n    len = 2", "x = (y) = 3; return (x, y) = a"])
def test_what_is_not_known_is_left_to_python(body):
    with pytest.raises(ValueError, match="character"):
        fast.native.Program(f"def call(a):\n    x = len\n    {body}\n", {})


@needs_extension
def test_arguments_are_counted():
    program = fast.native.Program("def call(a, b):\n    return a\n", {})
    for wrong in ((1,), (1, 2, 3)):
        with pytest.raises(TypeError, match="2 arguments"):
            program(*wrong)


@needs_extension
def test_an_exception_that_is_not_caught_passes_the_last_lines():
    done = []
    program = fast.native.Program(
        "def call(a):\n    try:\n        a()\n    except ValueError:\n        return 1\n    finally:\n"
        "        done.append(2)\n",
        {"done": done})

    def interrupt():
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        program(interrupt)
    assert done == [2]


@needs_extension
def test_programs_run_within_each_other_and_by_threads():
    space = {}
    program = space["again"] = fast.native.Program("def call(n, again):\n    if n == 0: return 0\n"
                                                   "    return n + again(n + -1, again)\n", {})
    assert program(50, program) == 1275
    with pytest.raises(RecursionError):
        program(10**6, program)
    found = []
    threads = [threading.Thread(target=lambda: found.append(program(40, program))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [820] * 8


@needs_extension
def test_another_thread_goes_on_while_a_program_loops():
    program = fast.native.Program("def call(a):\n    for _ in range(1000000000):\n        if a: return 1\n", {})
    stop = []
    threading.Timer(0.05, lambda: stop.append(1)).start()
    assert program(stop) == 1


@needs_extension
def test_what_is_compiled_is_read_by_the_extension(monkeypatch):
    def refuse(*args):
        raise AssertionError("compiled by Python")
    monkeypatch.setattr(texts, "compile", refuse, raising=False)

    def f(x, scale, pair, *, name="a"):
        y = np.tanh(x @ x.T) * scale
        if y.sum() > 1e9:
            y = y - 1
        x[0] = y[1]
        return {"y": y, name: (pair[0] + 1, float(x.sum()))}, x[1:]
    jitted = lt.jit(f)
    rng = np.random.default_rng(0)
    for _ in range(8):
        x, p = rng.normal(size=(6, 6)), rng.normal(size=3)
        a, q = lt.array(x), lt.array(p)
        given, rest = jitted(a, 2.5, [q], name="b")
        want, left = f(x, 2.5, [p], name="b")
        assert np.array_equal(given["y"].numpy(), want["y"]) and np.array_equal(rest.numpy(), left)
        assert np.array_equal(given["b"][0].numpy(), want["b"][0]) and given["b"][1] == want["b"][1]
        assert np.array_equal(a.numpy(), x)


@needs_extension
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals of POSIX")
@pytest.mark.parametrize("early", [True, False])
def test_an_interrupt_comes_neither_before_a_try_nor_in_a_finally(early):
    def interrupts(number, frame):
        raise KeyboardInterrupt
    raised = ctypes.PyDLL(None)["raise"]  # os.kill and signal.raise_signal look for signals themselves
    sent = f"raised({int(signal.SIGUSR1)})"
    ended = [*["        x = 1"] * 40, "        a.append(2)"]
    first, last = ([f"    a.append({sent})"], ended) if early else (["    a.append(1)"], [f"        {sent}", *ended])
    before = signal.signal(signal.SIGUSR1, interrupts)
    try:
        for lines in range(40):
            found = []
            program = fast.native.Program("\n".join([
                "def call(a):", *["    x = 1"] * lines, *first, "    try:", *["        x = 1"] * 40, "    finally:",
                *last, ""]), {"raised": raised})
            with pytest.raises(KeyboardInterrupt):
                program(found)
                sum([1, 2])
            assert found[1:] == [2]
    finally:
        signal.signal(signal.SIGUSR1, before)
