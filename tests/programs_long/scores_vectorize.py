"""Functions made of Python functions: vectorize, frompyfunc, piecewise, apply_along_axis, functions of functions."""

import math

import numpy as np


@np.vectorize
def grade(score):
    """The letter of a score."""
    if score >= 90:
        return "A"
    if score >= 75:
        return "B"
    if score >= 50:
        return "C"
    return "F"


def bounded(low, high, value):
    return low if value < low else high if value > high else value


bound = np.vectorize(bounded, otypes=[float], doc="A value between two bounds.")
norm = np.vectorize(lambda vector: math.sqrt(sum(x * x for x in vector)), signature="(n)->()")
outer = np.vectorize(np.multiply.outer, signature="(n),(m)->(n,m)")
gcd = np.frompyfunc(math.gcd, 2, 1)
split = np.frompyfunc(lambda text: tuple(text.split("-")), 1, 1)


def collatz(number):
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


def newton(function, slope, start, tolerance=1e-12):
    x = np.array(start, dtype=float)
    for turn in range(50):
        change = function(x) / slope(x)
        x -= change
        if np.abs(change).max() < tolerance:
            return x, turn
    return x, -1


def integrate(function, low, high, count=1000):
    x = np.linspace(low, high, count + 1)
    return np.trapezoid(function(x), x)


def compose(*functions):
    def composed(x):
        for function in reversed(functions):
            x = function(x)
        return x
    return composed


scores = np.array([[95, 61, 74.5], [88, 49.5, 90], [100, 12, 75]])
letters = grade(scores)
print(letters, letters.dtype)
print(grade.__doc__, "|", bound.__doc__)
for letter in "ABCF":
    print(letter, (letters == letter).sum(), scores[letters == letter])
print(grade(51), grade([]) if False else "no empty call", grade([77, 20]))

print(bound(20, [80, 90, 100], scores))
print(bound(low=0, high=60, value=scores[0]))
print(norm(scores), norm(scores[:, None, :]).shape)
print(outer([1, 2], [3.0, 4.0, 5.0]), outer(np.eye(2), np.arange(3)).shape)

numbers = np.arange(1, 13)
divisors = gcd.outer(numbers, numbers)
print(divisors.dtype, divisors[5], gcd.reduce(numbers * 6), gcd.accumulate(np.array([60, 24, 9], dtype=object)))
coprime = (divisors == 1).astype(int)
print(coprime.sum(axis=1))
parts = split(np.array(["a-b", "c", "d-e-f"], dtype=object))
print(parts, [len(part) for part in parts])

steps = np.vectorize(collatz)(numbers)
print(dict(zip(numbers.tolist(), steps.tolist())), steps.dtype)
cached = np.vectorize(collatz, cache=True, otypes=["i8"])
print(cached(np.array([27, 97])), cached(np.zeros((0,), int)).shape)

x = np.linspace(-3, 3, 7)
print(np.piecewise(x, [x < -1, x > 1], [lambda v: -1 - v, lambda v: v ** 2, 0.5]))
print(np.select([x < -1, x < 1], [x * 10, x + 100], default=-1))
print(np.apply_along_axis(lambda row: row[row.argsort()][:2], 1, scores))
print(np.apply_along_axis(np.ptp, 0, scores), np.apply_over_axes(np.sum, np.ones((2, 3, 4)), [0, 2]).ravel())
print(np.fromfunction(lambda i, j: (i + 1) * 10 ** j, (3, 3), dtype=int))

root, turns = newton(lambda v: v ** 2 - np.array([2.0, 3.0, 5.0]), lambda v: 2 * v, [1.0, 1.0, 1.0])
print(root, turns, root ** 2)
print(integrate(np.sin, 0, np.pi), integrate(lambda v: np.exp(-v * v), -5, 5) ** 2)
chain = compose(np.sqrt, np.abs, lambda v: v - 2)
print(chain(x), compose()(x)[:2])
table = {function.__name__: function(np.array([0.5, 1.0])) for function in (np.sin, np.exp, np.log1p, math.fsum)}
for name, values in table.items():
    print(name, values)

powers = np.array([lambda v: v, np.square, lambda v: v ** 3], dtype=object)
print([float(function(2.0)) for function in powers], powers.shape)
matrix = np.array([[f(v) for f in powers] for v in (1.0, 2.0, 3.0)])
print(np.linalg.solve(matrix, [1.0, 2.0, 3.0]).round(10))

try:
    np.vectorize(lambda a, b: a + b)([1, 2], [1, 2, 3])
except ValueError as error:
    print("refused:", type(error).__name__)
try:
    newton(lambda v: v, lambda v: np.zeros(3), "abc")
except ValueError as error:
    print("refused:", error)
