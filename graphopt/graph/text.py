"""The text form of a graph: `str(graph)`, one line a node, which `Graph.parse` reads back.

Nodes are renumbered in a stable topological order, so equal graphs have equal text whatever their history:

    %0 = input("x"): float32[n, m]
    %1 = exp(%0): float32[n, m]
    %2 = sum(%1, axis=(1,)): float32[n]  # softmax.py:12
    output "total" = %2

The bodies of an op follow on lines of their own, indented, each after the attribute's name: `then: %0 = …`.
A run-time check is an output with what it says: `check "check0" = %3, "the rate must be positive"`.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.dimensions import Dim, dim_from_tree, parse_dim
from graphopt.domain import canonical_domain
from graphopt.errors import GraphoptError, InvalidArgument
from graphopt.graph.body import Body, bodies
from graphopt.graph.checks import Check
from graphopt.op import Attributes, Op
from graphopt.ops.control import with_derivative
from graphopt.ops.define import find
from graphopt.ops.leaves import ArrayConstant, constant, dimension, input_
from graphopt.types import TensorType

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["application_text", "graph_text", "parse_graph"]


def stable_order(graph: Graph) -> list[int]:
    """Inputs first, then what the outputs need, operands first: the order in which nodes are numbered for people."""
    inputs = list(graph.inputs.values())
    held = set(inputs)
    return [*inputs, *(node for node in graph.order() if node not in held)]


def graph_text(graph: Graph, origins: bool = True, digests: bool = False) -> str:
    """The text form of a graph; without origins, equal for graphs that compute the same in the same way.

    With `digests` bodies are named and not written out: no text to be read back, but one to be compared.
    """
    order = stable_order(graph)
    number = {node: position for position, node in enumerate(order)}
    labels = {node: name for name, node in graph.inputs.items()}
    lines = []
    for node in order:
        label = labels.get(node)
        application = application_text(graph, node, number) if label is None else _input_text(graph, node, label)
        line = f"%{number[node]} = {application}: {graph.type(node)}"
        if origins:
            notes = [json.dumps(graph.name(node))] if graph.name(node) and node not in labels else []
            notes += [" ".join(str(origin).split()) for origin in graph.origins(node)]
            line += f"  # {', '.join(notes)}" if notes else ""
        lines.append(line)
        for word, body in bodies(graph.attributes(node)).items():
            inner = body.digest if digests else graph_text(body.graph, origins)
            lines += [f"    {word}: {part}" for part in inner.splitlines()]
    lines += [f"guard {a} == {b}" for a, b in graph.guards]
    lines += [_output_text(graph, name, number[node], origins) for name, node in graph.outputs.items()]
    return "\n".join(lines) + "\n"


def _output_text(graph: Graph, name: str, number: int, origins: bool) -> str:
    check = graph.checks.get(name)
    if check is None:
        return f"output {json.dumps(name)} = %{number}"
    kind = "" if check.kind is None else f" {check.kind}"
    line = f"check{kind} {json.dumps(name)} = %{number}, {json.dumps(check.message)}"
    return f"{line}  # {check.origin}" if origins and check.origin is not None else line


def _input_text(graph: Graph, node: int, label: str) -> str:
    domain = graph.attributes(node).get("domain")
    return f"input({json.dumps(label)}{'' if domain is None else f', domain={_value_text(domain)}'})"


def application_text(graph: Graph, node: int, number: Mapping[int, int]) -> str:
    """One application: `sum(%1, axis=(1,))`."""
    operands = [f"%{number.get(operand, operand)}" for operand in graph.operands(node)]
    return application(graph.op(node), operands, graph.attributes(node))


def application(op: Op, operands: Sequence[str], attributes: Attributes) -> str:
    """An op over operands that are text already."""
    if op is constant or op is dimension or op is input_:  # dtype and shape stand in the type
        attributes = Attributes({key: value for key, value in attributes.items() if key == "value"})
    shown = [f"{key}={_value_text(value)}" for key, value in attributes.items() if not isinstance(value, Body)]
    return f"{op.name}({', '.join([*operands, *shown])})"


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(_value_text(item) for item in value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, ArrayConstant):
        return f"array({value.array.reshape(-1).tolist()!r})"
    return repr(value) if not isinstance(value, Dim) else str(value)


# --- reading back ------------------------------------------------------------------------------------------------

_NODE = re.compile(r"%(\d+) = (\w+)\(")
_OUTPUT = re.compile(r'output ("(?:[^"\\]|\\.)*") = %(\d+)\s*$')
_INNER = re.compile(r"(\w+): (.*)$")
_CHECK = re.compile(r'check(?: (\w+))? ("(?:[^"\\]|\\.)*") = %(\d+), ("(?:[^"\\]|\\.)*")(?:  # .*)?$')
_GUARD = re.compile(r"guard (.+) == (.+)$")
_TYPE = re.compile(r"\): (\w+(?:\[[^\]]*\])?)(?:  # .*)?$")


def parse_graph(text: str) -> Graph:
    """The graph a text form describes; origins, which are comments, are dropped.

    Raises
    ------
    InvalidArgument
        Naming the line that cannot be read, for instance for a derivative of one's own (`with_derivative`), which is
        a function of Python. Nothing is evaluated.
    """
    from graphopt.graph.graph import Graph

    graph = Graph()
    nodes: dict[str, int] = {}
    for position, line, inner in _statements(text):
        try:
            _parse_line(graph, nodes, line, {word: Body(parse_graph("\n".join(part))) for word, part in inner.items()})
        except (GraphoptError, KeyError, SyntaxError, ValueError, AttributeError) as error:
            raise InvalidArgument(f"line {position} of the graph's text cannot be read: {line!r} ({error})") from None
    graph.verify()
    graph.journal.clear()
    return graph


def _statements(text: str) -> list[tuple[int, str, dict[str, list[str]]]]:
    """The lines that say something, with their numbers, each with the lines of its bodies."""
    result: list[tuple[int, str, dict[str, list[str]]]] = []
    for position, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if result and (inner := _INNER.match(line)):
            result[-1][2].setdefault(inner[1], []).append(inner[2])
        else:
            result.append((position, line, {}))
    return result


def _parse_line(graph: Graph, nodes: dict[str, int], line: str, inner: Mapping[str, Body]) -> None:
    if match := _OUTPUT.match(line):
        graph._set_output(json.loads(match[1]), nodes[match[2]])
        return
    if match := _CHECK.match(line):
        graph._checks[json.loads(match[2])] = Check(json.loads(match[4]), None, match[1])
        graph._set_output(json.loads(match[2]), nodes[match[3]])
        return
    if match := _GUARD.match(line):
        graph.guards.append((parse_dim(match[1]), parse_dim(match[2])))
        return
    head = _NODE.match(line)
    end = _closing(line, head.end() if head else 0)
    tail = _TYPE.match(line, end) if head else None
    if head is None or tail is None:
        raise InvalidArgument("expected '%1 = op(%0, attribute=value): type', 'guard a == b' or 'output \"y\" = %1'")
    type = TensorType.parse(tail[1])
    source = re.sub(
        r'%(\d+)|("(?:[^"\\]|\\.)*")', lambda m: f"_{m[1]}" if m[1] else m[2], line[head.start(2) : end + 1]
    )
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)
    _parse_node(graph, nodes, head[1], head[2], type, call, inner)


def _parse_node(
    graph: Graph,
    nodes: dict[str, int],
    number: str,
    name: str,
    type: TensorType,
    call: ast.Call,
    inner: Mapping[str, Body],
) -> None:
    if name == "input":
        label = ast.literal_eval(call.args[0])
        attributes = Attributes(dtype=type.dtype, shape=type.shape)
        for keyword in call.keywords:
            if keyword.arg != "domain":
                raise InvalidArgument(f"an input has no {keyword.arg}; it may have a domain")
            attributes = Attributes(attributes, domain=canonical_domain(_parse_value(keyword.value, type, _WORDS)))
        from graphopt.variable import Origin, Variable

        variable = Variable(type, input_, (), attributes, label, Origin("text"))
        node = graph._add_node(input_, (), attributes, type, label)
        graph.inputs[label], graph.variables[node], graph._nodes_of[variable] = node, variable, node
        nodes[number] = node
        return
    op = find(name)
    if op is with_derivative:
        own = next((ast.unparse(k.value) for k in call.keywords if k.arg == "rule"), "rule")
        raise InvalidArgument(
            f"{own} is a derivative of one's own, a Python function, and has no text; build this graph from its "
            "expression, or leave with_derivative out of the text, and the derivative is that of the formula"
        )
    if not all(isinstance(argument, ast.Name) for argument in call.args):
        raise InvalidArgument("operands are nodes such as %0")
    operands = tuple(nodes[argument.id[1:]] for argument in call.args if isinstance(argument, ast.Name))
    values = {
        # A dimension may be called inf; where dimensions stand, that is what it is.
        k.arg: _parse_value(k.value, type, {} if op is dimension or k.arg == "shape" else _WORDS)
        for k in call.keywords
        if k.arg is not None
    }
    values |= inner
    if op is constant:
        values |= {"dtype": type.dtype, "shape": type.shape}
    elif op is dimension:
        values |= {"dtype": type.dtype}
    nodes[number] = graph._add_node(op, operands, Attributes(values), type)


def _closing(line: str, start: int) -> int:
    """Where the parenthesis opened before `start` closes, quoted text skipped."""
    depth, quoted, position = 1, False, start
    while position < len(line):
        character = line[position]
        if quoted:
            position += character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        else:
            depth += (character == "(") - (character == ")")
            if not depth:
                return position
        position += 1
    return 0


_WORDS = {"inf": math.inf, "nan": math.nan}


def _parse_value(tree: ast.expr, type: TensorType, words: Mapping[str, float]) -> Any:
    match tree:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.Tuple(elts=items):
            return tuple(_parse_value(item, type, words) for item in items)
        case ast.Name(id=word) if word in words:
            return words[word]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(value))):
            return -value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id=word)) if word in words:
            return -words[word]
        case ast.Call(func=ast.Name(id="array"), args=[ast.List(elts=items)]):
            array = np.array([_parse_value(item, type, words) for item in items], dtype=type.dtype)
            return ArrayConstant(array.reshape([size for size in type.shape if isinstance(size, int)]))
    return dim_from_tree(tree, ast.unparse(tree))
