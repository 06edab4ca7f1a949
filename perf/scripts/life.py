"""Conway's game of life on a torus of 128 x 128 cells."""

import numpy as np

rng = np.random.default_rng(13)
grid = (rng.random((128, 128)) < 0.3).astype(np.uint8)
alive = []
for generation in range(100):
    near = sum(np.roll(grid, (i, j), axis=(0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))
    grid = ((near == 3) | ((grid == 1) & (near == 2))).astype(np.uint8)
    alive.append(int(grid.sum()))
    if generation % 25 == 0:
        print(generation, alive[-1])
result = grid, np.array(alive)
