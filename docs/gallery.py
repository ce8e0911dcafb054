"""Makes the pictures of the gallery again: runs every command of gallery.md. Run `python docs/gallery.py`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).parent / "gallery.md"
IMAGES = Path(__file__).parent / "images" / "gallery"


def commands() -> dict[str, list[str]]:
    """The name of each picture and the words of the command that draws it."""
    lines = re.findall(r"^bpttgraph (.*\.svg)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {words[-1]: words for words in map(shlex.split, lines)}


def main() -> None:
    from bpttgraph.cli import main as run

    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, words in commands().items():
        run([*words[:-1], str(IMAGES / name)], standalone_mode=False)


if __name__ == "__main__":
    main()
