"""Random loops as numerical programs have them, in functions that are jitted and called again and again with fresh
arrays: conditions that a call asks for, steps that are Python's numbers, loops in loops; NumPy runs the same text."""

import random

from tests.program_convergence import tried_text

STATEMENTS = """
{a} = np.sin({b})
{a} = ({a} + {b}) * 0.5
{a} = np.where({a} > 0.2, {a}, {b})
{a} *= 0.5
{a} += {b}
{a}, {b} = {b}, {a}
{a}[1:] = {b}[:-1]
s = {a}.sum() * 0.1
{a}[0] = s
{a} = np.roll({a}, 1) * 0.9
{a} = np.concatenate([{b}[1:], {b}[:1]])
{a} = np.diff({b}, append=0.5) * 0.5
n += 1
if {a}.min() > s:@    {a} = {a} * 0.5
if np.allclose({a}, {b}):@    {a} = {a} + 0.25
if not np.array_equal({a}, {b}):@    {a} = {a} * 0.9
s = np.linalg.norm({a}, 1)
""".strip().splitlines()
FLOATS = """
h *= 0.5
h = h * 0.9 + 0.125
{a} = {a} - h * {b}
{a} = {a} * (1 - h) + {b} * h
if {a}.max() > 1:@    h = h * 0.9@else:@    h = h / 1.1
if {a}.min() < 0:@    h /= 2
h = max(h * 0.5, 0.125)
h = min(h * 2, 4)
h = abs(h - 0.75)
h, g = g, h
g = g * h
g += 1
{a} = np.where({b} > h, {a}, h)
{a} *= h
{a}[1] = h
{a} /= h + 1
h = 1.0 / h if h > 0.1 else 1.0
h = h ** 2 if g != 3 else -h
h = h / g
s = s * h
s = np.sqrt(h) + s
if h < s:@    {a} = {a} + h
if {a}.sum() < h and g > 0.5:@    g = 0.25
h = h - g
n += 1
h = 1.0
h = float(n)
""".strip().splitlines()
NESTED = """
q, t = np.abs({a}).max() + 1, 1.0@while q > 0.3:@    q = q * 0.2@    t *= 0.5@    {a} = {a} + t * {b}
q, w = np.abs({a}).max(), {a}@while q > 1:@    q = q * 0.2@    w = w * 0.5@{b} = w
q, w = np.abs({a}).max(), {a} * 1@while q > 1:@    q = q * 0.2@    w = w * 0.5@w += 0.25@{b} = w
q = np.abs({a}).max()@while q > 1:@    q = q * 0.2@    {a} = {a} * 0.5@{a} += 0.25
q, t = np.abs({a}).max(), 1.0@for j in range(40):@    if q < 0.3: break@    q = q * 0.2@    t = t * 0.75@{a} = {a} * t
q = np.abs({a}).max()@for j in range(4):@    if q < 0.3: break@    q = q * 0.2@    {a} = {a} * 0.9
q = np.abs({a}).max()@while True:@    v = {b} * q@    q = q * 0.2@    if q < s or q < 0.2: break
q = np.abs({a}).max()@while True:@    v = {b} * q@    q = q * 0.2@    if np.allclose(q, 0, atol=0.2): break@{a} = v
q, i = np.abs({a}).max(), 0@while q > 0.1 and i < 40:@    q = q * 0.2@    i += 1@    {a} = {a} * 0.9
q = np.abs({a}).max()@while q > 1:@    q = q * 0.2@    {a} *= 0.5
q = np.abs({a}).max()@while q > 1:@    q = q * 0.2@    if q > s:@        {a} = {a} * 0.5@    h = h * 0.9
{a} = halved({a}, {b})
{a} = halved({a}, {b})@{a} += 1
""".strip().splitlines()
HELPER = """
def halved(a, b):
    t = 1.0
    while np.abs(a).max() > 2:
        a = a * 0.5 + t * b * 0.1
        t = t * 0.5
    return a
"""
HEADS = """
while {c}:
while True:@    old = x@    {early}@    if not ({c}): break
for k in range(60):@    {early}@    if {d}: break
for k in range(60):@    if {d}: return x, k@    {early}
while not bool({s}):
while {c}:@    if {d}: break
for k in range(60):@    {early}@    if {d}: break@    if {s}: return z
while True:@    {early}@    if np.array_equal(np.rint(x), np.rint(z)): break@    if {s}: break
while True:@    {early}@    if bool({s}): break
""".strip().splitlines()
CONDITIONS = ["e > tol", "not np.allclose(e, 0, atol=tol)", "not bool(e < tol)", "not np.isclose(e, 0.0, atol=tol)",
              "bool(e > tol) and n < 20"]
SURE = ["e < tol", "bool(e < tol)", "np.allclose(e, 0.0, atol=tol)", "not bool(e > tol)"]
"""Conditions that come true."""
ENDS = [*SURE, "np.allclose(e * x, e * y, rtol=1e-3, atol=0.01)", "np.isclose(e * x, 0, atol=1e-2).all()",
        "np.allclose(e * x, 0.0, atol=tol)", "np.array_equal(np.rint(e * x), np.rint(e * z))",
        "np.allclose(x / e, y / e, rtol=10., atol=1.)"]


def random_program(seed):
    """The text of a function of two arrays."""
    chance = random.Random(seed)

    floats, nested = chance.random() < 0.6, chance.random() < 0.3

    def statement():
        if nested and chance.random() < 0.3:
            a, b = chance.sample("xyz", 2)
            return chance.choice(NESTED).format(a=a, b=b)
        found = chance.choice(FLOATS if floats and chance.random() < 0.6 else STATEMENTS)
        a, b = chance.sample("xyz", 2)
        return found.format(a=a, b=b)

    head = chance.choice(HEADS).format(c=chance.choice(CONDITIONS), d=chance.choice(ENDS), s=chance.choice(SURE),
                                       early=statement().replace("@", "@    "))
    body = [statement() for _ in range(chance.randint(1, 4))]
    body.insert(chance.randint(0, len(body)), "e = e * 0.3" if nested else "e = e * 0.5")
    lines = ["x = x + 0.0", "z = (x + y) * 0.5", "e = np.abs(x).max() + 1.0", "s, n, k, tol = y.sum(), 0, 0, 0.1",
             "h, g, v, w = 1.0, 0.5, x, y",
             *head.split("@"), *[f"    {line}" for one in body for line in one.split("@")],
             *(["x = x + h"] if chance.random() < 0.1 else []),
             f"return {', '.join(chance.sample(['x', 'y', 'z', 'e', 's', 'n', 'k'] + ['h'] * (seed % 7 == 0), 4))}"]
    return HELPER + "def f(x, y):\n" + "\n".join(f"    {x}" for line in lines for x in line.split("@")) + "\n"


def tried(seed, module):
    """What differs, as text, or None; and the jitted function."""
    return tried_text(random_program(seed), seed, module)
