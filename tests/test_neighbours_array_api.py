"""SciPy (with SCIPY_ARRAY_API=1) and scikit-learn (with array_api_dispatch) take Tensors and give Tensors."""

import functools
import json
import os
import subprocess
import sys

import pytest

from tests.neighbours_array_api import WITHOUT_AXES, calls


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
    wrong = {call: found for call, found in told(library).items()
             if found != ["lazytensor", True, True] and not (found == ["numpy", True, True] and call in WITHOUT_AXES)}
    assert wrong == {}
    assert set(told(library)) == set(calls(library))
    assert len(calls(library)) >= {"scipy": 95, "sklearn": 18}[library]


@pytest.mark.parametrize("order", ["scipy.signal lazytensor", "lazytensor scipy.signal"])
def test_namespaces_meet_whatever_is_imported_first(order):
    pytest.importorskip("scipy")
    script = f"""
import importlib
for name in {order.split()}:
    importlib.import_module(name)
import lazytensor as np, scipy.signal
t = np.arange(9.0) + 1
print(type(scipy.signal.sosfilt(scipy.signal.butter(2, 0.3, output="sos"), t)) is np.ndarray)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env={**os.environ, "SCIPY_ARRAY_API": "1"}, timeout=120)  # fmt: skip
    assert done.stdout.split() == ["True"], done.stderr
