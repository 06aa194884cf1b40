"""The pytest plugin: every rule of a third party's module is a test by itself; Hypothesis profiles come ready."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

import graphopt.testing
from graphopt.errors import InvalidArgument
from graphopt.testing import profiles

pytest_plugins = ("pytester",)
FOLDER = Path(graphopt.testing.__file__).parent
RULES = """
import graphopt.tensor as T
from dataclasses import dataclass
from graphopt.rewrite import Exact, Improves, Rule, RulePass, V

x = V("x")
right = Rule("twice-negated", -(-x), x, claim=Exact())

@dataclass(frozen=True)
class Mine(RulePass):
    name = "mine"
    rules = (right, Rule("wrong-sign", T.log(1 - x), T.log1p(x), claim=Improves()))
"""


@pytest.fixture
def project(pytester):
    pytester.syspathinsert(FOLDER)
    pytester.makepyfile(their_rules=RULES, test_own="def test_own(): pass")
    return pytester


def outcome(project, *arguments):
    return project.runpytest_inprocess("-p", "pytest_graphopt", "--graphopt-examples=3", *arguments)


def test_each_rule_is_an_item_with_its_claim_beside_other_tests(project):
    result = outcome(project, "--graphopt-rules=their_rules", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*twice-negated?Exact?*PASSED*", "*wrong-sign?Improves?*FAILED*"])


def test_a_failure_shows_the_program_and_not_the_verifier(project):
    result = outcome(project, "--graphopt-rules=their_rules:Mine")
    result.stdout.fnmatch_lines(["*breaks its claim Improves*", "*program:*"])
    assert "graphopt/testing/rules.py" not in result.stdout.str()


def test_modules_can_be_named_in_the_configuration(project):
    project.makeini("[pytest]\ngraphopt_rules = their_rules")
    outcome(project).assert_outcomes(passed=2, failed=1)


def test_rules_are_selected_by_keyword(project):
    outcome(project, "--graphopt-rules=their_rules", "-k", "negated").assert_outcomes(passed=1, deselected=2)


def test_an_unknown_module_is_an_error_of_usage(project):
    result = outcome(project, "--graphopt-rules=no_such_module")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cannot find 'no_such_module'*"])


def test_without_modules_nothing_is_added(project):
    outcome(project).assert_outcomes(passed=1)


def test_loading_the_plugin_imports_nothing_heavy():
    code = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import pytest_graphopt; "
        "assert not {'graphopt', 'numpy', 'sympy', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_profiles_are_known_without_a_conftest(project):
    project.makepyfile(
        test_own="""
        from hypothesis import settings

        def test_profile():
            assert settings.default.derandomize and settings.default.max_examples == 50
        """
    )
    result = project.runpytest_subprocess("-p", "pytest_graphopt", "--hypothesis-profile=graphopt-ci")
    result.assert_outcomes(passed=1)


def test_a_profile_is_loaded_by_name_and_an_unknown_one_named():
    before = settings.default
    try:
        profiles.register(load="graphopt-long")
        assert settings.default.max_examples == 1000 and not settings.default.derandomize
        with pytest.raises(InvalidArgument, match="there are: graphopt-ci, graphopt-long"):
            profiles.register(load="ci")
    finally:
        profiles.register(load="graphopt-ci")
    assert settings.default.max_examples == before.max_examples
