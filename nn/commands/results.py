"""The results of a run: weights, history, settings, and a page with pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.backends import to_numpy
from glassgrad.autograd.common.files import write_file
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.settings import LOSSES, Settings
from glassgrad.nn.data import Dataset
from glassgrad.nn.models import MLP
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving import save
from glassgrad.nn.training import History

if TYPE_CHECKING:
    from glassgrad.viz.pages.report import Held

HELD_OUT = 12  # one training digit in 12 is held out for validation
ROWS = 1000  # digits classified in one batch
SPECIMENS, SAMPLES = 8, 25  # saliency maps: digits, gradients averaged
HESITANT = 0.9  # of the digits read correctly, one with less certainty than this is shown neuron by neuron


def validation_size(data: Dataset) -> int:
    """The number of training digits held out for validation."""
    return max(1, len(data.x_train) // HELD_OUT)


def training_set(data: Dataset) -> str:
    """A description of how the training digits are used."""
    held = validation_size(data)
    return f"{len(data.x_train) - held:,} digits to learn from, {held:,} to choose the weights by"


def name_of(model: Module, settings: Settings) -> str:
    """The network's description: ``256-100-10 sigmoid network``."""
    words = NETWORKS[settings.model].words
    return f"{'-'.join(map(str, model.sizes))} {words}" if isinstance(model, MLP) else words


@dataclass
class Run:
    """A finished training and its results on the held-out digits; ``model`` is in evaluation mode."""

    model: Module
    settings: Settings
    data: Dataset
    history: History
    folder: Path

    @cached_property
    def held(self) -> Held:
        """The held-out digits and what the network reads."""
        from glassgrad.viz.pages.report import Held

        data, parts = self.data, []
        with ag.no_grad():
            for start in range(0, len(data.x_test), ROWS):
                outputs = self.model(ag.asarray(data.x_test[start : start + ROWS], device=self.settings.device))
                parts.append(to_numpy((outputs if self.settings.loss == "mse" else ag.softmax(outputs)).data))
        images = data.x_test.reshape(-1, *data.image_shape)
        return Held(images, data.y_test, np.concatenate(parts), data.classes, crop=self.settings.data == "digits")

    def accuracy(self) -> str:
        """The share of the held-out digits that is read correctly."""
        digits = len(self.data.y_test)
        wrong = int((self.held.predictions != self.data.y_test).sum())
        return f"test accuracy {100 * (1 - wrong / digits):.2f} %, {wrong} of {digits:,} wrong"

    def files(self) -> Iterator[tuple[Path, str]]:
        """Write weights, history and settings; yield each path with a description."""
        path = self.folder / "model.npz"
        metadata = {"data": self.data.name, "classes": list(self.data.classes), "loss": self.settings.loss}
        save(self.model, path, metadata=metadata)
        yield path, "the weights"
        self.history.save(path := self.folder / "history.json")
        yield path, "loss and accuracy of every epoch"
        write_file(path := self.folder / "settings.json", self.settings.json())
        yield path, f"to run it again: {self.settings.command()}"

    def _loss(self, count: int) -> tuple[list[ag.Tensor], Any]:
        """Inputs and labels of the first training digits, and the recorded loss."""
        device = self.settings.device
        x = ag.Tensor(self.data.x_train[:count], device=device, dtype="float32", name="x")
        y = ag.Tensor(self.data.y_train[:count], device=device, name="y")
        return [x, y], LOSSES[self.settings.loss](self.model(x), y)

    def report(self) -> Iterator[tuple[Path, str]]:
        """Write the page with everything, a few digits neuron by neuron and two step by step; yield its path."""
        from glassgrad import viz
        from glassgrad.viz.drawing.words import matched
        from glassgrad.viz.pages.report import Specimen, lab_report

        data, settings, history, held = self.data, self.settings, self.history, self.held
        neurons, shape = [], data.image_shape
        for i in self._specimens() if isinstance(self.model, MLP) else ():
            true, said = (data.classes[k] for k in (held.labels[i], held.predictions[i]))
            label = true if true == said else matched(f"{true} read as {said}")
            drawn = viz.draw_network(self.model, data.x_test[i], int(held.labels[i]), image=shape)
            neurons.append(Specimen(held.images[i], label, drawn))
        x, loss = self._loss(settings.batch)
        graph = viz.draw_graph(loss, inputs=x[:1], targets=x[1:], gradients=True)
        x, loss = self._loss(2)
        page = lab_report(
            title=matched(f"Handwritten digits, read by a {name_of(self.model, settings)}"),
            history=history,
            held=held,
            model=self.model,
            loss=LOSSES[settings.loss],
            probabilities=(lambda outputs: outputs) if settings.loss == "mse" else ag.softmax,
            modules=graph,
            neurons=neurons,
            saliency=viz.saliency(
                self.model, data.x_test[:SPECIMENS], samples=SAMPLES, image=shape, classes=data.classes
            ),
            steps=viz.step_through(loss, inputs=x[:1], targets=x[1:], title=matched("Two digits")),
            facts={
                data.name: training_set(data),
                "parameters": f"{sum(p.size for p in self.model.parameters()):,}",
                "loss": settings.loss,
                "optimizer": f"{settings.optimizer}, learning rate from {settings.lr:g}, batches of {settings.batch}",
                "training": f"{sum(history.seconds):.1f} s on {settings.device}, epochs: {history.epochs}",
                "random seed": str(settings.seed),
            },
        )
        pad = ", with a pad to draw digits on" if 'id="pad"' in page.html else ""
        yield page.save(self.folder / "report.html"), f"pictures, mistakes and explanations, on one page{pad}"

    def _specimens(self) -> Iterator[int]:
        """Two digits of each class: one read correctly, of low certainty if possible, and the surest mistake."""
        held = self.held
        for k in range(len(held.classes)):
            correct = np.flatnonzero((held.labels == k) & (held.predictions == held.labels))
            doubtful = correct[held.certainty[correct] < HESITANT]
            yield from (*doubtful[:1], *correct[:1])[:1]
            yield from held.surest_mistakes[held.labels[held.surest_mistakes] == k][:1]
