"""Loops in jitted functions whose bodies decide on values: what a way does that no turn goes is not seen."""

import collections
import contextlib
import dataclasses
import functools
import itertools
import operator
import sys
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid.effectless import is_effectless, reach, understood
from tests import program_loops
from tests.program_jit import unchecked

ROOMS = {"np": np, "real": real, "operator": operator, "functools": functools, "itertools": itertools, "sys": sys,
         "dataclasses": dataclasses, "collections": collections, "contextlib": contextlib}

CLASS = """
class C:
    n = 0
    def __init__(self): self.n = 0
    def bump(self, *_):
        object.__setattr__(self, "n", self.n + 1)
        return 1
    {name} = bump
c = C()
"""

EFFECTS = {
    "bound_append": ("log = []; put = log.append", "put(1)", "log"),
    "bound_add": ("log = set(); put = log.add", "put(1)", "log"),
    "bound_method_of_str": ("log = {}; put = log.__setitem__", "put(1, 2)", "log"),
    "function_of_operator": ("log = [0]; put = operator.setitem", "put(log, 0, 1)", "log"),
    "in_place_functions": ("log = {}", "operator.ior(log, {1: 2})", "log"),
    "in_place_functions_of_sets": ("log = {1}", "operator.isub(log, {1})", "log"),
    "method_of_list": ("log = []; put = functools.partial(list.append, log)", "put(1)", "log"),
    "partial": ("log = []; put = functools.partial(log.append, 1)", "put()", "log"),
    "list_of_functions": ("log = []; puts = [log.append]", "[f(1) for f in puts]", "log"),
    "dict_of_functions": ("log = []; puts = {1: log.append}", "puts[1](1)", "log"),
    "set_of_functions": ("log = []; puts = {lambda: log.append(1)}", "[f() for f in puts]", "log"),
    "keys_that_are_functions": ("log = []; puts = {lambda: log.append(1): 1}", "[f() for f in puts]", "log"),
    "function_that_is_an_attribute": ("log = []\nclass C: put = log.append\nc = C()", "c.put(1)", "log"),
    "other_name_of_print": ("emit = print", "emit('gone')", "0"),
    "other_name_of_setattr": ("class C: n = 0\nput = setattr", "put(C, 'n', 1)", "C.n"),
    "name_that_is_computed": (CLASS.format(name="other"), "getattr(c, 'bu' + 'mp')()", "c.n"),
    "methodcaller": (CLASS.format(name="other"), "operator.methodcaller('bu' + 'mp')(c)", "c.n"),
    "other_name_of_seed": ("np.random.seed(1); again = np.random.seed", "again(3)",
                           "np.random.get_state()[1].tolist()"),
    "vectorize": ("log = []; v = np.vectorize(lambda x: log.append(1), otypes=[object])", "v(2.0)", "log"),
    "real_vectorize": ("log = []; v = real.vectorize(lambda x: log.append(1), otypes=[object])", "v(2.0)", "log"),
    "frompyfunc": ("log = []; v = np.frompyfunc(lambda x: log.append(1), 1, 1)", "v(2.0)", "log"),
    "real_frompyfunc": ("log = []; v = real.frompyfunc(lambda x: log.append(1), 1, 1)", "v(2.0)", "log"),
    "quit": ("", "quit()", "sys.stdin.closed"),
    "derived_deque": ("class D(collections.deque): pass\nd = D([1])", "store(d)", "list(d)"),
    "derived_bytearray": ("class D(bytearray): pass\nd = D(b'a')", "store(d)", "list(d)"),
    "derived_defaultdict": ("class D(collections.defaultdict): pass\nd = D(int)", "d[1]", "dict(d)"),
    "class_made": ("log = []\nclass B:\n    def __init_subclass__(cls): log[:] = [1]", "made(B)", "log"),
    "metaclass": ("log = []; put = log.append\nclass M(type):\n    def __init__(cls, *_): put(1)", "made(meta=M)",
                  "log"),
    "deleted": ("log = []\nclass C:\n    def __del__(self): log.append(1)", "C()", "log"),
    "made_by_new": ("class C:\n    n = 0\n    def __new__(cls):\n        cls.n += 1\n        return 1", "C()", "C.n"),
    "other_object_at_the_beginning": (
        "class B: n = 0\nb = B()\nclass C:\n    def __init__(self): b.n = 1", "C()", "b.n"),
    "default": ("def f(x, log=[0]): log[0] += 1", "f(1)", "f.__defaults__"),
    "memmap": ("path = PATH; M = np.memmap", "M(path, 'f8', 'w+', 0, (2,))", "__import__('os').path.exists(path)"),
    "error_state": ("", "np.geterr()['divide'] == 'call' and 1 / 0", "0"),
    "cached": ("log = []\n@functools.lru_cache\ndef f(): log.append(1)", "f()", "log"),
    "iterator": ("count = itertools.count(); f = count.__next__", "f()", "count"),
    "context": ("log = []; put = log.append\n@contextlib.contextmanager\ndef c():\n    put(1)\n    yield", "within(c)",
                "log"),
    **{name: (CLASS.format(name=name), call, "c.n") for name, call in {
        "__lshift__": "c << 1", "__gt__": "c > 1", "__rsub__": "1 - c", "__neg__": "-c", "__format__": "f'{c}'",
        "__str__": "'%s' % c", "__repr__": "repr(c)",
        "__hash__": "{c: 1}", "__index__": "[1, 2][c]", "__truediv__": "c / 2", "__call__": "c()",
        "__class_getitem__": "C[1]"}.items()},
    "every_attribute": (
        "log = [0]\nclass C:\n    def __getattribute__(self, name):\n        if name == 'zip': log[0] += 1\n"
        "        return object.__getattribute__(self, name)\nc = C()", "hasattr(c, 'z' + 'ip')", "log"),
}  # fmt: skip

COMMON = """
def store(x): x[0] = 9
def within(c):
    with c(): pass
def made(base=object, meta=type):
    class Q(base, metaclass=meta): pass
def way(s):
    {call}
    return s
"""


def world(setup, call, path=""):
    space = {**ROOMS, "PATH": str(path), "__name__": "program"}
    exec(setup, space)
    exec(COMMON.format(call=call), space)
    return space


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_of_a_way_that_is_not_gone(name, tmp_path, capsys):
    setup, call, seen = EFFECTS[name]
    space = world(setup, call, tmp_path / "file")
    way, before = space["way"], repr(eval(seen, space))
    f = np.jit(lambda x: np.fori_loop(0, 20, lambda i, s: way(s) if s.sum() > 1e9 else s + i, x))
    with unchecked(False):
        for _ in range(3):
            assert f(np.ones(3)).tolist() == [191] * 3
    assert repr(eval(seen, space)) == before
    assert capsys.readouterr() == ("", "")


OTHER_EACH_TURN = {"quit", "memmap", "error_state", "real_vectorize", "real_frompyfunc"}


@pytest.mark.parametrize("name", [name for name in EFFECTS if name not in OTHER_EACH_TURN])
def test_effects_of_each_turn(name, capsys):
    setup, call, seen = EFFECTS[name]
    after = []
    for np_, jit, each in ((real, lambda f: f, program_loops.loop), (np, np.jit, np.fori_loop)):
        space = world(setup, call)
        f = jit(lambda x, way=space["way"], each=each: each(0, 20, lambda i, s: way(s) + i, x))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x = np_.ones(3)
            program_loops.attempt(lambda f=f, x=x: f(x))
        after.append((repr(eval(seen, space)), capsys.readouterr()))
    assert after[0] == after[1]


HARMLESS = {
    "methods": ("class C:\n    def __init__(self, k): self.k = k\n    def run(self, s): return s * self.k\n"
                "    def __repr__(self): return f'C({self.k})'\nc = C(2.0)", "s = c.run(s)"),
    "words_about_itself": ("class C:\n    k = 2.0\n    def __repr__(self): return type(self).__name__\nc = C()",
                          "s = c.k * s"),
    "dataclasses": ("@dataclasses.dataclass\nclass C:\n    k: float = 2.0\nc = C()", "s = s * c.k"),
    "objects_made": ("class C:\n    def __init__(self, k): self.k = k", "s = s * C(3).k"),
    "tables": ("table = {'a': 2.0}; rows = [1.0]; kinds = {1, 2}", "s = s * table['a'] + rows[0] + (1 in kinds)"),
    "named_tuples": ("P = collections.namedtuple('P', 'a b')", "s = s * P(2, 1)[0]"),
    "partials": ("f = functools.partial(np.multiply, 2.0)", "s = f(s)"),
    "functions_of_modules": ("import math; e = math.exp; o = operator.mul", "s = o(s, e(0.5)) + math.pi"),
    "exceptions": ("class E(Exception): pass", "raise E('far')"),
    "jitted": ("f = np.jit(lambda s: s * 2)", "s = f(s)"),
    "arrays": ("w = np.arange(3.0)", "w[1] = 4; s = s + w"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_has_no_effects_is_tried(name):
    setup, call = HARMLESS[name]
    way = world(setup, call)["way"]
    assert understood(reach((way, ""))) and is_effectless(reach((way, "")))
    f = np.jit(lambda x: np.fori_loop(0, 20, lambda i, s: way(s) if s.sum() > 1e9 else s + i, x))
    assert f(np.ones(3)).tolist() == [191] * 3
    assert "generated" in f.explain()


WARNING = ["s * np.log(-1.0)", "s * (real.float64(1.0) / real.float64(0.0))", "s + (real.int8(100) + real.int8(100))",
           "s + np.array([1.0, 2.0, 3.0]) / np.zeros(3)", "s * np.exp(1000.0)"]


@pytest.mark.parametrize("limit", [1e9, 300])
@pytest.mark.parametrize("text", WARNING)
def test_warnings_of_constants_come_where_the_way_is_gone(text, limit, capsys):
    def run(np, jit, loop):
        way = eval(f"lambda s: {text}", {"np": np, "real": real})
        f = jit(lambda x: loop(0, 20, lambda i, s: way(s) if s.sum() > limit else s + i, x))
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            found = [f(np.ones(3)).tolist() for _ in range(3)]
        return repr(found), capsys.readouterr().err.count("Warning: ")

    assert run(real, lambda f: f, program_loops.loop) == run(np, np.jit, np.fori_loop)
    assert np.geterr() == real.geterr()
