"""Small scientific programs whose plain Python control flow depends on values: `python perf/control.py`.

Each is unchanged NumPy source, run on NumPy, on lazytensor and under `lazytensor.jit`, on fresh data at every call, so
that numbers of turns and ways through `if`s differ; calls are interleaved, and results are compared to the bit. Times
are in microseconds a call: the median, of `jit` also the first call, and the median and greatest of the second half.
"""

import argparse
import gc
import os
import statistics
import time
import types
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as real  # noqa: E402

import lazytensor as np  # noqa: E402

PROGRAMS = {}


def program(data):
    """Registers a function whose global `np` is the library that it runs on, and what gives its arguments."""

    def note(fn):
        PROGRAMS[fn.__name__] = fn, data
        return fn

    return note


@program(lambda rng: (rng.uniform(1, 10 ** rng.uniform(1, 12), 200),))
def newton(a):
    x = a.copy()
    while np.abs(x * x * x - a).max() > 1e-9 * a.max():
        x = x - (x * x * x - a) / (3 * x * x)
    return x


def _system(rng):
    q = rng.normal(size=(60, 60))
    return q @ q.T + 10 ** rng.uniform(0.5, 2.5) * real.eye(60), rng.normal(size=60)


@program(_system)
def conjugate_gradients(A, b):
    x = np.zeros_like(b)
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    while np.sqrt(rs) > 1e-8:
        Ap = A @ p
        alpha = rs / (p @ Ap)
        x = x + alpha * p
        r = r - alpha * Ap
        new = r @ r
        p = r + (new / rs) * p
        rs = new
    return x


@program(lambda rng: (rng.uniform(1, 10 ** rng.uniform(0, 9), 40),))
def bisection(c):
    lo, hi = np.zeros_like(c), c.copy()
    while (hi - lo).max() > 1e-6:
        mid = (lo + hi) / 2
        right = mid * mid * mid + mid < c
        lo = np.where(right, mid, lo)
        hi = np.where(right, hi, mid)
    return lo


@program(lambda rng: (rng.uniform(1, 10 ** rng.uniform(0, 9), 40), 60))
def counted_bisection(c, most):
    lo, hi, n = np.zeros_like(c), c.copy(), 0
    while (hi - lo).max() > 1e-6 and n < most:
        mid = (lo + hi) / 2
        right = mid * mid * mid + mid < c
        lo = np.where(right, mid, lo)
        hi = np.where(right, hi, mid)
        n += 1
    if n == most:
        raise RuntimeError(f"no convergence after {n} steps")
    return lo, n


def _dominant(rng):
    A = rng.uniform(-1, 1, (40, 40))
    return A + real.diag(real.abs(A).sum(axis=1) * rng.uniform(1.05, 3)), rng.normal(size=40)


@program(_dominant)
def jacobi(A, b):
    d = np.diag(A).copy()
    R = A - np.diag(d)
    x = np.zeros_like(b)
    for k in range(1000):
        new = (b - R @ x) / d
        if np.abs(new - x).max() < 1e-9:
            return new, k + 1
        x = new
    raise RuntimeError("no convergence")


@program(lambda rng: (rng.normal(size=30) * 10 ** rng.uniform(0, 2), rng.normal(size=(30, 30)) * 0.02))
def gradient_descent(x, S):
    H = np.eye(30) + S @ S.T
    n = 0
    while True:
        g = H @ x
        if np.linalg.norm(g) < 1e-8:
            break
        if n == 500 or not np.isfinite(g).all():
            return x, -1
        x = x - 0.3 * g
        n += 1
    return x, n


@program(lambda rng: (rng.normal(size=3), float(rng.uniform(0.2, 1.0))))
def adaptive_runge_kutta(y, end):
    def f(y):
        return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])

    t, h = 0.0, 0.01
    while t < end:
        h = min(h, end - t)
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + 3 * h / 4 * k2)
        new = y + h * (2 / 9 * k1 + k2 / 3 + 4 / 9 * k3)
        k4 = f(new)
        err = np.abs(h * (-5 / 72 * k1 + k2 / 12 + k3 / 9 - k4 / 8)).max()
        if err < 1e-4:
            t, y = t + h, new
            h = h * 1.5
        else:
            h = h * 0.5
    return y


@program(lambda rng: (rng.normal(size=(80, 20)), rng.normal(size=80)))
def line_search(A, b):
    x = np.zeros(A.shape[1])
    r = A @ x - b
    f = (r * r).sum()
    for _ in range(30):
        g = 2 * (A.T @ r)
        if (g * g).sum() < 1e-6:
            break
        step = 0.1
        while True:
            new = x - step * g
            r = A @ new - b
            value = (r * r).sum()
            if value <= f - 0.5 * step * (g * g).sum():
                break
            step = step * 0.5
        x, f = new, value
    return x


@program(lambda rng: (rng.uniform(size=(50, 50)) + real.diag(rng.uniform(0, 30, 50)), rng.uniform(size=50)))
def power_iteration(A, v):
    v = v / np.sqrt((v * v).sum())
    old = 0.0
    for _ in range(1000):
        w = A @ v
        new = v @ w
        v = w / np.sqrt((w * w).sum())
        if abs(new - old) < 1e-8 * abs(new):
            break
        old = new
    return new, v


@program(lambda rng: (rng.uniform(size=(50, 50)) + real.diag(rng.uniform(0, 30, 50)), rng.uniform(size=50)))
def power_until_allclose(A, v):
    v = v / np.linalg.norm(v)
    for _ in range(1000):
        w = A @ v
        w = w / np.linalg.norm(w)
        if np.allclose(w, v):
            break
        v = w
    return w


@program(lambda rng: (rng.normal(size=(80, 20)), rng.normal(size=80)))
def backtracking(A, b):
    x = np.zeros(A.shape[1])
    r = A @ x - b
    f = r @ r
    for _ in range(200):
        g = A.T @ r
        gg = g @ g
        if gg < 1e-6:
            break
        step = 1.0
        while True:
            new = x - step * g
            residual = A @ new - b
            value = residual @ residual
            if value <= f - 1e-4 * step * gg:
                break
            step *= 0.5
        x, r, f = new, residual, value
    return x


@program(lambda rng: (rng.normal(size=200) * 10 ** rng.uniform(0, 2), 0.5))
def decaying_rate(x, rate):
    while True:
        new = x - rate * np.tanh(x)
        rate *= 0.99
        change = np.abs(new - x).max()
        x = new
        if change < 1e-4:
            return x


@program(lambda rng: (rng.normal(size=(300, 2)) + rng.integers(0, 4, (300, 1)) * 3.0,))
def k_means(x):
    centres = x[:4].copy()
    labels = np.full(len(x), -1)
    while True:
        d = ((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        new = d.argmin(axis=1)
        if (new == labels).all():
            break
        labels = new
        for k in range(4):
            own = labels == k
            if own.any():
                centres[k] = (x * own[:, None]).sum(axis=0) / own.sum()
    return centres, labels


@program(lambda rng: (real.concatenate([rng.normal(-2, 1, 150), rng.normal(rng.uniform(1, 4), 0.7, 150)]),))
def mixture(x):
    mu, sd, w = np.array([-1.0, 1.0]), np.array([1.0, 1.0]), np.array([0.5, 0.5])
    old = -np.inf
    for _ in range(500):
        z = (x[:, None] - mu) / sd
        p = w * np.exp(-0.5 * z * z) / sd
        total = p.sum(axis=1)
        like = np.log(total).sum()
        if like - old < 1e-6:
            break
        old = like
        r = p / total[:, None]
        n = r.sum(axis=0)
        mu = (r * x[:, None]).sum(axis=0) / n
        sd = np.sqrt((r * (x[:, None] - mu) ** 2).sum(axis=0) / n)
        w = n / len(x)
    return mu, sd, w


@program(lambda rng: (rng.normal(size=4), rng.normal(size=(100, 4)), rng.uniform(size=100)))
def metropolis(x, steps, u):
    e = (x * x).sum()
    taken = 0
    for k in range(100):
        y = x + 0.5 * steps[k]
        new = (y * y).sum() + 0.1 * np.cos(3 * y).sum()
        if np.log(u[k]) < e - new:
            x, e = y, new
            taken += 1
    return x, e, taken


@program(lambda rng: (rng.uniform(-4, 4, 8), rng.normal(size=(80, 8)), rng.uniform(size=80)))
def annealing(x, steps, u):
    def energy(x):
        return (x * x - 10 * np.cos(2 * np.pi * x)).sum()

    best, e, t = x, energy(x), 10.0
    least = e
    for k in range(80):
        y = x + 0.3 * steps[k]
        new = energy(y)
        if new < e or u[k] < np.exp((e - new) / t):
            x, e = y, new
            if e < least:
                best, least = x, e
        t = t * 0.95
    return best, least


@program(lambda rng: (rng.normal(size=200) * 10 ** rng.uniform(0, 3),))
def golden_section(x):
    ratio = (np.sqrt(5.0) - 1) / 2
    lo, hi = x.min(), x.max()
    c, d = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
    while hi - lo > 1e-6:
        if np.abs(x - c).sum() < np.abs(x - d).sum():
            hi = d
        else:
            lo = c
        c, d = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
    return (lo + hi) / 2


@program(lambda rng: (rng.normal(size=(200, 10)), rng.integers(0, 2, 200).astype(float)))
def early_stopping(X, y):
    w = np.zeros(X.shape[1])
    best, waited = np.inf, 0
    for _ in range(200):
        p = 1 / (1 + np.exp(-(X @ w)))
        w = w - 0.01 * (X.T @ (p - y))
        loss = ((p - y) ** 2).mean()
        if loss < best - 1e-5:
            best, waited = loss, 0
        else:
            waited += 1
            if waited >= 3:
                break
    return w, best


@program(lambda rng: (rng.normal(size=(16, 16)),))
def pivoted_lu(A):
    A = A.copy()
    n = len(A)
    sign = 1
    for k in range(n - 1):
        p = k + int(np.abs(A[k:, k]).argmax())
        if p != k:
            A[[k, p]] = A[[p, k]]
            sign = -sign
        A[k + 1:, k] /= A[k, k]
        A[k + 1:, k + 1:] -= np.outer(A[k + 1:, k], A[k, k + 1:])
    return A, sign


@program(lambda rng: (int(rng.integers(500, 2000)),))
def sieve(n):
    prime = np.ones(n, dtype=bool)
    prime[:2] = False
    k = 2
    while k * k < n:
        if prime[k]:
            prime[k * k::k] = False
        k += 1
    return np.nonzero(prime)[0]


@program(lambda rng: (rng.normal(size=500),))
def outliers(x):
    while True:
        mean, sd = x.mean(), x.std()
        keep = np.abs(x - mean) <= 2.5 * sd
        if keep.all():
            break
        x = x[keep]
    return mean, sd


@program(lambda rng: (rng.uniform(-2, 1, 400) + 1j * rng.uniform(-1, 1, 400),))
def escape_times(c):
    z = np.zeros_like(c)
    n = np.zeros(len(c), dtype=int)
    for _ in range(30):
        (i,) = np.nonzero(np.abs(z) <= 2)
        if len(i) == 0:
            break
        z[i] = z[i] * z[i] + c[i]
        n[i] += 1
    return n


def bound(fn, library):
    """The same function with that library as `np`."""
    space = {**fn.__globals__, "np": library}
    return types.FunctionType(fn.__code__, space, fn.__name__, fn.__defaults__, fn.__closure__)


def flat(value):
    if isinstance(value, tuple):
        return [x for part in value for x in flat(part)]
    return [real.asarray(value)]


def measured(fn, data, calls, seed):
    """Times of each way, and of `jit` the function itself."""
    plain, lazy, jitted = bound(fn, real), bound(fn, np), np.jit(bound(fn, np))
    times = {"numpy": [], "lazy": [], "jit": []}
    for k in range(calls):
        given = data(real.random.default_rng(seed + k))
        own = {way: tuple([x.copy() if isinstance(x, real.ndarray) and way == "numpy" else
                           np.array(x) if isinstance(x, real.ndarray) else x for x in given]) for way in times}
        results = {}
        for way, f in (("numpy", plain), ("lazy", lazy), ("jit", jitted)):
            gc.collect(0)
            start = time.perf_counter()
            result = f(*own[way])
            if way != "numpy":
                for x in result if isinstance(result, tuple) else (result,):
                    if hasattr(x, "realize"):
                        x.realize()
            times[way].append((time.perf_counter() - start) * 1e6)
            results[way] = flat(result)
        for way in ("lazy", "jit"):
            for x, y in zip(results["numpy"], results[way], strict=True):
                assert x.dtype == y.dtype and x.tobytes() == y.tobytes(), (fn.__name__, way, k, x, y)
    return times, jitted


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="programs (all)")
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--explain", action="store_true", help="what became of the jitted function")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':22}{'NumPy':>9}{'lazy':>9}{'jit: first':>12}{'later':>9}{'max':>9}{'all':>11}   NumPy / jit later")
    for name in options.names or PROGRAMS:
        times, jitted = measured(*PROGRAMS[name], options.calls, options.seed)
        numpy, lazy = statistics.median(times["numpy"]), statistics.median(times["lazy"])
        late = times["jit"][options.calls // 2:]
        later = statistics.median(late)
        print(f"{name:22}{numpy:9.0f}{lazy:9.0f}{times['jit'][0]:12.0f}{later:9.0f}{max(late):9.0f}"
              f"{sum(times['jit']):11.0f}   {numpy / later:6.2f}", flush=True)
        if options.explain:
            print(jitted.explain())
            print(jitted.cache_info())


if __name__ == "__main__":
    main()
