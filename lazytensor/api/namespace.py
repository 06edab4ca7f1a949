"""Every public name of the installed NumPy, as lazytensor has it.

`ours` says what stands for an object of NumPy's; a submodule (`lazytensor.linalg`) is a `Mirror` of NumPy's, whose
names are looked up there when they are first used. No list of names is kept here: what NumPy has, lazytensor has.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np

from . import attributes, buffer, indexing, operators, reductions  # noqa: F401  what Tensors can do is attached by these
from .creation import CREATION
from .fallback import fallback
from .functions import HANDLED, LAZY
from .handle import Tensor, wrap
from .objects import OBJECTS
from .ufuncs import ufunc

PACKAGE = __name__.partition(".")[0]

PASSED_ON = frozenset("""
    seterr geterr seterrcall geterrcall setbufsize getbufsize set_printoptions get_printoptions printoptions
    show_config show_runtime test get_include issubdtype isdtype promote_types mintypecode typename
    assert_raises assert_raises_regex assert_warns assert_no_warnings assert_no_gc_cycles break_cycles
    decorate_methods rundocs runstring measure run_threaded tempdir temppath seed get_state set_state
    get_bit_generator set_bit_generator add_docstring add_newdoc
""".split())
"""Functions that stay NumPy's own: they see no array, or call a function of the user's with its arguments untouched."""

SUBMODULES_PASSED_ON = frozenset(("core", "exceptions", "dtypes", "typing", "f2py", "version", "distutils"))
"""Submodules that stay NumPy's own: there are no functions of arrays in them."""

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type(np.sum))


@functools.cache
def _replaced() -> dict[int, Any]:
    """What stands for each of NumPy's objects that has something else than the generated fallback, by its id."""
    table: dict[int, Any] = {id(np.ndarray): Tensor, id(np.ufunc): ufunc}
    for name, own in {**LAZY, **CREATION, **OBJECTS}.items():
        table[id(getattr(np, name))] = own
        _place(own, PACKAGE)
    return table


def _place(own: Any, module: str) -> None:
    """Says where pickle will find a function."""
    if isinstance(own, (types.FunctionType, ufunc)):
        own.__module__ = module


def ours(value: Any, name: str, module: str = PACKAGE) -> Any:
    """What stands for an object of NumPy's.

    Parameters
    ----------
    value : object
        NumPy's.
    name : str
        The name under which NumPy has it.
    module : str
        The name of our module that asks.
    """
    own = _replaced().get(id(value))
    if own is not None:
        return own
    if isinstance(value, types.ModuleType):
        return _our_module(value)
    if name in PASSED_ON or isinstance(value, type):
        return value
    if type(value) is np.ufunc:
        own = _replaced()[id(value)] = ufunc(value)
    elif isinstance(value, _FUNCTIONS) or type(value).__name__ == "cython_function_or_method":
        known = HANDLED.get(value)
        if known is not None:
            return known
        own = handled(value, name)
    else:
        return wrap(value)
    _place(own, module)
    return own


def handled(func: Any, name: str = "") -> Callable[..., Any]:
    """What stands for a function of NumPy's: a lazy one, one of our own, or the fallback."""
    known = HANDLED.get(func)
    if known is None:
        known = HANDLED[func] = fallback(func, name or getattr(func, "__name__", "function"))
    return known


def names() -> dict[str, Any]:
    """What `lazytensor` itself holds: NumPy's public names but submodules, which are loaded when they are used."""
    for name, own in {**LAZY, **CREATION, **OBJECTS}.items():
        real = getattr(np, name)
        if callable(real) and not isinstance(real, type):
            HANDLED[real] = own
    real_names = vars(np)
    return {name: ours(real_names[name], name) for name in np.__all__
            if name in real_names and not isinstance(real_names[name], types.ModuleType)}


def missing(name: str) -> Any:
    """The value of a name that `lazytensor` does not hold: a submodule, or what NumPy answers.

    Raises
    ------
    AttributeError
        NumPy's own for names that it has removed; else with the nearest name as a suggestion.
    """
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        value, error = _asked(name)
    for warning in given:
        warnings.warn(warning.message, warning.category, stacklevel=3)
    if error is None:
        return ours(value, name)
    if str(error) != f"module 'numpy' has no attribute {name!r}":
        raise AttributeError(str(error), name=None)
    near = difflib.get_close_matches(name, np.__all__, 1)
    hint = f". Did you mean: {near[0]!r}?" if near else ""
    raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}{hint}", name=None)


def _asked(name: str) -> tuple[Any, AttributeError | None]:
    """What NumPy has under a name, or the error that it raises."""
    try:
        return getattr(np, name), None
    except AttributeError as error:
        return None, error


# ---- submodules ------------------------------------------------------------------------------------------------------

class Mirror(types.ModuleType):
    """A submodule of NumPy's as lazytensor has it; a name is made ours when it is first used."""

    def __init__(self, name: str, real: types.ModuleType) -> None:
        super().__init__(name, real.__doc__)
        self.__dict__["_real"] = real
        own = _own_names(name)
        if own:
            self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        real = self.__dict__["_real"]
        try:
            value = getattr(real, name)
        except AttributeError as error:
            raise AttributeError(str(error).replace(f"module '{real.__name__}'", f"module '{self.__name__}'"),
                                 name=name, obj=self) from None
        if name.startswith("__") and name != "__all__" and name not in getattr(real, "__all__", ()):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        own = ours(value, name, self.__name__)
        self.__dict__[name] = own
        return own

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_real"])


def _own_names(name: str) -> dict[str, Any]:
    if name == f"{PACKAGE}.random":
        from .random import RANDOM

        return RANDOM
    return {}


def _our_module(real: types.ModuleType) -> Any:
    """Our module for one of NumPy's; any other module as it is."""
    first, _, rest = real.__name__.partition(".")
    if first != "numpy" or _is_passed_on(rest):
        return real
    return importlib.import_module(f"{PACKAGE}.{rest}") if rest else sys.modules[PACKAGE]


def _is_passed_on(rest: str) -> bool:
    """Whether a submodule, by its name after ``numpy.``, stays NumPy's own."""
    return any(part in SUBMODULES_PASSED_ON or part.startswith("_") for part in rest.split("."))


class Finder:
    """Lets ``import lazytensor.linalg`` find what NumPy has under that name."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """The spec of our module if NumPy has one of that name and it is not passed on."""
        first, _, rest = fullname.partition(".")
        if first != PACKAGE or not rest or rest.split(".")[0].startswith("_"):
            return None
        try:
            real = importlib.util.find_spec(f"numpy.{rest}")
        except (ImportError, ValueError):
            return None
        if real is None:
            return None
        return ModuleSpec(fullname, Finder, is_package=real.submodule_search_locations is not None)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> types.ModuleType:
        """The mirror of NumPy's module."""
        return Mirror(spec.name, importlib.import_module(f"numpy.{spec.name.partition('.')[2]}"))

    @staticmethod
    def exec_module(module: types.ModuleType) -> None:
        """Leaves the mirror as it is; in place of one that is passed on, NumPy's own module is put."""
        real = module.__dict__["_real"]
        if _is_passed_on(real.__name__.partition(".")[2]):
            sys.modules[module.__name__] = real


def install() -> None:
    """Makes the submodules importable; after Python's own finders, which find the files of this package."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
