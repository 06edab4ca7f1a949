"""Prices of options by simulated paths, with their errors, beside the formula of Black and Scholes."""

import math

import numpy as np

rng = np.random.default_rng(5)
spot, strike, rate, sigma, years = 100.0, 105.0, 0.03, 0.2, 1.0
steps, paths = 50, 20000
dt = years / steps
z = rng.standard_normal((paths, steps))
growth = np.exp((rate - 0.5 * sigma ** 2) * dt + sigma * math.sqrt(dt) * z)
prices = spot * np.cumprod(growth, axis=1)
discount = math.exp(-rate * years)

european = discount * np.maximum(prices[:, -1] - strike, 0)
asian = discount * np.maximum(prices.mean(axis=1) - strike, 0)
barrier = np.where(prices.max(axis=1) < 130, european, 0.0)
for name, payoff in ("european", european), ("asian", asian), ("barrier", barrier):
    print(f"{name}: {payoff.mean():.4f} +- {1.96 * payoff.std() / math.sqrt(paths):.4f}")

d1 = (math.log(spot / strike) + (rate + sigma ** 2 / 2) * years) / (sigma * math.sqrt(years))
d2 = d1 - sigma * math.sqrt(years)
normal = lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2)))  # noqa: E731
print("formula: %.4f" % (spot * normal(d1) - strike * discount * normal(d2)))
result = european, asian, barrier
