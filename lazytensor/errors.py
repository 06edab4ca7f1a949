"""The errors that are lazytensor's own. Everything else that it raises is what NumPy would have raised."""

from __future__ import annotations


class SettingError(ValueError):
    """A setting's name or value is not one of those in `lazytensor.config.TABLE`.

    The message names the setting and the values that it takes. Nothing was changed.
    """


class CheckError(AssertionError):
    """A graph, a plan or a table is not what its specification says: a bug in lazytensor, not in your program.

    Please report the message with the program that led to it; ``LAZYTENSOR_DEBUG=1`` turns on every check and finds
    the pass that went wrong. Calling ``.realize()`` earlier in the program is a way around it.
    """


class LostValueError(RuntimeError):
    """The memory that a pending result needs was overwritten by a run that then failed.

    The error of that run is the cause (``__cause__``): mend that one. Raised instead of returning garbage.
    """


def loss(error: BaseException) -> BaseException:
    """What reading a value raises whose memory a run was writing over when `error` ended that run: the error itself,
    or, for an interrupt, which means nothing to a later reader, a LostValueError."""
    if isinstance(error, Exception):
        return error
    lost = LostValueError(f"its memory was being written over when {type(error).__name__} ended the run")
    lost.__cause__ = error
    return lost


class VerificationError(AssertionError):
    """`lazytensor.verify` found a node whose value differs from what NumPy gives for it: a bug in lazytensor.

    The message names the operation, its operands, the place in your program and the first element that differs.
    """


class HybridWarning(UserWarning):
    """A jitted function is not run as was hoped: it is traced again and again, or it depends on what cannot be seen.

    Its results are right all the same. The message says what varies; `explain` of the function says more.
    """
