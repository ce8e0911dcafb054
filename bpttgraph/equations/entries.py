"""Entries that a class picks out of a vector: `p_{t,y_t}`, `p_t[y_t]`, `ps[t][targets[t], 0]`, `softmax(o_t)_{y_t}`.

The class of a step is a name with a step where a label or a step would stand. `Names` makes a token of kind "entry" of
it, the parser a call of one of the functions here, which no text can name; `meaning.classes` says what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .latex import Token
from .syntax import Index, Name, Span

__all__ = ["CLASSES", "EITHER", "ENTRY", "class_of", "entry_token"]

ENTRY, EITHER = "entry of", "entry or product of"

CLASSES = frozenset(("target", "targets", "label", "labels", "y_true", "y_target", "y"))
"""What programs call the class of an example, where no step is written."""

_STEP = r"([^\W\d_](?:[+-][0-9]{1,4})?)"
_CLASS = re.compile(
    rf"(?P<name>[^\W\d_][\w\u0300-\u036f]*?)(?:_\(?{_STEP}\)?|\[{_STEP}\]|\({_STEP}\)|\^[(<\[]{_STEP}[)>\]])"
)


def class_of(text: str, step: Callable[[str], Index | None], span: Span) -> Name | None:
    """`y_t`, `targets[t]` as a name with a step; None for anything else. `step` reads a step."""
    match = _CLASS.fullmatch(text)
    if match is None:
        return Name(text, None, span) if text in CLASSES - {"y"} else None
    index = step(next(group for group in match.groups()[1:] if group))
    return Name(match["name"], index, span) if index is not None and index.variable is not None else None


def entry_token(kind: str, name: Name, first: Token, last: Token) -> Token:
    """What the parser finds behind the vector."""
    token = Token("entry", kind, first.start, last.stop)
    token.name = name
    return token
