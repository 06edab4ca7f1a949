"""The command line: ``python -m lazytensor run script.py`` and ``python -m lazytensor info``."""

import sys

from lazytensor.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
