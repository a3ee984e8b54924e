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

    ``parameters``: path → Tensor of the same shape; those that are missing stay. So a network is a function of its
    weights, for `autograd.hessian`, `autograd.hvp` or weights that were computed. The module itself ends as it was; not
    for one module in several threads at once. Raises `nn.errors.StateError` for an unknown path or another shape.

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
    wrong = [f"{name!r} is unexpected" for name in parameters if name not in mine]
    given = {name: asarray(value) for name, value in parameters.items() if name in mine}
    wrong += [
        f"{name!r} is {mine[name].shape} in the module, and was given as {value.shape}"
        for name, value in given.items()
        if value.shape != mine[name].shape
    ]
    if wrong:
        raise StateError(f"{module._described()} can't be called with these parameters: {'; '.join(wrong)}.")
    instead = {id(mine[name]): value for name, value in given.items()}
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
