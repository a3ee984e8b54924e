"""The emitted source as something that one reads: what it says of arrays is true, and no line reads what none wrote."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes.optimize import optimize
from glassgrad.autograd.compiler.targets.emit import Emitter, has_kernel
from glassgrad.autograd.compiler.targets.plan import Plan
from glassgrad.nn import functional as F
from tests.autograd.compiler.test_training import step_of


def a_step(model: nn.Module, rule: str, loss_of: Callable[..., Any], *batch: Any) -> Program:
    return ag.trace(step_of(model, getattr(nn.optim, rule)(model.parameters(), lr=0.01), loss_of), *batch)


def ones(*shape: int) -> Any:
    return ag.ones(shape, dtype="float32")


def mlp() -> Program:
    return a_step(nn.MLP([2, 3, 1], seed=0), "Adam", F.mse_loss, ones(4, 2), ones(4, 1))


def normed() -> Program:
    model = nn.MLP([4, 6, 6, 3], "relu", norm="layer", dropout=0.5, seed=0)
    return a_step(model, "SGD", F.cross_entropy, ones(4, 4), ag.asarray(np.array([0, 1, 2, 0])))


def recurrent() -> Program:
    draw = np.random.default_rng(0)
    w, u, b = (
        ag.Tensor(draw.standard_normal(shape).astype("f4"), requires_grad=True, name=name)
        for name, shape in (("w", (3, 4)), ("u", (4, 4)), ("b", (4,)))
    )
    optimizer = nn.optim.SGD([w, u, b], lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        h = ag.zeros((5, 4), dtype="float32")
        for t in range(3):
            h = ag.tanh(x[t] @ w + h @ u + b)
        loss = F.mse_loss(h, y)
        loss.backward()
        optimizer.step()
        return loss

    return ag.trace(step, ones(3, 5, 3), ones(5, 4))


def product() -> Program:
    points = ones(5, 3)

    def loss(w: Any) -> Any:
        h = ag.tanh(points @ w)
        return (h * h).sum()

    return ag.trace(lambda w, v: ag.hvp(loss, (w,), (v,)), ones(3, 2), ones(3, 2))


def pooled() -> Program:
    def f(x: Any, k: Any) -> Any:
        windows = ag.stack([x[:, i : i + 16, j : j + 16] for i in range(3) for j in range(3)], axis=3)
        z = ag.relu(ag.reshape(windows, (8, 16, 16, 9)) @ k)
        first = ag.reshape(ag.permute_dims(z, (0, 3, 1, 2)), (8, 4, 8, 2, 8, 2))
        return ag.sum(ag.max(first, axis=(3, 5))) + ag.sum(ag.mean(z, axis=(1, 2)) ** 2)

    return ag.trace(ag.grad(f, (0, 1)), ones(8, 18, 18), ones(9, 4))


PROGRAMS = {f.__name__: f for f in (mlp, normed, recurrent, product, pooled)}


def emitted(program: Program) -> tuple[str, dict[str, Any]]:
    """The source, and the arrays and functions in it by name."""
    better = optimize(program)
    emitter = Emitter(Plan(better, {state: np.array(state.origin.data) for state in better.states}, has_kernel))
    source = emitter.source()
    exec(source, emitter.scope)
    return source, emitter.scope


def written_by(call: ast.Call) -> ast.expr:
    """The argument that a call of the source writes to."""
    if named := [k.value for k in call.keywords if k.arg == "out"]:
        return named[0]
    function = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id  # type: ignore[attr-defined]
    place = {"dot": 1, "take": 2, "copyto": 0}.get(function, 3 if function.endswith("_reduce") else -1)
    return call.args[place]


def statements(source: str) -> list[tuple[ast.stmt, str]]:
    """The statements of the function, each with its comment."""
    lines = source.splitlines()
    function = ast.parse(source).body[-1]
    assert isinstance(function, ast.FunctionDef)
    return [(s, lines[s.end_lineno - 1].partition("  # ")[2]) for s in function.body]  # type: ignore[operator]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_shape_in_a_comment_is_the_shape_that_is_written(name: str) -> None:
    source, scope = emitted(PROGRAMS[name]())
    seen = 0
    for statement, comment in statements(source):
        shape = re.match(r"\((\d+(, \d+)*,?)?\)", comment)
        if shape and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            target = written_by(statement.value)
            if isinstance(target, ast.Name):
                assert scope[target.id].shape == ast.literal_eval(shape.group()), ast.unparse(statement)
                seen += 1
    assert seen > 4


def test_each_block_says_the_users_line_once() -> None:
    source, _ = emitted(recurrent())
    heads = [line.strip() for line in source.splitlines() if re.match(r"    # .*, test_emit.py:\d+$", line)]
    assert len(heads) == len(set(heads))
    texts = [re.sub(r", test_emit.py:\d+$", "", head) for head in heads]
    assert texts == [
        "# h = ag.tanh(x[t] @ w + h @ u + b)",
        "# loss = F.mse_loss(h, y)",
        "# gradient of loss = F.mse_loss(h, y)",
        "# gradient of h = ag.tanh(x[t] @ w + h @ u + b)",
        "# optimizer.step()",
    ]


def test_a_second_derivative_is_labelled_in_the_source() -> None:
    source, _ = emitted(product())
    assert "# gradient of the gradient of h = ag.tanh(points @ w), test_emit.py" in source
    assert "# gradient of (h * h).sum(), test_emit.py" in source


def test_basic_indices_are_literal() -> None:
    source, _ = emitted(recurrent())
    assert re.search(r"x_1 = x\[1\] +# \(5, 3\)", source)
    assert "_by(" not in source
    program = ag.trace(lambda x: (x[1:3, ..., None, -1] + 1.0, x[::2], x[0, 0]), ones(4, 5, 6))
    text = emitted(program)[0]
    assert "x[1:3, ..., None, -1]" in text
    assert "x[::2]" in text


def test_packed_states_are_listed_with_their_places() -> None:
    source, _ = emitted(mlp())
    assert "layers_0_weight = parameters[0:6].reshape((3, 2))" in source
    assert "layers_2_bias = parameters[12:13]" in source
    assert "layers_2_bias_exp_avg = all_exp_avg[12:13]" in source


# ------------------------------------------------------------------------------------------ what is fastest where


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_bitwise_where_ignores_values_that_are_not_chosen(dtype: str) -> None:
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3.0] if dtype[0] == "f" else [0, -1, 5]
    draw = np.random.default_rng(0)
    x, y = (ag.asarray(draw.choice(special, 2000).astype(dtype)) for _ in range(2))
    mask = ag.asarray(draw.random(2000) < 0.5)

    def f(mask: Any, x: Any, y: Any) -> Any:
        x, y = ag.maximum(x, x), ag.maximum(y, y)  # the same bits, in buffers
        return ag.where(mask & mask, x, y), ag.where(mask & mask, x, 0), ag.where(mask & mask, 0, y)

    compiled = ag.compile(f)
    for one, other in zip(f(mask, x, y), compiled(mask, x, y), strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert "_bits" in compiled.source or dtype[0] == "i"


def test_a_users_line_never_becomes_code() -> None:
    program = ag.trace(lambda x: ag.tanh(x) + 1.0, ones(3))
    for i in program.instructions:
        assert i.origin is not None
        i.origin = type(i.origin)("a.py:1\nraise SystemExit", "y = 1\rraise SystemExit", "", 0)
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(program.source)))


def test_labels_that_the_function_computes_are_checked_in_their_own_memory() -> None:
    compiled = ag.compile(lambda z, labels: F.cross_entropy(z, labels + 1))
    z, labels = ones(2, 3), ag.Tensor([-1, 1])
    assert compiled(z, labels).item() == pytest.approx(np.log(3))
    for wrong in ([0, 2], [0, -2]):
        with pytest.raises(ag.errors.DomainError, match=f"the label {wrong[1] + 1}"):
            compiled(z, ag.Tensor(wrong))


def test_what_is_broadcast_is_copied_into_the_result_first() -> None:
    source, _ = emitted(mlp())
    assert "layers_0_T[...] = layers_0_bias_T" in source
    w, b = ag.Tensor(np.ones((4, 3)), requires_grad=True, name="w"), ag.ones((3,))

    def step(x: Any) -> None:
        w.data -= x
        w.data += b

    source, _ = emitted(ag.trace(step, ag.ones((4, 3))))
    assert "add(w_minus_x, b, w)" in source or "add(w, b, w)" in source  # not where the result lies in a state


def test_an_array_of_few_columns_lies_column_by_column_unless_a_call_reads_another_one_with_it() -> None:
    w, b = ag.Tensor(np.ones((3, 2)), name="w"), ag.Tensor(np.arange(3.0), name="b")
    mask = ag.Tensor(np.arange(24.0).reshape(8, 3), name="mask")

    def f(x: Any, masked: bool) -> Any:
        h = ag.tanh(x @ w.T + b)
        return (h * mask if masked else h).sum()

    x = np.random.default_rng(0).standard_normal((8, 2))
    columns, rows = (emitted(ag.trace(f, x, masked).optimized())[0] for masked in (False, True))
    assert "w.dot(x_T, x_at_w_T_T)" in columns
    assert "x.dot(w_T, x_at_w_T)" in rows
    for masked in (False, True):
        np.testing.assert_allclose(ag.compile(f)(ag.Tensor(x), masked).numpy(), f(ag.Tensor(x), masked).numpy())
