"""Attention and embedding; `nn.functional` offers both."""

from __future__ import annotations

import math
from typing import Any

from autograd import Tensor, asarray, expand_dims, finfo, matmul, matrix_transpose, ones, softmax, take, tril, where
from autograd.backends import is_host, is_inexact, namespace
from autograd.common.validation import number
from autograd.errors import DomainError, DTypeError, ShapeError
from nn.functional.regularization import dropout

# ------------------------------------------------------------------------------------------------------------ embedding


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """The rows of ``weight`` that ``indices`` name.

    ``indices``: integers (…), from 0 to entries - 1. ``weight``: (entries, features). The result is (…, features). The
    gradient of a row is the sum over all places that name it; that of the row ``padding_idx`` is 0.

    Raises `autograd.errors.DTypeError` for indices that are not integers, `autograd.errors.DomainError` for an index
    that has no row. On a GPU such an index gives NaN instead, as a check would have to wait for the device.

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
    rows = take(weight, given, axis=0)  # copies an array that its owner may change later
    if padding_idx is not None:
        rows = where(expand_dims(indices == padding_idx, axis=-1), rows.detach(), rows)
    if not on_host:
        rows = where(expand_dims((indices >= 0) & (indices < entries), axis=-1), rows, math.nan)
    return rows


def checked_row(padding_idx: Any, entries: int) -> int:
    """``padding_idx`` as the number of a row; a negative one counts from the end."""
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
    """``softmax(query · keyᵀ · scale + mask) · value``: for each query the mean of the values, weighted by their keys.

    ``query``: (…, queries, features). ``key``: (…, keys, features). ``value``: (…, keys, outputs). The result is (…,
    queries, outputs). ``attn_mask`` broadcasts to (…, queries, keys): booleans, true where a query may look, or numbers
    to add. A query that may look nowhere gets 0. ``is_causal``: query i looks at the keys 0 to i. ``dropout_p``: the
    probability with which each weight is set to 0, drawn from ``generator``. ``scale``: 1 / √features by default. A.
    Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Raises `autograd.errors.ShapeError`, `autograd.errors.DTypeError` and `autograd.errors.DomainError` for what does
    not fit.

    >>> scaled_dot_product_attention([[1.0, 0.0]], [[100.0, 0.0], [0.0, 100.0]], [[1.0], [2.0]])
    Tensor([[1.0]])
    """
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    value = asarray(value)
    if value.ndim < 2 or value.shape[-2] != weights.shape[-1]:
        raise ShapeError(
            f"attention takes a value (…, keys, features) for each of {weights.shape[-1]} keys; it was given "
            f"{value.shape}."
        )
    return matmul(dropped(weights, dropout_p, generator), value)


def dropped(weights: Tensor, p: float, generator: Any) -> Tensor:
    """Weights of which each is set to 0 with probability ``p``."""
    if number(p, "dropout_p", 0, 1) and generator is None:
        raise DomainError(f"dropout_p = {p} needs generator=, a NumPy Generator to draw from.")
    return dropout(weights, p, generator=generator)


def attention_weights(
    query: Any, key: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """The weights (…, queries, keys) of `scaled_dot_product_attention`, before dropout; each row sums to 1."""
    query, key = asarray(query), asarray(key)
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            "attention takes a query (…, queries, features) and a key (…, keys, features) of as many features; it was "
            f"given {query.shape} and {key.shape}."
        )
    if not query.shape[-1] or not key.shape[-2]:
        raise ShapeError(f"attention was given the query {query.shape} and the key {key.shape}, one of them empty.")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else number(scale, "scale")
    scores = matmul(query * factor, matrix_transpose(key))
    allowed = None
    if is_causal:
        if attn_mask is not None:
            raise DomainError("attention takes attn_mask or is_causal=True, not both: put the causal mask into yours.")
        seen = tril(ones(scores.shape[-2:], dtype=bool))
        return softmax(where(seen, scores, _lowest(scores)))
    if attn_mask is not None:
        mask = asarray(attn_mask)
        if mask.dtype != bool and not is_inexact(mask.dtype):
            raise DTypeError(
                f"attn_mask is {mask.dtype}: give booleans, true where a query may look, or numbers to add to the "
                "scores."
            )
        _check_mask(mask.shape, scores.shape)
        allowed = mask if mask.dtype == bool else mask > -math.inf
        scores = scores if mask.dtype == bool else scores + where(allowed, mask, 0.0)
        scores = where(allowed, scores, _lowest(scores))
    weights = softmax(scores)
    return weights if allowed is None else where(allowed, weights, 0.0)


def _lowest(scores: Tensor) -> float:
    """A score that gets no weight. The softmax of a row of -inf would be NaN."""
    return float(finfo(scores.dtype).min) / 2


def _check_mask(mask: tuple[int, ...], scores: tuple[int, ...]) -> None:
    fits = all(m in (1, n) for m, n in zip(mask[::-1], scores[::-1], strict=False))
    if len(mask) > len(scores) or not fits:
        raise ShapeError(f"attn_mask is {mask}: it must broadcast to the scores {scores}, (…, queries, keys).")
