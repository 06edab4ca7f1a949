"""Clusters of 5,000 points in 8 dimensions, by Lloyd's algorithm."""

import numpy as np

rng = np.random.default_rng(6)
k, n, d = 6, 5000, 8
true = rng.normal(0, 5, (k, d))
points = true[rng.integers(0, k, n)] + rng.normal(0, 1, (n, d))
centers = points[rng.choice(n, k, replace=False)]
for turn in range(50):
    distances = np.sqrt(((points[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2))
    labels = distances.argmin(axis=1)
    new = np.array([points[labels == j].mean(axis=0) for j in range(k)])
    if np.allclose(new, centers):
        break
    centers = new
inertia = (distances.min(axis=1) ** 2).sum()
print("turns:", turn, "inertia: %.4f" % inertia, "sizes:", np.bincount(labels))
result = centers, labels, inertia
