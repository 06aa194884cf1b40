import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache of its own, and no compiler chosen by the environment."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("GRAPHOPT_CACHE", str(directory))
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    return directory


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write an executable shell script: a compiler that misbehaves."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a Python program in another process, with the test's cache."""

    def start_program(code: str, *arguments: str) -> subprocess.Popen[str]:
        search = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start_program


@pytest.fixture
def output_of(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """What a Python program prints, which must end well."""

    def run_program(code: str, *arguments: str) -> str:
        process = start(code, *arguments)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return output

    return run_program
