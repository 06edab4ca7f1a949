"""A ufunc or operation made up here needs nothing else: it infers, prints, plans and runs as NumPy's own.

The ufuncs are made with NumPy's C function for it, `PyUFunc_FromFuncAndData`, over loops written in Python.
"""

import ctypes
import itertools
import operator

import numpy as real
import pytest
import scipy.special
from numpy._core import _umath_tests

from lazytensor.api.build import handle, operand, record
from lazytensor.ir.capture import capture, pending
from lazytensor.ir.dag import build
from lazytensor.ir.operation import REGISTRY, register
from lazytensor.ir.text import parse, to_text
from tests.helpers import assert_same, blamed, check_same, counting_hook, module_under_test

CHARS = {"d": ctypes.c_double, "f": ctypes.c_float, "l": ctypes.c_long}
NUMBERS = {"d": 12, "f": 11, "l": 7}
LOOP = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_ssize_t),
                        ctypes.POINTER(ctypes.c_ssize_t), ctypes.c_void_p)
_alive = []


def made_up_ufunc(name, nin, fn, dtypes="fdl"):
    """A real `numpy.ufunc` of `nin` operands of one dtype each, which calls `fn` on Python numbers."""

    def loop(char):
        kind = CHARS[char]

        def run(pointers, dimensions, steps, _):
            for i in range(dimensions[0]):
                values = [kind.from_address(pointers[k] + i * steps[k]).value for k in range(nin)]
                kind.from_address(pointers[nin] + i * steps[nin]).value = fn(*values)

        return LOOP(run)

    loops = [loop(char) for char in dtypes]
    functions = (ctypes.c_void_p * len(dtypes))(*[ctypes.cast(f, ctypes.c_void_p) for f in loops])
    data = (ctypes.c_void_p * len(dtypes))()
    types = b"".join(bytes([NUMBERS[char]] * (nin + 1)) for char in dtypes)
    texts = name.encode(), types
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = get(real._core._multiarray_umath._UFUNC_API, None)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int,
                             ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)(
        ctypes.c_void_p.from_address(table + ctypes.sizeof(ctypes.c_void_p)).value)
    _alive.append((loops, functions, data, texts))
    return make(ctypes.addressof(functions), ctypes.addressof(data), texts[1], len(dtypes), nin, 1, -1, texts[0],
                b"made up", 0)


TRIPLE = made_up_ufunc("triple", 1, lambda a: 3 * a)
BLEND = made_up_ufunc("blend", 2, lambda a, b: 2 * a + b)
FUSED = made_up_ufunc("fused", 3, lambda a, b, c: a * b + c)


def node_of(t):
    return t._node if hasattr(t, "_node") else t._value


PROGRAMS = {
    "called": lambda np, x: TRIPLE(x),
    "dtypes": lambda np, x: (BLEND(x, x.astype("f4")), BLEND(np.arange(4, dtype="i4"), 1), TRIPLE(x.astype("f2"))),
    "python numbers": lambda np, x: (BLEND(x.astype("f4"), 2), BLEND(1.5, x), BLEND(np.arange(3), 2.5)),
    "numpy scalars": lambda np, x: (BLEND(x.astype("f4"), real.float64(2)), BLEND(real.float32(1), x)),
    "layouts": lambda np, x: (TRIPLE(x.T), BLEND(x.T, x.T), BLEND(x[::-1], x[:, ::-1]), BLEND(x, x[0]),
                           TRIPLE(x[:, 1])),
    "three operands": lambda np, x: (FUSED(x, x, x), FUSED(x, 2, x[0]), FUSED(x[:, :1], x[:1], 1.0)),
    "out": lambda np, x: (BLEND(x, x, out=x), x, BLEND(x, 1, out=np.zeros((3, 4))), TRIPLE(x[0], x[1]), x),
    "where": lambda np, x: TRIPLE(x, where=x > 3, out=np.ones((3, 4))),
    "keywords": lambda np, x: (TRIPLE(x, dtype="f4", casting="same_kind"), BLEND(x, x, dtype=float)),
    "methods": lambda np, x: (BLEND.reduce(x), BLEND.reduce(x, axis=1, keepdims=True), BLEND.accumulate(x, axis=1),
                              BLEND.outer(x[0], x[1]), BLEND.reduceat(x, [0, 2])),
    "scalars": lambda np, x: (TRIPLE(x.sum()), BLEND(x.max(), 2), BLEND(x.sum(), x), TRIPLE(2.0)),
    "mixed": lambda np, x: np.sqrt(TRIPLE(x) + BLEND(x, 1) * 2).sum(axis=0) - TRIPLE(x[1]),
    "numpy's own arrays": lambda np, x: (TRIPLE(real.ones(3)), BLEND(real.ones((3, 4)), x), TRIPLE([1.0, 2.0])),
    "empty and 0-d": lambda np, x: (TRIPLE(np.zeros((0, 3))), TRIPLE(np.array(2.0)), BLEND(np.array(2.0), x[0])),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_made_up_ufunc_is_numpys_to_a_program(name):
    check_same(PROGRAMS[name], real.arange(12.0).reshape(3, 4) - 4)


@pytest.mark.parametrize("write", [
    lambda x: TRIPLE(x), lambda x: BLEND(x, x), lambda x: FUSED(x, 2, x[0]), lambda x: BLEND(x, x, out=x),
    lambda x: BLEND.reduce(x), lambda x: BLEND.outer(x[0], x[0]), lambda x: TRIPLE(x.T),
    lambda x: x.sum() * TRIPLE(x[0]),
])
def test_made_up_ufunc_stays_pending(write):
    x = module_under_test().arange(12.0).reshape(3, 4) + 1
    with counting_hook() as executed:
        result = write(x)
        assert executed == []
    assert_same(write(real.arange(12.0).reshape(3, 4) + 1), result)


@pytest.mark.usefixtures("lines_wait")
def test_made_up_ufunc_is_printed_parsed_explained_and_verified():
    np = module_under_test()
    x = np.arange(4.0)
    y = BLEND(TRIPLE(x + 1), 2.0)
    dag = build(capture(pending([node_of(y)])))
    text = to_text(dag)
    assert "= triple(%0) float64[a] C" in text and "= blend(%1, %" in text
    assert parse(text) == dag
    lines = np.explain(y).splitlines()
    assert any("triple(" in line and "test_made_up.py, line" in line for line in lines)
    assert any("blend(" in line and "2.0" in line for line in lines)
    assert repr(node_of(y)).startswith("<blend float64[4]")
    np.verify(y)
    assert_same(real.array([5.0, 11, 17, 23]), y - 3)


def test_made_up_ufunc_is_planned():
    np = module_under_test()
    from lazytensor import compile as pipeline

    pipeline.clear_cache()
    before = pipeline.cache_info()
    for i in range(4):
        x = np.arange(5.0 + i)
        assert_same(-(2 * (3 * real.arange(5.0 + i)) + 1.0), -BLEND(TRIPLE(x), 1.0))
    after = pipeline.cache_info()
    assert after["plans"] == before["plans"] + 1 and after["hits"] >= before["hits"] + 2


def test_made_up_ufunc_merges_as_a_common_subexpression():
    np = module_under_test()
    x = np.arange(40000.0).reshape(200, 200)
    with np.config(debug=True), counting_hook() as executed:
        for _ in range(3):
            y = TRIPLE(x) + TRIPLE(x)
            assert float(y[0, 1]) == 6
    assert 4 <= sum(node.op.name == "triple" for node in executed) <= 6


def test_errors_of_a_made_up_ufunc_name_it():
    np = module_under_test()
    with pytest.raises(TypeError, match="ufunc 'triple' not supported"):
        TRIPLE(np.arange(3) + 1j)
    with pytest.raises(ValueError, match="could not be broadcast"):
        BLEND(np.ones(3), np.ones(4))


# ---------------------------------------------------------------- other libraries


def test_ufuncs_of_one_name_do_not_clash():
    ours = made_up_ufunc("exp2", 1, lambda a: a + 1000), made_up_ufunc("exp2", 1, lambda a: a + 2000)

    def program(np):
        x = np.linspace(0, 3, 7)
        functions = [real.exp2, np.exp2, scipy.special.exp2, *ours]
        once = [f(x) for f in functions]
        pairs = [f(g(x) / 99) for f, g in itertools.permutations(functions, 2)]
        return once, pairs, [f(x, out=x + 0) for f in functions]

    check_same(program)
    check_same(program)  # now by plans
    np = module_under_test()
    texts = [to_text(build(capture(pending([node_of(f(np.ones(2)))])))) for f in (real.exp2, scipy.special.exp2, *ours)]
    assert len(set(texts)) == 4
    assert all("exp2" in text and parse(text) is not None for text in texts)


SCIPYS = ("gammaln", "erf", "expit", "xlogy", "j0", "jv", "ndtr", "logit", "digamma", "hyp2f1", "betainc",
          "voigt_profile", "log_ndtr", "exprel", "cosdg", "binom", "zeta")


@pytest.mark.parametrize("name", SCIPYS)
def test_scipys_ufuncs(name):
    fn = getattr(scipy.special, name)

    def program(np):
        x = np.linspace(0.1, 0.9, 12).reshape(3, 4)
        for dtype in ("f8", "f4"):
            operands = [(x + i).astype(dtype) for i in range(fn.nin)]
            yield fn(*operands), fn(*[a.T for a in operands]), fn(*[a[::-1, ::2] for a in operands]) * 2
            yield fn(*operands, out=operands[0]), operands[0], fn(*[a.max() for a in operands])

    check_same(lambda np: list(program(np)))


def test_gufuncs_and_ufuncs_of_several_outputs():
    def program(np):
        x = np.arange(12.0).reshape(3, 4) + 1
        return [_umath_tests.inner1d(x, x), _umath_tests.matrix_multiply(x, x.T), _umath_tests.euclidean_pdist(x),
                _umath_tests.cumsum(x), scipy.special.sici(x), scipy.special.airy(x[0]),
                _umath_tests.cross1d(x[:, :3], x[0, :3]), _umath_tests.inner1d(x, x, axis=0),
                np.divmod(x, 3), np.frexp(x), np.modf(x / 3)]

    check_same(program)


@pytest.mark.parametrize("name", ["always_error", "always_error_unary", "always_error_gufunc"])
def test_ufuncs_that_always_fail(name):
    """No value is ever given for one; the error says what failed and where."""
    fn = getattr(_umath_tests, name)
    np = module_under_test()
    x = np.arange(3.0) + 1
    for _ in range(2):
        with pytest.raises(RuntimeError, match="How unexpected") as caught:
            y = fn(x) if fn.nin == 1 else fn(x, x[0] if "gu" in name else x)
            y.realize()
        place = blamed(caught.value)
        if name != "always_error_gufunc" and "running" in place:
            assert f"{name}(float64[3]" in place and "test_made_up.py" in place
    assert_same(real.arange(3.0) + 2, x + 1)


def test_scipys_own_error_state_is_kept():
    def program(np):
        x = np.array([-1.0, 0.0, 2.0]) * 1
        with scipy.special.errstate(all="raise"):
            return scipy.special.gammaln(x)

    check_same(program)


# ---------------------------------------------------------------- an operation


def softplus(x, sharpness=1.0, out=None):
    """A smooth maximum of x and 0."""
    return real.divide(real.logaddexp(real.multiply(x, sharpness, out=out), 0, out=out), sharpness, out=out)


@pytest.fixture
def made_up_operation():
    op = register("softplus", "elementwise", softplus)
    yield op
    del REGISTRY["softplus", "elementwise"]


def called(op, t, **attrs):
    """What a function of the namespace does with an operation of one operand."""
    import sys

    value = operand(t)
    return handle(record(op, (value,), tuple(attrs.items()) or None, value.shape, value.dtype, value.strides,
                         sys._getframe(1)))


@pytest.mark.usefixtures("lines_wait")
def test_made_up_operation_infers_prints_plans_and_runs(made_up_operation):
    np = module_under_test()
    expected = softplus(real.linspace(-3, 3, 8) * 2, sharpness=2.0) + 1
    for _ in range(3):
        with counting_hook() as executed:
            y = called(made_up_operation, np.linspace(-3, 3, 8) * 2, sharpness=2.0) + 1
            assert executed == []
            text = to_text(build(capture(pending([node_of(y)]))))
            assert "softplus(%0) float64[a] C attrs" in text and parse(text) is not None
            assert "softplus(" in np.explain(y) and "test_made_up.py" in np.explain(y)
            assert_same(expected, y)
        assert [node.op.name for node in executed] == ["multiply", "softplus", "add"]


def test_made_up_operation_runs_on_every_layout_and_in_memory_of_others(made_up_operation):
    np = module_under_test()
    with np.config(debug=True):
        for look in (lambda a: a, operator.attrgetter("T"), lambda a: a[::-1], lambda a: a[:, ::3], lambda a: a[:1]):
            for _ in range(3):
                t = look(np.arange(90000.0).reshape(300, 300) / 9e4)
                assert_same(softplus(look(real.arange(90000.0).reshape(300, 300) / 9e4).copy("K")) * 2,
                            called(made_up_operation, t.copy("K")) * 2)


def test_two_functions_of_one_name_and_kind_are_refused(made_up_operation):
    assert register("softplus", "elementwise", softplus) is made_up_operation
    with pytest.raises(ValueError, match="'softplus' .elementwise. is registered already"):
        register("softplus", "elementwise", abs)
    assert register("softplus", "call", abs).kind == "call"
    del REGISTRY["softplus", "call"]
    with pytest.raises(ValueError, match="none of leaf, elementwise"):
        register("softplus", "loop", abs)
