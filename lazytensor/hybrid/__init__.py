"""A function is traced once and then runs without its Python."""
