"""`Tensor`: what goes in, what it says of itself, its places and types, NumPy's and Python's protocols."""

import asyncio
import contextvars
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError


def leaf(values, name=None, dtype=None):
    return Tensor(values, requires_grad=True, name=name, dtype=dtype)


# --------------------------------------------------------------------------------------------------------- what goes in


class TestMaking:
    @pytest.mark.parametrize("given", [np.ones(3), leaf(np.ones(3))], ids=["an array", "a Tensor"])
    def test_values_are_copied(self, given):
        t = Tensor(given)
        t[0] = t.data[1] = 5.0
        given.data[2] = 7.0
        assert (t.tolist(), t.requires_grad) == ([5.0, 5.0, 1.0], False)

    def test_subclasses_of_arrays_compute_as_arrays(self):
        x = leaf([[1.0, 2.0], [3.0, 4.0]])
        with pytest.warns(PendingDeprecationWarning):
            matrix = np.asmatrix(x.data)
        for _ in range(2):  # the second time its type is known
            y = x * matrix
            assert type(y.data) is np.ndarray
            assert_array_equal(y.data, x.data * x.data)


# -------------------------------------------------------------------------------------------------------- what it tells


class TestPython:
    def test_comparisons_are_elementwise_and_hashing_is_by_identity(self):
        x, y = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
        assert (x == y).tolist() == [True, False]
        assert (x != y).tolist() == [False, True]
        assert len({x, y, x}) == 2


class TestCopies:
    def test_detach_shares_values_and_has_no_history(self):
        y = leaf([1.0, 2.0]) * 3.0
        y.name = "y"
        d = y.detach()
        assert d.data is y.data
        assert (d.requires_grad, d.node, d.name) == (False, None, "y")
        assert np.shares_memory(d.numpy(), d.data)
        assert np.shares_memory(np.asarray(d), d.data)
        assert not np.shares_memory(np.array(d), d.data)
        assert np.asarray(d, dtype="float32").dtype == np.float32

    @pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
    def test_a_copied_leaf_shares_nothing(self, copied):
        x = leaf([1.0, 2.0], "w")
        (x * x).sum().backward()
        y = copied(x)
        assert (y.name, y.requires_grad, y.is_leaf) == ("w", True, True)
        (y * 3).sum().backward()
        assert (y.tolist(), y.grad.tolist()) == ([1.0, 2.0], [5.0, 7.0])
        y.data[0] = y.grad.data[0] = 9.0
        assert (x.tolist(), x.grad.tolist()) == ([1.0, 2.0], [2.0, 4.0])

    @pytest.mark.parametrize("do", [pickle.dumps, copy.deepcopy, copy.copy])
    def test_a_result_is_refused(self, do):
        with pytest.raises(GradientError, match=r"float64 can't be copied or pickled with its history: use \.detach"):
            do(leaf(2.0) * 3.0)


class TestShapesAndTypes:
    def test_to_and_astype(self):
        x = leaf([1.0, 2.0])
        assert x.to("float64") is x
        assert x.to("cpu") is x
        assert x.cpu() is x
        y = x.to("float32")
        assert (y.dtype, y.requires_grad, y.device) == (np.float32, True, "cpu")
        n = x.astype("int64")
        assert (n.dtype, n.requires_grad) == (np.int64, False)


# --------------------------------------------------------------------------------------------------------- x[index] = v


class TestAssignment:
    """``x[i] = v``: this Tensor stands for a new value from now on; no other changes."""

    def test_tensors_computed_before_do_not_change_and_later_ones_do(self):
        x, given = leaf([1.0, 2.0]), np.zeros(2)
        y, shared = x * 2.0, ag.asarray(given)
        before, d, view, constant = (y * y).sum(), y.detach(), y[:], shared.detach()
        y[0] = shared[0] = 100.0
        shared += 1.0
        assert_array_equal([d.data, view.data], [[2.0, 4.0], [2.0, 4.0]])
        assert_array_equal([given, constant.data], np.zeros((2, 2)))
        (before + 10.0 * (y * y).sum()).backward()
        assert_array_equal(x.grad.data, [8.0, 16.0 + 10 * 2 * 4 * 2])


# ---------------------------------------------------------------------------------------------------------------- modes


class TestUpdates:
    def test_under_no_grad_it_sets_a_leafs_value(self):
        w = leaf([1.0, 2.0], name="w", dtype="float32")
        y = (w * w).sum()
        with ag.no_grad():
            for p in [w]:
                p -= np.float64(0.5)
                p *= 4.0
                p += [1.0, 0.0]
                p /= 2.0
        assert (w.tolist(), w.dtype, w.requires_grad, w.name, w.is_leaf) == ([1.5, 3.0], ag.float32, True, "w", True)
        y.backward()
        assert w.grad.tolist() == [2.0, 4.0]  # of the value that y was computed from

    def test_the_kind_of_number_and_the_shape_stay(self):
        n, w = Tensor([1, 2]), leaf([1.0, 2.0], name="w")
        with pytest.raises(DTypeError, match=r"int64 can't take a value of dtype float64 in place: write x = x / "):
            n /= 2
        n += 1
        said = r"Tensor 'w' \(2,\) float64 can't take a value of shape \(3, 2\) in place: write x = x \+ \.\.\."
        with ag.no_grad(), pytest.raises(ShapeError, match=said):
            w += np.zeros((3, 2))
        assert (n.tolist(), w.tolist()) == ([2, 3], [1.0, 2.0])


class TestData:
    @pytest.mark.parametrize("value", [2.0, [1.0, 2.0]], ids=["number", "array"])
    def test_micrograds_step(self, value):
        p = leaf(value)
        (p * p).sum().backward()
        p.data -= 0.25 * p.grad
        assert p.tolist() == (0.5 * np.array(value)).tolist()
        p.data = p.data - 0.25 * p.grad
        assert (p.tolist(), p.requires_grad) == ([0.0, 0.0] if p.ndim else 0.0, True)
        assert not isinstance(p.data, Tensor)

    @pytest.mark.parametrize("value", [[1, 2], (1.0, 2.0), 3, True, [True, False]])
    def test_a_list_or_a_number_takes_the_dtype_of_a_leaf_of_floats(self, value):
        x = Tensor([0.5], requires_grad=True, dtype="float32")
        x.data = value
        assert (x.dtype, x.tolist()) == ("float32", np.asarray(value, "float32").tolist())
        x = Tensor([1])  # one of integers takes them as they are
        x.data = value
        assert x.tolist() == np.asarray(value).tolist()


class TestNoGrad:
    def test_nested_in_any_order_and_left_by_an_exception(self):
        x, seen = leaf(2.0), []
        modes = [ag.no_grad(), ag.enable_grad(), ag.no_grad()]
        for mode in modes:
            mode.__enter__()
            seen.append((x * x).requires_grad)
        with pytest.raises(KeyError), ag.enable_grad():
            raise KeyError
        for mode in reversed(modes):
            seen.append((x * x).requires_grad)
            mode.__exit__()
        assert [*seen, (x * x).requires_grad] == [False, True, False, False, True, False, True]

    @pytest.mark.parametrize("switch", [ag.no_grad, ag.enable_grad])
    def test_one_instance_may_be_within_two_threads_at_once(self, switch):
        both, barrier = switch(), threading.Barrier(2)

        def work(_):
            with both:
                barrier.wait(10)
                inside = ag.is_grad_enabled()
                barrier.wait(10)
            return inside, ag.is_grad_enabled()

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(work, range(2))) == [(switch.grad, True)] * 2

    def test_a_new_thread_records_and_a_copied_context_keeps_its_mode(self):
        with ag.no_grad(), ThreadPoolExecutor(1) as pool:
            fresh = pool.submit(ag.is_grad_enabled).result()
            copied = pool.submit(contextvars.copy_context().run, ag.is_grad_enabled).result()
            in_thread = asyncio.run(self.asked_in_a_thread())
        assert (fresh, copied, in_thread) == (True, False, False)

    @staticmethod
    async def asked_in_a_thread():
        return await asyncio.to_thread(ag.is_grad_enabled)

    def test_scopes_and_anomalies_are_of_their_task_too(self):
        async def inside(name):
            await asyncio.sleep(0)
            with ag.scope(name, "Mine"), ag.detect_anomaly():
                await asyncio.sleep(0)  # the other one is within its scope
                node = (leaf(2.0) * 3.0).node
            await asyncio.sleep(0)
            outside = (leaf(2.0) * 3.0).node
            return node.scope, node.origin is not None, outside.scope, outside.origin

        async def main():
            return await asyncio.gather(*map(inside, "ab"))

        assert asyncio.run(main()) == [(((name, "Mine"),), True, None, None) for name in "ab"]

    def test_a_coroutine_or_a_generator_is_not_decorated(self):
        async def coroutine():
            pass

        def generator():
            yield 1

        async def both():
            yield 1

        for function in (coroutine, generator, both):
            said = "no_grad decorates a function; it was given .*. In a generator or a coroutine write a with block"
            with pytest.raises(DTypeError, match=said):
                ag.no_grad()(function)


# ------------------------------------------------------------------------------------------------------ NumPy protocols


class TestNumPy:
    def test_arrays_of_numbers(self):
        a, b = Tensor(1.0), Tensor(2.0)
        assert np.asarray(a).shape == ()
        assert np.array([a, b]).tolist() == Tensor([a, b]).tolist() == [1.0, 2.0]

    def test_numpy_functions_that_write_values_do_not_record(self):
        out = np.zeros(2)
        np.add(Tensor([1.0, 2.0]), 1.0, out=out)
        assert_array_equal(out, [2.0, 3.0])
        with pytest.raises(DTypeError, match=r"out=\) can't be recorded"):
            np.add(out, 1.0, out=leaf([1.0, 2.0]))
