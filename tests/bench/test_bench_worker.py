"""Contestants in processes of their own. Each process takes a second to start, so that tests share what they can."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import worker_subjects as subjects

from graphopt.bench import Comparison, NothingMeasured, Worker, compare
from graphopt.bench.worker import INSIDE
from graphopt.bench.worker_process import Desk, answer
from graphopt.errors import InvalidArgument

X = np.random.default_rng(0).normal(size=(30, 40))
QUICK: dict[str, Any] = {"rounds": 12, "seconds": 0.05, "confidence": 0.95}
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(build=subjects.build_square, environment={"OMP_NUM_THREADS": "3"}) as worker:
        yield worker


@pytest.fixture(scope="module")
def comparison(worker: Worker) -> Comparison:
    return compare({"here": subjects.square, "there": worker}, (X,), **QUICK)


def state(process: int) -> str:
    """The letter that Linux gives the state of a process: T is stopped."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def is_gone(process: int) -> bool:
    """Whether a process ends within a few seconds, other than as a name that nobody has asked for."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if state(process) == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_a_worker_is_validated_timed_warm_and_cold_and_recorded_like_any_other(comparison: Comparison) -> None:
    row = comparison["there"]
    assert row.verdict in ("faster", "slower", "same", "undecided") and row.error == 0
    assert row.rounds == 12 == len(comparison.samples["there"]) == len(comparison.cold_samples["there"])
    assert row.repetitions >= 1 and row.median is not None and row.median > 0
    assert row.cold is not None and row.cold.median > 0
    assert row.made["process"] == {"environment": {"OMP_NUM_THREADS": "3"}}
    assert "there: process" in comparison.table()


def test_a_worker_with_wrong_values_is_refused(worker: Worker) -> None:
    row = compare({"here": lambda x: x * x * 1.001, "there": worker}, (X,), cold=False, **QUICK)["there"]
    assert row.verdict == "refused" and "relative error" in row.reason


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads Linux's process table")
def test_a_worker_stands_still_until_it_is_asked(comparison: Comparison, worker: Worker) -> None:
    np.testing.assert_array_equal(worker(X), X * X)
    assert worker._process is not None
    assert state(worker._process._child.pid) == "T"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads Linux's process table")
def test_a_worker_that_is_closed_or_hangs_or_dies_is_gone_and_the_next_call_starts_another() -> None:
    place = f"{HERE / 'worker_subjects.py'}:obeys"
    with Worker(place, environment={"OMP_NUM_THREADS": "7"}) as worker:
        first, threads = worker(subjects.ANSWER)  # type: ignore[misc]
        assert threads == 7
        worker.close()
        assert is_gone(int(first))

        second, _ = worker(subjects.ANSWER)  # type: ignore[misc]
        assert second != first
        worker.timeout = 0.1
        with pytest.raises(NothingMeasured, match=r"took longer than 0\.1 s and was ended"):
            compare({"hangs": worker}, (subjects.HANG,), **QUICK)
        assert is_gone(int(second))

        worker.timeout = 120.0
        result = compare({"good": subjects.square, "dies": worker}, (subjects.DIE,), cold=False, **QUICK)
        assert result["dies"].verdict == "refused"
        assert result["dies"].reason == "its process ended by SIGSEGV: the last straw"
        assert result["good"].rounds == 12


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("worker_subjects:nothing", "has no attribute 'nothing'"),
        ("no_such_module:nothing", "No module named 'no_such_module'"),
        (subjects.build_text, "is str, which cannot be called"),
    ],
)
def test_what_cannot_be_built_says_why(build: Any, message: str) -> None:
    done, answered = answer(Desk(), "build", ({}, pickle.dumps(build), True))
    assert not done and message in answered


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (subjects.same_array, "shares memory with argument[0]"),
        (subjects.raises, "raised RuntimeError: no such kernel"),
    ],
)
def test_a_worker_observes_as_a_comparison_does(subject: Any, reason: str) -> None:
    desk = Desk()
    for request, details in (("build", ({}, pickle.dumps(subject), False)), ("enter", ((X,), {}))):
        assert answer(desk, request, details) == (True, None)
    done, answered = answer(desk, "observe", ())
    assert not done and reason in answered


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "takes one of two"),
        ({"contestant": subjects.square, "build": subjects.build_square}, "takes one of two"),
        ({"contestant": lambda x: x}, "cannot be sent to another process .* build="),
        ({"contestant": "square"}, "'module:name'"),
        ({"contestant": 3}, "got int"),
    ],
)
def test_what_no_worker_can_have_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Worker(**arguments)


def test_no_worker_starts_workers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSIDE, "1")
    with pytest.raises(InvalidArgument, match='if __name__ == "__main__"'):
        Worker(subjects.square)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can promise that")
def test_a_killed_script_leaves_no_worker_and_its_own_functions_can_be_sent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from graphopt.bench import Worker\n"
        "def number(): return os.getpid()\n"
        'if __name__ == "__main__":\n'
        "    worker = Worker(number)\n"
        "    print(worker(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, cwd=os.getcwd())
    assert ended.returncode == -9, ended.stderr
    assert is_gone(int(ended.stdout))
