"""A report of 200,000 sales: sums and quantiles, histograms, tables by month and by product."""

import numpy as np

rng = np.random.default_rng(9)
n = 200_000
price = np.round(rng.lognormal(3, 0.6, n), 2)
count = rng.poisson(2.5, n) + 1
month = rng.integers(0, 12, n)
product = rng.integers(0, 40, n)
sales = price * count
print("total %.2f, mean %.4f, deviation %.4f" % (sales.sum(), sales.mean(), sales.std()))
print("least %.2f, greatest %.2f" % (sales.min(), sales.max()))
print("quartiles", np.percentile(sales, [25, 50, 75]))
by_month = np.bincount(month, weights=sales, minlength=12)
by_product = np.array([sales[product == p].sum() for p in range(40)])
best = np.argsort(by_product)[::-1][:5]
for p in best:
    print("product", p, "%.2f" % by_product[p], "share %.4f" % (by_product[p] / sales.sum()))
table = np.zeros((12, 40))
np.add.at(table, (month, product), sales)
counts, edges = np.histogram(np.log(sales), bins=50)
unique, times = np.unique(count, return_counts=True)
correlation = np.corrcoef(price, count)[0, 1]
print("months:", np.round(by_month, 1), "correlation %.6f" % correlation)
large = sales > sales.mean() + 3 * sales.std()
print("outliers:", np.count_nonzero(large), "%.3f" % sales[large].mean())
result = by_month, by_product, table, counts, edges, unique, times
