"""Functions of NumPy's that become one pending call: what makes a function of a row of the table (`rows`).

Such a function's result has a geometry that no value decides, and it raises nothing that depends on values, or a check
made when it is written says so. The node's value is NumPy's own function on the operands' values, so its bits are
NumPy's. `sampling` finds the geometry. Whatever is not as a row expects runs when written, by the fallback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..config import current
from ..ir.dtypes import NUMERIC
from ..ir.node import leaf
from ..ir.operation import Operation, register
from ..run.watching import active
from . import sampling
from .build import GATHERERS, NotArray, are_small, concern, record, taken_in, users_frame
from .forms import Together, frozen, largest, runner, scalars_of, thawed, writer
from .handle import Tensor, read, root_of, tensor, writing_of
from .inplace import change
from .rows import TABLE, check_reduceat
from .scalar import Scalar, scalar

_ndarray = np.ndarray
NOW: Any = np._NoValue
"""What stands for "not pending": NumPy must run now."""
_REFUSED = frozenset(("overwrite_input", "like"))
"""Parameters that only NumPy at once can serve, unless they have a value that says nothing."""
_SAYS_NOTHING = (None, False, np._NoValue)
_LIMIT = 4096


def _names(fn: Any) -> tuple[str, ...]:
    """The names of the parameters that may be positional; one with a ``*`` stands for all that follow."""
    parameters = inspect.signature(fn).parameters.values()
    return tuple([("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in parameters
                  if p.kind not in (p.VAR_KEYWORD, p.KEYWORD_ONLY)])


def _registered(name: str, run: Callable[..., Any], kind: str = "call") -> Operation:
    """An operation of that name, or with a number if it is taken."""
    tries = 1
    while True:
        try:
            return register(name if tries == 1 else f"{name}_{tries}", kind, run, label=None)
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
        ``whole``: a product, which NumPy computes by another routine where two operands are one memory.
    check : callable or None
        ``check(given)``, given the arguments by name: whether the call may wait.

    Notes
    -----
    An `out` that is a Tensor is written by NumPy's own call with that array's memory as `out` (`into`).
    """

    __slots__ = ("fn", "name", "names", "arrays", "many", "deep", "looked", "needed", "op", "into", "check", "halves",
                 "free", "moves", "strict", "whole", "variadic", "breaks", "known", "shaped")

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
        self.into: Operation | None = None
        self.halves, self.free, self.moves = "halves" in flags, "free" in flags, "moves" in flags
        self.strict, self.whole = "strict" in flags, "whole" in flags
        self.breaks = (600,) if "vast" in flags else ()
        self.known: dict[Any, Any] = {}
        self.shaped: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"<lazy {self.name}>"

    def pending(self, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        """The pending result of ``fn(*args, **kwargs)``, or `NOW` if NumPy must run now, or has it done before that
        would be written down."""
        if not active and are_small(args, current.small) and (not kwargs or are_small(kwargs.values(), current.small)):
            return NOW
        return self.waiting(args, kwargs, frame)

    def waiting(self, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        """The same, pending however small it is."""
        if not concern(args) and not (kwargs and concern(kwargs.values())):
            return NOW
        if self.whole and _may_be_one((*args, *kwargs.values())):
            return NOW
        found = self.expected(args, kwargs)
        if found is None:
            return NOW
        form, nodes, target, container, parts = found
        if target is not None:
            return target if self._written(target, form, nodes, frame) else NOW
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

    def expected(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call's form, operands and the Tensor that it writes to, the container of the results, and shape, dtype,
        strides of each and whether it is an array; None if NumPy must run now."""
        try:
            form, nodes, fills, target = self.bound(args, kwargs)
            found = self.geometry(form, nodes, fills, target)
        except (NotArray, TypeError, ValueError, LookupError, AttributeError, OverflowError,
                RecursionError):  # NumPy says it itself
            return None
        return None if found is None else (form, nodes, target, *found)

    def _written(self, target: Any, form: Any, nodes: list[Any], frame: Any) -> bool:
        """Writes the result into a Tensor; False if that may not wait."""
        if self.into is None:
            self.into = _registered(f"{self.name}_into", writer(self.fn), "mutate")
        return change(self.into, target, tuple(nodes), (form,), frame)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call as a form, its operands, what samples of these are filled with, and the Tensor that is written."""
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
        target = None
        if "out" in kwargs or "out" in given:
            target = kwargs["out"] if "out" in kwargs else args[given.index("out")]
            if type(target) is tuple and len(target) == 1:
                target = target[0]
            if type(target) is not Tensor:
                target = None
        positional = [self._argument(name, x, nodes, fills) for name, x in zip(given, args, strict=True)]
        keywords = [(k, self._argument(k, x, nodes, fills)) for k, x in kwargs.items()] if kwargs else ()
        for node in nodes:
            dtype = node.dtype
            if dtype.char not in NUMERIC and (not self.moves or dtype.hasobject or dtype.kind == "T"):
                raise NotArray
        if self.check is not None:
            by_name = dict(zip(given, args, strict=True))
            by_name.update(kwargs)
            if not self.check(by_name):
                raise NotArray
        if target is not None:  # the last of the values; None where the geometry is asked for
            if target._value.dtype.char not in NUMERIC or writing_of(target) != 1:
                raise NotArray
            slot = "slot", len(nodes), False
            positional = [slot if name == "out" else x for name, x in zip(given, positional, strict=True)]
            keywords = [(k, slot if k == "out" else x) for k, x in keywords]
        return (tuple(positional), tuple(keywords)), nodes, fills, target

    def _argument(self, name: str, value: Any, nodes: list[Any], fills: list[Any]) -> Any:
        if name in self.arrays:
            return self._operand(value, nodes, fills, name in self.looked)
        if name in self.many:
            kind = type(value)
            if kind is list or kind is tuple:
                deep = name in self.deep
                return "sequence", kind, tuple([
                    self._argument(name, x, nodes, fills) if deep and type(x) in (list, tuple)
                    else self._operand(x, nodes, fills, False) for x in value])
            return self._operand(value, nodes, fills, False)
        if name == "out":
            if value is None or type(value) is Tensor or type(value) is tuple and len(value) == 1 and (
                    value[0] is None or type(value[0]) is Tensor):
                return None
            raise NotArray
        if name in _REFUSED and not any(value is x for x in _SAYS_NOTHING):
            raise NotArray
        return frozen(value)

    def _operand(self, value: Any, nodes: list[Any], fills: list[Any], looked: bool) -> Any:
        kind = type(value)
        if kind is Tensor:
            nodes.append(read(value))
            fills.append(0 if looked else 1)
            return "slot", len(nodes) - 1, False
        if kind is _ndarray:
            node = taken_in(value)
        elif issubclass(kind, Scalar):
            node = value._node
        elif kind is list or kind is tuple:
            if self.strict and not concern(value):
                return frozen(value)
            node = read(gathered(value)) if concern(value) else leaf(np.asarray(value), None)
        else:  # the size of a number that is a value says nothing of lengths
            return ("constant", int, value) if kind is int else frozen(value)
        nodes.append(node)
        fills.append(0 if looked else 1)
        return "slot", len(nodes) - 1, issubclass(kind, Scalar)

    def geometry(self, form: Any, nodes: list[Any], fills: list[Any], target: Any = None) -> Any:
        """The container, and shape, dtype and strides of each part; None if NumPy must run now."""
        if not nodes:
            return None
        written = None if target is None else target._value
        exact = (written and (written.dtype, written.shape, written.strides), form, tuple([
            (x.shape, x.strides, x.dtype, x.dtype.char) for x in nodes]))
        try:
            return _fitting(self.shaped[exact], target)
        except KeyError:
            pass
        found = self._geometry(form, nodes, fills, written)
        if len(self.shaped) >= _LIMIT:
            self.shaped.clear()
        self.shaped[exact] = found
        return _fitting(found, target)

    def _geometry(self, form: Any, nodes: list[Any], fills: list[Any], written: Any) -> Any:
        most = 0 if self.free else max([largest(x) for x in form[0]] + [largest(x) for _, x in form[1]], default=0)
        if most > sampling._LARGEST:
            return None
        shapes = [x.shape for x in nodes]
        lengths = sampling.Lengths(shapes, max(sampling.SHORT, 2 * most))
        if len(lengths.lengths) > 8:
            return None
        laid = [sampling.pattern(x.shape, x.strides, x.dtype.itemsize) for x in nodes]
        out = written and sampling.pattern(written.shape, written.strides, written.dtype.itemsize)
        if False in laid or out is False:
            return None
        scalars = scalars_of(form, {})
        key = (written and (written.dtype, out), form, lengths.short, lengths.key(self.halves, self.breaks), tuple([
            (lengths.classes(x.shape), x.dtype, x.dtype.char, p) for x, p in zip(nodes, laid, strict=True)]))
        if key in self.known:
            answer = self.known[key]
        else:
            def make(i: int, shape: tuple[int, ...]) -> Any:
                return sampling.sample(shape, nodes[i].dtype, laid[i], fills[i], scalars[i])

            def call(samples: list[Any]) -> Any:
                values: list[Any] = [*samples, None]  # without `out` first
                result = self.fn(*[thawed(x, values) for x in form[0]], **{k: thawed(x, values) for k, x in form[1]})
                if written is not None:
                    values[-1] = sampling.sample(result.shape, written.dtype, out, 1, False)
                    given = self.fn(*[thawed(x, values) for x in form[0]],
                                    **{k: thawed(x, values) for k, x in form[1]})
                    return result if given is values[-1] else None  # some functions of NumPy's do not write to it
                return result
            answer = sampling.answer(call, shapes, lengths, make, self.breaks)
            if any(x.dtype.kind in "SU" for x in nodes):  # numbers of text are as long as they are
                fills = [b"1" * x.dtype.itemsize if x.dtype.kind == "S" else "1" * x.dtype.itemsize
                         if x.dtype.kind == "U" else fill for x, fill in zip(nodes, fills, strict=True)]
                answer = answer if sampling.answer(call, shapes, lengths, make, self.breaks) == answer else None
            if answer is not None and any(m.dtype.char not in NUMERIC and (
                    not self.moves or m.dtype.hasobject) for m in answer.made):
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


_METHODS: dict[str, tuple[str, str]] = {
    "reduce": ("array where initial", "array axis dtype out keepdims initial where"),
    "accumulate": ("array", "array axis dtype out"),
    "reduceat": ("array indices!", "array indices axis dtype out"),
}
"""A ufunc's methods: their parameters that are arrays, and all of them."""


def of_ufunc(ufunc: Any, method: str) -> Rule:
    """The rule for a ufunc's calls (`method` "__call__") or one of its `_METHODS`."""
    rule = _of_ufuncs.get((ufunc, method))
    if rule is None:
        if method == "__call__":
            names = tuple([f"x{i}" for i in range(ufunc.nin)])
            rule = Rule(ufunc, f"{ufunc.__name__} as a call", " ".join(names), "whole" if ufunc.signature else "",
                        names=names)
        else:
            arrays, all_of_them = _METHODS[method]
            rule = Rule(getattr(ufunc, method), f"{ufunc.__name__}.{method}", arrays, "free",
                        check_reduceat if method == "reduceat" else None, tuple(all_of_them.split()))
        _of_ufuncs[ufunc, method] = rule
    return rule


def _may_be_one(values: Iterable[Any]) -> bool:
    """Whether a real array is among the values beside a Tensor that shares memory with the outside: it may be that
    memory, which a copy would not be."""
    parts = [x for value in values for x in (value if type(value) in (list, tuple) else (value,))]
    return any(type(x) is _ndarray for x in parts) and any(
        type(x) is Tensor and root_of(x)._state is not None for x in parts)


def _fitting(found: Any, target: Any) -> Any:
    """A geometry, if the Tensor that is to be written is None or has its shape."""
    if found is None or target is None:
        return found
    return found if found[0] is None and found[1][0][0] == target._value.shape else None


def gathered(value: Any) -> Any:
    """The pending array that NumPy makes of a sequence with Tensors or lazy scalars in it.

    Raises
    ------
    NotArray
        If NumPy must make it now.
    """
    found: Any = rule_of("array").waiting((value,), {}, users_frame())  # type: ignore[union-attr]
    if found is NOW:
        raise NotArray
    return found


GATHERERS.append(gathered)
