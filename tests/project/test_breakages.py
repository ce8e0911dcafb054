"""The table of breakages does not rot: every text and every test is there, the page shows the table; the slow test does
it all."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from breakages import KINDS, TABLE, Breakage, in_docs, run, table

ROOT = Path(__file__).parents[2]
NAMES = [b.name for b in TABLE]


@pytest.mark.parametrize("b", TABLE, ids=NAMES)
def test_what_is_broken_is_there(b: Breakage) -> None:
    """The old text stands exactly once in its file, and with the new one the file is still a program."""
    text = (ROOT / b.file).read_text(encoding="utf-8")
    many = len(b.found(text))
    assert many == 1, (
        f"{b.file} has the text {many} times: change `old` in tests/helpers/breakages.py as the code changed, "
        "then --write"
    )
    assert b.old != b.new and b.kind in KINDS
    if b.file.endswith(".py"):
        compiled = ast.parse(b.broken(text))
        assert ast.dump(compiled) != ast.dump(ast.parse(text))


def test_the_tests_that_catch_them_exist() -> None:
    for b in TABLE:
        for test in b.tests:
            file, _, name = test.partition("::")
            name = re.sub(r"\[.*", "", name)
            assert re.search(rf"^def {re.escape(name)}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), (
                test
            )


def test_names_are_unique_and_every_kind_occurs() -> None:
    assert [n for n, many in Counter(NAMES).items() if many > 1] == []
    assert {b.kind for b in TABLE} == set(KINDS) and len(TABLE) >= 40


def test_the_page_shows_the_table() -> None:
    assert table() in in_docs(), "run python -m tests.helpers.breakages --write"


def test_a_change_that_breaks_nothing_survives(tmp_path: Path) -> None:
    """The runner can say no, and does not take an error of syntax for a test that failed."""
    same = '__version__ = "0.1.0"'
    harmless = Breakage(
        "nothing", "sign", "bpttgraph/__init__.py", same, same, ("tests/core/test_names.py::test_examples",)
    )
    b = TABLE[0]
    broken = Breakage("no program", b.kind, b.file, b.old, "=" + b.new, b.tests)
    assert not run(harmless, tmp_path).caught
    found = run(broken, tmp_path)
    assert not found.caught and "SyntaxError" in found.words


@pytest.mark.slow
@pytest.mark.parametrize("b", TABLE, ids=NAMES)
def test_every_breakage_is_caught(b: Breakage, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = run(b, tmp_path_factory.getbasetemp() / "broken")
    assert found.caught, found.words
