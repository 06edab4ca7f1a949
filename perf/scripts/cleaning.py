"""Measurements with gaps and outliers: filled, clipped, normalised, summed up by station."""

import numpy as np

rng = np.random.default_rng(0)
stations, hours = 50, 8760
data = 15 + 8 * np.sin(np.arange(hours) * 2 * np.pi / 24) + rng.normal(0, 2, (stations, hours))
data[rng.random(data.shape) < 0.02] = np.nan
data[rng.random(data.shape) < 0.001] = 999.0

data[data > 100] = np.nan
missing = np.isnan(data)
print("missing:", missing.sum(), "most in station", missing.sum(axis=1).argmax())

means = np.nanmean(data, axis=1, keepdims=True)
filled = np.where(missing, means, data)
low, high = np.percentile(filled, [1, 99], axis=1, keepdims=True)
clipped = np.clip(filled, low, high)
score = (clipped - clipped.mean(axis=1, keepdims=True)) / clipped.std(axis=1, keepdims=True)

daily = clipped.reshape(stations, hours // 24, 24)
warmest = daily.mean(axis=2).argmax(axis=1)
swing = daily.max(axis=2) - daily.min(axis=2)
print("mean swing: %.3f" % swing.mean())
for station in range(3):
    print(station, round(float(clipped[station].mean()), 3), round(float(swing[station].max()), 3), warmest[station])
result = score, warmest, swing
