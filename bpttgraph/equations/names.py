"""Names: letters with their accents, subscripts, superscripts and indices become one name with a step."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..errors import BPTTError
from .chain_rule import free_steps
from .entries import EITHER, ENTRY, class_of, entry_token
from .foreign import ADJOINT
from .latex import Source, Token
from .letters import REDUCTIONS
from .lines import CLOSING, Line
from .notation import OPENING, Notation, bound_letters, content, parts_of, step_index
from .rewrites import several_terms
from .syntax import Index, Name
from .vocabulary import known_function

__all__ = ["STEP_HINT", "Marks", "Names", "decide_steps"]

STEP_HINT = "a step is t, t-1, t+1, T, or a number, as in h[t-1] or h[0]"
SLIP = re.compile(r"([^\W\d_])(?:_?([0-9])|-[lI])")  # t_1, t1 and t-l for t-1
COUNTED = re.compile(r"[(]?[^\W\d_][+-][^\W\d_](?:[+-][0-9]+)?[)]?|[^\W\d_][+-][0-9]+")  # t-k, (T-k+1), t-1
SIGNS = {"*": "star", "+": "plus", "-": "minus"}
COUNT = re.compile(r"\|\w+\||[KCVMNndmp]_?\w*")  # how many entries a vector has
ARROWS = {"\\to", "\\rightarrow", "→", "|", "\\mid"}
JOINING = r"[_'^(){}→|]|\\to|\\rightarrow"
CHOSEN = re.compile(r"([^\W\d_])(?:∈|in)[({]?(\d{1,6}(?:,\d{1,6}){0,99})[)}]?")  # t∈{2,4}
OPERANDS = {"word", "number", "accent", "("}


@dataclass(slots=True)
class Marks:
    """What stands at a letter: its step, its layer, the number at its top, the parts of its name.

    `maybe`: the number may be a step (`h^{(3)}`). `numeric`: so may the last part (`h_3`, `δ_{h,3}`), which stands
    in `last`, what is before it in `rest`.
    """

    base: str
    number: str = ""
    labels: list[str] = field(default_factory=list)
    index: Index | None = None
    layer: Index | None = None
    maybe: bool = False
    numeric: bool = False
    rest: str = ""
    last: str = ""
    entry: Token | None = None  # the class that picks one of its entries

    @property
    def text(self) -> str:
        return "_".join([self.base + self.number, *self.labels])


class Names:
    """Joins words with accents, subscripts, superscripts and indices into tokens of kind "name" and "reduce"."""

    def __init__(self, source: Source, line: Line, notation: Notation) -> None:
        self.source, self.line, self.notation = source, line, notation
        end = line.tokens[-1].stop
        self.tokens = [*line.tokens, Token("end", "", end, end)]
        self.at = 0
        self.pick: Token | None = None  # of an entry of the last name
        line.bound |= {token.text for token in bound_letters(line.tokens)} - notation.units
        if notation.gradients:
            line.bound |= set(free_steps(line.tokens, notation.given - notation.constant))

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def run(self) -> list[Token]:
        result: list[Token] = []
        while self.token.kind != "end":
            token = self.token
            if token.kind == "bad":
                raise self.source.bad(token)
            if token.kind in ("word", "accent"):
                self.pick = None
                result.append(self.name())
                result += [self.pick] if self.pick else []
            elif result and result[-1].kind == ")" and (entry := self.behind_bracket()):
                result.append(entry)
            elif token.kind in ("^", "sup"):
                result += self.power()
            elif token.kind in ("_", "sub", "'"):
                raise self.entry(token)
            else:
                result.append(token)
                self.at += 1
        return [*result, self.token]

    def entry(self, token: Token) -> BPTTError:
        """The error for a subscript of a bracket, `(V h_t)_1`: an entry, which a product with a unit vector gives."""
        hint = "subscripts belong to names, as in W_h or h_t"
        opening, depth = self.at - 1, 0
        while opening >= 0:
            kind = self.tokens[opening].kind
            depth += (kind in CLOSING.values()) - (kind in CLOSING)
            if depth == 0:
                break
            opening -= 1
        found = content(self.tokens, self.at + 1) if token.kind == "_" else (token.text, self.at + 1)
        if opening < 0 or opening == self.at - 1 or found is None or token.kind == "'":
            return self.source.error("expected a name before this subscript", token, hint)
        label, stop = found[0], self.tokens[found[1] - 1].stop
        inside = self.source.text[self.tokens[opening].stop : self.tokens[self.at - 1].start]
        start = self.tokens[opening].start
        called = (
            opening > 0 and self.tokens[opening - 1].kind == "word" and known_function(self.tokens[opening - 1].text)
        )
        if called:
            start, inside = (
                self.tokens[opening - 1].start,
                self.source.text[self.tokens[opening - 1].start : token.start],
            )
        if label.isdigit():
            line = self.source.line_with((start, stop, f"dot(e_{label}, {inside})"))
            hint = f"write {line}, with e_{label} as data: 1 in place {label}, else 0"
        else:
            line = self.source.line_with((token.start, stop, ""))
            hint = f"write {line}, for the whole vector"
        return self.source.error(f"the subscript {label} of a bracket is an entry of a vector", token, hint)

    def picked(self, text: str, kind: str, first: Token) -> Token | None:
        """The class of a step, in the place of a label or in brackets, as a token; None for anything else."""
        last = self.tokens[self.at - 1]
        span = self.source.span(first.start, max(first.stop, last.stop))
        name = class_of(text, lambda step: self.notation.index(step, self.line.bound), span)
        return None if name is None else entry_token(kind, name, first, last)

    def behind_bracket(self) -> Token | None:
        """`_{y_t}` or `[y_t]` behind a closing bracket."""
        first = self.token
        found = content(self.tokens, self.at + (first.kind == "_")) if first.kind in ("_", "[") else None
        if found is None or first.space:
            return None
        parts = [part for part in parts_of(found[0]) if not part.isdigit()]
        before, self.at = self.at, found[1]
        entry = self.picked(parts[0], ENTRY, first) if len(parts) == 1 else None
        self.at = self.at if entry else before
        return entry

    def power(self) -> list[Token]:
        """A superscript that is no part of a name: a transpose or a power."""
        token = self.token
        start = self.at
        self.refuse_adjoint(token, self.tokens[max(0, self.at - 1)].start)
        content = self.script()
        last = self.tokens[self.at - 1]
        if content in ("T", "⊤"):
            return [Token("ᵀ", "^T", token.start, last.stop)]
        if token.kind == "^":
            self.at = start + 1
            return [token]
        if not re.fullmatch("-?[0-9]+", content):
            raise self.source.error(f"superscript {content!r} is neither a power nor ᵀ", token, "write ^2, ^T or [t-1]")
        power = [Token("^", "^", token.start, token.stop)]
        power += [Token("-", "-", token.start, token.stop)] if content.startswith("-") else []
        return [*power, Token("number", content.lstrip("-"), token.start, token.stop)]

    def refuse_adjoint(self, token: Token, start: int) -> None:
        """`W^* h` and `W^\\dagger h`: the transpose of a matrix, or another name. A star at the end is a label."""
        marks = self.tokens[self.at + 1 : self.at + 4]
        braced = len(marks) == 3 and [t.kind for t in marks[::2]] == ["{", "}"]
        mark = marks[braced] if len(marks) > braced else token
        after = self.tokens[min(self.at + 2 + 2 * braced, len(self.tokens) - 1)]
        typed = self.source.text[mark.start : mark.stop]
        if token.kind != "^" or typed not in ADJOINT or (mark.kind == "*" and after.kind not in OPERANDS):
            return
        stop = marks[2].stop if braced else mark.stop
        written = self.source.text[start:stop]
        turned = self.source.line_with((token.start, stop, "^T"))
        other = self.source.line_with((token.start, stop, "_{star}"))
        raise self.source.error(
            f"{written} has two readings: the adjoint, which for real numbers is the transpose, and another name",
            token,
            f"write {turned}; for another name {other}",
        )

    def script(self) -> str:
        """The text of the subscript or superscript that begins here."""
        token = self.token
        self.at += 1
        if token.kind in ("sub", "sup"):
            return token.text
        if self.token.kind == "end":
            raise self.source.error(
                f"something is missing after {token.kind!r}", token, "write the subscript or the power"
            )
        return self.enclosed()

    def enclosed(self) -> str:
        """The text of the bracket or the token here, without spaces."""
        opening, start = self.token, self.at
        found = content(self.tokens, start, len(self.tokens))
        if found is None:
            close = OPENING[opening.kind]
            raise self.source.error(f"unbalanced bracket: {opening.text!r} is never closed", opening, f"add {close!r}")
        text, self.at = found
        for token in self.tokens[start : self.at]:
            if token.kind == "bad" and token.text not in ARROWS:
                raise self.source.bad(token)
        return text

    def name(self, inside: bool = False) -> Token:
        first = self.token
        start = self.at
        base = self.base()
        look = next((token.look for token in self.tokens[start : self.at] if token.look), "")
        if base in REDUCTIONS and self.token.kind in ("_", "sub"):
            header = self.reduction(REDUCTIONS[base], first)
            if header:
                return header
        sign = self.source.text[first.start : first.start + 1] in ("\\", "∑", "∏", "Σ", "Π")  # np.sum(…) is a function
        called = self.token.kind == "(" and base == "prod"  # prod(A, B), a product of its arguments
        if base in REDUCTIONS and self.notation.gradients and sign and not called:
            return self.unbounded(REDUCTIONS[base], first)
        marks = Marks(base)
        while self.mark(marks, first):
            pass
        index, text, undecided = marks.index, marks.text, None
        numbered = marks.numeric and marks.labels[-1] == marks.rest + marks.last
        before = [*marks.labels[:-1], *filter(None, [marks.rest])]
        whole = Marks(base, number=marks.number, labels=before).text
        if index is None and text in self.notation.given:
            pass  # W_1 is a name of the recurrence
        elif index is None and numbered and (not marks.maybe or marks.rest or whole in self.notation.given):
            undecided = (whole, int(marks.last))
        elif index is None and marks.maybe:
            undecided = (Marks(base, labels=marks.labels).text, int(marks.number))
        if text == self.notation.last and index is None:
            text = "T"
        self.pick = marks.entry
        stop = self.tokens[self.at - 1].stop
        token = Token("name", text, first.start, stop, first.space, first.latex, first.whole, look)
        token.name = Name(text, index, self.source.span(first.start, stop), None, marks.layer)
        token.undecided = undecided
        dot, after = self.token, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if dot.kind == "." and not dot.space and after.kind == "word" and not after.space and index is None:
            # `encoder.h[T]`: what was read is the block, the name follows.
            self.at += 1
            token = token if inside else self.name(inside=True)
            if inside or token.name is None:
                raise self.source.error("expected a name after the block's name", token, "write encoder.h[T]")
            span = self.source.span(first.start, token.stop)
            token.name = replace(token.name, span=span, block=text)
            token.start, token.space = first.start, first.space
        return token

    def mark(self, marks: Marks, first: Token) -> bool:
        """Read the script or bracket here, if it is part of the name."""
        token, start = self.token, self.at
        taken = False
        if token.kind == "'":
            marks.base += "'"
            self.at += 1
            return True
        if token.kind in ("_", "sub"):
            self.refuse_subscript(marks.base, first)
            taken = self.lower(marks, self.script(), token)
        elif token.kind in ("^", "sup"):
            self.refuse_adjoint(token, first.start)
            text = self.script()
            taken = self.behind(marks, text, start) or self.upper(marks, text, token, first)
        elif token.kind in ("[", "("):
            taken = self.bracket(marks, token)
        if not taken:
            self.at = start
        return taken

    def refuse_subscript(self, base: str, first: Token) -> None:
        """`\\tanh_k(…)`; and `max_k (W_k h)`, the largest of several vectors."""
        largest = base in ("max", "min")
        if known_function(base) in (None, "softmax") or base == "σ" or not (first.latex or largest):
            return
        token, start = self.token, self.at
        letter = self.script().strip("()").partition("=")[0]
        behind, self.at = self.token, start
        hint = f"write {base}(…)"
        if largest and len(letter) == 1 and behind.kind == "(":
            hint = several_terms(self.source, first.start, behind.start, letter) or hint
        elif not first.latex:
            return
        raise self.source.error(f"{base} cannot carry a subscript", token, hint)

    def step(self, marks: Marks, index: Index, token: Token) -> bool:
        """Give a name its step; it has one at most."""
        if marks.index is not None:
            raise self.source.error(f"a second step on one name: {marks.base} has one", token, STEP_HINT)
        marks.index = index
        return True

    def layered(self, marks: Marks, layer: Index, token: Token) -> bool:
        if marks.layer is not None:
            raise self.source.error(f"{marks.base} stands in two layers", token, "write one layer, as in h_t^{(l)}")
        marks.layer = layer
        return True

    def shared(self, marks: Marks, part: str, token: Token) -> bool:
        """A part of a mark that means the same wherever it stands: a step, or a layer."""
        given, _, known = part.partition("|")
        index = self.notation.index(given, self.line.bound)
        if index is not None and (index.variable is not None or index.offset < 0):
            if known:
                marks.labels.append(self.conditional(index, known, token))
            return self.step(marks, index, token)
        layer = self.notation.layer(part)
        return layer is not None and self.layered(marks, layer, token)

    def conditional(self, index: Index, known: str, token: Token) -> str:
        """`x_{t|t-1}` is what is known of x at step t from the steps up to t-1: a name of its own."""
        given = self.notation.index(known, self.line.bound)
        if given is None or given.variable not in (index.variable, "T"):
            raise self.source.error(f"bad condition {known!r}: it is not a step", token, "write x_{t|t-1} or x_{t|t}")
        if given.variable != index.variable:
            return "smooth"
        gap = index.offset - given.offset
        return "post" if gap == 0 else "prior" if gap == 1 else f"prior{gap}" if gap > 0 else f"post{-gap}"

    def lower(self, marks: Marks, text: str, token: Token) -> bool:
        """A subscript: a step, a layer, or a part of the name; several of them with commas between."""
        if slip := SLIP.fullmatch(text):
            wrong = f"subscript {text!r} is neither a step nor a part of a name"
            step, number = self.notation.step, slip[2] or "1"
            meant = f"{{{step}-{number}}}" if number != "0" else f"{step} or {marks.base}_0"
            run_together = text == step + number  # h_{t0}: only beside h_t is it no label
            if slip[1] == step and not self.notation.layer(text) and (not run_together or self.steps_alone(marks)):
                raise self.source.error(wrong, token, f"did you mean {marks.base}_{meant}?")
        labels = []
        parts = parts_of(text)
        for part in parts:
            if self.shared(marks, part, token):
                continue
            picked = self.picked(part, ENTRY, token) if len(parts) == 2 else None
            if picked and not marks.entry:
                marks.entry = picked
            else:
                labels.append(self.label(part, text, token))
        if labels:
            last = labels.pop() if labels[-1].isdigit() and labels[-1] == parts[-1] else ""
            marks.numeric = 0 < len(last) < 7
            marks.rest, marks.last = "".join(labels), last
            marks.labels.append(marks.rest + last)
        return True

    def steps_alone(self, marks: Marks) -> bool:
        """Whether a letter carries steps elsewhere and nothing but them: there, t0 is no label."""
        return marks.base in self.notation.stepped and marks.index is None and not marks.labels

    def label(self, part: str, text: str, token: Token) -> str:
        """A part of a name, without what joins it: h→y is hy."""
        plain = re.sub(JOINING, "", part)
        step = self.notation.step
        if plain == "t" and step != "t":
            raise self.source.error(
                f"both {step} and t count steps here", token, f"count with one letter; {step}-1 was seen on a left side"
            )
        if token.kind == "sub" and "y" in self.notation.letters and "γ" not in self.notation.letters:
            plain = plain.replace("γ", "y")  # no other small y can be typed below the line
        if re.fullmatch(rf"[2-9][0-9]*{step}", plain):
            raise self.source.error(f"{plain} is no step: the steps here follow one another", token, STEP_HINT)
        if not re.fullmatch(r"[\w\u0300-\u036f\u20d0-\u20ff]+", plain):
            hint = STEP_HINT
            rival = self.notation.rival
            if rival and part.startswith(rival):
                hint = (
                    f"both {self.notation.step} and {rival} count steps here; count both with "
                    f"{self.notation.step}, or write two blocks, encoder: and decoder:"
                )
            raise self.source.error(f"bad index {text!r}: neither a step nor a part of a name", token, hint)
        return plain

    def upper(self, marks: Marks, text: str, token: Token, first: Token) -> bool:
        """A superscript: a step, a layer, a label; or a power, which is no part of the name."""
        if re.fullmatch("'+", text):
            marks.base += text
            return True
        if text in ("T", "⊤", ""):
            return False
        if both := re.fullmatch(r"([\[(].{1,6}[\])])(<.*>)", text):  # a^{[1]<t>}
            for each in both.groups():
                self.upper(marks, each, token, first)
            return True
        if marks.text in self.notation.constant and COUNTED.fullmatch(text):
            return False  # of a parameter, W^{T-k} is a power
        bracketed = text[0] in OPENING
        inner = text[1:-1] if bracketed else text
        alone = self.tokens[0] is first and self.token.kind == "="
        if inner.isdigit() and not bracketed and alone and self.notation.raised and marks.base in self.notation.stepped:
            return self.step(marks, Index(None, int(inner)), token)  # h^0 = 0 beside h^t
        followed = self.token.kind in ("_", "sub")
        numbered = bracketed or followed or self.notation.labelled(marks.base)
        if inner.isdigit() and len(inner) < 7 and text[0] != "<" and numbered:
            marks.number = inner
            marks.maybe = text[0] == "(" and marks.index is None
            return True
        if bracketed:
            return self.inside(marks, text, token)
        index = self.notation.index(text, self.line.bound)
        if index and marks.index is None and (index.variable == "t" or (index.variable == "T" and index.offset)):
            if not self.notation.raised:
                whole = re.fullmatch(
                    rf"(?P<left>(?P<h>\\?\w)_\{{?t\}}?) = (?P<w>.+?)\^\{{?{text}\}}? (?P=h)_\{{?0\}}?",
                    self.source.line_with((token.start, token.start, "")),
                )
                if whole:  # h_t = W^t h_0
                    past = f"{whole['w']} {whole['h']}_{{t-1}}"
                    raise self.source.error(
                        f"{marks.base}^{text} is a power that counts the steps", token,
                        f"write {whole['left']} = {past}, the recurrence that it comes from",
                    )  # fmt: skip
                raise self.source.error(
                    f"{marks.base}^{text} is a step or a power: the steps of this text stand below the line",
                    token,
                    f"write {marks.base}_{{{text}}} for the value at step {text}; "
                    "a power with the step in it cannot be read",
                )
            return self.step(marks, index, token)
        if (layer := self.notation.layer(text)) is not None:
            return self.layered(marks, layer, token)
        if self.is_label(marks, text, token, first, followed):
            marks.labels.append(SIGNS.get(text) or self.label(text, text, token))
            return True
        return False

    def behind(self, marks: Marks, text: str, start: int) -> bool:
        """Move a power or a transpose behind the subscript that follows it: `g^2_t` is g_t^2, `W^T_h` is W_h^T."""
        middle = self.at
        transposed = text in ("T", "⊤") and marks.index is None
        if self.token.kind not in ("_", "sub") or not (transposed or self.notation.power(marks.base, text)):
            return False
        if not transposed and not text.isdigit():
            return False
        self.script()
        self.tokens[start : self.at] = [*self.tokens[middle : self.at], *self.tokens[start:middle]]
        self.at = start
        return True

    def inside(self, marks: Marks, text: str, token: Token) -> bool:
        """A superscript in brackets, `(t-1)`, `(l)`, `<t>`, `(f)`: never a power if it is short."""
        labels = []
        start = (marks.index, marks.layer)
        for part in parts_of(text):
            index = self.notation.index(part, self.line.bound)
            if text[0] == "<" and index is not None and index.variable is None:
                self.step(marks, index, token)
            elif self.shared(marks, part, token):
                continue
            elif part.isalnum():
                labels.append(part)
            elif text[0] == "<":
                raise self.source.error(f"bad index {part!r}", token, STEP_HINT)
            else:
                marks.index, marks.layer = start
                return False
        marks.labels += ["".join(labels)] if labels else []
        return True

    def is_label(self, marks: Marks, text: str, token: Token, first: Token, followed: bool) -> bool:
        """Whether a superscript without brackets names what its letter is for, as in `b^z` and `W^{in}`."""
        if marks.base == "e":
            return False  # the exponential function
        if text in SIGNS:
            return followed or self.token.kind not in OPERANDS
        if not re.fullmatch(r"[^\W\d_][\w,→\u0300-\u036f\u20d0-\u20ff]*", text) or text in self.line.bound:
            return False
        if text.endswith(f"_{self.notation.step}"):
            return False  # a power whose exponent has a step
        if (marks.base, text) in self.notation.labels or (
            not self.apart(token) and self.notation.sibling(marks.base, text)
        ):
            return True
        if marks.base == "e" and not followed:  # the exponential function
            return False
        if len(text) > 1 or followed:
            raised = self.line.latex or token.kind == "sup"
            return raised or (marks.base[:1].isupper() and not self.apart(token))
        if token.kind == "^" and self.tokens[self.at - 1].kind == "word" and self.apart(token):
            return False
        return marks.base[:1].isupper() or first.look == "bold" or text in self.notation.stepped

    def apart(self, token: Token) -> bool:
        """Whether `^` and what follows it look like an operator and its operand: `x ^ h`, `x^h[t]`."""
        return token.space or self.tokens[self.at - 1].space or (self.token.kind == "[" and not self.token.space)

    def bracket(self, marks: Marks, token: Token) -> bool:
        """A step in brackets, `h[t-1]` or `h(t-1)`; False if they are not an index (`tanh[…]`, `W [a; b]`)."""
        found = content(self.tokens, self.at)
        if found is None:
            return False
        text, stop = found
        parts = [part for part in parts_of(text) if part != ":"]
        if self.entry_in_bracket(marks, token, parts, stop):
            return True
        indices = [self.notation.index(part, self.line.bound) for part in parts]
        known = self.notation.round and marks.base in self.notation.stepped
        if token.kind == "(":
            # A number in round brackets is a step only of what has steps there; so is t behind a space.
            counts = [i for i in indices if i and (known or (i.variable == "t" and not token.space))]
            if not counts or marks.index is not None or known_function(marks.base) or (len(parts) > 1 and not known):
                return False
        elif token.space and len(parts) > 1:
            return False
        elif not any(indices):
            if token.space or token.separated or known_function(marks.base):
                return False
            raw = step_index(text[1:-1])
            if raw is None and not self.notation.layer(text[1:-1]):
                raise self.source.error(f"bad index {text[1:-1]!r}", self.tokens[self.at + 1], STEP_HINT)
            indices = [raw]
        self.at = stop
        for part, index in zip(parts, indices):
            layer = self.notation.layer(part)
            if layer is not None:
                self.layered(marks, layer, token)
            elif index is not None:
                self.step(marks, index, token)
            else:
                marks.labels.append(self.label(part, text, token))
        return True

    def entry_in_bracket(self, marks: Marks, token: Token, parts: list[str], stop: int) -> bool:
        """`p_t[y_t]`, `ps[t][targets[t], 0]`, `p[t, y[t]]`, and `p_t(y_t)`, which may be a product."""
        if token.space or marks.entry or known_function(marks.base) or (token.kind == "(" and marks.index is None):
            return False
        kind = EITHER if token.kind == "(" else ENTRY
        rest = [part for part in parts if not (part.isdigit() and len(parts) > 1 and marks.index)]
        steps = [part for part in rest if marks.index is None and self.notation.index(part, self.line.bound)]
        start, self.at = self.at, stop
        entry = self.picked(rest[-1], kind, token) if len(rest) - len(steps) == 1 and len(steps) < 2 else None
        if entry is None or (steps and not self.shared(marks, steps[0], token)):
            self.at = start
            return False
        marks.entry = entry
        return True

    def base(self) -> str:
        token = self.token
        if token.kind == "bad":
            raise self.source.bad(token)
        self.at += 1
        if token.kind == "accent":
            braced = self.token.kind == "{"
            self.at += braced
            if self.token.kind not in ("word", "accent"):
                raise self.source.error("expected a letter under this accent", token, r"write \hat{y}_t")
            inner = self.base()
            if braced and self.token.kind != "}":
                raise self.source.error("an accent covers one letter", token, r"write \hat{y}_t, not \hat{y_t}")
            self.at += braced
            return unicodedata.normalize("NFC", inner[:1] + token.text + inner[1:])
        return token.text

    def reduction(self, kind: str, first: Token) -> Token | None:
        """`sum_t`, `sum_{k=1}^{t}`; None if it is only a name such as sum_xy."""
        start = self.at
        script = self.script()
        chosen = CHOSEN.fullmatch(script)
        variable, _, low = (chosen[1] if chosen else script.strip("()")).partition("=")
        lower, upper = self.bound(low), None
        if not (len(variable) == 1 and variable.isalpha()) or (low and lower is None):
            if first.text in ("Σ", "Π") or not (low or first.whole):
                self.at = start
                return None
            if re.fullmatch(r"[^\W\d_]'+", variable):  # h' counts what h counts
                raise self.source.error(
                    f"{variable} cannot count: the mark belongs to the name of a value",
                    self.tokens[start],
                    f"let another letter count, such as k wherever {variable} stands",
                )
            raise self.source.error(f"bad bounds of a {kind}", self.tokens[start], "write sum_t, or sum_{k=1}^{t}")
        if self.token.kind in ("^", "sup"):
            token = self.token
            text = self.script().strip("()")
            upper = self.bound(text)
            if upper is None and not (variable != self.notation.step and COUNT.fullmatch(text)):
                raise self.source.error(f"bad upper bound of a {kind}", token, "write sum_{k=1}^{t}")
        last = self.tokens[self.at - 1]
        result = Token("reduce", kind, first.start, last.stop, first.space)
        result.reduce = (kind, "t" if variable == self.notation.step else variable, lower, upper)
        if chosen and result.reduce[1] == "t":
            result.steps = tuple(dict.fromkeys(map(int, chosen[2].split(","))))
        elif chosen:
            raise self.source.error(f"a {kind} over chosen {variable}", first, "write its terms one by one")
        return result

    def unbounded(self, kind: str, first: Token) -> Token:
        """`Σ δ_t h_{t-1}ᵀ`, a sum that says no steps: over all."""
        if kind == "prod":
            raise self.source.error("a product over which steps?", first, "write its bounds, as in ∏_{j=k+1}^{t}")
        result = Token("reduce", kind, first.start, first.stop, first.space)
        result.reduce = (kind, "t", None, None)
        return result

    def bound(self, text: str) -> Index | None:
        """The step at which a sum begins or ends."""
        text = re.sub(r"[|{}]", "", text)  # |V|: the size of V
        raw = step_index("T" if re.fullmatch(r"T_\w", text) else text)  # T_x: the length of x
        return raw and (self.notation.index(text, {str(raw.variable)}) or raw)


def decide_steps(lines: list[Line]) -> set[str]:
    """Names whose numeric subscript is a step: `h_3` where h_t stands too, or where `h_3 = …`, `h_2 = …` stand."""
    indexed: set[str] = set()
    numbers: dict[str, set[int]] = {}
    on_the_left: set[str] = set()
    per_line: list[set[str]] = []
    for line in lines:
        here: set[str] = set()
        bare = all(token.kind != "=" for token in line.tokens)
        left = True
        for token, after in pairwise(line.tokens):
            left &= token.kind != "="
            if token.name is None:
                continue
            if token.name.index and token.name.index.variable:
                indexed.add(token.name.name)
            elif token.name.index:
                numbers.setdefault(token.name.name, set()).add(token.name.index.offset)
            base = token.undecided[0] if token.undecided else token.name.name
            if token.undecided and not (after.kind == "(" and (line.latex or not after.space)):
                numbers.setdefault(base, set()).add(token.undecided[1])
                here.add(base)
            # A lone `J(y_2, y_3)` names steps as well: its arguments are what is counted.
            if left and (not bare or base[0].islower()) and token.name.index is None:
                on_the_left.add(base)
        per_line.append(here)
    stepped = {base for base in on_the_left if len(numbers.get(base, ())) > 1}
    for here in per_line:
        if here & stepped:
            # Beside h_3 = f(x_3, h_2, …), x_3 counts steps too; W_1 and b_1 are parameters by custom.
            stepped = stepped | {
                base for base in here if base in on_the_left or (base[0].islower() and base[0] not in "bwuvθ")
            }
    return indexed | stepped
