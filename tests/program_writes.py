"""Steps that write: assignment, in-place operators, `out=`, `where=`, functions that fill, foreign writers, swaps."""

from tests.program_core import Step, kind
from tests.program_math import BINARY, OPERATORS, UNARY, axis_for, expression, kind_letter
from tests.program_views import advanced_index, basic_index, view_suffix


def any_index(scene, name):
    if scene.chance(0.35):
        return advanced_index(scene, name)
    return basic_index(scene, scene.world.names[name].shape)


def source_value(scene, name):
    """What is assigned: a scalar, the array itself in another order, an expression."""
    roll = scene.random.random()
    if roll < 0.35:
        return scene.scalar()
    if roll < 0.5:
        return scene.rearranged(name)
    return expression(scene, name, scene.choice((0, 1, 1, 2)))


@kind(14)
def assigned(scene):
    name = scene.writable()
    if not name:
        return None
    index = any_index(scene, name)
    roll = scene.random.random()
    if roll < 0.45:  # of the shape that the index asks for
        value = f"{source_value(scene, name)}" if index in ("...", ":") else _part_of(scene, name, index)
    elif roll < 0.8:
        value = scene.scalar()
    else:
        value = source_value(scene, name)
    return Step(f"{name}[{index}] = {value}", guard=f"in_range({value}, {name}.dtype)")


def _part_of(scene, name, index):
    alike = scene.arrays(lambda x: x.shape == scene.world.names[name].shape)
    other = scene.choice(alike)
    return scene.choice((f"{other}[{index}]", f"{other}[{index}] * 2", f"{other}[{index}][::-1]", f"-{other}[{index}]"))


@kind(8)
def overlapping(scene):
    """An array assigned parts of itself that overlap where they go."""
    name = scene.writable(lambda x: x.ndim and x.shape[0] > 2)
    source = scene.choice((
        "{0}[1:] = {0}[:-1]", "{0}[:-1] = {0}[1:]", "{0}[...] = {0}[::-1]", "{0}[::-1] = {0}", "{0}[2:] = {0}[:-2] * 2",
        "{0}[1:] += {0}[:-1]", "{0}[:-1] -= {0}[1:]", "{0}[1:-1] = ({0}[2:] + {0}[:-2]) * 0.5",
        "np.add({0}[1:], {0}[:-1], out={0}[1:])", "np.add({0}[1:], {0}[:-1], out={0}[:-1])",
        "np.negative({0}, out={0}[::-1])", "{0} += {0}[::-1]", "np.add({0}, {0}, out={0})", "{0}[::2] = {0}[:1]",
        "{0}.T[...] = {0}", "np.copyto({0}[1:], {0}[:-1])", "{0} *= {0}", "np.multiply({0}, {0}, {0})",
        "np.cumsum({0}, axis=0, out={0})", "np.square({0}[:-1], out={0}[1:])", "{0}[...] = {0}.T", "{0} += {0}.T",
        "np.exp({0}[::2], out={0}[::2])", "np.sqrt({0}, out={0})", "{0}[[0, 1]] = {0}[[1, 0]]",
        "{0}[{0} > 0] = {0}[{0} > 0][::-1]",
    ))  # fmt: skip
    return name and source.format(name)


@kind(6)
def chosen(scene):
    """What a mask picks, computed and put back where it is true."""
    name = scene.writable(lambda x: x.ndim)
    if not name:
        return None
    other = scene.choice(scene.arrays(lambda x: x.shape == scene.world.names[name].shape))
    mask = scene.choice((f"{name} > 0", f"{name} == {name}", f"{other} != 0", f"abs({other}) < 2", f"~({name} < 1)"))
    value = scene.choice((
        "{0}[chosen] * 2", "{0}[chosen] ** 2 + {1}[chosen]", "{1}[chosen]", "{0}[chosen] - {1}[chosen] * {0}[chosen]",
        "-{1}[chosen]", "{0}[chosen] + {2}", "np.square({1}[chosen])", "np.sqrt({0}[chosen])",
        "{0}[chosen][::-1] + {1}[chosen]", "np.maximum({0}[chosen], {1}[chosen]) / {2}", "np.exp({0}[chosen])",
        "{0}[chosen] * {1}[chosen].sum()",
    )).format(name, other, scene.scalar())  # fmt: skip
    lines = [f"chosen = {mask}", f"{name}[chosen] = {value}"]
    if scene.chance(0.3):
        lines.insert(1, f"picked = {name}[chosen]")
        lines += [f"{name}[chosen] = picked + {other}[chosen]", "del picked"]
    if scene.chance(0.2):
        lines.insert(-1, f"chosen[:1] = {scene.choice(('True', 'False'))}")
    whole = value.replace("[chosen]", "")
    return Step("\n".join([*lines, "del chosen"]), guard=f"in_range({whole}, {name}.dtype)")


@kind(12)
def in_place(scene):
    name = scene.writable()
    if not name:
        return None
    operator = scene.choice(OPERATORS[kind_letter(scene, name)].split() + ["+", "*", "-"])
    operator = operator if operator not in ("==", "<", "!=", ">=") else "+"
    other = expression(scene, name, 1) if scene.chance(0.3) else scene.operand(name)
    if scene.chance(0.4):  # through a view
        part = f"[{any_index(scene, name)}]"
        other = scene.scalar() if scene.chance(0.6) else f"{scene.choice(scene.arrays())}{part}"
        # one element is read, computed on and assigned, which casts as assignments do
        return Step(
            f"{name}{part} {operator}= {other}", guard=f"in_range({name}{part} {operator} {other}, {name}.dtype)"
        )
    if scene.chance(0.1) and scene.world.names[name].dtype.kind in "fciu":
        exponent = scene.exponent()
        return Step(f"{name} **= {exponent}", guard=f"succeeds(lambda: {name} ** {exponent})")
    return f"{name} {operator}= {other}"


@kind(9)
def into_out(scene):
    """A ufunc whose result goes into an array that is there, or a view of it; now and then masked."""
    out = scene.writable()
    if not out:
        return None
    others = scene.arrays(lambda x: x.shape == scene.world.names[out].shape)
    name = scene.choice(others) if scene.chance(0.8) else out
    letter = kind_letter(scene, name)
    if scene.chance(0.5):
        call = f"np.{scene.choice(BINARY[letter].split())}({name}, {scene.operand(name)}"
    else:
        names = [n for n in UNARY[letter].split() if n not in ("real", "imag", "angle", "nan_to_num")] or ["absolute"]
        call = f"np.{scene.choice(names)}({name}"
    destination = scene.choice((out, out, f"({out},)", f"{out}[...]", f"{out}[::-1]"))
    where = f", where={scene.choice((f'{name} > 0', 'False', 'True', f'{out} != 0'))}" if scene.chance(0.25) else ""
    if where and call.startswith(("np.less", "np.greater", "np.equal")):
        return None  # NumPy 2.4 crashes when one side is a Python integer outside the other's dtype
    casting = ", casting='unsafe'" if scene.chance(0.12) else ""
    guard = f"in_range({call}), {out}.dtype)" if casting else ""
    if "power" in call:
        guard = f"succeeds(lambda: {call}))" + (guard and f" and {guard}")
    return Step(f"{scene.new()} = {call}, out={destination}{where}{casting})", guard)


@kind(4)
def reduced_into_out(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fiu" and x.ndim)
    if not name:
        return None
    x = scene.world.names[name]
    axis = axis_for(scene, x.ndim)
    outs = scene.arrays(
        lambda y: y.flags.writeable and y.dtype != object and y.ndim == x.ndim - 1 and {*y.shape} <= {*x.shape}
    )
    out = scene.choice(outs) if outs and scene.chance(0.8) else f"np.zeros({x.shape[1:]})"
    function = scene.choice(("np.sum", "np.add.reduce", "np.max", "np.mean", "np.prod", "np.maximum.reduce", "np.any"))
    axis = "0" if scene.chance(0.6) else axis
    return Step(
        f"{scene.new()} = {function}({name}, axis={axis}, out={out})",
        guard=f"in_range({function}({name}, axis={axis}), {out}.dtype)",
    )


@kind(8)
def filled_in(scene):
    """Functions and methods that write into their argument."""
    name = scene.writable()
    if not name:
        return None
    value, other = scene.scalar(), scene.choice(scene.arrays())
    n = scene.random.randint(-1, max(scene.world.names[name].size - 1, 0))
    source = scene.choice((
        "{0}.fill({1})", "np.copyto({0}, {1})", "np.copyto({0}, {2})", "np.copyto({0}, {2}, casting='unsafe')",
        "np.copyto({0}, {1}, where={0} > 0)", "np.put({0}, [0, -1], {1})", "np.put({0}, [{3}], {2})",
        "{0}.put([0], {1})", "np.put({0}, [0, 7], {1}, mode='wrap')", "{0}.flat[{3}] = {1}", "{0}.flat = {1}",
        "{0}.flat[::2] = {1}", "{0}.flat[[0, -1]] = {1}", "np.place({0}, {0} > 0, [{1}])",
        "np.putmask({0}, {0} == 0, {1})", "np.fill_diagonal({0}, {1})", "{0}.sort()", "{0}.sort(axis=0)",
        "np.add.at({0}, [0, 0, -1], {1})", "np.multiply.at({0}, [0], {1})", "np.negative.at({0}, [0, 0])",
        "np.maximum.at({0}, ..., {1})", "{0}.partition(0)", "np.clip({0}, 0, 2, out={0})", "np.round({0}, 0, out={0})",
        "{0}.real = {1}", "{0}.imag = {1}", "{0}[()] = {1}", "{0}.itemset({1})",
        "np.put_along_axis({0}, np.argsort({0}), {1}, -1)", "np.take({0}, [0], out={0}[:1])", "{0}.byteswap(True)",
        "np.nan_to_num({0}, copy=False)", "np.matmul({0}[:99], {0}[:99], out={0}[:99])", "np.dot({2}, {2}, out={0})",
        "np.concatenate([{0}[:1], {0}[1:]], out={0})", "np.frexp({0}, out=({0}, None))",
        "np.where({0} > 0, {0}, {1}, )", "np.add.accumulate({0}, out={0})", "setattr({0}, 'T', 3)",
    )).format(name, value, other, n)  # fmt: skip
    if "byteswap" in source and scene.world.names[name].dtype.kind in "fcV":  # could make a NaN and show its bits
        return None
    return Step(source, guard=f"in_range({value}, {name}.dtype) and in_range({other}, {name}.dtype)")


@kind(3)
def rows(scene):
    """Writing while iterating."""
    name = scene.writable(lambda x: 0 < x.ndim and x.shape[0] < 40)
    source = scene.choice((
        "for row in {0}: row += 1", "for row in {0}: row[...] = {0}[0]", "for i, row in enumerate({0}): row *= i",
        "for row in {0}: row[:1] = {1}", "for i in range(len({0})): {0}[i] = {0}[-i] * 2",
        "for i in range(len({0})): {0}[i] += i", "for i in range(1, len({0})): {0}[i] = {0}[i - 1] + {0}[i]",
        "for row in {0}[::-1]: row -= {0}[0]", "rows = list({0})\nfor row in rows: row += rows[0]\ndel rows, row",
        "for i, v in enumerate({0}.flat): {0}.flat[i] = v + 1",
        "for row, other in zip({0}, {0}[::-1].copy()): row[...] = other",
        "for x in np.nditer({0}, op_flags=['readwrite']): x[...] = x * 2", "(row.fill(2) for row in {0}).__next__()",
        "for index in np.ndindex({0}.shape): {0}[index] = {0}[index] + 1",
        "for i, v in np.ndenumerate({0}): {0}[i] = v * 2", "if {0}.any():\n    {0}[...] = 0",
    ))  # fmt: skip
    if scene.big:
        return None
    return name and source.format(name, scene.scalar())


@kind(4)
def swapped(scene):
    name = scene.writable(lambda x: x.ndim and x.shape[0] > 1)
    return name and scene.choice((
        "{0}[0], {0}[1] = {0}[1].copy(), {0}[0]", "{0}[0], {0}[1] = {0}[1], {0}[0]",
        "{0}[0], {0}[-1] = {0}[-1], {0}[0].copy()", "{0}[[0, 1]] = {0}[[1, 0]]",
        "{0}[:1], {0}[1:2] = {0}[1:2] + 0, {0}[:1] + 0", "{0}[..., 0], {0}[..., -1] = {0}[..., -1], {0}[..., 0] + 0",
        "{0}[0] += {0}[1]; {0}[1] -= {0}[0]",
    )).format(name)  # fmt: skip


@kind(7)
def foreign(scene):
    """Other code writes into the memory, through a real ndarray, a buffer, or NumPy itself."""
    name = scene.writable(lambda x: x.dtype.kind in "fciu")
    if not name:
        return None
    other = scene.operand(name)
    value = scene.choice(("5", "-1", "0", "1.5"))
    source = scene.choice((
        "real.asarray({0})[...] = {1}", "real.asarray({0})[..., :1] += 1", "real.add({0}, 1, out=real.asarray({0}))",
        "np.asarray({0})[...] = {1}", "real.asarray({0}).flat[0] = {1}", "memoryview({0})[0] = {1}",
        "real.add({0}, 1, out={0})", "real.copyto({0}, {1})", "real.add.at({0}, [0], 1)",
        "{0}.ravel(order='K')[:2] = {1}", "{2} = real.asarray({0}); {2} += 1", "{2} = real.asarray({0}); {0} += 1",
        "{2} = real.add({0}, 1)", "{2} = real.asarray({0})[::-1]; {0}[:1] = {1}",
        "{2} = real.multiply({0}, 2); {2} -= {0}", "real.from_dlpack({0})[...] = {1}", "{2} = real.sum({0}, axis=0)",
        "{2} = real.concatenate([{0}, {0}])", "{2} = real.array({0}); {2}[...] = {0}",
        "{2} = real.where({0} > 0, {0}, {1})", "{2} = real.asarray({0}); {2}[...] = {3}",
        "{2} = real.zeros({0}.shape); {2} += {0}", "{2} = real.zeros({0}.shape); real.multiply({0}, 2, out={2})",
    )).format(name, value, scene.new("r"), other)  # fmt: skip
    return Step(source, guard=f"in_range({other}, {name}.dtype)")


@kind(7)
def written_by_real(scene):
    """A real ndarray kept from before is written while results over it may be pending."""
    kept = [
        n for n in scene.arrays(lambda x: x.flags.writeable and x.size and x.dtype.kind in "fciu") if n.startswith("r")
    ]
    if not kept:
        return None
    name, other = scene.choice(kept), scene.choice(scene.arrays())
    source = scene.choice((
        "{0} += 1", "{0}[...] = 3", "{0}[..., 0] = -1", "{0} *= 2", "{0}[...] = {1}", "{0}[..., ::2] -= 1",
        "{0} += {1}", "real.negative({0}, out={0})", "{0}.fill(2)", "{0}[...] = {0}[..., ::-1]",
    )).format(name, other)  # fmt: skip
    return Step(source, guard=f"in_range({other}, {name}.dtype)" if "= " + other in source else "")


@kind(5)
def view_written(scene):
    """A view made and written in one breath, the handle kept or lost."""
    name = scene.writable()
    if not name:
        return None
    target = scene.new("v")
    source = (
        f"{target} = {name}{view_suffix(scene, name)}; {target} {scene.choice(('+=', '*=', '-='))} {scene.scalar()}"
    )
    return source + (f"; del {target}" if scene.chance(0.5) else "")


@kind(3)
def looped(scene):
    """The same work again and again: deep graphs, plans used a second time."""
    name = scene.writable(lambda x: x.dtype.kind in "fciu")
    if not name:
        return None
    source = scene.choice((
        "for _ in range({1}): {0} = {0} * 0.5 + {2}", "for k in range({1}): {0} += k",
        "for k in range({1}): {0}[:1] = {0}[-1:] + k", "for k in range({1}): {3} = {0} * k - {2}",
        "for k in range(4): {3} = float(({0} * k + {2}).sum())",
        "for k in range(3): {3} = real.asarray(np.sqrt({0}) * 2 + k)",
        "for k in range(3): {3} = ({0}[k:] * 0.1 + k).max(initial=0)", "for k in range(3): {0} *= 2; {3} = repr({0})",
        "for k in range(3): {3} = {0}.copy(); {3} -= {2}; {0}[...] = {0}[::-1]",
        "for _ in range({1}): {0} += {2}; {0} -= {2}", "{3} = [({0} + k).sum() for k in range(5)]",
        "{3} = [{0} * k for k in range(3)]",
    ))  # fmt: skip
    return source.format(name, scene.choice((2, 3, 5, 12, 12, 100)), scene.operand(name), scene.new())


@kind(4)
def deleted(scene):
    names = [name for name in scene.world.live() if name[0] in "avlrs"]
    return f"del {scene.choice(names)}" if len(names) > 2 else None


@kind(3)
def conditional(scene):
    name = scene.writable(lambda x: x.dtype.kind in "fiu")
    return name and scene.choice((
        "if {0}.sum() > 1: {0} -= 1", "{0}[{0} > {0}.mean()] = 0", "if ({0} == 0).any(): {0}[...] = 1",
        "{0} -= {0}.min()", "{1} = {0}\n{0} = {0} + 1", "{1} = {0}\n{1} += 1",
        "if {0}.max() > 0 and {0}.ndim: {0}[0] = {0}.max()", "{0} += {0}.sum(dtype={0}.dtype)",
    )).format(name, scene.new())  # fmt: skip
