"""Random programs as functions: the first steps of a program of tests/programs.py make arguments, the rest is a
function of them. It is jitted and called again and again on fresh arguments; NumPy's world calls the plain function.

With `control`, steps stand under branches and loops that depend on values.
"""

import contextlib
import dataclasses
import random
import re

import numpy as real

from lazytensor.hybrid import compiled as checks
from lazytensor.run import kernels
from tests import programs
from tests.helpers import difference
from tests.program_core import HEADER, InvalidCasts, Program, Reference, Step, World, compiled
from tests.program_values import has_nan

NAME = re.compile(r"[ars]\d+$")
WORD = re.compile(r"[a-z]\d+")
VIEW = re.compile(r"(\w+) = (\w+)\.view\('")
CALLS = 4
CONDITIONS = ("({x} > {c}).any()", "{x}.sum() > {c}", "{x}.mean() < {c}", "({x} != {x}).any()",
              "{x}.size and {x}.max() > {c}",
              "{x}.all()")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Function:
    """A prelude that makes arguments, and the text of a function of them."""

    seed: int
    prelude: tuple  # of Program, one a call: the same steps on other data
    names: tuple
    text: str
    watched: str
    """The same function, which tells `Watch` of what its steps do: NumPy's world runs it first."""

    def report(self, module, found):
        """A script that shows the difference."""
        lines = [f"# seed {self.seed}", HEADER.format(module=module), self.text, "f = np.jit(f)"]
        for program in self.prelude:
            lines += [step.source for step in program.steps] + [f"print(f({', '.join(self.names)}))"]
        return "\n".join(lines) + f"\n# {found}\n"


def generate(seed, control=False, without=(), dropped=()):
    """The function of a seed, or None where the program is too short or leaves what NumPy defines. `without` has the
    numbers of steps that are left out, `dropped` the names whose steps are."""
    program = programs.generate(seed, big=False)
    chance = random.Random(seed + 1)
    steps = [s for s in program.steps if "real." not in s.source and not s.source.startswith("del ")]
    cut = chance.randint(1, max(1, len(steps) // 2))
    other = [Program(seed, tuple(steps))]
    for _ in range(CALLS - 1):
        other.append(_same_shapes(other[-1]))
    admitted = min(_admitted(p) for p in other)
    if admitted <= cut:
        return None
    names = [n for n in _names_after(other[0], cut) if n not in dropped]
    if not names:
        return None
    kept = [Step("pass") if i in without or not set(WORD.findall(s.source)).isdisjoint(dropped) else s
            for i, s in enumerate(steps[cut:admitted])]
    prelude = tuple(dataclasses.replace(p, steps=p.steps[:cut]) for p in other)
    text, watched = (f"def f({', '.join(names)}):\n{body}"
                     for body in _bodies(kept, names, chance if control else None))
    return Function(seed, prelude, tuple(names), text, watched)


def _same_shapes(program):
    """The steps on other values."""
    def other(call):
        dtype, shape, seed = re.match(r"data\('([^']*)', (\([^)]*\)), (\d+)\)", call[0]).groups()
        return f"data({dtype!r}, {shape}, {int(seed) + 7919})"

    steps = tuple(dataclasses.replace(s, source=re.sub(r"data\('[^']*', \([^)]*\), \d+\)", other, s.source))
                  for s in program.steps)  # fmt: skip
    return dataclasses.replace(program, steps=steps)


def _admitted(program):
    """How many steps run before NumPy's world says that the program leaves what is defined."""
    world = Reference()
    with programs.quiet():
        for position, step in enumerate(program.steps):
            if not world.admits(step):
                return position
            world.execute(step)
            if world.undefined:
                return position
    return len(program.steps)


def _names_after(program, cut):
    world = World(real)
    with programs.quiet():
        for step in program.steps[:cut]:
            world.execute(step)
    return [n for n, v in world.live().items() if NAME.match(n) and (n[0] != "s" or isinstance(v, real.generic))]


def _bodies(steps, names, chance):
    """The lines of the function, and the same lines with what `Watch` is told."""
    lines, watched, known = ["    log = []"], ["    log = []"], list(names)
    for number, step in enumerate(steps):
        indent = "    "
        if chance is not None and known:
            for opening in _openings(chance, known, number):
                lines.append(indent + opening)
                watched.append(indent + opening)
                indent += "    "
        parts, view = step.source.split("\n"), VIEW.match(step.source)
        for body, before, after in (
            (lines, [], []),
            (watched, [f"admit(lambda: {step.guard})"] * bool(step.guard),
             [f"see({view[2]}, {view[1]})" if view else "look()"]),
        ):
            body.append(f"{indent}try:")
            body += [f"{indent}    {part}" for part in (*before, *parts, *after)]
            body.append(f"{indent}except Exception as e: log.append(type(e).__name__)")
        known += [n for n in re.findall(r"^([as]\d+) = ", step.source) if n not in known]
    ends = ["    del log[50:]; e = None", "    return log, dict(locals())"]
    return ["\n".join(body + ends) + "\n" for body in (lines, watched)]


class _Left(BaseException):
    """The function leaves what NumPy defines."""


class Watch:
    """What NumPy's world says of the steps as they run, which branches and steps left out may have on other arrays than
    those that they were made for."""

    def __init__(self):
        self.casts, self.seen = InvalidCasts(), []

    def admit(self, guard):
        """Before a step; a guard that raises leaves it to the step to raise the same."""
        with contextlib.suppress(Exception):
            if not guard():
                raise _Left

    def see(self, own, other):
        """After one memory got two dtypes: no NaN may come to lie there, and a long double has bytes of no meaning."""
        floats = [x for x in (own, other) if x.dtype.kind in "fcV"]
        if own.real.dtype != other.real.dtype and floats:
            if any(x.dtype.char in "gG" for x in floats):
                raise _Left
            self.seen += floats
        self.look()

    def look(self):
        """After a step."""
        if self.casts.found or any(map(has_nan, self.seen)):
            raise _Left

    def stays(self, function, args):
        """Whether a function stays within what NumPy defines; if so it has been called."""
        function.__globals__.update(admit=self.admit, see=self.see, look=self.look)
        with real.errstate(invalid="log", call=self.casts):
            try:
                function(*args)
            except _Left:
                return False
            except Exception:
                return True
        return True


def _openings(chance, known, number):
    """The lines above a step: branches and loops, which may stand within each other."""
    found = []
    while chance.random() < 0.35 and len(found) < 2:
        x, c = chance.choice(known), chance.choice((0, 1, -1, 0.5, 3, 100))
        condition = chance.choice(CONDITIONS).format(x=x, c=c)
        kind = chance.random()
        if kind < 0.6:
            found.append(f"if truth(lambda: {condition}):")
        elif kind < 0.8:
            found.append(f"for i{len(found)} in range({chance.randint(0, 3)}):")
        else:
            found.append(f"for i{len(found)} in turns(lambda: {condition}):")
    return found


def tamed(seed, module, control=False, attempts=12):
    """The function of a seed without the steps for which the module runs the Python of all of it."""
    without, function = set(), generate(seed, control)
    dropped = set() if function is None else _unsuitable(function, module)
    for _ in range(attempts):
        function = generate(seed, control, without, dropped)
        if function is None:
            return None
        _, f = run(function, module)
        place = next((m for r in f.cache_info()["reasons"] if (m := re.search(r"<program>, line (\d+)\)$", r))), None)
        if place is None:
            return function
        lines = function.text.splitlines()[: int(place[1])]
        without.add(sum(line.strip() == "try:" for line in lines) - 1)
    return function


def _unsuitable(function, module):
    """The names of real arrays, of arrays that share memory with something outside, and of arrays of objects."""
    world, found = World(module), set()
    with programs.quiet():
        for step in function.prelude[0].steps:
            world.execute(step)
    for name, value in world.live().items():
        root = getattr(getattr(value, "_value", None), "root", value)
        if isinstance(value, real.ndarray) and (type(value) is real.ndarray or root._state is not None
                                                or value.dtype.hasobject):
            found.add(name)
    return found | {f"r{i}" for i in range(60)}


HELPERS = '''
def truth(f):
    try:
        return bool(f())
    except Exception:
        return False


def turns(f):
    for i in range(3):
        if not truth(f):
            return
        yield i
'''


@contextlib.contextmanager
def unchecked(checked):
    """Without the comparisons by which a jitted function would find a difference itself, and do the right thing."""
    before = checks.FIRST_CHECKS
    checks.FIRST_CHECKS = before if checked else ()
    try:
        yield
    finally:
        checks.FIRST_CHECKS = before


def run(function, module):
    """What differs, as text, or None; and the jitted function.

    Of two seeds one has its calls compared by the jitted function itself, which must find no difference; of two pairs
    one has kernels from the third call on.
    """
    with unchecked(function.seed % 2 == 0):
        found, f = _run(function, module)
    python = f.cache_info()["python"] or ""
    return found or (python if "gave something else" in python else None), f


def _run(function, module):
    worlds = [World(m) for m in (real, module, real)]
    with programs.quiet():
        for world in worlds:
            exec(compiled(HELPERS), world.names)
            exec(compiled(function.watched if world is worlds[2] else function.text), world.names)
        f, plain = module.jit(worlds[1].names["f"]), worlds[0].names["f"]
        for call, program in enumerate(function.prelude):
            if call == 2 and function.seed % 4 < 2:
                for compiled_ in f._compiled:
                    compiled_.quicken()
                    assert not kernels.failures, kernels.failures
            for step in program.steps:
                for world in worlds:
                    world.execute(step)
            args = [[world.names.get(n) for n in function.names] for world in worlds]
            if not Watch().stays(worlds[2].names["f"], args[2]):
                return None, f
            expected = _called(plain, args[0])
            actual = _called(f, args[1])
            found = difference(expected, actual) or difference(args[0], args[1])
            if found:
                return f"call {call + 1}: {found}", f
    return None, f


def _called(f, args):
    try:
        return f(*args)
    except Exception as error:
        return type(error).__name__


def against_numpy(seed, module, source, run, told):
    """(What differs or None, the function) for a program's text: of two seeds one has its calls compared by the
    function itself, too. `told` says where what was found differs from what NumPy gives."""
    expected, _ = run(seed, real, lambda f: f, source)
    with unchecked(seed % 2 == 0):
        found, f = run(seed, module, module.jit, source)
    if found == expected:
        said = f.cache_info()["python"] or ""
        return (f"{source}# seed {seed}: {said}" if "gave something else" in said else None), f
    return f"{source}# seed {seed}, {told(found, expected)}\n{f.explain()}", f
