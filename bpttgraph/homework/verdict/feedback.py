"""How a verdict is told: as text, as HTML and as JSON, each in five degrees of openness.

`none` only confirms receipt, `verdict` says right or wrong, `where` adds names and indices, `why` the cause and what it
teaches, `full` the true numbers, radii and the measures of other checkers. Whoever grades decides; students see `why`
unless told otherwise.
"""

from __future__ import annotations

import json
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.rounding import U
from ...errors import BPTTError, nearest

if TYPE_CHECKING:
    from .findings import Findings, ParameterVerdict

__all__ = ["LEVELS", "as_html", "as_json", "as_text", "called", "measures", "spoken_of", "worst_entries"]

LEVELS = ("none", "verdict", "where", "why", "full")
SHOWN = 3  # worst entries of a gradient
MARKS = {
    "right": "right",
    "right to the digits given": "right*",
    "convention": "right†",
    "wrong": "WRONG",
    "undecidable": "open",
}


def called(name: str) -> str:
    """What the gradient by something is called.

    Example:
        >>> called("W_hh"), called("dh[t]/dh[t-1]")
        ('dW_hh', 'dh[t]/dh[t-1]')
    """
    return name if name.startswith(("δ", "delta")) or "/" in name else f"d{name}"


def level(feedback: str) -> int:
    if feedback not in LEVELS:
        raise BPTTError(f"feedback {feedback!r} is not known", nearest(str(feedback), list(LEVELS)))
    return LEVELS.index(feedback)


@np.errstate(over="ignore")  # of an answer of any size
def ratio(p: ParameterVerdict) -> np.ndarray[Any, Any]:
    """How many times its radius each entry is off."""
    return (
        np.abs(p.given - p.true) / np.maximum(p.radius, np.finfo(float).tiny)
        if p.given.shape == p.true.shape
        else np.zeros(0)
    )


def judged_to(p: ParameterVerdict) -> float:
    """How far entries may be off without being seen, relative to the largest entry."""
    largest = float(np.abs(p.true).max(initial=0.0))
    return float(np.max(p.radius, initial=0.0)) / largest if largest else 0.0


def judged_entry_to(p: ParameterVerdict) -> float:
    """The same, relative to the entry itself, at its worst."""
    radius, true = np.broadcast_to(p.radius, p.true.shape), np.abs(p.true)
    return float(np.max(radius[true > 0] / true[true > 0], initial=0.0))


def _precision(unit: float) -> str:
    return "double" if unit <= U else "single" if unit <= 2.0**-24 else "half"


def worst_entries(p: ParameterVerdict, count: int = SHOWN) -> list[dict[str, Any]]:
    """The entries farthest beyond their radius: index, given, true and radius.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] + target[t])")
        >>> len(worst_entries(verdict.parameters["b_y"], 2))
        2
    """
    off = ratio(p)
    order = np.argsort(-off, axis=None, kind="stable")[:count]
    places = [tuple(int(i) for i in np.unravel_index(int(k), off.shape)) for k in order] if off.ndim else [()]
    return [
        {
            "index": list(i),
            "given": float(p.given[i]),
            "true": float(p.true[i]),
            "radius": float(p.radius[i]),
            "times": float(off[i]),
        }
        for i in places
        if off.size and off[i] > 1
    ]


@np.errstate(over="ignore")
def measures(p: ParameterVerdict, scale: Any = None, unit: float = 2.0**-53) -> dict[str, Any]:
    """The customary measures, none of which decides anything here: they accept truncated BPTT.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] + target[t])")
        >>> measures(verdict.parameters["b_y"])["numpy.allclose (rtol 1e-5, atol 1e-8)"]
        False
    """
    a, b = p.given, p.true
    if a.shape != b.shape:
        return {}
    error = np.abs(a - b)
    found: dict[str, Any] = {
        "largest error": float(error.max(initial=0.0)),
        "numpy.allclose (rtol 1e-5, atol 1e-8)": bool(np.allclose(a, b)),
        "torch gradcheck (rtol 1e-3, atol 1e-5)": bool(np.allclose(a, b, rtol=1e-3, atol=1e-5)),
        "CS231n relative error": float((error / np.maximum(1e-8, np.abs(a) + np.abs(b))).max(initial=0.0)),
    }
    if scale is not None and np.shape(scale) == error.shape:
        found["largest error in u·S"] = float((error / np.maximum(unit * scale, np.finfo(float).tiny)).max(initial=0.0))
    return found


def headline(verdict: Findings) -> str:
    """One sentence."""
    kinds = [p.status for p in verdict.parameters.values()]
    wrong, undecided = kinds.count("wrong"), kinds.count("undecidable")
    total = len(kinds)
    if wrong:
        return f"WRONG: {wrong} of {total} gradient{'s' if total > 1 else ''}."
    if undecided:
        return f"Undecidable: {undecided} of {total} gradient{'s' if total > 1 else ''}."
    several = f"all {total} gradients" if total > 1 else "the gradient"
    how = " to the digits given" if "right to the digits given" in kinds else ""
    how += ", in another convention" if "convention" in kinds else ""
    lower = max(verdict.unit.values(), default=0.0)
    how += f", as far as {_precision(lower)} precision shows" if lower > U else ""
    return f"Right: {several}{how}."


def _lines(name: str, p: ParameterVerdict, depth: int, verdict: Findings) -> list[str]:
    shape = "×".join(map(str, p.given.shape)) or "number"
    line = f"  {MARKS[p.status]:<7} {called(name)}  ({shape})"
    if p.status == "right to the digits given":
        line += "  right to the digits given" + (f": {p.note}" if p.note else "")
    if p.convention:
        line += f"  convention: {p.convention}"
    if verdict.unit.get(name, 0.0) > U and p.status != "wrong":
        line += f"  judged to {judged_to(p):.0e} of its largest entry, {_precision(verdict.unit[name])} precision"
        if p.true.size > 1:
            line += f" (small entries to {judged_entry_to(p):.0e} of themselves)"
    if p.status == "undecidable":
        line += f"  undecidable here: {p.note}"
    lines = [line]
    if p.status == "wrong":
        off = ratio(p)
        share = f"{int(np.sum(off > 1))} of {off.size} entries" if off.size > 1 else "its value"
        worst = worst_entries(p, 1)
        place = f", farthest off at {worst[0]['index']}" if worst and worst[0]["index"] else ""
        lines[0] += f"  {share} differ{'s' if off.size == 1 else ''}{place}"
        if depth == LEVELS.index("where") and (numbers := wrong_lines(p)):
            lines.append(f"          wrong in {'itself' if len(numbers) == 1 else 'themselves'}: "
                         f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}")  # fmt: skip
        if depth >= LEVELS.index("why"):
            lines += _why(p)
    if depth >= LEVELS.index("full"):
        lines += _numbers(name, p, verdict)
    return lines


def wrong_lines(p: ParameterVerdict) -> list[int]:
    """The numbers of the lines of an answer in formulas that are wrong by themselves, if it was judged line by line.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] + target[t])")
        >>> wrong_lines(verdict.parameters["b_y"])
        [1]
    """
    lines = p.because.lines if p.because is not None else ()
    return sorted({line.number for line in lines if line.status == "wrong"})


def spoken_of(p: ParameterVerdict) -> str | None:
    """What is said of a gradient's cause, without its name: two gradients have the same cause if this is equal,
    constants included."""
    cause = p.because
    if cause is None or not cause.mistakes:
        return None
    return f"{cause.mistakes} {cause.text}".replace(f"∂E/∂{p.name}", "∂E/∂·")


def _why(p: ParameterVerdict) -> list[str]:
    cause = p.because
    if cause is None or cause.certainty == "unexplained":
        return wrapped(cause.text if cause is not None and cause.text else "Not explained by a known mistake.")
    told = [cause.text, f"missing: {cause.missing}" if cause.missing else "", cause.lesson]
    return [line for text in told if text for line in wrapped(text)]


def wrapped(text: str) -> list[str]:
    return fill(text, 100, initial_indent=" " * 10, subsequent_indent=" " * 10, break_long_words=False).splitlines()


def _numbers(name: str, p: ParameterVerdict, verdict: Findings) -> list[str]:
    lines = []
    for w in worst_entries(p):
        lines.append(f"          {w['index']}: given {w['given']:.10g}, true {w['true']:.10g} ± {w['radius']:.1e}")
    for what, value in measures(p, verdict.scale.get(name), verdict.unit.get(name, 2.0**-53)).items():
        shown = {True: "passes", False: "fails"}[value] if isinstance(value, bool) else f"{value:.3g}"
        lines.append(f"          {what}: {shown}")
    return lines


def as_text(verdict: Findings, feedback: str) -> str:
    """The report, for a terminal.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] + target[t])")
        >>> print(as_text(verdict, "verdict"))
        WRONG: 1 of 1 gradient.
    """
    depth = level(feedback)
    names = ", ".join(f"{called(n)}" for n in verdict.parameters)
    if depth == 0:
        return f"Received: {names}."
    if depth == 1:
        return headline(verdict)
    lines = [f"{verdict.title}: the gradient handed in ({verdict.instance})"]
    lines += [f"  {c}" for c in verdict.conventions[1:]]
    lines += [f"  forward pass: {verdict.forward}"] if verdict.forward else []
    spoken: dict[str, str] = {}
    for name, p in verdict.parameters.items():
        told = _lines(name, p, depth, verdict)
        cause = spoken_of(p) if depth == LEVELS.index("why") else None
        if cause is not None and cause in spoken:  # several gradients suffer from one mistake: tell it once
            told = [told[0], f"          The same cause as for {spoken[cause]}."]
        elif cause is not None:
            spoken[cause] = called(name)
        lines += told
    lines += [f"  note: {n}" for n in verdict.notes if n != verdict.forward]
    if depth >= LEVELS.index("full"):
        lines.append(f"  truth: {verdict.oracle}; errors beyond the radius count, other measures decide nothing")
    return "\n".join([*lines, headline(verdict)])


def as_html(verdict: Findings, feedback: str) -> str:
    """The report for a notebook, with a picture of the cause where there is one.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] + target[t])")
        >>> as_html(verdict, "verdict")
        '<pre>WRONG: 1 of 1 gradient.</pre>'
    """
    text = f"<pre>{escape(as_text(verdict, feedback))}</pre>"
    if level(feedback) < LEVELS.index("why"):
        return text
    from .picture import cause_figure

    try:
        return text + cause_figure(verdict).svg
    except BPTTError:  # nothing is wrong, or it stands at no place of the graph
        return text


def as_json(verdict: Findings, feedback: str) -> str:
    """The verdict for programs, as open as `feedback` allows.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] + target[t])")
        >>> json.loads(as_json(verdict, "verdict"))["right"]
        False
    """
    depth = level(feedback)
    body: dict[str, Any] = {"title": verdict.title, "received": list(verdict.parameters)}
    if depth >= 1:
        body |= {"right": verdict.right, "verdict": headline(verdict)}
    if depth >= 2:
        body |= {
            "forward pass": verdict.forward,
            "instance": verdict.instance,
            "conventions": list(verdict.conventions),
            "oracle": verdict.oracle,
            "notes": verdict.notes,
        }
        body["parameters"] = {name: _parameter(name, p, depth, verdict) for name, p in verdict.parameters.items()}
        body["lines"] = _judged_lines(verdict, depth)
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _judged_lines(verdict: Findings, depth: int) -> list[dict[str, Any]]:
    """The lines of an answer in formulas on which a wrong gradient depends: place and status, and from "why" on what is
    wrong and the line as it should be."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for p in verdict.parameters.values():
        for line in p.because.lines if p.because is not None else ():
            body = {
                "line": line.number,
                "column": line.span.column,
                "name": line.name,
                "status": line.status,
                "steps": list(line.steps),
            }
            if depth >= LEVELS.index("why"):
                place = None if line.place is None else [line.place.line, line.place.column, line.place.end]
                told = {"meaning": line.meaning, "cause": line.cause, "correction": line.correction, "place": place}
                body |= told
            found.setdefault((line.number, line.name), body)
    return [found[key] for key in sorted(found)]


def _parameter(name: str, p: ParameterVerdict, depth: int, verdict: Findings) -> dict[str, Any]:
    body: dict[str, Any] = {"status": p.status, "shape": list(p.given.shape)}
    if p.convention:
        body["convention"] = p.convention
    if p.note:
        body["note"] = p.note
    body |= {"judged to": judged_to(p), "each entry judged to": judged_entry_to(p)}
    body |= {"precision": _precision(verdict.unit.get(name, U))}
    full = depth >= LEVELS.index("full")
    if p.status == "wrong":
        off = ratio(p)
        hidden = () if full else ("true", "given", "radius", "times")
        body["entries wrong"] = int(np.sum(off > 1))
        body["worst"] = [{k: v for k, v in w.items() if k not in hidden} for w in worst_entries(p)]
    if depth >= LEVELS.index("why") and p.status == "wrong":
        body["cause"] = p.cause
        if p.because is not None:
            c = p.because
            body["because"] = {
                "certainty": c.certainty,
                "text": c.text,
                "mistakes": [list(m) for m in c.mistakes],
                "lesson": c.lesson,
                "missing": c.missing,
                "edges": [list(e) for e in c.edges],
                "triangle": None if c.triangle is None else np.asarray(c.triangle).tolist(),
                "line": None if c.span is None else c.span.line,
                "column": None if c.span is None else c.span.column,
            }
    if full:
        body["measures"] = measures(p, verdict.scale.get(name), verdict.unit.get(name, 2.0**-53))
        body["true"] = p.true.tolist()
        body["radius"] = p.radius.tolist()
    return body
