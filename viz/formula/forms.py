"""Formulas as calls: a `Form` is a call that a rule or a forward made, so that it can be computed and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.autograd.ops.elementwise import add


@dataclass(frozen=True)
class Name:
    """A value of the graph by its key in the picture, or with ``bar`` its gradient."""

    key: str
    bar: bool = False


@dataclass(frozen=True, eq=False)
class Form:
    """A call made by a rule or a forward: the function's name and its arguments.

    A name in parentheses, such as ``(total)``, is no function: an operation can't have it. Arguments are `Name`,
    `Form`, or constants. The namespace in which `run` makes the calls decides the result: numbers, Tensors or notation.
    """

    name: str
    args: tuple[Any, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


def run(form: Any, call: Callable[..., Any], known: Callable[[Name], Any]) -> Any:
    """The value of a formula, with ``call(name, *args, **params)`` for each call and ``known(name)`` for each name."""

    def given(x: Any) -> Any:
        if isinstance(x, Form):
            return call(x.name, *map(given, x.args), **{name: given(value) for name, value in x.params.items()})
        if isinstance(x, Name):
            return known(x)
        return type(x)(map(given, x)) if type(x) in (tuple, list) else x

    return given(form)


def compute(name: str, *args: Any, **params: Any) -> Any:
    """Compute a call of a `Form` with Tensors: by the operation ``name``, or else the function of `autograd`."""
    if name == "(part)":
        return args[0][args[1]]
    if name == "(total)":
        return reduce(add.apply, args)
    if name == "(fit)":
        x, shape = ag.asarray(args[0]), args[1]
        if axes := broadcast_axes(x.shape, shape) if x.ndim >= len(shape) else ():
            x = ag.sum(x, axis=axes)
        return ag.broadcast_to(x, shape=shape) if x.size == 1 else ag.reshape(x, shape=shape)
    op = ag.OPS.get(name)
    if op is None:
        return getattr(ag, name)(*args, **params)
    if not op.variadic:  # a method takes an operation's parameters by position too
        params |= dict(zip(op.params, args[len(op.args) :], strict=False))
        args = args[: len(op.args)]
    return op.apply(*args, **params)
