"""Names of other libraries: the message says what is called so here, and what it names exists."""

from __future__ import annotations

import re

import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.interop.hints import FUNCTIONS, TENSOR
from glassgrad.nn.hints import MODULES, NETWORKS


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
