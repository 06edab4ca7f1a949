"""Classes with inheritance, operators and properties: accounts whose balances are arrays of months."""

import numpy as np


class Series:
    """Values of months, with arithmetic."""

    __array_priority__ = 10

    def __init__(self, values, start=0):
        self.values = np.asarray(values, dtype=float)
        self.start = start

    def __len__(self):
        return len(self.values)

    def __getitem__(self, key):
        if isinstance(key, slice):
            return type(self)(self.values[key], self.start + (key.start or 0))
        return self.values[key]

    def __setitem__(self, key, value):
        self.values[key] = value

    def __add__(self, other):
        return Series(self.values + (other.values if isinstance(other, Series) else other), self.start)

    __radd__ = __add__

    def __mul__(self, factor):
        return Series(self.values * factor, self.start)

    __rmul__ = __mul__

    def __eq__(self, other):
        return isinstance(other, Series) and np.array_equal(self.values, other.values)

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype) if dtype is not None else self.values

    def __repr__(self):
        return f"{type(self).__name__}({np.array2string(self.values, precision=2)}, start={self.start})"

    @property
    def mean(self):
        return self.values.mean()

    @classmethod
    def constant(cls, value, months):
        return cls(np.full(months, value))


class Account:
    """Money in, money out, interest."""

    rate = 0.0

    def __init__(self, name, deposits):
        self.name = name
        self.deposits = Series(deposits)
        self._balance = None

    @property
    def balance(self):
        if self._balance is None:
            self._balance = self.compute()
        return self._balance

    def compute(self):
        return np.cumsum(self.deposits.values)

    def withdraw(self, month, amount):
        self.deposits[month] -= amount
        self._balance = None
        return self

    def statement(self):
        lines = [f"{self.name} ({type(self).__name__})"]
        for month, (move, balance) in enumerate(zip(self.deposits.values, self.balance)):
            lines.append(f"  {month:2d} {move:10.2f} {balance:10.2f}")
        return "\n".join(lines)


class Savings(Account):
    rate = 0.03

    def compute(self):
        balance = np.empty(len(self.deposits))
        total = 0.0
        for month, move in enumerate(self.deposits.values):
            total = total * (1 + self.rate / 12) + move
            balance[month] = total
        return balance


class Fund(Savings):
    """Follows a market, with fees."""

    fee = 0.002

    def __init__(self, name, deposits, market):
        super().__init__(name, deposits)
        self.market = np.asarray(market)

    def compute(self):
        growth = np.cumprod(1 + self.market) * (1 - self.fee) ** np.arange(len(self.market))
        units = np.cumsum(self.deposits.values / growth)
        return units * growth


class Bank:
    def __init__(self, accounts):
        self.accounts = {account.name: account for account in accounts}

    def __iter__(self):
        return iter(self.accounts.values())

    def total(self):
        return sum((Series(account.balance) for account in self), start=Series(np.zeros(12)))

    def table(self):
        return np.vstack([account.balance for account in self])


rng = np.random.default_rng(2)
bank = Bank([
    Account("daily", rng.integers(-50, 80, 12)),
    Savings("house", np.full(12, 100.0)),
    Fund("pension", np.linspace(50, 105, 12), rng.normal(0.005, 0.03, 12)),
])
for account in bank:
    print(account.statement())
bank.accounts["house"].withdraw(3, 250).withdraw(7, 20.5)
print(bank.accounts["house"].statement())

total = bank.total()
print(total, len(total), total[2:5], total[-1])
print("mean", total.mean, "doubled", (2 * total)[:3], "shifted", (1000 + total)[:2])
print("same:", total == bank.total(), total == Series.constant(0, 12), total == "other")
print("as an array:", np.asarray(total).shape, np.sqrt(np.abs(total)).round(3))
table = bank.table()
print(table.shape, table.sum(axis=0).round(2), table.argmin(axis=1))
ranks = table.argsort(axis=0).argsort(axis=0)
print(ranks)
best = np.choose(ranks[:, -1], ["worst", "middle", "best"])
print(dict(zip(bank.accounts, best.tolist())))

try:
    Account("empty", "text")
except ValueError as error:
    print("refused:", type(error).__name__)
try:
    bank.accounts["daily"].withdraw(40, 1)
except IndexError as error:
    print("refused:", error)
