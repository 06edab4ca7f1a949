"""A small neural network for two moons, trained in plain NumPy for 50 steps by Adam."""

import numpy as np

rng = np.random.default_rng(27)
count, hidden = 1000, 64
angle = rng.random(count) * np.pi
label = np.arange(count) % 2
X = np.stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + 0.3 * label], axis=1)
X += 0.15 * rng.standard_normal(X.shape)
parameters = [rng.standard_normal((2, hidden)) * 0.7, np.zeros(hidden),
              rng.standard_normal((hidden, hidden)) * 0.15, np.zeros(hidden),
              rng.standard_normal((hidden, 1)) * 0.15, np.zeros(1)]
means, squares = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
target = label[:, None].astype(float)
for step in range(1, 51):
    W1, b1, W2, b2, W3, b3 = parameters
    h1 = np.maximum(X @ W1 + b1, 0)
    h2 = np.tanh(h1 @ W2 + b2)
    p = 1 / (1 + np.exp(-(h2 @ W3 + b3)))
    loss = -np.mean(target * np.log(p + 1e-12) + (1 - target) * np.log(1 - p + 1e-12))
    d3 = (p - target) / count
    d2 = (d3 @ W3.T) * (1 - h2 ** 2)
    d1 = (d2 @ W2.T) * (h1 > 0)
    gradients = [X.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]
    for i, g in enumerate(gradients):
        means[i] = 0.9 * means[i] + 0.1 * g
        squares[i] = 0.999 * squares[i] + 0.001 * g ** 2
        parameters[i] = parameters[i] - 0.02 * (means[i] / (1 - 0.9 ** step)) / (
            np.sqrt(squares[i] / (1 - 0.999 ** step)) + 1e-8)
    if step % 10 == 0:
        print(step, "loss: %.6f, right: %.3f" % (loss, ((p > 0.5) == target).mean()))
result = tuple(parameters)
