"""What a compiled function takes for granted: its arguments' structure, and the Python state that it can reach.

A guard is a list of lines: statements that reach a value, and checks, each with words for what is different when it
does not hold. `sources` joins them into the beginning of the compiled function; `why_not` runs them one by one.

`Scope` walks what a function's code can name: globals, closure cells, defaults, and of what these hold the attributes
whose names occur in the code, elements of lists, tuples and dicts, and further functions and methods. It does so before
the trace, and says afterwards whether the function has changed any of it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..api.handle import Tensor, View
from ..api.scalar import Scalar
from . import fast

ATOMS = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice, np.dtype)
LARGEST = 4096
"""Elements of a container that are looked at, one by one, at every call."""
_MUTABLE = frozenset(("collections", "array", "queue"))
_OPAQUE = (np.ndarray, np.generic, np.ufunc, np.dtype)
_PACKAGE = __name__.partition(".")[0]
_EVERY_NAME = frozenset(("__dict__", "vars", "getattr", "setattr", "__getattr__", "dir"))


_LIBRARY = f"{_PACKAGE}.nn"
_NOT_USERS = frozenset((_PACKAGE, "numpy", "builtins", "networkx", "llvmlite", "scipy"))


class Check(NamedTuple):
    """A line of a guard: a statement, or (with `message`) a condition that must hold.

    `fast` is the same for the extension (`fast.row`): a row; for an array also the names of its handle, node and value;
    or PART, if an earlier row does what this line does.
    """

    text: str
    message: str = ""
    fast: Any = None


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same to any program: equal, of one type, to the bit.

    >>> same(1, 1), same(1, 1.0), same(0.0, -0.0), same((1, math.nan), (1, math.nan))
    (True, False, False, True)
    """
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is float:
        return a == b and math.copysign(1, a) == math.copysign(1, b) or a != a and b != b
    if kind is complex:
        return same(a.real, b.real) and same(a.imag, b.imag)
    if kind is tuple or kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    if issubclass(kind, np.generic):
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())
    if kind is set:
        return bool(a == b)
    if kind is slice:
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if kind in ATOMS:
        return bool(a == b)
    return False


_NAMED = (np.ufunc, types.FunctionType, types.BuiltinFunctionType, type(np.sum), type(np.ndarray.sum))


class Namespace(dict[str, Any]):
    """The objects that generated code refers to, each under a name of its own."""

    def add(self, value: Any, stem: str = "k") -> str:
        """A name for an object; the same for the very same object."""
        known = self._by_id.get(id(value))
        if known is None:
            name = getattr(value, "__name__", "") if isinstance(value, _NAMED) else ""
            known = f"{name if name.isidentifier() else stem}{'_' * bool(name)}{len(self)}_"
            self[known] = value
            self._by_id[id(value)] = known
        return known

    def __init__(self) -> None:
        super().__init__(same=same)
        self._by_id: dict[int, str] = {}


# ---- the state that a function can reach -----------------------------------------------------------------------------


class Item(NamedTuple):
    """One thing that is reached: how (an expression of `holder` and `key`), what it was, and in words."""

    form: str
    holder: Any
    key: Any
    value: Any
    words: str

    def text(self, space: Namespace) -> str:
        """The expression that reaches it in generated code."""
        key = repr(self.key) if type(self.key) in (str, int) else space.add(self.key)
        names = {"H": space.add(self.holder), "K": key}
        return _PLACES.sub(lambda found: names[found[0]], self.form)

    def row(self) -> Any:
        """The same as a row for the extension, or None."""
        if self.form == "len(H)":
            return fast.row(fast.CONSTANT, holder=self.holder, length=self.value) if type(
                self.holder) is list else None
        found = fast.load_of(self.form, self.holder, self.key)
        return None if found is None else fast.row(*found, expected=self.value)

    def now(self) -> Any:
        """What is there now; `MISSING` if it is gone."""
        try:
            return eval(self.form, {"H": self.holder, "K": self.key, "vars": vars, "type": type, "len": len,
                                    "list": list, "set": set})
        except (LookupError, AttributeError, ValueError, TypeError):
            return MISSING


MISSING = object()
_PLACES = re.compile(r"\b[HK]\b")
_WHOLE = re.compile(r"args\[(\d+)\]")


def _codes_in(code: types.CodeType) -> set[types.CodeType]:
    """A code object and those within it: of functions that it makes, whose variables are its own."""
    codes = {code}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            codes |= _codes_in(constant)
    return codes


def _names_in(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


def is_users(module: Any) -> bool:
    """Whether a module's name is that of a program: neither of lazytensor's, NumPy's nor Python's own."""
    first = str(module or "__main__").partition(".")[0]
    if first.startswith("namedtuple_"):
        return False
    return first not in _NOT_USERS and first not in sys.stdlib_module_names or first == "__main__" or str(
        module).startswith(_LIBRARY)


class Scope:
    """What functions can reach from their names."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.tensors: dict[int, Any] = {}
        self.places: dict[int, Item] = {}
        self.absent: list[tuple[dict[str, Any], str, str]] = []
        self.scalars: dict[int, Any] = {}
        self.generators: dict[int, Any] = {}
        self.objects: dict[int, Any] = {}
        self.codes: set[types.CodeType] = set()
        self.names: set[str] = set()
        self._stack: list[tuple[Any, str]] = []
        self._instances: list[tuple[Any, str]] = []
        self.refusal = ""

    def walk(self, *starts: tuple[Any, str]) -> Scope:
        """Follows values, each given with its words; may be called again for more."""
        self._stack += starts
        while self._stack:
            value, words = self._stack.pop()
            self._visit(value, words)
            if not self._stack:
                self._attributes()
        return self

    def frame(self, frame: Any) -> None:
        """Follows what a function that has just been entered can name; it is known by its frame alone."""
        code = frame.f_code
        if code in self.codes or code.co_name == "<module>":
            return
        self.codes |= _codes_in(code)
        self.names |= _names_in(code)
        self._globals(code, frame.f_globals)
        for name in code.co_freevars:
            if name in frame.f_locals:
                self._stack.append((frame.f_locals[name], f"closure variable {name!r}"))
        self.walk()

    def _item(self, form: str, holder: Any, key: Any, value: Any, words: str) -> None:
        item = Item(form, holder, key, value, words)
        self.items.append(item)
        if type(value) is Tensor and id(value) not in self.places:
            self.places[id(value)] = item
        self._stack.append((value, words))

    def _visit(self, value: Any, words: str) -> None:
        kind = type(value)
        if kind in ATOMS or id(value) in self.objects:
            return
        if kind is Tensor:
            self.objects[id(value)] = self.tensors[id(value)] = value
            return
        if issubclass(kind, Scalar):
            self.objects[id(value)] = self.scalars[id(value)] = value
            return
        self.objects[id(value)] = value
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            self.generators[id(value)] = value
        elif isinstance(value, types.FunctionType):
            self._function(value, words)
        elif isinstance(value, types.MethodType):
            self._stack += [(value.__func__, words), (value.__self__, words)]
        elif isinstance(value, (staticmethod, classmethod)):
            self._stack.append((value.__func__, words))
        elif isinstance(value, property):
            self._stack += [(f, words) for f in (value.fget, value.fset) if f is not None]
        elif isinstance(value, functools.partial):
            for form in ("H.func", "H.args", "H.keywords"):
                self._item(form, value, None, getattr(value, form[2:]), words)
        elif hasattr(kind, "__jitted__"):
            self._stack.append((value.__wrapped__, words))
        elif isinstance(value, types.ModuleType) or isinstance(value, type):
            if is_users(value.__name__ if isinstance(value, types.ModuleType) else value.__module__):
                self._instances.append((value, words))
        elif kind in (list, tuple, dict, set, frozenset) or isinstance(value, (list, tuple, dict)):
            self._container(value, words)
            if kind.__module__ != "builtins":
                self._instances.append((value, words))
        elif isinstance(value, np.ndarray):
            self.refusal = f"{words} is a real NumPy array, whose memory can change unseen"
        elif kind.__module__ in _MUTABLE or kind is bytearray:
            self.items.append(Item("list(H)", value, None, list(value), f"the elements of {words}"))
            if len(value) > LARGEST or not all(type(x) in ATOMS for x in value):
                self.refusal = f"{words} is a {kind.__name__}, whose elements are not followed"
        elif not isinstance(value, _OPAQUE) and (hasattr(value, "__dict__") or hasattr(kind, "__slots__")):
            if isinstance(value, (types.GenericAlias,)):
                return
            self._instances.append((value, words))

    def _function(self, f: Any, words: str) -> None:
        code = f.__code__
        if not is_users(f.__module__):
            return
        self.codes |= _codes_in(code)
        self.names |= _names_in(code)
        name = f.__qualname__
        if str(f.__module__).startswith(_LIBRARY):  # what the layers do is as settled as what NumPy does
            return
        self.items.append(Item("H.__code__", f, None, code, f"the code of {name}"))
        self._item("H.__defaults__", f, None, f.__defaults__, f"the defaults of {name}")
        self._item("H.__kwdefaults__", f, None, f.__kwdefaults__, f"the defaults of {name}")
        for variable, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            try:
                self._item("H.cell_contents", cell, None, cell.cell_contents, f"closure variable {variable!r}")
            except ValueError:
                pass  # not filled yet
        self._globals(code, f.__globals__)

    def _globals(self, code: types.CodeType, names: dict[str, Any]) -> None:
        for name in _names_in(code):
            if name in names:
                self._item("H[K]", names, name, names[name], f"global {name!r}")
            else:
                self.absent.append((names, name, f"global {name!r}"))

    def _container(self, value: Any, words: str) -> None:
        size = len(value)
        if size > LARGEST:
            self.refusal = f"{words} has more elements than can be looked at on every call"
            return
        if isinstance(value, dict):
            self.items.append(Item("list(H)", value, None, list(value), f"the keys of {words}"))
            for key, x in value.items():
                self._item("H[K]", value, key, x, f"{words}[{key!r}]")
        elif isinstance(value, (list, tuple)):
            if not isinstance(value, tuple):
                self.items.append(Item("len(H)", value, None, size, f"the length of {words}"))
            for i, x in enumerate(value):
                if isinstance(value, tuple):
                    self._stack.append((x, f"{words}[{i}]"))
                else:
                    self._item("H[K]", value, i, x, f"{words}[{i}]")
        else:
            self.items.append(Item("set(H)", value, None, set(value), f"the elements of {words}"))

    def _attributes(self) -> None:
        """The attributes, of the objects met so far, whose names occur in code met so far."""
        names = self.names
        every = bool(names & _EVERY_NAME)
        for value, words in self._instances:
            own = getattr(value, "__dict__", _NOTHING)
            for name in list(own) if every and not isinstance(value, (type, types.ModuleType)) else names:
                if name in own and (id(value), name) not in self._met:
                    self._met.add((id(value), name))
                    self._item("vars(H)[K]", value, name, own[name], f"{words}.{name}")
                elif name not in own and own is not _NOTHING and (id(value), name, "absent") not in self._met:
                    self._met.add((id(value), name, "absent"))
                    self.absent.append((own, name, f"{words}.{name}"))
            if isinstance(value, types.ModuleType):
                continue
            kind = value if isinstance(value, type) else type(value)
            for base in kind.__mro__:
                if not is_users(base.__module__):
                    continue
                library = str(base.__module__).startswith(_LIBRARY)
                slots = base.__dict__.get("__slots__", ())
                for name in names | _IMPLICIT:
                    if (id(base), name) not in self._met and name in base.__dict__:
                        self._met.add((id(base), name))
                        held = base.__dict__[name]
                        if isinstance(held, types.MemberDescriptorType):
                            continue
                        if library:
                            self._stack.append((held, f"{base.__name__}.{name}"))
                            continue
                        self._item("vars(H)[K]", base, name, held, f"{base.__name__}.{name}")
                        if kind is not value and own is not _NOTHING and name not in own:
                            self.items.append(Item("(K in vars(H))", value, name, False, f"{words}.{name}"))
                for name in (slots,) if isinstance(slots, str) else slots:
                    if name in names and not isinstance(value, type) and (id(value), name) not in self._met:
                        self._met.add((id(value), name))
                        if hasattr(value, name):
                            self._item(f"H.{name}", value, None, getattr(value, name), f"{words}.{name}")

    @property
    def _met(self) -> set[tuple[Any, ...]]:
        return self.__dict__.setdefault("met", set())

    def merge(self, other: Scope) -> None:
        """Takes in what another call reached."""
        known = {(item.form, id(item.holder), str(item.key)) for item in self.items}
        self.items += [item for item in other.items if (item.form, id(item.holder), str(item.key)) not in known]
        self.objects |= other.objects

    def changed(self) -> str:
        """What of it is not as it was, in words; "" if all is."""
        for item in self.items:
            now = item.now()
            if now is not item.value and not same(now, item.value):
                return item.words
        for held, name, words in self.absent:
            if name in held:
                return words
        return ""

    def checks(self, space: Namespace, covered: set[int], handles: dict[int, str],
               given: dict[int, str]) -> Iterator[Check]:
        """The lines that ask whether all is as it was; `covered` has the ids of holders that are new at every call, and
        `handles` the expressions of arrays that may be others of the same kind, by id; `given` those of arguments."""
        for item in self.items:
            if id(item.holder) in covered:
                continue
            form = item.text(space)
            value = item.value
            if type(value) is Tensor and id(value) in given:
                yield Check(f"{form} is {given[id(value)]}", f"{item.words} was an argument, too")
                continue
            if type(value) is Tensor and id(value) in handles:
                if self.places.get(id(value)) is not item:
                    yield Check(f"{form} is {handles[id(value)]}", f"{item.words} was the same array as another")
                continue
            if value is None or value is True or value is False:
                yield Check(f"{form} is {value}", item.words, item.row())
            elif item.form == "set(H)":
                yield Check(f"same({form}, {space.add(value)})", item.words)
            elif item.form == "len(H)":
                yield Check(f"{form} == {value}", item.words, item.row())
            elif type(value) in ATOMS or isinstance(value, (tuple, np.generic, list)) and item.form != "H[K]" or (
                    isinstance(value, np.generic)):
                name = space.add(value)
                yield Check(f"{form} is {name} or same({form}, {name})", item.words, item.row())
            else:
                yield Check(f"{form} is {space.add(value)}", item.words, item.row())


_NOTHING: dict[str, Any] = {}
_IMPLICIT = frozenset(("__call__", "__init__", "__post_init__", "__getattr__", "__enter__", "__exit__", "__iter__",
                       "__next__", "__getitem__", "__setitem__", "__len__", "__bool__", "__add__", "__mul__",
                       "__sub__", "__eq__", "__lt__", "__contains__", "forward"))


# ---- arguments -------------------------------------------------------------------------------------------------------


class Arguments:
    """The structure of one call's arguments: what is a leaf, and the checks that another call's must pass.

    Attributes
    ----------
    checks : list of Check
    roots : dict of str to Tensor
        The arrays that own memory, each under the name that generated code gives its value.
    handles : dict of int to str
        By the id of an object among the arguments, the expression that reaches it.
    scalars : dict of str to Scalar
    objects : list of (object, words)
        What is neither array, number nor container: known by identity, its attributes walked.
    holders : set of int
        The ids of containers, which may be others at the next call.
    """

    def __init__(self, space: Namespace, args: tuple[Any, ...], kwargs: dict[str, Any], names: list[str],
                 static: frozenset[str]) -> None:
        self.space = space
        self.checks: list[Check] = []
        self.roots: dict[str, Any] = {}
        self.owners: dict[str, str] = {}
        self.handles: dict[int, str] = {}
        self.scalars: dict[str, Any] = {}
        self.objects: list[tuple[Any, str]] = []
        self.containers: dict[int, tuple[Any, Any]] = {}
        self.views: list[tuple[Any, Any]] = []
        self.tensors: list[str] = []
        self.static = static
        self.refusal = ""
        self._count = 0
        self._names: dict[int, str] = {}
        self.fast = not kwargs
        self.count = len(args)
        self.checks += [Check(f"len(args) == {len(args)}", "the number of arguments", fast.PART),
                        Check("not kwargs" if not kwargs else f"list(kwargs) == {list(kwargs)!r}", "the keywords",
                              fast.PART)]
        for i, value in enumerate(args):
            name = names[i] if i < len(names) else f"argument {i}"
            self._visit(value, f"args[{i}]", name, name in static)
        for key, value in kwargs.items():
            self._visit(value, f"kwargs[{key!r}]", key, key in static)

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
            self._value(value, path, words)
        else:
            if isinstance(value, np.ndarray):
                self.refusal = f"{words} is a real NumPy array: lazytensor.asarray makes it one of lazytensor's"
            whole = _WHOLE.fullmatch(path)
            self.checks.append(Check(f"{path} is {self.space.add(value)}", f"{words} is another object",
                                     fast.row(fast.ARGUMENT, int(whole[1]), expected=value) if whole else None))
            self.handles[id(value)] = path
            self.objects.append((value, words))

    def _value(self, value: Any, path: str, words: str) -> None:
        kind = type(value)
        if value is None or value is True or value is False:
            self._check(f"{path} is {value}", f"{words} was {value}")
        elif kind is int or kind is str:
            self._check(f"type({path}) is {kind.__name__} and {path} == {value!r}", f"{words} was {value!r}")
        else:
            self._check(f"same({path}, {self.space.add(value)})", f"{words} was {value!r}")

    def _container(self, value: Any, path: str, words: str) -> None:
        kind, space = type(value), self.space
        self._check(f"type({path}) is {space.add(kind)}", f"{words} was a {kind.__name__}")
        local = f"p{self._count}"
        self.handles[id(value)] = local
        self._say(f"{local} = {path}")
        if dataclasses.is_dataclass(kind):
            parts: Any = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            self.objects.append((kind, words))
            paths = [(f"{local}.{name}", f"{words}.{name}", x) for name, x in parts.items()]
        elif kind is dict:
            parts = dict(value)
            if not all(type(k) in (str, int, bool, float, tuple, type(None)) for k in value):
                self.refusal = f"the keys of {words} are no plain values"
            self._check(f"list({local}) == {space.add(list(value))}", f"the keys of {words}")
            paths = [(f"{local}[{space.add(k) if type(k) not in (str, int) else repr(k)}]", f"{words}[{k!r}]", x)
                     for k, x in value.items()]
        else:
            parts = list(value)
            self._check(f"len({local}) == {len(value)}", f"the length of {words}")
            paths = [(f"{local}[{i}]", f"{words}[{i}]", x) for i, x in enumerate(value)]
        self.containers[id(value)] = value, parts
        for where, said, x in paths:
            self._visit(x, where, said, False)

    def changed(self) -> str:
        """Which container among the arguments holds other things now."""
        for value, parts in self.containers.values():
            kind = type(value)
            now = ({f.name: getattr(value, f.name, MISSING) for f in dataclasses.fields(value)}
                   if dataclasses.is_dataclass(kind) else dict(value) if kind is dict else list(value))
            old, new = (list(parts.items()), list(now.items())) if isinstance(now, dict) else (parts, now)
            if len(old) != len(new) or not all(_identical(a, b) for a, b in zip(old, new, strict=True)):
                return f"a {kind.__name__} among the arguments"
        return ""

    # ---- arrays ----

    def _tensor(self, t: Any, path: str, words: str) -> None:
        i, begin = self._count, len(self.checks)
        self.tensors.append(f"t{i}")
        self._say(f"t{i} = {path}")
        self._check(f"type(t{i}) is Tensor", f"{words} was an array")
        self._say(f"v{i} = t{i}._value")
        self.handles[id(t)] = f"t{i}"
        if t._value.__class__ is View:
            v = t._value
            self.views.append((t, (v, v.steps, v.shape, v.dtype, v.strides, v.writeable)))
            self.checks += view_checks(f"v{i}", v, self.space, words)
            root, expression = v.root, f"v{i}.root"
            if id(root) in self._names:
                self._check(f"{expression} is {self.owners[self._names[id(root)]]}", f"{words} shared another's memory")
                return
            self._say(f"o{i} = {expression}")
            self._say(f"n{i} = o{i}._value")
            expression = f"o{i}"
        else:
            if id(t) in self._names:
                self._check(f"t{i} is {self.owners[self._names[id(t)]]}", f"{words} shared memory with another")
                return
            self._check(f"v{i}.__class__ is Node", f"{words} was an array of its own, not a view")
            root, expression = t, f"t{i}"
            self._say(f"n{i} = v{i}")
        name = f"a{i}"
        self.roots[name] = root
        self.owners[name] = expression
        self._names[id(root)] = name
        self.handles.setdefault(id(root), expression)
        whole = expression == f"t{i}" and _WHOLE.fullmatch(path)
        self.checks += root_checks(f"n{i}", expression, root, name, self.space, words)
        if whole:
            of = fast.array_row((fast.ARGUMENT, int(whole[1])), root, (f"t{i}", f"n{i}", name))
            self.checks[begin:] = fast.replaced(self.checks[begin:], of)

    def _scalar(self, s: Any, path: str, words: str) -> None:
        name = f"a{self._count}"
        self.scalars[name] = s
        self.handles[id(s)] = path
        self._check(f"issubclass(type({path}), Scalar) and {path}._node.dtype == {self.space.add(s._node.dtype)}",
                    f"{words} was a lazy {s._node.dtype}")
        self._say(f"{name} = value_of({path})")


def _identical(a: Any, b: Any) -> bool:
    return a is b or type(a) is tuple and type(b) is tuple and a[0] == b[0] and (a[1] is b[1] or same(a[1], b[1]))


def view_checks(v: str, view: Any, space: Namespace, words: str) -> list[Check]:
    """Whether a handle is the same view of its root as when it was traced."""
    return [Check(f"{v}.__class__ is View and {v}.shape == {view.shape!r} and {v}.steps == {space.add(view.steps)} "
                  f"and {v}.strides == {view.strides!r} and {v}.writeable == {view.writeable!r} and {v}.of == "
                  f"{view.of!r} and {v}.given == {space.add(view.given)} and {v}.laid == {view.laid!r}",
                  f"{words} was another view")]


def root_checks(n: str, root: str, array: Any, name: str, space: Namespace, words: str) -> list[Check]:
    """Whether a root has the shape, dtype and layout that were traced; and its value under `name`."""
    node = array._value
    dtype = space.add(node.dtype)
    return [Check(f"{root}._state is None or not is_shared({root})", f"the memory of {words} is shared"),
            Check(f"{n}.shape == {node.shape!r}", f"the shape of {words} was {node.shape!r}"),
            Check(f"{n}.dtype is {dtype} or ({n}.dtype == {dtype} and {n}.dtype.char == {node.dtype.char!r})",
                  f"the dtype of {words} was {node.dtype}"),
            Check(f"{n}.strides == {node.strides!r}" if node.strides is not None else f"{n}.strides is None",
                  f"the layout of {words}"),
            Check(f"{name} = {n}.buffer"),
            Check(f"if {name} is None: {n} = settled({root}); {name} = {n}.buffer")]


def why_not(checks: list[Check], scope: dict[str, Any]) -> str:
    """The words of the first check that does not hold; "" if all do. `scope` is what generated code has."""
    for check in checks:
        if not check.message:
            exec(check.text, scope)
            continue
        try:
            if not eval(check.text, scope):
                return check.message
        except (LookupError, AttributeError, ValueError, TypeError):
            return check.message
    return ""


