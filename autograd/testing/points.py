"""A function at given inputs: its values at others nearby, and its derivatives by the rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.errors import DomainError, GradcheckError
from glassgrad.autograd.testing.complexstep import along
from glassgrad.autograd.testing.differences import Vector

Function = Callable[..., Any]
DIFFERENCES, COMPLEX = "finite differences", "complex step"


class Point(ABC):
    """A function at some inputs: all outputs as one vector ``y``, and ``uᵀ J`` by the rules.

    ``base`` holds the values of the inputs that are checked, flat, by their position, and ``shapes`` their shapes;
    ``dtype`` is the coarsest dtype of inputs and outputs; ``constant`` says whether outputs may depend on no input.
    """

    f_name: str
    base: dict[int, Vector]
    shapes: dict[int, Shape]
    names: Sequence[str]
    y: Vector
    results: Sequence[str]
    outputs: Sequence[Shape]
    dtype: np.dtype[Any]
    constant: bool = False
    captured: Mapping[int, Any] = {}
    recorded: str = ""
    analytic: str = "rules"
    gives: str = "the rules give"

    @abstractmethod
    def moved(self, i: int, values: Vector) -> Vector:
        """``y`` with other values of input ``i``."""

    @abstractmethod
    def rules(self, u: Vector) -> dict[int, Vector]:
        """``uᵀ J`` by the rules, for each checked input."""

    @abstractmethod
    def run(self, i: int, values: Any) -> Any:
        """``y`` with complex values of input ``i``; may raise anything."""

    def exact(self, i: int, v: Vector) -> Vector | None:
        """``J v`` for input ``i`` by the complex step; ``None`` where it does not apply."""
        return along(partial(self.run, i), partial(self.moved, i), self.base[i], v, self.epsilon)

    def connected(self, i: int) -> bool:
        """Whether a gradient flows from the outputs to input ``i``."""
        return True

    @cached_property
    def _pulled(self) -> dict[bytes, dict[int, Vector]]:
        return {}

    def pulled(self, u: Vector) -> dict[int, Vector]:
        """`rules`, computed once for each ``u``."""
        key = u.tobytes()
        if key not in self._pulled:
            self._pulled[key] = self.rules(u)
        return self._pulled[key]

    def disturb(self) -> None:
        """Call the function at other inputs, to expose rules that keep values of the last call."""
        for i, values in self.base.items():
            try:
                self.moved(i, values + 0.01 * np.maximum(1.0, np.abs(values)))
            except Exception:  # the other inputs may be outside of the domain
                continue

    @property
    def epsilon(self) -> float:
        """The machine epsilon of the coarsest dtype."""
        return float(np.finfo(self.dtype).eps)

    def call(self, i: int) -> str:
        """The name of input ``i``, for a message."""
        return f"input {i}{f' ({self.names[i]!r})' if self.names[i] else ''}"

    def check_finite(self) -> None:
        """Raise `DomainError` for an input or an output that is not finite."""
        for i, x in self.base.items():
            if not np.isfinite(x).all():
                values = x.reshape(self.shapes[i])
                where = tuple(int(n) for n in np.argwhere(~np.isfinite(values))[0])
                raise DomainError(
                    f"{self.call(i)} is {values[where]} at {list(where)}: differences need finite inputs; choose "
                    "others."
                )
        for k, (_, part) in enumerate(self.parts(self.y)):
            if not np.isfinite(part).all():
                raise DomainError(f"output {k} of {self.f_name} is not finite here: choose inputs at which it is.")

    def parts(self, values: Vector) -> list[tuple[Shape, Vector]]:
        """A vector like ``y`` as the shape and the elements of each output."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.outputs])
        return list(zip(self.outputs, np.split(values, ends[:-1]), strict=True)) if self.outputs else []

    def check_repeats(self, again: Vector) -> None:
        """Raise `GradcheckError` where a second call gave other values."""
        if again.shape != self.y.shape or not np.array_equal(again, self.y, equal_nan=True):
            raise GradcheckError(
                f"{self.f_name} gave two different answers to the same inputs, so differences of them tell nothing: "
                "have it draw from a generator that it seeds itself, or call .eval() of a module with dropout."
            )


def called(f: Function) -> str:
    """The name of a function, for a message."""
    name = getattr(f, "__name__", "<lambda>")
    return "f" if name == "<lambda>" else str(name)


def flat(arrays: Sequence[Any]) -> Vector:
    """The elements of NumPy arrays as one float64 vector."""
    parts = [np.asarray(y).astype(np.float64).reshape(-1) for y in arrays]
    return np.concatenate(parts) if parts else np.zeros(0)
