"""A flat script, as a beginner would write it: a shop's stock over a year, tables printed with loops."""

import numpy as np

np.random.seed(7)
np.set_printoptions(precision=3, suppress=True)

products = ["tea", "coffee", "sugar", "milk", "bread", "jam"]
prices = np.array([3.5, 5.25, 1.1, 0.95, 2.0, 2.75])
days = 365

# sales of each product on each day
season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(days) / 365)
sales = np.random.poisson(lam=20, size=(days, len(products))).astype(float)
for j in range(len(products)):
    sales[:, j] = np.floor(sales[:, j] * season * (1 + j / 10))

# some days the shop was closed
closed = np.random.choice(days, 20, replace=False)
closed.sort()
sales[closed] = 0
print("closed on", closed)
print("shape of sales", sales.shape, "total", sales.sum())

# the best and the worst day of each product
for name, column in zip(products, sales.T):
    best = column.argmax()
    nonzero = np.where(column > 0)[0]
    worst = nonzero[column[nonzero].argmin()]
    print(f"{name:8s} best day {best:3d} with {column[best]:5.0f}, worst open day {worst:3d} with {column[worst]:5.0f}")

# money
income = sales * prices
print("income per product", income.sum(axis=0))
print("income per day, mean and deviation", income.sum(axis=1).mean(), income.sum(axis=1).std())

# by month
starts = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
monthly = np.add.reduceat(income, starts, axis=0)
print("monthly income")
print(monthly)
print("best month of each product", monthly.argmax(axis=0) + 1)
print("share of each product in each quarter")
quarters = monthly.reshape(4, 3, -1).sum(axis=1)
print(quarters / quarters.sum(axis=1, keepdims=True))

# stock: delivered every week, spoiled when it is too much
stock = np.full(len(products), 150.0)
history = []
missed = np.zeros(len(products))
for day in range(days):
    if day % 7 == 0:
        stock += np.array([160, 170, 180, 190, 200, 210])
    wanted = sales[day]
    sold = np.minimum(stock, wanted)
    missed += wanted - sold
    stock -= sold
    if day % 30 == 29:
        stock *= 0.9
        stock = np.floor(stock)
    np.clip(stock, 0, 400, out=stock)
    history.append(stock.copy())
history = np.array(history)
print("stock at the end", stock)
print("missed sales", missed)
print("days with no tea", np.count_nonzero(history[:, 0] == 0))
print("lowest stock", history.min(axis=0), "highest", history.max(axis=0))

# which products sell together?
correlation = np.corrcoef(sales.T)
print("correlations")
print(correlation.round(2))
i, j = np.unravel_index(np.argmax(correlation - 2 * np.eye(len(products))), correlation.shape)
print("most alike:", products[i], "and", products[j])

# moving averages and the difference from week to week
week = np.ones(7) / 7
smooth = np.array([np.convolve(column, week, mode="valid") for column in sales.T])
print("smooth", smooth.shape, smooth[:, ::60])
weekly = sales[:364].reshape(52, 7, -1).sum(axis=1)
change = np.diff(weekly, axis=0)
print("largest weekly rise", change.max(axis=0), "largest fall", change.min(axis=0))
print("weeks that rose:", (change > 0).sum(axis=0))

# a small price table with every 5% of discount
discounts = np.arange(0, 0.25, 0.05)
table = prices[:, np.newaxis] * (1 - discounts)
print("prices with discounts")
for name, row in zip(products, table):
    print(name.ljust(8), " ".join(f"{value:6.2f}" for value in row))

# weekdays
weekday = np.arange(days) % 7
for d in range(7):
    chosen = income[weekday == d]
    print("weekday", d, "mean income", chosen.sum(axis=1).mean().round(2))

# the median customer basket, and outliers
baskets = np.random.exponential(scale=8.0, size=500) + prices.min()
low, middle, high = np.percentile(baskets, [25, 50, 75])
print("quartiles", low, middle, high)
outliers = baskets[baskets > high + 1.5 * (high - low)]
print(len(outliers), "outliers, the largest", sorted(outliers)[-3:])
counts, edges = np.histogram(baskets, bins=8)
for count, left, right in zip(counts, edges[:-1], edges[1:]):
    print(f"{left:6.2f} to {right:6.2f}: {'#' * (count // 8)} {count}")
