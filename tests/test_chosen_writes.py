"""`putmask` and `copyto(where=)` of arrays alike are choices by a mask: NumPy's values, memory and order of writes."""

import numpy as real
import pytest

from .helpers import module_under_test, same_bits

WRITES = {"putmask": lambda np, x, y, m: np.putmask(x, m, y), "copyto": lambda np, x, y, m: np.copyto(x, y, where=m)}


def arrays(dtype, shape):
    rng = real.random.default_rng(3)
    x, y = (real.asarray(rng.normal(size=shape) * 9).astype(dtype) for _ in range(2))
    if dtype in "fdFD":
        x.reshape(-1)[::5], y.reshape(-1)[::7], y.reshape(-1)[1::7] = real.nan, -0.0, real.inf
    return x, y, real.asarray(rng.random(shape) < 0.4)


@pytest.mark.parametrize("dtype", list("?bHifdFD"))
@pytest.mark.parametrize("shape", [(7,), (3000,), (40, 90), (0,), ()], ids=str)
@pytest.mark.parametrize("name", WRITES)
def test_values_and_what_was_read_before(name, shape, dtype):
    np, write = module_under_test(), WRITES[name]

    def run(np, x, y, m):
        before, view = x + x, x[...]
        write(np, x, y, m)
        between = x + y
        write(np, x, between, ~m)
        return [before, between, view, x, y, m]
    data = arrays(dtype, shape)
    expected = run(real, *[real.array(a) for a in data])
    for _ in range(3):
        got = run(np, *[np.array(a) for a in data])
        for e, g in zip(expected, got, strict=True):
            assert same_bits(real.asarray(e), real.asarray(g))


@pytest.mark.parametrize("name", WRITES)
def test_layouts_and_arrays_that_overlap(name):
    np, write = module_under_test(), WRITES[name]

    def run(np):
        x = np.linspace(-1, 1, 3600).reshape(60, 60) * 1
        m = x > 0.1
        write(np, x, x.T, m)
        write(np, x, x[::-1], x < 0)
        f = np.asfortranarray(x)
        write(np, f, x, m)
        write(np, x[1:], x[:-1], m[1:])
        write(np, x[:, ::2], np.ones((60, 30)), m[:, ::2])
        write(np, x, x.astype("f4"), m)
        write(np, x, x, m)
        return [x, f, m]
    for e, g in zip(run(real), run(np), strict=True):
        assert same_bits(e, real.asarray(g)) and e.strides == g.strides


@pytest.mark.parametrize("name", WRITES)
def test_memory_that_was_given_out_is_written_itself(name):
    np, write = module_under_test(), WRITES[name]
    x, y, m = (np.array(a) for a in arrays("d", (3000,)))
    outside = real.asarray(x)
    write(np, x, y, m)
    expected, values, mask = arrays("d", (3000,))
    expected[mask] = values[mask]
    assert same_bits(outside, expected) and same_bits(real.asarray(x), expected)


@pytest.mark.parametrize("name", WRITES)
def test_read_only_arrays_refuse(name):
    np, write = module_under_test(), WRITES[name]
    messages = []
    for module in (real, np):
        x, y, m = (module.array(a) for a in arrays("d", (3000,)))
        x.flags.writeable = False
        with pytest.raises(ValueError) as caught:
            write(module, x, y, m)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
