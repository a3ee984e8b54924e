"""The recording mode, per thread and `asyncio` task: `no_grad` and related contexts, scopes, and the observer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.errors import DTypeError

F = TypeVar("F", bound=Callable[..., Any])


class Observer:
    """Sees what is computed, as long as it is in the mode: the base of `anomaly` and of the tracer. Does nothing."""

    notices_changes = False
    """Whether it notices by itself that an index or labels were changed after a call, so that no copies are needed."""

    @contextmanager
    def observing(self) -> Iterator[None]:
        """A context manager in which it sees what is computed."""
        mode = MODE.get()
        with holding(MODE, Mode(mode.grad, mode.scope, self)):
            yield

    def called(self, op: Any, result: Any, arrays: Sequence[Any], params: dict[str, Any], mask: int) -> None:
        """``op`` was called; ``mask`` says for which inputs it was recorded."""

    def walked(self, order: list[Any], totals: dict[Any, Any]) -> Iterable[Any]:
        """The nodes of a backward pass, each of which is yielded before its rules are called. ``totals`` are the sums
        of the gradients by then, also those of leaves.
        """
        return order


@dataclass(slots=True, eq=False)
class Mode:
    """How operations are recorded: whether (``grad``), in which modules (``scope``), and who sees it (``observer``).

    Never changed. ``before`` is the mode that `no_grad` restores at its end.
    """

    grad: bool
    scope: tuple[tuple[str, str], ...] | None
    observer: Observer | None
    before: Mode | None = None


MODE: ContextVar[Mode] = ContextVar("autograd_mode", default=Mode(True, None, None))

DIFFERENTIATED: ContextVar[tuple[Any, ...]] = ContextVar("autograd_differentiated", default=())
"""The Tensors with respect to which transforms such as `grad` differentiate the functions that they are calling."""


@contextmanager
def scope(path: str, label: str) -> Iterator[None]:
    """A context manager that records operations as part of the module at ``path`` (``"layers.0"``) called ``label``.

    >>> from glassgrad import autograd as ag
    >>> with ag.scope("layers.0", "Linear"):
    ...     y = 2 * ag.Tensor(1.0, requires_grad=True)
    >>> y.node.scope
    (('layers.0', 'Linear'),)
    """
    if not (isinstance(path, str) and isinstance(label, str)):
        raise DTypeError(f"scope takes a path and a label, two strings; it was given {path!r} and {label!r}.")
    mode = MODE.get()
    with holding(MODE, Mode(mode.grad, (*(mode.scope or ()), (path, label)), mode.observer)):
        yield


class no_grad:
    """A context manager and decorator in which nothing is recorded.

    It acts on its own thread and `asyncio` task alone; one instance may be used by several at once.

    >>> from glassgrad.autograd import Tensor, no_grad
    >>> x = Tensor(1.0, requires_grad=True)
    >>> with no_grad():
    ...     (2 * x).requires_grad
    False
    """

    grad = False

    def __enter__(self) -> None:
        mode = MODE.get()
        MODE.set(Mode(self.grad, mode.scope, mode.observer, mode))  # not kept in self, which several threads may share

    def __exit__(self, *error: object) -> None:
        MODE.set(MODE.get().before or Mode(True, None, None))

    def __call__(self, function: F) -> F:
        """``function``, run in this mode. Raises `DTypeError` for a coroutine or a generator, which stops halfway."""
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        if not callable(function) or flags & 0x2A0:  # of a generator, a coroutine or both
            raise DTypeError(
                f"{type(self).__name__} decorates a function; it was given {shown(function)}. In a generator or a "
                "coroutine write a with block that contains no yield or await."
            )

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class enable_grad(no_grad):
    """A context manager and decorator in which operations are recorded, also inside `no_grad`."""

    grad = True


class set_grad_enabled:
    """Switch recording on or off, at once; as a context manager, until its end.

    >>> from glassgrad import autograd as ag
    >>> with ag.set_grad_enabled(False):
    ...     ag.is_grad_enabled()
    False
    >>> ag.is_grad_enabled()
    True
    """

    def __init__(self, mode: bool) -> None:
        self._before = MODE.get()
        MODE.set(Mode(bool(mode), self._before.scope, self._before.observer, self._before.before))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        MODE.set(self._before)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread and task."""
    return MODE.get().grad
