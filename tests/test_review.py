"""What a reviewer found, and stays found."""

import copy
import functools
import inspect
import math
import operator
import pickle
import re
import subprocess
import sys
import textwrap
import warnings
import weakref

import numpy as real
import pytest

from tests.helpers import check_same, module_under_test
from tests.test_warnings import ROOT, run


def told(script, *options):
    """What a script prints, and its warnings as sorted (line, text), with NumPy and with lazytensor."""
    found = []
    for module in ("numpy", "lazytensor"):
        out, err = run(f"import {module} as np\n{textwrap.dedent(script)}", *options)
        found.append((out, sorted(re.findall(r"^\S+?:(\d+): (\w*Warning: .*)$", err, re.M))))
    return found


# ---------------------------------------------------------------- warning filters


def test_no_filters_at_all():
    numpy, lazy = told("""
        import warnings
        x = np.arange(3.0)
        warnings.resetwarnings()
        print((x + x).tolist(), (-x).tolist(), (1 / x).tolist())
    """)
    assert lazy == numpy and len(lazy[1]) == 1


def test_a_filter_that_is_appended_is_seen():
    numpy, lazy = told("""
        import warnings
        x = np.zeros(3)
        y = x + 1
        del warnings.filters[:]
        y = x + 2
        warnings.simplefilter('error', append=True)
        try:
            1 / x
        except RuntimeWarning as warning:
            print(warning)
    """)
    assert lazy == numpy == ("divide by zero encountered in divide\n", [])


def test_warnings_ignored_where_the_operation_is_written_never_come():
    numpy, lazy = told("""
        import warnings
        x = np.zeros(3)
        big = np.full(3, 1e308)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            y = np.log(x) + 1 / x
            s = big.sum() * 10 + big.mean() + big.std()
            x /= x
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'divide by zero', RuntimeWarning)
            warnings.filterwarnings('ignore', 'invalid value', RuntimeWarning, module='other')
            z = np.log(np.zeros(3)) + np.log(-np.ones(3))
        with warnings.catch_warnings():
            w = np.sqrt(-np.ones(3))
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            total = np.zeros(3)
            for i in range(5):
                total += 1 / total
        print(y, z, w, s, x, total)
    """)
    assert lazy == numpy and [line for line, _ in lazy[1]] == ["14", "16"]


def test_many_changes_of_filters_are_not_kept_for_ever():
    from lazytensor.run import floating
    np = module_under_test()
    x = np.ones(3)
    for i in range(3000):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", f"text {i}")
            x + 1
    assert len(floating._past.entries) <= floating._past.LIMIT


def test_equal_warnings_of_a_line_come_once():
    numpy, lazy = told("""
        print(np.arange(3).max() // 0, np.arange(3).max() % 0, np.int64(3) // 0)
        print(np.arange(3).max() // 0, np.int64(3) // 0, np.arange(3).max() // 0)
        print((np.arange(3) // 0).tolist(), np.arange(3).max() // 0, (np.arange(3) // 0).tolist())
    """, "-W", "default")
    assert lazy == numpy


def test_equal_warnings_of_a_line_of_a_command_come_once():
    line = "np.arange(3).max() // 0, np.arange(3).max() % 0, np.int64(3) // 0, (1 / np.zeros(2)).tolist()"
    numpy, lazy = [subprocess.run([sys.executable, "-W", "default", "-c", f"import {module} as np; print({line})"],
                                  capture_output=True, text=True, timeout=60, check=True, env={"PYTHONPATH": ROOT})
                   for module in ("numpy", "lazytensor")]
    assert lazy.stdout == numpy.stdout and sorted(lazy.stderr.splitlines()) == sorted(numpy.stderr.splitlines())


# ---------------------------------------------------------------- other libraries' protocols


class Taking:
    """An operand that answers ufuncs with one of its own kind."""

    def __init__(self, values):
        self.values = real.asarray(values)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        inputs = [x.values if isinstance(x, Taking) else real.asarray(x) for x in inputs]
        return Taking(getattr(ufunc, method)(*inputs, **kwargs))


class Mixed(real.lib.mixins.NDArrayOperatorsMixin, Taking):
    """The same with operators."""


class Sub(real.ndarray):
    """A subclass that answers with one of its own kind."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        return getattr(ufunc, method)(*[real.asarray(x) for x in inputs], **kwargs).view(Sub)


def test_the_answer_of_another_operand_is_what_an_in_place_operator_binds():
    def program(np):
        answers = []
        for make in (Taking, Mixed, lambda values: real.asarray(values).view(Sub)):
            for write in ("x += q", "x *= q", "x -= q", "x /= q", "x **= q", "x @= q"):
                x = z = np.ones((2, 2)) * 3
                names = {"x": x, "q": make([[1.0, 2], [3, 4]])}
                exec(write, names)
                y = names["x"]
                answers.append((type(y).__name__, real.asarray(getattr(y, "values", y)), z, y is z))
        z, u = np.ones(2), Taking([1, 2])
        added = np.add(z, u, out=z), np.add(z, u, z), np.add(u, z, out=(z,)), np.divmod(z, u, out=(z, z))
        answers.append([type(y).__name__ for y in added])
        s = np.add.reduce(u, out=z), np.add.accumulate(z, out=np.ones(2)), np.add.outer(z, u, out=z)
        answers.append([type(y).__name__ for y in s])
        out = np.zeros(2)
        return answers, np.add(out, [1, 2], out=out) is out, np.multiply.reduce([[1.0, 2], [3, 4]], out=out) is out, out

    check_same(program)


def test_other_classes_find_functions_whichever_name_they_registered():
    def program(np):
        class Quantity:
            handled = {np.sum: "sum", real.mean: "mean", np.concatenate: "concatenate", np.linalg.norm: "norm",
                       real.where: "where", np.fft.fft: "fft", np.tile: "tile", np.add: "add"}

            def __array_function__(self, func, types, args, kwargs):
                return self.handled.get(func), func == np.sum, func.__name__

            def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
                return self.handled.get(ufunc)

        q = Quantity()
        return (np.sum(q), np.mean(q), np.concatenate([np.ones(2), q]), np.linalg.norm(q), np.where(q, 1, 2),
                np.add(1, q), np.fft.fft(q), np.tile(q, 2), np.max(q), real.sum(q), real.concatenate([q, q]),
                np.sum == np.mean, len({np.sum, np.mean, np.sum, real.sum}), real.sum == np.sum, np.sum == real.sum)

    check_same(program)


def test_functions_are_still_functions_to_whom_it_may_concern():
    np = module_under_test()
    assert pickle.loads(pickle.dumps([np.sum, np.linalg.norm, np.tile])) == [np.sum, np.linalg.norm, np.tile]
    assert copy.deepcopy(np.sum) is copy.copy(np.sum) is np.sum
    assert inspect.signature(np.sum) == inspect.signature(real.sum) and inspect.isroutine(np.sum)
    assert repr(np.sum).startswith("<function sum at 0x") and np.sum.__module__ == "lazytensor"

    def program(np):
        class Box(list):
            total = np.sum
            norm = np.linalg.norm

        return Box([1, 2]).total(), Box([3, 4]).norm(), Box.total([1]), functools.wraps(np.sum)(lambda: 5)()

    check_same(program)


def test_a_series_takes_an_array_over():
    pandas = pytest.importorskip("pandas")

    def program(np):
        a = b = np.ones(3)
        a += pandas.Series([1.0, 2, 3])
        c = np.arange(3)
        c *= pandas.Series([1, 2, 3], index=[2, 1, 0])
        return type(a).__name__, real.asarray(a), b, type(c).__name__, list(c)

    check_same(program)


# ---------------------------------------------------------------- objects, broadcast arrays, writes that fail


def test_methods_of_a_ufunc_made_of_a_python_function():
    def program(np):
        add = np.frompyfunc(lambda a, b: a + b, 2, 1)
        n = np.arange(4)
        return (add.reduce(n), add.accumulate(n, dtype=object), add.reduce(n.reshape(2, 2), axis=1),
                add.reduce(n.astype(object)), add.outer(n, n), add.reduceat(n.astype(object), [0, 2]))

    check_same(program)


def test_broadcast_arrays_warn_as_numpys_and_only_so():
    numpy, lazy = told("""
        a, b = np.arange(3.0), np.arange(2.0)
        for x in (*np.meshgrid(a, b, copy=False), *np.broadcast_arrays(a, b[:, None]), *np.broadcast_arrays(a + 1, 2)):
            print(x.shape, x.strides, x.flags.num, (x + 1).tolist(), np.tile(x, 2).tolist(), x.T.tolist(), x.sum())
        x, y = np.broadcast_arrays(a, b[:, None])
        print(x.flags.writeable)
        x[0, 0] = 9
        x[0, 1] = 8
        row = y[1]
        row *= 2
        y.flags.writeable = True
        y += 1
        print(a, b, y.flags.writeable)
        _, z = np.broadcast_arrays(a, 2)
        z[1] = 3
        z[2] = 4
        print(z)
    """, "-W", "always")
    assert lazy == numpy and len(lazy[1]) == 4


def test_a_write_that_fails_in_the_middle_leaves_what_numpy_leaves():
    def program(np):
        left = []
        for index, values, where in (
                (..., ["9", "8", "x", "4", "5"], None), (slice(None), [1, 2, "q", 3, 4], None),
                (slice(1, 4), [7, None, 2], None), (slice(None), [1, 2, 300, 4, 5], "i1"),
                ([0, 1, 2], [5, "z", 6], None), (slice(None), [1, 2, 3], None), (0, [1, 2], None),
                (np.arange(5) > 2, ["1", "y"], None), (slice(None), [6, 5, 4, 3, 2], "f4"),
                (slice(None, None, 2), (1, [2], 3), None)):
            b = np.arange(5, dtype=where)
            c = b * 2
            b += 1
            try:
                b[index] = values
                error = None
            except Exception as e:
                error = type(e), str(e)
            left.append((b, c, error))
        return left

    check_same(program)


def test_what_does_not_fit_warns_at_the_line_that_stores_it():
    numpy, lazy = told("""
        for f in np.zeros(3, 'f4'), np.zeros(3, 'f4') + 1:
            f[:] = [1e300, 2, 3]
            f[...] = 1e300
            f[1:] = [np.float64(1e300), 2]
            f[[0, 1]] = [1e300, 2.]
            f[0] = 1e300
            print(f.tolist())
            f[1] = 1e300
            f[:2] = np.float64(1e300)
            f[:2] = np.float64(1e300)
            f.fill(1e300)
            f[f > 3] = 1e300
            print(f.tolist())
        h = np.zeros(3, 'f2')
        h[0] = 100000
        h[:] = 100000
    """, "-W", "always")
    assert lazy == numpy and len(lazy[1]) > 20


@pytest.mark.parametrize("call", [
    "np.sum(a, foo=1)", "np.mean(a, 1, 2, 3, 4, 5, 6, 7, 8)", "np.max(a, foo=1)", "np.amax(a, foo=1)",
    "np.cumsum(a, foo=2)", "np.reshape(a)", "np.sort(a, foo=1)", "np.clip(a, 1, 2, 3, 4, 5, 6)", "np.var(a, foo=1)",
    "np.transpose(a, foo=1)", "np.copy(a, foo=1)", "np.real(a, 1)", "np.shape(a, 1)", "np.swapaxes(a)",
    "np.round(a, foo=1)", "np.any(a, foo=1)", "a.view(foo=1)", "a.view(dtype=int, foo=1)", "a.view(int, int, int)"])
def test_wrong_arguments_are_told_as_numpy_tells_them(call):
    def program(np):
        a = np.arange(3)
        return eval(call, {"np": np, "a": a})

    check_same(program, messages=True)


# ---------------------------------------------------------------- lazy scalars


def test_lazy_scalars_have_what_numpys_have_and_no_more():
    np = module_under_test()
    special = ("__floor__", "__ceil__", "__trunc__", "__round__", "__index__", "__complex__", "__len__",
               "__getitem__", "__weakref__", "__dict__", "__contains__", "__matmul__", "__next__")
    asked = {
        "floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "round": round, "two": lambda s: round(s, 1),
        "index": operator.index, "complex": complex, "float": float, "int": int, "bool": bool, "iter": iter,
        "list": list, "len": len, "empty": lambda s: s[()], "first": lambda s: s[0], "ellipsis": lambda s: s[...],
        "in": lambda s: 1 in s,
        "ref": weakref.ref, "attribute": lambda s: setattr(s, "name", 1), "item": lambda s: [1, 2, 3][s],
        "unpack": lambda s: [*s], "bytes": bytes, "format": lambda s: f"{s!r} {s}", "times": lambda s: [1] * s,
    }
    for char in "bBhHiIlLqQefdgFDG":
        given, ours = real.array([1, 0], char).max(), np.array([1, 0], char).max()
        assert type(ours).__module__ == "lazytensor"
        assert [n for n in special if hasattr(given, n)] == [n for n in special if hasattr(ours, n)], char
        for name, ask in asked.items():
            outcomes = []
            for s in (given, ours):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        outcomes.append(repr(ask(s)))
                    except Exception as error:
                        outcomes.append(type(error))
            assert outcomes[0] == outcomes[1], (char, name)


def test_pandas_takes_lazy_scalars_for_scalars():
    pandas = pytest.importorskip("pandas")
    np = module_under_test()
    x = np.array([1.0, np.nan, 3.0])
    assert pandas.isna(x.sum()) and not pandas.isna(x[:1].sum()) and pandas.notna(np.ones(2).max())
    values = pandas.Series([1.0, 2, 3])
    assert (values * np.ones(2).sum()).tolist() == [2, 4, 6] and (np.ones(2).sum() - values).tolist() == [1, 0, -1]
    assert values.fillna(np.ones(2).sum()).dtype == float


def test_sparse_matrices_with_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")

    def program(np):
        m, a, d = sparse.csr_matrix(np.eye(2)), sparse.csr_array(np.eye(2)), np.ones((2, 2)) * 2
        return [real.asarray(x) for x in (m == d, m != d, m < d, m + d, d - m, m * d, a / d, a.maximum(d), a * d)
                if not sparse.issparse(x)]

    check_same(program)


def test_squeezing_what_has_no_axis_of_one_element_gives_the_array_itself():
    def program(np):
        y, m, one = np.arange(3.0) + 0, np.ones((2, 3)) * 2, np.ones((1, 3)) * 2
        return [np.squeeze(y) is y, y.squeeze() is y, m.squeeze(axis=()) is m, one.squeeze() is one,
                one.squeeze(0).shape, np.squeeze(one).shape, np.squeeze(m[0]).base is not m]

    check_same(program)


def test_arrays_that_are_made_of_anything_are_not_shared():
    np = module_under_test()
    given = real.arange(3.0)
    for t in (np.array(given), np.array([1.0, 2]), np.asarray([1]), np.zeros(2), np.full(2, 1)):
        assert t._state is None  # shared memory is read at once and written the slow way


@pytest.mark.parametrize("name", ["foo", "c_contiguous", "owndata"])
def test_flags_that_cannot_be_set(name):
    def program(np, x):
        setattr((x + 1).flags, name, True)

    check_same(program, real.ones(3), messages=True)


def test_errors_of_methods_name_the_method():
    x = module_under_test().ones(3)
    for call, name in ((lambda: x.dot(), "dot"), (lambda: x.put(), "put")):
        with pytest.raises(TypeError, match=rf"^{name}\(\)"):
            call()
