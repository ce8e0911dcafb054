"""A slide's LaTeX becomes a folder to hand out: the page, the Markdown, the picture and the report of the check.

Run: python examples/lecture_to_handout.py [FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

SLIDE = r"""
$$E = E_1 + E_2 + E_3 \quad (1)$$
$$E_t = E(y_t, \hat{y}_t) \quad (2)$$
$$y_t = \text{softmax}(W_y h_t + b_y) \quad (3)$$
$$h_t = \tanh(W_h h_{t-1} + W_x x_t) \quad (4)$$
"""

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
for parameter in ("W_y", "W_x", "W_h"):
    command = ["derive", "-", "--wrt", parameter, "--let", "E=cross_entropy", "-o", str(folder / parameter)]
    done = subprocess.run(
        [sys.executable, "-m", "bpttgraph", *command], input=SLIDE.encode(), capture_output=True, check=True
    )
    print(done.stdout.decode())
