"""One memory, in both directions: every way to give an array's memory out or to take memory in, against NumPy."""

import contextlib
import ctypes
import gc
import io
import itertools
import sys
import zlib

import numpy as real
import pytest

from lazytensor.api.handle import is_shared
from lazytensor.run import pool
from tests.helpers import check_same, difference, module_under_test


class Interface:
    """What only knows an address, as a C library would."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self.owner = array


GIVEN_OUT = {
    "asarray": lambda t: real.asarray(t),
    "asanyarray": lambda t: real.asanyarray(t),
    "array without copy": lambda t: real.array(t, copy=False),
    "__array__": lambda t: t.__array__(),
    "__array__ of its dtype": lambda t: t.__array__(t.dtype, copy=False),
    "numpy": lambda t: t.numpy() if hasattr(t, "numpy") else t,
    "from_dlpack": lambda t: real.from_dlpack(t),
    "memoryview": lambda t: real.asarray(memoryview(t)),
    "data": lambda t: real.asarray(t.data),
    "interface": lambda t: real.asarray(Interface(t)),
    "ctypes": lambda t: real.ctypeslib.as_array(t.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), t.shape),
    "nditer": lambda t: real.nditer(t, op_flags=["readwrite"]).operands[0],
    "a view": lambda t: real.asarray(t[...]),
    "transposed twice": lambda t: real.asarray(t.T).T,
    "asfortranarray": lambda t: real.asfortranarray(t.T).T,
    "require": lambda t: real.asarray(real.require(t, requirements="W")),
    "reshape": lambda t: real.asarray(real.reshape(t, -1)).reshape(t.shape),
    "as_strided": lambda t: real.asarray(real.lib.stride_tricks.as_strided(t)),
    "view of a subclass": lambda t: real.asarray(t.view(real.ma.MaskedArray)),
    "matrix": lambda t: real.asarray(t.view(real.matrix)),
    "recarray": lambda t: real.asarray(real.asarray(t).view(real.recarray)),
}
MADE = {
    "realized": lambda np: np.arange(12.0).reshape(3, 4).copy(),
    "pending": lambda np: np.arange(12.0).reshape(3, 4) * 2,
    "written": lambda np: np.add(np.zeros((3, 4)), 1, out=np.ones((3, 4))),
    "large": lambda np: np.ones((200, 400)) * 3,
    "asarray of a real array": lambda np: np.asarray(real.arange(12.0).reshape(3, 4)),
    "frombuffer": lambda np: np.frombuffer(bytearray(96)).reshape(3, 4),
}


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("way", GIVEN_OUT)
def test_memory_given_out_is_the_arrays(way, made):
    def program(np):
        t = MADE[made](np)
        early = [t + 1, t.sum(), t[0] * 2, t[:, 1].copy(), t.T @ t[:, :2]]
        row = t[1]
        out = GIVEN_OUT[way](t)
        out[0, 0] = 100
        seen = [t.sum(), t * 2, row + 1]
        t[1, 1] = -7
        t += 1
        row *= 3
        t[2, 1:] = t[2, :-1]
        between = out.copy()
        out[1] = 5
        late = [row - 1, t.mean(axis=0), t @ t.T]
        del out
        t -= 2
        after = t / 4
        t[0] = 9
        return early, seen, between, late, after, t, row

    check_same(program)


@pytest.mark.parametrize("way", GIVEN_OUT)
def test_memory_outlives_its_array(way):
    def program(np):
        t = np.arange(12.0).reshape(3, 4) + 0.5
        out = GIVEN_OUT[way](t)
        keeper = t[1:] if way in ("ctypes", "interface") else None
        reader = t * 2
        del t
        gc.collect()
        others = [np.zeros((3, 4)) + i for i in range(20)]
        out[0] += 1
        return out, reader, others[3], keeper is None

    check_same(program)


TAKEN_IN = {
    "asarray": lambda np, x: np.asarray(x),
    "asanyarray": lambda np, x: np.asanyarray(x),
    "array without copy": lambda np, x: np.array(x, copy=False),
    "from_dlpack": lambda np, x: np.from_dlpack(x),
    "frombuffer": lambda np, x: np.frombuffer(x.data).reshape(x.shape),
    "ndarray": lambda np, x: np.ndarray(x.shape, x.dtype, x),
    "interface": lambda np, x: np.asarray(Interface(x)),
    "ascontiguousarray": lambda np, x: np.ascontiguousarray(x),
    "require": lambda np, x: np.require(x, requirements=["C", "W"]),
    "reshape": lambda np, x: np.reshape(x, (3, 4)),
    "atleast_2d": lambda np, x: np.atleast_2d(x),
    "broadcast_arrays": lambda np, x: np.broadcast_arrays(x, 1)[0],
    "ravel": lambda np, x: np.ravel(x).reshape(3, 4),
    "swapaxes": lambda np, x: np.swapaxes(np.swapaxes(x, 0, 1), 0, 1),
    "squeeze": lambda np, x: np.squeeze(x),
    "slices": lambda np, x: np.asarray(x[::-1])[::-1],
    "halves": lambda np, x: np.asarray(x.T).T,
    "memoryview": lambda np, x: np.asarray(memoryview(x)),
}


@pytest.mark.parametrize("way", TAKEN_IN)
def test_memory_taken_in_is_shared(way):
    def program(np):
        host = real.arange(12.0).reshape(3, 4)
        t = TAKEN_IN[way](np, host)
        early = [t + 1, t.sum(), -t[0], t.T * 2]
        host[0] = 100
        row, seen = t[2], [t + 1, t.max(axis=0)]
        if t.flags.writeable:
            t[1, 1] = -7
            t += 1
            row[:2] = 50
            np.multiply(t, 2, out=t)
        between = host.copy()
        host *= 3
        return early, seen, between, t, row, host, t.flags.owndata, np.shares_memory(t, host)

    check_same(program)


def test_one_real_array_taken_in_twice_is_one_memory():
    def program(np):
        host = real.arange(6.0)
        a, b = np.asarray(host), np.asarray(host[::2])
        c = a * 2
        b[...] = -1
        a[0] = 8
        d = b + 1
        host[2] = 30
        return a, b, c, d, host, np.may_share_memory(a, b), np.shares_memory(a[1::2], b)

    check_same(program)


@pytest.mark.parametrize("code", "?bBhHiIlLqQefdgFDGSUVmMO")
def test_every_dtype_goes_out_and_comes_back(code):
    def program(np):
        dtype = {"S": "S3", "U": "U3", "V": "V4", "m": "m8[s]", "M": "M8[D]"}.get(code, code)
        host = real.zeros((2, 3), dtype)
        t, u = np.asarray(host), np.zeros((2, 3), dtype)
        out = real.asarray(u)
        host[0], out[0] = 1, 1
        t[1, :2] = host[0, 0]
        u[1, 2] = out[0, 1]
        same = t.__array__() is host or bool(real.shares_memory(real.asarray(t), host))
        return t, u, host, out, same, [x.tobytes() for x in (t, u)] if code not in "OgG" else 0, t.tolist()

    check_same(program)


@pytest.mark.parametrize("copied", [None, True, False])
@pytest.mark.parametrize("dtype", [None, "f8", "f4", "i8", ">f8", object, "U5"])
def test_array_protocol(dtype, copied):
    def program(np):
        t = np.arange(4.0) + 0.5
        results = []
        for give in (lambda: t.__array__(dtype, copy=copied), lambda: real.asarray(t, dtype, copy=copied),
                     lambda: real.array(t, dtype, copy=copied), lambda: np.asarray(t, dtype, copy=copied),
                     lambda: np.array(t, dtype, copy=copied),
                     lambda: np.astype(t, dtype or float, copy=bool(copied))):
            try:
                out = give()
            except ValueError:
                results.append("refused")
                continue
            t[0] += 1
            results += [out, bool(out[0] == t[0])]
        return results

    check_same(program)


@pytest.mark.parametrize("layout", ["C", "F", "strided", "reversed", "0-d", "empty", "broadcast", "read-only"])
def test_buffers_of_every_layout(layout):
    def program(np):
        t = {"C": lambda: np.arange(6.0).reshape(2, 3) + 1, "F": lambda: (np.arange(6.0).reshape(3, 2) + 1).T,
             "strided": lambda: (np.arange(12.0) + 1)[::2], "reversed": lambda: (np.arange(4.0) + 1)[::-1],
             "0-d": lambda: np.array(2.5), "empty": lambda: np.zeros((0, 3)) + 1,
             "broadcast": lambda: np.broadcast_to(np.arange(3.0) + 1, (2, 3)),
             "read-only": lambda: (np.arange(4.0) + 1).astype("i4")}[layout]()
        if layout == "read-only":
            t.flags.writeable = False
        m = memoryview(t)
        facts = [m.format, m.itemsize, m.ndim, m.shape, m.strides, m.readonly, m.nbytes, m.contiguous, m.tolist()]
        file = io.BytesIO()
        asked = [bytes(t), bytearray(t), t.data.tobytes(), m.tobytes(), t.__dlpack_device__()]
        for ask in (lambda: np.from_dlpack(t), lambda: memoryview(t).cast("B").nbytes):
            try:
                asked.append(ask())
            except Exception as error:
                asked.append(type(error).__name__)
        if t.flags.c_contiguous:
            file.write(t)
        return facts, asked, file.getvalue()

    check_same(program)


@pytest.mark.parametrize("taker", [lambda t: io.BytesIO().write(t), lambda t: b"".join([t]), lambda t: zlib.crc32(t),
                                   lambda t: memoryview(t).cast("B")])
def test_buffers_that_are_not_contiguous_are_refused(taker):
    refused = (ValueError, BufferError, TypeError) if sys.version_info >= (3, 12) else (SystemError, TypeError)
    with pytest.raises(refused):
        taker((module_under_test().arange(6.0) + 1)[::2])
    check_same(lambda np: taker(real.asarray((np.arange(6.0) + 1)[::2])))


@pytest.mark.parametrize("make", [lambda np: np.array(["a", "bc"]), lambda np: np.array([b"a"]),
                                  lambda np: np.zeros(2, "i4,f8"),
                                  lambda np: np.zeros(2, ">f8"), lambda np: np.zeros(2, "V3"),
                                  lambda np: np.zeros(1, "M8[s]")])
def test_buffers_of_other_dtypes_come_from_real_arrays(make):
    check_same(lambda np: bytes(real.asarray(make(np))))
    check_same(lambda np: memoryview(real.asarray(make(np))).format)


def test_writes_through_memoryviews_of_pieces():
    def program(np):
        t = np.arange(12, dtype="i4") * 2
        readers, m = [t + 0], memoryview(t)
        m[3] = -1
        m[4:6] = m[8:10]
        readers.append(t.sum())
        t[0:2] = 77
        part = memoryview(t[::3])
        part[1] = 1000
        seen = m.tolist(), part.tolist()
        m.release()
        part.release()
        t <<= 1
        return readers, seen, t

    check_same(program)


# ---------------------------------------------------------------- what arrays say of memory


def test_bases_flags_strides_and_sharing():
    def program(np):
        a = np.arange(24.0).reshape(2, 3, 4)
        b = a.copy() + 1
        views = [b[1:], b.T, b.reshape(6, 4), b[:, ::2], b[..., ::-1], b.ravel(), b.view("i8"), b[0, 0, :1],
                 b.diagonal(), b.swapaxes(0, 1).reshape(-1), b.T.copy(), b + 0,
                 np.broadcast_to(b, (2, 2, 3, 4)), b[None], b[[0]], b.real]
        facts = [(v.base is b, v.base is None, v.flags.owndata, v.flags.writeable, v.flags.c_contiguous, v.strides,
                  v.flags["F"], v.flags.fnc, v.flags.forc, v.flags.contiguous, v.flags.num, str(v.flags))
                 for v in views if v is not b]
        pairs = [(np.shares_memory(x, y), np.may_share_memory(x, y), real.shares_memory(x, y))
                 for x, y in itertools.combinations(views, 2)]
        return facts, pairs, views

    check_same(program)


@pytest.mark.parametrize("made", ["realized", "pending", "asarray of a real array"])
def test_shape_dtype_strides_and_flags_can_be_set(made):
    def program(np):
        results = []

        def attempt(t, name, value, owner=None):
            try:
                setattr(owner if owner is not None else t, name, value)
            except Exception as error:
                results.append((name, type(error).__name__))
            results.append((t, t.shape, t.dtype, t.strides))

        for name, value in (("shape", (4, 3)), ("shape", -1), ("shape", (5, 5)), ("shape", (2, -1)), ("dtype", "i8"),
                            ("dtype", "f4"), ("dtype", "u1"), ("dtype", "c16"), ("dtype", "V3"), ("strides", (8, 8)),
                            ("strides", (800, 8)), ("real", 5), ("imag", 3), ("flat", [1, 2]), ("T", 3), ("size", 2),
                            ("ndim", 1), ("base", None), ("nothing", 1)):
            t = MADE[made](np)
            reader = t[0] + 1
            attempt(t, name, value)
            attempt(t[:, :2], name, value)
            attempt(t.T, name, value)
            results.append(reader)
        for value in (False, True):
            t = MADE[made](np)
            view, whole = t[1:], t[...]
            attempt(t, "writeable", value, t.flags)
            for x in (t, view, whole, t[0], t.T):
                try:
                    x[0] = 4
                except ValueError as error:
                    results.append(str(error))
                results.append(x.flags.writeable)
            attempt(view, "writeable", True, view.flags)
            attempt(whole, "aligned", True, whole.flags)
        return results

    check_same(program)


def test_views_of_an_array_whose_shape_is_set():
    def program(np):
        t = np.arange(12.0) + 1
        view, early = t[2:4], t * 2
        t.shape = 3, 4
        view[0] = 50
        t[2, 3] = 60
        tail = t[1:]
        t.dtype = "i8"
        t.shape = -1
        return t, view, early, tail

    check_same(program)


# ---- an array that somebody else has, and goes on setting attributes of ----------------------------------------------


def test_what_is_set_on_a_real_array_leaves_views_as_they_were():
    def program(np):
        r = real.arange(6.0).reshape(2, 3)
        a = np.asanyarray(r)
        whole, turned = a[...], a.T
        r.setflags(write=False)
        whole[0, 0] = 9
        flags = a.flags.writeable, whole.flags.writeable, r.flags.writeable
        r.setflags(write=True)
        r.shape = 3, 2
        turned += 1
        return flags, whole, turned, r, r.base is None, whole.base is None

    check_same(program)


def test_a_real_array_made_read_only_is_so_for_its_tensor():
    def program(np):
        r = real.arange(4.0)
        a = np.asarray(r)
        r.flags.writeable = False
        try:
            a[1] = 5
        except ValueError as error:
            text = str(error)
        a.flags.writeable = True
        r[0] = 7
        return text, a, r, a.base is None, a.flags.owndata

    check_same(program)


def test_a_real_array_that_is_forgotten_leaves_an_ordinary_tensor():
    np = module_under_test()
    a = np.asarray(real.arange(4.0))
    r = real.arange(4.0)
    b = np.asarray(r)
    part = np.asarray(r[1:])
    r[1] = 8
    assert b.tolist() == [0, 8, 2, 3] and part.tolist() == [8, 2, 3]
    part += 1
    assert r.tolist() == [0, 9, 3, 4] and b.tolist() == r.tolist()
    del r, part
    for t in (a, b):
        t += 1
        assert np is real or not is_shared(t)
    assert b.tolist() == [1, 10, 4, 5]


@pytest.mark.parametrize("dtype", [object, [("a", object), ("b", "i4")]])
def test_a_view_of_objects_outlives_another_shape_of_its_root(dtype):
    def program(np):
        a = np.array([(1, 2), (None, 3), ("x", 4), (5, 6)], dtype) if dtype is not object else np.array(
            [1, None, "x", 2], dtype)
        backwards = a[::-1]
        part = backwards[1:3]
        a.shape = 2, 2
        part[0] = a[0, 0]
        return a, backwards, part

    check_same(program)


def test_memory_that_is_read_only_is_not_written_over():
    def program(np):
        x = np.arange(200_000.0)
        zeros = np.absolute(np.imag(x))  # of real numbers NumPy makes zeros that cannot be written to
        return np.negative(np.imag(x)) + 1, zeros

    for engine in ("numpy", "llvm"):
        with getattr(module_under_test(), "config", lambda **_: contextlib.nullcontext())(engine=engine):
            for _ in range(3):
                check_same(program)


@pytest.mark.parametrize("dtype", ["i2,(2,)f4,?", [("a", "i4"), ("b", [("c", "(2,2)f8")])]], ids=str)
@pytest.mark.parametrize("way", ["tolist", "item", "indexed item"])
def test_arrays_inside_of_structured_elements_see_later_writes(dtype, way):
    """NumPy's `tolist` and `item` give views of fields that are arrays."""
    def program(np):
        x = np.zeros(3, dtype) if way != "item" else np.zeros(1, dtype)
        got = x.tolist() if way == "tolist" else x.item() if way == "item" else x.item(1)
        x[...] = np.ones(x.shape, dtype)
        return repr(got)
    check_same(program)


@pytest.mark.skipif(pool.native is None, reason="the extension is not built")
def test_large_copies_of_real_arrays_begin_at_a_cache_line():
    np, source = module_under_test(), real.arange(10_000.0)
    for dtype in ("f4", "f8", "c16", "i2"):
        x = np.array(source.astype(dtype))
        assert x._value.buffer.ctypes.data % 64 == 0 and difference(source.astype(dtype), x) is None
    x = np.array(source)
    source[0] = 7
    assert x[0] == 0 and np.array(source, copy=False)[0] == 7


@pytest.mark.parametrize("view", ["a[...]", "a.view()", "a.T", "a.reshape(a.shape)", "a.ravel()", "a[...].T"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_views_keep_their_dtype_where_that_of_the_array_is_set(view, shape):
    """Also where its shape is the very object that it was, as that of an array without axes is."""
    def program(np):
        a = np.array(real.full(shape, -5))
        b = eval(view, {"a": a})
        a.dtype = "u8"
        return [real.asarray(x) for x in (a, b, b + 1, b[...])]
    for wanted, found in zip(program(real), program(module_under_test()), strict=True):
        assert (found.dtype, found.shape, found.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())


@pytest.mark.parametrize("change", ["a.shape = 2, 3", "a.dtype = 'u8'", "a.dtype = 'u8'; a.shape = 3, 2"])
@pytest.mark.parametrize("give", ["real.asarray(a)", "memoryview(a)", "np.from_dlpack(a)"])
def test_an_array_whose_shape_or_dtype_was_set_owns_its_memory_when_it_was_given_out(change, give):
    def program(np):
        told = []

        def tell():
            told.append((a.flags.owndata, a.base is None, a.shape, a.tolist()))

        for first, second in ((change, give), (give, change), (change, give + ";" + change), (change, "a += 1")):
            for made in (np.arange(6), np.arange(6) * 2):
                a = made
                del made
                exec(f"{first}\n{second}", {"a": a, "np": np, "real": real})
                tell()
                a += 1
                tell()
                kept = [real.asarray(a)]
                tell()
                kept.clear()
                a.resize(30, refcheck=False)
                tell()
                a.resize(3, refcheck=False)
                tell()
        return told
    assert program(module_under_test()) == program(real)
