"""NumPy's numbers and lazy scalars as indices and as operands: in C as in Python, and as in NumPy."""

import subprocess
import sys
import warnings

import numpy as real
import pytest

from lazytensor import hot
from lazytensor.api import indexing, operators, ufuncs
from lazytensor.ir.node import Node

from .helpers import check_same, module_under_test

needs_extension = pytest.mark.skipif(hot.native is None, reason="the extension was not built here")


class Place:
    def __index__(self):
        return 1


class Places(tuple):
    pass


PLACES = {
    "lazy": lambda np: np.argmax(np.array([1.0, 4.0, 2.0])), "pending": lambda np: (np.arange(3.0) * 2).argmax() - 1,
    "int64": lambda np: real.int64(1), "uint8": lambda np: real.uint8(2), "negative": lambda np: real.int32(-2),
    "outside": lambda np: real.int64(7), "lazy outside": lambda np: np.array([3, 9]).max(),
    "bool": lambda np: real.bool(True), "lazy bool": lambda np: np.array([True, True]).all(),
    "float": lambda np: real.float64(1), "lazy float": lambda np: np.array([0.5, 0.5]).sum(),
    "timedelta": lambda np: real.timedelta64(1), "array": lambda np: np.array(1),
    "unsigned": lambda np: real.uint64(1), "lazy unsigned": lambda np: np.array([1, 0], dtype=real.uint64).max(),
    "object": lambda np: Place(),
}
INDICES = {
    "alone": lambda np, i: i, "row": lambda np, i: (i, slice(None)), "column": lambda np, i: (slice(None), i),
    "two": lambda np, i: (i, i), "mixed": lambda np, i: (i, 1), "slice": lambda np, i: slice(i, None),
    "slices": lambda np, i: (slice(None, i), slice(0, i, i)), "new": lambda np, i: (None, i),
    "dots": lambda np, i: (..., i), "list": lambda np, i: [0, i], "list of two": lambda np, i: ([i, 0], i),
    "tensor": lambda np, i: (np.array([0, 2]), i),
}
INDICES["subclass"] = lambda np, i: Places((i, slice(None)))
OWNERS = {
    "root": lambda np: np.arange(12.0).reshape(3, 4) + 0, "pending": lambda np: np.ones((3, 4)) * 2,
    "view": lambda np: np.arange(24.0).reshape(6, 4)[1::2], "turned": lambda np: np.arange(12).reshape(4, 3).T,
}


@pytest.mark.parametrize("index", [Place(), (slice(None), Place()), Places((0,)), Places((..., None))])
def test_parts_of_what_is_read_only_are_read_only(index):
    def program(np):
        a = np.broadcast_to(np.arange(3.0), (2, 3))
        part = a[index]
        try:
            part += 1
        except ValueError as error:
            return a, part.flags.writeable, part.flags.owndata, str(error)

    check_same(program)


def taken(np, owner, place, index):
    a, i = OWNERS[owner](np), PLACES[place](np)
    return a[INDICES[index](np, i)]


def put(np, owner, place, index):
    a, i = OWNERS[owner](np), PLACES[place](np)
    a[INDICES[index](np, i)] = -1
    a[INDICES[index](np, i)] += 5
    a[INDICES[index](np, i)] = a[0, 1]
    return a


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("owner", OWNERS)
def test_places_are_taken_and_put_as_numpy_does(owner, place, index):
    for do in (taken, put):
        check_same(lambda np, do=do: do(np, owner, place, index), messages=True)


@needs_extension
@pytest.mark.parametrize("place", ["lazy", "pending", "int64", "uint8", "negative"])
def test_python_is_not_asked_for_such_a_place(place, monkeypatch):
    np = module_under_test()
    a, i = np.arange(12.0).reshape(3, 4) + 0, PLACES[place](np)
    float(a[0, 0])
    monkeypatch.setattr(indexing, "_general_getitem", None)
    monkeypatch.setattr(indexing, "_general_setitem", None)
    part = a[i]
    assert part.shape == (4,) and a[i:, 1].ndim == 1 and a[..., i].shape == (3,) and a[[0, i]].shape == (2, 4)
    assert a[i, 1] == part[1] == a[int(i), 1]
    a[i, 1] = 7.0
    a[i] = 2.0
    a[i] += 1.0
    a[i, i:] += 1.0
    assert a[i, 0] == 3.0 and a[i, -1] == 4.0


@needs_extension
def test_a_part_put_back_at_a_lazy_place_is_no_store():
    np = module_under_test()
    a, i = np.arange(2000.0).reshape(500, 4) + 0, np.array([300]).max()
    float(a[0, 0])
    a[i, 1:] += 1.0
    assert a._value.op.name != "setitem" and a._value.a.op.name != "setitem"
    assert a[300].tolist() == [1200.0, 1202.0, 1203.0, 1204.0]


@needs_extension
def test_an_element_of_what_waits_is_looked_at_in_c(monkeypatch):
    np = module_under_test()
    a = np.arange(12.0).reshape(3, 4)[1:] * 2
    monkeypatch.setattr(indexing, "_general_getitem", None)
    assert type(a._value) is Node and a._value.buffer is None
    assert a[1, 2] == 20.0 and a[1:][0, 3] == 22.0
    with pytest.raises(IndexError, match="out of bounds"):
        monkeypatch.undo()
        a[1:][0, 9]


@needs_extension
def test_an_operator_into_a_part_is_learnt_from_parts_alone(monkeypatch):
    np = module_under_test()
    record = operators.record_of(np.bitwise_xor._real)
    record.fast.clear()
    a, b = np.arange(12, dtype="i2").reshape(3, 4) + 0, np.arange(4, dtype="i2")
    a[1] ^= b
    monkeypatch.setattr(operators, "write_ufunc", None)
    a[2] ^= b
    assert a.tolist() == [[0, 1, 2, 3], [4, 4, 4, 4], [8, 8, 8, 8]]


IN_PLACE = {
    "part": lambda np, a, b: b[1:4, 2:6], "row": lambda np, a, b: b[0, 2:6], "column": lambda np, a, b: b[1:4, :1],
    "row of its own": lambda np, a, b: b[0, 2:6] + 0,
    "sum": lambda np, a, b: a.sum(), "largest": lambda np, a, b: b.max(),
    "waits": lambda np, a, b: (b * 2)[1:4, 2:6], "other": lambda np, a, b: b[1:4, 2:6].astype("f4"),
    "a number of its own": lambda np, a, b: b[2, 3],
}


@needs_extension
@pytest.mark.parametrize("operand", IN_PLACE)
def test_an_operator_in_place_takes_parts_rows_and_lazy_scalars_in_c(operand, monkeypatch):
    make = IN_PLACE[operand]

    def program(np):
        a, b = np.arange(12.0).reshape(3, 4) + 0, np.arange(56.0).reshape(7, 8) / 8
        for _ in range(3):
            a += make(np, a, b)
            a[1:] -= make(np, a, b)[..., -2:, :] if make(np, a, b).ndim == 2 else make(np, a, b)
        return a, b
    check_same(program)
    monkeypatch.setattr(operators, "write_ufunc", None)
    check_same(program)


def test_an_operator_in_place_on_what_reads_its_own_array():
    def program(np):
        a = np.arange(20.0).reshape(4, 5) + 0
        a += a[::-1]
        a *= a[:1]
        a -= a[1:2, ::-1]
        a += a[:, :1]
        a[1:] += a[:-1]
        a[1:] *= a[0]
        a /= a.max()
        a[:, 1:] -= a[:, 1:].mean()
        b = np.arange(4) + 0
        b += np.arange(8)[::2]
        b[1:] -= np.arange(4).max()
        try:
            b += a[0, :4]
        except TypeError:
            b *= 3
        return a, b
    check_same(program)
    check_same(program)


def test_an_operator_in_place_on_what_does_not_fit():
    def program(np, write):
        a, b = np.arange(12.0).reshape(3, 4) + 0, np.arange(56.0).reshape(7, 8)
        write(a, b)
        return a
    for write in (lambda a, b: a.__iadd__(b[:3, :3]), lambda a, b: a.__iadd__(b[:, :4]),
                  lambda a, b: a.__imul__(b[:1, None, :4]),
                  lambda a, b: a[1:].__isub__(b[:3, :4]), lambda a, b: a[0].__isub__(b[:2, :4])):
        check_same(program, write)


LEARNT = """
import lazytensor as np
from lazytensor.api import operators
a, b = np.arange(12.0).reshape(3, 4) + 0, np.arange(56.0).reshape(7, 8) * 1
target, value = a{part}, {value}
target -= value
operators.write_ufunc = None
target -= value
print(a.sum().item())
"""


@needs_extension
@pytest.mark.parametrize("part", ["", "[:3]"])
@pytest.mark.parametrize("value", ["b[1:4, 2:6]", "b[0, 2:6]", "b.max()", "b[2, 3]"])
def test_an_operator_in_place_is_learnt_from_the_first_operand(value, part):
    run = subprocess.run([sys.executable, "-c", LEARNT.format(part=part, value=value)], capture_output=True, text=True)
    expected = real.arange(12.0).sum() - 2 * (real.zeros((3, 4)) + eval(
        value, {"b": real.arange(56.0).reshape(7, 8)})).sum()
    assert run.stdout.split() == [str(expected)], run.stderr


NUMBERS = {
    "float64": real.float64(2.5), "float32": real.float32(-1.5), "int64": real.int64(3), "int8": real.int8(-2),
    "uint64": real.uint64(5), "bool": real.bool(True), "complex": real.complex128(1 - 2j), "huge": real.float64(1e308),
    "zero": real.int64(0), "longdouble": real.longdouble(1.25),
}
OPERANDS = {
    "array": lambda np: np.arange(5.0), "part": lambda np: np.arange(12.0)[1::3], "ints": lambda np: np.arange(4),
    "bytes": lambda np: np.arange(4, dtype="u1"), "none": lambda np: np.ones((0, 3)), "point": lambda np: np.array(2.0),
    "sum": lambda np: np.arange(5.0).sum(), "count": lambda np: np.arange(5).max(),
    "waits": lambda np: np.arange(4.0) * 3,
    "half": lambda np: np.ones(3, "f2").sum(), "complex": lambda np: np.array([1j, 2.0]).sum(),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_of_numpys_on_the_left(number, operand):
    x = NUMBERS[number]
    for name, fn in {fn.__name__: fn for fn in (*operators.SCALAR_OPERATORS.values(), divmod)}.items():
        if name == "pow" and operand == "ints" and x.dtype.kind in "iu":
            continue  # integers to negative powers, or none: another test's

        def program(np, fn=fn):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y = OPERANDS[operand](np)
                return [fn(x, y), fn(x, y), fn(y, x)]

        check_same(program)


@needs_extension
def test_python_is_not_asked_for_a_number_on_the_left(monkeypatch):
    np = module_under_test()
    a, s, x = np.arange(6.0), np.arange(6.0).sum(), real.float64(2)
    x * a, x * s, float(x * s), x < s, s * x
    monkeypatch.setattr(ufuncs, "_turned_of", None)
    monkeypatch.setattr(ufuncs, "scalar_operation", None)
    monkeypatch.setattr(operators, "scalar_operation", None)
    assert (x * a).tolist() == [0, 2, 4, 6, 8, 10] and x * s == 30 and x < s
    waits = np.arange(6.0).sum()
    assert float(x * waits) == 30 and float(waits) == 15


def test_where_a_number_on_the_left_warns():
    def program(np):
        x, found = real.float64(1e308), []
        for y in (np.full(3, 10.0), np.full(3, 10.0).sum(), np.array([0.0]).sum()):
            float(y.sum())
            with warnings.catch_warnings(record=True) as given:
                warnings.simplefilter("always")
                str(x * y), str(x / y), str(divmod(x, y))
            found.append([(str(w.message), w.lineno, w.filename) for w in given])
        return found

    check_same(program)


@pytest.mark.parametrize("value", [1e308, real.float64(1e308), [1e308]])
@pytest.mark.parametrize("index", [0, (slice(None), 1), [0, 2], (0, 0)])
def test_a_number_that_does_not_go_in_is_warned_of_once(index, value):
    def program(np):
        a = np.ones((3, 4), "f4")
        a.flat[0] = 2.0  # it has given out its memory once
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            a[index] = value
            a.flat[3] = 1e308
            a.fill(1e308)
            str(a)
        return [(str(w.message), w.lineno, w.filename) for w in given], a

    check_same(program)


FACTORS = [
    1.5, real.float32(2.5), real.float64(3e300), 1e39, 7, -3, 2**30, 2**53 + 1, 2**70, real.int64(5), real.int32(-4),
    real.uint8(9), float("inf"), float("nan"), -0.0, 1e-46, True, real.bool(False), 2j, real.float16(0.1), 2.5]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u1", "?", "c16"])
def test_kernels_take_numbers_that_change_each_time(dtype):
    """Those that fit are put into the kernel's block by the extension, others by Python."""
    def scaled(np):
        found = []
        x = np.array(real.linspace(0, 3, 40).astype(dtype))
        for _ in range(2):
            for factor in FACTORS:
                for value in (factor, np.float64(factor.real) if type(factor) is float else factor):
                    try:
                        y = x * value
                        y = y + value
                        found += [y, np.where(y == y, y, x)]
                    except OverflowError as error:
                        found.append(str(error))
        for k in range(6):
            y = np.array(real.linspace(1, 2, 40).astype("f8"))
            scale = (y * k).sum()
            found += [y * scale - scale, (y * (k / 7) + k) * k]
        return found

    with module_under_test().config(plan_after=1, compile_after=0, eager_after=None):
        check_same(scaled, messages=True)
