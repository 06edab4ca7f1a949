"""What lazytensor will do and has done, in words: plans before they run, counts afterwards."""

from .explain import explain, report

__all__ = ["explain", "report"]
