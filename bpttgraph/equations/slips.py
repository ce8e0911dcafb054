"""Signs that mean one thing to every reader though the language writes them in another way: `0,5`, `A x h`, `h_{t_k}`.

`slips` goes over the tokens of a text first. A comma in a number becomes its point, an x between operands the sign of
a product where x also carries a step, the times t_k of a subscript the step k, `[W x]_j` the vector whose entry it is,
`y_{tc}` under a sum over c the entry `y_{t,c}`, `E[x_t]` a product, `\\tanh^{-1}` the inverse function. All but the
entry is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from .latex import Source, Token
from .letters import REDUCTIONS
from .lines import CLOSING
from .notation import content
from .notes import Note
from .rewrites import einsum

__all__ = ["slips"]

_ENDS = ("newline", "break", ";", "end")
_OPERATORS = ("*", "·", "@", "/", "+", "-")
_OPERANDS = ("word", "number", "sub", "sup", "}", ")", "]")
_COUNT = re.compile(r"([a-z])(?:[+-][0-9]{1,6})?|[0-9]{1,6}")
_MODULE = re.compile(
    r"\b(?:torch\.nn\.|nn\.|keras\.layers\.|layers\.|tf\.keras\.layers\.)"
    r"((?:Bi)?(?:LSTM|GRU|RNN|SimpleRNN|LSTMCell|GRUCell|RNNCell))\("
)
_INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")} | {"σ": "logit"}


def slips(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Note]]:
    """The tokens with such signs as the language writes them, and what was assumed."""
    notes: list[Note] = []
    text = source.text
    wanted = {  # most texts have none of this, and cost one search each
        _refuse_einsum: r"einsum\(",
        _refuse_modules: _MODULE.pattern,
        _refuse_lambdas: r"\blambda\b[^=\n]*:",
        _decimals: r"[0-9](?:,|\{,\})[0-9]",
        _crosses: r" x ",
        _times: r"_\{?t_",
        _entries: r"[\])]\s*_|[\])][ᵢⱼ]",
        _pairs: r"\\sum|∑|Σ|sum",
        _lookups: r"[A-Z}]\w*\[",
        _inverses: r"(?:(?:sin|cos|tan)h?|σ|sigma)\s*(?:\^|⁻)",
    }
    for mend, sign in wanted.items():
        if re.search(sign, text):
            tokens = mend(source, tokens, notes)
    return tokens, notes


def _say(source: Source, notes: list[Note], sentence: str, first: Token, last: Token) -> None:
    if not any(sentence in note for note in notes):
        notes.append(Note.at(sentence, source.span(first.start, last.stop)))


def _refuse_einsum(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`np.einsum('ij,j->i', W, h[t-1])` is W @ h[t-1].

    Raises:
        BPTTError: with the product to write.
    """
    call = next((t for t in tokens if t.text == "einsum"), None)
    found = einsum(source.text)
    if call and found:
        start, stop, product = found
        known = "" if not product.startswith("f(") else ", where f is the product, of which only the name is known"
        hint = f"write {source.line_with((start, stop, product))}{known}"
        raise source.error("einsum is not read here", call, hint)
    return tokens


def _refuse_modules(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`rnn = nn.LSTM(10, 20)`: what the module computes stands in the library.

    Raises:
        BPTTError: with what shows its equations here.
    """
    found = _MODULE.search(source.text)
    at = next((t for t in tokens if found and t.start <= found.start() < t.stop), tokens[0])
    cell = next((c for c in ("lstm", "gru") if found and c in found[1].lower()), "rnn")
    raise source.error(
        f"{found[0].rstrip('(') if found else 'this'} is a module of a library, and its equations are not in this text",
        at,
        f"bpttgraph derive {cell} has the usual ones; or write them out, as in h[t] = tanh(W @ h[t-1] + U @ x[t] + b)",
    )


def _refuse_lambdas(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`scan(lambda h, x: …)` hides the equation in a function without a name.

    Raises:
        BPTTError: with the form to write.
    """
    at = next((t for t in tokens if t.text in ("lambda", r"\lambda")), None)
    if at is not None and source.text[at.start : at.stop] == "lambda":
        hint = "write the equation inside it, with steps: h[t] = tanh(W @ h[t-1] + U @ x[t])"
        raise source.error("a function of a program (lambda) is not read here", at, hint)
    return tokens


def _decimals(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`0,5 h` and `0{,}5` are 0.5, where no list of numbers can stand."""
    result: list[Token] = []
    lists: list[bool] = []  # of every open bracket, whether a comma in it separates
    left: list[Token] = []
    equated, at = False, 0
    while at < len(tokens):
        token, before = tokens[at], result[-1] if result else None
        if token.kind in CLOSING:
            called = before is not None and before.kind in ("word", "_", "^", *CLOSING.values()) and not token.space
            lists.append(token.kind == "[" or called)
        elif token.kind in CLOSING.values() and lists:
            lists.pop()
        elif not lists and token.kind in _ENDS:
            left, equated = [], False
        left += [] if equated else [token]
        equated |= token.kind == "=" and not lists
        parts = tokens[at : at + 3]
        if [t.kind for t in parts] == ["number", ",", "number"] and parts[0].text.isdigit() and parts[2].text.isdigit():
            between = source.text[parts[0].stop : parts[2].start]
            scripted = before is not None and before.kind in ("_", "^", ",", "[")
            several = any(t.kind == "," for t in left) or not equated or any(lists)
            last = at + 3 >= len(tokens) or tokens[at + 3].kind in (*_ENDS, ",", ".")
            begun = before is not None and (before.kind in _OPERATORS or (before.kind == "=" and len(left) > 2))
            short = last and not begun  # t = 0,1
            if between == "{,}" or (between == "," and not (scripted or several or short)):
                number = replace(token, text=f"{token.text}.{parts[2].text}", stop=parts[2].stop)
                typed = source.text[token.start : number.stop]
                _say(source, notes, f"{typed} was read as the number {number.text}", token, number)
                result.append(number)
                at += 3
                continue
        result.append(token)
        at += 1
    return result


def _crosses(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`W_hh x h_{t-1} + W_xh x x_t`: where x carries a step, an x between operands and spaces is ×."""
    places = [i for i, token in enumerate(tokens[:-1]) if token.kind == "word" and token.text == "x"]
    if not any(tokens[i + 1].kind in ("_", "[", "sub", "^", "(") and not tokens[i + 1].space for i in places):
        return tokens
    result = list(tokens)
    for i in places:
        after = tokens[i + 1]
        spaced = tokens[i].space and after.space
        if i and spaced and tokens[i - 1].kind in _OPERANDS and after.kind in ("word", "accent", "("):
            result[i] = replace(tokens[i], kind="·", text="·")
            _say(source, notes, "x between operands was read as the sign ×", tokens[i], tokens[i])
    return result


def _scripts(tokens: list[Token]) -> Iterator[tuple[int, int, str]]:
    """The subscripts: where what stands after `_` begins and ends, and its text."""
    for i, token in enumerate(tokens[:-1]):
        if token.kind == "_" and (found := content(tokens, i + 1)):
            yield i + 1, found[1], found[0]


def _times(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`h_{t_k}` and `h_{t_{k-1}}` are h at the steps k and k-1, if no subscript says a step t without a letter."""
    found: list[tuple[int, int, str]] = []
    letters: set[str] = set()
    for start, stop, text in _scripts(tokens):
        count = _COUNT.fullmatch(text.removeprefix("t_"))
        if re.fullmatch(r"t(?:[+-]\d+)?", text) and tokens[start - 2].kind == "word":
            return tokens
        if text.startswith("t_") and count and tokens[start].kind == "{":
            found.append((start, stop, text))
            letters.add(count[1] or "1")
    if len(letters) != 1 or len(found) < 2:
        return tokens
    first, stop, text = found[0]
    _say(source, notes, f"the time {text} was read as the step {text[2:]}", tokens[first], tokens[stop - 1])
    dropped = {start + k for start, _, _ in found for k in (1, 2)}
    return [token for i, token in enumerate(tokens) if i not in dropped]


def _entries(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`r_j = σ([W x]_j + [U h]_j)` is an equation for the vectors, whose entry j is written."""
    places = list(_scripts(tokens))
    at_brackets = {text for start, _, text in places if start > 1 and tokens[start - 2].kind in (")", "]")}
    lefts = {
        text for start, stop, text in places
        if any(t.kind == "=" for t in tokens[stop : stop + 12]) and tokens[start - 2].kind == "word"
    }  # fmt: skip
    letters = {text for text in at_brackets & lefts if len(text) == 1 and text.isalpha() and text not in "tT"}
    summed = {text[:1] for start, _, text in places if tokens[start - 2].text in REDUCTIONS}
    if len(letters) != 1 or letters & summed:
        return tokens
    dropped = {
        i for start, stop, text in places if text in letters for i in range(start - 1, stop)
    }  # fmt: skip
    first = min(dropped)
    letter = letters.pop()
    sentence = f"the entries {letter} of vectors were read as the whole vectors, and _{letter} was left out"
    _say(source, notes, sentence, tokens[first], tokens[first])
    return [token for i, token in enumerate(tokens) if i not in dropped]


def _pairs(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`\\sum_c y_{tc}` is `\\sum_c y_{t,c}`: the step, and what the sum counts."""
    tokens = _of_positions(_raised_pairs(tokens))
    places = list(_scripts(tokens))
    summed = {re.split("[=∈]", text)[0] for start, _, text in places if tokens[start - 2].text in REDUCTIONS} - {"t"}
    pairs = {f"t{letter}" for letter in summed} | {f"{letter}t" for letter in summed}
    lefts = [text for _, stop, text in places if stop < len(tokens) and tokens[stop].kind == "="]
    if any(len(text) == 2 and "t" in text for text in lefts):
        return tokens  # scores of attention
    found = {start: stop for start, stop, text in places if text in pairs and tokens[start - 2].text not in REDUCTIONS}
    found = {start: stop for start, stop in found.items() if not _weighs(tokens, start, stop, summed)}
    if not found or not any(re.fullmatch(r"t(?:-1)?", text) for _, _, text in places):
        return tokens
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        stop = found.get(at)
        if stop is None:
            result.append(tokens[at])
            at += 1
            continue
        token, text = tokens[at], content(tokens, at) or ("", at)
        signs = ["{", text[0][0], ",", text[0][1], "}"]
        result += [
            replace(token, kind="word" if sign.isalpha() else sign, text=sign, stop=tokens[stop - 1].stop, space=False)
            for sign in signs
        ]
        at = stop
    return result


def _raised_pairs(tokens: list[Token]) -> list[Token]:
    """`Σᵢ yₜᵢ` in the small letters of Unicode."""
    summed = {t.text for before, t in pairwise(tokens) if t.kind == "sub" and before.text in REDUCTIONS} - {"t"}
    pairs = {f"t{letter}" for letter in summed if len(letter) == 1}
    return [replace(t, text=f"t,{t.text[1]}") if t.kind == "sub" and t.text in pairs else t for t in tokens]


def _of_positions(tokens: list[Token]) -> list[Token]:
    """`\\sum_j \\alpha_{t,j} h_j` with a comma is the same as with α_{tj}, which attention reads."""
    places = list(_scripts(tokens))
    summed = {re.split("[=∈]", text)[0] for start, _, text in places if tokens[start - 2].text in REDUCTIONS}
    pairs = [(start, stop) for start, stop, text in places if re.fullmatch("t,[a-z]", text)]
    states = ("h", "s")  # what else a letter counts may be a set of vectors that does not grow
    if not any(_weighs(tokens, start, stop, summed) and tokens[stop].text in states for start, stop in pairs):
        return tokens
    commas = {i for start, stop in pairs for i in range(start, stop) if tokens[i].kind == ","}
    return [token for i, token in enumerate(tokens) if i not in commas]


def _weighs(tokens: list[Token], start: int, stop: int, summed: set[str]) -> bool:
    """Whether `\\alpha_{tj} h_j` are weights of positions, and no entries of α_t: attention reads them."""
    weight, value, mark = (tokens[i] if i < len(tokens) else tokens[-1] for i in (start - 2, stop, stop + 1))
    letter = (content(tokens, stop + 2) or ("",))[0] if mark.kind == "_" else ""
    return weight.text in ("α", "a") and value.text in ("h", "s", "v", "x") and letter in summed - {"t"}


def _lookups(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`U[r_t * h_{t-1}]`, `E[x_t]` and `U[:, x[t]]` are products with what the bracket holds.

    `\\mathbb{E}[…]` is a mean over examples, of which there is one.
    """
    result: list[Token] = []
    dropped: set[int] = set()
    for i, token in enumerate(tokens):
        head = _head(tokens, i) if token.kind == "[" and not token.space else None
        stop = _end(tokens, i) if head is not None else 0
        inside = tokens[i + 1 : stop]
        while [t.kind for t in inside[:2]] == [":", ","]:
            inside = inside[2:]
        valued = len(inside) > 2 and inside[0].kind == "word" and inside[1].kind in ("_", "[", "sub")
        formula = any(t.kind in _OPERATORS for t in inside) and any(t.kind in ("_", "[", "sub") for t in inside)
        listed = any(t.kind in (",", ";") for t in inside)
        if head is None or not inside or listed or not (valued or formula) or inside[0].text in "tT":
            continue
        whole = source.text[tokens[head].start : tokens[stop].stop]
        alone = valued and not formula
        if tokens[head].text == "E" and not alone:
            sentence = f"{tokens[head].text}[…] was read as a mean over examples, and for one example left out"
            _say(source, notes, sentence, tokens[head], tokens[stop])
            dropped |= set(range(head, i))
            tokens[i], tokens[stop] = replace(token, kind="(", text="("), replace(tokens[stop], kind=")", text=")")
            continue
        if alone:
            sentence = f"{whole} was read as a product: with a one-hot vector it is a column of the matrix"
            _say(source, notes, sentence, tokens[head], tokens[stop])
        tokens[i] = replace(token, space=True)
        dropped |= set(range(i + 1, stop - len(inside)))
    result = [token for i, token in enumerate(tokens) if i not in dropped]
    return result


def _head(tokens: list[Token], at: int) -> int | None:
    """The place of the capital letter or word before a bracket, over its subscript; None if there is none."""
    before = at - 1
    if before >= 0 and tokens[before].kind == "}":
        depth = 0
        for j in range(before, max(before - 12, -1), -1):
            depth += (tokens[j].kind == "}") - (tokens[j].kind == "{")
            if depth == 0:
                before = j - 2 if tokens[j - 1].kind == "_" else -1
                break
    elif before > 1 and tokens[before - 1].kind == "_":
        before -= 2
    good = before >= 0 and tokens[before].kind == "word" and tokens[before].text[0].isupper()
    return before if good else None


def _end(tokens: list[Token], at: int) -> int:
    """Where the bracket that opens here ends; `at` if it does not."""
    depth = 0
    for i in range(at, min(at + 64, len(tokens))):
        depth += (tokens[i].kind in CLOSING) - (tokens[i].kind in CLOSING.values())
        if depth == 0:
            return i
    return at


def _inverses(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`\\tanh^{-1}(x)` is arctanh(x), and no power."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        signs = [t.text for t in tokens[at + 1 : at + 6]]
        size = 4 if signs[:4] == ["^", "{", "-", "1"] else 1 if signs[:1] == ["-1"] else 0
        size += size == 4  # the brace that closes
        if token.text in _INVERSES and token.kind == "word" and size and signs[size : size + 1] in ([], ["("]):
            after = tokens[at + 1 + size]
            if after.kind == "(":
                inverse = replace(token, text=_INVERSES[token.text], stop=tokens[at + size].stop, whole=True)
                sentence = f"{token.text}^{{-1}} was read as the inverse function {inverse.text}, and no power"
                _say(source, notes, sentence, token, tokens[at + size])
                result.append(inverse)
                at += 1 + size
                continue
        result.append(token)
        at += 1
    return result
