"""Text as training data: a vocabulary of characters, and chunks that lose and repeat nothing at their borders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from ..errors import BPTTError

__all__ = ["Text", "Vocabulary"]

Array = np.ndarray[Any, Any]
LONGEST = 200_000_000
MOST_SYMBOLS = 5_000


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a text, in order of their code points."""

    symbols: str

    @staticmethod
    def of(text: str) -> Vocabulary:
        symbols = "".join(sorted(set(text)))
        if len(symbols) > MOST_SYMBOLS:
            raise BPTTError(
                f"the text has {len(symbols):,} different characters", f"a character model takes up to {MOST_SYMBOLS:,}"
            )
        if len(symbols) < 2:
            what = "is empty" if not symbols else f"consists of {symbols!r} alone"
            raise BPTTError(f"the text {what}", "give a text of at least two different characters")
        return Vocabulary(symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> Array:
        """Indices, (len,)."""
        missing = sorted(set(text) - set(self.symbols))
        if missing:
            shown = ", ".join(repr(c) for c in missing[:5])
            raise BPTTError(
                f"{shown} {'does' if len(missing) == 1 else 'do'} not occur in the training text",
                f"use its characters: {self.shown()}",
            )
        return np.searchsorted(_codes(self.symbols), _codes(text)).astype(np.int32)

    def decode(self, indices: Any) -> str:
        return "".join(self.symbols[int(i)] for i in indices)

    def one_hot(self, indices: Array) -> Array:
        found = np.zeros((*indices.shape, len(self)))
        np.put_along_axis(found, indices[..., None], 1.0, axis=-1)
        return found

    def shown(self, most: int = 40) -> str:
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in self.symbols[:most])
        return repr(text) if len(self) <= most else f"{text!r} and {len(self) - most} more"


def _codes(text: str) -> Array:
    """The code point of each character: at four bytes each, also of a text of many millions."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class Text:
    """A text cut into `batch` streams of equal length, each read in chunks of up to `steps` characters.

    Input and target are the same stream, one character apart. Every character but the first of a stream is a target
    exactly once a pass; the last chunk of a pass is shorter where the steps do not divide the length.
    """

    def __init__(self, text: str, vocabulary: Vocabulary, steps: int, batch: int = 1):
        self.vocabulary, self.steps, self.batch = vocabulary, steps, batch
        indices = vocabulary.encode(text)
        self.length = (len(indices) - 1) // batch  # targets of one stream
        if self.length < steps:
            raise BPTTError(
                f"a text of {len(indices):,} characters is shorter than "
                f"{'a chunk' if batch == 1 else f'{batch} chunks'} of {steps} steps",
                "give a longer text, or fewer --steps" + (" or a smaller --batch" if batch > 1 else ""),
            )
        starts = np.arange(batch) * self.length
        self.streams = np.stack([indices[s : s + self.length + 1] for s in starts], axis=1)  # (length + 1, batch)
        self.digest = sha256(text.encode()).hexdigest()

    @property
    def chunks(self) -> int:
        """Chunks in one pass."""
        return -(-self.length // self.steps)

    def chunk(self, number: int) -> tuple[Array, Array]:
        """Inputs and targets of a chunk, both (T, batch), counted over all passes."""
        start = (number % self.chunks) * self.steps
        stop = min(start + self.steps, self.length)
        return self.streams[start:stop], self.streams[start + 1 : stop + 1]

    def passes(self) -> Iterator[tuple[Array, Array]]:
        """All chunks of one pass."""
        return (self.chunk(i) for i in range(self.chunks))
