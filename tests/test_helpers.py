"""The differential helper itself: it sees each kind of difference, and none where there is none."""

import types

import numpy as real
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import broken, helpers, strategies
from tests.helpers import assert_same, assert_stays_pending, check_same, counting_hook, difference, fresh, same_bits

NAN = real.nan
NEGATIVE_NAN = real.array([0xFFF8000000000001], "u8").view("f8")
RECORD = real.dtype([("x", "f8"), ("part", "f4", (2,))])


def record(x, part):
    return real.array([(x, part)], RECORD)


@pytest.mark.parametrize(("a", "b"), [
    (real.array([NAN]), NEGATIVE_NAN),
    (real.array([NAN + 1j]), NEGATIVE_NAN + 1j),
    (real.array([1.5], "g"), real.array([1.5], "g")),
    (real.array([NAN, -0.0], ">f4"), real.array([-NAN, -0.0], ">f4")),
    (real.array(["NaT", 3], "M8[s]"), real.array(["NaT", 3], "M8[s]")),
    (record(NAN, [0, -0.0]), record(-NAN, [0, -0.0])),
    (real.array(["a", ""]), real.array(["a", ""])),
    (real.array([1, "a", None, NAN], object), real.array([1, "a", None, float("nan")], object)),
    (real.array([b"ab"], "V2"), real.array([b"ab"], "V2")),
    (real.zeros((0, 3)), real.zeros((0, 3))),
    (real.float16(-0.0), real.float16(-0.0)),
])  # fmt: skip
def test_same(a, b):
    assert same_bits(real.asarray(a), real.asarray(b))
    assert_same(a, b)


def long_double_with_padding(byte):
    """1.5 with the bytes that a long double leaves unused set."""
    raw = real.array([1.5], "g").view("u1").copy()
    raw[10:] = byte
    return raw.view("g")


def test_padding_of_a_long_double_does_not_count():
    assert same_bits(long_double_with_padding(0), long_double_with_padding(0))
    if real.dtype("g").itemsize == 16 and real.finfo("g").nmant == 63:  # x86: ten bytes in sixteen
        assert same_bits(long_double_with_padding(0), long_double_with_padding(255))


@pytest.mark.parametrize(("a", "b"), [
    (real.array([0.0]), real.array([-0.0])),
    (real.array([0.0], "f2"), real.array([-0.0], "f2")),
    (real.array([0.0], "g"), real.array([-0.0], "g")),
    (real.array([0.0], ">f8"), real.array([-0.0], ">f8")),
    (real.array([1.0]), real.array([1.0000000000000002])),
    (real.array([NAN]), real.array([1.0])),
    (real.array([complex(0.0, 1)]), real.array([complex(-0.0, 1)])),
    (real.array([complex(1, 0.0)]), real.array([complex(1, -0.0)])),
    (real.array([complex(NAN, 1)]), real.array([complex(1, NAN)])),
    (real.array([1], "i4"), real.array([1], "i8")),
    (real.array([1], "l"), real.array([1], "q")),
    (real.array([1], "<i4"), real.array([1], ">i4")),
    (real.array(["NaT"], "M8[s]"), real.array([0], "M8[s]")),
    (real.array([1], "M8[s]"), real.array([1], "M8[ms]")),
    (record(0.0, [0, 0]), record(-0.0, [0, 0])),
    (record(0.0, [0, 0.0]), record(0.0, [0, -0.0])),
    (real.array(["a"], "U1"), real.array(["a"], "U2")),
    (real.array(["a"]), real.array(["b"])),
    (real.array([1], object), real.array([1.0], object)),
    (real.array([0.0], object), real.array([-0.0], object)),
    (real.array([b"ab"], "V2"), real.array([b"ac"], "V2")),
    (real.array([2], "u1").view(bool), real.array([1], "u1").view(bool)),
    (real.zeros((2, 3)), real.zeros((3, 2))),
    (real.zeros(()), real.zeros((1,))),
])  # fmt: skip
def test_different_bits(a, b):
    assert not same_bits(a, b)
    assert difference(a, b) is not None


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("a", "b", "word"), [
    (real.zeros((2, 3)), real.zeros((2, 3), order="F"), "f_contiguous"),
    (real.zeros(3), real.zeros(6)[::2], "strides"),
    (real.zeros(3), real.zeros(3)[::-1], "strides"),
    (real.zeros(3), read_only(real.zeros(3)), "writeable"),
    (real.float64(1), real.array(1.0), "kind"),
    (real.float64(1), 1.0, "kind"),
    (True, real.bool_(True), "kind"),
    (1, True, "kind"),
    (0.0, -0.0, "-0.0"),
    (None, real.zeros(1), "kind"),
    ([1, 2], (1, 2), "kind"),
    ([1, 2], [1], "length"),
    ([real.zeros(1), real.zeros(1)], [real.zeros(1), real.ones(1)], "item 1"),
    ({"a": 1}, {"b": 1}, "keys"),
    ({"a": 0.0}, {"a": -0.0}, "-0.0"),
    ("a", "b", "'b'"),
    (real.random.default_rng(1), real.random.default_rng(2), "item"),
])  # fmt: skip
def test_different_results(a, b, word):
    assert word in difference(a, b)
    with pytest.raises(AssertionError):
        assert_same(a, b)


def test_strides_of_axes_without_steps_do_not_count():
    assert_same(real.zeros((1, 3)), real.zeros((5, 3))[:1])
    assert_same(real.zeros((0, 3)), real.zeros((3, 0)).T)


def test_message_names_index_values_and_bits():
    a, b = real.zeros((2, 3)), real.zeros((2, 3))
    b[1, 2] = -0.0
    assert "1 of 6 elements differ; first at [1, 2]" in difference(a, b)
    assert "0000000000000080" in difference(a, b)


# ---------------------------------------------------------------- programs


def differs(program, *args, module, **kwargs):
    with pytest.raises(AssertionError) as caught:
        check_same(program, *args, module=module, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(("array_class", "program", "word"), [
    (broken.ViewsCopy, lambda np: _written_view(np), "differ"),
    (broken.InPlaceMakesNew, lambda np: _added_in_place(np), "differ"),
    (broken.ZeroLosesSign, lambda np: np.array([-1.0]) * 0, "differ"),
    (broken.ScalarStaysArray, lambda np: np.ones(3).sum(), "kind"),
    (broken.PythonNumbersAreWide, lambda np: np.ones(3, "f4") + 1.0, "dtype"),
    (broken.SumsInMemoryOrder, lambda np: (np.arange(35.0).reshape(5, 7) / 3).T.sum(), "differ"),
    (broken.LosesLayout, lambda np: np.ones((2, 3), order="F") - 1, "contiguous"),
    (broken.RaisesAnother, lambda np: np.ones(3)[9], "IndexError"),
])  # fmt: skip
def test_check_same_sees(array_class, program, word):
    check_same(program, module=broken.numpy_with())
    assert word in differs(program, module=broken.numpy_with(array_class))


def _written_view(np):
    a = np.zeros(3)
    a[1:][...] = 1
    return a


def _added_in_place(np):
    a = np.zeros(3)
    b = a
    b += 1
    return a


def test_effects_on_arguments_count():
    def program(np, x):
        x[1:][...] = 5

    check_same(program, real.zeros(3), module=broken.numpy_with())
    assert "arguments" in differs(program, real.zeros(3), module=broken.numpy_with(broken.ViewsCopy))


def test_the_line_that_raises_counts():
    """A module that refuses one step late raises the same, but elsewhere."""

    def program(np, x):
        y = np.reshape(x, (5, 5))
        return np.sum(y)

    late = types.SimpleNamespace(array=real.array, asarray=real.asarray, reshape=lambda x, shape: shape,
                                 sum=lambda shape: real.zeros(3).reshape(shape))  # fmt: skip
    check_same(program, real.zeros(3), module=real)
    assert "raised" in differs(program, real.zeros(3), module=late)


def test_messages_count_when_asked_for():
    other = types.SimpleNamespace(array=real.array, add=lambda x: real.add(x, 1, 2, 3, 4, 5))
    check_same(lambda np, x: np.add(x), real.zeros(3), module=other)
    assert "raised" in differs(lambda np, x: np.add(x), real.zeros(3), module=other, messages=True)


def test_no_exception_where_one_is_due_counts():
    kind = types.SimpleNamespace(array=real.array, add=lambda x: x)
    assert "raised" in differs(lambda np, x: np.add(x), real.zeros(3), module=kind)


# ---------------------------------------------------------------- fresh arguments


@settings(max_examples=150)
@given(strategies.arrays())
def test_fresh_keeps_everything_but_the_memory(array):
    copy = fresh(array)
    assert_same(array, copy)
    assert array.size == 0 or not real.shares_memory(array, copy)


@given(
    st.sampled_from(("f8", "O", "f8,i4")),
    st.sampled_from(((slice(1, None), slice(None, -1)), (slice(None), slice(1, None, 2)))),
)
def test_fresh_keeps_aliasing(dtype, parts):
    whole = real.zeros(6, dtype)
    first, second, same = fresh([whole[parts[0]], whole[parts[1]], whole[parts[0]]])
    assert real.shares_memory(first, second) and not real.shares_memory(first, whole)
    assert_same([first.strides, second.shape, same], [whole[parts[0]].strides, whole[parts[1]].shape, whole[parts[0]]])
    base, view = fresh([whole, whole[::-2]])
    view[...] = 1
    assert base[5] == base[1] != base[0]


def test_fresh_keeps_identity():
    array = real.zeros(3)
    first, second = fresh([array, {"again": array}])
    assert second["again"] is first


# ---------------------------------------------------------------- the module under test


@settings(max_examples=150)
@given(strategies.arrays(), st.data())
def test_any_index_of_any_array(array, data):
    index = data.draw(strategies.indices(array.shape))
    check_same(lambda np, x: x[index], array)


@settings(max_examples=100)
@given(strategies.arrays(strategies.dtypes(strategies.NUMBERS)), strategies.scalars(), st.data())
def test_any_reduction_of_a_sum(array, scalar, data):
    axis = data.draw(st.one_of(strategies.axes(array.ndim), strategies.invalid_axes(array.ndim)))
    name = data.draw(st.sampled_from(("sum", "max", "mean", "any", "argmin")))
    check_same(lambda np, x: getattr(np, name)(x + scalar, axis=axis), array)


# ---------------------------------------------------------------- what stays pending


class Pending:
    """A module that computes when read, as far as these tests need one."""

    __module__ = "lazytensor"

    def __init__(self, compute, hooks):
        self.compute, self.hooks = compute, hooks

    def __array__(self, dtype=None, copy=None):
        for hook in self.hooks:
            hook(self)
        return self.compute()

    def __pos__(self):
        return Pending(lambda: +real.asarray(self), self.hooks)

    def __getattr__(self, name):
        if name.startswith("__"):  # NumPy would take the memory by __array_interface__, past the hook
            raise AttributeError(name)
        return getattr(self.compute(), name)


@pytest.fixture
def stand_in(monkeypatch):
    hooks = []
    module = types.ModuleType("stand_in")
    module.array = lambda x: Pending(lambda: x, hooks)
    interpreter = types.ModuleType("stand_in.run.interpreter")
    interpreter.on_execute = hooks
    known = {"stand_in": module, "stand_in.run.interpreter": interpreter}
    monkeypatch.setattr(helpers, "MODULE", "stand_in")
    monkeypatch.setattr(helpers.importlib, "import_module", known.__getitem__)
    return hooks


def test_stays_pending(stand_in):
    assert_stays_pending(lambda x: +x)
    assert stand_in == []


def test_what_runs_at_once_is_seen(stand_in):
    with pytest.raises(AssertionError, match="executed while written"):
        assert_stays_pending(lambda x: +real.asarray(x))


def test_a_dead_hook_is_seen(stand_in, monkeypatch):
    monkeypatch.setattr(Pending, "__array__", lambda self, dtype=None, copy=None: self.compute())
    with pytest.raises(AssertionError, match="no node"):
        assert_stays_pending(lambda x: +x)


def test_hook_is_taken_off_again(stand_in):
    with pytest.raises(ZeroDivisionError), counting_hook():
        assert len(stand_in) == 1
        raise ZeroDivisionError
    assert stand_in == []
