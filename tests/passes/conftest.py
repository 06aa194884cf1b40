"""What the tests of passes share: rewriting an expression and reading off the ops that are left."""

import numpy as np
import pytest

from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.interpret import interpret
from graphopt.rewrite import Pipeline


class Rewriting:
    """Helpers of tests that compare graphs as text."""

    @staticmethod
    def text(inputs, output, pipeline):
        """The text of a graph after a pipeline, without origins."""
        graph = Graph.from_outputs(inputs, output)
        Pipeline.parse(pipeline).run(graph, verify=True)
        return graph_text(graph, origins=False)

    @staticmethod
    def ops(inputs, output, pipeline="stabilized"):
        """The names of the ops that a pipeline leaves, inputs and constants left out."""
        graph = Graph.from_outputs(inputs, output)
        text = pipeline if "," in pipeline or pipeline in ("canonicalize", "cse", "lower") else None
        (Pipeline.parse(text) if text else Pipeline.named(pipeline)).run(graph, verify=True)
        return [graph.op(n).name for n in graph.order() if graph.op(n).arity != 0]

    @staticmethod
    def parsed(before, pipeline):
        """The text of a graph given as text, after a pipeline."""
        graph = Graph.parse(before)
        Pipeline.parse(pipeline).run(graph, verify=True)
        return graph_text(graph, origins=False)

    @staticmethod
    def value(graph, arguments):
        """The single output of a graph."""
        with np.errstate(all="ignore"):
            return next(iter(interpret(graph, arguments).values()))


@pytest.fixture
def rewriting():
    return Rewriting
