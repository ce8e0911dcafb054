"""What a function of the equations is called in NumPy code, and the definition that goes with it where NumPy has none.

`NUMPY` are functions of NumPy with the same meaning. A helper stands in the printed text, so that the text needs
nothing but NumPy (and `math` for erf). Helpers do not overflow where their value is an ordinary number. Their arguments
are numbers or arrays of one example; attributes of an operation (the slope of leaky_relu) follow in the order in which
the operation takes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["ATTRIBUTES", "HELPERS", "NUMPY", "definitions"]

NUMPY: dict[str, str] = {
    **{
        n: n
        for n in (
            "tanh",
            "arctan",
            "exp",
            "log",
            "sin",
            "cos",
            "sqrt",
            "abs",
            "sum",
            "max",
            "maximum",
            "minimum",
            "sign",
            "clip",
        )
    },
    "diagonal": "diag",
}

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "leaky_relu": ("slope",), "elu": ("alpha",), "clip": ("low", "high"), "power": ("exponent",),
}  # fmt: skip
"""The attributes that belong to the value, in the order of the helper's arguments; those of other operations only say
shapes."""

HELPERS: dict[str, str] = {
    "sigmoid": "def sigmoid(x):\n    return np.exp(-np.logaddexp(0, -x))\n",
    "softmax": "def softmax(x):\n    e = np.exp(x - np.max(x))\n    return e / np.sum(e)\n",
    "log_softmax": "def log_softmax(x):\n    x = x - np.max(x)\n    return x - np.log(np.sum(np.exp(x)))\n",
    "logsumexp": "def logsumexp(x):\n    top = np.max(x)\n    return top + np.log(np.sum(np.exp(x - top)))\n",
    "softplus": "def softplus(x):\n    return np.logaddexp(0, x)\n",
    "relu": "def relu(x):\n    return np.maximum(x, 0)\n",
    "leaky_relu": "def leaky_relu(x, slope=0.01):\n    return np.where(x > 0, x, slope * x)\n",
    "elu": "def elu(x, alpha=1.0):\n    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))\n",
    "silu": "def silu(x):\n    return x * sigmoid(x)\n",
    "erf": "def erf(x):\n    each = np.vectorize(math.erf, otypes='d')\n    return each(x)\n",
    "normal_cdf": (
        "def normal_cdf(x):\n"
        "    erfc = np.vectorize(math.erfc, otypes='d')\n"
        "    return erfc(-x / np.sqrt(2)) / 2\n"
    ),
    "gelu": "def gelu(x):\n    return x * normal_cdf(x)\n",
    "gelu_tanh": (
        "def gelu_tanh(x):\n    return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))\n"
    ),
    "step": "def step(x):\n    return (x > 0) * 1.0\n",
    "above": "def above(a, b):\n    return (a > b) + 0.5 * (a == b)\n",
    "top_mask": "def top_mask(x):\n    top = x == np.max(x)\n    return top / np.sum(top)\n",
    "ylog": "def ylog(y, a):\n    return np.where(y == 0, 0, y * np.log(np.where(y == 0, 1, a)))\n",
    "norm": "def norm(x):\n    return np.sqrt(np.sum(x**2))\n",
    "cross_entropy": (
        "def cross_entropy(y, target):\n"
        "    return -np.sum(target * np.log(np.where(target == 0, 1, y)))\n"
    ),
    "squared_error": "def squared_error(y, target):\n    return 0.5 * np.sum((y - target)**2)\n",
}  # fmt: skip


def definitions(used: Mapping[str, str | None]) -> list[str]:
    """The definitions of the helpers `used` (of a user's own: with their text) and of those that they call themselves,
    each after what it calls."""
    found: dict[str, str] = {}

    def add(name: str, text: str) -> None:
        for other in re.findall(r"(?<![\w.])([a-z_]\w*)\(", text):
            if other != name and other in HELPERS:
                add(other, HELPERS[other])
        found.setdefault(name, text)

    for name, own in used.items():
        add(name, own or HELPERS[name])
    return list(found.values())
