"""pandas and Tensors: in, out, mixed with Series and DataFrames."""

import pytest

from tests.neighbours import check, rows

pytest.importorskip("pandas")

PROGRAMS = """
pd.Series(v) | pd.Series(v).values | pd.Series(v, index=np.arange(7) * 10) | pd.Series(text) | pd.Series(days)
pd.DataFrame(x, columns=list("abcd")) | pd.DataFrame({"a": v, "b": v * 2}) | pd.DataFrame(x).assign(z=np.arange(3) + 1)
d = pd.DataFrame({"a": [1, 2, 3.0]}); d["b"] = np.arange(3) * 2.0; d.loc[0, "a"] = s; d
d = pd.DataFrame(x); d.iloc[1] = x[0]; d.loc[:, 2] = x[:, 1]; d[d > 7] = s; d
pd.Series([1, 2, 3.0]) + np.arange(3) | np.arange(3) * 2 + pd.Series([1, 2, 3.0]) | s * pd.Series(v) | pd.Series(v) / s
np.sqrt(pd.Series([1, 4.0])) | np.mean(pd.Series([1, 4.0])) | np.exp(pd.DataFrame(x)).shape | np.log1p(pd.Series(v))
np.asarray(pd.Series([1, 4.0])) + 1 | np.array(pd.DataFrame(x)) @ x.T | pd.DataFrame(x).to_numpy() * s
np.where(pd.Series([1, 2]) > 1, 1, 0) | np.concatenate([pd.Series([1.0]), v]) | np.linalg.norm(pd.DataFrame(x).values)
pd.Series([1, 2, 3.0]).isin(np.arange(2) + 1) | pd.DataFrame(x)[np.arange(3) > 0] | pd.Series(v)[m]
pd.Series(v)[v > v.mean()] | pd.Series([1, 2, 3]).iloc[np.array([0, 2])] | pd.DataFrame(x).loc[np.arange(2)]
pd.DataFrame(x).loc[np.array([True, False, True]), np.array([1, 3])] | pd.Series(v).where(m, s) | pd.Series(v).mask(m)
pd.cut(v, 3) | pd.qcut(v, 2) | pd.Index(k) | pd.Index(days) | pd.to_datetime(days) | pd.Categorical(text) | pd.array(k)
pd.MultiIndex.from_arrays([k, k + 1]) | pd.factorize(text) | pd.unique(k) | pd.isna(v) | pd.get_dummies(text)
pd.DataFrame({"k": text, "v": np.arange(3.0)}).groupby("k").v.mean() | pd.Series(v).groupby(np.arange(7) % 3).sum() | pd.DataFrame(x).groupby(np.arange(3) % 2).max()
pd.Series(v).fillna(s) | pd.Series(k).value_counts() | pd.Series(v).rolling(2).apply(np.mean, raw=True)
pd.DataFrame(x).apply(np.sum) | pd.DataFrame(x).apply(np.sqrt) | pd.Series(v).agg(np.mean) | pd.DataFrame(x).apply(np.max, axis=1)
pd.DataFrame(x) - x.mean(axis=0) | pd.DataFrame(x).dot(x.T) | pd.DataFrame(x) @ x.T | x.T @ pd.DataFrame(x)
pd.merge(pd.DataFrame({"a": k}), pd.DataFrame({"a": k, "b": k})) | pd.Series([float(s), v[0].item()])
pd.Series(v).corr(pd.Series(v ** 2)) | pd.Series(v).interpolate() | pd.Series(v).quantile(v[1]) | pd.Series(v).clip(v[1], s)
np.array(pd.to_datetime(["2020-01-01"])) + np.timedelta64(1, "D") | pd.Series(v).reindex(k) | pd.Series(v).sum() + s
"""  # noqa: E501


@pytest.mark.parametrize("program", rows(PROGRAMS))
def test_gives_what_numpys_arrays_give(program):
    check(program, pd="pandas")
