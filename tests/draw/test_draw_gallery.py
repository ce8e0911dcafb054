"""The gallery: every command draws the picture under it, and every picture is shown."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from bpttgraph.cli import main

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = runpy.run_path(str(DOCS / "gallery.py"), run_name="gallery")["commands"]()


def content(path: Path) -> list[str]:
    return re.findall(r"<(?:title|desc)>(.*?)</", path.read_text(encoding="utf-8"))


def test_every_picture_is_there_and_shown() -> None:
    images = {p.name for p in (DOCS / "images" / "gallery").iterdir()}
    shown = set(re.findall(r"\(images/gallery/(.*?)\)", (DOCS / "gallery.md").read_text(encoding="utf-8")))
    assert images == shown == set(COMMANDS)


@pytest.mark.parametrize("name", ["rnn-backward.svg", "gru-cell.svg", "rnn-term.svg"])
def test_pictures_are_fresh(name: str, tmp_path: Path) -> None:
    main([*COMMANDS[name][:-1], str(tmp_path / name)], standalone_mode=False)
    assert content(tmp_path / name) == content(DOCS / "images" / "gallery" / name), "run python docs/gallery.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_all_pictures_are_fresh(name: str, tmp_path: Path) -> None:
    test_pictures_are_fresh(name, tmp_path)
