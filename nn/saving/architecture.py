"""A module of ``nn`` as JSON: the class names and constructor arguments that rebuild it."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable
from typing import Any

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
from nn.modules.module import Module

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


def describe(module: Module) -> dict[str, Any] | None:
    """Describe a module as JSON, from which `build` makes the same module; ``None`` if that is not possible."""
    own = tuple({type(part) for part in module.modules() if LAYERS.get(type(part).__name__) is not type(part)})
    description = _describe(module)
    if description is None:
        return None
    try:
        built = build(json.loads(json.dumps(description)) if own else description, own)
    except Exception:
        if own:  # whose constructor does not take its arguments()
            return None
        raise
    same = [name for name, _ in built._named_state()] == [name for name, _ in module._named_state()]
    return description if same and _structure(built) == _structure(module) else None


def kind_of(module: Module) -> str:
    """The name of the module's class, and of the first class within it that is not in `LAYERS`."""
    kinds = [type(part) for part in module.modules()]
    own = next((kind.__name__ for kind in kinds if LAYERS.get(kind.__name__) is not kind), kinds[0].__name__)
    return kinds[0].__name__ if own == kinds[0].__name__ else f"{kinds[0].__name__} with {own} in it"


def _describe(module: Module) -> dict[str, Any] | None:
    name = type(module).__name__
    if LAYERS.get(name, type(module)) is not type(module):
        return None
    if type(module) not in CONTAINERS:
        arguments = _plain(module.arguments())
        return None if arguments is None else {"class": name, "arguments": arguments}
    children = {n: _describe(child) for n, child in module.named_children()}
    return None if None in children.values() else {"class": name, "children": children}


def _plain(arguments: Any) -> Any:
    """Arguments as JSON returns them: tuples as lists, NumPy's integers as integers; others unchanged."""
    try:
        return json.loads(json.dumps(arguments, default=operator.index))
    except TypeError:
        return arguments


def _structure(module: Module) -> Any:
    """Classes and arguments of a module and its submodules, repeated for shared ones."""
    children = [(name, _structure(child)) for name, child in module.named_children()]
    return type(module), _plain(module.arguments()), children


def build(description: dict[str, Any], own: Iterable[type[Module]] = ()) -> Module:
    """Build the module of a description, its parameters without values: they take no memory, so a file may claim any
    size. ``own``: classes that it may name besides `LAYERS`.
    """
    token = SHAPES_ONLY.set(True)
    try:
        return _build(description, {cls.__name__: cls for cls in own} | LAYERS)
    finally:
        SHAPES_ONLY.reset(token)


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
