"""The wave equation on a square membrane by finite differences, with a damped border."""

import numpy as np

size, steps, c, dt, dx = 200, 150, 1.0, 0.5, 1.0
axis = np.arange(size)
distance = np.minimum(np.minimum(axis, size - 1 - axis)[:, None], np.minimum(axis, size - 1 - axis)[None, :])
damping = np.where(distance < 20, 0.02 * (20 - distance) / 20, 0.0)
yy, xx = np.meshgrid(axis, axis, indexing="ij")
now = np.exp(-((xx - 80) ** 2 + (yy - 100) ** 2) / 50.0)
before = now.copy()
energies = []
for step in range(steps):
    laplacian = (now[:-2, 1:-1] + now[2:, 1:-1] + now[1:-1, :-2] + now[1:-1, 2:] - 4 * now[1:-1, 1:-1]) / dx ** 2
    after = now.copy()
    after[1:-1, 1:-1] = (2 - damping[1:-1, 1:-1]) * now[1:-1, 1:-1] - (
        1 - damping[1:-1, 1:-1]) * before[1:-1, 1:-1] + (c * dt) ** 2 * laplacian
    after[0] = after[-1] = 0
    after[:, 0] = after[:, -1] = 0
    before, now = now, after
    if step % 30 == 29:
        energies.append(0.5 * np.sum(((now - before) / dt) ** 2))
        print(step, "energy: %.6f, highest %.5f" % (energies[-1], now.max()))
result = now, before, np.array(energies)
