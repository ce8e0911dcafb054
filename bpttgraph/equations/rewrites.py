"""What to write instead, as a line of the text with a part of it changed: the words of hints that can be followed."""

from __future__ import annotations

import re

from .latex import Source

__all__ = ["einsum", "raised", "several_terms"]


def several_terms(source: Source, start: int, bracket: int, letter: str) -> str:
    """What to write for `max_k (W_k h_{t-1})`, which begins at `start`: the largest entries of two vectors; empty if
    the bracket does not end or nothing in it is counted."""
    depth = 0
    for at in range(bracket, min(len(source.text), bracket + 400)):
        depth += {"(": 1, ")": -1}.get(source.text[at], 0)
        if depth == 0:
            break
    inside = source.text[bracket + 1 : at]
    counted = re.compile(rf"_(?:\{{{letter}\}}|{letter}(?![A-Za-z])|\(\s*{letter}\s*\))")
    if depth or not counted.search(inside):
        return ""
    terms = ", ".join(counted.sub(f"_{number}", inside.strip()) for number in (1, 2))
    name = re.match(r"\\?[A-Za-z]+", source.text[start:])
    line = source.line_with((start, at + 1, f"{name[0] if name else 'max'}({terms})"))
    return f"write {line}, with a term for each {letter}"


_SPACED = re.compile(r"(?<![\w\\])([^\W\d_]) t(?:\s?([-−–+])\s?(\d+))?(?![\w(])")
_LABEL = re.compile(r"(?<![\w\\])([A-Z]) ([a-z]{2})(?= [a-z]\[)")
_BIAS = re.compile(r"(?<![\w\\])(b) ([a-z])(?!\w|\[| \w)")


def raised(text: str) -> str:
    """The lines of a text from a PDF with their steps in brackets and their labels raised: `h t = tanh(W hh h t−1)` is
    h[t] = tanh(W_hh h[t-1])."""

    def step(found: re.Match[str]) -> str:
        base, sign, number = found.groups()
        return f"{base}[t{'+' if sign == '+' else '-'}{number}]" if sign else f"{base}[t]"

    lines = [_SPACED.sub(step, " ".join(line.split())) for line in text.splitlines() if line.strip()]
    values = {base for line in lines for base in re.findall(r"(\w)\[t", line)}

    def label(found: re.Match[str]) -> str:
        return f"{found[1]}_{found[2]}" if {*found[2]} <= values else found[0]

    return "; ".join(_BIAS.sub(label, _LABEL.sub(label, line)) for line in lines)


_EINSUM = re.compile(r"(?:np\.|numpy\.|torch\.)?einsum\(\s*['\"]([a-z, ]+)->([a-z ]*)['\"]\s*,")


def einsum(text: str) -> tuple[int, int, str] | None:
    """Where a call of `einsum` stands in a text, and the product to write for it."""
    found = _EINSUM.search(text)
    if not found:
        return None
    depth, start, stop, given = 1, found.end(), found.end(), []
    while stop < len(text) and depth:
        depth += (text[stop] in "([{") - (text[stop] in ")]}")
        if depth == 0 or (depth == 1 and text[stop] == ","):
            given.append(text[start:stop].strip())
            start = stop + 1
        stop += 1
    a, b = given[0] if given else "", given[1] if len(given) > 1 else ""
    axes = found[1].replace(" ", "").split(",")
    letters = {letter: "ijkl"[i] for i, letter in enumerate(dict.fromkeys("".join(axes)))}
    pattern = ",".join("".join(letters.get(x, x) for x in axis) for axis in axes)
    pattern += "->" + "".join(letters.get(x, x) for x in found[2].strip())
    products = {
        "ij,j->i": f"{a} @ {b}", "ij,i->j": f"{a}.T @ {b}", "i,ij->j": f"{b}.T @ {a}", "i,ji->j": f"{b} @ {a}",
        "i,i->": f"dot({a}, {b})", "i,j->ij": f"outer({a}, {b})", "i,i->i": f"{a} * {b}", "ij,jk->ik": f"{a} @ {b}",
    }  # fmt: skip
    return found.start(), stop, products.get(pattern) or f"f({', '.join([*given[1:], a])})"
