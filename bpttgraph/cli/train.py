"""`bpttgraph train`: a character model on any text file, by truncated BPTT with carried state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError
from ..machine.files import check_place, read_text, write
from .common import load, say_reading, shared
from .terminal import progress, say

if TYPE_CHECKING:
    from ..training import Trainer

__all__ = ["train"]


@click.command()
@click.argument("source", metavar="CELL|FILE|-")
@click.option("--text", "text_file", required=True, type=click.Path(path_type=Path), help="The text to learn, UTF-8.")
@click.option("--iterations", default=1000, show_default=True, help="Chunks to learn from, in all.")
@click.option("--hidden", default=100, show_default=True, help="Units of the state.")
@click.option(
    "--steps",
    default=25,
    show_default=True,
    help="Characters a chunk: the gradient is cut at its borders, the state is carried over.",
)
@click.option("--batch", default=1, show_default=True, help="Streams of the text read side by side.")
@click.option("--optimizer", default="adagrad", show_default=True, help="sgd, momentum, adagrad or adam.")
@click.option("--rate", default=0.1, show_default=True, help="Learning rate.")
@click.option("--schedule", default="constant", show_default=True, help="constant, linear, cosine, or halve:1000.")
@click.option(
    "--clip",
    default="value:5",
    show_default=True,
    help="value:5 (each entry), norm:5 (each parameter), global:5 or none.",
)
@click.option(
    "--scale", default="0.01", show_default=True, help="Standard deviation of the first weights, or auto for 1/√n."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first weights and of the sample."
)
@click.option("--validation", default=0.0, show_default=True, help="Share of the text, at its end, that is held back.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Kept whole at any moment; training goes on from it if it exists.",
)
@click.option("--every", default=500, show_default=True, help="Iterations between checkpoints (and validations).")
@click.option(
    "--log", type=click.Path(path_type=Path), metavar="FILE.csv", help="Write the bits per character of each iteration."
)
@click.option("--sample", "length", default=200, show_default=True, help="Characters to write at the end.")
@click.option("--start", default="", help="What the sample begins with.")
@click.option("--temperature", default=1.0, show_default=True, help="Below 1 likely text, above 1 varied text.")
@click.option("--let", "let", multiple=True, metavar="NAME=VALUE", help="Bind an abstract function: --let phi=tanh.")
@shared("layers", "quiet")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def train(
    source: str,
    text_file: Path,
    iterations: int,
    checkpoint: Path | None,
    every: int,
    log: Path | None,
    length: int,
    start: str,
    temperature: float,
    let: tuple[str, ...],
    layers: int | None,
    quiet: bool,
    as_json: bool,
    scale: str,
    **settings: Any,
) -> None:
    """Train a character model on a text and write a sample. The defaults are min-char-rnn's."""
    from ..training import train as run
    from ..training.text import LONGEST, Vocabulary
    from ..training.trainer import check_temperature

    if iterations < 1 or every < 1 or not 0 <= length <= 1_000_000:
        raise BPTTError(
            "--iterations and --every count from 1, --sample from 0 to a million", "give positive whole numbers"
        )
    check_temperature(temperature)
    for place, folders in ((checkpoint, False), (log, True)):
        if place is not None:
            check_place(place, folders)
    text = read_text(text_file, LONGEST, "train on a part of it")
    if start:
        Vocabulary.of(text).encode(start)  # a misspelt start is an error before an hour of training, not after it
    rec = load(source, let, layers)
    say_reading(rec, quiet)
    with progress(iterations, "training") as show:

        def report(model: Trainer) -> None:
            if show is not None and (model.iteration % 10 == 0 or model.iteration == iterations):
                show(model.iteration, f"{model.smooth:.3f} bits/character")

        model = run(text, rec, iterations, checkpoint=checkpoint, every=every, report=report,
                    scale=None if scale == "auto" else _number(scale), **settings)  # fmt: skip
    sample = model.sample(length, start, temperature, settings["seed"]) if length else ""
    held = model.validate() if settings["validation"] else None
    if log is not None:
        rows = "".join(f"{i + 1},{bits:.6f}\n" for i, bits in enumerate(model.losses))
        write({log: f"iteration,bits_per_character\n{rows}".encode()})
    if as_json:
        import json

        found = {
            "iterations": model.iteration,
            "bits_per_character": model.smooth,
            "validation": held,
            "sample": sample,
        }
        say(json.dumps(found, ensure_ascii=False))
        return
    say(_summary(model, held))
    if sample:
        say(sample)


def _summary(model: Trainer, held: float | None) -> str:
    last, passes = model.losses[-100:], model.iteration / model.data.chunks
    text = f"{model.iteration:,} iterations ({passes:.1f} passes): "
    text += f"{sum(last) / len(last):.3f} bits per character over the last {len(last)}"
    return text + (f", {held:.3f} on the text held back" if held is not None else "")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise BPTTError(f"--scale {text!r} is no standard deviation", "write a positive number such as 0.01, or auto")
    return value
