"""What becomes of a mutant of an op's derivative: `verify_grad` is run over the op's specimens until it objects.

| outcome | what it means |
|---|---|
| killed | an oracle, or the op's type rule, tells it from the derivative |
| convention | it differs at kinks alone, where it is another derivative that there is; the table of conventions tells |
| equivalent | it has the same values, to second order, at every point that was looked at |
| explained | no oracle could tell it, for the reason in `EXPLAINED` |
| survived | none of these |
| not applicable | the derivative has nothing to get wrong in this way in any specimen |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphopt.errors import GraphoptError, NotDifferentiable, VerificationFailed
from graphopt.ops import TABLE
from graphopt.testing.derivative_mutations import Mutant, observed, planted
from graphopt.testing.domains import domain
from graphopt.testing.specimens import SPECIMENS, Operand, Specimen
from graphopt.testing.subjects import Derived, Expressed
from graphopt.testing.verify_grad import verify_grad

__all__ = ["EXPLAINED", "OUTCOMES", "Verdict", "judge"]

OUTCOMES = ("killed", "convention", "equivalent", "explained", "survived", "not applicable")
EXPLAINED: Mapping[tuple[str, str], str] = {
    ("cast", "off by a billionth"): "less than a conversion to float32 rounds by",
    ("where", "last element"): "shows in where(x > 0, log(x), x²) alone, and at 0, where that has no derivative",
}
"""Why a mutant, by op and mutation, is let through."""
SHAPES: tuple[tuple[int, ...], ...] = ((1, 2, 1), (40,))
"""Of operands of elementwise ops, besides those of the specimens: a batch, and more than are looked at one by one."""
DEAR = frozenset({"k0", "k1", "k0e", "k1e"})
"""Ops whose exact meaning takes seconds for each value: differences are the oracle."""
POINTS = 2
"""At how many more points of each specimen a mutant is looked for that the first ones do not show."""
SAME = 1e-11


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes
    ----------
    outcome
        One of `OUTCOMES`.
    oracle
        What killed it: an oracle, "kink", "types", or nothing.
    order
        At which order.
    blamed
        The op that the message suspects.
    where
        The specimen and the point that showed it.
    """

    outcome: str
    oracle: str = ""
    order: int = 0
    blamed: str = ""
    where: str = ""


@dataclass(frozen=True)
class _Case:
    """A specimen at a point, in a dtype."""

    specimen: Specimen
    label: str
    point: dict[str, Any]
    dtype: str = "float64"
    order: int = 2

    def subject(self) -> Expressed:
        inputs, output = self.specimen.build(self.dtype)
        return Expressed(tuple(inputs), {"output": output}, self.specimen.wrt)


def judge(mutant: Mutant, seed: int = 0) -> Verdict:
    """Plant a mutant and look for it; if it is not found, look for what it changes."""
    mode = "forward" if mutant.mutation.place == "pushforward" else "reverse"
    reached = [case for case in _cases(mutant.op, seed) if mutant in _reaching(case, mode)]
    if not reached:
        return Verdict("not applicable")
    for case in reached:
        if not _is_sound(case, mode):
            continue
        try:
            with planted(mutant):
                _verify(case, mode)
        except VerificationFailed as failure:
            return _killed(str(failure), case)
        except GraphoptError:
            return Verdict("killed", "types", 1, mutant.op, str(case.specimen))
    differs = [case for case in reached if _is_sound(case, mode) and _differs(mutant, case, mode, seed)]
    if not differs:
        return Verdict("equivalent")
    where = "; ".join(dict.fromkeys(f"{case.specimen.name}, {case.label}" for case in differs))
    if all(case.label in ("at ties", "with a zero") for case in differs) and not _keeps_conventions(mutant, differs):
        return Verdict("convention", "table of conventions", 1, mutant.op, where)
    reason = EXPLAINED.get((mutant.op, mutant.mutation.name))
    return Verdict("survived", where=where) if reason is None else Verdict("explained", where=reason)


_KNOWN: dict[tuple[Any, ...], frozenset[Mutant]] = {}


def _reaching(case: _Case, mode: str) -> frozenset[Mutant]:
    """The mutants of the op that a specimen's derivative meets, in a dtype."""
    key = _key(case, mode)
    if key not in _KNOWN:
        with observed(case.specimen.op) as met, suppress(NotDifferentiable):
            Derived(case.subject(), mode=mode)
        _KNOWN[key] = frozenset(met)
    return _KNOWN[key]


_SOUND: dict[tuple[Any, ...], bool] = {}


def _is_sound(case: _Case, mode: str) -> bool:
    """Whether the right derivative is let through: some points are chosen without knowing the op."""
    if case.label.startswith("at a point"):
        return True
    key = (*_key(case, mode), case.label, repr(case.point))
    if key not in _SOUND:
        try:
            _verify(case, mode)
            _SOUND[key] = True
        except GraphoptError:
            _SOUND[key] = False
    return _SOUND[key]


def _key(case: _Case, mode: str) -> tuple[Any, ...]:
    shapes = tuple(operand.shape for operand in case.specimen.operands)
    return (case.specimen.op, case.specimen.name, shapes, case.dtype, mode)


def _verify(case: _Case, mode: str) -> None:
    subject = case.subject()
    wrt = [subject.names[k] for k in case.specimen.wrt]
    oracle = "finite-difference" if case.specimen.op in DEAR else "auto"
    verify_grad(subject.graph, [case.point], wrt=wrt, order=case.order, mode=mode, oracle=oracle)


def _cases(name: str, seed: int) -> Iterator[_Case]:
    specimens = SPECIMENS.get(name, ())
    for dtype, order in (("float64", 2), ("float32", 1)):
        for specimen in specimens:
            if specimen.generic:
                chance = np.random.default_rng(seed)
                yield _Case(specimen, f"at a point, {dtype}", specimen.point(chance, dtype), dtype, order)
    for specimen in specimens:
        for convention in specimen.conventions:
            yield _Case(specimen, "at ties", _point(specimen, convention.at))
        if specimen.generic:
            yield from _zeros(specimen, seed)
    if "elementwise" not in TABLE[name].traits:
        for specimen in specimens:
            if specimen.generic:
                yield _Case(specimen, "at a larger point", _larger(specimen, seed), order=1)
    generic = next((specimen for specimen in specimens if specimen.generic), None)
    if generic is not None and "elementwise" in TABLE[name].traits:
        for shape in SHAPES:
            other = replace(generic, operands=tuple(Operand(shape, o.draw, o.dtype) for o in generic.operands))
            with suppress(ValueError):  # values that are fixed are of a shape
                yield _Case(other, f"shape {shape}", other.point(np.random.default_rng(seed)), order=1)
    for specimen in specimens:
        if specimen.generic:
            for dtype in ("float64", "float32"):
                for again in range(1, POINTS + 1):
                    point = specimen.point(np.random.default_rng(seed + again), dtype)
                    yield _Case(specimen, f"at a point, {dtype}", point, dtype, order=1)


def _zeros(specimen: Specimen, seed: int) -> Iterator[_Case]:
    """Of each operand whose domain has 0 inside, the first element is 0."""
    op = TABLE[specimen.op]
    inside = domain(op.name, op.arity or 0) if "elementwise" in op.traits else ()
    for k in specimen.wrt:
        if k < len(inside) and not inside[k][0] < 0 < inside[k][1]:
            continue
        point = specimen.point(np.random.default_rng(seed))
        x = point[f"x{k}"] = np.array(point[f"x{k}"])
        if x.size:
            x.reshape(-1)[0] = 0.0
            yield _Case(specimen, "with a zero", point)


def _larger(specimen: Specimen, seed: int) -> dict[str, Any]:
    """Twice a point: ops that are no functions of elements are defined there too."""
    point = specimen.point(np.random.default_rng(seed))
    return {**point, **{f"x{k}": 2 * point[f"x{k}"] for k in specimen.wrt}}


def _point(specimen: Specimen, values: Any) -> dict[str, Any]:
    typed = zip(values, specimen.operands, strict=True)
    return {f"x{k}": np.asarray(value, operand.dtype or "float64") for k, (value, operand) in enumerate(typed)}


def _killed(message: str, case: _Case) -> Verdict:
    first = message.partition("\n")[0]
    oracle = re.search(r"by the oracle '([^']+)'", first)
    by = oracle[1] if oracle else "kink" if "at a kink" in first else "types"
    named = re.search(r"^suspect: (\w+)(?::| \(at)", message, re.M) or re.search(r"the pullback of (\w+)", first)
    order = 2 if "of order 2" in first else 1
    return Verdict("killed", by, order, named[1] if named else "", f"{case.specimen}, {case.label}")


def _differs(mutant: Mutant, case: _Case, mode: str, seed: int) -> bool:
    """Whether the mutant's derivatives, to second order, have other values where the right ones have any."""
    right = _values(case, mode, seed)
    with planted(mutant):
        wrong = _values(case, mode, seed)
    relative = SAME if case.dtype == "float64" else 1e-5
    for a, b in zip(right, wrong, strict=True):
        defined = np.isfinite(a)
        size = float(np.max(np.abs(a), initial=1e-3, where=defined))
        if not np.allclose(a[defined], b[defined], relative, relative * size):
            return True
    return False


def _values(case: _Case, mode: str, seed: int) -> list[Any]:
    chance = np.random.default_rng(seed)
    first = Derived(case.subject(), mode=mode)
    programs = [first.expressed, *([Derived(first.expressed, mode=mode).expressed] if case.order == 2 else [])]
    given, found = dict(case.point), []
    for program in programs:
        for name, v in zip(program.names, program.inputs, strict=True):
            if name not in given:
                shape = tuple(int(str(size)) for size in v.shape)
                given[name] = np.asarray(chance.uniform(0.5, 1.5, shape), v.dtype)
        with np.errstate(all="ignore"):
            values = program.values({name: given[name] for name in program.names})
        found += [np.asarray(value, float) for value in values.values()]
    return found


def _keeps_conventions(mutant: Mutant, cases: list[_Case]) -> bool:
    """Whether the derivative of the sum of a specimen's elements is still what is agreed upon, where there is none."""
    with planted(mutant):
        for specimen in {id(case.specimen): case.specimen for case in cases}.values():
            inputs, output = specimen.build()
            claim = Derived(Expressed(tuple(inputs), {"output": output}, specimen.wrt))
            for convention in specimen.conventions:
                ones = {"output": np.ones(tuple(int(str(size)) for size in output.shape))}
                with np.errstate(all="ignore"):
                    found = claim.products(_point(specimen, convention.at), ones)
                if not all(map(np.allclose, found.values(), convention.slopes)):
                    return False
    return True
