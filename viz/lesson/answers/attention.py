"""Chapter 11: attention."""

from typing import Any

from glassgrad import autograd as ag

VALUES = (2.0, 10.0)
TOKENS = 12


def read() -> dict[str, Any]:
    """A mean of two values by softmax, and its slopes by the scores."""
    scores = ag.Tensor([0.0, ag.log(3.0)], requires_grad=True)
    first, second = VALUES
    weights = ag.softmax(scores)
    answer = weights @ ag.asarray(VALUES)
    (slopes,) = ag.gradients([answer], [scores])
    plain, undivided, exchanged = (first + second) / 2, first + 3 * second, (3 * first + second) / 4
    by_score = scores[1] * second
    return locals()


def causal() -> dict[str, Any]:
    """The entries that a causal mask leaves."""
    answer = int(ag.sum(ag.tril(ag.ones((TOKENS, TOKENS)))))
    unmasked, others, half, last = TOKENS**2, answer - TOKENS, TOKENS**2 // 2, TOKENS
    return locals()


def slope() -> dict[str, Any]:
    """The slope of the mean by a score."""
    known = read()
    mean, second, (by_first, answer) = known["answer"], known["second"], known["slopes"]
    weight = known["weights"][1]
    own = weight * (1 - weight)
    share, given = own * second, weight * second
    return locals()
