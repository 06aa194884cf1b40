"""A pytest plugin: every rewrite rule of a module is a test by itself, and Hypothesis knows the profiles of graphopt.

    pytest --graphopt-rules=my_package.passes

or, in the configuration file,

    [tool.pytest.ini_options]
    graphopt_rules = ["my_package.passes"]

collects the `Rule`s of those modules, and of the `RulePass`es in them, and verifies each (`verify_rule`). An item is
called `module::rule[claim]`. `--hypothesis-profile=graphopt-ci` and `graphopt-long` need no `conftest.py`: what they
are is in `graphopt.testing.profiles`.

The plugin is installed as a package of its own, `pytest_graphopt`: pytest loads plugins whenever
it starts, and a module inside `graphopt` would bring all of that in. Nothing of graphopt is imported unless a module
or a profile is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from graphopt.rewrite import Rule

__all__ = ["RuleItem", "RuleModule", "pytest_addoption", "pytest_collection", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--graphopt-rules` and `--graphopt-examples`, and the setting `graphopt_rules`."""
    group = parser.getgroup("graphopt", "rewrite rules")
    group.addoption(
        "--graphopt-rules",
        action="append",
        default=[],
        metavar="MODULE",
        help="verify the rules of this module, or of a pass in it (module:Pass); may be given more than once",
    )
    group.addoption(
        "--graphopt-examples", type=int, default=10, metavar="N", help="sets of values drawn for each rule (default 10)"
    )
    parser.addini("graphopt_rules", "modules whose rewrite rules are verified", type="args", default=[])


@pytest.hookimpl(tryfirst=True)  # before Hypothesis's own plugin loads the profile
def pytest_configure(config: pytest.Config) -> None:
    """Register the profiles where one of them is asked for."""
    if str(config.getoption("--hypothesis-profile", default=None)).startswith("graphopt-"):
        from graphopt.testing.profiles import register

        register()


class RuleModule(pytest.Collector):
    """The rules of one module."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each rule."""
        for label, rule in _rules(self.name):
            yield RuleItem.from_parent(self, name=f"{label}[{rule.claim}]", rule=rule)


class RuleItem(pytest.Item):
    """One rule and its claim."""

    def __init__(self, *, rule: Rule, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.rule = rule

    def runtest(self) -> None:
        """Verify the rule."""
        from graphopt.testing.rules import verify_rule

        verify_rule(self.rule, examples=self.config.getoption("--graphopt-examples"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was found, without the trace through the verifier."""
        from graphopt.errors import VerificationFailed

        if isinstance(excinfo.value, VerificationFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where pytest says the failure is: the rule's module and name."""
        return self.path, None, f"{self.parent.name if self.parent else ''}::{self.name}"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Collect as ever, then add the rules of the modules named.

    Raises
    ------
    pytest.UsageError
        If a module cannot be imported or has no rules.
    """
    result = yield
    config = session.config
    modules = [*config.getoption("--graphopt-rules"), *config.getini("graphopt_rules")]
    for name in dict.fromkeys(modules):
        items = list(RuleModule.from_parent(session, name=name).collect())
        config.hook.pytest_collection_modifyitems(session=session, config=config, items=items)
        session.items.extend(items)
        session.testscollected += len(items)
    return result


def _rules(place: str) -> Iterator[tuple[str, Rule]]:
    """Each rule of `module` or `module:Pass` once, with a label that is unique there."""
    from graphopt.rewrite import Rule, RulePass

    module_name, _, member = place.partition(":")
    try:
        module = import_module(module_name)
        values = [getattr(module, member)] if member else list(vars(module).values())
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"graphopt rules: cannot find {place!r}: {error}") from error
    seen: dict[int, Rule] = {}
    for value in values:
        found: Iterable[Any] = [value]
        if isinstance(value, list | tuple):
            found = value
        elif isinstance(value, RulePass) or (isinstance(value, type) and issubclass(value, RulePass)):
            found = value.rules
        seen.update({id(rule): rule for rule in found if isinstance(rule, Rule)})
    if not seen:
        raise pytest.UsageError(f"graphopt rules: {place!r} holds no Rule and no RulePass with rules")
    labels: set[str] = set()
    for rule in seen.values():
        label = rule.name if rule.name not in labels else f"{rule.name}-{len(labels)}"
        labels.add(label)
        yield label, rule
