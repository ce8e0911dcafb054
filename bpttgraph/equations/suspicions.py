"""Readings that are right by the rules and often wrong by intention: each is said, with its place.

A capital that became a number, a word that became a factor, a letter that usually is a constant, a state that nothing
carries. One function a suspicion; `suspicions` asks all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ..errors import BPTTError, Span
from .coefficients import coefficients, starred
from .definitions import Definition
from .kinds import capital, chains, greek, keeps_shape
from .latex import GREEK
from .model import Recurrence
from .notes import Note
from .products import factors
from .settings import explicit, infer_shapes
from .syntax import Binary, Call, Expr, Name, Reduce, Transposed
from .text import brief
from .trees import children, names_in, walk

__all__ = ["suspicions"]

Shapes = Mapping[str, tuple[int, ...]]

_CONSTANTS = {
    "e": "not as 2.718…: e^x or exp(x) is the exponential function",
    "I": "not as the identity matrix",
    "T": "not as the number of steps",
    "π": "not as 3.14159…",
    "i": "not as the imaginary unit",
}

_WIDTHS = ("Δt", "δt", "dt")

_INPUTS = frozenset(["x", "u", "xt", "ut", "inp", "input"])
_NO_GRADIENT = frozenset(["argmax", "argmin", "Dropout", "dropout", "Bernoulli", "sample", "round", "floor", "sign"])

_STATES = frozenset(["h", "c", "s"])
_GATES = frozenset("ifogzr")


@dataclass(frozen=True)
class _Use:
    """A name where it stands: its key, and the equation."""

    key: str
    name: Name
    definition: Definition


def suspicions(rec: Recurrence) -> list[Note]:
    """What a reader of the text should look at, as notes; or that no shapes were found."""
    try:
        shapes, constants = infer_shapes(rec, None)
        _, products = explicit(rec, rec.definitions, shapes, constants)
    except BPTTError as error:
        loss = f", or {error.hint}" if re.search("cross_entropy|add the loss", error.hint or "") else ""
        sentence = f"{error.message}: sizes={{…}} must say what is a number, a vector or a matrix{loss}"
        return [Note.at(sentence, error.span) if error.span else Note(sentence)]
    uses: dict[str, list[_Use]] = {}
    for d in rec.definitions:
        for name, _ in names_in(d.right):
            key = rec.key(name, d.block)
            uses.setdefault(key, []).append(_Use(key, name, d))
    found = [note for ask in _QUESTIONS for note in ask(rec, shapes, uses)]
    return [*products, *found]


Uses = dict[str, list[_Use]]


def _numbers(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """Parameters and inputs that are numbers though they stand beside vectors."""
    beside = _factors_beside_vectors(rec)
    scaling = coefficients(((d.equation.left, d.right) for d in rec.definitions), rec.text)
    axes = any(shapes[name] for name in rec.every)
    for key in (*rec.parameters, *rec.inputs):
        name = uses[key][0].name
        scales = axes and name.index is None and name.name in scaling
        if shapes[key] or not (key in beside or scales) or key in rec.targets:
            continue
        if scales and not capital(key) and key not in _WIDTHS:
            if not scaling[name.name]:
                continue
            sentence = f"{key} is read as a number"
        elif key in rec.inputs:
            sentence = f"{key}[t] is read as a number at each step"
        elif capital(key):
            sentence = f"the capital {key} is read as a number"
        elif greek(key):
            continue
        else:
            sentence = f"the small letter {key} beside a vector is read as a number, not as a matrix"
        yield Note.at(f'{sentence}; sizes={{"{key}": …}} gives it another shape', name.span)


def _factors_beside_vectors(rec: Recurrence) -> set[str]:
    """Names that multiply: factors themselves, and capitals and inputs inside of factors, as in (1 - Z) h[t-1]."""
    return {
        rec.key(name, d.block)
        for d in rec.definitions
        for parts in chains(d.right)
        for part in parts
        for name, _ in names_in(part)
        if isinstance(part, Name) or capital(name.name) or name.index is not None
    }


def _words(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """A word among the factors: a remark that was not recognised, perhaps."""
    for d in rec.definitions:
        for parts in chains(d.right):
            for part in parts:
                plain = isinstance(part, Name) and part.index is None and _is_word(part.name)
                # a remark is no matrix, as weight_hh is in weight_hh @ h[t-1]
                if plain and isinstance(part, Name) and len(shapes.get(rec.key(part, d.block), ())) < 2:
                    yield Note.at(f"the word {part.name} is read as a factor", part.span)


def _is_word(name: str) -> bool:
    return re.fullmatch(r"[a-z]{3,}(_[a-z]+)*", name) is not None and name not in GREEK


def _constants(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    for key in rec.parameters:
        what = _CONSTANTS.get(key.rpartition(".")[2])
        if what is not None:
            yield Note.at(f"{key} is read as a parameter, {what}", uses[key][0].name.span)


def _powers(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    for d in rec.definitions:
        for e, _ in walk(d.right):
            base = e.left if isinstance(e, Binary) and e.operator == "^" else None
            if isinstance(base, Name) and base.index is None and capital(base.name):
                yield Note.at(f"{brief(e)} is read as a power, entry by entry, not as a label", base.span)
            elif isinstance(base, Name) and base.index is None and not greek(base.name) and isinstance(e, Binary):
                power = e.right
                alone = isinstance(power, Name) and power.index is None and len(uses.get(power.name, ())) == 1
                if alone:
                    sentence = f"{brief(e)} is read as a power, not as a label: {brief(base)}_{brief(power)}"
                    yield Note.at(sentence, base.span)


def _stars(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """A `*` beside a capital is a matrix product to some, a convolution to others."""
    lines = rec.text.splitlines()
    for d in rec.definitions:
        for e, _ in walk(d.right):
            if not (isinstance(e, Binary) and e.operator == "*"):
                continue
            capitals = [p for p in (e.left, e.right) if _plain_capital(p)]
            if capitals and starred(e.left.span, e.right.span, lines):
                yield Note.at(
                    f"{brief(e)} is multiplied entry by entry; write {brief(e.left, 30)} @ {brief(e.right, 31)} "
                    "for the matrix product",
                    e.span,
                )


def _plain_capital(e: Expr) -> bool:
    return isinstance(e, Name) and e.index is None and capital(e.name)


def _nothing_is_carried(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    earlier = any(u.name.index and u.name.index.offset < 0 for found in uses.values() for u in found)
    values = [*rec.every.values(), *(d for d in rec.once.values() if children(d.right))]
    if values and not rec.states and not earlier and not rec.fixed:
        d = values[0]
        yield Note.at("no equation reads an earlier step of what is computed: nothing is carried over time",
                      d.equation.span)  # fmt: skip


def _forgotten_steps(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`W h[t-1] + U x`: a small letter behind a matrix, without the step that inputs have."""
    for d in rec.definitions:
        for parts in chains(d.right):
            for before, part in pairwise(parts):
                plain = isinstance(part, Name) and part.index is None and not capital(part.name)
                if plain and _plain_capital(before) and isinstance(part, Name) and d.kind == "every":
                    key = rec.key(part, d.block)
                    if key in rec.parameters and len(shapes[key]) == 1 and part.name in _INPUTS:
                        sentence = f"{key} is read as a parameter, the same at each step"
                        yield Note.at(f"{sentence}; write {key}_t for an input", part.span)


def _other_names(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`W^H` and `W'`, which stand for a transpose elsewhere, and f', which stands for a derivative."""
    lecture = "[t" not in rec.text
    for key in rec.parameters:
        name = uses[key][0].name
        base = name.name.partition("_")[0].rstrip("'")
        if name.name.endswith("_H") and re.search(r"\^\{?H", _written(rec, name.span)):
            sentence = f"{_written(rec, name.span)} is read as another matrix, {key}"
            yield Note.at(f"{sentence}; write {base}^T for a transpose", name.span)
        elif key.endswith("'") and capital(key) and lecture and not any(f"{key} " in n for n in rec.program.notes):
            yield Note.at(f"{key} is read as a name of its own; write {base}^T for a transpose", name.span)
    for function in rec.abstract:
        if function.endswith("'"):
            yield Note(f"{function} is read as a function of which only the name is known, "
                       f"not as the derivative of {function[:-1]}")  # fmt: skip
        elif function in _NO_GRADIENT:
            yield Note(f"{function} is no function with a gradient: it stays a name, and let must say what it is")


def _sigmoids(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`σ (y - x)` of plain values is a factor σ to some, as in the equations of Lorenz."""
    for d in rec.definitions:
        for e, _ in walk(d.right):
            if not (isinstance(e, Call) and e.function == "sigmoid" and isinstance(e.args[0], Binary)):
                continue
            inner = e.args[0]
            values = all(isinstance(p, Name) and p.index is not None for p in (inner.left, inner.right))
            if inner.operator == "-" and values and "sig" not in _written(rec, e.span).replace("\\sigma", ""):
                yield Note.at(f"σ(…) is read as the sigmoid, {brief(e)}; a factor needs another letter, as in s * (…)",
                              e.span)  # fmt: skip


def _matrices_of_functions(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`softplus(Λ) r[t]`: a product with a matrix, or of entries?"""
    for d in rec.definitions:
        for parts in chains(d.right):
            for part, after in pairwise(parts):
                if not isinstance(part, Call) or part.function == "exp" or not keeps_shape(part) or not part.args:
                    continue
                inner, whole = part.args[0], brief(part)
                matrix = isinstance(inner, Name) and _plain_capital(inner)
                if matrix and isinstance(inner, Name) and len(shapes[rec.key(inner, d.block)]) == 2:
                    sentence = f"{whole} is read as a matrix, with the product {whole} @ {brief(after)}"
                    yield Note.at(f"{sentence}; write {whole} ⊙ {brief(after)} for vectors", part.span)


def _products_of_steps(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`prod_{k=1}^{t} A_k h_0` with a capital A: of matrices, or entry by entry?"""
    for d in rec.definitions:
        for e, _ in walk(d.right):
            body = e.body if isinstance(e, Reduce) and e.kind == "prod" else None
            capitals = isinstance(body, Name) and body.index is not None and capital(body.name)
            if capitals and isinstance(body, Name) and len(shapes[rec.key(body, d.block)]) == 1:
                sentence = f"{brief(e)} is a product of vectors, entry by entry"
                yield Note.at(f"{sentence}; for matrices write the recurrence, h[t] = {body.name}[t] @ h[t-1]", e.span)


def _unread(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """What is computed for nothing."""
    for base, d in {**rec.once, **rec.every}.items():
        if base not in uses and base not in rec.outputs and base not in rec.losses and base != rec.total:
            step = "[t]" if base in rec.every else ""
            yield Note.at(f"nothing reads {base}{step}, and no loss depends on it", d.equation.span)


def _starts(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """Values for steps so early that no equation reads them: `h[-1] = 0` beside h[t] = tanh(W h[t-1])."""
    for d in rec.definitions:
        if d.kind != "fixed" or d.index is None or d.index.variable is not None or d.index.offset > 0:
            continue
        step = d.index.offset
        for base in d.bases:
            read = [use.name.index for use in uses.get(base, ()) if use.name.index]
            if not any(i.offset == step if i.variable is None else i.variable != "t" or i.offset < step for i in read):
                first = min((1 + i.offset for i in read if i.variable == "t"), default=1)
                begins = f"; steps count from 1, and the first that is read is {base}[{first}]" if first < 1 else ""
                yield Note.at(f"nothing reads {base}[{step}]{begins}", d.equation.span)


def _gates(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """Outputs of a text without a loss that are made before its state, as gates are, and that nothing reads."""
    carried = [rec.every[state] for state in rec.states if state in rec.every]
    if rec.losses or not carried:
        return
    order = list(rec.definitions)
    for base in rec.outputs:
        d = rec.every.get(base)
        if d is None or d in carried or order.index(d) > max(map(order.index, carried)):
            continue
        reads = [(rec.key(n, d.block), n.index.offset) for n, _ in names_in(d.right) if n.index]
        states = [step for key, step in reads if key in rec.states]
        inputs = [step for key, step in reads if key in rec.inputs]
        if states and inputs and max(states) < d.offset <= max(inputs):
            yield Note.at(f"nothing reads {base}[t]: it is taken as an output, as it is made of earlier states alone",
                          d.equation.span)  # fmt: skip


def _given(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """Inputs that are called as states are: the line that defines them is missing, perhaps."""
    near = {_letters(name) for name in rec.defined}
    for key in rec.inputs:
        now = any(use.name.index and use.name.index.offset >= 0 for use in uses[key])
        called = key.rpartition(".")[2]
        state = len(rec.inputs) > 1 and called in _STATES
        gate = called in _GATES and len(_GATES.intersection(rec.defined)) > 1
        if now and (state or gate) and _letters(key) not in near:
            yield Note.at(f"{key}[t] is taken as given data, for no line defines it", uses[key][0].name.span)


def _near(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """Names that are another name but for an arrow, or for a subscript that occurs nowhere else."""
    defined = {_letters(n): n for n in rec.defined}
    for key in rec.inputs:
        other = defined.get(_letters(key))
        if other is not None and other != key:
            yield Note.at(f"{key}[t] is taken as given data, for no line defines it; {other}[t] is another",
                          uses[key][0].name.span)  # fmt: skip
    for key in rec.inputs:
        plain = defined.get(_unmarked(key))
        if plain is not None and plain != key and _letters(key) not in defined and key not in rec.targets:
            yield Note.at(f"{key}[t] is taken as given data, for no line defines it: "
                          f"is the equation {key}[t] = … missing beside that of {plain}[t]?",
                          uses[key][0].name.span)  # fmt: skip
    stepped = {*rec.inputs, *rec.defined}
    subscripts = [n.partition("_")[2] for n in (*rec.parameters, *rec.inputs, *rec.defined)]
    for key in rec.parameters:
        base, _, subscript = key.partition("_")
        if base in stepped and len(subscript) == 1 and subscripts.count(subscript) == 1:
            yield Note.at(f"{key} is read as a parameter, apart from {base}[t]: the index {subscript} occurs only here",
                          uses[key][0].name.span)  # fmt: skip


def _unmarked(name: str) -> str:
    """A candidate's name without what tells it from the value itself: h of h̃, ĥ, h' and h_tilde."""
    bare = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
    return re.sub(r"'+\Z|_(?:tilde|hat|bar|cand|candidate|new)\Z", "", bare)


def _letters(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", name) if c not in "\u20d6\u20d7")


def _two_tasks(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`h_t = tanh(W h_{t-1} + …)`, `y_t = W h_t`: one parameter for the state and for the output."""
    carried = {key for key in rec.states if key in rec.every}
    outer = {*rec.outputs} - carried
    for key in rec.parameters:
        if not shapes[key]:
            continue
        first = next((u for u in uses[key] if carried & {*u.definition.bases}), None)
        other = next((u for u in uses[key] if outer & {*u.definition.bases}), None)
        turned = any(isinstance(e, Transposed) and isinstance(e.operand, Name) and rec.key(e.operand, d.block) == key
                     for d in rec.definitions for e, _ in walk(d.right))  # fmt: skip
        if first and other and not turned:
            state, out = first.definition.bases[0], other.definition.bases[0]
            yield Note.at(f"{key} is one parameter, in the equation of {state}[t] and in that of {out}[t]; "
                          f"write {key}_{out} there for another", other.name.span)  # fmt: skip


def _fractions(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`a / τ x` is a/(τ x) here and (a/τ) x to others."""
    for d in rec.definitions:
        for e, _ in walk(d.right):
            if not (isinstance(e, Binary) and e.operator == "/"):
                continue
            parts, explicit = factors(e.right)
            line = rec.text.splitlines()[e.span.line - 1] if e.span.line <= len(rec.text.splitlines()) else ""
            before = line[e.left.span.end : e.right.span.column]
            if len(parts) > 1 and not any(explicit) and "/" in before and "(" not in before:
                rest = brief(parts[0], 40), " ".join(brief(p, 40) for p in parts[1:])
                yield Note.at(f"{brief(e.left)}/{rest[0]} {rest[1]} is read as {brief(e)}, not as "
                              f"({brief(e.left)}/{rest[0]}) {rest[1]}", e.span)  # fmt: skip


def _nested(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`E_{x_t}`: a parameter whose subscript has a step."""
    for key in rec.parameters:
        name = uses[key][0].name
        written = _written(rec, name.span)
        if re.search(r"_\{\w+_\{?[tn]\}?\}", written):
            yield Note.at(f"{written} is read as the parameter {key}, the same at each step; for an embedding write "
                          f"{key.partition('_')[0]} x[t] with one-hot vectors x[t]", name.span)  # fmt: skip


def _gradients(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`h - η ∂E/∂h`: no recurrence computes a gradient."""
    for key in rec.parameters:
        if "/" in key:
            yield Note.at(f"{key} is read as a parameter that is given, not as a gradient that is computed",
                          uses[key][0].name.span)  # fmt: skip


def _summed_sequences(rec: Recurrence, shapes: Shapes, uses: Uses) -> Iterator[Note]:
    """`sum_i W_i h[t-1]`: is W a sequence over the steps, or are there several matrices?"""
    for d in rec.definitions:
        for e, _ in walk(d.right):
            if not isinstance(e, Reduce) or e.variable == "t" or e.lower is not None or e.upper is not None:
                continue
            for name, _ in names_in(e.body):
                key = rec.key(name, d.block)
                if name.index and name.index.variable == e.variable and key in rec.inputs and len(uses[key]) == 1:
                    yield Note.at(f"{name.name}[{e.variable}] is read as an input that the sum takes at every step; "
                                  "several matrices need names of their own, as in W1 h + W2 h", name.span)  # fmt: skip


def _written(rec: Recurrence, span: Span) -> str:
    lines = rec.text.splitlines()
    return lines[span.line - 1][span.column : span.end] if span.line <= len(lines) else ""


_QUESTIONS: tuple[Callable[[Recurrence, Shapes, Uses], Iterator[Note]], ...] = (
    _numbers,
    _words,
    _constants,
    _powers,
    _stars,
    _fractions,
    _nothing_is_carried,
    _forgotten_steps,
    _other_names,
    _sigmoids,
    _matrices_of_functions,
    _products_of_steps,
    _unread,
    _starts,
    _gates,
    _given,
    _near,
    _two_tasks,
    _nested,
    _gradients,
    _summed_sequences,
)
