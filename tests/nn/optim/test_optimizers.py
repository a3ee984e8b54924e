"""Optimizers: PyTorch's steps where it is installed, their state, their options, what they refuse."""

import copy
import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError, TraceError
from glassgrad.nn.errors import StateError
from tests.training import updating

VARIANTS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.2}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.2}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.7, 0.9), "weight_decay": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "momentum": 0.9, "weight_decay": 0.2}),
    ("RMSprop", {"lr": 0.1, "centered": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5}),
]


def start(dtype="float64"):
    rng = np.random.default_rng(0)
    return [ag.Tensor(rng.normal(size=shape), requires_grad=True, dtype=dtype) for shape in ((3, 2), (2,), ())]


def set_grads(parameters, step):
    rng = np.random.default_rng(step)
    for i, p in enumerate(parameters):
        missing = (i == 1 and step == 2) or (i == 2 and step < 1)
        p.grad = None if missing else ag.Tensor(rng.normal(size=p.shape), dtype=p.dtype)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_every_step_is_pytorchs(name, options):
    torch = pytest.importorskip("torch")
    ours = start()
    theirs = [torch.tensor(p.data, requires_grad=True) for p in ours]
    mine = getattr(nn.optim, name)(ours, **options)
    reference = getattr(torch.optim, name)(theirs, **options)
    for step in range(6):
        set_grads(ours, step)
        for p, q in zip(ours, theirs, strict=True):
            q.grad = None if p.grad is None else torch.tensor(p.grad.data)
        mine.step()
        reference.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-14, err_msg=f"step {step}")


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_float32_stays_float32_and_in_place_and_gradients_stay(name, options):
    parameters = start("float32")
    optimizer = getattr(nn.optim, name)(parameters, **options)
    arrays = [p.data for p in parameters]
    before = [a.copy() for a in arrays]
    for step in range(1, 4):
        set_grads(parameters, step)
        grads = [None if p.grad is None else p.grad.tolist() for p in parameters]
        optimizer.step()
        assert [None if p.grad is None else p.grad.tolist() for p in parameters] == grads
    for p, array, old in zip(parameters[:2], arrays, before, strict=False):
        assert p.data is array
        assert (array != old).all()
    assert {str(p.dtype) for p in parameters} == {"float32"}
    kept = [t for state in optimizer.state.values() for k, t in state.items() if k != "step"]
    assert {str(t.dtype) for t in kept} <= {"float32"}


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_training_continues_from_a_loaded_state(name, options, tmp_path):
    parameters = start()
    optimizer = getattr(nn.optim, name)(parameters, **options)
    for step in range(1, 3):
        set_grads(parameters, step)
        optimizer.step()
    optimizer.param_groups[0]["lr"] *= 0.5
    nn.save(optimizer.state_dict(), tmp_path / "state.npz")
    twins = [ag.Tensor(p, requires_grad=True) for p in parameters]
    restored = getattr(nn.optim, name)(twins, **options)
    restored.load_state_dict(nn.load(tmp_path / "state.npz"))
    for step in range(3, 6):
        for members, one in ((parameters, optimizer), (twins, restored)):
            set_grads(members, step)
            one.step()
    assert all((p.data == q.data).all() for p, q in zip(parameters, twins, strict=True))


def test_a_state_is_a_snapshot():
    parameters = start()
    optimizer = nn.optim.SGD(parameters, lr=0.1, momentum=0.9)
    state = optimizer.state_dict()
    set_grads(parameters, 1)
    optimizer.step()
    assert not state["state"][0]["momentum_buffer"].data.any()
    assert optimizer.state[parameters[0]]["momentum_buffer"].data.any()


def test_another_optimizers_state_is_refused_whole():
    optimizer = nn.optim.SGD(start(), lr=0.1, momentum=0.9)
    others = [nn.optim.SGD(members, lr=0.5, momentum=0.9) for members in (start()[:2], start()[::-1], start(), start())]
    few, turned, bad, late = (other.state_dict() for other in others)
    bad["param_groups"][0]["lr"] = -1.0
    late["param_groups"][0]["initial_lr"] = "x"
    for state, words in (
        (nn.optim.Adam(start()).state_dict(), r"its groups .* \[\(3, \['betas'.*, and this optimizer's \[\(3, \['lr'"),
        (few, r"its groups .* \[\(2, \['lr'.*, and this optimizer's \[\(3, \['lr'"),
        (turned, r"for parameter 0, \(3, 2\) float64, it has \{'momentum_buffer': \(\)\} instead of .*\(3, 2\)"),
        (bad, "SGD: lr = -1.0 is out of range"),
        (late, "SGD: initial_lr = 'x' is a str"),
    ):
        with pytest.raises(StateError, match=rf"SGD can't load this state: {words}.*\. Nothing was loaded\."):
            optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("kind", [nn.optim.SGD, nn.optim.RMSprop])
def test_an_option_switched_on_later(kind):
    """What it accumulates starts then, and a state saved afterwards is taken by an optimizer as it was made."""
    early, late, third = start(), start(), start()
    optimizer, switched = kind(early, lr=0.1, momentum=0.5), kind(late, lr=0.1)
    switched.param_groups[0]["momentum"] = np.float32(0.5)
    for step in range(3):
        for weights, each in ((early, optimizer), (late, switched)):
            set_grads(weights, step)
            each.step()
    again = kind(third, lr=0.1)
    for w, p in zip(third, late, strict=True):
        w.data = p.detach().data
    again.load_state_dict(switched.state_dict())
    for weights, each in ((early, optimizer), (third, again)):
        set_grads(weights, 3)
        each.step()
    for p, q in zip(early, third, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_number_of_numpys_is_pythons():
    weight = nn.Parameter(1.0)
    optimizer = nn.optim.SGD([weight], lr=np.float64(0.5))
    optimizer.param_groups[0]["lr"] = np.float64(0.25)
    (weight * weight).backward()
    optimizer.step()
    assert (type(optimizer.param_groups[0]["lr"]), weight.item(), weight.dtype) == (float, 0.5, ag.float32)


def test_a_schedule_in_the_state_is_no_obstacle():
    optimizer = nn.optim.SGD(start(), lr=0.1)
    nn.optim.lr_scheduler.StepLR(optimizer, 1)
    fresh = nn.optim.SGD(start(), lr=0.3)
    fresh.load_state_dict(optimizer.state_dict())
    assert fresh.param_groups[0]["initial_lr"] == 0.1
    optimizer.load_state_dict(nn.optim.SGD(start(), lr=0.2).state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.2


def test_groups_have_options_of_their_own():
    w, b, s = start()
    optimizer = nn.optim.SGD([{"params": [w], "weight_decay": 1.0}, {"params": b, "lr": 1.0}, {"params": [s]}], lr=0.5)
    for p in (w, b, s):
        p.grad = ag.zeros_like(p)
    b.grad = ag.ones_like(b)
    before = [p.data.copy() for p in (w, b, s)]
    optimizer.step()
    np.testing.assert_allclose(w.data, 0.5 * before[0])
    np.testing.assert_allclose(b.data, before[1] - 1)
    np.testing.assert_allclose(s.data, before[2])


def test_a_copy_trains_its_own_copy():
    w = ag.Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, momentum=0.9)
    w2, twin = copy.deepcopy((w, optimizer))
    w2.grad = ag.Tensor([1.0])
    twin.step()
    assert (w.tolist(), w2.tolist()) == ([1.0], [0.9])
    assert not optimizer.state[w]["momentum_buffer"].data.any()


def test_a_repr_tells_the_options():
    text = "SGD(lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=False: 9 parameters)"
    assert repr(nn.optim.SGD(start(), lr=0.1)) == text


def test_clipping_edges():
    p = ag.Tensor([3.0, 4.0], requires_grad=True, dtype="float32")
    assert nn.optim.clip_grad_norm_([p], 1.0).item() == 0
    p.grad = ag.Tensor([3.0, 4.0], dtype="float32")
    assert nn.optim.clip_grad_norm_(p, 1.0).item() == 5
    np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-6)
    assert p.grad.dtype == ag.float32
    large = ag.Tensor(np.ones(3, "float16"), requires_grad=True)
    large.grad = ag.Tensor(np.full(3, 300.0, "float16"))
    assert float(nn.optim.clip_grad_norm_([large], 1.0)) == pytest.approx(519.6, rel=1e-3)
    np.testing.assert_allclose(large.grad.data, 0.577, rtol=1e-2)
    assert large.grad.dtype == np.float16


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5.0, "float 5.0"),
        (np.ones((3, 2)), r"ndarray \(3, 2\) float64"),
        (ag.Tensor(1.0), r"Tensor \(\) float64"),  # it would be broadcast
    ],
    ids=str,
)
def test_a_gradient_set_by_hand_must_fit(given, said):
    weights = start()
    set_grads(weights, 1)
    weights[0].grad = given
    before = [w.tolist() for w in weights]
    optimizer = nn.optim.Adam(weights[::-1])
    for attempt in (optimizer.step, lambda: nn.optim.clip_grad_norm_(weights, 1.0)):
        with pytest.raises(ShapeError, match=rf"the \.grad of parameter \(3, 2\) float64 is {said}: it must be"):
            attempt()
    assert [w.tolist() for w in weights] == before


def test_a_centered_variance_is_never_below_zero():
    w = ag.Tensor(np.array([1.0], dtype="float32"), requires_grad=True)
    optimizer = nn.optim.RMSprop([w], lr=1e-6, centered=True)
    for _ in range(1300):
        w.grad = ag.Tensor(np.array([0.1], dtype="float32"))
        optimizer.step()
    assert np.isfinite(w.item())


def test_options_set_by_any_dict_method_are_validated():
    w = ag.Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1)
    (group,) = optimizer.param_groups
    for value in ("a", None, -1.0, math.nan, np.ones(2)):
        for change in (lambda value: group.__setitem__("lr", value), lambda value: group.update(lr=value)):
            with pytest.raises((DomainError, DTypeError), match=r"SGD: lr (= .*|is None)"):
                change(value)
    assert group["lr"] == 0.1
    group.update(momentum=0.9, nesterov=True)  # one does not go without the other
    group |= {"lr": 0.2}
    assert (group["momentum"], group["nesterov"], group["lr"]) == (0.9, True, 0.2)
    w.grad = ag.ones(1)
    optimizer.step()
    assert optimizer.state[w]["momentum_buffer"].tolist() == [1.0]


class Signs(nn.optim.Optimizer):
    """An optimizer of one's own, in the documented way."""

    def __init__(self, params, lr=0.1, momentum=0.5):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def initial_state(self, parameter, options):
        return {"average": ag.zeros_like(parameter)}

    def update(self, group):
        for p in group["params"]:
            if p.grad is not None:
                average = self.state[p]["average"]
                average.data = group["momentum"] * average.data + p.grad.data
                p.data -= group["lr"] * np.sign(average.data)


class Steps(Signs):
    """One that overrides `step`, as optimizers of PyTorch do."""

    def step(self):
        for group in self.param_groups:
            Signs.update(self, group)


@pytest.mark.parametrize("kind", [Signs, Steps])
def test_an_optimizer_of_ones_own_steps_alike_eagerly_and_compiled_and_is_restored(kind):
    def run(steps, compiled, before=None):
        w = ag.Tensor([1.0, -2.0] if before is None else before[0], requires_grad=True)
        optimizer = kind([w])
        if before is not None:
            optimizer.load_state_dict(before[1])
        step = updating(optimizer, lambda: ag.sum(w * w))
        step = ag.compile(step) if compiled else step
        for i in range(steps):
            step()
            if i == 2:
                optimizer.param_groups[0]["lr"] = 0.4
        return w.tolist(), optimizer.state_dict()

    whole = run(6, False)
    by_hand, average, rate = np.array([1.0, -2.0]), np.zeros(2), 0.1
    for i in range(6):
        average = 0.5 * average + 2 * by_hand
        by_hand = by_hand - rate * np.sign(average)
        rate = 0.4 if i == 2 else rate
    np.testing.assert_allclose(whole[0], by_hand, rtol=1e-12)
    assert run(6, True)[0] == whole[0]
    half = run(3, True)
    assert run(3, False, half)[0] != half[0]
    assert run(3, False, half)[1]["state"][0]["average"].tolist() == whole[1]["state"][0]["average"].tolist()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {})])
def test_parameters_that_are_appended_and_states_that_are_cleared_begin_anew(name, options, compiled):
    """Adam ended in a KeyError that printed the parameter; a compiled step went on as before."""

    def run(change, compiled):
        w, v = (ag.Tensor(x, requires_grad=True) for x in ([1.0, -2.0], [3.0, 5.0]))
        optimizer = getattr(nn.optim, name)([w], lr=0.1, **options)
        step = updating(optimizer, lambda: ag.sum(w * v * w))
        stepping = ag.compile(step) if compiled else step
        for i in range(4):
            if i == 2:
                change(optimizer, w, v)
            stepping()
        return w.tolist(), v.tolist(), optimizer

    def renew(optimizer, w, v):
        optimizer.load_state_dict(getattr(nn.optim, name)([w], lr=0.1, **options).state_dict())

    appended, fresh = (run(change, compiled) for change in (append, renew))
    assert appended[1] != [3.0, 5.0]
    assert appended[:2] == run(append, False)[:2]
    assert len(appended[2].state_dict()["state"]) == 2
    for change in (lambda optimizer, w, v: optimizer.state.clear(), lambda optimizer, w, v: optimizer.state[w].clear()):
        np.testing.assert_allclose(run(change, compiled)[0], fresh[0], rtol=1e-12)
    with pytest.raises(StateError, match=r"groups .* \[\(1, .*, and this optimizer's \[\(2, "):
        appended[2].load_state_dict(fresh[2].state_dict())


def append(optimizer, w, v):
    optimizer.param_groups[0]["params"].append(v)


def test_state_that_a_step_makes_itself_is_refused_in_a_compiled_function():
    class Late(Signs):
        def initial_state(self, parameter, options):
            return {}

        def step(self):
            for p in self.param_groups[0]["params"]:
                self.state[p]["average"] = p.grad * 1.0

    w = ag.Tensor([1.0, -2.0], requires_grad=True)
    with pytest.raises(TraceError, match="keeps after the call, where it would have no values"):
        ag.compile(updating(Late([w]), lambda: ag.sum(w * w)))()


@pytest.mark.parametrize("wrap", [lambda step: step, ag.compile], ids=["eager", "compiled"])
def test_parameters_share_a_count_of_steps_while_they_are_updated_together(wrap):
    """One that is left out for some steps, or is in another group, counts by itself, as in PyTorch."""
    parameters = [ag.Tensor([1.0, 2.0], requires_grad=True) for _ in range(3)]
    optimizer = nn.optim.Adam([{"params": parameters[:2]}, {"params": parameters[2:]}], lr=0.1)

    def counts():
        return [optimizer.state[p]["step"].item() for p in parameters]

    step = wrap(updating(optimizer, lambda: sum((p * p).sum() for p in parameters if p.requires_grad)))
    parameters[1].requires_grad = False
    for _ in range(2):
        step()
    assert counts() == [2, 0, 2]
    parameters[1].requires_grad = True
    before = parameters[1].data.copy()
    step()
    np.testing.assert_allclose(before - parameters[1].data, 0.1, rtol=1e-6)  # its first step
    optimizer.param_groups[1]["params"].append(optimizer.param_groups[0]["params"].pop())
    step()
    optimizer.load_state_dict(optimizer.state_dict())
    step()
    assert counts() == [5, 3, 5]
    assert nn.optim.Adam(parameters).state[parameters[0]]["step"] is not optimizer.state[parameters[2]]["step"]
