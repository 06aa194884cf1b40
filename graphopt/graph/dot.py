"""Graphs in Graphviz's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["to_dot"]


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_dot(graph: Graph) -> str:
    """The graph as a Graphviz digraph: inputs are boxes, outputs double circles, edges labelled by position."""
    from graphopt.graph.text import application_text

    order = [*graph.inputs.values(), *(n for n in graph.order() if n not in set(graph.inputs.values()))]
    number = {node: position for position, node in enumerate(order)}
    lines = ["digraph graphopt {", '  node [fontname="sans-serif"];']
    for node in order:
        label = graph.name(node) or application_text(graph, node, {})
        shape = "box" if not graph.op(node).arity and graph.op(node).name == "input" else "ellipse"
        lines.append(f"  n{number[node]} [shape={shape}, label={_quote(f'{label}: {graph.type(node)}')}];")
    for node in order:
        for position, operand in enumerate(graph.operands(node)):
            lines.append(f'  n{number[operand]} -> n{number[node]} [label="{position}"];')
    for position, (name, node) in enumerate(graph.outputs.items()):
        lines.append(f"  out{position} [shape=doublecircle, label={_quote(name)}];")
        lines.append(f"  n{number[node]} -> out{position};")
    return "\n".join([*lines, "}"]) + "\n"
