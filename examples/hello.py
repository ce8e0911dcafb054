"""A character language model: training raises p("hello") and lowers p("htktt").

Expected: before training both words are about as likely as any five letters; afterwards "hello" needs a few bits and
"htktt" many more.

Run: python examples/hello.py [FOLDER]   (about 5 seconds)
"""

import sys
import tempfile
from pathlib import Path

import bpttgraph as bg
from bpttgraph.draw.chart import Series, line_chart
from bpttgraph.training import Trainer

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
text = "hello, said the kettle. hello, said the hotel. the kettle took the hotel. hello, hello! " * 20

points: dict[str, list[float]] = {"hello": [], "htktt": []}


def watch(model: Trainer) -> None:
    if model.iteration % 20 == 1:
        for word, bits in points.items():
            bits.append(model.bits(word))


model = bg.train(text, "char-lm", iterations=601, hidden=24, steps=16, scale=0.1, report=watch)
for word, bits in points.items():
    print(
        f'p("{word}") = {2 ** -bits[0]:.1e} before, {2 ** -bits[-1]:.1e} after:'
        f" {'rises' if bits[-1] < bits[0] else 'falls'}"
    )
lines = [
    Series(f'"{word}"', [20 * i for i in range(len(bits))], [-b * 0.30103 for b in bits])
    for word, bits in points.items()
]
line_chart("What training does to the probability of a word", "iteration", "p(word)", lines, power=True).save(
    folder / "hello.svg"
)
