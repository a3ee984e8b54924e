"""A module of ``nn`` as JSON: the class names and constructor arguments that rebuild it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from glassgrad.autograd.common.contexts import holding
from glassgrad.nn import models
from glassgrad.nn.errors import FileError
from glassgrad.nn.init import SHAPES_ONLY
from glassgrad.nn.modules import (
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
from glassgrad.nn.modules.module import NOT_PLAIN, Module, _attributes, _join, plain

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


INSTEAD = "build it in Python and call model.load_state_dict(nn.load(path))"
"""What to do with a file whose module can't be built."""


def describe(module: Module, named: dict[str, type] | None = None) -> dict[str, Any]:
    """Describe a module as JSON, from which `build` makes the same module. Raises `FileError`, with the reason, if that
    is not possible. ``named``: the classes of other modules in the file.
    """
    cls, name = type(module), type(module).__name__
    named = {**LAYERS} if named is None else named
    if cls in CONTAINERS:
        return {"class": name, "children": {n: describe(child, named) for n, child in module.named_children()}}
    arguments = module.arguments()
    if arguments is None:
        why = module._noted()
        raise FileError(f"{name} {why if isinstance(why, str) else 'has arguments() that are None'}")
    if named.setdefault(name, cls) is not cls:
        raise FileError(f"its class {name} has the name of {'a layer of nn' if name in LAYERS else 'another class'}")
    if (values := plain(arguments)) is NOT_PLAIN:
        raise FileError(
            f"the arguments() of {name} are not numbers, strings, booleans, None, or lists, tuples and dicts of these"
        )
    return {"class": name, "arguments": values if name in LAYERS else {k: _encoded(v) for k, v in values.items()}}


def _encoded(value: Any) -> Any:
    """A plain value for JSON, which has no tuples."""
    if isinstance(value, dict):
        return {"dict": {key: _encoded(item) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        items = [*map(_encoded, value)]
        return items if isinstance(value, list) else {"tuple": items}
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [*map(_decoded, value)]
    if isinstance(value, dict):
        ((kind, items),) = value.items()
        return tuple(map(_decoded, items)) if kind == "tuple" else {key: _decoded(items[key]) for key in items}
    return value


def layers_of(module: Module) -> str:
    """A digest of the layers, by which a file notices that its module was changed after it was made.

    Arguments at their defaults do not count, so a later version may add some.
    """
    parts = [f"{name} {layers_of(child)}" for name, child in module.named_children()]
    return hashlib.sha256("\n".join([module._described(), *parts]).encode()).hexdigest()


def attributes_of(module: Module) -> dict[str, dict[str, Any]]:
    """The plain attributes of modules in ``module`` that are not layers of ``nn``, by path."""
    own = ((path, part) for path, part in module.named_modules() if LAYERS.get(type(part).__name__) is not type(part))
    shown = {path: {name: plain(value) for name, value in _attributes(part).items()} for path, part in own}
    return {path: {k: v for k, v in found.items() if v is not NOT_PLAIN} for path, found in shown.items()}


def check_attributes(module: Module, saved: dict[str, dict[str, Any]]) -> None:
    """Raise `FileError` for an attribute that was changed after the constructor."""
    parts = dict(module.named_modules())
    for path, attributes in saved.items():
        for name, value in attributes.items():
            now = getattr(parts[path], name, value)
            if repr(plain(value, list)) != repr(plain(now, list)):
                new = module._described()
                raise FileError(f"its {_join(path, name)} is {value!r}, and that of a new {new} is {now!r}: {INSTEAD}")


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
    is_own = cls is not LAYERS.get(cls.__name__)
    try:
        arguments = description["arguments"]
        return cls(**{name: _decoded(value) for name, value in arguments.items()} if is_own else arguments)
    except Exception as error:
        if not is_own:
            raise
        raise FileError(f"{cls.__name__} can't be made of the arguments that it holds: {error}") from error
