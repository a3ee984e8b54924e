"""Filters and feature maps as tiles, with their sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import check_function
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.figure import Plot
from glassgrad.viz.plots.tiles import Tile, sheet
from glassgrad.viz.recorded.evaluate import evaluate
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.rows import rows_of
from glassgrad.viz.recorded.validation import numbers_of, recorded

ACROSS, DOWN = 8, 8  # the largest sheet of tiles
LAYERS = 12


def plot_filters(weight: Any) -> Plot:
    """The filters of a convolution as tiles on one scale, from the most negative entry to the most positive.

    ``weight``: (out, in, height, width), or a layer that has such a ``weight``. With one input channel each tile is a
    filter; with several a row is a filter, and its tiles are the channels. At most 8 × 8 are drawn.

    Raises `DrawingError` for other shapes.

    >>> from glassgrad import nn
    >>> plot_filters(nn.Conv2d(1, 6, 5, seed=0))
    Plot('6 filters of 5 × 5')
    """
    array = numbers_of(getattr(weight, "weight", weight), "weight").astype(float)
    if array.ndim != 4 or not array.size:
        raise DrawingError(
            f"a weight of shape {numbers.shape(array.shape)} has no filters to draw: reshape it to (out, in, height,"
            " width), such as weight.reshape(10, 1, 28, 28) of a layer of pixels"
        )
    many, channels, *size = array.shape
    most = float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
    one = channels == 1
    shown = np.moveaxis(array[: ACROSS * DOWN], 1, 0) if one else array[:DOWN, :ACROSS]
    rows = [[Tile(filter, most=most) for filter in filters] for filters in shown]
    left = (many - (ACROSS * DOWN if one else DOWN), "filters"), (channels - ACROSS, "channels")
    hidden = [f"{n} more {word} not drawn" for n, word in left if n > 0]
    said = f"{numbers.counted(many, 'filter')} of {' × '.join(map(str, size))}"
    said += "" if one else f" for {channels} channels"
    line = "; ".join(["stronger = larger", *hidden])
    names = [] if one else [f"filter {o}" for o in range(len(rows))]
    return sheet(rows, said, line, said, names=names, side=0.62)


def plot_feature_maps(model: Any, x: Any, *, layer: str | None = None) -> Plot:
    """The feature maps of an image: a row of tiles for each layer, one tile for each channel.

    ``model``: a module or function; ``x``: its input, the batch first. ``layer``: the path of one module, whose
    channels are drawn in several rows; None draws the first 8 channels of every layer that has space. The first
    example of the batch is drawn, each tile with its own scale. The model changes only as in any forward pass.

    Raises `DrawingError` for an unknown layer, a model without space, and an empty batch.

    >>> from glassgrad import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 3, 3, seed=0), nn.ReLU())
    >>> plot_feature_maps(model, np.ones((1, 1, 8, 8), np.float32))
    Plot('Feature maps of Sequential: Conv2d (3, 6, 6), ReLU (3, 6, 6)')
    """
    check_function(model, "model", "a module, or a function of a Tensor")
    with ag.enable_grad():
        result = model(ag.asarray(x) if not isinstance(x, ag.Tensor) else x)
    seen = evaluate(recorded(result), gradients=False)
    known = rows_of(Names(seen.graph))[0]
    for row in known:  # that of an operation has what flattens its result, too
        row.place = next((n for n in reversed(row.nodes) if len(n.shape) == 4 and not row.of.is_module), row.place)
    known = [row for row in known if len(row.place.shape) == 4]
    rows = [row for row in known if layer in (None, row.path)]
    if not rows:
        listed = ", ".join(repr(row.path) for row in known if row.path) or "none"
        which = "the model" if layer is None else f"layer {layer!r}"
        raise DrawingError(f"{which} gives no feature maps (batch, channels, height, width); layers that do: {listed}")
    drawn, names = [], []
    for row in rows[:LAYERS]:
        maps = np.asarray(seen.value(row.place))[0].astype(float)
        kind = "picture" if not row.nodes else "value"
        drawn.append([Tile(one, kind=kind) for one in maps[: ACROSS * DOWN if layer else ACROSS]])
        names.append(clipped(f"{row.path}  {row.label}" if row.path else row.label or row.letter, 20))
    hidden = f"; {len(rows) - LAYERS} more layers not drawn" if len(rows) > LAYERS else ""
    label = type(model).__name__
    said = [f"{row.label} {numbers.shape(row.place.shape[1:])}" for row in rows[:LAYERS] if row.nodes]
    scale = "each tile has its own scale, from 0 if nothing is negative"
    line = f"{'all' if layer else 'the first'} channels, in order; {scale}{hidden}"
    alt = f"Feature maps of {label}: {', '.join(said)}"
    return sheet(drawn, f"Feature maps of {label}", line, alt, names=names, side=0.7)
