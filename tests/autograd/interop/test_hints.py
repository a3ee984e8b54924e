"""Names of other libraries: the message says what is called so here, and what it names exists."""

from __future__ import annotations

import re

import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.interop.hints import FUNCTIONS, MODULES, NETWORKS, OPERATION, TENSOR


@pytest.mark.parametrize(
    ("name", "home", "says"),
    [
        ("view", ag.Tensor([1.0]), "a Tensor has no attribute 'view': use reshape."),
        ("softmax", ag.Tensor([1.0]), "a Tensor has no attribute 'softmax': use autograd.softmax(x)."),
        ("blurb", ag.Tensor([1.0]), "'Tensor' object has no attribute 'blurb'"),
        ("_private", ag.Tensor([1.0]), "'Tensor' object has no attribute '_private'"),
        ("cat", ag, "autograd has no function 'cat': use concat."),
        ("blurb", ag, "autograd has no function 'blurb'."),
        ("random_split", nn, "nn has no 'random_split': use nn.data.hold_out."),
        ("Blurb", nn, "nn has no 'Blurb'."),
        ("Adam", nn, "nn has no 'Adam': use nn.optim.Adam."),
        ("Linear", nn.functional, "nn.functional has no 'Linear': use nn.Linear."),
        ("xavier_normal", nn.init, "nn.init has no 'xavier_normal': there is xavier_normal_."),
        ("cumsum", ag.Tensor([1.0]), "a Tensor has no attribute 'cumsum': use autograd.cumulative_sum."),
        ("arcsin", ag, "autograd has no function 'arcsin': use asin."),
        ("save", ag, "autograd has no function 'save': use nn.save."),
        ("inference_mode", ag, "autograd has no function 'inference_mode': use no_grad."),
        ("jit", ag, "autograd has no function 'jit': use compile."),
        ("nll_loss", ag, "autograd has no function 'nll_loss': use nn.functional.nll_loss."),
        ("mse_loss", ag, "autograd has no function 'mse_loss': use squared_error."),
        ("custom_vjp", ag, f"autograd has no function 'custom_vjp': use {OPERATION}."),
        ("Function", ag, f"autograd has no function 'Function': use {OPERATION}."),
        ("norm", ag.linalg, "autograd.linalg has no 'norm': use vector_norm or matrix_norm."),
        ("blurb", ag.linalg, "autograd.linalg has no 'blurb'."),
        ("Softmin", nn, "nn has no 'Softmin': use nn.Softmax, of -x."),
        ("randn", ag.random, "autograd.random has no 'randn': use normal(shape, generator=…)."),
        ("blurb", ag.random, "autograd.random has no 'blurb'."),
        (
            "TensorDataset",
            nn.data,
            "nn.data has no 'TensorDataset': use the arrays themselves: nn.data.minibatches(x, y).",
        ),
        ("cuda", nn.Module(), "a Module has no attribute 'cuda': use to(\"cuda\")."),
        ("save", nn.MLP([2, 1]), "a Module has no attribute 'save': use nn.save(model, path)."),
        ("swish", nn.functional, "nn.functional has no 'swish': use nn.functional.silu."),
        ("NAdam", nn.optim, "nn.optim has no 'NAdam': there is Adam."),
        ("Blurb", nn.optim, "nn.optim has no 'Blurb'."),
        (
            "CyclicLR",
            nn.optim.lr_scheduler,
            "nn.optim.lr_scheduler has no 'CyclicLR': use nn.optim.lr_scheduler.LambdaLR.",
        ),
        ("he_normal_", nn.init, "nn.init has no 'he_normal_': use nn.init.kaiming_normal_."),
    ],
)
def test_the_message_gives_the_name_used_here(name, home, says):
    assert not hasattr(home, name)
    with pytest.raises(AttributeError, match=f"^{re.escape(says)}$"):
        getattr(home, name)


@pytest.mark.parametrize(
    ("table", "home"),
    [
        (TENSOR, ag.Tensor),
        (FUNCTIONS, ag),
        (NETWORKS, nn),
        (ag.random.ELSEWHERE, ag.random),
        (ag.linalg.ELSEWHERE, ag.linalg),
        (MODULES, nn.Module),
    ],
)
def test_hinted_names_exist_and_missing_names_do_not(table, home):
    for elsewhere, here in table.items():
        assert not hasattr(home, elsewhere)
        for path in re.findall(r"\b(?:autograd|nn|viz)(?:\.\w+)+", here):
            package, *names = path.split(".")
            found = {"autograd": ag, "nn": nn, "viz": viz}[package]
            for name in names:
                found = getattr(found, name)
        if re.match(r"\w+(\.\w+)*(?=$|,|\()", here) and not here.startswith(
            ("autograd", "nn.", "numpy", "x[", "attributes", "a loop")
        ):
            found = home
            for name in re.match(r"\w+(\.\w+)*", here)[0].split("."):
                found = getattr(found, name)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ag.zeros(3, 4),
        lambda: ag.ones(3, 4),
        lambda: ag.empty(3, 4),
        lambda: ag.full(3, 4, 1.0),
        lambda: ag.random.normal(size=(2, 3)),
        lambda: ag.random.uniform(-1.0, 1.0, (2, 3)),
    ],
)
def test_a_shape_given_as_elsewhere_is_refused_with_the_form_used_here(call):
    with pytest.raises(TypeError, match=r"\(shape, .*\): the shape is one argument, 3 or \(3, 4\), and options"):
        call()


def test_a_method_of_ones_own_goes_before_the_hint():
    class Net(nn.Module):
        def predict(self):
            return 1

    net = Net()
    net.weights = nn.ModuleList([nn.Linear(2, 1, seed=0)])
    assert (net.predict(), len(net.weights)) == (1, 1)
    assert {"predict", "weights"} < {*dir(net)}


def test_names_of_other_libraries_are_not_listed_among_the_attributes():
    assert {"reshape", "grad"} < {*dir(ag.Tensor(1.0))}
    assert not {"view", "softmax"} & {*dir(ag.Tensor(1.0))}
    assert not {"cuda", "fit"} & {*dir(nn.Module())}
