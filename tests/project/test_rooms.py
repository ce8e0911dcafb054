"""The rooms of the house, from the ground up: who may import whom, read off every import of every module."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import bpttgraph

PACKAGE = Path(bpttgraph.__file__).parent
ORDER = """
errors < machine < facade < core < eager | equations | formulas < schedule < unrolled < derive | draw < check < show
< flow | training | homework < document < page < cli < __main__
"""
HOMEWORK = "answers < programs < truth | mistakes < diagnosis < verdict < courses < verifying"
"""The rooms within homework."""


def floors(order: str) -> dict[str, int]:
    """The floor of each room of a list."""
    return {room.strip(): i for i, floor in enumerate(order.split("<")) for room in floor.split("|")}


FLOOR = floors(ORDER)
LISTED = {
    ("training", "flow"): "a trainer clips by the rule whose effect flow measures",
}
"""The imports between rooms of one floor, each with its reason."""
MOST_FACADE_LINES = 15


def modules(package: Path) -> dict[str, Path]:
    """The modules by their dotted names within the package; the package itself is ''."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: Iterable[str]) -> Iterator[str]:
    """The modules of the package that a module imports: at its top, inside functions, for types only, and by
    `import_module` of a name that stands there."""
    home = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for a in node.names:
                if a.name.split(".")[0] == "bpttgraph":
                    yield a.name.partition(".")[2]
        if isinstance(node, ast.ImportFrom):
            target = meant("." * node.level + (node.module or ""), home)
            if target is not None:
                wholes = [f"{target}.{a.name}".strip(".") for a in node.names]
                yield from (whole if whole in known else target for whole in wholes)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "import_module":
            said = node.args[0]
            target = meant(said.value, home) if isinstance(said, ast.Constant) else None
            if target is not None:
                yield target


def meant(name: str, home: str) -> str | None:
    """The module of the package that a name stands for, after one dot or more or after the package's own name."""
    inside = name.lstrip(".")
    level = len(name) - len(inside)
    if not level:
        head, _, inside = name.partition(".")
        return inside if head == "bpttgraph" else None
    base = home.split(".") if home else []
    return ".".join([*base[: len(base) - level + 1], inside]).strip(".")


def room(module: str) -> str:
    return module.split(".")[0]


def arrows(package: Path) -> dict[str, set[str]]:
    found = modules(package)
    return {name: set(imports(name, path, found)) for name, path in found.items()}


def faults(graph: Mapping[str, set[str]], floor: Mapping[str, int] = FLOOR) -> list[str]:
    """The imports that do not go down; the façade may reach anywhere, and the package's face stands above all rooms."""
    wrong = []
    for module, targets in graph.items():
        mine = room(module)
        for target in sorted(targets):
            other = room(target)
            if module == "" or mine in ("facade", other) or (mine, other) in LISTED:
                continue
            if target == "" and mine in ("cli", "__main__"):
                continue  # the version
            if target == "" or floor[other] >= floor[mine]:
                wrong.append(f"{module} imports {target or 'bpttgraph'}")
    return wrong


def reach(module: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Everything that comes with a module, however indirectly, without what only the façade brings."""
    found, stack = set(), [module]
    while stack:
        for target in graph.get(stack.pop(), ()):
            if target not in found:
                found.add(target)
                if room(target) != "facade":
                    stack.append(target)
    return found


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules of one room that import each other."""
    within = {m: {t for t in targets if t != m and t in graph and room(t) == room(m)} for m, targets in graph.items()}
    below = {m: reach(m, within) for m in within}
    found: list[set[str]] = []
    for m in within:
        circle = {m, *(t for t in below[m] if m in below.get(t, ()))}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def within(name: str, graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The modules of one room by their names in it, and what they import of it."""
    inside = {m: {t for t in targets if room(t) == name} for m, targets in graph.items() if room(m) == name}
    return {m[len(name) + 1 :]: {t[len(name) + 1 :] for t in targets} for m, targets in inside.items()}


GRAPH = arrows(PACKAGE)


def test_nothing_lies_loose() -> None:
    assert {room(m) for m in GRAPH} - {""} == set(FLOOR)
    loose = {p.stem for p in PACKAGE.glob("*.py")}
    assert loose == {"__init__", "__main__", "errors"}


def test_imports_go_down() -> None:
    assert not faults(GRAPH)


def test_tests_are_laid_out_like_the_rooms() -> None:
    """Beside the rooms stand what is about the whole project, random recurrences, and recurrences as people write
    them."""
    tests = Path(__file__).parents[1]
    folders = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")}
    assert {f for f in folders if "/" not in f} <= {*FLOOR, "project", "differential", "language"}
    assert {f for f in folders if f.startswith("homework")} <= {f"homework/{room}" for room in floors(HOMEWORK)}


def test_the_rooms_of_homework_are_a_list_as_well() -> None:
    graph = within("homework", GRAPH)
    assert {room(m) for m in graph} - {""} == set(floors(HOMEWORK))
    assert not faults(graph, floors(HOMEWORK))


def test_what_a_module_brings_with_it_lies_below() -> None:
    for module in GRAPH:
        floor = FLOOR.get(room(module), len(FLOOR))
        above = {t for t in reach(module, GRAPH) if FLOOR.get(room(t), -1) > floor and room(module) != "facade"}
        assert not above, f"{module} brings {sorted(above)}"


def test_no_modules_import_each_other() -> None:
    assert not circles(GRAPH)


def test_the_exceptions_between_rooms_of_a_floor_are_used() -> None:
    used = {(room(m), room(t)) for m, targets in GRAPH.items() for t in targets}
    assert set(LISTED) <= used


def test_the_facade_is_short_and_says_why() -> None:
    (path,) = [p for m, p in modules(PACKAGE).items() if room(m) == "facade"]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 2]
    assert len(lines) <= MOST_FACADE_LINES
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(isinstance(n, ast.ImportFrom) for n in ast.walk(node)):
            assert ast.get_docstring(node), f"{node.name} gives no reason"


def test_no_module_is_called_like_a_public_function() -> None:
    names = {m.name for m in pkgutil.iter_modules([str(PACKAGE)])}
    assert not names & set(bpttgraph.__all__)
    for name in names - {"__main__"}:
        module = importlib.import_module(f"bpttgraph.{name}")
        assert isinstance(module, types.ModuleType) and getattr(bpttgraph, name) is module


def test_a_wrong_import_within_homework_is_seen() -> None:
    graph = {"homework.answers.a": {"homework.truth.b", "core.c"}, "homework.truth.b": {"homework.answers.a"}}
    assert faults(within("homework", graph), floors(HOMEWORK)) == ["answers.a imports truth.b"]
    across = {"homework.mistakes.a": {"homework.truth.b"}, "homework.truth.b": {"homework"}}
    found = faults(within("homework", across), floors(HOMEWORK))
    assert found == ["mistakes.a imports truth.b", "truth.b imports bpttgraph"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"draw/x.py": "from ..derive import y", "derive/y.py": ""}, "draw.x imports derive"),
        ({"core/x.py": "def f():\n    from ..cli import y", "cli/y.py": ""}, "core.x imports cli"),
        ({"core/x.py": "if TYPE_CHECKING:\n    from ..eager.y import Z", "eager/y.py": ""}, "core.x imports eager.y"),
        ({"check/x.py": "import bpttgraph.page.y", "page/y.py": ""}, "check.x imports page.y"),
        ({"unrolled/x.py": "from bpttgraph.derive import y", "derive/y.py": ""}, "unrolled.x imports derive"),
        ({"flow/x.py": "import bpttgraph"}, "flow.x imports bpttgraph"),
        ({"core/x.py": "y = import_module('..cli.y', __package__)", "cli/y.py": ""}, "core.x imports cli.y"),
        ({"core/x.py": "y = importlib.import_module('bpttgraph.cli')", "cli/__init__.py": ""}, "core.x imports cli"),
    ],
)
def test_a_wrong_import_is_seen(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (found,) = faults(arrows(tmp_path))
    assert found.startswith(said)


def test_a_circle_is_seen() -> None:
    graph = {"draw.a": {"draw.b"}, "draw.b": {"draw.c"}, "draw.c": {"draw.a"}, "draw.d": {"draw.a"}}
    assert circles(graph) == [{"draw.a", "draw.b", "draw.c"}]
    assert not circles(dict(itertools.islice(graph.items(), 2)))


def test_a_circle_through_a_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "draw").mkdir()
    (tmp_path / "draw" / "a.py").write_text("b = import_module('.b', __package__)")
    (tmp_path / "draw" / "b.py").write_text("from .a import c")
    assert circles(arrows(tmp_path)) == [{"draw.a", "draw.b"}]


OWN = 20  # reads of a private name of another object: a copy that fills itself in, a library's own names


def private_reads(tree: ast.Module) -> list[str]:
    """`other._name`, where `other` is neither the object itself nor a module."""
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    known = {"self", "cls", *(a.asname or a.name for n in imports for a in n.names)}
    return [
        ast.unparse(n)
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute)
        and n.attr.startswith("_")
        and not n.attr.startswith("__")
        and not (isinstance(n.value, ast.Name) and n.value.id in known)
        and not (isinstance(n.value, ast.Call) and ast.unparse(n.value.func) == "super")
    ]


def test_private_names_are_not_read_across_objects() -> None:
    found = {p: private_reads(ast.parse(p.read_text(encoding="utf-8"))) for p in PACKAGE.rglob("*.py")}
    assert sum(map(len, found.values())) < OWN, {str(p): names for p, names in found.items() if names}
    assert private_reads(ast.parse("self._a; other._a; super()._a")) == ["other._a"]
