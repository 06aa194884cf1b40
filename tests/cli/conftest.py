import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from graphopt.cli.app import app


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of the command line, so that each formula is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache_directory(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the user's cache, or hears of a compiler chosen by the environment."""
    shared_cache.chmod(0o700)
    monkeypatch.setenv("GRAPHOPT_CACHE", str(shared_cache))
    monkeypatch.delenv("CC", raising=False)
    return shared_cache


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command; the result has `exit_code`, `stdout`, `stderr`."""

    def run_command(*arguments: str) -> Any:
        return CliRunner().invoke(app, list(map(str, arguments)), prog_name="graphopt")

    return run_command


@pytest.fixture
def record(run: Callable[..., Any]) -> Callable[..., Any]:
    """What a command with --json prints, which must end well."""

    def run_command(*arguments: str, code: int = 0) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return run_command
