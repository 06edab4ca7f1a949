"""From program to arrays: the interpreter, memory, threads, floating-point state, caches."""
