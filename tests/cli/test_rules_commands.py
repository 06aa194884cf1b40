"""`rules`, `explain`, `bisect`: what they print, and with which code they end."""

import pytest

import graphopt.tensor as T
from graphopt.rewrite import RealOnly, Rule, V
from graphopt.rewrite.catalogue import catalogue, markdown

x, y = V("x"), V("y")


@pytest.mark.parametrize("command", ["rules", "explain", "bisect"])
def test_every_command_about_rules_explains_itself_and_takes_json(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout and "--debug" in result.stdout
    assert command in run("--help").stdout


# --- rules ------------------------------------------------------------------------------------------------------------


def test_rules_lists_every_rule(run, record):
    found = record("rules")
    assert [row["name"] for row in found] == [row.name for row in catalogue()]
    assert set(found[0]) == {"name", "pass", "claim", "algebra", "source", "tags", "measure"}
    shown = run("rules").stdout
    assert all(row.name in shown for row in catalogue()) and f"{len(found)} rules" in shown


def test_rules_are_filtered_by_pass_claim_and_words(record):
    assert {row["pass"] for row in record("rules", "--pass", "fast-math")} == {"fast-math"}
    assert {row["claim"].partition("(")[0] for row in record("rules", "--claim", "improves")} == {"Improves"}
    assert [row["name"] for row in record("rules", "log1p(exp", "softplus")] == ["softplus"]
    assert record("rules", "no-such-word-anywhere") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pass", "stabilise"), "did you mean stabilize"),
        (("--pass", "cse"), "pass cse has no rules; passes with rules are: "),
        (("--claim", "nonsense"), "no rule claims 'nonsense'; claims are: "),
    ],
)
def test_what_no_rule_has_is_wrong_usage(run, arguments, message):
    result = run("rules", *arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_rules_prints_the_page_of_the_documentation(run):
    assert run("rules", "--markdown").stdout == markdown(catalogue())


def test_linting_ends_with_1_on_a_finding(run, record, planted):
    planted(
        Rule("general", T.log(x + y), T.log(y + x) * 1.0, claim=RealOnly()),
        Rule("special", T.log(x + 1), T.log1p(x), claim=RealOnly()),
    )
    result = run("rules", "--lint")
    assert result.exit_code == 1
    assert "shadowed" in result.stdout and "1 finding in 2 rules" in result.stdout
    assert [finding["rules"] for finding in record("rules", "--lint", code=1)] == [["general", "special"]]


def test_linting_ends_with_0_without_findings(run, record, planted):
    planted(Rule("log1p", T.log(x + 1), T.log1p(x), claim=RealOnly()))
    result = run("rules", "--lint")
    assert result.exit_code == 0 and result.stdout.startswith("nothing found in 1 rules\n")
    assert result.stdout.endswith(" comes to an end by: hazards\n")
    assert record("rules", "--lint") == []


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_says_that_a_rule_fires_and_where(run, record):
    found = record("explain", "log(1 + x)", "--rule", "log1p", "--shape", "x=n", "--dtype", "float32")
    (explanation,) = found["explanations"]
    assert explanation["explanation"].startswith(f"log1p fires at node {explanation['node']}")
    shown = run("explain", "log(1 + x)", "--rule", "log1p", "--shape", "x=n").stdout
    assert explanation["explanation"] in shown and "Graph after canonicalize,cse" in shown
    assert f"node {explanation['node']}: float64[n] = log(" in shown


def test_explain_goes_through_all_roots_the_deepest_first(record):
    found = record("explain", "log(2 + log(3 + x))", "--rule", "log1p", "--shape", "x=n")
    texts = [each["explanation"] for each in found["explanations"]]
    assert len(texts) == 2 and all("expected the number 1" in text for text in texts)
    outer, inner = (each["node"] for each in found["explanations"])
    (only,) = record("explain", "log(2 + log(3 + x))", "--rule", "log1p", "--shape", "x=n", "--node", inner)[
        "explanations"
    ]
    assert only["node"] == inner != outer


def test_explain_looks_at_the_graph_after_the_chosen_passes(run):
    written = run("explain", "log(1 + exp(x))", "--rule", "softplus", "--shape", "x=n", "--after", "")
    assert written.exit_code == 0
    assert "Graph as written" in written.stdout and "no node has the op of the rule's root" in written.stdout
    rewritten = run(
        "explain", "log(1 + exp(x))", "--rule", "softplus", "--shape", "x=n", "--after", "canonicalize,log1p"
    )
    assert rewritten.exit_code == 2 and "log1p" in rewritten.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("log(x)", "--rule", "log1pp"), "there is no rule called 'log1pp'; did you mean log1p"),
        (("log(x)", "--rule", "log1p", "--node", "99"), "the graph has no node 99; it has: "),
        (("log(", "--rule", "log1p"), "log("),
    ],
)
def test_explain_names_what_there_is_not(run, arguments, message):
    result = run("explain", *arguments, "--shape", "x=n")
    assert result.exit_code == 2 and message in result.stderr


# --- bisect -----------------------------------------------------------------------------------------------------------

FORMULA = ("exp(x)*exp(y)", "--type", "x=float64[20]", "--type", "y=float64[20]", "--scale", "300", "--worse", "1")


def test_bisect_names_the_firing_that_did_harm(run, record):
    found = record("bisect", *FORMULA, code=1)["found"]
    assert (found["rule"], found["pass"]) == ("exp-product", "fast-math")
    result = run("bisect", *FORMULA)
    assert result.exit_code == 1 and "exp-product" in result.stdout


def test_bisect_finds_nothing_where_nothing_goes_wrong(run, record):
    assert record("bisect", *FORMULA, "--pipeline", "default")["found"] is None
    result = run("bisect", *FORMULA, "--pipeline", "default")
    assert result.exit_code == 0 and result.stdout.startswith("no firing of default makes it worse")


def test_bisect_needs_sizes(run):
    result = run("bisect", "exp(x)", "--shape", "x=n")
    assert result.exit_code == 2 and "has no size for n" in result.stderr
