"""Files: a memory map filled in pieces, savez, loadtxt, tofile, context managers, and an index kept beside it."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import tempfile

import numpy as np

HEADER = np.dtype([("magic", "S4"), ("version", "<u2"), ("rows", "<u4"), ("columns", "<u4")])


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


class Archive:
    """A header, then rows of float32, appended in blocks."""

    def __init__(self, path, rows, columns):
        self.path, self.shape = path, (rows, columns)
        header = np.array([(b"LZ01", 1, rows, columns)], dtype=HEADER)
        with open(path, "wb") as file:
            header.tofile(file)
            file.truncate(HEADER.itemsize + rows * columns * 4)

    def open(self, mode="r+"):
        return np.memmap(self.path, dtype="<f4", mode=mode, offset=HEADER.itemsize, shape=self.shape)

    def write(self, blocks):
        table = self.open()
        row = 0
        for block in blocks:
            table[row:row + len(block)] = block
            row += len(block)
        table.flush()
        return row

    def header(self):
        return np.fromfile(self.path, dtype=HEADER, count=1)[0]


def blocks(count, columns, seed):
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield (rng.standard_normal((number + 2, columns)) * 10 ** number).astype("f4")


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def sizes(path):
    return {entry.name: entry.stat().st_size for entry in sorted(path.iterdir())}


with folder() as here:
    total = sum(range(2, 7))
    archive = Archive(here / "table.bin", total, 3)
    print("written", archive.write(blocks(5, 3, seed=9)), "of", total, sizes(here))
    head = archive.header()
    print(head, head["rows"] * head["columns"], head["magic"].decode())

    table = archive.open("r")
    print(type(table).__name__, table.shape, table.dtype, table.flags.writeable, table.mode)
    print("means", table.mean(axis=0), "largest", np.abs(table).max(axis=1)[::4])
    print("digest", digest(table), digest(table.T), digest(table[::2]))
    try:
        table[0, 0] = 1
    except ValueError as error:
        print("refused:", error)

    private = archive.open("c")
    private[:2] = 0
    private -= private.mean(axis=0)
    print("copy on write", float(private[0, 0]) != float(table[0, 0]), digest(archive.open("r")) == digest(table))
    shared = archive.open("r+")
    shared[1] = [1, 2, 3]
    np.multiply(shared[2:4], 2, out=shared[2:4])
    shared.flush()
    print("seen by the other map:", table[1], np.array_equal(table[2:4], shared[2:4]))
    order = np.argsort(shared[:, 0], kind="stable")
    shared[:] = shared[order]
    print("sorted on disk", bool((np.diff(table[:, 0]) >= 0).all()), order[:5])
    del table, private, shared

    # archives of arrays
    names = {"alpha": np.arange(6).reshape(2, 3), "beta": np.array(["x", "yy"]), "gamma": np.array(2.5)}
    np.savez(here / "plain.npz", **names)
    np.savez_compressed(here / "small.npz", zeros=np.zeros(10000), **names)
    with np.load(here / "small.npz") as data:
        print(sorted(data.files), data["alpha"].sum(), data["beta"], float(data["gamma"]), data["zeros"].any())
        print("smaller:", (here / "small.npz").stat().st_size < 5000, "alpha" in data, len(data))
    np.save(here / "order.npy", np.asfortranarray(names["alpha"]))
    mapped = np.load(here / "order.npy", mmap_mode="r")
    print(type(mapped).__name__, mapped.flags.f_contiguous, mapped.T.tolist())
    del mapped

    # text
    np.savetxt(here / "table.txt", names["alpha"] / 7, fmt="%.6e", delimiter=";", header="a;b;c", comments="% ")
    print((here / "table.txt").read_text().splitlines()[:2])
    back = np.loadtxt(here / "table.txt", delimiter=";", comments="%", usecols=(0, 2), ndmin=2)
    print(back, back.shape)
    text = io.StringIO("1, 2, x\n4, , 6\n# no\n7, 8, 9")
    rough = np.genfromtxt(text, delimiter=",", filling_values=-1, usecols=(0, 1), dtype=int)
    print(rough, rough.dtype)
    print(np.fromstring("1 2 3", sep=" "), np.fromregex(io.StringIO("a1 b22 c333"), r"(\w)(\d+)",
                                                         [("letter", "U1"), ("number", "i4")]))
    names["alpha"].tofile(here / "raw.bin")
    names["alpha"].tofile(here / "raw.txt", sep=",", format="%d")
    print(np.fromfile(here / "raw.bin", dtype=int)[-2:], (here / "raw.txt").read_text())
    print(np.fromfile(here / "raw.txt", sep=",", dtype=int), os.path.getsize(here / "raw.bin"))

    # an index beside it
    index = {name: {"shape": list(value.shape), "dtype": value.dtype.str, "digest": digest(value)}
             for name, value in names.items()}
    (here / "index.json").write_text(json.dumps(index, indent=1))
    for name, entry in json.loads((here / "index.json").read_text()).items():
        empty = np.empty(entry["shape"], entry["dtype"])
        print(name, empty.shape, empty.dtype, entry["digest"] == digest(names[name]))
    buffer = io.BytesIO(names["alpha"].tobytes())
    view = np.frombuffer(buffer.getbuffer(), dtype=int).reshape(2, 3)
    view[0, 0] = 42
    print(np.frombuffer(buffer.getvalue(), dtype=int, count=2), view.flags.owndata)
    try:
        np.load(here / "index.json")
    except ValueError as error:
        print("refused:", str(error)[:50])
    del view
print("gone:", not here.exists())
