"""Object arrays: fractions, decimals, big integers, sets, ragged rows, and a small class with operators."""

import copy
import decimal
import fractions
import operator
import pickle

import numpy as np

F = fractions.Fraction


class Money:
    """An amount with a currency, that refuses to be mixed."""

    def __init__(self, amount, currency="EUR"):
        self.amount, self.currency = decimal.Decimal(amount), currency

    def _check(self, other):
        if isinstance(other, Money) and other.currency != self.currency:
            raise TypeError(f"{self.currency} and {other.currency}")
        return other.amount if isinstance(other, Money) else other

    def __add__(self, other):
        return Money(self.amount + self._check(other), self.currency)

    __radd__ = __add__

    def __mul__(self, factor):
        return Money(self.amount * int(factor), self.currency)

    __rmul__ = __mul__

    def __lt__(self, other):
        return self.amount < self._check(other)

    def __eq__(self, other):
        return isinstance(other, Money) and (self.amount, self.currency) == (other.amount, other.currency)

    def __hash__(self):
        return hash((self.amount, self.currency))

    def __repr__(self):
        return f"{self.amount}{self.currency}"


def hilbert(n):
    return np.array([[F(1, i + j + 1) for j in range(n)] for i in range(n)], dtype=object)


def inverse(matrix):
    """Gauss and Jordan, without rounding."""
    n = len(matrix)
    work = np.concatenate([matrix.copy(), np.array([[F(int(i == j)) for j in range(n)] for i in range(n)])], axis=1)
    for column in range(n):
        pivot = column + next(k for k, x in enumerate(work[column:, column]) if x != 0)
        work[[column, pivot]] = work[[pivot, column]]
        work[column] = work[column] / work[column, column]
        for row in range(n):
            if row != column:
                work[row] = work[row] - work[row, column] * work[column]
    return work[:, n:]


def fibonacci(n):
    """By powers of a matrix of Python's integers."""
    result, base = np.array([[1, 0], [0, 1]], dtype=object), np.array([[1, 1], [1, 0]], dtype=object)
    while n:
        if n & 1:
            result = result.dot(base)
        base = base @ base
        n >>= 1
    return result[0, 1]


H = hilbert(4)
print(H[1], H.dtype, H.sum(), H.trace(), H.max(), (H > F(1, 3)).sum())
inv = inverse(H)
print(inv.tolist())
print("exact:", (H @ inv == np.eye(4, dtype=int)).all(), "in floats:", abs(H.astype(float) @ inv.astype(float)
                                                                              - np.eye(4)).max() < 1e-9)
print(fibonacci(90), fibonacci(200), type(fibonacci(200)).__name__)
factorials = np.multiply.accumulate(np.arange(1, 26).astype(object))
print(factorials[-1], factorials[20] // factorials[18], np.arange(1, 26).prod(dtype=object) == factorials[-1])

purse = np.array([Money("1.10"), Money("2.25"), Money("0.05")])
print(purse, purse.sum(), purse * 3, np.sort(purse), purse.argmin(), np.array([2, 0, 1]) @ purse)
print((purse == Money("2.25")).tolist(), np.unique(np.array([*purse, Money("1.10")])).tolist())
try:
    purse + np.array([Money(1, "USD")] * 3)
except TypeError as error:
    print("refused:", error)

ragged = np.empty(3, dtype=object)
ragged[:] = [[1, 2, 3], [4], []]
print(ragged, [len(row) for row in ragged], np.frompyfunc(sum, 1, 1)(ragged))
ragged[2].append(7)
shallow, deep = ragged.copy(), copy.deepcopy(ragged)
ragged[1].append(99)
print(shallow[1], deep[1], ragged.tolist())
ragged += np.array([[0], [0], [0]], dtype=object)[:, 0].tolist() and np.frompyfunc(lambda _: [0], 1, 1)(ragged)
print(ragged[0], ragged[1])
try:
    np.array([[1, 2], [3]])
except ValueError as error:
    print("refused:", str(error)[:60])

letters = np.array([{"a", "b"}, {"b", "c"}, set()], dtype=object)
print([sorted(s) for s in letters | {"z"}], sorted(np.bitwise_or.reduce(letters)), sorted(letters[0] & letters[1]))
mixed = np.array([1, "two", 3.5, None, (4, 5)], dtype=object)
print(mixed, [type(x).__name__ for x in mixed], mixed[3] is None, mixed == None)  # noqa: E711
print(np.array([type(x).__name__ for x in mixed]) == "str", (mixed != None).sum())  # noqa: E711
methods = np.array([operator.add, operator.mul, max], dtype=object)
print([f(3, 4) for f in methods], np.vectorize(lambda f, x: f(x, 10))(methods, np.arange(3)))
texts = np.array(["b", "aa", "c"], dtype=object)
print(texts + "!", texts * 2, np.sort(texts), texts.astype("U2"), sorted(texts, key=len))

decimals = np.array([decimal.Decimal(i) / 7 for i in range(4)])
with decimal.localcontext() as context:
    context.prec = 8
    print(decimals * 2, decimals.mean(), (decimals ** 2).sum())
again = pickle.loads(pickle.dumps(H))
print((again == H).all(), again[0, 1] == F(1, 2), again.dtype)
print(np.array([10 ** 30, 1]).dtype, np.array([2 ** 63]).dtype, np.array([2 ** 64, 1]) + 1)
table = np.array([[F(1, 2), 0.25], [1, 2 + 0j]], dtype=object)
print(table.T, table.astype(complex), np.where(table == 1, "one", table)[1, 0])
counter = np.array([F(n, 6) for n in range(1, 7)])
print(np.add.reduce(counter), np.maximum.accumulate(counter[::-1])[:2], np.cumsum(counter))
print(counter.clip(F(1, 3), F(2, 3)))
print(np.gcd.reduce(np.array([12, 18, 30], dtype=object)), np.dot(counter, counter), counter @ np.arange(6))
