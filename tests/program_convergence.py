"""Random loops that a value ends, in functions that are jitted and called again and again with fresh arrays; NumPy runs
the same text."""

import importlib
import random

import numpy as real

from lazytensor.hybrid import fusing
from lazytensor.run import kernels
from tests.helpers import difference
from tests.program_jit import unchecked

CALLS, PLAIN = 16, 11
"""Calls of a function, and those of them before it gets kernels."""
WITH_KERNELS = fusing.possible()

STATEMENTS = """
{a} = np.sin({b})
{a} = ({a} + {b}) * 0.5
{a} = {b}[::-1].copy()
{a} = np.where({a} > 0.2, {a}, {b})
{a}[1:] = {b}[:-1]
{a} *= 0.5
{a} += {b}
{a}, {b} = {b}, {a}
{a} = {b}
s = {a}.sum() * 0.1
t = {a}[1]
t, s = s, t
{a}[0] = s
{a} = {a} * 0.7 + t * 0.1
view = {a}[1:]
{a} = view * 0.5 + {b}[1:].sum()
n += 1
m += 1
{a} = {a} * 0.5 + m
log.append(s)
box["s"] = s
{a} = np.minimum({a}, {b}.max())
if s > t:@    {a} = {a} * 0.5
if {a}[0] > 0.1:@    s = s * 0.5@else:@    {a} = {b} + 0.1
if {a}.min() > s:@    {a}, {b} = {b}, {a}
if n == 2:@    {a} = {a} + 1
""".strip().splitlines()
HEADS = """
while {c}:
while True:@    {early}@    if not ({c}): break
while True:@    if e < 1e-3 * tol: break
for k in range(40):@    {early}@    if e < 1e-3 * tol: break
n = 40@for _ in range(n):@    if not ({c}): break
while {c}:@    m += 1
while {c} and m < 9:@    m += 1@    {early}
while m < 40 and {c}:@    m += 2
while True:@    m -= 1@    if not ({c}): return m, x
while True:@    {early}@    m = m + 1@    if not ({c}): break@    if m > 11: return x, 'many', m
for m in range(40):@    {early}@    if e < 1e-3 * tol: return m, y
for m in range(7):@    if e < 1e-3 * tol: break@    {early}@else:@    return x, {{'m': m}}
while {c}:@    m += 1@    if s > 5 and m > 3: return z, [m - 1]
while {c} or e > 30 * tol:@    {early}
while {c} or (e > 3 * tol and m < 20):@    m += 1
while m < 5 or {c}:@    m += 1@    {early}
while True:@    if x.max() > 3:@        m += 1@        if e < tol: break@    elif not ({c}): return m
while True:@    if x.min() < 0:@        if e < tol: return x, m@    elif e < tol: break@    m += 1@    {early}
while {c} and not (x.min() > 2):@    m += 1@    if m == 30: raise ValueError(f'no end {{m}}')
""".strip().splitlines()
CONDITIONS = ["e > tol", "np.abs(e - tol * 0.5) > tol * 0.6", "e > tol and s > -1e9", "not (e < tol)",
              "e > tol or e > np.abs(s)"]
AFTER = ["if m > 8:@    x = x + 1", "if 8 == m: raise ValueError(f'after {m}')", "y = y / (m + 1)", "m = m + 1",
         "t = m", "log.append(m)", "m = 2 + (m - 1)", "if m < e: return m"]


def random_program(seed):
    chance = random.Random(seed)

    def statement():
        found = chance.choice(STATEMENTS)
        a, b = chance.sample("xyz", 2)
        return found.format(a=a, b=b, c="", early="")
    head = chance.choice(HEADS).format(c=chance.choice(CONDITIONS), early=statement().replace("@", "@    "))
    body = [statement() for _ in range(chance.randint(1, 5))]
    body.insert(chance.randint(0, len(body)), "e = e * 0.5")
    lines = ["x = x + 0.0" if chance.random() < 0.8 else "pass", "z = (x + y) * 0.5", "e = np.abs(x).max() + 1.0",
             "s, t, n, m, tol, log, box = y.sum(), x[0] * 1.0, 0, 0, 0.1, [], {}", "view = y[1:]", *head.split("@"),
             *[f"    {line}" for one in body for line in one.split("@")],
             *([statement()] if chance.random() < 0.5 else []),
             *([chance.choice(AFTER)] if chance.random() < 0.3 else []),
             f"return {', '.join(chance.sample(['x', 'y', 'z', 'e', 's', 't', 'n', 'm', 'm + 1', 'view', 'log'], 4))}"]
    return "def f(x, y):\n" + "\n".join(f"    {x}" for line in lines for x in line.split("@")) + "\n"


def result_of(f, args):
    try:
        return f(*args)
    except (ValueError, IndexError, ArithmeticError) as error:
        return str(error)


def tried(seed, module):
    """What differs, as text, or None; and the jitted function."""
    return tried_text(random_program(seed), seed, module)


def tried_text(text, seed, module):
    """The same, of the text of a function."""
    np = importlib.import_module(module) if isinstance(module, str) else module
    spaces = [{"np": one, "__name__": "random_loops"} for one in (real, np)]
    for space in spaces:
        exec(text, space)
    f = np.jit(spaces[1]["f"])
    with unchecked(False), real.errstate(all="ignore"):
        for k in range(CALLS):
            if k >= PLAIN and WITH_KERNELS:
                for one in f._compiled:
                    one.quicken()
                    assert not kernels.failures, kernels.failures
            rng = real.random.default_rng(1000 * seed + k)
            given = rng.normal(size=5) * 10 ** rng.uniform(0, 4), rng.normal(size=5)
            own = tuple(map(np.array, given))
            expected, found = [result_of(g, args) for g, args in ((spaces[0]["f"], given), (f, own))]
            differs = difference((expected, given), (found, own))
            if differs:
                return f"call {k}: {differs}", f
    return None, f
