"""The graph: a `networkx.MultiDiGraph` of op applications with named inputs and outputs, edited through one door.

A node is an integer with the attributes `op`, `attributes`, `type`, `name`, `origins` and `operands`; an edge runs
from operand to user, and its key is the operand's position (so `x*x` has two edges). The door (`add`, `replace`,
`prune`) keeps the tuple `operands` and the edges in step, checks types, keeps provenance and writes the undo journal.
Everything is iterative and linear: graphs of 10⁵ nodes in a chain are normal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx

from graphopt.dimensions import DimLike
from graphopt.errors import InvalidArgument, MissingInput, TypeMismatch
from graphopt.graph.fusion import FusionPlan
from graphopt.graph.handle import Handle
from graphopt.graph.journal import Journal
from graphopt.op import Attributes, Op
from graphopt.ops.leaves import input_
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable, as_variable

if TYPE_CHECKING:
    from graphopt.analysis.facts import Facts, FactTable

__all__ = ["Graph"]


class Graph:
    """A program: nodes, `inputs` (name to node, in order), `outputs` (name to node, in order), `guards`.

    Build one with `Graph.from_outputs`; read text back with `Graph.parse`.

    Attributes
    ----------
    nx
        A read-only view of the `networkx.MultiDiGraph` that any NetworkX algorithm takes.
    guards
        Pairs of dimensions that a call must find equal.
    fusion
        The fusion plan, which the schedule obeys.
    """

    def __init__(self) -> None:
        self._nx: nx.MultiDiGraph = nx.MultiDiGraph()
        self._data: dict[int, dict[str, Any]] = {}  # node -> the attribute dict NetworkX holds for it
        self._next = 0
        self._order: list[int] | None = None  # of the outputs, until the next edit
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self._output_uses: dict[int, int] = {}
        self._operand_uses: dict[int, int] = {}  # kept, for NetworkX counts edges anew at each question
        self.guards: list[tuple[DimLike, DimLike]] = []
        self.renamed: dict[str, DimLike] = {}  # the user's dimension names that this graph calls otherwise
        self.variables: dict[int, Variable] = {}  # input nodes -> the user's variable
        self._nodes_of: dict[Variable, int] = {}
        self.journal = Journal(self)
        self.fusion = FusionPlan()
        self._facts: FactTable | None = None  # made when somebody asks

    # --- building ----------------------------------------------------------------------------------------------
    @classmethod
    def from_outputs(
        cls, inputs: Sequence[Variable], outputs: Variable | Sequence[Variable] | Mapping[str, Variable]
    ) -> Graph:
        """The graph of everything that the outputs need.

        Parameters
        ----------
        inputs
            Variables without operands, each once. Their names become the graph's, made unique.
        outputs
            One variable, several, or several by name.

        Raises
        ------
        InvalidArgument
            If an input stands twice or is no input variable.
        MissingInput
            If an output depends on a variable that is not among the inputs.
        ShapeMismatch
            If dimensions that must be equal cannot be.
        """
        from graphopt.graph.build import build

        return build(cls(), inputs, outputs)

    @staticmethod
    def parse(text: str) -> Graph:
        """Read the text form (`str(graph)`) back. Raises InvalidArgument naming the line it cannot read."""
        from graphopt.graph.text import parse_graph

        return parse_graph(text)

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

    def op(self, node: int) -> Op:
        """The op applied at a node."""
        return self._data[node]["op"]  # type: ignore[no-any-return]

    def type(self, node: int) -> TensorType:
        """The type of a node's value."""
        return self._data[node]["type"]  # type: ignore[no-any-return]

    def attributes(self, node: int) -> Attributes:
        """The attributes of the application, such as `axis`."""
        return self._data[node]["attributes"]  # type: ignore[no-any-return]

    def operands(self, node: int) -> tuple[int, ...]:
        """The operands' nodes, by position."""
        return self._data[node]["operands"]  # type: ignore[no-any-return]

    def name(self, node: int) -> str | None:
        """The user's name for a node's value, if there is one."""
        return self._data[node]["name"]  # type: ignore[no-any-return]

    def origins(self, node: int) -> tuple[Origin, ...]:
        """Where the user made what this node computes."""
        return self._data[node]["origins"]  # type: ignore[no-any-return]

    def users(self, node: int) -> list[int]:
        """The nodes that have this one as an operand, each once."""
        return list(self._nx.successors(node))

    def uses(self, node: int) -> int:
        """How often a value is used: operand positions plus outputs."""
        return self._operand_uses[node] + self._output_uses.get(node, 0)

    def is_output(self, node: int) -> bool:
        """Whether a node is an output of the graph."""
        return node in self._output_uses

    def facts(self, node: int) -> Facts:
        """What is known of a node's values: bounds, NaN, zero, sign (`graphopt.analysis.facts`)."""
        if self._facts is None:
            from graphopt.analysis.facts import FactTable

            self._facts = FactTable(self)
        return self._facts[node]

    def order(self, targets: Iterable[int] | None = None) -> list[int]:
        """All nodes that the targets (by default the outputs) need, operands first. The order is stable."""
        if targets is not None:
            return self._sorted(targets)
        if self._order is None:
            self._order = self._sorted(self.outputs.values())
        return list(self._order)

    def _sorted(self, targets: Iterable[int]) -> list[int]:
        done: set[int] = set()
        result: list[int] = []
        for target in targets:
            stack: list[int] = [target]
            while stack:
                node = stack[-1]
                if node in done:
                    stack.pop()
                    continue
                waiting = [operand for operand in self._data[node]["operands"] if operand not in done]
                if waiting:
                    stack.extend(reversed(waiting))
                else:
                    done.add(node)
                    result.append(node)
                    stack.pop()
        return result

    def handle(self, node: int) -> Handle:
        """The node as something expressions can be built on: see `add` and `replace`."""
        return Handle(self, node)

    # --- the door ----------------------------------------------------------------------------------------------
    def add(self, expression: Any, origins: tuple[Origin, ...] | None = None) -> int:
        """Add the nodes of an expression built over handles of this graph, its inputs' variables and numbers.

        Parameters
        ----------
        expression
            What to add.
        origins
            Where the user made what it derives from; by default, where the expression was built.

        Raises
        ------
        MissingInput
            If the expression contains an input variable that is not this graph's. Nothing is added then.
        """
        root = as_variable(expression)
        mark, before = self.journal.mark(), self._next
        try:
            node = self._add_all(root)
        except Exception:
            self.journal.rollback(mark)
            raise
        if origins is not None:
            for fresh in range(before, self._next):
                self._data[fresh]["origins"] = origins
        return node

    def replace(self, old: int, new: Any) -> int:
        """Let every user of `old`, and the outputs, use `new` (a node or an expression) instead.

        Nodes that nothing uses any more are removed. The new value may use `old` itself, as an operand: only the
        others that used it before are redirected. It must not depend on those others: that makes a cycle, which
        only `verify` looks for. Returns the new node.

        Raises
        ------
        TypeMismatch
            If the new value's type is not the old one's. The graph is as it was then.
        """
        found = self.type(new) if isinstance(new, int) else as_variable(new).type
        if found != self.type(old):
            raise TypeMismatch(f"cannot replace {self.op(old)} of type {self.type(old)} by a value of type {found}")
        users = self.users(old)
        before = self._next
        node = new if isinstance(new, int) else self.add(new)
        if node == old:
            return node
        self._inherit(old, range(before, self._next), node)
        for user in users:
            if user == node:
                continue
            for position, operand in enumerate(self.operands(user)):
                if operand == old:
                    self.journal.record("operand", user, position, old)
                    self._set_operand(user, position, node)
        if self.is_output(old):
            for name in [name for name, target in self.outputs.items() if target == old]:
                self.journal.record("output", name, old)
                self._set_output(name, node)
        self._release([old])
        return node

    def prune(self) -> int:
        """Remove every node that no output needs, inputs excepted. Returns how many were removed."""
        needed = set(self.order())
        needed.update(self.inputs.values())
        dead = [node for node in self._data if node not in needed]
        for node in reversed(self.order(dead)):  # users first, so that no edge is lost before it is journaled
            if node not in needed:
                self._remove(node)
        return len(dead)

    # --- behind the door -----------------------------------------------------------------------------------------
    def _add_all(self, root: Variable) -> int:
        """Post-order over variables that are not here yet, without recursion."""
        made = self._nodes_of
        fresh: dict[Variable, int] = {}
        stack: list[Variable] = [root]
        while stack:
            current = stack[-1]
            if current in fresh:
                stack.pop()
                continue
            known = self._known(current, made)
            if known is not None:
                fresh[current] = known
                stack.pop()
                continue
            waiting = [operand for operand in current.operands if operand not in fresh]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            operands = tuple([fresh[operand] for operand in current.operands])
            fresh[current] = self._add_node(
                current.op, operands, current.attributes, current.type, current.name, current.origin
            )
        return fresh[root]

    def _known(self, variable: Variable, made: Mapping[Variable, int]) -> int | None:
        if isinstance(variable, Handle):
            if variable.graph is not self:
                raise InvalidArgument(f"{variable!r} belongs to another graph")
            if variable.node not in self._data:
                raise InvalidArgument(f"{variable!r} was removed from the graph")
            return variable.node
        if variable.op is input_:
            node = made.get(variable)
            if node is None:
                raise MissingInput(f"{variable!r}, made at {variable.origin}, is not an input of this graph")
            return node
        return None

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
        for position, operand in enumerate(data["operands"]):
            self._nx.add_edge(operand, node, key=position)
            self._operand_uses[operand] += 1

    def _remove(self, node: int) -> None:
        self.journal.record("remove", node, dict(self._data[node]))
        self._delete(node)

    def _set_name(self, node: int, name: str | None) -> None:
        self._data[node]["name"] = name

    def _delete(self, node: int) -> None:
        self._order = None
        self.fusion.ungroup((node,))
        for operand in self._data[node]["operands"]:
            self._operand_uses[operand] -= 1
        self._nx.remove_node(node)
        del self._data[node], self._operand_uses[node]
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

    def _release(self, candidates: list[int]) -> None:
        """Remove candidates that nothing uses, and what only they used."""
        while candidates:
            node = candidates.pop()
            if node in self._data and self.op(node) is not input_ and not self.uses(node):
                operands = self.operands(node)
                self._remove(node)
                candidates.extend(operands)

    def _inherit(self, old: int, added: Iterable[int], node: int) -> None:
        """New nodes take over where the user made what they replace, and the name."""
        origins = self.origins(old)
        for fresh in added:
            data = self._data.get(fresh)
            if data is not None and data["op"].arity != 0:
                data["origins"] = origins
        data = self._data[node]
        if data["name"] is None and data["op"] is not input_:
            self.journal.record("name", node, None)
            self._set_name(node, self._data[old]["name"])

    # --- forms -------------------------------------------------------------------------------------------------
    def verify(self) -> None:
        """Recheck every invariant. Raises RewriteFailed naming the first node that breaks one."""
        from graphopt.graph.verify import verify

        verify(self)

    def copy(self) -> Graph:
        """An independent graph with the same nodes; journal and fusion plan start empty."""
        twin = Graph()
        twin._nx = self._nx.copy()
        twin._data = {node: twin._nx.nodes[node] for node in self._data}
        twin._next = self._next
        twin.inputs, twin.outputs = dict(self.inputs), dict(self.outputs)
        twin._output_uses, twin._operand_uses = dict(self._output_uses), dict(self._operand_uses)
        twin.guards, twin.renamed = list(self.guards), dict(self.renamed)
        twin.variables, twin._nodes_of = dict(self.variables), dict(self._nodes_of)
        for group in self.fusion.groups:
            twin.fusion.group(group)
        return twin

    def __str__(self) -> str:
        from graphopt.graph.text import graph_text

        return graph_text(self)

    def __repr__(self) -> str:
        return (
            f"<Graph: {len(self)} nodes, inputs {', '.join(self.inputs) or 'none'}, outputs {', '.join(self.outputs)}>"
        )

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        from graphopt.graph.dot import to_dot

        return to_dot(self)
