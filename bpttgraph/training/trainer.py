"""Training a character model by truncated backpropagation through time with carried state, as min-char-rnn does (A.
Karpathy 2015).

Each chunk starts from the state that the chunk before ended with; its gradient stays within the chunk. What training
has reached is kept in a checkpoint that is always whole: it is written under another name and renamed. A run that is
killed and resumed gives bit for bit the parameters of one that was not: nothing in the loop is random.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..equations import Recurrence
from ..equations.extent import check_numbers
from ..errors import BPTTError, expect, nearest, whole
from ..flow.clipping import clip
from .checkpoint import load_checkpoint, save_checkpoint
from .network import Network, character_model
from .optimizers import optimizer, schedule
from .text import Text, Vocabulary

__all__ = ["Settings", "Trainer", "train"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Settings:
    """How to train. The defaults are min-char-rnn's: 100 units, 25 steps, Adagrad at 0.1, entries clipped at ±5,
    weights of 0.01.

    Attributes:
        hidden: units. steps: characters a chunk. batch: streams read side by side. optimizer, rate, schedule: see
            `optimizers`.
        clip: "value:5", "norm:5", "global:5" or "none". scale: standard deviation of the first weights (None: 1/√n).
            seed: of them.
        validation: share of the text at its end kept for validation.

    Example:
        >>> Settings(hidden=8).hidden, Settings().clip
        (8, 'value:5')
    """

    hidden: int = 100
    steps: int = 25
    batch: int = 1
    optimizer: str = "adagrad"
    rate: float = 0.1
    schedule: str = "constant"
    clip: str = "value:5"
    scale: float | None = 0.01
    seed: int = 0
    validation: float = 0.0

    def __post_init__(self) -> None:
        for name, low in (("hidden", 1), ("steps", 1), ("batch", 1), ("seed", 0)):
            value = getattr(self, name)
            expect(value, int | np.integer, name, f"write {name}={low}")
            if isinstance(value, bool) or value < low:
                raise BPTTError(f"{name}={value} is too small", f"give a whole number of at least {low}")
            object.__setattr__(self, name, int(value))  # of NumPy: a checkpoint holds plain numbers
        for name in ("optimizer", "schedule", "clip"):
            default = type(self).__dataclass_fields__[name].default
            expect(getattr(self, name), str, name, f'write {name}="{default}"')
        for name in ("rate", "validation", "scale"):
            if name != "scale" or self.scale is not None:
                expect(getattr(self, name), int | float | np.floating, name, f"write {name}=0.1")
        if not 0 < self.rate < math.inf:
            raise BPTTError(f"{self.rate!r} is not a learning rate", "give a positive number, such as 0.1")
        if not 0 <= self.validation < 1:
            raise BPTTError(
                f"{self.validation!r} is no share of the text",
                "give validation as a number from 0 to below 1, such as 0.1",
            )
        if self.scale is not None and not 0 <= self.scale < math.inf:
            raise BPTTError(f"{self.scale!r} is no scale of the first weights", "give a positive number, such as 0.01")


@dataclass
class Trainer:
    """A character model in training.

    Attributes:
        iteration: chunks learned from so far. losses: bits per character of each of them, (iterations,).
        smooth: the running mean that min-char-rnn prints, in bits per character.

    Example:
        >>> import bpttgraph as bg
        >>> model = bg.train("abc" * 40, iterations=3, hidden=4, steps=6)
        >>> model.iteration, len(model.losses), model.settings.hidden
        (3, 3, 4)
    """

    text: str = field(repr=False)
    rec: Recurrence
    settings: Settings = field(default_factory=Settings)
    iteration: int = 0
    smooth: float = math.nan
    losses: list[float] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        s = self.settings
        expect(self.text, str, "the text", "give the characters to learn as one text")
        expect(self.rec, Recurrence, "a cell", 'write its name, such as "rnn", or give bg.recurrence(…)')
        self.rec = character_model(self.rec)
        self.vocabulary = Vocabulary.of(self.text)
        kept = len(self.text) - round(len(self.text) * s.validation)
        self.data = Text(self.text[:kept], self.vocabulary, s.steps, s.batch)
        self.held = Text(self.text[kept:], self.vocabulary, s.steps) if s.validation else None
        self.network = Network(self.rec, self._sizes(), seed=s.seed, scale=s.scale)
        check_numbers(self.network.unrolled(s.steps), s.batch)
        self.optimizer = optimizer(s.optimizer)
        self._how, _, limit = s.clip.partition(":")
        self._limit = 0.0
        if self._how != "none":
            try:
                self._limit = float(limit or 5)
            except ValueError:
                raise BPTTError(f"{s.clip!r} is no way to clip", "write value:5, norm:5, global:5 or none") from None
            clip({}, self._how, self._limit)
        schedule(s.schedule, s.rate, 1)
        self.state = self.network.initial(s.steps, s.batch)

    def _sizes(self) -> dict[str, int]:
        """Sizes: the vocabulary for what stands for a symbol, the hidden size for every state."""
        (source,) = [n for n in self.rec.inputs if n != "target"]
        V = len(self.vocabulary)
        sizes = {source: V, "target": V} | dict.fromkeys(self.rec.states, self.settings.hidden)
        return sizes

    # -- learning ------------------------------------------------------------------------------------------------------

    def learn(self, iterations: int, total: int | None = None, report: Callable[[Trainer], None] | None = None) -> None:
        """Learn from so many more chunks. `total` is where the schedule of the learning rate ends.

        Raises:
            BPTTError: the loss or a gradient is no number any more; says at which iteration, and what to try.
        """
        whole(iterations, 0, "iterations", "write how many chunks to learn from, such as 1000")
        _check_report(report)
        rate = schedule(self.settings.schedule, self.settings.rate, total or self.iteration + iterations)
        for _ in range(iterations):
            bits = self._step(rate(self.iteration))
            self.iteration += 1
            self.losses.append(bits)
            self.smooth = bits if math.isnan(self.smooth) else 0.999 * self.smooth + 0.001 * bits
            if report is not None:
                report(self)

    def _step(self, rate: float) -> float:
        if self.iteration % self.data.chunks == 0:  # a new pass begins with an empty memory
            self.state = self.network.initial(self.settings.steps, self.settings.batch)
        x, target = self.data.chunk(self.iteration)
        run, gradients, bits = self.gradients(x, target, self.state)
        if not math.isfinite(bits) or not all(np.isfinite(g).all() for g in gradients.values()):
            raise BPTTError(
                f"the loss is no number any more at iteration {self.iteration + 1}",
                "lower the learning rate (--rate), clip the gradient (--clip value:5) or use fewer --steps; "
                "the last checkpoint is intact",
            )
        if self._how != "none":
            gradients = clip(gradients, self._how, self._limit).gradients
        self.state = self.network.carried(run, len(x), self.state)
        self.optimizer.step(self.network.parameters, gradients, rate)
        return bits

    def gradients(self, x: Array, target: Array, state: Mapping[str, Array]) -> tuple[Any, dict[str, Array], float]:
        """The run, the gradients (mean over the batch of the sum over steps) and the bits per character of one
        chunk."""
        (source,) = [n for n in self.rec.inputs if n != "target"]
        run = self.network.run(len(x), {source: self.vocabulary.one_hot(x), "target": target, **state})
        batch = x.shape[1]
        found = {name: np.asarray(run.gradients[name]) / batch for name in self.network.parameters}
        return run, found, float(np.sum(run.loss)) / (x.size * math.log(2))

    def validate(self) -> float:
        """Bits per character on the part of the text that was held back, the state carried through it."""
        if self.held is None:
            raise BPTTError("no part of the text was held back", "train with --validation 0.1")
        state, bits, count = self.network.initial(self.settings.steps, 1), 0.0, 0
        for x, target in self.held.passes():
            run, _, each = self.gradients(x, target, state)
            state = self.network.carried(run, len(x), state)
            bits += each * x.size
            count += x.size
        return bits / count

    # -- using ---------------------------------------------------------------------------------------------------------

    def sample(self, length: int, start: str = "", temperature: float = 1.0, seed: int = 0) -> str:
        """Text that the model writes, after reading `start`. A low temperature writes what is likely, a high one what
        is varied."""
        whole(length, 0, "the length of a sample", "write sample(100)")
        expect(start, str, "what a sample begins with", 'write a text, such as start="a"')
        whole(seed, 0, "seed", "write seed=0")
        check_temperature(temperature)
        rng = np.random.default_rng(seed)
        (source,) = [n for n in self.rec.inputs if n != "target"]
        seen = self.vocabulary.encode(start) if start else rng.integers(len(self.vocabulary), size=1)
        state, written = self.network.initial(1, 1), list(seen if start else seen[:1])
        output = f"{self._probabilities}[1]"
        while True:
            for symbol in seen:
                x = self.vocabulary.one_hot(np.array([[symbol]]))
                run = self.network.run(1, {source: x, "target": np.zeros((1, 1), int), **state})
                state = self.network.carried(run, 1, state)
            if len(written) >= length + len(start):
                return self.vocabulary.decode(written)
            with np.errstate(divide="ignore"):
                logs = np.log(np.asarray(run.values[output]).reshape(-1)) / temperature
            p = np.exp(logs - np.max(logs))
            seen = np.array([rng.choice(len(p), p=p / p.sum())])
            written.append(int(seen[0]))

    def bits(self, text: str) -> float:
        """Bits that the model needs for a text after its first character: −log₂ of the probability that it gives to
        it."""
        expect(text, str, "the text", "give the characters as one text")
        indices = self.vocabulary.encode(text)[:, None]
        _, _, each = self.gradients(indices[:-1], indices[1:], self.network.initial(len(indices) - 1, 1))
        return each * (len(indices) - 1)

    @property
    def _probabilities(self) -> str:
        """The variable that the cross entropy reads."""
        u = self.network.unrolled(1)
        (head,) = u.heads
        return next(
            u.vgraph.variables[link.source].base
            for link in u.links
            if link.target == head.name and link.source.partition("[")[0] != "target"
        )

    # -- keeping -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write a checkpoint; the one before stays until the new one is whole."""
        _check_path(path)
        about = {
            "equations": self.rec.text,
            "settings": asdict(self.settings),
            "vocabulary": self.vocabulary.symbols,
            "text": self.data.digest,
            "iteration": self.iteration,
            "smooth": None if math.isnan(self.smooth) else self.smooth,
            "count": self.optimizer.count,
        }
        arrays = {f"parameter:{k}": v for k, v in self.network.parameters.items()}
        arrays |= {f"slot:{k}": v for k, v in self.optimizer.slots.items()} | {
            f"state:{k}": v for k, v in self.state.items()
        }
        save_checkpoint(path, json.dumps(about, ensure_ascii=False), {**arrays, "losses": np.array(self.losses)})

    def restore(self, path: str | Path) -> None:
        """Go on from a checkpoint of the same model, settings and text."""
        _check_path(path)
        about, arrays = load_checkpoint(path)
        mine: dict[str, Any] = {
            "equations": self.rec.text,
            "settings": asdict(self.settings),
            "vocabulary": self.vocabulary.symbols,
            "text": self.data.digest,
        }
        for key, value in mine.items():
            if about.get(key) != value:
                what = "another recurrence" if key == "equations" else "another text"
                if key == "settings":
                    what = f"other settings ({_differ(about.get(key), value)})"
                raise BPTTError(
                    f"{path} is a checkpoint of {what}",
                    "resume with the cell, text and options it was made with, or choose another file",
                )
        kinds: dict[str, dict[str, Array]] = {"parameter": {}, "slot": {}, "state": {}}
        for key, array in arrays.items():
            kind, _, name = key.partition(":")
            if kind in kinds:
                kinds[kind][name] = array
        for kind, own in (("parameter", self.network.parameters), ("state", self.state)):
            if {k: v.shape for k, v in kinds[kind].items()} != {k: v.shape for k, v in own.items()}:
                raise BPTTError(f"{path} is damaged: its {kind}s do not fit the model", "delete it and train again")
        self.network.parameters.update(kinds["parameter"])
        self.optimizer.slots, self.state = kinds["slot"], kinds["state"]
        self.iteration, self.optimizer.count = int(about["iteration"]), int(about["count"])
        self.smooth = math.nan if about["smooth"] is None else float(about["smooth"])
        self.losses = [float(v) for v in arrays["losses"]]


def check_temperature(temperature: float) -> None:
    """Raise a `BPTTError` for what is no temperature of a sample."""
    if not (isinstance(temperature, int | float | np.floating) and 0 < temperature < math.inf):
        raise BPTTError(
            f"{temperature!r} is no temperature", "give a positive number; 1 is the model's own distribution"
        )


def _check_report(report: object) -> None:
    if report is not None and not callable(report):
        raise BPTTError(f"report cannot be {repr(report)[:60]}", "give a function of the trainer, or leave it out")


def _check_path(path: object) -> None:
    expect(path, str | os.PathLike, "the name of a checkpoint", 'write a file name, such as "model.npz"')


def _differ(theirs: Any, mine: Mapping[str, Any]) -> str:
    theirs = theirs if isinstance(theirs, dict) else {}
    return ", ".join(f"{k}={theirs.get(k)!r}, not {v!r}" for k, v in mine.items() if theirs.get(k) != v)


def train(
    text: str,
    cell: Any = "rnn",
    iterations: int = 1000,
    *,
    checkpoint: str | Path | None = None,
    every: int = 500,
    report: Callable[[Trainer], None] | None = None,
    **settings: Any,
) -> Trainer:
    """Train a character model on a text.

    Args:
        cell: the name of a cell or a `Recurrence`; cells without an output get a softmax. iterations: chunks in all.
        checkpoint: a file that is written every `every` iterations and at the end; if it exists, training goes on from
            it.
        report: called after each iteration. settings: see `Settings`.

    Raises:
        BPTTError: an empty or too short text; a checkpoint of something else; a loss that is no number any more.

    >>> import bpttgraph as bg
    >>> model = bg.train("abc" * 40, "rnn", iterations=150, hidden=8, steps=6, scale=0.3)
    >>> model.sample(6, start="a", temperature=0.1)
    'abcabca'
    """
    from ..equations import cell as of_library

    whole(iterations, 0, "iterations", "write how many chunks to learn from, such as 1000")
    _check_report(report)
    whole(every, 1, "every", "write after how many iterations a checkpoint is written, such as 500")
    known = [f.name for f in fields(Settings)]
    for name in settings:
        if name not in known:
            raise BPTTError(f"there is no setting {name}", nearest(name, known))
    rec = of_library(cell) if isinstance(cell, str) else cell
    trainer = Trainer(text, rec, Settings(**settings))
    if checkpoint is not None:
        _check_path(checkpoint)
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        trainer.restore(path)

    def watch(t: Trainer) -> None:
        if path is not None and (t.iteration % every == 0 or t.iteration == iterations):
            t.save(path)
        if report is not None:
            report(t)

    trainer.learn(max(0, iterations - trainer.iteration), total=iterations, report=watch)
    return trainer
