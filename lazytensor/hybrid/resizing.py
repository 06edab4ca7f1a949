"""The records of a trace for arrays of other sizes: what NumPy's rules for shapes and layouts make of them.

A trace says which operations the Python asked for; where it did not ask for the sizes of arrays, it would have asked
for the same ones on arrays of other sizes. `resized` derives what those give: the shape and strides of each value and
view. A rule is believed where it gives what was traced, for the sizes that were traced; a record that no rule explains,
and sizes for which NumPy might do something else (an axis of length 1 or 0 where there was none; arrays that do not fit
each other), raise `Unsized`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from operator import getitem
from typing import Any, NamedTuple

import numpy as np

from ..api import matrix, methods, reductions
from ..api.indexing import ELEMENT
from ..ir import layout
from ..run.interpreter import apply_view
from ..run.parts import steps_to_part
from .arguments import Geometry
from .branches import Branch
from .effects import Outcome, Spec
from .tracing import Operand, Record

HOLE = -1
"""The length, in the shape that `reshape` is given, that follows from the others."""
_RESHAPE, _ROUND, _MATMUL, _DOT = methods._RESHAPE, methods._ROUND, matrix._MATMUL, matrix._DOT
_UNSURE = frozenset(("out", "where", "axis", "axes", "together", "form", "signature"))
"""Attributes of an elementwise operation with which its shape is not that of its operands."""


class Unsized(Exception):
    """What a trace has cannot be derived for these sizes."""


class Laid(NamedTuple):
    """Where a value lies: its geometry for the sizes that were traced, and for others."""

    was: Geometry
    now: Geometry


Values = dict[str, Laid]


def resized(tree: Branch, leaves: Values) -> tuple[Branch, Values]:
    """A tree without loops, for leaves of other sizes; and where all its values lie.

    Raises
    ------
    Unsized
        If that cannot be derived.
    """
    return _branch(tree, dict(leaves))


def _branch(branch: Branch, values: Values) -> tuple[Branch, Values]:
    if branch.cuts:
        raise Unsized("a loop")
    other, met = Branch(), values
    other.constants = branch.constants
    for name, node in branch.constants.items():
        known = Geometry(node.shape, node.dtype, node.strides)
        values[name] = Laid(known, known)
    other.records = [_record(record, values) for record in branch.records]
    if branch.answer is not None:
        other.answer = answer = _with_operands(branch.answer, values)
        for x in answer.operands:
            if geometry_of(x, values).was.shape != geometry_of(x, values).now.shape:
                raise Unsized("its Python looks at values of another size")
        for outcome, path in branch.paths.items():
            other.paths[outcome], more = _branch(path, dict(values))
            met = {**met, **more}
    if branch.end is not None:
        other.end = _end(branch.end, values)
    return other, met


def alike(a: Any, b: Any) -> None:
    """Raises `Unsized` unless shapes have as many axes, of length 0, 1, or more in the same places."""
    if a != b and (len(a) != len(b) or any(n != m and (n < 2 or m < 2) for n, m in zip(a, b, strict=True))):
        raise Unsized("lengths of 1 or 0")


# ---- operands --------------------------------------------------------------------------------------------------------

def geometry_of(x: Operand, values: Values) -> Laid:
    """Where an operand lies."""
    if x.name is None:
        kind = np.asarray(x.value).dtype
        return Laid(Geometry((), kind, None), Geometry((), kind, None))
    base = values[x.name]
    if not x.steps:
        return base
    found = Laid(*[viewed(x.steps, of) for of in base])
    if x.laid is not None and found.was != x.laid:
        raise Unsized("a view")
    alike(found.was.shape, found.now.shape)
    return found


def viewed(steps: Any, of: Geometry) -> Geometry:
    """The geometry of a view."""
    try:
        array: Any = layout.shadow(of.shape, of.strides, of.dtype)
        for step in steps:
            if step[0] is methods._reshaped:  # a copy would read elements, and there are none
                array = layout.view_or_copy(array.shape, array.strides, array.dtype, *step[1])
            elif step[0] is getitem:  # so would a number
                parts = _parts(step[1][0])
                array = array[parts if Ellipsis in parts else (*parts, ...)]
            else:
                array = apply_view((step,), array)
        return Geometry(array.shape, array.dtype, layout.canonical(array.strides, array.shape, array.itemsize))
    except Exception as error:  # whatever NumPy raises for such a view
        raise Unsized("a view") from error


def _operand(x: Operand, values: Values) -> Operand:
    if x.name is None or not x.steps:
        return x
    found = geometry_of(x, values)
    return x._replace(steps=_filled(x.steps, values[x.name].now), laid=tuple(found.now))


def _filled(steps: Any, of: Geometry) -> Any:
    """Steps with the lengths that are holes."""
    if not any(fn is methods._reshaped and HOLE in args[0] for fn, args in steps):
        return steps
    found: list[Any] = []
    for fn, args in steps:
        if fn is methods._reshaped and HOLE in args[0]:
            args = viewed([*found, (fn, args)], of).shape, *args[1:]
        found.append((fn, args))
    return tuple(found)


# ---- records ---------------------------------------------------------------------------------------------------------

def _with_operands(record: Record, values: Values) -> Record:
    return record.copy(record.name, tuple([_operand(x, values) for x in record.operands]))


def _record(record: Record, values: Values) -> Record:
    if record.kind == "draw":
        return _draw(record, values)
    if record.kind != "operation":
        raise Unsized("a call of NumPy")
    laid = [geometry_of(x, values) for x in record.operands]
    was = Geometry(record.shape, record.dtype, record.strides)
    own = _with_operands(record, values)
    own.attrs = _attributes(record, laid)
    before, after = [_rules(record, [x[which] for x in laid]) for which in (0, 1)]
    found = {now for then, now in zip(before, after, strict=True) if then == (was.shape, was.strides)}
    if len(found) != 1:
        raise Unsized(f"the layout of {record.op.name}")
    own.shape, own.strides = found.pop()
    alike(was.shape, own.shape)
    _check_elision(record, own, laid)
    values[record.name] = Laid(was, Geometry(own.shape, own.dtype, own.strides))
    return own


def _draw(record: Record, values: Values) -> Record:
    """Random numbers: as many as ever."""
    if _operands_within((record.args, record.kwargs)):
        raise Unsized("a draw that depends on an array")
    for name, dtype, shape in record.results:
        if shape is not None:
            values[name] = Laid(Geometry(shape, dtype, None), Geometry(shape, dtype, None))
        elif dtype is not None:
            values[name] = Laid(Geometry((), dtype, None), Geometry((), dtype, None))
    return record


def _operands_within(value: Any) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return any(map(_operands_within, value))
    return kind is Operand or kind is dict and any(map(_operands_within, value.values()))


def _attributes(record: Record, laid: list[Laid]) -> Any:
    """Its attributes, without holes."""
    if record.op is _RESHAPE:
        options = dict(record.attrs)
        return (("order", options["order"]), ("shape", _lengths(options["shape"], laid[0].now.shape)))
    if record.op.kind == "mutate":
        steps, extra = record.attrs
        return _filled(steps, laid[0].now), extra
    return record.attrs


def _lengths(given: Any, of: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths that `reshape` is given, without holes."""
    rest = prod([n for n in given if n != HOLE])
    if prod(of) % rest or HOLE not in given and prod(of) != rest:
        raise Unsized("reshape")
    return tuple([prod(of) // rest if n == HOLE else n for n in given])


def _check_elision(record: Record, own: Record, laid: list[Laid]) -> None:
    """NumPy writes over large temporaries, whose layout is not always that of a new array."""
    if max(prod(record.shape), prod(own.shape)) * own.dtype.itemsize >= layout.ELIDED_BYTES and any(
            not x.steps and of.was.strides is not None for x, of in zip(record.operands, laid, strict=True)):
        raise Unsized("the layout of a large temporary")


# ---- rules: shapes and strides that an operation may give ------------------------------------------------------------

Result = tuple[Any, Any]


def _rules(record: Record, laid: list[Geometry]) -> list[Result]:
    """What an operation gives, as NumPy's rules have it: shape and strides, by each rule that may be its."""
    try:
        return list(_found(record, laid))
    except Unsized:
        raise
    except Exception as error:  # whatever NumPy raises for operands that do not fit
        raise Unsized(record.op.name) from error


def _found(record: Record, laid: list[Geometry]) -> Iterator[Result]:
    op, size = record.op, record.dtype.itemsize
    options = {} if op.kind == "mutate" else dict(record.attrs or ())
    if op.step == "cast":
        yield from _casts(size, laid[0])
    elif op.kind == "scalar":
        yield (), None
    elif op.kind == "elementwise" or op.step == "where":
        if not options.keys().isdisjoint(_UNSURE):
            raise Unsized(op.name)
        yield from _elementwise(size, laid, op.step != "where")
    elif op.kind == "mutate":
        _check_store(record, laid)
        yield laid[0].shape, laid[0].strides
    elif op in _CALLS:
        yield _CALLS[op](record, options, laid)
    else:
        yield _reduced(record, options, laid)


def _casts(size: int, of: Geometry) -> Iterator[Result]:
    for order in "CFAK":
        yield of.shape, layout.like(of.shape, of.strides, of.dtype.itemsize, size, order)


def _elementwise(size: int, laid: list[Geometry], may_be_trivial: bool) -> Iterator[Result]:
    shape = layout.broadcast(*[of.shape for of in laid])
    operands = [(of.shape, of.strides, of.dtype.itemsize) for of in laid]
    for trivial in (True, False) if may_be_trivial else (False,):
        yield shape, layout.elementwise(shape, size, operands, trivial)


def _check_store(record: Record, laid: list[Geometry]) -> None:
    """Whether what is written fits the part that it goes to."""
    op = record.op
    if op.step not in ("store", "part"):
        raise Unsized(op.name)
    if op.step == "part" and record.attrs[1][0]:
        raise Unsized("a mask")
    part = viewed(steps_to_part(record), laid[0])
    if layout.broadcast(part.shape, *[of.shape for of in laid[1:]]) != part.shape:
        raise Unsized("a part")


def _product(record: Record, options: Any, laid: list[Geometry]) -> Result:
    a, b = laid
    if options or not (a.shape and b.shape) or a.shape[-1] != b.shape[max(0, len(b.shape) - 2)] or (
            max(len(a.shape), len(b.shape)) > 2 and (record.op is _DOT or not a.strides is None is b.strides)):
        raise Unsized("a product")
    if record.op is _DOT:
        return a.shape[:-1] + (b.shape[-1:] if len(b.shape) > 1 else ()), None
    return np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + a.shape[-2:-1] + (
        b.shape[-1:] if len(b.shape) > 1 else ()), None


def _reshape(record: Record, options: Any, laid: list[Geometry]) -> Result:
    if record.strides is not None:
        raise Unsized("the order of a reshape")
    return _lengths(options["shape"], laid[0].shape), None


def _round(record: Record, options: Any, laid: list[Geometry]) -> Result:
    return laid[0].shape, None


def _element(record: Record, options: Any, laid: list[Geometry]) -> Result:
    of = laid[0]
    if layout.shadow(of.shape, of.strides, of.dtype)[(*_parts(options["index"]), ...)].shape:
        raise Unsized("an element")
    return (), None


def _parts(index: Any) -> tuple[Any, ...]:
    return index if type(index) is tuple else (index,)


_CALLS: dict[Any, Callable[[Record, Any, list[Geometry]], Result]] = {
    _MATMUL: _product, _DOT: _product, _RESHAPE: _reshape, _ROUND: _round, ELEMENT: _element}
_REDUCTIONS = {reduction.op: reduction for reduction in reductions.METHODS.values()}


def _reduced(record: Record, options: Any, laid: list[Geometry]) -> Result:
    """What a reduction gives."""
    found = _REDUCTIONS.get(record.op)
    if found is None:
        found = next((x for x in list(reductions._ufunc_reductions.values()) if x.op is record.op), None)
    if found is None or 0 in laid[0].shape:
        raise Unsized(record.op.name)
    of = laid[0]
    rule = found.ask(of.dtype, len(of.shape), record.attrs or ())
    if prod([of.shape[i] for i in rule.axes]) <= options.get("ddof", 0):
        raise Unsized("degrees of freedom")
    asked: Any = of
    shape, strides = found._geometry(asked, rule, options)
    return shape, strides


# ---- what a call leaves ----------------------------------------------------------------------------------------------

def _end(end: Outcome, values: Values) -> Outcome:
    for root, name in end.writes.items():
        if values[name].now != values[root].now:
            raise Unsized("an array that gets another shape")
    return end.mapped(lambda spec: _spec(spec, values)[0])


def _spec(spec: Spec, values: Values) -> tuple[Spec, Geometry | None]:
    """A part of a result, and its geometry if it is an array that the call makes."""
    if spec.kind == "array":
        laid = values[spec.name]
        if laid.was.strides != spec.what:
            raise Unsized("its result")
        return spec._replace(what=laid.now.strides), laid.now
    if spec.kind == "same":
        found = values.get(f"a{spec.name[1:]}") or values.get(spec.name[1:])  # t1, o1: that of a1; tw0: that of w0
        return spec, found and found.now
    if spec.kind == "view":
        root, steps, *rest = spec.what
        other, of = _spec(root, values)
        if of is None:
            raise Unsized("a view")
        viewed(steps, of)
        return spec._replace(what=(other, _filled(steps, of), *rest)), None
    if spec.kind in ("sequence", "dict", "dataclass"):
        *what, parts = spec.what
        return spec._replace(what=(*what, [_spec(x, values)[0] for x in parts])), None
    return spec, None
