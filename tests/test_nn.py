"""`lt.nn`: modules, their parameters, the same bits hybridized and not."""

import copy

import numpy as real
import pytest

import lazytensor as np
from lazytensor import nn


def network(dtype="float32"):
    return nn.Sequential(nn.Dense(6, 5, dtype=dtype, rng=1), nn.ReLU(), nn.Dense(5, 4, dtype=dtype, rng=2), nn.Tanh(),
                         nn.Dense(4, 3, bias=False, dtype=dtype, rng=3), nn.Softmax())  # fmt: skip


def by_hand(net, x):
    one, _, two, _, three, _ = (
        [p.numpy().copy() if p is not None else None for p in (m.weight, m.bias)] if isinstance(m, nn.Dense) else None
        for m in net.layers
    )
    x = real.maximum(x @ one[0] + one[1], 0)
    x = real.tanh(x @ two[0] + two[1])
    x = x @ three[0]
    e = real.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_layers_are_their_formulas_bit_for_bit():
    net, x = network(), real.random.default_rng(0).normal(size=(7, 6)).astype("f4")
    assert real.array_equal(net(np.array(x)).numpy(), by_hand(net, x))
    assert real.array_equal(nn.Sigmoid()(np.array(x)).numpy(), 1 / (1 + real.exp(-x)))
    assert nn.Flatten()(np.ones((2, 3, 4))).shape == (2, 12)


def test_hybridized_is_the_same_also_after_updates():
    net, rng = network(), real.random.default_rng(0)
    net.hybridize()
    for step in range(9):
        x = rng.normal(size=(3, 6)).astype("f4")
        # Weights given out as NumPy arrays are shared for as long as those live, so copies are compared with.
        assert real.array_equal(net(np.array(x)).numpy(), by_hand(net, x))
        for p in net.parameters():
            p *= 0.9
        if step == 5:
            net.layers[0].weight = np.ones((6, 5), "f4")
    assert "compiled structure" in net.explain()
    net.hybridize(False)
    assert real.array_equal(net(np.array(x)).numpy(), by_hand(net, x)) and "not hybridized" in net.explain()


def test_parameters_have_names_and_can_be_loaded():
    net, other = network(), network()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias", "layers.4.weight"]
    for p in net.parameters():
        p += 1
    other.load_state_dict(net.state_dict())
    x = np.ones((2, 6), "f4")
    assert (net(x) == other(x)).all()
    with pytest.raises(KeyError, match="layers.4.weight"):
        other.load_state_dict({k: v for k, v in net.state_dict().items() if k != "layers.4.weight"})
    with pytest.raises(ValueError, match="layers.0.bias"):
        other.load_state_dict(net.state_dict() | {"layers.0.bias": np.ones(9)})
    assert len(list(net.modules())) == 7 and len(net) == 6 and isinstance(net[1], nn.ReLU)


def test_a_copy_has_its_own_parameters():
    net = network()
    net.hybridize()
    x = np.ones((2, 6), "f4")
    for _ in range(3):
        net(x)
    other = copy.deepcopy(net)
    for p in other.parameters():
        p *= 0
    found, before = other(x).numpy(), net(x).numpy()
    assert real.array_equal(found, other.forward(x).numpy()) and not real.array_equal(found, before)


def test_a_module_of_one_s_own():
    class Residual(nn.Module):
        def __init__(self):
            self.inner = {"a": nn.Dense(3, 3, rng=0), "b": [nn.ReLU()]}
            self.scale = np.full(3, 2.0, "f4")

        def forward(self, x):
            if x.sum() > 0:
                return x + self.inner["b"][0](self.inner["a"](x)) * self.scale
            return x

    block = Residual()
    plain = [block(np.full((2, 3), v, "f4")).numpy() for v in (1, -1, 2, -3, 1, 1)]
    block.hybridize()
    found = [block(np.full((2, 3), v, "f4")).numpy() for v in (1, -1, 2, -3, 1, 1)]
    assert all(map(real.array_equal, plain, found))
    assert [name for name, _ in block.named_parameters()] == ["inner.a.weight", "inner.a.bias", "scale"]
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)


def test_a_module_in_two_places_or_within_itself_counts_once():
    shared = nn.Dense(2, 2, rng=0)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    net.groups = [[nn.Tanh()], {"last": shared}]
    shared.parent = net
    assert list(net.state_dict()) == ["layers.0.weight", "layers.0.bias"] and len(net.parameters()) == 2
    assert [type(m).__name__ for m in net.modules()] == ["Sequential", "Dense", "ReLU", "Tanh"]
    net.load_state_dict(net.state_dict())
    x = np.ones((1, 2), "float32")
    y = net(x).tolist()
    net.hybridize()
    assert [net(x).tolist() for _ in range(3)] == [y] * 3
