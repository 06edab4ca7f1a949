"""Steps that compute: expressions, ufuncs and their methods, reductions, products, sorting, joining."""

import numpy as real

from tests.program_core import Step, kind

# What a dtype kind takes: unary functions, binary operators, binary functions. Others raise, and are tried seldom.
UNARY = {
    "f": "sqrt exp log sin cos tanh log1p expm1 cbrt exp2 log2 log10 arctan arcsinh floor ceil rint trunc square "
         "reciprocal negative positive absolute sign isnan isinf isfinite fabs deg2rad conjugate logical_not spacing "
         "tan sinh arccos nan_to_num real imag",
    "c": "sqrt exp log sin cos tanh square reciprocal negative positive absolute sign isnan conjugate angle real imag",
    "i": "sqrt exp square negative positive absolute sign invert logical_not isnan floor rint bitwise_count log1p",
    "u": "sqrt exp square negative positive absolute sign invert logical_not isnan floor rint bitwise_count",
    "b": "logical_not invert sqrt absolute isnan exp",
    "m": "negative positive absolute sign isnat", "M": "isnat", "U": "logical_not", "S": "logical_not",
    "O": "negative positive absolute square logical_not", "V": "logical_not",
}  # fmt: skip
OPERATORS = {
    "f": "+ - * / + - * / // % == < >= !=", "c": "+ - * / + - * == !=", "i": "+ - * + - * // % & | ^ << >> / == < !=",
    "u": "+ - * + - * // % & | ^ << >> / == < >=", "b": "& | ^ + * == != <", "m": "+ - == < / // %", "M": "- == <",
    "U": "== != < +", "S": "== != <", "O": "+ - * == <", "V": "== !=",
}  # fmt: skip
BINARY = {
    "f": "add subtract multiply divide maximum minimum fmax fmin arctan2 hypot remainder fmod floor_divide logaddexp "
         "heaviside nextafter less logical_and power float_power",
    "c": "add subtract multiply divide equal logical_or maximum minimum power",
    "i": "add subtract multiply maximum minimum floor_divide remainder fmod gcd lcm bitwise_and bitwise_xor left_shift "
         "right_shift logical_xor power divide hypot less",
    "u": "add subtract multiply maximum minimum floor_divide remainder gcd bitwise_or left_shift power divide greater",
    "b": "logical_and logical_or logical_xor maximum add bitwise_and equal",
    "m": "add subtract maximum minimum", "M": "subtract maximum minimum", "U": "equal", "S": "equal",
    "O": "add subtract multiply maximum", "V": "equal",
}  # fmt: skip
TWO_RESULTS = ("np.modf({0})", "np.frexp({0})", "np.divmod({0}, {1})", "divmod({0}, {1})")


def kind_letter(scene, name):
    """The dtype kind that decides what is done; now and then another, so that NumPy refuses."""
    return scene.choice(tuple(UNARY)) if scene.chance(0.03) else scene.world.names[name].dtype.kind


def expression(scene, name, depth=2):
    """Source of an expression over array `name` and what broadcasts with it."""
    if depth == 0 or scene.chance(0.15):
        return name if scene.chance(0.75) else scene.rearranged(name)
    inner = expression(scene, name, depth - 1)
    letter, roll = kind_letter(scene, name), scene.random.random()
    if roll < 0.5:
        return _operation(scene, letter, inner, scene.operand(name, fitting=scene.big or scene.chance(0.8)))
    if roll < 0.72:
        return f"np.{scene.choice(UNARY[letter].split())}({inner})"
    if roll < 0.82:
        return f"np.{scene.choice(BINARY[letter].split())}({inner}, {scene.operand(name)})"
    if roll < 0.88 and letter in "fciu":
        return f"({inner}) ** {scene.exponent()}"
    return _other(scene, letter, inner, name)


def _operation(scene, letter, left, right):
    operator = scene.choice(OPERATORS[letter].split())
    if scene.chance(0.3):
        left, right = right, left
    return f"({left} {operator} {right})"


def _other(scene, letter, inner, name):
    options = [f"np.where({inner}, {scene.operand(name)}, {scene.scalar()})", f"(-{inner})", f"abs({inner})"]
    if letter in "fiub":
        options += [f"np.clip({inner}, {scene.choice((-1, 0, 0.5))}, 2)", f"({inner}).round(1)", f"(~{inner})",
                    f"np.where({inner} > 0, {inner}, {scene.operand(name)})", f"np.isclose({inner}, 1)"]  # fmt: skip
    if letter == "c":
        options += [f"(abs({inner}) < 2)", f"np.where(abs({inner}) < 1, {inner}, {scene.operand(name)})",
                    f"(({inner}) / {scene.operand(name)})", f"({inner}).conj()", f"(abs({inner}) ** 2)",
                    f"({inner}).real", f"({inner}).imag", f"np.isfinite({inner})"]  # fmt: skip
    return scene.choice(options)


@kind(16)
def computed(scene):
    name = scene.pick()
    return name and f"{scene.target()} = {expression(scene, name, scene.choice((1, 1, 2, 2, 3)))}"


@kind(3)
def computed_about_nan(scene):
    """Functions that show a NaN's sign: only where there is none."""
    name = scene.pick(lambda x: x.dtype.kind == "f")
    source = scene.choice(("np.signbit({0})", "np.copysign(1.5, {0})", "np.copysign({0}, -1)"))
    return name and Step(f"{scene.target()} = {source.format(name)}", guard=f"not has_nan({name})")


@kind(1)
def two_results(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fiu")
    source = scene.choice(TWO_RESULTS)
    return name and f"{scene.new()}, {scene.new()} = {source.format(name, scene.operand(name))}"


@kind(3)
def with_dtype(scene):
    """A ufunc told its dtype, casting or order."""
    name = scene.pick(lambda x: x.dtype.kind in "fciub")
    if not name:
        return None
    function, other = scene.choice(("add", "multiply", "maximum", "subtract", "divide")), scene.operand(name)
    dtype = scene.choice(("f8", "f4", "c16", "i8", "i2", ">f8", "?"))
    extra = scene.choice(("", "", ", casting='unsafe'", ", order='F'", ", order='C'", ", casting='no'"))
    return Step(
        f"{scene.target()} = np.{function}({name}, {other}, dtype={dtype!r}{extra})",
        guard=f"in_range({name}, {dtype!r}) and in_range({other}, {dtype!r})",
    )


def axis_for(scene, ndim):
    """The source of an axis argument: an axis, a tuple, None, rarely one that does not exist."""
    if ndim == 0 or scene.chance(0.3):
        return scene.choice(("None", "None", "()", "0" if ndim else "None"))
    if scene.chance(0.03):
        return str(ndim)
    if ndim > 1 and scene.chance(0.25):
        count = 2 if ndim == 2 else scene.choice((2, 2, 3))
        return str(tuple(sorted(scene.random.sample(range(ndim), count), reverse=scene.chance(0.2))))
    return str(scene.random.randint(-ndim, ndim - 1))


@kind(12)
def reduction(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fciubmO" or scene.chance(0.1))
    if not name:
        return None
    x = scene.world.names[name]
    function = scene.choice("sum sum prod mean mean var std min max argmin argmax any all ptp nansum median".split())
    arguments = _reduction_arguments(scene, function, x.ndim)
    source = name if scene.chance(0.6) else expression(scene, name, 1)
    guard = f"in_range({source}, {arguments['dtype']})" if "dtype" in arguments else ""
    text = "".join(f", {key}={value}" for key, value in arguments.items())
    method = function not in ("ptp", "nansum", "median") and scene.chance(0.5)
    call = f"({source}).{function}({text[2:]})" if method else f"np.{function}({source}{text})"
    return Step(f"{scene.target() if scene.chance(0.7) else scene.new('s')} = {call}", guard)


@kind(4)
def beside_a_reduction(scene):
    """An array with what a reduction gives of it, which is stretched, or does not fit."""
    name = scene.pick(lambda x: x.dtype.kind in "fciub" and x.ndim)
    if not name:
        return None
    made, ndim = scene.new(), scene.world.names[name].ndim
    function, symbol = scene.choice("sum mean std max min any".split()), scene.choice("+-*<")
    axis = scene.choice((axis_for(scene, ndim), str(scene.random.randint(-ndim, ndim - 1))))
    keep = ", keepdims=True" if scene.chance(0.3) else ""
    sides = [scene.choice((made, made, f"np.abs({made})", f"{made} * {name}")), f"{made}.{function}({axis}{keep})"]
    scene.random.shuffle(sides)
    return f"{made} = {name} + 1\n{scene.target()} = ({sides[0]}) {symbol} ({sides[1]})"


def _reduction_arguments(scene, function, ndim):
    arguments = {"axis": axis_for(scene, ndim)} if scene.chance(0.7) else {}
    if function.startswith("arg") and arguments.get("axis", "").startswith("("):
        del arguments["axis"]
    if scene.chance(0.2) and function != "median":
        arguments["keepdims"] = "True"
    if function in ("sum", "prod", "mean", "std") and scene.chance(0.15):
        arguments["dtype"] = scene.choice(("'f8'", "'f4'", "'c16'", "'i8'", "'g'", "'i1'"))
    if function in ("sum", "prod", "max", "min") and scene.chance(0.1):
        arguments["initial"] = scene.choice(("1", "0", "2.5", "-0.0"))
    if function in ("var", "std") and scene.chance(0.2):
        arguments["ddof"] = "1"
    return arguments


@kind(4)
def accumulated(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fciubm")
    if not name:
        return None
    axis = axis_for(scene, 0) if scene.chance(0.3) else str(max(scene.world.names[name].ndim - 1, 0))
    source = scene.choice((
        "np.cumsum({0}, axis={1})", "{0}.cumprod({1})", "np.add.accumulate({0})",
        "np.multiply.accumulate({0}, axis={1})", "np.maximum.accumulate({0}, axis={1})", "np.diff({0})",
        "np.diff({0}, 2, axis={1})", "np.diff({0}, axis=0)", "np.ptp({0}, axis={1})", "np.linalg.norm({0}, axis={1})",
        "np.linalg.norm({0}, 1, 0)", "np.linalg.vector_norm({0}, axis={1}, ord=np.inf)", "np.linalg.vector_norm({0})",
        "np.add.reduce({0}, axis={1})", "np.multiply.reduce({0})", "np.maximum.reduce({0}, axis={1}, keepdims=True)",
        "np.add.reduceat({0}, [0, 2, 1])", "np.logical_or.reduce({0})", "np.subtract.reduce({0})",
        "np.add.reduce({0}, axis=None)", "np.hypot.reduce({0})", "np.minimum.reduce({0}, initial=0)",
    ))  # fmt: skip
    return f"{scene.target()} = {source.format(name, axis)}"


@kind(4)
def where_reduction(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fiub")
    if not name:
        return None
    x = scene.world.names[name]
    function = scene.choice(("sum", "sum", "mean", "prod", "any", "all", "max", "min", "std", "var"))
    arguments = {"axis": axis_for(scene, x.ndim)} if scene.chance(0.6) else {}
    if scene.chance(0.2):
        arguments["keepdims"] = "True"
    if function in ("max", "min") or function in ("sum", "prod") and scene.chance(0.3):
        arguments["initial"] = scene.choice(("0", "1", "-1", "2.5", "np.inf", "-9", "-0.0"))
    if function in ("var", "std") and scene.chance(0.3):
        arguments["ddof"] = "1"
    text = "".join(f", {key}={value}" for key, value in arguments.items())
    source = name if scene.chance(0.6) else f"({name} * 2)"
    mask = f"{name} > {scene.choice((0, 1, -1))}" if scene.chance(0.8) else f"({name} > 0)[..., :1]"
    return f"{scene.target()} = np.{function}({source}, where={mask}{text})"


@kind(4)
def rolled(scene):
    """One array, or what is computed of it, by some places along some axes."""
    name = scene.pick(lambda x: x.dtype.kind in "fiubc" and x.ndim)
    if not name:
        return None
    ndim = scene.world.names[name].ndim
    source = scene.choice((name, f"({name} + {name})", f"({name} * 2 + 1)"))
    terms = [f"np.roll(e, {scene.choice((1, -1, 1, -1, 2, 5))}, {scene.random.randint(-ndim, ndim - 1)})"
             for _ in range(scene.random.randint(1, 4))]
    terms += [source] if scene.chance(0.3) else ["e"] if scene.chance(0.3) else []
    return f"e = {source}; {scene.target()} = {' + '.join(terms)}{'; del e' if scene.chance(0.5) else ''}"


@kind(2)
def outer(scene):
    first = scene.pick(lambda x: x.dtype.kind in "fciub" and x.size <= 40)
    second = scene.pick(lambda x: x.dtype.kind in "fciub" and x.size <= 40)
    function = scene.choice(
        ("np.multiply.outer", "np.add.outer", "np.subtract.outer", "np.outer", "np.power.outer", "np.less.outer")
    )
    if not first or not second:
        return None
    # With other data, whose axes are longer, they may have grown many times over.
    return Step(f"{scene.new()} = {function}({first}, {second})", guard=f"{first}.size * {second}.size <= 100_000")


@kind(4)
def product(scene):
    first = scene.pick(lambda x: x.dtype.kind in "fciub" and x.size <= 40000 and x.ndim)
    if not first:
        return None
    last = scene.world.names[first].shape[-1]
    others = scene.arrays(
        lambda x: x.ndim and x.dtype.kind in "fciub" and x.shape[max(-2, -x.ndim)] == last and x.size <= 40000
    )
    if scene.big:  # a product of long arrays that is not a square of one is too much work
        return f"{scene.target()} = np.dot({first}.ravel(), {first}.ravel())"
    second = scene.choice(
        [*others, f"{first}.T", f"{first}.T", f"{first}.swapaxes(-1, -{min(2, scene.world.names[first].ndim)})"]
    )
    source = scene.choice((
        "{0} @ {1}", "{0} @ {1}", "np.dot({0}, {1})", "np.matmul({0}, {1})", "np.inner({0}, {0})",
        "np.vdot({0}, {0})", "np.einsum('...i,...i->...', {0}, {0})", "np.tensordot({0}, {1}, 1)",
    ))  # fmt: skip
    return f"{scene.target()} = {source.format(first, second)}"


@kind(3)
def joined(scene):
    name = scene.pick(lambda x: x.size <= 300)
    if not name:
        return None
    x = scene.world.names[name]
    partner = scene.choice(scene.arrays(lambda y: y.shape == x.shape) if scene.chance(0.9) else scene.arrays())
    source = scene.choice((
        "np.concatenate([{0}, {1}])", "np.concatenate([{0}, {1}], axis=-1)", "np.stack([{0}, {1}])",
        "np.hstack([{0}, {1}])", "np.vstack([{0}, {1}])", "np.concatenate([{0}, {1}], axis=None)",
        "np.stack([{0}, {1}], axis=-1)", "np.append({0}, {1})", "np.tile({0}, 2)", "np.repeat({0}, 2)",
        "np.roll({0}, 1)", "np.pad({0}, 1)", "np.broadcast_arrays({0}, {1})[1].copy()", "np.flip({0}, -1)",
        "np.take({0}, [0, -1])", "np.meshgrid({0}, {1})[0]",
    ))  # fmt: skip
    return f"{scene.target()} = {source.format(name, partner)}"


@kind(3)
def ordered(scene):
    name = scene.pick(lambda x: x.dtype.kind in "fciubmMUS")
    source = scene.choice((
        "np.sort({0})", "np.sort({0}, axis=0)", "np.argsort({0}, kind='stable')", "np.sort({0}, axis=None)",
        "np.unique({0})", "np.nonzero({0})", "np.argwhere({0})", "np.flatnonzero({0})", "np.count_nonzero({0})",
        "np.searchsorted([0, 1], {0})", "np.partition({0}, 0)", "np.argmax({0})", "np.argsort({0}, axis=0)",
        "np.bincount({0})", "np.isin({0}, [0, 1])",
    ))  # fmt: skip
    guard = f"real.max({name}, initial=0) < 1000" if "bincount" in source else ""  # it makes an array that long
    return name and Step(f"{scene.target()} = {source.format(name)}", guard)


@kind(3)
def scalar_arithmetic(scene):
    """Scalars of NumPy's kinds among themselves: not the arithmetic of arrays."""
    own = scene.scalars()
    if not own:
        name = scene.pick(lambda x: x.dtype.kind in "fciub" and x.size)
        return name and f"{scene.new('s')} = {name}.{scene.choice(('sum', 'max', 'mean', 'prod'))}()"
    name, other, target = scene.choice(own), scene.scalar(), scene.new("s")
    operator = scene.choice("+ - * / // % ** == < += *= -=".split())
    if operator.endswith("=") and operator != "==":
        return f"{target} = {name}; {name} {operator} {other}"
    return f"{target} = {name} {operator} {other}" if scene.chance(0.7) else f"{target} = {other} {operator} {name}"


def bounded(value):
    """Whether to go on with a value: texts and Python integers grow without limit, object arrays may hold arrays."""
    if not isinstance(value, (real.ndarray, real.generic)):
        return not isinstance(value, int) or abs(value) < 1 << 200
    limit = 150_000 if value.dtype.kind in "fciumMb" else 4000
    if value.dtype.kind == "O":
        return value.size < limit and all(
            isinstance(x, float) or type(x) is int and bounded(x) for x in value.ravel().tolist()
        )
    return value.size < limit and value.dtype.itemsize <= 64
