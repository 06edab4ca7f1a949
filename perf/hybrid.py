"""Compiled functions beside other compilers, all in one process, interleaved: `python perf/hybrid.py`.

Rows of libraries that are not installed are left out. Times are the least of many rounds, in microseconds a call.
All libraries run on one thread; `--network BATCH` times only the network, `--cores N` gives all of them N cores (this
process is bound to as many: JAX counts those, whatever `OMP_NUM_THREADS` says).
"""

import argparse
import os


def _options():
    parser = argparse.ArgumentParser(description="Compiled functions beside other compilers.")
    parser.add_argument("--network", type=int, metavar="BATCH", help="only the network, with batches of so many rows")
    parser.add_argument("--cores", type=int, default=1, metavar="N", help="cores that every library has (1)")
    return parser.parse_args()


# Before any of the libraries is imported: each counts its threads when it starts.
OPTIONS = _options()
CORES = sorted(os.sched_getaffinity(0))
if OPTIONS.cores > len(CORES):
    raise SystemExit(f"--cores {OPTIONS.cores}: this machine has {len(CORES)}")
os.sched_setaffinity(0, CORES[: OPTIONS.cores])
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(OPTIONS.cores)
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gc  # noqa: E402
import time  # noqa: E402

import numpy as real  # noqa: E402

import lazytensor as np  # noqa: E402
from lazytensor import nn  # noqa: E402

THREADS = OPTIONS.cores


def least(calls, times, rounds):
    """The least time of each, in microseconds."""
    found = dict.fromkeys(calls, 1e12)
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(times):
                call()
            found[name] = min(found[name], (time.perf_counter() - start) / times * 1e6)
    return found


def show(title, found):
    print(title)
    own = found["lazytensor jit"]
    for name, us in found.items():
        print(f"  {name:24} {us:12.2f} us   {us / own:6.2f}")


def peers():
    """JAX and torch, if they are there."""
    try:
        import jax
        import torch

        torch.set_num_threads(THREADS)
        return jax, torch
    except ImportError:
        return None, None


def tensorflow():
    """TensorFlow, if it is there."""
    try:
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(THREADS)
        return tensorflow
    except ImportError:
        return None


JAX, TORCH = peers()
TENSORFLOW = tensorflow()


def network(batch):
    net = nn.Sequential(nn.Dense(512, 256, rng=0), nn.ReLU(), nn.Dense(256, 128, rng=1), nn.ReLU(),
                        nn.Dense(128, 2, rng=2))  # fmt: skip
    arrays = [(m.weight.copy().numpy(), m.bias.copy().numpy()) for m in net.layers[::2]]
    x = real.random.default_rng(0).normal(size=(batch, 512)).astype("f4")
    own = np.array(x)

    def plain(x):
        for i, (w, b) in enumerate(arrays):
            x = x @ w + b
            if i < 2:
                x = real.maximum(x, 0)
        return x

    compiled = np.jit(net.forward)
    for _ in range(40):
        compiled(own)
    assert real.array_equal(compiled(own).numpy(), plain(x))
    calls = {"NumPy": lambda: plain(x), "lazytensor lazy": lambda: net.forward(own).realize(),
             "lazytensor jit": lambda: compiled(own)}  # fmt: skip
    if JAX is not None:
        calls |= _peer_networks(arrays, x)
    if TENSORFLOW is not None:
        calls |= _tensorflow_networks(arrays, x)
    with np.config(eager_after=None):  # the lazy form stays lazy
        found = least(calls, 1000, 10)
    show(f"512-256-128-2 network, float32, batch {batch}, {THREADS} core(s)", found)
    small = {"lazytensor, small at once": calls["lazytensor lazy"], "lazytensor jit": calls["lazytensor jit"]}
    show("  the same, not compiled, with lines of small arrays run when written (eager_after)", least(small, 1000, 10))


def _peer_networks(arrays, x):
    weights = [(JAX.numpy.array(w), JAX.numpy.array(b)) for w, b in arrays]

    @JAX.jit
    def f(x):
        for i, (w, b) in enumerate(weights):
            x = x @ w + b
            if i < 2:
                x = JAX.numpy.maximum(x, 0)
        return x

    layers = []
    for i, (w, b) in enumerate(arrays):
        layers.append(TORCH.nn.Linear(*w.shape))
        layers[-1].weight.data, layers[-1].bias.data = TORCH.tensor(w.T.copy()), TORCH.tensor(b)
        layers += [TORCH.nn.ReLU()] if i < 2 else []
    model = TORCH.jit.freeze(TORCH.jit.script(TORCH.nn.Sequential(*layers).eval()))
    jx, tx = JAX.numpy.array(x), TORCH.tensor(x)

    def torchscript():
        with TORCH.no_grad():
            return model(tx)

    for _ in range(30):
        torchscript()
        f(jx).block_until_ready()
    return {"TorchScript, frozen": torchscript, "JAX jit": lambda: f(jx).block_until_ready()}


def _tensorflow_networks(arrays, x):
    """TensorFlow run as it is written, as a graph, and as a graph that XLA has compiled."""
    tf = TENSORFLOW
    weights = [(tf.constant(w), tf.constant(b)) for w, b in arrays]

    def f(x):
        for i, (w, b) in enumerate(weights):
            x = tf.matmul(x, w) + b
            if i < 2:
                x = tf.nn.relu(x)
        return x

    given = tf.constant(x)
    calls = {"TensorFlow eager": f, "TensorFlow graph": tf.function(f),
             "TensorFlow XLA": tf.function(f, jit_compile=True)}  # fmt: skip
    for call in calls.values():
        for _ in range(30):
            assert real.allclose(call(given).numpy(), f(given).numpy(), 1e-4, 1e-4)
    return {name: lambda call=call: call(given).numpy() for name, call in calls.items()}


def twenty():
    def f(np):
        def g(x, y):
            for _ in range(5):
                x = x * y + 1.5
                y = np.maximum(y - x, 0.25)
            return x

        return g

    x, y = real.linspace(1, 2, 100), real.linspace(0.1, 0.2, 100)
    a, b = np.array(x), np.array(y)
    compiled, u, v = np.jit(f(np)), real.empty(100), real.empty(100)
    for _ in range(40):
        compiled(a, b)
    multiply, add, subtract, maximum = real.multiply, real.add, real.subtract, real.maximum

    def arithmetic():
        p, q = x, y
        for _ in range(5):
            multiply(p, q, u), add(u, 1.5, u), subtract(q, u, v), maximum(v, 0.25, out=v)
            p, q = u, v

    calls = {"NumPy": lambda: f(real)(x, y), "NumPy, into memory": arithmetic, "lazytensor jit": lambda: compiled(a, b)}
    if JAX is not None:
        g = JAX.jit(f(JAX.numpy))
        jx, jy = JAX.numpy.array(x), JAX.numpy.array(y)
        calls["JAX jit"] = lambda: g(jx, jy).block_until_ready()
    show("20 operations on 100 elements, float64", least(calls, 200, 60))


def jacobi(dimensions, n, steps):
    def one(a, b, steps):
        for _ in range(steps):
            b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
            a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
        return a

    def two(a, b, steps):
        for _ in range(steps):
            b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
            a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])
        return a

    f = one if dimensions == 1 else two
    rng = real.random.default_rng(0)
    a, b = rng.random((n,) * dimensions), rng.random((n,) * dimensions)
    compiled = np.jit(f)
    start = time.perf_counter()
    compiled(np.array(a), np.array(b), steps)
    first = time.perf_counter() - start
    for _ in range(5):
        found = compiled(np.array(a), np.array(b), steps)
    assert real.array_equal(found.numpy(), f(a.copy(), b.copy(), steps))
    p, q = np.array(a), np.array(b)
    u, v = a.copy(), b.copy()
    calls = {"NumPy": lambda: f(u, v, steps), "lazytensor jit": lambda: compiled(p, q, steps)}
    if JAX is not None:
        calls["JAX fori_loop"] = _jax_jacobi(dimensions, a, b, steps)
    show(f"Jacobi, {dimensions}-D, {n}, {steps} steps (first call {first:.2f} s)", least(calls, 2, 12))


def _jax_jacobi(dimensions, a, b, steps):
    def step(_, state):
        a, b = state
        if dimensions == 1:
            b = b.at[1:-1].set(0.33333 * (a[:-2] + a[1:-1] + a[2:]))
            return a.at[1:-1].set(0.33333 * (b[:-2] + b[1:-1] + b[2:])), b
        b = b.at[1:-1, 1:-1].set(0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]))
        return a.at[1:-1, 1:-1].set(
            0.2 * (b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])), b  # fmt: skip

    g = JAX.jit(lambda a, b: JAX.lax.fori_loop(0, steps, step, (a, b)))
    x, y = JAX.numpy.array(a), JAX.numpy.array(b)
    g(x, y)[0].block_until_ready()
    return lambda: g(x, y)[0].block_until_ready()


def triangular(n):
    def lu(A):
        for i in range(len(A)):
            for j in range(i):
                A[i, j] -= A[i, :j] @ A[:j, j]
                A[i, j] /= A[j, j]
            for j in range(i, len(A)):
                A[i, j] -= A[i, :i] @ A[:i, j]
        return A

    start = real.random.default_rng(0).random((n, n)) + real.eye(n) * n
    compiled = np.jit(lu)
    begin = time.perf_counter()
    compiled(np.array(start))
    first = time.perf_counter() - begin
    for _ in range(4):
        found = compiled(np.array(start))
    assert real.array_equal(found.numpy(), lu(start.copy()))
    calls = {"NumPy": lambda: lu(start.copy()), "lazytensor jit": lambda: compiled(np.array(start))}
    show(f"triangular double loop, N = {n} (first call {first:.2f} s)", least(calls, 1, 5))


def compiling():
    """What a trace costs an operation, and compiling it, for few steps and many: processor time of this thread."""

    def steps_of(a, b, steps):
        for _ in range(steps):
            b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
            a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
        return a

    print("1-D Jacobi, 30 elements, float64: 8 operations a step")
    for steps in (10, 100, 1000, 10000):
        rounds = []
        for _ in range(5 if steps < 10000 else 2):
            a, b = np.ones(30), np.ones(30)
            np.realize(a, b)
            start = time.thread_time()
            steps_of(a, b, steps).realize()
            lazy = time.thread_time() - start
            compiled = np.jit(steps_of)
            start = time.thread_time()
            compiled(a, b, steps)
            first = time.thread_time() - start
            gc.collect()
            gc.disable()
            start = time.thread_time()
            compiled._compiled[0]._compile()
            rounds.append((first, time.thread_time() - start, lazy))
            gc.enable()
        first, compile_time, lazy = map(min, zip(*rounds, strict=True))
        rest, lazy = (first - compile_time) / steps / 8 * 1e6, lazy / steps / 8 * 1e6
        print(f"  {steps:6} steps: compiled in {compile_time * 1e3:6.2f} ms; first call {first * 1e3:8.1f} ms, "
              f"without that {rest:5.1f} us an operation (run lazily {lazy:.1f})")


def fori():
    """The first call of a `fori_loop`, for few turns and many: processor time of this thread."""

    def body(_, state):
        a, b = state
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
        return a, b

    def indexed(i, x):
        return x * 0.5 + i

    print("fori_loop, 30 elements, first call: a body that ignores its index (8 operations), and one that reads it (2)")
    for turns in (10, 1000, 10000):
        times = []
        for own, make in ((body, lambda: (np.ones(30), np.ones(30))), (indexed, lambda: np.ones(30))):
            compiled = np.jit(lambda state, turns, own=own: np.fori_loop(0, turns, own, state))
            start = time.thread_time()
            compiled(make(), turns)
            times.append(time.thread_time() - start)
        print(f"  {turns:6} turns: {times[0] * 1e3:8.1f} ms, {times[1] * 1e3:8.1f} ms")


def everything():
    compiling()
    fori()
    network(1)
    network(64)
    twenty()
    jacobi(1, 3200, 800)
    jacobi(2, 150, 50)
    for n in (60, 120, 220):
        triangular(n)


if __name__ == "__main__":
    np.config(threads=THREADS)
    if OPTIONS.network:
        network(OPTIONS.network)
    else:
        everything()
