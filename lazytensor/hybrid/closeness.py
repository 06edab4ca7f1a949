"""``np.allclose(x, y)`` and ``np.array_equal(x, y)`` as operations that may be written down: NumPy's functions give a
bool for values, so that they run at once."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np

from ..api.handle import Tensor
from ..api.scalar import Scalar
from ..ir.dtypes import record_of

ALIKE = frozenset((np.allclose, np.array_equal))
"""Functions that say whether values are alike."""


def alike(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """The lazy scalar of which such a function gives the bool; None if there is none."""
    if fn is np.array_equal:
        if kwargs or len(args) != 2 or any(type(x) is not Tensor for x in args) or args[0].shape != args[1].shape:
            return None
        same: Any = args[0] == args[1]
        return same.all()
    library = importlib.import_module(__package__.partition(".")[0])
    close: Any = library.isclose(*args, **kwargs)
    is_array: bool = type(close) is Tensor
    return close.all() if is_array else close if issubclass(type(close), Scalar) else None


def close_numbers(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> Any:
    """``np.isclose`` of lazy scalars and numbers, as NumPy computes it; None if it is given something else."""
    if equal_nan is not False or not all(type(x) is float and np.isfinite(x) for x in (rtol, atol)) or not all(
            type(x) in (int, float) or issubclass(type(x), Scalar) and x.dtype == np.float64 for x in (a, b)):
        return None
    b = float(b) if type(b) is int else b
    library = importlib.import_module(__package__.partition(".")[0])
    finite = library.isfinite(b)
    return (abs(a - b) <= atol + rtol * abs(b)) & finite | (a == b)


_SIGNATURE = inspect.signature(np.isclose)
_DTYPES = frozenset("fd")


def operations(record: Any, dtypes: dict[str, Any], operand: Any) -> list[Any] | None:
    """The ufuncs that ``np.isclose`` calls for arrays of one shape and dtype, as records that give what its record
    gives; `operand` makes the operand of a name or number. None if it calls others. NumPy does not warn of differences
    of infinities there; these would."""
    form = dict(record.attrs or ()).get("form")
    if record.op.name != "isclose" or form is None or not record.shape or record.strides is not None:
        return None
    given = _SIGNATURE.bind(*form[0], **dict(form[1]))
    given.apply_defaults()
    values = {name: x[2] if type(x) is tuple and x[0] == "constant" else x for name, x in given.arguments.items()}
    rtol, atol, slots = values["rtol"], values["atol"], [values["a"], values["b"]]
    if values["equal_nan"] is not False or not all(type(one) is tuple and one[0] == "slot" for one in slots) or not all(
            type(one) is float and np.isfinite(one) for one in (rtol, atol)):
        return None
    x, y = [record.operands[slot[1]] for slot in slots]
    kinds: list[Any] = [dtypes.get(one.name) if one.laid is None else one.laid[1] for one in (x, y)]
    dtype = kinds[0]
    if dtype is None or dtype is not kinds[1] or dtype.char not in _DTYPES or not dtype.isnative:
        return None
    found: list[Any] = []

    def made(ufunc: Any, *operands: Any) -> Any:
        name = f"{record.name}{'abcdefghij'[len(found)]}"
        own = record.copy(name, operands)
        own.op, own.attrs = record_of(ufunc).op, None
        own.dtype = record.dtype if ufunc in _ASKS else dtype
        found.append(own)
        return operand(name)

    limit = made(np.add, operand(None, atol), made(np.multiply, operand(None, rtol), made(np.absolute, y)))
    near = made(np.less_equal, made(np.absolute, made(np.subtract, x, y)), limit)
    near = made(np.bitwise_and, near, made(np.isfinite, y))
    made(np.bitwise_or, near, made(np.equal, x, y))
    found[-1].name = record.name
    return found


_ASKS = frozenset((np.less_equal, np.isfinite, np.equal, np.bitwise_and, np.bitwise_or))
