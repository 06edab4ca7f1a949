"""``python -m lazytensor run``: an unmodified NumPy script, with its ``import numpy`` served by lazytensor."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from lazytensor.command.compare import compare
from lazytensor.command.serve import execute, main_module
from lazytensor.see import report

DESCRIPTION = """\
Runs an unmodified NumPy script as __main__. `import numpy`, in any form, gives lazytensor in the script and in the
modules and packages under its folder; installed libraries keep the real NumPy.

Of the words after the script, --compare and --explain belong to this command and all others to the script; so do all
that follow a `--`, which is itself left out. Before the script only the options of this command may stand."""

EPILOG = """\
exit status: the script's own. With --compare, 0 if nothing differs, 1 if anything does, and 2 for a mistake in the
command; the script then reads an empty standard input. A process that the script starts afresh (multiprocessing's
spawn) runs on NumPy."""


@dataclass
class Request:
    """What the words of the command line ask for."""

    script: str = ""
    arguments: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lazytensor run",
        usage="%(prog)s [--compare] [--explain] script.py [arguments of the script]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--compare", action="store_true", help="also run it on NumPy, and report cost and differences")
    parser.add_argument("--explain", action="store_true", help="print, after the run, what lazytensor did")
    return parser


def parse(words: Sequence[str]) -> Request:
    """The request that ``words`` state; a mistake in them ends the process with status 2 and a message.

    >>> request = parse(["fit.py", "--steps", "9", "--compare", "--", "--explain"])
    >>> request.script, request.arguments, request.options
    ('fit.py', ['--steps', '9', '--explain'], {'--compare'})
    """
    parser, request = _parser(), Request()
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            if not request.script and left:
                request.script = left.pop(0)
            request.arguments += left
            break
        if word in ("--compare", "--explain"):
            request.options.add(word)
        elif request.script:
            request.arguments.append(word)
        elif word in ("-h", "--help"):
            parser.print_help()
            parser.exit()
        elif word.startswith("-"):
            parser.error(f"unknown option {word!r}; options of the script go after its name")
        else:
            request.script = word
    if not request.script:
        parser.error("no script: name the Python file to run")
    return request


def _check(script: str) -> None:
    if os.path.isdir(script):
        _parser().error(f"{script!r} is a folder: name the Python file in it")
    if not os.path.isfile(script):
        _parser().error(f"no such script: {script!r} (from the folder {os.getcwd()!r})")
    if not os.access(script, os.R_OK):
        _parser().error(f"the script {script!r} may not be read by this user")


def run(words: Sequence[str]) -> int:
    """Do what ``words`` ask; the exit status. An exception of the script, SystemExit too, passes through."""
    request = parse(words)
    _check(request.script)
    if "--compare" in request.options:
        return compare(request.script, request.arguments, "--explain" in request.options)
    try:
        execute(main_module(request.script), request.script, request.arguments, lazy=True)
    finally:
        if "--explain" in request.options:
            print("", report(), sep="\n")
    return 0
