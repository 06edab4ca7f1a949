"""`explain` says what a run would do and runs nothing; `report` says what was done."""

import sys

import numpy as np
import pytest

from lazytensor.config import config, current
from lazytensor.hot import native
from lazytensor.ir.node import leaf
from lazytensor.lower import fused
from lazytensor.see import explain, report

from . import graphs
from .graphs import ADD, MULTIPLY, NEGATIVE, apply, part, store
from .helpers import module_under_test


def written(op, *operands):
    """A node that says it was written by the caller."""
    node = apply(op, *operands)
    frame = sys._getframe(1)
    node.code, node.lasti = frame.f_code, frame.f_lasti
    return node


def program(x):
    y = written(ADD, written(MULTIPLY, x, x), 2.0)
    return [store(y, 0, 2, part(y, 1, 3)), written(NEGATIVE, written(NEGATIVE, x))]


def test_explain_names_each_step(monkeypatch):
    monkeypatch.setattr(current, "engine", "numpy")
    targets = program(leaf(np.ones((400, 400)), None))
    lines = explain(*targets).splitlines()
    assert lines[0] == "5 operations pending, 4 steps to run on 2 inputs"
    assert any("add(" in line and "2.0" in line and "in the memory of #" in line for line in lines)
    assert any("store(" in line and "a view of #" in line for line in lines)
    assert any("same as input0" in line for line in lines)
    assert sum("test_explain.py, line" in line and "in program" in line for line in lines) == 3
    text = "\n".join(lines)
    assert "predicted peak" in text and "boundaries: one step an operation" in text and "not run: 1 operation" in text
    assert all(node.buffer is None for node in targets)


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_explain_shows_kernels_and_why_they_end(monkeypatch):
    monkeypatch.setattr(current, "engine", "llvm")
    x = leaf(np.ones((400, 400)), None)
    y = written(ADD, written(MULTIPLY, x, x), 2.0)
    text = explain(written(NEGATIVE, part(y, 1, 3)), y)
    assert text.startswith("3 operations pending, 2 steps to run on 2 inputs, 1 kernel among them\n")
    assert "one pass over memory for #1 to #2" in text
    assert "  #1  multiply(input0, input0)  float64[400, 400]  no array" in text
    assert "boundaries: why a step is not in the pass over memory that makes what it reads\n" in text
    assert "#2 | #3: it reads a view of the array: elements at other places" in text


def test_explain_predicts_what_happens(monkeypatch):
    monkeypatch.setattr(current, "engine", "numpy")
    targets = program(leaf(np.ones((400, 400)), None))
    assert "arrays made: 1 (1.28 MB in all), predicted peak 1.28 MB besides" in explain(*targets)
    graphs.run(*targets)
    assert explain(*targets) == "computed already: nothing to run\n"


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
@pytest.mark.parametrize(("program", "why"), [
    ("(x * 2).sum(where=m)", "sum with where= is a call of its own: it adds up each stretch of the mask by itself"),
    ("(x * 2).sum(where=m[:1])", "sum with where= is NumPy's own call: it reduces each stretch of the mask on its own"),
    ("(x * 2).sum(initial=1.0)", "sum with initial= is NumPy's own call"),
    ("np.sum(x.astype('f4') * 2, dtype='f8')", "sum of float32 that gives float64 is NumPy's own call"),
    ("np.cumsum(x * 2)", "cumsum of all elements is NumPy's own call"),
    ("(x * 2) @ x", "matmul is NumPy's own call, which takes whole arrays"),
    ("(x @ x) + 1", "it reads what no kernel makes"),
    ("(lambda z: z + z.T)(x * 2)", "it reads a view of the array"),
    ("(x * 2) + (x[:1] * 3)", "it works on another shape"),
    ("(x * 2).sum(0) + (x * 3).sum(1)", "it reduces other axes, so its rows are others"),
    ("np.concatenate([x * 2, x * 3])", "it writes into the array, which has to be there"),
])  # fmt: skip
def test_explain_says_why_a_pass_ends(program, why):
    module = module_under_test()
    if native is None and "where=m)" in program:
        pytest.skip("the extension adds up stretches")
    x, m = module.array(np.random.default_rng(0).random((300, 300))), module.ones((300, 300), "?")
    m.realize()
    with module.config(engine="llvm"):
        assert why in module.explain(eval(program, {"np": module, "x": x, "m": m}))


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_what_is_written_into_an_array_that_is_there_is_no_new_memory():
    """The whole array counted twice at the predicted peak: as the old one, and as what its kernel makes of it."""
    module = module_under_test()
    x, y = (module.array(np.ones((300, 300))) for _ in range(2))
    with module.config(engine="llvm"):
        joined, padded = module.concatenate([x * 2, x + 1]), module.pad(x * 2, 1)
        for result, size in ((joined, "1.44 MB"), (padded, "730 kB")):
            assert f"arrays made: 1 ({size} in all), predicted peak {size} " in result.explain()
            assert f"in its memory, {size}, made when it was written" in result.explain()
        y.realize()
        y[1:-1] = x[:-2] + x[2:]
        assert "predicted peak 0 B " in y.explain()
        x[1:-1] = 0.5 * (x[:-2] + x[2:])  # reads its old value beside
        assert "predicted peak 720 kB " in x.explain()


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
@pytest.mark.parametrize(("program", "why"), [
    ("x.astype('i4')", "#1, in no kernel: a cast of float64 to int32 is NumPy's own call: it warns of values"),
    ("np.exp(x.astype('i4'))", "#2, in no kernel: exp of int32 is NumPy's own call"),
    ("np.exp(x.astype('g'))", f"#1, in no kernel: no kernel takes {np.dtype('g')}"),
    ("x.astype('M8[s]') + np.timedelta64(1, 's')", "#1, in no kernel: no kernel takes datetime64[s]"),
    ("x @ x", "#1, in no kernel: matmul is NumPy's own call, which takes whole arrays"),
    ("np.sort(x)", "sort is NumPy's own call"),
    ("(x * 2)[m]", "getitem(#1, "),
    ("(x * 2)[m]", "#1 | #2: x[mask] of a pending x moves the elements that a mask takes"),
    ("np.roll(x + 1, (1, 2), axis=(0, 1))", "#1, in no kernel: it is memory for a rolled array"),
    ("np.roll(x + 1, (1, 2), axis=(0, 1))", "roll.margins(#3)"),
])  # fmt: skip
def test_explain_says_why_an_operation_is_in_no_kernel(program, why):
    module = module_under_test()
    x = module.array(np.random.default_rng(0).random((300, 300))).realize()
    m = (x > 0.5).realize()
    with module.config(engine="llvm"):
        text = module.explain(eval(program, {"np": module, "x": x, "m": m}))
    assert why in text, text
    assert "pick" not in text and "roll_m" not in text


def test_explain_says_that_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(current, "engine", "llvm")
    monkeypatch.setattr(fused, "available", lambda: False)
    text = explain(written(ADD, leaf(np.ones((300, 300)), None), 2.0))
    assert "boundaries: no kernels here, each operation is NumPy's own call: " in text and "kernel of" not in text


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_explain_prints_the_kernels_themselves(monkeypatch):
    monkeypatch.setattr(current, "engine", "llvm")
    module = module_under_test()
    x = module.array(np.ones((300, 300))).realize()
    text = ((x * 2.5 + x.T).sum(axis=1)).explain(kernels=True)
    assert "kernel of #1 to #3, which reads input0 as %0, 2.5 as %1, a view of input0 as %2:\n  %0 = array d\n" in text
    assert "  %3 = multiply d %0 %1\n  %4 = add d %3 %2\n  %5 = reduce add d %4\n  write %5\n" in text
    assert "kernel of" not in module.explain(x * 2 + 1)


def test_explain_of_more_than_is_planned():
    targets = program(leaf(np.ones(4), None))
    with config(plan_nodes=3):
        assert explain(*targets).startswith("5 operations, run one by one")


def test_report_counts():
    text = report()
    assert "runs:" in text and "plans:" in text and "memory:" in text


@pytest.mark.parametrize("row", [
    "np.sort(x)", "np.cumsum(x, 1, out=z)", "np.clip(x, 0, 1, out=z)", "np.concatenate([x[:1], x[1:]], out=z)",
    "np.round(x, out=z)", "np.outer(u, u, out=z)"])
def test_what_functions_write_is_at_the_users_line(row):
    module = module_under_test()
    x, z = module.ones((40, 40)) + 1, module.zeros((40, 40))
    result = eval(compile(f"\n{row}", "program.py", "eval"), {"np": module, "x": x, "z": z, "u": x[0]})
    text = result.explain()
    assert "program.py, line 2" in text and "/lazytensor/api/" not in text


@pytest.mark.parametrize(("row", "name"), [
    ("x.sum(0)", "sum"), ("np.max(x, axis=1)", "max"), ("np.sum(x, initial=2.0)", "sum"), ("x.astype('f4')", "astype"),
    ("np.add.reduce(x)", "add.reduce"), ("np.subtract.accumulate(x)", "subtract.accumulate"),
    ("np.argmax(x)", "argmax"), ("np.arctan2(x, x)", "arctan2"), ("x.cumsum(0)", "cumsum"), ("put(x)", "setitem"),
])  # fmt: skip
def test_explain_calls_operations_by_numpys_names(row, name):
    module = module_under_test()

    def put(x):
        y = x.copy()
        y[1:] = x[1:] * 2
        return y

    x = module.array(np.ones((100, 100)))
    text = module.explain(eval(row, {"np": module, "x": x, "put": put}))
    assert f" {name}(" in text
