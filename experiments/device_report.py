"""What `peers_cuda.py` measured as a page of Markdown, and which aims were reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from namespaces import GRAPHOPT
from suite_device import AIMS, COPY, DEVICE_CASES, Aim

__all__ = ["against", "aims", "table"]

NOT_MEASURED = "not measured"

Record = dict[str, Any]


def against(entry: Record, names: Sequence[str]) -> float | None:
    """graphopt's time over that of the best of some contestants, or over the copy's; None if none has one."""
    rows = entry["rows"]
    if tuple(names) == (COPY,):
        share = rows[GRAPHOPT].get("share_of_copy")
        return None if share is None else 1 / share
    ratios = [rows[name]["ratio"] for name in names if rows.get(name, {}).get("ratio") is not None]
    return 1 / min(ratios) if ratios and rows[GRAPHOPT].get("ratio") is not None else None


def aims(entry: Record) -> dict[str, str]:
    """By aim: reached, missed or not measured."""
    return {AIMS[key].name: _outcome(entry, AIMS[key]) for key in DEVICE_CASES[entry["case"]].aims}


def _outcome(entry: Record, aim: Aim) -> str:
    found = against(entry, aim.beside)
    if found is None:
        return NOT_MEASURED
    return "reached" if found <= aim.most else "missed"


def table(record: Record) -> str:
    """The record as a page."""
    head = (
        f"# The suite on a GPU, beside its peers\n\n`{record['command']}`, {record['date'][:10]}; {_place(record)}.\n"
    )
    if record.get("absence"):
        return f"{head}\nNothing was measured: {record['absence']}.\n\n{_aims_alone()}"
    peers = columns(record)
    lines = [
        head,
        "Milliseconds of a call are medians by device events; –: no program, refused or not there. Share of copy: the "
        "time of copying as many bytes on the device, in the same rounds, over graphopt's. Best: the best peer's time "
        "over graphopt's, with its 99 % interval.\n",
        f"| case | MB | {' | '.join((GRAPHOPT, *peers))} | copy | share of copy | best | aim |",
        "|---" * (7 + len(peers)) + "|",
    ]
    lines += [_row(entry, peers) for entry in record["cases"]]
    for entry in record["cases"]:
        for name, row in entry["rows"].items():
            if "reason" in row:
                lines.append(f"\n{entry['case']}, {name}: {row['reason']}.")
    for name, reason in record["left_out"].items():
        lines.append(f"\n{name}: {reason}.")
    return "\n".join(lines) + "\n"


def columns(record: Record) -> list[str]:
    """Everyone but graphopt, in the order of their first appearance."""
    return list(dict.fromkeys(name for entry in record["cases"] for name in entry["rows"] if name != GRAPHOPT))


def _row(entry: Record, peers: Sequence[str]) -> str:
    rows = entry["rows"]
    times = [_milliseconds(rows.get(name)) for name in (GRAPHOPT, *peers)]
    share = rows[GRAPHOPT].get("share_of_copy")
    timed = {name: rows[name] for name in peers if rows.get(name, {}).get("ratio") is not None}
    best = "–"
    if timed:
        name, row = min(timed.items(), key=lambda item: item[1]["ratio"])
        interval = row["ratio_interval"]
        best = f"{row['ratio']:.2f} {name}" + (f" ({interval[0]:.2f} … {interval[1]:.2f})" if interval else "")
    outcome = "; ".join(f"{name}: {found}" for name, found in entry["aims"].items()) or "–"
    cells = [entry["case"], f"{entry['bytes'] / 1e6:.0f}", *times, _milliseconds(entry["copy"]),
             "–" if share is None else f"{share:.0%}", best, outcome]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _milliseconds(row: Record | None) -> str:
    return "–" if not row or row.get("median") is None else f"{1e3 * row['median']:.3g}"


def _place(record: Record) -> str:
    parts = [record.get("gpu") or "no GPU", f"commit {record['commit']}"]
    return ", ".join([*parts, *(f"{name} {version}" for name, version in record["versions"].items())])


def _aims_alone() -> str:
    lines = ["| case | aim | outcome |", "|---|---|---|"]
    for case in DEVICE_CASES.values():
        lines += [f"| {case.name} | {AIMS[key].name} | {NOT_MEASURED} |" for key in case.aims]
    return "\n".join(lines) + "\n"
