"""Programs with other libraries, each an expression, that give with lazytensor's arrays what they give with NumPy's.

The arrays are pending when they are handed over. What a program gives is compared as plain values: bits of arrays, with
dtype and shape; the text and dtypes of a library's own objects.
"""

import importlib
import warnings

import numpy as real

from tests.helpers import is_lazy, module_under_test


def arrays(np):
    """What the programs are given, by name; nothing of it has run."""
    return {
        "np": np,
        "x": np.arange(12.0).reshape(3, 4) + 1,
        "v": np.linspace(0, 1, 7) * 2,
        "k": np.arange(6) * 2,
        "m": np.arange(7) % 2 > 0,
        "s": (np.arange(3.0) + 1).sum(),
        "image": (np.arange(48).reshape(4, 4, 3) * 5).astype(np.uint8),
        "text": np.array(["b", "a", "b"]),
        "days": np.arange("2020-01", "2020-07", dtype="M8[M]"),
    }


def plain(value):
    """A result as what can be compared: equal for equal results."""
    if is_lazy(value) or isinstance(value, (real.ndarray, real.generic)):
        array = real.asarray(value)
        return array.dtype.str, array.shape, array.tolist() if array.dtype.hasobject else array.tobytes()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return f"{type(value).__name__}: {value!r} {getattr(value, 'dtypes', getattr(value, 'dtype', ''))}"


def outcome(source, np, names):
    scope = {**arrays(np), **names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        *lines, last = [line for line in source.split("; ")]
        for line in lines:
            exec(line, scope)
        return plain(eval(last, scope))


def check(source, **names):
    """Assert that a program (statements and an expression, split at "; ") gives the same with both."""
    modules = {name: importlib.import_module(module) for name, module in names.items()}
    assert outcome(source, real, modules) == outcome(source, module_under_test(), modules)


def rows(table):
    """The programs of a table, one a line or several split at " | "."""
    return [row.strip() for line in table.strip().splitlines() for row in line.split(" | ")]
