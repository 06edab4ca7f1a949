"""Two thousand random walks in the plane: distances, returns, and the exponent with which they spread."""

import numpy as np

rng = np.random.default_rng(14)
walkers, steps = 2000, 500
angles = rng.integers(0, 4, (walkers, steps)) * (np.pi / 2)
x = np.round(np.cumsum(np.cos(angles), axis=1))
y = np.round(np.cumsum(np.sin(angles), axis=1))
squared = x ** 2 + y ** 2
spread = squared.mean(axis=0)
t = np.arange(1, steps + 1)
slope, intercept = np.polyfit(np.log(t[10:]), np.log(spread[10:]), 1)
home = (squared == 0).any(axis=1)
first = np.where(home, (squared == 0).argmax(axis=1), -1)
print("exponent: %.5f" % slope, "came home:", home.mean())
farthest = np.sqrt(squared.max(axis=1))
print("farthest: %.4f" % farthest.max(), "median %.4f" % np.median(farthest))
counts, edges = np.histogram(np.hypot(x[:, -1], y[:, -1]), bins=20)
print(counts)
result = spread, first, farthest, counts, edges
