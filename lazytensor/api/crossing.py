"""What crosses the border of a library (see `border`): `real` says what the library gets for a value, `crossing` makes
of one of its functions one that gets that.
"""

from __future__ import annotations

import functools
import itertools
import operator
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .handle import Tensor, export
from .scalar import Scalar
from .scalar import value_of as scalar_value
from .ufuncs import ufunc

_PACKAGE = __name__.partition(".")[0]

_PLAIN = {int, float, complex, bool, str, bytes, type(None), type, np.dtype, np.ndarray, type(...),
          *np.sctypeDict.values()}
"""Types whose values cross as they are; those that have been met and are neither containers nor functions join."""
_MOST = 4096
_ROWS = frozenset((list, tuple))
_FUNCTIONS = (types.FunctionType, types.MethodType)
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
    if kind in _PLAIN:
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
        return value if _PLAIN.issuperset(map(type, bounds)) else slice(*[real(x) for x in bounds])
    if issubclass(kind, (list, tuple)):  # of a class of the program's, which the library takes for a plain one
        return _collection(value, getattr(kind, "_make", list if issubclass(kind, list) else tuple), functions)
    if kind in _ITERATORS:
        return (real(x, functions) for x in value)
    if callable(value):
        return _numpys_own(value, functions)
    if len(_PLAIN) < _MOST:
        _PLAIN.add(kind)
    return value


def _collection(value: Any, kind: Any, functions: bool) -> Any:
    kinds = set(map(type, value))
    if kinds <= _PLAIN or kinds <= _ROWS and _PLAIN.issuperset(map(type, itertools.chain.from_iterable(value))):
        return value
    parts = [real(x, functions) for x in value]
    return value if all(map(operator.is_, parts, value)) else kind(parts)


def _mapping(value: Any, functions: bool) -> Any:
    """A dict of the same class, if anything in it has to be replaced."""
    if _PLAIN.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, value.values())):
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
    if functions and type(value) is functools.partial:
        inner = _numpys_own(value.func, functions)
        return value if inner is value.func else functools.partial(inner, *value.args, **value.keywords)
    if not functions or type(value) not in _FUNCTIONS:
        return value

    @functools.wraps(value)
    def function(*args: Any, **kwargs: Any) -> Any:
        result = value(*args, **kwargs)
        return result if type(result) in _PLAIN else real(result)
    return function


_TEMPLATE = """
def make(_fn, _inside, _frame, _real, _back, _engines):
    def function({parameters}):
        if _frame(1).f_globals.get("__name__") in _inside:
            return _fn({plain})
        return _fn({crossing})
    return function
"""
_MARK, _COUNTED = "<frozen importlib._bootstrap>", "<lazytensor border>"
_ENGINES = (None, "python", "cython")
"""Of pandas's parameter `engine`; any other compiles the function that it is given, which must be the program's."""


def crossing(fn: Callable[..., Any], inside: set[str], folder: str, calls_back: bool,
             counts: bool = False) -> Callable[..., Any]:
    """A library's function that gets real arguments when it is called from outside of the library.

    Parameters
    ----------
    fn : callable
        The function.
    inside : set of str
        The names of the library's modules.
    folder : str
        Where the library's files are. Frames of the new function are taken for the library's, and are not counted by
        Python's warnings, so that a warning of the library's names the user's line. (Python skips frames of importlib,
        which it knows by the file name of the code.)
    calls_back : bool
        Whether functions among the arguments are to give real results.
    counts : bool
        Whether the library counts its own frames, by their files, to find the user's: then Python counts them, too.
    """
    code = fn.__code__ if type(fn) is types.FunctionType else None
    fixed = code is not None and not code.co_flags & 12 and not any(n.startswith("_") for n in code.co_varnames[:8])
    function = _fixed(fn, code, inside, calls_back) if fixed else _any(fn, inside, calls_back)
    function.__code__ = function.__code__.replace(
        co_filename=f"{folder}/{_COUNTED if counts else _MARK} {__file__}", co_name=fn.__name__)
    return functools.update_wrapper(function, fn)


def is_crossing(fn: Any) -> bool:
    """Whether a function is one that `crossing` has made."""
    code = getattr(fn, "__code__", None)
    return type(code) is types.CodeType and (_MARK in code.co_filename or _COUNTED in code.co_filename)


def _any(fn: Callable[..., Any], inside: set[str], calls_back: bool) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_globals.get("__name__") in inside:
            return fn(*args, **kwargs)
        functions = calls_back and kwargs.get("engine") in _ENGINES
        if not _PLAIN.issuperset(map(type, args)):
            args = tuple([real(x, functions) for x in args])
        return fn(*args, **{k: real(v, functions) for k, v in kwargs.items()} if kwargs else kwargs)
    return function


def _fixed(fn: Any, code: Any, inside: set[str], calls_back: bool) -> Any:
    """A function with the parameters of `fn`, of which there is a fixed number: calls inside cost a third of `_any`."""
    count, named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[:named]
    text = _wrapper_text(names[:count], names[count:], code.co_posonlyargcount, "engine" in names)
    scope: dict[str, Any] = {}
    exec(text, scope)
    function = scope["make"](fn, inside, sys._getframe, real, calls_back, _ENGINES)
    function.__defaults__, function.__kwdefaults__ = fn.__defaults__, fn.__kwdefaults__
    return function


@functools.cache
def _wrapper_text(names: tuple[str, ...], keywords: tuple[str, ...], only: int, engine: bool) -> Any:
    """The compiled source of functions with these parameters, the first `only` of which are positional only."""
    parameters = [*names[:only], *(["/"] if only else []), *names[only:], *(["*"] if keywords else []), *keywords]
    back = "_back and engine in _engines" if engine else "_back"
    text = _TEMPLATE.format(
        parameters=", ".join(parameters), plain=", ".join([*names, *[f"{k}={k}" for k in keywords]]),
        crossing=", ".join([f"_real({n}, {back})" for n in names] + [f"{k}=_real({k}, {back})" for k in keywords]))
    return compile(text, __file__, "exec")
