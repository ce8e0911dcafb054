"""Judging an answer by a profile: a course's arrays, or its functions, become an answer to the recurrence, and the
verdict turns back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BPTTError, nearest
from ..answers.files import Numbers, numbers_of
from ..answers.reading import Raw, read_answer
from ..truth.forward import forward_of, returned_loss, values_off
from ..truth.generic import visible
from ..truth.truth import Truth
from ..verdict.plain import verdict_on
from .drivers import run
from .profile import Profile, profile
from .turning import inward, outward, unrolled_for

if TYPE_CHECKING:
    from ...equations import Recurrence
    from ...unrolled import Unrolled
    from ..answers.given import Forward
    from ..verdict.verdict import Verdict

__all__ = ["unrolling", "verify"]

Array = np.ndarray[Any, Any]


def verify(
    p: Profile | str, answer: Any, data: Mapping[str, Any] | None = None, *, steps: int | None = None,
    seed: int | None = None, batch: int | None = None, feedback: str = "why", certify: bool = False, **options: Any,
) -> Verdict:  # fmt: skip
    """Judge an answer in the layout and the names of a course.

    Args:
        p: a profile, its name, or the path of its file.
        answer: a mapping from names to arrays, a file of them, `file.py:function` with a signature of the course, or
            formulas in the names of the profile's equations. data: the instance, in the course's layout.
        steps, seed, batch: of an instance of our own. options: of `unroll` (`loss`, `truncate`, `reduce`).

    Raises:
        BPTTError: the profile, the answer or the instance cannot be read.

    Example:
        >>> p = profile("cs231n-rnn")
        >>> u = p.unroll()
        >>> data = p.instance(u)
        >>> run = u.run(data)
        >>> verify(p, {"dWx": run.gradients["Wx"].T, "db": run.gradients["b"]}, p.outward(data)).right
        True
    """
    if not isinstance(p, Profile):
        p = profile(p)
    raw = _read(answer)
    rest: dict[str, Any] = {"feedback": feedback, "certify": certify}
    if raw.text:
        rest |= {"seed": seed, "batch": (min({6, 7, 8} - {steps}) if batch is None else batch) if p.batched else None}
        return verdict_on(p.unroll(steps, **options), raw, data=None, **rest)
    numbers, brought = _separate(p, raw, data)
    if brought:
        inside, sizes = p.inward(brought, raw.source)
        steps = sizes.get("T", steps)
    else:
        seed = raw.settings.get("seed", 0) if seed is None else seed
        inside = p.instance(p.unroll(steps, **options), seed, raw.settings.get("batch") if batch is None else batch)
    u = unrolled_for(p, inside, steps, options)
    forward: Forward | None = None
    if raw.function is not None:
        numbers, forward = _called(p, u, raw, inside)
    numbers = _alike(numbers)
    given = inward(p, numbers, {k: a.shape for k, a in p.outward(inside).items()}, raw.source)
    verdict = _judged(p, u, given, inside, rest, forward, raw.function is not None)
    verdict.title = f"{p.title} (profile {p.name})"
    if not brought:
        verdict.instance = f"a generic random instance, seed {seed}: T = {u.columns}"
    return outward(p, verdict)


def unrolling(recurrence: Recurrence | Unrolled) -> dict[str, Any]:
    """What an `Unrolled` says about steps, losses and truncation, as options of `verify`.

    Example:
        >>> import bpttgraph as bg
        >>> unrolling(bg.cell("rnn").unroll(4, loss="last"))
        {'steps': 4, 'loss': [4], 'truncate': None, 'reduce': 'sum'}
    """
    from ...equations import Recurrence

    if isinstance(recurrence, Recurrence):
        return {}
    u = recurrence
    truncate = None if u.truncation is None else u.truncation.name
    return {"steps": u.columns, "loss": [int(t) for t in u.loss_steps], "truncate": truncate, "reduce": u.reduce}


def _read(answer: Any) -> Raw:
    if isinstance(answer, str) and re.search(r"\.py:[\w.]+$", answer):
        return Raw(answer, function=answer)
    if isinstance(answer, Path) and re.search(r"\.py:[\w.]+$", str(answer)):
        return Raw(str(answer), function=str(answer))
    raw = read_answer(answer)
    if raw.function is not None and not isinstance(raw.function, str):
        raise BPTTError("with a profile, a function is given as file.py:function", "write the function into a file")
    return raw


def _separate(p: Profile, raw: Raw, data: Mapping[str, Any] | None) -> tuple[dict[str, Numbers], dict[str, Any]]:
    """Tell gradients, under the names of their arrays, from the instance."""
    apart = bool(raw.data) or data is not None
    numbers: dict[str, Numbers] = {}
    brought: dict[str, Any] = dict(data if data is not None else raw.data)
    unknown = []
    for key, n in raw.numbers.items():
        if key in p.arrays and not apart:
            brought[key] = n.value
            continue
        name = key if key in p.arrays else p.array_of(key)
        if name is None:
            unknown.append(key)
        elif name in numbers:
            raise BPTTError(f"{raw.source}: the gradient by {name} is given twice", "give each gradient once")
        else:
            numbers[name] = n
    if unknown:
        known = [f"d{a}" for a in p.arrays]
        raise BPTTError(
            f"{raw.source}: the profile {p.name} knows no {', '.join(k[:60] for k in unknown[:5])}",
            nearest(unknown[0][:60], known),
        )
    extra = [k for k in brought if k not in p.arrays]
    if extra:
        raise BPTTError(
            f"{raw.source}: the profile {p.name} has no array {extra[0][:60]}", nearest(extra[0][:60], list(p.arrays))
        )
    if not numbers and raw.function is None:
        raise BPTTError(f"{raw.source} holds no gradient", f"name it after its array, as in d{next(iter(p.arrays))}")
    return numbers, brought


def _alike(numbers: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """If some arrays of an answer are in single precision, the others were computed from such numbers, whatever their
    type."""
    unit = max((n.unit for n in numbers.values()), default=0.0)
    return {k: Numbers(n.value, n.half, unit) for k, n in numbers.items()}


def _judged(
    p: Profile, u: Unrolled, given: Mapping[str, Numbers], data: dict[str, Array], rest: dict[str, Any],
    forward: Forward | None = None, ran: bool = False,
) -> Verdict:  # fmt: skip
    def judged(u: Unrolled, answer: Mapping[str, Numbers], **options: Any) -> Verdict:
        return verdict_on(u, Raw("arrays", dict(answer), forward=forward, ran=ran), **options)

    batch = next((np.asarray(data[a.parts[0]]).shape[-2] for a in p.arrays.values()
                  if "N" in a.axes and np.ndim(data[a.parts[0]]) >= 2 + ("T" in a.axes)), None)  # fmt: skip

    def scaled(by: Mapping[str, float]) -> dict[str, Numbers]:
        return {
            k: n if by[k] == 1.0 else Numbers(n.value / by[k], None if n.half is None else n.half / abs(by[k]), n.unit)
            for k, n in given.items()
        }

    factors = {k: p.factor(k, u, batch) for k in given}
    clipped: list[str] = []
    answer = scaled(factors)
    if p.clip:
        answer = _unclipped(p, u, answer, data, clipped)
    verdict = judged(u, answer, data=data, **rest)
    if not verdict.right and not p.plain:
        # what the course divides or turns round, the student may not have
        other = judged(u, scaled(dict.fromkeys(given, 1.0)), data=data, **rest)
        if other.right:
            for k, v in other.parameters.items():
                if factors[k] != 1.0 and v.status.startswith("right"):
                    words = f"without the course's factor {_said(p, k, u)}"
                    other.parameters[k] = replace(v, status="convention", convention=words)
            verdict = other
    verdict.notes += clipped
    return verdict


def _said(p: Profile, name: str, u: Unrolled) -> str:
    found = [p.one("factor", "1")] + ([p.one("factor parameters", "1")] if name in u.parameters else [])
    return " · ".join(f for f in found if f != "1")


def _unclipped(
    p: Profile, u: Unrolled, given: Mapping[str, Numbers], data: Mapping[str, Array], notes: list[str]
) -> dict[str, Numbers]:
    """Clipped entries say only that the gradient is at least as large there: they are judged by that alone."""
    truth = Truth(u, data)
    found = {}
    for name, n in given.items():
        true = truth.value(name)
        if n.value.shape == true.shape:
            cut = (np.abs(n.value) == p.clip) & (np.sign(n.value) == np.sign(true)) & (np.abs(true) >= p.clip)
            if cut.any():
                notes.append(
                    f"{p.of[name].name}: {int(cut.sum())} entries are clipped at {p.clip:g}, as in the course; of them"
                    " only that is judged"
                )
                n = Numbers(np.where(cut, true, n.value), n.half, n.unit)
        found[name] = n
    return found


def _called(p: Profile, u: Unrolled, raw: Raw, inside: dict[str, Array]) -> tuple[dict[str, Numbers], Forward | None]:
    """Run the student's function; compare what its forward pass computed."""
    truth = visible(u, inside)
    inside.update(truth.data)
    course = p.outward(truth.data)
    made = run(
        str(raw.function), p.calls, course, [f"d{a.name}" for a in p.arrays.values() if a.parts[0] in u.parameters]
    )
    output = made.pop("output", None)
    handed = {key: numbers_of(value, f"{raw.source}: {key}") for key, value in made.items()}

    def turned(own: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        return inward(p, own, {k: a.shape for k, a in course.items()}, raw.source)

    forward = returned_loss(truth, raw.function, course, handed, p.array_of, turned) if output is None else None
    numbers: dict[str, Numbers] = {}
    for key, n in handed.items():
        name = p.array_of(key)
        if name is None:
            raise BPTTError(
                f"{raw.source}: the profile {p.name} knows no {key[:60]}",
                nearest(key[:60], [f"d{a}" for a in p.arrays]),
            )
        numbers[name] = n
    if output is not None:
        forward = _forward(p, truth, raw, np.asarray(output), course, list(numbers), turned)
    return numbers, forward


def _forward(
    p: Profile, truth: Truth, raw: Raw, output: Array, course: dict[str, Array], names: list[str],
    turned: Callable[[Mapping[str, Numbers]], Mapping[str, Numbers]],
) -> Forward | None:  # fmt: skip
    """What the student's forward pass computed, against the equations; if it is something else, its own gradient by
    differences."""
    upstream = next((a for a in p.arrays.values() if a.parts[0].startswith("dE_d")), None)
    if upstream is None:
        return None
    variable = upstream.parts[0].removeprefix("dE_d")
    wanted = course[upstream.name].shape
    if output.shape != wanted:
        said = (
            f"{raw.source}: the forward pass gives {variable} the shape {output.shape}, the profile's equations"
            f" {wanted}"
        )
        raise BPTTError(said, f"compare the equations (bpttgraph profiles {p.name}) with the course's")
    own = upstream.inward(output)[upstream.parts[0]]
    off = values_off(truth, variable, own)
    if off is None:
        return None
    found = run(str(raw.function), p.calls, course, [], (upstream.name, names))
    own_gradients = {n: Numbers(np.asarray(found[n], float), np.asarray(found[f"±{n}"], float)) for n in names}
    return forward_of(variable, off, turned(own_gradients))
