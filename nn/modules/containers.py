"""Modules made of modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.errors import DomainError, DTypeError, IndexingError, ShapeError
from glassgrad.nn.modules.module import Module


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
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            items = list(modules[0].items())
        else:
            items = [(str(i), module) for i, module in enumerate(modules)]  # type: ignore[misc]
        for name, module in items:
            self._add(name, module)

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise DTypeError(
                f"{type(self).__name__} takes modules; entry {name!r} is {type(module).__name__}: give a layer such as "
                "nn.Sigmoid() (with the brackets), or write a subclass of nn.Module around a function."
            )
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            raise DomainError(f"a module can't be named {name!r}: choose a name without dots that is not taken.")
        setattr(self, name, module)

    def forward(self, x: Any) -> Tensor:
        """Apply the modules in order."""
        for layer in vars(self).values():
            if isinstance(layer, Module):  # `children()` would search for hidden modules at every call
                x = layer(x)
        return x  # type: ignore[no-any-return]

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; return the sequence."""
        self._add(str(len(self)), module)
        Module.edits += 1
        return self

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(dict([*self.named_children()][index]))
        return self._entry(index)[1]

    def __setitem__(self, index: int, module: Module) -> None:
        self._add(self._entry(index)[0], module)

    def _entry(self, index: Any) -> tuple[str, Module]:
        children = [*self.named_children()]
        try:
            return children[operator.index(index)]
        except (IndexError, TypeError):
            raise IndexingError(
                f"this {type(self).__name__} has {len(children)} modules and no index {index!r}: give 0 to "
                f"{len(children) - 1}, or a negative index from the end."
            ) from None


class ModuleList(Sequential):
    """A list of modules whose parameters are found; the module that holds it calls them.

    >>> from glassgrad import nn
    >>> heads = nn.ModuleList([nn.Linear(2, 3), nn.Linear(2, 1)])
    >>> [head(nn.Parameter([1.0, 2.0])).shape for head in heads]
    [(3,), (1,)]
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__(*modules)

    def forward(self, *_: Any) -> Tensor:
        """Refused: a list has no order of computation."""
        raise NotImplementedError("a ModuleList is not called: call its modules, or use nn.Sequential.")


class ModuleDict(Sequential):
    """A dict of modules whose parameters are found; the module that holds it calls them.

    >>> from glassgrad import nn
    >>> branches = nn.ModuleDict({"mean": nn.Linear(2, 1), "variance": nn.Linear(2, 1)})
    >>> [*branches.keys()], branches["mean"].weight.name
    (['mean', 'variance'], 'mean.weight')
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__(modules or {})

    def forward(self, *_: Any) -> Tensor:
        """Refused: a dict has no order of computation."""
        raise NotImplementedError("a ModuleDict is not called: call its modules, or use nn.Sequential.")

    def keys(self) -> Iterator[str]:
        """The names, in the order of assignment."""
        return (name for name, _ in self.named_children())

    def items(self) -> Iterator[tuple[str, Module]]:
        """Names and modules, in the order of assignment."""
        return self.named_children()

    def _entry(self, index: Any) -> tuple[str, Module]:
        children = dict(self.named_children())
        if index not in children:
            raise IndexingError(f"this ModuleDict has no module {index!r}: it has {', '.join(children) or 'none'}.")
        return index, children[index]

    def __setitem__(self, index: Any, module: Module) -> None:
        self._add(index, module)


class Residual(Module):
    """``x + body(x)``, or ``shortcut(x) + body(x)`` where the body changes the shape.

    Through the sum, gradients bypass the body. K. He et al., "Deep residual learning for image recognition", 2016.

    >>> from glassgrad import nn
    >>> nn.Residual(nn.Linear(2, 2))([[1.0, 2.0]]).shape
    (1, 2)
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Tensor:
        """The sum of both paths, of the body's shape."""
        x = asarray(x)
        beside = x if self.shortcut is None else self.shortcut(x)
        out: Tensor = self.body(x)
        if out.shape != beside.shape:
            raise ShapeError(f"Residual adds {beside.shape} to its body's output {out.shape}: give it a shortcut.")
        return out + beside  # type: ignore[no-any-return]
