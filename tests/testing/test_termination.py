"""The verifier holds rules to the measures that they state."""

import pytest

import graphopt.tensor as T
from graphopt.errors import VerificationFailed
from graphopt.rewrite import Exact, Rule, V
from graphopt.rewrite.standard_measures import DISORDER, OPERATIONS
from graphopt.testing import verify_rule

x, y = V("x"), V("y")


def test_a_rule_that_does_not_decrease_its_measure_is_rejected_and_the_message_says_by_how_much():
    swap = Rule("swap", T.maximum(x, y), T.maximum(y, x), claim=Exact(), measure=OPERATIONS)
    with pytest.raises(VerificationFailed) as caught:
        verify_rule(swap, examples=1, gradients=False)
    message = str(caught.value)
    assert "rule swap does not decrease its measure operations (what is computed" in message
    assert "3 + " in message and " before, 3 + " in message and "program:\n" in message


def test_a_rule_that_decreases_a_later_measure_is_accepted_if_the_earlier_ones_stay():
    stated = (OPERATIONS, DISORDER)
    negation = Rule("double", T.negative(-x), x, claim=Exact(), measure=stated)
    assert verify_rule(negation, examples=1, gradients=False).programs
    worse = Rule("worse", T.negative(-x), T.minimum(x, x), claim=Exact(), measure=stated[::-1])
    with pytest.raises(VerificationFailed, match="rule worse does not decrease its measure disorder"):
        verify_rule(worse, examples=1, gradients=False)


def test_a_rule_that_states_no_measure_is_not_held_to_one():
    assert verify_rule(Rule("swap", x - (-y), x + y, claim=Exact()), examples=1, gradients=False).programs
