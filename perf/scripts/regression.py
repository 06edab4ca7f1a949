"""A polynomial of a few noisy points, chosen by cross-validation: a short script of small arrays."""

import numpy as np

rng = np.random.default_rng(15)
x = np.linspace(-1, 1, 120)
y = np.sin(3 * x) + 0.3 * x ** 2 + rng.normal(0, 0.1, x.size)
order = rng.permutation(x.size)
folds = np.array_split(order, 6)
errors = np.zeros(10)
for degree in range(1, 11):
    A = np.vander(x, degree + 1)
    for fold in folds:
        train = np.setdiff1d(order, fold)
        coefficients, *_ = np.linalg.lstsq(A[train], y[train], rcond=None)
        errors[degree - 1] += ((A[fold] @ coefficients - y[fold]) ** 2).mean() / len(folds)
best = int(errors.argmin()) + 1
A = np.vander(x, best + 1)
Q, R = np.linalg.qr(A)
coefficients = np.linalg.solve(R, Q.T @ y)
residual = y - A @ coefficients
r2 = 1 - (residual ** 2).sum() / ((y - y.mean()) ** 2).sum()
print("degree:", best, "R2: %.6f" % r2)
result = errors, coefficients, residual
