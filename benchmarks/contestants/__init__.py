"""The contestants: one module of this folder each. A module is imported only in that contestant's own process.

A module has any of these classes, whose ``step()`` does the whole work once:

- ``Net(work, layers, x, labels)``: a training step of a net; returns the loss; ``layers()`` gives the parameters back;
- ``Product(net, layers, x, labels, direction)``: a product with the Hessian; ``product()`` gives it;
- ``Scalars(program, values)``: forward and backward of F; returns the value; ``gradient()`` gives every leaf's;
- ``Chain(work, x, w, b)``: forward and backward of G; returns the value; ``gradient()`` gives that of x.

``step()`` may return whatever float() takes, so that none pays for a conversion which its own users need not make.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TRAINING, SMALL, BEYOND = "A B C D E", " F G", " B64 T L M H"


@dataclass(frozen=True)
class Contestant:
    key: str  # the module's name
    title: str
    imports: str  # what its import time is measured on; "" for none of interest
    requires: tuple[str, ...] = ()  # what pip installs; () means: the environment that runs the benchmarks
    works: str = TRAINING + SMALL
    extra: bool = False
    compiles: bool = False  # its first step takes longer, and how much is of interest

    def does(self, work: str) -> bool:
        """Whether it takes part in a work: "F mlp" and "F tree" are of one kind."""
        return work.split(maxsplit=1)[0] in self.works.split()

    @property
    def own_environment(self) -> bool:
        return bool(self.requires)

    @property
    def distribution(self) -> str:
        """Its name for pip; "" if it has none of its own."""
        return re.split("[<>=]", self.requires[0])[0] if self.requires else ""


CONTESTANTS = {
    contestant.key: contestant
    for contestant in (
        Contestant("pytorch", "PyTorch eager", "torch", ("torch>=2.10",), works=TRAINING + SMALL + BEYOND),
        Contestant("glassgrad", "glassgrad eager", "autograd", works=TRAINING + SMALL + BEYOND),
        Contestant("glassgrad_compiled", "glassgrad compiled", "", works=TRAINING + BEYOND, compiles=True),
        Contestant("numpy_naive", "NumPy by hand, naive", "numpy", works=TRAINING + " G B64"),
        Contestant("numpy_out", "NumPy by hand, out=", "", works=TRAINING + " B64 T M"),
        # scipy: its expit is the only sigmoid that HIPS autograd has as one operation.
        Contestant(
            "hips_autograd", "HIPS autograd", "autograd", ("autograd==1.9.1", "scipy>=1.14"), works=TRAINING + " G"
        ),
        Contestant("mygrad", "MyGrad", "mygrad", ("mygrad==2.5.0",)),
        # DeZero is of 2020: NumPy 2 would turn its backward pass into float64. It imports matplotlib and pillow without
        # naming them, and no NumPy of today lets it be imported without help.
        Contestant("dezero", "DeZero", "", ("dezero==0.0.13", "numpy<2", "matplotlib>=3.9", "pillow>=11")),
        Contestant("micrograd", "micrograd", "micrograd.engine", ("micrograd==0.1.0",), works="F"),
        Contestant(
            "pytorch_compiled", "torch.compile", "", ("torch>=2.10",), TRAINING + BEYOND, extra=True, compiles=True
        ),
        Contestant("jax", "jax.jit", "jax", ("jax==0.10.2",), TRAINING + BEYOND, extra=True, compiles=True),
    )
}
