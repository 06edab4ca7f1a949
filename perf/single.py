"""Single calls and idioms of two or three: the time of each on arrays of several sizes, NumPy beside.

    python perf/single.py [--check] [--sizes 30000,300000,3000000] [--part K/N] [--below 0.9] [--seconds 0.1] [WORD ...]

Each line of `CALLS` is an expression, or a statement that writes to `w` or `W`, of the arrays that `arrays` makes. Its
results in both modules are compared first, bit for bit; then the modules take turns, and each result is realized. A
figure is the median of what each took, in microseconds, and the ratio is NumPy's time to ours: below 1, NumPy is
quicker. Only lines that contain one of the WORDs are measured, and of those the K-th of N parts. The ratios below
`--below` are listed again at the end, lowest first. `--check` makes the exit status 1 if a ratio is below `TARGET`.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy

TARGET = 0.9
WARM = 70
"""Runs of a line before it is measured, if time allows: more than `config(eager_after=)`."""

CALLS = """
    x.sum()
    f.sum()
    k.sum()
    u.sum()
    m.sum()
    x.mean()
    u.mean()
    m.mean()
    x.std()
    x.max()
    x.argmax()
    X.sum(axis=0)
    X.sum(axis=1)
    X.mean(axis=0)
    U.mean(axis=1)
    B.mean(axis=1)
    B.sum(axis=0)
    X.max(axis=1)
    X.argmax(axis=0)
    X.argmax(axis=1)
    X.std(axis=0)
    X.any(axis=1)
    np.prod(X, axis=1)
    np.ptp(x)
    np.median(x)
    np.percentile(x, 90)
    np.quantile(X, [0.25, 0.75], axis=0)
    np.average(x, weights=y)
    np.sum(x, where=m)
    (x > 2.5).any()
    (x < 9.0).all()
    np.any(k == 7)
    np.count_nonzero(x > 0.5)
    np.count_nonzero(m)
    (x > 0.5).sum()
    (x > 0.5).mean()
    np.isnan(x).any()
    np.isfinite(x).all()
    np.allclose(x, y)
    np.array_equal(x, y)
    np.isclose(x, y)
    np.linalg.norm(x)
    np.abs(x - y).max()
    ((x - y) ** 2).mean()
    np.sqrt((x * x).sum())
    x @ y
    np.dot(x, y)
    np.nansum(a)
    np.nanmean(a)
    np.nanmax(a)
    np.nanstd(a)
    np.nanmedian(a)
    np.nan_to_num(a)
    np.nan_to_num(a).sum()
    np.where(np.isnan(a), 0.0, a)
    x[i]
    x[m]
    x[x > 0.5]
    X[J]
    X[:, K[:, :50]]
    X[J, K[0]]
    x[::2].copy()
    x[::-1].copy()
    X.T.copy()
    np.take(x, i)
    np.take(X, J, axis=0)
    np.compress(m, x)
    np.extract(m, x)
    np.choose(c, [x, y, f])
    np.take_along_axis(X, np.argsort(X, axis=1), axis=1)
    w[i] = v
    w[i] = 0.0
    w[i] += 1.0
    w[m] = 0.0
    w[m] += 1.0
    w[w > 3.0] = 3.0
    w[10:-10] = 1.0
    w[1:] = x[:-1]
    w[::2] = x[::2]
    w[:] = x
    W[J] = R
    W[:, 3] = 1.0
    W[2] = W[5]
    W[J, 1] = 0.0
    w += x
    w *= 0.5
    np.add.at(w, i, 1.0)
    np.put(w, i, v)
    np.putmask(w, m, x)
    np.copyto(w, x)
    np.copyto(w, x, where=m)
    np.place(w, m, v)
    w.fill(2.0)
    np.maximum(w, 0.0, out=w)
    np.sort(x)
    np.argsort(x)
    np.sort(k)
    np.argsort(k, kind="stable")
    np.sort(X, axis=1)
    np.partition(x, 100)
    np.argpartition(x, 100)
    np.lexsort((k, x))
    x[np.argsort(x)[-10:]]
    np.unique(k)
    np.unique(k, return_counts=True)
    np.unique(k, return_inverse=True)
    np.isin(k, [1, 5, 9])
    np.intersect1d(i, k)
    np.union1d(i, k)
    np.setdiff1d(i, k)
    np.isin(k, c)
    np.cumsum(x)
    np.cumprod(f)
    np.cumsum(k)
    np.cumsum(X, axis=0)
    np.cumsum(X, axis=1)
    np.nancumsum(a)
    np.maximum.accumulate(x)
    np.minimum.accumulate(X, axis=1)
    np.diff(x)
    np.diff(X, axis=0)
    np.diff(k) > 0
    np.diff(x, prepend=0.0)
    np.ediff1d(x)
    np.gradient(x)
    np.gradient(X)
    np.trapezoid(x)
    np.convolve(x, h)
    np.convolve(x, h, "same")
    np.correlate(x, h, "valid")
    np.interp(x, s[::100], v[:s[::100].size])
    np.histogram(x, bins=50)
    np.histogram(x, bins=50, range=(-4, 4))
    np.histogram2d(x, y, bins=20)
    np.bincount(k)
    np.bincount(k, weights=x)
    np.searchsorted(s, x)
    np.searchsorted(s, 0.5)
    np.digitize(x, [-1.0, 0.0, 1.0])
    np.nonzero(m)
    np.where(m)[0]
    np.where(x > 0.5)[0]
    np.flatnonzero(m)
    np.flatnonzero(x > 1.0)
    np.argwhere(m)
    np.nonzero(X > 1.0)
    np.concatenate([x, y])
    np.concatenate([X, X], axis=1)
    np.stack([x, y])
    np.stack([x, y], axis=1)
    np.vstack([X, X])
    np.hstack([X, X])
    np.column_stack([x, y])
    np.append(x, y)
    np.append(x, 1.0)
    np.insert(x, 5, 1.0)
    np.delete(x, 5)
    np.split(x, 4)[1] * 2.0
    np.array_split(x, 7)[0] + 1.0
    np.tile(x, 3)
    np.repeat(x, 3)
    np.repeat(X, 2, axis=0)
    np.roll(x, 5)
    np.roll(X, 1, axis=1)
    np.pad(X, 1)
    np.pad(x, 2, mode="edge")
    np.pad(X, 1, mode="reflect")
    np.flip(x) + 1.0
    np.flipud(X).copy()
    np.rot90(X).copy()
    np.ravel(X.T)
    X.T.reshape(-1)
    np.expand_dims(x, 0) * 2.0
    np.swapaxes(X, 0, 1).sum(axis=0)
    np.moveaxis(X, 0, 1).copy()
    np.broadcast_to(x, (3, x.size)).sum()
    np.triu(X)
    np.diag(X).sum()
    np.meshgrid(s[:100], x[:x.size // 100])
    np.where(m, x, y)
    np.where(x > 0.0, x, 0.0)
    np.select([x < -1.0, x > 1.0], [x, y])
    np.clip(x, -1.0, 1.0)
    x.clip(0.0)
    np.maximum(x, 0.0)
    np.minimum(x, y)
    np.abs(x)
    np.exp(x)
    np.log(b)
    np.sin(x)
    np.sqrt(b)
    x ** 2
    b ** 0.5
    b ** y
    x + y
    x * 2.0
    x / y
    x // b
    x % 1.0
    -x
    ~m
    m & n
    k % 7
    k // 3
    k & 1
    k + 1
    u + 1
    u.astype(numpy.float32) / 255.0
    x > y
    k == 3
    np.sign(x)
    np.round(x, 2)
    np.floor(x)
    np.hypot(x, y)
    np.arctan2(x, y)
    np.tanh(x)
    np.divmod(x, b)
    np.modf(x)
    np.isnan(x)
    np.logical_and(m, n)
    z * z
    np.abs(z)
    z.conj()
    z.real + z.imag
    np.angle(z)
    x.astype(numpy.float32)
    f.astype(float)
    k.astype(float)
    x.astype(int)
    m.astype(int)
    k.astype(numpy.uint8)
    x.copy()
    x.tolist()[-1]
    x.tobytes()[:4]
    np.array(x)
    np.zeros(x.size) + 1.0
    np.zeros_like(x)
    np.ones_like(x)
    np.full_like(x, 2.5)
    np.empty_like(x).size
    np.arange(x.size)
    np.arange(x.size) * 0.5
    np.linspace(0.0, 1.0, x.size)
    np.einsum("i,i->", x, y)
    np.einsum("ij,ij->i", X, X)
    np.einsum("ij,jk->ik", X, H)
    np.tensordot(X, H, 1)
    np.inner(x, y)
    np.outer(s[:100], x[:x.size // 100])
    np.add.outer(s[:100], x[:x.size // 100])
    np.multiply.outer(s[:100], x[:x.size // 100])
    np.add.reduce(x)
    np.add.reduce(X, axis=0)
    np.maximum.reduce(X, axis=1)
    np.logical_or.reduce(m)
    np.add.accumulate(x)
    np.add.reduceat(x, p)
    np.multiply.reduce(X, axis=1)
    np.kron(x[:x.size // 100], s[:100])
    X @ H
    X @ H[0]
    H @ H
    X.T @ X
    np.linalg.inv(Q)
    np.linalg.solve(Q, Q[0])
    np.linalg.det(Q)
    np.linalg.norm(X, axis=1)
    np.linalg.norm(X)
    np.linalg.qr(Q)
    np.linalg.svd(Q, compute_uv=False)
    np.linalg.eigvalsh(Q)
    np.linalg.lstsq(X, x[:len(X)])[0]
    np.trace(H)
    np.cov(X.T)
    np.corrcoef(X.T)
    np.polyval([1.0, -2.0, 3.0], x)
    np.polyfit(s, x, 2)
    np.vander(x, 4)
    np.fft.rfft(x)
    np.fft.fft(z)
    np.fft.fft2(X)
    np.fft.fftshift(x)
    g.random(x.size)
    g.normal(size=x.size)
    g.integers(0, 100, x.size)
    g.permutation(x)
    g.choice(x, 100)
    np.random.rand(x.size)
    np.random.randn(x.size) * 2.0
    (x - x.mean()) / x.std()
    (X - X.mean(axis=0)) / X.std(axis=0)
    X - X.mean(axis=1, keepdims=True)
    X / X.sum(axis=1, keepdims=True)
    np.exp(X - X.max(axis=1, keepdims=True))
    X * s[:100]
    X[:, 0] + X[:, 1]
    X[:, ::2].sum(axis=1)
    X[X[:, 0] > 0]
    x[1:] - x[:-1]
    x[1:-1] * 2.0
    x.reshape(-1, 10).mean(axis=1)
    x.reshape(10, -1).T.sum(axis=0)
    x[::10].sum()
    float(x.sum())
    bool((x == y).all())
    int(np.argmin(np.abs(x - 0.5)))
    x[np.argmax(x)]
    np.apply_along_axis(numpy.sum, 0, X[:, :3])
    np.packbits(m)
    np.unpackbits(u)
    np.bitwise_xor.reduce(k)
    np.signbit(x)
    np.trunc(x)
    np.fmin(a, y)
    np.array([x, y])
    np.asarray(x) * 1.5
    np.squeeze(x[None]) + 1.0
    np.dstack([X, X])
    np.fliplr(X) * 2.0
    np.logspace(0.0, 1.0, x.size)
    np.unwrap(x)
    np.sinc(x)
    np.heaviside(x, 0.5)
    np.cross(X[:, :3], X[:, 3:6])
    np.ravel_multi_index((K[0], K[1]), (100, 100))
    np.unravel_index(i, X.shape)
    np.array_equal(x, x)
    np.may_share_memory(x, y)
    np.indices((x.size // 100, 100))
    np.tri(x.size // 100, 100)
    np.cumsum(m)
    np.rint(x)
    np.reciprocal(b)
    np.square(x)
    np.power(x, 3)
    np.float_power(b, 2.0)
    np.expm1(x)
    np.log1p(b)
    np.deg2rad(x)
    np.logical_not(m)
    np.invert(k)
    np.left_shift(k, 2)
    np.gcd(k, 12)
"""

Case = Callable[[Any, dict[str, Any]], Any]


def arrays(np: Any, size: int) -> dict[str, Any]:
    """The arrays of the table's lines, some `size` elements each, of the same numbers for both modules; those that
    lines write to and the generator are new each time."""
    kept = read(np, size)
    return {**kept, "w": np.array(kept["x"]), "W": np.array(kept["W"]), "g": np.random.default_rng(1)}


@functools.lru_cache(2)
def read(np: Any, size: int) -> dict[str, Any]:
    """The arrays, which take seconds to make."""
    draw = numpy.random.default_rng(size)
    rows = size // 100
    x, y = draw.normal(size=(2, rows * 100))
    k = draw.integers(0, 100, x.size)
    gaps = x.copy()
    gaps[::17] = numpy.nan
    square = min(math.isqrt(size), 400)
    made = {
        "x": x, "y": y, "f": x.astype(numpy.float32), "k": k, "u": k.astype(numpy.uint8), "m": x > 0.5, "n": y > 0.0,
        "b": numpy.abs(y) + 0.1, "a": gaps, "z": x + 1j * y, "s": numpy.sort(y), "c": k % 3, "h": numpy.hanning(9),
        "i": draw.permutation(x.size)[:x.size // 3], "v": draw.normal(size=x.size // 3),
        "X": x.reshape(rows, 100).copy(), "U": k.astype(numpy.uint8).reshape(rows, 100),
        "B": (x > 0.0).reshape(rows, 100), "W": y.reshape(rows, 100).copy(), "J": draw.permutation(rows)[:rows // 2],
        "R": x[:rows // 2 * 100].reshape(-1, 100).copy(), "K": draw.integers(0, 100, (2, rows // 2)),
        "H": draw.normal(size=(100, 100)), "p": numpy.arange(0, x.size, 50),
        "Q": draw.normal(size=(square, square)) + square * numpy.eye(square),
    }  # fmt: skip
    return {name: np.array(array) for name, array in made.items()}


def case(line: str) -> Case:
    """A line of the table as a function of a module and its arrays; a statement gives the array that it writes to."""
    try:
        code = compile(f"def fn(np, {ARGUMENTS}): return {line}", line, "exec")
    except SyntaxError:
        target = line.split("[")[0].split()[0]
        code = compile(f"def fn(np, {ARGUMENTS}):\n    {line}\n    return {target}", line, "exec")
    scope: dict[str, Any] = {"numpy": numpy}
    exec(code, scope)
    fn = scope["fn"]
    writes = line.split("(")[0] in ("np.add.at", "np.put", "np.putmask", "np.copyto", "np.place", "w.fill")

    return (lambda np, given: (fn(np, **given), given["w"])[1]) if writes else lambda np, given: fn(np, **given)


ARGUMENTS = ", ".join(arrays(numpy, 1000))


def parts_of(result: Any) -> list[Any]:
    """The arrays and numbers of a result, tuples and lists taken apart."""
    if isinstance(result, (tuple, list)):
        return [part for each in result for part in parts_of(each)]
    return [result]


def same(one: Any, other: Any) -> bool:
    """Whether two results have the same bits, but for those of NaNs."""
    pairs = list(zip(parts_of(one), parts_of(other), strict=True))
    for a, b in pairs:
        a, b = numpy.asarray(a), numpy.asarray(b)
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype.kind in "fc":
            a, b = (numpy.where(numpy.isnan(x), numpy.nan, x) for x in (a, b))
        if a.tobytes() != b.tobytes():
            return False
    return True


def seconds_of(module: Any, fn: Case, given: dict[str, Any]) -> float:
    """What a call takes, its result realized."""
    start = time.perf_counter()
    result = fn(module, given)
    pending = [x for x in parts_of(result) if hasattr(x, "realize")] if type(result) in (tuple, list) else (result,)
    if module is not numpy and hasattr(pending[0] if pending else None, "realize"):
        module.realize(*pending)
    return time.perf_counter() - start


def drawing(fn: Case, module: Any, given: dict[str, Any]) -> Any:
    """What a call gives, from the start of the stream of random numbers, which both modules have in common."""
    numpy.random.seed(0)
    return fn(module, given)


def measured(module: Any, line: str, size: int, budget: float) -> tuple[float, float]:
    """Microseconds of a call, of NumPy and of the module."""
    fn = case(line)
    theirs, ours = arrays(numpy, size), arrays(module, size)
    if not same(drawing(fn, numpy, theirs), drawing(fn, module, ours)):
        raise SystemExit(f"{line}: the results differ")
    end = time.perf_counter() + 2 * budget
    for _ in range(WARM):
        seconds_of(module, fn, ours)
        if time.perf_counter() > end:
            break
    pairs = []
    end = time.perf_counter() + 2 * budget
    while len(pairs) < 5 or time.perf_counter() < end and len(pairs) < 1000:
        pairs.append((seconds_of(numpy, fn, theirs), seconds_of(module, fn, ours)))
    if not same(drawing(fn, numpy, arrays(numpy, size)), drawing(fn, module, arrays(module, size))):
        raise SystemExit(f"{line}: the results differ once the line is warm")
    first, second = (statistics.median(times) * 1e6 for times in zip(*pairs, strict=True))
    return first, second


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--sizes", default="30000,300000,3000000")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--below", type=float, default=TARGET)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    module = importlib.import_module("lazytensor")
    sizes = [int(size) for size in options.sizes.split(",")]
    which, of = map(int, options.part.split("/"))
    lines = [line.strip() for line in CALLS.strip().splitlines()]
    lines = [line for line in lines if not options.words or any(word in line for word in options.words)][which - 1::of]
    found = []
    warnings.simplefilter("ignore")
    for size in sizes:
        for line in lines:
            theirs, ours = measured(module, line, size, options.seconds)
            found.append((theirs / ours, line, size))
            print(f"{line:44}{size:9}{theirs:12.1f}{ours:12.1f}{theirs / ours:8.2f}", flush=True)
    slow = sorted(row for row in found if row[0] < options.below)
    print(f"{len(found)} measured, {len(slow)} below {options.below}")
    for ratio, line, size in slow:
        print(f"{line:44}{size:9}{ratio:8.2f}")
    return int(options.check and any(row[0] < TARGET for row in found))


if __name__ == "__main__":
    sys.exit(main())
