"""The fusion plan: which nodes a pass wants in one kernel.

An annotation beside the graph, not part of it. Passes write it, the schedule obeys it where it is legal, and an edit
of the graph drops the groups that the edited nodes were in.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphopt.errors import InvalidArgument

__all__ = ["FusionPlan"]


class FusionPlan:
    """Groups of nodes, in an order in which they can run. A node may be in several groups, which then compute it again
    each; the first of them stores it, if it is stored."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}
        """Why a node is in no group with those it reads, for readers: told by the pass that made the plan."""
        self._groups: dict[int, frozenset[int]] = {}
        self._of: dict[int, set[int]] = {}
        self._next = 0

    @property
    def groups(self) -> list[frozenset[int]]:
        """The groups in the order they were made."""
        return list(self._groups.values())

    def group(self, nodes: Iterable[int]) -> None:
        """Ask for one kernel for these nodes.

        Raises
        ------
        InvalidArgument
            If there are none.
        """
        members = frozenset(nodes)
        if not members:
            raise InvalidArgument("a fusion group needs at least one node")
        self._groups[self._next] = members
        for node in members:
            self._of.setdefault(node, set()).add(self._next)
        self._next += 1

    def ungroup(self, nodes: Iterable[int]) -> None:
        """Drop every group that one of these nodes is in."""
        for node in nodes:
            self.reasons.pop(node, None)
            for key in list(self._of.get(node, ())):
                for member in self._groups.pop(key):
                    self._of[member].discard(key)

    def clear(self) -> None:
        """Drop all groups."""
        self._groups.clear()
        self._of.clear()
        self.reasons.clear()

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __repr__(self) -> str:
        return f"FusionPlan({[sorted(group) for group in self.groups]})"
