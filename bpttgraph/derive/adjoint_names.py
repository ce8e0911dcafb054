"""What adjoints are called: h̄[2] for dE/dh[2], δ_h[2] for the adjoint of the pre-activation of h[2]."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["adjoint_name", "delta_name"]


def _split(name: str) -> tuple[str, str, str]:
    """Block with its dot, base, step with its brackets."""
    match = re.fullmatch(r"((?:[^.\[\]]+\.)?)([^\[\].]+)((?:\[[^\[\]]+\])?)", name, re.DOTALL)
    return (match[1], match[2], match[3]) if match else ("", name, "")


def adjoint_name(name: str, loss: str = "") -> str:
    """The name of dE/d(name): a bar over it.

    >>> adjoint_name("h[2]"), adjoint_name("encoder.a_i[t]") == "encoder.a\u0304_i[t]"
    ('h\u0304[2]', True)
    """
    block, base, step = _split(name)
    head = re.match(r"[^\W\d_]+[\u0300-\u036f\u20d7]*", unicodedata.normalize("NFD", base))
    rest = unicodedata.normalize("NFD", base)[head.end() :] if head else ""
    return _prefix(block, loss) + (head[0] + "\u0304" + rest if head else f"adj_{base}") + step


def delta_name(name: str, loss: str = "") -> str:
    """The name of the adjoint of the pre-activation of a variable. The number of a layer stands with the δ.

    >>> delta_name("h[2]"), delta_name("h1[t]"), delta_name("decoder.y[1]"), delta_name("k2")
    ('δ_h[2]', 'δ1_h[t]', 'decoder.δ_y[1]', 'δ_k2')
    """
    block, base, step = _split(name)
    match = re.fullmatch(r"([^\W\d_]+)([\u0300-\u036f\u20d7]*)(\d*)(.*)", unicodedata.normalize("NFD", base), re.DOTALL)
    made = f"δ{match[2]}{match[3]}_{match[1]}{match[4]}" if match and step else f"δ_{base}"
    return _prefix(block, loss) + made + step


def _prefix(block: str, loss: str) -> str:
    return f"({loss}) {block[:-1]}.".replace(" .", ".") if loss else block
