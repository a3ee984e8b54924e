"""Functions as users write them, called several times: compiled they give what they give eagerly, or are refused.

Each scenario is a function of ``wrap``, which is `ag.compile` or leaves a function as it is. It returns all that a user
could see: results, Tensors, and what was changed in Python.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import itertools
import operator
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import trees
from glassgrad.autograd.errors import AutogradError, DTypeError
from tests.autograd.compiler.oracle import agree, parameter
from tests.autograd.compiler.test_training import step_of

Wrap = Callable[[Any], Any]
Scenario = Callable[[Wrap], Any]

FOLLOWED: dict[str, Scenario] = {}
REFUSED: dict[str, tuple[Scenario, str]] = {}


def followed(scenario: Scenario) -> Scenario:
    """The scenario gives the same when it is compiled."""
    FOLLOWED[scenario.__name__] = scenario
    return scenario


def refused(said: str) -> Callable[[Scenario], Scenario]:
    """The scenario is refused by an error of this package that says ``said``, a regular expression."""

    def register(scenario: Scenario) -> Scenario:
        REFUSED[scenario.__name__] = scenario, said
        return scenario

    return register


def xs(count: int = 3, shape: tuple[int, ...] = (3,), dtype: str = "float64") -> list[ag.Tensor]:
    rng = np.random.default_rng(7)
    return [ag.Tensor(rng.standard_normal(shape), dtype=dtype) for _ in range(count)]


def plain(seen: Any) -> Any:
    """What was seen, as arrays and Python's own."""
    leaves, structure = trees.flatten(seen)
    return structure, [np.array(leaf.data) if isinstance(leaf, ag.Tensor) else leaf for leaf in leaves]


def same(found: Any, expected: Any) -> None:
    (form, one), (wanted, other) = found, expected
    assert form == wanted
    for x, y in zip(one, other, strict=True):
        assert type(x) is type(y) or isinstance(x, np.ndarray | np.generic)
        if isinstance(y, np.ndarray | np.generic | float):
            agree(x, y, "seen")
        else:
            assert x == y


@pytest.mark.parametrize("name", FOLLOWED)
def test_followed(name: str) -> None:
    expected = plain(FOLLOWED[name](lambda f: f))
    same(plain(FOLLOWED[name](ag.compile)), expected)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    scenario, said = REFUSED[name]
    scenario(lambda f: f)
    with pytest.raises(AutogradError, match=said):
        scenario(ag.compile)


# ------------------------------------------------------------------------------------------ variables and their changes


@followed
def a_variable_of_the_function_itself(wrap: Wrap) -> Any:
    @wrap
    def f(x: Any) -> Any:
        total = 0.0

        def add(y: Any) -> None:
            nonlocal total
            total = total + y

        for i in range(3):
            add(x * i)
        return total

    return [f(x) for x in xs()]


# ------------------------------------------------------------------------------------------------- lists, dicts, caches


@followed
def a_cache_by_shape(wrap: Wrap) -> Any:
    cache: dict[Any, Any] = {}

    @wrap
    def f(x: Any) -> Any:
        if x.shape not in cache:
            cache[x.shape] = np.arange(x.size, dtype="float64").reshape(x.shape)
        return x * cache[x.shape]

    return [f(x) for x in xs()], [f(x) for x in xs(shape=(2, 2))], [*cache]


@followed
def an_object_that_refers_to_itself(wrap: Wrap) -> Any:
    def doubled(x: Any) -> Any:
        circle: list[Any] = [x]
        circle.append(circle)
        return circle[0] * 2

    f = wrap(doubled)
    return [f(x) for x in xs()]


@refused(r"which .* keeps after the call")
def a_memoized_helper_of_tensors(wrap: Wrap) -> Any:
    @functools.lru_cache
    def doubled(x: Any) -> Any:
        return x * 2

    f = wrap(lambda x: doubled(x))  # noqa: PLW0108
    return [f(x) for x in xs()]


# -------------------------------------------------------------------------------------------------------- plain objects


@followed
def a_flag_that_is_cleared_at_first(wrap: Wrap) -> Any:
    w, state = ag.zeros(3), SimpleNamespace(first=True)

    @wrap
    def f(x: Any) -> Any:
        with ag.no_grad():
            if state.first:
                state.first = False
                w[...] = x
            w[...] = w * 2
        return w * 1

    return [f(x) for x in xs()], state.first


# -------------------------------------------------------------------------------------------------------------- modules


class Remembering(nn.Module):
    def __init__(self) -> None:
        self.h = ag.zeros(3, dtype="float32")
        self.seen: Any = None

    def forward(self, x: Any) -> Any:
        self.seen = x * 2
        return self.seen


@refused(r"replaces .seen of a Remembering by another Tensor")
def a_module_that_keeps_an_activation(wrap: Wrap) -> Any:
    model = Remembering()
    f = wrap(model)
    return [f(x) for x in xs(dtype="float32")]


# ------------------------------------------------------------------------------------------------ arguments and results


class Batch(NamedTuple):
    x: Any
    y: Any
    name: str = "train"


@dataclasses.dataclass(frozen=True)
class Options:
    scale: float = 1.0
    act: str = "tanh"


@dataclasses.dataclass
class State:
    h: Any
    count: int = 0
    history: list[Any] = dataclasses.field(default_factory=list)


@followed
def a_named_tuple_in_and_out(wrap: Wrap) -> Any:
    f = wrap(lambda batch: batch._replace(y=batch.x * batch.y))
    return [f(Batch(x, x + 1, name)) for x, name in zip(xs(), "abc", strict=True)]


@followed
def a_frozen_dataclass_of_options(wrap: Wrap) -> Any:
    f = wrap(lambda x, options: getattr(ag, options.act)(x) * options.scale)
    return [f(x, Options(scale)) for x in xs() for scale in (1.0, 2.0)], f(xs()[0], Options(act="exp"))


@followed
def a_dataclass_of_tensors(wrap: Wrap) -> Any:
    f = wrap(lambda state, x: State(ag.tanh(state.h + x), state.count + 1, [*state.history, x * 2]))
    state = State(ag.zeros(3))
    for x in xs(2):
        state = f(state, x)
    return state


@refused(r"changes state.h, a part of its arguments")
def a_dataclass_that_is_changed(wrap: Wrap) -> Any:
    @wrap
    def f(state: Any, x: Any) -> None:
        state.h = state.h + x

    state = State(ag.zeros(3))
    for x in xs():
        f(state, x)
    return state


@followed
def ordered_dicts(wrap: Wrap) -> Any:
    @wrap
    def f(d: Any) -> Any:
        counts: Any = collections.defaultdict(float)
        for key, value in d.items():
            counts[key[0]] = counts[key[0]] + value
        return collections.OrderedDict(reversed(d.items())), dict(counts)

    return [f(collections.OrderedDict(a1=x, b=x * 2, a2=x * 3)) for x in xs()]


@followed
def a_set_as_result(wrap: Wrap) -> Any:
    f = wrap(lambda x: ({"a", x.ndim}, frozenset((1, 2))))
    return [f(x) for x in xs()]


class Interval:
    def __init__(self, low: Any, high: Any, label: str = "") -> None:
        self.low, self.high, self.label = low, high, label


trees.register(Interval, lambda i: ((i.low, i.high), i.label), lambda label, ends: Interval(*ends, label))


@followed
def a_registered_class(wrap: Wrap) -> Any:
    f = wrap(lambda i, x: Interval(i.low - x, i.high + x, i.label + "!"))
    interval = Interval(ag.zeros(3), ag.ones(3), "unit")
    for x in xs():
        interval = f(interval, x)
    return interval


class Pair:
    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


@refused(r"keeps after the call")
def a_result_of_a_class_that_is_not_registered(wrap: Wrap) -> Any:
    f = wrap(lambda x: Pair(x, x * 2))
    return [f(x).b for x in xs()]


@followed
def keywords_defaults_and_stars(wrap: Wrap) -> Any:
    @wrap
    def f(x: Any, /, *more: Any, scale: float = 1.0, flag: bool = False, **named: Any) -> Any:
        total = x * scale
        for y in (*more, *named.values()):
            total = total + y
        return -total if flag else total

    a, b, c = xs()
    return f(a), f(a, b), f(a, b, c, scale=2.0), f(a, flag=True), f(a, extra=b, other=c), f(a, other=c, extra=b)


@followed
def none_and_text(wrap: Wrap) -> Any:
    f = wrap(lambda x, mask=None, mode="add": x if mask is None else x + mask if mode == "add" else x * mask)
    a, b, _ = xs()
    return f(a), f(a, b), f(a, b, "mul"), f(a, mode="mul"), f(a, mask=None)


class Color(enum.IntEnum):
    RED = 1
    BLUE = 2


class Shape(enum.IntEnum):
    ROUND = 1


@followed
def enums_of_equal_value(wrap: Wrap) -> Any:
    f = wrap(lambda x, kind: x * 2 if kind is Color.RED else -x if kind is Shape.ROUND else x)
    x = xs()[0]
    return [f(x, kind) for kind in (Color.RED, Shape.ROUND, 1, Color.BLUE, True, 1.0)]


@followed
def lists_of_numbers(wrap: Wrap) -> Any:
    f = wrap(lambda x, sizes: [part * i for i, part in enumerate(ag.split(x, sizes))])
    x = xs(shape=(6,))[0]
    return f(x, [1, 3]), f(x, [2, 4]), f(x, [1, 3])


# --------------------------------------------------------------------------------------------------------------- random


@refused(r"draws from a generator that it makes itself")
def a_generator_made_from_an_argument(wrap: Wrap) -> Any:
    @wrap
    def f(x: Any, seed: int) -> Any:
        return x + ag.random.normal((3,), generator=np.random.default_rng(seed))

    return [f(x, seed) for x in xs() for seed in (1, 2)]


@refused(r"draws numbers from the module random")
def numbers_drawn_by_python(wrap: Wrap) -> Any:
    f = wrap(lambda x: x + random.random())
    return [f(x) for x in xs()]


@followed
def a_constant_drawn_by_numpy_from_a_seed(wrap: Wrap) -> Any:
    f = wrap(lambda x: x + np.random.default_rng(3).normal(size=3))
    return [f(x) for x in xs()]


# ---------------------------------------------------------------------------------------- derivatives within and around


@followed
def gradients_around_a_compiled_function(wrap: Wrap) -> Any:
    x = xs()[0]
    seen: list[Any] = []

    inner = wrap(lambda w: (w * w * x).sum())
    w = ag.Tensor([1.0, 2.0, 3.0])
    seen += [ag.grad(inner)(w), ag.value_and_grad(inner)(w), ag.hessian(inner)(w), ag.grad(lambda w: inner(w) ** 2)(w)]
    seen += [ag.jacobian(wrap(lambda w: w * w * w))(w), ag.vjp(inner, w)[1](2.0)]
    seen += [ag.jvp(inner, [w], [x]), ag.hvp(inner, [w], [x])]
    v = parameter()
    seen += [ag.gradients(wrap(lambda y: (y * y).sum())(v * 2), v)]
    return seen


def test_a_captured_tensor_is_not_differentiated() -> None:
    holder, x = SimpleNamespace(w=ag.Tensor([1.0, 2.0, 3.0])), xs()[0]
    f = ag.compile(lambda x: (holder.w * x).sum())
    before = f(x).item()

    def of(w: Any) -> Any:
        holder.w = w
        return f(x)

    with pytest.raises(ag.errors.TraceError, match=r"captures \(3,\) .* derivative is being taken.*as an argument"):
        ag.grad(of)(ag.ones(3))
    holder.w = parameter() * 2
    with pytest.raises(ag.errors.TraceError, match="derivative is being taken"):
        f(x)
    holder.w = ag.Tensor([1.0, 2.0, 3.0])
    assert f(x).item() == before


# ------------------------------------------------------------------------------------------------------- errors, prints


@followed
def an_error_of_ones_own(wrap: Wrap) -> Any:
    @wrap
    def f(x: Any, n: int) -> Any:
        if n < 0:
            raise ValueError("n is negative")
        return x * n

    seen: list[Any] = []
    for n in (1, -1, 2, -1):
        try:
            seen.append(f(xs()[0], n))
        except ValueError as error:
            seen.append(str(error))
    return seen


@followed
def an_array_that_numpy_and_a_tensor_use(wrap: Wrap) -> Any:
    a, k = np.arange(3.0), [0]
    f = wrap(lambda x: (x + a + (a.mean() if x.shape[0] == 2 else 0), float(a.max())))
    seen = []
    for i, x in enumerate(xs(6, (4, 3))):
        seen += [f(x), f(x[:2])]
        a[i % 3] += 1.0
    return seen, k


@followed
def a_number_that_is_a_state(wrap: Wrap) -> Any:
    average = ag.Tensor(0.0)

    @wrap
    def f(x: Any) -> Any:
        with ag.no_grad():
            average.data = 0.9 * average.data + 0.1 * x.sum().data
        return x * average

    seen = []
    for x in xs():
        f(x)
        now = average.data
        now += 1.0  # a number, which is replaced
        seen.append((now, average.data, average.detach()))
    return seen


@followed
def weights_that_are_written_through_flat_views(wrap: Wrap) -> Any:
    seen = []
    for sizes, optimizer in itertools.product(((3, 5, 2), (30, 40, 20)), (nn.optim.SGD, nn.optim.Adam)):
        model = nn.MLP(sizes, seed=0)
        updates = optimizer(model.parameters(), lr=0.1)
        first, *others = model.parameters()

        step = wrap(step_of(model, updates, lambda z, _: (z**2).mean()))
        evaluate = wrap(lambda x, model=model: model(x).detach())
        for i, x in enumerate(xs(8, (4, sizes[0]), "float32")):
            seen += [step(x, x).detach(), evaluate(x)]
            for p in others:
                p.data.reshape(-1)[i % 2] += 0.25
            if i == 2:
                flat = first.data.reshape(-1)
            if i > 3:
                flat[1] += 1.0  # it is the parameter's memory still
            seen.append(evaluate(x))
        seen += [flat.copy(), *(p.detach() for p in model.parameters())]
    return seen


class Row(enum.IntEnum):
    FIRST = 0
    SECOND = 1


def test_members_of_an_enumeration_are_indices() -> None:
    def f(x: Any) -> Any:
        y = x.clone()
        y[Row.SECOND] = x[Row.FIRST, Row.SECOND :]
        return y, x[Row.SECOND], ag.concat([x, y], axis=Row.SECOND)

    x = ag.Tensor([[1.0, 2.0], [3.0, 4.0]])
    agree(ag.compile(f)(x), f(x), "rows by name")


OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lt", "le", "eq", "ne", "gt", "ge")
UFUNCS = ("add", "maximum", "arctan2", "less", "hypot", "matmul")
BINARY = [*(getattr(operator, name) for name in OPERATORS), *(getattr(np, name) for name in UFUNCS)]


@pytest.mark.parametrize("shape", [(), (3,), (3, 3)], ids=str)
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("operate", BINARY, ids=lambda f: f"{type(f).__name__} {f.__name__}")
def test_an_array_meets_a_tensor_as_without_compiling(
    operate: Any, requires_grad: bool, shape: tuple[int, ...]
) -> None:
    w = ag.Tensor(np.full(shape, 2.0), requires_grad=requires_grad)
    if operate.__name__ == "matmul" and not shape:
        pytest.skip("a product of matrices has no number")
    x = np.arange(9.0).reshape(3, 3)
    step = ag.compile(lambda x: operate(x, w))
    for value in (2.0, 3.0):
        w.data = np.full(shape, value)
        found, expected = step(x), operate(x, w)
        assert isinstance(found, ag.Tensor)
        assert found.requires_grad == expected.requires_grad
        np.testing.assert_array_equal(found.data, expected.data)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_recorded_tensor_is_not_added_to_an_array_in_place(compiled: bool) -> None:
    w = ag.Tensor([1.0, 1.0], requires_grad=True)

    def step(x: Any) -> Any:
        y = x * 1.0
        y += w
        return ag.sum(ag.asarray(y) * w)

    with pytest.raises(DTypeError, match=r"add.* can't be recorded: assign the result instead"):
        (ag.compile(step) if compiled else step)(np.array([1.0, 3.0]))


def test_gradients_flow_from_a_product_of_an_array_and_a_tensor() -> None:
    w, x = ag.Tensor([2.0, 3.0], requires_grad=True), np.array([5.0, 7.0])

    def step(x: Any) -> Any:
        (loss := ag.sum(x * w) + ag.sum(w)).backward()
        return loss.detach()

    assert float(ag.compile(step)(x).data) == 36.0
    assert w.grad is not None
    assert w.grad.tolist() == [6.0, 8.0]
