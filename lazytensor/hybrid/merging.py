"""What two traces of one function, for arrays of different sizes, have in common: the program for other sizes.

Everything has to be the same (operations, operands, indices, constants, lines) but for shapes and strides, which
`resizing` derives, and for one length in each shape that `reshape` was given: nobody but `reshape` itself has worked
that out, for programs that ask for sizes are known by the sizes that they read. It becomes a hole.
"""

from __future__ import annotations

from typing import Any

from ..api import methods
from ..api.relative import relative_view
from ..run import floating
from .branches import Branch, _equal
from .effects import Outcome, Spec
from .guards import same
from .repeating import _alike
from .resizing import HOLE, Unsized
from .tracing import Operand, Record


def merge(new: Branch, old: Branch) -> Branch:
    """The paths that both trees have, with the geometry of the first and holes.

    Raises
    ------
    Unsized
        If they differ in something else.
    """
    found = Branch()
    if new.cuts or old.cuts or len(new.records) != len(old.records) or (new.answer is None) != (old.answer is None):
        raise Unsized("another number of operations")
    if new.constants.keys() != old.constants.keys() or not all(
            _equal(node, old.constants[name]) for name, node in new.constants.items()):
        raise Unsized("arrays that it makes")
    found.constants = new.constants
    found.records = [_record(a, b) for a, b in zip(new.records, old.records, strict=True)]
    if new.answer is not None and old.answer is not None:
        if new.answer.how != old.answer.how or new.answer.place != old.answer.place:
            raise Unsized("another question")
        found.answer = new.answer.copy(new.answer.name, _operands(new.answer, old.answer))
        both = [outcome for outcome in new.paths if outcome in old.paths]
        if not both:
            raise Unsized("another answer")
        found.paths = {outcome: merge(new.paths[outcome], old.paths[outcome]) for outcome in both}
    if new.end is not None:
        found.end = _end(new.end, old.end)
    return found


def _record(a: Record, b: Record) -> Record:
    if a.kind not in ("operation", "draw"):
        raise Unsized("a call of NumPy")
    if a.kind != b.kind or a.name != b.name or a.op is not b.op or a.dtype != b.dtype or (
            not floating.alike(a.errstate, b.errstate) or a.code is not b.code or a.lasti != b.lasti):
        raise Unsized("another operation")
    found = a.copy(a.name, _operands(a, b))
    if a.kind == "draw":
        if not (a.fn == b.fn and _alike_calls((a.args, a.kwargs), (b.args, b.kwargs)) and a.results == b.results):
            raise Unsized("another draw")
    elif a.op is methods._RESHAPE:
        found.attrs = _reshape(dict(a.attrs), dict(b.attrs))
    elif a.op.kind == "mutate":
        if not _alike(a.attrs[1], b.attrs[1]):
            raise Unsized("another index")
        found.attrs = steps(a.attrs[0], b.attrs[0]), a.attrs[1]
    elif not _alike(a.attrs, b.attrs):
        raise Unsized(f"what {a.op.name} is given")
    return found


def _alike_calls(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(_alike_calls, a, b))
    if type(a) is dict:
        return list(a) == list(b) and all(map(_alike_calls, a.values(), b.values()))
    return a is b or same(a, b)


def _reshape(a: dict[str, Any], b: dict[str, Any]) -> Any:
    if a["order"] != b["order"]:
        raise Unsized("another order")
    return ("order", a["order"]), ("shape", lengths(a["shape"], b["shape"]))


def lengths(a: Any, b: Any) -> Any:
    """The shapes of two reshapes as one, with a hole where they differ."""
    differs = [i for i, (n, m) in enumerate(zip(a, b, strict=False)) if n != m]
    if len(a) != len(b) or len(differs) > 1:
        raise Unsized("a reshape")
    return tuple([HOLE if i in differs else n for i, n in enumerate(a)])


def steps(a: Any, b: Any) -> Any:
    """The steps of two views as one."""
    if not a and not b:
        return a
    if not a or not b or len(a) != len(b):
        raise Unsized("another view")
    return tuple([_step(x, y) for x, y in zip(a, b, strict=True)])


def _step(a: Any, b: Any) -> Any:
    (fn, args), (other, given) = a, b
    if fn is not other or fn is relative_view:
        raise Unsized("another view")
    if fn is methods._reshaped and args[1:] == given[1:]:
        return fn, (lengths(args[0], given[0]), *args[1:])
    if not _alike(args, given):
        raise Unsized("another view")
    return a


def _operands(a: Record, b: Record) -> tuple[Operand, ...]:
    if len(a.operands) != len(b.operands):
        raise Unsized("another operation")
    found = []
    for x, y in zip(a.operands, b.operands, strict=True):
        if x.name != y.name or x.name is None and not same(x.value, y.value):
            raise Unsized("other operands")
        found.append(x._replace(steps=steps(x.steps, y.steps)) if x.steps or y.steps else x)
    return tuple(found)


def _end(a: Outcome, b: Outcome) -> Outcome:
    if type(a) is not type(b) or a.writes != b.writes or not a.binds_as(b):
        raise Unsized("other effects")
    others = b.specs()
    return a.mapped(lambda spec: _spec(spec, next(others)))


def _spec(a: Spec, b: Spec) -> Spec:
    if a.kind != b.kind or a.name != b.name:
        raise Unsized("another result")
    if a.kind == "view":
        (root, taken, *rest), (other, given, *more) = a.what, b.what
        if rest != more:
            raise Unsized("another result")
        return a._replace(what=(_spec(root, other), steps(taken, given), *rest))
    if a.kind in ("sequence", "dict", "dataclass"):
        (*what, parts), (*others, given) = a.what, b.what
        if len(parts) != len(given) or not all(x is y or same(x, y) for x, y in zip(what, others, strict=True)):
            raise Unsized("another result")
        return a._replace(what=(*what, [_spec(x, y) for x, y in zip(parts, given, strict=True)]))
    if a.kind == "scalar" and a.what != b.what or a.kind == "constant" and a.what is not b.what and not same(
            a.what, b.what):
        raise Unsized("another result")
    return a
