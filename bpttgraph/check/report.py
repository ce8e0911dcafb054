"""What a check found: one line for each comparison, the worst entry with its index, and an overall verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Finding", "Report"]

CLOSE = 1e4  # radii: what is off by more is wrong however rounding is counted


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison.

    Attributes:
        what: what was compared, such as "dE/dW_hh" or "dE_3/dW_hh through the use at step 1".
        oracle: what it was compared with.
        right: whether all entries agree within their radius.
        index: index of the worst entry (with (t, k) in front for the triangle of contributions).
        given, true: the two values there.
        error: |given − true| there. unit: the size of u·S there. units: error / unit (rounding alone gives about 1).
        radius: what was allowed there, in the same units. entries: how many entries were compared.
        estimated: whether the oracle has an error of its own, with an estimate, that is part of the radius.
        undecidable: entries at which a kink (ReLU, max, clip) lies within the stencil, with the unit named in `note`.

    Example:
        >>> import bpttgraph as bg
        >>> finding = bg.cell("rnn").unroll(3).derive("W_hh").check().findings[0]
        >>> finding.what, finding.entries, finding.right
        ('dE/dW_hh', 16, True)
    """

    what: str
    oracle: str
    right: bool
    index: tuple[int, ...]
    given: float
    true: float
    error: float
    unit: float
    units: float
    radius: float
    entries: int
    undecidable: int = 0
    note: str = ""
    estimated: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether it is wrong by so little that the radius itself is to be looked at once more."""
        return not self.right and self.units < CLOSE * self.radius

    @property
    def place(self) -> str:
        """The worst entry in words."""
        index, what = self.index, self.what
        if what.startswith("each dE_t/"):
            what = what[len("each ") :].replace("dE_t", f"dE_{index[0]}").replace("step k", f"step {index[1]}")
            index = index[2:]
        return what + (f", entry [{', '.join(map(str, index))}]" if index else "")

    def __str__(self) -> str:
        mark = "ok   " if self.right else "WRONG"
        place = "[" + ", ".join(map(str, self.index)) + "]" if self.index else ""
        line = (
            f"{mark} {self.what} against {self.oracle}: {self.entries} entries, worst {self.units:.2g} of"
            f" {self.radius:.3g} allowed u·S"
        )
        if not self.right:
            line += f"; at {place} given {self.given:.10g}, true {self.true:.10g}"
        elif place:
            line += f" at {place}"
        if self.undecidable:
            line += f"; {self.undecidable} undecidable here ({self.note})"
        return line


@dataclass
class Report:
    """The verdict of a check.

    Attributes:
        right: True if every comparison agrees. worst: the wrong finding farthest beyond its radius, or else the closest
            to it (of those with the exact oracle: how close central differences come says more about them than about
            the gradient).
        oracle: the main oracle, in words. broken: set if the two oracles contradict each other: then the tool is at
            fault.
        note: a fault of ours on the way that does not touch the verdict.

    Example:
        >>> import bpttgraph as bg
        >>> report = bg.cell("rnn").unroll(3).derive("W_hh").check()
        >>> bool(report), report.right, len(report.findings)
        (True, True, 8)
        >>> report.worst.units < report.worst.radius
        True
    """

    title: str
    findings: list[Finding] = field(default_factory=list)
    conventions: tuple[str, ...] = ()
    oracle: str = ""
    instance: str = ""
    broken: str = ""
    note: str = ""

    @property
    def right(self) -> bool:
        """True if every comparison agrees."""
        return bool(self.findings) and not self.broken and all(f.right for f in self.findings)

    @property
    def doubtful(self) -> bool:
        """Whether the rounding is to be measured before anything is called wrong."""
        return bool(self.broken) or any(f.doubtful for f in self.findings)

    @property
    def worst(self) -> Finding:
        """The finding that says most: see the attributes."""
        wrong = [f for f in self.findings if not f.right]
        exact = [f for f in self.findings if not f.estimated]
        return max(wrong or exact or self.findings, key=lambda f: f.units / f.radius if f.radius else 0.0)

    def __bool__(self) -> bool:
        return self.right

    @property
    def verdict(self) -> str:
        """One sentence, and the note."""
        return self._sentence + (f" Note: {self.note}" if self.note else "")

    @property
    def _sentence(self) -> str:
        if self.broken:
            return f"bpttgraph itself is broken: {self.broken}. Please report this."
        worst = self.worst
        if self.right:
            return (
                f"Right: {len(self.findings)} comparisons with {self.oracle} agree. Largest error: {worst.error:.1e} = "
                f"{worst.units:.2g} u·S (up to {worst.radius:.3g} u·S is rounding) in {worst.place}."
            )
        return (
            f"WRONG: {worst.place} is {worst.given:.10g}, but {worst.true:.10g} by {worst.oracle}: off by"
            f" {worst.error:.3g}, {worst.units:.3g} u·S (up to {worst.radius:.3g} u·S is rounding)."
        )

    def __str__(self) -> str:
        lines = [self.title, *(f"  {c}" for c in self.conventions), *(f"  {f}" for f in self.findings), self.verdict]
        return "\n".join(lines)

    def to_json(self) -> str:
        """The report as JSON text."""
        body: dict[str, Any] = {
            "title": self.title,
            "right": self.right,
            "verdict": self.verdict,
            "oracle": self.oracle,
            "instance": self.instance,
            "conventions": list(self.conventions),
            "unit": "u·S: unit roundoff times the sum of the absolute values of all path products",
            "worst": asdict(self.worst) if self.findings else None,
            "findings": [asdict(f) for f in self.findings],
        }
        body |= {key: text for key, text in (("broken", self.broken), ("note", self.note)) if text}
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<li>{escape(str(f))}</li>" for f in self.findings)
        colour = "#0b6b3a" if self.right else "#b3261e"
        mark = "✓" if self.right else "✗"
        return (
            f'<p><strong style="color:{colour}">{mark} {escape(self.verdict)}</strong><br>{escape(self.title)} '
            f"({escape('; '.join(self.conventions))}).</p><details><summary>{len(self.findings)} comparisons</summary>"
            f"<ul>{rows}</ul></details>"
        )
