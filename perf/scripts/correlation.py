"""The delays between eight channels of a recording, from their correlations."""

import numpy as np

rng = np.random.default_rng(10)
channels, n = 8, 4096
source = np.cumsum(rng.normal(size=n + 200))
source -= source.mean()
delays = rng.integers(0, 100, channels)
record = np.array([source[100 - d:100 - d + n] for d in delays]) + rng.normal(0, 0.5, (channels, n))
record = (record - record.mean(axis=1, keepdims=True)) / record.std(axis=1, keepdims=True)
lags = np.zeros((channels, channels), dtype=int)
strength = np.zeros((channels, channels))
for i in range(channels):
    for j in range(channels):
        a, b = np.fft.rfft(record[i], 2 * n), np.fft.rfft(record[j], 2 * n)
        c = np.fft.irfft(a * np.conj(b))
        c = np.concatenate([c[-n + 1:], c[:n]])
        lags[i, j] = np.argmax(c) - (n - 1)
        strength[i, j] = c.max() / n
print(lags)
print("mean strength: %.6f" % strength[np.triu_indices(channels, 1)].mean())
energy = np.convolve((record ** 2).mean(axis=0), np.ones(64) / 64, mode="valid")
loud = energy > np.median(energy) * 1.5
print("loud: %.4f" % loud.mean())
result = lags, strength, energy
