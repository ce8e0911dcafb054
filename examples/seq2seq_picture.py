"""An encoder and a decoder: the picture, and how much each decoder step's loss says to each encoder step.

Run: python examples/seq2seq_picture.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
u = bg.cell("seq2seq").unroll(steps={"encoder": 4, "decoder": 3})
run = u.run(u.instance(seed=0))
triangle = run.contributions("encoder.W_hh")  # [t-1, k-1]: loss of decoder step t, use at encoder step k
size = np.sqrt((triangle**2).sum(axis=(2, 3)))
print("size of the contributions to dE/d(encoder.W_hh); row: decoder step, column: encoder step")
print(np.array2string(size, precision=4, suppress_small=True))
print("every decoder step reaches every encoder step:", bool((size > 0).all()))
print("terms:", u.derive("encoder.W_hh").count)
u.draw().save(folder / "seq2seq.svg")
u.draw(labels="text").save(folder / "seq2seq-editable.svg")
