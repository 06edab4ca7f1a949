"""Steps that look: views of every sort, indexing that copies, attributes, values read into Python."""

import numpy as real

from tests.program_core import Step, kind


def basic_index(scene, shape, wild=0.02):
    """Source of a basic index for a shape, without brackets; out of bounds with probability `wild`."""
    items = [_item(scene, n, wild) for n in shape[: scene.random.randint(0, len(shape))]]
    if scene.chance(0.15) and len(items) < len(shape):
        items.insert(scene.random.randint(0, len(items)), "...")
    if scene.chance(0.12):
        items.insert(scene.random.randint(0, len(items)), "None")
    if scene.chance(wild):
        items += ["0"] * (len(shape) + 1)
    return ", ".join(items) or scene.choice(("...", "...", ":" if shape else "...", "()"))


def _item(scene, n, wild):
    if scene.chance(0.3) and n:
        return str(n + 2 if scene.chance(wild) else scene.random.randint(-n, n - 1))
    first, last = (scene.choice(("", "", str(scene.random.randint(-n, n)))) for _ in range(2))
    return f"{first}:{last}" + scene.choice(("", "", "", ":2", ":-1", ":-1", ":-2", ":3"))


def advanced_index(scene, name, wild=0.03):
    """Source of an index with integers arrays or booleans for array `name`, without brackets."""
    shape = scene.world.names[name].shape
    if not shape:
        return scene.choice(("True", "False", "None, True", "np.array(True)"))
    n = shape[0]
    many = [scene.random.randint(-n, n - 1) if n else 0 for _ in range(scene.random.randint(1, 4))]
    options = [
        f"{many}", f"np.array({many})", f"real.array({many}, 'i4')",
        f"..., {[min(i, shape[-1] - 1) for i in (0, 0, -1)]}", f"np.array([{many}, {many[::-1]}])", f"{name} > 0",
        f"{name} == {name}", f"~({name} != 0)", f"{many}, ..., None", f"np.arange({n}) % 2 == 0",
        f"{[i % 2 == 0 for i in range(n)]}", f"({name} > 0).any()", "[]", f"np.argsort({name}, axis=0)[0]",
    ]  # fmt: skip
    if len(shape) > 1:
        columns = [scene.random.randint(-shape[1], shape[1] - 1) if shape[1] else 0 for _ in many]
        options += [
            f"{many}, {columns}", f":, {columns}", f"{many}, 1:", f"np.ix_({many}, {columns})",
            f"{many}, None, {columns}", f"::-1, np.array({columns})", f"{name}[:, 0] > 0", f"({name} > 0)[:, 0], 0",
        ]  # fmt: skip
    if scene.chance(wild):
        options = [
            f"[{n + 3}]",
            "[0.5]",
            "'f9'",
            "1.0",
            "[True] * 77",
            f"np.array([{n}])",
            "np.array([1.0])",
            "[[0], [0, 1]]",
        ]
    return scene.choice(options)


@kind(12)
def view(scene):
    name = scene.pick()
    return name and f"{scene.target()} = {name}{view_suffix(scene, name)}"


def view_suffix(scene, name):
    """What to put behind an array's name to look at its memory in another way."""
    x = scene.world.names[name]
    if scene.chance(0.55):
        return f"[{basic_index(scene, x.shape)}]"
    shapes = [(-1,), (x.size,), (1, *x.shape), (*x.shape, 1), x.shape[::-1], (2, -1), (-1, 2)]
    options = [".T", ".real", ".ravel()", ".ravel('F')", ".ravel('K')", ".flatten()", ".squeeze()", ".view()",
               f".reshape({scene.choice(shapes)})", f".reshape({scene.choice(shapes)}, order='F')"]  # fmt: skip
    if x.ndim:
        options += ["[::-1]", "[1:]", "[::2]", "[1::2]", "[None]", "[..., ::-1]"]
    if x.ndim > 1:
        options += [".swapaxes(0, -1)", ".diagonal()", f".transpose({[*range(1, x.ndim), 0]})", ".mT", ".diagonal(1)"]
    if x.dtype.kind == "c":
        options += [".imag", ".real"] * 4
    if x.dtype.names:
        options += [f"[{x.dtype.names[0]!r}]", f"[{x.dtype.names[-1]!r}]", f"[{list(x.dtype.names[:2])}]"] * 6
    if scene.chance(0.05):
        options = [".imag", ".reshape(-1, 7)", ".transpose(9)", ".squeeze(0)", ".swapaxes(0, 5)", ".mT", ".nonsense"]
    return scene.choice(options)


@kind(3)
def viewed_by_function(scene):
    name = scene.pick()
    if not name:
        return None
    x = scene.world.names[name]
    source = scene.choice((
        "np.transpose({0})", "np.broadcast_to({0}, (2, *{0}.shape))", "np.expand_dims({0}, 0)",
        "np.moveaxis({0}, 0, -1)", "np.atleast_2d({0})", "np.reshape({0}, -1)", "np.ravel({0})", "np.squeeze({0})",
        "np.flip({0})", "np.rot90({0})", "np.swapaxes({0}, 0, -1)", "np.real({0})", "np.imag({0})",
        "np.split({0}, 2)[1]", "np.array_split({0}, 2)[0]", "np.diagonal({0})", "np.broadcast_to({0}, {0}.shape)",
        "np.rollaxis({0}, -1)", "np.diag({0})", "np.triu({0})",
        "np.lib.stride_tricks.sliding_window_view({0}, 2, axis=-1)", "np.fliplr({0})", "np.atleast_1d({0})",
        "np.asarray({0}).T",
    ))  # fmt: skip
    too_much = x.ndim > 4 or (source[:7] in ("np.diag", "np.triu") and x.size > 300)
    return None if too_much else f"{scene.target()} = {source.format(name)}"


@kind(2)
def viewed_as(scene):
    """The same memory as another dtype; the side of floats is watched for NaN, booleans are left alone."""
    name = scene.pick(lambda x: x.dtype.kind in "fciumM" and x.dtype.char not in "gG")
    if not name:
        return None
    dtype, target = (
        scene.choice(("f8", "i8", "u1", "i4", "f4", "c16", "u8", ">f8", "i2", "f2", "c8", "M8[s]")),
        scene.new(),
    )
    own, guard = scene.world.names[name].dtype, f"not has_nan({name})"
    if own.kind in "fc" and real.dtype(dtype).kind in "fc":
        if f"{own.str[1:]} {dtype}" not in (
            "c16 f8",
            "f8 c16",
            "c8 f4",
            "f4 c8",
        ):  # each shows the bits of the other's NaN
            return Step(f"{target} = {name}.copy().view({dtype!r}).copy()", guard)
        return f"{target} = {name}.view({dtype!r})"
    return Step(f"{target} = {name}.view({dtype!r})", guard, watch=name if own.kind in "fc" else target)


@kind(6)
def taken(scene):
    """Advanced indexing: a copy, whose shape may depend on values."""
    name = scene.pick(lambda x: x.size <= 20000)
    if not name:
        return None
    index = advanced_index(scene, name)
    source = scene.choice(("{0}[{1}]",) * 5 + (
        "{0}.take([0, 0, -1])", "np.take({0}, [0], axis=-1)", "{0}.repeat(2)", "np.extract({0} > 0, {0})",
        "np.compress([True, False], {0}, axis=0)", "np.choose([0, 1], [{0}, {0}])",
        "np.take_along_axis({0}, np.argsort({0}), -1)",
    ))  # fmt: skip
    return f"{scene.target()} = {source.format(name, index)}"


@kind(2)
def attribute_set(scene):
    """Shape, dtype, writeable: set on an array that goes by one name only (`asarray` gave NumPy's world an alias)."""
    names = scene.world.names
    name = scene.pick(lambda x: sum(y is x for y in scene.world.live().values()) == 1)
    if not name or scene.threaded:
        return None
    x = names[name]
    options = [
        f"{name}.shape = {(x.size,)}", f"{name}.shape = (-1,)", f"{name}.shape = {x.shape[::-1]}",
        f"{name}.flags.writeable = False", f"{name}.setflags(write=False)", f"{name}.flags.writeable = True",
    ]  # fmt: skip
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        options.append(f"{name}.dtype = 'u8'")
    if x.dtype.kind == "c" and x.dtype.itemsize == 16 and x.ndim:
        options.append(f"{name}.dtype = 'f8'")
    return Step(scene.choice(options), guard=f"sum(x is {name} for x in list(globals().values())) == 1")


@kind(6)
def read(scene):
    """Values and properties read into Python, which compares them exactly."""
    name = scene.pick()
    if not name:
        return None
    x, target = scene.world.names[name], scene.new("p")
    index = ", ".join(str(scene.random.randint(-n, n - 1)) if n else "0" for n in x.shape)
    options = [
        "float({0}.sum())", "bool({0}.any())", "int({0}.max())", "complex({0}.sum())", "{0}.size", "len({0})",
        "{0}.nbytes", "bool({0}.all())", "bool({0})", "{0}.item()", "float({0})", "{0}.tolist()", "list({0}.shape)",
        "str({0}.dtype)", "repr({0})", "str({0})", "f'{{{0}.sum():.3f}}'", "round(float({0}.mean()), 2)", "{0}.ndim",
        "[float(v) for v in {0}.flat]", "{0}.itemsize", f"{{0}}[{index or '()'}]", f"{{0}}[{index or '()'}]",
        f"{{0}}.item({index})", "sum({0}.ravel())", "max({0}.ravel())", "[row.sum() for row in {0}]", "1 in {0}",
        "isinstance({0}, np.ndarray)", "isinstance({0}.sum(), np.floating)", "repr({0}.sum())",
        "np.array_equal({0}, {0}.copy())", "np.allclose({0}, {0})", "{0}.any() and not {0}.all()",
        "range(int({0}.size))[-1:]", "isinstance({0}.max(), float)", "{0}.max().item()",
        "dict.fromkeys([int({0}.argmax())])", "np.shape({0})", "np.ndim({0})",
    ]  # fmt: skip
    return None if x.size > 3000 else f"{target} = {scene.choice(options).format(name)}"


@kind(2)
def related(scene):
    """What arrays say of the memory they share."""
    first, second = scene.pick(lambda x: x.size < 2000), scene.pick(lambda x: x.size < 2000)
    if not first or not second or scene.threaded:
        return None
    source = scene.choice((
        "np.shares_memory({0}, {1})", "np.may_share_memory({0}, {1})", "np.shares_memory({0}, {0}[::-1])",
        "{0}[...] is {0}", "({0} + 1).base is None", "{0}.copy().base is None", "{0}[...].flags.owndata",
    ))  # fmt: skip
    return f"{scene.new('p')} = {source.format(first, second)}"


@kind(2)
def collected(scene):
    """Results kept in a list, pending until something reads them."""
    kept = [name for name in scene.world.live() if name.startswith("l")]
    name = scene.pick(lambda x: x.dtype.kind in "fciu" and x.size)
    if not kept:
        return f"{scene.new('l')} = []"
    options = (
        "{1}.append({0}.sum())", "{1}.append({0} + 1)", "{1} += [row * 2 for row in {0}[:3]]", "{1} += list({0}[:2])",
        "{1}.append(({0}.min(), {0}.max()))", "{1}.append({0}.mean(0))",
    )  # fmt: skip
    source = scene.choice(options).format(name, scene.choice(kept))
    return name and (f"{scene.new()} = sum({scene.choice(kept)}[:2])" if scene.chance(0.1) else source)
