"""Which ops drawn programs are made of, by family, and how each is applied: the table that `expressions` draws from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphopt.errors import InvalidArgument
from graphopt.op import Op
from graphopt.ops import TABLE, decompositions
from graphopt.testing.strategies import axes, control, matrices, selection, views
from graphopt.testing.strategies.draft import Application
from graphopt.testing.strategies.elementwise import elementwise, recast, where

__all__ = ["EVERY", "FAMILIES", "Family", "chosen", "families"]

Family = Mapping[str, Application]
"""Names of ops to how they are applied."""

_ELEMENTWISE: Mapping[str, str] = {
    "arithmetic": "add subtract multiply divide negative square",
    "elementary": (
        "exp log sqrt tanh sin cos sigmoid softplus log1p expm1 arctan erf logaddexp power hypot cbrt exp2 log2 log10 "
        "tan arcsin arccos arctan2 sinh cosh arcsinh arccosh arctanh erfc gamma lgamma digamma log1mexp logaddexp2 "
        "xlogy fma"
    ),
    "kinks": "absolute maximum minimum fmax fmin fdim",
    "steps": "floor ceil trunc rint sign heaviside floor_divide remainder fmod",
    "comparisons": "less greater less_equal greater_equal equal not_equal isnan isinf isfinite signbit",
    "logic": "logical_not logical_and logical_or logical_xor",
    "integers": (
        "floor_divide remainder bitwise_and bitwise_or bitwise_xor invert left_shift right_shift bitwise_count gcd lcm"
    ),
    "bits": "copysign nextafter times_power_of_two frexp_exponent frexp_mantissa",
    "special": (
        "trigamma logit exprel sinc xlog1py rel_entr erfinv erfcinv erfcx erfi dawsn ndtri log_ndtr gammainc gammaincc "
        "beta betaln betainc binom polygamma zeta riemann_zeta expi exp1 expn sine_integral cosine_integral "
        "sinh_integral cosh_integral fresnel_sine fresnel_cosine ellipk ellipe lambertw lambertw_lower"
    ),
    "bessel": (
        "j0 j1 jn y0 y1 yn jv yv iv kv ive kve i0 i1 k0 k1 i0e i1e k0e k1e spherical_jn spherical_yn airy_ai "
        "airy_ai_slope airy_bi airy_bi_slope"
    ),
}  # fmt: skip
"""Families of elementwise ops, the simplest ops first."""

_STRUCTURED: Mapping[str, Family] = {
    "kinks": {"where": where},
    "reduction": {name: axes.reduce_(name) for name in ("sum", "max", "min", "mean", "prod")},
    "composite": {name: axes.composite(name) for name in ("softmax", "log_softmax", "logsumexp")},
    "shape": {
        "transpose": views.transpose, "reshape": views.regroup, "expand_dims": views.expand,
        "squeeze": views.squeeze, "broadcast_to": views.broadcast,
    },
    "product": {"matmul": matrices.multiply},
    "stack": {"stack": views.stack, "pick": views.pick},
    "parts": {"slice": selection.slice_, "concatenate": selection.concatenate, "put": selection.put},
    "gather": {"gather": selection.gather_, "scatter": selection.scatter},
    "running": {"cumsum": axes.cumulate("cumsum"), "cumprod": axes.cumulate("cumprod"), "recurrence": axes.recur},
    "sorting": {"sort": axes.order("sort"), "argsort": axes.order("argsort"), "searchsorted": axes.search},
    "counting": {"nonzero": selection.choose_true},
    "logic": {"any": axes.truths("any"), "all": axes.truths("all")},
    "casts": {"cast": recast},
    "matrices": {
        op.name: matrices.factor(op)
        for op in (
            decompositions.solve, decompositions.inv, decompositions.cholesky, decompositions.det,
            decompositions.slogdet, decompositions.solve_triangular, decompositions.adjugate,
        )
    },
    "leaves": {"constant": control.array, "iota": control.positions, "dimension": control.size},
    "control": {
        "cond": control.branch, "stop_gradient": control.stop, "with_derivative": control.own_derivative,
        "barrier": control.hold, "check": control.check,
    },
}  # fmt: skip
"""Families of ops with attributes or with operands of their own kinds."""


def families() -> dict[str, Family]:
    """All families. Elementwise ops that are in none, such as a stranger's, are the family "own"."""
    found: dict[str, Family] = {}
    for name in dict.fromkeys((*_ELEMENTWISE, *_STRUCTURED)):
        simple = {op: elementwise(TABLE[op]) for op in _ELEMENTWISE.get(name, "").split()}
        found[name] = {**simple, **_STRUCTURED.get(name, {})}
    listed = {op for family in found.values() for op in family}
    own = {
        op.name: elementwise(op) for op in TABLE.values()
        if "elementwise" in op.traits and op.name not in listed and op.numpy is not None
    }  # fmt: skip
    return {**found, "own": own} if own else found


EVERY: tuple[str, ...] = (*families(),)
"""All families of ops. "own" holds a stranger's ops besides, if there are any."""
FAMILIES: tuple[str, ...] = ("arithmetic", "elementary", "reduction", "composite", "shape", "product", "kinks", "stack")


def chosen(names: Iterable[str], ops: Iterable[str | Op] | None) -> dict[str, Family]:
    """The families of some names, or those ops alone if there are any.

    Raises
    ------
    InvalidArgument
        If a family or an op is unknown, or an op has no application here.
    """
    every = families()
    if ops is None:
        names = list(names)
        if unknown := [name for name in names if name not in every and name != "own"]:
            raise InvalidArgument(f"unknown families {sorted(unknown)}; known: {', '.join(every)}")
        return {name: every[name] for name in names if name in every}
    applications = {op: how for family in every.values() for op, how in family.items()}
    wanted = [op.name if isinstance(op, Op) else op for op in ops]
    if unknown := [name for name in wanted if name not in applications]:
        raise InvalidArgument(
            f"no way to draw {', '.join(sorted(unknown))}; ops that are drawn: {', '.join(sorted(applications))}"
        )
    return {name: {name: applications[name]} for name in wanted}
