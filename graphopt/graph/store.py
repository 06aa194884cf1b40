"""What a graph is made of, and what can be asked of it: nodes, edges, names, how often each value is used.

A node is an integer with the attributes `op`, `attributes`, `type`, `name`, `origins` and `operands`; an edge runs
from operand to user, and its key is the operand's position (so `x*x` has two edges). The primitives at the end keep
the tuple `operands`, the edges and the counts of uses in step. They check nothing and, `_add_node` excepted, journal
nothing: edits go through the door, which is `graphopt.graph.graph.Graph`.
Everything is iterative and linear: graphs of 10⁵ nodes in a chain are normal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import networkx as nx

from graphopt.dimensions import Dim, DimLike, symbols
from graphopt.graph.counts import COUNTING
from graphopt.graph.fusion import FusionPlan
from graphopt.graph.journal import Journal
from graphopt.graph.unify import Reason
from graphopt.op import Attributes, Op
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable

if TYPE_CHECKING:
    from graphopt.analysis.facts import FactTable
    from graphopt.graph.checks import Check

__all__ = ["NodeStore"]


class NodeData(TypedDict):
    """The attribute dict that NetworkX holds for a node."""

    op: Op
    attributes: Attributes
    type: TensorType
    name: str | None
    origins: tuple[Origin, ...]
    operands: tuple[int, ...]


class NodeStore:
    """The nodes and edges of a graph and everything that is known of them."""

    def __init__(self) -> None:
        self._nx: nx.MultiDiGraph = nx.MultiDiGraph()
        self._data: dict[int, NodeData] = {}  # node -> the attribute dict NetworkX holds for it
        self._next = 0
        self._order: list[int] | None = None  # of the outputs, until the next edit
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self._checks: dict[str, Check] = {}  # by output; of outputs that are gone, too
        self._output_uses: dict[int, int] = {}
        self._counting: set[int] = set()  # nodes that settle a size
        self._operand_uses: dict[int, int] = {}  # kept, for NetworkX counts edges anew at each question
        self.guards: list[tuple[DimLike, DimLike]] = []
        self.reasons: dict[str | tuple[DimLike, DimLike], Reason] = {}  # why names were made one; why there are guards
        self.renamed: dict[str, DimLike] = {}  # the user's dimension names that this graph calls otherwise
        self.variables: dict[int, Variable] = {}  # inputs, and nodes that count -> the user's variable
        self._nodes_of: dict[Variable, int] = {}
        self.journal = Journal(self)
        self.fusion = FusionPlan()
        self._facts: FactTable | None = None  # made when somebody asks

    def _assign(self, other: NodeStore) -> None:
        """Be what another is: all of the above except the journal, which is not touched."""
        self._nx = other._nx.copy()
        self._data = {node: self._nx.nodes[node] for node in other._data}
        self._next, self._order = other._next, None
        self.inputs, self.outputs = dict(other.inputs), dict(other.outputs)
        self._checks = dict(other._checks)
        self._output_uses, self._operand_uses = dict(other._output_uses), dict(other._operand_uses)
        self._counting = set(other._counting)
        self.guards, self.renamed, self.reasons = list(other.guards), dict(other.renamed), dict(other.reasons)
        self.variables, self._nodes_of = dict(other.variables), dict(other._nodes_of)
        self.fusion.clear()
        for group in other.fusion.groups:
            self.fusion.group(group)
        self.fusion.reasons.update(other.fusion.reasons)
        self._facts = None

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: all but the journal, and the user's variables, which are known by identity."""
        left_out = ("journal", "variables", "_nodes_of", "_facts", "_order")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        NodeStore.__init__(self)
        self.__dict__.update(state)

    # --- looking -----------------------------------------------------------------------------------------------
    @property
    def nx(self) -> nx.MultiDiGraph:
        return nx.freeze(self._nx.copy(as_view=True))

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[int]:
        return iter(self._data)

    def __contains__(self, node: object) -> bool:
        return node in self._data

    @property
    def checks(self) -> dict[str, Check]:
        """The outputs that are run-time checks (bool scalars that have to be true), with what they say."""
        return {name: check for name, check in self._checks.items() if name in self.outputs}

    @property
    def results(self) -> dict[str, int]:
        """The outputs that were asked for: all but the checks."""
        return {name: node for name, node in self.outputs.items() if name not in self._checks}

    def op(self, node: int) -> Op:
        """The op applied at a node."""
        return self._data[node]["op"]

    def type(self, node: int) -> TensorType:
        """The type of a node's value."""
        return self._data[node]["type"]

    def attributes(self, node: int) -> Attributes:
        """The attributes of the application, such as `axis`."""
        return self._data[node]["attributes"]

    def operands(self, node: int) -> tuple[int, ...]:
        """The operands' nodes, by position."""
        return self._data[node]["operands"]

    def name(self, node: int) -> str | None:
        """The user's name for a node's value, if there is one."""
        return self._data[node]["name"]

    def origins(self, node: int) -> tuple[Origin, ...]:
        """Where the user made what this node computes."""
        return self._data[node]["origins"]

    def users(self, node: int) -> list[int]:
        """The nodes that have this one as an operand, each once."""
        return list(self._nx.successors(node))

    def uses(self, node: int) -> int:
        """How often a value is used: operand positions plus outputs."""
        return self._operand_uses[node] + self._output_uses.get(node, 0)

    def is_output(self, node: int) -> bool:
        """Whether a node is an output of the graph."""
        return node in self._output_uses

    def settlers(self) -> dict[str, int]:
        """The sizes that no argument has, with the nodes that count them; of several that count the same, the first."""
        if not self._counting:
            return {}
        given = {
            size.symbol for node in self.inputs.values() for size in self.type(node).shape if isinstance(size, Dim)
        }
        found: dict[str, int] = {}
        for node in sorted(self._counting):
            count = self.attributes(node)["count"]
            if isinstance(count, Dim) and count.symbol is not None and count.symbol not in given:
                found.setdefault(count.symbol, node)
        return found

    def awaited(self, node: int, settlers: Mapping[str, int]) -> list[int]:
        """The nodes that count the sizes in a node's attributes, by `settlers`: they run before it."""
        if not settlers or not (attributes := self.attributes(node)):
            return []
        named = {name for value in attributes.values() for name in _names(value)}
        return [settlers[name] for name in sorted(named) if settlers.get(name, node) != node]

    def mentioned(self) -> frozenset[str]:
        """The names of all sizes in types and attributes."""
        values = (value for node in self for value in (self.type(node).shape, *self.attributes(node).values()))
        return frozenset(name for value in values for name in _names(value))

    def order(self, targets: Iterable[int] | None = None) -> list[int]:
        """All nodes that the targets (by default the outputs) need, operands first. The order is stable.

        What counts a size comes before all that mention it. What compares a count with a size that is known is needed
        like an output, and so is what counts a size that a guard is about: equations are checked whatever is used.
        """
        if targets is not None:
            return self._sorted(targets)
        if self._order is None:
            self._order = self._sorted((*self.outputs.values(), *self._checking()))
        return list(self._order)

    def _checking(self) -> list[int]:
        """The nodes that count for the sake of an equation."""
        if not self._counting:
            return []
        settlers = self.settlers()
        guarded = {name for guard in self.guards for side in guard for name in symbols(side)}
        return sorted(self._counting - {node for name, node in settlers.items() if name not in guarded})

    def _sorted(self, targets: Iterable[int]) -> list[int]:
        done: set[int] = set()
        result: list[int] = []
        settlers = self.settlers()
        for target in targets:
            stack: list[int] = [target]
            while stack:
                node = stack[-1]
                if node in done:
                    stack.pop()
                    continue
                waiting = [operand for operand in self._data[node]["operands"] if operand not in done]
                if settlers:
                    waiting += [counting for counting in self.awaited(node, settlers) if counting not in done]
                if waiting:
                    stack.extend(reversed(waiting))
                else:
                    done.add(node)
                    result.append(node)
                    stack.pop()
        return result

    # --- primitives --------------------------------------------------------------------------------------------
    def _add_node(
        self,
        op: Op,
        operands: tuple[int, ...],
        attributes: Attributes,
        type: TensorType,
        name: str | None = None,
        origin: Origin | None = None,
    ) -> int:
        node = self._next
        self._next += 1
        origins = () if origin is None else (origin,)
        self._insert(node, op=op, attributes=attributes, type=type, name=name, origins=origins, operands=operands)
        self.journal.record("add", node)
        return node

    def _insert(self, node: int, **data: Any) -> None:
        self._order = None
        self._nx.add_node(node, **data)
        self._data[node] = self._nx.nodes[node]
        self._operand_uses[node] = 0
        if COUNTING in data["op"].traits:
            self._counting.add(node)
        for position, operand in enumerate(data["operands"]):
            self._nx.add_edge(operand, node, key=position)
            self._operand_uses[operand] += 1

    def _set_name(self, node: int, name: str | None) -> None:
        self._data[node]["name"] = name

    def _delete(self, node: int) -> None:
        self._order = None
        self.fusion.ungroup((node,))
        for operand in self._data[node]["operands"]:
            self._operand_uses[operand] -= 1
        self._nx.remove_node(node)
        del self._data[node], self._operand_uses[node]
        self._counting.discard(node)
        if self._facts is not None:
            self._facts.forget(node)

    def _set_operand(self, user: int, position: int, operand: int) -> None:
        self._order = None
        data = self._data[user]
        operands = data["operands"]
        self._nx.remove_edge(operands[position], user, key=position)
        self._nx.add_edge(operand, user, key=position)
        self._operand_uses[operands[position]] -= 1
        self._operand_uses[operand] += 1
        data["operands"] = (*operands[:position], operand, *operands[position + 1 :])
        self.fusion.ungroup((user,))
        if self._facts is not None:
            self._facts.edited(user)

    def _set_output(self, name: str, node: int) -> None:
        self._order = None
        old = self.outputs.get(name)
        if old is not None:
            self._output_uses[old] -= 1
            if not self._output_uses[old]:
                del self._output_uses[old]
        self.outputs[name] = node
        self._output_uses[node] = self._output_uses.get(node, 0) + 1

    def _set_outputs(self, outputs: Mapping[str, int]) -> None:
        self._order = None
        self.outputs = dict(outputs)
        self._output_uses = dict(Counter(outputs.values()))

    def _set_inputs(self, inputs: Mapping[str, int], variables: Mapping[int, Variable]) -> None:
        self.inputs, self.variables = dict(inputs), dict(variables)
        self._nodes_of = {variable: node for node, variable in variables.items()}


def _names(value: object) -> Collection[str]:
    """The names of sizes in the value of an attribute."""
    if isinstance(value, Dim):
        return symbols(value)
    if isinstance(value, tuple):
        return set[str]().union(*map(_names, value))
    named: Collection[str] = getattr(value, "sizes", ())  # a body's
    return named
