"""The steps that a text says it runs over: `t = 1, \\ldots, T`, `\\forall t`, `for t in range(T):`. They are left out.

How many steps there are is said when a recurrence is unrolled. The text keeps its length, as in `wrapping`. Rows of
`cases` with a condition stay as they are: there, `t = 0` is one.
"""

from __future__ import annotations

import re

from ..errors import BPTTError
from .latex import Source
from .notes import Note

__all__ = ["without_ranges"]

_GAP = r"(?:[ \t~$]|\\[,;:! ]|\\q?quad){0,8}"
_STEP = r"(?:\\tau|\\text\{t\}|[a-zA-Zτ])(?![\w\[(^])"
_DOTS = r"(?:\\[lc]?dots[bcmio]?|…|⋯|\.{2,3})"
_END = rf"(?:[A-Za-z0-9_]{{1,8}}|\\tau|\\infty|∞)(?:{_GAP}[-+−]{_GAP}[0-9])?"
_ALL = (
    r"(?:\\forall|∀|\b[Ff]or[ \t]+(?:all|each|every|any)\b"
    r"|\\(?:text|textrm|mathrm|mbox)\{[ \t]*for (?:all|each|every|any)[ \t]*\})"
)
_FOR = (
    rf"(?:{_ALL}|\b(?:[Ff]or|with|where|when|over|if|für|pour)(?:[ \t]+alle)?\b"
    r"|\\(?:text|textrm|mathrm|mbox)\{[ \t]*(?:for|where|with|when|if)[ \t]*\})"
)
_IN = r"(?:=|\\in(?![a-zA-Z])|∈|\bin\b)"
_SET = r"(?:\\?\{|\\lbrace|\[|\()?"
_CLOSE = r"(?:\\?\}|\\rbrace|\]|\))?"
_LISTED = rf"[0-9]{{1,6}}{_GAP}(?:,{_GAP}[0-9]{{1,6}}{_GAP}){{0,3}},?{_GAP}{_DOTS}(?:{_GAP},?{_GAP}{_END})?"
_LAST = rf"(?:[A-Z]|\\tau|τ)(?:{_GAP}[-+−]{_GAP}[0-9])?"
_DOWN = (
    rf"{_LAST}{_GAP}(?:,{_GAP}{_LAST}{_GAP}){{0,3}},?{_GAP}{_DOTS}{_GAP},?{_GAP}[0-9]{{1,6}}"
    rf"|{_LAST}{_GAP}(?:down{_GAP}to|downto|to|:-1:){_GAP}[0-9]{{1,6}}"
)
_SPANNED = rf"(?:[0-9]{{1,6}}{_GAP}(?::|\bto\b|\bbis\b|\\text\{{[ \t]*to[ \t]*\}}){_GAP}{_END})"
_LEAST = r"(?:\\geq?q?(?![a-zA-Z])|≥|>=|>|\\gt(?![a-zA-Z]))"
_MOST = r"(?:\\leq?q?(?![a-zA-Z])|≤|<=|<|\\lt(?![a-zA-Z]))"
_NUMBERS = r"(?:\\mathbb\{?[NZ]\}?|ℕ|ℤ|\\N(?![a-zA-Z]))(?:_[0-9+]|\^[*+]|_\{[^{}\n]{1,12}\})?"
_RANGE = (
    rf"{_FOR}?{_GAP}{_STEP}{_GAP}{_IN}{_GAP}{_SET}{_GAP}(?:{_LISTED}|{_SPANNED}|{_DOWN}){_GAP}{_CLOSE}"
    rf"|{_ALL}{_GAP}(?:(?:time|steps?|time[ -]?steps?)[ \t]+)?{_STEP}"
    rf"(?:{_GAP}(?:{_IN}{_GAP}{_NUMBERS}|{_LEAST}{_GAP}[0-9]+))?"
    rf"|{_FOR}?{_GAP}{_STEP}{_GAP}(?:\\in(?![a-zA-Z])|∈){_GAP}{_NUMBERS}"
    rf"|(?:{_FOR}|(?<=[,(;])|(?<=quad)|(?<=  )){_GAP}{_STEP}{_GAP}{_LEAST}{_GAP}[0-9]+"
    rf"|{_FOR}?{_GAP}[0-9]{_GAP}{_MOST}{_GAP}{_STEP}{_GAP}{_MOST}{_GAP}{_END}"
)
_BRACKETED = rf"\({_GAP}(?:{_RANGE}){_GAP}\)|\[{_GAP}(?:{_RANGE}){_GAP}\]|(?:{_RANGE})"
# Every branch begins with one of few signs, so that the search stays cheap.
_RANGES = re.compile(rf"(?<![\w^_{{])(?:{_BRACKETED})")
_CASES = re.compile(
    r"\\begin\{[dr]*cases\*?\}(?:(?!\\end).){0,2000}|=[ \t]{0,8}\\?\{[^\n=]{0,400}?\b(?:otherwise|else)\b"
    r"|\bif\b[^\n;]{1,80}?\b(?:otherwise|else)\b",
    re.DOTALL,
)
_CONDITION = re.compile(rf"\b(?:if|for|when|otherwise|else)\b|(?<![\w^_{{\\]){_STEP}{_GAP}(?:=|{_LEAST}|{_MOST})")
_CHOSEN = re.compile(
    rf"(?<![\w^_{{]){_FOR}?{_GAP}t(?![\w\[(^]){_GAP}(?:{_IN}{_GAP}(?:\\?\{{|\\lbrace){_GAP}"
    rf"(?P<steps>[0-9]{{1,6}}(?:{_GAP},{_GAP}[0-9]{{1,6}}){{0,30}}){_GAP}(?:\\?\}}|\\rbrace))"
)
_LOSS = re.compile(r"(?:\A|[^\w\\])(?P<loss>\\mathcal\{?[LEJ]\}?|\\ell|[ELJCℓ]|loss)(?P<step>_\{?t\}?|\[t\]|\(t\))\s*=")
_OF_A_SUM = re.compile(r"(?:[∑∏ΣΠ]|sum|prod)[ _]?\[?\Z")  # ∑[t=1..T]
_LOOP = re.compile(
    r"^[ \t]*(?:for|parfor|foreach|while)\b[^\n;]{0,100}?(?:(?::|\bdo|\{)[ \t]*(?=\n|\Z)|:(?=[ \t])|(?=\n|\Z))", re.M
)
_LOOPS_END = re.compile(r"^[ \t]*(?:end(?:[ \t]+for|for)?|\}|done);?[ \t]*$", re.M)


def without_ranges(text: str) -> tuple[str, list[Note]]:
    """The text with blanks for the steps it runs over, as long as before, and what was left out.

    >>> bare, notes = without_ranges("h_t = x_t, t = 1, …, T")
    >>> bare.rstrip()
    'h_t = x_t,'
    >>> print(notes[0])
    line 1: 't = 1, …, T' was left out: the number of steps is given when the recurrence is unrolled
    """
    source, notes = Source(text), []
    closed = [m.span() for m in _CASES.finditer(text) if _CONDITION.search(_RANGES.sub("", m[0]))]

    def blank(found: re.Match[str]) -> str:
        start, stop = found.span()
        if any(a < stop and start < b for a, b in closed) or _OF_A_SUM.search(found.string, max(0, start - 8), start):
            return found[0]
        said = " ".join(found[0].replace("$", "").split())
        sentence = f"'{said}' was left out: the number of steps is given when the recurrence is unrolled"
        start += len(found[0]) - len(found[0].lstrip())
        notes.append(Note.at(sentence, source.span(start, stop)))
        return re.sub(r"[^\n$]", " ", found[0])

    def header(found: re.Match[str]) -> str:
        return blank(found) if len(re.findall(r"(?<![<>=])=(?!=)", found[0])) < 2 else found[0]

    loops = _LOOP.sub(header, text)
    if loops != text:
        text = _LOOPS_END.sub(lambda found: " " * len(found[0]), loops)
    text = _RANGES.sub(blank, text)

    def chosen(found: re.Match[str]) -> str:
        if not any(a < found.end() and found.start() < b for a, b in closed):
            _refuse_chosen(source, found)
        return blank(found)

    return _CHOSEN.sub(chosen, text), notes


def _refuse_chosen(source: Source, found: re.Match[str]) -> None:
    """`h_t = …, t \\in \\{2, 4\\}` gives a value at some steps only; `t = 1, 2, 3` are the first.

    Raises:
        BPTTError: the steps are not the first ones.
    """
    steps = [int(number) for number in re.findall(r"\d+", found["steps"])]
    if steps == [*range(steps[0], steps[0] + len(steps))] and steps[0] < 2:
        return
    begin = found.start() + len(re.match(rf"{_GAP}", found[0])[0])  # type: ignore[index]
    said = " ".join(source.text[begin : found.end()].replace("$", "").split())
    span = source.span(begin, found.end())
    row = source.text.splitlines()[span.line - 1]
    before = row[: span.column].rstrip(" ,;$\\quad")
    loss = _LOSS.search(before)
    listed = ",".join(map(str, steps))
    hint = (
        f"leave it out, for an equation holds at every step: loss={steps} or --loss {listed} chooses the losses that "
        "count, and a value of some steps only has a mask as an input: h[t] = m[t] * (…) + (1 - m[t]) * h[t-1]"
    )
    if loss:
        total = f"{loss['loss']} = sum_{{t in {{{listed}}}}} {loss['loss']}{loss['step']}"
        rows = [" ".join(line.strip(" $").split()) for line in source.text.splitlines()]
        rows[span.line - 1] = " ".join(before.split())
        hint = f"write {'; '.join(filter(None, [*rows, total]))} for a loss of these steps"
    raise BPTTError(f"'{said}' chooses steps, and an equation holds at every step", hint, text=source.text, span=span)
