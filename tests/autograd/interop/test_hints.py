"""Names of other libraries: the message says what is called so here, and what it names exists."""

from __future__ import annotations

import re

import pytest

import autograd as ag
import nn
from autograd.interop.hints import FUNCTIONS, NETWORK_FUNCTIONS, NETWORKS, TENSOR


@pytest.mark.parametrize(
    ("name", "home", "says"),
    [
        ("view", ag.Tensor([1.0]), "a Tensor has no attribute 'view': use reshape."),
        ("softmax", ag.Tensor([1.0]), "a Tensor has no attribute 'softmax': use autograd.softmax(x)."),
        ("blurb", ag.Tensor([1.0]), "'Tensor' object has no attribute 'blurb'"),
        ("_private", ag.Tensor([1.0]), "'Tensor' object has no attribute '_private'"),
        ("cat", ag, "autograd has no function 'cat': use concat."),
        ("blurb", ag, "autograd has no function 'blurb'."),
        ("DataLoader", nn, "nn has no 'DataLoader': use data.minibatches, or fit, which draws them."),
        ("Blurb", nn, "nn has no 'Blurb'."),
        ("nll_loss", nn.functional, "nn.functional has no 'nll_loss': use cross_entropy, of logits."),
    ],
)
def test_the_message_gives_the_name_used_here(name, home, says):
    assert not hasattr(home, name)
    with pytest.raises(AttributeError, match=f"^{re.escape(says)}$"):
        getattr(home, name)


@pytest.mark.parametrize(
    ("table", "home"), [(TENSOR, ag.Tensor), (FUNCTIONS, ag), (NETWORKS, nn), (NETWORK_FUNCTIONS, nn.functional)]
)
def test_hinted_names_exist_and_missing_names_do_not(table, home):
    for elsewhere, here in table.items():
        assert not hasattr(home, elsewhere)
        for path in re.findall(r"autograd(?:\.\w+)+", here):
            _, *names = path.split(".")
            found = ag
            for name in names:
                found = getattr(found, name)
        if re.match(r"\w+(\.\w+)*(?=$|,|\()", here) and not here.startswith(
            ("autograd", "numpy", "x[", "attributes", "a loop")
        ):
            found = home
            for name in re.match(r"\w+(\.\w+)*", here)[0].split("."):
                found = getattr(found, name)


def test_names_of_other_libraries_are_not_listed_among_the_attributes():
    assert {"reshape", "grad"} < {*dir(ag.Tensor(1.0))}
    assert not {"view", "softmax"} & {*dir(ag.Tensor(1.0))}
