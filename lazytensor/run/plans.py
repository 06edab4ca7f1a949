"""What the first plan needs and small programs do not: `compile` imports it then, and with it all that makes plans and
kernels, which is half of the package."""

from __future__ import annotations

# ruff: noqa: E402
import logging  # noqa: F401  its lock, which networkx takes when it is imported, is held during forks

from . import claims

claims.guard_forks()  # at once: the rest takes long, and a fork in between would hold that lock while it waits for us

from ..lower.fused import alone, of_each, reduces
from ..lower.program import make_program
from .launch import shares
from .table import run_program

__all__ = ["alone", "make_program", "of_each", "reduces", "run_program", "shares"]

claims.guard_forks()
