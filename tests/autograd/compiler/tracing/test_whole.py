import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.tracing.namespace import whole
from tests.measured import in_threads

X = ag.ones((2, 3))


def operations(f, *args):
    return [i.params["name"] if i.op == "op" else i.op for i in ag.trace(f, *args).instructions]


def test_an_operation_is_one_instruction_within_and_its_parts_outside():
    parts = operations(ag.softmax, X)
    with whole(["softmax"]):
        assert operations(ag.softmax, X) == ["softmax"]
    assert operations(ag.softmax, X) == parts
    assert len(parts) > 3


def test_rules_that_call_the_operation_keep_it_whole_too():
    def gradient(x):
        return ag.grad(lambda x: ag.cross_entropy(x, [0, 1]))(x)

    with whole(["softmax", "cross_entropy"]):
        assert {"softmax", "cross_entropy"} <= {*operations(gradient, X)}
    assert "softmax" not in operations(gradient, X)


def test_eager_values_stay_the_same_within():
    want = ag.softmax(X).tolist()
    with whole(["softmax"]):
        assert ag.softmax(X).tolist() == want
        assert ag.compile(ag.softmax)(X).tolist() == want


def nested_and_failing():
    with whole(["relu"]), whole(["softmax", "relu"]):
        assert operations(lambda x: ag.relu(ag.softmax(x)), X) == ["softmax", "relu"]
        raise KeyError


def test_the_context_can_be_nested_and_ends_with_an_error():
    with pytest.raises(KeyError):
        nested_and_failing()
    assert operations(ag.relu, X) != ["relu"]


def test_the_context_belongs_to_one_thread():
    with whole(["softmax"]):
        (found,) = in_threads(lambda: operations(ag.softmax, X))
    assert "softmax" not in found
    assert found
