"""The pixels that a decision depends on: gradients with respect to the input, and changes that alter the decision.

All gradients come from the engine's backward pass, with respect to the input instead of the weights.

- Gradient: K. Simonyan, A. Vedaldi and A. Zisserman, "Deep inside convolutional networks", 2013.
- SmoothGrad: D. Smilkov and others, "SmoothGrad: removing noise by adding noise", 2017.
- Grad-CAM: R. Selvaraju and others, "Grad-CAM: visual explanations from deep networks", 2017.
- Sign of the gradient: I. Goodfellow, J. Shlens and C. Szegedy, "Explaining and harnessing adversarial examples", 2014.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.validation import as_path, check_function, number, whole
from glassgrad.viz.drawing import marks, numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.chain import first_parameter
from glassgrad.viz.plots.figure import Plot, class_numbers
from glassgrad.viz.plots.tiles import Tile, sheet
from glassgrad.viz.recorded.evaluate import evaluating, host
from glassgrad.viz.recorded.validation import class_names, numbers_of

SHOWN = 8  # examples of a picture
NOISE = 0.15  # the standard deviation of SmoothGrad's noise, as a share of the range of an input


class Explanation:
    """What a decision depends on, as arrays and as a picture; made by `saliency` and `adversarial`, which name them.

    ``plot()`` is the picture, which a notebook shows.
    """

    def __init__(self, said: str, plot: Callable[[str], Plot], **arrays: Any) -> None:
        self._said, self._plot = said, plot
        self.__dict__.update(arrays)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this explanation has no {name!r}: saliency and adversarial name what it has")

    def plot(self) -> Plot:
        """The picture."""
        return self._plot(self._said)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture as .svg, .png or .pdf; returns the path."""
        return self.plot().save(as_path(path))

    def _repr_svg_(self) -> str:
        return self.plot()._repr_svg_()

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.plot()._repr_png_()

    def __repr__(self) -> str:
        return self._said


def saliency(
    model: Any,
    x: Any,
    target: Any = None,
    *,
    samples: int = 1,
    layer: str | None = None,
    image: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> Explanation:
    """The influence of each entry of the input on a score: the gradient of the score with respect to the input.

    ``model``: a module or function from a batch to scores (n, classes); a module is run in evaluation mode, and its
    mode is restored. ``x``: floating, the batch first. ``target``: the class whose score is differentiated, one for all
    or (n,); None for the class with the largest score of each.

    ``samples`` above 1 gives SmoothGrad: the mean gradient over this number of inputs with normal noise, whose standard
    deviation is 0.15 of the range of each input, always the same.

    ``layer`` gives Grad-CAM instead: the path of a module such as ``"features.3"``, whose output A is
    (n, channels, *space). The map is relu(Σ_k α_k A_k) with α_k the mean of ∂score/∂A_k over space, interpolated
    linearly to the size of the input. For a module that is called several times, A is its last output.

    ``image``: (height, width) of the picture, if ``x`` has no such axes. ``classes``: their names. Returns an
    `Explanation`: ``gradient``, ∂(score of the target)/∂x of the shape of ``x``, None for Grad-CAM; ``map``, of images
    the largest absolute gradient over the channels, (n, height, width), of others of the shape of ``x``, or Grad-CAM's;
    ``target``, (n,), and ``scores``, (n, classes).

    Raises `DrawingError` for scores that are not (n, classes), a target out of range, an unknown layer, a layer without
    space, or integer inputs.

    >>> w = ag.Tensor([[1.0, -2.0], [0.5, 0.0]], requires_grad=True)
    >>> found = saliency(lambda x: x @ w.mT, [[3.0, 1.0]], target=0)
    >>> found.gradient, found.map
    (array([[ 1., -2.]]), array([[1., 2.]]))
    """
    array, samples = numbers_of(x, "x"), whole(samples, "samples", 1)
    if layer is not None and samples > 1:
        raise DrawingError("samples= is for gradients and cannot be combined with layer=, which asks for Grad-CAM")
    with evaluating(model):
        recorded, scores = _scores(model, array, classes)
        wanted, gradient, method = _targets(target, host(scores)), None, "Grad-CAM"
        if layer is not None:
            found = _grad_cam(layer, scores, wanted, array)
        else:
            draws, method = [(recorded, scores)], "Gradient"
            if samples > 1:
                rng, axes, method = np.random.default_rng(0), tuple(range(1, array.ndim)), "SmoothGrad"
                spread = NOISE * np.ptp(array, axis=axes, keepdims=True)
                noisy = (array + spread * rng.standard_normal(array.shape) for _ in range(samples))
                draws = [_scores(model, draw.astype(array.dtype)) for draw in noisy]
            slopes = (host(ag.gradients(_picked(y, wanted), x)).astype(float) for x, y in draws)
            gradient = sum(slopes, np.zeros(array.shape)) / samples
            found = np.abs(gradient).max(axis=1) if array.ndim == 4 else np.abs(gradient)
    inputs, maps, given = _pictures(array, image), _pictures(found, image), host(scores)
    rows: list[list[Tile]] = [[], [Tile(m, kind="size") for m in maps]]
    for i, m, k, row in zip(inputs, maps, wanted, given, strict=False):
        outline = m if gradient is None else None
        rows[0].append(
            Tile(i, f"for {_word(k, classes)}", f"score {numbers.short(row[k])}", "picture", outline=outline)
        )
    names, line = ["input", "map"], "line = half of the largest value; stronger = more"
    if gradient is not None:
        names, line = ["input", "|∂score/∂x|"], "stronger = the score depends on it more"
    elif not all(m.any() for m in maps):
        line += "; empty map = no channel raises the score: each has a weight below 0 where it is active"
    if gradient is not None and all(picture.ndim == 2 for picture in inputs):
        rows.append([Tile(g, kind="gradient") for g in _pictures(gradient, image)])
        names.append("∂score/∂x")
    line += "; signs of single pixels are noise: samples=30 smooths them" if method == "Gradient" else ""
    line += f"; {len(array) - SHOWN} more not drawn" if len(array) > SHOWN else ""
    said = f"Saliency({method} of {len(array)} inputs, for {', '.join(_word(k, classes) for k in wanted[:SHOWN])})"
    plot = partial(sheet, rows, f"{method}: where the score of a class comes from", line, names=names)
    return Explanation(said, plot, method=method, x=array, target=wanted, scores=given, map=found, gradient=gradient)


def adversarial(
    model: Any,
    x: Any,
    labels: Any,
    *,
    epsilon: float = 0.1,
    limits: tuple[float, float] | None = None,
    loss: Callable[[Any, Any], Any] | None = None,
    image: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> Explanation:
    """Inputs that the model may read as another class: x + ε · sign(∂L/∂x).

    ``model``: a module or function from a batch to logits (n, classes); a module is run in evaluation mode.
    ``labels``: the true classes, (n,). ``epsilon``: how far each entry is moved. ``limits``: the smallest and the
    largest value that an entry may have, such as (0, 1) for pixels. ``loss``: a function of the scores and the labels,
    by default the cross-entropy of logits; if it is given, the scores are taken as probabilities. Returns an
    `Explanation`: ``changed``, the inputs after the change; ``gradient``, ∂L/∂x; ``labels``; and ``before`` and
    ``after``, the classes predicted for ``x`` and for ``changed``, (n,).

    Raises `DrawingError` as `saliency` does.

    >>> w = ag.Tensor([[1.0, -2.0], [0.5, 0.0]], requires_grad=True)
    >>> found = adversarial(lambda x: x @ w.mT, [[3.0, 1.0]], [0], epsilon=0.5)
    >>> found.changed
    array([[2.5, 1.5]])
    """
    array, epsilon = numbers_of(x, "x"), number(epsilon, "epsilon", 0)
    if limits is not None:
        is_pair = isinstance(limits, Sequence) and len(limits) == 2
        if not is_pair or number(limits[0], "limits[0]") >= number(limits[1], "limits[1]"):
            said = "give the smallest and the largest value that an entry may have, such as (0, 1)"
            raise DrawingError(f"limits={limits!r}: {said}")
    with evaluating(model):
        recorded, scores = _scores(model, array, classes)
        wanted = _targets(labels, host(scores), "labels")
        there = ag.asarray(wanted, device=scores.device)
        error = ag.cross_entropy(scores, there, reduction="sum") if loss is None else loss(scores, there)
        gradient = host(ag.gradients(error, recorded))
        changed = array + epsilon * np.sign(gradient)
        changed = (changed if limits is None else np.clip(changed, *limits)).astype(array.dtype)
        with ag.no_grad():
            ends = [y.detach() for y in (scores, _scores(model, changed)[1])]
            chances = [host(ag.softmax(y, axis=1) if loss is None else y) for y in ends]
    before, after = (chance.argmax(axis=1) for chance in chances)
    rows: list[list[Tile]] = []
    for values, read, chance in ((array, before, chances[0]), (changed, after, chances[1])):
        rows.append([])
        for one, k, row, true in zip(_pictures(values, image), read, chance, wanted, strict=False):
            rows[-1].append(Tile(one, _word(k, classes), f"{100 * row[k]:.0f} %", "picture", frame=bool(k != true)))
    rows.insert(1, [Tile(part, kind="gradient") for part in _pictures(changed - array, image)])
    turned = int(np.sum((before == wanted) & (after != wanted)))
    line = f"right before the change and wrong after it: {turned} of {len(array)}; thick frame = mistake"
    size, others = numbers.short(epsilon), int(np.sum(before != after))
    said = f"Adversarial(epsilon={size}: {others} of {len(array)} are read as another class)"
    title = f"A change of {size} along the sign of ∂L/∂x"
    plot = partial(sheet, rows, title, line, names=["input", "change", "changed"])
    return Explanation(
        said, plot, x=array, changed=changed, gradient=gradient, labels=wanted, before=before, after=after
    )


def _pictures(arrays: np.ndarray, image: tuple[int, int] | None) -> list[np.ndarray]:
    """The first examples as (height, width), or (height, width, 3) for red, green and blue; as a row if no image."""
    found = []
    for array in arrays[:SHOWN]:
        if array.ndim == 3 and len(array) == 3:
            found.append(np.moveaxis(array, 0, -1))
            continue
        one = array.mean(axis=0) if array.ndim == 3 else array
        if image is not None:
            one = one.reshape(image)
        elif one.ndim != 2:
            square = marks.picture_of(one.reshape(1, -1))
            one = one.reshape(len(one) if one.ndim > 1 else 1, -1) if square is None else square
        found.append(one)
    return found


def _word(k: int, classes: Sequence[str] | None) -> str:
    return str(int(k)) if classes is None else str(classes[int(k)])


# ---------------------------------------------------------------- arguments


def _scores(model: Any, array: np.ndarray, classes: Sequence[str] | None = None) -> tuple[ag.Tensor, ag.Tensor]:
    """The input as a Tensor that is differentiated, and the model's scores of it."""
    check_function(model, "model", "a module or a function from a batch to scores")
    with ag.enable_grad():
        x = ag.Tensor(array, requires_grad=True, name="x", device=getattr(first_parameter(model), "device", None))
        scores = model(x)
    if not isinstance(scores, ag.Tensor) or scores.ndim != 2 or scores.shape[:1] != array.shape[:1] or not scores.size:
        found = numbers.shape(scores.shape) if isinstance(scores, ag.Tensor) else of_type(scores)
        raise DrawingError(
            f"the model gives {found} for x of shape {numbers.shape(array.shape)}, but scores (n, classes) are"
            " needed, a row for each input of a batch: one example is x[None]"
        )
    if scores.node is None:
        raise DrawingError("the model's scores do not depend on x: compute them from x with functions of autograd")
    if classes is not None:
        class_names(classes, scores.shape[1])
    return x, scores


def _targets(target: Any, scores: np.ndarray, name: str = "target") -> np.ndarray:
    n, count = scores.shape
    if target is None:
        return np.asarray(scores.argmax(axis=1))
    found = numbers_of(target, name)
    return class_numbers(np.broadcast_to(found, (n,)) if found.ndim == 0 else found, n, name, "inputs", count)


def _picked(scores: ag.Tensor, target: np.ndarray) -> ag.Tensor:
    """The sum of one score of each example; no example depends on another."""
    return ag.sum(ag.take_along_axis(scores, ag.asarray(target[:, None], device=scores.device), axis=1))


# ---------------------------------------------------------------- maps


def _grad_cam(path: str, scores: ag.Tensor, target: np.ndarray, array: np.ndarray) -> np.ndarray:
    """relu(Σ_k α_k A_k), with α_k the mean over space of ∂score/∂A_k, in the size of the input."""
    graph = ag.Graph(scores)
    scopes = {node: dict(node.scope or ()) for node in graph.nodes if node.op is not None}
    inside = [node for node, scope in scopes.items() if path in scope]
    if not inside:
        called = list(dict.fromkeys(filter(None, itertools.chain.from_iterable(scopes.values()))))
        listed = clipped(", ".join(map(repr, called)) or "none", 200)
        raise DrawingError(f"there is no layer {path!r} on the way to the score: give one of {listed}")
    again = graph.replay()
    total = _picked(again[graph.outputs[0]], target)
    output = again[inside[-1]]
    if output.ndim < 3:
        raise DrawingError(
            f"the layer {path!r} gives {numbers.shape(output.shape)}, which has no space: Grad-CAM needs (n, channels,"
            " height, width), such as the last convolution's output"
        )
    values, slopes = host(output).astype(float), host(ag.gradients(total, output)).astype(float)
    weights = slopes.mean(axis=tuple(range(2, slopes.ndim)), keepdims=True)
    cam: np.ndarray = np.maximum((weights * values).sum(axis=1), 0.0)
    space = array.shape[2:] if array.ndim == values.ndim else ()
    for axis, n in enumerate(space, 1):
        cam = _stretched(cam, axis, n)
    return cam


def _stretched(array: np.ndarray, axis: int, n: int) -> np.ndarray:
    """The array interpolated linearly to ``n`` entries along an axis; the outer half cells are constant."""
    known = np.arange(array.shape[axis])
    at = (np.arange(n) + 0.5) * len(known) / n - 0.5
    return np.apply_along_axis(lambda line: np.interp(at, known, line), axis, array)
