"""compute-sanitizer over one small round of every case: who touches what is not theirs, and who does not wait."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["TOOLS", "in_words", "sanitized"]

PROGRAM = "compute-sanitizer"
TOOLS = {"memcheck": (), "racecheck": ("--racecheck-report", "all")}
FOUND = 86  # the exit code that says: errors were found
SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: .*")
SHOWN = 20  # lines of what it says

Record = dict[str, Any]


def sanitized(script: Path, words: Sequence[str], limit: float = 3600.0) -> Record:
    """Run `script WORD …` under each tool, in processes of their own.

    Returns
    -------
    dict
        `missing`, a reason, if there is no compute-sanitizer; else by tool: `clean`, `exit`, `summary`, and the last
        lines of what it `said` where it is not clean.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        return {"missing": f"{PROGRAM} is not on the PATH; it comes with the CUDA toolkit"}
    record: Record = {}
    for tool, options in TOOLS.items():
        command = [program, "--tool", tool, *options, "--error-exitcode", str(FOUND), sys.executable, str(script)]
        try:
            done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            record[tool] = {"clean": False, "exit": None, "summary": f"not done after {limit:g} s", "said": []}
            continue
        said = (done.stdout + done.stderr).strip().splitlines()
        summary = next((found[0] for line in reversed(said) if (found := SUMMARY.search(line))), "")
        # Without a summary the tool did not run, whatever its exit code says.
        clean = done.returncode == 0 and bool(summary)
        record[tool] = {
            "clean": clean, "exit": done.returncode, "summary": summary, "said": [] if clean else said[-SHOWN:],
        }  # fmt: skip
    return record


def in_words(record: Record) -> str:
    """The record as lines."""
    if "missing" in record:
        return f"not sanitized: {record['missing']}"
    lines = []
    for tool, found in record.items():
        lines.append(f"{tool}: {'clean' if found['clean'] else 'NOT CLEAN'} ({found['summary'] or 'no summary'})")
        lines += [f"  {line}" for line in found["said"]]
    return "\n".join(lines)
