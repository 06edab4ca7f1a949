"""The examples: plain NumPy programs that give the same, bit for bit, served by lazytensor."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_there_are_examples():
    assert {"heat_equation.py", "image_pipeline.py", "kmeans_digits.py", "measurements.py"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_the_same_both_ways(name):
    command = [sys.executable, "-m", "lazytensor", "run", str(ROOT / "examples" / name), "--compare"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The same bit for bit" in done.stdout and "exit status 0" in done.stdout
    arrays = re.search(r"^arrays +(\d+) +(\d+)$", done.stdout, re.MULTILINE)
    assert arrays and arrays[1] == arrays[2] and int(arrays[1]) >= 5


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_plain_numpy(name):
    assert "lazytensor" not in (ROOT / "examples" / name).read_text()
