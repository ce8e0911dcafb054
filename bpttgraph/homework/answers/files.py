"""Arrays from files of strangers: `.npz`, `.json` and `.csv`, read without running anything and within bounded time and
memory.

* `.npz`: one array a name. Headers and sizes are checked before a byte is unpacked; pickled objects are refused.
* `.json`: names to nested lists of numbers; numbers may be strings, to keep the digits as typed ("0.0310").
* `.csv`: each line is a name and one row of numbers; lines of the same name are the rows of a matrix, in order.

A number as typed carries half a unit of its last digit. `read_numbers` returns what stands in the file; `reading` gives
it a meaning.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...core.admitting import plain_numbers
from ...errors import BPTTError, visible
from ...machine import files
from ...machine.bounds import within

__all__ = ["Contents", "Numbers", "arrays_of", "digits_of", "numbers_of", "read_bytes", "read_numbers", "rounded_alike"]

Array = np.ndarray[Any, Any]
MOST_BYTES = {".npz": 300_000_000, ".json": 8_000_000, ".csv": 8_000_000, "": 200_000}
MOST_ARRAYS = 1_000
MOST_UNPACKED = 500_000_000
MOST_DIMENSIONS = 6
MOST_TYPED = 1_000_000  # numbers that are read as typed, digit by digit
FULL = {8: 17, 4: 9, 2: 5}  # significant digits that tell any two floats of so many bytes apart
FEW = {8: 9, 4: 5, 2: 4}  # so few digits are of the decimal system, even if they are a smaller float as well, like 0.5
VAGUE = 0.1  # of all: a unit that leaves so much open is none, whole numbers are exact
NUMBER = re.compile(r"\s*[+-]?([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,4}))?\s*")
SINGLE = "give numbers, or nested lists of numbers of equal length"


@dataclass(frozen=True)
class Numbers:
    """An array from a file: its values, half a unit of the last digit of each (None: full precision), and its unit
    roundoff.

    Example:
        >>> numbers_of("0.50", "the answer").half.tolist()
        0.005
    """

    value: Array
    half: Array | None = None
    unit: float = 2.0**-53


@dataclass
class Contents:
    """A file: arrays by name, the names under "data" (an instance) and the rest, with the whole numbers `seed` and
    `batch`."""

    given: dict[str, Numbers] = field(default_factory=dict)
    data: dict[str, Numbers] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)


def read_bytes(path: Path, kind: str = "") -> bytes:
    """A whole file, if it is not longer than its kind may be."""
    return files.read_bytes(path, MOST_BYTES[kind], "hand in the gradients of one small instance")


def read_numbers(path: Path) -> Contents:
    """The arrays in a `.npz`, `.json` or `.csv` file.

    Example:
        >>> _ = Path("answer.csv").write_text("dW, 0.5, 1.25")
        >>> n = read_numbers(Path("answer.csv")).given["dW"]
        >>> n.value.tolist(), n.half.tolist()
        ([0.5, 1.25], [0.05, 0.005])
    """
    kind = path.suffix.lower()
    content = read_bytes(path, kind)
    if kind == ".npz":
        return _sorted(path.name, _npz(path.name, io.BytesIO(content)))
    text = files.decoded(content, path.name)
    return _sorted(path.name, _json(path.name, text) if kind == ".json" else _csv(path.name, text))


def arrays_of(source: str, content: bytes) -> dict[str, Array]:
    """The arrays of an `.npz` file as they stand there."""
    return _npz(source, io.BytesIO(content))


def _sorted(source: str, found: dict[str, Any]) -> Contents:
    """Tell data from answers: {"data": {…}} or data/x on one side, everything else on the other."""
    contents = Contents()
    for key, value in found.items():
        group, mark, rest = key.partition("/") if key.startswith(("data/", "answer/", "gradients/")) else ("", "", key)
        name = rest if mark else key
        if (
            "\n" in name or visible(name) != name
        ):  # it would be printed, and a line break could look like a line of ours
            raise BPTTError(
                f"{source}: {name[:80]!r} is no name of an array", "name each array after its parameter, as in dW_hh"
            )
        place = contents.data if group == "data" else contents.given
        if name in ("seed", "batch") and not mark:
            whole = numbers_of(value, f"{source}: {name}").value
            whole = whole[0] if whole.shape == (1,) else whole
            if whole.shape or whole != int(whole) or not 0 <= int(whole) < 2**31:
                raise BPTTError(f"{source}: {name} is not a whole number", f'write "{name}": 3')
            contents.settings[name] = int(whole)
        else:
            place[name] = numbers_of(value, f"{source}: {name}")
    if not contents.given:
        raise BPTTError(f"{source} holds no gradient", "name each array after its parameter, as in dW_hh")
    return contents


# -- npz ---------------------------------------------------------------------------------------------------------------


def _npz(source: str, file: BinaryIO) -> dict[str, Array]:
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - 65_557))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise BPTTError(f"{source} is not an .npz file", "write it with numpy.savez(…, dW_hh=dW_hh)")
    if struct.unpack_from("<H", tail, end + 10)[0] > MOST_ARRAYS:
        raise BPTTError(f"{source} holds more than {MOST_ARRAYS:,} arrays", "hand in the gradients of one instance")
    found, total = {}, 0
    try:
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MOST_ARRAYS:
                raise BPTTError(
                    f"{source} holds more than {MOST_ARRAYS:,} arrays", "hand in the gradients of one instance"
                )
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name in found:
                    raise BPTTError(f"{source}: {name[:80]} is there twice", "give each array once")
                with archive.open(info) as stream:
                    array = _npy(f"{source}: {name[:80]}", stream, MOST_UNPACKED - total)
                total += array.nbytes
                found[name] = array
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error, OSError) as error:
        raise BPTTError(f"{source} is a damaged .npz file ({error})", "write it again with numpy.savez") from None
    except Exception as error:
        if isinstance(error, BPTTError):
            raise
        # zlib and others report damage in their own ways
        raise BPTTError(
            f"{source} is a damaged .npz file ({type(error).__name__})", "write it again with numpy.savez"
        ) from None
    return found


def _npy(what: str, stream: Any, allowed: int) -> Array:
    """One array of an `.npz`: header first, checked; then exactly as many bytes as it promises."""
    fix = "write it with numpy.savez, as an array of floats"
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or len(magic) < 8:
        raise BPTTError(f"{what} is not a NumPy array", fix)
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > 10_000:
        raise BPTTError(f"{what} has a header of {length:,} bytes", fix)
    try:
        header = ast.literal_eval(stream.read(length).decode("latin1"))  # literals only: nothing is run
        description, fortran, shape = header["descr"], bool(header["fortran_order"]), header["shape"]
        dtype = np.dtype(description) if isinstance(description, str) else None
        shape = tuple(int(n) for n in shape)
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise BPTTError(f"{what} has a damaged header", fix) from None
    if dtype is None or dtype.kind not in "fiu" or dtype.itemsize > 16:
        held = "Python objects" if dtype is not None and dtype.hasobject else "no real numbers"
        raise BPTTError(f"{what} holds {held} (dtype {str(description)[:40]})", fix)
    count = 1
    for n in shape:
        count *= n
    if len(shape) > MOST_DIMENSIONS or min(shape, default=0) < 0 or count * dtype.itemsize > allowed:
        raise BPTTError(
            f"{what} claims the shape {str(shape)[:60]}: too large", "hand in the gradients of one small instance"
        )
    wanted = count * dtype.itemsize
    content = stream.read(wanted)
    if len(content) < wanted:
        raise BPTTError(f"{what} ends after {len(content):,} of {wanted:,} bytes", fix)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


# -- text --------------------------------------------------------------------------------------------------------------


class _Typed(str):
    """A number as it stands in a file."""

    __slots__ = ()


def _json(source: str, text: str) -> dict[str, Any]:
    def refuse(word: str) -> Any:
        raise BPTTError(f"{source}: {word} is not a number", "every number must be finite")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(k for i, (k, _) in enumerate(pairs) if k in dict(pairs[:i]))
            raise BPTTError(f"{source}: {twice[:80]!r} is there twice", "give each name once")
        return found

    try:
        found = json.loads(text, parse_float=_Typed, parse_int=_Typed, parse_constant=refuse, object_pairs_hook=once)
    except RecursionError:
        raise BPTTError(f"{source} is nested too deeply", SINGLE) from None
    except json.JSONDecodeError as error:
        raise BPTTError(
            f"{source} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            'write {"dW_hh": [[…], …]}',
        ) from None
    if not isinstance(found, dict):
        raise BPTTError(f"{source} holds no names", 'write {"dW_hh": [[…], …]}')
    flat: dict[str, Any] = {}
    for key, value in found.items():
        if isinstance(value, dict):
            if key not in ("data", "answer", "gradients"):
                raise BPTTError(f'{source}: "{key[:80]}" holds names', 'only "data", "answer" and "gradients" may')
            flat.update({f"{key}/{k}": v for k, v in value.items()})
        else:
            flat[key] = value
    return flat


def _csv(source: str, text: str) -> dict[str, Any]:
    rows: dict[str, list[list[str]]] = {}
    try:
        for line in csv.reader(io.StringIO(text), strict=True):
            cells = [cell.strip() for cell in line]
            while cells and not cells[-1]:
                cells.pop()
            if cells and not cells[0].startswith("#"):
                if len(cells) < 2:
                    raise BPTTError(
                        f"{source}: {cells[0][:80]!r} has no numbers", "write a name and one row of numbers on a line"
                    )
                rows.setdefault(cells[0], []).append([_Typed(c) for c in cells[1:]])
    except csv.Error as error:
        raise BPTTError(f"{source} is not CSV: {error}", "write a name and one row of numbers on a line") from None
    if len(rows) > MOST_ARRAYS:
        raise BPTTError(f"{source} holds more than {MOST_ARRAYS:,} names", "hand in the gradients of one instance")
    return {name: found[0] if len(found) == 1 else found for name, found in rows.items()}


# -- numbers -----------------------------------------------------------------------------------------------------------


def numbers_of(value: Any, what: str) -> Numbers:
    """An array with the precision of its numbers. Lists may hold numbers and strings; every number must be finite.

    >>> n = numbers_of(["0.031", "-1.2e-3"], "answer")
    >>> n.value.tolist(), [float(h) for h in n.half]
    ([0.031, -0.0012], [0.0005, 5e-05])
    """
    if isinstance(value, Numbers):
        return value
    if isinstance(value, list | tuple | str):
        plain_numbers(value, what)
        shape = _shape(value, what)
        flat: list[Any] = [value]
        for _ in shape:
            flat = [item for part in flat for item in part]
        if any(isinstance(item, str) for item in flat):
            return _typed([str(item) for item in flat], shape, what)
        try:
            value = np.array(flat if shape else flat[0], dtype=float).reshape(shape)
        except (TypeError, ValueError, OverflowError):
            raise BPTTError(f"{what} is not an array of numbers", SINGLE) from None
    plain_numbers(value, what)
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise BPTTError(f"{what} is not an array of real numbers", SINGLE)
    if not np.all(np.isfinite(array)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BPTTError(f"{what} holds {array[place]} at index {list(place)}", "every number must be finite")
    if array.dtype.kind in "iu":
        return Numbers(array)
    half, unit = _precision(array)
    return Numbers(array.astype(float), half, unit)


def _precision(array: Array) -> tuple[Array | None, float]:
    """What an array of floats says of its own precision: half a unit of the last digit, if it was rounded before it was
    handed in (None: it was not), and the unit roundoff it was computed with.

    Numbers that a program computed have all the digits of their type. Where each of them has fewer, somebody rounded
    them, and where each of them is a number of a smaller type, they were computed or kept in that.
    """
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    few = digits_of(array, FEW[array.dtype.itemsize])
    if few is None:
        with np.errstate(over="ignore"):
            for smaller in (np.float16, np.float32):
                if array.dtype.itemsize > np.dtype(smaller).itemsize and np.array_equal(array.astype(smaller), array):
                    array = array.astype(smaller)
    unit = max(float(np.finfo(array.dtype).eps) / 2, 2.0**-53)
    found = few or digits_of(array, FULL[array.dtype.itemsize] - 1)
    return (None if found is None else _half(array.astype(float), *found)), unit


def digits_of(array: Array, most: int) -> tuple[Array, Array] | None:
    """The number of significant digits and the decimal exponent of each entry, flat; None if one has more than `most`.

    >>> [a.tolist() for a in digits_of(np.array([0.25, 100.0]), 8)], digits_of(np.array([1 / 3]), 8)
    ([[2, 1], [-1, 2]], None)
    """
    counts, exponents = [], []
    for value in array.ravel():
        mantissa, _, exponent = np.format_float_scientific(value, trim="-").partition("e")
        counts.append(len(mantissa.replace("-", "").replace(".", "")))
        if counts[-1] > most:
            return None
        exponents.append(int(exponent))
    return np.array(counts, int), np.array(exponents, int)


def _half(array: Array, digits: Array, exponents: Array) -> Array | None:
    """Half a unit of the last digit of each entry. Whether an array was rounded to so many significant digits or to so
    many places cannot be seen, so the larger unit counts; a zero has no significant digits.

    Whole numbers are exact, unless they have so many digits that somebody may have rounded them.
    """
    there = array.ravel() != 0
    if not np.any(there):
        return None
    most, places = int(digits[there].max()), int(np.max((digits - 1 - exponents)[there]))
    whole = _whole(array)
    if whole and most < 3:
        places = 0
    half = np.full(array.size, 0.5 * 10.0**-places)
    if not whole or most >= 3:
        half[there] = np.maximum(half[there], 0.5 * 10.0 ** (exponents[there] - most + 1.0))
    with np.errstate(over="ignore"):  # numbers of any size may be handed in
        if whole and np.linalg.norm(half) > VAGUE * np.linalg.norm(array):
            return None
    found: Array = half.reshape(array.shape)
    return found


def rounded_alike(numbers: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """The same arrays; whole numbers beside arrays that were all rounded, to so many places at most, were so as well.

    >>> found = rounded_alike({"a": numbers_of([0.012, 0.25], "a"), "b": numbers_of([0.0], "b")})
    >>> found["b"].half.tolist()
    [0.0005]
    """
    whole = {k for k, n in numbers.items() if n.half is None and n.value.dtype.kind == "f" and _whole(n.value)}
    halves = [n.half for k, n in numbers.items() if k not in whole and n.value.dtype.kind == "f" and n.value.size]
    units = [0.0 if h is None else float(h.min()) for h in halves]
    if not whole or not (unit := min(units, default=0.0)):
        return dict(numbers)
    return {
        k: dataclasses.replace(n, half=np.full(n.value.shape, unit)) if k in whole else n for k, n in numbers.items()
    }


def _whole(array: Array) -> bool:
    return bool(np.all(array == np.round(array)))


def _shape(value: Any, what: str) -> tuple[int, ...]:
    """The shape of nested lists, which must be regular and not deep. Every level is looked at, without recursion."""
    level: list[Any] = [value]
    shape: list[int] = []
    while level and isinstance(level[0], list | tuple):
        sizes = {len(v) if isinstance(v, list | tuple) else -1 for v in level}
        if len(sizes) > 1 or len(shape) == MOST_DIMENSIONS:
            deep = len(shape) == MOST_DIMENSIONS
            raise BPTTError(f"{what} is nested too deeply" if deep else f"{what} has rows of different lengths", SINGLE)
        shape.append(sizes.pop())
        level = [item for v in level for item in v]
    if any(isinstance(v, list | tuple | dict) or v is None or isinstance(v, bool) for v in level):
        raise BPTTError(f"{what} is not an array of numbers", SINGLE)
    return tuple(shape)


def _typed(texts: list[str], shape: tuple[int, ...], what: str) -> Numbers:
    """Numbers as typed. Half a unit of the last digit; whole numbers without a point are exact, and so is a program's
    output."""
    within(len(texts), MOST_TYPED, f"{what} has {{}} numbers", "hand in so many as .npz, written by numpy.savez")
    values, halves, digits = np.zeros(len(texts)), np.zeros(len(texts)), 0
    for i, text in enumerate(texts):
        match = NUMBER.fullmatch(text) if len(text) < 100 else None
        if match is None or not (match[1] or match[2]):
            index = [int(n) for n in np.unravel_index(i, shape)] if shape else []
            finite = text.strip().lstrip("+-").lower() in ("nan", "inf", "infinity")
            raise BPTTError(
                f"{what} holds {text[:40]!r} at index {index}",
                "every number must be finite" if finite else "write numbers such as -0.0312",
            )
        values[i] = float(text)
        if not np.isfinite(values[i]) or int(match[3] or 0) > 300:
            raise BPTTError(f"{what} holds {text[:40]!r}: too large", "every number must be finite")
        exact = "." not in text and match[3] is None
        halves[i] = 0.0 if exact else 0.5 * 10.0 ** (int(match[3] or 0) - len(match[2]))
        digits = max(digits, len((match[1] + match[2]).lstrip("0")))
    decimals = max((len(t.partition(".")[2].lower().partition("e")[0]) for t in texts if "." in t), default=0)
    for i in np.flatnonzero(halves == 0.0).tolist():
        # a whole number among others with a point: its zeros after the point were dropped in printing
        if decimals and digits < FULL[8]:
            size = int(np.floor(np.log10(abs(values[i])))) if values[i] else digits - 1 - decimals
            halves[i] = min(0.5, 0.5 * 10.0 ** (size - digits + 1))
    full = digits >= FULL[8]
    # eight or nine digits, and each of them a float32: printed by a program in single precision
    with np.errstate(over="ignore", under="ignore"):
        pairs = zip(values, values.astype(np.float32))
        single = 8 <= digits <= 9 and all(v in (float(f"{s:.9g}"), float(str(s))) for v, s in pairs)
    if np.all(halves == 0) and np.all(values == np.round(values)):
        whole = np.abs(values).max(initial=0) < 2**53
        return Numbers(values.astype(np.int64).reshape(shape) if whole else values.reshape(shape))
    return Numbers(values.reshape(shape), None if full else halves.reshape(shape), 2.0**-24 if single else 2.0**-53)
