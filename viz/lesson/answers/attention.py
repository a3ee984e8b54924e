"""Chapter 11: attention."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.lesson.exercises import Exercise

VALUES = (2.0, 10.0)
TOKENS = 12


def exercises() -> tuple[Exercise, ...]:
    """A mean of two values by softmax; its slope by a score; the entries that a causal mask leaves."""
    scores = ag.Tensor([0.0, ag.log(3.0)], requires_grad=True)
    first, second = VALUES
    weights = ag.softmax(scores)
    mean = weights @ ag.asarray(VALUES)
    read = Exercise(
        mean,
        "exp(0) = 1 and exp(1.0986) = 3: the weights are 1/4 and 3/4.",
        {
            "That is the plain mean. The higher score has the larger weight.": (first + second) / 2,
            "You read the second token alone. Softmax leaves a part to the lower score.": second,
            "You did not divide: the weights 1 and 3 must add up to 1.": first + 3 * second,
            "You weighted by the scores themselves. Softmax turns them into weights first.": scores[1] * second,
            "These weights are exchanged: the higher score has the larger one.": (3 * first + second) / 4,
        },
        "The weights are exp(0) and exp(1.0986), each divided by their sum.",
    )

    (slopes,) = ag.gradients([mean], [scores])
    own = float(weights[1] * weights[0])
    slope = Exercise(
        slopes[1],
        "3/4 · ({second} - {mean}). A token pulls as far as its value differs from what is read already.",
        {
            "That is the slope of the weight. Each weight is still multiplied by its value.": own,
            "That is the share of the second value. The weight of the first one shrinks by as much.": own * second,
            "That is the weight. Its slope has one more factor, 1 minus the weight. Then come the values.": 0.75,
            "That is what the second token gives. The question is how fast the sum changes.": 0.75 * second,
            "That is the slope by the first score.": slopes[0],
        },
        "The weight p of the second token changes by p (1 - p), the other one by as much the other way.",
        second=second,
        mean=mean,
    )

    seen = int(ag.sum(ag.tril(ag.ones((TOKENS, TOKENS)))))
    causal = Exercise(
        seen,
        "1 + 2 + … + 12. Twice as long a text has almost four times as many.",
        {
            "That is without the mask: no token reads a later one.": TOKENS**2,
            "You left out that each token reads itself.": seen - TOKENS,
            "That is half of the square. The diagonal belongs to it whole: a token reads itself.": TOKENS**2 // 2,
            "That is the last token. The question is how many all of them have.": TOKENS,
        },
        "The first token reads one, the second two, and so on.",
    )
    return read, causal, slope
