"""A noisy signal without its high frequencies, and the peaks of its spectrum."""

import numpy as np

rng = np.random.default_rng(3)
n, rate = 1 << 18, 8000.0
t = np.arange(n) / rate
clean = np.sin(2 * np.pi * 50 * t) + 0.5 * np.sin(2 * np.pi * 120 * t)
signal = clean + rng.normal(0, 1, n)
window = np.hanning(n)
spectrum = np.fft.rfft(signal * window)
frequencies = np.fft.rfftfreq(n, 1 / rate)
power = np.abs(spectrum) ** 2 / n
peaks = np.sort(frequencies[np.argsort(power)[-4:]])
print("peaks:", np.round(peaks, 2))
spectrum = np.fft.rfft(signal)
spectrum[frequencies > 200] = 0
filtered = np.fft.irfft(spectrum, n)
error = np.sqrt(np.mean((filtered - clean) ** 2))
ratio = 10 * np.log10((clean ** 2).sum() / ((signal - clean) ** 2).sum())
print(f"error {error:.5f}, noise {ratio:.2f} dB")
result = power, filtered, error
