"""Attributes, entries and variables that a call binds anew: ``self.u = self.u + step``, ``params["w"] = w``.

Such an effect is found by what is there after the call (not by how it came there: the program's own `__setattr__` ran
while it was traced), and is made by the program at its end, with the others. What is bound must be what the next call
can be the same program for: an array, a lazy scalar, or a setting such as None or True. A number that is another one
at each call is not: it is a number of the program.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import operator
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..run.watching import Opaque
from .guards import ATOMS, Check, Namespace
from .scope import ARGUMENT, MISSING, Item, Scope, is_users

_NUMBERS = (int, float, complex, np.generic)


class Setting(NamedTuple):
    """Something that is bound anew: by which function of `HOW`, in what (the object, and the name that it has in
    generated code if it is among the arguments), under which key, and in words; `value` is what is there now."""

    how: str
    holder: Any
    local: str
    key: Any
    words: str
    value: Any

    @property
    def where(self) -> tuple[Any, ...]:
        """What two traces' settings of one place have in common."""
        return self.how, self.local or id(self.holder), self.key

    def text(self, space: Namespace, value: str) -> str:
        """What `rebind` is given."""
        key = repr(self.key) if type(self.key) in (str, int) else space.add(self.key)
        return f"({self.how}, {self.local or space.add(self.holder)}, {key}, {value})"


def set_attribute(holder: Any, key: str, value: Any) -> None:
    """Binds an attribute as it is found: in the object's own dict."""
    vars(holder)[key] = value


def set_cell(holder: Any, key: None, value: Any) -> None:
    """Binds a variable of an enclosing function."""
    holder.cell_contents = value


_READ = {"set_attribute": lambda holder, key: vars(holder)[key], "set_entry": operator.getitem,
         "set_slot": getattr, "set_cell": lambda holder, _: holder.cell_contents}
HOW: dict[str, Any] = {"set_attribute": set_attribute, "set_entry": operator.setitem, "set_slot": object.__setattr__,
       "set_cell": set_cell}
_NAMES = {id(how): name for name, how in HOW.items()}


def rebind(settings: tuple[Any, ...]) -> None:
    """Makes the effects: (how, holder, key, value) each."""
    for how, holder, key, value in settings:
        how(holder, key, value)


def bound(how: Any, holder: Any, key: Any) -> Any:
    """What is there now."""
    try:
        return _READ[_NAMES[id(how)]](holder, key)
    except (LookupError, AttributeError, ValueError):
        return MISSING


def setting_of(item: Item, now: Any, followed: bool, known: Any) -> Setting | None:
    """The effect that something which is reached is another thing now; None if that cannot be made again. A number that
    is `followed` may be; `known` is what is there now as a value."""
    place = place_of(item) if followed or _may_be_bound(item.value, known) else None
    return None if place is None else Setting(place[0], item.holder, "", place[1], item.words, now)


def place_of(item: Item) -> tuple[str, Any] | None:
    """How something that is reached is bound, and its key; None if it cannot be."""
    form, holder, key = item.form, item.holder, item.key
    if form == ARGUMENT:
        if type(holder) in (dict, list):
            return "set_entry", key
        return None if type(key) is not str else (
            "set_attribute" if key in getattr(holder, "__dict__", ()) else "set_slot", key)
    if form == "H[K]" and type(holder) in (dict, list):
        return "set_entry", key
    if form == "vars(H)[K]" and isinstance(getattr(holder, "__dict__", None), dict):
        return "set_attribute", key
    if form == "H.cell_contents":
        return "set_cell", None
    if form[:2] == "H." and form[2:].isidentifier() and is_users(type(holder).__module__) and not isinstance(
            holder, functools.partial) and isinstance(getattr(type(holder), form[2:], None),
                                                      types.MemberDescriptorType):
        return "set_slot", form[2:]
    return None


def put_back(scope: Scope) -> str:
    """Has all that is bound anew bound as it was, and says what that is: what a turn that is traced on the side did."""
    words = ""
    for item, _ in list(scope.others()):
        place, words = place_of(item), words or item.words
        if place is not None:
            HOW[place[0]](item.holder, place[1], item.value)
        elif item.form == "hasattr(H, K)" and not item.value and not isinstance(item.holder, type):
            object.__delattr__(item.holder, item.key)  # a slot that was empty
    for held, name, said in scope.absent:
        if type(held) is dict and held.pop(name, MISSING) is not MISSING:
            words = words or said
    for cell, said in scope.empty:
        if scope.is_filled(cell):
            words = words or said
            del cell.cell_contents
    return words


def setting_in(item: Item, local: str, now: Any, followed: bool, known: Any) -> Setting | None:
    """The same of a container that is an argument, by its name."""
    place = place_of(item) if followed or _may_be_bound(item.value, known) else None
    return None if place is None else Setting(place[0], item.holder, local, place[1], item.words, now)


def _may_be_bound(was: Any, now: Any) -> bool:
    """Whether a value may be an effect: not one that is missing, a number in the place of another, or an index that
    cannot be seen."""
    if was is MISSING or now is MISSING or issubclass(type(now), Opaque):
        return False
    return not (issubclass(type(was), _NUMBERS) and issubclass(type(now), _NUMBERS)) or type(was) is type(now) is bool


def fits(kind: str, what: Any) -> bool:
    """Whether a value that is described so (`effects.Spec`) can be there when the next call comes, and the program be
    for that, too: a view or a list is another object each time."""
    return kind in ("array", "same", "number") or kind == "scalar" and what == "lazy" or kind == "constant" and (
        type(what) in ATOMS or not issubclass(type(what), np.generic))


_STORES = frozenset(dis.opmap[name] for name in ("STORE_SUBSCR", "STORE_ATTR", "DELETE_SUBSCR", "DELETE_ATTR"))
_STORING = frozenset(("update", "setdefault", "pop", "popitem", "clear", "append", "extend", "insert", "remove",
                      "reverse", "sort", "setattr", "__setattr__", "__setitem__", "__dict__", "vars"))


@functools.lru_cache(1024)
def _stores(code: types.CodeType) -> bool:
    return not _STORES.isdisjoint(code.co_code[::2])


def apart(scope: Scope, given: dict[str, Any], keys: dict[str, set[Any]], space: Namespace) -> Iterator[Check]:
    """The lines that ask whether containers that are arguments (by their names, of types) are others than those beside
    them, as they were when the call was traced, if the code may store something in one: the other would have it, too,
    if only until something else is stored. A dict, of such keys, may also be an object's own, if it has what is reached
    of that."""
    if _STORING.isdisjoint(scope.names) and not any(map(_stores, scope.codes)):
        return
    holders = {id(item.holder): item.holder for item in scope.items}.values()
    attributes: dict[int, tuple[Any, set[Any]]] = {}
    for item in scope.items if keys else ():
        if item.form == "vars(H)[K]" and not isinstance(item.holder, type):
            attributes.setdefault(id(item.holder), (item.holder, set()))[1].add(item.key)
    for holder, reached in attributes.values():
        for name, own in keys.items():
            if reached <= own:
                yield Check(f"{name} is not {space.add(holder)}.__dict__", "a dict was no object's own")
    for kind in dict.fromkeys(given.values()):
        if kind in (dict, list) or dataclasses.is_dataclass(kind):
            names = [name for name, of in given.items() if of is kind]
            names += [space.add(holder) for holder in holders if type(holder) is kind]
            if len(names) == 2:
                yield Check(f"{names[0]} is not {names[1]}", "two containers that were different are one")
            elif len(names) > 2:
                yield Check(f"len({{{', '.join(f'id({name})' for name in names)}}}) == {len(names)}",
                            "two containers that were different are one")
