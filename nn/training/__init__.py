"""Training: `fit`, `evaluate`, and the `History` that `fit` returns."""

from glassgrad.nn.training.evaluation import Evaluation, evaluate
from glassgrad.nn.training.history import History
from glassgrad.nn.training.loop import fit

__all__ = ["Evaluation", "History", "evaluate", "fit"]
