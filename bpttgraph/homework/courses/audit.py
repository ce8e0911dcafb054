"""Auditing an answer key (`keys`): the numbers that a course publishes, with the same diagnosis as for a student."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import expect
from ...machine.files import decoded
from ..answers.asked import target_of
from ..answers.files import Numbers, read_bytes
from ..truth.truth import Truth
from ..verdict.feedback import spoken_of, wrapped
from ..verdict.plain import verdict_on
from .keys import KeyFile
from .profile import Profile, profile
from .turning import inward, outward, sizes_of, unrolled_for

if TYPE_CHECKING:
    from ...equations import Recurrence
    from ...unrolled import Unrolled
    from ..verdict.verdict import Verdict

__all__ = ["Audit", "Line", "audit"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Line:
    """One line of a key: what it says and what is true, in the course's layout.

    Example:
        >>> Line("dw", "w", np.array(21.0), np.array(0.5), np.array(23.0)).wrong
        1
    """

    key: str
    name: str
    given: Array
    half: Array
    true: Array

    @property
    def wrong(self) -> int:
        """How many of its numbers are wrong to the digits given (rounding of the last digit, either way, is allowed
        for)."""
        return int(np.sum(np.abs(self.given - self.true) > self.half * (1 + 1e-6) + 1e-12 * np.abs(self.true)))


@dataclass
class Audit:
    """The outcome for an answer key: `.right`, `.lines` and `.verdict`, with the causes. `str` is for people."""

    title: str
    source: str
    lines: list[Line]
    verdict: Verdict
    notes: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return self.verdict.right

    def __str__(self) -> str:
        v = self.verdict
        out = [f"{self.title}: the answer key ({v.instance.removeprefix('the data given: ')})"]
        out += [f"  source: {self.source}"] if self.source else []
        for line in self.lines:
            total, wrong = line.given.size, line.wrong
            state = "right" if not wrong else "WRONG" if total == 1 else f"WRONG: {wrong} of {total} numbers"
            p = v.parameters.get(line.name)
            if p is not None and p.status == "convention":
                state = f"right in another convention: {p.convention}"
            elif p is not None and p.status == "undecidable":
                state = f"undecidable: {p.note}"
            out.append(f"  {line.key}  {state}")
            if total <= 12:
                out += _table(line)
        out += self._causes()
        out += [f"  note: {n}" for n in (*v.notes, *self.notes)]
        out.append(f"  truth: {v.oracle}")
        wrong = sum(1 for line in self.lines if line.wrong)
        doubt = [n for n, p in v.parameters.items() if p.status == "undecidable"]
        if v.right:
            how = (
                ", in another convention"
                if any(p.convention for p in v.parameters.values())
                else " to the digits given"
            )
            out.append(f"The key is right{how}.")
        elif any(p.status == "wrong" for p in v.parameters.values()):
            out.append(f"The key is WRONG in {wrong} of {len(self.lines)} lines.")
        else:
            out.append(f"Undecidable: {', '.join('d' + n for n in doubt)}.")
        return "\n".join(out)

    def _causes(self) -> list[str]:
        """The cause of each wrong gradient; one that several have is told once."""
        out: list[str] = []
        told: dict[str, str] = {}
        for name, p in self.verdict.parameters.items():
            if p.because is None:
                continue
            cause = spoken_of(p)
            if cause is not None and cause in told:
                lines = [f"∂E/∂{name}: the same cause as for ∂E/∂{told[cause]}."]
            else:
                lines = [p.because.text, *([f"missing: {p.because.missing}"] if p.because.missing else [])]
            out += [row[6:] for line in lines for row in wrapped(line)]
            if cause is not None:
                told.setdefault(cause, name)
        return out

    def to_json(self) -> str:
        """The outcome for programs."""
        body = json.loads(self.verdict.to_json("why"))
        lines = [
            {"key": x.key, "given": x.given.tolist(), "true": x.true.tolist(), "wrong": x.wrong} for x in self.lines
        ]
        return (
            json.dumps(
                {"title": self.title, "right": self.right, "lines": lines, "verdict": body},
                indent=2,
                ensure_ascii=False,
            )
            + "\n"
        )


def _table(line: Line) -> list[str]:
    """Given and true numbers under each other; the true ones have the digits of the key, and four if the key is
    wrong."""
    rows = []
    for words, values, least in (("given", line.given, 0), ("truth", line.true, 4 if line.wrong else 0)):
        shown = []
        for value, half in zip(np.ravel(values), np.ravel(line.half)):
            places = round(float(-np.log10(2 * half))) if 0 < half < 0.5 else 10
            shown.append(f"{value:.{max(places, least)}f}")
        rows.append([words, *shown])
    width = max(len(cell) for row in rows for cell in row[1:])
    return [f"      {row[0]}  " + "  ".join(f"{cell:>{width}}" for cell in row[1:]) for row in rows]


def audit(path: str | Path) -> Audit:
    """Compare an answer key with the truth.

    Args:
        path: a key file (see `keys`).

    Raises:
        BPTTError: the file cannot be read; the line is named.

    Example:
        >>> lines = "[equations]", "h[t] = w * h[t-1] + x[t]", "E = sum_t h[t]"
        >>> lines += "[instance]", "w = 2", "x = ones(3)", "h[0] = 1", "[key]", "dw = 21"
        >>> _ = Path("key.txt").write_text(chr(10).join(lines))
        >>> found = audit("key.txt")
        >>> found.right, float(found.lines[0].true)
        (False, 23.0)
    """
    expect(path, str | os.PathLike, "the name of a key", 'write a file name, such as "key.txt"')
    path = Path(path)
    key = KeyFile(path, decoded(read_bytes(path), path.name))
    instance = key.instance()
    if key.kind == "profile":
        return _by_profile(key, profile(key.fields["profile"]), instance)
    return _plain(key, key.recurrence(), instance)


def _by_profile(key: KeyFile, p: Profile, brought: dict[str, Array]) -> Audit:
    steps = key.steps()
    for a in p.arrays.values():
        if steps is not None and a.name in brought and "T" in a.axes[: brought[a.name].ndim]:
            brought[a.name] = brought[a.name].take(
                range(min(steps, brought[a.name].shape[a.axes.index("T")])), a.axes.index("T")
            )
    inside, sizes = p.inward(brought, key.path.name)
    steps = sizes.get("T", steps)
    u = unrolled_for(p, inside, steps, key.options())
    course = p.outward(inside)
    shapes = {name: course[name].shape for name in course}
    numbers, lines = key.filled(shapes, p.array_of, [f"d{a}" for a in p.arrays])
    batch = sizes.get("N")
    given = {}
    for part, n in inward(p, numbers, shapes, key.path.name).items():
        by = p.factor(part, u, batch)
        given[part] = Numbers(n.value / by, None if n.half is None else n.half / abs(by), n.unit)
    verdict = verdict_on(u, given, data=inside, feedback="full")
    factors = {name: p.factor(p.arrays[name].parts[0], u, batch) for name in numbers}
    truth = Truth(u, inside)
    true = {
        name: p.arrays[name].outward({part: truth.value(part) for part in p.arrays[name].parts}) * factors[name]
        for name in numbers
    }
    verdict = outward(p, verdict)
    return _made(key, p.title, verdict, numbers, lines, true)


def _plain(key: KeyFile, rec: Recurrence, brought: dict[str, Array]) -> Audit:
    scalar = bool(brought) and all(np.ndim(v) <= 1 for v in brought.values())
    small = rec.unroll(3)
    steps = key.steps()
    if steps is None:
        steps = next((len(v) for k, v in brought.items() if k in rec.inputs and np.ndim(v)), None)
    brought = _cut(brought, small, steps)
    scalar = scalar and all(
        np.ndim(brought.get(k, 0.0)) == 0 for k, s in small.slots.items() if s.role in ("parameter", "initial")
    )
    sizes: Any = 1 if scalar else sizes_of(small, brought)
    u = rec.unroll(steps, sizes=sizes, **key.options())
    truth = Truth(u, brought)
    known = [f"d{n}" for n in u.slots]
    names = {called: target_of(u, called) for _, _, called, _, _ in key.entries()}
    shapes = {n: truth.value(n).shape for n in set(names.values()) if n is not None}
    numbers, lines = key.filled(shapes, names.get, known)
    verdict = verdict_on(u, numbers, data=brought, feedback="full")
    return _made(key, rec.title, verdict, numbers, lines, {n: truth.value(n) for n in numbers})


def _made(
    key: KeyFile,
    title: str,
    verdict: Verdict,
    numbers: Mapping[str, Numbers],
    lines: list[Any],
    true: Mapping[str, Array],
) -> Audit:
    found = []
    for text, name, index in lines:
        n = numbers[name]
        half = np.zeros(n.value.shape) if n.half is None else n.half
        found.append(
            Line(text, name, np.asarray(n.value[index]), np.asarray(half[index]), np.asarray(true[name][index]))
        )
    return Audit(key.fields.get("title", title), key.fields.get("source", ""), found, verdict)


def _cut(data: dict[str, Array], u: Unrolled, steps: int | None) -> dict[str, Array]:
    """Sequences of the first `steps` steps: a key may draw more inputs than it uses."""
    if steps is None:
        return data
    sequences = {name for name, slot in u.slots.items() if slot.length is not None}
    return {k: v[:steps] if k in sequences and np.ndim(v) else v for k, v in data.items()}
