"""Reductions: methods (``t.sum(axis=0)``), `ufunc.reduce` and `ufunc.accumulate`. One NumPy call each, pending.

Dtype and errors come from NumPy, asked with an array of the same rank and one element; shape and strides from
`ir.layout`. What depends on values or has no layout rule (``where=``, ``initial=``, ``out=``, no elements) runs at
once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..hot import native
from ..ir import layout
from ..ir.dtypes import NUMERIC, RAISE_ON_VALUES, only_objects
from ..ir.errstate import SILENT
from ..ir.node import Node
from ..ir.operation import Operation, register
from ..run.watching import PASS, active, eager
from . import lazy
from .build import at_line, record
from .handle import Tensor, read, tensor, unwrapped, wrap_all
from .inplace import looked_at
from .sampling import hushed
from .scalar import Scalar, scalar

_ndarray = np.ndarray
_getframe = sys._getframe


with_mask: list[Callable[..., Any]] = []
"""What gives results of reductions with `where=`, if it does (`masked.reduced`)."""


class Rule(NamedTuple):
    """What is known of one reduction for a dtype, rank and arguments: result dtype, axes, node attributes."""

    dtype: np.dtype[Any]
    axes: tuple[int, ...]
    attrs: Any
    lazy: bool


class Reduction:
    """One reduction: how NumPy computes it, and its layout rule ('reduce', 'statistic', 'arg' or 'accumulate')."""

    __slots__ = ("name", "fn", "op", "rule", "known", "shaped", "seen")

    def __init__(self, name: str, fn: Callable[..., Any], rule: str, label: str | None) -> None:
        self.name, self.fn, self.rule = name, fn, rule
        self.op: Operation = register(name, "call", fn, label=label)
        self.known: dict[Any, Rule] = {}
        self.shaped: dict[Any, Any] = {}
        self.seen: dict[Any, Any] = {}
        """For the extension: what `shaped` has, by `key_of` of the arguments as they are written."""

    def ask(self, dtype: np.dtype[Any], ndim: int, arguments: tuple[Any, ...]) -> Rule:
        """NumPy's answer for these arguments (pairs of keyword and value), remembered.

        Raises what NumPy raises for them.
        """
        key = (dtype, dtype.num, ndim, arguments)
        found = self.known.get(key)
        if found is None:
            options = {k: v for k, v in arguments if k != "ddof"}
            sample, given = hushed(SILENT, self.fn, np.ones((1,) * ndim, dtype), **options)
            axis = options.get("axis", 0 if "." in self.name else None)
            axes = tuple(range(ndim)) if axis is None else tuple(sorted(
                x % ndim if ndim else 0 for x in (axis if isinstance(axis, tuple) else (axis,))))
            found = Rule(sample.dtype, axes if ndim else (), arguments or None,
                         dtype.char in NUMERIC and sample.dtype.char in NUMERIC and not given)
            if len(self.known) > 4096:
                self.known.clear()
            self.known[key] = found
        return found

    def pending(self, t: Any, arguments: tuple[Any, ...], frame: Any) -> Any:
        """The pending result, or None if NumPy must run now."""
        v = t._value
        key = (v.dtype, v.dtype.num, v.shape, v.strides, arguments)
        found = self.shaped.get(key)
        if found is None:
            found = self._shape(v, arguments)
            if found is None:
                return None
            if len(self.shaped) > 4096:
                self.shaped.clear()
            self.shaped[key] = found
        attrs, shape, dtype, strides = found
        node = record(self.op, (v if v.__class__ is Node and t._state is None else read(t),), attrs, shape, dtype,
                      strides, frame)
        return tensor(node) if shape else scalar(node)

    def learn(self, t: Any, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: tuple[Any, ...]) -> None:
        """Remembers what a result is like for a call with those very arguments, which has been made."""
        v = t._value
        found = self.shaped.get((v.dtype, v.dtype.num, v.shape, v.strides, arguments))
        if found is not None:
            if len(self.seen) > 4096:
                self.seen.clear()
            self.seen[key_of(v, args, kwargs)] = found

    def _shape(self, v: Any, arguments: tuple[Any, ...]) -> Any:
        """Attributes, shape, dtype and strides of the result; None if NumPy must run now."""
        if 0 in v.shape or v.dtype.char not in NUMERIC:
            return None
        rule = self.ask(v.dtype, len(v.shape), arguments)
        if not rule.lazy:
            return None
        shape, strides = self._geometry(v, rule, dict(arguments))
        return rule.attrs, shape, rule.dtype, strides

    def _geometry(self, node: Node, rule: Rule, options: dict[str, Any]) -> Any:
        keepdims = bool(options.get("keepdims", False))
        if self.rule == "arg":
            axis = options.get("axis")
            return layout.argreduction(node.shape, None if axis is None or not rule.axes else rule.axes[0], keepdims)
        sizes = node.shape, node.strides, node.dtype.itemsize, rule.dtype.itemsize
        if self.rule == "accumulate":
            axis = options.get("axis", 0 if "." in self.name else None)
            return layout.accumulate(*sizes, None if axis is None or not rule.axes else rule.axes[0])
        if self.rule == "statistic":
            half = self.name == "mean" and node.dtype.char == "e" and "dtype" not in options
            return layout.statistic(self.name, *sizes, rule.axes, keepdims, None, half)
        return layout.reduction(*sizes, rule.axes, keepdims)


def key_of(v: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What stands for an operand's layout and a call's arguments: equal ones of different types are not alike."""
    values = (*args, *kwargs.values())
    return (v.dtype, v.dtype.num, v.shape, v.strides, tuple(kwargs), *values, *map(type, values))


_HASHABLE: tuple[Any, ...] = (int, float, complex, bool, type(None), type, np.dtype, str, tuple, np.generic)


def _is_axis(x: Any) -> bool:
    """Whether it is a whole number or None, or text, which NumPy refuses: what else it takes may be another number
    later, or equal one and be none."""
    return isinstance(x, int | np.integer | str) and type(x) is not bool or x is None


def _arguments(given: dict[str, Any], defaults: dict[str, Any]) -> tuple[Any, ...] | None:
    """The arguments that differ from NumPy's defaults, as sorted pairs; None if NumPy must run now."""
    pairs = []
    for name, value in given.items():
        default = defaults.get(name, np._NoValue)
        if value is default or value is np._NoValue:
            continue
        if name in ("out", "where", "initial", "mean", "correction") or not isinstance(value, _HASHABLE):
            return None
        if name == "dtype" and value is not None:
            value = np.dtype(value)
            if value.hasobject:
                return None
        if name == "axis" and isinstance(value, np.integer):
            value = int(value)
        if name == "axis" and not all(map(_is_axis, value if type(value) is tuple else (value,))):
            return None
        if issubclass(type(value), Scalar) or (name == "keepdims" and not isinstance(value, int)):
            return None
        pairs.append((name, value))
    return tuple(sorted(pairs))


def _reduction_method(name: str, reduction: Reduction) -> Callable[..., Any]:
    real = getattr(_ndarray, name)
    parameters = _PARAMETERS[name]

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        arguments: tuple[Any, ...] | None = None
        if not args and not kwargs:
            arguments = ()
        elif (given := _by_name(name, args, kwargs)) is not None:
            arguments = _arguments(given, parameters)
            if arguments is not None and not _degrees_left(self, given):
                arguments = None
        if arguments is not None and (result := reduction.pending(self, arguments, _getframe(1))) is not None:
            if native is not None:
                reduction.learn(self, args, kwargs, arguments)
            return result
        if "where" in kwargs and (given := _by_name(name, args, kwargs)) is not None:
            for found in with_mask:
                if (result := found(self, name, given)) is not None:
                    return result
        return at_once(real, self, args, kwargs)

    method.__name__ = name
    method.__qualname__ = f"ndarray.{name}"
    method.__doc__ = real.__doc__
    return method if native is None else native.Reducer(reduction.op, reduction.seen, method)


def _degrees_left(t: Any, given: dict[str, Any]) -> bool:
    """Whether ``ddof`` leaves degrees of freedom; NumPy warns otherwise, at once."""
    if "ddof" not in given:
        return True
    axis = given.get("axis")
    shape = t._value.shape
    try:
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return bool(prod(shape[i] for i in axes) > given["ddof"])
    except (IndexError, TypeError):
        return False


def at_once(real: Callable[..., Any], t: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """NumPy's own method: pending where `lazy` has it so, else on real memory; gives the `out` that it was given."""
    rule = lazy.rule_of(real.__name__)
    given = (args, kwargs) if real.__name__ not in _PARAMETERS else _of_function(real.__name__, args, kwargs)
    if rule is not None and given is not None:
        found = rule.pending((t, *given[0]), given[1], _getframe(2))
        if found is not lazy.NOW:
            return found
    if active and kwargs.get("out") is None and (found := eager(real, (t, *args), kwargs)) is not PASS:
        return found
    options = {k: looked_at(v) if k != "out" else unwrapped(v) for k, v in kwargs.items()}
    lent = [*map(looked_at, args[:1]), *map(unwrapped, args[1:])]  # of these one may be `out`
    result = at_line(real, (looked_at(t), *lent), options)
    for own, array in zip((*args, kwargs.get("out")), (*lent, options.get("out")), strict=True):
        if array is result and type(result) is _ndarray:
            return own
    if type(result) is list or real is _ndarray.item and t._value.dtype.kind == "O":  # the program's own objects
        return result
    return wrap_all(result)


def _by_name(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of a reduction's method by their names; None if it does not take them."""
    order = _ORDERS[name]
    given = {**dict(zip(order, args, strict=False)), **kwargs}
    fit = len(args) <= len(order) and len(given) == len(args) + len(kwargs) and given.keys() <= _PARAMETERS[name].keys()
    return given if fit else None


def _of_function(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The arguments of a reduction's method as those of NumPy's function; None if one of the two does not take them."""
    given = _by_name(name, args, kwargs)
    if given is None:
        return None
    if name in ("any", "all") and given.pop("dtype", None) is not None:
        return None  # the function has none
    return None if type(given.get("out")) is tuple else ((), given)


_NO = np._NoValue
_PARAMETERS: dict[str, dict[str, Any]] = {
    "sum": {"axis": None, "dtype": None, "out": None, "keepdims": False, "initial": _NO, "where": True},
    "prod": {"axis": None, "dtype": None, "out": None, "keepdims": False, "initial": _NO, "where": True},
    "max": {"axis": None, "out": None, "keepdims": False, "initial": _NO, "where": True},
    "min": {"axis": None, "out": None, "keepdims": False, "initial": _NO, "where": True},
    "any": {"axis": None, "dtype": None, "out": None, "keepdims": False, "where": True},
    "all": {"axis": None, "dtype": None, "out": None, "keepdims": False, "where": True},
    "mean": {"axis": None, "dtype": None, "out": None, "keepdims": False, "where": True},
    "var": {"axis": None, "dtype": None, "out": None, "ddof": 0, "keepdims": False, "where": True, "mean": _NO},
    "std": {"axis": None, "dtype": None, "out": None, "ddof": 0, "keepdims": False, "where": True, "mean": _NO},
    "argmax": {"axis": None, "out": None, "keepdims": False},
    "argmin": {"axis": None, "out": None, "keepdims": False},
    "cumsum": {"axis": None, "dtype": None, "out": None},
    "cumprod": {"axis": None, "dtype": None, "out": None},
}

_POSITIONAL = {"any": 4, "all": 4, "mean": 4, "var": 5, "std": 5, "argmax": 2, "argmin": 2}
"""How many of the parameters may be given without their names, where not all."""
_ORDERS = {name: tuple(parameters)[:_POSITIONAL.get(name)] for name, parameters in _PARAMETERS.items()}

_RULES = {"mean": "statistic", "var": "statistic", "std": "statistic", "argmax": "arg", "argmin": "arg",
          "cumsum": "accumulate", "cumprod": "accumulate"}
_LABELS: dict[str, str | None] = {"mean": None, "var": None, "std": None, "cumsum": "accumulate",
                                  "cumprod": "accumulate"}
METHODS = {name: Reduction(name, getattr(_ndarray, name), _RULES.get(name, "reduce"), _LABELS.get(name, "reduce"))
           for name in _PARAMETERS}

for _name, _reduction in METHODS.items():
    setattr(Tensor, _name, _reduction_method(_name, _reduction))

_UFUNC_PARAMETERS: dict[str, dict[str, Any]] = {
    "reduce": {"axis": 0, "dtype": None, "out": None, "keepdims": False, "initial": _NO, "where": True},
    "accumulate": {"axis": 0, "dtype": None, "out": None},
}
_ufunc_reductions: dict[Any, Reduction] = {}


def reduce_ufunc(ufunc: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
    """``ufunc.reduce`` or ``ufunc.accumulate``."""
    real = getattr(ufunc, name)
    parameters = _UFUNC_PARAMETERS[name]
    if args and type(args[0]) is Tensor and ufunc.nin == 2 and ufunc.nout == 1 and not only_objects(ufunc):
        given = {**dict(zip(parameters, args[1:], strict=False)), **kwargs}
        out = kwargs.get("out")
        if type(out) is tuple and len(out) == 1 and out[0] is None:
            given["out"] = None
        arguments = _arguments(given, parameters) if given.keys() <= parameters.keys() else None
        if arguments is not None:
            known = _ufunc_reductions.get((ufunc, name))
            if known is None:
                known = _ufunc_reductions[ufunc, name] = Reduction(
                    f"{ufunc.__name__}.{name}.{len(_ufunc_reductions)}", real, name, name)
            result = known.pending(args[0], arguments, frame)
            if result is not None:
                return result
    if not args:
        return wrap_all(at_line(real, (), {k: unwrapped(v) for k, v in kwargs.items()}))
    out = kwargs.get("out")
    if type(out) is tuple and len(out) == 1 and out[0] is not ...:
        kwargs = {**kwargs, "out": out[0]}
    named = not any(type(x) is tuple for x in args[3:4])  # a tuple is an `out` only by that name
    if named and ufunc not in RAISE_ON_VALUES and getattr(np, ufunc.__name__, None) is ufunc:
        found = lazy.of_ufunc(ufunc, name).pending(args, kwargs, frame)
        if found is not lazy.NOW:
            return found
    return at_once(real, args[0], args[1:], kwargs)


