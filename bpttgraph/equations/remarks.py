"""What stands around the equations of a text: prose before, between and after them, remarks, numbers, headings.

`equations_of` takes the pieces that `lines.cut` makes of a text and returns one `Line` for each equation, with a note
for everything that was left out. Nothing is left out of an expression: words count as prose only where no factor can
stand (before a left side, on a line without `=`), or where they look like none: set apart by white space, several in a
row, in brackets of their own, and never used as a name anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from .foreign import called_kernels
from .latex import GREEK, Source, Token, words
from .lines import BINARY, CLOSING, Line
from .notes import Note
from .vocabulary import known_function

__all__ = ["equations_of"]

# Words that no factor is called: after one of them something else begins.
BETWEEN = frozenset(
    words(
        "where with and for if when while which that whose wherein thus hence then since because given such but until "
        "return otherwise assuming denotes denote yields gives here resp is are as by so or from at in "
        "und wobei mit sowie für wenn dann où avec pour donde dove"
    )
)
SHORT = frozenset(word for word in BETWEEN if len(word) < 3)  # as good as letters, unless more prose follows
LETTERS = frozenset([*GREEK, *GREEK.values()])
NUMBER = re.compile(
    r"(?:(?:eqs?|eqns?|equations?|no|nr|gl|formula)?\.?[A-Z]?[.-]?[0-9]{1,3}(?:[.–-][0-9]{1,3}){0,2}[a-z]?'{0,2}|\*{1,3})",
    re.I,
)
CLOSERS = frozenset(CLOSING.values())
CONVOLUTION = re.compile(r"\b(?:convolution|Faltung)", re.I)
ORDINAL = re.compile(r"[ivx]{1,5}|[a-h]'?", re.I)
ASSIGNING = frozenset(["←", "<-", r"\leftarrow", r"\gets"])  # they also stand for `=`
ARROWS = ASSIGNING | {"—", "→", "⟵", "⟶", "►", "▷", "⊳", r"\triangleright", ":", "|", r"\vert"}
DOTS = frozenset(["…", "⋯", r"\ldots", r"\dots", r"\cdots"])  # a leader to the equation's number
OTHER_LINES = re.compile(
    r"[^=+*~∼(]{1,40}(?:~|∼|\\sim(?![a-zA-Z]))\s*(?:\\[a-z]+\s*)?\{?[^\W\d_][a-z]*\}?\s*\("  # w_t ~ N(0, Q)
    r"|[\w.]+\.(?:append|extend|backward|zero_grad)\(|print\("  # of a program
)
SAMPLED = re.compile(r"\s*(?P<state>\\?[^\W\d_]+)\s*[_\[(][^=+*~∼]{1,20}?(?:~|∼|\\sim(?![a-zA-Z]))")
NO_LETTERS = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")  # words in writings without spaces
MOST_REMARKS = 8
RELATIONS = frozenset(words(r"< > ≤ ≥ ≪ ≫ ≠ ∈ \leq \le \leqslant \geq \ge \geqslant \lt \gt \ll \gg \neq \ne \in"))
PLAIN = frozenset(words("sum mean step dot norm sign identity"))
ORDINARY = re.compile(r"[^\W\d_]+(?:_[^\W\d_]+)*")
SIGNS = frozenset(["+", "-", "*", "@", "·", "^", "/", "frac", "sqrt", "∂"])


def equations_of(source: Source, pieces: list[Line], expression: bool = False) -> tuple[list[Line], list[Note]]:
    """The equations among the pieces of a text, and what was left out. Of an `expression`, nothing is.

    Raises:
        BPTTError: there are words and no equation, or the words speak of convolutions.
    """
    for piece in pieces:
        assigned(piece)
    page = Page(source, pieces)
    for piece in pieces:
        page.refuse_samples(piece)
    words = next((piece for piece in pieces if not page.equations and page.only_prose(piece.tokens)), None)
    if words and not expression:
        hint = "write what each value equals, as in h[t] = tanh(W x[t])"
        raise source.error("these are words and no equation: there is no '='", words.tokens[0], hint)
    lines = page.without_prose(page.blocks([part for piece in pieces for part in page.apart(piece)]))
    page.refuse_convolutions(lines)
    lines = page.joined(lines)
    for line in lines:
        if line.tokens:
            page.trim(line)
    return [line for line in lines if line.tokens or line.block], page.in_order()


SIZES = re.compile(
    r"(?:R\}?|ℝ)\s*\^|(?<![\w.])\d+\s*(?:x|×|\\times|by)\s*\d+"
    r"|\b\d+[ -](?:hidden |recurrent )?(?:units|neurons|cells|entries|components|dimension)"
)
"""The shape of a matrix in a sentence: `W ∈ R^{3×4}`, `W is 3x4`."""


def is_function(word: str) -> bool:
    """Is the word a function that no sentence would mention (as it would "sum" or "step")?"""
    return known_function(word) is not None and word not in PLAIN


def depths(tokens: list[Token]) -> Iterator[tuple[int, Token, int]]:
    """Every token with its place and the number of brackets around it."""
    depth = 0
    for i, token in enumerate(tokens):
        if token.kind in CLOSERS:
            depth -= 1
        yield i, token, depth
        if token.kind in CLOSING:
            depth += 1


def relations(tokens: list[Token], sign: str = "=") -> list[int]:
    """Where `=` stands outside brackets."""
    if not any(token.kind == sign for token in tokens):
        return []
    return [i for i, token, depth in depths(tokens) if token.kind == sign and depth == 0]


def compares(tokens: list[Token]) -> bool:
    """Whether something only says what holds, as `|h_t| < 1` and `W ∈ ℝ^{n×n}` do; no `a^{<t>}`."""
    places = [i for i, token, depth in depths(tokens) if depth == 0 and token.text in RELATIONS]
    step = any(i and tokens[i - 1].kind in ("^", "_") for i in places)
    return bool(places) and not step and places[0] > 0 and not any(t.kind == "=" for t in tokens)


def assigned(piece: Line) -> None:
    """`<-` as `=`, if the piece has no other."""
    if any(token.kind == "=" for token in piece.tokens):
        return
    for i, (token, after) in enumerate(pairwise(piece.tokens)):
        if token.kind == "<" and after.kind == "-" and token.space and not after.space and token.stop == after.start:
            sign = replace(token, kind="=", text="=", stop=after.stop)
            piece.tokens = [*piece.tokens[:i], sign, *piece.tokens[i + 2 :]]
            return


def spelled(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


class Page:
    """What the pieces of one text share: its words, and what was left out."""

    def __init__(self, source: Source, pieces: list[Line]) -> None:
        self.source = source
        self.notes: list[Note] = []
        self.equations = any(relations(piece.tokens) for piece in pieces)
        self.sentences: set[int] = set()  # the lines whose equation stands in a sentence
        self.names: set[str] = set()  # words that are certainly names: with a script, a step or `=` after them
        self.counts: dict[str, int] = {}
        for piece in pieces:
            for token, after in pairwise(piece.tokens):
                if token.kind == "word" and (
                    after.kind in ("_", "^", "sub", "sup", "ᵀ", "=")
                    or (after.kind in ("[", "(", "'") and not after.space)
                ):
                    self.names.add(token.text)
            for token, sign, after in zip(piece.tokens, piece.tokens[1:], piece.tokens[2:]):
                if token.kind == "word" and sign.kind in ("+", "-", "*") and after.kind == "=" and not after.space:
                    self.names.add(token.text)  # loss += …
            for token in piece.tokens:
                if token.kind == "word":
                    self.counts[token.text] = self.counts.get(token.text, 0) + 1

    # -- words ---------------------------------------------------------------------------------------------------------

    def is_prose(self, tokens: list[Token], i: int) -> bool:
        """Is this token a word of running text, as far as one can see from itself and what touches it?"""
        token = tokens[i]
        if token.kind != "word" or token.text in self.names:
            return token.kind == "text"
        if token.text.lower() in BETWEEN:
            return True
        set_as_name = token.whole and token.latex and not token.prose
        if set_as_name or len(token.text) < 2 or token.text in LETTERS or not ORDINARY.fullmatch(token.text):
            return False
        before, after, next_but_one = (tokens[j] if 0 <= j < len(tokens) else None for j in (i - 1, i + 1, i + 2))
        if before and (before.kind in ("_", "^", "accent") or (before.kind == "." and not token.space)):
            return False
        # `encoder.h`: the block of a name, no end of a sentence.
        block = after and next_but_one and after.kind == "." and not (after.space or next_but_one.space)
        return not (block or is_function(token.text))

    def between(self, tokens: list[Token], i: int) -> bool:
        """Does something else than the equation begin at this word?"""
        token = tokens[i]
        if token.kind == "text":
            return True
        word = token.text.lower()
        if token.kind != "word" or word not in BETWEEN or not token.space or not self.is_prose(tokens, i):
            return False
        following = i + 1 < len(tokens) and (self.is_prose(tokens, i + 1) or tokens[i + 1].kind == "text")
        return (
            following if word in SHORT else (i + 1 == len(tokens) or tokens[i + 1].space or tokens[i + 1].kind in ",:.")
        )

    def say(self, sentence: str, tokens: list[Token]) -> None:
        self.notes.append(Note.at(sentence, self.source.span(tokens[0].start, tokens[-1].stop)))

    def in_order(self) -> list[Note]:
        return sorted(self.notes, key=lambda note: (note.span.line, note.span.column) if note.span else (0, 0))

    def quoted(self, first: Token, last: Token) -> str:
        text = " ".join(self.source.text[first.start : last.stop].replace("**", "").split())
        return f"'{text[:57]}…'" if len(text) > 60 else f"'{text}'"

    def refuse_convolutions(self, pieces: list[Line]) -> None:
        """`*` is a product of entries here; a text that says in words that it is a convolution means something else."""
        said = CONVOLUTION.search(self.source.text)
        star = next((t for p in pieces for t in p.tokens if t.kind == "*" and self.starlike(t)), None)
        if said and star and self.equations:
            raise self.source.error(
                f"the text speaks of a {said[0].lower()}, and convolutions are not known here",
                star,
                called_kernels(self.source.text)
                or "leave the word out if * is a product of entries, or write k(x[t], W) for the convolution with W",
            )

    def refuse_samples(self, piece: Line) -> None:
        """`h_t \\sim N(W h_{t-1}, Q)` computes a state by a draw; `w_t \\sim N(0, Q)` only says what the noise is."""
        text = self.source.text[piece.tokens[0].start : piece.tokens[-1].stop]
        drawn = OTHER_LINES.match(text) and SAMPLED.match(text)
        if not drawn:
            return
        state = drawn["state"]
        if re.search(rf"(?<![\w\\]){re.escape(state)}\s*[_\[(]", text[drawn.end() :]):
            signs = [t for t in piece.tokens if self.source.text[t.start : t.stop] in ("~", "∼", r"\sim")]
            sign = signs[0] if signs else piece.tokens[0]  # in LaTeX, ~ is a space and no token
            raise self.source.error(
                f"{'~' if not signs else sign.text} draws a sample, and a recurrence computes its values",
                sign,
                f"write {state}[t] = W {state}[t-1] + S e[t], with the noise e[t] as an input",
            )

    def starlike(self, token: Token) -> bool:
        return self.source.text[token.start : token.stop] in ("*", "∗", "⋆", r"\ast", r"\star")

    # -- stages --------------------------------------------------------------------------------------------------------

    def apart(self, piece: Line) -> list[Line]:
        """The piece, cut before words that begin something else and where white space sets two equations apart."""
        tokens = piece.tokens
        places = relations(tokens)
        cuts: set[int] = set()
        level = [depth for _, _, depth in depths(tokens)] if self.equations else []
        if self.equations:
            cuts |= {i for i in range(1, len(tokens)) if level[i] == 0 and self.between(tokens, i)}
        for last, place in pairwise(places):
            gaps = [i for i in range(place - 1, last + 1, -1) if tokens[i].wide and level[i] == 0]
            if gaps and not any(tokens[i].kind in SIGNS for i in range(gaps[0], place)):
                cuts.add(gaps[0])
        parts, start = [], 0
        for stop in [*sorted(cuts), len(tokens)]:
            if tokens[start:stop]:
                parts.append(Line(tokens[start:stop], wrapped=piece.wrapped and start == 0))
            start = stop
        return parts

    def blocks(self, lines: list[Line]) -> list[Line]:
        """`encoder:` opens a block if `encoder.` is read somewhere or two parts define one name; else it is a heading.

        A block leaves a line without tokens, so that it is known even if it stays empty.
        """
        heads = [self.heading(line) for line in lines]
        named = {spelled(line.tokens[:head]) for line, head in zip(lines, heads, strict=True) if head}
        real = named.intersection(re.findall(r"(?<!\w)(\w+)\.(?=[^\W\d])", self.source.text))
        defined: dict[str, str] = {}
        block = ""
        for line, head in zip(lines, heads, strict=True):
            block = spelled(line.tokens[:head]) if head else block
            rest = line.tokens[head + 1 if head else 0 :]
            if (places := relations(rest)) and block:
                left = spelled(rest[: places[0]])
                if defined.setdefault(left, block) != block:
                    real |= {block, defined[left]}
        result: list[Line] = []
        current: str | None = None
        for line, head in zip(lines, heads, strict=True):
            if head and (name := spelled(line.tokens[:head])) in real:
                current = name
                result.append(Line([], current))
                line.tokens = line.tokens[head + 1 :]
            elif head and self.equations:
                dropped = line.tokens[: head + 1]
                self.say(f"{self.quoted(dropped[0], dropped[-1])} was read as a heading", dropped)
                line.tokens = line.tokens[head + 1 :]
                line.wrapped = False
                if line.tokens and not relations(line.tokens) and not any(t.kind in SIGNS for t in line.tokens):
                    self.left_out(line.tokens)
                    line.tokens = []
            if line.tokens:
                line.block = current
                result.append(line)
        return result

    def heading(self, line: Line) -> int:
        """The place of the colon after words at the beginning of a line, or 0."""
        for i, token in enumerate(line.tokens[:16]):
            if token.kind == ":":
                return i
            if token.kind not in ("word", "_", "-", "'", "text") and not (
                token.kind in ("(", ")", ",", "number") and i
            ):
                return 0
        return 0

    def without_prose(self, lines: list[Line]) -> list[Line]:
        """The lines that hold an equation or a part of one, without words before the left side."""
        if not self.equations:
            return lines
        prose = [bool(line.tokens) and not relations(line.tokens) and self.only_prose(line.tokens) for line in lines]
        rows = [self.source.span(line.tokens[0].start, 0).line if line.tokens else 0 for line in lines]
        ends = [self.source.span(line.tokens[-1].start, 0).line if line.tokens else 0 for line in lines]
        for order in (range(len(lines)), range(len(lines) - 1, -1, -1)):
            for i in order:
                near = (i > 0 and prose[i - 1] and ends[i - 1] == rows[i]) or (
                    i + 1 < len(lines) and prose[i + 1] and rows[i + 1] == ends[i]
                )
                prose[i] |= near and bool(lines[i].tokens) and self.mentioned(lines[i].tokens)
        result: list[Line] = []
        run: list[Token] = []
        for line, gone in zip(lines, prose, strict=True):
            if gone:
                run += line.tokens
                continue
            self.left_out(run)
            run = []
            if line.tokens and (count := self.before_the_left_side(line.tokens)):
                self.left_out(line.tokens[:count])
                self.sentences |= {id(line)} if line.tokens[count - 1].kind != ")" else set()
                line.tokens, line.wrapped = line.tokens[count:], False
            result.append(line)
        self.left_out(run)
        return result

    def left_out(self, tokens: list[Token]) -> None:
        """A note about tokens that are no equation; an "and" between two is as little worth a word as a comma."""
        said = " ".join(token.text.lower() for token in tokens)
        if set(re.split(r"[\s.,;:]+", said)) - BETWEEN - {""}:
            sentence = f"{self.quoted(tokens[0], tokens[-1])} was read as text around the equations"
            self.say(sentence + self.unused(tokens), tokens)

    def unused(self, tokens: list[Token]) -> str:
        """What is said of sizes in what is left out."""
        sized = SIZES.search(self.source.text[tokens[0].start : tokens[-1].stop])
        return "; the sizes in it are not used: sizes={…} gives them" if sized else ""

    def only_prose(self, tokens: list[Token]) -> bool:
        """Is a line without `=` running text?"""
        if tokens[0].kind in BINARY and tokens[0].kind != "-":
            return False
        if all(token.kind in (".", ",", ":", ";", "'") for token in tokens) or self.is_number(tokens):
            return True
        if any(token.kind == "∈" for token in tokens) and not any(token.kind == "⇒" for token in tokens):
            return True
        if compares(tokens):
            return True
        if OTHER_LINES.match(self.source.text, tokens[0].start, tokens[-1].stop):
            return True
        if any(token.kind == "word" and NO_LETTERS.search(token.text) for token in tokens):
            return True
        words = [i for i in range(len(tokens)) if self.is_prose(tokens, i)]
        if not words:
            return False
        if any(tokens[i].kind == "text" or tokens[i].text.lower() in BETWEEN for i in words):
            return not (words[0] and any(token.kind in SIGNS for token in tokens[: words[0]]))
        in_a_row = any(b == a + 1 for a, b in pairwise(words))
        alone = all(
            i in words or tokens[i].kind in (".", ",", ":", "-", "(", ")", "number") for i in range(len(tokens))
        )
        signs = sum(token.kind in SIGNS - {"-"} for token in tokens)
        if len(words) > 1 and not signs and tokens[-1].kind == "." and any(t.kind == "number" for t in tokens):
            return True  # h has 128 units.
        return (in_a_row and signs * 3 < len(words)) or (alone and not signs)

    def mentioned(self, tokens: list[Token]) -> bool:
        """Can this piece be a formula that a sentence only mentions, such as `$h_t$` or `$t = 0$`?"""
        places = relations(tokens)
        if not places:
            return len(tokens) < 40
        return len(places) == 1 and places[0] == 1 and tokens[0].text in ("t", "τ", "n", "k")

    def before_the_left_side(self, tokens: list[Token]) -> int:
        """How many tokens stand before the left side and are words, a number in brackets, or punctuation."""
        places = relations(tokens)
        if not places:
            return 0
        at = 0
        while at < places[0]:
            token = tokens[at]
            if token.kind in ("(", "["):
                close = self.closing(tokens, at)
                after = tokens[close + 1] if close + 1 < len(tokens) else None
                inside = tokens[at + 1 : close]
                number = self.is_number(tokens[at : close + 1]) or (at == 0 and self.is_ordinal(tokens[: close + 1]))
                if close < places[0] - 1 and after and (number or self.all_words(inside)):
                    at = close + 1
                    continue
                break
            after = tokens[at + 1]
            apart = token.kind == "text" or after.space or after.kind in (":", ",", "-", "'", ".")
            article = (
                token.kind == "word" and token.text in ("a", "A", "I", "we", "We") and self.is_prose(tokens, at + 1)
            )
            ordinary = apart and (self.is_prose(tokens, at) or article)
            between = token.kind in ("-", "number", "'", ">") or token.text in ("|", "→", "—")
            if not (ordinary or token.kind in (":", ".", ",", ";") or (at and between)):
                break
            at += 1
        while at and tokens[at - 1].kind in ("-", "'", "number"):
            at -= 1
        return at if at < places[0] else 0

    def joined(self, lines: list[Line]) -> list[Line]:
        """A line that begins with an operator, or that follows one and has no `=`, continues the equation before it.

        So does a line of LaTeX without `=`: there, the end of a line is white space.
        """
        latex = any(token.latex for line in lines for token in line.tokens)
        result: list[Line] = []
        operators = {*BINARY, "="}
        for line in lines:
            before = result[-1].tokens if result else []
            if before and line.tokens:
                bare = all(token.kind != "=" for token in line.tokens)
                follows = bare and before[-1].kind in operators
                if follows or line.tokens[0].kind in operators:
                    before += line.tokens
                    continue
                if bare and line.wrapped and latex and before[-1].kind != ".":
                    self.say("this line was read as going on with the equation before it", line.tokens)
                    before += line.tokens
                    continue
            result.append(line)
        return result

    # -- one equation --------------------------------------------------------------------------------------------------

    def closing(self, tokens: list[Token], opening: int) -> int:
        depth = 0
        for i in range(opening, len(tokens)):
            depth += (tokens[i].kind in CLOSING) - (tokens[i].kind in CLOSERS)
            if depth == 0:
                return i
        return len(tokens)

    def opening(self, tokens: list[Token]) -> int:
        """Where the bracket opens that the last token closes."""
        depth = 0
        for i in range(len(tokens) - 1, -1, -1):
            depth += (tokens[i].kind in CLOSERS) - (tokens[i].kind in CLOSING)
            if depth == 0:
                return i
        return 0

    def is_number(self, tokens: list[Token]) -> bool:
        """Is it an equation's number in its brackets: (3.2), (5a), (A.3), (eq. 4), [7]?"""
        if (
            len(tokens) < 3
            or len(tokens) > 9
            or (tokens[0].kind, tokens[-1].kind) not in (("(", ")"), ("[", "]"), ("{", "}"))
        ):
            return False
        return bool(NUMBER.fullmatch(spelled(tokens[1:-1])))

    def all_words(self, tokens: list[Token]) -> bool:
        """Words only, none of them a name of the text."""
        words = [t for t in tokens if t.kind in ("word", "text")]
        plain = all(
            self.is_prose(tokens, i) or tokens[i].kind in (",", "-", ".", "/", "number", "'", ":")
            for i in range(len(tokens))
        )
        return bool(words) and plain and not any(known_function(t.text) and len(words) == 1 for t in words)

    def trim(self, line: Line) -> None:
        """Drop what a slide adds to one equation: commentary left of ⇒, `∈ …`, a number, a remark, a full stop."""
        tokens = line.tokens
        arrows = [i for i, token in enumerate(tokens) if token.kind == "⇒" and any(t.kind == "=" for t in tokens[i:])]
        if arrows:
            self.say("what stands left of ⇒ was read as commentary", tokens[: arrows[-1] + 1])
            tokens = tokens[arrows[-1] + 1 :]
        if sets := relations(tokens, "∈"):
            self.say(f"what follows ∈ was left out{self.unused(tokens[sets[0] :])}", tokens[sets[0] :])
            tokens = tokens[: sets[0]]
        places = relations(tokens)
        if places:
            for _ in range(MOST_REMARKS):
                size = self.remark(tokens, places[0], id(line) in self.sentences)
                if not size and not (tokens and tokens[-1].kind in (".", ",")):
                    break
                if size:
                    gone = tokens[-size:]
                    what = "the equation's number" if self.is_number(gone) or self.is_ordinal(gone) else "a remark"
                    self.say(f"{self.quoted(gone[0], gone[-1])} was read as {what}{self.unused(gone)}", gone)
                tokens = tokens[: -(size or 1)]
                while size and tokens[-1].text in DOTS and tokens[-2].kind not in BINARY:
                    tokens = tokens[:-1]
        while tokens and tokens[-1].kind in (".", ","):
            tokens = tokens[:-1]
        gone = line.tokens[len(tokens) :]
        if spelled(gone) in ("...", "…", r"\ldots", r"\dots", r"\cdots"):
            self.say(f"{spelled(gone)!r} was left out: is something missing here?", gone)
        line.tokens = tokens

    def is_ordinal(self, tokens: list[Token]) -> bool:
        return len(tokens) in (3, 4) and tokens[0].kind in ("(", "[") and bool(ORDINAL.fullmatch(spelled(tokens[1:-1])))

    def remark(self, tokens: list[Token], equals: int, sentence: bool) -> int:
        """How many tokens at the end of an equation are a remark. In a `sentence` one word may be, or two."""
        count = len(tokens)
        if count < equals + 3:
            return 0
        signs = max((i for i in range(count) if tokens[i].kind in ("+", "*", "@", "^", "=")), default=0)
        prose = max((i for i in range(count) if self.is_prose(tokens, i)), default=0)
        for i in range(equals + 2, prose):
            sign = self.source.text[tokens[i].start : tokens[i].stop]
            arrow = sign in ARROWS and (tokens[i].kind == "=" or sign not in ASSIGNING) and tokens[i].space
            pair = not tokens[i + 1].space and sign + tokens[i + 1].text in ("<-", "//", "--", "->")
            if (arrow or pair) and signs <= i:
                return count - i
        if tokens[-1].kind == "number" and tokens[-1].wide and tokens[-2].kind not in {*BINARY, "=", "frac", "_", "^"}:
            return 1
        if tokens[-1].kind in (")", "]", "}"):
            opening = self.opening(tokens)
            return count - opening if opening > equals + 1 and self.is_aside(tokens, opening) else 0
        first = count
        while first > equals + 2 and (self.is_prose(tokens, first - 1) or tokens[first - 1].kind in ("-", ",")):
            first -= 1
        while first < count and tokens[first].kind in ("-", ","):
            first += 1
        words = tokens[first:]
        if not words or not words[0].space:
            return 0
        before = tokens[first - 1]
        # After a bare name, in `W memory input`, words are factors as well as it; not after a closed thing.
        closed = before.kind in (*CLOSERS, "sub", "ᵀ", "number") or tokens[first - 2].kind in ("_", "^", "accent")
        unused = all(self.counts.get(w.text, 0) < 2 or w.prose for w in words if w.kind == "word")
        if before.kind == "-" and before.space and unused and not any(token.latex for token in tokens):
            long = self.source.text[before.start] == "–"
            return len(words) + 1 if first > equals + 2 and (long or len(words) > 1) else 0
        if before.kind in {*BINARY, "=", "frac"}:
            return 0
        latex = words[0].prose or not any(token.latex for token in tokens)
        return (
            len(words)
            if unused and latex and (words[0].wide or sentence or (closed and len(words) > 1 and not words[0].prose))
            else 0
        )

    def loose(self, tokens: list[Token]) -> bool:
        """Words with whatever stands between them, and no operator."""
        signs = any(token.kind in ("+", "*", "@", "^", "=") for token in tokens)
        return not signs and any(self.is_prose(tokens, i) for i in range(len(tokens)))

    def is_aside(self, tokens: list[Token], opening: int) -> bool:
        """Are the brackets at the end no factor, but a number or a remark?"""
        group, before = tokens[opening:], tokens[opening - 1]
        # A number right after a bracket would be a factor that nobody writes there.
        touches = before.kind == ")" and len(group) == 3 and self.is_number(group) and group[1].kind == "number"
        if touches:
            return True
        if not group[0].space or before.kind in {*BINARY, "=", "frac", "_", "^"}:
            return False
        if before.kind == "word" and not group[0].wide and known_function(before.text):
            return False
        if compares(group[1:-1]):
            return True
        if self.is_number(group) or (group[0].wide and self.is_ordinal(group)):
            return True
        inside = group[1:-1]
        if self.all_words(inside):
            return group[0].wide or len(inside) > 1 or all(self.counts.get(token.text, 0) < 2 for token in inside)
        words = [i for i in range(len(inside)) if self.is_prose(inside, i)]
        in_a_row = any(b == a + 1 for a, b in pairwise(words))
        return (in_a_row or any(inside[i].text.lower() in BETWEEN for i in words)) and self.loose(inside)
