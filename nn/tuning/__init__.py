"""Search for the depth, the widths and other settings of a network: `search`, on Optuna."""

from nn.tuning.search import Finalist, SearchResult, Trial, search
from nn.tuning.spaces import Widths, suggest

__all__ = ["Finalist", "SearchResult", "Trial", "Widths", "search", "suggest"]
