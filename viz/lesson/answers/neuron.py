"""Chapter 1: one neuron."""

from __future__ import annotations

import autograd as ag
from viz.lesson.answers import said
from viz.lesson.exercises import Exercise

X, WEIGHTS, BIAS = (1.0, -1.0), (1.0, -2.0), 1.0
LOWER = -2.0  # the bias of exercise 3
OTHER = (-1.0, 1.0)


def exercises() -> tuple[Exercise, ...]:
    """The output of another neuron; the bias that balances; the slope with respect to a weight."""
    x = ag.Tensor(X)
    z = ag.vecdot(ag.Tensor(OTHER), x)
    y = ag.sigmoid(z)
    unsigned = ag.sigmoid(ag.vecdot(ag.Tensor(OTHER), ag.abs(x)))
    output = Exercise(
        y.item(),
        (
            f"z = (-1)·1 + 1·(-1) + 0 = {said(z)}, and σ({said(z)}) = {said(y)}.",
            f"加权和 z = (-1)·1 + 1·(-1) + 0 = {said(z)}，σ({said(z)}) = {said(y)}。",
        ),
        [
            (
                z.item(),
                "That is z, before the activation: σ is still to be applied.",
                "这是激活之前的 z，还要再经过 σ。",
            ),
            (unsigned.item(), "You lost the sign of x2, which is -1.", "你漏了 x2 的负号：它是 -1。"),
            (
                ag.sigmoid(-z).item(),
                "You took σ of +2. The sum is negative, so the output is below one half.",
                "你算的是 σ(+2)。加权和是负的，所以输出应小于二分之一。",
            ),
            (
                ag.sigmoid(z + BIAS).item(),
                "You added the bias of the first neuron. This one's bias is 0.",
                "你加上了第一个神经元的偏置；这个神经元的偏置是 0。",
            ),
            (ag.exp(z).item(), "You left out the 1 in 1 / (1 + e⁻ᶻ).", "你漏了 1 / (1 + e⁻ᶻ) 分母里的 1。"),
            (
                ag.sigmoid(ag.vecdot(ag.Tensor(WEIGHTS), x) + BIAS).item(),
                "That is the first neuron. This one has the weights -1 and 1.",
                "这是第一个神经元的输出；这个神经元的权重是 -1 和 1。",
            ),
        ],
        (
            "First the sum z = w1·x1 + w2·x2 + b, each weight times its own input, then σ of it.",
            "先求加权和 z = w1·x1 + w2·x2 + b（每个权重乘自己的输入），再取 σ。",
        ),
    )

    weighted = ag.vecdot(ag.Tensor(WEIGHTS), x)
    balance = Exercise(
        (-weighted).item(),
        (
            f"σ is one half exactly at z = 0, and the weighted inputs sum to {said(weighted)}.",
            f"只有 z = 0 时 σ 才等于二分之一，而加权输入之和是 {said(weighted)}。",
        ),
        [
            (
                weighted.item(),
                "That is the sum of the weighted inputs. The bias has to cancel it.",
                "这是加权输入之和，偏置要把它抵消掉。",
            ),
            (
                -weighted.item() - BIAS,
                "That is the change of the bias, from 1. The question is its new value.",
                "这是偏置要改变的量，原来的偏置是 1；问的是改变之后的值。",
            ),
            (
                weighted.item() + BIAS,
                "That is z with the bias as it is, 1. Which bias makes z zero?",
                "这是偏置为 1 时的 z；哪个偏置会使 z 等于零？",
            ),
            (
                ag.vecdot(ag.Tensor(WEIGHTS), ag.abs(x)).item(),
                "You lost the sign of x2, which is -1: the weighted inputs sum to 3. The bias has to cancel that.",
                "你漏了 x2 = -1 的负号：加权输入之和是 3，偏置要把它抵消掉。",
            ),
            (
                BIAS,
                "That is the bias as it is. You also get 1 if you lose the sign of x2, which is -1.",
                "这是现在的偏置；如果漏了 x2 = -1 的负号，也会得到 1。",
            ),
            (
                0.0,
                "z, not b, must be 0: the weighted inputs are still there.",
                "等于 0 的应该是 z，不是 b：加权输入还在。",
            ),
            (
                0.5,
                "One half is the output y. Ask first which z gives it.",
                "二分之一是输出 y；先想一想哪个 z 会给出它。",
            ),
        ],
        (
            "Which z does σ send to one half? Then solve w1·x1 + w2·x2 + b = z for b.",
            "哪个 z 使 σ 等于二分之一？再由 w1·x1 + w2·x2 + b = z 解出 b。",
        ),
    )

    w = ag.Tensor(WEIGHTS, requires_grad=True)
    z1 = ag.vecdot(w, x) + LOWER
    y1 = ag.sigmoid(z1)
    saturated = ag.gradients([ag.sigmoid(ag.vecdot(w, x) + BIAS)], [w])[0][1]
    slope = ag.gradients([y1], [w])[0][1].item()
    local = ag.gradients([y1], [z1])[0].item()
    raised = ag.sigmoid(z1 + X[1]) - y1
    rate = Exercise(
        slope,
        (
            f"∂y/∂w2 = σ'(z)·x2 = {said(local)}·(-1). Where the neuron is saturated the weight hardly matters.",
            f"∂y/∂w2 = σ'(z)·x2 = {said(local)}·(-1)。神经元饱和的地方，权重就几乎不起作用。",
        ),
        [
            (
                X[1],
                "That is ∂z/∂w2. You forgot the factor σ'(z): the change still goes through the activation.",
                "这是 ∂z/∂w2。你忘了因子 σ'(z)：变化还要经过激活函数。",
            ),
            (
                local,
                "That is σ'(z) alone. You forgot the factor x2 = -1, which turns the sign around.",
                "这只是 σ'(z)。你忘了因子 x2 = -1，它会改变符号。",
            ),
            (
                WEIGHTS[1] * local,
                "You multiplied by w2. The derivative of w2·x2 with respect to w2 is x2.",
                "你乘的是 w2；w2·x2 对 w2 的导数是 x2。",
            ),
            (
                y1.item() * X[1],
                "You multiplied by σ(z). The slope is σ'(z) = y·(1 - y).",
                "你乘的是 σ(z)；斜率是 σ'(z) = y·(1 - y)。",
            ),
            (
                saturated,
                "That is the slope with the bias 1. Here the bias is -2, so z = 1.",
                "这是偏置为 1 时的斜率；这里偏置是 -2，所以 z = 1。",
            ),
            (
                raised.item(),
                "That is the change for a whole step of 1 in w2. The curve bends, so the slope is another number.",
                "这是 w2 增加整整 1 时的变化量。曲线是弯的，所以它不等于斜率。",
            ),
        ],
        (
            f"Chain rule: ∂y/∂w2 = σ'(z) · ∂z/∂w2, with σ'(z) = y·(1 - y) and y = {said(y1)}.",
            f"链式法则：∂y/∂w2 = σ'(z) · ∂z/∂w2，其中 σ'(z) = y·(1 - y)，y = {said(y1)}。",
        ),
    )
    return output, balance, rate
