"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.nn.modules.module import Module, _join


class Sequential(Module):
    """Apply modules in order: the output of each is the input of the next.

    Give them as arguments (named ``0``, ``1``, …) or as one dict with names. It supports indexing, iteration,
    ``append`` and slices: ``model[:-1]``, the feature extractor, shares its parameters with ``model`` and keeps their
    names.

    >>> from glassgrad import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> model
    Sequential: 13 parameters
      0  Linear(2, 3)  9
      1  Sigmoid()
      2  Linear(3, 1)  4
    >>> model[:-1][0].weight is model[0].weight
    True
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        named = len(modules) == 1 and isinstance(modules[0], Mapping) and not isinstance(modules[0], Module)
        items: Any = modules[0].items() if named else ((str(i), module) for i, module in enumerate(modules))  # type: ignore[union-attr]
        for name, module in items:
            _add(self, name, module)

    def forward(self, x: Any) -> Tensor:
        """Apply the modules in order."""
        for layer in vars(self).values():
            if isinstance(layer, Module):  # `children()` would search for hidden modules at every call
                x = layer(x)
        return x  # type: ignore[no-any-return]

    def append(self, module: Module) -> Self:
        """Add a module at the end; return the container."""
        return self.insert(len(self), module)

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before that of ``index``, and count the names from 0 again; return the container."""
        children = [*self.named_children()]
        children.insert(index, (str(len(children)), module))
        return self._hold(children)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; return the container."""
        for module in [*modules]:
            self.append(module)
        return self

    __iadd__ = extend

    def __add__(self, other: Iterable[Module]) -> Self:
        return type(self)(*self).extend(other)

    def pop(self, index: int = -1) -> Module:
        """Remove a module and return it."""
        module: Module = self[index]
        del self[index]
        return module

    def __delitem__(self, index: int | slice) -> None:
        children = [*self.named_children()]
        del children[index]
        self._hold(children)

    def _hold(self, children: list[tuple[str, Any]]) -> Self:
        """Have these modules in this order. Names that are numbers count from 0 again; others stay."""
        taken = [(str(i) if name.isdecimal() else name, name, module) for i, (name, module) in enumerate(children)]
        for name, _, module in taken:
            _check(self, name, module)
        for name in dict(self.named_children()):
            delattr(self, name)
        for name, before, module in taken:
            if module._path == _join(self._path, before):
                module._move(_join(self._path, name))
            _add(self, name, module)
        Module.edits += 1
        return self

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict([*self.named_children()][index]))
        return [*self.children()][index]

    def __setitem__(self, index: int, module: Module) -> None:
        _add(self, [name for name, _ in self.named_children()][index], module)


def _check(container: Module, name: Any, module: Any) -> None:
    if not isinstance(module, Module):
        raise DTypeError(
            f"{type(container).__name__} takes modules; entry {name!r} is {type(module).__name__}: give a layer such "
            "as nn.Sigmoid() (with the brackets), or write a subclass of nn.Module around a function."
        )


def _add(container: Module, name: Any, module: Any) -> None:
    """Make ``module`` the attribute ``name`` of ``container``."""
    _check(container, name, module)
    if not isinstance(name, str) or not name or "." in name or hasattr(type(container), name):
        raise DomainError(f"a module can't be named {name!r}: choose a name without dots that is not taken.")
    setattr(container, name, module)


class ModuleList(Sequential):
    """A list of modules whose parameters are found; the module that holds it calls them.

    >>> from glassgrad import nn
    >>> heads = nn.ModuleList([nn.Linear(2, 3), nn.Linear(2, 1)])
    >>> [head(nn.Parameter([1.0, 2.0])).shape for head in heads]
    [(3,), (1,)]
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__(*check_instance(modules, Iterable, "modules", "a list of modules"))  # type: ignore[type-abstract]

    def __add__(self, other: Iterable[Module]) -> Self:
        return type(self)([*self, *other])

    def __getitem__(self, index: int | slice) -> Any:
        return type(self)([*self][index]) if isinstance(index, slice) else [*self][index]

    def forward(self, *_: Any) -> Tensor:
        """Refused: a list has no order of computation."""
        raise NotImplementedError("a ModuleList is not called: call its modules, or use nn.Sequential.")


class ModuleDict(Module, MutableMapping[str, Module]):
    """A dict of modules whose parameters are found; the module that holds it calls them.

    It has the methods of a dict: ``in``, ``keys``, ``values``, ``items``, ``pop``, ``update``, ``clear``.

    >>> from glassgrad import nn
    >>> branches = nn.ModuleDict({"mean": nn.Linear(2, 1), "variance": nn.Linear(2, 1)})
    >>> [*branches], branches["mean"].weight.name
    (['mean', 'variance'], 'mean.weight')
    """

    __eq__, __hash__ = object.__eq__, object.__hash__

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        self.update(modules or ())

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.named_children())

    def __getitem__(self, name: str) -> Module:
        return dict(self.named_children())[name]

    def __setitem__(self, name: str, module: Module) -> None:
        _add(self, name, module)
        Module.edits += 1

    def __delitem__(self, name: str) -> None:
        self[name]  # raises for an unknown name
        delattr(self, name)


class Residual(Module):
    """``x + body(x)``, or ``shortcut(x) + body(x)`` where the body changes the shape.

    Through the sum, gradients bypass the body. K. He et al., "Deep residual learning for image recognition", 2016.

    >>> from glassgrad import nn
    >>> nn.Residual(nn.Linear(2, 2))([[1.0, 2.0]]).shape
    (1, 2)
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        _check(self, "body", body)
        _check(self, "shortcut", body if shortcut is None else shortcut)
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Tensor:
        """The sum of both paths, of the body's shape."""
        x = asarray(x)
        beside = x if self.shortcut is None else self.shortcut(x)
        out: Tensor = self.body(x)
        if out.shape != beside.shape:
            raise ShapeError(f"Residual adds {beside.shape} to its body's output {out.shape}: give it a shortcut.")
        return out + beside  # type: ignore[no-any-return]
