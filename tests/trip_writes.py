"""Programs that trip lazy libraries: writes, and what was read before and after them."""

from tests.trip_support import outcome, store, table


def reader_built_before_a_write(np):
    """An expression reads its operands when it is written, not when it runs."""
    x = np.arange(5.0)
    double, total, part = x * 2, x.sum(), x[1:4] + 1
    x[1] = 100
    x += 1
    return double, total, part, x


def strided_store(np):
    """A store into a strided slice leaves the other elements alone."""
    t = np.zeros((4, 6))
    t[::2] = 1
    t[1::2, ::-3] = np.arange(2.0)
    t[:, 5:3:-1] += np.array([10.0, 20.0])
    return t, t[::-2, 1::2]


def swap_elements(np):
    """`x[0]` is a value but `a[0]` is a view, so the famous swap works for elements and not for rows."""
    x, a = np.arange(4.0), table(np)
    x[0], x[1] = x[1], x[0]
    a[0], a[1] = a[1], a[0]
    a[2, 0], a[3, 0] = a[3, 0], a[2, 0]
    return x, a


def swap_through_views(np):
    """Both halves are the same memory under two names: the second assignment reads what the first wrote."""
    a, b = np.arange(8.0), np.arange(8.0)
    left, right = a[:4], a[4:]
    left[:], right[:] = right, left
    left, right = b[:4], b[4:]
    kept = left.copy()
    left[:] = right
    right[:] = kept
    b[[0, 7]] = b[[7, 0]]
    return a, b, left, right


def alias_passed_twice(np):
    """A function that writes its first argument while it reads its second, called with one array as both."""

    def step(out, source):
        out += source
        out[1:] *= source[:-1]
        out -= source[::-1]
        return out + source

    x = np.arange(1.0, 7.0)
    result = step(x, x)
    half = step(x[:4], x[2:])
    return x, result, half


def overlapping_shift(np):
    """A shift within one array must behave as if the right side had been copied first."""
    down, up, grow, sums = (np.arange(6.0) for _ in range(4))
    down[1:] = down[:-1]
    up[:-1] = up[1:]
    grow[1:] += grow[:-1]
    sums[::2] += sums[1::2]
    sums[1:5] = sums[4:0:-1]
    return down, up, grow, sums


def overlapping_transpose(np):
    """`a += a.T` and `a[:] = a.T` read elements that the same statement writes."""
    a, b, c = (np.arange(16.0).reshape(4, 4) for _ in range(3))
    a += a.T
    b[:] = b.T
    c[:] = c[::-1, ::-1].T - c
    np.multiply(b, b.T, out=b.T)
    return a, b, c


def subtract_its_own_row(np):
    """`a -= a[0]` overwrites the row that it is still subtracting."""
    a, b, c = (table(np) + 7 for _ in range(3))
    a -= a[0]
    b /= b.max(axis=0)
    c -= c[:, 2:3]
    return a, b, c


def out_overlaps_operand(np):
    """`out=` that overlaps an operand, exactly or shifted."""
    a, b = np.arange(1.0, 7.0), np.arange(1.0, 7.0)
    np.add(a[:-1], a[1:], out=a[1:])
    np.cumsum(b[::-1], out=b)
    m = table(np, 3, 3)
    product = np.matmul(m, m, out=m)
    np.add.reduce(m, axis=0, out=m[1])
    np.multiply(m[0], 2, out=m[:, 0])
    return a, b, m, product is m


def out_keeps_identity(np):
    """The value of a call with `out=` is the `out` object itself; both names see later writes."""
    out = np.zeros(4)
    result = np.add(np.arange(4.0), 1, out=out)
    same = result is out
    result[0] = 50
    total = out.sum(out=None)
    pair = np.divmod(np.arange(4.0), 3, out=(out, None))
    return same, pair[0] is out, out, result, total, pair[1]


def where_leaves_the_rest_of_out(np):
    """`where=` writes some elements of `out`; the others keep what was there when the line ran."""
    top, bottom = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 0.0, 4.0, 0.0])
    safe = np.divide(top, bottom, out=np.zeros(4), where=bottom != 0)
    held = np.full(4, -1.0)
    before = held * 10
    np.sqrt(top, out=held, where=[True, False, True, False])
    bottom[:] = 1
    return safe, held, before, np.add.reduce(top, where=np.array([True, False, False, True]), initial=0.5)


def rows_written_in_a_loop(np):
    """`for row in a: row += 1` writes into `a`; so do the elements of zip, enumerate and unpacking."""
    a = table(np)
    sums = []
    for row in a:
        row += row.sum()
        sums.append(row.mean())
    for number, column in enumerate(a.T):
        column[number % 4] = -number
    first, *rest = a
    first *= 2
    rest[-1][:] = 0
    return a, sums


def flat_iterator(np):
    """`.flat` reads and writes the array in C order whatever its layout."""
    a = table(np)
    pending = a + 0.5
    a.flat[1::3] = [7, 8]
    a.T.flat[:4] = -1
    a.T.flat = a.T.flat[::-1] + 1
    pending.T.flat[2] = 99
    return a, pending, [float(v) for v in a[:2].flat], a.flat[3], a.flat[[0, 5]]


def diagonals(np):
    """fill_diagonal and einsum('ii->i') write the array itself; `np.diagonal` gives a read-only view of it."""
    a, tall = table(np, 4, 4), np.zeros((7, 3))
    shown = np.diagonal(a)
    np.fill_diagonal(a, a[0] * 2)
    np.fill_diagonal(tall, 5, wrap=True)
    np.einsum("ii->i", a)[1:] += 100
    refused = outcome(lambda: store(shown, 0, 1.0))
    a.reshape(-1)[:: a.shape[1] + 1] -= 1
    return a, tall, shown, refused, shown.sum()


def copyto_put_place(np):
    """Functions whose only result is a write into their argument, some of them into a view."""
    a = table(np)
    before = a.sum()
    np.copyto(a[1:], a[:-1], where=a[1:] > 6)
    np.put(a.T, [0, -1, 5], [10, 20])
    np.place(a[::2], a[::2] > 9, [-1, -2])
    np.putmask(a, a < 0, a * 10)
    a[2].put([0, 1], 3)
    np.put_along_axis(a, np.array([[0], [1], [2], [3]]), 44.0, axis=1)
    refused = outcome(lambda: np.copyto(np.zeros(3, int), np.ones(3)))
    return a, before, refused


def repeated_indices(np):
    """`a[i] += 1` counts a repeated index once, `np.add.at` every time; the last duplicate wins a store."""
    where = np.array([0, 1, 1, 3, 1])
    once, each, last = np.zeros(5), np.zeros(5), np.zeros(5)
    once[where] += 1
    np.add.at(each, where, np.arange(1.0, 6.0))
    np.subtract.at(each[::-1], [0, 0], 2)
    last[where] = np.arange(5.0)
    each[where] *= once[where]
    return once, each, last


def pending_mask(np):
    """A mask that has not been computed when it selects what is written."""
    x = np.array([3.0, -1.0, 4.0, -1.5, 9.0])
    mask = x > x.mean()
    negative = x < 0
    x[mask] = 0
    x[:] = -x
    x[negative] *= 10
    x[~mask & ~negative] += np.array([100.0])
    return x, mask, negative, x[mask]


def mask_of_itself(np):
    """`x[x > 1] = x[x > 1] - 1` until nothing is left: each pass reads what the last one wrote."""
    x = np.linspace(0, 5, 11)
    rounds = 0
    while (x > 1).any():
        x[x > 1] -= 1
        rounds += 1
    return x, rounds


def chained_index_write(np):
    """`a[i][j] = v` writes through a chain of views, but into a copy when `i` is a list or a mask."""
    a = table(np)
    a[1:][::2][:, 1] = 7
    a[::-1][0][1:3] = -7
    a[[0, 1]][0] = 500
    a[a > 0][:] = 500
    a[1:3, ...].T[2] += 1
    return a


def zero_dimensional(np):
    """A 0-d array is mutable and shared by its names; `z[()]` is a value."""
    z = np.array(3.0)
    same, value = z, z[()]
    later = z * 2
    z += 1
    z[...] = z * 10
    same[()] -= 0.5
    np.sqrt(z, out=z)
    return z, same, value, later, z.shape


def rebinding_or_in_place(np):
    """`s += 1` on a scalar makes a new one; `a += 1` on an array changes what its other names see."""
    a = np.arange(4.0)
    s = a.sum()
    kept, b = s, a
    s += 1
    a += s
    c = a
    a = a + 1
    b -= 2
    s *= a[0]
    return s, kept, a, b, c


def mutable_default_argument(np):
    """An accumulator in a default argument lives as long as the function."""

    def accumulate(value, total=np.zeros(3)):  # noqa: B008  the program is about this default
        total += value
        total[0] = value.max()
        return total

    first = accumulate(np.arange(3.0))
    seen = first.copy()
    second = accumulate(first)
    return first is second, seen, second, first * 1


def history_of_one_array(np):
    """A list that holds one array many times sees the last value; `+ 0` and copies keep theirs."""
    x = np.arange(3.0)
    aliases, sums, copies = [], [], []
    for _ in range(4):
        aliases.append(x)
        sums.append(x + 0)
        copies.append(x.copy())
        x *= 2
        x[0] += 1
    return aliases, sums, copies


def jacobi_with_swapped_buffers(np):
    """Two buffers that trade names every step, one of them through `out=`."""
    old, new = np.zeros((6, 6)), np.zeros((6, 6))
    old[0] = new[0] = 1.0
    for _ in range(7):
        new[1:-1, 1:-1] = 0.25 * (old[1:-1, :-2] + old[1:-1, 2:] + old[:-2, 1:-1] + old[2:, 1:-1])
        old, new = new, old
    change = np.abs(old - new).max()
    np.subtract(old, new, out=new)
    return old, new, change


def stencil_in_one_array(np):
    """A sweep that overwrites its own neighbours, row after row."""
    a = np.zeros((5, 7))
    a[0], a[-1] = np.arange(7.0), 3
    for _ in range(3):
        for i in range(1, 4):
            a[i, 1:-1] = (a[i - 1, 1:-1] + a[i + 1, 1:-1] + a[i, :-2] + a[i, 2:]) / 4
        a[1:-1] = (a[:-2] + a[2:]) / 2
    return a, a[2].sum()


def sorted_in_place(np):
    """sort, partition and shuffle of a view reorder its base."""
    a, b = np.array([5.0, 1.0, 4.0, np.nan, -0.0, 0.0]), table(np)[:, ::-1].copy()
    largest = a[0] + a[2]
    a[::-1][1:].sort()
    b.T.sort(axis=1)
    b[2, 1:].sort()
    b[:, 0].partition(1)
    np.random.default_rng(1).shuffle(a[2:])
    return a, b, largest, np.argsort(a[:3])


def filled_after_empty(np):
    """`empty` and `empty_like` hold nothing worth reading: only what is written counts."""
    out = np.empty((3, 4))
    like = np.empty_like(out[:, ::2])
    for i in range(3):
        out[i] = np.arange(4) * i
    like[...] = out[:, 1::2]
    out.fill(like[2, 1])
    stacked = np.concatenate([out, like], axis=1, out=np.empty((3, 6)))
    return out, like, stacked
