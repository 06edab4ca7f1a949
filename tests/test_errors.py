"""Failures: raised where NumPy raises, explained when they come later, and nothing but right values afterwards."""

import contextlib
import doctest
import pathlib
import re
import subprocess
import sys
import textwrap
import traceback

import numpy as real
import pytest

import lazytensor
from lazytensor import compile as pipeline
from lazytensor.errors import LostValueError, SettingError
from lazytensor.hot import native
from lazytensor.ir.dtypes import record_of
from tests.helpers import assert_same, blamed, check_same, module_under_test

HERE = pathlib.Path(__file__).name
ROOT = str(pathlib.Path(lazytensor.__file__).parent.parent)
SIDE = 200
"""An array of this many rows and columns is large enough to be written over."""


class Failing:
    """Stands in for the function of `exp`: inside `after`, fails at the call of that number, and only then."""

    def __init__(self):
        self.fn, self.error, self.left = EXP.fn, None, 0

    @contextlib.contextmanager
    def after(self, calls, error):
        self.left, self.error = calls, error
        try:
            yield
        finally:
            self.error = None

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if self.left == -1 and self.error is not None:
            if "out" in kwargs:
                kwargs["out"][...] = 99  # it had begun to write
            raise self.error
        return self.fn(*args, **kwargs)


EXP = record_of(real.exp).op


@pytest.fixture(scope="module")
def exp():
    """The function of `exp` that can fail, in every plan that is made meanwhile."""
    before = EXP.fn
    EXP.fn = failing = Failing()
    pipeline.clear_cache()
    yield failing
    EXP.fn = before
    pipeline.clear_cache()


def line_of(marker):
    """The number of the line of this file that ends with a comment."""
    lines = pathlib.Path(__file__).read_text().splitlines()
    number, = [i for i, line in enumerate(lines, 1) if line.endswith(f"# {marker}")]
    return number


# ---------------------------------------------------------------- notes


def one(np):
    return np.exp(np.arange(6.0).reshape(2, 3)[:, 1:] + 1)  # one operation fails


def planned(np):
    x = np.arange(6.0).reshape(2, 3)
    y = np.exp(x + 1)  # an operation of a plan fails
    return y * 2 + x


def written(np):
    y = np.ones((SIDE, SIDE))
    np.exp(y, out=y)  # a write fails
    return y - 1


@pytest.mark.parametrize("error", [MemoryError("no more"), KeyboardInterrupt(), FloatingPointError("odd")])
@pytest.mark.parametrize("program, marker, operand", [
    (one, "one operation fails", "float64[2, 2]"), (planned, "an operation of a plan fails", "float64[2, 3]"),
    (written, "a write fails", f"float64[{SIDE}, {SIDE}]")])
@pytest.mark.usefixtures("lines_wait")
def test_failure_while_running_names_operation_operands_and_line(exp, program, marker, operand, error):
    np = module_under_test()
    for _ in range(3):  # at first operation by operation, then by a plan
        result = program(np)
        with exp.after(0, type(error)(*error.args)), pytest.raises(type(error)) as caught:
            result.realize()
        place = blamed(caught.value)
        assert f": lazytensor was running exp({operand}), written here" in place
        assert f"{HERE}, line {line_of(marker)}, in {program.__name__}" in place
        program(np).realize()


def test_the_place_is_printed_in_the_traceback(tmp_path):
    script = """
        import lazytensor as np
        from lazytensor.ir.dtypes import record_of
        import numpy
        x = np.arange(3, dtype='f4')
        y = np.exp(x, dtype='f8')
        def fail(*args, **kwargs): raise MemoryError('no more')
        record_of(numpy.exp).op.fn = fail
        print(y)
    """
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(script).lstrip("\n"))
    out = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env={"PYTHONPATH": ROOT})
    place = f'  File "{path}", line 5, in <module>: lazytensor was running exp(float32[3]), written here'
    assert out.stderr.endswith(f"{place}\n    y = np.exp(x, dtype='f8')\nMemoryError: no more\n")
    assert re.search(r'script\.py", line 8, in <module>\n\s+print\(y\)', out.stderr)


# ---------------------------------------------------------------- after a failure


def chain(np):
    x = np.ones((SIDE, SIDE)) * 2
    y = np.exp(x) + x
    return [x, y, np.exp(y - 20) * 3]


def updates(np):
    x = np.ones((SIDE, SIDE))
    reader = x * 3
    for _ in range(3):
        np.exp(x, out=x)
        x -= 1
    return [x, reader, x.sum()]


def slices(np):
    x = np.arange(float(SIDE * SIDE)).reshape(SIDE, SIDE) / (SIDE * SIDE)
    x[1:] = np.exp(x[:-1])
    total = x.sum(axis=0)
    x[:, 0] = np.exp(x[:, 1])
    return [x, total, x.T @ x]


def temporaries(np):
    x = np.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE)
    return [np.exp(np.exp(np.exp(x) / 9) / 9) + np.exp(-x)]


def through_views(np):
    x = np.zeros((SIDE, SIDE))
    y = x[::2]
    y += np.exp(x[1::2])
    x[:, 1] *= np.exp(y[0, 0] * 0) * 2
    return [y, x, y + 1]


def shared(np):
    host = real.ones((SIDE, SIDE))
    x = np.array(host)
    y = np.exp(x) - host
    x += y
    return [x, y, x - 1]


AFTER = (chain, updates, slices, temporaries, through_views, shared)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("program", AFTER, ids=lambda program: program.__name__)
def test_after_a_failure_values_are_right_or_lost_never_garbage(exp, program, together, at, error):
    np = module_under_test()
    expected = program(real)
    for _ in range(3):  # at first operation by operation, then by a plan
        lost = recovered = 0
        raised = None
        try:
            with exp.after(at, error("in the middle")):
                results = program(np)
                if together:
                    np.realize(*results)
                for result in results:
                    np.realize(result)
        except error as caught:
            raised = caught
            if "results" not in locals():
                return  # something had to run when it was written: the program saw the error there
        for value, result in zip(expected, results):
            try:
                np.realize(result)
            except (LostValueError, error) as lost_value:
                assert raised is not None and raised in causes(lost_value)
                lost += 1
            else:
                assert_same(value, result)
                recovered += 1
        if raised is None:
            assert lost == 0
        assert lost + recovered == len(expected)
        for result in results:  # and again: what is lost stays lost
            try:
                np.realize(result)
            except (LostValueError, error):
                lost -= 1
        assert lost == 0


def causes(error):
    while error is not None:
        yield error
        error = error.__cause__


def test_lost_value_says_what_it_was_and_why(exp):
    np = module_under_test()
    x = np.ones((SIDE, SIDE)) + 1
    with exp.after(0, MemoryError("no more")):
        x += 1
        np.exp(x, out=x)
        with pytest.raises(MemoryError) as first:
            np.realize(x)
    try:
        x.realize()
    except (LostValueError, MemoryError) as error:
        assert first.value in causes(error)
    else:
        assert_same(real.exp(real.full((SIDE, SIDE), 3.0)), x)
    y = np.arange(3.0) + 1
    assert_same(real.arange(3.0) + 1, y)


# ---------------------------------------------------------------- at the line


def divided_in_try(np):
    x = np.arange(-2.0, 3.0)
    log = []
    for kind in ("divide", "invalid", "over", "under"):
        with np.errstate(all="ignore", **{kind: "raise"}):
            for operation in (lambda: 1 / x, lambda: np.sqrt(x), lambda: np.exp(x * 1000), lambda: 1e-300 * x * 1e-300,
                              lambda: x / x, lambda: (x * 1e308).sum(), lambda: np.log(x), lambda: x.mean() / x[2]):
                try:
                    log.append(operation())
                except FloatingPointError as error:
                    log.append(str(error))
    return log


def nested_blocks(np):
    x = np.zeros(3)
    log = []
    try:
        with np.errstate(divide="raise"):
            y = x + 1
            with np.errstate(divide="ignore"):
                z = y / x
            w = y / (x + 1)
            y / x
    except FloatingPointError:
        log.append("outer")
    return log, y, z, w


def in_place_before_the_error(np):
    x = np.arange(4.0)
    y = x[1:]
    try:
        with np.errstate(all="raise"):
            y += 1
            y /= x[0:3]
    except FloatingPointError:
        pass
    x *= 2
    return x, y


def half_done(np):
    x, total = np.zeros((3, 2)), np.zeros(2)
    for i, row in enumerate(([1, 2], [3, 4], [5, 6, 7])):
        total += i
        try:
            x[i] = row
        except ValueError:
            total -= 100
    return x, total


def wrong_in_a_call(np):
    def inner(a):
        return a @ a

    log = []
    for wrong in (lambda a: a + np.ones(9), inner, lambda a: a.reshape(7), lambda a: np.concatenate([a, 1]),
                  lambda a: a[10], lambda a: np.stack([a, a[0]]), lambda a: a.sum(axis=5), lambda a: np.linalg.inv(a),
                  lambda a: np.nothing, lambda a: a.nothing, lambda a: a.astype("nothing"), lambda a: np.zeros(-1),
                  lambda a: np.array([[1], [2, 3]]), lambda a: int(a), lambda a: np.linalg.solve(a @ a.T * 0, a)):
        try:
            log.append(wrong(np.ones((2, 3)) * 2))
        except Exception as error:
            log.append((type(error).__name__, type(error).__mro__[1].__name__))
    return log


def unhandled(np):
    x = np.arange(3.0)
    y = x * 2
    x[0] = 7
    np.concatenate([x, y])[np.array([0, 9])]
    return x


def singular(np):
    a = np.ones((2, 2))
    b = a * 0
    c = b + 1
    np.linalg.inv(b)
    return c


def integer_power(np):
    n = np.arange(3) + 1
    m = n - 2
    n ** m
    return n


@pytest.mark.parametrize("program", [
    divided_in_try, nested_blocks, in_place_before_the_error, half_done, wrong_in_a_call, unhandled, singular,
    integer_power], ids=lambda program: program.__name__)
def test_errors_come_at_the_line_at_which_numpy_raises_them(program):
    check_same(program)


# ---------------------------------------------------------------- names and settings


@pytest.mark.parametrize("name, meant", [
    ("arrange", "arange"), ("sumn", "sum"), ("linspce", "linspace"), ("ndaray", "ndarray")])
def test_unknown_names_come_with_a_suggestion(name, meant):
    np = module_under_test()
    says = f"module 'lazytensor' has no attribute '{name}'.*Did you mean: '{meant}'"
    with pytest.raises(AttributeError, match=says):
        getattr(np, name)
    assert not hasattr(np, name)


def test_names_like_nothing_have_no_suggestion():
    with pytest.raises(AttributeError, match="has no attribute 'qqqqqq'$"):
        _ = module_under_test().qqqqqq
    with pytest.raises(ImportError, match="cannot import name 'qqqqqq'"):
        exec("from lazytensor import qqqqqq")
    with pytest.raises(AttributeError, match="lazytensor.linalg.*no attribute 'qqqqqq'"):
        _ = module_under_test().linalg.qqqqqq


@pytest.mark.parametrize("values, says", [
    ({"depht": 3}, ("'depht'", "did you mean 'depth'?", "pinned", "pool")),
    ({"depth": 0}, ("'depth'", "0", "at least 1", "None")), ({"depth": 2.5}, ("'depth'", "2.5")),
    ({"depth": True}, ("'depth'", "True")), ({"debug": 1}, ("'debug'", "True or False")),
    ({"engine": "cuda"}, ("'engine'", "'cuda'", "'numpy'")), ({"pinned": -1}, ("'pinned'", "-1", "bytes")),
    ({"pool": "1 GB"}, ("'pool'", "'1 GB'", "bytes")), ({"nothing": 1}, ("'nothing'", "The settings are "))])
def test_mistakes_in_settings_name_the_setting_and_what_it_takes(values, says):
    np = module_under_test()
    before = np.config.settings()
    with pytest.raises(SettingError) as caught:
        np.config(plans=7, **values)
    assert all(text in str(caught.value) for text in says)
    assert isinstance(caught.value, ValueError)
    assert np.config.settings() == before


def test_settings_in_a_with_statement_are_put_back():
    np = module_under_test()
    before = np.config.settings()
    with np.config(depth=3, pool=None):
        assert np.config.settings() == {**before, "depth": 3, "pool": None}
        with pytest.raises(KeyError), np.config(depth=5, debug=True):
            assert np.config.settings()["depth"] == 5
            raise KeyError
        assert np.config.settings()["depth"] == 3 and not np.config.settings()["debug"]
    assert np.config.settings() == before
    change = np.config(depth=9)
    assert np.config.settings()["depth"] == 9
    np.config(**{name: before[name] for name in ("depth",)})
    del change
    assert np.config.settings() == before


@pytest.mark.parametrize("variable, value", [("LAZYTENSOR_DEBUG", "yes"), ("LAZYTENSOR_ENGINE", "fast")])
def test_mistakes_in_the_environment_are_told_at_import(variable, value, monkeypatch):
    monkeypatch.setenv(variable, value)
    out = subprocess.run([sys.executable, "-c", "import lazytensor"], capture_output=True, text=True)
    assert out.returncode == 1 and "SettingError" in out.stderr and repr(value) in out.stderr


def test_what_an_exception_prints_is_numpys():
    """doctest compares the last lines that an exception prints."""
    text = """
    >>> x = np.arange(3.0) + 1
    >>> with np.errstate(all="raise"):
    ...     x / 0
    Traceback (most recent call last):
    FloatingPointError: divide by zero encountered in divide
    >>> np.linalg.inv(np.zeros((2, 2)) + 0)
    Traceback (most recent call last):
    numpy.linalg.LinAlgError: Singular matrix
    """
    np = module_under_test()
    test = doctest.DocTestParser().get_doctest(text, {"np": np}, "example", None, 0)
    assert doctest.DocTestRunner(optionflags=0).run(test).failed == 0

    def program(np):
        try:
            with np.errstate(all="raise"):
                np.log(np.arange(3.0) * 1)
        except FloatingPointError as error:
            return traceback.format_exception_only(error), getattr(error, "__notes__", None), error.__cause__

    check_same(program)


# ---------------------------------------------------------------- contexts

BARE = """
x + d; x @ x; x.reshape(5); np.sqrt(t); np.add(x, t); x ** t; x += t; x **= 1j; -t; np.matmul(x, x); x.reshape(5, 7)
np.add(x, x, out=np.zeros(5)); x[[9]]; x[9]; x[:, None, 4]; np.broadcast_arrays(x, np.ones(5)); i ** -1; x.conj(1, 2)
np.negative(x > 1); i += 0.5; x @ t; np.arange(3) << 1.5; x + np.ones(5); np.where(x, t, [1, 2, 3, 4, 5]); x + [1] * 5
divmod(x, t); x.clip('a'); np.bitwise_and(x, 1); x.sum() & 1; x.sum() + t; ~x; x.shape = 5
"""


@pytest.mark.parametrize("row", [row for line in BARE.strip().splitlines() for row in line.split("; ")])
def test_errors_come_of_no_other_that_numpys_do_not(row):
    """What was tried before NumPy was asked is not in the traceback."""
    def raised(np):
        names = {"np": np, "x": np.arange(6.0).reshape(2, 3), "t": np.array(["a", "b", "c"]), "i": np.arange(4),
                 "d": np.array(["2000-01-01"] * 3, "M8[D]")}
        try:
            exec(row, names)
            real.asarray(names["x"])
        except Exception as error:
            return [type(error), str(error), error.__cause__, *([] if error.__context__ is None else ["context"])]
        return None

    assert raised(module_under_test()) == raised(real)


class Other:
    """Takes part in no operation."""


@pytest.mark.skipif(native is None or not hasattr(native, "called"), reason="told by the extension")
@pytest.mark.parametrize("program", [
    lambda np, x: x - Other(), lambda np, x: x @ Other(), lambda np, x: x < Other(), lambda np, x: Other() > x.sum(),
    lambda np, x: hash(x), lambda np, x: {x: 1}, lambda np, x: [1, 2][x.sum()], lambda np, x: x.sum()[0],
    lambda np, x: x(), lambda np, x: len(x.sum()), lambda np, x: "".join([x]), lambda np, x: range(x.sum()),
    lambda np, x: x.copy(x),
    lambda np, x: x.copy(x.sum()), lambda np, x: x.reshape(x.shape, order=x),
    lambda np, x: x.astype(float, order=x.sum()),
    lambda np, x: open(x), lambda np, x: x.sum() << 1, lambda np, x: ~x.sum(), lambda np, x: next(x),
    lambda np, x: chr(x),
], ids=lambda program: "-".join(map(str, program.__code__.co_names)))
def test_errors_call_arrays_and_scalars_by_numpys_names(program):
    check_same(lambda np, x: program(np, x), real.arange(3.0), messages=True)
