"""Taking a graph back to where it was: the undo journal for what went through the door, a copy for what did not."""

from __future__ import annotations

from graphopt.graph.graph import Graph

__all__ = ["Restorable"]


class Restorable:
    """A moment of a graph's life.

    Parameters
    ----------
    graph
        What may be restored.
    whole
        Keep a copy, so that edits behind the door's back can be taken back too: linear. Otherwise the journal takes
        back the edits, and only names, guards and the fusion plan are kept.
    """

    def __init__(self, graph: Graph, whole: bool = False) -> None:
        self.graph = graph
        self._mark = graph.journal.mark()
        self._groups = graph.fusion.groups
        self._inputs, self._guards, self._renamed = dict(graph.inputs), list(graph.guards), dict(graph.renamed)
        self._twin = graph.copy() if whole else None

    def restore(self) -> None:
        """Make the graph what it was: nodes, names, output map, fusion plan, length of the journal."""
        graph = self.graph
        if self._twin is None:
            graph.journal.rollback(self._mark)
            graph.inputs, graph.guards, graph.renamed = self._inputs, self._guards, self._renamed
        else:
            graph.journal.clear(self._mark)
            graph.restore(self._twin)
        graph.fusion.clear()
        for group in self._groups:
            graph.fusion.group(group)
