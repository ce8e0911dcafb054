"""`bpttgraph cells`: the cells of the library with titles and variants, or the text of one, to copy and change."""

from __future__ import annotations

import click

from .terminal import say


@click.command("cells")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_cells(name: str | None, as_json: bool) -> None:
    """List the cell library, or print the equations and citation of one cell."""
    import json

    from ..equations.library import cell, cells, describe

    if name is not None:
        rec = cell(name)
        if as_json:
            say(
                json.dumps(
                    {**describe(name.partition(":")[0]), "equations": list(rec.equations), "source_text": rec.source},
                    indent=2,
                    ensure_ascii=False,
                )
            )
        else:
            say(rec.source.rstrip())
        return
    rows = [describe(n) for n in cells()]
    if as_json:
        say(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(r["name"]) for r in rows)
    for row in rows:
        variants = f"  [{' '.join(row['variants'])}]" if row["variants"] else ""
        say(f"{row['name']:<{width}}  {row['title']}{variants}")
