"""Search for the depth, the widths and other settings of a network: `search`, on Optuna."""

from glassgrad.nn.tuning.spaces import Widths, suggest
from glassgrad.nn.tuning.trials import Finalist, SearchResult, Trial, search

__all__ = ["Finalist", "SearchResult", "Trial", "Widths", "search", "suggest"]
