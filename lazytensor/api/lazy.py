"""Functions of NumPy's that become one pending call: what makes a function of a row of the table (`rows`).

Such a function's result has a geometry that no value decides, and it raises nothing that depends on values, or a check
made when it is written says so. The node's value is NumPy's own function on the operands' values, so its bits are
NumPy's. `sampling` finds the geometry. Whatever is not as a row expects runs when written, by the fallback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.dtypes import NUMERIC
from ..ir.node import leaf
from ..ir.operation import Operation, register
from . import sampling
from .build import NotArray, record, taken_in
from .forms import Together, concern, frozen, largest, runner, scalars_of, thawed
from .handle import Tensor, read, tensor
from .rows import TABLE, check_reduceat
from .scalar import Scalar, scalar

_ndarray = np.ndarray
NOW: Any = np._NoValue
"""What stands for "not pending": NumPy must run now."""
_REFUSED = frozenset(("out", "overwrite_input", "sorter", "fweights", "aweights", "period", "like"))
"""Parameters that only NumPy at once can serve, unless they have a value that says nothing."""
_SAYS_NOTHING = (None, False, np._NoValue)
_LIMIT = 4096


def _names(fn: Any) -> tuple[str, ...]:
    """The names of the parameters that may be positional; one with a ``*`` stands for all that follow."""
    parameters = inspect.signature(fn).parameters.values()
    return tuple([("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in parameters
                  if p.kind not in (p.VAR_KEYWORD, p.KEYWORD_ONLY)])


def _registered(name: str, run: Callable[..., Any]) -> Operation:
    """An operation of that name, or with a number if it is taken."""
    tries = 1
    while True:
        try:
            return register(name if tries == 1 else f"{name}_{tries}", "call", run, label=None)
        except ValueError:
            tries += 1


class Rule:
    """What is known of one function.

    Parameters
    ----------
    fn : callable
        NumPy's.
    name : str
    arrays : str
        Its parameters that are arrays, in words. ``[x]`` is a sequence of arrays, ``[[x]]`` one of any depth, ``x!`` an
        array of indices or numbers whose values are looked at when the function is written, ``+x`` one that must be
        given.
    flags : str
        ``halves``: lengths may be halved. ``free``: integer arguments may be of any size. ``moves``: any dtype but
        objects will do. ``strict``: a list is no array. ``vast``: 600 is a length at which NumPy takes another way.
    check : callable or None
        ``check(given)``, given the arguments by name: whether the call may wait.
    """

    __slots__ = ("fn", "name", "names", "arrays", "many", "deep", "looked", "needed", "op", "check", "halves", "free",
                 "moves", "strict", "variadic", "breaks", "known", "shaped")

    def __init__(self, fn: Any, name: str, arrays: str, flags: str = "", check: Any = None,
                 names: tuple[str, ...] | None = None) -> None:
        self.fn, self.name, self.check = fn, name, check
        self.names = _names(fn) if names is None else names
        named = self.names
        if any(name[0] == "*" for name in named[:-1]):  # what follows it is given by keyword
            self.names = named[:[name[0] for name in named].index("*") + 1]
        self.variadic = bool(self.names) and self.names[-1][0] == "*"
        words = arrays.split()
        self.needed = [w[1:].rstrip("!") for w in words if w[0] == "+"]
        words = [w.lstrip("+") for w in words]
        self.arrays = frozenset(w.rstrip("!") for w in words if w[0] != "[")
        self.many = frozenset(w.strip("[]") for w in words if w[0] == "[")
        self.deep = frozenset(w.strip("[]") for w in words if w[:2] == "[[")
        self.looked = frozenset(w.rstrip("!") for w in words if w[-1] == "!")
        self.op = _registered(name, runner(fn))
        self.halves, self.free, self.moves = "halves" in flags, "free" in flags, "moves" in flags
        self.strict = "strict" in flags
        self.breaks = (600,) if "vast" in flags else ()
        self.known: dict[Any, Any] = {}
        self.shaped: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"<lazy {self.name}>"

    def pending(self, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        """The pending result of ``fn(*args, **kwargs)``, or `NOW` if NumPy must run now."""
        if not concern(args) and not (kwargs and concern(kwargs.values())):
            return NOW
        try:
            form, nodes, fills = self.bound(args, kwargs)
            found = self.geometry(form, nodes, fills)
            if found is None:
                return NOW
        except (NotArray, TypeError, ValueError, LookupError, AttributeError, OverflowError):  # NumPy says it itself
            return NOW
        container, parts = found
        inputs = tuple(nodes)
        if container is None:
            shape, dtype, strides, is_array = parts[0]
            node = record(self.op, inputs, (("form", form),), shape, dtype, strides, frame)
            return tensor(node) if is_array else scalar(node)
        together = Together()
        results = []
        for i, (shape, dtype, strides, is_array) in enumerate(parts):
            attrs = ("form", form), ("part", i), ("together", together)
            node = record(self.op, inputs, attrs, shape, dtype, strides, frame)
            results.append(tensor(node) if is_array else scalar(node))
        return container._make(results) if hasattr(container, "_make") else container(results)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call as a form, its operands, and what samples of these are filled with."""
        names = self.names
        nodes: list[Any] = []
        fills: list[Any] = []
        given = names[:len(args)]
        if len(args) > len(names) or self.variadic and len(args) >= len(names):
            if not self.variadic:
                raise NotArray
            given = names[:-1] + (names[-1][1:],) * (len(args) - len(names) + 1)
        for name in self.needed:
            if name not in given and kwargs.get(name) is None or (
                    name in given and args[given.index(name)] is None):
                raise NotArray
        positional = tuple([self._argument(name, x, nodes, fills) for name, x in zip(given, args, strict=True)])
        keywords = tuple([(k, self._argument(k, x, nodes, fills)) for k, x in kwargs.items()])
        for node in nodes:
            dtype = node.dtype
            if dtype.char not in NUMERIC and (not self.moves or dtype.hasobject or dtype.kind == "T"):
                raise NotArray
        if self.check is not None and not self.check({**dict(zip(given, args, strict=True)), **kwargs}):
            raise NotArray
        return (positional, keywords), nodes, fills

    def _argument(self, name: str, value: Any, nodes: list[Any], fills: list[Any]) -> Any:
        if name in self.arrays:
            return self._operand(value, nodes, fills, name in self.looked)
        if name in self.many:
            kind = type(value)
            if kind is list or kind is tuple:
                return "sequence", kind, tuple([
                    self._argument(name, x, nodes, fills) if name in self.deep and type(x) in (list, tuple)
                    else self._operand(x, nodes, fills, False) for x in value])
            return self._operand(value, nodes, fills, False)
        if name in _REFUSED and not any(value is x for x in _SAYS_NOTHING):
            raise NotArray
        return frozen(value)

    def _operand(self, value: Any, nodes: list[Any], fills: list[Any], looked: bool) -> Any:
        kind = type(value)
        if kind is Tensor:
            node = read(value)
        elif kind is _ndarray:
            node = taken_in(value)
        elif issubclass(kind, Scalar):
            node = value._node
        elif kind is list or kind is tuple:
            if concern(value) or self.strict:
                raise NotArray
            array = np.asarray(value)
            node = leaf(array, None)
        else:
            return frozen(value)
        nodes.append(node)
        fills.append(0 if looked else 1)
        return "slot", len(nodes) - 1, issubclass(kind, Scalar)

    def geometry(self, form: Any, nodes: list[Any], fills: list[Any]) -> Any:
        """The container, and shape, dtype and strides of each part; None if NumPy must run now."""
        if not nodes:
            return None
        exact = (form, tuple([(x.shape, x.strides, x.dtype, x.dtype.char) for x in nodes]))
        try:
            return self.shaped[exact]
        except KeyError:
            pass
        found = self._geometry(form, nodes, fills)
        if len(self.shaped) >= _LIMIT:
            self.shaped.clear()
        self.shaped[exact] = found
        return found

    def _geometry(self, form: Any, nodes: list[Any], fills: list[Any]) -> Any:
        most = 0 if self.free else max([largest(x) for x in form[0]] + [largest(x) for _, x in form[1]], default=0)
        if most > sampling._LARGEST:
            return None
        shapes = [x.shape for x in nodes]
        lengths = sampling.Lengths(shapes, max(sampling.SHORT, 2 * most))
        if len(lengths.lengths) > 8:
            return None
        laid = [sampling.pattern(x.shape, x.strides, x.dtype.itemsize) for x in nodes]
        if False in laid:
            return None
        scalars = scalars_of(form, {})
        key = (form, lengths.short, lengths.key(self.halves, self.breaks), tuple([
            (lengths.classes(x.shape), x.dtype, x.dtype.char, p) for x, p in zip(nodes, laid, strict=True)]))
        if key in self.known:
            answer = self.known[key]
        else:
            def make(i: int, shape: tuple[int, ...]) -> Any:
                return sampling.sample(shape, nodes[i].dtype, laid[i], fills[i], scalars[i])

            def call(samples: list[Any]) -> Any:
                return self.fn(*[thawed(x, samples) for x in form[0]], **{k: thawed(x, samples) for k, x in form[1]})
            answer = sampling.answer(call, shapes, lengths, make, self.breaks)
            if answer is not None and not self.moves and any(m.dtype.char not in NUMERIC for m in answer.made):
                answer = None
            if len(self.known) >= _LIMIT:
                self.known.clear()
            self.known[key] = answer
        if answer is None:
            return None
        parts = sampling.placed(answer, lengths)
        return None if parts is None else (answer.container, parts)


_rules: dict[str, Rule] = {}


def rule_of(name: str, fn: Any = None) -> Rule | None:
    """The rule for a name of the table, made at its first use; None if the table does not have it."""
    rule = _rules.get(name)
    if rule is None and name in TABLE:
        if fn is None:
            fn = np
            for part in name.split("."):
                fn = getattr(fn, part)
        rule = _rules[name] = Rule(fn, name, *TABLE[name])
    return rule


_of_ufuncs: dict[tuple[Any, str], Rule] = {}


def of_ufunc(ufunc: Any, method: str) -> Rule:
    """The rule for a ufunc of several outputs or with a signature (`method` "__call__"), or for `reduceat`."""
    rule = _of_ufuncs.get((ufunc, method))
    if rule is None:
        if method == "__call__":
            names = tuple([f"x{i}" for i in range(ufunc.nin)])
            rule = Rule(ufunc, ufunc.__name__, " ".join(names), names=names)
        else:
            rule = Rule(getattr(ufunc, method), f"{ufunc.__name__}.{method}", "array indices! where", "free",
                        check_reduceat if method == "reduceat" else None,
                        ("array", "indices", "axis", "dtype", "out") if method == "reduceat" else (
                            "array", "axis", "dtype", "out", "keepdims", "initial", "where"))
        _of_ufuncs[ufunc, method] = rule
    return rule
