"""Operations of one's own, in a line."""

from collections.abc import Callable
from typing import Any

from glassgrad import autograd as ag


def declared(forward: Callable[..., Any], name: str = "mine", options: Any = (), **rules: Any) -> ag.Op:
    """An operation with this forward, these ``options`` of `autograd.op`, and these rules."""
    forward.__name__ = name
    op = ag.op(name, **dict(options))(forward)
    op.vjp(**rules)
    return op
