"""The precedence parser: the tokens of one equation become a tree."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

from ..errors import BPTTError, expect
from .bars import plain_brackets
from .chain_rule import joined, notated
from .choices import chosen
from .code import plain
from .conditions import refuse_conditions
from .counts import without_counts
from .custom import LOSS_WORDS, PLAIN, Custom
from .euler import differential, euler_steps
from .foreign import REMAINDER, remainder
from .given import given_functions
from .glued import cut_products, spaced_labels
from .joins import settled
from .latex import GREEK, MAX_CHARACTERS, Source, Token, scan
from .letters import decide_latex, left_words, split_letters
from .lines import BINARY, CLOSING, MAX_HEIGHT, MAX_NESTING, MAX_NODES, NAME_A_PART, Line, cut
from .names import Names, decide_steps
from .notation import survey
from .notes import Note
from .primes import transposes
from .products import factors
from .ranges import without_ranges
from .remarks import equations_of
from .rewrites import raised
from .slips import slips
from .styles import tell_styles_apart
from .sunken import sunken_steps
from .syntax import Binary, Call, Equation, Expr, Index, Name, Negate, Number, Partial, Reduce, Span, Stack, Transposed
from .text import brief, show
from .trees import depends, names_in, rebuild, walk
from .vocabulary import known_function, known_functions
from .words import FACTORS, LETTERS, LOSS_NAMES, QUANTITIES, calligraphic, sounds_like_a_function, upright
from .wrapping import unwrap

__all__ = ["POWER", "STARTS", "Parser", "Reader", "derivatives", "equation", "left_side"]

POWER = {"+": 10, "-": 10, "*": 20, "/": 20, "@": 30, "·": 30, "⊗": 30, "^": 40, "ᵀ": 40}
PRODUCTS = {"·", "*", "@"}
SQUASHING = frozenset(("tanh", "sigmoid", "relu", "softmax"))
CALL = 400  # tokens: what is looked at behind a bracket
STARTS = {"name", "(", "[", "{", "frac", "sqrt", "reduce", "partial", "‖"}


class Reader:
    """What the equations of one text share."""

    def __init__(
        self, text: str, expression: bool = False, called: frozenset[str] = frozenset(), custom: Custom = PLAIN
    ) -> None:
        expect(text, str, "a recurrence", "write the equations as text, or a Python function of one step")
        if len(text) > MAX_CHARACTERS:
            start = Span(1, 0, 1)
            raise BPTTError(
                f"the text is too large: {len(text)} characters",
                f"the limit is {MAX_CHARACTERS}",
                text=text[:200],
                span=start,
            )
        self.source = Source(text)
        self.nodes = 0
        self.called = called  # names that are known to be functions
        self.notes: list[str] = []
        bare, notes = unwrap(text)
        self.notes += notes
        bare, notes, counts = without_counts(bare)
        self.notes += notes
        self.layers = min(counts.values(), default=None)
        bare, notes = without_ranges(bare)
        self.notes += notes
        tokens = scan(Source(bare))
        if custom.gradients:
            tokens, notes = notated(self.source, tokens, custom)
            self.notes += notes
        tokens, notes = slips(self.source, tokens)
        self.notes += notes
        tokens, notes = plain(self.source, tokens)
        self.notes += notes
        tokens, notes = chosen(self.source, tokens)
        self.notes += notes
        refuse_conditions(self.source, tokens)
        tokens, notes = settled(self.source, tokens)
        self.notes += notes
        self.lines, notes = equations_of(self.source, cut(self.source, tokens), expression)
        self.notes += notes
        if not any(line.tokens for line in self.lines):
            hint = "write an equation such as h[t] = tanh(W x[t])"
            raise BPTTError("there is no equation in this text", hint, text=text, span=Span(1, 0, 1))
        lines = [line for line in self.lines if line.tokens]
        decide_latex(lines)
        self.notes += spaced_labels(self.source, lines)
        whole = left_words(lines) | custom.words
        for line in lines:
            line.tokens = plain_brackets(self.source, line.tokens)
            line.tokens = split_letters(line, whole)
        self.notes += sunken_steps(self.source, lines)
        self.notes += transposes(self.source, lines)
        self.notes += cut_products(self.source, lines)
        self.custom = custom
        self.notation = survey(lines, frozenset(counts), custom.step, custom.names, custom.parameters)
        if self.notation.step not in ("t", custom.step) and (place := self.notation.place):
            span = self.source.span(place.start, place.stop)
            step = self.notation.step
            self.notes.append(Note.at(f"{step} counts the steps: {step} is read as t, {step}-1 as t-1", span))
        for base in sorted(self.notation.numbered):
            self.notes.append(f"a number at the top of {base} was read as a label and no power: {base}^1 is {base}1")
        if self.notation.last not in ("", "T"):
            self.notes.append(f"{self.notation.last}, where a sum over the steps ends, was read as their number T")
        for line in lines:
            line.tokens = Names(self.source, line, self.notation).run()
        self.notes += tell_styles_apart(self.source, lines)
        stepped = decide_steps(self.lines) | (custom.names - custom.parameters if custom.gradients else set())
        for token in (token for line in self.lines for token in line.tokens):
            if token.undecided and token.undecided[0] in stepped and token.name:
                base, number = token.undecided
                token.name = replace(token.name, name=base, index=Index(None, number))
        for line in lines:
            line.tokens = joined(self.source, line.tokens)
        pairs = [pair for line in self.lines for pair in pairwise(line.tokens)]
        self.sigmoid = any(token.text == "σ" and after.kind in ("(", "[") for token, after in pairs)
        self.given = given_functions([line for line in self.lines if line.tokens])
        # Names that stand somewhere as a factor are no functions there: α (x + y) after 1 − α.
        self.factors = Counter(
            token.text
            for line in self.lines
            if not any(given.line is line for given in self.given)
            for token, after in pairwise(line.tokens)
            if token.name and token.name.index is None and after.kind != "("
        )


class Parser:
    """Precedence parser for one equation."""

    def __init__(self, reader: Reader, line: Line, tokens: list[Token] | None = None) -> None:
        self.reader, self.source, self.line = reader, reader.source, line
        self.tokens = tokens if tokens is not None else line.tokens
        self.at = 0
        self.depth = 0
        self.norms = 0
        self.blocks: dict[int, tuple[Stack, list[list[Expr]]]] = {}  # matrices of blocks that no vector has met yet

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def span(self, start: Token) -> Span:
        return self.source.span(start.start, self.tokens[max(0, self.at - 1)].stop)

    def node(self) -> None:
        self.reader.nodes += 1
        if self.reader.nodes > MAX_NODES:
            raise self.source.error(f"too many terms: more than {MAX_NODES}", self.token, "split the text")

    def whole(self) -> Expr:
        """An expression up to the end."""
        first = self.token
        expr = self.expression(0)
        if self.token.kind != "end":
            raise self.unexpected()
        if any(len(rows) > 1 for _, rows in self.blocks.values()):
            raise self.source.error(
                "a matrix of several rows and columns stands for its product with a stack of vectors",
                first,
                "write one name for the matrix, or its rows as equations of their own",
            )
        if max(depth for _, depth in walk(expr)) > MAX_HEIGHT:
            raise self.source.error(f"more than {MAX_HEIGHT} operations in a row", first, NAME_A_PART)
        return expr

    def unexpected(self) -> BPTTError:
        token = self.token
        if token.kind == "=":
            return self.source.error("a second '=' in one equation", token, "put each equation on a line of its own")
        if token.kind == "∂":
            return self.source.error(
                "a partial derivative cannot stand here", token, "write dE/dW_h as a name on the left of '='"
            )
        what = "a number" if token.kind == "number" else repr(token.text)
        row = self.source.span(token.start, token.stop).column
        before = self.source.text[token.start - row : token.start].rstrip()
        if token.kind == "number" and before.endswith(" mod"):
            after = self.source.text[token.start :].split("\n", 1)[0]
            return self.source.error(REMAINDER, token, remainder(before[:-4], after))
        return self.source.error(
            f"expected an operator or the end of the equation, found {what}", token, "write + - * / @ or ∘ between"
        )

    def missing(self) -> BPTTError:
        token = self.token
        if token.kind == "∂":
            return self.unexpected()
        before = self.tokens[self.at - 1] if self.at else None
        place = token if token.kind != "end" or before is None else before
        if before is None or (token.kind in BINARY and before.kind not in BINARY):
            what = f"an operand is missing before {token.text!r}"
        else:
            what = f"an operand is missing after {before.text!r}"
        hint = "write a name, a number or an expression in brackets there"
        if before is not None and token.kind in BINARY and before.kind in BINARY:
            hint = f"{hint}, or leave the second sign out: write {self.source.line_with((token.start, token.stop, ''))}"
        return self.source.error(what, place, hint)

    def expect(self, kind: str) -> None:
        if self.token.kind != kind:
            if self.token.kind == "end":
                raise self.missing()
            raise self.unexpected()
        self.at += 1

    def expression(self, least: int) -> Expr:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.source.error(f"expressions nested deeper than {MAX_NESTING}", self.token, NAME_A_PART)
        first = self.token
        left = self.continued(self.operand(least), first, least)
        self.depth -= 1
        return left

    def juxtaposed(self) -> bool:
        """Whether an operand begins here without an operator before it."""
        return self.token.kind in STARTS and not (self.token.kind == "‖" and self.norms)

    def continued(self, left: Expr, first: Token, least: int) -> Expr:
        """What begins with `first` and was read as `left` so far, with all operators that bind it."""
        while True:
            kind = self.token.kind
            if kind == "entry":
                left = self.entry(left)
                continue
            juxtaposed = self.juxtaposed()
            power = 30 if juxtaposed else POWER.get(kind, -1)
            # ᵀ after an exponent belongs to the whole power.
            if power < least or power < 0 or (kind == "ᵀ" and isinstance(left, Number) and left.value != 1):
                break
            self.node()
            self.at += not juxtaposed
            if kind == "ᵀ":
                left = Transposed(left, self.span(first))
            else:
                right = self.below() if kind == "/" else self.expression(power if kind == "^" else power + 1)
                span = self.span(first)
                if kind == "⊗":
                    left = Call("outer", (left, right), (), span)
                elif product := self.blocks_times(left, right):
                    left = product
                else:
                    left = Binary(" " if juxtaposed else BINARY[kind], left, right, span)
        return left

    def entry(self, left: Expr) -> Expr:
        """`p_t` with the class behind it that picks one of its entries."""
        token = self.token
        assert token.name is not None
        self.node()
        self.at += 1
        return Call(token.text, (left, token.name), (), left.span)

    def below(self) -> Expr:
        """What stands below a slash: `a / b c` is a / (b c), as long as nothing closes the fraction.

        A bracket closes it, above which it ends or before which it stands, an operator, a number, what is written
        close together, and in LaTeX, where spaces mean nothing, a name without a step before one that has a step:
        `1/(1 + a) b`, `Δt / τ (a + b)`, `a/b · c`, `η / 2 x[t]`, `Δt/τ v` and `\\alpha / \\tau h_{t-1}` are fractions
        times what follows.
        """
        slash, first = self.tokens[self.at - 1], self.token
        left = self.expression(31)
        after = self.token
        if not self.juxtaposed():
            return left
        close = first.kind == "name" and after.space and not (slash.space or first.space)
        close |= first.kind == "number" or (self.line.latex and _stepped(after) > _stepped(first))
        # 1 / N W h: nothing is divided by a matrix
        close |= first.name is not None and not _stepped(first) and _is_matrix(after)
        if not (close or after.kind == "(" or self.tokens[self.at - 1].kind == ")"):
            return self.continued(left, first, 30)
        written = self.source.text[first.start : self.tokens[self.at - 1].stop]
        sentence = f"/{written} {after.text}… is read as a fraction times what follows it"
        self.reader.notes.append(Note.at(sentence, self.source.span(slash.start, self.tokens[self.at - 1].stop)))
        return left

    def operand(self, least: int) -> Expr:
        self.node()
        token = self.token
        self.at += 1
        match token.kind:
            case "number":
                return self.number(token)
            case "-":
                return Negate(self.expression(max(30, least)), self.span(token))
            case "(" | "{":
                before = self.tokens[max(self.at - 2, 0)]
                inner = self.expression(0)
                if before.kind in PRODUCTS and token.kind == "(" and self.token.kind == ",":
                    return self.tuple_of(before, token, inner)
                self.expect(CLOSING[token.kind])
                return inner
            case "[":
                return self.stack(token)
            case "‖":
                self.norms += 1
                inner = self.expression(0)
                self.expect("‖")
                self.norms -= 1
                return Call("norm", (inner,), (), self.span(token))
            case "frac":
                top, bottom = self.expression(50), self.expression(50)
                return Binary("/", top, bottom, self.span(token))
            case "sqrt":
                if self.token.kind == "[" and token.latex:
                    raise self.source.error(
                        "a root with an order of its own is not used here", self.token, "write a power: (…)^(1/3)"
                    )
                return Call("sqrt", (self.expression(50),), (), self.span(token))
            case "reduce":
                return self.reduction(token)
            case "name":
                return self.name(token)
            case "partial" if token.partial is not None:
                return token.partial
        self.at -= 1
        raise self.missing()

    def stack(self, token: Token) -> Expr:
        """`[a; b]`, `[a, b]`, or a matrix of LaTeX, whose cells `&` separates."""
        rows = [[self.expression(0)]]
        while self.token.kind in (";", ",", "&"):
            if self.token.kind == "&":
                self.at += 1
                rows[-1].append(self.expression(0))
            else:
                self.at += 1
                rows.append([self.expression(0)])
        if self.token.kind == "number" and isinstance(rows[-1][-1], Number):
            raise self._matrix(token)  # [0 1; 1 0] of MATLAB
        self.expect("]")
        items = [item for row in rows for item in row]
        if len(items) == 1:
            return items[0]
        stack = Stack(tuple(items), self.span(token))
        if all(map(_is_row_of_numbers, items)) or (self.juxtaposed() and all(map(_is_row_of_letters, items))):
            raise self._matrix(token)
        if len(rows[0]) > 1:
            if any(len(row) != len(rows[0]) for row in rows):
                raise self.source.error(
                    "the rows of this matrix have different lengths", token, "write as many & in each"
                )
            self.blocks[id(stack)] = (stack, rows)
        return stack

    def _matrix(self, token: Token) -> BPTTError:
        return self.source.error(
            "a matrix written out entry by entry is not read here",
            token,
            "write one name for the matrix, such as A, and give its entries as data",
        )

    def tuple_of(self, before: Token, token: Token, first: Expr) -> Expr:
        """`W · (h, x)`: vectors in round brackets that a matrix multiplies are a stack."""
        items = [first]
        while self.token.kind == ",":
            if before.kind == "*":
                hint = "write W @ [a; b] for the product of a matrix with both"
                raise self.source.error("values in brackets are multiplied with * here", self.token, hint)
            self.at += 1
            items.append(self.expression(0))
        self.expect(")")
        span = self.span(token)
        self.reader.notes.append(
            Note.at("a product with values in round brackets was read with their stack, [a; b]", span)
        )
        return Stack(tuple(items), span)

    def blocks_times(self, left: Expr, right: Expr) -> Expr | None:
        """`[A, B] [h; x]` is A h + B x; a matrix of several rows of blocks gives a stack of such sums."""
        if id(left) not in self.blocks or not isinstance(right, Stack):
            return None
        _, rows = self.blocks[id(left)]
        if len(rows[0]) != len(right.items):
            return None
        del self.blocks[id(left)]
        sums: list[Expr] = []
        for row in rows:
            products = [Binary(" ", a, b, left.span) for a, b in zip(row, right.items, strict=True)]
            total: Expr = products[0]
            for product in products[1:]:
                total = Binary("+", total, product, left.span)
            sums.append(total)
        return sums[0] if len(sums) == 1 else Stack(tuple(sums), left.span)

    def number(self, token: Token) -> Expr:
        value = float(token.text)
        if not math.isfinite(value):
            raise self.source.error("this number is too large", token, "use a number below 1e308")
        result = Number(value, self.source.span(token.start, token.stop))
        tokens = self.tokens
        # `1/2 x` is a half of x, although juxtaposition binds tighter than `/`; not so after another `/`.
        if [t.kind for t in tokens[self.at : self.at + 2]] == ["/", "number"] and (
            self.at < 2 or tokens[self.at - 2].kind != "/"
        ):
            after = tokens[self.at + 2].kind
            if after in STARTS:
                self.at += 1
                below = self.token
                self.at += 1
                return Binary(
                    "/", result, Number(float(below.text), self.source.span(below.start, below.stop)), self.span(token)
                )
        # `1/T sum_t …` is a mean: a sum is divided by no name before it
        if [t.kind for t in tokens[self.at : self.at + 3]] == ["/", "name", "reduce"]:
            self.at += 2
            below = tokens[self.at - 1]
            assert below.name is not None
            return Binary("/", result, below.name, self.span(token))
        return result

    def reduction(self, token: Token) -> Expr:
        assert token.reduce is not None
        kind, variable, lower, upper = token.reduce
        at, opened = self.at, self.tokens[max(self.at - 2, 0)].kind in ("(", "{")
        body = self.expression(20)
        # Brackets say what belongs to a product: around its body, or around nothing but the product.
        bracketed = opened and self.token.kind in (")", "}")
        begin = self.source.span(self.tokens[at].start, self.tokens[at].stop)
        outside: list[Binary] = []
        # ∏_j A_j B: the product ends with its last factor that depends on j (if there is one).
        while (
            kind == "prod"
            and not bracketed
            and isinstance(body, Binary)
            and (body.span.line, body.span.column) == (begin.line, begin.column)
            and not depends(body.right, variable)
            and depends(body.left, variable)
        ):
            if body.operator not in (" ", "@", "*", "/"):
                break
            outside.append(body)
            body = body.left
        result: Expr = Reduce(kind, variable, lower, upper, body, self.span(token))
        if token.steps:
            result = at_steps(kind, body, token.steps, self.span(token))
        for factor in reversed(outside):
            result = Binary(factor.operator, result, factor.right, factor.span)
        return result

    def name(self, token: Token) -> Expr:
        name = token.name
        assert name is not None
        self.refuse_words(token, name)
        function = known_function(name.name) if name.index is None and name.block is None else None
        if function and self.raised():
            return self.power_of(function, token)
        if self.sums_entries(token):
            return self.sum_of_entries(token)
        if (self.token.kind == "[" and function) or (self.token.kind == "(" and (function or self.applies(token))):
            return self.call(function or name.name, token)
        listed = {self.token.kind, self.tokens[self.at - 2].kind} <= {"[", "]", ";", ","} and self.at > 1
        if function and listed and name.index is None:
            return Name(function, None, name.span)  # in a column of functions
        if function is None or (name.name in ("σ", "id") and not self.line.latex and self.token.kind not in STARTS):
            return name
        if (self.line.latex or token.latex) and self.token.kind in STARTS | {"number"}:
            bracketed = self.token.kind in ("(", "[", "{")
            operand = self.expression(30)
            if name.name == "σ" and not bracketed:
                return self.without_brackets(name, operand)
            if not bracketed and self.token.kind in ("+", "-") and function in SQUASHING:
                sentence = (
                    f"{name.name} without brackets was read as {name.name}({brief(operand)}), without what follows"
                )
                self.reader.notes.append(Note.at(f"{sentence}; write brackets around the whole sum", name.span))
            return Call(function, (operand,), (), self.span(token))
        if name.name == "σ" and self.token.kind in PRODUCTS and not self.reader.sigmoid:
            sentence = "σ before a sign of a product was read as a parameter; write \\sigma(x) for the sigmoid"
            self.reader.notes.append(Note.at(sentence, name.span))
            return name
        argument, behind = self.token, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if function == "log" and argument.name and behind.kind not in STARTS | {"^", "["}:
            self.at += 1
            return Call(function, (argument.name,), (), self.span(token))  # y_t^T log ŷ_t
        shown = f"{function}({brief(argument.name)})" if argument.name else f"{function}(…)"
        raise self.source.error(f"{name.name} is a function: it needs an argument", token, f"write {shown}")

    def sums_entries(self, token: Token) -> bool:
        """Is this a sum sign without an index: `\\sum (y_t - d_t)^2`, or a Σ that stands like one in a loss?"""
        if self.token.kind not in STARTS | {"-", "number"}:
            return False
        if token.text == "sum":
            sign = self.source.text.startswith(("\\sum", "∑"), token.start)
            return sign or (self.token.space and self.powered())
        if token.text != "Σ" or self.token.kind in ("-", "number"):
            return False
        before = [t.kind for t in self.tokens[: self.at - 1]]
        ahead = not before or before[-1] in (*BINARY, "number", "(", "[", "{", "}") or before[-2:] == ["number", ")"]
        head = self.line.tokens[0].name
        return ahead and ((head is not None and head.name in LOSS_NAMES) or self.powered())

    def powered(self) -> bool:
        """Does a power stand behind the bracket here?"""
        at = self.closing()
        return self.token.kind == "(" and at > self.at and self.tokens[at].kind == "^"

    def closing(self) -> int:
        """The place behind the bracket that opens here."""
        depth, at = 0, self.at
        while at < len(self.tokens) - 1:
            depth += (self.tokens[at].kind in CLOSING) - (self.tokens[at].kind in CLOSING.values())
            at += 1
            if depth <= 0:
                break
        return at

    def sum_of_entries(self, token: Token) -> Expr:
        """The whole product behind the sign is added up, as with an index: a power belongs to the summand."""
        body = self.expression(20)
        place = self.source.span(token.start, token.stop)
        self.reader.notes.append(
            Note.at(f"the sum without an index was read as one over the entries, sum({brief(body)})", place)
        )
        return Call("sum", (body,), (), self.span(token))

    def raised(self) -> bool:
        """Is there an exponent between a function and its argument, as in `tanh^2(x)`?"""
        at = self.at
        kinds = [t.kind for t in self.tokens[at : at + 5]]
        return kinds[:3] == ["^", "number", "("] or kinds == ["^", "{", "number", "}", "("]

    def power_of(self, function: str, token: Token) -> Expr:
        """`tanh^2(x)` is the square of tanh(x)."""
        self.at += 1
        exponent = self.expression(POWER["^"] + 1)
        self.node()
        return Binary("^", self.call(function, token), exponent, self.span(token))

    def refuse_words(self, token: Token, name: Name) -> None:
        """What looks like a name, and is a sign or an entry: `x if m else y`, `z o h`, `w_t(i)`."""
        before = self.tokens[self.at - 2].kind if self.at > 1 else "="
        between = before in (")", "]", "name", "number") and self.token.kind in STARTS
        if name.name in ("if", "else") and between:
            raise self.source.error(
                "a choice by a condition is not read here",
                token,
                "write m[t] * h[t-1] + (1 - m[t]) * x[t] with m[t] = 1 where the condition holds, else 0",
            )
        if name.name == "o" and name.index is None and between and token.space and self.token.space:
            raise self.source.error(
                "o between two operands is a sign or a factor", token, "write ∘ or * for the product entry by entry"
            )
        inner = self.tokens[self.at : self.at + 3]
        if name.index is None or [t.kind for t in inner] != ["(", "name", ")"] or inner[0].space:
            return
        entry = inner[1].name
        if entry and entry.index is None and entry.name in tuple("ijklmn"):
            raise self.source.error(
                f"({entry.name}) after {name.name} is an index of its entries, or a factor",
                inner[1],
                f"write {name.name}_{{{entry.name},t}} for an entry, {entry.name} * … for a factor",
            )

    def without_brackets(self, name: Name, operand: Expr) -> Expr:
        """`\\sigma a_t`: the sigmoid, unless σ is the size of noise, `\\sigma \\epsilon_t`: Greek, and given."""
        values = {inner.name for inner, _ in names_in(operand) if inner.index is not None}
        noise = all(value[0] in GREEK.values() and value not in self.reader.notation.defined for value in values)
        span = replace(name.span, end=max(name.span.end, operand.span.end))
        if values and noise and not self.reader.sigmoid:
            sentence = "σ without brackets before given noise was read as a parameter; write \\sigma(x) for the sigmoid"
            self.reader.notes.append(Note.at(sentence, span))
            return Binary(" ", name, operand, span)
        self.reader.notes.append(Note.at("σ without brackets was read as the sigmoid of the product behind it", span))
        return Call("sigmoid", (operand,), (), span)

    def applies(self, token: Token) -> bool:
        """Is the unknown name before a bracket an abstract function, and not a factor?"""
        bracket, name = self.token, token.name
        if name is None or name.index is not None or name.block is not None:
            return False
        base = name.name.partition("_")[0]
        if bracket.separated or name.name in self.reader.called:
            if len(base) == 1 and base.isupper() and base not in LETTERS and name.name not in self.reader.called:
                sentence = f"{name.name}(…, …) was read as a function of which only the name is known; "
                sentence += f"write {name.name} [a; b] for a matrix times the stack of both"
                if not calligraphic(self.source.text, token.start):
                    self.reader.notes.append(Note.at(sentence, name.span))
            return True
        if GREEK.get(base, base) in FACTORS:
            if not self.reader.factors[token.text]:
                note = f"{name.name} before a bracket was read as a factor; a function needs another letter, such as φ"
                self.reader.notes.append(Note.at(note, name.span))
            return False
        if name.name[0].isupper():
            return self.titled(token, name)
        applied = self.reader.factors[token.text] == 0 if self.line.latex else not bracket.space
        if applied and self.scales_a_sum(token, base):
            note = f"{name.name} before a bracket was read as a factor; a function needs another letter, such as φ"
            self.reader.notes.append(Note.at(note, name.span))
            return False
        if applied and base in QUANTITIES:
            sentence = f"{name.name}(…) was read as a function; write {name.name} * (…) for a factor"
            self.reader.notes.append(Note.at(sentence, name.span))
        return applied

    def scales_a_sum(self, token: Token, base: str) -> bool:
        """Is this `k_1 (x_t - h_{t-1})`, or a conductance in `g_L (V_t - E_L)`: a number with a label before a sum?"""
        inside = self.tokens[self.at + 1 : self.closing() - 1]
        names = [t.name.name for t in inside if t.name]
        if base == "g":
            return len(names) == 2 and names[1].startswith("E") and any(t.kind == "-" for t in inside)
        if base not in QUANTITIES or token.text == base or not _adds(inside):
            return False
        lines = (line.tokens for line in self.reader.lines)
        calls = [(tokens, i) for tokens in lines for i, t in enumerate(tokens) if t.text == token.text and t.name]
        return all(
            tokens[i + 1].kind != "(" or _adds(tokens[i + 2 : i + 2 + CALL])
            for tokens, i in calls
            if tokens[-1:] != [tokens[i]]
        )

    def titled(self, token: Token, name: Name) -> bool:
        """The same of a word with a capital, or a capital letter: a matrix, unless its look says otherwise."""
        base, _, script = name.name.partition("_")
        if self.reader.factors[token.text] or (self.token.space and not self.line.latex):
            return False
        if len(base) > 1:
            return sounds_like_a_function(base) or (token.latex and token.whole and upright(base))
        text, letter = self.source.text, token.start
        if calligraphic(text, letter):
            return True
        if (script and base.isascii()) or not (base in LETTERS or self.alone()):
            return False
        first, minus = self.tokens[self.at + 1], self.tokens[min(self.at + 2, len(self.tokens) - 1)]
        if self.token.space and first.name and first.name.index and minus.kind == "-":
            note = (
                f"{name.name} before a difference was read as a matrix; write {name.name}(…) without a space for a call"
            )
            self.reader.notes.append(Note.at(note, name.span))
            return False
        self.reader.notes.append(
            Note.at(f"{name.name}(…) was read as a function; write {name.name} @ (…) for a matrix", name.span)
        )
        return True

    def alone(self) -> bool:
        """Whether the bracket here ends the right side and holds a matrix: `h_t = S(W h_{t-1} + b)`."""
        depth, at = 0, self.at
        while True:
            depth += (self.tokens[at].kind == "(") - (self.tokens[at].kind == ")")
            at += 1
            if depth == 0 or at == len(self.tokens):
                break
        inside = (t.name for t in self.tokens[self.at : at] if t.name)
        return (
            self.at == 1
            and self.tokens[at].kind == "end"
            and any(name.index is None and name.name[0].isupper() for name in inside)
        )

    def call(self, function: str, token: Token) -> Expr:
        opening = self.token
        self.at += 1
        args: list[Expr] = [self.expression(0)]
        parameters: list[Expr] = []
        target = args
        while self.token.kind in (",", ";"):
            if self.token.kind == ";":
                if target is parameters:
                    raise self.source.error("a second ';' in one call", self.token, "write f(arguments; parameters)")
                target = parameters
            self.at += 1
            target.append(self.expression(0))
        self.expect(CLOSING[opening.kind])
        return Call(function, tuple(args), tuple(parameters), self.span(token))


def at_steps(kind: str, body: Expr, steps: tuple[int, ...], span: Span) -> Expr:
    """`\\sum_{t \\in \\{2, 4\\}} E_t` is E_2 + E_4."""

    def at(step: int) -> Expr:
        def change(e: Expr) -> Expr:
            match e:
                case Name(index=Index("t", offset)):
                    return replace(e, index=Index(None, step + offset))
            return e

        return rebuild(body, change)

    result = at(steps[0])
    for step in steps[1:]:
        result = Binary("+" if kind == "sum" else "*", result, at(step), span)
    return result


def _is_row_of_numbers(e: Expr) -> bool:
    """`[0, -1]`: a row of a matrix, as NumPy writes it."""
    return isinstance(e, Stack) and all(isinstance(i.operand if isinstance(i, Negate) else i, Number) for i in e.items)


def _is_row_of_letters(e: Expr) -> bool:
    """`a b`: what may be a row of a matrix, as MATLAB writes it."""
    parts = factors(e)[0]
    return len(parts) > 1 and all(isinstance(p, Name) and p.index is None and p.name[0].islower() for p in parts)


def _adds(tokens: list[Token]) -> bool:
    """Whether a bracket whose inside begins here holds a sum or a difference of its own."""
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.kind in CLOSING) - (token.kind in CLOSING.values())
        if depth < 0:
            break
        if i and depth == 0 and token.kind in ("+", "-"):
            return True
    return False


def _is_matrix(token: Token) -> bool:
    return token.name is not None and token.name.index is None and token.name.name[0].isupper()


def _stepped(token: Token) -> bool:
    return token.name is not None and token.name.index is not None


def derivatives(line: Line) -> list[Token]:
    """Join `dE/dW_h`, `∂E/∂W_h` and `\\frac{∂E}{∂W_h}` into a name: a left side, or the gradient of a loss."""
    tokens, result, at = line.tokens, [], 0
    equals = next((i for i, token in enumerate(tokens) if token.kind == "="), 0)
    while at < len(tokens):
        shape = [token.kind for token in tokens[at : at + 9]]
        top = bottom = None
        size = 0
        if shape[:3] == ["name", "/", "name"] and not (tokens[at + 1].space or tokens[at + 2].space):
            top, bottom, size = tokens[at], tokens[at + 2], 3
        elif shape[:5] == ["∂", "name", "/", "∂", "name"]:
            top, bottom, size = tokens[at + 1], tokens[at + 4], 5
        elif shape == ["frac", "{", "∂", "name", "}", "{", "∂", "name", "}"]:
            top, bottom, size = tokens[at + 3], tokens[at + 7], 9
        if top and bottom and top.name and bottom.name and top.name.index is None and top.name.block is None:
            over, under = top.name.name, bottom.name.name
            if size == 3:
                plain = over[:1] == under[:1] == "d" and len(over) > 1 and len(under) > 1
                allowed = plain and (over in ("dE", "dL", "dJ", "dloss") or (at == 0 and equals == size))
                over, under = over[1:], under[1:]
            else:
                allowed = (at == 0 and equals == size) or over in ("E", "L", "J", "loss")
            if allowed:
                stop = tokens[at + size - 1].stop
                joined = Token("name", f"d{over}/d{under}", tokens[at].start, stop, tokens[at].space)
                span = Span(bottom.name.span.line, bottom.name.span.column, bottom.name.span.end)
                joined.name = Name(joined.text, bottom.name.index, span)
                result.append(joined)
                at += size
                continue
        result.append(tokens[at])
        at += 1
    return result


def equation(reader: Reader, line: Line) -> Equation:
    source, tokens = reader.source, derivatives(line)
    end = tokens[-1]
    place = next((i for i, token in enumerate(tokens) if token.kind == "="), None)
    start = tokens[0].start
    if source.text.count("}", start, end.start) > source.text.count("{", start, end.start):
        style = re.search(
            r"\\[A-Za-z]+\s*\{\s*\Z", source.text[:start]
        )  # \mathbf{ before the first name belongs to the equation
        start = style.start() if style else start
    text = source.text[start : end.start].strip()
    span = source.span(tokens[0].start, end.start)
    if place is None:
        name = tokens[0].name
        bare = Parser(reader, line, tokens).whole()
        if not (isinstance(bare, Call) and name and bare.function == name.name and name.name[0].isupper()):
            hint = "write name = expression"
            if name and name.index is not None and len(tokens) > 2:
                hint = f"write {source.line_with((tokens[0].stop, tokens[0].stop, ' ='))}"
            raise source.error("expected '=' in this equation", tokens[-2], hint)
        return Equation((Name(name.name, None, name.span),), bare, span, text, line.block)
    if differential(source, tokens[:place], tokens[place:]):
        others = [derivatives(other) for other in reader.lines]
        hint = euler_steps(source, others, lambda right: Parser(reader, line, right).whole())
        raise source.error("a derivative by time: a differential equation has no steps", tokens[0], hint)
    tokens, place = grown(reader, tokens, place)
    if [token.kind for token in tokens[: place - 1]] == ["name"] and tokens[place - 1].kind in ("+", "-", "*"):
        refuse_changes(reader, line, tokens, place)
        if total := running_sum(reader, line, tokens, place):
            return Equation(*total, span, text, line.block)
    if (partial := tokens[0].partial) and place == 1:
        tokens[0] = left_of(reader, tokens[0], partial)
        partial = None if tokens[0].kind == "name" else partial
        if partial:
            name = Name(show(partial), None, partial.span)
            right = Parser(reader, line, tokens[place + 1 :]).whole()
            return Equation((name,), right, span, text, line.block, partial, tokens[place].text[:-1])
    turned = [token.kind for token in tokens[:place]] == ["name", "ᵀ"]  # h_t^T = x_t^T W
    left = left_side(source, tokens[: place - turned], tokens[place], tokens[place + 1 :])
    if tokens[place + 1].kind == "=":
        raise source.error("'==' compares, and '=' says what a value is", tokens[place + 1], "write one = for ==")
    if place + 2 >= len(tokens):
        raise source.error("the right side is missing after '='", tokens[place], "write what it equals")
    right = Parser(reader, line, tokens[place + 1 :]).whole()
    right = Transposed(right, right.span) if turned else right
    sign = tokens[place].text[:-1] if reader.custom.gradients else ""
    return Equation(left, right, span, text, left[0].block or line.block, None, sign if sign in ("+", "-") else "")


def left_of(reader: Reader, token: Token, partial: Partial) -> Token:
    """`∂E/∂W`, `∂E_t/∂W` and `∂E/∂h_t` on a left side are names, `∂h_t/∂h_k` stays a derivative of its own."""
    top, bottom, custom = partial.top, partial.bottom, reader.custom
    loss = top.name in custom.losses or (top.name in LOSS_WORDS and top.name not in custom.names)
    if not (loss or not top.name) or (top.index and bottom.index):
        return token
    made = replace(token, kind="name", partial=None)
    made.name = Name(f"d{top.name or 'E'}/d{bottom.name}", bottom.index or top.index, partial.span, bottom.block)
    return made


def refuse_changes(reader: Reader, line: Line, tokens: list[Token], place: int) -> None:
    """`h_t += W x_t` after `h_t = …`.

    Raises:
        BPTTError: an earlier line says what the name is; with the one equation that both lines make.
    """
    name, sign = tokens[0].name, tokens[place - 1]
    for other in reader.lines:
        if other is line or name is None:
            return
        head = other.tokens[:2]
        if is_zero(other.tokens[2:]):
            continue
        if [token.kind for token in head] == ["name", "="] and brief(head[0].name or name) == brief(name):
            value = Parser(reader, other, derivatives(other)[2:]).whole()
            change = Parser(reader, line, tokens[place + 1 :]).whole()
            whole = Binary({"+": "+", "-": "-", "*": "*"}[sign.kind], value, change, value.span)
            row = reader.source.span(head[0].start, head[0].stop).line
            advice = {"+": "add to it", "-": "take from it", "*": "multiply it"}[sign.kind]
            raise reader.source.error(
                f"no {sign.kind}= here: {brief(name)} has a value from line {row}",
                sign,
                f"{advice} there: {brief(name)} = {brief(whole)}",
            )


def grown(reader: Reader, tokens: list[Token], place: int) -> tuple[list[Token], int]:
    """`loss = loss + E_t` after `loss = 0` as `loss += E_t`, with the place of its sign."""
    kinds = [token.kind for token in tokens[:4]]
    if kinds[:3] != ["name", "=", "name"] or kinds[3:] not in (["+"], ["-"]):
        return tokens, place
    name, same, sign = tokens[0].name, tokens[2].name, tokens[3]
    alike = name and same and name.name == same.name and name.index is same.index is None
    if not alike or not name or name.name not in LOSS_NAMES or (sign.kind == "-" and _adds(tokens[3:])):
        return tokens, place
    for other in reader.lines:
        head = other.tokens[:2]
        if [t.kind for t in head] == ["name", "="] and head[0].text == tokens[0].text and is_zero(other.tokens[2:]):
            return [tokens[0], sign, tokens[1], *tokens[4:]], 2
    return tokens, place


def is_zero(tokens: list[Token]) -> bool:
    return [token.kind for token in tokens] == ["number", "end"] and float(tokens[0].text) == 0


def running_sum(reader: Reader, line: Line, tokens: list[Token], place: int) -> tuple[tuple[Name], Expr] | None:
    """`loss += E_t` and `loss -= log p_t` in a loop: the sum over the steps, without the line `loss = 0` before it."""
    name, sign = tokens[0].name, tokens[place - 1]
    if name is None or name.index is not None or sign.kind not in ("+", "-") or name.name not in LOSS_NAMES:
        return None
    for other in reader.lines:
        head = other.tokens[:2]
        named = [token.kind for token in head] == ["name", "="] and other is not line
        if named and head[0].name and head[0].name.name == name.name:
            other.tokens = []
    body = Parser(reader, line, tokens[place + 1 :]).whole()
    body = Negate(body, body.span) if sign.kind == "-" else body
    written = reader.source.text[tokens[0].start : tokens[place].stop]
    reader.notes.append(Note.at(f"{written} was read as a sum over the steps", name.span))
    return (name,), Reduce("sum", "t", None, None, body, body.span)


def several(names: list[Name], right: list[Token]) -> str:
    """What to write for `h_t, c_t = LSTM(x_t, …)`."""
    lefts = [brief(name) for name in names]
    own = f"its own equations, {' and '.join(f'{left} = …' for left in lefts)}"
    function = right[0].text if [t.kind for t in right[:2]] == ["name", "("] else None
    if function and all(t.kind in ("(", "name", ",", ")", "end") for t in right):
        given = ", ".join(brief(token.name) for token in right[2:] if token.name)
        whole = f"[{'; '.join(lefts)}] = {function}({given})"
        own = f"{whole} for one unknown function with {len(names)} values, or {own}"
    return f"write {own}; bpttgraph.cell('lstm') and others are in the library"


def changed(name: Name, sign: str, value: str) -> str:
    """What to write for `h_t += W x_t`: a value grows from the step before, a loss is a sum over the steps."""
    simple = re.fullmatch(r"[^-+−]*", re.sub(r"\{[^{}]*\}|\([^()]*\)|\[[^][]*\]", "", value))
    bracketed = value if simple or sign == "+" else f"({value})"
    base = name.name
    if name.index:
        return f"{base}[t] = {base}[t-1] {sign} {bracketed}"
    if base in LOSS_NAMES and sign in ("+", "-"):
        total = f"sum_t {value if simple else f'({value})'}"
        return f"{base} = {total}" if sign == "+" else f"{base} = -({total})"
    return f"{base} = {base} {sign} {bracketed}"


def left_side(source: Source, tokens: list[Token], equals: Token, right: list[Token]) -> tuple[Name, ...]:
    if not tokens:
        raise source.error("the left side is missing before '='", equals, "write a name such as h[t] there")
    if [t.kind for t in tokens[:2] + tokens[-2:]] == ["(", "[", "]", ")"]:
        tokens = tokens[1:-1]  # a column in the brackets of \\left( … \\right)
    names = [token.name for token in tokens if token.name]
    kinds = [token.kind for token in tokens]
    count = len(names)
    stacked = count > 1 and [k if k != "," else ";" for k in kinds] == ["[", *(["name", ";"] * count)[:-1], "]"]
    if not (kinds == ["name"] or stacked):
        hint = "write h[t] = …"
        if kinds[:2] == ["name", "("]:
            inside = "".join(token.text for token in tokens[2:-1]).replace(" ", "")
            hint = (
                f"a step stands in square brackets: {names[0].name}[{inside}]"
                if re.fullmatch(r"t([+-]\d+)?", inside)
                else "give a function's formula with --let, as in --let 'f(x, h) = tanh(x + h)'"
            )
        if names and kinds[:-1] == ["name"] and kinds[-1] in ("+", "-", "*", "/"):
            typed = source.text[equals.stop : right[-1].start].split("\n")[0].strip(" $")
            hint = f"no {kinds[-1]}= here: write {changed(names[0], kinds[-1], typed)}"
        if "," in kinds and count > 1:
            hint = several(names, right)
        swapped = right[0].name if [t.kind for t in right] == ["name", "end"] else None
        if swapped and swapped.index and kinds[-1] not in BINARY and "," not in kinds:
            raise source.error(
                f"the sides are swapped: {swapped.name} stands on the right", right[0],
                f"write {brief(swapped)} = …, the value on the right",
            )  # fmt: skip
        letters = re.fullmatch(r"([^\W\d_]) ?t", source.text[tokens[0].start : tokens[-1].stop])
        if letters:
            hint = f"a PDF lost the subscript: write {letters[1]}[t], and so for every other name with a step"
            if len(source.text) < 600:
                hint = f"a PDF lost the subscripts: write {raised(source.text)}"
        wrong = next((token for token in tokens[1:] if token.name is None), tokens[0])
        raise source.error(
            "the left side must be one name, such as h[t], or names to unpack, [i[t]; f[t]]", wrong, hint
        )
    for name in names:
        if name.index is None and name.name in known_functions():
            token = next(token for token in tokens if token.name is name)
            raise source.error(f"{name.name} is the name of a function", token, "choose another name")
    return tuple(names)
