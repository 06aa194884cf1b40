"""The suite on a GPU beside PyTorch (eager and compiled), JAX and CuPy, and beside what copying as many bytes takes.

    python experiments/peers_cuda.py                        # on a GPU: a quarter of an hour
    python experiments/peers_cuda.py --only GELU 'training step'
    python experiments/peers_cuda.py --resume               # the cases that the record does not have yet
    python experiments/peers_cuda.py --sanitize             # memcheck and racecheck over a small round
    python experiments/peers_cuda.py --emulated             # without a GPU: values are checked, nothing is timed

Without a GPU it says so and ends well. Arrays lie on the device and results stay there; they are several times as large
as the last-level cache. Who is not installed is named. torch.compile's kernels are Triton's: none are written by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, Record, absent, package_versions, record_of, save_record
from device_contestants import BUILDERS, MODULES, by_graphopt, copy, marks_of, truth
from device_race import race
from device_report import aims, table
from device_sanitizer import in_words, sanitized
from namespaces import GRAPHOPT
from suite_contestants import dtype
from suite_device import DEVICE_CASES, DeviceCase

import graphopt as go
from graphopt.bench.validate import describe
from graphopt.errors import TargetUnavailable

SMALL, TINY = 64, 2**16  # what sizes are divided by: under the sanitizer, and on an emulated device
PEERS = tuple(name for name in BUILDERS if name != GRAPHOPT)


def gpu_absence() -> str:
    """Why nothing can run on a GPU here; empty if something can."""
    x = go.variable("x", "float32[n]")
    try:
        go.function([x], x + 1, target="cuda")
    except TargetUnavailable as error:
        return " ".join(str(error).split()).rstrip(".")
    return ""


# One case -------------------------------------------------------------------------------------------------------------


def one(case: DeviceCase, peers: Sequence[str], *, seconds: float, divided: int = 1, target: str = "cuda") -> Record:
    """One case: contestants are built, checked against NumPy in float64, and timed if they run on a GPU."""
    arguments = case.case.inputs(np.random.default_rng(6), divided)
    expected = truth(case, arguments)
    nbytes = sum(np.asarray(each).nbytes for each in (*arguments, *expected))
    contestants = {GRAPHOPT: by_graphopt(case, arguments, target)}
    unbuilt: Record = {}
    for name in peers:
        try:
            contestants[name] = BUILDERS[name](case, arguments)
        except Exception as error:  # whatever a library raises
            unbuilt[name] = {"reason": f"cannot be built: {describe(error)}"}
    yardstick = None
    if target == "cuda" and not case.state:  # a step of training moves less than a cache holds
        by = next((module for module in ("torch", "cupy") if not absent(module)), "driver")
        yardstick = copy(nbytes, by, contestants[GRAPHOPT])
    entry = {
        "case": case.name, "shapes": [list(np.shape(a)) for a in arguments], "dtype": dtype(arguments),
        "bytes": nbytes, "timed_by": {name: marks_of(name) for name in contestants},
        **race(contestants, GRAPHOPT, expected, yardstick, seconds=seconds),
    }  # fmt: skip
    entry["rows"] |= unbuilt
    return entry | {"aims": aims(entry)}


def measured(cases: Sequence[DeviceCase], peers: Sequence[str], **settings: Any) -> Iterator[Record]:
    """The entries of some cases, each printed; what one of them held on the device is given back before the next."""
    for case in cases:
        entry = one(case, peers, **settings)
        print(summary(entry), flush=True)
        yield entry
        gc.collect()
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()
        if "cupy" in sys.modules:
            sys.modules["cupy"].get_default_memory_pool().free_all_blocks()


def summary(entry: Record) -> str:
    """An entry as a line."""
    parts = []
    for name, row in entry["rows"].items():
        time = f"{1e3 * row['median']:.3g} ms" if row.get("median") is not None else row.get("reason", "not timed")
        share = f" ({row['share_of_copy']:.0%} of copy)" if row.get("share_of_copy") is not None else ""
        parts.append(f"{name} {time}{share}")
    return f"{entry['case']}: {', '.join(parts)}; {entry['aims'] or 'no aim'}"


# The whole ------------------------------------------------------------------------------------------------------------


def head(small: bool = False) -> Record:
    """How, when and where a record is made."""
    commit = said("git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD") or "unknown"
    if said("git", "-C", str(Path(__file__).parents[1]), "status", "--porcelain", "--untracked-files=no"):
        commit += " with changes"
    gpu = said("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return record_of("peers_cuda", small) | {
        "command": " ".join(["python experiments/peers_cuda.py", *sys.argv[1:]]) if _is_main() else "",
        "commit": commit,
        "gpu": gpu.replace("\n", "; "),
        "nvcc": said("nvcc", "--version").rpartition("\n")[2],
        "versions": versions(),
    }


def said(program: str, *words: str) -> str:
    """What a program prints; empty if it is not there or fails."""
    if shutil.which(program) is None:
        return ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    return ""


def versions() -> dict[str, str]:
    """Of Python, NumPy and the peers that are installed, whatever their distributions are called."""
    found = {"Python": platform.python_version(), **package_versions("numpy", "triton", "pycuda", "cuda-python")}
    for name in dict.fromkeys(MODULES.values()):
        if not absent(name):
            with contextlib.suppress(Exception):  # a package that is there and cannot be imported has no version
                found[name] = str(importlib.import_module(name).__version__)
    return found


def left_out(peers: Sequence[str]) -> dict[str, str]:
    """Peers that are not installed, with what to say about them."""
    missing = absent(*dict.fromkeys(MODULES.values()))
    return {name: missing[MODULES[name]] for name in peers if MODULES[name] in missing}


def emulated(cases: Sequence[DeviceCase], divided: int = TINY) -> list[Record]:
    """Every case on the emulated device: values are checked, nothing is timed."""
    return list(measured(cases, (), seconds=0.0, divided=divided, target="cuda-emulated"))


def wrong(entries: Sequence[Record]) -> list[str]:
    """The cases in which graphopt failed or computed something else."""
    return [e["case"] for e in entries if not e["rows"][GRAPHOPT].get("reason", "emulated").startswith("emulated")]


def round_of(cases: Sequence[DeviceCase]) -> int:
    """A small round on the GPU, for the sanitizer: each case is computed once and checked; how many were wrong."""
    failures = 0
    for case in cases:
        arguments = case.case.inputs(np.random.default_rng(6), SMALL)
        found = race({GRAPHOPT: by_graphopt(case, arguments)}, "nobody", truth(case, arguments), seconds=0.0)
        reason = found["rows"][GRAPHOPT].get("reason", "")
        failures += bool(reason)
        print(f"{case.name}: {reason or 'right'}", flush=True)
    return failures


def resumed(output: Path, record: Record) -> list[Record]:
    """The entries that a record of the same commit on the same GPU already has."""
    try:
        earlier = json.loads(output.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    same = all(earlier.get(key) == record[key] for key in ("commit", "gpu", "versions"))
    return list(earlier.get("cases", [])) if same else []


def written(record: Record, output: Path) -> None:
    save_record(record, output)
    output.with_suffix(".md").write_text(table(record), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", nargs="+", choices=list(DEVICE_CASES), metavar="CASE", help="some cases, not kept unless --output"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, metavar="PEER", default=PEERS, help="some, or none")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the rounds of a case")
    parser.add_argument("--small", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--resume", action="store_true", help="keep the cases that the record already has")
    parser.add_argument("--emulated", action="store_true", help="without a GPU: check values, time nothing")
    parser.add_argument("--sanitize", action="store_true", help="a small round under compute-sanitizer")
    parser.add_argument("--round", action="store_true", help="the small round itself")
    parser.add_argument("--record-absence", action="store_true", help="without a GPU: write a record that says so")
    parser.add_argument("--output", type=Path, help="the JSON file; the table is written beside it")
    chosen = parser.parse_args(arguments)
    cases = [DEVICE_CASES[name] for name in chosen.only or DEVICE_CASES]
    output = chosen.output or RESULTS / ("peers_cuda_small.json" if chosen.small else "peers_cuda.json")
    prepare()
    if chosen.emulated:
        failed = wrong(emulated(cases))
        print(f"{len(cases) - len(failed)} of {len(cases)} cases agree with NumPy, emulated; nothing was timed")
        return 1 if failed else 0
    if absence := gpu_absence():
        print(f"peers_cuda: nothing was measured: {absence}")
        if chosen.record_absence:
            written(head() | {"absence": absence, "left_out": left_out(PEERS), "cases": []}, output)
        return 0
    if chosen.sanitize:
        found = sanitized(Path(__file__), ["--round", *(["--only", *chosen.only] if chosen.only else [])])
        print(in_words(found))
        save_record(head() | {"sanitizer": found}, output.with_name("peers_cuda_sanitized.json"))
        return 0 if "missing" in found or all(each["clean"] for each in found.values()) else 1
    if chosen.round:
        return 1 if round_of(cases) else 0
    is_whole = not chosen.only and chosen.peers == PEERS
    missing = left_out(chosen.peers)
    record = head(chosen.small) | {"left_out": missing, "cases": []}
    record["cases"] = resumed(output, record) if chosen.resume else []
    done = {entry["case"] for entry in record["cases"]}
    todo = [case for case in cases if case.name not in done]
    peers = [name for name in chosen.peers if name not in missing]
    for entry in measured(todo, peers, seconds=chosen.seconds, divided=SMALL if chosen.small else 1):
        record["cases"].append(entry)
        if is_whole or chosen.output or chosen.resume:
            written(record, output)  # after each case: what has been measured is kept, whatever comes
    return 0


def prepare() -> None:
    """Settings that libraries read when they are loaded, and a cache where there is no usual place for one."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if absent("platformdirs") and "GRAPHOPT_CACHE" not in os.environ:
        os.environ["GRAPHOPT_CACHE"] = tempfile.mkdtemp(prefix="graphopt-")


def _is_main() -> bool:
    return Path(sys.argv[0]).name == Path(__file__).name


if __name__ == "__main__":
    sys.exit(main())
