"""Several programs on overlapping sets of parameters: right, and at rest after the first round."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import TraceError
from tests.autograd.compiler.oracle import follows
from tests.autograd.compiler.targets.c.native import needs_compiler


def steps(model: nn.MLP) -> list[Callable[[Any, Any], Any]]:
    """Steps of three optimizers: of all parameters, of the last layer, and of two in another order."""
    parameters = list(model.parameters())
    optimizers = [
        nn.optim.SGD(parameters, lr=0.1),
        nn.optim.SGD(parameters[2:], lr=0.1),
        nn.optim.Adam([parameters[3], parameters[0]], lr=0.1),
    ]

    def step_of(optimizer: Any) -> Callable[[Any, Any], Any]:
        def step(x: Any, y: Any) -> Any:
            model.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            model.zero_grad()
            return loss

        return step

    return list(map(step_of, optimizers))


def test_three_programs_take_turns() -> None:
    models = [nn.MLP([4, 5, 3], seed=0).to("float64") for _ in range(2)]
    eager, compiled = steps(models[0]), [ag.compile(step) for step in steps(models[1])]
    draw = np.random.default_rng(0)
    known = []
    for _ in range(6):
        x, y = draw.normal(size=(7, 4)), draw.integers(0, 3, 7)
        for one, other in zip(eager, compiled, strict=True):
            np.testing.assert_allclose(other(ag.Tensor(x), ag.Tensor(y)).data, one(ag.Tensor(x), ag.Tensor(y)).data)
        known.append([next(iter(step._executables.values()))[0] for step in compiled])
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=1e-12)
    assert known[1] == known[2] == known[-1]  # none was traced anew because another one had moved a parameter


MEMORIES: dict[str, Callable[[], Any]] = {
    "its own": lambda: np.arange(6.0).reshape(2, 3).copy(),
    "its own, column-major": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "transposed": lambda: np.arange(6.0).reshape(3, 2).T,
    "some rows": lambda: np.arange(12.0).reshape(4, 3)[2:],
    "every second column": lambda: np.arange(12.0).reshape(2, 6)[:, ::2],
    "a buffer": lambda: np.frombuffer(bytearray(48)).reshape(2, 3),
    "an array over a buffer": lambda: np.frombuffer(bytearray(48))[:6].reshape(2, 3),
}


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("update", ["assigned", "in place"])
@pytest.mark.parametrize("kept", ["before", "between"])
def test_a_view_that_is_kept_has_the_values_of_eager_mode(memory, update, kept):
    """Views kept before the first call or after it keep their values where the state is assigned, and else follow."""

    def values(wrap: Any) -> list[Any]:
        w = ag.Tensor(np.zeros((2, 3)), requires_grad=True, name="w")
        w.data = memory()
        optimizer = nn.optim.SGD([w], lr=0.5)
        views = [w.data[0]] if kept == "before" else []

        def step(x: Any) -> None:
            optimizer.zero_grad()
            (w * x).sum().backward()
            if update == "in place":
                optimizer.step()
            else:
                w.data = w.data - w.grad.data

        run = wrap(step)
        for _ in range(3):
            run(ag.ones((2, 3)))
            views.append(w.data[1:])
        return [*views, w.data]

    follows(values)


COPIES = [
    "w.clone()", "w.data.copy()", "w.data.copy().T.copy().T", "w.data.copy('F')", "w.data.astype(w.dtype)",
    "ag.astype(w, w.dtype)", "ag.where(True, w, w)", "ag.concat([w[:1], w[1:]])", "w.data", "w.detach()",
]  # fmt: skip
"""Values that a state is assigned: a copy of itself, or its own array."""


@pytest.mark.parametrize("start", [np.eye(2), np.asfortranarray([[1, 2], [3, 4]]), np.ones((2, 4), bool)[:, ::2]])
@pytest.mark.parametrize(
    ("value", "target"), [*((v, "numpy") for v in COPIES), pytest.param("w.clone()", "c", marks=needs_compiler)]
)
def test_a_state_that_is_assigned_its_own_value_parts_from_views_where_it_does_in_eager_mode(value, start, target):
    def values(wrap: Any, kept: bool) -> list[Any]:
        w = ag.Tensor(0.0, name="w")
        w.data = start.copy("K")
        views = [w.data[0]] if kept else []

        def step() -> None:
            w.data = eval(value, {"ag": ag, "np": np, "w": w})

        run, found = wrap(step), []
        for i in range(3):
            run()
            w.data[0] = i % 2
            views += [w.data[:1]] * kept
            for view in views:
                view[-1] = not view[-1].all()
                found.append(view.copy())
            found.append(w.data.copy())
        return found

    for kept in False, True:
        follows(partial(values, kept=kept), target)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_two_states_exchanged_between_calls_where_only_one_is_assigned(times):
    def values(wrap: Any) -> list[Any]:
        a, b = ag.Tensor(np.array([1.0, 2.0]), name="a"), ag.Tensor(np.array([3.0, 4.0]), name="b")

        def step(x: Any) -> Any:
            b.data = (x * 1).data
            return a * 1

        run, found = wrap(step), []
        for i in range(4):
            found += [run(ag.Tensor([5.0 + i, 6.0 + i])).tolist(), a.tolist(), b.tolist()]
            for _ in range(times):
                a.data, b.data = b.data, a.data
        return found

    follows(values)


@pytest.mark.parametrize("apart", [True, False])
def test_an_argument_in_the_memory_of_a_state_is_refused_only_if_they_overlap(apart):
    memory = np.arange(8.0)
    w, x = ag.Tensor(np.zeros(4), requires_grad=True, name="w"), ag.Tensor(np.zeros(4))
    w.data = memory[:4]
    x.data = memory[4:] if apart else memory[1:5]

    def step(x: Any) -> Any:
        w.grad = None
        (w * 2).sum().backward()
        w.data -= w.grad.data
        return (x * w).sum()

    compiled = ag.compile(step)
    if apart:
        assert float(compiled(x)) == 4 * -2 + 5 * -1 + 6 * 0 + 7 * 1
    else:
        with pytest.raises(TraceError, match=r"x \(4,\) share memory, and the compiled step updates w"):
            compiled(x)


UPDATING = ["w.data *= 0.5; s.data = x.data.T", "w.data *= 0.5; return x"]
"""Functions of ``x`` that update ``w`` in place."""


@pytest.mark.parametrize("body", UPDATING)
@pytest.mark.parametrize("assigned", [False, True])
def test_an_argument_in_the_memory_of_a_state_that_is_updated_is_refused(body, assigned):
    """Also where the state was given another array after the first program."""
    scope: dict[str, Any] = {"ag": ag, "w": ag.Tensor(np.ones((2, 2)), name="w"), "s": ag.zeros((2, 2))}
    exec(f"def step(x): {body}", scope)
    compiled, w = ag.compile(scope["step"]), scope["w"]
    compiled(ag.ones((2, 2)))
    if assigned:
        w.data = w.data * 0.5
    before = w.tolist()
    with pytest.raises(TraceError, match=r"x \(2, 2\) share memory, and the compiled step updates w"):
        compiled(w.detach())
    assert w.tolist() == before


@pytest.mark.parametrize(
    ("body", "moved"),
    [
        ("w.data[...] = w.data * 2; s.data = s.data + 1", "s.data = w.data[:]"),
        ("w.data[...] = w.data * 2; (s * s).sum().backward()", "s.grad = w.detach()"),
    ],
)
@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=needs_compiler)])
def test_an_array_put_into_the_memory_of_a_state_between_two_calls_is_refused(body, moved, target):
    """Where it is that of a state that is replaced, or a gradient to which the function adds."""
    scope: dict[str, Any] = {"w": ag.Tensor(np.ones(3), name="w"), "s": ag.Tensor(np.ones(3), requires_grad=True)}
    exec(f"def step(): {body}", scope)
    scope["s"].grad = ag.zeros(3)
    scope["s"].requires_grad = "backward" in body
    compiled = ag.compile(scope["step"], target=target)
    compiled()
    exec(moved, scope)
    before = scope["w"].tolist()
    with pytest.raises(TraceError, match=r"share memory, and the compiled step updates w"):
        compiled()
    assert scope["w"].tolist() == before
