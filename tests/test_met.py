"""What the extension keeps of operations that it met lately: the same of other arrays, arguments and indices is not
taken for it. NumPy is asked, so that this holds without the extension, too."""

import re

import numpy as np
import pytest

from .helpers import module_under_test

lt = module_under_test()


def _indexed_alike():
    """Indices and arrays of which pairs differ in one thing that the extension has to see."""
    indices = [np.s_[1:-1], np.s_[1:], np.s_[:-1], np.s_[::2], np.s_[::-1], (np.s_[1:-1],), np.s_[..., 1:],
               np.s_[None, 1:], 1, (1, np.s_[:]), np.s_[1:1], np.s_[1:300], np.s_[1:301],
               (np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])]
    base = np.arange(24.0)
    arrays = [base.reshape(6, 4), base.reshape(4, 6), base.reshape(6, 4).T, base.reshape(6, 4)[::-1],
              base.reshape(3, 2, 4), base.reshape(6, 4).astype("f4"), base.reshape(24, 1), base.reshape(1, 24),
              base[:0].reshape(0, 4),
              base.reshape(6, 4).astype(">f8")]
    return [(index, array) for index in indices for array in arrays]


def test_parts_of_arrays_are_those_of_their_geometry():
    for _ in range(3):  # what was met before, and what took its place
        for index, array in _indexed_alike():
            there = np.array(array)
            try:
                want = there[index]
            except IndexError:
                continue
            if not isinstance(want, np.ndarray):
                continue
            for x, y in ((lt.array(array), want), (lt.array(array) + 0, (there + 0)[index]),
                         (lt.array(array)[::-1], there[::-1][index])):
                part = x[index]
                assert part.shape == y.shape and part.strides == y.strides and part.dtype == y.dtype
                inner = part[1:] if part.ndim and len(part) else part
                assert (part.numpy() == y).all() and (inner.numpy() == (y[1:] if y.ndim and len(y) else y)).all()


def test_parts_that_were_met_are_written_to():
    x, y = lt.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4)
    for k in range(5):
        x[1:, ::2] += k
        y[1:, ::2] += k
        x[1:][::2, 1:] *= 2
        y[1:][::2, 1:] *= 2
        assert (x.numpy() == y).all()


def test_a_part_that_was_met_is_put_back_as_itself():
    """``x[1:-1] += 1`` is no store besides: the view has an index like it."""
    x = lt.arange(100.0)
    for _ in range(4):
        index = slice(1, -1)
        assert x[index]._value.steps[-1][1][0] == index
        x[index] += 1
    assert (x.numpy() == np.arange(100.0) + 4 * (np.arange(100) % 99 != 0)).all()


def test_reductions_know_ints_from_bools_and_layouts():
    for array in (np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(4, 3).T, np.arange(12).reshape(3, 4)):
        x = lt.array(array)
        for _ in range(2):
            for options in ({"axis": 1}, {"axis": 0}, {"axis": (0,)}, {"axis": -1, "keepdims": True}, {},
                            {"axis": 1, "keepdims": 1}, {"dtype": "f4"}, {"axis": 0, "dtype": np.float32}):
                got, want = x.sum(**options), array.sum(**options)
                assert got.shape == want.shape and got.dtype == want.dtype and (np.asarray(got) == want).all()
            for axis in (True, 1.0):
                try:
                    want = array.sum(axis=axis)
                except TypeError as error:
                    with pytest.raises(TypeError, match=re.escape(str(error))):
                        x.sum(axis=axis)
                else:
                    assert (x.sum(axis=axis).numpy() == want).all()


def test_clip_drops_the_bounds_that_numpy_drops():
    for dtype in ("i1", "u1", "i2", "u2", "i4", "u8", "f2", "f4", "f8", "?"):
        array = np.array([0, 1, 100, 3]).astype(dtype)
        for bounds in ((0, 2), (-200, 100), (1, 127), (1, 255), (0, 300), (0.5, 2), (0.0, 2.5), (300, 400), (-5, -1),
                       (2, 1), (True, 2), (np.nan, 2), (1 << 20, 1 << 40)):
            for _ in range(2):
                for call in (lambda np, x, bounds=bounds: np.clip(x + x, *bounds),
                             lambda np, x, bounds=bounds: (x + x).clip(*bounds)):
                    compare(call, array)


def compare(call, array):
    """The same on both: value and dtype, or exception."""
    try:
        want = call(np, array)
    except Exception as error:
        with pytest.raises(type(error)):
            call(lt, lt.array(array)).numpy()
        return
    got = call(lt, lt.array(array))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.numpy(), want)


def test_where_knows_its_operands():
    condition, x = np.array([True, False, True]), np.arange(3.0)
    cases = [(condition, x, 1), (condition, x, 2), (condition, x, True), (condition, x, 1.0),
             (condition, x.astype("f4"), 1.0), (condition, x.astype("i4"), 1),
             (condition[:2], x[:2], 1), (condition, 1, 2),
             (condition[:, None], x, 1),
             (condition, x[::-1], 1), (x > 1, x, x)]
    for _ in range(3):
        for case in cases:
            want = np.where(*case)
            got = lt.where(*[lt.array(v) if isinstance(v, np.ndarray) else v for v in case])
            assert got.dtype == want.dtype and got.strides == want.strides
            np.testing.assert_array_equal(got.numpy(), want)


def test_memory_that_is_pinned_is_counted_as_nodes_come_and_go():
    large = lt.ones(1 << 18)
    with lt.config(pinned=1 << 24):
        sums = []
        for i in range(200):
            kept = (large * i).sum()
            if i % 3 == 0:
                sums.append((i, kept))
            del kept
        assert all(float(s) == i * (1 << 18) for i, s in sums)


class _Movable:
    """An index that may be another number later."""

    def __init__(self, at):
        self.at = at

    def __index__(self):
        return self.at


def _moved(bound, at):
    if isinstance(bound, _Movable):
        bound.at = at
    else:
        bound[...] = at


@pytest.mark.parametrize("make", [_Movable, np.array, lt.array])
def test_bounds_are_what_they_were_when_a_part_was_taken(make):
    """Also of parts that are read and written after the bound has become another number."""
    for pending in (False, True):
        x, y, bound = lt.arange(24.0).reshape(4, 6), np.arange(24.0).reshape(4, 6), make(1)
        if pending:
            x = x + 0
        parts = [(a[bound:], a[bound:][:, :bound], a[None, :, ::bound], a[bound:, [0, 2]]) for a in (x, y)]
        x[bound:, 1] = x[:3, 0] + 1
        y[bound:, 1] = y[:3, 0] + 1
        x[bound:] += 1
        y[bound:] += 1
        x[:bound] = lt.ones(6) * 3
        y[:bound] = np.ones(6) * 3
        _moved(bound, 2)
        x[3] *= 2
        y[3] *= 2
        assert np.asarray(x).tolist() == y.tolist()
        for mine, theirs in zip(*parts, strict=True):
            assert mine.shape == theirs.shape and np.asarray(mine).tolist() == theirs.tolist()
    with pytest.raises(TypeError, match="slice indices must be integers"):
        lt.arange(3.0)[1.5:]


@pytest.mark.parametrize("make", [_Movable, np.array, lt.array])
def test_views_are_what_they_were_when_they_were_taken(make):
    for pending in (False, True):
        x, y, bound = lt.arange(24.0).reshape(4, 6), np.arange(24.0).reshape(4, 6), make(1)
        if pending:
            x = x + 0
        views = [(a.diagonal(bound), a.swapaxes(bound, 0), a[:1].squeeze(0).reshape(bound, 6), a[None].squeeze(make(0)))
                 for a in (x, y)]
        _moved(bound, 0)
        x += 1
        y += 1
        for mine, theirs in zip(*views, strict=True):
            assert mine.shape == theirs.shape and np.asarray(mine).tolist() == theirs.tolist()


def test_axes_are_what_they_were_when_a_view_was_taken():
    x, y, axes = lt.arange(24.0).reshape(4, 6), np.arange(24.0).reshape(4, 6), np.array([1, 0])
    mine, theirs = x.transpose(axes), y.transpose(axes)
    axes[:] = 0, 1
    x += 1
    y += 1
    assert np.asarray(mine).tolist() == theirs.tolist()


@pytest.mark.parametrize("name", ["sum", "max", "mean", "std", "all", "argmax", "cumsum"])
@pytest.mark.parametrize("make", [_Movable, np.array])
def test_axes_in_tuples_may_be_any_index(make, name):
    axis = make(0)
    for shape in ((4, 6), (200, 300)):
        y = np.arange(float(np.prod(shape))).reshape(shape)
        for at in (0, 1, 0, 5):
            _moved(axis, at)
            try:
                want = getattr(y, name)(axis=(axis,))
            except (TypeError, ValueError) as error:
                with pytest.raises(type(error), match=re.escape(str(error))):
                    getattr(lt.array(y), name)(axis=(axis,))
                continue
            got = np.asarray(getattr(lt.array(y), name)(axis=(axis,)))
            assert got.shape == want.shape and (got == want).all()


@pytest.mark.parametrize("line", ["-x", "x - x.sum()", "x / 3", "x + x", "abs(x)", "2 - x", "x ** 2"])
def test_dtypes_are_numpys_own_objects_after_another_byte_order(line):
    for char in (">f8", "f8", ">f4", "f4"):
        for _ in range(3):
            y = eval(line, {"x": lt.ones((200, 200), char).copy()})
            assert char[0] == ">" or y.dtype is np.dtype(char)
