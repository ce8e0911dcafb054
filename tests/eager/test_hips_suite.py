"""Other libraries' own tests, run against us: fetched as pinned source packages when this test runs, nothing of theirs
kept here."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1] / "helpers"
FILES = (
    "test_graphs",
    "test_jacobian",
    "test_numpy",
    "test_scalar_ops",
    "test_binary_ops",
    "test_truediv",
    "test_ufunc_dispatch",
)
EXPECTED = {
    "test_assignment_raises_error": (
        "assignment into an array must raise there; here it is recorded and has a derivative"
    ),
    "test_cast_to_int": "compares a dtype with the function that casts; here a cast is x.astype(np.int64)",
}


def fetch(package: str, place: Path) -> Path:
    """The unpacked source distribution of a package."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--dest",
        str(place),
        package,
    ]
    if subprocess.run(command, capture_output=True, text=True).returncode:
        pytest.skip(f"{package} cannot be downloaded here")
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    (folder,) = (p for p in place.iterdir() if p.is_dir())
    return folder


def run(folder: Path, *paths: Path) -> dict[str, str]:
    """Outcome of each test in a folder: "passed", "failed" or "skipped"."""
    report = folder / "report.xml"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", "-c", os.devnull]
    subprocess.run(
        [*command, "--rootdir", str(folder), f"--junitxml={report}", str(folder)], env=environment, capture_output=True
    )
    outcome = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        where = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
        outcome[where] = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    return outcome


def test_hips_autograd(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = fetch("autograd==1.9.1", tmp_path / "source")
    folder = tmp_path / "tests"
    folder.mkdir()
    for name in (*FILES, "numpy_utils", "conftest"):
        (folder / f"{name}.py").write_text(
            (source / "tests" / f"{name}.py").read_text(encoding="utf-8"), encoding="utf-8"
        )
    outcome = run(folder, HERE / "hips_adapter", HERE.parents[1])
    failed = {name.rpartition(".")[2] for name, how in outcome.items() if how == "failed"}
    assert len(outcome) == 202
    assert failed == set(EXPECTED)
    without_xarray = 13 if importlib.util.find_spec("xarray") is None else 0
    assert sum(how == "skipped" for how in outcome.values()) == without_xarray
    assert sum(how == "passed" for how in outcome.values()) == 200 - without_xarray >= 180


# Their tests compare with torch, of which these few names are enough; enough to need no torch: its derivatives come
# from dual numbers.
MICROGRAD = """
from bpttgraph import tensor as Value
"""
TORCH = '''
class Tensor:
    """Just enough of a second engine: dual numbers, one forward pass for each leaf that is asked for."""
    leaves = []
    def __init__(self, data, tangent=None):
        self.value = data[0] if isinstance(data, list) else data
        self.tangent, self.grads = tangent or {}, {}
    def double(self): return self
    @property
    def data(self): return self
    @property
    def grad(self): return Tensor(self.grads)
    def item(self): return self.value
    @property
    def requires_grad(self): return True
    @requires_grad.setter
    def requires_grad(self, on): self.tangent = {id(self): (self, 1.0)}
    def _mix(self, value, *parts):
        tangent = {}
        for t, factor in parts:
            for key, (leaf, d) in t.tangent.items():
                tangent[key] = (leaf, tangent.get(key, (leaf, 0.0))[1] + factor * d)
        return Tensor(value, tangent)
    @staticmethod
    def _of(x): return x if isinstance(x, Tensor) else Tensor(float(x))
    def __add__(self, o): o = self._of(o); return self._mix(self.value + o.value, (self, 1.0), (o, 1.0))
    def __mul__(self, o): o = self._of(o); return self._mix(self.value * o.value, (self, o.value), (o, self.value))
    def __pow__(self, n): return self._mix(self.value**n, (self, n * self.value ** (n - 1)))
    def __neg__(self): return self * -1.0
    def __sub__(self, o): return self + -self._of(o)
    def __truediv__(self, o): return self * self._of(o) ** -1
    def __rtruediv__(self, o): return self._of(o) * self**-1
    __radd__, __rmul__ = __add__, __mul__
    def relu(self): return self._mix(max(self.value, 0.0), (self, float(self.value > 0)))
    def backward(self):
        for leaf, d in self.tangent.values(): leaf.grads = d
'''


def test_micrograd(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = fetch("micrograd==0.1.0", tmp_path / "source")
    folder = tmp_path / "tests"
    (folder / "micrograd").mkdir(parents=True)
    (folder / "micrograd" / "__init__.py").write_text("")
    (folder / "micrograd" / "engine.py").write_text(MICROGRAD)
    (folder / "torch.py").write_text(TORCH)
    (folder / "test_engine.py").write_text(
        (source / "test" / "test_engine.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    outcome = run(folder, folder, HERE.parents[1])
    assert list(outcome.values()) == ["passed", "passed"], outcome
