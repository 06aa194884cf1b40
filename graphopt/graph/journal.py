"""The undo journal: what the door did, and how to take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.graph.store import NodeStore

__all__ = ["Journal"]


class Journal:
    """A list of edits, each with what is needed to reverse it. Marks are positions in it."""

    def __init__(self, graph: NodeStore) -> None:
        self._graph = graph
        self._entries: list[tuple[Any, ...]] = []

    def record(self, *entry: Any) -> None:
        """Note an edit.

        One of ("add", node), ("remove", node, data), ("operand", user, position, old), ("output", name, old),
        ("name", node, old), ("outputs", old), ("inputs", old, variables, guards).
        """
        self._entries.append(entry)

    def mark(self) -> int:
        """The present position, for `rollback` and `since`."""
        return len(self._entries)

    def since(self, mark: int) -> list[tuple[Any, ...]]:
        """The edits made after a mark."""
        return self._entries[mark:]

    def clear(self, mark: int = 0) -> None:
        """Forget the edits made after a mark: they cannot be taken back any more."""
        del self._entries[mark:]

    def rollback(self, mark: int) -> None:
        """Reverse every edit made after a mark, newest first. The graph is then as it was, its fusion plan excepted."""
        graph = self._graph
        while len(self._entries) > mark:
            match self._entries.pop():
                case ("add", node):
                    graph._delete(node)
                case ("remove", node, data):
                    graph._insert(node, **data)
                case ("operand", user, position, old):
                    graph._set_operand(user, position, old)
                case ("output", name, old):
                    graph._set_output(name, old)
                case ("name", node, old):
                    graph._set_name(node, old)
                case ("outputs", old):
                    graph._set_outputs(old)
                case ("inputs", old, variables, guards):
                    graph._set_inputs(old, variables)
                    graph.guards = guards
