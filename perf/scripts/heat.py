"""The heat equation on a plate, until it settles."""

import numpy as np

n, alpha = 128, 0.2
u = np.zeros((n, n))
u[0, :] = 100.0
u[n // 4:n // 2, n // 4:n // 2] = 50.0
for step in range(500):
    new = u.copy()
    new[1:-1, 1:-1] = u[1:-1, 1:-1] + alpha * (
        u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1])
    if step % 100 == 0:
        print(step, "change: %.6f" % np.abs(new - u).max())
    u = new
print("mean temperature: %.6f" % u.mean())
result = u, u.mean(axis=1)
