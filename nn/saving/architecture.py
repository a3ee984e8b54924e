"""A module of ``nn`` as JSON: the class names and constructor arguments that rebuild it."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Iterable
from typing import Any

from autograd.engine.modes import holding
from nn import models
from nn.errors import FileError
from nn.init import SHAPES_ONLY
from nn.modules import (
    activation,
    attention,
    containers,
    convolution,
    dropout,
    embedding,
    linear,
    normalization,
    pooling,
    recurrent,
)
from nn.modules.module import NOT_PLAIN, Module, _join, plain

MODULES = activation, attention, containers, convolution, dropout, embedding, linear, normalization, pooling, recurrent

LAYERS: dict[str, type[Module]] = {
    kind.__name__: kind
    for module in (*MODULES, models)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Module) and not name.startswith("_")
    if module is models or kind.__module__ == module.__name__
}
"""The only classes that a file may name, besides those of the user who reads it."""

CONTAINERS: dict[type[Module], Callable[[dict[str, Module]], Module]] = {
    containers.Sequential: containers.Sequential,
    containers.ModuleList: lambda children: containers.ModuleList(children.values()),
    containers.ModuleDict: containers.ModuleDict,
    containers.Residual: lambda children: containers.Residual(**children),
}
"""How containers of modules are rebuilt."""


def describe(module: Module) -> dict[str, Any]:
    """Describe a module as JSON, from which `build` makes the same module. Raises `FileError`, with the reason, if that
    is not possible.
    """
    name = type(module).__name__
    if type(module) in CONTAINERS:
        return {"class": name, "children": {n: describe(child) for n, child in module.named_children()}}
    arguments = module.arguments()
    if arguments is None:
        raise FileError(f"{name} {module._unknown}")
    if LAYERS.get(name, type(module)) is not type(module):
        raise FileError(f"its class {name} has the name of a layer of nn")
    try:
        return {"class": name, "arguments": json.loads(json.dumps(arguments, default=operator.index))}
    except (TypeError, ValueError) as error:
        raise FileError(f"the arguments() of {name} are not JSON: {error}") from None


def layers_of(module: Module) -> str:
    """A digest of the layers, by which a file notices that its module was changed after it was made.

    Arguments at their defaults do not count, so a later version may add some.
    """
    parts = [f"{name} {layers_of(child)}" for name, child in module.named_children()]
    return hashlib.sha256("\n".join([module._described(), *parts]).encode()).hexdigest()


def attributes_of(module: Module) -> dict[str, dict[str, Any]]:
    """The plain attributes of modules in ``module`` that are not layers of ``nn``, by path."""
    own = ((path, part) for path, part in module.named_modules() if LAYERS.get(type(part).__name__) is not type(part))
    shown = {path: {name: plain(value) for name, value in vars(part).items() if name[0] != "_"} for path, part in own}
    return {path: {k: v for k, v in found.items() if v is not NOT_PLAIN} for path, found in shown.items()}


def check_attributes(module: Module, saved: dict[str, dict[str, Any]]) -> None:
    """Raise `FileError` for an attribute that was changed after the constructor."""
    parts = dict(module.named_modules())
    for path, attributes in saved.items():
        for name, value in attributes.items():
            now = getattr(parts[path], name, value)
            if repr(plain(value)) != repr(plain(now)):
                raise FileError(
                    f"its {_join(path, name)} is {value!r}, and that of a new {module._described()} is {now!r}"
                )


def build(description: dict[str, Any], own: Iterable[type[Module]] = ()) -> Module:
    """Build the module of a description, its parameters without values: they take no memory, so a file may claim any
    size. ``own``: classes that it may name besides `LAYERS`.
    """
    with holding(SHAPES_ONLY, True):
        return _build(description, {cls.__name__: cls for cls in own} | LAYERS)


def _build(description: dict[str, Any], classes: dict[str, type[Module]]) -> Module:
    cls = classes.get(description["class"])
    if cls is None:
        raise FileError(f"it names a layer {description['class']!r}, which nn lacks; give load_model your own class")
    if cls in CONTAINERS:
        return CONTAINERS[cls]({name: _build(child, classes) for name, child in description["children"].items()})
    try:
        return cls(**description["arguments"])
    except Exception as error:
        if cls is LAYERS.get(cls.__name__):
            raise
        raise FileError(f"{cls.__name__} can't be made of the arguments that it holds: {error}") from error
