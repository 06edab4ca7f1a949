"""Tapes: loops over elements and short rows, compiled, against the same functions on NumPy, to the bit."""

import random
import sys
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import compiled, nesting, stretches
from lazytensor.run import floating
from tests.helpers import difference
from tests.program_jit import unchecked


@pytest.fixture(autouse=True)
def compiled_alone():
    """Without the comparisons by which a jitted function would find a difference itself, and do the right thing."""
    with unchecked(False):
        yield


needs_extension = pytest.mark.skipif(stretches.tape is None, reason="the extension is not built")


def lu(A):
    for i in range(len(A)):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] /= A[j, j]
        for j in range(i, len(A)):
            A[i, j] -= A[i, :i] @ A[:i, j]
    return A


def cholesky(A):
    for i in range(len(A)):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[j, :j]
            A[i, j] /= A[j, j]
        A[i, i] -= A[i, :i] @ A[i, :i]
        A[i, i] = abs(A[i, i])
    return A


def substitution(A):
    x = A[0] * 0.0
    for i in range(len(A)):
        x[i] = (A[i, -1] - A[i, :i] @ x[:i]) / A[i, i]
    return x, A[::-1]


def elimination(A):
    for k in range(len(A) - 1):
        for i in range(k + 1, len(A)):
            factor = A[i, k] / A[k, k]
            A[i, k:] -= factor * A[k, k:]
            A[i, k] = factor
    return A


def recurrence(A):
    x = A[0].copy()
    total = 0.0
    for i in range(1, len(x) - 1):
        x[i] = (x[i - 1] + x[i + 1] - 2 * A[1, i]) * 0.25
        total += abs(x[i]) / 3
    return x, total, -total


def shifted(A):
    for i in range(1, len(A)):
        A[i, 1:] = A[i, :-1]  # one memory: NumPy copies first
        A[i, 1:] += A[i - 1, :-1]
        A[i, ::-1] *= A[i - 1]
        A[i, 0] = 0
    return A


def transposed(A):
    B = A.T
    for i in range(len(A)):
        for j in range(len(A)):
            B[i, j] = A[j, i] * 2 - A[i, j]
    return B, A


def mirrored(A):
    for i in range(len(A)):
        for j in range(len(A)):
            A[i, j] = A[i, j] * A[j, i]
    return A


FUNCTIONS = [lu, cholesky, substitution, elimination, recurrence, shifted, transposed, mirrored]


def matrix(n, dtype, seed=0):
    return (real.random.default_rng(seed).random((n, n)) + real.eye(n) * n).astype(dtype)


def check(function, start, calls=6):
    """The function jitted, called again and again, is the function on NumPy."""
    f = np.jit(function)
    for _ in range(calls):
        own, plain = np.array(start), start.copy()
        with real.errstate(all="ignore"):
            expected, found = function(plain), f(own)
        different = difference(expected, found) or difference(plain, own)
        assert not different, different
    return f


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [3, 7, 24])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_loops_over_elements(function, n, dtype):
    check(function, matrix(n, dtype))


@pytest.mark.parametrize("dtype", ["i8", "c16", ">f8", "f2", "i2"])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_other_dtypes(function, dtype):
    with real.errstate(all="ignore"):
        try:
            function(matrix(7, dtype))
        except TypeError:
            return
        check(function, matrix(7, dtype))


@needs_extension
@pytest.mark.parametrize("function", [lu, cholesky, substitution, elimination], ids=lambda f: f.__name__)
def test_they_are_one_tape(function):
    f = check(function, matrix(24, "f8"))
    assert "tape" in f.source and len(f.source.splitlines()) < 60, f.source
    assert "steps on a tape" in f.explain()


@needs_extension
def test_a_tape_is_short_whatever_the_turns():
    words = [tape_of(check(lu, matrix(n, "f8"), 1)).words for n in (20, 40)]
    assert words[0] == words[1] < 1500


@needs_extension
def test_the_records_of_a_long_tape_are_forgotten(monkeypatch):
    f = np.jit(lu)
    with unchecked(True):
        monkeypatch.setattr(compiled, "FIRST_CHECKS", (2, 3, 4))
        for call in range(20):
            start = matrix(30, "f8", call)
            assert difference(lu(start.copy()), f(np.array(start))) is None
    assert f._compiled[0].tree.records == [] and f.cache_info()["compiled"] == f.cache_info()["paths"] == 1
    assert "5340 operations" in f.explain() and "as steps on a tape" in f.explain()


def tape_of(f):
    return next(x for x in f._compiled[0].space.values() if type(x) is stretches.tape.Tape)


def test_a_warning_is_the_python_s():
    start = matrix(12, "f8")
    start[0, 0] = 0
    f = np.jit(lu)
    for _ in range(4):
        own, plain = np.array(start), start.copy()
        with real.errstate(all="warn"), pytest.warns(RuntimeWarning):
            f(own).realize()
        with real.errstate(all="ignore"):
            lu(plain)
        assert difference(plain, own) is None
    with real.errstate(divide="raise", invalid="raise"):
        with pytest.raises(FloatingPointError):
            f(np.array(start))


def test_a_flag_that_a_later_loop_of_numpy_s_clears_is_warned_of(capsys):
    """NumPy's loops for products, `maximum` and others leave no flags from before them."""
    def f(x):
        y, kept = x, []
        for _ in range(20):
            r = np.log(y[0]) * 0.5
            kept += [r, x @ y, np.maximum(y[0], y[1])]
            y = y * 0.5
        return kept

    f = np.jit(f)
    for call in range(8):
        with warnings.catch_warnings(), real.errstate(all="warn"):
            warnings.showwarning, warnings._showwarnmsg_impl = floating._plain_showwarning, floating._plain_show
            warnings.simplefilter("always")
            np.realize(*f(np.array([1.0 - 2 * (call > 2), 1.0])))
        assert capsys.readouterr().err.count("encountered in log") == 20 * (call > 2), call


def test_a_number_from_before_a_tape_and_one_that_it_gives():
    def f(x):
        scale = x.sum() / 7
        y = x * 1.0
        for i in range(30):
            y[i] = y[i] * scale + 1
            last = y[i] - scale
        return y, last, last * 2, scale

    check(f, matrix(6, "f8").ravel())
    check(f, matrix(6, "f4").ravel())


# ---- arrays that are written as lists of scalars ---------------------------------------------------------------------

LISTS = {
    "derivatives": lambda xp, y: xp.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]),
    "rotation": lambda xp, y: (xp.array([[y[0], -y[1]], [y[1], y[0]]]) @ y[1:])[[0, 1, 0]],
    "constants": lambda xp, y: xp.asarray((0.0, -0.0 * y[2], 2)) + y * 0.25,
    "negative zero": lambda xp, y: xp.array([-0.0, y[0] * 0, True]) - y,
    "a dtype": lambda xp, y: xp.array([y[0] * 0.5, 1, y[1]], dtype=float),
    "another dtype": lambda xp, y: xp.array([y[0] * 0.5, 1, y[1]], dtype="f4"),
    "an array of it twice": lambda xp, y: xp.array([(y + xp.array([y[2], y[0], y[1]]))[0], y[1], y[2]]) * 0.5,
    "rows": lambda xp, y: xp.array([y, y * 2])[1] * 0.25,
    "two axes": lambda xp, y: xp.array([y[0], y[1], y[2]], ndmin=2)[0],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "c16"])
@pytest.mark.parametrize("name", LISTS)
def test_lists_of_scalars(name, dtype):
    def integrated(xp):
        def f(y, out):
            for i in range(20):
                y = y + 0.01 * LISTS[name](xp, y)
                out[i] = y
            return y, out[:5]
        return f
    f, on_numpy = np.jit(integrated(np)), integrated(real)
    for call in range(6):
        y, out = real.arange(3).astype(dtype) + call, real.zeros((20, 3), dtype)
        y[0] = -1
        own = np.array(y), np.array(out)
        expected = _outcome(on_numpy, (y, out))
        found = _outcome(f, own)
        different = difference(expected, found) or difference(out, own[1])
        assert not different, different
    if dtype == "f8" and name in ("derivatives", "constants", "a dtype", "an array of it twice"):
        assert stretches.tape is None or "tape" in f.source and "run_" not in f.source, f.source


def _kept(y, out, n):
    own = []
    for i in range(n):
        z = np.array([y[1] - y[0], y[0] * 0.5, y[2] * 0.5])
        last = y[0] + y[1]  # which only the last turn gives
        y = y + 0.01 * np.array([z[0] - z[1], -z[2], last / 3])
        out[i] = y
        own.append(last)
    return y, last, own[-1]


@needs_extension
def test_chains_that_are_long_leave_turns_in_order():
    """A value that nothing needs yet when what is pending is written down comes in its turn all the same."""
    words = []
    for n in (400, 800):
        f = np.jit(_kept)
        own, out = np.ones(3), np.zeros((n, 3))
        first = [x.tolist() for x in (*f(own, out, n), out)]
        assert [x.tolist() for x in (*f(own, out, n), out)] == first == [
            x.tolist() for x in (*_kept(own, out, n), out)]
        words.append(tape_of(f).words)
    assert words[0] == words[1] < 2000


def _long(x):
    for _ in range(1200):
        x = x * 0.999 + 0.1
    return x


def _asks_once(x):
    kept = locals()
    for _ in range(1200):
        x = x * 0.999 + 0.1
    return x, sorted(kept)


def _executes(x):
    exec("added = 3")
    for _ in range(1200):
        x = x * 0.999 + 0.1
    return x, eval("added")


def _is_asked(x):
    kept = []
    _ask(kept)
    for _ in range(1200):
        x = x * 0.999 + 0.1
    return x, "x" in kept[0]


def _ask(kept):
    kept.append(sys._getframe(1).f_locals)


def _is_given(x):
    _give()
    for _ in range(1200):
        x = x * 0.999 + 0.1
    return x, _added()


def _give():
    sys._getframe(1).f_locals["added"] = 3


def _added():
    return sys._getframe(1).f_locals["added"]


def _in_a_caller(x):
    kept = locals()
    return _long(x), sorted(kept)


@pytest.mark.parametrize("function", [_asks_once, _executes, _is_asked, _is_given, _in_a_caller])
def test_dictionaries_of_variables_stay_as_they_are(function):
    """A trace that looks at the variables of the functions that run leaves nothing of that to be seen."""
    f = np.jit(function)
    for call in range(4):
        x = real.random.default_rng(call).random(5)
        expected, found = function(x), f(np.array(x))
        assert difference(expected[0], found[0]) is None and found[1] == expected[1]


# ---- products of matrices --------------------------------------------------------------------------------------------

PRODUCTS = {
    "row": lambda x, y: x[:1] @ y, "column": lambda x, y: x @ y[:, :1], "vector": lambda x, y: x[0] @ y,
    "on a vector": lambda x, y: x @ y[:, 0], "plain": lambda x, y: x @ y, "own transpose": lambda x, y: x @ x.T,
    "transposes": lambda x, y: y.T @ x.T, "every other": lambda x, y: x[:, ::2] @ y[::2],
    "thin": lambda x, y: x[:, :1] @ y[:1], "backwards": lambda x, y: x[::-1] @ y[:, ::-1],
    "one": lambda x, y: x[:1] @ y[:, :1], "none": lambda x, y: x[:, :0] @ y[:0],
    "stored": lambda x, y: x @ y * 1 @ y.T}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4", "c8", "i8"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_numpy_s(name, dtype):
    function = PRODUCTS[name]
    f = np.jit(lambda x, y: function(x, y) * 1)
    for m, k, n in ((1, 1, 1), (2, 3, 4), (5, 1, 3), (17, 33, 9), (64, 70, 66)):
        data = real.random.default_rng(m)
        x, y = (data.normal(size=shape).astype(dtype) for shape in ((m, k), (k, n)))
        for _ in range(3):
            assert difference(function(x, y) * 1, f(np.array(x), np.array(y))) is None


@needs_extension
def test_a_product_that_overflows_is_the_python_s():
    f = np.jit(lambda x, y: x @ y * 1)
    x = real.full((3, 3), 1e200)
    assert "matmul" in f.source or f(np.array(x), np.array(x)) is not None
    for _ in range(3):
        with real.errstate(all="raise"), pytest.raises(FloatingPointError, match="matmul"):
            x @ x
        with real.errstate(all="raise"), pytest.raises(FloatingPointError, match="matmul"):
            f(np.array(x), np.array(x))


# ---- random loops ----------------------------------------------------------------------------------------------------


def random_function(seed):
    """A function of a matrix, a vector and a number of turns, as text."""
    chance = random.Random(seed)
    lines = ["def f(A, x):", "    s = 1.5"]
    for _ in range(chance.randint(1, 2)):
        n = chance.randint(3, 7)
        lines.append(f"    for i in range({chance.choice((0, 1))}, {n}):")
        depth = 2
        if chance.random() < 0.6:
            turns = chance.choice(("i", "i + 1", "3", "1, 6", "i, 7", "6, i, -1"))
            lines.append(f"        for j in range({turns}):")
            depth = 3
        names = ["i", "j", "0", "2", "-1", "i - 1"] if depth == 3 else ["i", "0", "3", "-2", "6 - i", "i // 2"]
        for _ in range(chance.randint(1, 4)):
            lines.append("    " * depth + _statement(chance, names))
    lines.append("    return A, x, s, A.T, x[1:]")
    return "\n".join(lines) + "\n"


def _statement(chance, names):
    def index():
        return chance.choice(names)

    def slices():
        return chance.choice((":{}", "{}:", "::2", "::-1", ":", "1:4", ":0")).format(index())

    def number():
        return chance.choice((f"A[{index()}, {index()}]", f"x[{index()}]", "s", "2", "0.5", f"float({index()})",
                              f"A[{index()}, :{index()}] @ x[:{index()}]", f"(A[:, {index()}] @ x)",
                              f"abs(x[{index()}])"))

    def row():
        return chance.choice((f"A[{index()}]", f"A[:, {index()}]", f"x[{slices()}]", f"A[{index()}, {slices()}]"))

    op = chance.choice("+-*/")
    kind = chance.randint(0, 7)
    if kind < 2:
        return f"A[{index()}, {index()}] {op}= {number()}"
    if kind == 2:
        return f"x[{index()}] = {number()} {op} {number()}"
    if kind == 3:
        return f"s = {number()} {op} s * {number()}"
    if kind == 4:
        return f"{row()} {op}= {number()}"
    if kind == 5:
        return f"{row()} {chance.choice(('', op))}= {row()}"
    if kind == 6:
        return f"x = x {op} {chance.choice((number(), row()))}"
    return f"x[{slices()}] = {chance.choice((number(), row()))} {op} {chance.choice((number(), row()))}"


def tried(seed):
    """(what differs or None, whether there was a tape, the text)."""
    text = random_function(seed)
    names = {}
    exec(compile(text, "<random loop>", "exec"), names)
    function, chance = names["f"], random.Random(-seed)
    dtypes = chance.choice((("f8", "f8"), ("f8", "f8"), ("f4", "f4"), ("f4", "f8"), ("i8", "f8")))
    f = np.jit(function)
    for call in range(4):
        data = real.random.default_rng(seed + call)
        A, x = (data.normal(size=(7, 7)) * 4).astype(dtypes[0]), data.normal(size=7).astype(dtypes[1])
        if chance.random() < 0.1:
            x[2] = chance.choice((0, real.inf, real.nan, 3e38, -0.0))
        own = np.array(A), np.array(x)
        with real.errstate(all="ignore"):
            outcomes = [_outcome(function, (A, x)), _outcome(f, own)]
        found = difference(*outcomes) or difference((A, x), own)
        if found:
            return f"call {call + 1}: {found}", False, text
    return None, any("tape" in c.source for c in f._compiled), text


def _outcome(function, args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_random_loops(first, monkeypatch):
    monkeypatch.setattr(stretches, "LEAST", 4)
    taped = 0
    for seed in range(first, first + 25):
        found, tape, text = tried(seed)
        assert not found, f"seed {seed}: {found}\n{text}"
        taped += tape
    assert stretches.tape is None or taped


# ---- loops within loops ----------------------------------------------------------------------------------------------


def _taken_by_python(self, records, after):
    while self.done < len(records):
        self.take(records[self.done], set(after[self.done]))
        self.done += 1


def _stretches_of(function, *start):
    """All that the stretches of a function's trace come to be."""
    found, own = [], stretches.Stretch.finished

    def finished(self, errstate):
        found.append((list(self.steps), dict(self.scalars), self._slots, list(self.arrays), sorted(self.written),
                      sorted(self._free), dict(self.memory.text), set(self.memory.fresh)))
        return own(self, errstate)

    stretches.Stretch.finished = finished
    try:
        with real.errstate(all="ignore"):
            np.jit(function)(*start)
    finally:
        stretches.Stretch.finished = own
    return found


@needs_extension
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_extension_takes_records_as_python_does(dtype, monkeypatch):
    def at_most_by_python(function, *start):
        with monkeypatch.context() as patch:
            patch.setattr(stretches.Stretch, "take_all", _taken_by_python)
            return _stretches_of(function, *[np.array(x) for x in start])

    some = 0
    for function in FUNCTIONS:
        for start in (matrix(9, dtype), matrix(9, dtype).T, matrix(9, dtype)[::-1, ::-1]):
            found = _stretches_of(function, np.array(start))
            assert found == at_most_by_python(function, start), function.__name__
            some += len(found)
    assert some >= len(FUNCTIONS)


def test_steps_become_loops_within_loops():
    steps = []
    for i in range(20):
        for j in range(i):
            steps += [("read", (20 * i + j,)), ("write", (20 * j,))]
        steps.append(("end", (i,)))
    found = nesting.nested(steps)
    assert list(nesting.unrolled(found)) == steps and len(found) < 20
    assert max(numbers[0] for shape, numbers in found if type(shape) is nesting.Loop) == 17


@pytest.mark.parametrize("seed", range(20))
def test_what_is_rolled_unrolls_to_the_same(seed):
    chance = random.Random(seed)
    steps = []
    for _ in range(chance.randint(1, 5)):
        body = [(chance.choice("abc"), chance.randint(0, 3), chance.randint(-1, 2))
                for _ in range(chance.randint(1, 4))]
        steps += [(c, (b + g * t,)) for t in range(chance.randint(1, 6)) for c, b, g in body]
    assert list(nesting.unrolled(nesting.nested(steps))) == steps


@needs_extension
def test_what_leaves_its_arrays_is_no_tape():
    step, arrays = [2, 0, 8, 0, 0, 0, 0, 0], [0, 8, 8, 0]

    def made(words, arrays=arrays, slots=1):
        def packed(x):
            return real.array(x, "i8").tobytes()
        ends = b"", packed([0, 8])
        return stretches.tape.Tape(packed(words), packed(arrays), packed([0] * slots), *ends, 0, (0,) * 6, (), None)

    assert made(step)(real.array([2.5])) == (2.5,)
    assert made(step)(real.array([2.5], "f4")) is None
    loop = [0, 0, 8, 0, 0, 24, 0, 1], [2, 0, 8, 0, 0, 0, 1, 0, 8], [1, 0, 8, 0, 0, 8, 0]
    assert made(sum(loop, []))(real.array([2.5])) == (2.5,)
    loop[0][-1] = 2  # the second turn reads what is beyond
    for bad in (sum(loop, []), [2, 0, 8, 0, 0, 0, 0, 8], [2, 0, 8, 1, 0, 0, 0, 0], [2, 0, 8, 0, 0, 5, 0, 0], step[:-1],
                [77, *step[1:]], [14, 0, 8, 0, 0, 0, 0], [15, 0, 8, *[0] * 11], [1, 0, 8, 0, 0, 0, 0],
                [13, 8, 8, 0, 0, 0, 0], [11, 0, 8, 0, 1, 0, 0],
                sum(loop[:2], []), [3, 0, 8, 0, 0, 0, 0, 0]):
        with pytest.raises(ValueError, match="not a tape"):
            made(bad)
