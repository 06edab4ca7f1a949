"""Random programs: made from a seed, run in lockstep on NumPy and another module, shrunk when they differ.

What a program may not contain, since NumPy itself does not define it or contradicts itself there:

| left out                                   | why                                                                 |
|--------------------------------------------|---------------------------------------------------------------------|
| a NaN's sign and payload                   | vector body and tail of NumPy's loops differ: compared as NaN only; |
|                                            | programs that would show them (views of NaN as integers, `signbit`, |
|                                            | `copysign`, byte swaps of floats) end before they do                |
| casts of floats outside an integer's range | undefined in C: the step's guard looks first                        |
| uninitialised memory                       | `where=` only with `out=`, `empty` only with `fill`                 |
| what integer `power` leaves in `out` when  | NumPy has written some elements, or uninitialised buffers, by then  |
| it raises for a negative exponent          |                                                                     |
| comparisons of integers with `where=`      | `np.greater(unsigned, -1, where=...)` crashes NumPy 2.4             |
| reductions of numbers with an object `out` | `np.any(numbers, out=objects)` corrupts NumPy 2.4's memory          |
| what an assignment leaves when one of many | as many elements as NumPy's path has converted by then, and paths   |
| texts or objects cannot be converted       | differ for arrays that NumPy takes through `__array__`              |
| booleans seen as other integers            | a byte other than 0 and 1 is no boolean                             |
| strides of axes of length 0 and 1          | they take no step; NumPy leaves them arbitrary                      |
| `asarray(real ndarray) is` that ndarray    | the documented difference of types                                  |
| shape, dtype and flags set on an array that| in NumPy's world that alias is the same object, elsewhere it cannot |
| `asarray` returned as it was               | be                                                                  |
| a Tensor or lazy scalar put into one       | NumPy takes it as a number there (`__int__`), not as an array: a    |
| element of a real ndarray; a lazy scalar   | documented difference                                               |
| put into a part of one                     |                                                                     |
| `flags.writeable = True` where it is       | NumPy looks at a real array's base, a memoryview of the Tensor      |
| `1j == s` for a lazy float64               | Python's complex compares itself with floats: a documented one too  |

Everything else counts: values, sign of zero, dtype, shape, layout, kind, exceptions' types, effects, sharing.
"""

import dataclasses
import random
import re
import time
import warnings

import numpy as real

from tests import program_create, program_errors, program_functions, program_math, program_views, program_writes
from tests.helpers import difference
from tests.program_core import KINDS, Program, Reference, Scene, Step, World

FOREIGN_ELEMENT = re.compile(r"r\d+\.fill\(.*\b(np\.|[aos]\d)|x\[\(\)\].*= .*\b(np\.|[aors]\d)|"
                             r"r\d+\[[^:]*(?<!\.\.\.)\] ?\S?\S?= .*\b(np\.|[aos]\d)")
FOREIGN_FLAT = re.compile(r"(?:.*; )?(r\d+)\.flat(?:\[.*\])? = (.*\b(?:np\.|[aos]\d).*)")
FOREIGN_PART = re.compile(r"(?:.*; )?r\d+\[.*\] = ([as]\d+)$")
WRITEABLE_AGAIN = re.compile(r"([ar]\d+)\.flags\.writeable = True$")
COMPLEX_COMPARED = re.compile(r"(1j|2-0\.5j|complex\(-0\.0, inf\))\)? [=!]= ")
POWER, LARGE_NUMBER = re.compile(r"power|\*\*(?!40|63)"), re.compile(r"\*\*(40|63)")
MODES = ("every", "end", "random")  # when the two worlds are compared
# importing registers kinds
FAMILIES = (program_create, program_math, program_views, program_writes, program_errors, program_functions)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where a program differs (the number of a step, or the number of steps: at the end), how, and on which run."""

    program: Program
    step: int
    text: str
    run: int = 0

    def report(self, module):
        steps = self.program.steps
        where = f"at `{steps[self.step].source}`" if self.step < len(steps) else "at the end"
        first = ("", "# on the second run in one process\n", "# on other data, after two runs on what stands here\n")
        return f"{self.program.source(module)}{first[self.run]}# {where}: {self.text}\n"


# ---------------------------------------------------------------- making


def generate(seed, given=(), threaded=False, big=None):
    """The program of a seed: steps chosen in NumPy's world as it stands after the steps before."""
    scene = Scene(seed, given, threaded, big)
    kinds = [kind for kind in KINDS if kind.threads or not threaded]
    weights = [KINDS[kind] for kind in kinds]
    starts = [program_create.owned, program_create.owned, program_create.shared, program_create.interleaved]
    openings = scene.random.choices(starts, k=scene.random.randint(1, 3)) + [program_create.owned]
    length = scene.random.randint(4, 10 if scene.big else 26) * (8 if scene.chance(0.01) else 1)
    mode = scene.choice(MODES)
    steps = []
    with quiet():
        while len(steps) < length:
            kind = openings.pop() if openings else scene.random.choices(kinds, weights)[0]
            step = _made(kind, scene, mode)
            if step is not None and not _append(scene, steps, step):
                break
        if scene.chance(0.4):
            _append_probes(scene, steps)
    return Program(seed, tuple(steps), runs=(1, 1, 2, 3)[seed % 4])


def _made(kind, scene, mode):
    made = kind(scene)
    if not made:
        return None
    step = _with_modest_powers(made if isinstance(made, Step) else Step(made), scene.world)
    compare = mode == "every" or (mode == "random" and scene.chance(0.2))
    return dataclasses.replace(step, compare=compare)


def _with_modest_powers(step, world):
    """The step, guarded where it raises to powers and objects take part: Python would compute them for hours."""
    names = sorted(set(re.findall(r"\b[ar]\d+\b", step.source)))
    objects = [name for name in names if str(getattr(world.names.get(name), "dtype", "")) == "object"]
    if not objects or not POWER.search(step.source):
        return step
    guards = [step.guard] if step.guard else []
    modest = [f"modest({name})" for name in objects] + ["False"] * bool(LARGE_NUMBER.search(step.source))
    return dataclasses.replace(step, guard=" and ".join(modest + guards))


def _append(scene, steps, step):
    """Execute a step in the scene and keep it; False when the program has to end before it."""
    world = scene.world
    if _is_documented(step.source, world) or not world.admits(step):
        return True  # not made: what it would do is undefined
    world.execute(step)
    if world.undefined:
        return False
    steps.append(step)
    crowd = [name for name, value in world.live().items() if not program_math.bounded(value)]
    while len(world.live()) - len(crowd) > 12:
        crowd.append(scene.choice([name for name in world.live() if name not in crowd]))
    if crowd:
        steps.append(Step("del " + ", ".join(crowd)))
        world.execute(steps[-1])
    return True


def _is_documented(source, world):
    """Whether a step is of those that the table above leaves out as documented differences."""
    name = re.match(r"a\d+\b", source)
    target = world.names.get(name.group()) if name else None
    if id(target) in world.foreign:
        source = "r0" + source[name.end():]
    part, again = FOREIGN_PART.match(source), WRITEABLE_AGAIN.match(source)
    if FOREIGN_ELEMENT.match(source) or COMPLEX_COMPARED.search(source):
        return True
    if flat := FOREIGN_FLAT.match(source):  # numbers go through `float` there, and times are none
        target = world.names.get(flat.group(1), target)
        values = [world.names.get(name) for name in re.findall(r"[as]\d+", flat.group(2))]
        return target.dtype.kind in "mM" or any(isinstance(x, real.longdouble) for x in values)
    if part:
        return isinstance(world.names.get(part.group(1)), real.generic)
    return bool(again) and world.names.get(again.group(1), target).flags.writeable


def _append_probes(scene, steps):
    """Write through every handle left and compare after each: what shares memory with what becomes visible."""
    for name in scene.arrays(lambda x: x.flags.writeable and x.dtype.kind in "fciu" and x.size):
        if not _append(scene, steps, Step(f"{name}[...] += 1", compare=True)):
            break


# ---------------------------------------------------------------- running


class quiet:
    """No floating-point errors or warnings inside the block (of this thread; of the process for warnings)."""

    def __enter__(self):
        self.contexts = real.errstate(all="ignore"), warnings.catch_warnings()
        for context in self.contexts:
            context.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *error):
        for context in reversed(self.contexts):
            context.__exit__(*error)


def run(program, module):
    """Run a program on NumPy and on `module` in lockstep; return the first Difference, or None."""
    for number in range(program.runs):
        with quiet():
            found = lockstep(program if number < 2 else program.with_other_data(), module)
        if found:
            return dataclasses.replace(found, program=program, run=number)
    return None


def lockstep(program, module, given=(), given_actual=()):
    """One run, under the errstate and filters in force (filters are shared by threads, so those set them once)."""
    expected, actual = Reference(given), World(module, given_actual)
    for position, step in enumerate(program.steps):
        if not expected.admits(step):
            break
        outcome = expected.execute(step)
        if expected.undefined:
            return None  # the two worlds no longer stand at the same step, and nothing is owed here
        found = _outcome_difference(outcome, actual.execute(step))
        if not found and step.compare:
            found = _world_difference(expected, actual, program.seed + position)
        if found:
            return Difference(program, position, found)
    found = _world_difference(expected, actual, program.seed)
    return found and Difference(program, len(program.steps), found)


def _outcome_difference(expected, actual):
    if (expected and expected[0]) == (actual and actual[0]):
        if expected and actual[2] and not expected[2]:
            return f"{expected[0].__name__}({expected[1]}): expected context {expected[2]}, got {actual[2]}"
        return None
    names = [f"{outcome[0].__name__}({outcome[1]})" if outcome else "no exception" for outcome in (expected, actual)]
    return f"expected {names[0]}, got {names[1]}"


def _world_difference(expected, actual, seed):
    """Compare all live values, in an order that the seed decides: reading one evaluates others."""
    left, right = expected.live(), actual.live()
    if set(left) != set(right):
        return f"names: expected {sorted(left)}, got {sorted(right)}"
    names = sorted(left)
    random.Random(seed).shuffle(names)
    for name in names:
        try:
            found = difference(left[name], right[name])
        except Exception as error:
            found = f"raised only when read: {error!r}"
        if found:
            return f"{name}: {found}"
    return None


# ---------------------------------------------------------------- shrinking


def shrink(found, module, attempts=400, seconds=60):
    """The Difference of a program with steps removed greedily, from the end, while it still differs."""
    best, changed = found, True
    end = time.monotonic() + seconds
    while changed and attempts > 0:
        changed = False
        for candidate in _smaller(best):
            attempts -= 1
            smaller = run(candidate, module)
            if smaller:
                best, changed = smaller, True
                break
            if attempts <= 0 or time.monotonic() > end:
                return best
    return best


def _smaller(found):
    """Programs with less in them: cut after the difference, without a step, without a comparison."""
    program, steps = found.program, found.program.steps
    if program.runs > 1:
        yield dataclasses.replace(program, runs=found.run)  # 0 runs differ nowhere
        yield dataclasses.replace(program, runs=found.run + 1)
    if found.step + 1 < len(steps):
        yield dataclasses.replace(program, steps=steps[: found.step + 1])
    half = len(steps) // 2
    if half > 3:
        yield dataclasses.replace(program, steps=steps[half:])
    for position in reversed(range(len(steps))):
        yield dataclasses.replace(program, steps=steps[:position] + steps[position + 1 :])
    for position, step in enumerate(steps):
        if step.compare:
            without = dataclasses.replace(step, compare=False)
            yield dataclasses.replace(program, steps=(*steps[:position], without, *steps[position + 1 :]))
