"""Backpropagation: gradients of every leaf, what is kept and released, and what is refused."""

import sys
import threading
import weakref
from contextlib import suppress

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError
from tests.declared import declared


def leaf(values, name=None, dtype=None):
    return Tensor(values, requires_grad=True, name=name, dtype=dtype)


# ------------------------------------------------------------------------------------------------------------ gradients


def reused(x):
    # A walk in the order of discovery would pull u before the share of the product has arrived at it.
    u = x * 3.0
    return (u * 5.0 * 7.0) * u + u


@pytest.mark.parametrize(
    ("f", "slope"),
    [(reused, 3 * (2 * 5 * 7 * 6 + 1)), (lambda x: x, 1.0), (lambda x: ag.reshape(x * x, shape=(1, 1)), 4.0)],
    ids=["used again later", "a leaf alone", "one element of any shape"],
)
def test_an_output_of_one_element_needs_no_seed(f, slope):
    x = leaf(2.0)
    f(x).backward()
    assert (x.grad.item(), x.grad.requires_grad) == (pytest.approx(slope), False)


def test_the_seed_may_be_a_tensor_an_array_or_a_list_of_another_dtype():
    for seed in (Tensor([1, 2]), np.array([1, 2], np.int8), [1, 2]):
        x = leaf([1.0, 1.0], dtype="float32")
        (3.0 * x).backward(seed)
        assert_array_equal(x.grad.data, [3.0, 6.0])
        assert x.grad.dtype == np.float32


# --------------------------------------------------------------------------------------------------------- accumulation


def test_backward_adds_to_what_is_there_without_changing_it():
    x, before = leaf([1.0, 2.0]), []
    for times in (1, 2, 3):
        (x * x).sum().backward()
        assert_array_equal(x.grad.data, [2.0 * times, 4.0 * times])
        before.append(x.grad)
    assert [g.tolist() for g in before] == [[2.0, 4.0], [4.0, 8.0], [6.0, 12.0]]


def test_outputs_that_lead_to_one_another_or_are_named_twice_count_for_both():
    x = leaf(3.0)
    y = x * x
    z = y * y
    assert ag.gradients([y, z], x).item() == 2 * 3 + 4 * 27
    assert ag.gradients([y, y], x, [1.0, 10.0]).item() == 11 * 6


# ------------------------------------------------------------------------------------------------------------ ownership


def by_hooks_that_return_one_tensor(a, b, seed, create_graph):
    for x in (a, b):
        x.register_hook(lambda g: seed)
    return of_leaves(a, b, seed, create_graph)


def of_leaves(a, b, seed, create_graph):
    (a + b.T).backward(seed, create_graph=create_graph)
    return a.grad, b.grad


def of_intermediates(a, b, seed, create_graph):
    u, v = 1.0 * a, 1.0 * b.T
    return ag.gradients(u + v, [u, v], seed, create_graph=create_graph)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("ask", [of_leaves, of_intermediates, by_hooks_that_return_one_tensor])
def test_gradients_that_are_one_array_do_not_share_it(ask, create_graph):
    a, b, seed = leaf(np.ones((2, 2))), leaf(np.ones((2, 2))), ag.ones((2, 2))
    one, other = ask(a, b, seed, create_graph)
    if not create_graph:  # what is recorded is not written to
        assert not any(np.shares_memory(x.data, y.data) for x, y in ((one, other), (one, seed), (other, seed)))
        one.data[:] = 7.0  # writable: no broadcast view
    one[0] = 9.0
    assert_array_equal([other.data, seed.data], np.ones((2, 2, 2)))


@pytest.mark.parametrize("grad", [1.0, np.ones(2), ag.ones(3), "none"])
def test_a_grad_of_the_wrong_shape_is_refused(grad):
    x = leaf([1.0, 2.0])
    x.grad = grad
    with pytest.raises(ShapeError, match=r"Tensor \(2,\) float64 got a gradient of shape \(2,\), and its \.grad"):
        (x * x).sum().backward()
    assert x.grad is grad


# -------------------------------------------------------------------------------------------- the graph, kept or let go


def test_a_second_backward_says_what_to_do():
    x, w = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    u = ag.exp(x)
    y, z = u.sum(), (u * w).sum()
    y.backward(retain_graph=True)
    list(ag.backward_steps([y], [1.0]))  # keeps the graph, too
    y.backward()
    said = r"saved were released by an earlier backward: pass retain_graph=True to that, or compute the forward again"
    for again, op in ((y, "sum"), (z, r"exp \(2,\) float64")):  # z shares a part
        with pytest.raises(GradientError, match=rf"the arrays that {op} .*had {said}"):
            again.backward()
    assert_allclose(x.grad.data, 2 * np.exp([1.0, 2.0]))  # the failed ones added nothing
    assert w.grad is None


def test_backward_releases_what_was_saved():
    x = leaf(np.ones(4))
    u = ag.exp(x)
    kept = weakref.ref(u.data)
    y = u.sum()
    del u
    assert kept() is not None  # exp saved it
    y.backward()
    assert kept() is None
    assert [node.saved for node in ag.Graph(y).nodes if node.op is not None] == [None, None]


@pytest.mark.parametrize(
    ("f", "slope"),
    [(ag.exp, np.exp(2.0)), (lambda u: u * Tensor(np.full(4, 3.0)), 3.0)],
    ids=["exp asks for its result", "needed for the gradient by a constant alone"],
)
def test_arrays_that_no_rule_asks_for_are_freed(f, slope):
    x = leaf(np.ones(4))
    u = x + 1.0
    kept = weakref.ref(u.data)
    y = f(u)
    del u
    assert kept() is None
    y.sum().backward()
    assert_allclose(x.grad.data, np.full(4, slope))


# --------------------------------------------------------------------------------------------------- depth and no leaks


def test_a_hundred_thousand_operations_deep():
    """In a small stack: what recursed in C, as the release of a chain of objects would, would end the process here."""
    results = []

    def work():
        y = x = leaf(1.0)
        for _ in range(100_000):
            y = y * 1.0
        y.backward(create_graph=True)
        results.extend((x.grad.item(), len(ag.Graph(y).nodes)))
        del y, x

    # CPython 3.12 and 3.13 free any long chain as if stacks had 8 MB
    size = threading.stack_size(0 if sys.version_info[:2] in ((3, 12), (3, 13)) else 256 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
    assert results == [1.0, 100_001]


def hooked(x, u, loss):
    u.retain_grad()
    x.register_hook(lambda g: g * 2)
    u.register_hook(lambda g: None)
    loss.backward()


def hooked_in_vain(x, u, loss):
    def hook(g):
        raise KeyError("mine")

    x.register_hook(hook)
    with suppress(KeyError):
        loss.backward()


def of_the_wrong_shape(x, u, loss):
    with suppress(ShapeError):
        u + np.ones(2)


def differentiated(x, u, loss):
    ag.gradients(loss, x)
    ag.hessian(lambda z: (z**3).sum())(x)


def recorded(x, u, loss):
    """The gradient of x was recorded from x: that is a cycle of the user's, who ends it by zero_grad."""
    loss.backward(create_graph=True)
    x.zero_grad()


USES = {
    "nothing": lambda x, u, loss: None,
    "backward": lambda x, u, loss: loss.backward(),
    "backward again": lambda x, u, loss: loss.backward(retain_graph=True),
    "replay": lambda x, u, loss: ag.Graph(loss).replay(),
    **{use.__name__: use for use in (hooked, hooked_in_vain, of_the_wrong_shape, differentiated, recorded)},
}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("use", USES)
def test_dropping_the_loss_frees_the_graph_without_the_collector(use):
    x = leaf(np.ones(3))
    u = ag.exp(x * x)
    loss = (u * x).sum()
    traces = [weakref.ref(t) for t in (x, u, u.data)]
    USES[use](x, u, loss)
    del x, u, loss
    assert [t() for t in traces] == [None] * 3


# -------------------------------------------------------------------------------------------------------- higher orders


def test_create_graph_records_within_no_grad():
    x = leaf(2.0)
    y = x**3
    with ag.no_grad():
        slope = ag.gradients(y, x, create_graph=True)
        assert not ag.is_grad_enabled()
        for record in (y.backward, lambda **how: next(ag.backward_steps([y], [Tensor(1.0)], **how))):
            with pytest.raises(GradientError, match=r"create_graph=True within no_grad would record nothing: do it"):
                record(create_graph=True)
    assert ag.gradients(slope, x).item() == 12.0


def test_the_seed_can_be_differentiated_by():
    x, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    slope = ag.gradients(x * x, x, seed, create_graph=True)
    assert_array_equal(ag.gradients(slope.sum(), seed).data, [2.0, 4.0])


# ------------------------------------------------------------------------------------------------------------ gradients


def test_gradients_by_intermediates_and_leaves_and_zeros_for_what_is_not_read():
    x, z = leaf(2.0), leaf(np.ones((2, 2), np.float32))
    u = x * x
    u.retain_grad()
    y = u * u
    by_x, by_u, by_later, by_z = ag.gradients(y, [x, u, y * 3.0, z])
    assert (by_x.item(), by_u.item(), by_later.item(), u.grad, x.grad) == (32.0, 8.0, 0.0, None, None)
    assert_array_equal(by_z.data, np.zeros((2, 2)))
    assert by_z.dtype == np.float32


def test_rules_of_unneeded_inputs_do_not_run():
    calls = []

    def counted(name):
        def rule(g):
            calls.append(name)
            return g

        return rule

    counting = declared(lambda xp, x, y: x + y, x=counted("x"), y=counted("y"))
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    out = counting(counting(a, b), c)
    ag.gradients(out, c)
    assert calls == ["y"]
    calls.clear()
    ag.gradients(out, a)
    assert calls == ["x", "x"]
    calls.clear()
    counting(a, 5.0).backward()
    assert calls == ["x"]
    calls.clear()
    out.backward()
    assert sorted(calls) == ["x", "x", "y", "y"]


# ---------------------------------------------------------------------------------------------------------------- hooks


def test_hooks_run_in_order_on_the_complete_gradient_and_replace_it():
    x = leaf([1.0, 2.0])
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x + x).sum().backward()
    assert seen == [[3.0, 5.0], [30.0, 50.0]]
    assert_array_equal(x.grad.data, [30.0, 50.0])


def test_handles_remove_their_hook_once():
    x, order = leaf(1.0), []

    def same(g):
        order.append("same")

    def once(g):
        order.append("once")
        itself.remove()

    first = x.register_hook(same)
    itself = x.register_hook(once)
    x.register_hook(same)
    first.remove()
    first.remove()
    last = x.register_hook(lambda g: order.append("last") or g * 10)
    (2 * x).backward()
    last.remove()
    (2 * x).backward()
    assert order == ["once", "same", "last", "same"]
    assert x.grad.item() == 20 + 2


def test_a_handle_keeps_no_graph_alive():
    x = leaf(np.ones(3))
    u = ag.exp(x)
    kept = weakref.ref(u.data)
    handle = u.register_hook(print)
    del u
    assert kept() is None
    handle.remove()


@pytest.mark.parametrize("recorded", [False, True])
def test_a_hook_writing_into_a_gradient_affects_only_that_gradient(recorded):
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    u, v = 2 * a, 3 * b

    def hook(g):
        if recorded:
            g[0] = 0.0
        else:
            g.data[0] = 0.0

    v.register_hook(hook)  # the one that is walked first
    (u + v).backward(ag.ones(2), create_graph=recorded)
    assert_array_equal(a.grad.data, [2.0, 2.0])
    assert_array_equal(b.grad.data, [0.0, 3.0])


@pytest.mark.parametrize("function", [lambda x: 2.0**x, lambda x: x**2.0, lambda x: ag.atan2(2.0, x), lambda x: x * x])
def test_the_gradient_of_a_float32_number_is_one_beside_pythons_numbers(function):
    x = ag.Tensor(1.5, dtype="float32", requires_grad=True)
    function(x).backward()
    assert x.grad.dtype == "float32"


def test_a_gradient_keeps_its_dtype_and_its_shape_whatever_a_hook_returns():
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: np.array([3, 4]))
    (x * x).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (np.float64, [3.0, 4.0])
    for returned, kind, said in (
        (lambda g: 1j * g.data, DTypeError, "complex numbers can't be converted"),
        (lambda g: g.sum(), ShapeError, r"a hook must keep the shape \(2,\) of its gradient; it returned one of \(\)"),
    ):
        hook = x.register_hook(returned)
        with pytest.raises(kind, match=said):
            (x * x).sum().backward()
        hook.remove()
    assert x.grad.tolist() == [3.0, 4.0]


def test_hooks_of_a_recorded_gradient_are_recorded():
    x = leaf(2.0)
    x.register_hook(lambda g: g * g)
    (x**3).backward(create_graph=True)  # (3x²)², whose derivative is 36 x³
    assert x.grad.item() == 144.0
    slope = x.grad
    x.hooks = None
    assert ag.gradients(slope, x).item() == 36 * 8


# -------------------------------------------------------------------------------------- what is raised changes no .grad


class Raises:
    """Ways in which a walk can break off behind ``u = x * w``, which keeps its gradient: (output, what is raised)."""

    @staticmethod
    def rule(u):
        return declared(lambda xp, x: x * 1.0, x=lambda g: 1 / 0)(u), ZeroDivisionError

    @staticmethod
    def hook_of_a_leaf(u):
        def exits(g):
            raise KeyboardInterrupt

        z = leaf(1.0)
        z.register_hook(exits)
        return u * z, KeyboardInterrupt

    @staticmethod
    def sum(u):
        z = leaf([1.0, 2.0])
        z.grad = Tensor([1.0, 2.0, 3.0])  # of another model
        return (u * z).sum(), ValueError


@pytest.mark.parametrize("way", [name for name in vars(Raises) if not name.startswith("_")])
@pytest.mark.parametrize("create_graph", [False, True])
def test_any_error_leaves_every_grad_unchanged(way, create_graph):
    x, w = leaf(3.0), leaf(2.0)
    (x * w).backward()
    u = x * w
    u.retain_grad()
    u.backward(retain_graph=True)
    y, kind = getattr(Raises, way)(u)
    before = [t.grad for t in (x, w, u)]
    with pytest.raises(kind):
        y.backward(retain_graph=True, create_graph=create_graph)
    assert [t.grad for t in (x, w, u)] == before
    assert all(a is b for a, b in zip([t.grad for t in (x, w, u)], before, strict=True))
    u.backward()
    assert [t.grad.item() for t in (x, w, u)] == [6.0, 9.0, 2.0]


# ---------------------------------------------------------------------------------------------------------- retain_grad


@pytest.mark.parametrize("f", [ag.sum, ag.mean, lambda x: ag.broadcast_to(x, (1, 1, 1)).sum()])
def test_the_gradient_of_a_leaf_with_one_element_can_be_written_to(f):
    x = Tensor(np.ones((1, 1)), requires_grad=True)
    f(x).backward()
    x.grad.data[...] *= 2.0
    assert_array_equal(x.grad.data, [[2.0]])


def test_a_retained_gradient_accumulates_and_owns_its_array():
    x, seed = leaf([1.0, 2.0]), np.ones(2)
    u = x * x
    for t in (x, u, u):  # of a leaf it is kept anyway, and asking twice retains once
        t.retain_grad()
    u.backward(seed, retain_graph=True)
    u.backward(seed)
    assert_array_equal(u.grad.data, [2.0, 2.0])
    assert_array_equal(x.grad.data, [4.0, 8.0])
    assert_array_equal(seed, [1.0, 1.0])
    assert not np.shares_memory(u.grad.data, seed)


def test_a_retained_gradient_is_the_one_after_all_hooks():
    x = leaf(3.0)
    u = x * x
    u.register_hook(lambda g: g * 10)
    u.retain_grad()
    u.register_hook(lambda g: g + 1)
    (2 * u).backward()
    assert u.grad.item() == 21.0
    assert x.grad.item() == 21.0 * 6


def test_a_retained_gradient_is_recorded_and_shares_no_tensor():
    x = leaf([1.0, 2.0])
    u = x + 1.0
    u.retain_grad()
    (u**3).sum().backward(create_graph=True)
    assert u.grad is not x.grad
    assert_array_equal(ag.gradients(u.grad.sum(), x).data, [12.0, 18.0])


def test_a_retained_gradient_belongs_to_the_current_value_of_the_tensor():
    x = leaf([1.0, 2.0])
    u = 2.0 * x
    u.retain_grad()
    u[0] = 7.0
    (u * u).sum().backward()
    assert (u.grad.tolist(), x.grad.tolist()) == ([14.0, 8.0], [0.0, 16.0])


# ------------------------------------------------------------------------------------------------------------- refusals


class TestStale:
    """A graph whose saved values were changed in place would give wrong gradients."""

    def test_assigning_data_leaves_the_recorded_graph_unchanged(self):
        w = leaf([1.0, 2.0])
        y = (w * w).sum()
        w.data = np.array([10.0, 20.0])
        y.backward()
        assert_array_equal(w.grad.data, [2.0, 4.0])

    def test_a_recorded_gradient_refuses_a_leaf_with_new_data(self):
        w = leaf([1.0, 2.0], "w")
        y = (w * w).sum()
        w.data = np.array([10.0, 20.0])
        with pytest.raises(GradientError, match=r"'w' .* was changed after multiply had used it"):
            y.backward(create_graph=True)


# -------------------------------------------------------------------------------------------------------------- threads


def in_threads(work, count=6):
    """``work(k)`` in that many threads at once, which change at every opportunity."""
    barrier = threading.Barrier(count)
    errors = []

    def run(k):
        barrier.wait()
        try:
            work(k)
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []


@pytest.mark.parametrize("create_graph", [False, True])
def test_threads_run_backward_on_one_graph_and_accumulate(create_graph):
    x = leaf(2.0)
    u = x * x
    u.retain_grad()
    y = u * u

    def work(k):
        for _ in range(60):
            y.backward(retain_graph=True, create_graph=create_graph)

    in_threads(work)
    assert (x.grad.item(), u.grad.item()) == (360 * 4 * 8.0, 360 * 8.0)


def test_several_threads_may_compile_an_operation():
    for _ in range(10):
        rules = {"x": lambda g, x, y: 2 * g * x * y, "y": lambda g, x: g * x * x}
        compiled_late, found = declared(lambda xp, x, y: x * x * y, **rules), {}

        def work(k, op=compiled_late, found=found):
            x, y = leaf(float(k)), leaf(1.0)
            for needed in ([x, y], [x], [y]):
                found[k] = [g.item() for g in ag.gradients(op(x, y), needed)]
            op(x, y).backward()
            found[k] = [x.grad.item(), y.grad.item()]

        in_threads(work)
        assert found == {k: [2.0 * k, float(k * k)] for k in range(6)}


def test_a_recorded_seed_of_another_dtype_keeps_its_gradient():
    x = ag.Tensor(2.0, requires_grad=True)
    seed = ag.Tensor(np.float32(3.0), requires_grad=True)
    assert ag.gradients(ag.gradients(x * x, x, seed, create_graph=True), seed).item() == 4.0
