"""The examples in lazytensor's own docstrings: they run, and give what they show."""

import ast
import contextlib
import doctest
import pathlib
import re

import numpy
import pytest

import lazytensor

ROOT = pathlib.Path(lazytensor.__file__).parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def documented(path):
    """(name, docstring, line) of every docstring in a file that has an example; not those taken over from NumPy."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            doc = ast.get_docstring(node)
            if doc and ">>>" in doc:
                yield getattr(node, "name", path.stem), doc, getattr(node, "lineno", 1)


def module_name(path):
    parts = ("lazytensor", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rows():
    for path in sorted(ROOT.rglob("*.py")):
        for name, doc, line in documented(path):
            yield pytest.param(path, name, doc, line, id=f"{module_name(path).partition('.')[2]}.{name}")


@contextlib.contextmanager
def as_at_first():
    """The settings and print options as a new process has them."""
    settings = lazytensor.config.settings()
    with numpy.printoptions(threshold=1000, precision=8, suppress=False, linewidth=75):
        try:
            yield
        finally:
            lazytensor.config(**settings)


@pytest.mark.parametrize(("path", "name", "doc", "line"), rows())
def test_example(path, name, doc, line):
    module = __import__(module_name(path), fromlist=["x"])
    test = doctest.DocTestParser().get_doctest(doc, dict(vars(module)), name, str(path), line)
    said = []
    with as_at_first():
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not said, "".join(said)


def test_there_are_many():
    assert sum(len(re.findall(r"^>>>", row.values[2], re.MULTILINE)) for row in rows()) > 60


OWN = [lazytensor.realize, lazytensor.config, lazytensor.explain, lazytensor.verify, lazytensor.coverage,
       lazytensor.trim, lazytensor.ndarray, lazytensor.ufunc, lazytensor.vectorize, lazytensor.random.Generator,
       lazytensor.r_, lazytensor.random.RandomState, lazytensor.lib.npyio.NpzFile, lazytensor.ndarray.realize,
       lazytensor.ndarray.numpy, lazytensor.ndarray.explain]  # fmt: skip


@pytest.mark.parametrize("thing", OWN, ids=lambda thing: getattr(thing, "__name__", str(thing)))
def test_what_is_ours_is_documented(thing):
    assert len(thing.__doc__ or "") > 20


def test_methods_and_properties_of_arrays_are_documented():
    kind = lazytensor.ndarray
    without = [name for name in dir(kind) if not name.startswith("_") and not getattr(kind, name).__doc__]
    assert without == []
