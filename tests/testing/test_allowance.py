"""By how much a pass may change values follows from the claims of the rules that fired."""

import numpy as np
import pytest

import graphopt.tensor as T
from graphopt.errors import VerificationFailed
from graphopt.graph import Graph
from graphopt.rewrite import Exact, Reassociates, Rule, V, available_passes
from graphopt.testing import strategies, verify_pass
from graphopt.variable import variable

a = variable("a", "float64[n]")
ROW = Graph.from_outputs([a], T.log(T.sum(T.exp(T.negative(-a)))))
x, y = V("x"), V("y")


OWN = [name for name in available_passes() if name != "saturate"]


@pytest.mark.parametrize("steps", OWN)
def test_the_own_passes_keep_their_promises_on_drawn_programs(steps):
    report = verify_pass(steps, strategies.graphs(max_nodes=6), targets=("numpy",), examples=4)
    assert report.programs == 4 and report.points and report.worst <= 1


@pytest.mark.parametrize("steps", ["default", "fast"])
def test_the_own_pipelines_keep_their_promises_on_drawn_programs_in_c(steps):
    report = verify_pass(steps, examples=8)
    assert report.targets == {"c": 8} and report.firings and report.worst <= 1


@pytest.mark.long
@pytest.mark.parametrize("steps", [*OWN, "saturate", "default", "fast"])
def test_the_own_passes_keep_their_promises_at_length(steps):
    for seed in range(0, 400, 32):
        verify_pass(steps, targets=("numpy", "c", "cuda-emulated"), examples=32, seed=seed)


def test_a_pass_is_run_on_c_as_well():
    report = verify_pass("canonicalize,cse,stabilize", ROW, examples=2)
    assert report.firings and report.programs >= 2 and report.idempotent == report.programs


def test_exact_rules_keep_the_bits():
    report = verify_pass(Rule("twice-negated", T.negative(-x), x, claim=Exact()), ROW, targets=("numpy",), examples=3)
    assert report.exact == report.programs and report.worst == 0


def test_what_claims_the_same_bits_and_changes_the_last_one_is_found_out():
    graph = Graph.from_outputs([a], T.exp(a) * T.exp(a) * 3.0)
    regrouped = x * y * 3.0, x * (y * 3.0)
    with pytest.raises(VerificationFailed, match="the same bits"):
        verify_pass(Rule("regrouped", *regrouped, claim=Exact()), graph, targets=("numpy",), examples=50)
    assert verify_pass(Rule("regrouped", *regrouped, claim=Reassociates()), graph, targets=("numpy",)).firings


def test_a_program_is_as_coarse_as_its_coarsest_dtype():
    single = variable("s", "float32[n]")
    graph = Graph.from_outputs([single], T.cast(T.tanh(single), "float64"))
    given = {"s": np.linspace(-2, 2, 64, dtype="float32")}  # float32's tanh is another one in C
    assert verify_pass("cse", graph, ("c",), inputs=given).worst > 0
