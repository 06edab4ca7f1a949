"""A spectrogram of a chirp with noise, its ridge and its loudest bands."""

import numpy as np

rng = np.random.default_rng(24)
rate, seconds, window, hop = 8000, 6, 512, 128
t = np.arange(rate * seconds) / rate
signal = np.sin(2 * np.pi * (200 + 150 * t) * t) + 0.3 * rng.standard_normal(len(t))
taper = np.hanning(window)
frames = (len(signal) - window) // hop + 1
spectrum = np.empty((frames, window // 2 + 1))
for k in range(frames):
    part = signal[k * hop:k * hop + window] * taper
    spectrum[k] = np.abs(np.fft.rfft(part)) ** 2
decibels = 10 * np.log10(spectrum + 1e-12)
frequencies = np.fft.rfftfreq(window, 1 / rate)
ridge = frequencies[decibels.argmax(axis=1)]
slope, start = np.polyfit(np.arange(frames) * hop / rate, ridge, 1)
bands = np.add.reduceat(spectrum, np.arange(0, window // 2, 32), axis=1)
loudest = np.bincount(bands.argmax(axis=1), minlength=bands.shape[1])
print(f"{frames} frames, slope {slope:.2f} Hz/s, start {start:.1f} Hz, loudest {loudest.tolist()}")
result = decibels, ridge, bands
