"""Specimens of matrix products and of what LAPACK computes: factors, solutions, inverses, determinants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import graphopt.tensor as T
from graphopt.ops import decompositions as ops
from graphopt.tensor import decompositions as linalg
from graphopt.testing.specimen import Operand, Shape, Specimen, dominant, fixed, reflected, squared, within
from graphopt.variable import Variable

__all__ = ["matrices_specimens"]

_ANY = within(-1.5, 1.5)

_PRODUCTS: dict[str, tuple[Shape, Shape]] = {
    "a row and a matrix": ((1, 2), (2, 3)),
    "a matrix and a column": ((3, 2), (2, 1)),
    "vectors": ((3,), (3,)),
    "a matrix and a vector": ((2, 3), (3,)),
    "a vector and a matrix": ((3,), (3, 2)),
    "one matrix and a batch": ((1, 2), (3, 2, 1)),
    "a batch and one matrix": ((3, 1, 2), (2, 1)),
    "batches that broadcast": ((2, 1, 1, 2), (3, 2, 1)),
}

_OF_ONE: dict[str, dict[str, Callable[..., Any]]] = {
    "cholesky": {"lower": linalg.cholesky, "upper": lambda a: linalg.cholesky(a, upper=True)},
    "inv": {"as it is": linalg.inv},
    "det": {"as it is": linalg.det},
    "adjugate": {"as it is": ops.adjugate},
    "slogdet": {
        "the logarithm": lambda a: linalg.slogdet(a).logabsdet,
        "the sign times the logarithm": lambda a: linalg.slogdet(a).sign * linalg.slogdet(a).logabsdet,
    },
}
_OF_TWO: dict[str, dict[str, Callable[..., Any]]] = {
    "solve": {"as it is": linalg.solve},
    "solve_triangular": {
        "lower": lambda a, b: linalg.solve_triangular(a, b, lower=True),
        "upper": linalg.solve_triangular,
        "lower, diagonal of ones": lambda a, b: linalg.solve_triangular(a, b, lower=True, unit_diagonal=True),
        "transposed, diagonal of ones": lambda a, b: linalg.solve_triangular(a, b, trans=1, unit_diagonal=True),
    },
}


def _composed(a: Variable) -> Variable:
    definite = a @ T.transpose(a) + T.eye(2, dtype=a.dtype)
    factor = linalg.cholesky(definite)
    result: Variable = linalg.cho_solve((factor, True), a) * linalg.slogdet(definite).logabsdet
    return result


def matrices_specimens() -> Iterator[Specimen]:
    """Specimens of all of them."""
    yield Specimen("matmul", "as it is", T.matmul, (Operand((1, 2), _ANY), Operand((2, 3), _ANY)), (0, 1))
    for name, shapes in _PRODUCTS.items():
        yield Specimen("matmul", name, squared(T.matmul), tuple(Operand(shape, _ANY) for shape in shapes), (0, 1))
    yield Specimen("matmul", "a matrix and itself", lambda a: a @ T.transpose(a), (Operand((2, 3), _ANY),), (0,))
    for op, functions in _OF_ONE.items():
        for number, (name, function) in enumerate(functions.items()):
            yield Specimen(op, name, function, (Operand((2, 2), dominant),), (0,))
            if number == 0:  # the others differ by what comes after the op
                yield Specimen(op, f"{name}, order 3", squared(function), (Operand((3, 3), dominant),), (0,))
                yield Specimen(op, f"{name}, a batch", squared(function), (Operand((2, 2, 2), _signs(op)),), (0,))
    for op, functions in _OF_TWO.items():
        for number, (name, function) in enumerate(functions.items()):
            # Batches and vectors are no business of the other attributes.
            for kind, (a, b), change in _SYSTEMS if number == 0 else _SYSTEMS[:2]:
                operands = (Operand(a, dominant), Operand(b, _ANY))
                yield Specimen(op, f"{name}, {kind}", change(function), operands, (0, 1))
            operands = (Operand((2, 2), dominant), Operand((2, 2), _ANY))
            for k, what in enumerate(("matrix", "right side")):
                yield Specimen(op, f"{name}, of which the {what} varies", squared(function), operands, (k,))
    yield from _SINGULAR
    yield Specimen("cholesky", "with solutions and a determinant", _composed, (Operand((2, 2), dominant),), (0,))


def _signs(op: str) -> Any:
    return dominant if op == "cholesky" else reflected


_SYSTEMS: list[tuple[str, tuple[Shape, Shape], Callable[..., Any]]] = [
    ("two right sides", ((2, 2), (2, 2)), lambda f: f),
    ("order 3", ((3, 3), (3, 1)), squared),
    ("a vector", ((2, 2), (2,)), squared),
    ("a batch and one right side", ((2, 2, 2), (2, 1)), squared),
    ("one matrix and a batch", ((2, 2), (3, 2, 1)), squared),
]

_SINGULAR = [
    Specimen("det", f"of a singular matrix, rank {rank}", linalg.det, (Operand((2, 2), fixed(*rows)),), (0,), orders=1)
    for rank, rows in ((1, ([1.0, 2.0], [2.0, 4.0])), (0, ([0.0, 0.0], [0.0, 0.0])))
]
