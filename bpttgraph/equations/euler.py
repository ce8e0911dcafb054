"""Differential equations: refused, with the Euler step that has the text's own right side."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace

from ..errors import BPTTError
from .latex import Source, Token
from .syntax import Expr, Index, Name
from .text import brief
from .trees import rebuild

__all__ = ["differential", "euler_steps"]

_TIMES = ("dt", "dτ", "∂t", "∂τ")
_DATA = {"x", "u"}  # what drives a system, where no other equation tells


def differential(source: Source, left: list[Token], right: list[Token]) -> bool:
    """Whether a left side is a derivative by time: `\\dot h`, `τ \\dot h`, `dh/dt`, `\\frac{d}{dt} h`, `x'(t)`.

    A dot on a name with a step is an accent, unless the name without it stands on the right.
    """
    texts = [token.text for token in left]
    others = {token.text for token in right}
    for token in left:
        bare = _undotted(token.text)
        if token.name and bare != token.text and (not token.name.index or bare in others):
            return True
    below = [["{", *time, "}"] for time in (["d", "t"], ["dt"], ["dτ"], ["∂", "t"], ["∂", "τ"])]
    fraction = "frac" in texts and any(texts[i : i + len(b)] == b for b in below for i in range(len(texts)))
    return fraction or "".join(texts).endswith(("/dt", "/dτ", "/∂t")) or _primed(source, left, right)


def _undotted(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).replace("\u0307", "").replace("\u0308", ""))


def _primed(source: Source, left: list[Token], right: list[Token]) -> bool:
    """`x'(t) = A x(t)`: the derivative of what stands on the right at the same time."""
    name = left[0].name if len(left) == 1 else None
    if name is None or name.index is None or not name.name.endswith("'"):
        return False
    written = source.text[left[0].start : left[0].stop]
    same = (t.name for t in right if t.name and t.name.index == name.index)
    return "(" in written and any(other.name == name.name.rstrip("'") for other in same)


def _state(left: list[Token]) -> tuple[str, str] | None:
    """The state of a derivative and the factor before it: ("h", "τ") of `τ \\dot h`; None where it is not seen."""
    words = [word for token in left for word in token.text.split("/")]
    kept = [word for word in words if word not in ("", "{", "}", "(", ")", "frac", "·", "*", "d", "∂", "t")]
    names: list[str] = []
    factors: list[str] = []
    for text in kept:
        bare = _undotted(text).rstrip("'")
        if text in _TIMES:
            continue
        if bare != text:
            names.append(bare)
        elif text[:1] in "d∂" and len(text) > 1:
            names.append(text[1:])
        else:
            factors.append(text)
    if not names and factors:
        names = [factors.pop()]  # \frac{d}{dt} h, \frac{d h}{d t}
    plain = len(names) == 1 and len(factors) < 2 and names[0].isidentifier()
    return (names[0], " ".join(factors)) if plain else None


def euler_steps(source: Source, lines: Iterable[list[Token]], read: Callable[[list[Token]], Expr]) -> str:
    """What to write for a text with derivatives by time: the Euler step of each, its other values at step t.

    The right sides are the text's own; where one cannot be read, an example stands in its place, which "such as" says.
    `lines` are the tokens of the equations, and `read` makes a tree of a right side.
    """
    found: list[tuple[str, str, list[Token]]] = []
    states: set[str] = set()
    for tokens in lines:
        place = next((i for i, token in enumerate(tokens) if token.kind == "="), None)
        if not place:
            continue
        left, right = tokens[:place], tokens[place + 1 :]
        if not differential(source, left, right):
            states.update(t.name.name for t in left if t.name and len(left) == 1)
        elif state := _state(left):
            states.add(state[0])
            found.append((*state, right))

    def at_t(e: Expr) -> Expr:
        moves = isinstance(e, Name) and e.index is None and (e.name in states or e.name in _DATA)
        return replace(e, index=Index("t", 0)) if moves and isinstance(e, Name) else e

    steps, whole = [], bool(found)
    for base, factor, right in found:
        try:
            tree = read(right)
            if "sum_" in brief(tree):  # units are counted one by one
                steps.append(_of_units(base, factor, tree, states))
                continue
            value = brief(rebuild(tree, at_t))
        except BPTTError:
            value, whole = f"-{base}[t] + tanh(W {base}[t])", False
        steps.append(f"{base}[t+1] = {base}[t] + Δt{f'/{factor}' if factor else ''} * ({value})")
    said = " and ".join(steps) or "h[t+1] = h[t] + Δt * (-h[t] + tanh(W h[t]))"
    return f"write the Euler step of it, {said}" if whole else f"write the Euler step of it, such as {said}"


def _of_units(base: str, factor: str, right: Expr, states: set[str]) -> str:
    """The Euler step of `τ dh_i/dt = -h_i + Σ_j W_ij φ(h_j)`: each entry with its step, `h_{i,t}`.

    Raises:
        BPTTError: a state without an index, whose sum is no sum over units.
    """
    letters = {state.partition("_")[0] for state in states} | _DATA | {"I"}
    unit = base.partition("_")[2]
    if len(unit) != 1:
        raise BPTTError(f"{base} counts no units")

    def at_t(e: Expr) -> Expr:
        if not isinstance(e, Name):
            return e
        letter, _, label = e.name.partition("_")
        if e.index is not None:  # h_j under a sum over j
            label = str(e.index.variable)
        moves = letter in letters and len(label) == 1
        return replace(e, name=f"{letter}_{{{label},t}}", index=None) if moves else e

    letter = base.partition("_")[0]
    change = brief(rebuild(right, at_t))
    return f"{letter}_{{{unit},t+1}} = {letter}_{{{unit},t}} + Δt{f'/{factor}' if factor else ''} * ({change})"
