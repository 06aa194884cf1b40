import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import graphopt as go
import graphopt.tensor as T
from graphopt.cli.app import app
from graphopt.rewrite import Rule, RulePass


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


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make some rules those of the only pass that commands see."""

    def plant(*rules: Rule) -> None:
        class Planted(RulePass):
            """Planted rules."""

            name = "planted"

        Planted.rules = rules
        x = go.variable("x", "float64[n]")
        corpus = [go.Graph.from_outputs([x], T.log(x + 1)), go.Graph.from_outputs([x], T.exp(x))]
        monkeypatch.setattr("graphopt.cli.rules.programs", lambda: [graph.copy() for graph in corpus])
        for module in ("graphopt.cli.named", "graphopt.rewrite.catalogue"):
            monkeypatch.setattr(f"{module}.available_passes", lambda: {"planted": Planted})
        monkeypatch.setattr("graphopt.rewrite.catalogue.find_pass", lambda name: Planted)

    return plant
