"""Labelled images, minibatches, random augmentation, text as integers, and data sets of handwritten digits and names.

`digits` is in the package; `mnist` is downloaded at its first use.
"""

from collections.abc import Callable, Mapping

from glassgrad.nn.data.augment import Batches, crop, flip, shift
from glassgrad.nn.data.dataset import Dataset, hold_out, minibatches
from glassgrad.nn.data.download import cache_folder
from glassgrad.nn.data.embedded import digits
from glassgrad.nn.data.loaders import mnist
from glassgrad.nn.data.text import CharVocabulary, first_names, text_sequences, text_windows

DATASETS: Mapping[str, Callable[[], Dataset]] = {"digits": digits, "mnist": mnist}
"""The functions that load the data sets, by the names that ``--data`` takes."""

__all__ = [
    "DATASETS", "Batches", "CharVocabulary", "Dataset", "cache_folder", "crop", "digits", "first_names", "flip",
    "hold_out", "minibatches", "mnist", "shift", "text_sequences", "text_windows",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
