"""The recording mode, per thread and `asyncio` task: `no_grad` and related contexts, scopes, and the tracer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.errors import DTypeError

P = ParamSpec("P")
R = TypeVar("R")


class Mode:
    """How operations are recorded: whether (``grad``), in which modules (``scope``), and the functions that check for
    NaN and Inf (``anomaly``).

    Immutable. ``before`` is the mode that `no_grad` restores at its end.
    """

    __slots__ = ("grad", "scope", "anomaly", "before")

    def __init__(
        self, grad: bool, scope: tuple[tuple[str, str], ...] | None, anomaly: Any, before: Mode | None = None
    ) -> None:
        self.grad, self.scope, self.anomaly, self.before = grad, scope, anomaly, before


MODE: ContextVar[Mode] = ContextVar("autograd_mode", default=Mode(True, None, None))

TRACER: ContextVar[Any] = ContextVar("autograd_tracer", default=None)
"""The tracer that is turning a function into a program; ``None`` outside of a trace."""

DIFFERENTIATED: ContextVar[bool] = ContextVar("autograd_differentiated", default=False)
"""Whether a transform such as `grad` is calling the function that it differentiates."""

WATCHED: list[type] = []
"""Classes with options: attributes whose change makes a compiled function trace again. The class attribute ``edits``
counts how often a Tensor or another watched object was replaced in an instance, or added to one whose attributes a
trace has listed (``_listed``)."""

OPTIONS: list[type] = []
"""Classes of dicts whose items are options, such as an optimizer's groups: a trace records each item that is read."""


@contextmanager
def holding(variable: ContextVar[R], value: R) -> Iterator[None]:
    """A context manager in which ``variable`` has a value."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


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
    with holding(MODE, Mode(mode.grad, (*(mode.scope or ()), (path, label)), mode.anomaly)):
        yield


class no_grad:
    """A context manager and decorator in which nothing is recorded. Decorates functions, coroutines and generators.

    It acts on its own thread and `asyncio` task alone; one instance may be used by several at once.

    >>> from glassgrad.autograd import Tensor, no_grad
    >>> x = Tensor(1.0, requires_grad=True)
    >>> with no_grad():
    ...     (2 * x).requires_grad
    False
    """

    grad = False

    def __new__(cls, function: Any = None) -> Any:
        """``@no_grad`` without brackets decorates, too."""
        made = super().__new__(cls)
        if function is not None and not callable(function):
            raise DTypeError(f"{cls.__name__} decorates a function, or takes nothing; it was given {shown(function)}.")
        return made if function is None else made(function)

    def __init__(self) -> None:  # for type checkers: `__new__` may return a function
        super().__init__()

    def __enter__(self) -> None:
        mode = MODE.get()
        MODE.set(Mode(self.grad, mode.scope, mode.anomaly, mode))  # not kept in self, which several threads may share

    def __exit__(self, *error: object) -> None:
        MODE.set(MODE.get().before or Mode(True, None, None))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """``function``, run in this mode at every call; a generator at every step, but not between steps."""
        import inspect

        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            return _resumed(type(self), function)  # type: ignore[no-any-return]
        if inspect.isasyncgenfunction(function):
            name = type(self).__name__
            raise DTypeError(f"{name} can't decorate an asynchronous generator: enter it between yields.")

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


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
        if not isinstance(mode, bool):
            raise DTypeError(f"set_grad_enabled takes True or False; it was given {shown(mode)}.")
        self._before = MODE.get()
        MODE.set(Mode(mode, self._before.scope, self._before.anomaly, self._before.before))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        MODE.set(self._before)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread and task."""
    return MODE.get().grad


def _resumed(mode: type[no_grad], function: Any) -> Any:
    """A coroutine or generator function that runs in ``mode`` whenever it is resumed."""
    import inspect

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return await function(*args, **kwargs)

    def stepped(*args: Any, **kwargs: Any) -> Any:
        steps = function(*args, **kwargs)
        resume = functools.partial(next, steps)
        while True:
            with mode():
                try:
                    item = resume()
                except StopIteration as end:
                    return end.value
            try:
                sent = yield item
            except GeneratorExit:
                with mode():
                    steps.close()
                raise
            except BaseException as error:
                resume = functools.partial(steps.throw, error)
            else:
                resume = functools.partial(steps.send, sent)

    return functools.wraps(function)(awaited if inspect.iscoroutinefunction(function) else stepped)
