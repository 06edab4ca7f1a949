"""Structured arrays, record arrays, dates and text: a catalogue of stars, sorted, joined and grouped."""

import io

import numpy as np
import numpy.lib.recfunctions as rfn

STAR = np.dtype([
    ("name", "U12"),
    ("seen", "M8[D]"),
    ("place", [("ra", "f8"), ("dec", "f8")]),
    ("bright", "f4", (3,)),
    ("flags", "u1"),
])

VARIABLE, DOUBLE, FAINT = 1, 2, 4

TEXT = """\
# name, ra, dec, b, v, r, seen
Alpha,  10.5,  -5.25, 1.2, 1.1, 0.9, 2020-03-01
Beta,  200.0,  45.00, 3.5, 3.1, 2.8, 2020-03-02
Gamma,  10.6,  -5.20, 6.5, 6.0, 5.7, 2019-12-31
Delta, 355.1,  80.10, 2.2, 2.9, 3.3, 2021-07-15
Epsilon, 1.0, -60.50, 4.8, 4.4, 4.1, 2020-03-01
"""


def load(text):
    rows = np.genfromtxt(io.StringIO(text), delimiter=",", dtype=None, encoding="utf-8", autostrip=True,
                         names="name,ra,dec,b,v,r,seen")
    stars = np.zeros(len(rows), STAR)
    stars["name"] = rows["name"]
    stars["seen"] = rows["seen"].astype("M8[D]")
    stars["place"]["ra"], stars["place"]["dec"] = rows["ra"], rows["dec"]
    stars["bright"] = np.stack([rows["b"], rows["v"], rows["r"]], axis=1)
    return rows, stars


def flag(stars):
    faint = stars["bright"].min(axis=1) > 4
    stars["flags"][faint] |= FAINT
    colour = stars["bright"][:, 0] - stars["bright"][:, 2]
    stars["flags"] |= np.where(colour < 0, VARIABLE, 0).astype("u1")
    ra = stars["place"]["ra"]
    close = (np.abs(ra[:, None] - ra) < 0.5) & ~np.eye(len(stars), dtype=bool)
    stars["flags"][close.any(axis=1)] |= DOUBLE


def describe(stars):
    for star in stars:
        names = [name for bit, name in ((VARIABLE, "variable"), (DOUBLE, "double"), (FAINT, "faint"))
                 if star["flags"] & bit]
        print(f"{star['name']:>8} {star['seen']} {star['place']['ra']:7.2f} {star['bright'].mean():.3f}", *names)


rows, stars = load(TEXT)
print(rows.dtype.names, rows.shape)
print(stars.dtype, stars.itemsize, stars.dtype.fields["bright"][1])
flag(stars)
describe(stars)

order = np.argsort(stars, order=("seen", "name"))
print("by date", stars["name"][order])
stars.sort(order="name")
print("by name", stars["name"], stars["flags"])
print("brightest", stars[stars["bright"][:, 1].argmin()])
print("first two", stars[["name", "seen"]][:2])

# a view shares memory, a copy does not
view = stars[1:3]
view["flags"] = 0
print("changed through the view", stars["flags"])
copy = stars.copy()
copy["name"][0] = "a name that is too long"
print(copy["name"][0], stars["name"][0])
packed = rfn.repack_fields(stars[["name", "flags"]])
print("packed", packed.dtype.itemsize, packed[::2])

# records with attributes
records = stars[["name", "flags"]].copy().view(np.recarray)
records["flags"][:] = [1, 2, 3, 4, 5]
print(type(records).__name__, records.name[:2], records["flags"], records[records["flags"] > 3].name)

# dates
years = stars["seen"].astype("M8[Y]")
values, counts = np.unique(years, return_counts=True)
print("per year", dict(zip(values.astype(str).tolist(), counts.tolist())))
span = stars["seen"].max() - stars["seen"].min()
print("span", span, span / np.timedelta64(1, "W"), np.busday_count(stars["seen"].min(), stars["seen"].max()))
print("weekdays", (stars["seen"].astype("M8[D]").view("i8") - 4) % 7)
print("missing date", np.isnat(np.array(["2020-01-01", "NaT"], "M8[D]")))

# joining with another table, and groups
other = np.array([("Alpha", 25.0), ("Delta", 77.5), ("Zeta", 1.0)], dtype=[("name", "U12"), ("distance", "f8")])
plain = rfn.structured_to_unstructured(stars["place"])
print("plain", plain.shape, plain.mean(axis=0))
joined = rfn.join_by("name", stars[["name", "flags"]], other, usemask=False)
print("joined", joined, joined.dtype.names)
bigger = rfn.append_fields(other, "near", other["distance"] < 50, usemask=False)
print(bigger.dtype.names, bigger["near"])
for group in np.unique(stars["flags"]):
    members = stars[stars["flags"] == group]
    print("group", group, members["name"].tolist(), members["bright"].max(axis=(0, 1)))

# bytes and back
raw = stars.tobytes()
print(len(raw), (np.frombuffer(raw, dtype=STAR)["name"] == stars["name"]).all())
upper = np.char.upper(stars["name"])
print(np.char.add(upper, "!"), np.char.find(upper, "A"), np.strings.str_len(stars["name"]))
buffer = io.BytesIO()
np.save(buffer, stars)
buffer.seek(0)
again = np.load(buffer)
print("the same again:", (again == stars).all(), again.dtype == stars.dtype)
for name in ("nothing", 7):
    try:
        stars[name]
    except (ValueError, IndexError) as error:
        print("refused:", error)
