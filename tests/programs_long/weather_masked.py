"""Masked arrays: a year of weather with gaps, filled and summed up, with warnings and error states on the way."""

import warnings

import numpy as np
from numpy import ma

MISSING = -999.0


def make(seed=5, days=120, stations=4):
    rng = np.random.RandomState(seed)
    base = 10 + 8 * np.sin(np.arange(days) * 2 * np.pi / days)[:, None]
    table = base + rng.normal(scale=2.0, size=(days, stations)) + np.arange(stations)
    table[rng.rand(days, stations) < 0.1] = MISSING
    table[20:25, 1] = MISSING
    return table


def gaps(mask):
    """(first, length) of each run of missing values."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(int)))
    return list(zip(edges[::2].tolist(), (edges[1::2] - edges[::2]).tolist()))


def interpolated(column):
    days = np.arange(len(column))
    good = ~ma.getmaskarray(column)
    filled = np.interp(days, days[good], column[good].data)
    return ma.array(filled, mask=False)


raw = make()
print("raw mean, with the missing ones", raw.mean())
table = ma.masked_equal(raw, MISSING)
print(type(table).__name__, table.shape, table.count(), table.count(axis=0), "missing", ma.count_masked(table))
print("mean", table.mean(), "per station", table.mean(axis=0))
print("deviation", table.std(axis=0, ddof=1))
print("warmest", table.max(), "on", np.unravel_index(table.argmax(), table.shape), "coldest", table.min(axis=0))
print("first days")
print(table[:4])
print("gaps of station 1", gaps(table.mask[:, 1]))

# arithmetic keeps masks
fahrenheit = table * 1.8 + 32
difference = table[:, 0] - table[:, 1]
print("fahrenheit", fahrenheit[19:22, 1], fahrenheit.fill_value)
print("difference", difference.count(), difference.mean(), difference[18:27])
print("medians", ma.median(table, axis=0))
hot = ma.masked_where(table < table.mean(axis=0) + 3, table)
print("hot days", hot.count(axis=0), hot.compressed()[:5])

# filling
print("filled", table.filled(0)[20:22], table.filled(table.mean())[20, 1])
smooth = ma.column_stack([interpolated(table[:, j]) for j in range(table.shape[1])])
print("interpolated", smooth[18:27, 1], smooth.mask.any())
anomaly = table - smooth.mean(axis=0)
print("anomaly", anomaly.sum(axis=0), abs(anomaly).max())

# masks that change
copy = table.copy()
copy[0] = ma.masked
copy[1, 2] = 50.0
print(copy[:2], copy.mask[:2].tolist())
copy.mask = ma.nomask
print("no mask any more", copy.count() == copy.size, (copy.data == MISSING).sum())
hard = ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0], hard_mask=True)
hard[:] = 9
print(hard, hard.data, hard.sum(), hard.tolist())
soft = ma.array(np.arange(6).reshape(2, 3), mask=[[0, 1, 0], [1, 1, 1]], fill_value=-1)
print(soft.mean(axis=1), soft.sum(axis=1), soft.prod(), soft.filled())
print(ma.notmasked_edges(soft), ma.clump_unmasked(soft[0]), soft.compressed())

# months: sums with masks
months = ma.array(np.split(table.data, 4), mask=np.split(table.mask, 4))
print("months", months.shape, months.mean(axis=(1, 2)), months.count(axis=1))
print("sorted", ma.sort(table[:6, 0]), ma.argsort(table[:6, 0], fill_value=99))
stacked = ma.concatenate([table[:2], ma.masked_all((1, 4)), table[2:3]])
print("stacked", stacked.shape, stacked.count(axis=1), stacked[2])
weights = np.linspace(1, 2, 4)
print("weighted", ma.average(table, axis=1, weights=weights)[:4])
print("correlation", ma.corrcoef(table.T).round(3))
print("covariance", ma.cov(table[:, :2].T).round(3).tolist())

# domains: what cannot be is masked
with np.errstate(all="ignore"):
    print("logarithms", ma.log(ma.array([-1.0, 0.0, 1.0, np.e])), ma.sqrt(ma.array([-4.0, 4.0])))
    print("quotients", ma.array([1.0, 2.0]) / ma.array([0.0, 4.0]))
invalid = ma.masked_invalid([1.0, np.nan, np.inf, 2.0])
print("invalid", invalid, invalid.sum())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print("converted", float(ma.array([1.0], mask=[False])[0]), np.array([0.0]) / 0.0)
print([str(w.message) for w in caught])
with np.errstate(divide="raise"):
    try:
        np.ones(2) / np.zeros(2)
    except FloatingPointError as error:
        print("raised:", error)

between = ma.masked_inside(table[:5, 0], 8, 12)
print(between, ma.masked_outside(table[:5, 0], 8, 12), ma.getmaskarray(between))
print("all masked", ma.masked_all(2), ma.masked_all(2).sum() is ma.masked, ma.masked)
for value in table[19:23, 1]:
    print("missing" if value is ma.masked else round(float(value), 3), end=" ")
print()
