"""Builds the C extension of the hot path. Everything else about the package is in pyproject.toml.

The extension is optional: where there is no compiler the package installs without it, and the Python functions that it
stands for do all the work.
"""

import os

import numpy
from setuptools import Extension, setup

HOT = "lazytensor/hot"
SOURCES = [f"{HOT}/{name}" for name in sorted(os.listdir(HOT)) if name.endswith(".c")]
HEADERS = [f"{HOT}/{name}" for name in sorted(os.listdir(HOT)) if name.endswith(".h")]

setup(ext_modules=[Extension(
    "lazytensor.hot._hot", SOURCES, depends=HEADERS, include_dirs=[numpy.get_include()],
    extra_compile_args=["-O2", "-fvisibility=hidden"] if os.name == "posix" else [], optional=True),
    Extension("lazytensor.hybrid._replay", [f"lazytensor/hybrid/{name}.c" for name in (
                  "_replay", "_book", "_records", "_repeating", "_reading", "_statements", "_running", "_launches",
                  "_grouping", "_calling", "_inner")],
              depends=[f"lazytensor/hybrid/{name}.h" for name in ("_replay", "_book", "_program", "_reading")],
              include_dirs=[numpy.get_include()],
              extra_compile_args=["-O2", "-fvisibility=hidden"] if os.name == "posix" else [], optional=True),
    Extension("lazytensor.hybrid._tape", ["lazytensor/hybrid/_tape.c", "lazytensor/hybrid/_steps.c"],
              depends=["lazytensor/hybrid/_steps.h"], include_dirs=[numpy.get_include()],
              extra_compile_args=["-O2", "-fvisibility=hidden"] if os.name == "posix" else [], optional=True)])
