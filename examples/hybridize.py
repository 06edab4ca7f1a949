"""From an imperative function to a compiled program: what `hybridize` and `jit` do, shown by this library's own output.

Run it with `python examples/hybridize.py`. It ends with a classifier of handwritten digits (scikit-learn's packaged
data) whose training step, gradients and updates in place, is compiled once.
"""

import statistics
import time

from sklearn.datasets import load_digits

import lazytensor as np
from lazytensor import nn


def heading(text):
    print(f"\n== {text}")


def body(f):
    """The operations of a compiled program, without its guard."""
    lines = f.source.splitlines()
    first = next(i for i, line in enumerate(lines) if "return CHECK" in line)
    around = ("try:", "except", "leave(", "ABANDON", "finally:", "enter(", "spaces.", " = W")
    return "\n".join(line for line in lines[first + 1 :] if not any(word in line for word in around))


def microseconds(call, times):
    """What a call takes: the median of ten rounds, which other work on the machine disturbs less than the mean."""
    rounds = []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(times // 10):
            call()
        rounds.append((time.perf_counter() - start) / (times // 10) * 1e6)
    return statistics.median(rounds)


# ---- imperative, symbolic, hybrid ------------------------------------------------------------------------------------


def add(a, b):
    return a + b


def fancy(a, b, c, d):
    e = add(a, b)
    f = add(c, d)
    return add(e, f) * (2 * 3 + 1)


def programs():
    heading("the imperative program: Python runs every line")
    ones = np.ones(3)
    print(fancy(ones, ones * 2, ones * 3, ones * 4))
    heading("the lazy program: a graph, which runs when its value is needed")
    print(fancy(ones, ones * 2, ones * 3, ones * 4).explain())
    heading("the hybrid program: traced once, then run without the Python; 2 * 3 + 1 has become 7")
    compiled = np.jit(fancy)
    compiled(ones, ones * 2, ones * 3, ones * 4)
    print(body(compiled))
    print(compiled.explain())
    heading("the same, called often: its operations are one kernel")
    for _ in range(3000):
        compiled(ones, ones * 2, ones * 3, ones * 4)
    print(body(compiled))


# ---- a network, before and after -------------------------------------------------------------------------------------


def network():
    return nn.Sequential(nn.Dense(512, 256, rng=0), nn.ReLU(), nn.Dense(256, 128, rng=1), nn.ReLU(),
                         nn.Dense(128, 2, rng=2))  # fmt: skip


def timed():
    heading("a 512-256-128-2 network, 1,000 calls")
    net = network()
    x = np.random.default_rng(0).normal(size=(1, 512)).astype("float32")
    before = microseconds(lambda: net(x).realize(), 1000)
    plain = net(x).tolist()
    net.hybridize()
    for _ in range(10):
        net(x)
    after = microseconds(lambda: net(x), 1000)
    print(f"before hybridize() {before:7.1f} us a call, after {after:7.1f} us")
    print("the same bits:", net(x).tolist() == plain)


# ---- Python inside ---------------------------------------------------------------------------------------------------


class Talkative(nn.Module):
    """A layer with `print` inside."""

    def __init__(self):
        self.inner = nn.Dense(3, 2, rng=0)

    def forward(self, x):
        print("  print: forward runs its Python, x has shape", x.shape)
        y = self.inner(x)
        np.debug.print("  debug.print: the sum is", y.sum())
        return y


class Leaky(nn.Module):
    """A layer that asks for a NumPy array in the middle."""

    def forward(self, x):
        return x * float(x.numpy().max())


class Branching(nn.Module):
    """A layer with `if` and `for` on values."""

    def forward(self, x):
        if x.sum() > 0:
            for _ in range(3):
                x = x * 2
            return x
        return -x


def python_inside():
    heading("print, before hybridize(): at every call")
    layer, x = Talkative(), np.ones((2, 3), "float32")
    for i in range(2):
        print(f"call {i + 1}")
        layer(x * i)
    heading("print, after it: while a call is traced; debug.print at every call")
    layer.hybridize()
    for i in range(4):
        print(f"call {i + 1}")
        layer(x * i)
    heading("x.numpy() inside: this layer runs its Python at every call, and says so")
    leaky = Leaky()
    leaky.hybridize()
    for i in range(5):
        leaky(x + i)
    print(leaky.explain())
    heading("if and for inside: a branch for each answer that was seen")
    branching = Branching()
    branching.hybridize()
    print([branching(x * s)[0, 0].item() for s in (1, 2, -1, 3, -2, 1)])
    print(branching.explain())


def in_place():
    heading("a += b and a[:] = a + b inside: the caller's array changes, as ever")

    @np.jit
    def update(a, b):
        a += b
        a[:] = a + b

    a, b = np.zeros(3), np.arange(3.0)
    for _ in range(4):
        update(a, b)
    print(a, update.cache_info())


# ---- digits ----------------------------------------------------------------------------------------------------------


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def digits():
    heading("a classifier of handwritten digits, its training step compiled once")
    data = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.target))
    images, labels = np.array(data.data)[order] / 16, np.array(data.target)[order]
    x, y, x_test, y_test = images[:1400].copy(), labels[:1400].copy(), images[1400:].copy(), labels[1400:].copy()
    first, second = nn.Dense(64, 64, dtype="float64", rng=1), nn.Dense(64, 10, dtype="float64", rng=2)
    classes = np.arange(10)

    @np.jit
    def step(x, y, rate):
        h = np.maximum(first(x), 0)
        p = softmax(second(h))
        loss = -np.log((p * (y[:, None] == classes)).sum(axis=1)).mean()
        d = (p - (y[:, None] == classes)) / len(y)
        dh = (d @ second.weight.T) * (h > 0)
        second.weight -= rate * (h.T @ d)
        second.bias -= rate * d.sum(axis=0)
        first.weight -= rate * (x.T @ dh)
        first.bias -= rate * dh.sum(axis=0)
        return loss

    rate = np.array(0.3)
    for epoch in range(40):
        shuffled = rng.permutation(1400)
        for i in range(0, 1400, 100):
            batch = shuffled[i : i + 100]
            loss = step(x[batch], y[batch], rate)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {float(loss):.4f}")
    found = np.argmax(second(np.maximum(first(x_test), 0)), axis=1)
    info = step.cache_info()
    print(f"test accuracy {float((found == y_test).mean()):.1%}; the step was called {info['calls']} times, "
          f"compiled {info['compiled']} time")  # fmt: skip


if __name__ == "__main__":
    programs()
    timed()
    python_inside()
    in_place()
    digits()
