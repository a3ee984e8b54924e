"""Modules of PyTorch as Modules of ``nn``: the conversion, and the table of operations it knows."""

from glassgrad.nn.saving.pytorch.convert import Converted, from_torch

__all__ = ["Converted", "from_torch"]
