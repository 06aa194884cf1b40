"""A program as CUDA text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from graphopt.codegen.environment import SUFFIX, environment, index_text, template_folders
from graphopt.schedule.device_product import BLOCKS_OF_PARTS, PART, tiling
from graphopt.schedule.held import Slot
from graphopt.schedule.instance import SHARED_EVERYWHERE, Aligned, AtMost, Condition, Instance, MultipleOf
from graphopt.schedule.kernel_launch import THREADS, Launch
from graphopt.schedule.kernels import runs_across
from graphopt.schedule.launch import SIDE, launches
from graphopt.schedule.launch_reductions import COLUMNS, STEPS
from graphopt.schedule.program import Program
from graphopt.schedule.statements import Indexed, Keep, Load, Reduce, Statement, Store
from graphopt.schedule.steps import Axis, HostCall, MatrixProduct, Settle
from graphopt.schedule.vectors import Vectors, is_wide

__all__ = ["CudaSource", "cuda_source"]

LIGHT = 16  # statements of a loop that is unrolled four times; those of eight bytes count twice
HEADERS = ("dialect.cuh", "scalar.cuh", "special.cuh")

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
        side=SIDE,
    )
    return CudaSource(text, headers, todo, f"{program.name}.cu")


@lru_cache(maxsize=16)
def _environment(folders: tuple[str, ...]) -> jinja2.Environment:
    jinja = environment(folders).overlay()
    jinja.filters = {**jinja.filters, **FILTERS}
    return jinja


def _by_body(instances: Iterable[Instance]) -> list[tuple[str, list[Instance]]]:
    """Instances of one body together, in order."""
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        groups.setdefault(instance.body, []).append(instance)
    return list(groups.items())


def _condition(condition: Condition) -> str:
    """A condition as a comment says it."""
    match condition:
        case AtMost(value=value, limit=limit):
            return f"{value} <= {limit}"
        case MultipleOf(value=value, factor=factor):
            return f"{factor} divides {value}"
        case Aligned(buffer=buffer, bytes=bytes):
            return f"{buffer} is aligned to {bytes} bytes"


def _used_in(axes: Sequence[Axis], statements: Iterable[Statement]) -> set[str]:
    """The names of those axes that the statements' indices mention; nvcc objects to variables that nobody reads."""
    mentioned = {name for s in statements if isinstance(s, Indexed) for name, _ in s.index.terms}
    return {axis.name for axis in axes} & mentioned


@dataclass(frozen=True)
class _Wide:
    """The statements whose accesses take several elements at once, and what is to be known of the others.

    Attributes
    ----------
    loads, stores
        Those statements.
    held
        The targets of loads that are held.
    rest
        All statements but those loads.
    uses_axis
        Whether another statement needs the position along the axis.
    """

    loads: list[Load]
    stores: list[Store]
    held: set[str]
    rest: list[Statement]
    uses_axis: bool


def _wide_accesses(statements: Sequence[Statement], vectors: Vectors) -> _Wide:
    wide = [s for s in statements if vectors.lanes > 1 and is_wide(s, vectors.axis, vectors.lanes)]
    others = [s for s in statements if s not in wide]
    return _Wide(
        [s for s in wide if isinstance(s, Load)],
        [s for s in wide if isinstance(s, Store)],
        {s.target for s in wide if isinstance(s, Load)} & {s.slot for s in statements if isinstance(s, Keep)},
        [s for s in statements if s not in wide or isinstance(s, Store)],
        any(name == vectors.axis for s in others if isinstance(s, Indexed) for name, _ in s.index.terms),
    )


def _first_index(access: Load | Store, axis: str) -> str:
    """The index of the first of several elements along an axis."""
    terms = tuple((f"{name}_first" if name == axis else name, stride) for name, stride in access.index.terms)
    return index_text(replace(access.index, terms=terms))


def _running_across(statements: Iterable[Statement], across: str, along: str) -> list[Load | Store]:
    """The accesses that run through memory along the axis `across` and jump along the other: as many as find room.

    The text can declare no more shared memory than every device has. What finds none jumps.
    """
    found, room = [], SHARED_EVERYWHERE
    for s in statements:
        if isinstance(s, Load | Store) and runs_across(s.index, across, along):
            room -= SIDE * (SIDE + 1) * np.dtype(s.dtype).itemsize
            if room < 0:
                break
            found.append(s)
    return found


def _rooms_before(slots: Sequence[Slot], slot: Slot) -> list[int]:
    """The bytes an element takes of the rooms that lie before a slot's: larger elements come first."""
    sizes = {s.room: np.dtype(s.dtype).itemsize for s in slots}
    order = sorted(sizes, key=lambda room: -sizes[room])
    return [sizes[room] for room in order[: order.index(slot.room)]]


def _is_heavy(statements: Sequence[Statement]) -> bool:
    """Whether a loop over these statements is unrolled less, for want of registers: there are many, or wide ones."""
    return sum(2 if getattr(s, "dtype", "").endswith("64") else 1 for s in statements) > LIGHT


def _read_by(batch: Sequence[Any], step: MatrixProduct) -> list[bool]:
    """For each batch axis of a matrix product, whether an operand steps along it."""
    return [any(m.batch_strides[k] != 0 for m in (step.left, step.right)) for k in range(len(batch))]


FILTERS = {
    "by_body": _by_body,
    "condition": _condition,
    "first_index": _first_index,
    "is_heavy": _is_heavy,
    "read_by": _read_by,
    "rooms_before": _rooms_before,
    "running_across": _running_across,
    "used_in": _used_in,
    "wide_accesses": _wide_accesses,
    "without_stores": lambda statements: [s for s in statements if not isinstance(s, Store)],
}


def _warp_reductions(todo: Iterable[Launch | HostCall | Settle]) -> list[dict[str, str]]:
    """Which reductions need the functions that combine a warp's and a block's values, each once."""
    found = {
        (s.op.name, SUFFIX[s.dtype])
        for launch in todo
        if isinstance(launch, Launch) and launch.form == "rows"
        for s in launch.statements
        if isinstance(s, Reduce)
    }
    return [{"op": op, "t": t} for op, t in sorted(found)]
