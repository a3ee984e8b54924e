"""What compiled code is held to: the function itself, run eagerly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler import compiled
from glassgrad.autograd.compiler.passes import optimize
from glassgrad.autograd.compiler.trace import Trace
from tests.autograd.compiler.ir.printed import check_printed

Function = Callable[..., Any]
TOLERANCE = {"float64": 1e-11, "float32": 2e-4}


@contextmanager
def traces() -> Iterator[Callable[[], int]]:
    """Within it, how many traces compiled functions have made, as a function."""
    made: list[Trace] = []

    class Counted(Trace):
        def __init__(self, *args: Any, **options: Any) -> None:
            made.append(self)
            super().__init__(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "Trace", Counted)
        yield lambda: len(made)


def parameter(values: Any = (1.0, 2.0, 3.0), name: str = "w") -> ag.Tensor:
    """A Tensor that is trained."""
    return ag.Tensor(values, requires_grad=True, name=name)


def flat(results: Any) -> list[Any]:
    """The arrays among what a function returned."""
    if isinstance(results, ag.Tensor):
        return [results.data]
    if isinstance(results, tuple | list):
        return [array for part in results for array in flat(part)]
    return [results]


def agree(found: Any, expected: Any, where: str) -> None:
    """Raise unless both are the same numbers to rounding, of the same shapes and dtypes."""
    one, other = flat(found), flat(expected)
    assert len(one) == len(other), where
    for x, y in zip(map(np.asarray, one), map(np.asarray, other), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype), where
        if x.dtype.kind in "fc":
            tolerance = TOLERANCE.get(str(x.dtype), 1e-11)
            size = float(np.abs(y[np.isfinite(y)]).max(initial=1.0))
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * size, err_msg=where)
        else:
            np.testing.assert_array_equal(x, y, err_msg=where)


def follows(scenario: Callable[[Callable[[Any], Any]], Any], target: str = "numpy", rtol: float = 0.0) -> None:
    """Raise unless ``scenario(wrap)`` gives the same numbers whether or not ``wrap`` compiles."""
    found = flat(scenario(lambda step: ag.compile(step, target=target)))  # type: ignore[call-overload]
    for x, y in zip(found, flat(scenario(lambda step: step)), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol)


def weights(y: ag.Tensor) -> ag.Tensor:
    """Numbers that differ from element to element, one for each of ``y``."""
    return ag.asarray(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)[()])


def orders(f: Function, count: int = 3) -> Iterator[tuple[str, Function]]:
    """``f``, its gradient and the gradient of that in a direction, as functions of the same inputs."""

    def results(xs: Sequence[Any]) -> list[ag.Tensor]:
        found = f(*xs)
        return [found] if isinstance(found, ag.Tensor) else list(found)

    def gradient(*xs: Any) -> Any:
        ys = [y for y in results(xs) if y.requires_grad]
        return ag.gradients(ys, wanted(xs), [weights(y) for y in ys]) if ys else ()

    def second(*xs: Any) -> Any:
        ys = [y for y in results(xs) if y.requires_grad]
        slopes = ag.gradients(ys, wanted(xs), [weights(y) for y in ys], create_graph=True) if ys else ()
        slopes = [slope for slope in slopes if slope.requires_grad]
        return ag.gradients(slopes, wanted(xs), [weights(slope) for slope in slopes]) if slopes else ()

    yield from [("value", f), ("gradient", gradient), ("second", second)][:count]


def wanted(xs: Sequence[Any]) -> list[ag.Tensor]:
    """The inputs to differentiate by."""
    return [x for x in xs if isinstance(x, ag.Tensor) and x.requires_grad]


def check(f: Function, *inputs: Any, name: str = "") -> None:
    """``f``, as traced, after each pass and compiled, gives what it gives eagerly, and leaves its inputs alone."""
    wanted = [isinstance(x, ag.Tensor) and x.requires_grad for x in inputs]

    def entered(*xs: Any) -> Any:
        return f(*(x.detach().requires_grad_() if wants else x for x, wants in zip(xs, wanted, strict=True)))

    entered.__name__ = getattr(f, "__name__", "f")
    inputs = tuple(x.detach() if wants else x for x, wants in zip(inputs, wanted, strict=True))
    with np.errstate(all="ignore"):
        expected = entered(*inputs)
        arrays = [x.data if isinstance(x, ag.Tensor) else x for x in inputs]
        before = [np.array(x) for x in arrays]
        program = Trace(entered, inputs, {}).program
        agree(program.run(*arrays)[0], expected, f"{name} as traced:\n{program}")
        check_printed(program, *arrays)
        for done, better in optimize.steps(program):
            agree(better.run(*arrays)[0], expected, f"{name} after {done}:\n{better}")
        check_printed(better, *arrays)
        function = ag.compile(entered)
        first = function(*inputs)
        kept = [np.array(array) for array in flat(first)]
        agree(first, expected, f"{name} compiled:\n{function.source}")
        agree(function(*inputs), expected, f"{name} compiled, second call:\n{function.source}")
        for array, copy in zip(flat(first), kept, strict=True):
            np.testing.assert_array_equal(array, copy, err_msg=f"{name}: a result was changed by the next call")
            for x in arrays:
                assert not np.may_share_memory(array, x) or not np.size(array), f"{name} returns its input's memory"
    for x, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, copy, err_msg=f"{name} wrote to an input")
