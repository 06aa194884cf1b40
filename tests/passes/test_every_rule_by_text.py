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
from graphopt.rewrite import Pipeline, RulePass, available_passes
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


if __name__ == "__main__":
    text, missing = written()
    FILE.write_text(text)
    print(f"{FILE.name}: {text.count(ARROW)} examples; none found for: {', '.join(missing) or 'no rule'}")
