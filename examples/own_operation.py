"""An operation of your own: its forward, its rule, its notation; then a check of the rule against differences.

    python examples/own_operation.py
"""

import argparse

from glassgrad import autograd as ag

argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

@ag.op("softsign", text="{x} / (1 + |{x}|)", tex=r"\frac{{{x}}}{{1 + |{x}|}}", level=2)
def softsign(xp, x):
    """``x / (1 + |x|)``, which saturates more gently than tanh (Bergstra et al., 2009)."""
    return x / (1 + xp.abs(x))


softsign.vjp(x=lambda xp, g, x: g / (1 + xp.abs(x)) ** 2)

x = ag.Tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
print("gradcheck:", ag.testing.gradcheck(softsign, x))
print("gradgradcheck:", ag.testing.gradgradcheck(softsign, x))


@ag.op("softsign'")
def wrong_softsign(xp, x):
    """The same with a wrong rule: the square was forgotten."""
    return x / (1 + xp.abs(x))


wrong_softsign.vjp(x=lambda xp, g, x: g / (1 + xp.abs(x)))

try:
    ag.testing.gradcheck(wrong_softsign, x)
except ag.errors.AutogradError as error:
    print("a wrong rule is found:", error)
