"""`verify_grad` kills the mutants of derivatives. What the whole table comes to is in the record of the experiment."""

import pytest

from graphopt.ops import TABLE
from graphopt.testing.derivative_mutations import MUTATIONS, TIES, mutants, observed, planted
from graphopt.testing.derivative_verdicts import judge
from graphopt.testing.specimens import SPECIMENS

KILLED = {"exp": 25, "floor": 1, "cumprod": 25}
"""How many mutants of an op have something to get wrong, all of which are killed."""
CONVENTIONS = {"absolute": {"whole at ties", "opposite at ties", "first alone at ties"}}
EQUIVALENT = {"absolute": {"nothing at ties"}}


def test_the_list_of_mutations_is_long_and_names_each_once():
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 40
    assert {mutation.place for mutation in MUTATIONS} == {"part", "all", "nothing", "unknown", "pushforward"}
    assert all(TABLE[name].pullback is not None for name in TIES)


@pytest.mark.parametrize("name", [*KILLED, *CONVENTIONS])
def test_no_mutant_survives(name):
    verdicts = {mutant: judge(mutant) for mutant in mutants(name)}
    by = {
        outcome: {str(mutant.mutation.name) for mutant, verdict in verdicts.items() if verdict.outcome == outcome}
        for outcome in ("survived", "convention", "equivalent")
    }
    assert by == {
        "survived": set(), "convention": CONVENTIONS.get(name, set()), "equivalent": EQUIVALENT.get(name, set())
    }  # fmt: skip
    killed = [verdict for verdict in verdicts.values() if verdict.outcome == "killed"]
    assert len(killed) >= KILLED.get(name, 20)
    assert {verdict.blamed for verdict in killed} <= {name, "altered", "stop_gradient"}


def test_a_mutant_is_gone_when_its_context_is_left():
    right = TABLE["exp"].pullback
    (mutant, *_) = mutants("exp")
    with planted(mutant):
        assert TABLE["exp"].pullback is not right
    with observed("exp"):
        assert TABLE["exp"].pullback is not right
    assert TABLE["exp"].pullback is right


def test_every_op_with_a_tie_has_a_specimen_with_one():
    assert all(any(specimen.conventions for specimen in SPECIMENS[name]) for name in TIES)
