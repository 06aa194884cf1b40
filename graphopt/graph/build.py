"""From variables to a graph: naming, finding missing inputs, and unifying dimensions."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphopt.dimensions import Dim, DimLike, counted, counted_dim, dim, substitute, symbols
from graphopt.errors import GraphoptError, InvalidArgument, MissingInput, ShapeMismatch
from graphopt.graph.checks import Check, attach, made_of
from graphopt.graph.counts import COUNTING, equal_counts
from graphopt.graph.handle import Handle
from graphopt.graph.lazy import Laziness
from graphopt.graph.unify import (
    Reason,
    Unifier,
    at_least_one,
    broken,
    rename_attributes,
    rename_shape,
    rename_type,
)
from graphopt.op import Attributes
from graphopt.ops.control import check, if_else
from graphopt.ops.leaves import input_
from graphopt.types import TensorType
from graphopt.variable import Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["build", "collector_paused", "substituted", "topological"]


def build(
    graph: Graph, inputs: Sequence[Variable], outputs: Variable | Sequence[Variable] | Mapping[str, Variable]
) -> Graph:
    """Fill an empty graph: see `Graph.from_outputs`."""
    names = _input_names(inputs)
    targets = _named_outputs(outputs)
    with collector_paused():
        order = topological(list(targets.values()))
        _check_inputs(order, inputs)
        lazy = None
        if any(variable.op is if_else for variable in order):
            lazy = Laziness(list(targets.values()), order)
        equal = equal_counts(order)
        mapping = _unify(graph, order, lazy, inputs, names, equal)
        renamed = _renaming(mapping)
        nodes = graph._nodes_of
        checks: dict[tuple[int, str, str | None], Check] = {}
        for name, variable in zip(names, inputs, strict=True):
            type, attributes = renamed(variable)
            graph.inputs[name] = nodes[variable] = graph._add_node(input_, (), attributes, type, name, variable.origin)
            graph.variables[nodes[variable]] = variable
        for variable in order:
            if variable in nodes or (lazy is not None and not lazy.is_eager(variable)):
                continue
            if variable.op is if_else:
                assert lazy is not None
                nodes[variable], found = lazy.place(graph, variable, nodes.__getitem__, renamed)
                checks |= {(condition, said.message, said.kind): said for condition, said in found}
                continue
            if variable in equal:
                nodes[variable] = nodes[equal[variable]]
                continue
            operands = tuple([nodes[operand] for operand in variable.operands])
            if variable.op is check:
                nodes[variable], condition = operands
                said = made_of(variable)
                checks.setdefault((condition, said.message, said.kind), said)
                continue
            type, attributes = renamed(variable)
            nodes[variable] = graph._add_node(variable.op, operands, attributes, type, variable.name, variable.origin)
            if COUNTING in variable.op.traits:
                graph.variables[nodes[variable]] = variable
        for name, variable in targets.items():
            graph._set_output(name, nodes[variable])
        for (condition, *_), said in checks.items():
            attach(graph, condition, said)
    graph._nodes_of = {variable: graph.inputs[name] for name, variable in zip(names, inputs, strict=True)}
    graph.journal.clear()
    return graph


def _renaming(mapping: Mapping[str, DimLike]) -> Callable[[Variable], tuple[TensorType, Attributes]]:
    """What gives a variable's type and attributes in the graph's names; a program has few, each is renamed once."""
    types: dict[TensorType, TensorType] = {}
    known: dict[Attributes, Attributes] = {}

    def renamed(variable: Variable) -> tuple[TensorType, Attributes]:
        type, attributes = variable.type, variable.attributes
        if mapping and type.shape:
            found = types.get(type)
            if found is None:
                found = types[type] = rename_type(type, mapping)
            type = found
        if mapping and attributes:
            other = known.get(attributes)
            if other is None:
                other = known[attributes] = rename_attributes(attributes, mapping)
            attributes = other
        return type, attributes

    return renamed


def topological(targets: Sequence[Variable]) -> list[Variable]:
    """Everything the targets depend on, operands first, each once; without recursion.

    They depend on what counts the sizes they mention, too.
    """
    done: set[Variable] = set()
    result: list[Variable] = []
    for target in targets:
        stack = [target]
        while stack:
            current = stack[-1]
            if current in done:
                stack.pop()
                continue
            waiting = [operand for operand in current.operands if operand not in done]
            if current.attributes:
                names = counted(tuple(current.attributes.values()))
                waiting += [name.of for name in names if name.of not in done and name.of is not current]
            if waiting:
                stack.extend(reversed(waiting))
            else:
                done.add(current)
                result.append(current)
                stack.pop()
    return result


def substituted(targets: Sequence[Variable], mapping: Mapping[Variable, Variable]) -> list[Variable]:
    """The targets with variables replaced by others of the same types; what does not change stays as it is.

    What counts in a mask that changes counts another size.
    """
    made: dict[Variable, Variable] = {}
    sizes: dict[str, DimLike] = {}
    for current in topological(targets):
        new = mapping.get(current)
        if new is None:
            operands = tuple([made[operand] for operand in current.operands])
            same = all(a is b for a, b in zip(operands, current.operands, strict=True))
            attributes = rename_attributes(current.attributes, sizes) if sizes else current.attributes
            if same and attributes == current.attributes:
                new = current
            elif COUNTING in current.op.traits and not same:
                new = _counted_anew(current, operands)
                sizes[current.attributes["count"].symbol] = new.attributes["count"]
            else:
                type, nonempty = rename_type(current.type, sizes), rename_shape(current.nonempty, sizes)
                new = Variable(type, current.op, operands, attributes, current.name, current.origin, nonempty)
        made[current] = new
    return [made[target] for target in targets]


def _counted_anew(variable: Variable, operands: tuple[Variable, ...]) -> Variable:
    made: Variable = counted_dim(
        lambda count: Variable(
            variable.type.with_shape((count,)), variable.op, operands, Attributes(variable.attributes, count=count),
            variable.name, variable.origin,
        )
    )  # fmt: skip
    return made


@contextmanager
def collector_paused() -> Iterator[None]:
    """Bulk building makes many objects and no garbage: with the collector on, its time grows superlinearly."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def unique_name(wanted: str, taken: set[str] | Mapping[str, object]) -> str:
    """The wanted name, or the first of name_1, name_2, … that is free."""
    name, serial = wanted, 0
    while name in taken:
        serial += 1
        name = f"{wanted}_{serial}"
    return name


def _input_names(inputs: Sequence[Variable]) -> list[str]:
    names: dict[str, None] = {}
    seen: set[Variable] = set()
    for position, variable in enumerate(inputs):
        if not isinstance(variable, Variable) or variable.op is not input_:
            raise InvalidArgument(
                f"input {position} is {variable!r}; expected a variable that is not computed from others"
            )
        if variable in seen:
            raise InvalidArgument(f"input {variable!r} stands twice among the inputs; give each once")
        seen.add(variable)
        names[unique_name(variable.name or f"x{position}", names)] = None
    return list(names)


def _named_outputs(outputs: Variable | Sequence[Variable] | Mapping[str, Variable]) -> dict[str, Variable]:
    if isinstance(outputs, Variable):
        return {outputs.name or "output": outputs}
    if isinstance(outputs, Mapping):
        named = dict(outputs)
    else:
        named = {}
        for position, variable in enumerate(outputs):
            wanted = getattr(variable, "name", None) or f"output{position}"
            named[unique_name(wanted, named)] = variable
    for name, variable in named.items():
        if not isinstance(variable, Variable):
            raise InvalidArgument(f"output {name} is {variable!r}; expected a variable")
    return named


def _check_inputs(order: Sequence[Variable], inputs: Sequence[Variable]) -> None:
    declared = set(inputs)
    for variable in order:
        if isinstance(variable, Handle):
            raise InvalidArgument(f"{variable!r} is a node of a graph; add expressions over it to that graph")
        if variable.op is input_ and variable not in declared:
            listing = ", ".join(v.name or "an unnamed one" for v in inputs) or "none"
            raise MissingInput(
                f"the outputs depend on {variable!r}, made at {variable.origin}, which is not among the inputs "
                f"({listing}); add it to the inputs"
            )


def _unify(
    graph: Graph,
    order: Sequence[Variable],
    lazy: Laziness | None,
    inputs: Sequence[Variable],
    names: Sequence[str],
    equal: Mapping[Variable, Variable],
) -> dict[str, DimLike]:
    """Collect the equations between dimensions; set the graph's guards; return how its dimensions are renamed."""
    known: dict[str, None] = {}
    for variable in inputs:
        for size in variable.shape:
            for name in sorted(symbols(size)):
                known.setdefault(name)
    unifier = Unifier(known)
    for variable, other in equal.items():
        unifier.because = (variable.op.name, variable.origin)
        unifier.unify(other.attributes["count"], variable.attributes["count"])
    for variable in order:
        unifier.because = (variable.op.name, variable.origin)
        if lazy is None or lazy.is_eager(variable):  # what is computed in a branch alone has a check instead
            for size in variable.nonempty:
                unifier.guard(*at_least_one(size))
        if not variable.operands or not any(operand.type.shape for operand in variable.operands):
            continue
        try:
            variable.op.type_rule(tuple([v.type for v in variable.operands]), variable.attributes, unifier.unify)
        except GraphoptError as error:
            raise type(error)(f"{variable.op.name}: {error}; at {variable.origin}") from None
    mapping = unifier.mapping()
    taken = set(known)
    _name_anonymous(mapping, inputs, names, taken)
    _name_counts(mapping, order, taken)
    for name, value in list(mapping.items()):
        if isinstance(value, Dim) and value.symbol in mapping:
            mapping[name] = mapping[value.symbol]
    guards = _guards(unifier, mapping)
    graph.guards, graph.renamed = list(guards), dict(mapping)
    graph.reasons = {key: unifier.reasons[key] for key in unifier.reasons if isinstance(key, str)} | guards
    return mapping


def _guards(unifier: Unifier, mapping: Mapping[str, DimLike]) -> dict[tuple[DimLike, DimLike], Reason]:
    """What still has to be checked once every name is known, and why: each pair once, none that always holds."""
    guards: dict[tuple[DimLike, DimLike], Reason] = {}
    for pair in dict.fromkeys(unifier.guards):
        a, b = (substitute(side, mapping) for side in pair)
        difference = a - b
        op, origin = unifier.reasons[pair]
        if isinstance(difference, int) and difference:
            raise ShapeMismatch(f"{op}: {broken(pair, a, b)}; at {origin}")
        if difference != 0 and (b, a) not in guards:
            guards.setdefault((a, b), (op, origin))
    return guards


def _name_anonymous(
    mapping: dict[str, DimLike], inputs: Sequence[Variable], names: Sequence[str], taken: set[str]
) -> None:
    """Sizes without a name are called after the first input and axis that has them: x_0."""
    for name, variable in zip(names, inputs, strict=True):
        for axis, size in enumerate(variable.shape):
            symbol = size.symbol if isinstance(size, Dim) else None
            if symbol is not None and symbol.startswith("?") and symbol not in mapping:
                label = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
                fresh = unique_name(f"{label}_{axis}" if label[:1].isalpha() else f"d_{label}_{axis}", taken)
                taken.add(fresh)
                mapping[symbol] = dim(fresh)


def _name_counts(mapping: dict[str, DimLike], order: Sequence[Variable], taken: set[str]) -> None:
    """Sizes that are counted, and that no input has, are called count_0, count_1, …"""
    serial = 0
    for variable in order:
        if COUNTING not in variable.op.traits:
            continue
        count = substitute(variable.attributes["count"], mapping)
        symbol = count.symbol if isinstance(count, Dim) else None
        if symbol is not None and symbol.startswith("?") and symbol not in mapping:
            while (fresh := f"count_{serial}") in taken:
                serial += 1
            taken.add(fresh)
            mapping[symbol] = dim(fresh)
