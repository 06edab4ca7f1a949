"""``run --compare``: what is the same is called the same, and what differs is named."""

import numpy
import pytest

from lazytensor.command.child import leaves
from lazytensor.command.compare import first_index, same_bits
from tests.test_command import run, write

SAME = """\
    import sys
    import numpy as np

    class Model:
        def __init__(self):
            self.weights = np.ones(3)

    special = np.array([0.0, -0.0, np.nan, np.inf, 5e-324])
    half, long, whole = special.astype("f2"), special.astype("g"), np.arange(3, dtype=">i2")
    complexes = special * 1j
    empty, zero_d, fortran = np.empty((0, 3)), np.array(2.5), np.ones((3, 4), order="F")[:, ::2]
    text, moments = np.array(["a", "bc"]), np.array(["2020-01-01", "NaT"], dtype="M8[D]")
    records = np.zeros(3, dtype=[("x", "f8"), ("y", "i4", (2,))])
    objects = np.array([np.ones(2), "s", None], dtype=object)
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    import collections, datetime, decimal
    kinds = [{1, 2.5, "a", np.float32(2)}, collections.deque([np.ones(2)]), bytearray(70000), range(3),
             slice(0, np.int64(2)), decimal.Decimal("NaN"), datetime.date(2020, 1, 1), np.dtype("f4"),
             frozenset(), collections.Counter("aab")]
    keyed = {model_key: 1 for model_key in (Model, len, (1, "a"), np.float64(3))}
    stream, iterator = sys.stdout, iter([1])
    try:
        np.ones(2).nothing
    except AttributeError as error:
        caught = error
    scalar, flag = special[3] * 2, special.sum() > 3
    nested = {"key": [np.arange(3), (1, 2.0, "three")], 5: np.float32(1)}
    nested["itself"] = nested
    model = Model()
    pending = np.exp(np.arange(1000.0)[::-1] / 7)
    print("some", "words", sys.argv[1:])
    print(pending[:3], file=sys.stderr)
    """


def test_compare_finds_the_same(tmp_path):
    write(tmp_path, {"script.py": SAME})
    done = run(tmp_path, "script.py", "--compare", "word", "--", "--compare")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The same bit for bit" in done.stdout
    left = "stream (TextIOWrapper), iterator (list_iterator), caught (AttributeError), what went to standard error"
    assert f"Not compared: {left}" in done.stdout
    assert done.stdout.startswith("some words ['word', '--compare']\n")
    rows = {line[:13].strip(): line[14:].split() for line in done.stdout.splitlines()}
    assert rows["arrays"][0] == rows["arrays"][1] and int(rows["arrays"][0]) >= 18
    assert all(float(rows["wall time"][column]) > 0 for column in (0, 2))
    assert all(float(rows["peak memory"][column]) > 10 for column in (0, 2))


DIFFERENT = {
    "printed": ("print(1)\nprint(np.__name__)", "printed line 2: 'lazytensor' with lazytensor, 'numpy' with NumPy"),
    "printed_more": ("if lazy(): print('more')", "printed line 1: 'more' with lazytensor, nothing with NumPy"),
    "value": ("x = np.arange(6.0).reshape(2, 3)\nx[1, 2] += lazy()", "x[1, 2]: np.float64(6.0) with lazytensor"),
    "zero": ("d = {'k': [0, np.zeros(3) * (-1) ** lazy()]}", "d['k'][1][0]: np.float64(-0.0) with lazytensor"),
    "nan": ("x = np.array([1.0, np.nan if lazy() else 1.0])", "x[1]: np.float64(nan) with lazytensor"),
    "dtype": ("x = np.ones(2, 'f4' if lazy() else 'f8')", "x.dtype: dtype('float32') with lazytensor"),
    "shape": ("x = np.ones((2, 1 + lazy()))", "x.shape: (2, 2) with lazytensor, (2, 1) with NumPy"),
    "kind": ("x = np.ones(()) if lazy() else np.float64(1)", "x is of kind array with lazytensor, scalar with NumPy"),
    "plain": ("x = -0.0 if lazy() else 0.0", "x: -0.0 with lazytensor, 0.0 with NumPy"),
    "type": ("x = 1 if lazy() else True", "x: 1 with lazytensor, True with NumPy"),
    "set": ("x = {1, np.float64(2), 'c' if lazy() else 'b'}", "sorted(x, key=repr)[0]: 'c' with lazytensor, 'b'"),
    "deque": ("import collections\nx = collections.deque([1, lazy()])", "x[1]: True with lazytensor, False with NumPy"),
    "bytearray": ("x = bytearray(3 + lazy())", "x: bytearray(b'\\x00\\x00\\x00\\x00') with lazytensor"),
    "range": ("x = range(3 + lazy())", "x: range(0, 4) with lazytensor, range(0, 3) with NumPy"),
    "slice": ("x = slice(0, 3 + lazy())", "x.stop: 4 with lazytensor, 3 with NumPy"),
    "decimal": ("import decimal\nx = [decimal.Decimal('NaN'), decimal.Decimal(1 + lazy())]", "x[1]: Decimal('2') with"),
    "date": ("import datetime\nx = datetime.date(2020, 1, 1 + lazy())", "x: datetime.date(2020, 1, 2) with lazytensor"),
    "dtypes": ("x = np.dtype('f4' if lazy() else 'f8')", "x: \"dtype('float32')\" with lazytensor"),
    "tuple": ("x = [(1,) if lazy() else [1]]", "x[0]: 'tuple' with lazytensor, 'list' with NumPy"),
    "order": ("x = dict.fromkeys('ba' if lazy() else 'ab')", "dict with the keys 'b', 'a'\" with lazytensor"),
    "layout": ("x = np.ones((2, 3), order='F' if lazy() else 'C')", "x.strides: (8, 16) with lazytensor, (24, 8)"),
    "subclass": ("x = np.ones((2, 2)) if lazy() else np.matrix(np.ones((2, 2)))", "type(x): ndarray with"),
    "missing": ("if lazy(): x = np.ones(3)", "x is left by the lazytensor run alone"),
    "status": ("import sys\nsys.exit(lazy() * 3)", "exit status 3 with lazytensor, with exit status 0 with NumPy"),
    "killed": ("import os\nif lazy(): os._exit(0)", "exit status 0, without reaching the end of the script with lazy"),
    "exception": (
        "if lazy(): raise ValueError('odd')\nraise KeyError",
        "ended with ValueError at line 3 with lazytensor, with KeyError at line 4 with NumPy (lazytensor's says: odd)",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_compare_names_the_first_difference(tmp_path, name):
    body, message = DIFFERENT[name]
    write(tmp_path, {"script.py": f"import numpy as np\nlazy = lambda: np.__name__ != 'numpy'\n{body}\n"})
    done = run(tmp_path, "--compare", "script.py")
    assert done.returncode == 1, done.stderr
    (found,) = [line for line in done.stdout.splitlines() if line.startswith("DIFFERENT: ")]
    assert message in found


def test_compare_of_a_script_that_fails_alike(tmp_path):
    write(tmp_path, {"script.py": "import numpy as np\nx = np.ones(3)\nprint(x)\nnp.linalg.inv(np.zeros((2, 2)))\n"})
    done = run(tmp_path, "--compare", "script.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LinAlgError at line 4" in done.stdout


def test_compare_measures_the_script_alone(tmp_path):
    write(tmp_path, {"script.py": "import time\nbig = bytearray(300 << 20)\ntime.sleep(0.5)\nprint(input())\n"})
    done = run(tmp_path, "--compare", "script.py")
    rows = {line[:13].strip(): line[14:].split() for line in done.stdout.splitlines()}
    assert all(300 < float(rows["peak memory"][column]) < 500 for column in (0, 2))
    assert all(0.5 < float(rows["wall time"][column]) for column in (0, 2))
    assert "EOFError at line 4" in done.stdout and done.returncode == 0


@pytest.mark.parametrize(
    "one, other, index",
    [
        (numpy.array([1 + 0j, complex(0.0, -0.0)]), numpy.array([1 + 0j, 0j]), (1,)),
        (numpy.array([complex(numpy.nan, 1)]), numpy.array([complex(1, numpy.nan)]), (0,)),
        (numpy.array([-numpy.nan, 1.0]), numpy.array([numpy.nan, 1.0]), None),
        (numpy.float16([0.0]), numpy.float16([-0.0]), (0,)),
        (numpy.array(["a", "b"]), numpy.array(["a", "c"]), (1,)),
        (numpy.array(["NaT"], "m8[s]"), numpy.array(["NaT"], "m8[s]"), None),
        (numpy.array(3), numpy.array(4), ()),
        (numpy.array([b"ab"], "V2"), numpy.array([b"ac"], "V2"), (0,)),
        (numpy.array([(1, [2, 3])], "i4,(2,)f4"), numpy.array([(1, [2, 4])], "i4,(2,)f4"), (0,)),
        (numpy.array([(1, [2, 3])], "i4,(2,)f4"), numpy.array([(1, [2, 3])], "i4,(2,)f4"), None),
        (numpy.zeros((0, 2)), numpy.zeros((0, 2)), None),
        (numpy.arange(3 << 20), numpy.arange(3 << 20) + (numpy.arange(3 << 20) == 3000000), (3000000,)),
    ],
)
def test_bits(one, other, index):
    assert first_index(one, other) == index
    assert bool(numpy.all(same_bits(one, other))) is (index is None)


def test_leaves_are_reached_by_their_expressions():
    held = {"a": [1, {"b": (numpy.ones(2),)}], "__c": 2, "__d__": 3, "f": len}
    assert [path for path, kind, _ in leaves(held) if kind != "holder"] == ["a[0]", "a[1]['b'][0]", "__c"]
    long = inner = []
    for _ in range(5000):
        inner.append([])
        inner = inner[0]
    inner.append(7)
    assert [value for _, kind, value in leaves({"long": long}) if kind != "holder"] == [7]
