"""matplotlib draws the same picture, to the byte, of Tensors as of NumPy's arrays."""

import numpy as real
import pytest

from tests.helpers import module_under_test
from tests.neighbours import arrays, rows

pytest.importorskip("matplotlib")

PROGRAMS = """
axes.plot(v, np.sin(v)) | axes.plot(v) | axes.scatter(v, v ** 2, c=v, s=v * 10) | axes.bar(np.arange(3), x[:, 0])
axes.imshow(x) | axes.imshow(image) | axes.hist(v, bins=4) | axes.hist(v, bins=np.linspace(0, 2, 5))
axes.contourf(x, 3) | axes.pcolormesh(x) | axes.errorbar(v, v, yerr=v / 10) | axes.fill_between(v, v, v ** 2, where=m)
axes.boxplot(x) | axes.quiver(x, x) | axes.set_xlim(s, s * 2); axes.axhline(s / 10) | axes.set_xticks(k)
axes.step(k, k) | axes.pie(x[0]) | axes.text(s / 10, 0.5, f"{s:.2f}") | axes.plot(days, k)
axes.bar(text, np.arange(3)) | axes.plot(x) | axes.stem(v)
"""


def picture(program, np):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2), dpi=50)
    canvas = FigureCanvasAgg(figure)
    exec(program, {"axes": figure.add_subplot(), **arrays(np)})
    canvas.draw()
    return bytes(canvas.buffer_rgba())


@pytest.mark.parametrize("program", rows(PROGRAMS))
def test_draws_the_same_picture(program):
    assert picture(program, real) == picture(program, module_under_test())


def test_a_picture_comes_back():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    np = module_under_test()
    canvas = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=20))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels.shape == (20, 20, 4) and (pixels[..., :3] == 255).all()
