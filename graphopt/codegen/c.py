"""A program as C text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from graphopt.codegen.columns import (
    carried,
    carried_into,
    column_block,
    in_columns,
    is_divisible,
    is_flat,
    short_rows,
    steps_at_once,
    taken,
)
from graphopt.codegen.environment import SUFFIX, environment, size_text, template_folders, tidy
from graphopt.codegen.lanes import in_lanes, lane_count, mentions, picks
from graphopt.codegen.tiles import from_stages, staged, straight, tiles
from graphopt.options import Options
from graphopt.schedule.liveness import lifetimes, numbered
from graphopt.schedule.memory import LINE
from graphopt.schedule.program import Buffer, Program
from graphopt.schedule.segments import LIMIT, Segment, is_long, live_slots, segments
from graphopt.schedule.statements import Compute, Reduce
from graphopt.schedule.steps import Axis, Kernel, MatrixProduct, Step, leaves, nests
from graphopt.schedule.stretches import stretch_slots, stretches

__all__ = ["CSource", "c_source", "passed_buffers"]

HEADERS = ("elementary.h", "library.h", "scalar.h", "integer.h", "special.h")
BUILT_IN = {"sum": "+", "prod": "*", "max": "max", "min": "min"}  # reductions that OpenMP has for floats
STRIP = 128
SEGMENTS_A_UNIT = 4  # about half a second for a compiler, which takes a tenth to read the headers
MOST_UNITS = 16
MULTIPLICATIONS = 1_048_576  # threads start from this over depth, in products: 40 µs of one thread of BLAS
PANEL_ELEMENTS = 65_536  # of a product's result that wait in the cache for the epilogue
ELEMENTS = 160_000  # threads start from this over (4 + operations an element): 5,000 elements of a softmax


@dataclass(frozen=True)
class CSource:
    """C text.

    Attributes
    ----------
    text
        The program.
    headers
        What it includes, by file name.
    uses_blas
        Whether it calls BLAS.
    units
        The translation units that are worth making of it, each of which includes it; none if it is one itself.
    """

    text: str
    headers: dict[str, str]
    uses_blas: bool
    units: tuple[str, ...] = ()

    def files(self, name: str) -> dict[str, str]:
        """What is given to a compiler, by file name: the text, or translation units that include it, and headers."""
        if not self.units:
            return {f"{name}.c": self.text, **self.headers}
        units = {f"{name}_{number}.c": unit for number, unit in enumerate(self.units)}
        return {"program.inc": self.text, **units, **self.headers}


def c_source(
    program: Program,
    *,
    templates: Sequence[str | Path] = (),
    blas: str | None = "scipy_",
    kept_bytes: int = Options.kept_bytes,
    profiled: bool = False,
    poisoned: bool = False,
) -> CSource:
    """Write a program down in C.

    Parameters
    ----------
    program
        What to write.
    templates
        Folders laid over the package's templates.
    blas
        The prefix of BLAS's names; None writes matrix products as loops.
    kept_bytes
        How much memory for temporaries may wait for the next calls.
    profiled
        Whether a run measures itself: see `graphopt.runtime.profile`.
    poisoned
        Whether memory is filled with NaN when a temporary comes to lie there, which shows if it was still needed.
    """
    jinja = _environment(template_folders(templates))
    steps = list(leaves(program.steps))
    products = [step for step in steps if isinstance(step, MatrixProduct)]
    calls_blas = blas is not None and any(
        step.dtype in ("float32", "float64") and not step.is_small for step in products
    )
    headers = {name: jinja.get_template(f"c/{name}.j2").render() for name in HEADERS}
    if calls_blas:
        headers["blas.h"] = jinja.get_template("c/blas.h.j2").render(blas=blas)
    touched = {name for step in program.steps for name in arguments(step)}
    text = jinja.get_template("c/program.c.j2").render(
        program=program,
        steps=steps,
        headers=list(headers),
        blas=blas,
        reductions=_declared_reductions(program),
        passed=[(k, buffer) for k, buffer in enumerate(passed_buffers(program)) if buffer.name in touched],
        late={buffer.name for buffer in program.late},
        kept_bytes=kept_bytes,
        line=LINE,
        profiled=profiled,
        number_of={step.name: number for number, step in enumerate(steps)} if profiled else {},
        entering=_entering(program) if poisoned else {},
        strip=_strip(program),
        panel_elements=PANEL_ELEMENTS,
        multiplications=MULTIPLICATIONS,
    )
    count, template = _units(program), jinja.get_template("c/unit.c.j2")
    units = [template.render(units=count, unit=unit) for unit in range(count)] if count > 1 else []
    return CSource(tidy(text), headers, calls_blas, tuple(units))


@lru_cache(maxsize=16)
def _environment(folders: tuple[str, ...]) -> jinja2.Environment:
    """The environment with the filters of C. Kept, because an environment keeps the templates it has compiled."""
    jinja = environment(folders).overlay()
    jinja.filters = {
        **jinja.filters,
        "arguments": arguments,
        "extra_depth": extra_depth,
        "carried": lambda kernel: carried(kernel).items(),
        "carried_into": carried_into,
        "column_block": column_block,
        "from_stages": from_stages,
        "in_columns": in_columns,
        "in_lanes": in_lanes,
        "is_divisible": is_divisible,
        "is_flat": is_flat,
        "lane_count": lane_count,
        "live_slots": live_slots,
        "mentions": mentions,
        "picks": picks,
        "position": position_text,
        "reduction_identifier": _identifier,
        "segmented": is_long,
        "segments": segments,
        "short_rows": short_rows,
        "staged": staged,
        "steps_at_once": steps_at_once,
        "straight": straight,
        "stretch_slots": stretch_slots,
        "stretches": stretches,
        "taken": taken,
        "tiles": tiles,
        "touched": touched,
        "worth_sharing": elements_worth_sharing,
    }
    return jinja


def passed_buffers(program: Program) -> list[Buffer]:
    """The buffers a call passes, in order: inputs, outputs, constants, and temporary ones that wait for a size."""
    passed = [buffer for role in ("input", "output", "constant") for buffer in program.of_role(role)]
    return [*passed, *(buffer for buffer in program.late if buffer.role == "temporary")]


def arguments(step: Step) -> list[str]:
    """The buffers a step is given, each once, in order."""
    return list(dict.fromkeys((*step.reads, *step.writes)))


def touched(segment: Segment, kernel: Kernel) -> list[str]:
    """The buffers a segment of a kernel is given, in order."""
    found = segment.buffers()
    return [name for name in arguments(kernel) if name in found]


def position_text(axes: Sequence[Axis]) -> str:
    """The number of a position in a nest of axes, counted row by row."""
    text = "0"
    for axis in axes:
        text = axis.name if text == "0" else f"({text} * ({size_text(axis.extent)}) + {axis.name})"
    return text


def elements_worth_sharing(kernel: Kernel) -> int:
    """How many elements it takes before starting threads costs less than it saves: fewer, the more each one costs."""
    cost = sum(s.op.cost for stage in kernel.stages for s in stage.lane if isinstance(s, Compute | Reduce))
    return max(128, int(ELEMENTS / (4 + cost)))


def _entering(program: Program) -> dict[str, list[Buffer]]:
    """The planned temporaries that each step writes first, by the step's name."""
    lives, result = lifetimes(program.steps), dict[str, list[Buffer]]()
    steps = dict(numbered(program.steps))
    for room in program.memory.rooms:
        for name in room.tenants:
            result.setdefault(steps[lives[name].begin].name, []).append(program.buffers[name])
    return result


def extra_depth(step: MatrixProduct) -> int:
    """By how much a product would be deeper if it took as long as it does with its epilogue."""
    return 0 if step.epilogue is None else MULTIPLICATIONS // elements_worth_sharing(step.epilogue)


def _strip(program: Program) -> int:
    """Elements a long body is done for at a time; 0 if the program has no such body, 1 for scalars."""
    long = [kernel for kernel in program.kernels if is_long(kernel)]
    return (STRIP if any(kernel.inner for kernel in long) else 1) if long else 0


def _units(program: Program) -> int:
    """How many units to compile side by side: one for every few segments, whatever machine it is."""
    count = sum(-(-len(kernel.stages[0].lane) // LIMIT) for kernel in program.kernels if is_long(kernel))
    return max(1, min(MOST_UNITS, count // SEGMENTS_A_UNIT))


def _identifier(reduction: Reduce) -> str:
    """What a clause calls a reduction. Those of OpenMP may overflow in signed integers, so integers have our own."""
    name = reduction.op.name
    return BUILT_IN[name] if _is_built_in(name, reduction.dtype) else f"go_{name}_{SUFFIX[reduction.dtype]}"


def _is_built_in(name: str, dtype: str) -> bool:
    return name in BUILT_IN and dtype in ("float32", "float64")


def _declared_reductions(program: Program) -> list[dict[str, Any]]:
    """The reductions that OpenMP does not have built in, each once."""
    found = {
        (s.op.name, SUFFIX[s.dtype])
        for kernel in nests(program.steps)
        for s in kernel.statements()
        if isinstance(s, Reduce) and not _is_built_in(s.op.name, s.dtype)
    }
    return [{"op": op, "t": t} for op, t in sorted(found)]
