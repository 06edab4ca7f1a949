"""The command line, a file a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lazytensor.command.info import info
from lazytensor.command.run import run
from lazytensor.release import VERSION

COMMANDS = {"run": run, "info": info}


def main(words: Sequence[str]) -> int:
    """Carry out the command that ``words`` state; the exit status.

    >>> main(["info"])  # doctest: +ELLIPSIS
    python ...
    0
    """
    parser = argparse.ArgumentParser(
        prog="python -m lazytensor", epilog="`python -m lazytensor COMMAND --help` says more of each."
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", add_help=False, help="run an unmodified NumPy script, served by lazytensor")
    commands.add_parser("info", add_help=False, help="versions and settings")
    name = parser.parse_args(words[:1]).command
    return COMMANDS[name](words[1:])
