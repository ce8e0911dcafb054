"""What the gradients of an answer are meant to be: their layout, a δ of the student's own, an adjoint by the inside of
a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ...errors import BPTTError
from ..answers.asked import delta_step
from ..answers.given import Answer, Given
from ..truth.comparing import each, radius_of, solid, status_of
from ..truth.truth import Truth
from .findings import ParameterVerdict

__all__ = ["inner", "settle_alike", "shaped"]


def shaped(truth: Truth, g: Given, answer: Answer) -> Given:
    """Bring an answer to the layout of the truth where only the batch is missing; settle what a δ of the student's own
    means."""
    if g.name not in truth.u.nodes and g.name not in truth.u.leaves:
        g = _settle(truth, g)
    true = truth.value(g.name)
    vector = g.value.ndim and g.name in truth.u.parameters  # for a square matrix, this is no missing batch
    if answer.kind == "formulas" and not vector and g.value.shape != true.shape and g.value.shape == true.shape[1:]:
        g = dataclasses.replace(g, value=np.broadcast_to(g.value, true.shape), rounding=None)
    if (
        g.value.ndim != true.ndim
        and solid(g.value) == solid(true)
        and not (true.ndim == 1 and g.name in truth.u.parameters)
    ):
        g = each(
            g, lambda a: a.reshape(true.shape)
        )  # an axis of one more or less says nothing (of vectors it is a convention)
    if g.value.size != true.size and not (g.value.ndim == 2 and g.value.shape[::-1] == true.shape):
        message = f"the gradient by {g.name} has shape {g.value.shape}, but {g.name} has shape {true.shape}"
        hint = "hand it in in the shape of the parameter"
        if g.value.shape[1:] == true.shape:
            hint = "sum over the batch"
        elif g.value.ndim < 2 and true.ndim == 2:
            hint = "a matrix is a sum of outer products, outer(a, b) or a @ b.T"
        if g.span is not None:
            raise BPTTError(f"{message} (in {g.text})", hint)
        raise BPTTError(f"{answer.source}: {message}", hint)
    return g


def _settle(truth: Truth, g: Given) -> Given:
    """δ[t]: the adjoint of the inside of a nonlinearity or of a variable; the one that fits, or else the first of its
    shape."""
    step = delta_step(g.name) or ("", 0)
    fitting = []
    for node in truth.candidates(step):
        truth.mean(g.name, node)
        if truth.value(g.name).shape == g.value.shape:
            fitting.append(node)
            if status_of(truth, g)[0] in ("right", "right to the digits given"):
                return g
    if not fitting:
        truth.mean(g.name, None)
        raise BPTTError(
            f"{g.name} has shape {g.value.shape}, as nothing at step {step[1]} has",
            "give the δ of one variable, as in dh[2]",
        )
    truth.mean(g.name, fitting[0])
    return g


def inner(truth: Truth, given: Mapping[str, Given]) -> dict[str, ParameterVerdict]:
    """`dh[t]` that is, at every step, the adjoint of what stands inside the function that makes h[t]: a convention."""
    groups: dict[str, list[Given]] = {}
    for name, g in given.items():
        node = truth.u.nodes.get(name)
        if node is not None and node.op is not None and node.base is not None:
            groups.setdefault(node.base, []).append(g)
    found: dict[str, ParameterVerdict] = {}
    for group in groups.values():
        nodes = [truth.inside(g.name) for g in group]
        if all(status_of(truth, g)[0] for g in group) or any(n is None for n in nodes):
            continue
        for g, node in zip(group, nodes):
            truth.mean(g.name, node)
        if all(status_of(truth, g)[0] for g in group):
            words = "by what stands inside its function (the pre-activation)"
            for g in group:
                found[g.name] = ParameterVerdict(
                    g.name, "convention", g.value, truth.value(g.name), radius_of(truth, g), convention=words
                )
        else:
            for g in group:
                truth.mean(g.name, None)
    return found


def settle_alike(truth: Truth, given: Mapping[str, Given]) -> None:
    """A δ[t] that is wrong is meant as the adjoint of what those of other steps are right as."""
    places: dict[str, int] = {}
    for wrong in (False, True):
        for name, g in given.items():
            step = delta_step(name) if name in truth.alias else None
            if step is None or (status_of(truth, g)[0] is None) is not wrong:
                continue
            nodes = truth.candidates(step)
            if not wrong:
                places.setdefault(step[0], nodes.index(truth.alias[name]))
            elif (
                places.get(step[0], len(nodes)) < len(nodes) and nodes[places[step[0]]].shape == truth.alias[name].shape
            ):
                truth.mean(name, nodes[places[step[0]]])
