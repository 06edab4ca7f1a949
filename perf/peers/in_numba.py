"""Numba: loops with `prange`; reductions may be reordered (`fastmath`), as its users let them be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import njit, prange
from workloads import HORIZON, STEPS

VERSION = numba.__version__
loop = njit(parallel=True)
sums = njit(parallel=True, fastmath=True)


def take(array: Any) -> Any:
    """NumPy's arrays."""
    return array


host = np.asarray


def made(form: Callable[..., Any], inputs: tuple[Any, ...]) -> Callable[..., Any]:
    """Numba compiles at the first call."""
    return form


def finish(result: Any) -> Any:
    """Results are there."""
    return result


@loop
def cheap_into(x: Any, y: Any, out: Any) -> None:
    half = x.dtype.type(0.5)
    for i in prange(x.size):
        out[i] = (x[i] * y[i] + x[i] - half * y[i]) * x[i] + y[i]


@loop
def cheap_chain(x: Any, y: Any) -> Any:
    out, half = np.empty_like(x), x.dtype.type(0.5)
    for i in prange(x.size):
        out[i] = (x[i] * y[i] + x[i] - half * y[i]) * x[i] + y[i]
    return out


@loop
def transcendental_chain(x: Any, y: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.size):
        s = math.sin(y[i])
        out[i] = math.sqrt(math.exp(x[i]) + s * s) * math.tanh(x[i])
    return out


@njit
def normal(x: Any, kind: Any) -> Any:
    k = kind(1.0) / (kind(1.0) + kind(0.2316419) * abs(x))
    series = k * (kind(0.319381530) + k * (kind(-0.356563782) + k * (
        kind(1.781477937) + k * (kind(-1.821255978) + k * kind(1.330274429)))))
    tail = kind(0.3989422804014327) * math.exp(kind(-0.5) * x * x) * series
    return kind(1.0) - tail if x > 0 else tail


@loop
def black_scholes(price: Any, strike: Any, years: Any) -> Any:
    call, put, kind = np.empty_like(price), np.empty_like(price), price.dtype.type
    drift, volatility, rate = kind(0.065), kind(0.3), kind(0.02)
    for i in prange(price.size):
        spread = volatility * math.sqrt(years[i])
        d1 = (math.log(price[i] / strike[i]) + drift * years[i]) / spread
        discounted = strike[i] * math.exp(-rate * years[i])
        call[i] = price[i] * normal(d1, kind) - discounted * normal(d1 - spread, kind)
        put[i] = call[i] - price[i] + discounted
    return call, put


@sums
def softmax(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        most, total = x[i, 0], x.dtype.type(0)
        for j in range(x.shape[1]):
            most = max(most, x[i, j])
        for j in range(x.shape[1]):
            out[i, j] = math.exp(x[i, j] - most)
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total
    return out


@sums
def layernorm(x: Any, gain: Any, bias: Any) -> Any:
    out, kind = np.empty_like(x), x.dtype.type
    n = kind(x.shape[1])
    for i in prange(x.shape[0]):
        mean, var = kind(0), kind(0)
        for j in range(x.shape[1]):
            mean += x[i, j]
        mean /= n
        for j in range(x.shape[1]):
            var += (x[i, j] - mean) ** 2
        scale = kind(1) / math.sqrt(var / n + kind(1e-5))
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean) * scale * gain[j] + bias[j]
    return out


@sums
def standardise(x: Any) -> Any:
    rows, columns = x.shape
    parts = numba.get_num_threads()
    total, square, out = np.zeros((parts, columns), x.dtype), np.zeros((parts, columns), x.dtype), np.empty_like(x)
    for p in prange(parts):
        for i in range(rows * p // parts, rows * (p + 1) // parts):
            total[p] += x[i]
    mean = total.sum(0) / x.dtype.type(rows)
    for p in prange(parts):
        for i in range(rows * p // parts, rows * (p + 1) // parts):
            square[p] += (x[i] - mean) ** 2
    scale = np.sqrt(square.sum(0) / x.dtype.type(rows))
    for i in prange(rows):
        for j in range(columns):
            out[i, j] = (x[i, j] - mean[j]) / scale[j]
    return out


@sums
def statistics(x: Any) -> Any:
    total, least, most = 0.0, x[0], x[0]
    for i in prange(x.size):
        total += x[i]
        least, most = min(least, x[i]), max(most, x[i])
    mean, square = total / x.size, 0.0
    for i in prange(x.size):
        square += (x[i] - mean) ** 2
    return total, mean, square / x.size, least, most


@sums
def sum_of_products(x: Any, y: Any) -> Any:
    total = x.dtype.type(0)
    for i in prange(x.size):
        total += x[i] * y[i]
    return total


@sums
def pairwise_distances(x: Any, y: Any) -> Any:
    out = np.empty((len(x), len(y)), x.dtype)
    for i in prange(len(x)):
        for j in range(len(y)):
            total = x.dtype.type(0)
            for k in range(x.shape[1]):
                total += (x[i, k] - y[j, k]) ** 2
            out[i, j] = math.sqrt(total)
    return out


@loop
def step_2d(u: Any, v: Any) -> None:
    quarter = u.dtype.type(0.25)
    for i in prange(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            v[i, j] = quarter * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])


@loop
def step_3d(u: Any, v: Any) -> None:
    tenth, six = u.dtype.type(0.1), u.dtype.type(6)
    for i in prange(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                v[i, j, k] = u[i, j, k] + tenth * (
                    u[i - 1, j, k] + u[i + 1, j, k] + u[i, j - 1, k] + u[i, j + 1, k] + u[i, j, k - 1] + u[i, j, k + 1]
                    - six * u[i, j, k])


def stencil(step: Callable[..., None]) -> Callable[..., Any]:
    """The time loop over two buffers."""
    def run(u: Any) -> Any:
        u, v = u.copy(), u.copy()
        for _ in range(STEPS):
            step(u, v)
            u, v = v, u
        return u
    return run


@loop
def mandelbrot(c: Any) -> Any:
    count = np.zeros(c.shape, np.int32)
    for i in prange(c.shape[0]):
        for j in range(c.shape[1]):
            z = c[i, j] * 0
            for k in range(STEPS):
                if z.real * z.real + z.imag * z.imag >= HORIZON * HORIZON:
                    break
                count[i, j] = k
                z = z * z + c[i, j]
    return count


@sums
def kmeans_step(points: Any, centres: Any) -> Any:
    labels = np.empty(len(points), np.int64)
    for i in prange(len(points)):
        least = np.inf
        for j in range(len(centres)):
            total = points.dtype.type(0)
            for k in range(points.shape[1]):
                total += (points[i, k] - centres[j, k]) ** 2
            if total < least:
                least, labels[i] = total, j
    means, counts = np.zeros(centres.shape, points.dtype), np.zeros(len(centres), points.dtype)
    for i in range(len(points)):
        means[labels[i]] += points[i]
        counts[labels[i]] += 1
    return labels, means / counts.reshape(-1, 1)


@loop
def image_filter(image: Any) -> Any:
    height, width, colours = image.shape
    out = np.empty((height - 2, width - 2, colours), np.uint8)
    for i in prange(height - 2):
        for j in range(width - 2):
            for k in range(colours):
                blur = np.int32(0)
                for di in range(3):
                    for dj in range(3):
                        weight = np.int32((2 if di == 1 else 1) * (2 if dj == 1 else 1))
                        blur += weight * np.int32(image[i + di, j + dj, k])
                out[i, j, k] = np.uint8(min(max(2 * np.int32(image[i + 1, j + 1, k]) - (blur >> 4), 0), 255))
    return out


@loop
def small_expression(x: Any, y: Any) -> Any:
    return (x + y) * x - y


@loop
def boolean_masking(x: Any, y: Any) -> Any:
    z = x + y
    for i in prange(z.size):
        if z[i] > 1:
            z[i] = 0
    return x[(x > 0.25) & (y < 0.75)] * x.dtype.type(2), z


@loop
def dense_layer(x: Any, weights: Any, bias: Any) -> Any:
    return np.maximum(x @ weights + bias, x.dtype.type(0))


FORMS: dict[str, Callable[..., Any]] = {
    "cheap chain": cheap_chain, "transcendental chain": transcendental_chain, "Black-Scholes": black_scholes,
    "softmax": softmax, "layernorm": layernorm, "column standardise": standardise, "statistics": statistics,
    "sum of products": sum_of_products, "pairwise distances": pairwise_distances, "stencil 2-D": stencil(step_2d),
    "stencil 3-D": stencil(step_3d), "mandelbrot": mandelbrot, "k-means step": kmeans_step,
    "image filter": image_filter, "small expression": small_expression, "boolean masking": boolean_masking,
    "dense layer": dense_layer,
}  # fmt: skip
REUSED = {"cheap chain": cheap_into}
"""Loops that write into memory that the caller has: no fresh result, so no peer, but a mark to reach."""
