"""numexpr: elementwise expressions as text, with its own reductions where it has them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numexpr
import numpy
from workloads import STEPS

VERSION = numexpr.__version__
NUMBER = r"(?<![\w.])\d+\.\d*(?:e-?\d+)?"
NORMAL = "where({0} > 0.0, 1.0 - 0.3989422804014327*exp(-0.5*{0}*{0})*{1}, 0.3989422804014327*exp(-0.5*{0}*{0})*{1})"
SERIES = "({0}*(0.319381530+{0}*(-0.356563782+{0}*(1.781477937+{0}*(-1.821255978+{0}*1.330274429)))))"


def take(array: Any) -> Any:
    """NumPy's arrays."""
    return array


host = numpy.asarray


def made(form: Callable[..., Any], inputs: tuple[Any, ...]) -> Callable[..., Any]:
    """numexpr compiles at the first use of a text."""
    return form


def finish(result: Any) -> Any:
    """Results are there."""
    return result


@functools.cache
def constants(text: str, dtype: Any) -> tuple[str, dict[str, Any]]:
    """The text with names for its floating-point numbers, which numexpr would take for float64, and their values."""
    names = {number: f"c{i}" for i, number in enumerate(sorted(set(re.findall(NUMBER, text))))}
    return re.sub(NUMBER, lambda match: names[match[0]], text), {v: dtype.type(k) for k, v in names.items()}


def evaluate(text: str, out: Any = None, **arrays: Any) -> Any:
    """`numexpr.evaluate` with numbers of the arrays' dtype."""
    text, values = constants(text, next(iter(arrays.values())).dtype)
    return numexpr.evaluate(text, local_dict={**arrays, **values}, out=out)


def black_scholes(p: Any, s: Any, t: Any) -> Any:
    d1 = evaluate("(log(p/s) + 0.065*t) / (0.3*sqrt(t))", p=p, s=s, t=t)
    d2 = evaluate("d1 - 0.3*sqrt(t)", d1=d1, t=t)
    k1, k2 = (evaluate("1.0 / (1.0 + 0.2316419*abs(d))", d=d) for d in (d1, d2))
    n1, n2 = (evaluate(NORMAL.format("d", SERIES.format("k")), d=d, k=k) for d, k in ((d1, k1), (d2, k2)))
    call = evaluate("p*n1 - s*exp(-0.02*t)*n2", p=p, s=s, t=t, n1=n1, n2=n2)
    return call, evaluate("call - p + s*exp(-0.02*t)", call=call, p=p, s=s, t=t)


def softmax(x: Any) -> Any:
    e = evaluate("exp(x - m)", x=x, m=x.max(axis=1, keepdims=True))
    return evaluate("e / s", e=e, s=e.sum(axis=1, keepdims=True))


def layernorm(x: Any, g: Any, b: Any) -> Any:
    m, v = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return evaluate("(x - m) / sqrt(v + 1.0e-5) * g + b", x=x, m=m, v=v, g=g, b=b)


def stencil_2d(u: Any) -> Any:
    u = u.copy()
    for _ in range(STEPS):
        u[1:-1, 1:-1] = evaluate("0.25 * (a + b + c + d)", a=u[:-2, 1:-1], b=u[2:, 1:-1], c=u[1:-1, :-2],
                                 d=u[1:-1, 2:])
    return u


def stencil_3d(u: Any) -> Any:
    u, i = u.copy(), slice(1, -1)
    for _ in range(STEPS):
        u[i, i, i] = evaluate("m + 0.1 * (a + b + c + d + e + f - 6.0 * m)", m=u[i, i, i], a=u[:-2, i, i],
                              b=u[2:, i, i], c=u[i, :-2, i], d=u[i, 2:, i], e=u[i, i, :-2], f=u[i, i, 2:])
    return u


FORMS: dict[str, Callable[..., Any]] = {
    "cheap chain": lambda x, y: evaluate("(x*y + x - 0.5*y)*x + y", x=x, y=y),
    "transcendental chain": lambda x, y: evaluate("sqrt(exp(x) + sin(y)**2) * tanh(x)", x=x, y=y),
    "Black-Scholes": black_scholes,
    "softmax": softmax,
    "layernorm": layernorm,
    "column standardise": lambda x: evaluate("(x - m) / s", x=x, m=x.mean(0), s=x.std(0)),
    "sum of products": lambda x, y: evaluate("sum(x * y)", x=x, y=y),
    "pairwise distances": lambda x, y: numpy.sqrt(evaluate("sum((x - y)**2, axis=2)", x=x[:, None], y=y[None])),
    "stencil 2-D": stencil_2d,
    "stencil 3-D": stencil_3d,
    "small expression": lambda x, y: evaluate("(x + y) * x - y", x=x, y=y),
    "dense layer": lambda x, w, b: evaluate("where(z + b > 0.0, z + b, 0.0)", z=x @ w, b=b),
}
