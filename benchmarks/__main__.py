"""`python -m benchmarks`: the table of ours and the peers; `python -m benchmarks growth`: growth and the other jobs."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import click


def _machine() -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": 1,
    }
    for package in ("numpy", "torch", "jax", "autograd", "mygrad", "micrograd"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _table(found: dict[str, Any]) -> str:
    ms = found["ms"]
    mine = ms.get("bpttgraph") or ms.get("bpttgraph, replay") or next(iter(ms.values()))
    width = max(map(len, ms))
    lines = [found.get("work") or found["what"]]
    for name, t in sorted(ms.items(), key=lambda item: item[1]):
        first = f"   first call {found['first_ms'][name]:8.1f}" if "first_ms" in found else ""
        tape = found.get("operations", {}).get(name)
        each = f"   {1e3 * t / tape:.1f} µs for each of {tape} operations" if tape else ""
        lines.append(f"  {name:<{width}} {t:10.3f} ms   ours is {mine / t:6.2f} of it{first}{each}")
    if found.get("missing"):
        lines.append(f"  not installed: {', '.join(found['missing'])} (pip install -e '.[bench]')")
    return "\n".join(lines)


@click.group(invoke_without_command=True)
@click.option("--json", "target", type=click.Path(path_type=Path), help="Also write the numbers to this file.")
@click.option("--seconds", default=2.0, show_default=True, help="Time for each peer and work.")
@click.option("--only", multiple=True, help="Only the works whose names contain this; repeatable.")
@click.pass_context
def main(context: click.Context, target: Path | None, seconds: float, only: tuple[str, ...]) -> None:
    """Ours and every installed peer on the same weights and data: medians and ratios."""
    if context.invoked_subcommand:
        return
    from .growth import start_up
    from .measure import compare
    from .scalars import compare_scalars
    from .training import compare_training
    from .works import WORKS

    results: list[dict[str, Any]] = []
    for work in WORKS:
        if only and not any(o in work.name for o in only):
            continue
        results.append(compare(work, seconds=seconds))
        click.echo(_table(results[-1]) + "\n")
    if not only or any("scalar" in o for o in only):
        results.append(compare_scalars())
        click.echo(_table(results[-1]) + "\n")
    if not only or any("training" in o for o in only):
        text = "".join(sorted(Path(__file__).parent.glob("*.py"))[i % 3].read_text(encoding="utf-8") for i in range(12))
        results.append(compare_training(text))
        click.echo(_table(results[-1]))
        bits = results[-1]["bits_per_character"]
        click.echo(f"  bits per character at the end: {bits['bpttgraph']:.4f}, textbook {bits['textbook NumPy']:.4f}\n")
    if not only or any("start" in o for o in only):
        results.append({"work": "start-up", "ms": start_up()})
        for name, t in results[-1]["ms"].items():
            click.echo(f"{name:<40} {t:8.1f} ms")
    _keep(target, results)


@main.command()
@click.option("--largest", default=10_000, show_default=True, help="The largest T.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Also write the numbers to this file.")
def growth(largest: int, target: Path | None) -> None:
    """How time and memory grow with T, H and B; derivation, picture and check beside their peers."""
    from .growth import beside_peers, exponent, growth as grow

    results: list[dict[str, Any]] = []
    for found in grow(largest):
        found["exponent"] = exponent(found)
        if "MiB" in found["rows"][0]:
            found["memory_exponent"] = exponent(found, "MiB")
        results.append(found)
        click.echo(
            f"{found['what']}: time grows as {found['by']}^{found['exponent']:.2f}"
            + (f", memory as {found['by']}^{found['memory_exponent']:.2f}" if "memory_exponent" in found else "")
        )
        for row in found["rows"]:
            click.echo(
                "  " + "   ".join(f"{k} {v:>10.2f}" if isinstance(v, float) else f"{k} {v:>6}" for k, v in row.items())
            )
    for found in beside_peers():
        results.append(found)
        click.echo(_table(found))
    _keep(target, results)


def _keep(target: Path | None, results: list[dict[str, Any]]) -> None:
    if target is None:
        return
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_text(json.dumps({"machine": _machine(), "results": results}, indent=2) + "\n")
    temporary.replace(target)
    click.echo(f"wrote {target}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
