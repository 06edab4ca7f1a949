"""Steps that make arrays: owned, shared with real ndarrays, copies, casts, random draws."""

import numpy as real

from tests.program_core import Step, kind
from tests.program_values import BIG_SHAPES, DIMENSIONS


def shape_for(scene):
    """The program's shape, one that broadcasts with it, or any."""
    if scene.big:
        return scene.choice(BIG_SHAPES) if scene.chance(0.3) or not scene.arrays() else _shape_in_use(scene)
    roll = scene.random.random()
    if roll < 0.6:
        return scene.shape
    if roll < 0.8:
        kept = scene.shape[scene.random.randint(0, len(scene.shape)) :]
        return tuple(1 if scene.chance(0.3) else n for n in kept)
    if roll < 0.84:  # empty
        return tuple(scene.choice((0, 1, 3)) for _ in range(scene.random.randint(1, 3)))
    shape = [scene.choice(DIMENSIONS) for _ in range(scene.random.randint(0, 4))]
    while real.prod(shape) > 300:
        shape.pop()
    return tuple(shape)


def _shape_in_use(scene):
    return scene.world.names[scene.choice(scene.arrays())].shape


def _data(scene, dtype=None, shape=None):
    dtype = scene.pick_dtype() if dtype is None else dtype
    shape = shape_for(scene) if shape is None else shape
    return f"data({dtype!r}, {shape}, {scene.random.randint(0, 999)})"


@kind(6)
def owned(scene):
    source = scene.choice(("np.array({})", "np.array({})", "np.array({}, order='F')", "np.asfortranarray({})"))
    return f"{scene.new()} = {source.format(_data(scene))}"


@kind(2)
def shared(scene):
    """A real ndarray, kept, and the same memory as an array of the module."""
    name, foreign = scene.new(), scene.new("r")
    order = scene.choice(("", "", ".T", "[::-1]", "[::2]", "[..., ::-1]")) if scene.shape else ""
    shape = scene.shape or (3,)
    wrap = scene.choice(("np.asarray({})", "np.asarray({})", "np.asanyarray({})", "np.array({}, copy=None)"))
    return f"{foreign} = {_data(scene, shape=shape)}\n{name} = {wrap.format(foreign + order)}"


@kind(1)
def borrowed(scene):
    """The memory of a real ndarray that nobody else keeps."""
    return f"{scene.new()} = np.asarray({_data(scene)})"


@kind(2)
def interleaved(scene):
    """Halves of one array, whose elements alternate in memory."""
    first, second = scene.new(), scene.new()
    shape = (2 * scene.choice((4, 5, 8, 17)), *scene.shape[1:])
    if scene.chance(0.3):
        made = f"{first} = np.array({_data(scene, shape=shape[::-1])})"
        return f"{made}; {second} = {first}[..., 1::2]; {first} = {first}[..., ::2]"
    return f"{first} = np.array({_data(scene, shape=shape)}); {second} = {first}[1::2]; {first} = {first}[::2]"


@kind(3)
def constructed(scene):
    shape, n = shape_for(scene), scene.choice((0, 1, 5, 8, 17))
    dtype = scene.choice(("'f8'", "'f4'", "'i8'", "'?'", "'c16'", "None", "'u1'", "'>f8'"))
    order = scene.choice(("", "", ", order='F'"))
    source = scene.choice((
        f"np.zeros({shape}, {dtype}{order})", f"np.ones({shape}, {dtype}{order})",
        f"np.full({shape}, {scene.choice(('0', '3', '-0.0', '1.5', 'True', '1j'))})",
        f"np.arange({n})", f"np.arange({n}, 0, -1)", f"np.arange(0.5, {n}.0, 0.25)", f"np.arange({n}, dtype={dtype})",
        f"np.linspace(0, 1, {n})", f"np.linspace(-3, {n}, 9, dtype='f4')", f"np.eye({n}, k=1)", f"np.identity({n})",
        f"np.array({[scene.random.randint(-9, 9) / 2 for _ in range(n)]})", "np.array(1.5)", "np.array(3)",
        "np.array([[1, 2], [3, 4]])", "np.array([1, 2.5, True])", "np.array([True, False, True])",
        f"np.array([{scene.scalar()}, {scene.scalar()}])", "np.array([])", f"np.tri({n}, 4)",
    ))  # fmt: skip
    return f"{scene.new()} = {source}"


@kind(2)
def like(scene):
    name = scene.pick()
    options = (
        f"np.zeros_like({name})",
        f"np.ones_like({name})",
        f"np.full_like({name}, 2)",
        f"np.zeros_like({name}, dtype='f4')",
    )
    return name and f"{scene.target()} = {scene.choice(options)}"


@kind(1)
def filled(scene):
    """Memory whose first values do not show: nothing reads it before it is filled."""
    name = scene.pick(lambda x: x.dtype.kind in "fciu")
    source = scene.choice(
        (f"np.empty_like({name})", f"np.empty({shape_for(scene)})", f"np.empty({name}.shape, {name}.dtype)")
    )
    target = scene.new()
    return name and f"{target} = {source}; {target}.fill({scene.choice((0, 1, 5))})"


@kind(5)
def copied(scene):
    name = scene.pick()
    source = scene.choice((
        "{0}.copy()", "{0}.copy(order='F')", "{0}.copy(order='K')", "np.array({0})", "np.copy({0})", "+{0}", "{0}[...]",
        "np.ascontiguousarray({0})", "np.asfortranarray({0})", "np.asarray({0})", "np.array({0}, copy=False)",
        "copy.copy({0})", "copy.deepcopy({0})", "pickle.loads(pickle.dumps({0}))", "np.array([{0}, {0}])", "{0}",
        "np.asarray({0}, order='F')", "np.array(list({0}))", "np.array({0}, ndmin=3)", "np.array({0}.tolist())",
        "np.from_dlpack({0})", "np.require({0}, requirements=['C', 'W'])",
    ))  # fmt: skip
    return name and f"{scene.target()} = {source.format(name)}"


@kind(5)
def cast(scene):
    name = scene.pick()
    if not name:
        return None
    dtype = scene.choice(
        ("f8", "f4", "i8", "i4", "u1", "?", "c16", "f2", ">f8", "i1", "g", "c8", ">i4", scene.pick_dtype())
    )
    text_or_object = {real.dtype(dtype).kind, scene.world.names[name].dtype.kind} & set("USOV")
    if text_or_object and scene.chance(0.8):  # text to numbers mostly raises: seldom is enough
        return None
    arguments = scene.choice(
        ("", "", ", copy=False", ", order='F'", ", order='C'", ", casting='same_kind'", ", casting='safe'")
    )
    source = scene.choice(
        (
            f"{name}.astype({dtype!r}{arguments})",
            f"{name}.astype({dtype!r}{arguments})",
            f"np.asarray({name}, {dtype!r})",
        )
    )
    return Step(f"{scene.target()} = {source}", guard=f"in_range({name}, {dtype!r})")


@kind(1)
def drawn(scene):
    shape = shape_for(scene)
    source = scene.choice((
        f"np.random.default_rng(3).standard_normal({shape})", f"np.random.default_rng(4).integers(0, 9, {shape})",
        f"np.random.default_rng(5).random({shape}, dtype='f4')", f"np.random.default_rng(6).normal(2, 3, size={shape})",
        "np.random.default_rng(7).permutation(12)", f"np.random.default_rng(8).choice(5, {shape})",
    ))  # fmt: skip
    return f"{scene.target()} = {source}"


@kind(1, threads=False)
def drawn_from_kept(scene):
    """One generator, draws interleaved with everything else; the global one too."""
    kept = [name for name in scene.world.live() if name.startswith("g")]
    if not kept:
        return f"{scene.new('g')} = np.random.default_rng({scene.random.randint(0, 99)})"
    generator, name = scene.choice(kept), scene.writable(lambda x: x.dtype.kind in "fi" and x.ndim)
    if name and scene.chance(0.25):
        return f"{generator}.shuffle({name})"
    draws = (f"{generator}.random({shape_for(scene)})", f"{generator}.integers(0, 5, 7)", "np.random.rand(3)")
    draw = scene.choice(draws)
    return "np.random.seed(5); " * (draw == draws[-1]) + f"{scene.new()} = {draw}"
