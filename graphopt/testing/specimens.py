"""The catalogue of specimens: for every op that has a derivative, small programs that show what may be wrong with it.

They meet the attributes and shapes that matter: operands that broadcast, axes that sizes tell apart, positions that
occur twice, batches, both branches. Each has points at which its derivative is well conditioned, and, where the
derivative is a convention, points at which that holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from graphopt.testing.specimen import Convention, Operand, Specimen
from graphopt.testing.specimens_axes import axes_specimens
from graphopt.testing.specimens_control import control_specimens
from graphopt.testing.specimens_elementwise import elementwise_specimens
from graphopt.testing.specimens_matrices import matrices_specimens
from graphopt.testing.specimens_parts import parts_specimens

__all__ = ["SPECIMENS", "Convention", "Operand", "Specimen"]


def _by_op(*families: Iterable[Specimen]) -> Mapping[str, tuple[Specimen, ...]]:
    found: dict[str, tuple[Specimen, ...]] = {}
    for family in families:
        for specimen in family:
            found[specimen.op] = (*found.get(specimen.op, ()), specimen)
    return MappingProxyType(found)


SPECIMENS: Mapping[str, tuple[Specimen, ...]] = _by_op(
    elementwise_specimens(), axes_specimens(), parts_specimens(), matrices_specimens(), control_specimens()
)
"""Op name to specimens, by families; the simplest of an op comes first."""
