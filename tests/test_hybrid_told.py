"""What a jitted function tells: `explain()`, `cache_info()` and its warnings."""

import gc

import lazytensor as np


def test_replays_are_the_calls_that_programs_served():
    f = np.jit(lambda x: x + 1 if x.sum() > 0 else x - 1)
    before = np.jit.cache_info()
    for i in range(200):
        f(np.ones(3) * (i - 100))
    after = np.jit.cache_info()
    traces, checks, replays = [after[key] - before[key] for key in ("traces", "checks", "replays")]
    assert traces == 2 and traces + checks + replays == 200 and replays > 150
    del f
    gc.collect()
    assert np.jit.cache_info()["replays"] == after["replays"]
    g = np.jit(lambda x: 1 / x)
    with np.errstate(divide="ignore"):
        g(np.ones(3))
    before = np.jit.cache_info()["replays"]
    for _ in range(60):
        g(np.ones(3))
    assert 40 < np.jit.cache_info()["replays"] - before < 60
