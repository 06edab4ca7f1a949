"""The arrays that a function reaches from its names: weights."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..api.handle import View
from . import fast
from .arguments import geometry_of, root_checks, view_checks
from .guards import Check, Later, Namespace, a_kind
from .scope import Item, Scope


class Captured:
    """The arrays, reached from a function's names, whose values are leaves; each has a name in generated code.

    One that is reached by a way that generated code can go (a global, a cell, an attribute, an element) may be another
    array of the same kind at the next call. A view is known by its identity.
    """

    def __init__(self) -> None:
        self.roots: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.places: dict[str, Item | None] = {}
        self.at: dict[Any, str] = {}
        self.scalars: dict[str, Any] = {}
        self.lie: dict[str, Item] = {}
        self.numbers: dict[Any, tuple[str, Item]] = {}
        self.views: list[tuple[Any, str | None]] = []

    def add(self, handle: Any, taken: dict[int, str], place: Item | None) -> None:
        """Takes in an array's root, unless it is among the arguments'."""
        view = handle._value.__class__ is View
        root = handle._value.root if view else handle
        if view and not any(h is handle for h, _ in self.views):
            self.views.append((handle, taken.get(id(root))))
        if id(root) in taken:
            return
        known = "" if view or place is None else self.at.get(place.where, "")
        if self.places.get(known) is not None:  # another array of the same kind, as the guard has found
            if self.names.get(id(self.roots[known])) == known:
                del self.names[id(self.roots[known])]
            self.names[id(root)], self.roots[known], self.places[known] = known, root, place
            return
        name = self.names.get(id(root))
        if name is None:
            name = self.names[id(root)] = f"w{len(self.names)}"
            self.roots[name] = root
            self.places[name] = None if view else place
            if place is not None:
                self.at[place.where] = name
        elif view:
            self.places[name] = None

    def prefer(self, scope: Scope) -> None:
        """Has arrays and scalars that are reached in several ways reached as they were when they got their names."""
        if self.at:
            for item in reversed(scope.items):
                if item.where in self.at and id(item.value) in scope.places:
                    scope.places[id(item.value)] = item

    def defining(self) -> set[Any]:
        """The places from which generated code takes arrays and scalars."""
        return {place.where for place in (*self.places.values(), *self.lie.values()) if place is not None}

    def clash(self, items: list[Item], taken: dict[int, str]) -> bool:
        """Whether places that had different arrays when they were met first have one between them now, or one of the
        arguments: then a trace cannot say which of them it means."""
        met: dict[int, str] = {}
        for item in items:
            name = self.at.get(item.where)
            if name is not None and (name in self.lie or self.places.get(name) is not None):
                identity = id(item.value)
                if identity in taken or met.setdefault(identity, name) != name:
                    return True
        return False

    def add_scalar(self, scalar: Any, place: Item | None, taken: set[int]) -> bool:
        """Takes in a lazy scalar, which may be another at the next call, too; False if it is not of a place that
        generated code can go to, or (by `taken`, the numbers of nodes) has another name."""
        if place is None or scalar._node.seq in taken:
            return False
        taken.add(scalar._node.seq)
        name = self.at.setdefault(place.where, f"u{len(self.scalars)}")
        if name[0] != "u":
            return False
        self.scalars[name], self.lie[name] = scalar, place
        return True

    @property
    def handles(self) -> dict[int, str]:
        """By the id of an array or scalar that may be another at the next call, its expression."""
        return {id(self.roots[name]): f"t{name}" for name, place in self.places.items() if place is not None} | {
            id(scalar): f"t{name}" for name, scalar in self.scalars.items()}

    def owner(self, name: str, space: Namespace) -> str:
        """The expression of a root."""
        return f"t{name}" if self.places[name] is not None else space.add(self.roots[name])

    def words(self, name: str) -> str:
        """What it is, in words."""
        place = self.places[name]
        return "an array that it reaches" if place is None else place.words

    def checks(self, used: set[str], space: Namespace, owners: dict[str, str]) -> list[Check | Later]:
        """The lines that bind the values of those that are used."""
        found: list[Check | Later] = []
        for name, scalar in self.scalars.items():
            own = f"t{name}"
            found += [Check(f"{own} = {self.lie[name].text(space)}"),
                      Check(f"issubclass(type({own}), Scalar) and {own}._node.dtype == {space.add(scalar._node.dtype)}",
                            f"{self.lie[name].words} was a lazy {scalar._node.dtype}")]
            if name in used:
                found.append(Check(f"{name} = value_of({own})"))
        for name, item in self.numbers.values():
            found += [Check(f"{name} = {item.text(space)}"),
                      Check(f"type({name}) is {space.add(type(item.value))}",
                            f"{item.words} was {a_kind(type(item.value))}")]
        for name, root in self.roots.items():
            place = self.places[name]
            lines = partial(self._lines, name, geometry_of(root), name in used)
            load = None if place is None else fast.load_of(place.form, place.holder, place.key)
            if fast.native is not None and load is not None and name in used:
                row = fast.array_row(load, root, (self.owner(name, space), f"n{name}", name))
                found.append(Later(row, lines))
            else:
                found += lines(space)
        for handle, of in self.views:
            text = f"{space.add(handle)}._value"
            found += view_checks(text, handle._value, space, "a view that it reaches")
            if of is not None:
                found.append(Check(f"{text}.root is {owners[of]}", "a view that it reaches was one of an argument"))
        return found

    def _lines(self, name: str, geometry: Any, used: bool, space: Namespace) -> list[Check]:
        place, owner, words, n = self.places[name], self.owner(name, space), self.words(name), f"n{name}"
        found = [] if place is None else [Check(f"{owner} = {place.text(space)}"),
                                          Check(f"type({owner}) is Tensor", words)]
        checks = root_checks(n, owner, geometry, name, space, words)
        return [*found, Check(f"{n} = {owner}._value"), Check(f"{n}.__class__ is Node", words),
                *(checks if used else checks[1:4])]
