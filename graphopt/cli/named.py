"""Passes, pipelines and rules that a command is given by name: those that are installed, or one's own.

What is one's own is named by the place where it is defined, `package.module:name`; the module is imported then, from
where Python finds modules or from the working directory, and nothing else is. No text is evaluated.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.lowering import as_pipeline
from graphopt.rewrite import Pass, Pipeline, Rule, RulePass, available_passes
from graphopt.rewrite.catalogue import rules_of
from graphopt.rewrite.pipeline import NAMED

__all__ = ["find_pipeline", "find_rule", "find_rules", "passes_with_rules"]


def find_pipeline(text: str) -> Pipeline:
    """The pipeline of a name ("default"), a text ("canonicalize,cse") or a place ("package.module:MyPass").

    Raises
    ------
    InvalidArgument
        If there is none.
    """
    if ":" in text:
        found = _at(text)
        if isinstance(found, Pipeline):
            return found
        steps = [_instance(each, text) for each in (found if isinstance(found, list | tuple) else [found])]
        if all(isinstance(step, Pass | Rule) for step in steps):
            return Pipeline(steps)
        raise InvalidArgument(f"{text} is {found!r}; expected a pass, a rule, a list of them, or a pipeline")
    known = {rule.name for step in available_passes() for rule in rules_of(step)}
    if text in known and text not in (*NAMED, *available_passes()):
        raise InvalidArgument(f"{text} is no pass but a rule; say --rule {text}")
    return as_pipeline(text)


def find_rules(text: str) -> Sequence[Rule]:
    """The rule of a name, or the rules at a place: those of a pass, too.

    Raises
    ------
    InvalidArgument
        If there is none.
    """
    if ":" not in text:
        return [find_rule(text)]
    value = _at(text)
    if isinstance(value, RulePass) or (isinstance(value, type) and issubclass(value, RulePass)):
        value = tuple(value.rules)
    rules = [each for each in (value if isinstance(value, list | tuple) else [value]) if isinstance(each, Rule)]
    if not rules:
        raise InvalidArgument(f"{text} is {value!r}; expected a rule, a list of rules, or a pass that works by rules")
    return rules


def find_rule(name: str) -> Rule:
    """The rule of that name among those of all available passes.

    Raises
    ------
    InvalidArgument
        If there is none; the message names those that are spelled alike.
    """
    known = {rule.name: rule for step in available_passes() for rule in rules_of(step)}
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see 'graphopt rules'"
        raise InvalidArgument(f"there is no rule called {name!r}; {hint}")
    return known[name]


def passes_with_rules(pass_name: str | None) -> list[str]:
    """The passes that are meant; that there is one of the name is checked by looking it up."""
    if pass_name is None:
        return list(available_passes())
    if not rules_of(pass_name):
        having = ", ".join(name for name in available_passes() if rules_of(name))
        raise InvalidArgument(f"pass {pass_name} has no rules; passes with rules are: {having}")
    return [pass_name]


def _at(place: str) -> Any:
    """The object at `package.module:name`."""
    module_name, _, path = place.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # behind all others: a file here hides no module
    try:
        value: Any = import_module(module_name)
        for name in path.split("."):
            value = getattr(value, name)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise InvalidArgument(f"cannot find {place}: {error}") from error
    return value


def _instance(value: Any, place: str) -> Any:
    """A pass of a class, its parameters at their defaults."""
    if not (isinstance(value, type) and issubclass(value, Pass)):
        return value
    try:
        return value()
    except TypeError as error:
        raise InvalidArgument(f"{place} needs parameters ({error}); name one that has them") from error
