"""Derivatives of derivatives: a slope's slope, Newton's method with a Hessian, and training on a gradient.

    python examples/second_derivatives.py
"""

import argparse

from glassgrad import autograd as ag

argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

# grad takes a function to its derivative, as often as you like: tanh'' = −2 tanh (1 − tanh²).
x = ag.Tensor(0.5)
second = ag.grad(ag.grad(ag.tanh))(x)
print(f"tanh''(0.5) = {second.item():.6f}, by the formula {(-2 * ag.tanh(x) * (1 - ag.tanh(x) ** 2)).item():.6f}")


def rosenbrock(p):
    """The banana-shaped valley with its minimum at (1, 1)."""
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


# Newton's method: a step d solves H d = ∇f.
p = ag.Tensor([-1.2, 1.0])
for step in range(1, 7):
    p = p - ag.linalg.solve(ag.hessian(rosenbrock)(p), ag.grad(rosenbrock)(p))
    print(f"Newton step {step}: f = {rosenbrock(p).item():.3g} at ({p[0].item():.6f}, {p[1].item():.6f})")

# A loss may contain a gradient: create_graph records the backward pass, and backward() goes through it.
w = ag.Tensor([0.3, -0.7], requires_grad=True)
(slope,) = ag.gradients(ag.sum(ag.sin(w) * w), [w], create_graph=True)
penalty = ag.sum(slope**2)
penalty.backward()
print(f"a penalty on the slope, {penalty.item():.4f}, has the gradient {[round(v, 4) for v in w.grad.tolist()]}")
