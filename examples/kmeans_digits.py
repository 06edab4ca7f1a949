"""1797 handwritten digits: principal components, k-means, and how well the clusters match what was written.

The digits are 8 x 8 pictures from the UCI optical recognition set (Alpaydin and Kaynak), which scikit-learn ships.
"""

from importlib.metadata import distribution

import numpy as np


def digits():
    """The pictures, a row of 64 intensities each, and the digit that each shows."""
    path = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(path, delimiter=",")
    return table[:, :-1] / 16.0, table[:, -1].astype(int)


def principal_components(x, count):
    """Coordinates along the `count` directions of largest variance, the directions, and their share of variance."""
    centred = x - x.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    # The sign of a direction is arbitrary: its largest entry is made positive.
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    share = singular**2 / (singular**2).sum()
    return centred @ directions[:count].T, directions[:count], share


def squared_distances(x, centres):
    return ((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=-1)


def spread_start(x, k, rng):
    """k-means++: each further centre is drawn with a chance that grows with its squared distance from the others."""
    centres = np.empty((k, x.shape[1]))
    centres[0] = x[rng.integers(len(x))]
    nearest = ((x - centres[0]) ** 2).sum(axis=1)
    for i in range(1, k):
        centres[i] = x[rng.choice(len(x), p=nearest / nearest.sum())]
        nearest = np.minimum(nearest, ((x - centres[i]) ** 2).sum(axis=1))
    return centres


def kmeans(x, k, rng, most=100):
    """Lloyd's iterations until no point changes its cluster: centres, labels, and the sum of squared distances."""
    centres = spread_start(x, k, rng)
    labels = np.full(len(x), -1)
    for _ in range(most):
        distances = squared_distances(x, centres)
        new = distances.argmin(axis=1)
        if np.array_equal(new, labels):
            break
        labels = new
        for cluster in range(k):
            members = x[labels == cluster]
            if len(members) > 0:
                centres[cluster] = members.mean(axis=0)
    return centres, labels, distances[np.arange(len(x)), labels].sum()


def contingency(labels, digit):
    """How many pictures of each digit (columns) each cluster (rows) holds."""
    table = np.zeros((labels.max() + 1, digit.max() + 1), dtype=int)
    np.add.at(table, (labels, digit), 1)
    return table


def pairs(counts):
    """How many pairs can be drawn from groups of these sizes."""
    return (counts * (counts - 1) / 2).sum()


def adjusted_rand(table):
    """The Rand index corrected for chance: 1 for the same partition, about 0 for unrelated ones."""
    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / pairs(table.sum())
    return (both - expected) / ((rows + columns) / 2 - expected)


pictures, digit = digits()
rng = np.random.default_rng(8)
scores, directions, share = principal_components(pictures, 20)
needed = np.searchsorted(np.cumsum(share), [0.5, 0.9, 0.95]) + 1

best = None
inertias = []
for _ in range(4):
    result = kmeans(scores, 10, rng)
    inertias.append(result[2])
    if best is None or result[2] < best[2]:
        best = result
centres, labels, inertia = best

table = contingency(labels, digit)
majority = table.argmax(axis=1)
purity = table.max(axis=1).sum() / table.sum()
rand_index = adjusted_rand(table)
confused = table.copy()
confused[np.arange(10), majority] = 0
cluster, other = np.unravel_index(confused.argmax(), confused.shape)

prototypes = (centres @ directions + pictures.mean(axis=0)).reshape(10, 8, 8)
rebuilt = scores @ directions + pictures.mean(axis=0)
loss = np.sqrt(((pictures - rebuilt) ** 2).mean())

print(f"digits       {len(pictures)} pictures, {np.bincount(digit).min()} to {np.bincount(digit).max()} of each")
print(f"components   {needed[0]}, {needed[1]} and {needed[2]} hold 50, 90 and 95% of the variance")
print(f"rebuilt      from 20 components with an error of {loss:.6f}")
print(f"k-means      best of {len(inertias)} starts: {inertia:.4f}, worst {max(inertias):.4f}")
print(f"agreement    purity {purity:.4f}, adjusted Rand index {rand_index:.4f}")
print(f"confused     {confused[cluster, other]} pictures of {other} among those of {majority[cluster]}")
print("a prototype of", majority[0])
for row in prototypes[0]:
    print("   ", "".join(" .:-=+*#%@"[int(np.clip(10 * ink, 0, 9))] for ink in row))
