"""What is said about a reading: a sentence for everything that was assumed or dropped, with its place in the text."""

from __future__ import annotations

from ..errors import Span

__all__ = ["Note"]


class Note(str):
    """A sentence about how a text was read. As text it begins with its line; `span` is the place itself.

    >>> note = Note.at("(3.2) was read as the equation's number", Span(2, 14, 19))
    >>> print(note, note.span.column)
    line 2: (3.2) was read as the equation's number 14
    >>> print(note.pointed("h[t] = W h[t-1]\\ny[t] = V h[t] (3.2)"))
    line 2: (3.2) was read as the equation's number
      y[t] = V h[t] (3.2)
                    ^^^^^
    """

    span: Span | None = None

    @classmethod
    def at(cls, sentence: str, span: Span) -> Note:
        """A note about one place of the text."""
        note = cls(f"line {span.line}: {sentence}")
        note.span = span
        return note

    def pointed(self, text: str) -> str:
        """The note with the line it speaks of and a caret under the place."""
        if self.span is None:
            return str(self)
        lines = text.splitlines() or [""]
        line = lines[min(self.span.line, len(lines)) - 1].replace("\t", " ")
        start = max(0, self.span.column - 80) if len(line) > 160 else 0
        shown = line[start : start + 160]
        width = max(1, min(self.span.end, start + len(shown)) - self.span.column)
        return f"{self}\n  {shown}\n  {' ' * (self.span.column - start)}{'^' * width}"
