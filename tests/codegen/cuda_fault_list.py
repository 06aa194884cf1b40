"""Bugs to plant in the templates of CUDA text and in what decides about launches. Data.

An `Edit` is one change of one template, laid over the package's by `Options.templates`; a `Patch` puts another object
in the place of one of the package. Each names the program that is to notice it (`cuda_fault_programs`), which is run in
all its instances, with several orders of threads and either guard. What cannot be seen has its reason in `survives`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cuda_fault_programs as programs
import numpy as np

from graphopt.codegen import cuda
from graphopt.schedule import launch, launch_reductions
from graphopt.schedule import vectors as wide_accesses
from graphopt.schedule.instance import Aligned, AtMost, MultipleOf
from graphopt.schedule.statements import Recall
from graphopt.schedule.steps import Stage


@dataclass(frozen=True)
class Edit:
    """In `template`, the text `old`, which stands there once, becomes `new`."""

    what: str
    program: Callable[..., Any]
    template: str
    old: str
    new: str = ""
    survives: str = ""
    is_quick: bool = False


@dataclass(frozen=True)
class Patch:
    """What `owner` calls `name` becomes `made(what it was)`. `is_askew`: buffers begin where wide accesses may not."""

    what: str
    program: Callable[..., Any]
    owner: Any
    name: str
    made: Callable[[Any], Any]
    survives: str = ""
    is_askew: bool = False
    is_quick: bool = False


Fault = Edit | Patch

MAP, ROWS, COLUMNS = "cuda/map.cu.j2", "cuda/rows.cu.j2", "cuda/columns.cu.j2"
LOOPS, KERNEL, REDUCTION = "cuda/loops.cu.j2", "cuda/kernel.cu.j2", "cuda/reduction.cu.j2"
DIALECT, EXPRESSIONS, PRODUCT = "cuda/dialect.cuh.j2", "expressions.j2", "cuda/product.cu.j2"

AGAIN = "several threads compute the same elements from what none of them changes: slower, and right"
ALIKE = "all threads of the team have the same bits, and all of them store those: slower, and right"
MASKED = (
    "an aligned access does not leave the 16 bytes that the last element lies in, and what it has too much is masked"
)

IN_MAPS = [
    Edit("one access of a map too many", programs.maps, MAP,
         "{{ number }} < positions; {{ number }} += step * kVector",
         "{{ number }} <= positions; {{ number }} += step * kVector"),
    Edit("one position of a map too many", programs.long_body, MAP, "{{ number }} < positions; {{ number }} += step)",
         "{{ number }} <= positions; {{ number }} += step)"),
    Edit("a tail of all elements but one is taken for whole", programs.maps, MAP, "}} < kVector ?",
         "}} < kVector - 1 ?"),
    Edit("threads begin one element apart", programs.maps, MAP, "= first * kVector;", "= first;"),
    Edit("neighbouring threads do the same positions", programs.maps, MAP, "+ threadIdx.x, step",
         "+ threadIdx.x / 2, step"),
    Edit("blocks step as if each were alone", programs.maps, MAP, "step = static_cast<Index>(gridDim.x) * blockDim.x",
         "step = blockDim.x", survives=AGAIN),
    Edit("no barrier after a tile was loaded", programs.tiles, MAP,
         "    __syncthreads();\n{% endif %}\n{% endfor %}\n    for", "{% endif %}\n{% endfor %}\n    for",
         is_quick=True),
    Edit("no barrier before a tile is stored", programs.tiles, MAP, "{% if loop.first %}\n    __syncthreads();\n",
         "{% if loop.first %}\n"),
    Edit("no barrier before the next tile", programs.tiles, MAP, "__syncthreads();  // before the next tile comes"),
    Edit("a tile's rows and columns are exchanged", programs.tiles, MAP, "}}[step][threadIdx.x];",
         "}}[threadIdx.x][step];"),
    Edit("a tile is computed beyond the last axis", programs.tiles, MAP,
         " && {{ along.name }} < {{ along.extent | size }}) {\n{% for s in l.statements %}",
         ") {\n{% for s in l.statements %}"),
    Edit("a tile is loaded beyond the axis across", programs.tiles, MAP,
         "if ({{ across.name }} < {{ across.extent | size }} && {{ along.name }} < {{ along.extent | size }}) "
         "{\n{% endif %}\n        tile_",
         "if ({{ along.name }} < {{ along.extent | size }}) {\n{% endif %}\n        tile_"),
    Edit("tiles are not counted down by the axes in front", programs.tiles, MAP, "tile / right % down",
         "tile / right"),
    Edit("no column more than a tile has", programs.tiles, MAP, "[{{ side + 1 }}]", "[{{ side }}]",
         survives="the threads of a warp meet in one bank of shared memory: slower, and right"),
]  # fmt: skip

IN_LOOPS = [
    Edit("an axis is not wrapped", programs.several_axes, LOOPS,
         "{% if not loop.first %} % ({{ axis.extent | size }}){% endif %}"),
    Edit("elements beyond the tail are reduced", programs.total, LOOPS, "if (k >= {{ count }}) continue;"),
    Edit("all elements of an access have the first one's position", programs.maps, LOOPS, "{{ axis }}_first + k;",
         "{{ axis }}_first;"),
    Edit("a tail is stored as if it were whole", programs.maps, LOOPS,
         ', stored_{{ loop.index0 }}{{ ", " ~ count if count }}', ", stored_{{ loop.index0 }}", is_quick=True),
    Edit("a tail is loaded as if it were whole", programs.total, LOOPS,
         '(axis) }}){{ ", " ~ count if count }});\n{% endfor %}\n{% for s in found.stores %}\n{{ indent }}GoVector',
         "(axis) }}));\n{% endfor %}\n{% for s in found.stores %}\n{{ indent }}GoVector", survives=MASKED),
    Edit("all elements of an access are held in one place", programs.rows, LOOPS, "_held[{{ slot }}] =",
         "_held[{{ slot }} - k] ="),
    Edit("a held value is the neighbour's", programs.rows, LOOPS, "}}_held[{{ slot }}];",
         "}}_held[({{ slot }}) ^ 1];"),
    Edit("all threads store a row's result", programs.rows, LOOPS,
         '{{ "if (" ~ condition ~ ") " if s is statement("Store") }}', survives=ALIKE),
    Edit("what is collected begins behind the first place", programs.in_order, LOOPS, "[{{ s.target }}++]",
         "[++{{ s.target }}]"),
    Edit("what is scattered to one place replaces what was", programs.in_order, LOOPS,
         "ops.written(s, s.dtype | suffix)", "s.value | operand"),
    Edit("the positions of columns begin with the second", programs.columns, LOOPS, "}} = {{ from }};",
         "}} = 1 + ({{ from }});"),
]  # fmt: skip

IN_ROWS = [
    Edit("no barrier between rows", programs.many_rows, ROWS,
         "if (kTeam == 0) __syncthreads();  // before the next row uses the shared memory", is_quick=True),
    Edit("each team does its first row only", programs.many_rows, ROWS,
         "{{ row }} += static_cast<int64_t>(gridDim.x) * blockDim.y", "{{ row }} += rows"),
    Edit("all warps of a block do one row", programs.rows, ROWS, "* blockDim.y + threadIdx.y; {{ row }} < rows",
         "* blockDim.y; {{ row }} < rows"),
    Edit("one row too many", programs.rows, ROWS, "{{ row }} < rows;", "{{ row }} <= rows;"),
    Edit("a team is always a warp", programs.rows, ROWS, "kTeam != 0 ? kTeam : static_cast<int>(blockDim.x)", "32"),
    Edit("one held element too many", programs.rows, ROWS, ">= width) continue", "> width) continue"),
    Edit("held elements of neighbours overlap", programs.rows, ROWS, "static_cast<int>(threadIdx.x) * kVector",
         "static_cast<int>(threadIdx.x)"),
    Edit("one access of a row too many", programs.rows, ROWS, "{{ number }} < width; {{ number }} += team",
         "{{ number }} <= width; {{ number }} += team", is_quick=True),
    Edit("a row's first access is left out", programs.rows, ROWS, "}} = threadIdx.x * kVector;",
         "}} = (threadIdx.x + 1) * kVector;"),
    Edit("a row's accesses step by one team's elements", programs.rows, ROWS, "+= team * kVector", "+= team"),
    Edit("parts overlap by one access", programs.long_rows, ROWS, "{{ number }} < end;", "{{ number }} <= end;"),
    Edit("parts are not whole accesses long", programs.long_rows, ROWS,
         "((width + parts - 1) / parts + {{ threads - 1 }}) / {{ threads }} * {{ threads }}",
         "(width + parts - 1) / parts", is_quick=True),
    Edit("a part's length is rounded down", programs.long_rows, ROWS, "((width + parts - 1) / parts +",
         "(width / parts +"),
    Edit("the last part runs beyond the row", programs.long_rows, ROWS,
         "begin + length < width ? begin + length : width", "begin + length"),
    Edit("parts are counted through all rows", programs.long_rows, ROWS, "blockIdx.x % parts * length",
         "blockIdx.x * length"),
    Edit("all blocks write the same part", programs.long_rows, ROWS, "[blockIdx.x] = {{ r.target }}",
         "[0] = {{ r.target }}"),
    Edit("a total's tail is taken for whole", programs.total, ROWS, "- {{ number }} < kVector ?",
         "- {{ number }} < 0 ?"),
    Edit("a part too many is joined", programs.long_rows, ROWS, "part < parts; part +=", "part <= parts; part +="),
    Edit("the first part is not joined", programs.long_rows, ROWS, "part = threadIdx.x;", "part = threadIdx.x + 1;"),
    Edit("a warp without a row joins", programs.long_rows, ROWS, "  if ({{ row }} >= rows) return;\n"),
    Edit("the lanes that join are not combined", programs.long_rows, ROWS,
         "{% for r in reductions %}\n  {{ r.target }} = go_warp_{{ r.op.name }}_{{ r.dtype | suffix }}({{ "
         "r.target }});\n{% endfor %}"),
    Edit("rows are joined with another row's parts", programs.long_rows, ROWS, '~ row ~ " * parts + part]"',
         '~ row ~ " + part]"'),
]  # fmt: skip

IN_REDUCTIONS = [
    Edit("no barrier between warps", programs.rows, REDUCTION, "{{ indent }}  __syncthreads();", is_quick=True),
    Edit("a barrier that some threads miss", programs.rows, REDUCTION, "{{ indent }}  __syncthreads();",
         "{{ indent }}  if (threadIdx.x < 40) __syncthreads();", is_quick=True),
    Edit("a warp's last combination is missing", programs.rows, REDUCTION, "step > 0", "step > 1", is_quick=True),
    Edit("half a warp is combined", programs.rows, REDUCTION, "step = 16", "step = 8"),
    Edit("only the first lane has the result", programs.rows, REDUCTION, "return __shfl_sync(0xffffffffu, value, 0);",
         "return value;"),
    Edit("a warp's result is another lane's", programs.rows, REDUCTION, "__shfl_sync(0xffffffffu, value, 0)",
         "__shfl_sync(0xffffffffu, value, 1)"),
    Edit("half of the lanes are named to a shuffle", programs.rows, REDUCTION, "__shfl_down_sync(0xffffffffu",
         "__shfl_down_sync(0x0000ffffu", is_quick=True),
    Edit("one warp too many is combined", programs.rows, REDUCTION, "blockDim.x) / 32 ?", "blockDim.x) / 32 + 1 ?"),
    Edit("missing warps count as 0", programs.total, REDUCTION, "static_cast<{{ type }}>({{ ops.start(op, t) }})",
         "static_cast<{{ type }}>(0)"),
    Edit("threads begin with 0", programs.total, REDUCTION, "}} = {{ ops.start(r.op.name, r.dtype | suffix) }};",
         "}} = 0;"),
    Edit("two warps share a place", programs.rows, REDUCTION, "[threadIdx.x / 32] =", "[threadIdx.x / 64] ="),
    Edit("a block has one warp's place", programs.normalized, REDUCTION, "_warps[32];", "_warps[1];"),
    Edit("another lane stores its warp's result", programs.rows, REDUCTION, "% 32 == 0", "% 32 == 1",
         survives="every lane has its warp's result: right"),
    Edit("max starts from 0", programs.total, EXPRESSIONS, '"-INFINITY" if', '"0" if'),
    Edit("max swallows NaN", programs.total, EXPRESSIONS, '"max": "maximum"', '"max": "fmax"'),
]  # fmt: skip

IN_COLUMNS = [
    Edit("no barrier before a column's steps are combined", programs.columns, COLUMNS,
         "__syncthreads();\n{{ indent }}{{ r.target }}", "{{ r.target }}", is_quick=True),
    Edit("no barrier before shared memory is used again", programs.columns, COLUMNS,
         "__syncthreads();  // before the shared memory is used again"),
    Edit("a column's first step counts twice", programs.columns, COLUMNS, "int step = 1;", "int step = 0;"),
    Edit("too few steps have room", programs.columns, COLUMNS, "[{{ steps_of_block }}]",
         "[{{ steps_of_block - 1 }}]"),
    Edit("threads beside the last column store", programs.columns, COLUMNS, '"inside && threadIdx.y == 0"',
         '"threadIdx.y == 0"'),
    Edit("threads beside the last column are not held back", programs.columns, COLUMNS,
         "inside ? column : columns - 1", "column"),
    Edit("each block does its first columns only", programs.columns, COLUMNS, "task += gridDim.x", "task += tasks"),
    Edit("groups of columns are counted on", programs.long_columns, COLUMNS, "({{ task }} - {{ group }} * blocks)",
         "{{ task }}"),
    Edit("the last part runs beyond the columns", programs.long_columns, COLUMNS,
         "begin + length < depth ? begin + length : depth", "begin + length"),
    Edit("a part's length is rounded down, of columns", programs.long_columns, COLUMNS, "(depth + parts - 1) / parts",
         "depth / parts"),
    Edit("threads beside the last column store parts", programs.long_columns, COLUMNS,
         "if (inside && threadIdx.y == 0) {", "if (threadIdx.y == 0) {"),
    Edit("all parts are the first", programs.long_columns, COLUMNS, '"[part * results + "', '"["'),
    Edit("a thread without a column joins", programs.long_columns, COLUMNS,
         "  if ({{ number }} >= results) return;\n"),
    Edit("a part of columns too many is joined", programs.long_columns, COLUMNS, "part < parts; part++",
         "part <= parts; part++"),
]  # fmt: skip

IN_OTHERS = [
    Edit("an instance's constants are exchanged", programs.maps, KERNEL, '"map": ["typename Index", "int kVector"]',
         '"map": ["int kVector", "typename Index"]'),
    Edit("one row too many in order", programs.in_order, KERNEL, "{{ row }} < rows;", "{{ row }} <= rows;"),
    Edit("the first position in order is left out", programs.in_order, KERNEL, 'stage.lane, "0", "1"',
         'stage.lane, "1", "1"', is_quick=True),
    Edit("a tail is stored with one element more", programs.maps, DIALECT, "if (k < count) to[k]",
         "if (k <= count) to[k]"),
    Edit("all but one element are stored as all", programs.maps, DIALECT, "if (count == kCount) {",
         "if (count >= kCount - 1) {"),
    Edit("a tail is loaded as zeros", programs.maps, DIALECT, "value[k] = k < count ?", "value[k] = k + 1 < count ?"),
    Edit("neighbouring elements come one by one", programs.maps, DIALECT, "alignas(sizeof(T) * kCount)", "alignas(T)",
         survives="several accesses in place of one: slower, and right"),
]  # fmt: skip


def _always(holds):
    return lambda self, sizes, addresses: True


def _small_rooms_first(filters):
    def before(slots, slot):
        sizes = {s.room: np.dtype(s.dtype).itemsize for s in slots}
        order = sorted(sizes, key=lambda room: sizes[room])
        return [sizes[room] for room in order[: order.index(slot.room)]]

    return filters | {"rooms_before": before}


def _exchanged(hold):
    """What is recalled is another slot of the same dtype."""

    def wrong(stages):
        stages = hold(stages)
        kept = [s.slot for stage in stages for s in stage.lane if isinstance(s, Recall)]
        other = dict(zip(kept, [*kept[1:], kept[0]], strict=True))
        return tuple(
            Stage(stage.row, tuple(replace(s, slot=other[s.slot]) if isinstance(s, Recall) else s for s in stage.lane))
            for stage in stages
        )

    return wrong


def _half_of_shared(make):
    return lambda *given: (replace(i, shared=i.shared // 2) for i in make(*given))


IN_DECISIONS = [
    Patch("wide accesses to buffers that are not aligned", programs.maps, Aligned, "holds", _always, is_askew=True,
          is_quick=True),
    Patch("wide accesses to rows that are not", programs.rows, Aligned, "holds", _always, is_askew=True),
    Patch("wide accesses along rows of any length", programs.maps, MultipleOf, "holds", _always, is_quick=True),
    Patch("wide accesses along held rows of any length", programs.rows, MultipleOf, "holds", _always),
    Patch("wide accesses behind any offset", programs.maps, wide_accesses, "_multiples",
          lambda was: lambda *given: []),
    Patch("rows of any length in any room", programs.rows, AtMost, "holds", _always, is_quick=True),
    Patch("held values share a room", programs.two_rooms, launch_reductions, "slots",
          lambda slots: lambda stages: tuple(replace(slot, room=0) for slot in slots(stages)), is_quick=True),
    Patch("a room's size is forgotten", programs.mixed, launch_reductions, "_wide_or_not", _half_of_shared),
    Patch("smaller rooms lie before larger ones", programs.mixed, cuda, "FILTERS", _small_rooms_first, is_quick=True),
    Patch("shared memory without a limit", programs.two_rooms, launch_reductions, "SHARED", lambda was: 2**40),
    Patch("what is recalled is something else", programs.two_rooms, launch_reductions, "hold", _exchanged),
    Patch("rows that are gone through twice are split", programs.rows, launch_reductions, "_reduces_once",
          lambda was: lambda kernel: True),
    Patch("too little room for parts", programs.long_rows, launch_reductions, "Scratch",
          lambda made: lambda name, dtype, count: made(name, dtype, count // 2)),
    Patch("the last few rows get no block", programs.rows, launch_reductions, "portions",
          lambda was: lambda number, size: number // size),
    Patch("positions are counted in 32 bits however many there are", programs.maps, launch, "BELOW",
          lambda was: 2**62,
          survives="no buffer here has 2**31 elements; the tests of launches hold the bound against the indices"),
]  # fmt: skip

IN_PRODUCTS = [
    Edit("no barrier before a tile is used", programs.product, PRODUCT, "__syncthreads();\n      for", "for"),
    Edit("no barrier before the next tiles come", programs.product, PRODUCT,
         "__syncthreads();  // before the next tiles come"),
    Edit("a tile reads beyond the depth", programs.product, PRODUCT, "row < rows && k_left < depth", "row < rows"),
    Edit("a tile writes beyond the last row", programs.product, PRODUCT, "if (row < rows && column < columns)",
         "if (column < columns)"),
    Edit("rows and columns of a product's tile are exchanged", programs.product, PRODUCT, "right[k][threadIdx.x]",
         "right[threadIdx.x][k]"),
]  # fmt: skip

FAULTS: list[Fault] = [
    *IN_MAPS, *IN_LOOPS, *IN_ROWS, *IN_REDUCTIONS, *IN_COLUMNS, *IN_OTHERS, *IN_DECISIONS, *IN_PRODUCTS,
]  # fmt: skip
