"""Jacobians whose pattern of zeros is known: columns that meet in no row share a product.

A. R. Curtis, M. J. D. Powell, J. K. Reid, "On the estimation of sparse Jacobian matrices", J. Inst. Maths Applics 13
(1974). Which columns share one is a colouring of the graph in which columns that meet are neighbours:
A. H. Gebremedhin, F. Manne, A. Pothen, "What color is your Jacobian?", SIAM Review 47 (2005). The same holds for rows,
in reverse mode.
"""

from __future__ import annotations

import itertools
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphopt.autodiff.batch import batched
from graphopt.autodiff.forward import jvp
from graphopt.autodiff.reverse import vjp
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.ops.gather import gather
from graphopt.ops.logic import where
from graphopt.ops.shape import reshape, transpose
from graphopt.types import shape_text
from graphopt.variable import Variable, as_variable, variable

__all__ = ["coloured", "compressed", "pattern_of"]

Pattern = NDArray[np.bool_]


def pattern_of(sparsity: Any, y: Variable, x: Variable) -> Pattern:
    """A pattern given by a user as an array of bool of shape (elements of y, elements of x).

    Raises
    ------
    InvalidArgument
        If a size of y or x is not a number.
    ShapeMismatch
        If the pattern has another shape than the Jacobian, or the Jacobian as a matrix.
    """
    if not isinstance(y.size, int) or not isinstance(x.size, int):
        raise InvalidArgument(
            f"a pattern of zeros is that of one size; expected numbers, found shapes {shape_text(y.shape)} and "
            f"{shape_text(x.shape)}"
        )
    given = np.asarray(sparsity.todense() if hasattr(sparsity, "todense") else sparsity) != 0
    shape = (y.size, x.size)
    if given.shape not in (shape, (*y.shape, *x.shape)):
        raise ShapeMismatch(
            f"the pattern of zeros has shape {given.shape}; expected that of the Jacobian, "
            f"{shape_text((*y.shape, *x.shape))}, or that of a matrix, {shape}"
        )
    pattern: Pattern = given.reshape(shape)
    return pattern


def coloured(pattern: Pattern) -> NDArray[np.int64]:
    """A colour for each column, from 0 on, so that no two of one colour have an element in the same row."""
    meetings: nx.Graph[int] = nx.empty_graph(pattern.shape[1])
    for row in pattern:
        meetings.add_edges_from(itertools.combinations(np.flatnonzero(row).tolist(), 2))
    colours = nx.greedy_color(meetings, strategy="largest_first")
    return np.array([colours[column] for column in range(pattern.shape[1])], np.int64)


def compressed(y: Variable, x: Variable, pattern: Pattern, **options: Any) -> Variable:
    """The Jacobian, given where its elements are: a product for each colour of columns, or of rows where fewer."""
    columns, rows = coloured(pattern), coloured(pattern.T)
    forward = len(set(columns.tolist())) <= len(set(rows.tolist()))
    colours, seeded, other = (columns, x, y) if forward else (rows, y, x)
    count = int(colours.max(initial=-1)) + 1
    together = colours == np.arange(count)[:, None]
    seeds = reshape(as_variable(together.astype(seeded.dtype)), shape=(count, *seeded.shape))
    moving = variable(None, seeded.type)
    product = jvp(y, x, moving, **options) if forward else vjp(y, x, moving, **options)
    (made,) = batched([product], {moving: seeds}, (count,))
    matrix = gather(reshape(made, shape=(count, other.size)), as_variable(colours))
    if forward:
        matrix = transpose(matrix, axes=(1, 0))
    result: Variable = reshape(where(as_variable(pattern), matrix, 0), shape=(*y.shape, *x.shape))
    return result
