"""The Python state that a function can reach, before a call is traced, and what of it the call has changed.

`Scope` walks what a function's code can name: globals, closure cells, defaults, and of what these hold the attributes
whose names occur in the code, elements of lists, tuples and dicts, and further functions and methods.
"""

from __future__ import annotations

import array
import collections
import contextvars
import dis
import functools
import io
import re
import sys
import threading
import types
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, KeysView
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..api.handle import Tensor
from ..api.scalar import Scalar
from ..run.watching import Opaque
from . import fast
from .guards import ATOMS, Check, Later, Namespace, same

LARGEST = 4096
"""Elements of a container that are looked at, one by one, at every call."""
_MUTABLE = frozenset((collections.deque, array.array, bytearray))
_UNFOLLOWED = frozenset(("collections", "queue", "_queue"))
"""Modules whose other containers hold what they hold under names that no code mentions."""
_HOLDERS = (io.StringIO, io.BytesIO, contextvars.ContextVar, weakref.ref, types.MappingProxyType, threading.local)
"""Others that lead to what can be another from call to call, and cannot be asked for it cheaply."""
_OPAQUE = (np.ndarray, np.generic, np.ufunc, np.dtype)
_PACKAGE = __name__.partition(".")[0]
_EVERY_NAME = frozenset(("__dict__", "vars", "getattr", "setattr", "delattr", "__getattr__", "__getattribute__",
                         "__setattr__", "__delattr__", "dir"))
_LIBRARY = f"{_PACKAGE}.nn"
_NOT_USERS = frozenset((_PACKAGE, "numpy", "builtins", "networkx", "llvmlite", "scipy"))


class Item(NamedTuple):
    """One thing that is reached: how (an expression of `holder` and `key`), what it was, and in words."""

    form: str
    holder: Any
    key: Any
    value: Any
    words: str

    @property
    def key_of(self) -> tuple[str, str]:
        """What places of several objects of one class have in common."""
        return self.form, self.words

    @property
    def where(self) -> tuple[str, int, str]:
        """What two items of one place have in common."""
        return self.form, id(self.holder), repr(self.key) if type(self.key) in (str, int) else str(id(self.key))

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
            if self.form in _NOW:
                return _NOW[self.form](self.holder, self.key)
            return eval(self.form, {"H": self.holder, "K": self.key, "vars": vars, "type": type, "len": len,
                                    "list": list, "set": set, "hasattr": hasattr})
        except (LookupError, AttributeError, ValueError, TypeError):
            return MISSING


    def may_be_equal(self) -> bool:
        """Whether an equal value is as good: a list that somebody holds is that list."""
        return self.form[:5] in ("list(", "set(H") or not _holds_list(self.value)

    def lines(self, space: Namespace) -> list[Check]:
        """The line that asks whether it is what it was."""
        form, value, words = self.text(space), self.value, self.words
        if value is None or value is True or value is False:
            return [Check(f"{form} is {value}", words)]
        if self.form == "set(H)":
            return [Check(f"same({form}, {space.add(value)})", words)]
        if self.form == "len(H)":
            return [Check(f"{form} == {value}", words)]
        name = space.add(value)
        if type(value) in ATOMS or isinstance(value, np.generic) or isinstance(value, (tuple, list)) and (
                self.form != "H[K]" and self.may_be_equal()):
            return [Check(f"{form} is {name} or same({form}, {name})", words)]
        return [Check(f"{form} is {name}", words)]


def _holds_list(value: Any) -> bool:
    """Whether a value is a list or set, or a tuple with one in it."""
    return type(value) in (list, set) or type(value) is tuple and any(map(_holds_list, value))


MISSING = object()
ARGUMENT = "argument"
"""The form of what a container among the arguments holds."""
_NOW: dict[str, Callable[[Any, Any], Any]] = {
    "H[K]": lambda holder, key: holder[key], "vars(H)[K]": lambda holder, key: vars(holder)[key],
    "H.cell_contents": lambda holder, _: holder.cell_contents, "H.__code__": lambda holder, _: holder.__code__,
    "H.__defaults__": lambda holder, _: holder.__defaults__,
    "H.__kwdefaults__": lambda holder, _: holder.__kwdefaults__, "len(H)": lambda holder, _: len(holder)}
"""What forms mean that are met often."""
_PLACES = re.compile(r"\b[HK]\b")


def _codes_in(code: types.CodeType) -> dict[types.CodeType, None]:
    """A code object and those within it: of functions that it makes, whose variables are its own."""
    codes: dict[types.CodeType, None] = {code: None}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            codes |= _codes_in(constant)
    return codes


def _names_in(code: types.CodeType) -> dict[str, None]:
    return {name: None for inner in _codes_in(code) for name in inner.co_names}


_LOADS = frozenset(dis.opmap[name] for name in ("LOAD_GLOBAL", "LOAD_NAME"))
_CHANGES = frozenset(dis.opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME", "DELETE_NAME"))
_LOAD_GLOBAL, _EXTENDED = dis.opmap["LOAD_GLOBAL"], dis.opmap["EXTENDED_ARG"]


@functools.lru_cache(1024)
def _globals_of(code: types.CodeType, changes: bool = False) -> tuple[str, ...]:
    """The names that a code object, and those within it, look up among globals and builtins; with `changes` also those
    of globals that they bind. Attributes are no globals. (`dis` would take ten times as long.)"""
    wanted = _LOADS | _CHANGES if changes else _LOADS
    found: dict[str, None] = {}
    for inner in _codes_in(code):
        names, more, instructions = inner.co_names, 0, iter(inner.co_code)
        for operation, argument in zip(instructions, instructions, strict=True):
            argument |= more
            more = argument << 8 if operation == _EXTENDED else 0
            if operation in wanted:
                found[names[argument >> 1 if operation == _LOAD_GLOBAL else argument]] = None
    return tuple(found)


@functools.lru_cache(1024)
def _asked_in(code: types.CodeType) -> tuple[str, ...]:
    """The names that a code object, and those within it, may give `hasattr` and `getattr` as text."""
    return tuple(x for inner in _codes_in(code) if {"hasattr", "getattr"} & set(inner.co_names)
                 for x in inner.co_consts if isinstance(x, str) and x.isidentifier())


_CATCHES = frozenset(("AttributeError", "Exception", "BaseException", "suppress"))
_BARE = bytes((dis.opmap["PUSH_EXC_INFO"], dis.opmap["POP_TOP"]))


@functools.lru_cache(1024)
def _misses(code: types.CodeType) -> bool:
    """Whether a code object may go on where an attribute is missing."""
    return any(inner.co_exceptiontable and (not _CATCHES.isdisjoint(inner.co_names) or _BARE in inner.co_code[::2])
               for inner in _codes_in(code))


def is_users(module: Any) -> bool:
    """Whether a module's name is that of a program: neither of lazytensor's, NumPy's nor Python's own."""
    first = str(module or "__main__").partition(".")[0]
    if first.startswith(("namedtuple_", "__editable__")):  # the latter finds modules of packages that are installed so
        return False
    return first not in _NOT_USERS and first not in sys.stdlib_module_names or first == "__main__" or str(
        module).startswith(_LIBRARY)


def is_program(value: Any) -> bool:
    """Whether a function or class is of a program, and not of lazytensor's layers."""
    return is_users(value.__module__) and not str(value.__module__).startswith(_LIBRARY)


class Scope:
    """What functions can reach from their names.

    Containers in places whose keys (`key_of`) are `opened` are new ones at every call: of these (`boxes`, by
    `Item.where`) type and keys count, and what they hold is reached through the place (`inside`).

    All is in the order in which it is met, never in a set's, which differs from process to process: so are the checks
    of a compiled function, and which of several reasons is given.
    """

    def __init__(self, opened: Container[tuple[str, str]] = ()) -> None:
        self.opened = opened
        self.boxes: dict[Any, Item] = {}
        self.held: dict[int, tuple[Any, list[Any]]] = {}
        self.inside: set[Any] = set()
        self.items: list[Item] = []
        self.tensors: dict[int, Any] = {}
        self.places: dict[int, Item] = {}
        self.absent: list[tuple[dict[str, Any], str, str]] = []
        self.empty: list[tuple[Any, str]] = []
        self.bare: list[tuple[Any, str]] = []
        self.missing: dict[tuple[int, str], tuple[dict[str, Any], str]] = {}
        self.scalars: dict[int, Any] = {}
        self.generators: dict[int, Any] = {}
        self.objects: dict[int, Any] = {}
        self.codes: dict[types.CodeType, None] = {}
        self._names: dict[str, None] = {}
        self.names: KeysView[str] = self._names.keys()
        self.asked: dict[str, None] = {}
        self.missing_may_be = False
        self._stack: list[tuple[Any, str]] = []
        self._instances: list[tuple[Any, str]] = []
        self.refusal = ""

    def walk(self, *starts: tuple[Any, str]) -> Scope:
        """Follows values, each given with its words; may be called again for more."""
        self._stack += starts
        while True:
            while self._stack:
                self._visit(*self._stack.pop())
            self._attributes()  # the names may be new, if no value is
            if not self._stack:
                return self

    def frame(self, frame: Any) -> None:
        """Follows what a function that has just been entered can name; it is known by its frame alone."""
        code = frame.f_code
        if code in self.codes or code.co_name == "<module>":
            return
        self._enter(code)
        self._globals(code, frame.f_globals)
        for name in code.co_freevars:
            if name in frame.f_locals:
                self._stack.append((frame.f_locals[name], f"closure variable {name!r}"))
        self.walk()

    def _enter(self, code: types.CodeType) -> None:
        """Takes note of code that runs, and of the names in it."""
        self.codes |= _codes_in(code)
        self._names |= {**_names_in(code), **dict.fromkeys(_asked_in(code))}
        self.missing_may_be |= _misses(code)
        self.asked |= self._names if self.missing_may_be else dict.fromkeys(_asked_in(code))

    def _item(self, form: str, holder: Any, key: Any, value: Any, words: str, opened: bool = False) -> None:
        item = Item(form, holder, key, value, words)
        if type(value) in BOXES and (opened or item.key_of in self.opened) and id(value) not in self.objects and (
                may_be_opened(value)):
            return self._open(item)
        self.items.append(item)
        if _varies(item) and id(value) not in self.places:
            self.places[id(value)] = item
        self._stack.append((value, words))

    def _open(self, item: Item) -> None:
        """What a container holds that is another one at every call."""
        value = item.value
        self.objects[id(value)] = value
        self.items.append(item)
        self.boxes[item.where] = item
        self.held[id(value)] = value, parts_of(value)
        of = [Item(f"type({item.form})", item.holder, item.key, type(value), f"the type of {item.words}"),
              Item(f"len({item.form})", item.holder, item.key, len(value), f"the length of {item.words}")]
        if type(value) is dict:
            of.append(Item(f"list({item.form})", item.holder, item.key, list(value), f"the keys of {item.words}"))
        self.items += of
        self.inside.update(x.where for x in of)
        for key, x in value.items() if type(value) is dict else enumerate(value):
            form = f"{item.form}[{key!r}]"
            self.inside.add(Item(form, item.holder, item.key, x, "").where)
            self._item(form, item.holder, item.key, x, f"{item.words}[{key!r}]", True)

    def _visit(self, value: Any, words: str) -> None:
        kind = type(value)
        if kind in ATOMS or id(value) in self.objects or issubclass(kind, Opaque):
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
        elif isinstance(value, types.BuiltinMethodType):  # of a dict, say: its `get`
            if not isinstance(value.__self__, (types.ModuleType, types.NoneType)):
                self._stack.append((value.__self__, words))
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
        elif kind in _MUTABLE:
            self.items.append(Item("list(H)", value, None, list(value), f"the elements of {words}"))
            if len(value) > LARGEST or not all(type(x) in ATOMS for x in value):
                self.refusal = f"{words} is a {kind.__name__}, whose elements are not followed"
        elif kind.__module__ in _UNFOLLOWED or isinstance(value, _HOLDERS):
            self.refusal = f"{words} is a {kind.__name__}, and what it holds is not followed"
        elif hasattr(kind, "__next__") and not is_users(kind.__module__) and kind.__module__ != "_io":
            self.refusal = f"{words} is an iterator, which goes on at every call"
        elif not isinstance(value, _OPAQUE) and (hasattr(value, "__dict__") or hasattr(kind, "__slots__")):
            if isinstance(value, (types.GenericAlias,)):
                return
            self._instances.append((value, words))

    def _function(self, f: Any, words: str) -> None:
        code = f.__code__
        if not is_users(f.__module__):
            return
        self._enter(code)
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
                self.empty.append((cell, f"closure variable {variable!r}"))
        self._globals(code, f.__globals__)
        if f.__dict__:
            self._instances.append((f, words))
        else:
            self.bare.append((f, words))

    def _globals(self, code: types.CodeType, names: dict[str, Any]) -> None:
        for name in _globals_of(code, True):
            if name in names:
                self._item("H[K]", names, name, names[name], f"global {name!r}")
            else:
                self.absent.append((names, name, f"global {name!r}"))
                if name in _globals_of(code):
                    self.missing[id(names), name] = names, name

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
        if not self._instances:
            return
        names, implicit = self.names, {**self._names, **IMPLICIT}
        every = not names.isdisjoint(_EVERY_NAME)
        for value, words in self._instances:
            own = getattr(value, "__dict__", _NOTHING)
            for name in {**own, **self.asked} if every and not isinstance(value, (type, types.ModuleType)) else names:
                if name in own and (id(value), name) not in self._met:
                    self._met.add((id(value), name))
                    self._item("vars(H)[K]", value, name, own[name], f"{words}.{name}")
                elif name not in own and own is not _NOTHING and (id(value), name, "absent") not in self._met:
                    self._met.add((id(value), name, "absent"))
                    self.absent.append((own, name, f"{words}.{name}"))
                if name not in own and name in self.asked and (id(value), name, "asked") not in self._met:
                    self._met.add((id(value), name, "asked"))
                    self._asked(value, own, name, f"{words}.{name}")
            if isinstance(value, types.ModuleType):
                continue
            kind = value if isinstance(value, type) else type(value)
            if kind is not value and is_users(kind.__module__) and not str(kind.__module__).startswith(_LIBRARY) and (
                    id(value), "its class") not in self._met:
                self._met.add((id(value), "its class"))
                self.items.append(Item("type(H)", value, None, kind, f"the class of {words}"))
            bases = [base for base in kind.__mro__ if is_users(base.__module__)]
            if own is not _NOTHING and kind is not value and (id(value), "its keys") not in self._met and (
                    every or any("__getattr__" in base.__dict__ for base in bases)):  # one would come before that
                self._met.add((id(value), "its keys"))
                self.items.append(Item("list(vars(H))", value, None, list(own), f"the attributes of {words}"))
            if kind is value:
                meta: Any = type(value)
                bases += [base for base in meta.__mro__ if is_users(base.__module__)]
            for base in bases:
                library = str(base.__module__).startswith(_LIBRARY)
                slots = base.__dict__.get("__slots__", ())
                for name in implicit:
                    if name in base.__dict__ and not library:
                        self._nearer(bases[:bases.index(base)], name, words)
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
                    name = _mangled(name, base)
                    if name in names and not isinstance(value, type) and (id(value), name) not in self._met:
                        self._met.add((id(value), name))
                        if hasattr(value, name):
                            self._item(f"H.{name}", value, None, getattr(value, name), f"{words}.{name}")
                        else:
                            self.items.append(Item("hasattr(H, K)", value, name, False, f"{words}.{name}"))

    def _nearer(self, bases: list[Any], name: str, words: str) -> None:
        """An attribute of a class that none of these, which come before it, has."""
        for base in bases:
            if (id(base), name) not in self._met and name not in base.__dict__ and not str(
                    base.__module__).startswith(_LIBRARY):
                self._met.add((id(base), name))
                self.items.append(Item("(K in vars(H))", base, name, False, f"{words}.{name}"))

    def _asked(self, value: Any, own: Any, name: str, words: str) -> None:
        """An attribute that is not the object's own, and may be missing."""
        kind = value if isinstance(value, type) else type(value)
        found, users = hasattr(kind, name), is_users(kind.__module__)
        if own is not _NOTHING and not (found and users):  # what a class has is asked for with the class
            self.items.append(Item("(K in vars(H))", value, name, False, words))
        if users and not found:
            self.items.append(Item("hasattr(H, K)", kind, name, False, words))

    @property
    def _met(self) -> set[tuple[Any, ...]]:
        return self.__dict__.setdefault("met", set())

    def merge(self, other: Scope) -> None:
        """Takes in what another call reached."""
        known = {item.where for item in self.items}
        now = {item.where: item for item in other.items if _varies(item)}
        self.items = [now.get(item.where, item) if _varies(item) else item for item in self.items]
        self.items += [item for item in other.items if item.where not in known]
        self.missing |= other.missing
        self.boxes |= other.boxes
        self.objects |= other.objects

    def changed(self) -> str:
        """What of it is not as it was, in words; "" if all is."""
        return next((item.words for item, _ in self.others()), "") or self.added()

    def others(self) -> Iterator[tuple[Item, Any]]:
        """What is another thing than it was, and what."""
        for item in self.items:
            now = item.now()
            if now is not item.value and not (same(now, item.value) and item.may_be_equal()):
                yield item, now

    def added(self) -> str:
        """What was not there and is now, in words; "" if nothing is."""
        for held, name, words in self.absent:
            if name in held:
                return words
        found = [words for cell, words in self.empty if self.is_filled(cell)]
        found += [f"the attributes of {words}" for f, words in self.bare if f.__dict__]
        return found[0] if found else ""

    @staticmethod
    def is_filled(cell: Any) -> bool:
        """Whether a variable of an enclosing function has a value."""
        try:
            return cell.cell_contents is not MISSING
        except ValueError:
            return False

    def leave_out(self, holders: set[int]) -> None:
        """Forgets what is in containers that are new at every call, of these ids."""
        self.items = [item for item in self.items if id(item.holder) not in holders]

    def checks(self, space: Namespace, handles: dict[int, str], given: dict[int, str],
               defining: set[Any]) -> Iterator[Check | Later]:
        """The lines that ask whether all is as it was; `handles` has the expressions of arrays that may be others of
        the same kind, by id, which are taken from `defining` places; `given` those of arguments."""
        for names, name in self.missing.values():
            yield from _later(fast.row(fast.ABSENT, 0, names, name), partial(_absent, names, name), space)
        for item in self.items:
            value = item.value
            if item.where in self.boxes:
                if type(value) is not tuple:  # one that is written to is none of these
                    others = {id(x.holder): x.holder for x in self.items if type(x.holder) is type(value)}.values()
                    own = [space.add(holder) for holder in others] + [x for x in given.values() if x[0] == "p"]
                    yield from [Check(f"{item.text(space)} is not {x}", f"{item.words} was another") for x in own]
            elif id(value) in given and (type(value) is Tensor or given[id(value)].startswith("p")):  # or a container
                yield Check(f"{item.text(space)} is {given[id(value)]}", f"{item.words} was an argument, too")
            elif _varies(item) and id(value) in handles:
                if item.where not in defining:
                    yield Check(f"{item.text(space)} is {handles[id(value)]}",
                                f"{item.words} was the same array as another")
            else:
                yield from _later(item.row(), item.lines, space)


def _mangled(name: str, base: type) -> str:
    """What code of a class calls a slot: one with two underscores is private."""
    private = name.startswith("__") and not name.endswith("__") and base.__name__.lstrip("_")
    return f"_{base.__name__.lstrip('_')}{name}" if private else name


BOXES = (tuple, list, dict)
"""Containers that may be new ones at every call."""
_MOST_HELD = 256


def parts_of(value: Any) -> list[Any]:
    """What a container holds, keys too."""
    return [*value, *value.values()] if type(value) is dict else list(value)


def other_numbers(a: Any, b: Any) -> bool:
    """Whether two containers hold other numbers, or other keys."""
    if type(a) is not type(b):
        return bool(type(a) in ATOMS or type(b) in ATOMS)
    if type(a) in BOXES:
        x, y = parts_of(a), parts_of(b)
        return len(x) != len(y) or any(map(other_numbers, x, y))
    return type(a) in ATOMS and not same(a, b)


def may_be_opened(value: Any) -> bool:
    """Whether generated code can say what is in a container, and it holds arrays, plain values and such containers."""
    kind = type(value)
    if kind is dict and not all(type(k) is int or type(k) is str and k.isidentifier() and k not in "HK" for k in value):
        return False
    return len(value) <= _MOST_HELD and all(
        type(x) is Tensor or issubclass(type(x), (Scalar, Opaque)) or type(x) in ATOMS or type(x) in BOXES and
        may_be_opened(x) for x in (value.values() if kind is dict else value))


def _varies(item: Item) -> bool:
    """Whether what is there may be another of its kind at the next call."""
    return type(item.value) is Tensor or issubclass(type(item.value), Scalar)


def _later(row: Any, lines: Callable[[Namespace], list[Check]], space: Namespace) -> Iterable[Check | Later]:
    """Lines, which can wait if there is a row for them."""
    return lines(space) if row is None or fast.native is None else (Later(row, lines),)


def _absent(names: dict[str, Any], name: str, space: Namespace) -> list[Check]:
    return [Check(f"{name!r} not in {space.add(names)}", f"there was no global {name!r}")]


_NOTHING: dict[str, Any] = {}
IMPLICIT = dict.fromkeys(("__call__", "__init__", "__post_init__", "__getattr__", "__enter__", "__exit__", "__iter__",
                          "__next__", "__getitem__", "__setitem__", "__len__", "__bool__", "__add__", "__mul__",
                          "__sub__", "__eq__", "__lt__", "__contains__", "__get__", "__set__", "forward"))
