"""The module: parameters and other modules as attributes, `forward` as its function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lazytensor as np

from ..api.handle import Tensor
from ..hybrid.jit import jit


class Module:
    """A function with parameters: subclasses set arrays and modules as attributes, and define `forward`.

    Every array that is an attribute (or in a list, tuple or dict that is one) is a parameter, under the name that leads
    to it.

    Examples
    --------
    >>> import lazytensor as np
    >>> class Scale(np.nn.Module):
    ...     def __init__(self):
    ...         self.factor = np.full(3, 2.0)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(np.arange(3.0)), list(scale.state_dict())
    (array([0., 2., 4.]), ['factor'])
    """

    _compiled: Any = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__qualname__} defines no forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        compiled = self._compiled
        return self.forward(*args, **kwargs) if compiled is None else compiled(self, *args, **kwargs)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """The parameters with their names, those of modules within after ``name.``; each array once."""
        seen: set[int] = set()
        for name, value in _arrays(vars(self), prefix, {id(self)}):
            if id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> list[Any]:
        """The parameters: the arrays themselves, to be updated in place."""
        return [value for _, value in self.named_parameters()]

    def modules(self) -> Iterator[Module]:
        """This module and all within it, each once."""
        return _modules(self, set())

    def state_dict(self) -> dict[str, Any]:
        """Copies of all parameters, by name."""
        return {name: value.copy() for name, value in self.named_parameters()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Sets all parameters, in place, to the values of a `state_dict`.

        Raises
        ------
        KeyError
            If a name is missing or none of this module's; nothing is changed then.
        ValueError
            If a shape is another; nothing is changed then.
        """
        own = dict(self.named_parameters())
        for name in own.keys() ^ state.keys():
            what = "is missing" if name in own else "is no parameter of this module"
            raise KeyError(f"load_state_dict: {name!r} {what}")
        for name, value in own.items():
            shape = np.shape(state[name])
            if shape != value.shape:
                raise ValueError(f"load_state_dict: {name!r} has shape {shape}, and the parameter {value.shape}")
        for name, value in own.items():
            value[...] = state[name]

    def hybridize(self, active: bool = True) -> None:
        """Compiles `forward` (see `lazytensor.jit`), or with False goes back to running its Python."""
        self._compiled = jit(type(self).forward) if active else None

    def explain(self) -> str:
        """What is compiled (see `lazytensor.jit`)."""
        return "not hybridized: its Python runs\n" if self._compiled is None else str(self._compiled.explain())

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if isinstance(value, Module))
        return f"{type(self).__qualname__}({inner})"


def _modules(value: Any, seen: set[int]) -> Iterator[Module]:
    """The modules in a value, but for those that were seen."""
    kind = type(value)
    if isinstance(value, Module):
        if id(value) not in seen:
            seen.add(id(value))
            yield value
            yield from _modules(vars(value), seen)
    elif kind in (list, tuple):
        for inner in value:
            yield from _modules(inner, seen)
    elif kind is dict:
        yield from _modules(list(value.values()), seen)


def _arrays(held: dict[Any, Any], prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """The arrays among values, with the names that lead to them, but for those of modules that were seen: one may be in
    two places, or know the one that it is in."""
    for name, value in held.items():
        kind = type(value)
        if kind is Tensor:
            yield f"{prefix}{name}", value
        elif isinstance(value, Module):
            if id(value) not in seen:
                seen.add(id(value))
                yield from _arrays(vars(value), f"{prefix}{name}.", seen)
        elif kind in (list, tuple):
            yield from _arrays(dict(enumerate(value)), f"{prefix}{name}.", seen)
        elif kind is dict:
            yield from _arrays(value, f"{prefix}{name}.", seen)
