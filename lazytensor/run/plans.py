"""What the first plan needs and small programs do not: `compile` imports it then, and with it all that makes plans and
kernels, which is half of the package."""

from __future__ import annotations

from ..lower.fused import alone
from ..lower.stages import make_program
from .launch import shares
from .table import run_program

__all__ = ["alone", "make_program", "run_program", "shares"]
