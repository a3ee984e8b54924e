"""Chapter 5: why cross-entropy and not squared error."""

from __future__ import annotations

import math

from glassgrad import autograd as ag
from glassgrad.viz.lesson.exercises import Exercise

Z, Y = -5.0, 1.0


def exercises() -> tuple[Exercise, ...]:
    """The slope of both losses where the neuron is wrong and saturated; the cross-entropy of a guess among ten."""
    z = ag.Tensor(Z, requires_grad=True)
    p = ag.sigmoid(z)
    (local,) = ag.gradients([p], [z])
    error = (p - Y) ** 2
    entropy = -ag.log(p)
    flat, steep = (ag.gradients([loss], [z])[0] for loss in (error, entropy))
    outer = ag.grad(lambda q: (q - Y) ** 2)(p)
    steepest = ag.grad(lambda q: -ag.log(q))(p)
    squared = Exercise(
        flat,
        "2 (p - y) · σ'(z) = {outer} · {local}. The answer is all wrong, and the slope is next to 0.",
        {
            "You forgot the factor σ'(z). That is the derivative with respect to p, and p itself depends on z.": outer,
            "You forgot the 2 of the square's derivative.": flat / 2,
            "That is p - y, the slope of the cross-entropy. Here the loss is the squared error.": steep,
            "That is σ'(z) alone. The outer derivative 2 (p - y) belongs in front of it.": local,
            "The sign is wrong: p is too small, so the loss falls when z grows.": -flat,
            "That is the loss itself. The question is how fast it changes with z.": error,
        },
        "Chain rule: dL/dz = 2 (p - y) · σ'(z), with p = {p} and σ'(z) = p (1 - p).",
        outer=outer,
        local=local,
        p=p,
    )

    cross = Exercise(
        steep,
        "{steepest} · {local} = p - y. The slope of σ cancels: {times} times as steep.",
        {
            "You forgot the factor σ'(z): that is the derivative of -ln p with respect to p.": steepest,
            "The sign is wrong: it is p - y, and p is smaller than y.": -steep,
            "That is the slope of the squared error. Here the loss is -ln p.": flat,
            "That is the loss itself. The question is how fast it changes with z.": entropy,
            "That is p. The slope is p - y, and y = 1.": p,
            "That is z. The slope dL/dz is p - y, with p = σ(z).": Z,
        },
        "dL/dz = -1/p · σ'(z), and σ'(z) = p (1 - p). One p cancels.",
        steepest=steepest,
        local=local,
        times=steep / flat,
    )

    ten = ag.cross_entropy(ag.zeros((1, 10)), ag.asarray([3]))
    guess = Exercise(
        ten,
        "-ln(1/10) = ln 10. An untrained network starts near this value: a good check before any training.",
        {
            "That is the logarithm to the base 10. Losses use the natural one.": math.log10(10),
            "That is the logarithm to the base 2, in bits. Losses use the natural one.": math.log2(10),
            "That is the probability p. The loss is -ln p.": 0.1,
            "A cross-entropy is never negative: -ln p with p below 1.": -ten,
            "You took the mean over the ten classes. Only the right class counts.": ten / 10,
            "You added over all ten classes. Only the right class counts.": 10 * ten,
        },
        "Every class has the probability 1/10. The loss is minus the natural logarithm of the right one's.",
    )
    return squared, cross, guess
