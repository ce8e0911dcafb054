"""Clipping: what is done to a gradient that has exploded, what it does to the direction, and the cliff that it is meant
for.

Sources: R. Pascanu, T. Mikolov, Y. Bengio (2013), section 3.2, for clipping by the norm; T. Mikolov (2012) for clipping
by value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["WAYS", "Clipped", "cliff", "clip"]

Array = np.ndarray[Any, Any]
WAYS = {
    "value": "every entry is kept within ±limit",
    "norm": "the gradient of each parameter is shortened to the limit",
    "global": "all gradients together are shortened to the limit",
}


@dataclass(frozen=True)
class Clipped:
    """Clipped gradients, and what that did.

    Attributes:
        gradients: by name, each in its own shape.
        before, after: the norm of all together.
        cosine: with the gradient before.
        share: of the entries that were cut.

    Example:
        >>> from bpttgraph.flow import clip
        >>> print(clip({"W": np.array([3.0, 4.0])}, "value", 3.0))
        norm 5 → 4.243, turned by 8.1°, 50.0 % of the entries cut
    """

    gradients: dict[str, Array]
    before: float
    after: float
    cosine: float
    share: float

    def __str__(self) -> str:
        turned = np.degrees(np.arccos(np.clip(self.cosine, -1, 1)))
        return (
            f"norm {self.before:.4g} → {self.after:.4g}, turned by {turned:.1f}°, {100 * self.share:.1f} % "
            "of the entries cut"
        )


def clip(gradients: Mapping[str, Any], how: str, limit: float) -> Clipped:
    """Clip gradients by "value", by "norm" (each parameter) or by the "global" norm.

    Raises:
        BPTTError: an unknown way, a limit that is not a positive number, gradients that are not finite.

    >>> c = clip({"W": np.array([3.0, 4.0])}, "norm", 1.0)
    >>> c.gradients["W"].round(12).tolist(), c.cosine
    ([0.6, 0.8], 1.0)
    """
    if how not in WAYS:
        raise BPTTError(f"there is no clipping by {how!r}", f"choose from {', '.join(WAYS)}")
    if not (isinstance(limit, int | float) and 0 < limit < float("inf")):
        raise BPTTError(f"{limit!r} is not a limit", "give a positive number, such as 5")
    arrays = {name: np.asarray(g, float) for name, g in gradients.items()}
    for name, g in arrays.items():
        if not np.all(np.isfinite(g)):
            raise BPTTError(
                f"the gradient of {name} is not finite",
                "lower the learning rate, or shorten the sequence; clipping cannot help",
            )
    size = _norm(arrays)
    if how == "value":
        found = {name: np.clip(g, -limit, limit) for name, g in arrays.items()}
    elif how == "norm":
        found = {name: g * _factor(float(np.linalg.norm(g)), limit) for name, g in arrays.items()}
    else:
        found = {name: g * _factor(size, limit) for name, g in arrays.items()}
    after = _norm(found)
    both = sum(float(np.sum(found[name] * g)) for name, g in arrays.items())
    total = sum(g.size for g in arrays.values())
    cut = sum(int(np.sum(found[name] != g)) for name, g in arrays.items())
    cosine = 1.0 if how == "global" else both / (size * after) if size and after else 1.0
    return Clipped(found, size, after, min(cosine, 1.0), cut / total if total else 0.0)


def _norm(arrays: Mapping[str, Array]) -> float:
    """The norm of all together; scaled, so that the squares of large entries do not overflow."""
    top = max((float(np.max(np.abs(g), initial=0.0)) for g in arrays.values()), default=0.0)
    return top * float(np.sqrt(sum(float(np.sum((g / top) ** 2)) for g in arrays.values()))) if top else 0.0


def _factor(size: float, limit: float) -> float:
    return limit / size if size > limit else 1.0


def cliff(
    u: Unrolled, data: Mapping[str, Any], name: str, values: Array, direction: Array | None = None
) -> tuple[Array, Array]:
    """The loss, and its slope, on a one-dimensional slice through a parameter.

    Args:
        values: how far to go, (n,): the parameter becomes its value in `data` plus each of them times `direction` (all
            ones for a number; a unit vector along the gradient otherwise).

    Returns:
        Losses (n,) and the derivatives along the slice (n,).

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.recurrence("h[t] = w*h[t-1]; E[t] = h[t]^2").unroll(3)
        >>> losses, slopes = cliff(u, {"w": 1.0, "h[0]": 1.0}, "w", np.array([0.0, 1.0]))
        >>> losses.tolist(), slopes.tolist()
        ([3.0, 84.0], [12.0, 228.0])
    """
    base = np.asarray(data[name], float)
    if direction is None:
        direction = np.ones_like(base) if base.size == 1 else np.asarray(u.numbers.run(data).gradients[name])
        direction = direction / (np.linalg.norm(direction) or 1.0)
    losses, slopes = np.zeros(len(values)), np.zeros(len(values))
    for i, v in enumerate(values):
        run = u.numbers.run({**data, name: base + v * direction})
        losses[i], slopes[i] = float(np.sum(run.loss)), float(np.sum(np.asarray(run.gradients[name]) * direction))
    return losses, slopes
