"""The meanings of "truncated BPTT", each as a rule that says which edges the gradient of which loss does not pass.

All window rules are one rule, BPTT(h; h′) of Williams & Peng (1990): every h′ steps, the last h′ losses are sent back
over the last h steps. `sliding:τ` is (τ; 1), `chunk:τ` is (τ; τ) with the initial state kept, `one-step` (Elman 1990:
the context is a constant input) is (1; 1). `carousel` (Hochreiter & Schmidhuber 1997) cuts by structure instead: only a
state's linear carry into itself, such as c[t-1] into c[t], is passed back to the step before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import BPTTError, expect

__all__ = ["Truncation", "parse_truncation"]


@dataclass(frozen=True, slots=True)
class Truncation:
    """`window` steps back for groups of `stride` losses; `carousel` for the structural rule; `text` says it in
    words."""

    name: str
    window: int
    stride: int
    carousel: bool
    keep_initial: bool
    text: str

    def borders(self, loss: int, last: int) -> tuple[int, int]:
        """(low, high): the gradient of the loss in column `loss` is not sent from column low+1 back to low, and, for
        states that run backwards in time, not from high−1 to high."""
        group = -(-loss // self.stride)  # losses are sent back in groups of h′
        low, high = group * self.stride - self.window, (group - 1) * self.stride + 1 + self.window
        if self.keep_initial:
            low, high = (low if low >= 1 else -1), (high if high <= last else last + 2)
        return low, high

    def cut_losses(self, source: int, target: int, last: int) -> range:
        """Columns of the losses (1 ≤ loss ≤ last) whose border lies between `target` and the earlier `source`."""
        # All initial states stand in one place before the first step, however long the delay with which they are read.
        # In chunks they belong to the first one, also where a later one reads them.
        edge = 1 if self.keep_initial else 0
        source = min(max(source, edge), last + 1 - edge)
        if target > source:
            first = -(-(source + self.window) // self.stride)
            final = (target - 1 + self.window) // self.stride
        else:  # the same rule, mirrored
            first = -(-(target - self.window) // self.stride) + 1
            final = (source - 1 - self.window) // self.stride + 1
        first = max(first, 1)
        return range((first - 1) * self.stride + 1, min(last, final * self.stride) + 1) if first <= final else range(0)

    def reaches(self, loss: int, source: int, target: int, last: int) -> bool:
        """Whether the gradient of a loss comes as far as `target`, so that cutting the edge from `source` to it
        matters."""
        low, high = self.borders(loss, last)
        return loss >= target > low if target > source else loss <= target < high


def parse_truncation(value: str | int | None) -> Truncation | None:
    """Read the `truncate` option.

    >>> parse_truncation("8;4").text
    'BPTT(8; 4): every 4 steps the last 4 losses are sent back over 8 steps'
    """
    if value is None:
        return None
    expect(value, str | int, "truncate", 'write "sliding:4", "chunk:4", "8;4", "one-step" or "carousel"')
    if value == "none":
        return None
    text = str(value).strip()
    if text.isdigit():
        text = f"sliding:{text}"
    if text == "one-step":
        return Truncation(
            text, 1, 1, False, False, "one step (Elman 1990): the state of the step before is a constant input"
        )
    if text == "carousel":
        words = "carousel (Hochreiter & Schmidhuber 1997): only the linear carry of a state is passed back"
        return Truncation(text, 0, 1, True, False, words)
    match = re.fullmatch(r"(sliding|chunk):(\d{1,6})|(\d{1,6})\s*;\s*(\d{1,6})", text)
    if match:
        kind, k, h, stride = match.groups()
        n = int(k or h)
        m = n if kind == "chunk" else int(stride or 1)
        if n >= 1 and 1 <= m <= n:
            if kind == "sliding":
                return Truncation(text, n, 1, False, False, f"sliding window: each loss is sent back over {n} steps")
            if kind == "chunk":
                return Truncation(text, n, n, False, True, f"chunks of {n} steps, the state detached at their borders")
            return Truncation(
                text,
                n,
                m,
                False,
                False,
                f"BPTT({n}; {m}): every {m} steps the last {m} losses are sent back over {n} steps",
            )
    raise BPTTError(
        f"truncate={value!r} is not a truncation",
        'write "sliding:4", "chunk:4", "8;4" (h;h′ with h′ ≤ h), "one-step" or "carousel"; they are different'
        " gradients",
    )
