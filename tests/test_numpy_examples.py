"""The examples in NumPy's own docstrings print, on lazytensor, what they print on NumPy."""

import contextlib
import doctest
import importlib
import io
import re
import warnings

import numpy
import pytest

import lazytensor

PLACES = [
    "", "linalg", "fft", "random", "random.Generator", "random.RandomState", "lib.stride_tricks", "lib.array_utils",
    "lib.recfunctions", "strings", "char", "ma", "rec", "emath", "polynomial.polynomial", "polynomial.chebyshev",
    "polynomial.legendre", "testing", "ndarray",
]  # fmt: skip

# Examples that print what changes from run to run: addresses, times, uninitialised memory, unseeded draws.
CHANGES = re.compile(r"\bid\(|\.ids\(|t2-t1|\bempty|plt\.|matplotlib|input\(|help\(|\.test\(|memmap|np\.info|ctypes")
UNSEEDED = ("RandomState()", "default_rng()", "SeedSequence()", "PCG64()")

DIFFERENT = {
    "ndarray.resize": "references are not counted (docs/differences.md)",
}


def documented(place):
    """The documented objects of a module or class of NumPy's, by name."""
    owner = numpy
    for part in place.split(".") if place else ():
        owner = getattr(owner, part, None) or importlib.import_module(f"numpy.{place}")
    names = dir(owner) if isinstance(owner, type) else getattr(owner, "__all__", dir(owner))
    seen = set()
    for name in sorted(names):
        text = getattr(getattr(owner, name), "__doc__", None)
        if isinstance(text, str) and ">>>" in text and text not in seen and f"{place}.{name}" not in DIFFERENT:
            seen.add(text)
            yield f"{place}.{name}".strip("."), text


def sources(text):
    """The examples of a docstring, without those that print what changes; none if it cannot be parsed."""
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return []
    if any(word in text for word in UNSEEDED):
        return []
    return [e.source for e in examples if not CHANGES.search(e.source) and not e.options.get(doctest.SKIP)]


def printed(examples, module):
    """What each example prints, or the error that it raises, with `module` for NumPy."""
    names = {"np": module, "numpy": module}
    numpy.random.seed(0)
    for source in examples:
        source = re.sub(r"^(import numpy( as np)?)\s*$", "pass", source)
        source = re.sub(r"\b(import|from) numpy\b", rf"\1 {module.__name__}", source)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                exec(compile(source, "<example>", "single"), names)
            except Exception as error:
                out.write(f"{type(error).__name__}: {error}")
        yield re.sub(r"0x[0-9A-Fa-f]+", "0x", out.getvalue()).replace("lazytensor", "numpy")


def run(examples, module):
    with numpy.printoptions(), numpy.errstate(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(printed(examples, module))


@pytest.mark.parametrize("place", PLACES)
def test_examples_print_the_same(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    different, count = [], 0
    for name, text in documented(place):
        examples = sources(text)
        count += len(examples)
        for source, expected, actual in zip(examples, run(examples, numpy), run(examples, lazytensor), strict=True):
            if expected != actual:
                different.append(f"{name}: {source.strip()}\n  expected {expected.strip()}\n  got {actual.strip()}")
    assert count > 5
    assert different == [], "\n".join(different)
