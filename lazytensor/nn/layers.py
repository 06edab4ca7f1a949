"""Layers and the chain of them."""

from __future__ import annotations

from typing import Any

import lazytensor as np

from .module import Module


class Sequential(Module):
    """Modules one after the other.

    Parameters
    ----------
    *layers : Module or callable
    """

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                hint = ": give each as an argument, Sequential(*layers)" if isinstance(layer, (list, tuple)) else (
                    f", {layer!r}: a Module or a function is wanted")
                kind = type(layer).__qualname__
                raise TypeError(f"nn.Sequential: layer {i} is a{'n' * (kind[0] in 'aeiou')} {kind}{hint}")
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """The last layer's result."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


class Dense(Module):
    """``x @ weight + bias``.

    Parameters
    ----------
    inputs, outputs : int
        The length of the last axis of `x` and of the result.
    bias : bool
    dtype : dtype
    rng : Generator or int
        Where the weights are drawn from, uniformly between ``-sqrt(6 / (inputs + outputs))`` and the same above 0
        (Glorot and Bengio, 2010).
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, dtype: Any = "float32", rng: Any = None) -> None:
        limit = (6 / (inputs + outputs)) ** 0.5
        draw = np.random.default_rng(rng)
        self.weight = draw.uniform(-limit, limit, (inputs, outputs)).astype(dtype)
        self.bias = np.zeros(outputs, dtype) if bias else None

    def forward(self, x: Any) -> Any:
        """An array whose last axis has `outputs` elements."""
        y = x @ self.weight
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        return f"Dense({self.weight.shape[0]}, {self.weight.shape[1]})"


class ReLU(Module):
    """``maximum(x, 0)``."""

    def forward(self, x: Any) -> Any:
        """An array like `x`."""
        return np.maximum(x, 0)


class Tanh(Module):
    """``tanh(x)``."""

    def forward(self, x: Any) -> Any:
        """An array like `x`."""
        return np.tanh(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, x: Any) -> Any:
        """An array like `x`."""
        return 1 / (1 + np.exp(-x))


class Softmax(Module):
    """``exp(x)`` over its sum along the last axis, from which the largest element is taken first."""

    def forward(self, x: Any) -> Any:
        """An array like `x`, each row of which adds up to 1."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)


class Flatten(Module):
    """All axes but the first as one."""

    def forward(self, x: Any) -> Any:
        """An array of two axes."""
        return x.reshape(x.shape[0], -1)
