"""A module of ``nn`` as JSON: the class names and constructor arguments that rebuild it, and its modes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sized
from typing import Any

from glassgrad.autograd.backends import is_inexact
from glassgrad.autograd.common.contexts import holding
from glassgrad.nn import models
from glassgrad.nn.errors import FileError
from glassgrad.nn.init import LOADING
from glassgrad.nn.modules import containers
from glassgrad.nn.modules.module import Module, Parameter, _found, _join

CONTAINERS: dict[type[Module], Callable[[dict[str, Module]], Module]] = {
    containers.Sequential: containers.Sequential,
    containers.ModuleList: lambda children: containers.ModuleList(children.values()),
    containers.ModuleDict: containers.ModuleDict,
    containers.Residual: lambda children: containers.Residual(**children),
}
"""How containers of modules are rebuilt."""


def _class(name: str) -> type[Module] | None:
    """The class of that name in ``nn`` or ``nn.models``, the only ones that a file may name; else ``None``."""
    package = sys.modules[models.__name__.rpartition(".")[0]]  # no import, because it imports this
    kind = vars(models).get(name) or vars(package).get(name)
    known = isinstance(kind, type) and issubclass(kind, Module) and kind is not Module
    return kind if known else None


def describe(module: Module) -> dict[str, Any]:
    """The header of a module's file, from which `build` makes the same module. Raises `FileError`, with the reason, if
    that is not possible.
    """
    return {
        "architecture": _described(module),
        "layers": _layers(module),
        "tied": {path: first for path, part, first in _parts(module) if first != path},
        "evaluating": [path for path, part in module.named_modules() if not part.training],
        "frozen": [path for path, p in module.named_parameters() if not p.requires_grad],
    }


def _described(module: Module) -> dict[str, Any]:
    cls, name = type(module), type(module).__name__
    if _class(name) is not cls:
        raise FileError(f"{name} is not a class of nn")
    if cls in CONTAINERS:
        return {"class": name, "children": {n: _described(child) for n, child in module.named_children()}}
    arguments = module.arguments()
    if arguments is None:
        raise FileError(f"{name} was made with other arguments than numbers, strings and lists of these")
    return {"class": name, "arguments": arguments}


def _layers(module: Module) -> str:
    """A digest of the layers, by which a file notices that its module was changed after it was made.

    Arguments at their defaults do not count, so a later version may add some.
    """
    parts = [f"{name} {_layers(child)}" for name, child in module.named_children()]
    return hashlib.sha256("\n".join([module._described(), *parts]).encode()).hexdigest()


def _parts(module: Module) -> Iterator[tuple[str, Any, str]]:
    """Each module and parameter inside by every path at which it is first met, with the first path of all."""
    first: dict[int, str] = {}
    stack: list[tuple[str, Any]] = [("", module)]
    while stack:
        path, part = stack.pop()
        known = first.setdefault(id(part), path)
        yield path, part, known
        if known == path and isinstance(part, Module):
            inside = {name: value for name, value in vars(part).items() if isinstance(value, Module | Parameter)}
            stack += [(_join(path, name), value) for name, value in reversed(inside.items())]


def build(header: dict[str, Any], arrays: Sized) -> Module:
    """Build the module that `describe` described. Its weights have no values yet and take no memory.

    Raises `FileError` for a class that ``nn`` lacks, more weights than ``arrays``, or where a new module differs.
    """
    tied = header.get("tied", {})
    most = 2 * len(arrays) + 64 * len(tied)  # constructors may make more than they keep
    with holding(LOADING, iter(range(most))):
        module = _build(header["architecture"], "", tied)
    for path, first in tied.items():
        parent, _, name = path.rpartition(".")
        setattr(_found(module, parent) if parent else module, name, _found(module, first))
    if header.get("layers", made := _layers(module)) != made:
        raise FileError(f"it was changed after it was made, and a new {module._described()} differs")
    parts = dict(module.named_modules())
    for path in header.get("evaluating", ()):
        parts[path].training = False
    parameters = dict(module.named_parameters())
    for path in header.get("frozen", ()):
        parameters[path].requires_grad = False
    return module


def _build(description: dict[str, Any], path: str, tied: dict[str, str]) -> Module:
    if path in tied:  # to be replaced
        return Module()
    cls = _class(description["class"])
    if cls is None:
        raise FileError(f"it names a layer {description['class']!r}, which nn lacks")
    if cls in CONTAINERS:
        children = description["children"].items()
        return CONTAINERS[cls]({name: _build(child, _join(path, name), tied) for name, child in children})
    return cls(**description["arguments"])


def fill(module: Module, state: dict[str, Any]) -> None:
    """Give a module that `build` made its weights. Raises `FileError` where these are not what it has."""
    mine = dict(module._named_state())
    for name in mine | state:
        if name not in state or name not in mine:
            raise FileError(f"{name!r} is missing" if name in mine else f"{name!r} is not in {module._described()}")
        wanted, found = mine[name], state[name]
        if wanted.shape != found.shape or is_inexact(wanted.dtype) != is_inexact(found.dtype):
            shapes = f"{found.shape} of {found.dtype}, not {wanted.shape} of {wanted.dtype}"
            raise FileError(f"its {name!r} is {shapes}")
    for name, tensor in mine.items():
        tensor.data = state[name].data
