"""A program as CUDA text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jinja2

from graphopt.codegen.environment import SUFFIX, environment, template_folders
from graphopt.schedule.device_product import BLOCKS_OF_PARTS, PART, tiling
from graphopt.schedule.launch import COLUMNS, STEPS, THREADS, Launch, launches
from graphopt.schedule.program import Program
from graphopt.schedule.statements import Indexed, Reduce, Statement
from graphopt.schedule.steps import Axis, HostCall, MatrixProduct, Settle

__all__ = ["CudaSource", "cuda_source"]

HEADERS = ("dialect.cuh", "scalar.cuh", "special.cuh")
BY_WARPS = ("rows", "parts", "join")  # forms whose reductions go through the lanes of warps

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"[^\n]*$', re.MULTILINE)


@dataclass(frozen=True)
class CudaSource:
    """CUDA text.

    Attributes
    ----------
    text
        The program.
    headers
        What it includes, by file name.
    launches
        What to launch, in order, for the names of kernels in the text; and what the host computes in between.
    file
        What compilers' messages call the text.
    """

    text: str
    headers: Mapping[str, str]
    launches: tuple[Launch | HostCall | Settle, ...]
    file: str = "program.cu"

    @cached_property
    def flat(self) -> str:
        """One text that needs no files: the headers stand where they are included, with `#line` to tell them apart."""

        def inlined(match: re.Match[str]) -> str:
            header = self.headers.get(match[1])
            if header is None:
                return match[0]
            next_line = self.text.count("\n", 0, match.start()) + 2
            return f'#line 1 "{match[1]}"\n{header.rstrip()}\n#line {next_line} "{self.file}"'

        return f'#line 1 "{self.file}"\n{_INCLUDE.sub(inlined, self.text)}'


def cuda_source(program: Program, *, templates: Sequence[str | Path] = ()) -> CudaSource:
    """Write a program down in CUDA.

    Parameters
    ----------
    program
        What to write, scheduled with `keep=False`.
    templates
        Folders laid over the package's templates.
    """
    jinja = _environment(template_folders(templates))
    todo = launches(program)
    headers = {name: jinja.get_template(f"cuda/{name}.j2").render() for name in HEADERS}
    text = jinja.get_template("cuda/program.cu.j2").render(
        program=program,
        headers=list(headers),
        launches=todo,
        reductions=_warp_reductions(todo),
        threads=THREADS,
        columns_of_block=COLUMNS,
        steps_of_block=STEPS,
        tiling=tiling,
        part=PART,
        blocks_of_parts=BLOCKS_OF_PARTS,
    )
    return CudaSource(text, headers, todo, f"{program.name}.cu")


@lru_cache(maxsize=16)
def _environment(folders: tuple[str, ...]) -> jinja2.Environment:
    jinja = environment(folders).overlay()
    jinja.filters = {**jinja.filters, "read_by": _read_by, "used_in": _used_in}
    return jinja


def _used_in(axes: Sequence[Axis], statements: Iterable[Statement]) -> set[str]:
    """The names of those axes that the statements' indices mention; nvcc objects to variables that nobody reads."""
    mentioned = {name for s in statements if isinstance(s, Indexed) for name, _ in s.index.terms}
    return {axis.name for axis in axes} & mentioned


def _read_by(batch: Sequence[Any], step: MatrixProduct) -> list[bool]:
    """For each batch axis of a matrix product, whether an operand steps along it."""
    return [any(m.batch_strides[k] != 0 for m in (step.left, step.right)) for k in range(len(batch))]


def _warp_reductions(todo: Iterable[Launch | HostCall | Settle]) -> list[dict[str, str]]:
    """Which reductions need the functions that combine a warp's and a block's values, each once."""
    found = {
        (s.op.name, SUFFIX[s.dtype])
        for launch in todo
        if isinstance(launch, Launch) and launch.form in BY_WARPS
        for s in launch.statements
        if isinstance(s, Reduce)
    }
    return [{"op": op, "t": t} for op, t in sorted(found)]
