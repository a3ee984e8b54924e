"""Chapter 5: why cross-entropy and not squared error."""

from __future__ import annotations

import math

import autograd as ag
from viz.lesson.answers import TWO, said
from viz.lesson.exercises import Exercise

Z, Y = -5.0, 1.0


def exercises() -> tuple[Exercise, ...]:
    """The slope of both losses where the neuron is wrong and saturated; the cross-entropy of a guess among ten."""
    z = ag.Tensor(Z, requires_grad=True)
    p = ag.sigmoid(z)
    local = ag.gradients([p], [z])[0].item()
    error = (p - Y) ** 2
    entropy = -ag.log(p)
    flat, steep = (ag.gradients([loss], [z])[0].item() for loss in (error, entropy))
    outer = ag.grad(lambda q: (q - Y) ** 2)(p.item()).item()
    steepest = ag.grad(lambda q: -ag.log(q))(p.item()).item()
    squared = Exercise(
        flat,
        (
            f"2 (p - y) · σ'(z) = {said(outer)} · {said(local)}. The answer is all wrong, and the slope is next to 0.",
            f"2 (p - y) · σ'(z) = {said(outer)} · {said(local)}。答案几乎全错，斜率却几乎为零。",
        ),
        [
            (
                outer,
                "You forgot the factor σ'(z). That is the derivative with respect to p, and p itself depends on z.",
                "你忘了因子 σ'(z)。这是对 p 的导数，而 p 还依赖于 z。",
            ),
            (flat / 2, *TWO),
            (
                steep,
                "That is p - y, the slope of the cross-entropy. Here the loss is the squared error.",
                "这是 p - y，即交叉熵的斜率；这里的损失是平方误差。",
            ),
            (
                local,
                "That is σ'(z) alone. The outer derivative 2 (p - y) belongs in front of it.",
                "这只是 σ'(z)，前面还要乘外层导数 2 (p - y)。",
            ),
            (
                -flat,
                "The sign is wrong: p is too small, so the loss falls when z grows.",
                "符号反了：p 太小，z 增大时损失应减小。",
            ),
            (
                error.item(),
                "That is the loss itself. The question is how fast it changes with z.",
                "这是损失本身；问的是它随 z 变化得多快。",
            ),
        ],
        (
            f"Chain rule: dL/dz = 2 (p - y) · σ'(z), with p = {said(p)} and σ'(z) = p (1 - p).",
            f"链式法则：dL/dz = 2 (p - y) · σ'(z)，其中 p = {said(p)}，σ'(z) = p (1 - p)。",
        ),
    )

    cross = Exercise(
        steep,
        (
            f"{said(steepest)} · {said(local)} = p - y. The slope of σ cancels: {said(steep / flat)} times as steep.",
            f"{said(steepest)} · {said(local)} = p - y。σ 的斜率被约掉了：陡了 {said(steep / flat)} 倍。",
        ),
        [
            (
                steepest,
                "You forgot the factor σ'(z): that is the derivative of -ln p with respect to p.",
                "你忘了因子 σ'(z)：这是 -ln p 对 p 的导数。",
            ),
            (-steep, "The sign is wrong: it is p - y, and p is smaller than y.", "符号反了：应是 p - y，而 p 小于 y。"),
            (
                flat,
                "That is the slope of the squared error. Here the loss is -ln p.",
                "这是平方误差的斜率；这里的损失是 -ln p。",
            ),
            (
                entropy.item(),
                "That is the loss itself. The question is how fast it changes with z.",
                "这是损失本身；问的是它随 z 变化得多快。",
            ),
            (p.item(), "That is p. The slope is p - y, and y = 1.", "这是 p；斜率是 p - y，而 y = 1。"),
            (Z, "That is z. The slope dL/dz is p - y, with p = σ(z).", "这是 z；斜率 dL/dz 是 p - y，其中 p = σ(z)。"),
        ],
        (
            "dL/dz = -1/p · σ'(z), and σ'(z) = p (1 - p). One p cancels.",
            "dL/dz = -1/p · σ'(z)，而 σ'(z) = p (1 - p)，约去一个 p。",
        ),
    )

    ten = ag.cross_entropy(ag.zeros((1, 10)), ag.asarray([3]))
    guess = Exercise(
        ten,
        (
            "-ln(1/10) = ln 10. An untrained network starts near this value: a good check before any training.",
            "-ln(1/10) = ln 10。未经训练的网络损失就在这附近，训练前可以拿它来检查。",
        ),
        [
            (
                math.log10(10),
                "That is the logarithm to the base 10. Losses use the natural one.",
                "这是以 10 为底的对数；损失用自然对数。",
            ),
            (
                math.log2(10),
                "That is the logarithm to the base 2, in bits. Losses use the natural one.",
                "这是以 2 为底的对数（比特）；损失用自然对数。",
            ),
            (0.1, "That is the probability p. The loss is -ln p.", "这是概率 p；损失是 -ln p。"),
            (
                -ten.item(),
                "A cross-entropy is never negative: -ln p with p below 1.",
                "交叉熵不会是负的：p 小于 1，所以 -ln p 为正。",
            ),
            (
                ten.item() / 10,
                "You took the mean over the ten classes. Only the right class counts.",
                "你对十个类取了平均；只有正确的那一类算数。",
            ),
            (
                10 * ten.item(),
                "You added over all ten classes. Only the right class counts.",
                "你对十个类都求了和；只有正确的那一类算数。",
            ),
        ],
        (
            "Every class has the probability 1/10. The loss is minus the natural logarithm of the right one's.",
            "每一类的概率都是 1/10，损失是正确类概率的负自然对数。",
        ),
    )
    return squared, cross, guess
