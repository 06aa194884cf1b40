"""`f.profile`: what a call takes, step by step; its memory is what the plan predicts, to the byte."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T

x = go.variable("x", "float64[n, m]")


@pytest.fixture(scope="module")
def function():
    """Products, a softmax, a total, a branch, and a size that is counted."""
    y = T.softmax(x @ T.transpose(x), axis=1) @ x
    chosen = x.reshape((-1,))[x.reshape((-1,)) > 0.5]
    branch = T.cond(T.sum(x) > 0, T.sum(T.transpose(x) @ y), T.sum(T.exp(y) @ T.transpose(y)))
    return go.function([x], {"y": y, "total": T.sum(y * y), "branch": branch, "chosen": chosen * 2})


@pytest.mark.parametrize("shape", [(3, 4), (40, 7), (7, 40), (1, 1), (0, 5)])
def test_the_memory_that_a_call_takes_is_what_the_plan_predicts(function, shape):
    profile = function.profile(np.random.default_rng(3).uniform(-1, 1, shape))
    planned = function.program.memory.bytes({"n": shape[0], "m": shape[1]})
    assert 0 < planned == profile.peak_bytes == profile.predicted_bytes


def test_every_step_has_a_time_unless_its_branch_was_not_taken(function):
    profile = function.profile(np.ones((30, 20)))
    assert [step.name for step in profile.steps] == [kernel.name for kernel in function.kernels]
    assert all((step.seconds > 0) == (step.runs > 0) or step.runs for step in profile.steps)
    skipped = [step.name for step in profile.steps if not step.runs]
    assert skipped and all("otherwise" in name for name in skipped)
    products = [step for step in profile.steps if step.form == "product" and step.runs]
    assert {step.flops for step in products} >= {2 * 30 * 20 * 30}
    assert profile.seconds == sum(step.seconds for step in profile.steps)
    assert "predicted" in str(profile) and skipped[0] in str(profile)


def test_profiling_changes_no_shared_variable_and_no_result(function):
    w = go.shared(np.ones(3), name="w")
    v = go.variable("v", "float64[3]")
    f = go.function([v], T.sum(w), updates={w: w + v})
    assert len(f.profile(np.ones(3)).steps) == len(f.kernels)
    np.testing.assert_array_equal(w.get_value(), [1, 1, 1])


def test_a_ufunc_is_profiled_with_the_vectors_it_is_given():
    import sympy

    s = sympy.Symbol("s")
    assert go.function([s], sympy.exp(s) + 1).profile(np.ones(100)).steps[0].bytes == 2 * 8 * 100


def test_what_runs_no_text_of_its_own_has_no_profile(function):
    for other in (
        go.function([x], T.exp(x), target="numpy"),
        go.function([x], T.exp(x), mode="debug"),
        function.with_source(function.source),
    ):
        with pytest.raises(go.InvalidArgument, match="profile is for functions with target 'c'"):
            other.profile(np.ones((2, 2)))
