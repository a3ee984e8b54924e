"""Writes in place, through views, too: NumPy's values with the right gradients, or a sentence; none is lost."""

import gc

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import GradientError
from tests.declared import declared
from tests.sampling import sampled


def element_of_a_row(h):
    h[0][1] = 5


def row_of_the_transpose(h):
    h.T[0] = 5


def sum_into_a_row(h):
    row = h[0]
    row += 5


def rows_of_a_loop(h):
    for row in h:
        row += 1


def element_of_the_flat_array(h):
    h.reshape(-1)[2] = 5


def sum_into_an_element(h):
    h[0] += 5


def views_of_views(h):
    h[0][1:][0] = 5
    h.T[1:].T[0] = 3


def several_writes_to_one_view(h):
    row = h[0]
    row += 1
    row *= 3
    row[0] = 9


def copies(h):
    h[[0, 1]][0] = 5
    h.T.reshape(-1)[1] = 5
    h[h > 5][...] = 1


def new_axes_and_steps(h):
    h[..., None][0] = 4
    h[:, ::-1][1] += 2
    h[0][h[0] < 1] = 5


def flipped_and_permuted(h):
    np.flip(h, axis=0)[0] = 1
    np.transpose(h, (1, 0))[2] = 2
    np.expand_dims(h, 0)[0, 0] += 3


def views_from_before(h):
    first, second, flat = h[0], h[1], h.reshape(-1)
    first += 1
    second *= 2
    flat[1] = 7
    first[1] += 1
    h[0] = 3
    first += 1


WRITES = [
    element_of_a_row, row_of_the_transpose, sum_into_a_row, rows_of_a_loop, element_of_the_flat_array,
    sum_into_an_element, views_of_views, several_writes_to_one_view, copies, new_axes_and_steps, flipped_and_permuted,
    views_from_before,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
def test_a_write_gives_numpys_values(write):
    expected = np.arange(6.0).reshape(2, 3)
    constant = ag.Tensor(expected)
    leaf = ag.Tensor(expected, requires_grad=True)
    computed = leaf * 1.0
    write(constant)
    write(computed)
    with ag.no_grad():
        write(leaf)
    write(expected)
    for written in (constant, computed, leaf):
        np.testing.assert_array_equal(written.data, expected)


@pytest.mark.parametrize("write", WRITES)
def test_its_gradient_is_that_of_finite_differences(write):
    def f(x):
        h = x * 2.0
        write(h)
        return (h**3).sum()

    assert ag.testing.gradcheck(f, np.random.default_rng(0).normal(size=(2, 3)))


@pytest.mark.parametrize("write", sampled(WRITES, 3))
def test_a_compiled_function_writes_the_same(write):
    def f(x):
        h = x * 2.0
        write(h)
        return h

    x = ag.Tensor(np.random.default_rng(0).normal(size=(2, 3)) + 9)
    if write in (element_of_the_flat_array, views_from_before, copies):  # views where `x` is in row-major order
        for g in (f, ag.vmap(f), lambda x: ag.scan(lambda c, row: (c, f(row)), 0.0, x)):
            with pytest.raises(ag.errors.TraceError, match=r"writes to .* in another shape .* memory order"):
                ag.compile(g)(x if g is f else ag.stack([x]))
    else:
        np.testing.assert_array_equal(ag.compile(f)(x).data, f(x).data)


def test_what_is_written_to_a_view_of_a_constant_gets_its_gradient():
    h, a = ag.Tensor(np.zeros((2, 2)), name="h"), ag.Tensor(3.0, requires_grad=True)
    b = ag.Tensor(5.0, requires_grad=True)
    h[1] = b * 2
    h[0][1] = h[1, 1] = a
    (h * h).sum().backward()
    assert b.grad.item() == 40.0
    assert (a.grad.item(), h.name, h.node.name) == (12.0, "h", "h")


@pytest.mark.parametrize("part", [lambda y: y.detach(), lambda y: y[:1].detach(), lambda y: y.detach()[:1]])
def test_what_is_detached_gives_values_alone(part):
    a = ag.Tensor([1.0, 2.0], requires_grad=True)
    y, h = a * 2, ag.zeros(2)
    part(y)[0] = 5.0
    assert (y.tolist(), ag.gradients(y.sum(), a).tolist()) == ([5.0, 4.0], [2.0, 2.0])
    for source in (y, h):
        with pytest.raises(GradientError, match=r"is detached from Tensor .* float64, which would get the"):
            part(source)[...] = a[0]
    assert (y.tolist(), h.tolist()) == ([5.0, 4.0], [0.0, 0.0])


@pytest.mark.usefixtures("no_collector")
def test_a_loop_that_fills_its_own_rows_leaves_no_reference_cycle():
    for _ in range(2):  # what the first run alone leaves is collected
        gc.collect()
        h, w = ag.ones((4, 1)), ag.Tensor(2.0, requires_grad=True)
        for t in range(3):
            h[t + 1] = h[t] * w
        h[3].sum().backward()
        assert w.grad.item() == 12.0
        del h, w
    assert gc.collect() == 0


@pytest.mark.parametrize("index", [True, np.array([0, 1]), (np.array([0, 1]), slice(None))], ids=repr)
def test_a_view_written_to_other_elements_than_its_own_is_written(index):
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    x = ag.Tensor(array)
    x[index] = x[1]
    array[index] = array[1]
    np.testing.assert_array_equal(x.data, array)


@pytest.mark.parametrize("rule", [None, lambda g: g], ids=["no rule", "a wrong rule"])
def test_a_write_through_a_users_view_changes_the_picked_elements_alone(rule):
    every_other = declared(lambda xp, a: a[::-2], options={"view": True}, a=rule)
    x = ag.Tensor([1.0, 2.0, 3.0])
    every_other(x)[0] = 10.0
    np.testing.assert_array_equal(x.data, [1.0, 2.0, 10.0])


def test_a_write_through_a_users_view_has_its_gradient():
    rule = lambda xp, g, x_shape: xp.scatter_add(g, index=slice(1, None), shape=x_shape)  # noqa: E731
    rest = declared(lambda xp, x: x[1:], options={"view": True}, x=rule)

    def f(x):
        y = x * 1
        part = rest(y)
        part *= x[0]
        return (y * y).sum()

    np.testing.assert_allclose(ag.grad(f)([2.0, 3.0, 4.0]).data, [104.0, 24.0, 32.0])
    np.testing.assert_allclose(ag.grad(ag.compile(f))([2.0, 3.0, 4.0]).data, [104.0, 24.0, 32.0])


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize(
    "part", [lambda x: x.detach().detach(), lambda x: x[0].detach(), lambda x: x.T.detach()[0], lambda x: x.detach()[0]]
)
def test_what_is_detached_from_a_view_is_one_too(part, requires_grad):
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    x = ag.Tensor(array, requires_grad=requires_grad)
    first, again = part(x), part(x)
    first += 5.0
    again *= 2.0  # brought up to date first
    written = np.isin(array, part(ag.Tensor(array)).data)
    np.testing.assert_array_equal(x.data, np.where(written, 2 * (array + 5), array))
    assert x.requires_grad is requires_grad


def test_under_no_grad_what_was_computed_keeps_its_node():
    p = ag.Tensor([1.0, 2.0], requires_grad=True)
    y = p * 1.0
    z = y * 3.0
    with ag.no_grad():
        y[0] = 0.0
    (y * y + z).sum().backward()
    assert p.grad.tolist() == [3.0, 7.0]  # as in PyTorch


def test_a_diagonal_is_written_to():
    a = ag.Tensor([1.0, 2.0], requires_grad=True)
    h = ag.zeros((2, 3))
    ag.linalg.diagonal(h)[...] = a  # NumPy's is read-only, PyTorch's is written to
    assert h.data.tolist() == [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    assert ag.gradients((h * h).sum(), a).tolist() == [2.0, 4.0]


def test_a_number_has_no_views_and_what_is_detached_again_and_again_is_no_chain():
    x, root = ag.zeros(()), ag.zeros(3)
    detached, view = x.detach(), root[:]
    for _ in range(3000):
        view = view.detach()
    view += 1.0
    detached += 1.0
    assert (x.item(), detached.item(), root.tolist()) == (0.0, 1.0, [1.0] * 3)
