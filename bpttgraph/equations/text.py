"""Syntax trees written as text, which parses to the same tree again."""

from __future__ import annotations

from .syntax import Binary, Call, Equation, Expr, Index, Name, Negate, Number, Program, Reduce, Stack, Transposed

__all__ = ["show", "show_index"]


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
        case Reduce():
            lower = f"_{{{tree.variable}={show_index(tree.lower)}}}" if tree.lower else f"_{tree.variable}"
            upper = f"^{{{show_index(tree.upper)}}}" if tree.upper else ""
            return f"({tree.kind}{lower}{upper} ({show(tree.body)}))"
        case Binary():
            # A number needs its dot: `x 2` would not parse.
            operator = " · " if tree.operator == " " and isinstance(tree.right, Number) else f" {tree.operator} "
            return f"({show(tree.left)}{' ' if operator == '   ' else operator}{show(tree.right)})"


def show_index(index: Index) -> str:
    if index.variable is None:
        return str(index.offset)
    return f"{index.variable}{index.offset:+d}" if index.offset else index.variable
