"""The words of the language: functions by all their names."""

from __future__ import annotations

from .latex import words

__all__ = ["ALIASES", "KNOWN_FUNCTIONS", "WHOLE_WORDS", "known_function"]

KNOWN_FUNCTIONS = frozenset(
    words(
        "tanh sigmoid logistic relu leaky_relu softplus identity exp log sqrt abs softmax log_softmax sum mean dot "
        "outer diag norm concat cross_entropy squared_error clip sin cos elu silu gelu gelu_tanh erf max min"
    )
)
ALIASES = {"σ": "sigmoid", "sigma": "sigmoid", "sigm": "sigmoid", "id": "identity", "ln": "log"}
# Words that LaTeX mode keeps whole although they stand there as a run of letters.
WHOLE_WORDS = KNOWN_FUNCTIONS | ALIASES.keys() | {"target", "prod", "loss"}


def known_function(name: str) -> str | None:
    """The canonical name of a known function ("σ" and "ReLU" are "sigmoid" and "relu"), or None."""
    if name in ALIASES:
        return ALIASES[name]
    # Slides spell Softmax and ReLU with capitals.
    return next((n for n in (name, name.lower()) if n in KNOWN_FUNCTIONS), None)
