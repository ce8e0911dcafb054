"""The notations of gradients, in a text that belongs to a recurrence: derivatives as factors, ∇, `+=`, bounds, slices.

`notated` goes over the tokens of such a text before names are made. `\\frac{\\partial h_j}{\\partial h_{j-1}}`,
`∂h_j/∂h_{j-1}`, `dh[j]/dh[j-1]`, `\\nabla_W L` and `∂_W L` become three marks around two names (kinds "∂", "∂/" and
"∂."), of which `joined` makes one token once the names have their steps. `δz^{t+1}` becomes one name,
`\\sum_{1 \\le k \\le t}` a sum with bounds, ⊗ the outer product, `W[:, :n]` a call of `slice`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from .choices import GREATER, OR_EQUAL
from .custom import LOSS_WORDS, Custom
from .latex import Source, Token
from .letters import REDUCTIONS, bracket_end, script_end
from .lines import CLOSING
from .notes import Note
from .syntax import Name, Partial

__all__ = ["free_steps", "joined", "notated"]

PREFIXES = ("δ", "Δ", "delta", "Delta", "d")
NABLA = ("∇", "\\nabla")
RELATIONS = {**dict.fromkeys(GREATER, False), **dict.fromkeys(OR_EQUAL, True)}  # whether the end itself counts
DOWN = {sign for sign, down in {**GREATER, **OR_EQUAL}.items() if down}
STARS = ("\\star", "⋆", "★")
CASES = re.compile(r"\\begin\s*\{[dr]*cases\*?\}")
CONDITION = re.compile(
    r"(?:if|for|when)?(?:([^\W\d_])=(T|N|[0-9]{1,6})|[^\W\d_](?:<|>|≤|≥|≠|\\n?eq?|\\[lg]eq?|\\ne)(?:T|N|[01])(?:-1)?"
    r"|otherwise|else|1(?:≤|\\leq?)[^\W\d_]<T)"
)
DOTS = ("…", "⋯", "\\dots", "\\ldots", "\\cdots")
ENDS = frozenset(["newline", "break", ";", "end"])
LONG = 80  # tokens: a name with its scripts is short
STEP = re.compile(r"([^\W\d_])?([+-][0-9]{1,6})?|([0-9]{1,6})")


def notated(source: Source, tokens: list[Token], custom: Custom) -> tuple[list[Token], list[Note]]:
    """The tokens of a text about gradients in the signs of the language, and what was assumed."""
    reader = _Notation(source, tokens, custom)
    tokens = reader.run()
    return tokens, reader.notes


class _Notation:
    """One pass over the tokens of a text, the last of which is of kind "end"."""

    def __init__(self, source: Source, tokens: list[Token], custom: Custom) -> None:
        self.source, self.custom = source, custom
        self.heads = {*custom.names, *(name.partition("_")[0] for name in custom.names)}
        self.load(_scripts(self.starred(tokens)))
        self.notes: list[Note] = []
        self.made: list[Token] = []
        self.bare = {a.text for a, b in zip(self.tokens, self.tokens[1:], strict=False) if b.kind == "="}

    def starred(self, tokens: list[Token]) -> list[Token]:
        """`δW_⋆ = Σ ⟨δ⋆^t, x^t⟩` as one equation for each name W_z, W_i, … of the recurrence."""
        stars = {i for i, t in enumerate(tokens) if t.kind == "*" and self.source.text[t.start : t.stop] in STARS}
        if not stars:
            return tokens
        result: list[Token] = []
        for first, stop in _pieces(tokens):
            labels: list[str] = []
            for i in sorted(stars & {*range(first, stop)}):
                at = i - 1 - (tokens[i - 1].kind == "{")
                word = tokens[at - 1].text if at > first and tokens[at].kind == "_" else ""
                bases = [word, *(word.removeprefix(p) for p in PREFIXES)]
                found = [n.partition("_") for n in sorted(self.custom.names)]
                labels = labels or [*dict.fromkeys(n for b, _, n in found if b and b in bases and n.isalpha())]
            for label in labels or [""]:
                for i in range(first, stop):
                    star = label and i in stars
                    result.append(replace(tokens[i], kind="word", text=label, whole=True) if star else tokens[i])
                if label != (labels or [""])[-1]:
                    result.append(Token(";", ";", tokens[stop - 1].stop, tokens[stop - 1].stop))
            result += tokens[stop : stop + 1]
        return result

    def load(self, tokens: list[Token]) -> None:
        """Take tokens up to one of kind "end", and find out which brackets belong together."""
        self.count = len(tokens)
        end = tokens[-1] if tokens else Token("end", "", 0, 0)
        self.tokens = [*tokens, end, end, end, end]  # so that looking ahead needs no care
        self.partner: dict[int, int] = {}
        opened: list[int] = []
        for i, token in enumerate(tokens):
            if token.kind in CLOSING:
                opened.append(i)
            elif token.kind in CLOSING.values() and opened and CLOSING[tokens[opened[-1]].kind] == token.kind:
                self.partner[opened.pop()] = i
            elif token.kind in ENDS and token.kind != "newline":
                opened.clear()

    def window(self, at: int) -> list[Token]:
        """The tokens from here on in which a name ends, and an end."""
        return [*self.tokens[at : at + LONG], self.tokens[-1]]

    def run(self) -> list[Token]:
        at, equated = 0, False
        while at < self.count:
            token = self.tokens[at]
            equated = (equated or token.kind == "=") and token.kind not in ENDS
            stop = (
                self.derivative(at)
                or self.bounds(at)
                or self.prefixed(at)
                or self.sliced(at)
                or self.cases(at)
                or self.entry(at)
            )
            if not stop:
                stop = at + 1
                following = self.tokens[stop]
                changes = token.kind in ("+", "-") and following.kind == "=" and not following.space and not equated
                if changes and self.made and self.made[-1].kind not in ENDS:  # `dW += …`
                    self.tokens[stop] = replace(following, text=f"{token.kind}=", start=token.start)
                elif token.kind == "bad" and token.text in ("⊗", "\\otimes"):
                    self.circled(token)
                elif self.dots(at) and equated:
                    raise self.source.error("dots stand for terms", token, "write a sum over the steps: sum_t …")
                else:
                    self.made.append(token)
            at = stop
        return self.made

    def dots(self, at: int) -> bool:
        """Whether dots stand here for terms of a sum or a product."""
        token, before = self.tokens[at], self.made[-1].kind if self.made else ""
        dotted = token.text in DOTS or [t.kind for t in self.tokens[at : at + 3]] == ["."] * 3
        return dotted and before in ("+", "-", "*", "@", "·")

    # -- derivatives ---------------------------------------------------------------------------------------------------

    def derivative(self, at: int) -> int:
        """Read a derivative that begins here; where it ends, or 0."""
        token = self.tokens[at]
        if token.kind == "frac":
            return self.fraction(at)
        if (token.kind == "bad" and token.text in NABLA) or (
            token.kind == "∂" and self.tokens[at + 1].kind in ("_", "sub") and not self.tokens[at + 1].space
        ):
            return self.nabla(at)
        found = self.differential(self.window(at)) if token.kind == "∂" or token.text.startswith("d") else None
        if found is None or (at and self.tokens[at - 1].kind in ("_", "^")):
            return 0
        plus, operand, count = found
        stop = at + count
        loss = self.is_loss(operand)
        if self.tokens[stop].kind == "(" and loss and not self.tokens[stop].space:  # L(θ)
            stop = self.group(stop)[1]
        below = self.differential(self.window(stop + 1)) if self.tokens[stop].kind == "/" else None
        if below is None or (token.kind != "∂" and not self.sure(operand, below[1], loss)):
            return 0
        return self.put(at, stop + 1 + below[2], operand, below[1], plus)

    def sure(self, above: list[Token], below: list[Token], loss: bool) -> bool:
        """Whether `dh/dW` speaks of what the recurrence knows."""
        return (loss or self.is_known(above)) and self.is_known(below)

    def is_loss(self, operand: list[Token]) -> bool:
        return bool(operand) and operand[0].text in LOSS_WORDS | self.custom.losses

    def is_known(self, operand: list[Token]) -> bool:
        return bool(operand) and any(t.kind == "word" and t.text in self.heads for t in operand[:3])

    def differential(self, tokens: list[Token]) -> tuple[bool, list[Token], int] | None:
        """`∂⁺h_k`, `dh[k]`, `\\mathrm d h_k` as its plus, the tokens of its name and how many it has in all."""
        if not tokens:
            return None
        first, at, plus = tokens[0], 1, False
        if first.kind == "word" and len(first.text) > 1 and first.text[0] == "d":
            inner = first.text[1:]
            if inner not in self.heads | LOSS_WORDS | self.custom.losses or first.text in self.custom.names:
                return None
            stop = _operand_end(tokens, 0)
            word = replace(first, text=inner, start=first.start + 1, whole=True, space=False)
            return False, [word, *tokens[1:stop]], stop
        if first.kind != "∂" and not (first.kind == "word" and first.text == "d"):
            return None
        kinds = [t.kind for t in tokens[1:5]]
        texts = [t.text for t in tokens[1:5]]
        for signs, count in ((["+"], 1), (["^", "+"], 2), (["^", "{", "+", "}"], 4)):
            if texts[: len(signs)] == signs and kinds[0] in ("sup", "^"):
                plus, at = True, at + count
                break
        stop = _operand_end(tokens, at)
        return (plus, tokens[at:stop], stop) if stop > at else None

    def fraction(self, at: int) -> int:
        """`\\frac{∂h_j}{∂h_{j-1}}`, `\\frac{∂}{∂W} L`."""
        above, middle = self.group(at + 1)
        below, stop = self.group(middle)
        if not above or not below:
            return 0
        bottom = self.differential([*below, Token("end", "", below[-1].stop, below[-1].stop)])
        if bottom is None or bottom[2] != len(below) or bottom[0]:
            return 0
        if [t.text for t in above] in (["∂"], ["d"]):
            end = _operand_end(self.tokens, stop)
            if end == stop or not self.is_loss(self.tokens[stop:end]):
                return 0
            return self.put(at, end, self.tokens[stop:end], bottom[1], False)
        top = self.differential([*above, Token("end", "", above[-1].stop, above[-1].stop)])
        if top is None or not top[1]:
            return 0
        plus, operand, count = top
        rest = above[count:]
        if not self.is_loss(operand) and (end := self.slope(at, stop, operand[:1], bottom[1])):
            return end
        if rest and not (rest[0].kind == "(" and rest[-1].kind == ")"):
            return 0
        if rest and not self.is_loss(operand):  # ∂f(x_t, h_{t-1})/∂w: the function, its arguments held apart
            operand, plus = above[count - len(operand) :], True
        return self.put(at, stop, operand, bottom[1], plus)

    def slope(self, at: int, stop: int, function: list[Token], variable: list[Token]) -> int:
        """`\\left.\\frac{∂f(u)}{∂u}\\right|_{u = z_t}`, the derivative of a function at a place, as `f'(z_t)`."""
        bar = self.tokens[stop].kind in ("bad", "|", "‖") and self.tokens[stop].text in ("|", "‖")
        script = stop + bar
        if self.tokens[script].kind != "_" or len(variable) != 1:
            return 0
        inside, end = self.group(script + 1)
        if [t.text for t in inside[:2]] != [variable[0].text, "="]:
            return 0
        first, last = self.tokens[at], self.tokens[end - 1]
        self.made += [replace(function[0], space=first.space, whole=True), *function[1:]]
        self.made.append(Token("'", "'", first.start, first.stop, latex=True))
        self.made.append(Token("(", "(", first.start, first.stop, latex=True))
        self.made += [*inside[2:], Token(")", ")", last.start, last.stop, latex=True)]
        return end

    def nabla(self, at: int) -> int:
        """`∇_W L`, `\\nabla_{h_t} L`, `∇W`, `∂_W L`."""
        script = self.tokens[at + 1]
        if script.kind == "sub":
            bottom, stop = [replace(script, kind="word", text=script.text, whole=True)], at + 2
        elif script.kind == "_":
            bottom, stop = self.group(at + 2)
            if self.tokens[at + 2].kind != "{":  # ∇_s[t], ∇_W_hh
                while self.tokens[stop].kind in ("_", "[") and not self.tokens[stop].space:
                    stop = script_end(self.tokens, stop)
                bottom = self.tokens[at + 2 : stop]
        else:
            stop = _operand_end(self.tokens, at + 1)
            bottom = self.tokens[at + 1 : stop]
        if not bottom:
            return 0
        end = _operand_end(self.tokens, stop)
        top = self.tokens[stop:end]
        of_parameter = bottom[0].text in {name.partition("_")[0] for name in self.custom.parameters}
        if not self.is_loss(top) and not (of_parameter and self.is_known(top)):
            top = []  # ∇_W h_i is a derivative of h_i; else what follows is a factor
        return self.put(at, end if top else stop, top, bottom, False, "∇" if self.tokens[at].kind == "bad" else "∂")

    def put(self, at: int, stop: int, top: list[Token], bottom: list[Token], plus: bool, sign: str = "∂") -> int:
        """The marks of a derivative; where it ends, with the place `|_{(t)}` at which it is taken."""
        first, last = self.tokens[at], self.tokens[stop - 1]
        bar = self.tokens[stop].kind in ("bad", "|", "‖") and self.tokens[stop].text in ("|", "‖")
        if self.tokens[stop + bar].kind == "_" and (bar or first.kind == "frac"):
            place, stop = self.group(stop + bar + 1)
            plus, last = True, self.tokens[stop - 1]
            if self.is_loss(top) or not top:
                opening, closing = (Token(s, s, last.start, last.stop) for s in "[]")
                inner = place[1:-1] if place and place[0].kind == "(" else place
                bottom, plus = [*bottom, opening, *inner, closing], False
        sign += "⁺" * plus
        self.made.append(replace(first, kind="∂", text=sign, whole=True))
        self.made += [*top, Token("∂/", "/", first.start, first.stop), *bottom]
        self.made.append(Token("∂.", "", last.start, last.stop))
        return stop

    def group(self, at: int) -> tuple[list[Token], int]:
        """What stands in the braces that open here, or the one token here; and where it ends."""
        if self.tokens[at].kind in ENDS:
            return [], at
        if self.tokens[at].kind not in CLOSING:
            return [self.tokens[at]], at + 1
        stop = self.partner.get(at)
        return ([], at) if stop is None else (self.tokens[at + 1 : stop], stop + 1)

    def entry(self, at: int) -> int:
        """`(\\nabla_{o_t} L)_i` as the derivative by o_{t,i}, `\\mathbf 1_{i = y_t}` as y_{t,i}."""
        token = self.tokens[at]
        if token.kind == "number" and token.text == "1" and self.tokens[at + 1].kind == "_":
            inside, stop = self.group(at + 2)
            sign = next((i for i, t in enumerate(inside) if t.kind in ("=", ",")), 0)
            letter, name = inside[:sign], inside[sign + 1 :]
            if [t.kind for t in letter] != ["word"] or not self.is_known(name):
                return 0
            self.made += [replace(name[0], space=token.space, whole=True), *name[1:]]
            self.made += [replace(self.tokens[at + 1], space=False), letter[0]]
            return stop
        if token.kind != "(":
            return 0
        inside, stop = self.group(at)
        if not inside or self.tokens[stop].kind not in ("_", "sub") or inside[0].kind not in ("bad", "∂", "frac"):
            return 0
        made, self.made = self.made, []
        end = self.derivative(at + 1)
        if end != stop - 1 or self.made[-1].kind != "∂.":
            self.made = made
            return 0
        letters = self.tokens[stop : stop + _one(self.tokens, stop)]
        self.made = [*made, *self.made[:-1], *letters, self.made[-1]]
        return stop + len(letters)

    # -- names, sums and products --------------------------------------------------------------------------------------

    def prefixed(self, at: int) -> int:
        """`δz^{t+1}`, `\\delta y`, `d\\gamma_o`, `∂W`: a name with the sign of a gradient before it is one name."""
        token = self.tokens[at]
        before = self.tokens[at - 1].kind if at else ""
        if before == "_" and at > 1 and self.tokens[at - 2].text == "F" and token.text in self.heads:
            self.made.append(replace(token, whole=True))  # Werbos' F_W
            return at + 1
        if token.kind == "word" and before not in ("_", "^"):
            prefix = next((p for p in PREFIXES if token.text.startswith(p)), "")
            rest = token.text[len(prefix) :]
            if prefix and rest in self.heads and token.text not in self.custom.names:
                self.made.append(replace(token, whole=True))
                return at + 1
            if token.text not in PREFIXES or token.text in self.bare | self.custom.names:
                return 0
        elif token.kind != "∂":
            return 0
        letter, stop = self.letter(at + 1)
        if not letter or letter not in self.heads or not (token.latex or not self.tokens[at + 1].space):
            return 0
        prefix = {"delta": "δ", "Delta": "Δ"}.get(token.text, token.text)
        self.made.append(replace(token, kind="word", text=prefix + letter, stop=self.tokens[stop - 1].stop, whole=True))
        return stop

    def letter(self, at: int) -> tuple[str, int]:
        """The letter here with its accent, and where it ends."""
        token = self.tokens[at]
        if token.kind == "word":
            return token.text, at + 1
        if token.kind != "accent":
            return "", at
        inside, stop = self.group(at + 1)
        if len(inside) != 1 or inside[0].kind != "word":
            return "", at
        text = inside[0].text
        return unicodedata.normalize("NFC", text[:1] + token.text + text[1:]), stop

    def circled(self, token: Token) -> None:
        """⊗ is the outer product, unless the recurrence has it between gates."""
        kind = "*" if self.custom.circled else "⊗"
        self.made.append(replace(token, kind=kind, text=kind))
        sentence = "the product entry by entry, as in the recurrence" if self.custom.circled else "the outer product"
        if not any("⊗" in note for note in self.notes):
            self.notes.append(Note.at(f"⊗ was read as {sentence}", self.source.span(token.start, token.stop)))

    def bounds(self, at: int) -> int:
        """`\\sum_{1 \\le k \\le t}` as `\\sum_{k=1}^{t}`, `∏_{t ≥ i > k}` as `∏_{i=k+1}^{t}`."""
        token = self.tokens[at]
        if token.text not in REDUCTIONS or [t.kind for t in self.tokens[at + 1 : at + 3]] != ["_", "{"]:
            return 0
        inside, stop = self.group(at + 2)
        signs, ends = _compared(inside)
        if not signs or len(signs) > 2 or any(end is None for end in ends):
            return 0
        steps = [end for end in ends if end is not None]
        place = 1 if len(signs) == 2 or not steps[0][0] or steps[0][1] else 0
        letter, offset = steps[place]
        if not letter or offset:
            return 0
        low: tuple[str, int] | None = None
        high: tuple[str, int] | None = None
        for i, sign in enumerate(signs):
            other = steps[i if i != place else i + 1]
            below = (sign in DOWN) == (i == place)  # whether the other end is the lower one
            strict = 0 if RELATIONS[sign] else 1
            if below:
                low = other[0], other[1] + strict
            else:
                high = other[0], other[1] - strict
        low, high = low or ("", 1), high or ("T", 0)
        first, last = self.tokens[at + 1], self.tokens[stop - 1]
        self.made.append(token)
        written = [("_", "_"), ("{", "{"), ("word", letter), ("=", "="), *_spelled(low), ("}", "}")]
        written += [("^", "^"), ("{", "{"), *_spelled(high), ("}", "}")]
        self.made += [Token(k, s, first.start, last.stop, latex=token.latex, whole=True) for k, s in written]
        return stop

    def cases(self, at: int) -> int:
        """`\\delta_t = \\begin{cases} a & t = T \\\\ b & t < T \\end{cases}` as `δ_T = a; δ_t = b`."""
        if not CASES.fullmatch(self.tokens[at].text) or not self.made or self.made[-1].kind != "=":
            return 0
        stop = at + 1
        while not self.tokens[stop].text.startswith("\\end") and self.tokens[stop].kind != "end":
            stop += 1
        start = max((i + 1 for i, t in enumerate(self.made) if t.kind in ENDS), default=0)
        left = self.made[start:-1]
        rows: list[list[Token]] = [[]]
        for token in self.tokens[at + 1 : stop]:
            if token.kind == "break":
                rows.append([])
            else:
                rows[-1].append(token)
        found = [_row(row) for row in rows if row]
        if any(row is None for row in found) or sum(row is not None and row[1] == "" for row in found) != 1:
            return 0
        end = self.tokens[stop - 1]
        inner = _Notation(self.source, [], self.custom)
        self.made[start:] = []
        for value, letter, place in (row for row in found if row is not None):
            sides = [*left, Token("=", "=", end.start, end.stop), *value]
            inner.made = []
            inner.load([*sides, Token("end", "", end.stop, end.stop)])
            fixed = [replace(t, kind="number" if place.isdigit() else "word", text=place)
                     if letter and t.kind == "word" and t.text == letter else t for t in inner.run()[:-1]]  # fmt: skip
            self.made += [*fixed, Token(";", ";", end.start, end.stop)]
        return stop + 1

    def sliced(self, at: int) -> int:
        """`W[:, :n]` as `slice(W, 1, 0, n)`: the axis, its first entry and the one after the last (0 and -1 for the
        ends)."""
        token = self.tokens[at]
        if token.kind != "word" or (at and self.tokens[at - 1].kind in ("_", "^")):
            return 0
        start = script_end(self.tokens, at + 1)
        for opening in (start, _first_bracket(self.tokens, at + 1, start)):
            if opening and self.tokens[opening].kind == "[" and not self.tokens[opening].space:
                inside, stop = self.group(opening)
                axes = _split(inside, ",")
                if any(t.kind == ":" for t in inside) and len(axes) < 3:
                    break
        else:
            return 0
        cut = [axis for axis in axes if len(axis) > 1]
        if any(t.kind != ":" for axis in axes for t in axis if len(axis) == 1) or len(cut) != 1:
            return 0
        edges = _split(cut[0], ":")
        if len(edges) != 2 or any(len(edge) > 3 for edge in edges):
            return 0
        if len(edges[0]) == 1 and len(edges[1]) == 1 and edges[1][0].kind == ":":
            return 0
        first, last = token, self.tokens[stop - 1]

        def sign(kind: str, text: str) -> Token:
            return Token(kind, text, last.start, last.stop, whole=True)

        axis = len(axes) == 2 and axes[1] is cut[0]
        low, high = edges[0] or [sign("number", "0")], edges[1] or [sign("-", "-"), sign("number", "1")]
        self.made.append(Token("word", "slice", first.start, first.stop, first.space, first.latex, whole=True))
        self.made.append(Token("(", "(", first.start, first.stop))
        self.made += [replace(token, space=False), *self.tokens[at + 1 : opening], sign(",", ",")]
        self.made += [sign("number", str(int(axis))), sign(",", ","), *low, sign(",", ","), *high, sign(")", ")")]
        return stop


def _pieces(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Where the pieces between the ends of lines begin and end."""
    first = 0
    for i, token in enumerate(tokens):
        if token.kind in ENDS:
            yield first, i
            first = i + 1


def _row(row: list[Token]) -> tuple[list[Token], str, str] | None:
    """A row of cases: its value, and the letter and the step for which alone it holds ("" for all others)."""
    for i in range(len(row) - 1, 0, -1):
        text = "".join(t.text for t in row[i:]).replace(" ", "").rstrip(".,;")
        found = CONDITION.fullmatch(text)
        if not found:
            continue
        if row[i - 1].text.strip() in ("if", "for", "when", ",") and not row[i].wide:
            continue
        value = list(row[:i])
        while value and (value[-1].kind == "," or value[-1].text.strip() in ("if", "for", "when")):
            value.pop()
        return (value, found[1], found[2]) if found[1] else (value, "", "")
    return None


def _first_bracket(tokens: list[Token], start: int, stop: int) -> int:
    return next((i for i in range(start, stop) if tokens[i].kind == "["), 0)


def _split(tokens: list[Token], sign: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == sign:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _spelled(step: tuple[str, int]) -> list[tuple[str, str]]:
    letter, offset = step
    if not letter:
        return [("number", str(offset))] if offset >= 0 else [("-", "-"), ("number", str(-offset))]
    shift = [("+" if offset > 0 else "-",) * 2, ("number", str(abs(offset)))] if offset else []
    return [("word", letter), *shift]


def _compared(tokens: list[Token]) -> tuple[list[str], list[tuple[str, int] | None]]:
    """The relations between steps, and the steps: `1 ≤ k < t` as ["≤", "<"] and [("", 1), ("k", 0), ("t", 0)]."""
    signs: list[str] = []
    parts: list[str] = [""]
    at = 0
    while at < len(tokens):
        text = tokens[at].text
        if text in RELATIONS:
            equal = text in ("<", ">") and at + 1 < len(tokens) and tokens[at + 1].kind == "="
            signs.append({"<": "≤", ">": "≥"}[text] if equal else text)
            parts.append("")
            at += 1 + equal
        else:
            parts[-1] += text
            at += 1
    found: list[tuple[str, int] | None] = []
    for part in parts:
        match = STEP.fullmatch(part)
        if not part or not match:
            found.append(None)
        else:
            found.append(("", int(match[3])) if match[3] else (match[1] or "", int(match[2] or 0)))
    return signs, found


def _operand_end(tokens: list[Token], at: int) -> int:
    """Where the name that begins here ends, with its accents, scripts and step; `at` if none begins."""
    start = at
    while tokens[at].kind == "accent":
        at += 1
    if tokens[at].kind == "{" and at > start:
        while tokens[at].kind not in ("}", *ENDS):
            at += 1
    elif tokens[at].kind != "word":
        return start
    at += 1
    while at < len(tokens):
        token = tokens[at]
        if token.kind in ("_", "sub") or (token.kind in ("^", "sup") and not _transposes(tokens, at)):
            at += _one(tokens, at)
        elif token.kind == "[" and not token.space:
            at = bracket_end(tokens, at)
        elif token.kind == "." and not token.space and tokens[at - 1].kind == tokens[at + 1].kind == "word":
            at += 2  # encoder.h
        elif token.kind == "(" and _round_step(tokens, at) > at:
            at = _round_step(tokens, at)
        else:
            break
    return at


def _one(tokens: list[Token], at: int) -> int:
    """How many tokens the one script here has."""
    if tokens[at].kind in ("sub", "sup"):
        return 1
    if at + 1 < len(tokens) and tokens[at + 1].kind == "{":
        depth = 0
        for i in range(at + 1, min(len(tokens), at + 64)):
            depth += (tokens[i].kind == "{") - (tokens[i].kind == "}")
            if depth == 0:
                return i + 1 - at
    return 2


def _transposes(tokens: list[Token], at: int) -> bool:
    inner = [t.text for t in tokens[at : at + _one(tokens, at)] if t.kind not in ("^", "{", "}")]
    return inner in (["T"], ["⊤"])


def _round_step(tokens: list[Token], at: int) -> int:
    """Where the step in round brackets ends that begins here, `h(t-1)`; `at` if there is none."""
    if tokens[at].space:
        return at
    kinds = [t.kind for t in tokens[at : at + 5]]
    for shape in (["(", "word", ")"], ["(", "number", ")"]):
        if kinds[:3] == shape and len(tokens[at + 1].text) == 1:
            return at + 3
    if kinds[:3:2] == ["(", "+"] or kinds[:3:2] == ["(", "-"]:
        return at + 5 if kinds[3:] == ["number", ")"] else at
    return at


def _scripts(tokens: list[Token]) -> list[Token]:
    """`h^{(t-1)\\top}` with the transpose behind the step, `x^{\\circ 2}` as a power."""
    result: list[Token] = []
    for token in tokens:
        if token.kind == "}" and len(result) > 2 and result[-1].text in ("⊤", "T") and result[-2].kind == ")":
            mark = result.pop()
            result += [token, Token("^", "^", mark.start, mark.start, latex=True), mark]
            continue
        if token.kind == "number" and [t.kind for t in result[-3:]] == ["^", "{", "*"]:
            result.pop()
        result.append(token)
    return result


def free_steps(tokens: list[Token], stepped: frozenset[str]) -> Iterator[str]:
    """The letters that count steps of variables in a derivative on a left side, as k in `∂h_t/∂h_k = …`."""
    if not tokens or tokens[0].kind != "∂":
        return
    base = ""
    for before, token in pairwise(tokens):
        if token.kind in ("=", "∂."):
            return
        script = before.kind in ("_", "{", "[", "(") or token.kind == "sub"
        if script and len(token.text) == 1 and token.text.isalpha():
            if base in stepped and f"{base}_{token.text}" not in stepped:
                yield token.text
        elif token.kind == "word":
            base = token.text


# -- after the names ---------------------------------------------------------------------------------------------------


def joined(source: Source, tokens: list[Token]) -> list[Token]:
    """One token of kind "partial" for each derivative whose names have their steps.

    Raises:
        BPTTError: what stands in it is no name.
    """
    if not any(token.kind == "∂." for token in tokens):
        return tokens
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind != "∂" or "∂." not in (kinds := [t.kind for t in tokens[at : at + 40]]):
            result.append(token)
            at += 1
            continue
        middle, stop = kinds.index("∂/"), kinds.index("∂.")
        above, below = tokens[at + 1 : at + middle], tokens[at + middle + 1 : at + stop]
        last = tokens[at + stop]
        for part, what in ((above, "above"), (below, "below")):
            if not (len(part) == 1 and part[0].name) and not (what == "above" and (not part or _called(part))):
                place = part[0] if part else token
                raise source.error(
                    f"{what} the line of this derivative stands more than a name", place, "write ∂h[t]/∂h[t-1]"
                )
        span = source.span(token.start, last.stop)
        top = above[0].name if above and above[0].name else Name("", None, span)
        bottom = below[0].name
        assert bottom is not None
        made = Token("partial", source.text[token.start : last.stop], token.start, last.stop, token.space, token.latex)
        made.partial = Partial(top, bottom, span, "⁺" in token.text, token.text[0] == "∇")
        result.append(made)
        at += stop + 1
    return result


def _called(part: list[Token]) -> bool:
    """`f(x_t, h_{t-1})`."""
    return len(part) > 3 and part[0].name is not None and part[1].kind == "(" and part[-1].kind == ")"
