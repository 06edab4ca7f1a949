"""Every public name of the installed NumPy, as lazytensor has it.

`ours` says what stands for an object of NumPy's; a submodule (`lazytensor.linalg`) is a `Mirror` of NumPy's, whose
names are looked up there when they are first used. No list of names is kept here: what NumPy has, lazytensor has.
"""

from __future__ import annotations

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

from ..run import startup
from . import (  # noqa: F401  what Tensors can do is attached by these
    attributes,
    buffer,
    indexing,
    masked,
    operators,
    reductions,
)
from . import laziness as laziness
from .creation import CREATION
from .direct import direct
from .fallback import AT_ONCE, fallback
from .functions import HANDLED, LAZY
from .handle import Tensor, wrap
from .nan_functions import COMPOSED
from .objects import OBJECTS
from .standard import frequencies, with_descending
from .ufuncs import ufunc

PACKAGE = __name__.partition(".")[0]
LAZY.update(with_descending(LAZY))

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
        real = getattr(np, name)
        table[id(real)] = own
        _place(own, PACKAGE)
        _describe(own, real, name)
    return table


def _series(real: type) -> type:
    from .series import series  # numpy.polynomial, when it is first used

    return series(real)


def _place(own: Any, module: str) -> None:
    """Says where pickle will find a function."""
    if isinstance(own, (types.FunctionType, ufunc)):
        own.__module__ = module


class _Doc:
    """`Function.__doc__`: NumPy's with a note on laziness, made when it is asked for; that of the class itself is its
    own. (The texts of all functions are a megabyte.)"""

    def __init__(self, own: str) -> None:
        self.own = own

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        if instance is None:
            return self.own
        held = instance.__dict__
        if "__doc__" not in held:
            real, own = instance.__wrapped__, instance.func
            held["__doc__"] = own.__doc__ if own.__doc__ != real.__doc__ else laziness.documented(
                real.__doc__, laziness.how(real, own, _described[real]))
        return held["__doc__"]

    def __set__(self, instance: Any, text: Any) -> None:
        instance.__dict__["__doc__"] = text


class Function(functools.partial[Any]):
    """One of NumPy's functions that other classes may take over (`__array_function__`): such a class is handed NumPy's
    own, which is therefore equal to ours, so that either is found in a dict of them. (A call costs less through a
    `partial` than through a `__call__` in Python.)

    >>> import numpy, lazytensor
    >>> {numpy.sum: 1}[lazytensor.sum], {lazytensor.sum: 2}[numpy.sum]
    (1, 2)
    """

    __wrapped__: Any
    __name__: str

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.__wrapped__ or (
            type(other) is Function and other.__wrapped__ is self.__wrapped__)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        bound = instance is not None and type(self.__wrapped__) is _DISPATCHED  # those written in C do not bind
        return types.MethodType(self, instance) if bound else self

    def __reduce__(self) -> Any:
        return self.__name__

    def __repr__(self) -> str:
        return f"<function {self.__name__} at {id(self):#x}>"


Function.__doc__ = _Doc(Function.__doc__ or "")  # type: ignore[assignment]
_DISPATCHED = type(np.sum)
_NOT_IN_PYTHON = (_DISPATCHED, types.BuiltinFunctionType)
_functions: dict[Any, Function] = {}
_described: dict[Any, str] = {}
"""The name under ``numpy.`` by which each of NumPy's functions is described that has a `Function`."""


def _has_function(real: Any, own: Any) -> bool:
    """Whether what stands for one of NumPy's functions is to be equal to it."""
    return type(real) in _NOT_IN_PYTHON and type(own) is types.FunctionType


def _describe(own: Any, real: Any, name: str) -> None:
    """Gives a function its docstring; where a `Function` is in its place, when that is asked for it."""
    if _has_function(real, own):
        _described.setdefault(real, name)
    else:
        laziness.describe(own, real, name)


def _equal_to(real: Any, own: Any) -> Function:
    """Our function as one that is equal to NumPy's; the same each time."""
    known = _functions.get(real)
    if known is None:
        known = _functions[real] = Function(
            direct(own, real, **AT_ONCE[own]) if own in AT_ONCE else own)
        named: dict[str, Any] = {
            name: getattr(own, name) for name in functools.WRAPPER_ASSIGNMENTS if name != "__doc__"}
        held = known.__dict__
        held.update(vars(own), **named, __wrapped__=real)
        held.pop("__doc__", None)
    return known


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
    own = _stands_for(value, name, module)
    if type(own) is types.FunctionType and AT_ONCE.get(own, {}).get("draws"):
        return direct(own, value, draws=True)
    return _equal_to(value, own) if _has_function(value, own) else own


def _stands_for(value: Any, name: str, module: str) -> Any:
    own = _replaced().get(id(value))
    if own is not None:
        return own
    if isinstance(value, types.ModuleType):
        return _our_module(value)
    if name in PASSED_ON or isinstance(value, type):
        return _series(value) if module.startswith(f"{PACKAGE}.polynomial") and hasattr(value, "_val") and callable(
            value._val) else value
    if type(value) is np.ufunc:
        own = _replaced()[id(value)] = ufunc(value)
    elif isinstance(value, _FUNCTIONS) or type(value).__name__ == "cython_function_or_method":
        own = HANDLED.get(value)
        if own is not None:
            _describe(own, value, full_name(name, module))
            return own
        own = handled(value, name)
        _describe(own, value, full_name(name, module))
    else:
        return wrap(value)
    _place(own, module)
    return own


def full_name(name: str, module: str) -> str:
    """A name with that of its module before it, as under ``numpy.``."""
    room = module.partition(".")[2]
    return f"{_ALIASES.get(room, room)}.{name}" if room else name


_ALIASES = {"lib.scimath": "emath"}


def handled(func: Any, name: str = "") -> Callable[..., Any]:
    """What stands for a function of NumPy's: a lazy one, one of our own, or the fallback."""
    known = HANDLED.get(func)
    if known is None:
        known = HANDLED[func] = fallback(func, name or getattr(func, "__name__", "function"))
    return known


def prepare() -> None:
    """Says what stands for NumPy's functions that are called on Tensors."""
    for name, own in {**LAZY, **CREATION, **OBJECTS}.items():
        real = getattr(np, name)
        if callable(real) and not isinstance(real, type):
            HANDLED[real] = own
    HANDLED.update(COMPOSED)
    _replaced()
    module = sys.modules[PACKAGE]
    module.__class__ = Growing
    startup.then[:] = [lambda: fill(module)]


PUBLIC = frozenset([name for name in np.__all__
                    if name in vars(np) and not isinstance(vars(np)[name], types.ModuleType)])
"""NumPy's public names but submodules: what `lazytensor` itself holds. What stands for each is made when it is first
used, for to make all takes a sixth of the import."""


class Growing(types.ModuleType):
    """`lazytensor` before all its names have been made: they are as soon as somebody asks for its dict (``vars(np)``,
    ``eval(text, np.__dict__)``), or when plans pay, for Python finds names of a plain module in half the time."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return fill(self)


_dict_of: Callable[[types.ModuleType], dict[str, Any]] = vars(types.ModuleType)["__dict__"].__get__


def fill(module: types.ModuleType) -> dict[str, Any]:
    """Makes what stands for all of NumPy's names that the module does not hold yet; gives its dict."""
    held = _dict_of(module)
    for name in np.__all__ if type(module) is Growing else ():
        if name in PUBLIC and name not in held:
            held.setdefault(name, ours(getattr(np, name), name))
    module.__class__ = types.ModuleType
    return held


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
    raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}{suggestion(name, np.__all__)}", name=None)


def suggestion(name: str, names: Sequence[str]) -> str:
    """What to add to the message about an unknown name: the nearest one, if one is near."""
    import difflib

    near = difflib.get_close_matches(name, names, 1)
    return f". Did you mean: {near[0]!r}?" if near else ""


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
        for key, value in own.items():
            if isinstance(value, types.FunctionType):
                laziness.describe(value, getattr(real, key), full_name(key, name))
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        real = self.__dict__["_real"]
        try:
            value = getattr(real, name)
        except AttributeError as error:
            message = str(error).replace(f"module '{real.__name__}'", f"module '{self.__name__}'")
            if str(error) == f"module {real.__name__!r} has no attribute {name!r}":
                message += suggestion(name, getattr(real, "__all__", None) or dir(real))
            raise AttributeError(message, name=None) from None
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
    if name == f"{PACKAGE}.fft":
        return frequencies()
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
    for name, method in vars(Tensor).items():
        while hasattr(method, "slow"):  # a method of the extension, or what one calls in a function's place
            method = method.slow
        if type(method) is types.FunctionType and hasattr(np.ndarray, name):
            vars(method)["__wrapped__"] = getattr(np.ndarray, name)  # its signature is shown
