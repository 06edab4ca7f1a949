"""PyTorch: what users do first with an array: hand it over, compute there, bring it back."""

import numpy as real
import pytest

from .helpers import module_under_test, same_bits

torch = pytest.importorskip("torch")


def pending():
    np = module_under_test()
    return np.arange(12.0).reshape(3, 4) * 2 + 1


VALUES = real.arange(12.0).reshape(3, 4) * 2 + 1


def test_from_numpy_shares_memory():
    t = pending()
    tensor = torch.from_numpy(t.numpy())
    assert same_bits(VALUES, tensor.numpy())
    tensor[0, 0] = 7.0
    assert float(t[0, 0]) == 7.0
    t[1, 1] = 9.0
    assert float(tensor[1, 1]) == 9.0


@pytest.mark.parametrize("take", ["tensor", "as_tensor"])
def test_takes_a_tensor(take):
    assert same_bits(VALUES, getattr(torch, take)(pending()).numpy())
    assert same_bits(VALUES, torch.asarray(pending()).numpy())


def test_dlpack_both_ways():
    np = module_under_test()
    t = pending()
    tensor = torch.from_dlpack(t)
    assert same_bits(VALUES, tensor.numpy())
    tensor[2, 3] = -1.0
    assert float(t[2, 3]) == -1.0
    back = np.from_dlpack(torch.ones(3))
    assert isinstance(back, np.ndarray) and (back * 2).sum() == 6


def test_back_to_lazytensor():
    np = module_under_test()
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    for back in (np.asarray(tensor), np.array(tensor), np.asarray(tensor.numpy())):
        assert type(back) is np.ndarray and back.dtype == np.float32
        assert same_bits(real.arange(6, dtype="f").reshape(2, 3) + 1, real.asarray(back + 1))


def test_numbers_and_shapes():
    t = pending()
    tensor = torch.zeros(t.shape) + float(t.sum())
    assert tensor.shape == (3, 4) and tensor[0, 0].item() == float(VALUES.sum())
    assert torch.full((2,), t.max().item())[0].item() == VALUES.max()
