"""The differential helper: a program gives on the module under test what it gives on NumPy, bit for bit.

`check_same` runs a program on both, `assert_same` compares two results, `same_bits` two arrays. A NaN's sign and
payload do not count, nor the padding inside a long double; the sign of zero, dtype, shape, layout and kind do.
"""

import collections
import contextlib
import copy
import importlib
import io
import re
import sys
import traceback
import warnings

import numpy as real

MODULE = "lazytensor"  # what is tested; `pytest --module numpy` must find no difference at all


def plan_soon(module):
    """Have structures planned when they come up a second time, so that short tests run both ways of running."""
    if hasattr(module, "config"):
        module.config(plan_after=1, compile_after=0)


def module_under_test():
    """The module named by MODULE, imported when first asked for."""
    return importlib.import_module(MODULE)


# ---------------------------------------------------------------- bits


def equal_bits(a, b):
    """Where two real arrays of one shape and dtype hold the same bits: an array of booleans of that shape."""
    kind = a.dtype.kind
    if a.dtype.names is not None:
        return _equal_fields(a, b)
    if kind == "c":
        return equal_bits(a.real, b.real) & equal_bits(a.imag, b.imag)
    if kind == "f":
        with real.errstate(all="ignore"):
            return ((a == b) & (real.signbit(a) == real.signbit(b))) | (real.isnan(a) & real.isnan(b))
    if kind in "mM":  # as integers, where NaT equals NaT
        integer = a.dtype.str[0] + "i8"
        return a.view(integer) == b.view(integer)
    if kind == "b":  # a boolean byte other than 0 and 1 is a difference too
        return a.view("u1") == b.view("u1")
    if kind == "V":
        return a.view(f"S{a.dtype.itemsize}") == b.view(f"S{a.dtype.itemsize}") if a.dtype.itemsize else a == a
    if kind == "O":
        flags = [_same_object(x, y) for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)]
        return real.array(flags, dtype=bool).reshape(a.shape)
    return real.asarray(a == b)


def _equal_fields(a, b):
    equal = real.ones(a.shape, bool)
    for name in a.dtype.names:
        field = equal_bits(a[name], b[name])
        equal &= field.all(axis=tuple(range(a.ndim, field.ndim)))  # a subarray field adds axes
    return equal


def _same_object(x, y):
    return x is y or difference(x, y) is None


def same_bits(a, b):
    """Whether two real arrays have one dtype, one shape and the same bits in every element."""
    if a.dtype != b.dtype or a.dtype.char != b.dtype.char or a.shape != b.shape:
        return False
    # Equal bytes settle it, but for booleans' stray bytes nothing more is meant; objects hold addresses.
    if a.dtype.kind in "fciuMmbSU" and a.tobytes() == b.tobytes():
        return True
    return bool(equal_bits(a, b).all())


def _bits(value):
    return value.tobytes().hex() if isinstance(value, real.generic) else repr(value)


def _first_difference(a, b):
    """The first differing index, both values and their bytes (memory order), as text."""
    unequal = ~equal_bits(a, b)
    index = tuple(int(i) for i in real.argwhere(unequal)[0]) if a.ndim else ()
    x, y = a[index], b[index]
    count = f"{int(unequal.sum())} of {a.size} elements differ"
    return f"{count}; first at {list(index)}: expected {x!r} (bits {_bits(x)}), got {y!r} (bits {_bits(y)})"


# ---------------------------------------------------------------- two results


def is_lazy(x):
    """Whether x is a handle of the module under test rather than NumPy's own."""
    return type(x).__module__.partition(".")[0] == "lazytensor"


def kind_of(x):
    """'array', 'scalar', or the name of the Python type."""
    if isinstance(x, real.generic):  # a lazy scalar answers so through its __class__
        return "scalar"
    if isinstance(x, real.random.Generator):
        return "Generator"
    return "array" if is_lazy(x) or isinstance(x, real.ndarray) else type(x).__name__


def to_numpy(x):
    """The real NumPy array or scalar behind a handle; anything else as it is."""
    if not is_lazy(x):
        return x
    return real.asarray(x)[()] if isinstance(x, real.generic) else real.asarray(x)


def layout_of(x):
    """What a program sees of memory: the flags, and the strides of axes that take a step."""
    strides = x.strides if 0 not in x.shape else ()  # an empty array takes none
    steps = tuple(stride if size > 1 else None for size, stride in zip(x.shape, strides, strict=False))
    flags = x.flags
    return {"c_contiguous": flags.c_contiguous, "f_contiguous": flags.f_contiguous,
            "writeable": flags.writeable, "strides": steps}  # fmt: skip


def difference(expected, actual, values=True):
    """What tells two result trees apart, as text, or None. Without `values` nothing is evaluated."""
    kind = kind_of(expected)
    if kind != kind_of(actual):
        return f"kind: expected {kind} {_brief(expected)}, got {kind_of(actual)} {_brief(actual)}"
    if kind in ("array", "scalar"):
        return _metadata_difference(kind, expected, actual) or (_value_difference(expected, actual) if values else None)
    if isinstance(expected, (list, tuple)):
        return _sequence_difference(expected, actual, values)
    if isinstance(expected, dict):
        if list(expected) != list(actual):
            return f"keys: expected {list(expected)}, got {list(actual)}"
        return _sequence_difference(list(expected.values()), list(actual.values()), values)
    if kind == "Generator":
        return difference(expected.bit_generator.state, actual.bit_generator.state)
    if isinstance(expected, (float, complex)):
        return (
            None
            if same_bits(real.asarray(expected), real.asarray(actual))
            else f"expected {expected!r}, got {actual!r}"
        )
    return None if expected is actual or expected == actual else f"expected {expected!r}, got {actual!r}"


def _brief(x):
    return f"{x.dtype}{x.shape}" if kind_of(x) in ("array", "scalar") else repr(x)[:80]


def _sequence_difference(expected, actual, values):
    if len(expected) != len(actual):
        return f"length: expected {len(expected)}, got {len(actual)}"
    for position, (x, y) in enumerate(zip(expected, actual, strict=True)):
        found = difference(x, y, values)
        if found:
            return f"item {position}: {found}"
    return None


def _metadata_difference(kind, expected, actual):
    for name in ("dtype", "shape", "ndim", "size"):
        x, y = getattr(expected, name), getattr(actual, name)
        if x != y:
            return f"{name}: expected {x!r}, got {y!r}"
    if expected.dtype.char != actual.dtype.char:  # 'l' and 'q' are equal dtypes, yet other scalar types
        return f"dtype.char: expected {expected.dtype.char!r}, got {actual.dtype.char!r}"
    if kind == "scalar":
        return None if isinstance(actual, type(expected)) else f"expected a {type(expected)}, got {actual.__class__}"
    x, y = layout_of(expected), layout_of(actual)
    found = [f"{name}: expected {x[name]}, got {y[name]}" for name in x if x[name] != y[name]]
    return "; ".join(found) or None


def _value_difference(expected, actual):
    a, b = real.asarray(to_numpy(expected)), real.asarray(to_numpy(actual))
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"once evaluated: expected {a.dtype}{a.shape}, got {b.dtype}{b.shape}"
    if a.dtype.char != b.dtype.char:
        return f"once evaluated: dtype.char: expected {a.dtype.char!r}, got {b.dtype.char!r}"
    return None if same_bits(a, b) else _first_difference(a, b)


def assert_same(expected, actual):
    """Fail, and say how, unless two result trees are the same."""
    found = difference(expected, actual)
    if found:
        raise AssertionError(found)


# ---------------------------------------------------------------- a program on both


def check_same(program, *args, module=None, messages=False, **kwargs):
    """Run `program(np, *args, **kwargs)` with NumPy and with the module under test; return the latter's result.

    Each run gets equal fresh arguments of the same layout and aliasing, as that module's own arrays. Both must give
    the same result tree and leave the same in the arguments, or raise the same type on the same line of the
    program (with `messages`, saying the same).
    """
    module = module or module_under_test()
    expected_result, expected_error, expected_args = _outcome(program, real, args, kwargs)
    actual_result, actual_error, actual_args = _outcome(program, module, args, kwargs)
    if expected_error or actual_error:
        told_apart = slice(0, 2 + messages)  # type, line, message
        if (expected_error or ())[told_apart] != (actual_error or ())[told_apart]:
            raise AssertionError(f"raised: expected {expected_error}, got {actual_error}")
    for what, x, y in (
        ("result", expected_result, actual_result),
        ("arguments afterwards", expected_args, actual_args),
    ):
        try:
            found = difference(x, y)
        except Exception as error:
            raise AssertionError(f"{what}: raised only when read: {error!r}") from error
        if found:
            raise AssertionError(f"{what}: {found}")
    return actual_result


def _outcome(program, module, args, kwargs):
    args, kwargs = fresh((args, kwargs), module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return program(module, *args, **kwargs), None, (args, kwargs)
        except Exception as error:
            return None, (type(error), _line_in(program, error), str(error)), (args, kwargs)


def _line_in(program, error):
    """The line of the program itself on which the error passed: a late error would pass on another."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code is getattr(program, "__code__", None):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def fresh(tree, module=real):
    """A copy of a tree of arguments whose arrays keep layout, aliasing and identity, as arrays of `module`."""
    holders = collections.Counter(id(_root(array)) for array in {id(x): x for x in _arrays_in(tree)}.values())
    return _fresh(tree, module, holders, {})


def _arrays_in(tree):
    if isinstance(tree, (list, tuple, dict)):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _arrays_in(item)
    elif type(tree) is real.ndarray:
        yield tree


def _fresh(tree, module, holders, memo):
    if isinstance(tree, (list, tuple)):
        return type(tree)(_fresh(item, module, holders, memo) for item in tree)
    if isinstance(tree, dict):
        return {key: _fresh(item, module, holders, memo) for key, item in tree.items()}
    if type(tree) is not real.ndarray:
        return copy.deepcopy(tree) if isinstance(tree, real.random.Generator) else tree
    if id(tree) not in memo:
        root = _root(tree)
        if root is tree and tree.flags.writeable and holders[id(root)] == 1:  # not shared: the module's own memory
            memo[id(tree)] = module.array(tree, order="K")
        else:
            memo[id(tree)] = module.asarray(_view_of_copy(tree, root, memo))
    return memo[id(tree)]


def _root(array):
    while type(array.base) is real.ndarray:
        array = array.base
    return array


def _view_of_copy(array, root, memo):
    """The same view of a copy of the root's memory; views of one root are views of one copy."""
    key = ("memory", id(root))
    if key not in memo:
        memo[key] = root.copy(order="K").ravel(order="K")
    memory = memo[key]
    offset = array.__array_interface__["data"][0] - real.lib.array_utils.byte_bounds(root)[0]
    if array.dtype.hasobject:  # such an array cannot be made over a buffer
        start = memory[offset // array.itemsize :]
        view = real.lib.stride_tricks.as_strided(start, array.shape, array.strides)
    else:
        view = real.ndarray(array.shape, array.dtype, memory.view("u1"), offset, array.strides)
    if not array.flags.writeable:
        view.flags.writeable = False
    return view


# ---------------------------------------------------------------- what stays pending


@contextlib.contextmanager
def counting_hook():
    """A list that receives every node executed inside the block."""
    hooks = importlib.import_module(MODULE + ".run.interpreter").on_execute
    executed = []
    hook = executed.append
    hooks.append(hook)
    try:
        yield executed
    finally:
        hooks.remove(hook)


def assert_stays_pending(fn, source=None):
    """Assert that `fn(pending)` executes nothing, and gives NumPy's result once read.

    `source` is the real array that the pending input is made of (by default 12 numbers of shape (3, 4)).
    """
    lt = module_under_test()
    source = real.arange(1.0, 13.0).reshape(3, 4) if source is None else source
    pending = +lt.array(source)
    with counting_hook() as executed:
        result = fn(pending)
        early = list(executed)
        if early:
            raise AssertionError(f"executed while written: {early}")
        assert_same(fn(+source), result)
        if not executed:  # a hook that never fires would let everything pass
            raise AssertionError("reading the result executed no node: the input was not pending, or the hook is dead")


@contextlib.contextmanager
def warned():
    """A list that gets the messages of the warnings that are given inside the block.

    To record them in another way (`catch_warnings(record=True)`) would have every operation run when it is written.
    """
    messages, stderr = [], sys.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        sys.stderr = io.StringIO()
        try:
            yield messages
        finally:
            messages += re.findall(r"Warning: (.*)", sys.stderr.getvalue())
            sys.stderr = stderr


def blamed(error):
    """What the last entry of an error's traceback says: 'file.py, line 3, in f: lazytensor was running ...'."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}, in {last.name}"
