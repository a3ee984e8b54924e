"""Attention with several heads, and the Transformer's encoder layer."""

from __future__ import annotations

import math
import operator
from functools import partial, reduce
from typing import Any, Unpack

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.validation import flag, number, whole
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.nn import functional as F
from glassgrad.nn import init as initialisers
from glassgrad.nn.functional.attention import attention_weights
from glassgrad.nn.modules.activation import activation_layer
from glassgrad.nn.modules.dropout import Dropout
from glassgrad.nn.modules.linear import Linear
from glassgrad.nn.modules.module import Drawn, Module, as_floating, parameter, placed
from glassgrad.nn.modules.normalization import LayerNorm


class MultiheadAttention(Module):
    """Attention with ``num_heads`` heads of ``embed_dim / num_heads`` features each.

    Parameters have PyTorch's names: ``in_proj_weight`` (3·embed_dim, embed_dim) projects query, key and value, or
    ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight`` where ``kdim`` or ``vdim``, the features of key and
    value, differ; ``in_proj_bias`` (3·embed_dim,); ``out_proj``. ``dropout``: the probability with which, in training,
    each weight of the attention is set to 0. ``batch_first``: whether sequences are ``(batch, length, features)``,
    instead of ``(length, batch, features)``. A. Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Raises `autograd.errors.DomainError` if the heads do not divide ``embed_dim``.

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True, seed=0)
    >>> x = np.ones((1, 5, 8), dtype="float32")
    >>> out, weights = attention(x, x, x, is_causal=True)
    >>> out.shape, weights[0, 1].tolist()
    ((1, 5, 8), [0.5, 0.5, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        **made: Unpack[Drawn],
    ) -> None:
        self.embed_dim, self.num_heads = whole(embed_dim, "embed_dim"), whole(num_heads, "num_heads")
        if self.embed_dim % self.num_heads:
            raise DomainError(f"MultiheadAttention: num_heads = {num_heads} does not divide embed_dim = {embed_dim}.")
        self.kdim = self.embed_dim if kdim is None else whole(kdim, "kdim")
        self.vdim = self.embed_dim if vdim is None else whole(vdim, "vdim")
        self.dropout, self.batch_first = number(dropout, "dropout", 0, 1), flag(batch_first, "batch_first")
        bias = flag(bias, "bias")
        self.generator = made["seed"]
        e, weight = self.embed_dim, partial(parameter, value=initialisers.xavier_uniform_, **made)
        if self.kdim == self.vdim == e:
            self.in_proj_weight = weight((3 * e, e))
        else:
            self.q_proj_weight, self.k_proj_weight = weight((e, e)), weight((e, self.kdim))
            self.v_proj_weight = weight((e, self.vdim))
        self.in_proj_bias = parameter(3 * e, **made) if bias else None
        self.out_proj = Linear(e, e, bias, **made)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The attended values, in the query's shape, and the weights of the attention.

        ``query``: ``(length, batch, embed_dim)``, ``key`` and ``value``: ``(keys, batch, kdim)`` and ``(keys, batch,
        vdim)``; with ``batch_first`` the batch comes first. Masks are as in PyTorch, true where a query may *not*
        attend to a key: ``key_padding_mask``, ``(batch, keys)``, and ``attn_mask``, ``(length, keys)`` or ``(batch ·
        num_heads, length, keys)``, which may also be numbers to add. ``is_causal``: query i attends to the keys 0 to i.
        The weights are ``(batch, length, keys)``, the mean over the heads, or with ``average_attn_weights=False``
        ``(batch, num_heads, length, keys)``; ``None`` unless ``need_weights``. Dropout applies to them.
        """
        same = query is key is value
        query = asarray(as_floating(query, self.out_proj.weight))
        key, value = (query, query) if same else (asarray(as_floating(x, query)) for x in (key, value))
        batch = 0 if self.batch_first else 1
        alike = query.ndim == key.ndim == 3 and key.shape[:-1] == value.shape[:-1]
        if not alike or query.shape[batch] != key.shape[batch]:
            raise ShapeError(
                "MultiheadAttention takes query, key and value of three axes, of one batch and as many keys as values; "
                f"it was given the shapes {query.shape}, {key.shape} and {value.shape}."
            )
        if batch:
            query, key, value = (ag.permute_dims(x, axes=(1, 0, 2)) for x in (query, key, value))
        n, length, keys = query.shape[0], query.shape[1], key.shape[1]
        q, k, v = self._projected(same, query, key, value)
        weights = attention_weights(q, k, self._allowed(key_padding_mask, attn_mask, is_causal, (n, length, keys)))
        if self.training and self.dropout:
            weights = F.dropout(weights, self.dropout, generator=self.generator)
        heads = ag.permute_dims(weights @ v, axes=(0, 2, 1, 3))
        out = self.out_proj(ag.reshape(heads, shape=(n, length, self.embed_dim)))
        out = ag.permute_dims(out, axes=(1, 0, 2)) if batch else out
        return out, None if not need_weights else weights.mean(1) if average_attn_weights else weights

    def _projected(self, same: bool, *inputs: Tensor) -> list[Tensor]:
        """Queries, keys and values, each (batch, heads, length, features); those of one sequence by one product."""
        e, bias, (n, length, _) = self.embed_dim, self.in_proj_bias, inputs[0].shape
        rows = [slice(i * e, (i + 1) * e) for i in range(3)]
        joint = self.kdim == self.vdim == e
        if joint and same:
            whole = F.linear(inputs[0], self.in_proj_weight, bias)
            parts = ag.reshape(whole, shape=(n, length, 3, self.num_heads, e // self.num_heads))
            parts = ag.permute_dims(parts, axes=(2, 0, 3, 1, 4))
            return [parts[0], parts[1], parts[2]]
        names = () if joint else (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        weights = names or [self.in_proj_weight[part] for part in rows]
        biases = [None if bias is None else bias[part] for part in rows]
        return [self._heads(F.linear(x, w, b)) for x, w, b in zip(inputs, weights, biases, strict=True)]

    def _heads(self, x: Tensor) -> Tensor:
        n, length, e = x.shape
        return ag.permute_dims(ag.reshape(x, shape=(n, length, self.num_heads, e // self.num_heads)), axes=(0, 2, 1, 3))

    def _allowed(self, padding: Any, attn_mask: Any, is_causal: bool, sizes: tuple[int, int, int]) -> Tensor | None:
        """PyTorch's two masks and the causal mask, combined for `nn.functional.scaled_dot_product_attention`."""
        n, length, keys = sizes
        hidden: list[Any] = []
        added: Any = None
        if padding is not None:
            hidden.append(ag.reshape(_mask("key_padding_mask", padding, "b", (n, keys)), shape=(n, 1, 1, keys)))
        if is_causal:
            hidden.append(~ag.tril(ag.ones((length, keys), dtype=bool)))
        if attn_mask is not None:
            mask = _mask("attn_mask", attn_mask, "bf", (length, keys), (n * self.num_heads, length, keys))
            mask = mask if mask.ndim == 2 else ag.reshape(mask, shape=(n, self.num_heads, length, keys))
            hidden, added = (hidden, mask) if mask.dtype.kind == "f" else ([*hidden, mask], None)
        if not hidden:
            return added  # type: ignore[no-any-return]
        where = reduce(operator.or_, hidden)
        return ag.logical_not(where) if added is None else ag.where(where, -math.inf, added)


def _mask(name: str, mask: Any, kinds: str, *shapes: tuple[int, ...]) -> Any:
    mask = asarray(mask)
    if mask.shape not in shapes:
        raise ShapeError(f"{name} is {mask.shape}: give {' or '.join(map(str, shapes))}.")
    if mask.dtype.kind not in kinds:
        numbers = ", or numbers to add" if "f" in kinds else ""
        raise DTypeError(f"{name} is {mask.dtype}: give booleans, true for keys to ignore{numbers}.")
    return mask


class TransformerEncoderLayer(Module):
    """Self-attention and two fully connected layers, each added to its input, with normalisation and dropout.

    ``d_model``: features of each position of a sequence. ``nhead``: number of heads. ``dim_feedforward``: neurons of
    the hidden layer. ``activation``: a name as `nn.MLP` takes it. ``norm_first``: normalise before each of the two
    parts, instead of after the sum. ``batch_first``: whether sequences are ``(batch, length, d_model)``, instead of
    ``(length, batch, d_model)``. Parameters have PyTorch's names. A. Vaswani et al., "Attention is all you need",
    NeurIPS 2017; R. Xiong et al., "On layer normalization in the Transformer architecture", ICML 2020.

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, seed=0)
    >>> layer(np.ones((1, 5, 8), dtype="float32")).shape
    (1, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        **made: Unpack[Drawn],
    ) -> None:
        draw = made["seed"]
        self.norm_first = flag(norm_first, "norm_first")
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **made)
        self.act = activation_layer(activation)()
        self.dropout = Dropout(dropout, seed=draw)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **made)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **placed(made))
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **placed(made))
        self.dropout1, self.dropout2 = Dropout(dropout, seed=draw), Dropout(dropout, seed=draw)

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        """``(length, batch, d_model)``, or ``(batch, length, d_model)``, to the same shape.

        Masks are those of `MultiheadAttention`.
        """
        x = asarray(as_floating(src, self.linear1.weight))

        def attend(x: Tensor) -> Tensor:
            out, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(out)

        def feed(x: Tensor) -> Tensor:
            return self.dropout2(self.linear2(self.dropout(self.act(self.linear1(x)))))

        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + feed(self.norm2(x))
        x = self.norm1(x + attend(x))
        return self.norm2(x + feed(x))
