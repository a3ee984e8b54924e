"""The summary of a model: a table of its blocks with shapes, parameters and products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from glassgrad import autograd as ag
from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.folding import Repeat, check_depth, readable
from glassgrad.viz.recorded.follow import follow
from glassgrad.viz.recorded.layers import described, products
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.rows import Row, entries

ROWS = 40


class Layer(NamedTuple):
    """A row of the summary: a layer or a block, or equal blocks one after another."""

    path: str
    layer: str
    shape: tuple[int, ...]
    parameters: int
    products: int


@dataclass(frozen=True, repr=False)
class Summary:
    """A model in a table, which prints as text.

    ``layers``: its rows. ``parameters``, ``trained``, ``used``: the entries of all parameters, of those that are not
    frozen, and of those that the forward pass reads.
    ``products``: the multiplications, each with an addition, that convolutions and matrix products take in one forward
    pass.
    """

    title: str
    layers: tuple[Layer, ...]
    parameters: int
    trained: int
    used: int
    products: int

    @property
    def total(self) -> str:
        """The line below the table."""
        counts = {"frozen": self.parameters - self.trained, "not used": self.parameters - self.used}
        said = [f"{numbers.count(n)} {word}" for word, n in counts.items() if n]
        written = f"{numbers.count(self.parameters)} parameters" + (f" ({', '.join(said)})" if said else "")
        return f"{written}; {_large(self.products)} multiply-adds"

    def __str__(self) -> str:
        rows = [HEAD, *map(_cells, self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
        pads = (str.ljust, str.ljust, str.ljust, str.rjust, str.rjust)
        lines = ["  ".join(pad(x, w) for pad, x, w in zip(pads, row, widths, strict=True)) for row in rows]
        rule = "-" * max(map(len, lines))
        return "\n".join([self.title, *(line.rstrip() for line in (lines[0], rule, *lines[1:], rule)), self.total])

    __repr__ = __str__


HEAD = ("module", "layer", "output", "parameters", "multiply-adds")


def summary(model: Any, *examples: Any, depth: int | None = None) -> Summary:
    """A table of a model's blocks: the shape of each output, its parameters, and its multiplications.

    Nothing is computed: the model is traced with shapes alone, in its present mode (training or not). ``examples``: its
    inputs, each an array, a Tensor, a number, or a shape with the batch first. ``depth``: how deep modules are opened,
    1 for the direct parts of the model; None opens as many levels as fit in 40 rows. Equal blocks in a row share one
    row.

    Raises `DrawingError` for anything but a model and its inputs, and for a model that depends on values.

    >>> from glassgrad import nn
    >>> print(summary(nn.MLP([4, 3, 2], seed=0), (8, 4)))
    MLP, input (8, 4)
    module    layer         output  parameters  multiply-adds
    ---------------------------------------------------------
    layers.0  Linear 4 → 3  (8, 3)          15             96
    layers.1  Sigmoid       (8, 3)           0              0
    layers.2  Linear 3 → 2  (8, 2)           8             48
    ---------------------------------------------------------
    23 parameters; 144 multiply-adds
    """
    check_depth(depth)
    trained = {id(p) for p in getattr(model, "parameters", list)() if p.requires_grad}

    def read(graph: ag.Graph, inputs: list[ag.Tensor]) -> Summary:
        rows, _, units = readable(Names(graph, None, inputs), ROWS, depth, closed=True)
        used = {id(p.tensor): int(p.tensor.size) for row in rows for p in row.parameters}
        layers = tuple(_layer(unit) for unit in units if isinstance(unit, Repeat) or unit.nodes)
        shapes = ", ".join(numbers.shape(tuple(tensor.shape)) for tensor in inputs)
        sizes = {id(p): int(p.size) for p in model.parameters()}
        learnt = sum(size for key, size in sizes.items() if key in trained)
        title = f"{type(model).__name__}, input{'s' * (len(inputs) > 1)} {shapes}"
        counts = sum(sizes.values()), learnt, sum(used.values())
        return Summary(title, layers, *counts, products(graph.nodes))

    return follow(model, examples, read)


def _layer(unit: Row | Repeat) -> Layer:
    rows = unit.rows
    size = entries(rows)
    taken = products(node for row in rows for node in row.nodes)
    shape = tuple(int(n) for n in rows[-1].place.shape)
    if isinstance(unit, Repeat):
        return Layer(unit.path, f"{len(unit.blocks)} × {unit.title}", shape, size, taken)
    name = f"{unit.label} {described(unit.nodes)}".strip() if not unit.of.calls else unit.label
    return Layer(unit.path or "", name + (f" (call {unit.call})" if unit.call > 1 else ""), shape, size, taken)


def _cells(layer: Layer) -> tuple[str, ...]:
    counts = (numbers.count(layer.parameters), _large(layer.products))
    return layer.path, layer.layer, numbers.shape(layer.shape), *counts


def _large(n: int) -> str:
    """A count, in millions (M) or billions (G) if it is large.

    >>> _large(96), _large(11_513_626_624)
    ('96', '11.51 G')
    """
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if n >= size:
            return f"{n / size:.{2 if n < 100 * size else 0}f} {unit}"
    return numbers.count(n)
