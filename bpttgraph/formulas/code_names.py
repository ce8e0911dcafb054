"""Names of the equations as identifiers of one piece of Python code: readable, in ASCII, and each name its own."""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Iterable

from ..core.names import _GREEK
from ..core.primitives import TABLE
from ..errors import BPTTError, expect

__all__ = ["NameTable", "check_function", "gradient_name", "python_name", "quoted"]

RESERVED = frozenset(
    ["np", "math", "range", "sum", "max", "min", "t", "T", *(n for n, op in TABLE.items() if op.readings.get("code"))]
)
"""What means something else in the printed code."""

_LETTERS = {letter: name for name, letter in _GREEK.items()}
_MARKS = {"\u0304": "_bar", "\u0302": "_hat", "\u0303": "_tilde", "\u0307": "_dot", "\u0308": "_ddot", "\u20d7": "_vec"}


def check_function(name: str) -> None:
    """Refuse what cannot be the name of the function that is printed."""
    expect(name, str, "the name of the function", 'write a name such as "gradients"')
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name) or name in RESERVED:
        raise BPTTError(f"{name!r} cannot be the name of the function", 'write a name such as "gradients"')


def python_name(name: str) -> str:
    """A name of the equations as a Python identifier (its step stays an index), whatever else there is.

    >>> python_name("h\u0304[t+1]"), python_name("δ_h[t]"), python_name("encoder.W_hh"), python_name("x\u0302[t]")
    ('dh[t+1]', 'delta_h[t]', 'encoder_W_hh', 'x_hat[t]')
    """
    base, bracket, step = name.partition("[")
    block, dot, base = base.rpartition(".")
    text = unicodedata.normalize("NFD", base)
    adjoint = "\u0304" in text
    text = _ascii(text.replace("\u0304", "", 1))
    if adjoint:
        text = "d" + text
    if keyword.iskeyword(text):
        text += "_"
    if text[:1].isdigit():
        text = "_" + text
    return (f"{_ascii(block)}_" if dot else "") + text + bracket + step


def _ascii(text: str) -> str:
    made = []
    for c in unicodedata.normalize("NFKD", text):
        plain = c.isascii() and (c.isalnum() or c == "_")
        made.append(c if plain else _LETTERS.get(c) or _MARKS.get(c) or ("_prime" if c in "'′" else _other(c)))
    return "".join(made)


def _other(c: str) -> str:
    return f"u{ord(c):04x}" if c.isalpha() else "" if unicodedata.combining(c) else "_"


def gradient_name(key: str) -> str:
    """
    >>> gradient_name("W_hh"), gradient_name("h[0]"), gradient_name("r[T+1]"), gradient_name("h[-1]")
    ('dW_hh', 'dh_0', 'dr_T_1', 'dh_m1')
    """
    return "d" + re.sub(r"\W+", "_", python_name(key).replace("[-", "[m")).strip("_")


def quoted(name: str) -> str:
    """A name of the equations as a text in the code. Letters that pdfLaTeX does not have are escapes, as code on paper
    is read, too.

    >>> print(quoted("δ_h[0]"), quoted("ж"))
    "δ_h[0]" "\\u0436"
    """
    text = json.dumps(name, ensure_ascii=False)
    return "".join(json.dumps(c)[1:-1] if c.isalpha() and not _on_paper(c) else c for c in text)


def _on_paper(c: str) -> bool:
    return c in _LETTERS or unicodedata.normalize("NFKD", c)[0].isascii()


class NameTable:
    """The identifiers of one piece of code. A name keeps the identifier that it was given first.

    >>> names = NameTable(["delta", "δ", "np", "h"])
    >>> [names(n) for n in ("delta", "δ", "np", "h")]
    ['delta', 'delta_2', 'np_', 'h']
    """

    def __init__(self, names: Iterable[str] = (), reserved: Iterable[str] = ()):
        self.given: dict[tuple[str, str], str] = {}
        self._taken = {*RESERVED, *reserved}
        for name in names:
            self(name)

    def __call__(self, name: str, kind: str = "") -> str:
        """The identifier of a name without its step; of the same name as something else, say the gradient by it, with a
        `kind`."""
        if (name, kind) not in self.given:
            plain = gradient_name(name) if kind == "gradient" else python_name(name)
            self.given[name, kind] = self._free(plain)
        return self.given[name, kind]

    def __contains__(self, name: object) -> bool:
        return (name, "") in self.given

    def _free(self, plain: str) -> str:
        if plain in RESERVED:
            plain += "_"
        made, n = plain, 1
        while made in self._taken:
            n += 1
            made = f"{plain}_{n}"
        self._taken.add(made)
        return made
