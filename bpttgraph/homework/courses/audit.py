"""Auditing an answer key: the numbers that a course publishes, against the truth, with the same diagnosis as for a
student.

A key file is plain text: fields, then sections. The instance is given by arrays or by the recipe with which the course
draws it.

    title: deeplearning.ai, lstm_backward
    profile: dlai-lstm                      (or cell: lstm, or a section [equations])
    steps: 4

    [instance] seed: 1 (numpy.random.RandomState(1); the lines below draw in their order) x = randn(3, 10, 7) a0 =
    randn(5, 10) … [key] dx[1][2] = -0.00173313, 0.08287442, -0.30545663, -0.43281115

Nothing in it is ever executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BPTTError, nearest
from ...machine.files import decoded
from ..answers.asked import target_of
from ..answers.files import Numbers, numbers_of, read_bytes, read_numbers
from ..truth.truth import Truth
from ..verdict.feedback import spoken_of, wrapped
from ..verdict.plain import verdict_on
from .profile import Profile, profile
from .profiled import _inward, _outward, _unrolled, sizes_of

if TYPE_CHECKING:
    from ...equations import Recurrence
    from ...unrolled import Unrolled
    from ..verdict.verdict import Verdict

__all__ = ["Audit", "Line", "audit"]

Array = np.ndarray[Any, Any]
FIELDS = ("title", "source", "profile", "cell", "steps", "loss", "reduce", "truncate")
SECTIONS = ("equations", "instance", "key")
MOST = 5_000_000  # numbers in a drawn array
_DRAW = re.compile(r"(?:(-?[0-9.]+(?:e-?\d+)?)\s*\*\s*)?(randn|rand|randint|zeros|ones|linspace)\(([-0-9.,\s]*)\)")
_ENTRY = re.compile(r"([^=\[]+?(?:\[0\](?=\s*=))?)\s*((?:\[[-\d\s,:]+\]\s*)*)")


@dataclass(frozen=True)
class Line:
    """One line of a key: what it says and what is true, in the course's layout."""

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
        path: a key file (see above).

    Raises:
        BPTTError: the file cannot be read; the line is named.
    """
    path = Path(path)
    return _File(path, decoded(read_bytes(path), path.name)).audited()


class _File:
    """A key file, section by section."""

    def __init__(self, path: Path, text: str):
        self.path, self.fields = path, dict[str, str]()
        self.sections: dict[str, list[tuple[int, str]]] = {s: [] for s in SECTIONS}
        where = ""
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            head = re.fullmatch(r"\[\s*([a-z]+)\s*\]", line)
            if head is not None:
                where = head[1]
                if where not in SECTIONS:
                    raise self.error(number, f"there is no section [{where[:30]}]", nearest(where, SECTIONS))
            elif where:
                self.sections[where].append((number, line))
            else:
                name, mark, value = (part.strip() for part in line.partition(":"))
                if not mark or name not in FIELDS:
                    raise self.error(number, f"unknown field {name[:40]!r}", nearest(name[:40], FIELDS))
                if name in self.fields:
                    raise self.error(number, f"{name} is there twice", "give each field once")
                self.fields[name] = value
        if not self.sections["key"]:
            raise BPTTError(
                f"{path.name} has no numbers to audit", "add a section [key] with lines such as  dW[0][1] = 0.0312"
            )

    def error(self, number: int, message: str, fix: str) -> BPTTError:
        return BPTTError(f"{self.path.name}, line {number}: {message}", fix)

    # -- the recurrence ------------------------------------------------------------------------------------------------

    def audited(self) -> Audit:
        chosen = [f for f in ("profile", "cell") if f in self.fields] + (
            ["equations"] if self.sections["equations"] else []
        )
        if len(chosen) != 1:
            said = "no recurrence" if not chosen else " and ".join(chosen)
            raise BPTTError(
                f"{self.path.name} names {said}", "give one of profile: NAME, cell: NAME and a section [equations]"
            )
        instance = self._instance()
        if chosen == ["profile"]:
            return self._by_profile(profile(self.fields["profile"]), instance)
        return self._plain(self._recurrence(), instance)

    def _recurrence(self) -> Recurrence:
        from ...equations import cell, recurrence

        if "cell" in self.fields:
            return cell(self.fields["cell"])
        rec = recurrence("\n".join(line for _, line in self.sections["equations"]))
        rec.title = self.fields.get("title", self.path.stem)
        return rec

    def _steps(self) -> int | None:
        if "steps" not in self.fields:
            return None
        return self._whole("steps", self.fields["steps"])

    def _whole(self, what: str, text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text):
            raise BPTTError(
                f"{self.path.name}: {what}: {text[:30]!r} is not a whole number", f"write for example  {what}: 4"
            )
        return int(text)

    def _options(self) -> dict[str, Any]:
        loss: Any = self.fields.get("loss", "every")
        if loss not in ("every", "last"):
            loss = [self._whole("loss", part.strip()) for part in loss.split(",")]
        return {"loss": loss, "truncate": self.fields.get("truncate"), "reduce": self.fields.get("reduce", "sum")}

    # -- the instance --------------------------------------------------------------------------------------------------

    def _instance(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        rng: np.random.RandomState | None = None
        for number, line in self.sections["instance"]:
            seed = re.fullmatch(r"seed\s*:\s*(\d{1,9})", line)
            file = re.fullmatch(r"file\s*:\s*(.+)", line)
            if seed is not None:
                rng = np.random.RandomState(int(seed[1]))
                continue
            if file is not None:
                contents = read_numbers(self._beside(number, file[1]))
                found |= {k: n.value for k, n in {**contents.given, **contents.data}.items()}
                continue
            name, mark, right = (part.strip() for part in line.partition("="))
            if not mark or not name:
                raise self.error(
                    number, f"{line[:40]!r} is no array", "write  x = randn(3, 10, 7)  or  w = [[1, 2], [3, 4]]"
                )
            if name in found:
                raise self.error(number, f"{name} is there twice", "give each array once")
            draw = _DRAW.fullmatch(right)
            found[name] = self._drawn(number, draw, rng) if draw else self._numbers(number, name, right).value
        return found

    def _drawn(self, number: int, draw: re.Match[str], rng: np.random.RandomState | None) -> Array:
        kind = draw[2]
        words = [w.strip() for w in draw[3].split(",") if w.strip()]
        lead = {"randint": 1, "linspace": 2}.get(kind, 0)
        try:
            first = [float(w) for w in words[:lead]]
            shape = tuple(int(w) for w in words[lead:])
        except ValueError:
            raise self.error(
                number, f"{draw[0][:60]} has a shape that is not whole numbers", "write  randn(3, 10, 7)"
            ) from None
        if np.prod([float(n) for n in shape]) > MOST:
            fix = f"at most {MOST:,} numbers: audit a small instance"
            raise self.error(number, f"{draw[0][:60]} is too large", fix)
        if len(first) < lead or any(n < 1 for n in shape) or len(shape) > 6:
            raise self.error(
                number,
                f"{draw[0][:60]} cannot be drawn",
                "write  randn(3, 10, 7), randint(5, 3, 4)  or  linspace(-0.5, 0.5, 3, 4)",
            )
        if kind in ("randn", "rand", "randint") and rng is None:
            raise self.error(number, f"{kind} needs a seed", "put  seed: 1  before the first draw")
        value: Array
        if kind == "linspace":
            value = np.linspace(first[0], first[1], int(np.prod(shape))).reshape(shape)
        elif kind in ("zeros", "ones"):
            value = np.full(shape, float(kind == "ones"))
        elif kind == "randint":
            assert rng is not None
            if not 1 <= first[0] <= MOST or first[0] != int(first[0]):
                raise self.error(number, f"{draw[0][:60]} has no classes to choose from", "write  randint(5, 3, 4)")
            value = rng.randint(0, int(first[0]), size=shape)
        else:
            value = np.asarray(getattr(rng, kind)(*shape))
        try:
            return value if draw[1] is None else float(draw[1]) * value
        except ValueError:
            raise self.error(number, f"{draw[1]!r} is no number", "write  0.1 * randn(3, 4)") from None

    def _numbers(self, number: int, name: str, text: str) -> Numbers:
        """Numbers as typed, with or without brackets; their digits are kept."""
        value: Any = [part for part in re.split(r"[,;\s]+", text.strip()) if part]
        if text.startswith("["):
            try:
                value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
            except (json.JSONDecodeError, RecursionError):
                fix = "write  [[1, 2], [3, 4]]"
                raise self.error(number, f"{name}: {text[:40]!r} is no list of numbers", fix) from None
        try:
            found = numbers_of(value, f"{self.path.name}, line {number}: {name}")
        except BPTTError as error:
            raise BPTTError(
                error.message, "write numbers, or draw them: randn(3, 4), zeros(3), linspace(-1, 1, 3, 4)"
            ) from None
        if not text.startswith("[") and found.value.shape == (1,):
            return Numbers(found.value.reshape(()), None if found.half is None else found.half.reshape(()), found.unit)
        return found

    def _beside(self, number: int, name: str) -> Path:
        path = self.path.parent / name
        if path.suffix.lower() not in (".npz", ".json", ".csv"):
            raise self.error(number, f"{name[:60]} is no .npz, .json or .csv file", "save the arrays with numpy.savez")
        return path

    # -- the key -------------------------------------------------------------------------------------------------------

    def _entries(self) -> Iterator[tuple[int, str, str, tuple[Any, ...], Numbers]]:
        """Each line of the key: number, text, name, index and numbers."""
        for number, line in self.sections["key"]:
            file = re.fullmatch(r"file\s*:\s*(.+)", line)
            if file is not None:
                for name, n in read_numbers(self._beside(number, file[1])).given.items():
                    yield number, name, name, (), n
                continue
            left, mark, right = (part.strip() for part in line.partition("="))
            match = _ENTRY.fullmatch(left)
            if not mark or match is None:
                raise self.error(number, f"{line[:40]!r} is no line of a key", "write  dW[0][1] = 0.0312")
            index: list[Any] = []
            for part in re.split(r"[\[\],\s]+", match[2].strip("[] \t")) if match[2] else []:
                if part and part != ":" and not re.fullmatch(r"-?\d{1,9}", part):
                    raise self.error(number, f"{part[:20]!r} is no index", "write  dx[1][2]  or  dx[:, 2]")
                if part:
                    index.append(slice(None) if part == ":" else int(part))
            yield number, left, match[1].strip(), tuple(index), self._numbers(number, left, right)

    def _filled(
        self, shapes: Mapping[str, tuple[int, ...]], name_of: Any, known: list[str]
    ) -> tuple[dict[str, Numbers], list[Any]]:
        """Whole arrays; half a unit of what the key does not give is infinite. And the lines, as (text, name,
        index)."""
        values: dict[str, Array] = {}
        halves: dict[str, Array] = {}
        lines: list[Any] = []
        lines_of: dict[str, Array] = {}  # by entry, the line that gave it
        for number, text, key, index, n in self._entries():
            name = name_of(key)
            if name is None or name not in shapes:
                raise self.error(number, f"nothing here is called {key[:40]}", nearest(key[:40], known))
            shape = shapes[name]
            if name not in values:
                values[name], halves[name] = np.zeros(shape), np.full(shape, np.inf)
                lines_of[name] = np.zeros(shape, int)
            try:
                part = values[name][index].shape
            except IndexError:
                raise self.error(number, f"{text[:40]} is outside of the shape {shape}", "indices start at 0") from None
            given = n.value.reshape(part) if n.value.size == int(np.prod(part)) else n.value
            if given.shape != part:
                raise self.error(
                    number,
                    f"{text[:40]} has {given.size} numbers, but the shape there is {part}",
                    "give all of them, in order",
                )
            before = int(np.max(lines_of[name][index], initial=0))
            if before:
                raise self.error(number, f"{text[:40]} was given in line {before} already", "give each number once")
            lines_of[name][index] = number
            values[name][index] = given
            halves[name][index] = 0.0 if n.half is None else n.half.reshape(part)
            lines.append((text, name, index))
        return {k: Numbers(v, halves[k]) for k, v in values.items()}, lines

    def _by_profile(self, p: Profile, brought: dict[str, Array]) -> Audit:
        steps = self._steps()
        for a in p.arrays.values():
            if steps is not None and a.name in brought and "T" in a.axes[: brought[a.name].ndim]:
                brought[a.name] = brought[a.name].take(
                    range(min(steps, brought[a.name].shape[a.axes.index("T")])), a.axes.index("T")
                )
        inside, sizes = p.inward(brought, self.path.name)
        steps = sizes.get("T", steps)
        u = _unrolled(p, inside, steps, self._options())
        course = p.outward(inside)
        shapes = {name: course[name].shape for name in course}
        numbers, lines = self._filled(shapes, p.array_of, [f"d{a}" for a in p.arrays])
        batch = sizes.get("N")
        given = {}
        for part, n in _inward(p, numbers, shapes, self.path.name).items():
            by = p.factor(part, u, batch)
            given[part] = Numbers(n.value / by, None if n.half is None else n.half / abs(by), n.unit)
        verdict = verdict_on(u, given, data=inside, feedback="full")
        factors = {name: p.factor(p.arrays[name].parts[0], u, batch) for name in numbers}
        truth = Truth(u, inside)
        true = {
            name: p.arrays[name].outward({part: truth.value(part) for part in p.arrays[name].parts}) * factors[name]
            for name in numbers
        }
        verdict = _outward(p, verdict)
        return self._made(p.title, verdict, numbers, lines, true)

    def _plain(self, rec: Recurrence, brought: dict[str, Array]) -> Audit:
        scalar = bool(brought) and all(np.ndim(v) <= 1 for v in brought.values())
        small = rec.unroll(3)
        steps = self._steps()
        if steps is None:
            steps = next((len(v) for k, v in brought.items() if k in rec.inputs and np.ndim(v)), None)
        brought = _cut(brought, small, steps)
        scalar = scalar and all(
            np.ndim(brought.get(k, 0.0)) == 0 for k, s in small.slots.items() if s.role in ("parameter", "initial")
        )
        sizes: Any = 1 if scalar else sizes_of(small, brought)
        u = rec.unroll(steps, sizes=sizes, **self._options())
        truth = Truth(u, brought)
        known = [f"d{n}" for n in u.slots]
        names = {key: target_of(u, key) for _, _, key, _, _ in self._entries()}
        shapes = {n: truth.value(n).shape for n in set(names.values()) if n is not None}
        numbers, lines = self._filled(shapes, names.get, known)
        verdict = verdict_on(u, numbers, data=brought, feedback="full")
        return self._made(rec.title, verdict, numbers, lines, {n: truth.value(n) for n in numbers})

    def _made(
        self, title: str, verdict: Verdict, numbers: Mapping[str, Numbers], lines: list[Any], true: Mapping[str, Array]
    ) -> Audit:
        found = []
        for text, name, index in lines:
            n = numbers[name]
            half = np.zeros(n.value.shape) if n.half is None else n.half
            found.append(
                Line(text, name, np.asarray(n.value[index]), np.asarray(half[index]), np.asarray(true[name][index]))
            )
        return Audit(self.fields.get("title", title), self.fields.get("source", ""), found, verdict)


def _cut(data: dict[str, Array], u: Unrolled, steps: int | None) -> dict[str, Array]:
    """Sequences of the first `steps` steps: a key may draw more inputs than it uses."""
    if steps is None:
        return data
    sequences = {name for name, slot in u.slots.items() if slot.length is not None}
    return {k: v[:steps] if k in sequences and np.ndim(v) else v for k, v in data.items()}
