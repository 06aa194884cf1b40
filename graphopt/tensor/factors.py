"""Contractions of labelled arrays: the order in which several are joined, and one `matmul` for every two.

Where neither of two factors keeps an axis of its own, BLAS would use nothing twice, and a product that is summed fuses
with what surrounds it. Integers keep their dtype and bools are joined by *or*, as by NumPy's `einsum` and `dot`.

Source of the search: D. G. A. Smith and J. Gray, "opt_einsum - A Python package for optimizing contraction order for
einsum-like expressions", Journal of Open Source Software 3(26), 753 (2018).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from graphopt.dimensions import DimLike, evaluate, product, symbols
from graphopt.errors import InvalidArgument
from graphopt.ops import reduction
from graphopt.ops import shape as views
from graphopt.ops.linear_algebra import matmul
from graphopt.tensor.einsum_notation import Labels
from graphopt.tensor.shape import transpose
from graphopt.tensor.ufuncs import cast

__all__ = ["Factor", "contracted", "joined"]

REPRESENTATIVE = 64
"""The size that a named dimension is taken to have while an order is looked for."""

LARGE = 32**3
"""How many products a call of BLAS is worth."""


class Factor(NamedTuple):
    """An array and the labels of its axes, no two of them equal. Factors that are joined agree about sizes."""

    value: Any
    labels: Labels

    def sizes(self, labels: Iterable[int]) -> tuple[DimLike, ...]:
        """The sizes of some of its axes."""
        return tuple(self.value.shape[self.labels.index(label)] for label in labels)

    def arranged(self, labels: Sequence[int]) -> Any:
        """The array with its axes in that order, and of length 1 where it has none."""
        kept = [label for label in labels if label in self.labels]
        order = [self.labels.index(label) for label in kept]
        value = self.value if order == sorted(order) else transpose(self.value, order)
        new = tuple(k for k, label in enumerate(labels) if label not in self.labels)
        return views.expand_dims(value, axis=new) if new else value

    def summed(self, kept: Collection[int]) -> Factor:
        """Its sum over all labels but those."""
        axes = tuple(k for k, label in enumerate(self.labels) if label not in kept)
        rest = tuple(label for label in self.labels if label in kept)
        return Factor(_total(self.value, axes), rest) if axes else self


def _total(value: Any, axes: tuple[int, ...]) -> Any:
    if value.dtype == "bool":
        return reduction.any_(value, axis=axes)
    return cast(reduction.sum_(value, axis=axes), value.dtype)


def joined(a: Factor, b: Factor, kept: Collection[int], order: Sequence[int] = ()) -> Factor:
    """The product of two factors, summed over all labels but `kept`; if it costs nothing, in that order."""
    a, b = a.summed({*kept, *b.labels}), b.summed({*kept, *a.labels})
    both = [label for label in a.labels if label in b.labels]
    over = [label for label in both if label not in kept]
    if not over:
        free = [label for label in dict.fromkeys((*order, *a.labels, *b.labels)) if label in a.labels + b.labels]
        return Factor(a.arranged(free) * b.arranged(free), tuple(free))
    batch = sorted((label for label in both if label in kept), key=lambda label: _position(label, order))
    rows, columns = ([label for label in x.labels if label not in both] for x in (a, b))
    if not rows and not columns:
        whole = [*batch, *over]
        return Factor(a.arranged(whole) * b.arranged(whole), tuple(whole)).summed(batch)
    alone = _repeated(a, rows, over, b.sizes(columns)) or _repeated(b, columns, over, a.sizes(rows))
    rows, columns = ([label for label in labels if label not in alone] for labels in (rows, columns))
    if rows and columns and _position(rows[-1], order) > _position(columns[-1], order):
        a, b, rows, columns = b, a, columns, rows
    lead = [*batch, *alone]
    left = _matrices(a, lead, rows, over)
    right = _matrices(b, lead, over, columns)
    sizes = (a if set(lead) <= set(a.labels) else b).sizes(lead)
    result = _reshaped(matmul(left, right), (*sizes, *a.sizes(rows), *b.sizes(columns)))
    return Factor(result, (*lead, *rows, *columns))


def _matrices(x: Factor, lead: Sequence[int], rows: Sequence[int], columns: Sequence[int]) -> Any:
    """A factor as matrices, one for every index of the leading labels; of length 1 where it has not got one."""
    value = x.arranged([*lead, *rows, *columns])
    return _reshaped(value, (*value.shape[: len(lead)], product(x.sizes(rows)), product(x.sizes(columns))))


def _repeated(x: Factor, own: Sequence[int], over: Sequence[int], others: Iterable[DimLike]) -> list[int]:
    """Labels of its own for each of which the other factor is multiplied again: those left of the summed ones.

    One product of matrices would need all of its own labels side by side, and so a copy, where there are more on the
    right. Several are as good if they are not tiny.
    """
    first = min(x.labels.index(label) for label in over)
    before = [label for label in own if x.labels.index(label) < first]
    after = [label for label in own if label not in before]
    work = product((*x.sizes(after), *x.sizes(over), *others))
    return before if before and after and _representative(work) >= LARGE else []


def _position(label: int, order: Sequence[int]) -> int:
    return order.index(label) if label in order else -1


def _reshaped(value: Any, shape: tuple[DimLike, ...]) -> Any:
    return value if value.shape == shape else views.reshape(value, shape=shape)


def contracted(factors: Sequence[Factor], result: Labels, optimize: Any = True) -> Any:
    """The product of all factors, summed over all labels but the result's, which are in order.

    Parameters
    ----------
    factors
        At least one.
    result
        Labels of the factors', each once.
    optimize
        True, False, a method of opt_einsum's or a path: see `einsum`.

    Raises
    ------
    InvalidArgument
        If there is no such method, or the path does not join all factors.
    """
    left = list(factors)
    for positions in _path(left, result, optimize):
        if len(set(positions)) != len(positions) or any(not 0 <= k < len(left) for k in positions):
            raise InvalidArgument(f"einsum: the path joins {positions} of {len(left)} operands that are left")
        taken = [left[k] for k in positions]
        left = [factor for k, factor in enumerate(left) if k not in positions]
        while len(taken) > 1:
            first, second, *rest = taken
            others = {label for factor in (*rest, *left) for label in factor.labels}
            taken = [joined(first, second, others.union(result), result), *rest]
        left += taken
    if len(left) != 1:
        raise InvalidArgument(f"einsum: the path leaves {len(left)} operands that are not joined")
    return left[0].summed(result).arranged(result)


def _path(factors: Sequence[Factor], result: Labels, optimize: Any) -> Sequence[Sequence[int]]:
    """Which factors to join, step by step; what a step makes comes last."""
    if not isinstance(optimize, bool | str):
        return [step for step in optimize if not isinstance(step, str)]
    if len(factors) <= 2 or optimize is False:
        return [range(len(factors))]
    from opt_einsum.paths import get_path_fn

    try:
        search = get_path_fn("auto" if optimize is True else optimize)
    except KeyError:
        raise InvalidArgument(f"einsum: opt_einsum has no method {optimize!r}; try 'optimal' or 'greedy'") from None
    names = {label: f"label {label}" for factor in factors for label in factor.labels}
    sizes = {names[k]: _representative(size) for x in factors for k, size in zip(x.labels, x.value.shape, strict=True)}
    inputs = [frozenset(names[label] for label in factor.labels) for factor in factors]
    return list(search(inputs, frozenset(names[label] for label in result), sizes, None))


def _representative(size: DimLike) -> int:
    return evaluate(size, dict.fromkeys(symbols(size), REPRESENTATIVE))
