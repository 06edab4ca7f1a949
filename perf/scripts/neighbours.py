"""Classification by the nearest neighbours: pairwise distances, argsort, votes, and which k is best."""

import numpy as np

rng = np.random.default_rng(29)
centres = rng.normal(0, 3, (6, 8))
train = np.concatenate([centre + rng.standard_normal((100, 8)) * 2 for centre in centres])
labels = np.repeat(np.arange(6), 100)
test = np.concatenate([centre + rng.standard_normal((40, 8)) * 2 for centre in centres])
truth = np.repeat(np.arange(6), 40)
mean, spread = train.mean(axis=0), train.std(axis=0)
train, test = (train - mean) / spread, (test - mean) / spread
squared = ((test[:, None, :] - train[None, :, :]) ** 2).sum(axis=-1)
other = (test ** 2).sum(1)[:, None] + (train ** 2).sum(1) - 2 * test @ train.T
print(np.allclose(squared, other))
order = np.argsort(squared, axis=1)
right = []
for k in range(1, 16, 2):
    votes = labels[order[:, :k]]
    guess = np.array([np.bincount(v, minlength=6).argmax() for v in votes])
    right.append((guess == truth).mean())
    print(k, "%.4f" % right[-1])
confusion = np.zeros((6, 6), dtype=int)
np.add.at(confusion, (truth, guess), 1)
print(confusion)
result = squared, order, np.array(right), confusion
