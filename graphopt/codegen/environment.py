"""The Jinja2 environment that all target text comes from, and the words templates may use.

The search path is the package's `templates/`, with the user's own folders before it: a file of the same name there
takes the place of ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from graphopt.codegen.compiled_templates import CompiledTemplates
from graphopt.codegen.own_text import own_text
from graphopt.dimensions import Dim, DimLike, Opaque, product
from graphopt.schedule.statements import Extent, Index, Literal, Local, Value

__all__ = ["environment", "size_text", "tidy"]

SUFFIX = {
    "bool": "b", "float32": "f32", "float64": "f64",
    **{f"{u}int{b}": f"{u or 'i'}{b}" for u in ("", "u") for b in (8, 16, 32, 64)},
}  # fmt: skip
C_TYPE = {
    "bool": "bool", "float32": "float", "float64": "double",
    **{f"{u}int{b}": f"{u}int{b}_t" for u in ("", "u") for b in (8, 16, 32, 64)},
}  # fmt: skip
C_TYPE_OF_SUFFIX = {SUFFIX[dtype]: text for dtype, text in C_TYPE.items()}


@lru_cache(maxsize=16)
def environment(folders: tuple[str, ...] = ()) -> jinja2.Environment:
    """The environment, with the user's template folders laid over the package's."""
    loaders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(folder) for folder in folders]
    loaders.append(jinja2.FileSystemLoader(str(Path(str(files("graphopt.templates"))))))
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        optimized=False,  # what a template compiles to must depend on its text alone: see CompiledTemplates
        bytecode_cache=CompiledTemplates(),
    )
    made.filters |= {
        "c_type": C_TYPE.__getitem__,
        "c_type_of_suffix": C_TYPE_OF_SUFFIX.__getitem__,
        "index": index_text,
        "literal": literal_text,
        "operand": value_text,
        "own_text": partial(own_text, number=literal_text),
        "size": size_text,
        "suffix": SUFFIX.__getitem__,
    }
    made.tests["statement"] = lambda statement, kind: type(statement).__name__ == kind
    made.globals["product_of"] = product
    return made


def size_text(value: DimLike, name: str = "{}_size") -> str:
    """A dimension as C text; names become `<name>_size`. Sizes are never negative, so `/` is the floor division."""
    if isinstance(value, int):
        return str(value)
    text = ""
    for monomial, factor in value.terms:
        parts = [_atom_text(atom, name) for atom in monomial]
        if abs(factor) != 1 or not parts:
            parts.insert(0, str(abs(factor)))
        body = " * ".join(parts)
        text += (f" - {body}" if factor < 0 else f" + {body}") if text else (f"-{body}" if factor < 0 else body)
    return text


def _atom_text(atom: str | Opaque, name: str) -> str:
    if isinstance(atom, str):
        return name.format(atom)
    a, b = (size_text(operand, name) for operand in atom.operands)
    if atom.function == "//":
        return f"(({a}) / ({b}))"
    return f"(({a}) {'<' if atom.function == 'min' else '>'} ({b}) ? ({a}) : ({b}))"


def index_text(index: Index) -> str:
    """An index map as C text."""
    parts = []
    for axis, stride in index.terms:
        if stride == 1:
            parts.append(axis)
        elif isinstance(stride, Dim) and len(stride.terms) > 1:
            parts.append(f"{axis} * ({size_text(stride)})")
        else:
            parts.append(f"{axis} * {size_text(stride)}")
    if index.offset != 0 or not parts:
        parts.append(size_text(index.offset))
    return " + ".join(parts)


def value_text(value: Value) -> str:
    """An operand as C text."""
    if isinstance(value, Local):
        return value.name
    if isinstance(value, Extent):
        return f"(({C_TYPE[value.dtype]})({size_text(value.value)}))"
    assert isinstance(value, Literal)
    return literal_text(value.value, value.dtype)


def literal_text(value: Any, dtype: str) -> str:
    """A constant as C text that reads back to the same bits."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype.startswith("float"):
        suffix = "f" if dtype == "float32" else ""
        if math.isnan(value):
            return f"(({C_TYPE[dtype]})NAN)"
        if math.isinf(value):
            return f"(({C_TYPE[dtype]}){'-' if value < 0 else ''}INFINITY)"
        shown = repr(float(value)) if dtype == "float64" else str(np.float32(value))
        if not any(c in shown for c in ".e"):
            shown += ".0"
        return f"({shown}{suffix})" if shown.startswith("-") else shown + suffix
    if dtype == "int64":
        text = f"INT64_C({value})" if value > np.iinfo(np.int64).min else "INT64_MIN"
        return text if value >= 0 or value == np.iinfo(np.int64).min else f"(-INT64_C({-value}))"
    if dtype == "uint64":
        return f"UINT64_C({value})"
    return f"(({C_TYPE[dtype]}){value})" if value < 0 or dtype != "int32" else str(value)


def template_folders(folders: Sequence[str | Path]) -> tuple[str, ...]:
    """The user's template folders as the key of an environment."""
    return tuple(str(Path(folder).resolve()) for folder in folders)


def tidy(text: str) -> str:
    """Generated text without the blank lines that templates leave inside functions, and without trailing spaces."""
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{2,}(?=[ \t}])", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text)
