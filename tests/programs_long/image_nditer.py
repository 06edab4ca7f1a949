"""Loops over elements with nditer, ndenumerate, ndindex, flat and broadcast; windows by strides; packed bits."""

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view


def picture(rows, columns):
    image = np.zeros((rows, columns))
    for i, j in np.ndindex(rows, columns):
        image[i, j] = (i * i + 3 * j) % 17
    return image


def normalise(image):
    """In place, element by element."""
    low, high = image.min(), image.max()
    with np.nditer(image, op_flags=["readwrite"]) as iterator:
        for pixel in iterator:
            pixel[...] = (pixel - low) / (high - low)
    return image


def threshold(image, level):
    with np.nditer([image, None], op_flags=[["readonly"], ["writeonly", "allocate"]], op_dtypes=[None, "?"]) as it:
        for pixel, out in it:
            out[...] = pixel > level
        return it.operands[1]


def blend(first, second, share):
    """Broadcast, buffered, in chunks."""
    it = np.nditer([first, second, None], flags=["external_loop", "buffered", "growinner"], buffersize=8,
                   op_flags=[["readonly"], ["readonly"], ["writeonly", "allocate"]], op_dtypes=["f8"] * 3,
                   casting="same_kind")
    chunks = 0
    with it:
        for a, b, out in it:
            out[...] = a * (1 - share) + b * share
            chunks += 1
        return it.operands[2], chunks


def neighbours(mask):
    padded = np.pad(mask.astype(int), 1)
    windows = as_strided(padded, mask.shape + (3, 3), padded.strides * 2)
    return windows.sum(axis=(-1, -2)) - mask


def life(mask, steps):
    for _ in range(steps):
        count = neighbours(mask)
        mask = (count == 3) | (mask & (count == 2))
    return mask


def label(mask):
    """Connected parts, by flood fill with a stack."""
    labels = np.zeros(mask.shape, int)
    current = 0
    for start, value in np.ndenumerate(mask):
        if not value or labels[start]:
            continue
        current += 1
        stack = [start]
        while stack:
            i, j = stack.pop()
            if 0 <= i < mask.shape[0] and 0 <= j < mask.shape[1] and mask[i, j] and not labels[i, j]:
                labels[i, j] = current
                stack += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
    return labels, current


image = picture(8, 10)
print(image.astype(int))
original = image.copy()
result = normalise(image)
print(result is image, image.min(), image.max(), image[2].round(3))
mask = threshold(image, 0.5)
print(mask.dtype, mask.sum(), mask.astype(int))

blended, chunks = blend(image, image[0], 0.25)
print(blended.shape, chunks, np.allclose(blended, image * 0.75 + image[0] * 0.25))
iterator = np.nditer(original[:2, :3], flags=["multi_index", "f_index"])
for value in iterator:
    print(iterator.multi_index, iterator.index, int(value), end="; ")
print()
print([int(v) for v in np.nditer(original[:2, :3], order="F")])

flat = image.flat
flat[3::20] = -1
print(flat[3], flat.index, [round(float(v), 2) for v in flat][:5], (image == -1).sum())
image.flat = np.arange(4)
print(image[0], image.sum())

grid = np.broadcast(np.arange(3)[:, None], np.arange(4))
print(grid.shape, grid.size, [tuple(map(int, pair)) for pair in grid][:5])
total = np.zeros((3, 4), int)
for (i, j), value in np.ndenumerate(total):
    total[i, j] = i * 10 + j + value
print(total, total.flat[::5])

windows = sliding_window_view(original, (3, 3))
print(windows.shape, windows.max(axis=(2, 3))[0], windows.flags.writeable)
edges = np.abs(np.diff(original, axis=1)).argmax(axis=1)
print("steepest", edges)

glider = np.zeros((8, 8), bool)
glider[[0, 1, 2, 2, 2], [1, 2, 0, 1, 2]] = True
after = life(glider, 4)
print(after.astype(int)[:5, :5], after.sum(), np.array_equal(after[1:4, 1:4], glider[:3, :3]))
labels, count = label(mask)
sizes = np.bincount(labels.ravel())[1:]
print(count, sizes, labels[:3])

packed = np.packbits(mask, axis=1)
print(packed.ravel(), np.array_equal(np.unpackbits(packed, axis=1, count=10).astype(bool), mask))
codes = np.ravel_multi_index(np.nonzero(mask), mask.shape)
print(codes[:6], np.stack(np.unravel_index(codes[:3], mask.shape)))
rotated = [np.rot90(mask, turn) for turn in range(4)]
print([r.shape for r in rotated], np.array_equal(np.flipud(np.fliplr(mask)), rotated[2]))
trick = as_strided(np.arange(5), shape=(3, 3), strides=(8, 8))
print(trick, trick.base is not None)
nested = np.nested_iters(np.arange(6).reshape(2, 3), [[0], [1]])
print([[int(v) for v in nested[1]] for _ in nested[0]])
try:
    np.nditer([np.ones(3), np.ones(4)])
except ValueError as error:
    print("refused:", str(error)[:60])
try:
    sliding_window_view(original, (9, 3))
except ValueError as error:
    print("refused:", error)
