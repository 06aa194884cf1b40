"""Every op's derivative, first and second, in both modes and precisions, against the strongest oracle that applies.

What is looked at is the catalogue `graphopt.testing.specimens`; the oracle is exact arithmetic wherever an op has an
exact meaning.
"""

import contextlib
import itertools

import numpy as np
import pytest

from graphopt.autodiff.jacobians import columns, rows
from graphopt.errors import UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.testing import GradientReport, verify_grad
from graphopt.testing.specimens import SPECIMENS

DTYPES, MODES = ("float64", "float32"), ("reverse", "forward")
ORACLES = dict.fromkeys(SPECIMENS, "exact") | {"nextafter": "finite-difference"}
"""The strongest oracle that applies to an op: real numbers have no neighbours."""


def verified(specimen, dtype, mode, seed, **options):
    """Hold a specimen's derivatives against the oracle at a point."""
    inputs, output = specimen.build(dtype)
    point = specimen.point(np.random.default_rng(seed), dtype)
    wrt = [inputs[k] for k in specimen.wrt]
    return verify_grad(output, point, wrt, order=specimen.orders, mode=mode, stabilize=False, seed=seed, **options)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("op", SPECIMENS)
def test_first_and_second_derivatives_are_those_of_the_strongest_oracle(op, mode):
    seen = GradientReport()
    for number, specimen in enumerate(SPECIMENS[op]):
        # In single precision every second specimen of an op is looked at, in the other mode the others.
        single = (number + MODES.index(mode)) % 2 == 0
        for dtype in DTYPES[: 1 + single] if specimen.generic else ():
            seen.add(verified(specimen, dtype, mode, seed=number))
    assert seen.compared > 0 and seen.kinks == seen.undefined == 0
    assert seen.oracles.keys() >= {ORACLES[op]}


@pytest.mark.parametrize("op", SPECIMENS)
def test_forward_and_reverse_mode_give_one_jacobian(op):
    for seed, specimen in enumerate(SPECIMENS[op]):
        inputs, output = specimen.build()
        wrt = [inputs[k] for k in specimen.wrt]
        made = {
            f"{name}{k}": jacobian(output, x, disconnected_inputs="ignore")
            for k, x in enumerate(wrt)
            for name, jacobian in (("rows", rows), ("columns", columns))
        }
        point = specimen.point(np.random.default_rng(seed))
        found = interpret(Graph.from_outputs(inputs, made), point)
        for k in range(len(wrt)):
            by_rows, by_columns = found[f"rows{k}"], found[f"columns{k}"]
            unit = 2.0**-23 if op == "cast" else 2.0**-52  # of the narrower of two dtypes
            allowed = 256 * unit * np.max(np.abs(by_rows), initial=1.0)
            np.testing.assert_allclose(by_rows, by_columns, 0, allowed, err_msg=str(specimen))


@pytest.mark.long
@pytest.mark.parametrize("op", SPECIMENS)
def test_no_right_derivative_is_accused_by_any_oracle_over_20_seeds(op):
    for specimen, seed, dtype, mode in itertools.product(SPECIMENS[op], range(20), DTYPES, MODES):
        for oracle in ("auto", "complex-step", "finite-difference") if specimen.generic else ():
            with contextlib.suppress(UnsupportedExpression):  # an op that is not known to be analytic
                verified(specimen, dtype, mode, seed, oracle=oracle)
