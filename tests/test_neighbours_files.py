"""h5py, Pillow and numexpr: arrays to files, images and fast expressions, and back."""

import pytest

from tests.helpers import module_under_test
from tests.neighbours import check, rows

H5PY = """
f["x"] = x; f["x"][...] + 1 | f["v"] = v; np.sum(f["v"]) | d = f.create_dataset("x", data=x); d[1] = np.zeros(4) + 5; d[...]
d = f.create_dataset("x", (3, 4)); d[:] = x; d[:, 1] = v[:3]; d[()] | d = f.create_dataset("v", data=v); d[np.array([0, 2])]
d = f.create_dataset("v", data=v); d[m] | d = f.create_dataset("v", data=v); d[v > 1] | f["v"] = v; np.asarray(f["v"]) * s
f.attrs["s"] = s; f.attrs["s"] | f.attrs["v"] = v; f.attrs["v"] | f["s"] = s; f["s"][()] | f["x"] = x; x + f["x"][...]
f["i"] = image; f["i"][..., 0] | f["x"] = x; f["x"][0] @ x[0] | d = f.create_dataset("k", data=k, chunks=(3,), compression="gzip"); d[1:4]
f["x"] = x; f["x"][...] *= 1; np.mean(f["x"], axis=0) | f["v"] = v; np.sqrt(f["v"]) | f["x"] = x; list(map(float, f["x"][0]))
"""  # noqa: E501

PILLOW = """
np.asarray(Image.fromarray(image)) + 1 | np.array(Image.fromarray(image[..., 0])) | np.array(Image.fromarray(x.astype("f4")))
Image.fromarray(image).resize((int(s), 2)).tobytes() | Image.fromarray(image[::2]).size | Image.fromarray(image).getpixel((1, 2))
Image.frombytes("L", (4, 4), image[..., 0].tobytes()).tobytes() | Image.frombuffer("L", (4, 4), np.ascontiguousarray(image[..., 0])).tobytes()
Image.fromarray(255 - np.asarray(Image.fromarray(image))).tobytes() | np.asarray(Image.new("L", (4, 3))).shape
i = Image.new("L", (3, 2)); i.putdata(k); np.asarray(i) | np.asarray(Image.fromarray(m)) | i = Image.fromarray(image); i.paste(Image.fromarray(image[:2]), (0, 2)); i.tobytes()
Image.fromarray((x / x.max() * 255).astype(np.uint8)).tobytes() | np.array(Image.fromarray(image).convert("L")).mean()
"""  # noqa: E501

NUMEXPR = """
ne.evaluate("2 * x + 1") | ne.evaluate("a + b", {"a": x, "b": x * 2}) | ne.evaluate("a * s", {"a": x, "s": s})
ne.evaluate("sum(v)") | ne.evaluate("where(v > 1, v, 0)") | ne.evaluate("sin(x) ** 2 + cos(x) ** 2").sum() * s
ne.evaluate("k * 2") + k | ne.evaluate("x + y", {"x": x, "y": x[0]})
"""


@pytest.mark.parametrize("program", rows(H5PY))
def test_h5py(program):
    pytest.importorskip("h5py")
    check(f'f = h5py.File(io.BytesIO(), "w"); {program}', h5py="h5py", io="io")


def test_h5py_reads_directly_into_an_array():
    h5py, np = pytest.importorskip("h5py"), module_under_test()
    import io

    file = h5py.File(io.BytesIO(), "w")
    file["x"] = np.arange(3.0) * 2
    out, pending = np.empty(3), np.zeros(3) + 1
    file["x"].read_direct(out)
    file["x"].read_direct(pending.reshape(3, 1)[:, 0])
    assert out.tolist() == pending.tolist() == [0, 2, 4]


@pytest.mark.parametrize("program", rows(PILLOW))
def test_pillow(program):
    pytest.importorskip("PIL")
    check(program, Image="PIL.Image")


@pytest.mark.parametrize("program", rows(NUMEXPR))
def test_numexpr(program):
    pytest.importorskip("numexpr")
    check(program, ne="numexpr")


def test_numexpr_writes_into_a_real_array():
    ne, np = pytest.importorskip("numexpr"), module_under_test()
    x = np.arange(3.0) * 2
    out = np.empty(3)
    ne.evaluate("x + 1", {"x": x}, out=out.numpy())
    assert out.tolist() == [1, 3, 5]
