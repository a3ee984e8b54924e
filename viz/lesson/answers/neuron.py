"""Chapter 1: one neuron."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.lesson.exercises import Exercise

X, WEIGHTS, BIAS = (1.0, -1.0), (1.0, -2.0), 1.0
LOWER = -2.0  # the bias of exercise 3
OTHER = (-1.0, 1.0)


def exercises() -> tuple[Exercise, ...]:
    """The output of another neuron; the bias that balances; the slope with respect to a weight."""
    x = ag.Tensor(X)
    z = ag.vecdot(ag.Tensor(OTHER), x)
    y, first = ag.sigmoid(z), ag.sigmoid(ag.vecdot(ag.Tensor(WEIGHTS), x) + BIAS)
    unsigned = ag.sigmoid(ag.vecdot(ag.Tensor(OTHER), ag.abs(x)))
    output = Exercise(
        y,
        "z = (-1)·1 + 1·(-1) + 0 = {z}, and σ({z}) = {y}.",
        {
            "That is z, before the activation: σ is still to be applied.": z,
            "You lost the sign of x2, which is -1.": unsigned,
            "You took σ of +2. The sum is negative, so the output is below one half.": ag.sigmoid(-z),
            "You added the bias of the first neuron. This one's bias is 0.": ag.sigmoid(z + BIAS),
            "You left out the 1 in 1 / (1 + e⁻ᶻ).": ag.exp(z),
            "That is the first neuron. This one has the weights -1 and 1.": first,
        },
        "First the sum z = w1·x1 + w2·x2 + b, each weight times its own input, then σ of it.",
        z=z,
        y=y,
    )

    weighted, lost = (ag.vecdot(ag.Tensor(WEIGHTS), given) for given in (x, ag.abs(x)))
    balance = Exercise(
        (-weighted),
        "σ is one half exactly at z = 0, and the weighted inputs sum to {weighted}.",
        {
            "That is the sum of the weighted inputs. The bias has to cancel it.": weighted,
            "That is the change of the bias, from 1. The question is its new value.": -weighted - BIAS,
            "That is z with the bias as it is, 1. Which bias makes z zero?": weighted + BIAS,
            "You lost the sign of x2, which is -1: the weighted inputs sum to 3. The bias has to cancel that.": lost,
            "That is the bias as it is. You also get 1 if you lose the sign of x2, which is -1.": BIAS,
            "z, not b, must be 0: the weighted inputs are still there.": 0.0,
            "One half is the output y. Ask first which z gives it.": 0.5,
        },
        "Which z does σ send to one half? Then solve w1·x1 + w2·x2 + b = z for b.",
        weighted=weighted,
    )

    w = ag.Tensor(WEIGHTS, requires_grad=True)
    z1 = ag.vecdot(w, x) + LOWER
    y1 = ag.sigmoid(z1)
    saturated = ag.gradients([ag.sigmoid(ag.vecdot(w, x) + BIAS)], [w])[0][1]
    slope = ag.gradients([y1], [w])[0][1]
    (local,) = ag.gradients([y1], [z1])
    raised = ag.sigmoid(z1 + X[1]) - y1
    rate = Exercise(
        slope,
        "∂y/∂w2 = σ'(z)·x2 = {local}·(-1). Where the neuron is saturated the weight hardly matters.",
        {
            "That is ∂z/∂w2. You forgot the factor σ'(z): the change still goes through the activation.": X[1],
            "That is σ'(z) alone. You forgot the factor x2 = -1, which turns the sign around.": local,
            "You multiplied by w2. The derivative of w2·x2 with respect to w2 is x2.": WEIGHTS[1] * local,
            "You multiplied by σ(z). The slope is σ'(z) = y·(1 - y).": y1 * X[1],
            "That is the slope with the bias 1. Here the bias is -2, so z = 1.": saturated,
            "That is the change for a whole step of 1 in w2. The curve bends, so the slope is another number.": raised,
        },
        "Chain rule: ∂y/∂w2 = σ'(z) · ∂z/∂w2, with σ'(z) = y·(1 - y) and y = {y1}.",
        local=local,
        y1=y1,
    )
    return output, balance, rate
