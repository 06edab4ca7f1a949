"""The arrays that a function reaches from its names: weights."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..api.handle import View
from . import fast
from .arguments import geometry_of, root_checks, view_checks
from .guards import Check, Later, Namespace
from .scope import Item


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
        self.views: list[tuple[Any, str | None]] = []

    def add(self, handle: Any, taken: dict[int, str], place: Item | None) -> None:
        """Takes in an array's root, unless it is among the arguments'."""
        view = handle._value.__class__ is View
        root = handle._value.root if view else handle
        if view and not any(h is handle for h, _ in self.views):
            self.views.append((handle, taken.get(id(root))))
        if id(root) in taken:
            return
        name = self.names.get(id(root))
        known = None if view or place is None else self.at.get(place.where)
        if name is None and known is not None and self.places[known] is not None:
            self.names.pop(id(self.roots[known]), None)  # another array of the same kind, as the guard has found
            self.names[id(root)], self.roots[known], self.places[known] = known, root, place
        elif name is None:
            name = self.names[id(root)] = f"w{len(self.names)}"
            self.roots[name] = root
            self.places[name] = None if view else place
            if place is not None:
                self.at[place.where] = name
        elif view:
            self.places[name] = None

    @property
    def handles(self) -> dict[int, str]:
        """By the id of an array that may be another at the next call, its expression."""
        return {id(self.roots[name]): f"t{name}" for name, place in self.places.items() if place is not None}

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
