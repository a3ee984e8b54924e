"""Positional parameters mean what they mean in PyTorch, where a name exists in both."""

import inspect
import re
import typing

import pytest

from glassgrad import nn

torch = pytest.importorskip("torch")

SPACES = [
    (nn, torch.nn),
    (nn.functional, torch.nn.functional),
    (nn.init, torch.nn.init),
    (nn.optim, torch.optim),
    (nn.optim.lr_scheduler, torch.optim.lr_scheduler),
]
MEANINGS = {
    **dict.fromkeys(("x", "logits", "prediction", "log_prob", "indices"), "input"),
    "axis": "dim", "classes": "num_classes", "high": "b", "labels": "tensor", "low": "a",
    "options": "defaults", "slope": "negative_slope", "state": "hx", "value": "val",
}  # fmt: skip
"""The names of PyTorch's for those that are called otherwise here."""
OWN = {
    ("CrossEntropyLoss", "labels"): "target", ("Identity", "data"): "input", ("LambdaLR", "factor"): "lr_lambda",
    ("NLLLoss", "labels"): "target", ("Parameter", "data"): "data",
    ("pad", "value"): "value", ("scaled_dot_product_attention", "value"): "value",
}  # fmt: skip
"""The same for those that have another meaning in one place."""
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def positional(function):
    return [
        p.name for p in inspect.signature(function).parameters.values() if p.kind in POSITIONAL and p.name != "self"
    ]


def theirs(function):
    """The names in PyTorch; of functions in C, and of those with overloads, from what they are documented with."""
    made = getattr(function, "__init__", None)
    if overloads := inspect.isfunction(made) and typing.get_overloads(made):
        return positional(overloads[0])
    try:
        names = positional(function)
    except ValueError:
        names = []
    form = re.search(r"\w+\((.*?)\) ?->", (function.__doc__ or "").replace("\n", " "))
    return names or [part.split("=")[0].strip() for part in form[1].split(",")] if names or form else []


def shared():
    for ours, other in SPACES:
        for name in getattr(ours, "__all__", dir(ours)):
            mine = getattr(ours, name)
            named = getattr(mine, "__module__", "").startswith(("glassgrad.nn", "glassgrad.autograd"))
            if callable(mine) and named and name[0] != "_" and callable(getattr(other, name, None)):
                yield pytest.param(name, mine, getattr(other, name), id=f"{ours.__name__}.{name}")


def translated(name, parameters):
    return [OWN.get((name, p), MEANINGS.get(p, p)) for p in parameters]


@pytest.mark.parametrize(("name", "mine", "other"), [*shared()])
def test_what_is_given_by_position_means_the_same_in_pytorch(name, mine, other):
    if name in ("Module", "Tensor", "number", "choice"):
        return
    other = getattr(torch.nn.functional, f"{name}_with_indices", other)  # which has the signature
    given, expected = translated(name, positional(mine)), theirs(other)
    assert given[: len(expected)] == expected[: len(given)]
    assert expected or not given
    if inspect.isclass(mine) and issubclass(mine, nn.Module) and name not in ("ModuleList", "ModuleDict"):
        given, expected = (translated(name, positional(cls.forward)) for cls in (mine, other))
        assert given == (expected or given)[: len(given)]


def test_functions_in_c_and_overloads_are_compared():
    assert theirs(torch.nn.functional.conv2d)[:3] == ["input", "weight", "bias"]
    assert theirs(torch.nn.LSTM)[:2] == ["input_size", "hidden_size"]
