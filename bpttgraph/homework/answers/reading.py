"""Reading an answer: formulas, arrays or a function, from a file or from Python, before it is tied to an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BPTTError
from ...machine.files import decoded
from .files import Numbers, numbers_of, read_bytes, read_numbers
from .given import Forward

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Raw", "read_answer", "split_data", "steps_of"]


@dataclass
class Raw:
    """An answer before it is tied to an instance. Of `numbers`, `text` and `function` one is there.

    Example:
        >>> read_answer({"dW": [[1.0, 2.0]], "db": [0.5]}).numbers.keys()
        dict_keys(['dW', 'db'])
    """

    source: str
    numbers: dict[str, Numbers] = field(default_factory=dict)
    text: str = ""
    function: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)
    forward: Forward | None = None
    ran: bool = False  # whether numbers are what a function returned on our instance


def _empty(what: str) -> BPTTError:
    return BPTTError(
        f"{what} is empty", "write a line for each gradient, such as dW_hh = sum_t outer(delta[t], h[t-1])"
    )


def read_answer(answer: Any) -> Raw:
    """What was handed in: a path, `file.py:function`, a function, formulas as text, or a mapping from names to arrays
    or formulas.

    Example:
        >>> read_answer({"dW": [[1.0, 2.0]]}).numbers["dW"].value.shape
        (1, 2)
        >>> read_answer("dW = sum_t outer(delta[t], h[t-1])").source
        'formulas'
    """
    if isinstance(answer, Raw):
        return answer
    if isinstance(answer, Path):
        return _file(answer)
    if isinstance(answer, str):
        if not answer.strip():
            raise _empty("the answer")
        if "=" in answer or "\n" in answer:
            return Raw("formulas", text=answer)
        return Raw(answer, function=answer) if re.search(r"\.py:\w+$", answer) else _file(Path(answer))
    if callable(answer):
        return Raw(getattr(answer, "__name__", "the function"), function=answer)
    if not isinstance(answer, Mapping):
        raise BPTTError(
            f"an answer cannot be a {type(answer).__name__}",
            "give a dict by parameter name, a text of formulas, a path or a function",
        )
    lines, numbers = [], {}
    for key, value in answer.items():
        if isinstance(value, str) and re.search(r"[A-Za-zα-ω_]{2}|[^\W\d_][\[({_]", value):
            lines.append(f"{key} = {value}")
        else:
            numbers[str(key)] = numbers_of(value, f"the answer: {key}")
    if lines and numbers:
        raise BPTTError("an answer is either formulas or arrays", "hand them in one after the other")
    if not lines and not numbers:
        raise _empty("the answer")
    return Raw("formulas" if lines else "arrays", numbers, "\n".join(lines))


def _file(path: Path) -> Raw:
    kind = path.suffix.lower()
    if kind == ".py":
        raise BPTTError(f"{path.name} is code: which function?", f"write {path}:function")
    if kind in (".npz", ".json", ".csv"):
        contents = read_numbers(path)
        data = {name: n.value for name, n in contents.data.items()}
        return Raw(path.name, contents.given, data=data, settings=contents.settings)
    if kind in (".pkl", ".pickle", ".npy", ".pt", ".pth", ".mat", ".xlsx", ".ipynb"):
        raise BPTTError(f"{kind} files are not read", "save the arrays with numpy.savez (.npz), or as .json or .csv")
    text = decoded(read_bytes(path), path.name)
    if not text.strip():
        raise _empty(path.name)
    return Raw(path.name, text=text)


def _inputs(u: Any) -> set[str]:
    return {k for k, rows in u.leaves.items() if rows[0][1].role in ("input", "target", "upstream")}


def steps_of(raw: Raw, inputs: tuple[str, ...]) -> Any:
    """The number of steps of the instance that came with an answer: the length of its input sequences (by block, if
    there are).

    Example:
        >>> steps_of(read_answer({"x": [[0.1], [0.2]], "dW": [[1.0]]}), ("x",))
        2
    """
    found: dict[str, int] = {}
    for name in inputs:
        array = raw.data.get(name, raw.numbers[name].value if name in raw.numbers else None)
        if array is not None and np.ndim(array):
            found.setdefault(name.rpartition(".")[0], len(array))
    return found if len(found) > 1 or (found and "" not in found) else found.get("")


def split_data(u: Unrolled, raw: Raw) -> dict[str, Any]:
    """The instance that came with the arrays, if one did: under "data", or as names of the data beside names such as
    dW_hh."""
    if raw.data:
        return raw.data
    if not (_inputs(u) & raw.numbers.keys()):
        return {}
    found = {k: n.value for k, n in raw.numbers.items() if k in u.leaves}
    raw.numbers = {k: n for k, n in raw.numbers.items() if k not in u.leaves}
    if not raw.numbers:
        raise BPTTError(
            f"{raw.source} holds an instance but no gradient", "name each gradient after its parameter, as in dW_hh"
        )
    return found
