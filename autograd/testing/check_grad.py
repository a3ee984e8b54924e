"""`check_grad`: a derivative written by hand for a function of NumPy arrays, compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.errors import DTypeError, GradcheckError, ShapeError
from glassgrad.autograd.testing.declarations import Array, Domain, array
from glassgrad.autograd.testing.differences import Vector
from glassgrad.autograd.testing.gradcheck import checked_options
from glassgrad.autograd.testing.judgement import UNCHECKED, check_shown, compare, unchecked
from glassgrad.autograd.testing.points import Point, arguments_of, called, flat
from glassgrad.autograd.testing.programs import literal


def check_grad(
    f: Callable[..., Any],
    df: Callable[..., Any],
    *inputs: Any,
    vjp: bool = False,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    max_elements: int = 100,
    seed: int = 0,
    max_examples: int | None = None,
) -> bool:
    """Whether ``df`` is the derivative of ``f``, a function of NumPy arrays: ``True``, or `GradcheckError`.

    ``df`` takes the arguments of ``f``, and returns one array for each real input (a tuple, if there are several): the
    gradient, of the shape of the input, where ``f`` returns one number; the Jacobian, of shape ``(*output, *input)``;
    or, where ``f`` is elementwise, the derivative of each element. With ``vjp=True`` it also takes the upstream
    gradient (or one for each output), after the inputs, and returns gradients. Integer and boolean inputs are passed
    on, and have no derivative.

    ``inputs``: arrays, lists or numbers, which are copied to float64. To have them drawn by Hypothesis, as many times
    as its settings say or ``max_examples``, declare them: a shape such as ``"n k"``, a `Domain`, `array`, `integers`,
    `booleans`, or a strategy of arrays. Numbers up to ±1000, exactly 0 and ties are among those drawn.

    Oracles, tolerances, the other options and reports are those of `gradcheck`; the complex step applies where ``f``
    takes complex numbers and is analytic.

    Raises `GradcheckError` for a derivative that is wrong, and for an "unchecked" input, as `gradcheck` does;
    `ShapeError` for a derivative of another shape; `DomainError` for inputs or values that are not finite.

    >>> import numpy as np
    >>> from glassgrad.autograd.testing import check_grad
    >>> check_grad(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, 2.0])
    True
    >>> check_grad(np.sin, np.cos, "n k")
    True
    >>> check_grad(np.matmul, lambda x, y, g: (g @ y.T, x.T @ g), "n k", "k m", vjp=True)
    True
    >>> check_grad(lambda x: np.sum(x**3), lambda x: 2 * x**2, [1.0, 2.0])
    Traceback (most recent call last):
        ...
    glassgrad.autograd.errors.GradcheckError: the derivative of output 0 with respect to input 0 ('x') [1] is wrong:
        at this input       2, in float64
        analytic (df)       8
        finite differences  12   (step ...)
        complex step        12
        difference          4, more than the tolerance ...
    What may be wrong: df gives 2/3 times the difference: a rule has a factor too few or too many.
    """
    options = checked_options(eps, atol, rtol, max_elements, seed)
    check_function(f, "f", "a function of NumPy arrays")
    check_function(df, "df", "a function that returns its derivative")
    if any(isinstance(x, str | Domain | Array) or hasattr(x, "example") for x in inputs):
        _check_drawn(f, df, [_taken(x) for x in inputs], vjp, max_examples, options)
        return True
    with np.errstate(all="ignore"):
        point = ArrayPoint(f, df, inputs, vjp)
        point.check_finite()
        check_shown(point, compare(point, **options))
    return True


def _taken(x: Any) -> Any:
    """The `Array` that an input declares; a strategy or a value as it is."""
    return array(x) if isinstance(x, str) else array(domain=x) if isinstance(x, Domain) else x


def _check_drawn(f: Any, df: Any, takes: Any, vjp: bool, max_examples: int | None, options: dict[str, Any]) -> None:
    """Compare ``df`` with finite differences at inputs drawn by Hypothesis."""
    from glassgrad.autograd.testing.strategies import arguments, count_of, search  # its error says what to install

    shown: set[int] = set()
    last: dict[int, str] = {}

    def holds(inputs: list[Any]) -> None:
        point = ArrayPoint(f, df, inputs, vjp)
        try:
            found = compare(point, **options)
        except GradcheckError as error:
            named = zip(point.called_as, point.inputs, strict=True)
            given = "\n".join(f"{name} = {literal(x)}" for name, x in named)
            raise GradcheckError(f"{error}\nThe inputs:\n\n{given}") from None
        for i, judgement in found.items():
            if judgement.verdict == UNCHECKED:
                last[i] = unchecked(point, i, judgement)
            elif point.base[i].size and point.y.size:
                shown.add(i)

    with np.errstate(all="ignore"):
        search(arguments(takes), holds, count_of(max_examples))
    if missing := [told for i, told in last.items() if i not in shown]:
        raise GradcheckError("\n".join(["no example was conclusive; in the last one:", *missing]))


class ArrayPoint(Point):
    """A function of NumPy arrays with its handwritten derivative, at given inputs."""

    analytic, gives, recorded = "df", "df gives", ""

    def __init__(self, f: Callable[..., Any], df: Callable[..., Any], inputs: Sequence[Any], vjp: bool) -> None:
        self.f, self.df, self.vjp, self.f_name = f, df, vjp, called(f)
        self.captured, self.count = {}, len(inputs)
        arrays = [np.asarray(x) for x in inputs]
        self.inputs = [x.astype(np.float64) if np.issubdtype(x.dtype, np.floating) else x for x in arrays]
        self.checked = [i for i, x in enumerate(self.inputs) if x.dtype == np.float64]
        self.names = [*arguments_of(f), *[""] * len(self.inputs)][: len(self.inputs)]
        self.called_as = [name or f"x{i}" for i, name in enumerate(self.names)]
        if not self.checked:
            given = ", ".join(describe(x) for x in self.inputs) or "nothing"
            raise DTypeError(f"check_grad was given {given}: no input is real floating point; write 3.0 for 3.")
        self.base = {i: self.inputs[i].reshape(-1) for i in self.checked}
        self.shapes = {i: self.inputs[i].shape for i in self.checked}
        outputs = self._outputs(self.inputs)
        again = flat(self._outputs(self.inputs))
        self._settle(flat(outputs), again, [y.shape for y in outputs], [y.dtype for y in outputs])
        if not vjp and len(outputs) != 1:
            raise DTypeError(
                f"{self.f_name} returns {len(outputs)} outputs: pass vjp=True, and a df that takes the inputs and then "
                "one upstream gradient for each output."
            )
        self.derivatives = {} if vjp else self._derivatives()

    def _outputs(self, inputs: Sequence[Any], dtype: type = np.floating) -> list[Any]:
        """The outputs as arrays, computed from copies of the inputs."""
        answer = self.f(*(x.copy() for x in inputs))
        found = [np.asarray(y) for y in (answer if isinstance(answer, tuple | list) else [answer])]
        for k, y in enumerate(found):
            if not np.issubdtype(y.dtype, dtype):
                raise DTypeError(
                    f"output {k} of {self.f_name} is {describe(y)}: check_grad compares real floating-point values."
                )
        return found

    def moved(self, i: int, values: Vector) -> Vector:
        """All outputs as one vector, with ``values`` in place of input ``i``."""
        return flat(self._outputs(self._with(i, values)))

    def _with(self, i: int, values: Any) -> list[Any]:
        return [values.reshape(x.shape) if j == i else x for j, x in enumerate(self.inputs)]

    def rules(self, u: Vector) -> dict[int, Vector]:
        """``uᵀ J`` by ``df``."""
        seeds = [part.reshape(shape) for shape, part in self.parts(u)]
        found = self._derivatives(*seeds) if self.vjp else self.derivatives
        return {i: self._pulled_back(i, d, seeds[0]).astype(np.float64).reshape(-1) for i, d in found.items()}

    def _pulled_back(self, i: int, d: Any, seed: Any) -> Any:
        """The gradient of input ``i`` from what ``df`` returned for it. Raises `ShapeError` for another shape."""
        shape, output = self.shapes[i], seed.shape
        if self.vjp and d.shape == shape:
            return d
        if self.vjp:
            raise ShapeError(
                f"df returned a gradient of shape {d.shape} for {self.call(i)}, which has shape {shape}: with vjp=True "
                "it returns gradients, each of the shape of its input."
            )
        if d.shape == (*output, *shape):
            return np.tensordot(seed, d, seed.ndim)
        if d.shape == shape and (self.y.size == 1 or shape == output):
            return seed.reshape(output if shape == output else ()) * d
        raise ShapeError(
            f"df returned an array of shape {d.shape} for {self.call(i)} of shape {shape}, and the output has shape "
            f"{output}: return the Jacobian, of shape {(*output, *shape)}"
            + (f", or the derivative of each element, of shape {shape}." if output == shape else ".")
        )

    def _derivatives(self, *seeds: Any) -> dict[int, Any]:
        """The arrays that ``df`` returns, by the position of their input."""
        answer = self.df(*(x.copy() for x in self.inputs), *seeds)
        many = isinstance(answer, tuple | list) and (len(self.checked) > 1 or len(answer) == 1)
        found = [np.asarray(part) for part in (answer if many else [answer])]
        if len(found) != len(self.checked):
            raise DTypeError(
                f"df returned {len(found)} array(s), and {self.f_name} has {len(self.checked)} real input(s): return "
                "one derivative for each, as a tuple."
            )
        return dict(zip(self.checked, found, strict=True))

    def connected(self, i: int) -> bool:
        """As if one always did: nothing is recorded."""
        return True

    def run(self, i: int, values: Any) -> Any:
        """The outputs with complex values of input ``i``."""
        moved = self._outputs(self._with(i, values), np.complexfloating)
        return np.concatenate([np.reshape(y, -1) for y in moved])
