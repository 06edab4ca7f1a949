"""Programs that trip lazy libraries: the order of things in Python, exceptions, warnings and random streams."""

import gc
import warnings

from tests.trip_support import outcome, store, table


def loop_until_converged(np):
    """A condition of a `while` asks for one value per turn; each element is computed once."""
    x, turns = np.full(3, 2.0), 0
    target = np.array([2.0, 3.0, 5.0])
    while np.abs(x * x - target).max() > 1e-12 and turns < 50:
        x = (x + target / x) / 2
        turns += 1
    found = [bool(v > 1.5) for v in x]
    fails = [outcome(lambda: bool(x)), outcome(lambda: x or 1)]
    return x, turns, found, "big" if x.sum() > 5 else "small", not x.any(), fails


def generator_over_rows(np):
    """A generator reads the array when it is consumed, row by row, not when it is made."""
    a = table(np)
    doubled = (row * 2 for row in a)
    first = next(doubled)
    a[1:] = 1
    pairs = zip(a, a.T)
    a[0] = 5
    sums = [left[0] + right.sum() for left, right in pairs]
    return first, list(doubled), sums, [value for row in a[:2] for value in row]


def closures_over_pending_sums(np):
    """Two hundred closures, each over a pending sum of an array that has changed since."""
    block, waiting = np.zeros(40), []
    for i in range(200):
        block += i
        total = block.sum()
        waiting.append(lambda total=total: total * 2)
        block[i % 40] = -i
    late = []
    for i in range(3):
        late.append(lambda: block.sum() + i)  # noqa: B023  that every one sees the last i is Python's rule
    block[:] = 1
    return [call() for call in waiting], [call() for call in late]


def temporaries_deleted(np):
    """Names are deleted, overwritten and collected before anything has run."""
    x = np.arange(5.0)
    a = x + 1
    b = a * 2
    del a
    c = b - x
    x = None
    b = c + b
    del c
    gc.collect()
    y = [b[::-1] for b in (b, b + 1)]
    del b
    return y


def draws_out_of_order(np):
    """Random draws happen in the order in which they are written, whichever is used first or not at all."""
    rng = np.random.default_rng(7)
    a = rng.normal(size=3)
    b = rng.random(3)
    unused = rng.integers(0, 10, size=100)
    c = rng.standard_normal((2, 2))
    late, early = b.sum() + c.sum(), a * 2
    del unused
    rng.shuffle(b[1:])
    more = [rng.permutation(5), rng.random(), rng.choice(a, 2, replace=False), rng.spawn(1)[0].random(2)]
    return late, early, a, b, more


def seeded_streams(np):
    """`random.seed` restarts the stream of the module functions; the state can be saved and put back."""
    np.random.seed(3)
    first, skipped = np.random.rand(4), np.random.randn(2, 2)
    state = np.random.get_state()
    second = np.random.randint(0, 100, 5)
    np.random.set_state(state)
    again = np.random.randint(0, 100, 5)
    np.random.seed(3)
    old = np.random.RandomState(3)
    np.random.shuffle(again[1:])
    draws = [np.random.rand(4), old.rand(4), old.uniform(-1, 1, 2)]
    draws += [np.random.normal(first, 0.1), np.random.permutation(4)]
    return first, skipped, second, again, draws, outcome(lambda: np.random.choice(3, p=[0.5, 0.4, 0.4]))


def errstate_in_try(np):
    """Under errstate(raise) the operation fails inside the `try`, and what comes before it has happened."""
    x, log = np.array([1.0, 0.0, -1.0]), []
    y = x + 1
    try:
        with np.errstate(divide="raise", invalid="raise"):
            y *= 2
            log.append("doubled")
            z = y / x
            log.append("divided")
            y = z
    except FloatingPointError:
        log.append("caught")
        y -= 1
    with np.errstate(all="ignore"):
        quiet = np.log(x) / x
    return y, log, quiet


def errstate_calls_a_function(np):
    """errstate(call=) calls Python at the line of the operation, in the order of the program."""
    calls = []
    x = np.array([1.0, 0.0])

    def note(kind, flag):
        calls.append((kind, flag, "before" if not calls else "after"))

    with np.errstate(divide="call", call=note):
        y = 1 / x
        seen = len(calls)
        x += 1
        z = np.log(x - 1)
    old = np.seterr(all="raise")
    raised = outcome(lambda: np.exp(x * 1000))
    np.seterr(**old)
    return calls, seen, y, z, raised, np.geterr() == old


def warnings_recorded(np):
    """A program that records warnings finds them in the block, in order, also those of values never used."""
    x = np.array([1.0, 0.0, -1.0])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        total = float(np.log(abs(x)).sum())
        root = np.sqrt(x)
        found = len(seen)
        x += 1 / x[:0].mean()
    return total, root, x, found, [(w.category.__name__, str(w.message)) for w in seen]


def warnings_as_errors(np):
    """With RuntimeWarning as an error, the operation raises at its line."""
    x, reached = np.array([1.0, 0.0]), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            reached.append("before")
            y = 1 / x
            reached.append("after")
            x = y
        except RuntimeWarning as warning:
            reached.append(str(warning))
        x += 1
        fails = [outcome(lambda: np.sqrt(-x)), outcome(lambda: x[:0].mean()), outcome(lambda: np.exp(x))]
    return reached, fails, x


def shapes_checked_at_the_line(np):
    """Wrong shapes, axes and names of operations on pending arrays raise where they are written."""
    x = table(np) + 1
    fails = [outcome(lambda: x + np.ones(4)), outcome(lambda: x @ x)]
    fails += [outcome(lambda: x.sum(axis=2)), outcome(lambda: x.reshape(7, 3))]
    fails += [outcome(lambda: np.concatenate([x, x.T])), outcome(lambda: x[4])]
    fails += [outcome(lambda: x[:, :, 0]), outcome(lambda: x.T[5:][0])]
    fails += [outcome(lambda: store(x, 0, np.ones(4)))]
    fails += [outcome(lambda: x.transpose(0, 0))]
    fails += [outcome(lambda: x.astype("nonsense"))]
    fails += [outcome(lambda: x.nothing), outcome(lambda: x["a"])]
    fails += [outcome(lambda: x[1.0]), outcome(lambda: len(x.sum()))]
    fails += [outcome(lambda: np.stack([])), outcome(lambda: x.sum() @ x)]
    fails += [outcome(lambda: x & x), outcome(lambda: np.sin("a"))]
    return fails, x


def indices_checked_at_the_line(np):
    """An index array that is itself pending is checked where it is used, before anything is changed."""
    x, log = np.arange(5.0), []
    where = np.arange(3) * 2
    good = x[where] + x[-where - 1]
    try:
        x += 10
        log.append("added")
        y = x[where + 2]
        log.append("indexed")
        x = y
    except IndexError:
        log.append("caught")
    fails = [outcome(lambda: store(x, where * 2, 0.0))]
    fails += [outcome(lambda: x.take(where + 9))]
    fails += [outcome(lambda: x[np.ones(4, bool)])]
    fails += [outcome(lambda: np.add.at(x, where - 9, 1))]
    fails += [outcome(lambda: x[where * 0.5]), outcome(lambda: np.eye(3)[where, where])]
    x[where] = -where
    where[:] = 0
    return good, log, fails, x, x.take([7, -8], mode="wrap"), where


def values_checked_at_the_line(np):
    """Operations that can fail on values fail where they are written: singular matrices, counts, powers."""
    singular, n = np.ones((2, 2)) - 0, np.arange(3) - 1
    fails = [outcome(lambda: np.linalg.inv(singular)), outcome(lambda: np.linalg.solve(singular, np.ones(2)))]
    fails += [outcome(lambda: np.linalg.cholesky(-np.eye(2) * 1))]
    fails += [outcome(lambda: 2**n), outcome(lambda: np.repeat(n + 1, n))]
    fails += [outcome(lambda: np.bincount(n)), outcome(lambda: np.random.default_rng(0).choice(3, p=n / 2.0))]
    fails += [outcome(lambda: np.unravel_index(n + 5, (2, 2)))]
    fails += [outcome(lambda: int(n)), outcome(lambda: np.searchsorted(n, "a"))]
    inverse = np.linalg.inv(singular + np.eye(2))
    singular[:] = 0
    return fails, inverse, np.repeat(n, n + 1), np.bincount(n + 1), np.linalg.det(inverse)


def exception_in_the_middle(np):
    """A failure leaves exactly the updates that precede it, in every array they touched."""
    a, b = table(np), np.zeros(5)
    steps = [lambda: a.__iadd__(1), lambda: store(b, slice(None), a[0])]
    steps += [lambda: store(a, (0, 7), 5.0), lambda: b.__imul__(2)]
    steps += [lambda: b.__iadd__(np.ones(6)), lambda: store(a, 1, b * 3)]
    steps += [lambda: a.__ifloordiv__(np.ones((2, 5))), lambda: b.sort()]
    log = []
    for step in steps:
        failed = outcome(step)
        log.append(failed if isinstance(failed, str) else "done")
        b[0] -= 1
    ints = np.arange(3)
    failed = outcome(lambda: ints.__iadd__(0.5))
    ints += 1
    return a, b, log, failed, ints


def shape_known_from_values(np):
    """Results whose shape depends on values: their length and shape can be asked for at once."""
    x = np.array([3, 1, 3, 0, 2, 0])
    kept = x[x > 1]
    rows, counts = np.unique(x, return_counts=True)
    nothing, hits = x[x > 9], np.nonzero(x)
    x[:] = 9
    tall = np.zeros((len(kept), rows.size))
    tall[0] = rows
    threes = np.flatnonzero(kept == 3)
    return kept, rows, counts, nothing.shape, hits, tall, np.argwhere(tall), kept.shape[0] * 2, threes


def ufunc_methods(np):
    """reduce, accumulate, reduceat, outer and at, with out, where and initial, on pending operands."""
    x = np.arange(1.0, 7.0)
    out = np.zeros(6)
    products = np.multiply.outer(x[:3], x[3:])
    running = np.add.accumulate(x, out=out)
    x[0] = 100
    parts = np.maximum.reduceat(x, [0, 3, 1])
    total = np.add.reduce(products, axis=None, initial=10, where=products > 6)
    products[0] = 0
    logical = np.logical_or.reduce(x > 50), np.bitwise_xor.reduce(np.arange(9)), np.hypot.reduce(x[:3])
    fails = outcome(lambda: np.sin.reduce(x))
    return products, running is out, out, parts, total, logical, fails, np.minimum.accumulate(-x)


def comparisons_and_membership(np):
    """`==` with odd partners, `in`, chained comparison, any and all of Python."""
    x, nothing = np.array([1.0, np.nan, 3.0]), None
    same = x
    results = [x == same, x != nothing, x == "a", 3.0 in x, np.nan in x, (x == 3).any(), any(x > 2), all(x == same)]
    results += [outcome(lambda: 0 < x < 5), outcome(lambda: x in [x])]
    results += [outcome(lambda: x in [1, x]), x is same, np.array_equal(x, x)]
    results += [outcome(lambda: x == np.ones(4)), np.array_equal(x, x, equal_nan=True)]
    results += [(x == [1, 2, 3]).tolist(), x.sum() == same.sum()]
    results += [min(x[0], x[2]), max([x[2], x[0]]), [1.0, 3.0].index(x[2])]
    results += [x[0] == 1, x.max() is same.max(), np.isnan(x.max())]
    return results


def history_through_a_recursion(np):
    """A recursive function over views: the writes of the deepest call come first."""
    a = np.arange(16.0)[::-1].copy()

    def merge_sort(part):
        if len(part) < 2:
            return part
        middle = len(part) // 2
        left, right = merge_sort(part[:middle]).copy(), merge_sort(part[middle:]).copy()
        i = j = 0
        for k in range(len(part)):
            if j >= len(right) or (i < len(left) and left[i] <= right[j]):
                part[k], i = left[i], i + 1
            else:
                part[k], j = right[j], j + 1
        return part

    return merge_sort(a) is a, a, merge_sort(np.array([3, 1, 2]))
