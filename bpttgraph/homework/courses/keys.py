"""Key files: the numbers that a course publishes, and the instance on which they were computed.

A key file is plain text: fields, then sections. The instance is given by arrays or by the recipe with which the course
draws it.

    title: deeplearning.ai, lstm_backward
    profile: dlai-lstm                      (or cell: lstm, or a section [equations])
    steps: 4

    [instance]
    seed: 1                                 (numpy.random.RandomState(1); the lines below draw in their order)
    x = randn(3, 10, 7)
    a0 = randn(5, 10)
    …
    [key]
    dx[1][2] = -0.00173313, 0.08287442, -0.30545663, -0.43281115

Nothing in it is ever executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...equations import cell, recurrence
from ...errors import BPTTError, nearest
from ..answers.files import Numbers, numbers_of, read_numbers

if TYPE_CHECKING:
    from ...equations import Recurrence

__all__ = ["KeyFile"]

Array = np.ndarray[Any, Any]
FIELDS = ("title", "source", "profile", "cell", "steps", "loss", "reduce", "truncate")
SECTIONS = ("equations", "instance", "key")
MOST = 5_000_000  # numbers in a drawn array
_DRAW = re.compile(r"(?:(-?[0-9.]+(?:e-?\d+)?)\s*\*\s*)?(randn|rand|randint|zeros|ones|linspace)\(([-0-9.,\s]*)\)")
_ENTRY = re.compile(r"([^=\[]+?(?:\[0\](?=\s*=))?)\s*((?:\[[-\d\s,:]+\]\s*)*)")


class KeyFile:
    """A key file, section by section.

    Args:
        path: where it stands, for messages and for the files that it names. text: what stands in it.

    Attributes:
        fields: those before the first section. sections: the lines of each, with their numbers. kind: what names the
            recurrence, "profile", "cell" or "equations".

    Raises:
        BPTTError: a line cannot be read; it is named.

    Example:
        >>> key = KeyFile(Path("key.txt"), "cell: rnn\\n[instance]\\nb_h = 0.5 * ones(3)\\n[key]\\ndb_h[0] = 0.25")
        >>> key.kind, key.instance()["b_h"].tolist()
        ('cell', [0.5, 0.5, 0.5])
    """

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
        chosen: list[str] = [f for f in ("profile", "cell") if f in self.fields]
        chosen += ["equations"] if self.sections["equations"] else []
        if len(chosen) != 1:
            said = "no recurrence" if not chosen else " and ".join(chosen)
            raise BPTTError(
                f"{path.name} names {said}", "give one of profile: NAME, cell: NAME and a section [equations]"
            )
        (self.kind,) = chosen

    def error(self, number: int, message: str, fix: str) -> BPTTError:
        return BPTTError(f"{self.path.name}, line {number}: {message}", fix)

    # -- the recurrence ------------------------------------------------------------------------------------------------

    def recurrence(self) -> Recurrence:
        """The cell or the equations that it names."""
        if "cell" in self.fields:
            return cell(self.fields["cell"])
        rec = recurrence("\n".join(line for _, line in self.sections["equations"]))
        rec.title = self.fields.get("title", self.path.stem)
        return rec

    def steps(self) -> int | None:
        """The number of steps, if it says so."""
        if "steps" not in self.fields:
            return None
        return self._whole("steps", self.fields["steps"])

    def _whole(self, what: str, text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text):
            raise BPTTError(
                f"{self.path.name}: {what}: {text[:30]!r} is not a whole number", f"write for example  {what}: 4"
            )
        return int(text)

    def options(self) -> dict[str, Any]:
        """What `unroll` is to be told of losses and truncation."""
        loss: Any = self.fields.get("loss", "every")
        if loss not in ("every", "last"):
            loss = [self._whole("loss", part.strip()) for part in loss.split(",")]
        return {"loss": loss, "truncate": self.fields.get("truncate"), "reduce": self.fields.get("reduce", "sum")}

    # -- the instance --------------------------------------------------------------------------------------------------

    def instance(self) -> dict[str, Array]:
        """The arrays of the instance, as typed or drawn."""
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

    def entries(self) -> Iterator[tuple[int, str, str, tuple[Any, ...], Numbers]]:
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

    def filled(
        self, shapes: Mapping[str, tuple[int, ...]], name_of: Any, known: list[str]
    ) -> tuple[dict[str, Numbers], list[Any]]:
        """Whole arrays; half a unit of what the key does not give is infinite. And the lines, as (text, name,
        index)."""
        values: dict[str, Array] = {}
        halves: dict[str, Array] = {}
        lines: list[Any] = []
        lines_of: dict[str, Array] = {}  # by entry, the line that gave it
        for number, text, key, index, n in self.entries():
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
