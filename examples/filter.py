"""The Elman net with identity functions is a linear filter of infinite impulse response (lecture: "a non-linear IIR
filter").

h[t] = W_1 x[t] + W_2 h[t-1], y[t] = W_3 h[t] with one unit is y[t] = w_3 w_1 x[t] + w_2 y[t-1]: a first-order IIR
filter, whose impulse response is compared with `scipy.signal.lfilter`, if SciPy is installed, and with w_3 w_1 w_2^t.
Expected: the same numbers; and the same, with two units, as the sum of two such filters.

Run: python examples/filter.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg

T = 30
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
net = bg.recurrence("h[t] = W_1 @ x[t] + W_2 @ h[t-1]\ny[t] = W_3 @ h[t]").unroll(T, sizes={"x": 1, "h": 2, "y": 1})
impulse = np.zeros((T, 1))
impulse[0] = 1.0
poles, gains = np.array([0.9, -0.6]), np.array([1.0, 0.5])
run = net.run(
    {
        **net.instance(),
        "x": impulse,
        "W_1": gains[:, None],
        "W_2": np.diag(poles),
        "W_3": np.ones((1, 2)),
        "h[0]": np.zeros(2),
    }
)
response = np.array([run.values[f"y[{t}]"][0] for t in range(1, T + 1)])
closed = (gains * poles ** np.arange(T)[:, None]).sum(axis=1)
print(f"closed form: largest difference {np.max(np.abs(response - closed)):.1e}")
try:
    from scipy.signal import lfilter
except ImportError:
    print("scipy.signal.lfilter: SciPy is not installed")
else:
    filtered = sum(lfilter([g], [1.0, -p], impulse[:, 0]) for g, p in zip(gains, poles))
    print(f"scipy.signal.lfilter: largest difference {np.max(np.abs(response - filtered)):.1e}")
np.savetxt(folder / "impulse_response.csv", response)
