"""Attention and rotary embeddings."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

import autograd as ag
from autograd.errors import DomainError, ShapeError
from nn.saving.onnx.operators.elementwise import dtype_of
from nn.saving.onnx.operators.indexing import indices_in
from nn.saving.onnx.table import bounded, cast, operator, rank


def _heads(x: Any, count: int | None) -> Any:
    """``x`` (batch, time, heads · size) as (batch, heads, time, size); one of four axes as it is."""
    if rank(x) == 4:
        return x
    if not count or rank(x) != 3 or x.shape[2] % count:
        raise ShapeError(f"{x.shape} can't be split into {count} heads")
    return ag.permute_dims(ag.reshape(x, shape=(*x.shape[:2], count, x.shape[2] // count)), axes=(0, 2, 1, 3))


def _joined(x: Any) -> Any:
    batch, heads, time, size = x.shape
    return ag.reshape(ag.permute_dims(x, axes=(0, 2, 1, 3)), shape=(batch, time, heads * size))


def _repeated(x: Any, times: int) -> Any:
    """Each head repeated ``times`` times."""
    return x if times == 1 else ag.repeat(x, repeats=times, axis=1)


@operator("Attention", since=23)
def attention(
    q: Any, k: Any, v: Any, attn_mask: Any = None, past_key: Any = None, past_value: Any = None,
    nonpad_kv_seqlen: Any = None, *, is_causal: int = 0, kv_num_heads: int | None = None,
    q_num_heads: int | None = None, qk_matmul_output_mode: int = 0, scale: float | None = None, softcap: float = 0.0,
    softmax_precision: int | None = None, left_window_size: int = -1, right_window_size: int = -1, outputs: int = 1,
) -> Any:  # fmt: skip
    """Scaled dot-product attention, with masks, cached keys and values, and groups of heads."""
    flat = rank(q) == 3
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
        if short > 0:  # what the mask does not reach is not attended
            width = [*[(0, 0)] * (rank(attn_mask) - 1), (0, short)]
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


def _softmax_of_allowed(scores: Any) -> Any:
    """The softmax over the last axis; 0 for a row of minus infinity."""
    none = ag.equal(ag.max(scores, axis=-1, keepdims=True), -math.inf)
    return ag.where(none, 0.0, ag.softmax(ag.where(none, 0.0, scores)))


def _allowed(queries: int, keys: int, offset: Any, nonpad: Any, left: int, right: int) -> Any:
    """Mask of the keys for each query by position, ``None`` for all: (queries, keys) or with axes for batch.

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
    x: Any, cos_cache: Any, sin_cache: Any, position_ids: Any = None, *, interleaved: int = 0,
    num_heads: int | None = None, rotary_embedding_dim: int = 0,
) -> Any:  # fmt: skip
    """Pairs of features turned by an angle that grows with the position."""
    flat = rank(x) == 3
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
    query: Any, key: Any, value: Any, past_state: Any = None, decay: Any = None, beta: Any = None, *,
    chunk_size: int = 64, kv_num_heads: int, q_num_heads: int, scale: float = 0.0, update_rule: str = "gated_delta",
) -> Any:  # fmt: skip
    """Attention as a recurrence over a matrix state: ``S ← e^g S + β k (v - e^g Sᵀ k)ᵀ``, ``o = scale · Sᵀ q``."""
    rules = ("linear", "gated", "delta", "gated_delta")
    if update_rule not in rules:
        raise DomainError(f"update_rule is one of {', '.join(rules)}, not {update_rule!r}")
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
