"""The step of conditionals: the steps of both branches, of which a call runs one.

Conditionals of the same condition that do not depend on each other are one step: their bodies are scheduled as one
graph, so that what they share is computed once. The bodies read where their captures lie and write where the results
belong; what else they need is memory of the program's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from graphopt.graph.body import Body, transplant
from graphopt.graph.graph import Graph
from graphopt.ops.leaves import input_
from graphopt.schedule.host import host_base
from graphopt.schedule.steps import Branch

if TYPE_CHECKING:
    from graphopt.schedule.builder import ProgramBuilder

__all__ = ["choose"]


def choose(builder: ProgramBuilder, *nodes: int) -> None:
    """Append the step of conditionals that have one condition and are independent of each other."""
    from graphopt.schedule.schedule import body_steps

    graph = builder.graph
    condition = graph.operands(nodes[0])[0]
    name = builder.step_name(list(nodes))
    branches = []
    for attribute in ("then", "otherwise"):
        united, bound = _united(builder, [(node, graph.attributes(node)[attribute]) for node in nodes])
        results = {str(node): builder.buffer_of[node] for node in nodes}
        branches.append(body_steps(builder, united, bound, results, f"{name}_{attribute}"))
    note = builder.note(list(nodes))
    builder.steps.append(Branch(name, builder.buffer_of[host_base(builder, condition)], branches[0], branches[1], note))


def _united(builder: ProgramBuilder, bodies: list[tuple[int, Body]]) -> tuple[Graph, dict[int, str]]:
    """One graph that computes several bodies, equal nodes once, and the buffers of its inputs.

    Its outputs have the numbers of the conditionals for names.
    """
    united = Graph()
    inputs: dict[int, int] = {}
    bound: dict[int, str] = {}
    for conditional, body in bodies:
        nodes: dict[int, int] = {}
        for node, operand in zip(body.graph.inputs.values(), builder.graph.operands(conditional)[1:], strict=True):
            if operand not in inputs:
                fresh = united._add_node(input_, (), body.graph.attributes(node), body.graph.type(node))
                inputs[operand] = united.inputs[f"c{len(inputs)}"] = fresh
                bound[fresh] = builder.buffer_of[host_base(builder, operand)]
            nodes[node] = inputs[operand]
        transplant(body.graph, body.graph.order(), united, nodes)
        united._set_output(str(conditional), nodes[body.output])
    if len(bodies) > 1:
        _merge(united)
    return united, bound


def _merge(graph: Graph) -> None:
    """Let equal nodes be one, and groups of the fusion plan that would compute the same node."""
    groups = graph.fusion.groups
    seen: dict[Hashable, int] = {}
    kept: dict[int, int] = {}
    for node in graph.order():
        if graph.op(node) is input_:
            kept[node] = node
            continue
        key = (graph.op(node), graph.operands(node), graph.attributes(node), graph.type(node))
        kept[node] = seen.setdefault(key, node)
        if kept[node] != node:
            graph.replace(node, kept[node])
    graph.fusion.clear()
    merged: list[set[int]] = []
    for group in groups:
        members = {kept[node] for node in group}
        overlapping = [other for other in merged if other & members]
        merged = [other for other in merged if not other & members] + [members.union(*overlapping)]
    for members in merged:
        graph.fusion.group(members)
