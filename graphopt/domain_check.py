"""mode="check": the arguments of a call against the domains that were declared for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphopt.domain import outside
from graphopt.errors import CheckFailed
from graphopt.graph.graph import Graph

__all__ = ["check_domains"]


def check_domains(name: str, graph: Graph, arrays: Mapping[str, Any]) -> None:
    """Hold arguments to the declared domains of a graph's inputs.

    Raises
    ------
    CheckFailed
        Naming the function, the argument, the first element outside its domain, and the domain.
    """
    for argument, node in graph.inputs.items():
        domain = graph.attributes(node).get("domain")
        if domain is None:
            continue
        array = arrays[argument]
        wrong = outside(array, domain)
        if wrong.any():
            index = tuple(int(k) for k in np.argwhere(wrong)[0])
            declared = repr(domain) if isinstance(domain, str) else f"[{domain[0]:g}, {domain[1]:g}]"
            raise CheckFailed(
                f"{name}: argument {argument}{list(index) if index else ''} is {array[index]!r}, outside its declared "
                f"domain {declared} ({int(wrong.sum())} of {wrong.size} elements are); pass other values or declare "
                "another domain"
            )
