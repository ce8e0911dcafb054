"""The README and the documentation: every example runs, every link leads somewhere, generated parts are fresh, Sphinx
is content."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "examples" / "README.md",
    *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts),
]


@dataclass
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str
    line: int


def blocks(page: Path, language: str) -> list[Block]:
    found: list[Block] = []
    current: Block | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if current is not None and line == "```":
            if current.language == language:
                found.append(current)
            current = None
        elif current is not None:
            current.text += line + "\n"
        elif line.startswith("```"):
            current = Block(page, line[3:].strip(), "", number + 1)
    assert current is None, f"{page}: a block is never closed"
    return found


def with_blocks(language: str) -> list[Any]:
    return [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES if blocks(p, language)]


NEEDS = {"documents.md": "typst"}  # extras that a page shows


@pytest.mark.parametrize("page", with_blocks("python"))
def test_python_blocks(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(page.parent)  # a page may use the program that lies beside it
    names: dict[str, Any] = {"__name__": "page"}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    report: list[str] = []
    for block in blocks(page, "python"):
        if ">>>" in block.text:
            test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line - 1)
            runner.run(test, out=report.append, clear_globs=False)
            names = test.globs
        else:
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
    assert not runner.failures, "".join(report)


# -- console blocks: `$ command`, continued by `> ` lines, then the output; `…` stands for anything --------------------


def commands(block: Block) -> Iterator[tuple[str, str]]:
    command: list[str] = []
    output: list[str] = []
    for line in [*block.text.splitlines(), "$ end"]:
        if line.startswith("$ "):
            if command:
                yield "\n".join(command), "\n".join(output).rstrip()
            command, output = [line[2:]], []
        elif line.startswith("> ") and not output:
            command.append(line[2:])
        else:
            output.append(line)


def matches(shown: str, output: str) -> bool:
    """Whether the output is what the page shows. A line `…` stands for any lines, `…` in a line for any text; columns
    may be wider or narrower, as the longest name makes them.

    >>> matches("a\\n…\\nRight: …", "a\\nb\\nc\\nRight: 3 of 3"), matches("a", "a\\nb")
    (True, False)
    """
    parts = []
    for line in shown.splitlines():
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            line = line.rstrip()
            lead = line[: len(line) - len(line.lstrip())]
            texts = [re.escape(p.rstrip() if i else p) for i, p in enumerate(line.removeprefix(lead).split("…"))]
            parts.append(
                re.escape(lead) + "[^\n]*".join(re.sub(r"(?:\\ ){2,}", "[ ]{2,}", t) for t in texts) + "[ ]*\n"
            )
    return (
        re.fullmatch("".join(parts), "".join(f"{line.rstrip()}\n" for line in output.rstrip().splitlines())) is not None
    )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `bpttgraph` is this checkout."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    folder = tmp_path_factory.mktemp("bin")
    for name, call in {
        "bpttgraph": f'"{sys.executable}" -W error -m bpttgraph',
        "python": f'"{sys.executable}" -W error',
    }.items():
        (folder / name).write_text(f'#!{bash}\nexec {call} "$@"\n')
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "BASH": bash}


@pytest.mark.parametrize("page", with_blocks("console"))
def test_console_blocks(page: Path, shell: dict[str, str], tmp_path: Path) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    for block in blocks(page, "console"):
        for command, shown in commands(block):
            script = f"exec 2>&1\n{command}" if "hint:" in shown or "note:" in shown or "Error:" in shown else command
            done = subprocess.run(
                [shell["BASH"], "-c", script],
                cwd=tmp_path,
                env=shell,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=120,
            )
            assert matches(shown, done.stdout), (
                f"{page.name}:{block.line}: {command}\n--- shown\n{shown}\n--- is\n{done.stdout}{done.stderr}"
            )


def test_wildcards() -> None:
    assert matches("a …\n…\nz", "a b c\nd\ne\nz\n")
    assert not matches("a …\nz", "a b\nc\nz")
    assert not matches("a", "a\nb")
    assert matches("  a  b", "  a    b\n") and matches("a     b …", "a  b c\n")
    assert not matches("  a  b", "a  b\n") and not matches("a  b", "a b\n")


# -- links -------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.replace("`", "").lower()).strip().replace(" ", "-") for h in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def test_every_page_is_listed() -> None:
    listed = {DOCS / "index.md"}
    for index in (DOCS / "index.md", DOCS / "how-to" / "index.md"):
        for block in blocks(index, "{toctree}"):
            listed |= {
                index.parent / f"{line}.md" for line in block.text.splitlines() if line and not line.startswith(":")
            }
    assert listed == {p for p in PAGES if p.is_relative_to(DOCS)}


def test_no_places_of_our_own() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|tmp|home|root|Users)/", page.read_text(encoding="utf-8")), page.name


READING = re.findall(r"`(\w+/[\w/.]*)`", (DOCS / "explanation" / "reading-order.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", READING)
def test_reading_order_names_what_is_there(name: str) -> None:
    place = ROOT / "bpttgraph" / name
    if not (ROOT / "bpttgraph" / name.split("/")[0]).exists():
        pytest.skip("this room is not there yet")
    assert place.exists() and (place.is_dir() or len(place.read_text(encoding="utf-8").splitlines()) > 5)


ARCHITECTURE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", ARCHITECTURE))))
def test_architecture_names_what_is_there(name: str) -> None:
    bases = [ROOT, ROOT / "bpttgraph", ROOT / "bpttgraph" / "homework"]
    assert any((base / name).exists() for base in bases), f"{name} is not there"


def test_architecture_has_the_list_of_rooms() -> None:
    rooms = {
        n: set(re.findall(r"\w+", t)) for n, t in enumerate(re.findall(r"```text\n(.*?)```", ARCHITECTURE, re.DOTALL))
    }
    house = {p.stem for p in (ROOT / "bpttgraph").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    homework = {
        p.stem for p in (ROOT / "bpttgraph" / "homework").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert rooms == {0: house - {"__init__", "__main__"}, 1: homework - {"__init__"}}


# -- the API: every public object has a page, a docstring and an example -----------------------------------------------

API = [*sorted((DOCS / "reference" / "api").glob("*.md"))]


def extension() -> Any:
    return load(DOCS / "extensions" / "public.py")


def shown() -> dict[str, list[str]]:
    """What the API pages show: the dotted name of each object, with the names that its users call."""
    found: dict[str, list[str]] = {}
    for page in API:
        current: list[str] = []
        for line in page.read_text(encoding="utf-8").splitlines():
            if directive := re.match(r"\.\. (?:public|autofunction|autoclass):: ([\w.]+)$", line):
                assert directive[1] not in found, f"{page.name}: {directive[1]} is shown twice"
                current = found[directive[1]] = []
            elif line.startswith("   "):
                current += line.split()
    return found


SHOWN = shown()
NO_EXAMPLE = {  # the object -> where its example is
    "bpttgraph.Replay": "`bpttgraph.replay` makes one",
    "bpttgraph.array": "reference/python.md",
    "bpttgraph.stack": "reference/python.md",
    "bpttgraph.zeros": "reference/python.md",
    "bpttgraph.detach": "reference/python.md",
    "bpttgraph.stop_gradient": "reference/python.md",
}
PLAIN = {"relu", "sigmoid", "right"}  # names that say what they are, as NumPy's own do
NOT_SHOWN = {  # classes that something public returns, and that have no page -> why not
    "Expr": "formulas are read through `latex`, `unicode`, `mathml`, `typst` and `sympy`",
    "Partial": "as `Expr`",
    "Layout": "coordinates, for those who write a picture",
    "Source": "`graphviz.Source`, the class of that package",
    "Primitive": "reference/primitives.md prints the whole table",
}


def own_name(name: str) -> str:
    return name.rpartition(".")[2]


def of_package(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith("bpttgraph")


def test_every_public_name_has_a_place() -> None:
    import bpttgraph

    assert {f"bpttgraph.{n}" for n in bpttgraph.__all__} <= set(SHOWN)
    for name, called in SHOWN.items():
        value = extension().find(name)
        assert of_package(value), name
        assert not called or set(called) <= set(extension().members(value)), name


def test_what_is_returned_has_a_place() -> None:
    """The classes in the annotations of what users call are shown, too: an editor leads to them."""
    ours = {c.__name__ for m in package_modules() for c in vars(m).values() if isinstance(c, type) and of_package(c)}
    lacking = {}
    for name, called in SHOWN.items():
        value = extension().find(name)
        own = [extension().members(value)[n] for n in called] if isinstance(value, type) else [value]
        for member in own:
            function = getattr(member, "fget", None) or getattr(member, "func", None) or inspect.unwrap(member)
            words = set(re.findall(r"\w+", str(inspect.signature(function).return_annotation)))
            for word in words & ours - {own_name(n) for n in SHOWN} - set(NOT_SHOWN):
                lacking[word] = f"{name}.{getattr(function, '__name__', '')}"
    assert not lacking


def package_modules() -> list[Any]:
    import importlib
    import pkgutil

    import bpttgraph

    found = pkgutil.walk_packages([str(ROOT / "bpttgraph")], "bpttgraph.")
    return [bpttgraph, *(importlib.import_module(m.name) for m in found if not m.name.endswith("__main__"))]


@pytest.mark.parametrize("name", SHOWN)
def test_docstrings_are_whole(name: str) -> None:
    """What it is, for each method and property, too; and an example, which another test runs, or where there is one."""
    value = extension().find(name)
    said = inspect.getdoc(value) or ""
    assert said and (">>>" in said) != (name in NO_EXAMPLE), f"{name} lacks an example"
    if isinstance(value, type):
        listed = set(re.findall(r"\w+", "".join(re.findall(r"^ *[\w, ]+:(?= )|\. [\w, ]+:(?= )", said, re.MULTILINE))))
        own = set(extension().members(value)) - listed - set(dir(np.ndarray)) - set(dir(np)) - PLAIN
        bare = [n for n in own if not any(said_of(vars(base).get(n)) for base in value.__mro__)]
        assert not bare, f"{name} lacks the docstrings of {bare}"


def said_of(member: Any) -> str:
    return (getattr(member, "func", member).__doc__ or "") if member is not None else ""


def test_the_reference_names_what_users_call() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", page))))
    lacking = {n: [c for c in [own_name(n), *called] if c not in words] for n, called in SHOWN.items()}
    assert not {n: c for n, c in lacking.items() if c}


def test_plain_text_becomes_markup() -> None:
    failed, tried = doctest.testmod(extension())
    assert tried and not failed


# -- what is generated -------------------------------------------------------------------------------------------------


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def generator() -> Any:
    return load(DOCS / "generate.py")


def test_generated_parts_are_fresh() -> None:
    stale = [str(path) for path, text in generator().pages().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run python docs/generate.py: {stale}"


def test_pictures_are_fresh() -> None:
    """The committed pictures show what the tool draws now; coordinates may differ between Graphviz versions."""

    def content(svg: str) -> list[str]:
        return re.findall(r"<(?:title|desc)>(.*?)</", svg)

    for path, figure in generator().pictures().items():
        assert content(path.read_text(encoding="utf-8")) == content(figure.svg), (
            f"run python docs/generate.py: {path.name}"
        )


def test_sphinx_builds(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [*command, str(DOCS), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "html" / "tutorials" / "slide-to-derivation.html").is_file()
    lines = zlib.decompress((tmp_path / "html" / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1]).decode()
    found = {line.split(" ")[0] for line in lines.splitlines() if " py:" in line}
    for name in SHOWN:
        value = extension().find(name)
        whole = [f"{name}.{n}" for n in extension().members(value)] if isinstance(value, type) else []
        assert {name, *whole} <= found, f"{name} is not whole on its page"


SAME = [  # what the reference of the equation language says about notations, as texts that mean the same
    [
        "h[t] = W h[t-1]",
        "h_t = W h_{t-1}",
        "hₜ = W hₜ₋₁",
        "h^t = W h^{t-1}",
        "h^{(t)} = W h^{(t-1)}",
        "h^{<t>} = W h^{<t-1>}",
    ],
    ["h[t] = W_hh x[t]", "h_t = W_{hh} x_t", "h_t = W_{h,h} x_t", r"\mathbf{h}_t = \boldsymbol{W}_{hh} x_t"],
    ["h[t] = θ(x[t])", r"h_t = \theta(x_t)"],
    ["ŷ[t] = x̄[t]", r"\hat{y}_t = \bar{x}_t"],
    ["h1[t] = a1[t]", "h^{(1)}_t = a^{[1]}_t"],
    ["a[t] = W X", "$a_t = WX$", r"a_t = W \cdot X", r"a_t = W \times X", "a[t] = W · X"],
    ["a[t] = b * c", "a[t] = b ∘ c", "a[t] = b ⊙ c", r"a_t = b \odot c", r"a_t = b \circ c"],
    ["a[t] = b / c", r"a_t = \frac{b}{c}"],
    ["a[t] = b ^ 2", "a[t] = b²", "a_t = b^2"],
    ["a[t] = W.T b", "a[t] = W^T b", "a[t] = Wᵀ b", r"a_t = W^\top b"],
    ["a[t] = [b; c]", "a[t] = [b, c]", r"a_t = \begin{bmatrix} b \\ c \end{bmatrix}"],
    ["a[t] = norm(b)", "a[t] = ‖b‖", r"a_t = \lVert b \rVert"],
    ["a[t] = tanh(b)", r"a_t = \tanh b", r"a_t = \text{tanh}(b)"],
    ["E = sum_t E[t]", r"E = \sum_t E_t", "E = Σ_t E[t]"],
    ["y[t] = sum_{k=1}^{t} x[k] b + c", r"y_t = \sum_{k=1}^{t} x_k b + c", "y[t] = (sum_{k=1}^{t} (x[k] b)) + c"],
    ["y[t] = prod_{k=1}^{t} g[k]", r"y_t = \prod_{k=1}^{t} g_k"],
    ["a[t] = 1/2 x", "a[t] = (1/2) x"],
    ["a[t] = -b c", "a[t] = -(b c)"],
    ["a[t] = h[t] - 1", "a[t] = h_t-1"],
    [
        "a[t] = b\nc[t] = d",
        "a[t] = b; c[t] = d",
        "a[t] = b, c[t] = d",
        r"\begin{aligned} a_t &= b \\ c_t &= d \end{aligned}",
    ],
    [
        "a[t] = b + c",
        "a[t] = b +\n c",
        "a[t] = b\n + c",
        "a[t] = b + c  # note",
        r"a_t = b + c \quad (4)",
        r"a_t = b + c \tag{4}",
    ],
    ["a[t] = b", r"f = 1 \Rightarrow a_t = b", r"a_t = b \in [0, 1]^{m \times n}"],
]


@pytest.mark.parametrize("group", SAME, ids=lambda g: g[0])
def test_notations_mean_the_same(group: list[str]) -> None:
    from bpttgraph.equations.language import parse
    from bpttgraph.equations.text import show

    assert len({show(parse(text)).replace(" @ ", " ") for text in group}) == 1
