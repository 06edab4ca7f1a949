"""Layers: a few lines of NumPy each, on the public functions.

>>> import lazytensor as np
>>> net = np.nn.Sequential(np.nn.Dense(4, 3), np.nn.ReLU(), np.nn.Dense(3, 2))
>>> net.hybridize()
>>> net(np.ones((5, 4), np.float32)).shape
(5, 2)
"""

from __future__ import annotations

from .layers import Dense, Flatten, ReLU, Sequential, Sigmoid, Softmax, Tanh
from .module import Module

__all__ = ["Dense", "Flatten", "Module", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh"]
