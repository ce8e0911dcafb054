"""The recursions as NumPy code that a student could have written.

One function: forward values and parameters in, gradients out. Every sequence is an array whose row t is step t, so that
h[0] is the initial state and the code reads like the formulas. The arrays have a row of zeros beyond the last step (two
where an equation reaches two steps ahead), and so have the adjoints: that is their terminal condition.
"""

from __future__ import annotations

import re

from .adjoints import Adjoints
from .code_printer import CodePrinter, python_name
from .expr import Expr, Product, Tagged, Unit, split_sign, transpose
from .recursion import Recursion, names_of
from .recursions import Loop, Recursions
from .walk import SUM

__all__ = ["CodePrinter", "numpy_code", "python_name"]

WIDTH = 88  # of lists of names, and of sums
_HELPERS = {
    "sigmoid": "def sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n",
    "softmax": "def softmax(x):\n    e = np.exp(x - np.max(x))\n    return e / np.sum(e)\n",
    "step": "def step(x):\n    return (x > 0) * 1.0\n",
}


def numpy_code(recursions: Recursions, adjoints: Adjoints, function: str, least: int = 1) -> str:
    """The source of `function(T, values…)`, which returns a dict of gradients by name."""
    printer = CodePrinter()
    statements = recursions.statements
    made = set(recursions.lines)
    blocks = [b for b in recursions.last if b] or [""]
    body = [f"{python_name(line.key)} = np.zeros_like({_like(line.of, line.members)})" for line in recursions.lines.values()]
    if least > 1:
        body.insert(0, f'assert {_length(blocks[-1])} >= {least}, "these recursions hold for {least} steps or more"')
    for loop in recursions.loops:
        body += _loop(loop, statements, printer)
    gradients = [r for r in statements if r.kind == "gradient"]
    body += _sums(gradients, printer)
    read = [name for line in recursions.lines.values() for name in line.members or (line.of,)]
    read += [r.of for r in gradients if "[" not in r.of]
    inputs = {python_name(name): None for name in read}
    for r in statements:
        for name in sorted(names_of(r.terms)):
            base = name.partition("[")[0]
            if base not in made and base not in ("t", "T") and base not in {g.key for g in gradients if g.uses == ()}:
                inputs[python_name(base)] = None
    args = [_length(b) for b in blocks] + [n for n in sorted(inputs) if not n.startswith("T_") and n != "T"]
    names = [f'"{r.key}": {_gradient_name(r.key)}' for r in gradients]
    head, end = _listed(f"def {function}(", args, "):"), _listed("    return {", names, "}")
    lines = [*head, *[line for b in body for line in _broken("    " + b)], *end]
    helpers = "\n\n".join(_HELPERS[h] for h in printer.helpers if h in _HELPERS)
    return "import numpy as np\n\n\n" + (helpers + "\n\n" if helpers else "") + "\n".join(lines) + "\n"


def _listed(head: str, items: list[str], end: str) -> list[str]:
    """`head`, the items with commas, `end`: on one line, or as many as are needed below `head`."""
    if len(head + ", ".join(items) + end) <= WIDTH:
        return [head + ", ".join(items) + end]
    indent = " " * (len(head) - len(head.lstrip()))
    lines = [indent + "   "]
    for item in items:
        if len(lines[-1]) + len(item) + 2 > WIDTH:
            lines.append(indent + "   ")
        lines[-1] += f" {item},"
    return [head, *lines, indent + end]


def _broken(line: str) -> list[str]:
    """A sum that is too long, one summand a line.

    >>> print(*_broken("    dh[t] = " + " + ".join(["W.T @ (delta[t+1] + eps)"] * 4)), sep="\\n")
        dh[t] = (
            W.T @ (delta[t+1] + eps)
            + W.T @ (delta[t+1] + eps)
            + W.T @ (delta[t+1] + eps)
            + W.T @ (delta[t+1] + eps)
        )
    """
    left, equals, right = line.partition("= ")
    parts, depth = [""], 0
    for piece in re.split(r"( [+-] )", right):
        if piece in (" + ", " - ") and depth == 0:
            parts.append(piece.lstrip())
        else:
            parts[-1] += piece
            depth += sum(map(piece.count, "([")) - sum(map(piece.count, ")]"))
    if len(line) <= WIDTH or len(parts) == 1:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    return [f"{left}{equals}(", *[f"{indent}    {p}" for p in parts], f"{indent})"]


def _like(of: str, members: tuple[str, ...]) -> str:
    """The array whose shape an adjoint has: that of its variable, or of all the variables of a stack."""
    return f"np.concatenate([{', '.join(map(python_name, members))}], axis=1)" if members else python_name(of)


def _length(block: str) -> str:
    return f"T_{block}" if block else "T"


def _bound(text: str, block: str) -> str:
    return text.replace("T", _length(block)).replace("+", " + ").replace("-", " - ") if "T" in text else text


def _index(text: str, block: str) -> str:
    return text.replace("T", _length(block))


def _sum_text(terms: tuple[Expr, ...], printer: CodePrinter) -> str:
    if not terms:
        return "0"
    signed = [split_sign(t) for t in terms]
    plain = [(s, t.arg if isinstance(t, Tagged) else t) for s, t in signed]
    return printer.signed_sum([(s, printer.show(t, SUM + 1 if s < 0 else SUM)) for s, t in plain])


def _loop(loop: Loop, statements: tuple[Recursion, ...], printer: CodePrinter) -> list[str]:
    """`for t in range(T, 0, -1):` with the statements of one loop; a statement for one step only stands under an `if`."""
    own = [r for k in loop.keys for r in statements if r.key == k and r.kind in ("adjoint", "delta")]
    block = loop.block
    down = loop.direction < 0
    out: list[str] = []
    firsts = sorted((_rank(r.first) for r in own), reverse=down)
    lasts = sorted((_rank(r.last) for r in own), reverse=not down)
    first, last = firsts[0][1], lasts[0][1]
    stop = _bound(_shifted(last, -1 if down else 1), block)
    start = _bound(first, block)
    out.append(f"for t in range({start}, {stop}, -1):" if down else f"for t in range({start}, {stop}):")
    for r in own:
        left = printer.show(r.left)
        left = _index(left, block) if r.first == r.last else left
        printer.size = f"{python_name(r.key)}.shape[1]" if len(r.dims) == 1 else ""
        text = f"{left} = {_indexed(_sum_text(r.terms, printer), block)}"
        if r.first == r.last:
            out += [f"    if t == {_bound(r.first, block)}:", "        " + text]
        elif (r.first, r.last) != (first, last):
            low, high = (r.last, r.first) if down else (r.first, r.last)
            out += [f"    if {_bound(low, block)} <= t <= {_bound(high, block)}:", "        " + text]
        else:
            out.append("    " + text)
    return out


def _indexed(text: str, block: str) -> str:
    """Indices such as [T] or [T-1] with the name of the block's length."""
    return re.sub(r"(\w+)\[T", lambda m: f"{m[1]}[{_length(_block_in(m[1]) or block)}", text)


def _block_in(name: str) -> str:
    return next((b for b in ("encoder", "decoder") if name.startswith(b + "_")), "")


def _rank(text: str) -> tuple[int, str]:
    """Order of bounds: numbers below everything relative to T."""
    return (10**6 + int(text[1:] or 0), text) if text.startswith("T") else (int(text), text)


def _shifted(text: str, by: int) -> str:
    if text.startswith("T"):
        n = int(text[1:] or 0) + by
        return "T" + (f"{n:+d}" if n else "")
    return str(int(text) + by)


def _one_line(e: Expr, name: str, printer: CodePrinter) -> str | None:
    """A summand δ 𝐞ᵀ adds to one column only, 𝐞 δᵀ to one row: that statement; None for all else."""
    sign, e = split_sign(e)
    e = e.arg if isinstance(e, Tagged) else e
    if not isinstance(e, Product) or len(e.factors) != 2 or e.factors[0].shape[1:] != (1,):
        return None
    left, right = (f.arg if isinstance(f, Tagged) else f for f in (e.factors[0], transpose(e.factors[1])))
    right = right.arg if isinstance(right, Tagged) else right
    for place, one, other in ((":, {}", right, left), ("{}", left, right)):
        if isinstance(one, Unit):
            return f"{name}[{place.format(printer.show(one.arg))}] {'-' if sign < 0 else '+'}= {printer.show(other)}"
    return None


def _gradient_name(key: str) -> str:
    return "d" + re.sub(r"\W+", "_", python_name(key)).strip("_")


def _sums(gradients: list[Recursion], printer: CodePrinter) -> list[str]:
    """The gradients: all sums over the same steps in one loop."""
    out: list[str] = []
    printer.size = ""
    loops: dict[tuple[str, str, str], list[str]] = {}
    for r in gradients:
        name = _gradient_name(r.key)
        if "[" not in r.of:
            out.append(f"{name} = np.zeros_like({python_name(r.of)})")
        for low, high, block, every in r.uses:
            single = {x: line for x in every if low and (line := _one_line(x, name, printer)) is not None}
            if single:
                loops.setdefault((low, high, block), []).extend("    " + _indexed(line, block) for line in single.values())
            terms = tuple(x for x in every if x not in single)
            if not terms and single:
                continue
            text = _indexed(_sum_text(terms, printer), block)
            if low:
                loops.setdefault((low, high, block), []).append(f"    {name} += {text}")
            else:
                out.append(f"{name} = {text}")
    for (low, high, block), lines in loops.items():
        if low == high:
            out += [f"t = {_bound(low, block)}", *[line.strip() for line in lines]]
        else:
            out += [f"for t in range({_bound(low, block)}, {_bound(_shifted(high, 1), block)}):", *lines]
    return out
