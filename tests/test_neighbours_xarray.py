"""xarray and Tensors: in, out, mixed with labelled arrays."""

import pytest

from tests.neighbours import check, rows

pytest.importorskip("xarray")

PROGRAMS = """
xr.DataArray(x, dims=("a", "b")) | xr.DataArray(x).values + 1 | xr.DataArray(x, dims=("a", "b")).mean("a") | xr.DataArray(s)
xr.DataArray(x, coords={"a": np.arange(3), "b": np.arange(4.0) * 2}, dims=("a", "b")).sel(a=1, b=4.0)
xr.Dataset({"u": (("a", "b"), x)}).u.sum() | xr.Dataset({"u": ("t", v)}, coords={"t": v}).isel(t=np.arange(2))
np.sin(xr.DataArray(x, dims=("a", "b"))) | x + xr.DataArray(x, dims=("a", "b")) | xr.DataArray(x) * s | s * xr.DataArray(x)
xr.DataArray(v, coords={"t": np.arange(7.0)}, dims="t").interp(t=1.5) | xr.DataArray(x).where(x > 3)
xr.DataArray(x, dims=("a", "b")).to_pandas() | np.asarray(xr.DataArray(x)) @ x.T | np.mean(xr.DataArray(x)) | xr.DataArray(days)
xr.DataArray(v, dims="t", coords={"t": np.array([0, 0, 1, 1, 1, 2, 2])}).groupby("t").mean() | xr.zeros_like(xr.DataArray(x))
xr.concat([xr.DataArray(v, dims="t"), xr.DataArray(v, dims="t")], "t") | xr.apply_ufunc(np.sqrt, xr.DataArray(x))
d = xr.DataArray(x, dims=("a", "b")); d[0] = s; d[dict(b=1)] = np.arange(3); d
xr.DataArray(x, dims=("a", "b")).rolling(b=2).mean() | xr.DataArray(x, dims=("a", "b")).stack(z=("a", "b")).values
"""  # noqa: E501


@pytest.mark.parametrize("program", rows(PROGRAMS))
def test_gives_what_numpys_arrays_give(program):
    check(program, xr="xarray")
