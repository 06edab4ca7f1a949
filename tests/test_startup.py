"""What a process brings in once, it brings in when what it has done pays for that."""

import os
import subprocess
import sys

import numpy
import pytest

from lazytensor.config import config
from lazytensor.run import startup
from tests.helpers import same_bits

PROGRAM = """
import sys
import numpy
import lazytensor as np
from lazytensor.compile import cache_info
{settings}
x = np.linspace(0.0, 1.0, 5000)
for turn in range(100):
    x = np.sqrt(x * 2 + 1) - x / 3
    x = np.where(x > 0.5, x, -x)
    total = x.sum()
large = np.ones(1 << 17)[np.arange(1 << 17) % 3 == 0] * 2
names = [n for n in ("networkx", "llvmlite", "lazytensor.run.plans", "lazytensor.run.moving") if n in sys.modules]
print(names, cache_info()["plans"] > 0)
print(numpy.asarray(x).tobytes().hex(), float(total).hex(), large.sum())
"""


def run(settings, **environment):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(settings=settings)], capture_output=True, text=True,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("cache", ["kept", "none"])
def test_a_program_that_does_little_brings_in_nothing(cache, tmp_path):
    kept = str(tmp_path) if cache == "kept" else ""
    little = run("np.config(compile_after=10**9)", LAZYTENSOR_CACHE=kept)
    assert little[0] == "[] False"
    enough = run("np.config(compile_after=0, plan_after=1)", LAZYTENSOR_CACHE=kept)
    assert "lazytensor.run.plans" in enough[0] and "networkx" not in enough[0] and enough[0].endswith("True")
    assert enough[1] == little[1]


@pytest.fixture
def account(monkeypatch):
    """An account of a process that has done nothing, where LLVM was started before or was not."""
    def of(known):
        account = startup._Account()
        account.llvm_known = known
        monkeypatch.setattr(startup, "_account", account)
        return account
    return of


@pytest.mark.parametrize("known, units", [(True, startup.PLANNER), (False, startup.PLANNER + startup.LLVM)])
def test_work_adds_up_until_it_pays(account, known, units):
    account(known)
    with config(compile_after=1000, engine="llvm"):
        startup.worked(units * 5e5)
        assert not startup.pays() and not startup.paid() and not startup.pays(units * 5e5 - 1)
        startup.worked(units * 5e5 - 1)
        assert not startup.pays()
        startup.worked(1)
        assert not startup.paid() and startup.pays() and startup.paid()
    with config(compile_after=10**9):
        assert startup.pays(), "what is there stays there"


def test_work_ahead_counts(account):
    account(True)
    with config(compile_after=1000, engine="llvm"):
        assert startup.pays(startup.PLANNER * 1e6) and startup.paid()


def test_what_runs_without_plans_is_counted(account):
    import lazytensor as np

    mine = account(True)
    with config(compile_after=10**9, plan_after=10**9, eager_after=None):
        x = np.arange(1000.0)
        y = np.sqrt(x + 1) * x
        assert same_bits(numpy.sqrt(numpy.arange(1000.0) + 1) * numpy.arange(1000.0), numpy.asarray(y))
        before = mine.worked
        picked = np.arange(4096.0)[np.arange(4096) % 2 == 0]
        assert same_bits(numpy.arange(0.0, 4096.0, 2), numpy.asarray(picked))
    assert before > 0 and mine.worked > before and not mine.paid


def test_a_line_that_may_be_a_kernel_later_goes_on_being_counted():
    """It does not run at once meanwhile, where nobody would notice how much it does."""
    script = """
import lazytensor as np
from lazytensor.run import startup
np.config(compile_after=400)
x = np.ones((300, 100))
for turn in range(600):
    y = x.sum(axis=0)
    y.realize()
print(startup.paid())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == f"{os.environ.get('LAZYTENSOR_ENGINE') != 'numpy'}\n", done.stderr
