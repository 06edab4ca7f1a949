"""PyTorch: functions under `torch.compile`; of a time loop the step is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from workloads import HORIZON, STEPS

VERSION = torch.__version__


def take(array: Any) -> Any:
    """A tensor with memory of its own."""
    return torch.tensor(array)


def host(tensor: Any) -> Any:
    """As a NumPy array."""
    return tensor.numpy()


def made(form: Callable[..., Any], inputs: tuple[Any, ...]) -> Callable[..., Any]:
    """Compiled for the shapes of the first call; what was compiled before is dropped, for only so many are kept."""
    torch._dynamo.reset()
    if form in LOOPS:
        step = torch.compile(LOOPS[form], dynamic=False)
        return lambda *inputs: form(step, *inputs)
    return torch.compile(form, dynamic=False)


def finish(result: Any) -> Any:
    """Results are there."""
    return result


def black_scholes(price: Any, strike: Any, years: Any) -> Any:
    def normal(x: Any) -> Any:
        k = 1.0 / (1.0 + 0.2316419 * torch.abs(x))
        series = k * (0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
        tail = 0.3989422804014327 * torch.exp(-0.5 * x * x) * series
        return torch.where(x > 0.0, 1.0 - tail, tail)
    spread = 0.3 * torch.sqrt(years)
    d1 = (torch.log(price / strike) + 0.065 * years) / spread
    discounted = strike * torch.exp(-0.02 * years)
    call = price * normal(d1) - discounted * normal(d1 - spread)
    return call, call - price + discounted


def statistics(x: Any) -> Any:
    return x.sum(), x.mean(), x.var(correction=0), x.amin(), x.amax()


def step_2d(u: Any) -> Any:
    v = u.clone()
    v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return v


def step_3d(u: Any) -> Any:
    v, middle = u.clone(), u[1:-1, 1:-1, 1:-1]
    around = (u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1] + u[1:-1, :-2, 1:-1] + u[1:-1, 2:, 1:-1]
              + u[1:-1, 1:-1, :-2] + u[1:-1, 1:-1, 2:])
    v[1:-1, 1:-1, 1:-1] = middle + 0.1 * (around - 6.0 * middle)
    return v


def stencil_2d(step: Callable[..., Any], u: Any) -> Any:
    for _ in range(STEPS):
        u = step(u)
    return u


def stencil_3d(step: Callable[..., Any], u: Any) -> Any:
    return stencil_2d(step, u)


def step_mandelbrot(x: Any, y: Any, cx: Any, cy: Any, count: Any, i: Any) -> Any:
    near = x * x + y * y < HORIZON * HORIZON
    return (torch.where(near, x * x - y * y + cx, x), torch.where(near, 2.0 * x * y + cy, y),
            torch.where(near, i, count))


def mandelbrot(step: Callable[..., Any], c: Any) -> Any:
    cx, cy = c.real.contiguous(), c.imag.contiguous()
    x, y, count = torch.zeros_like(cx), torch.zeros_like(cy), torch.zeros(c.shape, dtype=torch.int32)
    for i in range(STEPS):
        x, y, count = step(x, y, cx, cy, count, torch.tensor(i, dtype=torch.int32))
    return count


def kmeans_step(points: Any, centres: Any) -> Any:
    labels = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(-1).argmin(1)
    chosen = F.one_hot(labels, centres.shape[0]).to(points.dtype)
    return labels, (chosen.T @ points) / chosen.sum(0)[:, None]


def image_filter(image: Any) -> Any:
    wide = image.to(torch.int16)
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    blur = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) >> 4
    return torch.clip(2 * wide[1:-1, 1:-1] - blur, 0, 255).to(torch.uint8)


def boolean_masking(x: Any, y: Any) -> Any:
    z = x + y
    return x[(x > 0.25) & (y < 0.75)] * 2.0, torch.where(z > 1.0, 0.0, z)


LOOPS = {stencil_2d: step_2d, stencil_3d: step_3d, mandelbrot: step_mandelbrot}
FORMS: dict[str, Callable[..., Any]] = {
    "cheap chain": lambda x, y: (x * y + x - 0.5 * y) * x + y,
    "transcendental chain": lambda x, y: torch.sqrt(torch.exp(x) + torch.sin(y) ** 2) * torch.tanh(x),
    "Black-Scholes": black_scholes,
    "softmax": lambda x: torch.softmax(x, 1),
    "layernorm": lambda x, gain, bias: F.layer_norm(x, x.shape[1:], gain, bias),
    "column standardise": lambda x: (x - x.mean(0)) / x.std(0, correction=0),
    "statistics": statistics,
    "sum of products": lambda x, y: (x * y).sum(),
    "pairwise distances": lambda x, y: torch.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)),
    "stencil 2-D": stencil_2d,
    "stencil 3-D": stencil_3d,
    "mandelbrot": mandelbrot,
    "k-means step": kmeans_step,
    "image filter": image_filter,
    "small expression": lambda x, y: (x + y) * x - y,
    "boolean masking": boolean_masking,
    "dense layer": lambda x, weights, bias: torch.relu(x @ weights + bias),
}
