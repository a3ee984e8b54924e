"""What holds for a while: the value of a context variable, and the tracer, with the classes that it watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

R = TypeVar("R")

TRACER: ContextVar[Any] = ContextVar("autograd_tracer", default=None)
"""The tracer that is turning a function into a program; ``None`` outside of a trace."""

WATCHED: list[type] = []
"""Classes with options: attributes whose change makes a compiled function trace again. The class attribute ``edits``
counts how often a Tensor or another watched object was replaced in an instance, or added to one whose attributes a
trace has listed (``_listed``)."""

OPTIONS: list[type] = []
"""Classes of dicts whose items are options, such as an optimizer's groups: a trace guards them, but the learning rate
``lr`` is an input."""


@contextmanager
def holding(variable: ContextVar[R], value: R) -> Iterator[None]:
    """A context manager in which ``variable`` has a value."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
