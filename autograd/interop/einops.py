"""einops on Tensors. `protocols` imports this module when einops is imported.

>>> import einops
>>> from glassgrad import autograd as ag
>>> ag.grad(lambda x: einops.reduce(x, "(pair two) -> pair", "sum", two=2)[0])([1.0, 2.0, 3.0, 4.0])
Tensor([1.0, 1.0, 0.0, 0.0])
"""

from typing import Any

from einops._backends import NumpyBackend  # einops looks among the subclasses of its backends

from glassgrad.autograd.engine.tensor import Tensor


class Backend(NumpyBackend):
    """NumPy's functions, which Tensors record."""

    framework_name = "glassgrad.autograd"

    def is_appropriate_type(self, tensor: Any) -> bool:
        """Whether it is a Tensor."""
        return isinstance(tensor, Tensor)

    def to_numpy(self, x: Any) -> Any:
        """The values of a Tensor."""
        return x.numpy()
