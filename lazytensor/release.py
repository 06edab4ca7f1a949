"""The version of lazytensor; ``lazytensor.__version__`` is that of the NumPy that it stands for."""

VERSION = "0.1.0"
