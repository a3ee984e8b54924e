"""`viz.follow`: a page that follows one example through a network and its gradient back, in the network's own shape."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import as_path, check_function
from glassgrad.viz.drawing import words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.words import say
from glassgrad.viz.pages import emitted
from glassgrad.viz.pages.emitted import assets, in_double, packed, text
from glassgrad.viz.pages.follow.network import WHO, Network, read
from glassgrad.viz.pages.follow.stages import Maps, Stages, Time
from glassgrad.viz.pages.follow.transformer import Transformer
from glassgrad.viz.pages.page import Page
from glassgrad.viz.recorded.evaluate import evaluating, host
from glassgrad.viz.recorded.loops import loops_in
from glassgrad.viz.recorded.spine import blocks_of
from glassgrad.viz.recorded.validation import class_names

RECORDED = 6
"""The most losses whose gradients are computed here, where a page can't."""

LARGEST = 1_430_000
"""The characters of programs and numbers that a page may have."""


def follow(
    model: Callable[[Any], Any],
    example: Any,
    target: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    loss: Callable[[Any, Any], Any] | None = None,
    symbols: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    language: str | None = None,
) -> Page:
    """A page that follows ``example`` through ``model`` and the gradient of each loss back, in the network's own shape.

    A Transformer is drawn as lines of tokens with blocks beside them. Click a loss, and its gradient climbs back, as
    wide as it is long: at each fork its shares by the shortcut and by the block, by head and query, and all routes to
    the start of the line. Another network is drawn as its stages beside each other, values above and their gradients
    beneath: layers of maps with the windows that read them, or steps of a recurrent layer with its gates by name.

    Blocks, heads, stages and gates are found in the recorded graph, so the model may come from `nn`, `nn.from_torch` or
    `nn.load_onnx`. The page computes with the model's own programs in float64, checks what it shows by differences of
    the loss, takes gradient steps, and lets any weight be nudged. The model does not change.

    ``example``: one input, whose first axis is 1, or the tokens of one text. ``target``: the class of each row of the
    output; without it each token is to be foretold from those before it, or the likeliest class counts as right.
    ``loss(output, target)``: the losses instead of cross-entropy; the page then tells no probabilities. ``symbols``:
    the names of tokens, or of places; where all but the first are letters, the reader can type a text that is no
    longer. ``classes``: the names of outputs.

    ``path``: an .html file, where it is saved. ``language``: that of the page, "en" or "zh"; None takes the language of
    `viz.lesson.speak`, by default English.

    Raises `DrawingError` for a network that has none of these, for one that is too large to compute in a page, and for
    an example and a target that do not fit.

    >>> from glassgrad import nn
    >>> model = nn.models.char_transformer(5, d_model=8, nhead=2, num_layers=1, dim_feedforward=8, max_len=4, seed=0)
    >>> follow(model, [0, 1, 2, 3], symbols=["end", "a", "b", "c", "d"])
    <Page 'The backward pass of CharTransformer'>
    """
    check_function(model, "model", "a module, or a function of a Tensor")
    if loss is not None:
        check_function(loss, "loss", "a function of an output and a target")
    if path is not None:
        path = as_path(path)
    with words.speaking(language), evaluating(model):
        network = read(model, example, target, loss)
        name = type(model).__name__ if hasattr(model, "parameters") else getattr(model, "__name__", "network")
        if title is None:
            title = say("The backward pass of {model}", model=name)
        found, script = _found(network)
        data = found.data() | _data(network, found, symbols, classes, target is None)
        programs, memory = network.scripts(found.functions()) if found.is_live else ("", {"states": {}})
        size = len(programs) + sum(len(array) for _, _, array in memory["states"].values())
        if not programs or size > LARGEST:
            programs, memory = "", {"states": {}, "parameters": [], "recorded": _recorded(network, found, data)}
        styles = "\n".join([emitted.variables(), assets("common.css", "follow.css")])
        whole = "\n".join([programs, assets("common.js", "program.js", "follow.js", script)])
        body = emitted.body("follow.html", {"title": text(title)})
        page = Page(title, emitted.document(title, body, styles, data=data | memory, script=whole))
    if path is not None:
        page.save(path)
    return page


def _found(network: Network) -> tuple[Transformer | Stages, str]:
    """What a network is drawn as, and the script that draws it."""
    blocks = [block for block in blocks_of(network.graph) if len(block.fork.shape) <= 3]
    if any(block.heads for block in blocks):
        return Transformer(network, blocks), "token.js"
    return (Time if loops_in(network.graph.nodes) else Maps)(network), "stages.js"


def _data(
    network: Network,
    found: Transformer | Stages,
    symbols: Sequence[str] | None,
    classes: Sequence[str] | None,
    foretold: bool,
) -> dict[str, Any]:
    """The example, its targets and their names, for the page."""
    symbols = None if symbols is None else class_names(symbols, np.size(symbols), "symbols")
    classes = None if classes is None else class_names(classes, np.size(classes))
    integer = network.x.dtype.kind in "iu"
    outputs = int(network.output.shape[-1])
    if classes is None and integer and symbols is not None and len(symbols) == outputs:
        classes = symbols
    losses = host(network.losses(network.output, network.inputs[1])).ravel()
    if not np.isfinite(losses).all():
        raise DrawingError(f"{WHO}: it gives losses that are not finite ({', '.join(map(str, losses[:3]))})")
    if losses.size not in (1, found.tokens):
        places = f"{found.tokens} places have one each" if found.tokens > 1 else "layers have one"
        raise DrawingError(
            f"{WHO}: it has {losses.size} losses, and {places}: give loss=, a function of output and target such as"
            " their mean"
        )
    data: dict[str, Any] = {
        "scored": network.loss is None,
        "x": network.x.ravel().tolist() if found.is_live or integer else [],
        "target": network.target.ravel().tolist(),
        "integer": integer,
        "next": foretold and integer and losses.size > 1,
        "losses": int(losses.size),
        "sizes": losses.tolist(),
        "losses_at": int(np.argmax(losses)),
        "tokens": found.tokens,
        "outputs": outputs,
        "symbols": symbols,
        "classes": classes,
    }
    return data | {"typed": data["next"] and symbols is not None and network.is_causal}


def _recorded(network: Network, found: Transformer | Stages, data: dict[str, Any]) -> dict[int, Any]:
    """What the page shows of the losses, each by its number, and of their mean by -1: as many as there is room for."""
    result: dict[int, Any] = {}
    room, count = LARGEST, data["losses"]
    order = sorted(range(count), key=lambda loss: -data["sizes"][loss])[:RECORDED]
    for loss in [order[0], -1, *order[1:]] if count > 1 else [0]:
        which = np.eye(count)[loss] if loss >= 0 else np.ones(count) / count
        with in_double(network.leaves):
            packs = {name: packed(array) for name, array in found.recorded(ag.Tensor(which)).items()}
        room -= sum(map(len, packs.values()))
        if room >= 0:
            result[loss] = packs
        elif result:
            break
        else:
            raise DrawingError(
                f"{WHO}: its values and gradients take {(LARGEST - room) / 1e6:.2g} MB, and a page has room for"
                f" {LARGEST / 1e6:.2g}. Give a shorter example; draw_modules shows its gradients"
            )
    return result
