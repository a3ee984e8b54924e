"""Operations as a user would write them, each right, and wrong rules that one might write for them.

Nothing here is of this package's own table: `autograd.op`, `Op.vjp` and `autograd.testing.declare` are what a user has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd.testing import array, axis, declare, integers

Rule = Callable[..., Any]


@dataclass(frozen=True)
class Own:
    """An operation: its forward, its right rules, and what it takes."""

    forward: Callable[..., Any]
    rules: Mapping[str, Rule | None]
    takes: Mapping[str, Any]
    options: Mapping[str, Any]

    def declared(self, wrong: Wrong | None = None) -> ag.Op:
        """The operation, registered; with a wrong rule, or without one of its rules, where asked for."""
        rules = {name: rule for name, rule in self.rules.items() if wrong is None or name not in wrong.forgotten}
        op = ag.op(self.forward.__name__, **self.options)((wrong and wrong.forward) or self.forward)
        op.vjp(**rules | (dict(wrong.rules) if wrong else {}))
        if self.takes:
            declare(op, **self.takes)
        return op


@dataclass(frozen=True)
class Wrong:
    """What is wrong with an operation: other rules, a rule that is missing, or a forward that spoils it."""

    op: str
    kind: str
    change: str
    rules: Mapping[str, Rule] = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()
    forward: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.op}: {self.change}"


OWN: dict[str, Own] = {}
WRONG: list[Wrong] = []


def own(rules: Mapping[str, Rule | None], broadcasts: bool = False, **takes: Any) -> Callable[[Any], Any]:
    """A decorator for the forward of an operation; ``takes`` is what `declare` is told."""

    def add(forward: Any) -> Any:
        OWN[forward.__name__] = Own(forward, rules, takes, {"broadcasts": broadcasts})
        return forward

    return add


def wrong(op: Any, kind: str, change: str, forgotten: tuple[str, ...] = (), forward: Any = None, **rules: Rule) -> None:
    """A fault of one operation."""
    if forward is not None:
        forward.__name__ = op.__name__
    WRONG.append(Wrong(op.__name__, kind, change, rules, forgotten, forward))


def constant(x: Any) -> Any:
    """What is computed with and not recorded: what a second derivative does not see."""
    return x.data if isinstance(x, ag.Tensor) else x


# --------------------------------------------------------------------------------------------------------- activations


def swish_slope(xp, x, beta):
    s = xp.sigmoid(beta * x)
    return s + beta * x * s * (1 - s)


@own({"x": lambda xp, g, x, beta: g * swish_slope(xp, x, beta)})
def swish(xp, x, *, beta=1.0):
    return x * xp.sigmoid(beta * x)


wrong(swish, "sign", "− before the second term",
      x=lambda xp, g, x, beta: g * (2 * xp.sigmoid(beta * x) - swish_slope(xp, x, beta)))  # fmt: skip
wrong(swish, "parameter", "as if beta were 1", x=lambda xp, g, x: g * swish_slope(xp, x, 1.0))
wrong(swish, "parameter", "the factor beta is forgotten", x=lambda xp, g, x, beta: g * (
    xp.sigmoid(beta * x) + x * xp.sigmoid(beta * x) * (1 - xp.sigmoid(beta * x))
))  # fmt: skip
wrong(swish, "tail", "1 beyond 6", x=lambda xp, g, x, beta: g * xp.where(x > 6, 1.0, swish_slope(xp, x, beta)))
wrong(swish, "second order", "x is a constant", x=lambda xp, g, x, beta: g * swish_slope(xp, constant(x), beta))


@own({"x": lambda xp, g, x: g * xp.sigmoid(x)})
def soft_plus(xp, x):
    return xp.logaddexp(x, 0.0)


wrong(soft_plus, "overflow", "exp(x) / (1 + exp(x))", x=lambda xp, g, x: g * xp.exp(x) / (1 + xp.exp(x)))
wrong(soft_plus, "at 0", "0 at exactly 0", x=lambda xp, g, x: g * xp.where(x == 0, 0.0, xp.sigmoid(x)))
wrong(soft_plus, "not linear", "g is limited to 1",
      x=lambda xp, g, x: xp.clip(g, min=-1.0, max=1.0) * xp.sigmoid(x))  # fmt: skip
wrong(soft_plus, "second order", "the slope is a constant", x=lambda xp, g, x: g * constant(xp.sigmoid(x)))


def mish_slope(xp, x):
    t, s = xp.tanh(xp.logaddexp(x, 0.0)), xp.sigmoid(x)
    return t + x * (1 - t * t) * s


@own({"x": lambda xp, g, x: g * mish_slope(xp, x)})
def mish(xp, x):
    return x * xp.tanh(xp.logaddexp(x, 0.0))


wrong(mish, "overflow", "exp(x) / (1 + exp(x)) for the sigmoid", x=lambda xp, g, x: g * (
    mish_slope(xp, x) + 0.0 * xp.exp(x) / (1 + xp.exp(x))
))  # fmt: skip
wrong(mish, "tail", "0 below −8", x=lambda xp, g, x: g * xp.where(x < -8, 0.0, mish_slope(xp, x)))
wrong(mish, "factor", "the inner derivative is forgotten", x=lambda xp, g, x: g * (
    xp.tanh(xp.logaddexp(x, 0.0)) + x * (1 - xp.tanh(xp.logaddexp(x, 0.0)) ** 2)
))  # fmt: skip


@own({"x": lambda xp, g, x, low, high: xp.where((x >= low) & (x <= high), g, 0.0)})
def hard_clip(xp, x, *, low=-1.0, high=1.0):
    return xp.where(x < low, low, xp.where(x > high, high, x))


wrong(hard_clip, "parameter", "the default limits", x=lambda xp, g, x: xp.where((x >= -1) & (x <= 1), g, 0.0))
wrong(hard_clip, "tail", "g everywhere", x=lambda g: g)
wrong(hard_clip, "dtype", "a float64 number in the forward", forward=lambda xp, x, *, low=-1.0, high=1.0: (
    np.float64(1.0) * xp.where(x < low, low, xp.where(x > high, high, x))
))  # fmt: skip


def cardinal_slope(xp, x):
    near = xp.abs(x) < 1e-2
    far = xp.where(near, 1.0, x)
    return xp.where(near, x**3 / 30 - x / 3, (xp.cos(far) - xp.sin(far) / far) / far)


@own({"x": lambda xp, g, x: g * cardinal_slope(xp, x)})
def sine_cardinal(xp, x):
    safe = xp.where(x == 0, 1.0, x)
    return xp.where(x == 0, 1.0, xp.sin(safe) / safe)


wrong(sine_cardinal, "second order", "0 at exactly 0, a constant", x=lambda xp, g, x: g * xp.where(
    x == 0, 0.0, (xp.cos(xp.where(x == 0, 1.0, x)) - sine_cardinal(xp, x)) / xp.where(x == 0, 1.0, x)
))  # fmt: skip
wrong(sine_cardinal, "at 0", "the wrong sign within 0.01 of 0",
      x=lambda xp, g, x: g * xp.where(xp.abs(x) < 1e-2, x / 3, cardinal_slope(xp, x)))  # fmt: skip
wrong(sine_cardinal, "at 0", "NaN at 0", x=lambda xp, g, x: g * (xp.cos(x) - xp.sin(x) / x) / x)


@own({"x": lambda g, x: 3 * g * x * x})
def cube(xp, x):
    return x * x * x


def _squares_in_place(g, x):
    x *= x
    return 3 * g * x


def _scales_g_in_place(g, x):
    g *= 3
    return g * x * x


def _doubles_in_place(xp, x):
    x *= 1
    return x * x * x


wrong(cube, "in place", "squares x in place", x=_squares_in_place)
wrong(cube, "in place", "scales g in place", x=_scales_g_in_place)
wrong(cube, "in place", "the forward writes to x", forward=_doubles_in_place)
wrong(cube, "dtype", "computed in float32", x=lambda xp, g, x: 3 * g * xp.astype(x, ag.float32) ** 2)


SEEN: dict[str, Any] = {}


def _of_the_last_call(g, x):
    before, SEEN["x"] = SEEN.get("x", x), x
    return 3 * g * x * (before if before.shape == x.shape else x)


wrong(cube, "state", "keeps the x of the last call", x=_of_the_last_call)


@own({"x": lambda g, x, n: n * g * x ** (n - 1)}, n=st.integers(1, 4))
def power_of(xp, x, *, n=2):
    return x**n


wrong(power_of, "parameter", "as if n were 2", x=lambda g, x: 2 * g * x)
wrong(power_of, "tail", "|x| for x", x=lambda xp, g, x, n: n * g * xp.abs(x) ** (n - 1))
wrong(power_of, "factor", "n − 1 for n", x=lambda g, x, n: (n - 1) * g * x ** (n - 1))


@own({"x": lambda g: 0.0 * g}, step=st.sampled_from((0.5, 0.25)))
def quantized(xp, x, *, step):
    return xp.round(x / step) * step


wrong(quantized, "piecewise constant", "g goes straight through", x=lambda g: g)

# --------------------------------------------------------------------------------------------------------------- losses


@own({"x": lambda xp, g, x, delta: g * xp.clip(x, min=-delta, max=delta)}, delta=st.sampled_from((0.5, 1.0, 2.5)))
def huber(xp, x, *, delta=1.0):
    return xp.where(xp.abs(x) <= delta, 0.5 * x * x, delta * (xp.abs(x) - 0.5 * delta))


wrong(huber, "parameter", "as if delta were 1", x=lambda xp, g, x: g * xp.clip(x, min=-1.0, max=1.0))
wrong(huber, "tail", "the sign is forgotten beyond delta", x=lambda xp, g, x, delta: g * xp.where(
    xp.abs(x) <= delta, x, delta
))  # fmt: skip
wrong(huber, "factor", "2 x within delta", x=lambda xp, g, x, delta: g * xp.where(
    xp.abs(x) <= delta, 2 * x, delta * xp.sign(x)
))  # fmt: skip


def smooth_slope(xp, d, beta):
    return xp.clip(d / beta, min=-1.0, max=1.0)


@own(
    {
        "x": lambda xp, g, x, y, beta: g * smooth_slope(xp, x - y, beta),
        "y": lambda xp, g, x, y, beta: -g * smooth_slope(xp, x - y, beta),
    },
    broadcasts=True,
)
def smooth_l1(xp, x, y, *, beta=1.0):
    d = x - y
    return xp.where(xp.abs(d) < beta, 0.5 * d * d / beta, xp.abs(d) - 0.5 * beta)


wrong(smooth_l1, "sign", "y as x", y=lambda xp, g, x, y, beta: g * smooth_slope(xp, x - y, beta))
wrong(smooth_l1, "parameter", "beta is forgotten", x=lambda xp, g, x, y: g * smooth_slope(xp, x - y, 1.0))
wrong(smooth_l1, "forgotten", "no rule for y", forgotten=("y",))
wrong(smooth_l1, "broadcast", "y is summed over its first axis",
      y=lambda xp, g, x, y, beta: xp.sum(-g * smooth_slope(xp, x - y, beta), axis=0) if g.ndim else -g)  # fmt: skip


@own(
    {
        "x": lambda xp, g, x, y, margin: xp.where(margin - x * y > 0, -g * y, 0.0),
        "y": lambda xp, g, x, y, margin: xp.where(margin - x * y > 0, -g * x, 0.0),
    },
    x="n",
    y="n",
)
def hinge(xp, x, y, *, margin=1.0):
    return xp.maximum(margin - x * y, 0.0)


wrong(hinge, "parameter", "the margin is taken for 1", x=lambda xp, g, x, y: xp.where(1 - x * y > 0, -g * y, 0.0))
wrong(hinge, "sign", "active where it is not", x=lambda xp, g, x, y, margin: xp.where(margin - x * y > 0, 0.0, -g * y))
wrong(hinge, "swapped", "y for x", y=lambda xp, g, x, y, margin: xp.where(margin - x * y > 0, -g * y, 0.0))

# ----------------------------------------------------------------------------------------------------------- reductions


@own({"x": lambda xp, g, x_shape: xp.broadcast_to(g, shape=x_shape)})
def total(xp, x):
    return xp.sum(x)


wrong(total, "shape", "0 for a number", x=lambda xp, g, x_shape: (
    xp.broadcast_to(g, shape=x_shape) if x_shape else 0.0 * g
))  # fmt: skip
wrong(total, "shape", "nothing for an empty array", x=lambda xp, g, x_shape: xp.broadcast_to(
    g, shape=x_shape if 0 not in x_shape else (2,)
))  # fmt: skip
wrong(total, "broadcast", "g as it is", x=lambda g: g)
wrong(total, "factor", "the mean's", x=lambda xp, g, x_shape: xp.broadcast_to(
    g / max(1, ag.common.shapes.size(x_shape)), shape=x_shape
))  # fmt: skip


def shared_by_ties(xp, g, x, out, axis):
    largest = xp.where(x == xp.expand_dims(out, axis=axis), 1.0, 0.0)
    return xp.expand_dims(g, axis=axis) * constant(largest) / constant(xp.sum(largest, axis=axis, keepdims=True))


@own({"x": shared_by_ties}, x=array(distinct=True))
def largest(xp, x, *, axis=-1):
    return xp.max(x, axis=axis)


@own({"x": shared_by_ties})
def largest_with_ties(xp, x, *, axis=-1):
    return xp.max(x, axis=axis)


wrong(largest, "axis", "the last axis", x=lambda xp, g, x, out: shared_by_ties(xp, g, x, out, -1))
wrong(largest, "negative axis", "as if counted from the front",
      x=lambda xp, g, x, out, axis: shared_by_ties(xp, g, x, out, abs(axis) % x.ndim))  # fmt: skip
wrong(largest, "factor", "the smallest", x=lambda xp, g, x, axis: shared_by_ties(xp, g, x, xp.min(x, axis=axis), axis))
wrong(largest_with_ties, "ties", "each takes all of a tie", x=lambda xp, g, x, out, axis: (
    xp.expand_dims(g, axis=axis) * xp.where(x == xp.expand_dims(out, axis=axis), 1.0, 0.0)
))  # fmt: skip


def log_sum_exp_rule(xp, g, x, out, axis):
    return xp.expand_dims(g, axis=axis) * xp.exp(x - xp.expand_dims(out, axis=axis))


@own({"x": log_sum_exp_rule})
def log_sum_exp(xp, x, *, axis=-1):
    top = xp.max(x, axis=axis, keepdims=True)
    return xp.log(xp.sum(xp.exp(x - top), axis=axis)) + xp.squeeze(top, axis=axis)


wrong(log_sum_exp, "overflow", "exp(x) over its sum", x=lambda xp, g, x, axis: (
    xp.expand_dims(g, axis=axis) * xp.exp(x) / xp.sum(xp.exp(x), axis=axis, keepdims=True)
))  # fmt: skip
wrong(log_sum_exp, "axis", "softmax along the last", x=lambda xp, g, x, axis: (
    xp.expand_dims(g, axis=axis) * xp.softmax(x, axis=-1)
))  # fmt: skip
wrong(log_sum_exp, "broadcast", "g is not spread", x=lambda xp, g, x, axis: g * xp.softmax(x, axis=axis))
wrong(log_sum_exp, "second order", "the softmax is a constant", x=lambda xp, g, x, axis: (
    xp.expand_dims(g, axis=axis) * constant(xp.softmax(x, axis=axis))
))  # fmt: skip


def unit(xp, x, out):
    length = xp.expand_dims(out, axis=-1)
    return x / xp.where(length == 0, 1.0, length)


@own({"x": lambda xp, g, x, out: xp.expand_dims(g, axis=-1) * unit(xp, x, out)}, x="... k")
def euclidean(xp, x):
    return xp.sqrt(xp.sum(x * x, axis=-1))


wrong(euclidean, "at 0", "NaN at 0",
      x=lambda xp, g, x, out: xp.expand_dims(g, axis=-1) * x / xp.expand_dims(out, axis=-1))  # fmt: skip
wrong(euclidean, "factor", "the length is forgotten", x=lambda xp, g, x: xp.expand_dims(g, axis=-1) * x)
wrong(euclidean, "second order", "the length is a constant",
      x=lambda xp, g, x, out: xp.expand_dims(g, axis=-1) * unit(xp, x, constant(out)))  # fmt: skip


def back(xp, g, axis):
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis)


@own({"x": lambda xp, g, axis, reverse: xp.cumulative_sum(g, axis=axis) if reverse else back(xp, g, axis)})
def running_sum(xp, x, *, axis=-1, reverse=False):
    return back(xp, x, axis) if reverse else xp.cumulative_sum(x, axis=axis)


wrong(running_sum, "axis", "from the wrong end", x=lambda xp, g, axis: xp.cumulative_sum(g, axis=axis))
wrong(running_sum, "parameter", "reverse is ignored", x=back)
wrong(running_sum, "axis", "always the first", x=lambda xp, g, axis, reverse: (
    xp.cumulative_sum(g, axis=0) if reverse else back(xp, g, 0)
))  # fmt: skip
wrong(running_sum, "negative axis", "−1 for every negative one", x=lambda xp, g, axis, reverse: (
    xp.cumulative_sum(g, axis=max(axis, -1)) if reverse else back(xp, g, max(axis, -1))
))  # fmt: skip


def tempered(xp, g, out, axis, temperature):
    return out * (g - xp.sum(g * out, axis=axis, keepdims=True)) / temperature


@own({"x": tempered}, temperature=st.sampled_from((0.5, 1.0, 3.0)))
def tempered_softmax(xp, x, *, axis=-1, temperature=1.0):
    return xp.softmax(x / temperature, axis=axis)


wrong(tempered_softmax, "parameter", "the temperature is forgotten",
      x=lambda xp, g, out, axis: tempered(xp, g, out, axis, 1.0))  # fmt: skip
wrong(tempered_softmax, "axis", "summed along the last",
      x=lambda xp, g, out, temperature: tempered(xp, g, out, -1, temperature))  # fmt: skip
wrong(tempered_softmax, "factor", "element by element",
      x=lambda g, out, temperature: g * out * (1 - out) / temperature)  # fmt: skip
wrong(tempered_softmax, "second order", "the result is a constant",
      x=lambda xp, g, out, axis, temperature: tempered(xp, g, constant(out), axis, temperature))  # fmt: skip

# ------------------------------------------------------------------------------------------------------- linear algebra


@own({"x": lambda xp, g, w: xp.matmul(g, w.mT), "w": lambda xp, g, x: xp.matmul(x.mT, g)}, x="n k", w="k m")
def dense(xp, x, w):
    return xp.matmul(x, w)


wrong(dense, "axis", "the transposed gradient of w", w=lambda xp, g, x: xp.matmul(g.mT, x))
wrong(dense, "axis", "w is not transposed", x=lambda xp, g, w: xp.matmul(g, w))
wrong(dense, "forgotten", "no rule for w", forgotten=("w",))
wrong(dense, "broadcast", "only the first row counts", w=lambda xp, g, x: xp.matmul(x[:1].mT, g[:1]))
wrong(dense, "second order", "w is a constant", x=lambda xp, g, w: xp.matmul(g, constant(w).mT))


@own({"x": lambda g: g, "b": lambda xp, g: xp.sum(g, axis=0)}, x="n k", b="k")
def add_bias(xp, x, b):
    return x + b


wrong(add_bias, "broadcast", "the first row", b=lambda g: g[0])
wrong(add_bias, "axis", "summed along the wrong axis", b=lambda xp, g: xp.sum(g, axis=1))
wrong(add_bias, "factor", "the mean", b=lambda xp, g: xp.mean(g, axis=0))


@own(
    {
        "x": lambda xp, g, w, y: xp.sum(g[:, :, None, None] * w * y[:, None, None, :], axis=(1, 3)),
        "w": lambda xp, g, x, y: xp.sum(
            g[:, :, None, None] * x[:, None, :, None] * y[:, None, None, :], axis=0
        ),
        "y": lambda xp, g, x, w: xp.sum(g[:, :, None, None] * x[:, None, :, None] * w, axis=(1, 2)),
    },
    x="n i",
    w="o i j",
    y="n j",
)  # fmt: skip
def bilinear(xp, x, w, y):
    return xp.sum(x[:, None, :, None] * w * y[:, None, None, :], axis=(2, 3))


wrong(bilinear, "swapped", "w turned round", x=lambda xp, g, w, y: xp.sum(
    g[:, :, None, None] * w.mT * y[:, None, None, :], axis=(1, 3)
))  # fmt: skip
wrong(bilinear, "broadcast", "only the first example", w=lambda xp, g, x, y: (
    g[0, :, None, None] * x[0, None, :, None] * y[0, None, None, :]
))  # fmt: skip
wrong(bilinear, "forgotten", "no rule for y", forgotten=("y",))


def normalized(xp, x, eps):
    middle = x - xp.mean(x, axis=-1, keepdims=True)
    return middle / xp.sqrt(xp.mean(middle * middle, axis=-1, keepdims=True) + eps)


def spread(xp, x, eps):
    middle = x - xp.mean(x, axis=-1, keepdims=True)
    return xp.sqrt(xp.mean(middle * middle, axis=-1, keepdims=True) + eps)


def layer_norm_rule(xp, g, x, gain, eps):
    g, z = g * gain, normalized(xp, x, eps)
    through = xp.mean(g, axis=-1, keepdims=True) + z * xp.mean(g * z, axis=-1, keepdims=True)
    return (g - through) / spread(xp, x, eps)


@own(
    {"x": layer_norm_rule, "gain": lambda xp, g, x, eps: g * normalized(xp, x, eps), "bias": lambda g: g},
    x="... k",
    gain="k",
    bias="k",
    eps=st.sampled_from((1e-3, 0.1)),
)
def layer_norm(xp, x, gain, bias, *, eps=1e-3):
    return normalized(xp, x, eps) * gain + bias


wrong(layer_norm, "factor", "the mean's share is forgotten",
      x=lambda xp, g, x, gain, eps: layer_norm_rule(xp, g, x, gain, eps) + (
          xp.mean(g * gain, axis=-1, keepdims=True) / spread(xp, x, eps)
      ))  # fmt: skip
wrong(layer_norm, "factor", "the variance's share is forgotten",
      x=lambda xp, g, x, gain, eps: (
          (g * gain - xp.mean(g * gain, axis=-1, keepdims=True)) / spread(xp, x, eps)
      ))  # fmt: skip
wrong(layer_norm, "parameter", "the default eps",
      x=lambda xp, g, x, gain: layer_norm_rule(xp, g, x, gain, 1e-3))  # fmt: skip
wrong(layer_norm, "factor", "x for the normalized x", gain=lambda g, x: g * x)
wrong(layer_norm, "second order", "gain is a constant",
      x=lambda xp, g, x, gain, eps: layer_norm_rule(xp, g, x, constant(gain), eps))  # fmt: skip


def apart(xp, x, y):
    return x[:, None, :] - y[None, :, :]


def direction(xp, x, y, out):
    return apart(xp, x, y) / xp.where(out == 0, 1.0, out)[:, :, None]


@own(
    {
        "x": lambda xp, g, x, y, out: xp.sum(g[:, :, None] * direction(xp, x, y, out), axis=1),
        "y": lambda xp, g, x, y, out: -xp.sum(g[:, :, None] * direction(xp, x, y, out), axis=0),
    },
    x="n d",
    y="m d",
)
def distances(xp, x, y):
    return xp.sqrt(xp.sum(apart(xp, x, y) ** 2, axis=-1))


wrong(distances, "op(x, x)", "NaN at distance 0",
      x=lambda xp, g, x, y, out: xp.sum(g[:, :, None] * apart(xp, x, y) / out[:, :, None], axis=1))  # fmt: skip
wrong(distances, "sign", "y as x",
      y=lambda xp, g, x, y, out: xp.sum(g[:, :, None] * direction(xp, x, y, out), axis=0))  # fmt: skip
wrong(distances, "axis", "summed over the wrong points",
      y=lambda xp, g, x, y, out: -xp.sum(g[:, :, None] * direction(xp, x, y, out), axis=1))  # fmt: skip

# ------------------------------------------------------------------------------------------------ shapes and positions


@own(
    {"table": lambda xp, g, index, table_shape: xp.scatter_take(g, index, axis=0, shape=table_shape), "index": None},
    table="v d",
    index=integers("n", below="v"),
)
def embedding(xp, table, index):
    return xp.take(table, index, axis=0)


wrong(embedding, "broadcast", "a row taken twice counts once", table=lambda xp, g, index, table_shape: (
    xp.setitem(xp.zeros(table_shape, dtype=g.dtype), g, index=(index,))
))  # fmt: skip
wrong(embedding, "axis", "the next row", table=lambda xp, g, index, table_shape: (
    xp.scatter_take(g, (index + 1) % table_shape[0], axis=0, shape=table_shape)
))  # fmt: skip
wrong(embedding, "factor", "the mean over what was taken", table=lambda xp, g, index, table_shape: (
    xp.scatter_take(g / max(1, index.shape[0]), index, axis=0, shape=table_shape)
))  # fmt: skip


@own(
    {
        "x": lambda xp, g, index, x_shape: xp.scatter_along_axis(g[:, None], index[:, None], axis=1, shape=x_shape),
        "index": None,
    },
    x="n k",
    index=integers("n", below="k"),
)
def pick(xp, x, index):
    return xp.take_along_axis(x, index[:, None], axis=1)[:, 0]


wrong(pick, "axis", "the rows in reverse", x=lambda xp, g, index, x_shape: (
    xp.scatter_along_axis(g[::-1, None], index[::-1, None], axis=1, shape=x_shape)
))  # fmt: skip
wrong(pick, "broadcast", "every element of the row",
      x=lambda xp, g, x_shape: xp.broadcast_to(g[:, None], shape=x_shape))  # fmt: skip


@own(
    {"x": lambda xp, g, shift, axis: xp.roll(g, shift=-shift, axis=axis)},
    x=array("n k"),
    shift=st.integers(-2, 2),
    axis=axis(),
)
def rolled(xp, x, *, shift=1, axis=0):
    return xp.roll(x, shift=shift, axis=axis)


wrong(rolled, "sign", "the same way again", x=lambda xp, g, shift, axis: xp.roll(g, shift=shift, axis=axis))
wrong(rolled, "parameter", "wrong for a negative shift",
      x=lambda xp, g, shift, axis: xp.roll(g, shift=-abs(shift), axis=axis))  # fmt: skip
wrong(rolled, "negative axis", "the first for a negative one",
      x=lambda xp, g, shift, axis: xp.roll(g, shift=-shift, axis=max(axis, 0)))  # fmt: skip


@own(
    {"x": lambda g, x_shape, before: g[before : before + x_shape[0]]},
    x="n",
    before=st.integers(0, 2),
    after=st.integers(0, 2),
)
def padded(xp, x, *, before=1, after=1):
    return xp.pad(x, ((before, after),))


wrong(padded, "parameter", "after for before", x=lambda g, x_shape, after: g[after : after + x_shape[0]])
wrong(padded, "dtype", "zeros of float64",
      forward=lambda xp, x, *, before=1, after=1: xp.concat([np.zeros(before), x, np.zeros(after)]))  # fmt: skip

# -------------------------------------------------------------------------------------------------- several arguments


def squares(xp, x, y):
    square = x * x + y * y
    return xp.where(square == 0, 1.0, square)


@own(
    {"y": lambda xp, g, x, y: g * x / squares(xp, x, y), "x": lambda xp, g, x, y: -g * y / squares(xp, x, y)},
    broadcasts=True,
)
def bearing(xp, y, x):
    return xp.atan2(y, x)


wrong(bearing, "swapped", "y for x", y=lambda xp, g, x, y: g * y / squares(xp, x, y))
wrong(bearing, "factor", "divided by the length", y=lambda xp, g, x, y: g * x / xp.sqrt(squares(xp, x, y)))
wrong(bearing, "sign", "− is forgotten", x=lambda xp, g, x, y: g * y / squares(xp, x, y))
wrong(bearing, "second order", "y is a constant", x=lambda xp, g, x, y: -g * constant(y) / squares(xp, x, y))


@own({"x": lambda g, t: g * (1 - t), "y": lambda g, t: g * t, "t": lambda g, x, y: g * (y - x)}, broadcasts=True)
def mixed(xp, x, y, t):
    return x + t * (y - x)


wrong(mixed, "sign", "x − y", t=lambda g, x, y: g * (x - y))
wrong(mixed, "swapped", "t for 1 − t", x=lambda g, t: g * t)
wrong(mixed, "forgotten", "no rule for t", forgotten=("t",))


def first_wins(xp, g, x, y):
    return xp.where(x >= y, g, 0.0)


@own({"x": first_wins, "y": lambda xp, g, x, y: g - first_wins(xp, g, x, y)}, broadcasts=True)
def larger(xp, x, y):
    return xp.maximum(x, y)


wrong(larger, "op(x, x)", "none gets the gradient of a tie",
      x=lambda xp, g, x, y: xp.where(x > y, g, 0.0))  # fmt: skip
wrong(larger, "op(x, x)", "both get the gradient of a tie", y=lambda xp, g, x, y: xp.where(y >= x, g, 0.0))
wrong(larger, "swapped", "where x is larger", y=first_wins)
