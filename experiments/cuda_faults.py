"""What notices a bug in CUDA text without a GPU? Planted bugs, run under emulation in several orders of threads.

    python experiments/cuda_faults.py            # all of them, about five minutes
    python experiments/cuda_faults.py --small    # every tenth, less than a minute

The bugs are those of `tests/codegen/cuda_fault_list.py`: single edits of the templates of kernels, and decisions about
launches that are wrong. The program of each is run in all the instances that a call may take, by eight drivers: threads
in the order of their numbers and in three random orders, guard pages behind buffers or in front of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import common

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "codegen"))
from cuda_fault_list import FAULTS, Edit, Fault
from cuda_planting import ORDERS, noticed

EVERY = 10
GUARDS = {"end": "behind", "start": "in front"}


def look_at(fault: Fault) -> common.Record:
    """Which drivers notice a fault, and by what."""
    start = process_time()
    with tempfile.TemporaryDirectory() as folder:
        found = noticed(fault, Path(folder), ORDERS)
    where = fault.template if isinstance(fault, Edit) else f"{fault.owner.__name__}.{fault.name}"
    row = {
        "fault": fault.what,
        "where": where.removeprefix("graphopt."),
        "program": fault.program.__name__,
        "noticed": {f"{seed} {guard}": kind for (seed, guard), kind in found.items()},
        "survives": fault.survives,
        "seconds": process_time() - start,
    }
    print(f"{fault.what}: {len(found)} of {len(ORDERS)}", flush=True)
    return row


def measure(small: bool) -> common.Record:
    """Look at all faults, or every tenth."""
    rows = [look_at(fault) for fault in FAULTS[:: EVERY if small else 1]]
    visible = [row for row in rows if not row["survives"]]
    seen = [row for row in visible if row["noticed"]]
    return common.record_of("cuda_faults", small) | {
        "faults": len(rows),
        "that change something": len(visible),
        "noticed": len(seen),
        "missed": [row["fault"] for row in visible if not row["noticed"]],
        "wrongly held for harmless": [row["fault"] for row in rows if row["survives"] and row["noticed"]],
        "noticed by": dict(Counter(kind for row in seen for kind in sorted(set(row["noticed"].values())))),
        "noticed by driver": {f"{s} {g}": sum(f"{s} {g}" in row["noticed"] for row in seen) for s, g in ORDERS},
        "rows": rows,
    }


def table(record: common.Record) -> str:
    """The record as a table."""
    by = ", ".join(f"{kind} {number}" for kind, number in record["noticed by"].items())
    drivers = record["noticed by driver"]
    lines = [
        "# Planted bugs in CUDA text and launches",
        "",
        f"`{record['command']}`, {record['date'][:10]}: of {record['faults']} planted bugs, "
        f"{record['that change something']} change something, and {record['noticed']} of those were noticed. By what, "
        f"some by several: {by}.",
        "",
        "Threads in order (0) or at random (1 to 3), guard pages behind buffers (e) or in front of them (s). Each "
        "driver runs all instances that a call may take.",
        "",
        "| drivers | " + " | ".join(f"{seed}{guard[0]}" for seed, guard in ORDERS) + " |",
        "|---|" + "---|" * len(ORDERS),
        f"| bugs noticed, of {record['that change something']} | "
        + " | ".join(str(drivers[f"{seed} {guard}"]) for seed, guard in ORDERS) + " |",
        "",
        "| bug | where | noticed by | drivers that notice |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for row in record["rows"]:
        if not row["survives"]:
            kinds = ", ".join(sorted(set(row["noticed"].values()))) or "nothing"
            lines.append(f"| {row['fault']} | `{row['where']}` | {kinds} | {_drivers(row['noticed'])} |")
    lines += ["", "What cannot be noticed, and why:", ""]
    lines += [f"- {row['fault']} (`{row['where']}`): {row['survives']}." for row in record["rows"] if row["survives"]]
    return "\n".join(lines) + "\n"


def _drivers(found: dict[str, str]) -> str:
    if len(found) in (0, len(ORDERS)):
        return "all" if found else "none"
    for guard, words in GUARDS.items():
        if set(found) == {f"{seed} {guard}" for seed, other in ORDERS if other == guard}:
            return f"those with the guard {words}"
    return ", ".join(name.replace(" end", "e").replace(" start", "s") for name in found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the record and the table."""
    chosen = common.options(__doc__, "cuda_faults", arguments)
    record = measure(chosen.small)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    chosen.output.with_suffix(".md").write_text(table(record), encoding="utf-8")
    print(f"{record['noticed']} of {record['that change something']} noticed; {chosen.output}")


if __name__ == "__main__":
    main()
