"""The commands about rules: `rules` lists and lints them, `explain` tries one on a formula.

`verify`, which tests claims, and `bisect`, which finds the firing that did harm, have files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from graphopt.cli.bisect import bisect_
from graphopt.cli.named import find_rule, passes_with_rules
from graphopt.cli.options import Debug, Json, PassName, about_problem
from graphopt.cli.problem import Problem
from graphopt.cli.show import FINDING, grid, heading, reported, say, say_json, tell
from graphopt.cli.verify import verify
from graphopt.errors import InvalidArgument
from graphopt.graph.graph import Graph
from graphopt.lowering import as_pipeline
from graphopt.rewrite import Rule, explain
from graphopt.rewrite.catalogue import Row, catalogue, markdown, rules_of
from graphopt.rewrite.lint import LintFinding, overlaps, termination, undoing, unused
from graphopt.rewrite.lint_corpus import programs
from graphopt.rewrite.pattern import AnyOp

__all__ = ["add_commands"]

BEFORE = "canonicalize,cse"


def add_commands(app: typer.Typer) -> None:
    """Give the application these commands."""
    app.command(name="rules")(rules)
    app.command(name="explain")(explain_)
    app.command(name="verify")(verify)
    app.command(name="bisect")(bisect_)


# --- rules ------------------------------------------------------------------------------------------------------------


def rules(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words that must all stand in the name, algebra, source or tags.")
    ] = None,
    pass_name: PassName = None,
    claim: Annotated[
        str | None, typer.Option("--claim", help="Rules with this claim: improves, or 'Stabilizes(8)'.")
    ] = None,
    lint: Annotated[
        bool,
        typer.Option(
            "--lint", help="Look for duplicates, rules never reached or undoing each other; say what ends them."
        ),
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/rules.md, of the toolkit's own rules.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the rewrite rules: name, pass, claim, algebra; or look for faults among them."""
    with reported(debug):
        steps = passes_with_rules(pass_name)
        if lint:
            _lint(steps, json)
            return
        rows = [row for row in catalogue() if row.step in steps and all(row.has(word) for word in words or ())]
        if claim is not None:
            known = sorted({row.claim.partition("(")[0] for row in catalogue()})
            if not any(row.claims(claim) for row in catalogue()):
                raise InvalidArgument(f"no rule claims {claim!r}; claims are: {', '.join(known)}")
            rows = [row for row in rows if row.claims(claim)]
        if as_markdown:
            say(markdown(rows))
        elif json:
            say_json([_record(row) for row in rows])
        else:
            grid(("rule", "pass", "claim", "algebra"), [(r.name, r.step, r.claim, r.algebra) for r in rows])
            say(f"{len(rows)} {'rule' if len(rows) == 1 else 'rules'}")


def _record(row: Row) -> dict[str, Any]:
    return {
        "name": row.name, "pass": row.step, "claim": row.claim, "algebra": row.algebra, "source": row.source,
        "tags": row.tags, "measure": row.measure,
    }  # fmt: skip


def _lint(steps: Sequence[str], json: bool) -> None:
    """Overlaps within each pass, where order decides; the rest among all the passes' rules."""
    listed = {step: rules_of(step) for step in steps}
    every = [rule for rules in listed.values() for rule in rules]
    found: list[LintFinding] = []
    tell("comparing patterns")
    for rules in listed.values():
        found += overlaps(rules)
    tell("looking for rules that undo each other")
    found += undoing(every)
    tell("ordering measures")
    ends = {} if json else {step: termination(rules) for step, rules in listed.items() if rules}
    tell("trying the corpus")
    found += unused(every, programs())
    tell("")
    if json:
        say_json([{"kind": f.kind, "rules": f.rules, "sentence": f.sentence} for f in found])
    elif found:
        grid(("kind", "rules", "finding"), [(f.kind, ", ".join(f.rules), f.sentence) for f in found])
        say(f"{len(found)} {'finding' if len(found) == 1 else 'findings'} in {len(every)} rules")
    else:
        say(f"nothing found in {len(every)} rules")
    for step, end in ends.items():
        say(f"{step} comes to an end by: {end}")
    if found:
        raise typer.Exit(FINDING)


# --- explain ----------------------------------------------------------------------------------------------------------


@about_problem
def explain_(
    problem: Problem,
    rule: Annotated[str, typer.Option("--rule", help="The rule's name; see 'graphopt rules'.")],
    node: Annotated[int | None, typer.Option("--node", help="Explain at this node only.")] = None,
    after: Annotated[
        str, typer.Option("--after", help="The passes that run first: a pipeline's name or text; '' for none.")
    ] = BEFORE,
    json: Json = False,
) -> None:
    """Say why a rule fires or does not, at each node with the op of its root, the deepest first."""
    found = find_rule(rule)
    graph = Graph.from_outputs(problem.inputs, {"output": problem.output})
    if after.strip():
        as_pipeline(after).run(graph)
    nodes = _roots(found, graph) if node is None else [_checked(graph, node)]
    texts = {n: explain(found, graph, n) for n in nodes}
    if json:
        explanations = [{"node": n, "explanation": text} for n, text in texts.items()]
        say_json({"rule": found.name, "graph": str(graph), "explanations": explanations})
        return
    say(str(found))
    heading(f"Graph after {after}" if after.strip() else "Graph as written")
    say(_numbered(graph))
    heading("What happens")
    say("\n".join(texts.values()) if texts else f"no node has the op of the rule's root: {found.pattern}")


def _roots(rule: Rule, graph: Graph) -> list[int]:
    """Nodes at which the pattern's root could be, those farthest from the inputs first."""
    pattern = rule.pattern
    depth: dict[int, int] = {}
    for node in graph.order():
        depth[node] = 1 + max((depth[operand] for operand in graph.operands(node)), default=0)

    def could(node: int) -> bool:
        if isinstance(pattern, AnyOp):
            operands = tuple(graph.op(operand) for operand in graph.operands(node))
            return pattern.admits(graph.op(node), operands)
        return any(graph.op(node) is getattr(orientation, "op", None) for orientation in rule.orientations)

    return sorted((node for node in depth if could(node)), key=lambda node: (-depth[node], node))


def _checked(graph: Graph, node: int) -> int:
    if node not in graph:
        raise InvalidArgument(f"the graph has no node {node}; it has: {', '.join(map(str, graph.order()))}")
    return node


def _numbered(graph: Graph) -> str:
    """The graph with the numbers that `--node` takes and explanations name; its canonical text has its own."""
    lines = []
    for node in graph.order():
        shown = [f"node {operand}" for operand in graph.operands(node)]
        shown += [f"{k}={v}" for k, v in graph.attributes(node).items() if k not in ("dtype", "shape") or shown]
        label = graph.name(node) or f"{graph.op(node).name}({', '.join(shown)})"
        lines.append(f"node {node}: {graph.type(node)} = {label}")
    return "\n".join(lines)
