"""`verify_grad`: a derivative held against the strongest oracle that applies, at points that are given or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument, VerificationFailed
from graphopt.function import Function
from graphopt.testing.jacobians import Mismatch, Tolerance, compare
from graphopt.testing.oracles import ORACLES, Oracle
from graphopt.testing.points import draw_points, listed_points, named_point
from graphopt.testing.problems import Problem, derived, of_callable, of_expression
from graphopt.testing.reproduction import calling, parsing
from graphopt.testing.strongest import strongest
from graphopt.testing.subjects import MODES, Derived, Expressed, Given, Point, Subject
from graphopt.testing.suspects import Finding, suspect

__all__ = ["GradientReport", "verify_grad"]


@dataclass
class GradientReport:
    """What a verification saw.

    Attributes
    ----------
    points
        At how many points the derivative was looked at.
    compared
        Elements of Jacobians, or projections of them, that were compared.
    kinks
        Those left out because one-sided derivatives differ there, or the oracle cannot tell; and what does not fit
        where ops are at kinks that cancel.
    undefined
        Those left out because the function or its true derivative is no number there.
    worst
        The largest error, relative to the derivative or to 1, whichever is larger.
    oracles
        How many points each oracle was used at, by order: "exact", "exact (order 2)".
    """

    points: int = 0
    compared: int = 0
    kinks: int = 0
    undefined: int = 0
    worst: float = 0.0
    oracles: dict[str, int] = field(default_factory=dict)

    def add(self, other: GradientReport) -> None:
        """Count what another verification saw as well."""
        self.points += other.points
        self.compared += other.compared
        self.kinks += other.kinks
        self.undefined += other.undefined
        self.worst = max(self.worst, other.worst)
        for name, count in other.oracles.items():
            self.oracles[name] = self.oracles.get(name, 0) + count


def verify_grad(
    expr_or_callable: Any,
    points: Any,
    wrt: Any = None,
    *,
    grad: Any = None,
    mode: str = "reverse",
    stabilize: bool = True,
    order: int = 1,
    oracle: str = "auto",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> GradientReport:
    """Check a derivative at points: that of an expression or function, or one of your own.

    Parameters
    ----------
    expr_or_callable
        A variable, a SymPy expression, a list or dict of them, a graph, a compiled function (whose derivative is
        compiled like it), or a Python function of variables or of arrays. Outputs and inputs that are not of floats
        are left out.
    points
        A mapping of names to arrays, or a tuple of arrays in the order of the inputs (for an expression: the order
        in which it meets them; SymPy's by name), or the array of a single input; a list of such points; or, except
        for a Python function, how many to draw.
    wrt
        Inputs, by variable, name or position, to differentiate with respect to; None for all.
    grad
        The derivative to be tested, instead of this package's: a function of the same arrays, or expressions of the
        same variables. It gives one array for each of `wrt` (for one, the array itself), of the output's shape
        followed by the input's; for several outputs, a list of that.
    mode
        How the derivative that is tested is made: "reverse" (as by `vjp` and `grad`) or "forward" (as by `jvp`).
    stabilize
        Whether the stabilizing rewrites run before the derivative is made, as for `grad`. Without them the derivatives
        that are tested are those of the ops as written.
    order
        1, or 2: besides, the derivative of the derivative, contracted with random weights, made in the same mode.
    oracle
        "exact", "complex-step", "finite-difference", or "auto" for the first of them that applies (and, for "exact",
        takes seconds at most). What they are is in `graphopt.testing.oracles`.
    step
        The oracle's step; None for its own.
    rtol, atol
        A derivative may differ by `rtol` times its true value plus `atol`. By default by 64 units of rounding, plus
        8 times as much as it differs between runs in which every operation is perturbed by up to 4 units, plus the
        oracle's own error in any case.
    seed
        Of points and projections. Where inputs (outputs) have more than 32 elements, the Jacobian is compared along
        8 random directions on that side.

    Returns
    -------
    GradientReport
        What was compared and what was left out.

    Raises
    ------
    VerificationFailed
        Naming the output, the input and the indices that are wrong, both values, the oracle, the op that is to blame
        where one can be found, and a program that shows it again.
    UnsupportedExpression
        If the oracle asked for does not apply.
    NotDifferentiable, InvalidArgument
        If there is no derivative to verify, or an argument is not one of those above.
    """
    if oracle not in ("auto", *ORACLES):
        raise InvalidArgument(f"the oracle is auto, {', '.join(ORACLES)}; found {oracle!r}")
    if order not in (1, 2) or (order == 2 and grad is not None):
        raise InvalidArgument(f"the order is 1, or 2 for a derivative that is made here; found {order!r}")
    if mode not in MODES or (mode == "forward" and grad is not None):
        raise InvalidArgument(f"the mode is reverse, or forward for a derivative that is made here; found {mode!r}")
    chosen = {name: make(step) for name, make in ORACLES.items() if oracle in ("auto", name)}
    report, tolerance = GradientReport(), Tolerance(rtol, atol)
    for problem, point in _problems(expr_or_callable, points, wrt, grad, mode, stabilize, seed):
        report.points += 1
        repeat = {
            "mode": mode,
            "stabilize": stabilize,
            "order": order,
            "oracle": oracle,
            "step": step,
            "rtol": rtol,
            "atol": atol,
            "seed": seed,
        }
        trial = _Trial(problem, point, chosen, tolerance, report, (expr_or_callable, grad), repeat)
        trial.run(seed)
        if order == 2:
            trial.again().run(seed)
    return report


def _problems(
    given: Any, points: Any, wrt: Any, grad: Any, mode: str, stabilize: bool, seed: int
) -> Iterator[tuple[Problem, Point]]:
    counted = isinstance(points, int) and not isinstance(points, bool)
    if callable(given) and not isinstance(given, Function):
        if counted:
            raise InvalidArgument("the types of a Python function's arguments are those of a point; give points")
        for point in listed_points(points):
            yield of_callable(given, point, wrt, grad, mode, stabilize)
        return
    problem = of_expression(given, wrt, grad, mode, stabilize)
    subject = problem.subject
    assert isinstance(subject, Expressed)
    drawn = draw_points(subject, points, seed) if counted else listed_points(points)
    for point in drawn:
        named = named_point(point, subject.names, list(subject.held))
        types = {name: subject.graph.type(subject.graph.inputs[name]) for name in named}
        yield problem, {**subject.held, **{name: np.asarray(v, types[name].dtype) for name, v in named.items()}}


@dataclass(frozen=True)
class _Trial:
    """A problem at a point."""

    problem: Problem
    point: Point
    oracles: Mapping[str, Oracle]
    tolerance: Tolerance
    report: GradientReport
    given: tuple[Any, Any]
    repeat: Mapping[str, Any]
    written: Subject | None = None

    @property
    def order(self) -> int:
        return 1 if self.written is None else 2

    def run(self, seed: int) -> None:
        problem = self.problem
        oracle = strongest(self.oracles.values(), problem.subject, self.point)
        seen = compare(
            problem.subject, problem.claim, problem.sound, oracle, self.point, self.tolerance,
            np.random.default_rng(seed),
        )  # fmt: skip
        label = oracle.name if self.order == 1 else f"{oracle.name} (order {self.order})"
        self.report.add(GradientReport(0, seen.compared, seen.kinks, seen.undefined, seen.worst, {label: 1}))
        graph, found = problem.subject.graph, None
        if (seen.mismatch is not None or seen.kinks) and graph is not None and not isinstance(problem.claim, Given):
            among = "all" if seen.mismatch is not None else "own"
            found = suspect(graph, self.point, self.oracles, problem.claim.mode, among)
        if seen.mismatch is None:
            if found is not None and found.blame is not None:
                raise VerificationFailed(self._at_a_kink(found.blame))
            return
        if found is not None and found.blame is None and found.kinks and np.isfinite(seen.mismatch.found):
            self.report.kinks += 1  # min(|x|, x) at 0 is smooth, but nothing it is made of is
            return
        raise VerificationFailed(self._message(seen.mismatch, oracle, found))

    def again(self) -> _Trial:
        """The derivative, weighted, as the function whose derivative is looked at."""
        claim, like = self.problem.claim, self.problem.like
        assert isinstance(claim, Derived)
        chance = np.random.default_rng(self.repeat["seed"])
        like_vectors = self.problem.subject.values(self.point) if claim.mode == "reverse" else self.point
        weights = {
            vector: chance.uniform(0.5, 1.5, np.shape(like_vectors[name])).astype(like_vectors[name].dtype)
            for name, vector in claim.vectors.items()
        }
        subject = claim.expressed
        second = derived(subject, like, claim.mode, claim.stabilize)
        problem = Problem(subject, second, second, like)
        point = {**self.point, **weights}
        written = self.problem.subject
        return _Trial(problem, point, self.oracles, self.tolerance, self.report, self.given, self.repeat, written)

    def _message(self, wrong: Mismatch, oracle: Oracle, found: Finding | None) -> str:
        claim = self.problem.claim
        whose = "given" if isinstance(claim, Given) else "of order 2" if self.order == 2 else "made here"
        how = " in forward mode" if claim.mode == "forward" else ""
        lines = [
            f"the derivative {whose}{how} of {wrong.output}{list(wrong.output_index)} with respect to "
            f"{wrong.input}{list(wrong.input_index)} is {wrong.found:.17g}, but {wrong.expected:.17g} by the oracle "
            f"{oracle.name!r}; they may differ by {wrong.allowed:.3g}"
        ]
        if found is not None:
            lines.append(f"suspect: {found.blame or 'no op alone is wrong at the values it meets here'}")
        lines.append("to see it again:\n" + self._reproduction())
        return "\n".join(lines)

    def _at_a_kink(self, blame: str) -> str:
        order = "of order 2" if self.order == 2 else "made here"
        return "\n".join((
            f"the derivative {order} is, at a kink, none of those that lie between the derivatives beside it",
            f"suspect: {blame}", "to see it again:", self._reproduction(),
        ))  # fmt: skip

    def _reproduction(self) -> str:
        given, grad = self.given
        written = self.written or self.problem.subject
        point = {name: self.point[name] for name in written.names}
        if written.graph is None or (callable(given) and not isinstance(given, Function)):
            return calling(given, grad, point, written.wrt, self.repeat)
        return parsing(written.graph, grad, point, written.wrt, self.repeat)
