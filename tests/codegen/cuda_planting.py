"""Plants a fault, runs its program in all instances with one driver after another, and says what noticed it."""

from importlib.resources import files
from pathlib import Path

import pytest
from cuda_fault_list import Edit, Fault
from cuda_instances import Forced

from graphopt.errors import CompilationFailed, DeviceFailed, InvalidArgument

ORDERS = [(seed, guard) for seed in (0, 1, 2, 3) for guard in ("end", "start")]

KINDS = {
    "barrier": "divergent barrier",
    "deadlock": "divergent barrier",
    "lane": "divergent barrier",
    "not aligned to its type": "alignment or bounds",
    "after the launch": "stray write",
    "shared memory": "guard page",
    "buffer": "guard page",
    "nothing": "guard page",
    "processor time": "endless loop",
}
"""What a driver's message tells, and what that is called; the first that fits."""


def plant(fault: Fault, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Forced, list[dict[str, object]]]:
    """The fault's program with the fault in it, and the arrays to run it on."""
    if isinstance(fault, Edit):
        text = files("graphopt.templates").joinpath(fault.template).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1, f"{fault.what}: {text.count(fault.old)} places in {fault.template}"
        damaged = folder / fault.template
        damaged.parent.mkdir(parents=True, exist_ok=True)
        damaged.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    else:
        was = getattr(fault.owner, fault.name)
        monkeypatch.setattr(fault.owner, fault.name, fault.made(was))
    case, arrays = fault.program((folder,))
    return Forced(case, monkeypatch), arrays


def noticed(fault: Fault, folder: Path, drivers: list[tuple[int, str]], *, first: bool = False) -> dict[object, str]:
    """How each driver that does so notices the fault; with `first`, the first alone."""
    found: dict[object, str] = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        forced, inputs = plant(fault, folder, monkeypatch)
        askew = None if getattr(fault, "is_askew", False) else ()
        for seed, guard in drivers:
            try:
                for arrays in inputs:
                    forced.check(arrays, [(seed, guard, 2, askew)], every=True)
            except (AssertionError, DeviceFailed, InvalidArgument, CompilationFailed) as error:
                found[seed, guard] = kind_of(error)
                if first:
                    break
    return found


def kind_of(error: Exception) -> str:
    """What a fault was noticed by."""
    if isinstance(error, AssertionError):
        return "wrong value"
    if isinstance(error, CompilationFailed):
        return "compile error"
    if isinstance(error, InvalidArgument):
        return "refused launch"
    return next((kind for words, kind in KINDS.items() if words in str(error)), str(error))
