"""Convolutions in C without copies of windows: random shapes, on every kind of vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.targets.c import blocks
from glassgrad.autograd.compiler.targets.c.source import END
from tests.autograd.compiler.targets.c.native import faults, needs_compiler
from tests.autograd.compiler.targets.cases import IN_C, case_of
from tests.autograd.compiler.targets.node import Case

CONVOLUTIONS = nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d


def step_of(seed: int) -> Case:
    """Two steps of a convolution of a random shape, which return its output and the gradient of its input. In a quarter
    of them the images and the upstream gradient lie in another order.
    """
    rng, dtype, view = np.random.default_rng(seed), "f4" if seed % 3 else "f8", seed % 4 == 0
    axes = int(rng.choice([1, 2, 2, 2, 3]))
    images, channels, outputs = (int(rng.choice(n)) for n in ([1, 2, 3], [1, 2, 5, 12], [1, 3, 6, 16, 21, 40]))
    size = np.append(rng.integers(1, 4, axes - 1), rng.choice([1, 2, 3, 4, 5, 12]))
    dilation = rng.choice([1, 1, 2], axes) if rng.random() < 0.5 else np.ones(axes, int)
    stride = rng.integers(1, 3, axes) if rng.random() < 0.3 else np.ones(axes, int)
    counts = rng.choice([1, 2, 4, 5, 7, 8, 9, 16, 19, 32], axes)
    padding = [tuple(map(int, rng.integers(0, d * (k - 1) + 1, 2))) for k, d in zip(size, dilation, strict=True)]
    space = [
        (n - 1) * s + (k - 1) * d + 1 - sum(p)
        for n, s, k, d, p in zip(counts, stride, size, dilation, padding, strict=True)
    ]
    space = [max(n, 1) for n in space]
    how: dict[str, Any] = {"padding": padding, "stride": (*map(int, stride),), "dilation": (*map(int, dilation),)}
    x = rng.standard_normal((images, channels, *space)).astype(dtype)
    weight = ag.asarray(rng.standard_normal((outputs, channels, *size)).astype(dtype)).requires_grad_()
    bias = ag.asarray(rng.standard_normal(outputs).astype(dtype)).requires_grad_() if rng.random() < 0.5 else None
    order = (0, *range(2, axes + 2), 1)
    x = ag.asarray(x.transpose(order).copy() if view else x)

    def step(x: Any) -> Any:
        seen = (ag.permute_dims(x, (0, axes + 1, *range(1, axes + 1))) if view else x).requires_grad_()
        found = CONVOLUTIONS[axes - 1](seen, weight, bias, **how)
        if view:
            found = ag.permute_dims(found, order)
        leaves = [leaf for leaf in (seen, weight, bias) if leaf is not None]
        gradients = ag.gradients(ag.sum(found * found), leaves)
        for state, gradient in zip(leaves[1:], gradients[1:], strict=True):
            state.data = (state - 0.001 * gradient).data
        return found * 1, gradients[0]

    text = f"{seed}: {(images, channels, *space)} {outputs} {(*map(int, size),)} {how}"
    return case_of(IN_C, text, step, x, count=2)


@pytest.mark.check
@needs_compiler
@pytest.mark.parametrize("registers", [(32, 64), (16, 32), (32, 16)])
def test_convolutions_are_right_for_every_kind_of_vector(monkeypatch, registers):
    monkeypatch.setattr(blocks, "registers", lambda: registers)
    cases = [step_of(seed) for seed in range(60)]
    assert not faults(cases, fast=True)
    own = [case.source.partition(END)[2] for case in cases]
    assert not any("reshape(rows" in text for text in own)  # copied to be summed up
    for part in ("axis=(0, 2, 3))", "conv(", "conv_weight(", "bias[1]", "const long $p1", "GG_JOINED"):
        assert any(part in text for text in own) != (part == "GG_JOINED" and registers == (32, 16)), part
    assert any("conv_in_order" in text or "framed_in_order" in text for text in own)  # copied windows


@needs_compiler
def test_convolutions_of_two_dtypes():
    rng, cases = np.random.default_rng(0), []
    for kinds in (("f4", "f8"), ("f8", "f4"), ("i4", "f8")):
        x, weight = (
            rng.integers(-9, 10, shape).astype(k) for shape, k in zip([(2, 3, 8, 8), (4, 3, 3, 3)], kinds, strict=True)
        )

        def both(x: Any, weight: Any) -> Any:
            found = nn.functional.conv2d(x, weight, None, padding=1)
            return found, nn.functional.conv2d(x[:, :, ::2, ::-1], weight[::-1], None, padding=2)

        cases.append(case_of(IN_C, str(kinds), both, ag.asarray(x), ag.asarray(weight), count=1))
    assert not faults(cases)
