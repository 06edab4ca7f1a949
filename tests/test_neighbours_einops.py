"""einops and Tensors: patterns stay lazy."""

import pytest

from tests.helpers import assert_stays_pending
from tests.neighbours import check, rows

einops = pytest.importorskip("einops")

PROGRAMS = """
e.rearrange(x, "a b -> b a") | e.rearrange(x, "a (b c) -> a c b", c=2) | e.rearrange([x, x], "n a b -> a (n b)")
e.reduce(x, "a b -> a", "mean") | e.reduce(x, "a (b c) -> a b", "max", c=2) | e.reduce(x, "a b -> ", "sum") * s
e.repeat(v, "a -> a b", b=2) | e.pack([x, x], "* b") | e.einsum(x, x, "a b, c b -> a c") | e.asnumpy(x) | e.parse_shape(x, "a b")
e.rearrange(image, "h w c -> c h w") / 255 | e.rearrange(image, "(h a) w c -> h (a w) c", a=2).shape
"""  # noqa: E501


@pytest.mark.parametrize("program", rows(PROGRAMS))
def test_gives_what_numpys_arrays_give(program):
    check(program, e="einops")


def test_rearranging_stays_pending():
    assert_stays_pending(lambda t: einops.rearrange(t, "a (b c) -> c b a", c=2) * 2)
    assert_stays_pending(lambda t: einops.reduce(t, "a b -> b", "sum"))
