"""Jacobians whose pattern of zeros is known: columns that meet in no row share a product.

A. R. Curtis, M. J. D. Powell, J. K. Reid, "On the estimation of sparse Jacobian matrices", J. Inst. Maths Applics 13
(1974). Which columns share one is a colouring of the graph in which columns that meet are neighbours:
A. H. Gebremedhin, F. Manne, A. Pothen, "What color is your Jacobian?", SIAM Review 47 (2005). The same holds for rows,
in reverse mode. Patterns are SciPy's sparse matrices throughout, so that one of 10⁵ rows and columns is no more than
its elements.
"""

from __future__ import annotations

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

Pattern = Any  # a csr_array of bool; SciPy is imported when the first is made


def pattern_of(sparsity: Any, y: Variable, x: Variable) -> Pattern:
    """A pattern given by a user, as a sparse array of bool of shape (elements of y, elements of x).

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
    given = sparsity if hasattr(sparsity, "tocsr") else np.asarray(sparsity)
    shape = (y.size, x.size)
    if given.shape not in (shape, (*y.shape, *x.shape)):
        raise ShapeMismatch(
            f"the pattern of zeros has shape {given.shape}; expected that of the Jacobian, "
            f"{shape_text((*y.shape, *x.shape))}, or that of a matrix, {shape}"
        )
    return _sparse(given if hasattr(given, "tocsr") else given.reshape(shape))


def _sparse(given: Any) -> Pattern:
    """An array, or a sparse matrix, as a pattern: in order of rows, and without elements that are zero."""
    from scipy.sparse import csr_array

    pattern = csr_array(given != 0)
    pattern.sum_duplicates()
    return pattern


def coloured(pattern: Pattern) -> NDArray[np.int64]:
    """A colour for each column, from 0 on, so that no two of one colour have an element in the same row."""
    counts = _sparse(pattern).astype(np.int64)
    together = (counts.T @ counts).tocoo()
    meetings: nx.Graph[int] = nx.empty_graph(counts.shape[1])
    apart = together.row < together.col
    meetings.add_edges_from(zip(together.row[apart].tolist(), together.col[apart].tolist(), strict=True))
    colours = nx.greedy_color(meetings, strategy="largest_first")
    return np.array([colours[column] for column in range(counts.shape[1])], np.int64)


def _colouring(pattern: Pattern) -> tuple[bool, NDArray[np.int64]]:
    """Whether columns need no more colours than rows, and the colours of those that do not.

    A row with n elements needs n colours of columns. The side that needs fewer by that count goes first, and the other
    is not even looked at where it cannot be better: one full row makes a graph of all pairs of columns.
    """
    fewest = {True: _longest(pattern), False: _longest(pattern.T.tocsr())}  # of columns, of rows
    first = fewest[True] <= fewest[False]
    chosen = {first: coloured(pattern if first else pattern.T)}
    if fewest[not first] < _count(chosen[first]):
        chosen[not first] = coloured(pattern.T if first else pattern)
    forward = min(chosen, key=lambda side: (_count(chosen[side]), not side))
    return forward, chosen[forward]


def _longest(pattern: Pattern) -> int:
    return int(np.diff(pattern.indptr).max(initial=0))


def _count(colours: NDArray[np.int64]) -> int:
    return int(colours.max(initial=-1)) + 1


def compressed(y: Variable, x: Variable, pattern: Pattern, packed: bool, **options: Any) -> Variable:
    """The Jacobian, given where its elements are: a product for each colour of columns, or of rows where fewer."""
    forward, colours = _colouring(pattern)
    seeded, other = (x, y) if forward else (y, x)
    count = _count(colours)
    together = colours == np.arange(count)[:, None]
    seeds = reshape(as_variable(together.astype(seeded.dtype)), shape=(count, *seeded.shape))
    moving = variable(None, seeded.type)
    product = jvp(y, x, moving, **options) if forward else vjp(y, x, moving, **options)
    (made,) = batched([product], {moving: seeds}, (count,))
    products = reshape(made, shape=(count, other.size))
    if packed:
        elements = pattern.tocoo()
        across, along = (elements.col, elements.row) if forward else (elements.row, elements.col)
        return gather(products, as_variable(colours[across]), as_variable(along.astype(np.int64)))  # type: ignore[no-any-return]
    matrix = gather(products, as_variable(colours))
    if forward:
        matrix = transpose(matrix, axes=(1, 0))
    result: Variable = reshape(where(as_variable(pattern.toarray()), matrix, 0), shape=(*y.shape, *x.shape))
    return result
