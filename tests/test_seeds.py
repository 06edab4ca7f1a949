"""Seeds, keys and states of random bit generators that are Tensors or lazy scalars; pointers to Tensors for ctypes."""

import copy
import ctypes
import pickle

import numpy as real
import pytest

from tests.helpers import check_same, module_under_test
from tests.neighbours import plain

PROGRAMS = """
np.random.MT19937(t).random_raw(3) ; np.random.PCG64(t).random_raw(3) ; np.random.PCG64DXSM(t).random_raw(3) ; np.random.Philox(t).random_raw(2) ; np.random.SFC64(t).random_raw(2)
np.random.MT19937(i).random_raw(2) ; np.random.PCG64(i).random_raw(2) ; np.random.Philox(i).random_raw(2) ; np.random.SFC64(i).random_raw(2)
np.random.SeedSequence(t).generate_state(3) ; np.random.SeedSequence(i).generate_state(3) ; np.random.SeedSequence([i, i]).generate_state(2) ; np.random.SeedSequence(5, spawn_key=(i, 2)).generate_state(2) ; np.random.SeedSequence(t).entropy ; np.random.SeedSequence(t).spawn(2)[1].generate_state(i + 1) ; np.random.SeedSequence(t, pool_size=4).pool ; np.random.SeedSequence(u).generate_state(2) ; np.random.SeedSequence([t, t]).generate_state(2)
np.random.default_rng(t).random(3) ; np.random.default_rng(i).random(2) ; np.random.default_rng([i, 5]).random(2) ; np.random.default_rng(np.random.SeedSequence(t)).random(2) ; np.random.default_rng(np.random.PCG64(t)).random(2) ; np.random.default_rng(np.random.RandomState(t)).random(2)
np.random.RandomState(t).rand(3) ; np.random.RandomState(i).rand(2) ; np.random.RandomState([i, 4]).rand(2) ; np.random.RandomState(np.random.MT19937(t)).rand(2) ; r = np.random.RandomState(3); r.seed(t); r.rand(2) ; r = np.random.RandomState(3); r.seed(i); r.rand(2) ; np.random.seed(t); np.random.rand(2) ; np.random.seed(i); np.random.rand(2)
np.random.Philox(key=k).random_raw(2) ; np.random.Philox(key=i).random_raw(2) ; np.random.Philox(counter=c, key=k).random_raw(2) ; np.random.Philox(3, counter=i).random_raw(1)
r = np.random.RandomState(3); q = list(r.get_state()); q[1] = np.array(q[1]) + 0; r.set_state(tuple(q)); r.rand(2) ; r = np.random.PCG64(3); s = r.state; r.random_raw(3); r.state = s; r.random_raw(2)
r = np.random.MT19937(3); s = r.state; s['state']['key'] = np.array(s['state']['key']) + 0; r.state = s; r.random_raw(2) ; np.random.PCG64(3).advance(i).random_raw(2) ; np.random.PCG64(3).jumped(i).random_raw(2) ; np.random.PCG64(3).spawn(2)[0].random_raw(i + 1) ; np.random.PCG64(3).spawn(i + 1)[0].random_raw(1)
np.random.Generator(np.random.SFC64(t)).normal(size=2) ; np.random.Generator(np.random.MT19937(i)).spawn(2)[1].random(2) ; pickle.loads(pickle.dumps(np.random.PCG64(t))).random_raw(2) ; pickle.loads(pickle.dumps(np.random.SeedSequence(t))).generate_state(2) ; pickle.loads(pickle.dumps(np.random.Generator(np.random.Philox(t)))).random(2) ; copy.deepcopy(np.random.MT19937(t)).random_raw(2)
type(pickle.loads(pickle.dumps(np.random.PCG64(3)))) is np.random.PCG64 ; type(np.random.default_rng(3).bit_generator) is np.random.PCG64 ; isinstance(np.random.PCG64(1), np.random.BitGenerator) ; isinstance(np.random.PCG64(1).seed_seq, np.random.SeedSequence) ; issubclass(np.random.PCG64, np.random.BitGenerator) ; type(np.random.PCG64(1)).__name__ ; isinstance(real.random.PCG64(1), np.random.PCG64) ; isinstance(real.random.SeedSequence(1), np.random.SeedSequence) ; np.random.PCG64(1).lock is not None ; np.random.default_rng(1).bit_generator.state['bit_generator'] ; type(np.random.SeedSequence(1).spawn(1)[0]) is np.random.SeedSequence ; isinstance(3, np.random.PCG64) ; type(np.random.PCG64(1).spawn(1)[0]) is np.random.PCG64 ; type(np.random.PCG64(1).jumped()) is np.random.PCG64 ; np.random.SeedSequence.__name__
np.random.MT19937(x) ; np.random.SeedSequence(x) ; np.random.default_rng(x) ; np.random.PCG64(-i) ; np.random.RandomState(-i) ; np.random.RandomState(x) ; np.random.PCG64('a') ; np.random.Philox(3, key=k) ; np.random.PCG64(1, 2) ; np.random.SeedSequence(3, pool_size=i)
"""  # noqa: E501

POINTERS = """
ct.ndpointer('f8', 1).from_param(x) is not None ; ct.ndpointer('f8', 2).from_param(x) ; ct.ndpointer('i8', 1, flags='C').from_param(t) is not None ; ct.ndpointer('f8').from_param(x[::2]) is not None ; ct.ndpointer('f8', flags='C').from_param(x[::2]) ; ct.as_array(ct.as_ctypes(np.arange(3) + 1)) ; ct.as_ctypes(x).__len__() ; ct.ndpointer('f8', shape=(3,)).from_param(x) is not None
"""  # noqa: E501


def outcome(program, np):
    """A program's result, or its error; statements and an expression are split at "; "."""
    scope = {"np": np, "real": real, "pickle": pickle, "copy": copy, "ct": np.ctypeslib, "t": np.arange(3) + 1,
             "i": (np.arange(3) % 2).sum(), "u": (np.arange(3) + 1).astype("u4"), "k": (np.arange(2) + 1).astype("u8"),
             "c": (np.arange(4) + 1).astype("u8"), "x": np.arange(3.0) + 1}  # fmt: skip
    *lines, last = program.split("; ")
    try:
        for line in lines:
            exec(line, scope)
        return plain(eval(last, scope))
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("program", [p.strip() for p in (PROGRAMS + POINTERS).replace("\n", " ; ").split(" ; ")
                                     if p.strip()])  # fmt: skip
def test_as_with_numpys_arrays(program):
    assert outcome(program, module_under_test()) == outcome(program, real)


def test_a_seed_sequence_sees_later_writes_to_its_entropy():
    def program(np):
        t = np.arange(3) + 1
        seeds = np.random.SeedSequence(t)
        t[0] = 9
        return seeds.entropy, seeds.spawn(1)[0].generate_state(2)

    check_same(program)


def test_subclasses_of_bit_generators():
    def program(np):
        class Counted(np.random.PCG64):
            def __init__(self, seed):
                super().__init__(seed)
                self.count = 1

        made = Counted(np.arange(3))
        drawn = made.random_raw(), np.random.Generator(made).random()
        return drawn, made.count, isinstance(np.random.PCG64(1), Counted)

    check_same(program)


def test_ctypes_functions_take_tensors():
    def program(np):
        copy_memory = ctypes.CDLL(None).memcpy
        pointer = np.ctypeslib.ndpointer("f8", flags="C")
        source, target = np.arange(4.0) * 2, np.zeros(4)
        copy_memory.restype, copy_memory.argtypes = None, [pointer, pointer, ctypes.c_size_t]
        copy_memory(target, source, source.nbytes)
        return target, source

    check_same(program)
