"""The pixels that a decision depends on: gradients with respect to the input.

All gradients come from the engine's backward pass, with respect to the input instead of the weights.

- Gradient: K. Simonyan, A. Vedaldi and A. Zisserman, "Deep inside convolutional networks", 2013.
- SmoothGrad: D. Smilkov and others, "SmoothGrad: removing noise by adding noise", 2017.
- Grad-CAM: R. Selvaraju and others, "Grad-CAM: visual explanations from deep networks", 2017.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.validation import check_function, whole
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.chain import first_parameter
from glassgrad.viz.plots.figure import Plot, class_numbers
from glassgrad.viz.plots.tiles import Tile, sheet
from glassgrad.viz.recorded.evaluate import evaluating, host
from glassgrad.viz.recorded.validation import class_names, numbers_of, pictured

SHOWN = 8  # examples of a picture
NOISE = 0.15  # the standard deviation of SmoothGrad's noise, as a share of the range of an input


class Saliency(Plot):
    """What a decision depends on, as a plot and as arrays; made by `saliency`, which says what they are."""

    method: str
    x: np.ndarray
    target: np.ndarray
    scores: np.ndarray
    map: np.ndarray
    gradient: np.ndarray | None


def saliency(
    model: Any,
    x: Any,
    target: Any = None,
    *,
    samples: int = 1,
    layer: str | None = None,
    image: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> Saliency:
    """The influence of each entry of the input on a score: the gradient of the score with respect to the input.

    ``model``: a module or function from a batch to scores (n, classes); a module is run in evaluation mode, and its
    mode is restored. ``x``: floating, the batch first. ``target``: the class whose score is differentiated, one for all
    or (n,); None for the class with the largest score of each.

    ``samples`` above 1 gives SmoothGrad: the mean gradient over this number of inputs with normal noise, whose standard
    deviation is 0.15 of the range of each input, always the same.

    ``layer`` gives Grad-CAM instead: the path of a module such as ``"features.3"``, whose output A is
    (n, channels, *space). The map is relu(Σ_k α_k A_k) with α_k the mean of ∂score/∂A_k over space, interpolated
    linearly to the size of the input. For a module that is called several times, A is its last output.

    ``image``: (height, width) of the picture, if ``x`` has no such axes. ``classes``: their names. Returns a plot with
    ``gradient``, ∂(score of the target)/∂x of the shape of ``x``, None for Grad-CAM; ``map``, of images the largest
    absolute gradient over the channels, (n, height, width), of others of the shape of ``x``, or Grad-CAM's; ``target``,
    (n,), and ``scores``, (n, classes). Needs matplotlib.

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
    called = [str(k if classes is None else classes[k]) for k in wanted.tolist()]
    rows: list[list[Tile]] = [[], [Tile(m, kind="size") for m in maps]]
    for i, m, k, name, row in zip(inputs, maps, wanted, called, given, strict=False):
        outline = m if gradient is None else None
        rows[0].append(Tile(i, f"for {name}", f"score {numbers.short(row[k])}", "picture", outline=outline))
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
    said = f"{method} of {len(array)} inputs, for {', '.join(called[:SHOWN])}"
    title, own = f"{method}: where the score of a class comes from", classes or ()
    result = Saliency(sheet(rows, title, line, said, names=names, classes=own).figure, said, own)
    vars(result).update(method=method, x=array, target=wanted, scores=given, map=found, gradient=gradient)
    return result


def _pictures(arrays: np.ndarray, image: tuple[int, int] | None) -> list[np.ndarray]:
    """The first examples as (height, width), or (height, width, 3) for red, green and blue; as a row if no image."""
    found = []
    for array in arrays[:SHOWN]:
        if array.ndim == 3 and len(array) == 3:
            found.append(np.moveaxis(array, 0, -1))
            continue
        one = array.mean(axis=0) if array.ndim == 3 else array
        if image is not None:
            one = pictured(one, image)
        elif one.ndim != 2:
            one = one.reshape(len(one) if one.ndim > 1 else 1, -1)
        found.append(one)
    return found


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


def _targets(target: Any, scores: np.ndarray) -> np.ndarray:
    n, count = scores.shape
    if target is None:
        return np.asarray(scores.argmax(axis=1))
    found = numbers_of(target, "target")
    return class_numbers(np.broadcast_to(found, (n,)) if found.ndim == 0 else found, n, "target", "inputs", count)


def _picked(scores: ag.Tensor, target: np.ndarray) -> ag.Tensor:
    """The sum of one score of each example; no example depends on another."""
    return ag.sum(ag.take_along_axis(scores, ag.asarray(target[:, None], device=scores.device), axis=1))


# ---------------------------------------------------------------- maps


def _grad_cam(path: str, scores: ag.Tensor, target: np.ndarray, array: np.ndarray) -> np.ndarray:
    """relu(Σ_k α_k A_k), with α_k the mean over space of ∂score/∂A_k, in the size of the input."""
    graph = ag.Graph(scores)
    scopes = {node: [*dict(node.scope or ())] for node in graph.nodes if node.op is not None}
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
