"""The array API standard, 2024.12: every function is there, takes what the standard says, and gives Tensors of the
dtype, shape and values that NumPy gives. Everything comes from one table.
"""

import inspect
import itertools

import numpy as real
import pytest

import lazytensor as xp
from lazytensor.api.scalar import Scalar
from tests.helpers import assert_same, is_lazy

VERSION = "2024.12"

ELEMENTWISE = """
abs(x, /)                              numeric   real
acos(x, /)                             floating  same
acosh(x, /)                            floating  same
add(x1, x2, /)                         numeric   same
asin(x, /)                             floating  same
asinh(x, /)                            floating  same
atan(x, /)                             floating  same
atan2(x1, x2, /)                       float     same
atanh(x, /)                            floating  same
bitwise_and(x1, x2, /)                 bits      same
bitwise_left_shift(x1, x2, /)          integer   same
bitwise_invert(x, /)                   bits      same
bitwise_or(x1, x2, /)                  bits      same
bitwise_right_shift(x1, x2, /)         integer   same
bitwise_xor(x1, x2, /)                 bits      same
ceil(x, /)                             real      same
conj(x, /)                             numeric   same
copysign(x1, x2, /)                    float     same
cos(x, /)                              floating  same
cosh(x, /)                             floating  same
divide(x1, x2, /)                      floating  same
equal(x1, x2, /)                       all       bool
exp(x, /)                              floating  same
expm1(x, /)                            floating  same
floor(x, /)                            real      same
floor_divide(x1, x2, /)                real      same
greater(x1, x2, /)                     real      bool
greater_equal(x1, x2, /)               real      bool
hypot(x1, x2, /)                       float     same
imag(x, /)                             complex   real
isfinite(x, /)                         numeric   bool
isinf(x, /)                            numeric   bool
isnan(x, /)                            numeric   bool
less(x1, x2, /)                        real      bool
less_equal(x1, x2, /)                  real      bool
log(x, /)                              floating  same
log10(x, /)                            floating  same
log1p(x, /)                            floating  same
log2(x, /)                             floating  same
logaddexp(x1, x2, /)                   float     same
logical_and(x1, x2, /)                 bool      bool
logical_not(x, /)                      bool      bool
logical_or(x1, x2, /)                  bool      bool
logical_xor(x1, x2, /)                 bool      bool
maximum(x1, x2, /)                     real      same
minimum(x1, x2, /)                     real      same
multiply(x1, x2, /)                    numeric   same
negative(x, /)                         numeric   same
nextafter(x1, x2, /)                   float     same
not_equal(x1, x2, /)                   all       bool
positive(x, /)                         numeric   same
pow(x1, x2, /)                         floating  same
real(x, /)                             complex   real
reciprocal(x, /)                       floating  same
remainder(x1, x2, /)                   real      same
round(x, /)                            numeric   same
sign(x, /)                             numeric   same
signbit(x, /)                          float     bool
sin(x, /)                              floating  same
sinh(x, /)                             floating  same
sqrt(x, /)                             floating  same
square(x, /)                           numeric   same
subtract(x1, x2, /)                    numeric   same
tan(x, /)                              floating  same
tanh(x, /)                             floating  same
trunc(x, /)                            real      same
"""
"""Signature in the standard, dtypes that it is given here, dtype of the result."""

OTHERS = """
clip(x, /, min=None, max=None)                                 real      xp.clip(x, 1, 3) ; xp.clip(x, max=x)
arange(start, /, stop=None, step=1, *, dtype=None, device=None) one      xp.arange(3, device='cpu') ; xp.arange(1, 7., 2)
asarray(obj, /, *, dtype=None, device=None, copy=None)         all       xp.asarray(x, copy=True) ; xp.asarray([1, 2], device="cpu")
empty(shape, *, dtype=None, device=None)                       one       xp.empty((2, 0), dtype=xp.int8, device="cpu")
empty_like(x, /, *, dtype=None, device=None)                   all       xp.empty_like(x, device="cpu") * 0 == xp.zeros_like(x)
eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)   one       xp.eye(3, 2, k=1, dtype=xp.int8, device="cpu")
from_dlpack(x, /, *, device=None, copy=None)                   numeric   xp.from_dlpack(x) ; xp.from_dlpack(x, device="cpu", copy=True)
full(shape, fill_value, *, dtype=None, device=None)            one       xp.full((2, 3), 5, dtype=xp.float32, device="cpu")
full_like(x, /, fill_value, *, dtype=None, device=None)        numeric   xp.full_like(x, fill_value=1, device="cpu")
linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True) one xp.linspace(0, 1, num=5, endpoint=False, device="cpu")
meshgrid(*arrays, indexing="xy")                               numeric   xp.meshgrid(x[0], x[1], indexing="ij")
ones(shape, *, dtype=None, device=None)                        one       xp.ones((2,), dtype=xp.bool, device="cpu")
ones_like(x, /, *, dtype=None, device=None)                    all       xp.ones_like(x, dtype=xp.int8, device="cpu")
tril(x, /, *, k=0)                                             all       xp.tril(x, k=1)
triu(x, /, *, k=0)                                             all       xp.triu(x, k=-1)
zeros(shape, *, dtype=None, device=None)                       one       xp.zeros(3, device="cpu")
zeros_like(x, /, *, dtype=None, device=None)                   all       xp.zeros_like(x, dtype=xp.int8, device="cpu")
astype(x, dtype, /, *, copy=True, device=None)                 real      xp.astype(x, xp.float64, copy=False, device="cpu") ; xp.astype(x, xp.bool)
can_cast(from_, to, /)                                         all       xp.can_cast(x.dtype, xp.float64) ; xp.can_cast(x, xp.complex128)
finfo(type, /)                                                 floating  xp.finfo(x.dtype).bits ; float(xp.finfo(x.dtype).eps)
iinfo(type, /)                                                 integer   xp.iinfo(x.dtype).max
isdtype(dtype, kind)                                           all       xp.isdtype(x.dtype, ("integral", "complex floating"))
result_type(*arrays_and_dtypes)                                all       xp.result_type(x, xp.float32) ; xp.result_type(x, y)
take(x, indices, /, *, axis=None)                              all       xp.take(x, xp.asarray([1, 0]), axis=0)
take_along_axis(x, indices, /, *, axis=-1)                     real      xp.take_along_axis(x, xp.argsort(x, axis=0), axis=0)
matmul(x1, x2, /)                                              numeric   xp.matmul(x, y.T)
matrix_transpose(x, /)                                         all       xp.matrix_transpose(x)
tensordot(x1, x2, /, *, axes=2)                                numeric   xp.tensordot(x, y, axes=2) ; xp.tensordot(x, y, axes=((1,), (1,)))
vecdot(x1, x2, /, *, axis=-1)                                  numeric   xp.vecdot(x, y) ; xp.vecdot(x, y, axis=0)
broadcast_arrays(*arrays)                                      all       xp.broadcast_arrays(x, y[0])
broadcast_to(x, /, shape)                                      all       xp.broadcast_to(x, shape=(2, 3, 4))
concat(arrays, /, *, axis=0)                                   all       xp.concat([x, y], axis=1) ; xp.concat((x, y), axis=None)
expand_dims(x, /, *, axis=0)                                   all       xp.expand_dims(x, axis=-1)
flip(x, /, *, axis=None)                                       all       xp.flip(x) ; xp.flip(x, axis=(0, 1))
moveaxis(x, source, destination, /)                            all       xp.moveaxis(x, 0, -1)
permute_dims(x, /, axes)                                       all       xp.permute_dims(x, axes=(1, 0))
repeat(x, repeats, /, *, axis=None)                            all       xp.repeat(x, 2) ; xp.repeat(x, xp.asarray([1, 0, 2]), axis=0)
reshape(x, /, shape, *, copy=None)                             all       xp.reshape(x, shape=(4, -1), copy=True)
roll(x, /, shift, *, axis=None)                                all       xp.roll(x, shift=1) ; xp.roll(x, (1, 2), axis=(0, 1))
squeeze(x, /, axis)                                            all       xp.squeeze(x[None], axis=0)
stack(arrays, /, *, axis=0)                                    all       xp.stack([x, y], axis=-1)
tile(x, repetitions, /)                                        all       xp.tile(x, (2, 1))
unstack(x, /, *, axis=0)                                       all       xp.unstack(x, axis=1)
argmax(x, /, *, axis=None, keepdims=False)                     real      xp.argmax(x) ; xp.argmax(x, axis=1, keepdims=True)
argmin(x, /, *, axis=None, keepdims=False)                     real      xp.argmin(x, axis=0)
count_nonzero(x, /, *, axis=None, keepdims=False)              all       xp.count_nonzero(x, axis=1, keepdims=True)
nonzero(x, /)                                                  all       xp.nonzero(x)
searchsorted(x1, x2, /, *, side="left", sorter=None)           real      xp.searchsorted(xp.sort(x[0]), y[1], side="right")
where(condition, x1, x2, /)                                    all       xp.where(x == y, x, y) ; xp.where(x == x, x, y)
unique_all(x, /)                                               real      xp.unique_all(x)
unique_counts(x, /)                                            real      xp.unique_counts(x)
unique_inverse(x, /)                                           real      xp.unique_inverse(x)
unique_values(x, /)                                            real      xp.unique_values(x)
argsort(x, /, *, axis=-1, descending=False, stable=True)       real      xp.argsort(x, axis=0, stable=True)
sort(x, /, *, axis=-1, descending=False, stable=True)          real      xp.sort(x) ; xp.sort(x, axis=0, stable=True)
cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)  numeric xp.cumulative_prod(x, axis=0, include_initial=True)
cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)   numeric xp.cumulative_sum(x, axis=1) ; xp.cumulative_sum(x[0])
max(x, /, *, axis=None, keepdims=False)                        real      xp.max(x) ; xp.max(x, axis=(0, 1), keepdims=True)
mean(x, /, *, axis=None, keepdims=False)                       floating  xp.mean(x) ; xp.mean(x, axis=0)
min(x, /, *, axis=None, keepdims=False)                        real      xp.min(x, axis=1)
prod(x, /, *, axis=None, dtype=None, keepdims=False)           numeric   xp.prod(x, axis=1) ; xp.prod(x, dtype=xp.complex128)
std(x, /, *, axis=None, correction=0.0, keepdims=False)        float     xp.std(x, correction=1) ; xp.std(x, axis=0)
sum(x, /, *, axis=None, dtype=None, keepdims=False)            numeric   xp.sum(x) ; xp.sum(x, axis=1, keepdims=True)
var(x, /, *, axis=None, correction=0.0, keepdims=False)        float     xp.var(x, axis=1, correction=1, keepdims=True)
all(x, /, *, axis=None, keepdims=False)                        all       xp.all(x) ; xp.all(x, axis=0, keepdims=True)
any(x, /, *, axis=None, keepdims=False)                        all       xp.any(x, axis=(0, 1))
diff(x, /, *, axis=-1, n=1, prepend=None, append=None)         numeric   xp.diff(x, n=2) ; xp.diff(x, axis=0, prepend=x, append=x)
linalg.cholesky(x, /, *, upper=False)                          float     xp.linalg.cholesky(x @ x.T + 9 * xp.eye(3), upper=True)
linalg.cross(x1, x2, /, *, axis=-1)                            numeric   xp.linalg.cross(x, y, axis=0)
linalg.det(x, /)                                               floating  xp.linalg.det(x[:, :3])
linalg.diagonal(x, /, *, offset=0)                             all       xp.linalg.diagonal(x, offset=1)
linalg.eigh(x, /)                                              float     xp.linalg.eigh(x @ x.T)
linalg.eigvalsh(x, /)                                          float     xp.linalg.eigvalsh(x @ x.T)
linalg.inv(x, /)                                               floating  xp.linalg.inv(x[:, :3] + 9 * xp.eye(3))
linalg.matmul(x1, x2, /)                                       numeric   xp.linalg.matmul(x, y.T)
linalg.matrix_norm(x, /, *, keepdims=False, ord="fro")         floating  xp.linalg.matrix_norm(x, keepdims=True, ord=1)
linalg.matrix_power(x, n, /)                                   floating  xp.linalg.matrix_power(x[:, :3], 3)
linalg.matrix_rank(x, /, *, rtol=None)                         floating  xp.linalg.matrix_rank(x, rtol=1e-3)
linalg.matrix_transpose(x, /)                                  all       xp.linalg.matrix_transpose(x)
linalg.outer(x1, x2, /)                                        numeric   xp.linalg.outer(x[0], y[1])
linalg.pinv(x, /, *, rtol=None)                                floating  xp.linalg.pinv(x, rtol=1e-3)
linalg.qr(x, /, *, mode="reduced")                             floating  xp.linalg.qr(x, mode="complete")
linalg.slogdet(x, /)                                           floating  xp.linalg.slogdet(x[:, :3])
linalg.solve(x1, x2, /)                                        floating  xp.linalg.solve(x[:, :3] + 9 * xp.eye(3), y)
linalg.svd(x, /, *, full_matrices=True)                        floating  xp.linalg.svd(x, full_matrices=False)
linalg.svdvals(x, /)                                           floating  xp.linalg.svdvals(x)
linalg.tensordot(x1, x2, /, *, axes=2)                         numeric   xp.linalg.tensordot(x, y, axes=2)
linalg.trace(x, /, *, offset=0, dtype=None)                    numeric   xp.linalg.trace(x, offset=1, dtype=xp.complex128)
linalg.vecdot(x1, x2, /, *, axis=-1)                           numeric   xp.linalg.vecdot(x, y, axis=0)
linalg.vector_norm(x, /, *, axis=None, keepdims=False, ord=2)  floating  xp.linalg.vector_norm(x, axis=1, keepdims=True, ord=3)
fft.fft(x, /, *, n=None, axis=-1, norm="backward")             floating  xp.fft.fft(x, n=5, axis=0, norm="ortho")
fft.ifft(x, /, *, n=None, axis=-1, norm="backward")            floating  xp.fft.ifft(x)
fft.fftn(x, /, *, s=None, axes=None, norm="backward")          floating  xp.fft.fftn(x, s=(2, 2), axes=(0, 1))
fft.ifftn(x, /, *, s=None, axes=None, norm="backward")         floating  xp.fft.ifftn(x)
fft.rfft(x, /, *, n=None, axis=-1, norm="backward")            float     xp.fft.rfft(x, norm="forward")
fft.irfft(x, /, *, n=None, axis=-1, norm="backward")           floating  xp.fft.irfft(x, n=6)
fft.rfftn(x, /, *, s=None, axes=None, norm="backward")         float     xp.fft.rfftn(x)
fft.irfftn(x, /, *, s=None, axes=None, norm="backward")        floating  xp.fft.irfftn(x)
fft.hfft(x, /, *, n=None, axis=-1, norm="backward")            floating  xp.fft.hfft(x)
fft.ihfft(x, /, *, n=None, axis=-1, norm="backward")           float     xp.fft.ihfft(x)
fft.fftfreq(n, /, *, d=1.0, dtype=None, device=None)           one       xp.fft.fftfreq(5, d=0.1, device="cpu")
fft.rfftfreq(n, /, *, d=1.0, dtype=None, device=None)          one       xp.fft.rfftfreq(5, device="cpu")
fft.fftshift(x, /, *, axes=None)                               all       xp.fft.fftshift(x, axes=0)
fft.ifftshift(x, /, *, axes=None)                              all       xp.fft.ifftshift(x)
"""  # noqa: E501  one function a line
"""Signature in the standard, dtypes that it is given here, calls on `x` and `y` of shape (3, 4)."""

NOT_NUMPYS = {"sort": "descending", "argsort": "descending", "fft.fftfreq": "dtype", "fft.rfftfreq": "dtype"}
"""Parameters of the standard that NumPy's own functions lack, so that no call of theirs tells what is right."""

METHODS = """
x.__abs__() ; x.__add__(y) ; x.__array_namespace__(api_version="2024.12").__name__ ; x.__eq__(y) ; x.__ge__(y)
x.__gt__(y) ; x.__le__(y) ; x.__lt__(y) ; x.__ne__(y) ; x.__mul__(y) ; x.__neg__() ; x.__pos__() ; x.__sub__(y)
x.__truediv__(y) ; x.__floordiv__(y) ; x.__mod__(y) ; x.__pow__(y) ; x.__matmul__(y.T) ; x.__getitem__((1, slice(2)))
x.__dlpack_device__() ; x.to_device("cpu", stream=None) ; x.__bool__() ; x.__float__() ; x.__int__() ; x.__complex__()
x.__radd__(y) ; x.__rmul__(y) ; x.__rsub__(y) ; x.__rtruediv__(y) ; x.__rfloordiv__(y) ; x.__rmod__(y) ; x.__rpow__(y)
x.__rmatmul__(y.T) ; x.__iadd__(y) ; x.__isub__(y) ; x.__imul__(y) ; x.__itruediv__(y) ; x.__ifloordiv__(y)
x.__imod__(y) ; x.__ipow__(y) ; x.__setitem__((0, 1), 2) ; k.__and__(k) ; k.__or__(k) ; k.__xor__(k) ; k.__invert__()
k.__lshift__(k) ; k.__rshift__(k) ; k.__index__() ; k.__rand__(k) ; k.__ror__(k) ; k.__rxor__(k) ; k.__rlshift__(k)
k.__rrshift__(k) ; k.__iand__(k) ; k.__ior__(k) ; k.__ixor__(k) ; k.__ilshift__(k) ; k.__irshift__(k)
x.__imatmul__(x[:, :3]) ; x.dtype ; x.device ; x.mT ; x.ndim ; x.shape ; x.size ; x.T
"""

DTYPES = ("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128").split()
KINDS = {
    "bool": "b", "integer": "iu", "float": "f", "floating": "fc", "real": "iuf", "numeric": "iufc", "bits": "biu",
    "complex": "c", "all": "biufc",
}  # fmt: skip


def table():
    """(name, signature, kind, calls, dtype of the result or None) for each function."""
    for line in ELEMENTWISE.strip().splitlines():
        name, _, rest = line.partition("(")
        given, _, rest = rest.partition(")")
        kind, result = rest.split()
        arguments = "x, y" if "x2" in given else "x"
        yield name, given, kind, [f"xp.{name}({arguments})"], result
    for line in OTHERS.strip().splitlines():
        name, _, rest = line.partition("(")
        given, _, rest = rest.partition(") ")
        kind, _, calls = rest.strip().partition(" ")
        yield name, given, kind, [call.strip() for call in calls.split(" ; ")], None


TABLE = list(table())


def found(name, module=xp):
    for part in name.split("."):
        module = getattr(module, part)
    return module


def dtypes_of(kind):
    return ["float64"] if kind == "one" else [name for name in DTYPES if real.dtype(name).kind in KINDS[kind]]


def values(dtype, shape, seed):
    """Numbers of a dtype, small ones; some are equal, some zero, floats also negative, infinite and NaN."""
    rng = real.random.default_rng(seed)
    kind = real.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return rng.integers(1, 7, shape).astype(dtype)
    numbers = rng.integers(-12, 13, shape) / 8
    return (numbers + 1j * rng.integers(-12, 13, shape) / 8).astype(dtype) if kind == "c" else numbers.astype(dtype)


# ---------------------------------------------------------------- what is there


def test_the_table_holds_the_whole_standard():
    names = [row[0] for row in TABLE]
    assert len(names) == len(set(names)) == 170
    counts = {room: sum(name.startswith(room) for name in names) for room in ("linalg.", "fft.")}
    assert counts == {"linalg.": 23, "fft.": 14}
    strict = pytest.importorskip("array_api_strict")
    if strict.__array_api_version__ != VERSION:
        pytest.skip("array_api_strict is of another version")
    for room in ("", "linalg", "fft"):
        public = [n for n in found(room, strict).__all__ if inspect.isfunction(getattr(found(room, strict), n))] if (
            room) else [n for n in strict.__all__ if inspect.isfunction(getattr(strict, n)) and "_array_api_" not in n]
        missing = {f"{room}.{n}" if room else n for n in public} - set(names) - {"__array_namespace_info__"}
        assert missing == set()


def test_constants_dtypes_and_the_version():
    assert (xp.e, xp.inf, xp.pi, xp.newaxis) == (real.e, real.inf, real.pi, None) and xp.isnan(xp.nan)
    for name in DTYPES:
        assert real.dtype(getattr(xp, name)) == name
    assert xp.__array_api_version__ == real.__array_api_version__


def why_not(given, function, follow=True):
    """Why a function does not take what the standard's signature takes, or None."""
    scope = {}
    exec(f"def standard({given}): pass", {}, scope)
    parameters = inspect.signature(scope["standard"]).parameters.values()
    theirs = inspect.signature(function, follow_wrapped=follow)
    for by_name in (True, False):
        args, kwargs = [], {}
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                args += [1, 2]
            elif p.kind is p.POSITIONAL_ONLY or p.kind is p.POSITIONAL_OR_KEYWORD and not by_name:
                args.append(1)
            else:
                kwargs[p.name] = 1
        try:
            theirs.bind(*args, **kwargs)
        except TypeError as error:
            return str(error)
    return None


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_signature(row):
    name, given, *_ = row
    function, extra = found(name), NOT_NUMPYS.get(name)
    if extra:  # ours takes it, and NumPy's the rest
        assert extra in inspect.signature(getattr(function, "func", function), follow_wrapped=False).parameters
        given = ", ".join(part for part in given.split(", ") if not part.startswith(extra))
    assert why_not(given, function) is None


def test_namespace_of_an_array():
    x = xp.arange(3)
    for value in (x, x + 1, x[1:], x.sum(), x.sum() + 1):
        assert value.__array_namespace__() is xp is value.__array_namespace__(api_version="2023.12")
    for version in ("1999.1", 3):
        with pytest.raises(ValueError) as caught:
            x.__array_namespace__(api_version=version)
        with pytest.raises(ValueError, match=".") as theirs:
            real.arange(3).__array_namespace__(api_version=version)
        assert str(caught.value) == str(theirs.value)


def test_inspection():
    info, theirs = xp.__array_namespace_info__(), real.__array_namespace_info__()
    assert info.capabilities() == theirs.capabilities() and info.devices() == ["cpu"] == [info.default_device()]
    assert info.default_dtypes() == theirs.default_dtypes()
    kinds = (None, "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating",
             "numeric", ("integral", "bool"))  # fmt: skip
    for kind in kinds:
        assert info.dtypes(kind=kind, device="cpu") == theirs.dtypes(kind=kind)


# ---------------------------------------------------------------- what it gives


def outcome(call, module, names):
    """What a call gives; the type of its exception."""
    try:
        return eval(call, {"xp": module, **names})
    except Exception as error:
        return type(error).__name__


def pending(x):
    """A Tensor that has not run; one without axes has, for arithmetic on it gives scalars."""
    t = xp.asarray(x.copy())
    return t if x.ndim == 0 else t | False if x.dtype == bool else t + x.dtype.type(0)


def both(call, dtype, shape, seed=0, views=False):
    """What NumPy and lazytensor give for a call on arrays of a dtype and shape."""
    given = {name: real.asarray(values(dtype, shape, [seed, ord(name)])) for name in "xy"}
    given["k"] = real.asarray(values("int64", shape, seed))
    ours = {name: pending(x) for name, x in given.items()}
    if views:
        given, ours = ({name: x[::-1].T.copy().T for name, x in names.items()} for names in (given, ours))
    with real.errstate(all="ignore"):
        expected, actual = outcome(call, real, given), outcome(call, xp, ours)
        assert_same(expected, actual)
    return given, expected, actual


def check_lazy(result):
    """Every array in a result is a Tensor or a lazy or NumPy scalar, none NumPy's own array."""
    for x in result if isinstance(result, (tuple, list)) else (result,):
        assert not isinstance(x, real.ndarray) or is_lazy(x)


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_function_gives_what_numpy_gives(row):
    name, _, kind, calls, result = row
    shapes = [(3, 4)] if result is None else [(3, 4), (0, 3), (2, 1, 3), ()]
    for dtype, call, shape in itertools.product(dtypes_of(kind), calls, shapes):
        given, _, actual = both(call, dtype, shape, views=len(shape) > 1 and dtype in ("float64", "int32"))
        assert not isinstance(actual, str), f"{call}: {actual}"
        check_lazy(actual)
        if result is not None:
            x = given["x"]
            wanted = {"same": x.dtype, "bool": real.dtype(bool), "real": x.real.dtype}[result]
            assert actual.dtype == wanted and actual.shape == shape, call


def test_elementwise_functions_broadcast_and_take_python_numbers():
    for name, given, kind, _, result in TABLE:
        if result is not None and "x2" in given and kind != "bool":
            for dtype in dtypes_of(kind)[-1:]:
                _, _, actual = both(f"xp.{name}(x, y[0])", dtype, (3, 4))
                assert actual.shape == (3, 4)
                both(f"xp.{name}(x, y[:, :1])", dtype, (3, 4))
                both(f"xp.{name}(x, 2)", dtype, (3, 4))


def test_sorting_down():
    for dtype in ("int64", "float64", "uint8"):
        x = values(dtype, (5, 4), 3)
        t = xp.asarray(x)
        for axis in (0, 1, -1):
            down = real.flip(real.sort(x, axis=axis), axis=axis)
            assert_same(down.copy(), xp.sort(t, axis=axis, descending=True).copy())
            order = xp.argsort(t, axis=axis, descending=True, stable=True)
            expected = real.argsort(-x.astype("f8"), axis=axis, stable=True)  # equal elements stay in their order
            assert_same(expected, order.copy())


def test_frequencies_of_a_dtype():
    for n, d, dtype in itertools.product((4, 5), (1.0, 0.1), (None, xp.float32, xp.float64)):
        for name in ("fftfreq", "rfftfreq"):
            expected = getattr(real.fft, name)(n, d=d).astype(dtype or float)
            assert_same(expected, getattr(xp.fft, name)(n, d=d, dtype=dtype))


@pytest.mark.parametrize("call", [c.strip() for line in METHODS.strip().splitlines() for c in line.split(";")])
def test_method(call):
    for dtype, shape in (("float64", (3, 4)), ("float64", ()), ("float32", (4, 4))):
        given, expected, actual = both(call.replace('.__name__', '.pi'), dtype, shape)
        assert type(actual) is not str or shape == () or expected == actual


def test_methods_take_what_the_standard_says():
    t = xp.arange(3.0)
    assert t.__dlpack_device__() == (1, 0)
    for options in ({}, {"stream": None}, {"max_version": (1, 0)}, {"dl_device": (1, 0), "copy": True}):
        assert "dltensor" in repr(t.__dlpack__(**options))
    assert t.to_device("cpu") is t
    with pytest.raises(ValueError, match="device"):
        t.to_device("gpu")
    assert isinstance(t.sum(), Scalar) and t.sum().device == "cpu"
