"""Dynamic programming with rows: a knapsack, and how much has to be edited in one text to get another."""

import numpy as np

rng = np.random.default_rng(25)
weights, values, capacity = rng.integers(1, 60, 150), rng.integers(10, 200, 150), 2000
best = np.zeros(capacity + 1, dtype=np.int64)
taken = np.zeros((len(weights), capacity + 1), dtype=bool)
for i, (weight, value) in enumerate(zip(weights, values)):
    more = best[:-weight] + value
    taken[i, weight:] = more > best[weight:]
    best[weight:] = np.maximum(best[weight:], more)
chosen, room = [], capacity
for i in range(len(weights) - 1, -1, -1):
    if taken[i, room]:
        chosen.append(i)
        room -= weights[i]
one, other = rng.integers(0, 4, 600), rng.integers(0, 4, 500)
row = np.arange(len(other) + 1)
for i in range(len(one)):
    new = np.empty_like(row)
    new[0] = i + 1
    new[1:] = np.minimum(row[1:] + 1, row[:-1] + (other != one[i]))
    row = np.minimum.accumulate(new - np.arange(len(new))) + np.arange(len(new))
print("knapsack:", best[-1], "of", len(chosen), "things; edits:", row[-1])
result = best, np.array(chosen), row
