"""A photograph through a small image pipeline: grey, contrast, noise, sharpening, edges, histogram.

The photograph is china.jpg (by danielbuechele, CC BY 2.0), which scikit-learn ships.
"""

import sys
from importlib.metadata import distribution

import numpy as np
from PIL import Image


def photograph(path=None):
    """The picture at `path`, or the packaged photograph, as floats from 0 to 1."""
    if path is None:
        path = distribution("scikit-learn").locate_file("sklearn/datasets/images/china.jpg")
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")) / 255.0


def linear(rgb):
    """Undo the sRGB transfer curve, so that arithmetic on the values is arithmetic on light."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def encoded(light):
    """The sRGB transfer curve."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def gaussian_blur(image, sigma):
    """Separable Gaussian blur, by shifted slices of the mirrored image."""
    radius = int(np.ceil(3 * sigma))
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    rows, columns = image.shape
    padded = np.pad(image, radius, mode="reflect")
    across = np.zeros((rows + 2 * radius, columns))
    for weight, offset in zip(weights, offsets):
        across += weight * padded[:, radius + offset : radius + offset + columns]
    down = np.zeros((rows, columns))
    for weight, offset in zip(weights, offsets):
        down += weight * across[radius + offset : radius + offset + rows]
    return down


def bilateral(image, sigma_space, sigma_value, radius):
    """Smooth noise and keep edges: neighbours count less the further away, and the more different, they are."""
    rows, columns = image.shape
    padded = np.pad(image, radius, mode="edge")
    total = np.zeros_like(image)
    weight_sum = np.zeros_like(image)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            shifted = padded[radius + dy : radius + dy + rows, radius + dx : radius + dx + columns]
            space = np.exp(-(dx**2 + dy**2) / (2 * sigma_space**2))
            weight = space * np.exp(-((shifted - image) ** 2) / (2 * sigma_value**2))
            total += weight * shifted
            weight_sum += weight
    return total / weight_sum


def sobel(image):
    """Strength and direction of the gradient; the border has none."""
    gx = np.zeros_like(image)
    gy = np.zeros_like(image)
    gx[1:-1, 1:-1] = (
        image[:-2, 2:] + 2 * image[1:-1, 2:] + image[2:, 2:] - image[:-2, :-2] - 2 * image[1:-1, :-2] - image[2:, :-2]
    )
    gy[1:-1, 1:-1] = (
        image[2:, :-2] + 2 * image[2:, 1:-1] + image[2:, 2:] - image[:-2, :-2] - 2 * image[:-2, 1:-1] - image[:-2, 2:]
    )
    return np.hypot(gx, gy), np.arctan2(gy, gx)


def equalise(image, levels=256):
    """Spread the values so that each level is used about equally often."""
    counts, edges = np.histogram(image, bins=levels, range=(0.0, 1.0))
    cumulative = np.cumsum(counts) / image.size
    return np.interp(image, edges[1:], cumulative)


rgb = photograph(*sys.argv[1:2])
light = linear(rgb)
grey = light @ np.array([0.2126, 0.7152, 0.0722])
tone = encoded(grey / np.percentile(grey, 99))

smooth = bilateral(tone, sigma_space=2.0, sigma_value=0.1, radius=4)
blurred = gaussian_blur(smooth, sigma=2.5)
sharp = np.clip(smooth + 0.8 * (smooth - blurred), 0.0, 1.0)

strength, direction = sobel(gaussian_blur(tone, sigma=1.0))
edges = strength > strength.mean() + 2 * strength.std()
equal = equalise(sharp)

vignette_y, vignette_x = np.ogrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
framed = equal * (1 - 0.35 * (vignette_x**2 + vignette_y**2) / 2)
framed[edges] = 0.0
result = (framed * 255 + 0.5).astype(np.uint8)

weights = strength[edges]
angles = np.degrees(direction[edges]) % 180
orientation, _ = np.histogram(angles, bins=6, range=(0, 180), weights=weights)

print(f"picture        {rgb.shape[1]} x {rgb.shape[0]}, mean colour {np.round(rgb.mean(axis=(0, 1)), 4)}")
print(f"noise removed  {np.abs(tone - smooth).mean():.6f} on average, {np.abs(tone - smooth).max():.6f} at most")
print(f"contrast       {tone.std():.6f} before, {equal.std():.6f} after equalising")
print(f"edges          {edges.mean():.4%} of the pixels, strongest {strength.max():.6f}")
print("orientation   ", " ".join(f"{share:.1%}" for share in orientation / orientation.sum()))
print(f"result         {result.dtype}, mean {result.mean():.4f}, {np.unique(result).size} levels")
