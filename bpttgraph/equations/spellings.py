"""One spelling of a name for look-ups: Greek letters by their words, functions by their other names."""

from __future__ import annotations

__all__ = ["ALIASES", "GREEK", "canonical"]

ALIASES = {
    "σ": "sigmoid", "sigma": "sigmoid", "sigm": "sigmoid", "logistic": "sigmoid", "ReLU": "relu", "lrelu": "leaky_relu",
    "LeakyReLU": "leaky_relu", "Softmax": "softmax", "id": "identity", "ln": "log",
}  # fmt: skip
_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega"
)
GREEK = dict(zip(_LETTERS.split(), "αβγδεζηθικλμνξρστυφχψω"))


def canonical(name: str) -> str:
    """One spelling of a function or variable name for look-ups: `phi` and `φ` are the same, so are `sigma`, `σ` and
    `sigmoid`.

    >>> canonical("phi"), canonical("sigma"), canonical("g_1")
    ('φ', 'sigmoid', 'g_1')
    """
    head, mark, tail = name.partition("_")
    name = GREEK.get(head, head) + mark + tail
    return ALIASES.get(name, name)
