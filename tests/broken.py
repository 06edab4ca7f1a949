"""NumPy with a fault planted: what the fuzzer has to find, and without a fault must not."""

import types

import numpy as real


class Array(real.ndarray):
    """Behaves as NumPy's own arrays do: the subclass shows nowhere that a program looks."""

    def __array_wrap__(self, array, context=None, return_scalar=False):
        if return_scalar:
            return array[()]
        return array.view(type(self)) if type(array) is real.ndarray else array

    @property
    def base(self):
        base = real.ndarray.base.__get__(self)
        return None if type(base) is real.ndarray and base.nbytes == self.nbytes else base

    def __repr__(self):
        return repr(self.view(real.ndarray))

    def __str__(self):
        return str(self.view(real.ndarray))

    def __reduce__(self):
        return self.view(real.ndarray).__reduce__()


class ViewsCopy(Array):
    def __getitem__(self, index):
        found = super().__getitem__(index)
        return found.copy() if isinstance(found, real.ndarray) else found


class InPlaceMakesNew(Array):
    def __iadd__(self, other):
        return self + other


class ZeroLosesSign(Array):
    def __mul__(self, other):
        return super().__mul__(other) + (0.0 if self.dtype.kind == "f" else 0)


class ScalarStaysArray(Array):
    def sum(self, *args, **kwargs):
        return real.asarray(super().sum(*args, **kwargs)).view(type(self))


class PythonNumbersAreWide(Array):
    def __add__(self, other):
        return super().__add__(real.asarray(other) if type(other) in (int, float) else other)

    def __mul__(self, other):
        return super().__mul__(real.asarray(other) if type(other) in (int, float) else other)


class SumsInMemoryOrder(Array):
    def sum(self, *args, **kwargs):
        return real.ascontiguousarray(self).sum(*args, **kwargs)


class LosesLayout(Array):
    def __sub__(self, other):
        found = super().__sub__(other)
        return found.copy("C") if isinstance(found, real.ndarray) else found


class RaisesAnother(Array):
    def __getitem__(self, index):
        try:
            return super().__getitem__(index)
        except IndexError as error:
            raise ValueError(str(error)) from None


class FailsHalfway(Array):
    def __imul__(self, other):
        try:
            return super().__imul__(other)
        except TypeError:
            self.flat[:1] = 0
            raise


class IgnoresOverlap(Array):
    def __setitem__(self, index, value):
        if (
            isinstance(index, slice)
            and isinstance(value, real.ndarray)
            and value.ndim
            and value.shape == self[index].shape
        ):
            part = self[index]
            for i in range(len(part)):
                real.ndarray.__setitem__(part, i, value[i])
        else:
            super().__setitem__(index, value)


class PositiveIsSelf(Array):
    def __pos__(self):
        return self


def _asarray_copies(module):
    module.asarray = lambda *args, **kwargs: real.array(*args, **kwargs).view(Array)


def _forgets_read_only(module):
    module.broadcast_to = lambda *args: real.broadcast_to(*args).copy()


def _ignores_mask(module):
    module.add = lambda *args, where=True, **kwargs: real.add(*args, **kwargs)


FAULTY_ARRAYS = (ViewsCopy, InPlaceMakesNew, ZeroLosesSign, ScalarStaysArray, PythonNumbersAreWide, SumsInMemoryOrder,
                 LosesLayout, RaisesAnother, FailsHalfway, IgnoresOverlap, PositiveIsSelf)  # fmt: skip
FAULTY_FUNCTIONS = (_asarray_copies, _forgets_read_only, _ignores_mask)
CREATORS = ("array asarray asanyarray zeros ones full arange linspace eye identity empty tri asfortranarray "
            "ascontiguousarray zeros_like ones_like full_like empty_like").split()  # fmt: skip


def numpy_with(array_class=Array, spoil=None):
    """A stand-in module: NumPy, whose creation functions give `array_class`, then spoiled by a function of it."""
    module = types.ModuleType("broken")
    module.__getattr__ = lambda name: getattr(real, name)
    for name in CREATORS:
        setattr(module, name, _creator(getattr(real, name), array_class))
    if spoil:
        spoil(module)
    return module


def _creator(function, array_class):
    def create(*args, **kwargs):
        made = function(*args, **kwargs)
        return made.view(array_class) if type(made) is real.ndarray else made

    return create
