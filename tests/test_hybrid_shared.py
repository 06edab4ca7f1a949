"""Arguments of jitted functions, and arrays that they reach, whose memory NumPy's arrays share: where it is only read,
the compiled program reads it where it lies; nobody can tell, whatever is written to it between calls."""

import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.errors import HybridWarning
from lazytensor.hybrid import compiled, fusing, jit, nodes
from tests import program_shared
from tests.helpers import same_bits

pytestmark = pytest.mark.usefixtures("unchecked")


def numbers(*shape):
    return real.random.default_rng(list(shape)).standard_normal(shape)


def alike(expected, found):
    for a, b in zip(expected, found, strict=True):
        assert same_bits(real.asarray(a), real.asarray(b)), (a, b)


def one(f, compiled=1):
    info = f.cache_info()
    assert info["compiled"] == compiled and info["python"] is None and not info["reasons"], info


def reads(np, x):
    return [(x * 2 + 1).sum(), x - x.mean(), np.maximum(x, 0)[1:],
            np.sqrt(np.abs(x)) @ x.T if x.ndim == 2 else (x * x).sum(0)]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("shape", [(7,), (40,), (5, 6), (4, 3, 3)])
def test_what_is_only_read_is_compiled(shape, large, monkeypatch):
    if large:
        monkeypatch.setattr(nodes, "LARGE", 0)
    memory = numbers(*shape)
    x = np.asarray(memory)
    f = np.jit(lambda x: reads(np, x))
    for turn in range(40):
        found = f(x)
        expected = reads(real, memory.copy())
        memory[...] = memory * 0.5 + turn  # the results are those of the call all the same
        alike(expected, found)
    one(f)


@pytest.mark.skipif(not fusing.possible(), reason="no kernels here")
def test_with_kernels(monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", (2, 3, 4))
    monkeypatch.setattr(jit, "HOT", 2)
    memory = numbers(50, 4)
    x, f = np.asarray(memory), np.jit(lambda x: reads(np, x))
    for turn in range(20):
        found, expected = f(x), reads(real, memory.copy())
        memory += turn
        alike(expected, found)
    one(f)
    assert f._compiled[0].kernels


def test_one_program_for_shared_and_own_arrays():
    f = np.jit(lambda x, y: [x * 2 + y, (x * y).sum()])
    memory, other = numbers(30), numbers(30, 1)[:, 0]
    for x, y in [(np.array(memory), np.array(other)), (np.asarray(memory), np.array(other)),
                 (np.asarray(memory), np.asarray(other)), (np.asarray(memory), np.asarray(memory))] * 3:
        alike([real.asarray(x) * 2 + real.asarray(y), (real.asarray(x) * real.asarray(y)).sum()], f(x, y))
    assert f.cache_info()["compiled"] == 1


def test_memory_that_was_given_out():
    x = np.array(numbers(20))
    f = np.jit(lambda x: x * 3 - 1)
    f(x)
    memory = x.numpy()
    for turn in range(5):
        expected, found = memory * 3 - 1, f(x)
        memory[turn] = 7
        alike([expected], [found])
    one(f)


def test_read_only_memory():
    memory = numbers(20)
    memory.flags.writeable = False
    f = np.jit(lambda x: [x * 3, x.sum()])
    for _ in range(5):
        alike([memory * 3, memory.sum()], f(np.asarray(memory)))
    one(f)
    own = np.array(numbers(20))
    own.flags.writeable = False
    alike([memory * 3, memory.sum()], f(own))
    one(f)

    @np.jit
    def written(x):
        x += 1
        return x
    for _ in range(3):
        with pytest.raises(ValueError, match="read-only"):
            written(np.asarray(memory))
        with pytest.raises(ValueError, match="read-only"):
            written(own)


def test_a_part_of_read_only_memory_is_read_only():
    f = np.jit(lambda x: x[2:])
    own, memory = np.array(numbers(20)), numbers(20)
    assert f(own).flags.writeable
    memory.flags.writeable = False
    for _ in range(3):
        part = f(np.asarray(memory))
        assert not part.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1
    memory.flags.writeable = True
    for x in (np.asarray(memory), own):
        for turn in range(3):
            part = f(x)
            part[0] = turn
            assert real.asarray(x)[2] == turn
    assert memory[2] == 2


def test_a_result_that_is_the_argument_or_a_part_of_it():
    memory = numbers(20)
    x, f = np.asarray(memory), np.jit(lambda x: (x, x[1:], x * 2))
    for turn in range(5):
        same, part, double = f(x)
        assert same is x
        part[turn] = turn
        memory[10] = turn
        assert memory[turn + 1] == turn and real.asarray(same)[10] == turn and real.asarray(part)[9] == turn
        assert real.asarray(double)[turn + 1] == (turn * 2 if turn + 1 == 10 else real.asarray(double)[turn + 1])
    one(f)


@pytest.mark.parametrize("write", [
    lambda x: x.__iadd__(1), lambda x: x.__setitem__(slice(1, None), x[:-1] * 0.5), lambda x: x.__setitem__(x > 0, 0),
    lambda x: np.add(x, 1, out=x), lambda x: x.sort(), lambda x: x.fill(3), lambda x: np.copyto(x, 5.0),
])  # fmt: skip
def test_writes_reach_the_memory(write):
    def f(x, y):
        before = y * 2
        write(x)
        return [before, y * 2, x.sum()]
    jitted = np.jit(f)
    for shared in (True, False, True, False):
        memory = numbers(20)
        whole = memory.copy()
        x, y = np.asarray(memory[:15]), np.asarray(memory[5:]) if shared else np.array(memory[5:])
        a, b = np.asarray(whole[:15]), np.asarray(whole[5:]) if shared else np.array(whole[5:])
        for _ in range(3):
            alike(f(a, b), jitted(x, y))
            alike([whole], [memory])


def test_captured_arrays_and_containers():
    memory, other = numbers(20), numbers(20) + 1
    weight = np.asarray(memory)
    f = np.jit(lambda given: given["x"][0] * weight + given["y"])
    for turn in range(6):
        found = f({"x": [np.asarray(other)], "y": weight})
        expected = other * memory + memory
        memory[turn] = turn
        alike([expected], [found])
    one(f)


def test_a_minibatch_of_shared_memory():
    memory = numbers(60, 4)
    x, f = np.asarray(memory), np.jit(lambda x, w: (x @ w).sum(0))
    w = np.ones((4, 2))
    for i in range(20):
        found, expected = f(x[i:i + 16], w), (memory[i:i + 16] @ real.ones((4, 2))).sum(0)
        memory[i + 3] = i
        alike([expected], [found])
    one(f)


@pytest.mark.parametrize("layout", ["unaligned", "broadcast", "window", "swapped", "reversed", "empty", "scalar",
                                    "strided"])
def test_layouts(layout):
    base = numbers(24)
    memory = {
        "unaligned": lambda: real.frombuffer(bytearray(b"x" + base.tobytes()), offset=1),
        "broadcast": lambda: real.broadcast_to(base[:4], (3, 4)),
        "window": lambda: real.lib.stride_tricks.sliding_window_view(base, 3),
        "swapped": lambda: base.astype(">f8"), "reversed": lambda: base[::-1], "empty": lambda: base[:0],
        "scalar": lambda: base[3:4].reshape(()), "strided": lambda: base.reshape(4, 6)[:, ::2],
    }[layout]()
    f = np.jit(lambda x: [x * 2 + 1, x.sum(), x - x])
    for _ in range(5):
        alike([memory * 2 + 1, memory.sum(), memory - memory], f(np.asarray(memory)))


def test_elements_decide():
    memory = numbers(6)
    x = np.asarray(memory)

    @np.jit
    def f(x):
        if x[0] > 0:
            return x * 2
        return x - 1
    for turn in range(8):
        memory[0] = (-1) ** turn
        found, expected = f(x), memory * 2 if memory[0] > 0 else memory - 1
        memory[1] = turn
        alike([expected], [found])
    one(f)
    assert f.cache_info()["paths"] == 2


def test_loops_read_it():
    memory = numbers(30)
    x = np.asarray(memory)

    @np.jit
    def f(x, n):
        u = x.copy()
        for _ in range(n):
            u[1:-1] = (u[:-2] + u[2:]) * 0.5 + x[1:-1]
        return u

    def plain(x, n):
        u = x.copy()
        for _ in range(n):
            u[1:-1] = (u[:-2] + u[2:]) * 0.5 + x[1:-1]
        return u
    for turn in range(30):
        n = 60 if turn % 3 else 50
        found, expected = f(x, n), plain(memory, n)
        memory[0], memory[turn % 30] = turn, -turn
        alike([expected], [found])
    assert f.cache_info()["python"] is None


@pytest.mark.parametrize("n", [10, 200])
def test_fori_loops_read_it(n):
    memory = numbers(30)
    x = np.asarray(memory)
    f = np.jit(lambda x: np.fori_loop(0, n, lambda i, u: u * 0.5 + x[i % 3] if n < 50 else u * 0.5 + x, x * 1))
    for turn in range(6):
        found, expected = f(x), memory * 1
        for i in range(n):
            expected = expected * 0.5 + (memory[i % 3] if n < 50 else memory)
        memory[turn] = turn
        alike([expected], [found])


def test_sizes():
    f = np.jit(lambda x: [(x - x.mean()) * 2, x[1:] - x[:-1]])
    for n in [5, 8, 11, 8, 30, 12, 5, 7] * 2:
        memory = numbers(n)
        x = np.asarray(memory)
        found, expected = f(x), [(memory - memory.mean()) * 2, memory[1:] - memory[:-1]]
        memory[...] = 0
        alike(expected, found)
    assert f.cache_info()["compiled"] == 1


def test_numpy_writes_inside_of_the_call():
    memory = numbers(10)
    holder = {}

    @np.jit
    def f(x):
        y = x * 2
        holder["write"]()
        return y, x * 2

    def write():
        memory[...] = memory + 1
    holder["write"] = write
    x = np.asarray(memory)
    for _ in range(4):
        before = memory.copy()
        first, second = f(x)
        alike([before * 2, (before + 1) * 2], [first, second])


def test_attributes_bound_to_it():
    class Holder:
        @np.jit
        def take(self, x):
            self.x = x
            self.part = x[1:]
            return x.sum()
    memory, holder = numbers(10), Holder()
    x = np.asarray(memory)
    for turn in range(5):
        holder.take(x)
        memory[3] = turn
        assert holder.x is x and real.asarray(holder.part)[2] == turn


def test_with_comparisons(monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", (2, 3, 4))
    memory = numbers(10)
    x, f = np.asarray(memory), np.jit(lambda x: [x * 2, x[1:], x])
    with warnings.catch_warnings():
        warnings.simplefilter("error", HybridWarning)
        for turn in range(20):
            found, expected = f(x), [memory * 2, memory[1:], memory]
            alike(expected, found)
            memory[turn % 10] = turn
    one(f)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("first", [0, 20, 40])
def test_random_functions(first, large, monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", (2, 3, 4))
    if large:
        monkeypatch.setattr(nodes, "LARGE", 0)
    for seed in range(first, first + 20):
        found, _ = program_shared.tried(seed, np)
        assert not found, found
