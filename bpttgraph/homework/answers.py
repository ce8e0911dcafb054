"""Reading an answer: formulas, arrays or a function, from a file or from Python, become one `Answer` in the
recurrence's own names.

A gradient may be called `dW_hh`, `W_hh`, `dE/dW_hh`, `∂L/∂W_hh`, `grad_W_hh` or `W_hh.grad`; `dh0` is that of the
initial state h[0], `dh[2]` that of the variable h[2], `dx` that of a whole input sequence.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.rounding import rounding_error
from ..errors import BPTTError, nearest
from ..machine.files import decoded
from .asked import asked, delta_step, target_of
from .files import Numbers, numbers_of, read_bytes, read_numbers
from .formulas import Formulas
from .forward import returned_loss
from .functions import call, run_file
from .model import Answer, Forward, Given

if TYPE_CHECKING:
    from ..unrolled import Unrolled
    from .truth import Truth

__all__ = ["Raw", "read_answer", "steps_of", "target_of", "to_answer"]


@dataclass
class Raw:
    """An answer before it is tied to an instance. Of `numbers`, `text` and `function` one is there."""

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
    or formulas."""
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
    there are)."""
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


# -- names -------------------------------------------------------------------------------------------------------------


def _unknown(u: Unrolled, source: str, keys: list[str]) -> BPTTError:
    names = [f"d{n}" for n in u.numbers.leaf_nodes]
    return BPTTError(
        f"{source}: nothing here is called {', '.join(k[:60] for k in keys[:5])}", nearest(keys[0][:60], names)
    )


def to_answer(truth: Truth, raw: Raw, ascending: bool = False) -> Answer:
    """Tie an answer to the instance of `truth`: evaluate formulas, run a function, put arrays under the recurrence's
    names.

    `ascending` is the order in which formulas' products over steps are read, where they have none of their own.
    """
    u = truth.u
    if raw.text:
        return _formulas(truth, raw, ascending)
    numbers, kind = raw.numbers, "function" if raw.ran else "arrays"
    if raw.function is not None:
        kind = "function"
        names = list(u.parameters)
        made = (
            run_file(raw.function, truth.data, names)
            if isinstance(raw.function, str)
            else call(raw.function, truth.data, names)
        )
        numbers = {k: numbers_of(v, f"{raw.source}: {k}") for k, v in made.items()}
        raw = dataclasses.replace(
            raw, forward=returned_loss(truth, raw.function, truth.data, numbers, lambda key: target_of(u, key))
        )
    given: dict[str, Given] = {}
    unknown, notes = [], []
    for key, n in numbers.items():
        name = target_of(u, key)
        if name is None:
            unknown.append(key)
            continue
        if name in given:
            raise BPTTError(f"{raw.source}: {name} is given twice", "give each gradient once")
        given[name] = Given(name, n.value.astype(float), n.half, n.unit)
    for key in unknown:
        if _second_bias(truth, key, numbers[key], given, numbers):
            notes.append(f"{key}: a second bias of the same sum; its gradient equals that of the one bias here")
        elif delta_step(key) is None:
            raise _unknown(u, raw.source, [key])
        else:
            given[key] = Given(key, numbers[key].value.astype(float), numbers[key].half, numbers[key].unit)
    if not given:
        raise _unknown(u, raw.source, unknown or ["(nothing)"])
    return Answer(given, kind, truth.data, raw.source, tuple(notes), forward=raw.forward)  # type: ignore[arg-type]


def _second_bias(truth: Truth, key: str, n: Numbers, given: dict[str, Given], numbers: Mapping[str, Numbers]) -> bool:
    """b_ih and b_hh where there is one b: both have its gradient. One of them is then judged as b."""
    stem = re.sub(r"^(d|grad_|dE/d|dL/d)", "", key).removesuffix(".grad").removesuffix("_grad")
    if not re.fullmatch(r"b(ias)?_?(ih|hh|xh|hx|i|h)?(_l\d+)?", stem):
        return False
    alike = [
        p
        for p, node in truth.u.parameters.items()
        if len(node.shape) == 1 and node.shape == n.value.shape and p.startswith("b")
    ]
    near = [p for p in alike if p in given] or [
        p for p in alike if np.all(np.abs(n.value - truth.value(p)) <= truth.radius(p, n.unit))
    ]
    if not near:
        return False
    name = near[0]
    if name not in given:
        given[name] = Given(name, n.value.astype(float), n.half, n.unit)
        return True
    half = sum(h for h in (given[name].half, n.half) if h is not None)
    return bool(
        np.all(np.abs(given[name].value - n.value) <= 2 * truth.radius(name, max(n.unit, given[name].unit)) + half)
    )


# -- formulas ----------------------------------------------------------------------------------------------------------


def _formulas(truth: Truth, raw: Raw, ascending: bool) -> Answer:
    """Evaluate formulas on the values of the forward pass, and how far rounding carries this very arrangement."""
    u = truth.u
    formulas = Formulas(u, raw.text, truth.run.batch or 1, ascending)
    gradients = asked(u, formulas)
    nodes, equations_of = [], []
    for name, a in gradients.items():
        known = u.nodes.get(name)
        target = known if known is not None else truth.candidates(delta_step(name) or ("", 0))[0]
        nodes.append(formulas.total(a.base, a.steps, target))
        equations_of.append(formulas.equation(a.base, a.steps[-1]))
    unread = _unread(truth, formulas)
    with np.errstate(all="ignore"):
        values = truth.run._evaluate(nodes, unread)
        errors = truth.run._evaluate(nodes, unread, rounding_error)
    given = {}
    for name, node, value, error, e in zip(gradients, nodes, values, errors, equations_of):
        shared = u.nodes.get(name) in truth.run._shared
        value, error = np.asarray(value, float), np.asarray(error, float)
        if not np.all(np.isfinite(value)):
            raise BPTTError(f"the formula for {e.left[0].name} gives {value[~np.isfinite(value)][0]}",
                            "look for a division by zero or a power", text=formulas.text, span=e.span)  # fmt: skip
        if node.batched and (truth.run.batch is None or shared):
            value, error = (a.sum(axis=0) if a.ndim > len(node.shape) else a for a in (value, error))
        given[name] = Given(name, value, None, 2.0**-53, e.text, e.span, error, gradients[name].aside)
    notes = (*formulas.notes, *(a.note for a in gradients.values() if a.note))
    return Answer(
        given, "formulas", truth.data, raw.source, notes, formulas.text, tuple(sorted(formulas.ordered)), ascending
    )


def _unread(truth: Truth, formulas: Formulas) -> dict[Any, Any]:
    """Data that the recurrence does not read but the formulas do: targets of steps whose loss does not count."""
    admitted, batch = truth.run._admitted, truth.run.batch or 1
    return {
        node: np.broadcast_to(admitted.array(key)[row], (batch, *node.shape))
        for node, (key, row) in formulas.unread.items()
    }
