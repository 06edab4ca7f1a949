"""What other libraries do with arrays and lazy scalars, widely: typical calls of each, against NumPy's arrays.

Values, dtypes, types of errors and warnings are compared. What a program is given is pending when it begins.
"""

import importlib
import warnings

import numpy as real
import pytest

from tests import sweep_others, sweep_pandas
from tests.helpers import is_lazy, module_under_test

pd = pytest.importorskip("pandas")
TABLES = {"pandas": "".join(sweep_pandas.TABLES.values()), **sweep_others.TABLES}
GIVEN = {"pandas": {**sweep_pandas.GIVEN, **sweep_pandas.SETUP}}
SETUP = {"pandas": "", **sweep_others.SETUP}


def programs(table):
    """The programs of a table, split at " ; "."""
    return [program.strip() for line in table.strip().splitlines() for program in line.split(" ; ") if program.strip()]


# ---------------------------------------------------------------- results as what can be compared


def of_pandas(value):
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, j] for j in range(value.shape[1])]
        return "DataFrame", exact(value.columns), exact(value.index), [(exact(c.array), str(c.dtype)) for c in columns]
    if isinstance(value, pd.Series):
        return "Series", exact(value.name), exact(value.index), exact(value.array), str(value.dtype)
    if isinstance(value, pd.MultiIndex):
        return "MultiIndex", list(map(exact, value.levels)), list(map(exact, value.codes)), exact(list(value.names))
    if isinstance(value, pd.Index):
        return type(value).__name__, str(value.dtype), exact(value.array), exact(value.name)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return type(value).__name__, str(value.dtype), exact(real.asarray(value)), repr(value)
    return type(value).__name__, repr(value)


def of_array(value):
    """An array's or a scalar's kind, dtype, shape and elements; lazytensor's are not told from NumPy's."""
    array = real.asarray(value)
    kind = "array" if isinstance(value, real.ndarray) or type(value) is module_under_test().ndarray else "scalar"
    return kind, array.dtype.str, array.shape, exact(array.tolist()) if array.dtype.hasobject else array.tobytes()


def exact(value):
    library = type(value).__module__.partition(".")[0]
    if isinstance(value, real.ma.MaskedArray):
        return "masked", exact(value.data), exact(real.ma.getmaskarray(value))
    if is_lazy(value) or isinstance(value, (real.ndarray, real.generic)):
        return of_array(value)
    if library == "pandas":
        return of_pandas(value)
    if library == "xarray" and hasattr(value, "data_vars"):
        return {name: exact(value[name]) for name in value.variables}
    if library == "xarray":
        coordinates = {name: exact(c.values) for name, c in getattr(value, "coords", {}).items()}
        return type(value).__name__, value.dims, exact(value.values), coordinates
    if hasattr(value, "tocoo"):
        coo = value.tocoo()
        return type(value).__name__, coo.shape, exact(coo.data), list(map(exact, coo.coords))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, list(map(exact, value))
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    text = "" if callable(value) or " object at 0x" in repr(value) else repr(value)
    return type(value).__name__, text


# ---------------------------------------------------------------- running


def run(library, program, np):
    scope = {"np": np, "real": real, "pd": pd}
    for name, source in GIVEN.get(library, sweep_others.GIVEN).items():
        scope[name] = eval(source, scope)
    exec(SETUP[library], scope)
    *lines, last = program.split("; ")
    for line in lines:
        exec(line, scope)
    return eval(last, scope)


def outcome(library, program, np):
    """The result, or the type of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return exact(run(library, program, np))
        except Exception as error:
            return "raises", type(error).__name__


def warned(library, program, np):
    """The warnings, each with whether it is for a line of the program."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            run(library, program, np)
        except Exception:
            pass
    return [(w.category.__name__, str(w.message), w.filename == "<string>") for w in seen]


@pytest.mark.parametrize("library, program", [(n, p) for n, table in TABLES.items() for p in programs(table)])
def test_gives_what_numpys_arrays_give(library, program):
    pytest.importorskip(library)
    assert outcome(library, program, module_under_test()) == outcome(library, program, real)


@pytest.mark.parametrize("program", programs(TABLES["pandas"])[::3])
def test_pandas_warns_as_with_numpys_arrays(program):
    assert warned("pandas", program, module_under_test()) == warned("pandas", program, real)


def test_the_sweep_is_wide():
    least = {"pandas": 500, "xarray": 110, "sklearn": 75, "matplotlib": 95, "h5py": 85, "scipy": 230}
    assert {name: len(programs(table)) >= least[name] for name, table in TABLES.items()} == dict.fromkeys(least, True)
    assert importlib.import_module("lazytensor.api.border").BORDERS.keys() >= {"pandas", "h5py"}
