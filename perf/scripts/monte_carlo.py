"""Prices of Asian and barrier options by simulated paths, with antithetic draws."""

import numpy as np

rng = np.random.default_rng(21)
spot, strike, rate, sigma, years, days, paths = 100.0, 105.0, 0.03, 0.25, 1.0, 50, 8000
step = years / days
prices = np.full(2 * paths, spot)
total = np.zeros(2 * paths)
alive = np.ones(2 * paths, dtype=bool)
for day in range(days):
    draw = rng.standard_normal(paths)
    draw = np.concatenate([draw, -draw])
    prices = prices * np.exp((rate - 0.5 * sigma ** 2) * step + sigma * np.sqrt(step) * draw)
    total += prices
    alive &= prices < 150.0
discount = np.exp(-rate * years)
asian = discount * np.maximum(total / days - strike, 0)
barrier = discount * np.where(alive, np.maximum(prices - strike, 0), 0)
for name, payoff in (("asian", asian), ("barrier", barrier)):
    print(f"{name}: {payoff.mean():.4f} +- {1.96 * payoff.std() / np.sqrt(len(payoff)):.4f}")
result = asian, barrier
