"""Warnings of jitted functions whose numbers are followed: each is given once, for its line."""

import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import compiled
from lazytensor.run import floating

X = real.linspace(-1, 2, 5)


def text_after(np, x, a):
    y = x / 0
    if y[-1] > 1:
        return f"{a}", y
    return y


def branch_met_late(np, x, a):
    y = np.log(x)
    if a > 0.5 and y[-1] > 0:
        return str(a)
    return y * a


def on_the_left(np, x, a):
    return a / (x - x[0]) + (x > a) - a / x[0],


def cast(np, x, a):
    return x.astype("f4") * (a * 1e39)


def of_numbers(np, x, a):
    return np.float64(a) / 0.0 + x, x * (np.float64(a) * 1e308 * 1e308)


def in_the_program(np, x, a):
    return np.log(x * a) + 1 / a


PROGRAMS = [text_after, branch_met_late, on_the_left, cast, of_numbers, in_the_program]


@pytest.fixture
def told(capsys):
    """What a function has warned of, by the text that Python's own function shows: under a recorder the Python runs."""
    def of(call):
        with warnings.catch_warnings():
            warnings.showwarning, warnings._showwarnmsg_impl = floating._plain_showwarning, floating._plain_show
            warnings.simplefilter("always")
            value = call()
        found = [line.split("Warning: ") for line in capsys.readouterr().err.splitlines() if "Warning: " in line]
        return value, sorted([text, "hybrid_number" in at and at.split(":")[-2]] for at, text in found
                             if "_methods" not in at and "Hybrid" not in at)
    return of


@pytest.mark.parametrize("kind", [float, real.float64])
@pytest.mark.parametrize("error", ["warn", "ignore"])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_each_is_given_once(f, error, kind, told):
    g = np.jit(lambda x, a: f(np, x, a))
    with real.errstate(all=error):
        for a in map(kind, (3, 5, 7, 0.1, 0.2, 0.3, 0.4, 0.7, -0.3, 0.45, 0.8, 0.2, 0.9, 8)):
            expected = told(lambda a=a: f(real, X, a))[1]
            found = told(lambda a=a: real.asarray(g(np.array(X), a)[-1]))[1]
            assert found == expected, a
    assert any("numbers of the program from now on" in why for why in g._why)


def test_numpys_own_warning_of_a_cast_is_given_at_every_call(told, monkeypatch):
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    g = np.jit(lambda x: (x * 1j).astype("f8"))
    for _ in range(6):
        expected = told(lambda: (X * 1j).astype("f8"))[1]
        assert [text for text, _ in told(lambda: g(np.array(X)))[1]] == [text for text, _ in expected]
    assert "NumPy warns" in g.explain()


HUGE, MINUS = real.float64(1e308), real.float64(-1.0)


def of_a_number_that_no_float32_is(np, y, n):
    return y[1] * 1e200, y * 2


def of_a_constant(np, y, n):
    return y * (HUGE * 10)


def of_an_argument(np, y, n):
    return y[0] * (n ** 0.5), y + 1


def of_a_way(np, y, n):
    if y[0] < -2:
        y = y * 2
        return y * (MINUS ** 0.5)
    return y * 3


@pytest.mark.parametrize("numbers", [[MINUS], [MINUS, real.float64(2.0), real.float64(-3.0)], [-1.0, MINUS, 2.0]])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("program", [of_a_number_that_no_float32_is, of_a_constant, of_an_argument, of_a_way])
def test_what_the_python_warns_of_by_itself_comes_at_every_call(program, dtype, numbers, capsys):
    """Arithmetic of NumPy's scalars is done while a call is traced, and no kernel raises its flags again."""
    found, shown = {}, warnings._showwarnmsg
    for module in (real, np):
        def f(y, n, module=module):
            return program(module, y, n)

        if module is np:
            f = np.jit(f)
        for call in range(14):
            with warnings.catch_warnings(), real.errstate(all="warn"):
                warnings.showwarning, warnings._showwarnmsg_impl = floating._plain_showwarning, floating._plain_show
                warnings.simplefilter("always")
                real.array(f(module.array((X[:3] * (1 + call % 4)).astype(dtype)), numbers[call % len(numbers)])[0])
            lines = [x for x in capsys.readouterr().err.splitlines() if "Warning: " in x and "Hybrid" not in x]
            found.setdefault(module, []).append(lines)
    assert found[np] == found[real]
    assert warnings._showwarnmsg is shown


def test_what_is_shown_once_leaves_a_function_compiled(capsys):
    """Under Python's own filters a line's warning is not shown again, so that nothing is lost."""
    @np.jit
    def f(y):
        return y * (HUGE * 10)

    for _ in range(6):
        with warnings.catch_warnings():
            warnings.showwarning, warnings._showwarnmsg_impl = floating._plain_showwarning, floating._plain_show
            warnings.simplefilter("default")
            np.realize(f(np.ones(3)))
    assert f.cache_info()["compiled"] and not f.cache_info()["python"]
