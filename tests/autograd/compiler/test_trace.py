"""What a trace follows, what it can't, and what it keeps an eye on."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import TraceError
from tests.autograd.compiler.oracle import agree, check, parameter, traces
from tests.training import updating

X = ag.Tensor([1.0, 2.0, 3.0], name="x")
LABELS = ag.Tensor([0, 1, 2], name="labels")


# ----------------------------------------------------------------------------------------------- what can't be followed

VALUES: dict[str, Callable[[ag.Tensor], Any]] = {
    "a branch": lambda x: x if x.sum() > 0 else -x,
    "math": lambda x: math.sin(x[0]),
    "pickle": lambda x: pickle.dumps(x.detach()),
}
"""What asks for a value; tests/bad_input/autograd.txt has more."""


def here(function: Any) -> str:
    """The line where a function is written, as a message names it."""
    return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno} "


@pytest.mark.parametrize("name", VALUES)
def test_values_are_refused(name: str) -> None:
    with pytest.raises(TraceError) as raised:
        ag.compile(VALUES[name])(X)
    said = str(raised.value)
    assert "asks for a value of " in said
    assert said.startswith(here(VALUES[name]))
    assert "autograd.where" in said
    assert "leave this part out of the compiled function" in said


def _set_item(x: Any) -> None:
    x[0] = 5.0


def _set_data(x: ag.Tensor) -> None:
    x.data = x.data * 2.0


WRITES: dict[str, tuple[Callable[[Any], None], Callable[[], Any]]] = {
    "an element": (_set_item, lambda: ag.ones(3)),
    "an element of the array": (lambda x: _set_item(x.data), lambda: ag.ones(3)),
    "an element of an array": (_set_item, lambda: np.ones(3)),
    "the array": (_set_data, lambda: ag.ones(3)),
    "an optimizer": (lambda x: setattr(x, "data", x.data - 1.0), lambda: ag.ones(3)),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_to_an_argument_is_refused(name: str) -> None:
    """Eagerly the caller's Tensor changes."""
    write, make = WRITES[name]
    x, expected = make(), make()
    compiled = ag.compile(write)
    with pytest.raises(TraceError, match=r"test_trace.py:\d+ writes to the argument x.*clone\(\)"):
        compiled(x)
    agree(x, expected, name)
    if isinstance(x, ag.Tensor):
        agree(ag.compile(lambda x: write(x.clone()))(x) or x, expected, "a copy")


def test_code_that_runs_after_the_call_is_refused() -> None:
    def generator(x: ag.Tensor) -> Any:
        yield x

    async def coroutine(x: ag.Tensor) -> ag.Tensor:
        return x

    for f in (generator, coroutine):
        with pytest.raises(TraceError, match=f"{f.__name__} returns a {f.__name__}, whose code runs after the call"):
            ag.compile(f)(X)


def test_a_refused_trace_changes_nothing() -> None:
    w = parameter()

    def step(x: ag.Tensor) -> Any:
        (w * x).sum().backward()
        w.data = w.data - w.grad.data  # type: ignore[union-attr]
        return x if w.sum() > 0 else -x

    compiled = ag.compile(step)
    before = w.data
    for _ in range(2):
        with pytest.raises(TraceError, match="asks for a value"):
            compiled(X)
        assert w.data is before
        assert w.grad is None
        assert w.tolist() == [1.0, 2.0, 3.0]
    assert compiled.programs == []
    assert (w * 2).tolist() == [2.0, 4.0, 6.0]


def test_errors_of_the_function_propagate() -> None:
    with pytest.raises(ZeroDivisionError):
        ag.compile(lambda x: 1 / 0)(X)
    with pytest.raises(ag.errors.ShapeError, match="matmul can't take x = 'x'"):
        ag.compile(lambda x: x @ ag.ones((2, 2)))(X)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda y: y + 1, id="arithmetic"),
        pytest.param(ag.exp, id="an operation"),
        pytest.param(lambda y: y.sum().backward(), id="backward"),
        pytest.param(lambda y: y.tolist(), id="values"),
        pytest.param(lambda y: float(y[0]), id="a value"),
        pytest.param(lambda y: y.data.reshape((3, 1)), id="the array"),
        pytest.param(lambda y: ag.compile(lambda x: x + y)(X), id="another trace"),
        pytest.param(lambda y: ag.compile(lambda: y.data * 2)(), id="another trace's arithmetic"),
    ],
)
def test_a_traced_tensor_cannot_be_used_after_its_trace(use: Any) -> None:
    """As after an error in the function, whose own side effects remain."""
    kept: list[ag.Tensor] = []

    def leaking(x: ag.Tensor) -> ag.Tensor:
        kept.append(x * 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ag.compile(leaking)(X)
    assert "Traced" in repr(kept[0])
    with pytest.raises(TraceError, match=r"a compiled function kept a Tensor that has no values.*Return it instead"):
        use(kept[0])


# ---------------------------------------------------------------------------------------------------------- gradients


def both(f: Callable[[ag.Tensor, Any], Any], *between: Callable[[ag.Tensor], Any]) -> None:
    """``f(w, x)``, eager and compiled, once and after each of ``between``, leaves the same ``w`` and ``w.grad``."""
    eager, traced = parameter(), parameter()
    compiled = ag.compile(lambda x: f(traced, x))
    for change in (lambda w: None, *between):
        change(eager)
        change(traced)
        agree(compiled(X), f(eager, X), "result")
        agree(traced, eager, "value")
        assert (traced.grad is None) == (eager.grad is None)
        agree(traced.grad if traced.grad is not None else [], eager.grad if eager.grad is not None else [], "gradient")


def _grad_to(value: Any) -> Callable[[ag.Tensor], None]:
    def set_grad(w: ag.Tensor) -> None:
        w.grad = None if value is None else ag.Tensor(value)

    return set_grad


def _sgd(w: ag.Tensor) -> None:
    nn.optim.SGD([w], lr=0.1).step()


BETWEEN = [lambda w: None, _sgd, _grad_to(None), _grad_to([5.0, 6.0, 7.0]), _sgd, _sgd, _grad_to(None), _grad_to(None)]


def _backward(w: ag.Tensor, x: Any) -> Any:
    loss = (x * w * w).sum()
    loss.backward()
    return loss


def _twice(w: ag.Tensor, x: Any) -> Any:
    _backward(w, x)
    _backward(w, x * x)
    return w.grad + 0.0  # type: ignore[operator]


def _cleared(w: ag.Tensor, x: Any) -> Any:
    w.zero_grad()
    return _backward(w, x)


def _clipped(w: ag.Tensor, x: Any) -> Any:
    _backward(w, x)
    return nn.optim.clip_grad_norm_([w], 0.5)


def _read(w: ag.Tensor, x: Any) -> Any:
    return x if w.grad is None else x + w.grad


def _halved(w: ag.Tensor, x: Any) -> Any:
    if w.grad is not None:
        w.grad = w.grad * 0.5
    return x


def _decayed(w: ag.Tensor, x: Any) -> Any:
    w.zero_grad()
    loss = _backward(w, x)
    w.data = w.data * 0.9
    return loss


def _decayed_in_place(w: ag.Tensor, x: Any) -> Any:
    loss = _backward(w, x)
    w.data *= 0.9
    return loss


@pytest.mark.parametrize("f", [_backward, _twice, _cleared, _clipped, _read, _halved, _decayed, _decayed_in_place])
def test_gradients_are_set_and_added_up_as_eagerly(f: Any) -> None:
    """So that the optimizer may step outside."""
    both(f, *BETWEEN)


def test_programs_with_and_without_a_gradient_are_both_kept() -> None:
    w, optimizer = parameter(), None
    compiled = ag.compile(lambda x: _backward(w, x))
    optimizer = nn.optim.SGD([w], lr=0.1)
    with traces() as count:
        for _ in range(4):
            for _ in range(3):
                compiled(X)
            optimizer.step()
            optimizer.zero_grad()
    assert count() == 2


def test_a_recorded_gradient_from_before_the_call_is_refused() -> None:
    w = parameter()
    (w**3).sum().backward(create_graph=True)
    with pytest.raises(TraceError, match=r"test_trace.py:\d+ uses the gradient of Tensor w, .* recorded.*zero_grad"):
        ag.compile(lambda x: _backward(w, x))(X)


def test_a_step_that_updates_leaves_no_gradient() -> None:
    w, other = parameter(), parameter((4.0, 5.0, 6.0), "other")
    ag.compile(updating(nn.optim.SGD([w], lr=0.1), lambda x: (x * w * other).sum()))(X)
    assert w.grad is None
    assert other.grad is not None
    assert other.grad.tolist() == [1.0, 4.0, 9.0]


def test_hooks_and_retained_gradients_are_traced() -> None:
    def f(x: ag.Tensor) -> Any:
        x = x.detach().requires_grad_()
        hook = x.register_hook(lambda g: 10 * g)
        y = x * x
        y.retain_grad()
        (y * y).sum().backward()
        hook.remove()
        return x.grad, y.grad

    agree(ag.compile(f)(X), f(X), "hooks")


@pytest.mark.parametrize(
    "f",
    [
        pytest.param(ag.grad(lambda y: (y**3).sum()), id="grad"),
        pytest.param(ag.value_and_grad(lambda y: (y**3).sum()), id="value_and_grad"),
        pytest.param(lambda x: ag.jvp(lambda y: y**3, [x], [ag.ones(3)]), id="jvp"),
        pytest.param(lambda x: ag.vjp(lambda y: y**3, x)[1](ag.ones(3)), id="vjp"),
        pytest.param(ag.jacobian(lambda y: y**3), id="jacobian"),
        pytest.param(ag.hessian(lambda y: (y**3).sum()), id="hessian"),
        pytest.param(lambda x: ag.hvp(lambda y: (y**3).sum(), [x], [ag.ones(3)]), id="hvp"),
    ],
)
def test_transforms_are_traced(f: Any) -> None:
    agree(ag.compile(f)(X), f(X), "a transform")


# --------------------------------------------------------------------------------------------------------- constants


def test_dtypes_promote_as_they_do_eagerly() -> None:
    kinds = [ag.Tensor(3, dtype=d) for d in ("float32", "float64", "int32", "int64", "bool", "uint8")]
    kinds += [k.reshape((1,)) for k in kinds]
    for one in kinds:
        for other in [*kinds, 2, 2.5, True]:
            for f in (ag.multiply, ag.add, lambda a, b: ag.where(True, a, b), lambda a, b: a * 2 + b, ag.maximum):
                agree(ag.compile(f)(one, other), f(one, other), f"{one!r} with {other!r}")
    check(lambda x: x.data * np.float64(2.0) + np.float32(1.0), ag.Tensor([1.0], dtype="float32"))
    check(lambda x: np.ones(1) * x.data - np.array([2]), ag.Tensor([1.0], dtype="float32"))


def test_numpy_functions_of_tensors_are_recorded() -> None:
    check(lambda x: np.sin(x) + np.sum(x) + np.concatenate([x, x])[:3], X)
    check(lambda x: np.exp(x.data) - np.eye(3) @ x.data, X)


# ------------------------------------------------------------------------------------------------------------- random


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_draws_are_those_of_the_eager_function(dtype: str) -> None:
    """From the same stream in the same order, fresh at each call, each kind of draw."""
    generators = [np.random.default_rng(5), np.random.default_rng(5)]

    def f(rng: int, x: ag.Tensor) -> Any:
        options: dict[str, Any] = {"generator": generators[rng], "dtype": dtype}
        first = ag.random.uniform((3,), low=-1.0, **options)
        second = ag.random.normal((2, 2), mean=x.sum(), std=2.0, **options)
        kept = ag.random.bernoulli(0.5, (5,), generator=generators[rng])
        dropped = nn.functional.dropout(x, 0.3, generator=generators[rng])
        unread = ag.random.uniform((4,), **options)  # moves the generator on all the same
        last = ag.random.uniform((), **options)
        del unread
        return first, second, kept, dropped, last

    compiled = ag.compile(f)
    for _ in range(4):
        agree(compiled(1, X), f(0, X), "draws")
        assert generators[0].bit_generator.state == generators[1].bit_generator.state
    assert len(compiled.programs) == 1


def test_permutations_are_drawn() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    compiled = ag.compile(lambda x: x[ag.random.permutation(3, generator=one)])
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X).data, X.data[ag.random.permutation(3, generator=other).data])


def test_a_draw_is_one_value() -> None:
    """Two readers of one draw see the same numbers, and two equal draws are not one."""
    rng = np.random.default_rng(0)

    def f() -> Any:
        one, other = (ag.random.normal((100,), generator=rng) for _ in range(2))
        return one - one, one - other

    for _ in range(2):
        zero, difference = ag.compile(f)()
        assert not zero.data.any()
        assert difference.data.all()


# --------------------------------------------------------------------------------------------------- names and reading


def test_a_trace_computes_nothing() -> None:
    """It takes as long for arrays that fill no memory."""
    huge = np.broadcast_to(np.float64(1.0), (1 << 20, 1 << 20))
    program = ag.trace(lambda x: (x @ x.T).sum() + x.mean() + x[1:, ::2].max(), ag.asarray(huge))
    assert program.outputs[0].shape == ()


def test_trace_leaves_tensors_alone() -> None:
    model = nn.MLP([4, 3, 2], seed=0)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.1)
    before = copy.deepcopy(model.state_dict()), [p.data for p in model.parameters()]
    program = ag.trace(updating(optimizer, lambda x: model(x).square().mean()), ag.ones((5, 4), dtype="float32"))
    assert len(program.updates) == 4 * 3 + 1  # and one count of steps
    for p, array in zip(model.parameters(), before[1], strict=True):
        assert p.data is array
        assert p.grad is None
    agree(list(model.state_dict().values()), list(before[0].values()), "the model")


@pytest.mark.parametrize(
    "body",
    [
        lambda x: x[x > 0].sum(),
        lambda x: ag.nonzero(x)[0].sum(),
        lambda x: ag.unique_values(x).sum(),
        lambda x: x.sum().item(),
        lambda x: x if x.sum() > 0 else -x,
        lambda x: np.multiply(x.data, 2.0, out=x.data),
        lambda x: (x * 2.0).data.reshape(-1).__setitem__(0, 3.0),
        lambda x: (x * 2.0).data.__setitem__(x.data > 0, x.data[x.data > 0]),
        lambda x: x.data.__setitem__(0, 3.0),
        lambda x: x[: x.sum().astype("int64")],
    ],
)
def test_a_refusal_that_the_function_catches_is_one_still(body: Callable[[Any], Any]) -> None:
    """Eagerly the function goes on where no error is."""

    def f(x: Any) -> Any:
        try:
            return body(x)
        except Exception:
            return x * 100.0

    with pytest.raises(TraceError, match=r"test_trace.py:\d+ |depends on values"):
        ag.compile(f)(ag.Tensor([[1.0, -2.0], [3.0, 4.0]]))


def test_a_tensor_written_to_an_array_is_read_at_each_call() -> None:
    kept, other = ag.zeros((2, 3)), ag.ones(3)

    @ag.compile
    def step(x):
        kept.data[0] = other
        kept.data[1] = x[0]
        return kept * 1.0

    for value in (1.0, 2.0):
        other.data = np.full(3, value)
        np.testing.assert_array_equal(step(ag.Tensor([value, 0.0])).data, np.full((2, 3), value))
