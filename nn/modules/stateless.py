"""`functional_call`: a module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograd import Tensor, asarray
from autograd.common.validation import check_instance
from nn.errors import StateError
from nn.modules.module import Module


def functional_call(module: Module, parameters: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``module`` with other Tensors in place of its parameters and buffers, as `torch.func.functional_call` does.

    ``parameters``: path → Tensor of the same shape; others stay. This makes a network a function of its weights, for
    `autograd.hessian`, `autograd.hvp` or weights that were computed. The module is restored afterwards; do not call one
    module from several threads at once. A shared parameter may be given by any of its paths. Raises
    `nn.errors.StateError` for an unknown path, another shape, or two values for one parameter.

    >>> import autograd as ag, nn
    >>> model = nn.Linear(2, 1, seed=0, dtype="float64")
    >>> def loss(parameters):
    ...     return ag.sum(nn.functional_call(model, parameters, ag.ones((1, 2))) ** 2)
    >>> rows = ag.hessian(loss)(model.state_dict())
    >>> rows["weight"]["bias"].shape
    (1, 2, 1)
    """
    check_instance(module, Module, "module", "a module of nn")
    check_instance(parameters, Mapping, "parameters", "a dict of names and arrays")  # type: ignore[type-abstract]
    mine = dict(module._named_state())
    known = {id(value) for value in mine.values()}
    wrong: list[str] = []
    names: dict[int, str] = {}
    instead: dict[int, Tensor] = {}
    for name, value in parameters.items():
        own = mine.get(name, _found(module, name))
        if id(own) not in known:
            wrong.append(f"{name!r} is unexpected")
            continue
        given = instead.setdefault(id(own), asarray(value))
        first = names.setdefault(id(own), name)
        if value is not parameters[first]:
            wrong.append(f"{name!r} and {first!r} are one parameter, and were given two values")
        elif given.shape != own.shape:
            wrong.append(f"{name!r} is {own.shape} in the module, and was given as {given.shape}")
    if wrong:
        raise StateError(f"{module._described()} can't be called with these parameters: {'; '.join(wrong)}.")
    places = [
        (part, name, getattr(part, name))  # read as an attribute, so that a compiled function watches the module's own
        for part in module.modules()
        for name, value in vars(part).items()
        if isinstance(value, Tensor) and id(value) in instead
    ]
    try:
        for part, name, value in places:
            vars(part)[name] = instead[id(value)]
        return module(*args, **kwargs)
    finally:
        for part, name, value in places:
            vars(part)[name] = value


def _found(module: Any, path: Any) -> Any:
    """The value at a path, ``None`` if there is none. A shared parameter or module has several paths."""
    for name in str(path).split("."):
        module = vars(module).get(name) if isinstance(module, Module) else None
    return module
