"""Attention and rotary embeddings."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.saving.onnx.operators.indexing import gather, indices_in
from glassgrad.nn.saving.onnx.operators.normalization import layer_normalization
from glassgrad.nn.saving.onnx.operators.reductions import matmul
from glassgrad.nn.saving.onnx.table import bounded, cast, dtype_of, operator, parts_of


def _heads(x, count):
    """``x`` (batch, time, heads · size) as (batch, heads, time, size); an ``x`` of four axes is returned unchanged."""
    if x.ndim == 4:
        return x
    if not count or x.ndim != 3 or x.shape[2] % count:
        raise ShapeError(f"{x.shape} can't be split into {count} heads")
    return ag.permute_dims(ag.reshape(x, shape=(*x.shape[:2], count, x.shape[2] // count)), axes=(0, 2, 1, 3))


def _joined(x):
    batch, heads, time, size = x.shape
    return ag.reshape(ag.permute_dims(x, axes=(0, 2, 1, 3)), shape=(batch, time, heads * size))


def _repeated(x, times):
    """Each head repeated ``times`` times."""
    return x if times == 1 else ag.repeat(x, repeats=times, axis=1)


@operator("Attention", since=23)
def attention(
    q, k, v, attn_mask=None, past_key=None, past_value=None, nonpad_kv_seqlen=None, *, is_causal=0, kv_num_heads=None,
    q_num_heads=None, qk_matmul_output_mode=0, scale=None, softcap=0.0, softmax_precision=None, left_window_size=-1,
    right_window_size=-1, outputs=1,
):  # fmt: skip
    """Scaled dot-product attention, with masks, cached keys and values, and groups of heads."""
    flat = q.ndim == 3
    q, k, v = _heads(q, q_num_heads), _heads(k, kv_num_heads), _heads(v, kv_num_heads)
    past = 0 if past_key is None else past_key.shape[2]
    if past_key is not None:
        k, v = ag.concat([past_key, k], axis=2), ag.concat([past_value, v], axis=2)
    present = k, v
    queries, keys = q.shape[2], k.shape[2]
    if q.shape[1] % k.shape[1]:
        raise ShapeError(f"{q.shape[1]} heads of queries are not a multiple of {k.shape[1]} heads of keys")
    times = q.shape[1] // k.shape[1]
    k, v = _repeated(k, times), _repeated(v, times)
    bounded((*q.shape[:3], keys), q.dtype)
    factor = math.sqrt(1 / math.sqrt(q.shape[3]) if scale is None else scale)
    scores = ag.matmul(ag.multiply(q, factor), ag.permute_dims(ag.multiply(k, factor), axes=(0, 1, 3, 2)))
    stages = [scores]
    if softcap:
        scores = ag.multiply(ag.tanh(ag.multiply(scores, 1 / softcap)), softcap)
    stages.append(scores)
    window = left_window_size, 0 if is_causal else right_window_size
    offset: Any = past
    if nonpad_kv_seqlen is not None and past_key is None:
        offset = nonpad_kv_seqlen.reshape(-1, 1, 1, 1) - queries
    allowed = _allowed(queries, keys, offset, nonpad_kv_seqlen, *window)
    if attn_mask is not None:
        short = keys - attn_mask.shape[-1]
        is_bool = attn_mask.dtype.kind == "b"
        if short > 0:  # keys beyond the mask are not attended to
            width = [*[(0, 0)] * (attn_mask.ndim - 1), (0, short)]
            if is_bool:
                attn_mask = ag.pad(cast(attn_mask, "int8"), pad_width=width) > 0
            else:
                attn_mask = ag.pad(attn_mask, pad_width=width, constant_values=-math.inf)
        if is_bool:
            allowed = attn_mask if allowed is None else ag.logical_and(allowed, attn_mask)
        else:
            scores = ag.add(scores, attn_mask)
    if allowed is not None:
        scores = ag.where(allowed, scores, -math.inf)
    stages.append(scores)
    wide = scores if softmax_precision is None else cast(scores, dtype_of(softmax_precision))
    is_open = allowed is None and attn_mask is None
    weights = cast(ag.softmax(wide) if is_open else _softmax_of_allowed(wide), q.dtype)
    stages.append(weights)
    y = ag.matmul(weights, v)
    y = _joined(y) if flat else y
    return y if outputs < 2 else (y, *present, stages[qk_matmul_output_mode])


def _softmax_of_allowed(scores):
    """The softmax over the last axis; 0 for a row of minus infinity."""
    none = ag.equal(ag.max(scores, axis=-1, keepdims=True), -math.inf)
    return ag.where(none, 0.0, ag.softmax(ag.where(none, 0.0, scores)))


def _allowed(queries, keys, offset, nonpad, left, right):
    """A mask of the keys that each query may see, by their positions; ``None`` if it may see all.

    The shape is (queries, keys), or (batch, 1, queries, keys) if ``nonpad`` is given.

    Query i stands at the position ``offset`` + i, and sees ``left`` keys before it and ``right`` behind it; -1: all.
    """
    place, j = numpy.arange(queries)[:, None] + offset, numpy.arange(keys)
    rules = []
    if nonpad is not None:
        rules.append(j < nonpad.reshape(-1, 1, 1, 1))
    if left >= 0:
        rules.append(place - left <= j)
    if right >= 0:
        rules.append(place + right >= j)
    return functools.reduce(ag.logical_and, rules) if rules else None


@operator("RotaryEmbedding", since=23)
def rotary_embedding(
    x, cos_cache, sin_cache, position_ids=None, *, interleaved=0, num_heads=None, rotary_embedding_dim=0
):
    """Pairs of features turned by an angle that grows with the position."""
    flat = x.ndim == 3
    x = _heads(x, num_heads)
    size = rotary_embedding_dim or x.shape[3]
    if position_ids is not None:
        places = indices_in(position_ids, cos_cache.shape[0])
        cos_cache, sin_cache = (ag.take(c, places, axis=0) for c in (cos_cache, sin_cache))
    cos, sin = (ag.expand_dims(c, axis=1) for c in (cos_cache, sin_cache))
    if cos.shape[-1] != size // 2:
        raise ShapeError(f"the caches {cos_cache.shape} must have one entry for each pair of {size} features")
    turned, rest = ag.getitem(x, index=(..., slice(0, size))), ag.getitem(x, index=(..., slice(size, None)))
    halves = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(0, size // 2), slice(size // 2, None))
    a, b = (ag.getitem(turned, index=(..., half)) for half in halves)
    real, imag = cos * a - sin * b, sin * a + cos * b
    if interleaved:
        turned = ag.reshape(ag.stack([real, imag], axis=-1), shape=turned.shape)
    else:
        turned = ag.concat([real, imag], axis=-1)
    out = ag.concat([turned, rest], axis=-1) if rest.shape[-1] else turned
    return _joined(out) if flat else out


@operator("LinearAttention")
def linear_attention(
    query, key, value, past_state=None, decay=None, beta=None, *, chunk_size=64, kv_num_heads, q_num_heads, scale=0.0,
    update_rule="gated_delta",
):  # fmt: skip
    """Attention as a recurrence over a matrix state: ``S ← e^g S + β k (v - e^g Sᵀ k)ᵀ``, ``o = scale · Sᵀ q``."""
    choice(update_rule, "update_rule", ("linear", "gated", "delta", "gated_delta"))
    q, k, v = _heads(query, q_num_heads), _heads(key, kv_num_heads), _heads(value, kv_num_heads)
    batch, _, steps, size = q.shape
    times, scale = q_num_heads // kv_num_heads, scale or 1 / math.sqrt(size)
    shape = (batch, kv_num_heads, k.shape[3], v.shape[3])
    state = numpy.zeros(bounded(shape), q.dtype) if past_state is None else past_state
    gates = None if "gated" not in update_rule else ag.exp(_heads(decay, kv_num_heads))
    rates = None
    if "delta" in update_rule:
        rates = ag.permute_dims(beta, axes=(0, 2, 1))  # (batch, heads or 1, time)
    found = []
    for t in range(steps):
        at = (slice(None), slice(None), t)
        k_t, v_t = ag.expand_dims(k[at], axis=-1), ag.expand_dims(v[at], axis=-2)
        if gates is not None:
            state = state * ag.expand_dims(gates[at], axis=-1)
        if rates is not None:
            v_t = (v_t - ag.sum(state * k_t, axis=-2, keepdims=True)) * ag.expand_dims(rates[at], axis=(-2, -1))
        state = state + k_t * v_t
        q_t = ag.expand_dims(q[at], axis=-2)
        found.append(ag.squeeze(ag.matmul(q_t, _repeated(state, times)), axis=-2) * scale)
    out = ag.stack(found, axis=2) if found else numpy.zeros((batch, q_num_heads, 0, v.shape[3]), q.dtype)
    return _joined(out), state


# --------------------------------------------------------------------------------------------- as onnxruntime writes it


def _key_mask(mask, batch, keys, fill):
    """Numbers to add to the scores (batch, heads, queries, keys): ``fill`` where a mask (batch, keys) is 0."""
    if mask is None:
        return None
    if tuple(mask.shape) != (batch, keys):
        raise DomainError(f"a mask of shape {mask.shape} is not supported: give one of shape {(batch, keys)}")
    return ag.where(ag.equal(ag.reshape(mask, shape=(batch, 1, 1, keys)), 0), numpy.float32(fill), numpy.float32(0))


@operator("com.microsoft::MultiHeadAttention")
def multi_head_attention(
    query, key, value, bias=None, key_padding_mask=None, attention_bias=None, *, num_heads,
    mask_filter_value=-10000.0, scale=0.0, unidirectional=0,
):  # fmt: skip
    """Attention by heads, of a query, key and value (batch, length, features) plus a bias."""
    if not all(x.ndim == 3 for x in (query, key, value)):
        raise DomainError("a packed query, key or value is not supported, only (batch, length, features)")
    if bias is not None:
        parts = parts_of(bias, [query.shape[2], query.shape[2], bias.shape[0] - 2 * query.shape[2]])
        query, key, value = (ag.add(x, part) for x, part in zip((query, key, value), parts, strict=True))
    mask = _key_mask(key_padding_mask, key.shape[0], key.shape[1], mask_filter_value)
    if attention_bias is not None:
        mask = attention_bias if mask is None else ag.add(mask, attention_bias)
    return attention(
        query, key, value, mask, q_num_heads=num_heads, kv_num_heads=num_heads, scale=scale or None,
        is_causal=unidirectional,
    )  # fmt: skip


@operator("com.microsoft::Attention", passes=multi_head_attention)
def attention_of_projections(x, weight, bias=None, mask_index=None, **options):
    """Attention by heads, whose query, key and value are the three parts of ``x · weight + bias``."""
    return multi_head_attention(*parts_of(matmul(x, weight), 3), bias, mask_index, **options)


@operator("com.microsoft::EmbedLayerNormalization")
def embed_layer_normalization(
    input_ids, segment_ids=None, words=None, positions=None, segments=None, scale=None, shift=None, mask=None, *,
    epsilon=1e-12, outputs=1,
):  # fmt: skip
    """The normalized sum of the embeddings of words, positions and segments.

    Further ``outputs``: the number of tokens of each row that ``mask`` keeps, and the sum.
    """
    total = ag.add(gather(words, input_ids), gather(positions, numpy.arange(input_ids.shape[1])))
    if segment_ids is not None:
        total = ag.add(total, gather(segments, segment_ids))
    y = layer_normalization(total, scale, shift, epsilon=epsilon)
    lengths = numpy.zeros(input_ids.shape[0], "int32") if mask is None else ag.sum(cast(mask, "int32"), axis=1)
    return y if outputs == 1 else (y, cast(lengths, "int32"), total)[:outputs]
