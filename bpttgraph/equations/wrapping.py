"""What a page wraps around equations: list marks, back-ticks, fences, tables, prose, remarks, numbers of equations.

`unwrap` blanks it out. The text keeps its length, every character its place, so that a caret still points at what the
user typed; what stood for something (`<sub>`) becomes the sign that the scanner knows, in the same room.
"""

from __future__ import annotations

from .notes import Note

__all__ = ["unwrap"]


def unwrap(text: str) -> tuple[str, list[Note]]:
    """The text with blanks for what is no equation, as long as before, and what was dropped."""
    return text, []
