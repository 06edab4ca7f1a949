"""The structure of a call's arguments: which are arrays, what holds them, what another call's must have in common."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Container, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..api.handle import Tensor, View
from ..api.scalar import Scalar
from . import fast
from .guards import ATOMS, Check, Later, Namespace, a_kind, same
from .lending import lies_apart
from .numbers import KINDS
from .scope import ARGUMENT, LARGEST, MISSING, Item

OTHER = " is another object"
"""What is said of an argument that is known by identity, where it is not that one."""


class Arguments:
    """The structure of one call's arguments: what is a leaf, and the checks that another call's must pass.

    Attributes
    ----------
    checks : list of Check and Later
    roots : dict of str to Tensor
        The arrays that own memory, each under the name that generated code gives its value.
    handles : dict of int to str
        By the id of an object among the arguments, the expression that reaches it.
    scalars : dict of str to Scalar
    paths : dict of str to str
        The expressions that reach them.
    objects : list of (object, words)
        What is neither array, number nor container: known by identity, its attributes walked.
    containers : dict of int to (container, parts)
        By their ids: they may be others at the next call.
    locals : dict of str to (type, words)
        What generated code calls them.
    keys : dict of str to set
        Those of dicts, by the same names.
    viewed : dict of str to (str, steps, bool)
        Of each view the name of the array behind it, how it leads there, and whether it may be lifted (`lifting`).
    whole : set of str
        The names of the arrays that are arguments themselves.
    numbers : dict of str to Item
        Numbers that are numbers of the program (`numbers`), by their names there: those of `follow`.
    values : list of Item
        Numbers that are arguments themselves, and taken by value.
    positional, named : list and dict
        The call's arguments, in which others may be put in the places of numbers.
    lift : frozenset of str
        The views that are leaves, as arrays of their own are.
    """

    def __init__(self, space: Namespace, args: tuple[Any, ...], kwargs: dict[str, Any], names: list[str],
                 static: frozenset[str], lift: frozenset[str] = frozenset(),
                 follow: Container[tuple[str, str]] = ()) -> None:
        self.space = space
        self.checks: list[Check | Later] = []
        self.roots: dict[str, Any] = {}
        self.owners: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.handles: dict[int, str] = {}
        self.scalars: dict[str, Any] = {}
        self.paths: dict[str, str] = {}
        self.objects: list[tuple[Any, str]] = []
        self.containers: dict[int, tuple[Any, Any]] = {}
        self.locals: dict[str, tuple[Any, str]] = {}
        self.keys: dict[str, set[Any]] = {}
        self.views: list[tuple[Any, Any]] = []
        self.viewed: dict[str, tuple[str, Any, bool]] = {}
        self.whole: set[str] = set()
        self.lift, self.follow = lift, follow
        self.numbers: dict[str, Item] = {}
        self.values: list[Item] = []
        self.positional, self.named = list(args), dict(kwargs)
        self.other: Arguments | None = None
        self.tensors: list[str] = []
        self.static = static
        self.refusal = ""
        self._count = self._inside = 0
        self._names: dict[int, str] = {}
        self.count, self.keywords = len(args), tuple(kwargs)
        self._loads: dict[str, tuple[Any, ...]] = {}
        self.checks += [Check(f"len(args) == {len(args)}", "the number of arguments", fast.PART),
                        Check("not kwargs" if not kwargs else f"list(kwargs) == {list(kwargs)!r}", "the keywords",
                              fast.PART)]
        for i, value in enumerate(args):
            name = names[i] if i < len(names) else f"argument {i}"
            self._loads[f"args[{i}]"] = fast.ARGUMENT, i
            self._argument(Item(ARGUMENT, self.positional, i, value, name), f"args[{i}]")
        for key, value in kwargs.items():
            self._loads[f"kwargs[{key!r}]"] = fast.KEYWORD, 0, None, key
            self._argument(Item(ARGUMENT, self.named, key, value, key), f"kwargs[{key!r}]")

    def _argument(self, item: Item, path: str) -> None:
        static = item.words in self.static
        if type(item.value) in KINDS and not static:
            if item.key_of in self.follow:
                return self._follow(item, path)
            self.values.append(item)
        self._visit(item.value, path, item.words, static)

    def _follow(self, item: Item, path: str) -> None:
        """A number of the program, of which nothing but its type is known."""
        name = f"e{len(self.numbers)}a"
        self.numbers[name] = item
        self._say(f"{name} = {path}")
        self._check(f"type({name}) is {self.space.add(type(item.value))}",
                    f"{item.words} was {a_kind(type(item.value))}")

    def _check(self, condition: str, words: str) -> None:
        self.checks.append(Check(condition, words))

    def _say(self, text: str) -> None:
        self.checks.append(Check(text))

    def _visit(self, value: Any, path: str, words: str, static: bool) -> None:
        self._count += 1
        if self._count > LARGEST:
            self.refusal = "its arguments have more parts than can be looked at on every call"
            return
        kind = type(value)
        if id(value) in self.handles and kind not in ATOMS:
            self._check(f"{path} is {self.handles[id(value)]}", f"{words} was the same object as another argument")
        elif kind is Tensor and not static:
            self._tensor(value, path, words)
        elif issubclass(kind, Scalar) and not static:
            self._scalar(value, path, words)
        elif kind in ATOMS or issubclass(kind, np.generic) or isinstance(value, frozenset):
            self._value(value, path, words)
        elif (kind in (list, tuple, dict) or issubclass(kind, tuple) and hasattr(kind, "_fields")
              or dataclasses.is_dataclass(kind)) and not static:
            self._container(value, path, words)
        elif static and not isinstance(value, (Tensor, np.ndarray)) and kind.__hash__ is not None and (
                kind.__eq__ is not object.__eq__):
            name = self.space.add(value)
            self._check(f"type({path}) is {self.space.add(kind)} and {path} == {name}", f"static argument {words}")
        elif static and kind in (list, tuple, dict):
            self._value(copy.deepcopy(value), path, words)  # as it is now: it may be changed
        else:
            if isinstance(value, np.ndarray):
                self.refusal = (f"{words} is a real NumPy array: lazytensor.asarray makes one of lazytensor's in its "
                                "memory")
            a_stream = isinstance(value, (np.random.Generator, np.random.RandomState))
            said = f"{words}, a random generator," if a_stream else words
            load = self._loads.get(path)
            self.checks.append(Check(f"{path} is {self.space.add(value)}", f"{said}{OTHER}",
                                     None if load is None else fast.row(*load, expected=value)))
            self.handles[id(value)] = path
            self.objects.append((value, words))

    def _value(self, value: Any, path: str, words: str) -> None:
        kind = type(value)
        if value is None or value is True or value is False:
            text = f"{path} is {value}"
        elif kind is int or kind is str:
            text = f"type({path}) is {kind.__name__} and {path} == {value!r}"
        else:
            text = f"same({path}, {self.space.add(value)})"
        self.checks.append(Check(text, f"{words} was {value!r}", self._row(path, value)))

    def _row(self, path: str, value: Any) -> Any:
        """The row of an argument that is a value; None of a part of one."""
        load = self._loads.get(path)
        return None if load is None else fast.row(*load, expected=value, same=True)

    def _container(self, value: Any, path: str, words: str) -> None:
        kind, space, start = type(value), self.space, len(self.checks)
        self._check(f"type({path}) is {space.add(kind)}", f"{words} was {a_kind(kind)}")
        local = f"p{self._count}"
        self.handles[id(value)] = local
        self.locals[local] = kind, words
        self._say(f"{local} = {path}")
        parts = _parts(value)
        if kind is dict:
            if not all(type(k) in (str, int, bool, float, tuple, type(None)) for k in value):
                self.refusal = f"the keys of {words} are no plain values"
            self.keys[local] = set(value)
            self._check(f"same(list({local}), {space.add(list(value))})", f"the keys of {words}")
            paths = [(f"{local}[{space.add(k) if type(k) not in (str, int) else repr(k)}]", f"{words}[{k!r}]", x)
                     for k, x in value.items()]
        elif kind is list or kind is tuple:
            self._check(f"len({local}) == {len(value)}", f"the length of {words}")
            paths = [(f"{local}[{i}]", f"{words}[{i}]", x) for i, x in enumerate(value)]
        else:
            self.objects.append((kind, words))
            paths = self._attributes(value, local, words, parts)
        load = self._loads.get(path)
        whole = not any(x is MISSING for x in parts.values())
        row = fast.container_row(load, value, self._inside, local) if load is not None and whole else None
        if row is not None:
            own = [check for check in self.checks[start:] if isinstance(check, Check)]
            self.checks[start:] = [own[0]._replace(fast=row), *[check._replace(fast=fast.PART) for check in own[1:]]]
            for key, (where, _, _) in zip(parts, paths, strict=True):
                how = fast.PART_ENTRY if kind is dict else (
                    fast.PART_ELEMENT if type(key) is int else fast.PART_ATTRIBUTE)
                self._loads[where] = how, self._inside, None, key
            self._inside += 1
        self.containers[id(value)] = value, parts
        held = [key for key, x in parts.items() if x is not MISSING]
        for key, (where, said, x) in zip(held, paths, strict=True):
            item = Item(ARGUMENT, value, key, x, said)
            if type(x) in KINDS and item.key_of in self.follow and kind is not tuple:
                self._follow(item, where)
            else:
                self._visit(x, where, said, False)

    def _keys(self, path: str, keys: list[Any], words: str) -> None:
        """Whether there are the same keys in the same order: 1, 1.0 and True are equal."""
        name = self.space.add(keys)
        self._check(f"{path} == {name}" if all(type(k) is str for k in keys) else f"same({path}, {name})", words)

    def _attributes(self, value: Any, local: str, words: str, parts: dict[Any, Any]) -> list[tuple[str, str, Any]]:
        """The fields of a dataclass or named tuple, and the attributes that it has besides."""
        if hasattr(value, "__dict__"):
            self._keys(f"list({local}.__dict__)", list(vars(value)), f"the attributes of {words}")
        paths = []
        for name, x in parts.items():
            if type(name) is int:
                paths.append((f"{local}[{name}]", f"{words}[{name}]", x))
            elif x is MISSING:
                self._check(f"not hasattr({local}, {name!r})", f"{words}.{name} was not there")
            else:
                paths.append((f"{local}.{name}", f"{words}.{name}", x))
        return paths

    def others(self) -> Iterator[tuple[Item, Any] | str]:
        """What containers among the arguments hold now and did not, and what; or words if it cannot be made again."""
        for value, parts in self.containers.values():
            old, new = list(parts.items()), list(_parts(value).items())
            words = f"a {type(value).__name__} among the arguments"
            if len(old) != len(new):
                yield words
                continue
            for a, b in zip(old, new, strict=True):
                if not _identical(a, b):
                    said, key = self.locals[self.handles[id(value)]][1], a[0]
                    said += f".{key}" if type(value) not in (dict, list) else f"[{key!r}]"
                    yield (Item(ARGUMENT, value, key, a[1], said), b[1]) if same(key, b[0]) else words

    def let_go(self, kept: set[int]) -> None:
        """Forgets the arguments themselves once what they look like is compiled, but for those of these ids."""
        self.roots = {name: Like(root) for name, root in self.roots.items()}
        self.handles = {identity: path for identity, path in self.handles.items() if identity in kept}
        self.scalars = dict.fromkeys(self.scalars)
        self.containers, self.views, self._names = {}, [], {}
        self.positional.clear()
        self.named.clear()

    # ---- arrays ----

    def _tensor(self, t: Any, path: str, words: str) -> None:
        i = self._count
        self.tensors.append(f"t{i}")
        self.handles[id(t)] = f"t{i}"
        if t._value.__class__ is View:
            return self._lifted(t, i, path, words) if f"a{i}" in self.lift else self._view(t, i, path, words)
        self.whole.add(self._names.get(id(t), f"a{i}"))
        if id(t) in self._names:
            self._say(f"t{i} = {path}")
            return self._check(f"t{i} is {self.owners[self._names[id(t)]]}", f"{words} shared memory with another")
        self._root(t, i, f"t{i}", words)
        self._lines(t, i, path, partial(array_lines, i, path, geometry_of(t), words), None)

    def _lines(self, t: Any, i: int, path: str, lines: Any, writeable: Any) -> None:
        """The lines that bind a leaf; of a view, with whether it may be written to."""
        load = self._loads.get(path)
        if load is not None and fast.native is not None:
            row = fast.array_row(load, t, (f"t{i}", f"n{i}", f"a{i}"), writeable)
            self.checks.append(Later(row, lines))
        else:
            self.checks += lines(self.space)

    def _lifted(self, t: Any, i: int, path: str, words: str) -> None:
        """A view that is a leaf."""
        name, v = f"a{i}", t._value
        self.roots[name], self.words[name], self.owners[name] = t, words, f"t{i}._value.root"
        self._lines(t, i, path, partial(lifted_lines, i, path, geometry_of(t), v.writeable, words), v.writeable)

    def _view(self, t: Any, i: int, path: str, words: str) -> None:
        v = t._value
        self._say(f"t{i} = {path}")
        self._check(f"type(t{i}) is Tensor", f"{words} was an array")
        self._say(f"v{i} = t{i}._value")
        self.views.append((t, (v, v.steps, v.shape, v.dtype, v.strides, v.writeable)))
        self.checks += view_checks(f"v{i}", v, self.space, words)
        known = self._names.get(id(v.root))
        self.viewed[f"a{i}"] = known or f"a{i}", v.steps, may_be_lifted(v)
        self.words[f"a{i}"] = words
        if known is not None:
            return self._check(f"v{i}.root is {self.owners[known]}", f"{words} shared another's memory")
        self._say(f"o{i} = v{i}.root")
        self._say(f"n{i} = o{i}._value")
        self._root(v.root, i, f"o{i}", words)
        self.checks += root_checks(f"n{i}", f"o{i}", geometry_of(v.root), f"a{i}", self.space, words)

    def _root(self, root: Any, i: int, owner: str, words: str) -> None:
        """An array that owns memory: its value is a leaf."""
        name = f"a{i}"
        self.roots[name], self.words[name], self.owners[name] = root, words, owner
        self._names[id(root)] = name
        self.handles.setdefault(id(root), owner)

    def _scalar(self, s: Any, path: str, words: str) -> None:
        name = f"a{self._count}"
        self.scalars[name] = s
        self.handles[id(s)] = self.paths[name] = path
        self._check(f"issubclass(type({path}), Scalar) and {path}._node.dtype == {self.space.add(s._node.dtype)}",
                    f"{words} was a lazy {s._node.dtype}")
        self._say(f"{name} = value_of({path})")


class Geometry(NamedTuple):
    """What of an array's node a program is compiled for."""

    shape: Any
    dtype: Any
    strides: Any


class Like:
    """Stands for an array that is not kept."""

    __slots__ = ("_value",)

    def __init__(self, array: Any) -> None:
        self._value = Geometry(*geometry_of(array))


def _parts(value: Any) -> dict[Any, Any]:
    """What a container holds, by key, index or name; `MISSING` for a field without a value."""
    kind = type(value)
    if kind is dict:
        return dict(value)
    if not dataclasses.is_dataclass(kind):
        return {**dict(enumerate(value)), **getattr(value, "__dict__", {})}
    own = getattr(value, "__dict__", {})
    return {**own, **{f.name: getattr(value, f.name, MISSING) for f in dataclasses.fields(value) if f.name not in own}}


def _identical(a: Any, b: Any) -> bool:
    return a is b or type(a) is tuple and type(b) is tuple and same(a[0], b[0]) and (a[1] is b[1] or same(a[1], b[1]))


def view_checks(v: str, view: Any, space: Namespace, words: str) -> list[Check]:
    """Whether a handle is the same view of its root as when it was traced."""
    return [Check(f"{v}.__class__ is View and {v}.shape == {view.shape!r} and {v}.steps == {space.add(view.steps)} "
                  f"and {v}.strides == {view.strides!r} and {v}.writeable == {view.writeable!r} and {v}.of == "
                  f"{view.of!r} and {v}.given == {space.add(view.given)} and {v}.laid == {view.laid!r}",
                  f"{words} was another view")]


def may_be_lifted(view: Any) -> bool:
    """Whether a view may be a leaf: it has axes, no two elements in one place, and its array is shaped as it was."""
    node = view.root._value
    if view.given.names is not None or view.dtype.alignment > view.given.alignment:
        return False  # it may lie anywhere
    if (view.of, view.laid, view.given) != (node.shape, node.strides, node.dtype) or not view.shape:
        return False
    return lies_apart(view.shape, view.strides, view.dtype.itemsize)


def geometry_of(array: Any) -> tuple[Any, Any, Any]:
    """Shape, dtype and strides of an array's value."""
    node = array._value
    return node.shape, node.dtype, node.strides


def array_lines(i: int, path: str, geometry: tuple[Any, Any, Any], words: str, space: Namespace) -> list[Check]:
    """Whether an argument is an array of its own with that geometry."""
    return [Check(f"t{i} = {path}"), Check(f"type(t{i}) is Tensor", f"{words} was an array"),
            Check(f"n{i} = t{i}._value"),
            Check(f"n{i}.__class__ is Node", f"{words} was an array of its own, not a view"),
            *root_checks(f"n{i}", f"t{i}", geometry, f"a{i}", space, words)]


def lifted_lines(i: int, path: str, geometry: tuple[Any, Any, Any], writeable: Any, words: str,
                 space: Namespace) -> list[Check]:
    """Whether an argument is a view with that geometry; and what of its root's memory it sees."""
    t, v, o, n = f"t{i}", f"v{i}", f"o{i}", f"n{i}"
    checks = _geometry_checks(v, geometry, space, words)
    return [Check(f"{t} = {path}"), Check(f"type({t}) is Tensor", f"{words} was an array"), Check(f"{v} = {t}._value"),
            Check(f"{v}.__class__ is View and {v}.writeable == {writeable!r}", f"{words} was a view"), *checks,
            Check(f"{o} = {v}.root"),
            Check(f"{o}._state is None or readable({o})", f"the memory of {words} can be read where it lies"),
            Check(f"{n} = settled({o})"),
            Check(f"{v}.of == {n}.shape and {v}.laid == {n}.strides and {v}.given == {n}.dtype",
                  f"{words} was a view of an array that had its shape still"),
            Check(f"a{i} = apply_view({v}.steps, {n}.buffer)"),
            Check(f"a{i}.flags.aligned", f"{words} was aligned in memory")]


def _geometry_checks(n: str, geometry: tuple[Any, Any, Any], space: Namespace, words: str) -> list[Check]:
    shape, of, strides = geometry
    dtype = space.add(of)
    return [Check(f"{n}.shape == {shape!r}", f"the shape of {words} was {shape!r}"),
            Check(f"{n}.dtype is {dtype} or ({n}.dtype == {dtype} and {n}.dtype.char == {of.char!r})",
                  f"the dtype of {words} was {of}"),
            Check(f"{n}.strides == {strides!r}" if strides is not None else f"{n}.strides is None",
                  f"the layout of {words}")]


def root_checks(n: str, root: str, geometry: tuple[Any, Any, Any], name: str, space: Namespace,
                words: str) -> list[Check]:
    """Whether a root has the shape, dtype and layout that were traced; and its value under `name`."""
    return [Check(f"{root}._state is None or readable({root})", f"the memory of {words} can be read where it lies"),
            *_geometry_checks(n, geometry, space, words),
            Check(f"{name} = {n}.buffer"),
            Check(f"if {name} is None: {n} = settled({root}); {name} = {n}.buffer")]
