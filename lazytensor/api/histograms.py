"""Histograms with given edges, or a given number of bins and range: the edges are there at once, the counts wait."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.dtypes import NUMERIC
from . import lazy
from .build import count_as_run
from .fallback import AT_ONCE, fallback, unseen
from .handle import Tensor, wrap
from .inplace import looked_at

_getframe = sys._getframe
_COUNTS = lazy.Rule(lambda a, bins, range, density, weights: np.histogram(a, bins, range, density, weights)[0],
                    "histogram", "a bins weights")
_COUNTS_2D = lazy.Rule(lambda x, y, bins, range, density, weights: _whole(np.histogram2d(
    x, y, bins, range, density, weights)[0]), "histogram2d", "x y weights", "free")
_COUNTS_DD = lazy.Rule(lambda sample, bins, range, density, weights: _whole(np.histogramdd(
    sample, bins, range, density, weights)[0]), "histogramdd", "[sample] weights", "free")


def _whole(counts: Any) -> Any:
    """The array of which the counts are the part without outliers; density's have memory of their own."""
    return counts if counts.base is None else counts.base


def _inner(counts: Any, density: Any) -> Any:
    return counts if density else counts[(slice(1, -1),) * counts.ndim]


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """`numpy.histogram`, pending if the bins are given, or their number and range."""
    given = isinstance(bins, (list, tuple, np.ndarray, Tensor))
    if type(a) is Tensor and a._value.dtype.kind in "iuf" and (given or type(bins) is int and range is not None) and (
            type(weights) is not list):
        real = looked_at(bins)
        try:
            edges = np.histogram_bin_edges(np.ones(1, a._value.dtype), real, range)
        except (ValueError, TypeError):  # NumPy says it itself
            return lazy.NOW
        if edges.dtype.char in NUMERIC:
            found = _COUNTS.pending((a, real, range, density, weights), {}, _getframe(2))
            if found is not lazy.NOW:
                return found, bins if type(bins) is Tensor else wrap(edges)
    return lazy.NOW


def _edges(dtypes: list[Any], bins: Any, range: Any) -> Any:
    """The edges of a histogram of so many axes, if the arguments alone say them; else None."""
    sample = [np.empty(0, dtype) for dtype in dtypes]
    parts = bins if isinstance(bins, (list, tuple)) else (bins,) * len(sample)
    if any(dtype.kind not in "iuf" for dtype in dtypes) or len(parts) != len(sample) or (
            range is None and any(type(part) is int for part in parts)) or (
            range is not None and any(part is None for part in range)):
        return None
    try:
        return np.histogramdd(sample, bins, range)[1]
    except (ValueError, TypeError):  # NumPy says it itself
        return None


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """`numpy.histogram2d`, pending if the bins are given, or their number and range."""
    if type(x) is Tensor and type(y) is Tensor and len(x._value.shape) == len(y._value.shape) == 1:
        real = looked_at(bins) if type(bins) is Tensor else _looked_at_each(bins)
        pair = isinstance(real, (list, tuple)) and len(real) == 2
        whole = real if pair or type(real) is int else [np.asarray(real)] * 2
        edges = _edges([x._value.dtype, y._value.dtype], whole, range)
        if edges is not None:
            found = _COUNTS_2D.pending((x, y, real, range, density, weights), {}, _getframe(2))
            if found is not lazy.NOW:
                return _inner(found, density), wrap(edges[0]), wrap(edges[1])
    return lazy.NOW


def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """`numpy.histogramdd`, pending if the bins are given, or their number and range."""
    dtypes = _dtypes_of(sample)
    if dtypes:
        real = _looked_at_each(bins)
        edges = _edges(dtypes, real, range)
        if edges is not None:
            found = _COUNTS_DD.pending((sample, real, range, density, weights), {}, _getframe(2))
            if found is not lazy.NOW:
                return _inner(found, density), type(edges)([wrap(x) for x in edges])
    return lazy.NOW


def _dtypes_of(sample: Any) -> list[Any]:
    """The dtypes of a sample's coordinates, if there is a Tensor for each, or one for all."""
    if type(sample) is Tensor:
        return [sample._value.dtype] * sample._value.shape[1] if len(sample._value.shape) == 2 else []
    if isinstance(sample, (list, tuple)) and all(type(x) is Tensor and len(x._value.shape) == 1 for x in sample):
        return [x._value.dtype for x in sample]
    return []


def _looked_at_each(bins: Any) -> Any:
    return type(bins)([looked_at(x) for x in bins]) if type(bins) in (list, tuple) else bins


def _function(own: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function as one whose counts are pending where `own` finds that they may be."""
    real = getattr(np, own.__name__)
    otherwise = fallback(real, own.__name__)

    @unseen
    @functools.wraps(real)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            found = own(*args, **kwargs)
        except TypeError:  # NumPy says it itself
            found = lazy.NOW
        if found is not lazy.NOW:
            return found
        count_as_run()
        return otherwise(*args, **kwargs)
    return function


HISTOGRAMS: dict[str, Callable[..., Any]] = {f.__name__: _function(f) for f in (histogram, histogram2d, histogramdd)}
"""What this file has in place of NumPy's functions, by name."""
AT_ONCE.update((own, {"small": True}) for own in HISTOGRAMS.values())
