"""The command line, `graphopt COMMAND`, also `python -m graphopt`; `graphopt --help` lists the commands.

Typer and rich are imported when a command runs, so that importing the package needs neither.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit: 0 done, 1 a finding, 2 wrong usage, 3 nothing measured or no such target here."""
    try:
        from graphopt.cli.app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write(f"graphopt: the command line needs {error.name}, which is not here: pip install typer rich\n")
        sys.exit(3)
    app(prog_name="graphopt")
