"""One kind of error for everything that a user can get wrong, one for what we got wrong, and `visible` for text of
strangers.

`BPTTError` says what is wrong, where (the line of the text with a caret under it), and one fix. The command line turns
it into a message on stderr and exit status 2; nothing else in the project is raised for bad input. `Fault` is for the
program itself: two of its own readings contradict each other. The command line makes a report of it, with exit status
3.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from types import UnionType
from typing import Any
from unicodedata import category

__all__ = ["BPTTError", "Fault", "Span", "expect", "integer", "nearest", "visible", "whole"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line of source text. `line` counts from 1, `column` and `end` from 0; `end` is exclusive."""

    line: int
    column: int
    end: int


class BPTTError(ValueError):
    """Bad input, explained.

    Args:
        message: what is wrong, in one sentence that names the equation, the step or the shapes.
        hint: one fix.
        text: the whole source text, if the error stands in a text.
        span: the place in `text`.

    Example:
        >>> print(BPTTError("unbalanced bracket", "add ')'", text="h[t] = tanh(x[t]", span=Span(1, 11, 12)))
        unbalanced bracket
          line 1: h[t] = tanh(x[t]
                             ^
          hint: add ')'
    """

    def __init__(self, message: str, hint: str | None = None, *, text: str | None = None, span: Span | None = None):
        # an exception reaches a terminal by ways of its own; and a message may hold a name of any length
        message, hint = visible(_cut(message)), hint and visible(_cut(hint))
        self.message, self.hint, self.span = message, hint, span
        self.line_text = ""
        lines = [message]
        if text is not None and span is not None:
            source = text.splitlines() or [""]
            raw = source[min(span.line, len(source)) - 1]
            # A very long line is shown around the caret only; one that is no equation may be of any file: a few signs.
            most = 160 if "=" in raw else 48
            start = max(0, span.column - most // 2) if len(raw) > most else 0
            row = raw[start : start + most].replace("\t", " ")
            self.line_text = shown = "".join("\ufffd" if _hidden(c) else c for c in row)  # one sign each, for the caret
            prefix = f"  line {span.line}: "
            width = max(1, min(span.end, start + len(shown)) - span.column)
            lines += [prefix + shown, " " * (len(prefix) + span.column - start) + "^" * width]
        if hint:
            lines.append(f"  hint: {hint}")
        super().__init__("\n".join(lines))


def _cut(text: str, most: int = 2_000) -> str:
    return text if len(text) <= most else f"{text[: most - 200]} … {text[-200:]}"


NOTHING = "{} has neither parameters nor initial states: there is nothing to derive by"


class Fault(BPTTError):
    """The program itself is wrong: readings that must agree do not. Nothing that the user wrote is at fault."""


def visible(text: str, encoding: str = "utf-8") -> str:
    """The text with escapes for what steers a terminal or turns its direction of reading, and for what `encoding`
    cannot hold.

    Lines and tabs stay. The escapes are JSON's, so that JSON remains JSON, with the same content.

    >>> print(visible("h\\x1b[31m ∂"), visible("∂", "latin-1"))
    h\\u001b[31m ∂ \\u2202
    """
    return text.translate({ord(c): _escape(c) for c in set(text) if c not in "\n\t" and _hidden(c, encoding)})


def _hidden(sign: str, encoding: str = "utf-8") -> bool:
    if category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return True
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return True
    return False


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def expect(value: object, kind: type | tuple[type, ...] | UnionType, what: str, hint: str) -> None:
    """Refuse an argument of another type where it comes in, before something deep inside stumbles over it.

    >>> expect(3, str, "the name of a cell", 'write cell("rnn")')
    Traceback (most recent call last):
      ...
    bpttgraph.errors.BPTTError: the name of a cell cannot be 3 (int)
      hint: write cell("rnn")
    """
    if not isinstance(value, kind):
        raise BPTTError(f"{what} cannot be {repr(value)[:60]} ({type(value).__name__})", hint)


def whole(value: object, least: int, what: str, hint: str) -> None:
    """Refuse what is no whole number, or one that is too small.

    >>> whole(1.5, 1, "the width of a line", "write width=80")
    Traceback (most recent call last):
      ...
    bpttgraph.errors.BPTTError: the width of a line cannot be 1.5 (float): it is a whole number of at least 1
      hint: write width=80
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        said = f"{what} cannot be {repr(value)[:60]} ({type(value).__name__})"
        raise BPTTError(f"{said}: it is a whole number of at least {least}", hint)


def integer(value: object) -> Any:
    """A whole number of any kind (NumPy's, say) as Python's own, also inside lists and mappings; anything else, truth
    values among them, as it is.

    >>> import numpy as np
    >>> integer({"h": np.int64(3), "x": [np.int8(2), True]})
    {'h': 3, 'x': [2, True]}
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, dict):
        return {k: integer(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(int(v) if isinstance(v, Integral) and not isinstance(v, bool) else v for v in value)
    return value


def nearest(name: str, candidates: list[str] | tuple[str, ...], count: int = 3) -> str:
    """The known names most like `name`, as a phrase for a hint ("did you mean W_xh or W_hh?"), else the list of names.

    >>> nearest("W_hx", ["W_hh", "W_xh", "b"])
    'did you mean W_xh or W_hh?'
    """
    import difflib

    close = difflib.get_close_matches(name, candidates, n=count, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    shown = ", ".join(list(candidates)[:12])
    return f"there is {shown}" if shown else "there is none here"
