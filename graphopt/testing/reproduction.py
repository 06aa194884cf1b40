"""Programs that show a failed verification again: text to be pasted into a file and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.ops.custom import Elementwise

__all__ = ["calling", "parsing"]

_DEFAULTS = {
    "mode": "reverse", "stabilize": True, "order": 1, "oracle": "auto", "step": None, "rtol": None, "atol": None,
    "seed": 0,
}  # fmt: skip


def parsing(graph: Graph, grad: Any, point: Mapping[str, Any], wrt: Sequence[str], options: Mapping[str, Any]) -> str:
    """Verification of a graph at a point."""
    head = ["import numpy as np", "from numpy import inf, nan", "from graphopt import Graph"]
    defined = sorted({graph.op(n).name for n in graph if isinstance(graph.op(n).type_rule, Elementwise)})
    if defined:
        head.append(f"# and the modules that define {', '.join(defined)}")
    own, extra = _gradient(grad)
    return "\n".join([
        *head, *own, "from graphopt.testing import verify_grad", "",
        f"graph = Graph.parse('''\n{graph_text(graph, origins=False)}''')",
        _call("graph", point, wrt, extra, options),
    ])  # fmt: skip


def calling(
    called: Callable[..., Any], grad: Any, point: Mapping[str, Any], wrt: Sequence[str], options: Mapping[str, Any]
) -> str:
    """Verification of a Python function at a point."""
    own, extra = _gradient(grad)
    return "\n".join([
        "import numpy as np", "from numpy import inf, nan", _importing(called), *own,
        "from graphopt.testing import verify_grad", "",
        _call(called.__name__ if _is_importable(called) else "function", point, wrt, extra, options),
    ])  # fmt: skip


def _gradient(grad: Any) -> tuple[list[str], str]:
    if grad is None:
        return [], ""
    return [_importing(grad, "gradient")], f", grad={grad.__name__ if _is_importable(grad) else 'gradient'}"


def _is_importable(called: Any) -> bool:
    name = getattr(called, "__qualname__", "")
    return name.isidentifier() and getattr(called, "__module__", None) not in (None, "__main__")


def _importing(called: Any, name: str = "function") -> str:
    if _is_importable(called):
        return f"from {called.__module__} import {called.__name__}"
    return f"# {name} = {getattr(called, '__qualname__', repr(called))}, as it was given"


def _call(what: str, point: Mapping[str, Any], wrt: Sequence[str], extra: str, options: Mapping[str, Any]) -> str:
    values = "".join(f"    {name!r}: {_array(value)},\n" for name, value in point.items())
    chosen = "".join(f", {key}={value!r}" for key, value in options.items() if value != _DEFAULTS[key])
    return f"verify_grad({what}, {{\n{values}}}, wrt={list(wrt)!r}{extra}{chosen})"


def _array(value: Any) -> str:
    array = np.asarray(value)
    return f"np.array({array.tolist()!r}, {str(array.dtype)!r})"
