"""Programs that trip lazy libraries: types, scalars, rounding, and rules of algebra that floats do not obey."""

import math
import statistics

import numpy

from tests.trip_support import outcome, rough, table


def promotion_of_scalars(np):
    """NEP 50: a Python number takes the type of the array, a NumPy scalar keeps its own."""
    f, u, i = np.ones(3, np.float32), np.arange(3, dtype=np.uint8), np.arange(3, dtype=np.int16)
    results = [f + 1.5, f * np.float64(1.5), f + np.arange(3), u + 200, u * np.int8(-1), i / 2, i // 2, u - 1, i + 1j]
    results += [f.sum() * 2, f.sum() * np.float64(2), u.sum() - 1, u.max() + 1]
    results += [u[1] - 1, True + u, f**2, np.float32(3) + 1]
    results += [outcome(lambda: u + 300), outcome(lambda: u.max() + 300), outcome(lambda: i - 10**6)]
    return results, [str(getattr(r, "dtype", r)) for r in results]


def scalars_overflow_and_warn(np):
    """Integer arithmetic wraps silently in arrays; between scalars it wraps and warns."""
    a = np.array([127, -128, 1], dtype=np.int8)
    wrapped = [a + a, a * a[0], -a, abs(a), a << 7]
    with numpy.errstate(over="raise"):
        raised = [outcome(lambda: a.max() + a.max()), outcome(lambda: -a.min()), outcome(lambda: a[0] * a[0])]
        raised += [outcome(lambda: (a + a)[0]), outcome(lambda: np.int64(2**62) * 4)]
    with numpy.errstate(over="ignore"):
        quiet = [a.max() + a.max(), a.min() - a.max(), np.int32(2**31 - 1) + np.int32(1), abs(a.min())]
    return wrapped, raised, quiet, a.sum(), a.sum(dtype=np.int8)


def scalar_math_is_not_array_math(np):
    """Arithmetic between scalars has its own code: powers, products of complex numbers, division by zero."""
    x = np.array([2.5, -7.25, 0.1])
    z = np.array([1.5 + 2j, -0.3 + 7j])
    s, low, c = x.sum(), x.min(), z.sum()
    with numpy.errstate(all="ignore"):
        results = [s**low, s % low, s // low, divmod(s, low), s / (low - low), c * c, c / c, c**2, s**0.5, low**0.5]
        results += [np.array(s) ** np.array(low), c * z[0], -s, +s, abs(low), pow(s, 2), round(s, 1), round(s), s % 0]
    n = np.arange(5).sum()
    results += [n // 3, n % -3, n**3, n / 4, ~n, n << 2, n & 6, n == 10, n != s, -n // 3, bool(n), 2**n, 2.0**n]
    return results


def powers(np):
    """NumPy replaces the exponents 2, 0.5, -1, 0 and 1 of `**` by other operations, only for Python scalars."""
    x = abs(np.array(rough(301))) + 0.1
    f = x.astype(np.float32)
    exponents = [2, 0.5, -1, 0, 1, 3, 2.0, -0.5, np.float64(2), np.float32(0.5), np.array(2.0), np.array([2.0])]
    results = [x**e for e in exponents] + [f**e for e in exponents] + [np.power(x, 2), np.power(f, 0.5)]
    integers = np.arange(1, 6)
    results += [integers**2, integers**0.5, 2**integers, 2.0**integers, (-x) ** 2, integers ** np.arange(5)]
    results += [outcome(lambda: integers**-1), outcome(lambda: integers ** np.array([1, 2, -1, 0, 1]))]
    f **= 2
    integers **= 2
    return results, f, integers


def half_precision(np):
    """Means and variances of float16 are accumulated in float32 and rounded once."""
    h = np.array(rough(2000, numpy.float16))
    results = [h.mean(), h.var(), h.std(), h.sum(), h.mean(dtype=np.float16), h.sum(dtype=np.float32), h.max()]
    m = h.reshape(40, 50)
    results += [m.mean(axis=0), m.var(axis=1, ddof=1), m.sum(axis=0), m @ m.T, np.exp(m[0] / 8), np.cumsum(m[1])]
    results += [(m - m.mean(axis=1, keepdims=True)) / m.std(axis=1, keepdims=True), h[0] * h[1], h[:3] * 60000 / 60000]
    return results


def false_algebra(np):
    """x+0, x*0, x-x, x/x, --x, 0-x: rules that floats break at zeros, infinities and nan."""
    x = np.array([-0.0, 0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e308])
    same = x
    with numpy.errstate(all="ignore"):
        results = [x + 0, x - 0, 0 - x, -x, x * 0, x * 1, x / 1, x - x, x / x, x + x - x, x * 2 / 2, x / 3, x * (1 / 3)]
        results += [-1 * -x, np.negative(-x), abs(x), x * x, x**1, np.sqrt(x) ** 2, np.sign(x), np.maximum(x, -x)]
        results += [x != same, x == same]
        results += [~(x < 1), x >= 1, np.where(x > 0, x, -x), np.copysign(1, x), 1 / x, 1 / (1 / x), np.minimum(x, 0.0)]
    return results


def twice_is_not_always_once(np):
    """Doing it twice undoes it, or changes nothing, for some types only."""
    x, small = np.array([2.5, -0.0, np.nan, -7.0]), np.array([-128, 127, 0, 3], dtype=np.int8)
    z, flags = x[:3] * (1 - 2j), x > 0
    results = [np.logical_not(np.logical_not(a)) for a in (x, small, z, flags)]
    results += [np.negative(np.negative(a)) for a in (x, small, z)] + [np.conjugate(np.conjugate(a)) for a in (x, z)]
    results += [abs(abs(a)) for a in (x, small, z)] + [np.sign(np.sign(a)) for a in (x, small)]
    results += [~~small, ~~flags, np.floor(np.ceil(x)), np.rint(np.rint(x)), np.square(np.sqrt(abs(x)))]
    results += [x.T.T, x[::-1][::-1], x.astype("f4").astype("f8"), small.astype("u1").astype("i1")]
    return results


def order_of_operations(np):
    """No reassociation and no fused multiply-add: every rounding is where the program puts it."""
    a, b, c = (np.array(rough(257, seed=seed)) for seed in range(3))
    f = a.astype(np.float32)
    results = [(a + b) + c, a + (b + c), a * b + c, a * (b + c), a * b + a * c, (a - b) - c, a / b / c, a / (b * c)]
    results += [f + f + f, 3 * f, f * f - f * f, (f * 1e-30) * 1e30, f / 10, f * 0.1, (a + 1e16) - 1e16]
    results += [f + a, f * np.float32(0.1) + f, f.astype(float) * 0.1, (f * 0.1).astype(float), a.astype("f4") - f]
    return results


def integer_division(np):
    """Floor division, remainders and shifts of integers, with zero and with the smallest integer."""
    n = np.array([7, -7, 0, 5, -(2**31)], dtype=np.int32)
    d = np.array([2, 2, 0, -3, -1], dtype=np.int32)
    with numpy.errstate(all="ignore"):
        results = [n // d, n % d, n / d, np.divmod(n, d), np.fmod(n, d), n // 0, n % 0, n >> 1, -n, abs(n)]
    with numpy.errstate(divide="raise"):
        results += [outcome(lambda: n // d), outcome(lambda: n % 0), outcome(lambda: n[0] // 0)]
    return results


def choice_by_where(np):
    """`where` with Python scalars takes its type from both branches, and evaluates both."""
    x = np.array([-4.0, 0.0, 9.0], dtype=np.float32)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        results = [np.where(x > 0, 1, 0), np.where(x > 0, x, 0.0)]
        results += [np.where(x > 0, np.nan, x), np.where(x >= 0, np.sqrt(x), -1)]
        results += [np.where(x == 0, 0, 1 / x), np.where(True, x, 2.0)]
        results += [np.where(x > 0, x, np.arange(3)), np.where([1, 0, 1], 2, x)]
    condition = x > 0
    chosen = np.where(condition, x, x * 2)
    x[:] = 1
    condition[:] = True
    return results, chosen, [r.dtype.name for r in results], np.select([x > 0, condition], [x, -x], 7), np.where(x > 0)


def scalar_taken_from_an_array(np):
    """`v = x[0]` is a value and stays; `w = x[0:1]` is a window and follows."""
    x = np.arange(4.0) * 3
    v, w, corner = x[1], x[1:2], x.reshape(2, 2)[1, 1]
    x[1] = 50
    x *= 2
    item, held = x.item(1), x[np.array(1)]
    x[1] = 0
    return v, w, corner, item, held, v + 1, x[..., 1], outcome(lambda: v.__setitem__(0, 1)), hash(v) == hash(3.0)


def scalars_as_keys(np):
    """A lazy scalar hashes and compares as its value: keys of dicts, members of sets, things to sort."""
    x = np.arange(5.0)
    total, count = x.sum(), np.arange(4).sum()
    names = {total: "ten", count: "six"}
    names[x.max()] = "four"
    x[:] = 0
    found = [names[10.0], names[6], names.get(numpy.float64(4)), total in names, x.sum() in names, 10 in {total}]
    ordered = sorted([total, count, 7, 0.5])
    cache = {}
    for value in [total, count, total + 0, 10.0]:
        cache[value] = cache.get(value, 0) + 1
    return found, [float(v) for v in ordered], [(float(k), n) for k, n in cache.items()], min(total, count)


def scalars_as_python_numbers(np):
    """Lazy scalars where Python wants a number: range, indices, formats, math, round, statistics, slices."""
    x = np.arange(1.0, 7.0)
    n, s = (x > 2).sum(), x.mean()
    letters = "abcdefgh"
    results = [list(range(n)), letters[n], letters[: x.argmax()], [0] * x.argmin()]
    results += [f"{s:.2f}", f"{n:03d}", f"{s}", round(s, 1)]
    results += [math.floor(s), math.isclose(s, 3.5), statistics.mean([s, x.max()]), int(s), float(n)]
    results += [x[n], x[: n // 2], np.zeros(n), np.ones((n, 2)).shape, format(s, ".1f"), str(n)]
    results += [repr(float(s)), divmod(n, 3), n.bit_count(), complex(s), bool(s - s)]
    x[x.argmax()] = -x[x.argmin()]
    return results, x, s.is_integer(), n.dtype.kind, s.shape, s.item(), np.arange(n)[-1], outcome(lambda: range(s))


def empty_and_missing(np):
    """Reductions over nothing: some have a value, some raise at their line, whatever is done with them."""
    e = np.zeros((0, 3))
    results = [e.sum(), e.sum(0), e.prod(), e.all(), e.any(), e.sum(1), (e + 1).T]
    results += [e @ e.T, e.T @ e, np.sort(e), e.max(1)]
    results += [outcome(lambda: e.max()), outcome(lambda: e.argmin(0)), outcome(lambda: np.array([]).min())]
    with numpy.errstate(all="ignore"):
        results += [outcome(lambda: np.max(e, initial=3.0)), np.concatenate([e, np.ones((1, 3))]), e[e > 0]]
    return results


def dates_and_texts(np):
    """Operations on dates, intervals and strings follow the same rules: views, writes, promotion, errors."""
    days = np.array(["2024-02-28", "2024-03-01", "NaT"], dtype="datetime64[D]")
    later, gaps = days + np.timedelta64(2, "D"), days[1:] - days[:-1]
    days[0] = "2000-01-01"
    names = np.array(["b", "abc", ""])
    longer = np.strings.add(names, "!")
    names[2] = "toolong"
    numbers = [np.array(["1.5", "2"]).astype(float), outcome(lambda: np.array(["1.5", "x"]).astype(float))]
    results = [later, gaps, days, np.isnat(days), gaps / np.timedelta64(1, "h")]
    results += [days.astype("i8"), longer, names, names == "abc"]
    return results, numbers, outcome(lambda: days + days), np.sort(names), days.min(), days[:2].max()


def casts(np):
    """astype, mixed stores and mixed outs convert when they are written, with the rules of that place."""
    x = np.array([1.9, -1.9, 200.4, 3.0])
    small = np.zeros(4, np.int8)
    small[:] = x.astype(np.int16)
    halves = np.zeros(4, np.float16)
    halves[:] = x / 3
    bits = np.zeros(4, bool)
    bits[:] = x > 2
    refused = [outcome(lambda: np.add(x, 1, out=small)), outcome(lambda: small.__iadd__(0.5))]
    np.add(x[:2], 1, out=small[:2], casting="unsafe")
    small += bits
    z = np.ones(2, np.complex64)
    z += x[:2]
    results = [x.astype(int), x.astype("f4").astype("f8"), np.add(x, 1, dtype="f4"), x.astype(bool), np.add(bits, bits)]
    return results, small, halves, bits, refused, z, table(np).astype("u1"), bits + 1, bits.sum(), -small
