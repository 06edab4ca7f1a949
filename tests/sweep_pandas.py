"""Typical operations of pandas whose arguments are arrays or lazy scalars.

Programs are split at " ; ", and their statements, the last of which is an expression, at "; ". They are given a
DataFrame `d` of floats with columns a, b, c, one of mixed dtypes `e`, three Series and arrays.
"""

GIVEN = {
    "x": "np.arange(12.0).reshape(4, 3) + 1",
    "v": "np.arange(4.0) * 1.5 + 0.25",
    "k": "np.arange(4) * 2 + 1",
    "rows": "np.arange(3)[::2] + 0",
    "cols": "np.arange(2) + 0",
    "m": "np.arange(4) % 2 > 0",
    "mm": "(np.arange(12.0).reshape(4, 3) + 1) > 6",
    "text": "np.array(['b', 'a', 'b', 'c'])",
    "obj": "np.array(['b', None, 2, 1.5], dtype=object)",
    "days": "np.arange('2020-01-01', '2020-01-05', dtype='M8[D]').astype('M8[ns]')",
    "spans": "np.arange(4).astype('m8[s]') * 60",
    "struct": "np.array([(1, 2.5, 'u'), (3, 4.5, 'v')], dtype=[('p', 'i4'), ('q', 'f8'), ('r', 'U1')])",
    "s": "(np.arange(3.0) + 1).sum()",
    "i": "(np.arange(3) % 2).sum()",
    "b": "(np.arange(3) > 1).any()",
    "z": "(np.arange(3.0) + 1j).sum()",
    "f4": "(np.arange(3).astype('f4') + 1).mean()",
    "day": "np.arange('2020-01-01', '2020-01-05', dtype='M8[D]').max()",
}
SETUP = {
    "d": "pd.DataFrame({'a': [1.0, 2, 3, 4], 'b': [5.0, 6, 7, 8], 'c': [9.0, 8, 7, 6]})",
    "e": "pd.DataFrame({'n': [1, 2, 3, 4], 'f': [0.5, 1.5, 2.5, 3.5], 't': list('wxyz')})",
    "S": "pd.Series([3.0, 1.0, 2.0, 4.0])",
    "T": "pd.Series([1, 2, 3, 4], index=list('abcd'))",
    "D": "pd.Series([1.0, 2, 3, 4], index=pd.date_range('2020-01-01', periods=4))",
}

MAKE = """
pd.Series(v) ; pd.Series(k) ; pd.Series(m) ; pd.Series(text) ; pd.Series(obj) ; pd.Series(days) ; pd.Series(spans)
pd.Series(s) ; pd.Series(s, index=k) ; pd.Series(i, index=[0, 1]) ; pd.Series(b, index=[0]) ; pd.Series([s, s]) ; pd.Series([s, 1])
pd.Series({'a': s, 'b': i}) ; pd.Series(v, index=text) ; pd.Series(v, dtype='f4') ; pd.Series(v, name='q') ; pd.Series([v, v])
pd.Series(v, copy=False) ; pd.Series([i, i]) ; pd.Series([b, b]) ; pd.Series((s, 2.0)) ; pd.Series(f4, index=[1, 2])
pd.Series([day, day]) ; pd.Series(day, index=[0, 1]) ; pd.Series(v.tolist() + [s]) ; pd.Series(list(v)) ; pd.Series(map(abs, v))
pd.DataFrame(x) ; pd.DataFrame(x, columns=list('uvw')) ; pd.DataFrame(x, index=text) ; pd.DataFrame(x, columns=np.arange(3) * 2)
pd.DataFrame({'a': v, 'b': k}) ; pd.DataFrame({'a': v, 'b': s}) ; pd.DataFrame({'a': s, 'b': s}, index=[0, 1]) ; pd.DataFrame([v, v])
pd.DataFrame(struct) ; pd.DataFrame(struct, index=[5, 6]) ; pd.DataFrame.from_records(struct) ; pd.DataFrame(list(x)) ; pd.DataFrame(x.T)
pd.DataFrame({'a': [s, s], 'b': [i, i]}) ; pd.DataFrame([{'a': s}, {'a': s}]) ; pd.DataFrame([[s, i], [s, i]]) ; pd.DataFrame([(s, i)])
pd.DataFrame.from_dict({'a': v, 'b': k}) ; pd.DataFrame(m[:, None] & np.array([True, False])) ; pd.DataFrame(obj) ; pd.DataFrame(days)
pd.Index(v) ; pd.Index(k) ; pd.Index(text) ; pd.Index(days) ; pd.Index(obj) ; pd.Index([s, s]) ; pd.RangeIndex(i) ; pd.RangeIndex(0, i + 5)
pd.MultiIndex.from_arrays([k, text]) ; pd.MultiIndex.from_product([k, cols]) ; pd.MultiIndex.from_tuples([(i, s), (i, s)])
pd.Categorical(text) ; pd.Categorical(k, categories=np.arange(6)) ; pd.Categorical.from_codes(k % 3, list('abc')) ; pd.array(v) ; pd.array(k)
pd.array([s, s]) ; pd.array(m) ; pd.IntervalIndex.from_breaks(v) ; pd.DatetimeIndex(days) ; pd.TimedeltaIndex(spans) ; pd.to_datetime(days)
pd.to_datetime(k, unit='D') ; pd.to_timedelta(k, unit='s') ; pd.to_numeric(text[:0]) ; pd.to_numeric(v) ; pd.Timestamp(day) ; pd.Timedelta(i, 'D')
pd.date_range('2020-01-01', periods=i + 2) ; pd.Timestamp(2020, 1, i) ; pd.Timedelta(seconds=s) ; pd.Timestamp(days[0]) ; pd.to_datetime(s, unit='s')
pd.arrays.SparseArray(v) ; pd.Series(v, dtype='category') ; pd.Series(k, dtype='Int64') ; pd.Series(v, dtype=object)
pd.Series(v, index=pd.Index(k)) ; pd.DataFrame(v) ; pd.DataFrame(s, index=[0, 1], columns=['a']) ; pd.DataFrame({'a': b, 'b': z}, index=[0])
pd.arrays.NumpyExtensionArray(v) ; pd.arrays.IntegerArray(k, m) ; pd.arrays.BooleanArray(m, m) ; pd.Period('2020', 'M') + i
"""  # noqa: E501

TAKE = """
d.iloc[rows, cols] ; d.iloc[rows] ; d.iloc[:, cols] ; d.iloc[m] ; d.iloc[m, cols] ; d.iloc[i] ; d.iloc[i, 0] ; d.iloc[i:, i] ; d.iat[i, i]
d.loc[rows] ; d.loc[m] ; d.loc[m, 'a'] ; d.loc[rows, ['a', 'b']] ; d.loc[i] ; d.loc[i, 'a'] ; d.at[i, 'a'] ; d.loc[d['a'] > v]
d[m] ; d[mm] ; d[text[:2]] ; e.iloc[rows, cols] ; e.iloc[m] ; e.loc[m] ; e.loc[m, 'n'] ; e[m] ; d.loc[:, text[:2]] ; d[text[0]] ; d[text]
S[m] ; S[rows] ; S[i] ; S.iloc[i] ; S.iloc[rows] ; S.loc[m] ; S.loc[rows] ; S.iat[i] ; S.at[i] ; S.take(rows) ; d.take(cols, axis=1)
T[text[:2]] ; T.loc[text] ; T.iloc[m] ; T[m] ; S[S > s] ; S[v > 1] ; D[days[:2]] ; D.loc[days[1]:] ; D[day:] ; D.loc[D.index > day]
d.head(i) ; d.nlargest(i, 'a') ; S.nsmallest(i) ; d.sample(i, random_state=i) ; d.sample(2, random_state=k) ; S.sample(2, weights=v, random_state=0)
d.filter(items=text[:2]) ; d.drop(rows) ; d.drop(columns=text[:2]) ; d.reindex(k) ; d.reindex(columns=text[:2]) ; S.reindex(rows) ; S.get(i)
pd.Index(k)[m] ; pd.Index(k)[rows] ; pd.Index(k).get_loc(i) ; pd.Index(k).get_indexer(k) ; pd.Index(k).isin(k[:2]) ; i in pd.Index(k)
pd.Index(k).searchsorted(i) ; S.searchsorted(s) ; pd.Index(k).take(rows) ; pd.Index(k).insert(i, s) ; pd.Index(k).where(m) ; pd.Index(k).delete(rows)
pd.Index(k).union(rows) ; pd.Index(k).intersection(k) ; pd.Index(k).append(pd.Index(rows)) ; pd.Index(k).equals(k) ; pd.Index(k) == k ; pd.Index(k) + k
d.xs(i) ; d.truncate(i) ; D.at[days[0]] ; d.query('a > @s') ; d.query('a in @k') ; d.eval('a + @v') ; s in S.values ; d.a.where(m) ; d.pop(text[1])
"""  # noqa: E501

PUT = """
d.iloc[rows, cols] = 3; d ; d.iloc[rows, cols] = s; d ; d.iloc[rows] = x[:2]; d ; d.iloc[:, cols] = x[:, :2]; d ; d.iloc[m] = s; d ; d.iloc[m, cols] = 3; d
d.iloc[i, i] = s; d ; d.loc[m] = 3; d ; d.loc[m, 'a'] = v[:2]; d ; d.loc[rows, 'a'] = s; d ; d.loc[i, 'a'] = s; d ; d.at[i, 'a'] = s; d ; d.iat[i, i] = s; d
d[m] = 3; d ; d[mm] = 3; d ; d[mm] = s; d ; d['z'] = s; d ; d['z'] = i; d ; d['z'] = b; d ; d['z'] = v; d ; d['z'] = k.max(); d ; d['z'] = x.mean(0)[0]; d
d['z'] = text; d ; d['z'] = days; d ; d['z'] = day; d ; d['z'] = [s, s, i, i]; d ; d[['y', 'z']] = x[:, :2]; d ; d[text[:2]] = x[:, :2]; d ; d.loc[:, 'z'] = s; d
d.loc[9] = s; d ; d.loc[9] = v[:3]; d ; e.iloc[rows, cols] = 3; e ; e.loc[m, 'n'] = i; e ; e.loc[m, 't'] = text[0]; e ; e['n'] = v; e ; e.iloc[m, i] = 0; e
e.loc[m, ['n', 'f']] = x[:2, :2]; e ; e.iloc[i] = obj[:3]; e ; e.loc[:, 'n'] = k; e ; e[m] = 3; e ; S[m] = s; S ; S[rows] = v[:2]; S ; S[i] = s; S ; S.iloc[i] = s; S
S.iloc[rows] = 3; S ; S.loc[m] = v[:2]; S ; S.loc[i] = s; S ; S.iat[i] = s; S ; S.at[i] = s; S ; S[:] = v; S ; S[S > s] = i; S ; T['a'] = i; T ; T['q'] = i; T ; T[m] = i; T
d.insert(i, 'z', s); d ; d.insert(1, 'z', v); d ; d.columns = text[:3]; d ; d.index = k; d ; S.index = text; S ; d.a = v; d ; d.assign(z=s) ; d.assign(z=v, y=i)
d.assign(z=lambda t: np.sqrt(t.a)) ; d.assign(z=lambda t: np.mean(t.a)) ; d.update({'a': v}); d ; S.update(v); S ; d.values[rows] = 0; d ; D[days[0]] = s; D
d.iloc[np.ix_(rows, cols)[0].ravel(), cols] = v[:2]; d ; d.loc[d.a > s, 'b'] = s; d ; d.loc[v > 2, text[:2]] = s; d ; d.attrs['k'] = 1; d
"""  # noqa: E501

COMPUTE = """
S + v ; v + S ; S * s ; s * S ; S / i ; i / S ; S ** f4 ; S == v ; v == S ; S > s ; s > S ; m & (S > 1) ; -v + S ; S @ v ; v @ S ; S.dot(v)
d + x ; x + d ; d * v[:3] ; v[:3] * d ; d - s ; s - d ; d @ x.T ; x.T @ d ; d.dot(x.T) ; d > x ; x > d ; d == s ; d.add(x) ; d.sub(v, axis=0) ; d.mul(s) ; d.div(v[:3])
np.add(S, v) ; np.add(v, S) ; np.sqrt(S) + s ; np.maximum(S, s) ; np.maximum(d, x) ; np.where(S > s, S, v) ; np.multiply(d, v[:3]) ; np.power(S, i)
pd.Timestamp('2020-01-02') > days ; days > pd.Timestamp('2020-01-02') ; pd.Timestamp('2020-01-02') - days ; days - pd.Timestamp('2020-01-02') ; days + pd.Timedelta(1, 'D')
pd.Timestamp('2020-01-02') == days ; pd.Timestamp('2020-01-02') != day ; pd.Timedelta(1, 'D') * k ; pd.Timedelta(1, 'D') / spans ; pd.Timedelta(1, 'D') * i ; pd.Timedelta(1, 'D') > spans
pd.Timestamp('2020-01-02') + spans ; pd.Timedelta(1, 'D') * s ; pd.Timedelta(1, 'D') // i ; pd.Timestamp('2020-01-02') < day ; k * pd.Timedelta(1, 'D') ; pd.Timedelta(1, 'D') + spans
pd.Series(days) > day ; pd.Series(days) - day ; day < pd.Series(days) ; pd.Series(days) + spans ; spans + pd.Series(days) ; pd.Series(days) == days ; pd.Series(days) - days[0] ; D + s
s in pd.Interval(0, 20) ; pd.Index(k) * s ; k * pd.Index(k) ; pd.Index(days) > days[1] ; pd.Categorical(text) == text ; pd.array(k) + k ; k + pd.array(k) ; pd.array(k) * i
S.isin(v) ; S.isin(k) ; S.isin([s, i]) ; d.isin(k) ; d.isin([s]) ; S.where(m, v) ; S.where(m, s) ; S.mask(m, s) ; S.mask(m) ; d.where(mm) ; d.where(mm, x) ; d.mask(mm, s)
S.fillna(s) ; S.where(m).fillna(i) ; d.where(mm).fillna(s) ; d.where(mm).fillna({'a': s}) ; S.clip(i, s) ; S.clip(upper=v) ; d.clip(v[:3], axis=1) ; d.clip(s) ; S.replace(3.0, s) ; S.replace(v, s)
S.replace([s / 2, 1.0], [i, 9.0]) ; d.replace(s, 0) ; S.map({3.0: s}) ; S.map(lambda t: t * s) ; S.map(np.sqrt) ; S.apply(np.sqrt) ; S.apply(lambda t: np.sum(v) * t) ; d.apply(np.sum)
d.apply(lambda t: np.mean(t.values)) ; d.apply(lambda t: v) ; d.apply(lambda r: (r.values * s).sum(), axis=1) ; d.apply(np.mean, axis=1) ; d.apply(lambda t: np.sort(t)) ; d.agg(np.mean) ; d.agg([np.sum, np.max])
d.agg(lambda t: np.max(t)) ; d.transform(np.sqrt) ; d.transform(lambda t: np.array(t) / np.array(t).sum()) ; S.agg(lambda t: np.array(t).std()) ; d.pipe(np.sum) ; d.map(lambda t: np.float64(t) + s) ; S.combine(S, lambda p, q: np.maximum(p, q))
S.quantile(v / 10) ; S.quantile(f4 / 10) ; S.rolling(i + 1).mean() ; S.rolling(2).apply(lambda t: np.array(t).sum(), raw=True) ; S.rolling(2).apply(np.mean, raw=True) ; S.expanding().apply(np.sum, raw=True) ; S.ewm(s).mean()
S.shift(i) ; S.shift(1, fill_value=s) ; S.diff(i) ; S.pct_change(i) ; S.round(i) ; S.repeat(k) ; S.repeat(i + 1) ; S.between(i, s) ; S.between(v - 1, v + 3) ; S.searchsorted(v) ; S.interpolate(limit=i) ; S.corr(pd.Series(v)) ; d.corrwith(pd.Series(v))
S.autocorr(i) ; S.cov(pd.Series(v)) ; S.set_axis(k) ; d.set_axis(text[:3], axis=1) ; d.set_index(v) ; d.set_index([v, k]) ; d.set_index(text) ; d.set_index(['a', k]) ; d.sort_values('a', key=np.negative) ; d.rename(columns=dict(zip('abc', text)))
pd.cut(v, 3) ; pd.cut(v, np.arange(4) * 2.0) ; pd.cut(S, v) ; pd.cut(S, [i - 1, s]) ; pd.qcut(v, 2) ; pd.qcut(S, np.arange(3) / 2) ; pd.factorize(text) ; pd.factorize(v) ; pd.factorize(obj) ; pd.unique(k) ; pd.unique(text)
pd.isna(v) ; pd.isna(obj) ; pd.isna(s) ; pd.notna(s) ; pd.isna(day) ; pd.isnull(x) ; pd.get_dummies(text) ; pd.crosstab(k, text) ; pd.crosstab(text, m) ; pd.concat([S, pd.Series(v)]) ; pd.concat([d, pd.DataFrame(x, columns=list('abc'))]) ; pd.concat({s: S, i: S})
pd.merge(d, d.assign(z=v), on='a') ; d.merge(d, left_on=v, right_on=v) ; d.join(pd.Series(v, name='z')) ; pd.merge_asof(d, d.assign(a=v), on='a') ; d.melt(id_vars='a') ; d.pivot_table(index=text, values='a') ; d.stack()
d.groupby(text).sum() ; d.groupby(m).mean() ; d.groupby([m, text]).sum() ; S.groupby(k % 3).sum() ; S.groupby(v > 1).agg(np.mean) ; d.groupby(m).agg(lambda t: np.array(t).max()) ; d.groupby(m).apply(lambda g: np.sum(g.a.values)) ; d.groupby(m).transform(np.mean)
d.groupby(m).get_group(b) ; d.groupby(m).transform(lambda t: np.array(t) - np.array(t).mean()) ; d.groupby(m)['a'].apply(np.sum) ; d.groupby(m).head(i) ; d.groupby(m).nth(i) ; d.groupby(text, sort=b).sum() ; d.groupby(m, as_index=b).sum() ; S.groupby(text).quantile(f4 / 10)
D.resample('2D').apply(np.sum) ; D.resample('2D').agg(lambda t: np.array(t).sum()) ; D.asof(days[1]) ; D.rolling('2D').sum() ; D.between_time('0:00', '1:00') ; D.index.get_indexer(days) ; D.index.isin(days) ; D.index.searchsorted(days[2]) ; D.shift(i) ; D.reindex(days)
S.to_numpy() + v ; np.asarray(d) @ x.T ; d.to_numpy() * s ; np.mean(S) + s ; np.concatenate([S, v]) ; np.stack([S, v]) ; np.array(d.a) * v ; np.histogram(S, v)[0] ; np.interp(v, S.sort_values(), S) ; np.dot(S, v) ; np.outer(S, v) ; np.isin(S, v) ; np.polyfit(v, S, 1).round(9)
pd.api.types.is_scalar(s) ; pd.api.types.is_list_like(v) ; pd.api.types.is_list_like(s) ; pd.api.types.is_float(s) ; pd.api.types.is_integer(i) ; pd.api.types.is_number(s) ; pd.api.types.is_numeric_dtype(v) ; pd.api.types.infer_dtype(obj) ; pd.api.types.is_bool(b) ; pd.api.types.is_hashable(v)
pd.Series(text).str.cat(text) ; pd.Series(text).str.repeat(k) ; pd.Series(text).str.slice(0, i) ; pd.Series(text).str.replace('a', 'z', n=i) ; pd.Series(text).str.pad(i + 4) ; pd.Series(days).dt.day + k ; pd.Series(days).dt.floor('D') > day ; pd.Series(text).isin(text[:1])
S.equals(pd.Series(v)) ; pd.testing.assert_series_equal(pd.Series(v), pd.Series(v)) ; pd.testing.assert_frame_equal(d, d) ; d.shift(periods=i) ; S.describe(percentiles=v / 10) ; S.value_counts(bins=v) ; S.rank() + s ; d.cumsum() * v[:3] ; d.sum() * s ; d.mean() - x.mean(0)
S.argsort() + k ; S.sum() + s ; s + S.sum() ; S.sum() == s ; max(S.sum(), s) ; sum([s, S.sum()]) ; S.mean() * v ; v * S.iloc[0] ; d.iloc[0] * v[:3] ; np.corrcoef(S, v).round(12) ; pd.Series(v).map(text[:1].tolist().count) ; S.loc[S.index[m]] ; d.loc[m].mean() ; d.a.loc[m] * s ; hash(s) == hash(float(s))
"""  # noqa: E501

TABLES = {"make": MAKE, "take": TAKE, "put": PUT, "compute": COMPUTE}
