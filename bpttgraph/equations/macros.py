"""Abbreviations that a text of LaTeX makes for itself: `\\newcommand{\\bh}{\\mathbf{h}}`, `\\def` and their like.

One without arguments stands for the tokens of its text, at every place of its use. One that only sets its argument in a
style (`\\newcommand{\\mat}[1]{\\mathbf{#1}}`) is another name of that style. Others are refused.
"""

from __future__ import annotations

import re

from .layout import Layout

__all__ = ["Definition", "definition"]

_HEAD = re.compile(
    r"\\(?:(?P<operator>DeclareMathOperator)|(?:re|provide)?newcommand|def)\*?\s*\{?\s*\\(?P<name>[a-zA-Z]+)\s*\}?\s*"
    r"(?P<arguments>\[[0-9]\]|(?:#[0-9])+)?\s*(?=\{)"
)
_STYLE = re.compile(r"\s*\{?\s*\\(?P<style>[a-zA-Z]+)\s*\{?\s*#1\s*\}?\s*\}?\s*")


class Definition:
    """What a macro stands for: its `text` from `start`, or the `style` whose other name it is, or neither."""

    def __init__(self, name: str, text: str, start: int, stop: int, operator: bool, arguments: bool) -> None:
        self.name, self.text, self.start, self.stop, self.operator = name, text, start, stop, operator
        style = _STYLE.fullmatch(text) if arguments else None
        self.style = style["style"] if style else None
        self.refused = arguments and style is None


def definition(text: str, at: int, layout: Layout) -> Definition | None:
    """The definition of a macro that begins here, if one does.

    >>> text = r"\\newcommand{\\bh}{\\mathbf{h}} \\bh_t"
    >>> found = definition(text, 0, Layout(text))
    >>> found.name, found.text, text[found.stop :]
    ('bh', '\\\\mathbf{h}', ' \\\\bh_t')
    """
    head = _HEAD.match(text, at)
    if head is None or head.end() not in layout.partner:
        return None
    close = layout.partner[head.end()]
    body = text[head.end() + 1 : close]
    return Definition(head["name"], body, head.end() + 1, close + 1, bool(head["operator"]), bool(head["arguments"]))
