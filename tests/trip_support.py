"""What the programs of tests/trip_*.py share: an action's value or exception, and fixed data."""

import numpy


def outcome(action):
    """What `action` returns, or the name of the exception that it raises: at that line, not later."""
    try:
        return action()
    except Exception as error:
        return type(error).__name__


def store(target, index, value):
    """`target[index] = value` as an expression."""
    target[index] = value


def table(np, rows=4, columns=5, dtype=float):
    """Distinct values in a matrix that the module under test made itself."""
    return np.arange(rows * columns, dtype=dtype).reshape(rows, columns) * 1.5 - 3


def rough(count, dtype=numpy.float64, seed=0):
    """Values whose sums and exponentials show in their last bits how they were computed; a NumPy array."""
    return (numpy.random.default_rng(seed).standard_normal(count) * 3).astype(dtype)
