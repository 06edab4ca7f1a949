"""Steps that call NumPy's functions of several steps, with the arguments that they take: statistics, pieces, joining,
orders, products, linear algebra, functions with `out=`; and writes to fields and stencils, as programs have them."""

from tests.program_core import Step, kind
from tests.program_math import axis_for, expression

NUMBERS = "fiub"


def _source(scene, name):
    """An array, or a little that is computed of it and waits."""
    return name if scene.chance(0.5) else expression(scene, name, 1)


def _axis(scene, name):
    return str(scene.random.randint(-1, max(scene.world.names[name].ndim - 1, 0)))


def _alike(scene, name):
    x = scene.world.names[name]
    return scene.choice(scene.arrays(lambda y: y.shape == x.shape and y.dtype.kind in NUMBERS + "c"))


@kind(4)
def statistic(scene):
    """Statistics of what may hold NaNs, with axes, weights and degrees of freedom."""
    name = scene.pick(lambda x: x.dtype.kind in NUMBERS and x.size <= 20000)
    if not name:
        return None
    x = scene.world.names[name]
    source = scene.choice((
        "np.nanmean({0}, axis={1})", "np.nansum({0}, axis={1}, keepdims=True)", "np.nanvar({0}, axis={1}, ddof={3})",
        "np.nanstd({0}, {1})", "np.nanmax({0}, {1})", "np.nanmin({0})", "np.nanprod({0}, {1})", "np.nanargmax({0})",
        "np.nanmedian({0}, {2})", "np.nancumsum({0}, {2})", "np.nancumprod({0})", "np.nanpercentile({0}, 30, {2})",
        "np.percentile({0}, [5, 50], axis={2})", "np.percentile({0}, 37.5)", "np.quantile({0}, 0.3, axis={2})",
        "np.quantile({0}, 0.7, method='nearest')", "np.quantile({0}, [0.1, 0.9], {2}, method='lower', keepdims=True)",
        "np.median({0}, axis={2}, keepdims=True)", "np.average({0}, axis={2})", "np.average({0}, weights=abs({4}) + 1)",
        "np.cov({0})", "np.corrcoef({0})", "np.cov({0}, ddof={3}, rowvar=False)", "np.histogram({0}, 4)[0]",
        "np.histogram({0}, [-3, -1, 0, 2, 5])[0]", "np.histogram_bin_edges({0}, 5)", "np.digitize({0}, [-1, 0, 2.5])",
        "np.std({0}, {1}, ddof={3}, keepdims=True)", "np.var({0}, axis={1}, mean=np.mean({0}, {1}, keepdims=True))",
        "np.mean({0}, axis={1}, dtype='f4')", "np.ptp({0}, {2}, keepdims=True)", "np.max({0}, {1}, initial=0)",
        "np.bincount(np.clip(np.nan_to_num({0}), 0, 9).astype(int).ravel(), np.ravel({4}))",
        "np.count_nonzero({0}, axis={2}, keepdims=True)", "np.histogram2d(np.ravel({0}), np.ravel({4}), 3)[0]",
        "np.sum({0}, axis={1}, dtype='f4', initial=1)", "np.argmax({0}, {2}, keepdims=True)",
    )).format(_source(scene, name), axis_for(scene, x.ndim), _axis(scene, name), scene.choice((0, 1, 1, 2)),
              _alike(scene, name))  # fmt: skip
    if x.ndim > 2 or x.size > 400:
        source = source if "cov" not in source and "corrcoef" not in source else f"np.mean({name}, 0)"
    return f"{scene.target()} = {source}"


@kind(4)
def pieced(scene):
    """What is put together of pieces, interpolated or taken of neighbours."""
    name = scene.pick(lambda x: x.dtype.kind in NUMBERS and x.size <= 20000)
    if not name:
        return None
    other = _alike(scene, name)
    source = scene.choice((
        "np.select([{0} > 1, {0} < -1], [{0}, {1}], {2})", "np.select([{1} > 0], [{2}], {0})",
        "np.piecewise({0}, [{0} < 0, {0} >= 1], [-1, lambda v: v * 2, 0])", "np.where({0} > {1}, {0}, {1})",
        "np.where({0}, {2}, {3})", "np.where({1} > 0, {2}, {0} * 2)", "np.clip({0}, {2}, {3})",
        "np.clip({0}, {1}, None)", "np.clip({0}, None, {2})", "{0}.clip(min={2})", "np.clip({0}, {1}, {1} + 1)",
        "np.interp({0}, [-2, 0, 3], [1.5, -1, 4])", "np.interp({0}, [0, 1], [2, 3], left=-1)", "np.unwrap({0})",
        "np.trapezoid({0}, axis=-1)", "np.trapezoid({0}, {1})", "np.gradient({0})", "np.gradient({0}, 0.5, axis=0)",
        "np.ediff1d({0})", "np.diff({0}, prepend=0)", "np.diff({0}, append={2}, axis=0)", "np.diff({0}, 2)",
        "np.convolve(np.ravel({0})[:50], [1, -2, 1])", "np.correlate(np.ravel({0})[:50], [1, 2], 'full')",
        "np.sinc({0})", "np.i0({0})", "np.polyval([1, -2, 0.5], {0})", "np.fix({0})", "np.nan_to_num({0}, nan=1.5)",
        "np.isclose({0}, {1}, equal_nan=True)", "np.isneginf({0})", "np.iscomplex({0})", "np.isreal({0})",
        "np.real_if_close({0})", "np.around({0}, {4})", "np.round({0}, -1)", "np.heaviside({0}, {2})",
        "np.ldexp({0}, 2)", "np.arcsin({0})", "np.arctanh({0} / 9)", "np.cosh({0})", "np.degrees({0})",
        "np.logaddexp2({0}, {1})", "np.mod({0}, {1})", "np.not_equal({0}, {2})", "np.greater_equal({0}, {1})",
        "np.less_equal({0}, {2})", "np.true_divide({0}, {1})", "np.pow({0}, 2)", "np.cumulative_sum(np.ravel({0}))",
        "np.cumulative_sum({0}, axis=-1, include_initial=True)", "np.cumsum({0}, dtype='f4')", "np.bitwise_not({0})",
        "np.cumprod({0}, axis=0, dtype='f8')", "np.apply_along_axis(np.sum, -1, {0})", "np.signbit({0} * 0 + 1)",
    )).format(_source(scene, name), other, scene.scalar(), scene.scalar(), scene.choice((0, 1, 2)))  # fmt: skip
    return f"{scene.target()} = {source}"


@kind(3)
def put_together(scene):
    """Arrays joined, parted, repeated and padded, with the arguments that these functions take."""
    name = scene.pick(lambda x: x.size <= 300 and x.dtype.kind in NUMBERS + "cmU")
    if not name:
        return None
    x = scene.world.names[name]
    other = scene.choice(scene.arrays(lambda y: y.shape == x.shape))
    source = scene.choice((
        "np.column_stack([{0}, {1}])", "np.dstack([{0}, {1}])", "np.block([[{0}, {1}], [{1}, {0}]])",
        "np.insert({0}, 0, {1}.ravel()[:1])", "np.insert({0}, [0, 1], 1, axis={2})", "np.delete({0}, 0)",
        "np.delete({0}, [0], axis={2})", "np.unstack({0})[0]", "np.hsplit({0}, 1)[0]", "np.vsplit({0}, [1])[-1]",
        "np.resize({0}, (3, 5))", "np.tile({0}, (2, 1))", "np.tile({0}, (1, 1, 2))", "np.repeat({0}, 2, axis={2})",
        "np.repeat({0}, [2] * {0}.size)", "np.pad({0}, 1, mode='edge')", "np.pad({0}, 2, mode='wrap')",
        "np.pad({0}, 1, mode='reflect')", "np.pad({0}, 1, constant_values=3)", "np.pad({0}, 1, mode='symmetric')",
        "np.pad({0}, 1, mode='mean')", "np.pad({0}, 1, mode='linear_ramp')", "np.concatenate([{0}, {1}, {0}], {2})",
        "np.concatenate([{0}, {1}], dtype='f8', casting='unsafe')", "np.stack([{0}, {1}, {0}], axis=1)",
        "np.array([{0}, {1}])", "np.array([{0}[:1], {1}[:1]])", "np.stack([row * 2 for row in {0}])",
        "np.roll({0}, (1, -1), (0, -1))", "np.roll({0}, 3)", "np.take({0}, [[0, -1], [1, 0]], axis={2}, mode='wrap')",
        "np.take({0}, 0, axis={2})", "np.take({0}, [0, 99], mode='clip')", "np.array_split({0}, 3, axis={2})[-1]",
        "np.broadcast_arrays({0}, {1})[0] + 0", "np.flipud({0})", "np.atleast_3d({0})", "np.diagflat({0}.ravel()[:9])",
        "np.tril({0})", "np.triu({0}, 1)", "np.trace({0})", "{0}.trace()", "np.kron({0}.ravel()[:5], {1}.ravel()[:5])",
        "np.vander({0}.ravel()[:5], 3)", "np.meshgrid({0}, {1}, indexing='ij')[1]", "np.trim_zeros({0}.ravel())",
        "np.cross({0}.ravel()[:3], {1}.ravel()[:3])", "np.matrix_transpose({0})", "np.rot90({0}, 2)",
        "np.flip({0}, {2})", "np.copy({0}, order='F')", "np.expand_dims({0}, (0, 2))", "np.append({0}, {1}, axis={2})",
    )).format(name if scene.chance(0.6) or x.dtype.kind in "mU" else f"({name} + {name})", other,
              _axis(scene, name))  # fmt: skip
    return f"{scene.target()} = {source}"


@kind(3)
def sought(scene):
    """Orders and sets, with what goes along."""
    name = scene.pick(lambda x: x.dtype.kind in NUMBERS and x.size <= 3000)
    source = scene.choice((
        "np.argpartition({0}, 0)", "np.lexsort((np.ravel({0}), np.ravel({1})))",
        "np.searchsorted(np.sort({0}, None), {1})", "np.searchsorted(np.sort({0}, None), 0.5, side='right')",
        "np.sort({0}, kind='stable', axis=0)",
        "np.searchsorted(np.ravel({0}), [0, 1], sorter=np.argsort(np.ravel({0})))", "-np.sort(-{0})",
        "np.sort({0})[::-1]", "np.argsort(-{0}, kind='stable')", "np.unique({0}, return_counts=True)[1]",
        "np.unique({0}, return_inverse=True)[1]", "np.unique({0}, axis=0)", "np.union1d({0}, {1})",
        "np.intersect1d({0}, {1})", "np.setdiff1d({0}, {1})", "np.isin({0}, {1})", "np.isin({0}, [0, 1], invert=True)",
        "np.sort_complex({0})", "np.partition({0}, 0, axis=0)", "np.take_along_axis({0}, np.argsort({0}, axis=0), 0)",
        "{0}[np.argsort({0}[..., 0])]", "{0}[np.nonzero({0})]", "{0}[np.lexsort({0}.T)]", "np.argwhere({0} > {1})",
        "np.flatnonzero({0} == {1})", "{0}[{0}.argmax(0)]", "np.unravel_index(np.argmax({0}), {0}.shape)",
        "np.ravel_multi_index(np.nonzero({0}), {0}.shape)", "np.array_equiv({0}, {1})", "np.packbits({0} > 0)",
        "{0}[::-1].argsort()", "{0}.searchsorted(1)",
    ))  # fmt: skip
    return name and f"{scene.target()} = {source.format(name, _alike(scene, name))}"


@kind(3)
def contracted(scene):
    """Sums of products, as `einsum` and its kin write them, and linear algebra of small matrices."""
    name = scene.pick(
        lambda x: x.dtype.kind in "fiubc" and x.dtype.char not in "eg" and 0 < x.ndim < 4 and x.size <= 400)
    if not name:
        return None
    x = scene.world.names[name]
    square = f"({name} @ np.swapaxes({name}, -1, -2) + np.eye({x.shape[-2]}))" if x.ndim > 1 else f"np.diag({name})"
    source = scene.choice((
        "np.einsum('...i->...', {0})", "np.einsum('i...->...i', {0})", "np.einsum('...i,...j->...ij', {0}, {1})",
        "np.einsum('...i,...i', {0}, {1})", "np.einsum('...,...->...', {0}, {1})", "np.einsum('ij,kj->ik', {0}, {1})",
        "np.einsum('ij,ij->j', {0}, {1}, optimize=True)", "np.einsum('...ii->...i', {2})", "np.einsum('...ii', {2})",
        "np.einsum('ij,jk,kl->il', {2}, {2}, {2}, optimize=True)", "np.tensordot({0}, {1}, axes=([0], [0]))",
        "np.tensordot({0}, {1}, axes={3})", "np.vecdot({0}, {1})", "np.matvec({2}, {2}[..., 0])", "np.inner({0}, {1})",
        "np.linalg.multi_dot([{2}, {2}, {2}])", "np.linalg.matrix_power({2}, 3)", "np.linalg.det({2})",
        "np.linalg.slogdet({2})[1]", "np.linalg.solve({2}, {2}[..., :1])", "np.linalg.inv({2})",
        "np.linalg.eigvalsh({2})", "np.linalg.svd({2}, compute_uv=False)", "np.linalg.qr({0})[1]",
        "np.linalg.norm({0}, axis=-1, keepdims=True)", "np.linalg.norm({0})", "np.linalg.norm({0}, 'fro', (0, 1))",
        "np.linalg.matrix_norm({2})", "np.outer({0}, {1}[:2])", "np.linalg.cholesky({2})",
        "np.linalg.norm({0}, np.inf, -1)", "np.linalg.norm({0}, 3, 0)", "np.linalg.trace({2})", "np.matmul({2}, {0})",
        "{2} @ {2}.mT", "np.dot({2}, 2)", "({0} * {1}).sum(-1)", "({0}[..., None] * {1}).sum(-2)",
    )).format(name, _alike(scene, name), square, scene.choice((0, 1, 1, 2)))  # fmt: skip
    return f"{scene.target()} = {source}"


@kind(4)
def called_with_out(scene):
    """Functions that are no ufuncs, with `out=` an array that may be a part of what they read."""
    name = scene.writable(lambda x: x.dtype.kind in "fiu" and x.ndim)
    if not name:
        return None
    other, axis = _alike(scene, name), _axis(scene, name)
    source = scene.choice((
        "np.clip({1}, -1, 2, out={0})", "np.cumsum({1}, axis={2}, out={0})", "np.cumprod({1}, axis={2}, out={0})",
        "np.round({1}, 1, out={0})", "np.take({1}, [0], axis=0, out={0}[:1])",
        "np.compress([True], {1}, 0, out={0}[:1])", "np.choose({1} > 0, [{0}, {1}], out={0})",
        "np.mean({1}, axis=0, out={0}[0, ...])", "np.dot({1}, 2, out={0})", "np.sum({1}, axis=-1, out={0}[..., 0])",
        "np.max({1}, axis=-1, out={0}[..., -1])", "np.nancumsum({1}, {2}, out={0})",
        "np.median({1}, axis=-1, out={0}[..., 0])", "np.concatenate([{1}[1:], {1}[:1]], out={0})",
        "np.stack([{1}[0], {1}[-1]], out={0}[:2])", "np.einsum('...,...->...', {1}, {1}, out={0})",
        "np.fix({1}, out={0})", "np.prod({1}, axis=0, out={0}[-1, ...])", "np.ptp({1}, axis=-1, out={0}[..., 0])",
        "np.add({0}[..., :1], {1}[..., -1:], out={0}[..., :1], where={1}[..., :1] > 0)",
        "np.add.reduce({1}, 0, out={0}[0])", "np.multiply({1}, {1}, out={0}, where={0} > 0)",
        "np.divide({1}, {0}, out={0}, where={0} != 0, casting='unsafe')",
        "np.floor_divide({1}, {0}, out={0}, where={0} != 0, casting='unsafe')", "np.add.accumulate({1}, {2}, out={0})",
        "np.std({1}, axis=-1, out={0}[..., 0])", "np.nan_to_num({1} * 1, copy=False)",
        "np.maximum.accumulate({0}, out={0})", "np.minimum.reduce({1}, 0, out={0}[0])",
        "np.percentile({1}, 50, axis=-1, out={0}[..., 0])",
    )).format(name, other, axis)  # fmt: skip
    casts = f" and in_range({other} * {other}, {name}.dtype)" if "einsum" in source or "unsafe" in source else ""
    divides = f" and in_range({other} / {name}, {name}.dtype)" if "divide" in source else ""
    return Step(f"{scene.new()} = {source}", guard=f"in_range({other}, {name}.dtype){casts}{divides}")


@kind(2)
def field_written(scene):
    """Fields of records: written, computed on in place, assigned together."""
    name = scene.writable(lambda x: x.dtype.names)
    if not name:
        return None
    field = scene.choice(scene.world.names[name].dtype.names)
    return scene.choice((
        "{0}['{1}'] = 2", "{0}['{1}'] += 1", "{0}['{1}'][...] = {0}['{1}'] * 2", "{0}[:1]['{1}'] = 3",
        "{0}['{1}'][:1] = 3", "{0}[['{1}']] = (4,)", "{0}[...] = {0}[::-1]", "{0}[{0}['{1}'] > 0] = 1",
        "{0}['{1}'].fill(5)", "np.add({0}['{1}'], 1, out={0}['{1}'])", "{0}[0] = tuple({0}[-1])", "{0}[...] = 0",
        "{2} = {0}['{1}'] + 1; {0}['{1}'] = {2}", "{2} = {0}['{1}']; {2} -= 1", "{2} = np.sort({0}, order='{1}')",
        "{0}['{1}'] = {0}['{1}'][::-1]", "{2} = {0}['{1}'].sum(0); {0}['{1}'] = 0",
    )).format(name, field, scene.new())  # fmt: skip


@kind(4)
def stencil(scene):
    """Loops of simulations: neighbours, borders, two buffers that change places, a norm that ends them."""
    name = scene.writable(lambda x: x.dtype.kind in "fc" and x.ndim and 2 < x.shape[0] and 2 < x.shape[-1])
    if not name:
        return None
    target = scene.new()
    source = scene.choice((
        "for _ in range({1}): {0}[1:-1] = {0}[1:-1] + 0.1 * ({0}[2:] - 2 * {0}[1:-1] + {0}[:-2])",
        "for _ in range({1}): {0}[..., 1:-1] += 0.25 * ({0}[..., 2:] - {0}[..., :-2])",
        "{2} = {0}.copy()\nfor _ in range({1}):\n    {2}[1:-1] = ({0}[2:] + {0}[:-2]) / 2\n    {0}, {2} = {2}, {0}",
        "{2} = np.empty_like({0})\nfor k in range({1}):\n    np.multiply({0}, 0.5, out={2})\n    {2} += k\n"
        "    {0}[...] = {2}",
        "for _ in range({1}): {0}[0] = {0}[-2]; {0}[-1] = {0}[1]; {0}[1:-1] *= 0.5",
        "for _ in range({1}): {0} = np.roll({0}, 1, 0) + np.roll({0}, -1, -1) - {0}",
        "{2} = 0\nfor _ in range({1}):\n    {0} *= 0.5\n    {2} += abs({0}).sum()\n    if {2} > 50: break",
        "{2} = []\nfor k in range({1}): {0} -= {0}.mean(0); {2}.append({0}[0].copy())\n{2} = np.array({2})",
        "for k in range({1}): {0}[k % len({0})] += {0}[(k + 1) % len({0})]",
        "{2} = np.zeros(({1}, *{0}.shape))\nfor k in range({1}): {2}[k] = abs({0}) * k",
        "{2} = {0}[0]\nfor row in {0}[1:]: {2} = np.maximum(abs({2}), abs(row))",
        "for i in range(1, len({0})): {0}[i] = {0}[i] - {0}[i - 1] * 0.5",
        "for k in range({1}): {0}[{0} > k] = 0", "for k in range({1}): {0} = np.where({0} > k, {0} - k, {0})",
        "for k in range({1}): {2} = np.clip({0} * k, -1, 1).sum(-1); {0}[..., 0] = {2}",
    ))  # fmt: skip
    if scene.big and "len(" in source:
        return None
    return source.format(name, scene.choice((2, 3, 5, 9)), target)


@kind(3)
def of_a_scalar(scene):
    """Methods and functions of scalars that may be pending."""
    own = [s for s in scene.scalars() if scene.world.names[s].dtype.kind in "fiub"]
    if not own:
        return None
    name, other = scene.choice(own), scene.choice(own)
    source = scene.choice((
        "{0}.round(1)", "np.sqrt(abs({0}))", "{0}.astype('f4')", "round({0}, 1)", "{0}.clip(-1, 1)",
        "np.where({0} > 0, 1, {0})", "np.maximum({0}, {1})", "max({0}, {1})", "sorted([{0}, {1}])", "{0}.real",
        "{0}.ndim", "{0}.tolist()", "f'{{{0}:.3g}}'", "np.float64({0})", "np.array({0})", "np.array([{0}, {1}])",
        "np.full(3, {0})", "np.stack([{0}, {1}])", "-{0}", "divmod({0}, {1})", "{0} if {0} > {1} else {1}",
        "np.isfinite({0})", "np.clip({0}, -1, {1})", "{0}.dtype", "{0}[...]", "{0}.reshape(1)", "{0}[None]",
        "{0}.sum()", "np.hypot({0}, {1})", "np.power(abs({0}), 0.5)", "hash({0}) == hash({0}.item())",
        "{0} == {0}.item()", "{0} < {1} <= 3", "np.add({0}, {1}, out=np.zeros(()))", "np.linspace(0, {0}, 3)",
        "float({0}) + 1", "np.sign({0})", "{0}.copy()", "np.nan_to_num({0})", "bool({0}) or {1}",
        "np.asarray({0}) + {1}", "abs({0}) ** 0.5",
    ))  # fmt: skip
    guard = f"in_range({name}, 'i2')" if "linspace" in source or "hash" in source else ""
    return Step(f"{scene.new('s')} = {source.format(name, other)}", guard)


@kind(2, threads=False)
def under_state_together(scene):
    """Several operations in a block with another error state or other filters, and what they give read behind it."""
    name = scene.pick(lambda x: x.dtype.kind in "fc")
    if not name:
        return None
    opening = scene.choice((
        "with np.errstate(all='ignore'):", "with np.errstate(divide='raise'):", "with np.errstate(all='warn'):",
        "with warnings.catch_warnings(), np.errstate(over='warn'):\n    warnings.simplefilter('ignore')",
        "with warnings.catch_warnings(), np.errstate(all='warn'):\n    warnings.simplefilter('error')",
        "with warnings.catch_warnings():\n    warnings.simplefilter('error')",
    ))  # fmt: skip
    first, second = scene.new(), scene.new()
    axis = axis_for(scene, scene.world.names[name].ndim)
    second_source = scene.choice((
        f"{first}.sum()", f"np.nanmean({first})", f"np.var({first}, where={first} > 0)", f"1 / {first}",
        f"np.mean({first}, axis={axis}, where={first} != 0)", f"np.nanstd({first}, axis={axis}, ddof=1)",
        f"np.nanmax({first}, axis={axis})", f"np.std({first}, ddof=1, axis={axis})", f"np.log({first})",
    ))  # fmt: skip
    lines = [opening, f"    {first} = {expression(scene, name, 2)}", f"    {second} = {second_source}"]
    return "\n".join(lines)


@kind(2, threads=False)
def read_under_other_filters(scene):
    """What was written while warnings were ignored, read where they are errors: nothing is raised."""
    name = scene.pick(lambda x: x.dtype.kind in "fc" and x.size <= 20000)
    if not name:
        return None
    first, axis = scene.new(), axis_for(scene, scene.world.names[name].ndim)
    source = scene.choice((
        expression(scene, name, 2), f"1 / ({name} - {name})", f"np.mean({name}, axis={axis}, where={name} != {name})",
        f"np.var({name}, axis={axis}, where={name} == 1, ddof=1)", f"np.nanmean({name} * inf, axis={axis})",
        f"np.nanmedian({name} + nan)", f"np.nanstd({name} * nan, axis={axis})", f"{name} * 1e300 * 1e300",
        f"np.linalg.norm({name} * 1e200)", f"({name} * inf - {name} * inf).sum(axis={axis})", f"np.sqrt(-abs({name}))",
        f"np.var({name} * 1e300, axis={axis})", f"np.cumsum({name} * 1e307)", f"np.exp({name} * 999).astype('f4')",
    ))  # fmt: skip
    read = scene.choice((
        "real.asarray({0})", "{0}.tolist()", "repr({0})", "{1} = {0}[..., :1].copy()", "{1} = list({0})"))
    return (
        f"with np.errstate(all='warn'):\n    {first} = {source}\n"
        "with warnings.catch_warnings(), np.errstate(all='warn'):\n    warnings.simplefilter('error')\n"
        f"    {read.format(first, scene.new('p'))}"
    )
