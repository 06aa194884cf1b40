"""Mutants of an op's derivative: the same op with one mistake. `verify_grad` is as good as the share of them it finds.

`MUTATIONS` is a fixed list of the mistakes people make when they write a derivative. A mutant is planted in the table
of ops (`planted`), so that everything that differentiates meets it, and is taken out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import graphopt.tensor as T
from graphopt.errors import GraphoptError
from graphopt.op import Applied, NoDerivative, Op
from graphopt.ops import TABLE
from graphopt.ops.reduction import spread
from graphopt.testing import derivative_edits as edits
from graphopt.testing.derivative_edits import Edit, Scene, only, wherever
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable

__all__ = ["MUTATIONS", "TIES", "Mutant", "Mutation", "mutants", "observed", "planted"]

MOST_OPERANDS = 3
"""Of ops that take any number of operands, those that are got wrong."""


@dataclass(frozen=True)
class Mutation:
    """A mistake that can be made in any derivative.

    Attributes
    ----------
    name, family
        What it is called, unique, and what sort of mistake it is.
    edit
        The mistake. Of a pushforward it is given the tangent for the part.
    place
        "part": in what the pullback gives for one operand; "all": for every operand; "nothing": where it gives nothing;
        "unknown": where it says that there is no derivative; "pushforward": in the op's own rule for forward mode.
    """

    name: str
    family: str
    edit: Edit
    place: str = "part"


@dataclass(frozen=True)
class Mutant:
    """An op with a mistake in its derivative by one operand; None for all of them."""

    op: str
    mutation: Mutation
    position: int | None

    def __str__(self) -> str:
        return f"{self.op}: {self.mutation.name}{'' if self.position is None else f', operand {self.position}'}"


# --- at ties ----------------------------------------------------------------------------------------------------------


def _tied(scene: Scene) -> Variable | None:
    condition = TIES.get(scene.name)
    return condition(scene) if condition is not None else None


def _equal_operands(scene: Scene) -> Variable:
    a, b = scene.node.operands
    tied: Variable = T.equal(a, b)
    return tied


def _equal_extremes(scene: Scene) -> Variable:
    x, axis = scene.operand, scene.node.attributes["axis"]
    winners = T.equal(x, spread(scene.node.result, axis))
    tied: Variable = winners & (spread(T.sum(winners, axis=axis), axis) > 1)
    return tied


def _equal_neighbours(scene: Scene) -> Variable | None:
    x = scene.operand
    return T.sum(T.equal(x[:, None], x[None, :]), axis=1) > 1 if x.ndim == 1 else None


TIES: Mapping[str, Callable[[Scene], Variable | None]] = {
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin", "fdim"), _equal_operands),
    **dict.fromkeys(("max", "min"), _equal_extremes),
    "absolute": lambda scene: T.equal(scene.operand, 0),
    "sort": _equal_neighbours,
}
"""Where ops have kinks because values tie, over the elements of a part."""


def _whole(scene: Scene) -> Variable:
    """The cotangent of what an element of the part contributes to."""
    axis = scene.node.attributes.get("axis", ()) if scene.name in ("max", "min") else ()
    g: Variable = T.broadcast_to(spread(scene.cotangent, axis), scene.part.shape)
    return g


def _first_alone(scene: Scene) -> Variable | None:
    tied = _tied(scene)
    if tied is None:
        return None
    if scene.name not in ("max", "min"):
        return T.where(tied, _whole(scene) * float(scene.position == 0), scene.part)  # type: ignore[no-any-return]
    axis = scene.node.attributes["axis"]
    if len(axis) > 1:
        return None
    first = T.equal(T.cumsum(tied, axis=axis[0]), 1)
    return T.where(tied, T.where(first, _whole(scene), 0), scene.part)  # type: ignore[no-any-return]


# --- where there is nothing to edit -----------------------------------------------------------------------------------


def _straight_through(scene: Scene) -> Variable | None:
    fits = "elementwise" in TABLE[scene.name].traits or scene.operand.type == scene.node.result.type
    return scene.cotangent if fits and is_float(scene.operand.dtype) and is_float(scene.node.result.dtype) else None


def _operand(scene: Scene) -> Variable | None:
    """The operand beside the elements of the part."""
    x = scene.operand
    if not is_float(x.dtype):
        return None
    if x.shape == scene.part.shape:
        return x
    return T.broadcast_to(x, scene.part.shape) if "elementwise" in TABLE[scene.name].traits else None


def _where(condition: Callable[[Variable], Any]) -> Callable[[Scene], Any]:
    def holds(scene: Scene) -> Any:
        x = _operand(scene)
        return None if x is None else condition(x)

    return holds


def _lost(scene: Scene) -> Variable | None:
    x = _operand(scene)
    return None if x is None else scene.part * (x / x)  # 0/0


def _is_batched(scene: Scene) -> bool:
    return scene.operand.ndim >= 3


def _is_broadcast(scene: Scene) -> bool:
    return scene.operand.shape != scene.node.result.shape and "elementwise" in TABLE[scene.name].traits


_FORGOTTEN: Edit = lambda scene: scene.part * 0.0  # noqa: E731

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("wrong sign", "whole", lambda s: -s.part),
    Mutation("twice", "whole", lambda s: s.part * 2),
    Mutation("off by a thousandth", "whole", lambda s: s.part * 1.001),
    Mutation("off by a billionth", "whole", lambda s: s.part * (1 + 1e-9)),
    Mutation("forgotten", "whole", _FORGOTTEN),
    Mutation("not times the cotangent", "whole", edits.cotangent_dropped),
    Mutation("another operand's", "whole", edits.of_another),
    Mutation("dropped factor", "formula", edits.factor_dropped),
    Mutation("dropped term", "formula", edits.term_dropped),
    Mutation("wrong sign inside", "formula", edits.sign_inside),
    Mutation("quotient for product", "formula", edits.quotient_for_product),
    Mutation("operands swapped inside", "formula", edits.order_swapped),
    Mutation("neighbouring function", "formula", edits.sibling),
    Mutation("number off by one", "formula", edits.constant_off),
    Mutation("operands confused", "formula", edits.operands_confused),
    Mutation("operand for result", "formula", edits.result_confused),
    Mutation("wrong axis", "places", edits.axis_off),
    Mutation("wrong attribute", "places", edits.attribute_off),
    Mutation("wrong index", "places", edits.index_off),
    Mutation("transposed", "places", edits.transposed),
    Mutation("backwards", "places", edits.backwards),
    Mutation("one place off", "places", edits.shifted),
    Mutation("first element", "places", edits.element(lambda size: 0)),
    Mutation("last element", "places", edits.element(lambda size: size - 1)),
    Mutation("one element of many", "places", edits.one_of_many),
    Mutation("broadcast axis not summed", "broadcasting", edits.first_for_sum),
    Mutation("mean over a broadcast axis", "broadcasting", edits.mean_for_sum),
    Mutation("only where broadcast", "only", only(_is_broadcast)),
    Mutation("only in float32", "only", only(lambda s: s.operand.dtype == "float32", 1.001)),
    Mutation("only for size 1", "only", only(lambda s: str(s.operand.size) == "1")),
    Mutation("only in a batch", "only", only(_is_batched)),
    Mutation("only for negative", "only", wherever(_where(lambda x: x < 0))),
    Mutation("only beyond 2", "only", wherever(_where(lambda x: T.abs(x) > 2))),
    Mutation("only at zero", "only", wherever(_where(lambda x: T.equal(x, 0)), lambda s: s.part + 1)),
    Mutation("lost at zero", "only", _lost),
    Mutation("whole at ties", "ties", wherever(_tied, _whole)),
    Mutation("twice at ties", "ties", wherever(_tied, lambda s: _whole(s) * 2)),
    Mutation("opposite at ties", "ties", wherever(_tied, lambda s: -_whole(s))),
    Mutation("nothing at ties", "ties", wherever(_tied, _FORGOTTEN)),
    Mutation("first alone at ties", "ties", _first_alone, "all"),
    Mutation("held constant at second order", "second order", edits.held_constant),
    Mutation("twice at second order", "second order", edits.twice_at_second_order),
    Mutation("cotangent held constant", "second order", edits.cotangent_held_constant),
    Mutation("straight through", "nothing", _straight_through, "nothing"),
    Mutation("zero where unknown", "nothing", _straight_through, "unknown"),
    Mutation("wrong sign forward", "forward", lambda s: -s.part, "pushforward"),
    Mutation("twice forward", "forward", lambda s: s.part * 2, "pushforward"),
    Mutation("forgotten forward", "forward", _FORGOTTEN, "pushforward"),
    Mutation("backwards forward", "forward", edits.backwards, "pushforward"),
)
"""What is got wrong."""


def mutants(name: str) -> Iterator[Mutant]:
    """All mutants of an op, by its name; some may turn out to have nothing to get wrong."""
    op = TABLE[name]
    if op.pullback is None:
        return
    count = op.arity if op.arity is not None else MOST_OPERANDS
    for mutation in MUTATIONS:
        if mutation.place == "pushforward":
            if op.pushforward is not None:
                yield Mutant(name, mutation, None)
        elif mutation.place == "all":
            yield Mutant(name, mutation, None)
        else:
            yield from (Mutant(name, mutation, k) for k in range(count))


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The op of the table with the mutant's mistake, for as long as the context lasts."""

    def wrong(given: Any, node: Applied) -> Any:
        made = right(given, node)
        changed = _changed(mutant, given, node, made)
        return made if changed is None else changed

    which = _which(mutant)
    right = getattr(TABLE[mutant.op], which)
    with _replaced(TABLE[mutant.op], which, wrong):
        yield


@contextmanager
def observed(name: str) -> Iterator[set[Mutant]]:
    """The op of the table as it is; the set has its mutants that would have changed what was asked of it meanwhile."""
    op, met = TABLE[name], set[Mutant]()
    known = list(mutants(name))

    def watching(which: str, right: Callable[..., Any]) -> Callable[..., Any]:
        def watched(given: Any, node: Applied) -> Any:
            made = right(given, node)
            for mutant in known:
                if mutant not in met and _which(mutant) == which:
                    try:
                        fits = _changed(mutant, given, node, made) is not None
                    except GraphoptError:
                        fits = True
                    if fits:
                        met.add(mutant)
            return made

        return watched

    with ExitStack() as stack:
        for which in ("pullback", "pushforward"):
            if (right := getattr(op, which)) is not None:
                stack.enter_context(_replaced(op, which, watching(which, right)))
        yield met


def _which(mutant: Mutant) -> str:
    return "pushforward" if mutant.mutation.place == "pushforward" else "pullback"


@contextmanager
def _replaced(op: Op, which: str, rule: Callable[..., Any]) -> Iterator[None]:
    """Another rule in the same op: rules, passes and arithmetics know ops by identity or by name."""
    right = getattr(op, which)
    object.__setattr__(op, which, rule)
    try:
        yield
    finally:
        object.__setattr__(op, which, right)


def _changed(mutant: Mutant, given: Any, node: Applied, made: Any) -> Any:
    """What a mutant makes of what the right rule made; None if there is nothing to get wrong."""
    if _which(mutant) == "pushforward":
        if made is None or made is NotImplemented:
            return None
        return mutant.mutation.edit(Scene(mutant.op, node.result, node, 0, made, ()))
    parts = [
        as_variable(part, operand.dtype) if isinstance(part, int | float) else part
        for part, operand in zip(made, node.operands, strict=True)
    ]
    changed, any_changed = list(parts), False
    wanted = "part" if mutant.mutation.place == "all" else mutant.mutation.place
    for k, part in enumerate(parts):
        place = "nothing" if part is None else "unknown" if isinstance(part, NoDerivative) else "part"
        if mutant.position not in (None, k) or place != wanted or not is_float(node.operands[k].dtype):
            continue
        shown = part if place == "part" else given
        new = mutant.mutation.edit(Scene(mutant.op, given, node, k, shown, tuple(parts)))
        if new is not None:
            changed[k], any_changed = None if place == "unknown" else new, True
    return changed if any_changed else None
