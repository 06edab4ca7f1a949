"""From plan to program, and kernels: their text and machine code.

Nothing is imported here: small programs need none of it, and threads that import parts of it at once do not wait for
each other in a circle.
"""
