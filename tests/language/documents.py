"""Equations in the surroundings that they are copied with: environments, lists, tables, prose, remarks, loops."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .notations import Code, Notation, Unwritable, drawn
from .trees import Recurrence


@dataclass(frozen=True)
class Line:
    left: str
    right: str
    remark: str

    @property
    def text(self) -> str:
        return f"{self.left} = {self.right}"


Pieces = Sequence[Line]

ALIGNED = ("aligned", "align", "align*", "split", "eqnarray", "array{ll}", "array{rcl}", "array{l}", "cases", "gather",
           "alignat")  # fmt: skip
LATEX = ("lines", "lines", "\\\\", "quad", "$", "$$", "\\[", "bullets", "bold bullets", "numbered", "table", "doxygen",
         "wiki", "rst", "```math", "quote", "\\\\(", "prose en", "prose de", "prose fr", "prose zh", "inline prose",
         "where", *ALIGNED)  # fmt: skip
TEXT = ("lines", "lines", "bullets", "bold bullets", "numbered", "numbered)", "table", "```", "quote", "loop 1..T",
        "prose en", "prose de", "prose fr", "prose zh", "inline prose", "where", "html list")  # fmt: skip
CODE = ("lines", "lines", "loop", "```python", ">>>")
CHOICES: dict[str, Mapping[str, Sequence[str]]] = {
    "latex": {
        "wrapper": LATEX,
        "outer": ("", "$$", "\\[", "equation"),
        "remark": (
            "",
            "",
            "",
            "number",
            "dotted number",
            "letter number",
            "tag",
            "text",
            "text column",
            "textit column",
        ),
        "suffix": ("", "", "", "", "for all", "t = 1, …", "text for"),
        "end": ("", "", ","),
    },
    "text": {
        "wrapper": TEXT,
        "remark": ("", "", "", "number", "dotted number", "(remark)", "[remark]", "# remark", "// remark", "<- remark"),
        "suffix": ("", "", "", "", "for all", "t = 1, …", "text for"),
    },
    "code": {"wrapper": CODE, "remark": ("", "", "# remark")},
}
SAID = {
    "en": ("First we compute", "and then", "Finally,", "Next,", "where the matrices are learned."),
    "de": ("Zuerst berechnen wir", "und dann", "Schließlich ist", "Danach ist", "wobei die Matrizen gelernt werden."),
    "fr": ("On calcule d'abord", "et ensuite", "Enfin,", "Puis", "où les matrices sont apprises."),
    "zh": ("首先计算", "然后", "最后", "接着", "其中各矩阵为可学习参数。"),
}


OUTER = {
    "": ("", ""),
    "$$": ("$$\n", "\n$$"),
    "\\[": ("\\[\n", "\n\\]"),
    "equation": ("\\begin{equation}\n", "\n\\end{equation}"),
}


def family(notation: type[Notation]) -> str:
    return "code" if issubclass(notation, Code) else "latex" if notation.__name__ in ("Latex", "Units") else "text"


def draw(r: random.Random, notation: type[Notation], density: float) -> dict[str, str]:
    """Document options; `noise` picks numbers and words."""
    return {**drawn(r, CHOICES[family(notation)], density), "noise": str(r.randrange(1000))}


def document(recurrence: Recurrence, notation: Notation, options: Mapping[str, str]) -> str:
    """The whole text as pasted."""
    kind = family(type(notation))
    if recurrence.bottom and (kind != "latex" or notation.options["step"] not in ("h_t", "h_{t}", "h^{(t)}", "h(t)")):
        raise Unwritable
    lines = [Line(*notation.equation(e), e.remark or "state") for e in recurrence.written]
    lines += [Line(notation.initial(n), "0", "start") for n in recurrence.initial]
    noise = random.Random(int(options["noise"]))
    if kind == "code":
        if recurrence.initial:
            raise Unwritable
        return code(lines, options, notation)
    suffix = suffixed(notation.letter, kind, options["suffix"])
    if recurrence.bottom:
        name, value = recurrence.bottom
        suffix += f", \\quad l = 1, 2, \\quad {notation.value(name, 0)} = {notation.expression(value)}"
    if options["remark"] == "tag" and options["wrapper"] in ("quad", "inline prose", "array{l}", "cases", "split"):
        raise Unwritable
    if kind == "latex":
        return latex(lines, options, suffix, noise)
    return plain(lines, options, suffix, noise, notation.letter)


def suffixed(letter: str, kind: str, which: str) -> str:
    if kind == "latex":
        return {
            "for all": f", \\quad \\forall {letter} \\geq 1",
            "t = 1, …": f", \\qquad {letter} = 1, \\ldots, T",
            "text for": f" \\quad \\text{{for }} {letter} = 1, 2, \\dots, T",
        }.get(which, "")
    return {
        "for all": f"   ∀ {letter} ≥ 1",
        "t = 1, …": f",  {letter} = 1, ..., T",
        "text for": f"  for {letter} = 1, ..., T",
    }.get(which, "")


def number(which: str, i: int, chapter: int) -> str:
    return {
        "number": f"({i + 1})",
        "tag": f"\\tag{{{chapter}.{i + 1}}}",
        "dotted number": f"({chapter}.{i + 1})",
        "letter number": f"({chapter}{'abcdefgh'[i % 8]})",
    }[which]


def latex(lines: Pieces, options: Mapping[str, str], suffix: str, noise: random.Random) -> str:
    wrapper, remark = options["wrapper"], options["remark"]
    chapter = noise.randrange(2, 12)

    def told(i: int, line: Line, column: bool) -> str:
        """What follows an equation."""
        if not remark:
            return ""
        if "column" in remark or remark == "text":
            words = f"\\text{'it' if remark.startswith('textit') else ''}{{{line.remark}}}"
            return (" & " if column else " \\quad ") + words
        if remark == "tag":
            return " " + number(remark, i, chapter)
        return (" & " if column and noise.random() < 0.5 else " \\qquad ") + number(remark, i, chapter)

    columns = wrapper in ("aligned", "align", "align*", "eqnarray", "array{ll}", "alignat")
    ends = [options["end"]] * (len(lines) - 1) + ["." if options["end"] else ""]
    bodies = [line.text for line in lines]
    tails = [told(i, line, columns) for i, line in enumerate(lines)]
    if wrapper in ALIGNED:
        sign = {"eqnarray": " &=& ", "array{rcl}": " & = & ", "gather": " = ", "cases": " = ", "array{l}": " = ",
                "array{ll}": " = "}.get(wrapper, " &= ")  # fmt: skip
        rows = [f"{line.left}{sign}{line.right}{e}{t}" for line, e, t in zip(lines, ends, tails)]
        rows[-1] += suffix
        name, _, layout = wrapper.partition("{")
        begin = f"\\begin{{{name}}}" + (f"{{{layout}" if layout else "{2}" if name == "alignat" else "")
        text = begin + "\n" + " \\\\\n".join(rows) + f"\n\\end{{{name}}}"
        display = name in ("align", "align*", "eqnarray", "gather", "alignat")
        outer = "" if display else options["outer"]
        left, right = OUTER[outer]
        return left + text + right
    whole = [b + t for b, t in zip(bodies, tails)]
    whole[-1] += suffix
    match wrapper:
        case "lines":
            return "\n".join(whole)
        case "\\\\":
            return " \\\\\n".join(whole)
        case "quad":
            return ", \\quad ".join(bodies) + (tails[-1] if remark != "tag" else "") + suffix
        case "$":
            return "\n".join(f"${w}$" for w in whole)
        case "$$" | "\\[":
            left, right = ("$$", "$$") if wrapper == "$$" else ("\\[ ", " \\]")
            return "\n".join(f"{left}{w}{right}" for w in whole)
        case "bullets":
            return "\n".join(f"* ${w}$" for w in whole)
        case "bold bullets":
            return "\n".join(f"- **{line.remark.capitalize()}:** ${w}$" for line, w in zip(lines, whole))
        case "numbered":
            return "\n".join(f"{i}. ${w}$" for i, w in enumerate(whole, 1))
        case "table":
            if any("|" in w for w in whole):
                raise Unwritable
            return "| part | equation |\n|---|---|\n" + "\n".join(
                f"| {line.remark} | ${w}$ |" for line, w in zip(lines, whole)
            )
        case "doxygen":
            return "\n".join(f"\\f[\n  {w}\n\\f]" for w in whole)
        case "wiki":
            return "\n".join(f":<math>{w}</math>" for w in whole)
        case "rst":
            return ".. math::\n\n" + "\n\n".join(f"    {w}" for w in whole)
        case "```math":
            return "```math\n" + " \\\\\n".join(whole) + "\n```"
        case "quote":
            return "\n".join(f"> $${w}$$" for w in whole)
        case "\\\\(":
            return "\n".join(f"\\\\( {w} \\\\)" for w in whole)
        case "where":
            return "\n".join(f"$${w}$$" for w in whole) + "\n" + SAID[noise.choice(("en", "de", "fr"))][-1]
        case "inline prose":
            return f"{SAID['en'][0]} " + ", then ".join(f"${b}$" for b in bodies) + "."
    return prose([f"$${w}$$" for w in whole], wrapper.split()[1])


def prose(equations: Sequence[str], language: str) -> str:
    """Words before every equation, and after the last."""
    first, then, last, following, end = SAID[language]
    words = [first, *[then if i % 2 else following for i in range(1, len(equations))]]
    if len(words) > 2:
        words[-1] = last
    return "\n".join(f"{w}\n{e}" for w, e in zip(words, equations)) + f"\n{end}"


def plain(lines: Pieces, options: Mapping[str, str], suffix: str, noise: random.Random, letter: str) -> str:
    wrapper, remark = options["wrapper"], options["remark"]
    chapter = noise.randrange(2, 12)

    def told(i: int, line: Line) -> str:
        if not remark:
            return ""
        if "number" in remark:
            return "    " + number(remark, i, chapter)
        return "    " + remark.replace("remark", line.remark)

    tails = [told(i, line) for i, line in enumerate(lines)]
    whole = [line.text + t for line, t in zip(lines, tails)]
    whole[-1] += suffix
    match wrapper:
        case "lines":
            return "\n".join(whole)
        case "bullets":
            return "\n".join(f"- `{line.text}`{t}" for line, t in zip(lines, tails))
        case "bold bullets":
            return "\n".join(f"* **{line.remark.capitalize()}**: {w}" for line, w in zip(lines, whole))
        case "numbered" | "numbered)":
            return "\n".join(f"{i}{')' if wrapper.endswith(')') else '.'} {w}" for i, w in enumerate(whole, 1))
        case "table":
            if any("|" in w or "‖" in w for w in whole):
                raise Unwritable
            return "| part | equation |\n|---|---|\n" + "\n".join(
                f"| {line.remark} | {w} |" for line, w in zip(lines, whole)
            )
        case "```":
            return "```\n" + "\n".join(whole) + "\n```"
        case "quote":
            return "\n".join(f"> {w}" for w in whole)
        case "loop 1..T":
            return f"for {letter} = 1..T:\n" + "\n".join(f"    {line.text}{t}" for line, t in zip(lines, tails))
        case "html list":
            return "<ul>\n" + "\n".join(f"<li>{w}</li>" for w in whole) + "\n</ul>"
        case "where":
            return "\n".join(whole) + "\n" + SAID[noise.choice(("en", "de", "fr"))][-1]
        case "inline prose":
            return f"{SAID['en'][0]} " + ", then ".join(line.text for line in lines) + "."
    return prose(whole, wrapper.split()[1])


def code(lines: Pieces, options: Mapping[str, str], notation: Notation) -> str:
    whole = [line.text + (f"  # {line.remark}" if options["remark"] else "") for line in lines]
    match options["wrapper"]:
        case "loop":
            if "[" not in notation.options["step"]:
                raise Unwritable
            return f"for {notation.letter} in range(1, T + 1):\n" + "\n".join(f"    {w}" for w in whole)
        case "```python":
            return "```python\n" + "\n".join(whole) + "\n```"
        case ">>>":
            return "\n".join(f">>> {w}" for w in whole)
    return "\n".join(whole)
