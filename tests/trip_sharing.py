"""Programs that trip lazy libraries: memory shared with NumPy, with buffers, with iterators and with threads."""

import copy
import math
import pickle
import statistics
import threading

import numpy

from tests.trip_support import outcome, store, table


def numpy_array_written_after_asarray(np):
    """`asarray` shares: a write to the NumPy array shows in `t`, but not in what was read from `t` before."""
    host = numpy.arange(6.0)
    t = np.asarray(host)
    double, tail = t * 2, t[3:]
    host[0] = 100
    tail_sum = tail.sum()
    host[4] = -1
    return double, t, tail, tail_sum, t.sum()


def copied_by_array(np):
    """`array` copies when it is called: later writes to the source do not show."""
    host, rows = numpy.arange(4.0), [numpy.zeros(2), numpy.ones(2)]
    t, stacked, listed = np.array(host), np.stack(rows), np.array(rows)
    host += 10
    rows[0][:] = 7
    t[0] = 3
    return t, stacked, listed, host


def written_through_numpys_asarray(np):
    """`numpy.asarray(t)` is the memory of `t`, also when `t` was pending."""
    t = np.arange(5.0) * 2
    early = t + 1
    window = numpy.asarray(t)
    window[0] = 5
    middle = t * 1
    t += 100
    numpy.asarray(t[1:3])[:] = -1
    return early, middle, t, window


def memoryview_of_an_array(np):
    """A memoryview and the array are one memory, in both directions."""
    t = np.arange(4.0) + 1
    view = memoryview(t)
    view[2] = 50.0
    seen = t.sum()
    t[0] = -3
    t *= 2
    first = view[0]
    view.release()
    return seen, t, first, bytes(np.arange(3, dtype=np.uint8)), t.data.nbytes


def array_over_a_bytearray(np):
    """frombuffer shares with a bytearray: what was read before a write to the bytes stays as it was."""
    raw = bytearray(range(8))
    t = np.frombuffer(raw, dtype=np.uint8)
    early, total = t + 1, t.sum()
    raw[0] = 200
    t[7] = 77
    return early, total, t, raw[7], np.frombuffer(bytes(raw), dtype=np.uint16).flags.writeable


def dlpack_both_ways(np):
    """An array passed through DLPack is the same memory under another name."""
    t = np.arange(4.0) * 3
    theirs = numpy.from_dlpack(t)
    t[0] = 9
    seen = float(theirs[0])
    host = numpy.arange(3.0)
    ours = np.from_dlpack(host)
    pending = ours * 2
    host[1] = 40
    return seen, t, ours, pending, theirs.tolist()


def foreign_out(np):
    """NumPy's own functions given an array of the module: as operand, as `out=`, mixed with NumPy arrays."""
    t = np.arange(4.0) + 0.5
    host = numpy.ones(4)
    early = t * 10
    numpy.add(host, 1, out=t)
    host += t
    t -= host
    mixed = [host + t, t + host, numpy.add(t, host), numpy.maximum(host, t), host @ t, numpy.multiply.outer(host, t)]
    numpy.copyto(host, t)
    return early, t, host, mixed


def numpy_functions_on_arrays(np):
    """Functions of NumPy and of the standard library accept the module's arrays and scalars."""
    t = table(np)
    before = [numpy.mean(t), numpy.concatenate([t, t[:1]]), numpy.linalg.norm(t), numpy.where(t > 3, t, 0)]
    t[0] = 1
    after = [numpy.sum(t, axis=0), numpy.sort(t, axis=None), numpy.clip(t, 0, 5), numpy.percentile(t, [10, 50])]
    plain = [math.sqrt(t.max()), statistics.mean([t[i].sum() for i in range(4)]), sum(t[1]), max(t[2]), len(t)]
    return before, after, plain, sorted(t[3], reverse=True), [float(v) for v in reversed(t[:, 0])]


def numpys_type_questions(np):
    """isinstance and issubclass questions about arrays, scalars and types that were NumPy's."""
    t = np.arange(3.0)
    s = t.sum()
    kinds = [isinstance(t, np.ndarray), isinstance(numpy.zeros(2), np.ndarray), isinstance(s, np.floating)]
    kinds += [isinstance(s, float), isinstance(s, np.ndarray)]
    kinds += [isinstance(t[0], np.float64), isinstance(t[1:], np.ndarray)]
    kinds += [isinstance(t.argmax(), np.integer), isinstance((t > 1).all(), np.bool_), np.isscalar(s), np.isscalar(t)]
    kinds += [np.ndim(s), np.iterable(t), np.iterable(s)]
    kinds += [isinstance([1], np.ndarray), np.issubdtype(t.dtype, np.floating)]
    kinds += [isinstance(np.array(1.0), np.ndarray), np.array(1.0).shape == ()]
    kinds += [type(t) is type(t[1:]), callable(np.sin)]
    return kinds


def subclass_of_ndarray(np):
    """A subclass with an attribute that __array_finalize__ hands on."""

    class Metres(np.ndarray):
        """Lengths with a name."""

        def __array_finalize__(self, source):
            self.label = getattr(source, "label", "none")

    lengths = np.arange(4.0).view(Metres)
    lengths.label = "road"
    longer = lengths[1:] * 2
    lengths[0] = 5
    plain = np.asarray(lengths)
    kinds = [isinstance(longer, Metres), isinstance(plain, Metres), isinstance(longer, np.ndarray)]
    return longer.label, kinds, np.asarray(longer), plain, float(lengths.sum())


def nditer_writes(np):
    """nditer hands out 0-d windows that write to the array."""
    a = table(np)
    early = a.sum()
    with np.nditer(a, op_flags=["readwrite"]) as cells:
        for cell in cells:
            cell[...] = cell * 2 + 1
    total = 0.0
    for x, y in np.nditer([a, a.T.copy().T]):
        total = total + float(x) * float(y)
    return early, a, total, [index for index, _ in np.ndenumerate(a[:2, :2])]


def pickled_while_pending(np):
    """A pending array, a view and a scalar survive pickle, copy and deepcopy as values of their own."""
    t = np.arange(6.0) * 2
    view, s = t[::2], t.sum()
    box = {"t": t, "again": t}
    deep, shallow = copy.deepcopy(box), copy.copy(t)
    through = pickle.loads(pickle.dumps({"view": view, "s": s, "t": t + 1, "turned": t.reshape(2, 3).T}))
    t[0] = 100
    deep["t"][1] = -1
    shallow[2] = -2
    through["view"][0] = -3
    return t, view, s, deep["again"], deep["t"] is deep["again"], shallow, through


def threads_write_disjoint_slices(np):
    """Several threads write their own slices of one array while it is read."""
    a = np.zeros((8, 50))
    early = a + 1

    def work(number):
        for step in range(10):
            a[number] += step
            a[number, 1:] += a[number, :-1]
        a[number] = np.sqrt(a[number])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return a, early, a.sum()


def one_pending_result_in_many_threads(np):
    """Two threads ask for the same pending result; both get it, and it is one array."""
    x = np.linspace(0, 1, 200)
    y = np.exp(x) + np.sin(x)
    found = [None] * 4

    def ask(slot):
        found[slot] = float((y * (slot + 1)).sum())

    workers = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    y[0] = 0
    return found, y


def object_elements_change(np):
    """An object array holds references: what it computes must use the elements as they are at that line."""
    first, second = [1], [2]
    a = np.empty(2, dtype=object)
    a[0], a[1] = first, second
    joined = a + a
    first.append(3)
    numbers = np.array([1, 2.5, 10**30], dtype=object)
    powers = numbers**2
    numbers[0] = 7
    return joined.tolist(), a.tolist(), powers.tolist(), numbers.sum(), a[0] is first


def python_function_in_a_loop(np):
    """vectorize, frompyfunc, fromiter and apply_along_axis call Python: their side effects come when written."""
    calls = []

    def note(value):
        calls.append(float(value))
        return value * 2

    x = np.arange(3.0)
    doubled = np.frompyfunc(note, 1, 1)(x)
    seen = len(calls)
    rows = np.apply_along_axis(lambda row: calls.append(len(row)) or row[::-1], 1, table(np, 2, 2))
    vector = np.vectorize(note, otypes=[float])(x + 1)
    made = np.fromiter((note(v) for v in x), float)
    x[:] = 0
    failed = outcome(lambda: np.frompyfunc(lambda v: 1 // int(v), 1, 1)(x))
    return seen, len(calls), doubled.tolist(), rows, vector, made, failed, [calls[0], calls[-1]]


def readers_of_a_written_window(np):
    """Windows of one array given to NumPy and kept: later writes by the array show in them."""
    t = table(np)
    corner = numpy.asarray(t)[1:3, 1:3]
    t[1] = 0
    t[:] = t + 1
    seen = corner.copy()
    corner[...] = 9
    refused = outcome(lambda: store(numpy.asarray(np.broadcast_to(t, (2, 4, 5))), 0, 1.0))
    return seen, t, t.T.sum(axis=0), refused


def written_to_files(np):
    """tobytes, tofile-like exports and str() take the values of that line."""
    t = np.arange(3.0)
    raw, text, shown = (t + 1).tobytes(), str(t * 2), repr(t / 2)
    t[0] = 9
    with np.printoptions(precision=2, suppress=True):
        narrow = str(t / 7)
    return raw, text, shown, narrow, t.tolist(), f"{t.sum():.3f}", f"{t[1]}", str(t.mean()), format(int(t.max()), "d")
