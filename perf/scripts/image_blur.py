"""A picture is made grey, blurred, sharpened, and its edges are found."""

import numpy as np

rng = np.random.default_rng(4)
h, w = 480, 640
y, x = np.mgrid[0:h, 0:w]
image = np.stack([(x * 255 // w), (y * 255 // h), ((x + y) % 256)], axis=-1).astype(np.uint8)
image = np.clip(image + rng.normal(0, 10, image.shape), 0, 255).astype(np.uint8)

grey = image[..., 0] * 0.299 + image[..., 1] * 0.587 + image[..., 2] * 0.114


def convolve(a, kernel):
    k = kernel.shape[0] // 2
    padded = np.pad(a, k, mode="edge")
    out = np.zeros_like(a)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out += kernel[i, j] * padded[i:i + a.shape[0], j:j + a.shape[1]]
    return out


line = np.exp(-0.5 * (np.arange(-2, 3) / 1.0) ** 2)
gauss = np.outer(line, line)
gauss /= gauss.sum()
blurred = convolve(grey, gauss)
sharp = np.clip(grey + 1.5 * (grey - blurred), 0, 255)
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=float)
gx, gy = convolve(blurred, sobel), convolve(blurred, sobel.T)
edges = np.hypot(gx, gy)
mask = edges > edges.mean() + 2 * edges.std()
print("edge pixels:", mask.sum(), "brightness: %.3f" % sharp.mean())
result = blurred, sharp.astype(np.uint8), mask
