"""Steps that NumPy refuses, and steps under another errstate or warnings filter."""

import dataclasses

from tests.program_core import Step, kind
from tests.program_math import expression
from tests.program_writes import in_place

REFUSED = (
    "{1} = {0} + np.zeros((7, 11, 13))", "{1} = {0}.reshape(7, 11, 13)", "{1} = {0}[99]", "{0}[99] = 1",
    "{1} = {0}[..., 99]", "{1} = {0} @ np.ones((19, 23))", "{1} = np.concatenate([{0}, np.zeros((2, 2, 2, 2, 2))])",
    "{1} = {0}.sum(axis=9)", "{1} = {0} + 'text'", "{1} = np.sum({0}, axis=(0, 0))", "{0} += np.zeros((3, 3, 3, 3, 3))",
    "{0}[...] = np.zeros((3, 3, 3, 3, 3))", "{1} = {0}.transpose(0, 0)", "{1} = np.add({0})",
    "{1} = np.add({0}, 1, out=np.zeros((2, 71)))", "{1} = np.add({0}, 1, out=3)", "{1} = np.add({0}, 1, nonsense=2)",
    "{1} = np.add({0}, 1, dtype='U3')", "{1} = {0}.nonsense", "{1} = np.nonsense({0})", "{1} = {0}.astype('nonsense')",
    "{0}.shape = (99, 99)", "{1} = np.zeros(3) + np.array(['a', 'b', 'c'])", "{1} = np.arange(3) ** -1",
    "{1} = np.arange(3) ** np.array([1, -1, 2])", "{0} += 1j", "{0} /= 2", "{0} += 0.5", "{0} |= 1.5", "{0}[...] = nan",
    "{0}[...] = 'text'", "{0}[0] = [1, 2, 3, 4, 5, 6, 7]", "{1} = {0}['field']", "{1} = {0}[1.5]", "{1} = int({0})",
    "{1} = bool({0})", "{1} = float({0})", "{1} = len(np.array(3))", "{1} = iter(np.array(3))", "{1} = {0}[[0, 99]]",
    "{1} = hash({0})", "{1} = {0}[np.ones(77, bool)]", "{1} = np.linalg.inv(np.zeros((2, 2)))",
    "{1} = np.linalg.cholesky(-np.eye(2))", "{1} = {0}.max(axis=0)", "{1} = np.array([]).max()",
    "{1} = np.array([]).argmin()", "{1} = np.arange(0, 5, 0)", "{1} = np.zeros(-1)", "{1} = np.zeros((2, -3))",
    "{1} = np.broadcast_to({0}, (1, 3, 77))", "np.broadcast_to({0}, (2, *{0}.shape))[...] = 1",
    "{1} = np.stack([{0}, np.zeros(77)])", "{1} = ~np.zeros(2)", "{1} = np.array([1, 2], 'u1') + 300",
    "{1} = np.array([1, 2], 'u1') - (-1)", "{1} = np.array([1, 2], 'i1') * 128", "{1} = np.arange(3) << 0.5",
    "{1} = -np.array([True])", "{1} = np.array([True]) - True", "{1} = np.where({0})[99]", "{1} = np.split({0}, 37)",
    "{1} = {0}.swapaxes(0, 9)", "{1} = np.add.reduce({0}, axis=7)", "{1} = np.add.accumulate(np.array(3))",
    "{1} = np.repeat({0}, -1)", "{1} = np.bincount([-1])", "{1} = {0} @ 3", "{1} = {0}.view('i3')",
    "{1} = {0}.squeeze(0)", "{1} = np.take({0}, 99)", "{1} = np.choose([5], [{0}])", "{1} = np.matmul(3, {0})",
    "{1} = np.array(['a', '1']).astype(float)", "{1} = {0}.item(99)", "{0}.flat[99] = 1", "np.put({0}, [99], 1)",
    "np.copyto({0}, 1j)", "{1} = divmod({0}, '')", "{1} = np.add({0}, 1, where='text')",
    "{1} = np.add({0}, 1, casting='nonsense')", "{1} = np.clip({0})", "{1} = {0}.round('a')", "del {0}[0]",
    "{1} = np.exp({0}, 1, 2, 3)", "{1} = {0} < 'a'", "{1} = {0} == 'a'", "{1} = 'a' * {0}", "{1} = [1, 2] + {0}",
    "{1} = {0} + None", "{1} = None == {0}",
)  # fmt: skip


@kind(5)
def refused(scene):
    name = scene.pick(lambda x: x.size <= 3000)
    return name and scene.choice(REFUSED).format(name, scene.new())


@kind(1)
def written_to_readonly(scene):
    name = scene.pick(lambda x: not x.flags.writeable)
    return name and scene.choice((
        "{0}[...] = 1", "{0} += 1", "np.add({0}, 1, out={0})", "{0}.fill(1)", "np.copyto({0}, 1)", "{0}.sort()",
        "{0}.flat[0] = 1", "real.asarray({0})[...] = 1", "{0}.flags.writeable = True",
    )).format(name)  # fmt: skip


def _computation(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fc")
    if not name:
        return None
    if scene.chance(0.3):
        step = in_place(scene)
        return Step(step) if isinstance(step, str) else step
    return Step(f"{scene.new()} = {expression(scene, name, 2)}")


def _within(opening, step):
    """The step in a block, under its guard as before."""
    lines = step.source.split("\n")
    return dataclasses.replace(step, source="\n    ".join([opening, *lines]))


@kind(3)
def under_errstate(scene):
    """Floating-point errors raised where they occur."""
    step = _computation(scene)
    setting = scene.choice((
        "all='raise'", "all='raise'", "divide='raise'", "over='raise', invalid='raise'", "invalid='raise'",
        "all='ignore'",
    ))  # fmt: skip
    return step and _within(f"with np.errstate({setting}):", step)


@kind(1, threads=False)
def under_error_filter(scene):
    """Warnings of floating-point errors raised as exceptions."""
    step = _computation(scene)
    opening = "with warnings.catch_warnings(), np.errstate(all='warn'):\n    warnings.simplefilter('error')"
    return step and _within(opening, step)


@kind(1, threads=False)
def under_record(scene):
    """The categories of warnings that a block gives when what it computes is read within."""
    name = scene.pick(lambda x: x.dtype.kind in "fc")
    if not name:
        return None
    target, warned = scene.new(), scene.new("p")
    return (
        "with warnings.catch_warnings(record=True) as caught, np.errstate(all='warn'):\n"
        "    warnings.simplefilter('always')\n"
        f"    {target} = {expression(scene, name, 1)}\n    real.asarray({target})\n"
        f"{warned} = sorted({{w.category.__name__ for w in caught}}); del caught"
    )
