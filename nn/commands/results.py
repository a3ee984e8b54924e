"""The results of a run: weights, history, settings, pictures, and a page with all of them."""

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
BAR = 20  # characters of the longest bar
SPECIMENS, SAMPLES, EPSILON = 8, 25, 0.1  # saliency maps: digits, gradients averaged, largest change of a pixel
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

    def table(self) -> str:
        """A row per class, with a bar of its mistakes, and the test accuracy."""
        data, classes = self.data, len(self.data.classes)
        counts = np.zeros((classes, classes), int)
        np.add.at(counts, (data.y_test, self.held.predictions), 1)
        wrong = counts.sum(axis=1) - counts.diagonal()
        lines = [f"digit     of   right   wrong{'':{BAR + 4}}read as (how often)"]
        for k, name in enumerate(data.classes):
            of = int(counts[k].sum())
            share = f"{100 * counts[k, k] / of:5.1f} %" if of else "     - "
            confused = [i for i in np.argsort(-counts[k], kind="stable") if i != k and counts[k, i]][:2]
            read = ", ".join(f"{data.classes[i]} ({counts[k, i]})" for i in confused)
            bar = "█" * round(BAR * wrong[k] / max(1, wrong.max()))
            lines.append(f"{name:>5} {of:6} {share} {wrong[k]:5}  {bar:{BAR}}  {read}".rstrip())
        total, digits = int(wrong.sum()), len(data.y_test)
        accuracy = 100 * (1 - total / digits)
        return "\n".join([*lines, "", f"test accuracy {accuracy:.2f} %, {total} of {digits:,} wrong"])

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

    def pictures(self) -> Iterator[tuple[Path, str]]:
        """Draw the pictures; yield each path with a description."""
        from glassgrad import viz

        data, held = self.data, self.held
        x, loss = self._loss(self.settings.batch)
        graph = viz.draw_graph(loss, inputs=x[:1], targets=x[1:], gradients=True)
        yield self._drawn(graph, "graph", f"values and gradients of {len(x[0])} digits in the network")
        if isinstance(self.model, MLP):
            hesitant = np.flatnonzero((held.predictions == held.labels) & (held.certainty < HESITANT))
            one = int(hesitant[0]) if len(hesitant) else 0
            yield self._drawn(
                self._neurons(one), "neurons", f"a held-out {data.classes[held.labels[one]]}, neuron by neuron"
            )
        curves = viz.plot_history(self.history).save(self.folder / "curves.png")
        yield curves, "loss and accuracy, epoch by epoch"
        page = self._report(graph)
        pad = ", with a pad to draw digits on" if 'id="pad"' in page.html else ""
        yield page.save(self.folder / "report.html"), f"all of it, with mistakes and explanations, on one page{pad}"

    def _neurons(self, i: int) -> Any:
        """The picture of a held-out digit on its way through the network."""
        from glassgrad.viz import draw_network

        return draw_network(self.model, self.data.x_test[i], int(self.data.y_test[i]), image=self.data.image_shape)

    def _explanations(self) -> dict[str, Any]:
        """Saliency maps and adversarial examples of the first held-out digits, by caption."""
        from glassgrad import viz

        data, settings = self.data, self.settings
        x, labels = data.x_test[:SPECIMENS], data.y_test[:SPECIMENS]
        given: dict[str, Any] = {"image": data.image_shape, "classes": data.classes}
        loss = None if settings.loss != "mse" else LOSSES["mse"]
        seen = viz.saliency(self.model, x, samples=SAMPLES, **given)
        turned = viz.adversarial(self.model, x, labels, epsilon=EPSILON, loss=loss, **given)
        return {
            "which pixels its decisions depend on": seen.plot(),
            "small changes of the pixels that change its decisions": turned.plot(),
        }

    def _loss(self, count: int) -> tuple[list[ag.Tensor], Any]:
        """Inputs and labels of the first training digits, and the recorded loss."""
        device = self.settings.device
        x = ag.Tensor(self.data.x_train[:count], device=device, dtype="float32", name="x")
        y = ag.Tensor(self.data.y_train[:count], device=device, name="y")
        return [x, y], LOSSES[self.settings.loss](self.model(x), y)

    def _drawn(self, picture: Any, name: str, words: str) -> tuple[Path, str]:
        """Save as SVG, or without a layout engine as .gv with a hint how to get one."""
        from glassgrad import viz

        path = self.folder / f"{name}.svg"
        try:
            picture.svg()
        except viz.RenderError as error:
            path, words = path.with_suffix(".gv"), f"not drawn: {error}"
        return picture.save(path), words

    def _report(self, graph: Any) -> Any:
        """The page with everything: the pictures, a few digits neuron by neuron, and two step by step."""
        from glassgrad.viz.drawing.words import matched
        from glassgrad.viz.pages.report import Specimen, lab_report
        from glassgrad.viz.pages.stage import step_through

        data, settings, history, held = self.data, self.settings, self.history, self.held
        neurons = []
        for i in self._specimens() if isinstance(self.model, MLP) else ():
            true, said = (data.classes[k] for k in (held.labels[i], held.predictions[i]))
            label = true if true == said else matched(f"{true} read as {said}")
            neurons.append(Specimen(held.images[i], label, self._neurons(i)))
        x, loss = self._loss(2)
        return lab_report(
            title=matched(f"Handwritten digits, read by a {name_of(self.model, settings)}"),
            history=history,
            held=held,
            model=self.model,
            loss=LOSSES[settings.loss],
            probabilities=(lambda outputs: outputs) if settings.loss == "mse" else ag.softmax,
            modules=graph,
            neurons=neurons,
            looks=self._explanations(),
            steps=step_through(loss, inputs=x[:1], targets=x[1:], title=matched("Two digits")),
            facts={
                data.name: training_set(data),
                "parameters": f"{sum(p.size for p in self.model.parameters()):,}",
                "loss": settings.loss,
                "optimizer": f"{settings.optimizer}, learning rate from {settings.lr:g}, batches of {settings.batch}",
                "training": f"{sum(history.seconds):.1f} s on {settings.device}, epochs: {history.epochs}",
                "random seed": str(settings.seed),
            },
        )

    def _specimens(self) -> Iterator[int]:
        """Two digits of each class: one read correctly, of low certainty if possible, and the surest mistake."""
        held = self.held
        for k in range(len(held.classes)):
            correct = np.flatnonzero((held.labels == k) & (held.predictions == held.labels))
            doubtful = correct[held.certainty[correct] < HESITANT]
            yield from (*doubtful[:1], *correct[:1])[:1]
            yield from held.surest_mistakes[held.labels[held.surest_mistakes] == k][:1]
