"""What is said to whoever makes the usual mistakes."""

import subprocess
import sys

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.testing import verify_grad

WITHOUT_HYPOTHESIS = "import sys; sys.modules['hypothesis'] = None; import graphopt.testing"


def test_a_misspelt_function_is_answered_with_those_spelled_alike():
    with pytest.raises(AttributeError, match="no function 'logsumex'; did you mean logsumexp"):
        T.logsumex(T.vector("x"))


@pytest.mark.parametrize("function", [np.exp, np.sum, lambda x: x], ids=["ufunc", "NumPy", "lambda"])
def test_a_function_in_place_of_an_expression_is_to_be_called(function):
    x = T.vector("x")
    with pytest.raises(go.UnsupportedExpression, match="call it with the variables"):
        go.function([x], function)
    with pytest.raises(go.InvalidArgument, match="call it with the variables"):
        go.grad(function, x)


def test_integers_have_no_derivative_and_are_to_be_cast():
    with pytest.raises(go.InvalidArgument, match="x is int64; cast it"):
        verify_grad(lambda x: np.sum(x * x), [(np.arange(3),)])
    with pytest.raises(go.InvalidArgument, match="no output is of floats"):
        verify_grad(T.sum(T.lvector("x")), 2)


def test_without_hypothesis_the_extra_that_brings_it_is_named():
    outcome = subprocess.run([sys.executable, "-c", WITHOUT_HYPOTHESIS], capture_output=True, text=True)
    assert "pip install 'graphopt[testing]'" in outcome.stderr.splitlines()[-1]


def test_an_expression_written_twice_is_two_variables_to_grad():
    x = T.vector("x")
    with pytest.raises(go.DisconnectedInput, match="written a second time is another variable"):
        go.grad(T.sum(T.exp(x)), T.exp(x))
