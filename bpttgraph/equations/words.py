"""Words and capital letters that stand before a bracket: a function, or a factor?

A text names its functions in many ways: `\\mathrm{LN}(…)`, `act(…)`, `\\mathcal{F}(…)`, `F(W h)`. The tables here say
which words sound like a function. What a name is elsewhere in the same text has the last word (`Parser.applies`): a
name that stands somewhere as a factor is no function.
"""

from __future__ import annotations

import re

from .latex import words
from .vocabulary import whole_words

__all__ = [
    "FACTORS",
    "LETTERS",
    "LOSS_NAMES",
    "QUANTITIES",
    "calligraphic",
    "sounds_like_a_function",
    "spelled_function",
    "upright",
]

ACRONYMS = frozenset(
    words("LN BN GN IN FC FFN FF MLP NN CNN RNN LSTM GRU GLU RMS ln bn fc ff nn mlp ffn cnn rnn lstm gru")
)
"""Words without a vowel that name a layer or a network."""

LETTERS = set("FGHΘΦΨΓΞΥΩ")
"""Capital letters by which lectures call functions rather than matrices."""

FACTORS = frozenset([*"αβγδεηκλμντωπvw", "Δt", "δt", "dt", "Δτ"])
"""Letters that lectures do not call functions: rates, time constants, lengths of a step, vectors of weights."""

QUANTITIES = frozenset("abcdekmnpquvwxyz")
"""Small letters that are numbers or vectors in most texts: read as functions only with a note."""

LOSS_NAMES = ("E", "L", "J", "loss", "Loss", "ℓ", "ℒ", "C", "cost")
"""What a loss is called."""

_MATRIX = re.compile(r"[WURVBK][a-z]{1,4}")
_VOWEL = re.compile("[aeiouyAEIOUY]")
_CALLIGRAPHIC = re.compile(r"\\math(?:cal|scr|frak)\s*\{?\s*$")


def sounds_like_a_function(word: str) -> bool:
    """Whether a run of letters before a bracket is a word (`act`, `Linear`, `BN`) and no product (`ab`, `Whx`)."""
    if word in ACRONYMS:
        return True
    return len(word) > 2 and word.isalpha() and bool(_VOWEL.search(word)) and not _MATRIX.fullmatch(word)


def spelled_function(parts: list[str]) -> str | None:
    """`leaky`, `relu` as one word `leaky_relu` if that is a word of the language, or sounds like a function's name."""
    joined = "_".join(parts)
    return joined if joined in whole_words() or all(map(sounds_like_a_function, parts)) else None


def upright(word: str) -> bool:
    """Whether a word is longer than a symbol: `LN` is, `θ` and `W` are not."""
    return len(word) > 1 and word.isascii() and word.replace("_", "").isalnum()


def calligraphic(text: str, start: int) -> bool:
    """Whether the letter at `start` is set in a script style, as functions and operators are."""
    return bool(_CALLIGRAPHIC.search(text[max(0, start - 16) : start]))
