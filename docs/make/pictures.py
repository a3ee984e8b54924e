"""The pictures that the pages and the README show: ``python -m docs.make.pictures [NAME ...]`` draws them anew.

Each PNG keeps its own text (`tests.viz.outline`), by which a test sees that the package draws it otherwise now.
``net.png`` is drawn by the README's own lines; ``steps`` takes a picture of the README's page in Chromium.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.nn.commands import search as command
from glassgrad.viz.__main__ import main
from tests.viz.outline import outline
from tests.viz.pages.browser import CHROMIUM
from tests.viz.program.test_picture import mlp

F = nn.functional
DOCS = Path(__file__).parents[1]
FIRST = 6000  # digits that the networks learn from


def trained(model: nn.Module, x: np.ndarray, rate: float, epochs: int) -> nn.Module:
    """The model after a short training on digits."""
    data = x[:FIRST], nn.data.digits().y_train[:FIRST]
    optimizer = nn.optim.AdamW(model.parameters(), lr=rate)
    nn.fit(model, F.cross_entropy, optimizer, data, epochs=epochs, batch_size=50, progress=False)
    return model.eval()


@cache
def reader() -> nn.Module:
    """A network of pixels."""
    return trained(nn.MLP([256, 100, 10], seed=0), nn.data.digits().x_train, 0.01, 10)


@cache
def convolutional() -> nn.Module:
    """A small convolutional network."""
    first = nn.Conv2d(1, 8, 3, padding=1, seed=0), nn.ReLU(), nn.MaxPool2d(2)
    second = nn.Conv2d(8, 16, 3, padding=1, seed=1), nn.ReLU(), nn.MaxPool2d(2)
    model = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(256, 10, seed=2))
    return trained(model, nn.data.digits().x_train.reshape(-1, 1, 16, 16), 0.003, 2)


def unseen(*classes: int) -> np.ndarray:
    """The second unseen digit of each of these classes, as pictures."""
    digits = nn.data.digits()
    chosen = [int(np.flatnonzero(digits.y_test == k)[1]) for k in classes]
    return digits.x_test[chosen].reshape(-1, 1, 16, 16)


def window() -> Any:
    """The last lines of "Windows of a convolution" in pictures.md."""
    x = ag.Tensor(np.random.default_rng(0).normal(size=(1, 2, 6, 6)), requires_grad=True, name="x")
    y = nn.Conv2d(2, 2, 3, stride=2, padding=1, seed=0, dtype="float64")(x)
    return viz.plot_window(y, point=(0, 1, 3, 3), loss=ag.sum(ag.tanh(y)))


class Reader(nn.Module):
    """The model of "Time: recurrent networks" in pictures.md."""

    def __init__(self) -> None:
        self.rnn, self.fc = nn.RNN(3, 4, seed=0), nn.Linear(4, 2, seed=1)

    def forward(self, x: Any) -> ag.Tensor:
        """The scores of the last step."""
        return self.fc(self.rnn(x)[0][-1])


def loop() -> Any:
    """A loop over thirty steps."""
    x = ag.Tensor(np.random.default_rng(0).normal(size=(30, 2, 3)).astype("float32"), name="x")
    return viz.draw_loop(F.cross_entropy(Reader()(x), np.array([0, 1])))


def graph() -> Any:
    """A batch through a trained network, as a table of its modules."""
    digits = nn.data.digits()
    x, y = ag.Tensor(digits.x_train[:100], name="x"), ag.Tensor(digits.y_train[:100], name="y")
    return viz.draw_graph(F.cross_entropy(reader()(x), y), inputs=[x], targets=[y], gradients=True)


def neurons() -> Any:
    """A 9 that might be a 4."""
    digits = nn.data.digits()
    return viz.draw_network(reader(), digits.x_test[7], int(digits.y_test[7]), image=(16, 16))


def search() -> Any:
    """A search as that of the page's command, on a few of the digits."""
    digits, models, layers, width = nn.data.digits(), ("mlp",), (1, 4), (16, 512)
    build = partial(command.build, shape=digits.image_shape, classes=10)
    space = partial(command.space, models, layers, width, digits.image_shape)
    few = digits.x_train[:FIRST], digits.y_train[:FIRST], digits.x_test[:FIRST], digits.y_test[:FIRST]
    return viz.plot_search(nn.search(build, few, space, finalists=0))


def program_diff() -> Any:
    """What the passes make of a training step."""
    made = mlp(2, 2, 2)
    return viz.diff(made, made.optimized())


PICTURES: dict[str, Callable[[], Any]] = {
    "googlenet": lambda: viz.draw_model(nn.models.googlenet(seed=0, aux=False).eval(), (1, 3, 224, 224)),
    "graph": graph,
    "loop": loop,
    "maps": lambda: viz.plot_feature_maps(convolutional(), unseen(3)),
    "neurons": neurons,
    "program": lambda: viz.draw_graph(mlp(2, 2, 2, 2)),
    "program_diff": program_diff,
    "saliency": lambda: viz.saliency(convolutional(), unseen(3, 4, 5, 6, 7, 2), samples=30),
    "search": search,
    "window": window,
}


def steps(folder: Path) -> Path:
    """The page of the README's first command, after a guess and the turn."""
    page = folder / "steps.html"
    main(["L = (sigmoid(w*x + b) - y)**2", "w=2", "x=1", "b=-1", "y=1", "--inputs", "x", "-o", str(page)])
    acts = "<script>window.ready.then(() => { S.guess = 0.05; acts.turn(); })</script>"
    page.write_text(page.read_text("utf-8").replace("</body>", f"{acts}</body>"), "utf-8")
    look = "--window-size=1280,800", "--force-device-scale-factor=1.5", "--force-prefers-reduced-motion"
    flags = "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *look
    shot = folder / "steps.png"
    command = [str(CHROMIUM), *flags, "--virtual-time-budget=9000", f"--screenshot={shot}", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    return shot


def write(name: str) -> Path:
    """Draw a picture into ``docs/``, with its text."""
    path, kept = DOCS / f"{name}.png", PngInfo()
    with TemporaryDirectory() as folder:
        if name == "steps":
            drawn = steps(Path(folder))
        else:
            shown = PICTURES[name]()
            kept.add_text("Description", outline(shown))
            drawn = shown.save(Path(folder) / path.name)
        image = Image.open(drawn)
        few = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True, pnginfo=kept)
    return path


if __name__ == "__main__":
    for name in sys.argv[1:] or [*PICTURES, "steps"]:
        print(write(name), flush=True)
