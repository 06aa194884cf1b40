"""Mistakes in a derivative, as edits of the expression that a pullback makes for one operand.

An edit is given the scene: the op's application, its cotangent, and what the pullback made of them. It returns another
expression for the same operand, or None where there is nothing to get wrong in this way. `derivative_mutations` has
the table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import graphopt.tensor as T
from graphopt.graph.build import topological
from graphopt.op import Applied
from graphopt.ops import TABLE
from graphopt.ops.arithmetic import add, divide, multiply, subtract
from graphopt.ops.leaves import ArrayConstant, constant, iota
from graphopt.ops.logic import where
from graphopt.ops.shape import expand_dims, transpose
from graphopt.testing.mutations import SIBLINGS, altered
from graphopt.types import is_float, is_integer
from graphopt.variable import Variable, literal

__all__ = ["Edit", "Scene"]

LARGE = 32
"""A number of elements beyond which Jacobians are looked at along random directions."""


@dataclass(frozen=True)
class Scene:
    """What a pullback was given and made.

    Attributes
    ----------
    name
        The op's name.
    cotangent, node
        What it was given.
    position
        The operand that the part belongs to.
    part
        What it made for this operand.
    parts
        What it made for all of them.
    """

    name: str
    cotangent: Variable
    node: Applied
    position: int
    part: Variable
    parts: tuple[Any, ...]

    @property
    def operand(self) -> Variable:
        return self.node.operands[self.position]  # type: ignore[no-any-return]

    @property
    def others(self) -> list[int]:
        """The positions of the other operands that have a derivative."""
        return [k for k, part in enumerate(self.parts) if isinstance(part, Variable) and k != self.position]

    def sites(self) -> Iterator[Variable]:
        """The applications that the part is made of, the last first."""
        return (v for v in reversed(topological([self.part])) if v.operands)

    def flows(self, v: Variable) -> bool:
        """Whether a value depends on the cotangent."""
        return any(one is self.cotangent for one in topological([v]))


Edit = Callable[[Scene], Variable | None]


# --- tools ------------------------------------------------------------------------------------------------------------


def replaced(root: Variable, changes: Mapping[Variable, Any]) -> Variable:
    """An expression with others in the place of some of its parts."""
    made: dict[Variable, Any] = {}
    for v in topological([root]):
        operands = [made[operand] for operand in v.operands]
        same = all(a is b for a, b in zip(operands, v.operands, strict=True))
        made[v] = changes[v] if v in changes else v if same else v.op(*operands, **v.attributes)
    result: Variable = made[root]
    return result


def at_first(change: Callable[[Scene, Variable], Any]) -> Edit:
    """An edit of the first application, seen from the result, that can be changed."""

    def edit(scene: Scene) -> Variable | None:
        for site in scene.sites():
            new = change(scene, site)
            if new is not None:
                return replaced(scene.part, {site: new})
        return None

    return edit


def wherever(condition: Callable[[Scene], Any], change: Callable[[Scene], Any] = lambda s: s.part * 2) -> Edit:
    """A change where a condition over the elements of the part holds; the condition is None if there is none."""

    def edit(scene: Scene) -> Variable | None:
        holds = condition(scene)
        if holds is None:
            return None
        changed: Variable = where(holds, change(scene), scene.part)
        return changed

    return edit


def only(condition: Callable[[Scene], bool], factor: float = 2.0) -> Edit:
    """Another factor, for applications of which a condition holds, by their types alone."""
    return lambda scene: scene.part * factor if condition(scene) else None


def _alike(scene: Scene) -> bool:
    """Whether elements of the part are those of the operand, before broadcasting is undone."""
    shapes = (scene.part.shape, scene.operand.shape)
    return shapes[0] == shapes[1] or (
        "elementwise" in TABLE[scene.name].traits and _size(scene.operand) <= _size(scene.part)
    )


def _size(v: Variable) -> int:
    return int(str(v.size))


def _number(v: Variable) -> int:
    """The positions of elements, counted through the whole array."""
    return reduce(  # type: ignore[return-value]
        lambda total, k: total * int(str(v.shape[k])) + _along(v, k), range(v.ndim), literal(0, "int64")
    )


def _along(v: Variable, axis: int) -> Any:
    others = tuple(k for k in range(v.ndim) if k != axis)
    return expand_dims(iota(size=v.shape[axis]), axis=others) if others else iota(size=v.shape[axis])


# --- of the whole -----------------------------------------------------------------------------------------------------


def transposed(scene: Scene) -> Variable | None:
    """The last two axes exchanged."""
    n = scene.part.ndim
    return transpose(scene.part, axes=(*range(n - 2), n - 1, n - 2)) if n >= 2 else None


def backwards(scene: Scene) -> Variable | None:
    """Along the last axis, the last first."""
    return T.flip(scene.part, -1) if scene.part.ndim and scene.part.shape[-1] != 1 else None


def shifted(scene: Scene) -> Variable | None:
    """Along the last axis, each a place too far."""
    return T.roll(scene.part, 1, -1) if scene.part.ndim and scene.part.shape[-1] != 1 else None


def of_another(scene: Scene) -> Variable | None:
    """The cotangent that belongs to another operand."""
    for k in scene.others:
        other: Variable = scene.parts[k]
        if other.type == scene.part.type:
            return other
    return None


def element(number: Callable[[int], int]) -> Edit:
    """One element, of several, doubled."""
    return wherever(
        lambda s: T.equal(_number(s.part), number(_size(s.part))) if s.part.ndim and _size(s.part) > 1 else None
    )


def one_of_many(scene: Scene) -> Variable | None:
    """One element of more than are looked at one by one."""
    size = _size(scene.part)
    return where(T.equal(_number(scene.part), size // 2), scene.part * 2, scene.part) if size > LARGE else None


# --- inside -----------------------------------------------------------------------------------------------------------


@at_first
def factor_dropped(scene: Scene, site: Variable) -> Any:
    if site.op is divide:
        return site.operands[0]
    if site.op is not multiply:
        return None
    first, second = site.operands
    kept = first if scene.flows(first) else second
    return T.broadcast_to(kept, site.shape) if kept.shape != site.shape else kept


def cotangent_dropped(scene: Scene) -> Variable | None:
    """As if the cotangent were 1."""
    if not scene.flows(scene.part):
        return None
    g = scene.cotangent
    return replaced(scene.part, {g: literal(1.0, g.dtype, g.shape)})


@at_first
def term_dropped(scene: Scene, site: Variable) -> Any:
    kept = site.operands[0] if site.op in (add, subtract) else None
    return T.broadcast_to(kept, site.shape) if kept is not None and kept.shape != site.shape else kept


@at_first
def sign_inside(scene: Scene, site: Variable) -> Any:
    if site.op in (add, subtract):
        return (subtract if site.op is add else add)(*site.operands)
    return site.operands[0] if site.op.name == "negative" else None


@at_first
def quotient_for_product(scene: Scene, site: Variable) -> Any:
    return {multiply: divide, divide: multiply}[site.op](*site.operands) if site.op in (multiply, divide) else None


_NOT_SWAPPED = frozenset({"put", "with_derivative", "check"})


@at_first
def order_swapped(scene: Scene, site: Variable) -> Any:
    if "commutative" in site.op.traits or len(site.operands) < 2 or site.op.name in _NOT_SWAPPED:
        return None
    *rest, a, b = site.operands
    return site.op(*rest, b, a, **site.attributes) if a.dtype == b.dtype and a is not b else None


@at_first
def sibling(scene: Scene, site: Variable) -> Any:
    name = SIBLINGS.get(site.op.name)
    return TABLE[name](*site.operands, **site.attributes) if name and site.op not in _ARITHMETIC else None


_ARITHMETIC = (add, subtract, multiply, divide)


def constant_off(scene: Scene) -> Variable | None:
    """The first number of the formula one too large."""
    for v in reversed(topological([scene.part])):
        value = v.attributes.get("value") if v.op is constant else None
        if is_float(v.dtype) and value is not None and not isinstance(value, ArrayConstant):
            return replaced(scene.part, {v: literal(value + 1, v.dtype, v.shape)})
    return None


@at_first
def axis_off(scene: Scene, site: Variable) -> Any:
    ((name, axes),) = [(k, a) for k, a in site.attributes.items() if k in ("axis", "axes")] or [("", ())]
    if name == "axes":
        n = len(axes)
        return site.op(*site.operands, axes=(*axes[: n - 2], axes[-1], axes[-2])) if n > 1 else None
    rank = (site if site.op is expand_dims else site.operands[0]).ndim
    moved = tuple(sorted((axis + 1) % rank for axis in axes)) if axes else axes
    return site.op(*site.operands, **{**site.attributes, name: moved}) if axes and moved != axes else None


@at_first
def attribute_off(scene: Scene, site: Variable) -> Any:
    """What is added up overwritten, an upper triangle for a lower, a region one place off."""
    for key, value in site.attributes.items():
        other: Any = {"add": "set"}.get(value) if key == "mode" else not value if isinstance(value, bool) else None
        if key == "start" and site.op.name in ("slice", "put"):
            lengths = (site if site.op.name == "slice" else site.operands[1]).shape
            whole = site.operands[0].shape
            for k, (start, length, size) in enumerate(zip(value, lengths, whole, strict=True)):
                if site.attributes["step"][k] == 1 and isinstance(size, int) and length != size:
                    moved = start + 1 if start + length < size else start - 1
                    other = (*value[:k], moved, *value[k + 1 :])
        if other is not None and key != "value":
            return site.op(*site.operands, **{**site.attributes, key: other})
    return None


def index_off(scene: Scene) -> Variable | None:
    """The first index one too large."""
    for v in reversed(topological([scene.part])):
        if is_integer(v.dtype) and v.op is not constant and v.op is not iota:
            return replaced(scene.part, {v: v + 1})
    return None


def operands_confused(scene: Scene) -> Variable | None:
    """Another operand's values for this operand's, and the other way round."""
    for k in scene.others:
        mine, other = scene.operand, scene.node.operands[k]
        if mine.type == other.type:
            used = {v for v in topological([scene.part]) if _is(v, mine) or _is(v, other)}
            return replaced(scene.part, {v: other if _is(v, mine) else mine for v in used}) if used else None
    return None


def result_confused(scene: Scene) -> Variable | None:
    """The operand's values for the result's, or the other way round."""
    mine, result = scene.operand, scene.node.result
    if mine.type != result.type:
        return None
    used = [v for v in topological([scene.part]) if _is(v, mine) or _is(v, result)]
    return replaced(scene.part, {v: result if _is(v, mine) else mine for v in used}) if used else None


def _is(v: Any, handle: Any) -> bool:
    """Whether two handles are of the same node."""
    return getattr(v, "node", None) is not None and v.node == getattr(handle, "node", None)


# --- broadcasting -----------------------------------------------------------------------------------------------------


def _stretched(scene: Scene) -> list[int] | None:
    """Over which axes of the result a part of an elementwise op is summed."""
    if "elementwise" not in TABLE[scene.name].traits:
        return None
    result, operand = scene.node.result, scene.operand
    lead = result.ndim - operand.ndim
    return [
        k for k, size in enumerate(result.shape) if size != 1 and (k < lead or operand.shape[k - lead] == 1)
    ] or None


def first_for_sum(scene: Scene) -> Variable | None:
    axes = _stretched(scene)
    if axes is None:
        return None
    whole: Variable = T.broadcast_to(scene.part, scene.node.result.shape)
    for axis in axes:
        whole = where(T.equal(_along(whole, axis), 0), whole, 0)
    return whole


def mean_for_sum(scene: Scene) -> Variable | None:
    axes = _stretched(scene)
    count = reduce(lambda a, k: a * int(str(scene.node.result.shape[k])), axes or (), 1)
    return T.broadcast_to(scene.part, scene.node.result.shape) / float(count) if axes else None


# --- second order -----------------------------------------------------------------------------------------------------


def _leaves(scene: Scene, change: Callable[[Variable], Any]) -> Variable | None:
    """Another value for each use of the operands and the result."""
    handles = [v for v in (*scene.node.operands, scene.node.result) if is_float(v.dtype)]
    used = [v for v in topological([scene.part]) if any(_is(v, h) for h in handles)]
    return replaced(scene.part, {v: change(v) for v in used}) if used else None


def held_constant(scene: Scene) -> Variable | None:
    return _leaves(scene, TABLE["stop_gradient"])


def twice_at_second_order(scene: Scene) -> Variable | None:
    return _leaves(scene, altered)


def cotangent_held_constant(scene: Scene) -> Variable | None:
    g = scene.cotangent
    return replaced(scene.part, {g: TABLE["stop_gradient"](g)}) if scene.flows(scene.part) else None
