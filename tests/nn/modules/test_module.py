"""Modules: what they find, how they name it, what they save, and whom operations belong to."""

import copy
import pickle

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DTypeError, ShapeError
from glassgrad.nn.errors import StateError


class Encoder(nn.Module):
    def __init__(self):
        self.first = nn.Linear(3, 4, seed=0)
        self.second = nn.Linear(4, 2, bias=False, seed=1)
        self.register_buffer("scale", ag.Tensor([1.0, 2.0], dtype="float32"))

    def forward(self, x):
        return self.second(nn.functional.tanh(self.first(x))) * self.scale


class Net(nn.Module):
    def __init__(self):
        self.encoder = Encoder()
        self.shift = nn.Parameter([0.5, 0.5])

    def forward(self, x):
        return self.encoder(x) + self.shift


def names(module):
    return [p.name for p in module.parameters()]


def test_finds_everything_in_the_order_of_assignment():
    net = Net()
    assert [path for path, _ in net.named_modules()] == ["", "encoder", "encoder.first", "encoder.second"]
    paths = ["shift", "encoder.first.weight", "encoder.first.bias", "encoder.second.weight"]
    assert [path for path, _ in net.named_parameters()] == paths
    assert [path for path, _ in net.named_buffers()] == ["encoder.scale"]
    assert [*net.children()] == [net.encoder]
    assert [*net.buffers()] == [net.encoder.scale]


def test_parameters_are_named_by_their_path_and_move_with_their_module():
    encoder = Encoder()
    assert names(encoder) == ["first.weight", "first.bias", "second.weight"]
    net = nn.Sequential(encoder, nn.Sigmoid())
    outer = nn.Sequential({"body": net})
    assert names(outer) == ["body.0.first.weight", "body.0.first.bias", "body.0.second.weight"]
    assert encoder.scale.name == "body.0.scale"


def test_the_first_home_and_names_given_by_hand_stay():
    class Tied(nn.Module):
        def __init__(self):
            self.a = nn.Linear(2, 2)
            self.b = nn.Linear(2, 2)
            self.b.weight = self.a.weight
            self.theta = nn.Parameter(1.0, name="θ")

    tied = nn.Sequential(Tied())
    assert [path for path, _ in tied.named_parameters()] == ["0.theta", "0.a.weight", "0.a.bias", "0.b.bias"]
    assert names(tied) == ["θ", "0.a.weight", "0.a.bias", "0.b.bias"]
    assert names(nn.Sequential(tied[0].a)) == ["0.a.weight", "0.a.bias"]


def test_operations_carry_the_path_and_class_of_their_modules():
    net = Net()
    y = net(np.ones((1, 3), np.float32))
    by_op = {node.op.name: node.scope for node in ag.Graph(y).nodes if node.op}
    assert by_op["add"] == (("", "Net"),)
    assert by_op["tanh"] == (("", "Net"), ("encoder", "Encoder"))
    assert by_op["linear"] == (("", "Net"), ("encoder", "Encoder"), ("encoder.second", "Linear"))
    assert (y * 2).node.scope is None


def test_scopes_follow_the_caller_and_a_move():
    layer = nn.Sigmoid()
    x = ag.Tensor([1.0], requires_grad=True)
    assert layer(x).node.scope == (("", "Sigmoid"),)
    with ag.scope("outside", "Outside"):
        assert layer(x).node.scope == (("outside", "Outside"), ("", "Sigmoid"))
    model = nn.Sequential({"act": layer})
    assert model(x).node.scope == (("", "Sequential"), ("act", "Sigmoid"))
    assert layer(x).node.scope == (("act", "Sigmoid"),)


def test_the_scope_ends_where_forward_fails():
    class Broken(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken()(1)
    assert ag.exp(ag.Tensor(1.0, requires_grad=True)).node.scope is None


def test_a_call_under_no_grad_records_nothing_and_leaves_the_mode():
    net = Net()
    with ag.no_grad():
        assert not net(np.ones((1, 3), np.float32)).requires_grad
    assert net(np.ones((1, 3), np.float32)).requires_grad


def test_modules_that_a_list_was_given_later_are_refused_where_they_are_missed():
    net = Net()
    net.more = []
    net.more.append(nn.Sigmoid())
    with pytest.raises(DTypeError, match=r"Net.more = list of modules or parameters, which .* nn.Sequential"):
        list(net.parameters())


def test_state_is_a_snapshot_that_loads_back():
    net = Net()
    state = net.state_dict()
    assert list(state) == [path for path, _ in net._named_state()]
    assert {"shift", "encoder.scale", "encoder.first.weight"} < state.keys()
    before = {name: value.numpy().copy() for name, value in state.items()}
    for tensor in net.parameters():
        tensor.data = tensor.data + 1
    assert all((state[name].numpy() == before[name]).all() for name in state)
    parameters = [*net.parameters()]
    net.load_state_dict(state)
    assert all((value.detach().numpy() == before[name]).all() for name, value in net._named_state())
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))


def test_loading_copies_and_keeps_the_dtype():
    layer = nn.Linear(2, 1)
    weight = np.array([[1.0, 2.0]])
    layer.load_state_dict({"weight": weight, "bias": [3]})
    weight[:] = 0
    assert layer.weight.tolist() == [[1.0, 2.0]]
    assert layer.bias.tolist() == [3.0]
    assert layer.weight.dtype == layer.bias.dtype == ag.float32


def test_a_state_that_does_not_fit_is_refused_whole():
    layer = nn.Linear(2, 3, seed=0)
    before = layer.weight.tolist()
    with pytest.raises(StateError) as error:
        layer.load_state_dict({"weight": np.zeros((4, 2)), "gain": 1.0})
    assert str(error.value) == (
        "Linear(2, 3) can't take this state: 'bias' is missing; 'gain' is unexpected; 'weight' is (3, 2) here and "
        "(4, 2) in the state. Nothing was changed. Build the module with the sizes of the state; load_state_dict(…, "
        "strict=False) ignores missing and unexpected names."
    )
    with pytest.raises(StateError, match=r"'bias' is \(3,\) here and \(2,\) in the state"):
        layer.load_state_dict({"weight": np.ones((3, 2)), "bias": np.ones(2)}, strict=False)
    assert layer.weight.tolist() == before
    layer.load_state_dict({"bias": [1, 2, 3], "gain": 1.0}, strict=False)
    assert (layer.bias.tolist(), layer.weight.tolist()) == ([1.0, 2.0, 3.0], before)


def test_a_long_list_of_faults_is_cut():
    model = nn.MLP([2] * 12)
    with pytest.raises(StateError, match=r"'layers.2.bias' is missing; 14 more; 'layers.18.weight' is missing"):
        model.load_state_dict({})
    with pytest.raises(StateError, match=r"is missing; 16 more; .*'module\.0' is unexpected; 'module\.1' is"):
        model.load_state_dict({f"module.{n}": np.ones(2) for n in range(2)})


def test_modes_reach_everything_below():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())


def test_zero_grad_and_freezing():
    net = Net()
    net(np.ones((1, 3), np.float32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.encoder.requires_grad_(False)
    net(np.ones((1, 3), np.float32)).sum().backward()
    assert [p.grad is not None for p in net.parameters()] == [True, False, False, False]


def test_to_changes_the_dtype_of_what_floats():
    net = Net()
    net.register_buffer("count", ag.Tensor([3]))
    net(np.ones((1, 3), np.float32)).sum().backward()
    weight = net.encoder.first.weight
    assert net.to("float64") is net
    assert net.encoder.first.weight is weight
    assert {str(t.dtype) for t in net.parameters()} == {"float64"}
    assert {str(p.grad.dtype) for p in net.parameters()} == {"float64"}
    assert (str(net.encoder.scale.dtype), str(net.count.dtype)) == ("float64", "int64")
    assert weight.requires_grad
    assert net.to("cpu").encoder.first.weight.device == "cpu"


def test_apply_visits_children_before_their_parent():
    met = []
    net = Net()
    assert net.apply(lambda module: met.append(type(module).__name__)) is net
    assert met == ["Linear", "Linear", "Encoder", "Net"]


def test_a_repr_reads_like_the_net():
    assert repr(Net()) == (
        "Net: 26 parameters\n"
        "  shift           Parameter (2,)             2\n"
        "  encoder.first   Linear(3, 4)              16\n"
        "  encoder.second  Linear(4, 2, bias=False)   8"
    )
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(slope=0.2)"
    assert repr(nn.Softmax()) == "Softmax()"


def test_a_module_whose_arguments_do_not_tell_its_size_shows_its_own_parameters():
    class Shift(nn.Module):
        def __init__(self):
            self.shift = nn.Parameter(np.ones(1200))

    assert repr(Shift()) == "Shift: 1,200 parameters\n  shift  Parameter (1200,)  1,200"
    assert repr(nn.Linear(2, 3)) == "Linear(2, 3)"
    assert repr(nn.ReLU()) == "ReLU()"


def test_a_seed_for_a_layer_that_draws_nothing_is_refused():
    with pytest.raises(TypeError, match="RMSNorm: got an unexpected keyword argument 'seed'"):
        nn.RMSNorm(3, seed=0)


def test_copies_are_independent_and_keep_names():
    net = nn.Sequential(Net())
    net(np.ones((1, 3), np.float32)).sum().backward()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        assert names(twin) == names(net)
        assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in twin.parameters())
        for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
            assert theirs is not mine
            assert theirs.tolist() == mine.tolist()
            assert theirs.grad.tolist() == mine.grad.tolist()
        twin[0].shift.data = twin[0].shift.data + 1
        assert net[0].shift.tolist() == [0.5, 0.5]
        assert twin(np.ones((1, 3), np.float32)).node.scope == (("", "Sequential"), ("0", "Net"))


def test_attributes_can_be_replaced():
    net = Net()
    net.encoder = nn.Linear(3, 2, seed=0)
    assert [path for path, _ in net.named_parameters()] == ["shift", "encoder.weight", "encoder.bias"]
    net.shift = None
    assert [path for path, _ in net.named_parameters()] == ["encoder.weight", "encoder.bias"]


def test_a_buffer_may_be_called_as_pytorch_calls_its_count_of_batches():
    class Counted(nn.BatchNorm1d):
        def __init__(self):
            super().__init__(2)
            self.register_buffer("num_batches_tracked", ag.Tensor(0.0))

    first, second = Counted(), Counted()
    first.num_batches_tracked = ag.Tensor(3.0)
    second.load_state_dict(first.state_dict())
    assert second.num_batches_tracked.tolist() == 3.0
    nn.BatchNorm1d(2).load_state_dict(first.state_dict())


class Again(nn.Module):
    """Two modules are called twice, one is not called."""

    def __init__(self):
        self.relu, self.linear, self.tanh = nn.ReLU(), nn.Linear(2, 2, seed=0), nn.Tanh()
        self.idle = nn.Tanh()

    def forward(self, x):
        return self.tanh(self.relu(self.linear(self.relu(self.linear(x)))))


def test_activations_are_the_last_outputs_in_their_order():
    x = np.array([[1.0, -2.0]], "float32")
    net = Again()
    found = nn.activations(net, x)
    assert [*found] == ["linear", "relu", "tanh", ""]
    h = net.linear(net.relu(net.linear(x)))
    assert (found["linear"].tolist(), found["relu"].tolist()) == (h.tolist(), net.relu(h).tolist())
    assert found[""] is found["tanh"]


def test_gradients_at_activations_are_those_of_the_recorded_graph():
    net, x = nn.MLP([2, 3, 1], seed=0, dtype="float64"), np.array([[1.0, -2.0], [0.5, 1.0]])
    found = nn.activations(net, x)
    at_hidden, at_weight = ag.gradients(ag.sum(found[""] ** 2), [found["layers.1"], net.layers[0].weight])
    tail = ag.grad(lambda h: ag.sum(net.layers[2](h) ** 2))(found["layers.1"].data)
    np.testing.assert_allclose(at_hidden.data, tail.data, rtol=1e-12)
    expected = ag.grad(lambda w: ag.sum(nn.functional_call(net, {"layers.0.weight": w}, x) ** 2))(net.layers[0].weight)
    np.testing.assert_allclose(at_weight.data, expected.data, rtol=1e-12)


def test_activations_leave_the_module_as_it_was_and_compute_the_same_compiled():
    net, x = Again(), np.array([[1.0, -2.0]], "float32")
    net(x)
    before = {name: [*vars(part)] for name, part in net.named_modules()}
    with pytest.raises(ShapeError):
        nn.activations(net, x[:, :1])
    found = nn.activations(net, x)
    assert {name: [*vars(part)] for name, part in net.named_modules()} == before
    assert ag.compile(lambda x: nn.activations(net, x))(x)["relu"].tolist() == found["relu"].tolist()
    replaced = nn.ReLU()
    replaced.forward = lambda x: x * 2
    assert nn.activations(replaced, x)[""].tolist() == replaced(x).tolist() == (x * 2).tolist()
