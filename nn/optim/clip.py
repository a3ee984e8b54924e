"""Gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any

from glassgrad.autograd import Tensor, minimum, no_grad
from glassgrad.autograd.backends import is_complex
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.validation import check_instance, number
from glassgrad.nn.optim.optimizer import check_gradients


@no_grad()
def clip_grad_norm_(parameters: Iterable[Any], max_norm: float) -> Tensor:
    """Scale all gradients by one factor to a total Euclidean norm of at most ``max_norm``; return the norm before.

    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
    algorithm 1. Raises `autograd.errors.DomainError` for a negative ``max_norm``, `autograd.errors.ShapeError` for a
    ``.grad`` of another shape than its parameter.

    >>> from glassgrad import autograd as ag, nn
    >>> w = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> nn.optim.clip_grad_norm_([w], 1.0)
    Tensor(10.0)
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    number(max_norm, "max_norm", 0)
    one = isinstance(parameters, Tensor) or not isinstance(parameters, Iterable)
    members: list[Any] = [parameters] if one else [*parameters]
    for p in members:
        check_instance(p, Tensor, "a parameter to clip", "Tensors, such as model.parameters()")
    graded = [p for p in members if p.grad is not None]
    if TRACER.get() is None:
        check_gradients(graded)
    if not graded:
        return Tensor(0.0, dtype="float32")
    wide = [p.grad if p.grad.data.dtype.itemsize > 2 else p.grad.astype("float32") for p in graded]  # float16 overflows
    sizes = [abs(g) if is_complex(g.dtype) else g for g in wide]
    total: Tensor = reduce(add, [(g * g).sum() for g in sizes]).sqrt()
    factor: Tensor = minimum(max_norm / (total + 1e-6), 1.0)
    for p in graded:
        p.grad = p.grad * factor.astype(p.dtype)
    return total
