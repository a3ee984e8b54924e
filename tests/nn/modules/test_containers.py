"""`Sequential`, `ModuleList` and `ModuleDict`, with the methods of PyTorch's."""

import numpy as np
import pytest

from glassgrad import nn

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def test_sequential_runs_in_order_and_is_a_sequence():
    layers = [nn.Linear(3, 4, seed=0), nn.Tanh(), nn.Linear(4, 2, seed=1)]
    model = nn.Sequential(*layers)
    np.testing.assert_array_equal(model(X).data, layers[2](layers[1](layers[0](X))).data)
    assert len(model) == 3
    assert [*model] == layers
    assert model[-1] is layers[2]
    assert model.append(nn.Softmax()) is model
    assert model[3](X).shape == (5, 3)
    model[1] = nn.ReLU()
    assert [type(layer).__name__ for layer in model] == ["Linear", "ReLU", "Linear", "Softmax"]


def test_a_slice_shares_parameters_and_their_names():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
    head = model[2:]
    assert head[0] is model[2]
    assert [path for path, _ in head.named_parameters()] == ["2.weight", "2.bias"]
    assert [p.name for p in model.parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    features = model[:-1]
    np.testing.assert_array_equal(model(X).data, head(features(X)).data)
    features(X).sum().backward()
    assert model[0].weight.grad is not None


def test_sequential_of_names():
    model = nn.Sequential({"hidden": nn.Linear(3, 4), "act": nn.Sigmoid()})
    assert [*model.state_dict()] == ["hidden.weight", "hidden.bias"]
    assert model.hidden is model[0]


def kinds(container):
    return [type(layer).__name__ for layer in container]


@pytest.mark.parametrize("make", [nn.Sequential, lambda *layers: nn.ModuleList(layers)])
def test_modules_are_inserted_and_removed_as_in_a_list(make):
    inner = make(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    outer = nn.Sequential(inner)
    assert inner.insert(1, nn.ReLU()) is inner
    assert kinds(inner) == ["Linear", "ReLU", "Tanh", "Linear"]
    assert [p.name for p in outer.parameters()] == ["0.0.weight", "0.0.bias", "0.3.weight", "0.3.bias"]
    assert [path for path, _ in inner.named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert kinds([inner.pop(), inner.pop(0)]) == ["Linear", "Linear"]
    assert dict(inner.named_children()).keys() == {"0", "1"}
    inner += [nn.Sigmoid(), nn.GELU()]
    assert kinds(inner.extend([nn.ELU()])) == ["ReLU", "Tanh", "Sigmoid", "GELU", "ELU"]
    del inner[1:3]
    del inner[-1]
    assert kinds(inner) == ["ReLU", "GELU"]
    both = inner + make(nn.ELU())
    assert (kinds(both), type(both), kinds(inner)) == (["ReLU", "GELU", "ELU"], type(inner), ["ReLU", "GELU"])
    assert [*reversed(inner)] == [inner[1], inner[0]]
    assert inner[1] in inner
    assert kinds(inner) == ["ReLU", "GELU"]


def test_names_that_are_no_numbers_stay():
    model = nn.Sequential({"act": nn.ReLU(), "out": nn.Tanh()}).insert(1, nn.GELU()).append(nn.ELU())
    assert [name for name, _ in model.named_children()] == ["act", "1", "out", "3"]
    model.pop(0)
    assert [name for name, _ in model.named_children()] == ["0", "out", "2"]


def test_a_slice_of_a_list_is_a_list():
    modules = nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.ELU()])
    assert (type(modules[1:]), kinds(modules[1:])) == (nn.ModuleList, ["Tanh", "ELU"])


def test_a_dict_of_modules_has_the_methods_of_a_dict():
    relu, linear = nn.ReLU(), nn.Linear(1, 1)
    modules = nn.ModuleDict({"a": relu, "b": linear})
    assert "a" in modules
    assert relu not in modules
    assert ([*modules], [*modules.keys()], [*modules.values()]) == (["a", "b"], ["a", "b"], [relu, linear])
    assert [*modules.items()] == [("a", relu), ("b", linear)]
    assert modules.pop("a") is relu
    assert (modules.pop("a", 3), modules.get("a"), len(modules)) == (3, None, 1)
    modules.update({"c": relu, "b": nn.Tanh()})
    modules.update([("d", linear)])
    assert [type(m).__name__ for m in modules.values()] == ["Tanh", "ReLU", "Linear"]
    assert kinds(nn.Sequential(modules)) == ["ModuleDict"]
    assert modules in {modules}
    for change in (modules.__getitem__, modules.__delitem__, modules.pop):
        with pytest.raises(KeyError):
            change("x")
    modules.clear()
    assert not modules
    assert [*nn.ModuleDict([("a", relu)])] == ["a"]
