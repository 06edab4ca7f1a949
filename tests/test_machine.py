"""A stateful machine: handles of one memory, made, viewed, written, shared and dropped in any order, against NumPy."""

import dataclasses
import operator
from typing import Any

import numpy as real
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import broken, strategies
from tests.helpers import assert_same, fresh, module_under_test
from tests.program_values import in_range
from tests.programs import quiet

ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.and_, operator.lt)
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ior)
UNARY = ("negative", "sqrt", "exp", "absolute", "isnan", "square", "logical_not")
REDUCTIONS = ("sum", "mean", "max", "min", "prod", "any", "all", "std", "argmax")
VIEWS = (
    lambda x: x.T, lambda x: x.ravel(), lambda x: x.reshape(-1), lambda x: x[::-1], lambda x: x.real, lambda x: x.imag,
    lambda x: x[..., None], lambda x: x.swapaxes(0, -1), lambda x: x.diagonal(), lambda x: x.squeeze(),
    lambda x: x[1::2], lambda x: x.reshape(x.shape[::-1]), lambda x: x.view(), lambda x: x[...], lambda x: x.ravel("F"),
)  # fmt: skip
SHAPES = st.sampled_from(((), (4,), (6,), (2, 3), (3, 3), (1, 6), (4, 1), (2, 2, 3), (0, 3)))
DTYPES = strategies.dtypes(("f8", "f4", "i8", "u1", "?", "c16", ">f8", "f2", "i4"))


@dataclasses.dataclass(eq=False)
class Handle:
    """One array of the program in both worlds."""

    expected: Any
    actual: Any


class Machine(RuleBasedStateMachine):
    """After every rule all live handles are compared."""

    handles = Bundle("handles")
    often = True  # compare after every rule; otherwise when a rule asks for it, and at the end

    def __init__(self):
        super().__init__()
        self.np = module_under_test()
        self.live = []

    def both(self, program, *operands):
        """Run `program(np, *operands)` in both worlds; a Handle of what it gives, or None if both raise the same."""
        outcomes = []
        for module, side in ((real, "expected"), (self.np, "actual")):
            given = [getattr(operand, side) if isinstance(operand, Handle) else operand for operand in operands]
            with quiet():
                try:
                    outcomes.append((program(module, *given), None))
                except Exception as error:
                    outcomes.append((None, error))
        (expected, refused), (actual, also_refused) = outcomes
        assert type(refused) is type(also_refused), f"expected {refused!r}, got {also_refused!r}"
        return None if refused else Handle(expected, actual)

    def keep(self, *handles):
        """Add handles to the bundle, unless a rule gave none, or no array."""
        kept = [handle for handle in handles if handle is not None and isinstance(handle.expected, real.ndarray)]
        self.live += kept
        for handle in handles:
            if handle is not None:
                assert_same_kind(handle)
        return multiple(*kept)

    # -- making

    @initialize(target=handles, array=strategies.arrays(DTYPES, SHAPES))
    def first(self, array):
        return self.keep(self.both(lambda np: np.array(array)))

    @rule(target=handles, array=strategies.arrays(DTYPES, SHAPES))
    def create(self, array):
        return self.keep(self.both(lambda np: np.array(array)))

    @rule(target=handles, array=strategies.arrays(DTYPES, SHAPES))
    def share(self, array):
        """A real ndarray, kept as a handle too, and the module's array over its memory."""
        foreign = Handle(fresh(array), fresh(array))
        return self.keep(foreign, self.both(lambda np, x: np.asarray(x), foreign))

    @rule(target=handles, halves=strategies.halves(DTYPES))
    def interleave(self, halves):
        pair = Handle(fresh(halves), fresh(halves))
        return self.keep(*(self.both(lambda np, x, i=i: np.asarray(x[i]), pair) for i in range(2)))

    @rule(target=handles, handle=handles, order=st.sampled_from("CFK"))
    def copy(self, handle, order):
        return self.keep(self.both(lambda np, x: x.copy(order), handle))

    # -- looking

    @rule(target=handles, handle=handles, look=st.sampled_from(VIEWS))
    def view(self, handle, look):
        return self.keep(self.both(lambda np, x: look(x), handle))

    @rule(target=handles, handle=handles, data=st.data())
    def index(self, handle, data):
        index = data.draw(strategies.indices(handle.expected.shape))
        return self.keep(self.both(lambda np, x: x[index], handle))

    @rule(target=handles, handle=handles, name=st.sampled_from(REDUCTIONS), data=st.data())
    def reduce(self, handle, name, data):
        ndim = handle.expected.ndim
        axis = data.draw(st.one_of(strategies.axes(ndim), strategies.axes(ndim), strategies.invalid_axes(ndim)))
        keepdims = data.draw(st.booleans())
        return self.keep(self.both(lambda np, x: getattr(np, name)(x, axis=axis, keepdims=keepdims), handle))

    # -- computing

    @rule(target=handles, handle=handles, name=st.sampled_from(UNARY))
    def unary(self, handle, name):
        return self.keep(self.both(lambda np, x: getattr(np, name)(x), handle))

    @rule(
        target=handles,
        left=handles,
        right=handles | strategies.scalars(),
        operate=st.sampled_from(ARITHMETIC),
        swap=st.booleans(),
    )
    def binary(self, left, right, operate, swap):
        return self.keep(self.both(lambda np, x, y: operate(y, x) if swap else operate(x, y), left, right))

    # -- writing

    @rule(handle=handles, other=handles | strategies.scalars(), operate=st.sampled_from(IN_PLACE))
    def in_place(self, handle, other, operate):
        def program(np, x, y):
            operate(x, y)

        self.both(program, handle, other)

    @rule(handle=handles, data=st.data(), other=handles | strategies.scalars())
    def assign(self, handle, data, other):
        index = data.draw(strategies.indices(handle.expected.shape))
        if in_range(getattr(other, "expected", other), handle.expected.dtype):  # other casts are undefined
            self.both(lambda np, x, y: x.__setitem__(index, y), handle, other)

    @rule(
        target=handles,
        left=handles,
        right=handles | strategies.scalars(),
        out=handles,
        name=st.sampled_from(("add", "multiply", "maximum")),
    )
    def into_out(self, left, right, out, name):
        return self.keep(self.both(lambda np, x, y, z: getattr(np, name)(x, y, out=z), left, right, out))

    @rule(handle=handles, value=st.sampled_from((0, 1, 5)))
    def write_as_foreign(self, handle, value):
        """Other code writes into the array's memory through NumPy's own array of it."""
        if handle.expected.dtype != bool or value < 2:
            self.both(lambda np, x: real.asarray(x).__setitem__(Ellipsis, value), handle)

    # -- letting go

    @precondition(lambda self: len(self.live) > 1)
    @rule(handle=consumes(handles))
    def drop(self, handle):
        self.live.remove(handle)
        handle.expected = handle.actual = None

    @rule(handle=handles)
    def read(self, handle):
        assert_same(handle.expected, handle.actual)

    @invariant()
    def compare(self):
        if self.often:
            self.compare_all()

    def compare_all(self):
        for handle in self.live:
            assert_same(handle.expected, handle.actual)

    def teardown(self):
        self.compare_all()


def assert_same_kind(handle):
    """What is known without evaluation is compared at once; scalars, which are not kept, in full."""
    if isinstance(handle.expected, real.ndarray):
        assert handle.expected.shape == handle.actual.shape and handle.expected.dtype == handle.actual.dtype
    else:
        assert_same(handle.expected, handle.actual)


class PatientMachine(Machine):
    """Compares where a rule reads and at the end, so that pending work piles up."""

    often = False


MODEST = settings(max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck), deadline=None)
TestMachine = Machine.TestCase
TestMachine.settings = MODEST
TestPatientMachine = PatientMachine.TestCase
TestPatientMachine.settings = MODEST


@pytest.mark.parametrize("machine", [Machine, PatientMachine])
@pytest.mark.parametrize("fault", [broken.ViewsCopy, broken.InPlaceMakesNew, broken.RaisesAnother])
def test_machine_finds_faults(machine, fault, monkeypatch):
    monkeypatch.setattr("tests.test_machine.module_under_test", lambda: broken.numpy_with(fault))
    search = settings(MODEST, max_examples=300, report_multiple_bugs=False, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=search)
