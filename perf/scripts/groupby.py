"""Sales grouped by shop and by month: totals, means, largest and shares."""

import numpy as np

rng = np.random.default_rng(23)
count = 60000
shop = rng.integers(0, 40, count)
month = rng.integers(1, 13, count)
amount = np.round(rng.gamma(2.0, 30.0, count), 2)
shops, inverse = np.unique(shop, return_inverse=True)
totals = np.bincount(inverse, weights=amount)
means = totals / np.bincount(inverse)
largest = np.zeros(len(shops))
np.maximum.at(largest, inverse, amount)
table = np.zeros((len(shops), 12))
np.add.at(table, (inverse, month - 1), amount)
share = table / table.sum(axis=1, keepdims=True)
order = np.argsort(shop, kind="stable")
starts = np.flatnonzero(np.r_[True, np.diff(shop[order]) != 0])
running = np.add.reduceat(amount[order], starts)
medians = np.array([np.median(amount[shop == s]) for s in shops])
values, counts = np.unique(np.floor(amount / 10).astype(int), return_counts=True)
for k in np.argsort(totals)[::-1][:5]:
    print(shops[k], f"{totals[k]:.2f} {means[k]:.3f} {medians[k]:.2f} {largest[k]:.2f}")
print(np.allclose(running, totals), share.max(axis=1).round(4)[:4])
result = totals, means, medians, largest, share, values, counts
