"""Dataclasses and type hints: particles in a box, their collisions with the walls, energies and a histogram."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass
class Box:
    low: float = 0.0
    high: float = 10.0

    @property
    def size(self) -> float:
        return self.high - self.low


@dataclass(eq=False)
class Particles:
    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    mass: NDArray[np.float64] = field(default_factory=lambda: np.ones(0))

    def __post_init__(self) -> None:
        if self.mass.size == 0:
            self.mass = np.ones(len(self.position))
        if self.position.shape != self.velocity.shape:
            raise ValueError(f"shapes differ: {self.position.shape} and {self.velocity.shape}")

    @classmethod
    def random(cls, count: int, box: Box, seed: int) -> Particles:
        rng = np.random.default_rng(seed)
        return cls(rng.uniform(box.low, box.high, (count, 2)), rng.normal(size=(count, 2)),
                   rng.choice([1.0, 2.0, 5.0], count))

    @property
    def kinetic(self) -> NDArray[np.float64]:
        return 0.5 * self.mass * np.einsum("ij,ij->i", self.velocity, self.velocity)

    @property
    def momentum(self) -> NDArray[np.float64]:
        return (self.mass[:, None] * self.velocity).sum(axis=0)

    def distances(self) -> NDArray[np.float64]:
        gap = self.position[:, None, :] - self.position[None, :, :]
        return np.sqrt((gap ** 2).sum(axis=-1))


@dataclass(frozen=True)
class Snapshot:
    step: int
    energy: float
    centre: tuple[float, float]
    bounced: int


@dataclass
class Simulation:
    particles: Particles
    box: Box = field(default_factory=Box)
    gravity: float = -0.5
    step: float = 0.05
    log: list[Snapshot] = field(default_factory=list)

    def advance(self, number: int) -> None:
        p = self.particles
        p.velocity[:, 1] += self.gravity * self.step
        p.position += p.velocity * self.step
        low, high = p.position < self.box.low, p.position > self.box.high
        outside = low | high
        p.velocity[outside] *= -0.9
        p.position[low] = 2 * self.box.low - p.position[low]
        p.position[high] = 2 * self.box.high - p.position[high]
        if number % 40 == 0:
            centre = np.average(p.position, axis=0, weights=p.mass)
            self.log.append(Snapshot(number, float(p.kinetic.sum()), tuple(centre.tolist()), int(outside.sum())))

    def run(self, steps: int) -> list[Snapshot]:
        for number in range(steps):
            self.advance(number)
        return self.log


def nearest(particles: Particles) -> NDArray[np.intp]:
    distance = particles.distances()
    np.fill_diagonal(distance, np.inf)
    return distance.argmin(axis=1)


def main() -> None:
    box = Box()
    start = Particles.random(40, box, seed=4)
    print("masses", np.unique(start.mass, return_counts=True))
    print("momentum", start.momentum.round(6), "energy", start.kinetic.sum().round(6))
    simulation = Simulation(replace(start, position=start.position.copy(), velocity=start.velocity.copy()), box)
    for snapshot in simulation.run(200):
        print(snapshot)
    moved = np.linalg.norm(simulation.particles.position - start.position, axis=1)
    print("moved at most", moved.max(), "particle", moved.argmax())
    near = nearest(simulation.particles)
    mutual = [(i, int(j)) for i, j in enumerate(near) if near[j] == i and i < j]
    print("pairs", mutual)
    counts, xs, ys = np.histogram2d(*simulation.particles.position.T, bins=4, range=[[0, 10], [0, 10]])
    print(counts, xs, ys, sep="\n")
    heavy = simulation.particles.mass == 5
    print("heavy ones are lower:", bool(simulation.particles.position[heavy, 1].mean()
                                        < simulation.particles.position[~heavy, 1].mean()))
    try:
        Particles(np.zeros((2, 2)), np.zeros((3, 2)))
    except ValueError as error:
        print(error)
    order = np.lexsort((simulation.particles.position[:, 0], simulation.particles.mass))
    print(order[:10], simulation.particles.mass[order][::8])


if __name__ == "__main__":
    main()
