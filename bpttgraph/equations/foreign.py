"""Signs of calculus and of statistics that no step can hold: what to write in their place, in the text's own words."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["ADJOINT", "REMAINDER", "called_kernels", "conditional", "instead", "remainder"]

REMAINDER = "a remainder has no derivative and is not read here"

ADJOINT = frozenset(["*", "\\dagger", "†", "\\ddagger", "‡", "\\ast", "\\star"])
"""What marks the adjoint of a matrix at its top."""

_NABLA = re.compile(
    r"(?:\\nabla|∇)(?:_(?:\{[^{}]*\}|\\?\w+))?\s*(?:\\math\w+\s*)?\{?(?P<loss>\\?[A-Za-zℓ]+)\}?(?P<step>_(?:\{[^{}]*\}|\w))?"
    r"(?P<call>\s*\()?"
)
_INTEGRAL = re.compile(
    r"(?:\\int|∫)_\{?0\}?\^\{?t\}?\s*(?P<body>.+?)\s*(?:\\[,;!]\s*)?d\s?(?P<letter>[a-zτ]|\\tau)\s*\Z"
)
_CONVOLVED = re.compile(
    r"(?:_(?:\{[^{}]*\}|\\?\w+)|\^(?:\{[^{}]*\}|\\?\w+))*\s*\\?\w+\(\s*t\s*[-−]\s*(?P<letter>\\?[^\W\d_]+'?)\s*\)\s*"
    r"(?P<body>.{1,80}?)\s*(?:\\[,;!]\s*)?d\s*(?P=letter)(?!\w)"
)
_DECAY = re.compile(
    r"(?:e\^\{|\\exp\(|exp\()\s*[-−]\s*\(?t\s*[-−]\s*(?:\\?\w+?)\)?\s*(?:/\s*(?P<tau>\\?\w+)\s*)?[})]\s*"
)
_PROBABILITY = re.compile(
    r"(?P<head>\s*(?:[\w^_{}]+\s*[.:)]\s+)?)(?P<name>p|P|q|Pr|\\Pr|\\mathbb\{P\})\s*(?:\\left)?\((?P<of>[^=|]+?)(?:\||\\mid)[^=]*=(?P<right>.+)"
)


def instead(sign: str, before: str, after: str) -> str | None:
    """What to write for a sign, between the two parts of its line; None if nothing is known."""
    found = _ADVICE.get(sign)
    return found(before.strip(" $\t"), after.strip(" $\t")) if found else None


def _free(letters: str, text: str) -> str:
    """The first of some letters that the text has not as a name."""
    return next((a for a in letters if not re.search(rf"(?<![A-Za-z\\]){a}(?![A-Za-z])", text)), letters[0] + "_1")


def _gradient(before: str, after: str) -> str:
    found = _NABLA.match(f"∇{after}")
    if not found:
        return "let a name with a step stand for the gradient, such as g[t], and give it as data"
    rest, g = f"∇{after}"[found.end() :], _free("gGr", before + after)
    if found["call"]:
        return f"write {before} {g}({rest}, where {g}(…) is the gradient, a function of which only the name is known"
    return f"write {before} {g}_t{rest}, with the gradient {g}[t] as data"


def _integral(before: str, after: str) -> str:
    found = _INTEGRAL.match(f"∫{after}")
    state = before.rstrip("= ")
    past = re.sub(r"_\{?t\}?", "_{t-1}", state) if "_" in state else re.sub(r"([(\[])t([)\]])", r"\1t-1\2", state)
    if kernel := _kernel(before, after):
        return kernel
    if not found or past == state or not before.endswith("="):
        return "write the sum of its steps: a state that grows by each of them, h[t] = h[t-1] + Δt * x[t]"
    body = found["body"]
    decay = _DECAY.match(body)
    factor = f"exp(-Δt{'/' + decay['tau'] if decay['tau'] else ''}) " if decay else ""
    rest = body[decay.end() :] if decay else body
    now = re.sub(rf"(?<![A-Za-z\\]){re.escape(found['letter'])}(?![A-Za-z])", "t", rest)
    if re.search(r"(?<![A-Za-z_(\[{])t(?![A-Za-z)\]}])", rest):
        return "write the equation that the integral solves, with the state of the step before in it"
    return f"write {before} {factor}{past} + Δt * {now}, for the sum over steps of length Δt"


def _kernel(before: str, after: str) -> str:
    """What to write for `h(t) = f(∫ k(t-s) x(s) ds + …)`: a state of its own that falls by one factor at each step."""
    found = _CONVOLVED.match(after)
    if not found:
        return ""
    z, a = _free("zvqm", before + after), _free("aαλρ", before + after)
    now, past = ("_t", "_{t-1}") if re.search(r"_\{?t", before) else ("(t)", "(t-1)")
    letter = re.escape(found["letter"])
    body = re.sub(rf"_\{{?{letter}\}}?(?!\w)", "_t", re.sub(rf"\(\s*{letter}\s*\)", "(t)", found["body"].strip()))
    line = f"{before} {z}{now}{after[found.end() :]}".replace("( ", "(")
    return (
        f"write {line}; {z}{now} = {a} * {z}{past} + Δt * {body} for the kernel of a state that falls "
        f"by the factor {a} in each step"
    )


def _limit(before: str, after: str) -> str:
    return "let a name of its own stand for the limit, such as A for that of a matrix, and give it as data"


def _proportional(before: str, after: str) -> str:
    value = after.rstrip(" .,;$")
    return f"write {before} = ({value}) / sum({value}), for entries that add up to 1"


_ADVICE: dict[str, Callable[[str, str], str]] = {
    **dict.fromkeys(("\\nabla", "∇"), _gradient),
    **dict.fromkeys(("\\int", "∫", "\\oint"), _integral),
    "\\lim": _limit,
    **dict.fromkeys(("\\propto", "∝"), _proportional),
}


def conditional(line: str) -> str | None:
    """What to write for `p(y_t | y_{<t}) = softmax(V h_t)`: the vector of the probabilities."""
    found = _PROBABILITY.match(line.strip(" $\t"))
    if not found:
        return None
    name = _free("pqP", found["right"])
    return f"write {name}_t = {found['right'].strip(' $').rstrip('.,; ')}, the vector of all probabilities"


def remainder(before: str, after: str) -> str:
    """What to write for `h_t = W h_{t-1} mod 2`: a function without a formula."""
    left, _, value = before.strip(" $\t").rpartition("=")
    number = re.search(r"\d+", after)
    rest = after[number.end() :].rstrip(" $)}") if number else ""
    name = f"mod{number[0] if number else ''}"
    return f"write {left.strip()} = {name}({value.strip()}){rest}, where {name} is a function without a formula"


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
