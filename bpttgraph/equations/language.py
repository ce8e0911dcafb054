"""The equation language: `parse` turns a recurrence, as plain text or as LaTeX from a slide, into a syntax tree.

Five small stages, a module each: the scanner (`latex`), cutting into equations (`lines`), joining letters with their
subscripts, superscripts and accents into names with a step (`names`), a precedence parser (`parser`), and `text`, which
writes a tree as text again. Only syntax is decided here; what is a state, an input or a parameter is decided by
`Recurrence`. Nothing is ever evaluated; size and depth are bounded before anything recurses.

>>> from bpttgraph.equations.text import show
>>> print(show(parse(r"h_t = \\tanh(W_{xh} x_t + W_{hh} h_{t-1})")))
h[t] = tanh(((W_xh x[t]) + (W_hh h[t-1])))
"""

from __future__ import annotations

from ..errors import BPTTError
from .custom import PLAIN, Custom
from .given import Given
from .gradients import an_answer
from .heads import heads, sides
from .lines import Line
from .notes import Note
from .parser import Parser, Reader, derivatives, equation
from .syntax import Binary, Call, Equation, Expr, Name, Program, Span
from .text import show
from .trees import names_in, rebuild
from .vocabulary import known_function

__all__ = ["parse", "parse_binding", "parse_expression"]


def parse(text: str, called: frozenset[str] = frozenset(), custom: Custom = PLAIN) -> Program:
    """The equations of a text, as syntax. `called`: names that are known to be functions; `custom`: what the text takes
    over from a recurrence: there, T is the last step and counts nothing.

    Raises:
        BPTTError: with the line, a caret and what was expected there.
    """
    reader = Reader(text, called=called, custom=custom)
    let = []
    for given in reader.given:
        place = given.line.tokens[0].name
        assert place is not None
        if given.known:
            function = known_function(given.function)
            sentence = f"{given.function} is the known function {function}; its formula was left out"
        else:
            let.append((given.head, body_of(reader, given)))
            sentence = f"this was read as the function {given.function}"
        reader.notes.append(Note.at(sentence, place.span))
        given.line.tokens = []
    reader.lines, notes = heads(reader.source, reader.lines, custom.gradients)
    reader.notes += notes
    equations = tuple(equations_of(reader))
    blocks = dict.fromkeys(
        [line.block for line in reader.lines if line.block] + [e.block for e in equations if e.block]
    )
    latex = any(line.latex for line in reader.lines)
    return Program(
        equations,
        tuple(blocks),
        text,
        tuple(reader.notes),
        latex,
        let=tuple(let),
        layers=reader.layers,
        step=reader.notation.step,
    )


def equations_of(reader: Reader) -> list[Equation]:
    """The equations of all lines. Of several right sides of one left side, those before the last may be left out, if
    they cannot be read."""
    found: list[tuple[Line, Equation]] = []
    lines = [line for line in reader.lines if line.tokens]
    gradients: list[Note] = []
    for line, after in zip(lines, [*lines[1:], None]):
        last = not line.same or after is None or after.same != line.same
        try:
            found.append((line, equation(reader, line)))
        except BPTTError as error:
            if left := _derivative(reader, line):
                gradients.append(left)
                continue
            if last or error.span is None:
                raise
            reader.notes.append(Note.at(f"a right side was left out: {error.message}", error.span))
    if gradients and not found:
        raise an_answer("a gradient", reader.source.text, gradients[0].span or Span(1, 0, 1))
    reader.notes += gradients
    return [e for line, e in found if line.tokens]  # `loss = 0` goes with `loss += E_t`


def _derivative(reader: Reader, line: Line) -> Note | None:
    """What is said of a line of a recurrence whose left side is a derivative, whatever its right side is."""
    left = [token for token in sides(line.tokens)[0] if token.kind not in ("frac", "{")]
    marked = left and (left[0].kind in ("∂", "partial") or left[0].text in ("dE", "dL", "dJ"))
    if reader.custom.gradients or not marked or len(left) < 2:
        return None
    place = reader.source.span(line.tokens[0].start, line.tokens[-1].start)
    return Note.at("this is a gradient and was left out: derive computes it, and check --answer judges it", place)


def body_of(reader: Reader, given: Given) -> str:
    """What a function that the text gives stands for, as a text that `let` takes."""
    first = given.body[0].name
    if given.head == given.function and first:
        return first.name
    return show(Parser(reader, given.line, given.body).whole())


def parse_expression(text: str) -> Expr:
    """One expression, such as a student's answer without its left side."""
    reader = Reader(text, expression=True)
    lines = [line for line in reader.lines if line.tokens]
    if len(lines) > 1:
        raise reader.source.error("expected one expression", lines[1].tokens[0], "leave out what follows")
    return Parser(reader, lines[0], derivatives(lines[0])).whole()


def parse_binding(text: str) -> tuple[str, tuple[str, ...], Expr]:
    """`f_1(x, h; w) = tanh(w x + h)` as ("f_1", ("x", "h", "w"), tree); `phi = tanh` as ("phi", (), Name("tanh"))."""
    reader = Reader(text, expression=True)
    source = reader.source
    lines = [line for line in reader.lines if line.tokens]
    tokens = lines[0].tokens
    if len(lines) > 1:
        raise source.error("expected one binding", lines[1].tokens[0], "give each function a --let of its own")
    place = next((i for i, token in enumerate(tokens) if token.kind == "="), None)
    if place is None:
        raise source.error("expected '=' in this binding", tokens[-2], "write phi = tanh, or f(x, h) = tanh(x + h)")
    head, right = tokens[:place], tokens[place + 1 :]
    kinds = ["," if token.kind == ";" else token.kind for token in head]
    count = kinds.count("name") - 1
    if not (kinds == ["name"] or (count > 0 and kinds == ["name", "(", *(["name", ","] * count)[:-1], ")"])):
        raise source.error(
            "the left side of a binding must be a function's name",
            head[0] if head else tokens[place],
            "write f(x, h; w) = …",
        )
    names = [token.name for token in head if token.name]
    for token in head:
        if token.name and (token.name.index or token.name.block):
            raise source.error("the names of a binding carry no step", token, "write f(x, h) = tanh(x + h)")
    formals = tuple(name.name for name in names[1:])
    if len(set(formals)) < len(formals):
        raise source.error("a parameter's name is there twice", head[1], "give each parameter a name of its own")
    bare = right[0].name
    if len(right) == 2 and bare and bare.index is None and (function := known_function(bare.name)):
        return names[0].name, formals, Name(function, None, bare.span)
    if len(right) == 1:
        raise source.error("the right side is missing after '='", tokens[place], "write phi = tanh")
    body = Parser(reader, lines[0], right).whole()
    used = {name.name for name, _ in names_in(body)}
    if formals and used and not used & {*formals}:
        call = f"{names[0].name}({', '.join(formals)})"
        other = f"{names[0].name}({', '.join(sorted(used))})"
        raise source.error(
            f"{call} does not use {' or '.join(formals)}",
            right[0],
            f"write the same letters on both sides, such as {other if len(used) == len(formals) else call} = …",
        )
    return names[0].name, formals, body if "e" in formals else rebuild(body, _exponential)


def _exponential(e: Expr) -> Expr:
    """`e^x` is the exponential function in a formula as in an equation."""
    match e:
        case Binary("^", Name("e", None), power):
            return Call("exp", (power,), (), e.span)
    return e
