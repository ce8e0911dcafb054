"""The printed NumPy code, run on numbers: what stands on the page is what was compared.

The code is for one example, so it is run on the first one of a batch, and its gradients are compared with those of that
example alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.rounding import U
from ..errors import BPTTError, Fault
from .comparing import entries, wide
from .readings import Reading, settled, whole_radii
from .report import Finding, Report

if TYPE_CHECKING:
    from ..derive import SymbolicDerivation
    from ..derive.code import Code
    from ..unrolled import Run, Unrolled

__all__ = ["check_code", "code_arguments", "code_findings", "one_example", "printed_gradients", "verified"]
Array = np.ndarray[Any, Any]
SEEDS = 20  # instances that are tried


def one_example(u: Unrolled, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the first example of a batch; data without a batch as they are."""
    made: dict[str, Any] = {}
    for key, value in data.items():
        slot, array = u.slots.get(key), np.asarray(value)
        if slot is not None and slot.role != "parameter":
            own = len(slot.shape) + (slot.length is not None)
            own -= slot.classes and array.dtype.kind in "iu"
            if array.ndim > own:
                array = array[:, 0] if slot.length is not None else array[0]
        made[key] = array
    return made


def code_arguments(code: Code, u: Unrolled, run: Run, onehot: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What the printed code takes: sequences as arrays whose row t is step t, with rows of zeros beyond the last step.

    `run` is of one example. Vectors known to be one-hot become numbers of classes.
    """
    by_base: dict[str, dict[int | None, Array]] = {}
    wanted = set(code.arguments.values())
    for name, v in u.vgraph.variables.items():
        if v.base in wanted:
            value = run.array(name)
            value = value[0] if u.node(name).batched else value
            by_base.setdefault(v.base, {})[v.step] = np.asarray(value.argmax()) if v.base in onehot else value
    given: dict[str, Any] = {argument: u.steps[block or None] for argument, block in code.lengths.items()}
    reach = max([abs(r.delay) for r in u.recurrence.reads if r.delay is not None] + [1])
    for argument, base in code.arguments.items():
        found = by_base.get(base)
        if found is None:  # read by nothing in so few steps
            shape = u.shapes[base]
            given[argument] = np.zeros(
                (max(u.steps.values()) + 1 + 2 * reach, *shape) if base not in u.parameters else shape
            )
        elif set(found) == {None}:
            given[argument] = found[None]
        else:
            found.pop(None, None)  # a total that bears the name of the losses
            some = next(iter(found.values()))
            rows = np.zeros((max(u.steps.values()) + 1 + 2 * reach, *some.shape), some.dtype)
            for step, value in found.items():
                rows[step] = value
            given[argument] = rows
    return given


def printed_gradients(code: Code, u: Unrolled, run: Run, onehot: frozenset[str] = frozenset()) -> dict[str, Array]:
    """The gradients that the printed code computes, by the names that they have in this unrolling."""
    from ..derive.running import run as run_code
    from ..formulas.steps import at_steps

    found = run_code(code, code_arguments(code, u, run, onehot))
    made: dict[str, Array] = {}
    for key, value in found.items():
        block = u.steps.get(key.rpartition(".")[0] or None, max(u.steps.values()))
        made[at_steps({"T": block})(key)] = np.asarray(value)
    return made


def code_findings(
    code: Code, u: Unrolled, data: Mapping[str, Any], onehot: frozenset[str] = frozenset()
) -> list[Finding]:
    """The gradients of the printed code against the reverse pass, on the first example of `data`.

    Raises:
        Fault: if the code cannot be run.
    """
    example = {key: wide(value) for key, value in one_example(u, data).items()}
    run = u.numbers.run(example, schedule=False)
    found = printed_gradients(code, u, run, onehot)
    what = f"dE/d{{}} by the printed NumPy code ({len(code.text.splitlines())} lines)"

    def compared(errors: Reading) -> list[Finding]:
        radii = whole_radii(run, found, errors)
        return [_compared(what.format(name), run.gradient(name), value, *radii[name]) for name, value in found.items()]

    return settled(compared)


def _compared(what: str, truth: Array, value: Array, scale: Array, radius: Array) -> Finding:
    if value.shape != truth.shape:
        value = np.full(truth.shape, np.inf)
    index = [tuple(int(i) for i in place) for place in np.ndindex(truth.shape)]
    return entries(what, "the reverse pass", value, truth, scale, index, U, radius * U, None, "")


def verified(g: SymbolicDerivation, code: Code) -> Code:
    """The code, if it computes the gradient on a random instance.

    Raises:
        Fault: if it does not.
        BPTTError: no random instance was found on which there are numbers to compare.
    """
    from ..derive.onehot import classes_in

    u = g.example(code.least)
    data = classes_in(_finite_instance(u), g.onehot)
    for finding in code_findings(code, u, data, g.onehot):
        if not finding.right:
            raise Fault(_wrong(finding), "nothing is known about the recursions either")
    return code


def _finite_instance(u: Unrolled) -> dict[str, Any]:
    """A random instance on which no number overflows: 2^h[t-1] soon does."""
    for seed in range(SEEDS):
        data = u.instance(seed=seed)
        with suppress(BPTTError):
            u.numbers.run(data, schedule=False).finite()
            return data
    raise BPTTError(
        f"on {SEEDS} random instances numbers overflow, so the printed code cannot be tried",
        "scale the equations, so that their values stay of order one",
    )


def _wrong(f: Finding) -> str:
    return f"{f.place} is {f.given:.10g}, but {f.true:.10g} by {f.oracle}"


def check_code(
    report: Report, u: Unrolled, wrt: str, data: Mapping[str, Any], onehot: frozenset[str] = frozenset()
) -> None:
    """Add what the printed code of a gradient (or of "all") computes to the findings; if it is wrong, that is our
    fault.

    Nothing is added where there is no such code: for what stands at one step, under windows of truncation.
    """
    from ..derive.symbolic import symbolic_of

    try:
        g = symbolic_of(u, wrt, onehot=sorted(onehot))
        code = g.printed("backward")
        at = u if min(u.steps.values()) >= code.least else g.example(code.least)
        found = code_findings(code, at, data if at is u else at.instance(seed=0), onehot)
    except Fault as fault:
        report.broken = report.broken or fault.message
        return
    except BPTTError:
        return
    report.findings += found
    wrong = [f for f in found if not f.right]
    if wrong and not report.broken:
        report.broken = _wrong(wrong[0])
