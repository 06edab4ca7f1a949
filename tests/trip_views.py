"""Programs that trip lazy libraries: views, layouts, and what is one memory under several names."""

import numpy

from tests.trip_support import outcome, rough, store, table


def view_outlives_its_base(np):
    """A view is still a window on the array after the name of the array is gone."""
    a = np.arange(8.0)
    view, other = a[2:6], a[::-1]
    del a
    view += 10
    other[0] = -1
    base = view.base
    base[3] = 500
    del base
    return view, other, view.base.sum()


def view_read_after_write(np):
    """A view made before a write shows the write; an expression made before it does not."""
    a = table(np)
    turned, tail, flat = a.T, a[1:], a.reshape(-1)
    early = turned + 0
    a[1] = 0
    flat[6] = 3
    late = turned + 0
    tail[0, 0] = 8
    return early, late, turned, tail, flat, a


def reshape_is_view_or_copy(np):
    """Whether reshape and ravel give a view depends on the strides; writing to the result tells."""
    a, b, c = table(np), table(np), table(np)
    a.reshape(2, -1)[0] = 1
    b.T.reshape(-1)[:] = 2
    c.T.ravel("K")[:3] = 3
    c.T.ravel()[:] = 4
    c[:, :4].reshape(4, 2, 2)[..., 1] *= -1
    c[:, ::2].reshape(-1)[:] = 5
    return a, b, c, a.T.reshape(-1).flags.owndata, np.ravel(a).base is a


def functions_that_give_views(np):
    """A dozen functions give windows on their argument, and writing to the result writes to it."""
    a = np.zeros((2, 3, 4))
    np.moveaxis(a, 0, -1)[0, 0] += 1
    np.swapaxes(a, 0, 2)[1] += 10
    np.flip(a, 1)[:, 0] += 100
    np.rot90(a[0])[0] += 0.5
    np.split(a, 3, axis=1)[1][...] += 0.25
    np.squeeze(a[:, :1])[1] -= 1
    np.expand_dims(a, 0)[0, 1, 1] -= 2
    np.atleast_3d(a)[1, 2] *= 3
    np.broadcast_arrays(a, 1)[1].sum()
    a.swapaxes(1, 2).transpose()[:2, 3] = 9
    np.rollaxis(a, 2)[2] **= 2
    return a


def functions_that_give_their_argument(np):
    """asarray, ascontiguousarray, astype(copy=False) and atleast_1d may give their own argument back."""
    a = np.arange(6.0)
    same = [np.asarray(a) is a, np.ascontiguousarray(a) is a, np.atleast_1d(a) is a, np.asanyarray(a) is a]
    same += [a.astype(float, copy=False) is a, np.array(a, copy=None) is a, np.require(a, requirements="C") is a]
    a.astype(float)[0] = 100
    a.astype(float, copy=False)[1] = 100
    np.array(a)[2] = 100
    np.asarray(a, dtype=np.float32)[3] = 100
    np.ascontiguousarray(a[::2])[0] = 100
    return same, a


def real_and_imaginary(np):
    """`.real` and `.imag` are windows; `.imag` of a real array is read-only zeros."""
    z = np.arange(4) * (1 + 2j)
    size = abs(z)
    z.real[1:] = 7
    z.imag[::2] += np.arange(2.0)
    z.real, z[3:].imag = z.imag * 2, -1
    x = np.arange(3.0)
    x.real[0] = 5
    return z, size, z.conj().imag, x, outcome(lambda: store(x.imag, 0, 1.0))


def structured_fields(np):
    """A field is a view with strides, a record taken out of the array still writes to it."""
    people = np.zeros(3, dtype=[("x", "f8"), ("n", "i4"), ("at", "f4", (2,))])
    x, total = people["x"], people["n"] + 1
    people["n"] += np.arange(3)
    people["at"][:, 1] = people["x"] + 2
    x[1:] = 4
    record = people[2]
    record["x"] = 9
    people[["n", "x"]][0] = (5, 6.5)
    people[1] = (1.5, 2, (3, 4))
    return people["x"], people["n"], people["at"], x, total, record["x"], people[people["x"] > 2]["n"]


def another_dtype_of_the_same_bytes(np):
    """`view(dtype)` shows and writes the bytes of the array, also after an update that is still pending."""
    a = np.arange(4, dtype=np.float32)
    bits = a.view(np.int32)
    a += 1
    early = bits >> 23
    bits[0] = 0
    bits |= np.int32(1)
    a.view(np.uint8)[-1] ^= 0x80
    pairs = a.view([("left", "f4"), ("right", "f4")])
    pairs["left"] = 2
    return a, bits, early, pairs["right"], a.reshape(2, 2).T.view(np.int32)


def shape_set_in_place(np):
    """Setting `.shape` changes the handle itself and no other view of the memory."""
    a = np.arange(6.0) + 1
    flat = a[:]
    a.shape = (2, 3)
    a[1] = 0
    flat.shape = (3, -1)
    flat.T[0] *= 10
    return a, flat, outcome(lambda: setattr(a.T, "shape", (6,))), outcome(lambda: setattr(a, "shape", (4,))), a.shape


def dtype_set_in_place(np):
    """Setting `.dtype` reads the same bytes as another type from that line on."""
    a = np.arange(3, dtype=np.int64) + 1
    double = a * 2
    a.dtype = np.uint32
    a[1] = 7
    b = np.ones(2)
    b.dtype = "i8"
    return a, double, b, b.sum()


def writeable_flag(np):
    """A read-only array refuses at the line of the write; views made before keep their right to write."""
    a = np.arange(4.0) * 2
    early = a[1:]
    a.flags.writeable = False
    late = a[1:]
    early[0] = 50
    refused = [outcome(lambda: store(a, 0, 1.0)), outcome(lambda: late.sort()), outcome(lambda: a.__iadd__(1))]
    a.setflags(write=True)
    a[3] = 1
    return refused, a, early, late, late.flags.writeable


def broadcast_is_read_only(np):
    """A broadcast view has one element at many places; NumPy refuses to write it, at that line."""
    row = np.arange(3.0)
    wide = np.broadcast_to(row, (4, 3))
    total = wide.sum(axis=0)
    row[0] = 10
    refused = [outcome(lambda: store(wide, 0, 1.0)), outcome(lambda: np.add(wide, 1, out=wide))]
    return refused, wide, total, wide.strides, wide + np.arange(4.0)[:, None]


def windows_follow_the_array(np):
    """sliding_window_view and as_strided show overlapping elements; one write shows in many windows."""
    x = np.arange(7.0)
    windows = np.lib.stride_tricks.sliding_window_view(x, 3)
    early = windows.sum(axis=-1)
    x[3] = 100
    x += 1
    late = windows.sum(axis=-1)
    steps = np.lib.stride_tricks.as_strided(x, shape=(3, 2), strides=(16, 8))
    steps[:, 0] = -1
    return early, late, windows[::2], x, steps.mean(axis=0)


def shared_memory_is_known(np):
    """`.base`, `shares_memory` and `may_share_memory` answer for arrays that exist only as plans."""
    a = np.arange(10.0) * 3
    left, right, odd, even = a[:5], a[5:], a[1::2], a[::2]
    return [
        np.shares_memory(left, right),
        np.shares_memory(odd, even),
        np.may_share_memory(odd, even),
        np.shares_memory(a, odd[::-1]),
        np.shares_memory(a, a + 0),
        left.base is a,
        left[1:].base is a,
        a.base is None,
        a[[0, 1]].base is None,
        a.T.base is a,
    ]


def layout_of_a_result(np):
    """The order of a result follows the layouts of the operands, and reshape("A") shows it."""
    c, f = table(np), np.asfortranarray(table(np) / 3)
    results = [c + f, f + 1, c.T + f.T, c.T * c.T, np.sqrt(abs(f)), f.copy(), f.copy("K"), c.astype("f4", order="F")]
    results += [np.ones_like(f), f[::-1] + f, np.where(f > 0, f, 0), f.sum(axis=0, keepdims=True)]
    return [(r.flags.c_contiguous, r.flags.f_contiguous, r.strides, r.ravel("A")) for r in results]


def sum_of_mixed_layouts(np):
    """NumPy adds the elements of a sum in the order of the memory that the operands gave the result."""
    x = np.array(rough(60 * 41).reshape(60, 41))
    y = np.array(rough(60 * 41, seed=1).reshape(60, 41))
    f = np.asfortranarray(y)
    forward, turned = (x + f).sum(), (x.T + y.T).sum()
    return forward, turned, (f + f).sum(), (x.T * f.T).mean(), (x + y.T.reshape(60, 41)).sum(axis=0)


def temporary_reused_below_and_above_the_limit(np):
    """NumPy reuses a large temporary and its layout: `(a.T * 1) + b` has another order at 182 x 182 than at 181."""
    results = []
    for size in (181, 182):
        a = np.array(rough(size * size).reshape(size, size))
        b = np.array(rough(size * size, seed=1).reshape(size, size))
        mixed = (a.T * 1) + b
        results.append((mixed.strides, mixed.sum(), (b + (a.T * 1)).sum(), ((a.T + 0) - b).ravel("K")[:3]))
    return results


def reversed_exponential(np):
    """NumPy takes another path for a negative stride: `exp(x[::-1])` is not `exp(x)[::-1]` bit for bit."""
    x, f = np.array(rough(1003)), np.array(rough(1003, numpy.float32))
    results = [np.exp(x[::-1]), np.exp(x)[::-1], np.exp(x[::2]), np.exp(x[1:]), np.log(abs(x)[::-3])]
    results += [np.cbrt(x[::-1]), np.cbrt(x)[::-1], np.log1p(abs(x[::-1])), np.power(abs(x), x[::-1]), np.sin(x)[::-1]]
    results += [np.expm1(f[::-1]), np.expm1(f)[::-1], np.arctan(f[::-1]), np.tanh(f[::2]), np.arctan2(x[::-1], x)]
    in_place = np.zeros(2006)
    in_place[::2] = x
    np.exp(in_place[::2], out=in_place[1::2])
    return results, in_place


def product_with_its_own_transpose(np):
    """`x @ x.T` takes BLAS's symmetric routine; two equal arrays take the general one, with other bits."""
    x = np.array(rough(37 * 53).reshape(37, 53))
    copy = x.copy()
    return x @ x.T, x @ copy.T, x.T @ x, copy.T @ x, np.dot(x[0], x[0]), (x + 0) @ (x + 0).T, x[:, ::2] @ x[:, ::2].T


def sums_in_numpys_order(np):
    """Pairwise blocks, rows and columns: floating-point sums show the order of every addition."""
    x = np.array(rough(3000, numpy.float32).reshape(60, 50))
    pieces = [x.sum(), x.sum(0), x.sum(1), x.T.sum(), x[:, ::2].sum(), x[::-1].sum(), x.reshape(-1)[1:].sum()]
    pieces += [x.mean(1), x.var(), x.std(0), np.add.reduceat(x[0], [0, 9, 3]), np.cumsum(x)[-1], x.prod(1)]
    return pieces, np.linalg.norm(x), np.einsum("ij,ij->i", x, x), x.sum(dtype="f8"), np.trace(x), np.nansum(x, 0)
