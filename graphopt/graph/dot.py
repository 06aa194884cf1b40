"""Programs in Graphviz's language."""

from __future__ import annotations

from graphopt.graph.mathematics import caption
from graphopt.graph.outline import Outline
from graphopt.ops.leaves import input_

__all__ = ["dot_text"]

WIDEST = 60  # characters of a label


def dot_text(shown: Outline) -> str:
    """A program as a Graphviz digraph: inputs are boxes, results double circles, edges are labelled by position.

    A node tells the user's line as its tooltip. Whatever users call things stays inside its label.
    """
    lines = ["digraph graphopt {", '  node [fontname="sans-serif"];']
    for position, part in enumerate(shown.parts):
        label = part.name if part.op is input_ and part.name else caption(shown, position)
        told = _quote(", ".join(map(str, part.origins)) or part.op.name)
        shape = "box" if part.op is input_ else "plaintext" if part.is_leaf else "ellipse"
        lines.append(f"  n{position} [shape={shape}, label={_quote(f'{_cut(label)}: {part.type}')}, tooltip={told}];")
    for position, part in enumerate(shown.parts):
        for place, operand in enumerate(part.operands):
            lines.append(f'  n{operand} -> n{position} [label="{place}"];')
    for number, (name, position) in enumerate(shown.results):
        if name is not None:
            lines.append(f"  out{number} [shape=doublecircle, label={_quote(_cut(name))}];")
            lines.append(f"  n{position} -> out{number};")
    return "\n".join([*lines, "}"]) + "\n"


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _quote(text: str) -> str:
    """A quoted string of Graphviz's: it reads backslashes, quotes and HTML's entities; control characters are shown."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") + '"'
