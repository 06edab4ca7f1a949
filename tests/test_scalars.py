"""Lazy scalars are NumPy's scalars to a program: types, hashes, Python's number functions, arithmetic by NEP 50."""

import array
import bisect
import cmath
import collections
import copy
import datetime
import decimal
import fractions
import heapq
import itertools
import json
import math
import numbers
import operator
import pickle
import random
import statistics
import struct
import warnings

import numpy as real
import pytest

from tests.helpers import assert_same, check_same, counting_hook, module_under_test, same_bits

CODES = "?bBhHiIlLqQefdgFDG"
BINARY = (operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
          operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, operator.lt, operator.le,
          operator.eq, operator.ne, divmod)
PYTHON = (True, 2, -1, 0, 300, 2**40, 2**70, 1.5, -0.0, math.inf, 2 + 1j)


def values_of(code):
    """A few values of a dtype, special ones among them."""
    dtype = real.dtype(code)
    if dtype.kind in "iu":
        info = real.iinfo(dtype)
        return [dtype.type(v) for v in (info.min, info.max, 3, 0)]
    texts = {"b": (False, True), "f": (0.1, -3.0, -0.0, math.inf, math.nan)}.get(dtype.kind, (0.1 - 2j, 3j, math.inf))
    return real.array(texts).astype(dtype)


def scalar(np, value):
    """A scalar of the module: pending, for lazytensor."""
    one = np.array([value])
    return one.any() if one.dtype == bool else one.max() if one.dtype.kind != "c" else one.sum()


def pending(s):
    return hasattr(s, "_node") and s._node.buffer is None


def outcome(action):
    """The value of an action or the type of its exception: raised here, not when the value is read."""
    try:
        return action()
    except Exception as error:
        return type(error)


def compare(action, *operands):
    """`action` gives of lazy scalars what it gives of NumPy's."""
    with real.errstate(all="ignore"):
        assert_same(outcome(lambda: action(*[make(real) for make in operands])),
                    outcome(lambda: action(*[make(module_under_test()) for make in operands])))


def lazy(value):
    return lambda np: scalar(np, value)


def given(value):
    return lambda np: value


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("left", CODES)
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_two_lazy_scalars(op, left):
    for right in CODES:
        compare(op, lazy(values_of(left)[1]), lazy(values_of(right)[-1]))
    for a, b in itertools.product(values_of(left), repeat=2):
        compare(op, lazy(a), lazy(b))


@pytest.mark.parametrize("left", CODES)
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_lazy_scalar_and_numpys_scalar(op, left):
    for right in CODES:
        compare(op, lazy(values_of(left)[1]), given(values_of(right)[-1]))


@pytest.mark.parametrize("left", [code for code in CODES if code not in "qQ"])
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_numpys_scalar_and_lazy_scalar(op, left):
    for right in CODES.replace("q", "").replace("Q", ""):  # `long long` comes back as the equal `long`
        for a, b in itertools.product(values_of(left)[1:3], values_of(right)[:2]):
            compare(op, given(a), lazy(b))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_lazy_scalar_and_python_number(op, code):
    for number, value in itertools.product(PYTHON, (values_of(code)[1], values_of(code)[-1])):
        compare(op, lazy(value), given(number))
        if op is not operator.eq and op is not operator.ne or type(number) is not complex:
            compare(op, given(number), lazy(value))


@pytest.mark.parametrize("code", CODES)
def test_unary(code):
    for value in values_of(code):
        for op in (operator.neg, operator.pos, operator.abs, operator.invert, operator.not_, operator.truth):
            compare(op, lazy(value))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("op", BINARY[:7], ids=lambda op: op.__name__)
def test_lazy_scalar_and_array(op, code):
    for other in "?BilefdF":
        numbers_ = real.array([1, 2, 0, 1]).astype(other)
        compare(op, lazy(values_of(code)[-1]), lambda np, x=numbers_: np.array(x))
        compare(op, lambda np, x=numbers_: np.array(x), lazy(values_of(code)[1]))


@pytest.mark.usefixtures("lines_wait")
def test_scalar_math_differs_from_array_math_and_both_are_numpys():
    def program(np):
        x = np.array([3], "f4").max()
        three = np.array([1.1 + 0.3j, 1.7 - 0.9j])
        return x ** np.float32(-3), np.array([3], "f4") ** np.float32(-3), three.sum() * three.sum(), three * three

    check_same(program)
    s = module_under_test().array([3], "f4").max()
    assert pending(s) and pending(s**2) and pending(s * s + 1)


@pytest.mark.parametrize("code, value", [("b", 127), ("B", 255), ("h", 2**15 - 1), ("i", 2**31 - 1), ("q", 2**63 - 1)])
def test_integer_overflow_is_told_as_numpy_tells_it(code, value):
    def told(np, op, state):
        seen = []
        s = scalar(np, real.dtype(code).type(value))
        with np.errstate(over=state, call=lambda error, flag: seen.append(error)):
            return outcome(lambda: op(s, s)), seen

    for op in (operator.add, operator.mul, lambda a, b: -a - b):
        for state in ("raise", "call", "ignore"):
            assert_same(told(real, op, state), told(module_under_test(), op, state))


def test_rebinding_leaves_the_old_scalar_alone():
    np = module_under_test()
    s = t = np.arange(4).sum()
    s += 1
    t *= 2
    assert (int(s), int(t)) == (7, 12)


# ---------------------------------------------------------------- types and protocols


@pytest.mark.parametrize("code", CODES)
@pytest.mark.usefixtures("lines_wait")
def test_isinstance_answers_as_numpys_scalar(code):
    kinds = (bool, int, float, complex, str, numbers.Number, numbers.Real, numbers.Integral, numbers.Complex,
             numbers.Rational, real.generic, real.number, real.integer, real.signedinteger, real.unsignedinteger,
             real.inexact, real.floating, real.complexfloating, real.bool_, real.int64, real.longlong, real.float32,
             real.float64, real.longdouble, real.ndarray)
    value = values_of(code)[1]
    s = scalar(module_under_test(), value)
    plain = scalar(real, value)
    assert [isinstance(s, kind) for kind in kinds] == [isinstance(plain, kind) for kind in kinds]
    assert s.__class__ is type(plain) and pending(s)
    assert real.isscalar(s) == real.isscalar(plain)


@pytest.mark.parametrize("code", CODES)
def test_every_attribute_is_there(code):
    value = values_of(code)[-1]
    plain, s = scalar(real, value), scalar(module_under_test(), value)
    addresses = {"__array_interface__", "__array_struct__"}  # only for code that spells them out
    missing = [name for name in dir(plain) if not hasattr(s, name) and name not in addresses]
    assert missing == []
    for name in ("dtype", "shape", "ndim", "size", "itemsize", "nbytes", "strides", "real", "imag", "T", "base"):
        assert_same(getattr(plain, name), getattr(s, name))
    assert [getattr(s.flags, name) for name in ("c_contiguous", "writeable", "owndata", "aligned")] == [
        getattr(plain.flags, name) for name in ("c_contiguous", "writeable", "owndata", "aligned")]


METHODS = """
s.item(); s.tolist(); s.astype('f4'); s.sum(); s.mean(); s.max(); s.copy(); s.conj(); s.reshape(1); s.ravel()
s.flatten(); s.round(1); s.clip(0, 1); s.tobytes(); s.view('u1'); s.any(); s.argmax(); s.nonzero(); s.squeeze()
s.transpose(); s.var(ddof=1); s.byteswap(); s.repeat(2); s.is_integer(); s.as_integer_ratio(); s.hex(); s.bit_count()
s.bit_length(); s.conjugate(); s[()]; s[...]; s[None]; s[0]; s.data.tobytes(); s.fill(3); s.setflags(write=True)
s.std(); s.cumsum(); s.dumps(); s.all(axis=0); s.numerator; s.denominator; s.to_device('cpu'); s.device
s.swapaxes(0, 1); s.prod(dtype='f4'); s.take(0); s.min(axis=-1)
"""
FUNCTIONS = """
int(s); float(s); complex(s); bool(s); str(s); repr(s); hash(s); abs(s); round(s); round(s, 1); round(s, -1); oct(s)
hex(s); math.floor(s); math.ceil(s); math.trunc(s); operator.index(s); math.sqrt(s); math.exp(s); math.isnan(s)
math.fsum([s, s]); math.gcd(s, 6); math.factorial(s); math.copysign(2, s); math.hypot(s, 4); math.frexp(s)
math.ldexp(s, 3); math.isclose(s, 3); list(range(s))[:3]; [1, 2, 3, 4][s]; 'ab' * s; [0] * s; s * [1, 2]; (1, 2) * s
'abcdef'[:s]; pow(s, 2); pow(2, s); pow(s, 2, 5); {s: 1}[s]; s in [3, 3.0]; {3: 'three', True: 'yes'}.get(s); f'{s}'
f'{s!r:>20}'; f'{s:8.3f}'; f'{s:d}'; f'{s:>10}'; f'{s:e}'; f'{s:x}'; f'{s:,}'; '%d %s' % (s, s); '%.3f' % s; '%r' % s
format(s); sum([s, s, 1]); max(s, 2); min([s, 2, 1.5]); s == 'a'; sorted([s, 1, 2]); sum([s, s], 0.5)
fractions.Fraction(s); s != None; statistics.mean([s, 1]); statistics.mean([s, s]); statistics.fmean([s, s])
statistics.stdev([s, 1, 2]); statistics.pvariance([s, s]); statistics.median([s, 1, 2]); statistics.median([s, s])
copy.copy(s); copy.deepcopy([s, s]); pickle.loads(pickle.dumps(s)); pickle.loads(pickle.dumps(s, 0))
s.__reduce__()[1]; s.__float__(); s if s else 0; not s; s and 2; s or 2; chr(s); callable(s); bytes(s)
bytearray(s)[:2]; isinstance(s, (int, float)); iter(s); len(s); s(); s.nothing; setattr(s, 'real', 1); s @ s; s + 'a'
setattr(s, 'new', 1); s.__setitem__(0, 1); float.fromhex('0x1p3') + s; s + None; s < 'a'; s == [3, 4]; s < object()
[] + s; memoryview(s).format; memoryview(s).tolist(); s.__class__(3); math.comb(s, 2); math.isqrt(s)
slice(s).indices(5); str(s).encode(); random.Random(int(s)).random(); 1 if s is s else 0; [s].index(s)
collections.Counter([s, s]).most_common(); array.array('d', [s]).tolist(); struct.pack('d', s); cmath.phase(s)
heapq.nsmallest(1, [s, 2.5]); bisect.bisect([1, 2, 5], s); itertools.accumulate([s, s]).__next__()
enumerate([5], s).__next__()
"""
LIBRARIES = {m.__name__: m for m in (array, bisect, cmath, collections, copy, fractions, heapq, itertools, math,
                                     operator, pickle, random, statistics, struct)}


def rows(table):
    return [row for line in table.strip().splitlines() for row in line.split("; ")]


# Six of a long double's sixteen bytes are padding: NumPy leaves there what the memory held, from copy to copy.
SHOW_BYTES = {"s.tobytes()", "s.data.tobytes()", "s.dumps()", "s.__reduce__()[1]", "bytes(s)", "s.byteswap()",
              "s.view('u1')"}


@pytest.mark.parametrize("row", rows(METHODS) + rows(FUNCTIONS))
def test_what_python_does_with_a_scalar(row):
    program = compile(row, "<row>", "eval")
    assert not SHOW_BYTES - {*rows(METHODS), *rows(FUNCTIONS)}
    for code in "?iQefdD" if row in SHOW_BYTES else "?iQefdgD":
        value = values_of(code)[2 if code in "iQ" else 1]
        try:
            compare(lambda s: eval(program, {"s": s, **LIBRARIES}), lazy(value))
        except AssertionError as error:
            raise AssertionError(f"{row} for {value!r}: {error}") from error


@pytest.mark.parametrize("code", CODES)
def test_numpys_functions_of_a_scalar(code):
    names = ("sqrt exp sign isnan square negative abs log1p cumsum sum max atleast_1d ravel size "
             "shape ndim array asarray real imag angle isreal isscalar round nan_to_num full_like zeros_like "
             "min_scalar_type result_type conj")
    for name in names.split():
        def program(np, name=name):
            s = scalar(np, values_of(code)[-1])
            return getattr(np, name)(s, 2) if name == "full_like" else getattr(np, name)(s)
        check_same(program)


@pytest.mark.parametrize("code", CODES)
def test_scalars_in_arrays_keep_their_dtype(code):
    def program(np):
        s = scalar(np, values_of(code)[-1])
        x = np.zeros(4, code)
        x[1], x[2:] = s, s
        return (np.array(s), np.array([s, s]), np.array([[s], [1]]), np.asarray([s]), x, np.full(3, s),
                np.stack([s, s]), np.concatenate([[s], [s]]), np.array((s, 1.5)),
                np.where(np.array([True, False]), s, s))

    check_same(program)


def test_real_numpy_takes_them_in():
    np = module_under_test()
    s = np.array([1.5, 2.5], "f4").sum()
    x = real.zeros(3, "f4")
    x[0] = s
    x[1:] += real.float32(s)
    assert x.tolist() == [4, 4, 4]
    for made in (real.array(s), real.asarray(s), real.array([s, s]), real.full(2, s), real.add(s, 1), real.sqrt(s)):
        assert real.asarray(made).dtype == real.float32
    assert real.array(s).shape == () and real.arange(int(s)).size == 4


def test_hash_equals_that_of_equal_numbers():
    np = module_under_test()
    total = np.arange(4).sum()
    assert {6: "a"}[total] == {total: "a"}[6] == {6.0: "a"}[total] == {np.arange(4.0).sum(): "a"}[total] == "a"
    assert len({total, 6, real.int64(6), np.arange(4).sum()}) == 1


@pytest.mark.usefixtures("lines_wait")
def test_computed_once_and_when_asked():
    np = module_under_test()
    with counting_hook() as executed:
        s = np.arange(5.0).sum() * 2
        t = s + 1
        assert executed == [] and isinstance(s, float) and s.dtype == float
        assert f"{t:.1f}" == "21.0" and s == 20 and hash(t) == hash(21)
    assert [node.op.name for node in executed].count("sum") == 1
    assert [node.op.name for node in executed].count("mul") == 1


def test_float_is_what_c_code_that_tests_for_the_c_type_is_to_be_given():
    s = module_under_test().arange(4.0).mean()
    assert json.dumps({"mean": float(s), "all": s.item()}) == '{"mean": 1.5, "all": 1.5}'
    assert decimal.Decimal(float(s)) == 1.5 and datetime.timedelta(seconds=float(s)).total_seconds() == 1.5


@pytest.mark.parametrize("code", CODES)
def test_type_of_a_scalar_makes_numpys(code):
    s = scalar(module_under_test(), values_of(code)[1])
    made = type(s)(1)
    assert type(made) is real.dtype(code).type and same_bits(real.asarray(made), real.ones((), code))


def test_a_longdouble_in_a_sequence_keeps_all_its_bits():
    np = module_under_test()
    third = real.ones(5, "g") / 3
    for write in (lambda np, a, v: a.__setitem__(slice(None), [v]), lambda np, a, v: np.place(a, a == 0, [v]),
                  lambda np, a, v: np.put(a, [1, 2], (v, v)), lambda np, a, v: np.add(a, [v], out=a)):
        expected, got = real.zeros(5, "g"), np.zeros(5, "g")
        write(real, expected, third @ third)
        pending = np.array(third)
        write(np, got, pending @ pending)
        assert same_bits(expected, real.asarray(got))


@pytest.mark.usefixtures("lines_wait")
def test_the_element_of_an_array_without_axes_stays_pending():
    def program(np):
        t = np.where(np.arange(1.0).sum() < 1, np.arange(3.0).sum(), 2.0)
        element = t[()]
        view = (np.arange(1.0) + 1).reshape(())
        seen = view[()]
        t[...] = view[...] = 9
        return element, seen, t, view, isinstance(element, real.float64)

    check_same(program)
    np = module_under_test()
    t = (np.arange(1.0) + 1).reshape(())
    assert not hasattr(np, "realize") or t[()]._node.buffer is None


@pytest.mark.parametrize("dtype", [">f8", ">i4", ">c16"])
@pytest.mark.parametrize("row", ["z[()]", "z.copy()[()]", "z[...][()]", "x.max()", "x.T.sum()", "-z", "z * z"])
def test_a_scalar_is_in_the_machines_byte_order(row, dtype):
    def program(np):
        z, x = np.ones((), dtype), np.ones((3, 2), dtype)
        z += 1
        x *= 3
        return eval(row, {"z": z, "x": x})

    check_same(program)


@pytest.mark.parametrize("dtype", [">c8", ">f8", ">i4", "<f8"])
def test_an_element_of_a_pending_array_without_axes_is_of_the_machines_byte_order(dtype):
    np = module_under_test()

    def f(a):
        a *= a
        return a[()]

    expected = f(real.array(3, dtype))
    for g in (f, np.jit(f)):
        found = g(np.array(real.array(3, dtype)))
        assert found.dtype == expected.dtype and found == expected and found.dtype.isnative


@pytest.mark.parametrize("row", [
    "s.conj(y) is y, y", "s.conjugate(y)", "s.sum(out=o), o", "s.round(1, o) is o, o", "s.clip(0, 2, out=o), o",
    "s.max(), s.min(axis=0), s.mean(), s.var(), s.argmax()", "s.cumsum()", "s.take([0, 0])", "s.take(5)", "s.trace()",
    "s.clip(y, 99)", "s.compress([True])", "s.sum(axis=3)", "s.std(ddof=1)"])
def test_methods_of_scalars_take_arrays_to_write_to(row):
    def program(np):
        s, o, y = np.arange(6.0).sum(), np.zeros(()), np.zeros(3)
        return eval(row, {"s": s, "o": o, "y": y})

    check_same(program)


@pytest.mark.parametrize("row", ["np.any(x, keepdims=None)", "np.all(x, 0, None, None)", "x.any(keepdims=None)",
                                 "np.all(x, keepdims=2.5)", "np.any(x, axis=None, out=None, keepdims=1)"])
def test_keepdims_of_any_and_all(row):
    check_same(lambda np: eval(row, {"np": np, "x": np.arange(6.0).reshape(2, 3)}))


def _made_real(module, x):
    """Numbers made of complex scalars, and where NumPy warns of that."""
    found = []
    z = module.array(x) * 1j
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for call in (float, int, math.sqrt):
            found.append(call(z.sum()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in (float, int):
            with pytest.raises(real.exceptions.ComplexWarning) as error:
                call(z.sum())
            found.append(str(error.value))
    return found, [(str(x.message), x.category, x.filename, x.lineno) for x in told]


@pytest.mark.parametrize("dtype", ["F", "D", "G"])
def test_complex_numbers_are_made_real_with_numpy_s_warning_at_the_line(dtype):
    x = real.array([1 - 2j, 3.5 - 1e9j]).astype(dtype)
    expected, found = _made_real(real, x), _made_real(module_under_test(), x)
    assert found == expected and len(expected[1]) == 3
    assert [type(y) for y in found[0]] == [type(y) for y in expected[0]]


def test_a_jitted_function_that_makes_complex_numbers_real_is_not_compiled():
    """A compiled one would not warn, or of another line."""
    np = module_under_test()
    f = np.jit(lambda x: [float((x * 1j).sum()), int((x * 1j)[0])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            assert f(np.ones(3) * -1j) == [3.0, 1]
    assert "real ones" in f.cache_info()["python"]
