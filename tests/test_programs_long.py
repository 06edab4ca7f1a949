"""Ten programs of a hundred lines or more, each in another style, do the same on lazytensor as on NumPy."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROGRAMS = sorted((ROOT / "tests" / "programs_long").glob("*.py"))


def test_there_are_ten_and_they_are_plain_numpy():
    assert len(PROGRAMS) >= 10
    for path in PROGRAMS:
        source = path.read_text()
        assert source.count("\n") >= 100 and "import numpy as np\n" in source and "lazytensor" not in source


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_is_the_same_both_ways(path):
    command = [sys.executable, "-m", "lazytensor", "run", str(path), "--compare"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The same bit for bit" in done.stdout and "exit status 0" in done.stdout
