"""As long as a process is young, lines run at once from their second time on: nothing would be gained by waiting."""

import os
import subprocess
import sys

import pytest

from lazytensor.hot import native
from lazytensor.run import startup

pytestmark = pytest.mark.skipif(native is None, reason="lines run at once in the extension alone")


def outcome(script, **environment):
    given = {k: v for k, v in os.environ.items() if k != "LAZYTENSOR_EAGER_AFTER"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**given, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


LINES = """
import lazytensor as np
x = np.ones(2000)
{settings}
for turn in range(3):
    y = x * 2 + 1
    print(y._value.buffer is None, end=" ")
    z = y @ y.T
    a = x.copy()
    a[1:] = y[:-1]
    print(a._value.buffer is None, end=" ")
    print(np.sort(x)._value.buffer is None)
"""


def test_lines_run_at_once_from_their_second_time_on_and_functions_from_the_first():
    young = ["True True False"] + ["False False False"] * 2
    waits = ["True True False"] * 3  # calls of functions do not, if their arrays are there
    assert outcome(LINES.format(settings="")) == young
    assert outcome(LINES.format(settings=""), LAZYTENSOR_EAGER_AFTER="64") == waits
    for settings in ("eager_after=64", "plan_after=5", "compile_after=100000"):
        assert outcome(LINES.format(settings=f"np.config({settings})")) == waits, settings
    assert outcome(LINES.format(settings="np.config(eager_after=None)")) == ["True True True"] * 3


def test_large_arrays_wait():
    assert outcome(LINES.format(settings="x = np.ones(100_000)")) == ["True True True"] * 3


def test_explain_has_lines_wait():
    script = LINES.format(settings="").replace("for turn", "x.explain()\nfor turn")
    assert outcome(script) == ["True True False"] * 3


def test_youth_ends_when_enough_has_run():
    script = """
import lazytensor as np
from lazytensor.run import startup
startup.PLANNER, startup.LLVM = 2.5, 0.0   # 10 ms
x = np.linspace(0.0, 1.0, 5000)
met = set()
def turn():
    y = np.exp(x) * x
    met.add((startup.paid(), y._value.buffer is None))
while not startup.paid():
    turn()
for more in range(20):
    turn()
print(sorted(met))
"""
    assert outcome(script)[0] in (str([(False, False), (False, True), (True, False), (True, True)]),
                                  str([(False, False), (False, True), (True, True)]))


def test_what_took_so_long_is_counted(monkeypatch):
    account = startup._Account()
    monkeypatch.setattr(startup, "_account", account)
    account.llvm_known = True
    monkeypatch.setattr(startup.current, "compile_after", 4000)
    assert not startup.grown_up(1e6) and account.worked == 1e6
    assert startup.grown_up(1e12) and startup.paid()


def test_errors_and_warnings_are_of_the_users_line():
    script = """
import warnings
import lazytensor as np
x = np.zeros(100)
for turn in range(3):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        y = x / x
        print([(w.lineno, str(w.message)) for w in given])
    try:
        x + np.ones(3)
    except ValueError as error:
        print(error.__traceback__.tb_lineno, error)
"""
    lines = outcome(script)
    assert len(set(lines[1::2])) == 1 and lines[1].startswith("11 ")
    assert set(lines[2::2]) == {"[(8, 'invalid value encountered in divide')]"}


@pytest.mark.parametrize("values", [
    "[x.sum() for x in rows]", "[x.argmax() for x in rows]", "[x.max() > 1 for x in rows]", "[x[0] for x in rows]",
    "[rows[0].sum(), 1, 2.5, True, numpy.float32(3)]", "[numpy.float32(3), numpy.int8(2)]",
    "[rows[0].astype('f4').sum(), 2]",
    "[numpy.datetime64(3, 's'), numpy.datetime64(4, 's')]", "[numpy.bytes_(b'a'), 1]", "[rows[0].sum(), 'a']"])
def test_a_list_of_lazy_numbers_is_made_an_array_as_numpy_makes_it(values):
    import numpy

    import lazytensor

    found = []
    for module in (numpy, lazytensor):
        rows = list(module.arange(12.0).reshape(4, 3) / 7)
        given = eval(values, {"rows": rows, "numpy": numpy})
        for there in (False, True):
            if there and module is lazytensor:
                lazytensor.realize(*[x for x in given if isinstance(x, lazytensor.api.scalar.Scalar)])
            for function in (module.array, module.asarray):
                made = function(given)
                assert isinstance(made, module.ndarray)
                found.append((str(made.dtype), made.shape, numpy.asarray(made).tobytes()))
    assert found[:4] == found[4:]
