"""`verify`: what it prints of passes, rules and gradients, how a finding is repeated, and with which code it ends."""

import dataclasses
import shlex
import sys
from itertools import count
from types import SimpleNamespace

import pytest

import graphopt.tensor as T
from graphopt.cli.progress import LINES_APART, Progress
from graphopt.frontend.formula_functions import FUNCTIONS, Callee
from graphopt.ops import TABLE
from graphopt.rewrite import Exact, Rule, V

x = V("x")
OWN = """
from dataclasses import dataclass
import graphopt.tensor as T
from graphopt.rewrite import Exact, Pass, Pipeline, Rule, V

x = V("x")
right = Rule("twice-negated", T.negative(T.negative(x)), x, claim=Exact())
wrong = Rule("false", T.log(x + 1), T.log(x) + 1, claim=Exact())
chain = Pipeline.parse("canonicalize,cse")
number = 3

@dataclass(frozen=True)
class Doubles(Pass):
    name = "doubles"
    def run(self, graph, context):
        for node in list(graph.outputs.values()):
            context.replace(node, graph.handle(node) * 2, "double")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of one's own in the working directory."""
    (tmp_path / "own_passes.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "own_passes"
    sys.modules.pop("own_passes", None)


def test_verify_explains_itself(run):
    result = run("verify", "--help")
    assert result.exit_code == 0
    for option in ("--json", "--debug", "--seed", "--examples", "--minutes", "--targets", "--rule", "--gradient"):
        assert option in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "verify takes one of: a pass or a pipeline"),
        (("cse", "--pass", "stabilize"), "verify takes one of"),
        (("--rule", "log1p", "--gradient", "x"), "verify takes one of"),
        (("log1p",), "log1p is no pass but a rule; say --rule log1p"),
        (("none-such",), "none-such"),
        (("--rule", "log1pp"), "did you mean log1p"),
        (("cse", "--targets", "fortran"), "targets are numpy, c, cuda, cuda-emulated; found 'fortran'"),
        (("--rule", "log1p", "--on", "x"), "--on is for a pass"),
        (("cse", "--minutes", "-1"), "--minutes is a time, found -1"),
        (("no_such_module_here:thing",), "cannot find no_such_module_here:thing"),
    ],
)
def test_wrong_usage_is_named(run, arguments, message):
    result = run("verify", *arguments)
    assert result.exit_code == 2 and message in result.stderr


# --- passes -----------------------------------------------------------------------------------------------------------


def test_a_pass_is_held_to_its_promises_on_drawn_programs(run, record):
    found = record("verify", "canonicalize,cse", "--examples", "3", "--targets", "numpy", "--seed", "3")
    assert (found["programs"], found["failure"], found["repeat"]) == (3, None, None)
    assert found["gradients"]["compared"] and found["sets"]["drawn"] == 3
    shown = run("verify", "cse", "--examples", "2", "--targets", "numpy")
    assert shown.exit_code == 0 and "idempotent" in shown.stdout


def test_drawing_goes_on_with_further_seeds_until_the_time_is_up(record, monkeypatch):
    seconds = count()
    monkeypatch.setattr("graphopt.cli.verify_passes.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    assert record("verify", "cse", "--examples", "1", "--minutes", "0.05", "--targets", "numpy")["programs"] == 33


def test_a_pass_is_held_to_its_promises_on_a_formula(record):
    found = record("verify", "default", "--on", "log(exp(x) / sum(exp(x)))", "--shape", "x=n", "--examples", "2")
    assert found["firings"] and found["targets"] == {"c": 1} and found["failure"] is None


def test_a_pass_of_ones_own_is_found_out_and_the_finding_repeated(run, record, own):
    result = run("verify", f"{own}:Doubles", "--targets", "numpy", "--seed", "4")
    assert result.exit_code == 1 and result.stdout.startswith("pass doubles breaks 'values'")
    program, *repeat = shlex.split(result.stdout.partition("repeat with: ")[2])
    assert program == "graphopt" and repeat[-2:] == ["--examples", "1"]
    again = run(*repeat)
    assert again.exit_code == 1 and again.stdout == result.stdout
    found = record(*repeat, code=1)
    assert (found["property"], found["pass"], found["target"]) == ("values", "doubles", "numpy")


def test_a_finding_on_a_formula_is_repeated_on_that_formula(run, own):
    arguments = ("--on", "exp(x) + 1", "--shape", "x=3", "--dtype", "float32", "--targets", "numpy")
    result = run("verify", f"{own}:Doubles", *arguments)
    assert result.exit_code == 1 and 'input("x"): float32[3]' in result.stdout
    repeat = shlex.split(result.stdout.partition("repeat with: ")[2])[1:]
    assert run(*repeat).stdout == result.stdout


@pytest.mark.parametrize("name", ["right", "chain"])
def test_rules_and_pipelines_of_ones_own_are_verified_as_passes(own, record, name):
    assert record("verify", f"{own}:{name}", "--examples", "1", "--targets", "numpy")["failure"] is None


def test_what_is_no_pass_is_wrong_usage(run, own):
    result = run("verify", f"{own}:number")
    assert result.exit_code == 2 and "expected a pass, a rule, a list of them, or a pipeline" in result.stderr
    assert run("verify", f"{own}:absent").exit_code == 2


def test_a_target_that_is_not_here_ends_with_3(run, monkeypatch):
    monkeypatch.setenv("CC", "/nonexistent/compiler")
    result = run("verify", "cse", "--targets", "c", "--examples", "1")
    assert result.exit_code == 3 and "compiler" in result.stderr


# --- rules ------------------------------------------------------------------------------------------------------------


def test_one_rule_is_held_to_its_claim(run, record):
    (found,) = record("verify", "--rule", "log1p", "--examples", "2")
    assert found["rule"] == "log1p" and found["failure"] is None and found["worst_after"] < found["worst_before"]
    assert "1 of 1 keep their claims" in run("verify", "--rule", "log1p", "--examples", "2").stdout


def test_all_rules_of_a_pass_or_of_all_passes_are_gone_through(planted, record):
    planted(
        Rule("twice-negated", T.negative(T.negative(x)), x, claim=Exact()),
        Rule("subtracted", x + T.negative(V("y")), x - V("y"), claim=Exact()),
    )
    for arguments in (("--rules",), ("--rules", "--pass", "planted")):
        found = record("verify", *arguments, "--examples", "1")
        assert {each["rule"] for each in found} == {"twice-negated", "subtracted"}


def test_a_false_claim_is_a_finding(run, record, planted):
    planted(Rule("false", T.log(x + 1), T.log(x) + 1, claim=Exact()))
    result = run("verify", "--rule", "false", "--examples", "2", "--seed", "1")
    assert result.exit_code == 1
    assert "false: " in result.stdout and "0 of 1 keep their claims" in result.stdout
    assert "repeat with: graphopt verify --rule false --seed 1 --examples 2" in result.stdout
    assert record("verify", "--rule", "false", "--examples", "2", code=1)[0]["failure"]


def test_a_rule_of_ones_own_is_verified_by_its_place(run, own):
    assert run("verify", "--rule", f"{own}:right", "--examples", "1").exit_code == 0
    result = run("verify", "--rule", f"{own}:wrong", "--examples", "1")
    assert result.exit_code == 1 and f"verify --rule {own}:wrong --seed 0" in result.stdout


# --- gradients --------------------------------------------------------------------------------------------------------


def test_the_derivative_of_a_formula_is_held_to_the_truth(run, record):
    arguments = ("verify", "--gradient", "log(sum(exp(x)))", "--shape", "x=3", "--examples", "2", "--order", "2")
    assert "exact (order 2)" in run(*arguments).stdout
    found = record(*arguments, "--seed", "5")
    assert found["points"] == 2 and found["failure"] is None and found["oracles"] == {"exact": 2, "exact (order 2)": 2}
    oracles = record(*arguments, "--oracle", "complex-step")["oracles"]
    assert oracles.keys() == {"complex-step", "complex-step (order 2)"}


def test_a_wrong_derivative_is_a_finding_that_is_repeated(run, record, monkeypatch):
    wrong = dataclasses.replace(TABLE["tanh"], pullback=lambda g, node: [g])
    monkeypatch.setitem(FUNCTIONS, "tanh", Callee("tanh", lambda x: wrong(x)))
    result = run("verify", "--gradient", "tanh(x) * 2", "--shape", "x=3")
    assert result.exit_code == 1 and "suspect: tanh" in result.stdout and "to see it again" in result.stdout
    repeat = shlex.split(result.stdout.partition("repeat with: ")[2])[1:]
    assert run(*repeat).stdout == result.stdout
    assert "by the oracle 'exact'" in record(*repeat, code=1)["failure"]


# --- progress ---------------------------------------------------------------------------------------------------------


def test_progress_is_a_line_every_few_seconds_where_nobody_watches(capsys):
    now = [0.0]
    with Progress("programs", 50, clock=lambda: now[0]) as progress:
        for done in range(4):
            progress.at(16 * done, f"seed {done}")
            now[0] += 0.6 * LINES_APART
    assert capsys.readouterr().err.splitlines() == ["32 of 50 programs in 12 s; seed 2"]


def test_progress_is_a_bar_where_somebody_watches(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("programs", 50) as progress:
        progress.at(16, "seed 7")
        progress._bar.refresh()
    assert "16/50" in capsys.readouterr().err
