"""What belongs together in a text of LaTeX: braces, environments, `\\left` and `\\right`. Found before the scan."""

from __future__ import annotations

import re

__all__ = ["Layout"]

VALUES = re.compile(r"(?:=|\\gets|\\leftarrow)\s*(?:\\left\s*)?(?:\\\{|\\lbrace|\\?\.)?\s*\Z")
PARTS = re.compile(
    r"\\(?:[{}]|(?P<env>begin|end)\s*\{(?P<kind>[a-zA-Z]{1,20})\*?\}|(?P<side>left|right)(?![a-zA-Z])\s*(?P<sign>\\?.)"
    r"|(?:leftarrow|gets|coloneqq|triangleq)(?![a-zA-Z])|.)|[{}=←≜]",
    re.DOTALL,
)


class Layout:
    """Which braces belong together, which environments are systems, and which `\\left` has no partner to be seen.

    Found in one pass before the scan. `partner`: place of an opening brace -> of its closing one. `systems`: places of
    the `\\begin` and `\\end` of an `array` or `cases` that holds equations. `halves`: places after a `\\left` or
    `\\right` whose pair is `\\left\\{ … \\right.`.
    """

    def __init__(self, text: str) -> None:
        self.partner: dict[int, int] = {}
        self.systems: set[int] = set()
        self.halves: set[int] = set()
        braces: list[int] = []
        environments: list[tuple[int, int, list[bool]]] = []  # place, depth of braces, has it an equation?
        sides: list[tuple[int, str]] = []
        for found in PARTS.finditer(text):
            sign = found[0]
            if sign == "{":
                braces.append(found.start())
            elif sign == "}":
                if braces:
                    self.partner[braces.pop()] = found.start()
            elif found["env"] == "begin":
                values = VALUES.search(text, max(0, found.start() - 60), found.start())
                environments.append((found.start(), len(braces), [False, values is not None]))
            elif found["env"]:
                if environments:
                    place, depth, holds = environments.pop()
                    if holds[0] and not holds[1]:
                        self.systems |= {place, found.start()}
                    if environments and environments[-1][1] == depth:
                        environments[-1][2][0] |= holds[0]
            elif found["side"] == "left":
                sides.append((found.start("sign"), found["sign"]))
            elif found["side"]:
                if sides:
                    place, opening = sides.pop()
                    if "." in (opening, found["sign"]):
                        self.halves |= {place, found.start("sign")}
            elif len(sign) != 2 and environments and environments[-1][1] == len(braces):
                environments[-1][2][0] = True

    def after_group(self, text: str, at: int) -> int:
        """The place after the group in braces that begins here, or after white space; `at` if there is none."""
        start = at
        while start < len(text) and text[start] in " \t":
            start += 1
        return self.partner[start] + 1 if start in self.partner else at
