"""Text as sequences of integers, and a list of first names to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd.common.messages import shown
from autograd.common.validation import check_instance, whole
from autograd.errors import DomainError, DTypeError, ShapeError

Numbers = NDArray[np.int64]

NAMES = Path(__file__).with_name("names.txt")


class CharVocabulary:
    """A number for each character, from 1 on; 0 is the mark at which a text begins and ends.

    ``characters``: those that there are, each once. Raises `autograd.errors.DomainError` for one that stands there
    twice, and where a text has another.

    >>> vocabulary = CharVocabulary.of(["anna", "nina"])
    >>> vocabulary, len(vocabulary)
    (CharVocabulary('ain'), 4)
    >>> vocabulary.encode("nina"), vocabulary.decode([3, 2, 3, 1, 0, 2])
    (array([3, 2, 3, 1]), 'nina')
    """

    END = 0

    def __init__(self, characters: str) -> None:
        self.characters = check_instance(characters, str, "characters", "a string of the characters that there are")
        self._numbers = {character: i for i, character in enumerate(characters, 1)}
        if len(self._numbers) != len(characters):
            twice = next(c for i, c in enumerate(characters) if c in characters[:i])
            raise DomainError(f"characters has {twice!r} twice: give each of them once.")

    @classmethod
    def of(cls, texts: Iterable[str]) -> CharVocabulary:
        """The vocabulary of all characters in ``texts``, in the order of their code points."""
        return cls("".join(sorted(set().union(*map(set, _texts(texts))))))

    def encode(self, text: str) -> Numbers:
        """The numbers of the characters, int64."""
        check_instance(text, str, "text", "a string")
        try:
            return np.array([self._numbers[character] for character in text], dtype=np.int64)
        except KeyError as error:
            raise DomainError(
                f"{shown(text)} has the character {error.args[0]!r}, which is none of the {len(self.characters)} of "
                "this vocabulary: make it of all texts, by CharVocabulary.of."
            ) from None

    def decode(self, numbers: ArrayLike) -> str:
        """The text of these numbers, up to the first mark of the end. Raises `DomainError` for other numbers."""
        found = np.asarray(numbers)
        if found.size and found.dtype.kind not in "iu":
            raise DTypeError(f"numbers are {found.dtype}: give integers, as encode returns them.")
        if found.ndim != 1:
            raise ShapeError(f"numbers have shape {found.shape}: decode one text at a time, a sequence of integers.")
        letters = []
        for number in found.tolist():
            if number == self.END:
                break
            if not 0 < number < len(self):
                raise DomainError(f"{number} is the number of no character: these are 1 to {len(self) - 1}.")
            letters.append(self.characters[number - 1])
        return "".join(letters)

    def __len__(self) -> int:
        """The number of characters, with the mark."""
        return len(self.characters) + 1

    def __repr__(self) -> str:
        return f"CharVocabulary({self.characters!r})"


def _texts(texts: Any) -> list[str]:
    found: list[Any] = [texts] if isinstance(texts, str) or not isinstance(texts, Iterable) else list(texts)
    if not all(isinstance(text, str) for text in found):
        raise DTypeError(f"texts = {shown(texts)}: give strings, in a list.")
    return found


def text_sequences(texts: Sequence[str], vocabulary: CharVocabulary) -> tuple[Numbers, Numbers, Numbers]:
    """Each text as the characters seen so far and those that come next: ``(inputs, targets, lengths)``.

    Inputs begin with the mark 0, targets end with it; both are (n, longest + 1), int64, with zeros behind the end of
    each text. ``lengths``: (n,), the steps of each, its characters and the mark.

    >>> inputs, targets, lengths = text_sequences(["an", "n"], CharVocabulary("an"))
    >>> inputs.tolist(), targets.tolist(), lengths.tolist()
    ([[0, 1, 2], [0, 2, 0]], [[1, 2, 0], [2, 0, 0]], [3, 2])
    """
    check_instance(vocabulary, CharVocabulary, "vocabulary", "a CharVocabulary")
    rows = [vocabulary.encode(text) for text in _texts(texts)]
    if not rows:
        raise ShapeError("texts are empty: give at least one.")
    lengths = np.array([len(row) + 1 for row in rows], dtype=np.int64)
    inputs = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    targets = inputs.copy()
    for i, row in enumerate(rows):
        inputs[i, 1 : len(row) + 1] = targets[i, : len(row)] = row
    return inputs, targets, lengths


def text_windows(text: str, vocabulary: CharVocabulary, length: int) -> tuple[Numbers, Numbers]:
    """A long text in pieces of ``length`` characters: ``(inputs, targets)``, each (pieces, length), int64.

    The targets are the inputs one character later; what is left at the end is dropped. To carry a state on from piece
    to piece, take the pieces in order. Raises `autograd.errors.ShapeError` for a text shorter than ``length + 1``.

    >>> inputs, targets = text_windows("banana", CharVocabulary("abn"), 2)
    >>> inputs.tolist(), targets.tolist()
    ([[2, 1], [3, 1]], [[1, 3], [1, 3]])
    """
    length = whole(length, "length")
    check_instance(vocabulary, CharVocabulary, "vocabulary", "a CharVocabulary")
    numbers = vocabulary.encode(text)
    count = (len(numbers) - 1) // length
    if count < 1:
        raise ShapeError(f"a text of {len(numbers)} characters has no piece of {length} and one more behind it.")
    end = count * length
    return numbers[:end].reshape(count, length), numbers[1 : end + 1].reshape(count, length)


def first_names() -> list[str]:
    """1,297 first names that are common in Europe, the Americas or Asia, in small letters, in alphabetical order.

    >>> names = first_names()
    >>> len(names), names[:3]
    (1297, ['aaron', 'abbas', 'abdul'])
    """
    return NAMES.read_text(encoding="utf-8").split()


def row_sequences(x: ArrayLike, image_shape: tuple[int, int]) -> NDArray[Any]:
    """Images (n, height · width) as sequences of their rows, (n, height, width): a view.

    Raises `autograd.errors.ShapeError` for images of another size.

    >>> row_sequences(np.zeros((5, 6)), (2, 3)).shape
    (5, 2, 3)
    """
    images = np.asarray(x)
    height, width = (whole(n, f"image_shape[{i}]") for i, n in enumerate(image_shape))
    if images.ndim != 2 or images.shape[1] != height * width:
        raise ShapeError(
            f"row_sequences takes images (n, {height * width}) of {height}×{width} pixels; it was given shape "
            f"{images.shape}."
        )
    return images.reshape(-1, height, width)
