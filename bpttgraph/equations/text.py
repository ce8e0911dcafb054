"""Syntax trees written as text, which parses to the same tree again."""

from __future__ import annotations

from .syntax import (
    Binary,
    Call,
    Constant,
    Equation,
    Expr,
    Index,
    Name,
    Negate,
    Number,
    Partial,
    Program,
    Reduce,
    Stack,
    Transposed,
)

__all__ = ["brief", "show", "show_index"]

_STRENGTH = {"+": 10, "-": 10, "*": 20, "/": 20, "@": 30, " ": 30, "^": 40}


def show(tree: Program | Equation | Expr) -> str:
    """Plain text with every bracket written, which parses to the same tree again."""
    match tree:
        case Program():
            lines: list[str] = []
            block = None
            for eq in tree.equations:
                if eq.block != block and not eq.left[0].block:
                    block = eq.block
                    lines.append(f"{block}:")
                lines.append(show(eq))
            return "\n".join(lines)
        case Equation():
            left = "; ".join(map(show, tree.left))
            return f"[{left}] = {show(tree.right)}" if len(tree.left) > 1 else f"{left} = {show(tree.right)}"
        case Number():
            return repr(tree.value).removesuffix(".0")
        case Constant():
            return tree.name
        case Name():
            block = f"{tree.block}." if tree.block else ""
            return block + tree.name + (f"[{show_index(tree.index)}]" if tree.index else "")
        case Call():
            inner = ", ".join(map(show, tree.args))
            return (
                f"{tree.function}({inner}; {', '.join(map(show, tree.parameters))})"
                if tree.parameters
                else f"{tree.function}({inner})"
            )
        case Negate():
            return f"(-{show(tree.operand)})"
        case Transposed():
            return f"{show(tree.operand)}.T"
        case Stack():
            return f"[{'; '.join(map(show, tree.items))}]"
        case Partial():
            plus = "⁺" * tree.immediate
            return f"∂{plus}{show(tree.top) if tree.top.name else 'E'}/∂{show(tree.bottom)}"
        case Reduce():
            lower = f"_{{{tree.variable}={show_index(tree.lower)}}}" if tree.lower else f"_{tree.variable}"
            upper = f"^{{{show_index(tree.upper)}}}" if tree.upper else ""
            return f"({tree.kind}{lower}{upper} ({show(tree.body)}))"
        case Binary():
            # A number needs its dot: `x 2` would not parse.
            operator = " · " if tree.operator == " " and isinstance(tree.right, Number) else f" {tree.operator} "
            return f"({show(tree.left)}{' ' if operator == '   ' else operator}{show(tree.right)})"


def brief(e: Expr, least: int = 0) -> str:
    """Plain text with no more brackets than it needs, which parses to the same tree again.

    Args:
        least: how strongly its parts must be bound not to need a bracket around all of it: 20 in a product.

    >>> from bpttgraph.equations.language import parse_expression
    >>> brief(parse_expression("(1 - z) ∘ (W h) + (a + b)"))
    '(1 - z) * (W h) + (a + b)'
    """
    match e:
        case Call():
            args, parameters = (", ".join(map(brief, group)) for group in (e.args, e.parameters))
            return f"{e.function}({args}; {parameters})" if parameters else f"{e.function}({args})"
        case Stack():
            return f"[{'; '.join(map(brief, e.items))}]"
        case Transposed():
            return f"{brief(e.operand, 50)}.T"
        case Negate():
            text, strength = f"-{brief(e.operand, 30)}", 10
        case Reduce():
            text, strength = f"{show(e).partition(' (')[0][1:]} {brief(e.body, 21)}", 5
        case Binary():
            strength = _STRENGTH[e.operator]
            beside = e.operator == " " and not isinstance(e.right, Number)  # `x 2` would not parse
            between = " " if beside else " · " if e.operator == " " else "^" if strength == 40 else f" {e.operator} "
            # a power's exponent, and what stands in a product, keep their brackets: nobody should have to count them
            left = brief(e.left, strength + (strength == 40))
            right = brief(e.right, 50 if strength == 40 else 40 if e.operator == "*" else strength + 1)
            text = left + between + right
        case _:
            return show(e)
    return f"({text})" if strength < least else text


def show_index(index: Index) -> str:
    if index.variable is None:
        return str(index.offset)
    return f"{index.variable}{index.offset:+d}" if index.offset else index.variable
