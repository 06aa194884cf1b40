"""What a pass is held to, a function each: it raises `Violation` where a case shows that the property does not hold.

`PROPERTIES` has them in the order in which they are looked at. What holds on compiled targets is in
`graphopt.testing.pass_targets`; derivatives are in `graphopt.testing.pass_gradients`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.testing.allowance import Allowance
from graphopt.testing.pass_cases import Case, Reference, Values, Violation, fingerprint, state
from graphopt.testing.pass_gradients import keeps_gradients
from graphopt.testing.pass_report import PassReport

__all__ = ["PROPERTIES", "changed_inputs", "compare", "results_kept", "unchanged"]

Array = Any


def runs(case: Case, report: PassReport) -> None:
    """The program runs as it is written, before any pass, or refuses its values with an error of this package."""
    assert len(case.references) == len(case.values), "it has run"


def rewrites(case: Case, report: PassReport) -> None:
    """It runs, its contract is kept, and the graph it leaves has its invariants."""
    try:
        log = case.rewritten.log
    except GraphoptError as error:
        raise Violation(f"rewriting fails: {error}") from error
    report.firings += len(log)


def mutates_nothing(case: Case, report: PassReport) -> None:
    """What it was given a copy of, the arrays of constants, and its own fields are what they were."""
    assert case.rewritten, "they have run"
    unchanged(case, state(case.pipeline, case.graph))


def unchanged(case: Case, after: Mapping[str, Any]) -> None:
    """Raise `Violation` if passes, or the program that they were given a copy of, are not what they were."""
    for what, value in case.before.items():
        if value == after[what]:
            continue
        if isinstance(value, dict):
            fields = ", ".join(key for key in value if value[key] != after[what].get(key))
            raise Violation(f"{what} was changed by its own run: {fields or 'it has more fields than before'}")
        pairs = zip(value.splitlines(), after[what].splitlines(), strict=False)
        old, new = next(((a, b) for a, b in pairs if a != b), (value, after[what]))
        raise Violation(f"{what} was changed in place: {old.strip()} became {new.strip()}", expected=old, found=new)


def keeps_inputs(case: Case, report: PassReport) -> None:
    """Inputs have their names, order and types, and calls are checked for the same sizes."""
    before, after = case.graph, case.rewritten.graph
    _same_names("inputs", list(before.inputs), list(after.inputs))
    for name in before.inputs:
        _same_type("input", name, before, before.inputs[name], after, after.inputs[name])
    guards = [{(str(a), str(b)) for a, b in graph.guards} for graph in (before, after)]
    if guards[0] != guards[1]:
        raise Violation(f"calls are checked for {_listed(guards[1])}, but for {_listed(guards[0])} as written")


def keeps_outputs(case: Case, report: PassReport) -> None:
    """Outputs have their names and order; a check may go only if it holds."""
    before, after = case.graph, case.rewritten.graph
    _same_names("outputs", list(before.results), list(after.results))
    if added := [name for name in after.checks if name not in before.checks]:
        raise Violation(f"checks were added: {', '.join(added)}", output=added[0])
    for name in before.checks:
        for reference in filter(None, case.references):
            if name not in after.checks and not np.all(reference.results[name]):
                raise Violation(f"check {name} was dropped, and it does not hold", output=name)


def keeps_types(case: Case, report: PassReport) -> None:
    """Outputs have their dtypes and shapes, sizes their names."""
    before, after = case.graph, case.rewritten.graph
    for name in before.results:
        _same_type("output", name, before, before.outputs[name], after, after.outputs[name])


def is_deterministic(case: Case, report: PassReport) -> None:
    """Another run over an equal graph gives the same program."""
    again = case.graph.copy()
    case.pipeline.run(again)
    first, second = (fingerprint(graph) for graph in (case.rewritten.graph, again))
    if first != second:
        pairs = zip(first.splitlines(), second.splitlines(), strict=False)
        old, new = next(((a, b) for a, b in pairs if a != b), (first, second))
        raise Violation(
            f"two runs over the same graph differ: {old.strip()}, then {new.strip()}", expected=old, found=new
        )


def keeps_values_in_any_order(case: Case, report: PassReport) -> None:
    """With rules and nodes tried in a shuffled order, the program has the same values."""
    shuffled = case.graph.copy()
    log = case.pipeline.run(shuffled, seed=case.seed + 1)
    allowance, values, reference = Allowance.of(case.pipeline, log), case.values[0], case.references[0]
    if reference is not None:
        found = interpret(shuffled, values.arrays, Native())
        try:
            compare(shuffled, values, reference, found, allowance, "numpy", PassReport())
        except Violation as violation:
            raise Violation(
                f"{violation}; rules and nodes in the order of seed={case.seed + 1}", **violation.where
            ) from None


def is_idempotent(case: Case, report: PassReport) -> None:
    """A second run changes nothing: demanded where it is claimed, else counted."""
    again = case.rewritten.graph.copy()
    log = case.pipeline.run(again)
    first, second = (fingerprint(graph) for graph in (case.rewritten.graph, again))
    report.idempotent += first == second
    if case.idempotent and first != second:
        pairs = zip(first.splitlines(), second.splitlines(), strict=False)
        old, new = next(((a, b) for a, b in pairs if a != b), (first, second))
        fired = f" by {log[0].step}: {log[0].rule}" if len(log) else ""
        raise Violation(
            f"a second run changes what the first one left{fired}: {old.strip()} becomes {new.strip()}",
            expected=old, found=new,
        )  # fmt: skip


def keeps_values(case: Case, report: PassReport) -> None:
    """Interpreted, the program gives what the claims of the rules that fired allow; its inputs are left alone.

    At special values only if the bits have to be the same: other claims have been held to them by `verify_rule`.
    """
    report.exact += not case.allowance.units
    for values, reference in zip(case.values, case.references, strict=True):
        if reference is None:
            report.refused += 1
        elif values.kind not in ("special", "edges") or not case.allowance.units:
            found = results_kept(case.rewritten.graph, values, report)
            compare(case.rewritten.graph, values, reference, found, case.allowance, "numpy", report)


def results_kept(graph: Graph, values: Values, report: PassReport) -> Mapping[str, Array]:
    """What a rewritten program gives in the interpreter, its inputs unchanged."""
    held = {name: np.array(array) for name, array in values.arrays.items()}
    try:
        found = interpret(graph, held, Native())
    except Exception as error:  # an op of one's own may raise anything
        what = f"the rewritten program refuses the values: {type(error).__name__}: {error}"
        raise Violation(what, values=values) from error
    changed_inputs(held, values, "numpy")
    report.sets[values.kind] = report.sets.get(values.kind, 0) + 1
    return found


def changed_inputs(held: Mapping[str, Array], values: Values, target: str) -> None:
    """Raise `Violation` if a run has written to the arrays it was called with."""
    for name, array in held.items():
        if array.tobytes() != np.asarray(values.arrays[name]).tobytes():
            what = f"running the rewritten program on {target} writes to its input {name}"
            raise Violation(what, values=values, target=target, property="no mutation")


def compare(
    graph: Graph, values: Values, reference: Reference, found: Mapping[str, Array], allowance: Allowance, target: str,
    report: PassReport,
) -> None:  # fmt: skip
    """Hold the results of a rewritten program to those of the program as written.

    Raises
    ------
    Violation
        With output, index and both values.
    """
    for name in graph.outputs:
        wanted, given = np.asarray(reference.results[name]), np.asarray(found[name])
        if wanted.shape != given.shape or wanted.dtype != given.dtype:
            raise Violation(
                f"output {name} on {target} is {given.dtype}{list(given.shape)}, but "
                f"{wanted.dtype}{list(wanted.shape)} as written", output=name, target=target, values=values,
            )  # fmt: skip
        report.points += wanted.size
        allowed, worst = allowance.share(wanted, given, reference.scale * reference.unit)
        report.worst = max(report.worst, worst)
        if not allowed.all():
            index = tuple(int(k) for k in np.argwhere(~allowed)[0])
            raise Violation(
                f"output {name}{list(index)} on {target} is {given[index]!r}, but {wanted[index]!r} as written; "
                f"allowed: {allowance}", output=name, index=index, found=given[index], expected=wanted[index],
                target=target, values=values,
            )  # fmt: skip


def _same_names(what: str, before: list[str], after: list[str]) -> None:
    if before != after:
        how = "in another order" if sorted(before) == sorted(after) else f"but {', '.join(before) or 'none'} as written"
        raise Violation(f"the {what} are {', '.join(after) or 'none'}, {how}")


def _same_type(what: str, name: str, before: Graph, old: int, after: Graph, new: int) -> None:
    if before.type(old) != after.type(new):
        raise Violation(f"{what} {name} is {after.type(new)}, but {before.type(old)} as written", output=name)


def _listed(guards: set[tuple[str, str]]) -> str:
    return ", ".join(f"{a} = {b}" for a, b in sorted(guards)) or "nothing"


PROPERTIES: Mapping[str, Callable[[Case, PassReport], None]] = {
    "program": runs,
    "rewriting": rewrites,
    "no mutation": mutates_nothing,
    "inputs": keeps_inputs,
    "outputs": keeps_outputs,
    "types": keeps_types,
    "determinism": is_deterministic,
    "values": keeps_values,
    "shuffled values": keeps_values_in_any_order,
    "idempotence": is_idempotent,
    "gradients": keeps_gradients,
}
"""By the name that a failure gives it, in the order in which they are looked at: each may rely on those before it."""
