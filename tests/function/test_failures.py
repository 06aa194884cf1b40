"""Compilers and caches that fail: one clear error each, and nothing left behind."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.runtime.compile import compiler_runs


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of this test's own."""
    monkeypatch.setenv("GRAPHOPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(**options):
    x = T.vector("x")
    return go.function([x], T.sin(x) + 1, options=go.Options(**options))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def executable(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_without_a_compiler_the_error_says_what_was_looked_for(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(go.CompilerNotFound, match="gcc"):
        build()


def test_a_compiler_that_does_not_exist_is_named(cache):
    with pytest.raises(go.CompilerNotFound, match="no-such-compiler"):
        build(compiler="no-such-compiler")


def test_a_compiler_that_fails_gives_its_message_and_leaves_no_library(cache, tmp_path):
    broken = executable(tmp_path / "broken", "#!/bin/sh\necho 'all is lost' >&2\nexit 1\n")
    with pytest.raises(go.GraphoptError, match="all is lost"):
        build(compiler=broken)
    assert not [path for path in files(cache) if path.suffix == ".so"]


def test_text_that_does_not_compile_shows_the_line(cache):
    f = build()
    before = files(cache)
    with pytest.raises(go.CompilationFailed, match="nonsense"):
        f.with_source(f.source.replace("return failed;", "nonsense;"))
    assert files(cache) == before


def test_a_cache_that_cannot_be_written_is_one_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRAPHOPT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(go.CompilationFailed, match="cache"):
        build()
    assert files(tmp_path) == [tmp_path / "file"]


def test_a_second_build_of_the_same_function_runs_no_compiler(cache):
    build()
    before = compiler_runs()
    np.testing.assert_allclose(build()([0.0, 1.0]), np.sin([0.0, 1.0]) + 1)
    assert compiler_runs() == before


def test_a_damaged_cache_entry_is_rebuilt(cache):
    import subprocess
    import sys

    script = "import graphopt as go; x = go.tensor.vector('x'); print(go.function([x], go.tensor.cos(x) + 1)([0.0])[0])"
    environment = {**os.environ, "GRAPHOPT_CACHE": str(cache)}
    run = [sys.executable, "-c", script]
    assert subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.strip() == "2.0"
    libraries = [path for path in files(cache) if path.suffix == ".so"]
    assert libraries
    for library in libraries:
        library.chmod(0o600)
        library.write_bytes(library.read_bytes()[:100])
    assert subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.strip() == "2.0"
