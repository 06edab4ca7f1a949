"""The random values that loops are compared on: as spread as they say, and without numpy.random."""

import subprocess
import sys

import numpy as np

from lazytensor.lower.draws import Draws


def test_a_stream():
    first, again, other = Draws(7), Draws(7), Draws(8)
    whole = first.bits(1000)
    assert np.array_equal(whole, np.concatenate([again.bits(300), again.bits(700)]))
    assert len(np.intersect1d(whole, other.bits(1000))) == 0 and len(np.unique(whole)) == 1000
    ones = np.unpackbits(whole.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 0.01


def test_ranges():
    draws, n = Draws(1), 20_000
    x = draws.uniform(-2, 6, n)
    assert x.min() >= -2 and x.max() < 6 and abs(x.mean() - 2) < 0.1
    k = draws.integers(-3, 4, n)
    assert set(k.tolist()) == set(range(-3, 4))
    s = draws.sizes(-5, 9, n, "f")
    assert s.dtype == np.float32 and 0.45 < (s < 0).mean() < 0.55
    assert np.log2(abs(s)).min() < -4.9 and np.log2(abs(s)).max() > 8.9
    assert draws.patterns("f", 9).shape == (9,)


def test_nothing_imports_numpy_random():
    code = """if True:
        import sys
        import numpy as np
        from lazytensor.lower import fidelity, twins
        from lazytensor.lower.draws import Draws
        fidelity.clears_flags(np.exp, "dd")
        for twin in twins.TWINS.values():
            list(twin.points(Draws(0), twins.FEW))
        print("numpy.random" in sys.modules)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
