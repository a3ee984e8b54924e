"""Text as sequences of integers, and a list of first names to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.common.validation import check_instance, whole
from glassgrad.autograd.errors import DomainError, ShapeError

Numbers = NDArray[np.int64]

NAMES = Path(__file__).with_name("names.txt")


class CharVocabulary:
    """A numbering of characters from 1; 0 marks the beginning and the end of a text.

    ``characters``: all characters of the texts, each once. Raises `autograd.errors.DomainError` for a repeated
    character, and `encode` for a text with another one.

    >>> vocabulary = CharVocabulary.of(["anna", "nina"])
    >>> vocabulary, len(vocabulary)
    (CharVocabulary('ain'), 4)
    >>> vocabulary.encode("nina"), vocabulary.decode([3, 2, 3, 1, 0, 2])
    (array([3, 2, 3, 1]), 'nina')
    """

    END = 0

    def __init__(self, characters: str) -> None:
        self.characters = check_instance(characters, str, "characters", "a string of all characters")
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
        try:
            return np.array([self._numbers[character] for character in text], dtype=np.int64)
        except KeyError as error:
            raise DomainError(
                f"{shown(text)} has the character {error.args[0]!r}, which is not one of the {len(self.characters)} "
                "in this vocabulary: make it from all texts, by CharVocabulary.of."
            ) from None

    def decode(self, numbers: ArrayLike) -> str:
        """The text of these numbers, up to the first 0. Raises `DomainError` for unknown numbers."""
        letters = []
        for number in np.asarray(numbers).tolist():
            if number == self.END:
                break
            if not 0 < number < len(self):
                raise DomainError(f"{number} is not the number of a character: these are 1 to {len(self) - 1}.")
            letters.append(self.characters[number - 1])
        return "".join(letters)

    def __len__(self) -> int:
        """The number of characters and the mark 0."""
        return len(self.characters) + 1

    def __repr__(self) -> str:
        return f"CharVocabulary({self.characters!r})"


def _texts(texts: Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def text_sequences(texts: Sequence[str], vocabulary: CharVocabulary) -> tuple[Numbers, Numbers, Numbers]:
    """Texts as training data of a language model: ``(inputs, targets, lengths)``. A target is the next character.

    Inputs begin with the mark 0, targets end with it; both are (n, longest + 1), int64, padded with zeros after the end
    of each text. ``lengths``: (n,), the number of steps of each text, one more than its characters.

    >>> inputs, targets, lengths = text_sequences(["an", "n"], CharVocabulary("an"))
    >>> inputs.tolist(), targets.tolist(), lengths.tolist()
    ([[0, 1, 2], [0, 2, 0]], [[1, 2, 0], [2, 0, 0]], [3, 2])
    """
    check_instance(vocabulary, CharVocabulary, "vocabulary", "a CharVocabulary")
    rows = [vocabulary.encode(text) for text in _texts(texts)]
    lengths = np.array([len(row) + 1 for row in rows], dtype=np.int64)
    inputs = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    targets = inputs.copy()
    for i, row in enumerate(rows):
        inputs[i, 1 : len(row) + 1] = targets[i, : len(row)] = row
    return inputs, targets, lengths


def text_windows(text: str, vocabulary: CharVocabulary, length: int) -> tuple[Numbers, Numbers]:
    """A long text in pieces of ``length`` characters: ``(inputs, targets)``, each (pieces, length), int64.

    The targets are the inputs one character later; a shorter last piece is dropped. To pass a state from piece to
    piece, take the pieces in order. Raises `autograd.errors.ShapeError` for a text shorter than ``length + 1``.

    >>> inputs, targets = text_windows("banana", CharVocabulary("abn"), 2)
    >>> inputs.tolist(), targets.tolist()
    ([[2, 1], [3, 1]], [[1, 3], [1, 3]])
    """
    length = whole(length, "length")
    check_instance(vocabulary, CharVocabulary, "vocabulary", "a CharVocabulary")
    numbers = vocabulary.encode(text)
    count = (len(numbers) - 1) // length
    if count < 1:
        raise ShapeError(f"a text of {len(numbers)} characters is too short: give at least {length + 1}.")
    end = count * length
    return numbers[:end].reshape(count, length), numbers[1 : end + 1].reshape(count, length)


def first_names() -> list[str]:
    """1,297 first names common in Europe, the Americas or Asia, in lower case and alphabetical order.

    >>> names = first_names()
    >>> len(names), names[:3]
    (1297, ['aaron', 'abbas', 'abdul'])
    """
    return NAMES.read_text(encoding="utf-8").split()
