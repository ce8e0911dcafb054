r"""TikZ from our own coordinates, with LaTeX's own mathematics as labels: `fig.tikz` for a document, `.tex` alone.

Needs nothing but `\usepackage{tikz,amsmath}` and compiles with any engine. Names are escaped, and characters that
pdfLaTeX has no glyph for are spelled as their code points, so no name can stop or change a document.
"""

from __future__ import annotations

import re

from ..core.names import LATEX_SPECIAL, to_latex
from .geometry import Path, arrow_head, shorten
from .marks import Layout, Mark
from .svg import number

__all__ = ["write_tex", "write_tikz"]

_MATH = {
    "∂": r"\partial ",
    "…": r"\ldots ",
    "−": "-",
    "→": r"\to ",
    "×": r"\times ",
    "⁺": "^{+}",
    "·": r"\cdot ",
    "′": "'",
    "∘": r"\circ ",
    "‖": r"\| ",
    "σ": r"\sigma ",
    "∞": r"\infty ",
    "⊙": r"\odot ",
    "∑": r"\Sigma ",
}
_MATH |= {c: f"_{{{i}}}" for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
_MATH |= {c: f"_{{{p}}}" for c, p in zip("₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "+-aehijklmnoprstuvx")}
_MATH |= {
    c: f"^{{{p}}}" for c, p in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "0123456789()abcdefghijklmnoprstuvwxyz")
}


def _text(words: str) -> str:
    """Plain words for LaTeX."""
    out = ""
    for c in words:
        if c in _MATH:
            out += f"${_MATH[c]}$"
        elif c in LATEX_SPECIAL:
            out += LATEX_SPECIAL[c]
        else:
            out += c if c.isascii() and c.isprintable() else f"[U+{ord(c):04X}]"
    return re.sub(r"\$\$", "", out)  # neighbours in one formula


def _math(latex: str) -> str:
    """LaTeX of our own printers, with the letters that it passed through spelled out where needed."""
    return "".join(c if c.isascii() and c.isprintable() else _MATH.get(c, rf"\text{{[U+{ord(c):04X}]}}") for c in latex)


def _label(m: Mark, ink: str) -> str:
    assert m.label is not None
    x, y = m.label_point
    if m.tex or m.kind == "node":
        content = f"$\\displaystyle {_math(m.tex or to_latex(m.id))}$"
        scale = 1.5 if m.kind == "node" else 1.3
    else:
        content, scale = _text(m.label.text), 1.05 if m.kind == "cell" else round(m.label.height / 7.4, 2)
    if not content:
        return ""
    anchor = ""
    if m.kind in ("text", "band") and not m.tex and m.cls != "matrix":
        x, anchor = x - m.label.width / 2, ",anchor=west"
    face = r"\sffamily " if not m.tex and m.kind != "node" else ""
    return (
        rf"\node[text={_colour(m.ink or ink)},inner sep=0pt,scale={scale}{anchor}] at "
        rf"({number(x)},{number(y)}) {{{face}{content}}};"
    )


def _colour(value: str) -> str:
    return "bptt" + value[1:].upper()


def _options(m: Mark) -> str:
    s = m.style
    out = [] if s.stroke == "none" else [f"draw={_colour(s.stroke)}", f"line width={number(s.width)}bp"]
    out += [f"fill={_colour(s.fill)}"] if s.fill != "none" else []
    out += [f"dash pattern=on {number(s.dash[0])}bp off {number(s.dash[-1])}bp"] if s.dash else []
    return ",".join(out)


def _curve(path: Path) -> str:
    p = [f"({number(x)},{number(y)})" for x, y in path]
    return p[0] + "".join(f" .. controls {p[k]} and {p[k + 1]} .. {p[k + 2]}" for k in range(1, len(p) - 1, 3))


def _shape(m: Mark) -> list[str]:
    s = m.style
    if m.box is not None:
        x, y, w, h = m.box
        out = []
        for grow in (4.0, 0.0) if s.double else (0.0,):
            a, b = w / 2 + grow, h / 2 + grow
            if s.shape == "ellipse":
                where = f"({number(x)},{number(y)}) ellipse [x radius={number(a)}, y radius={number(b)}]"
                out.append(rf"\path[{_options(m)}] {where};")
            else:
                radius = min(s.radius + grow * (s.radius > 2), a, b)
                corners = f"({number(x - a)},{number(y - b)}) rectangle ({number(x + a)},{number(y + b)})"
                out.append(rf"\path[{_options(m)},rounded corners={number(radius)}bp] {corners};")
        return out
    if not m.path:
        return []
    line = shorten(m.path, s.head) if s.head else m.path
    out = [rf"\path[{_options(m)}] {_curve(line)};"]
    if s.head:
        corners = " -- ".join(f"({number(x)},{number(y)})" for x, y in arrow_head(m.path, s.head))
        out.append(rf"\fill[{_colour(s.stroke)}] {corners} -- cycle;")
    if s.dot:
        x, y = m.path[0]
        out.append(rf"\fill[{_colour(s.stroke)}] ({number(x)},{number(y)}) circle [radius={number(s.dot)}];")
    return out


def write_tikz(layout: Layout) -> str:
    """A `tikzpicture` environment of the picture's natural size."""
    body: list[str] = []
    for m in layout.marks:
        drawn = _shape(m)
        if m.label is not None and m.label.text.strip():
            drawn.append(_label(m, layout.ink))
        if m.kind in ("node", "edge", "arc") and drawn:
            safe = "".join(c if c.isascii() and c.isprintable() else "?" for c in m.id)
            body.append(f"% {m.kind} {safe}")
        body += [d for d in drawn if d]
    text = "\n".join("  " + line for line in body)
    used = sorted(set(re.findall(r"bptt([0-9A-F]{6})", text)) | {layout.paper[1:].upper()})
    colours = "\n".join(rf"  \definecolor{{bptt{c}}}{{HTML}}{{{c}}}" for c in used)
    paper = f"bptt{layout.paper[1:].upper()}"
    before, after = ("", "")
    if layout.scale != 1.0:
        before, after = rf"\scalebox{{{layout.scale:.5f}}}{{%" + "\n", "}%\n"
    return (
        "% needs \\usepackage{tikz,amsmath}\n" + before + "\\begin{tikzpicture}[x=1bp,y=-1bp]\n" + colours + "\n"
        rf"  \fill[{paper}] (0,0) rectangle ({number(layout.width)},{number(layout.height)});"
        + f"\n{text}\n\\end{{tikzpicture}}%\n"
        + after
    )


def write_tex(layout: Layout) -> str:
    """A document of one page that is exactly the picture."""
    wide, high = number(layout.width * layout.scale), number(layout.height * layout.scale)
    size = f"paperwidth={wide}bp,paperheight={high}bp"
    return (
        "\\documentclass{article}\n\\usepackage{amsmath,tikz}\n"
        f"\\usepackage[{size},margin=0bp]{{geometry}}\n"
        "\\pagestyle{empty}\\parindent=0pt\\topskip=0pt\\parskip=0pt\\lineskip=0pt\n"
        "\\begin{document}%\n" + write_tikz(layout) + "\\end{document}\n"
    )
