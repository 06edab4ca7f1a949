"""Floating-point errors and warnings: NumPy's modes, messages and lines, each as often as NumPy gives it.

The scripts run in fresh processes: a recorder of warnings makes operations run at once, and is not what is tested.
"""

import functools
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import warnings

import pytest

import lazytensor
from lazytensor import hot
from tests.helpers import check_same

ROOT = str(pathlib.Path(lazytensor.__file__).parent.parent)


MODES = ("ignore", "warn", "raise", "call", "print", "log")


class Log:
    def __init__(self):
        self.lines = []

    def write(self, text):
        self.lines.append(text)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["divide", "over", "under", "invalid"])
def test_every_mode_of_every_kind_does_what_numpy_does(kind, mode, capsys):
    operations = (lambda np, x: 1 / (x * 0), lambda np, x: np.exp(x * 999), lambda np, x: x * 1e-300 * 1e-300,
                  lambda np, x: np.sqrt(-x), lambda np, x: (x * 0) / 0, lambda np, x: x.__itruediv__(0),
                  lambda np, x: x.sum() / 0,
                  lambda np, x: np.array([127], "i1").max() * np.int8(2), lambda np, x: (x / 0).astype(int) * 0,
                  lambda np, x: (x.astype("f2") * 60000).mean(), lambda np, x: np.var(x * 1e200), lambda np, x: x // 0)

    def program(np, number):
        seen, log = [], Log()
        call = log if mode == "log" else lambda error, flag: seen.append((error, flag))
        before = np.geterr()
        x = np.arange(1.0, 4.0) + 1
        with np.errstate(all="ignore", **{kind: mode}, call=call):
            try:
                result = operations[number](np, x)
            except FloatingPointError as error:
                result = str(error)
        return result, seen, log.lines, np.geterr() == before, capsys.readouterr().out

    for number in range(len(operations)):
        check_same(program, number)


def test_setting_the_state_for_good_holds_for_what_is_written_later():
    def program(np):
        old = np.seterr(divide="raise")
        x, log = np.zeros(2), []
        try:
            for mode in ("raise", "ignore", "raise"):
                np.seterr(divide=mode)
                try:
                    log.append(1 / x)
                except FloatingPointError as error:
                    log.append(str(error))
        finally:
            np.seterr(**old)
        return log, np.geterr(), np.geterrcall() is None

    check_same(program)


# ---------------------------------------------------------------- warnings


SCRIPTS = {
    "each once": """
        x = np.arange(3.0) - 1
        y = 1 / x
        z = np.log(x)
        print((y + z).tolist())
        print((1 / (x * 0)).tolist())
    """,
    "once for a line in a loop": """
        total = np.zeros(2)
        for i in range(5):
            total += np.ones(2) / np.zeros(2)
            total = np.sqrt(-total - i) + np.log(total * 0)
        print(total.tolist())
    """,
    "in functions": """
        def half(a, b):
            return a / (2 * b)
        def twice(a):
            return half(a, a) * 2
        x = np.array([0.0, 1.0])
        print(twice(x).tolist(), half(x, x - 1).sum(), [half(r, 0) for r in x.reshape(2, 1)])
    """,
    "two kinds at one line": """
        x = np.array([-1.0, 0.0, 800.0])
        print(np.log(x).tolist(), np.exp(x).tolist(), (x / 0).tolist())
    """,
    "over several lines": """
        x = np.array([0.0, 2.0])
        y = (x
             + 1 / x
             + np.log(
                 x))
        print(y.tolist())
    """,
    "reductions and statistics": """
        x = np.array([1e308, 1e308, np.inf])
        print((x - x).max(), (x * 10).prod(), x.cumsum().tolist())
        print(np.add.reduce(x), np.multiply.accumulate(x).tolist(), (x @ -x), np.dot(x, x))
    """,
    "scalars": """
        a, b = np.array([1.0]).sum(), np.array([0.0]).sum()
        print(a / b, b / b, np.array([127], 'i1').max() + np.int8(1))
        print(a * 1e308 * 10 - np.float64(1e308) * 10)
        n = np.array([2**62]).max()
        print(n * n)
        print(-np.array([-128], 'i1').min())
    """,
    "writes": """
        x = np.zeros(3)
        x /= x
        x[1:] = np.array([1.0, 0.0]) / 0
        x[0] *= np.inf
        x[:2] -= np.inf
        np.divide(1, x, out=x)
        np.log(x - 5, out=x, where=x < 1)
        print(x.tolist())
    """,
    "casts": """
        x = np.array([1e300, 3e38, np.nan])
        print(x.astype('f4').tolist())
        y = np.zeros(3, 'f4')
        y[:] = x
        y += x
        print(y.tolist(), np.array([1e10]).astype('f2'))
    """,
    "dtypes that operands are cast to": """
        x, y = np.ones(3, 'f4') * 1, np.array([1e308, 1, 2])
        print(np.add(x, np.float64(1e308), dtype='f4').tolist())
        print(np.multiply(y, x, dtype='f4').tolist())
        print(np.subtract(y * 1, 1e300, dtype='f4').tolist())
        print(np.add(x, np.array(1e308), dtype='f2', casting='unsafe').tolist())
        print(np.sqrt(y * 1, dtype='f4').tolist(), np.maximum(y.sum(), x, dtype='f4').tolist())
        z = np.multiply(y.reshape(3, 1), np.ones(9000), dtype='f4')
        print(z.max())
        print(np.multiply(np.ones(9000) * 1e30, 1e30, dtype='f4').max())
        print(np.multiply(np.ones(9000) * 1e300, 1e30, dtype='f4').max())
        print(np.add(x, np.float64(1e308), dtype='f4', out=x).tolist())
        print(np.add(x, np.float64(1e308), dtype='f4', where=x > 9, out=x).tolist())
    """,
    "views and products": """
        x = (np.arange(6.0) - 2).reshape(2, 3)
        print((1 / x.T).tolist(), np.log(x[:, ::-1]).tolist(), (x @ (x.T * np.inf)).tolist())
        print(np.sqrt(x[0]).tolist(), (x[::-1] / x).tolist())
    """,
    "integer division": """
        n = np.arange(3)
        print((n // 0).tolist(), (n % (n - n)).tolist(), (n / n).tolist(), (n // n).tolist())
    """,
    "what runs when written": """
        host = np.zeros(3)
        x = np.asarray(host)
        window = np.frombuffer(x)
        x /= 0
        x[...] = 1e300
        x *= 1e300
        np.sqrt(x - np.inf - 1, out=x)
        print(divmod(np.ones(2), 0), np.divmod(np.ones(2), 0))
        print(np.array(1.0) / 0, np.sqrt([-1.0]), np.frexp(x))
        print(np.array([1e300]).astype('f4'), np.array([1 + 1j]).astype(float))
        x = np.arange(3.0)
        print(x[:0].mean())
        print(x[:1].var(ddof=1))
        print(x[x > 5].mean())
        print(x.std(ddof=3), np.float64(3) / x[0])
    """,
    "numbers beyond a dtype": """
        for dtype in ('f2', 'f4'):
            x = np.array([1, 2], dtype) * 1
            for k in (1e3, 1e300, -1e39, 10**40, np.inf, 1e39j):
                print((x * k).tolist(), (k / x).tolist(), np.maximum(x, k).tolist(), np.where(x > 0, x, k).tolist())
                print(x[0] * k, k + x.sum(), (x[:0] + k).tolist())
            x += 1e300
            x[1:] -= 70000.5
            np.multiply(x, -1e300, out=x)
            np.copyto(x, 1e300)
            np.putmask(x, x > 0, -1e300)
            np.put(x, 0, 1e300)
            print(x.tolist())
    """,
    "parts of real arrays": """
        x = np.arange(3, dtype='u1')
        x.real = 1e300
        x.real = 1j
        z = np.ones(2, 'c8')
        z.imag = 1e300
        print(z.tolist())
    """,
    "stores into memory that was given out": """
        for dtype in ('i2', 'f2', 'f4'):
            d = np.zeros(4, dtype)
            h = memoryview(d)
            for v in (np.complex64(1 + 1j), 1e300, np.float64(1e300), np.array([1e300, 1]), [1e300, 1]):
                for i in (slice(2), [0, 1], (slice(0, 4, 2),)):
                    try:
                        d[i] = v
                    except (TypeError, OverflowError) as error:
                        print(type(error))
            print(d.tolist())
    """,
    "absolute": """
        print(abs(np.array([-128], 'i1').max()))
    """,
    "states": """
        x = np.zeros(2)
        with np.errstate(divide='ignore'):
            y = 1 / x
        with np.errstate(all='warn'):
            z = 1 / x - 1 / x
            w = np.exp(x + 1e4) * 1e-200 * 1e-200
        print(y.tolist(), z.tolist(), w.tolist())
    """,
}



def run(script, *options, **environment):
    """Runs a script in a fresh process; what it wrote, its path left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "script.py")
        path.write_text(script)
        out = subprocess.run([sys.executable, *options, str(path)], capture_output=True, text=True, timeout=60,
                             env={"PYTHONPATH": ROOT, **environment})
        assert out.returncode == 0, out.stderr
        return out.stdout, out.stderr.replace(str(path), "script.py")


@functools.cache
def told(module, options):
    """What each of `SCRIPTS` printed, and its warnings as sorted (line, text): all run in one process."""
    source, ends = f"import {module} as np\n", []
    for script in SCRIPTS.values():
        source += textwrap.dedent(script).lstrip("\n") + "print('---')\n"
        ends.append(source.count("\n"))
    out, err = run(source, *options)
    warned = [(int(line), text) for line, text in re.findall(r"^script\.py:(\d+): \w*Warning: (.*)$", err, re.M)]
    starts = [0, *ends]
    return {name: (text, sorted((line - start, what) for line, what in warned if start < line <= end))
            for name, text, start, end in zip(SCRIPTS, out.split("---\n"), starts, ends)}


@pytest.mark.parametrize("options", [("-W", "default"), ("-W", "always"), ()], ids=" ".join)
@pytest.mark.parametrize("name", SCRIPTS)
def test_warnings_are_numpys_at_numpys_lines(name, options):
    assert told("lazytensor", options)[name] == told("numpy", options)[name]
    if name != "states":
        assert told("numpy", options)[name][1], "there is nothing to compare"


def test_warnings_as_errors_for_the_whole_process_come_at_the_line():
    script = """
x = np.zeros(2)
try:
    y = 1 / x
    print('not here')
except RuntimeWarning as warning:
    print(warning)
print((x + 1).tolist())
"""
    for module in ("numpy", "lazytensor"):
        out, _ = run(f"import {module} as np\n{script}", "-W", "error::RuntimeWarning")
        assert out == "divide by zero encountered in divide\n[1.0, 1.0]\n"


def test_values_never_used_give_no_warning():
    assert run("import lazytensor as np\nx = 1 / np.zeros(3)\ndel x\n", "-W", "always") == ("", "")


def test_recorded_warnings_are_numpys():
    def program(np):
        x = np.zeros(2)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            y = 1 / x
            first = len(seen)
            z = np.log(x) + np.sqrt(x - 1)
            x[...] = 1 / (x * 0)
        return y, z, first, [(str(w.message), w.category, pathlib.Path(w.filename).name, w.lineno) for w in seen]

    check_same(program)


def test_a_program_from_standard_input_is_warned_as_by_numpy():
    program = "import {} as np\nprint(np.array([1e308]) * 10)\n"
    said = [subprocess.run([sys.executable, "-"], input=program.format(module), capture_output=True, text=True)
            for module in ("numpy", "lazytensor")]
    assert (said[0].stdout, said[0].stderr) == (said[1].stdout, said[1].stderr) and "overflow" in said[1].stderr


def test_warnings_beside_an_error_that_raises_are_at_the_users_line():
    if hot.native is None:
        pytest.skip("without the extension NumPy's own warnings name the interpreter's line")
    program = """
import {} as np
x = np.zeros(3)
with np.errstate(over="raise"):
    y = 1 / x
    z = np.sqrt(x - 1)
    u = (x / x).sum()
    x /= np.zeros(3)
with np.errstate(divide="raise"):
    u = np.array([np.nan, 1]).astype(int)[1:]
    w = np.array([1e300, 1]).astype("f4")
    w[...] = np.array([1e300, 2])
    v = np.array(np.array([1e300, 3]) + w, dtype="f2")
with np.errstate(divide="call"):
    u = np.array([np.nan, 2]).astype(int)[1:]
"""
    said = [run(program.format(module), "-W", "always")[1].splitlines() for module in ("numpy", "lazytensor")]
    lines = [[line for line in text if "RuntimeWarning" in line] for text in said]
    assert [line.partition(":")[2] for line in lines[0]] == [line.partition(":")[2] for line in lines[1]]


FILTERS = """
import sys, warnings
x = np.arange(300_000.0).reshape(3, -1)
x[0] = np.nan
x[1] = 0
m = x > 0
made = {
    "divided": lambda: 1 / (x * 0), "absent": lambda: np.var(x, where=m, axis=-1),
    "means": lambda: np.mean(x, where=m, axis=1), "columns": lambda: np.mean(x, axis=0, where=x > np.inf),
    "middles": lambda: np.nanmedian(x, axis=1), "nanmeans": lambda: np.nanmean(x, axis=1),
    "spread": lambda: np.nanvar(x - np.inf, axis=1, ddof=1), "large": lambda: np.var(x * 1e300, axis=1),
    "sums": lambda: np.linalg.norm(x * 1e200, axis=1), "std": lambda: np.std(x, where=x > 1e4, axis=1, ddof=2),
}
for name, make in made.items():
    for first in ("ignore", "default", "module"):
        for then in ("error", "ignore", "default"):
            print(name, first, then, file=sys.stderr)
            with warnings.catch_warnings():
                warnings.simplefilter(first)
                y = make()
            with warnings.catch_warnings():
                warnings.simplefilter(then)
                print(y.sum().tolist(), y[-1:].tolist()[0])
"""


@pytest.mark.parametrize("extension", ["1", "0"])
def test_filters_that_held_when_an_operation_was_written_say_what_is_done_of_its_warnings(extension):
    said = [run(f"import {module} as np\n{FILTERS}", LAZYTENSOR_HOT=extension) for module in ("numpy", "lazytensor")]
    told = [[(block.split("\n")[0], sorted(set(re.findall(r"Warning: (.*)", block))))
             for block in re.split(r"^(?=\w+ \w+ \w+$)", err, flags=re.M)] for _, err in said]
    assert told[0] == told[1]
    assert said[0][0] == said[1][0]


AS_OFTEN = """
import warnings
x = np.zeros(100_000)
for actions in ("default always", "module always", "default ignore default", "once always once default",
                "always always"):
    made = []
    for action in actions.split():
        with warnings.catch_warnings():
            warnings.resetwarnings()
            warnings.simplefilter(action)
            made.append(1 / x)
            made.append(x / x)
    print([y.shape for y in made], [y[0].item() for y in made])
"""


@pytest.mark.parametrize("extension", ["1", "0"])
def test_a_line_warns_again_under_other_filters_when_its_results_run_together(extension):
    said = [run(f"import {module} as np\n{AS_OFTEN}", LAZYTENSOR_HOT=extension)[1]
            for module in ("numpy", "lazytensor")]
    assert re.findall("divide by.*", said[0]) == re.findall("divide by.*", said[1])
    assert said[0].count("invalid value") == said[1].count("invalid value") == 12


@pytest.mark.parametrize("extension", ["1", "0"])
def test_what_interrupts_while_filters_are_taken_away_is_raised(extension):
    program = """
import warnings
import lazytensor as np

class Filters(list):
    def remove(self, one):
        if interrupts:
            interrupts.pop()
            raise KeyboardInterrupt
        list.remove(self, one)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mean = np.nanmean(np.zeros((3, 100_000)) * np.nan, axis=1)
warnings.filters = Filters(warnings.filters)
interrupts = [True]
try:
    print(mean.tolist())
except KeyboardInterrupt:
    print("interrupted")
print(mean.tolist())
"""
    out, err = run(program, LAZYTENSOR_HOT=extension)
    assert (out.splitlines()[0], err) == ("interrupted", "")


def test_the_warning_of_a_complex_number_as_a_real_one_is_at_the_users_line():
    program = """
import {} as np
x = np.arange(4.0) + 2j
s = x.sum()
float(s)
int(s * 2)
z = np.zeros(2)
z[0] = s
"""
    said = [run(program.format(module), "-W", "always")[1].splitlines() for module in ("numpy", "lazytensor")]
    lines = [[line.partition(":")[2] for line in text if "ComplexWarning" in line] for text in said]
    assert lines[0] == lines[1] and len(lines[0]) == 3


@pytest.mark.parametrize("extension", ["1", "0"])
def test_a_filter_for_some_texts_before_one_that_ignores_all_is_followed(extension):
    program = """
import warnings
import {} as np
x = np.zeros((10, 10_000))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", "invalid value")
    y = np.mean(x, axis=1, where=x > 1)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    warnings.filterwarnings("ignore", "Mean of")
    warnings.filterwarnings("default", "overflow")
    z = np.mean(x, axis=1, where=x > 2)
print(y.tolist(), z.tolist())
"""
    said = [run(program.format(module), LAZYTENSOR_HOT=extension)[1] for module in ("numpy", "lazytensor")]
    told = [re.findall("Warning: (.*)", text) for text in said]
    assert told[0] == told[1] == ["invalid value encountered in divide"]


OF_ONE = """
import {module} as np
np.config(plan_after=1, compile_after=0) if hasattr(np, "config") else None
for _ in range(3):
    x = np.array([1.0, 0.0, -2.0, 3.0] * 9)
    print(((x / (x - x)) < (x / (x - x)))[:3])
    print(((x / (x - x) > 1) ^ (x / (x - x) > 1))[:3])
    print(np.where(x / (x - x) > 1, x, x)[:3])
    print(((x / (x - x)).astype("f4") > (x / (x - x)).astype("f4"))[:3])
    print(((x / (x - x) > 1).astype(int) - (x / (x - x) > 1).astype(int))[:3])
    print(np.logical_xor(x / (x - x), x / (x - x))[:3])
"""


def printed_and_told(script):
    """What a script prints, and its warnings with their lines: those of lines that run at once may come first."""
    out, err = run(script, "-W", "always")
    return out, sorted(re.findall(r":(\d+): RuntimeWarning: (.*)", err))


def test_what_is_known_without_its_operands_warns_for_them():
    """Machine code leaves out what `x < x` does not depend on."""
    outcomes = [printed_and_told(OF_ONE.format(module=module)) for module in ("numpy", "lazytensor")]
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0][1]) >= 3 * 6 * 2


def test_scalars_of_two_types_warn_as_arrays_do_where_numpy_adds_them_so():
    """NumPy multiplies a float32 by an int64 as arrays, which its warning says; float64, which holds the other, not."""
    script = """
import {module} as np
for one in ("f4", "f8", "c8", "c16", "f2"):
    for other in ("i8", "i4", "u1", "f8", "f4", "?"):
        x, y = np.array([np.inf, 2], one), np.array([0, 4], other)
        r = [x.sum() * y.min(), y.min() * x.sum()]
        if one[0] == "f" and other != "?":
            r += [x.sum() % y.max(), x.sum() // y.max(), y.max() % x.sum(), x.sum() - x.sum() * y.min()]
        print(r)
"""
    assert printed_and_told(script.format(module="lazytensor")) == printed_and_told(script.format(module="numpy"))


COLLECTED = """
import logging, sys, warnings
import {module} as np
x = np.zeros(3000) * 1

def pending():
    return 1 / x

def of_functions():
    return [np.log(x - 1).sum(), np.nanmax(x * np.nan), np.std(x / 0)]

def told(seen):
    print([(str(w.message), w.lineno) for w in seen])
    sys.stdout.flush()

y = pending()
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    y.sum()
    told(seen)
    z = 1 / x
    told(seen)
y = of_functions()
with warnings.catch_warnings(record=True) as seen:
    str(y)
told(seen)
y, seen, plain = pending(), [], warnings.showwarning
warnings.showwarning = lambda message, category, file, line, *_: seen.append((str(message), line))
z = np.log(x - 2)
print(seen)
y.sum()
z = np.log(x - 3)
print(seen)
warnings.showwarning = plain
z.sum()
logging.basicConfig(stream=sys.stdout, format="%(message)s")
logging.captureWarnings(True)
z = np.log(x - 4)
print("logged before")
logging.captureWarnings(False)
z.sum()
"""


@pytest.mark.parametrize("hot", ["", "0"])
def test_who_collects_warnings_gets_those_of_what_is_written_then_and_no_others(hot):
    """By `catch_warnings`, by a function in the place of `showwarning`, and by `logging`."""
    found = []
    for module in ("numpy", "lazytensor"):
        out, err = run(COLLECTED.format(module=module), "-W", "always", **({"LAZYTENSOR_HOT": hot} if hot else {}))
        found.append((re.sub(r"\S*script\.py", "script.py", out), sorted(re.findall(r"script\.py:(\d+): (.*)", err))))
    assert found[0] == found[1]
    assert len(found[0][1]) >= 5, "there is nothing to compare"


IMPORTED = """
import logging, sys, warnings
def told(seen): print([(w.lineno, str(w.message)) for w in seen])
logging.basicConfig(stream=sys.stdout, format="logged %(message)s")
if {who} == "recorder":
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        import {module} as np
        x = np.ones(3) / np.zeros(3)
        told(seen)
elif {who} == "logger":
    logging.captureWarnings(True)
    import {module} as np
else:
    seen, plain = [], warnings.showwarning
    warnings.showwarning = lambda message, *more: seen.append(str(message))
    import {module} as np
    x = np.ones(3) / np.zeros(3)
    print(seen)
    warnings.showwarning = plain
y = np.ones(3) / np.zeros(3)
with warnings.catch_warnings(record=True) as seen:
    str(y)
    told(seen)
    z = np.log(np.zeros(3))
    told(seen)
logging.captureWarnings(False)
z = np.zeros(3) / np.zeros(3)
print(z)
"""


@pytest.mark.parametrize("hot", ["", "0"])
@pytest.mark.parametrize("who", ["recorder", "logger", "function"])
def test_who_collects_warnings_as_lazytensor_is_imported_gets_them(who, hot):
    found = []
    for module in ("numpy", "lazytensor"):
        out, err = run(IMPORTED.format(module=module, who=repr(who)), "-W", "always",
                       **({"LAZYTENSOR_HOT": hot} if hot else {}))
        found.append([sorted(re.sub(r"\S*script\.py", "script.py", text).splitlines()) for text in (out, err)])
    assert found[0] == found[1]
