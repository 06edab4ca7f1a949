"""Arrays put together of pending parts (`api/joining.py`): NumPy's result, each part computed into its place."""

import random
import re

import numpy as real
import pytest

from lazytensor.api import joining
from lazytensor.lower import fused

from .helpers import check_same, module_under_test


@pytest.fixture(autouse=True)
def small_arrays_too(monkeypatch):
    monkeypatch.setattr(joining, "LEAST", 16)


def values(rng, shape, dtype):
    return (real.random.default_rng(rng.randint(0, 1 << 30)).normal(size=shape) * 50).astype(dtype)


def part_of(np, array, how):
    """An array as a part: pending, a view of what is pending, chosen, there already, real, or a list."""
    x = np.array(array)
    return {"pending": lambda: x * 2 + 1, "view": lambda: (x * 3)[..., ::-1], "cast": lambda: (x + 1).astype("f4"),
            "where": lambda: np.where(x > 0, x, 1), "there": lambda: x, "real": lambda: array,
            "list": array.tolist, "turned": lambda: (x.T * 2).T}[how]()


HOWS = ("pending", "pending", "pending", "view", "cast", "where", "there", "real", "list", "turned")


@pytest.mark.parametrize("name", joining.JOIN)
@pytest.mark.parametrize("seed", range(40))
def test_joined(name, seed):
    rng = random.Random(seed)
    ndim = rng.randint(1, 3)
    axis, shape = rng.randrange(-ndim - 1, ndim + 1), [rng.randint(1, 5) for _ in range(ndim)]
    parts = []
    for _ in range(rng.randint(1, 4)):
        own = list(shape)
        if name != "stack" and rng.random() < 0.8:
            own[{"hstack": min(1, ndim - 1), "vstack": 0}.get(name, axis % ndim)] = rng.randint(0, 5)
        parts.append((values(rng, own, rng.choice(("f8", "f8", "f4", "i4", "u1", "?", "c16"))), rng.choice(HOWS)))
    given = {"concatenate": ((axis,), {}), "stack": ((), {"axis": axis})}.get(name, ((), {}))
    if rng.random() < 0.1:
        given = (), {"dtype": "f4", "casting": rng.choice(("same_kind", "unsafe", "no"))}

    def program(np):
        pieces = [part_of(np, array, how) for array, how in parts]
        result = getattr(np, name)(pieces if seed % 2 else tuple(pieces), *given[0], **given[1])
        more = result * 2
        if isinstance(pieces[0], list) or pieces[0] is parts[0][0]:
            pieces = pieces[1:]
        for piece in pieces[:1]:  # not what is written later
            if not isinstance(piece, list) and piece is not parts[1][0]:
                piece[...] = 1
        result[0] = 0
        return result, result.flags.owndata, more

    check_same(program, messages=True)


@pytest.mark.parametrize("name", joining.JOIN)
@pytest.mark.parametrize("axes", [(1, 0), (0, 1), (0, 0), (2, 0), (1, 2), (2, 1)], ids=str)
def test_parts_of_other_dimensions(name, axes):
    def program(np):
        parts = [np.array(real.ones((4,) * n)) * 2 for n in axes]
        return getattr(np, name)([*parts, np.array(real.arange(40.0)) * 3])

    check_same(program, messages=True)


WIDTHS = (1, 0, 3, (1, 2), ((2,),), (2,), -1, 1.5, {0: (1, 2)}, real.array([[1, 2]]), (1, 2, 3), [], "a", None)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("width", WIDTHS, ids=str)
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 3)], ids=str)
def test_padded(shape, width, order):
    def program(np):
        x = np.array(real.arange(real.prod(shape)).reshape(shape), "f4", order=order) * 2 + 1
        result = np.pad(x, width)
        total = result.sum()
        x += 1
        result[..., 0] = 9
        return result, total, np.pad(x + 1, pad_width=width, mode="constant")

    check_same(program, messages=True)


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_parts_are_computed_into_their_places():
    np = module_under_test()
    with np.config(engine="llvm"):
        x, y = (np.array(real.random.default_rng(0).random((300, 200))) for _ in range(2))
        for result, kernels in ((np.concatenate([x * 2 + 1, x * y - y]), 2), (np.stack([x * y + 1, x], 1), 1),
                                (np.vstack([x * 2 - y, [y[0].tolist()] * 2, y + x * y]), 2), (np.pad(x * y + x, 2), 1)):
            text = np.explain(result)
            assert int(re.search(r"(\d+) kernels? among", text)[1]) == kernels, text
            assert "arrays made: 1" in text and "made when it was written" in text, text


def test_what_is_stored_is_told_at_the_users_line():
    np = module_under_test()
    x = np.ones((40, 50))
    for result in (np.concatenate([x * 2, x + 1]), np.pad(x * 2, 1)):
        assert "api/joining.py" not in np.explain(result) and "test_joining.py" in np.explain(result)


@pytest.mark.usefixtures("everything_waits")
def test_small_parts_are_joined_in_one_call(monkeypatch):
    monkeypatch.undo()
    np = module_under_test()
    x = np.ones(20)
    assert "concatenate" in np.explain(np.concatenate([x * 2, x + 1]))


def _stacked(np):
    return np.stack([np.arange(3.0) + i for i in range(3000)])


def _put(np):
    x, places = np.zeros(3000), np.arange(3000).reshape(3000, 1) + 0
    x[[row[0] for row in places]] = 2
    x.put([row[0] for row in places], [row[0] * 0.5 for row in places])
    return x


@pytest.mark.usefixtures("everything_waits")
@pytest.mark.parametrize("program", [_stacked, _put])
def test_thousands_of_operands(program, monkeypatch):
    """Planned, operands after the first 1,024 were left out: stack raised IndexError."""
    monkeypatch.undo()
    for _ in range(3):
        check_same(program)
