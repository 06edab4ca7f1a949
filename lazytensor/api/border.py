"""The border of libraries that ask for NumPy's own types in C: what crosses it is real.

pandas and h5py look at the C type of every argument, in compiled code that no answer of ours reaches. So, once such a
library has been imported, its public functions and methods hand it real arrays over the same memory for Tensors, and
NumPy's scalars for lazy ones; what it calls back gives it such too. Calls that the library makes of its own functions
pass through untouched: inside, everything is real already.

Libraries that only ask `isinstance(x, numpy.ndarray)` in Python, and then do with anything like an array, need no
border: see `ANSWERS` in `handle.py`.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, NamedTuple

import numpy as np

from .handle import Tensor, export
from .scalar import Scalar
from .scalar import value_of as scalar_value
from .ufuncs import ufunc

_getframe = sys._getframe
_PACKAGE = __name__.partition(".")[0]


class Border(NamedTuple):
    """A library's border: which of its modules' classes and functions the program may call, and what it calls back.

    Modules are named by prefixes; `functions` are namespaces whose functions are public. `compiled` modules' classes
    keep their operators, which are asked often and which the Tensors' own operators see to.
    """

    classes: tuple[str, ...]
    functions: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    untouched: frozenset[str] = frozenset()
    calls_back: bool = False


BORDERS: dict[str, Border] = {
    "pandas": Border(
        ("pandas.core", "pandas.plotting"), ("pandas", "pandas.api.types", "pandas.api.indexers", "pandas.testing"),
        ("pandas._libs",), frozenset(("pipe",)), True),
    "pandas.io.formats.style": Border(("pandas.io.formats.style",), untouched=frozenset(("pipe",)), calls_back=True),
    "h5py": Border(("h5py._hl",), ("h5py",)),
}
"""The libraries with a border, and parts of theirs that are imported later, by the module whose import completes it."""

_UNTOUCHED = frozenset("""
    __getattr__ __getattribute__ __dir__ __init_subclass__ __class_getitem__ __subclasshook__ __subclasscheck__
    __instancecheck__ __setstate__ __reduce__ __reduce_ex__ __format__ __sizeof__ __del__ __deepcopy__ __copy__
    __exit__ __array_finalize__ __prepare__ __delattr__ __array__
""".split())
"""Special methods whose arguments are no arrays of the program's."""


# ---------------------------------------------------------------- what crosses

_ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), type, np.dtype, np.ndarray, type(...)))
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
_ITERATORS = (types.GeneratorType, map, filter, zip)


def real(value: Any, functions: bool = False) -> Any:
    """What a library gets for a value: arrays and scalars of NumPy's, in containers and slices too.

    Parameters
    ----------
    value : object
        An argument; it is given back as it is, the same object, if nothing in it is lazytensor's.
    functions : bool
        Whether functions are to give the library real results as well.

    Examples
    --------
    >>> import lazytensor as lt
    >>> type(real([lt.ones(2)])[0]).__module__
    'numpy'
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is Tensor:
        return export(value)
    if issubclass(kind, Scalar):
        return scalar_value(value)
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return _collection(value, kind, functions)
    if issubclass(kind, dict):
        return _mapping(value, functions)
    if kind is slice:
        bounds = value.start, value.stop, value.step
        return value if _ATOMS.issuperset(map(type, bounds)) else slice(*[real(x) for x in bounds])
    if issubclass(kind, tuple) and hasattr(kind, "_make"):
        parts = [real(x, functions) for x in value]
        return value if all(map(operator.is_, parts, value)) else kind._make(parts)
    if kind in _ITERATORS:
        return (real(x, functions) for x in value)
    return _numpys_own(value, functions) if callable(value) else value


def _collection(value: Any, kind: Any, functions: bool) -> Any:
    if _ATOMS.issuperset(map(type, value)):
        return value
    parts = [real(x, functions) for x in value]
    return value if all(map(operator.is_, parts, value)) else kind(parts)


def _mapping(value: Any, functions: bool) -> Any:
    """A dict of the same class, if anything in it has to be replaced."""
    if _ATOMS.issuperset(map(type, value)) and _ATOMS.issuperset(map(type, value.values())):
        return value
    pairs = [(real(k), real(v, functions)) for k, v in value.items()]
    if all(k is own and v is value[own] for (k, v), own in zip(pairs, value)):
        return value
    changed = value.copy()
    changed.clear()
    changed.update(pairs)
    return changed


def _numpys_own(value: Any, functions: bool) -> Any:
    """NumPy's function for one of ours; another function as one whose results are real."""
    if type(value) is ufunc:
        return value._real
    if getattr(value, "__module__", "").partition(".")[0] == _PACKAGE and not isinstance(value, type):
        return getattr(value, "__wrapped__", value)
    if not functions or type(value) not in _FUNCTIONS:
        return value

    @functools.wraps(value)
    def function(*args: Any, **kwargs: Any) -> Any:
        return real(value(*args, **kwargs))
    return function


# ---------------------------------------------------------------- functions and methods


class _Modules(dict[str, bool]):
    """Whether a module, by its name, is part of a library."""

    def __init__(self, library: str) -> None:
        super().__init__()
        self.library = library

    def __missing__(self, name: str) -> bool:
        self[name] = inside = name.partition(".")[0] == self.library
        return inside


def crossing(fn: Callable[..., Any], inside: _Modules, calls_back: bool) -> Callable[..., Any]:
    """A library's function that gets real arguments when it is called from outside of the library."""

    @functools.wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Any:
        if inside[_getframe(1).f_globals.get("__name__", "")]:
            return fn(*args, **kwargs)
        functions = calls_back and "engine" not in kwargs  # an engine compiles the function itself
        args = tuple([x if type(x) in _ATOMS else real(x, functions) for x in args])
        return fn(*args, **{k: real(v, functions) for k, v in kwargs.items()} if kwargs else kwargs)

    function.__code__ = _hidden(function.__code__, inside.library)
    return function


@functools.cache
def _hidden(code: types.CodeType, library: str) -> types.CodeType:
    """Code whose frames are taken for the library's, and are not counted by Python's warnings, so that a warning of the
    library's names the user's line. Those skip frames of importlib, which they know by the file name of the code."""
    folder = (getattr(sys.modules.get(library), "__path__", None) or [""])[0]
    return code.replace(co_filename=f"{folder}/<frozen importlib._bootstrap> {code.co_filename}")


def _takes_more(fn: Any) -> bool:
    """Whether a method may be given anything but the object itself."""
    code = getattr(fn, "__code__", None)
    return code is None or code.co_argcount + code.co_kwonlyargcount > 1 or bool(code.co_flags & 12)


def _is_function(value: Any) -> bool:
    return type(value) is types.FunctionType or type(value).__name__ == "cython_function_or_method"


def _is_public(name: str, border: Border, compiled: bool) -> bool:
    if name in border.untouched or name in _UNTOUCHED:
        return False
    if name.startswith("__") and name.endswith("__"):
        return not compiled or name in ("__new__", "__contains__")
    return not name.startswith("_")


def _open_class(kind: type, border: Border, inside: _Modules) -> None:
    """Puts the border around the methods that a class itself defines."""
    compiled = kind.__module__.startswith(border.compiled) if border.compiled else False
    for name, value in list(vars(kind).items()):
        if not _is_public(name, border, compiled):
            continue
        inner = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        method: Any
        if isinstance(value, property) and value.fset is not None:
            method = property(value.fget, crossing(value.fset, inside, border.calls_back), value.fdel, value.__doc__)
        elif _is_function(inner) and (inner is not value or _takes_more(inner)) and not _is_crossing(inner):
            method = crossing(inner, inside, border.calls_back)
            method = method if inner is value else type(value)(method)
        else:
            continue
        try:
            setattr(kind, name, method)
        except (TypeError, AttributeError):  # a class of C that cannot be changed
            return


def _is_crossing(fn: Any) -> bool:
    return getattr(fn, "__code__", None) is not None and fn.__globals__ is globals()


def _open_functions(module: Any, border: Border, inside: _Modules) -> None:
    """Puts the border around the public functions of a namespace, there and where they were defined."""
    for name, value in list(vars(module).items()):
        if name.startswith("_") or not callable(value) or isinstance(value, type) or _is_crossing(value):
            continue
        home = sys.modules.get(str(getattr(value, "__module__", None)))
        if (type(value) is not types.BuiltinFunctionType and not _is_function(value)
                or str(getattr(value, "__module__", "")).partition(".")[0] != inside.library):
            continue
        function = crossing(value, inside, border.calls_back)
        setattr(module, name, function)
        if type(value) is types.FunctionType and home is not None and vars(home).get(value.__name__) is value:
            setattr(home, value.__name__, function)  # where pickle looks
        else:
            function.__module__ = module.__name__


def open_border(name: str) -> None:
    """Puts the border of a library around what has been imported of it."""
    border = BORDERS[name]
    inside = _Modules(name.partition(".")[0])
    kinds = set()
    for part, module in list(sys.modules.items()):
        if part.startswith((*border.classes, *border.compiled)):
            kinds.update(kind for kind in list(vars(module).values()) if isinstance(kind, type)
                         and kind.__module__.partition(".")[0] == inside.library and not issubclass(kind, BaseException))
    for kind in kinds:
        _open_class(kind, border, inside)
    for part in border.functions:
        if part in sys.modules:
            _open_functions(sys.modules[part], border, inside)


# ---------------------------------------------------------------- when


class Watch:
    """Among Python's finders of modules: opens a border when the library behind it has been imported."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """The spec that the other finders have, with an `exec_module` that also opens the border."""
        if fullname not in BORDERS:
            return None
        specs: Iterator[Any] = (finder.find_spec(fullname, path, target) for finder in list(sys.meta_path)
                                if finder is not Watch and hasattr(finder, "find_spec"))
        spec: ModuleSpec | None = next((found for found in specs if found is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            load = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                load(module)
                open_border(fullname)
            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Opens the borders of what has been imported, and watches what will be."""
    for name in BORDERS:
        if name in sys.modules:
            open_border(name)
    if Watch not in sys.meta_path:
        sys.meta_path.insert(0, Watch)  # type: ignore[arg-type]
