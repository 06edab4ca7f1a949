"""Sixty bodies that attract each other, by leapfrog, and their energy."""

import numpy as np

rng = np.random.default_rng(8)
n, dt, soft = 60, 0.01, 0.1
mass = np.ones(n) / n
pos, vel = rng.normal(size=(n, 3)), rng.normal(size=(n, 3)) * 0.3
vel -= (mass[:, None] * vel).sum(axis=0) / mass.sum()


def acceleration(pos):
    between = pos[None, :, :] - pos[:, None, :]
    far = (between ** 2).sum(axis=2) + soft ** 2
    return (between * (mass[None, :] * far ** -1.5)[:, :, None]).sum(axis=1)


def energy(pos, vel):
    kinetic = 0.5 * (mass[:, None] * vel ** 2).sum()
    between = pos[None, :, :] - pos[:, None, :]
    far = np.sqrt((between ** 2).sum(axis=2) + soft ** 2)
    potential = -(np.triu(mass[:, None] * mass[None, :] / far, 1)).sum()
    return kinetic + potential


start = energy(pos, vel)
acc = acceleration(pos)
for step in range(200):
    vel += acc * dt / 2
    pos += vel * dt
    acc = acceleration(pos)
    vel += acc * dt / 2
    if step % 50 == 0:
        print(step, "energy: %.8f" % energy(pos, vel))
print("drift: %.3e" % (energy(pos, vel) - start))
result = pos, vel
