"""Generated C as a program of its own, without Python in its process: for sanitizers and valgrind."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.codegen.c import c_source, passed_buffers
from graphopt.dimensions import evaluate
from graphopt.graph import Graph
from graphopt.interpret import bind_dimensions
from graphopt.schedule.schedule import schedule

Array = Any
DRIVER = Path(__file__).with_name("driver.c")


def runs_apart(graph: Graph) -> bool:
    """Whether a graph's program needs nobody to compute or to count for it during the run."""
    program = schedule(graph, "corpus")
    return not program.host_calls and not program.settles


def run_apart(
    graph: Graph,
    arguments: Mapping[str, Array],
    folder: Path,
    compiler: Sequence[str],
    flags: Sequence[str],
    prefix: Sequence[str] = (),
    threads: int = 2,
    templates: Sequence[Path] = (),
) -> tuple[dict[str, Array], str]:
    """Compile a graph with the driver and run it, after the words of `prefix`: its results, and what it said.

    Raises
    ------
    AssertionError
        With what compiler or program said, where it did not end with 0.
    """
    program = schedule(graph, "corpus")
    source = c_source(program, blas=None, templates=templates)
    for name, text in {"corpus.c": source.text, "driver.c": DRIVER.read_text("utf-8"), **source.headers}.items():
        (folder / name).write_text(text, encoding="utf-8")
    _said([*compiler, *flags, "corpus.c", "driver.c", "-o", "corpus", "-lm"], folder)
    sizes = bind_dimensions(graph, arguments)
    of_input = {buffer: name for name, buffer in program.inputs.items()}
    parts, made = [], []
    for buffer in passed_buffers(program):
        shape = [evaluate(size, sizes) for size in buffer.type.shape]
        if buffer.role == "output":
            made.append((buffer.name, np.empty(shape, buffer.type.dtype)))
            parts.append(np.array([made[-1][1].nbytes, 0]).tobytes())
            continue
        value = buffer.value if buffer.role == "constant" else arguments[of_input[buffer.name]]
        contents = np.ascontiguousarray(value, buffer.type.dtype).tobytes()
        parts.append(np.array([len(contents), 1]).tobytes() + contents)
    head = np.array([len(parts), len(program.sizes), threads, *(sizes[name] for name in program.sizes)], np.int64)
    (folder / "input").write_bytes(head.tobytes() + b"".join(parts))
    said = _said([*prefix, "./corpus", "input", "output"], folder)
    data, place, found = (folder / "output").read_bytes(), 0, {}
    for name, array in made:
        found[name] = np.frombuffer(data, array.dtype, array.size, place).reshape(array.shape)
        place += array.nbytes
    return {name: found[buffer] for name, buffer in program.outputs.items() if buffer in found}, said


def _said(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {said[-5000:]}"
    return said
