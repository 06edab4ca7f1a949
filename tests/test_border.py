"""The border of pandas and h5py: what crosses is real, over the same memory; nothing else is changed."""

import functools
import importlib
import inspect
import io
import pickle
import subprocess
import sys
import warnings

import numpy as real
import pytest

import lazytensor as lt
from lazytensor.api import border
from lazytensor.api.crossing import crossing, is_crossing
from lazytensor.api.crossing import real as crossed
from tests.helpers import check_same

pd = pytest.importorskip("pandas")

# ---------------------------------------------------------------- what crosses


class Pair(tuple):
    """A tuple of a class of its own."""


@pytest.mark.parametrize("value", [
    3, "a", None, [1, 2.0], (1, "a"), {"a": [1]}, slice(1, None), real.ones(2), pd.Series([1]), Pair((1, 2)), {1, 2},
    [[1, 2], [3, 4]], {"a": {"b": (1,)}}, range(3), dict, len, real.float64, [real.float32(1)], [pd.Timestamp("2020")],
])  # fmt: skip
def test_what_is_not_ours_crosses_as_it_is(value):
    assert crossed(value) is value


def test_arrays_and_scalars_become_numpys_wherever_they_stand():
    t, s = lt.arange(3.0) + 1, (lt.arange(3) + 1).sum()
    named = inspect.ArgInfo([s], t, None, {})
    values = [t, s, [t, 1], (s,), {"a": t}, {s: 1}, slice(s, None), [[s], [t]], {s}, named, Pair((s, t)),
              (x for x in [s, t])]

    def types(value):
        if isinstance(value, slice):
            return types((value.start, value.stop))
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        nested = not isinstance(value, (real.ndarray, real.generic, str, type(None), int))
        return {type(value), *[kind for part in parts for kind in types(part)]} if nested else {type(value)}

    for value in values:
        found = types(crossed(value))
        assert found & {real.ndarray, real.int64} and not any(k.__module__.startswith("lazytensor") for k in found)
    assert type(crossed(named)) is inspect.ArgInfo


def test_functions_of_ours_are_numpys_and_others_give_real_results():
    assert crossed(lt.sqrt) is real.sqrt and crossed(lt.sum) is real.sum and crossed(lt.median) is real.median
    ours = functools.partial(lambda n: lt.ones(n))
    assert crossed(ours) is ours
    assert type(crossed(ours, functions=True)(2)) is real.ndarray
    assert crossed(functools.partial(lt.mean, axis=0), functions=True).func is real.mean


def test_a_crossing_has_the_parameters_of_its_function():
    def plain(a, /, b, c=1, *, d, e=2):
        return a, b, c, d, e

    def engine(a, engine=None):
        return a(1)

    def any_number(a, *rest, **options):
        return a, rest, options

    made = {fn: crossing(fn, set(), "", True) for fn in (plain, engine, any_number)}
    for fn, function in made.items():
        assert inspect.signature(function) == inspect.signature(fn) and is_crossing(function)
        assert (function.__name__, function.__module__) == (fn.__name__, fn.__module__)
    t = lt.ones(2)
    assert [type(x) for x in made[plain](t, t, d=t)] == [real.ndarray, real.ndarray, int, real.ndarray, int]
    assert type(made[engine](lt.ones)) is real.ndarray
    first, rest, options = made[any_number](t, t, k=t)
    assert {type(first), type(rest[0]), type(options["k"])} == {real.ndarray}
    assert type(made[engine](lambda n: lt.ones(n), engine="numba")) is lt.ndarray  # it is to compile the program's own
    with pytest.raises(TypeError, match="missing 1 required"):
        made[plain](1, d=2)


def test_calls_from_inside_pass_untouched():
    seen = []
    function = crossing(lambda x: seen.append(type(x)), {__name__}, "", True)
    function(lt.ones(2))
    assert seen == [lt.ndarray]


# ---------------------------------------------------------------- pandas behind it


def test_memory_is_shared():
    def program(np):
        t = np.arange(4.0) + 1
        series = pd.Series(t, copy=False)
        t[0] = 9
        frame = pd.DataFrame(np.arange(4.0).reshape(2, 2) + 1)
        frame.iloc[np.arange(1), np.arange(2)] = np.zeros(2)
        return series.to_numpy().copy(), frame.to_numpy().copy()

    check_same(program)


def test_functions_with_a_border_are_pickled_and_show_their_signatures():
    for fn in (pd.merge, pd.to_datetime, pd.concat, pd.DataFrame.groupby, pd.Series.map, pd.read_csv):
        assert is_crossing(fn) and pickle.loads(pickle.dumps(fn)) is fn
        assert inspect.signature(fn) == inspect.signature(fn.__wrapped__)
    frame = pd.DataFrame({"a": lt.arange(3) + 1})
    assert pickle.loads(pickle.dumps(frame)).equals(frame)


def test_subclasses_of_a_program():
    class Table(pd.DataFrame):
        def __init__(self, data, scale=1):
            super().__init__(data * scale)

        def total(self, weights):
            return (self * weights).to_numpy().sum()

    table = Table(lt.ones((2, 2)), scale=(lt.arange(3)).sum())
    assert table.total(lt.arange(2.0)) == 6.0 and set(map(str, table.dtypes)) == {"float64"}


def test_warnings_name_the_line_of_the_program():
    def found(np):
        frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            pd.to_datetime(np.array(["13/01/2020", "14/01/2020"]), dayfirst=False)
            frame.loc[np.arange(2) > 0]
        return [(w.category, w.filename) for w in seen]

    assert found(lt) == found(real) and found(lt)[0] == (UserWarning, __file__)


def test_callbacks():
    def program(np):
        frame = pd.DataFrame({"k": [0, 0, 1], "v": [1.0, 2.0, 4.0]})
        means = frame.groupby("k").v.agg(lambda x: np.array(x).mean())
        named = frame.groupby("k").v.agg([functools.partial(np.sum, axis=0), lambda x: np.array(x).min()])
        kept = frame.pipe(lambda d, t: hasattr(t, "realize"), np.ones(2)) == hasattr(np, "realize")
        doubled = frame.v.map(lambda x: np.array([x, x]).sum())
        return list(named.columns), means.to_numpy(), str(means.dtype), kept, doubled.to_numpy()

    check_same(program)


@pytest.mark.parametrize("order", ["lazytensor pandas h5py", "pandas h5py lazytensor"])
def test_imports_in_any_order(order):
    pytest.importorskip("h5py")
    script = f"""
for name in {order.split()}:
    globals()[name] = __import__(name)
import io
t = lazytensor.arange(3) + 1
frame = pandas.DataFrame(dict(a=[1.0, 2, 3]))
frame["s"] = t.sum()
file = h5py.File(io.BytesIO(), "w")
file["x"] = t
print(frame.s.dtype, file["x"][t[:2] - 1].tolist())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["int64", "[1,", "2]"], done.stderr


def test_what_the_borders_name_is_there():
    """A module that a library has renamed would leave a hole."""
    for name in ("pandas", "h5py"):
        pytest.importorskip(name)
        for part in (*border.BORDERS[name].classes, *border.BORDERS[name].functions):
            importlib.import_module(part)
    frame = pd.DataFrame({"a": [1]})
    kinds = [type(frame.loc), type(frame.iloc), pd.Series, pd.Index, type(pd.Series("a").str),
             pd.Grouper, type(pd.Series([1]).rolling(1)), type(frame.groupby("a")), pd.Categorical, pd.Timestamp]
    assert [kind for kind in kinds if not any(map(is_crossing, _functions(kind)))] == []


def _functions(kind):
    return [getattr(f, "__func__", f) for base in kind.__mro__ for f in vars(base).values()]


def test_h5py_behind_it():
    h5py = pytest.importorskip("h5py")
    file = h5py.File(io.BytesIO(), "w")
    data = file.create_dataset("d", data=lt.arange(6.0) * 2)
    data[lt.array([1, 3])] = lt.array([7.0, 8.0]) + 0
    data[lt.arange(6) > 4] = (lt.arange(3.0)).sum()
    assert data[:].tolist() == [0, 7, 4, 8, 8, 3]


def test_what_looks_up_names_where_it_is_called():
    frame, limit = pd.DataFrame({"a": lt.arange(3.0)}), 0.5
    assert len(frame.query("a > @limit")) == 2 and pd.eval("limit + 1") == limit + 1
    assert frame.eval("a + @limit").tolist() == [0.5, 1.5, 2.5]


def test_pandas_warns_at_the_users_line():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        pd.to_datetime(["13/01/2020"]); line = sys._getframe().f_lineno  # noqa: E702
    assert [(w.filename, w.lineno) for w in found] == [(__file__, line)]
