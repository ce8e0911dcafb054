"""Lines of programs: NumPy, PyTorch, TensorFlow, Julia and MATLAB in the signs of the language.

`plain` goes over the tokens of a text once, before equations are cut. It drops the modules (`np.`, `torch.`, `self.`),
turns calls that are operators (`np.dot(A, h)`, `A.dot(h)`, `**`) into these, lists of parts (`np.concatenate([h, x])`)
into stacks, an index such as `[t, :]` or `(:,t)` into a step, and what is said about axes into nothing. Steps that a
program has by its order alone (`h = f(h)`, `h_prev`) are supplied later, in `meaning`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from .latex import Source, Token, words
from .notes import Note
from .vocabulary import known_function

__all__ = ["plain"]

MODULES = frozenset(words("np numpy torch tf jnp jax nn functional linalg math F K keras ops lax activations self"))
PRODUCTS = dict.fromkeys(words("dot matmul mm mv bmm matvec inner vdot"), "@")
OPERATORS = PRODUCTS | {
    "multiply": "*", "mul": "*", "add": "+", "subtract": "-", "divide": "/", "div": "/", "power": "^", "pow": "^",
}  # fmt: skip
STACKS = frozenset(words("concatenate concat cat hstack vstack append"))
NUMBERS = {"zeros": "0", "zeros_like": "0", "ones": "1", "ones_like": "1"}
ALONG = frozenset(words("axis dim keepdims keepdim dtype"))
"""What NumPy is told about axes and kinds of numbers, of which equations for one example know nothing."""
REDUCTIONS = frozenset(words("softmax log_softmax sum mean norm max min"))
SHORT_NAMES = {"th": "tanh", "tg": "tan"}
"""Functions by the names that they have in some countries; `th` is no word of its own elsewhere."""
_SHORT = 64  # tokens: what a layer is made with
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")


@dataclass(slots=True)
class _Bracket:
    """An open bracket, and what becomes of it."""

    closing: str | None = None  # the signs that stand for its end; None for what is typed
    comma: str = ","  # the signs that stand for its first comma
    bias: str = ","  # the signs that stand for its second comma
    called: bool = False  # whether it holds the arguments of a call
    axis: bool = False  # whether a number after its comma is an axis
    listed: bool = False  # whether it only holds the list that is stacked


def plain(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Note]]:
    """The tokens with the signs of the language, and what was left out or assumed."""
    tokens, notes = _without_room(source, tokens)
    reader = _Reader(source, tokens)
    return reader.run(), [*notes, *reader.notes]


def _without_room(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Note]]:
    """The tokens without lists that only make room for values, `h = [0] * (T + 1)` before `h[t] = …`."""
    if not any(a.kind == "]" and b.kind == "*" for a, b in pairwise(tokens)):
        return tokens, []
    filled = {a.text for a, b in pairwise(tokens) if a.kind == "word" and b.kind == "[" and not b.space}
    result: list[Token] = []
    notes: list[Note] = []
    start = 0
    for i, token in enumerate(tokens):
        if token.kind not in ("newline", "break", "end"):
            continue
        line, start = tokens[start:i], i + 1
        kinds = [t.kind for t in line[:6]]
        room = kinds in (["word", "=", "[", "number", "]", "*"], ["word", "=", "[", "word", "]", "*"])
        if room and line[0].text in filled and line[3].text in ("0", "None", "0.0", "0."):
            what = source.text[line[0].start : line[-1].stop]
            notes.append(Note.at(f"{what} was left out: it makes room for the values",
                                 source.span(line[0].start, line[-1].stop)))  # fmt: skip
            line = []
        result += [*line, token]
    return result, notes


class _Reader:
    """One pass over the tokens of a text, the last of which is of kind "end"."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source, self.tokens, self.at = source, tokens, 0
        self.made: list[Token] = []
        self.open: list[_Bracket] = []
        self.notes: list[Note] = []
        self.modules = False
        self.equated = False  # whether the equation here has its sign
        self.dotted = False  # `.*`, `tanh.(…)`, `(:,t)`: there `*` is the matrix product
        self.stars: list[Token] = []

    def kinds(self, count: int, first: int = 0) -> list[str]:
        """The kinds of the next tokens that follow one another without a space."""
        tokens = self.tokens[self.at + first : self.at + first + count]
        return [t.kind if i == 0 or not t.space else " " + t.kind for i, t in enumerate(tokens)]

    def put(self, signs: str, token: Token) -> None:
        """Signs in the place of a token."""
        for sign in signs:
            kind = "number" if sign.isdigit() else sign
            self.made.append(Token(kind, sign, token.start, token.stop, token.space and sign is signs[0]))

    def note(self, sentence: str, first: Token, last: Token) -> None:
        if not any(sentence in note for note in self.notes):
            self.notes.append(Note.at(sentence, self.source.span(first.start, last.stop)))

    def run(self) -> list[Token]:
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            match token.kind:
                case "word":
                    self.word(token)
                case ".":
                    self.dot(token)
                case "(" | "[" | "{":
                    self.opening(token)
                case ")" | "]" | "}":
                    closing = self.open.pop().closing if self.open else None
                    if closing is None:
                        self.made.append(token)
                    else:
                        self.put(closing, token)
                case ",":
                    self.comma(token)
                case "<" if self.kinds(1) == ["-"] and not (self.tokens[self.at].space or self.equated or self.open):
                    self.put("=", token)  # `h[t] <- …` of R
                    self.at += 1
                    self.equated = True
                case "*" if self.kinds(1) == ["*"] and not self.tokens[self.at].space:
                    self.put("^", token)
                    self.at += 1
                case _:
                    self.equated = token.kind == "=" or (self.equated and token.kind not in ("newline", "break", ";"))
                    if token.text == "*":
                        self.stars.append(token)
                    self.made.append(token)
        if self.dotted and self.stars:
            self.note("* was read as the matrix product, as in Julia and MATLAB", self.stars[0], self.stars[0])
            for star in self.stars:
                star.kind = "·"
        return self.made

    def word(self, token: Token) -> None:
        """A word: a module, a call of one, or anything else."""
        first = token
        if token.text in SHORT_NAMES and self.kinds(1) == ["("] and not self.tokens[self.at].space and self.equated:
            self.note(f"{token.text} was read as {SHORT_NAMES[token.text]}", token, token)
            first = token = replace(token, text=SHORT_NAMES[token.text], whole=True)
        while token.text in MODULES and self.kinds(2) == [".", "word"] and not self.owns(token):
            token = self.tokens[self.at + 1]
            self.at += 2
        if token is first and not (token.text == "matmul" and self.kinds(1) == ["("]):
            self.made.append(token)
            return
        if not self.modules and token is not first:
            self.note(f"{first.text}. was left out: functions and parameters go by their names alone", first, first)
        self.modules |= token is not first
        start = self.at
        text = token.text
        while self.kinds(2) == ["_", "word"] and not self.tokens[self.at].space:
            text += "_" + self.tokens[self.at + 1].text
            self.at += 2
        place = Token("word", text, first.start, self.tokens[self.at - 1].stop, first.space)
        if text == "r" and self.kinds(2) == ["_", "["]:
            self.at += 1
        elif self.kinds(1) != ["("]:
            self.at = start
            self.made.append(Token("word", token.text, first.start, token.stop, first.space, token.latex, token.whole))
        else:
            self.call(text, place)

    def owns(self, token: Token) -> bool:
        """Whether the dot here belongs to what a capital names: `K.dot(h)`; the product of a module has two factors."""
        following = self.tokens[self.at + 1 : self.at + 3]
        if self.tokens[self.at].space or len(token.text) > 1 or following[-1].kind != "(":
            return self.tokens[self.at].space
        if following[0].text not in PRODUCTS:
            return following[0].text == "t"
        depth, at = 1, self.at + 3
        while depth and self.tokens[at].kind != "end":
            depth += (self.tokens[at].kind in OPENING) - (self.tokens[at].kind in CLOSING)
            if depth == 1 and self.tokens[at].kind == ",":
                return False
            at += 1
        return True

    def call(self, text: str, token: Token) -> None:
        """A function of a module, with its bracket."""
        self.at += 1
        if text in NUMBERS:
            self.put(NUMBERS[text], token)
            self.skip()
        elif text in OPERATORS:
            self.put("((", token)
            self.open.append(_Bracket("))", f"){OPERATORS[text]}(", called=True))
        elif text == "linear":
            self.put("((", token)
            biased = self.commas() > 1
            self.open.append(_Bracket("))" if biased else ")ᵀ)", ")@(", called=True, bias=")ᵀ+(" if biased else ","))
        elif text in STACKS:
            listed = self.kinds(1)[0] in ("(", "[")
            self.put("" if listed else "[", token)
            self.open.append(_Bracket("" if listed else "]", called=True, listed=listed))
        elif text == "square":
            self.put("((", token)
            self.open.append(_Bracket(")^2)", called=True))
        else:
            self.made_with()
            name = Token("word", text, token.start, token.stop, token.space, whole=known_function(text) is not None)
            self.made.append(name)
            self.put("(", self.tokens[self.at - 1])
            self.made[-1].space = False
            self.open.append(_Bracket(")", called=True, axis=text in REDUCTIONS))

    def made_with(self) -> None:
        """`nn.Linear(n, n)(h)`: what a layer is made with is left out, and its bracket with the argument follows."""
        first, depth, stop = self.tokens[self.at - 1], 1, self.at
        while depth and stop < min(self.at + _SHORT, len(self.tokens) - 2):
            depth += (self.tokens[stop].kind in OPENING) - (self.tokens[stop].kind in CLOSING)
            stop += 1
        after, last = self.tokens[stop], self.tokens[stop - 1]
        if depth == 0 and after.kind == "(" and not after.space:
            what = self.source.text[first.start : last.stop]
            self.note(f"{what} was left out: it says how the layer is made, not what it is applied to", first, last)
            self.at = stop + 1

    def commas(self) -> int:
        """How many commas the bracket that is open here has of its own."""
        depth, count, at = 1, 0, self.at
        while depth and self.tokens[at].kind != "end":
            depth += (self.tokens[at].kind in OPENING) - (self.tokens[at].kind in CLOSING)
            count += depth == 1 and self.tokens[at].kind == ","
            at += 1
        return count

    def skip(self) -> None:
        """Leave out all to the end of the bracket that is open here, and that end."""
        depth = 1
        while depth and self.tokens[self.at].kind != "end":
            depth += (self.tokens[self.at].kind in OPENING) - (self.tokens[self.at].kind in CLOSING)
            self.at += 1

    def dot(self, token: Token) -> None:
        """A dot: of Julia before an operator or a bracket, of a method, of a number, or of the language."""
        after = self.tokens[self.at]
        before = self.made[-1] if self.made else token
        if after.kind in ("+", "-", "*", "/", "^") and not after.space:
            self.dotted |= before.kind != "number" or token.space
            if after.kind == "*":
                self.put("*", after)
                self.at += 1
        elif after.kind == "(" and before.kind == "word" and not (after.space or token.space):
            self.dotted = True
        elif self.kinds(2) == ["word", "("] and not after.space and before.kind in ("word", "ᵀ", "'", *CLOSING):
            self.method(after.text, token)
        else:
            self.made.append(token)

    def method(self, text: str, token: Token) -> None:
        """`A.dot(h)`, `h.tanh()`, `W.t()`: what stands before the dot is the first argument."""
        if text in OPERATORS:
            self.at += 2
            first = self.argument()
            start = self.made[first]
            self.made.insert(first, Token("(", "(", start.start, start.stop, start.space))
            self.put(OPERATORS[text] + "(", token)
            self.open.append(_Bracket("))", called=True))
        elif text in ("t", "transpose"):
            self.at += 2
            self.skip()
            self.put("ᵀ", token)
        elif text in ("float", "astype", "double"):
            self.at += 2
            self.skip()
        elif known_function(text) and self.tokens[self.at + 2].kind == ")":
            word = self.tokens[self.at]
            first = self.argument()
            start = self.made[first]
            self.made[first:first] = [
                Token("word", text, word.start, word.stop, start.space, whole=True),
                Token("(", "(", word.start, word.stop),
            ]
            self.at += 3
            self.put(")", token)
        else:
            self.made.append(token)

    def argument(self) -> int:
        """Where the operand that ends here begins: a name with its scripts and indices, a call, or a bracket."""
        at, depth = len(self.made) - 1, 0
        while at > 0:
            kind, before = self.made[at].kind, self.made[at - 1].kind
            depth += (kind in CLOSING) - (kind in OPENING)
            joined = not self.made[at].space and (
                (kind in OPENING and before in ("word", *CLOSING)) or "_" in (kind, before) or kind in ("ᵀ", "'")
            )
            if depth == 0 and not joined:
                break
            at -= 1
        return at

    def opening(self, token: Token) -> None:
        """A bracket: an index with all of an axis, a list to be stacked, or any other."""
        stop = next((i for i, t in enumerate(self.tokens[self.at : self.at + 12]) if t.kind in (*CLOSING, *OPENING)), 0)
        inside = self.tokens[self.at : self.at + stop]
        axes = "".join(t.kind for t in inside if t.kind in (":", ",", "."))
        step = [t for t in inside if t.kind not in (":", ",", ".")]
        before = self.made[-1].kind if self.made else ""
        if (
            step
            and (":" in axes or "..." in axes)
            and "," in axes
            and [t.kind for t in step] in (["word"], ["word", "-", "number"], ["word", "+", "number"])
            and before == "word"
            and token.kind != "{"
            and self.tokens[self.at + stop].kind in CLOSING
        ):
            self.dotted |= token.kind == "("
            self.put("[", token)
            self.made[-1].space = False
            self.made += step
            self.put("]", self.tokens[self.at + stop])
            self.at += stop + 1
            return
        stacked = bool(self.open and self.open[-1].listed and self.tokens[self.at - 2].kind == "(")
        if stacked:
            self.put("[", token)
        else:
            self.made.append(token)
        called = token.kind == "(" and before == "word" and not token.space
        self.open.append(_Bracket("]" if stacked else None, called=called))

    def comma(self, token: Token) -> None:
        """A comma: between operands, before an axis, or before a word with its value."""
        bracket = self.open[-1] if self.open else None
        stop = next(
            (i for i, t in enumerate(self.tokens[self.at : self.at + 8]) if t.kind in (",", *CLOSING, *OPENING)), 0
        )
        inside = self.tokens[self.at : self.at + stop]
        equals = next((i for i, t in enumerate(inside) if t.kind == "="), 0)
        named = equals > 0 and all(t.kind in ("word", "_") for t in inside[:equals])
        number = [t.kind for t in inside] in (["number"], ["-", "number"])
        if bracket is None or not bracket.called:
            self.made.append(token)
        elif bracket.listed or (bracket.axis and number) or (named and inside[0].text in ALONG):
            last = self.tokens[self.at + stop - 1]
            what = self.source.text[self.tokens[self.at].start : last.stop].strip()
            self.note(f"{what} was left out: the equations are for one example", self.tokens[self.at], last)
            self.at += stop
        elif named:
            self.made.append(token)
            self.at += equals + 1
        elif bracket.comma != ",":
            self.put(bracket.comma, token)
            bracket.comma, bracket.bias = bracket.bias, ","
        else:
            self.made.append(token)
