"""The command `ops`: which op has which target, exact meaning and derivative."""

from __future__ import annotations

from typing import Annotated

import typer

from graphopt.cli.options import Debug, Json
from graphopt.cli.show import FINDING, grid, reported, say, say_json
from graphopt.codegen.coverage import TARGETS, coverage, lacking, markdown

__all__ = ["add_command"]


def add_command(app: typer.Typer) -> None:
    """Give the application this command."""
    app.command(name="ops")(ops)


def ops(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words that must all stand in the name, family or traits.")
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/ops.md, of the toolkit's own ops.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the ops: family, traits, how each target computes them, exact meaning, derivative."""
    with reported(debug):
        every = coverage()
        rows = [row for row in every if all(word in (row.name, row.family, *row.traits) for word in words or ())]
        if as_markdown:
            say(markdown(rows))
        elif json:
            say_json([
                {"name": row.name, "family": row.family, "traits": row.traits, **row.cells, "reasons": row.reasons}
                for row in rows
            ])  # fmt: skip
        else:
            cells = [(row.name, row.family, *row.cells.values(), "; ".join(row.reasons.values())) for row in rows]
            grid(("op", "family", *TARGETS.values(), "exact", "derivative", "reasons"), cells)
            say(f"{len(rows)} {'op' if len(rows) == 1 else 'ops'}")
        if wrong := lacking(every):
            typer.echo("\n".join(wrong), err=True)
            raise typer.Exit(FINDING)
