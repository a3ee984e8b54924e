"""`random_step`: a random training step. Each statement is executed when it is drawn, so that the whole step runs.

Statements are templates with placeholders: ``{a}`` is a value of the step, ``{b}`` one that broadcasts against it. The
templates of this package's operations are below; layers, losses and optimizers come in a `Vocabulary`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.engine.tensor import Tensor
from tests.steps.step import IMPORTS, TrainingStep

LARGEST = 1e4
"""Bound of the numbers of a value, unless the step has extreme numbers."""

MOST = 4096
"""The largest number of elements of a value."""

# ---------------------------------------------------------------------------------------------------------- templates

ELEMENTWISE = (
    "ag.tanh({a})", "ag.tanh({a})", "ag.sigmoid({a})", "ag.relu({a})", "ag.gelu({a})", "ag.softplus({a})",
    "ag.leaky_relu({a})", "ag.sin({a})", "ag.abs({a})", "ag.square({a})", "{a} ** 2", "{a} ** 3", "{a} ** 0.5",
    "ag.exp(-ag.square({a}))", "ag.sqrt({a} * {a} + 1)", "ag.log1p(ag.square({a}))", "1 / (1 + ag.abs({a}))",
    "{a} * {c}", "{c} * {a}", "{a} / {c}", "{a} + {c}", "{c} - {a}", "-{a}", "+{a}", "{a} + 0.0", "{a} - 0.0",
    "{a} * 1.0", "ag.clip({a}, min=-1.0, max=1.0)", "ag.sign({a}) * {a}", "ag.where({a} > 0, {a}, {c})",
    "({a} > 0) * {a}", "ag.atan2({a}, {c})", "ag.atan2({a} + 0.0, -1.0)", "ag.copysign({c}, {a})",
    "ag.copysign({c}, {a} + 0.0)", "ag.copysign({c}, -({a} - {a}) + 0.0)", "ag.copysign({c}, -({a} - {a}) - 0.0)",
    "ag.copysign({a}, -0.0) + ag.copysign({c}, 0.0)", "{a}.detach()", "{a}.clone()",
    "{a} * {a}.detach()", "ag.zeros_like({a}) + {a}",
    "ag.ones_like({a}) * {a}", "ag.copysign({c}, 0.0 * {a} + 0.0)",
)  # fmt: skip
CUBE = "ag.reshape(ag.tile(ag.reshape({a}, (-1,)), (8,))[:8], (2, 2, 2))"
VIEWS = (
    "ag.reshape({a}, (-1,))", "ag.reshape({a}, (-1, {k}))", "ag.reshape({a}, ({k}, -1))", "ag.reshape({a}, (2, -1))",
    "ag.reshape({a}, ({k}, 1, -1))", "{a}.T", "{a}.T", "{a}.mT", "ag.permute_dims({a}, (2, 0, 1))",
    "ag.permute_dims({a}, (1, 0, 2))", "ag.moveaxis({a}, 0, -1)", "{a}[{i}]", "{a}[1:]", "{a}[:-1]", "{a}[::2]",
    "{a}[::-1]", "{a}[:, 0]", "{a}[:, ::2]", "{a}[:, 1:]", "{a}[..., {i}]", "{a}[..., ::-1]", "{a}[:, None]",
    "{a}[None]", "{a}[..., None]", "{a}[{i}, 0]", "ag.expand_dims({a}, axis=0)", "ag.squeeze({a}, axis=0)",
    "ag.squeeze({a}, axis=-1)", "ag.broadcast_to({a}, (2, *{a}.shape))", "ag.broadcast_to({a}, ({k}, *{a}.shape))",
    "ag.split({a}, 2)[{i}]", "ag.split({a}, 2, axis=-1)[1]", "ag.unstack({a})[{i}]", "ag.flip({a})",
    "ag.reshape({a}, (-1,))[::2]", "ag.reshape({a}, (-1,))[1:]", "{a}.reshape(-1)[:{k}]", "{a}.T.reshape(-1)[1:]",
    "ag.reshape({a}.T, (-1,))[::2]", "ag.reshape({a}.T, (2, -1))[0]", "{a}.T[1:].reshape(-1)", "{a}[1:].T",
    "ag.reshape({a}[1:], (-1,))", "ag.reshape({a}[:, 1:], (-1,))",
    "ag.broadcast_to({a}, (2, *{a}.shape)).reshape(-1)[1:]",
    "ag.permute_dims(ag.permute_dims(ag.broadcast_to({a}, ({k}, *{a}.shape)), (1, 2, 0)), (1, 2, 0))",
    "ag.permute_dims(ag.permute_dims({a}[None], (2, 0, 1)), (0, 2, 1))",
    f"ag.permute_dims(ag.permute_dims({CUBE}, (1, 2, 0)), (1, 2, 0))",
    f"ag.permute_dims(ag.permute_dims({CUBE}, (2, 0, 1)), (0, 2, 1))",
)  # fmt: skip
MOVED = (
    "{a}[[0, 0, -1]]", "{a}[[-2, -1]]", "{a}[:, [0, -1]]", "{a}[({i},)]", "ag.roll({a}, 1, axis=0)",
    "ag.tile({a}, (2,))",
    "ag.repeat({a}, 2, axis=0)", "ag.take({a}, ag.Tensor([0, 0]), axis=0)", "ag.tril({a})", "ag.pad({a}, 1)",
    "ag.diff({a}, axis=0)", "ag.concat([{a}, {a}])", "ag.stack([{a}, {a} * {c}])", "ag.sort({a}, axis=-1)",
    "ag.concat([{a}, {joined}])", "ag.concat([{a}, {joined}], axis=-1)", "ag.concat([{a}, {joined}, {a}])",
    "ag.stack([{a}, {alike}])", "ag.stack([{a}, {alike}], axis=-1)", "ag.stack([{alike}, {a}], axis=1)",
    "{a}[labels]", "{p}[labels]", "ag.take({p}, labels, axis=0)", "ag.einsum('i...->...i', {a})",
)  # fmt: skip
REDUCED = (
    "ag.sum({a})", "ag.sum({a}, axis=0)", "ag.sum({a}, axis=-1)", "ag.sum({a}, axis=-1, keepdims=True)", "ag.mean({a})",
    "ag.mean({a}, axis=0)", "ag.mean({a}, axis=0, keepdims=True)", "{a}.mean(axis=-1, keepdims=True)", "ag.min({a})",
    "ag.max({a}, axis=0)", "ag.max({a}, axis=-1, keepdims=True)", "ag.max({a}, axis=1)", "ag.min({a}, axis=0)",
    "ag.var({a}, axis=0)", "ag.logsumexp({a}, axis=-1)",
    "ag.copysign({c}, ag.sum(-({a} - {a})[:1], axis=0))", "ag.std({a} + ag.sin({a}), axis=-1)",
    "ag.prod({a}, axis=-1)", "ag.sum({a}, axis=(0, 1))",
    "ag.mean(ag.astype(ag.argmax({a}, axis=-1) == labels, {a}.dtype))",
)  # fmt: skip
ALONG = (
    "ag.softmax({a}, axis=-1)", "ag.softmax({a}, axis=0)", "ag.log_softmax({a}, axis=-1)", "{a} - {a}.mean(axis=0)",
    "ag.cumulative_sum({a}, axis=0)", "ag.standardize({a}, axis=-1, eps=0.1)",
    "{a} / (1 + ag.sum({a} * {a}, axis=-1, keepdims=True))", "{a} - ag.max({a}, axis=0)", "{a} * ag.min({a}, axis=0)",
    "{a} - ag.max({a}, axis=-1, keepdims=True)", "{a} + ag.prod({a}, axis=0)",
)  # fmt: skip
BINARY = (
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / (1 + {b} * {b})", "-({a} - {b})", "{a} - {b} * {c}", "{b} + {a}",
    "ag.maximum({a}, {b})", "ag.minimum({a}, {b})", "ag.where({a} > {b}, {a}, {b})", "ag.hypot({a}, {b} + {c})",
    "ag.atan2({a}, {b})", "ag.copysign({a}, {b})", "ag.copysign({c}, -({a} - {a}))", "ag.logaddexp({a}, {b})",
    "{a} * ag.sigmoid({b})", "({a} + {b}) * {c}", "{a} * {c} + {b} * {c}", "{a} + ({b} - {b})", "{a} * {b} * {c}",
    "ag.where(mask, {a}, {b})", "{a} * mask + {b}", "{a} + {alike}", "{a} * {alike}",
    "({a} - {b}) * ag.sigmoid({b} - {a})", "{a} - (-{b})", "{a} + (-{b})", "-{a} - {b}",
    "ag.where({b} > {b}, {a}, {a} * {c})",
)  # fmt: skip
PRODUCTS = (
    "{a} @ {factor}", "{a} @ {factor} * {c}", "({a} * {c}) @ {factor}", "({a} * {a}) @ {factor} * {c}",
    "{a} @ {turned}.T", "{a}.T @ {beside}", "ag.einsum('nk,kc->nc', {a}, {factor})", "ag.vecdot({a}, {alike})",
    "ag.einsum('ij,kj->ki', {a}, {turned})", "{a} @ {alike}.T", "ag.outer({a}[:4], {alike}[:4])",
)  # fmt: skip
DENSE = (
    "{a} @ {factor} + {bias}", "{a} @ {turned}.T + {bias}", "ag.tanh({a} @ {factor} + {bias})",
    "ag.tanh({a} @ {turned}.T + {bias})", "ag.relu({a} @ {turned}.T + {bias})", "{a} @ {turned}.T",
)  # fmt: skip
WRITES = (
    "{t} = {a}.clone()\n{t}[0] = {c}", "{t} = {a} * {c}\n{t}[0] = {a}[-1]", "{t} = {a} + {c}\n{t}[1:] = {c}",
    "{t} = {a} * 1\n{t}[..., 0] = {c}", "{t} = {a} * {c}\n{t}[::2] = {a}[::2]", "{t} = {a} + {c}\n{t} += {a}",
    "{t} = ag.zeros_like({a})\n{t}[0] = {a}[0]", "{t} = {a} * {c}\n{t} *= {a}", "{t} = {a} + 0\n{t}[{i}] = {c}",
    "{t} = {a} + {c}\n{t}[-1] += {a}[0]", "with ag.no_grad():\n    {t} = {a} * {c}",
    "{t} = {a}.detach().clone()\n{t}.data[1:] *= 2.0", "{t} = {a}.detach().clone()\nu = {t}.data[::2]\nu += 1.0",
    "{t} = {a}.detach().clone()\nu = {t}.data.T\nu[0] = {c}",
    "{t} = {a}.clone()\nu = {t}.data.T.reshape(-1)\nu[0] = {c}", "{t} = {a} * 1\n{t}.T.reshape(-1)[0] = {c}",
    "{t} = {a} * 1\nu = {t}[:1].reshape(())\nu += {c}", "{t} = {a} * 1\nu = {t}[(0,) * {a}.ndim]\nu += {c}",
    "{t} = {a}.detach().clone()\nu = {t}[0]\n{t}[0] = {c}\n{t} = {t} + u",
    "{t} = ag.stack([{a}, {alike}]).detach()\nu = {t}.data.transpose(1, 2, 0)\nu[0] = {c}",
    "{t} = ag.stack([{a}, {alike}], axis=1).detach()\nu = {t}.data.transpose(2, 0, 1)[1:]\nu += 1.0",
    "{t} = {a}.detach().clone()\nu = {t}.data.transpose(2, 0, 1)[..., 0]\nu *= 0.5",
    "{t} = {a}.detach().clone()\nu = {t}.data.copy()\nu[0] = {c}\n{t} = {t} + u",
    "u = {a}.detach().data.sum()\nbefore = u\nu += {c}\n{t} = {a} * before",
)  # fmt: skip
SLOPES = (
    "ag.gradients(({a} * {a}).sum(), [{p}], create_graph=True)[0]", "ag.grad(lambda w: ag.tanh(w * {b}).sum())({a})",
    "ag.jvp(ag.tanh, [{a}], [{alike}])[1]", "ag.hvp(lambda w: (w ** 3).sum(), [{a}], [{alike}])[0]",
)  # fmt: skip
DRAWN = (
    "{a} + ag.random.normal({a}.shape, generator=generator, dtype={a}.dtype)",
    "{a} * (ag.random.uniform({a}.shape, generator=generator, dtype={a}.dtype) > 0.3)",
)
MIXED = (
    "{a} @ ag.astype({factor}, 'float32')", "ag.astype({a}, 'float32') @ {factor}",
    "ag.astype({a}, 'float32') * {alike}",
    "ag.astype(ag.astype({a}, 'float64') @ {factor}, {a}.dtype)", "{a} @ ag.astype({factor} > 0, 'int64')",
    "ag.astype(ag.sum(ag.astype({a}, 'float64'), axis=0), {a}.dtype)", "ag.astype({a}, 'float32') + {b}",
    "{a} - (-ag.astype({a} > 0, 'uint8'))", "{a} + ag.astype(labels // 2, {a}.dtype).sum()",
    "{a} * ag.mean(ag.astype(labels % 3 - 1, {a}.dtype))",
    "ag.astype(ag.tanh(ag.astype({a}, 'float32')), {a}.dtype)", "ag.astype(mask, 'int64').sum() * {a}",
    "ag.astype(ag.astype({a}, 'int64'), {a}.dtype) + ag.astype(ag.astype({a}, 'float32'), {a}.dtype)",
)  # fmt: skip
"""Expressions that mix dtypes."""

ARRAYS = (
    "{a} * raw", "raw - {a}", "{p} * raw", "raw / (2 + {p} * {p})", "{a} * raw.sum()", "{p} + ag.mean(raw)",
    "raw.max(axis=0) * {a}", "{a} - ag.std(raw, axis=-1, keepdims=True)", "ag.clip(raw, 0, 1) * {alike}",
    "np.concatenate([raw, {a}])", "np.concatenate([{a}, raw], axis=-1)", "np.concatenate([raw, {p}])",
    "ag.concat([raw, raw * 2.0]) * {c}", "np.stack([raw, {a}])", "np.where(raw > 0, {a}, raw)",
    "np.maximum(raw, {a})", "np.exp(-raw * raw) + {a}", "raw.reshape(-1) * ag.reshape({a}, (-1,))", "raw.T @ {a}",
    "{a} @ raw.T", "{a} * raw.copy()[0]", "np.dot(raw, {factor})", "raw.min() + {p}", "raw.sum(axis=0) * {p}",
    "{a} * (2.0 if isinstance(raw, np.ndarray) else 0.5)", "np.abs(raw) + {a}",
)  # fmt: skip
"""Expressions that read a NumPy array, an argument of the step."""

CAPTURED = (
    "{a} * {n}", "{n} - {a}", "{a} + {n}.mean()", "ag.Tensor({n}) * {a}", "{a} * float({n}.max())", "{a} * {n}.ndim",
    "np.maximum({n}, {a})", "{a} + np.tanh({n} * {n})", "{a} + {n}[{i}]", "{a} * (1.0 + {n} @ {n})",
)  # fmt: skip
"""Expressions that read a NumPy array ``{n}`` which the step captures."""

ALTERED = (
    "{n}[0] = {c}", "{n} *= 0.5", "{n} = {n} * 0.5", "{n}[...] = {c}", "{n} = np.sin({n})", "{n} = {n}[::-1]",
    "{n} = {n}.copy()", "{n}.flags.writeable = False",
)  # fmt: skip
"""Changes of a captured NumPy array between two calls."""

CLASSES = (
    "{a} * (2.0 if isinstance({a}, ag.Tensor) else 0.5)", "{a} * (2.0 if {a} is x else 0.5)",
    "{a} * (2.0 if {a} is not {p} else 0.5)", "{a} * (0.5 if x is labels else 2.0)",
    "match {a}:\n    case ag.Tensor(ndim=2):\n        {t} = {a} * 2.0\n    case _:\n        {t} = {a} * 0.5",
)  # fmt: skip
"""Expressions that depend on the class or the identity of a Tensor."""

HELD = (
    "{p}.data.reshape(-1)", "{p}.detach().data.reshape(-1)", "{p}.data", "{p}.data.T", "{p}.detach().data[:1]",
    "{p}.data.ravel()",
)  # fmt: skip
"""Arrays of a parameter that are kept during the calls, and written to between them."""

KEEPING = (
    "{s}.data", "{s}.data.T", "{s}.data[:1]", "{s}.data[..., ::2]", "{s}.detach()",
    "{s}.detach().T", "{s}[:].T.detach()", "{s}.detach()[0]",
)  # fmt: skip
"""Views of a state ``{s}`` that are first kept between two calls. Whether `reshape(-1)` is one depends on the order of
elements in memory, which no program promises to keep.
"""

SEEN = (
    "{p}", "{p}.detach()", "{p}.T", "{p}[0]", "{p}[::2]", "{p}.mT", "{p}.detach().T", "{p}.detach()[0]", "{p}.data",
    "ag.reshape({p}, (-1,))", "ag.reshape({p}.detach(), (-1,))[1:]", "ag.Tensor({p}.data)", "{p}.detach() * 1.0",
)  # fmt: skip
"""Expressions that read a state, mostly before it is updated."""

SCALARS = (
    "{a}.sum()", "{a}.mean()", "({a} * {a}).mean()", "({a} ** 2).sum()", "ag.tanh({a}).sum()",
    "({a} * {a}).sum() * {c}",
    "ag.abs({a}).mean()", "ag.mean(ag.square({a} - {c}))", "{a}.mean() * {c}", "ag.logsumexp({a}, axis=-1).sum()",
    "(({a} - {alike}) ** 2).mean()", "(ag.copysign({a}, -0.0) - ag.copysign({a}, 0.0)).mean()",
)  # fmt: skip
KEPT = (
    "{s}.data = 0.9 * {s}.data + 0.1 * {v}.data", "{s}.data = {v}.data * 1.0", "{s}.data += {v}.data",
    "{s}.data = {s}.data + 1", "{s}.data = {v}.data", "with ag.no_grad():\n    {s} *= 0.9\n    {s} += 0.1 * {v}",
    "with ag.no_grad():\n    {s}[...] = {v}", "with ag.no_grad():\n    {s}[...] = 0.5 * {s} + {v}.detach()",
    "with ag.no_grad():\n    {s}[0] = {v}[-1]", "{s}.data[...] = {v}.data", "{s}.data[1:] += {v}.data[:-1]",
    "{s}.data[0] = 0.5",
    "{s}.data = {v}.data.copy()", "{s}.data = ag.full_like({v}, 0.5).data", "{s}.data = x.data * {s}.data",
    "u = {v}.data * 1.0\nu[...] = {s}.data + 0.5\n{s}.data = u * 2.0", "{s}.data = x.data",
    "{s}.data = ag.flip(x).data",
    "u = {v}.data.copy()\nu[0] = 0.5\n{s}.data = u + {s}.data",
    "{s}.data = ({v}.data.copy() * 2.0).T.copy().T", "{s}.data = {s}.data + 1\n{s}.data = {s}.data * 0.5",
    "old = {s}.data\n{s}.data = {v}.data * 1.0\n{s}.data = {s}.data * 0.5\n{v}.data = old.copy()",
    "old = {s}.data\n{s}.data = {v}.data\n{v}.data = old * 0.5",
    "old = {s}.data\n{s}.data = {v}.data.copy()\n{v}.data = old.copy()",
    "old = {s}.data\n{s}.data = {v}.data * 1.0\n{s}.data = {s}.data + old",
    "u = {s}.data.T\nu[0] = 0.5", "u = {s}.data[::2]\nu += 1.0",
    "u = {s}.data.T\nu *= 0.5\nu += {v}.data.T",
)  # fmt: skip
"""Updates of untrained states: running averages, counters, last values."""

ITSELF = (
    "{s}.data = {s}.clone().data", "{s}.data = {s}.data.copy()", "{s}.data = {s}.detach() * 1.0",
    "{s}.data = {s}.data.copy(order='F')", "{s}.data = {s}.data[:]",
    "{s}.data = {s}.data.reshape(-1).reshape({s}.shape)",
    "{s}.data = ag.flip(ag.flip({s})).data",
    "{s}.data = ag.permute_dims(ag.permute_dims({s}, (2, 0, 1)), (1, 2, 0)).data",
    "{s}.data = ag.concat([{s}[:1], {s}[1:]]).data", "with ag.no_grad():\n    {s}[...] = {s} * 1.0",
)  # fmt: skip
"""Assignments of its own value to a state: of a copy, of a view, or in place."""

RULES = (
    "{p}.data = {p}.data - {lr} * {g}.data", "{p}.data -= {lr} * {g}.data", "with ag.no_grad():\n    {p} -= {lr} * {g}",
    "with ag.no_grad():\n    {p}[...] = {p} - {lr} * {g}",
)  # fmt: skip
"""Updates of a parameter by hand."""

LAYOUTS = (
    "{p}.data = np.asfortranarray({p}.data)", "{p}.data = np.ascontiguousarray({p}.data.T).T",
    "{p}.data = np.repeat({p}.data, 2, axis=-1)[..., ::2]", "{p}.data = np.flip({p}.data)",
    "{p}.data = np.moveaxis(np.moveaxis({p}.data, 0, -1).copy(), -1, 0)",
    "{p}.data = np.concatenate([{p}.data.reshape(-1)] * 2)[1 : 1 + {p}.size].reshape({p}.shape)",
)  # fmt: skip
"""Memory layouts of parameters other than C order."""

BETWEEN = (
    "{p}.data = {p}.data * 0.5", "{p}.data *= 0.5", "{p}.data = {p}.data[::-1]", "{p}.data = np.flip({p}.data)",
    "{p}.data = {p}.data.copy()", "{p}.data = {same}.data * 0.5",
    "{p}.data = np.copy({same}.data)", "{p}.data = np.copy({across}.data.T)", "{p}.data[...] = {across}.data.T",
    "{p} = copy.deepcopy({p})\n{p}.zero_grad()", "{p} = copy.deepcopy({same})\n{p}.zero_grad()",
    "{p} = ag.Tensor(np.copy({same}.data), requires_grad=True, name={p!r})",
    "flat = {p}.data.ravel('K')\nflat[-1] = 0.5", "flat = {p}.detach().data.ravel('K')\nflat *= 0.5",
    "flat = {p}.data.ravel('K')\nflat += 0.25", "flat = {p}.data.ravel('K')\nflat *= 2.0",
    "view = {p}.data[0]\nview += 0.5", "{p}.zero_grad()\n({p} * {p}).sum().backward()",
    "{p}.register_hook(lambda g: g * 0.5)", "{p}.grad = ag.ones_like({p}).detach()",
    "{p}.data = {same}.data", "{p}.data = {across}.data.T",
    "both = {p}.data * 0.5\n{p}.data = both\n{same}.data = both", "{p}.data = np.asfortranarray({p}.data)",
    "old = {p}.data\n{p}.data = old * 0.5\nold *= 0.5", "{p}.T.data[...] *= 0.5",
    "{p}[None].data[...] *= 0.5",
    "for each in {all}:\n    flat = each.data.ravel('K')\n    flat *= 0.5",
    "for each in {all}:\n    flat = each.detach().data.ravel('K')\n    flat += 0.25",
)  # fmt: skip
"""Statements between two calls that change a parameter or its gradient, or replace it by a copy. The compiler refuses a
parameter in the memory of another. Arrays are flattened in the order of memory, which no program promises to keep.
"""

EAGER = (
    "{s} * 2.0", "{s} + {s}", "-{s}", "{s}.clone()", "ag.tanh({s})[..., ::-1]", "ag.where({s} > 0, {s}, 2.0)",
    "ag.concat([{s}, {s}])", "ag.stack([{s}, {s}])", "ag.zeros_like({s})", "ag.sum({s}, axis=0)", "{s}.mT @ {s}",
    "ag.astype({s}, 'float32')", "ag.cumulative_sum({s}, axis=-1)", "ag.sort({s}, axis=0)", "ag.maximum({s}, {s}[:1])",
)  # fmt: skip
"""Values that are computed from a state between two calls."""

USES = (
    "results.append(made)", "made.data[...] *= 0.5\nresults.append(made)",
    "{s}.data = made.data\nmade = None", "{s}.data = made\nmade = None",
    "with ag.no_grad():\n    {s} *= 0.5", "with ag.no_grad():\n    {s}[0] = 0.5", "with ag.no_grad():\n    {s} += made",
    "{s}.data[...] *= 0.5\nresults.append(made)",
)  # fmt: skip
"""What follows such a value."""

PLAIN = (
    "{a} * {o}", "{o} * {a}", "{a} + {o}", "{o} - {a}", "{a} / (1.5 + {o} ** 2)", "{a} * (2 * {o} - 1)",
    "{a} * (1 / (1 + {o} * {o}))", "({a} if {o} > 0.3 else -{a}) * {c}", "ag.where({a} > {o}, {a}, {o})",
    "{a} * ({c} - {o})", "{a} * ({c} / (1.5 + {o} * {o}))", "ag.copysign({a}, {o})",
    "{a} * 0.9 ** abs({o})", "ag.clip({a}, min=-1.0, max=abs({o}) + 1.0)", "{a} * float({o})", "{a} * {o} * {o}",
    "{a} * (2.0 if isinstance({o}, int) else 0.5)", "ag.copysign({a}, {o})", "ag.copysign({c}, {o}) * {a}",
)  # fmt: skip
"""Uses of a Python number ``{o}``."""

PLACES = (
    ("{n} = {c}", "{n}", "{n} = {c}"),
    ("{n} = {{'a': {c}, 'b': [1.0, {c}]}}", "{n}['a']", "{n}['a'] = {c}"),
    ("{n} = {{'a': {c}, 'b': [1.0, {c}]}}", "{n}['b'][1]", "{n}['b'][1] = {c}"),
    ("{n} = types.SimpleNamespace(scale={c})", "{n}.scale", "{n}.scale = {c}"),
    ("{n} = type('Options', (), {{}})()\n{n}.scale = {c}", "{n}.scale", "{n}.scale = {c}"),
    ("{n} = type('Options', (), {{'scale': {c}}})", "{n}.scale", "{n}.scale = {c}"),
    (
        "{n} = type('Options', (), {{'scale': staticmethod(lambda: {c})}})",
        "{n}.scale()",
        "{n}.scale = staticmethod(lambda: {c})",
    ),
    (
        "{n} = type('Options', (), {{'scale': classmethod(lambda cls: {c})}})()",
        "{n}.scale()",
        "type({n}).scale = classmethod(lambda cls: {c})",
    ),
    (
        "{n} = type('Options', (), {{'scale': property(lambda self: {c})}})()",
        "{n}.scale",
        "type({n}).scale = property(lambda self: {c})",
    ),
    ("{n} = type('Options', (), {{'__call__': lambda self: {c}}})()", "{n}()", "type({n}).__call__ = lambda self: {c}"),
    ("{n} = {{'a': {c}}}\n{n}_values = {n}.values()", "sum({n}_values)", "{n}['a'] = {c}"),
    ("{n} = lambda scale={c}: scale", "{n}()", "{n}.__defaults__ = ({c},)"),
    ("{n} = np.array([{c}, 1.0])", "float({n}[0])", "{n}[0] = {c}"),
)
"""For each place that may hold a Python number: a statement that makes it, an expression that reads it, and a statement
that changes it."""

REGROUPED = (
    "{group}['params'].pop()", "{group}['params'].reverse()", "{group}['params'][:] = {group}['params'][:1]",
    "{group}['params'] = {group}['params'][1:]", "optimizer.param_groups = [{{**{group}, 'lr': 0.5}}]",
    "optimizer.param_groups[0] = dict({group}, params={group}['params'][-1:])",
    "for p in {group}['params']:\n    optimizer.state[p] = {{k: v * 0.5 for k, v in optimizer.state[p].items()}}",
    "for p in {group}['params']:\n    for k, v in optimizer.state[p].items():\n        optimizer.state[p][k] = v * 2",
)  # fmt: skip
"""Statements between two calls that change which parameters an optimizer updates, or replace what it keeps for them."""

ALIKE = {"0.0": "-0.0", "-0.0": "0.0", "1": "1.0", "1.0": "1"}
"""Numbers that are equal, of another sign or class."""

STEADY = (*ALIKE, *ALIKE, *ALIKE, "0.5", "2.0", "0.1", "-1.0", "3", "0.25", "1.5", "2")

KINDS = {
    "views": (24, VIEWS), "elementwise": (14, ELEMENTWISE), "binary": (12, BINARY), "dense": (12, DENSE),
    "products": (6, PRODUCTS), "moved": (8, MOVED), "reduced": (7, REDUCED), "along": (6, ALONG), "writes": (7, WRITES),
    "seen": (4, SEEN), "drawn": (3, DRAWN), "slopes": (2, SLOPES),
    "plain": (8, PLAIN), "mixed": (4, MIXED), "captured": (2, CAPTURED), "classes": (1, CLASSES),
}  # fmt: skip
"""How often each kind of statement is tried, and its templates."""

SIZES = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 7, 8, 8, 16, 16, 33, 33, 96)
NUMBERS = ("0.5", "2.0", "0.1", "-1.0", "3", "0.25", "-0.5", "1.5", "1e-3", "2", "1.0", "0.0")


@dataclass(frozen=True)
class Vocabulary:
    """Templates of layers, losses and optimizers that random steps may use beside the operations of this package.

    ``imports``: lines ``import name`` that the others need. ``layers``: calls that make a layer for an input whose last
    axis has ``{n}`` elements, with ``{m}`` and ``{k}`` other lengths, ``{seed}`` and ``{dtype!r}``. ``functions``:
    expressions of a value ``{a}``. ``losses``: scalars of a value ``{a}``, of others of its shape ``{alike}``, or of
    integers ``labels``. ``optimizers``: calls that make one, from a list of parameters ``{params}`` and a rate
    ``{lr}``. ``clips``: statements between backward and the update. ``schedules``: pairs of a call that makes a
    schedule of ``optimizer`` and a statement that advances it, run between calls. ``modes``: pairs of statements run
    between calls; the second undoes the effect of the first on ``{layer}``. ``parameters``: an expression of all that
    ``{layer}`` trains. ``ties``: statements that have ``{layer}`` share a parameter with ``{other}``. ``states``:
    expressions of further states, of ``{layer}`` or of ``optimizer``. ``loads``: statements between calls, of
    ``{layer}`` and ``optimizer``, such as the loading of a saved state.

    >>> from random import Random
    >>> from tests.steps.random_steps import Vocabulary, random_step
    >>> step = random_step(Random(0), Vocabulary(functions=("ag.relu({a})",)))
    """

    imports: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    schedules: tuple[tuple[str, str], ...] = ()
    modes: tuple[tuple[str, str], ...] = ()
    parameters: str = "*{layer}.parameters()"
    ties: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()


class _Unfit(Exception):
    """The drawn statement does not run, or its value is unsuitable."""


# ------------------------------------------------------------------------------------------------------- a step grows


@dataclass
class _Growing:
    """A step under construction: its statements, and the objects that they made, by name."""

    random: Random
    vocabulary: Vocabulary
    setup: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    scope: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    batch: int = 1
    before: list[str] = field(default_factory=list)  # statements before every call
    after: list[str] = field(default_factory=list)  # statements after every call
    unique: str = "[{}]"  # the template of a list of parameters without duplicates
    flagged: bool = False  # whether the step has an argument `train`
    plain: dict[str, tuple[str, str]] = field(default_factory=dict)  # how Python numbers are read and changed
    numbers_now: dict[str, str] = field(default_factory=dict)  # their values, as text
    factored: bool = False  # whether the step has an argument `factor`, a number
    again: bool = False  # whether there is a second function
    captured: list[str] = field(default_factory=list)  # NumPy arrays that the step captures
    held: list[str] = field(default_factory=list)  # arrays of states that are kept during the calls
    replaced: Sequence[str] = ()  # parameters that get another array: views of the old one don't see the update before
    untrained_states: list[str] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)  # parameters that are also given as the argument `x`
    arguments: str = "x, labels, mask"

    def __post_init__(self) -> None:
        r = self.random
        self.dtype = r.choices(("float64", "float32", "float16"), (58, 37, 5))[0]
        self.extreme = self.dtype != "float16" and r.random() < 0.1
        far = r.choice((6, 10, 15, 20, 30))
        self.numbers = (f"1e{far}", f"1e-{far}", "-0.0", "0.5") if self.extreme else NUMBERS
        self.limit = 1e37 if self.extreme else LARGEST
        self.rounded = r.random() < 0.1  # zeros of both signs, ties
        self.sizes = [r.choice(SIZES) for _ in range(3)]
        self.imports = ("import copy", "import types", *IMPORTS, *self.vocabulary.imports)
        self.kinds = dict(KINDS)
        if self.vocabulary.layers:
            self.kinds["layers"] = (16, ("{layer}({a})",))
        if self.vocabulary.functions:
            self.kinds["functions"] = (4, self.vocabulary.functions)
        self.run("\n".join(self.imports))

    @property
    def dtype_option(self) -> str:
        return "" if self.dtype == "float64" else f", dtype={self.dtype!r}"

    # ------------------------------------------------------------ statements

    def run(self, text: str) -> None:
        """Run a statement. Raises `_Unfit` where it does not run."""
        try:
            with np.errstate(all="ignore"):
                exec(text, self.scope)
        except Exception as error:
            raise _Unfit from error

    def state(self, text: str) -> None:
        """Add a statement to the setup."""
        self.run(text)
        self.setup.append(text)

    def value(self, template: str, a: str = "") -> str:
        """Add a statement that computes a value. Returns the value's name."""
        name = self.fresh("t")
        text = self.filled(template if "{t}" in template else f"{{t}} = {template}", a=a, t=name)
        self.run(text)
        made = self.scope.pop(name)  # one that does not fit may be large
        if not isinstance(made, Tensor) or made.dtype != self.dtype or not 0 < made.size <= MOST:
            raise _Unfit
        if not (np.abs(backends.to_numpy(made.data)) <= self.limit).all():
            raise _Unfit
        self.scope[name] = made
        self.body.append(text)
        self.values.append(name)
        return name

    def attempt(self, grow: Callable[[], Any]) -> Any:
        """The result of ``grow``; ``None`` if it raises `_Unfit`, and then its statements are removed."""
        lists = self.setup, self.body, self.params, self.layers, self.values, self.captured, self.untrained_states
        before = [*map(len, lists)]
        try:
            return grow()
        except _Unfit:
            for lines, count in zip(lists, before, strict=True):
                del lines[count:]
            return None

    # ------------------------------------------------------------ holes

    def fresh(self, stem: str) -> str:
        """An unused name."""
        self.count += 1
        return f"{stem}{self.count}"

    def filled(self, template: str, **names: str) -> str:
        """``template`` with its placeholders filled."""
        for hole in dict.fromkeys(re.findall(r"{(\w+)}", template)):
            if hole not in names:
                names[hole] = str(self.filling(hole, names))
        return template.format(**names)

    def filling(self, hole: str, names: dict[str, str]) -> Any:
        """The text for one placeholder, given those filled before (``names``)."""
        simple: dict[str, Callable[[], Any]] = {
            "c": lambda: self.random.choice(self.numbers),
            "i": lambda: self.random.choice((0, -1, 1)),
            "k": self.size,
            "o": self.number,
            "p": lambda: self.random.choice(self.params) if self.params else self.unfit(),
            "all": lambda: self.unique.format(", ".join(self.trained())),
            "same": lambda: self.parameter_of(self.shape(names["p"]), names["p"]),
            "across": lambda: self.parameter_of(self.shape(names["p"])[::-1]),
        }
        if hole in simple:
            return simple[hole]()
        a = self.shape(names["a"])
        n, m = a[-1] if a else self.unfit() if hole in ("factor", "turned", "layer", "beside") else 1, self.size()
        if hole == "layer":
            return self.layer(n)
        if hole == "n":
            return self.array(a[-1:] or (1,))
        if hole == "factor":
            return self.another(lambda s: len(s) == 2 and s[0] == n, (n, m))
        if hole == "turned":
            return self.another(lambda s: len(s) == 2 and s[1] == n, (m, n))
        if hole == "beside":
            return self.another(lambda s: len(s) == 2 == len(a) and s[0] == a[0], a)
        if hole == "bias":
            weight = names.get("factor") or names["turned"]
            columns = self.shape(weight)[1 if "factor" in names else 0]
            return self.another(lambda s: s == (columns,), (columns,), 0.4)
        if hole == "alike":
            return self.another(lambda s: s == a, a, 0.8)
        if hole == "joined":
            return self.another(lambda s: len(s) == len(a) and sum(map(int.__ne__, s, a)) < 2, a)
        assert hole == "b", hole
        if a and self.random.random() < 0.2:  # a bias, a column, a number
            return self.parameter(self.random.choice((a[-1:], (*a[:-1], 1), ())))
        return self.another(
            lambda s: all(x == y or 1 in (x, y) for x, y in zip(a[::-1], s[::-1], strict=False)), a, 0.85
        )

    def number(self) -> str:
        """The expression that reads a Python number which may change between calls: a new one, or an earlier one."""
        r = self.random
        if self.plain and r.random() < 0.4:
            return r.choice([*self.plain.values()])[0]
        if self.factored or r.random() < 0.2:
            self.factored = True
            self.run(f"factor = {r.choice(STEADY)}")
            return "factor"
        if self.layers and r.random() < 0.2:
            name = r.choice(self.layers)
            made, read, changed = "{n}.scale = {c}", "{n}.scale", "{n}.scale = {c}"
        else:
            name, (made, read, changed) = self.fresh("o"), r.choice(PLACES)
        if name not in self.plain:
            self.state(made.format(n=name, c=self.steady(name)))
            self.plain[name] = read.format(n=name), changed.format(n=name, c="{c}")
        return self.plain[name][0]

    def steady(self, name: str) -> str:
        """The text of the next value of a Python number, often equal to the last one."""
        last = self.numbers_now.get(name, "")
        alike = last in ALIKE and self.random.random() < 0.5
        self.numbers_now[name] = ALIKE[last] if alike else self.random.choice(STEADY)
        return self.numbers_now[name]

    def unfit(self) -> Any:
        """Raise `_Unfit`."""
        raise _Unfit

    def shape(self, name: str) -> Shape:
        """The shape of a value or parameter."""
        return tuple(self.scope[name].shape)

    def size(self) -> int:
        """The length of an axis, from a small set, so that shapes often agree."""
        return self.random.choice(self.sizes if self.random.random() < 0.8 else SIZES)

    def pick(self, found: Sequence[str]) -> str:
        """An element of ``found``, more often one of the last."""
        count = len(found)
        return found[max(self.random.randrange(count), self.random.randrange(count))] if found else self.unfit()

    def another(self, fits: Callable[[Shape], bool], shape: Shape, again: float = 0.5) -> str:
        """An earlier value or parameter whose shape ``fits``, with probability ``again``; else a new parameter."""
        found = [name for name in (*self.params, *self.values) if fits(self.shape(name))]
        return self.pick(found) if found and self.random.random() < again else self.parameter(shape)

    def numbers_of(self, shape: str) -> str:
        """An expression of random numbers of ``shape``."""
        text = f"rng.standard_normal({shape})"
        if self.rounded and self.random.random() < 0.7:
            text = f"np.round({text})"
        if self.extreme and self.random.random() < 0.5:
            text = f"{text} * {self.random.choice(self.numbers[:2])}"
        return text

    def parameter(self, shape: Shape) -> str:
        """A new parameter, in C or Fortran order or strided."""
        name, r = self.fresh("w"), self.random
        if len(shape) == 1 and r.random() < 0.25:
            self.state(f"{name} = ag.Tensor(np.zeros({shape}), requires_grad=True{self.dtype_option}, name={name!r})")
        else:
            numbers = f"0.5 * {self.numbers_of(str(shape))}"
            self.state(f"{name} = ag.Tensor({numbers}, requires_grad=True{self.dtype_option}, name={name!r})")
        self.params.append(name)
        if shape and r.random() < 0.25:
            self.state(r.choice(LAYOUTS[len(shape) == 1 and 2 :]).format(p=name))
        elif shape and r.random() < 0.03 and (alike := [p for p in self.params[:-1] if self.shape(p) == shape]):
            self.state(f"{name}.data = {r.choice(alike)}.data")  # refused by the compiler if one of them is updated
        return name

    def array(self, shape: Shape) -> str:
        """A NumPy array of ``shape`` that the step captures: a new one, or an earlier one."""
        found = [name for name in self.captured if self.shape(name) == shape]
        if found and self.random.random() < 0.5:
            return self.random.choice(found)
        name = self.fresh("n")
        self.state(f"{name} = ({self.numbers_of(str(shape))}).astype({self.dtype!r})")
        self.captured.append(name)
        return name

    def parameter_of(self, shape: Shape, but: str = "") -> str:
        """A parameter of ``shape`` other than ``but``. Raises `_Unfit` if there is none."""
        return self.pick([p for p in self.params if self.shape(p) == shape and p != but])

    def layer(self, n: int) -> str:
        """A layer for an axis of ``n`` elements: a new one, or an earlier one that may fit."""
        if self.layers and self.random.random() < 0.35:
            return self.random.choice(self.layers)
        name, r = self.fresh("layer"), self.random
        made = r.choice(self.vocabulary.layers).format(
            n=n, m=self.size(), k=self.size(), seed=r.randrange(9), dtype=self.dtype
        )
        self.state(f"{name} = {made}")
        self.layers.append(name)
        if r.random() < 0.08 and getattr(getattr(self.scope[name], "weight", None), "ndim", 0) == 2:
            self.state(r.choice(LAYOUTS).format(p=f"{name}.weight"))
        return name

    # ------------------------------------------------------------ the parts of a step

    def grow(self) -> None:
        """Add a value, if the statement drawn for it runs."""
        weights = [weight for weight, _ in self.kinds.values()]
        templates = self.random.choices([*self.kinds.values()], weights)[0][1]
        self.attempt(lambda: self.value(self.random.choice(templates), self.pick(self.values)))  # it often fails

    def unused(self) -> list[str]:
        """The values that no statement reads."""
        text = "\n".join(self.body)
        return [v for v in self.values if len(re.findall(rf"\b{v}\b", text)) == 1]

    def loss(self) -> None:
        """Add the loss, a sum of scalars of the values. Raises `_Unfit` if it does not require grad."""
        terms = []
        for _ in range(self.random.choice((1, 2, 2, 3, 4))):
            needing = [v for v in self.values if self.scope[v].requires_grad]
            ends = [v for v in self.unused() if v in needing and self.random.random() < 0.8]
            losses = self.vocabulary.losses if self.vocabulary.losses and self.random.random() < 0.5 else SCALARS
            a = self.pick(ends or needing)
            term = self.attempt(partial(self.value, self.random.choice(losses), a))
            if term and not self.shape(term) and self.scope[term].requires_grad:
                terms.append(term)
        if not terms:
            raise _Unfit
        self.run(f"loss = {' + '.join(terms)}")
        self.body.append(f"loss = {' + '.join(terms)}")

    def prune(self, wanted: Iterable[str]) -> None:
        """Remove most unused statements, with the parameters and layers that only they use."""
        needed, kept = set(wanted), []
        for line in reversed(self.body):
            names = set(re.findall(r"\w+", line))
            if names & needed or self.random.random() < 0.04:
                needed |= names
                kept.append(line)
        self.body = kept[::-1]
        self.values = [v for v in self.values if v in needed]
        self.plain = {name: ways for name, ways in self.plain.items() if name in needed}
        gone = {name for name in (*self.params, *self.layers) if name not in needed and self.random.random() < 0.9}
        gone |= {name for name in self.captured if name not in needed}
        self.setup = [line for line in self.setup if not gone & set(re.findall(r"\w+", line))]
        self.params = [name for name in self.params if name not in gone]
        self.layers = [name for name in self.layers if name not in gone]
        self.captured = [name for name in self.captured if name not in gone]

    def trained(self) -> list[str]:
        """The entries of a list of all parameters."""
        layers = [layer for layer in self.layers if list(self.scope[layer].parameters())]
        return [*self.params, *(self.vocabulary.parameters.format(layer=layer) for layer in layers)] or self.unfit()

    def update(self) -> list[str]:
        """The statements of the backward pass and the update."""
        r = self.random
        lr = r.choice(self.numbers[:2] if self.extreme else ("0.1", "0.05", "0.01", "0.5"))
        if self.vocabulary.optimizers and r.random() < 0.7:
            return self._update_by_optimizer(lr)
        return self._update_by_hand(lr)

    def _update_by_optimizer(self, lr: str) -> list[str]:
        r, entries = self.random, self.trained()
        params = self.unique.format(", ".join(entries))
        if len(entries) > 1 and r.random() < 0.2 and self.unique == "[{}]":
            cut = r.randrange(1, len(entries))
            first, second = f"[{', '.join(entries[:cut])}]", f"[{', '.join(entries[cut:])}]"
            params = f"[{{'params': {first}, 'lr': 0.02}}, {{'params': {second}}}]"
        self.state(f"optimizer = {r.choice(self.vocabulary.optimizers).format(params=params, lr=lr)}")
        clips = [r.choice(self.vocabulary.clips)] if self.vocabulary.clips and r.random() < 0.3 else []
        lines = [
            "loss.backward()",
            *(clip.format(params=self.unique.format(", ".join(entries))) for clip in clips),
            "optimizer.step()",
        ]
        form = r.choices(("before", "after", "never", "outside"), (75, 14, 1, 10))[0]
        if form == "outside":  # the update is done eagerly, between the calls
            self.after = [lines.pop(), *(["optimizer.zero_grad()"] if r.random() < 0.7 else [])]
        if form == "after":
            return [*lines, "optimizer.zero_grad()"]
        return (
            ["optimizer.zero_grad()", *lines] if form == "before" or (form == "outside" and r.random() < 0.3) else lines
        )

    def _update_by_hand(self, lr: str) -> list[str]:
        r = self.random
        entries = self.trained()
        rule = r.choice(RULES)
        if r.random() < 0.5:
            self.state(f"params = {self.unique.format(', '.join(entries))}")
            lines = ["for p in params:\n    p.zero_grad()", "loss.backward()"]
            inner = rule.format(p="p", g="p.grad", lr=lr).replace("\n", "\n        ")
            lines.append(f"for p in params:\n    if p.grad is not None:\n        {inner}")
            return r.choices((lines, [*lines[1:], lines[0]], lines[1:]), (80, 19, 1))[0]
        some = r.sample(self.params, r.randint(1, len(self.params))) if self.params else self.unfit()
        lines = [f"grads = ag.gradients(loss, [{', '.join(some)}])"]
        for i, p in enumerate(some):
            if r.random() < 0.3:
                velocity = self.untrained(self.shape(p))
                lines.append(f"{velocity}.data = 0.9 * {velocity}.data + grads[{i}].data")
                lines.append(rule.format(p=p, g=velocity, lr=lr))
            else:
                lines.append(rule.format(p=p, g=f"grads[{i}]", lr=lr))
        return lines

    def untrained(self, shape: Shape) -> str:
        """A new state that requires no grad."""
        name = self.fresh("s")
        self.state(f"{name} = ag.zeros({shape}{self.dtype_option})")
        self.untrained_states.append(name)
        return name

    def keeping(self) -> list[str]:
        """Statements that write untrained states."""
        r, lines = self.random, []
        for _ in range(r.choice((0, 0, 0, 1, 1, 2))):
            source = r.choice([*self.params, *self.values, "x"])
            lines.append(r.choice(KEPT).format(s=self.untrained(self.shape(source)), v=source))
        if r.random() < 0.05:  # counters that start at different numbers
            for start in r.sample((0.0, 1.0, 2.0), 2):
                self.state(f"{self.untrained(())}.data = {start}")
            lines += [f"{s}.data = {s}.data + 1" for s in self.untrained_states[-2:]]
        if r.random() < 0.08 and (line := self.attempt(self.renewing)):
            lines.append(line)
        return lines

    def renewing(self) -> str:
        """An assignment of its own value to a state, of which a view may be kept."""
        r = self.random
        state = self.untrained(self.shape(r.choice([*self.params, "x"])))
        if r.random() < 0.5:
            self.state(r.choice(LAYOUTS[len(self.shape(state)) < 2 and 2 :]).format(p=state))
        self.run(text := r.choice(ITSELF).format(s=state))
        if r.random() < 0.6:
            self.held.append(name := self.fresh("kept"))
            self.state(f"{name} = {r.choice(HELD).format(p=state)}")
        return text

    # ------------------------------------------------------------ the whole of it

    def begin(self) -> None:
        """Define ``batch``, which makes inputs, integer labels and a mask."""
        r = self.random
        self.batch = r.choice(self.sizes)
        axes = [self.size() for _ in range(r.choices((0, 1, 2), (1, 12, 3))[0])]
        shape = f"({', '.join(['n', *map(str, axes)])}{',' * (not axes)})"
        array = ""
        if r.random() < 0.2:
            self.kinds["arrays"], self.arguments = (28, ARRAYS), f"{self.arguments}, raw"
            array = f", ({self.numbers_of(shape)}).astype({self.dtype!r})"
        self.state(f"rng = np.random.default_rng({r.randrange(100)})")
        self.state("generator = np.random.default_rng(0)")
        self.state(
            f"def batch(n):\n    x = ag.Tensor({self.numbers_of(shape)}{self.dtype_option})\n"
            f"    return x, ag.Tensor(rng.integers(0, {self.size()}, n)), ag.Tensor(rng.random({shape}) < 0.6){array}"
        )
        self.run(f"{self.arguments} = batch({self.batch})")
        self.values.append("x")

    def finished(self) -> tuple[list[str], list[str]]:
        """The body with its update, and the names of what it returns."""
        r = self.random
        returned = [v for v in self.unused() if r.random() < 0.5] + r.sample(self.values, r.choice((0, 0, 1)))
        self.prune(["loss", *returned])
        views = [view for _ in range(r.choice((0, 0, 0, 1, 2))) if (view := self.attempt(self.view))]
        self.attempt(self.tie)
        keeping, update = self.keeping(), self.update()
        self.replaced = [p for p in self.params if any(f"{p}.data = " in line for line in keeping)]
        if (others := [p for p in self.params if p not in self.replaced]) and r.random() < 0.15:
            self.held.append(name := self.fresh("kept"))
            self.state(f"{name} = {r.choice(HELD).format(p=r.choice(others))}")
        if r.random() < 0.003:  # refused by the compiler
            self.state("count = [0]")
            keeping.append("count[0] += 1")
        returned += [view.partition(" = ")[0] for view in views]
        if "loss.backward()" in update and self.params and r.random() < 0.15:
            update.insert(update.index("loss.backward()") + 1, f"g = {r.choice(self.params)}.grad")
            returned.append("g")
        if "optimizer.step()" in update and r.random() < 0.1:
            update.append("rate = x * optimizer.param_groups[0]['lr']")
            returned.append("rate")
        update = [*keeping, *update] if r.random() < 0.4 else [*update, *keeping]
        self.flagged = "g" not in returned and r.random() < 0.12
        if self.flagged:
            update = ["if train:\n    " + "\n".join(update).replace("\n", "\n    ")]
        end = [*views, *update] if r.random() < 0.8 else [*update, *views]
        if views and r.random() < 0.3:
            end.append(f"late = ag.Tensor({views[0].partition(' = ')[0]}) * 2.0")
            returned.append("late")
        results = r.sample(names := [*dict.fromkeys(["loss", *returned])], len(names))
        if r.random() < 0.08:
            return [*self.body, *end, f"return {{{', '.join(f'{name!r}: {name}' for name in results)}}}"], []
        return [*self.body, *end, f"return {', '.join(results)}"], results

    def tie(self) -> None:
        """Sometimes let two layers share a parameter."""
        if len(self.layers) < 2 or not self.vocabulary.ties or self.random.random() < 0.5:
            raise _Unfit
        layer, other = self.random.sample(self.layers, 2)
        one, two = (getattr(getattr(self.scope[name], "weight", None), "shape", name) for name in (layer, other))
        if one != two:
            raise _Unfit
        self.state(self.random.choice(self.vocabulary.ties).format(layer=layer, other=other))
        self.unique = "[*dict.fromkeys([{}])]"

    def view(self) -> str:
        """A statement that reads a parameter."""
        text = f"{self.fresh('v')} = {self.filled(self.random.choice(SEEN))}"
        self.run(text)
        return text

    def step(self, body: Sequence[str], results: Sequence[str]) -> TrainingStep:
        """The step with calls of it."""
        r = self.random
        self.factored &= any(re.search(r"\bfactor\b", line) for line in body)
        if not re.search(r"\.data = .*\bx\b", "\n".join(body)):  # as documented, a program would copy it
            self.alike = [p for p in self.params if self.shape(p) == self.shape("x")]
        arguments = self.arguments + ", train=True" * self.flagged + ", factor=1.0" * self.factored
        if r.random() < 0.2:  # the same step, its loss alone, or another update
            self.again = True
            lines = body if r.random() < 0.5 else (*self.body, "return loss")
            if self.params and r.random() < 0.3:
                p = r.choice(self.params)
                lines = f"with ag.no_grad():\n    {p} *= 0.9", f"return {p}.sum()"
            self.setup.append(TrainingStep((), arguments, tuple(lines), ()).definition("again"))
        if self.params and r.random() < 0.08:  # arrays of another order, or new ones
            anew = "{p}.data = {p}.data.copy()", "{p}.data = {p}.data * 0.5", "{p}.data = last = {p}.data * 0.5"
            self.before = [r.choice((*LAYOUTS, *anew)).format(p=r.choice(self.params))]
        calls = [*self.before, self.call(self.batch), *self.after]
        for _ in range(r.choice((1, 2, 2, 3)) + 2 * self.factored):
            calls = self.between(calls, results)
            calls += [*self.before, self.call(r.choice(SIZES) if r.random() < 0.15 else self.batch), *self.after]
        calls += [f"results.append({name} * 1)" for name in self.held]
        return TrainingStep(tuple(self.setup), arguments, tuple(body), tuple(calls), self.imports)

    def call(self, n: int) -> str:
        """A call with a fresh batch."""
        option = f", train={self.random.random() < 0.6}" if self.flagged else ""
        option += f", factor={self.steady('factor')}" if self.factored else ""
        function = "again" if self.again and self.random.random() < 0.5 else "step"
        batch = f"batch({n})"
        if self.random.random() < 0.03:  # of another dtype
            other = "float64" if self.dtype == "float32" else "float32"
            batch = f"[ag.astype(t, {other!r}) if t.dtype == {self.dtype!r} else t for t in {batch}]"
        elif (alike := self.alike) and self.random.random() < 0.4:
            batch = f"({self.random.choice(alike)}.clone().detach(), *{batch}[1:])"  # in its memory it would be refused
        return f"results.append({function}(*{batch}{option}))"

    def any_state(self) -> str:
        """An expression of a parameter, an untrained state, or one of a layer or of the optimizer."""
        found = [*self.params, *self.untrained_states]
        found += [text.format(layer=self.random.choice(self.layers)) for text in self.vocabulary.states if self.layers]
        return self.random.choice(found) if found else ""

    def between(self, calls: list[str], results: Sequence[str]) -> list[str]:
        """``calls``, followed by the statements before the next call, often none."""
        r, vocabulary = self.random, self.vocabulary
        if self.plain and r.random() < 0.7:
            name = r.choice([*self.plain])
            return [*calls, self.plain[name][1].format(c=self.steady(name))]
        if self.captured and r.random() < 0.5:
            return [*calls, r.choice(ALTERED).format(n=r.choice(self.captured), c=r.choice(STEADY))]
        if self.held and r.random() < 0.7:
            written = r.choice(("{n}[0] = {c}", "{n} *= 0.5", "{n}[...] = {c}", "results.append({n} * 1)"))
            return [*calls, written.format(n=r.choice(self.held), c=r.choice(STEADY))]
        kinds = {
            "nothing": 40, "parameter": 30, "keep": 20, "eager": 25, "load": 8, "copy": 5, "mode": 10, "rate": 10,
            "result": 10, "groups": 20,
        }  # fmt: skip
        kind = r.choices([*kinds], [*kinds.values()])[0]
        for _ in range(4 if kind == "parameter" else 0):
            if changed := self.attempt(lambda: self.filled(r.choice(BETWEEN))):
                return [*calls, changed]
        if kind == "keep" and (state := self.any_state()) and state not in self.replaced:
            self.held.append(name := self.fresh("kept"))
            return [*calls, f"{name} = {r.choice(KEEPING).format(s=state)}"]
        if kind == "eager" and (state := self.any_state()):
            text = f"made = {r.choice(EAGER)}"
            text = text if r.random() < 0.3 else f"with ag.no_grad():\n    {text}"
            text = f"{text}\n{r.choice(USES)}"
            if self.params and r.random() < 0.6:  # all parameters
                state, text = "each", self.filled("for each in {all}:\n    ") + text.replace("\n", "\n    ")
            return [*calls, text.replace("{s}", state)]
        if kind == "load" and vocabulary.loads and self.layers:
            return [*calls, *r.choice(vocabulary.loads).format(layer=r.choice(self.layers)).split("\n")]
        if kind == "copy" and self.layers:  # the copy gets an optimizer of its own
            layer = r.choice(self.layers)
            lists = [line for line in self.setup if line.startswith(("params = ", "optimizer = ", "schedule = "))]
            clear = f"for p in [{vocabulary.parameters.format(layer=layer)}]:\n    p.zero_grad()"
            return [*calls, f"{layer} = copy.deepcopy({layer})", clear, *lists]
        if kind == "mode" and self.layers and vocabulary.modes:
            layer = r.choice(self.layers)
            there, back = (text.format(layer=layer) for text in r.choice(vocabulary.modes))
            return [*calls, there, self.call(self.batch), back]
        if kind == "groups" and "optimizer" in self.scope:
            changed = r.choice(REGROUPED).format(group="optimizer.param_groups[0]")
            return [*calls, f"optimizer.zero_grad()\n{changed}"]  # a compiled step keeps no gradient that it uses
        if kind == "rate" and "optimizer" in self.scope:
            if not vocabulary.schedules or "schedule" in self.scope or r.random() < 0.5:
                return [*calls, "optimizer.param_groups[0]['lr'] *= 0.5"]
            made, moved = r.choice(vocabulary.schedules)
            self.state(f"schedule = {made}")
            return [*calls, moved]
        alike = [i for i, v in enumerate(results) if v in self.values and self.shape(v) == self.shape("x")]
        if kind == "result" and alike:
            last = f"results[-1][{r.choice(alike)}]" if len(results) > 1 else "results[-1]"
            # Cloned before a state is updated: eagerly a result may be a view of one, and compiled it is a copy.
            behind = max(i for i, line in enumerate(calls) if line.startswith("results.append")) + 1
            kept = f"given = {last}.detach().clone()"
            return [*calls[:behind], kept, *calls[behind:], f"results.append(step(given, *batch({self.batch})[1:]))"]
        return calls


def random_step(random: Random, vocabulary: Vocabulary | None = None, *, max_values: int = 14) -> TrainingStep:
    """A training step that runs eagerly, drawn by ``random``, with ``max_values`` values or fewer before its loss.

    It has parameters in several memory orders, shared and transposed ones, slices of values that are reshaped and
    transposed, values and states written in place, views of states that are returned after the update, random draws,
    Python numbers that change between the calls, NumPy arrays among the arguments, and several calls with fresh inputs,
    some of other batch sizes. Between the calls copies replace parameters and layers; some steps have a second
    function, ``again``, that uses the same states.
    Layers, losses and optimizers are those of ``vocabulary``.

    >>> from random import Random
    >>> from tests.steps.random_steps import random_step
    >>> "def step(x, labels, mask" in random_step(Random(0)).source
    True
    """
    while True:
        growing = _Growing(random, vocabulary or Vocabulary())
        try:
            growing.begin()
            for _ in range(random.randint(2, max_values)):
                growing.grow()
            growing.loss()
            body, results = growing.finished()
            return _running(growing.step(body, results))
        except _Unfit:
            continue


def _running(step: TrainingStep) -> TrainingStep:
    """``step`` without the calls that do not run. Raises `_Unfit` where the first does not."""
    while True:
        start, calls = step.compiled()
        scope: dict[str, Any] = {}
        done = -1
        try:
            with np.errstate(all="ignore"):
                for code in (start, *calls):
                    exec(code, scope)
                    done += 1
        except Exception as error:
            if not any(line.startswith("results.append") for line in step.calls[: max(done, 0)]):
                raise _Unfit from error
            # Without this call later ones may draw other inputs, so all are run again. The next statement may keep the
            # call's result: then it is removed, too.
            skipped = done + 1 + any(line.startswith("given = ") for line in step.calls[done + 1 : done + 2])
            step = replace(step, calls=step.calls[:done] + step.calls[skipped:])
        else:
            return step


__all__ = ["Vocabulary", "random_step"]
