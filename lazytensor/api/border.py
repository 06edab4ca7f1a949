"""The border of libraries that ask for NumPy's own types in C: what crosses it is real.

pandas and h5py look at the C type of every argument, in compiled code that no answer of ours reaches. So, once such a
library has been imported, its public functions and methods hand it real arrays over the same memory for Tensors, and
NumPy's scalars for lazy ones; what it calls back gives it such too. Calls that the library makes of its own functions
pass through untouched: inside, everything is real already.

Libraries that only ask `isinstance(x, numpy.ndarray)` in Python, and then do with anything like an array, need no
border: see `_class_in` in `handle.py`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, NamedTuple

from .crossing import crossing, is_crossing
from .dispatch import HELPERS, prefer_ours


class Border(NamedTuple):
    """A library's border: the modules whose classes and functions programs use, and whether it calls functions back.

    `classes` are modules whose classes (with what those inherit from) are public, `functions` those whose functions
    are, or those of certain `names`. Compiled classes keep their operators: those are asked often, and the Tensors' own
    operators see to them.
    """

    classes: tuple[str, ...]
    functions: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    untouched: frozenset[str] = frozenset()
    calls_back: bool = False
    counts: bool = False


_UNWRAPPED = frozenset(("pipe", "query", "eval"))
"""What hands its arguments on, and what looks up names in the frame of whoever calls it."""
BORDERS: dict[str, Border] = {
    "pandas": Border(
        ("pandas", "pandas.api.extensions", "pandas.api.indexers", "pandas.api.typing", "pandas.arrays",
         "pandas.core.arrays.arrow", "pandas.core.arrays.categorical", "pandas.core.arrays.sparse",
         "pandas.core.groupby.generic", "pandas.core.groupby.indexing", "pandas.core.indexes.accessors",
         "pandas.core.indexing", "pandas.core.resample", "pandas.core.strings.accessor", "pandas.core.window",
         "pandas.plotting"),
        ("pandas", "pandas.api.types", "pandas.api.indexers", "pandas.plotting", "pandas.testing"),
        untouched=_UNWRAPPED, calls_back=True, counts=True),
    "pandas.io.formats.style": Border(("pandas.io.formats.style",), untouched=_UNWRAPPED, calls_back=True, counts=True),
    "h5py": Border(("h5py",), ("h5py",)),
    "torch": Border((), ("torch",), frozenset(("asarray", "from_numpy"))),
}
"""The libraries with a border, and parts of theirs that are imported later, by the module whose import completes it."""

_UNTOUCHED = frozenset("""
    __getattr__ __getattribute__ __dir__ __init_subclass__ __class_getitem__ __subclasshook__ __subclasscheck__
    __instancecheck__ __setstate__ __reduce__ __reduce_ex__ __format__ __sizeof__ __del__ __deepcopy__ __copy__
    __exit__ __array_finalize__ __finalize__ __prepare__ __delattr__ __array__
""".split())
"""Special methods whose arguments are no arrays of the program's."""


class Library:
    """A library while its border is opened: the names of its modules, and its functions' wrappers."""

    def __init__(self, name: str, border: Border) -> None:
        self.name, self.border = name, border
        self.modules = {part for part in sys.modules if self.has(part)}
        self.folder = (getattr(sys.modules[name], "__path__", None) or [""])[0]

    def has(self, module: Any) -> bool:
        """Whether a module, by its name, is the library's."""
        return str(module).partition(".")[0] == self.name

    def wrapped(self, fn: Any) -> Any:
        """The function with the border around it."""
        return crossing(fn, self.modules, self.folder, self.border.calls_back, self.border.counts)

    def open_class(self, kind: type) -> None:
        """Puts the border around the methods that a class itself defines."""
        compiled = not any(type(value) is types.FunctionType for value in vars(kind).values())
        for name, value in list(vars(kind).items()):
            method = self._method(value) if self._is_public(name, compiled) else None
            if method is None:
                continue
            try:
                setattr(kind, name, method)
            except (TypeError, AttributeError):  # a class of C that cannot be changed
                return

    def _is_public(self, name: str, compiled: bool) -> bool:
        if name in self.border.untouched or name in _UNTOUCHED:
            return False
        if name.startswith("__") and name.endswith("__"):
            return not compiled or name in ("__new__", "__contains__")
        return not name.startswith("_")

    def _method(self, value: Any) -> Any:
        """What stands for a class's attribute, or None if nothing needs to."""
        if type(value) is property:
            return None if value.fset is None else property(
                value.fget, self.wrapped(value.fset), value.fdel, value.__doc__)
        if isinstance(value, (classmethod, staticmethod)):
            inner = value.__func__
            return type(value)(self.wrapped(inner)) if _is_function(inner) else None
        return self.wrapped(value) if _is_function(value) and _takes_more(value) else None

    def open_functions(self, module: types.ModuleType) -> None:
        """Puts the border around the public functions of a namespace, there and where they were defined."""
        for name, value in list(vars(module).items()):
            if name.startswith("_") or name in self.border.untouched or not (
                    _is_function(value) or type(value) is types.BuiltinFunctionType):
                continue
            if not (name in self.border.names if self.border.names else self.has(value.__module__)):
                continue
            function: Any = self.wrapped(value)
            setattr(module, name, function)
            home = vars(sys.modules.get(str(value.__module__), module))
            if type(value) is types.FunctionType and home.get(function.__name__) is value:
                home[function.__name__] = function  # where pickle looks for it
            else:
                function.__module__ = module.__name__


def _is_function(value: Any) -> bool:
    """Whether a value is a function, in Python or in Cython, without a border."""
    return not is_crossing(value) and (
        type(value) is types.FunctionType or type(value).__name__ == "cython_function_or_method")


def _takes_more(fn: Any) -> bool:
    """Whether a method may be given anything but the object itself."""
    code = getattr(fn, "__code__", None)
    return code is None or code.co_argcount + code.co_kwonlyargcount > 1 or bool(code.co_flags & 12)


def open_border(name: str) -> None:
    """Puts the border of a library around what has been imported of it."""
    border = BORDERS[name]
    library = Library(name.partition(".")[0], border)
    public = [kind for part in border.classes if part in sys.modules for kind in vars(sys.modules[part]).values()
              if isinstance(kind, type) and not issubclass(kind, BaseException)]
    for kind in dict.fromkeys(base for listed in public for base in listed.__mro__ if library.has(base.__module__)):
        library.open_class(kind)
    for part in border.functions:
        if part in sys.modules:
            library.open_functions(sys.modules[part])


# ---------------------------------------------------------------- when


def _completes(module: str) -> Callable[[str], None] | None:
    """What is to be done when a module has been imported, if anything."""
    return open_border if module in BORDERS else prefer_ours if module.endswith(HELPERS) else None


class Watch:
    """Among Python's finders of modules: opens a border when the library behind it has been imported."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """The spec that the other finders have, with an `exec_module` that also opens the border."""
        completed = _completes(fullname)
        if completed is None:
            return None
        specs: Iterator[Any] = (finder.find_spec(fullname, path, target) for finder in list(sys.meta_path)
                                if finder is not Watch and hasattr(finder, "find_spec"))
        spec: ModuleSpec | None = next((found for found in specs if found is not None), None)
        loader: Any = None if spec is None else spec.loader
        if hasattr(loader, "exec_module"):
            load = loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                load(module)
                completed(fullname)
            loader.exec_module = exec_module
        return spec


def install() -> None:
    """Opens the borders of what has been imported, and watches what will be."""
    for name in list(sys.modules):
        completed = _completes(name)
        if completed is not None:
            completed(name)
    if Watch not in sys.meta_path:
        sys.meta_path.insert(0, Watch)
