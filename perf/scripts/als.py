"""Ratings as a product of two thin matrices, by alternating least squares."""

import numpy as np

rng = np.random.default_rng(12)
users, items, rank, ridge = 200, 150, 8, 0.1
ratings = np.clip(rng.normal(0, 1, (users, rank)) @ rng.normal(0, 1, (rank, items)) + 3, 1, 5)
seen = rng.random((users, items)) < 0.3
U, V = rng.random((users, rank)), rng.random((items, rank))
for turn in range(5):
    for i in range(users):
        chosen = V[seen[i]]
        U[i] = np.linalg.solve(chosen.T @ chosen + ridge * np.eye(rank), chosen.T @ ratings[i, seen[i]])
    for j in range(items):
        chosen = U[seen[:, j]]
        V[j] = np.linalg.solve(chosen.T @ chosen + ridge * np.eye(rank), chosen.T @ ratings[seen[:, j], j])
    error = np.sqrt((((ratings - U @ V.T) ** 2) * seen).sum() / seen.sum())
    print(turn, "error: %.6f" % error)
best = np.argsort(np.where(seen, -np.inf, U @ V.T), axis=1)[:, ::-1][:, :3]
result = U, V, best
