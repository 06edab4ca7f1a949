"""A picture convolved with three kernels by shifted slices, and its edges by Sobel's operator."""

import numpy as np

rng = np.random.default_rng(22)
height, width = 256, 320
y, x = np.mgrid[:height, :width]
picture = np.sin(x / 20.0) * np.cos(y / 15.0) + 0.1 * rng.standard_normal((height, width))


def convolve(image, kernel):
    """The convolution with a small kernel, borders repeated."""
    rows, columns = kernel.shape
    padded = np.pad(image, ((rows // 2, rows // 2), (columns // 2, columns // 2)), mode="edge")
    out = np.zeros_like(image)
    for i in range(rows):
        for j in range(columns):
            out += kernel[i, j] * padded[i:i + image.shape[0], j:j + image.shape[1]]
    return out


line = np.exp(-0.5 * (np.arange(-2, 3) / 1.2) ** 2)
gauss = np.outer(line, line)
gauss /= gauss.sum()
sharpen = np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])
sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
smooth = convolve(picture, gauss)
sharp = convolve(smooth, sharpen)
edges = np.hypot(convolve(smooth, sobel), convolve(smooth, sobel.T))
strong = edges > np.percentile(edges, 90)
print("edges: %.5f of the picture, strongest %.4f" % (strong.mean(), edges.max()))
result = smooth, sharp, edges, strong
