"""Schedules: PyTorch's rates where it is installed."""

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.optim import lr_scheduler as ours


def sgd(lr=0.8):
    a, b = ag.Tensor(1.0, requires_grad=True), ag.Tensor(1.0, requires_grad=True)
    return nn.optim.SGD([{"params": [a]}, {"params": [b], "lr": lr / 2}], lr=lr)


def rates(optimizer, schedule, epochs=12, values=None):
    found = []
    for epoch in range(epochs):
        found.append([group["lr"] for group in optimizer.param_groups])
        schedule.step(*(() if values is None else (values[epoch],)))
    return found


@pytest.mark.parametrize(
    ("name", "options", "theirs"),
    [
        ("StepLR", {"step_size": 3, "gamma": 0.5}, None),
        ("MultiStepLR", {"milestones": [2, 7], "gamma": 0.5}, None),
        ("ExponentialLR", {"gamma": 0.9}, None),
        ("CosineAnnealingLR", {"T_max": 12}, None),
        ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.1}, None),
        ("LinearLR", {}, None),
        ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 4}, None),
        ("LambdaLR", {"factor": lambda epoch: 1 / (1 + epoch)}, {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ],
)
def test_rates_are_pytorchs(name, options, theirs):
    torch = pytest.importorskip("torch")
    optimizer = sgd()
    mine = rates(optimizer, getattr(ours, name)(optimizer, **options))
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    reference = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.4}], lr=0.8)
    schedule = getattr(torch.optim.lr_scheduler, name)(reference, **(theirs or options))
    reference.step()
    for epoch, pair in enumerate(mine):
        assert pair == pytest.approx([group["lr"] for group in reference.param_groups], rel=1e-9), epoch
        schedule.step()


@pytest.mark.parametrize(
    "options", [{"patience": 1}, {"patience": 0, "factor": 0.5, "threshold": 0.1}, {"min_lr": 0.03, "patience": 0}]
)
def test_plateaus_are_pytorchs(options):
    torch = pytest.importorskip("torch")
    values = [1.0, 0.9, 0.95, 0.9, 0.9, 0.5, 0.49, 0.48, 0.6, 0.6, 0.6, 0.6]
    optimizer = sgd()
    mine = rates(optimizer, ours.ReduceLROnPlateau(optimizer, **options), values=values)
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    reference = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.4}], lr=0.8)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(reference, **options)
    for epoch, pair in enumerate(mine):
        assert pair == pytest.approx([group["lr"] for group in reference.param_groups]), epoch
        schedule.step(values[epoch])


def test_in_sequence_each_starts_from_the_first_rate():
    optimizer = sgd()
    parts = [ours.LinearLR(optimizer, 0.5, total_iters=2), ours.ExponentialLR(optimizer, 0.1)]
    schedule = ours.SequentialLR(optimizer, parts, milestones=[2])
    assert [pair[0] for pair in rates(optimizer, schedule, 4)] == pytest.approx([0.4, 0.6, 0.8, 0.08])


@pytest.mark.parametrize(
    ("make", "values"), [(lambda o: ours.StepLR(o, 2), []), (lambda o: ours.ReduceLROnPlateau(o, patience=1), [1.0])]
)
def test_a_schedule_continues_from_a_loaded_state(make, values, tmp_path):
    optimizer, twin_optimizer = sgd(), sgd(5.0)
    schedule, twin = make(optimizer), make(twin_optimizer)
    nn.save(schedule.state_dict(), tmp_path / "fresh.npz")
    assert nn.load(tmp_path / "fresh.npz").get("best", math.inf) == math.inf
    for _ in range(3):
        schedule.step(*values)
    nn.save({"o": optimizer.state_dict(), "s": schedule.state_dict()}, tmp_path / "state.npz")
    state = nn.load(tmp_path / "state.npz")
    twin_optimizer.load_state_dict(state["o"])
    twin.load_state_dict(state["s"])
    for _ in range(4):
        schedule.step(*values)
        twin.step(*values)
        assert [g["lr"] for g in twin_optimizer.param_groups] == [g["lr"] for g in optimizer.param_groups]


def test_a_schedule_made_after_loading_the_state_continues():
    weights = [ag.Tensor(1.0, requires_grad=True)]
    optimizer = nn.optim.SGD(weights, lr=0.1)
    schedule = nn.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)
    for _ in range(5):
        schedule.step()
    saved = optimizer.state_dict(), schedule.state_dict()
    rate = optimizer.param_groups[0]["lr"]
    for state in (saved[0], None):
        again = nn.optim.SGD(weights, lr=0.1)
        if state:
            again.load_state_dict(state)
        nn.optim.lr_scheduler.StepLR(again, 2, 0.1).load_state_dict(saved[1])
        assert again.param_groups[0]["lr"] == pytest.approx(rate) == pytest.approx(0.001)


def test_a_plateau_schedule_never_raises_the_rate():
    optimizer = nn.optim.SGD([ag.Tensor(1.0, requires_grad=True)], lr=1e-4)
    plateau = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=1e-3)
    assert optimizer.param_groups[0]["lr"] == 1e-4
    plateau = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=np.float32(0.5), patience=0)
    plateau.step(1.0)
    plateau.step(2.0)
    assert type(plateau.state_dict()["scale"]) is float


def test_plateau_of_values_below_zero():
    optimizer = nn.optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    schedule = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    for _ in range(3):
        schedule.step(-5.0)
    assert optimizer.param_groups[0]["lr"] < 1.0


def test_the_state_of_another_schedule_changes_nothing():
    optimizer = nn.optim.SGD([ag.Tensor(1.0, requires_grad=True)], lr=1.0)
    schedule = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    before = schedule.state_dict()
    with pytest.raises(nn.errors.StateError, match=r"Nothing was loaded\."):
        schedule.load_state_dict({"epoch": 3})
    assert (schedule.state_dict(), optimizer.param_groups[0]["lr"]) == (before, 1.0)
    schedule = nn.optim.lr_scheduler.LambdaLR(optimizer, [1.0, 0.5].__getitem__)
    schedule.step()
    for change in (schedule.step, lambda: schedule.load_state_dict({"epoch": 2})):
        with pytest.raises(IndexError):
            change()
        assert (schedule.epoch, optimizer.param_groups[0]["lr"]) == (1, 0.5)
