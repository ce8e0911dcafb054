"""The graph at the level of the lecture: named variables and the links between them.

An equation such as `h[t] = tanh(W @ h[t-1] + b)` is one node `h[t]` here; the primitives inside it (matrix product,
sum, tanh) belong to `graph.Graph`. Derivations multiply one factor per link; pictures draw one arrow per link.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Link", "Variable", "VariableGraph"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One named variable.

    Attributes:
        name: `h[3]`, `W_hh`, `encoder.h[1]`; in the folded graph `h[t]`. Unique, stable, and the id of the node in
            pictures.
        base: the name without its step, `h` (`encoder.h` within a block).
        step: 1 … T within its block, 0 for an initial state, None for parameters, totals and in the folded graph.
        role: "input", "target", "upstream" (the given ∂E/∂y of a recurrence without a loss), "parameter", "initial"
            (state before the first step), "state" (read at another step), "value" (gates and the like), "output",
            "loss", "total".
        block: "encoder", "decoder" or None.
        column: where it stands in global time (the decoder's columns follow the encoder's); None for parameters and
            totals.
        level: how far from the inputs within one step: 0 for inputs, then 1 + the highest level of what it reads in
            that step.
        shape: for one example, `()`, `(n,)` or `(m, n)`.
        kind: the outermost operation of its equation ("tanh", "softmax", "add", …), "" for leaves; for tooltips and
            shapes.
        carry: True for a state carried linearly from its own last value (the LSTM's c), drawn as the cell line.
    """

    name: str
    base: str
    step: int | None
    role: str
    block: str | None = None
    column: int | None = None
    level: int = 0
    shape: tuple[int, ...] = ()
    kind: str = ""
    carry: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """`target`'s equation reads `source` (however often: one link a pair, as there is one ∂target/∂source).

    Attributes:
        source, target: variable names.
        delay: steps between them: 0 within a step, 1 from the step before, −1 from the step after (bidirectional).
        uses: numbers of the parameter's uses that this link stands for (1, 2, … over the whole graph); empty otherwise.
        cut: "" (the gradient flows), "cut" (truncated for every loss), "partly" (truncated for the losses in
            `cut_for`).
        cut_for: loss steps whose gradient does not pass here.
    """

    source: str
    target: str
    delay: int = 0
    uses: tuple[int, ...] = ()
    cut: str = ""
    cut_for: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The edge's id in pictures and derivations, `h[1]->h[2]`."""
        return f"{self.source}->{self.target}"


@dataclass(frozen=True, slots=True)
class VariableGraph:
    """What a picture or a derivation needs to know: variables in topological order, links, and how to describe it all.

    `steps` maps each block (None if there are no blocks) to its number of steps; empty for the folded graph.
    """

    title: str
    variables: dict[str, Variable]
    links: tuple[Link, ...]
    steps: dict[str | None, int]
    conventions: tuple[str, ...] = ()
    folded: bool = False
