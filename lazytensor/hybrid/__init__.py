"""Functions that are traced once and then run without their Python: `lt.jit`, control flow as functions, `lt.debug`."""
