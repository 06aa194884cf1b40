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
from graphopt.schedule import launch, launch_products, launch_reductions, online
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
DIALECT, EXPRESSIONS, SCALAR = "cuda/dialect.cuh.j2", "expressions.j2", "cuda/scalar.cuh.j2"
PRODUCT = "cuda/product.cu.j2"

AGAIN = "several threads compute the same elements from what none of them changes: slower, and right"
ALIKE = "all threads of the team have the same bits, and all of them store those: slower, and right"

IN_MAPS = [
    Edit("one access of a map too many", programs.maps, MAP, "position_first < positions;",
         "position_first <= positions;"),
    Edit("one position of a map too many", programs.long_body, MAP, "{{ number }} < positions; {{ number }} += step)",
         "{{ number }} <= positions; {{ number }} += step)"),
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
    Edit("all elements of an access have the first one's position", programs.maps, LOOPS, "{{ axis }}_first + k;",
         "{{ axis }}_first;"),
    Edit("an access is its first element throughout", programs.maps, LOOPS, '(s.target ~ "_wide" ~ loaded ~ "[k]")',
         '(s.target ~ "_wide" ~ loaded ~ "[0]")'),
    Edit("all elements of an access are held in one place", programs.rows, LOOPS, "_held{{ slot }} =",
         '_held{{ slot | replace("k]", "0]") }} ='),
    Edit("what an access held is its first element throughout", programs.rows, LOOPS, '(s.target ~ "_held" ~ slot)',
         '(s.target ~ "_held" ~ slot | replace("k]", "0]"))', is_quick=True),
    Edit("a store has all but its last element", programs.maps, LOOPS, "stored_{{ found.stores.index(s) }}[k] =",
         "if (k + 1 < {{ lanes }} || k == 0) stored_{{ found.stores.index(s) }}[k] ="),
    Edit("a held value is the neighbour's", programs.rows, LOOPS, "_held{{ slot }};",
         '_held{{ slot | replace("k]", "kVector - 1 - k]") }};'),
    Edit("all threads store a row's result", programs.rows, LOOPS,
         '{{ "if (" ~ condition ~ ") " if s is statement("Store") }}', survives=ALIKE),
    Edit("what is collected begins behind the first place", programs.in_order, LOOPS, "[{{ s.target }}++]",
         "[++{{ s.target }}]"),
    Edit("what is scattered to one place replaces what was", programs.in_order, LOOPS,
         "ops.written(s, s.dtype | suffix)", "s.value | operand"),
    Edit("the positions of columns begin with the second", programs.columns, LOOPS, "}} = {{ from }};",
         "}} = 1 + ({{ from }});"),
]  # fmt: skip

IN_TAILS = [
    Edit("a tail of all elements but one is taken for whole", programs.maps, LOOPS, " if from else end }} / kVector",
         ' if from else "(" ~ end ~ " + 1)" }} / kVector', is_quick=True),
    Edit("a tail is left out", programs.maps, LOOPS, "left < {{ end }};", "left < tail;"),
    Edit("a tail has an element too many", programs.maps, LOOPS, "left < {{ end }};", "left <= {{ end }};"),
    Edit("a tail begins behind its first element", programs.maps, LOOPS, "left = tail + {{ first }};",
         "left = tail + 1 + {{ first }};"),
    Edit("a tail begins with the first element of all", programs.total, LOOPS, "left = tail + {{ first }};",
         "left = {{ first }};"),
    Edit("what is left is done in whole accesses", programs.maps, LOOPS, "GoLanes<1>(), left)",
         "GoLanes<kVector>(), left)"),
    Edit("one group too many before a tail", programs.maps, LOOPS, "group < tail;", "group <= tail;"),
    Edit("groups begin one element apart", programs.maps, LOOPS, "{{ first }} * kVector; group",
         "{{ first }}; group"),
    Edit("groups overlap", programs.total, LOOPS, "group += {{ step }} * kVector", "group += {{ step }}"),
    Edit("groups of every part begin with the first element", programs.total, LOOPS,
         "group = {{ from }}{{ first }} *", "group = {{ first }} *"),
    Edit("a part's tail is that of all elements", programs.total, LOOPS, 'tail = {{ from }}{{ "("', 'tail = {{ "("'),
    Edit("groups of several elements are of one", programs.maps, DIALECT, "kCount = kNumber;", "kCount = 1;"),
]  # fmt: skip

IN_ROWS = [
    Edit("no barrier between rows", programs.many_rows, ROWS,
         "if (kTeam != 32) __syncthreads();  // before the next row uses the shared memory", is_quick=True),
    Edit("warps wait for each other between rows", programs.many_rows, ROWS,
         "if (kTeam != 32) __syncthreads();  // before", "__syncthreads();  // before"),
    Edit("warps wait between rows, and blocks do not", programs.many_rows, ROWS,
         "if (kTeam != 32) __syncthreads();  // before", "if (kTeam == 32) __syncthreads();  // before"),
    Edit("each team does its first row only", programs.many_rows, ROWS,
         "{{ row }} += static_cast<int64_t>(gridDim.x) * blockDim.y", "{{ row }} += rows"),
    Edit("all warps of a block do one row", programs.rows, ROWS, "* blockDim.y + threadIdx.y; {{ row }} < rows",
         "* blockDim.y; {{ row }} < rows"),
    Edit("one row too many", programs.rows, ROWS, "{{ row }} < rows;", "{{ row }} <= rows;"),
    Edit("a team is always a warp", programs.rows, ROWS, "kTeam != 0 ? kTeam : static_cast<int>(blockDim.x)", "32"),
    Edit("one held element too many", programs.rows, ROWS, ">= width) continue", "> width) continue"),
    Edit("what is held does not end with the row", programs.rows, ROWS,
         "{{ indent }}  if ({{ number }} >= width) continue;\n", is_quick=True),
    Edit("a thread's accesses are all loaded into one place", programs.rows, ROWS,
         '"wide" }}[item / kVector] =', '"wide" }}[0] ='),
    Edit("a thread computes with its first access throughout", programs.two_rooms, ROWS, 'loaded="[item / kVector]"',
         'loaded="[0]"', is_quick=True),
    Edit("a thread's accesses overlap", programs.rows, ROWS, "item < kItems; item += kVector",
         "item < kItems; item++"),
    Edit("a thread's last access is left out", programs.rows, ROWS, "item < kItems;", "item + kVector < kItems;"),
    Edit("accesses of all teams are a warp's apart", programs.rows, ROWS, "= item * team +", "= item * 32 +"),
    Edit("held elements of neighbours overlap", programs.rows, ROWS, "static_cast<int>(threadIdx.x) * kVector",
         "static_cast<int>(threadIdx.x)"),
    Edit("one access of a row too many", programs.rows, ROWS, "{{ number }} < {{ end }};",
         "{{ number }} <= {{ end }};", is_quick=True),
    Edit("a row's first access is left out", programs.rows, ROWS, "}}threadIdx.x * kVector;",
         "}}(threadIdx.x + 1) * kVector;"),
    Edit("a row's accesses step by one team's elements", programs.rows, ROWS, "+= {{ team }} * kVector",
         "+= {{ team }}"),
    Edit("parts overlap by one access", programs.long_rows, ROWS, "begin + length < width ? begin + length :",
         "begin + length < width ? begin + length + 1 :"),
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
    Edit("a warp's last combination is missing", programs.rows, REDUCTION, "step > 0", "step > 1"),
    Edit("half a warp is combined", programs.rows, REDUCTION, "step = 16", "step = 8"),
    Edit("warps combine what belongs to several rows", programs.rows, REDUCTION, "if (kTeam != 32) {", "if (true) {"),
    Edit("a block does not combine its warps", programs.rows, REDUCTION, "if (kTeam != 32) {", "if (kTeam == 32) {",
         is_quick=True),
    Edit("only the first lane has the result", programs.rows, REDUCTION, "return __shfl_sync(0xffffffffu, value, 0);",
         "return value;"),
    Edit("a warp's result is another lane's", programs.rows, REDUCTION, "__shfl_sync(0xffffffffu, value, 0)",
         "__shfl_sync(0xffffffffu, value, 1)"),
    Edit("half of the lanes are named to a shuffle", programs.rows, REDUCTION, "__shfl_down_sync(0xffffffffu",
         "__shfl_down_sync(0x0000ffffu"),
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
         'stage.lane, "1", "1"'),
    Edit("accesses load what comes one element later", programs.maps, DIALECT, "kCount>*>(from);",
         "kCount>*>(from + 1);"),
    Edit("accesses store one element later", programs.maps, DIALECT, "kCount>*>(to) =", "kCount>*>(to + 1) ="),
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


def _behind(placed):
    """Each sum behind the maximum beside which it is taken."""

    def wrong(lane, sums):
        right = placed(lane, sums)
        return (*(s for s in right if s not in sums), *sums)

    return wrong


def _half_of_shared(make):
    return lambda *given: (replace(i, shared=i.shared // 2) for i in make(*given))


IN_ONLINE = [
    Edit("an element counts from the maximum before it", programs.beside_maximum, LOOPS,
         's.target }}_shift({{ ops.combine("max", t, s.value | operand, s.largest) }});',
         "s.target }}_shift({{ s.largest }});"),
    Edit("a running sum is not rescaled", programs.beside_maximum, LOOPS,
         "go_rescaled_{{ t }}({{ s.target }}, {{ s.target }}_shift({{ s.largest }}), to)", "{{ s.target }}",
         is_quick=True),
    Edit("a running sum is rescaled the wrong way", programs.beside_maximum, LOOPS,
         "{{ s.target }}_shift({{ s.largest }}), to);", "to, {{ s.target }}_shift({{ s.largest }}));"),
    Edit("an element is counted without the maximum", programs.beside_maximum, LOOPS, "({{ s.value | operand }}, to)",
         "({{ s.value | operand }}, to - to)"),
    Edit("a thread's sum is not brought to its team's maximum", programs.beside_maximum, ROWS,
         "{{ s.target }}_own, {{ s.target }}_last)", "{{ s.target }}_own, {{ s.target }}_own)"),
    Edit("a thread's sum is brought to its team's maximum the wrong way", programs.beside_maximum, ROWS,
         "{{ s.target }}_own, {{ s.target }}_last)", "{{ s.target }}_last, {{ s.target }}_own)"),
    Edit("sums beside a maximum are not combined", programs.beside_maximum, ROWS,
         "{{ teams.across(stage.online, \"    \") -}}\n"),
    Edit("what no element was added to is rescaled", programs.beside_maximum, SCALAR,
         "from == to || sum == 0.0{{ c }} ?", "from == to ?"),
    Edit("a sum is rescaled from an infinite maximum to the same", programs.beside_maximum, SCALAR,
         "from == to || sum == 0.0{{ c }} ?", "sum == 0.0{{ c }} ?"),
    Edit("-inf is counted from -inf", programs.beside_maximum, SCALAR, "x == to ? 1.0{{ c }} :"),
    Edit("a row of infinities has a sum", programs.beside_maximum, SCALAR, "sum + (to - to)", "sum"),
    Edit("sums are rescaled by the inverse", programs.beside_maximum, SCALAR, "exp{{ c }}(from - to)",
         "exp{{ c }}(to - from)"),
    Patch("a sum is taken behind its maximum", programs.beside_maximum, online, "_placed", _behind),
]  # fmt: skip

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
          lambda slots: lambda stages: tuple(replace(slot, room=0) for slot in slots(stages))),
    Patch("a room's size is forgotten", programs.mixed, launch_reductions, "_wide_or_not", _half_of_shared),
    Patch("smaller rooms lie before larger ones", programs.mixed, cuda, "FILTERS", _small_rooms_first),
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
    Edit("no barrier before a product's tile is used", programs.product, PRODUCT, "__syncthreads();\n#pragma",
         "#pragma", is_quick=True),
    Edit("no barrier before the next tiles come", programs.product, PRODUCT,
         "__syncthreads();  // before the next tiles come"),
    Edit("a tile reads beyond the depth", programs.product, PRODUCT, "from + k < {{ to }} && "),
    Edit("a tile reads beyond the last row", programs.product, PRODUCT, " && {{ first }} + {{ line }} < {{ lines }}"),
    Edit("the last element of the depth is left out", programs.product, PRODUCT, "from + k < {{ to }}",
         "from + k < {{ to }} - 1"),
    Edit("the last step of the depth is left out", programs.product, PRODUCT, "from < {{ to }};",
         "from + 16 <= {{ to }};"),
    Edit("a tile writes beyond the last row", programs.product, PRODUCT, "if (row < rows && column < columns)",
         "if (column < columns)"),
    Edit("a tile writes beyond the last column", programs.product, PRODUCT, "if (row < rows && column < columns)",
         "if (row < rows)"),
    Edit("rows and columns of a product's tile are exchanged", programs.product, PRODUCT, "right[k][own_column",
         "right[k][own_row"),
    Edit("rows of a product's tile are too short", programs.product, PRODUCT, "right[{{ tile.depth }}][{{ tile.size +",
         "right[1][{{ 1 +"),
    Edit("half of a tile is not fetched", programs.product, PRODUCT, "part * {{ threads }}",
         "part * {{ threads // 2 }}"),
    Edit("an operand begins at its buffer's start", programs.product, PRODUCT, " + ({{ matrix.offset | size }})"),
    Edit("a batch begins where the first does", programs.product, PRODUCT,
         " + b{{ loop.index0 }} * ({{ stride | size }})"),
    Edit("a thread's rows are all its first", programs.product, PRODUCT, "[own_row + i]", "[own_row]"),
    Edit("an epilogue looks at a tile's first column", programs.product, PRODUCT, "= column;", "= first_column;"),
    Edit("totals begin with what the registers held", programs.product, PRODUCT, "[{{ each }}] = {};",
         "[{{ each }}] = {1};"),
    Edit("an epilogue has nothing of its product", programs.product, PRODUCT,
         "const {{ s.dtype | c_type }} {{ s.target }} = {{ total }};",
         "const {{ s.dtype | c_type }} {{ s.target }} = 0;"),
    Edit("all parts of the depth begin at 0", programs.deep_product, PRODUCT, "begin = blockIdx.y * span",
         "begin = 0"),
    Edit("parts of the depth overlap", programs.deep_product, PRODUCT, "? begin + span : depth",
         "? begin + span + 1 : depth"),
    Edit("parts of the depth leave out its end", programs.deep_product, PRODUCT, "(depth + gridDim.y - 1)", "depth"),
    Edit("a part of the depth is left out of the sum", programs.deep_product, PRODUCT, "part = 1; part < parts",
         "part = 2; part < parts"),
    Edit("a part of the depth too many is added", programs.deep_product, PRODUCT, "part = 1; part < parts",
         "part = 1; part <= parts", is_quick=True),
    Edit("all parts of the depth are written to one place", programs.deep_product, PRODUCT,
         "(blockIdx.y * {{ lines(p) }} + ", "("),
    Patch("fewer parts of the depth are joined than there are", programs.deep_product, cuda, "BLOCKS_OF_PARTS",
          lambda was: 2),
    Patch("too little room for parts of the depth", programs.deep_product, launch_products, "Scratch",
          lambda made: lambda name, dtype, count: made(name, dtype, count // 2)),
]  # fmt: skip

FAULTS: list[Fault] = [
    *IN_MAPS, *IN_LOOPS, *IN_TAILS, *IN_ROWS, *IN_REDUCTIONS, *IN_COLUMNS, *IN_ONLINE, *IN_OTHERS, *IN_DECISIONS,
    *IN_PRODUCTS,
]  # fmt: skip
