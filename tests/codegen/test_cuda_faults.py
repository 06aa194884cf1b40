"""Bugs planted in the templates are noticed by some order of threads, some guard page or some wrong result.

Each is one edit of one template, laid over the package's by `Options.templates`.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pytest
from cuda_corpus import matrix
from cuda_support import DRIVERS, Case, normal

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import DeviceFailed


def rows(templates):
    x = matrix()
    case = Case([x], {"softmax": T.softmax(x, axis=1)}, templates=templates)
    return case, [{"x": normal((3, 71)) - 9}, {"x": normal((4, 1000))}]


def one_reduction(templates):
    """More rows than blocks, and one barrier a row: the next row may come too early."""
    x = matrix()
    return Case([x], T.sum(x, axis=1), templates=templates), [{"x": normal((2048 * 2 + 3, 300))}]


def columns(templates):
    x, b = matrix(), go.variable("b", "float32[m]")
    case = Case([x, b], {"softmax": T.softmax(x, axis=0), "sum": T.sum(x * b, axis=0)}, templates=templates)
    return case, [{"x": normal(shape) - 9, "b": normal(shape[1:])} for shape in [(9, 40), (50, 3)]]


def total(templates):
    x = matrix()
    case = Case([x], {"sum": T.sum(x), "max": T.max(x)}, templates=templates)
    with_nan = normal((3, 50))
    with_nan[1, 7] = np.nan
    return case, [{"x": normal((70, 100)) - 9}, {"x": with_nan}]


def product(templates):
    """Sizes that leave large tiles alone: 64 of them, one for each matrix of a stack, beyond whose edges they reach."""
    a, b = go.variable("a", "float32[64, 43, 21]"), go.variable("b", "float32[64, 21, 37]")
    c = go.variable("c", "float32[37]")
    case = Case([a, b, c], T.maximum(a[:, 2:] @ b + c, 0), templates=templates, multiplies=())
    return case, [{"a": normal((64, 43, 21)), "b": normal((64, 21, 37)), "c": normal((37,))}]


def deep_product(templates):
    """Small tiles whose depth is in three parts."""
    a, b = go.variable("a", "float32[9, 1600]"), go.variable("b", "float32[1600, 5]")
    c = go.variable("c", "float32[5]")
    case = Case([a, b, c], T.maximum(a @ b + c, 0), templates=templates, multiplies=())
    return case, [{"a": normal((9, 1600)), "b": normal((1600, 5)), "c": normal((5,))}]


def map_(templates):
    x, p = matrix(), go.variable("p", "float32[n]")
    case = Case([x, p], T.transpose(x) * p, templates=templates)
    return case, [{"x": normal((5, 70)), "p": normal((5,))}]


@dataclass(frozen=True)
class Fault:
    """In `template`, the text `old`, which stands there once, becomes `new`."""

    what: str
    program: object
    template: str
    old: str
    new: str = ""


KERNEL, REDUCTION, PRODUCT = "cuda/kernel.cu.j2", "cuda/reduction.cu.j2", "cuda/product.cu.j2"
FAULTS = [
    Fault("no barrier between warps", rows, REDUCTION, "{{ indent }}__syncthreads();"),
    Fault(
        "no barrier between rows",
        one_reduction,
        KERNEL,
        "__syncthreads();  // before the next row uses the shared memory",
    ),
    Fault("the warp's last combination is missing", rows, REDUCTION, "step > 0", "step > 1"),
    Fault("half a warp is combined", rows, REDUCTION, "step = 16", "step = 8"),
    Fault("one warp is left out", rows, REDUCTION, "warp = 1;", "warp = 2;"),
    Fault("a warp's result is taken from a wrong lane", rows, REDUCTION, "% 32 == 0", "% 32 == 1"),
    Fault(
        "a barrier that some threads miss",
        rows,
        REDUCTION,
        "{{ indent }}__syncthreads();",
        "{{ indent }}if (threadIdx.x < 40) __syncthreads();",
    ),
    Fault("one position too many", rows, KERNEL, "{{ number }} < {{ to }}", "{{ number }} <= {{ to }}"),
    Fault(
        "the first position is left out", rows, KERNEL, '"threadIdx.x", "blockDim.x"', '"threadIdx.x + 1", "blockDim.x"'
    ),
    Fault("max starts from 0", total, "expressions.j2", '"-INFINITY" if', '"0" if'),
    Fault("each block does its first row only", one_reduction, KERNEL, "{{ row }} += gridDim.x", "{{ row }} += rows"),
    Fault(
        "no barrier before a column's steps are combined",
        columns,
        KERNEL,
        "    __syncthreads();\n    {{ r.target }}",
        "    {{ r.target }}",
    ),
    Fault(
        "no barrier before columns use shared memory again",
        columns,
        KERNEL,
        "__syncthreads();  // before the shared memory is used again",
    ),
    Fault("threads beside the last column store", columns, KERNEL, "inside && threadIdx", "threadIdx"),
    Fault(
        "threads beside the last column are not held back", columns, KERNEL, "inside ? column : columns - 1", "column"
    ),
    Fault("a column's first step counts twice", columns, KERNEL, "int step = 1;", "int step = 0;"),
    Fault("all blocks write the same part", total, KERNEL, "[blockIdx.x] =", "[0] ="),
    Fault("a part is left out", total, KERNEL, "part = threadIdx.x", "part = threadIdx.x + 1"),
    Fault("a part too many", total, KERNEL, "part < parts", "part <= parts"),
    Fault("max swallows NaN", total, "expressions.j2", '"max": "maximum"', '"max": "fmax"'),
    Fault("one position of a map too many", map_, KERNEL, "{{ number }} < positions", "{{ number }} <= positions"),
    Fault(
        "blocks of a map overlap and the end is left out",
        map_,
        KERNEL,
        "+ threadIdx.x; {{ number }} < positions",
        "/ 2 + threadIdx.x; {{ number }} < positions / 2",
    ),
    Fault("an axis is not wrapped", map_, KERNEL, "{% if not loop.first %} % ({{ axis.extent | size }}){% endif %}"),
    Fault("no barrier before a tile is used", product, PRODUCT, "__syncthreads();\n#pragma", "#pragma"),
    Fault("no barrier before the next tile comes", product, PRODUCT, "__syncthreads();  // before the next tiles come"),
    Fault("a tile reads beyond the depth", product, PRODUCT, "from + k < {{ to }} && "),
    Fault("a tile reads beyond the last row", product, PRODUCT, " && {{ first }} + {{ line }} < {{ lines }}"),
    Fault(
        "the last element of the depth is left out", product, PRODUCT, "from + k < {{ to }}", "from + k < {{ to }} - 1"
    ),
    Fault("the last step of the depth is left out", product, PRODUCT, "from < {{ to }};", "from + 16 <= {{ to }};"),
    Fault(
        "a tile writes beyond the last row",
        product,
        PRODUCT,
        "if (row < rows && column < columns)",
        "if (column < columns)",
    ),
    Fault(
        "a tile writes beyond the last column",
        product,
        PRODUCT,
        "if (row < rows && column < columns)",
        "if (row < rows)",
    ),
    Fault("rows and columns of a tile are exchanged", product, PRODUCT, "right[k][own_column", "right[k][own_row"),
    Fault(
        "rows of a tile are too short", product, PRODUCT, "right[{{ tile.depth }}][{{ tile.size +", "right[1][{{ 1 +"
    ),
    Fault("half of a tile is not fetched", product, PRODUCT, "part * {{ threads }}", "part * {{ threads // 2 }}"),
    Fault("an operand begins at its buffer's start", product, PRODUCT, " + ({{ matrix.offset | size }})"),
    Fault("a batch begins where the first does", product, PRODUCT, " + b{{ loop.index0 }} * ({{ stride | size }})"),
    Fault("a thread's rows are all its first", product, PRODUCT, "[own_row + i]", "[own_row]"),
    Fault("an epilogue looks at a tile's first column", product, PRODUCT, "= column;", "= first_column;"),
    Fault("totals begin with what the registers held", product, PRODUCT, "[{{ each }}] = {};", "[{{ each }}] = {1};"),
    Fault("all parts of the depth begin at 0", deep_product, PRODUCT, "begin = blockIdx.y * span", "begin = 0"),
    Fault("parts of the depth overlap", deep_product, PRODUCT, "? begin + span : depth", "? begin + span + 1 : depth"),
    Fault("parts of the depth leave out its end", deep_product, PRODUCT, "(depth + gridDim.y - 1)", "depth"),
    Fault("a part is left out of the sum", deep_product, PRODUCT, "part = 1; part < parts", "part = 2; part < parts"),
    Fault("a part too many is added", deep_product, PRODUCT, "part = 1; part < parts", "part = 1; part <= parts"),
    Fault("all parts are written to one place", deep_product, PRODUCT, "(blockIdx.y * {{ lines(p) }} + ", "("),
    Fault(
        "the element is stored before its epilogue",
        product,
        PRODUCT,
        "const {{ s.dtype | c_type }} {{ s.target }} = {{ total }};",
        "const {{ s.dtype | c_type }} {{ s.target }} = 0;",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_planted_fault_is_noticed(fault, tmp_path):
    text = files("graphopt.templates").joinpath(fault.template).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1
    damaged = tmp_path / fault.template
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    case, inputs = fault.program((tmp_path,))
    with pytest.raises((AssertionError, DeviceFailed)):
        for arrays in inputs:
            case.check(arrays, DRIVERS, tolerance=256)


@pytest.mark.parametrize("program", [rows, one_reduction, columns, total, product, deep_product, map_])
def test_the_same_programs_pass_undamaged(program):
    case, inputs = program(())
    for arrays in inputs:
        case.check(arrays, DRIVERS[:3] if program is one_reduction else DRIVERS, tolerance=256)
