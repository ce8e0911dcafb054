"""`bpttgraph doctor`: which engine draws and why, and what is installed."""

from __future__ import annotations

import click

from .terminal import say


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Say which drawing engine is used and why, and which optional parts are installed."""
    import json
    import platform
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    from ..document import formats
    from ..draw import engine_report
    from ..machine.optional import OPTIONAL

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    def importable(module: str) -> bool:
        try:
            return find_spec(module) is not None
        except ValueError:  # something stands in its place
            return False

    base = ("bpttgraph", "numpy", "sympy", "networkx", "graphviz", "pygraphviz", "ziamath", "click", "rich")
    engines = engine_report()
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {p: installed(p) for p in base},
        "optional": {p: installed(p) for p in OPTIONAL},
        "engines": engines,
        "formats": {f.name: {"file": f.file, "media": f.media, "needs": f.needs} for f in formats().values()},
    }
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return
    say(f"Python {found['python']} on {found['platform']}")
    for package in base:
        say(f"  {package:<12} {installed(package) or 'MISSING: pip install ' + package}")
    say("Optional")
    for package, about in OPTIONAL.items():
        say(f"  {package:<12} {installed(package) or 'not installed'} ({about.use})")
    say("Formats of documents")
    say(f"  {', '.join(formats())}")
    for f in formats().values():
        if f.needs and not importable(OPTIONAL[f.needs].module):
            say(f"  {f.name:<12} the package {f.needs} is missing: pip install '{f.install}'")
    say("Drawing engines, in order")
    for engine in engines:
        mark = "used" if engine["used"] else "available" if engine["available"] else "missing"
        version_text = f" {engine['version']}" if engine["version"] else ""
        reason = f": {engine['reason']}" if engine["reason"] else ""
        say(f"  {engine['name']!s:<12} {mark}{version_text}{reason}")
