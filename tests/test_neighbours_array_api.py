"""SciPy (with SCIPY_ARRAY_API=1) and scikit-learn (with array_api_dispatch) take Tensors and give Tensors."""

import functools
import json
import os
import subprocess
import sys

import pytest

from tests.neighbours_array_api import calls


@functools.cache
def told(library):
    """What a process of its own says of each call: the variable counts when SciPy is imported."""
    done = subprocess.run([sys.executable, "-m", "tests.neighbours_array_api", library], capture_output=True, text=True,
                          env={**os.environ, "SCIPY_ARRAY_API": "1"}, timeout=240)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("library", ["scipy", "sklearn"])
def test_takes_tensors_and_gives_them(library):
    pytest.importorskip(library)
    wrong = {call: found for call, found in told(library).items() if found != ["lazytensor", True, True]}
    assert wrong == {}
    assert set(told(library)) == set(calls(library))
    assert len(calls(library)) >= {"scipy": 15, "sklearn": 5}[library]
