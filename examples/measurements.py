"""Statistics of real measurements: 569 tumours, 30 features each, and whether they were malignant or benign.

The data are the Wisconsin diagnostic breast cancer set (Wolberg, Street and Mangasarian), which scikit-learn ships.
"""

from importlib.metadata import distribution

import numpy as np

FEATURES = """radius texture perimeter area smoothness compactness concavity concave_points symmetry
fractal_dimension""".split()
NAMES = np.array([f"{kind}_{feature}" for kind in ("mean", "error", "worst") for feature in FEATURES])


def measurements():
    """The table of features, a row a tumour, and a boolean for each: benign."""
    path = distribution("scikit-learn").locate_file("sklearn/datasets/data/breast_cancer.csv")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1] == 1


def moments(z):
    """Skewness and excess kurtosis of standardised columns."""
    return (z**3).mean(axis=0), (z**4).mean(axis=0) - 3.0


def bootstrap(values, statistic, draws, rng):
    """The middle 95% of a statistic over samples drawn with replacement."""
    picks = rng.integers(0, len(values), size=(draws, len(values)))
    return np.quantile(statistic(values[picks], axis=1), [0.025, 0.975])


def permutation_p(values, group, draws, rng):
    """How often a random split of the values differs in its means at least as much as the real one."""
    real = abs(values[group].mean() - values[~group].mean())
    size = group.sum()
    shuffled = rng.permuted(np.tile(values, (draws, 1)), axis=1)
    difference = np.abs(shuffled[:, :size].mean(axis=1) - shuffled[:, size:].mean(axis=1))
    return (1 + np.count_nonzero(difference >= real)) / (draws + 1)


def roc_area(score, positive):
    """The chance that a random positive scores above a random negative, by ranks, ties counting half."""
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    rank = (upto - (counts - 1) / 2)[place]
    n = np.count_nonzero(positive)
    return (rank[positive].sum() - n * (n + 1) / 2) / (n * np.count_nonzero(~positive))


data, benign = measurements()
rng = np.random.default_rng(1995)

mean, spread = data.mean(axis=0), data.std(axis=0, ddof=1)
z = (data - mean) / spread
skewness, kurtosis = moments(z)

# Long right tails become nearly normal as logarithms; zeros are kept by adding the smallest positive value.
logged = data.copy()
for column in np.flatnonzero(skewness > 1.0):
    values = logged[:, column]
    values += values[values > 0].min()
    np.log(values, out=values)
logged -= logged.mean(axis=0)
logged /= logged.std(axis=0, ddof=1)

correlation = np.corrcoef(logged, rowvar=False)
upper = np.triu_indices_from(correlation, k=1)
strongest = np.argsort(-np.abs(correlation[upper]), kind="stable")[:3]

# Mahalanobis distance, with a little ridge because radius, perimeter and area say nearly the same.
covariance = np.cov(logged, rowvar=False) + 1e-3 * np.eye(data.shape[1])
distance = np.sqrt(np.einsum("ij,ij->i", logged, np.linalg.solve(covariance, logged.T).T))
median = np.median(distance)
outlier = distance > median + 3 * 1.4826 * np.median(np.abs(distance - median))

radius = data[:, 0]
interval = bootstrap(radius, np.mean, 2000, rng)
median_interval = bootstrap(radius, np.median, 1000, rng)
p_value = permutation_p(data[:, 9], benign, 2000, rng)

effect = (logged[~benign].mean(axis=0) - logged[benign].mean(axis=0)) / np.sqrt(
    (logged[~benign].var(axis=0, ddof=1) + logged[benign].var(axis=0, ddof=1)) / 2
)
best = np.argsort(-np.abs(effect), kind="stable")
areas = np.array([roc_area(logged[:, column], ~benign) for column in best[:5]])

print(f"tumours       {len(data)}, of which {benign.sum()} benign; {data.shape[1]} features")
print(f"skewed        {np.count_nonzero(skewness > 1)} features, most: {NAMES[skewness.argmax()]} {skewness.max():.4f}")
for pick in strongest:
    i, j = upper[0][pick], upper[1][pick]
    print(f"correlated    {NAMES[i]} and {NAMES[j]}: {correlation[i, j]:.6f}")
print(f"outliers      {np.count_nonzero(outlier)}, furthest {distance.max():.4f} (row {distance.argmax()})")
print(f"mean radius   {radius.mean():.4f}, 95% between {interval[0]:.4f} and {interval[1]:.4f}")
print(f"median radius {np.median(radius):.4f}, 95% between {median_interval[0]:.4f} and {median_interval[1]:.4f}")
print(f"fractal dim.  groups differ with p = {p_value:.4f}")
for column, area in zip(best, areas):
    print(f"separates     {NAMES[column]:22} effect {effect[column]:.4f}, area under ROC {area:.4f}")
