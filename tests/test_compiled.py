"""Kernels in the disk cache: found by what they are, not by their text."""

import ctypes
import os

import numpy as np
import pytest

from lazytensor.lower import compiled as module
from lazytensor.lower import fused, native
from lazytensor.lower.compiled import compiled
from lazytensor.lower.emit import emit
from lazytensor.lower.kernel import Input, Kernel, Step
from lazytensor.lower.long_rows import emit_long, split_of
from lazytensor.lower.nest import Layout
from lazytensor.run import launch

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
DOUBLES = (np.dtype("d"), np.dtype("d"))
EXP = Kernel((Input("array", "d"), Input("array", "d")),
             (Step("call", "d", (0,), (np.exp, DOUBLES)), Step("add", "d", (2, 1))), (3,))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAZYTENSOR_CACHE", str(tmp_path / "objects"))
    monkeypatch.setattr(native, "_room", 0)
    return tmp_path / "objects"


def made(kernel, layouts="ccc", rows=False):
    return compiled(kernel, "rows" if rows else "row", layouts, lambda: (emit(kernel, layouts, rows), ("kernel",)))


def not_to_be_called():
    raise AssertionError("the text was written again")


def test_a_kernel_that_is_in_the_cache_is_not_written_again():
    first = made(EXP)["kernel"]
    again = compiled(EXP, "row", "ccc", not_to_be_called)["kernel"]
    assert again != first  # another copy, linked to the loops of this process
    rng = np.random.default_rng(0)
    x, y, block = rng.normal(size=1003), rng.normal(size=1003), np.zeros(Layout(3).words(0), np.int64)
    for address in (first, again):
        out = np.empty(1003)
        data = (ctypes.c_void_p * 3)(x.ctypes.data, y.ctypes.data, out.ctypes.data)
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 4)(address)
        function(data, block.ctypes.data, 0, 1, 0, 1003)
        np.testing.assert_array_equal(out, np.exp(x) + y)


def test_the_functions_of_a_long_row_are_kept_in_order():
    kernel = Kernel((Input("array", "d"),), (Step("reduce", "d", (0,), (np.add, DOUBLES[:1] * 3)),
                                            Step("per", "d", (1,), 0)), (2,))
    text, names = emit_long(kernel, "cc")
    assert list(compiled(kernel, "long", "cc", lambda: (text, names))) == list(names) == ["parts0", "fold0"]
    assert list(compiled(kernel, "long", "cc", not_to_be_called)) == ["parts0", "fold0"]
    assert [split_of(name) for name in ("parts0", "map12", "fold3")] == ["tree", "elements", "once"]


def test_each_kernel_has_an_entry_of_its_own(cache):
    def variants():
        yield EXP, "ccc", False
        yield EXP, "ccc", True
        yield EXP, "csc", False
        yield EXP._replace(outputs=(3, 2)), "cccc", False
        yield EXP._replace(steps=(EXP.steps[0]._replace(loop=(np.log, DOUBLES)), EXP.steps[1])), "ccc", False
        yield EXP._replace(steps=(EXP.steps[0], EXP.steps[1]._replace(operands=(1, 2)))), "ccc", False
        yield EXP._replace(inputs=(EXP.inputs[0], Input("number", "d"))), "cc", False
    for count, (kernel, layouts, rows) in enumerate(variants(), 1):
        made(kernel, layouts, rows)
        kernels = [path for path in cache.iterdir() if b"kernel\n" in path.read_bytes()[:80]]
        assert len(kernels) == count


def test_columns_reduce_what_an_earlier_phase_computed():
    """x*2 is summed in the last loop, after exp(x*y), which it does not enter."""
    add = (np.add, DOUBLES[:1] * 3)
    steps = (Step("multiply", "d", (0, 1)), Step("add", "d", (0, 0)), Step("call", "d", (2,), (np.exp, DOUBLES)),
             Step("reduce", "d", (3,), add), Step("reduce", "d", (4,), add))
    kernel = Kernel((Input("array", "d"), Input("array", "d")), steps, (5, 6))
    x, y = np.random.default_rng(0).normal(size=(2, 30, 1003))
    sums = np.empty((2, 1003))
    bound = launch.bind(kernel, x.shape, [x, y, *sums], (0,))
    assert launch.run(bound, [x, y, *sums], []) >= 0
    np.testing.assert_array_equal(sums, [(x + x).sum(0), np.exp(x * y).sum(0)])


def test_other_sources_write_other_texts(monkeypatch):
    made(EXP)
    monkeypatch.setattr(module, "sources", lambda: (("emit.py", 1, 2),))
    with pytest.raises(AssertionError, match="written again"):
        compiled(EXP, "row", "ccc", not_to_be_called)


def test_sources_are_those_of_this_folder():
    names = [name for name, _, _ in module.sources()]
    assert "emit.py" in names and "nest.py" in names and sorted(names) == names
    assert all(name in os.listdir(os.path.dirname(module.__file__)) for name in names)


@pytest.mark.parametrize("length", [17, 33, 38, 65, 98, 130])
@pytest.mark.parametrize(("char", "name"), [("f", "divide"), ("d", "divide"), ("h", "add"), ("q", "add"), ("b", "add")])
def test_what_is_left_of_a_row_after_its_last_vector(char, name, length):
    """What lies beyond a row raises no flags, and is not written to."""
    kernel = Kernel((Input("array", char), Input("array", char)), (Step(name, char, (0, 1)),), (2,))
    memory = np.zeros((3, 9, length + 7), char)  # zeros between the rows: divided, they would be invalid
    x, y, out = (array[:, 3:-4] for array in memory)
    memory[2], x[:], y[:] = 77, np.arange(x.size).reshape(x.shape) % 9 + 1, 4
    bound = launch.bind(kernel, x.shape, [x, y, out])
    assert launch.run(bound, [x, y, out], []) & ~32 == 0  # 32: inexact
    np.testing.assert_array_equal(out, getattr(np, name)(x, y))
    assert (memory[2][:, :3] == 77).all() and (memory[2][:, -4:] == 77).all()
