"""Options and Hypothesis profiles of all tests."""

import contextlib
import os
import warnings

import hypothesis
import pytest

from tests import helpers

SLOW = [hypothesis.HealthCheck.too_slow]  # how quick a machine is says nothing of a test
hypothesis.settings.register_profile("local", deadline=None, suppress_health_check=SLOW)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=SLOW)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser):
    parser.addoption("--module", default="lazytensor", help="the module under test; numpy itself must pass")


def pytest_configure(config):
    helpers.MODULE = config.getoption("--module", default="lazytensor")
    module = helpers.module_under_test()
    helpers.plan_soon(module)
    if hasattr(module, "config") and "LAZYTENSOR_EAGER_AFTER" not in os.environ:
        module.config(eager_after=None)  # how often a line has run is no business of other tests


def configured(**settings):
    """A context with these settings, or, of a module that has none, without."""
    module = helpers.module_under_test()
    return module.config(**settings) if hasattr(module, "config") else contextlib.nullcontext()


@pytest.fixture
def unchecked(monkeypatch):
    """Jitted functions are not compared with their Python, which would hide a difference; nothing is warned of."""
    from lazytensor.hybrid import compiled
    monkeypatch.setattr(compiled, "FIRST_CHECKS", ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def everything_waits():
    """Functions of small arrays, too, are pending where they can be."""
    with configured(small=0):
        yield


@pytest.fixture
def lines_wait():
    """No line runs at once, whatever LAZYTENSOR_EAGER_AFTER says: for tests of what is pending and of kernels."""
    with configured(eager_after=None):
        yield
