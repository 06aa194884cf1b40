"""Functions built by many processes at once, by some that are killed, and on disks that fail: the cache stays sound."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import CompilationFailed
from graphopt.runtime.cache import Cache
from graphopt.runtime.process import compiler_runs

CC = shutil.which("cc")
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler")
QUICK = ("-O1", "-fPIC", "-fopenmp")
CORPUS = Path(__file__).parents[1] / "codegen" / "c_corpus.py"


def built(number, compiler=None):
    """A function of its own for each number, and what it gives for 1 and 2."""
    x = go.variable("x", "float64[n]")
    options = go.Options(compiler=compiler, flags=QUICK)
    return go.function([x], T.exp(x) * (number + 2.5), name=f"numbered_{number}", options=options)([1.0, 2.0])


def right(number):
    return np.exp([1.0, 2.0]) * (number + 2.5)


def forked(action):
    """A process that does something, and ends with 0 if nothing was raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return child


@pytest.fixture
def counted(script, tmp_path):
    """A compiler that writes down what it is asked for, and how often it was asked for a library."""
    log = tmp_path / "log"
    path = script("counted", f'echo "$@" >> {log}; exec {CC} "$@"')
    return str(path), lambda: sum("-shared" in line for line in log.read_text().splitlines())


def test_sixteen_processes_build_the_same_and_different_functions_from_an_empty_cache_each_once(counted):
    compiler, libraries = counted

    def work(own):
        for number in (0, own):
            np.testing.assert_allclose(built(number, compiler), right(number))

    children = [forked(lambda own=number % 4: work(own)) for number in range(16)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 16
    assert libraries() == 4
    directory = Cache().directory
    assert list((directory / "work").iterdir()) == list((directory / "turns").iterdir()) == []


def test_whoever_is_killed_at_whatever_point_leaves_a_cache_that_works_and_nobody_waiting():
    draw = random.Random(0)

    def work():
        for number in range(100, 200):
            built(number)

    for _ in range(5):
        child = forked(work)
        time.sleep(draw.uniform(0.02, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    start = time.monotonic()
    for number in (100, 101):
        np.testing.assert_allclose(built(number), right(number))
    assert time.monotonic() - start < 25  # a lock that stayed behind would cost half a minute


def test_a_holder_of_the_turn_that_is_stopped_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr("graphopt.runtime.cache._PATIENCE", 0.1)
    cache, key = Cache(), "0" * 64
    with cache.turn(key), cache.turn(key):
        pass


def test_a_cache_that_may_only_be_read_serves_what_it_has_and_says_what_to_do_about_the_rest(monkeypatch):
    built(1)
    before = compiler_runs()

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    monkeypatch.setattr(os, "open", refuse)
    np.testing.assert_allclose(built(1), right(1))
    with pytest.raises(CompilationFailed, match=r"Read-only file system.*GRAPHOPT_CACHE"):
        built(2)
    assert compiler_runs() == before


def test_a_disk_that_is_full_is_an_error_that_says_so_and_leaves_nothing_behind(monkeypatch):
    built(3)  # so that nothing but the function is new
    kept = sorted(Cache().directory.rglob("*"))

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", refuse)
        with pytest.raises(CompilationFailed, match=r"No space left on device.*GRAPHOPT_CACHE"):
            built(4)
    assert sorted(Cache().directory.rglob("*")) == kept
    np.testing.assert_allclose(built(4), right(4))


def test_an_object_that_is_damaged_in_the_cache_is_built_again(counted):
    compiler, libraries = counted

    def ended_well():  # in a process of its own: what is loaded must not be damaged
        child = forked(lambda: np.testing.assert_allclose(built(5, compiler), right(5)))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert ended_well() and libraries() == 1
    for library in Cache().directory.rglob("library.so"):
        library.write_bytes(library.read_bytes()[:-200])
    assert ended_well() and libraries() == 2
    assert ended_well() and libraries() == 2


def test_templates_that_are_damaged_in_the_cache_are_compiled_again(output_of):
    code = "import graphopt as go; x = go.variable('x', 'float64[n]'); print(len(go.c_source([x], x + 1)))"
    first = output_of(code)
    damaged = 0
    for entry in Cache().entries():
        for file in entry.path.glob("template.bytecode"):
            file.write_bytes(b"no bytecode")
            damaged += 1
    assert damaged > 3 and output_of(code) == first


@pytest.mark.parametrize("threads", [2])
def test_results_repeat_bit_for_bit_in_another_process(threads):
    outputs = {
        subprocess.run(
            [sys.executable, str(CORPUS), f'{{"digest": true, "threads": {threads}}}'],
            capture_output=True, text=True, check=True, timeout=300,
        ).stdout
        for _ in range(2)
    }  # fmt: skip
    assert len(outputs) == 1 and len(next(iter(outputs)).split()) > 15
