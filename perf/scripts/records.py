"""Measurements read from text, as records with gaps: cleaned, sorted, summed by station, written again."""

import io

import numpy as np

rng = np.random.default_rng(26)
rows = 1500
lines = ["station,day,temperature,rain"]
for i in range(rows):
    temperature = "" if rng.random() < 0.05 else f"{rng.normal(12, 8):.1f}"
    lines.append(f"{'ABCDE'[i % 5]}{i % 3},{i // 15},{temperature},{max(rng.normal(0, 4), 0):.1f}")
table = np.genfromtxt(io.StringIO("\n".join(lines)), delimiter=",", names=True, dtype=None, encoding="utf-8")
gaps = np.isnan(table["temperature"])
print(table.dtype.names, len(table), "rows,", gaps.sum(), "gaps")
warm = table[~gaps & (table["temperature"] > 20)]
stations = np.unique(table["station"])
means = np.array([np.nanmean(table["temperature"][table["station"] == s]) for s in stations])
rain = np.array([table["rain"][table["station"] == s].sum() for s in stations])
order = np.argsort(means)[::-1]
for s, m, r in zip(stations[order][:5], means[order], rain[order]):
    print(f"{s}: {m:.2f} degrees, {r:.1f} mm")
sorted_rows = np.sort(warm, order=["temperature", "station"])
out = io.StringIO()
np.savetxt(out, np.column_stack([means, rain]), fmt="%.3f", delimiter=",")
print(out.getvalue()[:60])
days, counts = np.unique(table["day"], return_counts=True)
again = np.loadtxt(io.StringIO(out.getvalue()), delimiter=",")
result = means, rain, sorted_rows["temperature"], sorted_rows["rain"], days, counts, again
