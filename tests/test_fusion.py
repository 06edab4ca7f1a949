"""What must fuse: the programs that the design promises, with the number of kernels and of arrays made.

An expression is named before it is asked about: pytest keeps the parts of what stands in an `assert`.
"""

import re

import numpy as real
import pytest

from lazytensor.lower import fused

from .helpers import difference, module_under_test

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def kernels_on():
    with module_under_test().config(engine="llvm"):
        yield


def plan_of(*results):
    """Steps, kernels among them, and arrays made, as `explain` tells."""
    text = module_under_test().explain(*results)
    steps = int(re.search(r"(\d+) steps? to run", text)[1])
    kernels = re.search(r"(\d+) kernels? among", text)
    return steps, int(kernels[1]) if kernels else 0, int(re.search(r"arrays made: (\d+)", text)[1])


def operands(*shapes):
    np = module_under_test()
    return np, *[np.array(real.random.default_rng(0).random(shape)) for shape in shapes]


def test_a_chain_is_one_kernel():
    np, x, y = operands((300, 300), (300, 300))
    z = (x * y + x - 0.5 * y) * x + y
    assert plan_of(z) == (1, 1, 1)


def test_a_named_intermediate_is_one_more_output():
    np, x, y = operands((300, 300), (300, 300))
    t = x * y + x
    z = (t - 0.5 * y) * x + y
    assert plan_of(z) == (1, 1, 2)
    assert t is not None


def test_softmax_is_one_kernel():
    np, x = operands((300, 300))
    s = (lambda e: e / e.sum(-1, keepdims=True))(np.exp(x - x.max(-1, keepdims=True)))
    assert plan_of(s) == (1, 1, 1)


def test_softmax_over_columns_computes_no_exponential_twice():
    np, x = operands((300, 300))
    s = (lambda e: e / e.sum(0))(np.exp(x - x.max(0)))
    assert plan_of(s) == (2, 1, 2)
    t = (lambda e: (e - e.min(0)) / (e.max(0) + 1))(x * 2 + 1)  # what is cheap is computed again
    assert plan_of(t)[:2] == (1, 1)
    deviations = np.sqrt(x).std(0)
    assert plan_of(deviations)[0] == 2


def test_standardising_is_one_kernel():
    np, x = operands((300, 300))
    rows = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    assert plan_of(rows) == (1, 1, 1)
    columns = (x - x.mean(0)) / x.std(0)
    assert plan_of(columns) == (1, 1, 1)


def test_statistics_are_one_kernel():
    np, x = operands((300, 300))
    results = x.sum(), x.mean(), x.var(), x.min(), x.max()
    steps, kernels, arrays = plan_of(*results)
    assert (steps, kernels, arrays) == (1, 1, 0)


def test_a_stencil_writes_into_its_array():
    np, a = operands((300, 300))
    b = np.array(a)
    b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
    assert plan_of(b)[:2] == (2, 1) or plan_of(b)[:2] == (1, 1)
    b.realize()
    b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
    assert plan_of(b) == (1, 1, 0)


def test_a_stencil_of_its_own_array_is_one_kernel():
    """The old value is read until the end, so the new one is written beside it; the step after takes its memory."""
    np, a = operands((300, 300))
    for _ in range(3):
        a[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
    assert plan_of(a) == (3, 3, 3)


def test_pairwise_distances_never_make_all_differences():
    np, x, y = operands((200, 16), (150, 16))
    distances = np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))
    assert plan_of(distances) == (1, 1, 1)


def test_a_layer_is_a_product_and_one_kernel():
    np, x, w, b = operands((300, 200), (200, 100), (100,))
    layer = np.maximum(x @ w + b, 0)
    assert plan_of(layer) == (2, 1, 1)


def test_an_image_filter_is_one_kernel():
    """What costs little and is read through slices alone is computed anew for each of them; twice, if need be."""
    np = module_under_test()
    image = np.array(real.random.default_rng(0).integers(0, 256, (90, 100, 3)).astype("B"))

    def filtered(image):
        wide = image.astype(np.int16)
        rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
        blur = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) >> 4
        return np.clip(2 * wide[1:-1, 1:-1] - blur, 0, 255).astype(np.uint8)
    assert plan_of(filtered(image)) == (1, 1, 1)
    wide = image.astype(np.int16)
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    assert plan_of(rows)[:2] == (2, 1)
    halves = (lambda f: (f[1:] + f[:-1]) * 0.5)(image.astype(np.float32))
    assert plan_of(halves) == (1, 1, 1)
    outer = (lambda i: i[:, None] * i[None, :])(image[0, :, 0] + np.uint8(1))
    assert plan_of(outer)[0] == 2


def test_dear_work_is_not_done_twice():
    """Two users of one result, in different spaces: it is computed once, and written."""
    np, x = operands((300, 300))
    e = (lambda t: (t + 1, t[:, ::-1] * 2))(np.exp(x))
    steps, kernels, arrays = plan_of(*e)
    assert (steps, kernels) == (2, 1) and arrays == 3


def softmax(np, x, *rest):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True), e


def standardised(np, x, *rest):
    d = x - x.mean(-1, keepdims=True)
    return d / x.std(-1, keepdims=True), d


def columns(np, x, *rest):
    d = x - x.mean(0)
    return d / x.std(0), d


def statistics(np, x, *rest):
    t = x * 2
    return t.sum(), t.mean(), t.var(), t.min(), t.max(), t


def distances(np, x, y, *rest):
    squares = ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)
    return np.sqrt(squares), squares


def layer(np, x, y, w, b):
    z = x @ w + b
    return np.maximum(z, 0), z


def stencil(np, x, *rest):
    t = x[1:-1, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] + x[2:, 1:-1] + x[:-2, 1:-1]
    x[1:-1, 1:-1] = 0.2 * t
    return x, t


@pytest.mark.parametrize("program", [softmax, standardised, columns, statistics, distances, layer, stencil],
                         ids=lambda p: p.__name__)
def test_a_named_intermediate_costs_no_kernel(program):
    """With only the result named, and with an intermediate held: one more array, no more kernels."""
    plans = []
    for named in (False, True):
        np, x, y, w, b = operands((300, 200), (150, 200), (200, 100), (100,))
        results = program(np, x, y, w, b)
        if not named:
            results = results[:-1]
        plans.append(plan_of(*results))
    (steps, kernels, arrays), (more_steps, more_kernels, more_arrays) = plans
    assert (more_steps, more_kernels) == (steps, kernels)
    assert more_arrays == arrays + 1


def test_complex_chains_are_one_kernel():
    np, x, y = operands((300, 300), (300, 300))
    z, w = (x + 1j * y).realize(), (y - 1j * x).realize()
    product = (z * w + z - 0.5 * w) * z.conj() + x
    assert plan_of(product) == (1, 1, 1)
    near = abs(z - w) < 2.0
    assert plan_of(near) == (1, 1, 1)
    chosen = np.where(abs(z) < 1, z / w, 0.0)
    assert plan_of(chosen) == (1, 1, 1)


@pytest.mark.parametrize("size, kernels", [(1 << 17, 1), ((1 << 17) - 1, 0)])
def test_threads_share_one_operation_of_many_elements(size, kernels):
    np = module_under_test()
    x = np.arange(float(size)).realize()
    for result in (x + 1.5, x.astype(np.float32), x.copy(), x > 7):
        assert plan_of(result)[1] == kernels


def test_one_large_operation_gives_numpys_bits_and_goes_over_its_operand():
    np = module_under_test()
    with np.config(plan_after=1, threads=2, compile_after=0):
        for dtype in ("f4", "f8", "i4"):
            a = real.arange(-70_000, 80_000).astype(dtype)
            x = np.array(a).realize()
            for _ in range(4):
                for program in (lambda v: v * 3, lambda v: v[::-1] - v, lambda v: v[::2] + v[1::2], lambda v: v > 5,
                                lambda v: v.astype("f4"), lambda v: -v, lambda v: v.reshape(300, 500).T + 1):
                    assert difference(program(a), program(x)) is None
                x += 1
                a += 1
                assert difference(a, x) is None


def test_an_operator_on_a_part_is_one_kernel_in_place():
    np, a, b = operands((300, 300), (300, 300))
    a[1:, 1:] += 0.5 * (b[1:, 1:] - b[:-1, 1:])
    assert plan_of(a) == (1, 1, 0)
    a.realize()
    a[1:-1] = a[1:-1] * 2 + b[2:]
    assert plan_of(a) == (1, 1, 0)
    a.realize()
    np.multiply(b[1:] - 1, a[1:], out=a[1:])
    assert plan_of(a) == (1, 1, 0)


def test_a_step_of_waves_is_three_kernels_in_place():
    np, ez, hx, hy = operands((300, 300), (300, 300), (300, 300))
    for _ in range(2):
        hx[:, :-1] -= 0.5 * (ez[:, 1:] - ez[:, :-1])
        hy[:-1] += 0.5 * (ez[1:] - ez[:-1])
        ez[1:, 1:] += 0.5 * (hy[1:, 1:] - hy[:-1, 1:] - hx[1:, 1:] + hx[1:, :-1])
        assert plan_of(ez) == (3, 3, 0)
        ez.realize()


def test_one_colour_of_points_is_written_beside_the_other():
    np, u = operands((301, 301))
    u[1:-1:2] = 0.5 * (u[:-2:2] + u[2::2])
    assert plan_of(u) == (1, 1, 0)


def test_a_part_that_is_read_elsewhere_takes_one_new_array():
    np, u = operands((300, 300))
    u[1:-1] += 0.1 * (u[2:] + u[:-2] - 2 * u[1:-1])
    assert plan_of(u) == (1, 1, 1)
