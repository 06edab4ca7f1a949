"""Logistic regression by gradient descent, with its accuracy and the loss on the way."""

import numpy as np

rng = np.random.default_rng(7)
n, d = 4000, 20
X = rng.normal(size=(n, d))
w_true = rng.normal(size=d)
y = (X @ w_true + rng.normal(0, 0.5, n) > 0).astype(float)
X_train, X_test, y_train, y_test = X[:3000], X[3000:], y[:3000], y[3000:]


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


w, b, losses = np.zeros(d), 0.0, []
for epoch in range(200):
    p = sigmoid(X_train @ w + b)
    error = p - y_train
    w -= 0.5 * (X_train.T @ error / len(y_train) + 1e-3 * w)
    b -= 0.5 * error.mean()
    if epoch % 50 == 0:
        loss = -np.mean(y_train * np.log(p + 1e-12) + (1 - y_train) * np.log(1 - p + 1e-12))
        losses.append(float(loss))
        print(epoch, round(losses[-1], 6))
accuracy = ((sigmoid(X_test @ w + b) > 0.5) == y_test).mean()
print("accuracy: %.4f" % accuracy)
result = w, b, np.array(losses), accuracy
