"""`autograd.scan`: values and derivatives of any order are those of the loop that it stands for."""

import itertools
import random
import weakref

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.engine.memory import owner
from glassgrad.autograd.errors import AutogradError
from glassgrad.autograd.ops.loops import scan as scan_module
from tests.declared import declared

STEPS, BATCH, WIDTH, HIDDEN = 5, 3, 2, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(STEPS, BATCH, WIDTH))
H0 = RNG.normal(size=(BATCH, HIDDEN))
W = RNG.normal(size=(WIDTH, HIDDEN))
U = RNG.normal(size=(HIDDEN, HIDDEN)) / 2
WEIGHTS = RNG.normal(size=(STEPS, BATCH, HIDDEN))
ARGUMENTS = X, H0, W, U


def loop(f, carry, xs, length=None, reverse=False):
    """What `ag.scan` computes, step by step."""
    leaves = ag.trees.leaves(xs)
    steps = leaves[0].shape[0] if leaves else length
    ys = [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        carry, ys[t] = f(carry, ag.trees.map(lambda x, t=t: x[t], xs))
    return carry, ag.trees.map(lambda *column: ag.stack(column), *ys)


def recurrent(scan, **options):
    """The loss of a recurrent network whose weights the step captures."""

    def loss(x, h, w, u):
        def step(h, x):
            h = ag.tanh(x @ w + h @ u)
            return h, h * h

        h, ys = scan(step, h, x, **options)
        return (h**3).sum() + (ys * WEIGHTS).sum()

    return loss


def assert_same(found, expected):
    for a, b in zip(ag.trees.leaves(found), ag.trees.leaves(expected), strict=True):
        a, b = np.asarray(ag.asarray(a).detach().data), np.asarray(ag.asarray(b).detach().data)
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * max(1.0, np.abs(b).max(initial=0.0)))


def gradients_of(f, count=4):
    return ag.grad(f, argnums=tuple(range(count)))


def summed(f):
    """A scalar function of the gradients of ``f``."""
    return lambda *args: sum((g**3).sum() for g in gradients_of(f, len(args))(*args))


OPTIONS = [{}, {"reverse": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_derivatives_of_any_order_are_those_of_the_loop(options, order):
    ours, theirs = recurrent(ag.scan, **options), recurrent(loop, **options)
    for _ in range(order):
        ours, theirs = summed(ours), summed(theirs)
    assert_same(ag.value_and_grad(ours, (0, 1, 2, 3))(*ARGUMENTS), ag.value_and_grad(theirs, (0, 1, 2, 3))(*ARGUMENTS))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_of_no_step_are_those_of_the_carry(options):
    def last(carry, xs, w):
        carry, ys = ag.scan(lambda c, x: (c * w + x, c), carry, xs, **options)
        return carry.sum() + ys.sum()

    slopes = ag.value_and_grad(last, (0, 1, 2))
    expected = 3.0, (np.ones(2), np.ones((0, 2)), 0.0)
    for f in (slopes, ag.compile(slopes)):
        assert_same(f(np.array([1.0, 2.0]), np.ones((0, 2)), np.float64(3.0)), expected)


def containers(scan):
    def f(x, h, w, u):
        def step(carry, xs):
            h = ag.tanh(xs["x"] @ w + carry[0] @ u) * xs["scale"]
            return (h, carry[1] + h.sum()), {"h": h, "square": h * h}

        (h, total), ys = scan(step, (h, 0.0 * h.sum()), {"x": x, "scale": x[:, :1, :1]})
        return (h * total).sum() + (ys["h"] * ys["square"] * WEIGHTS).sum()

    return f


def computed_before(scan):
    def f(x, w, u):
        v, z = u * 2.0, x @ w
        h, hs = scan(lambda h, z: (ag.tanh(z + h @ v),) * 2, ag.zeros((BATCH, HIDDEN)), z)
        return (hs**3).sum() + h.sum()

    return f


def written(z, index):
    y = z * z
    y[index] += z[0]
    return y


def written_to_a_view(z):
    y = z * 1.0
    y.reshape(-1)[0] = z[1] * z[0]
    return y


def without_gradient(z):
    with ag.no_grad():
        y = z * z
    return y * z


TABLE = np.array([2.0, 3.0], "f4")  # whose products have the dtype of the other factor
by_table = declared(
    lambda xp, x: xp.sin(x) * xp.asarray(TABLE), "by_table", x=lambda xp, g, x: g * xp.cos(x) * xp.asarray(TABLE)
)
BODIES = {
    "take": lambda z: ag.take(z * z, ag.argsort(z), axis=0), "pad": lambda z: ag.pad(z * z, (1, 1), mode="edge"),
    "sort": lambda z: ag.sort(z * ag.sin(z)), "indices": lambda z: written(z, np.array([1])),
    "view": written_to_a_view, "diagonal": lambda z: ag.einsum("ii->i", ag.outer(z, z) * z),
    "search": lambda z: z * ag.searchsorted(ag.sort(z), z), "rule": lambda z: by_table(z * z) * z,
    "labels": lambda z: ag.cross_entropy(ag.outer(z, z), np.array([0, 1])), "no_grad": without_gradient,
    "detached": lambda z: z.detach() * z * z, "scan": lambda z: ag.scan(lambda c, x: (ag.sin(c * c) + z, c), z, z)[0],
}  # fmt: skip
WITHIN = {
    "jvp": lambda f: lambda c: ag.jvp(f, (c,), (ag.sin(c),))[1],
    "jvp of jvp": lambda f: WITHIN["jvp"](WITHIN["jvp"](f)),
    "vmap": lambda f: lambda c: ag.vmap(f, 1)(ag.stack([c, ag.sin(c)], axis=1)),
    "vmap of a constant": lambda f: lambda c: ag.vmap(lambda _: f(c))(ag.stack([c, c])),
    "vmap of grad": lambda f: lambda c: ag.vmap(ag.grad(lambda z: ag.sum(f(z) ** 2)))(ag.stack([c, ag.sin(c)])),
    "jacfwd": ag.jacfwd, "hessian": lambda f: ag.hessian(lambda z: ag.sum(ag.sin(f(z)))),
    "jet": lambda f: lambda c: ag.jet(f, (c,), ([c, c],))[1][1],
}  # fmt: skip


@pytest.mark.parametrize(("body", "within"), sorted({*itertools.product(BODIES, WITHIN)} - {("rule", "jet")}))
def test_transforms_within_a_step(body, within):
    inner = WITHIN[within](BODIES[body])

    def total(scan):
        def run(x):
            outer = ag.sin(x)  # captured
            step = lambda c, t: (ag.tanh(c * t + ag.sum(ag.sin(inner(c)))), ag.sum(inner(c * outer)))  # noqa: E731
            c, ys = scan(step, x, np.array([0.3, 0.5]))
            return ag.sum(c * ag.sin(ag.sum(ys)))

        return ag.value_and_grad(run)

    assert_same(total(ag.scan)(np.array([0.7, 1.3])), total(loop)(np.array([0.7, 1.3])))


AROUND = {
    "jet": lambda f, x: ag.jet(f, (x,), ([x, ag.sin(x)],)),
    "jet of jvp": lambda f, x: ag.jet(lambda x: ag.jvp(f, (x,), (X[0, 0],))[1], (x,), ([x, x],)),
    "jvp of jvp of jvp": lambda f, x: jacobian(jacobian(jacobian(f)))(x),
    "jet of grad": lambda f, x: ag.jet(ag.grad(lambda x: ag.sum(f(x) ** 2)), (x,), ([x],)),
}  # fmt: skip
DETACHING = BODIES | {"detached within": WITHIN["jvp"](BODIES["detached"])}


def jacobian(f):
    return lambda x: ag.jvp(f, (x,), (X[0, 1],))[1]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("body", ["detached", "detached within", "no_grad"])
def test_transforms_of_a_loop_that_detaches(body, around):
    inner = DETACHING[body]

    def ys_of(scan):
        return lambda x: scan(lambda c, t: (inner(c) * t, inner(c * t)), x, np.array([0.3, 0.5]))[1]

    found, expected = (AROUND[around](ys_of(scan), ag.Tensor(X[0, 2])) for scan in (ag.scan, loop))
    assert_same(found, expected)


def integers_and_masks(scan):
    def step(carry, x):
        i, h = carry
        h = ag.where(h > 0, h * x, x)
        return (i + 1, h), (i, h > 0, h)

    def f(h, x):
        (i, h), (numbers, positive, hs) = scan(step, (ag.Tensor(0), h), x)
        assert i.item() == STEPS
        assert numbers.tolist() == list(range(STEPS))
        assert positive.dtype == ag.bool
        return (hs**2).sum() + (h * positive[-1]).sum()

    return f


def without_gradient(scan):
    def step(h, x):
        with ag.no_grad():
            k = h * 2.0
        return h.detach() * x * 0.5 + k * h + x, None

    return lambda h, x: (scan(step, h, x)[0] ** 2).sum()


LOSSES = [
    (containers, *ARGUMENTS), (computed_before, X, W, U), (integers_and_masks, H0, WEIGHTS),
    (without_gradient, H0[0, :WIDTH] / 4, X[:, 0] / 4),
]  # fmt: skip


@pytest.mark.parametrize("of", LOSSES, ids=lambda of: of[0].__name__)
def test_gradients_are_those_of_the_loop(of):
    (loss, *arguments), count = of, len(of) - 1
    assert_same(gradients_of(loss(ag.scan), count)(*arguments), gradients_of(loss(loop), count)(*arguments))


def test_one_node_represents_all_steps_and_has_the_body():
    w = ag.Tensor(0.5, requires_grad=True)
    total, _ = ag.scan(lambda c, x: (ag.sin(c * w) + x, None), ag.Tensor(1.0), ag.ones(30))
    (node,) = [n for n in ag.Graph(total).nodes if n.op is ag.OPS["scan_packed"]]
    assert node.params["loop"].length == 30
    assert [step.op.name for step in node.params["loop"].body.steps] == ["multiply", "sin", "add"]
    assert len(ag.Graph(total).nodes) < 8


@pytest.mark.parametrize("hot", [0, 10**9], ids=["compiled at once", "never compiled"])
def test_scans_within_scans(hot, monkeypatch):
    monkeypatch.setattr(scan_module, "HOT", hot)

    def loss(scan):
        def f(x, c, w):
            def inner(c, x):
                c = ag.sin(c * w + x)
                return c, c

            def outer(c, row):
                c, ys = scan(inner, c, row)
                return c, ys.sum()

            c, ys = scan(outer, c, x)
            return (c**2).sum() + (ys**2).sum()

        return f

    args = X, X[0, 0], np.array(0.7)
    assert_same(gradients_of(loss(ag.scan), 3)(*args), gradients_of(loss(loop), 3)(*args))
    assert_same(gradients_of(summed(loss(ag.scan)), 3)(*args), gradients_of(summed(loss(loop)), 3)(*args))


def test_inputs_without_grad_get_no_gradient():
    x, h = ag.Tensor(X), ag.Tensor(H0, requires_grad=True)
    frozen = ag.Tensor(U)
    last, _ = ag.scan(lambda h, x: (h @ frozen + x.sum(), None), h, x)
    last.sum().backward()
    assert x.grad is None
    assert frozen.grad is None
    assert h.grad is not None


def test_backward_twice_and_after_a_replay():
    def tensors():
        return [ag.Tensor(a, requires_grad=True) for a in ARGUMENTS]

    first, second = tensors(), tensors()
    loss = recurrent(ag.scan)(*first)
    loss.backward(retain_graph=True)
    ag.Graph(loss).replay()
    loss.backward()
    for _ in range(2):
        recurrent(loop)(*second).backward()
    assert_same([t.grad for t in first], [t.grad for t in second])


def test_a_state_changed_after_the_scan_is_refused():
    w = ag.Tensor([2.0], requires_grad=True)
    y, _ = ag.scan(lambda c, _: (c * w, None), ag.Tensor([1.0], requires_grad=True), length=3)
    w.grad = ag.ones(1)
    nn.optim.SGD([w], lr=0.1).step()
    with pytest.raises(AutogradError, match="was changed after scan_packed had used it"):
        y.backward()


def test_a_rule_that_is_declared_anew_counts_for_loops_too():
    twice = declared(lambda xp, x: x + x, "twice")

    def slope():
        x = ag.Tensor(1.0, requires_grad=True)
        found, _ = repeated(doubling, [x], [np.zeros(2)])
        found[0].backward()
        return x.grad.item()

    def doubling(carries, xs, consts):
        return [twice(carries[0]) + xs[0]], []

    twice.vjp(x=lambda g: 2 * g)
    assert slope() == 4.0


@pytest.mark.usefixtures("no_collector")
def test_the_graph_is_freed_with_the_loss():
    u = ag.Tensor(U, requires_grad=True)
    ys = ag.scan(lambda h, x: (ag.tanh(h @ u + x),) * 2, ag.zeros((BATCH, HIDDEN)), ag.Tensor(WEIGHTS))[1]
    kept = weakref.ref(owner(ys.data))  # with what the rule needs
    del ys
    assert kept() is None


def test_a_compiled_training_step_captures_the_weights():
    def trained(wrap, scan):
        w, u = (ag.Tensor(a, requires_grad=True) for a in (W, U))

        @wrap
        def step(x, h):
            def cell(h, x):
                h = ag.tanh(x @ w + h @ u)
                return h, h

            loss = (scan(cell, h, x)[1] * WEIGHTS).sum()
            loss.backward()
            with ag.no_grad():
                for weight in (w, u):
                    weight -= 0.01 * weight.grad
                    weight.zero_grad()
            return loss

        losses = [step(ag.Tensor(X), ag.Tensor(H0)).item() for _ in range(3)]
        return losses, w, u

    expected = trained(lambda f: f, loop)
    assert_same(trained(lambda f: f, ag.scan), expected)
    assert_same(trained(ag.compile, ag.scan), expected)


def test_a_compiled_loop_is_one_instruction_for_any_number_of_steps():
    counts = {
        len(ag.trace(lambda x: ag.scan(lambda c, x: (ag.tanh(c + x), c), x[0], x), ag.ones((t, 3))).instructions)
        for t in (2, 50)
    }
    assert len(counts) == 1


UNARY = [
    ag.tanh, ag.sigmoid, lambda x: -x, lambda x: x.sum() * 0.1 + x * 0.5, lambda x: x.mean(axis=-1, keepdims=True) + x,
    ag.softmax, lambda x: ag.where(x > 0, x, x * 0.1), lambda x: x[..., ::-1] * 0.7, lambda x: x.detach() * 0.3 + x,
    lambda x: ag.concat([x[:1], x[1:] * 2.0]) * 0.5, ag.matrix_transpose, lambda x: x * np.eye(3) + 0.1,
]  # fmt: skip
BINARY = [ag.add, ag.multiply, ag.subtract, ag.maximum, lambda x, y: x / (1.0 + y * y), lambda x, y: 0.5 * (x @ y)]


@pytest.mark.parametrize("seed", range(12))
def test_random_steps(seed, monkeypatch):
    """Of carries, xs and weights (3, 3) chosen at random, and what is computed of them; more than a thousand were
    compared when this was written, three orders each."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    monkeypatch.setattr(scan_module, "HOT", draw.choice([0, 10**9]))
    counts = draw.randint(1, 2), draw.randint(1, 2), draw.randint(1, 2)
    plan = []
    for known in range(sum(counts), sum(counts) + draw.randint(2, 8)):
        function = draw.choice([*UNARY, *BINARY])
        plan.append((function, [draw.randrange(known) for _ in range(1 + (function in BINARY))]))
    outputs = [draw.randrange(sum(counts) + len(plan)) for _ in range(counts[0] + 2)]
    options = {"reverse": draw.random() < 0.4}
    raw = draw.random() < 0.5  # results that are carries, xs or each other

    def loss(scan):
        def f(*arrays):
            carry, xs, weights = arrays[: counts[0]], arrays[counts[0] : sum(counts[:2])], arrays[sum(counts[:2]) :]

            def step(carry, xs):
                values = [*carry, *xs, *weights]
                for function, places in plan:
                    values.append(function(*(values[i] for i in places)))
                found = [values[i] if raw else values[i] * 0.7 for i in outputs]
                return tuple(found[: counts[0]]), found[counts[0] :]

            carry, ys = scan(step, carry, xs, **options)
            return sum((weight * y * y).sum() for weight, y in enumerate((*carry, *ys), 1))

        return f

    sizes = [(3, 3)] * counts[0] + [(4, 3, 3)] * counts[1] + [(3, 3)] * counts[2]
    arrays = [rng.normal(size=size) / 2 for size in sizes]

    def both(scan):
        return ag.value_and_grad(loss(scan), tuple(range(len(arrays)))), gradients_of(summed(loss(scan)), len(arrays))

    (ours, ours_2), (theirs, theirs_2) = both(ag.scan), both(loop)
    expected = theirs(*arrays), theirs_2(*arrays)
    assert_same((ours(*arrays), ours_2(*arrays)), expected)
    assert_same(ag.compile(lambda *a: (ours(*a), ours_2(*a)))(*map(ag.Tensor, arrays)), expected)


def test_an_operation_that_returns_its_argument_keeps_its_rule():
    turned_back = declared(lambda xp, x: x, "turned_back", x=lambda xp, g: -g)
    w = ag.ones((), requires_grad=True)
    ag.scan(lambda c, _: (turned_back(c) + c, 0), w, length=1)[0].backward()
    assert not w.grad
