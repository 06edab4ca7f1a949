"""Confidence intervals of a mean, a median and a correlation by resampling."""

import numpy as np

rng = np.random.default_rng(2)
n, turns = 400, 1000
x = rng.exponential(2.0, n)
y = 0.5 * x + rng.normal(0, 1, n)
means, medians, correlations = np.empty(turns), np.empty(turns), np.empty(turns)
for i in range(turns):
    chosen = rng.integers(0, n, n)
    a, b = x[chosen], y[chosen]
    means[i] = a.mean()
    medians[i] = np.median(a)
    correlations[i] = np.corrcoef(a, b)[0, 1]
for name, values in ("mean", means), ("median", medians), ("correlation", correlations):
    low, high = np.percentile(values, [2.5, 97.5])
    print(f"{name}: {values.mean():.4f} [{low:.4f}, {high:.4f}]")
result = means, medians, correlations
