"""One measured run of a script, in a process of its own: ``python child.py JOB``, started by ``compare``.

Started as a file, because ``-m`` would import lazytensor in the plain NumPy run too. JOB is a pickled dict: ``script``,
``arguments``, ``lazy``, ``explain``, ``started`` (by the monotonic clock), and ``folder``, into which go the record and
the arrays that the script left.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pathlib
import pickle
import resource
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

PLAIN = (bool, int, float, complex, str, bytes, bytearray, range, type(None))
VALUES = frozenset((
    "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "decimal.Decimal",
    "fractions.Fraction",
))
"""Types of the standard library whose values are compared too."""
DEFINITIONS = (type, ModuleType, FunctionType, BuiltinFunctionType)
"""What is no result of a script."""


def serve() -> ModuleType:
    """The module of serve.py, loaded by its path: importing it by name would import lazytensor."""
    spec = importlib.util.spec_from_file_location("_serve", pathlib.Path(__file__).with_name("serve.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peak_memory() -> int:
    """The most memory that this process has held resident, in bytes."""
    try:
        # getrusage is not the first choice: on Linux it starts from what the parent held before this program.
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def children(path: str, value: Any) -> list[tuple[str, Any]]:
    """What ``value`` holds that is compared on its own, each with the expression that reaches it.

    >>> children("d", {"a": 1, "b": (2, 3)})
    [("d['a']", 1), ("d['b']", (2, 3))]
    """
    if isinstance(value, (list, tuple)) or _name(type(value)) == "collections.deque":
        return [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return [(f"{path}[{_key(key, index)}]", item) for index, (key, item) in enumerate(value.items())]
    if isinstance(value, (set, frozenset)):
        return [(f"sorted({path}, key=repr)[{index}]", item) for index, item in enumerate(sorted(value, key=repr))]
    if isinstance(value, slice):
        return [(f"{path}.{name}", getattr(value, name)) for name in ("start", "stop", "step")]
    if type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
        return [(f"{path}.{name}", item) for name, item in vars(value).items()]
    return []


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _key(key: Any, index: int) -> str:
    """A key of a dict in words that are the same in both runs: an object without a text of its own by its place."""
    plain = all(type(part) in PLAIN or hasattr(part, "dtype") for part in (key if isinstance(key, tuple) else (key,)))
    return repr(key) if plain or _name(type(key)) in VALUES else f"<{type(key).__qualname__}, key {index}>"


def holder(value: Any) -> str | None:
    """What is compared of something that holds values, besides these: its type, and the order of a dict's keys.

    >>> holder([1]), holder({"a": 1, "b": 2}), holder(1)
    ('list', "dict with the keys 'a', 'b'", None)
    """
    kind = type(value)
    if isinstance(value, dict):
        return f"{kind.__qualname__} with the keys {', '.join(_key(key, index) for index, key in enumerate(value))}"
    if isinstance(value, (list, tuple, set, frozenset, slice)) or _name(kind) == "collections.deque":
        return kind.__qualname__
    return f"object of {kind.__qualname__}" if kind.__module__ == "__main__" and hasattr(value, "__dict__") else None


def leaf(value: Any) -> tuple[str, Any] | None:
    """The kind of ``value`` and the NumPy or Python value to compare; None for what has no value to compare.

    >>> leaf(2.5), leaf(len)
    (('plain', 2.5), None)
    """
    if type(value) in PLAIN or _name(type(value)) in VALUES:
        return "plain", value
    numpy = sys.modules.get("numpy")
    if numpy is None or isinstance(value, type):
        return None
    if isinstance(value, numpy.dtype):
        return "plain", repr(value)
    lazy = type(value).__module__.split(".")[0] == "lazytensor" and hasattr(value, "__array__")
    if not lazy and not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    kind = "scalar" if isinstance(value, numpy.generic) else "array"
    try:
        return kind, numpy.asanyarray(value)
    except Exception as error:  # the work was pending, and its failure is a result to compare
        return "failed", f"{type(error).__name__}: {error}"


def leaves(namespace: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(expression, kind, value) of all that the script's globals hold, in their order; lazy work runs here.

    The kind of what cannot be compared is "skipped".
    """
    names = [name for name in namespace if not (name.startswith("__") and name.endswith("__"))]
    pending = [(name, namespace[name]) for name in reversed(names)]
    seen: dict[int, Any] = {}
    while pending:
        path, value = pending.pop()
        found = leaf(value)
        if found is None:
            what = holder(value)
            if what is None and not isinstance(value, DEFINITIONS):
                yield path, "skipped", type(value).__qualname__
            if what is None or id(value) in seen:
                continue
            seen[id(value)] = value
            yield path, "holder", what
            pending += reversed(children(path, value))
        elif found[0] == "array" and found[1].dtype.hasobject:
            # Its elements are Python objects, each compared as what it is.
            yield path, "array", found[1]
            pending += reversed(children(f"{path}.flat", found[1].ravel().tolist()))
        else:
            yield path, *found
            if found[0] == "array" and hasattr(found[1], "mask"):
                pending.append((f"{path}.mask", sys.modules["numpy"].ma.getmaskarray(found[1])))


def saved(folder: str, number: int, value: Any) -> dict[str, Any]:
    """What the record says of an array or scalar of NumPy; the data of an array go to a file of their own."""
    numpy = sys.modules["numpy"]
    about = {"type": type(value).__name__, "dtype": repr(value.dtype), "shape": value.shape, "file": None}
    if value.size:  # the steps along axes of one element say nothing
        about["strides"] = tuple(step if length > 1 else None for step, length in zip(value.strides, value.shape))
    if value.size and not value.dtype.hasobject:
        about["file"] = f"{number}.npy"
        numpy.save(os.path.join(folder, f"{number}.npy"), numpy.asarray(value), allow_pickle=False)
    return about


def kept(value: Any) -> Any:
    """A plain value as it is put into the record: a long buffer as its length and checksums."""
    if type(value) is bytearray and len(value) > 1 << 16:
        return f"bytearray of {len(value)} bytes with the checksums {zlib.crc32(value):x} and {zlib.adler32(value):x}"
    return value


def failure(error: BaseException | None, module: ModuleType) -> dict[str, Any] | None:
    """The type, the message and the line in the script of the exception that ended it."""
    if error is None or isinstance(error, SystemExit):
        return None
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == module.__file__:
            line = trace.tb_lineno
        trace = trace.tb_next
    kind = type(error)
    return {"type": f"{kind.__module__}.{kind.__qualname__}", "message": str(error), "line": line}


def main(job_file: str) -> None:
    """Run the job, write its record, and end as the script ended."""
    with open(job_file, "rb") as file:
        job = pickle.load(file)
    runner = serve()
    if job["lazy"]:
        sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
        importlib.import_module("lazytensor")
        sys.path.pop(0)
    module, ended = runner.main_module(job["script"]), None
    try:
        runner.execute(module, job["script"], job["arguments"], job["lazy"])
    except BaseException as error:
        ended = error
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    values = list(leaves(vars(module)))
    record: dict[str, Any] = {"seconds": time.monotonic() - job["started"], "peak": peak_memory()}
    record["failure"] = failure(ended, module)
    record["report"] = importlib.import_module("lazytensor.see").report() if job["explain"] else None
    record["values"] = [
        (path, kind, saved(job["folder"], number, value) if kind in ("array", "scalar") else kept(value))
        for number, (path, kind, value) in enumerate(values)
    ]
    with open(os.path.join(job["folder"], "record"), "wb") as file:
        pickle.dump(record, file)
    if ended is not None:
        raise ended


if __name__ == "__main__":
    main(sys.argv[1])
