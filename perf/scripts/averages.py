"""Moving averages of prices, the signals where they cross, and what following them would have earned."""

import numpy as np

rng = np.random.default_rng(11)
days, assets = 2520, 30
returns = rng.normal(0.0003, 0.012, (days, assets))
prices = 100 * np.cumprod(1 + returns, axis=0)


def moving_average(a, width):
    total = np.cumsum(a, axis=0)
    total[width:] = total[width:] - total[:-width]
    return total[width - 1:] / width


fast, slow = moving_average(prices, 20), moving_average(prices, 100)
fast = fast[-len(slow):]
position = np.where(fast > slow, 1.0, -1.0)
crossings = np.diff(np.sign(fast - slow), axis=0) != 0
earned = position[:-1] * returns[-len(slow) + 1:]
curve = np.cumprod(1 + earned, axis=0)
peak = np.maximum.accumulate(curve, axis=0)
drawdown = (curve / peak - 1).min(axis=0)
sharpe = earned.mean(axis=0) / earned.std(axis=0) * np.sqrt(252)
volatility = np.array([returns[i - 60:i].std(axis=0) for i in range(60, days, 20)])
print("crossings:", crossings.sum(), "worst drawdown: %.4f" % drawdown.min())
print("best asset:", sharpe.argmax(), "sharpe %.4f" % sharpe.max(), "volatility %.6f" % volatility.mean())
result = fast, slow, curve, drawdown, sharpe, volatility
