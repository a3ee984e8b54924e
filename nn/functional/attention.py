"""Attention and embedding; `nn.functional` offers both."""

from __future__ import annotations

import math
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import is_host, is_inexact, namespace
from glassgrad.autograd.common.validation import flag, number
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.nn.functional.regularization import dropout

# ------------------------------------------------------------------------------------------------------------ embedding


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """Look up rows of ``weight``: ``weight[indices]``.

    ``indices``: integers (…), from 0 to entries - 1. ``weight``: (entries, features). The result is (…, features). The
    gradient of a row is the sum over all indices that select it; that of the row ``padding_idx`` is 0.

    Raises `autograd.errors.DTypeError` for indices that are not integers, `autograd.errors.DomainError` for an index
    out of range. On a GPU such an index gives NaN instead, as a check would have to wait for the device.

    >>> embedding([1, 0, 1], [[1.0, 2.0], [3.0, 4.0]])
    Tensor([[3.0, 4.0],
            [1.0, 2.0],
            [3.0, 4.0]])
    """
    given, indices, weight = indices, asarray(indices), asarray(weight)
    if weight.ndim != 2 or not weight.shape[0]:
        raise ShapeError(f"embedding takes a weight (entries, features); it was given {weight.shape}.")
    if is_inexact(indices.dtype) or indices.dtype == bool:
        raise DTypeError(f"embedding takes integer indices; it was given {indices.dtype} {indices.shape}.")
    entries = weight.shape[0]
    if padding_idx is not None:
        padding_idx = checked_row(padding_idx, entries)
    on_host = is_host(indices.data)
    if on_host and indices.size:
        namespace(indices.data).check_range(indices.data, entries, _refuse_index, shape=weight.shape)
    rows = ag.take(weight, given, axis=0)  # copies the indices, which the caller may change later
    if padding_idx is not None:
        rows = ag.where(ag.expand_dims(indices == padding_idx, axis=-1), rows.detach(), rows)
    if not on_host:
        rows = ag.where(ag.expand_dims((indices >= 0) & (indices < entries), axis=-1), rows, math.nan)
    return rows


def checked_row(padding_idx: Any, entries: int) -> int:
    """``padding_idx`` as a row number from 0; a negative one counts from the end."""
    if type(padding_idx) is not int or not -entries <= padding_idx < entries:
        raise DomainError(f"padding_idx = {padding_idx!r}: give an index of the {entries} rows, or None.")
    return padding_idx % entries


def _refuse_index(low: int, high: int, shape: tuple[int, ...]) -> None:
    raise DomainError(
        f"embedding was given the index {low if low < 0 else high} for a weight {shape}: its {shape[0]} rows are 0 to "
        f"{shape[0] - 1}."
    )


# ------------------------------------------------------------------------------------------------------------ attention


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    generator: Any = None,
) -> Tensor:
    """``softmax(query · keyᵀ · scale + mask) · value``: for each query a weighted mean of the values.

    ``query``: (…, queries, features). ``key``: (…, keys, features). ``value``: (…, keys, outputs). The result is (…,
    queries, outputs). ``attn_mask`` broadcasts to (…, queries, keys): booleans, true where a query may attend to a key,
    or numbers to add to the scores. A query that may attend to no key gets 0. ``is_causal``: query i attends to the
    keys 0 to i. ``dropout_p``: the probability with which each weight is set to 0, drawn from ``generator``. ``scale``:
    1 / √features by default. A. Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Raises `autograd.errors.ShapeError`, `autograd.errors.DTypeError` and `autograd.errors.DomainError` for arguments
    that do not fit.

    >>> scaled_dot_product_attention([[1.0, 0.0]], [[100.0, 0.0], [0.0, 100.0]], [[1.0], [2.0]])
    Tensor([[1.0]])
    """
    query, key, value = map(asarray, (query, key, value))
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(
            "attention takes query, key and value of two axes or more; it was given the shapes "
            f"{query.shape}, {key.shape} and {value.shape}."
        )
    weights = attention_weights(query, key, attn_mask, flag(is_causal, "is_causal"), scale)
    if number(dropout_p, "dropout_p", 0, 1) and generator is None:
        raise DomainError(f"dropout_p = {dropout_p} needs generator=, a NumPy Generator to draw from.")
    return ag.matmul(dropout(weights, dropout_p, generator=generator), value)


def attention_weights(
    query: Tensor, key: Tensor, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """The weights (…, queries, keys) of `scaled_dot_product_attention`, before dropout; each row sums to 1."""
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else number(scale, "scale")
    scores = ag.matmul(query * factor, ag.matrix_transpose(key))
    lowest = float(ag.finfo(scores.dtype).min) / 2  # gets no weight; the softmax of a row of -inf would be NaN
    if is_causal:
        if attn_mask is not None:
            raise DomainError("attention takes attn_mask or is_causal=True, not both: put the causal mask into yours.")
        return ag.softmax(ag.where(ag.tril(ag.ones(scores.shape[-2:], dtype=bool)), scores, lowest))
    if attn_mask is None:
        return ag.softmax(scores)
    mask = asarray(attn_mask)
    if mask.dtype != bool and not is_inexact(mask.dtype):
        raise DTypeError(
            f"attn_mask is {mask.dtype}: give booleans, true where a query may attend to a key, or numbers to add to "
            "the scores."
        )
    fits = all(m in (1, n) for m, n in zip(mask.shape[::-1], scores.shape[::-1], strict=False))
    if mask.ndim > scores.ndim or not fits:
        raise ShapeError(f"attn_mask is {mask.shape}: it must broadcast to scores {scores.shape}, (…, queries, keys).")
    allowed = mask if mask.dtype == bool else mask > -math.inf
    scores = scores if mask.dtype == bool else scores + ag.where(allowed, mask, 0.0)
    return ag.where(allowed, ag.softmax(ag.where(allowed, scores, lowest)), 0.0)
