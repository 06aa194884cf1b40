"""Which op has which target, exact meaning and derivative: found by asking op, schedule and templates, never listed.

A target has an op of loops if the templates write an element of it for the dtypes that it computes in, and every
function in that text is defined in the headers of the target. What an op lacks has a reason: its result's dtype, or a
row in `graphopt.ops.reasons`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import graphopt.ops
from graphopt.analysis.iteration import in_loops
from graphopt.codegen.c import c_source
from graphopt.codegen.cuda import cuda_source
from graphopt.codegen.environment import SUFFIX, environment, literal_text
from graphopt.codegen.own_text import own_text
from graphopt.errors import GraphoptError, UnsupportedExpression
from graphopt.graph.graph import Graph
from graphopt.op import Expression, NoDerivative, Op
from graphopt.ops import TABLE
from graphopt.ops.reasons import REASONS
from graphopt.schedule.schedule import schedule, step_rule
from graphopt.types import DTYPES, TensorType, is_float
from graphopt.variable import Variable, literal, variable

__all__ = ["COMMAND", "TARGETS", "Coverage", "coverage", "lacking", "markdown"]

COMMAND = "python -m graphopt ops --markdown > docs/ops.md"
"""What writes the page `docs/ops.md` anew."""

TARGETS = {"c": "C", "cuda": "CUDA"}

_HEAD = f"""# Ops

What graphs are made of, one file of `graphopt/ops/` a table. The functions of `graphopt.tensor` are these or composed
of them. C and CUDA show how an element is written, or how the op is computed otherwise: `steps` are loops or library
calls of its own, `view` is an index into what its operand is, `moves` copies elements within the loops of a kernel,
`host call` is the NumPy meaning called in the middle of the program. *Exact* is the meaning over real numbers (mpmath);
integers are NumPy's there. What is missing has its reason in the last column.

Written by `{COMMAND}`.
"""
PART = "in part"
"""For a derivative that exists with respect to some operands only."""

_OPERANDS = ("x", "y", "z")
_ATTRIBUTES: tuple[Mapping[str, Any], ...] = ({}, {"axis": (0,)}, *({"dtype": dtype} for dtype in DTYPES))
_USED = re.compile(r"\bgo_\w+(?=\()")
_DEFINED = re.compile(r"\b(go_\w+)\([^()]*\)\s*\{|^#define (go_\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Coverage:
    """One op, seen from outside.

    Attributes
    ----------
    name, traits
        The op's.
    family
        The file of `graphopt/ops/` that defines it; empty for an op from elsewhere.
    cells
        What it has in each column: "c", "cuda", "exact", "derivative". Empty for nothing.
    reasons
        For every cell that is empty or says "in part", why it does; empty if nobody says.
    """

    name: str
    family: str
    traits: tuple[str, ...]
    cells: Mapping[str, str]
    reasons: Mapping[str, str]


def coverage() -> list[Coverage]:
    """Every op of the table, in the order of definition."""
    families = _families()
    return [_covered(op, families.get(op.name, "")) for op in TABLE.values()]


def lacking(rows: Iterable[Coverage]) -> list[str]:
    """What is wrong with the reasons: blanks that have none, and reasons for what is no blank."""
    rows = list(rows)
    blanks = {(row.name, column): why for row in rows for column, why in row.reasons.items()}
    given = {(name, column) for column, reasons in REASONS.items() for name in reasons}
    return [
        *[f"{name}: no reason why it has no {column}" for (name, column), why in blanks.items() if not why],
        *[f"{name}: a reason why it has no {column}, which it has" for name, column in sorted(given - blanks.keys())],
    ]


def markdown(rows: Iterable[Coverage]) -> str:
    """The page: a table for each family. Ops from elsewhere are left out, so that the page is the same everywhere."""
    tables: dict[str, list[Coverage]] = {}
    for row in rows:
        if row.family:
            tables.setdefault(row.family, []).append(row)
    return "\n".join([_HEAD, *(_section(family, tables[family]) for family in sorted(tables))])


def _section(family: str, rows: Sequence[Coverage]) -> str:
    heads = ("op", "traits", *TARGETS.values(), "exact", "derivative", "reasons")
    lines = [f"## {family}", "", _line(heads), _line(["---"] * len(heads))]
    for row in rows:
        reasons = "; ".join(f"{TARGETS.get(column, column)}: {why}" for column, why in row.reasons.items())
        lines.append(_line((f"`{row.name}`", ", ".join(row.traits), *row.cells.values(), reasons)))
    return "\n".join([*lines, ""])


def _line(cells: Iterable[str]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


# --- one op -----------------------------------------------------------------------------------------------------------


def _covered(op: Op, family: str) -> Coverage:
    samples = list(_samples(op))
    cells = {target: _computed(op, target, samples) for target in TARGETS}
    cells |= {"exact": _exact(op, samples), "derivative": _derivative(op, samples)}
    reasons = {column: _reason(op, column, samples) for column, cell in cells.items() if cell in ("", PART)}
    return Coverage(op.name, family, tuple(sorted(op.traits)), cells, reasons)


def _reason(op: Op, column: str, samples: Sequence[Variable]) -> str:
    if given := REASONS[column].get(op.name):
        return given
    if column != "derivative":
        return ""
    if op.arity == 0:
        return "a leaf"
    if unknown := [part.reason for part in _pulled_back(op, samples) if isinstance(part, NoDerivative)]:
        return unknown[0]
    if samples and not any(is_float(sample.dtype) for sample in samples):
        kinds = {"bool" if sample.dtype == "bool" else "an integer" for sample in samples}
        return f"the result is {' or '.join(sorted(kinds, reverse=True))}"
    return ""


def _samples(op: Op) -> Iterator[Variable]:
    """Applications of an op to operands of every dtype that it takes; none of one that needs attributes of its own."""
    if not op.arity:
        return
    alike = [(dtype,) * op.arity for dtype in DTYPES]
    for dtypes in (*alike, ("float64", "bool")):  # the last for what takes a value and a condition
        operands = [variable(*pair) for pair in zip(_OPERANDS, (TensorType(d, (2, 2)) for d in dtypes), strict=False)]
        for attributes in _ATTRIBUTES:
            try:
                sample = op(*operands, **attributes)
            except (GraphoptError, KeyError, TypeError, IndexError):
                continue
            yield sample
            if "dtype" not in attributes:
                break


def _exact(op: Op, samples: Sequence[Variable]) -> str:
    if op.exact is not None or (op.arity == 0 and op.numpy is not None):
        return "yes"
    floats = any(is_float(v.dtype) for sample in samples for v in (sample, *sample.operands))
    return "integers" if samples and not floats else ""


def _derivative(op: Op, samples: Sequence[Variable]) -> str:
    """Whether some operand gets a cotangent; an op that could not be applied here is taken at its word."""
    if op.pullback is None or op.arity == 0:
        return ""
    if samples and not any(is_float(sample.dtype) for sample in samples):
        return ""
    parts = _pulled_back(op, samples)
    if not any(isinstance(part, Expression) for part in parts):
        return "" if parts else "yes"
    return PART if any(isinstance(part, NoDerivative) for part in parts) else "yes"


def _pulled_back(op: Op, samples: Sequence[Variable]) -> Sequence[Any]:
    """What the operands of a sample get; nothing if there is none, or one without the attributes that it needs."""
    sample = next((sample for sample in reversed(samples) if is_float(sample.dtype)), None)
    if sample is None or op.pullback is None:
        return ()
    try:
        return op.pullback(variable("g", sample.type), _Applied(sample.operands, sample, sample.attributes))
    except KeyError:
        return ()


@dataclass(frozen=True)
class _Applied:
    operands: Sequence[Any]
    result: Any
    attributes: Any


# --- targets ----------------------------------------------------------------------------------------------------------


def _computed(op: Op, target: str, samples: Sequence[Variable]) -> str:
    """How a target computes an op; empty if it does not."""
    if op.arity == 0:
        return "leaf"
    if op.expand is not None:
        return "expanded by `lower`"
    if "host" in op.traits:
        return "host call"
    if step_rule(op) is not None:
        return "steps"
    if "view" in op.traits:
        return "view"
    if not in_loops(op):
        return ""
    return _written(op, target, samples) if {"elementwise", "reduction"} & op.traits else "moves"


def _written(op: Op, target: str, samples: Sequence[Variable]) -> str:
    """An element as the templates write it, if they write it for some dtype; and those for which they do not."""
    texts = {sample.operands[-1].dtype: _element(op, target, sample) for sample in samples}
    known = {dtype: text for dtype, text in texts.items() if set(_USED.findall(text)) <= _functions(target)}
    shown = next((known[dtype] for dtype in ("float64", "int64", *known) if known.get(dtype)), "")
    missing = [dtype for dtype in texts if not known.get(dtype)]
    return f"`{shown}`" + (f" but for {', '.join(missing)}" if missing else "") if shown else ""


def _element(op: Op, target: str, sample: Variable) -> str:
    expressions: Any = environment().get_template("expressions.j2").module
    loop, names = sample.operands[-1].dtype, list(_OPERANDS[: len(sample.operands)])
    if "reduction" in op.traits:
        return str(expressions.combine(op.name, SUFFIX[loop], "x", "y")).strip()
    try:
        own = own_text(op, target, names, loop, literal_text)
    except UnsupportedExpression:
        return ""
    return str(expressions.expression(op.name, SUFFIX[loop], names, SUFFIX[sample.dtype], own)).strip()


@cache
def _functions(target: str) -> frozenset[str]:
    """The functions that the headers of a target define."""
    program = schedule(Graph.from_outputs([], literal(0.0, "float64", ())), keep=target == "c")
    headers = (c_source if target == "c" else cuda_source)(program).headers
    return frozenset(name for text in headers.values() for pair in _DEFINED.findall(text) for name in pair if name)


def _families() -> dict[str, str]:
    """The file of `graphopt/ops/` in which each op is assigned to a name."""
    found: dict[str, str] = {}
    for info in pkgutil.iter_modules(graphopt.ops.__path__):
        module = importlib.import_module(f"graphopt.ops.{info.name}")
        assigned = {
            node.id
            for node in ast.walk(ast.parse(inspect.getsource(module)))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for name in assigned:
            if isinstance(op := vars(module).get(name), Op):
                found[op.name] = info.name
    return found
