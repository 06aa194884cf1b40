"""The strategy `inputs_for`: arrays for the inputs of whatever has inputs."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from graphopt.dimensions import evaluate, symbols
from graphopt.domain import Domain, bounds, canonical_domain
from graphopt.errors import InvalidArgument
from graphopt.function import Function
from graphopt.graph import Graph
from graphopt.graph.counts import known_guards
from graphopt.testing.domains import Interval
from graphopt.testing.strategies.arrays import ALL, LAYOUTS, elements, laid_out, with_special
from graphopt.testing.strategies.draft import range_of
from graphopt.testing.strategies.intervals import DOMAIN
from graphopt.testing.strategies.programs import graph_of, whole_numbers
from graphopt.testing.strategies.sizes import SIZES
from graphopt.types import TensorType, is_float, is_integer
from graphopt.variable import Variable, variable

__all__ = ["inputs_for"]

Array = np.ndarray[Any, Any]
SPECIAL = "special"
NEAR_ZERO = 0.125
"""The smallest size of what must not be zero."""
_WIDTH = 4.0
_LARGEST_FINITE = 1e300
_LARGEST = 16
_TRIED = 20_000


def inputs_for(
    program: Graph | Function | Variable | Sequence[Variable] | Callable[..., Any],
    *,
    domain: Interval | str | Mapping[str, Interval | str] = DOMAIN,
    sizes: tuple[int, int] = SIZES,
    layouts: Sequence[str] = ("contiguous",),
    types: Mapping[str, str | TensorType] | None = None,
) -> st.SearchStrategy[dict[str, Array]]:
    """Arrays for a program's inputs, by name, of shapes that fit together.

    Named sizes are the same wherever they occur, and such that the program's guards hold. Integers from which positions
    in an axis are computed lie inside that axis; the others in -4 … 4, or 0 … 4.

    Parameters
    ----------
    program
        A graph; a compiled function, whose shared variables keep their values; variables: then the inputs are those
        they depend on, under the names the graph gives them; or a Python function of variables, the types of whose
        parameters are annotated, `def f(x: "float64[n]")`, or given by `types`.
    domain
        What floats are, for all inputs or by name: bounds, words of `graphopt.variable`'s domains such as "positive",
        or "special": within the usual bounds, but a few elements are NaN, infinite, zeros of either sign, subnormal,
        or the largest there are (of integers: the ends of the dtype). An input whose own domain is declared stays in
        it in any case.
    sizes
        The least and the largest size of a named dimension. Larger ones are taken if no others fit.
    layouts
        How arrays may lie in memory: names of `LAYOUTS`, the simplest first.
    types
        Types of a Python function's parameters.

    Returns
    -------
    A strategy of dict
        An array for each input, by name.

    Raises
    ------
    InvalidArgument
        If a parameter has no type, a domain or layout is unknown, or no sizes satisfy the program's guards.
    """
    if unknown := [name for name in layouts if name not in LAYOUTS]:
        raise InvalidArgument(f"unknown layouts {unknown}; known: {', '.join(LAYOUTS)}")
    for given in domain.values() if isinstance(domain, Mapping) else [domain]:
        if given != SPECIAL:
            canonical_domain(given)
    held = program._signature.shared if isinstance(program, Function) else ()
    return _inputs(_graph(program, types), held, domain, sizes, tuple(layouts))


@st.composite
def _inputs(
    draw: st.DrawFn, program: Graph, held: Container[str], domain: Any, sizes: tuple[int, int], layouts: tuple[str, ...]
) -> dict[str, Array]:
    def below(count: int) -> int:
        return draw(whole_numbers(count)) if count > 1 else 0

    types = {name: program.type(node) for name, node in program.inputs.items() if name not in held}
    known = _sizes(program, types, sizes, below)
    limits = _limits(program, known)
    arrays = {}
    for name, type in types.items():
        given = domain.get(name) if isinstance(domain, Mapping) else domain if is_float(type.dtype) else None
        special = given == SPECIAL or (domain == SPECIAL and type.dtype != "bool")
        declared = program.attributes(program.inputs[name]).get("domain")
        interval = limits.get(name) or _interval(type.dtype, None if special else given, declared)
        shape = tuple(evaluate(size, known) for size in type.shape)
        array = elements(below(ALL), type.dtype, shape, interval)
        if special and name not in limits:
            array = with_special(array, below, declared)
        arrays[name] = laid_out(array, layouts[below(len(layouts))])
    return arrays


# --- what has inputs -------------------------------------------------------------------------------------------------


def _graph(program: Any, types: Mapping[str, str | TensorType] | None) -> Graph:
    if isinstance(program, Graph):
        return program
    if isinstance(program, Function):
        return program._written
    if isinstance(program, Variable):
        return graph_of([program])
    if callable(program):
        return _graph_of_function(program, types or {})
    return graph_of(list(program))


def _graph_of_function(function: Callable[..., Any], types: Mapping[str, str | TensorType]) -> Graph:
    annotations = {**inspect.get_annotations(function), **types}
    arguments = []
    for name in inspect.signature(function).parameters:
        given = annotations.get(name)
        if isinstance(given, str) and given[:1] in "'\"":  # written as a text where annotations are texts already
            given = ast.literal_eval(given)
        if not isinstance(given, str | TensorType):
            raise InvalidArgument(
                f"parameter {name} of {getattr(function, '__name__', function)!r} has no type; annotate it, as in "
                f"{name}: 'float64[n]', or give types={{{name!r}: 'float64[n]'}}"
            )
        arguments.append(variable(name, given))
    found = function(*arguments)
    outputs = list(found.values()) if isinstance(found, Mapping) else found
    return Graph.from_outputs(arguments, outputs)


# --- sizes -----------------------------------------------------------------------------------------------------------


def _sizes(
    graph: Graph, types: Mapping[str, TensorType], allowed: tuple[int, int], below: Callable[[int], int]
) -> dict[str, int]:
    """A size for every name, such that all guards hold that can be checked before the program runs."""
    low, high = allowed
    names = sorted({name for type in types.values() for size in type.shape for name in symbols(size)})
    guards = known_guards(graph)
    if not guards:
        return {name: low + below(high - low + 1) for name in names}
    found = list(itertools.islice(_solutions(names, guards, low, high), _TRIED))
    if not found:
        found = list(itertools.islice(_solutions(names, guards, low, max(high, _LARGEST)), 1))
    if not found:
        listing = ", ".join(f"{a} = {b}" for a, b in guards)
        raise InvalidArgument(f"no sizes {low} … {max(high, _LARGEST)} of {', '.join(names)} satisfy {listing}")
    return found[below(len(found))]


def _solutions(names: Sequence[str], guards: Any, low: int, high: int) -> Iterator[dict[str, int]]:
    for chosen in itertools.islice(itertools.product(range(low, high + 1), repeat=len(names)), _TRIED):
        sizes = dict(zip(names, chosen, strict=True))
        if all(evaluate(a, sizes) == evaluate(b, sizes) for a, b in guards):
            yield sizes


# --- values ----------------------------------------------------------------------------------------------------------


def _interval(dtype: str, given: Interval | str | None, declared: Domain | None) -> Interval:
    """Between which values elements lie: those asked for and those declared, the latter if they exclude each other.

    What has no bound is given the usual ones, or if those are elsewhere, a distance from the one it has.
    """
    usual = range_of(dtype)
    zero = True
    low, high = usual if given is None else (-math.inf, math.inf)
    for domain in (given, declared):
        if domain is not None:
            least, most, with_zero = bounds(domain, "float64")
            apart = max(low, least) > min(high, most)
            low, high = (least, most) if apart else (max(low, least), min(high, most))
            zero = zero and with_zero
    if math.isinf(low) or math.isinf(high) or max(-low, high) > _LARGEST_FINITE:
        if max(low, usual[0]) <= min(high, usual[1]):
            low, high = max(low, usual[0]), min(high, usual[1])
        else:
            low, high = (low, low + _WIDTH) if low > usual[1] else (high - _WIDTH, high)
    if not zero and low <= 0 <= high:
        step = NEAR_ZERO if is_float(dtype) else 1.0
        low, high = (low, -step) if high == 0 else (step, high)
    return low, high


def _limits(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Interval]:
    """For inputs from which positions in axes are computed, by moving, casting and arithmetic: those of the axes."""
    names = {node: name for name, node in graph.inputs.items() if is_integer(graph.type(node).dtype)}
    limits: dict[str, Interval] = {}
    for user in graph.order() if names else ():
        first = {"gather": 1, "scatter": 2}.get(graph.op(user).name)
        if first is None:
            continue
        operands = graph.operands(user)
        for size, index in zip(graph.type(operands[0]).shape, operands[first:], strict=False):
            length = _length(size, sizes)
            for node in graph.order([index]):
                if node in names:
                    limits[names[node]] = (0.0, min(limits.get(names[node], (0.0, length))[1], length))
    return limits


def _length(size: Any, sizes: Mapping[str, int]) -> float:
    """The last position of an axis; 0 where its length is counted when the program runs."""
    return float(max(evaluate(size, sizes) - 1, 0)) if symbols(size) <= sizes.keys() else 0.0
