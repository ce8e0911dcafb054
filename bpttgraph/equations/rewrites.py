"""What to write instead, as a line of the text with a part of it changed: the words of hints that can be followed."""

from __future__ import annotations

import re

from .latex import Source

__all__ = ["called_kernels", "raised", "several_terms"]


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


_FACTOR = r"(?:\\?[A-Za-z]+|\\math\w+\{[A-Za-z]+\})"
_SCRIPTS = r"(?:[_^](?:\{[^{}]*\}|\w+)|\[[^\[\]]*\])*"
_KERNEL = re.compile(
    rf"(?<![\w\\])(?P<kernel>(?:\\math\w+\{{)?[A-Z][A-Za-z]*\}}?(?:_(?:\{{[^{{}}]*\}}|\w+))?(?:\^\{{[^{{}}]*\}})?)"
    rf"\s*(?:\*|∗|⋆|\\ast|\\star|\\circledast|⊛)\s*(?P<value>{_FACTOR}{_SCRIPTS})"
)


def called_kernels(text: str) -> str:
    """What to write for `W * x_t`, where `*` is a convolution: a function of the value, with the kernel as its
    parameter; empty if no line has such a product."""
    name = next((a for a in "kgqf" if not re.search(rf"(?<![A-Za-z\\]){a}(?![A-Za-z])", text)), "k_1")
    lines = [" ".join(line.strip(" $").split()) for line in text.splitlines()]
    changed = [_KERNEL.sub(lambda found: f"{name}({found['value']}, {found['kernel']})", line) for line in lines]
    new = [after for before, after in zip(lines, changed, strict=True) if before != after]
    if not new:
        return ""
    return f"write {'; '.join(new)}, where {name} is the convolution, a function of which only the name is known"


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
