"""What NumPy's own tests of its core have found: each program here once gave something else than with NumPy."""

import copy
import ctypes
import gc
import inspect
import operator
import pickle
import sys
import warnings
import weakref

import numpy
import pytest

import lazytensor
from tests.helpers import check_same


def error_of(function, *args, **kwargs):
    """The type of the error that a call raises, or what it gives."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__


# ---------------------------------------------------------------- ufuncs


def test_our_ufuncs_equal_numpys():
    assert lazytensor.add == numpy.add and numpy.add == lazytensor.add
    assert hash(lazytensor.add) == hash(numpy.add)
    assert lazytensor.add != lazytensor.subtract and lazytensor.add != numpy.subtract
    listed = [numpy.sin, numpy.cos]
    listed.remove(lazytensor.sin)
    assert listed == [numpy.cos]
    assert callable(lazytensor.ufunc.resolve_dtypes)


def options_of_ufuncs(np):
    a = np.arange(4.0)
    scalar = np.add(1, 2, out=...)
    return (type(scalar) is np.ndarray, np.add(a, 1, out=...), np.add.reduce(a, out=...),
            error_of(np.add, 1, 2, ...), error_of(np.negative, 1, out=(...,)), error_of(np.add.reduce, 1, out=(...,)),
            error_of(np.add, a, 1, nosuch=None), error_of(np.add, a, 1, casting=None), np.add(a, 1, order=None),
            np.add(1, 2, dtype=float), np.true_divide(a, 2, dtype=np.dtype("f8")), error_of(np.modf, a, out=None),
            error_of(np.divmod, 1, 2, out=(np.empty(()), ...)), error_of(np.add.reduce),
            error_of(np.add.reduce, a, 0, None, None, False, 0, True, 1))


def outputs_in_part(np):
    a, out = np.array([5.7, -2.5]), np.empty(2)
    first, second = np.frexp(a, out)
    third, fourth = np.modf(a, None, out)
    return first is out, first, second, third, fourth is out, fourth


def given_to_an_override(np):
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return method, len(inputs), sorted(kwargs)

    class Failing:
        def __array__(self, *args, **kwargs):
            raise NotImplementedError

    t = np.arange(3.0)
    return (np.add(t, Other()), np.sin(t, out=Other()), np.sin(Other(), None), np.modf(t, None, Other()),
            t.__array_ufunc__(np.add, "__call__", t, Other()) is NotImplemented,
            error_of(np.matmul, Failing(), Failing()), error_of(np.dot, Failing(), Failing()))


# ---------------------------------------------------------------- methods that take arrays


def methods_that_take_arrays(np):
    a = np.array([0.5, 0.1, 0.9, 0.3])
    order = a.argsort()
    out = np.empty(2)
    taken = a.take(np.array([2, 0]), out=out)
    return (a.searchsorted(np.array([0.2, 0.8]), sorter=order), a.searchsorted(np.array([0.2, 0.8]), "left", order),
            np.array([0, 1, 0, 1]).choose(a, a * 2), a.compress(np.array([True, False, True])), taken is out, out,
            a.repeat(np.array([1, 0, 2, 1])), a.argpartition(np.array([1])).shape,
            np.array([1, 0]).choose(*np.arange(4.0).reshape(2, 2)))


def dot_by_name(np):
    a = np.arange(4.0).reshape(2, 2)
    out = np.empty((2, 2))
    return a.dot(b=a, out=out) is out, out, a.dot(a), error_of(a.dot)


def shapes_that_are_not_ints(np):
    a = np.arange(6)
    one = np.int64(2)
    return ([a.reshape(shape) for shape in ((one, 3), [one, -1], np.array([3, 2]), np.int8(6), (np.array(2), 3), (6,))],
            a.reshape(one, -1), np.reshape(a, (3, 2), "F"), np.reshape(a, shape=(3, 2), order="C"),
            [error_of(a.reshape, *shape) for shape in ((), (1.5,), ((6.0,),), (True,), ((True, -1),), ("a",), (4, -1),
                                                       (-2, -3), (np.array(6.0),), (np.bool_(True), -1))],
            error_of(np.reshape, a))


def bounds_of_clip(np):
    a = np.arange(5)
    return (error_of(np.clip, a, 2), error_of(np.clip, a, a_max=2), error_of(np.clip, a, 2, 3, max=3), np.clip(a),
            np.clip(a, min=2), np.clip(a, max=2), np.clip(a, None, 3))


def shapes_of_resize(np):
    a = np.eye(3)
    a.resize(None, refcheck=False)
    a.resize(refcheck=False)
    errors = [error_of(a.resize, "hi"), error_of(a.resize, -1), error_of(a.resize, order=1),
              error_of(a.resize, (2, 2), refcheck="hi"), error_of(a[1:].resize, (1, 7))]
    numpy.asarray(a)  # takes the old memory
    a.resize((2, 5), refcheck=False)
    records = np.array([(1, 0.5)] * 3, "u4,f4")
    records.resize(5, refcheck=False)
    return errors, a, numpy.asarray(a)[1, 4], records, numpy.asarray(records).shape


def layouts_of_resize(np):
    makers = (lambda: np.arange(24.0).reshape(8, 3), lambda: np.asfortranarray(np.arange(24.0).reshape(8, 3)),
              lambda: np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2).copy(order="K"), lambda: np.zeros((0, 3)),
              lambda: np.arange(24.0).reshape(8, 3).T, lambda: np.arange(48.0)[::2], lambda: np.array(3.0))
    found = []
    for make in makers:
        for shape in ((10,), (5, 2), (12, 3), (8, 3), (3, 8), (24,), (2, 3, 4), (0,), (1, 30)):
            a = make()
            part = a[:1] if a.ndim else a
            error = error_of(a.resize, shape, refcheck=False)
            if a.size == part.size * 8:
                part[...] = 7
            found.append((error, a.shape, a.strides if a.size else 0, a))
    return found


def conjugates_without_axes(np):
    return np.array(5j).conjugate(), np.array(5).conjugate(), error_of(np.array("s").conjugate)


# ---------------------------------------------------------------- arrays of objects


def objects_are_those_given(np):
    t, cell, inside = np.arange(3), np.array(5), [1]
    a = np.empty(2, object)
    a[0] = t
    t[0] = 9
    a[1] = cell
    same = [a[0] is t, a[1] is cell]
    a[:] = [t, None]
    same.append(a[0] is t)
    made = np.array([t, [inside]], dtype=object)
    same += [made[0] is t, made[1][0] is inside, np.array([cell, None])[0] is cell]
    filled = np.empty(2, object)
    filled.fill(t)
    record = np.zeros(1, [("a", object), ("b", int)])
    record[0] = (t, 2)
    same += [filled[1] is t, record[0]["a"] is t]
    holder = np.empty((), object)
    holder[()] = inside
    same.append(holder.item() is inside)
    b = np.empty((2, 3), object)
    b[:] = t
    return same, b, error_of(operator.setitem, b, slice(None), np.arange(4)), a[0] + 1, t


def lists_are_read_only_once(np):
    loop = []
    loop.append(loop)
    deep = inner = []
    for _ in range(200):
        inner.append([])
        inner = inner[0]
    holding = [np.arange(2)]
    holding.append(holding)
    return (np.array([loop, loop], dtype=object).shape, np.array([loop, [None]], dtype=object).shape,
            error_of(np.array, deep), error_of(np.concatenate, deep))


# ---------------------------------------------------------------- what is given back


def what_array_functions_give_back(np):
    base = np.arange(3)

    class Holder:
        def __array__(self, dtype=None, copy=None):
            return base

    holder = Holder()
    short, metadata = np.zeros(3, "i"), numpy.dtype("i", metadata={"a": 1})
    seen = np.asarray(short, dtype=metadata)
    long = np.zeros(2, "l")
    return (np.asarray(holder) is base, np.array(holder, copy=True) is base, np.array(holder, copy=None) is base,
            np.array([holder, holder]), np.array(holder, dtype=float), base[holder],
            np.zeros((2, 3))[1, Holder()], seen is short, seen.base is short, np.asarray(short, dtype="i") is short,
            np.array(long, dtype="q", copy=True).flags.owndata, np.asarray(long, "q").base is long)


def strides_that_are_set(np):
    x = np.arange(10)
    view = np.ndarray([4], dtype=int, buffer=x, offset=4 * x.itemsize)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated
        view.strides = -x.itemsize
    return view, view * 2, view.strides, x


def alignment(np):
    off = np.zeros(65, np.int8)[1:].view(np.int64)
    off[:] = np.arange(8)
    packed, padded = np.zeros(1, "u1,c8"), np.zeros(1, np.dtype("u1,c8", align=True))
    flags = [x.flags for x in (off, off[1:], off * 1, packed["f1"], padded["f1"], np.zeros((2, 2), order="F"))]
    return ([(f.aligned, f["A"], f.behaved, f.carray, f.farray, f["CARRAY"], f.num & 256) for f in flags],
            np.count_nonzero(off), off)


@pytest.mark.parametrize("program", [
    options_of_ufuncs, outputs_in_part, given_to_an_override, methods_that_take_arrays, dot_by_name,
    shapes_that_are_not_ints, bounds_of_clip, shapes_of_resize, layouts_of_resize, conjugates_without_axes,
    objects_are_those_given, lists_are_read_only_once, what_array_functions_give_back, strides_that_are_set, alignment,
], ids=lambda program: program.__name__)  # fmt: skip
def test_same_as_numpy(program):
    check_same(program)


# ---------------------------------------------------------------- views of views


def test_many_views_of_views_are_one_step():
    x = lazytensor.arange(5000.0) * 1
    whole = x
    while x.size > 3:
        x = x[1:-1]
    assert len(x._value.steps) < 32
    x += 0.5
    expected = numpy.arange(5000.0)
    expected[2499:2501] += 0.5
    assert (numpy.asarray(whole) == expected).all() and x.base is whole


def turned_many_times(np):
    root = np.arange(36.0).reshape(6, 6) * 2
    view = root
    for i in range(40):
        view = view[::-1].T if i % 3 else view[1:] if view.shape[0] > 2 else view
    view[...] += 1
    view[0] = view[1] * 3
    return root, view, view.strides, view.T.copy()


def test_many_turns():
    check_same(turned_many_times)


# ---------------------------------------------------------------- life, size, signatures


def test_ctypes_keeps_the_array_alive():
    t = lazytensor.arange(3.0).copy()
    seen, pointer = weakref.ref(t), t.ctypes.data_as(ctypes.c_void_p)
    del t
    gc.collect()
    assert seen() is not None and ctypes.cast(pointer, ctypes.POINTER(ctypes.c_double))[2] == 2.0
    del pointer
    gc.collect()
    assert seen() is None


def test_sizes_of_objects():
    for np in (numpy, lazytensor):
        t = np.ones((4, 5))
        sizes = [sys.getsizeof(x) for x in (t, t[:2], t.reshape(-1), np.ones(()), t.copy())]
        if np is numpy:
            expected = sizes
    assert sizes == expected


def test_signatures_of_methods_are_numpys():
    for name in ("sum", "reshape", "dot", "searchsorted", "__array__", "astype", "__complex__", "cumsum"):
        assert inspect.signature(getattr(lazytensor.ndarray, name)) == inspect.signature(getattr(numpy.ndarray, name))


def test_attributes_that_cannot_be_set():
    t = lazytensor.arange(3)
    with pytest.raises(AttributeError, match="attribute 'device' of 'numpy.ndarray' objects is not writable"):
        t.device = "gpu"
    with pytest.raises(TypeError):
        del t.flat[0]


def test_pickles_out_of_band_share_memory():
    for np in (numpy, lazytensor):
        t, buffers = np.arange(10), []
        data = pickle.dumps(t, protocol=5, buffer_callback=buffers.append)
        other = pickle.loads(data, buffers=buffers)
        t[0] = -1
        assert other[0] == -1
    assert (copy.copy(t) == t).all()
