"""Strides and flags are NumPy's to the last axis, also along axes of length 1, where nothing steps."""

import random

import numpy as real
import pytest

from tests.helpers import check_same, fresh, module_under_test
from tests.test_lazy_functions import rows

CALLS = """
x+y; x*2; -x; np.sqrt(x); np.add(x,y); np.where(x>y,x,y); x.copy(); x.copy('K'); x.copy('A'); x.astype('f4')
x.astype('f4',order='A'); x.sum(0); x.sum(-1); x.mean(0,keepdims=True); x.max(1); x.cumsum(0); x.std(-1); (x+y)*x
x.argmax(0); x>y; np.maximum(x,1); np.sort(x,0); np.concatenate([x,y]); np.stack([x,y]); np.clip(x,0,1)
np.round(x,1); x**2; np.diff(x,axis=0); np.flip(x,0); np.take(x,[0],0); x[[0]]; x[:,[0]]; np.nan_to_num(x)
np.zeros_like(x); np.ones_like(x); np.full_like(x,2); np.expand_dims(x,0)+y; x.T+y.T; np.cumsum(x,1); x@y.T
np.einsum('...i,...i->...i',x,y); np.repeat(x,2,0); np.pad(x,1); x.reshape(-1); x.ravel('K'); x.flatten('F')
np.swapaxes(x,0,1); np.median(x,0); np.var(x,1); np.prod(x,0); np.any(x,0); x.round(); np.fix(x); np.real(x)
np.divmod(x,3)[0]; np.modf(x)[0]; np.mean(x,(0,1)); np.linalg.norm(x,axis=0); np.array(x); np.asarray(x,order='F')
np.ascontiguousarray(x); np.require(x,'f4','F'); np.broadcast_arrays(x,y[:1])[1]; np.triu(x); np.insert(x,0,1,0)
np.delete(x,0,0); np.fft.fft(x); np.gradient(x,axis=0) if x.shape[0]>1 else x; np.add.accumulate(x,1)
np.add.reduce(x,(0,1)); np.add.reduceat(x,[0],0); np.take_along_axis(x,np.zeros((1,)*x.ndim,int),0)
np.select([x>y],[x]); np.atleast_3d(x); np.block([[x,y]]); x.swapaxes(0,-1).copy(); x[::-1]; x[None].copy('K')
np.multiply(x,y,order='F'); np.trapezoid(x,axis=0)
"""


def array(rng, shape, dtype):
    """An array in a random layout: axes in any order, gaps, steps backwards, repeated elements."""
    axes = rng.sample(range(len(shape)), len(shape))
    packed = real.arange(int(real.prod(shape))).astype(dtype).reshape([shape[i] for i in axes])
    result = packed.transpose(real.argsort(axes))
    layout = rng.random()
    if layout < 0.2:
        return real.zeros([2 * n for n in shape], dtype)[(slice(None, None, 2),) * len(shape)]
    if layout < 0.3:
        return result[(slice(None, None, -1),) * len(shape)]
    if layout < 0.4:
        return real.broadcast_to(result[..., :1], shape)
    return real.asfortranarray(result) if layout < 0.5 else result


def seen(value):
    flags = value.flags
    return value.shape, value.strides, flags.c_contiguous, flags.f_contiguous, flags.owndata


@pytest.mark.parametrize("seed", range(60))
def test_strides_are_numpys(seed):
    np, rng = module_under_test(), random.Random(seed)
    shape = tuple(rng.choice([1, 1, 2, 3]) for _ in range(rng.choice([2, 2, 3, 3, 4])))
    other = tuple(1 if rng.random() < 0.15 else n for n in shape)
    x, y = array(rng, shape, rng.choice(["f8", "f8", "f4", "i4"])), array(rng, other, rng.choice(["f8", "f4"]))
    for line in CALLS.strip().splitlines():
        for row in rows(line, ""):
            try:
                expected = eval(row, {"np": real, "x": x, "y": y})
            except (ValueError, IndexError):
                continue
            found = eval(row, {"np": np, "x": fresh(x, np), "y": fresh(y, np)})
            if isinstance(expected, real.ndarray) and 0 not in expected.shape:
                assert seen(found) == seen(expected), (row, shape, x.strides, other, y.strides)


ELIDED = """
-x.copy(); x.copy()**2; x.copy()**0.5; abs(x.copy()); x.copy()+1; 1+x.copy(); x.copy()*np.float64(2)
np.float64(2)*x.copy(); x.copy()+x.astype('<f4'); x.astype('<f4')+x.copy(); x.copy()*x; x*x.copy(); x.copy()*x.copy()
x*x; x.copy()/3; 3/x.copy(); x.copy()-x.sum(); x.sum()*x.copy(); x[:]+1; x.copy()**3; x.copy()-c; np.ones_like(x)+1
np.sqrt(x)+1; x.copy().T+1; x.copy()[::1]*x; np.asarray(given)+1; c.copy()*2; abs(c.copy()); c.copy()**2; c.copy()+x
i.copy()*2; i.copy()/2; i.copy()//2; ~i.copy(); i.copy()&True; i.copy()*2.0; i.copy()<<1; i.copy()**2; i.copy()>i
q+l; l+q; q.copy()+l; l+q.copy(); l.copy()+q; q+l.copy(); q.copy()+1; -q.copy(); l*q.copy(); small.copy()+1
"""


@pytest.mark.parametrize("line", [row for line in ELIDED.strip().splitlines() for row in line.split("; ")])
def test_the_dtype_of_a_temporary_that_numpy_overwrites(line):
    """NumPy writes the result of an operator into a large unnamed operand: its byte order and C type stay."""
    def program(np):
        given = real.ones((200, 200), ">f8")
        names = {"np": np, "given": given, "x": np.full((200, 200), 1.5, ">f8"), "c": np.ones((200, 200), ">c16"),
                 "i": np.full((200, 200), 3, ">i8"), "q": np.ones((200, 200), "q"), "l": np.ones((200, 200), "l"),
                 "small": np.ones(30, ">f8")}
        return [eval(line, names) for _ in range(3)]

    check_same(program)


@pytest.mark.parametrize("shape, strides", [((9, 4), (2, 17)), ((4, 9), (17, 2)), ((5, 4), (4, 18)), ((5, 4), (2, 3))])
@pytest.mark.parametrize("line", ["np.stack([x, x], axis=-1)", "np.concatenate([x, x])", "np.tile(x, 1)", "np.diff(x)",
                                  "np.nan_to_num(x)", "np.roll(x, 1, 0)", "np.median(x, 0, keepdims=True)"])
def test_strides_of_an_axis_that_begins_inside_a_gap(shape, strides, line):
    """As in ``f[::2]`` of a Fortran-ordered array of 17 rows: no gap follows the last of nine elements."""
    def program(np):
        x = np.lib.stride_tricks.as_strided(np.arange(100, dtype="u1"), shape, strides)
        return eval(line, {"np": np, "x": x})

    check_same(program)


@pytest.mark.parametrize("row", ["c.T", "c[::-1]", "c.swapaxes(0, 1)[:, ::2]", "c[:, :, None]", "c.reshape(0, 48).T",
                                 "c.T.any(axis=0, keepdims=True)", "c.T.sum(0)", "c.swapaxes(0, 1).max(2, initial=1)"])
def test_views_of_empty_results_step_as_numpys(row):
    def program(np):
        c = np.zeros((3, 16, 0))[..., ::-1] + 1
        return eval(row, {"c": c}).strides

    check_same(program)


@pytest.mark.parametrize("index", [
    "[0], None", "None, ..., [1, 0]", "None, :, [[0], [0]]", "[[0]], None, None", ":, None, [1, 0]", "[1, 0], None, 1:",
    "0, None, [0, 0]", "[True, False, True], None", "..., None, [1, 1]", "None, [[1, 2]], 0:1", ":, 0:1, [2]",
])  # fmt: skip
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 1, 3)])
def test_new_axes_beside_index_arrays_step_as_numpys(everything_waits, index, shape):
    def program(np, x):
        return eval(f"(x * 2)[{index}]", {"x": x}).strides

    a = real.arange(real.prod(shape) * 1.0).reshape(shape)
    try:
        program(real, a)
    except IndexError:
        pytest.skip("no such index of this shape")
    check_same(program, a)


@pytest.mark.parametrize("shape", [(1, -1), (-1,), (-1, 1), -1])
@pytest.mark.parametrize("make", [
    lambda np: np.full((1, 4), 2.0, order="F"), lambda np: np.ones(1)[::-1], lambda np: np.zeros(())[None],
    lambda np: np.arange(24.0).reshape(4, 6)[::4, :1], lambda np: np.arange(3.0).reshape(3, 1).T * 2])
def test_a_length_left_open_makes_strides_along_axes_of_length_one(make, shape):
    def strides(np):
        a = make(np)
        b = a.reshape(shape)
        b += 1
        return b.strides, a.ravel().strides, a.reshape(a.shape).strides, a, b

    check_same(strides)
