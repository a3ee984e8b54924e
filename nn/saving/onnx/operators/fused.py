"""Operators that onnxruntime writes in place of several when it saves an optimized network, and preprocessing of
scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy

import autograd as ag
from autograd.errors import DomainError
from nn.functional.activations import gelu_tanh, silu
from nn.saving.onnx.operators.attention import attention
from nn.saving.onnx.operators.indexing import gather
from nn.saving.onnx.operators.normalization import layer_normalization, lp_normalization, rms_normalization
from nn.saving.onnx.operators.recurrent import ACTIVATIONS, activation, applied
from nn.saving.onnx.operators.reductions import gemm, matmul
from nn.saving.onnx.operators.windows import conv
from nn.saving.onnx.table import cast, operator, rank


def _activated(x: Any, name: str, numbers: Any) -> Any:
    """The activation of a fused operator, with its numbers."""
    if name == "Clip":
        return ag.clip(x, *map(float, numbers))
    if name and name.lower() not in ACTIVATIONS:
        raise DomainError(f"its activation {name!r} is not supported")
    return applied(activation(name.lower(), [*numbers[:1]], [*numbers[1:]]), x) if name else x


@operator("com.microsoft::FusedConv", passes=conv)
def fused_conv(
    x: Any, weight: Any, bias: Any = None, z: Any = None, *, activation: str = "", activation_params: Any = (),
    **options: Any,
) -> Any:  # fmt: skip
    """A convolution, plus ``z``, and an activation."""
    y = conv(x, weight, bias, **options)
    return _activated(y if z is None else ag.add(y, z), activation, activation_params)


@operator("com.microsoft::FusedGemm", passes=gemm)
def fused_gemm(
    a: Any, b: Any, c: Any = None, *, activation: str = "", activation_alpha: float | None = None,
    activation_beta: float | None = None, **options: Any,
) -> Any:  # fmt: skip
    """A Gemm and an activation."""
    numbers = [n for n in (activation_alpha, activation_beta) if n is not None]
    return _activated(gemm(a, b, c, **options), activation, numbers)


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


operator("com.microsoft::Gelu")(ag.gelu)
operator("com.microsoft::BiasGelu")(lambda x, bias: ag.gelu(ag.add(x, bias)))
operator("com.microsoft::FastGelu")(lambda x, bias=None: gelu_tanh(x if bias is None else ag.add(x, bias)))
operator("com.microsoft::QuickGelu")(lambda x, *, alpha=1.702: silu(x, alpha))


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


def _key_mask(mask: Any, batch: int, keys: int, fill: float) -> Any:
    """Numbers to add to the scores (batch, heads, queries, keys): ``fill`` where a mask (batch, keys) is 0."""
    if mask is None:
        return None
    if tuple(mask.shape) != (batch, keys):
        raise DomainError(f"a mask of shape {mask.shape} is not supported: one of {(batch, keys)} is")
    return ag.where(ag.equal(ag.reshape(mask, shape=(batch, 1, 1, keys)), 0), numpy.float32(fill), numpy.float32(0))


@operator("com.microsoft::MultiHeadAttention")
def multi_head_attention(
    query: Any, key: Any, value: Any, bias: Any = None, key_padding_mask: Any = None, attention_bias: Any = None, *,
    num_heads: int, mask_filter_value: float = -10000.0, scale: float = 0.0, unidirectional: int = 0,
) -> Any:  # fmt: skip
    """Attention by heads, of a query, key and value (batch, length, features) plus a bias."""
    if not all(rank(x) == 3 for x in (query, key, value)):
        raise DomainError("a packed query, key or value is not supported: (batch, length, features) is")
    if bias is not None:
        ends = query.shape[2], 2 * query.shape[2]
        parts = slice(0, ends[0]), slice(*ends), slice(ends[1], None)
        query, key, value = (
            ag.add(x, ag.getitem(bias, index=part)) for x, part in zip((query, key, value), parts, strict=True)
        )
    mask = _key_mask(key_padding_mask, key.shape[0], key.shape[1], mask_filter_value)
    if attention_bias is not None:
        mask = attention_bias if mask is None else ag.add(mask, attention_bias)
    return attention(
        query, key, value, mask, q_num_heads=num_heads, kv_num_heads=num_heads, scale=scale or None,
        is_causal=unidirectional,
    )  # fmt: skip


@operator("com.microsoft::Attention", passes=multi_head_attention)
def attention_of_projections(x: Any, weight: Any, bias: Any = None, mask_index: Any = None, **options: Any) -> Any:
    """Attention by heads, of the three parts of ``x · weight``."""
    return multi_head_attention(*_thirds(matmul(x, weight)), bias, mask_index, **options)


def _thirds(x: Any) -> list[Any]:
    n = x.shape[-1] // 3
    return [ag.getitem(x, index=(..., slice(i * n, (i + 1) * n))) for i in range(3)]


@operator("com.microsoft::EmbedLayerNormalization")
def embed_layer_normalization(
    input_ids: Any, segment_ids: Any = None, words: Any = None, positions: Any = None, segments: Any = None,
    scale: Any = None, shift: Any = None, mask: Any = None, *, epsilon: float = 1e-12, outputs: int = 1,
) -> Any:  # fmt: skip
    """The normalized sum of the embeddings of words, positions and segments; also the lengths of the masked rows."""
    total = ag.add(gather(words, input_ids), gather(positions, numpy.arange(input_ids.shape[1])))
    if segment_ids is not None:
        total = ag.add(total, gather(segments, segment_ids))
    y = layer_normalization(total, scale, shift, epsilon=epsilon)
    lengths = numpy.zeros(input_ids.shape[0], "int32") if mask is None else ag.sum(cast(mask, "int32"), axis=1)
    return y if outputs == 1 else (y, cast(lengths, "int32"), total)[:outputs]


# -------------------------------------------------------------------------------------------------------- scikit-learn


operator("Binarizer")(lambda x, *, threshold=0.0: cast(ag.greater(x, threshold), x.dtype))


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
