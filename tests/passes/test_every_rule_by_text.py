"""Every rule of every pass has an example, before and after, in `before_after.txt`; each is replayed and compared.

The file is for reading: whoever adds or changes a rule sees in its diff what the rule does. Write it anew with

    python tests/passes/test_every_rule_by_text.py

which keeps examples that still hold, drops those of rules that are gone, and draws one for each rule that has none.
"""

import random
from pathlib import Path

import pytest

from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.passes import stabilize
from graphopt.rewrite import Pipeline, RulePass, available_passes
from graphopt.rewrite.standard_measures import STANDARD
from graphopt.rewrite.termination import unordered
from graphopt.testing.instances import instance

FILE = Path(__file__).with_name("before_after.txt")
ARROW = "=>"
DRAWN = 40  # so many programs are drawn for a rule; the shortest is kept
TRIES = 3000


def catalogue():
    """Every rule by `pass:rule`."""
    return {
        f"{name}:{rule.name}": rule
        for name, step in available_passes().items()
        if issubclass(step, RulePass)
        for rule in step.rules
    }


def read():
    """The examples of the file: `pass:rule` to before and after."""
    examples = {}
    for block in FILE.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            split = lines.index(ARROW)
            examples[lines[0]] = ("\n".join(lines[1:split]) + "\n", "\n".join(lines[split + 1 :]) + "\n")
    return examples


def fire(rule, before):
    """The text after the first firing of a rule, or None if it does not fire."""
    graph = Graph.parse(before)
    log = Pipeline([rule]).run(graph, limit=1, verify=True)
    return graph_text(graph, origins=False) if len(log) else None


def drawn(name, rule):
    """A short program that a rule fires on, before and after."""
    chance, found = random.Random(name), []
    for attempt in range(TRIES):
        made = instance(rule, "float64", chance, tame=not found and attempt > TRIES // 2)
        if made is None:
            continue
        before = graph_text(made.before, origins=False)
        after = fire(rule, before)
        if after is not None:
            found.append((before, after))
        if len(found) == DRAWN:
            break
    return min(found, key=lambda pair: len(pair[0]) + len(pair[1]), default=None)


def written():
    """The text of the file as it should be, and the rules for which no example was found."""
    kept, blocks, missing = read() if FILE.exists() else {}, [], []
    for name, rule in catalogue().items():
        example = kept.get(name)
        if example is None or fire(rule, example[0]) != example[1]:
            example = drawn(name, rule)
        if example is None:
            missing.append(name)
        else:
            blocks.append(f"{name}\n{example[0]}{ARROW}\n{example[1]}")
    header = "# One example for each rule: before, after. How to write this file anew is in test_every_rule_by_text.py."
    return "\n".join([header + "\n", *blocks]), missing


EXAMPLES = read() if FILE.exists() else {}


def test_every_rule_has_an_example():
    missing = sorted(set(catalogue()) - set(EXAMPLES))
    assert not missing, f"no example for {', '.join(missing)}; run this file to draw them"


def test_no_example_is_of_a_rule_that_is_gone():
    assert not sorted(set(EXAMPLES) - set(catalogue()))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_rule_does_what_its_example_says(name):
    before, after = EXAMPLES[name]
    assert fire(catalogue()[name], before) == after


# --- coming to an end: the examples, read as programs before and after a firing --------------------------------------

ON_THEIR_OWN = {f"stabilize:{rule.name}" for part in stabilize.LONGER for rule in part.LONGER}
ALTERNATING = ("stabilize", "fast-math", "canonicalize")  # in the loop of the pipelines "default" and "fast"


def firings(*passes):
    """Programs before and after a firing, by rule, of the rules of some passes."""
    return {
        name: [(Graph.parse(before), Graph.parse(after))]
        for name, (before, after) in EXAMPLES.items()
        if name.partition(":")[0] in passes
    }


@pytest.mark.parametrize("step", [name for name, step in available_passes().items() if issubclass(step, RulePass)])
def test_a_pass_comes_to_an_end_by_its_order_of_measures(step):
    assert set(unordered(available_passes()[step].order, firings(step))) == {
        name for name in ON_THEIR_OWN if name.startswith(f"{step}:")
    }


def test_passes_that_alternate_come_to_an_end_by_one_order_of_measures():
    assert set(unordered(STANDARD, firings(*ALTERNATING))) == ON_THEIR_OWN


def test_every_rule_but_those_that_write_functions_out_states_a_measure():
    assert {name for name, rule in catalogue().items() if not rule.measure} == ON_THEIR_OWN


@pytest.mark.parametrize("name", sorted(ON_THEIR_OWN))
def test_what_one_rule_writes_out_is_written_out_by_no_other(name):
    graph = Graph.parse(EXAMPLES[name][1])
    log = Pipeline([catalogue()[other] for other in sorted(ON_THEIR_OWN)]).run(graph)
    assert [firing.rule for firing in log] == []


if __name__ == "__main__":
    text, missing = written()
    FILE.write_text(text)
    print(f"{FILE.name}: {text.count(ARROW)} examples; none found for: {', '.join(missing) or 'no rule'}")
