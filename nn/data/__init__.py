"""Data: labelled images, epochs of minibatches, and four sets of handwritten digits.

`digits` is in the package; `mnist`, `semeion` and `usps` are downloaded from their public homes when first asked for.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nn.data.dataset import Dataset, hold_out, minibatches
from nn.data.download import cache_folder
from nn.data.embedded import digits
from nn.data.errors import CacheError, DataError, DownloadError
from nn.data.loaders import mnist, semeion, usps

DATASETS: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {"digits": digits, "mnist": mnist, "semeion": semeion, "usps": usps}
)
"""What ``--data`` takes: a name, and the function that loads the set."""

__all__ = [
    "DATASETS",
    "CacheError",
    "DataError",
    "Dataset",
    "DownloadError",
    "cache_folder",
    "digits",
    "hold_out",
    "minibatches",
    "mnist",
    "semeion",
    "usps",
]
