"""Compares the vector loops that stand for NumPy's with NumPy's own, on as many values as one likes.

    python -m tests.certify --values 100000000 --only sin

Each round takes other random values in all ranges that a loop distinguishes; every difference is printed. Of a function
of one float32 every value there is is compared besides.
"""

import argparse
import sys
import time

import numpy as np

from lazytensor.lower import loops, twins

ROUND = 1 << 20


def certify(name, char, values, seed):
    """How many values of each range were compared, and the differences."""
    ufunc, twin = getattr(np, name), twins.TWINS[name, char]
    loop = loops.strided_loop(ufunc, twins.dtypes_of(ufunc, twin))
    made = twins.compiled(twins.text_of(twin), loop)
    done, wrong = 0, []
    while done < values and len(wrong) < 20:
        wrong += twins.differences(ufunc, twin, made, ROUND, seed)
        done, seed = done + ROUND, seed + 1
    if ufunc.nin == 1 and char == "f":
        wrong += differences_of_all(ufunc, made)
    return done, wrong


def differences_of_all(ufunc, made):
    """The differences among all float32 numbers; flags are those of 2**16 neighbours."""
    return [line for high in range(1 << 16)
            for line in twins._compare(ufunc, made, ((np.arange(1 << 16, dtype=np.uint32) + (high << 16)).view("f"),))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=10**7, help="of each range, at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="a ufunc's name")
    given = parser.parse_args()
    failed = False
    for name, char in twins.TWINS:
        if given.only in (None, name):
            start = time.perf_counter()
            done, wrong = certify(name, char, given.values, given.seed)
            print(f"{name} {char}: {done} values of each range, {len(wrong)} differences, "
                  f"{time.perf_counter() - start:.0f} s", *wrong, sep="\n    ", flush=True)
            failed |= bool(wrong)
    return failed


if __name__ == "__main__":
    sys.exit(main())
