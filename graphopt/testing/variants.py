"""Variants of a program on which a rule fires: the same input twice, other users of the matched node, no elements.

Drawn programs (`graphopt.testing.instances`) give every pattern variable an input of its own and their result no other
use. What breaks a rule is often one of these.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence

from graphopt.errors import GraphoptError, VerificationFailed
from graphopt.graph import Graph
from graphopt.graph.export import to_variables
from graphopt.ops.arithmetic import add
from graphopt.ops.leaves import input_
from graphopt.ops.logic import logical_not
from graphopt.rewrite import Pipeline, Rule
from graphopt.testing.instances import Instance
from graphopt.types import TensorType, agree
from graphopt.variable import Variable, variable

__all__ = ["variants"]


def variants(rule: Rule, made: Instance, chance: random.Random) -> list[Instance]:
    """The variants of a program on which the rule fires as well; composite ops must not have been expanded yet.

    Parameters
    ----------
    rule
        What has to fire.
    made
        A program on which it does.
    chance
        Chooses the inputs that become one, and the size that becomes zero.

    Raises
    ------
    VerificationFailed
        If another user of the matched node does not see the replacement.
    """
    result = []
    for program in (_aliased(made.before, chance), _shared(made.before)):
        fired = None if program is None else _fired(rule, program, made.tame)
        if fired is not None:
            result.append(fired)
    empty = _emptied(made.before, chance)
    fired = None if empty is None else _fired(rule, empty, made.tame)
    if fired is not None:
        result.append(fired)
    return result


def _fired(rule: Rule, before: Graph, tame: bool) -> Instance | None:
    after = before.copy()
    log = Pipeline([rule]).run(after, limit=1)
    if not len(log):
        return None
    after.verify()
    user = after.outputs.get("user")
    if user is not None and after.op(user) is add and set(after.operands(user)) != {after.outputs["result"]}:
        raise VerificationFailed(
            f"rule {rule.name}: another user of the matched node was left behind; program after:\n{after}"
        )
    return Instance(before, after, log, tame)


def _result(graph: Graph) -> int:
    return next(iter(graph.outputs.values()))


def _aliased(graph: Graph, chance: random.Random) -> Graph | None:
    """Two inputs of one dtype become one, of equal types if there are such; None if the program has no meaning then."""
    nodes = list(graph.inputs.values())
    pairs = [(a, b) for a, b in itertools.permutations(nodes, 2) if graph.type(a).dtype == graph.type(b).dtype]
    pairs = [pair for pair in pairs if graph.type(pair[0]) == graph.type(pair[1])] or pairs
    if not pairs:
        return None
    kept, gone = chance.choice(pairs)
    return _over(graph, {node: graph.variables[kept if node == gone else node] for node in nodes})


def _shared(graph: Graph) -> Graph | None:
    """What is matched is an output, another output is computed from it, and so are the values beneath it."""
    root = _result(graph)
    beneath = [node for node in graph.operands(root) if "leaf" not in graph.op(node).traits]
    result, *inner = to_variables(graph, [root, *dict.fromkeys(beneath)])
    user = logical_not(result) if result.dtype == "bool" else add(result, result)
    named = {"result": result, "user": user, **{f"inner{k}": v for k, v in enumerate(inner)}}
    return Graph.from_outputs([graph.variables[node] for node in graph.inputs.values()], named)


def _emptied(graph: Graph, chance: random.Random) -> Graph | None:
    """Every axis of one size becomes an axis of length zero; None if the program has no meaning then."""
    sizes = sorted({int(str(size)) for node in graph.inputs.values() for size in graph.type(node).shape} - {1})
    if not sizes:
        return None
    gone = chance.choice(sizes)
    fresh = {
        node: variable(name, TensorType(graph.type(node).dtype, _without(graph.type(node).shape, gone)))
        for name, node in graph.inputs.items()
    }
    return _over(graph, fresh)


def _without(shape: Sequence[object], gone: int) -> tuple[int, ...]:
    return tuple(0 if int(str(size)) == gone else int(str(size)) for size in shape)


def _over(graph: Graph, inputs: Mapping[int, Variable]) -> Graph | None:
    """The program over other inputs: type rules run again, and may reject what no longer fits."""
    made = dict(inputs)
    result = next(iter(graph.outputs.values()))
    try:
        for node in graph.order([result]):
            if graph.op(node) is not input_:
                op, attributes = graph.op(node), graph.attributes(node)
                operands = tuple([made[operand] for operand in graph.operands(node)])
                type = op.type_rule(tuple([v.type for v in operands]), attributes, agree)
                made[node] = Variable(type, op, operands, attributes, None, None)
        return Graph.from_outputs(list(dict.fromkeys(inputs.values())), made[result])
    except (GraphoptError, ValueError, IndexError, ZeroDivisionError):
        return None
