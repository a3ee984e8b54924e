"""Chapter 5: why cross-entropy and not squared error."""

from __future__ import annotations

import math

from glassgrad import autograd as ag
from glassgrad.viz.drawing.words import say
from glassgrad.viz.lesson.answers import said
from glassgrad.viz.lesson.exercises import Exercise

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
        say(
            "2 (p - y) · σ'(z) = {outer} · {local}. The answer is all wrong, and the slope is next to 0.",
            outer=said(outer),
            local=said(local),
        ),
        [
            (
                outer,
                say(
                    "You forgot the factor σ'(z). That is the derivative with respect to p, and p itself depends on z."
                ),
            ),
            (flat / 2, say("You forgot the 2 of the square's derivative.")),
            (steep, say("That is p - y, the slope of the cross-entropy. Here the loss is the squared error.")),
            (local, say("That is σ'(z) alone. The outer derivative 2 (p - y) belongs in front of it.")),
            (-flat, say("The sign is wrong: p is too small, so the loss falls when z grows.")),
            (error.item(), say("That is the loss itself. The question is how fast it changes with z.")),
        ],
        say("Chain rule: dL/dz = 2 (p - y) · σ'(z), with p = {p} and σ'(z) = p (1 - p).", p=said(p)),
    )

    cross = Exercise(
        steep,
        say(
            "{steepest} · {local} = p - y. The slope of σ cancels: {times} times as steep.",
            steepest=said(steepest),
            local=said(local),
            times=said(steep / flat),
        ),
        [
            (steepest, say("You forgot the factor σ'(z): that is the derivative of -ln p with respect to p.")),
            (-steep, say("The sign is wrong: it is p - y, and p is smaller than y.")),
            (flat, say("That is the slope of the squared error. Here the loss is -ln p.")),
            (entropy.item(), say("That is the loss itself. The question is how fast it changes with z.")),
            (p.item(), say("That is p. The slope is p - y, and y = 1.")),
            (Z, say("That is z. The slope dL/dz is p - y, with p = σ(z).")),
        ],
        say("dL/dz = -1/p · σ'(z), and σ'(z) = p (1 - p). One p cancels."),
    )

    ten = ag.cross_entropy(ag.zeros((1, 10)), ag.asarray([3]))
    guess = Exercise(
        ten,
        say("-ln(1/10) = ln 10. An untrained network starts near this value: a good check before any training."),
        [
            (math.log10(10), say("That is the logarithm to the base 10. Losses use the natural one.")),
            (math.log2(10), say("That is the logarithm to the base 2, in bits. Losses use the natural one.")),
            (0.1, say("That is the probability p. The loss is -ln p.")),
            (-ten.item(), say("A cross-entropy is never negative: -ln p with p below 1.")),
            (ten.item() / 10, say("You took the mean over the ten classes. Only the right class counts.")),
            (10 * ten.item(), say("You added over all ten classes. Only the right class counts.")),
        ],
        say("Every class has the probability 1/10. The loss is minus the natural logarithm of the right one's."),
    )
    return squared, cross, guess
