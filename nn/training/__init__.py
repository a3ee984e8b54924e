"""Training: `fit`, `evaluate`, and the `History` that `fit` returns."""

from nn.training.evaluation import Evaluation, evaluate
from nn.training.history import History
from nn.training.loop import fit

__all__ = ["Evaluation", "History", "evaluate", "fit"]
