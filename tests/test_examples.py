"""The examples: plain NumPy programs that give the same, bit for bit, served by lazytensor."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
HYBRID = "hybridize.py"  # shows what NumPy has not
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py") if path.name != HYBRID)


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


def test_the_hybrid_example_compiles_and_learns():
    command = [sys.executable, str(ROOT / "examples" / HYBRID)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    accuracy = re.search(r"test accuracy ([\d.]+)%; the step was called 560 times, compiled 1 time$", done.stdout, re.M)
    assert accuracy and float(accuracy[1]) >= 95
    before, _, after = done.stdout.partition("== print, after it")
    assert "the same bits: True" in before
    assert (before.count("  print: forward runs its Python"), after.count("  print: forward runs its Python")) == (2, 1)
