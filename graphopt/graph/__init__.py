"""The graph over NetworkX: building it, editing it through one door, verifying and printing it."""

from graphopt.graph.fusion import FusionPlan
from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle

__all__ = ["FusionPlan", "Graph", "Handle"]
