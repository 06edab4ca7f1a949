"""JAX: the NumPy programs under `jit`; those that write into arrays in its own form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy
import workloads
from jax import lax
from workloads import HORIZON, STEPS

jax.config.update("jax_enable_x64", True)
VERSION = jax.__version__
take = jnp.asarray
host = numpy.asarray
finish = jax.block_until_ready


def made(form: Callable[..., Any], inputs: tuple[Any, ...]) -> Callable[..., Any]:
    """Compiled at the first call; `jit` refuses what makes shapes of values."""
    return form if form is boolean_masking else jax.jit(form)


def stencil_2d(u: Any) -> Any:
    def step(_: Any, u: Any) -> Any:
        return u.at[1:-1, 1:-1].set(0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]))
    return lax.fori_loop(0, STEPS, step, u)


def stencil_3d(u: Any) -> Any:
    def step(_: Any, u: Any) -> Any:
        middle = u[1:-1, 1:-1, 1:-1]
        around = (u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1] + u[1:-1, :-2, 1:-1] + u[1:-1, 2:, 1:-1]
                  + u[1:-1, 1:-1, :-2] + u[1:-1, 1:-1, 2:])
        return u.at[1:-1, 1:-1, 1:-1].set(middle + 0.1 * (around - 6.0 * middle))
    return lax.fori_loop(0, STEPS, step, u)


def mandelbrot(c: Any) -> Any:
    def step(i: Any, state: Any) -> Any:
        z, count = state
        near = z.real ** 2 + z.imag ** 2 < HORIZON * HORIZON
        return jnp.where(near, z * z + c, z), jnp.where(near, i, count)
    return lax.fori_loop(0, STEPS, step, (jnp.zeros_like(c), jnp.zeros(c.shape, jnp.int32)))[1]


def kmeans_step(points: Any, centres: Any) -> Any:
    labels = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(-1).argmin(1)
    chosen = jax.nn.one_hot(labels, len(centres), dtype=points.dtype)
    return labels, (chosen.T @ points) / chosen.sum(0)[:, None]


def boolean_masking(x: Any, y: Any) -> Any:
    return select(x, y), stored(x, y)


def select(x: Any, y: Any) -> Any:
    return x[(x > 0.25) & (y < 0.75)] * 2.0


@jax.jit
def stored(x: Any, y: Any) -> Any:
    z = x + y
    return jnp.where(z > 1.0, 0.0, z)


OWN = {"stencil 2-D": stencil_2d, "stencil 3-D": stencil_3d, "mandelbrot": mandelbrot, "k-means step": kmeans_step,
       "boolean masking": boolean_masking, "softmax": functools.partial(jax.nn.softmax, axis=1)}
FORMS: dict[str, Callable[..., Any]] = {
    w.name: OWN.get(w.name) or functools.partial(w.run, jnp) for w in workloads.WORKLOADS}
