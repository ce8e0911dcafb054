"""The verdict on an answer to a recurrence: it is read, an instance is chosen, and each gradient is judged there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...equations import Recurrence
from ...errors import BPTTError
from ...unrolled import Unrolled
from ..answers.reading import Raw, read_answer, split_data, steps_of
from ..truth.generic import faults, visible
from ..truth.truth import Truth
from .feedback import level
from .readings import in_its_best_reading
from .verdict import Verdict

__all__ = ["STEPS", "verdict_on"]

STEPS = 5  # of an instance that we choose


def verdict_on(
    recurrence: Recurrence | Unrolled,
    answer: Any,
    data: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    batch: int | None = None,
    feedback: str = "why",
    certify: bool = False,
) -> Verdict:
    """Judge an answer in the names and the layout of the recurrence; arguments are those of `bpttgraph.verify`.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> data = u.instance()
        >>> str(verdict_on(u, {"W_hh": -u.run(data).gradients["W_hh"]}, data).parameters["W_hh"].convention)
        'the opposite sign (descent direction) (factor -1)'
    """
    raw = read_answer(answer)
    if isinstance(recurrence, Recurrence):
        own = (
            steps_of(Raw("", data=dict(data)), recurrence.inputs)
            if data is not None
            else steps_of(raw, recurrence.inputs)
        )
        recurrence = recurrence.unroll(own or (None if recurrence.blocks else max(STEPS, recurrence.steps_hint)))
    u = recurrence
    if u.recurrence.abstract:
        names = ", ".join(u.recurrence.abstract)
        raise BPTTError(
            f"{names}: abstract, so there are no numbers to compare", f"bind with --let {u.recurrence.abstract[0]}=tanh"
        )
    raw = dataclasses.replace(raw, numbers=dict(raw.numbers))
    brought = data if data is not None else split_data(u, raw)
    if brought:
        instance = "the instance handed in" if data is None else "the data given"
        data = _one_hot(u, brought)
    else:
        seed = raw.settings.get("seed", 0) if seed is None else seed
        batch = raw.settings.get("batch") if batch is None else batch
        instance = f"a generic random instance, seed {seed}" + (f", batch of {batch}" if batch else "")
        data = u.instance(seed, batch)
    # what we evaluate ourselves may be evaluated where everything shows; arrays were computed on the instance of the
    # seed
    ours = not brought and bool(raw.text or raw.function)
    truth = visible(u, data) if ours else Truth(u, data)
    truth.run.finite()
    hidden = faults(truth)
    serious = [sentence for bad, sentence in hidden if bad]
    if serious and not brought:
        raise BPTTError(f"this instance is not generic, so mistakes could hide: {serious[0]}",
                        "choose at least 3 steps; the answer may bring its own data as well")  # fmt: skip
    verdict = in_its_best_reading(truth, raw)
    verdict.instance = f"{instance}: T = {', '.join(map(str, u.steps.values()))}" + (
        f", batch of {truth.run.batch}" if truth.run.batch else ""
    )
    verdict.notes += [u.schedule.fault] if u.schedule.fault else []
    verdict.notes += [f"this instance cannot show everything: {sentence}" for _, sentence in hidden]
    if certify:
        verdict.oracle += "; " + truth.certify([n for n in verdict.parameters if n in truth.run.numbers.leaf_nodes])
    level(feedback)
    verdict.feedback = feedback
    return verdict


def _one_hot(u: Unrolled, data: Mapping[str, Any]) -> dict[str, Any]:
    """Class targets that a CSV or JSON file wrote as numbers with a point are still classes."""
    found = {}
    for key, value in data.items():
        array = np.asarray(value)
        slot = u.slots.get(key)
        if (
            slot is not None
            and slot.classes
            and array.dtype.kind == "f"
            and array.shape[1:] != slot.shape
            and np.all((array == np.round(array)) & (np.abs(array) < 2**53))
        ):
            array = array.astype(int)
        found[key] = array
    return found
