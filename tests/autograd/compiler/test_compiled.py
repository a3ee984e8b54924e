"""The compiled function as one uses it: results, states, other arrays, errors, threads, copies, memory."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError, DTypeError, GradientError, IndexingError, ShapeError, TraceError
from tests.autograd.compiler.oracle import agree, check, flat, follows, parameter, traces
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.autograd.compiler.test_training import OPTIMIZERS, batches, kept, mlp, step_of
from tests.measured import in_threads, memory_below
from tests.training import updating


def trained(optimizer: str = "Adam") -> Any:
    """A model, its optimizer and its compiled step, after one step."""
    model = mlp().to("float64")
    made = OPTIMIZERS[optimizer](model.parameters())
    step = ag.compile(step_of(model, made))
    step(*batches(1)[0])
    return model, made, step


# ------------------------------------------------------------------------------------------------------------ results


def test_results_keep_their_form() -> None:
    def f(x: ag.Tensor, options: dict[str, Any]) -> Any:
        return {"a": [x, (x + 1, x.data * 2)], "b": None, "c": options["n"], "d": options["t"] * 3, "e": ()}

    x, options = ag.Tensor([1.0]), {"n": 3, "t": ag.Tensor([2.0])}
    found = ag.compile(f)(x, options)
    assert repr(found) == repr(f(x, options))
    assert isinstance(found["a"][1][1], np.ndarray)


def test_results_are_copies() -> None:
    """Of inputs, of views of them, of states, of constants, and of each other; row-major."""
    w = parameter()
    constant = np.arange(3.0)

    def f(x: ag.Tensor) -> Any:
        y = x * 2
        before = w.detach()
        w.data = w.data + 1.0
        return [
            x, x.T, x[0], x[:, 1:], x.reshape((3, 2)), ag.broadcast_to(x, (2, 2, 3)), y, y, y.T, y[0, 0], before,
            before[1:],
            w.detach(), w.detach()[0], ag.asarray(constant), ag.flip(x), x.data, ag.ones(3), 2.5 * ag.ones(()),
            (inverse := ag.linalg.inv(x @ x.T + ag.eye(2))), inverse * 1.0,
        ]  # fmt: skip

    x = ag.Tensor(np.arange(6.0).reshape(2, 3))
    start = w.data.copy()
    expected = [np.array(a) for a in flat(f(x))]
    w.data = start.copy()
    compiled = ag.compile(f)
    first = compiled(x)
    agree(first, expected, "first call")
    mine = [x.data, w.data, constant]
    for array in flat(first):
        if isinstance(array, np.ndarray):
            assert array.flags.writeable
            assert array.flags.c_contiguous
            assert not any(np.may_share_memory(array, other) for other in mine)
            array += 100.0
            mine.append(array)
    np.testing.assert_array_equal(x.data, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(constant, np.arange(3.0))
    np.testing.assert_array_equal(w.data, start + 1.0)
    again = flat(compiled(x))
    for i, (array, before) in enumerate(zip(again, expected, strict=True)):
        moved = 1.0 if i in range(10, 14) else 0.0  # what is read of the state
        np.testing.assert_array_equal(array, before + moved)


def test_results_are_not_part_of_a_graph() -> None:
    w = parameter()
    y = ag.compile(lambda x: x * w)(ag.ones(3))
    assert y.requires_grad
    with pytest.raises(
        GradientError, match=r"computed by a compiled function.*compile the whole step, backward included"
    ):
        y.sum().backward()
    with pytest.raises(GradientError, match="computed by a compiled function"):
        ag.gradients(y.sum(), w)
    with ag.no_grad():
        assert not ag.compile(lambda x: x * w)(ag.ones(3)).requires_grad


def test_the_mode_is_part_of_the_form() -> None:
    w = parameter()
    compiled = ag.compile(lambda x: (x * w).requires_grad * x)
    assert compiled(ag.ones(3)).tolist() == [1.0, 1.0, 1.0]
    with ag.no_grad():
        assert compiled(ag.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert compiled(ag.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_anomalies_are_detected_by_the_function_itself() -> None:
    compiled = ag.compile(ag.log)
    x = ag.Tensor([-1.0])
    with np.errstate(all="ignore"):
        assert np.isnan(compiled(x).item())
        with ag.detect_anomaly(), pytest.raises(ag.errors.AnomalyError):
            compiled(x)


# ------------------------------------------------------------------------------------------------------------- states


def test_a_state_takes_an_input_and_gives_its_value() -> None:
    memory = ag.zeros(3)

    def delay(x: ag.Tensor) -> ag.Tensor:
        before = memory + 0.0
        memory.data = x.data
        return before

    compiled = ag.compile(delay)
    inputs = [ag.Tensor([float(i)] * 3) for i in range(4)]
    assert [compiled(x)[0].item() for x in inputs] == [0.0, 0.0, 1.0, 2.0]
    assert memory.data is not inputs[-1].data
    inputs[-1].data[:] = 50.0
    assert memory.tolist() == [3.0] * 3


def test_a_state_of_shape_zero_and_an_empty_one() -> None:
    count, nothing = ag.Tensor(0, name="count"), ag.zeros((0, 3))

    def f(x: ag.Tensor) -> ag.Tensor:
        count.data = count.data + 1
        nothing.data = nothing.data * 2
        return x * count

    compiled = ag.compile(f)
    assert [compiled(ag.ones(())).item() for _ in range(3)] == [1.0, 2.0, 3.0]
    assert count.item() == 3
    assert count.dtype == ag.int64
    assert int(count) + 1 == 4


def test_an_argument_that_is_a_state() -> None:
    """Its array, or a view, is the value at the call, as in eager mode. The Tensor itself would change meanwhile."""
    w, v = ag.Tensor([1.0, 2.0, 3.0]), ag.Tensor([10.0, 20.0, 30.0])

    def f(x: ag.Tensor) -> Any:
        first = ag.sum(x)
        w.data = w.data * 2.0
        v.data = v.data + 1.0
        return first, x * w, ag.exp(x) * 0.0 + x

    compiled = ag.compile(f)
    compiled(ag.ones(3))
    for state in (w, v):
        with pytest.raises(TraceError, match="which it also captures"):
            compiled(state)
    for argument in (w.detach(), w.data, w[::-1], v.data[:]):
        before = np.array(argument if isinstance(argument, np.ndarray) else argument.data)
        doubled = w.data * 2.0
        first, product, same = compiled(argument)
        np.testing.assert_allclose(first.data, before.sum())
        np.testing.assert_allclose(product.data, before * doubled)
        np.testing.assert_allclose(same.data, before)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": np.copy,
    "columns": np.asfortranarray,
    "permuted": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    "apart": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backward": lambda a: a[::-1],
    "window": lambda a: np.pad(a, 1)[tuple(slice(1, -1) for _ in a.shape)],
    "buffer": lambda a: np.frombuffer(bytearray(a.tobytes())).reshape(a.shape),
}
"""Arrays of the same values in other memory orders."""


@pytest.mark.parametrize(
    ("shape", "target"),
    [*(((3,), "numpy"), ((2, 3), "numpy"), ((2, 3, 2), "numpy")), pytest.param((2, 3, 2), "c", marks=needs_compiler)],
    ids=str,
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_state_that_is_written_to_stays_in_its_array(layout: str, shape: tuple[int, ...], target: str) -> None:
    """So references to the array follow, and its flat form is a view or a copy as in eager mode."""

    def values(wrap: Callable[..., Any]) -> list[Any]:
        rng = np.random.default_rng(0)
        w, v = (ag.Tensor(rng.normal(size=shape), requires_grad=True, name=name) for name in "wv")
        x = ag.Tensor(rng.normal(size=(4, shape[-1])))

        def step() -> Any:
            loss = ag.tanh(x @ (w.mT if len(shape) > 1 else w)).sum() + (w * v).sum()
            gradients = ag.gradients(loss, [w, v])
            for p, g in zip((w, v), gradients, strict=True):
                p.data -= 0.1 * g.data
            return loss.detach()

        run, found = wrap(step), []
        for given in (layout, layout, "rows", layout, "columns"):
            w.data = LAYOUTS[given](rng.normal(size=shape))
            kept = w.data
            for _ in range(2):
                found.append(run())
                flat = w.data.reshape(-1)
                flat *= 0.5
            found += [w.data.copy(), v.data.copy(), kept.copy()]
        return found

    follows(values, target, rtol=1e-12)


@pytest.mark.parametrize("when", ["before", "between", "new"])
def test_states_that_share_memory_are_reported(when: str) -> None:
    """Eagerly an update in place changes both, and one by value parts them."""
    w, v, both = parameter(), parameter(), ag.Tensor(np.arange(6.0), name="both")

    def move() -> None:
        memory = np.zeros(6) if when == "new" else both.data
        w.data, v.data = memory[:3], memory[when == "new" :][:3]

    def step() -> ag.Tensor:
        total = (both * both).sum() + v.sum()
        w.data = w.data * 2.0
        return total

    compiled = ag.compile(step)
    if when != "before":
        compiled()
    move()
    values = both.tolist(), w.tolist(), v.tolist()
    with pytest.raises(TraceError, match=r"share memory, and the compiled step updates w.*clone"):
        compiled()
    assert values == (both.tolist(), w.tolist(), v.tolist())
    w.data, v.data = w.data.copy(), v.data.copy()
    agree(compiled(), (both * both).sum() + v.sum(), "parted")


def test_states_whose_elements_lie_between_each_other_are_refused() -> None:
    memory, w, v = np.ones(8), ag.ones(1), ag.ones(1)
    w.data, v.data = memory[::2], memory[1::2]

    def step() -> None:
        w.data *= v.data.sum()

    with pytest.raises(TraceError, match="share memory"):
        ag.compile(step)()


def test_an_older_graph_notices_an_update_by_the_first_call() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    step = ag.compile(updating(nn.optim.SGD([w], lr=0.1), lambda x: ag.sum(w * w * x)))
    for _ in range(2):
        older = ag.sum(w * w)
        step(ag.Tensor([1.0, 2.0]))
        with pytest.raises(GradientError, match=r"'w' .* was changed after multiply had used it"):
            older.backward()


# ------------------------------------------------------------------------------------------------------------- errors


@contextmanager
def unchanged(*states: Any) -> Iterator[None]:
    """What raises within it leaves every bit of the states."""
    bits = [np.array(s).tobytes() for s in states]
    yield
    assert [np.array(s).tobytes() for s in states] == bits


BAD: dict[str, tuple[type[Exception], str, Callable[[Any, Any], tuple[Any, Any]]]] = {
    "a label too large": (DomainError, "the label 3", lambda x, y: (x, ag.Tensor([0, 1, 2, 3, 0, 1, 2, 0]))),
    "a label below 0": (DomainError, "the label -1", lambda x, y: (x, ag.Tensor([0, 1, 2, -1, 0, 1, 2, 0]))),
    "too few labels": (ShapeError, "cross_entropy", lambda x, y: (x, y[:3])),
    "features": (ShapeError, "linear can't take", lambda x, y: (x[:, :4], y)),
    "no matrix": (ShapeError, "linear can't take", lambda x, y: (x[0, 0], y)),
    "labels that are not integers": (DTypeError, "labels of dtype float64", lambda x, y: (x, y.astype("float64"))),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_the_first_write(name: str) -> None:
    kind, words, spoilt = BAD[name]
    model, optimizer, step = trained()
    x, y = batches(1)[0]
    with unchanged(*kept(model, optimizer)), pytest.raises(kind, match=words):
        step(*spoilt(x, y))
    assert all(p.grad is None for p in model.parameters())
    step(x, y)


def test_an_operation_that_raises_leaves_no_half_updated_state() -> None:
    """Fallbacks run before the first update, those that only results need as well."""
    a, b = parameter([1.0, 2.0], "a"), parameter([1.0, 2.0], "b")
    matrix = ag.Tensor(np.eye(2))

    def f(x: ag.Tensor) -> Any:
        a.data = (a * 2.0).data
        inverse = ag.linalg.inv(x)
        b.data = (b + inverse[0]).data
        a.data = (a + 1.0).data
        return ag.linalg.cholesky(x)

    compiled = ag.compile(f)
    compiled(matrix)
    with unchanged(a.data, b.data), pytest.raises(Exception, match=r"[Ss]ingular|positive definite"):
        compiled(ag.zeros((2, 2)))
    with unchanged(a.data, b.data), pytest.raises(Exception, match=r"[Pp]ositive"):
        compiled(ag.Tensor([[0.0, 1.0], [1.0, 0.0]]))
    compiled(matrix)
    assert a.tolist() == [7.0, 11.0]


@pytest.mark.parametrize(
    ("f", "arguments", "kind", "said"),
    [
        (
            lambda x, i: x[i],
            (ag.ones((4, 3)), ag.Tensor([4])),
            IndexingError,
            r"x\[y\] from x \(4, 3\).*index 4 is out",
        ),
        (lambda x, y: ag.linalg.inv(x), (ag.zeros((2, 2)), 1.0), DomainError, r"linalg.inv\(x\) from .*Singular"),
        (lambda x, y: x**y, (ag.Tensor([2]), ag.Tensor([-1])), DomainError, r"x \*\* y from x \(1,\) int64.*negative"),
    ],
    ids=["index", "singular", "power"],
)
def test_numpys_errors_are_translated(f: Any, arguments: Any, kind: Any, said: str) -> None:
    count = parameter([0.0, 0.0], "count")

    def step(x: Any, y: Any) -> Any:
        count.data = count.data + 1.0
        return f(x, y)

    with unchanged(count.data), pytest.raises(kind, match=f"^the compiled step can't compute .* = {said}"):
        ag.compile(step)(*arguments)


def test_an_operation_of_ones_own_that_branches_runs_as_a_whole() -> None:
    @ag.op("checked")
    def checked(xp: Any, x: Any) -> Any:
        if float(x.min()) < 0:
            raise ValueError("a negative element")
        return x * 1

    checked.vjp(x=lambda g: g)
    w = parameter()

    def step(x: ag.Tensor) -> ag.Tensor:
        (slope,) = ag.gradients([(checked(x) * w).sum()], [w])
        w.data = (w - slope).data
        return checked(x)

    compiled = ag.compile(step)
    assert compiled(ag.ones(3)).tolist() == [1.0, 1.0, 1.0]
    assert w.tolist() == [0.0, 1.0, 2.0]
    assert [i.op for i in compiled.programs[0].instructions].count("op") == 2
    with unchanged(w.data), pytest.raises(ValueError, match="a negative element"):
        compiled(ag.Tensor([1.0, -1.0, 1.0]))


def test_floating_point_errors_are_numpys() -> None:
    compiled = ag.compile(lambda x: 1.0 / x)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        compiled(ag.zeros(3))
    with np.errstate(all="ignore"):
        assert np.isinf(compiled(ag.zeros(3)).data).all()


def test_the_oldest_program_is_evicted_and_many_traces_give_a_warning() -> None:
    compiled = ag.compile(lambda x, name: x * int(name))
    x = ag.ones(3)
    for n in range(63):
        compiled(x, f"{n}")
    with pytest.warns(UserWarning, match=r"traced 64 times, now because of another form.*numbers as Tensors") as seen:
        compiled(x, "63")
    assert compiled(x, "64").tolist() == [64.0] * 3
    assert [warning.filename for warning in seen] == [__file__]
    assert len(compiled.programs) == 64
    with traces() as count:
        assert [compiled(x, f"{n}").tolist()[0] for n in (1, 2, 64, 0, 100)] == [1.0, 2.0, 64.0, 0.0, 100.0]
    assert count() == 2


def test_a_tensor_whose_array_is_exchanged_needs_no_new_program() -> None:
    t = parameter()
    compiled = ag.compile(lambda x: (x * t).sum() + t[0] + t.reshape(3, 1)[1])
    compiled(ag.ones(3))
    ((executable,),) = compiled._executables.values()
    with traces() as count:
        for i in range(5):
            t.data = np.arange(3.0) + i
            expected = compiled.function(ag.ones(3))
            np.testing.assert_allclose(compiled(ag.ones(3)).data, expected.data)
            t.data += 1.0  # in place, which is seen
            np.testing.assert_allclose(compiled(ag.ones(3)).data, compiled.function(ag.ones(3)).data)
    assert count() == 0
    assert [*compiled._executables.values()] == [[executable]]


# ---------------------------------------------------------------------------------------------------- several functions


def test_a_compiled_function_within_another() -> None:
    inner = ag.compile(lambda x, n: x * n)
    outer = ag.compile(lambda x: inner(x, 2.0) + inner(x, 3.0))
    assert outer(ag.ones(3)).tolist() == [5.0, 5.0, 5.0]
    assert inner.programs == []
    assert ag.compile(outer) is outer
    check(lambda x: ag.gradients(outer(x).sum(), x), ag.Tensor([1.0], requires_grad=True))


def test_a_method_and_its_name() -> None:
    class Slotted:
        """There are no weak references to its objects."""

        __slots__ = ("by",)

        def __init__(self, by: float) -> None:
            self.by = ag.Tensor(by)

        @ag.compile
        def scale(self, x: ag.Tensor) -> ag.Tensor:
            """By a number."""
            return x * self.by

    class Scaled(Slotted):
        pass

    one, other = Scaled(2.0), Scaled(3.0)
    assert [s.scale(ag.ones(())).item() for s in (one, other, one, Slotted(2.0))] == [2.0, 3.0, 2.0, 2.0]
    assert Scaled.scale.__doc__ == "By a number."
    assert Scaled.scale.__name__ == "scale"
    assert repr(one.scale).endswith("Slotted.scale, 1 program>")
    assert str(one.scale.programs[0]).startswith("scale(x ()):")
    assert one.scale.source.startswith("def scale(x):")
    assert Scaled.scale(one, ag.ones(())).item() == 2.0


def _scaled_by(factor: float) -> Any:
    def scaled(self: Any, x: ag.Tensor) -> ag.Tensor:
        return x * factor

    return scaled


class Scales:
    """Compiled methods whose functions have one name."""

    _twice = _scaled_by(2.0)
    twice, native, thrice = ag.compile(_twice), ag.compile(_twice, target="auto"), ag.compile(_scaled_by(3.0))


def test_compiled_methods_of_one_name_are_different_methods() -> None:
    """What a factory makes, lambdas, and a function that is compiled twice; also in a pickled copy of the object."""
    scales = Scales()
    for each in (scales, copy.copy(scales), copy.deepcopy(scales), pickle.loads(pickle.dumps(scales))):
        assert [f(ag.ones(())).item() for f in (each.twice, each.thrice, each.twice)] == [2.0, 3.0, 2.0]
        assert (each.twice.target, each.native.target) == ("numpy", "auto")


def test_a_compiled_method_is_freed_with_its_object() -> None:
    """Any number of objects, one after the other or at once; a method keeps its object, and is copied with it."""

    class Trainer:
        def __init__(self, seed: int) -> None:
            self.model = nn.Linear(3, 1, seed=seed)
            self.own = self.step

        def __eq__(self, other: Any) -> bool:
            return isinstance(other, Trainer)

        __hash__ = None  # type: ignore[assignment]

        @ag.compile
        def step(self, x: ag.Tensor) -> ag.Tensor:
            return self.model(x).sum()  # type: ignore[no-any-return]

    x = ag.ones((2, 3), dtype="float32")
    with ag.no_grad():
        for seed in range(70):
            trainer = Trainer(seed)
            agree(trainer.step(x), trainer.model(x).sum(), f"{seed}")
        duplicate = copy.deepcopy(trainer)
        duplicate.model.weight.data = duplicate.model.weight.data * 2.0
        agree(duplicate.own(x), duplicate.model(x).sum(), "a copy")
        step, weight = Trainer(0).step, weakref.ref(trainer.model.weight)
        agree(step(x), nn.Linear(3, 1, seed=0)(x).sum(), "a method whose object only it keeps")
    del trainer
    gc.collect()
    assert weight() is None


def test_a_module_is_a_function() -> None:
    class Net(nn.Module):
        """Two layers, one of an awkward name."""

        def __init__(self) -> None:
            self.function, self._lock = nn.Linear(2, 3, seed=0), nn.Tanh()

        def forward(self, x: Any) -> Any:
            return self._lock(self.function(x))

    net, x = Net(), ag.ones((4, 2), dtype="float32")
    compiled = ag.compile(net)
    agree(compiled(x), net(x), "a module")
    assert compiled.function is net
    assert compiled.__doc__ == Net.__doc__


def test_source_before_the_first_call() -> None:
    compiled = ag.compile(lambda x: x)
    with pytest.raises(ag.errors.TraceError, match="has no source yet: call it once"):
        _ = compiled.source
    compiled(ag.ones(1))
    assert compiled.source.startswith("def _lambda(x):")


def test_threads_that_call_one_function() -> None:
    """Every call is one step: none is lost, and none sees half of another's."""
    w, v = ag.Tensor(np.zeros(2000), name="w"), ag.Tensor(np.zeros(2000), name="v")

    def f(x: ag.Tensor) -> Any:
        w.data = (w + x).data
        v.data = (v - x).data
        return (w + v).sum(), w[:2] + 0.0

    compiled, seen = ag.compile(f), []

    def work() -> None:
        for _ in range(100):
            total, some = compiled(ag.ones(2000))
            assert total.item() == 0.0
            seen.append(tuple(some.tolist()))

    in_threads(*[work] * 4)
    assert (w.data == 400.0).all()
    assert sorted(seen) == [(float(i), float(i)) for i in range(1, 401)]


def test_threads_that_compile_and_threads_that_do_not() -> None:
    """A trace in one thread is none in another."""

    def compiling() -> None:
        for i in range(20):
            step = trained("SGD")[2]
            step(*batches(1, seed=i)[0])

    def plain() -> None:
        w = parameter()
        for _ in range(300):
            (w * w).sum().backward()
            assert w.grad is not None
            assert w.grad.tolist() == [2.0, 4.0, 6.0]
            w.grad = None

    in_threads(compiling, plain, compiling, plain)
    assert type(ag.Tensor.__dict__["_data"]).__name__ == "member_descriptor"  # nobody watches any more


# ----------------------------------------------------------------------------------------------------- copies and files


def test_a_model_is_copied_and_pickled_after_compiling() -> None:
    model, optimizer, step = trained()
    for copied in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        duplicate = copied(model)
        before = [np.array(p.data) for p in duplicate.parameters()]
        for mine, theirs in zip(model.parameters(), duplicate.parameters(), strict=True):
            assert not np.may_share_memory(mine.data, theirs.data)
            assert len(pickle.dumps(theirs.data)) < 2 * theirs.data.nbytes + 500
            np.testing.assert_array_equal(mine.data, theirs.data)
        step(*batches(1)[0])
        for p, array in zip(duplicate.parameters(), before, strict=True):
            np.testing.assert_array_equal(p.data, array)
    pair = copy.deepcopy((model, optimizer))
    pair[1].zero_grad()
    one, other = step(*batches(1)[0]), step_of(*pair)(*batches(1)[0])
    np.testing.assert_allclose(one.data, other.data, rtol=1e-10)


def test_a_pickled_counter_counts_for_itself() -> None:
    """Parameters share a count, and a pickle keeps it so, also where they are to part. Programs share it, too."""
    model, optimizer, _ = trained()
    pairs = [pickle.loads(pickle.dumps((model, optimizer))) for _ in range(2)]
    eager, compiled = step_of(*pairs[0]), ag.compile(step_of(*pairs[1]))
    for i, (x, y) in enumerate(batches(6)):
        for copied, _ in pairs:
            next(copied.parameters()).requires_grad = i not in (1, 2)
        batch = (x, y) if i % 2 else (x[:4], y[:4])
        agree(compiled(*batch), eager(*batch), f"step {i}")
    agree(kept(*pairs[1]), kept(*pairs[0]), "states")


def test_a_copy_of_a_module_is_compiled_too() -> None:
    model = mlp()
    model.fast, model.whole = ag.compile(model.forward), ag.compile(mlp())
    x = batches(1, "float32")[0][0]
    model.fast(x)
    for duplicate in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        for p in duplicate.parameters():
            p.data = p.data * 0.5
        agree(duplicate.fast(x), duplicate(x), "a method")
        assert duplicate.whole.function is not model.whole.function


def scaled(x: ag.Tensor) -> ag.Tensor:
    return x * 2.0


def test_the_compiled_function_is_copied_and_pickled() -> None:
    compiled = ag.compile(scaled)
    compiled(ag.ones(2))
    for duplicate in (copy.deepcopy(compiled), copy.copy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert duplicate is not compiled
        assert duplicate.programs == []
        assert duplicate(ag.ones(2)).tolist() == [2.0, 2.0]


# ------------------------------------------------------------------------------------------------------------- memory


def test_no_large_array_is_allocated_at_a_call() -> None:
    """Neither layers nor losses nor the update make arrays: what is there is used again."""
    layers = nn.Linear(64, 64, seed=0), nn.Tanh(), nn.LayerNorm(64), nn.Dropout(0.1, seed=0), nn.Linear(64, 32, seed=1)
    model = nn.Sequential(*layers)
    step = ag.compile(step_of(model, nn.optim.Adam(model.parameters(), lr=0.01)))
    batch = ag.Tensor(np.ones((2048, 64)), dtype="float32"), ag.Tensor(np.arange(2048) % 32)
    for _ in range(3):
        step(*batch)
    with memory_below(70_000):  # the smallest activation has 262 kB; NumPy casts in pieces of 64 kB
        for _ in range(3):
            step(*batch)


def test_memory_is_flat_over_many_calls() -> None:
    w = parameter()
    step = ag.compile(updating(nn.optim.SGD([w], lr=0.01), lambda x: ((w - x) ** 2).sum()))
    x = ag.ones(3)
    for _ in range(100):
        step(x)
    with memory_below(20_000):  # a number of Python's that each call left behind would take 96,000
        for _ in range(4000):
            step(x)


@pytest.mark.usefixtures("no_collector")
def test_dropped_programs_are_freed() -> None:
    """Programs, buffers, states, the model: at once, without the garbage collector."""
    model, optimizer, step = trained()
    executable = next(iter(step._executables.values()))[0]
    gone = [weakref.ref(x) for x in (executable, executable.plan, step, model, next(model.parameters()))]
    arrays = [weakref.ref(a) for a in (*executable.plan.blocks.values(), *executable.homes.values())]
    del executable, step, model, optimizer
    assert [ref() for ref in (*gone, *arrays)] == [None] * (len(gone) + len(arrays))


def test_a_function_of_a_dropped_model_is_traced_for_the_next() -> None:
    """Guards and states hold what they are about, so that no id is met again."""
    f = ag.compile(lambda model, x: model(x))
    for seed in range(5):
        model = nn.Linear(2, 1, seed=seed)
        x = ag.Tensor([[1.0, 2.0]], dtype="float32")
        np.testing.assert_allclose(f(model, x).data, model(x).data, rtol=1e-6)


def test_a_number_that_a_program_updates_has_second_derivatives():
    w = ag.Tensor(2.0, requires_grad=True)

    @ag.compile
    def step(x):
        loss = ag.sum(w * w * x)
        loss.backward()
        with ag.no_grad():
            w.data = w.data - 0.25 * w.grad.data
        w.zero_grad()
        return loss

    for _ in range(3):
        step(ag.Tensor([1.0]))
    slope = ag.gradients(w**3, w, create_graph=True)  # the program keeps w as an array of shape ()
    assert ag.gradients(slope, w).item() == 6 * w.item() == 1.5
