"""Matrices taken apart: QR by Householder reflections, LU with pivots, Cholesky, eigenvalues by QR steps."""

import numpy as np

rng = np.random.default_rng(30)
n = 80
A = rng.standard_normal((n, n))
Q, R = np.eye(n), A.copy()
for k in range(n - 1):
    x = R[k:, k]
    v = x.copy()
    v[0] += np.copysign(np.linalg.norm(x), x[0])
    v /= np.linalg.norm(v)
    R[k:, :] -= 2 * np.outer(v, v @ R[k:, :])
    Q[:, k:] -= 2 * np.outer(Q[:, k:] @ v, v)
LU, swaps = A.copy(), np.arange(n)
for k in range(n - 1):
    pivot = k + np.argmax(np.abs(LU[k:, k]))
    if pivot != k:
        LU[[k, pivot]] = LU[[pivot, k]]
        swaps[[k, pivot]] = swaps[[pivot, k]]
    LU[k + 1:, k] /= LU[k, k]
    LU[k + 1:, k + 1:] -= np.outer(LU[k + 1:, k], LU[k, k + 1:])
S = A @ A.T + n * np.eye(n)
C = np.zeros_like(S)
for j in range(n):
    C[j, j] = np.sqrt(S[j, j] - C[j, :j] @ C[j, :j])
    C[j + 1:, j] = (S[j + 1:, j] - C[j + 1:, :j] @ C[j, :j]) / C[j, j]
T = (A + A.T) / 2
for turn in range(60):
    q, r = np.linalg.qr(T)
    T = r @ q
lower, upper = np.tril(LU, -1) + np.eye(n), np.triu(LU)
print("QR %.2e, LU %.2e, Cholesky %.2e" % (np.abs(Q @ R - A).max(), np.abs(lower @ upper - A[swaps]).max(),
                                          np.abs(C @ C.T - S).max()))
print("largest: %.5f %.5f" % (T[0, 0], np.linalg.eigvalsh((A + A.T) / 2)[-1]))
result = Q, R, LU, swaps, C, T
