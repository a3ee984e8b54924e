"""The summary of a model: rows, parameters and products against published numbers."""

from __future__ import annotations

import pytest

from glassgrad import nn, viz
from tests.sampling import waiting


@pytest.mark.parametrize(
    ("name", "parameters", "products"),
    [  # multiply-adds as published with torchvision's weights, in thousand millions
        ("alexnet", 61_100_840, 0.71),
        waiting("vgg16", 138_357_544, 15.47),
        ("googlenet", 6_624_904, 1.50),
        ("resnet50", 25_557_032, 4.09),
        waiting("resnet152", 60_192_808, 11.51),
    ],
)
def test_parameters_and_products_of_published_networks(shapes_only, name, parameters, products):
    model = getattr(nn.models, name)(**({"aux": False} if name == "googlenet" else {})).eval()
    found = viz.summary(model, (1, 3, 224, 224))
    assert found.parameters == found.trained == parameters == sum(layer.parameters for layer in found.layers)
    assert round(found.products / 1e9, 2) == products
    assert found.products == sum(layer.products for layer in found.layers)
    assert len(found.layers) <= 40


def test_equal_blocks_share_a_row(shapes_only):
    found = viz.summary(nn.models.resnet50().eval(), (2, 3, 224, 224))
    rows = {layer.path: layer for layer in found.layers}
    assert rows["layer3.1 to layer3.5"].layer == "5 × Bottleneck"
    assert rows["layer3.1 to layer3.5"].shape == (2, 1024, 14, 14)
    assert rows["layer3.0"].layer == "Bottleneck"
    assert rows["conv1"].layer == "Conv2d 7×7, 64, stride 2"


def test_frozen_parameters_are_counted_apart():
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.Linear(3, 2, seed=1))
    model[0].weight.requires_grad = False
    found = viz.summary(model, (1, 4))
    assert (found.parameters, found.trained) == (23, 11)
    assert found.total == "23 parameters (12 frozen); 18 multiply-adds"


def test_parameters_that_are_not_used_are_counted_apart(shapes_only):
    found = viz.summary(nn.models.googlenet().eval(), (1, 3, 224, 224))
    assert (found.parameters, found.used) == (13_004_888, 6_624_904)
    assert "(6,379,984 not used)" in str(found)
