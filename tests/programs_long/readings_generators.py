"""Generators and itertools: a stream of sensor readings, cut into windows, filtered and summed up."""

import collections
import functools
import itertools

import numpy as np


def readings(seed, count):
    """Batches of readings of uneven length, some of them broken."""
    rng = np.random.default_rng(seed)
    clock = 0
    while count > 0:
        length = min(int(rng.integers(5, 20)), count)
        batch = np.sin((clock + np.arange(length)) / 9) + rng.normal(0, 0.1, length)
        broken = rng.random(length) < 0.05
        batch[broken] = np.nan
        yield clock, batch
        clock += length
        count -= length


def flatten(batches):
    for clock, batch in batches:
        for offset, value in enumerate(batch):
            yield clock + offset, value


def repaired(stream):
    """The last good value in place of a broken one."""
    last = 0.0
    for time, value in stream:
        if np.isnan(value):
            value = last
        last = value
        yield time, value


def windows(stream, size, step):
    queue = collections.deque(maxlen=size)
    for number, (time, value) in enumerate(stream):
        queue.append(value)
        if len(queue) == size and (number - size + 1) % step == 0:
            yield time - size + 1, np.array(queue)


def pipeline(*stages):
    return lambda source: functools.reduce(lambda stream, stage: stage(stream), stages, source)


def running_mean():
    """A coroutine: send it values, it gives the mean so far."""
    total, count, mean = 0.0, 0, None
    while True:
        value = yield mean
        total += value
        count += 1
        mean = total / count


def spectrum(window):
    tapered = window * np.hanning(len(window))
    return np.abs(np.fft.rfft(tapered)) ** 2


def peaks(values):
    inner = values[1:-1]
    return np.flatnonzero((inner > values[:-2]) & (inner > values[2:])) + 1


batches = list(readings(11, 300))
print(len(batches), "batches of", [len(batch) for _, batch in batches])
print("broken:", sum(int(np.isnan(batch).sum()) for _, batch in batches))
whole = np.concatenate([batch for _, batch in batches])
print("mean of the good ones", np.nanmean(whole), "and their deviation", np.nanstd(whole))

make = pipeline(flatten, repaired, functools.partial(windows, size=32, step=16))
for start, window in itertools.islice(make(iter(batches)), 5):
    power = spectrum(window)
    print(start, window[[0, -1]].round(3), "strongest frequency", power[1:].argmax() + 1, "power", power.sum().round(4))

table = np.stack([spectrum(window) for _, window in make(batches)])
print(table.shape, table.mean(axis=0)[:4].round(4), table.argmax(axis=1))

mean = running_mean()
next(mean)
track = [mean.send(value) for _, value in repaired(flatten(batches))]
print("running mean", [round(float(value), 4) for value in track[::60]])
array = np.fromiter((value for _, value in repaired(flatten(batches))), dtype=float, count=300)
print("the same from fromiter:", np.allclose(np.cumsum(array) / np.arange(1, 301), track))

smooth = np.convolve(array, np.ones(9) / 9, "same")
top = peaks(smooth)
print("peaks at", top, "gaps", np.diff(top))
highest = max(top, key=lambda index: smooth[index])
print("highest", int(highest), smooth[highest])

groups = {sign: list(items) for sign, items in itertools.groupby(enumerate(smooth[:80]), key=lambda pair: pair[1] > 0)}
print({bool(sign): (items[0][0], items[-1][0]) for sign, items in groups.items()})
runs = [(bool(sign), sum(1 for _ in items)) for sign, items in itertools.groupby(smooth > 0)]
print("runs", runs)
changes = np.flatnonzero(np.diff(np.signbit(smooth))) + 1
print("changes of sign", changes, [len(part) for part in np.split(smooth, changes)])

for left, right in itertools.pairwise(np.array_split(array, 4)):
    print(f"{left.mean():.4f} then {right.mean():.4f}", "rose" if right.mean() > left.mean() else "fell")

squares = (value * value for value in array[:10])
print("sum of squares", sum(squares), "any above one:", any(value > 1 for value in array))
lowest, highest = min(array), max(array)
print("range", lowest, highest, sorted(array)[:3])
best = max(((a * b).sum(), shift) for shift in range(1, 80) for a, b in [(array[:-shift], array[shift:])])
print("best shift", best)
