"""Principal components of 2,000 samples of 60 features."""

import numpy as np

rng = np.random.default_rng(1)
X = rng.normal(size=(2000, 8)) @ rng.normal(size=(8, 60)) + 0.1 * rng.normal(size=(2000, 60))
X = (X - X.mean(axis=0)) / X.std(axis=0)
cov = X.T @ X / (len(X) - 1)
values, vectors = np.linalg.eigh(cov)
order = np.argsort(values)[::-1]
values, vectors = values[order], vectors[:, order]
explained = values / values.sum()
k = int(np.searchsorted(np.cumsum(explained), 0.95)) + 1
print("components for 95%:", k)
projected = X @ vectors[:, :k]
restored = projected @ vectors[:, :k].T
error = np.sqrt(((X - restored) ** 2).mean())
print("error: %.6f" % error)
result = explained, np.abs(projected).sum(axis=0), error
