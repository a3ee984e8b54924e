"""A module of ``nn`` as JSON: the class names and constructor arguments that rebuild it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from nn.errors import FileError
from nn.models.mlp import MLP
from nn.modules import activation, containers, dropout, flatten, linear, normalization
from nn.modules.module import Module

LAYERS: dict[str, type[Module]] = {
    cls.__name__: cls
    for cls in (
        linear.Linear,
        activation.Sigmoid,
        activation.Tanh,
        activation.ReLU,
        activation.LeakyReLU,
        activation.GELU,
        activation.Softplus,
        activation.Softmax,
        flatten.Flatten,
        dropout.Dropout,
        normalization.LayerNorm,
        normalization.BatchNorm1d,
        containers.Sequential,
        MLP,
    )
}
"""The only classes that a file may name."""


def describe(module: Module) -> dict[str, Any] | None:
    """Describe a module as JSON; ``None`` unless `build` makes the same module from it."""
    description = _describe(module)
    if description is None:
        return None
    built = build(description)
    same = [name for name, _ in built._named_state()] == [name for name, _ in module._named_state()]
    return description if same and _structure(built) == _structure(module) else None


def _describe(module: Module) -> dict[str, Any] | None:
    name = type(module).__name__
    if LAYERS.get(name) is not type(module):
        return None
    if not isinstance(module, containers.Sequential):
        return {"class": name, "arguments": module.arguments()}
    children = {n: _describe(child) for n, child in module.named_children()}
    return None if None in children.values() else {"class": name, "children": children}


def _structure(module: Module) -> Any:
    """Classes and arguments of a module and its submodules, repeated for shared ones."""
    return type(module), module.arguments(), [(name, _structure(child)) for name, child in module.named_children()]


def build(description: dict[str, Any]) -> Module:
    """Build the module of a description, with weights of zero."""
    cls = LAYERS[description["class"]]
    if cls is containers.Sequential:
        return cls({name: build(child) for name, child in description["children"].items()})
    weights = {"init": "zeros"} if cls in (linear.Linear, MLP) else {}
    return cls(**description["arguments"], **weights)


def weight_count(description: dict[str, Any]) -> int:
    """Number of weights and buffer values of the described module, without building it: a file may claim any size."""
    kind, given = description["class"], description.get("arguments", {})
    if kind not in LAYERS:
        raise FileError(f"it names a layer {kind!r}, which nn does not have")
    if kind == "Sequential":
        return sum(map(weight_count, description["children"].values()))
    if kind == "Linear":
        return int(given["out_features"]) * (int(given["in_features"]) + bool(given["bias"]))
    if kind == "LayerNorm":
        per_feature = 1 + bool(given["bias"]) if given["elementwise_affine"] else 0
        return math.prod(int(n) for n in given["normalized_shape"]) * per_feature
    if kind == "BatchNorm1d":
        return int(given["num_features"]) * (4 if given["affine"] else 2)
    if kind == "MLP":
        sizes = [int(n) for n in given["sizes"]]
        per_neuron = {"layer": 2, "batch": 4}.get(given.get("norm"), 0)
        return sum(b * (a + 1) for a, b in pairwise(sizes)) + per_neuron * sum(sizes[1:-1])
    return 0
