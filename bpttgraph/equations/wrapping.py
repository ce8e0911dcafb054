"""What a page wraps around equations: list marks, quotes, fences, back-ticks, tags, tables, emphasis.

`unwrap` blanks it out. The text keeps its length, every character its place, so that a caret still points at what the
user typed; what stood for something (`<sub>`) becomes the sign that the scanner knows, in the same room. Marks are left
out in silence, as `$` is; a note tells of what could have been more than a mark: a list's mark, a table's other cells.
Words around the equations are no business of this module (`remarks`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from .latex import Source
from .notes import Note

__all__ = ["unwrap"]

_INLINE = "a|b|i|em|strong|code|span|var|font|mi|mo|mn|mrow|u|tt|small|big|cite|ref"
_BLOCK = "math|p|br|div|li|ul|ol|pre|table|tbody|thead|tr|td|th|h[1-6]|blockquote|section|center|dd|dt|dl|hr|samp|kbd"
_DOXYGEN_BLOCKS = r"(?:align|eqnarray|equation|gather|multline)\*?"


def _blank(found: re.Match[str]) -> str:
    """White space in the place of what was found; its lines stay."""
    return re.sub(r"[^\n]", " ", found[0])


def _break(found: re.Match[str]) -> str:
    return "\n" + _blank(found)[1:]


def _ends(found: re.Match[str]) -> str:
    """`\\f{align}{ … \\f}` without both."""
    opening = found[0].index("}") + 1
    opening += found[0].startswith("{", opening)
    return "\n" + " " * (opening - 1) + found[0][opening:-3] + "\n  "


def _script(found: re.Match[str]) -> str:
    sign = "}" if found[1] else "_{" if found[2].lower() == "sub" else "^{"
    return sign.ljust(len(found[0]))


def _entity(found: re.Match[str]) -> str:
    sign = html.unescape(found[0])
    if sign == found[0] or len(sign) > 2:
        return found[0]
    # What follows keeps touching it: a function its bracket, a letter its script.
    return (" " if sign.isspace() else sign).rjust(len(found[0]))


def _one_backslash(found: re.Match[str]) -> str:
    return found[0].replace("\\\\", "\\").rjust(len(found[0]))


def _mark(found: re.Match[str]) -> str:
    """A list's mark, if what follows on the line is an equation or a heading; a sign that goes on with a sum stays."""
    rest = found["rest"]
    if found["sign"]:
        bare = rest
        for _ in range(4):
            bare = re.sub(r"\{[^{}\n]*\}|\([^()\n]*\)|\[[^][\n]*\]", "", bare)
        bare = _STEPS.sub("", bare)
        if not (re.search(r"[=≜←]|\\(?:leftarrow|gets|coloneqq|triangleq)\b", bare) or _HEADING.match(rest)):
            return found[0]
    return " " * (len(found[0]) - len(rest)) + rest


def _cells(found: re.Match[str]) -> str:
    """A row of a table: cells with an equation, a line each."""
    cells = re.split(r"((?<!\\)\|)", found[0])
    return "".join("\n" if cell == "|" else cell if "=" in cell else " " * len(cell) for cell in cells)


def _quoted(found: re.Match[str]) -> str:
    """A remark in quotation marks; an equation in them stays."""
    return " " + found[0][1:-1] + " " if "=" in found[0] else _blank(found)


def _emphasis(found: re.Match[str]) -> str:
    before, sign = found.start("open") - found.start(), len(found["open"])
    return " " * (before + sign) + found[0][before + sign : -sign] + " " * sign


_STEPS = re.compile(r"\b[^\W\d_] ?= ?[^=\n]{1,30}?(?:…|\.\.|\\[lc]?dots)")  # for t = 1, …, T: no equation
_HEADING = re.compile(r"(?:[^\W\d_]+[ -]?){1,6}:|\*\*|__|`|\$|\\\(|<")
_ROW = r"^[ \t]*\|(?=.*\|.*\|).*\|[ \t]*$"
# Looking for the first thing that a text does not contain costs nothing more than reading it once.
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | str.maketrans("。、", ".,")
_RULES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str], str | None]] = [
    (re.compile(r"(?:^[ \t]*|(?<=[ \t]))#(?![0-9]|[ \t]*<math).*$", re.M), _blank, None),  # a comment
    (re.compile(r"[\xad\u200c-\u200f\u2060-\u2064\ufe0e\ufe0f]"), _blank, None),
    (re.compile(r"^[ \t>]*(?:```|~~~)[^`\n]*$", re.M), _blank, None),
    (re.compile(r"^[ \t]*(?:\.\. +math::|:(?:label|nowrap|name):.*$)", re.M), _blank, None),
    (re.compile(r":math:(?=`)|\$(?=`)|(?<=`)\$"), _blank, None),
    (re.compile(r"^[ \t]*(?:>>>|\.\.\.(?=[ \t])|>)[ \t>]*", re.M), _blank, None),
    (re.compile(r"^[ \t]*[:*#;]+[ \t]*(?=<math)", re.M), _blank, None),
    (re.compile(r"\{\{NumBlk\|[:*]*\||\|[0-9a-z]{0,4}(?:\|[^{}|\n]{0,40}){0,4}\}\}"), _blank, None),
    (re.compile(r"/\*[^*]*\*/|\"\"\""), _blank, None),
    (re.compile(r"\{#[a-zA-Z][\w:.-]{0,60}(?:[ \t][^{}\n]{0,80})?\}"), _blank, None),
    (re.compile(r"<!--[^<>]*-->"), _blank, None),
    (re.compile(r"<(/?)(sub|sup)(?:\s[^<>\n]{0,200})?>", re.I), _script, None),
    (re.compile(rf"(?<![\^{{])</?(?:{_INLINE})(?:\s[^<>\n]{{0,200}})?/?>", re.I), _blank, None),
    (re.compile(rf"(?<![\^{{])</?(?:{_BLOCK})(?:\s[^<>\n]{{0,200}})?\s?/?>", re.I), _break, None),
    (re.compile(r"\"[^\"\n]*\"|[“„][^“”\n]*[“”]"), _quoted, "what stands in quotation marks was left out"),
    (re.compile(r"&(?:[a-zA-Z]{2,12}[0-9]{0,2}|#[0-9]{2,6}|#x[0-9a-fA-F]{2,6});"), _entity, None),
    (re.compile(rf"[\\@]f\{{{_DOXYGEN_BLOCKS}\}}\{{?(?:[^\\@]|[\\@](?!f\}})){{0,4000}}[\\@]f\}}"), _ends, None),
    (re.compile(r"[\\@]f(?=[][()])"), lambda found: " \\", None),
    (re.compile(r"[\\@]f(?=\$)"), _blank, None),
    (re.compile(_ROW, re.M), _cells, "the cells of the table without an equation were left out"),
    (
        re.compile(
            r"^[ \t]*(?:[0-9]{1,3}[.)][ \t]+(?=[^\W\d]|[`$\\*<([])|(?:[a-z]|[ivx]{2,4})\)[ \t]+|[•◦▪‣○●■][ \t]*"
            r"|(?P<sign>[-*+–—·])[ \t]+)"
            r"(?P<rest>.*)",
            re.M,
        ),
        _mark,
        "the marks of the list were left out",
    ),
    (re.compile(r"^[ \t]*(?P<open>\*\*?|__?)[^\W\d_][^\n*_=|]{0,80}(?P=open)(?=[\s:.,;$]|\Z)", re.M), _emphasis, None),
    (re.compile(r"(?<![\w)\]}*])(?P<open>\*\*|__)[^\W\d_][\w :.,'()-]{0,80}(?P=open)(?![\w(*])"), _emphasis, None),
    (re.compile(r"`"), _break, None),
]  # fmt: skip
_COMMANDS = r"tanh|sigma|odot|frac|mathbf|text|begin|end|left|right|circ|cdot|hat|tilde|alpha|beta|gamma|theta|quad|bm"


def _spelled_in_dollars(text: str) -> str:
    """Without dollars if each holds a sign only: `$h_t$ = tanh($W$ $h_{t-1}$)`."""
    if "$$" in text or text.count("$") % 2 or not text.count("$"):
        return text
    pieces = text.split("$")
    if any("=" in piece for piece in pieces[1::2]) or not any("=" in piece for piece in pieces[::2]):
        return text
    return text.replace("$", " ")


def unwrap(text: str) -> tuple[str, list[Note]]:
    """The text with blanks for what is no equation, as long as before, and what was dropped.

    >>> unwrap("* gate: `z_t = W x_t`")[0].split()
    ['gate:', 'z_t', '=', 'W', 'x_t']
    >>> bare, notes = unwrap("1. h[t] = x[t]")
    >>> bare, notes[0].span.column
    ('   h[t] = x[t]', 0)
    """
    source, notes = Source(text), []
    text = text.translate(_WIDE)  # the signs of Chinese and Japanese keyboards
    text = _spelled_in_dollars(text)
    for opening, closing in ((r"\\(", r"\\)"), (r"\\[", r"\\]")):
        # `\\[` may begin a line, `\\]` ends none: a pair is a display whose backslashes Markdown has doubled.
        if text.count(closing) and text.count(opening) == text.count(closing):
            text = text.replace(opening, " " + opening[1:]).replace(closing, " " + closing[1:])
    if not re.search(r"(?<!\\)\\[a-zA-Z]", text) and re.search(rf"\\\\(?:{_COMMANDS})\b", text):
        text = re.sub(r"\\{2,4}", _one_backslash, text)  # copied out of a program's text
    for pattern, change, sentence in _RULES:
        found = next(pattern.finditer(text), None) if sentence else None
        changed = pattern.sub(change, text)
        if found and sentence and changed != text:
            at = next(i for i, (a, b) in enumerate(zip(text, changed, strict=True)) if a != b)
            notes.append(Note.at(sentence, source.span(at, at + 1)))
        text = changed
    return text, notes
