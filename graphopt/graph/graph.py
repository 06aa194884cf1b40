"""The graph: a `networkx.MultiDiGraph` of op applications with named inputs and outputs, edited through one door.

What a graph is made of, and what it can be asked, is in `graphopt.graph.store`. The door (`add`, `replace`, `prune`,
and for a program's edges `set_outputs`, `remove_input`) checks types, keeps provenance and writes the undo journal.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphopt.dimensions import Dim, symbols
from graphopt.errors import InvalidArgument, MissingInput, TypeMismatch
from graphopt.graph.checks import attach, made_of
from graphopt.graph.handle import Handle
from graphopt.graph.store import NodeStore
from graphopt.ops.control import check, if_else
from graphopt.ops.leaves import input_
from graphopt.variable import Origin, Variable, as_variable

if TYPE_CHECKING:
    from graphopt.analysis.facts import Facts

__all__ = ["Graph"]


class Graph(NodeStore):
    """A program: nodes, `inputs` (name to node, in order), `outputs` (name to node, in order), `guards`.

    Build one with `Graph.from_outputs`; read text back with `Graph.parse`.

    Attributes
    ----------
    nx
        A read-only view of the `networkx.MultiDiGraph` that any NetworkX algorithm takes.
    guards
        Pairs of dimensions that a call must find equal.
    checks
        The outputs that are run-time checks, with what each says: see `graphopt.graph.checks`.
    fusion
        The fusion plan, which the schedule obeys.
    """

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
    def handle(self, node: int) -> Handle:
        """The node as something expressions can be built on: see `add` and `replace`."""
        return Handle(self, node)

    def facts(self, node: int) -> Facts:
        """What is known of a node's values: bounds, NaN, zero, sign (`graphopt.analysis.facts`)."""
        if self._facts is None:
            from graphopt.analysis.facts import FactTable

            self._facts = FactTable(self)
        return self._facts[node]

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

    def set_outputs(self, outputs: Mapping[str, int]) -> None:
        """Let the graph have these outputs and no others. What nothing needs any more stays until `prune`.

        Raises
        ------
        InvalidArgument
            If an output is no node of the graph.
        """
        for name, node in outputs.items():
            if node not in self:
                raise InvalidArgument(f"output {name} would be node {node}, which is not in the graph")
        self.journal.record("outputs", dict(self.outputs))
        self._set_outputs(outputs)

    def remove_input(self, name: str) -> None:
        """Remove an input that nothing uses, and the guards about sizes that no input has any more.

        Raises
        ------
        InvalidArgument
            If there is no such input, if something uses it, or if a size in the graph is read off it alone.
        """
        node = self.inputs.get(name)
        if node is None:
            raise InvalidArgument(f"there is no input {name}; there are: {', '.join(self.inputs) or 'none'}")
        if self.uses(node):
            raise InvalidArgument(f"input {name} is used {self.uses(node)} times: it cannot be removed")
        inputs = {other: kept for other, kept in self.inputs.items() if other != name}
        readable = {size.symbol for kept in inputs.values() for size in self.type(kept).shape if isinstance(size, Dim)}
        readable |= self.settlers().keys()
        if lost := self._sizes(node) - readable:
            raise InvalidArgument(f"input {name} stays: size {', '.join(sorted(lost))} is read off it alone")
        variables = {kept: variable for kept, variable in self.variables.items() if kept != node}
        self.journal.record("inputs", dict(self.inputs), dict(self.variables), list(self.guards))
        self._set_inputs(inputs, variables)
        self.guards = [(a, b) for a, b in self.guards if symbols(a) | symbols(b) <= readable]
        self._remove(node)

    def restore(self, saved: Graph) -> None:
        """Be again what a copy of the graph is. The journal is left alone and cannot take this back."""
        self._assign(saved)

    # --- behind the door -----------------------------------------------------------------------------------------
    def _add_all(self, root: Variable) -> int:
        """Post-order over variables that are not here yet, without recursion."""
        fresh: dict[Variable, int] = {}
        stack: list[Variable] = [root]
        while stack:
            current = stack[-1]
            if current in fresh:
                stack.pop()
                continue
            known = self._known(current)
            if known is not None:
                fresh[current] = known
                stack.pop()
                continue
            if current.op is if_else:
                stack += self._add_lazy(current, fresh)
                continue
            waiting = [operand for operand in current.operands if operand not in fresh]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            operands = tuple([fresh[operand] for operand in current.operands])
            if current.op is check:
                fresh[current], condition = operands
                attach(self, condition, made_of(current))
                continue
            fresh[current] = self._add_node(
                current.op, operands, current.attributes, current.type, current.name, current.origin
            )
        return fresh[root]

    def _add_lazy(self, conditional: Variable, fresh: dict[Variable, int]) -> list[Variable]:
        """Add a conditional, or say what it has to wait for."""
        from graphopt.graph.build import topological
        from graphopt.graph.lazy import Laziness

        order = topological([conditional])
        lazy = Laziness([conditional], order)
        if waiting := [v for v in reversed(order[:-1]) if lazy.is_eager(v) and v not in fresh]:
            return waiting

        def node_of(v: Variable) -> int:
            if v not in fresh:
                known = self._known(v)
                assert known is not None, f"{v!r} is there: an input, a node, or needed in any case"
                fresh[v] = known
            return fresh[v]

        node, checks = lazy.place(self, conditional, node_of, lambda v: (v.type, v.attributes))
        for condition, said in checks:
            attach(self, condition, said)
        fresh[conditional] = node
        return []

    def _known(self, variable: Variable) -> int | None:
        if isinstance(variable, Handle):
            if variable.graph is not self:
                raise InvalidArgument(f"{variable!r} belongs to another graph")
            if variable.node not in self._data:
                raise InvalidArgument(f"{variable!r} was removed from the graph")
            return variable.node
        if variable.op is input_:
            node = self._nodes_of.get(variable)
            if node is None:
                raise MissingInput(f"{variable!r}, made at {variable.origin}, is not an input of this graph")
            return node
        return None

    def _remove(self, node: int) -> None:
        self.journal.record("remove", node, dict(self._data[node]))
        self._delete(node)

    def _sizes(self, without: int | None = None) -> set[str]:
        """The names of sizes in types and attributes of every node but one."""
        from graphopt.graph.body import bodies

        kept = [node for node in self if node != without]
        values = [value for node in kept for value in self.attributes(node).values() if isinstance(value, Dim)]
        sizes = [size for node in kept for size in self.type(node).shape]
        inner = [body.graph._sizes() for node in kept for body in bodies(self.attributes(node)).values()]
        return set[str]().union(*map(symbols, (*sizes, *values)), *inner)

    def _release(self, candidates: list[int]) -> None:
        """Remove candidates that nothing uses, and what only they used; `prune` knows whose sizes are still needed."""
        while candidates:
            node = candidates.pop()
            kept = node not in self._data or self.op(node) is input_ or self._counts_alone(node)
            if not kept and not self.uses(node):
                operands = self.operands(node)
                self._remove(node)
                candidates.extend(operands)

    def _counts_alone(self, node: int) -> bool:
        """Whether a node counts what no other node counts as well."""
        same = (self.operands(node), self.attributes(node))
        others = self._counting - {node}
        return node in self._counting and same not in [(self.operands(n), self.attributes(n)) for n in others]

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
        """An independent graph with the same nodes, names and fusion plan, and an empty journal."""
        twin = Graph()
        twin._assign(self)
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
        from graphopt.graph.dot import dot_text
        from graphopt.graph.outline import outline

        return dot_text(outline(self))

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        from graphopt.graph.draw import bundle
        from graphopt.graph.mathematics import program_text

        return bundle(self, program_text(self), include, exclude)
