"""Compiled functions that run as C: what they return, refuse and leave in their states."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.targets.c import executable
from glassgrad.autograd.compiler.targets.c.executable import AutoExecutable, NativeExecutable, source_of
from glassgrad.autograd.compiler.trace import Trace
from glassgrad.autograd.errors import TargetError
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.autograd.compiler.test_training import step_of

SINGLE = np.dtype("f4")


def trained(target: str, dtype: str = "float32") -> tuple[Any, Any, Any]:
    """A model, its optimizer and its compiled step."""
    model = nn.MLP([4, 8, 3], seed=0).to(dtype)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    return model, optimizer, ag.compile(step_of(model, optimizer), target=target)  # type: ignore[call-overload]


def batch(dtype: str = "float32", count: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return ag.asarray(rng.standard_normal((count, 4)).astype(dtype)), ag.asarray(rng.integers(0, 3, count))


@needs_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_a_step_in_c_trains_as_one_in_numpy(dtype, tolerance):
    x, labels = batch(dtype)
    found = {}
    for target in ("numpy", "c"):
        model, optimizer, step = trained(target, dtype)
        losses = []
        for count in range(12):
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + count)
            losses.append(float(step(x, labels).data))
        found[target] = losses, [p.data.copy() for p in model.parameters()]
    assert isinstance(step._latest(), NativeExecutable)
    np.testing.assert_allclose(found["c"][0], found["numpy"][0], rtol=tolerance)
    for one, other in zip(found["c"][1], found["numpy"][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@needs_compiler
def test_labels_out_of_range_are_refused_before_anything_is_written():
    model, _, step = trained("c")
    x, labels = batch()
    step(x, labels)
    before = [p.data.copy() for p in model.parameters()]
    wrong = ag.asarray(np.full(6, 3))
    with pytest.raises(ValueError, match="3") as found:
        step(x, wrong)
    _, _, numpys = trained("numpy")
    with pytest.raises(type(found.value)) as expected:
        numpys(x, wrong)
    assert str(found.value) == str(expected.value)
    for parameter, kept in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, kept)
    step(x, labels)


@needs_compiler
def test_inputs_may_lie_in_any_way_and_in_a_states_memory():
    w = ag.Tensor(np.arange(6.0).reshape(2, 3), name="w")

    def step(x: Any, scale: Any) -> Any:
        w.data = w.data + x.data
        return (x * scale).sum(), x * scale

    results = {}
    for target in ("numpy", "c"):
        w.data = np.arange(6.0).reshape(2, 3)
        compiled = ag.compile(step, target=target)
        arrays = [np.arange(12.0).reshape(2, 6)[:, ::2], np.ones((3, 2)).T, np.arange(6.0).reshape(2, 3)[::-1]]
        told = [compiled(ag.Tensor(x), np.float64(2.0)) for x in arrays]
        told += [compiled(ag.Tensor(w.data), np.float64(3.0)), compiled(w.detach(), ag.Tensor(0.5, dtype="float64"))]
        results[target] = [np.asarray(x.data) for pair in told for x in pair] + [w.data.copy()]
    for one, other in zip(results["c"], results["numpy"], strict=True):
        np.testing.assert_array_equal(one, other)


DRAWS = [
    ag.random.uniform, ag.random.normal, partial(ag.random.uniform, low=-0.1, high=0.7),
    partial(ag.random.normal, mean=0.3, std=1.7),
]  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_drawn_as_numpy_draws_them(dtype):
    found = {}
    for target in ("numpy", "c"):
        generator = np.random.default_rng(3)

        @ag.compile(target=target)
        def step(x: Any, labels: Any, generator: Any = generator) -> Any:
            kept = nn.functional.dropout(x, 0.4, generator=generator)
            loss = nn.functional.cross_entropy(kept, labels)
            drawn = [f(n, generator=generator, dtype=dtype) for n in ((), (50, 20)) for f in DRAWS]
            return kept, *drawn, loss

        x, labels = ag.ones((4, 3), dtype=dtype), ag.asarray([0, 1, 2, 0])
        told = [step(x, labels) for _ in range(3)]
        with pytest.raises(ValueError, match="3"):
            step(x, ag.asarray([0, 1, 2, 3]))
        told.append(step(x, labels))
        drawn = [part.data for _, *parts, _ in told for part in parts]
        found[target] = [*drawn, generator.random(7)], [part.data for parts in told for part in (parts[0], parts[-1])]
    for one, other in zip(found["c"][0], found["numpy"][0], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(found["c"][1], found["numpy"][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@needs_compiler
def test_another_order_of_bytes_is_refused_with_advice():
    swapped = np.arange(3.0).astype(np.dtype("f8").newbyteorder())
    np.testing.assert_array_equal(ag.compile(lambda x: x * 2)(swapped).data, [0.0, 2.0, 4.0])
    with pytest.raises(TargetError, match="float64 or int64 in this machine's order of bytes"):
        ag.compile(lambda x: x * 2, target="c")(swapped)


@needs_compiler
def test_draws_that_numpy_hides_are_refused(monkeypatch):
    generator = np.random.default_rng(0)
    monkeypatch.setattr("glassgrad.autograd.compiler.targets.c.source.address_of", lambda name: 0)
    step = ag.compile(lambda x: x + ag.random.normal((2,), generator=generator), target="c")
    with pytest.raises(TargetError, match="draws by standard_normal, and this NumPy hides its function"):
        step(ag.ones(2))


@needs_compiler
def test_locks_of_generators_are_taken_in_one_order():
    one, other = np.random.default_rng(0), np.random.default_rng(1)
    again = np.random.Generator(one.bit_generator)

    def locks(*generators: Any) -> list[Any]:
        def draw() -> Any:
            return [ag.random.uniform((2,), generator=generator) for generator in generators]

        trace = Trace(draw, (), {})
        made = source_of(trace.program, {})
        made.text()
        return executable.Table(made, {}).locks

    assert locks(one, other, again) == locks(other, again, one)
    assert len(locks(one, again)) == 1


def test_a_step_that_can_not_be_written_in_c_is_refused_and_auto_runs_it_with_numpy():
    def function(x: Any) -> Any:
        return ag.linalg.inv(ag.eye(2) * x) @ x

    said = "can't be written in C: .*linalg.inv"
    with pytest.raises(TargetError, match=said):
        ag.compile(function, target="c")(ag.ones(2))
    auto = ag.compile(function, target="auto")
    for _ in range(15):
        auto(ag.ones(2))
    with pytest.raises(TargetError, match=said):
        auto.c_source  # noqa: B018
    settle()
    auto(ag.ones(2))
    assert type(auto._latest()) is AutoExecutable


def settle() -> None:
    """Wait for the threads that compile."""
    for thread in threading.enumerate():
        if thread.name.startswith("compile "):
            thread.join(60)


@needs_compiler
def test_auto_switches_to_c_when_it_is_compiled():
    _, _, step = trained("auto")
    x, labels = batch()
    _, _, reference = trained("numpy")
    losses, expected = [], []
    for count in range(30):
        losses.append(float(step(x, labels).data))
        expected.append(float(reference(x, labels).data))
        if count == 0:
            assert type(step._latest()) is AutoExecutable
        if count == 15:
            settle()
    assert isinstance(step._latest(), NativeExecutable)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    step(*batch(count=5))
    assert len(step.programs) == 2


@needs_compiler
def test_the_source_in_c_has_the_users_names_and_shapes():
    _, _, step = trained("numpy")
    step(*batch())
    text = step.c_source
    assert "/* step(x (6, 4), y (6,)) */" in text
    assert "float *layers_0_weight;  /* state layers_0_weight (8, 4) */" in text
    assert "    /* layers_0 (6, 8) = x_at_layers_0_weight_T + layers_0_bias */" in text
    assert "def step(" in step.source
    native = ag.compile(step, target="c")
    native(*batch())
    assert native.source == native.c_source


def test_c_is_refused_where_arrays_are_stored_differently(monkeypatch):
    monkeypatch.setattr(executable, "reads_arrays", lambda: False)
    with pytest.raises(TargetError, match="this Python stores NumPy's arrays differently"):
        ag.compile(lambda x: x + 1, target="c")(ag.ones(2))
