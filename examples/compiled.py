"""One training step, read as a program: the backprop that one would have written by hand, and the code that runs it.

    python examples/compiled.py

`autograd.compile` follows the step once and writes down what it computes. What is printed is the program as it was
followed, what passes made of it, and the code that then runs at every call.
"""

import argparse

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn

argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

# XOR, with a net that has more layers than it needs: there is more to read.
x = ag.Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype="float32")
y = ag.Tensor([0, 1, 1, 0])

model = nn.MLP([2, 8, 2], seed=0)
optimizer = nn.optim.SGD(model.parameters(), lr=2.0, momentum=0.5)


@ag.compile
def step(x, y):
    """An ordinary step: nothing in it knows that it will be a program."""
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


if __name__ == "__main__":
    first = step(x, y).item()
    (program,) = step.programs
    print(f"{program}\n\n{program.optimized()}\n\n{step.source}")
    for _ in range(500):
        last = step(x, y).item()
    optimizer.param_groups[0]["lr"] = 0.0  # read at each call: no new program, and nothing moves
    before = [p.detach().numpy().copy() for p in model.parameters()]
    step(x, y)
    still = all(np.array_equal(w, p.detach().numpy()) for w, p in zip(before, model.parameters(), strict=True))
    print(f"loss {first:.4f} -> {last:.4f}, {len(step.programs)} program; at lr = 0 the weights stand still: {still}")
