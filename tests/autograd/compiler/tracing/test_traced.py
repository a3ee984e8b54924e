"""Traced arrays share memory as NumPy's do: a view shows what is written to its base, and the other way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import GradientError, ShapeError, TraceError
from tests.autograd.compiler.oracle import agree
from tests.sampling import waiting

Take = Callable[[ag.Tensor], Any]


def states(order: str = "C") -> tuple[ag.Tensor, ag.Tensor]:
    w = ag.Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True, name="w")
    w.data = np.array(w.data, order=order)  # type: ignore[call-overload]
    return w, ag.Tensor(2.0, requires_grad=True, name="scale")


TAKEN: dict[str, Take] = {
    "detach": lambda w: w.detach(),
    "data": lambda w: w.data,
    "T": lambda w: w.T,
    "a row": lambda w: w[0],
    "rows": lambda w: w[1:, ::2],
    "an element": lambda w: w[0, 1],
    "an element's array": lambda w: w.data[0, 1],
    "picked": lambda w: w[[0, 2]],
    "a row of the transpose": lambda w: w.T[1],
    "a new axis": lambda w: w[:, None],
    "flat": lambda w: w.reshape(-1),
    "the transpose, flat": lambda w: w.T.reshape(-1),
    "half, flat": lambda w: w[:, :2].reshape(-1),
    "squeezed": lambda w: ag.squeeze(w[:1], axis=0),
    "moved": lambda w: ag.moveaxis(w, 0, 1),
    "flipped": ag.flip,
    "unstacked": lambda w: ag.unstack(w)[1],
    "split": lambda w: ag.split(w, 2, axis=1)[1],
    "repeated": lambda w: ag.broadcast_to(w, (2, 3, 4)),
    "a copy": lambda w: w.clone(),
    "a copy by Tensor": lambda w: ag.Tensor(w.detach()),
    "a copy of the array": lambda w: w.data * 1,
    "the same dtype": lambda w: w.to("float64"),
    "cast to the same dtype": lambda w: w.detach().astype("float64"),
    "twice": lambda w: w.detach().T.reshape(2, 6)[0],
}


def _sgd(w: ag.Tensor, scale: ag.Tensor) -> None:
    (scale * w * w).sum().backward()
    nn.optim.SGD([w, scale], lr=0.1).step()


def _subtract(w: ag.Tensor, scale: ag.Tensor) -> None:
    array = w.data
    array -= 1.0
    array[1, 1:] = 7.0


def _row(w: ag.Tensor, scale: ag.Tensor) -> None:
    row = w.data.T[1]
    row *= 10.0
    w.data[0][2] = -1.0


def _new(w: ag.Tensor, scale: ag.Tensor) -> None:
    w.data = w.data * 2.0


def _no_grad(w: ag.Tensor, scale: ag.Tensor) -> None:
    with ag.no_grad():
        w[0] = 5.0
        w -= 1.0


WRITES: dict[str, Callable[[ag.Tensor, ag.Tensor], None]] = {
    "an optimizer's step": _sgd,
    "in place": _subtract,
    "a view": _row,
    "a new array": _new,
    "the Tensor": _no_grad,
}


JOINED = ("flat", "the transpose, flat", "half, flat", "twice")
"""Reshapes that join axes: whether NumPy makes views of them depends on the order of the elements."""
IN_PLACE = ("an optimizer's step", "in place", "a view")


@pytest.mark.parametrize("order", ["C", waiting("F")])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("taken", TAKEN)
def test_values_read_before_an_update(taken: str, write: str, order: str) -> None:
    def step(w: ag.Tensor, scale: ag.Tensor) -> Any:
        before, number = TAKEN[taken](w), scale.detach()
        first = before + 0.0
        WRITES[write](w, scale)
        return first, before * 1.0, number + 0.0, w * 1.0

    eager, traced = states(order), states(order)
    compiled = ag.compile(lambda: step(*traced))
    if taken in JOINED and write in IN_PLACE:
        with pytest.raises(TraceError, match=r"uses .* in another shape after .* depending on its memory order"):
            compiled()
        return
    for i in range(2):
        expected = step(*eager)
        agree(compiled(), expected, f"call {i}")
        agree(traced, eager, f"states after call {i}")
        for t in (*eager, *traced):
            t.grad = None


def test_a_view_of_a_computed_array() -> None:
    def f(x: ag.Tensor) -> Any:
        y = x.data * 2.0
        row, column = y[0], y[:, 1]
        row += 1.0
        y[1] = ag.asarray(column).sum().data
        column *= 3.0
        return y, row, column

    x = ag.Tensor(np.arange(6.0).reshape(2, 3))
    agree(ag.compile(f)(x), f(x), "views")


@pytest.mark.parametrize(
    ("add", "kind"),
    [
        (lambda x: x.__iadd__(ag.ones((2, 3)).data), ValueError),
        (lambda x: x.astype("int64").__iadd__(0.5), TypeError),
        (lambda x: x.astype("float32").__iadd__(np.ones(3)), None),
    ],
    ids=["shape", "dtype", "cast"],
)
def test_an_in_place_value_of_the_wrong_shape(add: Any, kind: Any) -> None:
    x = ag.Tensor([1.0, 2.0, 3.0])
    if kind is None:
        agree(ag.compile(lambda x: add(x.data * 1.0))(x), add(x.data * 1.0), "cast")
    else:
        with pytest.raises(kind, match="in place"):
            ag.compile(lambda x: add(x.data * 1.0))(x)
        with pytest.raises(kind):
            add(x.data * 1.0)


def test_a_graph_older_than_an_update_is_refused_as_eagerly() -> None:
    def f(w: ag.Tensor, optimizer: nn.optim.SGD) -> None:
        loss, later = (w * w).sum(), (w**3).sum()
        loss.backward()
        optimizer.step()
        later.backward()

    for call in (lambda f: f(), lambda f: ag.compile(f)()):
        w = states()[0]
        optimizer = nn.optim.SGD([w], lr=0.1)
        with pytest.raises(GradientError, match=r"w.* was changed after"):
            call(lambda w=w, optimizer=optimizer: f(w, optimizer))


def test_an_array_without_elements_takes_any_shape() -> None:
    for shape in ((0, 2), (2, 0, 3), (0,)):
        x = ag.zeros(shape)
        assert ag.compile(lambda x: (x * 1.0).reshape((3, 0)) + x.reshape(-1).sum())(x).shape == (3, 0)


def test_an_axis_that_can_not_be_squeezed_out_of_an_array_without_entries_is_refused() -> None:
    """A reshape alone would take it: both shapes have no entries."""
    with pytest.raises(ShapeError, match="size not equal to one"):
        ag.compile(lambda x: ag.squeeze(x, axis=1))(ag.zeros((0, 3)))


def test_a_number_is_not_written_to() -> None:
    """As in eager mode, where the write would not be lost but refused."""

    def written(x: ag.Tensor) -> ag.Tensor:
        total = ag.sum(x)
        total.data[()] = 3.0
        return total

    for f in (written, ag.compile(written)):
        with pytest.raises(TypeError, match="does not support item assignment"):
            f(ag.ones(3))
