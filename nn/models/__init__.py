"""Complete networks."""

from nn.models.mlp import MLP

__all__ = ["MLP"]
