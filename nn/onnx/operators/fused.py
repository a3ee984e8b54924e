"""Operators that onnxruntime writes in place of several when it saves an optimized network, and preprocessing of
scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy

import autograd as ag
from autograd.errors import DomainError
from nn.activations import gelu_tanh, silu
from nn.onnx.operators.normalization import layer_normalization, lp_normalization, rms_normalization
from nn.onnx.operators.recurrent import ACTIVATIONS
from nn.onnx.operators.reductions import gemm, matmul
from nn.onnx.operators.windows import conv
from nn.onnx.table import cast, operator, rank


def _activated(x: Any, name: str, numbers: Any) -> Any:
    """The activation of a fused operator, with its numbers."""
    if name == "Clip":
        return ag.clip(x, *map(float, numbers))
    if name and name.lower() not in ACTIVATIONS:
        raise DomainError(f"its activation {name!r} is not supported")
    return ACTIVATIONS[name.lower()](x, *(*numbers, None, None)[:2]) if name else x


@operator("com.microsoft::FusedConv")
def fused_conv(
    x: Any, weight: Any, bias: Any = None, z: Any = None, *, activation: str = "", activation_params: Any = (),
    auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None,
    strides: Any = None,
) -> Any:  # fmt: skip
    """A convolution, plus ``z``, and an activation."""
    y = conv(
        x, weight, bias, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads,
        strides=strides,
    )  # fmt: skip
    return _activated(y if z is None else ag.add(y, z), activation, activation_params)


@operator("com.microsoft::FusedGemm")
def fused_gemm(
    a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0,
    activation: str = "", activation_alpha: float | None = None, activation_beta: float | None = None,
) -> Any:  # fmt: skip
    """A Gemm and an activation."""
    numbers = [n for n in (activation_alpha, activation_beta) if n is not None]
    return _activated(gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB), activation, numbers)


@operator("com.microsoft::FusedMatMul")
def fused_matmul(
    a: Any, b: Any, *, alpha: float = 1.0, transA: int = 0, transB: int = 0, transBatchA: int = 0, transBatchB: int = 0
) -> Any:
    """``alpha · a b``, either with its last two axes exchanged."""
    if transBatchA or transBatchB:
        raise DomainError("transBatchA and transBatchB are not supported")
    a = ag.matrix_transpose(a) if transA and rank(a) > 1 else a
    b = ag.matrix_transpose(b) if transB and rank(b) > 1 else b
    y = matmul(a, b)
    return y if alpha == 1 else y * alpha


@operator("com.microsoft::Gelu")
def fused_gelu(x: Any) -> Any:
    """``x · Φ(x)``."""
    return ag.gelu(x)


@operator("com.microsoft::BiasGelu")
def bias_gelu(x: Any, bias: Any) -> Any:
    """The Gelu of a sum."""
    return ag.gelu(ag.add(x, bias))


@operator("com.microsoft::FastGelu")
def fast_gelu(x: Any, bias: Any = None) -> Any:
    """The Gelu approximated by tanh, of ``x`` plus a bias."""
    return gelu_tanh(x if bias is None else ag.add(x, bias))


@operator("com.microsoft::QuickGelu")
def quick_gelu(x: Any, *, alpha: float = 1.702) -> Any:
    """``x · sigmoid(alpha · x)``."""
    return silu(x, alpha)


def _skipped(x: Any, skip: Any, bias: Any, outputs: int, normalized: Any) -> Any:
    """A sum, normalized; as the fourth output also the sum."""
    total = ag.add(x, skip)
    total = total if bias is None else ag.add(total, bias)
    y = normalized(total)
    return y if outputs == 1 else (y, None, None, total)


@operator("com.microsoft::SkipLayerNormalization")
def skip_layer_normalization(
    x: Any, skip: Any, scale: Any, shift: Any = None, bias: Any = None, *, epsilon: float = 1e-12, outputs: int = 1
) -> Any:
    """The LayerNormalization of a sum."""
    return _skipped(x, skip, bias, outputs, lambda t: layer_normalization(t, scale, shift, epsilon=epsilon))


@operator("com.microsoft::SkipSimplifiedLayerNormalization")
def skip_rms_normalization(
    x: Any, skip: Any, scale: Any, bias: Any = None, *, epsilon: float = 1e-12, outputs: int = 1
) -> Any:
    """The RMSNormalization of a sum."""
    return _skipped(x, skip, bias, outputs, lambda t: rms_normalization(t, scale, epsilon=epsilon))


# -------------------------------------------------------------------------------------------------------- scikit-learn


@operator("Binarizer")
def binarizer(x: Any, *, threshold: float = 0.0) -> Any:
    """1 where ``x`` is above the threshold, else 0."""
    return cast(ag.greater(x, threshold), x.dtype)


@operator("Scaler")
def scaler(x: Any, *, offset: Any, scale: Any) -> Any:
    """``(x - offset) · scale``, column by column."""
    offset, scale = (numpy.asarray(v, "float32") for v in (offset, scale))
    return ag.multiply(ag.subtract(cast(x, "float32"), offset), scale)


@operator("Normalizer")
def normalizer(x: Any, *, norm: str = "MAX") -> Any:
    """Each row divided by its norm, 0 where that is 0."""
    x = cast(x, "float32")
    if norm == "MAX":
        largest = ag.max(ag.abs(x), axis=-1, keepdims=True)
        return ag.divide(x, ag.where(ag.equal(largest, 0), 1.0, largest))
    if norm not in ("L1", "L2"):
        raise DomainError(f"norm is MAX, L1 or L2, not {norm!r}")
    return lp_normalization(x, p=int(norm[1]))
