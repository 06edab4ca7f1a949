"""The programs that `compare.py` times: NumPy source that runs unchanged on lazytensor, with its data and its sizes.

A program takes the module to run on and its inputs, and gives an array, or a tuple of arrays or scalars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

FLOATS = ("float32", "float64")
STEPS = 20
"""Time steps of the stencils, and iterations of the Mandelbrot set."""
HORIZON = 2.0
CENTRES = 16

Inputs = tuple[Any, ...]
Make = Callable[[numpy.random.Generator, tuple[int, ...], str], Inputs]


class Workload(NamedTuple):
    """One program.

    Attributes
    ----------
    name : str
    run : callable
        ``run(np, *inputs)``.
    make : callable
        ``make(generator, shape, dtype)`` gives the inputs as NumPy arrays.
    sizes : dict
        The shape that `make` is given, by label: 'L2', 'L3' and 'memory', or a number of elements.
    tolerance : float
        How many times further than usual a peer may be from NumPy. lazytensor may not be at all.
    passes : int
        How often the program has to go over its inputs and results.
    """

    name: str
    run: Callable[..., Any]
    make: Make
    sizes: dict[str, tuple[int, ...]]
    dtypes: tuple[str, ...] = FLOATS
    tolerance: float = 1.0
    passes: int = 1


# ---- elementwise -----------------------------------------------------------------------------------------------------


def cheap_chain(np: Any, x: Any, y: Any) -> Any:
    """Six operations that cost less than reading their operands."""
    return (x * y + x - 0.5 * y) * x + y


def transcendental_chain(np: Any, x: Any, y: Any) -> Any:
    """Four functions and three operations."""
    return np.sqrt(np.exp(x) + np.sin(y) ** 2) * np.tanh(x)


def normal_distribution(np: Any, x: Any) -> Any:
    """The cumulative normal distribution: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17."""
    k = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    series = k * (0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
    tail = 0.3989422804014327 * np.exp(-0.5 * x * x) * series
    return np.where(x > 0.0, 1.0 - tail, tail)


def black_scholes(np: Any, price: Any, strike: Any, years: Any) -> Any:
    """Prices of European calls and puts."""
    rate, volatility = 0.02, 0.3
    spread = volatility * np.sqrt(years)
    d1 = (np.log(price / strike) + (rate + 0.5 * volatility * volatility) * years) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-rate * years)
    call = price * normal_distribution(np, d1) - discounted * normal_distribution(np, d2)
    return call, call - price + discounted


def small_expression(np: Any, x: Any, y: Any) -> Any:
    """Three operations."""
    return (x + y) * x - y


# ---- reductions ------------------------------------------------------------------------------------------------------


def softmax(np: Any, x: Any) -> Any:
    """Over rows."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def layernorm(np: Any, x: Any, gain: Any, bias: Any) -> Any:
    """Over rows."""
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * gain + bias


def standardise(np: Any, x: Any) -> Any:
    """Columns of mean 0 and deviation 1."""
    return (x - x.mean(0)) / x.std(0)


def statistics(np: Any, x: Any) -> Any:
    """Five numbers about one array."""
    return x.sum(), x.mean(), x.var(), x.min(), x.max()


def sum_of_products(np: Any, x: Any, y: Any) -> Any:
    """Without a BLAS."""
    return (x * y).sum()


def pairwise_distances(np: Any, x: Any, y: Any) -> Any:
    """Each row of x from each row of y."""
    return np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))


# ---- loops, images, masks, matrices ----------------------------------------------------------------------------------


def stencil_2d(np: Any, u: Any) -> Any:
    """Heat in a plate, by Jacobi's method."""
    u = u.copy()
    for _ in range(STEPS):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return u


def stencil_3d(np: Any, u: Any) -> Any:
    """Heat in a block: a seven-point step forward in time."""
    u = u.copy()
    for _ in range(STEPS):
        middle = u[1:-1, 1:-1, 1:-1]
        around = (u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1] + u[1:-1, :-2, 1:-1] + u[1:-1, 2:, 1:-1]
                  + u[1:-1, 1:-1, :-2] + u[1:-1, 1:-1, 2:])
        u[1:-1, 1:-1, 1:-1] = middle + 0.1 * (around - 6.0 * middle)
    return u


def mandelbrot(np: Any, c: Any) -> Any:
    """How long each point stays, with masks (N. Rougier's program in Matplotlib's gallery)."""
    z, count = np.zeros_like(c), np.zeros(c.shape, dtype=np.int32)
    for i in range(STEPS):
        near = np.less(abs(z), HORIZON)
        count[near] = i
        z[near] = z[near] ** 2 + c[near]
    return count


def kmeans_step(np: Any, points: Any, centres: Any) -> Any:
    """The nearest centre of each point, and the means of the points of each centre."""
    labels = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(-1).argmin(1)
    return labels, np.stack([points[labels == j].mean(0) for j in range(len(centres))])


def image_filter(np: Any, image: Any) -> Any:
    """A sharper picture: twice the image less its blur, in eight bits."""
    wide = image.astype(np.int16)
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    blur = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) >> 4
    return np.clip(2 * wide[1:-1, 1:-1] - blur, 0, 255).astype(np.uint8)


def boolean_masking(np: Any, x: Any, y: Any) -> Any:
    """A selection, and a store where a mask is true."""
    z = x + y
    z[z > 1.0] = 0.0
    return x[(x > 0.25) & (y < 0.75)] * 2.0, z


def dense_layer(np: Any, x: Any, weights: Any, bias: Any) -> Any:
    """A product of matrices with bias and activation."""
    return np.maximum(x @ weights + bias, 0.0)


# ---- data ------------------------------------------------------------------------------------------------------------


def uniform(count: int) -> Make:
    """Arrays of one shape with elements from 0 to 1."""
    return lambda g, shape, dtype: tuple(g.random(shape).astype(dtype) for _ in range(count))


def options(g: numpy.random.Generator, shape: tuple[int, ...], dtype: str) -> Inputs:
    """Prices, strikes and years."""
    return tuple(g.uniform(low, high, shape).astype(dtype) for low, high in ((10, 100), (10, 100), (0.1, 2)))


def rows_and_weights(g: numpy.random.Generator, shape: tuple[int, ...], dtype: str) -> Inputs:
    """Rows, a gain and a bias."""
    return tuple(g.normal(size=s).astype(dtype) for s in (shape, shape[1:], shape[1:]))


def plane(g: numpy.random.Generator, shape: tuple[int, ...], dtype: str) -> Inputs:
    """Points of the complex plane around the set."""
    across, up = numpy.linspace(-2.25, 0.75, shape[1]), numpy.linspace(-1.25, 1.25, shape[0])
    return ((across + 1j * up[:, None]).astype("complex64" if dtype == "float32" else "complex128"),)


def clouds(g: numpy.random.Generator, shape: tuple[int, ...], dtype: str) -> Inputs:
    """Points around centres that are not theirs yet."""
    centres = g.normal(size=(CENTRES, shape[1]), scale=4)
    points = centres[g.integers(0, CENTRES, shape[0])] + g.normal(size=shape)
    return points.astype(dtype), points[:CENTRES].astype(dtype)


def photograph(g: numpy.random.Generator, shape: tuple[int, ...], dtype: str) -> Inputs:
    """A smooth picture with noise, three colours."""
    ramp = numpy.add.outer(numpy.arange(shape[0]), numpy.arange(shape[1]))[..., None] // 4 + numpy.array([0, 40, 80])
    return ((ramp + g.integers(0, 32, (*shape, 3))).astype(dtype),)


def matrices(g: numpy.random.Generator, shape: tuple[int, ...], dtype: str) -> Inputs:
    """Rows, weights and a bias."""
    rows, width = shape
    return tuple((g.normal(size=s) / 8).astype(dtype) for s in ((rows, width), (width, width), (width,)))


FLAT = {"L2": (1 << 15,), "L3": (1 << 20,), "memory": (1 << 24,)}
ROWS = {"L2": (64, 512), "L3": (1024, 1024), "memory": (1 << 14, 1024)}
COLUMNS = {"L2": (512, 64), "L3": (1 << 14, 64), "memory": (1 << 18, 64)}

WORKLOADS = [
    Workload("cheap chain", cheap_chain, uniform(2), FLAT),
    Workload("transcendental chain", transcendental_chain, uniform(2), FLAT),
    Workload("Black-Scholes", black_scholes, options, FLAT, tolerance=10),
    Workload("softmax", softmax, uniform(1), ROWS),
    Workload("layernorm", layernorm, rows_and_weights, ROWS),
    Workload("column standardise", standardise, uniform(1), COLUMNS, tolerance=10),
    Workload("statistics", statistics, uniform(1), FLAT, tolerance=10),
    Workload("sum of products", sum_of_products, uniform(2), FLAT, tolerance=10),
    Workload("pairwise distances", pairwise_distances, uniform(2),
             {"L2": (128, 16), "L3": (512, 16), "memory": (2048, 16)}),
    Workload("stencil 2-D", stencil_2d, uniform(1), {"L2": (250, 250), "L3": (1000, 1000), "memory": (3000, 3000)},
             passes=STEPS),
    Workload("stencil 3-D", stencil_3d, uniform(1), {"L2": (40,) * 3, "L3": (100,) * 3, "memory": (220,) * 3},
             passes=STEPS),
    Workload("mandelbrot", mandelbrot, plane, {"L2": (120, 144), "L3": (400, 480), "memory": (1500, 1800)},
             passes=STEPS),
    Workload("k-means step", kmeans_step, clouds, {"L2": (2000, 8), "L3": (40_000, 8), "memory": (400_000, 8)}),
    Workload("image filter", image_filter, photograph,
             {"L2": (200, 300), "L3": (1000, 1500), "memory": (4000, 6000)}, ("uint8",)),
    Workload("small expression", small_expression, uniform(2), {"10": (10,), "1,000": (1000,), "30,000": (30_000,)}),
    Workload("boolean masking", boolean_masking, uniform(2), FLAT),
    Workload("dense layer", dense_layer, matrices, {"L2": (128, 128), "L3": (1024, 512), "memory": (16384, 512)}),
]  # fmt: skip


def inputs_of(workload: Workload, size: str, dtype: str) -> Inputs:
    """The inputs of one version of a program, always the same."""
    return workload.make(numpy.random.default_rng(7), workload.sizes[size], dtype)
