"""A network that solves a differential equation: u″ = −u with u(0) = 0 and u′(0) = 1, whose solution is the sine.

    python examples/equation.py

The loss is what the equation leaves over. It contains u″, so that its gradient needs third derivatives.
"""

import argparse

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn

argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

model = nn.MLP([1, 16, 16, 1], activation="tanh", seed=0, dtype="float64")
optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
schedule = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3000)  # at a constant rate Adam never comes to rest
times = np.linspace(0.0, 3.0, 40)[:, None]


def solution(times):
    """u, u′ and u″ at these times, each with a graph."""
    t = ag.Tensor(times, requires_grad=True)
    u = model(t)
    first = ag.gradients(ag.sum(u), t, create_graph=True)
    return u, first, ag.gradients(ag.sum(first), t, create_graph=True)


@ag.compile
def step():
    optimizer.zero_grad()
    u, first, second = solution(times)  # times[0] is 0
    loss = ag.mean((second + u) ** 2) + u[0, 0] ** 2 + (first[0, 0] - 1) ** 2
    loss.backward()
    optimizer.step()
    return loss


for i in range(1, 3001):
    loss = step()
    schedule.step()
    if i % 1000 == 0:
        print(f"step {i}: loss {loss.item():.1e}")
worst = ag.max(ag.abs(model(times) - ag.sin(times))).item()
print(f"farthest from the sine: {worst:.4f}")

# Third derivatives as such: grad, three times.
third = ag.grad(ag.grad(ag.grad(ag.sin)))
print(f"sin‴(0.5) = {third(0.5).item():.6f}, −cos(0.5) = {-np.cos(0.5):.6f}")
