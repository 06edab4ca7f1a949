"""Every setting of lazytensor, in one table.

>>> import lazytensor as lt
>>> with lt.config(depth=64):
...     lt.config.settings()["depth"]
64
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import SettingError
from .hot import learn, native

UNBOUNDED = sys.maxsize // 4
"""What a limit of None is inside; a node that must run at once is deeper still (`ir.node.AT_ONCE`)."""


class Setting(NamedTuple):
    """One row: its default, the legal values in words, the test of a value, and what it does."""

    default: Any
    legal: str
    accepts: Callable[[Any], bool]
    purpose: str


def _is_limit(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 1)


def _is_bytes(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _is_bool(value: Any) -> bool:
    return type(value) is bool


TABLE: dict[str, Setting] = {
    "engine": Setting("llvm", "'llvm' or 'numpy'", lambda v: v in ("llvm", "numpy"),
                      "what runs a program: compiled kernels, or NumPy's own calls alone"),
    "depth": Setting(512, "an int of at least 1, or None for no limit", _is_limit,
                     "a pending result with a longer chain behind it is run"),
    "pinned": Setting(256 << 20, "bytes as an int of at least 0, or None for no limit", _is_bytes,
                      "pending work that keeps more memory than this alive is run"),
    "pool": Setting(1 << 30, "bytes as an int of at least 0, or None for no limit", _is_bytes,
                    "freed buffers kept for reuse"),
    "small": Setting(8192, "bytes as an int of at least 0", lambda v: type(v) is int and v >= 0,
                     "a function that no kernel has runs when it is written if its arrays are no larger than this"),
    "eager_after": Setting(64, "an int of at least 0, or None for never", _is_bytes,
                           "operations on such small arrays run when they are written, of lines that have run "
                           "this often in company too small for a kernel"),
    "plans": Setting(512, "an int of at least 1, or None for no limit", _is_limit,
                     "plans kept, the least recently used dropped first"),
    "plan_after": Setting(32, "an int of at least 1", lambda v: type(v) is int and v >= 1,
                          "a structure is planned when it has run this often (at once if it is large)"),
    "compile_after": Setting(4000, "microseconds as an int of at least 0", lambda v: type(v) is int and v >= 0,
                             "a kernel is compiled when the operations in its place have worked this long, and none "
                             "before the process has worked 25 times that"),
    "plan_nodes": Setting(4096, "an int of at least 1, or None for no limit", _is_limit,
                          "a graph with more nodes runs operation by operation, unplanned"),
    "threads": Setting(None, "an int of at least 1, or None for as many as there are cores", _is_limit,
                       "threads that one kernel may use; the threads of BLAS are its own"),
    "debug": Setting(False, "True or False", _is_bool,
                     "check every graph, plan, table and result (slow)"),
}


class _Current:
    """The values in force, as attributes (read on the hot path); limits of None are stored as UNBOUNDED."""

    __slots__ = tuple(TABLE)
    engine: str
    depth: int
    pinned: int
    pool: int
    small: int
    eager_after: int
    plans: int
    plan_after: int
    compile_after: int
    plan_nodes: int
    threads: int
    debug: bool


current = _Current()
learn(Current=_Current, current=current)


def _stored(value: Any) -> Any:
    return UNBOUNDED if value is None else value


def _shown(value: Any) -> Any:
    return None if value is UNBOUNDED or value == UNBOUNDED else value


def _checked(name: str, value: Any) -> Any:
    if name not in TABLE:
        import difflib

        near = difflib.get_close_matches(name, TABLE, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise SettingError(f"no setting is called {name!r}{hint} The settings are {', '.join(TABLE)}")
    if not TABLE[name].accepts(value):
        raise SettingError(f"setting {name!r} cannot be {value!r}: it takes {TABLE[name].legal}")
    return value


class _Change:
    """What `config(...)` returns: already in force; as a context manager it puts the old values back."""

    def __init__(self, before: dict[str, Any]) -> None:
        self._before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _apply(self._before)

    def __repr__(self) -> str:
        return repr(config)


def _when_planned(value: Any) -> None:
    """Somebody says when plans are made: that a process is young (`run.startup`) says it no longer."""
    native.young(None)


on_change: dict[str, Callable[[Any], None]] = {} if native is None else {
    "eager_after": native.eager_after, "plan_after": _when_planned, "compile_after": _when_planned}
"""What is called with a setting's new value, by the setting's name."""


def _apply(values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(current, name, value)
        if name in on_change:
            on_change[name](value)


def forget_lines() -> None:
    """Lines compute lazily again until they have come up as often as ``eager_after`` says once more."""
    _apply({"eager_after": current.eager_after})


class Config:
    """Reads and changes settings.

    Call it with keywords to change settings, for good or, in a ``with`` statement, for a while. The settings hold for
    every thread of the process.

    Parameters
    ----------
    **values
        The settings by name; `settings` lists them, ``lazytensor.config.TABLE`` says what each takes.

    Raises
    ------
    SettingError
        For a name that is no setting or a value that it does not take; nothing is changed then.

    Examples
    --------
    >>> import lazytensor as lt
    >>> with lt.config(depth=None):      # no limit on the length of pending chains
    ...     pass
    """

    def __setattr__(self, name: str, value: Any) -> None:
        raise SettingError(f"settings are changed by a call: lazytensor.config({name}={value!r})")

    def __call__(self, *names: str, **values: Any) -> _Change:
        if names:
            raise SettingError(f"settings are given by keyword: lazytensor.config({names[0]}=...)")
        checked = {name: _stored(_checked(name, value)) for name, value in values.items()}
        before = {name: getattr(current, name) for name in checked}
        _apply(checked)
        return _Change(before)

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<lazytensor.config: {', '.join(f'{k}={v!r}' for k, v in self.settings().items())}>"

    @staticmethod
    def settings() -> dict[str, Any]:
        """The settings in force, by name; a limit of None means that there is none."""
        return {name: _shown(getattr(current, name)) for name in TABLE}


def threads_given() -> int | None:
    """What LAZYTENSOR_NUM_THREADS says.

    Raises
    ------
    SettingError
        If that is no int of at least 1.
    """
    given = os.environ.get("LAZYTENSOR_NUM_THREADS", "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and int(given)):
        raise SettingError(f"LAZYTENSOR_NUM_THREADS cannot be {given!r}: it takes an int of at least 1")
    return int(given)


def _from_environment() -> None:
    """LAZYTENSOR_DEBUG=1, LAZYTENSOR_ENGINE=numpy and LAZYTENSOR_EAGER_AFTER=n are the variables that are read;
    LAZYTENSOR_NUM_THREADS is read by run/workers.py, and only looked at here, so that all are refused on import."""
    threads_given()
    _apply({name: _stored(setting.default) for name, setting in TABLE.items()})
    debug = os.environ.get("LAZYTENSOR_DEBUG", "0")
    if debug not in ("", "0", "1"):
        raise SettingError(f"LAZYTENSOR_DEBUG cannot be {debug!r}: it takes 0 or 1")
    current.debug = debug == "1"
    current.engine = _checked("engine", os.environ.get("LAZYTENSOR_ENGINE", "llvm"))
    after = os.environ.get("LAZYTENSOR_EAGER_AFTER")
    if after:
        if after != "never" and not after.isdecimal():
            raise SettingError(f"LAZYTENSOR_EAGER_AFTER cannot be {after!r}: it takes an int of at least 0, or never")
        _apply({"eager_after": _stored(None if after == "never" else int(after))})


settings = Config.settings
config = Config()
_from_environment()
