"""Heat in a square plate of two materials: explicit finite differences in place, checked against an exact solution."""

import numpy as np


def step(u, flux_x, flux_y, kx, ky, scale):
    """One explicit step of du/dt = div(k grad u), in place; `kx` and `ky` are k on the faces between cells."""
    flux_x[:] = kx * (u[:, 1:] - u[:, :-1])
    flux_y[:] = ky * (u[1:] - u[:-1])
    u[1:-1, 1:-1] += scale * (flux_x[1:-1, 1:] - flux_x[1:-1, :-1] + flux_y[1:, 1:-1] - flux_y[:-1, 1:-1])


def faces(k):
    """Conductivity on the faces: the harmonic mean, so that the flux through two materials in a row is right."""
    kx = 2 * k[:, 1:] * k[:, :-1] / (k[:, 1:] + k[:, :-1])
    ky = 2 * k[1:] * k[:-1] / (k[1:] + k[:-1])
    return kx, ky


def buffers(u):
    return np.empty((u.shape[0], u.shape[1] - 1)), np.empty((u.shape[0] - 1, u.shape[1]))


def decaying_mode(n, steps):
    """The plate held at 0 all round, from sin(pi x) sin(pi y): its computed and exact states at the end."""
    x = np.linspace(0.0, 1.0, n)
    h = x[1] - x[0]
    dt = 0.2 * h**2
    start = np.sin(np.pi * x)[:, None] * np.sin(np.pi * x)
    start[[0, -1]] = 0.0
    start[:, [0, -1]] = 0.0
    u = start.copy()
    kx, ky = faces(np.ones((n, n)))
    flux_x, flux_y = buffers(u)
    for _ in range(steps):
        step(u, flux_x, flux_y, kx, ky, dt / h**2)
    return u, start * np.exp(-2 * np.pi**2 * dt * steps)


def heated_plate(n, most_steps, tolerance):
    """A plate with a poorly conducting disc, hot on the left, cold on the right, insulated above and below."""
    y, x = np.mgrid[0 : 1 : n * 1j, 0 : 1 : n * 1j]
    disc = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.25**2
    k = np.where(disc, 0.1, 1.0)
    kx, ky = faces(k)
    u = np.zeros((n, n))
    u[:, 0] = 1.0
    flux_x, flux_y = buffers(u)
    history = []
    for number in range(1, most_steps + 1):
        if number % 100 == 0:
            before = u.copy()
        step(u, flux_x, flux_y, kx, ky, 0.24)
        u[0], u[-1] = u[1], u[-2]
        if number % 100 == 0:
            change = np.abs(u - before).max()
            history.append(change)
            if change < tolerance:
                break
    through = -kx * (u[:, 1:] - u[:, :-1]) * (n - 1)
    return u, through, disc, np.array(history)


mode, exact = decaying_mode(n=101, steps=2000)
error = np.abs(mode - exact).max()

plate, flux, disc, history = heated_plate(n=64, most_steps=20000, tolerance=5e-7)
crossing = flux[1:-1].mean(axis=0)
levels = np.linspace(0.1, 0.9, 9)
front = (plate[:, :, None] > levels).sum(axis=1)
steepest = np.unravel_index(np.argmax(np.abs(np.gradient(plate, axis=1))), plate.shape)

print(f"exact solution  largest error {error:.3e} where the mode is {exact.max():.6f}")
print(f"plate           {len(history) * 100} steps, last change {history[-1]:.3e}")
print(f"temperature     mean {plate.mean():.6f}, from {plate[disc].min():.6f} to {plate[disc].max():.6f} in the disc")
print(f"heat crossing   {crossing[0]:.6f} on the left, {crossing[-1]:.6f} on the right")
print("isotherms       ", " ".join(f"{level:.1f}:{column:.1f}" for level, column in zip(levels, front.mean(axis=0))))
print(f"steepest        at row {steepest[0]}, column {steepest[1]}")
