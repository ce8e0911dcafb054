"""The verdict on an answer that is tied to an instance, gradient by gradient.

In this order: right (within rounding), right to the digits given, another convention, undecidable here, wrong; a wrong
one is handed to the diagnosis. There are no tolerances to choose: how far rounding and the digits typed may carry a
right answer is computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import BPTTError
from ..answers.given import Answer, Given
from ..diagnosis.cause import Cause
from ..diagnosis.explain import diagnose
from ..diagnosis.told import tell
from ..truth.comparing import digits_apart, openness, radius_of, relaid, status_of
from ..truth.forward import Ran
from ..truth.truth import Truth
from . import conventions
from .findings import ParameterVerdict
from .jacobians import verdict_on_jacobian
from .last_digits import last_digits
from .meant import inner, settle_alike, shaped
from .quotients import recognised
from .verdict import Verdict

__all__ = ["judge"]

Array = np.ndarray[Any, Any]
ANOTHER = Cause(
    "unexplained",
    "Wrong for the forward pass that was run as well; as that is another function, no cause is looked for.",
)


@np.errstate(all="ignore")  # numbers that were handed in may be of any size; what overflows fits nothing
def judge(truth: Truth, answer: Answer, explain: bool = True) -> Verdict:
    """The verdict on an answer that is tied to the instance of `truth`, with or without causes.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> answer = Answer({"b_h": Given("b_h", -truth.value("b_h"))}, "arrays")
        >>> judge(truth, answer).parameters["b_h"].convention
        'the opposite sign (descent direction) (factor -1)'
    """
    oracle = truth.agree()
    forward = answer.forward
    if forward is not None:
        truth = Ran(truth, forward)
        explain = explain and forward.near
    given = {name: shaped(truth, g, answer) for name, g in answer.given.items()}
    settle_alike(truth, given)
    found = inner(truth, given)
    for name, g in given.items():
        if name in found:
            continue
        status, radius = status_of(truth, g)
        if status == "right" and forward is not None and name in forward.digits:
            status = "right to the digits given"
        if status:
            note = (openness(truth, g) or "the digits given leave too much open") if status == "undecidable" else ""
            found[name] = ParameterVerdict(name, status, g.value, truth.value(name), radius, note=note)
    quotients = recognised(truth, {n: g for n, g in given.items() if n not in found and answer.kind != "formulas"})
    for name in (n for n, q in quotients.items() if q.right):
        value, radius = truth.value(name), radius_of(truth, given[name])
        found[name] = ParameterVerdict(
            name, "right to the digits given", given[name].value, value, radius, note=str(quotients[name])
        )
    rest = {n: g for n, g in given.items() if n not in found}
    if rest and answer.kind == "function" and forward is None:
        forward = last_digits(truth, given, rest.keys())
        if forward is not None:
            return judge(truth, dataclasses.replace(answer, forward=forward), explain)
    factor = _other_convention(truth, given, found) if rest else 1.0
    wrong = [n for n in given if n not in found]
    if any(not given[n].aside for n in wrong) and (beside := [n for n in wrong if given[n].aside]):
        # what no gradient reads may inherit what is wrong in them, so that it says nothing of itself
        lines = dict.fromkeys(g.span.line for g in (given[n] for n in beside) if g.span is not None)
        inherited = (
            f"line {line}: not the gradient that its name says; no gradient that is asked for reads it"
            for line in lines
        )
        answer = dataclasses.replace(answer, notes=(*answer.notes, *inherited))
        given = {n: g for n, g in given.items() if n not in beside}
        wrong = [n for n in wrong if n in given]
    turned = [name for name in wrong if given[name].value.shape != truth.value(name).shape]
    for name in wrong:
        # an answer that is wrong in another layout is explained in ours
        g = given[name] = relaid(given[name], truth.value(name), bool(turned) and name in truth.u.parameters)
        if factor != 1.0:
            half = None if g.half is None else g.half / abs(factor)
            g = given[name] = dataclasses.replace(g, value=g.value / factor, half=half)
        unit = truth.undecidable(name, g.unit)
        value = truth.value(name)
        if g.value.shape != value.shape:
            raise BPTTError(
                f"{answer.source}: the gradient by {name} has shape {g.value.shape}, but {name} has shape"
                f" {value.shape}",
                "hand it in in the shape of the parameter, or transposed",
            )
        status = "undecidable" if unit else "wrong"
        found[name] = ParameterVerdict(name, status, g.value, value, radius_of(truth, g), note=unit)  # type: ignore[arg-type]
    if turned:
        answer = dataclasses.replace(
            answer,
            notes=(*answer.notes, f"{', '.join(turned)}: read in the shape of the parameter, transposed or flattened"),
        )
    jacobians = [verdict_on_jacobian(j) for j in answer.jacobians]
    laid = list(dict.fromkeys(note for _, note in jacobians if note))
    said = {p.name: p for p, _ in sorted(jacobians, key=lambda j: j[0].status == "wrong")}  # of two, the wrong one
    mixed = _mixed({n: p for n, p in found.items() if n in truth.u.parameters})
    unexplained = [n for n in wrong if found[n].status == "wrong"] if explain else []
    causes = _causes(truth, dataclasses.replace(answer, given=given), unexplained)
    if forward is not None and not forward.near:
        causes = {n: ANOTHER for n in wrong if found[n].status == "wrong"}
    for name in (n for n in causes if n in quotients):
        causes[name] = Cause("exact", f"∂E/∂{name}: {quotients[name]}.", (("differences",),))
    for name, cause in causes.items():
        found[name] = dataclasses.replace(found[name], because=cause)
    scale, differs = {n: truth.scale(n) for n in given}, forward.text if forward is not None else ""
    return Verdict(
        {n: found[n] for n in given} | said,
        truth.u.recurrence.title,
        tuple(truth.u.conventions),
        described(truth),
        oracle,
        [*filter(None, (differs,)), *answer.notes, *mixed, *laid],
        forward=differs,
        scale=scale,
        unit={n: g.unit for n, g in given.items()},
        unrolled=truth.u,
    )


def described(truth: Truth) -> str:
    return f"T = {', '.join(map(str, truth.u.steps.values()))}"


def _other_convention(truth: Truth, given: Mapping[str, Given], found: dict[str, ParameterVerdict]) -> float:
    """Mark what is right in another convention; returns the factor that the whole answer has."""
    tried = 0

    def fits(name: str, value: Array, radius: Array) -> bool:
        nonlocal tried
        tried += 1
        g = given[name]
        extra = g.half if g.half is not None else 0.0
        return g.value.shape == value.shape and bool(np.all(np.abs(g.value - value) <= radius + extra))

    names = {n: g.unit for n, g in given.items() if n not in truth.alias}
    if not {n for n in given if n not in found} & names.keys():
        return 1.0
    right = {n for n, p in found.items() if n in names and p.status.startswith("right")}
    others, factor = conventions.find(truth, names, right, fits)
    others = {n: c for n, c in others.items() if n not in found}  # too few digits to decide stay too few
    chance = sum(digits_apart(truth, given[n]) for n in others) < np.log10(max(tried, 1)) + 1
    for name, convention in others.items():
        g = given[name]
        true, radius = (convention.apply(a) for a in (truth.value(name), truth.radius(name, g.unit)))
        radius = np.abs(radius) + (g.half if g.half is not None else 0.0)
        if chance:
            note = f"too few digits to tell whether it is meant in another convention ({convention.words})"
            found[name] = ParameterVerdict(
                name, "undecidable", g.value, truth.value(name), radius_of(truth, g), note=note
            )
        else:
            found[name] = ParameterVerdict(name, "convention", g.value, true, radius, convention=convention.words)
    return 1.0 if chance else factor


def _mixed(found: Mapping[str, ParameterVerdict]) -> list[str]:
    """A note on matrices that are laid out differently from the rest."""
    matrices = {n: "transposed" in p.convention for n, p in found.items() if p.given.ndim == 2 and p.status != "wrong"}
    turned = [f"d{n}" for n, t in matrices.items() if t]
    if not turned or len(turned) == len(matrices):
        return []
    verb = "are" if len(turned) > 1 else "is"
    return [
        f"{', '.join(turned)} {verb} transposed, other matrices are not: handed in with their parameter, the update"
        " would be wrong"
    ]


def _causes(truth: Truth, answer: Answer, wrong: list[str]) -> dict[str, Cause]:
    """What the diagnosis says of the wrong ones."""
    if not wrong:
        return {}
    many = f"{len(wrong)} of {len(answer.given)} gradients" if len(answer.given) > 1 else "the gradient"
    tell(f"{many} wrong; looking for the cause", "verdict")
    return diagnose(truth, answer, wrong)
