"""Reading an answer: formulas, arrays or a function, from a file or from Python, become one `Answer` in the recurrence's own names.

A gradient may be called `dW_hh`, `W_hh`, `dE/dW_hh`, `∂L/∂W_hh`, `grad_W_hh` or `W_hh.grad`; `dh0` is that of the initial state h[0],
`dh[2]` that of the variable h[2], `dx` that of a whole input sequence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError, nearest
from ..recurrence.functions import canonical
from ..rounding import rounding_error
from .files import Numbers, numbers_of, read_bytes, read_numbers
from .formulas import Formulas
from .functions import call, run_file
from .model import Answer, Given

if TYPE_CHECKING:
    from ..recurrence import Unrolled
    from .truth import Truth

__all__ = ["Raw", "read_answer", "steps_of", "target_of", "to_answer"]

_PREFIX = re.compile(r"(?:d|∂)(?:E|L|J|loss|l|ℓ)/(?:d|∂)|grad[_ /]|∇_?|[d∂]")
MOST_WRONG = 50


@dataclass
class Raw:
    """An answer before it is tied to an instance. Of `numbers`, `text` and `function` one is there."""

    source: str
    numbers: dict[str, Numbers] = field(default_factory=dict)
    text: str = ""
    function: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)


def read_answer(answer: Any) -> Raw:
    """What was handed in: a path, `file.py:function`, a function, formulas as text, or a mapping from names to arrays or formulas."""
    if isinstance(answer, Raw):
        return answer
    if isinstance(answer, Path):
        return _file(answer)
    if isinstance(answer, str):
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
        raise BPTTError("the answer is empty", 'give {"W_hh": …}')
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
    try:
        return Raw(path.name, text=read_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BPTTError(
            f"{path.name} is not UTF-8 text (byte {error.start})",
            "formulas are plain text; arrays are .npz, .json or .csv",
        ) from None


def _inputs(u: Any) -> set[str]:
    return {k for k, rows in u.leaves.items() if rows[0][1].role in ("input", "target", "upstream")}


def steps_of(raw: Raw, inputs: tuple[str, ...]) -> Any:
    """The number of steps of the instance that came with an answer: the length of its input sequences (by block, if there are)."""
    found: dict[str, int] = {}
    for name in inputs:
        array = raw.data.get(name, raw.numbers[name].value if name in raw.numbers else None)
        if array is not None and np.ndim(array):
            found.setdefault(name.rpartition(".")[0], len(array))
    return found if len(found) > 1 or (found and "" not in found) else found.get("")


def split_data(u: Unrolled, raw: Raw) -> dict[str, Any]:
    """The instance that came with the arrays, if one did: under "data", or as names of the data beside names such as dW_hh."""
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


# -- names --------------------------------------------------------------------------------------------------------------


def target_of(u: Unrolled, key: str) -> str | None:
    """The parameter, initial state, variable or input sequence whose gradient `key` names.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(3)
    >>> [target_of(u, k) for k in ("dW_hh", "dE/dW_hh", "W_hh.grad", "dh0", "dh[2]", "dx", "nonsense")]
    ['W_hh', 'W_hh', 'W_hh', 'h[0]', 'h[2]', 'x', None]
    """
    known = {canonical(n): n for n in (*u._nodes, *u.leaves)}
    spelled = {
        k.replace("[", sep).replace("]", ""): n for k, n in known.items() for sep in ("", "_") if k.endswith("[0]")
    }
    plain = key.strip().replace(" ", "")
    match = _PREFIX.match(plain)
    for stem in (
        plain,
        plain[match.end() :] if match else "",
        plain.removesuffix(".grad"),
        plain.removesuffix("_grad"),
    ):
        if stem:
            found = known.get(canonical(stem)) or spelled.get(canonical(stem))
            if found is not None:
                return found
    return None


def _unknown(u: Unrolled, source: str, keys: list[str]) -> BPTTError:
    names = [f"d{n}" for n in u._numbers.leaf_nodes]
    return BPTTError(
        f"{source}: nothing here is called {', '.join(k[:60] for k in keys[:5])}", nearest(keys[0][:60], names)
    )


def to_answer(truth: Truth, raw: Raw) -> Answer:
    """Tie an answer to the instance of `truth`: evaluate formulas, run a function, put arrays under the recurrence's names."""
    u = truth.u
    if raw.text:
        return _formulas(truth, raw)
    numbers, kind = raw.numbers, "arrays"
    if raw.function is not None:
        kind = "function"
        names = list(u.parameters)
        made = (
            run_file(raw.function, truth.data, names)
            if isinstance(raw.function, str)
            else call(raw.function, truth.data, names)
        )
        numbers = {k: numbers_of(v, f"{raw.source}: {k}") for k, v in made.items()}
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
        elif _step(key) is None:
            raise _unknown(u, raw.source, [key])
        else:
            given[key] = Given(key, numbers[key].value.astype(float), numbers[key].half, numbers[key].unit)
    if not given:
        raise _unknown(u, raw.source, unknown or ["(nothing)"])
    return Answer(given, kind, truth.data, raw.source, tuple(notes))  # type: ignore[arg-type]


def _step(key: str) -> tuple[str, int] | None:
    """`delta[2]`, an adjoint under a name of the student's own, as ("δ", 2)."""
    match = re.fullmatch(r"(delta|δ)(\w*)\[(\d{1,6})\]", key.strip())
    return ("δ" + match[2], int(match[3])) if match else None


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


# -- formulas ---------------------------------------------------------------------------------------------------------------


def _formulas(truth: Truth, raw: Raw) -> Answer:
    """Evaluate formulas on the values of the forward pass, and how far rounding carries this very arrangement."""
    u = truth.u
    formulas = Formulas(u, raw.text, truth.run.batch or 1)
    wanted: dict[str, tuple[str, int | None]] = {}
    adjoints: dict[str, tuple[str, int | None]] = {}
    helpers = []
    for base, equations in formulas.defined.items():
        if equations[0].left[0].index is None:
            name = target_of(u, base)
            if name is None or name not in u.parameters:
                helpers.append(equations[0].left[0].name)
            elif name in wanted:
                raise formulas._error(
                    f"the gradient by {name} is defined twice", equations[0].left[0], "keep one of the two lines"
                )
            else:
                wanted[name] = (base, None)
            continue
        for t in formulas.steps_of(base):
            name = target_of(u, f"{base}[{t}]")
            if name is not None and name in u._numbers.leaf_nodes and name not in wanted:
                wanted[name] = (base, t)
            elif name is not None:
                adjoints.setdefault(name, (base, t))
            elif base.startswith("δ"):
                adjoints[f"{base}[{t}]"] = (base, t)
    # Adjoints are the student's means where gradients are given; where nothing else is, they are the answer.
    asked = wanted or {k: v for k, v in adjoints.items() if t_inside(u, v[1])}
    if not asked:
        raise _unknown(u, raw.source, helpers or ["nothing"])
    nodes, equations_of = [], []
    for name, (key, step) in asked.items():
        known = u._nodes.get(name)
        nodes.append(
            formulas.node(key, step, known if known is not None else truth.candidates(_step(name) or ("", 0))[0])
        )
        equations_of.append(formulas.equation(key, step))
    unread = _unread(truth, formulas)
    values = truth.run._evaluate(nodes, unread)
    errors = truth.run._evaluate(nodes, unread, rounding_error)
    given = {}
    for name, node, value, error, e in zip(asked, nodes, values, errors, equations_of):
        shared = u._nodes.get(name) in truth.run._shared
        value, error = np.asarray(value, float), np.asarray(error, float)
        if not np.all(np.isfinite(value)):
            raise BPTTError(f"the formula for {e.left[0].name} gives {value[~np.isfinite(value)][0]}",
                            "look for a division by zero or a power", text=formulas.text, span=e.span)  # fmt: skip
        if node.batched and (truth.run.batch is None or shared):
            value, error = (a.sum(axis=0) if a.ndim > len(node.shape) else a for a in (value, error))
        given[name] = Given(name, value, None, 2.0**-53, e.text, e.span, error)
    return Answer(given, "formulas", truth.data, raw.source, tuple(formulas.notes), formulas.text)


def _unread(truth: Truth, formulas: Formulas) -> dict[Any, Any]:
    """Data that the recurrence does not read but the formulas do: targets of steps whose loss does not count."""
    admitted, batch = truth.run._admitted, truth.run.batch or 1
    return {
        node: np.broadcast_to(admitted.array(key)[row], (batch, *node.shape))
        for node, (key, row) in formulas.unread.items()
    }


def t_inside(u: Unrolled, t: int | None) -> bool:
    return t is None or 1 <= t <= u.columns
